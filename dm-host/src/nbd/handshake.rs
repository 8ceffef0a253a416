//! The first part of a connection: client and server agree on an export.

use super::protocol::{
    GREETING, HandshakeFlags, MAX_PAYLOAD, OPTION_MAGIC, OPTION_REPLY_MAGIC, TransmissionFlags,
    info, option, reply,
};

/// Where a handshake finds exports.
pub(crate) trait Exports {
    /// An export in use.
    type Export;

    /// The names that clients may ask for.
    fn names(&self) -> Vec<String>;

    /// Opens the export of that name; says why not.
    fn open(&self, name: &str) -> Result<Self::Export, &'static str>;

    /// What a client is told about an open export.
    fn facts(&self, export: &Self::Export) -> Facts;
}

/// What a client is told about an export.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Its name, if the client left it open.
    pub(crate) name: String,
    /// Its length in bytes.
    pub(crate) size: u64,
    pub(crate) flags: TransmissionFlags,
    /// In bytes: the smallest block, and the one it is happiest with.
    pub(crate) block: u32,
    pub(crate) preferred_block: u32,
}

/// A handshake, as the server sees it.
///
/// - Inputs: [`handle`](Self::handle); [`handle_tls`](Self::handle_tls), once TLS was
///   [asked for](Self::wants_tls) and has begun
/// - Outputs: [`take_output`](Self::take_output), to be sent after each input;
///   [`finish`](Self::finish), once it [is over](Self::is_over)
pub(crate) struct Handshake<E> {
    state: State,
    tls: Tls,
    no_zeroes: bool,
    structured: bool,
    /// The client asked for something that it may only have with TLS.
    refused: bool,
    output: Vec<u8>,
    export: Option<E>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// The client is to say its flags.
    Flags,
    Options,
    /// TLS is to begin.
    Tls,
    Over,
}

/// What a server makes of TLS, on one connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tls {
    /// There is none.
    Off,
    /// The client may ask for it.
    Allowed,
    /// The client must ask for it first.
    Required,
    /// It is what this is said over.
    On,
}

/// What a handshake came to.
pub(crate) struct Agreed<E> {
    pub(crate) export: E,
    /// Whether reads are answered in chunks.
    pub(crate) structured: bool,
}

/// Why a client was turned away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("it has handshake flags that nobody knows: {0:#x}")]
    UnknownFlags(u32),
    #[error("it does not speak the fixed newstyle of the protocol")]
    NotFixedNewstyle,
    #[error("an option does not begin with IHAVEOPT")]
    BadMagic,
    #[error("an option is {0} bytes long")]
    TooLong(u32),
    #[error("it asked, by an old option that cannot be refused, for {0}")]
    NoExport(&'static str),
    #[error("it does not use TLS, which is required")]
    NoTls,
    #[error("it sent something in clear after it had asked for TLS")]
    InClear,
}

/// The longest option that is looked at; names are at most 4096 bytes long.
const MAX_OPTION: u32 = 16 << 10;

const OPTION_HEADER: usize = 16;

impl<E> Handshake<E> {
    /// One that begins, with the greeting to be sent.
    pub(crate) fn new(tls: Tls) -> Handshake<E> {
        let mut output = Vec::new();
        output.extend_from_slice(GREETING);
        output.extend_from_slice(OPTION_MAGIC);
        let flags = HandshakeFlags::FIXED_NEWSTYLE | HandshakeFlags::NO_ZEROES;
        output.extend_from_slice(&flags.bits().to_be_bytes());
        Handshake {
            state: State::Flags,
            tls,
            no_zeroes: false,
            structured: false,
            refused: false,
            output,
            export: None,
        }
    }

    /// Takes what it understands off the front of `input`, at most one option; returns how many
    /// bytes that was. None means that more must come first.
    pub(crate) fn handle(
        &mut self,
        input: &[u8],
        exports: &impl Exports<Export = E>,
    ) -> Result<usize, HandshakeError> {
        match self.state {
            State::Flags => self.handle_flags(input),
            State::Options => self.handle_option(input, exports),
            State::Tls | State::Over => Ok(0),
        }
    }

    /// Whether TLS is to begin as soon as the output is sent. What has come until then, and was not
    /// handled, nobody vouches for.
    pub(crate) fn wants_tls(&self) -> bool {
        self.state == State::Tls
    }

    /// Goes on within TLS, where nothing counts that was agreed on before.
    pub(crate) fn handle_tls(&mut self) {
        self.state = State::Options;
        self.tls = Tls::On;
        (self.structured, self.refused) = (false, false);
    }

    /// What is to be sent now.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Whether nothing more of the input belongs to the handshake.
    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// What was agreed on; `None` if the client wanted to leave.
    pub(crate) fn finish(self) -> Result<Option<Agreed<E>>, HandshakeError> {
        let structured = self.structured;
        match self.export {
            None if self.refused => Err(HandshakeError::NoTls),
            export => Ok(export.map(|export| Agreed { export, structured })),
        }
    }

    fn handle_flags(&mut self, input: &[u8]) -> Result<usize, HandshakeError> {
        let Some((bytes, _)) = input.split_first_chunk::<4>() else {
            return Ok(0);
        };
        let bits = u32::from_be_bytes(*bytes);
        let flags = u16::try_from(bits).ok().and_then(HandshakeFlags::from_bits);
        let flags = flags.ok_or(HandshakeError::UnknownFlags(bits))?;
        if !flags.contains(HandshakeFlags::FIXED_NEWSTYLE) {
            return Err(HandshakeError::NotFixedNewstyle);
        }
        self.no_zeroes = flags.contains(HandshakeFlags::NO_ZEROES);
        self.state = State::Options;
        Ok(bytes.len())
    }

    fn handle_option(
        &mut self,
        input: &[u8],
        exports: &impl Exports<Export = E>,
    ) -> Result<usize, HandshakeError> {
        let known = input.len().min(OPTION_MAGIC.len());
        if input[..known] != OPTION_MAGIC[..known] {
            return Err(HandshakeError::BadMagic);
        }
        let mut rest = Reader(input);
        let (Some(_), Some(option), Some(length)) = (rest.take(8), rest.u32(), rest.u32()) else {
            return Ok(0);
        };
        if length > MAX_OPTION {
            return Err(HandshakeError::TooLong(length));
        }
        let Some(data) = rest.take(length as usize) else {
            return Ok(0);
        };
        match option {
            option::ABORT => {
                self.reply(option, reply::ACK, &[]);
                self.state = State::Over;
            }
            option::STARTTLS => self.start_tls(data),
            option::EXPORT_NAME if self.tls == Tls::Required => return Err(HandshakeError::NoTls),
            _ if self.tls == Tls::Required => {
                self.refused = true;
                self.reply(option, reply::ERR_TLS_REQD, b"TLS is required");
            }
            option::EXPORT_NAME => self.export_name(data, exports)?,
            option::LIST if data.is_empty() => self.list(exports),
            option::STRUCTURED_REPLY if data.is_empty() => {
                self.structured = true;
                self.reply(option, reply::ACK, &[]);
            }
            option::LIST | option::STRUCTURED_REPLY => {
                self.reply(option, reply::ERR_INVALID, b"this option takes no data");
            }
            option::INFO | option::GO => self.info(option, data, exports),
            _ => self.reply(option, reply::ERR_UNSUP, b"not supported"),
        }
        Ok(OPTION_HEADER + data.len())
    }

    fn export_name(
        &mut self,
        data: &[u8],
        exports: &impl Exports<Export = E>,
    ) -> Result<(), HandshakeError> {
        let name = std::str::from_utf8(data).map_err(|_| HandshakeError::NoExport(NOT_UTF8))?;
        let export = exports.open(name).map_err(HandshakeError::NoExport)?;
        let facts = exports.facts(&export);
        self.output.extend_from_slice(&facts.size.to_be_bytes());
        self.output.extend_from_slice(&self.flags(&facts).bits().to_be_bytes());
        if !self.no_zeroes {
            self.output.extend_from_slice(&[0; 124]);
        }
        self.agree(export);
        Ok(())
    }

    fn start_tls(&mut self, data: &[u8]) {
        let (kind, text): (_, &[u8]) = match self.tls {
            Tls::Off => (reply::ERR_UNSUP, b"not supported"),
            Tls::On => (reply::ERR_INVALID, b"TLS is on already"),
            _ if !data.is_empty() => (reply::ERR_INVALID, b"this option takes no data"),
            Tls::Allowed | Tls::Required => {
                self.state = State::Tls;
                (reply::ACK, b"")
            }
        };
        self.reply(option::STARTTLS, kind, text);
    }

    fn list(&mut self, exports: &impl Exports<Export = E>) {
        for name in exports.names() {
            let mut data = (name.len() as u32).to_be_bytes().to_vec();
            data.extend_from_slice(name.as_bytes());
            self.reply(option::LIST, reply::SERVER, &data);
        }
        self.reply(option::LIST, reply::ACK, &[]);
    }

    fn info(&mut self, option: u32, data: &[u8], exports: &impl Exports<Export = E>) {
        let Some((name, wanted)) = read_info(data) else {
            return self.reply(option, reply::ERR_INVALID, b"a name and a list were expected");
        };
        let opened = std::str::from_utf8(name).map_err(|_| NOT_UTF8);
        let export = match opened.and_then(|name| exports.open(name)) {
            Ok(export) => export,
            Err(why) => return self.reply(option, reply::ERR_UNKNOWN, why.as_bytes()),
        };
        let facts = exports.facts(&export);
        let mut told = info::EXPORT.to_be_bytes().to_vec();
        told.extend_from_slice(&facts.size.to_be_bytes());
        told.extend_from_slice(&self.flags(&facts).bits().to_be_bytes());
        self.reply(option, reply::INFO, &told);
        if wanted.contains(&info::NAME) {
            let mut told = info::NAME.to_be_bytes().to_vec();
            told.extend_from_slice(facts.name.as_bytes());
            self.reply(option, reply::INFO, &told);
        }
        let mut told = info::BLOCK_SIZE.to_be_bytes().to_vec();
        for size in [facts.block, facts.preferred_block, MAX_PAYLOAD] {
            told.extend_from_slice(&size.to_be_bytes());
        }
        self.reply(option, reply::INFO, &told);
        self.reply(option, reply::ACK, &[]);
        if option == option::GO {
            self.agree(export);
        }
    }

    fn agree(&mut self, export: E) {
        self.export = Some(export);
        self.state = State::Over;
    }

    fn flags(&self, facts: &Facts) -> TransmissionFlags {
        let mut flags = facts.flags;
        flags.set(TransmissionFlags::SEND_DF, self.structured);
        flags
    }

    fn reply(&mut self, option: u32, kind: u32, data: &[u8]) {
        self.output.extend_from_slice(&OPTION_REPLY_MAGIC.to_be_bytes());
        for number in [option, kind, data.len() as u32] {
            self.output.extend_from_slice(&number.to_be_bytes());
        }
        self.output.extend_from_slice(data);
    }
}

const NOT_UTF8: &str = "a name that is not UTF-8";

/// The name and the kinds of information that the data of `INFO` and `GO` asks for.
fn read_info(data: &[u8]) -> Option<(&[u8], Vec<u16>)> {
    let mut rest = Reader(data);
    let length = rest.u32()?;
    let name = rest.take(usize::try_from(length).ok()?)?;
    let count = rest.u16()?;
    let wanted = (0..count).map(|_| rest.u16()).collect::<Option<_>>()?;
    rest.0.is_empty().then_some((name, wanted))
}

/// Takes numbers, big end first, off the front of bytes.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, bytes: usize) -> Option<&'b [u8]> {
        let (front, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(front)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests;
