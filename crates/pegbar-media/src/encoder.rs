//! Encoding frames, and copying every other stream of the source beside them.

mod animation;
mod arguments;
mod copies;
mod cover;
mod segments;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::ChildStdin;

use pegbar_frame::{Colour, Frame, PixelFormat, Rational};

use crate::child::{self, FfmpegChild, LastWords};
use crate::container::Container;
use crate::encode_settings::{Chosen, EncodeSettings};
use crate::nut::{NutError, NutVideo, NutWriter};
use crate::nut_tag::nut_tag;
use crate::probe::{Probe, VideoInfo, without_path};
use crate::stream_plan::{Action, StreamPlan, plan_streams};
use crate::{DecodeOptions, HdrMetadata, MediaError, Tools, temporary};
pub use animation::{check_animation, join_animation};
pub use copies::{BrokenStream, Instead, check_copies};
use cover::Cover;
pub use segments::{Segment, join_segments};

/// The video stream to make.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamParams {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Layout of the frames that will be written: [`EncodeSettings::output_format`].
    pub format: PixelFormat,
    /// Seconds per tick of the time stamps.
    pub time_base: Rational,
    /// Frames per second on average, a hint for the encoder's rate control.
    pub frame_rate: Option<Rational>,
    /// Sample aspect ratio.
    pub sar: Rational,
    /// Colour tags to write.
    pub colour: Colour,
    /// HDR10's metadata to write beside them.
    pub hdr: Option<HdrMetadata>,
}

/// Where everything but the picture comes from.
#[derive(Debug, Clone)]
pub struct CopySource<'a> {
    /// The source.
    pub path: &'a Path,
    /// What it holds.
    pub probe: &'a Probe,
    /// Index of the stream that is restored, over all kinds.
    pub video_index: usize,
    /// The part that is decoded. When it is not the whole, output starts at 0, with the first frame.
    pub trim: DecodeOptions,
    /// What becomes of streams, by index, that cannot be copied though the container could hold them: [`check_copies`].
    pub instead: BTreeMap<usize, Instead>,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeReport {
    /// Frames.
    pub n_frames: u64,
    /// Size of the file.
    pub n_bytes: u64,
    /// What ffmpeg complained about, and what could not be kept.
    pub warnings: Vec<String>,
}

/// Encodes frames in an ffmpeg of its own; dropping it unfinished ends the ffmpeg and leaves a partial file, which is
/// the caller's to remove.
///
/// ffmpeg starts with the first frame, because the sound of a trimmed part has to start exactly with it.
pub struct Encoder {
    job: Job,
    running: Option<Running>,
    n_frames: u64,
    last_pts: Option<i64>,
    failed: bool,
}

/// All that the command line of ffmpeg depends on.
struct Job {
    tools: Tools,
    output: PathBuf,
    container: Container,
    chosen: Chosen,
    threads: Option<usize>,
    params: StreamParams,
    source: Option<Source>,
    /// What of the source this encoder cannot store: a sentence.
    lost: Option<String>,
    piece: Piece,
}

/// How much of the output an ffmpeg makes of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// All of it, from frames.
    Whole,
    /// A segment, whose first frame is at 0.
    Segment,
    /// All of it, from encoded segments.
    Joined,
}

/// [`CopySource`], kept.
struct Source {
    path: PathBuf,
    start_secs: f64,
    trim: DecodeOptions,
    video: Option<VideoInfo>,
    streams: Vec<PlannedStream>,
    covers: Vec<Cover>,
    has_timecode: bool,
}

struct PlannedStream {
    plan: StreamPlan,
    is_video: bool,
    /// Damaged sound: what is missing becomes silence.
    has_gaps: bool,
    disposition: Vec<String>,
    stale_tags: Vec<String>,
}

struct Running {
    child: FfmpegChild,
    writer: NutWriter<ChildStdin>,
    /// Added to a frame's time stamp for the pipe, in ticks.
    shift: i64,
}

impl Encoder {
    /// Prepares encoding to `output`, a path that the caller renames when all is done; `container` says what to write
    /// whatever its extension. Checks all that can be checked without a frame.
    ///
    /// # Errors
    /// [`MediaError::EncoderMissing`]; [`MediaError::Settings`] when the choices do not fit together;
    /// [`MediaError::Io`] when the output cannot be created.
    pub fn create(
        tools: &Tools,
        output: &Path,
        container: Container,
        settings: &EncodeSettings,
        params: &StreamParams,
        source: Option<&CopySource<'_>>,
    ) -> Result<Self, MediaError> {
        let (chosen, lost) = check(tools, Some(container), settings, params)?;
        create_output(output)?;
        let source = source.map(|source| Source::new(tools, source, container)).transpose()?;
        let job = Job::new(tools, output, container, chosen, (settings, params), Piece::Whole);
        Ok(Self::of(Job { source, lost, ..job }))
    }

    fn of(job: Job) -> Self {
        Self { job, running: None, n_frames: 0, last_pts: None, failed: false }
    }

    /// ffmpeg's name of the encoder that was chosen.
    pub fn encoder_name(&self) -> &str {
        &self.job.chosen.encoder
    }

    /// Encodes a frame. Blocks while the encoder is busy.
    ///
    /// # Errors
    /// [`MediaError::WrongFrame`] when it has another format or size, or comes out of order;
    /// [`MediaError::Encode`] with ffmpeg's reason when it ended, a full disk for example;
    /// [`MediaError::Interrupted`]. After the latter two nothing can be written any more.
    pub fn write_frame(&mut self, frame: &Frame) -> Result<(), MediaError> {
        if self.failed {
            return Err(self.encode_error("encoding has ended already".to_owned()));
        }
        self.check_frame(frame)?;
        if self.running.is_none() {
            self.running = Some(self.job.start(frame.pts)?);
        }
        // Started above when it was not.
        let Some(running) = &mut self.running else { return Ok(()) };
        let parts: Vec<&[u8]> = frame.planes.iter().map(|p| p.data.as_slice()).collect();
        match running.writer.write_frame(frame.pts.saturating_add(running.shift), &parts) {
            Ok(()) => {
                self.n_frames += 1;
                self.last_pts = Some(frame.pts);
                Ok(())
            }
            Err(NutError::Io(error)) => {
                let reason = format!("ffmpeg takes no more frames ({error})");
                Err(self.fail(reason))
            }
            Err(error) => Err(self.wrong_frame(error.to_string())),
        }
    }

    /// Ends the stream, waits for ffmpeg to write the rest, and syncs the file to disk.
    ///
    /// # Errors
    /// [`MediaError::Encode`] with ffmpeg's reason; [`MediaError::Interrupted`]; [`MediaError::Io`].
    pub fn finish(mut self) -> Result<EncodeReport, MediaError> {
        if self.failed {
            return Err(self.encode_error("encoding has ended already".to_owned()));
        }
        let Some(Running { mut child, writer, .. }) = self.running.take() else {
            return Err(self.encode_error("there was no frame to encode".to_owned()));
        };
        // Dropping the pipe is the end of the stream; that it broke shows in the exit status.
        drop(writer.finish());
        let status = child.wait()?;
        if !status.success() {
            let reason = child.last_words().reason(|| format!("ffmpeg ended with {status}"));
            return Err(self.encode_error(reason));
        }
        let mut warnings = child.last_words().clone().into_list();
        drop(child);
        warnings.extend(self.job.lost.take());
        warnings.extend(self.job.add_rotation()?);
        let n_bytes = sync(&self.job.output)?;
        if n_bytes == 0 {
            return Err(self.encode_error("ffmpeg wrote an empty file".to_owned()));
        }
        Ok(EncodeReport { n_frames: self.n_frames, n_bytes, warnings })
    }

    fn check_frame(&self, frame: &Frame) -> Result<(), MediaError> {
        let params = &self.job.params;
        if (frame.format, frame.width, frame.height) != (params.format, params.width, params.height) {
            return Err(self.wrong_frame(format!(
                "it is {}x{} {}, the stream is {}x{} {}",
                frame.width, frame.height, frame.format, params.width, params.height, params.format
            )));
        }
        frame.validate().map_err(|e| self.wrong_frame(e.to_string()))?;
        match self.last_pts {
            Some(last) if frame.pts <= last => Err(self.wrong_frame(format!(
                "its time stamp {} is not after that of the frame before, {last}",
                frame.pts
            ))),
            _ => Ok(()),
        }
    }

    /// Ends a broken ffmpeg and says what it said.
    fn fail(&mut self, otherwise: String) -> MediaError {
        self.failed = true;
        let Some(Running { mut child, writer, .. }) = self.running.take() else {
            return self.encode_error(otherwise);
        };
        drop(writer);
        match child.wait() {
            Ok(_) => self.encode_error(child.last_words().reason(|| otherwise)),
            Err(error) => error,
        }
    }

    fn encode_error(&self, reason: String) -> MediaError {
        MediaError::Encode { n_frames: self.n_frames, reason: without_path(&reason, &self.job.output) }
    }

    fn wrong_frame(&self, reason: String) -> MediaError {
        MediaError::WrongFrame { n_frames: self.n_frames, reason }
    }
}

impl Job {
    /// Of the picture alone.
    fn new(
        tools: &Tools,
        output: &Path,
        container: Container,
        chosen: Chosen,
        (settings, params): (&EncodeSettings, &StreamParams),
        piece: Piece,
    ) -> Self {
        Self {
            tools: tools.clone(),
            output: output.to_owned(),
            container,
            chosen,
            threads: settings.threads,
            params: params.clone(),
            source: None,
            lost: None,
            piece,
        }
    }

    /// Starts ffmpeg for a stream whose first frame has this time stamp.
    fn start(&self, first_pts: i64) -> Result<Running, MediaError> {
        let trimmed = self.piece == Piece::Segment || self.source.as_ref().is_some_and(Source::is_trimmed);
        let shift = if trimmed { first_pts.saturating_neg() } else { self.offset_ticks() };
        let mut command = self.command(trimmed.then_some(first_pts));
        let (child, stdin, _) = FfmpegChild::spawn(&mut command)?;
        let stdin = stdin.ok_or(MediaError::Interrupted)?;
        child::enlarge_pipe(&stdin);
        let params = &self.params;
        let video = NutVideo {
            // Checked when the encoder was created.
            fourcc: nut_tag(params.format).unwrap_or_default(),
            width: params.width,
            height: params.height,
            sar: params.sar,
            time_base: params.time_base,
        };
        // Without a rate, encoders take the time base for one, and plan for 90000 frames a second.
        let frame_rate = params.frame_rate.filter(|r| r.is_positive()).unwrap_or(Rational::new(25, 1));
        let writer = NutWriter::new(stdin, &video, Some(frame_rate)).map_err(|error| match error {
            NutError::Io(source) => MediaError::Io { doing: "ffmpeg takes no input".to_owned(), source },
            other => MediaError::Settings(other.to_string()),
        })?;
        Ok(Running { child, writer, shift })
    }

    fn rotation_degrees(&self) -> f64 {
        self.source.as_ref().and_then(|s| s.video.as_ref()).map_or(0.0, |v| v.rotation_degrees)
    }

    /// Before version 6.0 ffmpeg could not give an encoded stream a display matrix; a copied one it could.
    fn add_rotation(&self) -> Result<Option<String>, MediaError> {
        let degrees = self.rotation_degrees();
        if degrees == 0.0 || self.tools.at_least(6, 0) {
            return Ok(None);
        }
        if !self.container.is_quicktime() {
            return Ok(Some(format!(
                "players turned the source by {degrees} degrees, which this ffmpeg cannot write to {}: the output \
                 stays unturned; use .mp4, or ffmpeg 6.0 or newer",
                self.container
            )));
        }
        let failed = || MediaError::io("the output cannot be written");
        let turned = temporary::beside(&self.output).map_err(failed())?;
        let output = child::output(&mut self.rotation_command(turned.path(), degrees))
            .map_err(MediaError::io("ffmpeg could not be started"))?;
        if !output.status.success() {
            let reason = LastWords::of(&output.stderr).reason(|| output.status.to_string());
            return Err(MediaError::Encode {
                n_frames: 0,
                reason: format!("the rotation was not written: {reason}"),
            });
        }
        temporary::persist(turned, &self.output).map_err(failed())?;
        Ok(None)
    }
}

impl Source {
    fn is_trimmed(&self) -> bool {
        self.trim.is_part()
    }

    fn new(tools: &Tools, source: &CopySource<'_>, container: Container) -> Result<Self, MediaError> {
        let probe = source.probe;
        let mut streams = Vec::new();
        let mut covers = Vec::new();
        for (mut plan, stream) in
            plan_streams(probe, source.video_index, container).into_iter().zip(&probe.streams)
        {
            let instead = source.instead.get(&stream.index);
            match instead {
                Some(Instead::Encode(encoder)) => plan.action = Action::Rewrite(encoder),
                Some(Instead::LeaveOut) => plan.action = Action::Drop,
                None => {}
            }
            if plan.action == Action::AttachCover {
                covers.extend(Cover::extract(tools, source.path, stream)?);
            }
            streams.push(PlannedStream {
                is_video: stream.video.is_some(),
                has_gaps: instead.is_some(),
                disposition: stream.disposition.clone(),
                stale_tags: stream.tags.keys().filter(|key| is_stale(key)).cloned().collect(),
                plan,
            });
        }
        let video =
            probe.streams.iter().find(|s| s.index == source.video_index).and_then(|s| s.video.clone());
        Ok(Self {
            path: source.path.to_owned(),
            start_secs: probe.start_secs.unwrap_or(0.0),
            trim: source.trim.clone(),
            video,
            streams,
            covers,
            has_timecode: probe.tags.contains_key("timecode"),
        })
    }
}

/// Makes sure that the file has reached the disk, and returns its size.
fn sync(path: &Path) -> Result<u64, MediaError> {
    let file = File::open(path).map_err(MediaError::io("the output cannot be opened"))?;
    file.sync_all().map_err(MediaError::io("the output cannot be synced to disk"))?;
    Ok(file.metadata().map_err(MediaError::io("the output cannot be opened"))?.len())
}

/// Tags that describe how the old stream was encoded, and would be wrong beside the new one.
fn is_stale(key: &str) -> bool {
    let key = key.to_ascii_uppercase();
    let stem = key.split_once('-').map_or(key.as_str(), |(stem, _)| stem);
    matches!(stem, "BPS" | "DURATION" | "NUMBER_OF_FRAMES" | "NUMBER_OF_BYTES" | "ENCODER" | "ROTATE")
        || stem.starts_with("_STATISTICS_")
}

/// Checks all that can be checked without a frame, and chooses the encoder. Comes with a sentence on what it cannot store.
fn check(
    tools: &Tools,
    container: Option<Container>,
    settings: &EncodeSettings,
    params: &StreamParams,
) -> Result<(Chosen, Option<String>), MediaError> {
    if let Some(container) = container {
        settings.check_container(container)?;
    }
    if nut_tag(params.format).is_none() {
        return Err(MediaError::UnsupportedPixelFormat { name: params.format.ffmpeg_name() });
    }
    if params.width == 0 || params.height == 0 || !params.time_base.is_positive() {
        return Err(MediaError::Settings(format!(
            "a picture of {}x{} with the time base {} cannot be encoded",
            params.width, params.height, params.time_base
        )));
    }
    let mut chosen = settings.choose(tools, params.format, (params.width, params.height))?;
    check_stored(tools, &chosen)?;
    let hdr = params.hdr.as_ref();
    let lost = hdr.and_then(|hdr| hdr.add_to(&chosen.encoder, &mut chosen.options));
    Ok((chosen, lost))
}

/// Better now than after the first frame has been restored.
fn create_output(path: &Path) -> Result<(), MediaError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(MediaError::io("the output cannot be written"))?;
    Ok(())
}

/// Makes sure that the encoder stores the format; ffmpeg would otherwise quietly convert to another.
fn check_stored(tools: &Tools, chosen: &Chosen) -> Result<(), MediaError> {
    let Some(stored) = &chosen.stored else { return Ok(()) };
    let formats = tools.encoder_formats(&chosen.encoder)?;
    if formats.is_empty() || formats.contains(stored) {
        return Ok(());
    }
    let encoder = &chosen.encoder;
    let known: Vec<_> =
        formats.iter().filter(|f| PixelFormat::planar_equivalent(f).is_some()).cloned().collect();
    Err(MediaError::Settings(if known.is_empty() {
        format!(
            "the encoder {encoder} takes frames only in memory of the hardware ({}): name the device and hand them over, for \
             example \"-vaapi_device /dev/dri/renderD128 -vf format=nv12,hwupload -c:v h264_vaapi -qp 18\"",
            formats.join(", ")
        )
    } else {
        format!(
            "the encoder {encoder} of this ffmpeg cannot store {stored}; it can store {}",
            known.join(", ")
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_tags() {
        for key in ["BPS", "BPS-eng", "DURATION-eng", "encoder", "_STATISTICS_TAGS", "rotate"] {
            assert!(is_stale(key), "{key}");
        }
        for key in ["language", "title", "handler_name", "ENCODER_SETTINGS"] {
            assert!(!is_stale(key), "{key}");
        }
    }
}
