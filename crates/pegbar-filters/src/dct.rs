//! Orthonormal cosine transforms: of 8 samples, of blocks of 8 x 8, and of short runs of frames.
//!
//! They are inlined always: they take the vectors of the function they are in.

use crate::vectors::Vector;
use pulp::Simd;
use std::ops::{Add, Sub};

/// 8 x 8 samples or coefficients, rows of frequency along y.
pub(crate) type Block = [[f32; 8]; 8];

/// Cosines of the odd and even halves of an orthonormal DCT-II of 8: `cos(k pi / 16) / 2`.
const C: [f32; 8] = [
    0.353_553_39, // sqrt(1 / 8)
    0.490_392_64,
    0.461_939_77,
    0.415_734_8,
    0.353_553_39,
    0.277_785_12,
    0.191_341_72,
    0.097_545_16,
];

/// Samples to coefficients; horizontal frequency is the first index.
#[inline(always)]
pub(crate) fn forward_transposed(block: &Block) -> Block {
    let mut coefficients = *block;
    forward_columns(&mut coefficients);
    transpose(&mut coefficients);
    forward_columns(&mut coefficients);
    coefficients
}

/// What is transformed: a sample, or several side by side.
pub(crate) trait Samples: Copy + Add<Output = Self> + Sub<Output = Self> {
    /// Each sample times a factor.
    fn times(self, factor: f32) -> Self;
}

impl Samples for f32 {
    #[inline(always)]
    fn times(self, factor: f32) -> Self {
        factor * self
    }
}

impl<S: Simd> Samples for Vector<S> {
    #[inline(always)]
    fn times(self, factor: f32) -> Self {
        factor * self
    }
}

/// A row of a block.
#[derive(Clone, Copy)]
struct Row([f32; 8]);

impl Add for Row {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let mut sum = self;
        for x in 0..8 {
            sum.0[x] += other.0[x];
        }
        sum
    }
}

impl Sub for Row {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        let mut difference = self;
        for x in 0..8 {
            difference.0[x] -= other.0[x];
        }
        difference
    }
}

impl Samples for Row {
    #[inline(always)]
    fn times(self, factor: f32) -> Self {
        let mut scaled = self;
        for x in 0..8 {
            scaled.0[x] *= factor;
        }
        scaled
    }
}

/// A DCT of each column: rows in, rows out, eight columns at once.
#[inline(always)]
fn forward_columns(block: &mut Block) {
    let [a, b, c, d, e, f, g, h] = *block;
    let of = forward_of([Row(a), Row(b), Row(c), Row(d), Row(e), Row(f), Row(g), Row(h)]);
    for (row, new) in block.iter_mut().zip(of) {
        *row = new.0;
    }
}

/// Coefficients of 8 samples.
#[inline(always)]
pub(crate) fn forward_of<T: Samples>(b: [T; 8]) -> [T; 8] {
    let (s0, s1, s2, s3) = (b[0] + b[7], b[1] + b[6], b[2] + b[5], b[3] + b[4]);
    let (d0, d1, d2, d3) = (b[0] - b[7], b[1] - b[6], b[2] - b[5], b[3] - b[4]);
    let (e0, e1) = (s0 + s3, s1 + s2);
    let (o0, o1) = (s0 - s3, s1 - s2);
    [
        (e0 + e1).times(C[0]),
        d0.times(C[1]) + d1.times(C[3]) + d2.times(C[5]) + d3.times(C[7]),
        o0.times(C[2]) + o1.times(C[6]),
        d0.times(C[3]) - d1.times(C[7]) - d2.times(C[1]) - d3.times(C[5]),
        (e0 - e1).times(C[4]),
        d0.times(C[5]) - d1.times(C[1]) + d2.times(C[7]) + d3.times(C[3]),
        o0.times(C[6]) - o1.times(C[2]),
        d0.times(C[7]) - d1.times(C[5]) + d2.times(C[3]) - d3.times(C[1]),
    ]
}

/// The inverse of [`forward_of`]: its transpose.
#[inline(always)]
pub(crate) fn backward_of<T: Samples>(b: [T; 8]) -> [T; 8] {
    let (p, m) = ((b[0] + b[4]).times(C[0]), (b[0] - b[4]).times(C[0]));
    let q = b[2].times(C[2]) + b[6].times(C[6]);
    let r = b[2].times(C[6]) - b[6].times(C[2]);
    let (e0, e1, e2, e3) = (p + q, m + r, m - r, p - q);
    let o0 = b[1].times(C[1]) + b[3].times(C[3]) + b[5].times(C[5]) + b[7].times(C[7]);
    let o1 = b[1].times(C[3]) - b[3].times(C[7]) - b[5].times(C[1]) - b[7].times(C[5]);
    let o2 = b[1].times(C[5]) - b[3].times(C[1]) + b[5].times(C[7]) + b[7].times(C[3]);
    let o3 = b[1].times(C[7]) - b[3].times(C[5]) + b[5].times(C[3]) - b[7].times(C[1]);
    [e0 + o0, e1 + o1, e2 + o2, e3 + o3, e3 - o3, e2 - o2, e1 - o1, e0 - o0]
}

#[inline(always)]
fn transpose(b: &mut Block) {
    let a = *b;
    for (y, row) in b.iter_mut().enumerate() {
        for (x, v) in row.iter_mut().enumerate() {
            *v = a[x][y];
        }
    }
}

/// The orthonormal matrix of the transform of `n` values: row `m` holds frequency `m`.
pub(crate) fn matrix(n: usize) -> Vec<Vec<f32>> {
    let row = |m: usize| {
        let scale = (if m == 0 { 1.0 } else { 2.0 } / n as f64).sqrt();
        let angle = |i: usize| std::f64::consts::PI * m as f64 * (i as f64 + 0.5) / n as f64;
        (0..n).map(|i| (scale * angle(i).cos()) as f32).collect()
    };
    (0..n).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_is_the_definition_and_backward_its_inverse() {
        let samples: [f32; 8] = std::array::from_fn(|i| (i * 37 % 16) as f32 / 16.0);
        let coefficients = forward_of(samples);
        for (k, (row, coefficient)) in matrix(8).iter().zip(coefficients).enumerate() {
            let expected: f32 = row.iter().zip(samples).map(|(a, b)| a * b).sum();
            assert!((coefficient - expected).abs() < 1e-6, "{k}");
        }
        let back = backward_of(coefficients);
        assert!(back.iter().zip(samples).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn blocks_are_transformed_along_both_sides() {
        let block: Block =
            std::array::from_fn(|y| std::array::from_fn(|x| ((y * 8 + x) * 37 % 64) as f32 / 64.0));
        let m = matrix(8);
        for (u, row) in forward_transposed(&block).iter().enumerate() {
            for (v, coefficient) in row.iter().enumerate() {
                let mut sum = 0.0;
                for (y, samples) in block.iter().enumerate() {
                    for (x, sample) in samples.iter().enumerate() {
                        sum += m[v][y] * m[u][x] * sample;
                    }
                }
                assert!((sum - coefficient).abs() < 1e-5, "{u} {v}");
            }
        }
    }

    #[test]
    fn matrices_are_orthonormal() {
        for n in 1..8 {
            let m = matrix(n);
            for (i, a) in m.iter().enumerate() {
                for (j, b) in m.iter().enumerate() {
                    let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    assert!((dot - if i == j { 1.0 } else { 0.0 }).abs() < 1e-5);
                }
            }
        }
    }
}
