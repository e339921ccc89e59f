//! What can be wrong with a NUT stream.

/// A stream that is no NUT, or not one of those we read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NutError {
    /// The first bytes are something else.
    #[error("this is no NUT stream")]
    NotNut,
    /// It ends within a packet.
    #[error("the stream ends in the middle of {0}")]
    Truncated(&'static str),
    /// Bytes changed on the way.
    #[error("the checksum of {0} does not match")]
    Checksum(&'static str),
    /// A value that is not allowed.
    #[error("{what} has the invalid value {value}")]
    Invalid {
        /// Which field.
        what: &'static str,
        /// What it holds.
        value: u64,
    },
    /// Something of the format that raw video on a pipe does not use.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// A frame that cannot be written.
    #[error("the time stamp {0} cannot be written: it is negative or too large")]
    TimeStamp(i64),
    /// The pipe or file failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
