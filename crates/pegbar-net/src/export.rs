//! Networks as files of other programs.

mod ncnn;
mod onnx;
mod spec;

pub use ncnn::export_ncnn;
pub use onnx::{OnnxOptions, export_onnx};
pub(crate) use spec::{DOMAIN, Spec};
