//! Element by element.

use super::super::strides::for_each_run;
use super::super::{Array, ArrayData, Binary, Comparison, Kernel, Unary, broadcast_strides};
use crate::interpret::erf;

impl Unary {
    /// The function itself.
    pub fn apply(self, x: f32) -> f32 {
        let wide = f64::from(x);
        match self {
            Self::Shared(op) => op.apply(x),
            Self::Erf => erf(wide) as f32,
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Round => x.round_ties_even(),
            Self::Sign if x == 0.0 || x.is_nan() => x,
            Self::Sign => x.signum(),
            Self::Tan => wide.tan() as f32,
            Self::Asin => wide.asin() as f32,
            Self::Acos => wide.acos() as f32,
            Self::Atan => wide.atan() as f32,
            Self::Sinh => wide.sinh() as f32,
            Self::Cosh => wide.cosh() as f32,
            Self::Asinh => wide.asinh() as f32,
            Self::Acosh => wide.acosh() as f32,
            Self::Atanh => wide.atanh() as f32,
            // The logarithm is x itself where e^x is beyond all sums.
            Self::Softplus if x > 40.0 => x,
            Self::Softplus => wide.exp().ln_1p() as f32,
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Selu { alpha, gamma } => gamma * if x > 0.0 { x } else { alpha * x.exp_m1() },
            Self::Celu(alpha) => {
                if x > 0.0 {
                    x
                } else {
                    alpha * (x / alpha).exp_m1()
                }
            }
            Self::ThresholdedRelu(alpha) => {
                if x > alpha {
                    x
                } else {
                    0.0
                }
            }
            Self::GeluTanh => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044_715 * wide.powi(3));
                (0.5 * wide * (1.0 + inner.tanh())) as f32
            }
            Self::Swish(alpha) => (wide / (1.0 + (-f64::from(alpha) * wide).exp())) as f32,
            Self::Shrink { bias, lambda } => {
                if x < -lambda {
                    x + bias
                } else if x > lambda {
                    x - bias
                } else {
                    0.0
                }
            }
        }
    }
}

impl Binary {
    /// Of floating-point numbers.
    pub fn apply(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow => f64::from(a).powf(f64::from(b)) as f32,
            Self::Max => crate::BinaryOp::Max.apply(a, b),
            Self::Min => crate::BinaryOp::Min.apply(a, b),
            Self::Mod => {
                let rest = a % b;
                if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
            }
            Self::FMod => a % b,
            Self::PRelu if a >= 0.0 => a,
            Self::PRelu => a * b,
            Self::And | Self::Or | Self::Xor => f32::NAN,
        }
    }

    /// Of integers: whatever overflows wraps around, and what is divided by zero becomes zero.
    fn apply_to_ints(self, a: i64, b: i64) -> i64 {
        match self {
            Self::Add => a.wrapping_add(b),
            Self::Sub => a.wrapping_sub(b),
            Self::Mul => a.wrapping_mul(b),
            Self::Div => a.checked_div(b).unwrap_or(0),
            Self::Pow => u32::try_from(b).map_or(0, |b| a.wrapping_pow(b)),
            Self::Max => a.max(b),
            Self::Min => a.min(b),
            Self::Mod => {
                let rest = a.checked_rem(b).unwrap_or(0);
                if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
            }
            Self::FMod => a.checked_rem(b).unwrap_or(0),
            Self::PRelu if a >= 0 => a,
            Self::PRelu => a.wrapping_mul(b),
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
        }
    }
}

impl Comparison {
    fn holds<T: PartialOrd>(self, a: &T, b: &T) -> bool {
        match self {
            Self::Equal => a == b,
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
        }
    }
}

/// Applies a function to every pair, with broadcasting.
fn zip<A, B, T>(
    a: (&[A], &[usize]),
    b: (&[B], &[usize]),
    shape: &[usize],
    f: impl Fn(&A, &B) -> T,
) -> Vec<T> {
    let mut made = Vec::with_capacity(shape.iter().product());
    let (sa, sb) = (broadcast_strides(a.1, shape), broadcast_strides(b.1, shape));
    let last = |strides: &[usize]| strides.last().copied().unwrap_or(0);
    let (step_a, step_b) = (last(&sa), last(&sb));
    let n = shape.last().copied().unwrap_or(1);
    for_each_run(shape, [&sa, &sb], |[at_a, at_b]| {
        made.extend((0..n).map(|i| f(&a.0[at_a + i * step_a], &b.0[at_b + i * step_b])));
    });
    made
}

pub(super) fn binary(op: Binary, a: &Array, b: &Array, shape: &[usize]) -> Result<Array, String> {
    let to = shape.to_vec();
    match (a.data(), b.data()) {
        (ArrayData::Float(x), ArrayData::Float(y)) => {
            Ok(Array::floats(to, zip((x, a.shape()), (y, b.shape()), shape, |&x, &y| op.apply(x, y))))
        }
        (ArrayData::Int(x), ArrayData::Int(y)) => {
            Ok(Array::ints(to, zip((x, a.shape()), (y, b.shape()), shape, |&x, &y| op.apply_to_ints(x, y))))
        }
        (ArrayData::Bool(x), ArrayData::Bool(y)) => {
            let apply = |&x: &bool, &y: &bool| op.apply_to_ints(i64::from(x), i64::from(y)) != 0;
            Ok(Array::bools(to, zip((x, a.shape()), (y, b.shape()), shape, apply)))
        }
        _ => Err(format!("{} of two kinds of elements", op.name())),
    }
}

pub(super) fn compare(op: Comparison, a: &Array, b: &Array, shape: &[usize]) -> Result<Array, String> {
    let made = match (a.data(), b.data()) {
        (ArrayData::Float(x), ArrayData::Float(y)) => {
            zip((x, a.shape()), (y, b.shape()), shape, |x, y| op.holds(x, y))
        }
        (ArrayData::Int(x), ArrayData::Int(y)) => {
            zip((x, a.shape()), (y, b.shape()), shape, |x, y| op.holds(x, y))
        }
        (ArrayData::Bool(x), ArrayData::Bool(y)) => {
            zip((x, a.shape()), (y, b.shape()), shape, |x, y| op.holds(x, y))
        }
        _ => return Err("a comparison of two kinds of elements".into()),
    };
    Ok(Array::bools(shape.to_vec(), made))
}

pub(super) fn where_(condition: &Array, a: &Array, b: &Array, shape: &[usize]) -> Result<Array, String> {
    let truth = condition.as_bools().ok_or("Where needs truth values")?;
    let strides = [condition.shape(), a.shape(), b.shape()].map(|from| broadcast_strides(from, shape));
    let steps = strides.each_ref().map(|strides| strides.last().copied().unwrap_or(0));
    let n = shape.last().copied().unwrap_or(1);
    macro_rules! choose {
        ($x:expr, $y:expr, $make:ident) => {{
            let mut made = Vec::with_capacity(shape.iter().product());
            for_each_run(shape, [&strides[0], &strides[1], &strides[2]], |[c, i, j]| {
                made.extend((0..n).map(|k| {
                    if truth[c + k * steps[0]] { $x[i + k * steps[1]] } else { $y[j + k * steps[2]] }
                }));
            });
            Ok(Array::$make(shape.to_vec(), made))
        }};
    }
    match (a.data(), b.data()) {
        (ArrayData::Float(x), ArrayData::Float(y)) => choose!(x, y, floats),
        (ArrayData::Int(x), ArrayData::Int(y)) => choose!(x, y, ints),
        (ArrayData::Bool(x), ArrayData::Bool(y)) => choose!(x, y, bools),
        _ => Err("Where chooses between two kinds of elements".into()),
    }
}

pub(super) fn test(kernel: &Kernel, x: &Array) -> Result<Array, String> {
    let shape = x.shape().to_vec();
    Ok(match (kernel, x.data()) {
        (Kernel::NegInt, ArrayData::Int(v)) => {
            Array::ints(shape, v.iter().map(|v| v.wrapping_neg()).collect())
        }
        (Kernel::AbsInt, ArrayData::Int(v)) => {
            Array::ints(shape, v.iter().map(|v| v.wrapping_abs()).collect())
        }
        (Kernel::SignInt, ArrayData::Int(v)) => Array::ints(shape, v.iter().map(|v| v.signum()).collect()),
        (Kernel::Not, ArrayData::Bool(v)) => Array::bools(shape, v.iter().map(|v| !v).collect()),
        (Kernel::IsNan, ArrayData::Float(v)) => Array::bools(shape, v.iter().map(|v| v.is_nan()).collect()),
        (Kernel::IsInf { negative, positive }, ArrayData::Float(v)) => {
            let counts = |v: &f32| v.is_infinite() && if *v < 0.0 { *negative } else { *positive };
            Array::bools(shape, v.iter().map(counts).collect())
        }
        _ => return Err(format!("{} of the wrong kind of elements", kernel.name())),
    })
}

pub(super) fn to_int(x: &Array, bits: u32, signed: bool) -> Array {
    let fit = |v: i64| match (bits, signed) {
        (8, true) => i64::from(v as i8),
        (8, false) => i64::from(v as u8),
        (16, true) => i64::from(v as i16),
        (16, false) => i64::from(v as u16),
        (32, true) => i64::from(v as i32),
        (32, false) => i64::from(v as u32),
        _ => v,
    };
    let made = match x.data() {
        ArrayData::Float(values) => values.iter().map(|&v| fit(v as i64)).collect(),
        ArrayData::Int(values) => values.iter().map(|&v| fit(v)).collect(),
        ArrayData::Bool(values) => values.iter().map(|&v| i64::from(v)).collect(),
    };
    Array::ints(x.shape().to_vec(), made)
}
