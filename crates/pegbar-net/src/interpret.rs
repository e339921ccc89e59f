//! The scalar reference: what every engine is measured against.
//!
//! Plain loops over NCHW `f32` values. Sums (convolution, matrix product, pooling, softmax, interpolation) are
//! accumulated in `f64` and rounded once: the result is then independent of the order of summation to within an `f32`
//! rounding, so a difference between an engine and the reference is the engine's alone.

mod attention;
mod conv;
mod elementwise;
mod norm;
mod pool;
mod resize;
mod sample;
mod shuffle;

use crate::shape::slice_bounds;
use crate::tensor::TensorGraph;
use crate::{Net, NetError, Node, Op, PadMode, Padding, WeightId};
use std::rc::Rc;

pub(crate) use elementwise::erf;
pub(crate) use resize::taps as resize_taps;

/// A tensor of values, NCHW.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// `N * C * H * W` values, row-major.
    pub data: Vec<f32>,
}

/// Largest value the reference makes: 8 GiB.
const MAX_ELEMENTS: usize = 1 << 31;

impl Value {
    /// A value of one number everywhere.
    pub fn filled(shape: [usize; 4], with: f32) -> Self {
        Self { shape, data: vec![with; shape.iter().product()] }
    }

    /// The rows of one channel of one picture.
    fn plane(&self, n: usize, c: usize) -> &[f32] {
        let size = self.shape[2] * self.shape[3];
        &self.data[(n * self.shape[1] + c) * size..][..size]
    }

    fn at(&self, n: usize, c: usize, y: usize, x: usize) -> f32 {
        self.data[((n * self.shape[1] + c) * self.shape[2] + y) * self.shape[3] + x]
    }

    /// Makes a value from a function of `(n, c, y, x)`.
    fn generate(shape: [usize; 4], mut f: impl FnMut(usize, usize, usize, usize) -> f32) -> Self {
        let mut data = Vec::with_capacity(shape.iter().product());
        for n in 0..shape[0] {
            for c in 0..shape[1] {
                for y in 0..shape[2] {
                    for x in 0..shape[3] {
                        data.push(f(n, c, y, x));
                    }
                }
            }
        }
        Self { shape, data }
    }
}

/// Runs a network: `[N, channels, H, W]` in, `[N, channels, H * scale, W * scale]` out. The size rule is not applied here;
/// any picture whose shapes work out is taken. A value is freed after its last use.
///
/// # Errors
/// [`NetError`] when the graph is broken or the picture is not one it takes.
pub fn interpret(net: &Net, input: &Value) -> Result<Value, NetError> {
    let [n, channels, h, w] = input.shape;
    let sizes = net.infer_sizes(n, h, w)?;
    if sizes[0][1] != channels || input.data.len() != input.shape.iter().product::<usize>() {
        return Err(NetError::Input {
            expected: format!("{} channels and as many values as its shape says", sizes[0][1]),
            found: format!("shape {:?} with {} values", input.shape, input.data.len()),
        });
    }
    for (node, size) in net.nodes.iter().zip(&sizes) {
        if size.iter().product::<usize>() > MAX_ELEMENTS {
            return Err(NetError::TooLarge {
                node: node.name.clone(),
                op: node.op.name(),
                found: format!("{size:?}"),
                limit: format!("{MAX_ELEMENTS} values"),
            });
        }
    }
    if let Some(graph) = net.tensors() {
        return interpret_tensors(graph, input);
    }
    let output = net.output.map_or(0, |id| id.0 as usize);
    let mut last_use: Vec<usize> = (0..net.nodes.len()).collect();
    for (index, node) in net.nodes.iter().enumerate() {
        for id in &node.inputs {
            last_use[id.0 as usize] = index;
        }
    }
    last_use[output] = usize::MAX;

    let mut values: Vec<Option<Rc<Value>>> = vec![None; net.nodes.len()];
    for (index, node) in net.nodes.iter().enumerate() {
        let value = match node.op {
            Op::Input { .. } => Rc::new(input.clone()),
            _ => {
                let inputs: Vec<Rc<Value>> =
                    node.inputs.iter().filter_map(|id| values[id.0 as usize].clone()).collect();
                let inputs: Vec<&Value> = inputs.iter().map(Rc::as_ref).collect();
                Rc::new(evaluate(net, node, &inputs, sizes[index]))
            }
        };
        if last_use[index] > index {
            values[index] = Some(value);
        }
        for id in &node.inputs {
            if last_use[id.0 as usize] == index {
                values[id.0 as usize] = None;
            }
        }
        if index == output {
            break;
        }
    }
    values[output]
        .take()
        .map(Rc::unwrap_or_clone)
        .ok_or_else(|| NetError::Graph { problem: "it has no output".into() })
}

fn interpret_tensors(graph: &TensorGraph, input: &Value) -> Result<Value, NetError> {
    let [n, channels, h, w] = input.shape;
    let program = graph.program(h, w)?;
    let mut data = vec![];
    for picture in input.data.chunks_exact(channels * h * w) {
        data.extend_from_slice(program.run(picture.to_vec())?.as_floats().unwrap_or_default());
    }
    let shape = [n, graph.output_channels(), h * graph.scale(), w * graph.scale()];
    Ok(Value { shape, data })
}

/// Computes one node. Shape inference has accepted the graph, so inputs and weights fit.
pub(crate) fn evaluate(net: &Net, node: &Node, inputs: &[&Value], out: [usize; 4]) -> Value {
    let weight = |id: WeightId| net.weight(id).data.as_slice();
    let x = inputs.first().copied();
    let Some(x) = x else {
        // Only a constant has no inputs; the picture is handled by the caller.
        let data = node.op.weights().next().map(|id| weight(id).to_vec()).unwrap_or_default();
        return Value { shape: out, data };
    };
    match &node.op {
        // A graph of tensors is the whole net, and run as such.
        Op::Input { .. } | Op::Constant(_) | Op::Tensors(_) => x.clone(),
        Op::Conv2d { weight: kernel, bias, stride, padding, dilation, groups } => {
            let window =
                conv::Window { stride: *stride, padding: *padding, dilation: *dilation, groups: *groups };
            conv::conv2d(x, net.weight(*kernel), bias.map(weight), &window, out)
        }
        Op::ConvTranspose2d { weight: kernel, bias, stride, padding, dilation, groups, .. } => {
            let window =
                conv::Window { stride: *stride, padding: *padding, dilation: *dilation, groups: *groups };
            conv::conv_transpose2d(x, net.weight(*kernel), bias.map(weight), &window, out)
        }
        Op::Linear { weight: matrix, bias } => conv::linear(x, weight(*matrix), bias.map(weight), out),
        Op::PRelu { slope } => elementwise::prelu(x, weight(*slope)),
        Op::ChannelAffine { scale, shift } => elementwise::channel_affine(x, weight(*scale), weight(*shift)),
        Op::Unary(op) => elementwise::unary(x, *op),
        Op::Binary(op) => elementwise::binary(x, inputs[1], *op, out),
        Op::Softmax { axis } => elementwise::softmax(x, *axis),
        Op::Concat { axis } => shuffle::concat(inputs, *axis, out),
        Op::Slice { axis, start, end } => {
            let first = slice_bounds(x.shape[*axis], *start, *end).map_or(0, |(first, _)| first);
            shuffle::slice(x, *axis, first, out)
        }
        Op::Part { axis, index, .. } => shuffle::slice(x, *axis, index * out[*axis], out),
        // More below and to the right is what the result's size says.
        Op::Pad { padding, mode } | Op::PadToMultiple { padding, mode, .. } => pad(x, *padding, *mode, out),
        Op::Crop { .. } => Value::generate(out, |n, c, y, xx| x.at(n, c, y, xx)),
        Op::GridSample { groups, align_corners, beyond } => {
            sample::grid_sample(x, inputs[1], *groups, *align_corners, *beyond, out)
        }
        Op::Resize { mode, target } => resize::resize(x, *mode, *target, out),
        Op::PixelShuffle { factor } => shuffle::pixel_shuffle(x, *factor, out),
        Op::PixelUnshuffle { factor } => shuffle::pixel_unshuffle(x, *factor, out),
        Op::Pool { kind, kernel, stride, padding } => pool::pool(x, *kind, *kernel, *stride, *padding, out),
        Op::AdaptivePool { kind, .. } => pool::adaptive(x, *kind, out),
        Op::LayerNorm { kind, weight: factor, bias, eps } => {
            norm::layer(x, *kind, weight(*factor), bias.map(weight), *eps)
        }
        Op::GroupNorm { groups, weight: factor, bias, eps } => {
            norm::group(x, *groups, weight(*factor), bias.map(weight), *eps)
        }
        Op::Attention(a) => {
            let (factors, bias) = (a.scores.weight().map(weight), a.bias.map(weight));
            attention::pixels(a, [x, inputs[1], inputs[2]], factors, bias, out)
        }
        Op::ChannelAttention(a) => {
            attention::channels(a, true, [x, inputs[1], inputs[2]], a.scores.weight().map(weight))
        }
        Op::ChannelMix(a) => {
            attention::channels(a, false, [x, inputs[1], inputs[2]], a.scores.weight().map(weight))
        }
        Op::SortedAttention(a) => attention::sorted(a, [x, inputs[1], inputs[2], inputs[3]]),
        Op::GlobalPool { kind } => {
            pool::pool(x, *kind, [x.shape[2], x.shape[3]], [1, 1], Padding::all(0), out)
        }
    }
}

fn pad(x: &Value, padding: Padding, mode: PadMode, out: [usize; 4]) -> Value {
    // Place in the source, or none for the constant border.
    let source = |at: usize, before: usize, size: usize| -> Option<usize> {
        let at = at as i64 - before as i64;
        let last = size as i64 - 1;
        let inside = match mode {
            PadMode::Constant(_) => return (0..=last).contains(&at).then_some(at as usize),
            PadMode::Replicate => at.clamp(0, last),
            PadMode::Reflect if at < 0 => -at,
            PadMode::Reflect if at > last => 2 * last - at,
            PadMode::Reflect => at,
        };
        Some(inside as usize)
    };
    let border = if let PadMode::Constant(value) = mode { value } else { 0.0 };
    Value::generate(out, |n, c, y, xx| {
        match (source(y, padding.top, x.shape[2]), source(xx, padding.left, x.shape[3])) {
            (Some(y), Some(xx)) => x.at(n, c, y, xx),
            _ => border,
        }
    })
}
