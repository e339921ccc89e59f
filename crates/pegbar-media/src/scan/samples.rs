//! Samples spread over a film: where they lie, and their frames.

use std::path::Path;
use std::time::Duration;

use pegbar_frame::Frame;

use crate::{DecodeOptions, Decoder, InputOptions, MediaError, Tools, VideoInfo};

/// Samples of a long film, and frames of each: enough for seven cycles of 2:3 pulldown.
const N_SAMPLES: usize = 8;
const SAMPLE_FRAMES: usize = 36;

/// A film with no more frames than this is looked at in one go, and so is the start of one of unknown length.
const WHOLE_FRAMES: usize = 300;

/// What takes longer than this is cut short: a file on a slow disk, or one without an index.
const LIMIT: Duration = Duration::from_secs(6);

/// A plan of samples.
pub(super) struct Samples {
    /// Seconds from the start of the file; `None` is its very start.
    starts: Vec<Option<f64>>,
    pub(super) n_frames: usize,
    /// Where the part ends in seconds of the time stamps.
    end_secs: f64,
}

impl Samples {
    pub(super) fn plan(video: &VideoInfo, duration_secs: Option<f64>, part: &DecodeOptions) -> Self {
        let rate = video.avg_frame_rate.map_or(25.0, |r| r.as_f64()).clamp(1.0, 240.0);
        let start = part.start_secs.unwrap_or(0.0);
        let left = duration_secs.map(|d| (d - start).max(0.0));
        let length = match (left, part.duration_secs) {
            (Some(left), Some(asked)) => Some(left.min(asked)),
            (left, asked) => left.or(asked),
        };
        let end_secs = part.duration_secs.map_or(f64::INFINITY, |d| video.file_start_secs + start + d);
        let from = |secs: f64| (secs > 0.0).then_some(secs);
        match length {
            Some(length) if length * rate > WHOLE_FRAMES as f64 => {
                let sample_secs = SAMPLE_FRAMES as f64 / rate;
                let place = |k| start + length * (k as f64 + 0.5) / N_SAMPLES as f64 - sample_secs / 2.0;
                let starts = (0..N_SAMPLES).map(|k| from(place(k))).collect();
                Self { starts, n_frames: SAMPLE_FRAMES, end_secs }
            }
            _ => Self { starts: vec![from(start)], n_frames: WHOLE_FRAMES, end_secs },
        }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Where sample `n` starts, in seconds of the time stamps; `None` at the start of the file.
    pub(super) fn start_secs(&self, n: usize, video: &VideoInfo) -> Option<f64> {
        self.starts[n].map(|secs| secs + video.file_start_secs)
    }

    /// Shows each frame of sample `n` with its number. Returns how many there were; none where nothing can be decoded.
    ///
    /// # Errors
    /// [`MediaError::Interrupted`].
    pub(super) fn visit(
        &self,
        n: usize,
        tools: &Tools,
        path: &Path,
        (video, input): (&VideoInfo, &InputOptions),
        look: &mut dyn FnMut(usize, &Frame),
    ) -> Result<usize, MediaError> {
        let mut n_frames = 0;
        let mut run = || -> Result<(), MediaError> {
            let mut decoder = Decoder::sample(tools, path, video, input, self.starts[n], LIMIT)?;
            while n_frames < self.n_frames {
                match decoder.next_frame()? {
                    Some(frame) if decoder.secs(frame.pts) < self.end_secs => look(n_frames, &frame),
                    _ => break,
                }
                n_frames += 1;
            }
            Ok(())
        };
        match run() {
            Err(MediaError::Interrupted) => Err(MediaError::Interrupted),
            Err(error) => {
                tracing::debug!("a sample ended early: {error}");
                Ok(n_frames)
            }
            Ok(()) => Ok(n_frames),
        }
    }
}
