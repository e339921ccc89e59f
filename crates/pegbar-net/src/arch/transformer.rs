//! What the transformers of pictures share: layers over the channels of a pixel, tables of position biases, and the
//! frame around the blocks, which most of them took over from SwinIR.
//!
//! A linear layer over the channels of each pixel is a 1x1 convolution.

use super::keys::count;
use super::layers::{Layers, square_root};
use crate::{
    BinaryOp, ModelError, NodeId, NormKind, Op, Padding, ResizeMode, ResizeTarget, UnaryOp, WeightId,
    WeightTensor,
};

/// PyTorch's `eps` of layer and batch norms.
pub(super) const EPS: f32 = 1e-5;

/// More layers or blocks in a row than any model has.
const MAX_LENGTH: usize = 256;
/// Most values of all position biases of a network: a small file can ask for many, as a table is repeated for each
/// pair of pixels of a window.
const MAX_BIAS_VALUES: usize = 1 << 29;
/// Larger windows than any model has.
pub(super) const MAX_WINDOW: usize = 256;

/// Negative slope of an activation whose slope is not stated.
const LEAKY: UnaryOp = UnaryOp::LeakyRelu(0.01);
pub(super) const LEAKY_02: UnaryOp = UnaryOp::LeakyRelu(0.2);

/// Mean of the pictures these networks were trained with; it is not in the files.
const RGB_MEAN: [f64; 3] = [0.4488, 0.4371, 0.4040];

/// How many modules are numbered behind `prefix`, which ends in a dot: at least one.
pub(super) fn sequence(layers: &Layers<'_>, prefix: &str) -> Result<usize, ModelError> {
    match count(layers.state_dict, prefix) {
        n @ 1..=MAX_LENGTH => Ok(n),
        n => Err(layers.problem(format!("it has {n} modules {prefix}*, where 1 to {MAX_LENGTH} make sense"))),
    }
}

/// Whether the file has a tensor.
pub(super) fn has(layers: &Layers<'_>, key: &str) -> bool {
    layers.state_dict.contains(key)
}

fn optional(layers: &mut Layers<'_>, key: &str, len: usize) -> Result<Option<WeightId>, ModelError> {
    if has(layers, key) { layers.weight(key, &[len]).map(Some) } else { Ok(None) }
}

/// Takes a tensor into the network with another shape of as many values.
pub(super) fn reshaped(
    layers: &mut Layers<'_>,
    key: &str,
    shape: &[usize],
    to: &[usize],
) -> Result<WeightId, ModelError> {
    let data = layers.values(key, shape)?;
    Ok(layers.net.push_weight(WeightTensor { name: key.to_string(), shape: to.to_vec(), data }))
}

/// A linear layer `[out, in]`, with a bias where the file has one.
pub(super) fn linear(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    [out, input]: [usize; 2],
) -> Result<NodeId, ModelError> {
    let weight = reshaped(layers, &format!("{prefix}.weight"), &[out, input], &[out, input, 1, 1])?;
    let bias = optional(layers, &format!("{prefix}.bias"), out)?;
    Ok(layers.push_conv(prefix, x, weight, bias, 1))
}

/// A convolution of each channel by itself that keeps the size.
pub(super) fn depthwise(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    channels: usize,
    kernel: usize,
) -> Result<NodeId, ModelError> {
    depthwise_strided(layers, prefix, x, channels, kernel, 1)
}

/// A convolution of each channel by itself, padded by half its kernel.
pub(super) fn depthwise_strided(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    channels: usize,
    kernel: usize,
    stride: usize,
) -> Result<NodeId, ModelError> {
    let weight = layers.weight(&format!("{prefix}.weight"), &[channels, 1, kernel, kernel])?;
    let bias = optional(layers, &format!("{prefix}.bias"), channels)?;
    let (stride, padding) = ([stride; 2], Padding::all(kernel / 2));
    let op = Op::Conv2d { weight, bias, stride, padding, dilation: [1, 1], groups: channels };
    Ok(layers.net.push(prefix, op, &[x]))
}

/// A layer norm over channels.
pub(super) fn norm(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let weight = layers.weight(&format!("{prefix}.weight"), &[channels])?;
    let bias = optional(layers, &format!("{prefix}.bias"), channels)?;
    Ok(layers.net.push(prefix, Op::LayerNorm { kind: NormKind::Standard, weight, bias, eps: EPS }, &[x]))
}

/// A batch norm with its running statistics.
pub(super) fn batch_norm(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let values = |part: &str| layers.values(&format!("{prefix}.{part}"), &[channels]);
    let (weight, bias) = (values("weight")?, values("bias")?);
    let (mean, variance) = (values("running_mean")?, values("running_var")?);
    let scale: Vec<f64> = weight
        .iter()
        .zip(&variance)
        .map(|(&w, &v)| f64::from(w) / (f64::from(v) + f64::from(EPS)).sqrt())
        .collect();
    let shift = (0..channels).map(|c| (f64::from(bias[c]) - f64::from(mean[c]) * scale[c]) as f32).collect();
    let scale = scale.into_iter().map(|s| s as f32).collect();
    Ok(affine(layers, prefix, x, scale, shift))
}

/// `x * scale[c] + shift[c]`.
pub(super) fn affine(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    scale: Vec<f32>,
    shift: Vec<f32>,
) -> NodeId {
    let mut vector = |part: &str, data: Vec<f32>| {
        let shape = vec![data.len()];
        layers.net.push_weight(WeightTensor { name: format!("{name} ({part})"), shape, data })
    };
    let op = Op::ChannelAffine { scale: vector("scale", scale), shift: vector("shift", shift) };
    layers.net.push(name, op, &[x])
}

/// `x * weight[c]`, the weight of any shape with as many values.
pub(super) fn channel_scale(
    layers: &mut Layers<'_>,
    key: &str,
    shape: &[usize],
    x: NodeId,
) -> Result<NodeId, ModelError> {
    let scale = layers.values(key, shape)?;
    let shift = vec![0.0; scale.len()];
    Ok(affine(layers, key, x, scale, shift))
}

pub(super) fn add(layers: &mut Layers<'_>, name: &str, a: NodeId, b: NodeId) -> NodeId {
    layers.net.push(format!("{name}/add"), Op::Binary(BinaryOp::Add), &[a, b])
}

pub(super) fn multiply(layers: &mut Layers<'_>, name: &str, a: NodeId, b: NodeId) -> NodeId {
    layers.net.push(format!("{name}/multiply"), Op::Binary(BinaryOp::Mul), &[a, b])
}

/// `len` channels from `start` on.
pub(super) fn part(layers: &mut Layers<'_>, name: &str, x: NodeId, start: usize, len: usize) -> NodeId {
    let op = Op::Slice { axis: 1, start: start as i64, end: (start + len) as i64 };
    layers.net.push(format!("{name}/part"), op, &[x])
}

/// Queries, keys and values that one layer made, `channels` each.
pub(super) fn thirds(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> [NodeId; 3] {
    [0, 1, 2].map(|i| part(layers, name, x, i * channels, channels))
}

/// What scores of heads are multiplied with: one over the root of a head's channels.
pub(super) fn head_scale(layers: &Layers<'_>, channels: usize, heads: usize) -> Result<f32, ModelError> {
    if heads == 0 || !channels.is_multiple_of(heads) {
        return Err(layers.problem(format!("{channels} channels cannot be split into {heads} heads")));
    }
    Ok(((channels / heads) as f64).powf(-0.5) as f32)
}

/// The side of a window from the length of a table with a row for each offset between two of its pixels.
pub(super) fn window_of_table(layers: &Layers<'_>, rows: usize) -> Result<usize, ModelError> {
    match square_root(rows) {
        Some(side) if side % 2 == 1 && side.div_ceil(2) <= MAX_WINDOW => Ok(side.div_ceil(2)),
        _ => Err(layers.problem(format!("a table of {rows} position biases belongs to no square window"))),
    }
}

/// The bias `[heads, queries, keys]` of which each value is the row `row(query, key)` of a table `[.., heads]`.
pub(super) fn position_bias(
    layers: &mut Layers<'_>,
    name: &str,
    table: &[f32],
    heads: usize,
    [queries, keys]: [usize; 2],
    row: impl Fn(usize, usize) -> usize,
) -> Result<WeightId, ModelError> {
    let so_far: usize = layers.net.weights.iter().map(|w| w.data.len()).sum();
    let len = heads.saturating_mul(queries).saturating_mul(keys);
    if len.saturating_add(so_far) > MAX_BIAS_VALUES {
        return Err(layers.problem(format!("its windows of {queries} x {keys} pixels are too large")));
    }
    let mut data = Vec::with_capacity(len);
    for head in 0..heads {
        for query in 0..queries {
            for key in 0..keys {
                let Some(&value) = table.get(row(query, key) * heads + head) else {
                    return Err(layers.problem(format!("the table of position biases {name} is too short")));
                };
                data.push(value);
            }
        }
    }
    let shape = vec![heads, queries, keys];
    Ok(layers.net.push_weight(WeightTensor { name: format!("{name} (expanded)"), shape, data }))
}

/// The row of the offset between two pixels of one window in a table of all offsets, row by row.
pub(super) fn offset_row([rows, columns]: [usize; 2], query: usize, key: usize) -> usize {
    let down = query / columns + rows - 1 - key / columns;
    let across = query % columns + columns - 1 - key % columns;
    down * (2 * columns - 1) + across
}

/// The bias of a square window from the table a file holds.
pub(super) fn window_bias(
    layers: &mut Layers<'_>,
    key: &str,
    window: usize,
    heads: usize,
) -> Result<WeightId, ModelError> {
    let table = layers.values(key, &[(2 * window - 1).pow(2), heads])?;
    let row = |query, key| offset_row([window; 2], query, key);
    position_bias(layers, key, &table, heads, [window * window; 2], row)
}

/// Two linear layers with GELU between; the hidden channels are the file's.
pub(super) fn mlp(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let [hidden, _] = layers.shape(&format!("{prefix}.fc1.weight"), "[out, in]")?;
    let x = linear(layers, &format!("{prefix}.fc1"), x, [hidden, channels])?;
    let x = layers.unary(prefix, UnaryOp::Gelu, x);
    linear(layers, &format!("{prefix}.fc2"), x, [channels, hidden])
}

/// The convolution before a skip around several blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Residual {
    One,
    Three,
    Identity,
}

impl Residual {
    /// By the keys of the last one; `otherwise` where it is not a single convolution.
    pub(super) fn of(layers: &Layers<'_>, otherwise: Self) -> Self {
        if has(layers, "conv_after_body.weight") { Self::One } else { otherwise }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::One => "1conv",
            Self::Three => "3conv",
            Self::Identity => "identity",
        }
    }

    pub(super) fn apply(
        self,
        layers: &mut Layers<'_>,
        prefix: &str,
        x: NodeId,
        channels: usize,
    ) -> Result<NodeId, ModelError> {
        match self {
            Self::Identity => Ok(x),
            Self::One => layers.conv(prefix, x, [channels, channels], 3),
            Self::Three => {
                let [first, middle, last] = [0, 2, 4].map(|i| format!("{prefix}.{i}"));
                let narrow = channels / 4;
                let x = layers.conv(&first, x, [narrow, channels], 3)?;
                let x = layers.unary(&first, LEAKY_02, x);
                let x = layers.conv(&middle, x, [narrow, narrow], 1)?;
                let x = layers.unary(&middle, LEAKY_02, x);
                layers.conv(&last, x, [channels, narrow], 3)
            }
        }
    }
}

/// `(x - mean) * range`; only colour has a mean.
pub(super) fn enter(layers: &mut Layers<'_>, x: NodeId, channels: usize, range: f64) -> NodeId {
    if channels != RGB_MEAN.len() {
        let scale = UnaryOp::ScaleShift { scale: range as f32, shift: 0.0 };
        return if range == 1.0 { x } else { layers.unary("input", scale, x) };
    }
    let shift = RGB_MEAN.map(|mean| (-mean * range) as f32).to_vec();
    affine(layers, "minus mean", x, vec![range as f32; RGB_MEAN.len()], shift)
}

/// `x / range + mean`.
pub(super) fn leave(layers: &mut Layers<'_>, x: NodeId, channels: usize, range: f64) -> NodeId {
    let scale = (1.0 / range) as f32;
    if channels != RGB_MEAN.len() {
        let scale = UnaryOp::ScaleShift { scale, shift: 0.0 };
        return if range == 1.0 { x } else { layers.unary("output", scale, x) };
    }
    affine(layers, "plus mean", x, vec![scale; RGB_MEAN.len()], RGB_MEAN.map(|mean| mean as f32).to_vec())
}

/// How the features become the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Upsampler {
    /// Convolutions and shuffles, then one more convolution.
    PixelShuffle,
    /// One convolution and one shuffle.
    Direct,
    /// Nearest neighbour and convolution, once for each doubling.
    NearestConv,
    /// None: what is made is added to the picture.
    None,
}

impl Upsampler {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PixelShuffle => "pixelshuffle",
            Self::Direct => "pixelshuffledirect",
            Self::NearestConv => "nearest+conv",
            Self::None => "",
        }
    }
}

/// Scale and features of a run of `{prefix}.0`, `.2`, ...: each a convolution to features times a square, and a
/// shuffle.
pub(super) fn shuffles(layers: &Layers<'_>, prefix: &str) -> Result<(usize, Option<usize>), ModelError> {
    let (mut scale, mut features) = (1, None);
    for index in (0..10).step_by(2) {
        let name = format!("{prefix}.{index}");
        if !has(layers, &format!("{name}.weight")) {
            break;
        }
        let [out, input, _, _] = layers.conv_shape(&name)?;
        let factor = if out.is_multiple_of(input) { square_root(out / input) } else { None };
        let Some(factor) = factor else {
            return Err(
                layers.problem(format!("{name} has {out} channels, which is not {input} times a square"))
            );
        };
        (scale, features) = (scale * factor, Some(input));
    }
    if scale > 64 {
        return Err(layers.problem(format!("it enlarges {scale} times")));
    }
    Ok((scale, features))
}

/// The layers [`shuffles`] found.
pub(super) fn push_shuffles(
    layers: &mut Layers<'_>,
    prefix: &str,
    mut x: NodeId,
    features: usize,
) -> Result<NodeId, ModelError> {
    for index in (0..10).step_by(2) {
        let name = format!("{prefix}.{index}");
        if !has(layers, &format!("{name}.weight")) {
            break;
        }
        let [out, _, _, _] = layers.conv_shape(&name)?;
        x = layers.conv(&name, x, [out, features], 3)?;
        let factor = square_root(out / features).unwrap_or(1);
        x = layers.net.push(format!("{prefix}.{}", index + 1), Op::PixelShuffle { factor }, &[x]);
    }
    Ok(x)
}

/// The scale of a single convolution and shuffle to `channels`.
pub(super) fn direct_scale(layers: &Layers<'_>, name: &str, channels: usize) -> Result<usize, ModelError> {
    let [out, _, _, _] = layers.conv_shape(name)?;
    let scale = if out.is_multiple_of(channels) { square_root(out / channels) } else { None };
    scale.ok_or_else(|| {
        layers.problem(format!("{name} has {out} channels, which is not {channels} times a square"))
    })
}

/// The end of a network: from `channels` features to a picture of `out` channels. `picture` is what went in; a
/// network without an upsampler adds to it.
pub(super) struct Tail {
    pub(super) upsampler: Upsampler,
    pub(super) scale: usize,
    pub(super) channels: usize,
    pub(super) out: usize,
    /// Where the convolutions and shuffles are.
    pub(super) sequence: &'static str,
}

impl Tail {
    pub(super) fn apply(
        &self,
        layers: &mut Layers<'_>,
        x: NodeId,
        picture: NodeId,
    ) -> Result<NodeId, ModelError> {
        match self.upsampler {
            Upsampler::PixelShuffle => {
                let [features, _, _, _] = layers.conv_shape("conv_before_upsample.0")?;
                let x = self.before(layers, x, features)?;
                let x = push_shuffles(layers, self.sequence, x, features)?;
                layers.conv("conv_last", x, [self.out, features], 3)
            }
            Upsampler::Direct => {
                let [name, after] = [0, 1].map(|i| format!("{}.{i}", self.sequence));
                let x = layers.conv(&name, x, [self.out * self.scale.pow(2), self.channels], 3)?;
                Ok(layers.net.push(after, Op::PixelShuffle { factor: self.scale }, &[x]))
            }
            Upsampler::NearestConv => {
                let [features, _, _, _] = layers.conv_shape("conv_before_upsample.0")?;
                let mut x = self.before(layers, x, features)?;
                for n in 1..=self.scale.ilog2() {
                    let name = format!("conv_up{n}");
                    let target = ResizeTarget::Scale { height: [2, 1], width: [2, 1] };
                    let op = Op::Resize { mode: ResizeMode::Nearest, target };
                    x = layers.net.push(format!("{name}/enlarge"), op, &[x]);
                    x = layers.conv(&name, x, [features, features], 3)?;
                    x = layers.unary(&name, LEAKY_02, x);
                }
                x = layers.conv("conv_hr", x, [features, features], 3)?;
                x = layers.unary("conv_hr", LEAKY_02, x);
                layers.conv("conv_last", x, [self.out, features], 3)
            }
            Upsampler::None => {
                let x = layers.conv("conv_last", x, [self.out, self.channels], 3)?;
                Ok(add(layers, "output", picture, x))
            }
        }
    }

    fn before(&self, layers: &mut Layers<'_>, x: NodeId, features: usize) -> Result<NodeId, ModelError> {
        let x = layers.conv("conv_before_upsample.0", x, [features, self.channels], 3)?;
        Ok(layers.unary("conv_before_upsample", LEAKY, x))
    }
}

/// The hyper-parameters that no file tells and all of these networks have.
pub(super) fn hyperparameters(
    known: impl IntoIterator<Item = (&'static str, serde_json::Value)>,
) -> serde_json::Map<String, serde_json::Value> {
    known.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}

/// An integer where the number is one, as Python writes it.
pub(super) fn python_number(x: f64) -> serde_json::Value {
    if x.fract() == 0.0 && x.abs() < 1e15 { serde_json::json!(x as i64) } else { serde_json::json!(x) }
}
