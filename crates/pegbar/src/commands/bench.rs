//! `pegbar bench`: how long a model takes on this machine.

use super::session;
use crate::cli::BenchArgs;
use crate::exit::Exit;
use crate::report;
use anyhow::Result;
use pegbar_cpu::CpuLevel;
use pegbar_frame::PlanarImage;
use serde::Serialize;
use std::time::Instant;

/// What `bench` reports. Times are seconds.
#[derive(Debug, Serialize)]
struct Timing {
    model: String,
    architecture: &'static str,
    scale: usize,
    width: usize,
    height: usize,
    threads: usize,
    cpu_level: String,
    runs: usize,
    seconds_per_frame: f64,
    seconds_min: f64,
    seconds_max: f64,
    frames_per_second: f64,
    gflops: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<String>>,
}

/// Runs the command.
pub(crate) fn run(args: BenchArgs) -> Result<Exit> {
    let model = session::load(&args.model, args.engine.model_scale)?;
    let session = session::open(&model, &args.engine)?;
    let (width, height) = args.size;
    let picture = test_picture(model.input_channels, width, height);
    session.run(&picture)?; // warms caches and allocates
    let mut seconds = Vec::with_capacity(args.runs.into());
    for _ in 0..args.runs {
        let start = Instant::now();
        std::hint::black_box(session.run(std::hint::black_box(&picture))?);
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let n = seconds.len();
    let median = if n % 2 == 1 { seconds[n / 2] } else { seconds[n / 2 - 1].midpoint(seconds[n / 2]) };
    let timing = Timing {
        model: args.model.display().to_string(),
        architecture: model.architecture,
        scale: model.scale,
        width,
        height,
        threads: session.threads(),
        cpu_level: CpuLevel::from_env()?.name().into(),
        runs: n,
        seconds_per_frame: median,
        seconds_min: seconds[0],
        seconds_max: seconds[n - 1],
        frames_per_second: 1.0 / median,
        gflops: model.net.flops_per_pixel() * (width * height) as f64 / median / 1e9,
        steps: args.explain.then(|| session.explain()),
    };
    if args.report.json {
        report::json(&timing)?;
        return Ok(Exit::Done);
    }
    for step in timing.steps.iter().flatten() {
        println!("{step}");
    }
    println!(
        "{}: {} x{}, {width}x{height}, {} thread(s), {}: {:.4} s a frame ({:.2} frames/s), {:.4} to {:.4} in {n} runs",
        timing.model,
        timing.architecture,
        timing.scale,
        timing.threads,
        timing.cpu_level,
        timing.seconds_per_frame,
        timing.frames_per_second,
        timing.seconds_min,
        timing.seconds_max,
    );
    Ok(Exit::Done)
}

/// A picture with gradients and edges, the same every time.
fn test_picture(channels: usize, width: usize, height: usize) -> PlanarImage {
    let mut picture = PlanarImage::zeros(channels, height, width);
    for c in 0..channels {
        for (i, value) in picture.plane_mut(c).iter_mut().enumerate() {
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            let wave = ((x * 0.07 + c as f32).sin() * (y * 0.05).cos()).mul_add(0.25, 0.5);
            let edge = if (i % width / 24 + i / width / 16).is_multiple_of(2) { 0.2 } else { 0.0 };
            *value = wave + edge;
        }
    }
    picture
}
