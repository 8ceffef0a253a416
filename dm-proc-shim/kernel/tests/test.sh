# Run in the guest by `cargo xtask kernel test`. Says ALL-GOOD at its end, or what failed.
# FULL is 1 for `--full`: then all is repeated as often as it may take a while.

C=/proc/device-mapper/control P=/proc/device-mapper D=/dev/device-mapper
bad=
fail() { echo "FAIL: $*"; bad=1; }
ok() { echo "ok: $*"; }
part() { echo "== $* ($(cut -d' ' -f1 /proc/uptime) s)"; }
# must COMMAND..: it succeeds. mustnt COMMAND..: it fails.
must() { "$@" >/tmp/out 2>&1 || { tail -5 /tmp/out; fail "$*"; }; }
mustnt() { if "$@" >/tmp/out 2>&1; then fail "succeeded: $*"; fi; }
# A command for control, and a table for a device: framed, so that its errors come with the write.
control() { echo "$*" > $C; }
table() { { echo begin; cat; echo end; } > $P/$1 || { cat $P/$1; return 1; }; }
same() { cmp -s -n 25165824 /tmp/data $1; }
fill() { dd if=/tmp/data of=$1 bs=1M conv=fsync 2>/dev/null; }
random() { dd if=/dev/urandom of=/tmp/data bs=1M count=24 2>/dev/null; }
number() { cut -d: -f1 /sys/block/$1/dev; }

often() { if [ "$FULL" = 1 ]; then echo $1; else echo $2; fi; }
alive() { kill -0 $1 2>/dev/null; }

echo 60 > /proc/sys/kernel/hung_task_timeout_secs || fail "hung tasks are not looked for"
must insmod /dmrs.ko
must modprobe brd rd_nr=4 rd_size=65536
for module in dm-mod dm-flakey dm-mirror xfs ext4; do modprobe $module 2>/dev/null; done

part what is refused
mustnt control remove nosuch
mustnt control create control
must control create a
mustnt control create a
echo '0 10 linaer 1:0 0' > /tmp/t; mustnt table a < /tmp/t
grep -q '2:6: unknown target type.*did you mean `linear`' $P/a || fail "no reason in the file"
echo '0 10 linear /dev/device-mapper/a 0' > /tmp/t; mustnt table a < /tmp/t
echo "0 10 linear $(number dmr-0):0 0" > /tmp/t; mustnt table a < /tmp/t
echo '0 200000 linear 1:0 0' > /tmp/t; mustnt table a < /tmp/t
mustnt mount /dev/device-mapper/a /mnt
must control remove a
[ -z "$(cat $C)" ] || fail "a device is left"

part the scripts of all surfaces
must modprobe null_blk nr_devices=0; mount -t configfs none /sys/kernel/config 2>/dev/null
N=/sys/kernel/config/nullb
for n in s0 s1 s2; do
    must mkdir $N/$n; echo 1 > $N/$n/size; echo 512 > $N/$n/blocksize; echo 1 > $N/$n/power || fail "null_blk $n"
done
/bin/proc scripts $(cat /sys/block/s0/dev /sys/block/s1/dev /sys/block/s2/dev) || fail "other answers"
rmdir $N/s0 $N/s1 $N/s2

part the proposal, as written
must control create foo 7
[ -b $D/foo ] || fail "no node"
echo 'begin
0 1000 linear 1 0 100
1000 24 io-err
end' > $P/foo || fail "the table"
[ "$(blockdev --getsz $D/foo)" = 1024 ] || fail "size $(blockdev --getsz $D/foo)"
must dd if=$D/foo of=/dev/null bs=4k count=125 iflag=direct
[ "$(awk '{ print $1, $3 }' /sys/block/dmr-7/stat)" = "125 1000" ] || fail "statistics: $(cat /sys/block/dmr-7/stat)"
mustnt dd if=$D/foo of=/dev/null bs=4k skip=125 iflag=direct
[ "$(cat /sys/block/dmr-7/dm/name)" = foo ] && [ "$(cat /sys/block/dmr-7/dm/suspended)" = 0 ] || fail sysfs
[ -d /sys/block/ram0/holders/dmr-7 ] && [ -d /sys/block/dmr-7/slaves/ram0 ] || fail holders
must control rename foo bar
[ -b $D/bar ] && [ ! -e $D/foo ] && [ -e $P/bar ] && [ ! -e $P/foo ] || fail "nodes of a renamed device"
must control remove bar
[ ! -e $D/bar ] && [ ! -e $P/bar ] && [ ! -e /sys/block/dmr-7 ] || fail "nodes of a removed device"

part what is told
: > /tmp/uevents
uevent sh -c 'echo "$ACTION $DEVNAME $DM_NAME" >> /tmp/uevents' & listener=$!
sleep 1
must control create u; echo '0 8 zero' > $P/u
must control suspend u; must control resume u; must control remove u
sleep 1; kill $listener; wait $listener 2>/dev/null
for action in add change remove; do
    grep -q "^$action device-mapper/u" /tmp/uevents || fail "no uevent: $action: $(cat /tmp/uevents)"
done
[ "$(grep -c '^change' /tmp/uevents)" -ge 3 ] || fail "uevents: $(cat /tmp/uevents)"
must /bin/proc wait control sh -c "echo create u > $C"
must /bin/proc wait u sh -c "echo 0 8 zero > $P/u"
must /bin/proc wait u sh -c "echo suspend u > $C"
must /bin/proc wait control sh -c "echo resume u > $C"
must /bin/proc wait control sh -c "echo remove u > $C"
mustnt /bin/proc wait u true

part out of memory
for n in a b; do
    must mkdir $N/$n
    for set in size=32 memory_backed=1 discard=1 cache_size=1; do echo ${set#*=} > $N/$n/${set%=*}; done
    echo 1 > $N/$n/power || fail "null_blk $n"
done
/bin/proc memory > /tmp/refused && ok "$(tail -1 /tmp/refused)" || { tail -5 /tmp/refused; fail "out of memory"; }
rmdir $N/a $N/b
must rmmod dmrs
n=1; while ! insmod /dmrs.ko fail_allocation=$n 2>/tmp/out; do
    grep -q 'annot allocate memory' /tmp/out || { cat /tmp/out; fail "loaded without allocation $n"; break; }
    n=$((n + 1))
done
[ $n -gt 1 ] && ok "$((n - 1)) allocations refused while loading" || fail "loaded without memory"
echo 0 > /sys/module/dmrs/parameters/fail_allocation

part layout, against the stock device mapper
printf '0 20000 linear /dev/ram0 3\n20000 30000 linear /dev/ram1 77\n' > /tmp/linear
echo '0 196608 striped 3 32 /dev/ram0 0 /dev/ram1 8 /dev/ram2 64' > /tmp/striped
for kind in linear striped; do
    random; must /bin/dmsetup create stock /tmp/$kind; must fill /dev/mapper/stock; must /bin/dmsetup remove stock
    must control create ours; must table ours < /tmp/$kind
    same $D/ours && ok "$kind: stock's read by ours" || fail "$kind: stock's read by ours"
    random; must fill $D/ours; must control remove ours
    must /bin/dmsetup create stock /tmp/$kind
    same /dev/mapper/stock && ok "$kind: ours read by stock" || fail "$kind: ours read by stock"
    must /bin/dmsetup remove stock
done

part file systems
printf '0 100000 linear /dev/ram0 3\n100000 100000 linear /dev/ram1 77\n200000 100000 linear /dev/ram2 8\n300000 100001 linear /dev/ram3 0\n' > /tmp/linear
echo '0 400000 striped 4 32 /dev/ram0 0 /dev/ram1 8 /dev/ram2 64 /dev/ram3 0' > /tmp/striped
for kind in linear striped; do for fs in ext4 xfs; do
    must control create f; must table f < /tmp/$kind
    case $fs in
        ext4) must /bin/mke2fs -q -t ext4 $D/f ;;
        xfs) must /bin/mkfs.xfs -q -f --unsupported $D/f ;;
    esac
    must mount -t $fs $D/f /mnt
    mustnt control remove f
    mustnt rmmod dmrs
    must cp /tmp/data /mnt/data; must cp -r /bin /mnt/bin
    must umount /mnt; must mount -t $fs $D/f /mnt
    must cmp -s /tmp/data /mnt/data; must cmp -s /bin/busybox /mnt/bin/busybox
    must umount /mnt
    case $fs in
        ext4) must /bin/e2fsck -fn $D/f ;;
        xfs) must /bin/xfs_repair -n $D/f ;;
    esac
    must control remove f; ok "$fs on $kind"
done; done

part verified I/O across lines
awk 'BEGIN { for (i = 0; i < 500; i++) print i * 8, 8, "linear /dev/ram" i % 4, i * 8 }' > /tmp/many
must control create v; must table v < /tmp/many
must /bin/fio --name=lines --filename=$D/v --rw=randwrite --bsrange=4k-64k --direct=1 --ioengine=libaio \
    --iodepth=16 --size=2000k --verify=crc32c --do_verify=1

part suspend, load and resume under verified I/O
# The same layout by 16 lines, and by 32.
for lines in 16 32; do
    awk -v n=$lines 'BEGIN { s = 4000 / n; for (i = 0; i < n; i++) print i * s, s, "linear /dev/ram" int(i * 16 / n) % 4, i * s }' > /tmp/lines$lines
done
must table v < /tmp/lines16; must control resume v
cycles=0 wanted=$(often 1000 400)
while [ $cycles -lt $wanted ]; do
    /bin/fio --name=cycles --filename=$D/v --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=16 \
        --size=2000k --time_based --runtime=20 --verify=crc32c > /tmp/fio 2>&1 & fio=$!
    while alive $fio && [ $cycles -lt $wanted ]; do
        control suspend v || fail suspend
        table v < /tmp/lines$((16 + cycles % 2 * 16)) || fail load
        control resume v || fail resume
        cycles=$((cycles + 1))
    done
    alive $fio && kill -INT $fio
    wait $fio || { grep -q 'verify:\|err= *[1-9]' /tmp/fio && { cat /tmp/fio; fail "fio after $cycles cycles"; break; }; }
done
ok "$cycles cycles"
must control suspend v
[ "$(cat /sys/block/dmr-0/dm/suspended)" = 1 ] || fail "sysfs says it is not suspended"
dd if=$D/v of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null & reader=$!
sleep 1; kill -0 $reader 2>/dev/null && ok held || fail "not held"
must control resume v; wait $reader && ok released || fail released
must control remove v

part a file system is frozen
echo '0 60000 linear /dev/ram0 0' > /tmp/t
must control create z; must table z < /tmp/t; must /bin/mke2fs -q -t ext4 $D/z; must mount -t ext4 $D/z /mnt
# recover: whether what lies below would have to be recovered, as after a power cut.
recover() { must dd if=/dev/ram0 of=/tmp/image bs=1M count=29 iflag=direct; /bin/dumpe2fs -h /tmp/image 2>/dev/null | grep -q needs_recovery; }
must cp /tmp/data /mnt/data
must control suspend z; recover && fail "not frozen"
must /bin/e2fsck -fn /tmp/image
(echo new > /mnt/new) & writer=$!
sleep 1; alive $writer || fail "it could be written"
must control resume z; wait $writer; [ "$(cat /mnt/new)" = new ] && ok "frozen, and thawed" || fail thawed
must table z < /tmp/t; must control resume z; echo newer > /mnt/new || fail "after another table"
must control suspend z nofreeze; recover && ok "left alone" || fail "frozen although told not to"
must table z < /tmp/t; must control resume z
must umount /mnt; must /bin/e2fsck -fn $D/z
# What is frozen without a file system can be mounted as soon as the command returns.
must control suspend z; mustnt mount -t ext4 $D/z /mnt; must control resume z; must mount -t ext4 $D/z /mnt; must umount /mnt
must control suspend z; must control remove z

part many devices
many=$(often 1000 250)
awk -v n=$many 'BEGIN { for (i = 0; i < n; i++) print "create m" i }' > /tmp/commands
must cp /tmp/commands $C; [ "$(ls $D | wc -l)" = $many ] || fail "$(ls $D | wc -l) devices of $many"
for n in 0 7 $((many - 1)); do echo '0 8 zero' > $P/m$n; must dd if=$D/m$n of=/dev/null; done
sed s/create/remove/ /tmp/commands > /tmp/back; must cp /tmp/back $C
[ -z "$(ls $D 2>/dev/null)" ] && ok "$many devices" || fail "devices are left"

part a table of 100,000 lines
awk 'BEGIN { for (i = 0; i < 100000; i++) print i, 1, "linear /dev/ram" i % 2, 100000 - i }' > /tmp/big
must control create big; must table big < /tmp/big
[ "$(blockdev --getsz $D/big)" = 100000 ] || fail size
dd if=/tmp/data of=$D/big bs=64k count=100 oflag=direct 2>/dev/null || fail write
cmp -s -n 6553600 /tmp/data $D/big && ok "6 MB through it" || fail content
must control remove big

part a device below that fails
printf '0 1000 linear /dev/ram0 0\n1000 1000 error\n2000 1000 linear /dev/ram0 2000\n' > /tmp/t
must /bin/dmsetup create broken /tmp/t
must control create b; echo '0 3000 linear /dev/mapper/broken 0' > /tmp/t; must table b < /tmp/t
must dd if=$D/b of=/dev/null bs=4k count=100 iflag=direct
mustnt dd if=$D/b of=/dev/null bs=4k skip=125 count=100 iflag=direct
mustnt dd if=/tmp/data of=$D/b bs=64k count=20 oflag=direct
must control suspend b; must control resume b
mustnt /bin/dmsetup remove broken
must control remove b; must /bin/dmsetup remove broken

part a mirror
in_sync() { # SECONDS COMMAND..: until what the command prints says that all 48 regions are.
    seconds=$1; shift
    while ! "$@" | grep -q ' 48/48 '; do
        [ $seconds -gt 0 ] || { "$@"; return 1; }
        sleep 1; seconds=$((seconds - 1))
    done
}
equal_legs() { for leg in 0 1; do dd if=/dev/ram$leg of=/tmp/leg$leg bs=1M count=24 iflag=direct 2>/dev/null; done; cmp -s /tmp/leg0 /tmp/leg1; }
random; dd if=/tmp/data of=/dev/ram0 bs=1M oflag=direct 2>/dev/null; dd if=/dev/zero of=/dev/ram1 bs=1M count=24 oflag=direct 2>/dev/null
must control create r; echo '0 49152 mirror core 1 1024 2 /dev/ram0 0 /dev/ram1 0' > /tmp/t; must table r < /tmp/t
must in_sync 60 cat $P/r; equal_legs && same $D/r && ok "copied" || fail "not copied"
# While it copies, and when there is nothing left to copy.
table r < /tmp/t; must control resume r
must /bin/fio --name=mirror --filename=$D/r --rw=randwrite --bsrange=4k-64k --direct=1 --ioengine=libaio --iodepth=16 \
    --size=20m --verify=crc32c --do_verify=1
must in_sync 60 cat $P/r; equal_legs && ok "written to both" || fail "legs differ"
must control suspend r; must control resume r; must control remove r
# The log and the legs are Linux's: each takes over what the other left, and has nothing to copy.
dd if=/dev/zero of=/dev/ram3 bs=64k count=1 oflag=direct 2>/dev/null
echo '0 49152 mirror disk 2 /dev/ram3 1024 2 /dev/ram0 0 /dev/ram1 0' > /tmp/t
must control create r; must table r < /tmp/t; must in_sync 60 cat $P/r
random; must fill $D/r; must control remove r
must /bin/dmsetup create stock /tmp/t; must in_sync 5 /bin/dmsetup status stock
same /dev/mapper/stock && ok "ours read by stock's mirror" || fail "ours read by stock's mirror"
random; must fill /dev/mapper/stock; must /bin/dmsetup remove stock
must control create r; must table r < /tmp/t; must in_sync 5 cat $P/r
same $D/r && equal_legs && ok "stock's mirror read by ours" || fail "stock's mirror read by ours"
# A leg that fails, and a mount on what is left.
must control remove r
printf '0 1000 linear /dev/ram1 0\n1000 48152 error\n' > /tmp/broken
must /bin/dmsetup create broken /tmp/broken
must control create r; echo '0 49152 mirror core 2 1024 nosync 2 /dev/ram0 0 /dev/mapper/broken 0 1 handle_errors' > /tmp/t
must table r < /tmp/t; must /bin/mke2fs -q -t ext4 $D/r; must mount -t ext4 $D/r /mnt; must cp /bin/busybox /mnt; must umount /mnt
must /bin/e2fsck -fn $D/r; grep -q ' AD ' $P/r && ok "goes on without a leg" || fail "$(cat $P/r)"
must control remove r; must /bin/dmsetup remove broken

part a move under a mounted file system
dd if=/dev/zero of=/dev/ram1 bs=1M count=24 oflag=direct 2>/dev/null
must control create r; echo '0 49152 linear /dev/ram0 0' > /tmp/t; must table r < /tmp/t
must /bin/mke2fs -q -t ext4 $D/r; must mount -t ext4 $D/r /mnt; must cp /bin/busybox /mnt
( cd /tmp; exec /bin/bonnie++ -q -d /mnt -u 0:0 -r 4 -s 8 -n 1 -m moving > /tmp/bonnie 2>&1 ) & bonnie=$!
moves=0 from=ram0 to=ram1
while kill -0 $bonnie 2>/dev/null || [ $moves = 0 ]; do
    echo "0 49152 mirror core 1 1024 2 /dev/$from 0 /dev/$to 0 1 handle_errors" > /tmp/t
    must table r < /tmp/t; must control resume r
    must in_sync 120 cat $P/r || break
    echo "0 49152 linear /dev/$to 0" > /tmp/t; must table r < /tmp/t; must control resume r
    # Nothing may be left there that anybody needs.
    dd if=/dev/urandom of=/dev/$from bs=1M count=24 oflag=direct 2>/dev/null
    moves=$((moves + 1)) swap=$from from=$to to=$swap
done
wait $bonnie || { cat /tmp/bonnie; fail "bonnie++ while its disk moved"; }
must cmp -s /bin/busybox /mnt/busybox; must umount /mnt; must /bin/e2fsck -fn $D/r
must mount -t ext4 $D/r /mnt; must cmp -s /bin/busybox /mnt/busybox; must umount /mnt
ok "$moves moves under bonnie++"; must control remove r

part loop and virtio disks below
for module in loop virtio_pci virtio_blk; do modprobe $module 2>/dev/null; done
dd if=/dev/zero of=/tmp/image bs=1M count=12 2>/dev/null; must losetup /dev/loop0 /tmp/image
printf '0 24576 linear /dev/loop0 0\n24576 24576 linear /dev/vda 0\n' > /tmp/t
must control create s; must table s < /tmp/t
random; must fill $D/s; same $D/s && ok "read back" || fail "read back"
must /bin/mke2fs -q -F -t ext4 $D/s; must mount -t ext4 $D/s /mnt; must cp /bin/busybox /mnt; must umount /mnt
must /bin/e2fsck -fn $D/s
must control remove s; must losetup -d /dev/loop0; rm /tmp/image

part one of ours on another
printf '0 40000 linear 1:0 0\n40000 40000 linear 1:1 5\n' > /tmp/t
must control create low 5; must table low < /tmp/t
must /bin/mke2fs -q -t ext4 $D/low; must mount -t ext4 $D/low /mnt
echo "0 60000 striped 2 8 low 0 $(number dmr-5):5 30000" > /tmp/t
must control create up 6; mustnt table up < /tmp/t
grep -q 'cannot open device `low`.*in use' $P/up || fail "$(cat $P/up)"
must umount /mnt; must table up < /tmp/t
grep -q 'striped 2 8 low 0 low 30000' $P/up || fail "$(cat $P/up)"
mustnt mount -t ext4 $D/low /mnt
[ -d /sys/block/dmr-5/holders/dmr-6 ] && [ -d /sys/block/dmr-6/slaves/dmr-5 ] || fail holders
lsblk -n -s -o NAME $D/up | grep -q dmr-5 && lsblk -n -s -o NAME $D/up | grep -q ram0 || fail "$(lsblk -s $D/up)"
mustnt control remove low
mustnt control rename low other
mustnt rmmod dmrs
must fill $D/up; same $D/up && ok "read back" || fail "read back"
# The limits of what is below come through.
for n in $N/b0; do must mkdir $n; echo 64 > $n/size; echo 4096 > $n/blocksize; echo 1 > $n/power; done
echo '0 1000 linear /dev/b0 0' > /tmp/t; must table up < /tmp/t; must control resume up
[ "$(cat /sys/block/dmr-6/queue/logical_block_size) $(blockdev --getsz $D/up)" = '4096 1000' ] || fail "limits"
[ ! -e /sys/block/dmr-5/holders/dmr-6 ] || fail "a holder is left"
must /bin/mke2fs -q -F -t ext4 $D/low; must mount -t ext4 $D/low /mnt; must umount /mnt
must control remove up; must control remove low; rmdir $N/b0

part flushes, discards, zeroes
for n in n0 n1; do
    must mkdir $N/$n
    for set in size=64 memory_backed=1 discard=1 cache_size=4; do echo ${set#*=} > $N/$n/${set%=*}; done
    echo 1 > $N/$n/power || fail "null_blk $n"
done
must control create z; printf '0 50000 linear /dev/n0 0\n50000 50000 linear /dev/n1 0\n' > /tmp/t
must table z < /tmp/t
grep -q 'write back' /sys/block/dmr-0/queue/write_cache || fail "no write cache although below has one"
must fill $D/z; must /bin/blkdiscard $D/z
cmp -s -n 51200000 /dev/zero $D/z && ok discarded || fail discarded
must fill $D/z; must /bin/blkdiscard --zeroout $D/z
cmp -s -n 51200000 /dev/zero $D/z && ok zeroed || fail zeroed
# A journal writes with a flush before, and to the medium (FUA).
must /bin/mke2fs -q -t ext4 $D/z; must mount -t ext4 -o discard $D/z /mnt
for n in 1 2 3 4 5; do dd if=/tmp/data of=/mnt/$n bs=64k count=8 conv=fsync 2>/dev/null || fail fsync; done
rm /mnt/1; sync; must umount /mnt; must /bin/e2fsck -fn $D/z
must control remove z
rmdir $N/n0 $N/n1

part a suspend that is interrupted
# A disk that takes three seconds for each request.
must mkdir $N/slow
for set in size=64 irqmode=2 completion_nsec=3000000000; do echo ${set#*=} > $N/slow/${set%=*}; done
echo 1 > $N/slow/power || fail "null_blk slow"
must control create w; echo '0 1000 linear /dev/slow 0' > /tmp/t; must table w < /tmp/t
dd if=$D/w of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null & reader=$!
sleep 1
sh -c "echo suspend w > $C" 2>/dev/null & waiter=$!
sleep 1
kill -0 $waiter 2>/dev/null || fail "it did not wait for the request"
kill $waiter; wait $waiter && fail "it was not interrupted"
kill -0 $reader 2>/dev/null && ok "interrupted before the request was over" || fail "too late to tell"
wait $reader || fail "the request failed"
sleep 1; [ "$(cut -d' ' -f3 $C)" = suspended ] && ok "suspended anyway" || fail "$(cat $C)"
must control resume w
lsblk -n -o NAME /dev/slow | grep -q dmr-0 || fail "lsblk does not show the stack"
must control remove w; rmdir $N/slow

part files that are open
must control create x
exec 3<>$P/x
mustnt rmmod dmrs
must control remove x
(echo '0 8 zero' >&3) 2>/dev/null && fail "wrote to the file of a device that is gone"
exec 3>&-
must rmmod dmrs

part the names of the stock device mapper
modprobe -r dm-flakey dm-mirror; must modprobe -r dm-mod
must insmod /dmrs.ko legacy_names=1
must control create x; echo '0 8 zero' > $P/x
[ -e /sys/block/dm-0/dm/name ] && grep -q ' device-mapper$' /proc/devices || fail names
must control remove x; must rmmod dmrs

part loading and unloading
turns=0
while [ $turns -lt $(often 200 50) ]; do
    insmod /dmrs.ko && control create x && echo '0 100 zero' > $P/x && control create y &&
        echo '0 50 linear 1:0 7' > $P/y && dd if=$D/y of=/dev/null 2>/dev/null && rmmod dmrs ||
        { fail "turn $turns"; break; }
    turns=$((turns + 1))
done
ok "$turns turns"

part the log
# The objects of our own cache of requests are counted when it goes with the module.
dmesg | grep -E 'WARNING|BUG|Oops|hung task|blocked for more|leak|remaining on|Call Trace|dmrs:' |
    grep -v 'taint\|no disk for it: error 12\|no link to a device below: error -12' && fail "the log"
part end
[ -z "$bad" ] && echo ALL-GOOD
