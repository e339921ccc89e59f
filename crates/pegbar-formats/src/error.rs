//! What can be wrong with a file.
//!
//! The sentences do not name the file: the caller knows which one it was. Only a second file (the `.bin` beside a
//! `.param`, the external data of an `.onnx`) is named here.

use crate::TensorError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why a file could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The operating system refused.
    #[error("{}", io_sentence(.0))]
    Io(#[from] io::Error),

    /// A folder, a pipe or a device where a file was expected.
    #[error("this is {what}, not a file; name a model file")]
    NotAFile {
        /// "a folder", "a pipe or a device".
        what: &'static str,
    },

    /// Nothing in the file.
    #[error("the file is empty (0 bytes); download or copy it again")]
    Empty,

    /// The content is something else than a model.
    #[error("this is {what}, not a model{hint}")]
    NotAModel {
        /// What the content is: "a PNG picture".
        what: String,
        /// What to do, beginning with "; ", or nothing.
        hint: &'static str,
    },

    /// The content is nothing we know.
    #[error(
        "not a model file Pegbar knows: its content is neither PyTorch (.pth, .pt, .ckpt), .safetensors, ONNX nor ncnn \
         (.param with .bin)"
    )]
    Unknown,

    /// A model, but of another kind than the caller asked for.
    #[error("this is {found}, not a file of named weights (.pth, .safetensors)")]
    WrongKind {
        /// "an ncnn graph", "an ONNX graph".
        found: &'static str,
    },

    /// The file ends too early.
    #[error(
        "the file is cut short: {what} needs {needed} bytes, {available} are there; download or copy it again"
    )]
    Truncated {
        /// Which part is missing.
        what: String,
        /// Bytes this part needs.
        needed: u64,
        /// Bytes left in the file at its place.
        available: u64,
    },

    /// The bytes contradict the format.
    #[error("the {format} data is damaged: {reason}; download or copy the file again")]
    Damaged {
        /// The format as users call it.
        format: &'static str,
        /// What is wrong, and where.
        reason: String,
    },

    /// Valid, but something Pegbar does not read or write.
    #[error("{what} is not supported; {hint}")]
    Unsupported {
        /// The thing, as the subject of the sentence.
        what: String,
        /// What to do instead.
        hint: &'static str,
    },

    /// A pickle that asks for a Python function or class outside the allow-list.
    #[error(
        "the file wants to run `{name}`; Pegbar never executes code from weights. If you trust its author, load it in \
         Python and save only its state dict, or ask for a .safetensors file"
    )]
    ForbiddenGlobal {
        /// `module.name` as the pickle states it.
        name: String,
    },

    /// Reading on would take memory out of proportion to the file.
    #[error(
        "reading {what} would take far more memory than the file's {file_bytes} bytes justify, as a zip bomb does; \
         Pegbar refuses it"
    )]
    OutOfProportion {
        /// What was being read.
        what: &'static str,
        /// Length of the file.
        file_bytes: u64,
    },

    /// A tensor whose description does not fit its data.
    #[error("tensor `{name}`: {source}")]
    Tensor {
        /// The tensor's name in the file.
        name: String,
        /// What is wrong with it.
        source: TensorError,
    },

    /// No tensors where the state dict should be.
    #[error("no weights found: {found}")]
    NoTensors {
        /// What is there instead.
        found: String,
    },

    /// A second file that the named one needs.
    #[error("{}: {source}", path.display())]
    Companion {
        /// The second file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<FormatError>,
    },
}

impl FormatError {
    pub(crate) fn damaged(format: &'static str, reason: impl Into<String>) -> Self {
        Self::Damaged { format, reason: reason.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>, hint: &'static str) -> Self {
        Self::Unsupported { what: what.into(), hint }
    }

    /// Names the tensor in an error that did not know it.
    pub(crate) fn of_tensor(self, name: &str) -> Self {
        match self {
            Self::Tensor { source, .. } => Self::Tensor { name: name.to_owned(), source },
            other => other,
        }
    }

    pub(crate) fn of_companion(self, path: impl Into<PathBuf>) -> Self {
        Self::Companion { path: path.into(), source: Box::new(self) }
    }
}

/// The common refusals in plain words; everything else as the system says it.
fn io_sentence(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; check the name and the folder".into(),
        io::ErrorKind::PermissionDenied => {
            "no permission; check who owns the file and its folder, and their access rights".into()
        }
        io::ErrorKind::StorageFull => "the disk is full; make room and try again".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only; choose another place".into(),
        _ => error.to_string(),
    }
}
