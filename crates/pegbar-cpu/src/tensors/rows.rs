//! Softmax, normalisation and sums of rows of neighbours.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use crate::simd::{Isa, Kernel, Simd, dispatch, exp_of_negative, max_of_lanes, sum_of_lanes};
use pegbar_net::tensor::Reduction;

/// Softmax of rows of `n`.
pub(crate) fn softmax(isa: Isa, n: usize, from: &[f32], to: &mut [f32]) {
    assert!(from.len() == to.len() && n > 0);
    dispatch(isa, Softmax { n, from, to });
}

struct Softmax<'a> {
    n: usize,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let n = self.n;
        for (from, to) in self.from.chunks_exact(n).zip(self.to.chunks_exact_mut(n)) {
            let whole = n / S::LANES * S::LANES;
            let mut largest = s.splat(f32::NEG_INFINITY);
            for start in (0..whole).step_by(S::LANES) {
                // SAFETY: a whole vector from `start` on lies in the row.
                largest = s.max(largest, unsafe { s.load(from.as_ptr().add(start)) });
            }
            let max = from[whole..].iter().copied().fold(max_of_lanes(s, largest), f32::max);
            let (off, mut sums) = (s.splat(max), s.splat(0.0));
            for start in (0..whole).step_by(S::LANES) {
                // SAFETY: a whole vector from `start` on lies in both rows, which are equally long.
                unsafe {
                    let e = exp_of_negative(s, s.sub(s.load(from.as_ptr().add(start)), off));
                    s.store(to.as_mut_ptr().add(start), e);
                    sums = s.add(sums, e);
                }
            }
            let mut sum = sum_of_lanes(s, sums);
            if whole < n {
                // SAFETY: the rest of both rows begins at `whole`.
                unsafe {
                    let e = exp_of_negative(s, s.sub(s.load_first(from.as_ptr().add(whole), n - whole), off));
                    s.store_first(to.as_mut_ptr().add(whole), e, n - whole);
                }
                sum += to[whole..].iter().sum::<f32>();
            }
            let factor = 1.0 / sum;
            for v in to {
                *v *= factor;
            }
        }
    }
}

/// What [`pegbar_net::tensor::Kernel::Normalize`] does with rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Normalize<'a> {
    pub(crate) n: usize,
    pub(crate) eps: f32,
    pub(crate) center: bool,
    pub(crate) factors: Option<&'a [f32]>,
    pub(crate) summands: Option<&'a [f32]>,
}

pub(crate) fn normalize(isa: Isa, how: Normalize<'_>, from: &[f32], to: &mut [f32]) {
    assert!(from.len() == to.len() && how.n > 0);
    assert!([how.factors, how.summands].iter().flatten().all(|list| list.len() == how.n));
    dispatch(isa, NormalizeRows { how, from, to });
}

struct NormalizeRows<'a> {
    how: Normalize<'a>,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for NormalizeRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Normalize { n, eps, center, factors, summands } = self.how;
        for (from, to) in self.from.chunks_exact(n).zip(self.to.chunks_exact_mut(n)) {
            let mean = if center { fold(s, from, |v| v, |v| v) / n as f32 } else { 0.0 };
            let off = s.splat(mean);
            let square = |v| {
                let d = s.sub(v, off);
                s.mul(d, d)
            };
            let squares = fold(s, from, square, |v| (v - mean) * (v - mean));
            let factor = s.splat(1.0 / (squares / n as f32 + eps).sqrt());
            for start in (0..n).step_by(S::LANES) {
                let lanes = S::LANES.min(n - start);
                // SAFETY: `lanes` values from `start` on lie in all rows, which are `n` long.
                unsafe {
                    let mut v = s.mul(s.sub(s.load_first(from.as_ptr().add(start), lanes), off), factor);
                    if let Some(list) = factors {
                        v = s.mul(v, s.load_first(list.as_ptr().add(start), lanes));
                    }
                    if let Some(list) = summands {
                        v = s.add(v, s.load_first(list.as_ptr().add(start), lanes));
                    }
                    s.store_first(to.as_mut_ptr().add(start), v, lanes);
                }
            }
        }
    }
}

/// The sum of a function over a row.
#[inline(always)]
fn fold<S: Simd>(s: S, row: &[f32], vector: impl Fn(S::V) -> S::V, one: impl Fn(f32) -> f32) -> f32 {
    let whole = row.len() / S::LANES * S::LANES;
    let mut sums = s.splat(0.0);
    for start in (0..whole).step_by(S::LANES) {
        // SAFETY: a whole vector from `start` on lies in the row.
        sums = s.add(sums, vector(unsafe { s.load(row.as_ptr().add(start)) }));
    }
    sum_of_lanes(s, sums) + row[whole..].iter().map(|&v| one(v)).sum::<f32>()
}

/// Sums, means or extremes over the middle of `[outer, n, inner]`.
pub(crate) fn reduce(isa: Isa, function: Reduction, [n, inner]: [usize; 2], from: &[f32], to: &mut [f32]) {
    assert!(from.len() == to.len() * n && inner > 0 && to.len().is_multiple_of(inner));
    dispatch(isa, Reduce { function, n, inner, from, to });
}

/// The reductions that are computed here.
pub(crate) fn is_fast(function: Reduction) -> bool {
    matches!(
        function,
        Reduction::Sum
            | Reduction::Mean
            | Reduction::Max
            | Reduction::Min
            | Reduction::SumOfSquares
            | Reduction::L2
    )
}

struct Reduce<'a> {
    function: Reduction,
    n: usize,
    inner: usize,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for Reduce<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { function, n, inner, from, to } = self;
        // Long sums of single precision are made of short ones.
        const SHORT: usize = 4096;
        let is_sum = !matches!(function, Reduction::Max | Reduction::Min);
        let squared = matches!(function, Reduction::SumOfSquares | Reduction::L2);
        let start = match function {
            Reduction::Max => f32::NEG_INFINITY,
            Reduction::Min => f32::INFINITY,
            _ => 0.0,
        };
        let one = |sum: f32, v: f32| match function {
            Reduction::Max => sum.max(v),
            Reduction::Min => sum.min(v),
            _ if squared => sum + v * v,
            _ => sum + v,
        };
        let finish = |sum: f32| match function {
            Reduction::Mean => sum / n as f32,
            Reduction::L2 => sum.sqrt(),
            _ => sum,
        };
        if inner == 1 {
            for (from, to) in from.chunks_exact(n.max(1)).zip(to.iter_mut()) {
                let mut total = if is_sum { 0.0f64 } else { f64::from(start) };
                for part in from.chunks(SHORT) {
                    let mut lanes = s.splat(start);
                    let mut vectors = part.chunks_exact(S::LANES);
                    for vector in &mut vectors {
                        // SAFETY: the chunk is a whole vector.
                        let v = unsafe { s.load(vector.as_ptr()) };
                        lanes = match function {
                            Reduction::Max => s.max(lanes, v),
                            Reduction::Min => s.min(lanes, v),
                            _ if squared => s.mul_add(v, v, lanes),
                            _ => s.add(lanes, v),
                        };
                    }
                    let joined = match function {
                        Reduction::Max => max_of_lanes(s, lanes),
                        Reduction::Min => -max_of_lanes(s, s.sub(s.splat(0.0), lanes)),
                        _ => sum_of_lanes(s, lanes),
                    };
                    let joined = vectors.remainder().iter().fold(joined, |sum, &v| one(sum, v));
                    total = match function {
                        Reduction::Max => total.max(f64::from(joined)),
                        Reduction::Min => total.min(f64::from(joined)),
                        _ => total + f64::from(joined),
                    };
                }
                *to = finish(total as f32);
            }
            return;
        }
        for (from, to) in from.chunks_exact((n * inner).max(1)).zip(to.chunks_exact_mut(inner)) {
            to.fill(start);
            for row in from.chunks_exact(inner) {
                for (to, &v) in to.iter_mut().zip(row) {
                    *to = one(*to, v);
                }
            }
            for to in to {
                *to = finish(*to);
            }
        }
    }
}
