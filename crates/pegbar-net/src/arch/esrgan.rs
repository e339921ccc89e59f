//! ESRGAN (RRDBNet, <https://arxiv.org/abs/1809.00219>): dense blocks of 3x3 convolutions in nested residuals, then
//! nearest-neighbour enlargement and convolution, once for each doubling.
//!
//! The same network is published with three spellings of its keys, with an extra 1x1 in each dense block (ESRGAN+),
//! and with its input pixel-unshuffled (2x and 1x models on the 4x body).

use super::keys::{Detection, KeyStyle, count, has};
use super::layers::{Layers, square_root};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, Op, ResizeMode, ResizeTarget, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "ESRGAN", half_safe: true, detect, build };

const ID: &str = "ESRGAN";

/// In the order of [`Style`].
const STYLES: &[KeyStyle] = &[
    KeyStyle {
        needed: &["model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight", "model.1.sub.*.weight"],
        known: &[
            "model.*.weight",
            "model.*.bias",
            "model.1.sub.*.weight",
            "model.1.sub.*.bias",
            "model.1.sub.*.RDB*.conv*.0.weight",
            "model.1.sub.*.RDB*.conv*.0.bias",
            "model.1.sub.*.RDB*.conv1x1.weight",
        ],
    },
    KeyStyle {
        needed: &[
            "conv_first.weight",
            "body.0.rdb1.conv1.weight",
            "conv_body.weight",
            "conv_hr.weight",
            "conv_last.weight",
        ],
        known: &[
            "conv_first.weight",
            "conv_first.bias",
            "body.*.rdb*.conv*.weight",
            "body.*.rdb*.conv*.bias",
            "body.*.rdb*.conv1x1.weight",
            "conv_body.weight",
            "conv_body.bias",
            "conv_up*.weight",
            "conv_up*.bias",
            "conv_hr.weight",
            "conv_hr.bias",
            "conv_last.weight",
            "conv_last.bias",
        ],
    },
    KeyStyle {
        needed: &[
            "conv_first.weight",
            "RRDB_trunk.0.RDB1.conv1.weight",
            "trunk_conv.weight",
            "HRconv.weight",
            "conv_last.weight",
        ],
        known: &[
            "conv_first.weight",
            "conv_first.bias",
            "RRDB_trunk.*.RDB*.conv*.weight",
            "RRDB_trunk.*.RDB*.conv*.bias",
            "RRDB_trunk.*.RDB*.conv1x1.weight",
            "trunk_conv.weight",
            "trunk_conv.bias",
            "upconv*.weight",
            "upconv*.bias",
            "HRconv.weight",
            "HRconv.bias",
            "conv_last.weight",
            "conv_last.bias",
        ],
    },
];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// Spelling of the keys.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Style {
    /// The first publication: layers of one sequence, by number.
    Old,
    /// Real-ESRGAN, BasicSR and neosr.
    New,
    /// The second publication, BSRGAN and RealSR.
    Bsrgan,
}

/// How the trunk's result is enlarged.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Upsampler {
    /// Nearest neighbour, convolution.
    UpConv,
    /// Convolution, pixel shuffle.
    PixelShuffle,
}

/// Keys of the layers, by spelling.
pub(super) struct Names {
    style: Style,
    pub(super) n_blocks: usize,
    n_ups: usize,
    upsampler: Upsampler,
}

impl Names {
    pub(super) fn of(state_dict: &StateDict) -> Self {
        let ups = |prefix: &str| count(state_dict, prefix).saturating_sub(1);
        if state_dict.contains("model.0.weight") {
            // ..., [enlarge, conv, activation] x n_ups, conv, activation, conv: the last index is 3 * n_ups + 4.
            let last = count(state_dict, "model.").saturating_sub(1);
            let n_ups = last.saturating_sub(4) / 3;
            // A pixel shuffle stands behind its convolution instead of before it.
            let shuffled =
                n_ups > 0 && !state_dict.contains("model.3.weight") && state_dict.contains("model.2.weight");
            let upsampler = if shuffled { Upsampler::PixelShuffle } else { Upsampler::UpConv };
            let n_blocks = count(state_dict, "model.1.sub.").saturating_sub(1);
            Self { style: Style::Old, n_blocks, n_ups, upsampler }
        } else if has(state_dict, "RRDB_trunk.*.RDB*.conv*.weight") {
            let (n_blocks, n_ups) = (count(state_dict, "RRDB_trunk."), ups("upconv"));
            Self { style: Style::Bsrgan, n_blocks, n_ups, upsampler: Upsampler::UpConv }
        } else {
            let (n_blocks, n_ups) = (count(state_dict, "body."), ups("conv_up"));
            Self { style: Style::New, n_blocks, n_ups, upsampler: Upsampler::UpConv }
        }
    }

    fn pick(&self, old: String, new: &str, bsrgan: &str) -> String {
        match self.style {
            Style::Old => old,
            Style::New => new.to_string(),
            Style::Bsrgan => bsrgan.to_string(),
        }
    }

    fn first(&self) -> String {
        self.pick("model.0".into(), "conv_first", "conv_first")
    }

    pub(super) fn dense_block(&self, block: usize, rdb: usize) -> String {
        match self.style {
            Style::Old => format!("model.1.sub.{block}.RDB{rdb}"),
            Style::New => format!("body.{block}.rdb{rdb}"),
            Style::Bsrgan => format!("RRDB_trunk.{block}.RDB{rdb}"),
        }
    }

    fn dense_conv(&self, dense_block: &str, conv: usize) -> String {
        let suffix = if self.style == Style::Old { ".0" } else { "" };
        format!("{dense_block}.conv{conv}{suffix}")
    }

    fn trunk(&self) -> String {
        self.pick(format!("model.1.sub.{}", self.n_blocks), "conv_body", "trunk_conv")
    }

    /// The n-th, from 1.
    fn up(&self, n: usize) -> String {
        let old = if self.upsampler == Upsampler::PixelShuffle { 3 * n - 1 } else { 3 * n };
        self.pick(format!("model.{old}"), &format!("conv_up{n}"), &format!("upconv{n}"))
    }

    fn high_resolution(&self) -> String {
        self.pick(format!("model.{}", 3 * self.n_ups + 2), "conv_hr", "HRconv")
    }

    fn last(&self) -> String {
        self.pick(format!("model.{}", 3 * self.n_ups + 4), "conv_last", "conv_last")
    }
}

/// More doublings than any model has.
const MAX_UPS: usize = 5;

const LEAKY: UnaryOp = UnaryOp::LeakyRelu(0.2);
const RESIDUAL_SCALE: f32 = 0.2;

fn build(state_dict: &StateDict, options: &ModelOptions) -> Result<Built, ModelError> {
    let names = Names::of(state_dict);
    let mut layers = Layers::new(ID, state_dict);
    let [features, in_channels, _, _] = layers.conv_shape(&names.first())?;
    let [out_channels, _, _, _] = layers.conv_shape(&names.last())?;
    let [growth, _, _, _] = layers.conv_shape(&names.dense_conv(&names.dense_block(0, 1), 1))?;
    if names.n_ups > MAX_UPS {
        return Err(layers
            .problem(format!("it has {} up-convolutions, where at most {MAX_UPS} make sense", names.n_ups)));
    }
    let plus = has_conv1x1(state_dict);
    let shuffle = [2, 4].into_iter().find(|f| in_channels == out_channels * f * f);
    let picture_channels = in_channels / shuffle.map_or(1, |f| f * f);
    let mut x = layers.input(picture_channels);
    if let Some(factor) = shuffle {
        x = layers.unshuffle("unshuffle", x, factor);
    }
    let first = layers.conv(&names.first(), x, [features, in_channels], 3)?;
    x = first;
    for block in 0..names.n_blocks {
        let skip = x;
        for rdb in 1..=3 {
            x = dense_block(
                &mut layers,
                &names,
                &names.dense_block(block, rdb),
                x,
                [features, growth],
                plus,
            )?;
        }
        x = residual(&mut layers, &names.dense_block(block, 0), x, skip);
    }
    x = layers.conv(&names.trunk(), x, [features, features], 3)?;
    x = layers.add("trunk", first, x);
    let (factors, doubt) = up_factors(&layers, &names, features, options)?;
    let body_scale: usize = factors.iter().product();
    if !body_scale.is_multiple_of(shuffle.unwrap_or(1)) {
        return Err(layers.problem(format!(
            "it enlarges {body_scale} times after shrinking {} times, which is no whole number",
            shuffle.unwrap_or(1)
        )));
    }
    for (index, &factor) in factors.iter().enumerate() {
        let name = names.up(index + 1);
        x = match names.upsampler {
            Upsampler::UpConv => {
                let target = ResizeTarget::Scale { height: [factor, 1], width: [factor, 1] };
                let op = Op::Resize { mode: ResizeMode::Nearest, target };
                x = layers.push(format!("{name}/enlarge"), op, &[x]);
                layers.conv(&name, x, [features, features], 3)?
            }
            Upsampler::PixelShuffle => {
                x = layers.conv(&name, x, [features * factor * factor, features], 3)?;
                layers.shuffle(format!("{name}/shuffle"), x, factor)
            }
        };
        x = layers.unary(&name, LEAKY, x);
    }
    x = layers.conv(&names.high_resolution(), x, [features, features], 3)?;
    x = layers.unary(&names.high_resolution(), LEAKY, x);
    x = layers.conv(&names.last(), x, [out_channels, features], 3)?;

    // The reference pads to these before it runs, which shows at the right and bottom border.
    let size_rule = match shuffle {
        Some(_) => SizeRule { minimum: 4, multiple_of: 4, ..SizeRule::default() },
        None => SizeRule { minimum: 2, ..SizeRule::default() },
    };

    let mut tags = vec![format!("{features}nf"), format!("{}nb", names.n_blocks)];
    if plus {
        tags.insert(0, "ESRGAN+".into());
    }
    if shuffle.is_some() {
        tags.push("unshuffle".into());
    }
    let hyperparameters = [
        ("in_nc", json!(in_channels)),
        ("out_nc", json!(out_channels)),
        ("num_filters", json!(features)),
        ("num_blocks", json!(names.n_blocks)),
        ("num_grow_ch", json!(growth)),
        ("scale", json!(body_scale)),
        ("plus", json!(plus)),
        ("shuffle_factor", json!(shuffle)),
        ("norm", json!(null)),
        ("act", json!("leakyrelu")),
        ("upsampler", json!(if names.upsampler == Upsampler::UpConv { "upconv" } else { "pixel_shuffle" })),
        ("mode", json!("CNA")),
    ];
    Ok(Built { notes: doubt.into_iter().collect(), ..layers.finish(x, size_rule, tags, hyperparameters) })
}

fn has_conv1x1(state_dict: &StateDict) -> bool {
    state_dict.names().any(|key| key.ends_with(".conv1x1.weight"))
}

/// By how much each up-convolution enlarges, and what is to be said about it.
///
/// Two for each, but for 3x models: those have one that enlarges three times, and nothing in the state dict differs
/// from a 2x model, neither a key nor a shape. (What the network makes of a picture does not tell either: the two
/// convolutions behind the enlargement smooth over a wrong factor.) So the caller's word counts, then the file's
/// name, then 2x, by far the commoner. A pixel shuffle tells by its channels.
fn up_factors(
    layers: &Layers<'_>,
    names: &Names,
    features: usize,
    options: &ModelOptions,
) -> Result<(Vec<usize>, Option<String>), ModelError> {
    let from_shuffle = |n: usize| -> Result<usize, ModelError> {
        let [out, _, _, _] = layers.conv_shape(&names.up(n))?;
        let squared = if out.is_multiple_of(features) { square_root(out / features) } else { None };
        squared.ok_or_else(|| {
            layers.problem(format!(
                "{} has {out} channels, which is not {features} times a square",
                names.up(n)
            ))
        })
    };
    if names.upsampler == Upsampler::PixelShuffle {
        return Ok(((1..=names.n_ups).map(from_shuffle).collect::<Result<_, _>>()?, None));
    }
    Ok(match options.expected_scale() {
        Some(3) if names.n_ups == 1 => (vec![3], None),
        None if names.n_ups == 1 => (vec![2], Some(TWO_OR_THREE.to_string())),
        _ => (vec![2; names.n_ups], None),
    })
}

const TWO_OR_THREE: &str = "taken for a 2x model; a 3x model has the same tensors, so if it is one, say so with the scale \
                            or with 3x in the file's name";

/// Five convolutions, each of which sees the results of all before it. ESRGAN+ adds a 1x1 of the input to the second
/// result and the second result to the fourth; its noise is for training only.
pub(super) fn dense_block(
    layers: &mut Layers<'_>,
    names: &Names,
    block: &str,
    x: NodeId,
    [features, growth]: [usize; 2],
    plus: bool,
) -> Result<NodeId, ModelError> {
    let mut seen = vec![x];
    for conv in 1..=4 {
        let name = names.dense_conv(block, conv);
        let joined = join(layers, &name, &seen);
        let mut made = layers.conv(&name, joined, [growth, features + (conv - 1) * growth], 3)?;
        made = layers.unary(&name, LEAKY, made);
        if plus && conv == 2 {
            let beside = layers.conv(&format!("{block}.conv1x1"), x, [growth, features], 1)?;
            made = layers.add(format!("{name}/plus"), made, beside);
        }
        if plus && conv == 4 {
            made = layers.add(format!("{name}/plus"), made, seen[2]);
        }
        seen.push(made);
    }
    let name = names.dense_conv(block, 5);
    let joined = join(layers, &name, &seen);
    let out = layers.conv(&name, joined, [features, features + 4 * growth], 3)?;
    Ok(residual(layers, block, out, x))
}

fn join(layers: &mut Layers<'_>, name: &str, values: &[NodeId]) -> NodeId {
    match values {
        [one] => *one,
        several => layers.concat(format!("{name}/join"), several),
    }
}

/// `x * 0.2 + skip`.
pub(super) fn residual(layers: &mut Layers<'_>, name: &str, x: NodeId, skip: NodeId) -> NodeId {
    let x = layers.unary(name, UnaryOp::ScaleShift { scale: RESIDUAL_SCALE, shift: 0.0 }, x);
    layers.add(name, x, skip)
}
