//! Layers beyond the convolution that keeps the size: strides, groups, transposed convolutions, matrices, norms, and
//! the arithmetic between them.

use super::layers::Layers;
use crate::{
    BinaryOp, ModelError, NodeId, NormKind, Op, PadMode, Padding, PoolKind, ResizeMode, ResizeTarget,
    WeightId, WeightTensor,
};
use pegbar_formats::StateDict;

/// How a convolution walks over its input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: usize,
    groups: usize,
    mode: PadMode,
}

impl Walk {
    /// Keeps the size (of an odd kernel), zeros around the picture.
    pub(super) const fn same(kernel: usize) -> Self {
        Self { kernel, stride: 1, dilation: 1, padding: kernel / 2, groups: 1, mode: PadMode::Constant(0.0) }
    }

    /// In groups of channels.
    pub(super) const fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// In steps, with so much padding.
    pub(super) const fn stride(self, stride: usize, padding: usize) -> Self {
        Self { stride, padding, ..self }
    }

    /// With spaced taps; keeps the size.
    pub(super) const fn dilation(self, dilation: usize) -> Self {
        Self { dilation, padding: self.kernel / 2 * dilation, ..self }
    }

    /// What lies around the picture.
    pub(super) const fn around(self, mode: PadMode) -> Self {
        Self { mode, ..self }
    }
}

impl Layers<'_> {
    /// Whether the file has this tensor.
    pub(super) fn has(&self, key: &str) -> bool {
        self.state_dict.contains(key)
    }

    /// Sizes of a tensor of known rank, none of them zero.
    pub(super) fn sizes<const R: usize>(&self, key: &str) -> Result<[usize; R], ModelError> {
        let found = self.tensor(key)?.shape();
        match <[usize; R]>::try_from(found) {
            Ok(shape) if shape.iter().all(|&n| (1..=1 << 16).contains(&n)) => Ok(shape),
            _ => Err(self.problem(format!("{key} has sizes {found:?}, where {R} dimensions are needed"))),
        }
    }

    fn bias(&mut self, prefix: &str, out: usize) -> Result<Option<WeightId>, ModelError> {
        let key = format!("{prefix}.bias");
        if self.has(&key) { self.weight(&key, &[out]).map(Some) } else { Ok(None) }
    }

    /// A convolution `[out, in]`: `{prefix}.weight`, and `{prefix}.bias` where the file has it.
    pub(super) fn walk(
        &mut self,
        prefix: &str,
        x: NodeId,
        [out, input]: [usize; 2],
        walk: Walk,
    ) -> Result<NodeId, ModelError> {
        let groups = walk.groups.max(1);
        if !input.is_multiple_of(groups) || !out.is_multiple_of(groups) {
            return Err(self.problem(format!("{prefix} takes {input} channels in {groups} groups")));
        }
        let shape = [out, input / groups, walk.kernel, walk.kernel];
        let weight = self.weight(&format!("{prefix}.weight"), &shape)?;
        let bias = self.bias(prefix, out)?;
        let zeros = walk.mode == PadMode::Constant(0.0);
        let mut x = x;
        if !zeros && walk.padding > 0 {
            let pad = Op::Pad { padding: Padding::all(walk.padding), mode: walk.mode };
            x = self.net.push(format!("{prefix}/pad"), pad, &[x]);
        }
        let op = Op::Conv2d {
            weight,
            bias,
            stride: [walk.stride; 2],
            padding: Padding::all(if zeros { walk.padding } else { 0 }),
            dilation: [walk.dilation; 2],
            groups,
        };
        Ok(self.net.push(prefix, op, &[x]))
    }

    /// A convolution that keeps the size, of as many channels as its weight has.
    pub(super) fn plain_conv(&mut self, prefix: &str, x: NodeId) -> Result<NodeId, ModelError> {
        let [out, input, kernel, _] = self.conv_shape(prefix)?;
        self.conv(prefix, x, [out, input], kernel)
    }

    /// One kernel for each channel.
    pub(super) fn depthwise(
        &mut self,
        prefix: &str,
        x: NodeId,
        channels: usize,
        kernel: usize,
    ) -> Result<NodeId, ModelError> {
        self.walk(prefix, x, [channels; 2], Walk::same(kernel).groups(channels))
    }

    /// A transposed convolution that enlarges by its kernel: weight `[in, out, factor, factor]`.
    pub(super) fn enlarge(
        &mut self,
        prefix: &str,
        x: NodeId,
        [out, input]: [usize; 2],
        factor: usize,
    ) -> Result<NodeId, ModelError> {
        let weight = self.weight(&format!("{prefix}.weight"), &[input, out, factor, factor])?;
        let op = Op::ConvTranspose2d {
            weight,
            bias: self.bias(prefix, out)?,
            stride: [factor; 2],
            padding: Padding::all(0),
            output_padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
        };
        Ok(self.net.push(prefix, op, &[x]))
    }

    /// A matrix `[out, in]` over the channels of each pixel.
    pub(super) fn matrix(
        &mut self,
        prefix: &str,
        x: NodeId,
        [out, input]: [usize; 2],
    ) -> Result<NodeId, ModelError> {
        let key = format!("{prefix}.weight");
        let data = self.values(&key, &[out, input])?;
        let weight = self.net.push_weight(WeightTensor { name: key, shape: vec![out, input, 1, 1], data });
        let bias = self.bias(prefix, out)?;
        Ok(self.push_conv(prefix, x, weight, bias, 1))
    }

    /// Puts numbers into the network.
    pub(super) fn constant(&mut self, name: &str, shape: &[usize], data: Vec<f32>) -> WeightId {
        self.net.push_weight(WeightTensor { name: name.to_string(), shape: shape.to_vec(), data })
    }

    /// Each channel times its factor, plus its summand.
    pub(super) fn affine(&mut self, name: &str, x: NodeId, scale: Vec<f32>, shift: Vec<f32>) -> NodeId {
        let scale = self.constant(&format!("{name} (factor)"), &[scale.len()], scale);
        let shift = self.constant(&format!("{name} (summand)"), &[shift.len()], shift);
        self.net.push(name, Op::ChannelAffine { scale, shift }, &[x])
    }

    /// Each channel times a number of the tensor `[1, channels, 1, 1]`.
    pub(super) fn scaled(&mut self, key: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
        let scale = self.values(key, &[1, channels, 1, 1])?;
        Ok(self.affine(key, x, scale, vec![0.0; channels]))
    }

    /// Batch normalisation by the file's running statistics.
    pub(super) fn batch_norm(
        &mut self,
        prefix: &str,
        x: NodeId,
        channels: usize,
        eps: f64,
    ) -> Result<NodeId, ModelError> {
        let values = |part: &str| self.values(&format!("{prefix}.{part}"), &[channels]);
        let (weight, bias) = (values("weight")?, values("bias")?);
        let (mean, variance) = (values("running_mean")?, values("running_var")?);
        let factor = |c: usize| f64::from(weight[c]) / (f64::from(variance[c]) + eps).sqrt();
        let scale: Vec<f32> = (0..channels).map(|c| factor(c) as f32).collect();
        let shift =
            (0..channels).map(|c| (f64::from(bias[c]) - f64::from(mean[c]) * factor(c)) as f32).collect();
        Ok(self.affine(prefix, x, scale, shift))
    }

    /// Normalises each pixel over its channels. `kind` is for what has no bias.
    pub(super) fn layer_norm(
        &mut self,
        prefix: &str,
        x: NodeId,
        channels: usize,
        kind: NormKind,
        eps: f32,
    ) -> Result<NodeId, ModelError> {
        let weight = self.weight(&format!("{prefix}.weight"), &[channels])?;
        let bias = self.bias(prefix, channels)?;
        Ok(self.net.push(prefix, Op::LayerNorm { kind, weight, bias, eps }, &[x]))
    }

    pub(super) fn add(&mut self, name: &str, a: NodeId, b: NodeId) -> NodeId {
        self.net.push(name, Op::Binary(BinaryOp::Add), &[a, b])
    }

    pub(super) fn sub(&mut self, name: &str, a: NodeId, b: NodeId) -> NodeId {
        self.net.push(name, Op::Binary(BinaryOp::Sub), &[a, b])
    }

    pub(super) fn mul(&mut self, name: &str, a: NodeId, b: NodeId) -> NodeId {
        self.net.push(name, Op::Binary(BinaryOp::Mul), &[a, b])
    }

    pub(super) fn join(&mut self, name: &str, values: &[NodeId]) -> NodeId {
        self.net.push(name, Op::Concat { axis: 1 }, values)
    }

    /// Channels `start..start + n`.
    pub(super) fn channels(&mut self, name: &str, x: NodeId, start: usize, n: usize) -> NodeId {
        let (start, end) = (start as i64, (start + n) as i64);
        self.net.push(name, Op::Slice { axis: 1, start, end }, &[x])
    }

    /// `N` runs of `n` channels each.
    pub(super) fn split<const N: usize>(&mut self, name: &str, x: NodeId, n: usize) -> [NodeId; N] {
        std::array::from_fn(|i| self.channels(&format!("{name}/{i}"), x, i * n, n))
    }

    /// Mean of each channel over the picture.
    pub(super) fn mean(&mut self, name: &str, x: NodeId) -> NodeId {
        self.net.push(name, Op::GlobalPool { kind: PoolKind::Average { count_pad: true } }, &[x])
    }

    pub(super) fn shuffle(&mut self, name: &str, x: NodeId, factor: usize) -> NodeId {
        self.net.push(name, Op::PixelShuffle { factor }, &[x])
    }

    pub(super) fn unshuffle(&mut self, name: &str, x: NodeId, factor: usize) -> NodeId {
        self.net.push(name, Op::PixelUnshuffle { factor }, &[x])
    }

    /// One number for all negative values.
    pub(super) fn prelu(&mut self, prefix: &str, x: NodeId) -> Result<NodeId, ModelError> {
        let slope = self.weight(&format!("{prefix}.weight"), &[1])?;
        Ok(self.net.push(prefix, Op::PRelu { slope }, &[x]))
    }

    /// Mix of two values, for each channel by the share of the first.
    pub(super) fn mix(&mut self, name: &str, [a, b]: [NodeId; 2], share: NodeId) -> NodeId {
        let difference = self.sub(&format!("{name}/difference"), a, b);
        let part = self.mul(&format!("{name}/part"), difference, share);
        self.add(name, b, part)
    }

    /// Interpolates to `num / den` of the size.
    pub(super) fn resize(&mut self, name: &str, x: NodeId, mode: ResizeMode, factor: [usize; 2]) -> NodeId {
        let target = ResizeTarget::Scale { height: factor, width: factor };
        self.net.push(name, Op::Resize { mode, target }, &[x])
    }
}

/// How many numbers follow each of the prefixes.
pub(super) fn counts(state_dict: &StateDict, prefixes: &[&str]) -> Vec<usize> {
    prefixes.iter().map(|prefix| super::keys::count(state_dict, prefix)).collect()
}

/// The hyper-parameters of a [`super::Built`].
pub(super) fn named<const N: usize>(
    values: [(&str, serde_json::Value); N],
) -> serde_json::Map<String, serde_json::Value> {
    values.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}
