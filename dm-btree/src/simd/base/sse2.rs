//! SSE2: it compares signed numbers of up to 32 bits, four at a time.

use core::arch::x86_64::*;

pub(in crate::simd) const NAME: &str = "SSE2";

/// How many keys are below `key`, if all of them are below 2^31.
#[inline(always)]
pub(in crate::simd) fn below31(keys: &[u32; 16], key: u32) -> u32 {
    below_moved(keys, key, 0)
}

/// How many keys are below `key`.
#[inline(always)]
pub(in crate::simd) fn below32(keys: &[u32; 16], key: u32) -> u32 {
    below_moved(keys, key, i32::MIN)
}

/// It cannot compare numbers of 64 bits.
pub(in crate::simd) use crate::simd::scalar::below64;

/// Compares as signed after turning the bits of `flip` over in all.
#[inline(always)]
fn below_moved(keys: &[u32; 16], key: u32, flip: i32) -> u32 {
    // SAFETY: all of x86-64 has SSE2; 4 keys are 16 bytes, which need not be aligned; there are 16 keys.
    unsafe {
        let key = _mm_set1_epi32(key as i32 ^ flip);
        let [a, b, c, d] = [0, 4, 8, 12].map(|n| {
            let quarter = _mm_loadu_si128(keys.as_ptr().add(n).cast());
            _mm_cmpgt_epi32(key, _mm_xor_si128(quarter, _mm_set1_epi32(flip)))
        });
        let all = _mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d));
        // The keys are in order, so that the bits of those below are the first ones.
        _mm_movemask_epi8(all).trailing_ones()
    }
}
