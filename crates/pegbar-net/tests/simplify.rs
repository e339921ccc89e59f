//! Simplified networks compute the same and are what they should be.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use pegbar_net::{
    BinaryOp, Model, Net, NodeId, Op, PadMode, Padding, ResizeMode, ResizeTarget, UnaryOp, Value,
    WeightTensor, interpret,
};
use support::{Numbers, graphs::random_net, max_abs_err, shared};

struct Builder {
    net: Net,
    numbers: Numbers,
}

impl Builder {
    fn new(channels: usize) -> (Self, NodeId) {
        let mut net = Net::default();
        let x = net.push("input", Op::Input { channels }, &[]);
        (Self { net, numbers: Numbers(11) }, x)
    }

    fn op(&mut self, op: Op, inputs: &[NodeId]) -> NodeId {
        self.net.push(format!("n{}", self.net.nodes.len()), op, inputs)
    }

    fn constant(&mut self, shape: &[usize], data: &[f32]) -> NodeId {
        let weight = self.net.push_weight(WeightTensor {
            name: "c".into(),
            shape: shape.to_vec(),
            data: data.to_vec(),
        });
        self.op(Op::Constant(weight), &[])
    }

    fn random(&mut self, shape: &[usize]) -> pegbar_net::WeightId {
        let data = (0..shape.iter().product()).map(|_| self.numbers.signed() * 0.5).collect();
        self.net.push_weight(WeightTensor { name: "w".into(), shape: shape.to_vec(), data })
    }

    fn conv(&mut self, x: NodeId, [out, input]: [usize; 2], padding: usize) -> NodeId {
        let (weight, bias) = (self.random(&[out, input, 3, 3]), Some(self.random(&[out])));
        let padding = Padding::all(padding);
        self.op(Op::Conv2d { weight, bias, stride: [1, 1], padding, dilation: [1, 1], groups: 1 }, &[x])
    }

    fn affine(&mut self, x: NodeId, channels: usize) -> NodeId {
        let (scale, shift) = (self.random(&[channels]), self.random(&[channels]));
        self.op(Op::ChannelAffine { scale, shift }, &[x])
    }

    /// Simplifies; checks that the result is the same; returns it.
    fn finish(mut self, output: NodeId) -> Net {
        self.net.output = Some(output);
        let Op::Input { channels } = self.net.nodes[0].op else { panic!() };
        let input = self.numbers.value([2, channels, 12, 8]);
        let simplified = self.net.simplified();
        simplified.validate().unwrap();
        let error =
            max_abs_err(&interpret(&self.net, &input).unwrap(), &interpret(&simplified, &input).unwrap());
        assert!(error < 1e-5, "differs by {error}");
        assert!(simplified.nodes.len() <= self.net.nodes.len());
        simplified
    }
}

fn names(net: &Net) -> Vec<&'static str> {
    net.nodes.iter().map(|node| node.op.name()).collect()
}

const fn scale_shift(scale: f32, shift: f32) -> Op {
    Op::Unary(UnaryOp::ScaleShift { scale, shift })
}

const fn resize(mode: ResizeMode, num: usize, den: usize) -> Op {
    Op::Resize { mode, target: ResizeTarget::Scale { height: [num, den], width: [num, den] } }
}

#[test]
fn random_networks_compute_the_same() {
    let mut shorter = 0;
    for seed in 1..=400 {
        let mut numbers = Numbers(seed * 0x0765_4321);
        let net = random_net(&mut numbers, 14);
        let simplified = net.simplified();
        simplified.validate().unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert!(simplified.nodes.len() <= net.nodes.len(), "seed {seed}");
        shorter += usize::from(simplified.nodes.len() < net.nodes.len());
        let multiple = net.required_multiple().unwrap();
        let size = (net.required_minimum().unwrap().unwrap() + 9).next_multiple_of(multiple);
        let Op::Input { channels } = net.nodes[0].op else { panic!() };
        let input = numbers.value([1, channels, size, size + multiple]);
        let (a, b) = (interpret(&net, &input).unwrap(), interpret(&simplified, &input).unwrap());
        let largest = a.data.iter().fold(1.0f32, |max, v| max.max(v.abs()));
        let error = max_abs_err(&a, &b);
        assert!(error <= 1e-5 * largest, "seed {seed}: {error} of {largest}");
        // A second time changes nothing.
        assert_eq!(simplified.simplified(), simplified, "seed {seed}");
    }
    assert!(shorter > 200, "only {shorter} of 400 became shorter");
}

#[test]
fn what_does_nothing_goes() {
    let (mut b, input) = Builder::new(3);
    let mut x = b.op(scale_shift(1.0, 0.0), &[input]);
    x = b.op(resize(ResizeMode::Nearest, 3, 3), &[x]);
    x = b.op(Op::Pad { padding: Padding::all(0), mode: PadMode::Reflect }, &[x]);
    x = b.op(Op::Slice { axis: 1, start: 0, end: 3 }, &[x]);
    x = b.op(Op::Slice { axis: 2, start: 0, end: i64::MAX }, &[x]);
    x = b.op(Op::Concat { axis: 1 }, &[x]);
    x = b.op(Op::PixelShuffle { factor: 1 }, &[x]);
    x = b.op(Op::Unary(UnaryOp::Clip { min: f32::NEG_INFINITY, max: f32::INFINITY }), &[x]);
    let dead = b.op(Op::Unary(UnaryOp::Tanh), &[input]);
    b.op(Op::Binary(BinaryOp::Add), &[dead, x]);
    x = b.op(Op::Unary(UnaryOp::Relu), &[x]);
    let net = b.finish(x);
    assert_eq!(names(&net), ["Input", "Relu"]);
}

#[test]
fn shuffle_and_unshuffle_cancel() {
    let (mut b, input) = Builder::new(3);
    let mut x = b.op(Op::PixelUnshuffle { factor: 2 }, &[input]);
    x = b.op(Op::PixelShuffle { factor: 2 }, &[x]);
    x = b.op(Op::Unary(UnaryOp::Relu), &[x]);
    assert_eq!(names(&b.finish(x)), ["Input", "Relu"]);
    let (mut b, input) = Builder::new(4);
    let mut x = b.op(Op::PixelShuffle { factor: 2 }, &[input]);
    x = b.op(Op::PixelUnshuffle { factor: 2 }, &[x]);
    x = b.op(Op::Unary(UnaryOp::Relu), &[x]);
    assert_eq!(names(&b.finish(x)), ["Input", "Relu"]);
}

#[test]
fn affine_steps_behind_a_convolution_are_its_own() {
    let (mut b, input) = Builder::new(3);
    let mut x = b.conv(input, [5, 3], 1);
    x = b.affine(x, 5);
    x = b.op(scale_shift(0.2, 0.1), &[x]);
    x = b.op(Op::Unary(UnaryOp::Neg), &[x]);
    assert_eq!(names(&b.finish(x)), ["Input", "Conv2d"]);
}

#[test]
fn transposed_convolutions_and_matrices_take_them_too() {
    let (mut b, input) = Builder::new(4);
    let (weight, bias) = (b.random(&[4, 3, 3, 3]), None);
    let op = Op::ConvTranspose2d {
        weight,
        bias,
        stride: [2, 2],
        padding: Padding::all(1),
        output_padding: [1, 1],
        dilation: [1, 1],
        groups: 2,
    };
    let mut x = b.op(op, &[input]);
    x = b.affine(x, 6);
    assert_eq!(names(&b.finish(x)), ["Input", "ConvTranspose2d"]);
    let (mut b, input) = Builder::new(4);
    let mut x = b.op(Op::GlobalPool { kind: pegbar_net::PoolKind::Max }, &[input]);
    let weight = b.random(&[6, 4]);
    x = b.op(Op::Linear { weight, bias: None }, &[x]);
    x = b.affine(x, 6);
    assert_eq!(names(&b.finish(x)), ["Input", "GlobalPool", "Linear"]);
}

/// Zeros around the picture are not shifted, so a shift before a padded convolution stays.
#[test]
fn a_shift_before_a_padded_convolution_stays() {
    let (mut b, input) = Builder::new(3);
    let mut x = b.affine(input, 3);
    x = b.conv(x, [4, 3], 1);
    assert_eq!(names(&b.finish(x)), ["Input", "ChannelAffine", "Conv2d"]);
    let (mut b, input) = Builder::new(3);
    let mut x = b.affine(input, 3);
    x = b.conv(x, [4, 3], 0);
    assert_eq!(names(&b.finish(x)), ["Input", "Conv2d"]);
    let (mut b, input) = Builder::new(3);
    let mut x = b.op(scale_shift(255.0, 0.0), &[input]);
    x = b.op(scale_shift(1.0 / 255.0, 0.0), &[x]);
    x = b.conv(x, [4, 3], 1);
    assert_eq!(names(&b.finish(x)), ["Input", "Conv2d"]);
}

#[test]
fn values_with_other_readers_stay_what_they_are() {
    let (mut b, input) = Builder::new(3);
    let conv = b.conv(input, [3, 3], 1);
    let x = b.op(scale_shift(0.2, 0.0), &[conv]);
    let x = b.op(Op::Binary(BinaryOp::Mul), &[x, conv]);
    assert_eq!(names(&b.finish(x)), ["Input", "Conv2d", "ScaleShift", "Mul"]);
}

#[test]
fn constants_are_folded() {
    let (mut b, input) = Builder::new(3);
    let (one, two) = (b.constant(&[1], &[3.0]), b.constant(&[1, 3, 1, 1], &[1.0, 2.0, 4.0]));
    let product = b.op(Op::Binary(BinaryOp::Mul), &[one, two]);
    let mut x = b.op(Op::Binary(BinaryOp::Sub), &[product, input]);
    let half = b.constant(&[], &[2.0]);
    x = b.op(Op::Binary(BinaryOp::Div), &[x, half]);
    assert_eq!(names(&b.finish(x)), ["Input", "ChannelAffine"]);
}

#[test]
fn exported_silu_is_one_operation() {
    let (mut b, input) = Builder::new(3);
    let sigmoid = b.op(Op::Unary(UnaryOp::Sigmoid), &[input]);
    let x = b.op(Op::Binary(BinaryOp::Mul), &[sigmoid, input]);
    assert_eq!(names(&b.finish(x)), ["Input", "Silu"]);
}

#[test]
fn zero_borders_join_the_convolution() {
    let (mut b, input) = Builder::new(3);
    let padding = Padding { top: 1, left: 2, bottom: 0, right: 1 };
    let mut x = b.op(Op::Pad { padding, mode: PadMode::Constant(0.0) }, &[input]);
    x = b.conv(x, [2, 3], 1);
    assert_eq!(names(&b.finish(x)), ["Input", "Conv2d"]);
    let (mut b, input) = Builder::new(3);
    let mut x = b.op(Op::Pad { padding, mode: PadMode::Constant(1.0) }, &[input]);
    x = b.conv(x, [2, 3], 1);
    assert_eq!(names(&b.finish(x)), ["Input", "Pad", "Conv2d"]);
}

#[test]
fn joins_of_joins_are_one() {
    let (mut b, input) = Builder::new(2);
    let inner = b.op(Op::Concat { axis: 1 }, &[input, input]);
    let x = b.op(Op::Concat { axis: 1 }, &[inner, input]);
    let net = b.finish(x);
    assert_eq!(names(&net), ["Input", "Concat"]);
    assert_eq!(net.nodes[1].inputs, [NodeId(0); 3]);
}

/// A 4x network with a step down behind it, as the 2x and 3x files of realesr-animevideov3 are made.
fn enlarge_then_shrink(factor: usize, num: usize, den: usize) -> Net {
    let (mut b, input) = Builder::new(3);
    let mut x = b.conv(input, [3 * factor * factor, 3], 1);
    x = b.op(Op::PixelShuffle { factor }, &[x]);
    let base = b.op(resize(ResizeMode::Nearest, factor, 1), &[input]);
    x = b.op(Op::Binary(BinaryOp::Add), &[x, base]);
    x = b.op(resize(ResizeMode::Bilinear { align_corners: false }, num, den), &[x]);
    b.finish(x)
}

#[test]
fn a_shrunk_shuffle_is_a_smaller_shuffle() {
    let net = enlarge_then_shrink(4, 1, 2);
    assert_eq!(names(&net), ["Input", "Conv2d", "PixelShuffle", "Resize", "Add"]);
    assert!(matches!(net.nodes[2].op, Op::PixelShuffle { factor: 2 }));
    let net = enlarge_then_shrink(4, 3, 4);
    assert!(matches!(net.nodes[2].op, Op::PixelShuffle { factor: 3 }));
    let net = enlarge_then_shrink(4, 1, 4);
    assert_eq!(names(&net), ["Input", "Conv2d", "Add"]);
    // A block of three does not become whole pixels.
    let net = enlarge_then_shrink(3, 1, 2);
    assert_eq!(names(&net), ["Input", "Conv2d", "PixelShuffle", "Resize", "Add", "Resize"]);
}

#[test]
fn simplification_of_published_networks_is_exact_to_rounding() {
    let Some(folder) = shared("simplification of golden models", "golden") else { return };
    // 0.2 in front of each residual sum disappears into the convolution before it.
    let model = Model::from_file(&folder.join("esrgan_x4_old.pth")).unwrap();
    let simplified = model.net.simplified();
    assert_eq!(names(&model.net).iter().filter(|&&name| name == "ScaleShift").count(), 4);
    assert_eq!(names(&simplified).iter().filter(|&&name| name == "ScaleShift").count(), 1);
    assert_eq!(simplified.parameters(), model.net.parameters());
    assert_eq!(simplified.size_rule, model.net.size_rule);
}

/// The 2x and 3x files of this model are the 4x file with a step down behind it. Simplified they are a 2x and a 3x
/// network, with the same picture.
#[test]
fn a_4x_model_with_a_step_down_becomes_a_smaller_model() {
    let Some(folder) = shared("realesr-animevideov3", "models") else { return };
    let base = folder.join("realesr-animevideov3-x4");
    let param = std::fs::read_to_string(base.with_extension("param")).unwrap();
    let four = Model::from_file(&base.with_extension("param")).unwrap();
    assert_eq!((four.scale, four.net.parameters()), (4, 621_424));
    let copies = tempfile::tempdir().unwrap();
    for (scale, factor) in [(2, "0.5"), (3, "0.75")] {
        let copy = copies.path().join(format!("x{scale}.param"));
        let deeper = param.replacen("40 41", "41 42", 1).replace(" 106 111 output", " 106 111 enlarged");
        std::fs::write(&copy, format!("{deeper}Interp down 1 1 enlarged output 0=2 1={factor} 2={factor}\n"))
            .unwrap();
        std::fs::copy(base.with_extension("bin"), copy.with_extension("bin")).unwrap();
        let model = Model::from_file(&copy).unwrap();
        assert_eq!(model.scale, scale);
        let simplified = model.net.simplified();
        let input = Numbers(21).value([1, 3, 14, 11]);
        let error =
            max_abs_err(&interpret(&model.net, &input).unwrap(), &interpret(&simplified, &input).unwrap());
        assert!(error < 1e-5, "{scale}x differs by {error}");
        // As large as a network trained for that scale: its last convolution makes 3 * scale^2 channels.
        assert_eq!(simplified.parameters(), 621_424 - (16 - scale * scale) * 3 * (64 * 9 + 1));
        assert!(names(&simplified).iter().filter(|&&name| name == "Resize").count() == 1);
    }
}

#[test]
fn a_broken_graph_is_returned_as_it_is() {
    let (mut b, input) = Builder::new(3);
    let x = b.op(Op::PixelShuffle { factor: 2 }, &[input]);
    b.net.output = Some(x);
    assert_eq!(b.net.simplified(), b.net);
    assert!(interpret(&b.net, &Value::filled([1, 3, 2, 2], 0.0)).is_err());
}

/// Folding what follows into one of the layers would take a copy of the weight.
#[test]
fn a_weight_that_layers_share_is_not_copied() {
    let (mut b, x) = Builder::new(4);
    let weight = b.random(&[4, 4, 1, 1]);
    let mut y = x;
    for _ in 0..3 {
        let padding = Padding::default();
        let op = Op::Conv2d { weight, bias: None, stride: [1, 1], padding, dilation: [1, 1], groups: 1 };
        y = b.op(op, &[y]);
        y = b.affine(y, 4);
    }
    let simplified = b.finish(y);
    let kernels = simplified.weights.iter().filter(|weight| weight.shape == [4, 4, 1, 1]).count();
    assert_eq!(kernels, 1, "{:#?}", simplified.nodes);
}
