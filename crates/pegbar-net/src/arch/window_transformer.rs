//! What transformers of pictures share: attention in windows, and the frame around the groups of blocks, which most of
//! them took over from SwinIR.

mod position_bias;
mod upsampler;

use super::layers::Layers;
use crate::{Attention, ModelError, NodeId, Op, Scores, UnaryOp};
use serde_json::{Value as Json, json};

pub(super) use position_bias::{
    head_scale, offset_row, position_bias, score_factors, window_bias, window_of_index, window_of_table,
};
pub(super) use upsampler::{Tail, Upsampler};

/// Larger windows than any model has.
pub(super) const MAX_WINDOW: usize = 256;
/// The window of models against JPEG artifacts, the only ones that count from 0 to 255.
const JPEG_WINDOW: usize = 7;

pub(super) const LEAKY_02: UnaryOp = UnaryOp::LeakyRelu(0.2);

/// A network of groups of blocks `layers.*` between a first convolution and an upsampler, with a skip around each group
/// and one around all of them.
pub(super) struct Frame {
    pub(super) in_channels: usize,
    pub(super) out_channels: usize,
    /// Of the features.
    pub(super) channels: usize,
    /// Heads of each group.
    pub(super) heads: Vec<usize>,
    /// What pictures count to; no mean is taken off and no range changed where there is none.
    pub(super) range: Option<f64>,
    pub(super) residual: Residual,
    pub(super) upsampler: Upsampler,
    pub(super) scale: usize,
}

/// What is needed again behind the groups.
pub(super) struct Begun {
    /// What went into the first convolution.
    pub(super) picture: NodeId,
    /// What came out.
    pub(super) first: NodeId,
}

impl Frame {
    /// The picture, its mean taken off, and the first convolution.
    pub(super) fn begin(&self, layers: &mut Layers<'_>) -> Result<Begun, ModelError> {
        let picture = layers.input(self.in_channels);
        let picture = self.entered(layers, picture);
        self.embedded(layers, picture, "conv_first", self.in_channels)
    }

    pub(super) fn entered(&self, layers: &mut Layers<'_>, picture: NodeId) -> NodeId {
        match self.range {
            Some(range) => layers.minus_mean(picture, self.in_channels, range),
            None => picture,
        }
    }

    /// The first convolution, of so many channels.
    pub(super) fn embedded(
        &self,
        layers: &mut Layers<'_>,
        picture: NodeId,
        conv: &str,
        input: usize,
    ) -> Result<Begun, ModelError> {
        let first = layers.conv(conv, picture, [self.channels, input], 3)?;
        Ok(Begun { picture, first })
    }

    /// What the groups take of the embedded picture: normalised, where the file has a norm.
    pub(super) fn features(&self, layers: &mut Layers<'_>, embedded: NodeId) -> Result<NodeId, ModelError> {
        match has_patch_norm(layers) {
            true => layers.layer_norm("patch_embed.norm", embedded, self.channels),
            false => Ok(embedded),
        }
    }

    /// The convolution at the end of a group, and the skip around it.
    pub(super) fn end_group(
        &self,
        layers: &mut Layers<'_>,
        group: usize,
        x: NodeId,
        skip: NodeId,
    ) -> Result<NodeId, ModelError> {
        let name = format!("layers.{group}");
        let x = self.residual.apply(layers, &format!("{name}.conv"), x, self.channels)?;
        Ok(layers.add(format!("{name}/add"), x, skip))
    }

    /// Behind the last group: the norm, a convolution, and the skip around all groups.
    pub(super) fn end_body(
        &self,
        layers: &mut Layers<'_>,
        x: NodeId,
        begun: &Begun,
    ) -> Result<NodeId, ModelError> {
        let x = layers.layer_norm("norm", x, self.channels)?;
        let x = self.residual.apply(layers, "conv_after_body", x, self.channels)?;
        Ok(layers.add("body/add", x, begun.first))
    }

    /// All that is behind the last group.
    pub(super) fn end(
        &self,
        layers: &mut Layers<'_>,
        x: NodeId,
        begun: &Begun,
    ) -> Result<NodeId, ModelError> {
        let x = self.end_body(layers, x, begun)?;
        let Self { upsampler, scale, channels, out_channels: out, .. } = *self;
        let x =
            Tail { upsampler, scale, channels, out, sequence: "upsample" }.apply(layers, x, begun.picture)?;
        Ok(self.left(layers, x))
    }

    pub(super) fn left(&self, layers: &mut Layers<'_>, x: NodeId) -> NodeId {
        match self.range {
            Some(range) => layers.plus_mean(x, self.out_channels, range),
            None => x,
        }
    }

    /// What the constructors of all of them are given. `qkv_bias` is the key that tells.
    pub(super) fn hyperparameters(&self, layers: &Layers<'_>, qkv_bias: &str) -> Vec<(&'static str, Json)> {
        vec![
            ("in_chans", json!(self.in_channels)),
            ("embed_dim", json!(self.channels)),
            ("num_heads", json!(self.heads)),
            ("qkv_bias", json!(layers.has(qkv_bias))),
            ("norm_layer", json!("<LayerNorm>")),
            ("upscale", json!(self.scale)),
            ("img_range", json!(self.range.unwrap_or(1.0))),
            ("resi_connection", json!(self.residual.name())),
        ]
    }

    /// The same, and what those add that keep SwinIR's names.
    pub(super) fn swin_hyperparameters(
        &self,
        layers: &Layers<'_>,
        qkv_bias: &str,
        Swin { img_size, depths, window, mlp_ratio }: Swin<'_>,
    ) -> Vec<(&'static str, Json)> {
        let mut all = self.hyperparameters(layers, qkv_bias);
        all.extend([
            ("img_size", json!(img_size)),
            ("patch_size", json!(1)),
            ("depths", json!(depths)),
            ("window_size", json!(window)),
            ("mlp_ratio", json!(mlp_ratio)),
            ("ape", json!(false)),
            ("patch_norm", json!(has_patch_norm(layers))),
            ("upsampler", json!(self.upsampler.name())),
        ]);
        all
    }
}

/// Hyper-parameters of SwinIR's names.
pub(super) struct Swin<'a> {
    /// Side of the training patches.
    pub(super) img_size: usize,
    /// Blocks of each group.
    pub(super) depths: &'a [usize],
    pub(super) window: usize,
    pub(super) mlp_ratio: f64,
}

/// What most constructors take and only training needs.
pub(super) fn of_training() -> [(&'static str, Json); 3] {
    [("drop_rate", json!(0.0)), ("attn_drop_rate", json!(0.0)), ("drop_path_rate", json!(0.1))]
}

fn has_patch_norm(layers: &Layers<'_>) -> bool {
    layers.has("patch_embed.norm.weight")
}

/// Whether pictures count to 255, and how far they count.
pub(super) fn img_range(window: usize) -> f64 {
    if window == JPEG_WINDOW { 255.0 } else { 1.0 }
}

/// Side of the training patches, from a mask `[windows, pixels, pixels]` of a patch's windows; none where the file has no
/// such mask.
pub(super) fn masked_size(
    layers: &Layers<'_>,
    mask: &str,
    window: usize,
) -> Result<Option<usize>, ModelError> {
    if !layers.has(mask) {
        return Ok(None);
    }
    let [windows, _, _] = layers.shape(mask)?;
    Ok(Some((windows * window * window).isqrt()))
}

/// A mark for how many groups there are.
pub(super) fn size_tag(n_groups: usize) -> String {
    match n_groups {
        ..=4 => "small",
        5..9 => "medium",
        _ => "large",
    }
    .to_string()
}

/// Blocks of each group, and heads of its first block by the second dimension of `table`.
pub(super) fn depths_and_heads(
    layers: &Layers<'_>,
    blocks: &str,
    table: &str,
) -> Result<(Vec<usize>, Vec<usize>), ModelError> {
    let (mut depths, mut heads) = (Vec::new(), Vec::new());
    for group in 0..layers.sequence("layers.")? {
        let prefix = format!("layers.{group}.residual_group");
        depths.push(layers.sequence(&format!("{prefix}.{blocks}."))?);
        let [_, n] = layers.shape(&format!("{prefix}.{table}"))?;
        heads.push(n);
    }
    Ok((depths, heads))
}

/// The convolution before a skip around several blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Residual {
    One,
    Three,
    Identity,
}

impl Residual {
    /// By the keys of the last one; `otherwise` where it is not a single convolution.
    pub(super) fn of(layers: &Layers<'_>, otherwise: Self) -> Self {
        if layers.has("conv_after_body.weight") { Self::One } else { otherwise }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::One => "1conv",
            Self::Three => "3conv",
            Self::Identity => "identity",
        }
    }

    pub(super) fn apply(
        self,
        layers: &mut Layers<'_>,
        prefix: &str,
        x: NodeId,
        channels: usize,
    ) -> Result<NodeId, ModelError> {
        match self {
            Self::Identity => Ok(x),
            Self::One => layers.conv(prefix, x, [channels, channels], 3),
            Self::Three => {
                let [first, middle, last] = [0, 2, 4].map(|i| format!("{prefix}.{i}"));
                let narrow = channels / 4;
                let x = layers.conv(&first, x, [narrow, channels], 3)?;
                let x = layers.unary(&first, LEAKY_02, x);
                let x = layers.conv(&middle, x, [narrow, narrow], 1)?;
                let x = layers.unary(&middle, LEAKY_02, x);
                layers.conv(&last, x, [channels, narrow], 3)
            }
        }
    }
}

/// The attention of a Swin block, with the layers around it.
pub(super) struct WindowAttention<'a> {
    pub(super) prefix: &'a str,
    pub(super) channels: usize,
    pub(super) heads: usize,
    pub(super) window: usize,
    pub(super) shift: usize,
}

impl WindowAttention<'_> {
    pub(super) fn apply(&self, layers: &mut Layers<'_>, x: NodeId) -> Result<NodeId, ModelError> {
        let Self { prefix, channels, .. } = *self;
        let qkv = layers.linear(&format!("{prefix}.qkv"), x, [3 * channels, channels])?;
        let attended = self.attend(layers, qkv)?;
        layers.linear(&format!("{prefix}.proj"), attended, [channels, channels])
    }

    /// Without those layers.
    pub(super) fn attend(&self, layers: &mut Layers<'_>, qkv: NodeId) -> Result<NodeId, ModelError> {
        let Self { prefix, channels, heads, window, shift } = *self;
        let qkv = layers.chunks::<3>(prefix, qkv, channels);
        let scale = head_scale(layers, channels, heads)?;
        let bias = window_bias(layers, &format!("{prefix}.relative_position_bias_table"), window, heads)?;
        let attention = Attention::blocks(heads, [window; 2], Scores::Dot(scale)).with_bias(bias);
        Ok(layers.push(prefix, Op::Attention(attention.with_shift([shift; 2])), &qkv))
    }
}

/// A block: attention, then two layers, each on the normalised value and added to it.
pub(super) fn swin_block(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    [channels, heads]: [usize; 2],
    [window, shift]: [usize; 2],
) -> Result<NodeId, ModelError> {
    let normed = layers.layer_norm(&format!("{prefix}.norm1"), x, channels)?;
    let name = format!("{prefix}.attn");
    let attention = WindowAttention { prefix: &name, channels, heads, window, shift };
    let attended = attention.apply(layers, normed)?;
    let x = layers.add(format!("{name}/add"), x, attended);
    let normed = layers.layer_norm(&format!("{prefix}.norm2"), x, channels)?;
    let name = format!("{prefix}.mlp");
    let fed = mlp(layers, &name, normed, channels)?;
    Ok(layers.add(format!("{name}/add"), x, fed))
}

/// Two linear layers with GELU between; the hidden channels are the file's.
pub(super) fn mlp(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let [hidden, _] = layers.shape(&format!("{prefix}.fc1.weight"))?;
    let x = layers.linear(&format!("{prefix}.fc1"), x, [hidden, channels])?;
    let x = layers.unary(prefix, UnaryOp::Gelu, x);
    layers.linear(&format!("{prefix}.fc2"), x, [channels, hidden])
}

/// `x` times a factor for each channel that two layers make of the means of all channels.
pub(super) fn channel_attention(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let convs = [1, 3].map(|layer| format!("{name}.{layer}"));
    layers.excite(name, [&convs[0], &convs[1]], x, channels, UnaryOp::Relu)
}

/// An integer where the number is one, as Python writes it.
pub(super) fn python_number(x: f64) -> serde_json::Value {
    if x.fract() == 0.0 && x.abs() < 1e15 { serde_json::json!(x as i64) } else { serde_json::json!(x) }
}
