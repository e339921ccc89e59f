//! What can be wrong with a network or a model file.

use pegbar_formats::FormatError;
use std::fmt;
use thiserror::Error;

/// Why a graph is not a network that can run.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum NetError {
    /// An operation does not fit its inputs or its weights.
    #[error("node {node:?} ({op}): expected {expected}, found {found}")]
    Shape {
        /// Name of the node.
        node: String,
        /// Name of the operation, as [`crate::Op::name`] gives it.
        op: &'static str,
        /// What the operation needs.
        expected: String,
        /// What it was given.
        found: String,
    },
    /// The list of nodes is not a network: no input, no output, an input that does not precede its reader, ...
    #[error("the graph is not a network: {problem}")]
    Graph {
        /// What is wrong, with the node's name.
        problem: String,
    },
    /// A weight holds NaN or infinity.
    #[error(
        "weight {weight:?} holds {count} values of {total} that are not finite (NaN or infinity): the file is damaged, \
         or its training diverged"
    )]
    NotFinite {
        /// Name of the weight.
        weight: String,
        /// How many values are NaN or infinite.
        count: usize,
        /// How many values there are.
        total: usize,
    },
    /// A value would need more memory than any sensible network does.
    #[error("node {node:?} ({op}) would make a value of {found}: more than {limit}, refused")]
    TooLarge {
        /// Name of the node.
        node: String,
        /// Name of the operation.
        op: &'static str,
        /// What it would make.
        found: String,
        /// What is accepted.
        limit: String,
    },
    /// A picture the network does not accept.
    #[error("the network takes pictures of {expected}, found {found}")]
    Input {
        /// What the network accepts.
        expected: String,
        /// What it was given.
        found: String,
    },
}

/// An architecture that resembles an unknown state dict.
#[derive(Debug, Clone, PartialEq)]
pub struct NearMiss {
    /// Its id, e.g. `"ESRGAN"`.
    pub architecture: &'static str,
    /// Share of the file's keys and of the needed keys that agree, `0.0..=1.0`.
    pub score: f32,
    /// Keys the architecture needs and the file lacks (patterns; `*` is a number).
    pub missing: Vec<String>,
    /// Keys of the file the architecture does not know.
    pub unexpected: Vec<String>,
}

/// How many keys of a list a message shows.
const SHOWN_KEYS: usize = 4;

pub(crate) fn list_keys(keys: &[String]) -> String {
    let shown: Vec<&str> = keys.iter().take(SHOWN_KEYS).map(String::as_str).collect();
    match keys.len().saturating_sub(SHOWN_KEYS) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:.0} % alike", self.architecture, self.score * 100.0)?;
        if !self.missing.is_empty() {
            write!(f, "; missing {}", list_keys(&self.missing))?;
        }
        if !self.unexpected.is_empty() {
            write!(f, "; not part of it: {}", list_keys(&self.unexpected))?;
        }
        write!(f, ")")
    }
}

fn list_near(nearest: &[NearMiss]) -> String {
    if nearest.is_empty() {
        return "None of those Pegbar knows is like it".to_owned();
    }
    format!("Nearest: {}", nearest.iter().map(NearMiss::to_string).collect::<Vec<_>>().join("; "))
}

/// Why a file is not a model Pegbar can run. Messages do not repeat the path of the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file could not be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The graph is broken.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The network cannot be written in a format.
    #[error("it cannot be written as {format}: {problem}")]
    Export {
        /// The format.
        format: &'static str,
        /// What has no counterpart there.
        problem: String,
    },
    /// No architecture fits the keys.
    #[error("no known architecture fits its {n_keys} tensors. {}", list_near(.nearest))]
    Unknown {
        /// Tensors in the file.
        n_keys: usize,
        /// The most similar architectures, best first, three at most.
        nearest: Vec<NearMiss>,
    },
    /// Recognised, but not built.
    #[error("this is a {architecture} model; Pegbar does not run that architecture yet")]
    Unsupported {
        /// Its name.
        architecture: &'static str,
    },
    /// A tensor the architecture needs is not there.
    #[error("this looks like {architecture}, but the tensor {key:?} is missing: the file is incomplete")]
    MissingKey {
        /// The architecture the other keys belong to.
        architecture: &'static str,
        /// Key of the absent tensor.
        key: String,
    },
    /// A tensor of the wrong shape.
    #[error(
        "this looks like {architecture}, but the tensor {key:?} has shape {found:?} where {expected} is needed"
    )]
    TensorShape {
        /// The architecture the keys belong to.
        architecture: &'static str,
        /// Key of the tensor.
        key: String,
        /// Shape or sizes the architecture needs.
        expected: String,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// The keys fit, but the sizes are none that this architecture has.
    #[error("this looks like {architecture}, but {problem}")]
    Architecture {
        /// The architecture the keys belong to.
        architecture: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// An imported graph has an operation Pegbar has no equivalent for.
    #[error("{format} node {node:?}: operator {op} is not supported")]
    UnsupportedOp {
        /// `"ncnn"` or `"ONNX"`.
        format: &'static str,
        /// Name of the operator.
        op: String,
        /// Name of the node.
        node: String,
    },
    /// An imported graph cannot be expressed as a net.
    #[error("{format} node {node:?} ({op}): {problem}")]
    Import {
        /// `"ncnn"` or `"ONNX"`.
        format: &'static str,
        /// Name of the operator.
        op: String,
        /// Name of the node.
        node: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The network's output is not an enlarged picture of its input.
    #[error(
        "the network turns a picture of H x W into {found}; Pegbar runs networks whose output is the picture times a whole number"
    )]
    NotAnUpscaler {
        /// Size of the output.
        found: String,
    },
}
