//! The other end of the control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::daemon::{DirError, RuntimeDir};

use super::answer::{Class, Refusal};

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

/// Why a daemon did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is none.
    #[error("no daemon runs in {}", .dir.path().display())]
    NoDaemon {
        /// Where it would be.
        dir: RuntimeDir,
    },
    /// Its directory could be anybody's.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// The connection broke.
    #[error("the daemon cannot be reached: {0}")]
    Io(#[from] io::Error),
    /// It took too long.
    #[error("timed out")]
    TimedOut,
    /// What came back is no answer.
    #[error("the daemon gave an answer that this program does not understand")]
    BadAnswer,
    /// It refused, and says why.
    #[error("{text}")]
    Refused {
        /// The kind of reason.
        class: Class,
        /// The reason.
        text: String,
    },
    /// It refused the table.
    #[error("the table has {} error{}", .0.errors, if .0.errors == 1 { "" } else { "s" })]
    Table(Refusal),
}

impl Client {
    /// Connects to the daemon that runs in `dir`.
    pub fn connect(dir: &RuntimeDir) -> Result<Client, ClientError> {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        let no_daemon = || ClientError::NoDaemon { dir: dir.clone() };
        match dir.check() {
            Err(DirError::Io { why, .. }) if why.kind() == NotFound => return Err(no_daemon()),
            checked => checked?,
        }
        match UnixStream::connect(dir.control_socket()) {
            Ok(stream) => Ok(Client { stream: BufReader::new(stream) }),
            Err(why) if matches!(why.kind(), NotFound | ConnectionRefused) => Err(no_daemon()),
            Err(why) => Err(why.into()),
        }
    }

    /// Gives up when an answer takes longer than that.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<(), ClientError> {
        // A timeout of zero would mean none.
        let timeout = timeout.map(|timeout| timeout.max(Duration::from_micros(1)));
        Ok(self.stream.get_ref().set_read_timeout(timeout)?)
    }

    /// Reads one of the files of the control filesystem.
    pub fn read(&mut self, path: &str) -> Result<String, ClientError> {
        self.ask(&format!("read {path}"))
    }

    /// Writes one of the files of the control filesystem.
    pub fn write(&mut self, path: &str, text: &[u8]) -> Result<(), ClientError> {
        self.ask_with(&format!("write {path}"), text).map(drop)
    }

    /// Sends a request without further bytes, and returns the answer.
    pub fn ask(&mut self, line: &str) -> Result<String, ClientError> {
        let sent = self.send(format!("{line}\n").as_bytes());
        self.answer_to(sent)
    }

    /// Sends a request with bytes behind it, whose number is added to the line.
    pub fn ask_with(&mut self, line: &str, bytes: &[u8]) -> Result<String, ClientError> {
        let line = format!("{line} {}\n", bytes.len());
        let sent = self.send(line.as_bytes()).and_then(|()| self.send(bytes));
        self.answer_to(sent)
    }

    /// The answer to what was sent. A server that does not want all of it has said so, and hung up.
    fn answer_to(&mut self, sent: Result<(), ClientError>) -> Result<String, ClientError> {
        match (self.answer(), sent) {
            (Err(ClientError::Io(_)), Err(why)) => Err(why),
            (answer, _) => answer,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        Ok(self.stream.get_mut().write_all(bytes)?)
    }

    fn answer(&mut self) -> Result<String, ClientError> {
        let timed_out = |why: io::Error| match why.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::TimedOut,
            _ => ClientError::Io(why),
        };
        let mut line = String::new();
        let limited = &mut (&mut self.stream).take(256);
        if limited.read_line(&mut line).map_err(timed_out)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (class, bytes) = match words[..] {
            ["ok", bytes] => (None, bytes),
            ["error", class, bytes] => (Some(class), bytes),
            _ => return Err(ClientError::BadAnswer),
        };
        let bytes: u64 = bytes.parse().map_err(|_| ClientError::BadAnswer)?;
        let mut text = String::new();
        (&mut self.stream).take(bytes).read_to_string(&mut text).map_err(timed_out)?;
        if text.len() as u64 != bytes {
            return Err(ClientError::BadAnswer);
        }
        match class {
            None => Ok(text),
            Some(Class::TABLE) => match serde_json::from_str(&text) {
                Ok(refusal) => Err(ClientError::Table(refusal)),
                Err(_) => Err(ClientError::BadAnswer),
            },
            Some(class) => Err(ClientError::Refused { class: Class(class.into()), text }),
        }
    }
}
