//! A net under construction, with the shape of every value known.

use super::error::{OpError, problem};
use crate::dim::gcd;
use crate::{Dim, Net, Node, NodeId, Op, Padding, SizeFill, SizeRule, UnaryOp, WeightId, WeightTensor};
use std::collections::{HashMap, HashSet};

/// No value of a network has more channels than this.
const MOST_CHANNELS: usize = 1 << 15;
/// None is enlarged or padded by more.
const LARGEST_DIM: usize = 1 << 20;

/// Elements of constants an importer may make: so many in any case, and more for each weight and each node of the file.
/// Most files need one for each weight; folding and reordering make others beside them. Keeps a small hostile file from
/// asking for a large memory.
const CONSTANTS_BASE: usize = 1 << 15;
const CONSTANTS_PER_WEIGHT: usize = 6;
const CONSTANTS_PER_NODE: usize = 64;

/// Appends operations and knows the shape of each.
pub(super) struct GraphBuilder {
    net: Net,
    shapes: Vec<[Dim; 4]>,
    allowance: usize,
    weights_by_name: HashMap<String, Vec<WeightId>>,
    /// Whether sizes divide as operations need it, where the file says nothing of it.
    sizes_fit: bool,
}

impl GraphBuilder {
    /// A net that takes pictures of `channels`; the file holds so many weights and nodes.
    pub(super) fn new(channels: usize, n_weights: usize, n_nodes: usize) -> Result<Self, OpError> {
        let mut builder = Self {
            net: Net::default(),
            shapes: Vec::new(),
            allowance: CONSTANTS_BASE
                .saturating_add(n_weights.saturating_mul(CONSTANTS_PER_WEIGHT))
                .saturating_add(n_nodes.saturating_mul(CONSTANTS_PER_NODE)),
            weights_by_name: HashMap::new(),
            sizes_fit: false,
        };
        builder.push("input", Op::Input { channels }, &[])?;
        Ok(builder)
    }

    /// Sizes divide as operations need it: what wrote the file has seen to that.
    pub(super) fn let_sizes_fit(&mut self) {
        self.sizes_fit = true;
    }

    /// Whether they do.
    pub(super) fn sizes_fit(&self) -> bool {
        self.sizes_fit
    }

    /// The picture.
    pub(super) fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// Takes `elements` from the allowance for constants, before they are made.
    pub(super) fn claim(&mut self, elements: usize) -> Result<(), OpError> {
        match self.allowance.checked_sub(elements) {
            Some(rest) => {
                self.allowance = rest;
                Ok(())
            }
            None => Err(problem!("needs a constant of {elements} values, more than the file can justify")),
        }
    }

    /// Appends an operation after checking that it fits its inputs.
    pub(super) fn push(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId, OpError> {
        let id = self.net.push(name, op, inputs);
        let shape = match self.net.infer_next_shape(&self.shapes) {
            Ok(shape) => shape,
            Err(error) => {
                self.net.nodes.pop();
                return Err(error.into());
            }
        };
        let largest = shape.iter().map(|dim| extent(*dim)).max().unwrap_or(0);
        if largest > LARGEST_DIM || extent(shape[1]) > MOST_CHANNELS {
            self.net.nodes.pop();
            let dims = shape.map(|dim| dim.to_string()).join(", ");
            return Err(problem!("makes a value of [{dims}], larger than any network needs"));
        }
        self.shapes.push(shape);
        Ok(id)
    }

    /// Appends a constant, or finds it where the same one of that name was appended before: networks share weights.
    pub(super) fn weight(
        &mut self,
        name: &str,
        shape: Vec<usize>,
        data: Vec<f32>,
    ) -> Result<WeightId, OpError> {
        let expected = shape.iter().try_fold(1usize, |a, b| a.checked_mul(*b));
        if expected != Some(data.len()) {
            return Err(problem!("weight {name:?} holds {} values where {shape:?} are needed", data.len()));
        }
        let same_name = self.weights_by_name.get(name).map_or(&[][..], Vec::as_slice);
        let is_same = |id: &&WeightId| {
            let weight = self.net.weight(**id);
            let same_bits = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
            weight.shape == shape && weight.data.iter().zip(&data).all(same_bits)
        };
        if let Some(id) = same_name.iter().find(is_same) {
            return Ok(*id);
        }
        self.claim(data.len())?;
        let id = self.net.push_weight(WeightTensor { name: name.to_owned(), shape, data });
        self.weights_by_name.entry(name.to_owned()).or_default().push(id);
        Ok(id)
    }

    /// Shape of a value.
    pub(super) fn shape(&self, id: NodeId) -> [Dim; 4] {
        self.shapes[id.0 as usize]
    }

    /// Channels of a value.
    pub(super) fn channels(&self, id: NodeId) -> Result<usize, OpError> {
        match self.shape(id)[1] {
            Dim::Fixed(channels) => Ok(channels),
            Dim::Scaled { .. } => Err(problem!("reads a value whose channels depend on the picture's size")),
        }
    }

    /// Whether a value is a vector: one row, one column.
    pub(super) fn is_vector(&self, id: NodeId) -> bool {
        self.shape(id)[2..] == [Dim::Fixed(1); 2]
    }

    /// The node behind an id.
    pub(super) fn node(&self, id: NodeId) -> &Node {
        self.net.node(id)
    }

    /// The weight behind an id.
    pub(super) fn weight_of(&self, id: WeightId) -> &WeightTensor {
        self.net.weight(id)
    }

    /// Height and width of the picture must be multiples of `n` from here on.
    pub(super) fn require_multiple(&mut self, n: usize) -> Result<(), OpError> {
        let current = self.net.size_rule.multiple_of;
        let multiple = lcm(current, n.max(1));
        if multiple > 1 << 12 {
            return Err(problem!("needs pictures whose size is a multiple of {multiple}"));
        }
        self.net.size_rule.multiple_of = multiple;
        Ok(())
    }

    /// What the picture is continued with to multiples, and whether it has to be square.
    pub(super) fn fill(&mut self, fill: SizeFill, square: bool) {
        self.net.size_rule = SizeRule { fill, square, ..self.net.size_rule };
    }

    /// The picture has to be at least as large as this.
    pub(super) fn require_minimum(&mut self, n: usize) {
        self.net.size_rule.minimum = self.net.size_rule.minimum.max(n);
    }

    /// Appends a function of one value.
    pub(super) fn unary(&mut self, name: &str, op: UnaryOp, input: NodeId) -> Result<NodeId, OpError> {
        self.push(name, Op::Unary(op), &[input])
    }

    /// `x * scale + shift`, joined with a directly preceding one, and nothing at all for `x * 1 + 0`.
    pub(super) fn scale_shift(
        &mut self,
        name: &str,
        input: NodeId,
        scale: f32,
        shift: f32,
    ) -> Result<NodeId, OpError> {
        if scale == 1.0 && shift == 0.0 {
            return Ok(input);
        }
        if let Op::Unary(UnaryOp::ScaleShift { scale: s, shift: t }) = self.node(input).op {
            // Only where the product is exact: joining must not change the rounding of common exports.
            if shift == 0.0 && t == 0.0 && (s * scale) == 1.0 {
                return Ok(self.node(input).inputs[0]);
            }
        }
        self.unary(name, UnaryOp::ScaleShift { scale, shift }, input)
    }

    /// Zeros, or another constant, around a picture; nothing for no border.
    pub(super) fn pad(
        &mut self,
        name: &str,
        input: NodeId,
        padding: Padding,
        mode: crate::PadMode,
    ) -> Result<NodeId, OpError> {
        if padding == Padding::default() {
            return Ok(input);
        }
        self.push(name, Op::Pad { padding, mode }, &[input])
    }

    /// Keeps `start..end` of an axis; nothing when that is all of it.
    pub(super) fn slice(
        &mut self,
        name: &str,
        input: NodeId,
        axis: usize,
        start: i64,
        end: i64,
    ) -> Result<NodeId, OpError> {
        let everything = match self.shape(input)[axis] {
            Dim::Fixed(n) => end == i64::MAX || usize::try_from(end).is_ok_and(|end| end >= n),
            Dim::Scaled { .. } => end == i64::MAX,
        };
        if start == 0 && everything {
            return Ok(input);
        }
        self.push(name, Op::Slice { axis, start, end }, &[input])
    }

    /// The finished net: only what `output` needs.
    pub(super) fn finish(self, output: NodeId) -> Net {
        let mut needed = HashSet::from([NodeId(0)]);
        let mut open = vec![output];
        while let Some(id) = open.pop() {
            if needed.insert(id) {
                open.extend(&self.net.node(id).inputs);
            }
        }
        let mut net = Net { size_rule: self.net.size_rule, ..Net::default() };
        let mut new_ids = vec![None; self.net.nodes.len()];
        let mut new_weights = vec![None; self.net.weights.len()];
        let mut weights: Vec<Option<WeightTensor>> = self.net.weights.into_iter().map(Some).collect();
        for (index, mut node) in self.net.nodes.into_iter().enumerate() {
            if !needed.contains(&NodeId(index as u32)) {
                continue;
            }
            for id in node.op.weights_mut() {
                let old = id.0 as usize;
                if let Some(weight) = weights[old].take() {
                    new_weights[old] = Some(net.push_weight(weight));
                }
                if let Some(new) = new_weights[old] {
                    *id = new;
                }
            }
            let inputs: Vec<NodeId> = node.inputs.iter().filter_map(|id| new_ids[id.0 as usize]).collect();
            new_ids[index] = Some(net.push(node.name, node.op, &inputs));
        }
        net.output = new_ids[output.0 as usize];
        net
    }
}

/// How large a dimension can be said to be: its number, or the largest of its factor and offset.
fn extent(dim: Dim) -> usize {
    match dim {
        Dim::Fixed(n) => n,
        Dim::Scaled { num, den, offset, .. } => {
            num.max(den).max(usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX))
        }
    }
}

pub(super) fn lcm(a: usize, b: usize) -> usize {
    (a / gcd(a, b).max(1)).saturating_mul(b)
}
