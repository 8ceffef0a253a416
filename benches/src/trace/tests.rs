use super::*;

fn sample() -> Trace {
    let request = |op, sector, sectors| Request { op, sector, sectors };
    Trace {
        what: "two lines, by hand".into(),
        lines: vec![8192, 1 << 40],
        requests: vec![
            request(Op::Read, 0, 8),
            request(Op::Read, 8, 8),
            request(Op::Write, 1 << 39, 2048),
            request(Op::Flush, 0, 0),
            request(Op::Discard, 4096, 1 << 33),
        ],
    }
}

fn bytes(trace: &Trace) -> Vec<u8> {
    let mut bytes = Vec::new();
    trace.write(&mut bytes).unwrap();
    bytes
}

#[test]
fn reading_gives_what_was_written() {
    for trace in [Trace::default(), sample()] {
        assert_eq!(Trace::read(&bytes(&trace)), Ok(trace));
    }
    assert_eq!(sample().ends(), [8191, 8191 + (1 << 40)]);
}

#[test]
fn the_bytes_are_as_documented() {
    let mut trace = sample();
    trace.what = "x".into();
    trace.lines = vec![300];
    trace.requests.truncate(2);
    assert_eq!(bytes(&trace), b"DMTRACE1\x01x\x01\xac\x02\x02\x00\x08\x00\x08");
}

#[test]
fn bytes_that_are_no_trace_are_refused() {
    let whole = bytes(&sample());
    for length in 0..8 {
        assert_eq!(Trace::read(&whole[..length]), Err(TraceError::Magic));
    }
    for length in 8..whole.len() {
        assert_eq!(Trace::read(&whole[..length]), Err(TraceError::CutShort), "{length} bytes");
    }
    assert_eq!(Trace::read(b"DMTRACE1\x01\xff"), Err(TraceError::Description));
    let long = [&MAGIC[..], &[0xff; 9], &[0x02]].concat();
    assert_eq!(Trace::read(&long), Err(TraceError::Number));
}
