//! MIRNet-v2 (<https://arxiv.org/abs/2205.01649>): three resolutions side by side that exchange what they found.

use super::keys::{Detection, KeyStyle, count};
use super::layers::{Conv, Layers};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, Op, Padding, PoolKind, ResizeMode, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "MIRNet2", half_safe: false, detect, build };

const ID: &str = "MIRNet2";

const LEAKY: UnaryOp = UnaryOp::LeakyRelu(0.2);

/// Channels of the two pictures of a dual-pixel camera: the one task whose result is not added to its input.
const DUAL_PIXEL_CHANNELS: usize = 6;

macro_rules! keys {
    ($(($prefix:literal $(, $part:literal)*)),*) => {
        &[
            "conv_in.weight", "conv_in.bias", "conv_out.weight", "conv_out.bias", "body.*.body.*.weight",
            "body.*.body.*.bias",
            $($(concat!("body.*.body.*.", $prefix, $part, ".weight"),
                concat!("body.*.body.*.", $prefix, $part, ".bias"),)*)*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "conv_in.weight",
        "body.0.body.0.dau_top.body.0.weight",
        "body.0.body.0.dau_top.gcnet.conv_mask.weight",
        "body.0.body.0.dau_bot.gcnet.channel_add_conv.0.weight",
        "body.0.body.0.down4.1.body.0.bot.1.weight",
        "body.0.body.0.up32_2.body.0.bot.0.weight",
        "body.0.body.0.skff_top.conv_du.0.weight",
        "conv_out.weight",
    ],
    known: keys!(
        (
            "dau_top",
            ".body.0",
            ".body.2",
            ".gcnet.conv_mask",
            ".gcnet.channel_add_conv.0",
            ".gcnet.channel_add_conv.2"
        ),
        (
            "dau_mid",
            ".body.0",
            ".body.2",
            ".gcnet.conv_mask",
            ".gcnet.channel_add_conv.0",
            ".gcnet.channel_add_conv.2"
        ),
        (
            "dau_bot",
            ".body.0",
            ".body.2",
            ".gcnet.conv_mask",
            ".gcnet.channel_add_conv.0",
            ".gcnet.channel_add_conv.2"
        ),
        ("down", "2.body.0.bot.1", "4.*.body.0.bot.1"),
        ("up", "21_*.body.0.bot.0", "32_*.body.0.bot.0"),
        ("skff_", "top.conv_du.0", "top.fcs.*", "mid.conv_du.0", "mid.fcs.*"),
        ("conv_out", "")
    ),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [features, in_channels, _, _] = layers.conv_shape("conv_in")?;
    let [out_channels, _, _, _] = layers.conv_shape("conv_out")?;
    let [middle, _, _, _] = layers.conv_shape("body.0.body.0.dau_mid.body.0")?;
    let dual_pixel = in_channels == DUAL_PIXEL_CHANNELS;
    let n_blocks = count(state_dict, "body.0.body.").saturating_sub(1);

    let input = layers.input(in_channels);
    let shallow = layers.conv("conv_in", input, [features, in_channels], 3)?;
    let mut x = shallow;
    for group in 0..count(state_dict, "body.") {
        let skip = x;
        for index in 0..n_blocks {
            x = block(&mut layers, &format!("body.{group}.body.{index}"), x)?;
        }
        x = layers.conv(&format!("body.{group}.body.{n_blocks}"), x, [features; 2], 3)?;
        x = layers.add(format!("body.{group}"), x, skip);
    }
    if dual_pixel {
        x = layers.add("skip", x, shallow);
    }
    x = layers.conv("conv_out", x, [out_channels, features], 3)?;
    if !dual_pixel {
        x = layers.add("skip", x, input);
    }

    let size_rule = SizeRule { multiple_of: 4, ..SizeRule::default() };

    Ok(layers.finish(
        x,
        size_rule,
        vec![format!("{features}nf")],
        [
            ("inp_channels", json!(in_channels)),
            ("out_channels", json!(out_channels)),
            ("n_feat", json!(features)),
            ("chan_factor", json!(middle as f64 / features as f64)),
            ("n_MRB", json!(n_blocks)),
            ("bias", json!(state_dict.contains("conv_in.bias"))),
            ("task", json!(dual_pixel.then_some("defocus_deblurring"))),
        ],
    ))
}

/// Whole, half and quarter size, which are mixed twice on the way up. The same weights work before and after.
fn block(layers: &mut Layers<'_>, name: &str, x: NodeId) -> Result<NodeId, ModelError> {
    let mut top = x;
    let mut middle = shrink(layers, &format!("{name}.down2.body.0.bot"), x)?;
    let bottom = shrink(layers, &format!("{name}.down4.0.body.0.bot"), x)?;
    let mut bottom = shrink(layers, &format!("{name}.down4.1.body.0.bot"), bottom)?;
    for round in 1..=2 {
        top = context_block(layers, &format!("{name}.dau_top"), top)?;
        middle = context_block(layers, &format!("{name}.dau_mid"), middle)?;
        bottom = context_block(layers, &format!("{name}.dau_bot"), bottom)?;
        let raised = enlarge(layers, &format!("{name}.up32_{round}.body.0.bot"), bottom)?;
        middle = fuse(layers, &format!("{name}.skff_mid"), [middle, raised])?;
        let raised = enlarge(layers, &format!("{name}.up21_{round}.body.0.bot"), middle)?;
        top = fuse(layers, &format!("{name}.skff_top"), [top, raised])?;
    }
    let y = layers.plain_conv(&format!("{name}.conv_out"), top)?;
    Ok(layers.add(name, y, x))
}

fn shrink(layers: &mut Layers<'_>, name: &str, x: NodeId) -> Result<NodeId, ModelError> {
    let kind = PoolKind::Average { count_pad: false };
    let pool = Op::Pool { kind, kernel: [2, 2], stride: [2, 2], padding: Padding::all(0) };
    let x = layers.push(format!("{name}.0"), pool, &[x]);
    layers.plain_conv(&format!("{name}.1"), x)
}

fn enlarge(layers: &mut Layers<'_>, name: &str, x: NodeId) -> Result<NodeId, ModelError> {
    let x = layers.plain_conv(&format!("{name}.0"), x)?;
    Ok(layers.resize(format!("{name}.1"), x, ResizeMode::Bilinear { align_corners: false }, [2, 1]))
}

/// A sum of two resolutions, weighted for each channel by what both hold in the mean.
fn fuse(layers: &mut Layers<'_>, name: &str, inputs: [NodeId; 2]) -> Result<NodeId, ModelError> {
    let sum = layers.add(format!("{name}/sum"), inputs[0], inputs[1]);
    let mean = layers.global_mean(format!("{name}/mean"), sum);
    let squeezed = layers.plain_conv(&format!("{name}.conv_du.0"), mean)?;
    let squeezed = layers.unary(&format!("{name}.conv_du.0"), LEAKY, squeezed);
    let first = layers.plain_conv(&format!("{name}.fcs.0"), squeezed)?;
    let second = layers.plain_conv(&format!("{name}.fcs.1"), squeezed)?;
    // A softmax of two is the sigmoid of their difference.
    let difference = layers.sub(format!("{name}/shares"), first, second);
    let share = layers.unary(&format!("{name}/shares"), UnaryOp::Sigmoid, difference);
    Ok(layers.mix(name, inputs, share))
}

/// Two convolutions, and for each channel a number made of the whole picture's pixels, weighted by a mask.
fn context_block(layers: &mut Layers<'_>, name: &str, x: NodeId) -> Result<NodeId, ModelError> {
    let mut y = x;
    for conv in ["body.0", "body.2"] {
        let prefix = format!("{name}.{conv}");
        let [channels, per_group, kernel, _] = layers.conv_shape(&prefix)?;
        let each = Conv::same(kernel).groups(channels / per_group.min(channels));
        y = layers.conv_of(&prefix, y, [channels; 2], each)?;
        if conv == "body.0" {
            y = layers.unary(&prefix, LEAKY, y);
        }
    }
    let context = masked_mean(layers, &format!("{name}.gcnet"), y)?;
    let added = layers.plain_conv(&format!("{name}.gcnet.channel_add_conv.0"), context)?;
    let added = layers.unary(&format!("{name}.gcnet.channel_add_conv.0"), LEAKY, added);
    let added = layers.plain_conv(&format!("{name}.gcnet.channel_add_conv.2"), added)?;
    let y = layers.add(format!("{name}.gcnet"), y, added);
    let y = layers.unary(&format!("{name}.gcnet"), LEAKY, y);
    Ok(layers.add(name, y, x))
}

/// Mean of each channel over the picture, weighted by the softmax of a mask.
fn masked_mean(layers: &mut Layers<'_>, name: &str, x: NodeId) -> Result<NodeId, ModelError> {
    let mask = layers.plain_conv(&format!("{name}.conv_mask"), x)?;
    let most = layers.push(format!("{name}/most"), Op::GlobalPool { kind: PoolKind::Max }, &[mask]);
    let below = layers.sub(format!("{name}/below"), mask, most);
    let weight = layers.unary(&format!("{name}/mask"), UnaryOp::Exp, below);
    let weighted = layers.mul(format!("{name}/weighted"), x, weight);
    let weighted = layers.global_mean(format!("{name}/weighted mean"), weighted);
    let whole = layers.global_mean(format!("{name}/weight"), weight);
    Ok(layers.push(format!("{name}/context"), Op::Binary(crate::BinaryOp::Div), &[weighted, whole]))
}
