//! SPSR (<https://arxiv.org/abs/2003.13081>): an ESRGAN with a second branch that enlarges the picture's gradients,
//! and a block that joins both.

use super::keys::{Detection, KeyStyle, count};
use super::layers::Layers;
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, Op, Padding, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "SPSR", half_safe: true, detect, build };

const ID: &str = "SPSR";

macro_rules! known {
    ($($layer:literal),* ; $($block:literal),*) => {
        &[
            "get_g_nopadding.weight_h", "get_g_nopadding.weight_v",
            $(concat!($layer, ".weight"), concat!($layer, ".bias"),)*
            $(concat!($block, ".RDB*.conv*.0.weight"), concat!($block, ".RDB*.conv*.0.bias")),*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "model.0.weight",
        "model.1.sub.0.RDB1.conv1.0.weight",
        "get_g_nopadding.weight_h",
        "b_fea_conv.0.weight",
        "b_block_4.RDB3.conv5.0.weight",
        "f_block.RDB3.conv5.0.weight",
        "f_HR_conv1.0.weight",
    ],
    known: known!(
        "model.*", "model.1.sub.*", "HR_conv0_new.0", "HR_conv1_new.0", "b_fea_conv.0", "b_concat_*.0", "b_LR_conv.0",
        "b_module.*", "conv_w.0", "f_concat.0", "f_HR_conv0.0", "f_HR_conv1.0";
        "model.1.sub.*", "b_block_*", "f_block"
    ),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// Blocks after which the second branch takes features from the first, and how often.
const N_BETWEEN: usize = 5;
const N_TAKEN: usize = 4;
/// More doublings than any model has.
const MAX_UPS: usize = 5;
const LEAKY: UnaryOp = UnaryOp::LeakyRelu(0.2);
const RESIDUAL_SCALE: f32 = 0.2;
/// Keeps the root of a gradient from zero.
const GRADIENT_EPS: f32 = 1e-6;

fn build(state_dict: &StateDict, options: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [_, in_channels, _, _] = layers.conv_shape("model.0")?;
    let [out_channels, features, _, _] = layers.conv_shape("f_HR_conv1.0")?;
    let n_blocks = count(state_dict, "model.1.sub.").saturating_sub(1);
    let n_ups = count(state_dict, "model.").saturating_sub(3) / 3;
    if n_ups > MAX_UPS || n_blocks < N_TAKEN * N_BETWEEN {
        return Err(layers.problem(format!(
            "it has {n_blocks} blocks and enlarges {n_ups} times, where at least {} and at most {MAX_UPS} make sense",
            N_TAKEN * N_BETWEEN
        )));
    }
    let by_shuffle = n_ups > 0 && layers.has("model.2.weight");
    // As for ESRGAN, one enlargement may be by three.
    let factor = if n_ups == 1 && options.expected_scale() == Some(3) { 3 } else { 2 };
    let up = Up { features, n_ups, by_shuffle, factor };

    let picture = layers.input(in_channels);
    let shallow = layers.conv("model.0", picture, [features, in_channels], 3)?;
    let mut x = shallow;
    let mut taken = Vec::with_capacity(N_TAKEN);
    for index in 0..n_blocks {
        x = block(&mut layers, &format!("model.1.sub.{index}"), x, features)?;
        if (index + 1) % N_BETWEEN == 0 && taken.len() < N_TAKEN {
            taken.push(x);
        }
    }
    x = layers.conv(&format!("model.1.sub.{n_blocks}"), x, [features, features], 3)?;
    x = layers.add("trunk", x, shallow);
    x = up.build(&mut layers, "model", 2, x)?;
    let last = format!("model.{}", 2 + 3 * n_ups);
    x = layers.conv(&last, x, [features, features], 3)?;
    x = layers.unary(&last, LEAKY, x);
    x = layers.conv("HR_conv1_new.0", x, [features, features], 3)?;

    let gradient = gradient(&mut layers, picture, in_channels)?;
    let edges = layers.conv("b_fea_conv.0", gradient, [features, in_channels], 3)?;
    let mut branch = edges;
    for (index, taken) in taken.into_iter().enumerate() {
        let (name, concat) = (format!("b_block_{}", index + 1), format!("b_concat_{}.0", index + 1));
        branch = layers.concat(format!("{name}/join"), &[branch, taken]);
        branch = block(&mut layers, &name, branch, 2 * features)?;
        branch = layers.conv(&concat, branch, [features, 2 * features], 3)?;
    }
    branch = layers.conv("b_LR_conv.0", branch, [features, features], 3)?;
    branch = layers.add("b_trunk", branch, edges);
    branch = up.build(&mut layers, "b_module", 0, branch)?;
    let [before_last, last] = [0, 2].map(|i| format!("b_module.{}", i + 3 * n_ups));
    branch = layers.conv(&before_last, branch, [features, features], 3)?;
    branch = layers.unary(&before_last, LEAKY, branch);
    branch = layers.conv(&last, branch, [features, features], 3)?;

    x = layers.concat("f_block/join", &[branch, x]);
    x = block(&mut layers, "f_block", x, 2 * features)?;
    x = layers.conv("f_concat.0", x, [features, 2 * features], 3)?;
    x = layers.conv("f_HR_conv0.0", x, [features, features], 3)?;
    x = layers.unary("f_HR_conv0.0", LEAKY, x);
    x = layers.conv("f_HR_conv1.0", x, [out_channels, features], 3)?;

    let hyperparameters = [
        ("in_nc", json!(in_channels)),
        ("out_nc", json!(out_channels)),
        ("num_filters", json!(features)),
        ("num_blocks", json!(n_blocks)),
        ("upscale", json!(factor.pow(n_ups as u32))),
        ("upsample_mode", json!(if by_shuffle { "pixelshuffle" } else { "upconv" })),
    ];
    let tags = vec![format!("{features}nf"), format!("{n_blocks}nb")];
    Ok(layers.finish(x, SizeRule::default(), tags, hyperparameters))
}

/// How both branches are enlarged.
struct Up {
    features: usize,
    n_ups: usize,
    by_shuffle: bool,
    factor: usize,
}

impl Up {
    /// Layers `first..` of a sequence.
    fn build(
        &self,
        layers: &mut Layers<'_>,
        prefix: &str,
        first: usize,
        mut x: NodeId,
    ) -> Result<NodeId, ModelError> {
        let Self { features, n_ups, by_shuffle, factor } = *self;
        for index in 0..n_ups {
            let at = first + 3 * index;
            if by_shuffle {
                let name = format!("{prefix}.{at}");
                x = layers.conv(&name, x, [features * factor * factor, features], 3)?;
                x = layers.shuffle(format!("{prefix}.{}", at + 1), x, factor);
                x = layers.unary(&name, LEAKY, x);
            } else {
                let name = format!("{prefix}.{}", at + 1);
                x = layers.nearest(format!("{prefix}.{at}"), x, factor);
                x = layers.conv(&name, x, [features, features], 3)?;
                x = layers.unary(&name, LEAKY, x);
            }
        }
        Ok(x)
    }
}

/// The length of the gradient of each colour.
fn gradient(layers: &mut Layers<'_>, picture: NodeId, channels: usize) -> Result<NodeId, ModelError> {
    let mut squares = Vec::with_capacity(2);
    for key in ["get_g_nopadding.weight_v", "get_g_nopadding.weight_h"] {
        let kernel = layers.values(key, &[1, 1, 3, 3])?;
        let weight = layers.made_weight(key, &[channels, 1, 3, 3], kernel.repeat(channels));
        let op = Op::Conv2d {
            weight,
            bias: None,
            stride: [1, 1],
            padding: Padding::all(1),
            dilation: [1, 1],
            groups: channels,
        };
        let along = layers.push(key, op, &[picture]);
        squares.push(layers.unary(key, UnaryOp::Square, along));
    }
    let sum = layers.add("get_g_nopadding/sum", squares[0], squares[1]);
    let sum = layers.scale_shift("get_g_nopadding", sum, 1.0, GRADIENT_EPS);
    Ok(layers.unary("get_g_nopadding", UnaryOp::Sqrt, sum))
}

/// Three dense blocks of five convolutions in nested residuals.
fn block(layers: &mut Layers<'_>, name: &str, skip: NodeId, features: usize) -> Result<NodeId, ModelError> {
    let mut x = skip;
    for dense in 1..=3 {
        let dense = format!("{name}.RDB{dense}");
        let [growth, _, _, _] = layers.conv_shape(&format!("{dense}.conv1.0"))?;
        let inner = x;
        let mut seen = vec![x];
        for conv in 1..=5 {
            let layer = format!("{dense}.conv{conv}.0");
            let joined = if conv == 1 { x } else { layers.concat(format!("{layer}/join"), &seen) };
            let out = if conv == 5 { features } else { growth };
            let made = layers.conv(&layer, joined, [out, features + (conv - 1) * growth], 3)?;
            seen.push(if conv == 5 { made } else { layers.unary(&layer, LEAKY, made) });
        }
        x = residual(layers, &dense, seen[5], inner);
    }
    Ok(residual(layers, name, x, skip))
}

fn residual(layers: &mut Layers<'_>, name: &str, x: NodeId, skip: NodeId) -> NodeId {
    let x = layers.scale_shift(name, x, RESIDUAL_SCALE, 0.0);
    layers.add(name, x, skip)
}
