use proptest::prelude::*;

use super::*;

/// Bytes among which the searched ones, their neighbours, and what carries and borrows are frequent.
fn bytes() -> impl Strategy<Value = u8> {
    prop_oneof![
        prop::sample::select(
            &[0, 1, 9, 10, 11, 32, 33, 47, 48, 57, 58, 91, 92, 93, 127, 128, 129, 249, 250, 255][..]
        ),
        any::<u8>(),
        b'0'..=b'9',
    ]
}

proptest! {
    #[test]
    fn searches_agree_with_a_byte_by_byte_one(text in prop::array::uniform8(bytes()), byte in bytes(), most in 0..=127u8) {
        let eight = u64::from_le_bytes(text);
        let first_that = |is: &dyn Fn(u8) -> bool| text.iter().position(|&b| is(b)).unwrap_or(8);
        prop_assert_eq!(first(equal(eight, byte)), first_that(&|b| b == byte));
        prop_assert_eq!(first(at_most(eight, most)), first_that(&|b| b <= most));
        let is_plain = text.iter().all(|&b| b.is_ascii() && b != 0 && b != b'\\');
        prop_assert_eq!(not_plain(eight) == 0, is_plain);
    }

    #[test]
    fn four_at_a_time_agree_too(text in prop::collection::vec(bytes(), 0..70), byte in bytes(), at in 0..40usize) {
        let rest = text.get(at..).filter(|rest| rest.len() >= 32);
        let found = four(&text, at).map(|four| first_of_four(four.map(|eight| equal(eight, byte))));
        prop_assert_eq!(found, rest.map(|rest| rest.iter().take(32).position(|&b| b == byte).unwrap_or(32)));
    }

    #[test]
    fn digits_agree_with_a_sum(text in prop::array::uniform8(bytes())) {
        let length = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(8);
        let number = text[..length].iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        prop_assert_eq!(digits(u64::from_le_bytes(text)), (number, length));
    }
}

#[test]
fn each_byte_that_is_not_plain_is_noticed_alone() {
    for byte in 0..=u8::MAX {
        for place in 0..8 {
            let mut text = *b"abcdefgh";
            text[place] = byte;
            let is_plain = byte.is_ascii() && byte != 0 && byte != b'\\';
            assert_eq!(not_plain(u64::from_le_bytes(text)) == 0, is_plain, "{byte:#x} at {place}");
        }
    }
}
