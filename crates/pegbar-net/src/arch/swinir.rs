//! SwinIR (<https://arxiv.org/abs/2108.10257>): attention in windows that are shifted in every other block.

use super::keys::{Detection, KeyStyle};
use super::layers::{Layers, ratio};
use super::window_transformer::{
    Frame, Residual, Swin, Upsampler, depths_and_heads, img_range, masked_size, of_training, size_tag,
    swin_block, window_of_index,
};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, SizeFill, SizeRule};
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

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn upsampler(layers: &Layers<'_>) -> Upsampler {
    match (layers.has("conv_before_upsample.0.weight"), layers.has("upsample.0.weight")) {
        (true, _) if layers.has("conv_up1.weight") => Upsampler::NearestConv,
        (true, _) => Upsampler::PixelShuffle,
        (false, true) => Upsampler::Direct,
        (false, false) => Upsampler::None,
    }
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let unshuffled = layers.has("conv_first.1.weight");
    let first_name = if unshuffled { "conv_first.1" } else { "conv_first" };
    let [channels, first_in, _, _] = layers.conv_shape(first_name)?;
    let unshuffle = if unshuffled { ((first_in / 3) as f64).sqrt().round() as usize } else { 1 }.max(1);
    if !first_in.is_multiple_of(unshuffle * unshuffle) {
        return Err(layers.problem(format!("{first_in} channels are no pixels of {unshuffle} x {unshuffle}")));
    }
    let in_channels = first_in / (unshuffle * unshuffle);
    let upsampler = upsampler(&layers);
    let out_channels = match layers.has("conv_last.weight") {
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
            let (scale, found) = layers.shuffles("upsample")?;
            features = found;
            scale
        }
        Upsampler::Direct => layers.direct_scale("upsample.0", out_channels)?,
        Upsampler::None => 1,
    };
    let index = "layers.0.residual_group.blocks.0.attn.relative_position_index";
    let window = window_of_index(&layers, index)?;
    let table = "blocks.0.attn.relative_position_bias_table";
    let (depths, heads) = depths_and_heads(&layers, "blocks", table)?;
    let mask = "layers.0.residual_group.blocks.1.attn_mask";
    let img_size = masked_size(&layers, mask, window)?.unwrap_or(IMG_SIZE);
    let frame = Frame {
        in_channels,
        out_channels,
        channels,
        heads,
        range: Some(img_range(window)),
        residual: Residual::of(&layers, Residual::Three),
        upsampler,
        scale,
    };

    let picture = layers.input(in_channels);
    let picture = frame.entered(&mut layers, picture);
    let picture = layers.unshuffle("unshuffle", picture, unshuffle);
    let begun = frame.embedded(&mut layers, picture, first_name, first_in)?;
    let mut x = frame.features(&mut layers, begun.first)?;
    for (group, &depth) in depths.iter().enumerate() {
        let skip = x;
        for index in 0..depth {
            let prefix = format!("layers.{group}.residual_group.blocks.{index}");
            // Patches of one window are not shifted.
            let shift = if index % 2 == 1 && img_size > window { window / 2 } else { 0 };
            x = swin_block(&mut layers, &prefix, x, [channels, frame.heads[group]], [window, shift])?;
        }
        x = frame.end_group(&mut layers, group, x, skip)?;
    }
    x = frame.end(&mut layers, x, &begun)?;
    // Mirrored to whole windows of the unshuffled picture.
    let size_rule = SizeRule {
        minimum: 16,
        multiple_of: window * unshuffle,
        square: false,
        fill: SizeFill::Mirror,
        exactly: None,
    };

    let [hidden, _] = layers.shape("layers.0.residual_group.blocks.0.mlp.fc1.weight")?;
    let tags = vec![
        size_tag(depths.len()),
        format!("s{img_size}w{window}"),
        format!("{}nf", features.unwrap_or(64)),
        format!("{channels}dim"),
        frame.residual.name().to_string(),
        format!("{unshuffle}unshuf"),
    ];
    let swin = Swin { img_size, depths: &depths, window, mlp_ratio: ratio(hidden, channels) };
    let mut hyperparameters =
        frame.swin_hyperparameters(&layers, "layers.0.residual_group.blocks.0.attn.qkv.bias", swin);
    hyperparameters.extend(of_training());
    hyperparameters.extend([
        ("qk_scale", json!(null)),
        ("use_checkpoint", json!(false)),
        ("start_unshuffle", json!(unshuffle)),
    ]);
    Ok(layers.finish(x, size_rule, tags, hyperparameters))
}
