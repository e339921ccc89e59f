//! `pegbar upscale`: a model over images, videos and folders.

mod decide;
mod fields;
mod identity;
mod image;
mod numbered_images;
mod pipeline;
mod plan;
pub(crate) mod repeats;
mod segments;
mod video;

use super::{film, session};
use crate::cli::UpscaleArgs;
use crate::exit::{Exit, sentence};
use crate::output::Existing;
use crate::{interrupt, report};
use anyhow::{Context, Result};
use pegbar_engine::Session;
use pegbar_media::Tools;
use plan::{Job, Kind};
use serde::Serialize;
use std::time::Instant;

/// A finished output.
#[derive(Debug, Serialize)]
struct Done {
    input: String,
    output: String,
    kind: Kind,
    width: usize,
    height: usize,
    frames: u64,
    /// Frames that repeat the one before, and took its result.
    frames_reused: u64,
    /// Frames that an earlier run had done.
    frames_resumed: u64,
    /// Files that the picture was encoded to before they were joined.
    segments: usize,
    seconds: f64,
    /// Of this run, whatever the result took.
    frames_per_second: f64,
    /// Of a dry run: how long the model would take for what is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_seconds: Option<f64>,
    warnings: Vec<String>,
    #[serde(skip)]
    n_said: usize,
}

/// An input that gave nothing.
#[derive(Debug, Serialize)]
struct Failed {
    input: String,
    error: String,
}

/// What `upscale` reports.
#[derive(Debug, Serialize)]
struct Summary {
    model: String,
    architecture: &'static str,
    scale: usize,
    done: Vec<Done>,
    skipped: Vec<String>,
    failed: Vec<Failed>,
}

/// What a job made: size, frames, and what the user should know about it.
#[derive(Default)]
struct Made {
    width: usize,
    height: usize,
    frames: u64,
    frames_reused: u64,
    frames_resumed: u64,
    segments: usize,
    estimated_seconds: Option<f64>,
    warnings: Vec<String>,
    /// So many of the warnings the user has been told before the work began.
    n_said: usize,
}

/// What all jobs of a run share.
struct Run<'a> {
    args: &'a UpscaleArgs,
    session: &'a Session,
    existing: Existing,
    /// Found once, when the first video comes up.
    tools: Option<Tools>,
}

/// Runs the command.
pub(crate) fn run(args: UpscaleArgs) -> Result<Exit> {
    let plan = plan::plan(&args)?;
    decide::encode_settings(&args.video)?;
    for job in plan.jobs.iter().filter(|job| job.kind == Kind::Video) {
        decide::check_options(&args.video, &job.output)?;
    }
    let mut tools = None;
    if let Some(name) = &args.video.hwaccel {
        film::check_hwaccel(tools.insert(Tools::find()?), name)?;
    }
    fields::options(&args.video.picture)?;
    let model = session::load(&args.model, args.engine.model_scale)?;
    let session = session::open(&model, &args.engine)?;
    let mut summary = Summary {
        model: args.model.display().to_string(),
        architecture: model.architecture,
        scale: model.scale,
        done: Vec::new(),
        skipped: plan.skipped.iter().map(|p| p.display().to_string()).collect(),
        failed: Vec::new(),
    };
    let alone = plan.jobs.len() + plan.skipped.len() + plan.failed.len() == 1;
    for (path, error) in plan.failed {
        fail(&mut summary, path.display().to_string(), &error, alone);
    }
    let existing = if args.existing.overwrite { Existing::Overwrite } else { Existing::Refuse };
    let mut context = Run { args: &args, session: &session, existing, tools };
    let total = plan.jobs.len();
    for (i, job) in plan.jobs.iter().enumerate() {
        if total > 1 && !args.report.json {
            eprintln!("[{}/{total}] {}", i + 1, job.input.display());
        }
        let start = Instant::now();
        match run_job(&mut context, job).with_context(|| job.input.display().to_string()) {
            Ok(made) => {
                let seconds = start.elapsed().as_secs_f64();
                let done = Done {
                    input: job.input.display().to_string(),
                    output: job.output.display().to_string(),
                    kind: job.kind,
                    width: made.width,
                    height: made.height,
                    frames: made.frames,
                    frames_reused: made.frames_reused,
                    frames_resumed: made.frames_resumed,
                    segments: made.segments,
                    estimated_seconds: made.estimated_seconds,
                    seconds,
                    frames_per_second: made.frames.saturating_sub(made.frames_resumed) as f64 / seconds,
                    warnings: made.warnings,
                    n_said: made.n_said,
                };
                if !args.report.json && !args.dry_run {
                    say_done(&done);
                }
                summary.done.push(done);
            }
            Err(error) => {
                interrupt::wait_if_interrupted();
                fail(&mut summary, job.input.display().to_string(), &error, alone);
            }
        }
    }
    finish(&args, &summary, alone)
}

fn run_job(context: &mut Run<'_>, job: &Job) -> Result<Made> {
    match job.kind {
        Kind::Image if context.args.dry_run => {
            if !context.args.report.json {
                println!("{} -> {}", job.input.display(), job.output.display());
            }
            Ok(Made::default())
        }
        Kind::Image => image::run(context, job),
        Kind::Video => {
            if context.tools.is_none() {
                context.tools = Some(Tools::find()?);
            }
            let tools = context.tools.as_ref().context("set above")?;
            video::run(context, tools, job)
        }
    }
}

fn fail(summary: &mut Summary, input: String, error: &anyhow::Error, alone: bool) {
    let error = sentence(error);
    if !alone {
        eprintln!("pegbar: {error}");
    }
    summary.failed.push(Failed { input, error });
}

/// So many warnings of one file are shown: damage makes hundreds.
const MOST_WARNINGS: usize = 12;

fn say_done(done: &Done) {
    let what = match done.kind {
        Kind::Image => String::new(),
        Kind::Video => {
            let reused = if done.frames_reused > 0 {
                format!(", {} of them repeats", done.frames_reused)
            } else {
                String::new()
            };
            format!(", {} frames{reused}, {:.2} frames/s", done.frames, done.frames_per_second)
        }
    };
    println!("{} ({}x{}{what}, {:.1} s)", done.output, done.width, done.height, done.seconds);
    let mut new = done.warnings.iter().skip(done.n_said).collect::<Vec<_>>();
    let n_hidden = new.len().saturating_sub(MOST_WARNINGS);
    new.truncate(MOST_WARNINGS);
    for warning in new {
        eprintln!("pegbar: {}: {warning}", done.input);
    }
    if n_hidden > 0 {
        eprintln!("pegbar: {}: and {n_hidden} more warnings (--json has them all)", done.input);
    }
}

fn finish(args: &UpscaleArgs, summary: &Summary, alone: bool) -> Result<Exit> {
    if args.report.json {
        report::json(summary)?;
    }
    if summary.failed.is_empty() {
        if !args.report.json && summary.done.is_empty() {
            println!("nothing to do: {} output(s) exist already", summary.skipped.len());
        }
        return Ok(Exit::Done);
    }
    if alone {
        eprintln!("pegbar: {}", summary.failed[0].error);
        return Ok(Exit::Failed);
    }
    eprintln!("pegbar: {} of {} failed:", summary.failed.len(), summary.failed.len() + summary.done.len());
    for failed in &summary.failed {
        eprintln!("  {}", failed.error);
    }
    Ok(if summary.done.is_empty() && summary.skipped.is_empty() { Exit::Failed } else { Exit::Partial })
}
