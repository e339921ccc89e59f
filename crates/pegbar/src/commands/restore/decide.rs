//! What becomes of a video, decided before the long work begins.

use super::numbered_images::NumberedImages;
use super::{Run, Source, fields};
use crate::cli::VideoArgs;
use crate::commands::film::{self, Film, SEQUENCE_RATE};
use crate::commands::restore::plan::Job;
use crate::exit::UsageError;
use anyhow::{Context, Result};
use pegbar_frame::{Colour, Dither, Matrix, PixelFamily, PixelFormat, Range, Rational};
use pegbar_media::still::{self, WriteOptions};
use pegbar_media::{
    Codec, Container, CopySource, DecodeOptions, Decoder, EncodeSettings, Instead, Playback, Probe,
    SequencePattern, StreamParams, Tools, VideoInfo, check_animation, check_container, check_copies,
};
use pegbar_nodes::Selection;
use std::collections::BTreeMap;
use std::path::Path;

/// What is decided about a video before the work begins.
pub(crate) struct Plan {
    pub(crate) film: Film,
    pub(crate) video: VideoInfo,
    pub(crate) output: Output,
    pub(crate) settings: EncodeSettings,
    pub(crate) decode: DecodeOptions,
    pub(crate) params: StreamParams,
    pub(crate) target: Target,
    pub(crate) n_frames: Option<u64>,
    /// Seconds per tick of the frames that are decoded.
    pub(crate) source_time_base: Rational,
    /// How many frames before one its result may depend on.
    pub(crate) n_before: usize,
    /// What becomes of streams that cannot be copied.
    pub(crate) instead: BTreeMap<usize, Instead>,
    /// What the user should know before.
    pub(crate) notes: Vec<String>,
}

/// What becomes of pictures.
pub(crate) struct Target {
    pub(crate) format: PixelFormat,
    pub(crate) colour: Colour,
    pub(crate) dither: Dither,
}

/// What is written.
pub(crate) enum Output {
    /// A video file with all streams of the source.
    Video(Container),
    /// A picture that moves.
    Animation(Container, Playback),
    /// A file for each frame.
    Images(NumberedImages),
}

impl Plan {
    /// Where the other streams come from.
    pub(crate) fn copy_source(&self) -> CopySource<'_> {
        CopySource {
            path: &self.film.path,
            probe: &self.film.probe,
            video_index: self.video.index,
            trim: self.decode.clone(),
            instead: self.instead.clone(),
        }
    }
}

/// Looks at the video and decides what becomes of it.
pub(crate) fn plan(run: &Run<'_>, tools: &Tools, job: &Job) -> Result<(Plan, Decoder)> {
    let options = run.request.video;
    let mut film = Film::open(tools, &job.input, options.frame_rate.unwrap_or(SEQUENCE_RATE))?;
    if let Some(hwaccel) = &options.hwaccel {
        film.input.hwaccel = Some(hwaccel.clone());
    }
    let video = film.probe.video(options.video_stream)?.clone();
    let mut notes = Vec::new();
    let output = Output::choose(run, tools, (&job.output, &film, &video), &mut notes)?;
    if film.input.sequence.is_some() && options.frame_rate.is_none() && !matches!(output, Output::Images(_)) {
        notes.push(format!(
            "numbered images are taken for {} frames a second; --frame-rate says otherwise",
            SEQUENCE_RATE.num
        ));
    }
    let mut decode = DecodeOptions {
        start_secs: options.start,
        duration_secs: options.duration,
        input: film.input.clone(),
        ..DecodeOptions::WHOLE
    };
    decode.filters = fields::choose(
        (&options.picture, run.work.treats_combing()),
        tools,
        (&film.path, &video),
        film.probe.duration_secs,
        &decode,
        &mut notes,
    )?;
    let selection = run.work.selection();
    let decoded_rate = video.avg_frame_rate.map(|rate| decode.filters.frame_rate(rate));
    select(&mut decode, selection, decoded_rate)?;
    let decoder = Decoder::open(tools, &film.path, &video, &decode)?;
    let source_format = decoder.format();
    let outcome = run.work.outcome(&Source {
        format: source_format,
        width: decoder.width(),
        height: decoder.height(),
        time_base: Some(decoder.time_base()),
    })?;
    let (width, height) = (outcome.width, outcome.height);
    let result_format = format_of_results(source_format, outcome.channels);
    let (settings, format) = match &output {
        Output::Video(_) => {
            let settings = encode_settings(options)?;
            // What options of ffmpeg's own take is not known: they get alpha where the film has it.
            let is_raw = matches!(settings.codec, Codec::Raw(_)) && !source_format.alpha;
            let format = if is_raw { result_format.with_alpha(false) } else { result_format };
            let format = settings.output_format(format, width, height)?;
            (settings, format)
        }
        Output::Animation(container, _) => lossless(container.animation_format(result_format))?,
        Output::Images(images) => lossless(images.options.format.frame_format(result_format))?,
    };
    if (source_format.alpha || outcome.channels == Some(4)) && !format.alpha {
        notes.push(format!("the alpha channel is dropped: the output is {}", format.ffmpeg_name()));
    }
    if outcome.channels.is_some_and(|n| n >= 3) && format.family == PixelFamily::Gray {
        notes.push(format!("the colours are dropped: the output is {}", format.ffmpeg_name()));
    }
    let (colour, tags) = output_colour(&video, source_format, format, (width, height), &mut notes);
    let params = StreamParams {
        width,
        height,
        format,
        time_base: outcome.time_base.unwrap_or(decoder.time_base()),
        frame_rate: video
            .avg_frame_rate
            .filter(|_| outcome.keeps_frames)
            .map(|rate| decode.filters.frame_rate(rate))
            .map(|rate| Rational::new(rate.num, rate.den.saturating_mul(selection.step as i64))),
        sar: video.sar,
        colour: tags,
        hdr: if matches!(output, Output::Video(_)) { video.hdr.clone() } else { None },
    };
    let n_frames = expected_frames(&video, film.probe.duration_secs, &decode)
        .filter(|_| outcome.keeps_frames)
        .map(|n| (n as f64 * decode.filters.frames_per_frame().as_f64()).round() as u64)
        .map(|n| n.div_ceil(selection.step));
    // What the decoder hands over may be deeper than the film is.
    let film_format = PixelFormat::planar_equivalent(&video.pix_fmt).unwrap_or(source_format);
    let target = Target { format, colour, dither: Dither::between(film_format, format) };
    let mut plan = Plan {
        film,
        video,
        output,
        settings,
        decode,
        params,
        target,
        n_frames,
        source_time_base: decoder.time_base(),
        n_before: outcome.n_before,
        instead: BTreeMap::new(),
        notes,
    };
    if let Output::Video(container) = plan.output {
        for stream in check_copies(tools, &plan.copy_source(), container)? {
            plan.notes.push(stream.note);
            plan.instead.insert(stream.index, stream.instead);
        }
    }
    Ok((plan, decoder))
}

impl Output {
    /// What the name of the output asks for, and what it cannot keep of the film.
    fn choose(
        run: &Run<'_>,
        tools: &Tools,
        (path, film, video): (&Path, &Film, &VideoInfo),
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        if let Some(pattern) = film::pattern(path) {
            notes.extend(lost_in_pictures(&film.probe, video, "image files hold", "image files do"));
            return Ok(Self::Images(Self::images(run, pattern, film)?));
        }
        let container = Container::from_path(path)
            .with_context(|| format!("{}: no video can be written there", path.display()))?;
        if !container.is_animation() {
            notes.extend(check_container(&film.probe, video, container));
            return Ok(Self::Video(container));
        }
        notes.extend(check_animation(tools, container, video.avg_frame_rate)?);
        notes.extend(lost_in_pictures(
            &film.probe,
            video,
            &format!("{container} holds"),
            &format!("{container} does"),
        ));
        let mut playback = film.playback.unwrap_or(Playback::FOREVER);
        if run.request.video.start.is_some() || run.request.video.duration.is_some() {
            playback.last_frame_ms = None;
        }
        Ok(Self::Animation(container, playback))
    }

    fn images(run: &Run<'_>, pattern: SequencePattern, film: &Film) -> Result<NumberedImages> {
        let format = still::Format::from_path(pattern.path())?;
        let options = WriteOptions::new(format, run.request.images.quality);
        // Images keep their numbers; frames of a video count from 1, as elsewhere.
        let first = match &film.input.sequence {
            Some(sequence) => {
                let left_out = skipped(sequence.frame_rate, run.request.video.start);
                sequence.first + left_out + run.work.selection().skip
            }
            None => 1,
        };
        Ok(NumberedImages { pattern, options, first })
    }
}

/// Of a frame's time, how much earlier its part of the film begins: time stamps are rounded.
const MARGIN_FRAMES: f64 = 0.25;

/// Narrows the part of a film that is read, and that sound is copied of, to the frames that are taken. `rate` is theirs.
///
/// # Errors
/// Where frames are counted and the film does not tell its rate.
fn select(decode: &mut DecodeOptions, selection: Selection, rate: Option<Rational>) -> Result<()> {
    let Selection { skip, limit, step } = selection;
    if skip == 0 && limit == 0 {
        return Ok(());
    }
    let rate = rate.filter(|rate| rate.is_positive()).context(
        "the film does not tell its frame rate, so its frames cannot be skipped or limited by their count; use --start and \
         --duration",
    )?;
    let first = skipped(rate, decode.start_secs) + skip;
    let secs_of = |frames: f64| frames / rate.as_f64();
    let asked_end = decode.duration_secs.map(|secs| decode.start_secs.unwrap_or(0.0) + secs);
    if skip > 0 {
        decode.start_secs = Some(secs_of(first as f64 - MARGIN_FRAMES));
    }
    let last = (limit > 0).then(|| first.saturating_add((limit - 1).saturating_mul(step)));
    let end = last.map(|last| secs_of(last as f64 + 1.0 - MARGIN_FRAMES));
    let end = match (asked_end, end) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    decode.duration_secs = end.map(|end| (end - decode.start_secs.unwrap_or(0.0)).max(0.0));
    Ok(())
}

/// Frames before the first one at or after a time.
fn skipped(rate: Rational, start_secs: Option<f64>) -> u64 {
    start_secs.map_or(0, |secs| (secs * rate.as_f64() - 1e-6).ceil().max(0.0) as u64)
}

/// The source's format with the channels that the results have: what an encoder would keep all of.
fn format_of_results(source: PixelFormat, channels: Option<usize>) -> PixelFormat {
    let Some(channels) = channels else { return source };
    let becomes_coloured = channels >= 3 && source.family == PixelFamily::Gray;
    let colours = if becomes_coloured { PixelFormat::yuv(source.depth_bits, 0, 0) } else { source };
    let format = colours.with_alpha(channels == 4);
    // Some depths have no alpha.
    let deeper = format.with_depth(16);
    [format, deeper].into_iter().find(PixelFormat::is_supported).unwrap_or(colours.with_alpha(false))
}

/// What is encoded on the way to an output that is none of an encoder's.
fn lossless(format: PixelFormat) -> Result<(EncodeSettings, PixelFormat)> {
    let settings = EncodeSettings::from_options("ffv1", None, None, Some(&format.ffmpeg_name()))?;
    Ok((settings, format))
}

/// Refuses options that mean nothing for an output.
///
/// # Errors
/// [`UsageError`].
pub(crate) fn check_options(options: &VideoArgs, output: &Path) -> Result<()> {
    let (what, how) = match (film::pattern(output), Container::from_path(output)) {
        (Some(_), _) => ("image files", "without loss, JPEG with --quality"),
        (None, Ok(container)) if container.is_animation() => ("animations", "with all the quality they have"),
        _ => return Ok(()),
    };
    let VideoArgs { encode, crf, preset, pix_fmt, .. } = options;
    let given = [("--encode", encode), ("--crf", crf), ("--preset", preset), ("--pix-fmt", pix_fmt)];
    match given.iter().find(|(_, value)| value.is_some()) {
        Some((name, _)) => {
            let message = format!("{name} is for video files; {what} are written {how}: leave it out");
            Err(UsageError(message).into())
        }
        None => Ok(()),
    }
}

/// What pictures without a container for video cannot say of a film.
fn lost_in_pictures(probe: &Probe, video: &VideoInfo, hold: &str, say: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let others: Vec<String> = probe
        .streams
        .iter()
        .filter(|stream| stream.index != video.index)
        .map(|stream| format!("{} {}", stream.kind, stream.codec))
        .collect();
    if !others.is_empty() {
        notes.push(format!("{hold} the picture alone: without {}", others.join(", ")));
    }
    if video.sar.num != video.sar.den {
        notes.push(format!(
            "pixels are not square (SAR {}:{}), which {say} not say",
            video.sar.num, video.sar.den
        ));
    }
    if video.rotation_degrees != 0.0 {
        notes.push(format!(
            "players turned the source by {} degrees, which {say} not say: the output stays unturned",
            video.rotation_degrees
        ));
    }
    notes
}

/// What `--encode` is where nobody says.
pub(crate) const DEFAULT_ENCODER: &str = "h264";

/// The encoder as the command line asks.
///
/// # Errors
/// [`UsageError`] for what no video could make right.
pub(crate) fn encode_settings(options: &VideoArgs) -> Result<EncodeSettings> {
    let VideoArgs { encode, crf, preset, pix_fmt, .. } = options;
    let encode = encode.as_deref().unwrap_or(DEFAULT_ENCODER);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_follows_the_results() {
        let of = |source: PixelFormat, channels| format_of_results(source, Some(channels)).ffmpeg_name();
        assert_eq!(of(PixelFormat::GRAY8, 3), "yuv444p");
        assert_eq!(of(PixelFormat::GRAY10, 3), "yuv444p10le");
        assert_eq!(of(PixelFormat::GRAY8, 1), "gray");
        assert_eq!(of(PixelFormat::YUV420P, 1), "yuv420p");
        assert_eq!(of(PixelFormat::YUV420P, 4), "yuva420p");
        assert_eq!(of(PixelFormat::yuv(14, 0, 0), 4), "yuva444p16le");
        assert_eq!(of(PixelFormat::YUV420P.with_alpha(true), 3), "yuv420p");
        assert_eq!(format_of_results(PixelFormat::GRAY16, None), PixelFormat::GRAY16);
    }

    #[test]
    fn counted_frames_are_a_part_of_the_film() {
        let part = |start: Option<f64>, duration: Option<f64>, skip: u64, limit: u64, step: u64| {
            let mut decode =
                DecodeOptions { start_secs: start, duration_secs: duration, ..DecodeOptions::WHOLE };
            select(&mut decode, Selection { skip, limit, step }, Some(Rational::new(24_000, 1001)))
                .expect("a part");
            // Stamps in milliseconds, as Matroska has them.
            let from = decode.start_secs.unwrap_or(0.0);
            let to = decode.duration_secs.map_or(f64::INFINITY, |secs| from + secs);
            let stamp = |i: u64| (i as f64 * 1001.0 / 24.0).round() / 1000.0;
            let all: Vec<u64> = (0..240).filter(|&i| stamp(i) >= from && stamp(i) < to).collect();
            all.into_iter().step_by(step as usize).collect::<Vec<u64>>()
        };
        assert_eq!(part(None, None, 0, 3, 1), [0, 1, 2]);
        assert_eq!(part(None, None, 7, 0, 1), (7..240).collect::<Vec<_>>());
        assert_eq!(part(None, None, 10, 4, 5), [10, 15, 20, 25]);
        assert_eq!(part(Some(1.0), None, 1, 2, 1), [25, 26]);
        assert_eq!(part(Some(1.01), Some(0.1), 0, 100, 1), [25, 26]);
        let mut decode = DecodeOptions::WHOLE;
        assert!(select(&mut decode, Selection { skip: 1, ..Selection::ALL }, None).is_err());
        assert!(select(&mut decode, Selection { step: 2, ..Selection::ALL }, None).is_ok());
    }
}
