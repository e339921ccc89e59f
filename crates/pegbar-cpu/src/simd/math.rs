//! Functions that no instruction computes.

use super::Simd;

/// Largest argument whose exponential is finite, and the smallest whose exponential is a normal number.
const EXP_RANGE: (f32, f32) = (-87.33, 88.37);
/// Adding and subtracting this rounds a small number to the nearest whole one: the spacing of `f32` is 1 at 2^23.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts, the first with few enough bits that its product with a whole number below 128 is exact.
const LN_2: (f32, f32) = (355.0 / 512.0, -2.121_944_4e-4);

/// `e^x`, within 2 units in the last place; clamped to the finite, normal range.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.max(s.splat(EXP_RANGE.0), s.min(s.splat(EXP_RANGE.1), x));
    let k = s.sub(s.mul_add(x, s.splat(std::f32::consts::LOG2_E), s.splat(ROUND)), s.splat(ROUND));
    let r = s.neg_mul_add(k, s.splat(LN_2.1), s.neg_mul_add(k, s.splat(LN_2.0), x));
    // |r| <= ln(2)/2, where the next term of the series, r^8/8!, is below 6e-9.
    let mut p = s.splat(1.0 / 5040.0);
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = s.mul_add(p, r, s.splat(factor));
    }
    s.scale_by_power_of_two(p, k)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    s.reciprocal(s.add(s.splat(1.0), exp(s, s.sub(s.splat(0.0), x))))
}

/// [`sigmoid`] within 2^-13 of itself, for what becomes a half float.
#[inline(always)]
pub(crate) fn sigmoid_of_half<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.max(s.splat(EXP_RANGE.0), s.min(s.splat(-EXP_RANGE.0), x));
    let t = s.mul(x, s.splat(-std::f32::consts::LOG2_E));
    let k = s.sub(s.add(t, s.splat(ROUND)), s.splat(ROUND));
    let r = s.sub(t, k);
    // Of all polynomials of this degree the closest to 2^r in relative terms for |r| <= 1/2: 2.6e-6.
    let mut p = s.splat(0.009_570_101);
    for factor in [0.055_917_86, 0.240_247_44, 0.693_121_8, 0.999_999_3] {
        p = s.mul_add(p, r, s.splat(factor));
    }
    s.rough_reciprocal(s.add(s.splat(1.0), s.scale_by_power_of_two(p, k)))
}

/// `e^x` for `x <= 0`, within 4e-7 of the truth (6e-6 of it, where it is tiny): for softmax, where it is most of the
/// work. Clamped below to
/// the smallest normal number.
#[inline(always)]
pub(crate) fn exp_of_negative<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.max(s.splat(EXP_RANGE.0), x);
    let k = s.sub(s.mul_add(x, s.splat(std::f32::consts::LOG2_E), s.splat(ROUND)), s.splat(ROUND));
    // ln 2 in one part: k is so large that the error matters only where the result is tiny.
    let r = s.neg_mul_add(k, s.splat(std::f32::consts::LN_2), x);
    // Of all polynomials of this degree the closest in relative terms for |r| <= ln(2)/2: 7.5e-8.
    let mut p = s.splat(0.008_297_646);
    for factor in [0.041_915_383, 0.166_675_75, 0.499_988_94, 0.999_999_7, 1.000_000_1] {
        p = s.mul_add(p, r, s.splat(factor));
    }
    s.scale_by_power_of_two(p, k)
}

/// An odd function by a quotient of polynomials in `x^2`, constant beyond `-edge..=edge`.
#[inline(always)]
fn odd_quotient<S: Simd, const P: usize, const Q: usize>(
    s: S,
    x: S::V,
    edge: f32,
    numerator: [f32; P],
    denominator: [f32; Q],
) -> S::V {
    let x = s.max(s.splat(-edge), s.min(s.splat(edge), x));
    let t = s.mul(x, x);
    let (mut p, mut q) = (s.splat(numerator[0]), s.splat(denominator[0]));
    for factor in &numerator[1..] {
        p = s.mul_add(p, t, s.splat(*factor));
    }
    for factor in &denominator[1..] {
        q = s.mul_add(q, t, s.splat(*factor));
    }
    let y = s.div(s.mul(x, p), q);
    s.max(s.splat(-1.0), s.min(s.splat(1.0), y))
}

/// The error function, within 4e-7 of the truth in relative terms.
#[inline(always)]
pub(crate) fn erf<S: Simd>(s: S, x: S::V) -> S::V {
    // Fitted for the least relative error on 0..3.93 (1.9e-8), from where on the nearest `f32` is one.
    odd_quotient(
        s,
        x,
        3.93,
        [
            2.041_988_2e-6,
            2.848_078_2e-4,
            3.779_550_8e-3,
            5.279_011e-2,
            0.190_782_37,
            std::f32::consts::FRAC_2_SQRT_PI,
        ],
        [3.800_421_3e-5, 1.165_199_6e-3, 1.499_732e-2, 0.114_256_93, 0.502_409_2, 1.0],
    )
}

/// The hyperbolic tangent, within 4e-7 of the truth in relative terms.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    // Fitted for the least relative error on 0..9.02 (2.1e-8), from where on the nearest `f32` is one.
    odd_quotient(
        s,
        x,
        9.02,
        [1.331_930_7e-8, 2.058_366_8e-5, 3.494_046_4e-3, 0.133_797_29, 1.0],
        [7.762_120_6e-7, 3.283_112e-4, 2.587_111_9e-2, 0.467_130_42, 1.0],
    )
}

/// `x * (1 + erf(x / sqrt 2)) / 2`.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(s: S, x: S::V) -> S::V {
    let half = s.mul(x, s.splat(0.5));
    s.mul_add(half, erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2))), half)
}

/// [`gelu`] within 2^-13 of `x`, for what becomes a half float.
#[inline(always)]
pub(crate) fn gelu_of_half<S: Simd>(s: S, x: S::V) -> S::V {
    // The error function as a quotient fitted for the least relative error on 0..3.3 (2.2e-6), from where on it is one within 3e-6.
    let edge = 3.3;
    let y = s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2));
    let y = s.max(s.splat(-edge), s.min(s.splat(edge), y));
    let t = s.mul(y, y);
    let mut p = s.splat(7.446_265e-4);
    for factor in [0.043_126_83, 0.154_745_03, 1.128_377_2] {
        p = s.mul_add(p, t, s.splat(factor));
    }
    let mut q = s.splat(0.009_254_76);
    for factor in [0.094_949_61, 0.470_485_13, 1.0] {
        q = s.mul_add(q, t, s.splat(factor));
    }
    let erf = s.mul(s.mul(y, p), s.rough_reciprocal(q));
    let half = s.mul(x, s.splat(0.5));
    s.mul_add(half, erf, half)
}

/// `x * tanh(ln(1 + e^x))`.
#[inline(always)]
pub(crate) fn mish<S: Simd>(s: S, x: S::V) -> S::V {
    // tanh(ln(1 + e)) is t / (t + 2) with t = e (e + 2), which nears one long before e overflows when squared.
    let e = exp(s, s.min(s.splat(20.0), x));
    let t = s.mul(e, s.add(e, s.splat(2.0)));
    s.mul(x, s.div(t, s.add(t, s.splat(2.0))))
}

/// Lanes of the widest vector.
const MAX_LANES: usize = 16;

/// The sum of all lanes.
#[inline(always)]
pub(crate) fn sum_of_lanes<S: Simd>(s: S, v: S::V) -> f32 {
    fold_lanes(s, v, |a, b| a + b)
}

/// The largest lane.
#[inline(always)]
pub(crate) fn max_of_lanes<S: Simd>(s: S, v: S::V) -> f32 {
    fold_lanes(s, v, |a, b| if a > b { a } else { b })
}

#[inline(always)]
fn fold_lanes<S: Simd>(s: S, v: S::V, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; MAX_LANES];
    assert!(S::LANES <= MAX_LANES);
    // SAFETY: the array holds at least LANES values, as asserted.
    unsafe { s.store(lanes.as_mut_ptr(), v) };
    let mut n = S::LANES;
    while n > 1 {
        n /= 2;
        for i in 0..n {
            lanes[i] = join(lanes[i], lanes[i + n]);
        }
    }
    lanes[0]
}

/// Turns a matrix of `[rows, columns]`, both multiples of four, from one packed buffer to another.
#[inline(always)]
pub(crate) fn transpose([rows, columns]: [usize; 2], from: &[f32], to: &mut [f32]) {
    assert!(rows.is_multiple_of(4) && columns.is_multiple_of(4));
    assert!(from.len() >= rows * columns && to.len() >= rows * columns);
    for row in (0..rows).step_by(4) {
        for column in (0..columns).step_by(4) {
            // SAFETY: four rows of four values lie in both matrices, as the sizes are multiples of four and the buffers
            // as large as asserted.
            unsafe {
                transpose_4x4(
                    (from.as_ptr().add(row * columns + column), columns),
                    (to.as_mut_ptr().add(column * rows + row), rows),
                );
            }
        }
    }
}

/// By shuffles that every processor of the architecture has; left to itself the compiler gathers and scatters.
///
/// # Safety
/// Four rows of four values, each so far from the one before, must be readable and writable.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn transpose_4x4((from, from_stride): (*const f32, usize), (to, to_stride): (*mut f32, usize)) {
    use std::arch::x86_64::*;
    // SAFETY: as the caller states; SSE is part of the architecture.
    unsafe {
        let mut rows = [
            _mm_loadu_ps(from),
            _mm_loadu_ps(from.add(from_stride)),
            _mm_loadu_ps(from.add(2 * from_stride)),
            _mm_loadu_ps(from.add(3 * from_stride)),
        ];
        let [a, b, c, d] = &mut rows;
        _MM_TRANSPOSE4_PS(a, b, c, d);
        for (i, row) in rows.into_iter().enumerate() {
            _mm_storeu_ps(to.add(i * to_stride), row);
        }
    }
}

/// # Safety
/// Four rows of four values, each so far from the one before, must be readable and writable.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
unsafe fn transpose_4x4((from, from_stride): (*const f32, usize), (to, to_stride): (*mut f32, usize)) {
    for i in 0..4 {
        for j in 0..4 {
            // SAFETY: as the caller states.
            unsafe { to.add(i * to_stride + j).write(from.add(j * from_stride + i).read()) };
        }
    }
}
