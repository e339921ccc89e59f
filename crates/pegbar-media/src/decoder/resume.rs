//! Going on in the middle of a film exactly where an earlier run stopped.

use std::collections::VecDeque;
use std::path::Path;

use pegbar_frame::{Frame, Rational};

use super::{DecodeOptions, Decoder, LEAD_SECS, Start, check_part};
use crate::{MediaError, Tools, VideoInfo};

/// A place between two frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumePoint {
    /// Time stamp of the frame after it.
    pub pts: i64,
    /// Seconds per tick of it.
    pub time_base: Rational,
    /// How many frames before it are wanted, too, as far as there are so many: what comes after may depend on them.
    pub n_before: usize,
}

impl Decoder {
    /// As [`Decoder::open`], but the first frame is the one with the time stamp of `point`, after [`Decoder::n_lead`] that come
    /// before it, and frames are the same as those of a decoder that was not interrupted. `are_frames_before` tells whether frames
    /// are those that came before it then: as many as are wanted, one at least, fewer at the start of the film.
    ///
    /// Decoding in the middle of a film may give other frames than decoding from its start (open groups of pictures, filters
    /// that look back). So it begins a little before, and counts only when the frames before are as they were; else it begins at
    /// the start again.
    ///
    /// # Errors
    /// As [`Decoder::open`]; [`MediaError::Decode`] when there is no frame with that time stamp.
    pub fn resume(
        tools: &Tools,
        path: &Path,
        video: &VideoInfo,
        options: &DecodeOptions,
        point: ResumePoint,
        are_frames_before: &dyn Fn(&[Frame]) -> bool,
    ) -> Result<Self, MediaError> {
        check_part(options)?;
        let start_secs = point.pts as f64 * point.time_base.as_f64() - video.file_start_secs;
        // Which frame of five is dropped depends on where counting began.
        let leads = if options.filters.decimates() { &[][..] } else { &LEAD_SECS };
        for lead in leads {
            if start_secs <= *lead {
                break;
            }
            let seek_secs = Some(start_secs - lead);
            let how =
                Start { seek_secs, is_part: true, filters: options.filters, ..Start::new(&options.input) };
            // Whatever goes wrong here, decoding from the start says it better.
            let Ok(mut decoder) = Self::start(tools, path, video, how, None) else {
                continue;
            };
            if let Ok(before) = decoder.pass_to(&point)
                && are_frames_before(&before)
            {
                decoder.keep(before, &point);
                if let Some(duration) = options.duration_secs {
                    let start = options.start_secs.unwrap_or(0.0);
                    decoder.end_secs = video.file_start_secs + start + duration;
                }
                return Ok(decoder);
            }
        }
        let mut decoder = Self::open(tools, path, video, options)?;
        let before = decoder.pass_to(&point)?;
        match decoder.first.is_empty() {
            false => {
                decoder.keep(before, &point);
                Ok(decoder)
            }
            true => Err(MediaError::Decode {
                n_frames: 0,
                reason: format!(
                    "the frame at {start_secs:.3} s, where the work is to go on, is no longer there"
                ),
            }),
        }
    }

    /// Passes over the frames before a point, keeps the one at it as the next, and returns those before: as many as are wanted,
    /// one at least, if there are so many. None is kept where none has that time stamp.
    fn pass_to(&mut self, point: &ResumePoint) -> Result<Vec<Frame>, MediaError> {
        let mut before = VecDeque::new();
        while let Some(frame) = self.next_frame()? {
            if frame.pts < point.pts {
                if before.len() == point.n_before.max(1) {
                    before.pop_front();
                }
                before.push_back(frame);
                continue;
            }
            if frame.pts == point.pts {
                self.first.push_back(frame);
                self.n_frames = 0;
                return Ok(before.into());
            }
            break;
        }
        Ok(Vec::new())
    }

    /// Puts frames before the one that is next, as far as they are wanted.
    fn keep(&mut self, before: Vec<Frame>, point: &ResumePoint) {
        let n_kept = before.len().min(point.n_before);
        for frame in before.into_iter().rev().take(n_kept) {
            self.first.push_front(frame);
        }
        self.n_lead = n_kept;
    }
}
