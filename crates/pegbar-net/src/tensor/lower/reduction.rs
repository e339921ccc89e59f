//! Sums, means, extremes along axes.

use super::super::attributes::{Call, axes_of, axis_of};
use super::super::program::ValueId;
use super::super::{ElementKind, Kernel, Reduction};
use super::Lowering;
use crate::import::error::{OpError, problem};
use ElementKind::Int;

type Made = Result<Vec<ValueId>, OpError>;

/// Over axes, which become 1.
pub(super) fn reduce(
    l: &mut Lowering<'_>,
    x: ValueId,
    function: Reduction,
    axes: Vec<usize>,
) -> Result<ValueId, OpError> {
    let mut shape = l.shape(x).to_vec();
    if matches!(function, Reduction::Max | Reduction::Min | Reduction::Mean)
        && axes.iter().any(|&axis| shape[axis] == 0)
        && l.kind(x) == Int
    {
        return Err(problem!("reduces nothing"));
    }
    for &axis in &axes {
        shape[axis] = 1;
    }
    let kind = l.kind(x);
    l.emit(Kernel::Reduce { function, axes }, &[x], shape, kind)
}

pub(super) fn reduction(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let function = match call.node.op_type.as_str() {
        "ReduceSum" => Reduction::Sum,
        "ReduceMean" => Reduction::Mean,
        "ReduceMax" => Reduction::Max,
        "ReduceMin" => Reduction::Min,
        "ReduceProd" => Reduction::Product,
        "ReduceL1" => Reduction::L1,
        "ReduceL2" => Reduction::L2,
        "ReduceSumSquare" => Reduction::SumOfSquares,
        "ReduceLogSum" => Reduction::LogSum,
        _ => Reduction::LogSumExp,
    };
    let rank = l.rank(x);
    let axes = match call.ints_either(l, "axes", 1)? {
        Some(axes) if !axes.is_empty() => axes_of(&axes, rank)?,
        _ if call.flag("noop_with_empty_axes", false)? => {
            // Nothing is joined, but squares and logarithms are still taken.
            vec![]
        }
        _ => (0..rank).collect(),
    };
    let made = reduce(l, x, function, axes.clone())?;
    if call.flag("keepdims", true)? {
        return Ok(vec![made]);
    }
    let shape = l.shape(made).to_vec();
    let kept = (0..rank).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]).collect();
    Ok(vec![l.reshape(made, kept)?])
}

pub(super) fn arg_extreme(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let axis = axis_of(call.int("axis", 0)?, l.rank(x))?;
    let mut shape = l.shape(x).to_vec();
    if shape[axis] == 0 {
        return Err(problem!("looks for the largest of nothing"));
    }
    shape[axis] = 1;
    let kernel = Kernel::ArgExtreme {
        axis,
        largest: call.node.op_type == "ArgMax",
        last: call.flag("select_last_index", false)?,
    };
    let made = l.emit(kernel, &[x], shape.clone(), Int)?;
    if call.flag("keepdims", true)? {
        return Ok(vec![made]);
    }
    shape.remove(axis);
    Ok(vec![l.reshape(made, shape)?])
}

pub(super) fn cum_sum(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let axis = call.input_ints(l, 1)?;
    let axis = axis_of(axis.first().copied().unwrap_or(0), l.rank(x))?;
    let kernel = Kernel::CumSum {
        axis,
        exclusive: call.flag("exclusive", false)?,
        reverse: call.flag("reverse", false)?,
    };
    let (shape, kind) = (l.shape(x).to_vec(), l.kind(x));
    Ok(vec![l.emit(kernel, &[x], shape, kind)?])
}

pub(super) fn top_k(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let axis = axis_of(call.int("axis", -1)?, l.rank(x))?;
    let k = match call.opset {
        ..10 => call.int("k", 0)?,
        _ => call.input_ints(l, 1)?.first().copied().unwrap_or(0),
    };
    let mut shape = l.shape(x).to_vec();
    shape[axis] = usize::try_from(k)
        .ok()
        .filter(|&k| k <= shape[axis])
        .ok_or_else(|| problem!("wants {k} of {} elements", shape[axis]))?;
    let largest = call.flag("largest", true)?;
    let kind = l.kind(x);
    let values = l.emit(Kernel::TopK { axis, largest, places: false }, &[x], shape.clone(), kind)?;
    let places = l.emit(Kernel::TopK { axis, largest, places: true }, &[x], shape, Int)?;
    Ok(vec![values, places])
}
