//! FDAT (<https://github.com/stinkybread/fdat>): blocks that attend within windows and blocks that attend between
//! channels, in turn, each mixed with a convolution of the same features.

use super::keys::{Detection, KeyStyle, count};
use super::layers::{Layers, ratio};
use super::uni_upsample::{Meta, WAYS, uni_upsample_keys};
use super::{Architecture, Built};
use crate::{
    Attention, ChannelAttention, ModelError, ModelOptions, NodeId, Op, Region, Scores, SizeRule, UnaryOp,
};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "FDAT", half_safe: true, detect, build };

const ID: &str = "FDAT";

const UPSAMPLER: [&str; 18] = uni_upsample_keys!("upsampler");

macro_rules! style {
    ($first:literal) => {
        KeyStyle {
            needed: &[
                $first,
                "groups.0.blocks.0.attn.bias",
                "groups.0.blocks.0.inter.cg.1.weight",
                "groups.0.blocks.0.ffn.fc1.weight",
                "groups.0.blocks.0.n1.weight",
                "upsampler.MetaUpsample",
            ],
            known: &[
                "conv_first.weight",
                "conv_first.bias",
                "conv_first.1.weight",
                "conv_first.1.bias",
                "conv_after.weight",
                "groups.*.conv.weight",
                "groups.*.blocks.*.n*.weight",
                "groups.*.blocks.*.n*.bias",
                "groups.*.blocks.*.attn.bias",
                "groups.*.blocks.*.attn.temp",
                "groups.*.blocks.*.attn.qkv.weight",
                "groups.*.blocks.*.attn.proj.weight",
                "groups.*.blocks.*.attn.proj.bias",
                "groups.*.blocks.*.conv.0.weight",
                "groups.*.blocks.*.inter.sg.0.weight",
                "groups.*.blocks.*.inter.cg.*.weight",
                "groups.*.blocks.*.ffn.fc*.weight",
                "groups.*.blocks.*.ffn.smix.weight",
                UPSAMPLER[0],
                UPSAMPLER[1],
                UPSAMPLER[2],
                UPSAMPLER[3],
                UPSAMPLER[4],
                UPSAMPLER[5],
                UPSAMPLER[6],
                UPSAMPLER[7],
                UPSAMPLER[8],
                UPSAMPLER[9],
                UPSAMPLER[10],
                UPSAMPLER[11],
                UPSAMPLER[12],
                UPSAMPLER[13],
                UPSAMPLER[14],
                UPSAMPLER[15],
                UPSAMPLER[16],
                UPSAMPLER[17],
            ],
        }
    };
}

const STYLES: &[KeyStyle] = &[style!("conv_first.weight"), style!("conv_first.1.weight")];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// What an unshuffled picture is enlarged by.
const UNSHUFFLED_SCALE: usize = 4;
/// Blocks of a pattern: spatial, channel.
const PATTERN: usize = 2;
/// Names of published sizes by features.
const SIZES: [(usize, &str); 4] = [(96, "tiny"), (108, "light"), (120, "medium"), (180, "large")];
/// Groups of the largest published network.
const XL_GROUPS: usize = 6;

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let meta = Meta::read(&layers, "upsampler.MetaUpsample", WAYS.len())?;
    let unshuffled = layers.has("conv_first.1.weight");
    let first = if unshuffled { "conv_first.1" } else { "conv_first" };
    let [dim, taken, _, _] = layers.conv_shape(first)?;
    let factor = if unshuffled { (taken / meta.out).isqrt() } else { 1 };
    let in_channels = if unshuffled { meta.out } else { taken };
    if factor == 0 || in_channels * factor * factor != taken || !meta.scale.is_multiple_of(factor) {
        return Err(layers.problem(format!(
            "it takes {taken} channels, makes {} and enlarges {} times, which no shuffle explains",
            meta.out, meta.scale
        )));
    }
    let scale = if unshuffled { UNSHUFFLED_SCALE / factor } else { meta.scale };
    let n_groups = count(state_dict, "groups.");
    let n_blocks = count(state_dict, "groups.0.blocks.");
    let [heads, queries, keys] = layers.shape("groups.0.blocks.0.attn.bias")?;
    let window = keys.isqrt();
    if queries != keys || window * window != keys || !dim.is_multiple_of(heads) {
        return Err(
            layers.problem(format!("it attends with {heads} heads of {dim} features to {keys} pixels"))
        );
    }
    let [hidden, _] = layers.shape("groups.0.blocks.0.ffn.fc1.weight")?;
    let [squeezed, _, _, _] = layers.conv_shape("groups.0.blocks.0.inter.cg.1")?;
    let block = Block { dim, heads, window, hidden };

    let x = layers.input(in_channels);
    let x = layers.unshuffle("conv_first.0", x, factor);
    let shallow = layers.conv(first, x, [dim, taken], 3)?;
    let mut x = shallow;
    for group in 0..n_groups {
        let name = format!("groups.{group}");
        let skip = x;
        for index in 0..n_blocks {
            x = block.build(&mut layers, &format!("{name}.blocks.{index}"), x, index % PATTERN == 0)?;
        }
        x = layers.conv(&format!("{name}.conv"), x, [dim, dim], 3)?;
        x = layers.add(name, x, skip);
    }
    x = layers.conv("conv_after", x, [dim, dim], 3)?;
    x = layers.add("features", x, shallow);
    x = meta.build(&mut layers, "upsampler", x)?;

    let mut tags = vec![format!("{dim}dim"), meta.way.to_string()];
    if let Some((_, size)) = SIZES.iter().find(|(features, _)| *features == dim) {
        tags.push(if n_groups == XL_GROUPS { "xl" } else { size }.to_string());
    }
    if unshuffled {
        tags.push("unshuffle".to_string());
    }
    let hyperparameters = [
        ("num_in_ch", json!(in_channels)),
        ("num_out_ch", json!(meta.out)),
        ("scale", json!(scale)),
        ("embed_dim", json!(dim)),
        ("num_groups", json!(n_groups)),
        ("depth_per_group", json!(n_blocks / PATTERN)),
        ("num_heads", json!(heads)),
        ("window_size", json!(window)),
        ("ffn_expansion_ratio", json!(ratio(hidden, dim))),
        ("aim_reduction_ratio", json!(dim / squeezed)),
        ("group_block_pattern", json!(null)),
        ("drop_path_rate", json!(0.1)),
        ("mid_dim", json!(meta.middle)),
        ("upsampler_type", json!(meta.way)),
        ("img_range", json!(1.0)),
        ("unshuffle_mod", json!(unshuffled)),
    ];
    Ok(layers.finish(x, SizeRule::default(), tags, hyperparameters))
}

struct Block {
    dim: usize,
    heads: usize,
    window: usize,
    hidden: usize,
}

impl Block {
    fn build(
        &self,
        layers: &mut Layers<'_>,
        name: &str,
        skip: NodeId,
        is_spatial: bool,
    ) -> Result<NodeId, ModelError> {
        let dim = self.dim;
        let x = layers.layer_norm(&format!("{name}.n1"), skip, dim)?;
        let attended = self.attention(layers, &format!("{name}.attn"), x, is_spatial)?;
        let conv = format!("{name}.conv.0");
        let local = layers.depthwise(&conv, x, dim, 3)?;
        let local = layers.unary(&conv, UnaryOp::Gelu, local);
        let inter = format!("{name}.inter");
        // One of the two is weighted by the other.
        let (attended, local) = if is_spatial {
            let mean = layers.global_mean(format!("{inter}.cg.0"), local);
            let names = [1, 3].map(|i| format!("{inter}.cg.{i}"));
            let weight = layers.squeeze([&names[0], &names[1]], mean, [dim, dim], UnaryOp::Gelu)?;
            (layers.mul(format!("{inter}/weighted"), attended, weight), local)
        } else {
            let gate = format!("{inter}.sg.0");
            let weight = layers.conv(&gate, attended, [1, dim], 1)?;
            let weight = layers.unary(&gate, UnaryOp::Sigmoid, weight);
            (attended, layers.mul(format!("{inter}/weighted"), local, weight))
        };
        let mixed = layers.add(inter, attended, local);
        let skip = layers.add(format!("{name}/attended"), mixed, skip);

        let ffn = format!("{name}.ffn");
        let x = layers.layer_norm(&format!("{name}.n2"), skip, dim)?;
        let x = layers.linear(&format!("{ffn}.fc1"), x, [self.hidden, dim])?;
        let x = layers.unary(&format!("{ffn}.fc1"), UnaryOp::Gelu, x);
        let x = layers.depthwise(&format!("{ffn}.smix"), x, self.hidden, 3)?;
        let x = layers.linear(&format!("{ffn}.fc2"), x, [dim, self.hidden])?;
        Ok(layers.add(name, x, skip))
    }

    fn attention(
        &self,
        layers: &mut Layers<'_>,
        name: &str,
        x: NodeId,
        is_spatial: bool,
    ) -> Result<NodeId, ModelError> {
        let Self { dim, heads, window, .. } = *self;
        let qkv = layers.linear(&format!("{name}.qkv"), x, [3 * dim, dim])?;
        let qkv = layers.chunks::<3>(&format!("{name}.qkv"), qkv, dim);
        let op = if is_spatial {
            let per_head = (dim / heads) as f32;
            let n = window * window;
            let bias = layers.reshaped(&format!("{name}.bias"), &[heads, n, n], &[heads, n, n])?;
            let op = Attention::blocks(heads, [window, window], Scores::Dot(per_head.powf(-0.5)));
            // Features, not the picture, are continued with zeros; without a bias queries, keys and values are zeros,
            // too.
            Op::Attention(Attention { pad_to: Some([window, window]), ..op.with_bias(bias) })
        } else {
            let scores =
                Scores::Cosine(layers.reshaped(&format!("{name}.temp"), &[heads, 1, 1], &[heads])?);
            Op::ChannelAttention(ChannelAttention { heads, region: Region::Picture, scores })
        };
        let x = layers.push(name, op, &qkv);
        layers.linear(&format!("{name}.proj"), x, [dim, dim])
    }
}
