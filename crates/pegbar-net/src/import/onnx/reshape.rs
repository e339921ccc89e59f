//! Reshape, Transpose, Flatten, Squeeze, Unsqueeze, and the pixel shuffles that have operators of their own.

use super::size::Size;
use super::view::{Target, View};
use super::{Importer, Value, node};
use crate::import::channels::{depth_to_space, space_to_depth};
use crate::import::error::{OpError, problem};
use pegbar_formats::onnx::OnnxNode;

impl<'a> Importer<'a> {
    /// Operators that only change the shape of a value.
    pub(super) fn rearrange(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let view = self.view(node, 0)?;
        let rank = view.rank();
        let result = match node.op_type.as_str() {
            "Reshape" => {
                let wanted = self.constant(node, 1)?.to_sizes()?;
                let keep_zero = node::int(node, "allowzero", 0)? != 0;
                view.reshape(&targets(&view, &wanted, keep_zero)?, self.picture)?
            }
            "Transpose" => {
                let order = match node::ints(node, "perm")? {
                    Some(order) => {
                        order.into_iter().map(|axis| Self::axis(axis, rank)).collect::<Result<Vec<_>, _>>()?
                    }
                    None => (0..rank).rev().collect(),
                };
                view.transpose(&order)?
            }
            "Flatten" => {
                let axis = node::int(node, "axis", 1)?;
                view.flatten(if axis == rank as i64 { rank } else { Self::axis(axis, rank)? })?
            }
            "Squeeze" => {
                let Some(axes) = self.axes_of(node)? else {
                    return Err(problem!("drops whatever has length 1; export it with axes"));
                };
                let dims =
                    axes.into_iter().map(|axis| Self::axis(axis, rank)).collect::<Result<Vec<_>, _>>()?;
                view.squeeze(dims)?
            }
            "Unsqueeze" => {
                let axes = self.axes_of(node)?.unwrap_or_default();
                let grown = rank.saturating_add(axes.len());
                if grown > 16 {
                    return Err(problem!("makes a value of rank {grown}"));
                }
                let dims =
                    axes.into_iter().map(|axis| Self::axis(axis, grown)).collect::<Result<Vec<_>, _>>()?;
                view.unsqueeze(dims)?
            }
            _ => return Err(OpError::Operator),
        };
        Ok(Value::View(result))
    }

    /// Axes from the second input, or from the attribute of older versions.
    pub(super) fn axes_of(&mut self, node: &'a OnnxNode) -> Result<Option<Vec<i64>>, OpError> {
        match self.optional_constant(node, 1)? {
            Some(axes) => axes.to_ints().map(Some),
            None => node::ints(node, "axes"),
        }
    }

    pub(super) fn depth_and_space(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let x = self.picture_input(node, 0)?;
        let name = node::name(node);
        let factor = node::size(node::int(node, "blocksize", 0)?, "a block size")?;
        if factor == 0 {
            return Err(problem!("its blocksize is 0"));
        }
        let result = if node.op_type == "SpaceToDepth" {
            space_to_depth(&mut self.builder, name, x, factor, true)?
        } else {
            let phase_first = match node::string(node, "mode", "DCR")? {
                "DCR" => true,
                "CRD" => false,
                other => return Err(problem!("its mode {other:?} is unknown")),
            };
            depth_to_space(&mut self.builder, name, x, factor, phase_first)?
        };
        Ok(self.as_picture(result))
    }
}

/// The dimensions a Reshape asks for: 0 copies one, -1 is what is left. So is, once, a size that was computed in a way
/// Pegbar cannot follow.
fn targets(view: &View, wanted: &[Size], keep_zero: bool) -> Result<Vec<Target>, OpError> {
    if wanted.len() > 16 {
        return Err(problem!("makes a value of rank {}", wanted.len()));
    }
    let shape = view.shape();
    let mut targets = Vec::with_capacity(wanted.len());
    for (index, size) in wanted.iter().enumerate() {
        targets.push(match size.as_whole() {
            Some(0) if !keep_zero => match shape.get(index) {
                Some(size) => Target::Size(*size),
                None => return Err(problem!("copies dimension {index} of a value of rank {}", shape.len())),
            },
            Some(-1) => Target::Rest,
            Some(..=0) => return Err(problem!("asks for dimensions {wanted:?}")),
            _ if *size == Size::Opaque => Target::Rest,
            _ => Target::Size(*size),
        });
    }
    match targets.iter().filter(|target| **target == Target::Rest).count() {
        0 | 1 => Ok(targets),
        _ => Err(problem!("asks for a shape that depends on the picture in a way Pegbar cannot follow")),
    }
}
