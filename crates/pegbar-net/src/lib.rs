//! Networks as graphs.
//!
//! A [`Net`] is a list of typed operations over named weights. It comes from a state dict (one file per architecture in
//! `arch/`) or from an imported graph (`import/`), and goes to the scalar reference interpreter, the
//! CPU engine or an exporter; nothing behind it knows what an "ESRGAN" is.
#![forbid(unsafe_code)]

pub mod arch;
mod attention;
mod cost;
mod dim;
mod error;
pub mod export;
pub mod import;
mod interpret;
mod model;
mod net;
mod op;
mod receptive_field;
mod shape;
mod simplify;
pub mod tensor;
mod validate;

pub use arch::{ARCHITECTURES, Architecture};
pub use attention::{Attention, ChannelAttention, Region, Scores, SortedAttention, Span, span_at, spans};
pub use dim::{Axis, Dim};
pub use error::{ModelError, NearMiss, NetError};
pub use export::{OnnxOptions, export_ncnn, export_onnx};
pub use import::{import_ncnn, import_onnx};
pub use interpret::{Value, interpret};
pub use model::{Model, ModelOptions};
pub use net::{Net, Node, NodeId, SizeFill, SizeRule, WeightId, WeightTensor};
pub use op::{BinaryOp, NormKind, Op, PadMode, Padding, PoolKind, ResizeMode, ResizeTarget, UnaryOp};
pub use receptive_field::ReceptiveField;
