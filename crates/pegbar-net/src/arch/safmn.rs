//! SAFMN (<https://arxiv.org/abs/2302.13800>): features modulated by themselves at four sizes. The BCIE variant works
//! on the picture unshuffled, in groups of blocks, and keeps its size.

use super::keys::{Detection, KeyStyle, count};
use super::layers::{Layers, ratio};
use super::{Architecture, Built};
use crate::dim::gcd;
use crate::{
    ModelError, ModelOptions, NodeId, NormKind, Op, Padding, PoolKind, ResizeMode, ResizeTarget, SizeRule,
    UnaryOp,
};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "SAFMN", half_safe: false, detect, build };

pub(super) const BCIE: Architecture = Architecture {
    id: BCIE_ID,
    name: "SAFMN BCIE",
    half_safe: false,
    detect: detect_bcie,
    build: build_bcie,
};

const ID: &str = "SAFMN";
const BCIE_ID: &str = "SAFMNBCIE";

macro_rules! block_keys {
    ($block:literal, $($other:literal),* $(,)?) => {
        &[
            concat!($block, ".norm*.weight"), concat!($block, ".norm*.bias"),
            concat!($block, ".safm.mfr.*.weight"), concat!($block, ".safm.mfr.*.bias"),
            concat!($block, ".safm.aggr.weight"), concat!($block, ".safm.aggr.bias"),
            concat!($block, ".ccm.ccm.*.weight"), concat!($block, ".ccm.ccm.*.bias"),
            $($other),*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "to_feat.weight",
        "feats.0.norm1.weight",
        "feats.0.safm.mfr.3.weight",
        "feats.0.safm.aggr.weight",
        "feats.0.ccm.ccm.2.weight",
        "to_img.0.weight",
    ],
    known: block_keys!("feats.*", "to_feat.weight", "to_feat.bias", "to_img.0.weight", "to_img.0.bias"),
}];

const BCIE_STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "to_feat.1.weight",
        "feats.0.layers.0.norm1.weight",
        "feats.0.layers.0.safm.mfr.3.weight",
        "feats.0.layers.0.ccm.ccm.2.weight",
        "feats.0.conv.weight",
        "to_img.0.weight",
        "to_img.2.weight",
    ],
    known: block_keys!(
        "feats.*.layers.*",
        "feats.*.conv.weight",
        "feats.*.conv.bias",
        "to_feat.1.weight",
        "to_feat.1.bias",
        "to_img.*.weight",
        "to_img.*.bias",
    ),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn detect_bcie(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, BCIE_STYLES)
}

/// Channels of the picture.
const COLOURS: usize = 3;
/// Sizes features are looked at in: the whole, a half, a quarter, an eighth.
const LEVELS: usize = 4;
const NORM_EPS: f32 = 1e-6;
/// What pictures are brought to multiples of.
const MULTIPLE: usize = 1 << (LEVELS - 1);
const BCIE_MULTIPLE: usize = 16;

/// How often a pixel of `channels` holds the picture's colours along each axis.
fn factor(layers: &Layers<'_>, name: &str, channels: usize) -> Result<usize, ModelError> {
    let factor = (channels / COLOURS).isqrt();
    if factor == 0 || factor * factor * COLOURS != channels {
        return Err(
            layers.problem(format!("{name} has {channels} channels, which is not {COLOURS} times a square"))
        );
    }
    Ok(factor)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [dim, _, _, _] = layers.conv_shape("to_feat")?;
    let [hidden, _, _, _] = layers.conv_shape("feats.0.ccm.ccm.0")?;
    let [shuffled, _, _, _] = layers.conv_shape("to_img.0")?;
    let scale = factor(&layers, "to_img.0", shuffled)?;
    let n_blocks = count(state_dict, "feats.");
    let features = Features { dim, hidden, multiple: MULTIPLE };

    let x = layers.input(COLOURS);
    let shallow = layers.conv("to_feat", x, [dim, COLOURS], 3)?;
    let mut x = shallow;
    for index in 0..n_blocks {
        x = features.block(&mut layers, &format!("feats.{index}"), x)?;
    }
    x = layers.add("feats", x, shallow);
    x = layers.conv("to_img.0", x, [shuffled, dim], 3)?;
    x = layers.shuffle("to_img.1", x, scale);

    let size_rule = SizeRule { multiple_of: MULTIPLE, ..SizeRule::default() };
    let hyperparameters = [
        ("dim", json!(dim)),
        ("n_blocks", json!(n_blocks)),
        ("ffn_scale", json!(ratio(hidden, dim))),
        ("upscaling_factor", json!(scale)),
    ];
    Ok(layers.finish(x, size_rule, vec![format!("{dim}dim"), format!("{n_blocks}nb")], hyperparameters))
}

fn build_bcie(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(BCIE_ID, state_dict);
    let [dim, unshuffled, _, _] = layers.conv_shape("to_feat.1")?;
    let [hidden, _, _, _] = layers.conv_shape("feats.0.layers.0.ccm.ccm.0")?;
    let by = factor(&layers, "to_feat.1", unshuffled)?;
    let (n_groups, n_blocks) = (count(state_dict, "feats."), count(state_dict, "feats.0.layers."));
    let multiple = BCIE_MULTIPLE / gcd(BCIE_MULTIPLE, by);
    let features = Features { dim, hidden, multiple };

    let x = layers.input(COLOURS);
    let x = layers.unshuffle("to_feat.0", x, by);
    let shallow = layers.conv("to_feat.1", x, [dim, unshuffled], 3)?;
    let mut x = shallow;
    for group in 0..n_groups {
        let name = format!("feats.{group}");
        let skip = x;
        for index in 0..n_blocks {
            x = features.block(&mut layers, &format!("{name}.layers.{index}"), x)?;
        }
        x = layers.conv(&format!("{name}.conv"), x, [dim, dim], 3)?;
        x = layers.add(name, x, skip);
    }
    x = layers.add("feats", x, shallow);
    x = layers.conv("to_img.0", x, [dim * by * by, dim], 3)?;
    x = layers.shuffle("to_img.1", x, by);
    x = layers.conv("to_img.2", x, [COLOURS, dim], 3)?;

    let size_rule = SizeRule { multiple_of: BCIE_MULTIPLE, ..SizeRule::default() };
    let tags = vec![format!("{dim}dim"), format!("{n_blocks}nl"), format!("{n_groups}nb"), format!("{by}uf")];
    let hyperparameters = [
        ("dim", json!(dim)),
        ("n_blocks", json!(n_groups)),
        ("num_layers", json!(n_blocks)),
        ("ffn_scale", json!(ratio(hidden, dim))),
        ("upscaling_factor", json!(by)),
    ];
    Ok(layers.finish(x, size_rule, tags, hyperparameters))
}

/// What the blocks work on.
struct Features {
    dim: usize,
    hidden: usize,
    /// Height and width are multiples of it.
    multiple: usize,
}

impl Features {
    fn block(&self, layers: &mut Layers<'_>, name: &str, skip: NodeId) -> Result<NodeId, ModelError> {
        let Self { dim, hidden, .. } = *self;
        let x = layers.layer_norm_of(&format!("{name}.norm1"), skip, dim, NormKind::Standard, NORM_EPS)?;
        let x = self.modulate(layers, &format!("{name}.safm"), x)?;
        let skip = layers.add(format!("{name}/safm"), x, skip);
        let x = layers.layer_norm_of(&format!("{name}.norm2"), skip, dim, NormKind::Standard, NORM_EPS)?;
        let [first, second] = [0, 2].map(|i| format!("{name}.ccm.ccm.{i}"));
        let x = layers.conv(&first, x, [hidden, dim], 3)?;
        let x = layers.unary(&first, UnaryOp::Gelu, x);
        let x = layers.conv(&second, x, [dim, hidden], 1)?;
        Ok(layers.add(name, x, skip))
    }

    fn modulate(&self, layers: &mut Layers<'_>, name: &str, x: NodeId) -> Result<NodeId, ModelError> {
        let dim = self.dim;
        if !dim.is_multiple_of(LEVELS) {
            return Err(layers.problem(format!("its {dim} features are no multiple of {LEVELS}")));
        }
        let part = dim / LEVELS;
        let mut levels = Vec::with_capacity(LEVELS);
        for level in 0..LEVELS {
            let of_level = format!("{name}.mfr.{level}");
            let by = 1 << level;
            let divides = self.multiple.is_multiple_of(by);
            let mut s = layers.channels(format!("{of_level}/part"), x, level * part..(level + 1) * part);
            if level > 0 {
                let kind = PoolKind::Max;
                let op = match divides {
                    true => Op::Pool { kind, kernel: [by; 2], stride: [by; 2], padding: Padding::default() },
                    false => Op::AdaptivePool { kind, divisor: [by; 2] },
                };
                s = layers.push(format!("{of_level}/pool"), op, &[s]);
            }
            s = layers.depthwise(&of_level, s, part, 3)?;
            let enlarge = format!("{of_level}/enlarge");
            if level > 0 && divides {
                s = layers.nearest(enlarge, s, by);
            } else if level > 0 {
                let op = Op::Resize { mode: ResizeMode::Nearest, target: ResizeTarget::Like };
                s = layers.push(enlarge, op, &[s, x]);
            }
            levels.push(s);
        }
        let joined = layers.concat(format!("{name}/joined"), &levels);
        let gate = layers.conv(&format!("{name}.aggr"), joined, [dim, dim], 1)?;
        let gate = layers.unary(name, UnaryOp::Gelu, gate);
        Ok(layers.mul(name, gate, x))
    }
}
