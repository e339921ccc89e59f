//! ONNX operators as kernels, for shapes that are numbers.

mod convolution;
mod elementwise;
mod index;
mod layout;
mod matrix;
mod normalization;
mod operators;
mod reduction;
mod resize;

use super::array::MAX_RANK;
use super::attributes::Call;
use super::program::{Step, TensorProgram, ValueId, ValueInfo};
use super::{Array, Binary, ElementKind, Kernel, TensorGraph, evaluate};
use crate::import::error::{OpError, problem};
use crate::import::onnx::node;
use crate::{ModelError, NetError};
use pegbar_formats::onnx::{OnnxModel, OnnxNode};
use std::collections::HashMap;

pub use operators::{OperatorInfo, operators};

/// Most elements of all values that are computed before the picture is seen, for each pixel (masks of windows are copied a few
/// times), for each element of the weights, and in any case.
const MAX_KNOWN_PER_PIXEL: usize = 1 << 12;
const MAX_KNOWN_PER_WEIGHT: usize = 8;
const LEAST_KNOWN_ELEMENTS: usize = 1 << 20;
/// The same at all, for a picture, and while it is found out what sizes a graph takes.
const MAX_KNOWN_ELEMENTS: usize = 1 << 28;
pub(super) const MAX_KNOWN_TO_IMPORT: usize = 1 << 23;
/// Most multiplications before the picture is seen, for each of those elements.
const MAX_KNOWN_WORK: f64 = 64.0;
/// Most elements of a value made of the picture, for each of its pixels, and at all.
const MAX_VALUES_PER_PIXEL: usize = 1 << 20;
const MAX_VALUES: usize = 1 << 31;
/// What more elements than these follow from the size alone is put off while sizes are tried: they are masks of windows, of
/// which nothing but the shape is asked then.
const PUT_OFF_ELEMENTS: usize = 1 << 16;
/// Constants of so few elements are compared with each other; values that nodes make of sizes, where they have so many at most.
const COMPARED_ELEMENTS: usize = 16;
const COMPARED_RESULTS: usize = 1 << 14;

/// A value while the program is being written.
#[derive(Debug)]
struct Value {
    info: ValueInfo,
    /// Whether a known value is another for pictures of another size.
    is_sized: bool,
    /// Whether it depends on the pixels, and not only on the size.
    is_of_pixels: bool,
    /// What made it.
    made_by: Option<(Kernel, Vec<ValueId>)>,
}

/// A program being written.
#[derive(Debug)]
pub(super) struct Lowering<'a> {
    values: Vec<Value>,
    steps: Vec<Step>,
    names: HashMap<&'a str, ValueId>,
    /// Values by what made them, so that nothing is made twice.
    made: HashMap<(&'static str, Vec<ValueId>), Vec<ValueId>>,
    /// Small constants, so that equal ones are one.
    small: Vec<ValueId>,
    /// What nodes have made before the picture is seen, by whether it follows the size and by digest. The blocks of a network
    /// compute the same masks from the same sizes, each by nodes of its own: equal lists make them one.
    results: HashMap<(bool, u64), Vec<ValueId>>,
    node: &'a str,
    pixels: usize,
    known_elements_left: usize,
    work_left: f64,
    /// Whether large values are put off, and those that were are there.
    puts_off: bool,
    has_put_off: bool,
    is_of_one_size: bool,
}

/// What a program is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To run it.
    Run,
    /// To find out whether the graph takes a size, and what never changes.
    Import,
}

/// What the outputs of nodes are, as far as they do not depend on picture or size: by name.
pub(super) type Folded = HashMap<String, Array>;

impl<'a> Lowering<'a> {
    /// Writes the program of a graph for pictures of `[height, width]`.
    pub(super) fn program(
        graph: &'a TensorGraph,
        size: [usize; 2],
        purpose: Purpose,
    ) -> Result<(TensorProgram, Self), ModelError> {
        let mut has_put_off = false;
        let written = Self::written(graph, size, purpose, purpose == Purpose::Import, &mut has_put_off);
        // Some node may have asked for elements that were put off.
        if written.is_err() && has_put_off {
            return Self::written(graph, size, purpose, false, &mut has_put_off);
        }
        written
    }

    fn written(
        graph: &'a TensorGraph,
        [height, width]: [usize; 2],
        purpose: Purpose,
        puts_off: bool,
        has_put_off: &mut bool,
    ) -> Result<(TensorProgram, Self), ModelError> {
        let mut lowering = Self::new(height.saturating_mul(width), graph.parameters);
        let weights = graph.parameters.saturating_mul(MAX_KNOWN_PER_WEIGHT);
        let most = if purpose == Purpose::Import {
            MAX_KNOWN_TO_IMPORT.saturating_add(weights)
        } else {
            MAX_KNOWN_ELEMENTS
        };
        lowering.known_elements_left = lowering.known_elements_left.min(most);
        (lowering.puts_off, lowering.is_of_one_size) = (puts_off, graph.fixed_size.is_some());
        let shape = vec![1, graph.input_channels, height, width];
        let input = lowering.push(
            ValueInfo { shape, kind: ElementKind::Float, known: None },
            graph.fixed_size.is_none(),
            None,
        );
        lowering.values[input.0 as usize].is_of_pixels = true;
        lowering.names.insert(&graph.input, input);
        // Names that share their elements are one value.
        let mut shared: HashMap<(usize, &[usize]), ValueId> = HashMap::new();
        for (name, array) in &graph.constants {
            let place = (array.address(), array.shape());
            let id = match shared.get(&place) {
                Some(&id) => id,
                None => lowering.constant(array.clone()),
            };
            shared.insert(place, id);
            lowering.names.insert(name, id);
        }
        for node in &graph.nodes {
            let lowered = lowering.lower(node, graph.opset);
            *has_put_off = lowering.has_put_off;
            lowered?;
        }
        let output = *lowering.names.get(graph.output.as_str()).ok_or_else(|| {
            ModelError::Net(NetError::Graph {
                problem: format!("no node makes its output {:?}", graph.output),
            })
        })?;
        let program = lowering.finish(input, output);
        Ok((program, lowering))
    }

    fn new(pixels: usize, parameters: usize) -> Self {
        let known = pixels
            .saturating_mul(MAX_KNOWN_PER_PIXEL)
            .saturating_add(parameters.saturating_mul(MAX_KNOWN_PER_WEIGHT))
            .saturating_add(LEAST_KNOWN_ELEMENTS);
        Self {
            values: vec![],
            steps: vec![],
            names: HashMap::new(),
            made: HashMap::new(),
            small: vec![],
            results: HashMap::new(),
            node: "",
            pixels,
            known_elements_left: known,
            work_left: MAX_KNOWN_WORK * known as f64,
            puts_off: false,
            has_put_off: false,
            is_of_one_size: false,
        }
    }

    /// Computes what a graph makes of arrays that are given.
    pub(super) fn of_known(
        model: &'a OnnxModel,
        inputs: &'a [(String, Array)],
    ) -> Result<Vec<Option<Array>>, ModelError> {
        let mut lowering = Self::new(1 << 16, 0);
        for (name, tensor) in &model.graph.initializers {
            let id = lowering.constant(Array::from_tensor(tensor));
            lowering.names.insert(name, id);
        }
        for (name, array) in inputs {
            let id = lowering.constant(array.clone());
            lowering.names.insert(name, id);
        }
        for node in &model.graph.nodes {
            lowering.lower(node, model.opset)?;
        }
        let made =
            |name: &str| lowering.names.get(name).and_then(|&id| lowering.value(id).info.known.clone());
        Ok(model.graph.outputs.iter().map(|output| made(&output.name)).collect())
    }

    fn lower(&mut self, node: &'a OnnxNode, opset: i64) -> Result<(), ModelError> {
        self.node = node::name(node);
        let at = |error: OpError| {
            let operator = match node.domain.as_str() {
                "" | "ai.onnx" => format!("{} (opset {opset})", node.op_type),
                domain => format!("{domain}.{}", node.op_type),
            };
            error.at("ONNX", &operator, node::name(node))
        };
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for name in &node.inputs {
            inputs.push(if name.is_empty() {
                None
            } else {
                let id = self.names.get(name.as_str());
                Some(*id.ok_or_else(|| at(problem!("reads {name:?}, which no node before it makes")))?)
            });
        }
        let call = Call { node, inputs: &inputs, opset };
        let lower = operators::find(node).ok_or_else(|| at(OpError::Operator))?;
        let made = lower(self, &call).map_err(at)?;
        // Parameters as well as values may follow the size.
        let is_sized = inputs.iter().flatten().any(|&id| self.value(id).is_sized);
        for (name, id) in node.outputs.iter().zip(made) {
            self.values[id.0 as usize].is_sized |= is_sized;
            let id = self.first_equal(id);
            self.names.insert(name, id);
        }
        Ok(())
    }

    /// The first value that a node has made which is equal to this one, if its elements are known and few.
    fn first_equal(&mut self, id: ValueId) -> ValueId {
        let value = self.value(id);
        let Some(array) = value.info.known.as_ref().filter(|array| array.n_elements() <= COMPARED_RESULTS)
        else {
            return id;
        };
        let key = (value.is_sized, array.digest());
        // Values may come to follow sizes later, when a node that does makes an equal one.
        let is_same = |&&other: &&ValueId| {
            let other = self.value(other);
            other.is_sized == value.is_sized && other.info.known.as_ref() == Some(array)
        };
        let found = self.results.get(&key).and_then(|ids| ids.iter().find(is_same)).copied();
        found.unwrap_or_else(|| {
            self.results.entry(key).or_default().push(id);
            id
        })
    }

    /// The steps that the output needs, in order, and the constants they read.
    fn finish(&self, input: ValueId, output: ValueId) -> TensorProgram {
        let mut needed = vec![false; self.values.len()];
        needed[output.0 as usize] = true;
        let mut steps: Vec<Step> = vec![];
        for step in self.steps.iter().rev() {
            if needed[step.output.0 as usize] {
                for id in &step.inputs {
                    needed[id.0 as usize] = true;
                }
                steps.push(step.clone());
            }
        }
        steps.reverse();
        let values = self.values.iter().zip(needed).map(|(value, needed)| ValueInfo {
            shape: value.info.shape.clone(),
            kind: value.info.kind,
            known: value.info.known.clone().filter(|_| needed),
        });
        TensorProgram { values: values.collect(), steps, input, output }
    }

    /// Outputs of nodes that are the same for every picture of every size.
    pub(super) fn folded(&self, graph: &TensorGraph) -> Folded {
        let mut folded = Folded::new();
        for name in graph.nodes.iter().flat_map(|node| &node.outputs) {
            if let Some(&id) = self.names.get(name.as_str())
                && let Value { info: ValueInfo { known: Some(array), .. }, is_sized: false, .. } =
                    self.value(id)
            {
                folded.insert(name.clone(), array.clone());
            }
        }
        folded
    }

    /// Whether a value depends on the pixels of the picture.
    pub(super) fn is_of_pixels(&self, id: ValueId) -> bool {
        self.value(id).is_of_pixels
    }

    fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }

    pub(super) fn shape(&self, id: ValueId) -> &[usize] {
        &self.value(id).info.shape
    }

    pub(super) fn rank(&self, id: ValueId) -> usize {
        self.shape(id).len()
    }

    pub(super) fn kind(&self, id: ValueId) -> ElementKind {
        self.value(id).info.kind
    }

    /// A value that must not depend on the pixels: input `index` of the node at work.
    pub(super) fn known(&self, id: ValueId, index: usize) -> Result<&Array, OpError> {
        self.value(id).info.known.as_ref().ok_or_else(|| {
            problem!(
                "its input {} depends on the pixels of the picture; it has to follow from sizes",
                index + 1
            )
        })
    }

    /// The value, if it does not depend on the pixels.
    pub(super) fn if_known(&self, id: ValueId) -> Option<&Array> {
        self.value(id).info.known.as_ref()
    }

    fn push(&mut self, info: ValueInfo, is_sized: bool, made_by: Option<(Kernel, Vec<ValueId>)>) -> ValueId {
        let id = ValueId(self.values.len() as u32);
        let made_of = made_by.iter().flat_map(|(_, inputs)| inputs);
        let is_of_pixels = made_of.into_iter().any(|&id| self.value(id).is_of_pixels);
        self.values.push(Value { info, is_sized, is_of_pixels, made_by });
        id
    }

    /// A value that does not depend on the pixels.
    pub(super) fn constant(&mut self, array: Array) -> ValueId {
        let is_small = array.n_elements() <= COMPARED_ELEMENTS;
        if is_small {
            let same = self.small.iter().find(|&&id| {
                let value = self.value(id);
                !value.is_sized && value.info.known.as_ref() == Some(&array)
            });
            if let Some(&same) = same {
                return same;
            }
        }
        let info = ValueInfo { shape: array.shape().to_vec(), kind: array.kind(), known: Some(array) };
        let id = self.push(info, false, None);
        // Beyond that, looking for an equal one takes longer than what it saves.
        if is_small && self.small.len() < 256 {
            self.small.push(id);
        }
        id
    }

    /// Pays for elements, or something like them, that are made without an operation.
    pub(super) fn spend(&mut self, elements: usize) -> Result<(), OpError> {
        let left = self.known_elements_left.checked_sub(elements);
        self.known_elements_left =
            left.ok_or_else(|| problem!("makes {elements} numbers before the picture is seen, refused"))?;
        Ok(())
    }

    /// Appends an operation, or computes it where all it reads is known.
    pub(super) fn emit(
        &mut self,
        kernel: Kernel,
        inputs: &[ValueId],
        shape: Vec<usize>,
        kind: ElementKind,
    ) -> Result<ValueId, OpError> {
        if shape.len() > MAX_RANK {
            return Err(problem!("makes a value of rank {}; Pegbar goes up to {MAX_RANK}", shape.len()));
        }
        let elements = shape.iter().try_fold(1usize, |all, &d| all.checked_mul(d)).unwrap_or(usize::MAX);
        let mut is_known = inputs.iter().all(|&id| self.value(id).info.known.is_some());
        let is_sized = inputs.iter().any(|&id| self.value(id).is_sized);
        if self.puts_off && is_known && elements > PUT_OFF_ELEMENTS {
            // In a graph of one size nothing is sized; masks are larger than all they are made of, weights are not.
            let largest = inputs.iter().map(|&id| self.shape(id).iter().product()).max().unwrap_or(0usize);
            if is_sized || (self.is_of_one_size && elements > largest) {
                (is_known, self.has_put_off) = (false, true);
            }
        }
        let limit = if is_known {
            self.known_elements_left
        } else {
            MAX_VALUES.min(self.pixels.saturating_mul(MAX_VALUES_PER_PIXEL))
        };
        if elements > limit {
            return Err(problem!(
                "would make a value of shape {shape:?}: more than {limit} elements, refused"
            ));
        }
        let made = self.made.get(&(kernel.name(), inputs.to_vec()));
        let same = made.into_iter().flatten().find(|&&id| {
            let value = self.value(id);
            value.made_by.as_ref().is_some_and(|(made_by, _)| *made_by == kernel) && value.info.shape == shape
        });
        if let Some(&same) = same {
            return Ok(same);
        }
        let known = if is_known {
            let arrays: Vec<&Array> =
                inputs.iter().filter_map(|&id| self.value(id).info.known.as_ref()).collect();
            let shapes: Vec<&[usize]> = arrays.iter().map(|array| array.shape()).collect();
            let work_left = self.work_left - kernel.work(&shapes, &shape);
            if work_left < 0.0 {
                return Err(problem!("too much has to be computed before the picture is seen, refused"));
            }
            let known = evaluate(&kernel, &arrays, &shape).map_err(OpError::Problem)?;
            self.work_left = work_left;
            // Other views of the same elements cost nothing.
            if kernel != Kernel::Reshape {
                self.known_elements_left -= elements;
            }
            Some(known)
        } else {
            None
        };
        let info = ValueInfo { shape, kind, known };
        let id = self.push(info, is_sized, Some((kernel.clone(), inputs.to_vec())));
        self.made.entry((kernel.name(), inputs.to_vec())).or_default().push(id);
        if !is_known {
            self.steps.push(Step { node: self.node.to_owned(), kernel, inputs: inputs.to_vec(), output: id });
        }
        Ok(id)
    }

    /// The same elements in another shape, of as many elements.
    pub(super) fn reshape(&mut self, id: ValueId, shape: Vec<usize>) -> Result<ValueId, OpError> {
        if self.shape(id) == shape {
            return Ok(id);
        }
        let product = |shape: &[usize]| shape.iter().try_fold(1usize, |all, &d| all.checked_mul(d));
        if product(&shape) != product(self.shape(id)) {
            return Err(problem!("cannot make shape {shape:?} of {:?}", self.shape(id)));
        }
        let kind = self.kind(id);
        self.emit(Kernel::Reshape, &[id], shape, kind)
    }

    pub(super) fn transpose(&mut self, id: ValueId, permutation: &[usize]) -> Result<ValueId, OpError> {
        if permutation.iter().enumerate().all(|(i, &p)| i == p) {
            return Ok(id);
        }
        let shape = permutation.iter().map(|&p| self.shape(id)[p]).collect();
        let kind = self.kind(id);
        self.emit(Kernel::Transpose { permutation: permutation.to_vec() }, &[id], shape, kind)
    }

    pub(super) fn unary(&mut self, id: ValueId, op: super::Unary) -> Result<ValueId, OpError> {
        self.expect_kind(id, ElementKind::Float)?;
        let shape = self.shape(id).to_vec();
        self.emit(Kernel::Unary(op), &[id], shape, ElementKind::Float)
    }

    /// Of two values of one kind, with broadcasting.
    pub(super) fn binary(&mut self, op: Binary, a: ValueId, b: ValueId) -> Result<ValueId, OpError> {
        let kind = self.kind(a);
        if self.kind(b) != kind {
            return Err(problem!("has inputs of two kinds of elements, {kind:?} and {:?}", self.kind(b)));
        }
        let shape = self.broadcast(&[a, b])?;
        self.emit(Kernel::Binary(op), &[a, b], shape, kind)
    }

    /// The shape that values are broadcast to.
    pub(super) fn broadcast(&self, ids: &[ValueId]) -> Result<Vec<usize>, OpError> {
        let mut to: Vec<usize> = vec![];
        for &id in ids {
            let shape = self.shape(id);
            to = broadcast_shapes(&to, shape).ok_or_else(|| {
                problem!("has inputs of shapes {to:?} and {shape:?}, which do not go together")
            })?;
        }
        Ok(to)
    }

    pub(super) fn expand(&mut self, id: ValueId, shape: Vec<usize>) -> Result<ValueId, OpError> {
        if self.shape(id) == shape {
            return Ok(id);
        }
        let kind = self.kind(id);
        self.emit(Kernel::Expand, &[id], shape, kind)
    }

    pub(super) fn expect_kind(&self, id: ValueId, kind: ElementKind) -> Result<(), OpError> {
        match self.kind(id) {
            found if found == kind => Ok(()),
            found => Err(problem!("has an input of {found:?} elements where {kind:?} is needed")),
        }
    }

    /// Keeps `start..start + n` of an axis.
    pub(super) fn slice_axis(
        &mut self,
        id: ValueId,
        axis: usize,
        start: usize,
        n: usize,
    ) -> Result<ValueId, OpError> {
        let mut shape = self.shape(id).to_vec();
        if shape[axis] == n {
            return Ok(id);
        }
        let mut starts = vec![0; shape.len()];
        starts[axis] = start;
        shape[axis] = n;
        let (steps, kind) = (vec![1; shape.len()], self.kind(id));
        self.emit(Kernel::Slice { starts, steps }, &[id], shape, kind)
    }
}

/// The shape both are broadcast to; `None` where they do not go together.
pub(super) fn broadcast_shapes(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let dim = |shape: &[usize], i: usize| {
        (i + shape.len()).checked_sub(rank).and_then(|at| shape.get(at)).copied().unwrap_or(1)
    };
    (0..rank)
        .map(|i| match (dim(a, i), dim(b, i)) {
            (a, b) if a == b => Some(a),
            (1, n) | (n, 1) => Some(n),
            _ => None,
        })
        .collect()
}
