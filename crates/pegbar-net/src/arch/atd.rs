//! ATD (adaptive token dictionary, <https://arxiv.org/abs/2401.08209>): beside windows, pixels look at a dictionary of
//! tokens that is learnt and refined from picture to picture, and at pixels, wherever they are, that are like the same
//! token.
//!
//! The dictionary is a picture one pixel high here, a token each pixel.

use super::keys::{Detection, KeyStyle, keys};
use super::layers::{EPS, Layers, ratio};
use super::srformer::conv_mlp;
use super::window_transformer::{
    Frame, Residual, Swin, Upsampler, WindowAttention, depths_and_heads, head_scale, score_factors,
    window_of_index,
};
use super::{Architecture, Built};
use crate::{
    Attention, ModelError, ModelOptions, NodeId, NormKind, Op, Region, Scores, SizeFill, SizeRule,
    SortedAttention,
};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "ATD", half_safe: false, detect, build };

const ID: &str = "ATD";

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "relative_position_index_SA",
        "conv_first.weight",
        "layers.0.residual_group.td",
        "layers.0.residual_group.layers.0.sigma",
        "layers.0.residual_group.layers.0.wqkv.weight",
        "layers.0.residual_group.layers.0.attn_win.relative_position_bias_table",
        "layers.0.residual_group.layers.0.attn_atd.scale",
        "layers.0.residual_group.layers.0.attn_aca.logit_scale",
        "layers.0.residual_group.layers.0.convffn.fc1.weight",
        "norm.weight",
    ],
    known: keys!(
        "conv_first", "patch_embed.norm", "norm", "conv_after_body", "conv_after_body.*", "conv_before_upsample.0",
        "upsample.*", "conv_up*", "conv_hr", "conv_last", "layers.*.conv", "layers.*.conv.*",
        "layers.*.residual_group.layers.*.norm*",
        "layers.*.residual_group.layers.*.wqkv",
        "layers.*.residual_group.layers.*.attn_win.proj",
        "layers.*.residual_group.layers.*.attn_atd.wq",
        "layers.*.residual_group.layers.*.attn_atd.wk",
        "layers.*.residual_group.layers.*.attn_atd.wv",
        "layers.*.residual_group.layers.*.attn_aca.proj",
        "layers.*.residual_group.layers.*.convffn.fc*",
        "layers.*.residual_group.layers.*.convffn.dwconv.depthwise_conv.0";
        "relative_position_index_SA", "no_norm",
        "layers.*.residual_group.td",
        "layers.*.residual_group.layers.*.sigma",
        "layers.*.residual_group.layers.*.attn_win.relative_position_bias_table",
        "layers.*.residual_group.layers.*.attn_atd.scale",
        "layers.*.residual_group.layers.*.attn_aca.logit_scale",
    ),
}];

/// Channels of the light model, whose groups are smaller.
const LIGHT_CHANNELS: usize = 48;
/// So small that it only keeps a divisor from zero.
const TINY: f32 = 1e-24;
/// More tokens than any dictionary has.
const MAX_TOKENS: usize = 4096;

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn upsampler(layers: &Layers<'_>, in_channels: usize) -> Result<(Upsampler, usize), ModelError> {
    Ok(if layers.has("conv_up1.weight") {
        (Upsampler::NearestConv, 4)
    } else if layers.has("conv_before_upsample.0.weight") {
        (Upsampler::PixelShuffle, layers.shuffles("upsample")?.0)
    } else if layers.has("conv_last.weight") {
        (Upsampler::None, 1)
    } else {
        (Upsampler::Direct, layers.direct_scale("upsample.0", in_channels)?)
    })
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [channels, in_channels, _, _] = layers.conv_shape("conv_first")?;
    let (upsampler, scale) = upsampler(&layers, in_channels)?;
    let window = window_of_index(&layers, "relative_position_index_SA")?;
    let table = "layers.0.attn_win.relative_position_bias_table";
    let (depths, heads) = depths_and_heads(&layers, "layers", table)?;
    let [tokens]: [usize; 1] = layers.shape("layers.0.residual_group.layers.0.attn_atd.scale")?;
    if tokens > MAX_TOKENS {
        return Err(layers.problem(format!("its dictionary has {tokens} tokens")));
    }
    let light = upsampler == Upsampler::Direct && channels == LIGHT_CHANNELS;
    let group = if light { 128 } else { 256 };
    let three = !layers.has("layers.0.conv.weight");
    let is_norm = !layers.has("no_norm");
    let frame = Frame {
        in_channels,
        out_channels: in_channels,
        channels,
        heads,
        range: is_norm.then_some(1.0),
        residual: if three { Residual::Three } else { Residual::One },
        upsampler,
        scale,
    };
    let first_layer = "layers.0.residual_group.layers.0";
    let [hidden, _] = layers.shape(&format!("{first_layer}.convffn.fc1.weight"))?;
    let [reduced, _] = layers.shape(&format!("{first_layer}.attn_atd.wq.weight"))?;
    let [_, _, kernel, _] = layers.conv_shape(&format!("{first_layer}.convffn.dwconv.depthwise_conv.0"))?;

    let begun = frame.begin(&mut layers)?;
    let identity = identity(&mut layers, tokens);
    let mut x = frame.features(&mut layers, begun.first)?;
    for (block, &depth) in depths.iter().enumerate() {
        let skip = x;
        let prefix = format!("layers.{block}.residual_group");
        let mut dictionary = dictionary(&mut layers, &format!("{prefix}.td"), [tokens, channels])?;
        for index in 0..depth {
            let layer = Layer {
                prefix: format!("{prefix}.layers.{index}"),
                channels,
                heads: frame.heads[block],
                window,
                shift: if index % 2 == 1 { window / 2 } else { 0 },
                group,
                tokens,
                identity,
            };
            let similar;
            (x, similar) = layer.push(&mut layers, x, dictionary)?;
            if index + 1 < depth {
                dictionary = layer.refined(&mut layers, dictionary, similar, x)?;
            }
        }
        x = frame.end_group(&mut layers, block, x, skip)?;
    }
    x = frame.end(&mut layers, x, &begun)?;

    let size_rule =
        SizeRule { minimum: 8, multiple_of: window, square: false, fill: SizeFill::Symmetric, exactly: None };

    let mut tags = vec![format!("{channels}dim"), format!("{window}w"), format!("{group}cat")];
    if light {
        tags.insert(0, "light".into());
    }
    let swin = Swin { img_size: 64, depths: &depths, window, mlp_ratio: ratio(hidden, channels) };
    let mut hyperparameters = frame.swin_hyperparameters(&layers, &format!("{first_layer}.wqkv.bias"), swin);
    hyperparameters.extend([
        ("category_size", json!(group)),
        ("num_tokens", json!(tokens)),
        ("reducted_dim", json!(reduced)),
        ("convffn_kernel_size", json!(kernel)),
        ("norm", json!(is_norm)),
    ]);
    Ok(layers.finish(x, size_rule, tags, hyperparameters))
}

/// A picture one pixel high, of as many channels as columns, with a one where both are equal.
fn identity(layers: &mut Layers<'_>, n: usize) -> NodeId {
    let data = (0..n * n).map(|i| if i / n == i % n { 1.0 } else { 0.0 }).collect();
    layers.constant("identity", [1, n, 1, n], data)
}

/// The learnt dictionary `[tokens, channels]` as a picture.
fn dictionary(
    layers: &mut Layers<'_>,
    key: &str,
    [tokens, channels]: [usize; 2],
) -> Result<NodeId, ModelError> {
    let values = layers.values(key, &[tokens, channels])?;
    let data = (0..channels * tokens).map(|i| values[i % tokens * channels + i / tokens]).collect();
    Ok(layers.constant(key, [1, channels, 1, tokens], data))
}

/// Attention of every query to every key.
fn to_all() -> Op {
    Op::Attention(Attention::blocks(1, [1, 1], Scores::Dot(1.0)).with_region(Region::Picture))
}

struct Layer {
    prefix: String,
    channels: usize,
    heads: usize,
    window: usize,
    shift: usize,
    /// Pixels of like tokens that see one another.
    group: usize,
    tokens: usize,
    identity: NodeId,
}

impl Layer {
    /// The pixels after the layer, and how similar each was to each token, a channel for each.
    fn push(
        &self,
        layers: &mut Layers<'_>,
        x: NodeId,
        dictionary: NodeId,
    ) -> Result<(NodeId, NodeId), ModelError> {
        let Self { prefix: name, channels, heads, window, shift, .. } = self;
        let (channels, heads) = (*channels, *heads);
        head_scale(layers, channels, heads)?;
        let normed = layers.layer_norm(&format!("{name}.norm1"), x, channels)?;
        let qkv = layers.linear(&format!("{name}.wqkv"), normed, [3 * channels, channels])?;
        let (of_tokens, similar) = self.look_up(layers, normed, dictionary)?;

        let sorted = format!("{name}.attn_aca");
        let [q, k, v] = layers.chunks(&sorted, qkv, channels);
        let factor = score_factors(layers, &format!("{sorted}.logit_scale"), &[1, 1])?;
        let scale = layers.net.weight(factor).data[0];
        let op = Op::SortedAttention(SortedAttention { heads, group: self.group, scale });
        let of_category = layers.push(&sorted, op, &[q, k, v, similar]);
        let of_category = layers.linear(&format!("{sorted}.proj"), of_category, [channels, channels])?;

        let prefix = format!("{name}.attn_win");
        let attention = WindowAttention { prefix: &prefix, channels, heads, window: *window, shift: *shift };
        let of_window = attention.attend(layers, qkv)?;
        let of_window = layers.linear(&format!("{prefix}.proj"), of_window, [channels, channels])?;

        let x = layers.add(format!("{prefix}/add"), x, of_window);
        let x = layers.add(format!("{name}.attn_atd/add"), x, of_tokens);
        let x = layers.add(format!("{sorted}/add"), x, of_category);
        let normed = layers.layer_norm(&format!("{name}.norm2"), x, channels)?;
        let fed = conv_mlp(layers, &format!("{name}.convffn"), normed, channels)?;
        Ok((layers.add(format!("{name}.convffn/add"), x, fed), similar))
    }

    /// What the dictionary says about each pixel, and how similar the pixel is to each token.
    fn look_up(
        &self,
        layers: &mut Layers<'_>,
        x: NodeId,
        dictionary: NodeId,
    ) -> Result<(NodeId, NodeId), ModelError> {
        let name = format!("{}.attn_atd", self.prefix);
        let channels = self.channels;
        let [reduced, _] = layers.shape(&format!("{name}.wq.weight"))?;
        let q = layers.linear(&format!("{name}.wq"), x, [reduced, channels])?;
        let k = layers.linear(&format!("{name}.wk"), dictionary, [reduced, channels])?;
        let v = layers.linear(&format!("{name}.wv"), dictionary, [channels, channels])?;
        let [q, k] =
            [(q, "q"), (k, "k")].map(|(x, part)| unit_length(layers, &format!("{name}.{part}"), x, reduced));
        // A factor for each token.
        let logarithm = (self.tokens as f64).ln();
        let factors = layers.values(&format!("{name}.scale"), &[self.tokens])?;
        let factors =
            factors.iter().map(|&f| (1.0 + f64::from(f.clamp(0.0, 1.0)) * logarithm) as f32).collect();
        let factors = layers.constant(format!("{name}.scale"), [1, 1, 1, self.tokens], factors);
        let k = layers.mul(format!("{name}.scale/multiply"), k, factors);
        let found = layers.push(&name, to_all(), &[q, k, v]);
        let similar = layers.push(format!("{name}/similar"), to_all(), &[q, k, self.identity]);
        Ok((found, similar))
    }

    /// The dictionary with what this picture has of each token mixed in.
    fn refined(
        &self,
        layers: &mut Layers<'_>,
        dictionary: NodeId,
        similar: NodeId,
        x: NodeId,
    ) -> Result<NodeId, ModelError> {
        let name = &self.prefix;
        let tokens = self.tokens;
        let weight = layers.weight(&format!("{name}.norm3.weight"), &[tokens])?;
        let bias = Some(layers.weight(&format!("{name}.norm3.bias"), &[tokens])?);
        let op = Op::GroupNorm { groups: tokens, weight, bias, eps: EPS };
        let normed = layers.push(format!("{name}.norm3"), op, &[similar]);
        // Tokens look at all pixels.
        let gathered = layers.push(format!("{name}/gather"), to_all(), &[self.identity, normed, x]);
        let sigma = layers.values(&format!("{name}.sigma"), &[tokens, 1])?;
        let keep: Vec<f64> = sigma.iter().map(|&s| 1.0 / (1.0 + (-f64::from(s)).exp())).collect();
        let mut part = |what: &str, x: NodeId, share: Vec<f32>| {
            let share = layers.constant(format!("{name}.sigma ({what})"), [1, 1, 1, tokens], share);
            layers.mul(format!("{name}/{what}/multiply"), x, share)
        };
        let kept = part("kept", dictionary, keep.iter().map(|&s| s as f32).collect());
        let added = part("added", gathered, keep.iter().map(|&s| (1.0 - s) as f32).collect());
        Ok(layers.add(format!("{name}.td/add"), kept, added))
    }
}

/// Pixels divided by their length.
fn unit_length(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> NodeId {
    // The root of the mean of squares is the length over the root of the number of channels.
    let root = (channels as f64).sqrt();
    let weight =
        layers.made_weight(format!("{name} (unit)"), &[channels], vec![(1.0 / root) as f32; channels]);
    let op = Op::LayerNorm { kind: NormKind::RootMeanSquare, weight, bias: None, eps: TINY };
    layers.push(format!("{name}/unit"), op, &[x])
}
