//! Files of weights and graphs: bytes to named tensors and raw graphs, and back.
//!
//! Nothing here knows what a network is. [`StateDict`] is a list of named tensors, [`ncnn::NcnnModel`] and
//! [`onnx::OnnxModel`] are the graphs as the files state them. All parsers take files from strangers: the answer to a
//! broken file is a [`FormatError`], never a panic, never an allocation larger than a small multiple of the file.
#![forbid(unsafe_code)]

mod dtype;
mod error;
mod tensor;

pub use dtype::DType;
pub use error::FormatError;
pub use tensor::{StateDict, Tensor};
