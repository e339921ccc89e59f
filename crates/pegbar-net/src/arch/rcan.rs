//! RCAN (<https://arxiv.org/abs/1807.02758>): residual groups of residual blocks whose channels are weighted by what
//! the whole picture says.

use super::keys::{Detection, KeyStyle, count};
use super::layers::square_root;
use super::parts::Parts;
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
/// More enlarging steps than any model has.
const MAX_UPS: usize = 5;

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut p = Parts::new(ID, state_dict);
    let unshuffled = !p.has("head.0.weight");
    let head = if unshuffled { "head.1" } else { "head.0" };
    let [features, head_channels, kernel, _] = p.conv_shape(head)?;
    let [colours, _, _, _] = p.conv_shape("tail.1")?;
    let factor = if unshuffled {
        let factor = square_root(head_channels / colours).filter(|f| f * f * colours == head_channels);
        let factor = factor.filter(|f| UNSHUFFLED_SCALE.is_multiple_of(*f));
        factor.ok_or_else(|| {
            p.problem(format!(
                "it takes {head_channels} channels and makes {colours}, which no shuffle explains"
            ))
        })?
    } else {
        1
    };
    let norm = p.has("sub_mean.weight");
    let n_groups = count(state_dict, "body.").saturating_sub(1);
    let n_blocks = count(state_dict, "body.0.body.").saturating_sub(1);
    let [squeezed, _, _, _] = p.conv_shape("body.0.body.0.body.3.conv_du.0")?;

    let mut x = p.input(colours);
    if norm {
        x = p.scale_shift("rgb_range", x, RGB_RANGE, 0.0);
        x = p.conv("sub_mean", x, [colours, colours], 1)?;
    }
    x = p.unshuffle("head.0", x, factor);
    let shallow = p.conv(head, x, [features, head_channels], kernel)?;
    x = shallow;
    for group in 0..n_groups {
        let group = format!("body.{group}");
        let skip = x;
        for block in 0..n_blocks {
            let name = format!("{group}.body.{block}");
            x = residual_block(&mut p, &name, x, [features, squeezed], kernel)?;
        }
        x = p.conv(&format!("{group}.body.{n_blocks}"), x, [features, features], kernel)?;
        x = p.add(group, x, skip);
    }
    x = p.conv(&format!("body.{n_groups}"), x, [features, features], kernel)?;
    x = p.add("body", x, shallow);
    let mut up = 1;
    for step in 0..MAX_UPS {
        let name = format!("tail.0.{}", 2 * step);
        if !p.has(&format!("{name}.weight")) {
            break;
        }
        let [shuffled, _, _, _] = p.conv_shape(&name)?;
        let by = (shuffled / features).isqrt();
        if by == 0 || by * by * features != shuffled {
            return Err(p.problem(format!(
                "{name} makes {shuffled} channels, which is not {features} times a square"
            )));
        }
        x = p.conv(&name, x, [shuffled, features], 3)?;
        x = p.shuffle(format!("tail.0.{}", 2 * step + 1), x, by);
        up *= by;
    }
    if !up.is_multiple_of(factor) {
        return Err(p.problem(format!("it enlarges {up} times after shrinking {factor} times")));
    }
    x = p.conv("tail.1", x, [colours, features], kernel)?;
    if norm {
        x = p.conv("add_mean", x, [colours, colours], 1)?;
        x = p.scale_shift("rgb_range", x, 1.0 / RGB_RANGE, 0.0);
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
    Ok(p.finish(x, SizeRule::default(), tags, hyperparameters))
}

fn residual_block(
    p: &mut Parts<'_>,
    name: &str,
    skip: NodeId,
    [features, squeezed]: [usize; 2],
    kernel: usize,
) -> Result<NodeId, ModelError> {
    let [first, second] = ["body.0", "body.2"].map(|part| format!("{name}.{part}"));
    let attention = [0, 2].map(|layer| format!("{name}.body.3.conv_du.{layer}"));
    let mut x = p.conv(&first, skip, [features, features], kernel)?;
    x = p.unary(&first, UnaryOp::Relu, x);
    x = p.conv(&second, x, [features, features], kernel)?;
    let weight = p.global_mean(format!("{name}.body.3.avg_pool"), x);
    let weight = squeeze(p, &attention, weight, [features, squeezed], UnaryOp::Relu)?;
    x = p.mul(format!("{name}.body.3"), x, weight);
    Ok(p.add(name, x, skip))
}

/// Two 1x1 convolutions, to few channels and back, ending in a sigmoid.
pub(super) fn squeeze(
    p: &mut Parts<'_>,
    [first, second]: &[String; 2],
    x: NodeId,
    [features, squeezed]: [usize; 2],
    activation: UnaryOp,
) -> Result<NodeId, ModelError> {
    let mut x = p.conv(first, x, [squeezed, features], 1)?;
    x = p.unary(first, activation, x);
    x = p.conv(second, x, [features, squeezed], 1)?;
    Ok(p.unary(second, UnaryOp::Sigmoid, x))
}
