//! The operators that are known, and how each is lowered.

use super::super::attributes::Call;
use super::super::program::ValueId;
use super::{Lowering, convolution, elementwise, index, layout, matrix, normalization, reduction, resize};
use crate::import::error::OpError;
use crate::import::onnx::fused::MICROSOFT;
use pegbar_formats::onnx::OnnxNode;

/// Writes what an operator computes, and tells the values that are its outputs.
type Lower = fn(&mut Lowering<'_>, &Call<'_>) -> Result<Vec<ValueId>, OpError>;

/// An operator of ONNX that Pegbar runs.
#[derive(Debug, Clone, Copy)]
pub struct OperatorInfo {
    /// Its name.
    pub name: &'static str,
    /// What of it is not run; empty where that is nothing.
    pub limits: &'static str,
    lower: Lower,
}

const FROM_SIZES: &str = "parameters must follow from sizes, not from pixels";

macro_rules! operators {
    ($($name:literal => $lower:path $(, $limits:expr)?;)*) => {
        &[$(OperatorInfo { name: $name, lower: $lower, limits: operators!(@ $($limits)?) }),*]
    };
    (@) => { "" };
    (@ $limits:expr) => { $limits };
}

/// In order of their names.
const OPERATORS: &[OperatorInfo] = operators! {
    "Abs" => elementwise::of_any_number;
    "Acos" => elementwise::function;
    "Acosh" => elementwise::function;
    "Add" => elementwise::arithmetic;
    "And" => elementwise::arithmetic;
    "ArgMax" => reduction::arg_extreme;
    "ArgMin" => reduction::arg_extreme;
    "Asin" => elementwise::function;
    "Asinh" => elementwise::function;
    "Atan" => elementwise::function;
    "Atanh" => elementwise::function;
    "AveragePool" => convolution::pool;
    "BatchNormalization" => normalization::batch_normalization, "as in evaluation, not in training";
    "Cast" => elementwise::cast_to, "numbers of every width are computed in single precision, integers in 64 bits; no \
        8-bit or 4-bit floating-point numbers, no strings";
    "CastLike" => elementwise::cast_to, "as Cast";
    "Ceil" => elementwise::function;
    "Celu" => elementwise::function;
    "Clip" => elementwise::clip;
    "Compress" => layout::compress, FROM_SIZES;
    "Concat" => layout::concat;
    "Constant" => layout::constant, "no strings, no sparse tensors";
    "ConstantOfShape" => layout::constant_of_shape, FROM_SIZES;
    "Conv" => convolution::conv, "one to three spatial axes";
    "ConvTranspose" => convolution::conv_transpose, "one to three spatial axes";
    "Cos" => elementwise::function;
    "Cosh" => elementwise::function;
    "CumSum" => reduction::cum_sum, FROM_SIZES;
    "DFT" => resize::dft, "no inverse of half a spectrum";
    "DepthToSpace" => layout::depth_and_space;
    "Div" => elementwise::arithmetic;
    "Dropout" => layout::dropout, "as in evaluation, not in training";
    "Einsum" => matrix::einsum, "no ellipsis, no diagonals";
    "Elu" => elementwise::function;
    "Equal" => elementwise::comparison, "no strings";
    "Erf" => elementwise::function;
    "Exp" => elementwise::function;
    "Expand" => layout::expand, FROM_SIZES;
    "EyeLike" => layout::eye_like;
    "Flatten" => layout::flatten;
    "Floor" => elementwise::function;
    "Gather" => index::gather;
    "GatherElements" => index::gather_elements;
    "GatherND" => index::gather_nd;
    "Gelu" => elementwise::function;
    "Gemm" => matrix::gemm;
    "GlobalAveragePool" => convolution::global_pool;
    "GlobalMaxPool" => convolution::global_pool;
    "Greater" => elementwise::comparison;
    "GreaterOrEqual" => elementwise::comparison;
    "GridSample" => resize::grid_sample, "two spatial axes";
    "GroupNormalization" => normalization::group_normalization;
    "HardSigmoid" => elementwise::function;
    "HardSwish" => elementwise::function;
    "Hardmax" => normalization::hardmax, "of operator set 13 and later";
    "Identity" => layout::identity, "no sequences";
    "InstanceNormalization" => normalization::instance_normalization;
    "IsInf" => elementwise::test;
    "IsNaN" => elementwise::test;
    "LayerNormalization" => normalization::layer_normalization;
    "LeakyRelu" => elementwise::function;
    "Less" => elementwise::comparison;
    "LessOrEqual" => elementwise::comparison;
    "Log" => elementwise::function;
    "LogSoftmax" => normalization::softmax;
    "LpNormalization" => normalization::lp_normalization;
    "LpPool" => convolution::pool;
    "MatMul" => matrix::mat_mul;
    "Max" => elementwise::of_several;
    "MaxPool" => convolution::pool, "the result only, not the places";
    "Mean" => elementwise::of_several;
    "MeanVarianceNormalization" => normalization::mean_variance;
    "Min" => elementwise::of_several;
    "Mish" => elementwise::function;
    "Mod" => elementwise::arithmetic;
    "Mul" => elementwise::arithmetic;
    "Neg" => elementwise::of_any_number;
    "NonZero" => layout::non_zero, FROM_SIZES;
    "Not" => elementwise::test;
    "OneHot" => layout::one_hot, FROM_SIZES;
    "Or" => elementwise::arithmetic;
    "PRelu" => elementwise::arithmetic;
    "Pad" => layout::pad, FROM_SIZES;
    "Pow" => elementwise::pow;
    "RMSNormalization" => normalization::layer_normalization;
    "Range" => layout::range, FROM_SIZES;
    "Reciprocal" => elementwise::function;
    "ReduceL1" => reduction::reduction;
    "ReduceL2" => reduction::reduction;
    "ReduceLogSum" => reduction::reduction;
    "ReduceLogSumExp" => reduction::reduction;
    "ReduceMax" => reduction::reduction;
    "ReduceMean" => reduction::reduction;
    "ReduceMin" => reduction::reduction;
    "ReduceProd" => reduction::reduction;
    "ReduceSum" => reduction::reduction;
    "ReduceSumSquare" => reduction::reduction;
    "Relu" => elementwise::of_any_number;
    "Reshape" => layout::reshape, FROM_SIZES;
    "Resize" => resize::resize, "no tf_crop_and_resize";
    "Round" => elementwise::function;
    "ScatterElements" => index::scatter_elements;
    "ScatterND" => index::scatter_nd;
    "Selu" => elementwise::function;
    "Shape" => layout::shape;
    "Shrink" => elementwise::function;
    "Sigmoid" => elementwise::function;
    "Sign" => elementwise::of_any_number;
    "Sin" => elementwise::function;
    "Sinh" => elementwise::function;
    "Size" => layout::size;
    "Slice" => layout::slice, FROM_SIZES;
    "Softmax" => normalization::softmax;
    "Softplus" => elementwise::function;
    "Softsign" => elementwise::function;
    "SpaceToDepth" => layout::depth_and_space;
    "Split" => layout::split, FROM_SIZES;
    "Sqrt" => elementwise::function;
    "Squeeze" => layout::squeeze;
    "Sub" => elementwise::arithmetic;
    "Sum" => elementwise::of_several;
    "Swish" => elementwise::function;
    "Tan" => elementwise::function;
    "Tanh" => elementwise::function;
    "ThresholdedRelu" => elementwise::function;
    "Tile" => layout::tile, FROM_SIZES;
    "TopK" => reduction::top_k;
    "Transpose" => layout::transpose;
    "Trilu" => layout::trilu;
    "Unsqueeze" => layout::unsqueeze;
    "Upsample" => resize::resize;
    "Where" => elementwise::where_;
    "Xor" => elementwise::arithmetic;
};

/// The operators that the general path knows, in order of their names.
pub fn operators() -> &'static [OperatorInfo] {
    OPERATORS
}

/// How a node is lowered; `None` where its operator is not known.
pub(super) fn find(node: &OnnxNode) -> Option<Lower> {
    match node.domain.as_str() {
        "" | "ai.onnx" => {}
        // All others of its kind are written out beforehand.
        MICROSOFT if matches!(&*node.op_type, "FusedMatMul" | "TransposeMatMul") => {
            return Some(matrix::fused_mat_mul);
        }
        _ => return None,
    }
    let at = OPERATORS.binary_search_by(|known| known.name.cmp(&node.op_type)).ok()?;
    Some(OPERATORS[at].lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_in_order() {
        assert!(OPERATORS.is_sorted_by(|a, b| a.name < b.name));
    }
}
