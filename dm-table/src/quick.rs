//! A short cut for lines of the commonest shape, as programs write them.

use crate::args::Args;
use crate::digits;
use crate::line::Line;
use crate::position::Position;
use crate::quoting::{Quoting, is_blank};
use crate::sector::{Sector, SectorRange, Sectors};
use crate::swar;

/// Reads the first line of `text`, which stands at `at`, and gives it with the text behind it.
///
/// The line is what [`Line::read`] makes of it; `None` where that may find an error, and wherever
/// the line has another shape: blanks in front of it, two of them between its first words, a
/// backslash, anything but ASCII, no line feed at its end.
#[inline(always)]
pub(crate) fn read(text: &[u8], at: Position) -> Option<(Line<'_>, &[u8])> {
    let (start, at_length) = number(text, 0)?;
    let (length, target) = number(text, at_length)?;
    let range = SectorRange::new(Sector::new(start), Sectors::new(length))?;
    let behind_target = word_end(text, target)?;
    let (line, tail) = text.split_at_checked(line_end(text, target)?)?;
    let args = Args::quoted(line, at, Quoting::Once).behind(behind_target);
    Some((Line { range, start: 0, target, args }, tail.get(1..)?))
}

/// The number at `at`, and where the next word must start: behind a single blank.
#[inline]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "offsets into the text, at most one behind its end"
)]
fn number(text: &[u8], at: usize) -> Option<(u64, usize)> {
    let (number, length) = digits::leading(text.get(at..)?)?;
    let end = at + length;
    (length > 0 && *text.get(end)? == b' ').then_some((number, end + 1))
}

/// The end of the word that starts at `start`, if there is one.
#[inline]
#[expect(clippy::arithmetic_side_effects, reason = "offsets into the text: eight bytes were there")]
fn word_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        match swar::first(swar::at_most(swar::eight(text, at)?, b' ')) {
            8 => at += 8,
            found => {
                let end = at + found;
                return (end > start && is_blank(*text.get(end)?)).then_some(end);
            }
        }
    }
}

/// The first line feed from `start` on, if there is only ASCII without NUL and backslash before it.
#[inline(always)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "offsets into the text: as many bytes were there"
)]
fn line_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    let mut odd = 0;
    // Four at a time: most lines end within them, so there is hardly a branch to guess wrong.
    while let Some(four) = swar::four(text, at) {
        odd |= four.into_iter().fold(0, |odd, eight| odd | swar::not_plain(eight));
        match swar::first_of_four(four.map(|eight| swar::equal(eight, b'\n'))) {
            32 => at += 32,
            found => return (odd == 0).then_some(at + found),
        }
    }
    loop {
        let eight = swar::eight(text, at)?;
        odd |= swar::not_plain(eight);
        match swar::first(swar::equal(eight, b'\n')) {
            8 => at += 8,
            found => return (odd == 0).then_some(at + found),
        }
    }
}

#[cfg(test)]
mod tests;
