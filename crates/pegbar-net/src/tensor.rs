//! Graphs of operations on tensors of any rank: what an ONNX file says, where it cannot be seen as operations on pictures.
//!
//! A [`TensorGraph`] holds the nodes of an ONNX graph as they are. For one size of picture it becomes a
//! [`TensorProgram`]: shapes are numbers then, so everything that is computed from shapes (targets of reshapes, masks of
//! shifted windows, ends of slices) is computed once and becomes a constant, and each operator is written as one or a few
//! [`Kernel`]s, of which there are far fewer. [`evaluate`] says what a kernel computes; engines must agree with it.

mod array;
mod attributes;
mod evaluate;
mod graph;
mod kernel;
mod lower;
mod moves;
mod patterns;
mod program;
mod reference;
mod sizes;
mod strides;

pub use array::{Array, ArrayData, ElementKind};
pub use evaluate::evaluate;
pub use graph::TensorGraph;
pub use kernel::{
    Binary, Comparison, ConvWindow, Kernel, PadFill, PoolFunction, Reduction, Scatter, Taps, Unary,
};
pub use lower::{OperatorInfo, operators};
pub use program::{Step, TensorProgram, ValueId, ValueInfo};
pub use reference::reference_table;
pub use strides::{broadcast_strides, row_major_strides};

pub(crate) use sizes::describe;

use crate::ModelError;
use pegbar_formats::onnx::OnnxModel;

/// Computes what an ONNX graph makes of tensors, given by the names of its inputs, with the evaluator: its outputs, in order.
/// The graph need not be a network on pictures.
///
/// # Errors
/// [`ModelError::UnsupportedOp`], [`ModelError::Import`] with the node that cannot be computed.
pub fn evaluate_graph(
    model: &OnnxModel,
    inputs: &[(String, Array)],
) -> Result<Vec<Option<Array>>, ModelError> {
    lower::Lowering::of_known(model, inputs)
}
