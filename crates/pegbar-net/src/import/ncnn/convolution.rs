//! Convolution, Deconvolution and InnerProduct, each with the activation ncnn fuses into it.

use super::layer::Parameters;
use super::{Blob, Importer};
use crate::import::composite::mish;
use crate::import::error::{OpError, problem};
use crate::import::window::{Border, explicit_padding};
use crate::{NodeId, Op, PadMode, Padding, UnaryOp, WeightId};
use pegbar_formats::ncnn::NcnnLayer;

/// Values of the padding parameters that stand for a rule instead of a number.
const SAME_UPPER: i64 = -233;
const SAME_LOWER: i64 = -234;

/// The window of a convolution.
struct Window {
    out: usize,
    kernel: [usize; 2],
    dilation: [usize; 2],
    stride: [usize; 2],
    groups: usize,
}

impl Window {
    fn read(layer: &NcnnLayer) -> Result<Self, OpError> {
        if layer.integer(8, 0)? != 0 {
            return Err(problem!("holds int8 weights; convert the model with f32 or f16 weights"));
        }
        if layer.integer(19, 0)? != 0 && layer.kind.starts_with("Conv") {
            return Err(problem!("reads its weights from another layer"));
        }
        let pair = |w: i32, h: i32, what: &str| -> Result<[usize; 2], OpError> {
            let width = layer.at_least_one(w, 1, what)?;
            Ok([layer.at_least_one(h, width, what)?, width])
        };
        Ok(Self {
            out: layer.at_least_one(0, 0, "number of output channels")?,
            kernel: pair(1, 11, "kernel size")?,
            dilation: pair(2, 12, "dilation")?,
            stride: pair(3, 13, "stride")?,
            groups: if layer.kind.ends_with("DepthWise") {
                layer.at_least_one(7, 1, "number of groups")?
            } else {
                1
            },
        })
    }

    /// Size of the kernel with its gaps.
    fn extent(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.dilation[axis] * (self.kernel[axis] - 1) + 1)
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Values of the kernel for `channels` input channels.
    fn n_weights(&self, channels: usize) -> Result<usize, OpError> {
        if !channels.is_multiple_of(self.groups) || !self.out.is_multiple_of(self.groups) {
            return Err(problem!("{} groups do not divide {channels} -> {} channels", self.groups, self.out));
        }
        (channels / self.groups)
            .checked_mul(self.out)
            .and_then(|n| n.checked_mul(self.taps()))
            .ok_or_else(|| problem!("its kernel is too large"))
    }
}

/// Explicit padding: left, top, right, bottom, each defaulting to an earlier one.
fn read_padding(layer: &NcnnLayer) -> Result<Border, OpError> {
    let left = layer.integer(4, 0)?;
    match left {
        SAME_UPPER => return Ok(Border::SameUpper),
        SAME_LOWER => return Ok(Border::SameLower),
        _ => {}
    }
    let left = layer.size(4, 0)?;
    let top = layer.size(14, left)?;
    Ok(Border::Explicit(Padding { top, left, right: layer.size(15, left)?, bottom: layer.size(16, top)? }))
}

impl<'a> Importer<'a> {
    pub(super) fn convolution(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let blob = self.input(layer, 0)?;
        let mut input = self.value(layer, 0)?;
        let window = Window::read(layer)?;
        let channels = self.builder.channels(input)?;
        let mut padding =
            explicit_padding(&mut self.builder, input, read_padding(layer)?, window.extent(), window.stride)?;
        let pad_value = layer.number(18, 0.0)?;
        if pad_value != 0.0 {
            input = self.builder.pad(&layer.name, input, padding, PadMode::Constant(pad_value))?;
            padding = Padding::default();
        }
        let data = layer.weight(0, "kernel", window.n_weights(channels)?)?;
        let shape = vec![window.out, channels / window.groups, window.kernel[0], window.kernel[1]];
        let weight = self.builder.weight(&format!("{}.weight", layer.name), shape, data)?;
        let bias = self.layer_bias(layer, window.out, 5)?;
        let op = Op::Conv2d {
            weight,
            bias,
            stride: window.stride,
            padding,
            dilation: window.dilation,
            groups: window.groups,
        };
        let result = self.builder.push(&layer.name, op, &[input])?;
        Ok(blob.with(self.activation(layer, result)?))
    }

    pub(super) fn deconvolution(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let input = self.value(layer, 0)?;
        let window = Window::read(layer)?;
        let channels = self.builder.channels(input)?;
        if layer.integer(20, 0)? != 0 || layer.integer(21, 0)? != 0 {
            return Err(problem!("has a fixed output size, so it fits pictures of one size only"));
        }
        let Border::Explicit(padding) = read_padding(layer)? else {
            return Err(problem!("has a padding rule that needs a fixed output size"));
        };
        let right = layer.size(18, 0)?;
        let output_padding = [layer.size(19, right)?, right];

        let stored = layer.weight(0, "kernel", window.n_weights(channels)?)?;
        let (ins, outs, taps) = (channels / window.groups, window.out / window.groups, window.taps());
        // The file holds [group][out][in][tap]; the operation takes [group][in][out][tap].
        let mut data = vec![0.0; stored.len()];
        for (from, kernel) in stored.chunks_exact(taps).enumerate() {
            let (rest, i) = (from / ins, from % ins);
            let (group, o) = (rest / outs, rest % outs);
            let to = (group * ins + i) * outs + o;
            data[to * taps..(to + 1) * taps].copy_from_slice(kernel);
        }
        let shape = vec![channels, outs, window.kernel[0], window.kernel[1]];
        let weight = self.builder.weight(&format!("{}.weight", layer.name), shape, data)?;
        let bias = self.layer_bias(layer, window.out, 5)?;
        let op = Op::ConvTranspose2d {
            weight,
            bias,
            stride: window.stride,
            padding,
            output_padding,
            dilation: window.dilation,
            groups: window.groups,
        };
        let result = self.builder.push(&layer.name, op, &[input])?;
        Ok(Blob::Picture(self.activation(layer, result)?))
    }

    pub(super) fn inner_product(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let (Blob::Picture(input) | Blob::Vector(input) | Blob::Flat(input)) = self.input(layer, 0)? else {
            return Err(problem!("reads a constant where a value is needed"));
        };
        if layer.integer(8, 0)? != 0 {
            return Err(problem!("holds int8 weights; convert the model with f32 or f16 weights"));
        }
        let out = layer.at_least_one(0, 0, "number of outputs")?;
        let total = layer.size(2, 0)?;
        if !total.is_multiple_of(out) {
            return Err(problem!("its {total} weights are no matrix of {out} rows"));
        }
        let data = layer.weight(0, "matrix", total)?;
        let weight = self.builder.weight(&format!("{}.weight", layer.name), vec![out, total / out], data)?;
        let bias = self.layer_bias(layer, out, 1)?;
        let result = self.builder.push(&layer.name, Op::Linear { weight, bias }, &[input])?;
        Ok(Blob::Vector(self.activation(layer, result)?))
    }

    /// The bias, when parameter `flag` says that there is one.
    fn layer_bias(&mut self, layer: &NcnnLayer, out: usize, flag: i32) -> Result<Option<WeightId>, OpError> {
        if layer.integer(flag, 0)? == 0 {
            return Ok(None);
        }
        let data = layer.weight(1, "bias", out)?;
        self.builder.weight(&format!("{}.bias", layer.name), vec![out], data).map(Some)
    }

    /// The activation of parameters 9 and 10.
    fn activation(&mut self, layer: &NcnnLayer, x: NodeId) -> Result<NodeId, OpError> {
        let parameters = layer.numbers(10)?;
        let parameter = |index: usize| {
            parameters.get(index).copied().ok_or_else(|| problem!("its activation lacks parameter {index}"))
        };
        let op = match layer.integer(9, 0)? {
            0 => return Ok(x),
            1 => UnaryOp::Relu,
            2 => UnaryOp::LeakyRelu(parameter(0)?),
            3 => UnaryOp::Clip { min: parameter(0)?, max: parameter(1)? },
            4 => UnaryOp::Sigmoid,
            5 => return mish(&mut self.builder, &layer.name, x),
            6 => UnaryOp::HardSwish { alpha: parameter(0)?, beta: parameter(1)? },
            other => return Err(problem!("its fused activation {other} is unknown")),
        };
        self.builder.unary(&layer.name, op, x)
    }
}
