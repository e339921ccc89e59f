//! MixDehazeNet (<https://arxiv.org/abs/2305.17654>): a small U-Net of wide dilated kernels, the result of which is what
//! the picture is scaled by and what is taken off it.

use super::keys::{Detection, KeyStyle, count};
use super::layers::{Conv, Layers};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, Op, PadMode, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "MixDehazeNet", half_safe: false, detect, build };

const ID: &str = "MixDehazeNet";

macro_rules! keys {
    ($($part:literal),*) => {
        &[
            "patch_embed.proj.weight", "patch_embed.proj.bias", "patch_merge*.proj.weight", "patch_merge*.proj.bias",
            "skip*.weight", "skip*.bias", "patch_split*.proj.0.weight", "patch_split*.proj.0.bias",
            "fusion*.mlp.*.weight", "patch_unembed.proj.0.weight", "patch_unembed.proj.0.bias",
            "layer*.blocks.*.norm*.running_mean", "layer*.blocks.*.norm*.running_var",
            "layer*.blocks.*.norm*.num_batches_tracked",
            $(concat!("layer*.blocks.*.", $part, ".weight"), concat!("layer*.blocks.*.", $part, ".bias"),)*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "patch_embed.proj.weight",
        "layer1.blocks.0.norm1.running_mean",
        "layer1.blocks.0.conv3_19.weight",
        "layer1.blocks.0.Wv.0.weight",
        "layer1.blocks.0.mlp2.0.weight",
        "patch_merge1.proj.weight",
        "skip1.weight",
        "layer3.blocks.0.norm1.weight",
        "patch_split1.proj.0.weight",
        "fusion2.mlp.0.weight",
        "layer5.blocks.0.norm1.weight",
        "patch_unembed.proj.0.weight",
    ],
    known: keys!(
        "norm1", "norm2", "conv1", "conv2", "conv3_19", "conv3_13", "conv3_7", "Wv.0", "Wv.1", "Wg.1",
        "ca.1", "ca.3", "pa.0", "pa.2", "mlp.0", "mlp.2", "mlp2.0", "mlp2.2"
    ),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [_, colours, _, _] = layers.conv_shape("patch_embed.proj")?;
    let [out_channels, _, _, _] = layers.conv_shape("patch_unembed.proj.0")?;
    let mut channels = [0; 5];
    for (index, channels) in channels.iter_mut().enumerate() {
        [*channels, _, _, _] = layers.conv_shape(&format!("layer{}.blocks.0.conv1", index + 1))?;
    }
    let depths: [usize; 5] =
        std::array::from_fn(|index| count(state_dict, &format!("layer{}.blocks.", index + 1)));
    let [first, second, third, fourth, fifth] = channels;
    if out_channels != colours + 1 || first != fifth || second != fourth {
        return Err(layers.problem(format!(
            "it makes {out_channels} channels of {colours}, by layers of {channels:?} channels"
        )));
    }

    let input = layers.input(colours);
    let mirrored = Conv::same(3).beyond(PadMode::Reflect);
    let mut x = layers.conv_of("patch_embed.proj", input, [first, colours], mirrored)?;
    let mut skips = Vec::new();
    for (index, (wide, narrow)) in [(second, first), (third, second)].into_iter().enumerate() {
        let level = index + 1;
        x = layer(&mut layers, level, depths[index], x, narrow)?;
        skips.push(layers.conv(&format!("skip{level}"), x, [narrow; 2], 1)?);
        x = layers.conv_of(&format!("patch_merge{level}.proj"), x, [wide, narrow], mirrored.stride(2, 1))?;
    }
    x = layer(&mut layers, 3, depths[2], x, third)?;
    for (index, (wide, narrow)) in [(third, fourth), (fourth, fifth)].into_iter().enumerate() {
        let level = index + 1;
        let split = format!("patch_split{level}.proj");
        x = layers.conv(&format!("{split}.0"), x, [4 * narrow, wide], 1)?;
        x = layers.shuffle(format!("{split}.1"), x, 2);
        let fused = fuse(&mut layers, &format!("fusion{level}"), [x, skips[1 - index]], narrow)?;
        x = layers.add(format!("fusion{level}/skip"), fused, x);
        x = layer(&mut layers, 3 + level, depths[2 + level], x, narrow)?;
    }
    x = layers.conv_of("patch_unembed.proj.0", x, [out_channels, fifth], mirrored)?;
    let factor = layers.channels("factor", x, 0..1);
    let taken_off = layers.channels("taken off", x, 1..colours + 1);
    x = layers.mul("scaled", input, factor);
    x = layers.sub("haze", x, taken_off);
    x = layers.add("skip", x, input);
    // The result is in -1..1.
    let range = UnaryOp::ScaleShift { scale: 0.5, shift: 0.5 };
    let output = layers.push("range", Op::Unary(range), &[x]);
    let size_rule = SizeRule { minimum: 40, multiple_of: 4, ..SizeRule::default() };

    let tag = match depths {
        [1, 1, 2, 1, 1] => Some("tiny"),
        [2, 2, 4, 2, 2] => Some("small"),
        [4, 4, 8, 4, 4] => Some("big"),
        [8, 8, 16, 8, 8] => Some("large"),
        _ => None,
    };
    Ok(layers.finish(
        output,
        size_rule,
        tag.map(str::to_string).into_iter().collect(),
        [
            ("in_chans", json!(colours)),
            ("out_chans", json!(out_channels)),
            ("embed_dims", json!(channels)),
            ("depths", json!(depths)),
        ],
    ))
}

fn layer(
    layers: &mut Layers<'_>,
    number: usize,
    depth: usize,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    (0..depth).try_fold(x, |x, index| block(layers, &format!("layer{number}.blocks.{index}"), x, channels))
}

fn block(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
    let size = [channels; 2];
    let mirrored = |kernel| Conv::same(kernel).beyond(PadMode::Reflect);
    let y = layers.batch_norm(&format!("{name}.norm1"), x, channels)?;
    let y = layers.conv(&format!("{name}.conv1"), y, size, 1)?;
    let y = layers.conv_of(&format!("{name}.conv2"), y, size, mirrored(5))?;
    let mut wide = |extent: usize, kernel: usize| {
        let conv = mirrored(kernel).groups(channels).dilation(3);
        layers.conv_of(&format!("{name}.conv3_{extent}"), y, size, conv)
    };
    let parts = [wide(19, 7)?, wide(13, 5)?, wide(7, 3)?];
    let y = layers.concat(format!("{name}/kernels"), &parts);
    let y = mlp(layers, &format!("{name}.mlp"), y, channels)?;
    let x = layers.add(format!("{name}/middle"), x, y);

    let y = layers.batch_norm(&format!("{name}.norm2"), x, channels)?;
    let mean = layers.global_mean(format!("{name}/mean"), y);
    let value = layers.conv(&format!("{name}.Wv.0"), y, size, 1)?;
    let value = layers.conv_of(&format!("{name}.Wv.1"), value, size, mirrored(3).groups(channels))?;
    let weight = layers.conv(&format!("{name}.Wg.1"), mean, size, 1)?;
    let weight = layers.unary(&format!("{name}.Wg.1"), UnaryOp::Sigmoid, weight);
    let simple = layers.mul(format!("{name}.Wg"), value, weight);
    let channel =
        layers.squeeze([&format!("{name}.ca.1"), &format!("{name}.ca.3")], mean, size, UnaryOp::Gelu)?;
    let channel = layers.mul(format!("{name}.ca"), y, channel);
    let pixel = layers.squeeze(
        [&format!("{name}.pa.0"), &format!("{name}.pa.2")],
        y,
        [1, channels],
        UnaryOp::Gelu,
    )?;
    let pixel = layers.mul(format!("{name}.pa"), y, pixel);
    let y = layers.concat(format!("{name}/attention"), &[simple, channel, pixel]);
    let y = mlp(layers, &format!("{name}.mlp2"), y, channels)?;
    Ok(layers.add(name, x, y))
}

fn mlp(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
    let x = layers.conv(&format!("{name}.0"), x, [4 * channels, 3 * channels], 1)?;
    let x = layers.unary(&format!("{name}.0"), UnaryOp::Gelu, x);
    layers.conv(&format!("{name}.2"), x, [channels, 4 * channels], 1)
}

/// A sum of two values, weighted for each channel by what both hold in the mean.
fn fuse(
    layers: &mut Layers<'_>,
    name: &str,
    inputs: [NodeId; 2],
    channels: usize,
) -> Result<NodeId, ModelError> {
    let sum = layers.add(format!("{name}/sum"), inputs[0], inputs[1]);
    let mean = layers.global_mean(format!("{name}/mean"), sum);
    let x = layers.plain_conv(&format!("{name}.mlp.0"), mean)?;
    let x = layers.unary(&format!("{name}.mlp.0"), UnaryOp::Relu, x);
    let x = layers.plain_conv(&format!("{name}.mlp.2"), x)?;
    let [first, second] = layers.chunks(&format!("{name}/shares"), x, channels);
    // A softmax of two is the sigmoid of their difference.
    let difference = layers.sub(format!("{name}/shares"), first, second);
    let share = layers.unary(&format!("{name}/shares"), UnaryOp::Sigmoid, difference);
    Ok(layers.mix(name, inputs, share))
}
