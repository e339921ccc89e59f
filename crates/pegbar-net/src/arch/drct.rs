//! DRCT (dense residual connected transformer, <https://arxiv.org/abs/2404.00722>): five Swin blocks, each of which
//! sees what all before it made.

use super::keys::{Detection, KeyStyle, keys};
use super::layers::Layers;
use super::layers::ratio;
use super::swinir::swin_block;
use super::transformer::{
    LEAKY_02, Residual, Tail, Upsampler, add, enter, has, hyperparameters, leave, norm, sequence, shuffles,
    window_of_table,
};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, Op, SizeRule, UnaryOp};
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
    let (scale, _) = shuffles(&layers, "upsample")?;
    let residual = Residual::of(&layers, Residual::Identity);
    let patch_norm = has(&layers, "patch_embed.norm.weight");
    let [rows, _] = layers.shape("layers.0.swin1.attn.relative_position_bias_table", "[offsets, heads]")?;
    let window = window_of_table(&layers, rows)?;
    let mask = "layers.0.swin2.attn_mask";
    let img_size = if has(&layers, mask) {
        let [windows, _, _] = layers.shape(mask, "[windows, pixels, pixels]")?;
        windows.isqrt() * window
    } else {
        window
    };
    // Patches of one window are not shifted.
    let shift = if img_size > window { window / 2 } else { 0 };
    let [growth, _, _, _] = layers.conv_shape("layers.0.adjust1")?;
    let [hidden, _] = layers.shape("layers.0.swin1.mlp.fc1.weight", "[out, in]")?;
    let n_groups = sequence(&layers, "layers.")?;
    let mut heads = Vec::new();
    for group in 0..n_groups {
        let key = format!("layers.{group}.swin1.attn.relative_position_bias_table");
        let [_, n] = layers.shape(&key, "[offsets, heads]")?;
        heads.push(n);
    }

    let picture = layers.net.push("input", Op::Input { channels: in_channels }, &[]);
    let picture = enter(&mut layers, picture, in_channels, 1.0);
    let first = layers.conv("conv_first", picture, [channels, in_channels], 3)?;
    let mut x = first;
    if patch_norm {
        x = norm(&mut layers, "patch_embed.norm", x, channels)?;
    }
    for group in 0..n_groups {
        x = dense_group(&mut layers, &format!("layers.{group}"), x, [channels, growth], [window, shift])?;
    }
    x = norm(&mut layers, "norm", x, channels)?;
    x = residual.apply(&mut layers, "conv_after_body", x, channels)?;
    x = add(&mut layers, "body", x, first);
    let tail =
        Tail { upsampler: Upsampler::PixelShuffle, scale, channels, out: in_channels, sequence: "upsample" };
    x = tail.apply(&mut layers, x, picture)?;
    x = leave(&mut layers, x, in_channels, 1.0);
    layers.net.output = Some(x);
    layers.net.size_rule = SizeRule { multiple_of: MULTIPLE_OF, ..SizeRule::default() };

    let mut tags =
        vec![format!("s{img_size}w{window}"), format!("{channels}dim"), residual.name().to_string()];
    if n_groups >= 10 {
        tags.insert(0, "large".into());
    }
    let hyperparameters = hyperparameters([
        ("img_size", json!(img_size)),
        ("patch_size", json!(1)),
        ("in_chans", json!(in_channels)),
        ("embed_dim", json!(channels)),
        ("depths", json!(vec![6; n_groups])),
        ("num_heads", json!(heads)),
        ("window_size", json!(window)),
        ("mlp_ratio", json!(ratio(hidden, channels))),
        ("qkv_bias", json!(has(&layers, "layers.0.swin1.attn.qkv.bias"))),
        ("qk_scale", json!(null)),
        ("drop_rate", json!(0.0)),
        ("attn_drop_rate", json!(0.0)),
        ("drop_path_rate", json!(0.1)),
        ("norm_layer", json!("<LayerNorm>")),
        ("ape", json!(false)),
        ("patch_norm", json!(patch_norm)),
        ("upscale", json!(scale)),
        ("img_range", json!(1.0)),
        ("upsampler", json!("pixelshuffle")),
        ("resi_connection", json!(residual.name())),
        ("gc", json!(growth)),
    ]);
    Ok(Built { net: layers.net, tags, notes: Vec::new(), hyperparameters })
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
            _ => layers.net.push(format!("{name}.swin{index}/join"), Op::Concat { axis: 1 }, &seen),
        };
        let prefix = format!("{name}.swin{index}");
        let table = format!("{prefix}.attn.relative_position_bias_table");
        let [_, heads] = layers.shape(&table, "[offsets, heads]")?;
        let shift = if index % 2 == 0 { shift } else { 0 };
        let made = swin_block(layers, &prefix, joined, [wide, heads], [window, shift])?;
        let adjust = format!("{name}.adjust{index}");
        if index == N_BLOCKS {
            let made = layers.conv(&adjust, made, [channels, wide], 1)?;
            let made = layers.unary(&adjust, UnaryOp::ScaleShift { scale: RESIDUAL_SCALE, shift: 0.0 }, made);
            return Ok(add(layers, name, made, x));
        }
        let made = layers.conv(&adjust, made, [growth, wide], 1)?;
        seen.push(layers.unary(&adjust, LEAKY_02, made));
    }
    Ok(x)
}
