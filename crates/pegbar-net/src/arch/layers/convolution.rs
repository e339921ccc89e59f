//! Convolutions, and matrices over the channels of each pixel, which are 1x1 convolutions.

use super::Layers;
use crate::{ModelError, NodeId, Op, PadMode, Padding, WeightId};

/// How a convolution walks over its input, beyond its channels.
#[derive(Debug, Clone, Copy)]
pub(in crate::arch) struct Conv {
    /// Rows and columns.
    kernel: [usize; 2],
    stride: usize,
    dilation: usize,
    /// Above and below, left and right.
    padding: [usize; 2],
    groups: usize,
    /// What lies around the picture.
    beyond: PadMode,
}

impl Conv {
    /// A square kernel that keeps the size (where it is odd), zeros around the picture.
    pub(in crate::arch) const fn same(kernel: usize) -> Self {
        Self::rectangle([kernel, kernel])
    }

    /// The same of so many rows and columns.
    pub(in crate::arch) const fn rectangle(kernel: [usize; 2]) -> Self {
        let padding = [kernel[0] / 2, kernel[1] / 2];
        let beyond = PadMode::Constant(0.0);
        Self { kernel, stride: 1, dilation: 1, padding, groups: 1, beyond }
    }

    /// In groups of channels.
    pub(in crate::arch) const fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// In steps, with so much padding.
    pub(in crate::arch) const fn stride(self, stride: usize, padding: usize) -> Self {
        Self { stride, padding: [padding, padding], ..self }
    }

    /// With spaced taps; keeps the size.
    pub(in crate::arch) const fn dilation(self, dilation: usize) -> Self {
        let padding = [self.kernel[0] / 2 * dilation, self.kernel[1] / 2 * dilation];
        Self { dilation, padding, ..self }
    }

    /// Without padding.
    pub(in crate::arch) const fn valid(self) -> Self {
        Self { padding: [0, 0], ..self }
    }

    /// With something else than zeros around the picture.
    pub(in crate::arch) const fn beyond(self, beyond: PadMode) -> Self {
        Self { beyond, ..self }
    }
}

impl Layers<'_> {
    /// A convolution `[out, in]` of a square kernel that keeps the size: `{prefix}.weight`, and `{prefix}.bias` where
    /// the file has it.
    pub(in crate::arch) fn conv(
        &mut self,
        prefix: &str,
        x: NodeId,
        channels: [usize; 2],
        kernel: usize,
    ) -> Result<NodeId, ModelError> {
        self.conv_of(prefix, x, channels, Conv::same(kernel))
    }

    /// A convolution that keeps the size, of as many channels as its weight has.
    pub(in crate::arch) fn plain_conv(&mut self, prefix: &str, x: NodeId) -> Result<NodeId, ModelError> {
        let [out, input, kernel, _] = self.conv_shape(prefix)?;
        self.conv(prefix, x, [out, input], kernel)
    }

    /// A convolution of each channel by itself that keeps the size.
    pub(in crate::arch) fn depthwise(
        &mut self,
        prefix: &str,
        x: NodeId,
        channels: usize,
        kernel: usize,
    ) -> Result<NodeId, ModelError> {
        self.conv_of(prefix, x, [channels; 2], Conv::same(kernel).groups(channels))
    }

    /// Any convolution `[out, in]`.
    pub(in crate::arch) fn conv_of(
        &mut self,
        prefix: &str,
        x: NodeId,
        [out, input]: [usize; 2],
        conv: Conv,
    ) -> Result<NodeId, ModelError> {
        let Conv { kernel: [kh, kw], stride, dilation, padding: [v, h], groups, beyond } = conv;
        let groups = groups.max(1);
        if !input.is_multiple_of(groups) || !out.is_multiple_of(groups) {
            return Err(self.problem(format!("{prefix} takes {input} channels in {groups} groups")));
        }
        let weight = self.weight(&format!("{prefix}.weight"), &[out, input / groups, kh, kw])?;
        let bias = self.bias(prefix, out)?;
        let mut padding = Padding { top: v, left: h, bottom: v, right: h };
        let mut x = x;
        if beyond != PadMode::Constant(0.0) && padding != Padding::all(0) {
            x = self.push(format!("{prefix}/pad"), Op::Pad { padding, mode: beyond }, &[x]);
            padding = Padding::all(0);
        }
        let (stride, dilation) = ([stride; 2], [dilation; 2]);
        Ok(self.push(prefix, Op::Conv2d { weight, bias, stride, padding, dilation, groups }, &[x]))
    }

    /// A convolution that keeps the size, of weights already in the network.
    pub(in crate::arch) fn push_conv(
        &mut self,
        name: &str,
        x: NodeId,
        weight: WeightId,
        bias: Option<WeightId>,
        kernel: usize,
    ) -> NodeId {
        let op = Op::Conv2d {
            weight,
            bias,
            stride: [1, 1],
            padding: Padding::all(kernel / 2),
            dilation: [1, 1],
            groups: 1,
        };
        self.push(name, op, &[x])
    }

    /// A transposed convolution that cuts `padding` on all sides: weight `[in, out, kernel, kernel]`.
    pub(in crate::arch) fn conv_transposed(
        &mut self,
        prefix: &str,
        x: NodeId,
        [out, input]: [usize; 2],
        [kernel, stride, padding]: [usize; 3],
    ) -> Result<NodeId, ModelError> {
        let weight = self.weight(&format!("{prefix}.weight"), &[input, out, kernel, kernel])?;
        let op = Op::ConvTranspose2d {
            weight,
            bias: self.bias(prefix, out)?,
            stride: [stride; 2],
            padding: Padding::all(padding),
            output_padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
        };
        Ok(self.push(prefix, op, &[x]))
    }

    /// A fully connected layer over the channels of each pixel: `{prefix}.weight`, `[out, in]`, and `{prefix}.bias`
    /// where the file has it.
    pub(in crate::arch) fn linear(
        &mut self,
        prefix: &str,
        x: NodeId,
        [out, input]: [usize; 2],
    ) -> Result<NodeId, ModelError> {
        let weight = self.reshaped(&format!("{prefix}.weight"), &[out, input], &[out, input, 1, 1])?;
        let bias = self.bias(prefix, out)?;
        Ok(self.push_conv(prefix, x, weight, bias, 1))
    }

    /// A matrix `[out, in]` over the channels of each pixel that is not in the file as it is.
    pub(in crate::arch) fn made_linear(
        &mut self,
        name: &str,
        x: NodeId,
        [out, input]: [usize; 2],
        data: Vec<f32>,
    ) -> NodeId {
        let weight = self.made_weight(name, &[out, input, 1, 1], data);
        self.push_conv(name, x, weight, None, 1)
    }

    /// A convolution of each channel by itself that keeps the size, of a square kernel that is not in the file as it is:
    /// `weight` is `[channels, 1, kernel, kernel]`.
    pub(in crate::arch) fn made_depthwise(
        &mut self,
        name: &str,
        x: NodeId,
        kernel: usize,
        weight: Vec<f32>,
        bias: Vec<f32>,
    ) -> NodeId {
        let channels = bias.len();
        let weight =
            self.made_weight(format!("{name}.weight (merged)"), &[channels, 1, kernel, kernel], weight);
        let bias = self.made_weight(format!("{name}.bias (merged)"), &[channels], bias);
        let op = Op::Conv2d {
            weight,
            bias: Some(bias),
            stride: [1, 1],
            padding: Padding::all(kernel / 2),
            dilation: [1, 1],
            groups: channels,
        };
        self.push(name, op, &[x])
    }
}
