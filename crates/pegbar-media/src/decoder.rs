//! Frames of a video stream, exactly as the codec made them, with the source's own time stamps; or through filters, if
//! any are asked for.

mod resume;

use std::collections::VecDeque;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use pegbar_frame::{Colour, Frame, PixelFamily, PixelFormat, Plane, Rational};

use crate::child::{FfmpegChild, TimeLimit, enlarge_pipe};
use crate::decimate::Decimator;
use crate::nut::{NutError, NutFrame, NutReader};
use crate::nut_tag::nut_tag;
use crate::pad::padded;
use crate::picture_filters::PictureFilters;
use crate::probe::without_path;
use crate::time_offset::offset_secs;
use crate::time_order::{JumpBack, TimeOrder};
use crate::{InputOptions, MediaError, Tools, VideoInfo};

pub use resume::ResumePoint;

/// Which part to decode, and what becomes of its frames.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DecodeOptions {
    /// Seconds from the start of the file; the first frame is the first at or after it.
    pub start_secs: Option<f64>,
    /// Seconds from there.
    pub duration_secs: Option<f64>,
    /// What becomes of the frames.
    pub filters: PictureFilters,
    /// How the file is opened.
    pub input: InputOptions,
}

impl DecodeOptions {
    /// All of the film, as it is.
    pub const WHOLE: Self = Self {
        start_secs: None,
        duration_secs: None,
        filters: PictureFilters::NONE,
        input: InputOptions::PLAIN,
    };

    /// Whether it is not all of the film.
    pub(crate) fn is_part(&self) -> bool {
        self.start_secs.is_some() || self.duration_secs.is_some()
    }
}

/// How far before the asked start decoding begins, in seconds, one try after the other; after the last, at the start of
/// the file. Formats without an index (MPEG program and transport streams) are decoded only from the next key frame
/// *after* where one seeks to, so a try counts only when it shows a frame before the start.
const LEAD_SECS: [f64; 2] = [2.0, 15.0];

/// Time stamps closer than this are the same time: users give decimal seconds.
const SAME_SECS: f64 = 1e-6;

/// How ffmpeg is to rearrange samples.
const SCALER_FLAGS: &str = "accurate_rnd+full_chroma_int+full_chroma_inp";

/// So much less than the file says, in seconds or as a part of its length, is a missing end: rates are rounded, and the
/// last frame may stay a while.
const MISSING_SECS: f64 = 0.5;
const MISSING_PART: f64 = 0.02;

/// So many frames less than the file says are no damage: packed B-frames and the like are counted in more ways than one.
const MISSING_FRAMES: u64 = 3;

/// Decodes one video stream in an ffmpeg of its own; dropping it ends the ffmpeg.
///
/// Frames have the source's pixel format, or where that is not planar the planar format with the same samples, no
/// rotation applied, and time stamps in [`VideoInfo::time_base`] as they are in the file. Filters may change their
/// size, number and time base, never the pixel format.
pub struct Decoder {
    child: FfmpegChild,
    /// `None` once the stream has ended.
    reader: Option<NutReader<BufReader<ChildStdout>>>,
    path: PathBuf,
    format: PixelFormat,
    /// Size on the pipe.
    width: usize,
    height: usize,
    /// Of the time stamps on the pipe, before frames are dropped.
    pipe_time_base: Rational,
    time_base: Rational,
    filters: PictureFilters,
    decimator: Option<Decimator>,
    offset_secs: i64,
    colour: Colour,
    /// Frames delivered.
    n_frames: u64,
    warnings: Vec<String>,
    /// The first frames of the part, found while looking for its start.
    first: VecDeque<Frame>,
    /// So many of the first frames come before the place where one goes on.
    n_lead: usize,
    order: TimeOrder,
    /// Where the file says that the stream ends, in seconds of the time stamps.
    declared_end_secs: Option<f64>,
    /// How many frames the file says there are.
    declared_frames: Option<u64>,
    /// Where the part ends, in seconds of the time stamps.
    end_secs: f64,
    is_part: bool,
    /// For a sample, which is not worth waiting long for.
    limit: Option<TimeLimit>,
}

/// How an ffmpeg starts.
#[derive(Clone, Copy)]
struct Start<'a> {
    input: &'a InputOptions,
    /// Seconds from the start of the file.
    seek_secs: Option<f64>,
    /// Whether any frame near is as good as the exact one.
    near: bool,
    is_part: bool,
    filters: PictureFilters,
}

impl<'a> Start<'a> {
    /// At the start of the film, without filters.
    fn new(input: &'a InputOptions) -> Self {
        Self { input, seek_secs: None, near: false, is_part: false, filters: PictureFilters::NONE }
    }
}

/// What a try to find the start of a part came to.
enum Found {
    /// The first frame is kept; or there is none, for certain.
    Start,
    /// The stream began after the start.
    TooLate,
    /// There was no frame at all.
    Nothing(MediaError),
}

impl Decoder {
    /// Starts decoding and reads the head of the stream.
    ///
    /// # Errors
    /// [`MediaError::UnsupportedPixelFormat`]; [`MediaError::Settings`] for times that make no sense;
    /// [`MediaError::Decode`] with ffmpeg's reason when there is nothing to decode.
    pub fn open(
        tools: &Tools,
        path: &Path,
        video: &VideoInfo,
        options: &DecodeOptions,
    ) -> Result<Self, MediaError> {
        check_part(options)?;
        let start = options.start_secs.unwrap_or(0.0);
        let is_part = options.is_part();
        let end_secs = options.duration_secs.map_or(f64::INFINITY, |d| video.file_start_secs + start + d);
        let open_at = |seek: Option<f64>| -> Result<Self, MediaError> {
            let how =
                Start { seek_secs: seek, is_part, filters: options.filters, ..Start::new(&options.input) };
            let mut decoder = Self::start(tools, path, video, how, None)?;
            decoder.end_secs = end_secs;
            Ok(decoder)
        };
        let mut nothing = None;
        for lead in LEAD_SECS {
            if start <= lead {
                break;
            }
            match open_at(Some(start - lead)).map(|d| d.find_start(video.file_start_secs + start)) {
                Ok((Found::Start, decoder)) => return Ok(decoder),
                Ok((Found::TooLate, _)) => nothing = None,
                Ok((Found::Nothing(error), _)) | Err(error @ MediaError::Decode { n_frames: 0, .. }) => {
                    nothing = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match nothing {
            // Short before the end there may be no key frame, but not for so long.
            Some(error) if start > LEAD_SECS[LEAD_SECS.len() - 1] => return Err(error),
            _ => {}
        }
        let decoder = open_at(None)?;
        if start == 0.0 {
            return Ok(decoder);
        }
        match decoder.find_start(video.file_start_secs + start) {
            (Found::Nothing(error), _) => Err(error),
            (_, decoder) => Ok(decoder),
        }
    }

    /// Frames from about `seek_secs` seconds after the start of the file, as they are; ends by itself after `limit`.
    pub(crate) fn sample(
        tools: &Tools,
        path: &Path,
        video: &VideoInfo,
        input: &InputOptions,
        seek_secs: Option<f64>,
        limit: Duration,
    ) -> Result<Self, MediaError> {
        let how = Start { seek_secs, near: true, is_part: true, ..Start::new(input) };
        Self::start(tools, path, video, how, Some(limit))
    }

    /// Starts an ffmpeg.
    fn start(
        tools: &Tools,
        path: &Path,
        video: &VideoInfo,
        how: Start<'_>,
        limit: Option<Duration>,
    ) -> Result<Self, MediaError> {
        let (format, pipe_name) = pipe_format(&video.pix_fmt)?;
        if let Some(name) = video.unsupported_matrix.clone().filter(|_| format.family == PixelFamily::Yuv) {
            return Err(MediaError::UnsupportedMatrix { name });
        }
        let filters = how.filters;
        filters.check(format, video.width, video.height)?;
        let tag = nut_tag(format)
            .ok_or_else(|| MediaError::UnsupportedPixelFormat { name: video.pix_fmt.clone() })?;
        let pipe_time_base = filters.pipe_time_base(video.time_base);
        let time_base = filters.time_base(video.time_base);
        let offset_secs = offset_secs(pipe_time_base);
        let mut command = command(tools, path, video, how, &pipe_name, offset_secs);
        let (child, _, stdout) = FfmpegChild::spawn(&mut command)?;
        let limit = limit.map(|limit| child.limit(limit));
        let mut decoder = Self {
            child,
            reader: None,
            path: path.to_owned(),
            format,
            width: video.width,
            height: video.height,
            pipe_time_base,
            time_base,
            filters,
            decimator: filters.decimates().then(|| Decimator::new(time_base.den / pipe_time_base.den)),
            offset_secs,
            colour: video.colour.clone(),
            n_frames: 0,
            warnings: Vec::new(),
            first: VecDeque::new(),
            n_lead: 0,
            order: TimeOrder::new(pipe_time_base, highest_rate(video).map(|rate| filters.frame_rate(rate))),
            declared_end_secs: video.declared_end_secs,
            declared_frames: video.n_frames,
            end_secs: f64::INFINITY,
            is_part: how.is_part,
            limit,
        };
        let stdout = stdout.ok_or_else(|| decoder.pipe_error(NutError::NotNut))?;
        enlarge_pipe(&stdout);
        match NutReader::new(BufReader::with_capacity(1 << 16, stdout)) {
            Ok(reader) => {
                let head = reader.video();
                if head.fourcc != tag {
                    return Err(decoder.pipe_error(NutError::Unsupported("the codec tag of its stream")));
                }
                // The decoder knows better than the container how large a picture is.
                (decoder.width, decoder.height) = (head.width, head.height);
                decoder.reader = Some(reader);
                Ok(decoder)
            }
            // ffmpeg writes no head when it decodes nothing; its own words say why.
            Err(error @ (NutError::Truncated(_) | NutError::Io(_))) => {
                decoder.end()?;
                Err(decoder.nothing_decoded().unwrap_or_else(|| decoder.pipe_error(error)))
            }
            Err(error) => Err(decoder.pipe_error(error)),
        }
    }

    /// Passes over the frames before a time, and keeps the first at or after it.
    fn find_start(mut self, start_secs: f64) -> (Found, Self) {
        let mut n_before = 0;
        loop {
            match self.next_frame() {
                Ok(Some(frame)) if self.secs(frame.pts) < start_secs - SAME_SECS => n_before += 1,
                Ok(Some(frame)) => {
                    // Exactly the start is as good as one before it.
                    let exact = self.secs(frame.pts) <= start_secs + SAME_SECS;
                    self.first.push_back(frame);
                    self.n_frames = 0;
                    let found = if n_before > 0 || exact { Found::Start } else { Found::TooLate };
                    return (found, self);
                }
                Ok(None) => {
                    self.n_frames = 0;
                    let error = self.nothing_decoded().unwrap_or(MediaError::Interrupted);
                    return (Found::Nothing(error), self);
                }
                Err(error) => return (Found::Nothing(error), self),
            }
        }
    }

    /// A time stamp in seconds.
    pub(crate) fn secs(&self, pts: i64) -> f64 {
        pts as f64 * self.time_base.as_f64()
    }

    /// Layout of the frames.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Columns of the frames.
    pub fn width(&self) -> usize {
        self.filters.pad.map_or(self.width, |(width, _)| width)
    }

    /// Rows of the frames.
    pub fn height(&self) -> usize {
        self.filters.pad.map_or(self.height, |(_, height)| height)
    }

    /// Seconds per tick of the time stamps: the source's own, or what [`PictureFilters::time_base`] makes of it.
    pub fn time_base(&self) -> Rational {
        self.time_base
    }

    /// How many of the first frames come before the [`ResumePoint`].
    pub fn n_lead(&self) -> usize {
        self.n_lead
    }

    /// Frames delivered so far.
    pub fn n_frames(&self) -> u64 {
        self.n_frames
    }

    /// What ffmpeg complained about while it went on: damage in the file. Complete once [`Self::next_frame`] has
    /// returned `None`.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// The next frame; `None` at the end of the stream.
    ///
    /// # Errors
    /// [`MediaError::Decode`] with ffmpeg's reason and the number of frames before; [`MediaError::SizeChanged`];
    /// [`MediaError::Interrupted`]. After an error there are no more frames.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, MediaError> {
        let frame = match self.first.pop_front() {
            Some(first) => Some(first),
            None => self.next_filtered()?,
        };
        match frame {
            Some(frame) if self.secs(frame.pts) >= self.end_secs - SAME_SECS => {
                // The rest is not wanted.
                self.reader = None;
                self.child.stop();
                self.warnings = self.child.last_words().clone().into_list();
                if self.child.was_killed() { Err(MediaError::Interrupted) } else { Ok(None) }
            }
            Some(frame) => {
                self.n_frames += 1;
                Ok(Some(frame))
            }
            None => Ok(None),
        }
    }

    /// The next frame after what is done to frames on this side of the pipe.
    fn next_filtered(&mut self) -> Result<Option<Frame>, MediaError> {
        let Some(mut decimator) = self.decimator.take() else { return self.next_decoded() };
        loop {
            if let Some(frame) = decimator.pop() {
                self.decimator = Some(decimator);
                return Ok(Some(frame));
            }
            match self.next_decoded()? {
                Some(frame) => decimator.push(frame),
                None => {
                    decimator.finish();
                    let frame = decimator.pop();
                    self.decimator = Some(decimator);
                    return Ok(frame);
                }
            }
        }
    }

    fn next_decoded(&mut self) -> Result<Option<Frame>, MediaError> {
        let Some(mut reader) = self.reader.take() else { return Ok(None) };
        match self.read_frame(&mut reader) {
            Ok(Some(frame)) => {
                self.reader = Some(reader);
                Ok(Some(frame))
            }
            Ok(None) => {
                self.end()?;
                match self.nothing_decoded() {
                    Some(error) if !self.is_part => Err(error),
                    _ => Ok(None),
                }
            }
            // The stream broke off: its ffmpeg knows why, if it ended with an error.
            Err(MediaError::Pipe { source: NutError::Truncated(_) | NutError::Io(_), .. }) => {
                drop(reader);
                self.end()?;
                Err(self.failure("ffmpeg broke off without saying why".to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    fn read_frame(
        &mut self,
        reader: &mut NutReader<BufReader<ChildStdout>>,
    ) -> Result<Option<Frame>, MediaError> {
        let Some(head) = reader.next_frame().map_err(|e| self.pipe_error(e))? else { return Ok(None) };
        if head.n_bytes != self.format.frame_bytes(self.width, self.height) as u64 {
            return Err(MediaError::SizeChanged {
                n_frames: self.n_frames,
                width: self.width,
                height: self.height,
            });
        }
        let pts = self.source_pts(head, reader.video().time_base)?;
        let mut planes = Vec::with_capacity(self.format.n_planes());
        for plane in 0..self.format.n_planes() {
            let (width, height) = self.format.plane_size(plane, self.width, self.height);
            let mut data = vec![0; width * height * self.format.bytes_per_sample()];
            reader.read_data(&mut data).map_err(|e| self.pipe_error(e))?;
            planes.push(Plane { width, height, data });
        }
        let pts = self.order.place(pts).map_err(|JumpBack { n_after, at_secs }| {
            MediaError::TimeJumpsBack { n_frames: self.n_frames.saturating_sub(n_after), at_secs }
        })?;
        let (format, width, height, colour) = (self.format, self.width, self.height, self.colour.clone());
        let frame = Frame { format, width, height, planes, pts, colour };
        Ok(Some(match self.filters.pad {
            Some((width, height)) => padded(&frame, width, height),
            None => frame,
        }))
    }

    /// A time stamp of the pipe in the ticks that ffmpeg was asked for, which are the source's or, at the field rate,
    /// half as long. ffmpeg writes NUT in a time base that is the one asked for or a whole fraction of it, so this is
    /// exact.
    fn source_pts(&self, head: NutFrame, pipe: Rational) -> Result<i64, MediaError> {
        let source = self.pipe_time_base;
        let offset = i128::from(self.offset_secs) * i128::from(pipe.den) / i128::from(pipe.num);
        let ticks = (i128::from(head.pts) - offset) * i128::from(pipe.num) * i128::from(source.den);
        let per_tick = i128::from(pipe.den) * i128::from(source.num);
        let rounded = (2 * ticks + per_tick).div_euclid(2 * per_tick);
        i64::try_from(rounded)
            .map_err(|_| self.pipe_error(NutError::Invalid { what: "a time stamp", value: head.pts as u64 }))
    }

    /// Waits for ffmpeg and takes its words; an error when it failed.
    fn end(&mut self) -> Result<(), MediaError> {
        self.reader = None;
        let status = self.child.wait()?;
        self.limit = None;
        if !status.success() {
            return Err(self.failure(format!("ffmpeg ended with {status}")));
        }
        self.warnings = self.child.last_words().clone().into_list();
        // Where ffmpeg has said what is wrong, that says it better.
        if self.warnings.is_empty() && !self.is_part {
            self.warnings.extend(self.missing_end());
        }
        self.warnings.extend(self.order.warning());
        Ok(())
    }

    /// Some formats end where the file ends, and nobody notices that it was cut.
    fn missing_end(&self) -> Option<String> {
        let (last, end) = (self.order.last_secs()?, self.declared_end_secs?);
        if end - last > f64::max(MISSING_SECS, end * MISSING_PART) {
            return Some(format!(
                "the last frame is at {last:.2} s, but the file says that it lasts until {end:.2} s: it may have been cut \
                 short"
            ));
        }
        let declared = self.declared_frames?;
        let least = u64::max(MISSING_FRAMES, (declared as f64 * MISSING_PART) as u64);
        (declared.saturating_sub(self.n_frames) > least).then(|| {
            format!(
                "the file says that it holds {declared} frames, but only {} could be decoded",
                self.n_frames
            )
        })
    }

    fn failure(&self, otherwise: String) -> MediaError {
        if self.child.was_killed() {
            return MediaError::Interrupted;
        }
        let reason = self.child.last_words().reason(|| otherwise);
        // In the words of ffmpeg up to 5 and from 6 on.
        if ["automatic conversion is disabled", "Impossible to convert between"]
            .iter()
            .any(|w| reason.contains(w))
        {
            return MediaError::FilterFormat {
                filter: self.filters.fields.filter_name(),
                format: self.format.ffmpeg_name(),
            };
        }
        MediaError::Decode { n_frames: self.n_frames, reason: without_path(&reason, &self.path) }
    }

    /// Why a stream that ended well has no frame.
    fn nothing_decoded(&self) -> Option<MediaError> {
        let reason = if self.warnings.is_empty() && self.is_part {
            "there is no frame in this part of the video".to_owned()
        } else {
            without_path(&self.child.last_words().reason(|| "it holds no frame".to_owned()), &self.path)
        };
        (self.n_frames == 0).then_some(MediaError::Decode { n_frames: 0, reason })
    }

    fn pipe_error(&self, source: NutError) -> MediaError {
        MediaError::Pipe { n_frames: self.n_frames, source }
    }
}

impl Iterator for Decoder {
    type Item = Result<Frame, MediaError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame().transpose()
    }
}

/// The highest frame rate that a stream may have.
fn highest_rate(video: &VideoInfo) -> Option<Rational> {
    let rates = [video.avg_frame_rate, video.r_frame_rate].into_iter().flatten();
    rates.max_by(|a, b| a.as_f64().total_cmp(&b.as_f64()))
}

/// The planes to ask for, and the name to ask with.
fn pipe_format(name: &str) -> Result<(PixelFormat, String), MediaError> {
    let unsupported = || MediaError::UnsupportedPixelFormat { name: name.to_owned() };
    let format = PixelFormat::planar_equivalent(name).ok_or_else(unsupported)?;
    if PixelFormat::ffmpeg_implied_range(name).is_some() {
        // Asked for by its plain name, ffmpeg would squeeze the range.
        return Ok((format, name.to_owned()));
    }
    // These have no tag in NUT; the next larger format that has one holds all of it.
    let format = match (format.family, format.depth_bits) {
        _ if nut_tag(format).is_some() => format,
        (PixelFamily::Yuv, _) => PixelFormat { log2_chroma_w: 0, log2_chroma_h: 0, ..format },
        _ => format.with_depth(16),
    };
    Ok((format, format.ffmpeg_name()))
}

fn check_part(options: &DecodeOptions) -> Result<(), MediaError> {
    let bad = |what: &str, secs: f64| MediaError::Settings(format!("the {what} of {secs} s makes no sense"));
    match (options.start_secs, options.duration_secs) {
        (Some(start), _) if !start.is_finite() || start < 0.0 => Err(bad("start", start)),
        (_, Some(duration)) if !duration.is_finite() || duration <= 0.0 => Err(bad("duration", duration)),
        _ => Ok(()),
    }
}

fn command(
    tools: &Tools,
    path: &Path,
    video: &VideoInfo,
    how: Start<'_>,
    pipe_name: &str,
    offset_secs: i64,
) -> Command {
    let mut command = Command::new(&tools.ffmpeg);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.args(["-nostdin", "-hide_banner", "-nostats", "-v", "error"]);
    // Damage is reported as warnings; how much of it is too much is not for ffmpeg to say.
    command.args(["-max_error_rate", "1"]);
    command.args(["-copyts", "-noautorotate"]);
    if let Some(secs) = how.seek_secs {
        if how.near {
            command.arg("-noaccurate_seek");
        }
        command.args(["-ss", &format!("{secs:.6}")]);
    }
    how.input.add_decoded(&mut command, path);
    command.args(["-map", &format!("0:{}", video.index)]);
    command.args(["-map_metadata", "-1", "-map_chapters", "-1"]);
    command.args(["-c:v", "rawvideo", "-pix_fmt", pipe_name]);
    // Only rearranging samples is left to ffmpeg, and that exactly.
    command.args(["-noautoscale", "-sws_flags", SCALER_FLAGS]);
    if let Some(graph) = how.filters.graph(pipe_name, SCALER_FLAGS) {
        command.args(["-noauto_conversion_filters", "-vf", &graph]);
    }
    command.args(tools.passthrough_option());
    let time_base = how.filters.pipe_time_base(video.time_base);
    command.args(["-enc_time_base", &format!("{}:{}", time_base.num, time_base.den)]);
    command.args(["-avoid_negative_ts", "disabled", "-output_ts_offset", &offset_secs.to_string()]);
    command.args(["-write_index", "0", "-f", "nut", "pipe:1"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_on_the_pipe() {
        for (name, format, asked) in [
            ("yuv420p", PixelFormat::YUV420P, "yuv420p"),
            ("yuvj420p", PixelFormat::YUV420P, "yuvj420p"),
            ("nv12", PixelFormat::YUV420P, "yuv420p"),
            ("rgb24", PixelFormat::GBRP, "gbrp"),
            ("yuv440p12le", PixelFormat::YUV444P12, "yuv444p12le"),
            ("gbrap14le", PixelFormat::GBRAP16, "gbrap16le"),
        ] {
            assert_eq!(pipe_format(name).unwrap(), (format, asked.to_owned()), "{name}");
        }
        assert!(pipe_format("gbrpf32le").unwrap_err().to_string().contains("gbrpf32le"));
        for format in PixelFormat::all() {
            assert!(nut_tag(pipe_format(&format.ffmpeg_name()).unwrap().0).is_some(), "{format}");
        }
    }

    #[test]
    fn parts_that_make_no_sense() {
        for (start_secs, duration_secs) in
            [(Some(-1.0), None), (Some(f64::NAN), None), (None, Some(0.0)), (None, Some(f64::INFINITY))]
        {
            let part = DecodeOptions { start_secs, duration_secs, ..DecodeOptions::WHOLE };
            assert!(check_part(&part).is_err());
        }
    }
}
