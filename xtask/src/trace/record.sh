# Runs bonnie++ on a file system on a mapped device; what arrived there is in `requests` then.
# record.sh DMCTL FILE_SYSTEM BONNIE_ARGUMENT...: in a folder with `table` and its disks; as root.
set -eu
dmctl=$1 fs=$2
shift 2
host='' loop='' forget=''

clean() {
    trap '' EXIT HUP INT TERM
    [ -z "$forget" ] || kill "$forget" 2>/dev/null || true
    ! mountpoint --quiet fs || umount fs || umount --lazy fs
    [ -z "$loop" ] || losetup --detach "$loop" || true
    # After it the host has nothing open, and what it holds is complete.
    [ -z "$host" ] || { kill "$host" && wait "$host"; }
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

mkdir --parents dm fs
rm --force log requests
# In a session of its own: a Ctrl-C must not end it before what lies on it is unmounted.
setsid "$dmctl" --dir run mount dm --record requests > log &
host=$!
tries=0
until grep --quiet --no-messages ready log; do
    tries=$((tries + 1))
    kill -0 "$host"
    [ "$tries" -lt 100 ]
    sleep 0.1
done
"$dmctl" --dir run create vol --table-file table

# Past the page cache, so that each request of the file system arrives as it is.
loop=$(losetup --find --show --direct-io=on dm/vol/data)
"mkfs.$fs" -q "$loop"
mount "$loop" fs

# As on a machine whose memory is smaller than the files: what was read is soon forgotten, else
# nothing would be read at all.
while mountpoint --quiet fs; do
    for file in fs/Bonnie.*; do
        [ ! -f "$file" ] || dd if="$file" iflag=nocache count=0 status=none 2>/dev/null || true
    done
    sleep 0.05
done &
forget=$!
bonnie++ -d fs -u root -q "$@" > bonnie.csv
kill "$forget"
wait "$forget" 2>/dev/null || true
forget=''
umount fs
losetup --detach "$loop"
loop=''
kill "$host"
wait "$host"
host=''
