//! Constants: what depends on nothing else is computed now, and arithmetic with a constant becomes an affine step.

use super::Rewriter;
use crate::interpret::{Value, evaluate};
use crate::{BinaryOp, Dim, Net, Node, NodeId, Op, UnaryOp, WeightId};

/// Largest constant made by folding, unless its inputs are as large.
const MAX_FOLDED: usize = 1 << 16;

/// A constant as a value of rank 4.
fn constant_value(net: &Net, id: NodeId) -> Option<Value> {
    let Op::Constant(weight) = net.node(id).op else { return None };
    let weight = net.weight(weight);
    let mut shape = [1; 4];
    shape[4 - weight.shape.len()..].copy_from_slice(&weight.shape);
    Some(Value { shape, data: weight.data.clone() })
}

pub(super) fn evaluate_constant(r: &mut Rewriter, node: &Node, shape: [Dim; 4]) -> Option<NodeId> {
    if node.inputs.is_empty() || !node.inputs.iter().all(|&id| matches!(r.op(id), Op::Constant(_))) {
        return None;
    }
    let mut size = [0; 4];
    for (to, dim) in size.iter_mut().zip(shape) {
        *to = dim.fixed()?;
    }
    let inputs: Vec<Value> = node.inputs.iter().filter_map(|&id| constant_value(&r.net, id)).collect();
    let held: usize = inputs.iter().map(|value| value.data.len()).sum();
    if size.iter().product::<usize>() > held.max(MAX_FOLDED) {
        return None;
    }
    let references: Vec<&Value> = inputs.iter().collect();
    let value = evaluate(&r.net, node, &references, size);
    let weight = r.weight(node.name.clone(), size.to_vec(), value.data);
    Some(r.push(&node.name, Op::Constant(weight), &[], shape))
}

/// `x + c`, `c - x`, `x * c`, `x / c` with one number, or one for each channel.
pub(super) fn constant_operand(r: &mut Rewriter, node: &Node, shape: [Dim; 4]) -> Option<NodeId> {
    if matches!(node.op, Op::Unary(UnaryOp::Neg)) {
        let op = Op::Unary(UnaryOp::ScaleShift { scale: -1.0, shift: 0.0 });
        return Some(r.push(&node.name, op, &node.inputs, shape));
    }
    let Op::Binary(op) = node.op else { return None };
    let [a, b] = <[NodeId; 2]>::try_from(node.inputs.as_slice()).ok()?;
    let constant_first = matches!(r.op(a), Op::Constant(_));
    let (constant, x) = if constant_first { (a, b) } else { (b, a) };
    // The constant is spread over x, never x over the constant.
    if r.shape(x) != shape || matches!(r.op(x), Op::Constant(_)) {
        return None;
    }
    let value = constant_value(&r.net, constant)?;
    if value.shape[0] != 1 || value.shape[2] != 1 || value.shape[3] != 1 {
        return None;
    }
    let affine = |c: f32| match (op, constant_first) {
        (BinaryOp::Add, _) => Some((1.0, c)),
        (BinaryOp::Sub, false) => Some((1.0, -c)),
        (BinaryOp::Sub, true) => Some((-1.0, c)),
        (BinaryOp::Mul, _) => Some((c, 0.0)),
        (BinaryOp::Div, false) if (1.0 / c).is_normal() => Some((1.0 / c, 0.0)),
        _ => None,
    };
    let steps: Vec<(f32, f32)> = value.data.iter().map(|&c| affine(c)).collect::<Option<_>>()?;
    if let [(scale, shift)] = steps[..] {
        return Some(r.push(&node.name, Op::Unary(UnaryOp::ScaleShift { scale, shift }), &[x], shape));
    }
    let (scales, shifts): (Vec<f32>, Vec<f32>) = steps.into_iter().unzip();
    let op = channel_affine(r, &node.name, scales, shifts);
    Some(r.push(&node.name, op, &[x], shape))
}

/// A [`Op::ChannelAffine`] of new weights.
pub(super) fn channel_affine(r: &mut Rewriter, name: &str, scales: Vec<f32>, shifts: Vec<f32>) -> Op {
    let mut vector = |part: &str, data: Vec<f32>| -> WeightId {
        r.weight(format!("{name}/{part}"), vec![data.len()], data)
    };
    Op::ChannelAffine { scale: vector("scale", scales), shift: vector("shift", shifts) }
}
