//! Reading and writing by indices.

use super::super::{Kernel, Scatter, row_major_strides};

fn place(at: i64, n: usize) -> Result<usize, String> {
    let counted = if at < 0 { at.saturating_add(n as i64) } else { at };
    usize::try_from(counted)
        .ok()
        .filter(|&at| at < n)
        .ok_or_else(|| format!("index {at} leaves an axis of {n}"))
}

pub(super) fn gather<T: Copy>(
    kernel: &Kernel,
    x: &[T],
    from: &[usize],
    (list, at_shape): (&[i64], &[usize]),
    shape: &[usize],
) -> Result<Vec<T>, String> {
    let mut made = Vec::with_capacity(shape.iter().product());
    match kernel {
        Kernel::Gather { axis } => {
            let inner: usize = from[axis + 1..].iter().product();
            let outer: usize = from[..*axis].iter().product();
            for row in 0..outer {
                for &at in list {
                    let start = (row * from[*axis] + place(at, from[*axis])?) * inner;
                    made.extend_from_slice(&x[start..start + inner]);
                }
            }
        }
        Kernel::GatherElements { axis } => {
            let (own, strides) = (row_major_strides(from), row_major_strides(at_shape));
            for (i, &at) in list.iter().enumerate() {
                let along = |d: usize| i / strides[d] % at_shape[d] * own[d];
                let others: usize = (0..from.len()).filter(|d| d != axis).map(along).sum();
                made.push(x[others + place(at, from[*axis])? * own[*axis]]);
            }
        }
        Kernel::GatherNd { batch_dims } => {
            let depth = at_shape.last().copied().unwrap_or(0);
            let own = row_major_strides(from);
            let run: usize = from[batch_dims + depth..].iter().product();
            let per_batch: usize = at_shape[*batch_dims..at_shape.len() - 1].iter().product();
            let batch: usize = from[*batch_dims..].iter().product();
            let n: usize = at_shape[..at_shape.len() - 1].iter().product();
            for i in 0..n {
                let mut start = i / per_batch.max(1) * batch;
                for d in 0..depth {
                    let axis = batch_dims + d;
                    start += place(list[i * depth + d], from[axis])? * own[axis];
                }
                made.extend_from_slice(&x[start..start + run]);
            }
        }
        other => return Err(format!("{} gathers nothing", other.name())),
    }
    Ok(made)
}

/// How two elements become one.
pub(super) trait Join: Copy {
    fn join(self, other: Self, how: Scatter) -> Self;
}

impl Join for f32 {
    fn join(self, other: Self, how: Scatter) -> Self {
        match how {
            Scatter::Replace => other,
            Scatter::Add => self + other,
            Scatter::Mul => self * other,
            Scatter::Max => crate::BinaryOp::Max.apply(self, other),
            Scatter::Min => crate::BinaryOp::Min.apply(self, other),
        }
    }
}

impl Join for i64 {
    fn join(self, other: Self, how: Scatter) -> Self {
        match how {
            Scatter::Replace => other,
            Scatter::Add => self.wrapping_add(other),
            Scatter::Mul => self.wrapping_mul(other),
            Scatter::Max => self.max(other),
            Scatter::Min => self.min(other),
        }
    }
}

impl Join for bool {
    fn join(self, other: Self, how: Scatter) -> Self {
        match how {
            Scatter::Replace => other,
            Scatter::Add | Scatter::Max => self | other,
            Scatter::Mul | Scatter::Min => self & other,
        }
    }
}

pub(super) fn scatter<T: Join>(
    kernel: &Kernel,
    x: &[T],
    (list, at_shape): (&[i64], &[usize]),
    updates: &[T],
    shape: &[usize],
) -> Result<Vec<T>, String> {
    let mut made = x.to_vec();
    let own = row_major_strides(shape);
    match kernel {
        Kernel::ScatterElements { axis, scatter } => {
            let strides = row_major_strides(at_shape);
            for (i, (&at, &update)) in list.iter().zip(updates).enumerate() {
                let along = |d: usize| i / strides[d] % at_shape[d] * own[d];
                let others: usize = (0..shape.len()).filter(|d| d != axis).map(along).sum();
                let to = &mut made[others + place(at, shape[*axis])? * own[*axis]];
                *to = to.join(update, *scatter);
            }
        }
        Kernel::ScatterNd { scatter } => {
            let depth = at_shape.last().copied().unwrap_or(0);
            let run: usize = shape[depth..].iter().product();
            let n: usize = at_shape[..at_shape.len() - 1].iter().product();
            for i in 0..n {
                let mut start = 0;
                for d in 0..depth {
                    start += place(list[i * depth + d], shape[d])? * own[d];
                }
                for (to, &update) in made[start..start + run].iter_mut().zip(&updates[i * run..]) {
                    *to = to.join(update, *scatter);
                }
            }
        }
        other => return Err(format!("{} scatters nothing", other.name())),
    }
    Ok(made)
}

/// `values` are what stands elsewhere and at the index.
pub(super) fn one_hot<T: Copy>(places: &[i64], axis: usize, values: &[T], shape: &[usize]) -> Vec<T> {
    let (depth, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    (0..shape.iter().product::<usize>())
        .map(|i| {
            let at = places[i / (depth * inner) * inner + i % inner];
            // What leaves the axis is nowhere.
            let at = if at < 0 { at.saturating_add(depth as i64) } else { at };
            values[usize::from((i / inner % depth) as i64 == at)]
        })
        .collect()
}
