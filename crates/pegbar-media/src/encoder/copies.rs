//! Whether the streams beside the picture can be copied: tried before the work, and again when joining fails.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use super::CopySource;
use crate::child::{self, LastWords};
use crate::probe::{StreamInfo, StreamKind, file_url, without_path};
use crate::stream_plan::{Action, plan_streams};
use crate::{Container, MediaError, Tools};

/// So much of each stream is tried before the work.
const TRIED_SECS: f64 = 10.0;

/// A stream that cannot be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenStream {
    /// Its index in the source.
    pub index: usize,
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
    let copied: Vec<(&StreamInfo, Action)> = source
        .probe
        .streams
        .iter()
        .zip(plans)
        .filter(|(stream, _)| {
            stream.kind != StreamKind::Attachment && !source.left_out.contains(&stream.index)
        })
        .filter(|(_, plan)| matches!(plan.action, Action::Copy | Action::Rewrite(_)))
        .map(|(stream, plan)| (stream, plan.action))
        .collect();
    let attempt = |streams: &[(&StreamInfo, Action)]| attempt(tools, source, container, secs, streams);
    if copied.is_empty() || attempt(&copied)?.is_none() {
        return Ok(Vec::new());
    }
    let mut broken = Vec::new();
    for stream in &copied {
        if let Some(reason) = attempt(std::slice::from_ref(stream))? {
            let StreamInfo { index, kind, codec, .. } = stream.0;
            let note = format!(
                "stream {index} ({kind} {codec}) is left out: ffmpeg cannot copy it to {container}: {reason}"
            );
            broken.push(BrokenStream { index: *index, note });
        }
    }
    Ok(broken)
}

/// Copies streams to a file that is thrown away; ffmpeg's reason when it cannot.
fn attempt(
    tools: &Tools,
    source: &CopySource<'_>,
    container: Container,
    secs: Option<f64>,
    streams: &[(&StreamInfo, Action)],
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
    for (k, (stream, action)) in streams.iter().enumerate() {
        command.args(["-map", &format!("0:{}", stream.index)]);
        if let Action::Rewrite(encoder) = action {
            command.args([&format!("-c:{k}"), *encoder]);
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

/// The streams that are left out, all together.
pub(super) fn left_out(source: &CopySource<'_>, broken: &[BrokenStream]) -> BTreeSet<usize> {
    source.left_out.iter().copied().chain(broken.iter().map(|stream| stream.index)).collect()
}
