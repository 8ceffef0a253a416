//! The number at the start of a text.

use crate::swar;

/// `10^n` for `n` up to 8.
const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The number that the decimal digits at the start of `text` make, and how many they are, perhaps none.
///
/// `None` if the number is past 64 bits.
#[inline]
#[expect(clippy::arithmetic_side_effects, reason = "the length is at most that of the text")]
pub(crate) fn leading(text: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0u64;
    let mut length = 0;
    // The first eight are most often all, and then there is nothing to multiply.
    if let Some(eight) = swar::eight(text, 0) {
        (number, length) = swar::digits(eight);
        if length < 8 {
            return Some((number, length));
        }
    }
    while let Some(eight) = swar::eight(text, length) {
        let (part, digits) = swar::digits(eight);
        number = number.checked_mul(*POWERS.get(digits)?)?.checked_add(part)?;
        length += digits;
        if digits < 8 {
            return Some((number, length));
        }
    }
    for digit in text
        .get(length..)?
        .iter()
        .map(|byte| byte.wrapping_sub(b'0'))
        .take_while(|&digit| digit <= 9)
    {
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
        length += 1;
    }
    Some((number, length))
}

#[cfg(test)]
mod tests;
