//! The layers that networks beyond plain convolutions are put together from.

use super::Built;
use super::layers::Layers;
use crate::{
    BinaryOp, ModelError, Net, NodeId, Op, Padding, PoolKind, ResizeMode, ResizeTarget, SizeRule, UnaryOp,
    WeightId, WeightTensor,
};
use pegbar_formats::StateDict;
use serde_json::Value as Json;

/// Larger than any dimension of a tensor of any published network: what a file claims beyond it is damage.
const MAX_DIMENSION: usize = 1 << 20;

/// A network under construction.
pub(super) struct Parts<'a> {
    architecture: &'static str,
    state_dict: &'a StateDict,
    layers: Layers<'a>,
}

/// The shape of a convolution, beyond its weights.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Channels it makes and takes.
    pub(super) channels: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) stride: usize,
    pub(super) padding: [usize; 2],
    pub(super) dilation: usize,
    pub(super) groups: usize,
}

impl Shape {
    /// One that keeps the size, of an odd kernel.
    pub(super) fn same(channels: [usize; 2], kernel: [usize; 2]) -> Self {
        let padding = kernel.map(|k| k / 2);
        Self { channels, kernel, stride: 1, padding, dilation: 1, groups: 1 }
    }

    /// One that keeps the size and treats each channel by itself.
    pub(super) fn depthwise(channels: usize, kernel: [usize; 2]) -> Self {
        Self { groups: channels, ..Self::same([channels, channels], kernel) }
    }

    /// One without padding.
    pub(super) fn valid(channels: [usize; 2], kernel: usize, stride: usize) -> Self {
        Self { stride, padding: [0, 0], ..Self::same(channels, [kernel, kernel]) }
    }
}

impl<'a> Parts<'a> {
    pub(super) fn new(architecture: &'static str, state_dict: &'a StateDict) -> Self {
        Self { architecture, state_dict, layers: Layers::new(architecture, state_dict) }
    }

    /// The finished network with what is known about it.
    pub(super) fn finish(
        mut self,
        output: NodeId,
        size_rule: SizeRule,
        tags: Vec<String>,
        hyperparameters: impl IntoIterator<Item = (&'static str, Json)>,
    ) -> Built {
        self.net().output = Some(output);
        self.net().size_rule = size_rule;
        Built {
            net: self.layers.net,
            tags,
            notes: Vec::new(),
            hyperparameters: hyperparameters
                .into_iter()
                .map(|(key, value)| (key.to_string(), value))
                .collect(),
        }
    }

    pub(super) fn net(&mut self) -> &mut Net {
        &mut self.layers.net
    }

    /// An error about the sizes as a whole.
    pub(super) fn problem(&self, problem: impl Into<String>) -> ModelError {
        self.layers.problem(problem)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.state_dict.contains(key)
    }

    /// Shape of a tensor of that many dimensions, none of them zero.
    pub(super) fn shape<const R: usize>(&self, key: &str) -> Result<[usize; R], ModelError> {
        let tensor = self.state_dict.get(key);
        let found = tensor
            .ok_or_else(|| ModelError::MissingKey { architecture: self.architecture, key: key.to_string() })?
            .shape();
        match <[usize; R]>::try_from(found) {
            Ok(shape) if shape.iter().all(|n| (1..=MAX_DIMENSION).contains(n)) => Ok(shape),
            _ => Err(ModelError::TensorShape {
                architecture: self.architecture,
                key: key.to_string(),
                expected: format!("{R} dimensions, all at least 1,"),
                found: found.to_vec(),
            }),
        }
    }

    /// Shape of a convolution's weight, `[out, in, kh, kw]`.
    pub(super) fn conv_shape(&self, prefix: &str) -> Result<[usize; 4], ModelError> {
        self.layers.conv_shape(prefix)
    }

    /// The values of a tensor that must have this shape.
    pub(super) fn values(&self, key: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        self.layers.values(key, shape)
    }

    /// A weight that is not in the file as it is.
    pub(super) fn made_weight(
        &mut self,
        name: impl Into<String>,
        shape: &[usize],
        data: Vec<f32>,
    ) -> WeightId {
        self.net().push_weight(WeightTensor { name: name.into(), shape: shape.to_vec(), data })
    }

    /// A tensor of `[file]` dimensions as a weight of `[to]`.
    pub(super) fn reshaped(
        &mut self,
        key: &str,
        file: &[usize],
        to: &[usize],
    ) -> Result<WeightId, ModelError> {
        let data = self.values(key, file)?;
        Ok(self.made_weight(key, to, data))
    }

    /// `{prefix}.bias`, where the file has it.
    pub(super) fn bias(&mut self, prefix: &str, channels: usize) -> Result<Option<WeightId>, ModelError> {
        let key = format!("{prefix}.bias");
        self.has(&key).then(|| self.layers.weight(&key, &[channels])).transpose()
    }

    pub(super) fn push(&mut self, name: impl Into<String>, op: Op, inputs: &[NodeId]) -> NodeId {
        self.net().push(name, op, inputs)
    }

    pub(super) fn input(&mut self, channels: usize) -> NodeId {
        self.push("input", Op::Input { channels }, &[])
    }

    /// A convolution `[out, in]` of a square kernel that keeps the size.
    pub(super) fn conv(
        &mut self,
        prefix: &str,
        x: NodeId,
        channels: [usize; 2],
        kernel: usize,
    ) -> Result<NodeId, ModelError> {
        self.layers.conv(prefix, x, channels, kernel)
    }

    /// Any other convolution.
    pub(super) fn conv_of(&mut self, prefix: &str, x: NodeId, shape: Shape) -> Result<NodeId, ModelError> {
        let Shape { channels: [out, input], kernel: [kh, kw], stride, padding, dilation, groups } = shape;
        let per_group = input / groups.max(1);
        let weight = self.layers.weight(&format!("{prefix}.weight"), &[out, per_group, kh, kw])?;
        let bias = self.bias(prefix, out)?;
        let [v, h] = padding;
        let op = Op::Conv2d {
            weight,
            bias,
            stride: [stride; 2],
            padding: Padding { top: v, left: h, bottom: v, right: h },
            dilation: [dilation; 2],
            groups,
        };
        Ok(self.push(prefix, op, &[x]))
    }

    /// A transposed convolution that cuts `padding` on all sides.
    pub(super) fn conv_transposed(
        &mut self,
        prefix: &str,
        x: NodeId,
        [out, input]: [usize; 2],
        [kernel, stride, padding]: [usize; 3],
    ) -> Result<NodeId, ModelError> {
        let weight = self.layers.weight(&format!("{prefix}.weight"), &[input, out, kernel, kernel])?;
        let bias = self.bias(prefix, out)?;
        let op = Op::ConvTranspose2d {
            weight,
            bias,
            stride: [stride; 2],
            padding: Padding::all(padding),
            output_padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
        };
        Ok(self.push(prefix, op, &[x]))
    }

    /// A fully connected layer `[out, in]` over the channels of each pixel.
    pub(super) fn linear(
        &mut self,
        prefix: &str,
        x: NodeId,
        [out, input]: [usize; 2],
    ) -> Result<NodeId, ModelError> {
        let weight = self.reshaped(&format!("{prefix}.weight"), &[out, input], &[out, input, 1, 1])?;
        let bias = self.bias(prefix, out)?;
        Ok(self.layers.push_conv(prefix, x, weight, bias, 1))
    }

    /// A 1x1 convolution of weights that are not in the file as they are.
    pub(super) fn mix(&mut self, name: &str, x: NodeId, [out, input]: [usize; 2], data: Vec<f32>) -> NodeId {
        let weight = self.made_weight(name, &[out, input, 1, 1], data);
        self.layers.push_conv(name, x, weight, None, 1)
    }

    /// A convolution that keeps the size, of weights already in the network.
    pub(super) fn push_conv(
        &mut self,
        name: &str,
        x: NodeId,
        weight: WeightId,
        bias: Option<WeightId>,
        kernel: usize,
    ) -> NodeId {
        self.layers.push_conv(name, x, weight, bias, kernel)
    }

    /// Normalises each pixel over its channels.
    pub(super) fn layer_norm(
        &mut self,
        prefix: &str,
        x: NodeId,
        channels: usize,
        eps: f32,
    ) -> Result<NodeId, ModelError> {
        let weight = self.layers.weight(&format!("{prefix}.weight"), &[channels])?;
        let bias = self.bias(prefix, channels)?;
        Ok(self.push(prefix, Op::LayerNorm { kind: crate::NormKind::Standard, weight, bias, eps }, &[x]))
    }

    /// Batch normalisation by the running statistics.
    pub(super) fn batch_norm(
        &mut self,
        prefix: &str,
        x: NodeId,
        channels: usize,
    ) -> Result<NodeId, ModelError> {
        /// PyTorch's default.
        const EPS: f64 = 1e-5;
        let values = |part: &str| self.values(&format!("{prefix}.{part}"), &[channels]);
        let (weight, bias) = (values("weight")?, values("bias")?);
        let (mean, variance) = (values("running_mean")?, values("running_var")?);
        let factor = |c: usize| f64::from(weight[c]) / (f64::from(variance[c]) + EPS).sqrt();
        let scale = (0..channels).map(|c| factor(c) as f32).collect();
        let shift =
            (0..channels).map(|c| (f64::from(bias[c]) - f64::from(mean[c]) * factor(c)) as f32).collect();
        Ok(self.affine(prefix, x, scale, shift))
    }

    /// `x * scale[c] + shift[c]`.
    pub(super) fn affine(&mut self, name: &str, x: NodeId, scale: Vec<f32>, shift: Vec<f32>) -> NodeId {
        let channels = [scale.len()];
        let scale = self.made_weight(format!("{name}/scale"), &channels, scale);
        let shift = self.made_weight(format!("{name}/shift"), &channels, shift);
        self.push(name, Op::ChannelAffine { scale, shift }, &[x])
    }

    /// `x * key[c]`, of a tensor in the file that has one value for each channel.
    pub(super) fn scaled(
        &mut self,
        key: &str,
        x: NodeId,
        channels: usize,
        file: &[usize],
    ) -> Result<NodeId, ModelError> {
        let scale = self.values(key, file)?;
        Ok(self.affine(key, x, scale, vec![0.0; channels]))
    }

    /// A PReLU with a slope for each channel.
    pub(super) fn prelu(&mut self, prefix: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
        let slope = self.layers.weight(&format!("{prefix}.weight"), &[channels])?;
        Ok(self.push(prefix, Op::PRelu { slope }, &[x]))
    }

    pub(super) fn unary(&mut self, after: &str, op: UnaryOp, x: NodeId) -> NodeId {
        self.layers.unary(after, op, x)
    }

    /// `x * scale + shift`.
    pub(super) fn scale_shift(&mut self, after: &str, x: NodeId, scale: f32, shift: f32) -> NodeId {
        self.unary(after, UnaryOp::ScaleShift { scale, shift }, x)
    }

    pub(super) fn binary(&mut self, name: impl Into<String>, op: BinaryOp, a: NodeId, b: NodeId) -> NodeId {
        self.push(name, Op::Binary(op), &[a, b])
    }

    pub(super) fn add(&mut self, name: impl Into<String>, a: NodeId, b: NodeId) -> NodeId {
        self.binary(name, BinaryOp::Add, a, b)
    }

    pub(super) fn mul(&mut self, name: impl Into<String>, a: NodeId, b: NodeId) -> NodeId {
        self.binary(name, BinaryOp::Mul, a, b)
    }

    /// Joins channels.
    pub(super) fn concat(&mut self, name: impl Into<String>, parts: &[NodeId]) -> NodeId {
        self.push(name, Op::Concat { axis: 1 }, parts)
    }

    /// Channels `start..end`.
    pub(super) fn channels(
        &mut self,
        name: impl Into<String>,
        x: NodeId,
        start: usize,
        end: usize,
    ) -> NodeId {
        self.push(name, Op::Slice { axis: 1, start: start as i64, end: end as i64 }, &[x])
    }

    /// `N` equal runs of channels, `len` each.
    pub(super) fn chunks<const N: usize>(&mut self, name: &str, x: NodeId, len: usize) -> [NodeId; N] {
        std::array::from_fn(|i| self.channels(format!("{name}/{i}"), x, i * len, (i + 1) * len))
    }

    /// The mean of each channel over the picture.
    pub(super) fn global_mean(&mut self, name: impl Into<String>, x: NodeId) -> NodeId {
        self.push(name, Op::GlobalPool { kind: PoolKind::Average { count_pad: true } }, &[x])
    }

    /// A pixel shuffle.
    pub(super) fn shuffle(&mut self, name: impl Into<String>, x: NodeId, factor: usize) -> NodeId {
        if factor == 1 { x } else { self.push(name, Op::PixelShuffle { factor }, &[x]) }
    }

    pub(super) fn unshuffle(&mut self, name: impl Into<String>, x: NodeId, factor: usize) -> NodeId {
        if factor == 1 { x } else { self.push(name, Op::PixelUnshuffle { factor }, &[x]) }
    }

    /// Enlarges by a whole factor, to the nearest.
    pub(super) fn nearest(&mut self, name: impl Into<String>, x: NodeId, factor: usize) -> NodeId {
        let target = ResizeTarget::Scale { height: [factor, 1], width: [factor, 1] };
        self.push(name, Op::Resize { mode: ResizeMode::Nearest, target }, &[x])
    }

    /// Interpolates bilinearly to the size of another value.
    pub(super) fn bilinear_like(&mut self, name: impl Into<String>, x: NodeId, like: NodeId) -> NodeId {
        let mode = ResizeMode::Bilinear { align_corners: false };
        self.push(name, Op::Resize { mode, target: ResizeTarget::Like }, &[x, like])
    }

    /// Cuts `n` rows and columns off all sides.
    pub(super) fn cut(&mut self, name: &str, x: NodeId, n: usize) -> NodeId {
        let n = n as i64;
        let rows = self.push(format!("{name}/rows"), Op::Slice { axis: 2, start: n, end: -n }, &[x]);
        self.push(format!("{name}/columns"), Op::Slice { axis: 3, start: n, end: -n }, &[rows])
    }
}
