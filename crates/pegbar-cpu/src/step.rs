//! The steps a network is compiled to.

use crate::kernels::attention::AttentionKernel;
use crate::kernels::channel_attention::ChannelAttentionKernel;
use crate::kernels::direct::DirectConv;
use crate::kernels::epilogue::Curve;
use crate::kernels::fourier::FourierConv;
use crate::kernels::norm::{GroupNorm, LayerNorm};
use crate::kernels::pool::Pooling;
use crate::kernels::rearrange::border_source;
use crate::kernels::resize::Interpolation;
use crate::kernels::sample::Sampling;
use crate::kernels::sorted_attention::SortedAttentionKernel;
use crate::kernels::transposed::TransposedConv;
use crate::kernels::winograd::WinogradConv;
use pegbar_net::{BinaryOp, PadMode, Padding, ResizeMode, ResizeTarget, UnaryOp};
use std::ops::Range;

/// Index of a value of the program.
pub(crate) type ValueId = usize;

/// One step: it makes rows of one value from rows of others.
#[derive(Debug)]
pub(crate) struct Step {
    /// Name of the node, of the last one where several were fused.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// What is added to the result of a convolution: values and factors. The last one belongs to the gate, if there is one.
    pub(crate) residuals: Vec<(ValueId, f32)>,
    /// Without residuals.
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) output: ValueId,
    /// Why it is not computed as the precision asked for.
    pub(crate) note: Option<&'static str>,
}

impl Step {
    /// Everything it reads.
    pub(crate) fn reads(&self) -> impl Iterator<Item = ValueId> + '_ {
        self.inputs.iter().copied().chain(self.residuals.iter().map(|&(value, _)| value))
    }
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Kind {
    /// The caller's picture, planes to pixels.
    Load,
    /// The result, pixels to the caller's planes, shuffled by a factor on the way; a second input is enlarged by that factor, to
    /// the nearest, and added. It makes no value, though it has the size of its output.
    Store {
        shuffle: usize,
    },
    Winograd(WinogradConv),
    Direct {
        conv: DirectConv,
        window: Window,
    },
    Fourier {
        conv: FourierConv,
        window: Window,
    },
    Transposed(TransposedConv),
    Unary(UnaryOp),
    PRelu(Vec<f32>),
    Affine {
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    Binary(BinaryOp),
    /// The curve of the first input times the second.
    CurvedProduct(Curve),
    /// Into a window of channels that is read as part of a concatenation.
    Copy,
    ConcatRows,
    ConcatColumns,
    SliceRows {
        start: SliceStart,
    },
    SliceColumns {
        start: SliceStart,
    },
    Pad {
        mode: PadMode,
        padding: Padding,
    },
    Resize {
        mode: ResizeMode,
        target: ResizeTarget,
    },
    /// Where the second input says.
    GridSample(Sampling),
    Shuffle(usize),
    Unshuffle(usize),
    Pool(Pooling),
    GlobalPool(pegbar_net::PoolKind),
    Linear {
        weight: Vec<f32>,
        bias: Vec<f32>,
    },
    Softmax {
        axis: usize,
    },
    LayerNorm(LayerNorm),
    GroupNorm(GroupNorm),
    Attention(AttentionKernel),
    ChannelAttention(ChannelAttentionKernel),
    SortedAttention(SortedAttentionKernel),
}

/// Rows of input that a row of output is made of: `kernel` rows, `dilation` apart, from `y * stride - padding` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kernel: usize,
    pub(crate) dilation: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl Window {
    fn sources(self, rows: Range<usize>, height: usize) -> Range<usize> {
        let first = (rows.start * self.stride).saturating_sub(self.padding);
        let end = ((rows.end - 1) * self.stride + (self.kernel - 1) * self.dilation + 1)
            .saturating_sub(self.padding);
        let end = end.min(height);
        first.min(end)..end
    }
}

/// First row or column a slice keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SliceStart {
    /// This one; negative counts from the end.
    At(i64),
    /// That of a part of several equal ones.
    Part { index: usize, count: usize },
}

impl SliceStart {
    /// Its place among `size`.
    pub(crate) fn of(self, size: usize) -> usize {
        match self {
            Self::At(start) if start < 0 => size.saturating_sub(start.unsigned_abs() as usize),
            Self::At(start) => start as usize,
            Self::Part { index, count } => size / count * index,
        }
    }
}

impl Kind {
    /// Rows of an input that some rows of the output (not none) are made of. `heights` are those of the inputs, without
    /// residuals; `index` may point beyond them, at a residual.
    ///
    /// The end of the result never goes back as `rows.end` grows: the schedule relies on it.
    pub(crate) fn sources(
        &self,
        index: usize,
        heights: &[usize],
        out_height: usize,
        rows: Range<usize>,
    ) -> Range<usize> {
        debug_assert!(!rows.is_empty());
        let Some(&height) = heights.get(index) else {
            return rows;
        };
        match self {
            Self::Load
            | Self::Unary(_)
            | Self::PRelu(_)
            | Self::Affine { .. }
            | Self::Copy
            | Self::ConcatColumns
            | Self::SliceColumns { .. }
            | Self::Softmax { axis: 1 | 3 }
            | Self::LayerNorm(_) => rows,
            Self::Binary(_) if height == 1 => 0..1,
            Self::Binary(_) | Self::CurvedProduct(_) => rows,
            Self::Winograd(conv) => {
                let repeat = conv.repeat();
                let window = Window { kernel: 3, dilation: 1, stride: 1, padding: conv.padding_top() };
                let enlarged = window.sources(rows, height * repeat);
                enlarged.start / repeat..enlarged.end.div_ceil(repeat)
            }
            Self::Direct { window, .. } | Self::Fourier { window, .. } => window.sources(rows, height),
            Self::Transposed(conv) => conv.sources(rows, height),
            Self::Pool(pooling) => pooling.sources(rows, height, out_height),
            Self::ConcatRows => {
                let before: usize = heights[..index].iter().sum();
                let clip = |y: usize| y.saturating_sub(before).min(height);
                clip(rows.start)..clip(rows.end)
            }
            Self::SliceRows { start } => {
                let start = start.of(height);
                rows.start + start..rows.end + start
            }
            Self::Pad { mode, padding } => {
                let mut sources = height..0;
                for y in rows.filter_map(|y| border_source(*mode, y, padding.top, height)) {
                    sources = sources.start.min(y)..sources.end.max(y + 1);
                }
                if sources.is_empty() { 0..0 } else { sources }
            }
            Self::Resize { mode, target } => {
                Interpolation::new(*mode, *target, 0, height, out_height).sources(rows)
            }
            Self::Shuffle(f) | Self::Store { shuffle: f } => rows.start / f..rows.end.div_ceil(*f),
            Self::Unshuffle(f) => rows.start * f..rows.end * f,
            Self::GridSample(_) if index > 0 => rows,
            Self::Attention(kernel) => kernel.sources(index, height, out_height, rows),
            Self::ChannelAttention(kernel) => match kernel.bands() {
                Some(bands) => bands.whole(rows, out_height),
                None => 0..height,
            },
            Self::GridSample(_)
            | Self::GlobalPool(_)
            | Self::Linear { .. }
            | Self::Softmax { .. }
            | Self::GroupNorm(_)
            | Self::SortedAttention(_) => 0..height,
        }
    }

    /// Columns of an input of that width that some columns of the output may be made of.
    pub(crate) fn source_columns(&self, index: usize, width: usize, columns: Range<usize>) -> Range<usize> {
        let is_residual = index > 0;
        match self {
            Self::Winograd(_) | Self::Direct { .. } | Self::Fourier { .. } if is_residual => columns,
            Self::Winograd(conv) => conv.source_columns(columns, width),
            Self::Direct { conv, .. } => conv.source_columns(columns, width),
            Self::Fourier { conv, .. } => conv.source_columns(columns, width),
            _ => 0..width,
        }
    }

    /// Whether all rows must be made at once.
    pub(crate) fn makes_all_rows(&self) -> bool {
        match self {
            Self::Attention(kernel) => kernel.makes_all_rows(),
            Self::ChannelAttention(kernel) => kernel.bands().is_none(),
            _ => matches!(self, Self::Softmax { axis: 2 } | Self::GroupNorm(_) | Self::SortedAttention(_)),
        }
    }

    /// The end of rows that are best made together with row `end - 1`.
    pub(crate) fn round_up(&self, end: usize, height: usize) -> usize {
        let bands = match self {
            Self::Attention(kernel) => kernel.bands(),
            Self::ChannelAttention(kernel) => kernel.bands(),
            _ => None,
        };
        bands.filter(|_| end > 0).map_or(end, |bands| bands.whole(end - 1..end, height).end)
    }

    /// Rows that are best made together, where there are that many.
    pub(crate) fn preferred_rows(&self) -> usize {
        match self {
            Self::Winograd(conv) => conv.products().tile(),
            Self::Fourier { conv, .. } => conv.tile_rows(),
            _ => 1,
        }
    }

    /// Rows that cost as much as any part of them: it makes whole multiples, up to the end of its output.
    pub(crate) fn whole_rows(&self) -> usize {
        if let Self::Fourier { conv, .. } = self { conv.tile_rows() } else { 1 }
    }

    /// What the explanation says about it.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Load => "planes to pixels".into(),
            Self::Store { shuffle: 1 } => "pixels to planes".into(),
            Self::Store { shuffle } => format!("PixelShuffle by {shuffle}, pixels to planes"),
            Self::Winograd(conv) => conv.describe(),
            Self::Direct { conv, .. } => conv.describe(),
            Self::Fourier { conv, .. } => conv.describe(),
            Self::Transposed(conv) => conv.describe(),
            Self::Unary(op) => op.name().to_owned(),
            Self::PRelu(_) => "PRelu".into(),
            Self::Affine { .. } => "ChannelAffine".into(),
            Self::Binary(op) => op.name().to_owned(),
            Self::CurvedProduct(curve) => format!("{} times", curve.name()),
            Self::Copy => "copy into a concatenation".into(),
            Self::ConcatRows => "Concat of rows (general path)".into(),
            Self::ConcatColumns => "Concat of columns (general path)".into(),
            Self::SliceRows { .. } => "Slice of rows (general path)".into(),
            Self::SliceColumns { .. } => "Slice of columns (general path)".into(),
            Self::Pad { .. } => "Pad (general path)".into(),
            Self::Resize { mode: ResizeMode::Nearest, .. } => "Resize, nearest".into(),
            Self::Resize { mode: ResizeMode::Bilinear { .. }, .. } => "Resize, bilinear".into(),
            Self::Resize { .. } => "Resize, bicubic".into(),
            Self::GridSample(_) => "GridSample, bilinear".into(),
            Self::Shuffle(f) => format!("PixelShuffle by {f}"),
            Self::Unshuffle(f) => format!("PixelUnshuffle by {f}"),
            Self::Pool(_) => "Pool".into(),
            Self::GlobalPool(_) => "GlobalPool".into(),
            Self::Linear { .. } => "Linear".into(),
            Self::Softmax { .. } => "Softmax".into(),
            Self::LayerNorm(norm) => norm.describe(),
            Self::GroupNorm(norm) => norm.describe(),
            Self::Attention(kernel) => kernel.describe(),
            Self::ChannelAttention(kernel) => kernel.describe(),
            Self::SortedAttention(kernel) => kernel.describe(),
        }
    }

    /// Name of the activation fused into it.
    pub(crate) fn activation_name(&self) -> Option<&'static str> {
        match self {
            Self::Winograd(conv) => conv.epilogue().activation_name(),
            Self::Direct { conv, .. } => conv.epilogue().activation_name(),
            Self::Fourier { conv, .. } => conv.epilogue().activation_name(),
            _ => None,
        }
    }
}
