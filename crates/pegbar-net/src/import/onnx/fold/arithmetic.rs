//! Arithmetic on constants and sizes.

use super::super::constant::{Constant, Data, LARGEST_OF_SIZES, n_elements, strides, walk};
use super::super::size::Size;
use super::super::{Importer, node};
use super::truth;
use crate::import::error::{OpError, problem};
use pegbar_formats::onnx::OnnxNode;
use std::cmp::Ordering;
use std::rc::Rc;

/// A cast: everything is `f32` or a size here, so only rounding to integers changes anything.
pub(super) fn cast(constant: &Constant, to: i64) -> Result<Constant, OpError> {
    // Element types of ONNX: 1 float, 10 float16, 11 double, 16 bfloat16; 9 Boolean; the others are integers.
    let to_float = matches!(to, 1 | 10 | 11 | 16);
    let data = match &constant.data {
        Data::Float(_) if to_float => constant.data.clone(),
        Data::Float(values) => Data::Sizes {
            values: Rc::new(values.iter().map(|v| Size::whole(*v as i64)).collect()),
            whole: true,
        },
        Data::Sizes { values, .. } if to_float => Data::Sizes { values: Rc::clone(values), whole: false },
        Data::Sizes { values, whole } => {
            // Only whole functions of the picture's size can be cast without rounding; Floor and Ceil round.
            let truncate = |size: &Size| match size.number() {
                Some(n) => Size::whole(n.to_f32() as i64),
                None if *whole || size.floor() == (*size, 1) => *size,
                None => Size::Opaque,
            };
            let values =
                if *whole { Rc::clone(values) } else { Rc::new(values.iter().map(truncate).collect()) };
            let values =
                if to == 9 { Rc::new(values.iter().map(|v| not_zero(*v)).collect()) } else { values };
            Data::Sizes { values, whole: true }
        }
    };
    Ok(Constant { data, ..constant.clone() })
}

fn not_zero(size: Size) -> Size {
    size.order(Size::whole(0)).map_or(Size::Opaque, |order| truth(order != Ordering::Equal))
}

/// Sources in both operands of each element of their broadcast result, and its shape.
fn broadcast(a: &[usize], b: &[usize]) -> Result<(Vec<usize>, [Vec<isize>; 2]), OpError> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], dim: usize| (dim + shape.len()).checked_sub(rank).map(|i| shape[i]);
    let mut shape = Vec::with_capacity(rank);
    for dim in 0..rank {
        shape.push(match (at(a, dim).unwrap_or(1), at(b, dim).unwrap_or(1)) {
            (x, y) if x == y || y == 1 => x,
            (1, y) => y,
            _ => return Err(problem!("combines constants of shapes {a:?} and {b:?}")),
        });
    }
    let steps = |own: &[usize]| {
        let own_strides = strides(own);
        (0..rank)
            .map(|dim| match (dim + own.len()).checked_sub(rank) {
                Some(i) if own[i] != 1 => own_strides[i] as isize,
                _ => 0,
            })
            .collect()
    };
    let both = [steps(a), steps(b)];
    Ok((shape, both))
}

/// Refuses shape arithmetic on what is no shape.
fn few(shape: &[usize]) -> Result<(), OpError> {
    match n_elements(shape)? {
        ..=LARGEST_OF_SIZES => Ok(()),
        n => Err(problem!("computes a table of {n} integers")),
    }
}

/// Operators that map every element on its own, or every pair.
pub(super) fn elementwise(
    importer: &mut Importer<'_>,
    node: &OnnxNode,
    inputs: &[Option<Constant>],
) -> Result<Constant, OpError> {
    match inputs {
        [Some(only)] => unary(importer, node, only),
        [Some(first), rest @ ..] => {
            let mut result = first.clone();
            for term in rest {
                let term = term.as_ref().ok_or_else(|| problem!("lacks one of its inputs"))?;
                result = binary(importer, node, &result, term)?;
            }
            Ok(result)
        }
        _ => Err(OpError::Operator),
    }
}

fn unary(importer: &mut Importer<'_>, node: &OnnxNode, x: &Constant) -> Result<Constant, OpError> {
    let operator = node.op_type.as_str();
    if let Data::Sizes { values, whole } = &x.data {
        let mut results = Vec::with_capacity(values.len());
        for &size in values.iter() {
            results.push(match operator {
                "Neg" => size.negated(),
                "Floor" => importer.floor(size)?,
                "Ceil" => importer.floor(size.negated())?.negated(),
                "Round" => importer.floor(size.plus(Size::ONE.over(Size::whole(2))))?,
                "Abs" | "Relu" => match size.order(Size::whole(0)) {
                    Some(Ordering::Less) if operator == "Abs" => size.negated(),
                    Some(Ordering::Less) => Size::whole(0),
                    Some(_) => size,
                    None => Size::Opaque,
                },
                "Not" => size.order(Size::whole(0)).map_or(Size::Opaque, |o| truth(o == Ordering::Equal)),
                _ => match x.to_floats() {
                    Ok(values) => return float_unary(node, x, &values),
                    Err(_) => Size::Opaque,
                },
            });
        }
        return Ok(Constant::sizes(&x.name, x.shape.clone(), results, *whole));
    }
    float_unary(node, x, x.to_floats()?.as_ref())
}

fn float_unary(node: &OnnxNode, x: &Constant, values: &[f32]) -> Result<Constant, OpError> {
    let function: fn(f32) -> f32 = match node.op_type.as_str() {
        "Neg" => |v| -v,
        "Abs" => f32::abs,
        "Sqrt" => f32::sqrt,
        "Exp" => f32::exp,
        "Log" => f32::ln,
        "Reciprocal" => |v| 1.0 / v,
        "Floor" => f32::floor,
        "Ceil" => f32::ceil,
        "Round" => f32::round_ties_even,
        "Relu" => |v| v.max(0.0),
        "Sigmoid" => |v| 1.0 / (1.0 + (-v).exp()),
        "Tanh" => f32::tanh,
        _ => return Err(OpError::Operator),
    };
    Ok(Constant::floats(&x.name, x.shape.clone(), values.iter().map(|v| function(*v)).collect()))
}

fn binary(
    importer: &mut Importer<'_>,
    node: &OnnxNode,
    a: &Constant,
    b: &Constant,
) -> Result<Constant, OpError> {
    let (shape, [a_steps, b_steps]) = broadcast(&a.shape, &b.shape)?;
    importer.builder.claim(n_elements(&shape)?)?;
    let pairs = walk(&shape, &a_steps, 0).zip(walk(&shape, &b_steps, 0));
    let whole = [a, b].iter().all(|c| matches!(c.data, Data::Sizes { whole: true, .. }));
    let floats = [a, b].iter().all(|c| matches!(c.data, Data::Float(_)));
    let mixed_weights = !whole && [a, b].iter().all(|c| c.to_floats().is_ok());
    if floats || mixed_weights {
        let function: fn(f32, f32) -> f32 = match node.op_type.as_str() {
            "Add" | "Sum" => |x, y| x + y,
            "Sub" => |x, y| x - y,
            "Mul" => |x, y| x * y,
            "Div" => |x, y| x / y,
            "Pow" => f32::powf,
            "Max" => f32::max,
            "Min" => f32::min,
            "Equal" => |x, y| f32::from(x == y),
            "Greater" => |x, y| f32::from(x > y),
            "Less" => |x, y| f32::from(x < y),
            "GreaterOrEqual" => |x, y| f32::from(x >= y),
            "LessOrEqual" => |x, y| f32::from(x <= y),
            _ => return Err(OpError::Operator),
        };
        let (x, y) = (a.to_floats()?, b.to_floats()?);
        let values = pairs.map(|(i, j)| function(x[i], y[j])).collect();
        return Ok(Constant::floats(node::name(node), shape, values));
    }
    few(&shape)?;
    let (x, y) = (a.to_sizes()?, b.to_sizes()?);
    let mut values = Vec::new();
    for (i, j) in pairs {
        values.push(size_binary(importer, node, x[i], y[j], whole)?);
    }
    let is_truth = matches!(
        node.op_type.as_str(),
        "Equal" | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" | "And" | "Or"
    );
    Ok(Constant::sizes(node::name(node), shape, values, whole || is_truth))
}

fn size_binary(
    importer: &mut Importer<'_>,
    node: &OnnxNode,
    x: Size,
    y: Size,
    whole: bool,
) -> Result<Size, OpError> {
    let compare = |holds: fn(Ordering) -> bool| match x.order(y) {
        Some(order) => truth(holds(order)),
        None => Size::Opaque,
    };
    Ok(match node.op_type.as_str() {
        "Add" | "Sum" => x.plus(y),
        "Sub" => x.minus(y),
        "Mul" => x.times(y),
        "Div" if whole => match (x.as_whole(), y.as_whole()) {
            // Integer division cuts towards zero.
            (Some(a), Some(b)) => a.checked_div(b).map_or(Size::Opaque, Size::whole),
            _ => importer.floor(x.over(y))?,
        },
        "Div" => x.over(y),
        "Mod" => match (x.as_whole(), y.as_whole()) {
            (Some(a), Some(b)) if node::int(node, "fmod", 0)? != 0 => {
                a.checked_rem(b).map_or(Size::Opaque, Size::whole)
            }
            (_, Some(b)) if b > 0 => {
                let (rest, multiple) = x.modulo(y);
                importer.builder.require_multiple(multiple)?;
                rest
            }
            _ => Size::Opaque,
        },
        "Pow" => match (x.as_whole(), y.as_whole()) {
            (Some(a), Some(b @ 0..=62)) => a.checked_pow(b as u32).map_or(Size::Opaque, Size::whole),
            (_, Some(1)) => x,
            _ => Size::Opaque,
        },
        "Max" | "Min" => match x.order(y) {
            Some(order) if (order == Ordering::Less) == (node.op_type == "Max") => y,
            Some(_) => x,
            None => Size::Opaque,
        },
        "Equal" => compare(|order| order == Ordering::Equal),
        "Greater" => compare(|order| order == Ordering::Greater),
        "Less" => compare(|order| order == Ordering::Less),
        "GreaterOrEqual" => compare(|order| order != Ordering::Less),
        "LessOrEqual" => compare(|order| order != Ordering::Greater),
        "And" | "Or" => match (not_zero(x).as_whole(), not_zero(y).as_whole()) {
            (Some(a), Some(b)) if node.op_type == "And" => truth(a == 1 && b == 1),
            (Some(a), Some(b)) => truth(a == 1 || b == 1),
            _ => Size::Opaque,
        },
        _ => return Err(OpError::Operator),
    })
}

/// Where: one of two values for each element.
pub(super) fn choose(name: &str, inputs: &[Option<Constant>]) -> Result<Constant, OpError> {
    let [Some(condition), Some(yes), Some(no)] = inputs else {
        return Err(problem!("needs three inputs"));
    };
    let (values, _) = broadcast(&yes.shape, &no.shape)?;
    let (shape, [condition_steps, _]) = broadcast(&condition.shape, &values)?;
    few(&shape)?;
    let (_, [_, yes_steps]) = broadcast(&shape, &yes.shape)?;
    let (_, [_, no_steps]) = broadcast(&shape, &no.shape)?;
    let (c, y, z) = (condition.to_sizes()?, yes.to_sizes()?, no.to_sizes()?);
    let sources =
        walk(&shape, &condition_steps, 0).zip(walk(&shape, &yes_steps, 0)).zip(walk(&shape, &no_steps, 0));
    let picked = sources
        .map(|((i, j), k)| match not_zero(c[i]).as_whole() {
            Some(1) => y[j],
            Some(_) => z[k],
            None if y[j] == z[k] => y[j],
            None => Size::Opaque,
        })
        .collect();
    let whole = [yes, no].iter().all(|c| matches!(c.data, Data::Sizes { whole: true, .. }));
    Ok(Constant::sizes(name, shape, picked, whole))
}

/// Products, sums and extremes of all elements.
pub(super) fn reduce(node: &OnnxNode, inputs: &[Option<Constant>]) -> Result<Constant, OpError> {
    let Some(Some(x)) = inputs.first() else { return Err(problem!("lacks its input")) };
    if x.shape.len() > 1 {
        return Err(problem!("reduces a constant of rank {}", x.shape.len()));
    }
    let values = x.to_sizes()?;
    let extreme = |a: Size, b: Size, keep: Ordering| match a.order(b) {
        Some(order) if order == keep => a,
        Some(_) => b,
        None => Size::Opaque,
    };
    let join = |a: Size, b: Size| match node.op_type.as_str() {
        "ReduceProd" => a.times(b),
        "ReduceSum" => a.plus(b),
        "ReduceMax" => extreme(a, b, Ordering::Greater),
        _ => extreme(a, b, Ordering::Less),
    };
    let result = values.iter().copied().reduce(join).ok_or_else(|| problem!("reduces nothing"))?;
    let shape = if node::int(node, "keepdims", 1)? != 0 { vec![1; x.shape.len()] } else { vec![] };
    let whole = !matches!(x.data, Data::Float(_) | Data::Sizes { whole: false, .. });
    Ok(Constant::sizes(node::name(node), shape, vec![result], whole))
}
