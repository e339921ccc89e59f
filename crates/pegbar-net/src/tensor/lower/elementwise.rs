//! Functions of one, two or several values, element by element.

use super::super::attributes::Call;
use super::super::program::ValueId;
use super::super::{Array, Binary, Comparison, ElementKind, Kernel, Unary};
use super::Lowering;
use crate::UnaryOp;
use crate::import::error::{OpError, problem};
use ElementKind::{Bool, Float, Int};

type Made = Result<Vec<ValueId>, OpError>;

/// A function of one number that has no parameters, by the operator's name.
fn plain_function(name: &str) -> Option<Unary> {
    use Unary::Shared;
    Some(match name {
        "Exp" => Shared(UnaryOp::Exp),
        "Log" => Shared(UnaryOp::Log),
        "Sqrt" => Shared(UnaryOp::Sqrt),
        "Reciprocal" => Shared(UnaryOp::Reciprocal),
        "Sigmoid" => Shared(UnaryOp::Sigmoid),
        "Tanh" => Shared(UnaryOp::Tanh),
        "Sin" => Shared(UnaryOp::Sin),
        "Cos" => Shared(UnaryOp::Cos),
        "Mish" => Shared(UnaryOp::Mish),
        "HardSwish" => Shared(UnaryOp::HardSwish { alpha: 1.0 / 6.0, beta: 0.5 }),
        "Erf" => Unary::Erf,
        "Floor" => Unary::Floor,
        "Ceil" => Unary::Ceil,
        "Round" => Unary::Round,
        "Tan" => Unary::Tan,
        "Asin" => Unary::Asin,
        "Acos" => Unary::Acos,
        "Atan" => Unary::Atan,
        "Sinh" => Unary::Sinh,
        "Cosh" => Unary::Cosh,
        "Asinh" => Unary::Asinh,
        "Acosh" => Unary::Acosh,
        "Atanh" => Unary::Atanh,
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        _ => return None,
    })
}

pub(super) fn function(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let name = call.node.op_type.as_str();
    // Of whole numbers they are what they were.
    if l.kind(x) == Int && matches!(name, "Floor" | "Ceil" | "Round") {
        return Ok(vec![x]);
    }
    let function = match (plain_function(name), name) {
        (Some(function), _) => function,
        (_, "LeakyRelu") => Unary::Shared(UnaryOp::LeakyRelu(call.float("alpha", 0.01)?)),
        (_, "Elu") => Unary::Shared(UnaryOp::Elu(call.float("alpha", 1.0)?)),
        (_, "HardSigmoid") => Unary::Shared(UnaryOp::HardSigmoid {
            alpha: call.float("alpha", 0.2)?,
            beta: call.float("beta", 0.5)?,
        }),
        (_, "Selu") => {
            Unary::Selu { alpha: call.float("alpha", 1.673_263_2)?, gamma: call.float("gamma", 1.050_701)? }
        }
        (_, "Celu") => Unary::Celu(call.float("alpha", 1.0)?),
        (_, "ThresholdedRelu") => Unary::ThresholdedRelu(call.float("alpha", 1.0)?),
        (_, "Shrink") => Unary::Shrink { bias: call.float("bias", 0.0)?, lambda: call.float("lambd", 0.5)? },
        (_, "Swish") => match call.float("alpha", 1.0)? {
            1.0 => Unary::Shared(UnaryOp::Silu),
            alpha => Unary::Swish(alpha),
        },
        (_, "Gelu") => match call.string("approximate", "none")? {
            "none" => Unary::Shared(UnaryOp::Gelu),
            "tanh" => Unary::GeluTanh,
            other => return Err(problem!("its attribute approximate is {other:?}; none and tanh are known")),
        },
        _ => return Err(OpError::Operator),
    };
    Ok(vec![l.unary(x, function)?])
}

/// Relu, Neg, Abs, Sign: of integers as well.
pub(super) fn of_any_number(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let (shape, name) = (l.shape(x).to_vec(), call.node.op_type.as_str());
    let made = match (l.kind(x), name) {
        (Float, "Relu") => l.unary(x, Unary::Shared(UnaryOp::Relu))?,
        (Float, "Neg") => l.unary(x, Unary::Shared(UnaryOp::Neg))?,
        (Float, "Abs") => l.unary(x, Unary::Shared(UnaryOp::Abs))?,
        (Float, "Sign") => l.unary(x, Unary::Sign)?,
        (Int, "Relu") => {
            let zero = l.constant(Array::ints(vec![], vec![0]));
            l.binary(Binary::Max, x, zero)?
        }
        (Int, "Neg") => l.emit(Kernel::NegInt, &[x], shape, Int)?,
        (Int, "Abs") => l.emit(Kernel::AbsInt, &[x], shape, Int)?,
        (Int, "Sign") => l.emit(Kernel::SignInt, &[x], shape, Int)?,
        _ => return Err(problem!("works on numbers, not on truth values")),
    };
    Ok(vec![made])
}

pub(super) fn clip(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let mut x = call.input(0)?;
    if call.opset < 11 {
        let (min, max) = (call.float("min", f32::MIN)?, call.float("max", f32::MAX)?);
        return Ok(vec![l.unary(x, Unary::Shared(UnaryOp::Clip { min, max }))?]);
    }
    let (least, most) = (call.optional(1), call.optional(2));
    let number = |l: &Lowering<'_>, id: Option<ValueId>, default: f32| match id {
        None => Some(default),
        Some(id) => {
            l.if_known(id).and_then(|array| array.as_floats()).and_then(|values| values.first().copied())
        }
    };
    if l.kind(x) == Float
        && let (Some(min), Some(max)) = (number(l, least, f32::NEG_INFINITY), number(l, most, f32::INFINITY))
        && min <= max
    {
        return Ok(vec![l.unary(x, Unary::Shared(UnaryOp::Clip { min, max }))?]);
    }
    if let Some(least) = least {
        x = l.binary(Binary::Max, x, least)?;
    }
    if let Some(most) = most {
        x = l.binary(Binary::Min, x, most)?;
    }
    Ok(vec![x])
}

pub(super) fn arithmetic(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let op = match call.node.op_type.as_str() {
        "Add" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        "And" => Binary::And,
        "Or" => Binary::Or,
        "Xor" => Binary::Xor,
        "PRelu" => Binary::PRelu,
        "Mod" if call.flag("fmod", false)? => Binary::FMod,
        "Mod" => Binary::Mod,
        _ => return Err(OpError::Operator),
    };
    let is_logic = matches!(op, Binary::And | Binary::Or | Binary::Xor);
    if is_logic != (l.kind(a) == Bool) {
        return Err(problem!("has inputs of {:?} elements", l.kind(a)));
    }
    Ok(vec![l.binary(op, a, b)?])
}

pub(super) fn pow(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let made = match (l.kind(a), l.kind(b)) {
        (Float, Int) => {
            let b = cast(l, b, Float)?;
            power(l, a, b)?
        }
        (Int, Float) => {
            let a = cast(l, a, Float)?;
            let made = power(l, a, b)?;
            cast(l, made, Int)?
        }
        _ => power(l, a, b)?,
    };
    Ok(vec![made])
}

fn power(l: &mut Lowering<'_>, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
    let exponent = l.if_known(b).and_then(|array| array.as_floats()).filter(|values| values.len() == 1);
    match exponent.map(|values| values[0]) {
        Some(2.0) if l.rank(b) <= l.rank(a) => l.unary(a, Unary::Shared(UnaryOp::Square)),
        Some(0.5) if l.rank(b) <= l.rank(a) => l.unary(a, Unary::Shared(UnaryOp::Sqrt)),
        _ => l.binary(Binary::Pow, a, b),
    }
}

/// Max, Min, Sum, Mean of any number of values.
pub(super) fn of_several(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let ids = call.all_inputs()?;
    let name = call.node.op_type.as_str();
    let op = match name {
        "Max" => Binary::Max,
        "Min" => Binary::Min,
        _ => Binary::Add,
    };
    let mut made = ids[0];
    for &id in &ids[1..] {
        made = l.binary(op, made, id)?;
    }
    if name == "Mean" {
        let divisor = l.constant(Array::floats(vec![], vec![ids.len() as f32]));
        made = l.binary(Binary::Div, made, divisor)?;
    }
    Ok(vec![made])
}

pub(super) fn comparison(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let op = match call.node.op_type.as_str() {
        "Equal" => Comparison::Equal,
        "Less" => Comparison::Less,
        "LessOrEqual" => Comparison::LessOrEqual,
        "Greater" => Comparison::Greater,
        _ => Comparison::GreaterOrEqual,
    };
    if l.kind(a) != l.kind(b) {
        return Err(problem!("compares {:?} with {:?}", l.kind(a), l.kind(b)));
    }
    let shape = l.broadcast(&[a, b])?;
    Ok(vec![l.emit(Kernel::Compare(op), &[a, b], shape, Bool)?])
}

pub(super) fn test(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    let shape = l.shape(x).to_vec();
    let kernel = match call.node.op_type.as_str() {
        "Not" => {
            l.expect_kind(x, Bool)?;
            Kernel::Not
        }
        "IsNaN" => Kernel::IsNan,
        _ => Kernel::IsInf {
            negative: call.flag("detect_negative", true)?,
            positive: call.flag("detect_positive", true)?,
        },
    };
    if kernel != Kernel::Not {
        l.expect_kind(x, Float)?;
    }
    Ok(vec![l.emit(kernel, &[x], shape, Bool)?])
}

pub(super) fn where_(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (condition, a, b) = (call.input(0)?, call.input(1)?, call.input(2)?);
    l.expect_kind(condition, Bool)?;
    let kind = l.kind(a);
    l.expect_kind(b, kind)?;
    let shape = l.broadcast(&[condition, a, b])?;
    Ok(vec![l.emit(Kernel::Where, &[condition, a, b], shape, kind)?])
}

/// The value as elements of another kind; integers of 64 bits.
pub(super) fn cast(l: &mut Lowering<'_>, x: ValueId, kind: ElementKind) -> Result<ValueId, OpError> {
    if l.kind(x) == kind {
        return Ok(x);
    }
    let kernel = match kind {
        Float => Kernel::ToFloat,
        Int => Kernel::ToInt { bits: 64, signed: true },
        Bool => Kernel::ToBool,
    };
    let shape = l.shape(x).to_vec();
    l.emit(kernel, &[x], shape, kind)
}

pub(super) fn cast_to(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let x = call.input(0)?;
    if call.node.op_type == "CastLike" {
        let kind = l.kind(call.input(1)?);
        return Ok(vec![cast(l, x, kind)?]);
    }
    let (bits, signed) = match call.int("to", 0)? {
        1 | 10 | 11 | 16 => return Ok(vec![cast(l, x, Float)?]),
        9 => return Ok(vec![cast(l, x, Bool)?]),
        2 => (8, false),
        3 => (8, true),
        4 => (16, false),
        5 => (16, true),
        6 => (32, true),
        7 => (64, true),
        12 => (32, false),
        13 => (64, false),
        other => return Err(problem!("casts to ONNX element type {other}, which Pegbar does not know")),
    };
    if l.kind(x) == Int && bits == 64 {
        return Ok(vec![x]);
    }
    let shape = l.shape(x).to_vec();
    Ok(vec![l.emit(Kernel::ToInt { bits, signed }, &[x], shape, Int)?])
}
