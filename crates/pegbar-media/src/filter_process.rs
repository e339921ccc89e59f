//! Frames through a filter graph of ffmpeg's, in a process of its own: one thread feeds it, one takes what it makes.
//!
//! Nothing is converted on the way: frames go in and come out in one pixel format, and a graph that would need a conversion is
//! refused. Time stamps are exact both ways, as for decoding.

use std::io::BufReader;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use pegbar_frame::{Colour, Frame, PixelFormat, Plane, Rational};

use crate::child::{FfmpegChild, enlarge_pipe};
use crate::colour_options::colour_options;
use crate::decimate::{Decimator, PARTS};
use crate::nut::{NutError, NutReader, NutVideo, NutWriter};
use crate::nut_tag::nut_tag;
use crate::picture_filters::finer;
use crate::time_offset::offset_secs;
use crate::{MediaError, Tools};

/// How long a graph that is tried may take: a second is much for two small pictures.
const TRIAL_LIMIT: Duration = Duration::from_secs(30);

/// A filter graph, and the frames that go through it.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterSettings {
    /// The graph as `-vf` takes it: one input, one output.
    pub graph: String,
    /// Layout of the frames, in and out.
    pub format: PixelFormat,
    /// What their numbers mean, in and out.
    pub colour: Colour,
    /// Columns of the frames that go in.
    pub width: usize,
    /// Rows of the frames that go in.
    pub height: usize,
    /// Seconds per tick of the frames that go in.
    pub time_base: Rational,
    /// Seconds per tick of the frames that come out; times that do not fall on a tick are rounded.
    pub output_time_base: Rational,
    /// Frames per second on average, which some filters go by.
    pub frame_rate: Option<Rational>,
    /// Whether one frame of five is dropped from the result, after field matching, and the others spread over its time;
    /// [`decimated_time_base`] holds their times exactly.
    pub decimates: bool,
    /// Frames that the filter needs to work at all; a shorter stream is filled up with repetitions of its last frame, whose
    /// results are dropped. For filters with one result for each frame.
    pub least_frames: u64,
}

/// A time base with ticks so short that frames at the field rate fall on them; the same where ffmpeg cannot count such ticks.
pub fn field_time_base(time_base: Rational) -> Rational {
    finer(time_base, 2)
}

/// A time base for the frames that are left when one of five is dropped; the same where ffmpeg cannot count such ticks.
pub fn decimated_time_base(time_base: Rational) -> Rational {
    finer(time_base, PARTS)
}

/// Sends a few plain frames through the graph. Says how large its pictures are, `None` where it made none of them.
///
/// # Errors
/// [`MediaError::GraphFormat`] when it does not take the pixel format; [`MediaError::Graph`] with ffmpeg's words when it is wrong.
pub fn check_filter(tools: &Tools, settings: &FilterSettings) -> Result<Option<(usize, usize)>, MediaError> {
    let FilterSettings { format, width, height, colour, .. } = settings;
    let plain = Frame::zeros(*format, *width, *height, 0, colour.clone())
        .map_err(|error| MediaError::Settings(error.to_string()))?;
    // About 25 frames a second, whatever the ticks are.
    let ticks = (1.0 / (25.0 * settings.time_base.as_f64())).round().max(1.0) as i64;
    let n = settings.least_frames.max(2) as i64;
    let mut frames = (0..n).map(|i| Frame { pts: i * ticks, ..plain.clone() });
    let mut size = None;
    let mut taker = |frame: Frame| {
        size = Some((frame.width, frame.height));
        true
    };
    let run = run(tools, settings, &mut || frames.next(), &mut taker, Some(TRIAL_LIMIT));
    match run {
        Ok(()) => Ok(size),
        Err(MediaError::Filter { reason, .. }) => Err(MediaError::Graph { reason }),
        Err(error) => Err(error),
    }
}

/// Sends frames through the graph: `next` gives them until it says `None`, `taker` takes the results until it says `false`. All
/// results have been taken, and ffmpeg has ended, when this returns. `next` is asked by another thread, which ends with the first
/// frame that ffmpeg does not take.
///
/// # Errors
/// [`MediaError::Filter`] with ffmpeg's words; [`MediaError::GraphFormat`]; [`MediaError::WrongFrame`] for a frame of another format
/// or size; [`MediaError::Interrupted`].
pub fn run_filter(
    tools: &Tools,
    settings: &FilterSettings,
    next: &mut (dyn FnMut() -> Option<Frame> + Send),
    taker: &mut dyn FnMut(Frame) -> bool,
) -> Result<(), MediaError> {
    run(tools, settings, next, taker, None)
}

/// What both threads know.
struct Exchange {
    /// Set when no more frames are wanted.
    ended: AtomicBool,
    /// Frames of the stream, the largest number until that is known.
    n_frames: AtomicU64,
}

fn run(
    tools: &Tools,
    settings: &FilterSettings,
    next: &mut (dyn FnMut() -> Option<Frame> + Send),
    taker: &mut dyn FnMut(Frame) -> bool,
    limit: Option<Duration>,
) -> Result<(), MediaError> {
    let unsupported = || MediaError::UnsupportedPixelFormat { name: settings.format.ffmpeg_name() };
    let fourcc = nut_tag(settings.format).ok_or_else(unsupported)?;
    // The first frame is the zero of times on the pipe, which knows no negative ones.
    let Some(first) = next() else { return Ok(()) };
    let first_pts = first.pts;
    let mut first = Some(first);
    let mut frames = || first.take().or_else(&mut *next);
    let (mut child, stdin, stdout) = FfmpegChild::spawn(&mut command(tools, settings))?;
    let _limit = limit.map(|limit| child.limit(limit));
    let (stdin, stdout) = (stdin.ok_or(MediaError::Interrupted)?, stdout.ok_or(MediaError::Interrupted)?);
    enlarge_pipe(&stdin);
    enlarge_pipe(&stdout);
    let exchange = Exchange { ended: AtomicBool::new(false), n_frames: AtomicU64::new(u64::MAX) };
    thread::scope(|scope| {
        let feeding = scope.spawn(|| feed(settings, fourcc, stdin, &mut frames, first_pts, &exchange));
        let mut reading = Reading { settings, fourcc, first_pts, n_frames: 0 };
        let read = reading.read_all(stdout, taker, &exchange);
        exchange.ended.store(true, Ordering::Relaxed);
        let ended = match read {
            Ok(Wanted::All)
            | Err(MediaError::Pipe { source: NutError::Truncated(_) | NutError::Io(_), .. }) => {
                let broke_off = read.is_err();
                child.wait().and_then(|status| match status.success() && !broke_off {
                    true => Ok(()),
                    false => {
                        // Nobody else ends it by a signal.
                        let hung = limit.is_some() && status.code().is_none();
                        let otherwise = match hung {
                            true => "it does not come to an end".to_owned(),
                            false => format!("ffmpeg ended with {status}"),
                        };
                        Err(reading.failure(&child, otherwise))
                    }
                })
            }
            Ok(Wanted::NoMore) => {
                child.stop();
                if child.was_killed() { Err(MediaError::Interrupted) } else { Ok(()) }
            }
            Err(error) => {
                child.stop();
                Err(error)
            }
        };
        let fed = feeding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // A frame that does not fit is why ffmpeg was given no more, whatever it says to that.
        fed.and(ended)
    })
}

fn command(tools: &Tools, settings: &FilterSettings) -> Command {
    let mut command = Command::new(&tools.ffmpeg);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.args(["-nostdin", "-hide_banner", "-nostats", "-v", "error", "-copyts"]);
    // The header says it all: ffmpeg need not look at frames before it starts, nor hold many of them.
    command.args(["-probesize", "32", "-analyzeduration", "0", "-thread_queue_size", "2"]);
    command.args(colour_options(&settings.colour));
    command.args(["-f", "nut", "-i", "pipe:0"]);
    command.args(["-map", "0:0", "-map_metadata", "-1", "-map_chapters", "-1"]);
    command.args(["-noauto_conversion_filters", "-noautoscale", "-vf", &settings.graph]);
    command.args(["-c:v", "rawvideo", "-pix_fmt", &settings.format.ffmpeg_name()]);
    command.args(tools.passthrough_option());
    let time_base = pipe_time_base(settings);
    command.args(["-enc_time_base", &format!("{}:{}", time_base.num, time_base.den)]);
    let offset = offset_secs(time_base).to_string();
    command.args(["-avoid_negative_ts", "disabled", "-output_ts_offset", &offset]);
    command.args(["-write_index", "0", "-f", "nut", "pipe:1"]);
    command
}

/// That of what ffmpeg gives: frames are dropped behind it.
fn pipe_time_base(settings: &FilterSettings) -> Rational {
    if settings.decimates { settings.time_base } else { settings.output_time_base }
}

/// Writes all frames; ends early when ffmpeg takes no more, which it gives reasons for.
fn feed(
    settings: &FilterSettings,
    fourcc: [u8; 4],
    stdin: ChildStdin,
    frames: &mut (dyn FnMut() -> Option<Frame> + Send),
    first_pts: i64,
    exchange: &Exchange,
) -> Result<(), MediaError> {
    let &FilterSettings { width, height, time_base, frame_rate, .. } = settings;
    let video = NutVideo { fourcc, width, height, sar: Rational::new(1, 1), time_base };
    let rate = frame_rate.filter(|rate| rate.is_positive()).unwrap_or(Rational::new(25, 1));
    let mut n_frames = 0;
    let wrong = |n_frames: u64, reason: String| MediaError::WrongFrame { n_frames, reason };
    let mut writer = match NutWriter::new(stdin, &video, Some(rate)) {
        Ok(writer) => writer,
        Err(NutError::Io(_)) => return Ok(()),
        Err(error) => return Err(MediaError::Settings(error.to_string())),
    };
    let mut last: Option<Frame> = None;
    let mut ticks = 1;
    while let Some(frame) = frames() {
        if exchange.ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        if (frame.format, frame.width, frame.height) != (settings.format, width, height) {
            let reason = format!(
                "it is {}x{} {}, the frames before are {width}x{height} {}",
                frame.width, frame.height, frame.format, settings.format
            );
            return Err(wrong(n_frames, reason));
        }
        frame.validate().map_err(|error| wrong(n_frames, error.to_string()))?;
        let parts: Vec<&[u8]> = frame.planes.iter().map(|plane| plane.data.as_slice()).collect();
        match writer.write_frame(frame.pts.saturating_sub(first_pts), &parts) {
            Ok(()) => n_frames += 1,
            Err(NutError::Io(_)) => return Ok(()),
            Err(error) => return Err(wrong(n_frames, error.to_string())),
        }
        if n_frames < settings.least_frames {
            ticks = last.map_or(1, |last| frame.pts.saturating_sub(last.pts).max(1));
            last = Some(frame);
        } else {
            last = None;
        }
    }
    exchange.n_frames.store(n_frames, Ordering::SeqCst);
    if let Some(last) = last {
        let parts: Vec<&[u8]> = last.planes.iter().map(|plane| plane.data.as_slice()).collect();
        for i in 1..=settings.least_frames.saturating_sub(n_frames) as i64 {
            let pts = last.pts.saturating_sub(first_pts).saturating_add(ticks.saturating_mul(i));
            if writer.write_frame(pts, &parts).is_err() {
                return Ok(());
            }
        }
    }
    // Dropping the pipe is the end of the stream; that it broke shows in what ffmpeg gives.
    drop(writer.finish());
    Ok(())
}

/// Whether the results were taken to the end.
enum Wanted {
    All,
    NoMore,
}

/// The results of a process.
struct Reading<'a> {
    settings: &'a FilterSettings,
    fourcc: [u8; 4],
    first_pts: i64,
    /// Results so far.
    n_frames: u64,
}

impl Reading<'_> {
    fn read_all(
        &mut self,
        stdout: ChildStdout,
        taker: &mut dyn FnMut(Frame) -> bool,
        exchange: &Exchange,
    ) -> Result<Wanted, MediaError> {
        let reader = NutReader::new(BufReader::with_capacity(1 << 16, stdout));
        let mut reader = reader.map_err(|error| self.pipe_error(error))?;
        if reader.video().fourcc != self.fourcc {
            return Err(MediaError::GraphFormat { format: self.settings.format.ffmpeg_name() });
        }
        let parts = self.settings.output_time_base.den / self.settings.time_base.den.max(1);
        let mut decimator = self.settings.decimates.then(|| Decimator::new(parts.max(1)));
        while let Some(frame) = self.read_frame(&mut reader)? {
            if self.n_frames >= exchange.n_frames.load(Ordering::SeqCst) && self.settings.least_frames > 0 {
                continue;
            }
            self.n_frames += 1;
            let taken = match &mut decimator {
                None => taker(frame),
                Some(decimator) => {
                    decimator.push(frame);
                    std::iter::from_fn(|| decimator.pop()).all(&mut *taker)
                }
            };
            if !taken {
                return Ok(Wanted::NoMore);
            }
        }
        if let Some(mut decimator) = decimator {
            decimator.finish();
            std::iter::from_fn(|| decimator.pop()).all(taker);
        }
        Ok(Wanted::All)
    }

    fn read_frame(
        &self,
        reader: &mut NutReader<BufReader<ChildStdout>>,
    ) -> Result<Option<Frame>, MediaError> {
        let Some(head) = reader.next_frame().map_err(|error| self.pipe_error(error))? else {
            return Ok(None);
        };
        let FilterSettings { format, colour, .. } = self.settings;
        let (width, height) = (reader.video().width, reader.video().height);
        if head.n_bytes != format.frame_bytes(width, height) as u64 {
            return Err(MediaError::SizeChanged { n_frames: self.n_frames, width, height });
        }
        let pts = self.source_pts(head.pts, reader.video().time_base);
        let mut planes = Vec::with_capacity(format.n_planes());
        for plane in 0..format.n_planes() {
            let (width, height) = format.plane_size(plane, width, height);
            let mut data = vec![0; width * height * format.bytes_per_sample()];
            reader.read_data(&mut data).map_err(|error| self.pipe_error(error))?;
            planes.push(Plane { width, height, data });
        }
        Ok(Some(Frame { format: *format, width, height, planes, pts, colour: colour.clone() }))
    }

    /// A time stamp of the pipe, which counts from the first frame, in ticks of what comes out (or goes in, before frames are
    /// dropped).
    fn source_pts(&self, pts: i64, pipe: Rational) -> i64 {
        let to = pipe_time_base(self.settings);
        let offset = i128::from(offset_secs(to)) * i128::from(pipe.den) / i128::from(pipe.num);
        let since_first = rescaled(i128::from(pts) - offset, pipe, to);
        let first = rescaled(i128::from(self.first_pts), self.settings.time_base, to);
        i64::try_from(since_first.saturating_add(first)).unwrap_or(i64::MAX)
    }

    fn pipe_error(&self, source: NutError) -> MediaError {
        MediaError::Pipe { n_frames: self.n_frames, source }
    }

    fn failure(&self, child: &FfmpegChild, otherwise: String) -> MediaError {
        if child.was_killed() {
            return MediaError::Interrupted;
        }
        let reason = child.last_words().reason(|| otherwise);
        // In the words of ffmpeg up to 5 and from 6 on.
        if ["automatic conversion is disabled", "Impossible to convert between"]
            .iter()
            .any(|w| reason.contains(w))
        {
            return MediaError::GraphFormat { format: self.settings.format.ffmpeg_name() };
        }
        MediaError::Filter { n_frames: self.n_frames, reason }
    }
}

/// Ticks of one time base as those of another, rounded to the nearest.
fn rescaled(ticks: i128, from: Rational, to: Rational) -> i128 {
    let num = ticks.saturating_mul(i128::from(from.num)).saturating_mul(i128::from(to.den));
    let den = i128::from(from.den) * i128::from(to.num);
    num.saturating_mul(2).saturating_add(den).div_euclid(2 * den)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_rescaled_to_the_nearest() {
        let (ms, field) = (Rational::new(1, 1000), Rational::new(1001, 60_000));
        assert_eq!(rescaled(1001, ms, field), 60);
        assert_eq!(rescaled(-1001, ms, field), -60);
        assert_eq!(rescaled(1010, ms, field), 61);
        assert_eq!(rescaled(60, field, ms), 1001);
    }
}
