//! An ONNX graph as it is, ready to become a program for any size of picture it takes.

use super::lower::{Lowering, Purpose};
use super::{Array, TensorProgram, moves, patterns};
use crate::import::onnx::{input_of, input_shape, needed_nodes, output_name};
use crate::{ModelError, NetError};
use indexmap::IndexMap;
use pegbar_formats::onnx::{OnnxModel, OnnxNode};
use std::collections::HashSet;

/// An ONNX graph that takes one picture `[1, C, H, W]` and makes one that is a whole number of times as large.
#[derive(Debug)]
pub struct TensorGraph {
    pub(super) nodes: Vec<OnnxNode>,
    pub(super) constants: IndexMap<String, Array>,
    pub(super) opset: i64,
    pub(super) input: String,
    pub(super) output: String,
    pub(super) input_channels: usize,
    pub(super) output_channels: usize,
    pub(super) scale: usize,
    /// Height and width, where it runs at one size only.
    pub(super) fixed_size: Option<[usize; 2]>,
    /// Elements of its weights, as the file holds them.
    pub(super) parameters: usize,
    /// Two for each multiplication, as counted at the size it was tried at.
    pub(super) flops_per_pixel: f64,
}

/// The same graph, not an equal one.
impl PartialEq for TensorGraph {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl TensorGraph {
    /// Takes over a graph. Scale and channels of the result are not known yet.
    ///
    /// # Errors
    /// [`ModelError::Net`] when inputs or outputs are not those of a network on pictures, or a weight is NaN.
    pub(super) fn new(model: &OnnxModel) -> Result<Self, ModelError> {
        let graph = &model.graph;
        let output = output_name(graph)?;
        let nodes = needed_nodes(graph, output);
        let input = input_of(graph, &nodes, output)?;
        let (input_channels, fixed) = input_shape(graph, &nodes, input)?;
        let read: HashSet<&str> = nodes.iter().flat_map(|node| &node.inputs).map(String::as_str).collect();
        let mut constants = IndexMap::new();
        let mut parameters = 0;
        for (name, tensor) in graph.initializers.iter().filter(|(name, _)| read.contains(name.as_str())) {
            let array = Array::from_tensor(tensor);
            if let Some(values) = array.as_floats() {
                parameters += values.len();
                let count = values.iter().filter(|v| v.is_nan()).count();
                if count > 0 {
                    let (weight, total) = (name.clone(), values.len());
                    return Err(NetError::NotFinite { weight, count, total }.into());
                }
            }
            constants.insert(name.clone(), array);
        }
        Ok(Self {
            constants,
            opset: model.opset,
            input: input.name.clone(),
            output: output.to_owned(),
            input_channels,
            output_channels: 0,
            scale: 0,
            fixed_size: fixed.map(|size| size.map(|n| n as usize)),
            parameters,
            flops_per_pixel: 0.0,
            nodes: nodes.into_iter().cloned().collect(),
        })
    }

    /// Channels of the picture.
    pub fn input_channels(&self) -> usize {
        self.input_channels
    }

    /// Channels of the result.
    pub fn output_channels(&self) -> usize {
        self.output_channels
    }

    /// How many times as large the result is along each axis.
    pub fn scale(&self) -> usize {
        self.scale
    }

    /// Height and width, where it runs at one size only.
    pub fn fixed_size(&self) -> Option<[usize; 2]> {
        self.fixed_size
    }

    /// Elements of its weights.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Floating-point operations for each pixel of the picture, counted at a small size. Where attention looks at the
    /// whole picture it is more for larger ones.
    pub fn flops_per_pixel(&self) -> f64 {
        self.flops_per_pixel
    }

    /// Names of the operators it consists of, with how many there are.
    pub fn operators(&self) -> Vec<(&str, usize)> {
        let mut counts = std::collections::BTreeMap::new();
        for node in &self.nodes {
            *counts.entry(node.op_type.as_str()).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    /// Whether a picture can be of this size, as far as that is known without writing the program.
    pub(crate) fn accepts(&self, height: usize, width: usize) -> bool {
        self.fixed_size.is_none_or(|size| size == [height, width])
    }

    /// Writes the program for pictures of a size.
    ///
    /// # Errors
    /// [`NetError::Graph`] with the node that does not take the size; [`NetError::Input`] where the graph was made for
    /// another one.
    pub fn program(&self, height: usize, width: usize) -> Result<TensorProgram, NetError> {
        if let Some([h, w]) = self.fixed_size.filter(|_| !self.accepts(height, width)) {
            return Err(NetError::Input {
                expected: format!("exactly {w} x {h} pixels"),
                found: format!("{width} x {height}"),
            });
        }
        let program = match Lowering::program(self, [height, width], Purpose::Run) {
            Ok((program, _)) => program,
            Err(ModelError::Net(error)) => return Err(error),
            Err(error) => {
                return Err(NetError::Graph { problem: format!("for {width} x {height} pixels: {error}") });
            }
        };
        let wanted = [1, self.output_channels, height * self.scale, width * self.scale];
        let made = &program.value(program.output).shape;
        if *made != wanted {
            return Err(NetError::Graph {
                problem: format!("of {width} x {height} pixels it makes {made:?} where {wanted:?} is needed"),
            });
        }
        Ok(moves::shortened(patterns::joined(program)))
    }

    /// Takes out the nodes whose outputs are the same for all pictures of all sizes.
    pub(super) fn fold(&mut self, size: [usize; 2]) -> Result<(), ModelError> {
        let folded = Lowering::program(self, size, Purpose::Import)?.1.folded(self);
        self.nodes.retain(|node| {
            !node.outputs.iter().filter(|name| !name.is_empty()).all(|name| folded.contains_key(name))
        });
        self.constants.extend(folded);
        let read: HashSet<&str> = self
            .nodes
            .iter()
            .flat_map(|node| &node.inputs)
            .map(String::as_str)
            .chain([&*self.output])
            .collect();
        self.constants.retain(|name, _| read.contains(name.as_str()));
        Ok(())
    }
}
