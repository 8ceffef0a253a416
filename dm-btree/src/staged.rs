//! 64-bit sectors looked up 32 bits at a time.

use crate::levels::Levels;
use crate::simd::Searcher;
use crate::tree::check;
use crate::{BuildError, Instructions, Key, Node, SectorIndex, Storage, search};

/// The keys that agree in their upper 32 bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Group {
    /// Those bits.
    high: u32,
    /// The number of the first node of the group's own tree, of the lower 32 bits.
    root: u32,
    /// The levels of that tree.
    levels: Levels,
    /// The number of the group's first key.
    first: usize,
}

/// Two stages of 32 bits: which group has the upper half, then which key of it has the lower half.
///
/// `S` holds nodes, `G` holds groups. There is a group for each distinct upper half.
#[derive(Clone, Debug)]
pub struct Staged<S, G> {
    nodes: S,
    groups: G,
    /// The first stage: a tree of the groups' upper halves.
    highs: Levels,
    len: usize,
    searcher: Searcher<u32>,
}

impl<S: Storage<Node<u32>>, G: Storage<Group>> Staged<S, G> {
    /// Builds both stages for `keys`, which must be strictly increasing.
    ///
    /// [`room_for`](Staged::room_for) says how many nodes and groups it takes.
    pub fn build(keys: &[u64], mut nodes: S, mut groups: G) -> Result<Self, BuildError> {
        check::<u64>(keys)?;
        let (nodes_needed, groups_needed) = Self::room_for(keys)?;
        let group_list = groups.reset(groups_needed, Group::default())?;
        let node_list = nodes.reset(nodes_needed, u32::FILL)?;

        let (highs, first_stage) = Levels::lay_out::<u32>(groups_needed)?;
        let (first_stage, mut rest) =
            node_list.split_at_mut_checked(first_stage).unwrap_or_default();
        let mut first = 0_usize;
        for (group, members) in group_list.iter_mut().zip(keys.chunk_by(same_group)) {
            let (levels, size) = Levels::lay_out::<u32>(members.len())?;
            let root = u32::try_from(nodes_needed.saturating_sub(rest.len()));
            let root = root.map_err(|_| BuildError::TooMany { keys: keys.len() })?;
            let (tree, others) = rest.split_at_mut_checked(size).unwrap_or_default();
            search::fill(tree, &levels, members.len(), |n| {
                members.get(n).map_or(u32::MAX, |key| low(*key))
            });
            let high = members.first().map_or(0, |key| high(*key));
            *group = Group { high, root, levels, first };
            rest = others;
            first = first.saturating_add(members.len());
        }
        search::fill(first_stage, &highs, groups_needed, |n| {
            group_list.get(n).map_or(u32::MAX, |group| group.high)
        });
        let searcher = Instructions::best().search(&highs);
        Ok(Staged { nodes, groups, highs, len: keys.len(), searcher })
    }

    /// The same index, searched with other instructions.
    pub fn with(self, instructions: Instructions) -> Self {
        Staged { searcher: instructions.search(&self.highs), ..self }
    }

    /// The instructions that search it.
    pub fn instructions(&self) -> Instructions {
        self.searcher.instructions
    }

    /// How many nodes and how many groups it takes for `keys`, which must be in order.
    pub fn room_for(keys: &[u64]) -> Result<(usize, usize), BuildError> {
        let groups = keys.chunk_by(same_group).count();
        let (_, mut nodes) = Levels::lay_out::<u32>(groups)?;
        for members in keys.chunk_by(same_group) {
            let (_, more) = Levels::lay_out::<u32>(members.len())?;
            nodes = nodes.checked_add(more).ok_or(BuildError::TooMany { keys: keys.len() })?;
        }
        Ok((nodes, groups))
    }
}

impl<S: Storage<Node<u32>>, G: Storage<Group>> SectorIndex for Staged<S, G> {
    fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn lookup(&self, sector: u64) -> Option<usize> {
        let nodes = self.nodes.as_ref();
        let group = self.searcher.search(nodes, &self.highs, high(sector));
        let group = self.groups.as_ref().get(group)?;
        // All of a group is past the sector if its upper half is.
        let low = if group.high == high(sector) { low(sector) } else { 0 };
        let tree = nodes.get(group.root as usize..)?;
        let n = self.instructions().search(&group.levels).search(tree, &group.levels, low);
        let n = group.first.wrapping_add(n);
        (n < self.len).then_some(n)
    }

    fn key(&self, n: usize) -> Option<u64> {
        let groups = self.groups.as_ref();
        let after = groups.partition_point(|group| group.first <= n);
        let group = groups.get(after.checked_sub(1)?)?;
        let within = n.checked_sub(group.first)?;
        let leaves = group.root.checked_add(group.levels.leaves)?;
        let leaf = (leaves as usize).checked_add(within / u32::PER_NODE)?;
        let low = self.nodes.as_ref().get(leaf)?.0.get(within % u32::PER_NODE)?;
        (n < self.len).then_some(u64::from(group.high) << 32 | u64::from(*low))
    }

    fn memory(&self) -> usize {
        self.nodes.bytes().saturating_add(self.groups.bytes())
    }
}

fn same_group(a: &u64, b: &u64) -> bool {
    high(*a) == high(*b)
}

fn high(key: u64) -> u32 {
    (key >> 32) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
fn low(key: u64) -> u32 {
    key as u32
}
