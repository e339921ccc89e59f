//! DnCNN (<https://arxiv.org/abs/1608.03981>) and FDnCNN: a row of 3x3 convolutions. DnCNN makes the noise, which is
//! taken off the picture; FDnCNN makes the picture and is told how much noise there is.

use super::keys::{Detection, KeyStyle, count};
use super::layers::Layers;
use super::noise_level::with_noise_level;
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "DnCNN", half_safe: false, detect, build };

const ID: &str = "DnCNN";

const BATCH_NORM_EPS: f64 = 1e-4;

const KNOWN: &[&str] = &[
    "model.*.weight",
    "model.*.bias",
    "model.*.running_mean",
    "model.*.running_var",
    "model.*.num_batches_tracked",
];

const STYLES: &[KeyStyle] = &[
    // With batch norms, at 3, 6, 9...
    KeyStyle {
        needed: &[
            "model.0.weight",
            "model.0.bias",
            "model.2.weight",
            "model.2.bias",
            "model.3.weight",
            "model.3.running_mean",
            "model.3.running_var",
            "model.5.weight",
            "model.6.running_mean",
            "model.8.weight",
        ],
        known: KNOWN,
    },
    // Without.
    KeyStyle {
        needed: &[
            "model.0.weight",
            "model.0.bias",
            "model.2.weight",
            "model.4.weight",
            "model.6.weight",
            "model.8.weight",
            "model.10.weight",
            "model.12.weight",
            "model.14.weight",
            "model.14.bias",
        ],
        known: KNOWN,
    },
];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [features, in_channels, _, _] = layers.conv_shape("model.0")?;
    let last = count(state_dict, "model.").saturating_sub(1);
    let [out_channels, _, _, _] = layers.conv_shape(&format!("model.{last}"))?;
    let batch_norm = state_dict.contains("model.3.weight");
    // Convolution and activation, [convolution, norm?, activation] in the middle, convolution.
    let step = if batch_norm { 3 } else { 2 };
    let middle = last.saturating_sub(2) / step;
    let noise_known = in_channels != out_channels;
    if noise_known && in_channels != out_channels + 1 {
        return Err(layers.problem(format!("it makes {out_channels} channels of {in_channels}")));
    }

    let input = layers.input(out_channels);
    let mut x = if noise_known { with_noise_level(&mut layers, input) } else { input };
    x = layers.conv("model.0", x, [features, in_channels], 3)?;
    x = layers.unary("model.0", UnaryOp::Relu, x);
    for index in 0..middle {
        let place = 2 + index * step;
        x = layers.conv(&format!("model.{place}"), x, [features; 2], 3)?;
        if batch_norm {
            x = layers.batch_norm_of(&format!("model.{}", place + 1), x, features, BATCH_NORM_EPS)?;
        }
        x = layers.unary(&format!("model.{place}"), UnaryOp::Relu, x);
    }
    x = layers.conv(&format!("model.{last}"), x, [out_channels, features], 3)?;
    if !noise_known {
        x = layers.sub("skip", input, x);
    }

    let n_layers = middle + 2;
    let mut tags = vec![format!("{features}nc"), format!("{n_layers}nb")];
    if noise_known {
        tags.insert(0, "FDnCNN".into());
    }
    Ok(layers.finish(
        x,
        SizeRule::default(),
        tags,
        [
            ("in_nc", json!(in_channels)),
            ("out_nc", json!(out_channels)),
            ("nc", json!(features)),
            ("nb", json!(n_layers)),
            ("act_mode", json!(if batch_norm { "BR" } else { "R" })),
            ("mode", json!(if noise_known { "FDnCNN" } else { "DnCNN" })),
        ],
    ))
}
