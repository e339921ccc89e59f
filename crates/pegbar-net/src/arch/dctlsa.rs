//! DCTLSA (<https://github.com/zengkun301/DCTLSA>): densely joined blocks of linear attention within windows.

use super::keys::{Detection, KeyStyle};
use super::layers::{Layers, shuffle_scale};
use super::{Architecture, Built};
use crate::{
    BinaryOp, ChannelAttention, ModelError, ModelOptions, NodeId, Op, PadMode, Padding, PoolKind, Region,
    Scores, SizeRule, UnaryOp,
};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "DCTLSA", half_safe: false, detect, build };

const ID: &str = "DCTLSA";

macro_rules! known {
    ($($layer:literal),* $(,)?) => {
        &[
            "fea_conv.weight", "fea_conv.bias",
            "LR_conv.weight", "LR_conv.bias",
            "upsampler.0.weight", "upsampler.0.bias",
            "c.0.weight", "c.0.bias", "c*.0.weight", "c*.0.bias",
            $(concat!("B*.body.*.transformer_body.0.", $layer)),*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "fea_conv.weight",
        "B1.body.0.transformer_body.0.blocks.0.attn.qkv.weight",
        "B1.body.0.transformer_body.0.blocks.0.attn.local.pointwise_prenorm_1.weight",
        "B6.body.1.transformer_body.0.blocks.0.attn.qkv.weight",
        "c.0.weight",
        "c5.0.weight",
        "LR_conv.weight",
        "upsampler.0.weight",
    ],
    known: known!(
        "patch_embed.norm.weight",
        "patch_embed.norm.bias",
        "blocks.*.attn.qkv.weight",
        "blocks.*.attn.qkv.bias",
        "blocks.*.attn.proj.weight",
        "blocks.*.attn.proj.bias",
        "blocks.*.attn.local.pointwise_prenorm_*.weight",
        "blocks.*.attn.local.pointwise_prenorm_*.bias",
        "blocks.*.attn.local.pointwise_prenorm_*.running_mean",
        "blocks.*.attn.local.pointwise_prenorm_*.running_var",
        "blocks.*.attn.local.pointwise_prenorm_*.num_batches_tracked",
        "blocks.*.attn.local.pointwise_conv_*.weight",
        "blocks.*.attn.local.depthwise_conv.weight",
        "blocks.*.mlp.fc*.weight",
        "blocks.*.mlp.fc*.bias",
    ),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// Not in the weights.
const HEADS: usize = 5;
const WINDOW: usize = 16;
/// Blocks in a row that see all earlier ones, layers of each, blocks of a layer.
const N_MODULES: usize = 6;
const N_LAYERS: usize = 2;
const N_BLOCKS: usize = 2;
const LEAKY: UnaryOp = UnaryOp::LeakyRelu(0.05);

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [features, in_channels, _, _] = layers.conv_shape("fea_conv")?;
    let [shuffled, _, _, _] = layers.conv_shape("upsampler.0")?;
    let Some((out_channels, scale)) = shuffle_scale(shuffled, in_channels) else {
        return Err(layers.problem(format!(
            "its last convolution has {shuffled} channels, which is no number of colours times a square"
        )));
    };
    if !features.is_multiple_of(HEADS) {
        return Err(layers.problem(format!("its {features} features are no multiple of {HEADS}")));
    }

    let x = layers.input(in_channels);
    let shallow = layers.conv("fea_conv", x, [features, in_channels], 3)?;
    let (mut seen, mut x) = (vec![shallow], shallow);
    for module in 1..=N_MODULES {
        for index in 0..N_LAYERS {
            x = layer(&mut layers, &format!("B{module}.body.{index}.transformer_body.0"), x, features)?;
        }
        seen.push(x);
        if module < N_MODULES {
            x = join(&mut layers, &format!("c{module}.0"), &seen, features)?;
        }
    }
    x = join(&mut layers, "c.0", &seen[1..], features)?;
    x = layers.conv("LR_conv", x, [features, features], 3)?;
    x = layers.add("features", x, shallow);
    x = layers.conv("upsampler.0", x, [shuffled, features], 3)?;
    x = layers.shuffle("upsampler.1", x, scale);

    let tags = vec![format!("{features}nf"), format!("{N_MODULES}nm"), format!("{HEADS}nh")];
    let hyperparameters = [
        ("in_nc", json!(in_channels)),
        ("nf", json!(features)),
        ("num_modules", json!(N_MODULES)),
        ("out_nc", json!(out_channels)),
        ("upscale", json!(scale)),
        ("num_head", json!(HEADS)),
    ];
    Ok(layers.finish(x, SizeRule { minimum: 16, ..SizeRule::default() }, tags, hyperparameters))
}

fn join(
    layers: &mut Layers<'_>,
    name: &str,
    values: &[NodeId],
    features: usize,
) -> Result<NodeId, ModelError> {
    let joined = layers.concat(format!("{name}/join"), values);
    let x = layers.conv(name, joined, [features, values.len() * features], 1)?;
    Ok(layers.unary(name, LEAKY, x))
}

/// Features mirrored to whole windows, two blocks, and the border cut off again.
fn layer(layers: &mut Layers<'_>, name: &str, like: NodeId, features: usize) -> Result<NodeId, ModelError> {
    let border =
        Op::PadToMultiple { padding: Padding::default(), multiple: [WINDOW; 2], mode: PadMode::Reflect };
    let mut x = layers.push(format!("{name}/border"), border, &[like]);
    x = layers.layer_norm(&format!("{name}.patch_embed.norm"), x, features)?;
    for index in 0..N_BLOCKS {
        let block = format!("{name}.blocks.{index}");
        // Every other one on the picture turned by half a window, which wraps around.
        let is_turned = index % 2 == 1;
        if is_turned {
            x = turn(layers, &format!("{block}/turned"), x, WINDOW as i64 / 2);
        }
        x = attention(layers, &format!("{block}.attn"), x, features)?;
        if is_turned {
            x = turn(layers, &format!("{block}/back"), x, -(WINDOW as i64) / 2);
        }
        let [first, second] = [1, 2].map(|i| format!("{block}.mlp.fc{i}"));
        let [hidden, _] = layers.shape(&format!("{first}.weight"))?;
        let mut made = layers.linear(&first, x, [hidden, features])?;
        made = layers.unary(&first, UnaryOp::Gelu, made);
        made = layers.linear(&second, made, [features, hidden])?;
        x = layers.add(block, x, made);
    }
    Ok(layers.push(name, Op::Crop { factor: 1 }, &[x, like]))
}

/// The rows and columns from `by` on, then those before; negative counts from the end.
pub(super) fn turn(layers: &mut Layers<'_>, name: &str, mut x: NodeId, by: i64) -> NodeId {
    for axis in [2, 3] {
        let late = layers.push(format!("{name}/late"), Op::Slice { axis, start: by, end: i64::MAX }, &[x]);
        let early = layers.push(format!("{name}/early"), Op::Slice { axis, start: 0, end: by }, &[x]);
        x = layers.push(name, Op::Concat { axis }, &[late, early]);
    }
    x
}

/// Linear attention within windows: keys are a softmax over the pixels, and their product with the values mixes the
/// queries.
fn attention(layers: &mut Layers<'_>, name: &str, skip: NodeId, n: usize) -> Result<NodeId, ModelError> {
    let part = |part: &str| format!("{name}.local.{part}");
    let mut x = layers.batch_norm(&part("pointwise_prenorm_0"), skip, n)?;
    x = layers.conv(&part("pointwise_conv_0"), x, [n, n], 1)?;
    x = layers.depthwise(&part("depthwise_conv"), x, n, 3)?;
    x = layers.batch_norm(&part("pointwise_prenorm_1"), x, n)?;
    x = layers.conv(&part("pointwise_conv_1"), x, [n, n], 1)?;
    let local = layers.add(part("skip"), x, skip);
    let qkv = layers.linear(&format!("{name}.qkv"), local, [3 * n, n])?;
    let [q, k, v] = layers.chunks::<3>(&format!("{name}.qkv"), qkv, n);

    let over_windows = |layers: &mut Layers<'_>, name: String, kind: PoolKind, x: NodeId| {
        let pool = Op::Pool { kind, kernel: [WINDOW; 2], stride: [WINDOW; 2], padding: Padding::default() };
        let pooled = layers.push(format!("{name}/windows"), pool, &[x]);
        layers.nearest(name, pooled, WINDOW)
    };
    let largest = over_windows(layers, format!("{name}.softmax/max"), PoolKind::Max, k);
    let k = layers.binary(format!("{name}.softmax/below"), BinaryOp::Sub, k, largest);
    let k = layers.unary(&format!("{name}.softmax"), UnaryOp::Exp, k);
    let mean = over_windows(layers, format!("{name}.softmax/mean"), PoolKind::Average { count_pad: true }, k);
    let k = layers.binary(format!("{name}.softmax"), BinaryOp::Div, k, mean);
    // Divided by the mean where it should be by the sum.
    let factor = ((n / HEADS) as f32).powf(-0.5) / (WINDOW * WINDOW) as f32;
    let op =
        ChannelAttention { heads: HEADS, region: Region::Blocks([WINDOW; 2]), scores: Scores::Dot(factor) };
    let x = layers.push(name, Op::ChannelMix(op), &[v, k, q]);
    let x = layers.linear(&format!("{name}.proj"), x, [n, n])?;
    Ok(layers.add(format!("{name}/local"), x, local))
}
