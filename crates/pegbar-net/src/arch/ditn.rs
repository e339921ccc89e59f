//! DITN (<https://arxiv.org/abs/2308.02794>): attention between channels within patches, then large kernels over the
//! whole.

use super::keys::{Detection, KeyStyle, count};
use super::layers::{Conv, Layers};
use super::{Architecture, Built};
use crate::{ChannelAttention, ModelError, ModelOptions, NodeId, Op, Region, Scores, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "DITN", half_safe: true, detect, build };

const ID: &str = "DITN";

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "sft.weight",
        "UFONE.0.ITLs.0.attn.temperature",
        "UFONE.0.ITLs.0.ffn.project_in.weight",
        "UFONE.0.ITLs.0.ffn.dwconv.weight",
        "UFONE.0.ITLs.0.ffn.project_out.weight",
        "conv_after_body.weight",
        "upsample.0.weight",
    ],
    known: &[
        "sft.weight",
        "sft.bias",
        "conv_after_body.weight",
        "conv_after_body.bias",
        "upsample.0.weight",
        "upsample.0.bias",
        "UFONE.*.ITLs.*.attn.temperature",
        "UFONE.*.ITLs.*.attn.qkv.weight",
        "UFONE.*.ITLs.*.attn.qkv.bias",
        "UFONE.*.ITLs.*.attn.project_out.weight",
        "UFONE.*.ITLs.*.attn.project_out.bias",
        "UFONE.*.ITLs.*.conv*.weight",
        "UFONE.*.ITLs.*.conv*.bias",
        "UFONE.*.ITLs.*.ffn.project_in.weight",
        "UFONE.*.ITLs.*.ffn.project_in.bias",
        "UFONE.*.ITLs.*.ffn.dwconv.weight",
        "UFONE.*.ITLs.*.ffn.dwconv.bias",
        "UFONE.*.ITLs.*.ffn.project_out.weight",
        "UFONE.*.ITLs.*.ffn.project_out.bias",
        "UFONE.*.SALs.*.SDA.scale",
        "UFONE.*.SALs.*.SDA.DConvs.*.weight",
        "UFONE.*.SALs.*.SDA.DConvs.*.bias",
        "UFONE.*.SALs.*.SDA.proj_first.0.weight",
        "UFONE.*.SALs.*.SDA.proj_first.0.bias",
        "UFONE.*.SALs.*.SDA.proj_last.0.weight",
        "UFONE.*.SALs.*.SDA.proj_last.0.bias",
        "UFONE.*.SALs.*.conv*.weight",
        "UFONE.*.SALs.*.conv*.bias",
        "UFONE.*.SALs.*.ffn.project_in.weight",
        "UFONE.*.SALs.*.ffn.project_in.bias",
        "UFONE.*.SALs.*.ffn.dwconv.weight",
        "UFONE.*.SALs.*.ffn.dwconv.bias",
        "UFONE.*.SALs.*.ffn.project_out.weight",
        "UFONE.*.SALs.*.ffn.project_out.bias",
    ],
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// Side of a patch. Not in the weights.
const PATCH: usize = 8;
/// Colours of the result.
const COLOURS: usize = 3;
/// What all convolutions within patches may take as matrices; published networks have four million.
const MAX_PATCH_WEIGHTS: usize = 1 << 26;

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [dim, in_channels, _, _] = layers.conv_shape("sft")?;
    let [shuffled, _, _, _] = layers.conv_shape("upsample.0")?;
    let scale = (shuffled / COLOURS).isqrt();
    if scale == 0 || scale * scale * COLOURS != shuffled {
        return Err(layers.problem(format!(
            "its last convolution has {shuffled} channels, which is not {COLOURS} times a square"
        )));
    }
    let n_stages = count(state_dict, "UFONE.");
    let (n_patch, n_whole) = (count(state_dict, "UFONE.0.ITLs."), count(state_dict, "UFONE.0.SALs."));
    let [hidden_both, _, _, _] = layers.conv_shape("UFONE.0.ITLs.0.ffn.project_in")?;
    let matrices = n_stages.saturating_mul(n_patch).saturating_mul(hidden_both * PATCH.pow(4));
    if matrices > MAX_PATCH_WEIGHTS {
        return Err(layers.problem(format!(
            "it has {n_stages} x {n_patch} feed-forward layers of {hidden_both} channels within patches: too many"
        )));
    }

    let x = layers.input(in_channels);
    let shallow = layers.conv("sft", x, [dim, in_channels], 3)?;
    let mut x = shallow;
    for stage in 0..n_stages {
        for index in 0..n_patch {
            x = patch_layer(&mut layers, &format!("UFONE.{stage}.ITLs.{index}"), x, [dim, hidden_both / 2])?;
        }
        for index in 0..n_whole {
            x = whole_layer(&mut layers, &format!("UFONE.{stage}.SALs.{index}"), x, dim)?;
        }
    }
    x = layers.conv("conv_after_body", x, [dim, dim], 3)?;
    x = layers.add("body", x, shallow);
    x = layers.conv("upsample.0", x, [shuffled, dim], 3)?;
    x = layers.shuffle("upsample.1", x, scale);

    let size_rule = SizeRule { multiple_of: PATCH, ..SizeRule::default() };
    let hyperparameters = [
        ("inp_channels", json!(in_channels)),
        ("dim", json!(dim)),
        ("ITL_blocks", json!(n_patch)),
        ("SAL_blocks", json!(n_whole)),
        ("UFONE_blocks", json!(n_stages)),
        ("ffn_expansion_factor", json!(hidden_both as f64 / 2.0 / dim as f64)),
        ("bias", json!(layers.has("UFONE.0.ITLs.0.attn.project_out.bias"))),
        ("LayerNorm_type", json!("WithBias")),
        ("patch_size", json!(PATCH)),
        ("upscale", json!(scale)),
    ];
    // The reference says so of every file.
    Ok(layers.finish(x, size_rule, vec!["60dim".to_string()], hyperparameters))
}

/// `x + layer(conv(tanh(x)))`.
fn residual(
    layers: &mut Layers<'_>,
    conv: &str,
    skip: NodeId,
    dim: usize,
    layer: impl FnOnce(&mut Layers<'_>, NodeId) -> Result<NodeId, ModelError>,
) -> Result<NodeId, ModelError> {
    let x = layers.unary(conv, UnaryOp::Tanh, skip);
    let x = layers.conv(conv, x, [dim, dim], 1)?;
    let x = layer(layers, x)?;
    Ok(layers.add(format!("{conv}/skip"), x, skip))
}

/// Attention between the channels of each patch, and a feed-forward layer that sees nothing beyond the patch.
fn patch_layer(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    [dim, hidden]: [usize; 2],
) -> Result<NodeId, ModelError> {
    let x = residual(layers, &format!("{name}.conv1"), x, dim, |layers, x| {
        let attention = format!("{name}.attn");
        let qkv = layers.linear(&format!("{attention}.qkv"), x, [3 * dim, dim])?;
        let qkv = layers.chunks::<3>(&attention, qkv, dim);
        let temperature = layers.reshaped(&format!("{attention}.temperature"), &[1, 1, 1], &[1])?;
        let op = ChannelAttention {
            heads: 1,
            region: Region::Blocks([PATCH, PATCH]),
            scores: Scores::Cosine(temperature),
        };
        let x = layers.push(&attention, Op::ChannelAttention(op), &qkv);
        layers.conv(&format!("{attention}.project_out"), x, [dim, dim], 1)
    })?;
    residual(layers, &format!("{name}.conv2"), x, dim, |layers, x| {
        let ffn = format!("{name}.ffn");
        let x = layers.conv(&format!("{ffn}.project_in"), x, [2 * hidden, dim], 1)?;
        let x = depthwise_in_patches(layers, &format!("{ffn}.dwconv"), x, 2 * hidden)?;
        let x = layers.gelu_gate(&format!("{ffn}.dwconv"), x, hidden);
        layers.conv(&format!("{ffn}.project_out"), x, [dim, hidden], 1)
    })
}

/// A depthwise 3x3 convolution of each patch by itself, zeros around it: for each channel a matrix from the pixels of
/// a patch to the pixels of the result.
fn depthwise_in_patches(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    const PIXELS: usize = PATCH * PATCH;
    let kernel = layers.values(&format!("{name}.weight"), &[channels, 1, 3, 3])?;
    let mut matrix = vec![0.0f32; channels * PIXELS * PIXELS];
    for (to, taps) in matrix.chunks_exact_mut(PIXELS * PIXELS).zip(kernel.chunks_exact(9)) {
        for (pixel, row) in to.chunks_exact_mut(PIXELS).enumerate() {
            for (tap, &weight) in taps.iter().enumerate() {
                // One beyond, so that what lies before the patch is no negative number.
                let (y, x) = (pixel / PATCH + tap / 3, pixel % PATCH + tap % 3);
                if (1..=PATCH).contains(&y) && (1..=PATCH).contains(&x) {
                    row[(y - 1) * PATCH + x - 1] = weight;
                }
            }
        }
    }
    let weight = layers.made_weight(format!("{name}.weight"), &[channels * PIXELS, PIXELS, 1, 1], matrix);
    let bias_key = format!("{name}.bias");
    let bias = if layers.has(&bias_key) {
        let bias = layers.values(&bias_key, &[channels])?;
        let each = bias.iter().flat_map(|&b| std::iter::repeat_n(b, PIXELS)).collect();
        Some(layers.made_weight(bias_key, &[channels * PIXELS], each))
    } else {
        None
    };
    let pixels = layers.unshuffle(format!("{name}/patches"), x, PATCH);
    let op = Op::Conv2d {
        weight,
        bias,
        stride: [1, 1],
        padding: crate::Padding::default(),
        dilation: [1, 1],
        groups: channels,
    };
    let made = layers.push(name, op, &[pixels]);
    Ok(layers.shuffle(format!("{name}/picture"), made, PATCH))
}

/// Large depthwise kernels as a gate, and a feed-forward layer.
fn whole_layer(layers: &mut Layers<'_>, name: &str, x: NodeId, dim: usize) -> Result<NodeId, ModelError> {
    let x = residual(layers, &format!("{name}.conv1"), x, dim, |layers, x| {
        let sda = format!("{name}.SDA");
        let both = layers.conv(&format!("{sda}.proj_first.0"), x, [2 * dim, dim], 1)?;
        let [mut gate, x] = layers.chunks::<2>(&sda, both, dim);
        gate = layers.depthwise(&format!("{sda}.DConvs.0"), gate, dim, 5)?;
        let sparse = Conv::same(7).groups(dim).dilation(3);
        gate = layers.conv_of(&format!("{sda}.DConvs.1"), gate, [dim, dim], sparse)?;
        gate = layers.conv(&format!("{sda}.DConvs.2"), gate, [dim, dim], 1)?;
        let x = layers.mul(&sda, x, gate);
        let x = layers.conv(&format!("{sda}.proj_last.0"), x, [dim, dim], 1)?;
        layers.scaled(&format!("{sda}.scale"), x, &[1, dim, 1, 1])
    })?;
    residual(layers, &format!("{name}.conv2"), x, dim, |layers, x| {
        layers.gated_feed_forward(&format!("{name}.ffn"), x, dim)
    })
}
