//! A graph for one size of picture.

use super::{Array, ElementKind, Kernel, evaluate};
use crate::NetError;

/// Index of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u32);

/// What is known of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueInfo {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// What its elements are.
    pub kind: ElementKind,
    /// The value itself, where it does not depend on the pixels of the picture and some step reads it.
    pub known: Option<Array>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Name of the node it comes from.
    pub node: String,
    /// What it computes.
    pub kernel: Kernel,
    /// What it reads: the picture, known values, and values of steps before it.
    pub inputs: Vec<ValueId>,
    /// What it makes.
    pub output: ValueId,
}

/// A [`super::TensorGraph`] for pictures of one size: `[1, C, H, W]` in, the same enlarged out.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorProgram {
    /// Values by [`ValueId`].
    pub values: Vec<ValueInfo>,
    /// Operations, each after those whose values it reads, and all needed for the output.
    pub steps: Vec<Step>,
    /// The picture.
    pub input: ValueId,
    /// The result, of rank 4.
    pub output: ValueId,
}

impl TensorProgram {
    /// The value behind an id.
    pub fn value(&self, id: ValueId) -> &ValueInfo {
        &self.values[id.0 as usize]
    }

    /// For each value the last step that reads it; `usize::MAX` for the output.
    pub fn last_uses(&self) -> Vec<usize> {
        let mut last = vec![0; self.values.len()];
        for (index, step) in self.steps.iter().enumerate() {
            for id in &step.inputs {
                last[id.0 as usize] = index;
            }
        }
        last[self.output.0 as usize] = usize::MAX;
        last
    }

    /// Runs it by plain loops: what every engine is measured against.
    ///
    /// # Errors
    /// [`NetError::Input`] for a picture of another size, [`NetError::Graph`] when an index in the graph leaves its axis.
    pub fn run(&self, picture: Vec<f32>) -> Result<Array, NetError> {
        let shape = &self.value(self.input).shape;
        if picture.len() != shape.iter().product::<usize>() {
            return Err(NetError::Input {
                expected: format!("shape {shape:?}"),
                found: format!("{} values", picture.len()),
            });
        }
        let mut values: Vec<Option<Array>> = self.values.iter().map(|value| value.known.clone()).collect();
        values[self.input.0 as usize] = Some(Array::floats(shape.clone(), picture));
        let last = self.last_uses();
        for (index, step) in self.steps.iter().enumerate() {
            let inputs: Vec<&Array> =
                step.inputs.iter().filter_map(|id| values[id.0 as usize].as_ref()).collect();
            let made = evaluate(&step.kernel, &inputs, &self.value(step.output).shape)
                .map_err(|problem| NetError::Graph { problem: format!("node {:?}: {problem}", step.node) })?;
            values[step.output.0 as usize] = Some(made);
            for id in &step.inputs {
                if last[id.0 as usize] == index {
                    values[id.0 as usize] = None;
                }
            }
        }
        values[self.output.0 as usize]
            .take()
            .ok_or_else(|| NetError::Graph { problem: "its output is not made".into() })
    }
}
