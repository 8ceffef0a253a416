# Run in the guest by `cargo xtask kernel bench`, which works out medians from what it prints:
# FIGURE <case> <lines of the table> <who> <nanoseconds a request>

C=/proc/device-mapper/control P=/proc/device-mapper D=/dev/device-mapper
REQUESTS=20000 ROUNDS=5
die() { echo "FAIL: $*"; exit 1; }

# Nothing but the path: null_blk completes a bio where it is submitted. 1 bare, 4 for each side.
insmod /dmrs.ko && modprobe dm-mod && modprobe null_blk queue_mode=0 gb=1 nr_devices=9 || die modules

# lines FIRST COUNT: a table of that many lines, 8 sectors each or more, on one device.
lines() { awk -v d=$1 -v n=$2 'BEGIN { s = 2097152 / n; s -= s % 8; for (i = 0; i < n; i++) print i * s, s, "linear /dev/nullb" d, i * s }'; }
striped() { echo "0 2097152 striped 4 128 /dev/nullb$1 0 /dev/nullb$(($1 + 1)) 0 /dev/nullb$(($1 + 2)) 0 /dev/nullb$(($1 + 3)) 0"; }

# measure CASE LINES WHO DEVICE OPERATION: terse fields 8 and 49 are the IOPS of reads and writes.
measure() {
    case $5 in randread) field=8 ;; randwrite) field=49 ;; esac
    iops=$(/bin/fio --name=b --filename=$4 --rw=$5 --bs=4k --direct=1 --ioengine=psync --norandommap \
        --randseed=1 --number_ios=$REQUESTS --size=900m --output-format=terse --terse-version=3 |
        cut -d';' -f$field)
    [ "$iops" -gt 0 ] || die "fio on $4"
    echo "FIGURE $1 $2 $3 $((1000000000 / iops))"
}

compare() { # CASE LINES
    dmsetup create stock /tmp/stock || die stock
    echo create ours > $C; cat /tmp/ours > $P/ours; [ "$(blockdev --getsz $D/ours)" -gt 0 ] || die "$(cat $P/ours)"
    round=0
    while [ $round -lt $ROUNDS ]; do
        for operation in randread randwrite; do
            # In turns, and each round another first.
            for turn in 0 1 2; do
                case $(((turn + round) % 3)) in
                    0) measure $1-$operation $2 bare /dev/nullb0 $operation ;;
                    1) measure $1-$operation $2 stock /dev/mapper/stock $operation ;;
                    2) measure $1-$operation $2 ours $D/ours $operation ;;
                esac
            done
        done
        round=$((round + 1))
    done
    dmsetup remove stock; echo remove ours > $C
}

for n in 1 16 4000; do
    lines 1 $n > /tmp/stock; lines 5 $n > /tmp/ours; compare linear $n
done
striped 1 > /tmp/stock; striped 5 > /tmp/ours; compare striped 1
echo ALL-GOOD
