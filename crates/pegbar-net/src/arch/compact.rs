//! Compact (SRVGGNetCompact, <https://github.com/xinntao/Real-ESRGAN>): a plain chain of 3x3 convolutions, a pixel
//! shuffle, and the enlarged input added.

use super::keys::{Detection, KeyStyle, count, number};
use super::layers::{Layers, shuffle_scale};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, Op, ResizeMode, ResizeTarget, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "RealESRGAN Compact", half_safe: true, detect, build };

const ID: &str = "Compact";

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &["body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias"],
    known: &["body.*.weight", "body.*.bias"],
}];

/// Slope of the leaky variant.
const LEAKY_SLOPE: f32 = 0.1;

const RELU_OR_LEAKY: &str = "taken for the variant with ReLU; one with leaky ReLU has the same tensors, so if it is one, \
                             put `leaky` into the file's name";

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// The activations of a variant.
#[derive(Clone, Copy, PartialEq)]
enum Activation {
    PRelu,
    Relu,
    LeakyRelu,
}

impl Activation {
    /// ReLU and leaky ReLU leave no keys, so a file without slopes is one or the other: leaky only where the file's
    /// name says so.
    fn of(state_dict: &StateDict, options: &ModelOptions) -> Self {
        let leaky =
            options.file_name.as_ref().is_some_and(|name| name.to_ascii_lowercase().contains("leaky"));
        // A file with some of the slopes is damaged; the first missing one is named when it is taken.
        let is_slope =
            |key: &str| number("body.", key).is_some_and(|n| n % 2 == 1) && key.ends_with(".weight");
        match state_dict.names().any(is_slope) {
            true => Self::PRelu,
            false if leaky => Self::LeakyRelu,
            false => Self::Relu,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::PRelu => "prelu",
            Self::Relu => "relu",
            Self::LeakyRelu => "leakyrelu",
        }
    }
}

fn build(state_dict: &StateDict, options: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    // The last layer is a convolution, so its index is 2 * num_conv + 2.
    let last = count(state_dict, "body.").saturating_sub(1);
    if last < 2 || last % 2 == 1 {
        return Err(layers
            .problem(format!("its last layer is body.{last}, where an even number of 2 or more is needed")));
    }
    let num_conv = (last - 2) / 2;
    let [num_feat, in_channels, _, _] = layers.conv_shape("body.0")?;
    let [shuffled, _, _, _] = layers.conv_shape(&format!("body.{last}"))?;
    let Some((out_channels, scale)) = shuffle_scale(shuffled, in_channels) else {
        return Err(layers.problem(format!(
            "its last convolution has {shuffled} channels, which is no number of colours times a square"
        )));
    };
    if in_channels != out_channels && in_channels != 1 {
        return Err(layers.problem(format!(
            "it takes {in_channels} channels and makes {out_channels}, but adds its input to its output"
        )));
    }

    let activation = Activation::of(state_dict, options);
    let input = layers.input(in_channels);
    let mut x = layers.conv("body.0", input, [num_feat, in_channels], 3)?;
    for index in 1..=num_conv + 1 {
        let name = format!("body.{}", 2 * index - 1);
        x = match activation {
            Activation::PRelu => {
                // One slope a channel; a single shared one is allowed by the layer.
                let key = format!("{name}.weight");
                let n_slopes =
                    if state_dict.get(&key).is_some_and(|t| t.shape() == [1]) { 1 } else { num_feat };
                let slope = layers.weight(&key, &[n_slopes])?;
                layers.push(name, Op::PRelu { slope }, &[x])
            }
            Activation::Relu => layers.push(name, Op::Unary(UnaryOp::Relu), &[x]),
            Activation::LeakyRelu => layers.push(name, Op::Unary(UnaryOp::LeakyRelu(LEAKY_SLOPE)), &[x]),
        };
        let conv = format!("body.{}", 2 * index);
        let out = if index == num_conv + 1 { shuffled } else { num_feat };
        x = layers.conv(&conv, x, [out, num_feat], 3)?;
    }
    let mut base = input;
    if scale > 1 {
        x = layers.shuffle("upsampler", x, scale);
        let target = ResizeTarget::Scale { height: [scale, 1], width: [scale, 1] };
        base = layers.push("base", Op::Resize { mode: ResizeMode::Nearest, target }, &[input]);
    }
    let output = layers.add("output", x, base);

    let hyperparameters = [
        ("num_in_ch", json!(in_channels)),
        ("num_out_ch", json!(out_channels)),
        ("num_feat", json!(num_feat)),
        ("num_conv", json!(num_conv)),
        ("upscale", json!(scale)),
        ("act_type", json!(activation.name())),
    ];
    Ok(Built {
        notes: if activation == Activation::Relu { vec![RELU_OR_LEAKY.to_string()] } else { Vec::new() },
        ..layers.finish(
            output,
            SizeRule::default(),
            vec![format!("{num_feat}nf"), format!("{num_conv}nc")],
            hyperparameters,
        )
    })
}
