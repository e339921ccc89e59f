//! RGT (recursive generalization transformer, <https://arxiv.org/abs/2303.06373>): blocks of attention in rectangles
//! and blocks in which each pixel sees the whole picture, shrunk to a sixteenth of its sides, by turns.

use super::dat::{gated_mlp, is_shifted};
use super::keys::{Detection, KeyStyle, keys};
use super::layers::{Layers, ratio};
use super::rectangles::Rectangles;
use super::window_transformer::{Frame, Residual, Upsampler, of_training};
use super::{Architecture, Built};
use crate::{Attention, ModelError, ModelOptions, NodeId, Op, Padding, Region, Scores, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "RGT", half_safe: false, detect, build };

const ID: &str = "RGT";

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "conv_first.weight",
        "before_RG.1.weight",
        "layers.0.blocks.0.gamma",
        "layers.0.blocks.0.norm1.weight",
        "layers.0.blocks.0.attn.qkv.weight",
        "layers.0.blocks.0.attn.attns.0.rpe_biases",
        "layers.0.blocks.0.mlp.fc1.weight",
        "norm.weight",
        "conv_before_upsample.0.weight",
        "conv_last.weight",
    ],
    known: keys!(
        "conv_first", "before_RG.1", "norm", "conv_after_body", "conv_after_body.*", "conv_before_upsample.0",
        "upsample.*", "conv_last", "layers.*.conv", "layers.*.conv.*",
        "layers.*.blocks.*.norm*",
        "layers.*.blocks.*.attn.qkv",
        "layers.*.blocks.*.attn.proj",
        "layers.*.blocks.*.attn.get_v",
        "layers.*.blocks.*.attn.attns.*.pos.pos_proj",
        "layers.*.blocks.*.attn.attns.*.pos.pos*.*",
        "layers.*.blocks.*.attn.reduction1",
        "layers.*.blocks.*.attn.dwconv",
        "layers.*.blocks.*.attn.conv",
        "layers.*.blocks.*.attn.norm_act.0",
        "layers.*.blocks.*.attn.q",
        "layers.*.blocks.*.attn.k",
        "layers.*.blocks.*.attn.v",
        "layers.*.blocks.*.attn.cpe",
        "layers.*.blocks.*.mlp.fc*",
        "layers.*.blocks.*.mlp.sg.norm",
        "layers.*.blocks.*.mlp.sg.conv";
        "layers.*.blocks.*.gamma",
        "layers.*.blocks.*.attn.attns.*.rpe_biases",
        "layers.*.blocks.*.attn.attns.*.relative_position_index",
        "layers.*.blocks.*.attn.attn_mask_*",
    ),
}];

/// How often keys and values are shrunk to a quarter of their sides. The reference does so once more from 1024 pixels
/// on, which a network of fixed operations cannot; it is a matter of cost.
const REDUCTIONS: usize = 2;
const REDUCTION: usize = 4;

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [channels, in_channels, _, _] = layers.conv_shape("conv_first")?;
    let (scale, _) = layers.shuffles("upsample")?;
    let prefix = "layers.0.blocks.0.attn.attns.0";
    let [pixels, _] = layers.shape(&format!("{prefix}.relative_position_index"))?;
    let [offsets, _] = layers.shape(&format!("{prefix}.rpe_biases"))?;
    let split = Rectangles::sides(&layers, pixels, offsets)?;
    let (mut depths, mut heads, mut c_ratio) = (Vec::new(), Vec::new(), None);
    for group in 0..layers.sequence("layers.")? {
        let depth = layers.sequence(&format!("layers.{group}.blocks."))?;
        let key = format!("layers.{group}.blocks.0.attn.attns.0.pos.pos3.2.weight");
        let [half, _] = layers.shape(&key)?;
        heads.push(if channels.is_multiple_of(2 * half) { 2 * half } else { 2 * half + 1 });
        if depth > 1 && c_ratio.is_none() {
            let [out, input, _, _] = layers.conv_shape(&format!("layers.{group}.blocks.1.attn.conv"))?;
            c_ratio = Some(ratio(out, input));
        }
        depths.push(depth);
    }
    let c_ratio = c_ratio.unwrap_or(0.5);
    let frame = Frame {
        in_channels,
        out_channels: in_channels,
        channels,
        heads,
        range: Some(1.0),
        residual: Residual::of(&layers, Residual::Three),
        upsampler: Upsampler::PixelShuffle,
        scale,
    };
    let [hidden, mlp_in] = layers.shape("layers.0.blocks.0.mlp.fc1.weight")?;

    let begun = frame.begin(&mut layers)?;
    let mut x = layers.layer_norm("before_RG.1", begun.first, channels)?;
    for (group, &depth) in depths.iter().enumerate() {
        let skip = x;
        for index in 0..depth {
            let name = format!("layers.{group}.blocks.{index}");
            let normed = layers.layer_norm(&format!("{name}.norm1"), x, channels)?;
            let attention = format!("{name}.attn");
            let attended = if index % 2 == 0 {
                let rectangles = Rectangles { channels, heads: frame.heads[group] / 2, split };
                local(&mut layers, &attention, normed, rectangles, is_shifted(group, index))?
            } else {
                recursive(&mut layers, &attention, normed, [channels, frame.heads[group]], c_ratio)?
            };
            let y = layers.add(format!("{attention}/add"), x, attended);
            let normed = layers.layer_norm(&format!("{name}.norm2"), y, channels)?;
            let fed = gated_mlp(&mut layers, &format!("{name}.mlp"), normed, [channels, hidden])?;
            let y = layers.add(format!("{name}.mlp/add"), y, fed);
            let x_scaled = layers.scaled(&format!("{name}.gamma"), x, &[channels])?;
            x = layers.add(format!("{name}/add"), y, x_scaled);
        }
        x = frame.end_group(&mut layers, group, x, skip)?;
    }
    x = frame.end(&mut layers, x, &begun)?;

    let size_rule = SizeRule { minimum: 16, ..SizeRule::default() };

    let mut hyperparameters = frame.hyperparameters(&layers, "layers.0.blocks.0.attn.qkv.bias");
    hyperparameters.extend(of_training());
    hyperparameters.extend([
        ("img_size", json!(64)),
        ("depth", json!(depths)),
        ("mlp_ratio", json!(ratio(hidden, mlp_in))),
        ("qk_scale", json!(null)),
        ("act_layer", json!("<GELU>")),
        ("use_chk", json!(false)),
        ("split_size", json!(split)),
        ("c_ratio", json!(c_ratio)),
    ]);
    Ok(layers.finish(x, size_rule, Vec::new(), hyperparameters))
}

/// Attention in rectangles, with a convolution of the values added.
fn local(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    rectangles: Rectangles,
    shifted: bool,
) -> Result<NodeId, ModelError> {
    rectangles.check(layers)?;
    let channels = rectangles.channels;
    let qkv = layers.linear(&format!("{name}.qkv"), x, [3 * channels, channels])?;
    let attended = rectangles.padded_attention(layers, name, qkv, shifted)?;
    let v = layers.channels(format!("{name}/part"), qkv, 2 * channels..2 * channels + channels);
    let convolved = layers.depthwise(&format!("{name}.get_v"), v, channels, 3)?;
    let sum = layers.add(format!("{name}/add"), attended, convolved);
    layers.linear(&format!("{name}.proj"), sum, [channels, channels])
}

/// Attention to the shrunk picture.
fn recursive(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    [channels, heads]: [usize; 2],
    c_ratio: f64,
) -> Result<NodeId, ModelError> {
    let [narrow, _, _, _] = layers.conv_shape(&format!("{name}.conv"))?;
    if heads == 0 || !channels.is_multiple_of(heads) || !narrow.is_multiple_of(heads) {
        return Err(
            layers.problem(format!("{channels} and {narrow} channels cannot be split into {heads} heads"))
        );
    }
    let key = format!("{name}.reduction1");
    let weight = layers.weight(&format!("{key}.weight"), &[channels, 1, REDUCTION, REDUCTION])?;
    let bias_key = format!("{key}.bias");
    let bias = if layers.has(&bias_key) { Some(layers.weight(&bias_key, &[channels])?) } else { None };
    let (stride, padding) = ([REDUCTION; 2], Padding::default());
    let reduction = Op::Conv2d { weight, bias, stride, padding, dilation: [1, 1], groups: channels };
    let mut small = x;
    for _ in 0..REDUCTIONS {
        small = layers.push(&key, reduction.clone(), &[small]);
    }
    small = layers.depthwise(&format!("{name}.dwconv"), small, channels, 3)?;
    small = layers.conv(&format!("{name}.conv"), small, [narrow, channels], 1)?;
    small = layers.layer_norm(&format!("{name}.norm_act.0"), small, narrow)?;
    small = layers.unary(&format!("{name}.norm_act.0"), UnaryOp::Gelu, small);
    let q = layers.linear(&format!("{name}.q"), x, [narrow, channels])?;
    let k = layers.linear(&format!("{name}.k"), small, [narrow, narrow])?;
    let v = layers.linear(&format!("{name}.v"), small, [channels, narrow])?;
    let convolved = layers.depthwise(&format!("{name}.cpe"), v, channels, 3)?;
    let v = layers.add(format!("{name}.cpe/add"), v, convolved);
    let scale = ((channels / heads) as f64 * c_ratio).powf(-0.5) as f32;
    let attention = Attention::blocks(heads, [1, 1], Scores::Dot(scale)).with_region(Region::Picture);
    let attended = layers.push(name, Op::Attention(attention), &[q, k, v]);
    layers.linear(&format!("{name}.proj"), attended, [channels, channels])
}
