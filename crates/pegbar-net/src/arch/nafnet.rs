//! NAFNet (<https://arxiv.org/abs/2204.04676>): a U-Net of blocks without activation functions, the product of two
//! halves of the channels in their place.

use super::keys::{Detection, KeyStyle, count, counts};
use super::layers::{Conv, Layers};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, NormKind, SizeFill, SizeRule};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "NAFNet", half_safe: false, detect, build };

const ID: &str = "NAFNet";

const EPS: f32 = 1e-6;

/// Deeper than any published one; each level halves the picture.
pub(super) const MAX_LEVELS: usize = 8;

/// Keys around the blocks, and those of the blocks with these prefixes.
macro_rules! naf_keys {
    ($($prefix:literal),* $(; $($more:literal),*)?) => {
        [
            "intro.weight", "intro.bias", "ending.weight", "ending.bias", "ups.*.0.weight",
            "downs.*.weight", "downs.*.bias", $($($more,)*)?
            $(
                concat!($prefix, ".beta"), concat!($prefix, ".gamma"),
                concat!($prefix, ".norm1.weight"), concat!($prefix, ".norm1.bias"),
                concat!($prefix, ".norm2.weight"), concat!($prefix, ".norm2.bias"),
                concat!($prefix, ".sca.1.weight"), concat!($prefix, ".sca.1.bias"),
                concat!($prefix, ".conv*.weight"), concat!($prefix, ".conv*.bias"),
            )*
        ]
    };
}
pub(super) use naf_keys;

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "intro.weight",
        "ending.weight",
        "ups.0.0.weight",
        "downs.0.weight",
        "middle_blks.0.beta",
        "middle_blks.0.conv1.weight",
        "middle_blks.0.sca.1.weight",
        "encoders.0.0.beta",
        "decoders.0.0.beta",
    ],
    known: &naf_keys!("encoders.*.*", "decoders.*.*", "middle_blks.*"),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// Numbers of blocks of each level.
pub(super) struct Levels {
    pub(super) encoders: Vec<usize>,
    pub(super) middle: usize,
    pub(super) decoders: Vec<usize>,
}

impl Levels {
    pub(super) fn of(layers: &Layers<'_>) -> Result<Self, ModelError> {
        let of = |part: &str| -> Result<Vec<usize>, ModelError> {
            let levels = count(layers.state_dict, &format!("{part}."));
            if levels > MAX_LEVELS {
                return Err(
                    layers.problem(format!("it has {levels} {part}, where at most {MAX_LEVELS} make sense"))
                );
            }
            let prefixes: Vec<String> = (0..levels).map(|level| format!("{part}.{level}.")).collect();
            let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
            Ok(counts(layers.state_dict, &prefixes))
        };
        let (encoders, decoders) = (of("encoders")?, of("decoders")?);
        if encoders.len() != decoders.len() {
            return Err(layers.problem(format!(
                "it has {} encoders and {} decoders, where as many are needed",
                encoders.len(),
                decoders.len()
            )));
        }
        Ok(Self { encoders, middle: count(layers.state_dict, "middle_blks."), decoders })
    }
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [width, colours, _, _] = layers.conv_shape("intro")?;
    let levels = Levels::of(&layers)?;

    let input = layers.input(colours);
    let mut x = layers.conv("intro", input, [width, colours], 3)?;
    let mut channels = width;
    let mut skips = Vec::new();
    for (level, &n) in levels.encoders.iter().enumerate() {
        for index in 0..n {
            x = block(&mut layers, &format!("encoders.{level}.{index}"), x, channels)?;
        }
        skips.push(x);
        x = down(&mut layers, level, x, channels)?;
        channels *= 2;
    }
    for index in 0..levels.middle {
        x = block(&mut layers, &format!("middle_blks.{index}"), x, channels)?;
    }
    for (level, &n) in levels.decoders.iter().enumerate() {
        x = up(&mut layers, &format!("ups.{level}"), x, channels)?;
        channels /= 2;
        x = layers.add(format!("decoders.{level}/skip"), x, skips[skips.len() - 1 - level]);
        for index in 0..n {
            x = block(&mut layers, &format!("decoders.{level}.{index}"), x, channels)?;
        }
    }
    x = layers.conv("ending", x, [colours, width], 3)?;
    let output = layers.add("skip", x, input);
    let size_rule = SizeRule { multiple_of: 1 << skips.len(), fill: SizeFill::Zeros, ..SizeRule::default() };

    Ok(layers.finish(
        output,
        size_rule,
        vec![format!("{width}w")],
        [
            ("img_channel", json!(colours)),
            ("width", json!(width)),
            ("middle_blk_num", json!(levels.middle)),
            ("enc_blk_nums", json!(levels.encoders)),
            ("dec_blk_nums", json!(levels.decoders)),
        ],
    ))
}

/// Halves the sides, doubles the channels.
pub(super) fn down(
    layers: &mut Layers<'_>,
    level: usize,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    layers.conv_of(&format!("downs.{level}"), x, [2 * channels, channels], Conv::same(2).stride(2, 0))
}

/// Doubles the sides, halves the channels.
pub(super) fn up(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let x = layers.conv(&format!("{name}.0"), x, [2 * channels, channels], 1)?;
    Ok(layers.shuffle(format!("{name}.1"), x, 2))
}

pub(super) fn block(
    layers: &mut Layers<'_>,
    name: &str,
    input: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let double = 2 * channels;
    let x = layers.layer_norm_of(&format!("{name}.norm1"), input, channels, NormKind::Standard, EPS)?;
    let x = layers.conv(&format!("{name}.conv1"), x, [double, channels], 1)?;
    let x = layers.depthwise(&format!("{name}.conv2"), x, double, 3)?;
    let x = layers.gate(&format!("{name}.conv2"), x, channels);
    let mean = layers.global_mean(format!("{name}.sca.0"), x);
    let weight = layers.conv(&format!("{name}.sca.1"), mean, [channels; 2], 1)?;
    let x = layers.mul(format!("{name}.sca"), x, weight);
    let x = layers.conv(&format!("{name}.conv3"), x, [channels; 2], 1)?;
    let x = layers.scaled(&format!("{name}.beta"), x, &[1, channels, 1, 1])?;
    let middle = layers.add(format!("{name}/middle"), input, x);
    let x = layers.layer_norm_of(&format!("{name}.norm2"), middle, channels, NormKind::Standard, EPS)?;
    let x = layers.conv(&format!("{name}.conv4"), x, [double, channels], 1)?;
    let x = layers.gate(&format!("{name}.conv4"), x, channels);
    let x = layers.conv(&format!("{name}.conv5"), x, [channels; 2], 1)?;
    let x = layers.scaled(&format!("{name}.gamma"), x, &[1, channels, 1, 1])?;
    Ok(layers.add(name, middle, x))
}
