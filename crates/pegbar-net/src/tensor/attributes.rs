//! A node with what it reads.

use super::array::Array;
use super::lower::Lowering;
use super::program::ValueId;
use crate::import::error::{OpError, problem};
use crate::import::onnx::node;
use pegbar_formats::onnx::{OnnxAttribute, OnnxNode};

/// A node that is being lowered, and the values it reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) node: &'a OnnxNode,
    pub(super) inputs: &'a [Option<ValueId>],
    pub(super) opset: i64,
}

impl<'a> Call<'a> {
    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, OpError> {
        node::int(self.node, name, default)
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, OpError> {
        Ok(self.int(name, i64::from(default))? != 0)
    }

    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32, OpError> {
        node::float(self.node, name, default)
    }

    pub(super) fn string(&self, name: &str, default: &'a str) -> Result<&'a str, OpError> {
        node::string(self.node, name, default)
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, OpError> {
        node::ints(self.node, name)
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<Vec<f32>>, OpError> {
        node::floats(self.node, name)
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Option<Array>, OpError> {
        match self.node.attributes.get(name) {
            None => Ok(None),
            Some(OnnxAttribute::Tensor(tensor)) => Ok(Some(Array::from_tensor(tensor))),
            Some(_) => Err(problem!("its attribute {name} is not a tensor")),
        }
    }

    /// Whether somebody may want this output.
    pub(super) fn wants_output(&self, index: usize) -> bool {
        self.node.outputs.get(index).is_some_and(|name| !name.is_empty())
    }

    pub(super) fn optional(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

    pub(super) fn input(&self, index: usize) -> Result<ValueId, OpError> {
        self.optional(index).ok_or_else(|| problem!("lacks its input {}", index + 1))
    }

    /// All inputs, none of which may be left out.
    pub(super) fn all_inputs(&self) -> Result<Vec<ValueId>, OpError> {
        if self.inputs.is_empty() {
            return Err(problem!("has no inputs"));
        }
        (0..self.inputs.len()).map(|i| self.input(i)).collect()
    }

    /// The integers behind an input, if it is there. They must not depend on the picture's pixels.
    pub(super) fn optional_ints(&self, l: &Lowering<'_>, index: usize) -> Result<Option<Vec<i64>>, OpError> {
        self.optional(index).map(|id| l.known(id, index)?.to_ints()).transpose()
    }

    /// As [`Call::optional_ints`], of an input that must be there.
    pub(super) fn input_ints(&self, l: &Lowering<'_>, index: usize) -> Result<Vec<i64>, OpError> {
        l.known(self.input(index)?, index)?.to_ints()
    }

    /// A list that is an attribute in old operator sets and an input in newer ones.
    pub(super) fn ints_either(
        &self,
        l: &Lowering<'_>,
        name: &str,
        index: usize,
    ) -> Result<Option<Vec<i64>>, OpError> {
        match self.ints(name)? {
            Some(values) => Ok(Some(values)),
            None => self.optional_ints(l, index),
        }
    }
}

/// The place of an axis, counted from the end when negative.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize, OpError> {
    let counted = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    usize::try_from(counted)
        .ok()
        .filter(|&axis| axis < rank)
        .ok_or_else(|| problem!("axis {axis} is none of a value of rank {rank}"))
}

/// The places of axes, sorted, each once.
pub(super) fn axes_of(axes: &[i64], rank: usize) -> Result<Vec<usize>, OpError> {
    let mut places = axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<Vec<_>, _>>()?;
    places.sort_unstable();
    if places.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(problem!("names an axis twice in {axes:?}"));
    }
    Ok(places)
}
