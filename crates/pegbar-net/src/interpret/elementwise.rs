//! Functions of one or two values, element by element; softmax.

use super::Value;
use crate::{BinaryOp, UnaryOp};

pub(super) fn unary(x: &Value, op: UnaryOp) -> Value {
    Value { shape: x.shape, data: x.data.iter().map(|&v| op.apply(v)).collect() }
}

pub(super) fn prelu(x: &Value, slope: &[f32]) -> Value {
    let plane = x.shape[2] * x.shape[3];
    let slope_of = |index: usize| if slope.len() == 1 { slope[0] } else { slope[index / plane % x.shape[1]] };
    let data = x.data.iter().enumerate().map(|(i, &v)| if v >= 0.0 { v } else { slope_of(i) * v }).collect();
    Value { shape: x.shape, data }
}

pub(super) fn channel_affine(x: &Value, scale: &[f32], shift: &[f32]) -> Value {
    let plane = x.shape[2] * x.shape[3];
    let data = x.data.iter().enumerate().map(|(i, &v)| {
        let c = i / plane % x.shape[1];
        v * scale[c] + shift[c]
    });
    Value { shape: x.shape, data: data.collect() }
}

pub(super) fn binary(a: &Value, b: &Value, op: BinaryOp, out: [usize; 4]) -> Value {
    if a.shape == b.shape {
        let data = a.data.iter().zip(&b.data).map(|(&a, &b)| op.apply(a, b)).collect();
        return Value { shape: out, data };
    }
    let pick = |v: &Value, at: [usize; 4]| {
        let [n, c, y, x] = std::array::from_fn(|i| if v.shape[i] == 1 { 0 } else { at[i] });
        v.at(n, c, y, x)
    };
    Value::generate(out, |n, c, y, x| op.apply(pick(a, [n, c, y, x]), pick(b, [n, c, y, x])))
}

/// `exp(x - max) / sum`: the largest is taken off first so that nothing overflows.
pub(super) fn softmax(x: &Value, axis: usize) -> Value {
    let inner: usize = x.shape[axis + 1..].iter().product();
    let len = x.shape[axis];
    let mut data = x.data.clone();
    for start in 0..data.len() {
        if !(start / inner).is_multiple_of(len) {
            continue;
        }
        let places = (0..len).map(|i| start + i * inner);
        let max = places.clone().map(|i| x.data[i]).fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = places.clone().map(|i| f64::from(x.data[i] - max).exp()).sum();
        for i in places {
            data[i] = (f64::from(x.data[i] - max).exp() / sum) as f32;
        }
    }
    Value { shape: x.shape, data }
}

impl UnaryOp {
    /// The function itself.
    pub fn apply(self, x: f32) -> f32 {
        match self {
            // Comparisons written so that NaN stays NaN.
            Self::Relu => {
                if x <= 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::LeakyRelu(slope) => {
                if x >= 0.0 {
                    x
                } else {
                    x * slope
                }
            }
            Self::Sigmoid => sigmoid(x),
            Self::Silu => x * sigmoid(x),
            Self::Tanh => x.tanh(),
            Self::Gelu => {
                (f64::from(x) * 0.5 * (1.0 + erf(f64::from(x) * std::f64::consts::FRAC_1_SQRT_2))) as f32
            }
            Self::Mish => {
                let x = f64::from(x);
                // The logarithm is x itself where e^x is beyond all sums.
                let softplus = if x > 30.0 { x } else { x.exp().ln_1p() };
                (x * softplus.tanh()) as f32
            }
            Self::Clip { min, max } => {
                if x < min {
                    min
                } else if x > max {
                    max
                } else {
                    x
                }
            }
            Self::HardSigmoid { alpha, beta } => unit(alpha * x + beta),
            Self::HardSwish { alpha, beta } => x * unit(alpha * x + beta),
            Self::Elu(alpha) => {
                if x > 0.0 {
                    x
                } else {
                    alpha * x.exp_m1()
                }
            }
            Self::Abs => x.abs(),
            Self::Neg => -x,
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Square => x * x,
            Self::Reciprocal => 1.0 / x,
            Self::Sin => f64::from(x).sin() as f32,
            Self::Cos => f64::from(x).cos() as f32,
            Self::ScaleShift { scale, shift } => x * scale + shift,
        }
    }
}

impl BinaryOp {
    /// The function itself. NaN in, NaN out.
    pub fn apply(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Max => {
                if a.is_nan() || a > b {
                    a
                } else {
                    b
                }
            }
            Self::Min => {
                if a.is_nan() || a < b {
                    a
                } else {
                    b
                }
            }
            Self::Pow => a.powf(b),
            Self::Atan2 => f64::from(a).atan2(f64::from(b)) as f32,
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(x)).exp())) as f32
}

fn unit(x: f32) -> f32 {
    x.clamp(0.0, 1.0)
}

/// The error function, to 1e-15: its Taylor series near zero, the continued fraction of its complement beyond.
pub(crate) fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() {
        return x;
    }
    let frac_2_sqrt_pi = std::f64::consts::FRAC_2_SQRT_PI;
    let value = if a < 2.5 {
        let (mut sum, mut term, mut n) = (a, a, 0.0);
        while term.abs() > sum * 1e-17 {
            n += 1.0;
            term *= -a * a / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * frac_2_sqrt_pi
    } else if a < 6.0 {
        // erfc(a) = exp(-a^2) / sqrt(pi) / (a + (1/2) / (a + (2/2) / (a + (3/2) / ...)))
        let fraction = (1..=60).rev().fold(a, |tail, k| a + f64::from(k) * 0.5 / tail);
        1.0 - (-a * a).exp() * 0.5 * frac_2_sqrt_pi / fraction
    } else {
        1.0
    };
    value.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_agrees_with_tables() {
        // Abramowitz and Stegun, table 7.1; both branches and the seam.
        for (x, y) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_8),
            (1.0, 0.842_700_792_9),
            (2.0, 0.995_322_265_0),
            (2.5, 0.999_593_048_0),
            (3.0, 0.999_977_909_5),
            (-1.0, -0.842_700_792_9),
        ] {
            assert!((erf(x) - y).abs() < 1e-10, "erf({x}) = {}", erf(x));
        }
        assert!((erf(2.5 - 1e-9) - erf(2.5 + 1e-9)).abs() < 1e-10);
        assert!(erf(f64::NAN).is_nan());
    }

    #[test]
    fn nan_passes_through() {
        for op in
            [UnaryOp::Relu, UnaryOp::LeakyRelu(0.1), UnaryOp::Clip { min: 0.0, max: 1.0 }, UnaryOp::Gelu]
        {
            assert!(op.apply(f32::NAN).is_nan(), "{op:?}");
        }
        for op in [BinaryOp::Max, BinaryOp::Min] {
            assert!(op.apply(f32::NAN, 1.0).is_nan() && op.apply(1.0, f32::NAN).is_nan(), "{op:?}");
        }
    }

    #[test]
    fn angles_go_around() {
        use std::f32::consts::{FRAC_PI_4, PI};
        for (y, x, angle) in
            [(1.0, 1.0, FRAC_PI_4), (1.0, -1.0, 3.0 * FRAC_PI_4), (0.0, -2.0, PI), (0.0, 0.0, 0.0)]
        {
            assert!((BinaryOp::Atan2.apply(y, x) - angle).abs() < 1e-6, "{y}, {x}");
        }
    }

    #[test]
    fn activations_match_pytorch() {
        for (op, x, y) in [
            (UnaryOp::Gelu, 1.0, 0.841_344_7),
            (UnaryOp::Gelu, -0.5, -0.154_268_77),
            (UnaryOp::Silu, 1.0, 0.731_058_6),
            (UnaryOp::Mish, 1.0, 0.865_098_4),
            (UnaryOp::Mish, -3.0, -0.145_647_8),
            (UnaryOp::Mish, 100.0, 100.0),
            (UnaryOp::Sigmoid, -100.0, 0.0),
            (UnaryOp::HardSwish { alpha: 1.0 / 6.0, beta: 0.5 }, 1.0, 0.666_666_7),
            (UnaryOp::Elu(1.0), -1.0, -0.632_120_55),
            (UnaryOp::LeakyRelu(0.2), -1.0, -0.2),
            (UnaryOp::Sin, 2.0, 0.909_297_4),
            (UnaryOp::Cos, 2.0, -0.416_146_84),
        ] {
            assert!((op.apply(x) - y).abs() < 1e-6, "{op:?}({x}) = {}", op.apply(x));
        }
    }
}
