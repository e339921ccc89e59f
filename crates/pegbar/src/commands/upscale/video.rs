//! One video through the model: what is read, what is written, and how the one becomes the other.

use super::pipeline::{self, Target};
use super::{Made, Run, image};
use crate::cli::VideoArgs;
use crate::commands::upscale::plan::Job;
use crate::exit::UsageError;
use crate::output::PartialFile;
use crate::progress::Progress;
use anyhow::{Context, Result, bail};
use pegbar_frame::{Colour, Matrix, PixelFamily, PixelFormat, Range};
use pegbar_media::{
    CopySource, DecodeOptions, Decoder, EncodeSettings, Encoder, StreamParams, Tools, VideoInfo, probe,
};

/// Runs the job.
pub(super) fn run(run: &Run<'_>, tools: &Tools, job: &Job) -> Result<Made> {
    let options = &run.args.video;
    let container = pegbar_media::Container::from_path(&job.output)
        .with_context(|| format!("{}: no video can be written there", job.output.display()))?;
    let settings = encode_settings(options)?;
    let source = probe(tools, &job.input)?;
    let video = source.video(options.video_stream)?;
    let decode = DecodeOptions { start_secs: options.start, duration_secs: options.duration };
    let decoder = Decoder::open(tools, &job.input, video, &decode)?;
    let source_format = decoder.format();
    let channels = if source_format.family == PixelFamily::Gray { 1 } else { 3 };
    run.session.check_channels(channels)?;
    image::refuse_too_large(run.session, decoder.width(), decoder.height())?;
    let (width, height) = run.session.output_size(video.width, video.height);
    let format = settings.output_format(source_format, width, height)?;
    let mut warnings = pegbar_media::check_container(&source, video, container);
    if source_format.alpha && !format.alpha {
        warnings.push(format!("the alpha channel is dropped: the output is {}", format.ffmpeg_name()));
    }
    let (colour, tags) = output_colour(video, source_format, format, (width, height), &mut warnings);
    let partial = PartialFile::create(&job.output, run.existing)?;
    let params = StreamParams {
        width,
        height,
        format,
        time_base: decoder.time_base(),
        frame_rate: video.avg_frame_rate,
        sar: video.sar,
        colour: tags,
    };
    let copy =
        CopySource { path: &job.input, probe: &source, video_index: video.index, trim: decode.clone() };
    let encoder = Encoder::create(tools, partial.temporary(), container, &settings, &params, Some(&copy))?;
    let total = expected_frames(video, source.duration_secs, &decode);
    let target = Target { format, colour };
    let what = job.input.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let progress = Progress::start(&what, "frames", total, run.args.report.json);
    let (encoded, decode_warnings) = pipeline::run(run.session, decoder, encoder, &target, progress)?;
    let Some(encoded) = encoded else {
        bail!("there is no frame in this range of the video");
    };
    warnings.extend(decode_warnings);
    warnings.extend(encoded.warnings);
    partial.finish()?;
    Ok(Made { width, height, frames: encoded.n_frames, warnings })
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
        (true, true) => {}
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
