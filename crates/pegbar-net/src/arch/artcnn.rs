//! ArtCNN (<https://github.com/Artoriuz/ArtCNN>), in the names of its PyTorch form: residual blocks of three
//! convolutions, one shuffle.

use super::keys::{Detection, KeyStyle, count, keys};
use super::layers::Layers;
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "ArtCNN", half_safe: true, detect, build };

const ID: &str = "ArtCNN";

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "conv0.weight",
        "res_block.0.conv.0.0.weight",
        "res_block.0.conv.1.0.weight",
        "res_block.0.conv.2.weight",
        "depth_to_space.upscale.0.weight",
    ],
    known: keys!(
        "conv0", "res_block.*.conv.*.0", "res_block.*.conv.2", "res_block.*", "depth_to_space.upscale.0";
    ),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [features, colours, kernel, _] = layers.conv_shape("conv0")?;
    let scale = layers.direct_scale("depth_to_space.upscale.0", colours)?;
    if kernel.is_multiple_of(2) {
        return Err(layers.problem(format!("its kernels of {kernel} pixels have no middle")));
    }
    let n_blocks = count(state_dict, "res_block.").saturating_sub(1);
    let size = [features, features];

    let picture = layers.input(colours);
    let shallow = layers.conv("conv0", picture, [features, colours], kernel)?;
    let mut x = shallow;
    for index in 0..n_blocks {
        let name = format!("res_block.{index}");
        let mut y = x;
        for part in ["conv.0.0", "conv.1.0"] {
            let part = format!("{name}.{part}");
            y = layers.conv(&part, y, size, kernel)?;
            y = layers.unary(&part, UnaryOp::Relu, y);
        }
        y = layers.conv(&format!("{name}.conv.2"), y, size, kernel)?;
        x = layers.add(name, x, y);
    }
    x = layers.conv(&format!("res_block.{n_blocks}"), x, size, kernel)?;
    x = layers.add("res_block", x, shallow);
    x = layers.conv("depth_to_space.upscale.0", x, [colours * scale * scale, features], kernel)?;
    x = layers.shuffle("depth_to_space.upscale.1", x, scale);

    let tags = vec![format!("R{n_blocks}F{features}")];
    let hyperparameters = [
        ("in_ch", json!(colours)),
        ("scale", json!(scale)),
        ("filters", json!(features)),
        ("n_block", json!(n_blocks)),
        ("kernel_size", json!(kernel)),
        ("act", json!("<ReLU>")),
    ];
    Ok(layers.finish(x, SizeRule::default(), tags, hyperparameters))
}
