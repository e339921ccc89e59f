//! `pegbar models info`: what a model costs on this machine.

use super::{print_receptive_field, receptive_field_px, thousands};
use crate::cli::{EngineArgs, InfoArgs, PrecisionArg};
use crate::commands::bench::test_picture;
use crate::commands::session;
use crate::exit::Exit;
use crate::report;
use anyhow::Result;
use pegbar_engine::{Crew, Session};
use pegbar_frame::PlanarImage;
use pegbar_net::Model;
use serde::Serialize;
use std::time::Instant;

/// Frames that take longer than this are estimated from a smaller one.
const LONGEST_RUN_SECS: f64 = 8.0;
/// Side of that one, in pixels.
const SAMPLE_PX: usize = 160;
/// What real frames have to be alike in both arithmetics, as peak signal to noise.
const SAFE_PSNR_DB: f64 = 55.0;

/// What the command reports.
#[derive(Debug, Serialize)]
struct Info {
    file: String,
    architecture: &'static str,
    scale: usize,
    parameters: usize,
    flops_per_pixel: f64,
    receptive_field_px: Option<usize>,
    width: usize,
    height: usize,
    threads: usize,
    /// One frame, all threads, in the fast arithmetic unless another was asked for.
    seconds_per_frame: f64,
    /// Whether that was measured on a smaller picture.
    estimated: bool,
    /// Of the frame, before and after, and of the work on it.
    memory_bytes: usize,
    /// Fast arithmetic against exact, on a test picture, in dB; none where they are the same.
    fast_psnr_db: Option<f64>,
    /// The arithmetic to use.
    safe_precision: &'static str,
    /// Whether the architecture is known not to overflow in half precision, as other programs use it.
    supports_half: bool,
}

/// Runs the command.
pub(super) fn info(args: &InfoArgs) -> Result<Exit> {
    let model = session::load(&args.file, args.engine.model_scale)?;
    let session = session::open(&model, &args.engine)?;
    let (width, height) = args.size;
    let (seconds_per_frame, estimated) = time(&model, &session, width, height)?;
    let fast_psnr_db = fast_psnr(&model, &args.engine)?;
    let info = Info {
        file: args.file.display().to_string(),
        architecture: model.architecture,
        scale: model.scale,
        parameters: model.net.parameters(),
        flops_per_pixel: model.net.flops_per_pixel(),
        receptive_field_px: receptive_field_px(&model),
        width,
        height,
        threads: session.threads(),
        seconds_per_frame,
        estimated,
        memory_bytes: session.picture_memory_bytes(model.input_channels, width, height)
            + session.working_memory_bytes(width, height)?,
        fast_psnr_db,
        safe_precision: if fast_psnr_db.is_none_or(|psnr| psnr >= SAFE_PSNR_DB) { "fast" } else { "exact" },
        supports_half: model.half_safe,
    };
    if args.report.json {
        report::json(&info)?;
        return Ok(Exit::Done);
    }
    let Info { parameters, flops_per_pixel, threads, safe_precision, .. } = info;
    outln!("{}: {} x{}", info.file, info.architecture, info.scale);
    outln!("  parameters       {}", thousands(parameters));
    outln!("  work             {:.1} kFLOP per input pixel", flops_per_pixel / 1e3);
    print_receptive_field(info.receptive_field_px);
    let about = if estimated { "about " } else { "" };
    outln!(
        "  time             {about}{seconds_per_frame:.2} s for a frame of {width}x{height}, {threads} thread(s)"
    );
    outln!("  memory           {:.0} MiB for it", info.memory_bytes as f64 / f64::from(1 << 20));
    match fast_psnr_db {
        Some(psnr) => {
            outln!("  precision        {safe_precision} is safe (fast against exact: {psnr:.1} dB)")
        }
        None => outln!("  precision        {safe_precision} is safe (it is exact for this model)"),
    }
    let half = if info.supports_half { "safe" } else { "not known to be safe" };
    outln!("  half precision   {half} in other programs");
    Ok(Exit::Done)
}

/// Seconds for a frame, and whether they are an estimate.
fn time(model: &Model, session: &Session, width: usize, height: usize) -> Result<(f64, bool)> {
    let run = |width: usize, height: usize, n: usize| -> Result<f64> {
        let picture = test_picture(model.input_channels, width, height);
        let mut result = PlanarImage::default();
        let mut best = f64::INFINITY;
        for _ in 0..n {
            let start = Instant::now();
            session.run_into(Crew::Together, &picture, &mut result)?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        Ok(best)
    };
    let side = SAMPLE_PX.max(model.net.size_rule.minimum);
    let (sample_w, sample_h) = (side.min(width), side.min(height));
    let sample = run(sample_w, sample_h, 2)?;
    let expected = sample * (width * height) as f64 / (sample_w * sample_h) as f64;
    if expected > LONGEST_RUN_SECS {
        return Ok((expected, true));
    }
    Ok((run(width, height, 2)?, false))
}

/// Both arithmetics on a test picture.
fn fast_psnr(model: &Model, args: &EngineArgs) -> Result<Option<f64>> {
    let side = SAMPLE_PX.max(model.net.size_rule.minimum) / 2;
    let picture = test_picture(model.input_channels, side, side);
    let run = |precision: PrecisionArg| -> Result<PlanarImage> {
        let args = EngineArgs { precision: Some(precision), ..args.clone() };
        Ok(session::open(model, &args)?.run(&picture)?)
    };
    let (fast, exact) = (run(PrecisionArg::Fast)?, run(PrecisionArg::Exact)?);
    let differences = fast.data.iter().zip(&exact.data).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    let error = differences.sum::<f64>() / fast.data.len().max(1) as f64;
    Ok((error > 0.0).then(|| -10.0 * error.log10()))
}
