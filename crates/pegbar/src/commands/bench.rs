//! `pegbar bench`: how long a model takes on this machine.

mod serve;

use super::session;
use crate::cli::BenchArgs;
use crate::exit::Exit;
use crate::report;
use anyhow::Result;
use pegbar_cpu::CpuLevel;
use pegbar_engine::{Crew, EngineError, Session};
use pegbar_frame::PlanarImage;
use serde::Serialize;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What `bench` reports. Times are seconds, of a picture that all threads share.
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
    video: Option<Throughput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<String>>,
}

/// How the frames of a video go through, without reading and writing them.
#[derive(Debug, Serialize)]
struct Throughput {
    /// Frames worked on side by side, each by a thread of its own; one stands for frames that all threads share.
    frames_at_once: usize,
    frames: usize,
    frames_per_second: f64,
}

/// Runs the command.
pub(crate) fn run(args: BenchArgs) -> Result<Exit> {
    let model = session::load(&args.model, args.engine.model_scale)?;
    let session = session::open(&model, &args.engine)?;
    let (width, height) = args.size;
    if args.serve {
        return serve::serve(&model, &session, args.size, args.frame.as_deref());
    }
    let picture = test_picture(model.input_channels, width, height);
    let mut result = PlanarImage::default();
    session.run_into(Crew::Together, &picture, &mut result)?; // warms caches and allocates
    let mut seconds = Vec::with_capacity(args.runs.into());
    for _ in 0..args.runs {
        let start = Instant::now();
        session.run_into(Crew::Together, std::hint::black_box(&picture), &mut result)?;
        std::hint::black_box(&mut result);
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
        video: args.video.then(|| throughput(&session, &picture, n)).transpose()?,
        steps: args.explain.then(|| session.explain()),
    };
    if args.report.json {
        report::json(&timing)?;
        return Ok(Exit::Done);
    }
    for step in timing.steps.iter().flatten() {
        outln!("{step}");
    }
    outln!(
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
    if let Some(Throughput { frames_at_once, frames, frames_per_second }) = &timing.video {
        outln!(
            "as a video: {frames_at_once} frame(s) at once: {frames_per_second:.2} frames/s over {frames} frames"
        );
    }
    Ok(Exit::Done)
}

/// Runs `runs` frames for each worker that a video of this size would have.
fn throughput(session: &Session, picture: &PlanarImage, runs: usize) -> Result<Throughput, EngineError> {
    let frames_at_once = session.workers(picture.width, picture.height);
    let crew = if frames_at_once > 1 { Crew::Alone } else { Crew::Together };
    let frames = frames_at_once * runs;
    let taken = AtomicUsize::new(0);
    let ready = Barrier::new(frames_at_once + 1);
    let work = || {
        let mut result = PlanarImage::default();
        let warm = session.run_into(crew, picture, &mut result);
        ready.wait();
        warm?;
        while taken.fetch_add(1, Ordering::Relaxed) < frames {
            session.run_into(crew, std::hint::black_box(picture), &mut result)?;
            std::hint::black_box(&mut result);
        }
        Ok::<_, EngineError>(())
    };
    let seconds = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..frames_at_once).map(|_| scope.spawn(work)).collect();
        ready.wait();
        let start = Instant::now();
        for worker in workers {
            // A panic goes on as one.
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok::<_, EngineError>(start.elapsed().as_secs_f64())
    })?;
    Ok(Throughput { frames_at_once, frames, frames_per_second: frames as f64 / seconds })
}

/// Frames of a video of this size a second, from one frame for each worker.
///
/// # Errors
/// As of the session.
pub(crate) fn frames_per_second(session: &Session, width: usize, height: usize) -> Result<f64, EngineError> {
    let picture = test_picture(session.input_channels(), width, height);
    Ok(throughput(session, &picture, 1)?.frames_per_second)
}

/// A picture with gradients and edges, the same every time.
pub(crate) fn test_picture(channels: usize, width: usize, height: usize) -> PlanarImage {
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
