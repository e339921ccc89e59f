//! Normalisation and attention against the scalar reference, at every level the machine has, on pictures of several
//! rounds.

use pegbar_cpu::{CpuLevel, CpuNet, CpuOptions, CpuPrecision};
use pegbar_net::{
    Attention, ChannelAttention, Net, NodeId, NormKind, Op, PadMode, Padding, PoolKind, Region, ResizeMode,
    ResizeTarget, Scores, SortedAttention, UnaryOp, Value, WeightId, WeightTensor, interpret,
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

    fn weight(&mut self, net: &mut Net, shape: &[usize], gain: f32) -> WeightId {
        let data = self.values(shape.iter().product(), gain);
        net.push_weight(WeightTensor { name: "w".into(), shape: shape.to_vec(), data })
    }
}

/// The picture, a projection of it to `channels`, what `build` makes of that, and a 3x3 convolution that reads rows
/// above and below.
fn net(channels: usize, build: impl FnOnce(&mut Net, &mut Noise, NodeId) -> NodeId) -> Net {
    let mut net = Net::default();
    let mut noise = Noise(7);
    let x = net.push("input", Op::Input { channels: 3 }, &[]);
    let conv = |net: &mut Net, noise: &mut Noise, from, cin: usize, cout: usize, kernel: usize| {
        let weight =
            noise.weight(net, &[cout, cin, kernel, kernel], 4.0 / ((cin * kernel * kernel) as f32).sqrt());
        let op = Op::Conv2d {
            weight,
            bias: None,
            stride: [1, 1],
            padding: Padding::all(kernel / 2),
            dilation: [1, 1],
            groups: 1,
        };
        net.push("conv", op, &[from])
    };
    let x = conv(&mut net, &mut noise, x, 3, channels, 1);
    let x = build(&mut net, &mut noise, x);
    net.output = Some(x);
    let shapes = net.infer_shapes().expect("fits");
    let made = shapes[x.0 as usize][1].fixed().expect("channels are fixed");
    net.output = Some(conv(&mut net, &mut noise, x, made, 4, 3));
    net
}

fn check(net: &Net, size: [usize; 3], mark: &str) {
    check_with(net, size, mark, false);
}

/// `is_general`: whether steps without a kernel of their own are accepted.
fn check_with(net: &Net, [n, h, w]: [usize; 3], mark: &str, is_general: bool) {
    let shape = [n, 3, h, w];
    let input = Noise(5).values(shape.iter().product(), 2.0);
    let expected = interpret(net, &Value { shape, data: input.clone() }).expect("the reference runs it");
    let largest = expected.data.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    for level in CpuLevel::available() {
        let mut first: Option<Vec<f32>> = None;
        for threads in [1, 3] {
            let options = CpuOptions { threads, level, precision: CpuPrecision::Exact };
            let compiled = CpuNet::compile(net, &options).expect("compiles");
            let explained = compiled.explain();
            assert!(explained.iter().any(|line| line.contains(mark)), "{mark}: {explained:#?}");
            let general = explained.iter().any(|line| line.contains("general path"));
            assert!(is_general || !general, "{explained:#?}");
            let mut output = vec![];
            assert_eq!(compiled.run(shape, &input, &mut output).expect("runs"), expected.shape);
            for (i, (a, e)) in output.iter().zip(&expected.data).enumerate() {
                assert!(
                    (a - e).abs() <= 2e-5 * largest,
                    "{level}, {threads} threads, {h}x{w}, value {i}: {a}, expected {e}: {explained:#?}"
                );
            }
            match &first {
                Some(first) => assert!(*first == output, "{level}: threads change the result"),
                None => first = Some(output),
            }
        }
    }
}

/// Slices of one projection, as networks make queries, keys and values.
fn qkv(net: &mut Net, x: NodeId, channels: usize) -> [NodeId; 3] {
    [0, 1, 2].map(|i| {
        let (start, end) = ((i * channels) as i64, ((i + 1) * channels) as i64);
        net.push("part", Op::Slice { axis: 1, start, end }, &[x])
    })
}

fn check_attention(op: Attention, channels: usize, with_bias: bool, size: [usize; 3]) {
    let net = net(3 * channels, |net, noise, x| {
        let qkv = qkv(net, x, channels);
        let mut op = op;
        if let Scores::Cosine(_) = op.scores {
            op.scores = Scores::Cosine(noise.weight(net, &[op.heads], 20.0));
        }
        if with_bias {
            let [queries, keys] = op.tokens();
            op.bias = Some(noise.weight(net, &[op.heads, queries, keys], 2.0));
        }
        net.push("attention", Op::Attention(op), &qkv)
    });
    check(&net, size, "attention");
}

const DOT: Scores = Scores::Dot(0.3);

#[test]
fn windows() {
    for (block, shift, heads, channels, size) in [
        ([8, 8], [0, 0], 2, 20, [2, 16, 24]),
        ([8, 8], [4, 4], 3, 30, [1, 64, 136]),
        ([4, 16], [2, 8], 1, 33, [1, 68, 128]),
        ([16, 4], [8, 2], 2, 64, [1, 48, 132]),
        ([3, 5], [1, 2], 2, 6, [2, 9, 15]),
        ([2, 2], [1, 1], 1, 1, [1, 2, 2]),
        ([7, 1], [6, 0], 1, 17, [1, 7, 5]),
    ] {
        let op = Attention::blocks(heads, block, DOT).with_shift(shift);
        check_attention(op, channels, true, size);
        check_attention(op, channels, false, size);
    }
}

#[test]
fn windows_with_margins_zeros_and_cosines() {
    let blocks = Attention::blocks(2, [8, 8], DOT);
    check_attention(Attention { key_margin: [2, 2], ..blocks }, 12, true, [1, 56, 128]);
    check_attention(Attention { key_margin: [1, 3], ..blocks }, 10, false, [1, 16, 16]);
    for size in [[1, 37, 131], [2, 5, 9], [1, 16, 16], [1, 1, 1]] {
        let padded = Attention { pad_to: Some([16, 16]), ..Attention::blocks(2, [4, 8], DOT) };
        check_attention(padded, 12, true, size);
        check_attention(padded.with_shift([2, 4]), 12, true, size);
        check_attention(padded.with_shift([3, 0]), 12, false, size);
    }
    let cosine = Attention::blocks(2, [8, 8], Scores::Cosine(WeightId(0)));
    check_attention(cosine.with_shift([4, 4]), 22, true, [1, 40, 112]);
}

#[test]
fn grids_and_whole_pictures() {
    let op = Attention::blocks(4, [4, 8], DOT);
    check_attention(op.with_region(Region::Grid([4, 8])), 16, true, [1, 24, 40]);
    check_attention(op.with_region(Region::Picture), 12, false, [1, 12, 70]);
}

#[test]
fn coarser_keys() {
    // Keys of an odd shift are shifted by half of it, rounded up.
    for shift in [0, 4, 3] {
        let net = net(24, |net, noise, x| {
            let [q, k, v] = qkv(net, x, 8);
            let [k, v] = [k, v].map(|x| {
                let weight = noise.weight(net, &[8, 8, 2, 2], 0.7);
                let op = Op::Conv2d {
                    weight,
                    bias: None,
                    stride: [2, 2],
                    padding: Padding::all(0),
                    dilation: [1, 1],
                    groups: 1,
                };
                net.push("half", op, &[x])
            });
            let bias = noise.weight(net, &[2, 64, 16], 2.0);
            let op = Attention::blocks(2, [8, 8], DOT).with_shift([shift, shift]).with_bias(bias);
            net.push("attention", Op::Attention(Attention { key_factor: 2, ..op }), &[q, k, v])
        });
        check(&net, [1, 48, 120], "attention");
    }
}

#[test]
fn coarser_queries() {
    for shift in [[0, 0], [2, 1]] {
        let net = net(24, |net, noise, x| {
            let [q, k, v] = qkv(net, x, 8);
            let weight = noise.weight(net, &[8, 8, 2, 2], 0.7);
            let op = Op::Conv2d {
                weight,
                bias: None,
                stride: [2, 2],
                padding: Padding::all(0),
                dilation: [1, 1],
                groups: 1,
            };
            let small = net.push("half", op, &[q]);
            let bias = noise.weight(net, &[2, 8, 32], 2.0);
            let op = Attention::blocks(2, [4, 2], DOT).with_shift(shift).with_bias(bias);
            let op = Attention { query_factor: 2, ..op };
            let small = net.push("attention", Op::Attention(op), &[small, k, v]);
            // And back: the pixels look at what was gathered.
            let op = Attention { key_factor: 2, ..Attention::blocks(2, [8, 4], DOT) };
            net.push("attention", Op::Attention(op.with_shift(shift.map(|s| 2 * s))), &[q, small, small])
        });
        check(&net, [1, 48, 120], "attention");
        check(&net, [2, 8, 4], "attention");
    }
}

#[test]
fn sorted_pixels() {
    for (group, [n, h, w]) in [(16, [2, 8, 12]), (40, [1, 9, 31]), (64, [1, 5, 3]), (128, [1, 40, 70])] {
        let net = net(30, |net, noise, x| {
            let [q, k, v] = qkv(net, x, 8);
            let weight = noise.weight(net, &[5, 30, 1, 1], 2.0);
            let op = Op::Conv2d {
                weight,
                bias: None,
                stride: [1, 1],
                padding: Padding::all(0),
                dilation: [1, 1],
                groups: 1,
            };
            let categories = net.push("categories", op, &[x]);
            let op = SortedAttention { heads: 2, group, scale: 0.4 };
            net.push("attention", Op::SortedAttention(op), &[q, k, v, categories])
        });
        check(&net, [n, h, w], "sorted pixels");
    }
}

#[test]
fn channels() {
    for (region, channels, heads, size) in [
        (Region::Picture, 30, 3, [2, 40, 130]),
        (Region::Picture, 64, 1, [1, 5, 3]),
        (Region::Picture, 17, 1, [1, 70, 90]),
        (Region::Blocks([8, 8]), 32, 2, [1, 56, 104]),
        (Region::Grid([4, 8]), 20, 2, [1, 24, 48]),
        (Region::Apart([8, 4]), 20, 2, [2, 24, 48]),
    ] {
        for cosine in [false, true] {
            let net = net(3 * channels, |net, noise, x| {
                let qkv = qkv(net, x, channels);
                let pixels = (size[1] * size[2]) as f32;
                let scores = if cosine {
                    Scores::Cosine(noise.weight(net, &[heads], 20.0))
                } else {
                    Scores::Dot(2.0 / pixels)
                };
                net.push("attention", Op::ChannelAttention(ChannelAttention { heads, region, scores }), &qkv)
            });
            check(&net, size, "attention between channels");
        }
    }
}

#[test]
fn linear_attention() {
    for (region, channels, heads, size) in [
        (Region::Picture, 30, 3, [2, 40, 130]),
        (Region::Blocks([8, 8]), 32, 2, [1, 56, 104]),
        (Region::Apart([4, 8]), 17, 1, [1, 24, 48]),
    ] {
        let net = net(3 * channels, |net, _, x| {
            let [q, k, v] = qkv(net, x, channels);
            let scores = Scores::Dot(2.0 / (size[1] * size[2]) as f32);
            net.push("mix", Op::ChannelMix(ChannelAttention { heads, region, scores }), &[v, k, q])
        });
        check(&net, size, "linear attention between channels");
    }
}

/// A small copy of any size, made as large as the picture again.
#[test]
fn rounded_sizes() {
    for size in [[2, 37, 131], [1, 9, 12], [1, 80, 50]] {
        let net = net(20, |net, noise, x| {
            let pool =
                Op::Pool { kind: PoolKind::Max, kernel: [5, 3], stride: [3, 2], padding: Padding::default() };
            let small = net.push("small", pool, &[x]);
            let mode = ResizeMode::Bilinear { align_corners: false };
            let large = net.push("large", Op::Resize { mode, target: ResizeTarget::Like }, &[small, x]);
            let padding = Padding { top: 2, left: 3, bottom: 1, right: 0 };
            let op = Op::PadToMultiple { padding, multiple: [4, 8], mode: PadMode::Reflect };
            let whole = net.push("whole", op, &[large]);
            let weight = noise.weight(net, &[20, 1, 3, 3], 2.0);
            let op = Op::Conv2d {
                weight,
                bias: None,
                stride: [1, 1],
                padding: Padding::all(1),
                dilation: [1, 1],
                groups: 20,
            };
            let whole = net.push("conv", op, &[whole]);
            let whole = net.push("shuffle", Op::PixelShuffle { factor: 2 }, &[whole]);
            net.push("crop", Op::Crop { factor: 1 }, &[whole, x])
        });
        assert_eq!(net.required_multiple(), Ok(1));
        check_with(&net, size, "Resize, bilinear", true);
    }
}

#[test]
fn even_windows() {
    for kind in [PoolKind::Max, PoolKind::Average { count_pad: true }] {
        for size in [[2, 37, 131], [1, 3, 5], [1, 64, 80]] {
            let net = net(20, |net, _, x| {
                let small = net.push("small", Op::AdaptivePool { kind, divisor: [8, 5] }, &[x]);
                let op = Op::Resize { mode: ResizeMode::Nearest, target: ResizeTarget::Like };
                net.push("large", op, &[small, x])
            });
            check(&net, size, "Pool");
        }
    }
}

#[test]
fn sampling() {
    for (groups, channels, align_corners, beyond) in [
        (1, 5, false, PadMode::Replicate),
        (4, 48, false, PadMode::Replicate),
        (2, 32, true, PadMode::Constant(0.0)),
        (3, 3, false, PadMode::Constant(0.7)),
    ] {
        for size in [[2, 3, 5], [1, 40, 130]] {
            let net = net(channels, |net, noise, x| {
                let weight = noise.weight(net, &[4 * 2 * groups, channels, 1, 1], 9.0);
                let op = Op::Conv2d {
                    weight,
                    bias: None,
                    stride: [1, 1],
                    padding: Padding::default(),
                    dilation: [1, 1],
                    groups: 1,
                };
                let places = net.push("places", op, &[x]);
                let places = net.push("shuffle", Op::PixelShuffle { factor: 2 }, &[places]);
                net.push("sample", Op::GridSample { groups, align_corners, beyond }, &[x, places])
            });
            check(&net, size, "GridSample");
        }
    }
}

#[test]
fn norms_and_curves() {
    for channels in [1, 6, 16, 17, 60, 67] {
        for size in [[2, 3, 5], [1, 40, 130]] {
            for kind in [NormKind::Standard, NormKind::RootMeanSquare, NormKind::Deviation] {
                let net = net(channels, |net, noise, x| {
                    let weight = noise.weight(net, &[channels], 2.0);
                    let bias = Some(noise.weight(net, &[channels], 2.0));
                    let x = net.push("gelu", Op::Unary(UnaryOp::Gelu), &[x]);
                    let x = net.push("mish", Op::Unary(UnaryOp::Mish), &[x]);
                    let x = net.push("norm", Op::LayerNorm { kind, weight, bias, eps: 1e-3 }, &[x]);
                    net.push("tanh", Op::Unary(UnaryOp::Tanh), &[x])
                });
                check(&net, size, "norm");
            }
        }
    }
    for (channels, groups) in [(6, 3), (17, 17), (64, 4), (5, 1)] {
        for size in [[2, 3, 5], [1, 40, 130]] {
            let net = net(channels, |net, noise, x| {
                let weight = noise.weight(net, &[channels], 2.0);
                let bias = Some(noise.weight(net, &[channels], 2.0));
                net.push("norm", Op::GroupNorm { groups, weight, bias, eps: 1e-3 }, &[x])
            });
            check(&net, size, "group norm");
        }
    }
}
