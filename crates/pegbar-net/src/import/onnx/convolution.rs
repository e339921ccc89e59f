//! Conv and ConvTranspose.

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

        let shape = self.builder.shape(input);
        let same_border = border(node)?;
        let wanted = node::ints(node, "output_shape")?;
        // Rows and columns to cut in all, when the size of the output is given instead of the padding.
        let mut cut = [None; 2];
        for axis in 0..2 {
            let whole = extent[axis] + output_padding[axis];
            cut[axis] = match (&wanted, same_border, shape[2 + axis], self.picture) {
                (Some(wanted), _, dim, picture) => {
                    let rows = match (dim, picture) {
                        (Dim::Fixed(rows), _) => rows as i64,
                        (dim, _) => self.whole(super::Size::from_dim(dim)).ok_or_else(|| {
                            problem!("has an output_shape, so it fits pictures of one size only")
                        })?,
                    };
                    let end = *wanted
                        .iter()
                        .rev()
                        .nth(1 - axis)
                        .ok_or_else(|| problem!("its output_shape is too short"))?;
                    let total = (rows - 1) * stride[axis] as i64 + whole as i64 - end;
                    Some(
                        usize::try_from(total)
                            .map_err(|_| problem!("its output_shape is larger than its output"))?,
                    )
                }
                // The output is stride times the input.
                (None, Border::SameUpper | Border::SameLower, ..) => Some(whole.saturating_sub(stride[axis])),
                (None, Border::Explicit(_), ..) => None,
            };
        }
        let padding = match (cut, same_border) {
            ([Some(rows), Some(columns)], border) => {
                // The odd element is cut at the end, except for SAME_LOWER... which cuts it at the start.
                let parts = |total: usize| match border {
                    Border::SameUpper => (total / 2, total - total / 2),
                    _ => (total - total / 2, total / 2),
                };
                let ((top, bottom), (left, right)) = (parts(rows), parts(columns));
                Padding { top, left, bottom, right }
            }
            (_, Border::Explicit(padding)) => padding,
            _ => return Err(problem!("its padding is contradictory")),
        };
        let op = Op::ConvTranspose2d { weight, bias, stride, padding, output_padding, dilation, groups };
        let result = self.builder.push(node::name(node), op, &[input])?;
        Ok(self.as_picture(result))
    }
}
