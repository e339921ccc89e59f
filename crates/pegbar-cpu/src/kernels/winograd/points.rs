//! The matrices of F(4x4, 3x3) for the points 0, +-P, +-Q and infinity, in the notation
//! `Y = A^T [(G g G^T) . (B^T d B)] A`.

use super::{PATCH, PLANES};
use crate::simd::Simd;

const P: f64 = 5.0 / 8.0;
const Q: f64 = 13.0 / 8.0;

/// `G g G^T` of a 3x3 kernel, in double precision.
pub(super) fn transform_kernel(kernel: &[f32]) -> [f32; PLANES] {
    let g = kernel_matrix();
    let mut out = [0.0; PLANES];
    for (i, row) in g.iter().enumerate() {
        for (j, column) in g.iter().enumerate() {
            let mut sum = 0.0;
            for y in 0..3 {
                for x in 0..3 {
                    sum += row[y] * f64::from(kernel[y * 3 + x]) * column[x];
                }
            }
            out[i * PATCH + j] = sum as f32;
        }
    }
    out
}

/// `G`: powers of each point over the product of its distances from the other finite points; infinity takes the
/// leading coefficient.
fn kernel_matrix() -> [[f64; 3]; PATCH] {
    let points = [0.0, P, -P, Q, -Q];
    let mut g = [[0.0, 0.0, 1.0]; PATCH];
    for (i, &x) in points.iter().enumerate() {
        let distances: f64 =
            points.iter().enumerate().filter(|&(j, _)| j != i).map(|(_, &other)| x - other).product();
        g[i] = [1.0 / distances, x / distances, x * x / distances];
    }
    g
}

/// `B^T d`: row i holds the coefficients of the product of `(x - point)` over the finite points but the i-th; the last
/// row has all of them.
#[inline(always)]
pub(super) fn transform_input<S: Simd>(s: S, d: [S::V; PATCH]) -> [S::V; PATCH] {
    let p = s.splat(P as f32);
    let q = s.splat(Q as f32);
    let p2 = s.splat((P * P) as f32);
    let q2 = s.splat((Q * Q) as f32);
    let sum = s.splat((P * P + Q * Q) as f32);
    let product = s.splat((P * P * Q * Q) as f32);
    let even_q = s.neg_mul_add(q2, d[2], d[4]);
    let odd_q = s.neg_mul_add(q2, d[1], d[3]);
    let even_p = s.neg_mul_add(p2, d[2], d[4]);
    let odd_p = s.neg_mul_add(p2, d[1], d[3]);
    [
        s.mul_add(product, d[0], s.neg_mul_add(sum, d[2], d[4])),
        s.mul_add(p, odd_q, even_q),
        s.neg_mul_add(p, odd_q, even_q),
        s.mul_add(q, odd_p, even_p),
        s.neg_mul_add(q, odd_p, even_p),
        s.mul_add(product, d[1], s.neg_mul_add(sum, d[3], d[5])),
    ]
}

/// `A^T m`: row i holds the i-th powers of the points.
#[inline(always)]
pub(super) fn transform_output<S: Simd>(s: S, m: [S::V; PATCH]) -> [S::V; 4] {
    let power = |x: f64, n: i32| s.splat(x.powi(n) as f32);
    let (sum_p, difference_p) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (sum_q, difference_q) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [
        s.add(s.add(m[0], sum_p), sum_q),
        s.mul_add(power(Q, 1), difference_q, s.mul(power(P, 1), difference_p)),
        s.mul_add(power(Q, 2), sum_q, s.mul(power(P, 2), sum_p)),
        s.mul_add(power(Q, 3), difference_q, s.mul_add(power(P, 3), difference_p, m[5])),
    ]
}
