//! Files of weights and graphs: bytes to named tensors and raw graphs, and back.
//!
//! Nothing here knows what a network is. [`StateDict`] is a list of named tensors, [`ncnn::NcnnModel`] and
//! [`onnx::OnnxModel`] are the graphs as the files state them. All parsers take files from strangers: the answer to a
//! broken file is a [`FormatError`], never a panic, never an allocation larger than a small multiple of the file.
//!
//! Files are read, not mapped: a file that shrinks under a map kills the process, and that is not an error anyone can
//! handle. Each tensor's bytes are read once and shared between the tensors that view them; of a training checkpoint
//! in the zip format only the storages of the chosen state dict are read at all.
#![forbid(unsafe_code)]

mod atomic_file;
mod budget;
mod dtype;
mod error;
mod interpolate;
mod model_file;
pub mod ncnn;
pub mod onnx;
pub mod pth;
pub mod safetensors;
mod sniff;
mod source;
mod tensor;
mod weights;

pub use dtype::DType;
pub use error::FormatError;
pub use model_file::{ModelFile, read_model};
pub use tensor::{StateDict, Tensor, TensorError};
pub use weights::{Container, ContainerFormat, WeightsFile, read_state_dict};
