//! SCUNet (Swin-Conv-UNet, <https://arxiv.org/abs/2203.13278>): a U-Net whose blocks send half of the channels through
//! two convolutions, the other half through windowed attention.

use super::keys::{Detection, KeyStyle, count};
use super::layers::{Conv, Layers};
use super::{Architecture, Built};
use crate::{Attention, ModelError, ModelOptions, NodeId, Op, Scores, SizeRule, UnaryOp, WeightId};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "SCUNet", half_safe: true, detect, build };

const ID: &str = "SCUNet";

const WINDOW: usize = 8;
const HEAD_CHANNELS: usize = 32;

macro_rules! block_keys {
    ($($prefix:literal),*) => {
        &[
            "m_head.0.weight", "m_tail.0.weight", "m_down*.*.weight", "m_up*.*.weight",
            $(
                concat!($prefix, ".trans_block.ln1.weight"), concat!($prefix, ".trans_block.ln1.bias"),
                concat!($prefix, ".trans_block.ln2.weight"), concat!($prefix, ".trans_block.ln2.bias"),
                concat!($prefix, ".trans_block.msa.relative_position_params"),
                concat!($prefix, ".trans_block.msa.embedding_layer.weight"),
                concat!($prefix, ".trans_block.msa.embedding_layer.bias"),
                concat!($prefix, ".trans_block.msa.linear.weight"),
                concat!($prefix, ".trans_block.msa.linear.bias"),
                concat!($prefix, ".trans_block.mlp.*.weight"), concat!($prefix, ".trans_block.mlp.*.bias"),
                concat!($prefix, ".conv1_1.weight"), concat!($prefix, ".conv1_1.bias"),
                concat!($prefix, ".conv1_2.weight"), concat!($prefix, ".conv1_2.bias"),
                concat!($prefix, ".conv_block.*.weight"),
            )*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "m_head.0.weight",
        "m_tail.0.weight",
        "m_down1.*.weight",
        "m_down2.*.weight",
        "m_down3.*.weight",
        "m_up3.0.weight",
        "m_up2.0.weight",
        "m_up1.0.weight",
    ],
    known: block_keys!("m_down*.*", "m_body.*", "m_up*.*"),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [dim, in_channels, _, _] = layers.conv_shape("m_head.0")?;
    // Beside the blocks, all but the body have one layer that resizes.
    let blocks = |stage: &str| count(state_dict, &format!("{stage}.")).saturating_sub(1);
    let body = count(state_dict, "m_body.");
    let config = [
        blocks("m_down1"),
        blocks("m_down2"),
        blocks("m_down3"),
        body,
        blocks("m_up3"),
        blocks("m_up2"),
        blocks("m_up1"),
    ];

    let input = layers.input(in_channels);
    let mut x = layers.conv("m_head.0", input, [dim, in_channels], 3)?;
    let mut skips = vec![x];
    let mut channels = dim;
    for level in 1..=3 {
        let (stage, n) = (format!("m_down{level}"), config[level - 1]);
        x = stage_blocks(&mut layers, &stage, 0..n, x, channels)?;
        x = layers.conv_of(
            &format!("{stage}.{n}"),
            x,
            [2 * channels, channels],
            Conv::same(2).stride(2, 0),
        )?;
        channels *= 2;
        skips.push(x);
    }
    x = stage_blocks(&mut layers, "m_body", 0..body, x, channels)?;
    for level in (1..=3).rev() {
        let (stage, n) = (format!("m_up{level}"), config[7 - level]);
        x = layers.add(format!("{stage}/skip"), x, skips[level]);
        x = layers.conv_transposed(&format!("{stage}.0"), x, [channels / 2, channels], [2, 2, 0])?;
        channels /= 2;
        x = stage_blocks(&mut layers, &stage, 1..n + 1, x, channels)?;
    }
    x = layers.add("m_tail/skip", x, skips[0]);
    x = layers.conv("m_tail.0", x, [in_channels, dim], 3)?;

    let size_rule = SizeRule { minimum: 40, multiple_of: 64, ..SizeRule::default() };

    Ok(layers.finish(
        x,
        size_rule,
        Vec::new(),
        [
            ("in_nc", json!(in_channels)),
            ("config", json!(config)),
            ("dim", json!(dim)),
            ("drop_path_rate", json!(0.0)),
            ("input_resolution", json!(256)),
        ],
    ))
}

/// Blocks, of which every second has its windows shifted by half.
fn stage_blocks(
    layers: &mut Layers<'_>,
    stage: &str,
    indices: std::ops::Range<usize>,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let (mut x, first) = (x, indices.start);
    for index in indices {
        let shifted = (index - first) % 2 == 1;
        x = block(layers, &format!("{stage}.{index}"), x, channels, shifted)?;
    }
    Ok(x)
}

fn block(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
    shifted: bool,
) -> Result<NodeId, ModelError> {
    let half = channels / 2;
    let y = layers.conv(&format!("{name}.conv1_1"), x, [channels; 2], 1)?;
    let [convs, attends] = layers.chunks(name, y, half);
    let mut y = layers.conv(&format!("{name}.conv_block.0"), convs, [half; 2], 3)?;
    y = layers.unary(&format!("{name}.conv_block.0"), UnaryOp::Relu, y);
    y = layers.conv(&format!("{name}.conv_block.2"), y, [half; 2], 3)?;
    let convs = layers.add(format!("{name}.conv_block"), y, convs);
    let attends = transformer(layers, &format!("{name}.trans_block"), attends, half, shifted)?;
    let y = layers.concat(format!("{name}/join"), &[convs, attends]);
    let y = layers.conv(&format!("{name}.conv1_2"), y, [channels; 2], 1)?;
    Ok(layers.add(name, x, y))
}

fn transformer(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
    shifted: bool,
) -> Result<NodeId, ModelError> {
    let norm = layers.layer_norm(&format!("{name}.ln1"), x, channels)?;
    let msa = format!("{name}.msa");
    let qkv = layers.linear(&format!("{msa}.embedding_layer"), norm, [3 * channels, channels])?;
    let [q, k, v] = layers.chunks(&msa, qkv, channels);
    if !channels.is_multiple_of(HEAD_CHANNELS) {
        return Err(layers.problem(format!("{name} has {channels} channels, no multiple of {HEAD_CHANNELS}")));
    }
    let heads = channels / HEAD_CHANNELS;
    let bias = position_bias(layers, &format!("{msa}.relative_position_params"), heads)?;
    let scores = Scores::Dot((HEAD_CHANNELS as f32).sqrt().recip());
    let shift = if shifted { [WINDOW / 2; 2] } else { [0; 2] };
    let attention = Attention::blocks(heads, [WINDOW; 2], scores).with_bias(bias).with_shift(shift);
    let y = layers.push(&msa, Op::Attention(attention), &[q, k, v]);
    let y = layers.linear(&format!("{msa}.linear"), y, [channels; 2])?;
    let x = layers.add(format!("{msa}/skip"), x, y);
    let y = layers.layer_norm(&format!("{name}.ln2"), x, channels)?;
    let y = layers.linear(&format!("{name}.mlp.0"), y, [4 * channels, channels])?;
    let y = layers.unary(&format!("{name}.mlp.0"), UnaryOp::Gelu, y);
    let y = layers.linear(&format!("{name}.mlp.2"), y, [channels, 4 * channels])?;
    Ok(layers.add(name, x, y))
}

/// A number for each head and difference of places, `[heads, 15, 15]`, as one for each pair of places.
fn position_bias(layers: &mut Layers<'_>, key: &str, heads: usize) -> Result<WeightId, ModelError> {
    const SIDE: usize = 2 * WINDOW - 1;
    const PLACES: usize = WINDOW * WINDOW;
    let table = layers.values(key, &[heads, SIDE, SIDE])?;
    let mut data = Vec::with_capacity(heads * PLACES * PLACES);
    for head in table.chunks_exact(SIDE * SIDE) {
        for q in 0..PLACES {
            for k in 0..PLACES {
                let row = q / WINDOW + WINDOW - 1 - k / WINDOW;
                let column = q % WINDOW + WINDOW - 1 - k % WINDOW;
                data.push(head[row * SIDE + column]);
            }
        }
    }
    Ok(layers.made_weight(key, &[heads, PLACES, PLACES], data))
}
