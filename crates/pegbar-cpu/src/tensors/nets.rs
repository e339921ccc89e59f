//! Steps that are operations on pictures: convolutions and what stands between them become nets, which have the fastest
//! kernels.

use pegbar_net::tensor::{
    Array, ArrayData, Binary, ConvWindow, ElementKind, Kernel, PoolFunction, Step, TensorProgram, Unary,
    ValueId,
};
use pegbar_net::{BinaryOp, Net, NodeId, Op, Padding, PoolKind, UnaryOp, WeightId, WeightTensor};
use std::collections::HashMap;
use std::sync::Arc;

/// A net that does the work of some steps.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) net: Net,
    /// Where its weights are, in order: the same ones make the same net.
    pub(crate) weights: Vec<Arc<Vec<f32>>>,
    pub(crate) steps: usize,
    pub(crate) input: ValueId,
    pub(crate) output: ValueId,
}

/// Whether a net begins at a step.
pub(crate) fn begins(program: &TensorProgram, index: usize) -> bool {
    let step = &program.steps[index];
    is_picture(program, step.inputs[0])
        && program.value(step.inputs[0]).known.is_none()
        && match &step.kernel {
            Kernel::Conv(_) | Kernel::ConvTranspose(_) => {
                step.inputs[1..].iter().all(|&id| program.value(id).known.is_some())
            }
            Kernel::Pool { function, window, .. } => pooling(*function, window).is_some(),
            _ => false,
        }
}

fn is_picture(program: &TensorProgram, id: ValueId) -> bool {
    let value = program.value(id);
    value.kind == ElementKind::Float && value.shape.len() == 4 && !value.shape.contains(&0)
}

/// The longest net from a step on whose steps need one value from before, and of which one value is needed behind.
pub(crate) fn at(program: &TensorProgram, last_uses: &[usize], start: usize) -> Option<Found> {
    if !begins(program, start) {
        return None;
    }
    let input = program.steps[start].inputs[0];
    let mut builder = Builder { program, net: Net::default(), weights: vec![], nodes: HashMap::new() };
    let picture = builder.net.push("input", Op::Input { channels: program.value(input).shape[1] }, &[]);
    builder.nodes.insert(input, picture);
    // Steps done so far, and the net up to where it can end.
    let mut best = None;
    let mut at = start;
    while at < program.steps.len() {
        let Some(n) = builder.step(at) else { break };
        at += n;
        let wanted: Vec<ValueId> = builder
            .nodes
            .keys()
            .copied()
            .filter(|&id| id != input && last_uses[id.0 as usize] >= at)
            .collect();
        if let [output] = wanted[..] {
            best = Some((at, output, builder.net.nodes.len()));
        }
    }
    let (end, output, n_nodes) = best?;
    let mut net = builder.net;
    net.nodes.truncate(n_nodes);
    net.output = builder.nodes.get(&output).copied();
    // What the rules of nets refuse is done otherwise.
    let [n, _, h, w] = <[usize; 4]>::try_from(program.value(input).shape.clone()).ok()?;
    let sizes = net.infer_sizes(n, h, w).ok()?;
    net.infer_shapes().ok()?;
    let made = sizes.get(net.output?.0 as usize)?;
    if made[..] != program.value(output).shape[..] {
        return None;
    }
    Some(Found { net, weights: builder.weights, steps: end - start, input, output })
}

struct Builder<'a> {
    program: &'a TensorProgram,
    net: Net,
    weights: Vec<Arc<Vec<f32>>>,
    nodes: HashMap<ValueId, NodeId>,
}

impl Builder<'_> {
    /// Appends a step, or several that are one operation, if they are operations on pictures that are known; how many.
    fn step(&mut self, index: usize) -> Option<usize> {
        let step = &self.program.steps[index];
        if let Some(factor) = pixel_shuffle(self.program, index) {
            let node = *self.nodes.get(&step.inputs[0])?;
            self.push(index + 2, Op::PixelShuffle { factor }, &[node]);
            return Some(3);
        }
        if !is_picture(self.program, step.output) {
            return None;
        }
        let (op, inputs) = self.operation(step)?;
        self.push(index, op, &inputs);
        Some(1)
    }

    fn push(&mut self, index: usize, op: Op, inputs: &[NodeId]) {
        let step = &self.program.steps[index];
        let node = self.net.push(step.node.clone(), op, inputs);
        self.nodes.insert(step.output, node);
    }

    fn operation(&mut self, step: &Step) -> Option<(Op, Vec<NodeId>)> {
        let node = |id: &ValueId| self.nodes.get(id).copied();
        Some(match &step.kernel {
            Kernel::Conv(window) => {
                let x = node(&step.inputs[0])?;
                let weight = self.weight(step.inputs[1], None)?;
                let bias = step.inputs.get(2).map(|&id| self.weight(id, None)).transpose_option()?;
                let op = Op::Conv2d {
                    weight,
                    bias,
                    stride: two(&window.stride)?,
                    padding: padding(window)?,
                    dilation: two(&window.dilation)?,
                    groups: window.groups,
                };
                (op, vec![x])
            }
            Kernel::ConvTranspose(window) => {
                let x = node(&step.inputs[0])?;
                let (from, to) =
                    (&self.program.value(step.inputs[0]).shape, &self.program.value(step.output).shape);
                let taps = &self.program.value(step.inputs[1]).shape;
                let mut output_padding = [0; 2];
                for (axis, added) in output_padding.iter_mut().enumerate() {
                    let full = (from[2 + axis] - 1) * window.stride[axis]
                        + window.dilation[axis] * (taps[2 + axis] - 1)
                        + 1;
                    *added = (to[2 + axis] + window.before[axis] + window.after[axis]).checked_sub(full)?;
                }
                let weight = self.weight(step.inputs[1], None)?;
                let bias = step.inputs.get(2).map(|&id| self.weight(id, None)).transpose_option()?;
                let op = Op::ConvTranspose2d {
                    weight,
                    bias,
                    stride: two(&window.stride)?,
                    padding: padding(window)?,
                    output_padding,
                    dilation: two(&window.dilation)?,
                    groups: window.groups,
                };
                (op, vec![x])
            }
            Kernel::Pool { function, size, window } => {
                let x = node(&step.inputs[0])?;
                let kind = pooling(*function, window)?;
                let padding = padding(window)?;
                (Op::Pool { kind, kernel: two(size)?, stride: two(&window.stride)?, padding }, vec![x])
            }
            Kernel::Unary(Unary::Shared(op)) => (Op::Unary(*op), vec![node(&step.inputs[0])?]),
            Kernel::Reduce { function: pegbar_net::tensor::Reduction::Mean, axes } if axes[..] == [2, 3] => {
                (Op::GlobalPool { kind: PoolKind::Average { count_pad: true } }, vec![node(&step.inputs[0])?])
            }
            Kernel::Concat { axis: 1 } => {
                (Op::Concat { axis: 1 }, step.inputs.iter().map(node).collect::<Option<_>>()?)
            }
            Kernel::Slice { starts, steps } if steps.iter().all(|&by| by == 1) => {
                let (from, to) =
                    (&self.program.value(step.inputs[0]).shape, &self.program.value(step.output).shape);
                let cut: Vec<usize> = (0..4).filter(|&axis| from[axis] != to[axis]).collect();
                let [axis @ 1] = cut[..] else { return None };
                let start = starts[axis] as i64;
                (Op::Slice { axis, start, end: start + to[axis] as i64 }, vec![node(&step.inputs[0])?])
            }
            Kernel::Binary(Binary::PRelu) => {
                let x = node(&step.inputs[0])?;
                let channels = self.program.value(step.output).shape[1];
                let slope = &self.program.value(step.inputs[1]).shape;
                let per_channel = *slope == [channels, 1, 1] || *slope == [1, channels, 1, 1];
                let is_one = slope.iter().product::<usize>() == 1;
                let len = if is_one { 1 } else { channels };
                if !is_one && !per_channel {
                    return None;
                }
                (Op::PRelu { slope: self.weight(step.inputs[1], Some(vec![len]))? }, vec![x])
            }
            Kernel::Binary(op) => return self.binary(*op, step),
            _ => return None,
        })
    }

    fn binary(&mut self, op: Binary, step: &Step) -> Option<(Op, Vec<NodeId>)> {
        let ids = [step.inputs[0], step.inputs[1]];
        let nodes = ids.map(|id| self.nodes.get(&id).copied());
        if let [Some(a), Some(b)] = nodes {
            let op = match op {
                Binary::Add => BinaryOp::Add,
                Binary::Sub => BinaryOp::Sub,
                Binary::Mul => BinaryOp::Mul,
                Binary::Div => BinaryOp::Div,
                _ => return None,
            };
            return Some((Op::Binary(op), vec![a, b]));
        }
        // By a number.
        let number = |id: ValueId| match self.program.value(id).known.as_ref().and_then(Array::as_floats) {
            Some(&[value]) => Some(value),
            _ => None,
        };
        let (x, scale, shift) = match (nodes, op) {
            ([Some(x), None], Binary::Add) => (x, 1.0, number(ids[1])?),
            ([None, Some(x)], Binary::Add) => (x, 1.0, number(ids[0])?),
            ([Some(x), None], Binary::Sub) => (x, 1.0, -number(ids[1])?),
            ([Some(x), None], Binary::Mul) => (x, number(ids[1])?, 0.0),
            ([None, Some(x)], Binary::Mul) => (x, number(ids[0])?, 0.0),
            ([Some(x), None], Binary::Div) => (x, 1.0 / number(ids[1])?, 0.0),
            _ => return None,
        };
        Some((Op::Unary(UnaryOp::ScaleShift { scale, shift }), vec![x]))
    }

    fn weight(&mut self, id: ValueId, shape: Option<Vec<usize>>) -> Option<WeightId> {
        let array = self.program.value(id).known.as_ref()?;
        let ArrayData::Float(values) = array.data() else { return None };
        self.weights.push(Arc::clone(values));
        let shape = shape.unwrap_or_else(|| array.shape().to_vec());
        Some(self.net.push_weight(WeightTensor { name: String::new(), shape, data: values.to_vec() }))
    }
}

/// What is optional but must work where it is there.
trait TransposeOption<T> {
    fn transpose_option(self) -> Option<Option<T>>;
}

impl<T> TransposeOption<T> for Option<Option<T>> {
    fn transpose_option(self) -> Option<Option<T>> {
        match self {
            None => Some(None),
            Some(None) => None,
            Some(Some(value)) => Some(Some(value)),
        }
    }
}

fn two(list: &[usize]) -> Option<[usize; 2]> {
    list.try_into().ok()
}

fn padding(window: &ConvWindow) -> Option<Padding> {
    let (&[top, left], &[bottom, right]) = (&window.before[..], &window.after[..]) else { return None };
    Some(Padding { top, left, bottom, right })
}

fn pooling(function: PoolFunction, window: &ConvWindow) -> Option<PoolKind> {
    if window.stride.len() != 2 || window.dilation.iter().any(|&by| by != 1) {
        return None;
    }
    match function {
        PoolFunction::Max => Some(PoolKind::Max),
        PoolFunction::Average { count_pad } => Some(PoolKind::Average { count_pad }),
        PoolFunction::Lp(_) => None,
    }
}

/// The factor of a pixel shuffle that three steps from one on are, in the order of channels that PyTorch has.
fn pixel_shuffle(program: &TensorProgram, index: usize) -> Option<usize> {
    let [split, moved, joined] = program.steps.get(index..index + 3)? else { return None };
    let from = &program.value(split.inputs[0]).shape;
    let parts = &program.value(split.output).shape;
    let chained = moved.inputs[0] == split.output && joined.inputs[0] == moved.output;
    if !chained || split.kernel != Kernel::Reshape || joined.kernel != Kernel::Reshape {
        return None;
    }
    let Kernel::Transpose { permutation } = &moved.kernel else { return None };
    let (&[n, c, h, w], &[n2, depth, b, b2, h2, w2]) = (&from[..], &parts[..]) else { return None };
    let is_shuffle = permutation[..] == [0, 1, 4, 2, 5, 3]
        && [n, c, h, w] == [n2, depth * b * b, h2, w2]
        && b == b2
        && program.value(joined.output).shape == [n, depth, h * b, w * b];
    // Nothing else may look at what is between.
    let others = program.steps.iter().enumerate().any(|(i, step)| {
        (i != index + 1 && step.inputs.contains(&split.output))
            || (i != index + 2 && step.inputs.contains(&moved.output))
    });
    (is_shuffle && !others && program.output != moved.output && program.output != split.output).then_some(b)
}
