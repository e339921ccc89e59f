//! Every operation against numbers worked out by hand or given in the documentation of PyTorch and ONNX.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use pegbar_net::{
    BinaryOp, Net, NodeId, Op, PadMode, Padding, PoolKind, ResizeMode, ResizeTarget, UnaryOp, Value,
    WeightId, WeightTensor, interpret,
};

fn value(shape: [usize; 4], data: &[f32]) -> Value {
    Value { shape, data: data.to_vec() }
}

fn counting(shape: [usize; 4], from: f32) -> Value {
    let data: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| i as f32 + from).collect();
    Value { shape, data }
}

/// Runs one operation, made from a function that may add weights.
fn run(input: &Value, build: impl FnOnce(&mut Net, NodeId) -> NodeId) -> Value {
    let mut net = Net::default();
    let x = net.push("input", Op::Input { channels: input.shape[1] }, &[]);
    net.output = Some(build(&mut net, x));
    net.validate().unwrap();
    interpret(&net, input).unwrap()
}

fn run_op(input: &Value, op: Op) -> Value {
    run(input, |net, x| net.push("op", op, &[x]))
}

fn weight(net: &mut Net, shape: &[usize], data: &[f32]) -> WeightId {
    net.push_weight(WeightTensor { name: "w".into(), shape: shape.to_vec(), data: data.to_vec() })
}

fn close(found: &Value, shape: [usize; 4], expected: &[f32]) {
    let error = support::max_abs_err(found, &value(shape, expected));
    assert!(error < 1e-5, "{found:?} is not {expected:?}");
}

fn conv(
    input: &Value,
    kernel: (&[usize], &[f32]),
    bias: Option<&[f32]>,
    stride: usize,
    pad: usize,
    dilation: usize,
    groups: usize,
) -> Value {
    run(input, |net, x| {
        let op = Op::Conv2d {
            weight: weight(net, kernel.0, kernel.1),
            bias: bias.map(|b| weight(net, &[b.len()], b)),
            stride: [stride, stride],
            padding: Padding::all(pad),
            dilation: [dilation, dilation],
            groups,
        };
        net.push("conv", op, &[x])
    })
}

#[test]
fn convolution() {
    let x = counting([1, 1, 5, 5], 0.0);
    let ones = [1.0; 9];
    let kernel = (&[1, 1, 3, 3][..], &ones[..]);
    #[rustfmt::skip]
    close(&conv(&x, kernel, None, 1, 1, 1, 1), [1, 1, 5, 5], &[
        12., 21., 27., 33., 24., 33., 54., 63., 72., 51., 63., 99., 108., 117., 81.,
        93., 144., 153., 162., 111., 72., 111., 117., 123., 84.,
    ]);
    close(
        &conv(&x, kernel, Some(&[1.0]), 1, 0, 1, 1),
        [1, 1, 3, 3],
        &[55., 64., 73., 100., 109., 118., 145., 154., 163.],
    );
    let tall = counting([1, 1, 7, 5], 0.0);
    close(
        &conv(&tall, kernel, None, 2, 1, 1, 1),
        [1, 1, 4, 3],
        &[12., 27., 24., 63., 108., 81., 123., 198., 141., 112., 177., 124.],
    );
    // Dilated, the nine taps are the corners, edges and centre of the picture.
    close(&conv(&x, kernel, None, 1, 0, 2, 1), [1, 1, 1, 1], &[108.0]);
    // Cross-correlation: the kernel is not turned.
    let step = value([1, 1, 1, 3], &[1., 10., 100.]);
    close(&conv(&step, (&[1, 1, 1, 3], &[1., 2., 3.]), None, 1, 0, 1, 1), [1, 1, 1, 1], &[321.0]);
    // Two groups see one channel each.
    let two = value([1, 2, 1, 2], &[1., 2., 3., 4.]);
    close(
        &conv(&two, (&[2, 1, 1, 1], &[10., 100.]), None, 1, 0, 1, 2),
        [1, 2, 1, 2],
        &[10., 20., 300., 400.],
    );
    // Two pictures do not mix.
    let batch = value([2, 1, 1, 1], &[1., 2.]);
    close(&conv(&batch, (&[1, 1, 1, 1], &[5.0]), None, 1, 0, 1, 1), [2, 1, 1, 1], &[5., 10.]);
}

#[test]
fn uneven_padding_and_strides() {
    let x = counting([1, 1, 2, 3], 1.0);
    let found = run(&x, |net, x| {
        let op = Op::Conv2d {
            weight: weight(net, &[1, 1, 1, 2], &[1., 1.]),
            bias: None,
            stride: [1, 2],
            padding: Padding { top: 1, left: 0, bottom: 0, right: 2 },
            dilation: [1, 1],
            groups: 1,
        };
        net.push("conv", op, &[x])
    });
    close(&found, [1, 1, 3, 2], &[0., 0., 3., 3., 9., 6.]);
}

fn transposed(
    x: &Value,
    kernel: (&[usize], &[f32]),
    stride: [usize; 2],
    padding: Padding,
    output_padding: [usize; 2],
    dilation: usize,
    groups: usize,
) -> Value {
    run(x, |net, x| {
        let weight = weight(net, kernel.0, kernel.1);
        let dilation = [dilation, dilation];
        let op =
            Op::ConvTranspose2d { weight, bias: None, stride, padding, output_padding, dilation, groups };
        net.push("deconv", op, &[x])
    })
}

#[test]
fn transposed_convolution() {
    let x = counting([1, 1, 3, 3], 0.0);
    let one = [
        0., 1., 3., 3., 2., 3., 8., 15., 12., 7., 9., 21., 36., 27., 15., 9., 20., 33., 24., 13., 6., 13.,
        21., 15., 8.,
    ];
    let two: Vec<f32> = one.iter().chain(&one).copied().collect();
    close(
        &transposed(&x, (&[1, 2, 3, 3], &[1.0; 18]), [1, 1], Padding::all(0), [0, 0], 1, 1),
        [1, 2, 5, 5],
        &two,
    );
    let x = value([1, 1, 3, 3], &[3., 8., 1., 9., 5., 7., 3., 2., 6.]);
    #[rustfmt::skip]
    close(&transposed(&x, (&[1, 1, 2, 2], &[7., 2., 1., 9.]), [1, 1], Padding::all(0), [0, 0], 2, 1), [1, 1, 5, 5], &[
        21., 56., 13., 16., 2., 63., 35., 67., 10., 14., 24., 22., 76., 76., 21., 9., 5., 88., 45., 63., 3., 2., 33., 18., 54.,
    ]);
    // Stride 2 leaves gaps, the cut takes one row and column off, the output padding adds one.
    let x = value([1, 1, 2, 2], &[1., 2., 3., 4.]);
    let cut = Padding { top: 1, left: 1, bottom: 0, right: 0 };
    close(
        &transposed(&x, (&[1, 1, 2, 2], &[1., 10., 100., 1000.]), [2, 2], cut, [0, 1], 1, 1),
        [1, 1, 3, 4],
        &[1000., 200., 2000., 0., 30., 4., 40., 0., 3000., 400., 4000., 0.],
    );
    let x = value([1, 2, 1, 1], &[2., 3.]);
    close(
        &transposed(&x, (&[2, 1, 1, 1], &[10., 100.]), [1, 1], Padding::all(0), [0, 0], 1, 2),
        [1, 2, 1, 1],
        &[20., 300.],
    );
}

#[test]
fn channelwise() {
    let x = value([1, 2, 1, 2], &[-1., 2., -3., 4.]);
    let prelu = |slopes: &[f32]| {
        run(&x, |net, x| {
            let slope = weight(net, &[slopes.len()], slopes);
            net.push("prelu", Op::PRelu { slope }, &[x])
        })
    };
    close(&prelu(&[0.5, 0.1]), [1, 2, 1, 2], &[-0.5, 2., -0.3, 4.]);
    close(&prelu(&[0.5]), [1, 2, 1, 2], &[-0.5, 2., -1.5, 4.]);
    let affine = run(&x, |net, x| {
        let op =
            Op::ChannelAffine { scale: weight(net, &[2], &[2., 3.]), shift: weight(net, &[2], &[1., -1.]) };
        net.push("affine", op, &[x])
    });
    close(&affine, [1, 2, 1, 2], &[-1., 5., -10., 11.]);
}

#[test]
fn arithmetic_broadcasts() {
    let x = value([1, 2, 1, 2], &[1., 2., 3., 4.]);
    let with = |op, shape: &[usize], data: &[f32]| {
        run(&x, |net, x| {
            let constant = weight(net, shape, data);
            let constant = net.push("c", Op::Constant(constant), &[]);
            net.push("op", Op::Binary(op), &[x, constant])
        })
    };
    close(&with(BinaryOp::Add, &[], &[10.]), [1, 2, 1, 2], &[11., 12., 13., 14.]);
    close(&with(BinaryOp::Mul, &[2, 1, 1], &[10., 100.]), [1, 2, 1, 2], &[10., 20., 300., 400.]);
    close(&with(BinaryOp::Sub, &[1], &[1.]), [1, 2, 1, 2], &[0., 1., 2., 3.]);
    close(&with(BinaryOp::Div, &[1, 2, 1, 1], &[1., 2.]), [1, 2, 1, 2], &[1., 2., 1.5, 2.]);
    close(&with(BinaryOp::Pow, &[1], &[2.]), [1, 2, 1, 2], &[1., 4., 9., 16.]);
    close(&with(BinaryOp::Max, &[1], &[2.5]), [1, 2, 1, 2], &[2.5, 2.5, 3., 4.]);
    close(&with(BinaryOp::Min, &[1], &[2.5]), [1, 2, 1, 2], &[1., 2., 2.5, 2.5]);
}

#[test]
fn one_channel_spreads_over_several() {
    let found = run(&value([1, 1, 1, 2], &[1., 2.]), |net, x| {
        let constant = weight(net, &[2, 1, 1], &[10., 100.]);
        let constant = net.push("c", Op::Constant(constant), &[]);
        net.push("op", Op::Binary(BinaryOp::Sub), &[constant, x])
    });
    close(&found, [1, 2, 1, 2], &[9., 8., 99., 98.]);
}

#[test]
fn one_value_functions() {
    let x = value([1, 1, 1, 3], &[-1., 0., 4.]);
    for (op, expected) in [
        (UnaryOp::Relu, [0., 0., 4.]),
        (UnaryOp::LeakyRelu(0.2), [-0.2, 0., 4.]),
        (UnaryOp::Sigmoid, [0.268_941_42, 0.5, 0.982_013_8]),
        (UnaryOp::Silu, [-0.268_941_42, 0., 3.928_055]),
        (UnaryOp::Tanh, [-0.761_594_2, 0., 0.999_329_3]),
        (UnaryOp::Gelu, [-0.158_655_25, 0., 3.999_873_4]),
        (UnaryOp::Mish, [-0.303_401_46, 0., 3.997_413]),
        (UnaryOp::Clip { min: -0.5, max: 3. }, [-0.5, 0., 3.]),
        (UnaryOp::HardSigmoid { alpha: 0.2, beta: 0.5 }, [0.3, 0.5, 1.]),
        (UnaryOp::HardSwish { alpha: 0.25, beta: 0.5 }, [-0.25, 0., 4.]),
        (UnaryOp::Elu(2.0), [-1.264_241_1, 0., 4.]),
        (UnaryOp::Abs, [1., 0., 4.]),
        (UnaryOp::Neg, [1., 0., -4.]),
        (UnaryOp::Exp, [0.367_879_44, 1., 54.598_15]),
        (UnaryOp::Square, [1., 0., 16.]),
        (UnaryOp::ScaleShift { scale: 2., shift: 1. }, [-1., 1., 9.]),
    ] {
        close(&run_op(&x, Op::Unary(op)), [1, 1, 1, 3], &expected);
    }
    let x = value([1, 1, 1, 2], &[1., 4.]);
    close(&run_op(&x, Op::Unary(UnaryOp::Log)), [1, 1, 1, 2], &[0., 1.386_294_4]);
    close(&run_op(&x, Op::Unary(UnaryOp::Sqrt)), [1, 1, 1, 2], &[1., 2.]);
    close(&run_op(&x, Op::Unary(UnaryOp::Reciprocal)), [1, 1, 1, 2], &[1., 0.25]);
}

#[test]
fn joining_and_cutting() {
    let x = counting([2, 2, 1, 2], 0.0);
    let joined = run(&x, |net, x| {
        let neg = net.push("neg", Op::Unary(UnaryOp::Neg), &[x]);
        net.push("cat", Op::Concat { axis: 1 }, &[x, neg])
    });
    #[rustfmt::skip]
    close(&joined, [2, 4, 1, 2], &[0., 1., 2., 3., 0., -1., -2., -3., 4., 5., 6., 7., -4., -5., -6., -7.]);
    let wide = run(&x, |net, x| net.push("cat", Op::Concat { axis: 3 }, &[x, x]));
    #[rustfmt::skip]
    close(&wide, [2, 2, 1, 4], &[0., 1., 0., 1., 2., 3., 2., 3., 4., 5., 4., 5., 6., 7., 6., 7.]);
    let x = counting([1, 2, 3, 4], 0.0);
    let slice = |axis, start, end| run_op(&x, Op::Slice { axis, start, end });
    close(&slice(3, 1, -1), [1, 2, 3, 2], &[1., 2., 5., 6., 9., 10., 13., 14., 17., 18., 21., 22.]);
    close(&slice(2, -1, i64::MAX), [1, 2, 1, 4], &[8., 9., 10., 11., 20., 21., 22., 23.]);
    close(&slice(2, -3, -2), [1, 2, 1, 4], &[0., 1., 2., 3., 12., 13., 14., 15.]);
    assert_eq!(slice(1, 1, 2), counting([1, 1, 3, 4], 12.0));
    let part = |axis, index, count| run_op(&x, Op::Part { axis, index, count });
    close(&part(3, 1, 2), [1, 2, 3, 2], &[2., 3., 6., 7., 10., 11., 14., 15., 18., 19., 22., 23.]);
    close(&part(2, 1, 3), [1, 2, 1, 4], &[4., 5., 6., 7., 16., 17., 18., 19.]);
}

#[test]
fn borders() {
    let x = value([1, 1, 2, 3], &[1., 2., 3., 4., 5., 6.]);
    let padding = Padding { top: 1, left: 2, bottom: 0, right: 1 };
    let pad = |mode| run_op(&x, Op::Pad { padding, mode });
    let shape = [1, 1, 3, 6];
    #[rustfmt::skip]
    close(&pad(PadMode::Constant(9.)), shape, &[9., 9., 9., 9., 9., 9., 9., 9., 1., 2., 3., 9., 9., 9., 4., 5., 6., 9.]);
    #[rustfmt::skip]
    close(&pad(PadMode::Reflect), shape, &[6., 5., 4., 5., 6., 5., 3., 2., 1., 2., 3., 2., 6., 5., 4., 5., 6., 5.]);
    #[rustfmt::skip]
    close(&pad(PadMode::Replicate), shape, &[1., 1., 1., 2., 3., 3., 1., 1., 1., 2., 3., 3., 4., 4., 4., 5., 6., 6.]);
}

#[test]
fn borders_to_whole_steps_and_crops() {
    let x = counting([1, 1, 2, 3], 0.0);
    let op = |padding: Padding, mode: PadMode| Op::PadToMultiple { padding, multiple: [2, 4], mode };
    close(
        &run_op(&x, op(Padding::all(0), PadMode::Constant(9.0))),
        [1, 1, 2, 4],
        &[0., 1., 2., 9., 3., 4., 5., 9.],
    );
    let padding = Padding { top: 0, left: 1, bottom: 1, right: 1 };
    #[rustfmt::skip]
    close(&run_op(&x, op(padding, PadMode::Reflect)), [1, 1, 3, 6], &[
        1., 0., 1., 2., 1., 0., 4., 3., 4., 5., 4., 3., 1., 0., 1., 2., 1., 0.,
    ]);
    // The size of what the crop takes is free: the picture need be no multiple of anything.
    let mut net = Net::default();
    let x = net.push("input", Op::Input { channels: 1 }, &[]);
    let padding = Padding { left: 2, ..Padding::default() };
    let whole = net.push("whole", op(padding, PadMode::Replicate), &[x]);
    let half = net.push("half", scaled(ResizeMode::Nearest, 1, 2), &[whole]);
    let double = net.push("double", scaled(ResizeMode::Nearest, 4, 1), &[half]);
    net.output = Some(net.push("crop", Op::Crop { factor: 2 }, &[double, x]));
    net.validate().unwrap();
    assert_eq!(net.required_multiple(), Ok(1));
    assert_eq!(net.receptive_field(), None);
    let input = counting([1, 1, 1, 3], 0.0);
    close(&interpret(&net, &input).unwrap(), [1, 1, 2, 6], &[0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.]);
    let shapes = net.infer_sizes(1, 1, 3).unwrap();
    assert_eq!(shapes[1..], [[1, 1, 2, 6], [1, 1, 1, 3], [1, 1, 4, 12], [1, 1, 2, 6]]);
    // Without the crop it matters.
    net.output = Some(NodeId(3));
    net.nodes.truncate(4);
    assert_eq!(net.required_multiple(), Ok(4));
    net.output = Some(net.push("crop", Op::Crop { factor: 9 }, &[double, x]));
    let error = net.infer_sizes(1, 2, 4).unwrap_err().to_string();
    assert!(error.contains("at least 18") && error.contains("found 4"), "{error}");
}

#[test]
fn resizing_to_the_size_of_another() {
    let mut net = Net::default();
    let x = net.push("input", Op::Input { channels: 1 }, &[]);
    let pool = Op::Pool { kind: PoolKind::Max, kernel: [2, 2], stride: [2, 2], padding: Padding::default() };
    let small = net.push("small", pool, &[x]);
    let mode = ResizeMode::Bilinear { align_corners: false };
    net.output = Some(net.push("large", Op::Resize { mode, target: ResizeTarget::Like }, &[small, x]));
    assert_eq!(net.required_multiple(), Ok(1));
    assert_eq!(net.required_minimum(), Ok(Some(2)));
    // torch.nn.functional.interpolate(max_pool2d(x, 2), (2, 5), mode="bilinear")
    let found = interpret(&net, &counting([1, 1, 2, 5], 0.0)).unwrap();
    close(&found, [1, 1, 2, 5], &[6., 6.2, 7., 7.8, 8., 6., 6.2, 7., 7.8, 8.]);
}

#[test]
fn sampling() {
    let sample =
        |groups: usize, align_corners: bool, beyond: PadMode, x: &Value, places: &[f32], out: [usize; 4]| {
            run(x, |net, x| {
                let places = weight(net, &[1, 2 * groups, out[2], out[3]], places);
                let places = net.push("places", Op::Constant(places), &[]);
                net.push("op", Op::GridSample { groups, align_corners, beyond }, &[x, places])
            })
        };
    let x = counting([1, 2, 2, 2], 0.0);
    let edge = PadMode::Replicate;
    // The second channel is moved by half a pixel to the left and a whole one down.
    let places = [[0.; 4], [-0.5; 4], [0.; 4], [1.; 4]].concat();
    close(
        &sample(2, false, edge, &x, &places, [1, 2, 2, 2]),
        [1, 2, 2, 2],
        &[0., 1., 2., 3., 6., 6.5, 6., 6.5],
    );
    // In pixels of the result, of which there are two to one of the picture's.
    let x = counting([1, 1, 1, 2], 1.0);
    let places = [[0., 0., 0., 1.], [0.; 4]].concat();
    close(&sample(1, false, edge, &x, &places, [1, 1, 1, 4]), [1, 1, 1, 4], &[1., 1.25, 1.75, 2.]);
    let places = [[-1.5, 0., 0., 3.], [0.; 4]].concat();
    close(
        &sample(1, true, PadMode::Constant(9.0), &x, &places, [1, 1, 1, 4]),
        [1, 1, 1, 4],
        &[5., 4. / 3., 5. / 3., 9.],
    );
    let lost = sample(1, false, edge, &x, &[1e30, -1e30, 0., 0.], [1, 1, 1, 2]);
    close(&lost, [1, 1, 1, 2], &[2., 1.]);
}

fn scaled(mode: ResizeMode, num: usize, den: usize) -> Op {
    Op::Resize { mode, target: ResizeTarget::Scale { height: [num, den], width: [num, den] } }
}

const BILINEAR: ResizeMode = ResizeMode::Bilinear { align_corners: false };
const BICUBIC: ResizeMode = ResizeMode::Bicubic { align_corners: false, a: -0.75 };

#[test]
fn linear_and_nearest_resizing() {
    let x = counting([1, 1, 2, 2], 1.0);
    let shape = [1, 1, 4, 4];
    #[rustfmt::skip]
    close(&run_op(&x, scaled(ResizeMode::Nearest, 2, 1)), shape, &[1., 1., 2., 2., 1., 1., 2., 2., 3., 3., 4., 4., 3., 3., 4., 4.]);
    #[rustfmt::skip]
    close(&run_op(&x, scaled(BILINEAR, 2, 1)), shape, &[
        1., 1.25, 1.75, 2., 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3., 3.25, 3.75, 4.,
    ]);
    let third = 1.0 / 3.0;
    #[rustfmt::skip]
    close(&run_op(&x, scaled(ResizeMode::Bilinear { align_corners: true }, 2, 1)), shape, &[
        1., 1. + third, 2. - third, 2., 2. - third, 2., 2. + third, 3. - third,
        2. + third, 3. - third, 3., 3. + third, 3., 3. + third, 4. - third, 4.,
    ]);
    // Nearest by a third takes every third; 3/2 takes 0, 0, 1 (floor of 0, 2/3, 4/3).
    close(&run_op(&counting([1, 1, 3, 6], 0.0), scaled(ResizeMode::Nearest, 1, 3)), [1, 1, 1, 2], &[0., 3.]);
    close(
        &run_op(&counting([1, 1, 2, 2], 0.0), scaled(ResizeMode::Nearest, 3, 2)),
        [1, 1, 3, 3],
        &[0., 0., 1., 0., 0., 1., 2., 2., 3.],
    );
    // Halving averages pairs; there is no anti-aliasing, so a quarter takes the middle two.
    close(&run_op(&counting([1, 1, 2, 4], 0.0), scaled(BILINEAR, 1, 2)), [1, 1, 1, 2], &[2.5, 4.5]);
    close(&run_op(&counting([1, 1, 4, 4], 0.0), scaled(BILINEAR, 1, 4)), [1, 1, 1, 1], &[7.5]);
    // A factor counts as given where the size is rounded down: 5 * 1/2 = 2 rows, a step of 2.
    close(
        &run_op(
            &value([1, 1, 5, 1], &[0., 1., 2., 3., 4.]),
            Op::Resize { mode: BILINEAR, target: ResizeTarget::Scale { height: [1, 2], width: [1, 1] } },
        ),
        [1, 1, 2, 1],
        &[0.5, 2.5],
    );
    // A size makes its own step: 5 rows in 2 is a step of 2.5.
    let size = Op::Resize { mode: BILINEAR, target: ResizeTarget::Size { height: 2, width: 1 } };
    close(&run_op(&value([1, 1, 5, 1], &[0., 1., 2., 3., 4.]), size), [1, 1, 2, 1], &[0.75, 3.25]);
}

#[test]
fn cubic_resizing() {
    let x = counting([1, 1, 4, 4], 1.0);
    let found = run_op(&x, scaled(BICUBIC, 2, 1));
    let row =
        [0.472_656_25, 0.769_531_25, 1.246_093_8, 1.875, 2.281_25, 2.910_156_3, 3.386_718_8, 3.683_593_8];
    close(&support::crop(&found, 0, 0, 1, 8), [1, 1, 1, 8], &row);
    let last = [13.316_406, 13.613_281, 14.089_844, 14.718_75, 15.125, 15.753_906, 16.230_469, 16.527_344];
    close(&support::crop(&found, 7, 0, 1, 8), [1, 1, 1, 8], &last);
    let found = run_op(&x, scaled(ResizeMode::Bicubic { align_corners: true, a: -0.75 }, 2, 1));
    let row = [1., 1.341_107_9, 1.800_291_5, 2.329_446, 2.670_554, 3.199_708_5, 3.658_892, 4.];
    close(&support::crop(&found, 0, 0, 1, 8), [1, 1, 1, 8], &row);
    let found = run_op(&x, scaled(BICUBIC, 4, 5));
    #[rustfmt::skip]
    close(&found, [1, 1, 3, 3], &[
        1.471_191_4, 2.781_25, 4.082_519_5, 6.711_426, 8.021_484, 9.322_754, 11.916_504, 13.226_563, 14.527_832,
    ]);
}

#[test]
fn shuffling() {
    let x = counting([1, 4, 1, 2], 0.0);
    let found = run_op(&x, Op::PixelShuffle { factor: 2 });
    close(&found, [1, 1, 2, 4], &[0., 2., 1., 3., 4., 6., 5., 7.]);
    assert_eq!(run_op(&found, Op::PixelUnshuffle { factor: 2 }), x);
    // Channel order c * f * f + dy * f + dx.
    let x = counting([1, 2, 2, 2], 0.0);
    close(&run_op(&x, Op::PixelUnshuffle { factor: 2 }), [1, 8, 1, 1], &[0., 1., 2., 3., 4., 5., 6., 7.]);
}

#[test]
fn pooling() {
    let x = counting([1, 1, 3, 3], 1.0);
    let pool = |kind, padding| run_op(&x, Op::Pool { kind, kernel: [2, 2], stride: [2, 2], padding });
    let corner = Padding { top: 1, left: 1, bottom: 0, right: 0 };
    close(&pool(PoolKind::Max, Padding::all(0)), [1, 1, 1, 1], &[5.]);
    close(&pool(PoolKind::Max, corner), [1, 1, 2, 2], &[1., 3., 7., 9.]);
    close(&pool(PoolKind::Average { count_pad: true }, corner), [1, 1, 2, 2], &[0.25, 1.25, 2.75, 7.]);
    close(&pool(PoolKind::Average { count_pad: false }, corner), [1, 1, 2, 2], &[1., 2.5, 5.5, 7.]);
    // Padding is minus infinity for the largest value, not zero.
    let negative = value([1, 1, 1, 1], &[-2.]);
    let op = Op::Pool { kind: PoolKind::Max, kernel: [2, 2], stride: [1, 1], padding: corner };
    close(&run_op(&negative, op), [1, 1, 1, 1], &[-2.]);
    let x = value([1, 2, 1, 2], &[1., 3., 5., 9.]);
    close(&run_op(&x, Op::GlobalPool { kind: PoolKind::Max }), [1, 2, 1, 1], &[3., 9.]);
    close(
        &run_op(&x, Op::GlobalPool { kind: PoolKind::Average { count_pad: true } }),
        [1, 2, 1, 1],
        &[2., 7.],
    );
}

/// `torch.nn.functional.adaptive_max_pool2d` and `adaptive_avg_pool2d` of 5 columns to 2, and of 2 to 1.
#[test]
fn pooling_over_even_windows() {
    let x = counting([1, 1, 2, 5], 0.0);
    let op = |kind| Op::AdaptivePool { kind, divisor: [3, 2] };
    close(&run_op(&x, op(PoolKind::Max)), [1, 1, 1, 2], &[7., 9.]);
    close(&run_op(&x, op(PoolKind::Average { count_pad: true })), [1, 1, 1, 2], &[3.5, 5.5]);
}

#[test]
fn matrices() {
    let x = value([2, 2, 1, 1], &[1., 2., 3., 4.]);
    let found = run(&x, |net, x| {
        let pooled = net.push("pool", Op::GlobalPool { kind: PoolKind::Max }, &[x]);
        let op = Op::Linear {
            weight: weight(net, &[3, 2], &[1., 10., 100., 0., 0., 1.]),
            bias: Some(weight(net, &[3], &[0., 0., 0.5])),
        };
        net.push("fc", op, &[pooled])
    });
    close(&found, [2, 3, 1, 1], &[21., 100., 2.5, 43., 300., 4.5]);
    let x = value([1, 2, 1, 2], &[0., 1000., 1.098_612_3, 1000.]);
    close(&run_op(&x, Op::Softmax { axis: 1 }), [1, 2, 1, 2], &[0.25, 0.5, 0.75, 0.5]);
}

#[test]
fn other_inputs_are_refused() {
    let mut net = Net::default();
    let x = net.push("input", Op::Input { channels: 3 }, &[]);
    net.output = Some(x);
    for input in
        [Value::filled([1, 1, 2, 2], 0.0), Value::filled([1, 3, 0, 2], 0.0), value([1, 3, 2, 2], &[0.0; 5])]
    {
        assert!(interpret(&net, &input).is_err(), "{:?}", input.shape);
    }
}
