//! CRAFT (cross-refinement adaptive fusion transformer, <https://arxiv.org/abs/2308.05022>): attention in rectangles
//! beside convolutions that enhance high frequencies, joined by attention between the channels of both.

use super::keys::{Detection, KeyStyle, keys};
use super::layers::{Layers, ratio};
use super::rectangles::Rectangles;
use super::window_transformer::{Residual, Tail, Upsampler, head_scale, mlp};
use super::{Architecture, Built};
use crate::{
    ChannelAttention, ModelError, ModelOptions, NodeId, Op, PadMode, Padding, PoolKind, Region, Scores,
    SizeRule, UnaryOp,
};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "CRAFT", half_safe: true, detect, build };

const ID: &str = "CRAFT";

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "conv_first.weight",
        "layers.0.residual_group.hf_blocks.0.attn.temperature",
        "layers.0.residual_group.srwa_blocks.0.norm1.weight",
        "layers.0.residual_group.hfer_blocks.0.conv.weight",
        "upsample.0.weight",
        "relative_position_index_h",
        "biases_v",
    ],
    known: keys!(
        "conv_first", "norm.body", "conv_after_body", "upsample.0", "layers.*.conv",
        "layers.*.residual_group.srwa_blocks.*.norm*",
        "layers.*.residual_group.srwa_blocks.*.qkv",
        "layers.*.residual_group.srwa_blocks.*.proj",
        "layers.*.residual_group.srwa_blocks.*.get_v",
        "layers.*.residual_group.srwa_blocks.*.attns.*.pos.pos_proj",
        "layers.*.residual_group.srwa_blocks.*.attns.*.pos.pos*.*",
        "layers.*.residual_group.srwa_blocks.*.mlp.fc*",
        "layers.*.residual_group.hfer_blocks.*.last_fc",
        "layers.*.residual_group.hfer_blocks.*.fc",
        "layers.*.residual_group.hfer_blocks.*.conv",
        "layers.*.residual_group.hf_blocks.*.norm*.body",
        "layers.*.residual_group.hf_blocks.*.attn.q",
        "layers.*.residual_group.hf_blocks.*.attn.q_dwconv",
        "layers.*.residual_group.hf_blocks.*.attn.kv",
        "layers.*.residual_group.hf_blocks.*.attn.kv_dwconv",
        "layers.*.residual_group.hf_blocks.*.attn.project_out",
        "layers.*.residual_group.hf_blocks.*.ffn.project_in",
        "layers.*.residual_group.hf_blocks.*.ffn.dwconv",
        "layers.*.residual_group.hf_blocks.*.ffn.project_out";
        "layers.*.residual_group.hf_blocks.*.attn.temperature",
        "relative_position_index_h", "relative_position_index_v", "biases_h", "biases_v",
    ),
}];

/// Pictures are continued to multiples of this, and by this much where they are.
const WINDOW: usize = 16;

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [channels, in_channels, _, _] = layers.conv_shape("conv_first")?;
    let scale = layers.direct_scale("upsample.0", in_channels)?;
    let [pixels, _] = layers.shape("relative_position_index_h")?;
    let [offsets, _] = layers.shape("biases_v")?;
    let split = Rectangles::sides(&layers, pixels, offsets)?;
    let (mut depths, mut heads) = (Vec::new(), Vec::new());
    for group in 0..layers.sequence("layers.")? {
        let prefix = format!("layers.{group}.residual_group.hf_blocks");
        depths.push(layers.sequence(&format!("{prefix}."))?);
        let [n, _, _] = layers.shape(&format!("{prefix}.0.attn.temperature"))?;
        heads.push(n);
    }
    let residual = Residual::of(&layers, Residual::Identity);
    let [hidden, _] = layers.shape("layers.0.residual_group.srwa_blocks.0.mlp.fc1.weight")?;
    let rectangles = |group: usize| Rectangles { channels, heads: heads[group] / 2, split };

    let picture = layers.input(in_channels);
    let picture = continued(&mut layers, picture);
    let picture = layers.minus_mean(picture, in_channels, 1.0);
    let first = layers.conv("conv_first", picture, [channels, in_channels], 3)?;
    let mut x = first;
    for (group, &depth) in depths.iter().enumerate() {
        let skip = x;
        rectangles(group).check(&layers)?;
        for index in 0..depth {
            let prefix = format!("layers.{group}.residual_group");
            let mut low = x;
            for (half, shifted) in [(0, false), (1, true)] {
                let name = format!("{prefix}.srwa_blocks.{}", 2 * index + half);
                low = rectangle_block(&mut layers, &name, low, rectangles(group), shifted)?;
            }
            let high = enhanced(&mut layers, &format!("{prefix}.hfer_blocks.{index}"), x, channels)?;
            x = fusion(
                &mut layers,
                &format!("{prefix}.hf_blocks.{index}"),
                [low, high],
                [channels, heads[group]],
            )?;
        }
        x = layers.conv(&format!("layers.{group}.conv"), x, [channels, channels], 3)?;
        x = layers.add(format!("layers.{group}/add"), x, skip);
    }
    x = layers.layer_norm("norm.body", x, channels)?;
    x = residual.apply(&mut layers, "conv_after_body", x, channels)?;
    x = layers.add("body/add", x, first);
    x = Tail { upsampler: Upsampler::Direct, scale, channels, out: in_channels, sequence: "upsample" }
        .apply(&mut layers, x, picture)?;
    x = layers.plus_mean(x, in_channels, 1.0);
    for axis in [2, 3] {
        let end = -((WINDOW * scale) as i64);
        x = layers.push("output", Op::Slice { axis, start: 0, end }, &[x]);
    }

    let size_rule = SizeRule { minimum: WINDOW, multiple_of: WINDOW, ..SizeRule::default() };

    let tags =
        vec![format!("{}x{}", split[0], split[1]), format!("{channels}dim"), residual.name().to_string()];
    let hyperparameters = [
        ("in_chans", json!(in_channels)),
        ("window_size", json!(WINDOW)),
        ("embed_dim", json!(channels)),
        ("depths", json!(depths)),
        ("num_heads", json!(heads)),
        ("split_size_0", json!(split[0])),
        ("split_size_1", json!(split[1])),
        ("mlp_ratio", json!(ratio(hidden, channels))),
        ("qkv_bias", json!(layers.has("layers.0.residual_group.srwa_blocks.0.qkv.bias"))),
        ("qk_scale", json!(null)),
        ("norm_layer", json!("<LayerNorm>")),
        ("upscale", json!(scale)),
        ("img_range", json!(1.0)),
        ("resi_connection", json!(residual.name())),
    ];
    Ok(layers.finish(x, size_rule, tags, hyperparameters))
}

/// The picture continued by one window on the right and at the bottom, mirrored with its edge. The reference does so
/// even where the picture has whole windows; attention between channels sees it.
fn continued(layers: &mut Layers<'_>, mut x: NodeId) -> NodeId {
    let beyond = WINDOW - 1;
    for axis in [2, 3] {
        let padding = match axis {
            2 => Padding { bottom: beyond, ..Padding::default() },
            _ => Padding { right: beyond, ..Padding::default() },
        };
        // Mirroring leaves out the edge, so it is put between.
        let mirrored = layers.push("mirrored", Op::Pad { padding, mode: PadMode::Reflect }, &[x]);
        let mut cut = |from: NodeId, start: i64| {
            layers.push("border", Op::Slice { axis, start, end: i64::MAX }, &[from])
        };
        let parts = [x, cut(x, -1), cut(mirrored, -(beyond as i64))];
        x = layers.push("continued", Op::Concat { axis }, &parts);
    }
    x
}

/// The picture turned cyclically: what lies before `[rows, columns]` comes to the end.
fn rolled(layers: &mut Layers<'_>, mut x: NodeId, by: [i64; 2]) -> NodeId {
    for (axis, by) in [(2, by[0]), (3, by[1])] {
        if by == 0 {
            continue;
        }
        let mut cut = |start, end| layers.push("roll/part", Op::Slice { axis, start, end }, &[x]);
        let parts = [cut(by, i64::MAX), cut(0, by)];
        x = layers.push("roll", Op::Concat { axis }, &parts);
    }
    x
}

/// Attention in rectangles, shifted ones without a mask between what was not adjacent: the picture is a torus.
fn rectangle_block(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    rectangles: Rectangles,
    shifted: bool,
) -> Result<NodeId, ModelError> {
    let channels = rectangles.channels;
    let normed = layers.layer_norm(&format!("{name}.norm1"), x, channels)?;
    let qkv = layers.linear(&format!("{name}.qkv"), normed, [3 * channels, channels])?;
    let mut halves = [qkv; 2];
    for (half, made) in halves.iter_mut().enumerate() {
        let (attention, inputs) = rectangles.attention(layers, name, qkv, half)?;
        let by = rectangles.block(half).map(|side| if shifted { (side / 2) as i64 } else { 0 });
        let inputs = inputs.map(|x| rolled(layers, x, by));
        let attended = layers.push(format!("{name}.attns.{half}"), Op::Attention(attention), &inputs);
        *made = rolled(layers, attended, by.map(|by| -by));
    }
    let attended = layers.concat(format!("{name}/join"), &halves);
    let v = layers.channels(format!("{name}/part"), qkv, 2 * channels..2 * channels + channels);
    let convolved = layers.depthwise(&format!("{name}.get_v"), v, channels, 3)?;
    let sum = layers.add(format!("{name}.get_v/add"), attended, convolved);
    let projected = layers.linear(&format!("{name}.proj"), sum, [channels, channels])?;
    let x = layers.add(format!("{name}/add"), x, projected);
    let normed = layers.layer_norm(&format!("{name}.norm2"), x, channels)?;
    let fed = mlp(layers, &format!("{name}.mlp"), normed, channels)?;
    Ok(layers.add(format!("{name}.mlp/add"), x, fed))
}

/// Half of the channels convolved, the largest of each neighbourhood taken of the other half.
fn enhanced(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
    let half = channels / 2;
    let low = layers.channels(format!("{name}/part"), x, 0..half);
    let low = layers.conv(&format!("{name}.conv"), low, [half, half], 3)?;
    let low = layers.unary(&format!("{name}.conv"), UnaryOp::Gelu, low);
    let high = layers.channels(format!("{name}/part"), x, half..half + half);
    let (kernel, padding) = ([3, 3], Padding::all(1));
    let pool = Op::Pool { kind: PoolKind::Max, kernel, stride: [1, 1], padding };
    let high = layers.push(format!("{name}.max_pool"), pool, &[high]);
    let high = layers.conv(&format!("{name}.fc"), high, [half, half], 1)?;
    let high = layers.unary(&format!("{name}.fc"), UnaryOp::Gelu, high);
    let joined = layers.concat(format!("{name}/join"), &[low, high]);
    let made = layers.conv(&format!("{name}.last_fc"), joined, [channels, channels], 1)?;
    Ok(layers.add(format!("{name}/add"), x, made))
}

/// Attention between the channels of `high` and of `low`, then a gated layer.
fn fusion(
    layers: &mut Layers<'_>,
    name: &str,
    [low, high]: [NodeId; 2],
    [channels, heads]: [usize; 2],
) -> Result<NodeId, ModelError> {
    head_scale(layers, channels, heads)?;
    let normed = layers.layer_norm(&format!("{name}.norm1.body"), low, channels)?;
    let attn = format!("{name}.attn");
    let q = layers.conv(&format!("{attn}.q"), high, [channels, channels], 1)?;
    let q = layers.depthwise(&format!("{attn}.q_dwconv"), q, channels, 3)?;
    let kv = layers.conv(&format!("{attn}.kv"), normed, [2 * channels, channels], 1)?;
    let kv = layers.depthwise(&format!("{attn}.kv_dwconv"), kv, 2 * channels, 3)?;
    let [k, v] =
        [0, channels].map(|start| layers.channels(format!("{attn}/part"), kv, start..start + channels));
    let temperature = layers.reshaped(&format!("{attn}.temperature"), &[heads, 1, 1], &[heads])?;
    let op = ChannelAttention { heads, region: Region::Picture, scores: Scores::Cosine(temperature) };
    let attended = layers.push(&attn, Op::ChannelAttention(op), &[q, k, v]);
    let attended = layers.conv(&format!("{attn}.project_out"), attended, [channels, channels], 1)?;
    let x = layers.add(format!("{attn}/add"), low, attended);

    let normed = layers.layer_norm(&format!("{name}.norm2.body"), x, channels)?;
    let ffn = format!("{name}.ffn");
    let [wide, _, _, _] = layers.conv_shape(&format!("{ffn}.project_in"))?;
    if wide % 2 == 1 {
        return Err(layers.problem(format!("{wide} channels cannot be halved")));
    }
    let y = layers.conv(&format!("{ffn}.project_in"), normed, [wide, channels], 1)?;
    let y = layers.depthwise(&format!("{ffn}.dwconv"), y, wide, 3)?;
    let [gate, plain] =
        [0, wide / 2].map(|start| layers.channels(format!("{ffn}/part"), y, start..start + wide / 2));
    let gate = layers.unary(&ffn, UnaryOp::Gelu, gate);
    let y = layers.mul(format!("{ffn}/multiply"), gate, plain);
    let y = layers.conv(&format!("{ffn}.project_out"), y, [channels, wide / 2], 1)?;
    Ok(layers.add(format!("{ffn}/add"), x, y))
}
