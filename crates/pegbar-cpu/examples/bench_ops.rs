//! Times single operations inside a network: the time of a net with the operation several times over, less that of
//! the same net without it, so that rows are as warm in the cache as in real work.
//!
//! `cargo run --release -p pegbar-cpu --example bench_ops -- [WORD [SIDE]]` times those whose name holds
//! WORD on a picture of SIDE x SIDE (256); `PEGBAR_CPU` lowers the instruction set. `benches/peers/torch_ops.py` times
//! the same operations in PyTorch.
#![allow(unsafe_code, reason = "the loop that measures the peak needs its instruction set switched on")]

use pegbar_cpu::{CpuLevel, CpuNet, CpuOptions, CpuPrecision};
use pegbar_net::{
    Attention, BinaryOp, ChannelAttention, Net, NodeId, NormKind, Op, Padding, PoolKind, Region, ResizeMode,
    ResizeTarget, Scores, UnaryOp, WeightId, WeightTensor,
};

/// Small numbers that look random.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}

/// A net under construction.
struct Builder {
    net: Net,
    noise: Noise,
}

impl Builder {
    fn weight(&mut self, shape: &[usize], gain: f32) -> WeightId {
        let data = (0..shape.iter().product()).map(|_| self.noise.next() * gain).collect();
        self.net.push_weight(WeightTensor { name: String::new(), shape: shape.to_vec(), data })
    }

    fn conv(
        &mut self,
        from: NodeId,
        [cin, cout]: [usize; 2],
        kernel: usize,
        stride: usize,
        groups: usize,
    ) -> NodeId {
        let fan = cin / groups * kernel * kernel;
        let weight = self.weight(&[cout, cin / groups, kernel, kernel], 3.4 / (fan as f32).sqrt());
        let bias = Some(self.weight(&[cout], 0.1));
        let padding = Padding::all(if stride == 1 { kernel / 2 } else { (kernel - 1) / 2 });
        let op = Op::Conv2d { weight, bias, stride: [stride; 2], padding, dilation: [1, 1], groups };
        self.net.push("conv", op, &[from])
    }

    fn parts(&mut self, x: NodeId, n: usize, channels: usize) -> Vec<NodeId> {
        let part =
            |i: usize| Op::Slice { axis: 1, start: (i * channels) as i64, end: ((i + 1) * channels) as i64 };
        (0..n).map(|i| self.net.push("part", part(i), &[x])).collect()
    }
}

type Build = Box<dyn Fn(&mut Builder, NodeId) -> NodeId>;

/// An operation on a value of some channels.
struct Case {
    name: String,
    channels: usize,
    /// Multiply-adds count two; zero where memory is the measure.
    flops_per_pixel: f64,
    /// Values read and written for each pixel.
    values_per_pixel: f64,
    build: Build,
}

impl Case {
    fn arithmetic(
        name: &str,
        channels: usize,
        flops_per_pixel: f64,
        build: impl Fn(&mut Builder, NodeId) -> NodeId + 'static,
    ) -> Self {
        let name = name.to_owned();
        Self { name, channels, flops_per_pixel, values_per_pixel: 0.0, build: Box::new(build) }
    }

    fn memory(
        name: &str,
        channels: usize,
        values_per_pixel: f64,
        build: impl Fn(&mut Builder, NodeId) -> NodeId + 'static,
    ) -> Self {
        let name = name.to_owned();
        Self { name, channels, flops_per_pixel: 0.0, values_per_pixel, build: Box::new(build) }
    }
}

fn conv_case(name: &str, cin: usize, cout: usize, kernel: usize, stride: usize, groups: usize) -> Case {
    let taps = (2 * cin / groups * kernel * kernel * cout) as f64 / (stride * stride) as f64;
    Case::arithmetic(name, cin, taps, move |b, x| b.conv(x, [cin, cout], kernel, stride, groups))
}

fn attention_case(name: &str, channels: usize, op: Attention, with_bias: bool) -> Case {
    let flops = 4.0 * (op.tokens()[1] * channels) as f64;
    Case::arithmetic(name, 3 * channels, flops, move |b, x| {
        let qkv = b.parts(x, 3, channels);
        let [queries, keys] = op.tokens();
        let bias = with_bias.then(|| b.weight(&[op.heads, queries, keys], 1.0));
        b.net.push("attention", Op::Attention(Attention { bias, ..op }), &qkv)
    })
}

fn channel_case(name: &str, channels: usize, heads: usize, region: Region) -> Case {
    let flops = 4.0 * (channels / heads * channels) as f64;
    Case::arithmetic(name, 3 * channels, flops, move |b, x| {
        let qkv = b.parts(x, 3, channels);
        let scores = Scores::Cosine(b.weight(&[heads], 4.0));
        b.net.push("attention", Op::ChannelAttention(ChannelAttention { heads, region, scores }), &qkv)
    })
}

fn transposed_case(name: &str, channels: usize, kernel: usize, padding: usize) -> Case {
    let flops = (2 * channels * channels * kernel * kernel) as f64;
    Case::arithmetic(name, channels, flops, move |b, x| {
        let fan = channels * kernel * kernel / 4;
        let weight = b.weight(&[channels, channels, kernel, kernel], 3.4 / (fan as f32).sqrt());
        let op = Op::ConvTranspose2d {
            weight,
            bias: None,
            stride: [2, 2],
            padding: Padding::all(padding),
            output_padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
        };
        b.net.push("transposed", op, &[x])
    })
}

fn resize_case(name: &str, channels: usize, mode: ResizeMode) -> Case {
    Case::memory(name, channels, 5.0 * channels as f64, move |b, x| {
        let target = ResizeTarget::Scale { height: [2, 1], width: [2, 1] };
        b.net.push("resize", Op::Resize { mode, target }, &[x])
    })
}

fn cases() -> Vec<Case> {
    let dot = Scores::Dot(0.2);
    let swin = |heads| Attention::blocks(heads, [8, 8], dot);
    let split = |heads, block| Attention::blocks(heads, block, dot);
    let mut cases = vec![
        conv_case("conv 1x1 60-180", 60, 180, 1, 1, 1),
        conv_case("conv 1x1 60-60", 60, 60, 1, 1, 1),
        conv_case("conv 1x1 180-360", 180, 360, 1, 1, 1),
        conv_case("conv 1x1 180-180", 180, 180, 1, 1, 1),
        conv_case("conv 1x1 64-64", 64, 64, 1, 1, 1),
        conv_case("conv 17x17 16-16", 16, 16, 17, 1, 1),
        conv_case("conv 5x5 48-48", 48, 48, 5, 1, 1),
        conv_case("conv 3x3 s2 64-64", 64, 64, 3, 2, 1),
        conv_case("depthwise 3x3 180", 180, 180, 3, 1, 180),
        conv_case("depthwise 5x5 64", 64, 64, 5, 1, 64),
        conv_case("depthwise 7x7 64", 64, 64, 7, 1, 64),
        conv_case("depthwise 13x13 64", 64, 64, 13, 1, 64),
        conv_case("depthwise 17x17 64", 64, 64, 17, 1, 64),
        attention_case("window 8x8, 6 x 10", 60, swin(6), true),
        attention_case("window 8x8, 6 x 30", 180, swin(6), true),
        attention_case("window 8x8 shifted, 6 x 30", 180, swin(6).with_shift([4, 4]), true),
        attention_case("window 8x8, 4 x 16", 64, swin(4), true),
        attention_case("window 8x32, 3 x 10", 30, split(3, [8, 32]), true),
        attention_case("window 8x32, 3 x 30", 90, split(3, [8, 32]), true),
        attention_case("window 16x16, 6 x 30", 180, split(6, [16, 16]), true),
        attention_case("grid 8x8, 4 x 16", 64, swin(4).with_region(Region::Grid([8, 8])), true),
        channel_case("channels of the picture, 6 x 30", 180, 6, Region::Picture),
        channel_case("channels of 8x8, 4 x 16", 64, 4, Region::Blocks([8, 8])),
        transposed_case("transposed 2x2 s2 64-64", 64, 2, 0),
        transposed_case("transposed 4x4 s2 64-64", 64, 4, 1),
    ];
    for channels in [60, 180] {
        cases.push(Case::memory(
            &format!("layer norm {channels}"),
            channels,
            2.0 * channels as f64,
            move |b, x| {
                let (weight, bias) = (b.weight(&[channels], 2.0), Some(b.weight(&[channels], 1.0)));
                let op = Op::LayerNorm { kind: NormKind::Standard, weight, bias, eps: 1e-5 };
                b.net.push("norm", op, &[x])
            },
        ));
    }
    cases.extend([
        Case::memory("group norm 64/4", 64, 128.0, |b, x| {
            let (weight, bias) = (b.weight(&[64], 2.0), Some(b.weight(&[64], 1.0)));
            b.net.push("norm", Op::GroupNorm { groups: 4, weight, bias, eps: 1e-5 }, &[x])
        }),
        Case::memory("gelu 180", 180, 360.0, |b, x| {
            // The pool keeps it from being fused into what stands before.
            let x = b.net.push("add", Op::Binary(BinaryOp::Add), &[x, x]);
            b.net.push("gelu", Op::Unary(UnaryOp::Gelu), &[x])
        }),
        Case::memory("softmax of channels 64", 64, 128.0, |b, x| {
            b.net.push("softmax", Op::Softmax { axis: 1 }, &[x])
        }),
        Case::memory("gate: mean of the picture times value 64", 64, 192.0, |b, x| {
            let pool = Op::GlobalPool { kind: PoolKind::Average { count_pad: true } };
            let gate = b.net.push("pool", pool, &[x]);
            b.net.push("gate", Op::Binary(BinaryOp::Mul), &[x, gate])
        }),
        resize_case("bilinear x2 64", 64, ResizeMode::Bilinear { align_corners: false }),
        resize_case("bilinear x2 3", 3, ResizeMode::Bilinear { align_corners: false }),
        resize_case("bicubic x2 3", 3, ResizeMode::Bicubic { align_corners: false, a: -0.75 }),
        Case::memory("shuffle by 2, 64", 64, 128.0, |b, x| {
            b.net.push("shuffle", Op::PixelShuffle { factor: 2 }, &[x])
        }),
        Case::memory("unshuffle by 2, 16", 16, 32.0, |b, x| {
            b.net.push("unshuffle", Op::PixelUnshuffle { factor: 2 }, &[x])
        }),
    ]);
    for (name, kind) in [("max", PoolKind::Max), ("average", PoolKind::Average { count_pad: false })] {
        cases.push(Case::memory(&format!("{name} pool 2x2 64"), 64, 80.0, move |b, x| {
            let op = Op::Pool { kind, kernel: [2, 2], stride: [2, 2], padding: Padding::all(0) };
            b.net.push("pool", op, &[x])
        }));
    }
    cases
}

/// A value of so many channels, the operation on it `times` over, and the sum of one channel of each, so that nothing
/// is idle and no more rows are kept than the operations need.
fn net(case: &Case, times: usize) -> Net {
    let mut b = Builder { net: Net::default(), noise: Noise(1) };
    let picture = b.net.push("input", Op::Input { channels: 1 }, &[]);
    let x = b.conv(picture, [1, case.channels], 1, 1, 1);
    let mut sum = b.net.push("one", Op::Slice { axis: 1, start: 0, end: 1 }, &[x]);
    for _ in 0..times {
        let y = (case.build)(&mut b, x);
        let mut one = b.net.push("one", Op::Slice { axis: 1, start: 0, end: 1 }, &[y]);
        b.net.output = Some(one);
        let height = b.net.infer_sizes(1, 64, 64).map_or(64, |sizes| sizes[one.0 as usize][2]);
        if height != 64 {
            let target = ResizeTarget::Scale { height: [64, height], width: [64, height] };
            one = b.net.push("size", Op::Resize { mode: ResizeMode::Nearest, target }, &[one]);
        }
        sum = b.net.push("sum", Op::Binary(BinaryOp::Add), &[sum, one]);
    }
    b.net.output = Some(sum);
    b.net
}

/// Seconds of the fastest of several runs.
fn seconds(net: &Net, options: &CpuOptions, side: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let compiled = CpuNet::compile(net, options)?;
    let mut noise = Noise(2);
    let input: Vec<f32> = (0..side * side).map(|_| noise.next()).collect();
    let mut output = vec![];
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = clock();
        compiled.run([1, 1, side, side], &input, &mut output)?;
        best = best.min(clock() - start);
    }
    Ok(best)
}

/// GFLOP/s of fused multiply-adds that wait for nothing, where the level has a loop for it here.
#[cfg(target_arch = "x86_64")]
fn peak(level: CpuLevel) -> Option<f64> {
    use std::arch::x86_64::*;
    macro_rules! chains {
        ($features:literal, $splat:ident, $fma:ident, $lanes:literal) => {{
            #[target_feature(enable = $features)]
            fn run(rounds: usize) -> f64 {
                let factor = std::hint::black_box($splat(0.999));
                let mut sums = [factor; 12];
                for _ in 0..rounds {
                    for sum in &mut sums {
                        *sum = $fma(*sum, factor, factor);
                    }
                }
                std::hint::black_box(sums);
                (rounds * 12 * 2 * $lanes) as f64
            }
            let start = clock();
            // SAFETY: the caller has a level with these features.
            let flops = unsafe { run(4_000_000) };
            Some(flops / (clock() - start) / 1e9)
        }};
    }
    match level {
        CpuLevel::Avx512 => chains!("avx512f", _mm512_set1_ps, _mm512_fmadd_ps, 16),
        CpuLevel::Avx2 => chains!("avx2,fma", _mm256_set1_ps, _mm256_fmadd_ps, 8),
        _ => None,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn peak(_: CpuLevel) -> Option<f64> {
    None
}

/// Seconds of work of this thread: what other programs take does not count.
#[cfg(target_os = "linux")]
fn clock() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[cfg(not(target_os = "linux"))]
fn clock() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = words.first().map_or("", String::as_str);
    let side = words.get(1).map_or(Ok(256), |n| n.parse())?;
    let level = CpuLevel::from_env()?;
    let options = CpuOptions { threads: 1, level, precision: CpuPrecision::Exact };
    let peak = peak(level);
    println!("{level}, one thread, {side} x {side}, peak {:.0} GFLOP/s", peak.unwrap_or(f64::NAN));
    for case in cases().iter().filter(|case| case.name.contains(word)) {
        let times = 3;
        let empty = seconds(&net(case, 0), &options, side)?;
        let time = (seconds(&net(case, times), &options, side)? - empty) / times as f64;
        let pixels = (side * side) as f64;
        let rate = if case.flops_per_pixel > 0.0 {
            let rate = case.flops_per_pixel * pixels / time / 1e9;
            format!("{rate:6.1} GFLOP/s, {:3.0} % of the peak", 100.0 * rate / peak.unwrap_or(f64::NAN))
        } else {
            format!("{:6.1} GB/s", 4.0 * case.values_per_pixel * pixels / time / 1e9)
        };
        println!("{:42} {:8.2} ms  {rate}", case.name, time * 1e3);
    }
    Ok(())
}
