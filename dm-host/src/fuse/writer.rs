//! Who has written to a file: a process that is done with it, or one that was killed.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::host::status_of_the_dead;

/// A process that has written to a file.
///
/// That a file is closed does not say whether its writer was done: a process that dies closes what
/// it has open too, and Linux, from 6.2 on, only says so when the process may be gone already.
pub(super) struct Writer {
    /// The thread that wrote.
    thread: u32,
    process: Pid,
    fd: OwnedFd,
}

impl Writer {
    /// The process of the thread of that number; none where it cannot be seen, as that of another
    /// namespace.
    pub(super) fn of(thread: u32) -> Option<Writer> {
        let process = process_of(thread)?;
        Some(Writer { thread, process, fd: pidfd_open(process, PidfdFlags::empty()).ok()? })
    }

    /// Whether it is that thread.
    pub(super) fn is(&self, thread: u32) -> bool {
        self.thread == thread
    }

    /// The signal that it died of, or is dying of.
    ///
    /// None also where that cannot be known: before Linux 6.15, once its parent has waited for it.
    pub(super) fn killed_by(&self) -> Option<u32> {
        let path = format!("/proc/{}/stat", self.process.as_raw_nonzero());
        let dying = || status_of_the_dying(&std::fs::read_to_string(path).ok()?);
        let dead = || status_of_the_dead(&self.fd);
        let status = dead().or_else(dying).or_else(dead)?;
        Some(status & 0x7f).filter(|&signal| signal != 0)
    }
}

fn process_of(thread: u32) -> Option<Pid> {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let process = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    Pid::from_raw(process.trim().parse().ok()?)
}

/// What `/proc/<pid>/stat` says last: the status as wait(2) will tell it, once there is one.
fn status_of_the_dying(stat: &str) -> Option<u32> {
    // The second field, in parentheses, may have anything in it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_last_field_is_the_status() {
        assert_eq!(status_of_the_dying("7 (a) 9) X 1 2 9"), Some(9));
        assert_eq!(status_of_the_dying("7 (cat) R 1 2 0"), Some(0));
        assert_eq!(status_of_the_dying(""), None);
    }

    #[test]
    fn a_process_that_was_killed_is_told_from_others() {
        let this = Writer::of(std::process::id()).unwrap();
        assert_eq!(this.killed_by(), None);
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let writer = Writer::of(child.id()).unwrap();
        assert_eq!(writer.killed_by(), None);
        child.kill().unwrap();
        // Dead, and not waited for.
        while writer.killed_by().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(writer.killed_by(), Some(9));
        child.wait().unwrap();
        let mut child = Command::new("false").spawn().unwrap();
        let writer = Writer::of(child.id()).unwrap();
        child.wait().unwrap();
        assert_eq!(writer.killed_by(), None);
    }
}
