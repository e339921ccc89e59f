//! Conv and ConvTranspose.

use super::size::Size;
use super::{Importer, Value, node};
use crate::import::error::{OpError, problem};
use crate::import::window::{Border, explicit_padding};
use crate::{Dim, Op, Padding, WeightId};
use pegbar_formats::onnx::OnnxNode;

/// Padding as the attributes state it.
pub(super) fn border(node: &OnnxNode) -> Result<Border, OpError> {
    match node::string(node, "auto_pad", "NOTSET")? {
        "NOTSET" => {
            let [top, left, bottom, right] = node::sizes(node, "pads", 0, 0)?;
            Ok(Border::Explicit(Padding { top, left, bottom, right }))
        }
        "VALID" => Ok(Border::Explicit(Padding::default())),
        "SAME_UPPER" => Ok(Border::SameUpper),
        "SAME_LOWER" => Ok(Border::SameLower),
        other => Err(problem!("its auto_pad {other:?} is unknown")),
    }
}

/// Length of a kernel with gaps.
pub(super) fn extents(kernel: [usize; 2], dilation: [usize; 2]) -> [usize; 2] {
    [0, 1].map(|axis| dilation[axis].saturating_mul(kernel[axis].saturating_sub(1)).saturating_add(1))
}

impl<'a> Importer<'a> {
    /// A kernel of rank 4, by name and shape.
    fn kernel(&mut self, node: &'a OnnxNode) -> Result<(WeightId, [usize; 4]), OpError> {
        let constant = self.constant(node, 1)?;
        let Ok(shape) = <[usize; 4]>::try_from(constant.shape.clone()) else {
            return Err(problem!(
                "its kernel has shape {:?}; only convolutions over height and width are supported",
                constant.shape
            ));
        };
        if let Some(stated) = node::ints(node, "kernel_shape")?
            && stated != [shape[2] as i64, shape[3] as i64]
        {
            return Err(problem!("its kernel_shape {stated:?} is not that of its kernel, {shape:?}"));
        }
        let data = constant.to_floats()?.as_ref().clone();
        Ok((self.builder.weight(&constant.name, shape.to_vec(), data)?, shape))
    }

    /// A list of values for each output channel.
    fn vector(&mut self, node: &'a OnnxNode, index: usize, len: usize) -> Result<Option<WeightId>, OpError> {
        let Some(constant) = self.optional_constant(node, index)? else { return Ok(None) };
        let data = constant.to_floats()?.as_ref().clone();
        self.builder.weight(&constant.name, vec![len], data).map(Some)
    }

    pub(super) fn conv(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let input = self.picture_input(node, 0)?;
        let (weight, [out, _, kh, kw]) = self.kernel(node)?;
        let bias = self.vector(node, 2, out)?;
        let stride = node::sizes(node, "strides", 1, 1)?;
        let dilation = node::sizes(node, "dilations", 1, 1)?;
        let groups = node::size(node::int(node, "group", 1)?, "a group count")?;
        let extent = extents([kh, kw], dilation);
        let padding = explicit_padding(&mut self.builder, input, border(node)?, extent, stride)?;
        let op = Op::Conv2d { weight, bias, stride, padding, dilation, groups };
        let result = self.builder.push(node::name(node), op, &[input])?;
        Ok(self.as_picture(result))
    }

    pub(super) fn conv_transpose(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let input = self.picture_input(node, 0)?;
        let (weight, [_, per_group, kh, kw]) = self.kernel(node)?;
        let groups = node::size(node::int(node, "group", 1)?, "a group count")?;
        let bias = self.vector(node, 2, per_group.saturating_mul(groups))?;
        let stride: [usize; 2] = node::sizes(node, "strides", 1, 1)?;
        let dilation = node::sizes(node, "dilations", 1, 1)?;
        let output_padding: [usize; 2] = node::sizes(node, "output_padding", 0, 0)?;
        let extent = extents([kh, kw], dilation);

        let border = border(node)?;
        let wanted = node::ints(node, "output_shape")?;
        let mut cut = [[0; 2]; 2];
        for axis in 0..2 {
            let extent = extent[axis] + output_padding[axis];
            // Rows or columns to cut in all, where that is not said side by side.
            let total = match &wanted {
                Some(wanted) => {
                    let length = wanted.iter().rev().nth(1 - axis);
                    let length = *length.ok_or_else(|| problem!("its output_shape is too short"))?;
                    self.surplus(self.builder.shape(input)[2 + axis], stride[axis], extent, length)?
                }
                // The output is stride times the input.
                None => extent.saturating_sub(stride[axis]),
            };
            // An odd one is cut at the end for SAME_UPPER, else at the start.
            let small = total / 2;
            cut[axis] =
                if border == Border::SameUpper { [small, total - small] } else { [total - small, small] };
        }
        let padding = match border {
            Border::Explicit(padding) if wanted.is_none() => padding,
            _ => Padding { top: cut[0][0], bottom: cut[0][1], left: cut[1][0], right: cut[1][1] },
        };
        let op = Op::ConvTranspose2d { weight, bias, stride, padding, output_padding, dilation, groups };
        let result = self.builder.push(node::name(node), op, &[input])?;
        Ok(self.as_picture(result))
    }

    /// By how much an uncut transposed convolution of `dim` exceeds the length its output is to have.
    fn surplus(&self, dim: Dim, stride: usize, extent: usize, length: i64) -> Result<usize, OpError> {
        let input = self.whole(Size::from_dim(dim));
        let input =
            input.ok_or_else(|| problem!("has an output_shape, so it fits pictures of one size only"))?;
        let [stride, extent] = [stride, extent].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let uncut = input.saturating_sub(1).saturating_mul(stride).saturating_add(extent);
        usize::try_from(uncut.saturating_sub(length))
            .map_err(|_| problem!("its output_shape is larger than its output"))
    }
}
