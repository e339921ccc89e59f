//! RTMoSR (<https://github.com/rewaifu/RTMoSR>): gated blocks that mix pixels at half size.

use super::keys::{Detection, KeyStyle};
use super::layers::{Layers, ratio, square_root};
use super::rep_conv::{omni_shift, rep_conv};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, NormKind, Op, Padding, PoolKind, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "RTMoSR", half_safe: true, detect, build };

const ID: &str = "RTMoSR";

/// Keys of convolutions in their training form; then other keys.
macro_rules! rep_keys {
    ($($prefix:literal),* ; $($other:literal),*) => {
        &[$(
            concat!($prefix, ".alpha"),
            concat!($prefix, ".conv1.k0"), concat!($prefix, ".conv1.b0"),
            concat!($prefix, ".conv1.k1"), concat!($prefix, ".conv1.b1"),
            concat!($prefix, ".conv2.weight"), concat!($prefix, ".conv2.bias"),
            concat!($prefix, ".conv3.sk.weight"), concat!($prefix, ".conv3.sk.bias"),
            concat!($prefix, ".conv3.conv.*.weight"), concat!($prefix, ".conv3.conv.*.bias"),
            concat!($prefix, ".conv3.eval_conv.weight"), concat!($prefix, ".conv3.eval_conv.bias"),
            concat!($prefix, ".conv_3x3_rep.weight"), concat!($prefix, ".conv_3x3_rep.bias"),
        )* $($other),*]
    };
}

const KNOWN: &[&str] = rep_keys!(
    "to_feat", "to_feat.1", "to_img.0", "body.*.fc1", "body.*.fc2", "body.*.conv.0.poll.1";
    "body.*.norm.scale", "body.*.norm.offset", "body.*.fc2.weight", "body.*.fc2.bias",
    "body.*.conv.1.alpha1", "body.*.conv.1.alpha2", "body.*.conv.1.alpha3", "body.*.conv.1.alpha4",
    "body.*.conv.1.conv1x1.weight", "body.*.conv.1.conv1x1.bias",
    "body.*.conv.1.conv3x3.weight", "body.*.conv.1.conv3x3.bias",
    "body.*.conv.1.conv5x5.weight", "body.*.conv.1.conv5x5.bias",
    "body.*.conv.1.conv5x5_reparam.weight", "body.*.conv.1.conv5x5_reparam.bias",
    "body.*.conv.2.squeezing.*.weight", "body.*.conv.2.squeezing.*.bias"
);

/// The second is of models on a pixel-unshuffled picture.
const STYLES: &[KeyStyle] = &[
    KeyStyle {
        needed: &[
            "to_feat.conv_3x3_rep.weight",
            "body.0.norm.scale",
            "body.0.fc1.conv_3x3_rep.weight",
            "body.0.conv.0.poll.1.conv_3x3_rep.weight",
            "to_img.0.conv_3x3_rep.weight",
        ],
        known: KNOWN,
    },
    KeyStyle {
        needed: &[
            "to_feat.1.conv_3x3_rep.weight",
            "body.0.norm.scale",
            "body.0.fc1.conv_3x3_rep.weight",
            "body.0.conv.0.poll.1.conv_3x3_rep.weight",
            "to_img.0.conv_3x3_rep.weight",
        ],
        known: KNOWN,
    },
];

const COLOURS: usize = 3;
/// Blocks work at half size.
const HALF: usize = 2;
/// The reference adds 1e-6 to the root; so small a number under it keeps only the divisor from zero.
const NORM_EPS: f32 = 1e-12;

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let is_unshuffled = layers.has("to_feat.1.conv_3x3_rep.weight");
    let first = if is_unshuffled { "to_feat.1" } else { "to_feat" };
    let [dim, taken, _, _] = layers.conv_shape(&format!("{first}.conv_3x3_rep"))?;
    let inner_scale = layers.direct_scale("to_img.0.conv_3x3_rep", COLOURS)?;
    let unshuffle = if taken.is_multiple_of(COLOURS) { square_root(taken / COLOURS) } else { None };
    let Some(unshuffle) = unshuffle.filter(|&by| inner_scale.is_multiple_of(by)) else {
        return Err(layers.problem(format!(
            "it takes {taken} channels and enlarges {inner_scale} times, which no shuffle explains"
        )));
    };
    let scale = inner_scale / unshuffle;
    let [both, _, _, _] = layers.conv_shape("body.0.fc1.conv_3x3_rep")?;
    let hidden = both / 2;
    if hidden < dim {
        return Err(layers.problem(format!("its blocks split {hidden} channels off {dim}")));
    }
    let n_blocks = layers.sequence("body.")?;

    let picture = layers.input(COLOURS);
    let x = layers.unshuffle("to_feat.0", picture, unshuffle);
    let mut x = rep_conv(&mut layers, first, x, [dim, taken])?;
    for index in 0..n_blocks {
        x = block(&mut layers, &format!("body.{index}"), x, [dim, hidden])?;
    }
    x = rep_conv(&mut layers, "to_img.0", x, [COLOURS * inner_scale * inner_scale, dim])?;
    x = layers.shuffle("to_img.1", x, inner_scale);
    let base = layers.nearest("base", picture, scale);
    x = layers.add("output", x, base);

    let hyperparameters = [
        ("scale", json!(scale)),
        ("dim", json!(dim)),
        ("ffn_expansion", json!(ratio(hidden, dim))),
        ("n_blocks", json!(n_blocks)),
        ("unshuffle_mod", json!(is_unshuffled)),
        ("dccm", json!(!layers.has("body.0.fc2.weight"))),
        ("se", json!(layers.has("body.0.conv.2.squeezing.0.weight"))),
    ];
    let size_rule = SizeRule { multiple_of: HALF * unshuffle, ..SizeRule::default() };
    Ok(layers.finish(x, size_rule, vec![format!("{dim}dim")], hyperparameters))
}

/// Some of the channels are mixed, and all gated.
fn block(
    layers: &mut Layers<'_>,
    name: &str,
    skip: NodeId,
    [dim, hidden]: [usize; 2],
) -> Result<NodeId, ModelError> {
    let norm = format!("{name}.norm");
    let weight = layers.weight(&format!("{norm}.scale"), &[dim])?;
    let bias = Some(layers.weight(&format!("{norm}.offset"), &[dim])?);
    let op = Op::LayerNorm { kind: NormKind::RootMeanSquare, weight, bias, eps: NORM_EPS };
    let normed = layers.push(norm, op, &[skip]);

    let fc1 = format!("{name}.fc1");
    let both = rep_conv(layers, &fc1, normed, [2 * hidden, dim])?;
    let gate = layers.channels(format!("{fc1}/gate"), both, 0..hidden);
    let gate = layers.unary(&fc1, UnaryOp::Mish, gate);
    let some = layers.channels(format!("{fc1}/mixed"), both, 2 * hidden - dim..2 * hidden);
    let mut joined = mixed(layers, &format!("{name}.conv"), some, dim)?;
    if hidden > dim {
        let others = layers.channels(format!("{fc1}/others"), both, hidden..2 * hidden - dim);
        joined = layers.concat(format!("{name}/join"), &[others, joined]);
    }
    let gated = layers.mul(format!("{name}/gated"), gate, joined);

    let fc2 = format!("{name}.fc2");
    let x = if layers.has(&format!("{fc2}.weight")) {
        layers.conv(&fc2, gated, [dim, hidden], 1)?
    } else {
        rep_conv(layers, &fc2, gated, [dim, hidden])?
    };
    let x = layers.unary(&fc2, UnaryOp::Mish, x);
    Ok(layers.add(name, x, skip))
}

/// Down to half size, pixels as channels and the largest of them beside, a depthwise convolution, and up again.
fn mixed(layers: &mut Layers<'_>, name: &str, x: NodeId, dim: usize) -> Result<NodeId, ModelError> {
    let wide = dim * HALF * HALF;
    let pool =
        Op::Pool { kind: PoolKind::Max, kernel: [HALF; 2], stride: [HALF; 2], padding: Padding::default() };
    let largest = layers.push(format!("{name}.0.poll.0"), pool, &[x]);
    let largest = rep_conv(layers, &format!("{name}.0.poll.1"), largest, [wide, dim])?;
    let pixels = layers.unshuffle(format!("{name}.0.pu"), x, HALF);
    let mut y = layers.add(format!("{name}.0"), pixels, largest);
    y = omni_shift(layers, &format!("{name}.1"), y, wide)?;
    if layers.has(&format!("{name}.2.squeezing.0.weight")) {
        let convs = [0, 2].map(|n| format!("{name}.2.squeezing.{n}"));
        let [squeezed, _, _, _] = layers.conv_shape(&convs[0])?;
        let mean = layers.global_mean(format!("{name}.2/mean"), y);
        let weight = layers.conv(&convs[0], mean, [squeezed, wide], 1)?;
        let weight = layers.unary(&convs[0], UnaryOp::Relu, weight);
        let weight = layers.conv(&convs[1], weight, [wide, squeezed], 1)?;
        let hard = UnaryOp::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 };
        let weight = layers.unary(&convs[1], hard, weight);
        y = layers.mul(format!("{name}.2"), y, weight);
    }
    Ok(layers.shuffle(format!("{name}.3"), y, HALF))
}
