//! SPANPlus (<https://github.com/umzi2/SPANPlus>): SPAN's blocks in groups, with Mish for SiLU and a choice of
//! upsamplers.

use super::conv3xc::conv3xc;
use super::dysample::dysample;
use super::keys::{Detection, KeyStyle, count};
use super::layers::{Layers, shuffle_scale, square_root};
use super::span::{conv3xc_keys, spab};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "SPANPlus", half_safe: true, detect, build };

const ID: &str = "SPANPlus";

const KNOWN: &[&str] = conv3xc_keys!(
    "feats.0", "feats.*.block_1.c*_r", "feats.*.block_n.*.c*_r", "feats.*.block_end.c*_r", "feats.*.conv_2";
    "feats.*.conv_cat.weight", "feats.*.conv_cat.bias", "upsampler.0.weight", "upsampler.0.bias",
    "upsampler.weight", "upsampler.bias",
    "upsampler.offset.weight", "upsampler.offset.bias", "upsampler.scope.weight", "upsampler.init_pos",
    "upsampler.end_conv.weight", "upsampler.end_conv.bias"
);

/// The second is stripped for inference: the merged convolutions alone.
const STYLES: &[KeyStyle] = &[
    KeyStyle {
        needed: &[
            "feats.0.sk.weight",
            "feats.0.conv.0.weight",
            "feats.1.block_1.c1_r.conv.0.weight",
            "feats.1.block_end.c3_r.conv.2.weight",
            "feats.1.conv_2.conv.0.weight",
            "feats.1.conv_cat.weight",
        ],
        known: KNOWN,
    },
    KeyStyle {
        needed: &[
            "feats.0.eval_conv.weight",
            "feats.1.block_1.c1_r.eval_conv.weight",
            "feats.1.block_end.c3_r.eval_conv.weight",
            "feats.1.conv_2.eval_conv.weight",
            "feats.1.conv_cat.weight",
        ],
        known: KNOWN,
    },
];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [features, _, _, _] = layers.conv_shape("feats.1.conv_cat")?;
    let first = if layers.has("feats.0.sk.weight") { "feats.0.sk" } else { "feats.0.eval_conv" };
    let [_, in_channels, _, _] = layers.conv_shape(first)?;
    let n_groups = layers.sequence("feats.")?.saturating_sub(1);
    let blocks: Vec<usize> =
        (1..=n_groups).map(|group| count(state_dict, &format!("feats.{group}.block_n."))).collect();

    let picture = layers.input(in_channels);
    let mut x = conv3xc(&mut layers, "feats.0", picture, [features, in_channels])?;
    for (index, &n_blocks) in blocks.iter().enumerate() {
        x = group(&mut layers, &format!("feats.{}", index + 1), x, features, n_blocks)?;
    }
    let end = upsample(&mut layers, x, features, in_channels)?;

    let hyperparameters = [
        ("num_in_ch", json!(in_channels)),
        ("num_out_ch", json!(end.channels)),
        ("blocks", json!(blocks)),
        ("feature_channels", json!(features)),
        ("upscale", json!(end.scale)),
        ("drop_rate", json!(0.0)),
        ("upsampler", json!(end.upsampler)),
    ];
    Ok(layers.finish(end.output, SizeRule::default(), vec![format!("{features}nf")], hyperparameters))
}

/// Blocks in a row, of which the first, the last and what the last began with are joined with the input.
fn group(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    features: usize,
    n_blocks: usize,
) -> Result<NodeId, ModelError> {
    let first = spab(layers, &format!("{name}.block_1"), x, features, UnaryOp::Mish)?;
    let mut y = first.out;
    for index in 0..n_blocks {
        y = spab(layers, &format!("{name}.block_n.{index}"), y, features, UnaryOp::Mish)?.out;
    }
    let end = spab(layers, &format!("{name}.block_end"), y, features, UnaryOp::Mish)?;
    let last = conv3xc(layers, &format!("{name}.conv_2"), end.out, [features, features])?;
    let joined = layers.concat(format!("{name}.cat"), &[x, last, first.out, end.inner]);
    layers.conv(&format!("{name}.conv_cat"), joined, [features, 4 * features], 1)
}

/// The end of the network.
struct End {
    output: NodeId,
    channels: usize,
    scale: usize,
    upsampler: &'static str,
}

fn upsample(
    layers: &mut Layers<'_>,
    x: NodeId,
    features: usize,
    in_channels: usize,
) -> Result<End, ModelError> {
    if layers.has("upsampler.weight") {
        let [channels, _, kernel, _] = layers.conv_shape("upsampler")?;
        let output = layers.conv("upsampler", x, [channels, features], kernel)?;
        return Ok(End { output, channels, scale: 1, upsampler: "conv" });
    }
    if layers.has("upsampler.0.weight") {
        let [shuffled, _, kernel, _] = layers.conv_shape("upsampler.0")?;
        let Some((channels, scale)) = shuffle_scale(shuffled, in_channels) else {
            return Err(layers.problem(format!(
                "its last convolution has {shuffled} channels, which is no number of colours times a square"
            )));
        };
        let x = layers.conv("upsampler.0", x, [shuffled, features], kernel)?;
        let output = layers.shuffle("upsampler.1", x, scale);
        return Ok(End { output, channels, scale, upsampler: "ps" });
    }
    let [places, _, _, _] = layers.conv_shape("upsampler.offset")?;
    let per_group = 2 * GROUPS;
    let scale = if places.is_multiple_of(per_group) { square_root(places / per_group) } else { None };
    let Some(scale) = scale else {
        return Err(
            layers.problem(format!("upsampler.offset makes {places} places, which no scale explains"))
        );
    };
    let [channels, _, _, _] = layers.conv_shape("upsampler.end_conv")?;
    let output = dysample(layers, "upsampler", x, features, scale)?;
    Ok(End { output, channels, scale, upsampler: "dys" })
}

/// Groups of channels that are sampled at places of their own; no file tells.
const GROUPS: usize = 4;
