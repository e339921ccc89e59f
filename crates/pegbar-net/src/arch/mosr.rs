//! MoSR (<https://github.com/umzi2/MoSR>): gated convolutional blocks, three ways to enlarge.

use super::dysample::{dysample, dysample_keys};
use super::keys::{Detection, KeyStyle, count};
use super::layers::{Layers, ratio, square_root};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, NormKind, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "MoSR", half_safe: true, detect, build };

const ID: &str = "MoSR";

const UPSAMPLER: [&str; 6] = dysample_keys!("upsampler");

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "gblocks.0.weight",
        "gblocks.1.norm.weight",
        "gblocks.1.fc1.weight",
        "gblocks.1.conv.weight",
        "gblocks.1.fc2.weight",
        "shortcut.conv11.weight",
    ],
    known: &[
        "gblocks.*.weight",
        "gblocks.*.bias",
        "gblocks.*.norm.weight",
        "gblocks.*.norm.bias",
        "gblocks.*.fc*.weight",
        "gblocks.*.fc*.bias",
        "gblocks.*.conv.weight",
        "gblocks.*.conv.bias",
        "shortcut.block.*.weight",
        "shortcut.block.*.bias",
        "shortcut.conv11.weight",
        "shortcut.conv11.bias",
        "upsampler.0.weight",
        "upsampler.0.bias",
        "upsampler.in_to_k.weight",
        "upsampler.in_to_k.bias",
        UPSAMPLER[0],
        UPSAMPLER[1],
        UPSAMPLER[2],
        UPSAMPLER[3],
        UPSAMPLER[4],
        UPSAMPLER[5],
    ],
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

const NORM_EPS: f32 = 1e-6;
/// Layers behind the blocks: three convolutions with activations between them.
const LAYERS_BEHIND: usize = 5;
/// Groups of places of the sampling upsampler.
const SAMPLE_GROUPS: usize = 4;
/// Pictures whose mean the ensemble upsampler takes.
const ENSEMBLE: usize = 8;

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [dim, in_channels, _, _] = layers.conv_shape("gblocks.0")?;
    let n_layers = count(state_dict, "gblocks.");
    if n_layers < LAYERS_BEHIND + 2 {
        return Err(layers.problem(format!("it has {n_layers} layers, where at least 7 are needed")));
    }
    let n_blocks = n_layers - LAYERS_BEHIND - 1;
    let [hidden_both, fc1_in, _, _] = layers.conv_shape("gblocks.1.fc1")?;
    let [conv_channels, _, kernel, _] = layers.conv_shape("gblocks.1.conv")?;

    let picture = layers.input(in_channels);
    let mut x = layers.conv("gblocks.0", picture, [dim, in_channels], 3)?;
    for index in 1..=n_blocks {
        let name = format!("gblocks.{index}");
        let skip = x;
        x = gated_block(&mut layers, &name, x, [dim, conv_channels], |layers, x| {
            layers.depthwise(&format!("{name}.conv"), x, conv_channels, kernel)
        })?;
        let skip = layers.scale_shift(&name, skip, 1.0, -0.5);
        x = layers.add(name, x, skip);
    }
    for (behind, channels, kernel) in [(1, [2 * dim, dim], 3), (3, [dim, 2 * dim], 3), (5, [dim, dim], 1)] {
        let name = format!("gblocks.{}", n_blocks + behind);
        x = layers.conv(&name, x, channels, kernel)?;
        if behind < LAYERS_BEHIND {
            x = layers.unary(&name, UnaryOp::Mish, x);
        }
    }
    let mut beside = layers.conv("shortcut.block.0", picture, [dim, in_channels], 3)?;
    beside = layers.unary("shortcut.block.0", UnaryOp::Mish, beside);
    beside = layers.conv("shortcut.block.2", beside, [dim, dim], 3)?;
    beside = layers.unary("shortcut.block.2", UnaryOp::Mish, beside);
    let direct = layers.conv("shortcut.conv11", picture, [dim, in_channels], 1)?;
    beside = layers.add("shortcut", beside, direct);
    beside = layers.scale_shift("shortcut", beside, 1.0, -0.5);
    x = layers.add("features", x, beside);
    let (output, out_channels, scale, upsampler) = upsample(&mut layers, x, dim, in_channels)?;

    let hyperparameters = [
        ("in_ch", json!(in_channels)),
        ("out_ch", json!(out_channels)),
        ("upscale", json!(scale)),
        ("n_block", json!(n_blocks)),
        ("dim", json!(dim)),
        ("upsampler", json!(upsampler)),
        ("drop_path", json!(0.0)),
        ("kernel_size", json!(kernel)),
        ("expansion_ratio", json!(ratio(hidden_both, fc1_in) / 2.0)),
        ("conv_ratio", json!(ratio(conv_channels, dim))),
    ];
    Ok(layers.finish(output, SizeRule::default(), Vec::new(), hyperparameters))
}

/// The result, its channels, the scale, and the name of the way.
fn upsample(
    layers: &mut Layers<'_>,
    x: NodeId,
    dim: usize,
    in_channels: usize,
) -> Result<(NodeId, usize, usize, &'static str), ModelError> {
    if layers.has("upsampler.init_pos") {
        let [out_channels, _, _, _] = layers.conv_shape("upsampler.end_conv")?;
        let [n_offsets, _, _, _] = layers.conv_shape("upsampler.offset")?;
        let scale = (n_offsets / (2 * SAMPLE_GROUPS)).isqrt().max(1);
        return Ok((dysample(layers, "upsampler", x, dim, scale)?, out_channels, scale, "dys"));
    }
    let ensemble = layers.has("upsampler.in_to_k.weight");
    let (name, n) = if ensemble { ("upsampler.in_to_k", ENSEMBLE) } else { ("upsampler.0", 1) };
    let [shuffled, _, kernel, _] = layers.conv_shape(name)?;
    let Some(scale) = square_root(shuffled / n / in_channels).filter(|s| s * s * n * in_channels == shuffled)
    else {
        return Err(layers.problem(format!(
            "its last convolution has {shuffled} channels, which is not {} times a square",
            n * in_channels
        )));
    };
    let x = if ensemble {
        mean_of_ensemble(layers, name, x, [shuffled, dim, kernel])?
    } else {
        layers.conv(name, x, [shuffled, dim], kernel)?
    };
    let x = layers.shuffle("upsampler.shuffle", x, scale);
    Ok((x, in_channels, scale, if ensemble { "gps" } else { "ps" }))
}

/// The mean of several pictures that one convolution makes is what a convolution with the mean of the weights makes.
fn mean_of_ensemble(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    [out, input, kernel]: [usize; 3],
) -> Result<NodeId, ModelError> {
    let mean = |values: Vec<f32>| -> Vec<f32> {
        let len = values.len() / ENSEMBLE;
        let sum = |i: usize| (0..ENSEMBLE).map(|part| f64::from(values[part * len + i])).sum::<f64>();
        (0..len).map(|i| (sum(i) / ENSEMBLE as f64) as f32).collect()
    };
    let weight = mean(layers.values(&format!("{name}.weight"), &[out, input, kernel, kernel])?);
    let bias = mean(layers.values(&format!("{name}.bias"), &[out])?);
    let out = out / ENSEMBLE;
    let weight = layers.made_weight(format!("{name}.weight (mean)"), &[out, input, kernel, kernel], weight);
    let bias = layers.made_weight(format!("{name}.bias (mean)"), &[out], bias);
    Ok(layers.push_conv(name, x, weight, Some(bias), kernel))
}

/// A norm; a convolution to gates, channels left alone and channels that `mix` treats; the gates' product with the
/// others; a convolution. The residual sum is the caller's.
pub(super) fn gated_block(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    [dim, mixed]: [usize; 2],
    mix: impl FnOnce(&mut Layers<'_>, NodeId) -> Result<NodeId, ModelError>,
) -> Result<NodeId, ModelError> {
    let fc1 = format!("{name}.fc1");
    let [both, _, _, _] = layers.conv_shape(&fc1)?;
    let hidden = both / 2;
    if mixed > hidden {
        return Err(layers.problem(format!("{name} mixes {mixed} channels of {hidden}")));
    }
    let x = layers.layer_norm_of(&format!("{name}.norm"), x, dim, NormKind::Standard, NORM_EPS)?;
    let x = layers.conv(&fc1, x, [2 * hidden, dim], 3)?;
    let gate = layers.channels(format!("{name}/gate"), x, 0..hidden);
    let gate = layers.unary(&format!("{name}/gate"), UnaryOp::Mish, gate);
    let some = layers.channels(format!("{name}/mixed"), x, 2 * hidden - mixed..2 * hidden);
    let some = mix(layers, some)?;
    let all = if mixed == hidden {
        some
    } else {
        let others = layers.channels(format!("{name}/others"), x, hidden..2 * hidden - mixed);
        layers.concat(format!("{name}/joined"), &[others, some])
    };
    let x = layers.mul(format!("{name}/gated"), gate, all);
    let fc2 = format!("{name}.fc2");
    let x = layers.conv(&fc2, x, [dim, hidden], 3)?;
    Ok(layers.unary(&fc2, UnaryOp::Mish, x))
}
