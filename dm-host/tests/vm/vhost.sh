# Runs in a guest: /dev/vda is our vhost-user-blk disk, /dev/vdb one of qemu-storage-daemon.
set -e
# By their paths, since the shell has smaller ones of the same names.
modprobe virtio_pci
modprobe virtio_blk
modprobe ext4
disk=/dev/vda

queue=/sys/block/vda/queue
test "$(ls /sys/block/vda/mq | wc -w)" = 2
test "$(cat $queue/logical_block_size)" = 512
test "$(cat $queue/write_cache)" = "write back"
test "$(cat $queue/discard_max_bytes)" -gt 0
test "$(cat $queue/write_zeroes_max_bytes)" -gt 0
test "$(cat /sys/block/vda/serial)" = volume

echo "fio verify"
fio --name=verify --filename=$disk --direct=1 --ioengine=libaio --rw=randwrite --bsrange=512-64k \
    --blockalign=512 --bs_unaligned=0 --iodepth=16 --numjobs=2 --size=16m --offset_increment=16m \
    --verify=crc32c --verify_fatal=1 --verify_state_save=0 --group_reporting --minimal > /dev/null

echo "discard, zeros"
/bin/blkdiscard --offset 1048576 --length 1048576 $disk
/bin/blkdiscard --zeroout --offset 2097152 --length 1048576 $disk
cmp -n 1048576 $disk /dev/zero 2097152 0

echo "file system"
/bin/mke2fs -q -t ext4 $disk
mount -t ext4 -o discard $disk /mnt
cp /bin/busybox /bin/fio /mnt
umount /mnt
mount -t ext4 $disk /mnt
cmp /bin/busybox /mnt/busybox
cmp /bin/fio /mnt/fio
rm /mnt/fio
fstrim /mnt
umount /mnt
/bin/e2fsck -fn $disk

echo KILLS-BEGIN
fio --name=verify --filename=$disk --direct=1 --ioengine=libaio --rw=randwrite --bs=4k --iodepth=32 \
    --size=60m --loops=2 --verify=crc32c --verify_fatal=1 --verify_state_save=0 --minimal > /dev/null
# It takes at least as long as the three kills.
sleep 10

for round in 1 2 3 4 5; do
    for case in randread,1 randwrite,1 randread,32 randwrite,32; do
        for who in vda vdb; do
            rate=$(fio --name=load --filename=/dev/$who --direct=1 --ioengine=libaio \
                --rw=${case%,*} --bs=4k --iodepth=${case#*,} --size=60m --norandommap \
                --time_based --runtime=2 --minimal | cut -d';' -f8,49)
            echo FIGURE ${case%,*} ${case#*,} $who $rate
        done
    done
done
echo ALL-GOOD
