//! SRResNet (<https://arxiv.org/abs/1609.04802>) as BasicSR trains it: without batch norms, the enlarged picture added to
//! the result.

use super::keys::{Detection, KeyStyle, count, keys};
use super::layers::Layers;
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, ResizeMode, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "SRResNet", half_safe: true, detect, build };

const ID: &str = "SRResNet";

const KNOWN: &[&str] = keys!(
    "conv_first", "body.*.conv1", "body.*.conv2", "recon_trunk.*.conv1", "recon_trunk.*.conv2", "upconv1", "upconv2",
    "conv_hr", "HRconv", "conv_last";
);

const STYLES: &[KeyStyle] = &[
    KeyStyle {
        needed: &[
            "conv_first.weight",
            "body.0.conv1.weight",
            "body.0.conv2.weight",
            "upconv1.weight",
            "conv_hr.weight",
            "conv_last.weight",
        ],
        known: KNOWN,
    },
    // From before BasicSR's modules were renamed.
    KeyStyle {
        needed: &[
            "conv_first.weight",
            "recon_trunk.0.conv1.weight",
            "recon_trunk.0.conv2.weight",
            "upconv1.weight",
            "HRconv.weight",
            "conv_last.weight",
        ],
        known: KNOWN,
    },
];

const LEAKY: UnaryOp = UnaryOp::LeakyRelu(0.1);

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [features, colours, _, _] = layers.conv_shape("conv_first")?;
    let [out_colours, _, _, _] = layers.conv_shape("conv_last")?;
    if colours != out_colours {
        return Err(layers.problem(format!("it takes {colours} channels and makes {out_colours}")));
    }
    let is_old = layers.has("HRconv.weight");
    let (body, hr) = if is_old { ("recon_trunk", "HRconv") } else { ("body", "conv_hr") };
    let n_blocks = count(state_dict, &format!("{body}."));
    let ups: &[&str] = if layers.has("upconv2.weight") { &["upconv1", "upconv2"] } else { &["upconv1"] };

    let picture = layers.input(colours);
    let mut x = layers.conv("conv_first", picture, [features, colours], 3)?;
    x = layers.unary("conv_first", LEAKY, x);
    for index in 0..n_blocks {
        let name = format!("{body}.{index}");
        let [first, second] = [1, 2].map(|n| format!("{name}.conv{n}"));
        let mut y = layers.conv(&first, x, [features, features], 3)?;
        y = layers.unary(&first, UnaryOp::Relu, y);
        y = layers.conv(&second, y, [features, features], 3)?;
        x = layers.add(name, x, y);
    }
    let mut scale = 1;
    for up in ups {
        let factor = layers.direct_scale(up, features)?;
        x = layers.conv(up, x, [features * factor * factor, features], 3)?;
        x = layers.shuffle(format!("{up}/shuffle"), x, factor);
        x = layers.unary(up, LEAKY, x);
        scale *= factor;
    }
    x = layers.conv(hr, x, [features, features], 3)?;
    x = layers.unary(hr, LEAKY, x);
    x = layers.conv("conv_last", x, [colours, features], 3)?;
    let base = layers.resize("base", picture, ResizeMode::Bilinear { align_corners: false }, [scale, 1]);
    x = layers.add("output", x, base);

    let tags = vec![format!("{features}nf"), format!("{n_blocks}nb")];
    let hyperparameters = [
        ("num_in_ch", json!(colours)),
        ("num_out_ch", json!(colours)),
        ("num_feat", json!(features)),
        ("num_block", json!(n_blocks)),
        ("upscale", json!(scale)),
    ];
    Ok(layers.finish(x, SizeRule::default(), tags, hyperparameters))
}
