//! Where one segment ends and the next begins.

use pegbar_frame::Frame;

/// A change of picture larger than this, as a part of the whole range of luma, may be a cut.
const LEAST_CHANGE: f64 = 0.06;
/// A cut also stands out: it changes so many times more than frames have done lately.
const TIMES_USUAL: f64 = 3.0;
/// How much the latest change counts in what is usual.
const LATEST: f64 = 0.2;
/// A segment without a cut ends when it has lasted so many times its least length.
const MOST_TIMES: f64 = 4.0;
/// Pixels between those that are looked at, across and down.
const STEP: usize = 4;

/// Decides where segments end: at the first cut after a least length, or without one after four times that.
///
/// An encoder begins every segment anew, with a key frame, which it would make at a cut anyway. The decision depends on the
/// frames of the segment alone, so a job that goes on after an interruption cuts where it would have cut without one.
#[derive(Debug)]
pub struct Cutter {
    least_secs: f64,
    /// Of the segment's first frame.
    started_secs: Option<f64>,
    /// Some pixels of the frame before.
    before: Vec<u16>,
    usual: Option<f64>,
}

impl Cutter {
    /// Segments of at least `least_secs` seconds.
    pub fn new(least_secs: f64) -> Self {
        Self { least_secs, started_secs: None, before: Vec::new(), usual: None }
    }

    /// Takes the next frame, shown at `secs`, and tells whether it begins a segment. The very first does not: it continues none.
    pub fn is_start(&mut self, frame: &Frame, secs: f64) -> bool {
        let pixels = sample(frame);
        let change = mean_difference(&self.before, &pixels) / f64::from(frame.format.max_code());
        let is_cut = change > LEAST_CHANGE && self.usual.is_none_or(|usual| change > TIMES_USUAL * usual);
        self.before = pixels;
        let Some(started) = self.started_secs else {
            self.start(secs);
            return false;
        };
        let length = secs - started;
        if length >= self.least_secs && is_cut || length >= self.least_secs * MOST_TIMES {
            self.start(secs);
            return true;
        }
        self.usual = Some(self.usual.map_or(change, |usual| usual + LATEST * (change - usual)));
        false
    }

    fn start(&mut self, secs: f64) {
        self.started_secs = Some(secs);
        self.usual = None;
    }
}

/// Every so many pixels of the first plane: luma, or green.
fn sample(frame: &Frame) -> Vec<u16> {
    let Some(plane) = frame.planes.first() else { return Vec::new() };
    let bytes = frame.format.bytes_per_sample();
    let rows = plane.data.chunks_exact((plane.width * bytes).max(1)).step_by(STEP);
    rows.flat_map(|row| {
        let pixels = row.chunks_exact(bytes).step_by(STEP);
        pixels.map(|pixel| match pixel {
            [low, high] => u16::from_le_bytes([*low, *high]),
            [only] => u16::from(*only),
            _ => 0,
        })
    })
    .collect()
}

fn mean_difference(a: &[u16], b: &[u16]) -> f64 {
    if a.len() != b.len() || a.is_empty() {
        return 0.0;
    }
    let sum: u64 = a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
    sum as f64 / a.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_frame::{Colour, PixelFormat};

    fn gray(level: u8) -> Frame {
        let bytes = vec![level; 64 * 48];
        Frame::from_bytes(PixelFormat::GRAY8, 64, 48, 0, Colour::default(), &bytes).expect("a frame")
    }

    fn starts(levels: impl IntoIterator<Item = u8>, mut cutter: Cutter) -> Vec<usize> {
        let frames = levels.into_iter().enumerate();
        frames.filter_map(|(i, level)| cutter.is_start(&gray(level), i as f64 / 10.0).then_some(i)).collect()
    }

    #[test]
    fn cuts_come_after_the_least_length() {
        // Cuts at 5, 12 and 20: the first is too early.
        let levels = (0..30).map(|i| match i {
            0..5 => 20,
            5..12 => 120,
            12..20 => 60,
            _ => 200,
        });
        assert_eq!(starts(levels, Cutter::new(1.0)), [12]);
    }

    #[test]
    fn without_a_cut_it_ends_all_the_same() {
        assert_eq!(starts((0..100).map(|i| 50 + i % 2), Cutter::new(1.0)), [40, 80]);
    }

    #[test]
    fn a_flicker_is_no_cut() {
        assert_eq!(starts((0..39).map(|i| if i % 2 == 0 { 50 } else { 90 }), Cutter::new(1.0)), [0usize; 0]);
    }

    #[test]
    fn going_on_cuts_at_the_same_places() {
        let level = |i: usize| if i % 23 < 11 { 30 } else { 190 };
        let all = starts((0..200).map(level), Cutter::new(1.0));
        assert!(all.len() > 4, "{all:?}");
        let from = all[1];
        let later: Vec<usize> =
            starts((from..200).map(level), Cutter::new(1.0)).iter().map(|i| i + from).collect();
        assert_eq!(later, all[2..]);
    }
}
