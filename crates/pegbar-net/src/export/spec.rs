//! What ONNX has no operator for. Such operations are written as functions of the model: a call of an operator of our own
//! domain with its definition in ONNX's operators beside it. Others run the definition; we read what is meant from an
//! attribute of the call.

use crate::{Attention, ChannelAttention, PadMode, Region, ResizeMode, Scores, SizeFill};
use serde::{Deserialize, Serialize};

/// Domain of the functions.
pub(crate) const DOMAIN: &str = "pegbar";

/// What a function means, as the attribute `spec` of its calls has it in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Spec {
    /// `x` continued on the right and at the bottom: mirrored to `minimum`, then filled to whole multiples.
    PadToMultiple { minimum: usize, multiple: usize, square: bool, fill: Fill },
    /// Of `y` the corner that is `scale` times as large as `x`.
    CropTo { scale: usize },
    /// Inputs: queries, keys, values; the factors of the heads where there is no `dot`; the bias if `bias`.
    Attention {
        heads: usize,
        region: Pixels,
        shift: [usize; 2],
        key_margin: [usize; 2],
        key_factor: usize,
        query_factor: usize,
        pad_to: Option<[usize; 2]>,
        dot: Option<f32>,
        bias: bool,
    },
    /// Inputs: queries, keys, values; the factors of the heads where there is no `dot`. Without `softmax` the scores
    /// themselves are the weights.
    ChannelAttention { heads: usize, region: Pixels, dot: Option<f32>, softmax: bool },
    /// A border of `[top, left, bottom, right]`, and what lacks to the multiples.
    PadMore { padding: [usize; 4], multiple: [usize; 2], beyond: Beyond },
    /// Part `index` of `count` equal ones of an axis.
    Part { axis: usize, index: usize, count: usize },
    /// Blocks of `factor` x `factor` pixels to channels, those of a channel together.
    PixelUnshuffle { factor: usize },
    /// Of `y` the corner that is `factor` times as large as `x`.
    Crop { factor: usize },
    /// `x` at the size of `y`.
    ResizeLike { mode: Kernel },
    /// `x` at the places that `y` adds to those of the result.
    GridSample { groups: usize, align_corners: bool, beyond: Beyond },
    /// Inputs: `x`, weight, bias if `bias`.
    GroupNorm { groups: usize, eps: f32, bias: bool },
}

/// [`SizeFill`] in a file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fill {
    Mirror,
    Symmetric,
    Edge,
    Zeros,
}

/// [`Region`] in a file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pixels {
    Picture,
    Blocks([usize; 2]),
    Grid([usize; 2]),
    Apart([usize; 2]),
}

/// [`PadMode`] in a file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Beyond {
    Constant(f32),
    Reflect,
    Replicate,
}

/// [`ResizeMode`] in a file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kernel {
    Nearest,
    Bilinear { align_corners: bool },
    Bicubic { align_corners: bool, a: f32 },
}

impl Spec {
    pub(super) fn of_attention(a: &Attention) -> Self {
        Self::Attention {
            heads: a.heads,
            region: a.region.into(),
            shift: a.shift,
            key_margin: a.key_margin,
            key_factor: a.key_factor,
            query_factor: a.query_factor,
            pad_to: a.pad_to,
            dot: dot(a.scores),
            bias: a.bias.is_some(),
        }
    }

    pub(super) fn of_channel_attention(a: &ChannelAttention, softmax: bool) -> Self {
        Self::ChannelAttention { heads: a.heads, region: a.region.into(), dot: dot(a.scores), softmax }
    }

    /// What functions of this kind are called.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::PadToMultiple { .. } => "PadToMultiple",
            Self::CropTo { .. } => "CropTo",
            Self::Attention { .. } => "Attention",
            Self::ChannelAttention { .. } => "ChannelAttention",
            Self::PadMore { .. } => "PadMore",
            Self::Part { .. } => "Part",
            Self::PixelUnshuffle { .. } => "PixelUnshuffle",
            Self::Crop { .. } => "Crop",
            Self::ResizeLike { .. } => "ResizeLike",
            Self::GridSample { .. } => "GridSample",
            Self::GroupNorm { .. } => "GroupNorm",
        }
    }
}

fn dot(scores: Scores) -> Option<f32> {
    match scores {
        Scores::Dot(factor) => Some(factor),
        Scores::Cosine(_) => None,
    }
}

impl From<SizeFill> for Fill {
    fn from(fill: SizeFill) -> Self {
        match fill {
            SizeFill::Mirror => Self::Mirror,
            SizeFill::Symmetric => Self::Symmetric,
            SizeFill::Edge => Self::Edge,
            SizeFill::Zeros => Self::Zeros,
        }
    }
}

impl From<Fill> for SizeFill {
    fn from(fill: Fill) -> Self {
        match fill {
            Fill::Mirror => Self::Mirror,
            Fill::Symmetric => Self::Symmetric,
            Fill::Edge => Self::Edge,
            Fill::Zeros => Self::Zeros,
        }
    }
}

impl From<PadMode> for Beyond {
    fn from(mode: PadMode) -> Self {
        match mode {
            PadMode::Constant(value) => Self::Constant(value),
            PadMode::Reflect => Self::Reflect,
            PadMode::Replicate => Self::Replicate,
        }
    }
}

impl From<Beyond> for PadMode {
    fn from(beyond: Beyond) -> Self {
        match beyond {
            Beyond::Constant(value) => Self::Constant(value),
            Beyond::Reflect => Self::Reflect,
            Beyond::Replicate => Self::Replicate,
        }
    }
}

impl From<ResizeMode> for Kernel {
    fn from(mode: ResizeMode) -> Self {
        match mode {
            ResizeMode::Nearest => Self::Nearest,
            ResizeMode::Bilinear { align_corners } => Self::Bilinear { align_corners },
            ResizeMode::Bicubic { align_corners, a } => Self::Bicubic { align_corners, a },
        }
    }
}

impl From<Kernel> for ResizeMode {
    fn from(kernel: Kernel) -> Self {
        match kernel {
            Kernel::Nearest => Self::Nearest,
            Kernel::Bilinear { align_corners } => Self::Bilinear { align_corners },
            Kernel::Bicubic { align_corners, a } => Self::Bicubic { align_corners, a },
        }
    }
}

impl From<Region> for Pixels {
    fn from(region: Region) -> Self {
        match region {
            Region::Picture => Self::Picture,
            Region::Blocks(block) => Self::Blocks(block),
            Region::Grid(block) => Self::Grid(block),
            Region::Apart(steps) => Self::Apart(steps),
        }
    }
}

impl From<Pixels> for Region {
    fn from(pixels: Pixels) -> Self {
        match pixels {
            Pixels::Picture => Self::Picture,
            Pixels::Blocks(block) => Self::Blocks(block),
            Pixels::Grid(block) => Self::Grid(block),
            Pixels::Apart(steps) => Self::Apart(steps),
        }
    }
}
