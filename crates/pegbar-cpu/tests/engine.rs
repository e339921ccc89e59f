//! What callers rely on: bounded memory, results that do not depend on threads, errors in place of panics.

use pegbar_cpu::{CpuError, CpuLevel, CpuNet, CpuOptions, CpuPrecision};
use pegbar_net::{
    BinaryOp, Net, NodeId, Op, Padding, PoolKind, ResizeMode, ResizeTarget, UnaryOp, Value, WeightTensor,
    interpret,
};

struct Noise(u64);

impl Noise {
    fn values(&mut self, n: usize, gain: f32) -> Vec<f32> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * gain
        };
        (0..n).map(|_| next()).collect()
    }
}

fn conv(net: &mut Net, noise: &mut Noise, from: NodeId, cin: usize, cout: usize) -> NodeId {
    let data = noise.values(cout * cin * 9, 3.0 / ((cin * 9) as f32).sqrt());
    let weight = net.push_weight(WeightTensor { name: "w".into(), shape: vec![cout, cin, 3, 3], data });
    let op = Op::Conv2d {
        weight,
        bias: None,
        stride: [1, 1],
        padding: Padding::all(1),
        dilation: [1, 1],
        groups: 1,
    };
    net.push("conv", op, &[from])
}

/// `n` convolutions with activations, then pixel shuffle.
fn chain(features: usize, n: usize) -> Net {
    let (mut net, mut noise) = (Net::default(), Noise(7));
    let mut x = net.push("input", Op::Input { channels: 3 }, &[]);
    let mut channels = 3;
    for _ in 0..n {
        x = conv(&mut net, &mut noise, x, channels, features);
        x = net.push("act", Op::Unary(UnaryOp::LeakyRelu(0.1)), &[x]);
        channels = features;
    }
    x = conv(&mut net, &mut noise, x, features, 12);
    net.output = Some(net.push("shuffle", Op::PixelShuffle { factor: 2 }, &[x]));
    net
}

fn compile(net: &Net, threads: usize) -> CpuNet {
    CpuNet::compile(net, &CpuOptions { threads, level: CpuLevel::detect(), precision: CpuPrecision::Exact })
        .expect("compiles")
}

#[test]
fn working_memory_of_a_compact_network_is_small_and_does_not_grow_with_height() {
    let net = compile(&chain(64, 17), 1);
    let memory = |h, w| net.working_memory_bytes(1, h, w).expect("plans");
    assert!(memory(480, 720) < 60_000_000, "{}", memory(480, 720));
    assert_eq!(memory(480, 720), memory(4800, 720));
    assert!(memory(2160, 3840) < 300_000_000, "{}", memory(2160, 3840));
}

#[test]
fn results_do_not_depend_on_threads() {
    let net = chain(24, 4);
    for (height, width) in [(1, 1), (3, 7), (37, 53), (64, 300)] {
        let shape = [2, 3, height, width];
        let input = Noise(3).values(shape.iter().product(), 1.0);
        let mut alone = vec![];
        compile(&net, 1).run(shape, &input, &mut alone).expect("runs");
        for threads in [2, 5, 16] {
            let mut together = vec![];
            let compiled = compile(&net, threads);
            assert_eq!(compiled.run(shape, &input, &mut together), Ok([2, 3, 2 * height, 2 * width]));
            assert!(alone == together, "{threads} threads, {width}x{height}");
        }
    }
}

/// Large kernels, dense ones and one for each channel, with what is fused into them.
fn large_kernels() -> Net {
    let (mut net, mut noise) = (Net::default(), Noise(11));
    let mut large = |net: &mut Net, from: NodeId, [cin, cout]: [usize; 2], kernel: usize, groups: usize| {
        let taps = cin / groups * kernel * kernel;
        let data = noise.values(cout * taps, 3.0 / (taps as f32).sqrt());
        let shape = vec![cout, cin / groups, kernel, kernel];
        let weight = net.push_weight(WeightTensor { name: "w".into(), shape, data });
        let data = noise.values(cout, 1.0);
        let bias = Some(net.push_weight(WeightTensor { name: "b".into(), shape: vec![cout], data }));
        let padding = Padding::all(kernel / 2);
        let op = Op::Conv2d { weight, bias, stride: [1, 1], padding, dilation: [1, 1], groups };
        net.push("large", op, &[from])
    };
    let picture = net.push("input", Op::Input { channels: 3 }, &[]);
    let first = large(&mut net, picture, [3, 40], 3, 1);
    let some = net.push("some", Op::Slice { axis: 1, start: 0, end: 18 }, &[first]);
    let others = net.push("others", Op::Slice { axis: 1, start: 18, end: 40 }, &[first]);
    let some = large(&mut net, some, [18, 18], 17, 1);
    let joined = net.push("joined", Op::Concat { axis: 1 }, &[some, others]);
    let depthwise = large(&mut net, joined, [40, 40], 13, 40);
    let bent = net.push("bent", Op::Unary(UnaryOp::LeakyRelu(0.2)), &[depthwise]);
    let sum = net.push("sum", Op::Binary(BinaryOp::Add), &[bent, first]);
    let mixed = large(&mut net, sum, [40, 40], 3, 1);
    let curved = large(&mut net, mixed, [40, 20], 9, 1);
    let curved = net.push("curve", Op::Unary(UnaryOp::Gelu), &[curved]);
    let last = large(&mut net, curved, [20, 12], 27, 1);
    net.output = Some(net.push("shuffle", Op::PixelShuffle { factor: 2 }, &[last]));
    net
}

#[test]
fn large_kernels_agree_with_the_interpreter_on_any_threads() {
    let net = large_kernels();
    let by_transforms = CpuNet::compile(&net, &CpuOptions::default()).expect("compiles").explain();
    assert_eq!(by_transforms.iter().filter(|line| line.contains("Fourier")).count(), 4, "{by_transforms:#?}");
    for (height, width) in [(1, 1), (5, 3), (18, 40), (53, 101)] {
        let shape = [1, 3, height, width];
        let picture = Noise(9).values(shape.iter().product(), 1.0);
        let input = Value { shape, data: picture.clone() };
        let expected = interpret(&net, &input).expect("runs").data;
        let range = expected.iter().fold(0f32, |most, v| most.max(v.abs()));
        for level in CpuLevel::available() {
            // Halves between steps round to eleven bits.
            for (precision, tolerance) in [(CpuPrecision::Exact, 1e-5), (CpuPrecision::Fast, 2e-3)] {
                let run = |threads: usize| {
                    let options = CpuOptions { threads, level, precision };
                    let mut output = vec![];
                    let net = CpuNet::compile(&net, &options).expect("compiles");
                    net.run(shape, &picture, &mut output).expect("runs");
                    output
                };
                let alone = run(1);
                let off = alone.iter().zip(&expected).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
                assert!(off < tolerance * range, "{level} {precision:?} {width}x{height}: {off} of {range}");
                for threads in [2, 3, 8] {
                    assert!(
                        run(threads) == alone,
                        "{level} {precision:?} {width}x{height}, {threads} threads"
                    );
                }
            }
        }
    }
}

#[test]
fn one_network_runs_from_several_threads() {
    let net = compile(&chain(16, 3), 1);
    let shape = [1, 3, 40, 33];
    let input = Noise(3).values(shape.iter().product(), 1.0);
    let mut expected = vec![];
    net.run(shape, &input, &mut expected).expect("runs");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let mut output = vec![];
                    net.run(shape, &input, &mut output).expect("runs");
                    assert!(output == expected);
                }
            });
        }
    });
}

#[test]
fn a_global_pool_keeps_its_input_and_frees_it() {
    let (mut net, mut noise) = (Net::default(), Noise(5));
    let mut x = net.push("input", Op::Input { channels: 3 }, &[]);
    x = conv(&mut net, &mut noise, x, 3, 32);
    for _ in 0..6 {
        let y = conv(&mut net, &mut noise, x, 32, 32);
        let pooled = net.push("pool", Op::GlobalPool { kind: PoolKind::Average { count_pad: true } }, &[y]);
        let gate = net.push("gate", Op::Unary(UnaryOp::Sigmoid), &[pooled]);
        x = net.push("mul", Op::Binary(BinaryOp::Mul), &[y, gate]);
    }
    net.output = Some(x);
    let full = 200 * 200 * 32 * 4;
    let memory = compile(&net, 1).working_memory_bytes(1, 200, 200).expect("plans");
    // Twelve values of full height are made, but few of them live at the same time.
    assert!(memory > full && memory < 4 * full, "{memory}, one value takes {full}");
}

#[test]
fn mistakes_are_errors() {
    let net = compile(&chain(16, 2), 1);
    let mut output = vec![];
    let error = net.run([1, 3, 4, 4], &[0.0; 47], &mut output).expect_err("too short");
    assert_eq!(error, CpuError::InputLength { shape: [1, 3, 4, 4], expected: 48, found: 47 });
    let error = net.run([1, 4, 4, 4], &[0.0; 64], &mut output).expect_err("four channels");
    assert_eq!(error, CpuError::InputChannels { expected: 3, found: 4 });
    assert!(matches!(net.run([1, 3, 0, 4], &[], &mut output), Err(CpuError::Net(_))));
    assert!(matches!(net.run([0, 3, 4, 4], &[], &mut output), Err(CpuError::Net(_))));
    let overflow = [usize::MAX, 3, usize::MAX, 2];
    assert_eq!(net.run(overflow, &[], &mut output), Err(CpuError::TooLarge { shape: overflow }));
    assert!(net.working_memory_bytes(1, 1 << 40, 1 << 40).is_err());
    // Absurd, but not impossible: an answer, soon.
    assert!(net.working_memory_bytes(1, 1 << 40, 1).is_ok());
    assert!(net.working_memory_bytes(1, 1, 1 << 40).is_ok());
    let no_threads = CpuOptions { threads: 0, level: CpuLevel::Scalar, precision: CpuPrecision::Exact };
    assert_eq!(CpuNet::compile(&chain(16, 2), &no_threads).map(|_| ()), Err(CpuError::NoThreads));
    assert!(
        CpuNet::compile(
            &Net::default(),
            &CpuOptions { threads: 1, level: CpuLevel::Scalar, precision: CpuPrecision::Exact }
        )
        .is_err()
    );
}

#[test]
fn nan_is_not_hidden() {
    let net = compile(&chain(16, 2), 1);
    let shape = [1, 3, 9, 9];
    let mut input = vec![0.5; 243];
    input[40] = f32::NAN;
    let mut output = vec![];
    net.run(shape, &input, &mut output).expect("runs");
    assert!(output.iter().any(|v| v.is_nan()));
}

#[test]
fn dense_blocks_are_joined_without_copies() {
    let (mut net, mut noise) = (Net::default(), Noise(5));
    let picture = net.push("input", Op::Input { channels: 3 }, &[]);
    let mut x = conv(&mut net, &mut noise, picture, 3, 32);
    for _ in 0..2 {
        let mut parts = vec![x];
        for _ in 0..3 {
            let joined = net.push("cat", Op::Concat { axis: 1 }, &parts);
            let channels = 32 + 16 * (parts.len() - 1);
            let y = conv(&mut net, &mut noise, joined, channels, 16);
            parts.push(net.push("act", Op::Unary(UnaryOp::LeakyRelu(0.2)), &[y]));
        }
        let joined = net.push("cat", Op::Concat { axis: 1 }, &parts);
        let y = conv(&mut net, &mut noise, joined, 80, 32);
        let small = net.push("scale", Op::Unary(UnaryOp::ScaleShift { scale: 0.2, shift: 0.0 }), &[y]);
        x = net.push("add", Op::Binary(BinaryOp::Add), &[small, x]);
    }
    net.output = Some(x);
    let lines = compile(&net, 1).explain();
    assert!(lines.iter().all(|line| !line.contains("copy") && !line.contains("general path")), "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.contains("+ residual")).count(), 2, "{lines:#?}");
    // Picture in, result out, and the convolutions: everything else is fused or free.
    assert_eq!(lines.len(), 2 + 1 + 2 * 4, "{lines:#?}");
}

fn fast(net: &Net, level: CpuLevel) -> CpuNet {
    CpuNet::compile(net, &CpuOptions { threads: 2, level, precision: CpuPrecision::Fast }).expect("compiles")
}

fn scale(net: &mut Net, from: NodeId, scale: f32) -> NodeId {
    net.push("scale", Op::Unary(UnaryOp::ScaleShift { scale, shift: 0.0 }), &[from])
}

/// Convolutions between which values are `gain` times as large as the picture.
fn scaled_chain(gain: f32) -> Net {
    let (mut net, mut noise) = (Net::default(), Noise(11));
    let picture = net.push("input", Op::Input { channels: 3 }, &[]);
    let x = conv(&mut net, &mut noise, picture, 3, 24);
    let x = scale(&mut net, x, gain);
    let x = conv(&mut net, &mut noise, x, 24, 24);
    let x = net.push("act", Op::Unary(UnaryOp::LeakyRelu(0.1)), &[x]);
    let x = conv(&mut net, &mut noise, x, 24, 12);
    net.output = Some(scale(&mut net, x, 1.0 / gain));
    net
}

#[test]
fn values_out_of_the_range_of_halves_are_computed_in_single_precision() {
    let input = Noise(5).values(3 * 20 * 30, 1.0);
    let shape = [1, 3, 20, 30];
    for level in CpuLevel::available() {
        for (gain, leaves) in [(1.0, false), (1e3, false), (1e6, true), (1e30, true), (1e-4, true)] {
            let net = scaled_chain(gain);
            let expected = interpret(&net, &Value { shape, data: input.clone() }).expect("runs");
            let compiled = fast(&net, level);
            let noted = |net: &CpuNet| net.explain().iter().any(|line| line.contains("half floats)"));
            assert!(!noted(&compiled));
            for run in 0..2 {
                let mut output = vec![];
                compiled.run(shape, &input, &mut output).expect("runs");
                let error =
                    output.iter().zip(&expected.data).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
                assert!(error < 2e-3, "{level}, {gain}, run {run}: {error}");
                assert_eq!(noted(&compiled), leaves, "{level}, {gain}: {:#?}", compiled.explain());
            }
        }
    }
}

#[test]
fn a_picture_of_zeros_is_in_range() {
    let compiled = fast(&chain(24, 3), CpuLevel::detect());
    let mut output = vec![];
    compiled.run([1, 3, 16, 16], &vec![0.0; 3 * 256], &mut output).expect("runs");
    assert!(output.iter().all(|&v| v == 0.0));
    assert!(compiled.explain().iter().all(|line| !line.contains("in f32")));
}

#[test]
fn enlargements_and_gates_are_fused() {
    let (mut net, mut noise) = (Net::default(), Noise(3));
    let picture = net.push("input", Op::Input { channels: 3 }, &[]);
    let x = conv(&mut net, &mut noise, picture, 3, 20);
    let y = conv(&mut net, &mut noise, x, 20, 20);
    let attention = net.push("sigmoid", Op::Unary(UnaryOp::Sigmoid), &[y]);
    let attention =
        net.push("centre", Op::Unary(UnaryOp::ScaleShift { scale: 1.0, shift: -0.5 }), &[attention]);
    let sum = net.push("sum", Op::Binary(BinaryOp::Add), &[y, x]);
    let gated = net.push("gated", Op::Binary(BinaryOp::Mul), &[sum, attention]);
    let target = ResizeTarget::Scale { height: [2, 1], width: [2, 1] };
    let large = net.push("large", Op::Resize { mode: ResizeMode::Nearest, target }, &[gated]);
    net.output = Some(conv(&mut net, &mut noise, large, 20, 3));
    let shape = [2, 3, 17, 13];
    let input = noise.values(shape.iter().product(), 1.0);
    let expected = interpret(&net, &Value { shape, data: input.clone() }).expect("runs");
    for precision in [CpuPrecision::Exact, CpuPrecision::Fast] {
        for level in CpuLevel::available() {
            let compiled =
                CpuNet::compile(&net, &CpuOptions { threads: 2, level, precision }).expect("compiles");
            let explained = compiled.explain();
            assert_eq!(explained.len(), 5, "{explained:#?}");
            assert!(explained[2].contains("gate") && explained[3].contains("nearest x2"), "{explained:#?}");
            let mut output = vec![];
            assert_eq!(compiled.run(shape, &input, &mut output).expect("runs"), expected.shape);
            let error = output.iter().zip(&expected.data).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
            let limit = if precision == CpuPrecision::Exact { 1e-5 } else { 2e-3 };
            assert!(error < limit, "{level} {precision:?}: {error}");
        }
    }
}

#[test]
fn callers_side_by_side_get_the_result_of_one() {
    for precision in [CpuPrecision::Exact, CpuPrecision::Fast] {
        let net = chain(24, 4);
        let level = CpuLevel::detect();
        let compiled = CpuNet::compile(&net, &CpuOptions { threads: 2, level, precision }).expect("compiles");
        let shape = [1, 3, 40, 64];
        let input = Noise(9).values(shape.iter().product(), 1.0);
        let mut expected = vec![];
        compiled.run(shape, &input, &mut expected).expect("runs");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut output = vec![];
                    compiled.run_alone(shape, &input, &mut output).expect("runs");
                    assert!(output == expected);
                });
            }
        });
    }
}

#[test]
fn layers_that_share_a_weight_share_its_memory() {
    let pointwise = |n_layers: usize| {
        let (mut net, mut noise) = (Net::default(), Noise(9));
        let data = noise.values(64 * 64, 0.3);
        let weight = net.push_weight(WeightTensor { name: "w".into(), shape: vec![64, 64, 1, 1], data });
        let mut x = net.push("input", Op::Input { channels: 64 }, &[]);
        for layer in 0..n_layers {
            let padding = Padding::all(0);
            let op = Op::Conv2d { weight, bias: None, stride: [1, 1], padding, dilation: [1, 1], groups: 1 };
            x = net.push("conv", op, &[x]);
            // What is fused into a layer is its own.
            let op = if layer % 2 == 0 { UnaryOp::LeakyRelu(0.1) } else { UnaryOp::Sigmoid };
            x = net.push("act", Op::Unary(op), &[x]);
        }
        net.output = Some(x);
        net
    };
    let (one, four) = (compile(&pointwise(1), 1), compile(&pointwise(4), 1));
    assert_eq!(one.weight_bytes(), four.weight_bytes());
    let shape = [1, 64, 5, 9];
    let input = Noise(3).values(shape.iter().product(), 1.0);
    let expected = interpret(&pointwise(4), &Value { shape, data: input.clone() }).expect("runs");
    let mut output = vec![];
    four.run(shape, &input, &mut output).expect("runs");
    assert!(output.iter().zip(&expected.data).all(|(a, e)| (a - e).abs() < 1e-5));
}

#[test]
fn convolutions_of_one_pixel_with_zeros_beside_the_picture_agree_with_the_interpreter() {
    let pads = [[0, 0, 0, 0], [1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 70, 70]];
    for [top, left, bottom, right] in pads {
        let (mut net, mut noise) = (Net::default(), Noise(13));
        let data = noise.values(24 * 16, 1.0);
        let weight = net.push_weight(WeightTensor { name: "w".into(), shape: vec![24, 16, 1, 1], data });
        let picture = net.push("input", Op::Input { channels: 16 }, &[]);
        let op = Op::Conv2d {
            weight,
            bias: None,
            stride: [1, 1],
            padding: Padding { top, left, bottom, right },
            dilation: [1, 1],
            groups: 1,
        };
        net.output = Some(net.push("conv", op, &[picture]));
        let shape = [1, 16, 5, 7];
        let input = noise.values(shape.iter().product(), 1.0);
        let expected = interpret(&net, &Value { shape, data: input.clone() }).expect("runs");
        for level in CpuLevel::available() {
            let mut output = vec![];
            assert_eq!(fast(&net, level).run(shape, &input, &mut output), Ok(expected.shape));
            let error = output.iter().zip(&expected.data).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(error < 1e-2, "{level}, {top} {left} {bottom} {right}: {error}");
        }
    }
}
