//! Normalisation and softmax.

use super::super::attributes::{Call, axis_of};
use super::super::program::ValueId;
use super::super::{Array, Binary, ElementKind, Kernel, Reduction, Unary};
use super::Lowering;
use crate::UnaryOp;
use crate::import::error::{OpError, problem};
use ElementKind::Float;

type Made = Result<Vec<ValueId>, OpError>;

pub(super) fn softmax(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    l.expect_kind(x, Float)?;
    let shape = l.shape(x).to_vec();
    let log = call.node.op_type == "LogSoftmax";
    if call.opset >= 13 {
        let axis = axis_of(call.int("axis", -1)?, shape.len())?;
        return Ok(vec![l.emit(Kernel::Softmax { axis, log }, &[x], shape, Float)?]);
    }
    // Over all dimensions from the axis on.
    let axis = axis_of(call.int("axis", 1)?, shape.len())?;
    if axis + 1 == shape.len() {
        return Ok(vec![l.emit(Kernel::Softmax { axis, log }, &[x], shape, Float)?]);
    }
    let flat = vec![shape[..axis].iter().product(), shape[axis..].iter().product()];
    let x = l.reshape(x, flat.clone())?;
    let made = l.emit(Kernel::Softmax { axis: 1, log }, &[x], flat, Float)?;
    Ok(vec![l.reshape(made, shape)?])
}

pub(super) fn hardmax(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let axis = axis_of(call.int("axis", if call.opset >= 13 { -1 } else { 1 })?, l.rank(x))?;
    let shape = l.shape(x).to_vec();
    let mut kept = shape.clone();
    kept[axis] = 1;
    let kernel = Kernel::ArgExtreme { axis, largest: true, last: false };
    let place = l.emit(kernel, &[x], kept.clone(), ElementKind::Int)?;
    kept.remove(axis);
    let place = l.reshape(place, kept)?;
    let values = l.constant(Array::floats(vec![2], vec![0.0, 1.0]));
    Ok(vec![l.emit(Kernel::OneHot { axis }, &[place, values], shape, Float)?])
}

pub(super) fn batch_normalization(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    if call.flag("training_mode", false)? {
        return Err(problem!("works as in training; export the model for evaluation"));
    }
    let x = call.input(0)?;
    let [scale, shift, mean, variance] = [call.input(1)?, call.input(2)?, call.input(3)?, call.input(4)?];
    let channels = l.shape(x).get(1).copied().unwrap_or(1);
    let per_channel: Vec<usize> = std::iter::once(channels).chain((2..l.rank(x)).map(|_| 1)).collect();
    let eps = l.constant(Array::floats(vec![], vec![call.float("epsilon", 1e-5)?]));
    let variance = l.binary(Binary::Add, variance, eps)?;
    let deviation = l.unary(variance, Unary::Shared(UnaryOp::Sqrt))?;
    let factor = l.binary(Binary::Div, scale, deviation)?;
    let moved = l.binary(Binary::Mul, mean, factor)?;
    let summand = l.binary(Binary::Sub, shift, moved)?;
    let factor = l.reshape(factor, per_channel.clone())?;
    let summand = l.reshape(summand, per_channel)?;
    let made = l.binary(Binary::Mul, x, factor)?;
    Ok(vec![l.binary(Binary::Add, made, summand)?])
}

/// Normalises rows of the last dimension of `[rows, n]`.
fn rows(l: &mut Lowering<'_>, x: ValueId, eps: f32) -> Result<ValueId, OpError> {
    let shape = l.shape(x).to_vec();
    l.emit(Kernel::Normalize { axis: 1, eps, center: true }, &[x], shape, Float)
}

fn per_channel(l: &mut Lowering<'_>, x: ValueId, scale: ValueId, shift: ValueId) -> Result<ValueId, OpError> {
    let mut shape = vec![1; l.rank(x) - 1];
    shape[0] = l.shape(x)[1];
    let (scale, shift) = (l.reshape(scale, shape.clone())?, l.reshape(shift, shape)?);
    let made = l.binary(Binary::Mul, x, scale)?;
    l.binary(Binary::Add, made, shift)
}

pub(super) fn instance_normalization(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (x, scale, shift) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let shape = l.shape(x).to_vec();
    let &[n, c, ref spatial @ ..] = &shape[..] else {
        return Err(problem!("normalises a value of shape {shape:?}"));
    };
    let flat = l.reshape(x, vec![n * c, spatial.iter().product()])?;
    let made = rows(l, flat, call.float("epsilon", 1e-5)?)?;
    let made = l.reshape(made, shape)?;
    Ok(vec![per_channel(l, made, scale, shift)?])
}

pub(super) fn group_normalization(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (x, mut scale, mut shift) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let shape = l.shape(x).to_vec();
    let groups = usize::try_from(call.int("num_groups", 0)?).unwrap_or(0);
    let &[n, c, ref spatial @ ..] = &shape[..] else {
        return Err(problem!("normalises a value of shape {shape:?}"));
    };
    if groups == 0 || !c.is_multiple_of(groups) {
        return Err(problem!("normalises {c} channels in {groups} groups"));
    }
    let each = c / groups;
    if call.opset < 21 {
        // A number for each group, not for each channel.
        for id in [&mut scale, &mut shift] {
            let column = l.reshape(*id, vec![groups, 1])?;
            let repeated = l.expand(column, vec![groups, each])?;
            *id = l.reshape(repeated, vec![c])?;
        }
    }
    let flat = l.reshape(x, vec![n * groups, each * spatial.iter().product::<usize>()])?;
    let made = rows(l, flat, call.float("epsilon", 1e-5)?)?;
    let made = l.reshape(made, shape)?;
    Ok(vec![per_channel(l, made, scale, shift)?])
}

pub(super) fn layer_normalization(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    l.expect_kind(x, Float)?;
    let shape = l.shape(x).to_vec();
    let axis = axis_of(call.int("axis", -1)?, shape.len())?;
    let center = call.node.op_type == "LayerNormalization";
    let mut inputs = vec![x];
    for index in 1..if center { 3 } else { 2 } {
        let Some(id) = call.optional(index) else { break };
        if super::broadcast_shapes(l.shape(id), &shape[axis..]).as_deref() != Some(&shape[axis..]) {
            return Err(problem!("has factors of shape {:?} for {:?}", l.shape(id), &shape[axis..]));
        }
        inputs.push(l.expand(id, shape[axis..].to_vec())?);
    }
    let eps = call.float("epsilon", 1e-5)?;
    let axes: Vec<usize> = (axis..shape.len()).collect();
    let made = l.emit(Kernel::Normalize { axis, eps, center }, &inputs, shape, Float)?;
    if !call.wants_output(1) && !call.wants_output(2) {
        return Ok(vec![made]);
    }
    // Mean and reciprocal deviation.
    let mean = super::reduction::reduce(l, x, Reduction::Mean, axes.clone())?;
    let moved = l.binary(Binary::Sub, x, mean)?;
    let squares = l.unary(moved, Unary::Shared(UnaryOp::Square))?;
    let variance = super::reduction::reduce(l, squares, Reduction::Mean, axes)?;
    let eps = l.constant(Array::floats(vec![], vec![eps]));
    let variance = l.binary(Binary::Add, variance, eps)?;
    let deviation = l.unary(variance, Unary::Shared(UnaryOp::Sqrt))?;
    Ok(vec![made, mean, l.unary(deviation, Unary::Shared(UnaryOp::Reciprocal))?])
}

pub(super) fn lp_normalization(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let axis = axis_of(call.int("axis", -1)?, l.rank(x))?;
    let function = match call.int("p", 2)? {
        1 => Reduction::L1,
        2 => Reduction::L2,
        p => return Err(problem!("normalises by norm {p}; 1 and 2 are known")),
    };
    let norm = super::reduction::reduce(l, x, function, vec![axis])?;
    Ok(vec![l.binary(Binary::Div, x, norm)?])
}

pub(super) fn mean_variance(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let axes =
        super::super::attributes::axes_of(&call.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]), l.rank(x))?;
    let mean = super::reduction::reduce(l, x, Reduction::Mean, axes.clone())?;
    let moved = l.binary(Binary::Sub, x, mean)?;
    let squares = l.unary(moved, Unary::Shared(UnaryOp::Square))?;
    let variance = super::reduction::reduce(l, squares, Reduction::Mean, axes)?;
    let deviation = l.unary(variance, Unary::Shared(UnaryOp::Sqrt))?;
    let eps = l.constant(Array::floats(vec![], vec![1e-9]));
    let deviation = l.binary(Binary::Add, deviation, eps)?;
    Ok(vec![l.binary(Binary::Div, moved, deviation)?])
}
