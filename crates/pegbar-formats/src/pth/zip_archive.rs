//! The part of the zip format that PyTorch writes, read with bounds.
//!
//! Written here rather than taken from a crate, because an archive from a stranger needs three promises that general
//! readers do not make: memory for the directory in proportion to the file, inflated data in proportion to the file,
//! and no two entries that cost us the same bytes twice. Entries are stored or deflated; the directory may be zip64.

use super::damaged;
use crate::FormatError;
use crate::budget::Budget;
use crate::source::Source;
use indexmap::IndexMap;
use std::io::Read;

const LOCAL_HEADER: &[u8; 4] = b"PK\x03\x04";
const CENTRAL_HEADER: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
const END_ZIP64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR_ZIP64: &[u8; 4] = b"PK\x06\x07";
const END_BYTES: usize = 22;
const LOCATOR_BYTES: usize = 20;
const LOCAL_HEADER_BYTES: u64 = 30;
const CENTRAL_HEADER_BYTES: usize = 46;
/// The end record may be followed by a comment of this length.
const MAX_COMMENT: u64 = 65_535;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Bit of the flags of an entry: encrypted.
const ENCRYPTED: u16 = 1;

/// A file within the archive.
#[derive(Debug, Clone, Copy)]
struct Entry {
    method: u16,
    flags: u16,
    crc: u32,
    compressed: u64,
    size: u64,
    header_offset: u64,
}

/// The directory of an archive.
#[derive(Debug)]
pub(super) struct ZipArchive<'a> {
    source: &'a Source<'a>,
    entries: IndexMap<String, Entry>,
    /// Stored bytes that may still be read: no more than the file has.
    stored: Budget,
}

impl<'a> ZipArchive<'a> {
    pub(super) fn open(source: &'a Source<'a>, budget: &mut Budget) -> Result<Self, FormatError> {
        let directory = read_directory(source)?;
        let mut entries = IndexMap::new();
        let mut rest = &directory[..];
        while let Some((header, after)) = rest.split_first_chunk::<CENTRAL_HEADER_BYTES>() {
            if !header.starts_with(CENTRAL_HEADER) {
                break;
            }
            let name_len = usize::from(u16_at(header, 28));
            let extra_len = usize::from(u16_at(header, 30));
            let comment_len = usize::from(u16_at(header, 32));
            let (Some(name), Some(extra), Some(next)) = (
                after.get(..name_len),
                after.get(name_len..name_len + extra_len),
                after.get(name_len + extra_len + comment_len..),
            ) else {
                return Err(damaged("the directory of its zip archive ends within an entry"));
            };
            let mut entry = Entry {
                flags: u16_at(header, 8),
                method: u16_at(header, 10),
                crc: u32_at(header, 16),
                compressed: u32_at(header, 20).into(),
                size: u32_at(header, 24).into(),
                header_offset: u32_at(header, 42).into(),
            };
            widen(&mut entry, extra)?;
            let name = String::from_utf8_lossy(name);
            budget.take_string(&name, "the directory of its zip archive")?;
            budget.take_items::<(String, Entry, [usize; 2])>(2, "the directory of its zip archive")?;
            entries.insert(name.into_owned(), entry);
            rest = next;
        }
        Ok(Self { source, entries, stored: Budget::of_bytes(source.len(), source.len()) })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Size of an entry when unpacked.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.size)
    }

    /// The unpacked content of an entry, and whether its checksum agrees.
    pub(super) fn read(&mut self, name: &str, budget: &mut Budget) -> Result<(Vec<u8>, bool), FormatError> {
        let entry = *self.entries.get(name).ok_or_else(|| {
            damaged(format!("its zip archive has no entry `{}`", super::pickle::printable(name)))
        })?;
        if entry.flags & ENCRYPTED != 0 {
            return Err(FormatError::unsupported(
                "an encrypted zip archive",
                "unpack it with its password first",
            ));
        }
        let what = format!("entry `{}` of its zip archive", super::pickle::printable(name));
        let header = self.source.read(entry.header_offset, LOCAL_HEADER_BYTES, &what)?;
        if !header.starts_with(LOCAL_HEADER) {
            return Err(damaged(format!("{what} is not where its directory says")));
        }
        // The local header has a name and padding of its own; sizes are taken from the directory, as PyTorch does.
        let skip = u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
        // Cannot overflow: the read above was within the file.
        let start = entry.header_offset + LOCAL_HEADER_BYTES + skip;
        let content = match entry.method {
            STORED => {
                if entry.compressed != entry.size {
                    return Err(damaged(format!("{what} has two sizes")));
                }
                self.stored.take(entry.size, "its zip archive")?;
                self.source.read(start, entry.size, &what)?
            }
            DEFLATED => {
                self.stored.take(entry.compressed, "its zip archive")?;
                budget.take(entry.size, "its zip archive")?;
                let packed = self.source.read(start, entry.compressed, &what)?;
                inflate(&packed, entry.size, &what)?
            }
            other => {
                return Err(FormatError::unsupported(
                    format!("zip compression method {other}"),
                    "unpack the archive and pack it again without compression",
                ));
            }
        };
        let crc_agrees = crc32fast::hash(&content) == entry.crc;
        Ok((content, crc_agrees))
    }
}

fn inflate(packed: &[u8], size: u64, what: &str) -> Result<Vec<u8>, FormatError> {
    let n = usize::try_from(size).map_err(|_| damaged(format!("{what} is impossibly large")))?;
    let mut content = Vec::with_capacity(n);
    // One byte more than announced is enough to know that it lies.
    flate2::read::DeflateDecoder::new(packed)
        .take(size)
        .read_to_end(&mut content)
        .map_err(|error| damaged(format!("{what}: {error}")))?;
    if content.len() != n {
        return Err(FormatError::Truncated {
            what: what.to_owned(),
            needed: size,
            available: content.len() as u64,
        });
    }
    Ok(content)
}

/// The bytes of the central directory.
fn read_directory(source: &Source<'_>) -> Result<Vec<u8>, FormatError> {
    let len = source.len();
    let tail_len = len.min(MAX_COMMENT + (END_BYTES + LOCATOR_BYTES) as u64);
    let tail_start = len - tail_len;
    let tail = source.read(tail_start, tail_len, "its zip archive")?;
    let end_at = (0..=tail.len().saturating_sub(END_BYTES))
        .rev()
        .find(|&at| {
            tail[at..].first_chunk::<END_BYTES>().is_some_and(|record| {
                record.starts_with(END) && at + END_BYTES + usize::from(u16_at(record, 20)) == tail.len()
            })
        })
        .ok_or_else(|| FormatError::Truncated {
            what: "the directory at the end of its zip archive".into(),
            needed: END_BYTES as u64,
            available: 0,
        })?;
    let end = &tail[end_at..];
    let (mut size, mut offset) = (u64::from(u32_at(end, 12)), u64::from(u32_at(end, 16)));
    if let Some(locator) = end_at.checked_sub(LOCATOR_BYTES).map(|at| &tail[at..])
        && locator.starts_with(LOCATOR_ZIP64)
    {
        let record = source.read(u64_at(locator, 8), 56, "the directory of its zip archive")?;
        if !record.starts_with(END_ZIP64) {
            return Err(damaged("the directory of its zip archive is not where it should be"));
        }
        (size, offset) = (u64_at(&record, 40), u64_at(&record, 48));
    }
    source.read(offset, size, "the directory of its zip archive")
}

/// Takes the 64-bit sizes from the zip64 field, for each 32-bit one that says "see there".
fn widen(entry: &mut Entry, mut extra: &[u8]) -> Result<(), FormatError> {
    const SEE_THERE: u64 = u32::MAX as u64;
    while let Some((head, rest)) = extra.split_first_chunk::<4>() {
        let (id, len) = (u16_at(head, 0), usize::from(u16_at(head, 2)));
        let Some((field, rest)) = rest.split_at_checked(len) else { break };
        if id == 1 {
            let mut wide = field.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
            for value in [&mut entry.size, &mut entry.compressed, &mut entry.header_offset] {
                if *value == SEE_THERE {
                    *value = wide.next().ok_or_else(|| damaged("a zip64 entry lacks its sizes"))?;
                }
            }
        }
        extra = rest;
    }
    Ok(())
}

/// The callers' slices are long enough by the records' fixed lengths.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
