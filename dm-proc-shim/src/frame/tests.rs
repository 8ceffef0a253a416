use super::*;
use Part::{End, Inside};

const STRAY: Part = Part::Stray { column: 1 };

const TEXTS: &[(&[&str], &[Part], Frame)] = &[
    (&["", "  # begin", "\t"], &[Inside, Inside, Inside], Frame::Start),
    (&["0 8 zero", "end", "begin"], &[Inside, Inside, Inside], Frame::Bare),
    (&["# a", " begin\r", "begin", "0 8 zero"], &[Inside; 4], Frame::Begun),
    (&["begin", "#end", "endless", "end # done"], &[Inside, Inside, Inside, End], Frame::Ended),
    (&["begin", "end", "", "# a", "begin"], &[Inside, End, Inside, Inside, Inside], Frame::Begun),
    (&["begin", "end", "end"], &[Inside, End, STRAY], Frame::Ended),
    (&["begin", "end", "\t 0 8"], &[Inside, End, Part::Stray { column: 3 }], Frame::Ended),
];

#[test]
fn begin_and_end_frame_a_table() {
    for (lines, parts, frame) in TEXTS {
        let mut found = Frame::default();
        for (line, part) in lines.iter().zip(*parts) {
            assert_eq!(found.take(line.as_bytes()), *part, "{line:?} of {lines:?}");
        }
        assert_eq!(found, *frame, "{lines:?}");
    }
}
