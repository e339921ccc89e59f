//! DAT (dual aggregation transformer, <https://arxiv.org/abs/2308.03364>): blocks of attention in rectangles and blocks
//! of attention between channels by turns, each beside a depthwise convolution that it exchanges gates with.

use super::keys::{Detection, KeyStyle};
use super::layers::Layers;
use super::layers::ratio;
use super::rectangles::Rectangles;
use super::transformer::{
    Residual, Tail, Upsampler, add, batch_norm, depthwise, direct_scale, enter, has, head_scale,
    hyperparameters, leave, linear, multiply, norm, part, reshaped, sequence, shuffles, thirds,
};
use super::{Architecture, Built};
use crate::{
    ChannelAttention, ModelError, ModelOptions, NodeId, Op, PoolKind, Region, Scores, SizeRule, UnaryOp,
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
    for group in 0..sequence(&layers, "layers.")? {
        let depth = sequence(&layers, &format!("layers.{group}.blocks."))?;
        depths.push(depth);
        heads.push(if depth > 1 {
            let [n, _, _] =
                layers.shape(&format!("layers.{group}.blocks.1.attn.temperature"), "[heads, 1, 1]")?;
            n
        } else {
            let key = format!("layers.{group}.blocks.0.attn.attns.0.pos.pos3.2.weight");
            let [half, _] = layers.shape(&key, "[heads, width]")?;
            2 * half
        });
    }
    let upsampler =
        if has(&layers, "conv_last.weight") { Upsampler::PixelShuffle } else { Upsampler::Direct };
    let (scale, features) = match upsampler {
        Upsampler::PixelShuffle => {
            let (scale, features) = shuffles(&layers, "upsample")?;
            (scale, features.unwrap_or(64))
        }
        _ => (direct_scale(&layers, "upsample.0", in_channels)?, channels),
    };
    let residual = Residual::of(&layers, Residual::Three);
    let [hidden, _] = layers.shape("layers.0.blocks.0.ffn.fc1.weight", "[out, in]")?;

    let picture = layers.net.push("input", Op::Input { channels: in_channels }, &[]);
    let picture = enter(&mut layers, picture, in_channels, 1.0);
    let first = layers.conv("conv_first", picture, [channels, in_channels], 3)?;
    let mut x = norm(&mut layers, "before_RG.1", first, channels)?;
    for (group, &depth) in depths.iter().enumerate() {
        let skip = x;
        for index in 0..depth {
            let block = Block {
                prefix: format!("layers.{group}.blocks.{index}"),
                channels,
                heads: heads[group],
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
        x = residual.apply(&mut layers, &format!("layers.{group}.conv"), x, channels)?;
        x = add(&mut layers, &format!("layers.{group}"), skip, x);
    }
    x = norm(&mut layers, "norm", x, channels)?;
    x = residual.apply(&mut layers, "conv_after_body", x, channels)?;
    x = add(&mut layers, "body", x, first);
    x = Tail { upsampler, scale, channels, out: in_channels, sequence: "upsample" }.apply(
        &mut layers,
        x,
        picture,
    )?;
    x = leave(&mut layers, x, in_channels, 1.0);
    layers.net.output = Some(x);
    layers.net.size_rule = SizeRule { minimum: 16, ..SizeRule::default() };

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
        residual.name().to_string(),
    ];
    let hyperparameters = hyperparameters([
        ("img_size", json!(img_size)),
        ("in_chans", json!(in_channels)),
        ("embed_dim", json!(channels)),
        ("split_size", json!(split)),
        ("depth", json!(depths)),
        ("num_heads", json!(heads)),
        ("expansion_factor", json!(expansion)),
        ("qkv_bias", json!(has(&layers, "layers.0.blocks.0.attn.qkv.bias"))),
        ("qk_scale", json!(null)),
        ("drop_rate", json!(0.0)),
        ("attn_drop_rate", json!(0.0)),
        ("drop_path_rate", json!(0.1)),
        ("act_layer", json!("<GELU>")),
        ("norm_layer", json!("<LayerNorm>")),
        ("use_chk", json!(false)),
        ("upscale", json!(scale)),
        ("img_range", json!(1.0)),
        ("resi_connection", json!(residual.name())),
        ("upsampler", json!(upsampler.name())),
    ]);
    Ok(Built { net: layers.net, tags, notes: Vec::new(), hyperparameters })
}

/// Sides of the rectangles: the last of the offsets a file lists is the largest, one less than the sides.
fn split_size(layers: &Layers<'_>) -> Result<[usize; 2], ModelError> {
    let key = "layers.0.blocks.0.attn.attns.0.rpe_biases";
    let [rows, two] = layers.shape(key, "[offsets, 2]")?;
    let values = layers.values(key, &[rows, two])?;
    let side = |value: f32| if (0.0..1024.0).contains(&value) { value as usize + 1 } else { 0 };
    match values[values.len().saturating_sub(2)..] {
        [a, b] => Ok([side(a), side(b)]),
        _ => Err(layers.problem("its list of offsets is empty")),
    }
}

/// Side of the training patches, from a mask's windows and their pixels.
fn img_size(layers: &Layers<'_>) -> Result<usize, ModelError> {
    let key = "layers.0.blocks.2.attn.attn_mask_0";
    if !has(layers, key) {
        return Ok(IMG_SIZE);
    }
    let [windows, pixels, _] = layers.shape(key, "[windows, pixels, pixels]")?;
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
        let normed = norm(layers, &format!("{name}.norm1"), x, self.channels)?;
        let attended = self.attention(layers, normed, kind)?;
        let x = add(layers, &format!("{name}.attn"), x, attended);
        let normed = norm(layers, &format!("{name}.norm2"), x, self.channels)?;
        let fed = gated_mlp(layers, &format!("{name}.ffn"), normed, [self.channels, self.hidden])?;
        Ok(add(layers, &format!("{name}.ffn"), x, fed))
    }

    fn attention(&self, layers: &mut Layers<'_>, x: NodeId, kind: Kind) -> Result<NodeId, ModelError> {
        let name = format!("{}.attn", self.prefix);
        let channels = self.channels;
        let qkv = linear(layers, &format!("{name}.qkv"), x, [3 * channels, channels])?;
        let [q, k, v] = thirds(layers, &name, qkv, channels);
        let attended = match kind {
            Kind::Spatial { shifted } => {
                let rectangles = Rectangles { channels, heads: self.heads / 2, split: self.split };
                rectangles.check(layers)?;
                rectangles.padded_attention(layers, &name, qkv, shifted)?
            }
            Kind::Channel => {
                head_scale(layers, channels, self.heads)?;
                let key = format!("{name}.temperature");
                let temperature = reshaped(layers, &key, &[self.heads, 1, 1], &[self.heads])?;
                let scores = Scores::Cosine(temperature);
                let op = ChannelAttention { heads: self.heads, region: Region::Picture, scores };
                layers.net.push(&name, Op::ChannelAttention(op), &[q, k, v])
            }
        };
        let convolved = depthwise(layers, &format!("{name}.dwconv.0"), v, channels, 3)?;
        let convolved = batch_norm(layers, &format!("{name}.dwconv.1"), convolved, channels)?;
        let convolved = layers.unary(&format!("{name}.dwconv"), UnaryOp::Gelu, convolved);
        // One branch makes a gate over channels, the other one over pixels; each gate is for the other branch.
        let (by_channel, by_pixel) = match kind {
            Kind::Spatial { .. } => (convolved, attended),
            Kind::Channel => (attended, convolved),
        };
        let channel_gate = self.channel_gate(layers, &format!("{name}.channel_interaction"), by_channel)?;
        let pixel_gate = self.pixel_gate(layers, &format!("{name}.spatial_interaction"), by_pixel)?;
        let a = multiply(layers, &format!("{name}.channel_interaction"), by_pixel, channel_gate);
        let b = multiply(layers, &format!("{name}.spatial_interaction"), by_channel, pixel_gate);
        let sum = add(layers, &name, a, b);
        linear(layers, &format!("{name}.proj"), sum, [channels, channels])
    }

    fn channel_gate(&self, layers: &mut Layers<'_>, name: &str, x: NodeId) -> Result<NodeId, ModelError> {
        let narrow = self.channels / 8;
        let op = Op::GlobalPool { kind: PoolKind::Average { count_pad: false } };
        let x = layers.net.push(format!("{name}.0"), op, &[x]);
        let x = layers.conv(&format!("{name}.1"), x, [narrow, self.channels], 1)?;
        let x = batch_norm(layers, &format!("{name}.2"), x, narrow)?;
        let x = layers.unary(&format!("{name}.2"), UnaryOp::Gelu, x);
        let x = layers.conv(&format!("{name}.4"), x, [self.channels, narrow], 1)?;
        Ok(layers.unary(name, UnaryOp::Sigmoid, x))
    }

    fn pixel_gate(&self, layers: &mut Layers<'_>, name: &str, x: NodeId) -> Result<NodeId, ModelError> {
        let narrow = self.channels / 16;
        let x = layers.conv(&format!("{name}.0"), x, [narrow, self.channels], 1)?;
        let x = batch_norm(layers, &format!("{name}.1"), x, narrow)?;
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
    let x = linear(layers, &format!("{name}.fc1"), x, [hidden, channels])?;
    let x = layers.unary(&format!("{name}.fc1"), UnaryOp::Gelu, x);
    let plain = part(layers, name, x, 0, half);
    let gate = part(layers, name, x, half, half);
    let gate = norm(layers, &format!("{name}.sg.norm"), gate, half)?;
    let gate = depthwise(layers, &format!("{name}.sg.conv"), gate, half, 3)?;
    let x = multiply(layers, &format!("{name}.sg"), plain, gate);
    linear(layers, &format!("{name}.fc2"), x, [channels, half])
}
