use rustix::io::Errno as Linux;

use super::*;

#[test]
fn numbers_are_those_of_linux() {
    let linux = [
        Linux::NOENT,
        Linux::INTR,
        Linux::NOMEM,
        Linux::ACCESS,
        Linux::BUSY,
        Linux::EXIST,
        Linux::NODEV,
        Linux::INVAL,
        Linux::FBIG,
        Linux::NOSPC,
    ];
    assert_eq!(Errno::ALL.map(Errno::number), linux.map(Linux::raw_os_error));
}

#[test]
fn a_lack_of_room_has_a_number_of_its_own() {
    for (cause, errno) in [
        (Cause::OutOfMemory, Errno::NoMemory),
        (Cause::Create(CreateError::OutOfMemory), Errno::NoMemory),
        (Cause::Load(LoadDeviceError::OutOfMemory), Errno::NoMemory),
        (Cause::Message(SendError::Refused(MessageError::OutOfMemory)), Errno::NoMemory),
        (Cause::Create(CreateError::NoMinorLeft), Errno::NoSpace),
        (Cause::LineTooLong { limit: 1 }, Errno::TooBig),
        (Cause::TableTooLong { limit: 1 }, Errno::TooBig),
    ] {
        assert_eq!(cause.errno(), errno, "{cause}");
    }
}
