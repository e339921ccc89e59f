//! MoESR (<https://github.com/umzi2/MoESR>): gated convolutional blocks as in MoSR, in groups that end with some at
//! half the size.

use super::keys::{Detection, KeyStyle, count};
use super::layers::{Conv, Layers, ratio};
use super::mosr::gated_block;
use super::uni_upsample::{Meta, uni_upsample_keys};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "MoESR", half_safe: true, detect, build };

const ID: &str = "MoESR";

macro_rules! gated_keys {
    ($($block:literal),* ; $($other:expr),* $(,)?) => {
        &[
            $(
                concat!($block, ".gamma"),
                concat!($block, ".norm.weight"), concat!($block, ".norm.bias"),
                concat!($block, ".fc1.weight"), concat!($block, ".fc1.bias"),
                concat!($block, ".fc2.weight"), concat!($block, ".fc2.bias"),
                concat!($block, ".conv.dwconv_hw.weight"), concat!($block, ".conv.dwconv_hw.bias"),
                concat!($block, ".conv.dwconv_w.weight"), concat!($block, ".conv.dwconv_w.bias"),
                concat!($block, ".conv.dwconv_h.weight"), concat!($block, ".conv.dwconv_h.bias"),
            )*
            $($other),*
        ]
    };
}

const UPSCALE: [&str; 18] = uni_upsample_keys!("upscale");

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "in_to_dim.weight",
        "blocks.0.blocks.0.gamma",
        "blocks.0.blocks.0.fc1.weight",
        "blocks.0.blocks.0.conv.dwconv_hw.weight",
        "blocks.0.msg.gated.0.fc1.weight",
        "upscale.MetaUpsample",
    ],
    known: gated_keys!(
        "blocks.*.blocks.*", "blocks.*.msg.gated.*";
        "in_to_dim.weight",
        "in_to_dim.bias",
        "blocks.*.msg.down.0.weight",
        "blocks.*.msg.down.0.bias",
        "blocks.*.msg.up.0.weight",
        "blocks.*.msg.up.0.bias",
        UPSCALE[0],
        UPSCALE[1],
        UPSCALE[2],
        UPSCALE[3],
        UPSCALE[4],
        UPSCALE[5],
        UPSCALE[6],
        UPSCALE[7],
        UPSCALE[8],
    ),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// Blocks at half the size.
const N_SMALL: usize = 3;
/// Ways to enlarge that it has.
const N_WAYS: usize = 5;
const LEAKY: UnaryOp = UnaryOp::LeakyRelu(0.1);

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [dim, in_channels, _, _] = layers.conv_shape("in_to_dim")?;
    let (n_groups, n_blocks) = (count(state_dict, "blocks."), count(state_dict, "blocks.0.blocks."));
    let expansion = |layers: &Layers<'_>, key: &str| -> Result<f64, ModelError> {
        let [both, input, _, _] = layers.conv_shape(key)?;
        Ok(ratio(both, input) / 2.0)
    };
    let factor = expansion(&layers, "blocks.0.blocks.0.fc1")?;
    let factor_small = expansion(&layers, "blocks.0.msg.gated.0.fc1")?;
    let meta = Meta::read(&layers, "upscale.MetaUpsample", N_WAYS)?;

    let x = layers.input(in_channels);
    let shallow = layers.conv("in_to_dim", x, [dim, in_channels], 3)?;
    let mut x = shallow;
    for group in 0..n_groups {
        for index in 0..n_blocks {
            x = block(&mut layers, &format!("blocks.{group}.blocks.{index}"), x, dim)?;
        }
        x = at_half_size(&mut layers, &format!("blocks.{group}.msg"), x, dim)?;
    }
    x = layers.add("features", x, shallow);
    x = meta.build(&mut layers, "upscale", x)?;

    let size_rule = SizeRule { minimum: 2, multiple_of: 2, ..SizeRule::default() };
    let tags =
        vec![format!("{dim}dim"), format!("{n_groups}nbs"), format!("{n_blocks}nb"), meta.way.to_string()];
    let hyperparameters = [
        ("in_ch", json!(in_channels)),
        ("out_ch", json!(meta.out)),
        ("scale", json!(meta.scale)),
        ("dim", json!(dim)),
        ("n_blocks", json!(n_groups)),
        ("n_block", json!(n_blocks)),
        ("expansion_factor", json!(factor)),
        ("expansion_msg", json!(factor_small)),
        ("upsampler", json!(meta.way)),
        ("upsample_dim", json!(meta.middle)),
    ];
    Ok(layers.finish(x, size_rule, tags, hyperparameters))
}

fn block(layers: &mut Layers<'_>, name: &str, skip: NodeId, dim: usize) -> Result<NodeId, ModelError> {
    let x = gated_block(layers, name, skip, [dim, dim], |layers, x| {
        inception(layers, &format!("{name}.conv"), x, dim)
    })?;
    let x = layers.scaled(&format!("{name}.gamma"), x, &[1, dim, 1, 1])?;
    Ok(layers.add(name, x, skip))
}

/// Most channels as they are, an eighth each through a square, a wide and a tall kernel.
fn inception(layers: &mut Layers<'_>, name: &str, x: NodeId, dim: usize) -> Result<NodeId, ModelError> {
    let [n, _, _, _] = layers.conv_shape(&format!("{name}.dwconv_hw"))?;
    if 3 * n > dim {
        return Err(layers.problem(format!("{name} takes three times {n} channels of {dim}")));
    }
    let mut start = dim - 3 * n;
    let mut joined = Vec::with_capacity(4);
    if start > 0 {
        joined.push(layers.channels(format!("{name}/same"), x, 0..start));
    }
    for part in ["dwconv_hw", "dwconv_w", "dwconv_h"] {
        let layer = format!("{name}.{part}");
        let [_, _, kh, kw] = layers.conv_shape(&layer)?;
        let some = layers.channels(format!("{layer}/part"), x, start..start + n);
        joined.push(layers.conv_of(&layer, some, [n; 2], Conv::rectangle([kh, kw]).groups(n))?);
        start += n;
    }
    Ok(layers.concat(name, &joined))
}

fn at_half_size(layers: &mut Layers<'_>, name: &str, skip: NodeId, dim: usize) -> Result<NodeId, ModelError> {
    if !dim.is_multiple_of(4) {
        return Err(layers.problem(format!("its {dim} features are no multiple of four")));
    }
    let down = format!("{name}.down.0");
    let mut x = layers.conv(&down, skip, [dim / 4, dim], 3)?;
    x = layers.unshuffle(format!("{name}.down.1"), x, 2);
    x = layers.unary(&down, LEAKY, x);
    for index in 0..N_SMALL {
        x = block(layers, &format!("{name}.gated.{index}"), x, dim)?;
    }
    let up = format!("{name}.up.0");
    x = layers.conv(&up, x, [4 * dim, dim], 3)?;
    x = layers.shuffle(format!("{name}.up.1"), x, 2);
    x = layers.unary(&up, LEAKY, x);
    Ok(layers.add(name, x, skip))
}
