//! Reshaping, cutting, joining and repeating constants.

use super::super::constant::{Constant, Data, n_elements, strides, walk};
use super::super::{Importer, node};
use crate::import::error::{OpError, problem};
use pegbar_formats::onnx::OnnxNode;
use std::rc::Rc;

fn input(inputs: &[Option<Constant>], index: usize) -> Result<&Constant, OpError> {
    inputs.get(index).and_then(Option::as_ref).ok_or_else(|| problem!("lacks its input {}", index + 1))
}

fn optional_ints(inputs: &[Option<Constant>], index: usize) -> Result<Option<Vec<i64>>, OpError> {
    inputs.get(index).and_then(Option::as_ref).map(Constant::to_ints).transpose()
}

fn axes(list: &[i64], rank: usize) -> Result<Vec<usize>, OpError> {
    list.iter().map(|axis| Importer::axis(*axis, rank)).collect()
}

/// Reshape, Unsqueeze, Squeeze, Flatten, Transpose, Concat.
pub(super) fn rearrange(node: &OnnxNode, inputs: &[Option<Constant>]) -> Result<Constant, OpError> {
    let x = input(inputs, 0)?;
    let rank = x.shape.len();
    let listed = |index| match optional_ints(inputs, index)? {
        Some(list) => Ok(Some(list)),
        None => node::ints(node, "axes"),
    };
    match node.op_type.as_str() {
        "Reshape" => {
            let wanted = input(inputs, 1)?.to_ints()?;
            let mut shape = Vec::with_capacity(wanted.len());
            for (index, n) in wanted.iter().enumerate() {
                shape.push(match *n {
                    -1 => 1,
                    0 if node::int(node, "allowzero", 0)? == 0 => x.shape.get(index).copied().unwrap_or(0),
                    n => node::size(n, "a dimension")?,
                });
            }
            if let Some(rest) = wanted.iter().position(|n| *n == -1) {
                let known = n_elements(&shape)?;
                shape[rest] = x.len().checked_div(known).unwrap_or(0);
            }
            x.with_shape(shape)
        }
        "Unsqueeze" => {
            let list = listed(1)?.unwrap_or_default();
            let mut dims = axes(&list, rank.saturating_add(list.len()))?;
            dims.sort_unstable();
            let mut shape = x.shape.clone();
            for dim in dims {
                if dim > shape.len() {
                    return Err(problem!("adds dimension {dim} to {}", shape.len()));
                }
                shape.insert(dim, 1);
            }
            x.with_shape(shape)
        }
        "Squeeze" => {
            let dims = match listed(1)? {
                Some(list) => axes(&list, rank)?,
                None => (0..rank).filter(|dim| x.shape[*dim] == 1).collect(),
            };
            let shape =
                x.shape.iter().enumerate().filter(|(dim, _)| !dims.contains(dim)).map(|(_, n)| *n).collect();
            x.with_shape(shape)
        }
        "Flatten" => {
            let axis = node::int(node, "axis", 1)?;
            let axis = if axis == rank as i64 { rank } else { Importer::axis(axis, rank)? };
            let (outer, inner) = x.shape.split_at(axis);
            x.with_shape(vec![n_elements(outer)?, n_elements(inner)?])
        }
        "Transpose" => {
            let order = match node::ints(node, "perm")? {
                Some(order) => axes(&order, rank)?,
                None => (0..rank).rev().collect(),
            };
            let mut sorted = order.clone();
            sorted.sort_unstable();
            if sorted != (0..rank).collect::<Vec<_>>() {
                return Err(problem!("its permutation {order:?} is none of {rank} dimensions"));
            }
            let own = strides(&x.shape);
            let shape: Vec<usize> = order.iter().map(|dim| x.shape[*dim]).collect();
            let steps: Vec<isize> = order.iter().map(|dim| own[*dim] as isize).collect();
            x.pick(shape.clone(), walk(&shape, &steps, 0))
        }
        _ => concat(node, inputs),
    }
}

fn concat(node: &OnnxNode, inputs: &[Option<Constant>]) -> Result<Constant, OpError> {
    let parts: Vec<&Constant> = (0..inputs.len()).map(|i| input(inputs, i)).collect::<Result<_, _>>()?;
    let first = input(inputs, 0)?;
    let axis = Importer::axis(node::int(node, "axis", 0)?, first.shape.len())?;
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    for part in &parts {
        let same = part.shape.len() == shape.len()
            && part.shape.iter().zip(&first.shape).enumerate().all(|(dim, (a, b))| dim == axis || a == b);
        if !same {
            return Err(problem!("joins constants of shapes {:?} and {:?}", first.shape, part.shape));
        }
        shape[axis] = shape[axis].saturating_add(part.shape[axis]);
    }
    let outer: usize = n_elements(&shape[..axis])?;
    let inner: usize = n_elements(&shape[axis + 1..])?;
    fn interleave<T: Copy>(parts: &[(Rc<Vec<T>>, usize)], outer: usize) -> Vec<T> {
        (0..outer)
            .flat_map(|i| parts.iter().flat_map(move |(v, n)| v[i * n..(i + 1) * n].iter().copied()))
            .collect()
    }
    let lengths = parts.iter().map(|part| part.shape[axis] * inner);
    if parts.iter().all(|part| matches!(part.data, Data::Float(_))) {
        let values: Result<Vec<_>, OpError> =
            parts.iter().zip(lengths).map(|(part, n)| Ok((part.to_floats()?, n))).collect();
        return Ok(Constant::floats(node::name(node), shape, interleave(&values?, outer)));
    }
    let whole = parts.iter().all(|part| matches!(part.data, Data::Sizes { whole: true, .. }));
    let values: Result<Vec<_>, OpError> =
        parts.iter().zip(lengths).map(|(part, n)| Ok((part.to_sizes()?, n))).collect();
    Ok(Constant::sizes(node::name(node), shape, interleave(&values?, outer), whole))
}

/// Slice with positive and negative steps.
pub(super) fn slice(node: &OnnxNode, inputs: &[Option<Constant>], opset: i64) -> Result<Constant, OpError> {
    let x = input(inputs, 0)?;
    let (starts, ends, listed, steps) = if opset < 10 {
        let list = |name| node::ints(node, name);
        (list("starts")?.unwrap_or_default(), list("ends")?.unwrap_or_default(), list("axes")?, None)
    } else {
        (
            input(inputs, 1)?.to_ints()?,
            input(inputs, 2)?.to_ints()?,
            optional_ints(inputs, 3)?,
            optional_ints(inputs, 4)?,
        )
    };
    let own = strides(&x.shape);
    let mut shape = x.shape.clone();
    let mut walk_steps: Vec<isize> = own.iter().map(|n| *n as isize).collect();
    let mut first = 0usize;
    let listed = listed.unwrap_or_else(|| (0..starts.len() as i64).collect());
    if starts.len() != ends.len() || listed.len() != starts.len() {
        return Err(problem!("has {} starts, {} ends, {} axes", starts.len(), ends.len(), listed.len()));
    }
    for (index, axis) in axes(&listed, x.shape.len())?.into_iter().enumerate() {
        let length = x.shape[axis] as i64;
        let step = steps.as_ref().and_then(|steps| steps.get(index)).copied().unwrap_or(1);
        let from_end = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
        let (start, end) = (from_end(starts[index]), from_end(ends[index]));
        let (start, count) = match step {
            1.. => {
                let (start, end) = (start.clamp(0, length), end.clamp(0, length));
                (start, (end - start).max(0).div_euclid(step) + i64::from((end - start).max(0) % step != 0))
            }
            i64::MIN..=-1 => {
                let (start, end) = (start.clamp(-1, length - 1), end.clamp(-1, length - 1));
                let back = step.unsigned_abs().min(i64::MAX as u64) as i64;
                let span = (start - end).max(0);
                (start.max(0), span / back + i64::from(span % back != 0))
            }
            0 => return Err(problem!("takes steps of 0")),
        };
        shape[axis] = count as usize;
        if count > 0 {
            first += start as usize * own[axis];
        }
        walk_steps[axis] = (own[axis] as isize).saturating_mul(isize::try_from(step).unwrap_or(isize::MAX));
        if count <= 1 {
            // The step is never taken, whatever its size.
            walk_steps[axis] = 0;
        }
    }
    n_elements(&shape)?;
    x.pick(shape.clone(), walk(&shape, &walk_steps, first))
}

/// Shape of the result of Gather.
pub(super) fn gathered_shape(node: &OnnxNode, inputs: &[Option<Constant>]) -> Result<Vec<usize>, OpError> {
    let (x, indices) = (input(inputs, 0)?, input(inputs, 1)?);
    let axis = Importer::axis(node::int(node, "axis", 0)?, x.shape.len())?;
    Ok([&x.shape[..axis], &indices.shape, &x.shape[axis + 1..]].concat())
}

pub(super) fn gather(
    node: &OnnxNode,
    inputs: &[Option<Constant>],
    shape: Vec<usize>,
) -> Result<Constant, OpError> {
    let (x, indices) = (input(inputs, 0)?, input(inputs, 1)?);
    let axis = Importer::axis(node::int(node, "axis", 0)?, x.shape.len())?;
    let (outer, inner) = (n_elements(&x.shape[..axis])?, n_elements(&x.shape[axis + 1..])?);
    let length = x.shape[axis];
    let picks = axes(&indices.to_ints()?, length)?;
    let starts = (0..outer).flat_map(|base| picks.iter().map(move |pick| (base * length + pick) * inner));
    x.pick(shape, starts.flat_map(|start| start..start + inner))
}

/// Shape of the result of Expand or Tile.
pub(super) fn enlarged_shape(node: &OnnxNode, inputs: &[Option<Constant>]) -> Result<Vec<usize>, OpError> {
    let x = input(inputs, 0)?;
    let numbers: Vec<usize> = input(inputs, 1)?
        .to_ints()?
        .into_iter()
        .map(|n| node::size(n, "a dimension"))
        .collect::<Result<_, _>>()?;
    if node.op_type == "Tile" {
        if numbers.len() != x.shape.len() {
            return Err(problem!("repeats {} dimensions of {}", numbers.len(), x.shape.len()));
        }
        return Ok(numbers.iter().zip(&x.shape).map(|(n, d)| n.saturating_mul(*d)).collect());
    }
    let rank = numbers.len().max(x.shape.len());
    (0..rank)
        .map(|dim| {
            let of = |shape: &[usize]| {
                (dim + shape.len()).checked_sub(rank).and_then(|i| shape.get(i)).copied().unwrap_or(1)
            };
            match (of(&x.shape), of(&numbers)) {
                (a, b) if a == b || b == 1 => Ok(a),
                (1, b) => Ok(b),
                _ => Err(problem!("expands {:?} to {numbers:?}", x.shape)),
            }
        })
        .collect()
}

pub(super) fn enlarge(
    node: &OnnxNode,
    inputs: &[Option<Constant>],
    shape: Vec<usize>,
) -> Result<Constant, OpError> {
    let x = input(inputs, 0)?;
    let own = strides(&x.shape);
    let n = n_elements(&shape)?;
    let outer = strides(&shape);
    let skip = shape.len() - x.shape.len();
    let source = |index: usize| {
        let along = |(dim, length): (usize, &usize)| {
            let at = index / outer[skip + dim] % shape[skip + dim];
            // Repeating wraps around; a dimension of 1 always does.
            at % length * own[dim]
        };
        x.shape.iter().enumerate().map(along).sum::<usize>()
    };
    x.pick(shape.clone(), (0..n).map(source))
        .map(|constant| Constant { name: node::name(node).to_owned(), ..constant })
}

/// Split of a constant.
pub(super) fn split(node: &OnnxNode, inputs: &[Option<Constant>]) -> Result<Vec<Constant>, OpError> {
    let x = input(inputs, 0)?;
    let axis = Importer::axis(node::int(node, "axis", 0)?, x.shape.len())?;
    let n = node.outputs.len().max(1);
    let length = x.shape[axis];
    let lengths = match optional_ints(inputs, 1)? {
        Some(lengths) => Some(lengths),
        None => node::ints(node, "split")?,
    };
    let lengths: Vec<usize> = match lengths {
        Some(lengths) => lengths.into_iter().map(|n| node::size(n, "a part")).collect::<Result<_, _>>()?,
        None => {
            let part = length.div_ceil(n);
            (0..n).map(|i| length.min((i + 1) * part) - length.min(i * part)).collect()
        }
    };
    if lengths.iter().try_fold(0usize, |a, b| a.checked_add(*b)) != Some(length) {
        return Err(problem!("cuts {length} elements into {lengths:?}"));
    }
    let steps: Vec<isize> = strides(&x.shape).into_iter().map(|n| n as isize).collect();
    let mut start = 0;
    lengths
        .into_iter()
        .map(|part| {
            let mut shape = x.shape.clone();
            shape[axis] = part;
            let first = start * steps[axis] as usize;
            start += part;
            x.pick(shape.clone(), walk(&shape, &steps, first))
        })
        .collect()
}

/// Range of whole numbers.
pub(super) fn range(name: &str, inputs: &[Option<Constant>]) -> Result<Constant, OpError> {
    let bound = |index| -> Result<i64, OpError> {
        match input(inputs, index)?.to_ints()?[..] {
            [n] => Ok(n),
            _ => Err(problem!("its bounds are no single numbers")),
        }
    };
    let (start, limit, step) = (bound(0)?, bound(1)?, bound(2)?);
    const LONGEST: usize = 1 << 12;
    let mut values = Vec::new();
    let mut at = start;
    while (step > 0 && at < limit) || (step < 0 && at > limit) {
        if values.len() == LONGEST {
            return Err(problem!("counts further than {LONGEST}"));
        }
        values.push(super::Size::whole(at));
        at = at.saturating_add(step);
    }
    Ok(Constant::sizes(name, vec![values.len()], values, true))
}
