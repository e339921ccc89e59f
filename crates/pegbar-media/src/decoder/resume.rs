//! Going on in the middle of a film exactly where an earlier run stopped.

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
}

impl Decoder {
    /// As [`Decoder::open`], but the first frame is the one with the time stamp of `point`, and frames are the same as those of
    /// a decoder that was not interrupted. `is_frame_before` tells whether a frame is the one that came before it then.
    ///
    /// Decoding in the middle of a film may give other frames than decoding from its start (open groups of pictures, filters
    /// that look back). So it begins a little before, and counts only when the frame before is as it was; else it begins at
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
        is_frame_before: &dyn Fn(&Frame) -> bool,
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
            if let Ok(Some(before)) = decoder.pass_to(point.pts)
                && is_frame_before(&before)
            {
                if let Some(duration) = options.duration_secs {
                    let start = options.start_secs.unwrap_or(0.0);
                    decoder.end_secs = video.file_start_secs + start + duration;
                }
                return Ok(decoder);
            }
        }
        let mut decoder = Self::open(tools, path, video, options)?;
        decoder.pass_to(point.pts)?;
        match decoder.first {
            Some(_) => Ok(decoder),
            None => Err(MediaError::Decode {
                n_frames: 0,
                reason: format!(
                    "the frame at {start_secs:.3} s, where the work is to go on, is no longer there"
                ),
            }),
        }
    }

    /// Passes over the frames before a time stamp, keeps the one that has it as the next, and returns the one before, if there
    /// is one. None is kept where none has that time stamp.
    fn pass_to(&mut self, pts: i64) -> Result<Option<Frame>, MediaError> {
        let mut before = None;
        while let Some(frame) = self.next_frame()? {
            if frame.pts < pts {
                before = Some(frame);
                continue;
            }
            if frame.pts == pts {
                self.first = Some(frame);
                self.n_frames = 0;
                return Ok(before);
            }
            break;
        }
        Ok(None)
    }
}
