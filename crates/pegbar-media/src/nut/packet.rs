//! Bytes in: fixed and variable numbers from a stream, and from the body of a packet.

use std::io::{ErrorKind, Read};

use super::{NutError, checksum, number};

/// The largest packet whose body is kept in memory. Main and stream headers take a few hundred bytes; only an index
/// or metadata gets larger, and those are skipped.
const LARGEST_BODY: u64 = 1 << 16;

/// A stream with a running checksum.
pub(super) struct Source<R> {
    pub(super) inner: R,
    pub(super) crc: u32,
}

impl<R: Read> Source<R> {
    /// One byte, `None` at the end of the stream.
    pub(super) fn byte_or_end(&mut self) -> Result<Option<u8>, NutError> {
        let mut byte = [0];
        loop {
            match self.inner.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        self.crc = checksum::update(self.crc, &byte);
        Ok(Some(byte[0]))
    }

    pub(super) fn byte(&mut self, what: &'static str) -> Result<u8, NutError> {
        self.byte_or_end()?.ok_or(NutError::Truncated(what))
    }

    pub(super) fn v(&mut self, what: &'static str) -> Result<u64, NutError> {
        number::read_v(|| self.byte(what))
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, NutError> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes, what)?;
        self.crc = checksum::update(self.crc, &bytes);
        Ok(u32::from_be_bytes(bytes))
    }

    /// Fills `bytes`, past the checksum.
    pub(super) fn fill(&mut self, bytes: &mut [u8], what: &'static str) -> Result<(), NutError> {
        self.inner.read_exact(bytes).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => NutError::Truncated(what),
            _ => NutError::Io(e),
        })
    }

    /// Drops bytes, past the checksum.
    pub(super) fn skip(&mut self, n: u64, what: &'static str) -> Result<(), NutError> {
        let skipped = std::io::copy(&mut self.inner.by_ref().take(n), &mut std::io::sink())?;
        if skipped == n { Ok(()) } else { Err(NutError::Truncated(what)) }
    }

    /// The body of the packet whose start code has been read, without its checksum, which is verified.
    pub(super) fn body(&mut self, startcode: u64, what: &'static str) -> Result<Vec<u8>, NutError> {
        let length = self.body_length(startcode, what)?;
        if !(4..=LARGEST_BODY).contains(&length) {
            return Err(NutError::Invalid { what, value: length });
        }
        let mut body = vec![0; length as usize];
        self.fill(&mut body, what)?;
        if checksum::update(0, &body) != 0 {
            return Err(NutError::Checksum(what));
        }
        body.truncate(body.len() - 4);
        Ok(body)
    }

    /// Drops the packet whose start code has been read.
    pub(super) fn skip_body(&mut self, startcode: u64, what: &'static str) -> Result<(), NutError> {
        let length = self.body_length(startcode, what)?;
        self.skip(length, what)
    }

    fn body_length(&mut self, startcode: u64, what: &'static str) -> Result<u64, NutError> {
        self.crc = checksum::update(0, &startcode.to_be_bytes());
        let length = self.v(what)?;
        if length > 4096 {
            self.u32(what)?;
            if self.crc != 0 {
                return Err(NutError::Checksum(what));
            }
        }
        Ok(length)
    }
}

/// What is left of the body of a packet.
pub(super) struct Body<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) what: &'static str,
}

impl<'a> Body<'a> {
    pub(super) fn v(&mut self) -> Result<u64, NutError> {
        number::read_v(|| {
            let (&first, rest) = self.bytes.split_first().ok_or(NutError::Truncated(self.what))?;
            self.bytes = rest;
            Ok(first)
        })
    }

    pub(super) fn s(&mut self) -> Result<i64, NutError> {
        self.v().map(number::unfold)
    }

    /// A `v` that must lie in a range.
    pub(super) fn v_in(
        &mut self,
        what: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, NutError> {
        let value = self.v()?;
        if range.contains(&value) { Ok(value) } else { Err(NutError::Invalid { what, value }) }
    }

    pub(super) fn vb(&mut self) -> Result<&'a [u8], NutError> {
        let length = self.v()?;
        let at = usize::try_from(length).ok().filter(|&n| n <= self.bytes.len());
        let (taken, rest) = self.bytes.split_at(at.ok_or(NutError::Truncated(self.what))?);
        self.bytes = rest;
        Ok(taken)
    }
}
