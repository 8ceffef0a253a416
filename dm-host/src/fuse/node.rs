//! What there is in the filesystem, and by which inode number.

use dm_core::Minor;
use dm_proc_shim::DeviceFile;
use fuser::INodeNo;

/// A file or a directory. It is found by its device's number, so it stays itself when that is
/// renamed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Node {
    Root,
    Control,
    Targets,
    Device(Minor),
    Entry(Minor, Entry),
}

/// What is in a device's directory.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Entry {
    Text(DeviceFile),
    Data,
}

/// Inode numbers a device takes: its directory, and the files in it.
const PER_DEVICE: u64 = 16;

impl Entry {
    /// All of a directory, in the order in which they are listed.
    pub(super) fn all() -> impl Iterator<Item = Entry> {
        let texts = DeviceFile::DIRECTORY.into_iter().map(Entry::Text);
        texts.chain([Entry::Data])
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Entry::Text(file) => file.name(),
            Entry::Data => "data",
        }
    }

    pub(super) fn find(name: &str) -> Option<Entry> {
        Entry::all().find(|entry| entry.name() == name)
    }

    fn number(self) -> u64 {
        let place = Entry::all().position(|entry| entry == self);
        place.map_or(PER_DEVICE, |place| place as u64 + 1)
    }
}

impl Node {
    pub(super) fn inode(self) -> INodeNo {
        let first = |minor: Minor| (u64::from(minor.get()) + 1) * PER_DEVICE;
        INodeNo(match self {
            Node::Root => INodeNo::ROOT.0,
            Node::Control => 2,
            Node::Targets => 3,
            Node::Device(minor) => first(minor),
            Node::Entry(minor, entry) => first(minor) + entry.number(),
        })
    }

    pub(super) fn find(inode: INodeNo) -> Option<Node> {
        match inode {
            INodeNo::ROOT => return Some(Node::Root),
            INodeNo(2) => return Some(Node::Control),
            INodeNo(3) => return Some(Node::Targets),
            _ => {}
        }
        let minor = Minor::new((inode.0 / PER_DEVICE).checked_sub(1)?)?;
        match inode.0 % PER_DEVICE {
            0 => Some(Node::Device(minor)),
            n => Some(Node::Entry(minor, Entry::all().nth(n as usize - 1)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_a_number_of_its_own() {
        let mut nodes = vec![Node::Root, Node::Control, Node::Targets];
        for minor in [0, 1, Minor::MAX.get().into()] {
            let minor = Minor::new(minor).unwrap();
            nodes.push(Node::Device(minor));
            nodes.extend(Entry::all().map(|entry| Node::Entry(minor, entry)));
        }
        for node in &nodes {
            assert_eq!(Node::find(node.inode()), Some(*node));
        }
        let mut numbers: Vec<u64> = nodes.iter().map(|node| node.inode().0).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), nodes.len());
        assert_eq!(Node::find(INodeNo(4)), None);
        assert_eq!(Node::find(INodeNo(u64::MAX)), None);
    }
}
