//! Networks as files of other programs.

mod onnx;
mod spec;

pub use onnx::{OnnxOptions, export_onnx};
pub(crate) use spec::{DOMAIN, Spec};
