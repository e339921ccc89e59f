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
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
}
