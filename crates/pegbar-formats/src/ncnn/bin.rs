//! The numbers: runs of bare `f32`, or a tag and then `f32` or `f16`.

use super::layout::{Encoding, runs};
use super::{NcnnBlob, NcnnLayer, NcnnModel, damaged};
use crate::budget::Budget;
use crate::tensor::Storage;
use crate::{DType, FormatError, Tensor};

const TAG_F32: u32 = 0;
const TAG_F16: u32 = 0x0130_6b47;
const TAG_INT8: u32 = 0x000d_4b38;
/// Bare `f32` as well, written where int8 scales exist.
const TAG_F32_SCALED: u32 = 0x0002_c056;
/// Runs begin at multiples of this.
const ALIGN: usize = 4;

/// Gives each layer its weights. The file must be used up to the last byte.
pub(super) fn attach(
    mut layers: Vec<NcnnLayer>,
    bin: Storage,
    budget: &mut Budget,
) -> Result<NcnnModel, FormatError> {
    let mut at = 0;
    let mut unknown: Option<String> = None;
    for layer in &mut layers {
        let Some(runs) = runs(layer)? else {
            unknown.get_or_insert_with(|| layer.kind.clone());
            continue;
        };
        budget.take_items::<NcnnBlob>(runs.len(), "its weights")?;
        let mut weights = Vec::with_capacity(runs.len());
        for (encoding, n) in runs {
            budget.take_items::<usize>(2 + 4, "its weights")?;
            // Behind weights of an unknown layer nothing is where it is looked for.
            let blame = |error| unknown.as_deref().map_or(error, unknown_kind);
            weights.push(NcnnBlob { tensor: run(&bin, &mut at, encoding, n, &layer.name).map_err(blame)? });
        }
        layer.weights = weights;
    }
    let left = bin.len() - at;
    match unknown {
        _ if left == 0 => Ok(NcnnModel { layers }),
        Some(kind) => Err(unknown_kind(&kind)),
        None => Err(damaged(format!(
            "{left} bytes of its .bin belong to no layer; the .param and the .bin may be of two different models"
        ))),
    }
}

fn run(
    bin: &Storage,
    at: &mut usize,
    encoding: Encoding,
    n: usize,
    layer: &str,
) -> Result<Tensor, FormatError> {
    let mut dtype = DType::F32;
    if encoding == Encoding::Tagged && n > 0 {
        let rest = &bin[*at..];
        let tag = rest.first_chunk::<4>().ok_or_else(|| too_short(layer, 4, rest.len()))?;
        *at += 4;
        dtype = match u32::from_le_bytes(*tag) {
            TAG_F32 | TAG_F32_SCALED => DType::F32,
            TAG_F16 => DType::F16,
            TAG_INT8 => return Err(int8(layer)),
            // Any other tag means a table of 256 values and a byte per weight, or that we are lost.
            tag => {
                return Err(FormatError::unsupported(
                    format!(
                        "the weight encoding {tag:#010x} of ncnn layer `{layer}` (a quantisation table?)"
                    ),
                    "use the float32 or float16 version of the model; if this is one, the .param may be of another model",
                ));
            }
        };
    }
    let rest = bin.len() - *at;
    let too_short = || too_short(layer, n.saturating_mul(dtype.size_bytes()), rest);
    let len = n.checked_mul(dtype.size_bytes()).filter(|&len| len <= rest).ok_or_else(too_short)?;
    let range = *at..*at + len;
    *at = range.start + len.next_multiple_of(ALIGN);
    if *at > bin.len() {
        return Err(too_short());
    }
    Tensor::contiguous(dtype, vec![n], bin.clone(), range)
        .map_err(|source| FormatError::Tensor { name: layer.to_owned(), source })
}

fn unknown_kind(kind: &str) -> FormatError {
    FormatError::unsupported(
        format!("the ncnn layer kind {kind}, which seems to have weights,"),
        "ask for the model as .onnx or .pth",
    )
}

fn too_short(layer: &str, needed: usize, available: usize) -> FormatError {
    FormatError::Truncated {
        what: format!("its .bin: layer `{layer}`"),
        needed: needed as u64,
        available: available as u64,
    }
}

pub(super) fn int8(layer: &str) -> FormatError {
    FormatError::unsupported(
        format!("int8 quantisation (ncnn layer `{layer}`)"),
        "use the float32 or float16 version of the model",
    )
}
