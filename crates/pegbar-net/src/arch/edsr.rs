//! EDSR (<https://arxiv.org/abs/1707.02921>): residual blocks of two convolutions, then pixel shuffles.

use super::keys::{Detection, KeyStyle, count, keys};
use super::layers::{Layers, RGB_MEAN};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "EDSR", half_safe: false, detect, build };

const ID: &str = "EDSR";

const STYLES: &[KeyStyle] = &[
    KeyStyle {
        needed: &["head.0.weight", "body.0.body.0.weight", "body.0.body.2.weight", "tail.1.weight"],
        known: keys!(
            "head.0", "body.*.body.*", "body.*", "tail.0.*", "tail.1", "sub_mean", "add_mean";
        ),
    },
    // BasicSR's.
    KeyStyle {
        needed: &[
            "conv_first.weight",
            "body.0.conv1.weight",
            "body.0.conv2.weight",
            "conv_after_body.weight",
            "conv_last.weight",
        ],
        known: keys!(
            "conv_first", "body.*.conv1", "body.*.conv2", "conv_after_body", "upsample.*", "conv_last";
        ),
    },
];

/// Names of the modules.
struct Names {
    first: &'static str,
    /// The convolutions of a block.
    pair: [&'static str; 2],
    after_body: String,
    shuffles: &'static str,
    last: &'static str,
}

impl Names {
    fn of(layers: &Layers<'_>) -> Self {
        let n = count(layers.state_dict, "body.");
        if layers.has("head.0.weight") {
            let (after_body, pair) = (format!("body.{}", n.saturating_sub(1)), ["body.0", "body.2"]);
            Self { first: "head.0", pair, after_body, shuffles: "tail.0", last: "tail.1" }
        } else {
            let (after_body, pair) = ("conv_after_body".to_string(), ["conv1", "conv2"]);
            Self { first: "conv_first", pair, after_body, shuffles: "upsample", last: "conv_last" }
        }
    }
}

/// What pictures count to where the file does not tell: all published networks have it.
const RGB_RANGE: f64 = 255.0;
/// A mean above this belongs to pictures that count to 255.
const LARGEST_UNIT_MEAN: f32 = 2.0;
/// Networks as wide as this were trained with blocks scaled by [`WIDE_RES_SCALE`].
const WIDE: usize = 256;
const WIDE_RES_SCALE: f32 = 0.1;

const ASSUMED_RES_SCALE: &str = "the factor of its blocks is not in the file: taken as 0.1, as in all published networks of \
     256 features or more";

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let names = Names::of(&layers);
    let [features, colours, _, _] = layers.conv_shape(names.first)?;
    let [out_colours, _, kernel, _] = layers.conv_shape(names.last)?;
    let has_blocks = |n: &usize| layers.has(&format!("body.{n}.{}.weight", names.pair[0]));
    let n_blocks = (0..count(state_dict, "body.")).take_while(has_blocks).count();
    let (scale, _) = layers.shuffles(names.shuffles)?;
    let mean = Mean::of(&layers, colours)?;
    let res_scale = res_scale(features);
    if mean != Mean::None && colours != out_colours {
        return Err(layers.problem(format!("it takes {colours} channels and makes {out_colours}")));
    }

    let picture = layers.input(colours);
    let x = mean.off(&mut layers, picture, colours)?;
    let shallow = layers.conv(names.first, x, [features, colours], 3)?;
    let mut x = shallow;
    for index in 0..n_blocks {
        let name = format!("body.{index}");
        let [first, second] = names.pair.map(|part| format!("{name}.{part}"));
        let mut y = layers.conv(&first, x, [features, features], 3)?;
        y = layers.unary(&first, UnaryOp::Relu, y);
        y = layers.conv(&second, y, [features, features], 3)?;
        if res_scale != 1.0 {
            y = layers.scale_shift(&second, y, res_scale, 0.0);
        }
        x = layers.add(name, x, y);
    }
    x = layers.conv(&names.after_body, x, [features, features], 3)?;
    x = layers.add("body", x, shallow);
    x = layers.push_shuffles(names.shuffles, x, features)?;
    x = layers.conv(names.last, x, [out_colours, features], kernel)?;
    x = mean.on(&mut layers, x, out_colours)?;

    let tags = vec![format!("{features}nf"), format!("{n_blocks}nb")];
    let hyperparameters = [
        ("n_colors", json!(colours)),
        ("n_feats", json!(features)),
        ("n_resblocks", json!(n_blocks)),
        ("scale", json!(scale)),
        ("rgb_range", json!(mean.range() as u32)),
        // As Python writes it: 0.1 of 32 bits is not 0.1 of 64.
        ("res_scale", json!(if res_scale == 1.0 { 1.0 } else { 0.1 })),
    ];
    let built = layers.finish(x, SizeRule::default(), tags, hyperparameters);
    let notes = if res_scale == 1.0 { Vec::new() } else { vec![ASSUMED_RES_SCALE.to_string()] };
    Ok(Built { notes, ..built })
}

/// What the result of each block is multiplied by.
fn res_scale(features: usize) -> f32 {
    if features >= WIDE { WIDE_RES_SCALE } else { 1.0 }
}

/// What is taken off the picture before the network, and added to the result.
#[derive(Clone, Copy, PartialEq)]
enum Mean {
    /// Convolutions `sub_mean` and `add_mean`, on a picture that counts to this.
    InFile(f64),
    /// The mean of the training pictures.
    Usual,
    /// None: no colours.
    None,
}

impl Mean {
    fn of(layers: &Layers<'_>, colours: usize) -> Result<Self, ModelError> {
        if layers.has("sub_mean.weight") {
            let bias = layers.values("sub_mean.bias", &[colours])?;
            let is_unit = bias.iter().all(|mean| mean.abs() < LARGEST_UNIT_MEAN);
            return Ok(Self::InFile(if is_unit { 1.0 } else { RGB_RANGE }));
        }
        Ok(if colours == RGB_MEAN.len() { Self::Usual } else { Self::None })
    }

    fn range(self) -> f64 {
        if let Self::InFile(range) = self { range } else { RGB_RANGE }
    }

    fn off(self, layers: &mut Layers<'_>, x: NodeId, colours: usize) -> Result<NodeId, ModelError> {
        match self {
            Self::InFile(range) => {
                let x = layers.scale_shift("rgb_range", x, range as f32, 0.0);
                layers.conv("sub_mean", x, [colours, colours], 1)
            }
            Self::Usual | Self::None => Ok(layers.minus_mean(x, colours, RGB_RANGE)),
        }
    }

    fn on(self, layers: &mut Layers<'_>, x: NodeId, colours: usize) -> Result<NodeId, ModelError> {
        match self {
            Self::InFile(range) => {
                let x = layers.conv("add_mean", x, [colours, colours], 1)?;
                Ok(layers.scale_shift("rgb_range", x, (1.0 / range) as f32, 0.0))
            }
            Self::Usual | Self::None => Ok(layers.plus_mean(x, colours, RGB_RANGE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::res_scale;

    #[test]
    fn blocks_of_wide_networks_are_scaled() {
        assert_eq!(res_scale(64), 1.0);
        assert_eq!(res_scale(256), 0.1);
    }
}
