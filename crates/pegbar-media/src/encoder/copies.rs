//! Whether the streams beside the picture can be copied: tried before the work, and again when joining fails.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use super::CopySource;
use crate::child::{self, LastWords};
use crate::probe::{StreamInfo, StreamKind, file_url, without_path};
use crate::stream_plan::{Action, plan_streams};
use crate::{Container, MediaError, Tools};

/// So much of each stream is tried before the work.
const TRIED_SECS: f64 = 10.0;

/// ffmpeg's filter that puts silence in the place of missing sound.
pub(super) const FILL_GAPS: &str = "aresample=async=1";

/// What becomes of a stream that cannot be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// It is decoded, as far as that goes, and encoded by this encoder.
    Encode(&'static str),
    /// Nothing.
    LeaveOut,
}

/// A stream that cannot be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenStream {
    /// Its index in the source.
    pub index: usize,
    /// What becomes of it.
    pub instead: Instead,
    /// A sentence.
    pub note: String,
}

/// Tries to copy the beginning of all streams that are to be copied, and says which cannot be.
///
/// # Errors
/// [`MediaError::Interrupted`]; [`MediaError::Io`] where nothing can be tried.
pub fn check_copies(
    tools: &Tools,
    source: &CopySource<'_>,
    container: Container,
) -> Result<Vec<BrokenStream>, MediaError> {
    find_broken(tools, source, container, Some(TRIED_SECS))
}

/// Streams that cannot be copied, tried over `secs` seconds or to the end.
pub(super) fn find_broken(
    tools: &Tools,
    source: &CopySource<'_>,
    container: Container,
    secs: Option<f64>,
) -> Result<Vec<BrokenStream>, MediaError> {
    let plans = plan_streams(source.probe, source.video_index, container);
    let copied: Vec<Tried<'_>> = source
        .probe
        .streams
        .iter()
        .zip(plans)
        .filter(|(stream, _)| {
            stream.kind != StreamKind::Attachment && !source.instead.contains_key(&stream.index)
        })
        .filter_map(|(stream, plan)| match plan.action {
            Action::Copy => Some(Tried { stream, encoder: None, has_gaps: false }),
            Action::Rewrite(encoder) => Some(Tried { stream, encoder: Some(encoder), has_gaps: false }),
            _ => None,
        })
        .collect();
    let attempt = |streams: &[Tried<'_>]| attempt(tools, source, container, secs, streams);
    if copied.is_empty() || attempt(&copied)?.is_none() {
        return Ok(Vec::new());
    }
    let mut broken = Vec::new();
    for tried in &copied {
        let Some(reason) = attempt(std::slice::from_ref(tried))? else { continue };
        let StreamInfo { index, kind, codec, .. } = tried.stream;
        let named = format!("stream {index} ({kind} {codec})");
        let encoder = repairing_encoder(container).filter(|_| *kind == StreamKind::Audio);
        let again = encoder.map(|encoder| Tried { encoder: Some(encoder), has_gaps: true, ..*tried });
        let (instead, note) = match (encoder, again) {
            (Some(encoder), Some(again)) if attempt(&[again])?.is_none() => {
                let note = format!(
                    "{named} is damaged, so that ffmpeg cannot copy it ({reason}): it is encoded anew, by {encoder}, with \
                     silence where nothing can be heard"
                );
                (Instead::Encode(encoder), note)
            }
            _ => {
                let note = format!("{named} is left out: ffmpeg cannot copy it to {container}: {reason}");
                (Instead::LeaveOut, note)
            }
        };
        broken.push(BrokenStream { index: *index, instead, note });
    }
    Ok(broken)
}

/// The encoder for sound that cannot be copied: without loss where the container holds such.
fn repairing_encoder(container: Container) -> Option<&'static str> {
    match container {
        Container::Mkv | Container::Nut => Some("flac"),
        Container::Mp4 | Container::Mov => Some("alac"),
        Container::Webm => Some("libopus"),
        _ => None,
    }
}

/// A stream, and how it is tried.
#[derive(Debug, Clone, Copy)]
struct Tried<'a> {
    stream: &'a StreamInfo,
    /// In place of copying.
    encoder: Option<&'static str>,
    has_gaps: bool,
}

/// Copies streams to a file that is thrown away; ffmpeg's reason when it cannot.
fn attempt(
    tools: &Tools,
    source: &CopySource<'_>,
    container: Container,
    secs: Option<f64>,
    streams: &[Tried<'_>],
) -> Result<Option<String>, MediaError> {
    let failed = "the folder for temporary files cannot be written to";
    let output = tempfile::NamedTempFile::new().map_err(MediaError::io(failed))?.into_temp_path();
    let mut command = Command::new(&tools.ffmpeg);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.args(["-nostdin", "-hide_banner", "-nostats", "-v", "error", "-y", "-copyts"]);
    if let Some(start) = source.trim.start_secs {
        command.args(["-ss", &format!("{start:.6}")]);
    }
    let shorter = [secs, source.trim.duration_secs].into_iter().flatten().reduce(f64::min);
    if let Some(secs) = shorter {
        command.args(["-t", &format!("{secs:.6}")]);
    }
    source.trim.input.add(&mut command, source.path);
    command.args(["-c", "copy"]);
    for (k, tried) in streams.iter().enumerate() {
        command.args(["-map", &format!("0:{}", tried.stream.index)]);
        if let Some(encoder) = tried.encoder {
            command.args([&format!("-c:{k}"), encoder]);
        }
        if tried.has_gaps {
            command.args([&format!("-filter:{k}"), FILL_GAPS]);
        }
    }
    command.args([
        "-max_muxing_queue_size",
        "8192",
        "-avoid_negative_ts",
        "disabled",
        "-strict",
        "experimental",
    ]);
    command.args(["-f", container.muxer()]).arg(file_url(&output));
    let ran = child::output(&mut command).map_err(|source| match source.kind() {
        std::io::ErrorKind::Interrupted => MediaError::Interrupted,
        _ => MediaError::Io { doing: "ffmpeg could not be started".to_owned(), source },
    })?;
    if ran.status.success() {
        return Ok(None);
    }
    let reason = LastWords::of(&ran.stderr).reason(|| format!("ffmpeg ended with {}", ran.status));
    let reason = without_path(&without_path(&reason, &output), source.path);
    tracing::debug!(?streams, "cannot be copied: {reason}");
    Ok(if is_full(&reason) { None } else { Some(reason) })
}

/// Whether it is the disk that is at fault, and not the stream.
pub(super) fn is_full(reason: &str) -> bool {
    // In the words of every system that ffmpeg takes them from.
    ["No space left", "Disk quota exceeded", "not enough space"].iter().any(|words| reason.contains(words))
}

/// What becomes of streams, all together.
pub(super) fn all_instead(source: &CopySource<'_>, broken: &[BrokenStream]) -> BTreeMap<usize, Instead> {
    let new = broken.iter().map(|stream| (stream.index, stream.instead));
    source.instead.iter().map(|(&index, &instead)| (index, instead)).chain(new).collect()
}
