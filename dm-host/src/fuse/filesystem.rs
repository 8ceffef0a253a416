//! What the kernel asks for, and who answers.

use std::ffi::OsStr;
use std::io;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, KernelConfig, LockOwner, OpenAccMode, OpenFlags, PollEvents, PollFlags,
    PollNotifier, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyPoll, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::background::in_background;
use super::error;
use super::handles::Handle;
use super::node::{Entry, Node};
use super::tree::{ControlFilesystem, new_name};
use crate::Zeroing;

/// Nothing is remembered by the kernel: devices come and go by other ways too.
const FORGET_AT_ONCE: Duration = Duration::ZERO;

impl Filesystem for ControlFilesystem {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Each is an improvement that an older kernel does without.
        let wanted = [
            InitFlags::FUSE_ASYNC_DIO,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_ATOMIC_O_TRUNC,
        ];
        for capability in wanted {
            let _ = config.add_capabilities(capability);
        }
        let _ = config.set_max_write(1 << 20);
        let _ = config.set_max_background(256);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.child(parent, name).and_then(|node| self.attributes(node));
        enter(reply, found);
    }

    fn getattr(&self, _: &Request, inode: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        let open = handle.and_then(|handle| self.handles.get(handle));
        let node = Node::find(inode).ok_or(Errno::ENOENT);
        let found = node.and_then(|node| match open {
            // Its device is there, even if its number was given to another in the meantime.
            Some(Handle::Data(data)) => Ok(self.common.of(node, data.len())),
            Some(Handle::Text(_)) => Ok(self.common.of(node, 0)),
            None => self.attributes(node),
        });
        match found {
            Ok(attributes) => reply.attr(&FORGET_AT_ONCE, &attributes),
            Err(why) => reply.error(why),
        }
    }

    fn setattr(
        &self,
        request: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        new_size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        if mode.is_some() || uid.is_some() || gid.is_some() {
            return reply.error(Errno::EPERM);
        }
        if let (Some(new_size), Some(node @ Node::Entry(_, Entry::Data))) =
            (new_size, Node::find(inode))
        {
            // As with any block device, its length is not the writer's to choose.
            match self.attributes(node) {
                Ok(attributes) if attributes.size == new_size => {}
                Ok(_) => return reply.error(Errno::EINVAL),
                Err(why) => return reply.error(why),
            }
        }
        self.getattr(request, inode, handle, reply);
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        enter(reply, self.make(parent, name).and_then(|node| self.attributes(node)));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self
            .device(parent, name)
            .and_then(|device| self.mapper.remove(&device).map_err(error::of_cause));
        match removed {
            Err(why) => reply.error(why),
            Ok(change) => {
                let mapper = self.mapper.clone();
                in_background(reply, move |reply| {
                    mapper.host().wait(&change);
                    mapper.settle(change.device().minor());
                    reply.ok();
                });
            }
        }
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        name_then: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if flags.intersects(RenameFlags::RENAME_EXCHANGE | RenameFlags::RENAME_WHITEOUT) {
            return reply.error(Errno::EINVAL);
        }
        let renamed = self.device(parent, name).and_then(|device| {
            let name = new_name(new_parent, name_then)?;
            self.mapper.rename(&device, name).map_err(error::of_cause)
        });
        match renamed {
            Ok(()) => reply.ok(),
            Err(why) => reply.error(why),
        }
    }

    fn unlink(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EPERM);
    }

    fn mknod(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, _: u32, reply: ReplyEntry) {
        reply.error(Errno::EPERM);
    }

    fn create(
        &self,
        _: &Request,
        _: INodeNo,
        _: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        reply.error(Errno::EPERM);
    }

    fn open(&self, _: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let is_writer = flags.acc_mode() != OpenAccMode::O_RDONLY;
        let node = Node::find(inode).ok_or(Errno::ENOENT);
        match node.and_then(|node| self.open_node(node, is_writer)) {
            // Past the page cache: there are other ways to the same bytes.
            Ok(handle) => reply.opened(
                self.handles.add(handle),
                FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES,
            ),
            Err(why) => reply.error(why),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.handles.get(handle) {
            None => reply.error(Errno::EBADF),
            Some(Handle::Data(data)) => data.read(offset, size, reply),
            Some(Handle::Text(file)) => {
                let mapper = self.mapper.clone();
                in_background(reply, move |reply| match file.read(&mapper, offset, size) {
                    Ok(bytes) => reply.data(&bytes),
                    Err(why) => reply.error(why),
                });
            }
        }
    }

    fn write(
        &self,
        request: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.handles.get(handle) {
            None => reply.error(Errno::EBADF),
            Some(Handle::Data(data)) => data.write(offset, bytes, reply),
            Some(Handle::Text(file)) => {
                let (mapper, bytes) = (self.mapper.clone(), bytes.to_vec());
                // Now, as it waits.
                file.is_written_by(request.pid(), owner);
                in_background(reply, move |reply| match file.write(&mapper, &bytes) {
                    Ok(()) => reply.written(bytes.len() as u32),
                    Err(why) => reply.error(why),
                });
            }
        }
    }

    fn flush(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        match self.handles.get(handle) {
            Some(Handle::Text(file)) if file.is_writer() && !file.is_closed_by_another(owner) => {
                let mapper = self.mapper.clone();
                in_background(reply, move |reply| {
                    if let Some(signal) = file.writer_killed_by() {
                        // What it wrote is half of what it had to say.
                        file.abandon();
                        let name = file.name();
                        tracing::warn!(
                            "whoever wrote {name} died of signal {signal}: that is dropped"
                        );
                        return reply.ok();
                    }
                    match file.close(&mapper) {
                        Ok(()) => reply.ok(),
                        Err(why) => reply.error(why),
                    }
                });
            }
            _ => reply.ok(),
        }
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.polls.remove(handle);
        self.handles.remove(handle);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        match self.handles.get(handle) {
            Some(Handle::Data(data)) => data.sync(reply),
            _ => reply.ok(),
        }
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let Some(Handle::Data(data)) = self.handles.get(handle) else {
            return reply.error(Errno::EOPNOTSUPP);
        };
        // Whoever punches a hole, be it for a discard, relies on reading zeros from it.
        let zeroing = match mode & !libc::FALLOC_FL_KEEP_SIZE {
            libc::FALLOC_FL_PUNCH_HOLE => Zeroing::empty(),
            libc::FALLOC_FL_ZERO_RANGE => Zeroing::ALLOCATED,
            _ => return reply.error(Errno::EOPNOTSUPP),
        };
        data.zero(offset, length, zeroing, reply);
    }

    fn readdir(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let Some(directory @ (Node::Root | Node::Device(_))) = Node::find(inode) else {
            return reply.error(Errno::ENOTDIR);
        };
        for (number, node, name) in self.list(directory) {
            let kind = match node {
                Node::Root | Node::Device(_) => FileType::Directory,
                _ => FileType::RegularFile,
            };
            if number > offset && reply.add(node.inode(), number, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn poll(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        notifier: PollNotifier,
        events: PollEvents,
        flags: PollFlags,
        reply: ReplyPoll,
    ) {
        let always = PollEvents::POLLIN
            | PollEvents::POLLOUT
            | PollEvents::POLLRDNORM
            | PollEvents::POLLWRNORM;
        let Some(Handle::Text(file)) = self.handles.get(handle) else {
            return reply.poll(events & always);
        };
        let Some(device) = file.watched() else {
            return reply.poll(events & always);
        };
        if flags.contains(PollFlags::FUSE_POLL_SCHEDULE_NOTIFY) {
            self.polls.add(handle, device.minor(), notifier);
        }
        // Asked only now: an event from here on finds the notifier in its place.
        let news = PollEvents::POLLIN | PollEvents::POLLRDNORM | PollEvents::POLLPRI;
        reply.poll(if file.has_news() { events & news } else { PollEvents::empty() });
    }
}

fn enter(reply: ReplyEntry, found: Result<fuser::FileAttr, Errno>) {
    match found {
        Ok(attributes) => reply.entry(&FORGET_AT_ONCE, &attributes, Generation(0)),
        Err(why) => reply.error(why),
    }
}
