use super::*;

#[test]
fn replies_as_bytes() {
    let cookie = 0x0102_0304_0506_0708;
    let chunk = Kind::Chunk { offset: 0x1122 };
    let cases: &[(Kind, Result<u32, ErrorCode>, &[u8])] = &[
        (Kind::Simple, Ok(4096), &[0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (
            Kind::Simple,
            Err(ErrorCode::NoSpace),
            &[0x67, 0x44, 0x66, 0x98, 0, 0, 0, 28, 1, 2, 3, 4, 5, 6, 7, 8],
        ),
        (
            chunk,
            Ok(4096),
            &[
                0x66, 0x8e, 0x33, 0xef, 0, 1, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0x10, 8, 0, 0, 0,
                0, 0, 0, 0x11, 0x22,
            ],
        ),
        (
            chunk,
            Err(ErrorCode::Io),
            &[
                0x66, 0x8e, 0x33, 0xef, 0, 1, 0x80, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 6, 0, 0, 0,
                5, 0, 0,
            ],
        ),
    ];
    for (kind, result, expected) in cases {
        assert_eq!(
            Header::new(*kind, cookie, *result).as_bytes(),
            *expected,
            "{kind:?} {result:?}"
        );
    }
}
