//! AVX2 and AVX-512. A node is compared whole, and the bits of the answer counted.

use core::arch::x86_64::*;
use std::is_x86_feature_detected;

use crate::levels::{Levels, WIDE};
use crate::search::{self, ABREAST};
use crate::{Key, Node};

macro_rules! instructions {
    ($name:ident, $features:literal, $below:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(super) struct $name(());

        impl $name {
            pub(super) fn root<K: Key>(self, nodes: &[Node<K>], levels: &Levels, key: K) -> u32 {
                #[target_feature(enable = $features)]
                fn go<K: Key>(nodes: &[Node<K>], levels: &Levels, key: K, has: $name) -> u32 {
                    search::root(nodes, levels, key, has)
                }
                // SAFETY: whoever has this value has asked the processor for the features.
                unsafe { go(nodes, levels, key, self) }
            }

            pub(super) fn descend<K: Key>(
                self,
                nodes: &[Node<K>],
                levels: &Levels,
                key: K,
            ) -> usize {
                #[target_feature(enable = $features)]
                fn go<K: Key>(nodes: &[Node<K>], levels: &Levels, key: K, has: $name) -> usize {
                    search::descend(nodes, levels, key, has)
                }
                // SAFETY: whoever has this value has asked the processor for the features.
                unsafe { go(nodes, levels, key, self) }
            }

            pub(super) fn descend_all<K: Key>(
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
                    search::descend_all(nodes, levels, keys, found, has);
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
                root.iter().map(|node| self.node(node, key)).sum()
            }
        }
    };
}

instructions!(Avx2, "avx2,popcnt", below_avx2, "Proof that there are AVX2 and POPCNT.");
instructions!(Avx512, "avx512f,popcnt", below_avx512, "Proof that there are AVX-512F and POPCNT.");

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

#[inline]
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn avx2_64(node: &Node<u64>, key: u64) -> u32 {
    let (low, high) = halves(node, _mm256_set1_epi64x(i64::MIN));
    let key = _mm256_set1_epi64x(key as i64 ^ i64::MIN);
    let (low, high) = (_mm256_cmpgt_epi64(key, low), _mm256_cmpgt_epi64(key, high));
    // 64 bits of ones a key, packed to 4 bits a key; the order does not matter for counting.
    let bits = _mm256_movemask_epi8(_mm256_packs_epi32(low, high));
    bits.count_ones() / 4
}

#[inline]
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn avx2_32(node: &Node<u32>, key: u32) -> u32 {
    let (low, high) = halves(node, _mm256_set1_epi32(i32::MIN));
    let key = _mm256_set1_epi32(key as i32 ^ i32::MIN);
    let (low, high) = (_mm256_cmpgt_epi32(key, low), _mm256_cmpgt_epi32(key, high));
    let bits = _mm256_movemask_epi8(_mm256_packs_epi32(low, high));
    bits.count_ones() / 2
}

#[inline]
#[target_feature(enable = "avx2")]
fn halves<K: Key>(node: &Node<K>, flip: __m256i) -> (__m256i, __m256i) {
    let at: *const __m256i = (&raw const *node).cast();
    // SAFETY: a node is 64 bytes long and begins at a multiple of 64.
    let (low, high) = unsafe { (_mm256_load_si256(at), _mm256_load_si256(at.add(1))) };
    (_mm256_xor_si256(low, flip), _mm256_xor_si256(high, flip))
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
