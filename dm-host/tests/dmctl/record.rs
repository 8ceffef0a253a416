//! What `mount --record` writes down.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use rustix::process::Signal;

use crate::files::mount_with;

#[test]
fn requests_are_written_down_in_their_order() {
    let Some(daemon) = mount_with(&["--record", "requests"]) else { return };
    let disk = daemon.folder.disk("a.img", 64);
    daemon.dmctl(["create", "vol", "--table", &format!("0 64 linear {disk} 0")]).ok();
    let data = OpenOptions::new().read(true).write(true).open(daemon.folder.path("dm/vol/data"));
    let data = data.unwrap();
    data.write_all_at(&[1; 4096], 8192).unwrap();
    data.read_exact_at(&mut [0; 512], 512).unwrap();
    data.sync_all().unwrap();
    data.write_all_at(&[2; 2], 1023).unwrap();
    drop(data);
    let (folder, status) = daemon.stop(Signal::TERM);
    assert!(status.success());
    let requests = std::fs::read_to_string(folder.path("requests")).unwrap();
    assert_eq!(requests, "vol write 16 8\nvol read 1 1\nvol flush 0 0\nvol write 1 2\n");
}
