//! Retinexformer (<https://arxiv.org/abs/2303.06705>): lights the picture up by an estimate, and removes what that
//! brings to light with attention between channels that the estimate guides.

use super::keys::{Detection, KeyStyle, count};
use super::layers::{Conv, Layers};
use super::restormer::between_channels;
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "RetinexFormer", half_safe: false, detect, build };

const ID: &str = "RetinexFormer";

/// How often the sides are halved.
const LEVELS: usize = 2;

/// How many times wider the feed-forward part is.
const EXPANSION: usize = 4;

/// More stages than any model has.
const MAX_STAGES: usize = 16;

macro_rules! keys {
    ($($prefix:literal),*) => {
        &[
            "body.*.estimator.conv1.weight", "body.*.estimator.conv1.bias", "body.*.estimator.depth_conv.weight",
            "body.*.estimator.depth_conv.bias", "body.*.estimator.conv2.weight", "body.*.estimator.conv2.bias",
            "body.*.denoiser.embedding.weight", "body.*.denoiser.mapping.weight",
            "body.*.denoiser.encoder_layers.*.*.weight", "body.*.denoiser.decoder_layers.*.*.weight",
            "body.*.denoiser.decoder_layers.*.*.bias",
            $(
                concat!("body.*.denoiser.", $prefix, ".0.rescale"),
                concat!("body.*.denoiser.", $prefix, ".0.to_q.weight"),
                concat!("body.*.denoiser.", $prefix, ".0.to_k.weight"),
                concat!("body.*.denoiser.", $prefix, ".0.to_v.weight"),
                concat!("body.*.denoiser.", $prefix, ".0.proj.weight"),
                concat!("body.*.denoiser.", $prefix, ".0.proj.bias"),
                concat!("body.*.denoiser.", $prefix, ".0.pos_emb.*.weight"),
                concat!("body.*.denoiser.", $prefix, ".1.fn.net.*.weight"),
                concat!("body.*.denoiser.", $prefix, ".1.norm.weight"),
                concat!("body.*.denoiser.", $prefix, ".1.norm.bias"),
            )*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "body.0.estimator.conv1.weight",
        "body.0.denoiser.embedding.weight",
        "body.0.denoiser.mapping.weight",
        "body.0.denoiser.encoder_layers.0.0.blocks.0.0.rescale",
        "body.0.denoiser.encoder_layers.1.0.blocks.0.0.rescale",
        "body.0.denoiser.bottleneck.blocks.0.0.rescale",
        "body.0.denoiser.decoder_layers.0.2.blocks.0.0.rescale",
    ],
    known: keys!("encoder_layers.*.0.blocks.*", "bottleneck.blocks.*", "decoder_layers.*.2.blocks.*"),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [features, in_channels, _, _] = layers.conv_shape("body.0.denoiser.embedding")?;
    let [out_channels, _, _, _] = layers.conv_shape("body.0.denoiser.mapping")?;
    let n_stages = count(state_dict, "body.");
    if n_stages > MAX_STAGES {
        return Err(
            layers.problem(format!("it has {n_stages} stages, where at most {MAX_STAGES} make sense"))
        );
    }
    let n = |part: &str| count(state_dict, &format!("body.0.denoiser.{part}.blocks."));
    let n_blocks = [n("encoder_layers.0.0"), n("encoder_layers.1.0"), n("bottleneck")];

    let mut x = layers.input(in_channels);
    for stage in 0..n_stages {
        let (lit, light) =
            light_up(&mut layers, &format!("body.{stage}.estimator"), x, in_channels, features)?;
        let size = [out_channels, in_channels];
        x = denoise(&mut layers, &format!("body.{stage}.denoiser"), [lit, light], size, features, n_blocks)?;
    }

    let size_rule = SizeRule { multiple_of: 8, ..SizeRule::default() };

    Ok(layers.finish(
        x,
        size_rule,
        vec![
            format!("{features}nf"),
            format!("{n_stages}s"),
            format!("{}x{}x{}b", n_blocks[0], n_blocks[1], n_blocks[2]),
        ],
        [
            ("in_channels", json!(in_channels)),
            ("out_channels", json!(out_channels)),
            ("n_feat", json!(features)),
            ("stage", json!(n_stages)),
            ("num_blocks", json!(n_blocks)),
        ],
    ))
}

/// The picture, brighter, and features of the light.
fn light_up(
    layers: &mut Layers<'_>,
    name: &str,
    picture: NodeId,
    colours: usize,
    features: usize,
) -> Result<(NodeId, NodeId), ModelError> {
    let mean = vec![1.0 / colours as f32; colours];
    let mean = layers.made_weight(format!("{name}/mean"), &[1, colours, 1, 1], mean);
    let mean = layers.push_conv(&format!("{name}/mean"), picture, mean, None, 1);
    let seen = colours + 1;
    let x = layers.concat(format!("{name}/join"), &[picture, mean]);
    let x = layers.conv(&format!("{name}.conv1"), x, [features, seen], 1)?;
    let conv = Conv::same(5).groups(seen);
    let light = layers.conv_of(&format!("{name}.depth_conv"), x, [features; 2], conv)?;
    let map = layers.conv(&format!("{name}.conv2"), light, [colours, features], 1)?;
    let more = layers.mul(format!("{name}/more"), picture, map);
    Ok((layers.add(name, more, picture), light))
}

fn denoise(
    layers: &mut Layers<'_>,
    name: &str,
    [picture, light]: [NodeId; 2],
    [out_channels, in_channels]: [usize; 2],
    features: usize,
    n_blocks: [usize; 3],
) -> Result<NodeId, ModelError> {
    let mut x = layers.conv(&format!("{name}.embedding"), picture, [features, in_channels], 3)?;
    let mut lights = vec![light];
    let mut skips = Vec::new();
    for level in 0..LEVELS {
        let (stage, channels) = (format!("{name}.encoder_layers.{level}"), features << level);
        x = blocks(layers, &format!("{stage}.0"), n_blocks[level], [x, lights[level]], channels)?;
        skips.push(x);
        let (size, conv) = ([2 * channels, channels], Conv::same(4).stride(2, 1));
        x = layers.conv_of(&format!("{stage}.1"), x, size, conv)?;
        let light = layers.conv_of(&format!("{stage}.2"), lights[level], size, conv)?;
        lights.push(light);
    }
    let bottleneck = format!("{name}.bottleneck");
    x = blocks(layers, &bottleneck, n_blocks[2], [x, lights[LEVELS]], features << LEVELS)?;
    for index in 0..LEVELS {
        let level = LEVELS - 1 - index;
        let (stage, channels) = (format!("{name}.decoder_layers.{index}"), features << level);
        x = layers.conv_transposed(&format!("{stage}.0"), x, [channels, 2 * channels], [2, 2, 0])?;
        x = layers.concat(format!("{stage}/join"), &[x, skips[level]]);
        x = layers.conv(&format!("{stage}.1"), x, [channels, 2 * channels], 1)?;
        x = blocks(layers, &format!("{stage}.2"), n_blocks[level], [x, lights[level]], channels)?;
    }
    x = layers.conv(&format!("{name}.mapping"), x, [out_channels, features], 3)?;
    Ok(layers.add(name, x, picture))
}

fn blocks(
    layers: &mut Layers<'_>,
    name: &str,
    n: usize,
    [x, light]: [NodeId; 2],
    channels: usize,
) -> Result<NodeId, ModelError> {
    let mut x = x;
    for index in 0..n {
        let block = format!("{name}.blocks.{index}");
        let y = guided_attention(layers, &format!("{block}.0"), [x, light], channels)?;
        x = layers.add(format!("{block}.0/skip"), x, y);
        let y = layers.layer_norm(&format!("{block}.1.norm"), x, channels)?;
        let (net, wide) = (format!("{block}.1.fn.net"), EXPANSION * channels);
        let y = layers.conv(&format!("{net}.0"), y, [wide, channels], 1)?;
        let y = layers.unary(&format!("{net}.0"), UnaryOp::Gelu, y);
        let y = layers.depthwise(&format!("{net}.2"), y, wide, 3)?;
        let y = layers.unary(&format!("{net}.2"), UnaryOp::Gelu, y);
        let y = layers.conv(&format!("{net}.4"), y, [channels, wide], 1)?;
        x = layers.add(&block, x, y);
    }
    Ok(x)
}

/// Attention between channels whose values are weighted by the light.
fn guided_attention(
    layers: &mut Layers<'_>,
    name: &str,
    [x, light]: [NodeId; 2],
    channels: usize,
) -> Result<NodeId, ModelError> {
    let size = [channels; 2];
    let q = layers.linear(&format!("{name}.to_q"), x, size)?;
    let k = layers.linear(&format!("{name}.to_k"), x, size)?;
    let v = layers.linear(&format!("{name}.to_v"), x, size)?;
    let lit = layers.mul(format!("{name}/lit"), v, light);
    // The rows of the reference's scores are its keys.
    let y = between_channels(layers, name, &format!("{name}.rescale"), [k, q, lit])?;
    let y = layers.linear(&format!("{name}.proj"), y, size)?;
    let place = layers.depthwise(&format!("{name}.pos_emb.0"), v, channels, 3)?;
    let place = layers.unary(&format!("{name}.pos_emb.0"), UnaryOp::Gelu, place);
    let place = layers.depthwise(&format!("{name}.pos_emb.2"), place, channels, 3)?;
    Ok(layers.add(format!("{name}/out"), y, place))
}
