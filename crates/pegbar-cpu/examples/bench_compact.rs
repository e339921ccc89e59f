//! Times a Compact network (64 features, 16 convolutions) with random weights.
//!
//! `cargo run --release -p pegbar-cpu --example bench_compact -- WIDTH HEIGHT THREADS exact|fast [SCALE [FEATURES CONVOLUTIONS]]`; `PEGBAR_CPU` lowers the
//! instruction set.

use pegbar_cpu::{CpuLevel, CpuNet, CpuOptions, CpuPrecision};
use pegbar_net::{BinaryOp, Net, NodeId, Op, Padding, ResizeMode, ResizeTarget, WeightTensor};
use std::time::Instant;

/// Small numbers that look random.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }

    fn weight(&mut self, net: &mut Net, shape: &[usize], gain: f32) -> pegbar_net::WeightId {
        let data = (0..shape.iter().product()).map(|_| self.next() * gain).collect();
        net.push_weight(WeightTensor { name: String::new(), shape: shape.to_vec(), data })
    }

    fn conv(&mut self, net: &mut Net, from: NodeId, cin: usize, cout: usize) -> NodeId {
        let gain = 2.0 * (3.0 / (9 * cin) as f32).sqrt();
        let weight = self.weight(net, &[cout, cin, 3, 3], gain);
        let bias = Some(self.weight(net, &[cout], 0.1));
        let op = Op::Conv2d {
            weight,
            bias,
            stride: [1, 1],
            padding: Padding::all(1),
            dilation: [1, 1],
            groups: 1,
        };
        net.push("conv", op, &[from])
    }
}

fn compact(features: usize, n_convs: usize, scale: usize) -> Net {
    let mut net = Net::default();
    let mut noise = Noise(1);
    let picture = net.push("input", Op::Input { channels: 3 }, &[]);
    let mut x = picture;
    let mut channels = 3;
    for _ in 0..=n_convs {
        x = noise.conv(&mut net, x, channels, features);
        let slope = noise.weight(&mut net, &[features], 0.5);
        x = net.push("prelu", Op::PRelu { slope }, &[x]);
        channels = features;
    }
    x = noise.conv(&mut net, x, features, 3 * scale * scale);
    x = net.push("shuffle", Op::PixelShuffle { factor: scale }, &[x]);
    let target = ResizeTarget::Scale { height: [scale, 1], width: [scale, 1] };
    let base = net.push("base", Op::Resize { mode: ResizeMode::Nearest, target }, &[picture]);
    x = net.push("sum", Op::Binary(BinaryOp::Add), &[x, base]);
    net.output = Some(x);
    net
}

/// Seconds that this thread has had a processor, where the system tells: a busy machine lengthens them less than the clock's.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: Option<usize>| match words.get(at) {
        Some(word) => word.parse().map_err(|_| format!("{word}: not a number")),
        None => {
            default.ok_or_else(|| "usage: bench_compact WIDTH HEIGHT THREADS exact|fast [SCALE]".to_owned())
        }
    };
    let (width, height, threads) = (number(0, None)?, number(1, None)?, number(2, None)?);
    let precision = match words.get(3).map(String::as_str) {
        Some("exact") => CpuPrecision::Exact,
        _ => CpuPrecision::Fast,
    };
    let (scale, features, convolutions) = (number(4, Some(2))?, number(5, Some(64))?, number(6, Some(16))?);
    let options = CpuOptions { threads, level: CpuLevel::from_env()?, precision };
    let net = CpuNet::compile(&compact(features, convolutions, scale), &options)?;
    for line in net.explain() {
        println!("{line}");
    }
    let shape = [1, 3, height, width];
    let mut noise = Noise(2);
    let input: Vec<f32> = (0..3 * height * width).map(|_| noise.next() + 0.5).collect();
    let mut output = vec![];
    println!("working memory {:.1} MB", net.working_memory_bytes(1, height, width)? as f64 / 1e6);
    for _ in 0..5 {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        net.run(shape, &input, &mut output)?;
        let wall = start.elapsed().as_secs_f64();
        println!(
            "{} threads={threads} {wall:.3} s, this thread's {:.3} s",
            options.level,
            cpu_seconds() - cpu
        );
    }
    Ok(())
}
