//! Sums along axes, and what is made of them.

use super::super::{Array, ArrayData, Reduction, broadcast_strides};

pub(super) fn mat_mul(
    a: &[f32],
    a_shape: &[usize],
    b: &[f32],
    b_shape: &[usize],
    bias: Option<&[f32]>,
    shape: &[usize],
) -> Vec<f32> {
    let rank = shape.len();
    let (m, n, k) = (shape[rank - 2], shape[rank - 1], a_shape[a_shape.len() - 1]);
    let outer = &shape[..rank - 2];
    let strides_a = broadcast_strides(&a_shape[..a_shape.len() - 2], outer);
    let strides_b = broadcast_strides(&b_shape[..b_shape.len() - 2], outer);
    let own = super::super::row_major_strides(outer);
    let mut made = Vec::with_capacity(shape.iter().product());
    let mut sums = vec![0f64; n];
    for batch in 0..outer.iter().product::<usize>() {
        let at = |strides: &[usize]| -> usize {
            (0..outer.len()).map(|d| batch / own[d] % outer[d] * strides[d]).sum()
        };
        let a = &a[at(&strides_a) * m * k..][..m * k];
        let b = &b[at(&strides_b) * k * n..][..k * n];
        for row in 0..m {
            match bias {
                Some(bias) => sums.iter_mut().zip(bias).for_each(|(sum, &v)| *sum = f64::from(v)),
                None => sums.fill(0.0),
            }
            for i in 0..k {
                let x = f64::from(a[row * k + i]);
                for (sum, &y) in sums.iter_mut().zip(&b[i * n..(i + 1) * n]) {
                    *sum += x * f64::from(y);
                }
            }
            made.extend(sums.iter().map(|&sum| sum as f32));
        }
    }
    made
}

/// Calls `work` with the start of each run along an axis and the distance of its elements.
fn runs(shape: &[usize], axis: usize, mut work: impl FnMut(usize, usize)) {
    let inner: usize = shape[axis + 1..].iter().product();
    let outer: usize = shape[..axis].iter().product();
    for row in 0..outer {
        for i in 0..inner {
            work(row * shape[axis] * inner + i, inner);
        }
    }
}

pub(super) fn softmax(x: &[f32], shape: &[usize], axis: usize, log: bool) -> Vec<f32> {
    let mut made = vec![0.0; x.len()];
    let n = shape[axis];
    runs(shape, axis, |start, step| {
        let places = || (0..n).map(|i| start + i * step);
        let max = places().map(|i| x[i]).fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = places().map(|i| f64::from(x[i] - max).exp()).sum();
        for i in places() {
            let off = f64::from(x[i] - max);
            made[i] = if log { off - sum.ln() } else { off.exp() / sum } as f32;
        }
    });
    made
}

pub(super) fn normalize(
    x: &[f32],
    shape: &[usize],
    axis: usize,
    eps: f32,
    center: bool,
    factors: Option<&[f32]>,
    summands: Option<&[f32]>,
) -> Vec<f32> {
    let n: usize = shape[axis..].iter().product();
    let mut made = Vec::with_capacity(x.len());
    for row in x.chunks(n.max(1)) {
        let mean = if center { row.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64 } else { 0.0 };
        let variance = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n as f64;
        let factor = 1.0 / (variance + f64::from(eps)).sqrt();
        made.extend(row.iter().enumerate().map(|(i, &v)| {
            let scaled = (f64::from(v) - mean) * factor * factors.map_or(1.0, |f| f64::from(f[i]));
            (scaled + summands.map_or(0.0, |s| f64::from(s[i]))) as f32
        }));
    }
    made
}

impl Reduction {
    fn start(self) -> f64 {
        match self {
            Self::Max => f64::NEG_INFINITY,
            Self::Min => f64::INFINITY,
            Self::Product => 1.0,
            _ => 0.0,
        }
    }

    fn add(self, sum: f64, v: f64) -> f64 {
        match self {
            Self::Sum | Self::Mean | Self::LogSum => sum + v,
            Self::Max if v.is_nan() || sum.is_nan() => f64::NAN,
            Self::Max => sum.max(v),
            Self::Min if v.is_nan() || sum.is_nan() => f64::NAN,
            Self::Min => sum.min(v),
            Self::Product => sum * v,
            Self::L1 => sum + v.abs(),
            Self::L2 | Self::SumOfSquares => sum + v * v,
            Self::LogSumExp => sum + v.exp(),
        }
    }

    fn finish(self, sum: f64, n: usize) -> f64 {
        match self {
            Self::Mean => sum / n as f64,
            Self::L2 => sum.sqrt(),
            Self::LogSum | Self::LogSumExp => sum.ln(),
            _ => sum,
        }
    }
}

pub(super) fn reduce(
    function: Reduction,
    x: &Array,
    axes: &[usize],
    shape: &[usize],
) -> Result<Array, String> {
    let from = x.shape();
    let n: usize = axes.iter().map(|&axis| from[axis]).product();
    // Where in the result an element goes: strides of zero along the axes.
    let mut to = super::super::row_major_strides(shape);
    for &axis in axes {
        to[axis] = 0;
    }
    let own = super::super::row_major_strides(from);
    let at = |i: usize| -> usize { (0..from.len()).map(|d| i / own[d] % from[d] * to[d]).sum() };
    match x.data() {
        ArrayData::Float(values) => {
            let mut largest = vec![f64::NEG_INFINITY; shape.iter().product()];
            if function == Reduction::LogSumExp {
                for (i, &v) in values.iter().enumerate() {
                    largest[at(i)] = largest[at(i)].max(f64::from(v));
                }
            }
            let off = |i: usize| {
                if function == Reduction::LogSumExp && largest[i].is_finite() { largest[i] } else { 0.0 }
            };
            let mut sums = vec![function.start(); shape.iter().product()];
            for (i, &v) in values.iter().enumerate() {
                let to = at(i);
                sums[to] = function.add(sums[to], f64::from(v) - off(to));
            }
            let made = sums.iter().enumerate().map(|(i, &sum)| (function.finish(sum, n) + off(i)) as f32);
            Ok(Array::floats(shape.to_vec(), made.collect()))
        }
        ArrayData::Int(values) => {
            let mut sums = vec![function.start(); shape.iter().product()];
            for (i, &v) in values.iter().enumerate() {
                let to = at(i);
                sums[to] = function.add(sums[to], v as f64);
            }
            Ok(Array::ints(shape.to_vec(), sums.iter().map(|&sum| function.finish(sum, n) as i64).collect()))
        }
        ArrayData::Bool(values) => {
            let is_or = match function {
                Reduction::Max => true,
                Reduction::Min => false,
                _ => return Err("only the largest and the least of truth values are known".into()),
            };
            let mut made = vec![!is_or; shape.iter().product()];
            for (i, &v) in values.iter().enumerate() {
                let to = &mut made[at(i)];
                *to = if is_or { *to | v } else { *to & v };
            }
            Ok(Array::bools(shape.to_vec(), made))
        }
    }
}

pub(super) fn arg_extreme(
    x: &[f32],
    from: &[usize],
    axis: usize,
    largest: bool,
    last: bool,
    shape: &[usize],
) -> Array {
    let mut made = vec![];
    runs(from, axis, |start, step| {
        let mut best = 0;
        for i in 1..from[axis] {
            let (v, known) = (x[start + i * step], x[start + best * step]);
            let better = if largest { v > known } else { v < known };
            if better || (last && v == known) {
                best = i;
            }
        }
        made.push(best as i64);
    });
    Array::ints(shape.to_vec(), made)
}

pub(super) fn cum_sum(x: &Array, axis: usize, exclusive: bool, reverse: bool) -> Array {
    let shape = x.shape();
    let values: Vec<f64> = match x.data() {
        ArrayData::Float(values) => values.iter().map(|&v| f64::from(v)).collect(),
        ArrayData::Int(values) => values.iter().map(|&v| v as f64).collect(),
        ArrayData::Bool(values) => values.iter().map(|&v| f64::from(u8::from(v))).collect(),
    };
    let mut made = vec![0f64; values.len()];
    let n = shape[axis];
    runs(shape, axis, |start, step| {
        let mut sum = 0.0;
        for i in 0..n {
            let at = start + if reverse { n - 1 - i } else { i } * step;
            let with = sum + values[at];
            made[at] = if exclusive { sum } else { with };
            sum = with;
        }
    });
    match x.data() {
        ArrayData::Float(_) => Array::floats(shape.to_vec(), made.iter().map(|&v| v as f32).collect()),
        _ => Array::ints(shape.to_vec(), made.iter().map(|&v| v as i64).collect()),
    }
}

pub(super) fn top_k(x: &Array, axis: usize, largest: bool, places: bool, shape: &[usize]) -> Array {
    let from = x.shape();
    let (n, k) = (from[axis], shape[axis]);
    let inner: usize = from[axis + 1..].iter().product();
    let mut order = vec![0usize; shape.iter().product()];
    let mut sorted: Vec<usize> = vec![];
    let mut sort = |start: usize, step: usize, less: &dyn Fn(usize, usize) -> std::cmp::Ordering| {
        sorted.clear();
        sorted.extend(0..n);
        // Equal ones stay in their order.
        sorted.sort_by(|&a, &b| {
            let order = less(start + a * step, start + b * step);
            if largest { order.reverse() } else { order }
        });
        let first = start / (n * inner) * k * inner + start % inner;
        for (i, &at) in sorted[..k].iter().enumerate() {
            order[first + i * inner] = start + at * step;
        }
    };
    runs(from, axis, |start, step| match x.data() {
        ArrayData::Float(v) => sort(start, step, &|a, b| v[a].total_cmp(&v[b])),
        ArrayData::Int(v) => sort(start, step, &|a, b| v[a].cmp(&v[b])),
        ArrayData::Bool(v) => sort(start, step, &|a, b| v[a].cmp(&v[b])),
    });
    let to = shape.to_vec();
    if places {
        return Array::ints(to, order.iter().map(|&at| (at / inner % n) as i64).collect());
    }
    match x.data() {
        ArrayData::Float(v) => Array::floats(to, order.iter().map(|&at| v[at]).collect()),
        ArrayData::Int(v) => Array::ints(to, order.iter().map(|&at| v[at]).collect()),
        ArrayData::Bool(v) => Array::bools(to, order.iter().map(|&at| v[at]).collect()),
    }
}
