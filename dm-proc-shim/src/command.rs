//! The words of a command line, and what each of them means.

use dm_core::table_text::{ArgError, ArgReason, Args, Excerpt, Position, TextReason, Word};
use dm_core::targets::nearest;
use dm_core::{DeviceName, Minor, NameError, OutOfMemory, Sector};

use crate::text;

/// A line written to `control`.
#[derive(Clone, Debug)]
pub(crate) enum Command<'t> {
    Create { name: Placed<DeviceName>, minor: Option<Placed<Minor>> },
    Remove { name: Placed<DeviceName> },
    Rename { name: Placed<DeviceName>, new: Placed<DeviceName> },
    Clear { name: Placed<DeviceName> },
    Switch { name: Placed<DeviceName>, to: Switch },
    Message { name: Placed<DeviceName>, message: Message<'t> },
}

/// Whether a device is to pass requests on: a line written to its `state`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Switch {
    pub(crate) to: Passing,
    /// Whether what is mounted is to come to rest first.
    pub(crate) freeze: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Passing {
    Suspend,
    Resume,
}

/// Words for a target: a line written to the `message` of its device.
#[derive(Clone, Debug)]
pub(crate) struct Message<'t> {
    pub(crate) sector: Placed<Sector>,
    pub(crate) words: Args<'t>,
}

/// What a word means, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) at: Position,
}

/// Why a line is no command, and which word is to blame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{at}: {reason}")]
pub(crate) struct CommandError<'t> {
    pub(crate) at: Position,
    pub(crate) reason: CommandReason<'t>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum CommandReason<'t> {
    #[error(transparent)]
    Word(ArgReason<'t>),
    #[error(transparent)]
    Text(TextReason),
    #[error("unknown command {found}{}", Hint(*.nearest))]
    Unknown { found: Excerpt<'t>, nearest: Option<&'static str> },
    #[error("expected `suspend` or `resume`, found {found}")]
    NoSwitch { found: Excerpt<'t> },
    #[error("expected {what}, found {found}: {why}")]
    Name { what: &'static str, found: Excerpt<'t>, why: NameError },
    #[error("expected the minor number, found {found}: past {}, the highest", Minor::MAX)]
    Minor { found: Excerpt<'t> },
    #[error("out of memory")]
    OutOfMemory,
}

const NAME: &str = "the device's name";
const NEW_NAME: &str = "the new name";
const MINOR: &str = "the minor number";
const SECTOR: &str = "the sector whose target the message is for";

const COMMANDS: [&str; 7] = ["create", "remove", "rename", "suspend", "resume", "clear", "message"];

/// The words of a line, or where it stops being text.
pub(crate) fn words(line: &[u8], number: u32) -> Result<Args<'_>, CommandError<'_>> {
    let start = Position { line: number, column: 1 };
    let behind = |text: &str| Position {
        column: u32::try_from(text.chars().count()).unwrap_or(u32::MAX).saturating_add(1),
        ..start
    };
    let (text, invalid) = match line.utf8_chunks().next() {
        Some(chunk) => (chunk.valid(), chunk.invalid().first()),
        None => ("", None),
    };
    let nul = text.bytes().position(|byte| byte == 0);
    let fault = if let Some(before) = nul.and_then(|at| text.get(..at)) {
        Some((behind(before), TextReason::Nul))
    } else if let Some(&byte) = invalid {
        Some((behind(text), TextReason::NotUtf8 { byte }))
    } else {
        let before = text.trim_end_matches('\\');
        let is_odd = text.len().wrapping_sub(before.len()) & 1 != 0;
        let last = text.strip_suffix('\\').filter(|_| is_odd);
        last.map(|before| (behind(before), TextReason::Dangling))
    };
    match fault {
        Some((at, reason)) => Err(CommandError { at, reason: CommandReason::Text(reason) }),
        None => Ok(Args::new(text, start)),
    }
}

impl<'t> Command<'t> {
    /// Reads a line written to `control`.
    pub(crate) fn parse(mut words: Args<'t>) -> Result<Command<'t>, CommandError<'t>> {
        let verb = words.word("a command")?;
        let Some(&known) = COMMANDS.iter().find(|&&known| verb == known) else {
            return Err(CommandError {
                at: verb.position(),
                reason: CommandReason::Unknown {
                    found: verb.excerpt(),
                    nearest: nearest(verb.raw(), COMMANDS),
                },
            });
        };
        let name = name(&mut words, NAME)?;
        let command = match known {
            "create" => Command::Create {
                name,
                minor: match words.peek() {
                    Some(_) => Some(minor(&mut words)?),
                    None => None,
                },
            },
            "remove" => Command::Remove { name },
            "rename" => Command::Rename { name, new: self::name(&mut words, NEW_NAME)? },
            "clear" => Command::Clear { name },
            "suspend" => Command::Switch { name, to: Switch::read(Passing::Suspend, &mut words)? },
            "resume" => Command::Switch { name, to: Switch::read(Passing::Resume, &mut words)? },
            _ => {
                let message = Message::parse(words)?;
                return Ok(Command::Message { name, message });
            }
        };
        words.finish()?;
        Ok(command)
    }
}

impl Switch {
    /// Reads a line written to a device's `state`.
    pub(crate) fn parse(mut words: Args<'_>) -> Result<Switch, CommandError<'_>> {
        let word = words.word("`suspend` or `resume`")?;
        let to = match word {
            _ if word == "suspend" => Passing::Suspend,
            _ if word == "resume" => Passing::Resume,
            _ => {
                return Err(CommandError {
                    at: word.position(),
                    reason: CommandReason::NoSwitch { found: word.excerpt() },
                });
            }
        };
        let switch = Switch::read(to, &mut words)?;
        words.finish()?;
        Ok(switch)
    }

    /// Reads `nofreeze`, if it is there.
    fn read<'t>(to: Passing, words: &mut Args<'t>) -> Result<Switch, CommandError<'t>> {
        let freeze = words.peek().is_none_or(|word| word != "nofreeze");
        if !freeze {
            words.word("`nofreeze`")?;
        }
        Ok(Switch { to, freeze })
    }
}

impl<'t> Message<'t> {
    /// Reads a line written to a device's `message`.
    pub(crate) fn parse(mut words: Args<'t>) -> Result<Message<'t>, CommandError<'t>> {
        let word = words.word(SECTOR)?;
        let sector = Placed { value: Sector::new(word.number(SECTOR)?), at: word.position() };
        words.clone().word("the message")?;
        Ok(Message { sector, words })
    }
}

fn name<'t>(
    words: &mut Args<'t>,
    what: &'static str,
) -> Result<Placed<DeviceName>, CommandError<'t>> {
    let word = words.word(what)?;
    let at = word.position();
    let out_of_memory = |OutOfMemory| CommandError { at, reason: CommandReason::OutOfMemory };
    let parsed = text::of(word.unescaped()).map_err(out_of_memory)?.as_str().parse();
    match parsed {
        Ok(value) => Ok(Placed { value, at }),
        Err(why) => {
            let found = word.excerpt();
            let reason = CommandReason::Name { what, found, why };
            Err(CommandError { at, reason })
        }
    }
}

fn minor<'t>(words: &mut Args<'t>) -> Result<Placed<Minor>, CommandError<'t>> {
    let word: Word<'t> = words.word(MINOR)?;
    let too_large = || CommandError {
        at: word.position(),
        reason: CommandReason::Minor { found: word.excerpt() },
    };
    let number = match word.number(MINOR) {
        Ok(number) => number,
        Err(ArgError { reason: ArgReason::TooLarge { .. }, .. }) => return Err(too_large()),
        Err(error) => return Err(error.into()),
    };
    Ok(Placed { value: Minor::new(number).ok_or_else(too_large)?, at: word.position() })
}

impl<'t> From<ArgError<'t>> for CommandError<'t> {
    fn from(error: ArgError<'t>) -> CommandError<'t> {
        CommandError { at: error.at, reason: CommandReason::Word(error.reason) }
    }
}

/// What could have been written instead of an unknown command.
struct Hint(Option<&'static str>);

impl core::fmt::Display for Hint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if let Some(nearest) = self.0 {
            write!(f, " (did you mean `{nearest}`?)")?;
        }
        f.write_str("; known are ")?;
        for (n, name) in COMMANDS.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
