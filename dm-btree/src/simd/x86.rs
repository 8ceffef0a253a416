//! AVX2 and AVX-512. A node is compared whole, and the bits of the answer counted.

#![expect(clippy::arithmetic_side_effects, reason = "counts of bits in at most 64 lanes")]

use core::arch::x86_64::*;
use std::is_x86_feature_detected;

use crate::levels::{Levels, WIDE};
use crate::search::{self, ABREAST, Search, pick};
use crate::{Key, Node};

macro_rules! instructions {
    ($name:ident, $features:literal, $below:ident, $root:path, $doc:literal) => {
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

            pub(super) fn below_root(self, root: &[Node<u32>; WIDE], key: u32) -> u32 {
                #[target_feature(enable = $features)]
                fn go(root: &[Node<u32>; WIDE], key: u32, has: $name) -> u32 {
                    search::Below::root(has, root, key)
                }
                // SAFETY: whoever has this value has asked the processor for the features.
                unsafe { go(root, key, self) }
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

            #[inline(always)]
            fn root(self, root: &[Node<K>; WIDE], key: K) -> u32 {
                $root(self, root, key)
            }
        }
    };
}

instructions!(
    Avx2,
    "avx2,popcnt",
    below_avx2,
    search::root_in_two_steps,
    "Proof that there are AVX2 and POPCNT."
);
instructions!(
    Avx512,
    "avx512f,popcnt",
    below_avx512,
    search::root_at_once,
    "Proof that there are AVX-512F and POPCNT."
);

impl Avx2 {
    pub(super) fn detect() -> Option<Avx2> {
        let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt");
        has.then_some(Avx2(()))
    }
}

impl Avx512 {
    pub(super) fn detect() -> Option<Avx512> {
        let has = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("popcnt");
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
#[target_feature(enable = "avx512f,popcnt")]
pub(super) fn avx512_64(node: &Node<u64>, key: u64) -> u32 {
    // SAFETY: a node is 64 bytes long and begins at a multiple of 64.
    let keys = unsafe { _mm512_load_si512((&raw const *node).cast()) };
    _mm512_cmpgt_epu64_mask(_mm512_set1_epi64(key as i64), keys).count_ones()
}

#[inline]
#[target_feature(enable = "avx512f,popcnt")]
pub(super) fn avx512_32(node: &Node<u32>, key: u32) -> u32 {
    // SAFETY: a node is 64 bytes long and begins at a multiple of 64.
    let keys = unsafe { _mm512_load_si512((&raw const *node).cast()) };
    _mm512_cmpgt_epu32_mask(_mm512_set1_epi32(key as i32), keys).count_ones()
}
