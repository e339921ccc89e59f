//! The matrices of Winograd's algorithm for two sizes of tile, in the notation `Y = A^T [(G g G^T) . (B^T d B)] A`.
//!
//! All three follow from the points at which polynomials are interpolated (Toom and Cook): some finite ones, each with both
//! signs, zero, and infinity. Which points decides how much precision is lost, but not how much work it is.

#![allow(unsafe_code, reason = "vector loads at computed addresses")]

use crate::simd::Simd;

/// Largest patch of all schemes, in rows.
pub(super) const MAX_PATCH: usize = 8;

/// The transforms of a tile size, one axis at a time.
pub(super) trait Scheme: Copy + Send + Sync + 'static {
    /// Results in a row of a tile.
    const TILE: usize;
    /// Input values they are made of, and transformed values.
    const PATCH: usize;
    /// Tiles that are taken together between the two axes of the input transform: neighbours share columns, and the
    /// columns of so many stay in the first-level cache.
    const RUN: usize;

    /// `B^T d`: row i holds the coefficients of the product of `(x - point)` over the finite points but the i-th; the
    /// last row has all of them.
    fn input<S: Simd>(s: S, d: impl Fn(usize) -> S::V, put: impl FnMut(usize, S::V));
    /// `A^T m`: row i holds the i-th powers of the points.
    fn output<S: Simd>(s: S, m: impl FnMut(usize) -> S::V, put: impl FnMut(usize, S::V));
    /// `A^T M A` of the planes at `from`, `plane_stride` floats apart, to rows of a tile.
    ///
    /// # Safety
    /// A vector of each of the planes must be readable.
    unsafe fn output_tile<S: Simd>(s: S, from: *const f32, plane_stride: usize, rows: &mut impl TakeRow<S>);
}

/// A row of a tile; only the first [`Scheme::TILE`] are used.
pub(super) type Row<S> = [<S as Simd>::V; MAX_PATCH - 2];

/// Takes the rows of a tile one by one. (A closure cannot be forced inline, and so would miss the vector instructions.)
pub(super) trait TakeRow<S: Simd> {
    /// Implementations must be `#[inline(always)]`.
    fn take(&mut self, r: usize, row: Row<S>);
}

/// A column of a patch, transformed.
#[inline(always)]
fn column<W: Scheme, S: Simd>(s: S, m: impl FnMut(usize) -> S::V) -> Row<S> {
    let mut column = [s.splat(0.0); MAX_PATCH - 2];
    W::output(s, m, |r, v| column[r] = v);
    column
}

/// F(4x4, 3x3): 36 products for 16 results.
#[derive(Debug, Clone, Copy)]
pub(super) struct F4;

/// F(6x6, 3x3): 64 products for 36 results.
#[derive(Debug, Clone, Copy)]
pub(super) struct F6;

/// The points of F4: 0, +-P, +-Q. They lose less precision than the textbook's 0, +-1, +-2: found by experiment.
const P: f64 = 5.0 / 8.0;
const Q: f64 = 13.0 / 8.0;
/// Finite points, in the order of the planes.
pub(super) const F4_POINTS: [f64; 5] = [0.0, P, -P, Q, -Q];
/// The points of F6; none of many tried lost less.
pub(super) const F6_POINTS: [f64; 7] = [0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0];

/// `G g G^T` of a 3x3 kernel.
pub(super) fn transform_kernel(points: &[f64], kernel: &[f32]) -> Vec<f64> {
    let g = kernel_matrix(points);
    let mut out = Vec::with_capacity(g.len() * g.len());
    for row in &g {
        for column in &g {
            let mut sum = 0.0;
            for y in 0..3 {
                for x in 0..3 {
                    sum += row[y] * f64::from(kernel[y * 3 + x]) * column[x];
                }
            }
            out.push(sum);
        }
    }
    out
}

/// `G`: powers of each point over the product of its distances from the other finite points; infinity takes the
/// leading coefficient.
fn kernel_matrix(points: &[f64]) -> Vec<[f64; 3]> {
    let of_point = |(i, &x): (usize, &f64)| {
        let distances: f64 =
            points.iter().enumerate().filter(|&(j, _)| j != i).map(|(_, &other)| x - other).product();
        [1.0 / distances, x / distances, x * x / distances]
    };
    points.iter().enumerate().map(of_point).chain([[0.0, 0.0, 1.0]]).collect()
}

/// Sums of the magnitudes of the rows of `B^T`: how much larger than its input a transformed value can be, for each axis.
pub(super) fn input_gains(points: &[f64]) -> Vec<f64> {
    let polynomial = |without: Option<usize>| {
        let mut coefficients = vec![1.0];
        for (_, point) in points.iter().enumerate().filter(|&(i, _)| Some(i) != without) {
            // Times (x - point); the constant term comes first.
            coefficients.insert(0, 0.0);
            for i in 0..coefficients.len() - 1 {
                coefficients[i] -= point * coefficients[i + 1];
            }
        }
        coefficients.iter().map(|c: &f64| c.abs()).sum()
    };
    (0..points.len()).map(Some).chain([None]).map(polynomial).collect()
}

/// Column `j` of the planes at `from`, transformed.
///
/// # Safety
/// A vector of each of the planes must be readable.
#[inline(always)]
unsafe fn plane_column<W: Scheme, S: Simd>(s: S, from: *const f32, plane_stride: usize, j: usize) -> Row<S> {
    let mut at = from.wrapping_add(j * plane_stride);
    column::<W, S>(s, |_| {
        // SAFETY: it is asked for the rows of a column one after the other; the caller vouches for them.
        let v = unsafe { s.load(at) };
        at = at.wrapping_add(W::PATCH * plane_stride);
        v
    })
}

impl Scheme for F4 {
    const TILE: usize = 4;
    const PATCH: usize = 6;
    const RUN: usize = 4;

    #[inline(always)]
    fn input<S: Simd>(s: S, d: impl Fn(usize) -> S::V, mut put: impl FnMut(usize, S::V)) {
        let (p, q) = (s.splat(P as f32), s.splat(Q as f32));
        let (p2, q2) = (s.splat((P * P) as f32), s.splat((Q * Q) as f32));
        let sum = s.splat((P * P + Q * Q) as f32);
        let product = s.splat((P * P * Q * Q) as f32);
        let d: [S::V; 6] = std::array::from_fn(d);
        let even_q = s.neg_mul_add(q2, d[2], d[4]);
        let odd_q = s.neg_mul_add(q2, d[1], d[3]);
        let even_p = s.neg_mul_add(p2, d[2], d[4]);
        let odd_p = s.neg_mul_add(p2, d[1], d[3]);
        put(0, s.mul_add(product, d[0], s.neg_mul_add(sum, d[2], d[4])));
        put(1, s.mul_add(p, odd_q, even_q));
        put(2, s.neg_mul_add(p, odd_q, even_q));
        put(3, s.mul_add(q, odd_p, even_p));
        put(4, s.neg_mul_add(q, odd_p, even_p));
        put(5, s.mul_add(product, d[1], s.neg_mul_add(sum, d[3], d[5])));
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, m: impl FnMut(usize) -> S::V, mut put: impl FnMut(usize, S::V)) {
        let power = |x: f64, n: i32| s.splat(x.powi(n) as f32);
        let m: [S::V; 6] = std::array::from_fn(m);
        let (sum_p, difference_p) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        let (sum_q, difference_q) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
        put(0, s.add(s.add(m[0], sum_p), sum_q));
        put(1, s.mul_add(power(Q, 1), difference_q, s.mul(power(P, 1), difference_p)));
        put(2, s.mul_add(power(Q, 2), sum_q, s.mul(power(P, 2), sum_p)));
        put(3, s.mul_add(power(Q, 3), difference_q, s.mul_add(power(P, 3), difference_p, m[5])));
    }

    // Written out, not looped: the columns then stay in registers.
    #[inline(always)]
    unsafe fn output_tile<S: Simd>(s: S, from: *const f32, plane_stride: usize, rows: &mut impl TakeRow<S>) {
        // SAFETY: the caller vouches for all planes.
        let of = |j: usize| unsafe { plane_column::<Self, S>(s, from, plane_stride, j) };
        let columns = [of(0), of(1), of(2), of(3), of(4), of(5)];
        let across = |r: usize| column::<Self, S>(s, |j| columns[j][r]);
        rows.take(0, across(0));
        rows.take(1, across(1));
        rows.take(2, across(2));
        rows.take(3, across(3));
    }
}

impl Scheme for F6 {
    const TILE: usize = 6;
    const PATCH: usize = 8;
    const RUN: usize = 3;

    #[inline(always)]
    fn input<S: Simd>(s: S, d: impl Fn(usize) -> S::V, mut put: impl FnMut(usize, S::V)) {
        // For a pair of points +-p, the others having squares r and s: `x^4 - (r + s) x^2 + r s`, times `x (x +- p)`.
        let without = |sum: f32, product: f32, low: S::V, middle: S::V, high: S::V| {
            s.mul_add(s.splat(product), low, s.neg_mul_add(s.splat(sum), middle, high))
        };
        let all =
            |d0: S::V, d2: S::V, d4: S::V, d6: S::V| s.mul_add(s.splat(5.25), s.sub(d2, d4), s.sub(d6, d0));
        let d: [S::V; 8] = std::array::from_fn(d);
        put(0, all(d[0], d[2], d[4], d[6]));
        let (even, odd) = (without(5.0, 4.0, d[2], d[4], d[6]), without(5.0, 4.0, d[1], d[3], d[5]));
        put(1, s.mul_add(s.splat(0.5), odd, even));
        put(2, s.neg_mul_add(s.splat(0.5), odd, even));
        let even = s.neg_mul_add(s.splat(4.25), d[4], s.add(d[2], d[6]));
        let odd = s.neg_mul_add(s.splat(4.25), d[3], s.add(d[1], d[5]));
        put(3, s.add(even, odd));
        put(4, s.sub(even, odd));
        let (even, odd) = (without(1.25, 0.25, d[2], d[4], d[6]), without(1.25, 0.25, d[1], d[3], d[5]));
        put(5, s.mul_add(s.splat(2.0), odd, even));
        put(6, s.neg_mul_add(s.splat(2.0), odd, even));
        put(7, all(d[1], d[3], d[5], d[7]));
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, m: impl FnMut(usize) -> S::V, mut put: impl FnMut(usize, S::V)) {
        let m: [S::V; 8] = std::array::from_fn(m);
        let (sum_a, difference_a) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        let (sum_b, difference_b) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
        let (sum_c, difference_c) = (s.add(m[5], m[6]), s.sub(m[5], m[6]));
        let row = |n: i32, a: S::V, b: S::V, c: S::V| {
            let power = 2f32.powi(n);
            s.mul_add(s.splat(power), c, s.mul_add(s.splat(1.0 / power), a, b))
        };
        put(0, s.add(s.add(m[0], sum_a), s.add(sum_b, sum_c)));
        put(1, row(1, difference_a, difference_b, difference_c));
        put(2, row(2, sum_a, sum_b, sum_c));
        put(3, row(3, difference_a, difference_b, difference_c));
        put(4, row(4, sum_a, sum_b, sum_c));
        put(5, s.add(row(5, difference_a, difference_b, difference_c), m[7]));
    }

    #[inline(always)]
    unsafe fn output_tile<S: Simd>(s: S, from: *const f32, plane_stride: usize, rows: &mut impl TakeRow<S>) {
        // SAFETY: the caller vouches for all planes.
        let of = |j: usize| unsafe { plane_column::<Self, S>(s, from, plane_stride, j) };
        let columns = [of(0), of(1), of(2), of(3), of(4), of(5), of(6), of(7)];
        let across = |r: usize| column::<Self, S>(s, |j| columns[j][r]);
        rows.take(0, across(0));
        rows.take(1, across(1));
        rows.take(2, across(2));
        rows.take(3, across(3));
        rows.take(4, across(4));
        rows.take(5, across(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_bound_the_input_transform() {
        struct Largest<W>(std::marker::PhantomData<W>);
        impl<W: Scheme> crate::simd::Kernel for Largest<W> {
            type Output = Vec<f64>;
            #[inline(always)]
            fn run<S: Simd>(self, s: S) -> Vec<f64> {
                let mut gains = vec![0.0; W::PATCH];
                for at in 0..W::PATCH {
                    let one = |i: usize| s.splat(if i == at { 1.0 } else { 0.0 });
                    W::input(s, one, |i, v| {
                        let mut lanes = [0.0f32; 16];
                        // SAFETY: no vector has more lanes.
                        #[allow(unsafe_code, reason = "a store into an array")]
                        unsafe {
                            s.store(lanes.as_mut_ptr(), v);
                        }
                        gains[i] += f64::from(lanes[0].abs());
                    });
                }
                gains
            }
        }
        let isa = crate::simd::Isa::new(crate::CpuLevel::Scalar).expect("always there");
        for (points, found) in [
            (&F4_POINTS[..], crate::simd::dispatch(isa, Largest::<F4>(std::marker::PhantomData))),
            (&F6_POINTS[..], crate::simd::dispatch(isa, Largest::<F6>(std::marker::PhantomData))),
        ] {
            let expected = input_gains(points);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
    }
}
