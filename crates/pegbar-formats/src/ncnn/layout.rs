//! Which weights each kind of layer has, from its parameters: the same rules as ncnn's `load_model` functions.

use super::NcnnLayer;
use crate::FormatError;

/// How a run of numbers is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// A tag says how.
    Tagged,
    /// Bare `f32`.
    Raw,
}

/// One run of numbers.
pub(super) type Run = (Encoding, usize);

/// Of `Scale`: the factors come from the second input.
const SCALE_FROM_INPUT: i64 = -233;

/// The runs of a layer, in order. `None`: a kind of which nothing is known, so probably without weights.
pub(super) fn runs(layer: &NcnnLayer) -> Result<Option<Vec<Run>>, FormatError> {
    use Encoding::{Raw, Tagged};
    let count = |id: i32, default: i64| count(layer, id, default);
    let flag = |id: i32, default: i64| layer.int(id, default) != 0;
    let mut runs = Vec::new();
    match layer.kind.as_str() {
        "Convolution"
        | "ConvolutionDepthWise"
        | "Convolution1D"
        | "ConvolutionDepthWise1D"
        | "Convolution3D"
        | "ConvolutionDepthWise3D"
        | "DeformableConv2D" => {
            refuse_int8(layer, 8)?;
            // 19: the weights come from an input.
            if !flag(19, 0) || layer.kind == "DeformableConv2D" {
                runs.push((Tagged, count(6, 0)?));
                if flag(5, 0) {
                    runs.push((Raw, count(0, 0)?));
                }
            }
        }
        "Deconvolution"
        | "DeconvolutionDepthWise"
        | "Deconvolution1D"
        | "DeconvolutionDepthWise1D"
        | "Deconvolution3D"
        | "DeconvolutionDepthWise3D" => {
            if !flag(28, 0) {
                runs.push((Tagged, count(6, 0)?));
                if flag(5, 0) {
                    runs.push((Raw, count(0, 0)?));
                }
            }
        }
        "InnerProduct" => {
            refuse_int8(layer, 8)?;
            runs.push((Tagged, count(2, 0)?));
            if flag(1, 0) {
                runs.push((Raw, count(0, 0)?));
            }
        }
        "Embed" => {
            refuse_int8(layer, 18)?;
            runs.push((Tagged, count(3, 0)?));
            if flag(2, 0) {
                runs.push((Raw, count(0, 0)?));
            }
        }
        "PReLU" | "Bias" => runs.push((Raw, count(0, 0)?)),
        "Scale" => {
            if layer.int(0, 0) != SCALE_FROM_INPUT {
                runs.push((Raw, count(0, 0)?));
                if flag(1, 0) {
                    runs.push((Raw, count(0, 0)?));
                }
            }
        }
        "BatchNorm" => runs.extend([(Raw, count(0, 0)?); 4]),
        "InstanceNorm" | "LayerNorm" if flag(2, 1) => runs.extend([(Raw, count(0, 0)?); 2]),
        "GroupNorm" if flag(3, 1) => runs.extend([(Raw, count(1, 0)?); 2]),
        "RMSNorm" if flag(2, 1) => runs.push((Raw, count(0, 0)?)),
        "InstanceNorm" | "LayerNorm" | "GroupNorm" | "RMSNorm" => {}
        "Normalize" => runs.push((Raw, count(3, 0)?)),
        "MemoryData" => {
            // Width, height, depth, channels; a zero means that the dimension is not there.
            let dims = [count(0, 0)?, count(1, 0)?, count(11, 0)?, count(2, 0)?];
            let n = if dims[0] == 0 {
                Some(0)
            } else {
                dims.iter().filter(|&&d| d != 0).try_fold(1usize, |n, &d| n.checked_mul(d))
            };
            let n = n.ok_or_else(|| super::damaged(format!("layer `{}` is impossibly large", layer.name)))?;
            runs.push((if layer.int(21, 1) == 0 { Tagged } else { Raw }, n));
        }
        "Gemm" if ![4, 5, 6].iter().any(|&constant| flag(constant, 0)) => {}
        "LSTM" | "GRU" | "RNN" | "MultiHeadAttention" | "Gemm" | "Quantize" | "Dequantize" | "Requantize" => {
            return Err(FormatError::unsupported(
                format!("the ncnn layer kind {} with weights (layer `{}`)", layer.kind, layer.name),
                "ask for the model as .onnx or .pth",
            ));
        }
        kind if WEIGHTLESS.binary_search(&kind).is_ok() => {}
        _ => return Ok(None),
    }
    Ok(Some(runs))
}

fn count(layer: &NcnnLayer, id: i32, default: i64) -> Result<usize, FormatError> {
    usize::try_from(layer.int(id, default)).map_err(|_| {
        super::damaged(format!("parameter {id} of layer `{}` counts something and is negative", layer.name))
    })
}

fn refuse_int8(layer: &NcnnLayer, id: i32) -> Result<(), FormatError> {
    if layer.int(id, 0) != 0 {
        return Err(super::bin::int8(&layer.name));
    }
    Ok(())
}

/// Kinds known to have no weights, sorted.
const WEIGHTLESS: &[&str] = &[
    "AbsVal",
    "ArgMax",
    "BNLL",
    "BinaryOp",
    "CELU",
    "Cast",
    "Clip",
    "Concat",
    "CopyTo",
    "Crop",
    "CumulativeSum",
    "DeepCopy",
    "Diag",
    "Dropout",
    "ELU",
    "Einsum",
    "Eltwise",
    "Erf",
    "Exp",
    "ExpandDims",
    "Flatten",
    "Flip",
    "Fold",
    "GELU",
    "GLU",
    "GridSample",
    "HardSigmoid",
    "HardSwish",
    "Input",
    "Interp",
    "InverseSpectrogram",
    "LRN",
    "Log",
    "MVN",
    "MatMul",
    "Mish",
    "Noop",
    "Packing",
    "Padding",
    "Permute",
    "PixelShuffle",
    "Pooling",
    "Pooling1D",
    "Pooling3D",
    "Power",
    "ReLU",
    "Reduction",
    "Reorg",
    "Reshape",
    "SDPA",
    "SELU",
    "Shrink",
    "ShuffleChannel",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Softplus",
    "Split",
    "Squeeze",
    "StatisticsPooling",
    "Swish",
    "TanH",
    "Threshold",
    "Tile",
    "UnaryOp",
    "Unfold",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(WEIGHTLESS.is_sorted());
    }
}
