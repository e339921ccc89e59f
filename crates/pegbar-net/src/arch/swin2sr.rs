//! Swin2SR (<https://arxiv.org/abs/2209.11345>): SwinIR with cosine scores, a position bias made by a small network,
//! and norms behind the layers instead of before them.

use super::keys::{Detection, KeyStyle, keys};
use super::layers::{Layers, ratio};
use super::window_transformer::{
    Frame, Residual, Swin, Upsampler, head_scale, img_range, masked_size, mlp, of_training, offset_row,
    position_bias, score_factors, size_tag, window_of_index,
};
use super::{Architecture, Built};
use crate::{
    Attention, ModelError, ModelOptions, NodeId, Op, ResizeMode, ResizeTarget, Scores, SizeRule, UnaryOp,
};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "Swin2SR", half_safe: false, detect, build };

const ID: &str = "Swin2SR";

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "conv_first.weight",
        "patch_embed.proj.weight",
        "layers.0.residual_group.blocks.0.norm1.weight",
        "layers.0.residual_group.blocks.0.attn.logit_scale",
        "layers.0.residual_group.blocks.0.attn.relative_position_index",
        "layers.0.residual_group.blocks.0.mlp.fc1.weight",
    ],
    known: keys!(
        "conv_first", "patch_embed.proj", "patch_embed.norm", "norm", "conv_after_body", "conv_after_body.*",
        "conv_before_upsample.0", "upsample.*", "conv_up*", "conv_hr", "conv_last", "conv_bicubic", "conv_aux",
        "conv_after_aux.0", "layers.*.conv", "layers.*.conv.*", "layers.*.patch_embed.proj",
        "layers.*.residual_group.blocks.*.norm*",
        "layers.*.residual_group.blocks.*.attn.cpb_mlp.*",
        "layers.*.residual_group.blocks.*.attn.qkv",
        "layers.*.residual_group.blocks.*.attn.proj",
        "layers.*.residual_group.blocks.*.mlp.fc*";
        "layers.*.residual_group.blocks.*.attn.logit_scale",
        "layers.*.residual_group.blocks.*.attn.q_bias",
        "layers.*.residual_group.blocks.*.attn.v_bias",
        "layers.*.residual_group.blocks.*.attn.relative_coords_table",
        "layers.*.residual_group.blocks.*.attn.relative_position_index",
        "layers.*.residual_group.blocks.*.attn_mask",
    ),
}];

/// Position biases lie between zero and this.
const LARGEST_BIAS: f64 = 16.0;

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [channels, in_channels, _, _] = layers.conv_shape("conv_first")?;
    let [_, _, patch, _] = layers.conv_shape("patch_embed.proj")?;
    if patch != 1 {
        return Err(layers.problem(format!("patches of {patch} pixels are not put together again")));
    }
    // Auxiliary: the enlarged input is added before the last convolution.
    let auxiliary = layers.has("conv_bicubic.weight");
    let (upsampler, scale) = if layers.has("conv_hr.weight") && !auxiliary {
        (Upsampler::NearestConv, 4)
    } else if layers.has("conv_before_upsample.0.weight") {
        (Upsampler::PixelShuffle, layers.shuffles("upsample")?.0)
    } else if layers.has("upsample.0.weight") {
        (Upsampler::Direct, layers.direct_scale("upsample.0", in_channels)?)
    } else {
        (Upsampler::None, 1)
    };
    let (mut depths, mut heads) = (Vec::new(), Vec::new());
    for group in 0..layers.sequence("layers.")? {
        let prefix = format!("layers.{group}.residual_group.blocks");
        depths.push(layers.sequence(&format!("{prefix}."))?);
        let [n, _, _] = layers.shape(&format!("{prefix}.0.attn.logit_scale"))?;
        heads.push(n);
    }
    let index = "layers.0.residual_group.blocks.0.attn.relative_position_index";
    let window = window_of_index(&layers, index)?;
    let mask = "layers.0.residual_group.blocks.1.attn_mask";
    let img_size = masked_size(&layers, mask, window)?.unwrap_or(window);
    // Patches of one window are not shifted.
    let shift = if img_size > window { window / 2 } else { 0 };
    let residual = if layers.has("conv_after_body.0.weight") { Residual::Three } else { Residual::One };
    let range = Some(img_range(window));
    let out_channels = in_channels;
    let frame = Frame { in_channels, out_channels, channels, heads, range, residual, upsampler, scale };
    let [hidden, _] = layers.shape("layers.0.residual_group.blocks.0.mlp.fc1.weight")?;

    let begun = frame.begin(&mut layers)?;
    let embedded = layers.conv("patch_embed.proj", begun.first, [channels, channels], 1)?;
    let mut x = frame.features(&mut layers, embedded)?;
    for (group, &depth) in depths.iter().enumerate() {
        let skip = x;
        for index in 0..depth {
            let prefix = format!("layers.{group}.residual_group.blocks.{index}");
            let shift = if index % 2 == 1 { shift } else { 0 };
            x = block(&mut layers, &prefix, x, [channels, frame.heads[group]], [window, shift])?;
        }
        let name = format!("layers.{group}");
        x = residual.apply(&mut layers, &format!("{name}.conv"), x, channels)?;
        x = layers.conv(&format!("{name}.patch_embed.proj"), x, [channels, channels], 1)?;
        x = layers.add(format!("{name}/add"), x, skip);
    }
    x = if auxiliary {
        let features = frame.end_body(&mut layers, x, &begun)?;
        let made = auxiliary_tail(&mut layers, features, begun.picture, [channels, in_channels], scale)?;
        frame.left(&mut layers, made)
    } else {
        frame.end(&mut layers, x, &begun)?
    };

    let size_rule = SizeRule { minimum: 16, multiple_of: window, ..SizeRule::default() };

    let tags = vec![
        size_tag(depths.len()),
        format!("s{img_size}w{window}"),
        format!("{channels}dim"),
        residual.name().to_string(),
    ];
    let swin = Swin { img_size, depths: &depths, window, mlp_ratio: ratio(hidden, channels) };
    let mut hyperparameters =
        frame.swin_hyperparameters(&layers, "layers.0.residual_group.blocks.0.attn.q_bias", swin);
    hyperparameters.extend(of_training());
    hyperparameters.extend([
        ("use_checkpoint", json!(false)),
        ("upsampler", json!(if auxiliary { "pixelshuffle_aux" } else { upsampler.name() })),
    ]);
    Ok(layers.finish(x, size_rule, tags, hyperparameters))
}

/// Attention and two layers, each normalised and then added.
fn block(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    [channels, heads]: [usize; 2],
    [window, shift]: [usize; 2],
) -> Result<NodeId, ModelError> {
    let name = format!("{prefix}.attn");
    let qkv = qkv(layers, &name, x, channels)?;
    let qkv = layers.chunks::<3>(&name, qkv, channels);
    head_scale(layers, channels, heads)?;
    let factors = score_factors(layers, &format!("{name}.logit_scale"), &[heads, 1, 1])?;
    let table = bias_table(layers, &name, window, heads)?;
    let row = |query, key| offset_row([window; 2], query, key);
    let bias = position_bias(layers, &format!("{name}.cpb_mlp"), &table, heads, [window * window; 2], row)?;
    let attention = Attention::blocks(heads, [window; 2], Scores::Cosine(factors)).with_bias(bias);
    let attended = layers.push(&name, Op::Attention(attention.with_shift([shift; 2])), &qkv);
    let attended = layers.linear(&format!("{name}.proj"), attended, [channels, channels])?;
    let normed = layers.layer_norm(&format!("{prefix}.norm1"), attended, channels)?;
    let x = layers.add(format!("{name}/add"), x, normed);
    let name = format!("{prefix}.mlp");
    let fed = mlp(layers, &name, x, channels)?;
    let normed = layers.layer_norm(&format!("{prefix}.norm2"), fed, channels)?;
    Ok(layers.add(format!("{name}/add"), x, normed))
}

/// Queries, keys and values; keys have no bias.
fn qkv(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
    if !layers.has(&format!("{name}.q_bias")) {
        return layers.linear(&format!("{name}.qkv"), x, [3 * channels, channels]);
    }
    let mut data = layers.values(&format!("{name}.q_bias"), &[channels])?;
    data.resize(2 * channels, 0.0);
    data.extend(layers.values(&format!("{name}.v_bias"), &[channels])?);
    let key = format!("{name}.qkv.weight");
    let weight = layers.reshaped(&key, &[3 * channels, channels], &[3 * channels, channels, 1, 1])?;
    let bias = layers.made_weight(format!("{name}.qkv.bias (joined)"), &[3 * channels], data);
    Ok(layers.push_conv(&format!("{name}.qkv"), x, weight, Some(bias), 1))
}

/// The network of the position biases, run over the offsets a file lists.
fn bias_table(layers: &Layers<'_>, name: &str, window: usize, heads: usize) -> Result<Vec<f32>, ModelError> {
    let side = 2 * window - 1;
    let offsets = layers.values(&format!("{name}.relative_coords_table"), &[1, side, side, 2])?;
    small_network(layers, &format!("{name}.cpb_mlp"), &offsets, heads)
}

/// Two linear layers with ReLU between on pairs of numbers, and a sigmoid up to [`LARGEST_BIAS`].
pub(super) fn small_network(
    layers: &Layers<'_>,
    name: &str,
    pairs: &[f32],
    heads: usize,
) -> Result<Vec<f32>, ModelError> {
    let [hidden, _] = layers.shape(&format!("{name}.0.weight"))?;
    let first = layers.values(&format!("{name}.0.weight"), &[hidden, 2])?;
    let bias = layers.values(&format!("{name}.0.bias"), &[hidden])?;
    let second = layers.values(&format!("{name}.2.weight"), &[heads, hidden])?;
    let mut table = Vec::with_capacity(pairs.len() / 2 * heads);
    for pair in pairs.chunks_exact(2) {
        let [down, across] = [f64::from(pair[0]), f64::from(pair[1])];
        let values: Vec<f64> = first
            .chunks_exact(2)
            .zip(&bias)
            .map(|(w, &b)| (f64::from(w[0]) * down + f64::from(w[1]) * across + f64::from(b)).max(0.0))
            .collect();
        for weights in second.chunks_exact(hidden) {
            let sum: f64 = weights.iter().zip(&values).map(|(&w, v)| f64::from(w) * v).sum();
            table.push((LARGEST_BIAS / (1.0 + (-sum).exp())) as f32);
        }
    }
    Ok(table)
}

/// A small picture is made first, then the large one of it, with the enlarged input. (The reference enlarges a picture
/// it had to continue to whole windows to the size without, and so distorts it; that is not done here.)
fn auxiliary_tail(
    layers: &mut Layers<'_>,
    x: NodeId,
    picture: NodeId,
    [channels, out]: [usize; 2],
    scale: usize,
) -> Result<NodeId, ModelError> {
    const LEAKY: UnaryOp = UnaryOp::LeakyRelu(0.01);
    let [features, _, _, _] = layers.conv_shape("conv_before_upsample.0")?;
    let target = ResizeTarget::Scale { height: [scale, 1], width: [scale, 1] };
    let mode = ResizeMode::Bicubic { align_corners: false, a: -0.75 };
    let enlarged = layers.push("bicubic", Op::Resize { mode, target }, &[picture]);
    let enlarged = layers.conv("conv_bicubic", enlarged, [features, out], 3)?;
    let x = layers.conv("conv_before_upsample.0", x, [features, channels], 3)?;
    let x = layers.unary("conv_before_upsample", LEAKY, x);
    let x = layers.conv("conv_aux", x, [out, features], 3)?;
    let x = layers.conv("conv_after_aux.0", x, [features, out], 3)?;
    let x = layers.unary("conv_after_aux", LEAKY, x);
    let x = layers.push_shuffles("upsample", x, features)?;
    let x = layers.add("upsample/add", x, enlarged);
    layers.conv("conv_last", x, [out, features], 3)
}
