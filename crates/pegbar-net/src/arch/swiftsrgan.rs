//! Swift-SRGAN (<https://github.com/Koushik0901/Swift-SRGAN>): a residual network of separable convolutions.

use super::keys::{Detection, KeyStyle, count};
use super::layers::Layers;
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "Swift-SRGAN", half_safe: true, detect, build };

const ID: &str = "SwiftSRGAN";

macro_rules! known {
    ($($block:literal),* $(,)?) => {
        &[
            $(
                concat!($block, "cnn.depthwise.weight"), concat!($block, "cnn.depthwise.bias"),
                concat!($block, "cnn.pointwise.weight"), concat!($block, "cnn.pointwise.bias"),
                concat!($block, "bn.weight"), concat!($block, "bn.bias"),
                concat!($block, "bn.running_mean"), concat!($block, "bn.running_var"),
                concat!($block, "bn.num_batches_tracked"),
                // Blocks without an activation have it, too.
                concat!($block, "act.weight"),
            )*
            "upsampler.*.conv.depthwise.weight", "upsampler.*.conv.depthwise.bias",
            "upsampler.*.conv.pointwise.weight", "upsampler.*.conv.pointwise.bias",
            "upsampler.*.act.weight",
            "final_conv.depthwise.weight", "final_conv.depthwise.bias",
            "final_conv.pointwise.weight", "final_conv.pointwise.bias",
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "initial.cnn.depthwise.weight",
        "convblock.cnn.depthwise.weight",
        "final_conv.pointwise.weight",
    ],
    known: known!("initial.", "residual.*.block1.", "residual.*.block2.", "convblock."),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// More doublings than any model has.
const MAX_UPS: usize = 5;

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [colours, _, _, _] = layers.conv_shape("initial.cnn.depthwise")?;
    let [features, _, _, _] = layers.conv_shape("initial.cnn.pointwise")?;
    let (n_blocks, n_ups) = (count(state_dict, "residual."), count(state_dict, "upsampler."));
    if n_ups > MAX_UPS {
        return Err(layers.problem(format!("it enlarges {n_ups} times, where at most {MAX_UPS} make sense")));
    }
    let scale = 1usize << n_ups;

    let x = layers.input(colours);
    let x = separable(&mut layers, "initial.cnn", x, [features, colours], 9)?;
    let initial = layers.prelu("initial.act", x, features)?;
    let mut x = initial;
    for index in 0..n_blocks {
        let name = format!("residual.{index}");
        let skip = x;
        x = normed(&mut layers, &format!("{name}.block1"), x, features)?;
        x = layers.prelu(&format!("{name}.block1.act"), x, features)?;
        x = normed(&mut layers, &format!("{name}.block2"), x, features)?;
        x = layers.add(name, x, skip);
    }
    x = normed(&mut layers, "convblock", x, features)?;
    x = layers.add("features", x, initial);
    for index in 0..n_ups {
        let name = format!("upsampler.{index}");
        x = separable(&mut layers, &format!("{name}.conv"), x, [4 * features, features], 3)?;
        x = layers.shuffle(format!("{name}.ps"), x, 2);
        x = layers.prelu(&format!("{name}.act"), x, features)?;
    }
    x = separable(&mut layers, "final_conv", x, [colours, features], 9)?;
    x = layers.unary("final_conv", UnaryOp::Tanh, x);
    x = layers.scale_shift("final_conv", x, 0.5, 0.5);

    let hyperparameters = [
        ("in_channels", json!(colours)),
        ("num_channels", json!(features)),
        ("num_blocks", json!(n_blocks)),
        ("upscale_factor", json!(scale)),
    ];
    let tags = vec![format!("{features}nf"), format!("{n_blocks}nb")];
    Ok(layers.finish(x, SizeRule::default(), tags, hyperparameters))
}

/// Each channel by itself, then all of each pixel.
fn separable(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    [out, input]: [usize; 2],
    kernel: usize,
) -> Result<NodeId, ModelError> {
    let x = layers.depthwise(&format!("{name}.depthwise"), x, input, kernel)?;
    layers.conv(&format!("{name}.pointwise"), x, [out, input], 1)
}

fn normed(layers: &mut Layers<'_>, name: &str, x: NodeId, features: usize) -> Result<NodeId, ModelError> {
    let x = separable(layers, &format!("{name}.cnn"), x, [features, features], 3)?;
    layers.batch_norm(&format!("{name}.bn"), x, features)
}
