//! Eight bytes of text at a time, taken as one number, the first in its lowest byte.
//!
//! Each search is exact for the first byte that it finds: the carries and borrows behind the
//! arithmetic only run from there towards the bytes behind it.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "sums and products of constants and of numbers up to 64; the highest bytes of eight fit a byte"
)]

use core::array;

const LOWS: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The eight bytes at `at`, unless there are fewer.
#[inline]
pub(crate) fn eight(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?.first_chunk().map(|&eight| u64::from_le_bytes(eight))
}

/// The 32 bytes at `at`, eight by eight, unless there are fewer.
#[inline]
pub(crate) fn four(text: &[u8], at: usize) -> Option<[u64; 4]> {
    let bytes = text.get(at..)?.first_chunk::<32>()?;
    Some(array::from_fn(|i| eight(bytes, 8 * i).unwrap_or_default()))
}

/// The index of the first of 32 bytes marked in `marks`, or 32.
#[inline]
pub(crate) fn first_of_four(marks: [u64; 4]) -> usize {
    // The highest bits of eight bytes, each shifted to its own bit of the highest byte.
    let bits = marks.map(|marks| (marks >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56);
    let bits = bits.into_iter().rev().fold(0, |all, bits| all << 8 | bits as u32);
    bits.trailing_zeros() as usize
}

/// The index of the first of them marked in `marks`, or 8.
#[inline]
pub(crate) const fn first(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// Marks the first byte that equals `byte`.
#[inline]
pub(crate) const fn equal(eight: u64, byte: u8) -> u64 {
    let zero = eight ^ (LOWS * byte as u64);
    zero.wrapping_sub(LOWS) & !zero & HIGHS
}

/// Marks the first byte that is `most` or less, which is 127 or less.
#[inline]
pub(crate) const fn at_most(eight: u64, most: u8) -> u64 {
    eight.wrapping_sub(LOWS * (most as u64 + 1)) & !eight & HIGHS
}

/// Not zero if any byte is a NUL, a backslash or not ASCII.
#[inline]
pub(crate) const fn not_plain(eight: u64) -> u64 {
    let backslash = eight ^ (LOWS * b'\\' as u64);
    (eight | eight.wrapping_sub(LOWS) | backslash.wrapping_sub(LOWS)) & HIGHS
}

/// The number that the decimal digits at the start make, and how many they are, up to 8.
#[inline]
pub(crate) const fn digits(eight: u64) -> (u64, usize) {
    // A digit is now 0 to 9, and stays below 16 with 6 added.
    let values = eight ^ (LOWS * b'0' as u64);
    let others = (values | values.wrapping_add(LOWS * 6)) & (LOWS * 0xf0);
    let length = first(others);
    // All to the upper end, zeros in front; then pairs, fours and all eight are joined.
    let values = if length == 0 { 0 } else { values << (64 - 8 * length) };
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let eight = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
    (eight, length)
}

#[cfg(test)]
mod tests;
