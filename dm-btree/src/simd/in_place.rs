//! Searching a few keys where they are, without the call through a pointer that a tree takes.

#[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
use super::base::{self, Base};
use super::scalar::{self, Scalar};
use super::{Instructions, Set};
use crate::levels::WIDE;
use crate::search::Below;
use crate::{Key, Node};

/// Keys of which 16 in a row are searched where they are.
pub(crate) trait Sixteen: Key {
    /// How many bits of a key can be compared.
    const BITS_COMPARED: u32;
    /// The highest key of so many bits, which also fills the places behind the last one.
    const HIGHEST: Self;

    /// The lower bits of `sector`, which has no others.
    fn of(sector: u64) -> Self;

    /// Which instructions [`below_in_place`](Sixteen::below_in_place) takes for others.
    fn in_place(instructions: Instructions) -> Instructions;

    /// How many of these keys, which are in order, are below `key`.
    fn below_in_place(keys: &[Self; 16], key: Self, instructions: Instructions) -> u32;
}

impl Sixteen for u32 {
    const BITS_COMPARED: u32 = 31;
    const HIGHEST: u32 = u32::MAX >> 1;

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "it has no bits above")]
    fn of(sector: u64) -> u32 {
        sector as u32
    }

    fn in_place(instructions: Instructions) -> Instructions {
        let scalar = instructions == Instructions::SCALAR;
        if scalar { Instructions::SCALAR } else { Instructions::BASE }
    }

    #[inline(always)]
    fn below_in_place(keys: &[u32; 16], key: u32, instructions: Instructions) -> u32 {
        match instructions.0 {
            Set::Scalar => scalar::below32(keys, key),
            #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
            _ => base::below31(keys, key),
        }
    }
}

/// Scalar always: x86-64's SSE2 cannot compare 64 bits.
impl Sixteen for u64 {
    const BITS_COMPARED: u32 = 64;
    const HIGHEST: u64 = u64::MAX;

    #[inline(always)]
    fn of(sector: u64) -> u64 {
        sector
    }

    fn in_place(_: Instructions) -> Instructions {
        Instructions::SCALAR
    }

    #[inline(always)]
    fn below_in_place(keys: &[u64; 16], key: u64, _: Instructions) -> u32 {
        let (halves, _) = keys.as_chunks();
        let upper = keys[7] < key;
        let half = halves.get(usize::from(upper));
        half.map_or(0, |half| scalar::below64(half, key)).wrapping_add(u32::from(upper) << 3)
    }
}

impl Instructions {
    /// How many of the keys of a wide root are below `key`.
    ///
    /// Calls to the few candidates go straight there, which is quicker than through a pointer.
    #[inline(always)]
    pub(crate) fn below_root(self, root: &[Node<u32>; WIDE], key: u32) -> u32 {
        match self.0 {
            Set::Scalar => Scalar.root(root, key),
            #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
            Set::Base => Base.root(root, key),
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Set::Avx2(has) => has.below_root(root, key),
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Set::Avx512(has) => has.below_root(root, key),
        }
    }
}
