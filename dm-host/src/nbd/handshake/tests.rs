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

/// Feeds `input` in pieces of `piece` bytes to a server without TLS.
fn shake(input: &[u8], piece: usize) -> Ended {
    shake_with(Tls::Off, input, piece)
}

/// Feeds `input` in pieces of `piece` bytes. Where TLS is to begin, it does so at once.
fn shake_with(tls: Tls, input: &[u8], piece: usize) -> Ended {
    let mut handshake = Handshake::new(tls);
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
        if handshake.wants_tls() {
            assert_eq!(handshake.handle(&input[used..received], &TwoExports), Ok(0));
            handshake.handle_tls();
        }
    }
    let over = handshake.is_over();
    let result = handshake.finish();
    let result = result.map(|agreed| agreed.map(|agreed| (agreed.export, agreed.structured)));
    Ended { output, result, used, over }
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

const REFUSED: (u32, &[u8]) = (0x8000_0005, b"TLS is required");

#[test]
fn where_tls_is_required_nothing_else_goes_before_it() {
    let options = [option(3, &[]), option(8, &[]), option(99, &[1]), option(7, &wish(b"a", &[]))];
    let refused = [3, 8, 99, 7].map(|n| answer(n, REFUSED.0, REFUSED.1)).concat();
    let before = [ALL_FLAGS, &options.concat()].concat();
    for piece in [1, before.len()] {
        let ended = shake_with(Tls::Required, &before, piece);
        assert_eq!(ended.output, [GREETED, &refused].concat());
        assert_eq!(ended.result, Err(HandshakeError::NoTls));
    }
    let by_name = [ALL_FLAGS, &option(1, b"a")].concat();
    assert_eq!(shake_with(Tls::Required, &by_name, 99).result, Err(HandshakeError::NoTls));
    let leaves = [ALL_FLAGS, &option(2, &[])].concat();
    let ended = shake_with(Tls::Required, &leaves, 99);
    assert_eq!(ended.output, [GREETED, &answer(2, 1, &[])].concat());
    assert_eq!(ended.result, Ok(None));
}

#[test]
fn within_tls_the_negotiation_begins_anew() {
    let goes = option(7, &wish(b"a", &[]));
    for (tls, before, answered) in [
        (Tls::Required, vec![], vec![]),
        // A structured reply that was agreed on in clear is forgotten.
        (Tls::Allowed, option(8, &[]), answer(8, 1, &[])),
        (Tls::Required, option(3, &[]), answer(3, REFUSED.0, REFUSED.1)),
    ] {
        let input = [ALL_FLAGS, &before, &option(5, &[]), &option(5, &[]), &goes].concat();
        let again = answer(5, 0x8000_0003, b"TLS is on already");
        let output = [GREETED, &answered, &answer(5, 1, &[]), &again, &information(7, 1)].concat();
        for piece in [1, input.len()] {
            let ended = shake_with(tls, &input, piece);
            assert_eq!(ended.output, output);
            assert_eq!(ended.result, Ok(Some(("a".into(), false))));
        }
    }
    // One that leaves after all was not refused for want of TLS.
    let input = [ALL_FLAGS, &option(3, &[]), &option(5, &[]), &option(2, &[])].concat();
    assert_eq!(shake_with(Tls::Required, &input, 99).result, Ok(None));
}

#[test]
fn tls_is_neither_forced_on_anybody_nor_begun_with_data() {
    let input = [ALL_FLAGS, &option(5, &[0]), &option(7, &wish(b"a", &[]))].concat();
    let ended = shake_with(Tls::Allowed, &input, 99);
    let refused = answer(5, 0x8000_0003, b"this option takes no data");
    assert_eq!(ended.output, [GREETED, &refused, &information(7, 1)].concat());
    assert_eq!(ended.result, Ok(Some(("a".into(), false))));
}
