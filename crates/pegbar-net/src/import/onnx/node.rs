//! Attributes of a node.

use crate::import::error::{OpError, problem};
use pegbar_formats::onnx::{OnnxAttribute, OnnxNode};

/// Larger attributes are not those of a network.
const LARGEST: i64 = 1 << 24;

/// Name for messages: many exporters leave nodes unnamed, but never their outputs.
pub(crate) fn name(node: &OnnxNode) -> &str {
    match node.outputs.first() {
        Some(output) if node.name.is_empty() => output,
        _ => &node.name,
    }
}

fn wrong(name: &str, what: &str) -> OpError {
    problem!("its attribute {name} is not {what}")
}

/// An integer.
pub(crate) fn int(node: &OnnxNode, name: &str, default: i64) -> Result<i64, OpError> {
    match node.attributes.get(name) {
        None => Ok(default),
        Some(OnnxAttribute::Int(value)) => Ok(*value),
        Some(_) => Err(wrong(name, "an integer")),
    }
}

/// A number.
pub(crate) fn float(node: &OnnxNode, name: &str, default: f32) -> Result<f32, OpError> {
    match node.attributes.get(name) {
        None => Ok(default),
        Some(OnnxAttribute::Float(value)) => Ok(*value),
        Some(OnnxAttribute::Int(value)) => Ok(*value as f32),
        Some(_) => Err(wrong(name, "a number")),
    }
}

/// A word.
pub(crate) fn string<'a>(node: &'a OnnxNode, name: &str, default: &'a str) -> Result<&'a str, OpError> {
    match node.attributes.get(name) {
        None => Ok(default),
        Some(OnnxAttribute::String(value)) => Ok(value),
        Some(_) => Err(wrong(name, "a string")),
    }
}

/// A list of integers.
pub(crate) fn ints(node: &OnnxNode, name: &str) -> Result<Option<Vec<i64>>, OpError> {
    match node.attributes.get(name) {
        None => Ok(None),
        Some(OnnxAttribute::Ints(values)) => Ok(Some(values.clone())),
        Some(_) => Err(wrong(name, "a list of integers")),
    }
}

/// A list of numbers.
pub(crate) fn floats(node: &OnnxNode, name: &str) -> Result<Option<Vec<f32>>, OpError> {
    match node.attributes.get(name) {
        None => Ok(None),
        Some(OnnxAttribute::Floats(values)) => Ok(Some(values.clone())),
        Some(_) => Err(wrong(name, "a list of numbers")),
    }
}

/// A number of elements.
pub(crate) fn size(value: i64, what: &str) -> Result<usize, OpError> {
    match value {
        0..=LARGEST => Ok(value as usize),
        _ => Err(problem!("{what} of {value} makes no sense")),
    }
}

/// A list of `N` sizes of at least `least`, one for each axis; `default` for all of them when absent.
pub(crate) fn sizes<const N: usize>(
    node: &OnnxNode,
    name: &str,
    default: usize,
    least: usize,
) -> Result<[usize; N], OpError> {
    let Some(values) = ints(node, name)? else { return Ok([default; N]) };
    let found = values.len();
    let values = <[i64; N]>::try_from(values)
        .map_err(|_| problem!("its attribute {name} has {found} values where {N} are needed"))?;
    let mut sizes = [0; N];
    for (to, from) in sizes.iter_mut().zip(values) {
        *to = size(from, name)?;
        if *to < least {
            return Err(problem!("its attribute {name} has a value of {to}"));
        }
    }
    Ok(sizes)
}
