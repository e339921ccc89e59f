//! KBNet (<https://arxiv.org/abs/2303.02881>): networks whose convolutions are mixed from a set of kernels, for each
//! pixel anew. The small one is built like NAFNet, the large one like Restormer.

use super::keys::{Detection, KeyStyle};
use super::layers::{Conv, Layers};
use super::nafnet::{Levels, down, up};
use super::restormer::{Shape, transposed_attention, u_net};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, NormKind, Op, Padding, SizeFill, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "KBNet", half_safe: false, detect, build };

const ID: &str = "KBNet";

const EPS: f32 = 1e-6;

/// Side of the kernels that are mixed.
const KERNEL: usize = 3;

/// More kernels than any model mixes.
const MAX_KERNELS: usize = 256;

macro_rules! keys {
    ([$($around:literal),*], [$($part:literal),*], $prefixes:tt) => {
        keys!(@ [$($around,)*], [$($part),*], $prefixes)
    };
    (@ [$($key:expr,)*], [$($part:literal),*], [$prefix:literal $(, $more:literal)*]) => {
        keys!(@ [$($key,)* $(concat!($prefix, $part, ".weight"), concat!($prefix, $part, ".bias"),)*
            concat!($prefix, ".w"), concat!($prefix, ".b"), concat!($prefix, ".attgamma"), concat!($prefix, ".ga1"),
            concat!($prefix, ".beta"), concat!($prefix, ".gamma"), concat!($prefix, ".attn.w"),
            concat!($prefix, ".attn.b"), concat!($prefix, ".attn.attgamma"), concat!($prefix, ".attn.ga1"),
            concat!($prefix, ".ffn.temperature"),
        ], [$($part),*], [$($more),*])
    };
    (@ [$($key:expr,)*], $parts:tt, []) => { &[$($key),*] };
}

const STYLES: &[KeyStyle] = &[
    // Small.
    KeyStyle {
        needed: &[
            "intro.weight",
            "encoders.0.0.attgamma",
            "middle_blks.0.w",
            "decoders.0.0.attgamma",
            "ending.weight",
        ],
        known: keys!(
            [
                "intro.weight",
                "intro.bias",
                "ending.weight",
                "ending.bias",
                "ups.*.0.weight",
                "downs.*.weight",
                "downs.*.bias"
            ],
            [
                ".norm1",
                ".norm2",
                ".conv1",
                ".conv11.0",
                ".conv11.1",
                ".conv2.0",
                ".conv2.2",
                ".conv21",
                ".conv211",
                ".conv3",
                ".conv4",
                ".conv5",
                ".sca.1"
            ],
            ["encoders.*.*", "decoders.*.*", "middle_blks.*"]
        ),
    },
    // Large.
    KeyStyle {
        needed: &[
            "patch_embed.proj.weight",
            "encoder_level1.0.attn.ga1",
            "encoder_level3.0.ffn.project_out.weight",
            "latent.0.ffn.qkv.weight",
            "refinement.0.attn.dwconv.0.weight",
            "output.weight",
        ],
        known: keys!(
            [
                "patch_embed.proj.weight",
                "patch_embed.proj.bias",
                "down*_*.body.0.weight",
                "up*_*.body.0.weight",
                "reduce_chan_level*.weight",
                "reduce_chan_level*.bias",
                "output.weight",
                "output.bias"
            ],
            [
                ".norm1",
                ".norm2",
                ".ffn.qkv",
                ".ffn.qkv_dwconv",
                ".ffn.project_out",
                ".attn.dwconv.0",
                ".attn.dwconv.1",
                ".attn.project_out",
                ".attn.sca.1",
                ".attn.conv1.0",
                ".attn.conv1.1",
                ".attn.conv2.0",
                ".attn.conv2.2",
                ".attn.conv211"
            ],
            ["encoder_level*.*", "latent.*", "decoder_level*.*", "refinement.*"]
        ),
    },
];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    if state_dict.contains("patch_embed.proj.weight") {
        build_large(state_dict)
    } else {
        build_small(state_dict)
    }
}

fn build_small(state_dict: &StateDict) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [width, colours, _, _] = layers.conv_shape("intro")?;
    let levels = Levels::of(&layers)?;
    let n_levels = levels.encoders.len();
    let [expanded, channels, _, _] = layers.conv_shape("middle_blks.0.conv4")?;
    let lightweight = layers.conv_shape("encoders.0.0.conv11.1")?[2] == 3;

    let input = layers.input(colours);
    let mut x = layers.conv("intro", input, [width, colours], 3)?;
    let mut skips = Vec::new();
    for (level, &n) in levels.encoders.iter().enumerate() {
        for index in 0..n {
            x = small_block(&mut layers, &format!("encoders.{level}.{index}"), x, width << level)?;
        }
        skips.push(x);
        x = down(&mut layers, level, x, width << level)?;
    }
    for index in 0..levels.middle {
        x = small_block(&mut layers, &format!("middle_blks.{index}"), x, width << n_levels)?;
    }
    for (index, &n) in levels.decoders.iter().enumerate() {
        let level = n_levels - 1 - index;
        x = up(&mut layers, &format!("ups.{index}"), x, width << (level + 1))?;
        x = layers.add(format!("decoders.{index}/skip"), x, skips[level]);
        for place in 0..n {
            x = small_block(&mut layers, &format!("decoders.{index}.{place}"), x, width << level)?;
        }
    }
    x = layers.conv("ending", x, [colours, width], 3)?;
    let output = layers.add("skip", x, input);
    let size_rule = SizeRule { multiple_of: 1 << n_levels, fill: SizeFill::Zeros, ..SizeRule::default() };

    let mut tags = vec!["S".to_string(), format!("{width}w")];
    if lightweight {
        tags.push("lightweight".into());
    }
    Ok(layers.finish(
        output,
        size_rule,
        tags,
        [
            ("img_channel", json!(colours)),
            ("width", json!(width)),
            ("middle_blk_num", json!(levels.middle)),
            ("enc_blk_nums", json!(levels.encoders)),
            ("dec_blk_nums", json!(levels.decoders)),
            ("lightweight", json!(lightweight)),
            ("ffn_scale", json!(expanded as f64 / channels as f64)),
        ],
    ))
}

fn small_block(
    layers: &mut Layers<'_>,
    name: &str,
    input: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let size = [channels; 2];
    let x = layers.layer_norm_of(&format!("{name}.norm1"), input, channels, NormKind::Standard, EPS)?;
    let mean = layers.global_mean(format!("{name}.sca.0"), x);
    let weight = layers.conv(&format!("{name}.sca.1"), mean, size, 1)?;
    let beside = layers.conv(&format!("{name}.conv11.0"), x, size, 1)?;
    let beside = grouped(layers, &format!("{name}.conv11.1"), beside, size)?;
    let plain = layers.conv(&format!("{name}.conv1"), x, size, 1)?;
    let plain = layers.depthwise(&format!("{name}.conv21"), plain, channels, 3)?;
    let mixed = kernel_basis(layers, name, x, channels, plain, channels)?;
    let y = layers.mul(format!("{name}/beside"), mixed, beside);
    let y = layers.mul(format!("{name}.sca"), y, weight);
    let y = layers.conv(&format!("{name}.conv3"), y, size, 1)?;
    let y = layers.scaled(&format!("{name}.beta"), y, &[1, channels, 1, 1])?;
    let middle = layers.add(format!("{name}/middle"), input, y);
    let x = layers.layer_norm_of(&format!("{name}.norm2"), middle, channels, NormKind::Standard, EPS)?;
    let [_, hidden, _, _] = layers.conv_shape(&format!("{name}.conv5"))?;
    let x = layers.conv(&format!("{name}.conv4"), x, [2 * hidden, channels], 1)?;
    let x = layers.gate(&format!("{name}.conv4"), x, hidden);
    let x = layers.conv(&format!("{name}.conv5"), x, [channels, hidden], 1)?;
    let x = layers.scaled(&format!("{name}.gamma"), x, &[1, channels, 1, 1])?;
    Ok(layers.add(name, middle, x))
}

/// A convolution that keeps the size, of as many groups as its weight says.
fn grouped(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    [out, input]: [usize; 2],
) -> Result<NodeId, ModelError> {
    let [_, per_group, kernel, _] = layers.conv_shape(prefix)?;
    layers.conv_of(prefix, x, [out, input], Conv::same(kernel).groups(input / per_group))
}

/// `plain`, of `channels`, plus what a 3x3 convolution makes of it whose kernel is a sum of those of the file, for each
/// pixel weighted by what two small layers find in `x`.
fn kernel_basis(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    x_channels: usize,
    plain: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let [_, n_kernels, values] = layers.shape(&format!("{name}.w"))?;
    let per_group = values / (channels * KERNEL * KERNEL);
    if n_kernels > MAX_KERNELS || per_group == 0 || !channels.is_multiple_of(per_group) {
        return Err(layers.problem(format!("{name}.w holds {n_kernels} kernels of {values} values")));
    }
    let kernels =
        layers.values(&format!("{name}.w"), &[1, n_kernels, channels * per_group * KERNEL * KERNEL])?;
    let biases = layers.values(&format!("{name}.b"), &[1, n_kernels, channels])?;

    let [narrow, _, _, _] = layers.conv_shape(&format!("{name}.conv2.0"))?;
    let shares = grouped(layers, &format!("{name}.conv2.0"), x, [narrow, x_channels])?;
    let shares = layers.gate(&format!("{name}.conv2.0"), shares, narrow / 2);
    let shares = layers.conv(&format!("{name}.conv2.2"), shares, [n_kernels, narrow / 2], 1)?;
    let shares = layers.scaled(&format!("{name}.attgamma"), shares, &[1, n_kernels, 1, 1])?;
    let more = layers.conv(&format!("{name}.conv211"), x, [n_kernels, x_channels], 1)?;
    let shares = layers.add(format!("{name}/shares"), shares, more);

    // One after the other: all kernels' results at once would be many times the picture.
    let mut sum = None;
    let runs = kernels.chunks_exact(values).zip(biases.chunks_exact(channels));
    for (index, (kernel, bias)) in runs.enumerate() {
        let part = format!("{name}.w/{index}");
        let shape = [channels, per_group, KERNEL, KERNEL];
        let op = Op::Conv2d {
            weight: layers.made_weight(&part, &shape, kernel.to_vec()),
            bias: Some(layers.made_weight(format!("{name}.b/{index}"), &[channels], bias.to_vec())),
            stride: [1, 1],
            padding: Padding::all(KERNEL / 2),
            dilation: [1, 1],
            groups: channels / per_group,
        };
        let made = layers.push(&part, op, &[plain]);
        let share = layers.channels(format!("{part}/share"), shares, index..index + 1);
        let made = layers.mul(format!("{part}/shared"), made, share);
        sum = Some(match sum {
            Some(sum) => layers.add(format!("{part}/sum"), sum, made),
            None => made,
        });
    }
    let Some(sum) = sum else {
        return Err(layers.problem(format!("{name}.w holds no kernels")));
    };
    let sum = layers.scaled(&format!("{name}.ga1"), sum, &[1, channels, 1, 1])?;
    Ok(layers.add(format!("{name}/basis"), sum, plain))
}

fn build_large(state_dict: &StateDict) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let shape = Shape::of(&layers)?;
    let heads = shape.heads(&layers, "ffn")?;
    let [_, hidden, _, _] = layers.shape("encoder_level1.0.attn.ga1")?;

    let unet = u_net(&mut layers, &shape, &large_block)?;
    let x = layers.conv("output", unet.features, [shape.out_channels, 2 * shape.width], 3)?;
    let output = layers.add("skip", x, unet.input);
    let size_rule = SizeRule { multiple_of: 16, ..SizeRule::default() };

    Ok(layers.finish(
        output,
        size_rule,
        vec!["L".into(), format!("{}dim", shape.width)],
        [
            ("inp_channels", json!(shape.in_channels)),
            ("out_channels", json!(shape.out_channels)),
            ("dim", json!(shape.width)),
            ("num_blocks", json!(shape.n_blocks)),
            ("num_refinement_blocks", json!(shape.n_refinement)),
            ("heads", json!(heads)),
            ("ffn_expansion_factor", json!(hidden as f64 / shape.width as f64)),
            ("bias", json!(state_dict.contains("encoder_level1.0.ffn.qkv.bias"))),
        ],
    ))
}

fn large_block(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let y = layers.layer_norm_of(&format!("{name}.norm1"), x, channels, NormKind::Standard, EPS)?;
    let y = mixed_gate(layers, &format!("{name}.attn"), y, channels)?;
    let x = layers.add(format!("{name}.attn/skip"), x, y);
    let y = layers.layer_norm_of(&format!("{name}.norm2"), x, channels, NormKind::Standard, EPS)?;
    let y = transposed_attention(layers, &format!("{name}.ffn"), y, channels)?;
    Ok(layers.add(name, x, y))
}

/// The product of a convolution, of one whose kernels are mixed, and of numbers for the whole picture.
fn mixed_gate(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
    let [_, hidden, _, _] = layers.conv_shape(&format!("{name}.project_out"))?;
    let wide = |layers: &mut Layers<'_>, part: &str| {
        let y = layers.conv(&format!("{name}.{part}.0"), x, [hidden, channels], 1)?;
        layers.depthwise(&format!("{name}.{part}.1"), y, hidden, 3)
    };
    let mean = layers.global_mean(format!("{name}.sca.0"), x);
    let weight = layers.conv(&format!("{name}.sca.1"), mean, [hidden, channels], 1)?;
    let gating = wide(layers, "dwconv")?;
    let gating = layers.unary(&format!("{name}.dwconv"), UnaryOp::Gelu, gating);
    let plain = wide(layers, "conv1")?;
    let mixed = kernel_basis(layers, name, x, channels, plain, hidden)?;
    let y = layers.mul(format!("{name}/gate"), gating, mixed);
    let y = layers.mul(format!("{name}.sca"), y, weight);
    layers.conv(&format!("{name}.project_out"), y, [channels, hidden], 1)
}
