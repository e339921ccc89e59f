//! A graph as it grows: names of values, constants.

use super::node;
use half::f16;
use indexmap::IndexMap;
use pegbar_formats::onnx::{OnnxAttribute, OnnxNode};
use pegbar_formats::{DType, Tensor};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Nodes and weights of a model, or the nodes of a function, which keeps its constants in nodes.
pub(super) struct Graph {
    pub(super) nodes: Vec<OnnxNode>,
    pub(super) initializers: IndexMap<String, Tensor>,
    is_function: bool,
    half: bool,
    /// What the next nodes are named after.
    name: String,
    names: HashSet<String>,
    n_values: usize,
    integers: HashMap<Vec<i64>, String>,
    scalars: HashMap<u32, String>,
}

/// Attributes of a node.
pub(super) fn attributes<const N: usize>(
    pairs: [(&str, OnnxAttribute); N],
) -> BTreeMap<String, OnnxAttribute> {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

impl Graph {
    pub(super) fn of_model(half: bool) -> Self {
        Self {
            nodes: Vec::new(),
            initializers: IndexMap::new(),
            is_function: false,
            half,
            name: String::new(),
            names: HashSet::from(["input".to_owned(), "output".to_owned()]),
            n_values: 0,
            integers: HashMap::new(),
            scalars: HashMap::new(),
        }
    }

    pub(super) fn of_function(half: bool) -> Self {
        Self { is_function: true, ..Self::of_model(half) }
    }

    pub(super) fn is_half(&self) -> bool {
        self.half
    }

    /// Names the nodes to come.
    pub(super) fn begin(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    fn unused(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while name.is_empty() || !self.names.insert(name.clone()) {
            self.n_values += 1;
            name = format!("{wanted}_{}", self.n_values);
        }
        name
    }

    /// A node with one output; the name of it.
    pub(super) fn push(
        &mut self,
        domain: &str,
        op_type: &str,
        inputs: &[&str],
        attributes: BTreeMap<String, OnnxAttribute>,
    ) -> String {
        self.n_values += 1;
        let output = format!("v{}", self.n_values);
        let name = if self.name.is_empty() { op_type.to_owned() } else { format!("{}/{op_type}", self.name) };
        let name = self.unused(&name);
        self.nodes.push(node(&name, domain, op_type, inputs, &output, attributes));
        output
    }

    /// A node without attributes.
    pub(super) fn op(&mut self, op_type: &str, inputs: &[&str]) -> String {
        self.push("", op_type, inputs, BTreeMap::new())
    }

    /// A node with attributes.
    pub(super) fn op_with<const N: usize>(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        pairs: [(&str, OnnxAttribute); N],
    ) -> String {
        self.push("", op_type, inputs, attributes(pairs))
    }

    /// Gives a value another name, too.
    pub(super) fn alias(&mut self, value: &str, name: &str) {
        self.nodes.push(node(&format!("{name}/Identity"), "", "Identity", &[value], name, BTreeMap::new()));
    }

    fn constant(&mut self, name: &str, tensor: Tensor) -> String {
        if self.is_function {
            return self.op_with("Constant", &[], [("value", OnnxAttribute::Tensor(tensor))]);
        }
        let name = self.unused(name);
        self.initializers.insert(name.clone(), tensor);
        name
    }

    /// Weights of this shape, in the precision of the graph.
    pub(super) fn weights(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let tensor = if self.half {
            let bytes = values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
            of_bytes(DType::F16, shape, bytes)
        } else {
            of_bytes(DType::F32, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect())
        };
        self.constant(name, tensor)
    }

    /// A number in the precision of the graph.
    pub(super) fn scalar(&mut self, value: f32) -> String {
        if let Some(name) = self.scalars.get(&value.to_bits()) {
            return name.clone();
        }
        let name = self.weights("number", &[], &[value]);
        self.scalars.insert(value.to_bits(), name.clone());
        name
    }

    /// Numbers in single precision, whatever that of the graph is.
    pub(super) fn single(&mut self, values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant("factors", of_bytes(DType::F32, &[values.len()], bytes))
    }

    /// Whole numbers.
    pub(super) fn ints(&mut self, values: &[i64]) -> String {
        if let Some(name) = self.integers.get(values) {
            return name.clone();
        }
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let name = self.constant("numbers", of_bytes(DType::I64, &[values.len()], bytes));
        self.integers.insert(values.to_vec(), name.clone());
        name
    }
}

fn of_bytes(dtype: DType, shape: &[usize], bytes: Vec<u8>) -> Tensor {
    // The number of values is that of the shape, for weights by a check of the net.
    Tensor::from_bytes(dtype, shape.to_vec(), bytes).expect("as many values as the shape has")
}
