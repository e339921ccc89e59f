//! The operations. Values are NCHW `f32` tensors; shapes are given as `[N, C, H, W]`.

use crate::tensor::TensorGraph;
use crate::{Attention, ChannelAttention, Scores, SortedAttention, WeightId};
use std::sync::Arc;

/// How much is added (or cut) on each side, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Padding {
    pub top: usize,
    pub left: usize,
    pub bottom: usize,
    pub right: usize,
}

impl Padding {
    /// The same on all four sides.
    pub const fn all(n: usize) -> Self {
        Self { top: n, left: n, bottom: n, right: n }
    }
}

/// What padding is filled with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PadMode {
    /// A constant.
    Constant(f32),
    /// Mirror without repeating the edge.
    Reflect,
    /// Repeat the edge.
    Replicate,
}

/// Functions of one value, element by element.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum UnaryOp {
    Relu,
    /// `x >= 0 ? x : slope * x`.
    LeakyRelu(f32),
    Sigmoid,
    /// `x * sigmoid(x)`.
    Silu,
    Tanh,
    /// `x * (1 + erf(x / sqrt 2)) / 2`.
    Gelu,
    /// `x * tanh(ln(1 + e^x))`.
    Mish,
    /// Limits to `min..=max`.
    Clip {
        min: f32,
        max: f32,
    },
    /// `clamp(alpha * x + beta, 0, 1)`.
    HardSigmoid {
        alpha: f32,
        beta: f32,
    },
    /// `x * clamp(alpha * x + beta, 0, 1)`.
    HardSwish {
        alpha: f32,
        beta: f32,
    },
    Elu(f32),
    Abs,
    Neg,
    Exp,
    Log,
    Sqrt,
    Square,
    Reciprocal,
    /// Of an angle in radians.
    Sin,
    /// Of an angle in radians.
    Cos,
    /// `x * scale + shift`.
    ScaleShift {
        scale: f32,
        shift: f32,
    },
}

/// Functions of two values, element by element, with NumPy broadcasting over equal ranks (a dimension of 1 repeats).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
    Pow,
    /// Angle of the point `(b, a)`, in radians, `-pi..=pi`.
    Atan2,
}

/// Interpolation kernels of [`Op::Resize`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ResizeMode {
    /// `src = floor(dst / scale)`, PyTorch's `nearest`.
    Nearest,
    /// Linear in both axes.
    Bilinear {
        /// Corners coincide instead of edges.
        align_corners: bool,
    },
    /// Cubic convolution in both axes.
    Bicubic {
        /// Corners coincide instead of edges.
        align_corners: bool,
        /// Kernel parameter, -0.75 in PyTorch and ncnn.
        a: f32,
    },
}

/// The size [`Op::Resize`] makes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ResizeTarget {
    /// `[num, den]` of the factor for height and for width; output = floor(input * num / den).
    Scale {
        /// Factor of the height.
        height: [usize; 2],
        /// Factor of the width.
        width: [usize; 2],
    },
    /// A fixed size.
    Size {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// The size of a second input, of which nothing else counts. What the first input's own size was rounded to then
    /// does not matter.
    Like,
}

/// Pooling functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// Largest value.
    Max,
    /// Mean; padding counts as zeros when `count_pad`.
    Average {
        /// Whether padding is part of the divisor.
        count_pad: bool,
    },
}

/// What [`Op::LayerNorm`] makes of the channels of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NormKind {
    /// Mean 0 and variance 1: `(x - mean) / sqrt(variance + eps)`.
    Standard,
    /// Mean square 1: `x / sqrt(mean(x^2) + eps)`.
    RootMeanSquare,
    /// Variance 1, the mean scaled with it: `x / sqrt(variance + eps)`.
    Deviation,
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// The picture. Exactly one in a net, always node 0: `[N, channels, H, W]`.
    Input {
        /// Channels of the picture.
        channels: usize,
    },
    /// A weight as a value, of rank 4 (leading dimensions filled with 1).
    Constant(WeightId),
    /// Convolution (cross-correlation), zero padding. Weight `[out, in / groups, kh, kw]`, bias `[out]`.
    Conv2d {
        /// Kernel.
        weight: WeightId,
        /// Added to each output channel.
        bias: Option<WeightId>,
        /// Steps `[vertical, horizontal]`.
        stride: [usize; 2],
        /// Zero padding.
        padding: Padding,
        /// Spacing of kernel taps `[vertical, horizontal]`.
        dilation: [usize; 2],
        /// Channel groups.
        groups: usize,
    },
    /// Transposed convolution. Weight `[in, out / groups, kh, kw]` as in PyTorch, bias `[out]`;
    /// output = (input - 1) * stride - padding + dilation * (k - 1) + 1 + output_padding.
    ConvTranspose2d {
        /// Kernel.
        weight: WeightId,
        /// Added to each output channel.
        bias: Option<WeightId>,
        /// Steps `[vertical, horizontal]`.
        stride: [usize; 2],
        /// Cut from the output.
        padding: Padding,
        /// Added to the output at bottom and right `[vertical, horizontal]`.
        output_padding: [usize; 2],
        /// Spacing of kernel taps `[vertical, horizontal]`.
        dilation: [usize; 2],
        /// Channel groups.
        groups: usize,
    },
    /// `x >= 0 ? x : slope[c] * x`; slope `[C]` or `[1]`.
    PRelu {
        /// Slopes.
        slope: WeightId,
    },
    /// `x * scale[c] + shift[c]`, both `[C]`: a folded batch norm or mean subtraction.
    ChannelAffine {
        /// Factors.
        scale: WeightId,
        /// Summands.
        shift: WeightId,
    },
    /// One value in, one out, element by element.
    Unary(UnaryOp),
    /// Two values in, one out, element by element.
    Binary(BinaryOp),
    /// Joins its inputs along an axis (`1` = channels).
    Concat {
        /// 0..4.
        axis: usize,
    },
    /// Keeps `start..end` of an axis. Negative numbers count from the end; `i64::MAX` is the end. A range that leaves
    /// the axis is an error, not clamped.
    Slice {
        /// 0..4.
        axis: usize,
        /// First element kept.
        start: i64,
        /// One past the last element kept.
        end: i64,
    },
    /// Keeps one of `count` equal parts of the rows (axis 2) or columns (axis 3). Which pixels those are follows from the
    /// size of the picture, so a net with this has no exact tiles.
    Part {
        /// 2 or 3.
        axis: usize,
        /// Which part, from 0.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// Adds a border to height and width.
    Pad {
        /// How much.
        padding: Padding,
        /// Filled with what.
        mode: PadMode,
    },
    /// Adds a border as [`Op::Pad`] does, and on the right and at the bottom as much more as brings height and width,
    /// without the border, to multiples of `multiple`.
    PadToMultiple {
        /// How much in any case.
        padding: Padding,
        /// `[vertical, horizontal]`.
        multiple: [usize; 2],
        /// Filled with what.
        mode: PadMode,
    },
    /// Keeps the upper left of the first input: as many rows and columns as the second has, times `factor`. What the
    /// first input's own size was rounded to then does not matter.
    Crop {
        /// How much larger than the second input.
        factor: usize,
    },
    /// Samples a picture `[N, C, H, W]` where a second input `[N, 2 * groups, H', W']` says; the result is
    /// `[N, C, H', W']`. Channels are `groups` runs of equal length. A pixel of run `g` at `(y, x)` is what bilinear
    /// interpolation to `H' x W'` gives at the fractional place `(y + dy, x + dx)`, where `dx` is channel `g` of the
    /// second input there and `dy` channel `groups + g`. With `H' = H` that is warping by a flow.
    GridSample {
        /// Runs of channels with places of their own.
        groups: usize,
        /// Corners of the two pictures coincide instead of edges.
        align_corners: bool,
        /// What lies beyond the picture: its edge ([`PadMode::Replicate`]), or a constant.
        beyond: PadMode,
    },
    /// Changes height and width by interpolation. Inputs: the value, and for [`ResizeTarget::Like`] the one it becomes
    /// as large as.
    Resize {
        /// Kernel.
        mode: ResizeMode,
        /// Size.
        target: ResizeTarget,
    },
    /// `[N, C*f*f, H, W] -> [N, C, H*f, W*f]`, channel order `c*f*f + dy*f + dx`.
    PixelShuffle {
        /// f.
        factor: usize,
    },
    /// The inverse of [`Op::PixelShuffle`].
    PixelUnshuffle {
        /// f.
        factor: usize,
    },
    /// Pooling over windows.
    Pool {
        /// Function.
        kind: PoolKind,
        /// Window `[vertical, horizontal]`.
        kernel: [usize; 2],
        /// Steps `[vertical, horizontal]`.
        stride: [usize; 2],
        /// Padding (-inf for max, zero for average).
        padding: Padding,
    },
    /// Pooling over windows that divide the picture as evenly as may be: the result is `floor(H / divisor)` high, but
    /// at least one, and row `y` of it is made of the rows from `floor(y * H / H')` to `ceil((y + 1) * H / H')`;
    /// columns alike. Where sides are multiples of the divisor that is [`Op::Pool`] without overlap.
    AdaptivePool {
        /// Function.
        kind: PoolKind,
        /// `[vertical, horizontal]`.
        divisor: [usize; 2],
    },
    /// Pooling over the whole picture: `[N, C, H, W] -> [N, C, 1, 1]`. A net with this has no exact tiles.
    GlobalPool {
        /// Function.
        kind: PoolKind,
    },
    /// Fully connected over `[N, C, 1, 1]` or a fixed-size picture, flattened CHW. Weight `[out, in]`, bias `[out]`;
    /// result `[N, out, 1, 1]`.
    Linear {
        /// Matrix.
        weight: WeightId,
        /// Added to each output.
        bias: Option<WeightId>,
    },
    /// Softmax along an axis.
    Softmax {
        /// 0..4.
        axis: usize,
    },
    /// Normalises each pixel over its channels, then `* weight[c] + bias[c]`, both `[C]`. What PyTorch's `LayerNorm` and
    /// `RMSNorm` over channels do (variance without Bessel's correction).
    LayerNorm {
        /// What is made of a pixel.
        kind: NormKind,
        /// Factors.
        weight: WeightId,
        /// Summands.
        bias: Option<WeightId>,
        /// Keeps the divisor from zero.
        eps: f32,
    },
    /// Brings each group of `C / groups` channels of the whole picture to mean 0 and variance 1, then
    /// `* weight[c] + bias[c]`, both `[C]`. `groups` = `C` is instance normalisation. A net with this has no exact tiles.
    GroupNorm {
        /// Runs of channels normalised together.
        groups: usize,
        /// Factors.
        weight: WeightId,
        /// Summands.
        bias: Option<WeightId>,
        /// Added to the variance.
        eps: f32,
    },
    /// Attention between pixels: windows, shifted windows, grids, other pictures. Inputs: queries, keys, values.
    Attention(Attention),
    /// Attention between channels. Inputs: queries, keys, values.
    ChannelAttention(ChannelAttention),
    /// Attention between pixels of like categories, wherever they are. Inputs: queries, keys, values, categories. A net
    /// with this has no exact tiles.
    SortedAttention(SortedAttention),
    /// The same, but that the scores themselves are the weights, without a softmax: linear attention, where keys take
    /// the place of values, values that of queries and queries that of keys.
    ChannelMix(ChannelAttention),
    /// A graph of operations on tensors of any rank, which makes pictures of pictures. It is the only operation of its net,
    /// beside the input.
    Tensors(Arc<TensorGraph>),
}

impl Op {
    /// Name for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input { .. } => "Input",
            Self::Constant(_) => "Constant",
            Self::Conv2d { .. } => "Conv2d",
            Self::ConvTranspose2d { .. } => "ConvTranspose2d",
            Self::PRelu { .. } => "PRelu",
            Self::ChannelAffine { .. } => "ChannelAffine",
            Self::Unary(op) => op.name(),
            Self::Binary(op) => op.name(),
            Self::Concat { .. } => "Concat",
            Self::Slice { .. } => "Slice",
            Self::Part { .. } => "Part",
            Self::Pad { .. } => "Pad",
            Self::PadToMultiple { .. } => "PadToMultiple",
            Self::Crop { .. } => "Crop",
            Self::GridSample { .. } => "GridSample",
            Self::Resize { .. } => "Resize",
            Self::PixelShuffle { .. } => "PixelShuffle",
            Self::PixelUnshuffle { .. } => "PixelUnshuffle",
            Self::Pool { .. } => "Pool",
            Self::AdaptivePool { .. } => "AdaptivePool",
            Self::GlobalPool { .. } => "GlobalPool",
            Self::Linear { .. } => "Linear",
            Self::Softmax { .. } => "Softmax",
            Self::LayerNorm { .. } => "LayerNorm",
            Self::GroupNorm { .. } => "GroupNorm",
            Self::Attention(_) => "Attention",
            Self::ChannelAttention(_) => "ChannelAttention",
            Self::SortedAttention(_) => "SortedAttention",
            Self::ChannelMix(_) => "ChannelMix",
            Self::Tensors(_) => "Tensors",
        }
    }

    /// The weights it refers to.
    pub fn weights(&self) -> impl Iterator<Item = WeightId> + use<> {
        let (first, second) = match *self {
            Self::Constant(weight) | Self::PRelu { slope: weight } => (Some(weight), None),
            Self::Conv2d { weight, bias, .. }
            | Self::ConvTranspose2d { weight, bias, .. }
            | Self::Linear { weight, bias }
            | Self::LayerNorm { weight, bias, .. }
            | Self::GroupNorm { weight, bias, .. } => (Some(weight), bias),
            Self::ChannelAffine { scale, shift } => (Some(scale), Some(shift)),
            Self::Attention(Attention { scores, bias, .. }) => (scores.weight(), bias),
            Self::ChannelAttention(ChannelAttention { scores, .. })
            | Self::ChannelMix(ChannelAttention { scores, .. }) => (scores.weight(), None),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// The weights it refers to, to renumber them.
    pub(crate) fn weights_mut(&mut self) -> impl Iterator<Item = &mut WeightId> {
        let (first, second) = match self {
            Self::Constant(weight) | Self::PRelu { slope: weight } => (Some(weight), None),
            Self::Conv2d { weight, bias, .. }
            | Self::ConvTranspose2d { weight, bias, .. }
            | Self::Linear { weight, bias }
            | Self::LayerNorm { weight, bias, .. }
            | Self::GroupNorm { weight, bias, .. } => (Some(weight), bias.as_mut()),
            Self::ChannelAffine { scale, shift } => (Some(scale), Some(shift)),
            Self::Attention(Attention { scores, bias, .. }) => (scores.weight_mut(), bias.as_mut()),
            Self::ChannelAttention(ChannelAttention { scores, .. })
            | Self::ChannelMix(ChannelAttention { scores, .. }) => (scores.weight_mut(), None),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }
}

impl Scores {
    /// The factors, where they are a weight.
    pub fn weight(self) -> Option<WeightId> {
        match self {
            Self::Dot(_) => None,
            Self::Cosine(weight) => Some(weight),
        }
    }

    fn weight_mut(&mut self) -> Option<&mut WeightId> {
        match self {
            Self::Dot(_) => None,
            Self::Cosine(weight) => Some(weight),
        }
    }
}

impl UnaryOp {
    /// Name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "Relu",
            Self::LeakyRelu(_) => "LeakyRelu",
            Self::Sigmoid => "Sigmoid",
            Self::Silu => "Silu",
            Self::Tanh => "Tanh",
            Self::Gelu => "Gelu",
            Self::Mish => "Mish",
            Self::Clip { .. } => "Clip",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::HardSwish { .. } => "HardSwish",
            Self::Elu(_) => "Elu",
            Self::Abs => "Abs",
            Self::Neg => "Neg",
            Self::Exp => "Exp",
            Self::Log => "Log",
            Self::Sqrt => "Sqrt",
            Self::Square => "Square",
            Self::Reciprocal => "Reciprocal",
            Self::Sin => "Sin",
            Self::Cos => "Cos",
            Self::ScaleShift { .. } => "ScaleShift",
        }
    }
}

impl BinaryOp {
    /// Name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Max => "Max",
            Self::Min => "Min",
            Self::Pow => "Pow",
            Self::Atan2 => "Atan2",
        }
    }
}
