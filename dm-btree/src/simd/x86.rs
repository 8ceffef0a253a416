//! AVX2 and AVX-512. A node is compared whole, and the bits of the answer counted.

use core::arch::x86_64::*;
use std::is_x86_feature_detected;

use crate::levels::Levels;
use crate::simd::Below;
use crate::{Key, Node, search};

pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt")
}

pub(super) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("popcnt")
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) fn descend_avx2<K: Key>(nodes: &[Node<K>], levels: &Levels, key: K) -> usize {
    // SAFETY: this function is only entered with the features that `below_avx2` asks for.
    search::descend(nodes, levels, key, |node, key| unsafe {
        K::below_avx2(node, key)
    })
}

#[target_feature(enable = "avx512f,popcnt")]
pub(super) fn descend_avx512<K: Key>(nodes: &[Node<K>], levels: &Levels, key: K) -> usize {
    // SAFETY: this function is only entered with the features that `below_avx512` asks for.
    search::descend(nodes, levels, key, |node, key| unsafe {
        K::below_avx512(node, key)
    })
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
fn halves<K: Below>(node: &Node<K>, flip: __m256i) -> (__m256i, __m256i) {
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
