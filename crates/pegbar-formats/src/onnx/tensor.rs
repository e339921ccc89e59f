//! `TensorProto`: raw bytes, one of the typed lists, or a place in another file.

use super::damaged;
use super::external::Place;
use super::model::{Context, string_pair};
use super::wire::{Fields, Value, n_varints, range_of, varint};
use crate::{DType, FormatError, Tensor};
use std::sync::Arc;

const WHAT: &str = "its weights";
/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: i64 = 1;

/// The tensor and its name, which may be empty.
pub(super) fn parse<'a>(
    message: &'a [u8],
    context: &mut Context<'_>,
) -> Result<(&'a str, Tensor), FormatError> {
    let mut name = "";
    let mut shape = Vec::new();
    let (mut elem_type, mut location) = (0, 0);
    let mut raw = None;
    let mut lists = Vec::new();
    let mut place = Place::default();
    for field in Fields::new(message) {
        match field? {
            (1, Value::Bytes(mut packed)) => {
                context.budget.take_items::<usize>(2 * n_varints(packed), WHAT)?;
                while !packed.is_empty() {
                    shape.push(dimension(varint(&mut packed)? as i64)?);
                }
            }
            (1, value) => {
                context.budget.take_items::<usize>(2, WHAT)?;
                shape.push(dimension(value.int()?)?);
            }
            (2, value) => elem_type = value.int()?,
            (number @ (4 | 5 | 7 | 10 | 11), value) => {
                context.budget.take_items::<(u32, Value<'_>)>(2, WHAT)?;
                lists.push((number, value));
            }
            (8, value) => name = value.text()?,
            (9, value) => raw = Some(value.bytes()?),
            (13, value) => place.set(string_pair(value.bytes()?)?)?,
            (14, value) => location = value.int()?,
            _ => {}
        }
    }
    let dtype = element_type(elem_type, name)?;
    let wrong = |source| FormatError::Tensor { name: name.to_owned(), source };
    let tensor = if location == EXTERNAL {
        let bytes = context.external.read(&place, &mut context.budget)?;
        let len = bytes.len();
        Tensor::contiguous(dtype, shape, bytes, 0..len)
    } else if let Some(raw) = raw {
        // Borrowed from the file by `parse`, so it lies within.
        let range = range_of(raw, &context.file).ok_or_else(|| damaged("a weight lies outside the file"))?;
        Tensor::contiguous(dtype, shape, context.file.clone(), range)
    } else {
        let bytes = typed_lists(&lists, dtype, context)?;
        let len = bytes.len();
        Tensor::contiguous(dtype, shape, Arc::new(bytes), 0..len)
    };
    Ok((name, tensor.map_err(wrong)?))
}

fn dimension(n: i64) -> Result<usize, FormatError> {
    usize::try_from(n).map_err(|_| damaged("a weight has a negative dimension"))
}

fn element_type(elem_type: i64, name: &str) -> Result<DType, FormatError> {
    Ok(match elem_type {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        16 => DType::Bf16,
        other => {
            return Err(FormatError::unsupported(
                format!("ONNX element type {other} of weight `{name}`"),
                "export the model as float32 or float16",
            ));
        }
    })
}

/// The bytes of the elements in the typed lists. Which list holds which type is fixed: everything small, halves as
/// their bits, is in `int32_data`.
fn typed_lists(
    lists: &[(u32, Value<'_>)],
    dtype: DType,
    context: &mut Context<'_>,
) -> Result<Vec<u8>, FormatError> {
    let expected = match dtype {
        DType::F32 => 4,
        DType::I64 => 7,
        DType::F64 => 10,
        DType::U32 | DType::U64 => 11,
        DType::F16
        | DType::Bf16
        | DType::U8
        | DType::U16
        | DType::I8
        | DType::I16
        | DType::I32
        | DType::Bool => 5,
    };
    let size = dtype.size_bytes();
    let mut n = 0;
    for &(number, value) in lists {
        if number != expected {
            return Err(damaged("a weight's values are of another type than it says"));
        }
        n += match (number, value) {
            (4, Value::Bytes(packed)) => packed.len() / 4,
            (10, Value::Bytes(packed)) => packed.len() / 8,
            (_, Value::Bytes(packed)) => n_varints(packed),
            _ => 1,
        };
    }
    context.budget.take((n * size) as u64, WHAT)?;
    let mut out = Vec::with_capacity(n * size);
    for &(_, value) in lists {
        match (expected, value) {
            (4, Value::Bytes(packed)) => out.extend_from_slice(packed.as_chunks::<4>().0.as_flattened()),
            (10, Value::Bytes(packed)) => out.extend_from_slice(packed.as_chunks::<8>().0.as_flattened()),
            (4, Value::Fixed32(bytes)) => out.extend_from_slice(&bytes),
            (10, Value::Fixed64(bytes)) => out.extend_from_slice(&bytes),
            (5 | 7 | 11, Value::Varint(value)) => out.extend_from_slice(&value.to_le_bytes()[..size]),
            (5 | 7 | 11, Value::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    out.extend_from_slice(&varint(&mut packed)?.to_le_bytes()[..size]);
                }
            }
            _ => return Err(damaged("a weight's values are of another type than it says")),
        }
    }
    Ok(out)
}
