use super::*;

/// Exports called `a` and `b`.
struct TwoExports;

impl Exports for TwoExports {
    type Export = String;

    fn names(&self) -> Vec<String> {
        vec!["a".into(), "b".into()]
    }

    fn open(&self, name: &str) -> Result<String, &'static str> {
        match name {
            "a" | "b" => Ok(name.into()),
            _ => Err("no such device"),
        }
    }

    fn facts(&self, export: &String) -> Facts {
        Facts {
            name: export.clone(),
            size: 0x0102_0304_0506_0200,
            flags: TransmissionFlags::HAS_FLAGS,
            block: 512,
            preferred_block: 4096,
        }
    }
}

const GREETED: &[u8] = b"NBDMAGICIHAVEOPT\0\x03";

const ALL_FLAGS: &[u8] = &[0, 0, 0, 3];
const OLD_ZEROES: &[u8] = &[0, 0, 0, 1];

fn option(number: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"IHAVEOPT".to_vec();
    bytes.extend(number.to_be_bytes());
    bytes.extend((data.len() as u32).to_be_bytes());
    bytes.extend(data);
    bytes
}

fn answer(number: u32, kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 3, 0xe8, 0x89, 4, 0x55, 0x65, 0xa9];
    bytes.extend(number.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend((data.len() as u32).to_be_bytes());
    bytes.extend(data);
    bytes
}

/// `INFO` or `GO` data: a name, and kinds of information.
fn wish(name: &[u8], kinds: &[u16]) -> Vec<u8> {
    let mut bytes = (name.len() as u32).to_be_bytes().to_vec();
    bytes.extend(name);
    bytes.extend((kinds.len() as u16).to_be_bytes());
    bytes.extend(kinds.iter().flat_map(|kind| kind.to_be_bytes()));
    bytes
}

/// What the server sends, how it ends, and how much of the input belonged to the handshake.
struct Ended {
    output: Vec<u8>,
    result: Result<Option<(String, bool)>, HandshakeError>,
    used: usize,
    over: bool,
}

/// Feeds `input` in pieces of `piece` bytes.
fn shake(input: &[u8], piece: usize) -> Ended {
    let mut handshake = Handshake::new();
    let mut output = handshake.take_output();
    let (mut used, mut received) = (0, 0);
    loop {
        match handshake.handle(&input[used..received], &TwoExports) {
            Err(error) => return Ended { output, result: Err(error), used, over: true },
            Ok(0) if received == input.len() || handshake.is_over() => break,
            Ok(0) => received = (received + piece).min(input.len()),
            Ok(bytes) => used += bytes,
        }
        output.extend(handshake.take_output());
    }
    let over = handshake.is_over();
    let agreed = handshake.finish().map(|agreed| (agreed.export, agreed.structured));
    Ended { output, result: Ok(agreed), used, over }
}

/// The information about an export: size, flags, then block sizes.
fn information(number: u32, flags: u16) -> Vec<u8> {
    let mut export = vec![0, 0, 1, 2, 3, 4, 5, 6, 2, 0];
    export.extend(flags.to_be_bytes());
    let blocks = [0, 3, 0, 0, 2, 0, 0, 0, 0x10, 0, 2, 0, 0, 0];
    [answer(number, 3, &export), answer(number, 3, &blocks), answer(number, 1, &[])].concat()
}

#[test]
fn sessions_byte_by_byte_and_whole() {
    type Case = (&'static str, Vec<u8>, Vec<u8>, Option<(&'static str, bool)>);
    let named = answer(6, 3, &[0, 1, b'b']);
    let about_b = information(6, 1);
    let (export_b, rest_b) = about_b.split_at(answer(6, 3, &[0; 12]).len());
    let cases: Vec<Case> = vec![
        ("leaves", option(2, &[]), answer(2, 1, &[]), None),
        ("goes", option(7, &wish(b"a", &[])), information(7, 1), Some(("a", false))),
        (
            "structured, goes",
            [option(8, &[]), option(7, &wish(b"a", &[3]))].concat(),
            [answer(8, 1, &[]), information(7, 0x81)].concat(),
            Some(("a", true)),
        ),
        (
            "lists, then goes",
            [option(3, &[]), option(7, &wish(b"b", &[]))].concat(),
            [
                answer(3, 2, &[0, 0, 0, 1, b'a']),
                answer(3, 2, &[0, 0, 0, 1, b'b']),
                answer(3, 1, &[]),
                information(7, 1),
            ]
            .concat(),
            Some(("b", false)),
        ),
        (
            "asks, and stays",
            option(6, &wish(b"b", &[1, 2])),
            [export_b, &named, rest_b].concat(),
            None,
        ),
        (
            "asks for what there is not",
            option(7, &wish(b"c", &[])),
            answer(7, 0x8000_0006, b"no such device"),
            None,
        ),
        (
            "TLS, contexts, extended headers, and a number nobody knows",
            [option(5, &[]), option(9, &[1]), option(10, &[]), option(11, &[]), option(99, &[])]
                .concat(),
            [5, 9, 10, 11, 99].map(|n| answer(n, 0x8000_0001, b"not supported")).concat(),
            None,
        ),
        (
            "data where there is none",
            option(3, &[0]),
            answer(3, 0x8000_0003, b"this option takes no data"),
            None,
        ),
        (
            "a name longer than the data, and a list too long",
            [option(7, &[0, 0, 0, 9, b'a', 0, 0]), option(6, &[0, 0, 0, 0, 0, 1, 0])].concat(),
            [7, 6].map(|n| answer(n, 0x8000_0003, b"a name and a list were expected")).concat(),
            None,
        ),
        ("old, by name", option(1, b"a"), vec![1, 2, 3, 4, 5, 6, 2, 0, 0, 1], Some(("a", false))),
    ];
    for (what, input, output, agreed) in cases {
        let input = [ALL_FLAGS, &input].concat();
        for piece in [1, 7, input.len()] {
            let ended = shake(&input, piece);
            let agreed = agreed.map(|(name, structured)| (name.to_owned(), structured));
            assert_eq!(ended.result, Ok(agreed), "{what}");
            assert_eq!(ended.output, [GREETED, &output].concat(), "{what}");
            assert_eq!(ended.used, input.len(), "{what}");
        }
    }
}

#[test]
fn a_client_that_wants_zeroes_gets_124() {
    let ended = shake(&[OLD_ZEROES, &option(1, b"b")].concat(), 1000);
    assert_eq!(ended.output.len(), GREETED.len() + 10 + 124);
    assert!(ended.output.ends_with(&[0; 124]));
}

#[test]
fn requests_after_the_handshake_are_left_alone() {
    let requests = [0x25; 28];
    let input = [ALL_FLAGS, &option(7, &wish(b"a", &[])), &requests].concat();
    let ended = shake(&input, input.len());
    assert!(ended.over);
    assert_eq!(ended.used, input.len() - requests.len());
}

#[test]
fn refused() {
    let too_long = [b"IHAVEOPT".as_slice(), &[0, 0, 0, 7, 0, 0, 0x40, 1]].concat();
    let cases: &[(&[u8], HandshakeError)] = &[
        (&[0, 0, 0, 4], HandshakeError::UnknownFlags(4)),
        (&[0, 1, 0, 3], HandshakeError::UnknownFlags(0x1_0003)),
        (&[0, 0, 0, 2], HandshakeError::NotFixedNewstyle),
        (&[ALL_FLAGS, b"I HAVE OPTIONS  "].concat(), HandshakeError::BadMagic),
        (&[ALL_FLAGS, b"IX"].concat(), HandshakeError::BadMagic),
        (&[ALL_FLAGS, &too_long].concat(), HandshakeError::TooLong(0x4001)),
        (&[ALL_FLAGS, &option(1, b"c")].concat(), HandshakeError::NoExport("no such device")),
        (&[ALL_FLAGS, &option(1, &[0xff])].concat(), HandshakeError::NoExport(NOT_UTF8)),
    ];
    for (input, error) in cases {
        assert_eq!(shake(input, input.len()).result, Err(*error), "{input:?}");
    }
}
