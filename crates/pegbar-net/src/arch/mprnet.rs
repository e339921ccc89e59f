//! MPRNet (<https://arxiv.org/abs/2102.02808>): three stages, of which the first works on quarters of the picture, the
//! second on halves, the third on all of it.

use super::keys::{Detection, KeyStyle, count};
use super::layers::Layers;
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, Op, ResizeMode, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "MPRNet", half_safe: false, detect, build };

const ID: &str = "MPRNet";

macro_rules! keys {
    ([$($conv:literal),*], [$($block:literal),*]) => {
        &[
            $(concat!($conv, ".weight"), concat!($conv, ".bias"),)*
            $(
                concat!($block, ".CA.conv_du.0.weight"), concat!($block, ".CA.conv_du.0.bias"),
                concat!($block, ".CA.conv_du.2.weight"), concat!($block, ".CA.conv_du.2.bias"),
                concat!($block, ".body.*.weight"), concat!($block, ".body.*.bias"),
            )*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "shallow_feat1.0.weight",
        "shallow_feat1.1.CA.conv_du.0.weight",
        "stage1_encoder.encoder_level1.0.CA.conv_du.0.weight",
        "stage1_decoder.skip_attn1.CA.conv_du.0.weight",
        "stage2_encoder.csff_enc1.weight",
        "sam12.conv1.weight",
        "concat12.weight",
        "tail.weight",
        "stage3_orsnet.orb1.body.0.CA.conv_du.0.weight",
    ],
    known: keys!(
        [
            "shallow_feat*.0",
            "stage*_encoder.down*.down.1",
            "stage*_decoder.up*.up.1",
            "stage*_encoder.csff_enc*",
            "stage*_encoder.csff_dec*",
            "sam*.conv*",
            "concat*",
            "tail",
            "stage*_orsnet.conv_enc*",
            "stage*_orsnet.conv_dec*",
            "stage*_orsnet.up_enc*.up.1",
            "stage*_orsnet.up_dec*.up.1",
            "stage*_orsnet.up_enc*.*.up.1",
            "stage*_orsnet.up_dec*.*.up.1",
            "stage*_orsnet.orb*.body.*"
        ],
        [
            "shallow_feat*.1",
            "stage*_encoder.encoder_level*.*",
            "stage*_decoder.decoder_level*.*",
            "stage*_decoder.skip_attn*",
            "stage*_orsnet.orb*.body.*"
        ]
    ),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// Features at whole, half and quarter size.
type Levels = [NodeId; 3];

const ROWS: usize = 2;
const COLUMNS: usize = 3;

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [features, in_channels, kernel, _] = layers.conv_shape("shallow_feat1.0")?;
    let [out_channels, last, _, _] = layers.conv_shape("tail")?;
    let [reduced, _, _, _] = layers.conv_shape("shallow_feat1.1.CA.conv_du.0")?;
    let [_, second, _, _] = layers.conv_shape("stage1_encoder.encoder_level2.0.CA.conv_du.0")?;
    let n_blocks = count(state_dict, "stage3_orsnet.orb1.body.").saturating_sub(1);

    let picture = layers.input(in_channels);
    let mut features_of_halves = Vec::new();
    for half in 0..2 {
        let half_picture = part(&mut layers, "half", picture, ROWS, half);
        let mut quarters = Vec::new();
        for quarter in 0..2 {
            let x = part(&mut layers, "quarter", half_picture, COLUMNS, quarter);
            let x = shallow(&mut layers, 1, x)?;
            quarters.push(encoder(&mut layers, 1, x, None)?);
        }
        let first = join(&mut layers, [quarters[0], quarters[1]], COLUMNS);
        let result = decoder(&mut layers, 1, first)?;
        let attended = supervised(&mut layers, "sam12", result[0], half_picture)?;
        let x = shallow(&mut layers, 2, half_picture)?;
        let x = layers.concat("concat12/join", &[x, attended]);
        let x = layers.plain_conv("concat12", x)?;
        features_of_halves.push(encoder(&mut layers, 2, x, Some((first, result)))?);
    }
    let second_encoded = join(&mut layers, [features_of_halves[0], features_of_halves[1]], ROWS);
    let second_decoded = decoder(&mut layers, 2, second_encoded)?;
    let attended = supervised(&mut layers, "sam23", second_decoded[0], picture)?;
    let x = shallow(&mut layers, 3, picture)?;
    let x = layers.concat("concat23/join", &[x, attended]);
    let x = layers.plain_conv("concat23", x)?;
    let x = original_resolution(&mut layers, x, n_blocks, [second_encoded, second_decoded])?;
    let x = layers.plain_conv("tail", x)?;
    let output = layers.add("skip", x, picture);
    let size_rule = SizeRule { multiple_of: 8, ..SizeRule::default() };

    Ok(layers.finish(
        output,
        size_rule,
        vec![format!("{features}nf")],
        [
            ("in_c", json!(in_channels)),
            ("out_c", json!(out_channels)),
            ("n_feat", json!(features)),
            ("scale_unetfeats", json!(second.saturating_sub(features))),
            ("scale_orsnetfeats", json!(last.saturating_sub(features))),
            ("num_cab", json!(n_blocks)),
            ("kernel_size", json!(kernel)),
            ("reduction", json!(features / reduced)),
            ("bias", json!(state_dict.contains("shallow_feat1.0.bias"))),
        ],
    ))
}

/// One of two equal parts.
fn part(layers: &mut Layers<'_>, name: &str, x: NodeId, axis: usize, index: usize) -> NodeId {
    layers.push(format!("{name} {index}"), Op::Part { axis, index, count: 2 }, &[x])
}

fn join(layers: &mut Layers<'_>, [a, b]: [Levels; 2], axis: usize) -> Levels {
    [0, 1, 2].map(|level| layers.push("parts", Op::Concat { axis }, &[a[level], b[level]]))
}

fn shallow(layers: &mut Layers<'_>, stage: usize, x: NodeId) -> Result<NodeId, ModelError> {
    let x = layers.plain_conv(&format!("shallow_feat{stage}.0"), x)?;
    attention_block(layers, &format!("shallow_feat{stage}.1"), x)
}

/// Two convolutions whose result's channels are weighted, added to their input.
fn attention_block(layers: &mut Layers<'_>, name: &str, x: NodeId) -> Result<NodeId, ModelError> {
    let y = layers.plain_conv(&format!("{name}.body.0"), x)?;
    let y = layers.prelu(&format!("{name}.body.1"), y, 1)?;
    let y = layers.plain_conv(&format!("{name}.body.2"), y)?;
    let convs = [0, 2].map(|layer| format!("{name}.CA.conv_du.{layer}"));
    let [channels, _, _, _] = layers.conv_shape(&convs[1])?;
    let y = layers.excite(&format!("{name}.CA"), [&convs[0], &convs[1]], y, channels, UnaryOp::Relu)?;
    Ok(layers.add(name, y, x))
}

/// Two blocks in a row.
fn two_blocks(layers: &mut Layers<'_>, name: &str, x: NodeId) -> Result<NodeId, ModelError> {
    let x = attention_block(layers, &format!("{name}.0"), x)?;
    attention_block(layers, &format!("{name}.1"), x)
}

/// Interpolation, then a 1x1 convolution.
fn resized(layers: &mut Layers<'_>, name: &str, x: NodeId, factor: [usize; 2]) -> Result<NodeId, ModelError> {
    let mode = ResizeMode::Bilinear { align_corners: false };
    let x = layers.resize(format!("{name}.0"), x, mode, factor);
    layers.plain_conv(&format!("{name}.1"), x)
}

/// Takes in what the stage before encoded and decoded, where there is one.
fn encoder(
    layers: &mut Layers<'_>,
    stage: usize,
    x: NodeId,
    before: Option<(Levels, Levels)>,
) -> Result<Levels, ModelError> {
    let name = format!("stage{stage}_encoder");
    let mut levels = [x; 3];
    let mut x = x;
    for level in 0..3 {
        if level > 0 {
            x = resized(layers, &format!("{name}.down{level}{}.down", level + 1), x, [1, 2])?;
        }
        x = two_blocks(layers, &format!("{name}.encoder_level{}", level + 1), x)?;
        if let Some((encoded, decoded)) = before {
            for (part, from) in [("csff_enc", encoded), ("csff_dec", decoded)] {
                let key = format!("{name}.{part}{}", level + 1);
                let more = layers.plain_conv(&key, from[level])?;
                x = layers.add(format!("{key}/add"), x, more);
            }
        }
        levels[level] = x;
    }
    Ok(levels)
}

fn decoder(layers: &mut Layers<'_>, stage: usize, encoded: Levels) -> Result<Levels, ModelError> {
    let name = format!("stage{stage}_decoder");
    let mut levels = encoded;
    let mut x = two_blocks(layers, &format!("{name}.decoder_level3"), encoded[2])?;
    levels[2] = x;
    for level in [1, 0] {
        x = resized(layers, &format!("{name}.up{}{}.up", level + 2, level + 1), x, [2, 1])?;
        let skip = attention_block(layers, &format!("{name}.skip_attn{}", level + 1), encoded[level])?;
        x = layers.add(format!("{name}/skip{level}"), x, skip);
        x = two_blocks(layers, &format!("{name}.decoder_level{}", level + 1), x)?;
        levels[level] = x;
    }
    Ok(levels)
}

/// Features weighted by what can be seen in the picture they make.
fn supervised(layers: &mut Layers<'_>, name: &str, x: NodeId, picture: NodeId) -> Result<NodeId, ModelError> {
    let features = layers.plain_conv(&format!("{name}.conv1"), x)?;
    let made = layers.plain_conv(&format!("{name}.conv2"), x)?;
    let made = layers.add(format!("{name}/picture"), made, picture);
    let weight = layers.plain_conv(&format!("{name}.conv3"), made)?;
    let weight = layers.unary(&format!("{name}.conv3"), UnaryOp::Sigmoid, weight);
    let features = layers.mul(format!("{name}/weighted"), features, weight);
    Ok(layers.add(name, features, x))
}

/// Blocks at the picture's size, after each run of which one level of the stage before is added.
fn original_resolution(
    layers: &mut Layers<'_>,
    x: NodeId,
    n_blocks: usize,
    before: [Levels; 2],
) -> Result<NodeId, ModelError> {
    let mut x = x;
    for level in 0..3 {
        let name = format!("stage3_orsnet.orb{}.body", level + 1);
        let mut y = x;
        for index in 0..n_blocks {
            y = attention_block(layers, &format!("{name}.{index}"), y)?;
        }
        y = layers.plain_conv(&format!("{name}.{n_blocks}"), y)?;
        x = layers.add(&name, y, x);
        for (from, part) in before.iter().zip(["enc", "dec"]) {
            let mut more = from[level];
            let up = format!("stage3_orsnet.up_{part}{level}");
            match level {
                0 => {}
                1 => more = resized(layers, &format!("{up}.up"), more, [2, 1])?,
                _ => {
                    more = resized(layers, &format!("{up}.0.up"), more, [2, 1])?;
                    more = resized(layers, &format!("{up}.1.up"), more, [2, 1])?;
                }
            }
            let key = format!("stage3_orsnet.conv_{part}{}", level + 1);
            let more = layers.plain_conv(&key, more)?;
            x = layers.add(format!("{key}/add"), x, more);
        }
    }
    Ok(x)
}
