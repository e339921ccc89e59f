//! One video through the work: segment after segment, and all of them joined at the end.

use super::decide::{self, Output, Plan};
use super::repeats::Repeats;
use super::segments::{self, SegmentKind, SegmentWriter};
use super::{FilmWork, Made, Run, identity};
use crate::commands::film;
use crate::commands::restore::plan::Job;
use crate::interrupt;
use crate::output::{self, PartialFile};
use crate::progress::{Progress, clock};
use anyhow::{Context, Result, bail};
use pegbar_frame::Frame;
use pegbar_job::{Cutter, Header, JobFolder, Registry, SegmentLine, Started, frames_hash};
use pegbar_media::{Decoder, EncodeReport, ResumePoint, Tools, join_animation, join_segments};
use std::collections::HashSet;
use std::time::Duration;

/// Runs the job, or only says what it would do.
pub(crate) fn run(run: &Run<'_>, tools: &Tools, job: &Job) -> Result<Made> {
    match film::pattern(&job.output) {
        Some(pattern) => output::check_images(&pattern, run.existing)?,
        None => output::check(&job.output, run.existing)?,
    };
    let (plan, decoder) = decide::plan(run, tools, job)?;
    if !run.request.json {
        for note in &plan.notes {
            errln!("pegbar: {}: {note}", job.input.display());
        }
    }
    let identity = identity::of(run.request, run.work, (&job.input, &job.output), &plan.film, tools)?;
    let header = Header::new(&job.input, &job.output, plan.n_frames, identity);
    let (mut folder, started) = JobFolder::open(header, run.request.video.fresh)?;
    if run.request.dry_run {
        return dry_run(run, job, &plan, &folder);
    }
    let registry = Registry::of_user();
    interrupt::register_job(folder.path());
    registry.add(folder.path());
    let result = work(run, tools, job, &plan, decoder, &mut folder, started);
    interrupt::unregister_job(folder.path());
    if result.is_ok() || folder.journal.segments.is_empty() {
        registry.remove(folder.path());
    }
    match result {
        Ok(made) => {
            folder.done();
            Ok(made)
        }
        Err(error) if folder.journal.segments.is_empty() => Err(error),
        Err(error) => Err(error.context(format!(
            "{} frames are done and kept, the same command goes on from there; but now",
            folder.journal.n_frames()
        ))),
    }
}

/// Restores what is not restored yet, and joins all of it.
fn work(
    run: &Run<'_>,
    tools: &Tools,
    job: &Job,
    plan: &Plan,
    decoder: Decoder,
    folder: &mut JobFolder,
    started: Started,
) -> Result<Made> {
    let Plan { params, settings, .. } = plan;
    let mut warnings = plan.notes.clone();
    let n_before = folder.journal.n_frames();
    let name = segments::shown(&job.input);
    if started == Started::Resumed {
        interrupt::keep(folder.path());
        if !run.request.json {
            let of = plan.n_frames.map_or_else(String::new, |n| format!(" of about {n}"));
            errln!("pegbar: {}: going on after {n_before}{of} frames", job.input.display());
        }
    }
    warnings.extend(folder.journal.segments.iter().flat_map(|line| line.warnings.clone()));
    if let Output::Images(images) = &plan.output {
        images.check(folder)?;
    }
    if folder.journal.is_complete() {
        drop(decoder);
    } else {
        let (decoder, n_lead) = match folder.journal.segments.last() {
            None => (decoder, 0),
            Some(last) => {
                drop(decoder);
                resume(tools, plan, last)?
            }
        };
        let first_index = folder.journal.n_source_frames();
        let kind = match &plan.output {
            Output::Images(images) => SegmentKind::Images { images, time_base: params.time_base },
            Output::Video(container) | Output::Animation(container, _) => {
                SegmentKind::Encoded { tools, container: *container, settings, params }
            }
        };
        let mut writer = SegmentWriter::new(kind, folder)?;
        let progress = Progress::resume(&name, "frames", plan.n_frames, n_before, run.request.json);
        let decode_warnings = run.work.film(FilmWork {
            input: &job.input,
            decoder,
            n_lead,
            first_index,
            n_before: plan.n_before,
            writer: &mut writer,
            target: &plan.target,
            repeats: Repeats::new(run.request.video.dedupe),
            cutter: Cutter::new(run.request.video.segment),
            progress,
        })?;
        warnings.extend(std::mem::take(&mut writer.warnings));
        warnings.extend(decode_warnings);
    }
    if folder.journal.segments.is_empty() {
        bail!("there is no frame in this range of the video");
    }
    warnings.extend(join(run, tools, job, plan, folder)?);
    // Whoever reads the film again complains again.
    let mut known = HashSet::new();
    warnings.retain(|warning| known.insert(warning.clone()));
    let lines = &folder.journal.segments;
    Ok(Made {
        width: params.width,
        height: params.height,
        frames: folder.journal.n_frames(),
        frames_reused: lines.iter().map(|line| line.n_reused).sum(),
        frames_resumed: n_before,
        segments: lines.len(),
        estimated_seconds: None,
        n_said: plan.notes.len(),
        warnings,
    })
}

/// Makes the output of finished segments. Returns what the user should know of it.
fn join(run: &Run<'_>, tools: &Tools, job: &Job, plan: &Plan, folder: &JobFolder) -> Result<Vec<String>> {
    let Plan { params, settings, .. } = plan;
    let finished = segments::finished(folder);
    let partial = || PartialFile::create_in(folder.path(), &job.output, run.existing);
    let (partial, EncodeReport { warnings, .. }) = match &plan.output {
        Output::Images(images) => {
            images.check(folder)?;
            return Ok(Vec::new());
        }
        Output::Video(container) => {
            let partial = partial()?;
            let source = plan.copy_source();
            let path = partial.temporary();
            let report = join_segments(tools, path, *container, settings, params, &source, &finished)?;
            (partial, report)
        }
        Output::Animation(container, playback) => {
            let partial = partial()?;
            let path = partial.temporary();
            let report = join_animation(tools, path, *container, params, *playback, &finished)?;
            (partial, report)
        }
    };
    partial.finish()?;
    Ok(warnings)
}

/// A decoder of what comes after a finished segment, and how many frames it gives before.
fn resume(tools: &Tools, plan: &Plan, last: &SegmentLine) -> Result<(Decoder, usize)> {
    let pts = last.next_pts.context("a complete job needs no decoder")?;
    let point = ResumePoint { pts, time_base: plan.source_time_base, n_before: plan.n_before };
    let are_before = |frames: &[Frame]| frames_hash(frames) == last.last_source_frame;
    let decoder = Decoder::resume(tools, &plan.film.path, &plan.video, &plan.decode, point, &are_before)?;
    let n_lead = decoder.n_lead();
    Ok((decoder, n_lead))
}

/// Says what the job would do, and how long it would take here.
fn dry_run(run: &Run<'_>, job: &Job, plan: &Plan, folder: &JobFolder) -> Result<Made> {
    let Plan { params, video, n_frames, .. } = plan;
    let n_done = folder.journal.n_frames();
    let per_second = run.work.frames_per_second(video.width, video.height)?;
    let left = n_frames.map(|n| n.saturating_sub(n_done));
    let seconds = left.map(|n| n as f64 / per_second);
    if !run.request.json {
        outln!("{} -> {}", job.input.display(), job.output.display());
        outln!(
            "  picture: {}x{} {} to {}x{} {}",
            video.width,
            video.height,
            video.pix_fmt,
            params.width,
            params.height,
            params.format.ffmpeg_name()
        );
        let frames = n_frames.map_or_else(|| "an unknown number of".to_owned(), |n| format!("about {n}"));
        let done =
            if n_done > 0 { format!(", {n_done} of them done by an earlier run") } else { String::new() };
        outln!("  frames: {frames}{done}");
        let time = seconds.map_or_else(String::new, |secs| {
            format!(", {} for the rest", clock(Duration::from_secs_f64(secs)))
        });
        outln!(
            "  work: {per_second:.3} frames/s here{time}, without decoding and encoding, and without repeats"
        );
    }
    Ok(Made {
        width: params.width,
        height: params.height,
        frames: n_frames.unwrap_or(0),
        frames_reused: 0,
        frames_resumed: n_done,
        segments: folder.journal.segments.len(),
        estimated_seconds: seconds,
        n_said: plan.notes.len(),
        warnings: plan.notes.clone(),
    })
}
