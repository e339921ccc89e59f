//! DRUNet (<https://arxiv.org/abs/2008.13751>): a U-Net of residual blocks that is told how much noise the picture has.

use super::keys::{Detection, KeyStyle, count};
use super::layers::{Conv, Layers};
use super::noise_level::with_noise_level;
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, Op, Padding, PoolKind, ResizeMode, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "DRUNet", half_safe: false, detect, build };

const ID: &str = "DRUNet";

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "m_head.weight",
        "m_down1.0.res.0.weight",
        "m_down1.0.res.2.weight",
        "m_down2.0.res.0.weight",
        "m_down3.0.res.0.weight",
        "m_body.0.res.0.weight",
        "m_body.0.res.2.weight",
        "m_up3.2.res.0.weight",
        "m_up2.2.res.0.weight",
        "m_up1.2.res.0.weight",
        "m_tail.weight",
    ],
    known: &[
        "m_head.weight",
        "m_tail.weight",
        "m_down*.*.weight",
        "m_up*.*.weight",
        "m_down*.*.res.*.weight",
        "m_body.*.res.*.weight",
        "m_up*.*.res.*.weight",
    ],
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// How sides are halved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Down {
    /// A convolution in steps of two.
    StrideConv,
    /// The mean of four pixels, then a 3x3 convolution.
    AveragePool,
}

/// How sides are doubled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Up {
    Transposed,
    /// Nearest neighbour, then a 3x3 convolution.
    Nearest,
    PixelShuffle,
}

impl Down {
    /// Its name in the reference.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::StrideConv => "strideconv",
            Self::AveragePool => "avgpool",
        }
    }

    /// The layer that follows the `index` blocks of a stage.
    pub(super) fn push(
        self,
        layers: &mut Layers<'_>,
        stage: &str,
        index: usize,
        x: NodeId,
        size: [usize; 2],
    ) -> Result<NodeId, ModelError> {
        match self {
            Self::StrideConv => {
                layers.conv_of(&format!("{stage}.{index}"), x, size, Conv::same(2).stride(2, 0))
            }
            Self::AveragePool => {
                let kind = PoolKind::Average { count_pad: true };
                let op = Op::Pool { kind, kernel: [2, 2], stride: [2, 2], padding: Padding::all(0) };
                let x = layers.push(format!("{stage}.{index}"), op, &[x]);
                layers.conv(&format!("{stage}.{}", index + 1), x, size, 3)
            }
        }
    }
}

impl Up {
    /// Its name in the reference.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Transposed => "convtranspose",
            Self::Nearest => "upconv",
            Self::PixelShuffle => "pixelshuffle",
        }
    }

    /// The layer of this key.
    pub(super) fn push(
        self,
        layers: &mut Layers<'_>,
        key: &str,
        x: NodeId,
        [out, input]: [usize; 2],
    ) -> Result<NodeId, ModelError> {
        match self {
            Self::Transposed => layers.conv_transposed(key, x, [out, input], [2, 2, 0]),
            Self::Nearest => {
                let x = layers.resize(format!("{key}/enlarge"), x, ResizeMode::Nearest, [2, 1]);
                layers.conv(key, x, [out, input], 3)
            }
            Self::PixelShuffle => {
                let x = layers.conv(key, x, [4 * out, input], 3)?;
                Ok(layers.shuffle(format!("{key}/shuffle"), x, 2))
            }
        }
    }
}

/// Channels of the four levels.
pub(super) fn level_channels(layers: &Layers<'_>, body: &str) -> Result<[usize; 4], ModelError> {
    let out = |prefix: &str| layers.conv_shape(prefix).map(|[out, _, _, _]| out);
    Ok([out("m_head")?, out("m_down2.0.res.0")?, out("m_down3.0.res.0")?, out(&format!("{body}.0.res.0"))?])
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [_, in_channels, _, _] = layers.conv_shape("m_head")?;
    let [out_channels, _, _, _] = layers.conv_shape("m_tail")?;
    let channels = level_channels(&layers, "m_body")?;
    let n_blocks = count(state_dict, "m_body.");
    // Maximum pooling has the same keys as mean pooling.
    let down = if state_dict.contains(&format!("m_down1.{n_blocks}.weight")) {
        Down::StrideConv
    } else {
        Down::AveragePool
    };
    let up = if state_dict.contains("m_up3.1.weight") {
        Up::Nearest
    } else if layers.conv_shape("m_up3.0")?[2] == 3 {
        Up::PixelShuffle
    } else {
        Up::Transposed
    };
    // Places in the sequence of the layers behind the one that doubles.
    let (up_conv, up_blocks) = match up {
        Up::Transposed => (0, 1),
        Up::Nearest => (1, 2),
        Up::PixelShuffle => (0, 2),
    };
    if in_channels < 2 {
        return Err(layers.problem("its input has no channel beside that of the noise level"));
    }

    let input = layers.input(in_channels - 1);
    let mut x = with_noise_level(&mut layers, input);
    x = layers.conv("m_head", x, [channels[0], in_channels], 3)?;
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
        x = residual(&mut layers, &format!("m_body.{index}"), x, channels[3])?;
    }
    for level in (0..3).rev() {
        let stage = format!("m_up{}", level + 1);
        x = layers.add(format!("{stage}/skip"), x, skips[level + 1]);
        x = up.push(&mut layers, &format!("{stage}.{up_conv}"), x, [channels[level], channels[level + 1]])?;
        for index in up_blocks..up_blocks + n_blocks {
            x = residual(&mut layers, &format!("{stage}.{index}"), x, channels[level])?;
        }
    }
    x = layers.add("m_tail/skip", x, skips[0]);
    let output = layers.conv("m_tail", x, [out_channels, channels[0]], 3)?;
    let size_rule = SizeRule { multiple_of: 8, ..SizeRule::default() };

    Ok(layers.finish(
        output,
        size_rule,
        vec![format!("{n_blocks}nb")],
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

/// What two convolutions add to `x`.
pub(super) fn two_convs(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let x = layers.conv(&format!("{name}.res.0"), x, [channels; 2], 3)?;
    let x = layers.unary(&format!("{name}.res.0"), UnaryOp::Relu, x);
    layers.conv(&format!("{name}.res.2"), x, [channels; 2], 3)
}

pub(super) fn residual(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let y = two_convs(layers, name, x, channels)?;
    Ok(layers.add(name, x, y))
}
