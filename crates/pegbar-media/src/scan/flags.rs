//! What the flags of a stream say about its fields.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::combing::FieldOrder;
use super::samples::Samples;
use crate::child;
use crate::{InputOptions, MediaError, Tools, VideoInfo};

/// Samples whose flags are read, and packets of each.
const N_SAMPLES: usize = 3;
const PACKETS: usize = 24;

/// What takes longer is not worth knowing.
const LIMIT: Duration = Duration::from_secs(6);

/// Flags of the stream and of some of its frames.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FieldFlags {
    /// What the stream says: `progressive`, `tt`, `bb`, `tb`, `bt`.
    pub stream: Option<String>,
    /// Frames whose flags were read.
    pub n_frames: usize,
    /// Frames flagged as interlaced.
    pub n_interlaced: usize,
    /// Of these, frames flagged as having the top field first.
    pub n_tff: usize,
    /// Frames of which a player is to repeat a field: soft telecine.
    pub n_repeat: usize,
}

impl FieldFlags {
    /// The field order that they tell.
    pub fn order(&self) -> Option<FieldOrder> {
        if self.n_interlaced > 0 {
            return Some(if 2 * self.n_tff >= self.n_interlaced { FieldOrder::Tff } else { FieldOrder::Bff });
        }
        // By definition `tb` shows the bottom field first; ffmpeg itself writes it for the opposite.
        match self.stream.as_deref() {
            Some("tt") => Some(FieldOrder::Tff),
            Some("bb") => Some(FieldOrder::Bff),
            _ => None,
        }
    }

    /// Whether they say that frames are interlaced.
    pub fn say_interlaced(&self) -> bool {
        match self.stream.as_deref() {
            _ if self.n_frames > 0 => 2 * self.n_interlaced > self.n_frames,
            stream => stream.is_some_and(|order| order != "progressive"),
        }
    }

    /// Whether a player is to repeat fields of whole frames.
    pub fn is_soft_telecine(&self) -> bool {
        // Of 2:3 it is every second frame.
        4 * self.n_repeat > self.n_frames
    }
}

impl fmt::Display for FieldFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.say_interlaced(), self.order()) {
            (true, Some(order)) => write!(f, "flagged interlaced, {order}")?,
            (true, None) => write!(f, "flagged interlaced")?,
            _ if self.stream.is_none() && self.n_frames == 0 => write!(f, "without flags")?,
            _ => write!(f, "flagged progressive")?,
        }
        if self.is_soft_telecine() {
            write!(f, ", with fields for the player to repeat")?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct RawFrames {
    #[serde(default)]
    frames: Vec<RawFrame>,
}

#[derive(Deserialize)]
struct RawFrame {
    #[serde(default)]
    interlaced_frame: u8,
    #[serde(default)]
    top_field_first: u8,
    #[serde(default)]
    repeat_pict: i32,
}

/// Reads them. What ffprobe does not tell is not there.
///
/// # Errors
/// [`MediaError::Interrupted`].
pub(super) fn read(
    tools: &Tools,
    path: &Path,
    (video, input): (&VideoInfo, &InputOptions),
    samples: &Samples,
) -> Result<FieldFlags, MediaError> {
    let step = samples.len().div_ceil(N_SAMPLES).max(1);
    let intervals: Vec<String> = (0..samples.len())
        .step_by(step)
        .map(|n| {
            let start = samples.start_secs(n, video).map_or_else(String::new, |secs| format!("{secs:.3}"));
            format!("{start}%+#{PACKETS}")
        })
        .collect();
    let mut command = Command::new(&tools.ffprobe);
    command.stdin(Stdio::null()).args(["-v", "error", "-of", "json"]);
    command.args(["-select_streams", &video.index.to_string(), "-read_intervals", &intervals.join(",")]);
    command.args(["-show_entries", "frame=interlaced_frame,top_field_first,repeat_pict"]);
    input.add(&mut command, path);
    let mut flags = FieldFlags { stream: video.field_order.clone(), ..FieldFlags::default() };
    let output = match child::output_within(&mut command, LIMIT) {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Err(MediaError::Interrupted),
        Err(error) => {
            tracing::debug!("the flags cannot be read: {error}");
            return Ok(flags);
        }
    };
    let frames =
        serde_json::from_slice::<RawFrames>(&output.stdout).map_or_else(|_| Vec::new(), |r| r.frames);
    for frame in frames {
        flags.n_frames += 1;
        flags.n_interlaced += usize::from(frame.interlaced_frame != 0);
        flags.n_tff += usize::from(frame.interlaced_frame != 0 && frame.top_field_first != 0);
        flags.n_repeat += usize::from(frame.repeat_pict == 1);
    }
    Ok(flags)
}
