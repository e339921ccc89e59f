//! SRFormer (permuted self-attention, <https://arxiv.org/abs/2303.09735>): large windows at a bearable price: keys and
//! values have a quarter of the channels, and four pixels of them make one with all channels.

use super::dctlsa::turn;
use super::keys::{Detection, KeyStyle, keys};
use super::layers::{Layers, ratio};
use super::window_transformer::{
    Frame, MAX_WINDOW, Residual, Swin, Upsampler, depths_and_heads, head_scale, masked_size, of_training,
    offset_row, position_bias, size_tag,
};
use super::{Architecture, Built};
use crate::{Attention, ModelError, ModelOptions, NodeId, Op, Padding, Scores, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "SRFormer", half_safe: false, detect, build };

const ID: &str = "SRFormer";

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "conv_first.weight",
        "layers.0.residual_group.blocks.0.norm1.weight",
        "layers.0.residual_group.blocks.0.attn.aligned_relative_position_index",
        "layers.0.residual_group.blocks.0.mlp.fc1.weight",
    ],
    known: keys!(
        "conv_first", "patch_embed.norm", "norm", "conv_after_body", "conv_after_body.*", "conv_before_upsample.0",
        "upsample.*", "conv_up*", "conv_hr", "conv_last", "layers.*.conv", "layers.*.conv.*",
        "layers.*.residual_group.blocks.*.norm*",
        "layers.*.residual_group.blocks.*.attn.q",
        "layers.*.residual_group.blocks.*.attn.kv",
        "layers.*.residual_group.blocks.*.attn.proj",
        "layers.*.residual_group.blocks.*.mlp.fc*",
        "layers.*.residual_group.blocks.*.mlp.dwconv.depthwise_conv.0";
        "layers.*.residual_group.blocks.*.attn.relative_position_bias_table",
        "layers.*.residual_group.blocks.*.attn.aligned_relative_position_index",
        "layers.*.residual_group.blocks.*.attn_mask",
    ),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// Pixels of keys along each side that make one.
const PERMUTED: usize = 2;

/// The constructor's patch size: patches are rounded up to whole windows, so the first usual one that is rounded to
/// what a mask tells.
fn img_size(rounded: usize, window: usize) -> usize {
    let usual = [512, 256, 128, 96, 64, 48, 32, 24, 16];
    usual.into_iter().find(|n: &usize| n.next_multiple_of(window) == rounded).unwrap_or(rounded)
}

fn upsampler(layers: &Layers<'_>, in_channels: usize) -> Result<(Upsampler, usize), ModelError> {
    Ok(if layers.has("conv_hr.weight") {
        (Upsampler::NearestConv, 4)
    } else if layers.has("conv_before_upsample.0.weight") {
        (Upsampler::PixelShuffle, layers.shuffles("upsample")?.0)
    } else if layers.has("upsample.0.weight") {
        (Upsampler::Direct, layers.direct_scale("upsample.0", in_channels)?)
    } else {
        (Upsampler::None, 1)
    })
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [channels, in_channels, _, _] = layers.conv_shape("conv_first")?;
    let (upsampler, scale) = upsampler(&layers, in_channels)?;
    let table = "blocks.0.attn.relative_position_bias_table";
    let (depths, heads) = depths_and_heads(&layers, "blocks", table)?;
    let [rows, _] = layers.shape(&format!("layers.0.residual_group.{table}"))?;
    let window = rows.isqrt() + 1;
    if window % PERMUTED == 1 || window > MAX_WINDOW || channels % 4 != 0 {
        return Err(
            layers.problem(format!("windows of {window} pixels with {channels} channels make no sense"))
        );
    }
    let mask = "layers.0.residual_group.blocks.1.attn_mask";
    let rounded = masked_size(&layers, mask, window)?.unwrap_or(window);
    // Patches of one window are not shifted.
    let shift = if rounded > window { window / 2 } else { 0 };
    let frame = Frame {
        in_channels,
        out_channels: in_channels,
        channels,
        heads,
        range: Some(1.0),
        residual: Residual::of(&layers, Residual::Three),
        upsampler,
        scale,
    };
    let [hidden, _] = layers.shape("layers.0.residual_group.blocks.0.mlp.fc1.weight")?;

    let begun = frame.begin(&mut layers)?;
    let mut x = frame.features(&mut layers, begun.first)?;
    for (group, &depth) in depths.iter().enumerate() {
        let skip = x;
        for index in 0..depth {
            let name = format!("layers.{group}.residual_group.blocks.{index}");
            let shift = if index % 2 == 1 { shift } else { 0 };
            let normed = layers.layer_norm(&format!("{name}.norm1"), x, channels)?;
            let sizes = [channels, frame.heads[group]];
            let attended =
                permuted_attention(&mut layers, &format!("{name}.attn"), normed, sizes, [window, shift])?;
            x = layers.add(format!("{name}.attn/add"), x, attended);
            let normed = layers.layer_norm(&format!("{name}.norm2"), x, channels)?;
            let fed = conv_mlp(&mut layers, &format!("{name}.mlp"), normed, channels)?;
            x = layers.add(format!("{name}.mlp/add"), x, fed);
        }
        x = frame.end_group(&mut layers, group, x, skip)?;
    }
    x = frame.end(&mut layers, x, &begun)?;

    let size_rule = SizeRule { minimum: 16, multiple_of: window, ..SizeRule::default() };

    let img_size = img_size(rounded, window);
    let tags = vec![
        size_tag(depths.len()),
        format!("s{img_size}w{window}"),
        format!("{channels}dim"),
        frame.residual.name().to_string(),
    ];
    let swin = Swin { img_size, depths: &depths, window, mlp_ratio: ratio(hidden, channels) };
    let mut hyperparameters =
        frame.swin_hyperparameters(&layers, "layers.0.residual_group.blocks.0.attn.q.bias", swin);
    hyperparameters.extend(of_training());
    hyperparameters.extend([("qk_scale", json!(null)), ("use_checkpoint", json!(false))]);
    Ok(layers.finish(x, size_rule, tags, hyperparameters))
}

fn permuted_attention(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    [channels, heads]: [usize; 2],
    [window, shift]: [usize; 2],
) -> Result<NodeId, ModelError> {
    let q = layers.linear(&format!("{name}.q"), x, [channels, channels])?;
    // Pixels are put together within the shifted windows, so by an odd shift those from one pixel earlier on. The
    // picture is a torus there: the first and the last row and column meet in a key.
    let from = if shift % PERMUTED == 1 { turn(layers, &format!("{name}/turned"), x, -1) } else { x };
    let [k, v] = [0, 1].map(|i| gathered(layers, &format!("{name}.kv"), from, channels, i));
    let small = window / PERMUTED;
    let key = format!("{name}.relative_position_bias_table");
    let table = layers.values(&key, &[(2 * small - 1).pow(2), heads])?;
    let row = |query: usize, key: usize| {
        let small_query = query / window / PERMUTED * small + query % window / PERMUTED;
        offset_row([small; 2], small_query, key)
    };
    let bias = position_bias(layers, &key, &table, heads, [window * window, small * small], row)?;
    let attention = Attention {
        key_factor: PERMUTED,
        shift: [shift; 2],
        ..Attention::blocks(heads, [window; 2], Scores::Dot(head_scale(layers, channels, heads)?))
            .with_bias(bias)
    };
    let attended = layers.push(name, Op::Attention(attention), &[q, k?, v?]);
    layers.linear(&format!("{name}.proj"), attended, [channels, channels])
}

/// Keys (half 0) or values (half 1): a quarter of the channels for each pixel, and those of 2 x 2 pixels one after
/// another, as one convolution.
fn gathered(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
    half: usize,
) -> Result<NodeId, ModelError> {
    let quarter = channels / 4;
    let matrix = layers.values(&format!("{name}.weight"), &[2 * quarter, channels])?;
    let taps = PERMUTED * PERMUTED;
    let mut data = vec![0.0; channels * channels * taps];
    for (out, kernels) in data.chunks_exact_mut(channels * taps).enumerate() {
        let (tap, row) = (out / quarter, half * quarter + out % quarter);
        for (kernel, &weight) in kernels.chunks_exact_mut(taps).zip(&matrix[row * channels..]) {
            kernel[tap] = weight;
        }
    }
    let shape = [channels, channels, PERMUTED, PERMUTED];
    let weight = layers.made_weight(format!("{name}.weight (gathered)"), &shape, data);
    let key = format!("{name}.bias");
    let bias = if layers.has(&key) {
        let bias = layers.values(&key, &[2 * quarter])?;
        let data = bias[half * quarter..][..quarter].repeat(taps);
        Some(layers.made_weight(format!("{key} (gathered)"), &[channels], data))
    } else {
        None
    };
    let stride = [PERMUTED; 2];
    let op = Op::Conv2d { weight, bias, stride, padding: Padding::default(), dilation: [1, 1], groups: 1 };
    Ok(layers.push(format!("{name}/{half}"), op, &[x]))
}

/// Two linear layers and, between them, a depthwise convolution added to what it is made of.
pub(super) fn conv_mlp(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let [hidden, _] = layers.shape(&format!("{name}.fc1.weight"))?;
    let x = layers.linear(&format!("{name}.fc1"), x, [hidden, channels])?;
    let x = layers.unary(&format!("{name}.fc1"), UnaryOp::Gelu, x);
    let conv = format!("{name}.dwconv.depthwise_conv.0");
    let [_, _, kernel, _] = layers.conv_shape(&conv)?;
    if kernel.is_multiple_of(2) {
        return Err(layers.problem(format!("{conv} is {kernel} pixels wide, where an odd number is needed")));
    }
    let convolved = layers.depthwise(&conv, x, hidden, kernel)?;
    let convolved = layers.unary(&conv, UnaryOp::Gelu, convolved);
    let x = layers.add(format!("{name}/add"), x, convolved);
    layers.linear(&format!("{name}.fc2"), x, [channels, hidden])
}
