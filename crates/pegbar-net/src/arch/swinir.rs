//! SwinIR (<https://arxiv.org/abs/2108.10257>): attention in windows that are shifted in every other block.

use super::keys::{Detection, KeyStyle};
use super::layers::Layers;
use super::layers::ratio;
use super::transformer::{
    MAX_WINDOW, Residual, Tail, Upsampler, add, direct_scale, enter, has, head_scale, hyperparameters, leave,
    linear, mlp, norm, sequence, shuffles, thirds, window_bias,
};
use super::{Architecture, Built};
use crate::{Attention, ModelError, ModelOptions, NodeId, Op, Scores, SizeFill, SizeRule};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "SwinIR", half_safe: false, detect, build };

const ID: &str = "SwinIR";

const KNOWN: &[&str] = &[
    "conv_first.weight",
    "conv_first.bias",
    "conv_first.1.weight",
    "conv_first.1.bias",
    "patch_embed.norm.weight",
    "patch_embed.norm.bias",
    "layers.*.residual_group.blocks.*.norm*.weight",
    "layers.*.residual_group.blocks.*.norm*.bias",
    "layers.*.residual_group.blocks.*.attn.relative_position_bias_table",
    "layers.*.residual_group.blocks.*.attn.relative_position_index",
    "layers.*.residual_group.blocks.*.attn.qkv.weight",
    "layers.*.residual_group.blocks.*.attn.qkv.bias",
    "layers.*.residual_group.blocks.*.attn.proj.weight",
    "layers.*.residual_group.blocks.*.attn.proj.bias",
    "layers.*.residual_group.blocks.*.attn_mask",
    "layers.*.residual_group.blocks.*.mlp.fc*.weight",
    "layers.*.residual_group.blocks.*.mlp.fc*.bias",
    "layers.*.conv.weight",
    "layers.*.conv.bias",
    "layers.*.conv.*.weight",
    "layers.*.conv.*.bias",
    "norm.weight",
    "norm.bias",
    "conv_after_body.weight",
    "conv_after_body.bias",
    "conv_after_body.*.weight",
    "conv_after_body.*.bias",
    "conv_before_upsample.0.weight",
    "conv_before_upsample.0.bias",
    "upsample.*.weight",
    "upsample.*.bias",
    "conv_up*.weight",
    "conv_up*.bias",
    "conv_hr.weight",
    "conv_hr.bias",
    "conv_last.weight",
    "conv_last.bias",
];

macro_rules! needed {
    ($first:literal) => {
        &[
            $first,
            "layers.0.residual_group.blocks.0.norm1.weight",
            "layers.0.residual_group.blocks.0.mlp.fc1.weight",
            "layers.0.residual_group.blocks.0.attn.relative_position_bias_table",
            "layers.0.residual_group.blocks.0.attn.relative_position_index",
            "norm.weight",
        ]
    };
}

/// The second is of models on a pixel-unshuffled picture.
const STYLES: &[KeyStyle] = &[
    KeyStyle { needed: needed!("conv_first.weight"), known: KNOWN },
    KeyStyle { needed: needed!("conv_first.1.weight"), known: KNOWN },
];

/// Side of the training patches where no mask tells.
const IMG_SIZE: usize = 64;
/// The window of models against JPEG artifacts, the only ones that count from 0 to 255.
const JPEG_WINDOW: usize = 7;

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// Whether pictures count to 255, and how far they count.
pub(super) fn img_range(window: usize) -> f64 {
    if window == JPEG_WINDOW { 255.0 } else { 1.0 }
}

/// The attention of a Swin block, with the layers around it.
pub(super) struct WindowAttention<'a> {
    pub(super) prefix: &'a str,
    pub(super) channels: usize,
    pub(super) heads: usize,
    pub(super) window: usize,
    pub(super) shift: usize,
}

impl WindowAttention<'_> {
    pub(super) fn apply(&self, layers: &mut Layers<'_>, x: NodeId) -> Result<NodeId, ModelError> {
        let Self { prefix, channels, .. } = *self;
        let qkv = linear(layers, &format!("{prefix}.qkv"), x, [3 * channels, channels])?;
        let attended = self.attend(layers, qkv)?;
        linear(layers, &format!("{prefix}.proj"), attended, [channels, channels])
    }

    /// Without those layers.
    pub(super) fn attend(&self, layers: &mut Layers<'_>, qkv: NodeId) -> Result<NodeId, ModelError> {
        let Self { prefix, channels, heads, window, shift } = *self;
        let qkv = thirds(layers, prefix, qkv, channels);
        let scale = head_scale(layers, channels, heads)?;
        let bias = window_bias(layers, &format!("{prefix}.relative_position_bias_table"), window, heads)?;
        let attention = Attention::blocks(heads, [window; 2], Scores::Dot(scale)).with_bias(bias);
        Ok(layers.net.push(prefix, Op::Attention(attention.with_shift([shift; 2])), &qkv))
    }
}

/// A block: attention, then two layers, each on the normalised value and added to it.
pub(super) fn swin_block(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    [channels, heads]: [usize; 2],
    [window, shift]: [usize; 2],
) -> Result<NodeId, ModelError> {
    let normed = norm(layers, &format!("{prefix}.norm1"), x, channels)?;
    let name = format!("{prefix}.attn");
    let attention = WindowAttention { prefix: &name, channels, heads, window, shift };
    let attended = attention.apply(layers, normed)?;
    let x = add(layers, &name, x, attended);
    let normed = norm(layers, &format!("{prefix}.norm2"), x, channels)?;
    let name = format!("{prefix}.mlp");
    let fed = mlp(layers, &name, normed, channels)?;
    Ok(add(layers, &name, x, fed))
}

/// Side of a window, from the rows of its index.
pub(super) fn window_of_index(layers: &Layers<'_>, key: &str) -> Result<usize, ModelError> {
    let [pixels, _] = layers.shape(key, "[pixels, pixels]")?;
    match pixels.isqrt() {
        window @ 1..=MAX_WINDOW => Ok(window),
        window => Err(layers.problem(format!("windows of {window} pixels make no sense"))),
    }
}

/// Blocks of each group, and heads of its first block by the second dimension of `table`.
pub(super) fn depths_and_heads(
    layers: &Layers<'_>,
    blocks: &str,
    table: &str,
) -> Result<(Vec<usize>, Vec<usize>), ModelError> {
    let (mut depths, mut heads) = (Vec::new(), Vec::new());
    for group in 0..sequence(layers, "layers.")? {
        let prefix = format!("layers.{group}.residual_group");
        depths.push(sequence(layers, &format!("{prefix}.{blocks}."))?);
        let [_, n] = layers.shape(&format!("{prefix}.{table}"), "[offsets, heads]")?;
        heads.push(n);
    }
    Ok((depths, heads))
}

/// A mark for how many groups there are.
pub(super) fn size_tag(n_groups: usize) -> String {
    match n_groups {
        ..=4 => "small",
        5..9 => "medium",
        _ => "large",
    }
    .to_string()
}

fn upsampler(layers: &Layers<'_>) -> Upsampler {
    match (has(layers, "conv_before_upsample.0.weight"), has(layers, "upsample.0.weight")) {
        (true, _) if has(layers, "conv_up1.weight") => Upsampler::NearestConv,
        (true, _) => Upsampler::PixelShuffle,
        (false, true) => Upsampler::Direct,
        (false, false) => Upsampler::None,
    }
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let unshuffled = has(&layers, "conv_first.1.weight");
    let first_name = if unshuffled { "conv_first.1" } else { "conv_first" };
    let [channels, first_in, _, _] = layers.conv_shape(first_name)?;
    let unshuffle = if unshuffled { ((first_in / 3) as f64).sqrt().round() as usize } else { 1 }.max(1);
    if !first_in.is_multiple_of(unshuffle * unshuffle) {
        return Err(layers.problem(format!("{first_in} channels are no pixels of {unshuffle} x {unshuffle}")));
    }
    let in_channels = first_in / (unshuffle * unshuffle);
    let upsampler = upsampler(&layers);
    let out_channels = match has(&layers, "conv_last.weight") {
        true => layers.conv_shape("conv_last")?[0],
        false => in_channels,
    };
    let mut features = None;
    let scale = match upsampler {
        Upsampler::NearestConv => {
            let ups = super::keys::count(state_dict, "conv_up").saturating_sub(1);
            if !(1..=4).contains(&ups) {
                return Err(layers.problem(format!("it has {ups} doublings, where 1 to 4 make sense")));
            }
            1 << ups
        }
        Upsampler::PixelShuffle => {
            let (scale, found) = shuffles(&layers, "upsample")?;
            features = found;
            scale
        }
        Upsampler::Direct => direct_scale(&layers, "upsample.0", out_channels)?,
        Upsampler::None => 1,
    };
    let index = "layers.0.residual_group.blocks.0.attn.relative_position_index";
    let window = window_of_index(&layers, index)?;
    let table = "blocks.0.attn.relative_position_bias_table";
    let (depths, heads) = depths_and_heads(&layers, "blocks", table)?;
    let mask = "layers.0.residual_group.blocks.1.attn_mask";
    let img_size = if has(&layers, mask) {
        let [windows, _, _] = layers.shape(mask, "[windows, pixels, pixels]")?;
        ((windows as f64).sqrt() * window as f64) as usize
    } else {
        IMG_SIZE
    };
    let residual = Residual::of(&layers, Residual::Three);
    let range = img_range(window);
    let patch_norm = has(&layers, "patch_embed.norm.weight");

    let picture = layers.net.push("input", Op::Input { channels: in_channels }, &[]);
    let mut picture = enter(&mut layers, picture, in_channels, range);
    if unshuffle > 1 {
        picture = layers.net.push("unshuffle", Op::PixelUnshuffle { factor: unshuffle }, &[picture]);
    }
    let first = layers.conv(first_name, picture, [channels, first_in], 3)?;
    let mut x = first;
    if patch_norm {
        x = norm(&mut layers, "patch_embed.norm", x, channels)?;
    }
    for (group, &depth) in depths.iter().enumerate() {
        let skip = x;
        for index in 0..depth {
            let prefix = format!("layers.{group}.residual_group.blocks.{index}");
            // Patches of one window are not shifted.
            let shift = if index % 2 == 1 && img_size > window { window / 2 } else { 0 };
            x = swin_block(&mut layers, &prefix, x, [channels, heads[group]], [window, shift])?;
        }
        x = residual.apply(&mut layers, &format!("layers.{group}.conv"), x, channels)?;
        x = add(&mut layers, &format!("layers.{group}"), x, skip);
    }
    x = norm(&mut layers, "norm", x, channels)?;
    x = residual.apply(&mut layers, "conv_after_body", x, channels)?;
    x = add(&mut layers, "body", x, first);
    x = Tail { upsampler, scale, channels, out: out_channels, sequence: "upsample" }.apply(
        &mut layers,
        x,
        picture,
    )?;
    x = leave(&mut layers, x, out_channels, range);
    layers.net.output = Some(x);
    // Mirrored to whole windows of the unshuffled picture.
    layers.net.size_rule = SizeRule {
        minimum: 16,
        multiple_of: window * unshuffle,
        square: false,
        fill: SizeFill::Mirror,
        exactly: None,
    };

    let [hidden, _] = layers.shape("layers.0.residual_group.blocks.0.mlp.fc1.weight", "[out, in]")?;
    let tags = vec![
        size_tag(depths.len()),
        format!("s{img_size}w{window}"),
        format!("{}nf", features.unwrap_or(64)),
        format!("{channels}dim"),
        residual.name().to_string(),
        format!("{unshuffle}unshuf"),
    ];
    let hyperparameters = hyperparameters([
        ("img_size", json!(img_size)),
        ("patch_size", json!(1)),
        ("in_chans", json!(in_channels)),
        ("embed_dim", json!(channels)),
        ("depths", json!(depths)),
        ("num_heads", json!(heads)),
        ("window_size", json!(window)),
        ("mlp_ratio", json!(ratio(hidden, channels))),
        ("qkv_bias", json!(has(&layers, "layers.0.residual_group.blocks.0.attn.qkv.bias"))),
        ("qk_scale", json!(null)),
        ("drop_rate", json!(0.0)),
        ("attn_drop_rate", json!(0.0)),
        ("drop_path_rate", json!(0.1)),
        ("norm_layer", json!("<LayerNorm>")),
        ("ape", json!(false)),
        ("patch_norm", json!(patch_norm)),
        ("use_checkpoint", json!(false)),
        ("upscale", json!(scale)),
        ("img_range", json!(range)),
        ("upsampler", json!(upsampler.name())),
        ("resi_connection", json!(residual.name())),
        ("start_unshuffle", json!(unshuffle)),
    ]);
    Ok(Built { net: layers.net, tags, notes: Vec::new(), hyperparameters })
}
