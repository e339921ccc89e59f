//! Foreign graphs: ncnn and ONNX files become nets.
//!
//! Both importers walk the graph once and append operations to a `GraphBuilder`, which infers the shape of
//! each value as it is made and keeps the size of everything an importer invents within a budget. An operator without
//! an exact equivalent is refused by name; nothing is approximated.

mod arithmetic;
mod builder;
mod channels;
mod composite;
pub(crate) mod error;
mod ncnn;
pub(crate) mod onnx;
mod resample;
mod window;

pub use ncnn::import_ncnn;
pub use onnx::import_onnx;
