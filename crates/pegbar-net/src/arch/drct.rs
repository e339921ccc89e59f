//! DRCT (dense residual connected transformer, <https://arxiv.org/abs/2404.00722>): five Swin blocks, each of which
//! sees what all before it made.

use super::keys::{Detection, KeyStyle, keys};
use super::layers::{Layers, ratio};
use super::window_transformer::{
    Frame, LEAKY_02, Residual, Swin, Upsampler, masked_size, of_training, swin_block, window_of_table,
};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "DRCT", half_safe: false, detect, build };

const ID: &str = "DRCT";

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "conv_first.weight",
        "layers.0.swin1.norm1.weight",
        "layers.0.swin1.attn.relative_position_bias_table",
        "layers.0.swin1.attn.qkv.weight",
        "layers.0.swin5.norm1.weight",
        "layers.0.adjust1.weight",
        "layers.0.adjust5.weight",
        "norm.weight",
        "conv_last.weight",
    ],
    known: keys!(
        "conv_first", "patch_embed.norm", "norm", "conv_after_body", "conv_before_upsample.0", "upsample.*",
        "conv_last", "layers.*.adjust*", "layers.*.swin*.norm*", "layers.*.swin*.attn.qkv",
        "layers.*.swin*.attn.proj", "layers.*.swin*.mlp.fc*";
        "layers.*.swin*.attn.relative_position_bias_table", "layers.*.swin*.attn.relative_position_index",
        "layers.*.swin*.attn_mask",
    ),
}];

/// Blocks of a group.
const N_BLOCKS: usize = 5;
const RESIDUAL_SCALE: f32 = 0.2;
/// Stated by the reference whatever the window.
const MULTIPLE_OF: usize = 16;

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [channels, in_channels, _, _] = layers.conv_shape("conv_first")?;
    let (scale, _) = layers.shuffles("upsample")?;
    let [rows, _] = layers.shape("layers.0.swin1.attn.relative_position_bias_table")?;
    let window = window_of_table(&layers, rows)?;
    let mask = "layers.0.swin2.attn_mask";
    let img_size = masked_size(&layers, mask, window)?.unwrap_or(window);
    // Patches of one window are not shifted.
    let shift = if img_size > window { window / 2 } else { 0 };
    let [growth, _, _, _] = layers.conv_shape("layers.0.adjust1")?;
    let [hidden, _] = layers.shape("layers.0.swin1.mlp.fc1.weight")?;
    let n_groups = layers.sequence("layers.")?;
    let mut heads = Vec::new();
    for group in 0..n_groups {
        let key = format!("layers.{group}.swin1.attn.relative_position_bias_table");
        let [_, n] = layers.shape(&key)?;
        heads.push(n);
    }

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
    let begun = frame.begin(&mut layers)?;
    let mut x = frame.features(&mut layers, begun.first)?;
    for group in 0..n_groups {
        x = dense_group(&mut layers, &format!("layers.{group}"), x, [channels, growth], [window, shift])?;
    }
    x = frame.end(&mut layers, x, &begun)?;

    let size_rule = SizeRule { multiple_of: MULTIPLE_OF, ..SizeRule::default() };

    let mut tags =
        vec![format!("s{img_size}w{window}"), format!("{channels}dim"), frame.residual.name().to_string()];
    if n_groups >= 10 {
        tags.insert(0, "large".into());
    }
    let swin = Swin { img_size, depths: &vec![6; n_groups], window, mlp_ratio: ratio(hidden, channels) };
    let mut hyperparameters = frame.swin_hyperparameters(&layers, "layers.0.swin1.attn.qkv.bias", swin);
    hyperparameters.extend(of_training());
    hyperparameters.extend([("qk_scale", json!(null)), ("gc", json!(growth))]);
    Ok(layers.finish(x, size_rule, tags, hyperparameters))
}

fn dense_group(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    [channels, growth]: [usize; 2],
    [window, shift]: [usize; 2],
) -> Result<NodeId, ModelError> {
    let mut seen = vec![x];
    for index in 1..=N_BLOCKS {
        let wide = channels + (index - 1) * growth;
        let joined = match seen[..] {
            [one] => one,
            _ => layers.concat(format!("{name}.swin{index}/join"), &seen),
        };
        let prefix = format!("{name}.swin{index}");
        let table = format!("{prefix}.attn.relative_position_bias_table");
        let [_, heads] = layers.shape(&table)?;
        let shift = if index % 2 == 0 { shift } else { 0 };
        let made = swin_block(layers, &prefix, joined, [wide, heads], [window, shift])?;
        let adjust = format!("{name}.adjust{index}");
        if index == N_BLOCKS {
            let made = layers.conv(&adjust, made, [channels, wide], 1)?;
            let made = layers.unary(&adjust, UnaryOp::ScaleShift { scale: RESIDUAL_SCALE, shift: 0.0 }, made);
            return Ok(layers.add(format!("{name}/add"), made, x));
        }
        let made = layers.conv(&adjust, made, [growth, wide], 1)?;
        seen.push(layers.unary(&adjust, LEAKY_02, made));
    }
    Ok(x)
}
