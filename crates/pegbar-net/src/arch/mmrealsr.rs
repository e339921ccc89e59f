//! MM-RealSR (<https://arxiv.org/abs/2205.04910>): ESRGAN's network, whose blocks are scaled and shifted by how
//! degraded a second network finds the picture.

use super::esrgan::{Names, dense_block, residual};
use super::keys::{Detection, KeyStyle};
use super::layers::{Conv, Layers};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, Op, ResizeMode, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "MMRealSR", half_safe: true, detect, build };

const ID: &str = "MMRealSR";

const LEAKY: UnaryOp = UnaryOp::LeakyRelu(0.2);

/// Width of the vectors that describe the degradation.
const EMBEDDING: usize = 512;

/// More kinds of degradation than any model tells apart.
const MAX_DEGRADATIONS: usize = 16;

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "conv_first.weight",
        "conv_body.weight",
        "conv_up1.weight",
        "conv_up2.weight",
        "conv_hr.weight",
        "conv_last.weight",
        "body.0.rdb1.conv1.weight",
        "am_list.0.fc.0.weight",
        "de_net.conv_first.0.weight",
        "de_net.body.0.0.conv1.weight",
        "de_net.fc_degree.0.0.weight",
        "dd_embed.0.weight",
    ],
    known: &[
        "conv_first.weight",
        "conv_first.bias",
        "conv_body.weight",
        "conv_body.bias",
        "conv_up*.weight",
        "conv_up*.bias",
        "conv_hr.weight",
        "conv_hr.bias",
        "conv_last.weight",
        "conv_last.bias",
        "body.*.rdb*.conv*.weight",
        "body.*.rdb*.conv*.bias",
        "am_list.*.fc.*.weight",
        "am_list.*.fc.*.bias",
        "de_net.conv_first.*.weight",
        "de_net.conv_first.*.bias",
        "de_net.body.*.*.conv*.weight",
        "de_net.body.*.*.conv*.bias",
        "de_net.body.*.*.weight",
        "de_net.body.*.*.bias",
        "de_net.fc_degree.*.*.weight",
        "de_net.fc_degree.*.*.bias",
        "dd_embed.0.weight",
        "dd_embed.0.bias",
    ],
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// Channels of the picture and scale, of the channels of the first convolution: it takes the picture unshuffled by 2
/// for 2x and by 4 for 1x.
fn picture_channels(combined: usize, out_channels: usize) -> Option<(usize, usize)> {
    let channels = if [1, 4, 16].iter().any(|f| combined == out_channels * f) {
        out_channels
    } else if combined.is_multiple_of(3) {
        3
    } else if combined.is_multiple_of(16) && combined > 16 {
        combined / 16
    } else if !combined.is_multiple_of(4) {
        combined
    } else if combined == 16 {
        1
    } else {
        4
    };
    [(1, 4), (4, 2), (16, 1)]
        .into_iter()
        .find(|(times, _)| channels * times == combined)
        .map(|(_, scale)| (channels, scale))
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [out_channels, features, _, _] = layers.conv_shape("conv_last")?;
    let [_, combined, _, _] = layers.conv_shape("conv_first")?;
    let [growth, _, _, _] = layers.conv_shape("body.0.rdb1.conv1")?;
    let names = Names::of(state_dict);
    let n_blocks = names.n_blocks;
    let Some((in_channels, scale)) = picture_channels(combined, out_channels) else {
        return Err(layers.problem(format!("its first convolution takes {combined} channels")));
    };
    let [_, n_degradations] = layers.shape("dd_embed.0.weight")?;
    if n_degradations > MAX_DEGRADATIONS {
        return Err(layers.problem(format!("it tells {n_degradations} degradations apart")));
    }
    let stages = Stages::of(&layers)?;

    let input = layers.input(in_channels);
    let factor = 4 / scale;
    let unshuffled = if factor > 1 { layers.unshuffle("unshuffle", input, factor) } else { input };
    let first = layers.conv("conv_first", unshuffled, [features, combined], 3)?;

    let degrees: Vec<NodeId> = (0..n_degradations)
        .map(|index| degree(&mut layers, &stages, index, unshuffled, combined))
        .collect::<Result<_, _>>()?;
    let degrees = layers.concat("degrees", &degrees);
    let embedding = layers.linear("dd_embed.0", degrees, [EMBEDDING, n_degradations])?;
    let embedding = layers.unary("dd_embed.0", UnaryOp::Relu, embedding);

    let mut x = first;
    for block in 0..n_blocks {
        let skip = x;
        for rdb in 1..=3 {
            x = dense_block(
                &mut layers,
                &names,
                &names.dense_block(block, rdb),
                x,
                [features, growth],
                false,
            )?;
        }
        x = residual(&mut layers, &format!("body.{block}"), x, skip);
        x = modulate(&mut layers, &format!("am_list.{block}"), x, embedding, features)?;
    }
    x = layers.conv("conv_body", x, [features; 2], 3)?;
    x = layers.add("trunk", first, x);
    for name in ["conv_up1", "conv_up2"] {
        x = layers.resize(format!("{name}/enlarge"), x, ResizeMode::Nearest, [2, 1]);
        x = layers.conv(name, x, [features; 2], 3)?;
        x = layers.unary(name, LEAKY, x);
    }
    x = layers.conv("conv_hr", x, [features; 2], 3)?;
    x = layers.unary("conv_hr", LEAKY, x);
    let output = layers.conv("conv_last", x, [out_channels, features], 3)?;
    let size_rule = SizeRule { minimum: 16, ..SizeRule::default() };

    Ok(layers.finish(
        output,
        size_rule,
        vec![format!("{features}nf"), format!("{n_blocks}nb")],
        [
            ("scale", json!(scale)),
            ("num_feat", json!(features)),
            ("num_block", json!(n_blocks)),
            ("num_grow_ch", json!(growth)),
            ("de_net_type", json!("DEResNet")),
            ("num_degradation", json!(n_degradations)),
            ("degradation_degree_actv", json!("sigmoid")),
            ("num_feats", json!(stages.channels)),
            ("num_blocks", json!(stages.n_blocks)),
            ("downscales", json!(stages.factors)),
            ("num_in_ch", json!(in_channels)),
            ("num_out_ch", json!(out_channels)),
        ],
    ))
}

/// A layer of the network that judges the degradation.
enum Part {
    /// Two convolutions of so many channels, added to their input.
    Residual(usize),
    /// A convolution `[out, in]` in steps.
    Conv([usize; 2], usize),
}

/// The network that judges the degradation. A convolution between stages that does not halve the sides has the same
/// shape as one that does, so all are taken to halve.
struct Stages {
    parts: Vec<Part>,
    channels: Vec<usize>,
    n_blocks: Vec<usize>,
    factors: Vec<usize>,
}

impl Stages {
    fn of(layers: &Layers<'_>) -> Result<Self, ModelError> {
        let mut stages =
            Self { parts: Vec::new(), channels: Vec::new(), n_blocks: Vec::new(), factors: Vec::new() };
        // Channels and blocks of the stage that is not finished.
        let mut open: Option<(usize, usize)> = None;
        for index in 0.. {
            let name = format!("de_net.body.0.{index}");
            if layers.has(&format!("{name}.conv1.weight")) {
                let [channels, _, _, _] = layers.conv_shape(&format!("{name}.conv1"))?;
                open = match open {
                    Some((same, blocks)) if same == channels => Some((same, blocks + 1)),
                    Some(stage) => {
                        stages.close(stage, 1);
                        Some((channels, 1))
                    }
                    None => Some((channels, 1)),
                };
                stages.parts.push(Part::Residual(channels));
            } else if layers.has(&format!("{name}.weight")) {
                let [out, input, _, _] = layers.conv_shape(&name)?;
                let Some(stage) = open.take() else {
                    return Err(layers.problem(format!("{name} follows no block")));
                };
                stages.close(stage, 2);
                stages.parts.push(Part::Conv([out, input], 2));
            } else {
                break;
            }
        }
        if let Some(stage) = open {
            stages.close(stage, 1);
        }
        Ok(stages)
    }

    fn close(&mut self, (channels, n_blocks): (usize, usize), factor: usize) {
        self.channels.push(channels);
        self.n_blocks.push(n_blocks);
        self.factors.push(factor);
    }
}

/// How strong a degradation is: one number for the picture.
fn degree(
    layers: &mut Layers<'_>,
    stages: &Stages,
    index: usize,
    picture: NodeId,
    in_channels: usize,
) -> Result<NodeId, ModelError> {
    let (Some(&first), Some(&last)) = (stages.channels.first(), stages.channels.last()) else {
        return Err(layers.problem("its network for the degradation has no blocks"));
    };
    let mut x = layers.conv(&format!("de_net.conv_first.{index}"), picture, [first, in_channels], 3)?;
    for (place, part) in stages.parts.iter().enumerate() {
        let name = format!("de_net.body.{index}.{place}");
        match *part {
            Part::Residual(channels) => {
                let y = layers.conv(&format!("{name}.conv1"), x, [channels; 2], 3)?;
                let y = layers.unary(&format!("{name}.conv1"), UnaryOp::Relu, y);
                let y = layers.conv(&format!("{name}.conv2"), y, [channels; 2], 3)?;
                x = layers.add(&name, x, y);
            }
            Part::Conv(size, step) => x = layers.conv_of(&name, x, size, Conv::same(3).stride(step, 1))?,
        }
    }
    let name = format!("de_net.fc_degree.{index}");
    let x = layers.global_mean(format!("{name}/mean"), x);
    let x = layers.linear(&format!("{name}.0"), x, [EMBEDDING, last])?;
    let x = layers.unary(&format!("{name}.0"), UnaryOp::Relu, x);
    let x = layers.linear(&format!("{name}.2"), x, [1, EMBEDDING])?;
    Ok(layers.unary(&format!("{name}.2"), UnaryOp::Sigmoid, x))
}

/// `(1 + gamma) * x + beta`, both made of the degradation.
fn modulate(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    embedding: NodeId,
    features: usize,
) -> Result<NodeId, ModelError> {
    let hidden = (EMBEDDING + 2 * features) / 2;
    let d = layers.linear(&format!("{name}.fc.0"), embedding, [hidden, EMBEDDING])?;
    let d = layers.unary(&format!("{name}.fc.0"), UnaryOp::Relu, d);
    let d = layers.linear(&format!("{name}.fc.2"), d, [hidden; 2])?;
    let d = layers.unary(&format!("{name}.fc.2"), UnaryOp::Relu, d);
    let d = layers.linear(&format!("{name}.fc.4"), d, [2 * features, hidden])?;
    let [gamma, beta] = layers.chunks(name, d, features);
    let one_more = UnaryOp::ScaleShift { scale: 1.0, shift: 1.0 };
    let gamma = layers.push(format!("{name}/gamma"), Op::Unary(one_more), &[gamma]);
    let x = layers.mul(format!("{name}/scaled"), x, gamma);
    Ok(layers.add(name, x, beta))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_follows_from_the_channels_of_the_first_convolution() {
        assert_eq!(picture_channels(3, 3), Some((3, 4)));
        assert_eq!(picture_channels(12, 3), Some((3, 2)));
        assert_eq!(picture_channels(48, 3), Some((3, 1)));
        assert_eq!(picture_channels(16, 3), Some((1, 1)));
        assert_eq!(picture_channels(7, 3), Some((7, 4)));
        assert_eq!(picture_channels(9, 4), None);
    }
}
