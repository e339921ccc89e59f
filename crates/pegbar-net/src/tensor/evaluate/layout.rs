//! Kernels that only move elements.

use super::super::strides::for_each_run;
use super::super::{Array, Kernel, PadFill, broadcast_strides, row_major_strides};

/// The moved elements. `lists` are those inputs, from the first on, that are of its kind.
pub(super) fn moved<T: Copy + Default>(
    kernel: &Kernel,
    inputs: &[&Array],
    lists: &[&[T]],
    shape: &[usize],
) -> Result<Vec<T>, String> {
    let (x, from) = (lists[0], inputs[0].shape());
    let own = row_major_strides(from);
    let last = |strides: &[usize]| strides.last().copied().unwrap_or(0);
    let n = shape.last().copied().unwrap_or(1);
    let elements: usize = shape.iter().product();
    let mut made = Vec::with_capacity(elements);
    let mut strided = |start: usize, strides: &[usize]| {
        let step = last(strides);
        for_each_run(shape, [strides], |[at]| made.extend((0..n).map(|i| x[start + at + i * step])));
    };
    match kernel {
        Kernel::Transpose { permutation } => {
            strided(0, &permutation.iter().map(|&axis| own[axis]).collect::<Vec<_>>());
        }
        Kernel::Expand => strided(0, &broadcast_strides(from, shape)),
        Kernel::Slice { starts, steps } if steps.iter().all(|&step| step > 0) => {
            let start = starts.iter().zip(&own).map(|(start, stride)| start * stride).sum();
            let strides: Vec<usize> =
                own.iter().zip(steps).map(|(stride, &step)| stride.saturating_mul(step as usize)).collect();
            // A step beyond all elements is never taken.
            let strides: Vec<usize> =
                strides.iter().zip(shape).map(|(&s, &n)| if n <= 1 { 0 } else { s }).collect();
            strided(start, &strides);
        }
        Kernel::Slice { starts, steps } => {
            made.extend(
                places(shape, |axis, at| starts[axis] as i64 + at as i64 * steps[axis], &own).map(|at| x[at]),
            );
        }
        Kernel::Tile => made.extend(places(shape, |axis, at| (at % from[axis]) as i64, &own).map(|at| x[at])),
        Kernel::Concat { axis } => {
            let inner: usize = shape[axis + 1..].iter().product();
            let outer: usize = shape[..*axis].iter().product();
            for row in 0..outer {
                for (list, input) in lists.iter().zip(inputs) {
                    let run = input.shape()[*axis] * inner;
                    made.extend_from_slice(&list[row * run..(row + 1) * run]);
                }
            }
        }
        Kernel::Pad { fill, before } => {
            let border = lists.get(1).and_then(|list| list.first()).copied().unwrap_or_default();
            made = pad(x, from, *fill, before, border, shape);
        }
        Kernel::Triangle { upper, diagonal } => {
            let rows = shape[shape.len() - 2];
            made.extend(x.iter().enumerate().map(|(i, &v)| {
                let (row, column) = ((i / n % rows) as i64, (i % n) as i64);
                let is_kept = if *upper { column - row >= *diagonal } else { column - row <= *diagonal };
                if is_kept { v } else { T::default() }
            }));
        }
        Kernel::Gather { .. } | Kernel::GatherElements { .. } | Kernel::GatherNd { .. } => {
            let places = inputs.get(1).ok_or("a gather lacks its indices")?;
            let list = places.as_ints().ok_or("a gather needs integers")?;
            made = super::index::gather(kernel, x, from, (list, places.shape()), shape)?;
        }
        other => return Err(format!("{} has no evaluator", other.name())),
    }
    Ok(made)
}

/// Where the elements of a result come from, given by its index along each axis.
fn places(
    shape: &[usize],
    source: impl Fn(usize, usize) -> i64,
    strides: &[usize],
) -> impl Iterator<Item = usize> {
    let tables: Vec<Vec<usize>> = (0..shape.len())
        .map(|axis| (0..shape[axis]).map(|at| source(axis, at).max(0) as usize * strides[axis]).collect())
        .collect();
    let own = row_major_strides(shape);
    let shape = shape.to_vec();
    (0..shape.iter().product::<usize>())
        .map(move |i| (0..shape.len()).map(|axis| tables[axis][i / own[axis] % shape[axis]]).sum())
}

fn pad<T: Copy>(
    x: &[T],
    from: &[usize],
    fill: PadFill,
    before: &[i64],
    border: T,
    shape: &[usize],
) -> Vec<T> {
    let own = row_major_strides(from);
    // Where along each axis an element comes from, `None` for the border.
    let tables: Vec<Vec<Option<usize>>> = (0..shape.len())
        .map(|axis| {
            let n = from[axis] as i64;
            let source = |at: usize| {
                let at = at as i64 - before[axis];
                let place = match fill {
                    PadFill::Constant => return (0..n).contains(&at).then(|| at as usize * own[axis]),
                    PadFill::Edge => at.clamp(0, n - 1),
                    PadFill::Wrap => at.rem_euclid(n.max(1)),
                    PadFill::Reflect if at < 0 => -at,
                    PadFill::Reflect if at >= n => 2 * (n - 1) - at,
                    PadFill::Reflect => at,
                };
                Some(place.clamp(0, n - 1) as usize * own[axis])
            };
            (0..shape[axis]).map(source).collect()
        })
        .collect();
    let strides = row_major_strides(shape);
    (0..shape.iter().product::<usize>())
        .map(|i| {
            let at: Option<usize> =
                (0..shape.len()).map(|axis| tables[axis][i / strides[axis] % shape[axis]]).sum();
            at.map_or(border, |at| x[at])
        })
        .collect()
}
