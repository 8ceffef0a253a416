//! The verbs that change devices, or talk to their targets.

use super::args::{Message, Names, Rename};
use super::failure::Failure;
use super::output::print;
use crate::control::{Client, ClientError};

/// Writes a command for each of the devices to `control`. One that fails does not keep it from the
/// others.
pub(super) fn each(client: &mut Client, command: &str, names: &Names) -> Result<(), Failure> {
    let mut last = Ok(());
    for name in &names.names {
        let done = write(client, &[command, name]).map_err(of(name));
        if done.is_err()
            && let Err(before) = std::mem::replace(&mut last, done)
        {
            before.report();
        }
    }
    last
}

pub(super) fn rename(client: &mut Client, args: &Rename) -> Result<(), Failure> {
    write(client, &["rename", &args.name, &args.new]).map_err(of(&args.name))
}

pub(super) fn message(client: &mut Client, args: &Message) -> Result<(), Failure> {
    let mut text = args.sector.to_string();
    for word in &args.words {
        text.push(' ');
        text.push_str(&word_of(word)?);
    }
    let answer = ask_about(client, "message", &args.name, Some(text.as_bytes()))?;
    let is_ended = answer.is_empty() || answer.ends_with('\n');
    print(&(answer + if is_ended { "" } else { "\n" }))
}

/// Asks for something about one device.
pub(super) fn ask_about(
    client: &mut Client,
    request: &str,
    name: &str,
    bytes: Option<&[u8]>,
) -> Result<String, Failure> {
    let name_word = name_word(name)?;
    let line = format!("{request} {name_word}");
    let answer = match bytes {
        Some(bytes) => client.ask_with(&line, bytes),
        None => client.ask(&line),
    };
    answer.map_err(of(name))
}

/// A name as a word of a request. What is no name is nobody's.
pub(super) fn name_word(name: &str) -> Result<&str, Failure> {
    match name.parse::<dm_core::DeviceName>() {
        Ok(_) => Ok(name),
        Err(why) => Err(Failure::Said(format!("`{}`: {why}", name.escape_debug()))),
    }
}

pub(super) fn of(name: &str) -> impl FnOnce(ClientError) -> Failure {
    let name = name.to_owned();
    move |why| match why {
        ClientError::NoDaemon { .. } => Failure::Client(why),
        // It says the name already.
        ClientError::Refused { ref text, .. } if text.contains(&format!("`{name}`")) => {
            Failure::Client(why)
        }
        why => Failure::Device { name, why },
    }
}

/// Writes a line of words to `control`.
fn write(client: &mut Client, words: &[&str]) -> Result<(), ClientError> {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&dm_core::table_text::Escaped(word).to_string());
    }
    client.write("control", line.as_bytes()).map_err(|why| match why {
        ClientError::Refused { class, text } => {
            let text = without_place(&text).to_owned();
            ClientError::Refused { class, text }
        }
        why => why,
    })
}

/// A message without the line and column before it: nobody here wrote that line.
fn without_place(text: &str) -> &str {
    let is_place = |place: &str| {
        let mut numbers = place.split(':');
        numbers.all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    match text.split_once(": ") {
        Some((place, message)) if is_place(place) => message,
        _ => text,
    }
}

fn word_of(word: &str) -> Result<String, Failure> {
    if word.is_empty() || word.contains('\n') {
        return Err(Failure::Said("a word of a message has letters, and no line feeds".into()));
    }
    Ok(dm_core::table_text::Escaped(word).to_string())
}
