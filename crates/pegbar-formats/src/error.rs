//! What can be wrong with a file.

use thiserror::Error;

/// Why a file could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
