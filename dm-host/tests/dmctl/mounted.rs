//! A real file system on `data`.

use crate::files::mount;
use crate::support::{Daemon, is_root, not_tested, sh};

/// A device of lines and stripes over two disks; returns the path of its data.
fn volume(daemon: &Daemon) -> String {
    let (a, b) = (daemon.folder.disk("a.img", 65536), daemon.folder.disk("b.img", 65536));
    let table = format!(
        "0 24576 linear {a} 2048\n24576 49152 striped 2 24 {a} 26624 {b} 8\n73728 8192 linear {b} 40960\n"
    );
    daemon.dmctl(["create", "vol", "--table", &table]).ok();
    daemon.folder.path("dm/vol/data").display().to_string()
}

#[test]
fn mkfs_copy_and_check_through_the_file() {
    let Some(daemon) = mount() else { return };
    let data = volume(&daemon);
    let (sent, back) = (daemon.folder.path("sent"), daemon.folder.path("back"));
    std::fs::create_dir(&sent).unwrap();
    let random: Vec<u8> =
        (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for n in 0..4 {
        std::fs::write(sent.join(format!("file-{n}")), &random[n * 1000..]).unwrap();
    }
    sh(&format!(
        "export PATH=$PATH:/sbin:/usr/sbin
        mkfs.ext4 -q -F -d {sent} {data}
        e2fsck -fn {data} 2>/dev/null
        mkdir {back}
        debugfs -R 'rdump / {back}' {data} 2>/dev/null
        diff -r {sent} {back} --exclude lost+found",
        sent = sent.display(),
        back = back.display(),
    ));
    // Another table in its place, while it is in use: the same one, here.
    let reload = format!(
        "for n in 1 2 3 4 5; do dmctl() {{ {dmctl} --dir {dir} \"$@\"; }}
            dmctl table vol | dmctl load vol; dmctl resume vol
            /sbin/e2fsck -fn {data} >/dev/null 2>&1; done",
        dmctl = crate::support::DMCTL,
        dir = daemon.folder.path("run").display(),
    );
    sh(&reload);
}

#[test]
fn a_loop_device_on_the_file_is_mounted() {
    if !is_root() {
        not_tested("a loop mount, which needs root; the same goes through the file instead");
        return mkfs_copy_and_check_through_the_file();
    }
    let Some(daemon) = mount() else { return };
    let data = volume(&daemon);
    let at = daemon.folder.path("fs");
    std::fs::create_dir(&at).unwrap();
    let script = format!(
        "export PATH=$PATH:/sbin:/usr/sbin
        loop=$(losetup --find --show {data})
        trap 'umount {at} 2>/dev/null || true; losetup --detach $loop' EXIT
        mkfs.ext4 -q $loop
        mount $loop {at}
        mkdir {at}/sub
        head -c 12000000 /dev/urandom > {at}/sub/random
        sum=$(md5sum < {at}/sub/random)
        cp {at}/sub/random {at}/copy
        rm {at}/sub/random
        fstrim {at}
        umount {at}
        e2fsck -fn $loop >/dev/null 2>&1
        mount $loop {at}
        echo 3 > /proc/sys/vm/drop_caches
        test \"$sum\" = \"$(md5sum < {at}/copy)\"
        ! rmdir {dm}/vol 2>/dev/null
        umount {at}",
        at = at.display(),
        dm = daemon.folder.path("dm").display(),
    );
    sh(&script);
    assert_eq!(daemon.dmctl(["remove", "vol"]).ok(), "");
}
