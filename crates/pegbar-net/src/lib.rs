//! Networks as graphs.
//!
//! A [`Net`] is a list of typed operations over named weights. It comes from a state dict (one file per architecture in
//! `arch/`) or from an imported graph (`import/`), and goes to the scalar reference interpreter, the
//! CPU engine or an exporter; nothing behind it knows what an "ESRGAN" is.
#![forbid(unsafe_code)]

mod dim;
mod net;
mod op;

pub use dim::{Axis, Dim};
pub use net::{Net, Node, NodeId, SizeRule, WeightId, WeightTensor};
pub use op::{BinaryOp, Op, PadMode, Padding, PoolKind, ResizeMode, ResizeTarget, UnaryOp};
