use super::*;

const BOUNDS: Bounds = Bounds { size: 1 << 30, block: 4096, mode: Mode::ReadWrite };
const TO_READ: Bounds = Bounds { mode: Mode::ReadOnly, ..BOUNDS };

fn request(command: u16, flags: u16, offset: u64, length: u32) -> Request {
    Request { flags, command, cookie: 7, offset, length }
}

fn extent(start: u64, sectors: u64) -> Extent {
    Extent { start: Sector::new(start), sectors: Sectors::new(sectors) }
}

#[test]
fn every_field_is_read_from_its_place() {
    let bytes = [
        0x25, 0x60, 0x95, 0x13, 0, 1, 0, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
        17, 18, 19, 20,
    ];
    let expected = Request {
        flags: 1,
        command: command::TRIM,
        cookie: 0x0102_0304_0506_0708,
        offset: 0x090a_0b0c_0d0e_0f10,
        length: 0x1112_1314,
    };
    assert_eq!(Request::parse(&bytes), Ok(expected));
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let mut bytes = [0; REQUEST_BYTES];
    assert_eq!(Request::parse(&bytes), Err(RequestError::BadMagic(0)));
    bytes[..8].copy_from_slice(&[0x25, 0x60, 0x95, 0x13, 0, 0, 0, 1]);
    bytes[24..].copy_from_slice(&(MAX_PAYLOAD + 1).to_be_bytes());
    assert_eq!(Request::parse(&bytes), Err(RequestError::TooLong(MAX_PAYLOAD + 1)));
    bytes[24..].copy_from_slice(&MAX_PAYLOAD.to_be_bytes());
    assert_eq!(Request::parse(&bytes).map(|request| request.payload()), Ok(MAX_PAYLOAD));
}

#[test]
fn actions() {
    const MIB: u32 = 1 << 20;
    let end = BOUNDS.size - 4096;
    let none = BioFlags::empty();
    let zeroes = |flags, zeroing| Ok(Action::WriteZeroes(extent(8, 8), flags, zeroing));
    let cases: &[(Request, &Bounds, Result<Action, ErrorCode>)] = &[
        (request(0, 0, 4096, 8192), &BOUNDS, Ok(Action::Read(extent(8, 16)))),
        (request(0, 4, end, 4096), &TO_READ, Ok(Action::Read(extent(end / 512, 8)))),
        (request(0, 0, end, 8192), &BOUNDS, Err(ErrorCode::Invalid)),
        (request(0, 0, u64::MAX - 4095, 4096), &BOUNDS, Err(ErrorCode::Invalid)),
        (request(0, 0, 0, 33 * MIB), &BOUNDS, Err(ErrorCode::Invalid)),
        (request(0, 0, 512, 4096), &BOUNDS, Err(ErrorCode::Invalid)),
        (request(0, 0, 0, 0), &BOUNDS, Err(ErrorCode::Invalid)),
        (request(0, 8, 0, 4096), &BOUNDS, Err(ErrorCode::Invalid)),
        (request(1, 0, 0, 4096), &BOUNDS, Ok(Action::Write(extent(0, 8), none))),
        (request(1, 1, 0, 4096), &BOUNDS, Ok(Action::Write(extent(0, 8), BioFlags::FUA))),
        (request(1, 2, 0, 4096), &BOUNDS, Err(ErrorCode::Invalid)),
        (request(1, 0, 0, 4096), &TO_READ, Err(ErrorCode::NotPermitted)),
        (request(1, 0, end, 8192), &BOUNDS, Err(ErrorCode::NoSpace)),
        (request(1, 0, u64::MAX, 4096), &BOUNDS, Err(ErrorCode::NoSpace)),
        (request(2, 0, 0, 0), &TO_READ, Ok(Action::Disconnect)),
        (request(2, 0xffff, 0, 0), &TO_READ, Ok(Action::Disconnect)),
        (request(3, 0, 9, 9), &TO_READ, Ok(Action::Flush)),
        (request(4, 0, 0, 64 * MIB), &BOUNDS, Ok(Action::Trim(extent(0, 131_072), none))),
        (request(4, 0, 0, 4096), &TO_READ, Err(ErrorCode::NotPermitted)),
        (request(5, 0, 0, 4096), &BOUNDS, Err(ErrorCode::Invalid)),
        (request(6, 0, 4096, 4096), &BOUNDS, zeroes(none, Zeroing::empty())),
        (request(6, 3, 4096, 4096), &BOUNDS, zeroes(BioFlags::FUA, Zeroing::ALLOCATED)),
        (request(6, 16, 4096, 4096), &BOUNDS, zeroes(none, Zeroing::FAST)),
        (request(6, 4, 4096, 4096), &BOUNDS, Err(ErrorCode::Invalid)),
        (request(7, 0, 0, 4096), &BOUNDS, Err(ErrorCode::Invalid)),
        (request(0x8000, 0, 0, 4096), &BOUNDS, Err(ErrorCode::Invalid)),
    ];
    for (request, bounds, expected) in cases {
        assert_eq!(request.action(bounds), *expected, "{request:?}");
    }
}
