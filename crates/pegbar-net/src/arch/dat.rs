//! DAT (dual aggregation transformer, <https://arxiv.org/abs/2308.03364>): blocks of attention in rectangles and blocks
//! of attention between channels by turns, each beside a depthwise convolution that it exchanges gates with.

use super::keys::{Detection, KeyStyle};
use super::layers::{Layers, ratio};
use super::rectangles::Rectangles;
use super::window_transformer::{Frame, MAX_WINDOW, Residual, Upsampler, head_scale, of_training};
use super::{Architecture, Built};
use crate::{
    ChannelAttention, ModelError, ModelOptions, NetError, NodeId, Op, Region, Scores, SizeRule, UnaryOp,
};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "DAT", half_safe: false, detect, build };

const ID: &str = "DAT";

macro_rules! keys {
    ($($block:literal),* ; $($other:literal),* $(,)?) => {
        &[
            $(concat!("layers.*.blocks.*.", $block, ".weight"), concat!("layers.*.blocks.*.", $block, ".bias"),)*
            $(concat!($other, ".weight"), concat!($other, ".bias"),)*
            "layers.*.blocks.*.attn.attns.*.rpe_biases",
            "layers.*.blocks.*.attn.attns.*.relative_position_index",
            "layers.*.blocks.*.attn.attn_mask_*",
            "layers.*.blocks.*.attn.temperature",
            "layers.*.blocks.*.attn.dwconv.1.running_mean",
            "layers.*.blocks.*.attn.dwconv.1.running_var",
            "layers.*.blocks.*.attn.dwconv.1.num_batches_tracked",
            "layers.*.blocks.*.attn.channel_interaction.2.running_mean",
            "layers.*.blocks.*.attn.channel_interaction.2.running_var",
            "layers.*.blocks.*.attn.channel_interaction.2.num_batches_tracked",
            "layers.*.blocks.*.attn.spatial_interaction.1.running_mean",
            "layers.*.blocks.*.attn.spatial_interaction.1.running_var",
            "layers.*.blocks.*.attn.spatial_interaction.1.num_batches_tracked",
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "conv_first.weight",
        "before_RG.1.weight",
        "layers.0.blocks.0.norm1.weight",
        "layers.0.blocks.0.ffn.sg.conv.weight",
        "layers.0.blocks.0.attn.qkv.weight",
        "layers.0.blocks.0.attn.dwconv.1.running_mean",
        "layers.0.blocks.0.attn.spatial_interaction.0.weight",
        "layers.0.blocks.0.attn.attns.0.rpe_biases",
        "norm.weight",
    ],
    known: keys!(
        "norm1", "norm2", "ffn.fc1", "ffn.fc2", "ffn.sg.norm", "ffn.sg.conv", "attn.qkv", "attn.proj",
        "attn.dwconv.0", "attn.dwconv.1", "attn.channel_interaction.1", "attn.channel_interaction.2",
        "attn.channel_interaction.4", "attn.spatial_interaction.0", "attn.spatial_interaction.1",
        "attn.spatial_interaction.3", "attn.attns.*.pos.pos_proj", "attn.attns.*.pos.pos*.0",
        "attn.attns.*.pos.pos*.2";
        "conv_first", "before_RG.1", "layers.*.conv", "layers.*.conv.*", "norm", "conv_after_body",
        "conv_after_body.*", "conv_before_upsample.0", "upsample.*", "conv_last",
    ),
}];

/// Side of the training patches where no mask tells.
const IMG_SIZE: usize = 64;

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// Whether the rectangles of a block are shifted.
pub(super) fn is_shifted(group: usize, block: usize) -> bool {
    if group.is_multiple_of(2) { block % 4 == 2 } else { block.is_multiple_of(4) }
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [channels, in_channels, _, _] = layers.conv_shape("conv_first")?;
    let split = split_size(&layers)?;
    let mut depths = Vec::new();
    let mut heads = Vec::new();
    for group in 0..layers.sequence("layers.")? {
        let depth = layers.sequence(&format!("layers.{group}.blocks."))?;
        depths.push(depth);
        heads.push(if depth > 1 {
            let [n, _, _] = layers.shape(&format!("layers.{group}.blocks.1.attn.temperature"))?;
            n
        } else {
            let key = format!("layers.{group}.blocks.0.attn.attns.0.pos.pos3.2.weight");
            let [half, _] = layers.shape(&key)?;
            2 * half
        });
    }
    let upsampler = if layers.has("conv_last.weight") { Upsampler::PixelShuffle } else { Upsampler::Direct };
    let (scale, features) = match upsampler {
        Upsampler::PixelShuffle => {
            let (scale, features) = layers.shuffles("upsample")?;
            (scale, features.unwrap_or(64))
        }
        _ => (layers.direct_scale("upsample.0", in_channels)?, channels),
    };
    let frame = Frame {
        in_channels,
        out_channels: in_channels,
        channels,
        heads,
        range: Some(1.0),
        residual: Residual::of(&layers, Residual::Three),
        upsampler,
        scale,
    };
    let [hidden, _] = layers.shape("layers.0.blocks.0.ffn.fc1.weight")?;

    let begun = frame.begin(&mut layers)?;
    let mut x = layers.layer_norm("before_RG.1", begun.first, channels)?;
    for (group, &depth) in depths.iter().enumerate() {
        let skip = x;
        for index in 0..depth {
            let block = Block {
                prefix: format!("layers.{group}.blocks.{index}"),
                channels,
                heads: frame.heads[group],
                hidden,
                split,
            };
            let shifted = is_shifted(group, index);
            x = block.push(
                &mut layers,
                x,
                if index % 2 == 0 { Kind::Spatial { shifted } } else { Kind::Channel },
            )?;
        }
        x = frame.end_group(&mut layers, group, x, skip)?;
    }
    x = frame.end(&mut layers, x, &begun)?;

    let size_rule = SizeRule { minimum: 16, ..SizeRule::default() };

    let img_size = img_size(&layers)?;
    let expansion = ratio(hidden, channels);
    let size = match (depths.len(), split) {
        (..4, _) => "light",
        (_, [8, 16]) => "small",
        _ => "medium",
    };
    let tags = vec![
        size.to_string(),
        format!("s{img_size}|{}x{}", split[0], split[1]),
        format!("{features}nf"),
        format!("{channels}dim"),
        format!("{expansion:?}ef"),
        frame.residual.name().to_string(),
    ];
    let mut hyperparameters = frame.hyperparameters(&layers, "layers.0.blocks.0.attn.qkv.bias");
    hyperparameters.extend(of_training());
    hyperparameters.extend([
        ("img_size", json!(img_size)),
        ("split_size", json!(split)),
        ("depth", json!(depths)),
        ("expansion_factor", json!(expansion)),
        ("qk_scale", json!(null)),
        ("act_layer", json!("<GELU>")),
        ("use_chk", json!(false)),
        ("upsampler", json!(upsampler.name())),
    ]);
    Ok(layers.finish(x, size_rule, tags, hyperparameters))
}

/// Sides of the rectangles: the last of the offsets a file lists is the largest, one less than the sides.
fn split_size(layers: &Layers<'_>) -> Result<[usize; 2], ModelError> {
    let key = "layers.0.blocks.0.attn.attns.0.rpe_biases";
    let [rows, two] = layers.shape(key)?;
    let values = layers.values(key, &[rows, two])?;
    let count = values.iter().filter(|value| !value.is_finite()).count();
    if count > 0 {
        return Err(NetError::NotFinite { weight: key.to_string(), count, total: values.len() }.into());
    }
    let offset = |value: f32| (0.0..MAX_WINDOW as f32).contains(&value).then(|| value as usize + 1);
    match values[values.len().saturating_sub(2)..] {
        [a, b] => match (offset(a), offset(b)) {
            (Some(a), Some(b)) => Ok([a, b]),
            _ => Err(layers.problem(format!(
                "the last offset of {key} is [{a:e}, {b:e}], where 0 to {} make sense: the file is damaged, or its \
                 training diverged",
                MAX_WINDOW - 1
            ))),
        },
        _ => Err(layers.problem("its list of offsets is empty")),
    }
}

/// Side of the training patches, from a mask's windows and their pixels.
fn img_size(layers: &Layers<'_>) -> Result<usize, ModelError> {
    let key = "layers.0.blocks.2.attn.attn_mask_0";
    if !layers.has(key) {
        return Ok(IMG_SIZE);
    }
    let [windows, pixels, _] = layers.shape(key)?;
    Ok((windows * pixels).isqrt())
}

#[derive(Clone, Copy)]
enum Kind {
    /// Attention in rectangles.
    Spatial { shifted: bool },
    /// Attention between channels.
    Channel,
}

struct Block {
    prefix: String,
    channels: usize,
    heads: usize,
    hidden: usize,
    split: [usize; 2],
}

impl Block {
    fn push(&self, layers: &mut Layers<'_>, x: NodeId, kind: Kind) -> Result<NodeId, ModelError> {
        let name = &self.prefix;
        let normed = layers.layer_norm(&format!("{name}.norm1"), x, self.channels)?;
        let attended = self.attention(layers, normed, kind)?;
        let x = layers.add(format!("{name}.attn/add"), x, attended);
        let normed = layers.layer_norm(&format!("{name}.norm2"), x, self.channels)?;
        let fed = gated_mlp(layers, &format!("{name}.ffn"), normed, [self.channels, self.hidden])?;
        Ok(layers.add(format!("{name}.ffn/add"), x, fed))
    }

    fn attention(&self, layers: &mut Layers<'_>, x: NodeId, kind: Kind) -> Result<NodeId, ModelError> {
        let name = format!("{}.attn", self.prefix);
        let channels = self.channels;
        let qkv = layers.linear(&format!("{name}.qkv"), x, [3 * channels, channels])?;
        let [q, k, v] = layers.chunks(&name, qkv, channels);
        let attended = match kind {
            Kind::Spatial { shifted } => {
                let rectangles = Rectangles { channels, heads: self.heads / 2, split: self.split };
                rectangles.check(layers)?;
                rectangles.padded_attention(layers, &name, qkv, shifted)?
            }
            Kind::Channel => {
                head_scale(layers, channels, self.heads)?;
                let key = format!("{name}.temperature");
                let temperature = layers.reshaped(&key, &[self.heads, 1, 1], &[self.heads])?;
                let scores = Scores::Cosine(temperature);
                let op = ChannelAttention { heads: self.heads, region: Region::Picture, scores };
                layers.push(&name, Op::ChannelAttention(op), &[q, k, v])
            }
        };
        let convolved = layers.depthwise(&format!("{name}.dwconv.0"), v, channels, 3)?;
        let convolved = layers.batch_norm(&format!("{name}.dwconv.1"), convolved, channels)?;
        let convolved = layers.unary(&format!("{name}.dwconv"), UnaryOp::Gelu, convolved);
        // One branch makes a gate over channels, the other one over pixels; each gate is for the other branch.
        let (by_channel, by_pixel) = match kind {
            Kind::Spatial { .. } => (convolved, attended),
            Kind::Channel => (attended, convolved),
        };
        let channel_gate = self.channel_gate(layers, &format!("{name}.channel_interaction"), by_channel)?;
        let pixel_gate = self.pixel_gate(layers, &format!("{name}.spatial_interaction"), by_pixel)?;
        let a = layers.mul(format!("{name}.channel_interaction/multiply"), by_pixel, channel_gate);
        let b = layers.mul(format!("{name}.spatial_interaction/multiply"), by_channel, pixel_gate);
        let sum = layers.add(format!("{name}/add"), a, b);
        layers.linear(&format!("{name}.proj"), sum, [channels, channels])
    }

    fn channel_gate(&self, layers: &mut Layers<'_>, name: &str, x: NodeId) -> Result<NodeId, ModelError> {
        let narrow = self.channels / 8;
        let x = layers.global_mean(format!("{name}.0"), x);
        let x = layers.conv(&format!("{name}.1"), x, [narrow, self.channels], 1)?;
        let x = layers.batch_norm(&format!("{name}.2"), x, narrow)?;
        let x = layers.unary(&format!("{name}.2"), UnaryOp::Gelu, x);
        let x = layers.conv(&format!("{name}.4"), x, [self.channels, narrow], 1)?;
        Ok(layers.unary(name, UnaryOp::Sigmoid, x))
    }

    fn pixel_gate(&self, layers: &mut Layers<'_>, name: &str, x: NodeId) -> Result<NodeId, ModelError> {
        let narrow = self.channels / 16;
        let x = layers.conv(&format!("{name}.0"), x, [narrow, self.channels], 1)?;
        let x = layers.batch_norm(&format!("{name}.1"), x, narrow)?;
        let x = layers.unary(&format!("{name}.1"), UnaryOp::Gelu, x);
        let x = layers.conv(&format!("{name}.3"), x, [1, narrow], 1)?;
        Ok(layers.unary(name, UnaryOp::Sigmoid, x))
    }
}

/// Linear, GELU, one half of the channels times the other's convolution, linear.
pub(super) fn gated_mlp(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    [channels, hidden]: [usize; 2],
) -> Result<NodeId, ModelError> {
    if hidden % 2 == 1 {
        return Err(layers.problem(format!("{hidden} hidden channels cannot be halved")));
    }
    let half = hidden / 2;
    let x = layers.linear(&format!("{name}.fc1"), x, [hidden, channels])?;
    let x = layers.unary(&format!("{name}.fc1"), UnaryOp::Gelu, x);
    let plain = layers.channels(format!("{name}/part"), x, 0..half);
    let gate = layers.channels(format!("{name}/part"), x, half..half + half);
    let gate = layers.layer_norm(&format!("{name}.sg.norm"), gate, half)?;
    let gate = layers.depthwise(&format!("{name}.sg.conv"), gate, half, 3)?;
    let x = layers.mul(format!("{name}.sg/multiply"), plain, gate);
    layers.linear(&format!("{name}.fc2"), x, [channels, half])
}
