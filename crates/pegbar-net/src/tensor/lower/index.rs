//! Reading and writing by indices.

use super::super::attributes::{Call, axis_of};
use super::super::program::ValueId;
use super::super::{ElementKind, Kernel, Scatter};
use super::Lowering;
use crate::import::error::{OpError, problem};
use ElementKind::Int;

type Made = Result<Vec<ValueId>, OpError>;

pub(super) fn gather(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (x, places) = (call.input(0)?, call.input(1)?);
    l.expect_kind(places, Int)?;
    let axis = axis_of(call.int("axis", 0)?, l.rank(x))?;
    let from = l.shape(x).to_vec();
    let shape: Vec<usize> = [&from[..axis], l.shape(places), &from[axis + 1..]]
        .iter()
        .flat_map(|part| part.iter().copied())
        .collect();
    // One or several neighbours are a slice, which costs less.
    if let Some(known) = l.if_known(places).and_then(|array| array.as_ints()) {
        let n = from[axis] as i64;
        let at = |place: i64| if place < 0 { place.saturating_add(n) } else { place };
        if let Some(&place) = known.iter().find(|&&place| !(0..n).contains(&at(place))) {
            return Err(problem!("reads element {place} of {n}"));
        }
        if let Some(&first) = known.first()
            && known.windows(2).all(|pair| at(pair[1]) == at(pair[0]) + 1)
        {
            let (first, count) = (at(first) as usize, known.len());
            let part = l.slice_axis(x, axis, first, count)?;
            return Ok(vec![l.reshape(part, shape)?]);
        }
    }
    let kind = l.kind(x);
    Ok(vec![l.emit(Kernel::Gather { axis }, &[x, places], shape, kind)?])
}

pub(super) fn gather_elements(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (x, places) = (call.input(0)?, call.input(1)?);
    l.expect_kind(places, Int)?;
    let axis = axis_of(call.int("axis", 0)?, l.rank(x))?;
    let shape = l.shape(places).to_vec();
    fits_within(l, &shape, x, axis)?;
    let kind = l.kind(x);
    Ok(vec![l.emit(Kernel::GatherElements { axis }, &[x, places], shape, kind)?])
}

fn fits_within(l: &Lowering<'_>, shape: &[usize], x: ValueId, axis: usize) -> Result<(), OpError> {
    let from = l.shape(x);
    let fits = shape.len() == from.len() && (0..from.len()).all(|i| i == axis || shape[i] <= from[i]);
    if fits { Ok(()) } else { Err(problem!("has indices of shape {shape:?} for {from:?}")) }
}

pub(super) fn gather_nd(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (x, places) = (call.input(0)?, call.input(1)?);
    l.expect_kind(places, Int)?;
    let batch_dims = usize::try_from(call.int("batch_dims", 0)?).unwrap_or(usize::MAX);
    let (from, at) = (l.shape(x).to_vec(), l.shape(places).to_vec());
    let depth = at.last().copied().unwrap_or(0);
    let fits = batch_dims < at.len()
        && batch_dims <= from.len()
        && from[..batch_dims] == at[..batch_dims]
        && depth <= from.len() - batch_dims;
    if !fits {
        return Err(problem!("has indices of shape {at:?} for {from:?}"));
    }
    let shape = [&at[..at.len() - 1], &from[batch_dims + depth..]].concat();
    let kind = l.kind(x);
    Ok(vec![l.emit(Kernel::GatherNd { batch_dims }, &[x, places], shape, kind)?])
}

fn scatter_of(call: &Call<'_>) -> Result<Scatter, OpError> {
    Ok(match call.string("reduction", "none")? {
        "none" => Scatter::Replace,
        "add" => Scatter::Add,
        "mul" => Scatter::Mul,
        "max" => Scatter::Max,
        "min" => Scatter::Min,
        other => return Err(problem!("its reduction is {other:?}, which Pegbar does not know")),
    })
}

pub(super) fn scatter_elements(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (x, places, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
    l.expect_kind(places, Int)?;
    let kind = l.kind(x);
    l.expect_kind(updates, kind)?;
    let axis = axis_of(call.int("axis", 0)?, l.rank(x))?;
    let at = l.shape(places).to_vec();
    fits_within(l, &at, x, axis)?;
    if l.shape(updates) != at {
        return Err(problem!("has {at:?} indices for updates of shape {:?}", l.shape(updates)));
    }
    let (shape, scatter) = (l.shape(x).to_vec(), scatter_of(call)?);
    Ok(vec![l.emit(Kernel::ScatterElements { axis, scatter }, &[x, places, updates], shape, kind)?])
}

pub(super) fn scatter_nd(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (x, places, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
    l.expect_kind(places, Int)?;
    let kind = l.kind(x);
    l.expect_kind(updates, kind)?;
    let (shape, at) = (l.shape(x).to_vec(), l.shape(places).to_vec());
    let depth = at.last().copied().unwrap_or(usize::MAX);
    if depth > shape.len() || l.shape(updates) != [&at[..at.len() - 1], &shape[depth..]].concat() {
        return Err(problem!("writes {:?} at indices of shape {at:?} into {shape:?}", l.shape(updates)));
    }
    let scatter = scatter_of(call)?;
    Ok(vec![l.emit(Kernel::ScatterNd { scatter }, &[x, places, updates], shape, kind)?])
}
