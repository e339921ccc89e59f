//! RCAN (<https://arxiv.org/abs/1807.02758>): residual groups of residual blocks whose channels are weighted by what
//! the whole picture says.

use super::keys::{Detection, KeyStyle, count};
use super::layers::{Layers, square_root};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "RCAN", half_safe: false, detect, build };

const ID: &str = "RCAN";

macro_rules! style {
    ($head:literal) => {
        KeyStyle {
            needed: &[
                $head,
                "tail.1.weight",
                "body.0.body.0.body.0.weight",
                "body.0.body.0.body.3.conv_du.0.weight",
            ],
            known: &[
                "head.*.weight",
                "head.*.bias",
                "body.*.weight",
                "body.*.bias",
                "body.*.body.*.weight",
                "body.*.body.*.bias",
                "body.*.body.*.body.*.weight",
                "body.*.body.*.body.*.bias",
                "body.*.body.*.body.*.conv_du.*.weight",
                "body.*.body.*.body.*.conv_du.*.bias",
                "tail.0.*.weight",
                "tail.0.*.bias",
                "tail.1.weight",
                "tail.1.bias",
                "sub_mean.weight",
                "sub_mean.bias",
                "add_mean.weight",
                "add_mean.bias",
            ],
        }
    };
}

const STYLES: &[KeyStyle] = &[style!("head.0.weight"), style!("head.1.weight")];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// What pictures are multiplied by where the mean is taken off.
const RGB_RANGE: f32 = 255.0;
/// What an unshuffled picture is enlarged by.
const UNSHUFFLED_SCALE: usize = 4;

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let unshuffled = !layers.has("head.0.weight");
    let head = if unshuffled { "head.1" } else { "head.0" };
    let [features, head_channels, kernel, _] = layers.conv_shape(head)?;
    let [colours, _, _, _] = layers.conv_shape("tail.1")?;
    let factor = if unshuffled {
        let factor = square_root(head_channels / colours).filter(|f| f * f * colours == head_channels);
        let factor = factor.filter(|f| UNSHUFFLED_SCALE.is_multiple_of(*f));
        factor.ok_or_else(|| {
            layers.problem(format!(
                "it takes {head_channels} channels and makes {colours}, which no shuffle explains"
            ))
        })?
    } else {
        1
    };
    let norm = layers.has("sub_mean.weight");
    let n_groups = count(state_dict, "body.").saturating_sub(1);
    let n_blocks = count(state_dict, "body.0.body.").saturating_sub(1);
    let [squeezed, _, _, _] = layers.conv_shape("body.0.body.0.body.3.conv_du.0")?;

    let mut x = layers.input(colours);
    if norm {
        x = layers.scale_shift("rgb_range", x, RGB_RANGE, 0.0);
        x = layers.conv("sub_mean", x, [colours, colours], 1)?;
    }
    x = layers.unshuffle("head.0", x, factor);
    let shallow = layers.conv(head, x, [features, head_channels], kernel)?;
    x = shallow;
    for group in 0..n_groups {
        let group = format!("body.{group}");
        let skip = x;
        for block in 0..n_blocks {
            let name = format!("{group}.body.{block}");
            x = residual_block(&mut layers, &name, x, features, kernel)?;
        }
        x = layers.conv(&format!("{group}.body.{n_blocks}"), x, [features, features], kernel)?;
        x = layers.add(group, x, skip);
    }
    x = layers.conv(&format!("body.{n_groups}"), x, [features, features], kernel)?;
    x = layers.add("body", x, shallow);
    let (up, _) = layers.shuffles("tail.0")?;
    x = layers.push_shuffles("tail.0", x, features)?;
    if !up.is_multiple_of(factor) {
        return Err(layers.problem(format!("it enlarges {up} times after shrinking {factor} times")));
    }
    x = layers.conv("tail.1", x, [colours, features], kernel)?;
    if norm {
        x = layers.conv("add_mean", x, [colours, colours], 1)?;
        x = layers.scale_shift("rgb_range", x, 1.0 / RGB_RANGE, 0.0);
    }

    let mut tags = vec![format!("{features}nf"), format!("{n_groups}nrg"), format!("{n_blocks}nrb")];
    if unshuffled {
        tags.push("unshuffle".to_string());
    }
    let hyperparameters = [
        ("scale", json!(up / factor)),
        ("n_resgroups", json!(n_groups)),
        ("n_resblocks", json!(n_blocks)),
        ("n_feats", json!(features)),
        ("n_colors", json!(colours)),
        ("rgb_range", json!(RGB_RANGE as u32)),
        ("norm", json!(norm)),
        ("kernel_size", json!(kernel)),
        ("reduction", json!(features / squeezed)),
        ("res_scale", json!(1)),
        ("act_mode", json!("relu")),
        ("unshuffle_mod", json!(unshuffled)),
        ("conv", json!("<default_conv>")),
    ];
    Ok(layers.finish(x, SizeRule::default(), tags, hyperparameters))
}

fn residual_block(
    layers: &mut Layers<'_>,
    name: &str,
    skip: NodeId,
    features: usize,
    kernel: usize,
) -> Result<NodeId, ModelError> {
    let [first, second] = ["body.0", "body.2"].map(|part| format!("{name}.{part}"));
    let mut x = layers.conv(&first, skip, [features, features], kernel)?;
    x = layers.unary(&first, UnaryOp::Relu, x);
    x = layers.conv(&second, x, [features, features], kernel)?;
    let attention = format!("{name}.body.3");
    let convs = [0, 2].map(|layer| format!("{attention}.conv_du.{layer}"));
    x = layers.excite(&attention, [&convs[0], &convs[1]], x, features, UnaryOp::Relu)?;
    Ok(layers.add(name, x, skip))
}
