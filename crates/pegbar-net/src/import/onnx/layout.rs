//! Concat, Split, Slice, Gather, Pad, Expand, Tile of pictures.

use super::size::Size;
use super::view::View;
use super::{Importer, Value, node};
use crate::import::channels::select_channels;
use crate::import::error::{OpError, problem};
use crate::{Dim, NodeId, Op, PadMode, Padding, SizeFill};
use pegbar_formats::onnx::OnnxNode;

impl<'a> Importer<'a> {
    pub(super) fn concat(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let name = node::name(node);
        let mut views = Vec::with_capacity(node.inputs.len());
        for index in 0..node.inputs.len() {
            views.push(self.view(node, index)?);
        }
        let Some(first) = views.first() else { return Err(problem!("has no inputs")) };
        let dim = Self::axis(node::int(node, "axis", 1)?, first.rank())?;
        let layout = first.layout();
        if layout.is_none() || views.iter().any(|view| view.layout() != layout) {
            let pictures: Result<Vec<NodeId>, OpError> =
                views.iter().map(|view| view.to_picture(&mut self.builder, name)).collect();
            let result = self.builder.push(name, Op::Concat { axis: dim }, &pictures?)?;
            return Ok(self.as_picture(result));
        }
        let axis = Self::picture_axis(first, dim)?;
        let layout = layout.unwrap_or_default();
        let nodes: Vec<NodeId> = views.iter().map(|view| view.node).collect();
        if let [only] = nodes[..] {
            return Ok(Value::View(first.of(only)));
        }
        let result = self.builder.push(name, Op::Concat { axis }, &nodes)?;
        Ok(Value::View(View::arranged(&self.builder, result, &layout)))
    }

    pub(super) fn split(&mut self, node: &'a OnnxNode) -> Result<Vec<Value>, OpError> {
        let name = node::name(node);
        let view = self.view(node, 0)?;
        let dim = Self::axis(node::int(node, "axis", 0)?, view.rank())?;
        let axis = Self::picture_axis(&view, dim)?;
        let Dim::Fixed(whole) = self.builder.shape(view.node)[axis] else {
            return Err(problem!("cuts along an axis whose length depends on the picture"));
        };
        let lengths = match self.optional_constant(node, 1)? {
            Some(lengths) => Some(lengths.to_ints()?),
            None => node::ints(node, "split")?,
        };
        let n = node.outputs.len().max(1);
        let lengths = match lengths {
            Some(lengths) => lengths,
            None => {
                let part = whole.div_ceil(n);
                (0..n).map(|i| (whole.min((i + 1) * part) as i64) - (whole.min(i * part) as i64)).collect()
            }
        };
        if lengths.iter().any(|n| *n <= 0)
            || lengths.iter().try_fold(0i64, |a, b| a.checked_add(*b)) != Some(whole as i64)
        {
            return Err(problem!("cuts {whole} elements into {lengths:?}"));
        }
        let layout = view.layout().unwrap_or_default();
        let mut parts = Vec::with_capacity(lengths.len());
        let mut start = 0;
        for length in lengths {
            let part = self.builder.slice(name, view.node, axis, start, start + length)?;
            parts.push(Value::View(View::arranged(&self.builder, part, &layout)));
            start += length;
        }
        Ok(parts)
    }

    pub(super) fn slice(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let view = self.view(node, 0)?;
        let (starts, ends, axes, steps) = self.slice_ranges(node)?;
        let layout = view.layout().ok_or_else(|| problem!("cuts a value that was reshaped"))?;
        let mut result = view.node;
        for (index, (start, end)) in starts.iter().zip(&ends).enumerate() {
            let step = steps.get(index).copied().unwrap_or(1);
            let dim = Self::axis(axes.get(index).copied().unwrap_or(index as i64), view.rank())?;
            let whole = match view.shape().get(dim) {
                Some(size) => *size,
                None => return Err(problem!("has no dimension {dim}")),
            };
            let (start, end) = (self.bound(*start, whole)?, self.bound(*end, whole)?);
            if step == 1 && start == 0 && end == i64::MAX {
                continue;
            }
            let axis = Self::picture_axis(&view, dim)?;
            result = self.slice_axis(node, result, axis, start, end, step)?;
        }
        Ok(Value::View(View::arranged(&self.builder, result, &layout)))
    }

    /// Keeps `start..end` of an axis of the picture, every `step`th element.
    fn slice_axis(
        &mut self,
        node: &OnnxNode,
        x: NodeId,
        axis: usize,
        start: i64,
        end: i64,
        step: i64,
    ) -> Result<NodeId, OpError> {
        let name = node::name(node);
        let step = match usize::try_from(step) {
            Ok(step @ 1..=64) => step,
            _ => return Err(problem!("takes steps of {step}")),
        };
        let sliced = self.builder.slice(name, x, axis, start, end)?;
        match (step, axis) {
            (1, _) => Ok(sliced),
            (_, 1) => {
                let channels = self.builder.channels(sliced)?;
                let order: Vec<usize> = (0..channels).step_by(step).collect();
                select_channels(&mut self.builder, name, sliced, &order)
            }
            // A convolution that copies one pixel in a stride.
            _ => {
                let channels = self.builder.channels(sliced)?;
                self.builder.claim(channels)?;
                let shape = vec![channels, 1, 1, 1];
                let weight = self.builder.weight(&format!("{name}.ones"), shape, vec![1.0; channels])?;
                let stride = if axis == 2 { [step, 1] } else { [1, step] };
                let op = Op::Conv2d {
                    weight,
                    bias: None,
                    stride,
                    padding: Padding::default(),
                    dilation: [1, 1],
                    groups: channels,
                };
                self.builder.push(name, op, &[sliced])
            }
        }
    }

    /// Starts, ends, axes and steps from the inputs, or from the attributes of older versions.
    #[allow(clippy::type_complexity)]
    pub(super) fn slice_ranges(
        &mut self,
        node: &'a OnnxNode,
    ) -> Result<(Vec<Size>, Vec<Size>, Vec<i64>, Vec<i64>), OpError> {
        let whole = |values: Vec<i64>| values.into_iter().map(Size::whole).collect::<Vec<_>>();
        let (starts, ends, axes, steps) = if self.opset < 10 {
            (
                whole(node::ints(node, "starts")?.unwrap_or_default()),
                whole(node::ints(node, "ends")?.unwrap_or_default()),
                node::ints(node, "axes")?.unwrap_or_default(),
                vec![],
            )
        } else {
            let starts = self.constant(node, 1)?.to_sizes()?.as_ref().clone();
            let ends = self.constant(node, 2)?.to_sizes()?.as_ref().clone();
            let axes = self.optional_constant(node, 3)?.map(|c| c.to_ints()).transpose()?.unwrap_or_default();
            let steps =
                self.optional_constant(node, 4)?.map(|c| c.to_ints()).transpose()?.unwrap_or_default();
            (starts, ends, axes, steps)
        };
        let n = starts.len();
        if ends.len() != n || ![0, n].contains(&axes.len()) || ![0, n].contains(&steps.len()) || n > 16 {
            return Err(problem!(
                "has {n} starts, {} ends, {} axes, {} steps",
                ends.len(),
                axes.len(),
                steps.len()
            ));
        }
        Ok((starts, ends, axes, steps))
    }

    /// A bound of a slice of an axis of length `whole`: counted from the start, from the end when negative, or the end
    /// itself.
    fn bound(&self, bound: Size, whole: Size) -> Result<i64, OpError> {
        if bound.same(whole, self.picture) {
            return Ok(i64::MAX);
        }
        if let Some(n) = bound.as_whole() {
            // Anything beyond 31 bits stands for the end, and so does what lies beyond it.
            let beyond = n >= i64::from(i32::MAX) || whole.as_whole().is_some_and(|whole| n >= whole);
            let below = whole.as_whole().is_some_and(|whole| n < -whole);
            return Ok(if beyond {
                i64::MAX
            } else if below {
                0
            } else {
                n
            });
        }
        match bound.minus(whole).as_whole() {
            Some(n @ ..=-1) => Ok(n),
            Some(_) => Ok(i64::MAX),
            None => {
                Err(problem!("cuts at a place that depends on the picture in a way Pegbar cannot follow"))
            }
        }
    }

    /// Channels by number.
    pub(super) fn gather(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let view = self.view(node, 0)?;
        let indices = self.constant(node, 1)?;
        let dim = Self::axis(node::int(node, "axis", 0)?, view.rank())?;
        if Self::picture_axis(&view, dim)? != 1 {
            return Err(problem!("picks rows or columns by number"));
        }
        let channels = self.builder.channels(view.node)?;
        let order: Result<Vec<usize>, OpError> =
            indices.to_ints()?.into_iter().map(|index| Self::axis(index, channels)).collect();
        let result = select_channels(&mut self.builder, node::name(node), view.node, &order?)?;
        let mut layout = view.layout().unwrap_or_default();
        match indices.shape.len() {
            0 => {
                layout.remove(dim);
            }
            1 => {}
            rank => return Err(problem!("picks channels by a table of rank {rank}")),
        }
        Ok(Value::View(View::arranged(&self.builder, result, &layout)))
    }

    pub(super) fn pad(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let x = self.picture_input(node, 0)?;
        let name = node::name(node);
        let (pads, value) = if self.opset < 11 {
            (node::ints(node, "pads")?.unwrap_or_default(), node::float(node, "value", 0.0)?)
        } else {
            let sizes = self.constant(node, 1)?;
            let value = match self.optional_constant(node, 2)? {
                None => 0.0,
                Some(value) => value.scalar().ok_or_else(|| problem!("its value is no single number"))?,
            };
            (sizes.to_ints()?, value)
        };
        let axes: Vec<usize> = match self.optional_constant(node, 3)? {
            Some(axes) => {
                axes.to_ints()?.into_iter().map(|axis| Self::axis(axis, 4)).collect::<Result<_, _>>()?
            }
            None => (0..4).collect(),
        };
        if pads.len() != 2 * axes.len() {
            return Err(problem!("has {} pads for {} axes", pads.len(), axes.len()));
        }
        let mut sides = [[0i64; 2]; 4];
        for (index, axis) in axes.iter().enumerate() {
            sides[*axis] = [pads[index], pads[axes.len() + index]];
        }
        if sides[0] != [0, 0] || sides[1] != [0, 0] {
            return Err(problem!("pads the batch or the channels"));
        }
        let mode = match node::string(node, "mode", "constant")? {
            "constant" => PadMode::Constant(value),
            "reflect" => PadMode::Reflect,
            "edge" => PadMode::Replicate,
            other => return Err(problem!("mode {other:?} is not supported")),
        };
        let mut result = x;
        // Negative padding cuts.
        for (axis, [before, after]) in sides.iter().enumerate().skip(2) {
            let start = before.saturating_neg().max(0);
            let end = if *after < 0 { *after } else { i64::MAX };
            result = self.builder.slice(name, result, axis, start, end)?;
        }
        let size = |n: i64| node::size(n.max(0), "padding");
        let padding = Padding {
            top: size(sides[2][0])?,
            left: size(sides[3][0])?,
            bottom: size(sides[2][1])?,
            right: size(sides[3][1])?,
        };
        if result == self.builder.input() && padding == Padding::default() {
            // What graphs pad to a multiple vanishes for pictures that have it; the others are continued in the same way.
            let fill = match mode {
                PadMode::Reflect => Some(SizeFill::Mirror),
                PadMode::Replicate => Some(SizeFill::Edge),
                PadMode::Constant(0.0) => Some(SizeFill::Zeros),
                _ => None,
            };
            if let Some(fill) = fill {
                self.builder.fill(fill, false);
            }
        }
        let result = self.builder.pad(name, result, padding, mode)?;
        Ok(self.as_picture(result))
    }

    /// Expand to the same shape, or of one channel to several.
    pub(super) fn expand(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let view = self.view(node, 0)?;
        let wanted = self.constant(node, 1)?.to_sizes()?;
        let shape = view.shape();
        if wanted.len() > shape.len() {
            return Err(problem!("adds dimensions"));
        }
        let mut result = view.node;
        let mut layout = view.layout();
        for (size, dim) in wanted.iter().rev().zip((0..shape.len()).rev()) {
            let is_batch = size.as_whole() == Some(1) && dim == 0;
            if *size == Size::ONE || is_batch || size.same(shape[dim], self.picture) {
                continue;
            }
            let n = size.as_whole().and_then(|n| usize::try_from(n).ok());
            match (n, layout.as_mut()) {
                (Some(n), Some(layout))
                    if view.is_single(dim)
                        && self.builder.channels(result)? == 1
                        && n <= 4096
                        && (layout[dim] == Some(1) || layout[dim].is_none()) =>
                {
                    result = select_channels(&mut self.builder, node::name(node), result, &vec![0; n])?;
                    layout[dim] = Some(1);
                }
                _ => return Err(problem!("repeats a value over height or width")),
            }
        }
        match layout {
            Some(layout) => Ok(Value::View(View::arranged(&self.builder, result, &layout))),
            None => Ok(Value::View(view.of(result))),
        }
    }

    /// Tile along the channels.
    pub(super) fn tile(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let x = self.picture_input(node, 0)?;
        let repeats = self.constant(node, 1)?.to_ints()?;
        match repeats[..] {
            [1, n @ 1..=4096, 1, 1] => {
                let channels = self.builder.channels(x)?;
                let n = n as usize;
                if n.saturating_mul(channels) > 1 << 16 {
                    return Err(problem!("makes {n} times {channels} channels"));
                }
                self.builder.claim(n)?;
                let result = if n == 1 {
                    x
                } else {
                    self.builder.push(node::name(node), Op::Concat { axis: 1 }, &vec![x; n])?
                };
                Ok(self.as_picture(result))
            }
            _ => Err(problem!("repeats a value {repeats:?} times")),
        }
    }
}
