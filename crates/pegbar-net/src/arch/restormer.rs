//! Restormer (<https://arxiv.org/abs/2111.09881>): a U-Net of attention between channels and gated convolutions.

use super::keys::{Detection, KeyStyle, count};
use super::layers::Layers;
use super::{Architecture, Built};
use crate::{ChannelAttention, ModelError, ModelOptions, NodeId, NormKind, Op, Region, Scores, SizeRule};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "Restormer", half_safe: false, detect, build };

const ID: &str = "Restormer";

const EPS: f32 = 1e-5;

/// The expansion factor of published models; what it makes of the width is rounded down.
const COMMON_EXPANSION: f64 = 2.66;

macro_rules! block_keys {
    ($($prefix:literal),*) => {
        &[
            "patch_embed.proj.weight", "patch_embed.proj.bias", "down*_*.body.0.weight", "up*_*.body.0.weight",
            "reduce_chan_level*.weight", "reduce_chan_level*.bias", "skip_conv.weight", "skip_conv.bias",
            "output.weight", "output.bias",
            $(
                concat!($prefix, ".norm1.body.weight"), concat!($prefix, ".norm1.body.bias"),
                concat!($prefix, ".norm2.body.weight"), concat!($prefix, ".norm2.body.bias"),
                concat!($prefix, ".attn.temperature"),
                concat!($prefix, ".attn.qkv.weight"), concat!($prefix, ".attn.qkv.bias"),
                concat!($prefix, ".attn.qkv_dwconv.weight"), concat!($prefix, ".attn.qkv_dwconv.bias"),
                concat!($prefix, ".attn.project_out.weight"), concat!($prefix, ".attn.project_out.bias"),
                concat!($prefix, ".ffn.project_in.weight"), concat!($prefix, ".ffn.project_in.bias"),
                concat!($prefix, ".ffn.dwconv.weight"), concat!($prefix, ".ffn.dwconv.bias"),
                concat!($prefix, ".ffn.project_out.weight"), concat!($prefix, ".ffn.project_out.bias"),
            )*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "patch_embed.proj.weight",
        "encoder_level1.0.norm1.body.weight",
        "encoder_level1.0.attn.temperature",
        "encoder_level1.0.ffn.project_in.weight",
        "down1_2.body.0.weight",
        "encoder_level2.0.attn.temperature",
        "encoder_level3.0.attn.temperature",
        "latent.0.attn.temperature",
        "up4_3.body.0.weight",
        "decoder_level3.0.attn.temperature",
        "decoder_level2.0.attn.temperature",
        "decoder_level1.0.attn.temperature",
        "refinement.0.attn.temperature",
        "output.weight",
    ],
    known: block_keys!("encoder_level*.*", "latent.*", "decoder_level*.*", "refinement.*"),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let shape = Shape::of(&layers)?;
    let heads = shape.heads(&layers, "attn")?;
    let [_, hidden, _, _] = layers.conv_shape("encoder_level1.0.ffn.project_out")?;
    let expansion = if hidden == (shape.width as f64 * COMMON_EXPANSION) as usize {
        COMMON_EXPANSION
    } else {
        hidden as f64 / shape.width as f64
    };
    // For pairs of pictures, which have no one picture to add the result to.
    let dual_pixel = state_dict.contains("skip_conv.weight");
    let with_bias = state_dict.contains("encoder_level1.0.norm1.body.bias");

    let unet = u_net(&mut layers, &shape, &block)?;
    let mut x = unet.features;
    let (double, size) = (2 * shape.width, [shape.out_channels, 2 * shape.width]);
    if dual_pixel {
        let skip = layers.conv("skip_conv", unet.embedded, [double, shape.width], 1)?;
        x = layers.add("skip", x, skip);
        x = layers.conv("output", x, size, 3)?;
    } else {
        x = layers.conv("output", x, size, 3)?;
        x = layers.add("skip", x, unet.input);
    }

    let size_rule = SizeRule { multiple_of: 8, ..SizeRule::default() };

    Ok(layers.finish(
        x,
        size_rule,
        vec![format!("{}dim", shape.width)],
        [
            ("inp_channels", json!(shape.in_channels)),
            ("out_channels", json!(shape.out_channels)),
            ("dim", json!(shape.width)),
            ("num_blocks", json!(shape.n_blocks)),
            ("num_refinement_blocks", json!(shape.n_refinement)),
            ("heads", json!(heads)),
            ("ffn_expansion_factor", json!(expansion)),
            ("bias", json!(state_dict.contains("encoder_level1.0.attn.qkv.bias"))),
            ("LayerNorm_type", json!(if with_bias { "WithBias" } else { "BiasFree" })),
            ("dual_pixel_task", json!(dual_pixel)),
        ],
    ))
}

/// Channels and numbers of blocks of a U-Net of four levels.
pub(super) struct Shape {
    pub(super) in_channels: usize,
    pub(super) out_channels: usize,
    pub(super) width: usize,
    /// Of the three upper levels, and of the lowest.
    pub(super) n_blocks: [usize; 4],
    pub(super) n_refinement: usize,
}

impl Shape {
    pub(super) fn of(layers: &Layers<'_>) -> Result<Self, ModelError> {
        let [width, in_channels, _, _] = layers.conv_shape("patch_embed.proj")?;
        let [out_channels, _, _, _] = layers.conv_shape("output")?;
        let n = |prefix| count(layers.state_dict, prefix);
        Ok(Self {
            in_channels,
            out_channels,
            width,
            n_blocks: [n("encoder_level1."), n("encoder_level2."), n("encoder_level3."), n("latent.")],
            n_refinement: n("refinement."),
        })
    }

    /// Heads of the four levels, by the temperatures of the part of a block that attends.
    pub(super) fn heads(&self, layers: &Layers<'_>, part: &str) -> Result<[usize; 4], ModelError> {
        let heads =
            |stage: &str| layers.shape(&format!("{stage}.0.{part}.temperature")).map(|[heads, _, _]| heads);
        Ok([heads("encoder_level1")?, heads("encoder_level2")?, heads("encoder_level3")?, heads("latent")?])
    }
}

/// What the U-Net hands on.
pub(super) struct UNet {
    pub(super) input: NodeId,
    /// The first convolution's result.
    pub(super) embedded: NodeId,
    /// What is left to be made a picture of, twice the width.
    pub(super) features: NodeId,
}

/// A block `name` of so many channels.
pub(super) type Block<'a> = &'a dyn Fn(&mut Layers<'_>, &str, NodeId, usize) -> Result<NodeId, ModelError>;

/// Three levels down by convolution and pixel unshuffle, and up again, each joined with what came by on the way down.
/// The uppermost level is not made narrower after the join.
pub(super) fn u_net(layers: &mut Layers<'_>, shape: &Shape, block: Block<'_>) -> Result<UNet, ModelError> {
    let stage = |layers: &mut Layers<'_>, name: &str, n: usize, x: NodeId, channels: usize| {
        (0..n).try_fold(x, |x, index| block(layers, &format!("{name}.{index}"), x, channels))
    };
    let width = shape.width;
    let input = layers.input(shape.in_channels);
    let embedded = layers.conv("patch_embed.proj", input, [width, shape.in_channels], 3)?;
    let mut x = embedded;
    let mut skips = Vec::new();
    for level in 1..=3 {
        let channels = width << (level - 1);
        x = stage(layers, &format!("encoder_level{level}"), shape.n_blocks[level - 1], x, channels)?;
        skips.push(x);
        let name = format!("down{level}_{}.body", level + 1);
        x = layers.conv(&format!("{name}.0"), x, [channels / 2, channels], 3)?;
        x = layers.unshuffle(format!("{name}.1"), x, 2);
    }
    x = stage(layers, "latent", shape.n_blocks[3], x, 8 * width)?;
    for level in (1..=3).rev() {
        let channels = width << (level - 1);
        let name = format!("up{}_{level}.body", level + 1);
        x = layers.conv(&format!("{name}.0"), x, [4 * channels, 2 * channels], 3)?;
        x = layers.shuffle(format!("{name}.1"), x, 2);
        x = layers.concat(format!("decoder_level{level}/join"), &[x, skips[level - 1]]);
        let mut wide = 2 * channels;
        if level > 1 {
            x = layers.conv(&format!("reduce_chan_level{level}"), x, [channels, wide], 1)?;
            wide = channels;
        }
        x = stage(layers, &format!("decoder_level{level}"), shape.n_blocks[level - 1], x, wide)?;
    }
    let features = stage(layers, "refinement", shape.n_refinement, x, 2 * width)?;
    Ok(UNet { input, embedded, features })
}

fn block(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
    let norm = |layers: &mut Layers<'_>, part: &str, x| {
        let prefix = format!("{name}.{part}.body");
        let kind =
            if layers.has(&format!("{prefix}.bias")) { NormKind::Standard } else { NormKind::Deviation };
        layers.layer_norm_of(&prefix, x, channels, kind, EPS)
    };
    let y = norm(layers, "norm1", x)?;
    let y = transposed_attention(layers, &format!("{name}.attn"), y, channels)?;
    let x = layers.add(format!("{name}.attn/skip"), x, y);
    let y = norm(layers, "norm2", x)?;
    let y = layers.gated_feed_forward(&format!("{name}.ffn"), y, channels)?;
    Ok(layers.add(name, x, y))
}

/// Attention between the channels of the whole picture.
pub(super) fn transposed_attention(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let y = layers.conv(&format!("{name}.qkv"), x, [3 * channels, channels], 1)?;
    let y = layers.depthwise(&format!("{name}.qkv_dwconv"), y, 3 * channels, 3)?;
    let qkv: [NodeId; 3] = layers.chunks(name, y, channels);
    let y = between_channels(layers, name, &format!("{name}.temperature"), qkv)?;
    layers.conv(&format!("{name}.project_out"), y, [channels; 2], 1)
}

/// Attention between channels by the angle between them, times a number `[heads, 1, 1]` for each head.
pub(super) fn between_channels(
    layers: &mut Layers<'_>,
    name: &str,
    temperature: &str,
    qkv: [NodeId; 3],
) -> Result<NodeId, ModelError> {
    let [heads, _, _] = layers.shape(temperature)?;
    let factors = layers.values(temperature, &[heads, 1, 1])?;
    let scores = Scores::Cosine(layers.made_weight(temperature, &[heads], factors));
    let attention = ChannelAttention { heads, region: Region::Picture, scores };
    Ok(layers.push(name, Op::ChannelAttention(attention), &qkv))
}
