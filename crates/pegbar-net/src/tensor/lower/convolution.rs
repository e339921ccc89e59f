//! Convolutions and pooling.

use super::super::attributes::Call;
use super::super::program::ValueId;
use super::super::{ConvWindow, ElementKind, Kernel, PoolFunction, Reduction};
use super::Lowering;
use crate::import::error::{OpError, problem};
use ElementKind::Float;

type Made = Result<Vec<ValueId>, OpError>;

/// Larger windows, steps and paddings are none of a network's.
const MAX_STEP: i64 = 1 << 16;

fn sizes(call: &Call<'_>, name: &str, n: usize, default: usize, least: i64) -> Result<Vec<usize>, OpError> {
    let Some(values) = call.ints(name)? else { return Ok(vec![default; n]) };
    if values.len() != n || values.iter().any(|v| !(least..=MAX_STEP).contains(v)) {
        return Err(problem!("its attribute {name} is {values:?}, for {n} axes"));
    }
    Ok(values.into_iter().map(|v| v as usize).collect())
}

/// Window, step and padding over the axes of `spatial`, and the size of the result along them. With `round_up` a window
/// that leaves the padding counts, if it begins inside.
fn window(
    call: &Call<'_>,
    spatial: &[usize],
    size: &[usize],
    round_up: bool,
) -> Result<(ConvWindow, Vec<usize>), OpError> {
    let n = spatial.len();
    let stride = sizes(call, "strides", n, 1, 1)?;
    let dilation = sizes(call, "dilations", n, 1, 1)?;
    let pads = sizes(call, "pads", 2 * n, 0, 0)?;
    let (mut before, mut after) = (pads[..n].to_vec(), pads[n..].to_vec());
    let mut made = vec![];
    for i in 0..n {
        let extent = dilation[i] * size[i].saturating_sub(1) + 1;
        let same = |x: usize| {
            let out = x.div_ceil(stride[i]);
            ((out.saturating_sub(1)) * stride[i] + extent).saturating_sub(x)
        };
        match call.string("auto_pad", "NOTSET")? {
            "NOTSET" => {}
            "VALID" => (before[i], after[i]) = (0, 0),
            "SAME_UPPER" => {
                let total = same(spatial[i]);
                (before[i], after[i]) = (total / 2, total - total / 2);
            }
            "SAME_LOWER" => {
                let total = same(spatial[i]);
                (before[i], after[i]) = (total - total / 2, total / 2);
            }
            other => return Err(problem!("its auto_pad is {other:?}, which Pegbar does not know")),
        }
        let room = (spatial[i] + before[i] + after[i]).checked_sub(extent).ok_or_else(|| {
            problem!("its window of {extent} is larger than the {} elements there are", spatial[i])
        })?;
        let mut steps = room / stride[i];
        if round_up {
            steps = room.div_ceil(stride[i]);
            if steps * stride[i] >= spatial[i] + before[i] {
                steps -= 1;
            }
        }
        made.push(steps + 1);
    }
    Ok((ConvWindow { stride, dilation, before, after, groups: 1 }, made))
}

fn bias(l: &Lowering<'_>, call: &Call<'_>, channels: usize) -> Result<Option<ValueId>, OpError> {
    let Some(id) = call.optional(2) else { return Ok(None) };
    l.expect_kind(id, Float)?;
    if l.shape(id) != [channels] {
        return Err(problem!("has a bias of shape {:?} for {channels} channels", l.shape(id)));
    }
    Ok(Some(id))
}

fn groups(call: &Call<'_>) -> Result<usize, OpError> {
    match call.int("group", 1)? {
        n @ 1..=MAX_STEP => Ok(n as usize),
        n => Err(problem!("has {n} groups")),
    }
}

pub(super) fn conv(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (mut x, mut weight) = (call.input(0)?, call.input(1)?);
    l.expect_kind(x, Float)?;
    l.expect_kind(weight, Float)?;
    let (from, taps) = (l.shape(x).to_vec(), l.shape(weight).to_vec());
    let groups = groups(call)?;
    if from.len() < 3
        || from.len() > 5
        || taps.len() != from.len()
        || taps[1].checked_mul(groups) != Some(from[1])
        || !taps[0].is_multiple_of(groups)
    {
        return Err(problem!("convolves {from:?} with {taps:?} in {groups} groups"));
    }
    if call
        .ints("kernel_shape")?
        .is_some_and(|shape| shape.iter().ne(taps[2..].iter().map(|&n| n as i64).collect::<Vec<_>>().iter()))
    {
        return Err(problem!("its kernel_shape is not that of its weight {taps:?}"));
    }
    let (mut window, made) = window(call, &from[2..], &taps[2..], false)?;
    window.groups = groups;
    let mut shape = vec![from[0], taps[0]];
    shape.extend(&made);
    let bias = bias(l, call, taps[0])?;
    // One axis is a picture one pixel high.
    let is_line = from.len() == 3;
    if is_line {
        x = l.reshape(x, vec![from[0], from[1], 1, from[2]])?;
        weight = l.reshape(weight, vec![taps[0], taps[1], 1, taps[2]])?;
        for (list, value) in [(&mut window.stride, 1), (&mut window.dilation, 1)] {
            list.insert(0, value);
        }
        window.before.insert(0, 0);
        window.after.insert(0, 0);
        shape.insert(2, 1);
    }
    let inputs: Vec<ValueId> = [x, weight].into_iter().chain(bias).collect();
    let made = l.emit(Kernel::Conv(window), &inputs, shape.clone(), Float)?;
    if is_line {
        shape.remove(2);
    }
    Ok(vec![l.reshape(made, shape)?])
}

pub(super) fn conv_transpose(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (x, weight) = (call.input(0)?, call.input(1)?);
    l.expect_kind(x, Float)?;
    l.expect_kind(weight, Float)?;
    let (from, taps) = (l.shape(x).to_vec(), l.shape(weight).to_vec());
    let groups = groups(call)?;
    let fits = (3..=5).contains(&from.len())
        && taps.len() == from.len()
        && taps[0] == from[1]
        && from[1].is_multiple_of(groups);
    let channels = taps.get(1).and_then(|n| n.checked_mul(groups)).filter(|_| fits);
    let channels = channels.ok_or_else(|| problem!("convolves {from:?} with {taps:?} in {groups} groups"))?;
    let n = from.len() - 2;
    let stride = sizes(call, "strides", n, 1, 1)?;
    let dilation = sizes(call, "dilations", n, 1, 1)?;
    let pads = sizes(call, "pads", 2 * n, 0, 0)?;
    let added = sizes(call, "output_padding", n, 0, 0)?;
    let wanted = call.ints("output_shape")?.map(|shape| super::layout::sizes(&shape)).transpose()?;
    let auto = call.string("auto_pad", "NOTSET")?;
    let (mut before, mut after) = (pads[..n].to_vec(), pads[n..].to_vec());
    let mut shape = vec![from[0], channels];
    for i in 0..n {
        let extent = dilation[i] * taps[2 + i].saturating_sub(1) + 1;
        let full = stride[i] * from[2 + i].saturating_sub(1) + added[i] + extent;
        let wanted = match &wanted {
            Some(wanted) => wanted.len().checked_sub(n).and_then(|first| wanted.get(first + i)).copied(),
            None if auto.starts_with("SAME") => Some(from[2 + i] * stride[i]),
            None => None,
        };
        if let Some(wanted) = wanted {
            let total = full.saturating_sub(wanted);
            let half = total / 2;
            (before[i], after[i]) =
                if auto == "SAME_UPPER" { (half, total - half) } else { (total - half, half) };
            shape.push(wanted);
        } else {
            let size = full.checked_sub(before[i] + after[i]).filter(|&size| size > 0);
            shape.push(size.ok_or_else(|| problem!("cuts {} and {} of {full}", before[i], after[i]))?);
        }
    }
    let inputs: Vec<ValueId> = [x, weight].into_iter().chain(bias(l, call, channels)?).collect();
    let window = ConvWindow { stride, dilation, before, after, groups };
    Ok(vec![l.emit(Kernel::ConvTranspose(window), &inputs, shape, Float)?])
}

pub(super) fn pool(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    l.expect_kind(x, Float)?;
    if call.wants_output(1) {
        return Err(problem!("tells where the largest values are, which Pegbar does not do"));
    }
    let shape = l.shape(x).to_vec();
    if !(3..=5).contains(&shape.len()) {
        return Err(problem!("pools a value of shape {shape:?}"));
    }
    let n = shape.len() - 2;
    let size = sizes(call, "kernel_shape", n, 1, 1)?;
    let function = match call.node.op_type.as_str() {
        "MaxPool" => PoolFunction::Max,
        "LpPool" => PoolFunction::Lp(call.int("p", 2)? as f32),
        _ => PoolFunction::Average { count_pad: call.flag("count_include_pad", false)? },
    };
    let (window, made) = window(call, &shape[2..], &size, call.flag("ceil_mode", false)?)?;
    let out = [&shape[..2], &made[..]].concat();
    Ok(vec![l.emit(Kernel::Pool { function, size, window }, &[x], out, Float)?])
}

pub(super) fn global_pool(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    l.expect_kind(x, Float)?;
    if l.rank(x) < 3 {
        return Err(problem!("pools a value of shape {:?}", l.shape(x)));
    }
    let function = if call.node.op_type == "GlobalMaxPool" { Reduction::Max } else { Reduction::Mean };
    let axes = (2..l.rank(x)).collect();
    Ok(vec![super::reduction::reduce(l, x, function, axes)?])
}
