//! Functions that take several operations.

use super::builder::GraphBuilder;
use super::channels::sum_channels;
use super::error::OpError;
use crate::{BinaryOp, NodeId, Op, UnaryOp};

/// `log(1 + exp(x))`, written as `max(x, 0) + log(1 + exp(-|x|))` so that nothing overflows.
pub(super) fn softplus(builder: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId, OpError> {
    let positive = builder.unary(name, UnaryOp::Relu, x)?;
    let magnitude = builder.unary(name, UnaryOp::Abs, x)?;
    let negated = builder.unary(name, UnaryOp::Neg, magnitude)?;
    let small = builder.unary(name, UnaryOp::Exp, negated)?;
    let shifted = builder.scale_shift(name, small, 1.0, 1.0)?;
    let log = builder.unary(name, UnaryOp::Log, shifted)?;
    builder.push(name, Op::Binary(BinaryOp::Add), &[positive, log])
}

/// `x * tanh(softplus(x))`.
pub(super) fn mish(builder: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId, OpError> {
    let softplus = softplus(builder, name, x)?;
    let gate = builder.unary(name, UnaryOp::Tanh, softplus)?;
    builder.push(name, Op::Binary(BinaryOp::Mul), &[x, gate])
}

/// `0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`.
pub(super) fn tanh_gelu(builder: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId, OpError> {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    const CUBIC: f32 = 0.044_715;
    let square = builder.unary(name, UnaryOp::Square, x)?;
    let factor = builder.scale_shift(name, square, SQRT_2_OVER_PI * CUBIC, SQRT_2_OVER_PI)?;
    let argument = builder.push(name, Op::Binary(BinaryOp::Mul), &[x, factor])?;
    let tanh = builder.unary(name, UnaryOp::Tanh, argument)?;
    let gate = builder.scale_shift(name, tanh, 0.5, 0.5)?;
    builder.push(name, Op::Binary(BinaryOp::Mul), &[x, gate])
}

/// `(x - mean) / sqrt(var + epsilon)` over the channels of each pixel.
pub(super) fn normalize_channels(
    builder: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    epsilon: f32,
) -> Result<NodeId, OpError> {
    let share = 1.0 / builder.channels(x)?.max(1) as f32;
    let mean = sum_channels(builder, name, x, share)?;
    let centred = builder.push(name, Op::Binary(BinaryOp::Sub), &[x, mean])?;
    let square = builder.unary(name, UnaryOp::Square, centred)?;
    let variance = sum_channels(builder, name, square, share)?;
    let guarded = builder.scale_shift(name, variance, 1.0, epsilon)?;
    let deviation = builder.unary(name, UnaryOp::Sqrt, guarded)?;
    builder.push(name, Op::Binary(BinaryOp::Div), &[centred, deviation])
}
