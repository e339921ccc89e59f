//! Which nodes are computed together: a convolution takes in the activation and the sums that follow it.

use crate::kernels::epilogue::Activation;
use pegbar_net::{BinaryOp, Dim, Net, Op, UnaryOp, WeightId};

/// Who reads what, as far as the output needs it.
#[derive(Debug)]
pub(crate) struct Graph {
    readers: Vec<Vec<usize>>,
    needed: Vec<bool>,
    output: usize,
}

impl Graph {
    pub(crate) fn new(net: &Net) -> Self {
        // Shape inference has refused nets without an output.
        let output = net.output.map_or(0, |id| id.0 as usize);
        let mut needed = vec![false; net.nodes.len()];
        let mut readers = vec![vec![]; net.nodes.len()];
        needed[output] = true;
        // The picture is loaded even where nothing looks at it: it sets the pace.
        needed[0] = true;
        for index in (0..net.nodes.len()).rev().filter(|&index| index <= output) {
            if needed[index] {
                for input in &net.nodes[index].inputs {
                    needed[input.0 as usize] = true;
                    readers[input.0 as usize].push(index);
                }
            }
        }
        Self { readers, needed, output }
    }

    pub(crate) fn is_needed(&self, node: usize) -> bool {
        self.needed[node]
    }

    pub(crate) fn output(&self) -> usize {
        self.output
    }

    /// The only node that reads this one, if there is just one and the result does not read it too.
    fn only_reader(&self, node: usize) -> Option<usize> {
        match self.readers[node][..] {
            [reader] if node != self.output => Some(reader),
            _ => None,
        }
    }
}

/// An activation that convolutions compute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fused {
    /// With these slopes.
    PRelu(WeightId),
    /// One that [`Activation::from_unary`] takes.
    Unary(UnaryOp),
}

/// A convolution and what is fused into it: `activation(scale * conv + shift) + sum of factor * residual`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chain {
    /// The convolution's node.
    pub(crate) conv: usize,
    pub(crate) scale: f32,
    pub(crate) shift: f32,
    pub(crate) activation: Option<Fused>,
    /// Nodes and factors.
    pub(crate) residuals: Vec<(usize, f32)>,
}

impl Chain {
    /// Takes one more node in, if it can; `shapes` tell whether a sum is one of equal shapes.
    fn absorb(&mut self, net: &Net, shapes: &[[Dim; 4]], last: usize, next: usize) -> bool {
        let node = &net.nodes[next];
        let is_linear = self.activation.is_none();
        let bare = is_linear && self.residuals.is_empty();
        match &node.op {
            Op::Unary(UnaryOp::ScaleShift { scale, shift }) if is_linear => {
                self.scale *= scale;
                self.shift = self.shift * scale + shift;
                for residual in &mut self.residuals {
                    residual.1 *= scale;
                }
                true
            }
            Op::Unary(op) if bare && Activation::takes(*op) => {
                self.activation = Some(Fused::Unary(*op));
                true
            }
            Op::PRelu { slope } if bare => {
                self.activation = Some(Fused::PRelu(*slope));
                true
            }
            // A curve is drawn after the sums, so there must be none.
            Op::Binary(BinaryOp::Add) if matches!(self.activation, Some(Fused::Unary(op)) if !Activation::is_slope(op)) => {
                false
            }
            Op::Binary(BinaryOp::Add) => {
                let other = node.inputs.iter().map(|id| id.0 as usize).find(|&id| id != last);
                match other {
                    Some(other) if shapes[other] == shapes[last] && shapes[next] == shapes[last] => {
                        self.residuals.push((other, 1.0));
                        true
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

/// What fusion found.
#[derive(Debug)]
pub(crate) struct Chains {
    /// By last node.
    pub(crate) ending_at: Vec<Option<Chain>>,
    /// Nodes whose value is never stored, because a chain goes on beyond them.
    pub(crate) is_inner: Vec<bool>,
}

/// Makes a chain of every convolution, as long as it goes.
pub(crate) fn fuse(net: &Net, graph: &Graph, shapes: &[[Dim; 4]]) -> Chains {
    let n = net.nodes.len();
    let mut chains = Chains { ending_at: vec![None; n], is_inner: vec![false; n] };
    let mut taken = vec![false; n];
    for (index, node) in net.nodes.iter().enumerate() {
        if !graph.is_needed(index) || !matches!(node.op, Op::Conv2d { .. }) {
            continue;
        }
        let mut chain = Chain { conv: index, scale: 1.0, shift: 0.0, activation: None, residuals: vec![] };
        let mut last = index;
        while let Some(next) = graph.only_reader(last) {
            if taken[next] || !chain.absorb(net, shapes, last, next) {
                break;
            }
            taken[next] = true;
            chains.is_inner[last] = true;
            last = next;
        }
        chains.ending_at[last] = Some(chain);
    }
    chains
}
