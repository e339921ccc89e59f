//! Where a parser's bytes come from: a slice, or a regular file read piece by piece.

use crate::FormatError;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// Random access to a file's bytes; every read is checked against the length before memory is taken for it.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    Bytes(&'a [u8]),
    File { file: File, len: u64 },
}

impl Source<'static> {
    /// Opens a regular, non-empty file.
    pub(crate) fn open(path: &Path) -> Result<Self, FormatError> {
        // Asked before opening: opening a named pipe would wait for a writer.
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(FormatError::NotAFile { what: "a folder" });
        }
        if !metadata.is_file() {
            return Err(FormatError::NotAFile { what: "a pipe or a device" });
        }
        if metadata.len() == 0 {
            // Kept apart from the errors below: an unreadable empty file is still empty.
            return Err(FormatError::Empty);
        }
        let file = File::open(path)?;
        Ok(Self::File { len: file.metadata()?.len(), file })
    }
}

impl Source<'_> {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// `len` bytes at `offset`; `what` names them in the error.
    pub(crate) fn read(&self, offset: u64, len: u64, what: &str) -> Result<Vec<u8>, FormatError> {
        let truncated = || FormatError::Truncated {
            what: what.to_owned(),
            needed: len,
            available: self.len().saturating_sub(offset),
        };
        if offset.checked_add(len).is_none_or(|end| end > self.len()) {
            return Err(truncated());
        }
        let n = usize::try_from(len).map_err(|_| truncated())?;
        match self {
            // In range: checked above against the slice's own length, so both fit usize.
            Self::Bytes(bytes) => Ok(bytes[offset as usize..offset as usize + n].to_vec()),
            Self::File { file, .. } => {
                let mut out = vec![0; n];
                let mut file = file;
                file.seek(SeekFrom::Start(offset))?;
                match file.read_exact(&mut out) {
                    Ok(()) => Ok(out),
                    // The file shrank since it was opened.
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(truncated()),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    /// The whole file.
    pub(crate) fn read_all(&self) -> Result<Vec<u8>, FormatError> {
        self.read(0, self.len(), "the file")
    }

    /// Up to `n` bytes from the start.
    pub(crate) fn head(&self, n: u64) -> Result<Vec<u8>, FormatError> {
        self.read(0, n.min(self.len()), "the file")
    }
}
