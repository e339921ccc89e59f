//! SPAN (swift parameter-free attention network, <https://arxiv.org/abs/2311.12770>): six blocks of three 3x3
//! convolutions, each weighted by its own symmetric activation.

use super::conv3xc::conv3xc;
use super::keys::{Detection, KeyStyle};
use super::layers::{Layers, RGB_MEAN, shuffle_scale};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "SPAN", half_safe: true, detect, build };

const ID: &str = "SPAN";

/// How many SPAB blocks there are.
const N_BLOCKS: usize = 6;

/// What the input counts to where the file has no key `no_norm`; published files do not store it.
const IMG_RANGE: f64 = 255.0;

/// Keys of Conv3XCs; then other keys.
macro_rules! conv3xc_keys {
    ($($prefix:literal),* ; $($other:literal),*) => {
        &[$(
            concat!($prefix, ".sk.weight"), concat!($prefix, ".sk.bias"),
            concat!($prefix, ".conv.*.weight"), concat!($prefix, ".conv.*.bias"),
            concat!($prefix, ".eval_conv.weight"), concat!($prefix, ".eval_conv.bias"),
        )*
        $($other),*]
    };
}
pub(super) use conv3xc_keys;

const KNOWN: &[&str] = conv3xc_keys!(
    "conv_1", "conv_2", "block_*.c1_r", "block_*.c2_r", "block_*.c3_r";
    "conv_cat.weight", "conv_cat.bias", "upsampler.0.weight", "upsampler.0.bias", "no_norm"
);

const STYLES: &[KeyStyle] = &[
    KeyStyle {
        needed: &[
            "conv_1.sk.weight",
            "conv_1.conv.0.weight",
            "block_1.c1_r.sk.weight",
            "block_1.c1_r.conv.0.weight",
            "block_6.c3_r.conv.2.weight",
            "conv_2.conv.0.weight",
            "conv_cat.weight",
            "upsampler.0.weight",
        ],
        known: KNOWN,
    },
    // Stripped for inference: the merged convolutions alone.
    KeyStyle {
        needed: &[
            "conv_1.eval_conv.weight",
            "block_1.c1_r.eval_conv.weight",
            "block_6.c3_r.eval_conv.weight",
            "conv_2.eval_conv.weight",
            "conv_cat.weight",
            "upsampler.0.weight",
        ],
        known: KNOWN,
    },
];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [features, joined, _, _] = layers.conv_shape("conv_cat")?;
    if joined != 4 * features {
        return Err(
            layers.problem(format!("conv_cat joins {joined} channels where 4 x {features} are needed"))
        );
    }
    let first = if state_dict.contains("conv_1.sk.weight") { "conv_1.sk" } else { "conv_1.eval_conv" };
    let [_, in_channels, _, _] = layers.conv_shape(first)?;
    let [shuffled, _, _, _] = layers.conv_shape("upsampler.0")?;
    let Some((out_channels, scale)) = shuffle_scale(shuffled, in_channels) else {
        return Err(layers.problem(format!(
            "its last convolution has {shuffled} channels, which is no number of colours times a square"
        )));
    };
    let norm = !state_dict.contains("no_norm");
    if norm && in_channels != RGB_MEAN.len() {
        return Err(layers
            .problem(format!("it takes {in_channels} channels, but is normalised by the mean of three")));
    }

    let mut x = layers.input(in_channels);
    if norm {
        // Not folded into the convolution behind it, whose zero padding must not be shifted.
        x = layers.minus_mean(x, in_channels, IMG_RANGE);
    }
    let size = [features, features];
    let feature = conv3xc(&mut layers, "conv_1", x, [features, in_channels])?;
    let first = spab(&mut layers, "block_1", feature, features, UnaryOp::Silu)?;
    let mut block = first;
    for index in 2..=N_BLOCKS {
        block = spab(&mut layers, &format!("block_{index}"), block.out, features, UnaryOp::Silu)?;
    }
    let last = conv3xc(&mut layers, "conv_2", block.out, size)?;
    let joined = layers.concat("cat", &[feature, last, first.out, block.inner]);
    x = layers.conv("conv_cat", joined, [features, 4 * features], 1)?;
    x = layers.conv("upsampler.0", x, [shuffled, features], 3)?;
    x = layers.shuffle("upsampler.1", x, scale);

    let hyperparameters = [
        ("num_in_ch", json!(in_channels)),
        ("num_out_ch", json!(out_channels)),
        ("feature_channels", json!(features)),
        ("upscale", json!(scale)),
        (
            "bias",
            json!(state_dict.contains("conv_1.sk.bias") || state_dict.contains("conv_1.eval_conv.bias")),
        ),
        ("norm", json!(norm)),
        ("img_range", json!(IMG_RANGE)),
        ("rgb_mean", json!(RGB_MEAN)),
    ];
    Ok(layers.finish(x, SizeRule::default(), vec![format!("{features}nf")], hyperparameters))
}

/// What a block hands on.
#[derive(Clone, Copy)]
pub(super) struct Spab {
    pub(super) out: NodeId,
    /// The first convolution's result. The reference's activation works in place, so this is *after* it.
    pub(super) inner: NodeId,
}

/// Three convolutions with an activation between; the sum of their result and the input, weighted by the result.
pub(super) fn spab(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    features: usize,
    activation: UnaryOp,
) -> Result<Spab, ModelError> {
    let size = [features, features];
    let conv = |layers: &mut Layers<'_>, part: &str, x| conv3xc(layers, &format!("{name}.{part}"), x, size);
    let first = conv(layers, "c1_r", x)?;
    let inner = layers.unary(&format!("{name}.c1_r"), activation, first);
    let second = conv(layers, "c2_r", inner)?;
    let second = layers.unary(&format!("{name}.c2_r"), activation, second);
    let third = conv(layers, "c3_r", second)?;
    let attention = layers.unary(&format!("{name}.c3_r"), UnaryOp::Sigmoid, third);
    let centre = UnaryOp::ScaleShift { scale: 1.0, shift: -0.5 };
    let attention = layers.unary(&format!("{name}.attention"), centre, attention);
    let sum = layers.add(format!("{name}.skip"), third, x);
    let out = layers.mul(name, sum, attention);
    Ok(Spab { out, inner })
}
