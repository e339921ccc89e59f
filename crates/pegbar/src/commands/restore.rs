//! Images, videos and folders through a model or a chain: what `upscale` and `run` share.

mod decide;
mod fields;
mod identity;
mod image;
mod numbered_images;
mod plan;
pub(crate) mod repeats;
mod segments;
mod video;

use super::film;
use crate::cli::{ExistingArgs, ImageArgs, VideoArgs, WorkArgs};
use crate::exit::{Exit, sentence};
use crate::output::Existing;
use crate::progress::Progress;
use crate::{interrupt, report};
use anyhow::{Context, Result};
pub(crate) use decide::Target;
pub(crate) use identity::{fingerprint, model_files};
use pegbar_chain::NodeCost;
use pegbar_frame::{PixelFormat, Rational};
use pegbar_job::{Cutter, Fingerprint};
use pegbar_media::still::StillImage;
use pegbar_media::{Decoder, Tools};
use pegbar_nodes::Selection;
use plan::{Job, Kind};
use repeats::Repeats;
pub(crate) use segments::{Boundary, SegmentWriter};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What a run is asked for, whatever the work is.
pub(crate) struct Request<'a> {
    pub(crate) inputs: &'a [PathBuf],
    pub(crate) output: &'a Path,
    /// All outputs of the run: what is in them is no input.
    pub(crate) outputs: &'a [PathBuf],
    pub(crate) dry_run: bool,
    pub(crate) json: bool,
    pub(crate) existing: &'a ExistingArgs,
    pub(crate) images: &'a ImageArgs,
    pub(crate) video: &'a VideoArgs,
}

impl<'a> Request<'a> {
    /// As the command line asks, but for what is said of videos: a chain may say some of it. `output` is one of `outputs`.
    pub(crate) fn new(
        inputs: &'a [PathBuf],
        output: &'a Path,
        outputs: &'a [PathBuf],
        args: &'a WorkArgs,
        video: &'a VideoArgs,
    ) -> Self {
        let WorkArgs { dry_run, existing, report, images, .. } = args;
        Self { inputs, output, outputs, dry_run: *dry_run, json: report.json, existing, images, video }
    }
}

/// What is done to pictures.
pub(crate) trait Work {
    /// What the work is about to be done on, and what comes of it.
    ///
    /// # Errors
    /// What cannot be worked on: channels, sizes beyond the memory.
    fn outcome(&self, source: &Source) -> Result<Outcome>;

    /// Is told of an input before work on it begins.
    fn begin(&self, _input: &Path) {}

    /// Which frames of a film it takes.
    fn selection(&self) -> Selection {
        Selection::ALL
    }

    /// Whether it makes whole pictures of combed frames.
    fn treats_combing(&self) -> bool {
        false
    }

    /// One picture.
    fn picture(&self, input: &Path, picture: StillImage) -> Result<StillImage>;

    /// A film, from its decoder to the writer of segments; the last segment is finished then. Returns the decoder's warnings.
    fn film(&self, film: FilmWork<'_, '_>) -> Result<Vec<String>>;

    /// What whoever goes on has to have as it was: files, and settings by name.
    fn identity(&self, settings: &mut BTreeMap<String, String>) -> Result<Fingerprint>;

    /// Frames a second of this size, measured.
    fn frames_per_second(&self, width: usize, height: usize) -> Result<f64>;

    /// What the nodes of a chain have cost since this was asked last.
    fn costs(&self) -> Vec<NodeCost> {
        Vec::new()
    }
}

/// Pictures that work is done on.
pub(crate) struct Source {
    pub(crate) format: PixelFormat,
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Of a film.
    pub(crate) time_base: Option<Rational>,
}

/// What comes of a source.
pub(crate) struct Outcome {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Seconds per tick of the results.
    pub(crate) time_base: Option<Rational>,
    /// Whether there is a result for each frame.
    pub(crate) keeps_frames: bool,
    /// How many frames before one its result may depend on.
    pub(crate) n_before: usize,
    /// Channels of the results, where known: 1 for gray, 3 for colour, 4 with alpha.
    pub(crate) channels: Option<usize>,
}

/// A film on its way.
pub(crate) struct FilmWork<'a, 'w> {
    pub(crate) input: &'a Path,
    pub(crate) decoder: Decoder,
    /// So many frames come first that are only looked at.
    pub(crate) n_lead: usize,
    /// Number of the frame after them.
    pub(crate) first_index: u64,
    pub(crate) n_before: usize,
    pub(crate) writer: &'a mut SegmentWriter<'w>,
    pub(crate) target: &'a Target,
    pub(crate) repeats: Repeats,
    pub(crate) cutter: Cutter,
    pub(crate) progress: Progress,
}

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
    /// What the nodes of a chain have cost, the dearest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<NodeCost>,
    #[serde(skip)]
    n_said: usize,
}

/// An input that gave nothing.
#[derive(Debug, Serialize, PartialEq)]
struct Failed {
    input: String,
    /// Of a run with several outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    error: String,
}

/// What is reported.
#[derive(Debug, Serialize)]
struct Summary<H> {
    #[serde(flatten)]
    head: H,
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
    request: &'a Request<'a>,
    work: &'a dyn Work,
    existing: Existing,
    tools: &'a mut Option<Tools>,
}

/// Work, and all that it is to be done on.
pub(crate) struct Part<'a> {
    pub(crate) prepared: Prepared<'a>,
    pub(crate) work: &'a dyn Work,
}

/// What is about to be done, checked before anything is opened.
pub(crate) struct Prepared<'a> {
    request: Request<'a>,
    plan: plan::Plan,
    tools: Option<Tools>,
}

impl Prepared<'_> {
    /// What there is work to do on.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Path> {
        self.plan.jobs.iter().map(|job| job.input.as_path())
    }
}

/// Checks what is asked for, and plans the jobs.
///
/// # Errors
/// A [`UsageError`](crate::exit::UsageError) for what fits no input.
pub(crate) fn prepare(request: Request<'_>) -> Result<Prepared<'_>> {
    let plan = plan::plan(&request)?;
    decide::encode_settings(request.video)?;
    for job in plan.jobs.iter().filter(|job| job.kind == Kind::Video) {
        decide::check_options(request.video, &job.output)?;
    }
    let mut tools = None;
    if let Some(name) = &request.video.hwaccel {
        film::check_hwaccel(tools.insert(Tools::find()?), name)?;
    }
    fields::options(&request.video.picture)?;
    Ok(Prepared { request, plan, tools })
}

/// Runs the jobs of all parts and reports, `head` first.
///
/// # Errors
/// A [`UsageError`](crate::exit::UsageError) where two parts would write the same file.
pub(crate) fn run<H: Serialize>(parts: &[Part<'_>], head: H) -> Result<Exit> {
    plan::refuse_clashes(&parts.iter().flat_map(|part| &part.prepared.plan.jobs).collect::<Vec<_>>())?;
    let (json, dry_run) = parts.first().map_or((false, false), |part| {
        let Request { json, dry_run, .. } = part.prepared.request;
        (json, dry_run)
    });
    let mut summary = Summary { head, done: Vec::new(), skipped: Vec::new(), failed: Vec::new() };
    let plans = || parts.iter().map(|part| &part.prepared.plan);
    let of_several = parts.len() > 1;
    let alone =
        plans().map(|plan| plan.jobs.len() + plan.skipped.len() + plan.failed.len()).sum::<usize>() == 1;
    for plan in plans() {
        for path in plan.skipped.iter().map(|path| path.display().to_string()) {
            // Once, whatever number of outputs it has.
            if !summary.skipped.contains(&path) {
                summary.skipped.push(path);
            }
        }
        for (path, error) in &plan.failed {
            let failed = Failed { input: path.display().to_string(), output: None, error: sentence(error) };
            if !summary.failed.contains(&failed) {
                fail(&mut summary.failed, failed, alone);
            }
        }
    }
    let total = plans().map(|plan| plan.jobs.len()).sum::<usize>();
    let mut n_begun = 0;
    // Found once, when the first video comes up.
    let mut tools = parts.iter().find_map(|part| part.prepared.tools.clone());
    for Part { prepared: Prepared { request, plan, .. }, work } in parts {
        let existing = if request.existing.overwrite { Existing::Overwrite } else { Existing::Refuse };
        for job in &plan.jobs {
            n_begun += 1;
            if total > 1 && !json {
                let to = if of_several { format!(" -> {}", job.output.display()) } else { String::new() };
                errln!("[{n_begun}/{total}] {}{to}", job.input.display());
            }
            let mut context = Run { request, work: *work, existing, tools: &mut tools };
            match do_job(&mut context, job) {
                Ok(done) => {
                    if !json && !dry_run {
                        say_done(&done);
                    }
                    summary.done.push(done);
                }
                Err(error) => {
                    interrupt::wait_if_interrupted();
                    let output = of_several.then(|| job.output.display().to_string());
                    let failed =
                        Failed { input: job.input.display().to_string(), output, error: sentence(&error) };
                    fail(&mut summary.failed, failed, alone);
                }
            }
        }
    }
    finish(json, &summary, alone)
}

/// Does a job, and tells what came of it.
fn do_job(context: &mut Run<'_>, job: &Job) -> Result<Done> {
    let start = Instant::now();
    context.work.begin(&job.input);
    let made = run_job(context, job).with_context(|| job.input.display().to_string())?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Done {
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
        nodes: context.work.costs(),
        n_said: made.n_said,
    })
}

fn run_job(context: &mut Run<'_>, job: &Job) -> Result<Made> {
    match job.kind {
        Kind::Image if context.request.dry_run => {
            if !context.request.json {
                outln!("{} -> {}", job.input.display(), job.output.display());
            }
            Ok(Made::default())
        }
        Kind::Image => image::run(context, job),
        Kind::Video => {
            let tools = match context.tools {
                Some(tools) => tools.clone(),
                None => context.tools.insert(Tools::find()?).clone(),
            };
            video::run(context, &tools, job)
        }
    }
}

fn fail(all: &mut Vec<Failed>, failed: Failed, alone: bool) {
    if !alone {
        errln!("pegbar: {}", failed.told());
    }
    all.push(failed);
}

impl Failed {
    /// The error, and which output it is about where there are several.
    fn told(&self) -> String {
        match &self.output {
            Some(output) => format!("{} (for {output})", self.error),
            None => self.error.clone(),
        }
    }
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
    outln!("{} ({}x{}{what}, {:.1} s)", done.output, done.width, done.height, done.seconds);
    let mut new = done.warnings.iter().skip(done.n_said).collect::<Vec<_>>();
    let n_hidden = new.len().saturating_sub(MOST_WARNINGS);
    new.truncate(MOST_WARNINGS);
    for warning in new {
        errln!("pegbar: {}: {warning}", done.input);
    }
    if n_hidden > 0 {
        errln!("pegbar: {}: and {n_hidden} more warnings (--json has them all)", done.input);
    }
}

fn finish<H: Serialize>(json: bool, summary: &Summary<H>, alone: bool) -> Result<Exit> {
    if json {
        report::json(summary)?;
    }
    if summary.failed.is_empty() {
        if !json && summary.done.is_empty() {
            outln!("nothing to do: {} output(s) exist already", summary.skipped.len());
        }
        return Ok(Exit::Done);
    }
    if alone {
        errln!("pegbar: {}", summary.failed[0].error);
        return Ok(Exit::Failed);
    }
    errln!("pegbar: {} of {} failed:", summary.failed.len(), summary.failed.len() + summary.done.len());
    for failed in &summary.failed {
        errln!("  {}", failed.told());
    }
    Ok(if summary.done.is_empty() && summary.skipped.is_empty() { Exit::Failed } else { Exit::Partial })
}
