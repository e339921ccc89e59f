//! FBCNN (<https://arxiv.org/abs/2109.14573>): DRUNet's U-Net for JPEG pictures, which first estimates their quality and
//! has its blocks scaled and shifted by that.

use super::drunet::{Down, Up, level_channels, residual, two_convs};
use super::keys::{Detection, KeyStyle, count};
use super::layers::Layers;
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, SizeFill, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "FBCNN", half_safe: true, detect, build };

const ID: &str = "FBCNN";

/// Width of the layers that judge the quality.
const EMBEDDING: usize = 512;

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "m_head.weight",
        "m_down1.0.res.0.weight",
        "m_down2.0.res.0.weight",
        "m_body_encoder.0.res.0.weight",
        "m_tail.weight",
        "qf_pred.0.res.0.weight",
    ],
    known: &[
        "m_head.weight",
        "m_head.bias",
        "m_tail.weight",
        "m_tail.bias",
        "m_down*.*.weight",
        "m_down*.*.bias",
        "m_down*.*.res.*.weight",
        "m_down*.*.res.*.bias",
        "m_body_encoder.*.res.*.weight",
        "m_body_encoder.*.res.*.bias",
        "m_body_decoder.*.res.*.weight",
        "m_body_decoder.*.res.*.bias",
        "m_up*.0.weight",
        "m_up*.0.bias",
        "m_up*.0.*.weight",
        "m_up*.0.*.bias",
        "m_up*.*.res.*.weight",
        "m_up*.*.res.*.bias",
        "qf_pred.*.res.*.weight",
        "qf_pred.*.res.*.bias",
        "qf_pred.*.weight",
        "qf_pred.*.bias",
        "qf_embed.*.weight",
        "qf_embed.*.bias",
        "to_gamma_*.0.weight",
        "to_gamma_*.0.bias",
        "to_beta_*.0.weight",
        "to_beta_*.0.bias",
    ],
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [_, in_channels, _, _] = layers.conv_shape("m_head")?;
    let [out_channels, _, _, _] = layers.conv_shape("m_tail")?;
    let channels = level_channels(&layers, "m_body_encoder")?;
    let n_blocks = count(state_dict, "m_body_encoder.");
    // Maximum pooling has the same keys as mean pooling.
    let down = if state_dict.contains(&format!("m_down1.{n_blocks}.weight")) {
        Down::StrideConv
    } else {
        Down::AveragePool
    };
    let (up, up_key) = if state_dict.contains("m_up3.0.weight") {
        (Up::Transposed, "0")
    } else if state_dict.contains("m_up3.0.1.weight") {
        (Up::Nearest, "0.1")
    } else {
        (Up::PixelShuffle, "0.0")
    };

    let input = layers.input(in_channels);
    let mut x = layers.conv("m_head", input, [channels[0], in_channels], 3)?;
    let mut skips = vec![x];
    for level in 0..3 {
        let stage = format!("m_down{}", level + 1);
        for index in 0..n_blocks {
            x = residual(&mut layers, &format!("{stage}.{index}"), x, channels[level])?;
        }
        x = down.push(&mut layers, &stage, n_blocks, x, [channels[level + 1], channels[level]])?;
        skips.push(x);
    }
    for index in 0..n_blocks {
        x = residual(&mut layers, &format!("m_body_encoder.{index}"), x, channels[3])?;
    }
    let embedding = quality(&mut layers, x, n_blocks, channels[3])?;
    for index in 0..n_blocks {
        x = residual(&mut layers, &format!("m_body_decoder.{index}"), x, channels[3])?;
    }
    for level in (0..3).rev() {
        let stage = format!("m_up{}", level + 1);
        let (gamma, beta) = (format!("to_gamma_{}.0", level + 1), format!("to_beta_{}.0", level + 1));
        let size = [channels[level], EMBEDDING];
        let scale = layers.linear(&gamma, embedding, size)?;
        let scale = layers.unary(&gamma, UnaryOp::Sigmoid, scale);
        let shift = layers.linear(&beta, embedding, size)?;
        let shift = layers.unary(&beta, UnaryOp::Tanh, shift);
        x = layers.add(format!("{stage}/skip"), x, skips[level + 1]);
        x = up.push(&mut layers, &format!("{stage}.{up_key}"), x, [channels[level], channels[level + 1]])?;
        for index in 1..=n_blocks {
            let name = format!("{stage}.{index}");
            let y = two_convs(&mut layers, &name, x, channels[level])?;
            let y = layers.mul(format!("{name}/scaled"), y, scale);
            let y = layers.add(format!("{name}/shifted"), y, shift);
            x = layers.add(&name, x, y);
        }
    }
    x = layers.add("m_tail/skip", x, skips[0]);
    let output = layers.conv("m_tail", x, [out_channels, channels[0]], 3)?;
    let size_rule = SizeRule { multiple_of: 8, fill: SizeFill::Edge, ..SizeRule::default() };

    Ok(layers.finish(
        output,
        size_rule,
        Vec::new(),
        [
            ("in_nc", json!(in_channels)),
            ("out_nc", json!(out_channels)),
            ("nc", json!(channels)),
            ("nb", json!(n_blocks)),
            ("act_mode", json!("R")),
            ("downsample_mode", json!(down.name())),
            ("upsample_mode", json!(up.name())),
        ],
    ))
}

/// The estimate of the quality, `0..1`, as a vector.
fn quality(
    layers: &mut Layers<'_>,
    x: NodeId,
    n_blocks: usize,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let mut x = x;
    for index in 0..n_blocks {
        x = residual(layers, &format!("qf_pred.{index}"), x, channels)?;
    }
    // Behind the blocks stand the mean and what makes a vector of it, without weights.
    x = layers.global_mean("qf_pred/mean", x);
    let mut width = channels;
    for (place, out) in [(2, EMBEDDING), (4, EMBEDDING), (6, 1)] {
        let key = format!("qf_pred.{}", n_blocks + place);
        x = layers.linear(&key, x, [out, width])?;
        x = layers.unary(&key, if out == 1 { UnaryOp::Sigmoid } else { UnaryOp::Relu }, x);
        width = out;
    }
    for place in [0, 2, 4] {
        let key = format!("qf_embed.{place}");
        x = layers.linear(&key, x, [EMBEDDING, width])?;
        x = layers.unary(&key, UnaryOp::Relu, x);
        width = EMBEDDING;
    }
    Ok(x)
}
