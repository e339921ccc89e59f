//! Dropping one frame of five after field matching, and spreading the other four over the time of the five.
//!
//! Which frame goes is decided as by ffmpeg's `decimate` (after VIVTC): the one that differs least from the frame before
//! it, by the block that differs most. The times are not: `decimate` counts frames from the first one, by the frame
//! rate. Here the four lie at 0, 1 1/4, 2 1/2 and 3 3/4 of the way through the time stamps of the five, so that they stay
//! with the sound whatever happens to the time stamps on the way.

use std::collections::VecDeque;

use pegbar_frame::{Frame, Plane};

/// Frames of a cycle, of which one goes.
const CYCLE: usize = 5;

/// The finest parts of a source tick that times fall on.
pub(crate) const PARTS: i64 = 4;

/// Side of the blocks, in pixels: differences are summed over half blocks, and over all blocks of 2x2 of these.
const HALF_BLOCK: usize = 16;

/// Up to this difference of a block, in per cent of the largest possible, a frame repeats the one before.
const DUPLICATE_PERCENT: f64 = 1.1;

/// From this difference of the whole frame on, it is the first of a scene.
const SCENE_PERCENT: f64 = 15.0;

/// Largest difference of 8-bit samples in the limited range.
const LEVELS: f64 = 219.0;

/// Frames in, four of five out.
#[derive(Debug, Default)]
pub(crate) struct Decimator {
    waiting: Vec<Candidate>,
    done: VecDeque<Frame>,
    /// Luma of the last frame that came in.
    last: Option<Plane>,
    /// Ticks of the delivered time base in one of the source's.
    parts: i64,
}

#[derive(Debug)]
struct Candidate {
    frame: Frame,
    /// Difference from the frame before of the block that differs most, in per cent; infinite where there is none.
    block_percent: f64,
    /// Difference of the whole frame in per cent.
    percent: f64,
}

impl Decimator {
    /// `parts` ticks of the frames that come out make one of those that go in: [`PARTS`], or 1 where ticks stay as long.
    pub(crate) fn new(parts: i64) -> Self {
        Self { parts, ..Self::default() }
    }

    /// Takes a frame.
    pub(crate) fn push(&mut self, frame: Frame) {
        let depth_bits = frame.format.depth_bits;
        let (block_percent, percent) = match &self.last {
            Some(last) if (last.width, last.height) == (frame.planes[0].width, frame.planes[0].height) => {
                difference(last, &frame.planes[0], depth_bits)
            }
            _ => (f64::INFINITY, f64::INFINITY),
        };
        self.last = Some(frame.planes[0].clone());
        self.waiting.push(Candidate { frame, block_percent, percent });
        if self.waiting.len() == CYCLE {
            self.end_cycle();
        }
    }

    /// Says that no frame follows.
    pub(crate) fn finish(&mut self) {
        // Of an incomplete cycle nothing need go, but what is a repetition does.
        if let Some(k) = self.superfluous().filter(|&k| self.waiting[k].is_duplicate()) {
            self.waiting.remove(k);
        }
        for mut candidate in self.waiting.drain(..) {
            candidate.frame.pts = candidate.frame.pts.saturating_mul(self.parts);
            self.done.push_back(candidate.frame);
        }
    }

    /// A frame that is ready.
    pub(crate) fn pop(&mut self) -> Option<Frame> {
        self.done.pop_front()
    }

    fn end_cycle(&mut self) {
        let dropped = self.superfluous().unwrap_or(0);
        let pts: Vec<i128> = self.waiting.iter().map(|c| i128::from(c.frame.pts)).collect();
        self.waiting.remove(dropped);
        for (n, mut candidate) in self.waiting.drain(..).enumerate() {
            // Frame n of four lies at n * 5/4 of the five.
            let (whole, quarters) = (n * CYCLE / (CYCLE - 1), (n * CYCLE % (CYCLE - 1)) as i128);
            let next = pts[(whole + 1).min(CYCLE - 1)];
            let in_quarters = pts[whole] * i128::from(PARTS) + (next - pts[whole]) * quarters;
            let ticks = (in_quarters * i128::from(self.parts)).div_euclid(i128::from(PARTS));
            candidate.frame.pts = i64::try_from(ticks).unwrap_or(candidate.frame.pts);
            self.done.push_back(candidate.frame);
        }
    }

    /// The frame that is missed least.
    fn superfluous(&self) -> Option<usize> {
        let by_block = |(_, a): &(usize, &Candidate), (_, b): &(usize, &Candidate)| {
            a.block_percent.total_cmp(&b.block_percent)
        };
        let (lowest, candidate) = self.waiting.iter().enumerate().min_by(by_block)?;
        // Without a repetition, the first picture of a new scene is missed less than one in a movement.
        let scene = self.waiting.iter().rposition(|c| c.percent.is_finite() && c.percent > SCENE_PERCENT);
        Some(scene.filter(|_| !candidate.is_duplicate()).unwrap_or(lowest))
    }
}

impl Candidate {
    fn is_duplicate(&self) -> bool {
        self.block_percent < DUPLICATE_PERCENT
    }
}

/// Differences of two planes of the same size, in per cent of the largest possible: of the most different block, and
/// of the whole.
fn difference(a: &Plane, b: &Plane, depth_bits: u8) -> (f64, f64) {
    let cells_x = a.width.div_ceil(HALF_BLOCK);
    let cells_y = a.height.div_ceil(HALF_BLOCK);
    let mut cells = vec![0u64; cells_x * cells_y];
    let bytes = if depth_bits > 8 { 2 } else { 1 };
    let line_bytes = a.width * bytes;
    let lines = a.data.chunks_exact(line_bytes).zip(b.data.chunks_exact(line_bytes));
    for (y, (a, b)) in lines.enumerate() {
        let row = &mut cells[y / HALF_BLOCK * cells_x..][..cells_x];
        let parts = a.chunks(HALF_BLOCK * bytes).zip(b.chunks(HALF_BLOCK * bytes));
        for (cell, (a, b)) in row.iter_mut().zip(parts) {
            *cell += if bytes == 1 { sad8(a, b) } else { sad16(a, b) };
        }
    }
    let total: u64 = cells.iter().sum();
    let at = |x: usize, y: usize| cells[y.min(cells_y - 1) * cells_x + x.min(cells_x - 1)];
    let mut most = 0;
    for y in 0..cells_y.saturating_sub(1).max(1) {
        for x in 0..cells_x.saturating_sub(1).max(1) {
            most = most.max(at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1));
        }
    }
    let largest = LEVELS * f64::from(1u32 << (depth_bits - 8));
    let block_px = (4 * HALF_BLOCK * HALF_BLOCK) as f64;
    let all_px = (a.width * a.height) as f64;
    (100.0 * most as f64 / (block_px * largest), 100.0 * total as f64 / (all_px * largest))
}

fn sad8(a: &[u8], b: &[u8]) -> u64 {
    u64::from(a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>())
}

fn sad16(a: &[u8], b: &[u8]) -> u64 {
    let sample = |s: &[u8]| u16::from_le_bytes([s[0], s[1]]);
    a.chunks_exact(2).zip(b.chunks_exact(2)).map(|(a, b)| u64::from(sample(a).abs_diff(sample(b)))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_frame::{Colour, PixelFormat};

    /// A frame whose picture is told by a number, at a time.
    fn frame(picture: u8, pts: i64) -> Frame {
        let plane = Plane { width: 40, height: 24, data: vec![picture; 40 * 24] };
        Frame {
            format: PixelFormat::GRAY8,
            width: 40,
            height: 24,
            planes: vec![plane],
            pts,
            colour: Colour::default(),
        }
    }

    fn run(pictures: &[u8], pts: impl Fn(i64) -> i64) -> Vec<(u8, i64)> {
        let mut decimator = Decimator::new(PARTS);
        let mut out = Vec::new();
        for (n, picture) in pictures.iter().enumerate() {
            decimator.push(frame(*picture, pts(n as i64)));
            while let Some(frame) = decimator.pop() {
                out.push((frame.planes[0].data[0], frame.pts));
            }
        }
        decimator.finish();
        while let Some(frame) = decimator.pop() {
            out.push((frame.planes[0].data[0], frame.pts));
        }
        out
    }

    #[test]
    fn the_repetition_goes_and_times_are_even() {
        let out = run(&[0, 20, 40, 40, 60, 80, 100, 120, 120, 140], |n| n * 100);
        assert_eq!(out.iter().map(|o| o.0).collect::<Vec<_>>(), [0, 20, 40, 60, 80, 100, 120, 140]);
        assert_eq!(out.iter().map(|o| o.1).collect::<Vec<_>>(), [0, 500, 1000, 1500, 2000, 2500, 3000, 3500]);
    }

    #[test]
    fn a_gap_in_the_time_stamps_stays_where_it_is() {
        let out =
            run(&[0, 20, 40, 40, 60, 80, 100, 120, 120, 140], |n| n * 100 + if n >= 5 { 9000 } else { 0 });
        assert_eq!(out.iter().map(|o| o.1).collect::<Vec<_>>()[4..], [38_000, 38_500, 39_000, 39_500]);
        assert_eq!(out[3].1, 1500);
    }

    #[test]
    fn the_last_cycle_may_be_short() {
        let out = run(&[0, 20, 40, 40, 60, 80, 100], |n| n * 100);
        assert_eq!(out[4..], [(80, 2000), (100, 2400)]);
        let out = run(&[0, 20, 40, 40, 60, 80, 80], |n| n * 100);
        assert_eq!(out[4..], [(80, 2000)]);
        assert!(run(&[], |n| n).is_empty());
        assert_eq!(run(&[7], |n| n + 3), [(7, 12)]);
    }
}
