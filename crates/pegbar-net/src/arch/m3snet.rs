//! M3SNet (<https://arxiv.org/abs/2305.05222>): NAFNet's U-Net with attention between channels at the bottom and
//! skips that are mixed with those of the level below.

use super::keys::{Detection, KeyStyle};
use super::layers::Layers;
use super::nafnet::{Levels, block, down, naf_keys, up};
use super::restormer::transposed_attention;
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, SizeRule};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "M3SNet", half_safe: false, detect, build };

const ID: &str = "M3SNet";

/// Levels below which the file has no layers to mix skips with.
const MAX_LEVELS: usize = 4;

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "intro.weight",
        "ending.weight",
        "encoders.0.0.beta",
        "decoders.0.0.conv1.weight",
        "middle_blks.0.temperature",
        "middle_blks.0.qkv.weight",
        "ups.0.0.weight",
        "downs.0.weight",
        "middle.0.0.conv1.weight",
        "middle_ups.0.0.weight",
    ],
    known: &naf_keys!(
        "encoders.*.*", "decoders.*.*", "middle.*.*";
        "middle_blks.*.temperature", "middle_blks.*.qkv.weight", "middle_blks.*.qkv_dwconv.weight",
        "middle_blks.*.project_out.weight", "middle_ups.*.0.weight"
    ),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [width, colours, _, _] = layers.conv_shape("intro")?;
    let levels = Levels::of(&layers)?;
    let n_levels = levels.encoders.len();
    if n_levels > MAX_LEVELS {
        return Err(
            layers.problem(format!("it has {n_levels} levels, where at most {MAX_LEVELS} can be mixed"))
        );
    }

    let input = layers.input(colours);
    let mut x = layers.conv("intro", input, [width, colours], 3)?;
    let mut skips = Vec::new();
    for (level, &n) in levels.encoders.iter().enumerate() {
        for index in 0..n {
            x = block(&mut layers, &format!("encoders.{level}.{index}"), x, width << level)?;
        }
        skips.push(x);
        x = down(&mut layers, level, x, width << level)?;
    }
    for index in 0..levels.middle {
        x = transposed_attention(&mut layers, &format!("middle_blks.{index}"), x, width << n_levels)?;
    }
    // Each skip but the lowest takes in the one below as it came; then all but the two lowest once more, mixed ones.
    for (first, mixed) in [(0, n_levels.saturating_sub(1)), (3, n_levels.saturating_sub(2))] {
        for level in 0..mixed {
            let layer = first + level;
            let below =
                up(&mut layers, &format!("middle_ups.{layer}"), skips[level + 1], width << (level + 1))?;
            let sum = layers.add(format!("middle.{layer}/sum"), skips[level], below);
            skips[level] = block(&mut layers, &format!("middle.{layer}.0"), sum, width << level)?;
        }
    }
    for (index, &n) in levels.decoders.iter().enumerate() {
        let level = n_levels - 1 - index;
        x = up(&mut layers, &format!("ups.{index}"), x, width << (level + 1))?;
        x = layers.add(format!("decoders.{index}/skip"), x, skips[level]);
        for place in 0..n {
            x = block(&mut layers, &format!("decoders.{index}.{place}"), x, width << level)?;
        }
    }
    x = layers.conv("ending", x, [colours, width], 3)?;
    let output = layers.add("skip", x, input);
    let size_rule = SizeRule { multiple_of: 16, ..SizeRule::default() };

    Ok(layers.finish(
        output,
        size_rule,
        vec![format!("{width}w")],
        [
            ("img_channel", json!(colours)),
            ("width", json!(width)),
            ("middle_blk_num", json!(levels.middle)),
            ("enc_blk_nums", json!(levels.encoders)),
            ("dec_blk_nums", json!(levels.decoders)),
        ],
    ))
}
