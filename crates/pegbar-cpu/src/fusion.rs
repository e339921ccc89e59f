//! Which nodes are computed together: a convolution takes in the activation and the sums that follow it.

use crate::kernels::epilogue::{Activation, Curve};
use pegbar_net::{BinaryOp, Dim, Net, Op, ResizeMode, ResizeTarget, UnaryOp, WeightId};

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
    /// What the result gates itself with, in place of all of the above.
    pub(crate) gate: Option<Gate>,
    /// The node whose value the convolution enlarges to the nearest, and how often it repeats each pixel.
    pub(crate) enlarged: Option<(usize, usize)>,
}

/// The attention of SPAN: `(y + residual) * (scale * sigmoid(y) + shift)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Gate {
    pub(crate) residual: usize,
    pub(crate) scale: f32,
    pub(crate) shift: f32,
}

/// The end of a gate that begins at a node, and the nodes in between.
fn gate(net: &Net, graph: &Graph, shapes: &[[Dim; 4]], from: usize) -> Option<(Gate, usize, Vec<usize>)> {
    let &[first, second] = graph.readers[from].as_slice() else { return None };
    if from == graph.output {
        return None;
    }
    let is_sigmoid = |node: usize| matches!(net.nodes[node].op, Op::Unary(UnaryOp::Sigmoid));
    let is_sum = |node: usize| matches!(net.nodes[node].op, Op::Binary(BinaryOp::Add));
    let (sigmoid, sum) = match (is_sigmoid(first), is_sigmoid(second)) {
        (true, false) => (first, second),
        (false, true) => (second, first),
        _ => return None,
    };
    let residual = net.nodes[sum].inputs.iter().map(|id| id.0 as usize).find(|&id| id != from)?;
    if !is_sum(sum) || shapes[residual] != shapes[from] || shapes[sum] != shapes[from] {
        return None;
    }
    let mut inner = vec![sigmoid, sum];
    let (mut scale, mut shift, mut last) = (1.0, 0.0, sigmoid);
    while let Op::Unary(UnaryOp::ScaleShift { scale: by, shift: and }) =
        net.nodes[graph.only_reader(last)?].op
    {
        last = graph.only_reader(last)?;
        inner.push(last);
        (scale, shift) = (scale * by, shift * by + and);
    }
    let product = graph.only_reader(last)?;
    let is_product = matches!(net.nodes[product].op, Op::Binary(BinaryOp::Mul));
    (is_product && graph.only_reader(sum) == Some(product)).then_some((
        Gate { residual, scale, shift },
        product,
        inner,
    ))
}

/// Input channels from which 3x3 convolutions use Winograd's algorithm; fewer leave its vectors of channels mostly empty.
const WINOGRAD_MIN_CHANNELS: usize = 16;

/// Whether a node is a convolution for Winograd's algorithm.
pub(crate) fn suits_winograd(net: &Net, op: &Op) -> bool {
    match op {
        Op::Conv2d { weight, stride: [1, 1], dilation: [1, 1], groups: 1, .. } => {
            let shape = &net.weight(*weight).shape;
            shape[2..] == [3, 3] && shape[1] >= WINOGRAD_MIN_CHANNELS
        }
        _ => false,
    }
}

/// The source of an enlargement by whole factors, and the factor.
fn enlargement(net: &Net, node: usize) -> Option<(usize, usize)> {
    match net.nodes[node].op {
        Op::Resize {
            mode: ResizeMode::Nearest,
            target: ResizeTarget::Scale { height: [factor, 1], width: [same, 1] },
        } if factor == same && factor > 1 => Some((net.nodes[node].inputs[0].0 as usize, factor)),
        _ => None,
    }
}

/// How the result comes about, where the last steps are made while it is stored: a pixel shuffle, and the sum with something
/// enlarged by the same factor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tail {
    /// The node that is shuffled, and the one that is enlarged.
    pub(crate) inputs: Vec<usize>,
    pub(crate) factor: usize,
}

/// The tail of a net, and the nodes in between, without the last.
fn tail(net: &Net, graph: &Graph, shapes: &[[Dim; 4]]) -> Option<(Tail, Vec<usize>)> {
    let output = graph.output;
    let shuffle = |node: usize| match net.nodes[node].op {
        Op::PixelShuffle { factor } => Some((net.nodes[node].inputs[0].0 as usize, factor)),
        _ => None,
    };
    if !graph.readers[output].is_empty() {
        return None;
    }
    if let Some((from, factor)) = shuffle(output) {
        return Some((Tail { inputs: vec![from], factor }, vec![]));
    }
    let is_sum = matches!(net.nodes[output].op, Op::Binary(BinaryOp::Add));
    let [a, b] = net.nodes[output].inputs[..] else { return None };
    let (a, b) = (a.0 as usize, b.0 as usize);
    let (shuffled, enlarged) = if shuffle(a).is_some() { (a, b) } else { (b, a) };
    let ((from, factor), (base, same)) = (shuffle(shuffled)?, enlargement(net, enlarged)?);
    let are_only_summed = [a, b].iter().all(|&node| graph.only_reader(node) == Some(output));
    let fits = is_sum && factor == same && are_only_summed && shapes[a] == shapes[b];
    fits.then(|| (Tail { inputs: vec![from, base], factor }, vec![a, b]))
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
    /// Products of which one factor is the curve of something, drawn on the way: by the node of the product.
    pub(crate) curved: Vec<Option<CurvedProduct>>,
    /// What the output is made of while it is stored.
    pub(crate) tail: Option<Tail>,
}

/// `curve(of) * by`, of equal shapes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CurvedProduct {
    pub(crate) curve: Curve,
    /// Node.
    pub(crate) of: usize,
    /// Node.
    pub(crate) by: usize,
}

/// The curved product that a node is, and the node of the curve.
fn curved_product(
    net: &Net,
    graph: &Graph,
    shapes: &[[Dim; 4]],
    node: usize,
) -> Option<(CurvedProduct, usize)> {
    let (Op::Binary(BinaryOp::Mul), [a, b]) = (&net.nodes[node].op, &net.nodes[node].inputs[..]) else {
        return None;
    };
    let (a, b) = (a.0 as usize, b.0 as usize);
    let alike = a != b && shapes[a] == shapes[b];
    [(a, b), (b, a)].into_iter().filter(|_| alike).find_map(|(drawn, by)| {
        let Op::Unary(op) = net.nodes[drawn].op else { return None };
        let (curve, of) = (Curve::from_unary(op)?, net.nodes[drawn].inputs[0].0 as usize);
        (graph.only_reader(drawn) == Some(node)).then_some((CurvedProduct { curve, of, by }, drawn))
    })
}

/// Makes a chain of every convolution, as long as it goes.
pub(crate) fn fuse(net: &Net, graph: &Graph, shapes: &[[Dim; 4]]) -> Chains {
    let n = net.nodes.len();
    let mut chains =
        Chains { ending_at: vec![None; n], is_inner: vec![false; n], curved: vec![None; n], tail: None };
    let mut taken = vec![false; n];
    for (index, node) in net.nodes.iter().enumerate() {
        if !graph.is_needed(index) || !matches!(node.op, Op::Conv2d { .. }) {
            continue;
        }
        let mut chain = Chain {
            conv: index,
            scale: 1.0,
            shift: 0.0,
            activation: None,
            residuals: vec![],
            gate: None,
            enlarged: None,
        };
        let input = node.inputs[0].0 as usize;
        if suits_winograd(net, &node.op) && graph.only_reader(input).is_some() {
            chain.enlarged = enlargement(net, input);
            chains.is_inner[input] |= chain.enlarged.is_some();
        }
        let mut last = index;
        while let Some(next) = graph.only_reader(last) {
            if taken[next] || !chain.absorb(net, shapes, last, next) {
                break;
            }
            taken[next] = true;
            chains.is_inner[last] = true;
            last = next;
        }
        if last == index
            && let Some((gate, end, inner)) = gate(net, graph, shapes, last)
            && inner.iter().chain([&end]).all(|&node| !taken[node])
        {
            for node in inner {
                (taken[node], chains.is_inner[node]) = (true, true);
            }
            (taken[end], chains.is_inner[last]) = (true, true);
            chain.gate = Some(gate);
            last = end;
        }
        chains.ending_at[last] = Some(chain);
    }
    for node in 0..n {
        if let Some((product, drawn)) = curved_product(net, graph, shapes, node)
            && graph.is_needed(node)
            && !taken[node]
            && !taken[drawn]
        {
            chains.is_inner[drawn] = true;
            chains.curved[node] = Some(product);
        }
    }
    if let Some((tail, inner)) = tail(net, graph, shapes) {
        for node in inner {
            chains.is_inner[node] = true;
        }
        chains.tail = Some(tail);
    }
    chains
}
