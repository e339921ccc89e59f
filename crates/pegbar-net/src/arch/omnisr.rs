//! OmniSR (<https://arxiv.org/abs/2304.10244>): groups of blocks that attend within windows, between channels of
//! windows, within grids and between channels of grids, each group ending in a spatial gate.

use super::keys::{Detection, KeyStyle, count};
use super::layers::shuffle_scale;
use super::parts::{Parts, Shape};
use super::{Architecture, Built};
use crate::{
    Attention, ChannelAttention, ModelError, ModelOptions, NodeId, Op, Padding, PoolKind, Region, Scores,
    SizeFill, SizeRule, UnaryOp, WeightId,
};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "OmniSR", half_safe: true, detect, build };

const ID: &str = "OmniSR";

macro_rules! known {
    ($($layer:literal),* $(,)?) => {
        &[
            "input.weight", "input.bias", "output.weight", "output.bias", "up.0.weight", "up.0.bias",
            "residual_layer.*.residual_layer.*.weight", "residual_layer.*.residual_layer.*.bias",
            "residual_layer.*.esa.conv*.weight", "residual_layer.*.esa.conv*.bias",
            "residual_layer.*.esa.conv_f.weight", "residual_layer.*.esa.conv_f.bias",
            $(concat!("residual_layer.*.residual_layer.*.layer.", $layer),)*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "residual_layer.0.residual_layer.0.layer.0.fn.0.weight",
        "residual_layer.0.residual_layer.0.layer.2.fn.to_qkv.weight",
        "residual_layer.0.esa.conv1.weight",
        "input.weight",
        "up.0.weight",
    ],
    known: known!(
        "0.fn.*.weight",
        "0.fn.*.bias",
        "0.fn.4.gate.*.weight",
        "*.norm.weight",
        "*.norm.bias",
        "*.fn.to_qkv.weight",
        "*.fn.to_out.0.weight",
        "*.fn.rel_pos_bias.weight",
        "*.fn.project_in.weight",
        "*.fn.dwconv.weight",
        "*.fn.project_out.weight",
        "*.fn.temperature",
        "*.fn.qkv.weight",
        "*.fn.qkv_dwconv.weight",
    ),
}];

/// What a profiler leaves in files.
const COUNTERS: [&str; 2] = ["total_ops", "total_params"];

fn detect(state_dict: &StateDict) -> Detection {
    let mut detection = Detection::by_keys(state_dict, STYLES);
    detection.unexpected.retain(|key| !COUNTERS.iter().any(|counter| key.ends_with(counter)));
    detection
}

/// Heads of every attention.
const HEADS: usize = 4;
/// Where the file does not tell it.
const DEFAULT_WINDOW: usize = 8;
const MAX_WINDOW: usize = 64;
/// What all position biases may take, written out; published networks have less than a million.
const MAX_BIASES: usize = 1 << 26;
/// Of norms over pixels that the network keeps in rows, and of those it keeps in planes.
const ROW_EPS: f32 = 1e-5;
const PLANE_EPS: f32 = 1e-6;

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut p = Parts::new(ID, state_dict);
    let [features, in_channels, _, _] = p.conv_shape("input")?;
    let [shuffled, _, _, _] = p.conv_shape("up.0")?;
    let Some((out_channels, scale)) = shuffle_scale(shuffled, in_channels) else {
        return Err(p.problem(format!(
            "its last convolution has {shuffled} channels, which is no number of colours times a square"
        )));
    };
    let n_groups = count(state_dict, "residual_layer.");
    let n_blocks = count(state_dict, "residual_layer.0.residual_layer.").saturating_sub(1);
    let table = "residual_layer.0.residual_layer.0.layer.2.fn.rel_pos_bias.weight";
    let window = if p.has(table) {
        let [rows, _] = p.shape::<2>(table)?;
        rows.isqrt().div_ceil(2)
    } else {
        DEFAULT_WINDOW
    };
    let biases = n_groups.saturating_mul(n_blocks).saturating_mul(2 * HEADS);
    if window > MAX_WINDOW || biases.saturating_mul(window.pow(4)) > MAX_BIASES {
        return Err(p.problem(format!(
            "it has {n_groups} x {n_blocks} blocks with windows of {window} pixels, more than Pegbar accepts"
        )));
    }
    if window == 0 || !features.is_multiple_of(HEADS) {
        return Err(p.problem(format!("it has windows of {window} pixels and {features} features")));
    }

    let x = p.input(in_channels);
    let shallow = p.conv("input", x, [features, in_channels], 3)?;
    let mut x = shallow;
    for group in 0..n_groups {
        let name = format!("residual_layer.{group}");
        let skip = x;
        for block in 0..n_blocks {
            let block = Block { name: format!("{name}.residual_layer.{block}.layer"), features, window };
            x = block.build(&mut p, x)?;
        }
        x = p.conv(&format!("{name}.residual_layer.{n_blocks}"), x, [features, features], 1)?;
        x = p.add(format!("{name}/skip"), x, skip);
        x = spatial_gate(&mut p, &format!("{name}.esa"), x, features)?;
    }
    x = p.conv("output", x, [features, features], 3)?;
    x = p.add("skip", x, shallow);
    x = p.conv("up.0", x, [shuffled, features], 3)?;
    x = p.shuffle("up.1", x, scale);

    let size_rule =
        SizeRule { minimum: 16, multiple_of: window, fill: SizeFill::Zeros, ..SizeRule::default() };
    let tags = vec![format!("{features}nf"), format!("w{window}"), format!("{n_groups}nr")];
    let hyperparameters = [
        ("num_in_ch", json!(in_channels)),
        ("num_out_ch", json!(out_channels)),
        ("num_feat", json!(features)),
        ("block_num", json!(n_blocks)),
        ("pe", json!(p.has(table))),
        ("window_size", json!(window)),
        ("res_num", json!(n_groups)),
        ("up_scale", json!(scale)),
        ("bias", json!(p.has("input.bias"))),
    ];
    Ok(p.finish(x, size_rule, tags, hyperparameters))
}

struct Block {
    name: String,
    features: usize,
    window: usize,
}

impl Block {
    fn layer(&self, index: usize) -> String {
        format!("{}.{index}", self.name)
    }

    fn build(&self, p: &mut Parts<'_>, x: NodeId) -> Result<NodeId, ModelError> {
        let window = [self.window; 2];
        let x = self.local(p, x)?;
        let x = self.attention(p, 2, Region::Blocks(window), x)?;
        let x = self.feed_forward(p, 4, x)?;
        let x = self.channel_attention(p, 5, Region::Blocks(window), x)?;
        let x = self.feed_forward(p, 6, x)?;
        let x = self.attention(p, 8, Region::Grid(window), x)?;
        let x = self.feed_forward(p, 10, x)?;
        let x = self.channel_attention(p, 11, Region::Apart(window), x)?;
        self.feed_forward(p, 12, x)
    }

    /// Convolutions with a squeeze and excitation.
    fn local(&self, p: &mut Parts<'_>, skip: NodeId) -> Result<NodeId, ModelError> {
        let name = format!("{}.fn", self.layer(0));
        let n = self.features;
        let mut x = p.conv(&format!("{name}.0"), skip, [n, n], 1)?;
        x = p.unary(&format!("{name}.0"), UnaryOp::Gelu, x);
        x = p.conv_of(&format!("{name}.2"), x, Shape::depthwise(n, [3, 3]))?;
        x = p.unary(&format!("{name}.2"), UnaryOp::Gelu, x);
        let gate = format!("{name}.4.gate");
        let [hidden, _] = p.shape::<2>(&format!("{gate}.1.weight"))?;
        let mut weight = p.global_mean(format!("{gate}.0"), x);
        weight = p.linear(&format!("{gate}.1"), weight, [hidden, n])?;
        weight = p.unary(&format!("{gate}.1"), UnaryOp::Silu, weight);
        weight = p.linear(&format!("{gate}.3"), weight, [n, hidden])?;
        weight = p.unary(&format!("{gate}.3"), UnaryOp::Sigmoid, weight);
        x = p.mul(gate, x, weight);
        x = p.conv(&format!("{name}.5"), x, [n, n], 1)?;
        Ok(p.add(self.layer(0), x, skip))
    }

    fn attention(
        &self,
        p: &mut Parts<'_>,
        index: usize,
        region: Region,
        skip: NodeId,
    ) -> Result<NodeId, ModelError> {
        let (name, n) = (self.layer(index), self.features);
        let mut x = p.layer_norm(&format!("{name}.norm"), skip, n, ROW_EPS)?;
        x = p.linear(&format!("{name}.fn.to_qkv"), x, [3 * n, n])?;
        let qkv = p.chunks::<3>(&format!("{name}.fn.to_qkv"), x, n);
        let per_head = (n / HEADS) as f32;
        let mut op = Attention::blocks(HEADS, [self.window; 2], Scores::Dot(per_head.powf(-0.5)));
        op.region = region;
        op.bias = self.position_bias(p, &format!("{name}.fn.rel_pos_bias.weight"))?;
        x = p.push(format!("{name}.fn"), Op::Attention(op), &qkv);
        x = p.linear(&format!("{name}.fn.to_out.0"), x, [n, n])?;
        Ok(p.add(name, x, skip))
    }

    /// `[heads, queries, keys]` from a table by distance, where the file has one.
    fn position_bias(&self, p: &mut Parts<'_>, key: &str) -> Result<Option<WeightId>, ModelError> {
        if !p.has(key) {
            return Ok(None);
        }
        let (w, across) = (self.window, 2 * self.window - 1);
        let table = p.values(key, &[across * across, HEADS])?;
        let n = w * w;
        let mut bias = Vec::with_capacity(HEADS * n * n);
        for head in 0..HEADS {
            for query in 0..n {
                for at in 0..n {
                    let (dy, dx) = (query / w + w - 1 - at / w, query % w + w - 1 - at % w);
                    bias.push(table[(dy * across + dx) * HEADS + head]);
                }
            }
        }
        Ok(Some(p.made_weight(key, &[HEADS, n, n], bias)))
    }

    fn channel_attention(
        &self,
        p: &mut Parts<'_>,
        index: usize,
        region: Region,
        skip: NodeId,
    ) -> Result<NodeId, ModelError> {
        let (name, n) = (self.layer(index), self.features);
        let mut x = p.layer_norm(&format!("{name}.norm"), skip, n, PLANE_EPS)?;
        x = p.conv(&format!("{name}.fn.qkv"), x, [3 * n, n], 1)?;
        x = p.conv_of(&format!("{name}.fn.qkv_dwconv"), x, Shape::depthwise(3 * n, [3, 3]))?;
        let qkv = p.chunks::<3>(&format!("{name}.fn.qkv"), x, n);
        let temperature = p.reshaped(&format!("{name}.fn.temperature"), &[HEADS, 1, 1], &[HEADS])?;
        let op = ChannelAttention { heads: HEADS, region, scores: Scores::Cosine(temperature) };
        x = p.push(format!("{name}.fn"), Op::ChannelAttention(op), &qkv);
        x = p.conv(&format!("{name}.fn.project_out"), x, [n, n], 1)?;
        Ok(p.add(name, x, skip))
    }

    fn feed_forward(&self, p: &mut Parts<'_>, index: usize, skip: NodeId) -> Result<NodeId, ModelError> {
        let name = self.layer(index);
        let x = p.layer_norm(&format!("{name}.norm"), skip, self.features, PLANE_EPS)?;
        let x = gated_feed_forward(p, &format!("{name}.fn"), x, self.features)?;
        Ok(p.add(name, x, skip))
    }
}

/// Two projections, one of which gates the other by GELU.
pub(super) fn gated_feed_forward(
    p: &mut Parts<'_>,
    name: &str,
    x: NodeId,
    features: usize,
) -> Result<NodeId, ModelError> {
    let [both, _, _, _] = p.conv_shape(&format!("{name}.project_in"))?;
    let hidden = both / 2;
    let x = p.conv(&format!("{name}.project_in"), x, [2 * hidden, features], 1)?;
    let x = p.conv_of(&format!("{name}.dwconv"), x, Shape::depthwise(2 * hidden, [3, 3]))?;
    gate_and_project(p, name, x, hidden, features)
}

/// The end of a gated feed-forward layer.
pub(super) fn gate_and_project(
    p: &mut Parts<'_>,
    name: &str,
    x: NodeId,
    hidden: usize,
    features: usize,
) -> Result<NodeId, ModelError> {
    let [gate, x] = p.chunks::<2>(&format!("{name}.dwconv"), x, hidden);
    let gate = p.unary(name, UnaryOp::Gelu, gate);
    let x = p.mul(format!("{name}/gated"), gate, x);
    p.conv(&format!("{name}.project_out"), x, [features, hidden], 1)
}

/// Each value weighted by what a much smaller copy of the picture says about its surroundings.
fn spatial_gate(p: &mut Parts<'_>, name: &str, x: NodeId, features: usize) -> Result<NodeId, ModelError> {
    let [n, _, _, _] = p.conv_shape(&format!("{name}.conv1"))?;
    let first = p.conv(&format!("{name}.conv1"), x, [n, features], 1)?;
    let mut small = p.conv_of(&format!("{name}.conv2"), first, Shape::valid([n, n], 3, 2))?;
    let pool = Op::Pool { kind: PoolKind::Max, kernel: [7, 7], stride: [3, 3], padding: Padding::default() };
    small = p.push(format!("{name}.pool"), pool, &[small]);
    small = p.conv(&format!("{name}.conv3"), small, [n, n], 3)?;
    let coarse = p.bilinear_like(format!("{name}.enlarge"), small, x);
    let fine = p.conv(&format!("{name}.conv_f"), first, [n, n], 1)?;
    let sum = p.add(format!("{name}.sum"), coarse, fine);
    let weight = p.conv(&format!("{name}.conv4"), sum, [features, n], 1)?;
    let weight = p.unary(&format!("{name}.conv4"), UnaryOp::Sigmoid, weight);
    Ok(p.mul(name, x, weight))
}
