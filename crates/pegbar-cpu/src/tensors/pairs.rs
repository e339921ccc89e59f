//! Functions of two values with broadcasting.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::moves::walk;
use crate::simd::{Isa, Kernel, Simd, dispatch};
use pegbar_net::tensor::Binary;

/// The loops of a function of two tensors; the result is row-major. Dimensions that can be are joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pairs {
    op: Binary,
    dims: Vec<usize>,
    strides: [Vec<usize>; 2],
}

impl Pairs {
    pub(crate) fn new(op: Binary, shape: &[usize], a: &[usize], b: &[usize]) -> Self {
        let mut dims: Vec<usize> = vec![];
        let mut strides: [Vec<usize>; 2] = [vec![], vec![]];
        for ((&n, &a), &b) in shape.iter().zip(a).zip(b) {
            if n == 1 {
                continue;
            }
            let joins = strides[0].last() == Some(&(a * n)) && strides[1].last() == Some(&(b * n));
            if joins && let Some(dim) = dims.last_mut() {
                *dim *= n;
                for (list, stride) in strides.iter_mut().zip([a, b]) {
                    if let Some(last) = list.last_mut() {
                        *last = stride;
                    }
                }
            } else {
                dims.push(n);
                strides[0].push(a);
                strides[1].push(b);
            }
        }
        if dims.is_empty() {
            (dims, strides) = (vec![1], [vec![1], vec![1]]);
        }
        Self { op, dims, strides }
    }

    fn reach(&self, which: usize) -> usize {
        1 + self.dims.iter().zip(&self.strides[which]).map(|(n, stride)| (n - 1) * stride).sum::<usize>()
    }

    pub(crate) fn run(&self, isa: Isa, a: &[f32], b: &[f32], to: &mut [f32]) {
        assert_eq!(to.len(), self.dims.iter().product::<usize>());
        if to.is_empty() {
            return;
        }
        assert!(self.reach(0) <= a.len() && self.reach(1) <= b.len());
        dispatch(isa, Run { pairs: self, a, b, to });
    }
}

struct Run<'a> {
    pairs: &'a Pairs,
    a: &'a [f32],
    b: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.pairs.op {
            Binary::Add => self.with(s, |s, a, b| s.add(a, b), |a, b| a + b),
            Binary::Sub => self.with(s, |s, a, b| s.sub(a, b), |a, b| a - b),
            Binary::Mul => self.with(s, |s, a, b| s.mul(a, b), |a, b| a * b),
            Binary::Div => self.with(s, |s, a, b| s.div(a, b), |a, b| a / b),
            op => self.one_by_one(op),
        }
    }
}

impl Run<'_> {
    #[inline(always)]
    fn with<S: Simd>(self, s: S, vectors: impl Fn(S, S::V, S::V) -> S::V, numbers: impl Fn(f32, f32) -> f32) {
        let Self { pairs: Pairs { dims, strides, .. }, a, b, to } = self;
        let last = dims.len() - 1;
        let n = dims[last];
        let steps = [strides[0][last], strides[1][last]];
        let [rows, row_a, row_b] =
            if last > 0 { [dims[last - 1], strides[0][last - 1], strides[1][last - 1]] } else { [1, 0, 0] };
        let outer = last.saturating_sub(1);
        // Vectors are not worked on in what is called for each place: only this function may use them.
        let starts = [0, 1].map(|which| {
            let mut starts = vec![];
            walk(&dims[..outer], &strides[which][..outer], 0, |at| starts.push(at));
            starts
        });
        let mut to = to.chunks_exact_mut(n);
        for (&at_a, &at_b) in starts[0].iter().zip(&starts[1]) {
            for row in 0..rows {
                let Some(to) = to.next() else { return };
                let (at_a, at_b) = (at_a + row * row_a, at_b + row * row_b);
                if steps.iter().any(|&step| step > 1) {
                    for (i, to) in to.iter_mut().enumerate() {
                        *to = numbers(a[at_a + i * steps[0]], b[at_b + i * steps[1]]);
                    }
                    continue;
                }
                let a = &a[at_a..][..if steps[0] == 1 { n } else { 1 }];
                let b = &b[at_b..][..if steps[1] == 1 { n } else { 1 }];
                let (one_a, one_b) = (s.splat(a[0]), s.splat(b[0]));
                for start in (0..n).step_by(S::LANES) {
                    let lanes = S::LANES.min(n - start);
                    // SAFETY: `lanes` values from `start` on lie in the result, and in those inputs that are not one number.
                    unsafe {
                        let x =
                            if steps[0] == 1 { s.load_first(a.as_ptr().add(start), lanes) } else { one_a };
                        let y =
                            if steps[1] == 1 { s.load_first(b.as_ptr().add(start), lanes) } else { one_b };
                        s.store_first(to.as_mut_ptr().add(start), vectors(s, x, y), lanes);
                    }
                }
            }
        }
    }

    #[inline(never)]
    fn one_by_one(self, op: Binary) {
        let Self { pairs: Pairs { dims, strides, .. }, a, b, to } = self;
        let mut places = Vec::with_capacity(to.len());
        walk(dims, &strides[1], 0, |at| places.push(at));
        let mut targets = to.iter_mut().zip(places);
        walk(dims, &strides[0], 0, |at| {
            if let Some((to, other)) = targets.next() {
                *to = op.apply(a[at], b[other]);
            }
        });
    }
}
