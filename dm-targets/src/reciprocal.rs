//! Division by a number that is known beforehand, without a division instruction.

/// Divides any 64-bit number by one fixed divisor: a multiplication, two shifts, two additions.
///
/// The method of Granlund and Montgomery ("Division by Invariant Integers using Multiplication",
/// 1994, figure 4.1), exact for every dividend. Powers of two take the same path; there is no branch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reciprocal {
    divisor: u32,
    magic: u64,
    first_shift: u8,
    second_shift: u8,
}

impl Reciprocal {
    /// For dividing by `divisor`; 0 counts as 1.
    #[expect(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "l is at most 32, and 2^l less than twice the divisor: the quotient is below 2^64"
    )]
    pub(crate) const fn new(divisor: u32) -> Reciprocal {
        let divisor = if divisor == 0 { 1 } else { divisor };
        // The least l with 2^l >= divisor, at most 32.
        let l = 64 - ((divisor as u64) - 1).leading_zeros();
        let magic = ((((1u128 << l) - divisor as u128) << 64) / divisor as u128) as u64;
        Reciprocal {
            divisor,
            magic: magic.wrapping_add(1),
            first_shift: if l == 0 { 0 } else { 1 },
            second_shift: l.saturating_sub(1) as u8,
        }
    }

    pub(crate) const fn divisor(self) -> u32 {
        self.divisor
    }

    /// Quotient and remainder.
    #[inline]
    #[expect(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "a product of 64-bit numbers fits 128 bits, half of it 64, a remainder 32"
    )]
    pub(crate) const fn divide(self, n: u64) -> (u64, u32) {
        let high = ((self.magic as u128 * n as u128) >> 64) as u64;
        // `high` is at most `n`, and the sum at most `n` too: nothing wraps.
        let sum = high.wrapping_add(n.wrapping_sub(high) >> self.first_shift);
        let quotient = sum >> self.second_shift;
        (quotient, n.wrapping_sub(quotient.wrapping_mul(self.divisor as u64)) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EDGES: &[u64] = &[0, 1, 2, 3, 127, 128, u32::MAX as u64, 1 << 32, u64::MAX - 1, u64::MAX];

    #[test]
    fn small_divisors_and_edges_agree_with_division() {
        for divisor in (1..=1000).chain([1 << 16, 1 << 31, (1 << 31) + 1, u32::MAX - 1, u32::MAX]) {
            let reciprocal = Reciprocal::new(divisor);
            for &edge in EDGES {
                let multiple = edge / u64::from(divisor) * u64::from(divisor);
                for n in [edge, multiple, multiple.wrapping_sub(1)] {
                    let expected = (n / u64::from(divisor), (n % u64::from(divisor)) as u32);
                    assert_eq!(reciprocal.divide(n), expected, "{n} / {divisor}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_division(n: u64, divisor in 1u32..) {
            let expected = (n / u64::from(divisor), (n % u64::from(divisor)) as u32);
            prop_assert_eq!(Reciprocal::new(divisor).divide(n), expected);
        }
    }
}
