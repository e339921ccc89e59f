//! HAT (hybrid attention transformer, <https://arxiv.org/abs/2205.04437>): windows as in SwinIR with a convolution
//! beside them, and a block with windows that overlap at the end of each group.

use super::keys::{Detection, KeyStyle, keys};
use super::layers::{Layers, ratio};
use super::window_transformer::{
    Frame, Residual, Swin, Upsampler, WindowAttention, channel_attention, depths_and_heads, head_scale, mlp,
    of_training, position_bias, python_number, window_of_index,
};
use super::{Architecture, Built};
use crate::{Attention, ModelError, ModelOptions, NodeId, Op, Scores, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "HAT", half_safe: false, detect, build };

const ID: &str = "HAT";

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "relative_position_index_SA",
        "conv_first.weight",
        "layers.0.residual_group.blocks.0.norm1.weight",
        "layers.0.residual_group.blocks.0.conv_block.cab.0.weight",
        "layers.0.residual_group.blocks.0.conv_block.cab.3.attention.1.weight",
        "layers.0.residual_group.overlap_attn.relative_position_bias_table",
        "layers.0.residual_group.overlap_attn.qkv.weight",
        "conv_last.weight",
    ],
    known: keys!(
        "conv_first", "patch_embed.norm", "norm", "conv_after_body", "conv_before_upsample.0", "upsample.*",
        "conv_last", "layers.*.conv",
        "layers.*.residual_group.blocks.*.norm*",
        "layers.*.residual_group.blocks.*.attn.qkv",
        "layers.*.residual_group.blocks.*.attn.proj",
        "layers.*.residual_group.blocks.*.conv_block.cab.*",
        "layers.*.residual_group.blocks.*.conv_block.cab.3.attention.*",
        "layers.*.residual_group.blocks.*.mlp.fc*",
        "layers.*.residual_group.overlap_attn.norm*",
        "layers.*.residual_group.overlap_attn.qkv",
        "layers.*.residual_group.overlap_attn.proj",
        "layers.*.residual_group.overlap_attn.mlp.fc*";
        "relative_position_index_SA", "relative_position_index_OCA",
        "layers.*.residual_group.blocks.*.attn.relative_position_bias_table",
        "layers.*.residual_group.blocks.*.attn.relative_position_index",
        "layers.*.residual_group.blocks.*.attn_mask",
        "layers.*.residual_group.overlap_attn.relative_position_bias_table",
    ),
}];

/// Side of the training patches; no file tells.
const IMG_SIZE: usize = 64;
/// What the convolution beside the windows is scaled by; no file tells.
const CONV_SCALE: f32 = 0.01;

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// Windows, and by how much their keys reach over them.
#[derive(Clone, Copy)]
struct Windows {
    side: usize,
    overlapping: usize,
}

impl Windows {
    fn of(layers: &Layers<'_>, heads: usize) -> Result<Self, ModelError> {
        let side = window_of_index(layers, "relative_position_index_SA")?;
        // The table has a row for each offset between a pixel of the window and one of the larger window.
        let key = "layers.0.residual_group.overlap_attn.relative_position_bias_table";
        let [rows, _] = layers.shape(key)?;
        let overlapping = (rows.isqrt() + 1).saturating_sub(side);
        if overlapping < side
            || overlapping > 2 * side
            || !(overlapping - side).is_multiple_of(2)
            || heads == 0
        {
            return Err(layers
                .problem(format!("keys from {overlapping} pixels around windows of {side} make no sense")));
        }
        Ok(Self { side, overlapping })
    }

    /// The constructor's overlap ratio: the first of the usual ones that makes this overlap.
    fn overlap_ratio(self) -> f64 {
        let side = self.side as f64;
        let usual = [0.0, 1.0, 0.5, 0.25, 0.75, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9];
        let fits = |ratio: &f64| (side + side * ratio) as usize == self.overlapping;
        usual.into_iter().find(fits).unwrap_or((self.overlapping as f64 - side) / side + 0.01)
    }
}

/// The constructor's divisor of `a` that makes `c` of it.
fn divisor(a: usize, c: usize) -> f64 {
    let exact = ratio(a, c);
    let makes = |b: f64| b > 0.0 && (a as f64 / b).floor() == c as f64;
    let whole = [exact.ceil(), exact.floor()].into_iter().find(|&b| makes(b));
    if exact.fract() == 0.0 {
        return exact;
    }
    whole.or([exact, exact - 0.01, exact + 0.01].into_iter().find(|&b| makes(b))).unwrap_or(exact)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [channels, in_channels, _, _] = layers.conv_shape("conv_first")?;
    let [_, features, _, _] = layers.conv_shape("conv_last")?;
    let (scale, _) = layers.shuffles("upsample")?;
    let (depths, heads) = depths_and_heads(&layers, "blocks", "overlap_attn.relative_position_bias_table")?;
    let windows = Windows::of(&layers, heads[0])?;
    let frame = Frame {
        in_channels,
        out_channels: in_channels,
        channels,
        heads,
        range: Some(1.0),
        residual: Residual::of(&layers, Residual::Identity),
        upsampler: Upsampler::PixelShuffle,
        scale,
    };
    let cab = "layers.0.residual_group.blocks.0.conv_block.cab";
    let [compressed, _, _, _] = layers.conv_shape(&format!("{cab}.0"))?;
    let [squeezed, _, _, _] = layers.conv_shape(&format!("{cab}.3.attention.1"))?;
    let [hidden, _] = layers.shape("layers.0.residual_group.blocks.0.mlp.fc1.weight")?;

    let begun = frame.begin(&mut layers)?;
    let mut x = frame.features(&mut layers, begun.first)?;
    for (group, &depth) in depths.iter().enumerate() {
        let skip = x;
        let prefix = format!("layers.{group}.residual_group");
        for index in 0..depth {
            let shift = if index % 2 == 1 && IMG_SIZE > windows.side { windows.side / 2 } else { 0 };
            let name = format!("{prefix}.blocks.{index}");
            x = block(&mut layers, &name, x, [channels, frame.heads[group]], [windows.side, shift])?;
        }
        x = overlapping_block(
            &mut layers,
            &format!("{prefix}.overlap_attn"),
            x,
            [channels, frame.heads[group]],
            windows,
        )?;
        x = frame.end_group(&mut layers, group, x, skip)?;
    }
    x = frame.end(&mut layers, x, &begun)?;

    let size_rule = SizeRule { minimum: 16, multiple_of: windows.side, ..SizeRule::default() };

    let compress_ratio = divisor(channels, compressed);
    let size = match depths.len() {
        9.. => "large",
        _ if compress_ratio > 4.0 => "small",
        _ => "medium",
    };
    let tags = vec![
        size.to_string(),
        format!("s{IMG_SIZE}w{}", windows.side),
        format!("{features}nf"),
        format!("{channels}dim"),
        frame.residual.name().to_string(),
    ];
    let overlap_ratio = windows.overlap_ratio();
    let swin = Swin {
        img_size: IMG_SIZE,
        depths: &depths,
        window: windows.side,
        mlp_ratio: ratio(hidden, channels),
    };
    let mut hyperparameters =
        frame.swin_hyperparameters(&layers, "layers.0.residual_group.blocks.0.attn.qkv.bias", swin);
    hyperparameters.extend(of_training());
    hyperparameters.extend([
        ("compress_ratio", python_number(compress_ratio)),
        ("squeeze_factor", python_number(divisor(channels, squeezed))),
        ("conv_scale", json!(0.01)),
        ("overlap_ratio", python_number(overlap_ratio)),
        ("qk_scale", json!(null)),
        ("use_checkpoint", json!(false)),
        ("num_feat", json!(features)),
    ]);
    Ok(layers.finish(x, size_rule, tags, hyperparameters))
}

/// Windows and, beside them, convolutions with channel attention.
fn block(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    [channels, heads]: [usize; 2],
    [window, shift]: [usize; 2],
) -> Result<NodeId, ModelError> {
    let normed = layers.layer_norm(&format!("{name}.norm1"), x, channels)?;
    let convolved = conv_block(layers, &format!("{name}.conv_block.cab"), normed, channels)?;
    let scale = UnaryOp::ScaleShift { scale: CONV_SCALE, shift: 0.0 };
    let convolved = layers.unary(&format!("{name}.conv_block"), scale, convolved);
    let prefix = format!("{name}.attn");
    let attended =
        WindowAttention { prefix: &prefix, channels, heads, window, shift }.apply(layers, normed)?;
    let x = layers.add(format!("{prefix}/add"), x, attended);
    let x = layers.add(format!("{name}.conv_block/add"), x, convolved);
    let normed = layers.layer_norm(&format!("{name}.norm2"), x, channels)?;
    let fed = mlp(layers, &format!("{name}.mlp"), normed, channels)?;
    Ok(layers.add(format!("{name}.mlp/add"), x, fed))
}

fn conv_block(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
    let [narrow, _, _, _] = layers.conv_shape(&format!("{name}.0"))?;
    let x = layers.conv(&format!("{name}.0"), x, [narrow, channels], 3)?;
    let x = layers.unary(&format!("{name}.0"), UnaryOp::Gelu, x);
    let x = layers.conv(&format!("{name}.2"), x, [channels, narrow], 3)?;
    channel_attention(layers, &format!("{name}.3.attention"), x, channels)
}

/// Windows whose keys reach over them on all sides.
fn overlapping_block(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    [channels, heads]: [usize; 2],
    Windows { side, overlapping }: Windows,
) -> Result<NodeId, ModelError> {
    let normed = layers.layer_norm(&format!("{name}.norm1"), x, channels)?;
    let qkv = layers.linear(&format!("{name}.qkv"), normed, [3 * channels, channels])?;
    let qkv = layers.chunks::<3>(name, qkv, channels);
    let key = format!("{name}.relative_position_bias_table");
    let rows = side + overlapping - 1;
    let table = layers.values(&key, &[rows * rows, heads])?;
    let row = |query: usize, key: usize| {
        // The reference shifts offsets by less than the smallest of them, and an index below zero counts from the
        // table's end.
        let offset = |query: usize, key: usize| (key + 1 + side) as i64 - (query + overlapping) as i64;
        let down = offset(query / side, key / overlapping);
        let across = offset(query % side, key % overlapping);
        (down * rows as i64 + across).rem_euclid((rows * rows) as i64) as usize
    };
    let bias = position_bias(layers, &key, &table, heads, [side * side, overlapping * overlapping], row)?;
    let scale = head_scale(layers, channels, heads)?;
    let attention = Attention {
        key_margin: [(overlapping - side) / 2; 2],
        ..Attention::blocks(heads, [side; 2], Scores::Dot(scale)).with_bias(bias)
    };
    let attended = layers.push(name, Op::Attention(attention), &qkv);
    let attended = layers.linear(&format!("{name}.proj"), attended, [channels, channels])?;
    let x = layers.add(format!("{name}/add"), attended, x);
    let normed = layers.layer_norm(&format!("{name}.norm2"), x, channels)?;
    let fed = mlp(layers, &format!("{name}.mlp"), normed, channels)?;
    Ok(layers.add(format!("{name}.mlp/add"), x, fed))
}
