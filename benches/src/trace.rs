//! Traces: the requests that arrived at a device, with the lines of its table.
//!
//! The format is in `traces/README.md`.

use std::io::{self, Write};

/// What a trace begins with.
const MAGIC: &[u8; 8] = b"DMTRACE1";

/// The requests that arrived at a device, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trace {
    /// What was recorded, for a person.
    pub what: String,
    /// How many sectors each line of the device's table has.
    pub lines: Vec<u64>,
    /// The requests.
    pub requests: Vec<Request>,
}

/// One request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Request {
    /// What it asked for.
    pub op: Op,
    /// Its first sector.
    pub sector: u64,
    /// How many sectors; 0 in a flush.
    pub sectors: u64,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Op {
    /// Read sectors.
    Read,
    /// Write sectors.
    Write,
    /// Make what was written durable.
    Flush,
    /// Forget sectors.
    Discard,
}

/// Why bytes are not a trace.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TraceError {
    /// They begin with something else.
    #[error("not a trace: it does not begin with DMTRACE1")]
    Magic,
    /// They end too soon.
    #[error("the trace is cut short")]
    CutShort,
    /// A number has more than 64 bits.
    #[error("a number of more than 64 bits")]
    Number,
    /// The description is not UTF-8.
    #[error("the description is not UTF-8")]
    Description,
}

impl Trace {
    /// Reads a trace.
    pub fn read(bytes: &[u8]) -> Result<Trace, TraceError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(TraceError::Magic)?;
        let length = number(&mut rest)?;
        let length = usize::try_from(length).map_err(|_| TraceError::CutShort)?;
        let (what, mut rest) = rest.split_at_checked(length).ok_or(TraceError::CutShort)?;
        let what = str::from_utf8(what).map_err(|_| TraceError::Description)?.into();
        let mut lines = Vec::new();
        for _ in 0..number(&mut rest)? {
            lines.push(number(&mut rest)?);
        }
        let mut requests = Vec::new();
        let mut end = 0_u64;
        for _ in 0..number(&mut rest)? {
            let word = number(&mut rest)?;
            let op = [Op::Read, Op::Write, Op::Flush, Op::Discard][(word & 3) as usize];
            let step = word >> 2;
            let sector = end.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg());
            let sectors = number(&mut rest)?;
            end = sector.wrapping_add(sectors);
            requests.push(Request { op, sector, sectors });
        }
        Ok(Trace { what, lines, requests })
    }

    /// Writes the trace. Sectors must be below 2^60.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(MAGIC)?;
        put(to, self.what.len() as u64)?;
        to.write_all(self.what.as_bytes())?;
        put(to, self.lines.len() as u64)?;
        for line in &self.lines {
            put(to, *line)?;
        }
        put(to, self.requests.len() as u64)?;
        let mut end = 0_u64;
        for request in &self.requests {
            let step = request.sector.wrapping_sub(end) as i64;
            put(to, (((step << 1) ^ (step >> 63)) as u64) << 2 | request.op as u64)?;
            put(to, request.sectors)?;
            end = request.sector.wrapping_add(request.sectors);
        }
        Ok(())
    }

    /// The last sector of each line: what an index of the table is built from.
    pub fn ends(&self) -> Vec<u64> {
        let mut end = 0;
        self.lines
            .iter()
            .map(|sectors| {
                end += sectors;
                end - 1
            })
            .collect()
    }
}

/// Takes a number off the front: 7 bits a byte, the lowest first, the top bit set but in the last.
fn number(rest: &mut &[u8]) -> Result<u64, TraceError> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or(TraceError::CutShort)?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(TraceError::Number);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(TraceError::Number)
}

fn put(to: &mut impl Write, mut number: u64) -> io::Result<()> {
    while number >= 0x80 {
        to.write_all(&[number as u8 | 0x80])?;
        number >>= 7;
    }
    to.write_all(&[number as u8])
}

#[cfg(test)]
mod tests;
