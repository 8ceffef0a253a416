//! Reading a script, and taking its steps.

use core::fmt;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::{Refusal, Surface};
use crate::Errno;

/// A step of a script did not end as it says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// The line of the step in the script, from 1.
    pub line: usize,
    /// What happened instead.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for Failure {}

/// A step, and how it must end.
struct Step<'s> {
    line: usize,
    is_write: bool,
    path: &'s str,
    lines: Vec<&'s str>,
    refusal: Option<Expected<'s>>,
}

struct Expected<'s> {
    only_at_close: bool,
    errno: Errno,
    message: Option<&'s str>,
}

/// Takes the steps of a script, up to the first that does not end as it must.
pub fn run(script: &str, surface: &mut dyn Surface) -> Result<(), Failure> {
    let devices = surface.devices();
    let must_be_empty = |surface: &mut dyn Surface, line| match surface.read("control") {
        Ok(list) if list.is_empty() => Ok(()),
        other => Err(Failure { line, message: format!("there must be no device here: {other:?}") }),
    };
    must_be_empty(surface, 1)?;
    for step in read(script)? {
        take(&step, surface, &devices).map_err(|message| Failure { line: step.line, message })?;
    }
    must_be_empty(surface, script.lines().count())
}

fn read(script: &str) -> Result<Vec<Step<'_>>, Failure> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    for (at, text) in script.lines().enumerate() {
        let line = at + 1;
        let bad = |why: &str| Failure { line, message: format!("{why}: {text}") };
        let (mark, rest) = text.split_once(' ').unwrap_or((text, ""));
        match (mark, steps.last_mut()) {
            ("", _) => {}
            _ if mark.starts_with('#') => {}
            (">" | "<", _) => {
                let (path, first) = rest.split_once(' ').unwrap_or((rest, ""));
                let lines = Vec::from_iter(Some(first).filter(|first| !first.is_empty()));
                let is_write = mark == ">";
                if !is_write && !lines.is_empty() {
                    return Err(bad("a read takes nothing but a path"));
                }
                steps.push(Step { line, is_write, path, lines, refusal: None });
            }
            ("|", Some(step)) => step.lines.push(rest),
            ("!" | "!close", Some(step)) => {
                let (name, message) = match rest.split_once(": ") {
                    Some((name, message)) => (name, Some(message)),
                    None => (rest, None),
                };
                let errno = Errno::ALL.into_iter().find(|errno| format!("{errno:?}") == name);
                let errno = errno.ok_or_else(|| bad("no such error"))?;
                step.refusal = Some(Expected { only_at_close: mark == "!close", errno, message });
            }
            _ => return Err(bad("this is no step")),
        }
    }
    Ok(steps)
}

fn take(step: &Step<'_>, surface: &mut dyn Surface, devices: &[String]) -> Result<(), String> {
    let path = step.path;
    let mut text = Vec::new();
    for line in &step.lines {
        substitute(line, devices, &mut text)?;
        text.push(b'\n');
    }
    let answer = if step.is_write {
        surface.write(path, &text).map(|()| None)
    } else {
        surface.read(path).map(Some)
    };
    match (answer, &step.refusal) {
        (Ok(None), None) => Ok(()),
        (Ok(Some(found)), None) => compare(&String::from_utf8_lossy(&text), &found),
        (Ok(None), Some(Expected { only_at_close: true, .. })) if !surface.refuses_close() => {
            Ok(())
        }
        (Ok(_), Some(_)) => Err(format!("{path} was not refused")),
        (Err(found), None) => Err(format!("{path} was refused: {}", describe(&found))),
        (Err(found), Some(expected)) => refused_so(expected, &found, devices),
    }
}

fn refused_so(expected: &Expected<'_>, found: &Refusal, devices: &[String]) -> Result<(), String> {
    let mut message = Vec::new();
    substitute(expected.message.unwrap_or_default(), devices, &mut message)?;
    let message = String::from_utf8_lossy(&message);
    let is_told_so = match &found.message {
        Some(told) if expected.message.is_some() => *told == message,
        _ => true,
    };
    if found.errno == expected.errno && is_told_so {
        return Ok(());
    }
    let found = describe(found);
    Err(format!(
        "refused with other words\nexpected {:?}: {message}\nfound    {found}",
        expected.errno
    ))
}

fn describe(refusal: &Refusal) -> String {
    let message = refusal.message.as_deref().unwrap_or("(no message)");
    format!("{:?}: {message}", refusal.errno)
}

fn compare(expected: &str, found: &str) -> Result<(), String> {
    let is_like = |(expected, found): (&str, &str)| {
        let words = |line: &str| line.split(' ').map(ToString::to_string).collect::<Vec<_>>();
        let (expected, found) = (words(expected), words(found));
        expected.len() == found.len()
            && expected.iter().zip(&found).all(|(word, found)| word == "*" || word == found)
    };
    let ends = found.is_empty() || found.ends_with('\n');
    let count = expected.lines().count() == found.lines().count();
    if ends && count && expected.lines().zip(found.lines()).all(is_like) {
        return Ok(());
    }
    Err(format!("read something else\n--- expected\n{expected}--- found\n{found}---"))
}

/// Puts in what `$` stands for.
fn substitute(line: &str, devices: &[String], out: &mut Vec<u8>) -> Result<(), String> {
    let mut pieces = line.split('$');
    out.extend_from_slice(pieces.next().unwrap_or_default().as_bytes());
    for piece in pieces {
        let hex = piece.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let sum = piece.strip_prefix('(').and_then(|sum| sum.split_once(')'));
        let rest = if let Some(device) = piece.get(..1).and_then(|letter| device(letter, devices)) {
            out.extend_from_slice(device.as_bytes());
            piece.get(1..)
        } else if let Some(byte) = hex {
            out.push(byte);
            piece.get(2..)
        } else if let Some((sum, rest)) = sum {
            let term = |term: &str| match device(term, devices) {
                Some(device) => Some(device.chars().count()),
                None => term.parse().ok(),
            };
            let sum: Option<usize> = sum.split('+').map(term).sum();
            let sum = sum.ok_or_else(|| format!("`${piece}` is no sum"))?;
            out.extend_from_slice(sum.to_string().as_bytes());
            Some(rest)
        } else {
            return Err(format!("`${piece}` is neither a device nor a byte nor a sum"));
        };
        out.extend_from_slice(rest.unwrap_or_default().as_bytes());
    }
    Ok(())
}

/// The device that goes by a capital letter.
fn device<'d>(letter: &str, devices: &'d [String]) -> Option<&'d String> {
    match letter.as_bytes() {
        [letter @ b'A'..=b'Z'] => devices.get(usize::from(letter - b'A')),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
