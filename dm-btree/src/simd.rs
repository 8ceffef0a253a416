//! Searching a tree with whatever instructions there are.
//!
//! [`Instructions`] other than scalar can only be had from [`Instructions::available`] and
//! [`Instructions::best`], which ask the processor first: that is what makes it sound to call the
//! code behind them. All the unsafe of this crate is here and in `x86`.

use crate::levels::Levels;
use crate::search::{self, Search};
use crate::{Key, Node};

#[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[allow(unsafe_code)]
mod base;
#[cfg(feature = "alloc")]
pub(crate) mod in_place;
mod plain;
mod scalar;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[allow(unsafe_code)]
mod x86;

#[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
use base::Base;
use scalar::Scalar;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
use x86::{Avx2, Avx512};

/// Which instructions search an index.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Instructions(Set);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Set {
    Scalar,
    #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
    Base,
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    Avx2(Avx2),
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    Avx512(Avx512),
}

/// Counting in a node, for one width of keys. Sealed: only the two widths have it.
pub trait Width: Sized + 'static {
    /// How many keys of a node are below `key`, in integer registers and without a branch.
    fn below(node: &Node<Self>, key: Self) -> u32
    where
        Self: Key;

    /// The same with the vectors that every processor of this architecture has.
    #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn below_base(node: &Node<Self>, key: Self) -> u32
    where
        Self: Key;

    /// How many keys of a node are below `key`. Safe to call where there are AVX2 and POPCNT.
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    #[allow(unsafe_code)]
    unsafe fn below_avx2(node: &Node<Self>, key: Self) -> u32
    where
        Self: Key;

    /// How many keys of a node are below `key`. Safe to call where there are AVX-512F and POPCNT.
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    #[allow(unsafe_code)]
    unsafe fn below_avx512(node: &Node<Self>, key: Self) -> u32
    where
        Self: Key;
}

/// A search that this processor can run, and the instructions that it is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Searcher<K: Key> {
    search: Search<K>,
    pub(crate) instructions: Instructions,
}

impl<K: Key> Searcher<K> {
    /// The number of the first key that is not below `key`; at least the number of keys without one.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub(crate) fn search(self, nodes: &[Node<K>], levels: &Levels, key: K) -> usize {
        // SAFETY: it was made from `Instructions`, which there are only for what the processor has.
        unsafe { (self.search)(nodes, levels, key) }
    }
}

impl Instructions {
    /// Integer registers only: all that a kernel may use, and what there is without `std`.
    pub const SCALAR: Instructions = Instructions(Set::Scalar);

    /// The vectors that every processor of this architecture has, and scalar where there are none.
    /// They need not be asked for, and so no call to code that was chosen at run time.
    pub const BASE: Instructions = {
        #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
        let set = Set::Base;
        #[cfg(not(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64"))))]
        let set = Set::Scalar;
        Instructions(set)
    };

    /// All that this machine has, the best last.
    pub fn available() -> impl DoubleEndedIterator<Item = Instructions> {
        let base = (Instructions::BASE != Instructions::SCALAR).then_some(Instructions::BASE.0);
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        let more = [Avx2::detect().map(Set::Avx2), Avx512::detect().map(Set::Avx512)];
        #[cfg(not(all(feature = "std", target_arch = "x86_64")))]
        let more: [Option<Set>; 0] = [];
        [Some(Set::Scalar), base].into_iter().chain(more).flatten().map(Instructions)
    }

    /// The best that this machine has.
    pub fn best() -> Instructions {
        Instructions::available().next_back().unwrap_or(Instructions::SCALAR)
    }

    /// Their name: `scalar`, `SSE2`, `NEON`, `AVX2` or `AVX-512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Scalar => "scalar",
            #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
            Set::Base => base::NAME,
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Set::Avx2(_) => "AVX2",
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Set::Avx512(_) => "AVX-512",
        }
    }

    /// How to search a tree with these levels.
    pub(crate) fn search<K: Key>(self, levels: &Levels) -> Searcher<K> {
        let search = match self.0 {
            Set::Scalar => plain::search::<K, Scalar>(levels),
            #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
            Set::Base => plain::search::<K, Base>(levels),
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Set::Avx2(has) => has.search(levels),
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Set::Avx512(has) => has.search(levels),
        };
        Searcher { search, instructions: self }
    }

    /// Searches for each of `keys`; the answers go into the places of the same number in `found`.
    pub(crate) fn search_all<K: Key>(
        self,
        nodes: &[Node<K>],
        levels: &Levels,
        keys: &[K; search::ABREAST],
        found: &mut [usize; search::ABREAST],
    ) {
        match self.0 {
            Set::Scalar => search::search_all(nodes, levels, keys, found, Scalar),
            #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
            Set::Base => search::search_all(nodes, levels, keys, found, Base),
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Set::Avx2(has) => has.search_all(nodes, levels, keys, found),
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Set::Avx512(has) => has.search_all(nodes, levels, keys, found),
        }
    }
}

macro_rules! width {
    ($width:ty, $scalar:path, $base:path, $avx2:ident, $avx512:ident) => {
        impl Width for $width {
            #[inline(always)]
            fn below(node: &Node<Self>, key: Self) -> u32 {
                $scalar(&node.0, key)
            }

            #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
            #[inline(always)]
            fn below_base(node: &Node<Self>, key: Self) -> u32 {
                $base(&node.0, key)
            }

            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            #[allow(unsafe_code)]
            #[inline]
            #[target_feature(enable = "avx2,popcnt")]
            unsafe fn below_avx2(node: &Node<Self>, key: Self) -> u32 {
                x86::$avx2(node, key)
            }

            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            #[allow(unsafe_code)]
            #[inline]
            #[target_feature(enable = "avx512f,popcnt")]
            unsafe fn below_avx512(node: &Node<Self>, key: Self) -> u32 {
                x86::$avx512(node, key)
            }
        }
    };
}

width!(u64, scalar::below64, base::below64, avx2_64, avx512_64);
width!(u32, scalar::below32, base::below32, avx2_32, avx512_32);
