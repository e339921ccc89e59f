//! Where elements are: shapes, cuts, joins, borders.

use super::super::attributes::{Call, axes_of, axis_of};
use super::super::program::ValueId;
use super::super::{Array, ElementKind, Kernel, PadFill};
use super::Lowering;
use crate::import::error::{OpError, problem};
use ElementKind::Int;

type Made = Result<Vec<ValueId>, OpError>;

pub(super) fn identity(_: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    Ok(vec![call.input(0)?])
}

pub(super) fn dropout(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    if let Some(training) = call.optional(2)
        && l.known(training, 2)?.as_bools().is_some_and(|values| values.contains(&true))
    {
        return Err(problem!("drops values as in training; export the model for evaluation"));
    }
    let x = call.input(0)?;
    if !call.wants_output(1) {
        return Ok(vec![x]);
    }
    let shape = l.shape(x).to_vec();
    let one = l.constant(Array::bools(vec![], vec![true]));
    let mask = l.expand(one, shape)?;
    Ok(vec![x, mask])
}

/// A list of sizes as integers.
fn list(l: &mut Lowering<'_>, sizes: &[usize]) -> ValueId {
    l.constant(Array::list(sizes.iter().map(|&n| n as i64).collect()))
}

pub(super) fn shape(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let shape = l.shape(call.input(0)?).to_vec();
    let rank = shape.len() as i64;
    let place = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let (start, end) = (place(call.int("start", 0)?), place(call.int("end", rank)?));
    Ok(vec![list(l, shape.get(start..end).unwrap_or(&[]))])
}

pub(super) fn size(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let n: usize = l.shape(call.input(0)?).iter().product();
    Ok(vec![l.constant(Array::ints(vec![], vec![n as i64]))])
}

pub(super) fn reshape(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let target = call.input_ints(l, 1)?;
    let from = l.shape(x).to_vec();
    let allow_zero = call.flag("allowzero", false)?;
    let mut shape = Vec::with_capacity(target.len());
    let mut open = None;
    for (i, &n) in target.iter().enumerate() {
        shape.push(match n {
            0 if !allow_zero => {
                *from.get(i).ok_or_else(|| problem!("keeps dimension {i}, which is not there"))?
            }
            -1 if open.is_none() => {
                open = Some(i);
                1
            }
            _ => usize::try_from(n).map_err(|_| problem!("makes the impossible shape {target:?}"))?,
        });
    }
    if let Some(open) = open {
        let others = shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n)).filter(|&n| n > 0);
        let all: usize = from.iter().product();
        shape[open] = others
            .filter(|others| all.is_multiple_of(*others))
            .map(|others| all / others)
            .ok_or_else(|| problem!("cannot make shape {target:?} of {from:?}"))?;
    }
    Ok(vec![l.reshape(x, shape)?])
}

pub(super) fn flatten(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let shape = l.shape(x).to_vec();
    let axis = call.int("axis", 1)?;
    let rank = shape.len() as i64;
    let axis = if axis < 0 { axis.saturating_add(rank) } else { axis };
    if !(0..=rank).contains(&axis) {
        return Err(problem!("its axis {axis} is beyond rank {rank}"));
    }
    let (rows, columns) = shape.split_at(axis as usize);
    Ok(vec![l.reshape(x, vec![rows.iter().product(), columns.iter().product()])?])
}

pub(super) fn squeeze(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let shape = l.shape(x).to_vec();
    let axes = match call.ints_either(l, "axes", 1)? {
        Some(axes) => axes_of(&axes, shape.len())?,
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
    };
    if let Some(&axis) = axes.iter().find(|&&axis| shape[axis] != 1) {
        return Err(problem!("removes axis {axis}, which is {} long", shape[axis]));
    }
    let kept = (0..shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]).collect();
    Ok(vec![l.reshape(x, kept)?])
}

pub(super) fn unsqueeze(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let axes = call.ints_either(l, "axes", 1)?.ok_or_else(|| problem!("says no axes"))?;
    let shape = l.shape(x).to_vec();
    let rank = shape.len() + axes.len();
    let axes = axes_of(&axes, rank)?;
    let mut rest = shape.into_iter();
    let shape = (0..rank).map(|i| if axes.contains(&i) { 1 } else { rest.next().unwrap_or(1) }).collect();
    Ok(vec![l.reshape(x, shape)?])
}

pub(super) fn transpose(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let rank = l.rank(x);
    let permutation = match call.ints("perm")? {
        Some(axes) => axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = permutation.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        return Err(problem!("its perm {permutation:?} is no order of {rank} axes"));
    }
    Ok(vec![l.transpose(x, &permutation)?])
}

pub(super) fn expand(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let to = sizes(&call.input_ints(l, 1)?)?;
    let shape = super::broadcast_shapes(l.shape(x), &to)
        .ok_or_else(|| problem!("cannot repeat shape {:?} to {to:?}", l.shape(x)))?;
    Ok(vec![l.expand(x, shape)?])
}

/// A list of sizes.
pub(super) fn sizes(values: &[i64]) -> Result<Vec<usize>, OpError> {
    let size = |&n: &i64| usize::try_from(n).map_err(|_| problem!("has a size of {n}"));
    values.iter().map(size).collect()
}

pub(super) fn tile(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let repeats = sizes(&call.input_ints(l, 1)?)?;
    let shape = l.shape(x).to_vec();
    if repeats.len() != shape.len() {
        return Err(problem!("repeats {} axes of a value of rank {}", repeats.len(), shape.len()));
    }
    if repeats.iter().all(|&n| n == 1) {
        return Ok(vec![x]);
    }
    let repeated = shape.iter().zip(&repeats).map(|(&n, &times)| n.checked_mul(times));
    let repeated =
        repeated.collect::<Option<Vec<_>>>().ok_or_else(|| problem!("repeats beyond all sizes"))?;
    let kind = l.kind(x);
    Ok(vec![l.emit(Kernel::Tile, &[x], repeated, kind)?])
}

pub(super) fn concat(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let ids = call.all_inputs()?;
    let axis = axis_of(call.int("axis", 1)?, l.rank(ids[0]))?;
    let kind = l.kind(ids[0]);
    let mut shape = l.shape(ids[0]).to_vec();
    for &id in &ids[1..] {
        l.expect_kind(id, kind)?;
        let other = l.shape(id);
        let fits = other.len() == shape.len() && (0..shape.len()).all(|i| i == axis || other[i] == shape[i]);
        if !fits {
            return Err(problem!("joins shapes {shape:?} and {other:?} along axis {axis}"));
        }
        shape[axis] = shape[axis].saturating_add(other[axis]);
    }
    if ids.len() == 1 {
        return Ok(ids);
    }
    Ok(vec![l.emit(Kernel::Concat { axis }, &ids, shape, kind)?])
}

pub(super) fn split(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let axis = axis_of(call.int("axis", 0)?, l.rank(x))?;
    let whole = l.shape(x)[axis];
    let parts = match call.ints_either(l, "split", 1)? {
        Some(parts) => sizes(&parts)?,
        None => {
            let n = match call.int("num_outputs", 0)? {
                0 => call.node.outputs.len(),
                n => usize::try_from(n).unwrap_or(0),
            };
            if n == 0 || n > 1 << 16 {
                return Err(problem!("splits into {n} parts"));
            }
            let size = whole.div_ceil(n);
            (0..n).map(|i| whole.saturating_sub(i * size).min(size)).collect()
        }
    };
    if parts.iter().try_fold(0usize, |all, &n| all.checked_add(n)) != Some(whole) {
        return Err(problem!("splits {whole} into {parts:?}"));
    }
    let mut start = 0;
    let mut made = vec![];
    for n in parts {
        made.push(l.slice_axis(x, axis, start, n)?);
        start += n;
    }
    Ok(made)
}

pub(super) fn slice(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let rank = l.rank(x);
    let (first, last, axes, steps) = if call.opset < 10 {
        let first = call.ints("starts")?.ok_or_else(|| problem!("says no starts"))?;
        let last = call.ints("ends")?.ok_or_else(|| problem!("says no ends"))?;
        (first, last, call.ints("axes")?, None)
    } else {
        let (first, last) = (call.input_ints(l, 1)?, call.input_ints(l, 2)?);
        (first, last, call.optional_ints(l, 3)?, call.optional_ints(l, 4)?)
    };
    let axes = axes.unwrap_or_else(|| (0..first.len() as i64).collect());
    let by = steps.unwrap_or_else(|| vec![1; first.len()]);
    if last.len() != first.len() || axes.len() != first.len() || by.len() != first.len() {
        return Err(problem!("its lists of starts, ends, axes and steps differ in length"));
    }
    let mut shape = l.shape(x).to_vec();
    let (mut starts, mut steps) = (vec![0; rank], vec![1i64; rank]);
    for i in 0..first.len() {
        let axis = axis_of(axes[i], rank)?;
        let n = l.shape(x)[axis] as i64;
        let step = by[i];
        if step == 0 {
            return Err(problem!("has a step of 0"));
        }
        let place = |at: i64| if at < 0 { at.saturating_add(n) } else { at };
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let start = place(first[i]).clamp(if step > 0 { 0 } else { -1 }, high);
        let end = place(last[i]).clamp(low, high);
        let count = if step > 0 {
            (end - start).max(0).unsigned_abs().div_ceil(step.unsigned_abs())
        } else {
            (start - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs())
        };
        shape[axis] = count as usize;
        starts[axis] = start.max(0) as usize;
        steps[axis] = step;
    }
    if shape == l.shape(x) && steps.iter().all(|&step| step == 1) {
        return Ok(vec![x]);
    }
    let kind = l.kind(x);
    Ok(vec![l.emit(Kernel::Slice { starts, steps }, &[x], shape, kind)?])
}

pub(super) fn pad(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let rank = l.rank(x);
    let fill = match call.string("mode", "constant")? {
        "constant" => PadFill::Constant,
        "reflect" => PadFill::Reflect,
        "edge" => PadFill::Edge,
        "wrap" => PadFill::Wrap,
        other => return Err(problem!("pads in mode {other:?}, which Pegbar does not know")),
    };
    let (pads, value) = if call.opset < 11 {
        let value = l.constant(Array::floats(vec![], vec![call.float("value", 0.0)?]));
        (call.ints("pads")?.ok_or_else(|| problem!("says no pads"))?, Some(value))
    } else {
        (call.input_ints(l, 1)?, call.optional(2))
    };
    let axes = match call.optional_ints(l, 3)? {
        Some(axes) => axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(problem!("has {} paddings for {} axes", pads.len(), axes.len()));
    }
    let (mut before, mut after) = (vec![0i64; rank], vec![0i64; rank]);
    for (i, &axis) in axes.iter().enumerate() {
        (before[axis], after[axis]) = (pads[i], pads[axes.len() + i]);
    }
    if before.iter().chain(&after).all(|&n| n == 0) {
        return Ok(vec![x]);
    }
    let from = l.shape(x).to_vec();
    let mut shape = vec![];
    for axis in 0..rank {
        let n = from[axis] as i64;
        let padded = n.checked_add(before[axis]).and_then(|n| n.checked_add(after[axis]));
        let padded = padded.and_then(|n| usize::try_from(n).ok());
        shape.push(padded.ok_or_else(|| problem!("pads axis {axis} of {n} to less than nothing"))?);
        let reach = match fill {
            PadFill::Constant => i64::MAX,
            PadFill::Reflect => n - 1,
            PadFill::Wrap => n,
            PadFill::Edge if n > 0 => i64::MAX,
            PadFill::Edge => 0,
        };
        if before[axis].max(after[axis]) > reach {
            return Err(problem!(
                "pads axis {axis} by {} and {}, more than the {n} elements there are",
                before[axis],
                after[axis]
            ));
        }
    }
    let kind = l.kind(x);
    let mut inputs = vec![x];
    if let Some(value) = value.filter(|_| fill == PadFill::Constant) {
        l.expect_kind(value, kind)?;
        if l.shape(value).iter().product::<usize>() != 1 {
            return Err(problem!("pads with more than one number"));
        }
        inputs.push(value);
    }
    Ok(vec![l.emit(Kernel::Pad { fill, before }, &inputs, shape, kind)?])
}

pub(super) fn constant(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let array = if let Some(tensor) = call.tensor("value")? {
        tensor
    } else if let Some(values) = call.ints("value_ints")? {
        Array::list(values)
    } else if let Some(values) = call.floats("value_floats")? {
        Array::floats(vec![values.len()], values)
    } else if call.node.attributes.contains_key("value_int") {
        Array::ints(vec![], vec![call.int("value_int", 0)?])
    } else if call.node.attributes.contains_key("value_float") {
        Array::floats(vec![], vec![call.float("value_float", 0.0)?])
    } else {
        return Err(problem!("holds no tensor of numbers"));
    };
    Ok(vec![l.constant(array)])
}

pub(super) fn constant_of_shape(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let shape = sizes(&call.input_ints(l, 0)?)?;
    let value = call.tensor("value")?.unwrap_or_else(|| Array::floats(vec![1], vec![0.0]));
    if value.n_elements() != 1 {
        return Err(problem!("is filled with {} values", value.n_elements()));
    }
    let value = l.constant(value.reshaped(vec![]));
    Ok(vec![l.expand(value, shape)?])
}

pub(super) fn range(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let [start, limit, delta] = [0, 1, 2].map(|i| call.input(i).and_then(|id| l.known(id, i).cloned()));
    let (start, limit, delta) = (start?, limit?, delta?);
    const MOST: f64 = (1 << 24) as f64;
    let count = |n: f64| match n.ceil().max(0.0) {
        n if n <= MOST => Ok(n as usize),
        n => Err(problem!("counts {n} numbers, refused")),
    };
    let array = match (start.as_ints(), limit.as_ints(), delta.as_ints()) {
        (Some(&[start]), Some(&[limit]), Some(&[delta])) if delta != 0 => {
            let n = count((limit as f64 - start as f64) / delta as f64)?;
            l.spend(n)?;
            Array::list((0..n as i64).map(|i| start.wrapping_add(i.wrapping_mul(delta))).collect())
        }
        _ => match (start.as_floats(), limit.as_floats(), delta.as_floats()) {
            (Some(&[start]), Some(&[limit]), Some(&[delta])) if delta != 0.0 => {
                let n = count((f64::from(limit) - f64::from(start)) / f64::from(delta))?;
                l.spend(n)?;
                Array::floats(vec![n], (0..n).map(|i| start + i as f32 * delta).collect())
            }
            _ => return Err(problem!("counts from something that is not one number")),
        },
    };
    Ok(vec![l.constant(array)])
}

pub(super) fn eye_like(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let &[rows, columns] = l.shape(x) else { return Err(problem!("makes matrices only")) };
    let (k, to) = (call.int("k", 0)?, call.int("dtype", 0)?);
    if rows.saturating_mul(columns) > 1 << 24 {
        return Err(problem!("would make a matrix of {rows} x {columns}, refused"));
    }
    l.spend(rows * columns)?;
    let ones = (0..rows * columns).map(|i| (i % columns) as i64 - (i / columns) as i64 == k);
    let is_float = match to {
        0 => l.kind(x) == ElementKind::Float,
        to => matches!(to, 1 | 10 | 11 | 16),
    };
    let array = if is_float {
        Array::floats(vec![rows, columns], ones.map(|one| f32::from(u8::from(one))).collect())
    } else {
        Array::ints(vec![rows, columns], ones.map(i64::from).collect())
    };
    Ok(vec![l.constant(array)])
}

/// Blocks of pixels to channels or back: a reshape, a transposition, a reshape.
pub(super) fn depth_and_space(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let block = usize::try_from(call.int("blocksize", 0)?).ok().filter(|b| (1..=1 << 12).contains(b));
    let b = block.ok_or_else(|| problem!("has an impossible block size"))?;
    let &[n, c, h, w] = l.shape(x) else { return Err(problem!("rearranges pictures [N, C, H, W] only")) };
    if call.node.op_type == "SpaceToDepth" {
        if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
            return Err(problem!("cuts {h} x {w} into blocks of {b}"));
        }
        let x = l.reshape(x, vec![n, c, h / b, b, w / b, b])?;
        let x = l.transpose(x, &[0, 3, 5, 1, 2, 4])?;
        return Ok(vec![l.reshape(x, vec![n, c * b * b, h / b, w / b])?]);
    }
    if !c.is_multiple_of(b * b) {
        return Err(problem!("makes blocks of {b} from {c} channels"));
    }
    let depth = c / (b * b);
    let (split, permutation) = match call.string("mode", "DCR")? {
        "DCR" => (vec![n, b, b, depth, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => (vec![n, depth, b, b, h, w], [0, 1, 4, 2, 5, 3]),
        other => return Err(problem!("its mode is {other:?}; DCR and CRD are known")),
    };
    let x = l.reshape(x, split)?;
    let x = l.transpose(x, &permutation)?;
    Ok(vec![l.reshape(x, vec![n, depth, h * b, w * b])?])
}

pub(super) fn trilu(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    if l.rank(x) < 2 {
        return Err(problem!("works on matrices"));
    }
    let diagonal = call.optional_ints(l, 1)?.and_then(|values| values.first().copied()).unwrap_or(0);
    let (shape, kind) = (l.shape(x).to_vec(), l.kind(x));
    let kernel = Kernel::Triangle { upper: call.flag("upper", true)?, diagonal };
    Ok(vec![l.emit(kernel, &[x], shape, kind)?])
}

pub(super) fn non_zero(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = l.known(call.input(0)?, 0)?.clone();
    let places: Vec<usize> =
        x.to_floats().iter().enumerate().filter(|(_, v)| **v != 0.0).map(|(i, _)| i).collect();
    l.spend(places.len() * (1 + x.shape().len()))?;
    let mut data = Vec::with_capacity(places.len() * x.shape().len());
    for (axis, stride) in super::super::row_major_strides(x.shape()).into_iter().enumerate() {
        data.extend(places.iter().map(|&at| (at / stride % x.shape()[axis]) as i64));
    }
    Ok(vec![l.constant(Array::ints(vec![x.shape().len(), places.len()], data))])
}

pub(super) fn compress(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let mut x = call.input(0)?;
    let axis = match call.node.attributes.contains_key("axis") {
        true => axis_of(call.int("axis", 0)?, l.rank(x))?,
        false => {
            let n = l.shape(x).iter().product();
            x = l.reshape(x, vec![n])?;
            0
        }
    };
    let condition = l.known(call.input(1)?, 1)?;
    let kept: Vec<i64> =
        condition.to_floats().iter().enumerate().filter(|(_, v)| **v != 0.0).map(|(i, _)| i as i64).collect();
    let n = kept.len();
    if kept.last().is_some_and(|&last| last as usize >= l.shape(x)[axis]) {
        return Err(problem!("keeps elements beyond the end"));
    }
    let places = l.constant(Array::list(kept));
    let (mut shape, kind) = (l.shape(x).to_vec(), l.kind(x));
    shape[axis] = n;
    Ok(vec![l.emit(Kernel::Gather { axis }, &[x, places], shape, kind)?])
}

pub(super) fn one_hot(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (places, depth, values) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let depth = l.known(depth, 1)?.to_floats();
    let depth = match depth[..] {
        [n] if (0.0..=65536.0).contains(&n) => n as usize,
        _ => return Err(problem!("has an impossible depth")),
    };
    let places = super::elementwise::cast(l, places, Int)?;
    let mut shape = l.shape(places).to_vec();
    let axis = axis_of(call.int("axis", -1)?, shape.len() + 1)?;
    shape.insert(axis, depth);
    if l.shape(values) != [2] {
        return Err(problem!("needs two values, for off and on"));
    }
    let kind = l.kind(values);
    Ok(vec![l.emit(Kernel::OneHot { axis }, &[places, values], shape, kind)?])
}
