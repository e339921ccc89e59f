//! PyTorch weights: `.pth`, `.pt`, `.ckpt`.
//!
//! All three layouts are a Python pickle that describes the objects, plus raw storages:
//! - zip (since PyTorch 1.6): `NAME/data.pkl`, `NAME/data/0`, ... in an archive;
//! - legacy: several pickles and then the storages, one after the other;
//! - tar (before 0.1.10, 2017): files `sys_info`, `storages`, `tensors`, `pickle`.
//!
//! A pickle is a program. `pickle` runs only the part of the language that builds plain data, and knows a fixed list
//! of functions by name, none of which it calls: a rebuilt tensor stays a description until `state_dict` turns the
//! chosen ones into [`Tensor`](crate::Tensor)s.

mod globals;
mod legacy;
mod pickle;
mod state_dict;
mod tar;
mod unwrap;
mod write;
mod zip;
mod zip_archive;

pub use write::write;

use crate::source::Source;
use crate::{FormatError, WeightsFile};
use std::path::Path;

/// The name of the format in error messages.
const FORMAT: &str = "PyTorch";

/// Reads a PyTorch file in any of its layouts.
pub fn read(path: &Path) -> Result<WeightsFile, FormatError> {
    read_source(&Source::open(path)?)
}

/// Reads the content of a PyTorch file in any of its layouts.
pub fn read_bytes(bytes: &[u8]) -> Result<WeightsFile, FormatError> {
    read_source(&Source::Bytes(bytes))
}

pub(crate) fn read_source(source: &Source<'_>) -> Result<WeightsFile, FormatError> {
    let head = source.head(512)?;
    if head.starts_with(b"PK") {
        zip::read(source)
    } else if tar::is_tar(&head) {
        tar::read(source)
    } else {
        legacy::read(source)
    }
}

fn damaged(reason: impl Into<String>) -> FormatError {
    FormatError::damaged(FORMAT, reason)
}
