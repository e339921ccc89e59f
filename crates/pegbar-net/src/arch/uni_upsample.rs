//! The upsampler that MoESR and FDAT share, and the tensor that says which of its ways a file takes.

use super::dysample::dysample;
use super::parts::Parts;
use crate::{ModelError, NodeId, UnaryOp};

/// Its ways, in the order of their numbers.
pub(super) const WAYS: [&str; 8] = [
    "conv",
    "pixelshuffledirect",
    "pixelshuffle",
    "nearest+conv",
    "dysample",
    "transpose+conv",
    "lda",
    "pa_up",
];

/// What the tensor `MetaUpsample` states: version, way, scale, channels in, out and between, groups.
#[derive(Clone, Copy)]
pub(super) struct Meta {
    pub(super) way: &'static str,
    pub(super) scale: usize,
    pub(super) out: usize,
    pub(super) middle: usize,
}

/// PyTorch's default.
const DEFAULT_LEAKY: UnaryOp = UnaryOp::LeakyRelu(0.01);
const LEAKY: UnaryOp = UnaryOp::LeakyRelu(0.2);

impl Meta {
    /// Reads it; the first `n_ways` are known.
    pub(super) fn read(p: &Parts<'_>, key: &str, n_ways: usize) -> Result<Self, ModelError> {
        let values = p.values(key, &[7])?;
        let number = |i: usize| values[i] as usize;
        let Some(way) = WAYS[..n_ways].get(number(1)) else {
            return Err(p.problem(format!("{key} names way {} to enlarge, which is none", number(1))));
        };
        let meta = Self { way, scale: number(2), out: number(4), middle: number(5) };
        if [meta.scale, meta.out].contains(&0) {
            return Err(p.problem(format!("{key} states a scale of {} and {} colours", meta.scale, meta.out)));
        }
        Ok(meta)
    }

    /// Factors of the steps an enlargement is made of.
    fn steps(&self, p: &Parts<'_>) -> Result<Vec<usize>, ModelError> {
        match self.scale {
            3 => Ok(vec![3]),
            scale if scale.is_power_of_two() => Ok(vec![2; scale.ilog2() as usize]),
            scale => Err(p.problem(format!("it enlarges {scale} times in steps of 2 or 3"))),
        }
    }

    /// Appends the upsampler.
    pub(super) fn build(&self, p: &mut Parts<'_>, prefix: &str, x: NodeId) -> Result<NodeId, ModelError> {
        let Self { way, scale, out, middle, .. } = *self;
        let [_, input, _, _] = self.first_shape(p, prefix)?;
        let layer = |index: usize| format!("{prefix}.{index}");
        let mut x = x;
        match way {
            _ if scale == 1 => p.conv(&layer(0), x, [out, input], 3),
            "conv" => p.conv(&layer(0), x, [out, input], 3),
            "pixelshuffledirect" => {
                x = p.conv(&layer(0), x, [out * scale * scale, input], 3)?;
                Ok(p.shuffle(layer(1), x, scale))
            }
            "pixelshuffle" => {
                x = p.conv(&layer(0), x, [middle, input], 3)?;
                x = p.unary(&layer(0), DEFAULT_LEAKY, x);
                let steps = self.steps(p)?;
                for (i, &by) in steps.iter().enumerate() {
                    x = p.conv(&layer(2 + 2 * i), x, [middle * by * by, middle], 3)?;
                    x = p.shuffle(layer(3 + 2 * i), x, by);
                }
                p.conv(&layer(2 + 2 * steps.len()), x, [out, middle], 3)
            }
            "nearest+conv" => {
                let steps = self.steps(p)?;
                for (i, &by) in steps.iter().enumerate() {
                    x = p.conv(&layer(3 * i), x, [input, input], 3)?;
                    x = p.nearest(layer(3 * i + 1), x, by);
                    x = p.unary(&layer(3 * i), LEAKY, x);
                }
                let n = 3 * steps.len();
                x = p.conv(&layer(n), x, [input, input], 3)?;
                x = p.unary(&layer(n), LEAKY, x);
                p.conv(&layer(n + 2), x, [out, input], 3)
            }
            "dysample" => {
                if !p.has(&format!("{}.weight", layer(0))) {
                    return dysample(p, &layer(0), x, input, scale);
                }
                x = p.conv(&layer(0), x, [middle, input], 3)?;
                x = p.unary(&layer(0), DEFAULT_LEAKY, x);
                dysample(p, &layer(2), x, middle, scale)
            }
            "transpose+conv" => self.transposed(p, prefix, x, input),
            "pa_up" => {
                let mut input = input;
                let steps = self.steps(p)?;
                for (i, &by) in steps.iter().enumerate() {
                    let first = 6 * i;
                    x = p.nearest(layer(first), x, by);
                    x = p.conv(&layer(first + 1), x, [middle, input], 3)?;
                    let gate = p.conv(&format!("{}.conv.0", layer(first + 2)), x, [middle, middle], 1)?;
                    let gate = p.unary(&layer(first + 2), UnaryOp::Sigmoid, gate);
                    x = p.mul(layer(first + 2), x, gate);
                    x = p.unary(&layer(first + 2), LEAKY, x);
                    x = p.conv(&layer(first + 4), x, [middle, middle], 3)?;
                    x = p.unary(&layer(first + 4), LEAKY, x);
                    input = middle;
                }
                p.conv(&layer(6 * steps.len()), x, [out, middle], 3)
            }
            other => Err(p.problem(format!("it enlarges by {other}, which Pegbar does not do"))),
        }
    }

    fn transposed(&self, p: &mut Parts<'_>, prefix: &str, x: NodeId, input: usize) -> Result<NodeId, ModelError> {
        let layer = |index: usize| format!("{prefix}.{index}");
        let out = self.out;
        let (x, last) = match self.scale {
            2 => (p.conv_transposed(&layer(0), x, [out, input], [4, 2, 1])?, 1),
            3 => (p.conv_transposed(&layer(0), x, [out, input], [3, 3, 0])?, 1),
            4 => {
                let x = p.conv_transposed(&layer(0), x, [input, input], [4, 2, 1])?;
                let x = p.unary(&layer(0), UnaryOp::Gelu, x);
                (p.conv_transposed(&layer(2), x, [out, input], [4, 2, 1])?, 3)
            }
            scale => return Err(p.problem(format!("it enlarges {scale} times by transposed convolutions"))),
        };
        p.conv(&layer(last), x, [out, out], 3)
    }

    /// `[_, in, _, _]` of whatever takes the features in.
    fn first_shape(&self, p: &Parts<'_>, prefix: &str) -> Result<[usize; 4], ModelError> {
        match self.way {
            _ if self.scale == 1 => p.conv_shape(&format!("{prefix}.0")),
            "pa_up" => p.conv_shape(&format!("{prefix}.1")),
            "dysample" if !p.has(&format!("{prefix}.0.weight")) => p.conv_shape(&format!("{prefix}.0.offset")),
            "transpose+conv" => {
                let [input, out, kh, kw] = p.conv_shape(&format!("{prefix}.0"))?;
                Ok([out, input, kh, kw])
            }
            _ => p.conv_shape(&format!("{prefix}.0")),
        }
    }
}

/// Keys of the upsampler.
macro_rules! uni_upsample_keys {
    ($prefix:literal) => {
        [
            concat!($prefix, ".MetaUpsample"),
            concat!($prefix, ".*.weight"),
            concat!($prefix, ".*.bias"),
            concat!($prefix, ".*.offset.weight"),
            concat!($prefix, ".*.offset.bias"),
            concat!($prefix, ".*.scope.weight"),
            concat!($prefix, ".*.init_pos"),
            concat!($prefix, ".*.end_conv.weight"),
            concat!($prefix, ".*.end_conv.bias"),
            concat!($prefix, ".*.conv.0.weight"),
            concat!($prefix, ".*.conv.0.bias"),
        ]
    };
}
pub(super) use uni_upsample_keys;
