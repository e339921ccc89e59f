//! Functions of two values of which one may be a constant.

use super::builder::GraphBuilder;
use super::error::{OpError, problem};
use crate::{BinaryOp, Dim, NodeId, Op, UnaryOp};

/// One side of a binary operation.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    /// A value of the net.
    Value(NodeId),
    /// A constant of rank 4 with a name for messages.
    Constant { name: String, shape: [usize; 4], data: Vec<f32> },
}

/// Appends `op(left, right)` in the simplest form that computes the same.
pub(super) fn binary(
    builder: &mut GraphBuilder,
    name: &str,
    op: BinaryOp,
    left: Operand,
    right: Operand,
) -> Result<NodeId, OpError> {
    match (left, right) {
        (Operand::Value(a), Operand::Value(b)) => binary_values(builder, name, op, a, b),
        (Operand::Value(a), Operand::Constant { name: weight, shape, data }) => {
            with_constant(builder, name, op, a, (&weight, shape, data), false)
        }
        (Operand::Constant { name: weight, shape, data }, Operand::Value(b)) => {
            with_constant(builder, name, op, b, (&weight, shape, data), true)
        }
        (Operand::Constant { .. }, Operand::Constant { .. }) => {
            Err(problem!("combines two constants where a value of the picture is expected"))
        }
    }
}

fn binary_values(
    builder: &mut GraphBuilder,
    name: &str,
    op: BinaryOp,
    a: NodeId,
    b: NodeId,
) -> Result<NodeId, OpError> {
    if op == BinaryOp::Mul {
        for (x, gate) in [(a, b), (b, a)] {
            let gate = builder.node(gate);
            if gate.op == Op::Unary(UnaryOp::Sigmoid) && gate.inputs == [x] {
                return builder.unary(name, UnaryOp::Silu, x);
            }
        }
    }
    builder.push(name, Op::Binary(op), &[a, b])
}

/// `op(x, constant)`, or `op(constant, x)` when `reversed`.
fn with_constant(
    builder: &mut GraphBuilder,
    name: &str,
    op: BinaryOp,
    x: NodeId,
    (weight, shape, data): (&str, [usize; 4], Vec<f32>),
    reversed: bool,
) -> Result<NodeId, OpError> {
    if let [c] = data[..] {
        return with_scalar(builder, name, op, x, c, reversed);
    }
    let channels = shape[1];
    let per_channel = shape == [1, channels, 1, 1] && builder.shape(x)[1] == Dim::Fixed(channels);
    let affine = match (op, reversed) {
        (BinaryOp::Add, _) => Some((vec![1.0; channels], data.clone())),
        (BinaryOp::Sub, false) => Some((vec![1.0; channels], data.iter().map(|c| -c).collect())),
        (BinaryOp::Sub, true) => Some((vec![-1.0; channels], data.clone())),
        (BinaryOp::Mul, _) => Some((data.clone(), vec![0.0; channels])),
        (BinaryOp::Div, false) => Some((data.iter().map(|c| 1.0 / c).collect(), vec![0.0; channels])),
        _ => None,
    };
    if let (true, Some((scale, shift))) = (per_channel, affine) {
        let scale = builder.weight(&format!("{name}.scale"), vec![channels], scale)?;
        let shift = builder.weight(&format!("{name}.shift"), vec![channels], shift)?;
        return builder.push(name, Op::ChannelAffine { scale, shift }, &[x]);
    }
    let id = builder.weight(weight, shape.to_vec(), data)?;
    let constant = builder.push(weight, Op::Constant(id), &[])?;
    let inputs = if reversed { [constant, x] } else { [x, constant] };
    builder.push(name, Op::Binary(op), &inputs)
}

/// `op(x, c)`, or `op(c, x)` when `reversed`.
pub(super) fn with_scalar(
    builder: &mut GraphBuilder,
    name: &str,
    op: BinaryOp,
    x: NodeId,
    c: f32,
    reversed: bool,
) -> Result<NodeId, OpError> {
    match (op, reversed) {
        (BinaryOp::Add, _) => builder.scale_shift(name, x, 1.0, c),
        (BinaryOp::Sub, false) => builder.scale_shift(name, x, 1.0, -c),
        (BinaryOp::Sub, true) => builder.scale_shift(name, x, -1.0, c),
        (BinaryOp::Mul, _) => builder.scale_shift(name, x, c, 0.0),
        (BinaryOp::Div, false) => builder.scale_shift(name, x, 1.0 / c, 0.0),
        (BinaryOp::Div, true) => {
            let inverse = builder.unary(name, UnaryOp::Reciprocal, x)?;
            builder.scale_shift(name, inverse, c, 0.0)
        }
        (BinaryOp::Max, _) if c == 0.0 => builder.unary(name, UnaryOp::Relu, x),
        (BinaryOp::Max, _) => builder.unary(name, UnaryOp::Clip { min: c, max: f32::INFINITY }, x),
        (BinaryOp::Min, _) => builder.unary(name, UnaryOp::Clip { min: f32::NEG_INFINITY, max: c }, x),
        (BinaryOp::Pow, false) if c == 1.0 => Ok(x),
        (BinaryOp::Pow, false) if c == 2.0 => builder.unary(name, UnaryOp::Square, x),
        (BinaryOp::Pow, false) if c == 3.0 => {
            let square = builder.unary(name, UnaryOp::Square, x)?;
            builder.push(name, Op::Binary(BinaryOp::Mul), &[square, x])
        }
        (BinaryOp::Pow, false) if c == 0.5 => builder.unary(name, UnaryOp::Sqrt, x),
        (BinaryOp::Pow, false) if c == -0.5 => {
            let root = builder.unary(name, UnaryOp::Sqrt, x)?;
            builder.unary(name, UnaryOp::Reciprocal, root)
        }
        (BinaryOp::Pow, false) if c == -1.0 => builder.unary(name, UnaryOp::Reciprocal, x),
        (BinaryOp::Pow | BinaryOp::Atan2, _) => {
            let id = builder.weight(&format!("{name}.constant"), vec![1, 1, 1, 1], vec![c])?;
            let constant = builder.push(name, Op::Constant(id), &[])?;
            let inputs = if reversed { [constant, x] } else { [x, constant] };
            builder.push(name, Op::Binary(op), &inputs)
        }
    }
}
