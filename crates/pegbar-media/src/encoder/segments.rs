//! A film in pieces: each encoded to a file of its own, and all joined at the end without encoding again.
//!
//! A segment holds the picture alone, its first frame at 0. Joining puts each where its first frame belongs, to the tick,
//! and copies the other streams of the source beside it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::NamedTempFile;

use super::copies::{all_instead, find_broken, is_full};
use super::{
    CopySource, EncodeReport, Encoder, Job, Piece, Source, StreamParams, check, create_output, sync,
};
use crate::child::{self, LastWords};
use crate::container::Container;
use crate::probe::{file_url, without_path};
use crate::{EncodeSettings, MediaError, Tools, temporary};

/// An encoded segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its file; all are in one folder.
    pub path: PathBuf,
    /// Time stamp of its first frame, in ticks of the film.
    pub first_pts: i64,
    /// Frames.
    pub n_frames: u64,
}

impl Encoder {
    /// Prepares encoding of a segment to `output`, whose extension should be [`EncodeSettings::segment_container`]'s. Checks all
    /// that can be checked without a frame. `container` is that of the film.
    ///
    /// # Errors
    /// As [`Encoder::create`].
    pub fn create_segment(
        tools: &Tools,
        output: &Path,
        container: Container,
        settings: &EncodeSettings,
        params: &StreamParams,
    ) -> Result<Self, MediaError> {
        // What the encoder cannot store is said once, by the joining.
        let (chosen, _) = check(tools, Some(container), settings, params)?;
        create_output(output)?;
        let container = container_of(&chosen.encoder);
        Ok(Self::of(Job::new(tools, output, container, chosen, (settings, params), Piece::Segment)))
    }
}

impl EncodeSettings {
    /// What a segment is written to. It holds every time stamp exactly, decoding order, and colours.
    ///
    /// # Errors
    /// [`MediaError::EncoderMissing`]; [`MediaError::Settings`].
    pub fn segment_container(&self, tools: &Tools, params: &StreamParams) -> Result<Container, MediaError> {
        Ok(container_of(&check(tools, None, self, params)?.0.encoder))
    }
}

/// MP4 where it holds what the encoder makes, and QuickTime, which holds more, where it does not. Both keep the order of
/// decoding, which NUT leaves to be guessed.
fn container_of(encoder: &str) -> Container {
    const MP4: &[&str] = &["264", "265", "hevc", "av1", "vp9", "mpeg4", "xvid", "mpeg2"];
    const MOV: &[&str] = &["prores", "ffv1", "dnxhd", "mjpeg", "qtrle", "png", "jpeg2000"];
    let is_any = |names: &[&str]| names.iter().any(|name| encoder.contains(name));
    if is_any(MP4) {
        Container::Mp4
    } else if is_any(MOV) {
        Container::Mov
    } else {
        Container::Nut
    }
}

/// Joins segments, in the order of their time stamps, to `output`, a path that the caller renames when all is done, and copies
/// the other streams of the source beside them. `settings` and `params` are those of the segments.
///
/// Where a stream of the source is so damaged that it cannot be copied, it is encoded anew or left out, and a warning says so.
///
/// # Errors
/// [`MediaError::Encode`] with ffmpeg's reason, a full disk for example; [`MediaError::Interrupted`]; [`MediaError::Io`];
/// [`MediaError::Settings`] when there is no segment.
pub fn join_segments(
    tools: &Tools,
    output: &Path,
    container: Container,
    settings: &EncodeSettings,
    params: &StreamParams,
    source: &CopySource<'_>,
    segments: &[Segment],
) -> Result<EncodeReport, MediaError> {
    let join = |source: &CopySource<'_>| join(tools, output, container, settings, params, source, segments);
    match join(source) {
        Err(MediaError::Encode { n_frames, reason }) if !is_full(&reason) => {
            let broken = find_broken(tools, source, container, None)?;
            if broken.is_empty() {
                return Err(MediaError::Encode { n_frames, reason });
            }
            let rest = CopySource { instead: all_instead(source, &broken), ..source.clone() };
            let mut report = join(&rest)?;
            report.warnings.extend(broken.into_iter().map(|stream| stream.note));
            Ok(report)
        }
        other => other,
    }
}

fn join(
    tools: &Tools,
    output: &Path,
    container: Container,
    settings: &EncodeSettings,
    params: &StreamParams,
    source: &CopySource<'_>,
    segments: &[Segment],
) -> Result<EncodeReport, MediaError> {
    let (chosen, lost) = check(tools, Some(container), settings, params)?;
    create_output(output)?;
    let list = SegmentList::write(segments, params)?;
    let source = Source::new(tools, source, container)?;
    let trimmed = source.is_trimmed();
    let job = Job::new(tools, output, container, chosen, (settings, params), Piece::Joined);
    let job = Job { source: Some(source), ..job };
    let n_frames = segments.iter().map(|segment| segment.n_frames).sum();
    let mut command = job.join_command(list.path(), list.first_pts, trimmed);
    let mut warnings = run(&mut command, output, n_frames)?;
    warnings.extend(lost);
    warnings.extend(job.add_rotation()?);
    Ok(EncodeReport { n_frames, n_bytes: sync(output)?, warnings })
}

/// Runs an ffmpeg that writes `output`, and returns what it complained about.
pub(super) fn run(command: &mut Command, output: &Path, n_frames: u64) -> Result<Vec<String>, MediaError> {
    let ran = child::output(command).map_err(|source| match source.kind() {
        std::io::ErrorKind::Interrupted => MediaError::Interrupted,
        _ => MediaError::Io { doing: "ffmpeg could not be started".to_owned(), source },
    })?;
    let words = LastWords::of(&ran.stderr);
    if ran.status.success() {
        return Ok(words.into_list());
    }
    let reason = words.reason(|| format!("ffmpeg ended with {}", ran.status));
    Err(MediaError::Encode { n_frames, reason: without_path(&reason, output) })
}

/// The file that tells ffmpeg which segments to read, in the folder of the segments.
pub(super) struct SegmentList {
    file: NamedTempFile,
    /// Time stamp of the first frame, in ticks of the film.
    first_pts: i64,
}

impl SegmentList {
    pub(super) fn write(segments: &[Segment], params: &StreamParams) -> Result<Self, MediaError> {
        let [first, ..] = segments else {
            return Err(MediaError::Settings("there is no segment to join".to_owned()));
        };
        let failed = || MediaError::io("the list of segments cannot be written");
        let mut file = temporary::beside(&first.path).map_err(failed())?;
        file.write_all(concat_list(segments, params).as_bytes()).map_err(failed())?;
        Ok(Self { file, first_pts: first.first_pts })
    }

    fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn folder(&self) -> &Path {
        self.path().parent().unwrap_or(Path::new("."))
    }

    /// Adds the segments to a command as its next input.
    pub(super) fn add(&self, command: &mut Command) {
        command.args(["-f", "concat", "-safe", "0", "-i"]).arg(file_url(self.path()));
    }
}

/// The list that ffmpeg's concat demuxer reads. It counts microseconds: where a segment starts is rounded, not how long those
/// before it are, so that errors do not add up, and what is less than half a tick is none.
fn concat_list(segments: &[Segment], params: &StreamParams) -> String {
    let micros = |pts: i64| {
        let first = segments.first().map_or(0, |segment| segment.first_pts);
        let ticks = i128::from(pts) - i128::from(first);
        let (num, den) = (i128::from(params.time_base.num), i128::from(params.time_base.den));
        (2 * ticks * num * 1_000_000 + den).div_euclid(2 * den)
    };
    let mut list = String::from("ffconcat version 1.0\n");
    for (i, segment) in segments.iter().enumerate() {
        let name = segment.path.file_name().unwrap_or_default().to_string_lossy();
        list += &format!("file '{}'\n", name.replace('\'', "'\\''"));
        if let Some(next) = segments.get(i + 1) {
            let length = micros(next.first_pts) - micros(segment.first_pts);
            list += &format!("duration {}.{:06}\n", length / 1_000_000, length % 1_000_000);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_frame::{Colour, PixelFormat, Rational};

    fn params(num: i64, den: i64) -> StreamParams {
        StreamParams {
            width: 2,
            height: 2,
            format: PixelFormat::YUV420P,
            time_base: Rational::new(num, den),
            frame_rate: None,
            sar: Rational::new(1, 1),
            colour: Colour::default(),
            hdr: None,
        }
    }

    #[test]
    fn errors_of_rounding_do_not_add_up() {
        let segment =
            |n: i64| Segment { path: format!("/x/{n}.mp4").into(), first_pts: 7 + n * 1001, n_frames: 1 };
        let segments: Vec<Segment> = (0..4).map(segment).collect();
        let list = concat_list(&segments, &params(1, 30_000));
        let durations: Vec<&str> = list.lines().filter_map(|l| l.strip_prefix("duration ")).collect();
        assert_eq!(durations, ["0.033367", "0.033366", "0.033367"]);
        assert!(list.contains("file '3.mp4'"), "{list}");
    }

    #[test]
    fn segments_keep_the_order_of_decoding() {
        for (encoder, container) in [
            ("libx264", Container::Mp4),
            ("hevc_nvenc", Container::Mp4),
            ("libsvtav1", Container::Mp4),
            ("prores_ks", Container::Mov),
            ("ffv1", Container::Mov),
            ("libvpx", Container::Nut),
        ] {
            assert_eq!(container_of(encoder), container, "{encoder}");
        }
    }
}
