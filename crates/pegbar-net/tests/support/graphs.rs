//! Random networks of every operation that keeps to its place in the picture.

use super::Numbers;
use pegbar_net::{
    BinaryOp, Dim, Net, NodeId, Op, PadMode, Padding, PoolKind, ResizeMode, ResizeTarget, UnaryOp, WeightId,
    WeightTensor,
};

/// Values stay below this factor of the picture's sides, and above its inverse.
const MAX_FACTOR: usize = 6;
const MAX_CHANNELS: usize = 24;

struct Graph<'a> {
    net: Net,
    numbers: &'a mut Numbers,
}

impl Graph<'_> {
    fn weight(&mut self, shape: &[usize]) -> WeightId {
        let len: usize = shape.iter().product();
        let inputs = (len / shape[0]).max(1) as f32;
        let data = (0..len).map(|_| self.numbers.signed() / inputs.sqrt()).collect();
        self.net.push_weight(WeightTensor {
            name: format!("w{}", self.net.weights.len()),
            shape: shape.to_vec(),
            data,
        })
    }

    fn padding(&mut self, most: usize) -> Padding {
        let mut side = || self.numbers.below(most + 1);
        Padding { top: side(), left: side(), bottom: side(), right: side() }
    }

    fn maybe_bias(&mut self, channels: usize) -> Option<WeightId> {
        (self.numbers.below(3) > 0).then(|| self.weight(&[channels]))
    }

    /// A random operation on `x`, a value of `channels`, perhaps with another value of the same shape.
    fn operation(&mut self, x: NodeId, channels: usize, twins: &[NodeId]) -> (Op, Vec<NodeId>) {
        let one = |op| (op, vec![x]);
        let twin = twins[self.numbers.below(twins.len())];
        match self.numbers.below(16) {
            0..=2 => {
                let groups = if channels.is_multiple_of(2) { 1 + self.numbers.below(2) } else { 1 };
                let kernel = [1 + self.numbers.below(3), 1 + self.numbers.below(3)];
                let out = groups * (1 + self.numbers.below(6));
                let weight = self.weight(&[out, channels / groups, kernel[0], kernel[1]]);
                let bias = self.maybe_bias(out);
                let stride = [1 + self.numbers.below(4) / 3, 1 + self.numbers.below(4) / 3];
                let dilation = [1 + self.numbers.below(2), 1 + self.numbers.below(2)];
                one(Op::Conv2d { weight, bias, stride, padding: self.padding(2), dilation, groups })
            }
            3 => {
                let groups = if channels.is_multiple_of(2) { 1 + self.numbers.below(2) } else { 1 };
                let kernel = [1 + self.numbers.below(4), 1 + self.numbers.below(4)];
                let per_group = 1 + self.numbers.below(4);
                let weight = self.weight(&[channels, per_group, kernel[0], kernel[1]]);
                let bias = self.maybe_bias(per_group * groups);
                let stride = [1 + self.numbers.below(2), 1 + self.numbers.below(2)];
                let dilation = [1 + self.numbers.below(2), 1 + self.numbers.below(2)];
                let output_padding = [self.numbers.below(stride[0]), self.numbers.below(stride[1])];
                let padding = self.padding(1);
                one(Op::ConvTranspose2d { weight, bias, stride, padding, output_padding, dilation, groups })
            }
            4 => {
                let slope = self.weight(&[channels]);
                one(Op::PRelu { slope })
            }
            5 => {
                let (scale, shift) = (self.weight(&[channels]), self.weight(&[channels]));
                one(Op::ChannelAffine { scale, shift })
            }
            6 => {
                let scale_shift =
                    UnaryOp::ScaleShift { scale: self.numbers.signed(), shift: self.numbers.signed() };
                let ops = [
                    UnaryOp::Relu,
                    UnaryOp::Silu,
                    UnaryOp::Neg,
                    UnaryOp::Tanh,
                    scale_shift,
                    UnaryOp::LeakyRelu(0.1),
                ];
                one(Op::Unary(ops[self.numbers.below(ops.len())]))
            }
            7 => {
                let ops = [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Max];
                (Op::Binary(ops[self.numbers.below(ops.len())]), vec![x, twin])
            }
            8 => {
                let shape = if self.numbers.below(2) == 0 { vec![1, channels, 1, 1] } else { vec![1] };
                let constant = self.weight(&shape);
                let constant = self.net.push("constant", Op::Constant(constant), &[]);
                let ops = [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Min];
                let inputs = if self.numbers.below(2) == 0 { vec![x, constant] } else { vec![constant, x] };
                (Op::Binary(ops[self.numbers.below(ops.len())]), inputs)
            }
            9 => (Op::Concat { axis: 1 }, vec![x, twin]),
            10 => match self.numbers.below(3) {
                0 => {
                    let start = self.numbers.below(channels);
                    let end = start + 1 + self.numbers.below(channels - start);
                    one(Op::Slice { axis: 1, start: start as i64, end: end as i64 })
                }
                axis => {
                    let end = [i64::MAX, -1, -2][self.numbers.below(3)];
                    one(Op::Slice { axis: axis + 1, start: self.numbers.below(3) as i64, end })
                }
            },
            11 => {
                let modes =
                    [PadMode::Constant(0.0), PadMode::Constant(0.5), PadMode::Reflect, PadMode::Replicate];
                let mode = modes[self.numbers.below(4)];
                one(Op::Pad { padding: self.padding(3), mode })
            }
            12 => {
                let modes = [
                    ResizeMode::Nearest,
                    ResizeMode::Bilinear { align_corners: false },
                    ResizeMode::Bicubic { align_corners: false, a: -0.75 },
                ];
                let factors = [[2, 1], [3, 1], [1, 2], [3, 4], [3, 2], [1, 1]];
                let mode = modes[self.numbers.below(3)];
                let height = factors[self.numbers.below(6)];
                let width = if self.numbers.below(3) == 0 { factors[self.numbers.below(6)] } else { height };
                one(Op::Resize { mode, target: ResizeTarget::Scale { height, width } })
            }
            13 => one(Op::PixelShuffle { factor: 2 }),
            14 => one(Op::PixelUnshuffle { factor: 2 }),
            _ => {
                let kinds = [
                    PoolKind::Max,
                    PoolKind::Average { count_pad: true },
                    PoolKind::Average { count_pad: false },
                ];
                let kernel = [2 + self.numbers.below(2), 2 + self.numbers.below(2)];
                let stride = [1 + self.numbers.below(2), 1 + self.numbers.below(2)];
                let kind = kinds[self.numbers.below(3)];
                one(Op::Pool { kind, kernel, stride, padding: self.padding(1) })
            }
        }
    }
}

fn sensible(shape: &[Dim; 4]) -> bool {
    let side = |dim: Dim| match dim {
        Dim::Scaled { num, den, .. } => num <= MAX_FACTOR * den && den <= MAX_FACTOR * num && den <= 8,
        Dim::Fixed(_) => false,
    };
    side(shape[2]) && side(shape[3]) && shape[1].fixed().is_some_and(|c| c <= MAX_CHANNELS)
}

/// A network of about `n_ops` operations. Every value but constants keeps to its place in the picture.
pub(crate) fn random_net(numbers: &mut Numbers, n_ops: usize) -> Net {
    let channels = 1 + numbers.below(4);
    let mut graph = Graph { net: Net::default(), numbers };
    let mut last = graph.net.push("input", Op::Input { channels }, &[]);
    graph.net.output = Some(last);
    for index in 0..n_ops {
        let shapes = graph.net.infer_shapes().expect("every step was checked");
        // Mostly go on from the last value, sometimes branch off an earlier one.
        let x =
            if graph.numbers.below(4) > 0 { last } else { NodeId(graph.numbers.below(shapes.len()) as u32) };
        let shape = shapes[x.0 as usize];
        if !sensible(&shape) {
            continue;
        }
        let twins: Vec<NodeId> =
            (0..shapes.len()).filter(|&i| shapes[i] == shape).map(|i| NodeId(i as u32)).collect();
        let kept = (graph.net.nodes.len(), graph.net.output);
        let (op, inputs) = graph.operation(x, shape[1].fixed().unwrap_or(1), &twins);
        let id = graph.net.push(format!("n{index}"), op, &inputs);
        graph.net.output = Some(id);
        let accepted = graph.net.infer_shapes().is_ok_and(|shapes| sensible(&shapes[id.0 as usize]))
            && graph.net.required_multiple().is_ok_and(|multiple| multiple <= 24)
            && graph.net.required_minimum().is_ok_and(|minimum| minimum.is_some_and(|m| m <= 48));
        if accepted {
            last = id;
        } else {
            graph.net.nodes.truncate(kept.0);
            graph.net.output = kept.1;
        }
    }
    graph.net
}
