//! Pooling and reductions.

use super::convolution::border;
use super::view::View;
use super::{Importer, Value, node};
use crate::import::channels::sum_channels;
use crate::import::error::{OpError, problem};
use crate::import::window::{ceil_tail, explicit_padding};
use crate::{Op, Padding, PoolKind, UnaryOp};
use pegbar_formats::onnx::OnnxNode;

const MEAN: PoolKind = PoolKind::Average { count_pad: false };

impl<'a> Importer<'a> {
    pub(super) fn global_pool(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let x = self.picture_input(node, 0)?;
        let kind = if node.op_type == "GlobalMaxPool" { PoolKind::Max } else { MEAN };
        let result = self.builder.push(node::name(node), Op::GlobalPool { kind }, &[x])?;
        Ok(self.as_picture(result))
    }

    pub(super) fn pool(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let x = self.picture_input(node, 0)?;
        let count_pad = node::int(node, "count_include_pad", 0)? != 0;
        let kind = if node.op_type == "MaxPool" { PoolKind::Max } else { PoolKind::Average { count_pad } };
        let kernel: [usize; 2] = node::sizes(node, "kernel_shape", 0, 1)?;
        let stride = node::sizes(node, "strides", 1, 1)?;
        if node::sizes(node, "dilations", 1, 1)? != [1, 1] {
            return Err(problem!("pools with gaps (dilations)"));
        }
        let mut padding = explicit_padding(&mut self.builder, x, border(node)?, kernel, stride)?;
        if node::int(node, "ceil_mode", 0)? != 0 {
            let [bottom, right] = ceil_tail(&mut self.builder, x, padding, kernel, stride)?;
            if [bottom, right] != [0, 0] && kind == (PoolKind::Average { count_pad: true }) {
                return Err(problem!("counts padding and rounds its size up, which do not go together"));
            }
            padding = Padding { bottom: padding.bottom + bottom, right: padding.right + right, ..padding };
        }
        let result = self.builder.push(node::name(node), Op::Pool { kind, kernel, stride, padding }, &[x])?;
        Ok(self.as_picture(result))
    }

    /// Means, sums and maxima over channels or over height and width.
    pub(super) fn reduce(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let view = self.view(node, 0)?;
        let name = node::name(node);
        let listed = match self.optional_constant(node, 1)? {
            Some(axes) => Some(axes.to_ints()?),
            None => node::ints(node, "axes")?,
        };
        let mut dims = Vec::new();
        match listed {
            Some(list) if !list.is_empty() => {
                for axis in list {
                    dims.push(Self::axis(axis, view.rank())?);
                }
            }
            _ if node::int(node, "noop_with_empty_axes", 0)? != 0 => return Ok(Value::View(view)),
            _ => return Err(problem!("reduces the batch too")),
        }
        dims.sort_unstable();
        dims.dedup();
        let mut layout = view.layout().ok_or_else(|| problem!("reduces a value that was reshaped"))?;
        // The axes that have more than one element.
        let mut axes: Vec<usize> =
            dims.iter().filter(|dim| !view.is_single(**dim)).filter_map(|dim| layout[*dim]).collect();
        axes.sort_unstable();
        let kind = node.op_type.as_str();
        let squares = matches!(kind, "ReduceL2" | "ReduceSumSquare");
        let mut x = view.node;
        if squares {
            x = self.builder.unary(name, UnaryOp::Square, x)?;
        }
        let result = match (kind, &axes[..]) {
            (_, []) => x,
            ("ReduceMean", [2, 3]) => self.builder.push(name, Op::GlobalPool { kind: MEAN }, &[x])?,
            ("ReduceMax", [2, 3]) => self.builder.push(name, Op::GlobalPool { kind: PoolKind::Max }, &[x])?,
            ("ReduceMean", [1]) => {
                let share = 1.0 / self.builder.channels(x)? as f32;
                sum_channels(&mut self.builder, name, x, share)?
            }
            ("ReduceMean", [1, 2, 3]) => {
                let share = 1.0 / self.builder.channels(x)? as f32;
                let pooled = self.builder.push(name, Op::GlobalPool { kind: MEAN }, &[x])?;
                sum_channels(&mut self.builder, name, pooled, share)?
            }
            ("ReduceSum" | "ReduceL2" | "ReduceSumSquare", [1]) => {
                sum_channels(&mut self.builder, name, x, 1.0)?
            }
            _ => return Err(problem!("reduces axes {axes:?} of a picture, which Pegbar does not do")),
        };
        let result =
            if kind == "ReduceL2" { self.builder.unary(name, UnaryOp::Sqrt, result)? } else { result };
        if node::int(node, "keepdims", 1)? == 0 {
            for dim in dims.into_iter().rev() {
                layout.remove(dim);
            }
        }
        Ok(Value::View(View::arranged(&self.builder, result, &layout)))
    }
}
