//! Searching a tree with whatever instructions there are.
//!
//! [`Instructions`] other than scalar can only be had from [`Instructions::available`] and
//! [`Instructions::best`], which ask the processor first: that is what makes it sound to call the
//! code behind them. All the unsafe of this crate is here and in `x86`.

use core::fmt::Debug;

use crate::levels::Levels;
use crate::{Key, Node};

pub(crate) mod scalar;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod x86;

/// Which instructions search an index.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Instructions(Set);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Set {
    Scalar,
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    Avx2,
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    Avx512,
}

/// Counting in a node, for one width of keys. Sealed: only the two widths have it.
pub trait Below: Sized + 'static {
    /// As many keys as fill a cache line.
    type Keys: AsRef<[Self]> + AsMut<[Self]> + Copy + Debug;

    /// How many keys of a node are below `key`, in integer registers and without a branch.
    fn below(node: &Node<Self>, key: Self) -> u32;

    /// How many keys of a node are below `key`.
    ///
    /// # Safety
    ///
    /// The processor has AVX2 and POPCNT.
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    unsafe fn below_avx2(node: &Node<Self>, key: Self) -> u32;

    /// How many keys of a node are below `key`.
    ///
    /// # Safety
    ///
    /// The processor has AVX-512F and POPCNT.
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    unsafe fn below_avx512(node: &Node<Self>, key: Self) -> u32;
}

impl Instructions {
    /// Integer registers only: all that a kernel may use, and what there is without `std`.
    pub const SCALAR: Instructions = Instructions(Set::Scalar);

    /// All that this machine has, the best last.
    pub fn available() -> impl DoubleEndedIterator<Item = Instructions> {
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        let vector = [
            x86::has_avx2().then_some(Set::Avx2),
            x86::has_avx512().then_some(Set::Avx512),
        ];
        #[cfg(not(all(feature = "std", target_arch = "x86_64")))]
        let vector: [Option<Set>; 0] = [];
        [Some(Set::Scalar)]
            .into_iter()
            .chain(vector)
            .flatten()
            .map(Instructions)
    }

    /// The best that this machine has.
    pub fn best() -> Instructions {
        Instructions::available()
            .next_back()
            .unwrap_or(Instructions::SCALAR)
    }

    /// Their name: `scalar`, `AVX2` or `AVX-512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Scalar => "scalar",
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Set::Avx2 => "AVX2",
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Set::Avx512 => "AVX-512",
        }
    }

    /// The number of the first key that is not below `key`; see `search::descend`.
    #[inline(always)]
    pub(crate) fn descend<K: Key>(self, nodes: &[Node<K>], levels: &Levels, key: K) -> usize {
        match self.0 {
            Set::Scalar => scalar::descend(nodes, levels, key),
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            // SAFETY: there is no `Set::Avx2` but behind `has_avx2`.
            Set::Avx2 => unsafe { x86::descend_avx2(nodes, levels, key) },
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            // SAFETY: there is no `Set::Avx512` but behind `has_avx512`.
            Set::Avx512 => unsafe { x86::descend_avx512(nodes, levels, key) },
        }
    }
}

macro_rules! below {
    ($width:ty, $scalar:path, $avx2:ident, $avx512:ident) => {
        impl Below for $width {
            type Keys = [$width; 64 / size_of::<$width>()];

            #[inline(always)]
            fn below(node: &Node<Self>, key: Self) -> u32 {
                $scalar(node, key)
            }

            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            #[inline]
            #[target_feature(enable = "avx2,popcnt")]
            unsafe fn below_avx2(node: &Node<Self>, key: Self) -> u32 {
                x86::$avx2(node, key)
            }

            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            #[inline]
            #[target_feature(enable = "avx512f,popcnt")]
            unsafe fn below_avx512(node: &Node<Self>, key: Self) -> u32 {
                x86::$avx512(node, key)
            }
        }
    };
}

below!(u64, scalar::below64, avx2_64, avx512_64);
below!(u32, scalar::below32, avx2_32, avx512_32);
