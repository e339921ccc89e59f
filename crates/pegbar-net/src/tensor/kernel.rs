//! What a program computes: few operations, with every parameter a number.

use crate::UnaryOp;
use std::sync::Arc;

/// Functions of one floating-point number.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub enum Unary {
    /// One that nets of picture operations have as well.
    Shared(UnaryOp),
    Erf,
    Floor,
    Ceil,
    /// To the nearest whole number, ties to even.
    Round,
    Sign,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Asinh,
    Acosh,
    Atanh,
    /// `ln(1 + e^x)`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `x > 0 ? gamma * x : gamma * alpha * (e^x - 1)`.
    Selu {
        alpha: f32,
        gamma: f32,
    },
    /// `max(0, x) + min(0, alpha * (e^(x / alpha) - 1))`.
    Celu(f32),
    /// `x > alpha ? x : 0`.
    ThresholdedRelu(f32),
    /// `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2`.
    GeluTanh,
    /// `x * sigmoid(alpha * x)`.
    Swish(f32),
    /// Limits integers and numbers to `min..=max`; unlike that of pictures it keeps NaN.
    Shrink {
        bias: f32,
        lambda: f32,
    },
}

/// Functions of two values of one kind, with broadcasting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Max,
    Min,
    /// Remainder with the sign of the divisor.
    Mod,
    /// Remainder with the sign of the dividend.
    FMod,
    /// `a >= 0 ? a : a * b`.
    PRelu,
    And,
    Or,
    Xor,
}

/// Comparisons of two values of one kind, with broadcasting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How several values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reduction {
    Sum,
    Mean,
    Max,
    Min,
    Product,
    L1,
    L2,
    SumOfSquares,
    LogSum,
    LogSumExp,
}

/// What is done with a value that is scattered to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Scatter {
    Replace,
    Add,
    Mul,
    Max,
    Min,
}

/// What a border is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PadFill {
    /// The second input, zero if there is none.
    Constant,
    /// Mirrored without the edge.
    Reflect,
    /// The edge.
    Edge,
    /// The other end.
    Wrap,
}

/// How the values of a window become one.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub enum PoolFunction {
    Max,
    /// Mean; padding is part of the divisor where `count_pad`.
    Average {
        count_pad: bool,
    },
    /// `(sum of |x|^p)^(1/p)`.
    Lp(f32),
}

/// The window of a convolution or pooling over the spatial axes, outermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ConvWindow {
    pub stride: Vec<usize>,
    pub dilation: Vec<usize>,
    /// Before the first element of each axis.
    pub before: Vec<usize>,
    /// After the last.
    pub after: Vec<usize>,
    pub groups: usize,
}

/// Linear interpolation along an axis: element `i` of the result is the sum of `factor * x[index]` over the list of
/// `(index, factor)` at `i`.
#[derive(Debug, Clone, PartialEq)]
pub struct Taps(pub Vec<Vec<(usize, f32)>>);

/// One operation. Shapes of inputs and output are known, and what they say is not repeated here.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Kernel {
    /// The same elements in another shape.
    Reshape,
    /// Dimension `i` of the result is dimension `permutation[i]` of the input.
    Transpose {
        /// The permutation.
        permutation: Vec<usize>,
    },
    /// Of floating-point numbers.
    Unary(Unary),
    /// `-x` of integers.
    NegInt,
    /// `|x|` of integers.
    AbsInt,
    /// -1, 0 or 1, of integers.
    SignInt,
    /// Whether a number is NaN.
    IsNan,
    /// Whether a number is infinite, of the signs wanted.
    IsInf {
        /// Negative ones.
        negative: bool,
        /// Positive ones.
        positive: bool,
    },
    /// Of truth values.
    Not,
    /// Of two values.
    Binary(Binary),
    /// Of two values, makes truth values.
    Compare(Comparison),
    /// `condition ? a : b`, with broadcasting.
    Where,
    /// To floating-point numbers.
    ToFloat,
    /// To integers of so many bits, zero for truth values to integers: numbers are cut towards zero, and what is too large
    /// wraps around.
    ToInt {
        /// 8, 16, 32 or 64.
        bits: u32,
        /// Whether the least value is negative.
        signed: bool,
    },
    /// To truth values.
    ToBool,
    /// Matrix product over the last two dimensions; those before are broadcast. Inputs of rank 2 or more; an optional third
    /// input `[n]` is added to each row.
    MatMul,
    /// Convolution `[N, C, ...]` with `[M, C / groups, ...]` and an optional bias `[M]`.
    Conv(ConvWindow),
    /// Transposed convolution `[N, C, ...]` with `[C, M / groups, ...]` and an optional bias `[M]`. Padding is cut.
    ConvTranspose(ConvWindow),
    /// Pooling over spatial axes.
    Pool {
        /// The function.
        function: PoolFunction,
        /// Size of the window.
        size: Vec<usize>,
        /// How it moves.
        window: ConvWindow,
    },
    /// `exp(x - max) / sum` along an axis, or the logarithm of that.
    Softmax {
        /// The axis.
        axis: usize,
        /// Whether the logarithm is wanted.
        log: bool,
    },
    /// `(x - mean) / sqrt(variance + eps)` over all dimensions from `axis` on, or without the mean `x / sqrt(mean square +
    /// eps)`; then times the second input and plus the third one where they are there, which have the shape of those
    /// dimensions.
    Normalize {
        /// First dimension that is normalised over.
        axis: usize,
        /// Keeps the divisor from zero.
        eps: f32,
        /// Whether the mean is taken off.
        center: bool,
    },
    /// Over axes, which become 1.
    Reduce {
        /// The function.
        function: Reduction,
        /// The axes, sorted.
        axes: Vec<usize>,
    },
    /// Place of the largest or least element along an axis, which becomes 1.
    ArgExtreme {
        /// The axis.
        axis: usize,
        /// Of the largest.
        largest: bool,
        /// The last of several.
        last: bool,
    },
    /// Sum of all elements up to this one along an axis.
    CumSum {
        /// The axis.
        axis: usize,
        /// Without the element itself.
        exclusive: bool,
        /// From the end.
        reverse: bool,
    },
    /// The largest or least elements along an axis in order, or where they are.
    TopK {
        /// The axis.
        axis: usize,
        /// The largest, not the least.
        largest: bool,
        /// Their places instead of themselves.
        places: bool,
    },
    /// Joins along an axis.
    Concat {
        /// The axis.
        axis: usize,
    },
    /// From `starts` on in `steps`, which may be negative.
    Slice {
        /// First index of each dimension.
        starts: Vec<usize>,
        /// From one to the next.
        steps: Vec<i64>,
    },
    /// Elements along an axis by a tensor of indices, whose dimensions take the place of the axis.
    Gather {
        /// The axis.
        axis: usize,
    },
    /// Elements along an axis, each by an index of its own.
    GatherElements {
        /// The axis.
        axis: usize,
    },
    /// Slices by tuples of indices.
    GatherNd {
        /// Leading dimensions that both inputs have.
        batch_dims: usize,
    },
    /// Writes elements along an axis, each by an index of its own.
    ScatterElements {
        /// The axis.
        axis: usize,
        /// What is done where something is already.
        scatter: Scatter,
    },
    /// Writes slices by tuples of indices.
    ScatterNd {
        /// What is done where something is already.
        scatter: Scatter,
    },
    /// Repeats dimensions of 1.
    Expand,
    /// Repeats the whole, as often as it fits into the shape of the result.
    Tile,
    /// Adds a border; negative numbers cut.
    Pad {
        /// Filled with what.
        fill: PadFill,
        /// Before the first element of each dimension.
        before: Vec<i64>,
    },
    /// Interpolation along an axis.
    Resample {
        /// The axis.
        axis: usize,
        /// What each element is made of.
        taps: Arc<Taps>,
    },
    /// Samples `[N, C, H, W]` at places `[N, H', W', 2]` of `-1..=1` (x, y).
    GridSample {
        /// Nearest, linear or cubic: 0, 1, 3.
        order: usize,
        /// What lies beyond: zeros, the edge, or a mirror.
        beyond: PadFill,
        /// -1 and 1 are the centres of the corner pixels, not their outer edges.
        align_corners: bool,
    },
    /// Keeps the upper or lower triangle of matrices.
    Triangle {
        /// The upper one.
        upper: bool,
        /// The diagonal it ends at.
        diagonal: i64,
    },
    /// `on` at the index along a new axis, `off` elsewhere; the second input holds both.
    OneHot {
        /// The new axis.
        axis: usize,
    },
    /// Discrete Fourier transform along an axis of `[..., 1 or 2]`; the last dimension is real and imaginary part.
    Dft {
        /// The axis.
        axis: usize,
        /// The inverse one.
        inverse: bool,
    },
}

impl Kernel {
    /// Name for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reshape => "Reshape",
            Self::Transpose { .. } => "Transpose",
            Self::Unary(Unary::Shared(op)) => op.name(),
            Self::Unary(_) | Self::NegInt | Self::AbsInt | Self::SignInt => "Unary",
            Self::IsNan | Self::IsInf { .. } | Self::Not => "Test",
            Self::Binary(op) => op.name(),
            Self::Compare(_) => "Compare",
            Self::Where => "Where",
            Self::ToFloat | Self::ToInt { .. } | Self::ToBool => "Cast",
            Self::MatMul => "MatMul",
            Self::Conv(_) => "Conv",
            Self::ConvTranspose(_) => "ConvTranspose",
            Self::Pool { .. } => "Pool",
            Self::Softmax { .. } => "Softmax",
            Self::Normalize { .. } => "Normalize",
            Self::Reduce { .. } => "Reduce",
            Self::ArgExtreme { .. } => "ArgExtreme",
            Self::CumSum { .. } => "CumSum",
            Self::TopK { .. } => "TopK",
            Self::Concat { .. } => "Concat",
            Self::Slice { .. } => "Slice",
            Self::Gather { .. } => "Gather",
            Self::GatherElements { .. } => "GatherElements",
            Self::GatherNd { .. } => "GatherND",
            Self::ScatterElements { .. } => "ScatterElements",
            Self::ScatterNd { .. } => "ScatterND",
            Self::Expand => "Expand",
            Self::Tile => "Tile",
            Self::Pad { .. } => "Pad",
            Self::Resample { .. } => "Resample",
            Self::GridSample { .. } => "GridSample",
            Self::Triangle { .. } => "Triangle",
            Self::OneHot { .. } => "OneHot",
            Self::Dft { .. } => "DFT",
        }
    }

    /// About how many multiplications it takes, from the shapes of its inputs and result: a bound of the work, not a
    /// measure of time.
    pub fn work(&self, inputs: &[&[usize]], output: &[usize]) -> f64 {
        let n = |shape: &[usize]| shape.iter().map(|&d| d as f64).product::<f64>();
        match self {
            Self::MatMul => n(output) * inputs[0].last().map_or(1.0, |&k| k as f64),
            Self::Conv(_) => n(output) * inputs[1].get(1..).map_or(1.0, n),
            Self::ConvTranspose(_) => n(inputs[0]) * inputs[1].get(1..).map_or(1.0, n),
            Self::Pool { size, .. } => n(output) * n(size),
            Self::Dft { axis, .. } => n(output) * output.get(*axis).map_or(1.0, |&k| k as f64),
            _ => inputs.iter().map(|shape| n(shape)).sum::<f64>() + n(output),
        }
    }
}

impl Binary {
    /// Name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Pow => "Pow",
            Self::Max => "Max",
            Self::Min => "Min",
            Self::Mod => "Mod",
            Self::FMod => "FMod",
            Self::PRelu => "PRelu",
            Self::And => "And",
            Self::Or => "Or",
            Self::Xor => "Xor",
        }
    }
}
