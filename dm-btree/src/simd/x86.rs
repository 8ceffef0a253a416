//! AVX2 and AVX-512. A node is compared whole, and the bits of the answer counted.

#![expect(clippy::arithmetic_side_effects, reason = "counts of bits in at most 64 lanes")]

use core::arch::x86_64::*;
use std::is_x86_feature_detected;

use crate::levels::{Levels, WIDE};
use crate::search::{self, ABREAST, Search, pick};
use crate::{Key, Node};

macro_rules! instructions {
    ($name:ident, $features:literal, $below:ident, $root:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(super) struct $name(());

        impl $name {
            pub(super) fn search<K: Key>(self, levels: &Levels) -> Search<K> {
                #[target_feature(enable = $features)]
                fn go<K: Key, const HEIGHT: u32, const WIDE_ROOT: bool>(
                    nodes: &[Node<K>],
                    levels: &Levels,
                    key: K,
                ) -> usize {
                    search::descend::<K, HEIGHT, WIDE_ROOT>(nodes, levels, key, $name(()))
                }
                pick!(levels, go, K)
            }

            pub(super) fn search_all<K: Key>(
                self,
                nodes: &[Node<K>],
                levels: &Levels,
                keys: &[K; ABREAST],
                found: &mut [usize; ABREAST],
            ) {
                #[target_feature(enable = $features)]
                fn go<K: Key>(
                    nodes: &[Node<K>],
                    levels: &Levels,
                    keys: &[K; ABREAST],
                    found: &mut [usize; ABREAST],
                    has: $name,
                ) {
                    search::search_all(nodes, levels, keys, found, has);
                }
                // SAFETY: whoever has this value has asked the processor for the features.
                unsafe { go(nodes, levels, keys, found, self) }
            }
        }

        impl<K: Key> search::Below<K> for $name {
            #[inline(always)]
            fn node(self, node: &Node<K>, key: K) -> u32 {
                // SAFETY: whoever has this value has asked the processor for the features.
                unsafe { K::$below(node, key) }
            }

            /// All at once: there is no waiting for one node before the next.
            #[inline(always)]
            fn root(self, root: &[Node<K>; WIDE], key: K) -> u32 {
                // SAFETY: whoever has this value has asked the processor for the features.
                unsafe { K::$root(root, key) }
            }
        }
    };
}

instructions!(Avx2, "avx2,popcnt", below_avx2, root_avx2, "Proof that there are AVX2 and POPCNT.");
instructions!(
    Avx512,
    "avx512f,avx512bw,popcnt",
    below_avx512,
    root_avx512,
    "Proof that there are AVX-512F, AVX-512BW and POPCNT."
);

impl Avx2 {
    pub(super) fn detect() -> Option<Avx2> {
        let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt");
        has.then_some(Avx2(()))
    }
}

impl Avx512 {
    pub(super) fn detect() -> Option<Avx512> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("popcnt");
        has.then_some(Avx512(()))
    }
}

/// Both halves of a node, all ones where the key is above; compared as signed after moving both.
#[inline]
#[target_feature(enable = "avx2")]
fn above_64(node: &Node<u64>, key: u64) -> [__m256i; 2] {
    let flip = _mm256_set1_epi64x(i64::MIN);
    let key = _mm256_xor_si256(_mm256_set1_epi64x(key as i64), flip);
    halves(node).map(|half| _mm256_cmpgt_epi64(key, _mm256_xor_si256(half, flip)))
}

/// The same for the other width.
#[inline]
#[target_feature(enable = "avx2")]
fn above_32(node: &Node<u32>, key: u32) -> [__m256i; 2] {
    let flip = _mm256_set1_epi32(i32::MIN);
    let key = _mm256_xor_si256(_mm256_set1_epi32(key as i32), flip);
    halves(node).map(|half| _mm256_cmpgt_epi32(key, _mm256_xor_si256(half, flip)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn halves<K: Key>(node: &Node<K>) -> [__m256i; 2] {
    let at: *const __m256i = (&raw const *node).cast();
    // SAFETY: a node is 64 bytes long and begins at a multiple of 64.
    unsafe { [_mm256_load_si256(at), _mm256_load_si256(at.add(1))] }
}

// In a node the halves are counted apart, which has the answer soonest; in a root all are packed
// first (the order of the bits does not matter), which takes the fewest instructions.

#[inline]
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn avx2_64(node: &Node<u64>, key: u64) -> u32 {
    let [low, high] =
        above_64(node, key).map(|half| _mm256_movemask_pd(_mm256_castsi256_pd(half)).count_ones());
    low + high
}

#[inline]
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn avx2_32(node: &Node<u32>, key: u32) -> u32 {
    let [low, high] =
        above_32(node, key).map(|half| _mm256_movemask_ps(_mm256_castsi256_ps(half)).count_ones());
    low + high
}

#[inline]
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn avx2_root_64(root: &[Node<u64>; WIDE], key: u64) -> u32 {
    packed_bits(root.each_ref().map(|node| above_64(node, key))) / 2
}

#[inline]
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn avx2_root_32(root: &[Node<u32>; WIDE], key: u32) -> u32 {
    packed_bits(root.each_ref().map(|node| above_32(node, key)))
}

/// How many of the 32-bit lanes are ones.
#[inline]
#[target_feature(enable = "avx2,popcnt")]
fn packed_bits(lanes: [[__m256i; 2]; WIDE]) -> u32 {
    let [a, b, c, d] = lanes.map(|[low, high]| _mm256_packs_epi32(low, high));
    let (low, high) = (_mm256_packs_epi16(a, b), _mm256_packs_epi16(c, d));
    _mm256_movemask_epi8(low).count_ones() + _mm256_movemask_epi8(high).count_ones()
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
fn mask_64(node: &Node<u64>, key: u64) -> __mmask8 {
    // SAFETY: a node is 64 bytes long and begins at a multiple of 64.
    let keys = unsafe { _mm512_load_si512((&raw const *node).cast()) };
    _mm512_cmpgt_epu64_mask(_mm512_set1_epi64(key as i64), keys)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
fn mask_32(node: &Node<u32>, key: u32) -> __mmask16 {
    // SAFETY: a node is 64 bytes long and begins at a multiple of 64.
    let keys = unsafe { _mm512_load_si512((&raw const *node).cast()) };
    _mm512_cmpgt_epu32_mask(_mm512_set1_epi32(key as i32), keys)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
pub(super) fn avx512_64(node: &Node<u64>, key: u64) -> u32 {
    mask_64(node, key).count_ones()
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
pub(super) fn avx512_32(node: &Node<u32>, key: u32) -> u32 {
    mask_32(node, key).count_ones()
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
pub(super) fn avx512_root_64(root: &[Node<u64>; WIDE], key: u64) -> u32 {
    let [a, b, c, d] = root.each_ref().map(|node| __mmask16::from(mask_64(node, key)));
    let (low, high) = (_mm512_kunpackb(b, a), _mm512_kunpackb(d, c));
    _mm512_kunpackw(u32::from(high), u32::from(low)).count_ones()
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
pub(super) fn avx512_root_32(root: &[Node<u32>; WIDE], key: u32) -> u32 {
    let [a, b, c, d] = root.each_ref().map(|node| u32::from(mask_32(node, key)));
    let (low, high) = (_mm512_kunpackw(b, a), _mm512_kunpackw(d, c));
    _mm512_kunpackd(u64::from(high), u64::from(low)).count_ones()
}
