//! Rewrites of a network that keep what it computes: fewer and cheaper operations, the same result up to `f32`
//! rounding.
//!
//! Every rule looks at one node and what feeds it. A rule never changes a node in place: it appends another and lets
//! the old one die, so a value that something else reads as well stays what it was. The rules run until none applies.

mod affine;
mod constants;
mod identity;
mod shrink;

use crate::{Dim, Net, Node, NodeId, Op, PadMode, Padding, WeightId, WeightTensor};

/// Each round removes a node or moves one towards the output, so this is never reached; it bounds a mistake.
const MAX_ROUNDS: usize = 64;

impl Net {
    /// The same function with fewer operations, up to `f32` rounding: constants folded, affine steps merged into
    /// convolutions where that is exact to the border, identities and dead nodes dropped. A broken graph is returned
    /// as it is.
    pub fn simplified(&self) -> Net {
        if self.infer_shapes().is_err() {
            return self.clone();
        }
        // First without dead nodes: what only they read counts as read by nothing.
        let mut net = drop_dead(self.clone());
        for _ in 0..MAX_ROUNDS {
            let Ok(shapes) = net.infer_shapes() else {
                return self.clone();
            };
            let (rewritten, changed) = rewrite(net, shapes);
            net = drop_dead(rewritten);
            if !changed {
                break;
            }
        }
        net
    }
}

/// The network being written while the old nodes are read one by one.
struct Rewriter {
    net: Net,
    /// Shapes of the new nodes, as far as a rule asks for them.
    shapes: Vec<[Dim; 4]>,
    /// How many readers each new node has, at most.
    uses: Vec<usize>,
    /// How many nodes refer to each weight, of those there were before.
    weight_uses: Vec<usize>,
}

impl Rewriter {
    fn op(&self, id: NodeId) -> &Op {
        &self.net.node(id).op
    }

    fn shape(&self, id: NodeId) -> [Dim; 4] {
        self.shapes[id.0 as usize]
    }

    /// Whether nothing else reads the value: only then is it cheaper to compute it otherwise.
    fn sole(&self, id: NodeId) -> bool {
        self.uses[id.0 as usize] <= 1
    }

    /// Whether several layers have the weight. To change it for one of them would make a copy of it.
    fn shared(&self, id: WeightId) -> bool {
        self.weight_uses.get(id.0 as usize).is_some_and(|&uses| uses > 1)
    }

    fn push(&mut self, name: &str, op: Op, inputs: &[NodeId], shape: [Dim; 4]) -> NodeId {
        let id = self.net.push(name, op, inputs);
        self.shapes.push(shape);
        self.uses.push(1);
        id
    }

    fn weight(&mut self, name: String, shape: Vec<usize>, data: Vec<f32>) -> WeightId {
        self.net.push_weight(WeightTensor { name, shape, data })
    }

    fn data(&self, id: WeightId) -> &[f32] {
        &self.net.weight(id).data
    }
}

/// One round of all rules over all nodes; whether any applied.
fn rewrite(mut net: Net, shapes: Vec<[Dim; 4]>) -> (Net, bool) {
    let mut uses = vec![0usize; net.nodes.len()];
    for id in net.nodes.iter().flat_map(|node| &node.inputs).chain(&net.output) {
        uses[id.0 as usize] += 1;
    }
    let mut weight_uses = vec![0usize; net.weights.len()];
    for id in net.nodes.iter().flat_map(|node| node.op.weights()) {
        weight_uses[id.0 as usize] += 1;
    }
    let nodes = std::mem::take(&mut net.nodes);
    let output = net.output;
    let mut rewriter = Rewriter { net, shapes: Vec::new(), uses: Vec::new(), weight_uses };
    let mut new_ids: Vec<NodeId> = Vec::with_capacity(nodes.len());
    let mut changed = false;
    for (index, mut node) in nodes.into_iter().enumerate() {
        for id in &mut node.inputs {
            *id = new_ids[id.0 as usize];
        }
        let shape = shapes[index];
        let n_before = rewriter.net.nodes.len();
        let rewritten = apply_rules(&mut rewriter, &node, shape);
        changed |= rewritten.is_some();
        let id = rewritten.unwrap_or_else(|| rewriter.push(&node.name, node.op, &node.inputs, shape));
        let readers = &mut rewriter.uses[id.0 as usize];
        if (id.0 as usize) < n_before {
            // The node vanished and its readers read what stood before it.
            let gone = usize::from(node.inputs.contains(&id));
            *readers = (*readers + uses[index]).saturating_sub(gone);
        } else {
            *readers = uses[index];
        }
        new_ids.push(id);
    }
    rewriter.net.output = output.map(|id| new_ids[id.0 as usize]);
    (rewriter.net, changed)
}

/// The value that takes the node's place, where a rule applies.
fn apply_rules(r: &mut Rewriter, node: &Node, shape: [Dim; 4]) -> Option<NodeId> {
    identity::drop_identity(r, node)
        .or_else(|| identity::cancel_inverse(r, node))
        .or_else(|| identity::flatten_concat(r, node, shape))
        .or_else(|| identity::join_silu(r, node, shape))
        .or_else(|| constants::evaluate_constant(r, node, shape))
        .or_else(|| constants::constant_operand(r, node, shape))
        .or_else(|| affine::into_next_convolution(r, node, shape))
        .or_else(|| affine::into_previous_convolution(r, node, shape))
        .or_else(|| affine::merge(r, node, shape))
        .or_else(|| absorb_zero_padding(r, node, shape))
        .or_else(|| shrink::shrink_before_shuffle(r, node))
}

/// A border of zeros before a convolution is the convolution's own padding.
fn absorb_zero_padding(r: &mut Rewriter, node: &Node, shape: [Dim; 4]) -> Option<NodeId> {
    let mut op = node.op.clone();
    let Op::Conv2d { padding, .. } = &mut op else { return None };
    let Op::Pad { padding: border, mode: PadMode::Constant(0.0) } = *r.op(node.inputs[0]) else {
        return None;
    };
    *padding = Padding {
        top: padding.top + border.top,
        left: padding.left + border.left,
        bottom: padding.bottom + border.bottom,
        right: padding.right + border.right,
    };
    let before = r.net.node(node.inputs[0]).inputs[0];
    Some(r.push(&node.name, op, &[before], shape))
}

/// Removes nodes and weights nothing reads. The picture stays.
fn drop_dead(mut net: Net) -> Net {
    let mut alive = vec![false; net.nodes.len()];
    if let Some(output) = net.output {
        alive[output.0 as usize] = true;
    }
    for index in (0..net.nodes.len()).rev() {
        if alive[index] {
            for id in &net.nodes[index].inputs {
                alive[id.0 as usize] = true;
            }
        }
    }
    if let Some(picture) = alive.first_mut() {
        *picture = true;
    }
    let mut new_ids = Vec::with_capacity(alive.len());
    let mut next = 0;
    for &alive in &alive {
        new_ids.push(NodeId(next));
        next += u32::from(alive);
    }
    let mut index = 0;
    net.nodes.retain(|_| {
        index += 1;
        alive[index - 1]
    });
    for node in &mut net.nodes {
        for id in &mut node.inputs {
            *id = new_ids[id.0 as usize];
        }
    }
    net.output = net.output.map(|id| new_ids[id.0 as usize]);

    let mut new_weights: Vec<Option<WeightId>> = vec![None; net.weights.len()];
    let mut old_weights: Vec<Option<WeightTensor>> =
        std::mem::take(&mut net.weights).into_iter().map(Some).collect();
    for node in &mut net.nodes {
        for id in node.op.weights_mut() {
            let place = id.0 as usize;
            if let Some(weight) = old_weights[place].take() {
                new_weights[place] = Some(WeightId(net.weights.len() as u32));
                net.weights.push(weight);
            }
            if let Some(new) = new_weights[place] {
                *id = new;
            }
        }
    }
    net
}
