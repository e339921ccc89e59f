//! Networks drawn at random against the scalar reference, at every level the machine has.

use pegbar_cpu::{CpuLevel, CpuNet, CpuOptions, CpuPrecision};
use pegbar_net::{
    Attention, BinaryOp, ChannelAttention, Net, NodeId, NormKind, Op, PadMode, Padding, PoolKind, Region,
    ResizeMode, ResizeTarget, Scores, UnaryOp, Value, WeightId, WeightTensor, interpret,
};
use proptest::prelude::*;

/// Numbers from a seed, for weights and pictures.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }

    fn values(&mut self, n: usize, gain: f32) -> Vec<f32> {
        (0..n).map(|_| self.next() * gain).collect()
    }
}

/// Builds a net and keeps the shapes, to offer only operations that fit.
struct Builder {
    net: Net,
    noise: Noise,
    /// `[C, H, W]` by node.
    shapes: Vec<[usize; 3]>,
}

impl Builder {
    fn new(channels: usize, height: usize, width: usize, seed: u64) -> Self {
        let mut net = Net::default();
        net.push("input", Op::Input { channels }, &[]);
        Self { net, noise: Noise(seed), shapes: vec![[channels, height, width]] }
    }

    fn push(&mut self, op: Op, inputs: &[usize]) -> usize {
        let name = format!("{}{}", op.name(), self.net.nodes.len());
        let ids: Vec<NodeId> = inputs.iter().map(|&i| NodeId(i as u32)).collect();
        let output = self.net.output;
        let id = self.net.push(name, op, &ids);
        self.net.output = Some(id);
        let [_, h, w] = self.shapes[0];
        if self.net.infer_shapes().is_err() || self.net.infer_sizes(2, h, w).is_err() {
            // It fits this size of picture but not every one (a constant as wide as the picture, say), or no batch.
            self.net.nodes.pop();
            self.net.output = output;
            return inputs.first().copied().unwrap_or(0);
        }
        let sizes = self.net.infer_sizes(1, h, w).expect("the test offers only operations that fit");
        let [_, c, h, w] = *sizes.last().expect("not empty");
        self.shapes.push([c, h, w]);
        id.0 as usize
    }

    fn weight(&mut self, shape: &[usize], gain: f32) -> WeightId {
        let data = self.noise.values(shape.iter().product(), gain);
        self.net.push_weight(WeightTensor { name: "w".into(), shape: shape.to_vec(), data })
    }
}

/// What one step of the drawing adds; numbers are taken modulo what fits.
#[derive(Debug, Clone)]
enum Draw {
    Conv {
        from: usize,
        cout: usize,
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
        pad: [usize; 4],
        bias: bool,
    },
    Grouped {
        from: usize,
        depthwise: bool,
        kernel: usize,
    },
    Transposed {
        from: usize,
        cout: usize,
        kernel: usize,
        stride: usize,
        pad: usize,
        extra: usize,
    },
    PRelu {
        from: usize,
        shared: bool,
    },
    Affine {
        from: usize,
    },
    Unary {
        from: usize,
        which: usize,
    },
    Binary {
        a: usize,
        b: usize,
        which: usize,
    },
    ByConstant {
        from: usize,
        shape: usize,
        which: usize,
    },
    Concat {
        a: usize,
        b: usize,
        c: usize,
        axis: usize,
    },
    Slice {
        from: usize,
        axis: usize,
        start: usize,
        len: usize,
        from_end: bool,
    },
    Part {
        from: usize,
        axis: usize,
        index: usize,
        count: usize,
    },
    Pad {
        from: usize,
        mode: usize,
        pad: [usize; 4],
    },
    Resize {
        from: usize,
        mode: usize,
        num: [usize; 2],
        den: [usize; 2],
        fixed: bool,
    },
    Shuffle {
        from: usize,
        factor: usize,
    },
    Unshuffle {
        from: usize,
        factor: usize,
    },
    Pool {
        from: usize,
        kind: usize,
        kernel: [usize; 2],
        stride: [usize; 2],
        pad: usize,
    },
    GlobalPool {
        from: usize,
        kind: usize,
    },
    Linear {
        from: usize,
        out: usize,
    },
    Softmax {
        from: usize,
        axis: usize,
    },
    Norm {
        from: usize,
        which: usize,
    },
    Attention {
        from: usize,
        other: usize,
        heads: usize,
        window: [usize; 2],
        shift: [usize; 2],
        which: usize,
    },
}

fn draw() -> impl Strategy<Value = Draw> {
    let n = 0..1000usize;
    let pad4 = || prop::array::uniform4(0..3usize);
    let channels = || prop_oneof![1..9usize, 12..40usize, Just(64), Just(80)];
    prop_oneof![
        6 => (n.clone(), channels(), pad4(), any::<bool>()).prop_map(|(from, cout, pad, bias)| Draw::Conv {
            from, cout, kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pad, bias }),
        3 => (n.clone(), channels(), prop::array::uniform2(1..6usize), prop::array::uniform2(1..4usize),
              prop::array::uniform2(1..3usize), pad4())
            .prop_map(|(from, cout, kernel, stride, dilation, pad)| Draw::Conv {
                from, cout, kernel, stride, dilation, pad, bias: true }),
        1 => (n.clone(), any::<bool>(), 1..6usize).prop_map(|(from, depthwise, kernel)| Draw::Grouped { from, depthwise, kernel }),
        1 => (n.clone(), 1..20usize, 1..5usize, 1..4usize, 0..2usize, 0..2usize)
            .prop_map(|(from, cout, kernel, stride, pad, extra)| Draw::Transposed { from, cout, kernel, stride, pad, extra }),
        2 => (n.clone(), any::<bool>()).prop_map(|(from, shared)| Draw::PRelu { from, shared }),
        1 => n.clone().prop_map(|from| Draw::Affine { from }),
        3 => (n.clone(), 0..20usize).prop_map(|(from, which)| Draw::Unary { from, which }),
        4 => (n.clone(), n.clone(), 0..6usize).prop_map(|(a, b, which)| Draw::Binary { a, b, which }),
        1 => (n.clone(), 0..16usize, 0..6usize).prop_map(|(from, shape, which)| Draw::ByConstant { from, shape, which }),
        4 => (n.clone(), n.clone(), n.clone(), prop_oneof![4 => Just(1), 1 => 2..4usize])
            .prop_map(|(a, b, c, axis)| Draw::Concat { a, b, c, axis }),
        2 => (n.clone(), 1..4usize, n.clone(), n.clone(), any::<bool>())
            .prop_map(|(from, axis, start, len, from_end)| Draw::Slice { from, axis, start, len, from_end }),
        1 => (n.clone(), 2..4usize, 0..3usize, 1..4usize)
            .prop_map(|(from, axis, index, count)| Draw::Part { from, axis, index, count }),
        1 => (n.clone(), 0..3usize, pad4()).prop_map(|(from, mode, pad)| Draw::Pad { from, mode, pad }),
        1 => (n.clone(), 0..5usize, prop::array::uniform2(1..5usize), prop::array::uniform2(1..3usize), any::<bool>())
            .prop_map(|(from, mode, num, den, fixed)| Draw::Resize { from, mode, num, den, fixed }),
        1 => (n.clone(), 2..4usize).prop_map(|(from, factor)| Draw::Shuffle { from, factor }),
        1 => (n.clone(), 2..4usize).prop_map(|(from, factor)| Draw::Unshuffle { from, factor }),
        1 => (n.clone(), 0..3usize, prop::array::uniform2(1..5usize), prop::array::uniform2(1..4usize), 0..3usize)
            .prop_map(|(from, kind, kernel, stride, pad)| Draw::Pool { from, kind, kernel, stride, pad }),
        1 => (n.clone(), 0..3usize).prop_map(|(from, kind)| Draw::GlobalPool { from, kind }),
        1 => (n.clone(), 1..20usize).prop_map(|(from, out)| Draw::Linear { from, out }),
        1 => (n.clone(), 1..4usize).prop_map(|(from, axis)| Draw::Softmax { from, axis }),
        2 => (n.clone(), 0..5usize).prop_map(|(from, which)| Draw::Norm { from, which }),
        2 => (n.clone(), n.clone(), n, prop::array::uniform2(1..9usize), prop::array::uniform2(0..9usize), 0..8usize)
            .prop_map(|(from, other, heads, window, shift, which)| Draw::Attention {
                from, other, heads, window, shift, which }),
    ]
}

fn unary(which: usize) -> UnaryOp {
    match which {
        0 => UnaryOp::Relu,
        1 => UnaryOp::LeakyRelu(0.2),
        2 => UnaryOp::Sigmoid,
        3 => UnaryOp::Silu,
        4 => UnaryOp::Tanh,
        5 => UnaryOp::Gelu,
        6 => UnaryOp::Clip { min: -0.3, max: 0.4 },
        7 => UnaryOp::HardSigmoid { alpha: 0.2, beta: 0.5 },
        8 => UnaryOp::HardSwish { alpha: 1.0 / 6.0, beta: 0.5 },
        9 => UnaryOp::Elu(0.7),
        10 => UnaryOp::Abs,
        11 => UnaryOp::Neg,
        // Bounded first where the function is steep, in `add`.
        12 => UnaryOp::Exp,
        13 => UnaryOp::Log,
        14 => UnaryOp::Sqrt,
        15 => UnaryOp::Square,
        16 => UnaryOp::Reciprocal,
        17 => UnaryOp::Sin,
        18 => UnaryOp::Cos,
        _ => UnaryOp::ScaleShift { scale: 0.6, shift: 0.1 },
    }
}

const BINARY: [BinaryOp; 6] =
    [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Max, BinaryOp::Min, BinaryOp::Add];

fn pool_kind(which: usize) -> PoolKind {
    [PoolKind::Max, PoolKind::Average { count_pad: true }, PoolKind::Average { count_pad: false }][which]
}

/// Adds one drawn operation; one that does not fit is left out.
fn add(b: &mut Builder, draw: Draw) {
    let n = b.shapes.len();
    let pick = |i: usize| (n - 1) - (i % n.min(5));
    match draw {
        Draw::Conv {
            from,
            cout,
            kernel: [kh, kw],
            stride,
            dilation,
            pad: [top, left, bottom, right],
            bias,
        } => {
            let from = pick(from);
            let [c, h, w] = b.shapes[from];
            let reach = |k: usize, d: usize| (k - 1) * d + 1;
            if h + top + bottom < reach(kh, dilation[0]) || w + left + right < reach(kw, dilation[1]) {
                return;
            }
            let weight = b.weight(&[cout, c, kh, kw], 3.0 / ((c * kh * kw) as f32).sqrt());
            let bias = bias.then(|| b.weight(&[cout], 0.4));
            let padding = Padding { top, left, bottom, right };
            b.push(Op::Conv2d { weight, bias, stride, padding, dilation, groups: 1 }, &[from]);
        }
        Draw::Grouped { from, depthwise, kernel } => {
            let from = pick(from);
            let c = b.shapes[from][0];
            let groups = if depthwise { c } else { (2..=c).find(|&g| c.is_multiple_of(g)).unwrap_or(1) };
            let cout = if depthwise { c } else { groups * 5 };
            let weight = b.weight(
                &[cout, c / groups, kernel, kernel],
                3.0 / ((c / groups * kernel * kernel) as f32).sqrt(),
            );
            let bias = Some(b.weight(&[cout], 0.4));
            let padding = Padding::all(kernel / 2);
            b.push(Op::Conv2d { weight, bias, stride: [1, 1], padding, dilation: [1, 1], groups }, &[from]);
        }
        Draw::Transposed { from, cout, kernel, stride, pad, extra } => {
            let from = pick(from);
            let [c, h, w] = b.shapes[from];
            let side = |n: usize| ((n - 1) * stride + kernel + extra).checked_sub(2 * pad);
            if h * w > 600 || side(h).is_none_or(|n| n == 0) || side(w).is_none_or(|n| n == 0) {
                return;
            }
            let groups = if c.is_multiple_of(2) { 2 } else { 1 };
            let weight = b.weight(&[c, cout, kernel, kernel], 3.0 / ((c * kernel * kernel) as f32).sqrt());
            let bias = Some(b.weight(&[cout * groups], 0.4));
            let op = Op::ConvTranspose2d {
                weight,
                bias,
                stride: [stride; 2],
                padding: Padding::all(pad),
                output_padding: [extra; 2],
                dilation: [1, 1],
                groups,
            };
            b.push(op, &[from]);
        }
        Draw::PRelu { from, shared } => {
            let from = pick(from);
            let slopes = if shared { 1 } else { b.shapes[from][0] };
            let slope = b.weight(&[slopes], 1.0);
            b.push(Op::PRelu { slope }, &[from]);
        }
        Draw::Affine { from } => {
            let from = pick(from);
            let c = b.shapes[from][0];
            let (scale, shift) = (b.weight(&[c], 2.0), b.weight(&[c], 1.0));
            b.push(Op::ChannelAffine { scale, shift }, &[from]);
        }
        Draw::Unary { from, which } => {
            let mut from = pick(from);
            if (12..=16).contains(&which) {
                from = b.push(Op::Unary(UnaryOp::Clip { min: 0.5, max: 2.0 }), &[from]);
            }
            b.push(Op::Unary(unary(which)), &[from]);
        }
        Draw::Binary { a, b: other, which } => {
            let (a, mut other) = (pick(a), pick(other));
            let fits = |x: [usize; 3], y: [usize; 3]| (0..3).all(|i| x[i] == y[i] || x[i] == 1 || y[i] == 1);
            if !fits(b.shapes[a], b.shapes[other]) {
                other = a;
            }
            b.push(Op::Binary(BINARY[which]), &[a, other]);
        }
        Draw::ByConstant { from, shape, which } => {
            let from = pick(from);
            let [c, h, w] = b.shapes[from];
            let side = |bit: usize, n: usize| if shape & bit == 0 { 1 } else { n };
            let weight = b.weight(&[1, side(1, c), side(2, h), side(4, w)], 2.0);
            let constant = b.push(Op::Constant(weight), &[]);
            let inputs = if shape & 8 == 0 { [from, constant] } else { [constant, from] };
            b.push(Op::Binary(BINARY[which]), &inputs);
        }
        Draw::Concat { a, b: second, c, axis } => {
            let a = pick(a);
            let fits = |i: usize| (0..3).all(|d| d + 1 == axis || b.shapes[i][d] == b.shapes[a][d]);
            let mut inputs = vec![a];
            inputs.extend([pick(second), pick(c)].into_iter().filter(|&i| fits(i)));
            let sizes: Vec<[usize; 3]> = inputs.iter().map(|&i| b.shapes[i]).collect();
            if sizes.iter().map(|s| s[axis - 1]).sum::<usize>() <= 200 {
                b.push(Op::Concat { axis }, &inputs);
            }
        }
        Draw::Slice { from, axis, start, len, from_end } => {
            let from = pick(from);
            let size = b.shapes[from][axis - 1];
            let start = start % size;
            let end = start + 1 + len % (size - start);
            let back = |at: usize| at as i64 - size as i64;
            let (start, end) = match (from_end, end == size) {
                (true, true) => (back(start), i64::MAX),
                (true, false) => (back(start), back(end)),
                (false, _) => (start as i64, end as i64),
            };
            // Both ends must follow the size alike: a range from the start to the end of a size that grows with the
            // picture is another operation.
            b.push(Op::Slice { axis, start, end }, &[from]);
        }
        Draw::Part { from, axis, index, count } => {
            let from = pick(from);
            if b.shapes[from][axis - 1].is_multiple_of(count) {
                b.push(Op::Part { axis, index: index % count, count }, &[from]);
            }
        }
        Draw::Pad { from, mode, pad: [top, left, bottom, right] } => {
            let from = pick(from);
            let [_, h, w] = b.shapes[from];
            let mode = [PadMode::Constant(0.3), PadMode::Reflect, PadMode::Replicate][mode];
            if mode != PadMode::Reflect || (top.max(bottom) < h && left.max(right) < w) {
                b.push(Op::Pad { padding: Padding { top, left, bottom, right }, mode }, &[from]);
            }
        }
        Draw::Resize { from, mode, num, den, fixed } => {
            let from = pick(from);
            let [_, h, w] = b.shapes[from];
            let mode = [
                ResizeMode::Nearest,
                ResizeMode::Bilinear { align_corners: false },
                ResizeMode::Bilinear { align_corners: true },
                ResizeMode::Bicubic { align_corners: false, a: -0.75 },
                ResizeMode::Bicubic { align_corners: true, a: -0.5 },
            ][mode];
            let side = |n: usize, i: usize| n * num[i] / den[i];
            if side(h, 0) == 0 || side(w, 1) == 0 || side(h, 0) * side(w, 1) > 2500 {
                return;
            }
            let target = if fixed {
                ResizeTarget::Size { height: side(h, 0), width: side(w, 1) }
            } else {
                ResizeTarget::Scale { height: [num[0], den[0]], width: [num[1], den[1]] }
            };
            b.push(Op::Resize { mode, target }, &[from]);
        }
        Draw::Shuffle { from, factor } => {
            let from = pick(from);
            let [c, h, w] = b.shapes[from];
            if c % (factor * factor) == 0 && h * w * factor * factor <= 2500 {
                b.push(Op::PixelShuffle { factor }, &[from]);
            }
        }
        Draw::Unshuffle { from, factor } => {
            let from = pick(from);
            let [c, h, w] = b.shapes[from];
            if h % factor == 0 && w % factor == 0 && c * factor * factor <= 200 {
                b.push(Op::PixelUnshuffle { factor }, &[from]);
            }
        }
        Draw::Pool { from, kind, kernel, stride, pad } => {
            let from = pick(from);
            let [_, h, w] = b.shapes[from];
            let pad = pad.min(kernel[0] - 1).min(kernel[1] - 1);
            if h + 2 * pad >= kernel[0] && w + 2 * pad >= kernel[1] {
                b.push(
                    Op::Pool { kind: pool_kind(kind), kernel, stride, padding: Padding::all(pad) },
                    &[from],
                );
            }
        }
        Draw::GlobalPool { from, kind } => {
            b.push(Op::GlobalPool { kind: pool_kind(kind) }, &[pick(from)]);
        }
        Draw::Linear { from, out } => {
            let from = b.push(Op::GlobalPool { kind: PoolKind::Average { count_pad: true } }, &[pick(from)]);
            let c = b.shapes[from][0];
            let weight = b.weight(&[out, c], 3.0 / (c as f32).sqrt());
            let bias = Some(b.weight(&[out], 0.4));
            b.push(Op::Linear { weight, bias }, &[from]);
        }
        Draw::Softmax { from, axis } => {
            b.push(Op::Softmax { axis }, &[pick(from)]);
        }
        Draw::Norm { from, which } => {
            let from = pick(from);
            let c = b.shapes[from][0];
            let (weight, bias) = (b.weight(&[c], 2.0), Some(b.weight(&[c], 1.0)));
            // Not so small that rounding errors of what is nearly constant are made large.
            let eps = 1e-2;
            let op = match which {
                0 => Op::LayerNorm { kind: NormKind::Standard, weight, bias, eps },
                1 => Op::LayerNorm { kind: NormKind::RootMeanSquare, weight, bias: None, eps },
                2 => Op::LayerNorm { kind: NormKind::Deviation, weight, bias: None, eps },
                3 => Op::GroupNorm { groups: 1, weight, bias, eps },
                _ => Op::GroupNorm { groups: c, weight, bias: None, eps },
            };
            b.push(op, &[from]);
        }
        Draw::Attention { from, other, heads, window, shift, which } => {
            let (from, other) = (pick(from), pick(other));
            let [c, h, w] = b.shapes[from];
            let other = if b.shapes[other] == [c, h, w] { other } else { from };
            let divisor =
                |n: usize, most: usize| (1..=n.min(most)).rev().find(|d| n.is_multiple_of(*d)).unwrap_or(1);
            let heads = divisor(c, 1 + heads % 8);
            // Either the window divides the picture, or the picture is continued to where it does.
            let pad_to = (which >= 4).then_some(window);
            let block = match pad_to {
                Some(block) => block,
                None => [divisor(h, window[0]), divisor(w, window[1])],
            };
            let region =
                if pad_to.is_none() && which >= 2 { Region::Grid(block) } else { Region::Blocks(block) };
            let shift = match region {
                Region::Blocks(_) => [shift[0] % block[0], shift[1] % block[1]],
                _ => [0, 0],
            };
            // Of vectors of few values the direction is a matter of rounding where they are short. Vectors are pixels, or in
            // attention between channels (`which` of 3) the values of a channel in a block.
            let vector = if which == 3 { block[0] * block[1] } else { c / heads };
            let scores = if which.is_multiple_of(2) || vector < 4 {
                Scores::Dot(0.4)
            } else {
                Scores::Cosine(b.weight(&[heads], 8.0))
            };
            if which == 0 && pad_to.is_none() {
                let op = ChannelAttention {
                    heads,
                    region: Region::Picture,
                    scores: Scores::Dot(1.0 / (h * w) as f32),
                };
                b.push(Op::ChannelAttention(op), &[from, other, from]);
            } else if which == 3 {
                b.push(
                    Op::ChannelAttention(ChannelAttention { heads, region, scores }),
                    &[other, from, from],
                );
            } else {
                let tokens = block[0] * block[1];
                let bias = Some(b.weight(&[heads, tokens, tokens], 2.0));
                let op = Attention { shift, pad_to, bias, region, ..Attention::blocks(heads, block, scores) };
                b.push(Op::Attention(op), &[from, other, other]);
            }
        }
    }
}

fn check(builder: &mut Builder, batch: usize) -> Result<(), TestCaseError> {
    let [c, h, w] = builder.shapes[0];
    let shape = [batch, c, h, w];
    let input = builder.noise.values(shape.iter().product(), 2.0);
    let net = &builder.net;
    let expected =
        interpret(net, &Value { shape, data: input.clone() }).expect("the reference runs every net");
    let largest = expected.data.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    for level in CpuLevel::available() {
        for (threads, precision, tolerance) in
            [(1, CpuPrecision::Exact, 2e-4), (3, CpuPrecision::Exact, 2e-4), (2, CpuPrecision::Fast, 2e-2)]
        {
            let compiled = CpuNet::compile(net, &CpuOptions { threads, level, precision }).expect("compiles");
            let mut output = vec![f32::NAN; 3];
            let out_shape = compiled.run(shape, &input, &mut output).expect("runs");
            prop_assert_eq!(out_shape, expected.shape);
            for (i, (a, e)) in output.iter().zip(&expected.data).enumerate() {
                prop_assert!(
                    (a - e).abs() <= tolerance * largest,
                    "{level}, {precision:?}, {threads} threads, value {i}: {a}, expected {e}, largest {largest}\n{:#?}\n{:#?}",
                    compiled.explain(),
                    net.nodes
                );
            }
            let again = output.clone();
            compiled.run(shape, &input, &mut output).expect("runs again");
            prop_assert!(again == output, "{level}: a second run differs");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_nets_agree_with_the_reference(
        channels in prop_oneof![1..5usize, 16..34usize],
        height in 1..26usize,
        width in 1..26usize,
        batch in 1..3usize,
        seed in any::<u64>(),
        draws in prop::collection::vec(draw(), 1..10),
    ) {
        let mut builder = Builder::new(channels, height, width, seed);
        for draw in draws {
            add(&mut builder, draw);
        }
        if builder.shapes.len() > 1 {
            check(&mut builder, batch)?;
        }
    }
}
