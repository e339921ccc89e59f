//! How the two fields of a frame belong together: by themselves, with a field of a neighbouring frame, or not at all.
//!
//! A line is compared with the lines above and below it, as ffmpeg's `idet` and `fieldmatch` do: where the line is of
//! another moment than its neighbours, moving edges look like the teeth of a comb. It is compared five times: as it is,
//! and with the same line of the frame before and of the frame after, for the lines of each field. Only places that
//! change from frame to frame are looked at, so that fine horizontal lines of a still background, which look like teeth
//! as well, have no say.

use pegbar_frame::Frame;
use serde::Serialize;

/// Which field of a frame comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldOrder {
    /// Top field first: the field of the first line.
    Tff,
    /// Bottom field first.
    Bff,
}

/// What the fields of one frame show, beside its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameClass {
    /// Too little moves to say.
    Still,
    /// Both fields are of one moment, and no others are.
    Whole,
    /// Fields of neighbouring frames belong together at least as well as its own, as long as this field is first.
    Ordered {
        /// The field order by which they do.
        order: FieldOrder,
        /// Whether they even belong together better, so that each field has its partner in a neighbouring frame.
        matched: Match,
    },
    /// Something moves, but says nothing clear.
    Unclear,
}

/// How well each field of a frame fits a field of a neighbouring frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    /// No better than the other field of its own frame.
    No,
    /// Better. In a picture of many moving lines that may be chance.
    Loose,
    /// As only the other half of the same picture can.
    Close,
}

/// What one frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// About its fields.
    pub(super) class: FrameClass,
    /// The field that is that of the frame before once more, while the other field is new: 0 top, 1 bottom.
    pub(super) repeated: Option<usize>,
}

/// Luma of a frame in 8 bits; of wide pictures only every so many columns, which tell enough of lines.
pub(super) struct Luma {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) data: Vec<u8>,
}

/// Columns looked at, at most.
const COLUMNS: usize = 960;

/// Pixels of a line that are taken together to tell motion from noise.
const RUN: usize = 8;

/// Levels that a run has to change on average to count as moving. Noise averages out within a run.
const MOTION_LEVELS: i32 = 6;

/// A frame with fewer moving runs than one in so many, or than [`LEAST_RUNS`], is still.
const RUNS_PER_MOVING: u64 = 1500;
const LEAST_RUNS: u64 = 64;

/// Added to every comb value, in levels a sample: ratios of next to nothing mean nothing.
const FLOOR_LEVELS: u64 = 2;

/// From this ratio on, one pair of fields is more combed than another. `idet` has 1.5 for it over the whole picture;
/// places that move tell sooner.
const MORE: f64 = 1.25;

/// Where each other pair of fields is at least so much more combed, and [`MORE`] on average, the frame is whole, whatever
/// one field order may seem to have before the other: that is chance where a picture is full of lines. `idet` asks the
/// other way round, and takes such pictures for interlaced. Fields next to each other in time have 0.85 to 1.15.
const WORSE: f64 = 1.15;

/// From this ratio on, one field order suits better than the other; `idet` has 1.04.
const ORDERED: f64 = 1.2;

/// Below this ratio, fields are halves of one picture. Telecined films have 0.15 to 0.35.
const CLOSE: f64 = 0.4;

/// How many times more the one field has to change for the other to be a repetition; `idet` has 3.
const REPEATED: u64 = 4;

impl Luma {
    pub(super) fn of(frame: &Frame) -> Self {
        let plane = &frame.planes[0];
        let step = plane.width.div_ceil(COLUMNS).max(1);
        let width = plane.width / step;
        let shift = frame.format.depth_bits - 8;
        let bytes = frame.format.bytes_per_sample();
        let mut data = Vec::with_capacity(width * plane.height);
        for line in plane.data.chunks_exact(plane.width * bytes).take(plane.height) {
            data.extend(line.chunks_exact(bytes).step_by(step).take(width).map(|sample| match *sample {
                [low, high] => (u16::from_le_bytes([low, high]) >> shift) as u8,
                _ => sample[0],
            }));
        }
        Self { width, height: plane.height, data }
    }

    fn line(&self, y: usize) -> &[u8] {
        &self.data[y * self.width..(y + 1) * self.width]
    }
}

/// Sums over the places that move, for the lines of the top field (even lines) and of the bottom field.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    /// Comb values of the frame's own lines.
    own: [u64; 2],
    /// Comb values of the lines of the frame before in their place.
    before: [u64; 2],
    /// Comb values of the lines of the frame after in their place.
    after: [u64; 2],
    /// Runs that move.
    n_runs: [u64; 2],
    /// By how much runs differ from the frame before, beyond noise.
    change: [u64; 2],
}

/// What a frame between two others says. All three have the same size.
pub(super) fn read(before: &Luma, frame: &Luma, after: &Luma) -> Reading {
    let sums = measure(before, frame, after);
    let all_runs = (frame.width / RUN * frame.height) as u64;
    let least_runs = LEAST_RUNS.max(all_runs / RUNS_PER_MOVING);
    Reading { class: sums.class(least_runs), repeated: sums.repeated(least_runs) }
}

impl Sums {
    fn class(&self, least_runs: u64) -> FrameClass {
        let n_runs: u64 = self.n_runs.iter().sum();
        if n_runs < least_runs {
            return FrameClass::Still;
        }
        let ratio = |other: [u64; 2], field: usize| {
            let floor = (self.n_runs[field] * RUN as u64 * FLOOR_LEVELS).max(1);
            (other[field] + floor) as f64 / (self.own[field] + floor) as f64
        };
        // Fields that are neighbours in time where the top field is first, and where the bottom field is.
        let tff = [ratio(self.after, 0), ratio(self.before, 1)];
        let bff = [ratio(self.before, 0), ratio(self.after, 1)];
        let mean = |pair: [f64; 2]| (pair[0] * pair[1]).sqrt();
        let lead = mean(bff) / mean(tff);
        let (order, nearer) = if lead > 1.0 { (FieldOrder::Tff, tff) } else { (FieldOrder::Bff, bff) };
        let all_worse = tff.into_iter().chain(bff).all(|r| r > WORSE) && mean(tff) > MORE && mean(bff) > MORE;
        if all_worse {
            FrameClass::Whole
        } else if lead.max(1.0 / lead) > ORDERED {
            let below = |limit: f64| nearer.into_iter().all(|r| r < limit);
            let matched = match () {
                () if below(CLOSE) => Match::Close,
                () if below(1.0 / MORE) => Match::Loose,
                () => Match::No,
            };
            FrameClass::Ordered { order, matched }
        } else if mean(tff) > MORE && mean(bff) > MORE {
            FrameClass::Whole
        } else {
            FrameClass::Unclear
        }
    }

    fn repeated(&self, least_runs: u64) -> Option<usize> {
        let least = least_runs * (RUN as u64) * MOTION_LEVELS as u64;
        (0..2).find(|&field| {
            let other = self.change[1 - field];
            other >= least && other > self.change[field] * REPEATED
        })
    }
}

fn measure(before: &Luma, frame: &Luma, after: &Luma) -> Sums {
    let mut sums = Sums::default();
    for y in 1..frame.height.saturating_sub(1) {
        let runs = |y| frame.line(y).chunks_exact(RUN);
        let others = before.line(y).chunks_exact(RUN).zip(after.line(y).chunks_exact(RUN));
        for (((above, own), below), (before, after)) in runs(y - 1).zip(runs(y)).zip(runs(y + 1)).zip(others)
        {
            let (since, until) = (change(own, before), change(own, after));
            if since == 0 && until == 0 {
                continue;
            }
            let field = y % 2;
            sums.own[field] += comb(above, own, below);
            sums.before[field] += comb(above, before, below);
            sums.after[field] += comb(above, after, below);
            sums.n_runs[field] += 1;
            sums.change[field] += since;
        }
    }
    sums
}

/// By how much two runs differ beyond noise.
fn change(a: &[u8], b: &[u8]) -> u64 {
    let sum = |run: &[u8]| run.iter().map(|&v| i32::from(v)).sum::<i32>();
    ((sum(a) - sum(b)).abs() - MOTION_LEVELS * RUN as i32).max(0) as u64
}

/// `|above - 2 line + below|`, the filter of `idet`.
fn comb(above: &[u8], line: &[u8], below: &[u8]) -> u64 {
    let value =
        |((a, l), b): ((&u8, &u8), &u8)| (i32::from(*a) - 2 * i32::from(*l) + i32::from(*b)).unsigned_abs();
    u64::from(above.iter().zip(line).zip(below).map(value).sum::<u32>())
}
