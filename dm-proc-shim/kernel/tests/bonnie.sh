# Run in the guest by `cargo xtask kernel bench`: bonnie++ on ext4, over a volume of two segments, ours
# and the stock device mapper's in turns, on the same disks. Prints for each column
# FIGURE bonnie++-<column> 2 <who> <nanoseconds a KiB, a seek, or a file>
# A column that was over in less than half a second has no figure: bonnie++ gives none.

C=/proc/device-mapper/control P=/proc/device-mapper D=/dev/device-mapper
ROUNDS=3
die() { echo "FAIL: $*"; exit 1; }
insmod /dmrs.ko && modprobe dm-mod && modprobe ext4 && modprobe brd rd_nr=2 rd_size=524288 || die modules
printf '0 1048576 linear /dev/ram0 0\n1048576 1048576 linear /dev/ram1 0\n' > /tmp/table

# A RAM disk gets its memory with the first write: not while somebody is measured.
for disk in ram0 ram1; do dd if=/dev/zero of=/dev/$disk bs=1M count=512 2>/dev/null || die $disk; done

run() { # WHO DEVICE
    /bin/mke2fs -q -F -t ext4 $2 && mount -t ext4 $2 /mnt || die "mount $1"
    # By characters where few are enough, and the rest where there is enough to do.
    /bin/bonnie++ -q -d /mnt -u 0:0 -r 16 -s 32 -n 0 -m x 2>/dev/null > /tmp/chars || die "bonnie++ $1"
    /bin/bonnie++ -q -f -d /mnt -u 0:0 -r 256 -s 512 -n 16 -m x 2>/dev/null > /tmp/blocks || die "bonnie++ $1"
    umount /mnt
    tail -n 1 /tmp/chars | figures $1 10:putc 16:getc
    tail -n 1 /tmp/blocks | figures $1 12:put-block 14:rewrite 18:get-block 20:seeks 27:seq-create \
        29:seq-stat 31:seq-delete 33:random-create 35:random-stat 37:random-delete
}
figures() { # WHO FIELD:COLUMN...
    who=$1; shift; read -r line
    for field; do
        value=$(echo "$line" | cut -d, -f${field%:*})
        case $value in '' | *+*) continue ;; esac
        echo "FIGURE bonnie++-${field#*:} 2 $who $((1000000000 / value))"
    done
}
stock() { dmsetup create stock /tmp/table || die stock; run stock /dev/mapper/stock; dmsetup remove stock; }
ours() { echo create ours > $C; cat /tmp/table > $P/ours; run ours $D/ours; echo remove ours > $C; }

round=0
while [ $round -lt $ROUNDS ]; do
    if [ $((round % 2)) = 0 ]; then stock; ours; else ours; stock; fi
    round=$((round + 1))
done
echo ALL-GOOD
