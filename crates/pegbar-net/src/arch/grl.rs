//! GRL (global, regional and local, <https://arxiv.org/abs/2303.00748>): half of the channels attend in square windows,
//! the other half in stripes, by way of anchors: a smaller picture gathers what a stripe holds, and the stripe's pixels
//! look at that.

use super::keys::{Detection, KeyStyle, keys};
use super::layers::{Conv, Layers, ratio, shuffle_scale};
use super::swin2sr::small_network;
use super::window_transformer::{
    MAX_WINDOW, Residual, Tail, Upsampler, channel_attention, head_scale, mlp, position_bias, score_factors,
};
use super::{Architecture, Built};
use crate::{
    Attention, ModelError, ModelOptions, NodeId, Op, Padding, PoolKind, Scores, SizeRule, UnaryOp, WeightId,
};
use pegbar_formats::StateDict;
use serde_json::json;
use std::borrow::Cow;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "GRL", half_safe: false, detect, build };

const ID: &str = "GRL";

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "conv_first.weight",
        "norm_start.weight",
        "norm_end.weight",
        "layers.0.blocks.0.attn.window_attn.attn_transform.logit_scale",
        "layers.0.blocks.0.attn.stripe_attn.attn_transform1.logit_scale",
    ],
    known: keys!(
        "conv_first", "norm_start", "norm_end", "conv_after_body", "conv_after_body.*", "conv_before_upsample.0",
        "upsample.up.*", "conv_up*", "conv_hr", "conv_last", "layers.*.conv", "layers.*.conv.*",
        "layers.*.blocks.*.norm*",
        "layers.*.blocks.*.mlp.fc*",
        "layers.*.blocks.*.conv.cab.*",
        "layers.*.blocks.*.conv.cab.3.attention.*",
        "layers.*.blocks.*.attn.proj",
        "layers.*.blocks.*.attn.qkv.body",
        "layers.*.blocks.*.attn.qkv.body.*",
        "layers.*.blocks.*.attn.anchor.body.*",
        "layers.*.blocks.*.attn.anchor.body.*.*",
        "layers.*.blocks.*.attn.anchor.body.*.reduction",
        "layers.*.blocks.*.attn.window_attn.attn_transform.cpb_mlp.*",
        "layers.*.blocks.*.attn.stripe_attn.attn_transform*.cpb_mlp.*";
        "layers.*.blocks.*.attn.window_attn.attn_transform.logit_scale",
        "layers.*.blocks.*.attn.stripe_attn.attn_transform*.logit_scale",
        "table_w", "table_sh", "table_sv", "index_w", "index_sh_a2w", "index_sh_w2a", "index_sv_a2w",
        "index_sv_w2a", "mask_w", "mask_sh_a2w", "mask_sh_w2a", "mask_sv_a2w", "mask_sv_w2a",
    ),
}];

/// The state dict without what published files have before its keys: `model.`, or `model_g.` among others.
fn cleaned(state_dict: &StateDict) -> Cow<'_, StateDict> {
    let strip = |prefix: &str| -> StateDict {
        let of = |(key, tensor): (&str, &pegbar_formats::Tensor)| {
            key.strip_prefix(prefix).map(|key| (key.to_string(), tensor.clone()))
        };
        state_dict.iter().filter_map(of).collect()
    };
    if state_dict.contains("model_g.conv_first.weight") {
        Cow::Owned(strip("model_g."))
    } else if state_dict.contains("model.conv_first.weight")
        && state_dict.names().all(|key| key.starts_with("model."))
    {
        Cow::Owned(strip("model."))
    } else {
        Cow::Borrowed(state_dict)
    }
}

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(&cleaned(state_dict), STYLES)
}

/// How a smaller picture of anchors is made.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Anchor {
    /// Means of blocks, and a matrix.
    Pool,
    /// A matrix on blocks of 2 x 2.
    Merging,
    Conv,
    /// A convolution of each channel, and a matrix.
    Separable,
}

impl Anchor {
    fn of(layers: &Layers<'_>, body: &str) -> Self {
        if layers.has(&format!("{body}.0.reduction.weight")) {
            if layers.has(&format!("{body}.0.reduction.bias")) { Self::Pool } else { Self::Merging }
        } else if layers.has(&format!("{body}.0.weight")) {
            Self::Conv
        } else {
            Self::Separable
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pool => "avgpool",
            Self::Merging => "patchmerging",
            Self::Conv => "conv2d",
            Self::Separable => "separable_conv",
        }
    }
}

/// The sizes of windows, stripes and anchors.
#[derive(Clone, Copy)]
struct Sizes {
    window: usize,
    /// Rows and columns.
    stripe: [usize; 2],
    /// How many times smaller anchors are.
    factor: usize,
}

impl Sizes {
    /// From the tables a file holds, else those of the published models.
    fn of(
        layers: &Layers<'_>,
        factor: usize,
        upsampler: Upsampler,
        scale: usize,
    ) -> Result<Self, ModelError> {
        let sizes = if ["table_w", "table_sh", "index_sh_a2w"].into_iter().all(|key| layers.has(key)) {
            let [_, rows, _, _] = layers.shape("table_w")?;
            let [_, high, wide, _] = layers.shape("table_sh")?;
            let [a, b]: [usize; 2] = layers.shape("index_sh_a2w")?;
            let factor = (a.max(b) as f64 / a.min(b) as f64).sqrt() as usize;
            // Tables have side + side / factor - 1 rows.
            let side = |n: usize| ((n + 1) as f64 / (1.0 + 1.0 / factor as f64)).round() as usize;
            Self { window: rows.div_ceil(2), stripe: [side(high), side(wide)], factor }
        } else {
            let (window, stripe) = match upsampler {
                _ if scale == 1 => (8, [8, 8]),
                Upsampler::NearestConv => (16, [32, 64]),
                _ => (32, [64, 64]),
            };
            Self { window, stripe, factor }
        };
        let Self { window, stripe, factor } = sizes;
        let fits = |side: usize| {
            (2..=MAX_WINDOW).contains(&side) && factor > 0 && side.is_multiple_of(factor) && side > factor
        };
        // Stripes are shifted by half, and anchors with them.
        let shifts = |side: usize| (side / 2).is_multiple_of(factor);
        if !(2..=MAX_WINDOW).contains(&window) || !stripe.into_iter().all(|s| fits(s) && shifts(s)) {
            return Err(layers.problem(format!(
                "windows of {window} and stripes of {stripe:?} pixels with anchors {factor} times smaller make no sense"
            )));
        }
        Ok(sizes)
    }
}

/// The convolution before a skip around several blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum LastConv {
    One,
    OneByOne,
    Linear,
    Three,
}

impl LastConv {
    fn of(layers: &Layers<'_>) -> Self {
        match layers.state_dict.get("conv_after_body.weight").map(pegbar_formats::Tensor::shape) {
            None => Self::Three,
            Some([_, _]) => Self::Linear,
            Some([_, _, 1, _]) => Self::OneByOne,
            Some(_) => Self::One,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::One => "1conv",
            Self::OneByOne => "1conv1x1",
            Self::Linear => "linear",
            Self::Three => "3conv",
        }
    }

    fn apply(
        self,
        layers: &mut Layers<'_>,
        prefix: &str,
        x: NodeId,
        channels: usize,
    ) -> Result<NodeId, ModelError> {
        let size = [channels, channels];
        match self {
            Self::One => layers.conv(prefix, x, size, 3),
            Self::OneByOne => layers.conv(prefix, x, size, 1),
            Self::Linear => layers.linear(prefix, x, size),
            Self::Three => Residual::Three.apply(layers, prefix, x, channels),
        }
    }
}

fn output(layers: &Layers<'_>, in_channels: usize) -> Result<(Upsampler, usize, usize), ModelError> {
    let last = || layers.conv_shape("conv_last").map(|[out, ..]| out);
    let shuffled = layers.has("upsample.up.0.weight");
    if shuffled && layers.has("conv_before_upsample.0.weight") {
        return Ok((Upsampler::PixelShuffle, layers.shuffles("upsample.up")?.0, last()?));
    }
    if shuffled {
        let [channels, ..] = layers.conv_shape("upsample.up.0")?;
        let found = shuffle_scale(channels, in_channels);
        let (out, scale) = found.ok_or_else(|| {
            layers.problem(format!(
                "upsample.up.0 has {channels} channels, no number of colours times a square"
            ))
        })?;
        return Ok((Upsampler::Direct, scale, out));
    }
    if layers.has("conv_up1.weight") {
        return Ok((Upsampler::NearestConv, 4, last()?));
    }
    Ok((Upsampler::None, 1, last()?))
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let cleaned = cleaned(state_dict);
    let mut layers = Layers::new(ID, &cleaned);
    let [channels, in_channels, _, _] = layers.conv_shape("conv_first")?;
    let (upsampler, scale, out_channels) = output(&layers, in_channels)?;
    if in_channels == 3 && out_channels != 3 {
        return Err(layers.problem(format!("it makes {out_channels} channels of three")));
    }
    if channels % 2 == 1 {
        return Err(layers.problem(format!("{channels} channels cannot be halved")));
    }
    let conv = LastConv::of(&layers);
    let body = "layers.0.blocks.0.attn.anchor.body";
    let n_stages = layers.sequence(&format!("{body}."))?;
    let anchor = Anchor::of(&layers, body);
    let factor = match (n_stages, anchor) {
        (1, Anchor::Conv) => layers.conv_shape(&format!("{body}.0"))?[2].saturating_sub(1),
        (1, Anchor::Separable) => layers.conv_shape(&format!("{body}.0.0"))?[2].saturating_sub(1),
        // As in the published models; a pool has no weights.
        (1, _) => 4,
        (n, _) => 1 << n.min(8),
    };
    let sizes = Sizes::of(&layers, factor, upsampler, scale)?;
    let (mut depths, mut heads) = (Vec::new(), [Vec::new(), Vec::new()]);
    for stage in 0..layers.sequence("layers.")? {
        let prefix = format!("layers.{stage}.blocks");
        depths.push(layers.sequence(&format!("{prefix}."))?);
        for (heads, name) in
            heads.iter_mut().zip(["window_attn.attn_transform", "stripe_attn.attn_transform1"])
        {
            let [n, _, _] = layers.shape(&format!("{prefix}.0.attn.{name}.logit_scale"))?;
            heads.push(n);
        }
    }
    let [heads_window, heads_stripe] = heads;
    let linear_qkv = layers.has("layers.0.blocks.0.attn.qkv.body.weight");
    let qkv_bias = if linear_qkv { "body.bias" } else { "body.0.bias" };
    let local = layers.has("layers.0.blocks.0.conv.cab.0.weight");
    let [hidden, _] = layers.shape("layers.0.blocks.0.mlp.fc1.weight")?;

    let picture = layers.input(in_channels);
    let picture = layers.minus_mean(picture, in_channels, 1.0);
    let first = layers.conv("conv_first", picture, [channels, in_channels], 3)?;
    let mut x = layers.layer_norm("norm_start", first, channels)?;
    for (stage, &depth) in depths.iter().enumerate() {
        let skip = x;
        for index in 0..depth {
            let block = Block {
                prefix: format!("layers.{stage}.blocks.{index}"),
                channels,
                heads: [heads_window[stage], heads_stripe[stage]],
                sizes: Sizes {
                    // Lying and standing by turns.
                    stripe: if index % 2 == 0 { sizes.stripe } else { [sizes.stripe[1], sizes.stripe[0]] },
                    ..sizes
                },
                shifts_window: index % 2 == 0,
                shifts_stripe: index % 4 >= 2,
                anchor,
                n_stages,
                linear_qkv,
                local,
            };
            x = block.push(&mut layers, x)?;
        }
        x = conv.apply(&mut layers, &format!("layers.{stage}.conv"), x, channels)?;
        x = layers.add(format!("layers.{stage}/add"), x, skip);
    }
    x = layers.layer_norm("norm_end", x, channels)?;
    x = conv.apply(&mut layers, "conv_after_body", x, channels)?;
    x = layers.add("body/add", x, first);
    if upsampler == Upsampler::None && in_channels != out_channels {
        x = layers.conv("conv_last", x, [out_channels, channels], 3)?;
    } else {
        let tail = Tail { upsampler, scale, channels, out: out_channels, sequence: "upsample.up" };
        x = tail.apply(&mut layers, x, picture)?;
    }
    if in_channels == 3 {
        x = layers.plus_mean(x, out_channels, 1.0);
    }

    let multiple_of = sizes.window.max(sizes.stripe[0]).max(sizes.stripe[1]);
    let size_rule = SizeRule { multiple_of, ..SizeRule::default() };

    let size = match depths.len() {
        6.. => "base",
        _ if channels >= 96 => "small",
        _ => "tiny",
    };
    let Sizes { window, stripe, factor } = sizes;
    let tags = vec![
        size.to_string(),
        format!("{channels}dim"),
        format!("w{window}df{factor}"),
        format!("s{}x{}", stripe[0], stripe[1]),
    ];
    let hyperparameters = [
        ("img_size", json!(64)),
        ("in_channels", json!(in_channels)),
        ("out_channels", json!(out_channels)),
        ("embed_dim", json!(channels)),
        ("upscale", json!(scale)),
        ("img_range", json!(1.0)),
        ("upsampler", json!(upsampler.name())),
        ("depths", json!(depths)),
        ("num_heads_window", json!(heads_window)),
        ("num_heads_stripe", json!(heads_stripe)),
        ("window_size", json!(window)),
        ("stripe_size", json!(stripe)),
        ("stripe_groups", json!([null, null])),
        ("stripe_shift", json!(true)),
        ("mlp_ratio", json!(ratio(hidden, channels))),
        ("qkv_bias", json!(layers.has(&format!("layers.0.blocks.0.attn.qkv.{qkv_bias}")))),
        ("qkv_proj_type", json!(if linear_qkv { "linear" } else { "separable_conv" })),
        ("anchor_proj_type", json!(anchor.name())),
        ("anchor_one_stage", json!(n_stages == 1)),
        ("anchor_window_down_factor", json!(factor)),
        ("out_proj_type", json!("linear")),
        ("local_connection", json!(local)),
        ("drop_rate", json!(0.0)),
        ("attn_drop_rate", json!(0.0)),
        ("drop_path_rate", json!(0.1)),
        ("norm_layer", json!("<LayerNorm>")),
        ("pretrained_window_size", json!([0, 0])),
        ("pretrained_stripe_size", json!([0, 0])),
        ("conv_type", json!(conv.name())),
        ("init_method", json!("n")),
        ("fairscale_checkpoint", json!(false)),
        ("offload_to_cpu", json!(false)),
        ("euclidean_dist", json!(false)),
    ];
    Ok(layers.finish(x, size_rule, tags, hyperparameters))
}

struct Block {
    prefix: String,
    channels: usize,
    /// Of windows and of stripes.
    heads: [usize; 2],
    sizes: Sizes,
    shifts_window: bool,
    shifts_stripe: bool,
    anchor: Anchor,
    /// Modules that make the anchors.
    n_stages: usize,
    linear_qkv: bool,
    /// Whether convolutions stand beside the attention.
    local: bool,
}

impl Block {
    fn push(&self, layers: &mut Layers<'_>, x: NodeId) -> Result<NodeId, ModelError> {
        let (name, channels) = (&self.prefix, self.channels);
        let attended = self.attention(layers, &format!("{name}.attn"), x)?;
        let normed = layers.layer_norm(&format!("{name}.norm1"), attended, channels)?;
        let mut y = layers.add(format!("{name}.attn/add"), x, normed);
        if self.local {
            let cab = format!("{name}.conv.cab");
            let [narrow, ..] = layers.conv_shape(&format!("{cab}.0"))?;
            let c = layers.conv(&format!("{cab}.0"), x, [narrow, channels], 3)?;
            let c = layers.unary(&format!("{cab}.0"), UnaryOp::Gelu, c);
            let c = layers.conv(&format!("{cab}.2"), c, [channels, narrow], 3)?;
            let c = channel_attention(layers, &format!("{cab}.3.attention"), c, channels)?;
            y = layers.add(format!("{cab}/add"), y, c);
        }
        let fed = mlp(layers, &format!("{name}.mlp"), y, channels)?;
        let normed = layers.layer_norm(&format!("{name}.norm2"), fed, channels)?;
        Ok(layers.add(format!("{name}.mlp/add"), y, normed))
    }

    fn attention(&self, layers: &mut Layers<'_>, name: &str, x: NodeId) -> Result<NodeId, ModelError> {
        let channels = self.channels;
        let body = format!("{name}.qkv.body");
        let qkv = if self.linear_qkv {
            layers.linear(&body, x, [3 * channels, channels])?
        } else {
            let x = layers.conv_of(
                &format!("{body}.0"),
                x,
                [channels; 2],
                Conv::same(3).groups(channels).stride(1, 3 / 2),
            )?;
            layers.conv(&format!("{body}.1"), x, [3 * channels, channels], 1)?
        };
        let anchor = self.anchor(layers, &format!("{name}.anchor.body"), x)?;
        let half = channels / 2;
        let of_window = layers.channels(format!("{name}/part"), qkv, 0..3 * half);
        let of_stripe = layers.channels(format!("{name}/part"), qkv, 3 * half..3 * half + 3 * half);
        let of_window = layers.chunks::<3>(name, of_window, half);
        let [q, k, v] = layers.chunks(name, of_stripe, half);
        for heads in self.heads {
            head_scale(layers, half, heads)?;
        }

        let Sizes { window, stripe, factor } = self.sizes;
        let transform = format!("{name}.window_attn.attn_transform");
        let (factors, bias) =
            self.transform(layers, &transform, self.heads[0], [[window; 2], [window; 2]])?;
        let op = Attention::blocks(self.heads[0], [window; 2], Scores::Cosine(factors)).with_bias(bias);
        let shift = if self.shifts_window { window / 2 } else { 0 };
        let op = Op::Attention(op.with_shift([shift; 2]));
        let windows = layers.push(format!("{name}.window_attn"), op, &of_window);

        let heads = self.heads[1];
        let small = stripe.map(|side| side / factor);
        let shift = stripe.map(|side| if self.shifts_stripe { side / 2 } else { 0 });
        let transform = format!("{name}.stripe_attn.attn_transform1");
        let (factors, bias) = self.transform(layers, &transform, heads, [small, stripe])?;
        let gather = Attention {
            query_factor: factor,
            shift: shift.map(|s| s / factor),
            ..Attention::blocks(heads, small, Scores::Cosine(factors)).with_bias(bias)
        };
        let gathered = layers.push(format!("{transform}/gather"), Op::Attention(gather), &[anchor, k, v]);
        let transform = format!("{name}.stripe_attn.attn_transform2");
        let (factors, bias) = self.transform(layers, &transform, heads, [stripe, small])?;
        let spread = Attention {
            key_factor: factor,
            shift,
            ..Attention::blocks(heads, stripe, Scores::Cosine(factors)).with_bias(bias)
        };
        let stripes =
            layers.push(format!("{transform}/spread"), Op::Attention(spread), &[q, anchor, gathered]);
        let joined = layers.concat(format!("{name}/join"), &[windows, stripes]);
        layers.linear(&format!("{name}.proj"), joined, [channels, channels])
    }

    /// Factors of scores, and the bias between pixels of the two sizes of one window.
    fn transform(
        &self,
        layers: &mut Layers<'_>,
        name: &str,
        heads: usize,
        [queries, keys]: [[usize; 2]; 2],
    ) -> Result<(WeightId, WeightId), ModelError> {
        let factors = score_factors(layers, &format!("{name}.logit_scale"), &[heads, 1, 1])?;
        let sides = |axis: usize| [queries[axis].max(keys[axis]), queries[axis].min(keys[axis])];
        let offsets = [0, 1].map(|axis| offsets(sides(axis)));
        let mut pairs = Vec::with_capacity(2 * offsets[0].len() * offsets[1].len());
        for &down in &offsets[0] {
            for &across in &offsets[1] {
                pairs.extend([down, across]);
            }
        }
        let mlp = format!("{name}.cpb_mlp");
        let table = small_network(layers, &mlp, &pairs, heads)?;
        let columns = offsets[1].len();
        let row = |query: usize, key: usize| {
            let down = query / queries[1] + keys[0] - 1 - key / keys[1];
            let across = query % queries[1] + keys[1] - 1 - key % keys[1];
            down * columns + across
        };
        let pixels = [queries[0] * queries[1], keys[0] * keys[1]];
        Ok((factors, position_bias(layers, &mlp, &table, heads, pixels, row)?))
    }

    fn anchor(&self, layers: &mut Layers<'_>, body: &str, x: NodeId) -> Result<NodeId, ModelError> {
        let (half, factor) = (self.channels / 2, self.sizes.factor);
        let mut x = x;
        for stage in 0..self.n_stages {
            let name = format!("{body}.{stage}");
            let input = if stage == 0 { self.channels } else { half };
            // Several modules halve one after another.
            let (kernel, stride) = if self.n_stages == 1 { (factor + 1, factor) } else { (3, 2) };
            x = match self.anchor {
                Anchor::Pool => {
                    let (kernel, padding) = ([factor; 2], Padding::default());
                    let kind = PoolKind::Average { count_pad: true };
                    let op = Op::Pool { kind, kernel, stride: kernel, padding };
                    let x = layers.push(format!("{name}.pooling"), op, &[x]);
                    layers.linear(&format!("{name}.reduction"), x, [half, input])?
                }
                Anchor::Merging => merged(layers, &format!("{name}.reduction"), x, [half, input])?,
                Anchor::Conv => {
                    let weight = layers.weight(&format!("{name}.weight"), &[half, input, kernel, kernel])?;
                    let bias = Some(layers.weight(&format!("{name}.bias"), &[half])?);
                    let (stride, padding) = ([stride; 2], Padding::all(kernel / 2));
                    let op = Op::Conv2d { weight, bias, stride, padding, dilation: [1, 1], groups: 1 };
                    layers.push(&name, op, &[x])
                }
                Anchor::Separable => {
                    let x = layers.conv_of(
                        &format!("{name}.0"),
                        x,
                        [input; 2],
                        Conv::same(kernel).groups(input).stride(stride, kernel / 2),
                    )?;
                    layers.conv(&format!("{name}.1"), x, [half, input], 1)?
                }
            };
        }
        Ok(x)
    }
}

/// A matrix on the channels of 2 x 2 pixels, column by column.
fn merged(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    [out, input]: [usize; 2],
) -> Result<NodeId, ModelError> {
    let key = format!("{name}.weight");
    let matrix = layers.values(&key, &[out, 4 * input])?;
    let mut data = Vec::with_capacity(matrix.len());
    for row in matrix.chunks_exact(4 * input) {
        for channel in 0..input {
            for (down, across) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                data.push(row[(across * 2 + down) * input + channel]);
            }
        }
    }
    let weight = layers.made_weight(format!("{key} (2x2)"), &[out, input, 2, 2], data);
    let (stride, padding) = ([2, 2], Padding::default());
    let op = Op::Conv2d { weight, bias: None, stride, padding, dilation: [1, 1], groups: 1 };
    Ok(layers.push(name, op, &[x]))
}

/// The offsets between pixels of a window and the fewer pixels of a smaller one with the same centre, on a logarithmic
/// scale.
fn offsets([wide, narrow]: [usize; 2]) -> Vec<f32> {
    let (wide, narrow) = (wide as i64, narrow as i64);
    let aside = (wide - narrow) / 2;
    let (least, most) = (-(narrow - 1) - aside, wide - 1 - aside);
    let scaled = |at: i64| {
        let x = at as f64 / most as f64 * 8.0;
        (x.signum() * (x.abs() + 1.0).log2() / 3.0) as f32
    };
    (least..=most).map(|at| if at == 0 { 0.0 } else { scaled(at) }).collect()
}
