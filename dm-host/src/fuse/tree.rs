//! Devices as directories: finding, listing, making and opening them.

use std::ffi::OsStr;
use std::sync::Arc;

use dm_core::{CreateOptions, DeviceName, MappedDevice, Mode};
use dm_proc_shim::File;
use fuser::{Errno, INodeNo};

use super::attributes::{Common, size};
use super::data::Data;
use super::error;
use super::handles::{Handle, Handles};
use super::node::{Entry, Node};
use super::polls::Polls;
use super::record::Record;
use super::text_file::TextFile;
use crate::{Mapper, UserHost};

/// The control filesystem.
pub(super) struct ControlFilesystem {
    pub(super) mapper: Arc<Mapper>,
    pub(super) common: Common,
    pub(super) handles: Handles,
    pub(super) polls: Arc<Polls>,
    record: Option<Record>,
}

impl ControlFilesystem {
    pub(super) fn new(mapper: Arc<Mapper>, record: Option<Record>) -> ControlFilesystem {
        let polls = Arc::new(Polls::default());
        let told = Arc::downgrade(&polls);
        mapper.host().on_change(move |minor| {
            if let Some(polls) = told.upgrade() {
                polls.tell(minor);
            }
        });
        let (common, handles) = (Common::new(), Handles::default());
        ControlFilesystem { mapper, common, handles, polls, record }
    }

    /// The node of that name in a directory.
    pub(super) fn child(&self, parent: INodeNo, name: &OsStr) -> Result<Node, Errno> {
        let name = name.to_str().ok_or(Errno::ENOENT)?;
        match Node::find(parent) {
            Some(Node::Root) => match name {
                "control" => Ok(Node::Control),
                "targets" => Ok(Node::Targets),
                _ => {
                    let device = self.mapper.find(name).ok_or(Errno::ENOENT)?;
                    Ok(Node::Device(device.minor()))
                }
            },
            Some(Node::Device(minor)) if self.mapper.find_minor(minor).is_some() => {
                Entry::find(name).map(|entry| Node::Entry(minor, entry)).ok_or(Errno::ENOENT)
            }
            Some(Node::Device(_)) | None => Err(Errno::ENOENT),
            Some(_) => Err(Errno::ENOTDIR),
        }
    }

    /// The device whose directory that is.
    pub(super) fn device(
        &self,
        parent: INodeNo,
        name: &OsStr,
    ) -> Result<MappedDevice<UserHost>, Errno> {
        match self.child(parent, name)? {
            Node::Device(minor) => self.mapper.find_minor(minor).ok_or(Errno::ENOENT),
            Node::Entry(..) => Err(Errno::EPERM),
            _ => Err(Errno::ENOTDIR),
        }
    }

    pub(super) fn attributes(&self, node: Node) -> Result<fuser::FileAttr, Errno> {
        let size = match node {
            Node::Root | Node::Control | Node::Targets => 0,
            Node::Device(minor) | Node::Entry(minor, _) => {
                let device = self.mapper.find_minor(minor).ok_or(Errno::ENOENT)?;
                match node {
                    Node::Entry(_, Entry::Data) => size(&device),
                    _ => 0,
                }
            }
        };
        Ok(self.common.of(node, size))
    }

    pub(super) fn open_node(&self, node: Node, is_writer: bool) -> Result<Handle, Errno> {
        let file = match node {
            Node::Control => File::Control,
            Node::Targets => File::Targets,
            Node::Root | Node::Device(_) => return Err(Errno::EISDIR),
            Node::Entry(minor, entry) => {
                let device = self.mapper.find_minor(minor).ok_or(Errno::ENOENT)?;
                match entry {
                    Entry::Text(file) => File::Device(device, file),
                    Entry::Data => {
                        let open = device.open().map_err(|_| Errno::ENODEV)?;
                        if is_writer && open.mode() == Mode::ReadOnly {
                            return Err(Errno::EROFS);
                        }
                        return Ok(Handle::Data(Arc::new(Data::new(
                            open,
                            self.mapper.host(),
                            self.record.clone(),
                        ))));
                    }
                }
            }
        };
        if is_writer && !file.is_writable() {
            return Err(Errno::EACCES);
        }
        Ok(Handle::Text(Arc::new(TextFile::new(file, is_writer))))
    }

    /// What a directory has in it; each with the number to go on from.
    pub(super) fn list(&self, directory: Node) -> Vec<(u64, Node, String)> {
        let mut list = vec![(1, directory, ".".into()), (2, Node::Root, "..".into())];
        if let Node::Device(minor) = directory {
            let entries = (3..).zip(Entry::all());
            list.extend(
                entries.map(|(n, entry)| (n, Node::Entry(minor, entry), entry.name().into())),
            );
            return list;
        }
        list.push((3, Node::Control, "control".into()));
        list.push((4, Node::Targets, "targets".into()));
        let devices = self.mapper.list().unwrap_or_default();
        list.extend(devices.iter().map(|device| {
            let minor = device.minor();
            (u64::from(minor.get()) + 5, Node::Device(minor), device.name().to_string())
        }));
        list
    }

    pub(super) fn make(&self, parent: INodeNo, name: &OsStr) -> Result<Node, Errno> {
        let name = new_name(parent, name)?;
        let created = self.mapper.create(name, CreateOptions::default());
        created.map(|device| Node::Device(device.minor())).map_err(error::of_cause)
    }
}

/// The name of a device that shall be.
pub(super) fn new_name(parent: INodeNo, name: &OsStr) -> Result<DeviceName, Errno> {
    if Node::find(parent) != Some(Node::Root) {
        return Err(Errno::EPERM);
    }
    name.to_str().ok_or(Errno::EINVAL)?.parse().map_err(error::of_name)
}
