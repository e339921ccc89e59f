//! OmniSR (<https://arxiv.org/abs/2304.10244>): groups of blocks that attend within windows, between channels of
//! windows, within grids and between channels of grids, each group ending in a spatial gate.

use super::keys::{Detection, KeyStyle, count};
use super::layers::{Conv, Layers, shuffle_scale};
use super::{Architecture, Built};
use crate::{
    Attention, ChannelAttention, ModelError, ModelOptions, NodeId, NormKind, Op, Padding, PoolKind, Region,
    Scores, SizeFill, SizeRule, UnaryOp, WeightId,
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
    let mut layers = Layers::new(ID, state_dict);
    let [features, in_channels, _, _] = layers.conv_shape("input")?;
    let [shuffled, _, _, _] = layers.conv_shape("up.0")?;
    let Some((out_channels, scale)) = shuffle_scale(shuffled, in_channels) else {
        return Err(layers.problem(format!(
            "its last convolution has {shuffled} channels, which is no number of colours times a square"
        )));
    };
    let n_groups = count(state_dict, "residual_layer.");
    let n_blocks = count(state_dict, "residual_layer.0.residual_layer.").saturating_sub(1);
    let table = "residual_layer.0.residual_layer.0.layer.2.fn.rel_pos_bias.weight";
    let window = if layers.has(table) {
        let [rows, _] = layers.shape(table)?;
        rows.isqrt().div_ceil(2)
    } else {
        DEFAULT_WINDOW
    };
    let biases = n_groups.saturating_mul(n_blocks).saturating_mul(2 * HEADS);
    if window > MAX_WINDOW || biases.saturating_mul(window.pow(4)) > MAX_BIASES {
        return Err(layers.problem(format!(
            "it has {n_groups} x {n_blocks} blocks with windows of {window} pixels, more than Pegbar accepts"
        )));
    }
    if window == 0 || !features.is_multiple_of(HEADS) {
        return Err(layers.problem(format!("it has windows of {window} pixels and {features} features")));
    }

    let x = layers.input(in_channels);
    let shallow = layers.conv("input", x, [features, in_channels], 3)?;
    let mut x = shallow;
    for group in 0..n_groups {
        let name = format!("residual_layer.{group}");
        let skip = x;
        for block in 0..n_blocks {
            let block = Block { name: format!("{name}.residual_layer.{block}.layer"), features, window };
            x = block.build(&mut layers, x)?;
        }
        x = layers.conv(&format!("{name}.residual_layer.{n_blocks}"), x, [features, features], 1)?;
        x = layers.add(format!("{name}/skip"), x, skip);
        x = spatial_gate(&mut layers, &format!("{name}.esa"), x, features)?;
    }
    x = layers.conv("output", x, [features, features], 3)?;
    x = layers.add("skip", x, shallow);
    x = layers.conv("up.0", x, [shuffled, features], 3)?;
    x = layers.shuffle("up.1", x, scale);

    let size_rule =
        SizeRule { minimum: 16, multiple_of: window, fill: SizeFill::Zeros, ..SizeRule::default() };
    let tags = vec![format!("{features}nf"), format!("w{window}"), format!("{n_groups}nr")];
    let hyperparameters = [
        ("num_in_ch", json!(in_channels)),
        ("num_out_ch", json!(out_channels)),
        ("num_feat", json!(features)),
        ("block_num", json!(n_blocks)),
        ("pe", json!(layers.has(table))),
        ("window_size", json!(window)),
        ("res_num", json!(n_groups)),
        ("up_scale", json!(scale)),
        ("bias", json!(layers.has("input.bias"))),
    ];
    Ok(layers.finish(x, size_rule, tags, hyperparameters))
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

    fn build(&self, layers: &mut Layers<'_>, x: NodeId) -> Result<NodeId, ModelError> {
        let window = [self.window; 2];
        let x = self.local(layers, x)?;
        let x = self.attention(layers, 2, Region::Blocks(window), x)?;
        let x = self.feed_forward(layers, 4, x)?;
        let x = self.channel_attention(layers, 5, Region::Blocks(window), x)?;
        let x = self.feed_forward(layers, 6, x)?;
        let x = self.attention(layers, 8, Region::Grid(window), x)?;
        let x = self.feed_forward(layers, 10, x)?;
        let x = self.channel_attention(layers, 11, Region::Apart(window), x)?;
        self.feed_forward(layers, 12, x)
    }

    /// Convolutions with a squeeze and excitation.
    fn local(&self, layers: &mut Layers<'_>, skip: NodeId) -> Result<NodeId, ModelError> {
        let name = format!("{}.fn", self.layer(0));
        let n = self.features;
        let mut x = layers.conv(&format!("{name}.0"), skip, [n, n], 1)?;
        x = layers.unary(&format!("{name}.0"), UnaryOp::Gelu, x);
        x = layers.depthwise(&format!("{name}.2"), x, n, 3)?;
        x = layers.unary(&format!("{name}.2"), UnaryOp::Gelu, x);
        let gate = format!("{name}.4.gate");
        let [hidden, _] = layers.shape(&format!("{gate}.1.weight"))?;
        let mut weight = layers.global_mean(format!("{gate}.0"), x);
        weight = layers.linear(&format!("{gate}.1"), weight, [hidden, n])?;
        weight = layers.unary(&format!("{gate}.1"), UnaryOp::Silu, weight);
        weight = layers.linear(&format!("{gate}.3"), weight, [n, hidden])?;
        weight = layers.unary(&format!("{gate}.3"), UnaryOp::Sigmoid, weight);
        x = layers.mul(gate, x, weight);
        x = layers.conv(&format!("{name}.5"), x, [n, n], 1)?;
        Ok(layers.add(self.layer(0), x, skip))
    }

    fn attention(
        &self,
        layers: &mut Layers<'_>,
        index: usize,
        region: Region,
        skip: NodeId,
    ) -> Result<NodeId, ModelError> {
        let (name, n) = (self.layer(index), self.features);
        let mut x = layers.layer_norm_of(&format!("{name}.norm"), skip, n, NormKind::Standard, ROW_EPS)?;
        x = layers.linear(&format!("{name}.fn.to_qkv"), x, [3 * n, n])?;
        let qkv = layers.chunks::<3>(&format!("{name}.fn.to_qkv"), x, n);
        let per_head = (n / HEADS) as f32;
        let mut op = Attention::blocks(HEADS, [self.window; 2], Scores::Dot(per_head.powf(-0.5)));
        op.region = region;
        op.bias = self.position_bias(layers, &format!("{name}.fn.rel_pos_bias.weight"))?;
        x = layers.push(format!("{name}.fn"), Op::Attention(op), &qkv);
        x = layers.linear(&format!("{name}.fn.to_out.0"), x, [n, n])?;
        Ok(layers.add(name, x, skip))
    }

    /// `[heads, queries, keys]` from a table by distance, where the file has one.
    fn position_bias(&self, layers: &mut Layers<'_>, key: &str) -> Result<Option<WeightId>, ModelError> {
        if !layers.has(key) {
            return Ok(None);
        }
        let (w, across) = (self.window, 2 * self.window - 1);
        let table = layers.values(key, &[across * across, HEADS])?;
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
        Ok(Some(layers.made_weight(key, &[HEADS, n, n], bias)))
    }

    fn channel_attention(
        &self,
        layers: &mut Layers<'_>,
        index: usize,
        region: Region,
        skip: NodeId,
    ) -> Result<NodeId, ModelError> {
        let (name, n) = (self.layer(index), self.features);
        let mut x = layers.layer_norm_of(&format!("{name}.norm"), skip, n, NormKind::Standard, PLANE_EPS)?;
        x = layers.conv(&format!("{name}.fn.qkv"), x, [3 * n, n], 1)?;
        x = layers.depthwise(&format!("{name}.fn.qkv_dwconv"), x, 3 * n, 3)?;
        let qkv = layers.chunks::<3>(&format!("{name}.fn.qkv"), x, n);
        let temperature = layers.reshaped(&format!("{name}.fn.temperature"), &[HEADS, 1, 1], &[HEADS])?;
        let op = ChannelAttention { heads: HEADS, region, scores: Scores::Cosine(temperature) };
        x = layers.push(format!("{name}.fn"), Op::ChannelAttention(op), &qkv);
        x = layers.conv(&format!("{name}.fn.project_out"), x, [n, n], 1)?;
        Ok(layers.add(name, x, skip))
    }

    fn feed_forward(
        &self,
        layers: &mut Layers<'_>,
        index: usize,
        skip: NodeId,
    ) -> Result<NodeId, ModelError> {
        let name = self.layer(index);
        let x = layers.layer_norm_of(
            &format!("{name}.norm"),
            skip,
            self.features,
            NormKind::Standard,
            PLANE_EPS,
        )?;
        let x = layers.gated_feed_forward(&format!("{name}.fn"), x, self.features)?;
        Ok(layers.add(name, x, skip))
    }
}

/// Each value weighted by what a much smaller copy of the picture says about its surroundings.
fn spatial_gate(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    features: usize,
) -> Result<NodeId, ModelError> {
    let [n, _, _, _] = layers.conv_shape(&format!("{name}.conv1"))?;
    let first = layers.conv(&format!("{name}.conv1"), x, [n, features], 1)?;
    let mut small = layers.conv_of(&format!("{name}.conv2"), first, [n, n], Conv::same(3).stride(2, 0))?;
    let pool = Op::Pool { kind: PoolKind::Max, kernel: [7, 7], stride: [3, 3], padding: Padding::default() };
    small = layers.push(format!("{name}.pool"), pool, &[small]);
    small = layers.conv(&format!("{name}.conv3"), small, [n, n], 3)?;
    let coarse = layers.bilinear_like(format!("{name}.enlarge"), small, x);
    let fine = layers.conv(&format!("{name}.conv_f"), first, [n, n], 1)?;
    let sum = layers.add(format!("{name}.sum"), coarse, fine);
    let weight = layers.conv(&format!("{name}.conv4"), sum, [features, n], 1)?;
    let weight = layers.unary(&format!("{name}.conv4"), UnaryOp::Sigmoid, weight);
    Ok(layers.mul(name, x, weight))
}
