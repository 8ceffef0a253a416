# Runs in a guest whose kernel has ublk_drv, with dmctl in it.
set -e
export DMCTL_DIR=/tmp/run RUST_BACKTRACE=1
mkdir -m 700 $DMCTL_DIR
modprobe ext4
modprobe loop

head -c 67108864 /dev/urandom > /tmp/a
head -c 67108864 /dev/urandom > /tmp/b
echo '0 131072 linear /tmp/a 0' > /tmp/one
# The same, by two lines.
printf '0 65536 linear /tmp/a 0\n65536 65536 linear /tmp/a 65536\n' > /tmp/two
serve() {
    rm -f /tmp/serve.log
    dmctl serve --table volume=/tmp/one > /tmp/serve.log 2>&1 & daemon=$!
    until grep -q ready /tmp/serve.log 2> /dev/null; do
        kill -0 $daemon || { cat /tmp/serve.log; return 1; }
        sleep 0.1
    done
}
serve

echo "what is said without the driver"
test ! -e /dev/ublk-control
if dmctl export volume --ublk 2> /tmp/said; then exit 1; fi
grep 'no ublk.*modprobe ublk_drv' /tmp/said
modprobe ublk_drv

echo "limits"
disk=$(dmctl export volume --ublk --queues 2)
test "$disk" = /dev/ublkb0 -a -b "$disk"
queue=/sys/block/ublkb0/queue
test "$(ls /sys/block/ublkb0/mq | wc -w)" = 2
test "$(blockdev --getsz $disk)" = 131072
test "$(cat $queue/logical_block_size)" = 512
test "$(cat $queue/physical_block_size)" = 512 -o "$(cat $queue/physical_block_size)" = 4096
test "$(cat $queue/max_sectors_kb)" = 128
test "$(cat $queue/write_cache)" = "write back"
test "$(cat $queue/fua)" = 1
test "$(cat $queue/discard_max_bytes)" -gt 0
test "$(cat $queue/write_zeroes_max_bytes)" -gt 0
if dmctl remove volume 2> /tmp/said; then exit 1; fi
cmp $disk /tmp/a

echo "fio verify"
verify() {
    fio --name=verify --filename=$disk --direct=1 --ioengine=libaio --rw=randwrite --bsrange=512-256k \
        --blockalign=512 --bs_unaligned=0 --iodepth=32 --numjobs=2 --size=16m --offset_increment=16m \
        --verify=crc32c --verify_fatal=1 --verify_state_save=0 --group_reporting --minimal $*
}
verify > /dev/null
sync; cmp $disk /tmp/a

echo "discard, zeros"
/bin/blkdiscard --offset 1048576 --length 1048576 $disk
/bin/blkdiscard --zeroout --offset 2097152 --length 1048576 $disk
cmp -n 1048576 $disk /dev/zero 2097152 0
cmp -n 1048576 /tmp/a /dev/zero 2097152 0

echo "tables swapped under fio"
swaps=0
verify --loops=3 > /tmp/fio.log & fio=$!
while kill -0 $fio 2>/dev/null; do
    dmctl suspend volume
    dmctl load volume --table-file /tmp/$(test $((swaps % 2)) = 0 && echo two || echo one)
    dmctl resume volume
    swaps=$((swaps + 1))
done
wait $fio
echo "$swaps swaps"

echo "requests wait while it is suspended"
dmctl suspend volume
dd if=$disk of=/dev/null bs=4k count=1 iflag=direct 2> /dev/null & reader=$!
sleep 1; kill -0 $reader
dmctl resume volume; wait $reader

echo "file system"
/bin/mke2fs -q -t ext4 $disk
mount -t ext4 -o discard $disk /mnt
if dmctl unexport $disk 2> /tmp/said; then exit 1; fi
grep 'in use' /tmp/said
cp /bin/busybox /bin/fio /mnt
umount /mnt
mount -t ext4 $disk /mnt
cmp /bin/busybox /mnt/busybox
cmp /bin/fio /mnt/fio
rm /mnt/fio; fstrim /mnt
umount /mnt
/bin/e2fsck -fn $disk

echo "unexported"
dmctl unexport $disk
test ! -e $disk -a ! -e /dev/ublkc0
dmctl remove volume
kill $daemon; wait $daemon

echo "SIGTERM takes it away, and writes what is cached"
serve
disk=$(dmctl export volume --ublk --queues 4)
dd if=/bin/busybox of=$disk bs=64k 2> /dev/null
kill $daemon; wait $daemon
test ! -e $disk -a ! -e /dev/ublkc0
cmp -n $(wc -c < /bin/busybox) /bin/busybox /tmp/a

echo "SIGKILL: the disk goes away, and its requests fail"
serve
disk=$(dmctl export volume --ublk)
fio --name=load --filename=$disk --direct=1 --ioengine=libaio --rw=randwrite --bs=4k --iodepth=32 \
    --size=32m --time_based --runtime=60 > /tmp/fio.log 2>&1 & fio=$!
until [ "$(awk '{ print $5 }' /sys/block/ublkb0/stat)" -gt 0 ]; do kill -0 $fio; sleep 0.1; done
kill -9 $daemon; wait $daemon || true
if wait $fio; then exit 1; fi
seconds=0
while [ -e $disk ]; do test $seconds -lt 30; seconds=$((seconds + 1)); sleep 1; done
# What is left of it is a number that the next daemon's disk does not get.
serve
disk=$(dmctl export volume --ublk)
echo "the next is $disk"
cmp $disk /tmp/a

echo "a disk below goes away"
for module in virtio_pci virtio_blk; do modprobe $module; done
until [ -b /dev/vda ]; do sleep 0.1; done
printf '0 65536 linear /tmp/b 0\n65536 2048 linear direct:/dev/vda 0\n' > /tmp/table
dmctl create halves --table-file /tmp/table
halves=$(dmctl export halves --ublk)
fio --name=load --filename=$halves --offset=32m --size=1m --direct=1 --ioengine=libaio --rw=randrw --bs=4k \
    --iodepth=32 --time_based --runtime=60 > /tmp/fio.log 2>&1 & fio=$!
until [ "$(awk '{ print $5 }' /sys/block/vda/stat)" -gt 0 ]; do kill -0 $fio; sleep 0.1; done
echo 1 > "$(realpath /sys/block/vda/device)/../remove"
if wait $fio; then exit 1; fi
grep 'Input/output error' /tmp/fio.log
cmp -n 33554432 $halves /tmp/b
cmp $disk /tmp/a
dmctl unexport $halves
dmctl remove halves
test ! -e /dev/vda

losetup /dev/loop0 /tmp/b
for round in 1 2 3; do
    for case in randread,1 randwrite,1 randread,32 randwrite,32; do
        for who in ublk loop; do
            rate=$(fio --name=load --filename=$(test $who = ublk && echo $disk || echo /dev/loop0) \
                --direct=1 --ioengine=libaio --rw=${case%,*} --bs=4k --iodepth=${case#*,} --size=60m --norandommap \
                --time_based --runtime=2 --minimal | cut -d';' -f8,49)
            echo FIGURE ${case%,*} ${case#*,} $who $rate
        done
    done
done
dmctl unexport $disk
kill $daemon; wait $daemon
if dmesg | grep -E 'WARNING|BUG|Oops|hung task|Call Trace'; then exit 1; fi
echo ALL-GOOD
