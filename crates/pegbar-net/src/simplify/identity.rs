//! Operations that do nothing, undo each other, or are one operation written as two.

use super::Rewriter;
use crate::{BinaryOp, Dim, Node, NodeId, Op, Padding, ResizeTarget, UnaryOp};

/// What an operation returns unchanged.
pub(super) fn drop_identity(r: &Rewriter, node: &Node) -> Option<NodeId> {
    let input = *node.inputs.first()?;
    let nothing = match &node.op {
        Op::Unary(UnaryOp::ScaleShift { scale: 1.0, shift: 0.0 }) => true,
        Op::Unary(UnaryOp::Clip { min, max }) => *min == f32::NEG_INFINITY && *max == f32::INFINITY,
        Op::ChannelAffine { scale, shift } => {
            r.data(*scale).iter().all(|&s| s == 1.0) && r.data(*shift).iter().all(|&s| s == 0.0)
        }
        Op::Pad { padding, .. } => *padding == Padding::default(),
        Op::Resize { target: ResizeTarget::Scale { height, width }, .. } => {
            height[0] == height[1] && width[0] == width[1]
        }
        Op::PixelShuffle { factor } | Op::PixelUnshuffle { factor } => *factor == 1,
        Op::Pool { kernel, stride, padding, .. } => {
            *kernel == [1, 1] && *stride == [1, 1] && *padding == Padding::default()
        }
        Op::Concat { .. } => node.inputs.len() == 1,
        Op::Part { count, .. } => *count == 1,
        Op::Slice { axis, start: 0, end } => {
            *end == i64::MAX || r.shape(input)[*axis].fixed().is_some_and(|size| size as i64 == *end)
        }
        _ => false,
    };
    nothing.then_some(input)
}

/// Pixel shuffle and unshuffle by one factor undo each other, in either order.
pub(super) fn cancel_inverse(r: &Rewriter, node: &Node) -> Option<NodeId> {
    let input = *node.inputs.first()?;
    let before = r.net.node(input);
    match (&before.op, &node.op) {
        (Op::PixelShuffle { factor: a }, Op::PixelUnshuffle { factor: b })
        | (Op::PixelUnshuffle { factor: a }, Op::PixelShuffle { factor: b })
            if a == b =>
        {
            before.inputs.first().copied()
        }
        _ => None,
    }
}

/// A join of joins along one axis is one join.
pub(super) fn flatten_concat(r: &mut Rewriter, node: &Node, shape: [Dim; 4]) -> Option<NodeId> {
    let Op::Concat { axis } = node.op else { return None };
    let inner = |id: NodeId| match r.op(id) {
        Op::Concat { axis: inner } if *inner == axis && r.sole(id) => Some(&r.net.node(id).inputs),
        _ => None,
    };
    if node.inputs.iter().all(|&id| inner(id).is_none()) {
        return None;
    }
    let mut inputs = Vec::new();
    for &id in &node.inputs {
        match inner(id) {
            Some(parts) => inputs.extend_from_slice(parts),
            None => inputs.push(id),
        }
    }
    Some(r.push(&node.name, node.op.clone(), &inputs, shape))
}

/// `x * sigmoid(x)`, as exporters write SiLU.
pub(super) fn join_silu(r: &mut Rewriter, node: &Node, shape: [Dim; 4]) -> Option<NodeId> {
    let Op::Binary(BinaryOp::Mul) = node.op else { return None };
    let [a, b] = <[NodeId; 2]>::try_from(node.inputs.as_slice()).ok()?;
    let is_sigmoid_of = |s: NodeId, x: NodeId| {
        matches!(r.op(s), Op::Unary(UnaryOp::Sigmoid)) && r.sole(s) && r.net.node(s).inputs == [x]
    };
    let x = if is_sigmoid_of(a, b) {
        b
    } else if is_sigmoid_of(b, a) {
        a
    } else {
        return None;
    };
    Some(r.push(&node.name, Op::Unary(UnaryOp::Silu), &[x], shape))
}
