//! The upsampler that MoESR and FDAT share, and the tensor that says which of its ways a file takes.

use super::dysample::dysample;
use super::layers::Layers;
use crate::{ModelError, NodeId, NormKind, Op, PadMode, ResizeMode, ResizeTarget, UnaryOp};

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
    pub(super) fn read(layers: &Layers<'_>, key: &str, n_ways: usize) -> Result<Self, ModelError> {
        let values = layers.values(key, &[7])?;
        // A byte each.
        let number = |i: usize| usize::from(values[i] as u8);
        let Some(way) = WAYS[..n_ways].get(number(1)) else {
            return Err(layers.problem(format!("{key} names way {} to enlarge, which is none", number(1))));
        };
        let meta = Self { way, scale: number(2), out: number(4), middle: number(5) };
        if [meta.scale, meta.out].contains(&0) {
            return Err(
                layers.problem(format!("{key} states a scale of {} and {} colours", meta.scale, meta.out))
            );
        }
        Ok(meta)
    }

    /// Factors of the steps an enlargement is made of.
    fn steps(&self, layers: &Layers<'_>) -> Result<Vec<usize>, ModelError> {
        match self.scale {
            3 => Ok(vec![3]),
            scale if scale.is_power_of_two() => Ok(vec![2; scale.ilog2() as usize]),
            scale => Err(layers.problem(format!("it enlarges {scale} times in steps of 2 or 3"))),
        }
    }

    /// Appends the upsampler.
    pub(super) fn build(
        &self,
        layers: &mut Layers<'_>,
        prefix: &str,
        x: NodeId,
    ) -> Result<NodeId, ModelError> {
        let Self { way, scale, out, middle, .. } = *self;
        let [_, input, _, _] = self.first_shape(layers, prefix)?;
        let layer = |index: usize| format!("{prefix}.{index}");
        let mut x = x;
        match way {
            _ if scale == 1 => layers.conv(&layer(0), x, [out, input], 3),
            "conv" => layers.conv(&layer(0), x, [out, input], 3),
            "pixelshuffledirect" => {
                x = layers.conv(&layer(0), x, [out * scale * scale, input], 3)?;
                Ok(layers.shuffle(layer(1), x, scale))
            }
            "pixelshuffle" => {
                x = layers.conv(&layer(0), x, [middle, input], 3)?;
                x = layers.unary(&layer(0), DEFAULT_LEAKY, x);
                let steps = self.steps(layers)?;
                for (i, &by) in steps.iter().enumerate() {
                    x = layers.conv(&layer(2 + 2 * i), x, [middle * by * by, middle], 3)?;
                    x = layers.shuffle(layer(3 + 2 * i), x, by);
                }
                layers.conv(&layer(2 + 2 * steps.len()), x, [out, middle], 3)
            }
            "nearest+conv" => {
                let steps = self.steps(layers)?;
                for (i, &by) in steps.iter().enumerate() {
                    x = layers.conv(&layer(3 * i), x, [input, input], 3)?;
                    x = layers.nearest(layer(3 * i + 1), x, by);
                    x = layers.unary(&layer(3 * i), LEAKY, x);
                }
                let n = 3 * steps.len();
                x = layers.conv(&layer(n), x, [input, input], 3)?;
                x = layers.unary(&layer(n), LEAKY, x);
                layers.conv(&layer(n + 2), x, [out, input], 3)
            }
            "dysample" => {
                if !layers.has(&format!("{}.weight", layer(0))) {
                    return dysample(layers, &layer(0), x, input, scale);
                }
                x = layers.conv(&layer(0), x, [middle, input], 3)?;
                x = layers.unary(&layer(0), DEFAULT_LEAKY, x);
                dysample(layers, &layer(2), x, middle, scale)
            }
            "transpose+conv" => self.transposed(layers, prefix, x, input),
            "pa_up" => {
                let mut input = input;
                let steps = self.steps(layers)?;
                for (i, &by) in steps.iter().enumerate() {
                    let first = 6 * i;
                    x = layers.nearest(layer(first), x, by);
                    x = layers.conv(&layer(first + 1), x, [middle, input], 3)?;
                    let gate =
                        layers.conv(&format!("{}.conv.0", layer(first + 2)), x, [middle, middle], 1)?;
                    let gate = layers.unary(&layer(first + 2), UnaryOp::Sigmoid, gate);
                    x = layers.mul(layer(first + 2), x, gate);
                    x = layers.unary(&layer(first + 2), LEAKY, x);
                    x = layers.conv(&layer(first + 4), x, [middle, middle], 3)?;
                    x = layers.unary(&layer(first + 4), LEAKY, x);
                    input = middle;
                }
                layers.conv(&layer(6 * steps.len()), x, [out, middle], 3)
            }
            "lda" => {
                let (mut first, mut channels) = (0, input);
                if layers.has(&format!("{}.weight", layer(0))) {
                    x = layers.conv(&layer(0), x, [middle, input], 3)?;
                    x = layers.unary(&layer(0), DEFAULT_LEAKY, x);
                    (first, channels) = (2, middle);
                }
                x = local_attention(layers, &layer(first), x, channels, scale)?;
                layers.conv(&layer(first + 1), x, [out, channels], 3)
            }
            other => Err(layers.problem(format!("it enlarges by {other}, which Pegbar does not do"))),
        }
    }

    fn transposed(
        &self,
        layers: &mut Layers<'_>,
        prefix: &str,
        x: NodeId,
        input: usize,
    ) -> Result<NodeId, ModelError> {
        let layer = |index: usize| format!("{prefix}.{index}");
        let out = self.out;
        let (x, last) = match self.scale {
            2 => (layers.conv_transposed(&layer(0), x, [out, input], [4, 2, 1])?, 1),
            3 => (layers.conv_transposed(&layer(0), x, [out, input], [3, 3, 0])?, 1),
            4 => {
                let x = layers.conv_transposed(&layer(0), x, [input, input], [4, 2, 1])?;
                let x = layers.unary(&layer(0), UnaryOp::Gelu, x);
                (layers.conv_transposed(&layer(2), x, [out, input], [4, 2, 1])?, 3)
            }
            scale => {
                return Err(layers.problem(format!("it enlarges {scale} times by transposed convolutions")));
            }
        };
        layers.conv(&layer(last), x, [out, out], 3)
    }

    /// `[_, in, _, _]` of whatever takes the features in.
    fn first_shape(&self, layers: &Layers<'_>, prefix: &str) -> Result<[usize; 4], ModelError> {
        match self.way {
            _ if self.scale == 1 => layers.conv_shape(&format!("{prefix}.0")),
            "pa_up" => layers.conv_shape(&format!("{prefix}.1")),
            "dysample" if !layers.has(&format!("{prefix}.0.weight")) => {
                layers.conv_shape(&format!("{prefix}.0.offset"))
            }
            "lda" if !layers.has(&format!("{prefix}.0.weight")) => {
                layers.conv_shape(&format!("{prefix}.0.proj_q"))
            }
            "transpose+conv" => {
                let [input, out, kh, kw] = layers.conv_shape(&format!("{prefix}.0"))?;
                Ok([out, input, kh, kw])
            }
            _ => layers.conv_shape(&format!("{prefix}.0")),
        }
    }
}

/// Runs of channels with places of their own, taps along an axis, and how far places may be moved, in pixels of the
/// result.
const LDA_GROUPS: usize = 2;
const LDA_TAPS: usize = 3;
const LDA_RANGE: f32 = 11.0;
const LDA_EPS: f32 = 1e-6;

/// Local deformable attention (<https://arxiv.org/abs/2411.19585>): each pixel of the large picture attends to nine
/// places around it, each of them moved by what the pixel's query says.
fn local_attention(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
    scale: usize,
) -> Result<NodeId, ModelError> {
    let [hidden, _, _, _] = layers.conv_shape(&format!("{name}.proj_q"))?;
    if !hidden.is_multiple_of(LDA_GROUPS) || !channels.is_multiple_of(LDA_GROUPS) {
        return Err(
            layers.problem(format!("{name} has {channels} and {hidden} channels for {LDA_GROUPS} groups"))
        );
    }
    let normed =
        layers.layer_norm_of(&format!("{name}.layer_norm"), x, channels, NormKind::Standard, LDA_EPS)?;
    let q = layers.conv(&format!("{name}.proj_q"), normed, [hidden, channels], 1)?;
    let k = layers.conv(&format!("{name}.proj_k"), normed, [hidden, channels], 1)?;
    let target = ResizeTarget::Scale { height: [scale, 1], width: [scale, 1] };
    let mode = ResizeMode::Bilinear { align_corners: true };
    let q = layers.push(format!("{name}.proj_q/enlarged"), Op::Resize { mode, target }, &[q]);
    let places = moved_places(layers, &format!("{name}.conv_offset"), q, hidden)?;

    let n_taps = LDA_TAPS * LDA_TAPS;
    let table_key = format!("{name}.relative_position_bias_table");
    let table = layers.values(&table_key, &[1, 1, 1, n_taps, hidden])?;
    let factor = (hidden as f32).powf(-0.5);
    let op = Op::GridSample { groups: LDA_GROUPS, align_corners: true, beyond: PadMode::Constant(0.0) };
    let (mut scores, mut values) = (Vec::with_capacity(n_taps), Vec::with_capacity(n_taps));
    for tap in 0..n_taps {
        let name = format!("{name}/tap {tap}");
        let at = layers.channels(
            format!("{name}/places"),
            places,
            tap * 2 * LDA_GROUPS..(tap + 1) * 2 * LDA_GROUPS,
        );
        let key = layers.push(format!("{name}/key"), op.clone(), &[k, at]);
        let key = layers.affine(
            &format!("{name}/key"),
            key,
            vec![1.0; hidden],
            table[tap * hidden..][..hidden].to_vec(),
        );
        let product = layers.mul(format!("{name}/product"), q, key);
        scores.push(layers.made_linear(&format!("{name}/score"), product, [1, hidden], vec![factor; hidden]));
        values.push(layers.push(format!("{name}/value"), op.clone(), &[x, at]));
    }
    let scores = layers.concat(format!("{name}/scores"), &scores);
    let weights = layers.push(format!("{name}/weights"), Op::Softmax { axis: 1 }, &[scores]);
    let mut sum = None;
    for (tap, value) in values.into_iter().enumerate() {
        let weight = layers.channels(format!("{name}/weight {tap}"), weights, tap..tap + 1);
        let part = layers.mul(format!("{name}/part {tap}"), value, weight);
        sum = Some(match sum {
            Some(sum) => layers.add(format!("{name}/sum {tap}"), sum, part),
            None => part,
        });
    }
    Ok(sum.unwrap_or(x))
}

/// For each tap the columns and then the rows of all groups, as distances from the pixel itself.
fn moved_places(layers: &mut Layers<'_>, name: &str, q: NodeId, hidden: usize) -> Result<NodeId, ModelError> {
    let n_taps = LDA_TAPS * LDA_TAPS;
    let per_group = hidden / LDA_GROUPS;
    let mut groups = Vec::with_capacity(LDA_GROUPS);
    // One network for all groups.
    for group in 0..LDA_GROUPS {
        let mut x =
            layers.channels(format!("{name}/group {group}"), q, group * per_group..(group + 1) * per_group);
        x = layers.depthwise(&format!("{name}.0"), x, per_group, 3)?;
        x = layers.layer_norm_of(&format!("{name}.1"), x, per_group, NormKind::Standard, LDA_EPS)?;
        x = layers.unary(&format!("{name}.1"), UnaryOp::Silu, x);
        x = layers.conv(&format!("{name}.3"), x, [2 * n_taps, per_group], 3)?;
        groups.push(layers.unary(&format!("{name}.3"), UnaryOp::Tanh, x));
    }
    let all = layers.concat(format!("{name}/groups"), &groups);
    // The file has, for each group and tap, the row and then the column.
    let n = LDA_GROUPS * 2 * n_taps;
    let mut matrix = vec![0.0; n * n];
    let mut base = Vec::with_capacity(n);
    for tap in 0..n_taps {
        for (is_row, at) in [(false, tap % LDA_TAPS), (true, tap / LDA_TAPS)] {
            for group in 0..LDA_GROUPS {
                let source = group * 2 * n_taps + 2 * tap + usize::from(!is_row);
                matrix[base.len() * n + source] = LDA_RANGE;
                base.push(at as f32 - (LDA_TAPS / 2) as f32);
            }
        }
    }
    let moved = layers.made_linear(&format!("{name}/in order"), all, [n, n], matrix);
    Ok(layers.affine(&format!("{name}/around"), moved, vec![1.0; n], base))
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
            concat!($prefix, ".*.proj_q.weight"),
            concat!($prefix, ".*.proj_k.weight"),
            concat!($prefix, ".*.layer_norm.weight"),
            concat!($prefix, ".*.layer_norm.bias"),
            concat!($prefix, ".*.conv_offset.*.weight"),
            concat!($prefix, ".*.conv_offset.*.bias"),
            concat!($prefix, ".*.relative_position_bias_table"),
        ]
    };
}
pub(super) use uni_upsample_keys;
