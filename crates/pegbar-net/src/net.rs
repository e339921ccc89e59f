//! The graph itself.

use crate::Op;
use crate::tensor::TensorGraph;
use std::sync::Arc;

/// Index of a node, and of the one value it produces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// Index of a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WeightId(pub u32);

/// One operation. It produces exactly one value; what other formats call multi-output operations (split) are several
/// slices here.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Name for messages: the module path of a state dict, or the node name of an imported graph.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// The values it reads, all of nodes before it.
    pub inputs: Vec<NodeId>,
}

/// A constant tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightTensor {
    /// Name in the state dict or the imported graph.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// `shape.iter().product()` values.
    pub data: Vec<f32>,
}

/// What a picture is continued with on the right and at the bottom to a whole number of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SizeFill {
    /// Itself, mirrored without the edge; what that cannot reach repeats the last mirrored pixel.
    #[default]
    Mirror,
    /// Itself, mirrored with the edge; what that cannot reach repeats the last mirrored pixel.
    Symmetric,
    /// Its edge.
    Edge,
    /// Zeros.
    Zeros,
}

/// What sizes of input a network accepts. Smaller input is padded on the right and bottom to the minimum (mirrored without
/// the edge, then the last mirrored pixel repeated), the result to a multiple as [`SizeRule::fill`] says, and the output
/// cropped; the engine does that, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct SizeRule {
    /// Smallest width and height, in pixels.
    pub minimum: usize,
    /// Width and height must be multiples of this, in pixels.
    pub multiple_of: usize,
    /// Width and height must be equal.
    pub square: bool,
    /// What is added for the multiple.
    pub fill: SizeFill,
    /// The one size `[width, height]` that is taken: larger pictures are cut into tiles of it, smaller ones padded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exactly: Option<[usize; 2]>,
}

impl Default for SizeRule {
    fn default() -> Self {
        Self { minimum: 1, multiple_of: 1, square: false, fill: SizeFill::Mirror, exactly: None }
    }
}

/// A network: one picture in (NCHW, `0.0..=1.0`), one picture out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Net {
    /// Operations; a node's inputs stand before it.
    pub nodes: Vec<Node>,
    /// Constants the operations refer to.
    pub weights: Vec<WeightTensor>,
    /// The node whose value is the result.
    pub output: Option<NodeId>,
    /// Accepted input sizes.
    pub size_rule: SizeRule,
}

impl Net {
    /// Appends a node and returns its id. Inputs must exist already.
    pub fn push(&mut self, name: impl Into<String>, op: Op, inputs: &[NodeId]) -> NodeId {
        debug_assert!(inputs.iter().all(|i| (i.0 as usize) < self.nodes.len()));
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node { name: name.into(), op, inputs: inputs.to_vec() });
        id
    }

    /// Appends a weight and returns its id.
    pub fn push_weight(&mut self, weight: WeightTensor) -> WeightId {
        debug_assert_eq!(weight.shape.iter().product::<usize>(), weight.data.len());
        let id = WeightId(self.weights.len() as u32);
        self.weights.push(weight);
        id
    }

    /// The node behind an id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The graph of operations on tensors, if the net is one.
    pub fn tensors(&self) -> Option<&Arc<TensorGraph>> {
        match self.nodes.get(self.output?.0 as usize)?.op {
            Op::Tensors(ref graph) => Some(graph),
            _ => None,
        }
    }

    /// The weight behind an id.
    pub fn weight(&self, id: WeightId) -> &WeightTensor {
        &self.weights[id.0 as usize]
    }
}
