//! One video through the model: what is read, what is written, and how the one becomes the other.

use super::pipeline::{self, Sorting, Target};
use super::repeats::Repeats;
use super::segments::{self, Film, SegmentWriter};
use super::{Made, Run, fields, identity, image};
use crate::cli::VideoArgs;
use crate::commands::bench::frames_per_second;
use crate::commands::upscale::plan::Job;
use crate::exit::UsageError;
use crate::interrupt;
use crate::output::{self, PartialFile};
use crate::progress::{Progress, clock};
use anyhow::{Context, Result, bail};
use pegbar_frame::{Colour, Dither, Matrix, PixelFamily, PixelFormat, Range, Rational};
use pegbar_job::{Cutter, Header, JobFolder, Registry, SegmentLine, Started, frame_hash};
use pegbar_media::{
    CopySource, DecodeOptions, Decoder, EncodeSettings, Probe, ResumePoint, StreamParams, Tools, VideoInfo,
    join_segments, probe,
};
use std::time::Duration;

/// What is decided about a video before the work begins.
struct Plan {
    source: Probe,
    video: VideoInfo,
    container: pegbar_media::Container,
    settings: EncodeSettings,
    decode: DecodeOptions,
    params: StreamParams,
    target: Target,
    n_frames: Option<u64>,
    /// What the user should know before.
    notes: Vec<String>,
}

/// Runs the job, or only says what it would do.
pub(super) fn run(run: &Run<'_>, tools: &Tools, job: &Job) -> Result<Made> {
    output::check(&job.output, run.existing)?;
    let (plan, decoder) = plan(run, tools, job)?;
    if !run.args.report.json {
        for note in &plan.notes {
            eprintln!("pegbar: {}: {note}", job.input.display());
        }
    }
    let identity = identity::of(run.args, &job.input, tools)?;
    let header = Header::new(&job.input, &job.output, plan.n_frames, identity);
    let (mut folder, started) = JobFolder::open(header, run.args.video.fresh)?;
    if run.args.dry_run {
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

/// Looks at the video and decides what becomes of it.
fn plan(run: &Run<'_>, tools: &Tools, job: &Job) -> Result<(Plan, Decoder)> {
    let options = &run.args.video;
    let container = pegbar_media::Container::from_path(&job.output)
        .with_context(|| format!("{}: no video can be written there", job.output.display()))?;
    let settings = encode_settings(options)?;
    let source = probe(tools, &job.input)?;
    let video = source.video(options.video_stream)?.clone();
    let mut notes = pegbar_media::check_container(&source, &video, container);
    let mut decode =
        DecodeOptions { start_secs: options.start, duration_secs: options.duration, ..DecodeOptions::WHOLE };
    decode.filters = fields::choose(
        &options.picture,
        tools,
        (&job.input, &video),
        source.duration_secs,
        &decode,
        &mut notes,
    )?;
    let decoder = Decoder::open(tools, &job.input, &video, &decode)?;
    let source_format = decoder.format();
    let channels = if source_format.family == PixelFamily::Gray { 1 } else { 3 };
    run.session.check_channels(channels)?;
    image::refuse_too_large(run.session, decoder.width(), decoder.height())?;
    let (width, height) = run.session.output_size(decoder.width(), decoder.height());
    let format = settings.output_format(source_format, width, height)?;
    if source_format.alpha && !format.alpha {
        notes.push(format!("the alpha channel is dropped: the output is {}", format.ffmpeg_name()));
    }
    let (colour, tags) = output_colour(&video, source_format, format, (width, height), &mut notes);
    let params = StreamParams {
        width,
        height,
        format,
        time_base: decoder.time_base(),
        frame_rate: video.avg_frame_rate.map(|rate| decode.filters.frame_rate(rate)),
        sar: video.sar,
        colour: tags,
        hdr: video.hdr.clone(),
    };
    let n_frames = expected_frames(&video, source.duration_secs, &decode)
        .map(|n| (n as f64 * decode.filters.frames_per_frame().as_f64()).round() as u64);
    // What the decoder hands over may be deeper than the film is.
    let film_format = PixelFormat::planar_equivalent(&video.pix_fmt).unwrap_or(source_format);
    let target = Target { format, colour, dither: Dither::between(film_format, format) };
    let plan = Plan { source, video, container, settings, decode, params, target, n_frames, notes };
    Ok((plan, decoder))
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
    let Plan { params, container, settings, .. } = plan;
    let mut warnings = plan.notes.clone();
    let n_before = folder.journal.n_frames();
    let name = segments::shown(&job.input);
    if started == Started::Resumed {
        interrupt::keep(folder.path());
        if !run.args.report.json {
            let of = plan.n_frames.map_or_else(String::new, |n| format!(" of about {n}"));
            eprintln!("pegbar: {}: going on after {n_before}{of} frames", job.input.display());
        }
    }
    warnings.extend(folder.journal.segments.iter().flat_map(|line| line.warnings.clone()));
    if folder.journal.is_complete() {
        drop(decoder);
    } else {
        let decoder = match folder.journal.segments.last() {
            None => decoder,
            Some(last) => {
                drop(decoder);
                resume(tools, job, plan, last)?
            }
        };
        let sorting = Sorting {
            repeats: Repeats::new(run.args.video.dedupe),
            cutter: Cutter::new(run.args.video.segment),
        };
        let mut writer = SegmentWriter::new(Film { tools, container: *container, settings, params }, folder)?;
        let progress = Progress::resume(&name, "frames", plan.n_frames, n_before, run.args.report.json);
        let decode_warnings =
            pipeline::run(run.session, decoder, &mut writer, &plan.target, sorting, progress)?;
        warnings.extend(std::mem::take(&mut writer.warnings));
        warnings.extend(decode_warnings);
    }
    if folder.journal.segments.is_empty() {
        bail!("there is no frame in this range of the video");
    }
    let partial = PartialFile::create_in(folder.path(), &job.output, run.existing)?;
    let copy = CopySource {
        path: &job.input,
        probe: &plan.source,
        video_index: plan.video.index,
        trim: plan.decode.clone(),
    };
    let finished = segments::finished(folder);
    let joined = join_segments(tools, partial.temporary(), *container, settings, params, &copy, &finished)?;
    warnings.extend(joined.warnings);
    partial.finish()?;
    let lines = &folder.journal.segments;
    Ok(Made {
        width: params.width,
        height: params.height,
        frames: joined.n_frames,
        frames_reused: lines.iter().map(|line| line.n_reused).sum(),
        frames_resumed: n_before,
        segments: lines.len(),
        estimated_seconds: None,
        n_said: plan.notes.len(),
        warnings,
    })
}

/// A decoder of what comes after a finished segment.
fn resume(tools: &Tools, job: &Job, plan: &Plan, last: &SegmentLine) -> Result<Decoder> {
    let pts = last.next_pts.context("a complete job needs no decoder")?;
    let point = ResumePoint { pts, time_base: Rational::new(last.time_base[0], last.time_base[1]) };
    let is_frame_before = |frame: &pegbar_frame::Frame| frame_hash(frame) == last.last_source_frame;
    Ok(Decoder::resume(tools, &job.input, &plan.video, &plan.decode, point, &is_frame_before)?)
}

/// Says what the job would do, and how long it would take here.
fn dry_run(run: &Run<'_>, job: &Job, plan: &Plan, folder: &JobFolder) -> Result<Made> {
    let Plan { params, video, n_frames, .. } = plan;
    let n_done = folder.journal.n_frames();
    let per_second = frames_per_second(run.session, video.width, video.height)?;
    let left = n_frames.map(|n| n.saturating_sub(n_done));
    let seconds = left.map(|n| n as f64 / per_second);
    if !run.args.report.json {
        println!("{} -> {}", job.input.display(), job.output.display());
        println!(
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
        println!("  frames: {frames}{done}");
        let time = seconds.map_or_else(String::new, |secs| {
            format!(", {} for the rest", clock(Duration::from_secs_f64(secs)))
        });
        println!(
            "  model: {per_second:.3} frames/s here{time}, without decoding and encoding, and without repeats"
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

/// The encoder as the command line asks.
///
/// # Errors
/// [`UsageError`] for what no video could make right.
pub(super) fn encode_settings(options: &VideoArgs) -> Result<EncodeSettings> {
    let VideoArgs { encode, crf, preset, pix_fmt, .. } = options;
    EncodeSettings::from_options(encode, crf.as_deref(), preset.as_deref(), pix_fmt.as_deref())
        .map_err(|error| UsageError(error.to_string()).into())
}

/// The colour to convert to, and the tags to write.
///
/// An untagged source is converted by the matrix that players guess for its size. The output stays untagged where
/// players guess the same for its size, and is tagged where they would guess another: otherwise it would change colour.
/// Where RGB becomes YUV or the other way round, matrix and range are the usual ones of the new kind.
fn output_colour(
    video: &VideoInfo,
    source: PixelFormat,
    target: PixelFormat,
    output: (usize, usize),
    warnings: &mut Vec<String>,
) -> (Colour, Colour) {
    let mut tags = video.colour.clone();
    match (source.family == PixelFamily::Rgb, target.family == PixelFamily::Rgb) {
        (true, false) => {
            tags.matrix = Some(Matrix::guess(output.0, output.1));
            tags.range = Some(Range::Limited);
        }
        (false, true) => {
            tags.matrix = Some(Matrix::Rgb);
            tags.range = Some(Range::Full);
        }
        (true, true) => {
            // What encoders say of RGB by themselves; joined segments have no encoder left to say it.
            tags.matrix = Some(Matrix::Rgb);
            tags.range.get_or_insert(Range::Full);
        }
        (false, false) => {
            let guess = tags.matrix_or_guess(video.width, video.height);
            if tags.matrix.is_none() && tags.matrix_or_guess(output.0, output.1) != guess {
                warnings.push(format!(
                    "the colours are untagged; taken for {}, which players expect at {}x{}, and tagged so",
                    guess.ffmpeg_name(),
                    video.width,
                    video.height
                ));
                tags.matrix = Some(guess);
            }
            return (Colour { matrix: Some(guess), ..tags.clone() }, tags);
        }
    }
    (tags.clone(), tags)
}

/// How many frames are to come, for the estimate.
fn expected_frames(video: &VideoInfo, duration_secs: Option<f64>, decode: &DecodeOptions) -> Option<u64> {
    let rate = video.avg_frame_rate.filter(|r| r.is_positive()).map(|r| r.as_f64());
    if decode.start_secs.is_none() && decode.duration_secs.is_none() && video.n_frames.is_some() {
        return video.n_frames;
    }
    let left = duration_secs.map(|d| (d - decode.start_secs.unwrap_or(0.0)).max(0.0));
    let secs = match (left, decode.duration_secs) {
        (Some(left), Some(asked)) => Some(left.min(asked)),
        (left, asked) => left.or(asked),
    };
    Some((secs? * rate?).round() as u64)
}
