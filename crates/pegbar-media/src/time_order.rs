//! Frames come out in the order of their time stamps, and a film must not break off for a stamp that damage has spoilt.
//!
//! ffmpeg hands no stamp on that is not after the one before: it makes it one tick later, without a word at our level of
//! messages. Where a recording is joined to another whose time begins anew, a whole film would so pass in an instant.

use pegbar_frame::Rational;

/// So long a row of frames that stand still in time is damage. A longer one is another recording, whose sound would not
/// be where its picture is.
const GLITCH_SECS: f64 = 0.5;

/// A tick is no frame's time where a frame takes so many.
const TICKS_OF_A_FRAME: f64 = 8.0;

/// Watches the time stamps of a stream.
#[derive(Debug)]
pub(crate) struct TimeOrder {
    time_base: Rational,
    /// Frames stand still when this many ticks apart or fewer.
    still_ticks: i64,
    /// Frames that may stand still in a row.
    longest: u64,
    last: Option<i64>,
    n_still_now: u64,
    n_still: u64,
}

/// The time stamps begin anew.
#[derive(Debug, PartialEq)]
pub(crate) struct JumpBack {
    /// Frames after the jump that have been let through.
    pub(crate) n_after: u64,
    /// Time before the jump.
    pub(crate) at_secs: f64,
}

impl TimeOrder {
    /// `frame_rate` is the highest that the stream may have, where one is known.
    pub(crate) fn new(time_base: Rational, frame_rate: Option<Rational>) -> Self {
        let rate = frame_rate.filter(|r| r.is_positive()).map_or(25.0, Rational::as_f64);
        let ticks = 1.0 / (rate * time_base.as_f64());
        Self {
            time_base,
            still_ticks: i64::from(ticks >= TICKS_OF_A_FRAME),
            longest: (rate * GLITCH_SECS).clamp(3.0, 1000.0) as u64,
            last: None,
            n_still_now: 0,
            n_still: 0,
        }
    }

    /// The time stamp to give a frame that has this one: the same, or the first possible after the frame before.
    pub(crate) fn place(&mut self, pts: i64) -> Result<i64, JumpBack> {
        let mut placed = pts;
        match self.last {
            Some(last) if pts <= last.saturating_add(self.still_ticks) => {
                self.n_still_now += 1;
                let back_secs = last.saturating_sub(pts) as f64 * self.time_base.as_f64();
                if self.n_still_now > self.longest || back_secs > GLITCH_SECS {
                    return Err(JumpBack { n_after: self.n_still_now - 1, at_secs: self.secs(last) });
                }
                self.n_still += 1;
                placed = pts.max(last.saturating_add(1));
            }
            _ => self.n_still_now = 0,
        }
        self.last = Some(placed);
        Ok(placed)
    }

    /// What the user should know at the end.
    pub(crate) fn warning(&self) -> Option<String> {
        (self.n_still > 0).then(|| {
            format!(
                "the time stamps of {} frame(s) were not after those of the frames before and were moved",
                self.n_still
            )
        })
    }

    /// The last time stamp in seconds; `None` before the first.
    pub(crate) fn last_secs(&self) -> Option<f64> {
        self.last.map(|last| self.secs(last))
    }

    fn secs(&self, ticks: i64) -> f64 {
        ticks as f64 * self.time_base.as_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glitches_are_moved() {
        let mut order = TimeOrder::new(Rational::new(1, 25), Some(Rational::new(25, 1)));
        let placed: Vec<_> = [-3, 0, 2, 2, 1, 9, 10].map(|pts| order.place(pts).unwrap()).into();
        assert_eq!(placed, [-3, 0, 2, 3, 4, 9, 10]);
        assert!(order.warning().unwrap().contains("2 frame(s)"));
        assert_eq!(order.last_secs(), Some(0.4));
        assert_eq!(order.place(-50), Err(JumpBack { n_after: 0, at_secs: 0.4 }));
        assert_eq!(TimeOrder::new(Rational::new(1, 25), None).warning(), None);
    }

    #[test]
    fn a_row_of_frames_a_tick_apart_is_another_recording() {
        let mut order = TimeOrder::new(Rational::new(1, 90_000), Some(Rational::new(25, 1)));
        let results: Vec<_> = [0, 3600].into_iter().chain(3601..3620).map(|pts| order.place(pts)).collect();
        assert!(results[..14].iter().all(Result::is_ok));
        assert_eq!(results[14], Err(JumpBack { n_after: 12, at_secs: 3612.0 / 90_000.0 }));
        // Frames may follow one another at any rate where the clock ticks no finer.
        let mut order = TimeOrder::new(Rational::new(1, 1000), Some(Rational::new(500, 1)));
        assert!((0..100).all(|pts| order.place(pts) == Ok(pts)));
    }
}
