//! What can go wrong when a network is compiled or run.

use crate::CpuLevel;
use pegbar_net::NetError;
use thiserror::Error;

/// Why a network could not be compiled or run.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum CpuError {
    /// The graph is broken, or the picture is not one it takes.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The level was asked for, but this processor does not have it.
    #[error("this processor cannot run {level} code; the best it has is {best}")]
    LevelUnavailable {
        /// What was asked for.
        level: CpuLevel,
        /// What there is.
        best: CpuLevel,
    },
    /// `PEGBAR_CPU` holds a word that names no level.
    #[error("PEGBAR_CPU is {text:?}; it takes scalar, avx2, avx512 or neon")]
    UnknownLevel {
        /// The word.
        text: String,
    },
    /// Zero threads were asked for.
    #[error("the engine needs at least one thread")]
    NoThreads,
    /// The operating system refused to start threads.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system says.
        reason: String,
    },
    /// The slice given does not hold as many values as its shape says.
    #[error(
        "a picture of shape {shape:?} (batch, channels, height, width) holds {expected} values, found {found}"
    )]
    InputLength {
        /// The shape that came with it.
        shape: [usize; 4],
        /// Product of the shape.
        expected: usize,
        /// Values in the slice.
        found: usize,
    },
    /// The picture has a channel count the network does not take.
    #[error("the network takes {expected} channels, the picture has {found}")]
    InputChannels {
        /// Channels of the network's input.
        expected: usize,
        /// Channels of the picture.
        found: usize,
    },
    /// An operation this engine has no kernel for.
    #[error("node {node:?}: the CPU engine has no kernel for the operation {op}")]
    UnknownOp {
        /// Name of the operation.
        op: &'static str,
        /// Name of the node.
        node: String,
    },
    /// A size that no machine can address.
    #[error(
        "a picture of shape {shape:?} (batch, channels, height, width) is too large for this network: use tiles"
    )]
    TooLarge {
        /// Shape of the picture.
        shape: [usize; 4],
    },
    /// The system has not that much memory.
    #[error("cannot allocate {bytes} bytes of working memory: use smaller tiles or fewer threads")]
    OutOfMemory {
        /// How much was asked for.
        bytes: usize,
    },
}
