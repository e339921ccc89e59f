//! SeemoRe (<https://arxiv.org/abs/2402.03412>): blocks in which the picture as a whole chooses one of several small
//! experts.

use super::keys::{Detection, KeyStyle, count};
use super::layers::{Conv, Layers, RGB_MEAN, square_root};
use super::{Architecture, Built};
use crate::{BinaryOp, ModelError, ModelOptions, NodeId, NormKind, Op, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "SeemoRe", half_safe: false, detect, build };

const ID: &str = "SeemoRe";

macro_rules! known {
    ($($layer:literal),* $(,)?) => {
        &[$(concat!($layer, ".weight"), concat!($layer, ".bias")),*]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "conv_1.weight",
        "norm.weight",
        "conv_2.weight",
        "upsampler.0.weight",
        "body.0.local_block.norm_1.weight",
        "body.0.local_block.block.conv_1.0.weight",
        "body.0.local_block.block.agg_conv.0.weight",
        "body.0.local_block.block.moe_layer.experts.0.conv_1.weight",
        "body.0.local_block.block.moe_layer.gate.body.2.weight",
        "body.0.global_block.norm_1.weight",
        "body.0.global_block.block.attn.conv.0.weight",
        "body.0.global_block.ffn.gate.weight",
    ],
    known: known!(
        "conv_*",
        "norm",
        "upsampler.0",
        "body.*.local_block.norm_*",
        "body.*.local_block.block.conv_1.*",
        "body.*.local_block.block.agg_conv.0",
        "body.*.local_block.block.conv.*",
        "body.*.local_block.block.conv_2.0.conv.*",
        "body.*.local_block.block.moe_layer.experts.*.conv_*",
        "body.*.local_block.block.moe_layer.gate.body.2",
        "body.*.local_block.block.proj",
        "body.*.local_block.ffn.fn_*.0",
        "body.*.local_block.ffn.gate",
        "body.*.global_block.norm_*",
        "body.*.global_block.block.proj",
        "body.*.global_block.block.to_qv.0",
        "body.*.global_block.block.attn.conv.*",
        "body.*.global_block.ffn.fn_*.0",
        "body.*.global_block.ffn.gate",
    ),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

const NORM_EPS: f32 = 1e-6;
/// More experts than any model has.
const MAX_EXPERTS: usize = 64;
/// Side of the squares that are summed up in one pixel, once or twice.
const AGGREGATE: usize = 4;
/// So steep that a step of one unit in the last place of a weight is the whole step.
const STEEP: f32 = 1e30;

/// What is not in the weights, by the sizes that are published.
#[derive(Clone, Copy)]
struct Preset {
    layers: usize,
    features: usize,
    name: &'static str,
    shuffle: bool,
    recursive: usize,
}

const PRESETS: [Preset; 3] = [
    Preset { layers: 6, features: 36, name: "Tiny", shuffle: true, recursive: 2 },
    Preset { layers: 8, features: 48, name: "Big", shuffle: true, recursive: 2 },
    Preset { layers: 16, features: 48, name: "Large", shuffle: false, recursive: 1 },
];

/// How the experts grow, as the width of the third or the second tells.
fn growth(layers: &Layers<'_>) -> Result<&'static str, ModelError> {
    let width = |expert: usize| -> Result<Option<usize>, ModelError> {
        let name = format!("body.0.local_block.block.moe_layer.experts.{expert}.conv_1");
        if !layers.has(&format!("{name}.weight")) {
            return Ok(None);
        }
        Ok(Some(layers.conv_shape(&name)?[0]))
    };
    match (width(2)?, width(1)?) {
        (Some(4), _) | (None, Some(3) | None) => Ok("linear"),
        (Some(6), _) | (None, Some(4)) => Ok("double"),
        (Some(8), _) => Ok("exp"),
        (Some(width), _) | (None, Some(width)) => {
            Err(layers.problem(format!("its experts have {width} channels, which is no known growth")))
        }
    }
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [features, colours, _, _] = layers.conv_shape("conv_1")?;
    let [shuffled, _, _, _] = layers.conv_shape("upsampler.0")?;
    let Some(scale) = square_root(shuffled / colours).filter(|s| s * s * colours == shuffled) else {
        return Err(layers.problem(format!(
            "its last convolution has {shuffled} channels, which is not {colours} times a square"
        )));
    };
    if colours != RGB_MEAN.len() {
        return Err(layers.problem(format!("it takes {colours} channels, but takes off the mean of three")));
    }
    let n_layers = count(state_dict, "body.");
    let n_experts = count(state_dict, "body.0.local_block.block.moe_layer.experts.");
    if n_experts > MAX_EXPERTS {
        return Err(
            layers.problem(format!("it has {n_experts} experts, where at most {MAX_EXPERTS} make sense"))
        );
    }
    let growth = growth(&layers)?;
    let [_, _, _, kernel] = layers.conv_shape("body.0.global_block.block.attn.conv.0")?;
    let preset = PRESETS.into_iter().find(|preset| preset.layers == n_layers && preset.features == features);
    let shuffle = preset.is_none_or(|preset| preset.shuffle);
    let recursive = preset.map_or(2, |preset| preset.recursive);

    let picture = layers.input(colours);
    let x = layers.minus_mean(picture, colours, 1.0);
    let shallow = layers.conv("conv_1", x, [features, colours], 3)?;
    let mut x = shallow;
    for index in 0..n_layers {
        let block = Block { name: format!("body.{index}.local_block"), features };
        x = block.residual(&mut layers, "norm_1", x, |layers, x| {
            block.experts(layers, x, n_experts, shuffle, recursive)
        })?;
        x = block.residual(&mut layers, "norm_2", x, |layers, x| block.feed_forward(layers, x))?;
        let block = Block { name: format!("body.{index}.global_block"), features };
        x = block.residual(&mut layers, "norm_1", x, |layers, x| block.stripes(layers, x, kernel))?;
        x = block.residual(&mut layers, "norm_2", x, |layers, x| block.feed_forward(layers, x))?;
    }
    x = layers.layer_norm_of("norm", x, features, NormKind::Standard, NORM_EPS)?;
    x = layers.conv("conv_2", x, [features, features], 3)?;
    x = layers.add("features", x, shallow);
    x = layers.conv("upsampler.0", x, [shuffled, features], 3)?;
    x = layers.shuffle("upsampler.1", x, scale);
    x = layers.plus_mean(x, colours, 1.0);

    let mut tags: Vec<String> = preset.iter().map(|preset| preset.name.to_string()).collect();
    tags.extend([format!("{features}dim"), format!("{n_experts}ne"), format!("{n_layers}nl")]);
    let hyperparameters = [
        ("scale", json!(scale)),
        ("in_chans", json!(colours)),
        ("num_experts", json!(n_experts)),
        ("num_layers", json!(n_layers)),
        ("embedding_dim", json!(features)),
        ("img_range", json!(1.0)),
        ("use_shuffle", json!(shuffle)),
        ("global_kernel_size", json!(kernel)),
        ("recursive", json!(recursive)),
        ("lr_space", json!(growth)),
        ("topk", json!(1)),
    ];
    Ok(layers.finish(x, SizeRule { minimum: 16, ..SizeRule::default() }, tags, hyperparameters))
}

/// A local or a global block.
struct Block {
    name: String,
    features: usize,
}

impl Block {
    fn layer(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }

    /// `x + layer(norm(x))`.
    fn residual(
        &self,
        layers: &mut Layers<'_>,
        norm: &str,
        skip: NodeId,
        layer: impl FnOnce(&mut Layers<'_>, NodeId) -> Result<NodeId, ModelError>,
    ) -> Result<NodeId, ModelError> {
        let norm = self.layer(norm);
        let x = layers.layer_norm_of(&norm, skip, self.features, NormKind::Standard, NORM_EPS)?;
        let x = layer(layers, x)?;
        Ok(layers.add(format!("{norm}/skip"), x, skip))
    }

    /// A wide and a tall depthwise kernel in a row.
    fn striped(
        &self,
        layers: &mut Layers<'_>,
        name: &str,
        x: NodeId,
        kernel: usize,
    ) -> Result<NodeId, ModelError> {
        let n = self.features;
        let x =
            layers.conv_of(&format!("{name}.conv.0"), x, [n; 2], Conv::rectangle([1, kernel]).groups(n))?;
        layers.conv_of(&format!("{name}.conv.1"), x, [n; 2], Conv::rectangle([kernel, 1]).groups(n))
    }

    fn feed_forward(&self, layers: &mut Layers<'_>, x: NodeId) -> Result<NodeId, ModelError> {
        let (ffn, n) = (self.layer("ffn"), self.features);
        let [first, second, gate_name] = ["fn_1.0", "fn_2.0", "gate"].map(|part| format!("{ffn}.{part}"));
        let [_, _, kernel, _] = layers.conv_shape(&gate_name)?;
        let x = layers.conv(&first, x, [2 * n, n], 1)?;
        let x = layers.unary(&first, UnaryOp::Gelu, x);
        let [x, gate] = layers.chunks::<2>(&first, x, n);
        let gate = layers.depthwise(&gate_name, gate, n, kernel)?;
        let x = layers.mul(&ffn, x, gate);
        let x = layers.conv(&second, x, [n, n], 1)?;
        Ok(layers.unary(&second, UnaryOp::Gelu, x))
    }

    fn stripes(&self, layers: &mut Layers<'_>, x: NodeId, kernel: usize) -> Result<NodeId, ModelError> {
        let (block, n) = (self.layer("block"), self.features);
        let to_qv = format!("{block}.to_qv.0");
        let x = layers.conv(&to_qv, x, [2 * n, n], 1)?;
        let x = layers.unary(&to_qv, UnaryOp::Gelu, x);
        let [q, v] = layers.chunks::<2>(&to_qv, x, n);
        let q = self.striped(layers, &format!("{block}.attn"), q, kernel)?;
        let x = layers.mul(&block, q, v);
        layers.conv(&format!("{block}.proj"), x, [n, n], 1)
    }

    fn experts(
        &self,
        layers: &mut Layers<'_>,
        x: NodeId,
        n_experts: usize,
        shuffle: bool,
        recursive: usize,
    ) -> Result<NodeId, ModelError> {
        let (block, n) = (self.layer("block"), self.features);
        let first = format!("{block}.conv_1.0");
        let x = layers.conv(&first, x, [n, n], 3)?;
        let x = layers.unary(&first, UnaryOp::Gelu, x);
        let x = self.split(layers, &format!("{block}.conv_1.2"), x, shuffle)?;
        let [x, k] = layers.chunks::<2>(&format!("{block}.conv_1"), x, n);
        let second = format!("{block}.conv_2.0");
        let x = self.striped(layers, &second, x, 3)?;
        let x = layers.unary(&second, UnaryOp::Gelu, x);

        // What a much smaller copy says.
        let mut small = k;
        let aggregate = format!("{block}.agg_conv.0");
        for _ in 0..recursive {
            small = layers.conv_of(
                &aggregate,
                small,
                [n, n],
                Conv::same(AGGREGATE).groups(n).stride(AGGREGATE, 0),
            )?;
            small = layers.unary(&aggregate, UnaryOp::Gelu, small);
        }
        small = layers.depthwise(&format!("{block}.conv.0"), small, n, 3)?;
        small = layers.conv(&format!("{block}.conv.1"), small, [n, n], 1)?;
        let coarse = layers.bilinear_like(format!("{block}.enlarge"), small, k);
        let k = layers.add(format!("{block}.calibrated"), k, coarse);

        let x = self.best_expert(layers, &format!("{block}.moe_layer"), [x, k], n_experts)?;
        layers.conv(&format!("{block}.proj"), x, [n, n], 1)
    }

    /// The convolution before the split in halves. Where the channels are shuffled between, every other one goes to a
    /// half: the convolution can make them in that order.
    fn split(
        &self,
        layers: &mut Layers<'_>,
        name: &str,
        x: NodeId,
        shuffle: bool,
    ) -> Result<NodeId, ModelError> {
        let n = self.features;
        if !shuffle {
            return layers.conv(name, x, [2 * n, n], 1);
        }
        let source = |channel: usize| channel % 2 * n + channel / 2;
        let rows = layers.values(&format!("{name}.weight"), &[2 * n, n, 1, 1])?;
        let weight = (0..2 * n).flat_map(|c| rows[source(c) * n..][..n].iter().copied()).collect();
        let values = layers.values(&format!("{name}.bias"), &[2 * n])?;
        let bias = (0..2 * n).map(|c| values[source(c)]).collect();
        let weight = layers.made_weight(format!("{name}.weight (shuffled)"), &[2 * n, n, 1, 1], weight);
        let bias = layers.made_weight(format!("{name}.bias (shuffled)"), &[2 * n], bias);
        Ok(layers.push_conv(name, x, weight, Some(bias), 1))
    }

    /// `x` and what the expert with the largest weight adds, times that weight. All experts are computed, which costs
    /// little as they are narrow, and all but one weighted by zero.
    fn best_expert(
        &self,
        layers: &mut Layers<'_>,
        name: &str,
        [x, k]: [NodeId; 2],
        n_experts: usize,
    ) -> Result<NodeId, ModelError> {
        let n = self.features;
        let gate = format!("{name}.gate.body");
        let mean = layers.global_mean(format!("{gate}.0"), x);
        let scores = layers.linear(&format!("{gate}.2"), mean, [n_experts, n])?;
        let weights = layers.push(format!("{gate}/weights"), Op::Softmax { axis: 1 }, &[scores]);
        let mut best = layers.channels(format!("{gate}/0"), weights, 0..1);
        for expert in 1..n_experts {
            let other = layers.channels(format!("{gate}/{expert}"), weights, expert..expert + 1);
            best = layers.binary(format!("{gate}/best"), BinaryOp::Max, best, other);
        }
        // One for the best, zero for those below.
        let below = layers.binary(format!("{gate}/below"), BinaryOp::Sub, weights, best);
        let is_best = layers.unary(&gate, UnaryOp::HardSigmoid { alpha: STEEP, beta: 1.0 }, below);
        let weights = layers.mul(format!("{gate}/chosen"), weights, is_best);

        // The experts side by side are one: `conv_3(conv_1(x) * conv_2(k))`.
        let mut owners = Vec::new();
        let (mut of_x, mut of_k, mut back) = ((vec![], vec![]), (vec![], vec![]), vec![]);
        let mut back_bias = Vec::new();
        for expert in 0..n_experts {
            let expert_name = format!("{name}.experts.{expert}");
            let [width, _, _, _] = layers.conv_shape(&format!("{expert_name}.conv_1"))?;
            for (conv, (weight, bias)) in [("conv_1", &mut of_x), ("conv_2", &mut of_k)] {
                weight.extend(layers.values(&format!("{expert_name}.{conv}.weight"), &[width, n, 1, 1])?);
                bias.extend(layers.values(&format!("{expert_name}.{conv}.bias"), &[width])?);
            }
            back.push((width, layers.values(&format!("{expert_name}.conv_3.weight"), &[n, width, 1, 1])?));
            back_bias.push(layers.values(&format!("{expert_name}.conv_3.bias"), &[n])?);
            owners.extend(std::iter::repeat_n(expert, width));
        }
        let all = owners.len();
        let mut hidden = Vec::with_capacity(2);
        for (conv, input, (weight, bias)) in [("conv_1", x, of_x), ("conv_2", k, of_k)] {
            let conv = format!("{name}.experts.{conv}");
            let weight = layers.made_weight(format!("{conv}.weight"), &[all, n, 1, 1], weight);
            let bias = layers.made_weight(format!("{conv}.bias"), &[all], bias);
            hidden.push(layers.push_conv(&conv, input, weight, Some(bias), 1));
        }
        let product = layers.mul(format!("{name}.experts"), hidden[0], hidden[1]);
        let matrix =
            (0..all * n_experts).map(|i| f32::from(owners[i / n_experts] == i % n_experts)).collect();
        let each = layers.made_linear(&format!("{gate}/each"), weights, [all, n_experts], matrix);
        let product = layers.mul(format!("{name}.experts/chosen"), product, each);
        let joined: Vec<f32> = (0..n)
            .flat_map(|c| {
                back.iter().flat_map(move |(width, rows)| rows[c * width..][..*width].iter().copied())
            })
            .collect();
        let made = layers.made_linear(&format!("{name}.experts.conv_3"), product, [n, all], joined);
        let biases: Vec<f32> = (0..n * n_experts).map(|i| back_bias[i % n_experts][i / n_experts]).collect();
        let bias =
            layers.made_linear(&format!("{name}.experts.conv_3.bias"), weights, [n, n_experts], biases);
        let made = layers.add(format!("{name}.experts/biased"), made, bias);
        Ok(layers.add(name, x, made))
    }
}
