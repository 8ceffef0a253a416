//! NEON: it compares unsigned numbers of 32 or 64 bits, in 16 bytes at a time.

use core::arch::aarch64::*;

pub(in crate::simd) const NAME: &str = "NEON";

/// How many keys are below `key`.
#[inline(always)]
pub(in crate::simd) fn below32(keys: &[u32; 16], key: u32) -> u32 {
    // SAFETY: the processor has NEON, as any that this is compiled for; there are 16 keys.
    unsafe {
        let key = vdupq_n_u32(key);
        let [a, b, c, d] = [0, 4, 8, 12].map(|n| vcgtq_u32(key, vld1q_u32(keys.as_ptr().add(n))));
        // A lane that is below is all ones, which is -1.
        vaddvq_u32(vaddq_u32(vaddq_u32(a, b), vaddq_u32(c, d))).wrapping_neg()
    }
}

pub(in crate::simd) use below32 as below31;

/// How many keys are below `key`.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a count of at most 8")]
pub(in crate::simd) fn below64(keys: &[u64; 8], key: u64) -> u32 {
    // SAFETY: the processor has NEON, as any that this is compiled for; there are 8 keys.
    unsafe {
        let key = vdupq_n_u64(key);
        let [a, b, c, d] = [0, 2, 4, 6].map(|n| vcgtq_u64(key, vld1q_u64(keys.as_ptr().add(n))));
        vaddvq_u64(vaddq_u64(vaddq_u64(a, b), vaddq_u64(c, d))).wrapping_neg() as u32
    }
}
