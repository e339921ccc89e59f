//! What a media file holds, told by ffprobe.

mod json;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use pegbar_frame::{Colour, Rational};
use serde::{Serialize, Serializer};

pub use json::parse_probe;

use crate::child;
use crate::tools::Tools;
use crate::{HdrMetadata, InputOptions, MediaError, Sequence, child::LastWords};

/// A media file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probe {
    /// ffmpeg's name of the container: `matroska,webm`, `mov,mp4,m4a,3gp,3g2,mj2`, `mpeg`.
    pub format: String,
    /// Length in seconds.
    pub duration_secs: Option<f64>,
    /// Time stamp of the earliest stream in seconds.
    pub start_secs: Option<f64>,
    /// Bytes.
    pub size_bytes: Option<u64>,
    /// Bits per second over all.
    pub bit_rate: Option<u64>,
    /// Streams by index.
    pub streams: Vec<StreamInfo>,
    /// Chapters in order.
    pub chapters: Vec<Chapter>,
    /// Metadata of the file.
    pub tags: BTreeMap<String, String>,
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StreamKind {
    /// Moving pictures, or a cover.
    Video,
    /// Sound.
    Audio,
    /// Text or bitmaps to show on top.
    Subtitle,
    /// A file, for example a font.
    Attachment,
    /// Anything else: time code, chapters as text, telemetry.
    Data,
}

/// One stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamInfo {
    /// Index in the file, over all kinds.
    pub index: usize,
    /// What it holds.
    pub kind: StreamKind,
    /// ffmpeg's name of the codec, `unknown` where it knows none.
    pub codec: String,
    /// The container's own tag of the codec, `[0][0][0][0]` where it has none.
    pub codec_tag: String,
    /// Time stamp of the first packet in seconds.
    pub start_secs: Option<f64>,
    /// Length in seconds.
    pub duration_secs: Option<f64>,
    /// Sound: channels.
    pub channels: Option<u32>,
    /// Sound: samples per second.
    pub sample_rate: Option<u32>,
    /// Sound: bits of a sample where the codec is lossless.
    pub bits_per_sample: Option<u32>,
    /// Video: the rest.
    pub video: Option<VideoInfo>,
    /// Names of the dispositions set: `default`, `forced`, `attached_pic`...
    pub disposition: Vec<String>,
    /// Metadata of the stream.
    pub tags: BTreeMap<String, String>,
}

/// A video stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VideoInfo {
    /// Index in the file, over all kinds.
    pub index: usize,
    /// ffmpeg's name of the codec.
    pub codec: String,
    /// Profile of the codec.
    pub profile: Option<String>,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// ffmpeg's name of the pixel format; empty where the stream gives no picture.
    pub pix_fmt: String,
    /// Seconds per tick of the time stamps.
    #[serde(serialize_with = "rational")]
    pub time_base: Rational,
    /// Frames per second on average.
    #[serde(serialize_with = "optional_rational")]
    pub avg_frame_rate: Option<Rational>,
    /// The lowest rate at which all time stamps are exact, by ffmpeg's guess.
    #[serde(serialize_with = "optional_rational")]
    pub r_frame_rate: Option<Rational>,
    /// Sample aspect ratio; `1:1` where the file says nothing.
    #[serde(serialize_with = "aspect")]
    pub sar: Rational,
    /// Colour tags.
    pub colour: Colour,
    /// HDR10's metadata beside the colour tags.
    pub hdr: Option<HdrMetadata>,
    /// ffmpeg's name of a colour matrix that is tagged but cannot be converted.
    pub unsupported_matrix: Option<String>,
    /// `progressive`, `tt`, `bb`, `tb`, `bt`; `None` where the file says nothing.
    pub field_order: Option<String>,
    /// Frames, where the container says.
    pub n_frames: Option<u64>,
    /// Time stamp of the first frame in ticks.
    pub start_pts: Option<i64>,
    /// Time stamp in seconds at which the file says that the stream ends; `None` where it says nothing, and where ffmpeg
    /// itself notices that the end is missing.
    pub declared_end_secs: Option<f64>,
    /// Time stamp in seconds at which the file starts; times that users give count from there.
    pub file_start_secs: f64,
    /// Degrees that a player turns the picture, counter-clockwise; 0 where there is no display matrix.
    pub rotation_degrees: f64,
    /// Whether it is a cover and no film.
    pub attached_pic: bool,
}

/// A chapter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chapter {
    /// Start in seconds.
    pub start_secs: f64,
    /// End in seconds.
    pub end_secs: f64,
    /// Metadata; `title` is usual.
    pub tags: BTreeMap<String, String>,
}

impl Probe {
    /// The `n`th video stream, from 0; covers are not counted.
    ///
    /// # Errors
    /// [`MediaError::NoVideo`] says what there is instead.
    pub fn video(&self, n: usize) -> Result<&VideoInfo, MediaError> {
        let films = || self.streams.iter().filter_map(|s| s.video.as_ref()).filter(|v| !v.attached_pic);
        if let Some(film) = films().nth(n) {
            if film.width == 0 || film.height == 0 || film.pix_fmt.is_empty() {
                return Err(MediaError::NoVideo {
                    reason: format!(
                        "the video stream cannot be decoded (codec {}): the file is damaged, or this ffmpeg lacks the decoder",
                        film.codec
                    ),
                });
            }
            return Ok(film);
        }
        let reason = match films().count() {
            0 if self.streams.is_empty() => "the file has no streams".to_owned(),
            0 if self.streams.iter().any(|s| s.kind == StreamKind::Audio) => {
                "the file has sound but no video stream".to_owned()
            }
            0 => "the file has no video stream".to_owned(),
            count => format!("there is no video stream {n}: the file has {count}, counted from 0"),
        };
        Err(MediaError::NoVideo { reason })
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Subtitle => "subtitle",
            Self::Attachment => "attachment",
            Self::Data => "data",
        })
    }
}

impl fmt::Display for StreamInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.index, self.kind, self.codec)?;
        if let Some(v) = &self.video {
            write!(f, ", {}x{} {}", v.width, v.height, v.pix_fmt)?;
            if v.sar != Rational::new(1, 1) {
                write!(f, ", SAR {}:{}", v.sar.num, v.sar.den)?;
            }
            if let Some(rate) = v.avg_frame_rate.filter(|_| !v.attached_pic) {
                write!(f, ", {:.3} fps", rate.as_f64())?;
            }
        }
        if let Some(rate) = self.sample_rate {
            write!(f, ", {rate} Hz")?;
        }
        if let Some(channels) = self.channels {
            write!(f, ", {channels} channels")?;
        }
        for key in ["language", "title", "filename"] {
            if let Some(value) = self.tags.get(key) {
                write!(f, ", {value}")?;
            }
        }
        for name in &self.disposition {
            write!(f, " ({name})")?;
        }
        Ok(())
    }
}

fn rational<S: Serializer>(value: &Rational, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn optional_rational<S: Serializer>(value: &Option<Rational>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

fn aspect<S: Serializer>(value: &Rational, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}:{}", value.num, value.den))
}

/// Asks ffprobe about a file.
///
/// # Errors
/// [`MediaError::Unreadable`] for a directory, an empty or unreadable file; [`MediaError::NotMedia`] for one that is
/// no video, text among them.
pub fn probe(tools: &Tools, path: &Path) -> Result<Probe, MediaError> {
    check_file(path)?;
    let mut probe = ask(tools, path, &InputOptions::PLAIN)?;
    // ffmpeg shows text files as films of scrolling letters; nobody wants those restored.
    if matches!(probe.format.as_str(), "tty" | "ansi") || probe.streams.iter().all(|s| s.codec == "ansi") {
        return Err(MediaError::NotMedia { reason: "it is a text file".to_owned() });
    }
    for video in probe.streams.iter_mut().filter_map(|s| s.video.as_mut()).filter(|v| may_be_hdr(v)) {
        let first = first_frame_hdr(tools, path, video.index)?;
        video.hdr = match (video.hdr.take(), first) {
            (Some(told), Some(first)) => Some(told.or(first)),
            (told, first) => told.or(first),
        };
    }
    Ok(probe)
}

/// As [`probe`], of numbered images. It has one stream, video.
///
/// # Errors
/// As [`probe`].
pub fn probe_sequence(tools: &Tools, sequence: &Sequence) -> Result<Probe, MediaError> {
    let path = sequence.pattern.file(sequence.first);
    check_file(&path)?;
    let input = InputOptions { sequence: Some(sequence.clone()), hwaccel: None };
    let mut probe = ask(tools, &path, &input)?;
    for video in probe.streams.iter_mut().filter_map(|s| s.video.as_mut()) {
        video.n_frames = Some(sequence.n_frames);
        // Its guesses look at the first images only.
        video.avg_frame_rate = Some(sequence.frame_rate);
        video.r_frame_rate = Some(sequence.frame_rate);
    }
    Ok(probe)
}

fn ask(tools: &Tools, path: &Path, input: &InputOptions) -> Result<Probe, MediaError> {
    let mut command = Command::new(&tools.ffprobe);
    command.stdin(Stdio::null());
    command.args(["-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters"]);
    input.add(&mut command, path);
    let output = ffprobe_output(tools, &mut command)?;
    if !output.status.success() {
        let reason = LastWords::of(&output.stderr).reason(|| output.status.to_string());
        return Err(MediaError::NotMedia { reason: without_path(&reason, path) });
    }
    parse_probe(&output.stdout)
}

/// Whether HDR metadata are usual for the stream. Most codecs hold them beside the pictures, where only decoding one
/// shows them.
fn may_be_hdr(video: &VideoInfo) -> bool {
    !video.attached_pic && matches!(video.colour.transfer.as_deref(), Some("smpte2084" | "arib-std-b67"))
}

/// HDR metadata of the first frames of a stream.
fn first_frame_hdr(tools: &Tools, path: &Path, index: usize) -> Result<Option<HdrMetadata>, MediaError> {
    let mut command = Command::new(&tools.ffprobe);
    command.stdin(Stdio::null());
    // The first packets of a recording may be of pictures that cannot be decoded.
    command.args(["-v", "error", "-of", "json", "-read_intervals", "%+#16", "-show_frames"]);
    command.args(["-select_streams", &index.to_string()]);
    command.arg(file_url(path));
    let output = ffprobe_output(tools, &mut command)?;
    // What is wrong with the file shows when it is decoded.
    Ok(json::parse_frames_hdr(&output.stdout))
}

fn ffprobe_output(tools: &Tools, command: &mut Command) -> Result<Output, MediaError> {
    child::output(command).map_err(|source| match source.kind() {
        std::io::ErrorKind::Interrupted => MediaError::Interrupted,
        _ => MediaError::Io { doing: format!("{} could not be started", tools.ffprobe.display()), source },
    })
}

/// What ffprobe would say less clearly.
fn check_file(path: &Path) -> Result<(), MediaError> {
    let unreadable = |reason: String| MediaError::Unreadable { reason };
    let metadata = fs::metadata(path).map_err(|e| {
        unreadable(match e.kind() {
            std::io::ErrorKind::NotFound => "the file does not exist".to_owned(),
            _ => format!("the file cannot be read: {e}"),
        })
    })?;
    if metadata.is_dir() {
        return Err(unreadable("this is a directory, not a video file".to_owned()));
    }
    File::open(path).map_err(|e| unreadable(format!("the file cannot be read: {e}")))?;
    if metadata.is_file() && metadata.len() == 0 {
        return Err(unreadable("the file is empty (0 bytes)".to_owned()));
    }
    Ok(())
}

/// The path as a URL of ffmpeg's, so that no colon or dash in it means something else.
pub(crate) fn file_url(path: &Path) -> std::ffi::OsString {
    let mut url = std::ffi::OsString::from("file:");
    url.push(path);
    url
}

/// ffmpeg's message without the path that it starts with.
pub(crate) fn without_path(reason: &str, path: &Path) -> String {
    let path = path.to_string_lossy();
    reason.replace(&format!("file:{path}: "), "").replace(&format!("{path}: "), "")
}
