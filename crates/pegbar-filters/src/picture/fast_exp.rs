//! An exponential that vectorises.

/// `e^x` for `x <= 0`, within 1e-6 of it near zero and 1e-5 far off; about 1e-38 for anything below -87, and for NaN.
#[inline(always)]
pub(crate) fn exp_negative(x: f32) -> f32 {
    /// Added to a number below 2^22 it leaves the nearest whole number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let t = (x * std::f32::consts::LOG2_E).max(-126.0);
    let shifted = t + ROUND;
    let f = t - (shifted - ROUND);
    let p = 1.0
        + f * (std::f32::consts::LN_2
            + f * (0.240_226_5
                + f * (0.055_504_11 + f * (0.009_618_13 + f * (0.001_333_36 + f * 0.000_154_04)))));
    // The whole number of halvings goes to the exponent.
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_the_real_one() {
        for i in 0..8_700 {
            let x = -(i as f32) * 0.01;
            let (got, want) = (exp_negative(x), x.exp());
            assert!((got - want).abs() < (1e-6 - x * 1e-7) * want + 1e-37, "{x} {got} {want}");
        }
        assert_eq!(exp_negative(0.0), 1.0);
        assert!(exp_negative(f32::NEG_INFINITY) < 1e-37 && exp_negative(f32::NAN) < 1e-37);
    }
}
