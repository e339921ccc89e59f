//! Repeated frames: drawings held for two frames or more, and the frames that telecine adds.

use crate::luma_chroma::LumaChroma;
use pegbar_frame::PlanarImage;

/// Side of the squares whose means are compared: noise is a quarter of its size there, a changed line is not.
const SQUARE: usize = 4;

/// Side of a block in squares: what has changed has to fill a small part of one.
const BLOCK: usize = 4;

/// Change, in codes of 255, that encoders make without anything having moved.
const LEAST_CODES: f32 = 1.0;

/// How far a frame differs from the one before, as [`change`] finds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Largest change of a block, in codes of 255.
    pub largest_codes: f32,
    /// Change of the middle block, in codes of 255: noise, or motion of the whole picture.
    pub typical_codes: f32,
}

impl Change {
    /// Whether the frame shows nothing new: no block stands out of what noise does everywhere.
    ///
    /// `noise_codes` is the deviation of the film's noise, 0 for a clean one.
    pub fn is_repeat(&self, noise_codes: f32) -> bool {
        // Means of 16 pixels of two noisy frames, and the largest of some thousand of them.
        let explained = 3.0 * std::f32::consts::SQRT_2 * noise_codes / SQUARE as f32;
        self.largest_codes <= LEAST_CODES + explained && self.typical_codes <= LEAST_CODES + 0.5 * explained
    }
}

/// Compares a frame with the one before, which has the same size; frames of different sizes differ by all.
pub fn change(previous: &PlanarImage, frame: &PlanarImage) -> Change {
    let all = Change { largest_codes: 255.0, typical_codes: 255.0 };
    if (previous.width, previous.height, previous.channels) != (frame.width, frame.height, frame.channels) {
        return all;
    }
    if previous.data == frame.data {
        return Change { largest_codes: 0.0, typical_codes: 0.0 };
    }
    let (a, b) = (LumaChroma::of(previous), LumaChroma::of(frame));
    let (columns, rows) = (a.width.div_ceil(SQUARE), a.height.div_ceil(SQUARE));
    let (across, down) = (columns.div_ceil(BLOCK), rows.div_ceil(BLOCK));
    let mut blocks = vec![0.0f32; across * down];
    for (a, b) in a.planes.iter().zip(&b.planes) {
        let mut sums = vec![0.0f32; columns * rows];
        let mut counts = vec![0.0f32; columns * rows];
        for (y, (a, b)) in a.chunks_exact(frame.width).zip(b.chunks_exact(frame.width)).enumerate() {
            let at = y / SQUARE * columns;
            for (x, (a, b)) in a.chunks(SQUARE).zip(b.chunks(SQUARE)).enumerate() {
                sums[at + x] += b.iter().sum::<f32>() - a.iter().sum::<f32>();
                counts[at + x] += a.len() as f32;
            }
        }
        let mut squares = vec![0.0f32; across * down];
        let mut n = vec![0.0f32; across * down];
        for (i, (sum, count)) in sums.iter().zip(&counts).enumerate() {
            let block = i / columns / BLOCK * across + i % columns / BLOCK;
            squares[block] += (sum / count).powi(2);
            n[block] += 1.0;
        }
        for ((block, s), n) in blocks.iter_mut().zip(&squares).zip(&n) {
            *block = block.max(255.0 * (s / n).sqrt());
        }
    }
    if blocks.iter().any(|b| b.is_nan()) {
        return all;
    }
    blocks.sort_unstable_by(f32::total_cmp);
    Change { largest_codes: blocks[blocks.len() - 1], typical_codes: blocks[blocks.len() / 2] }
}

/// Whether a frame repeats the one before, up to noise of this deviation in codes of 255.
pub fn is_repeat(previous: &PlanarImage, frame: &PlanarImage, noise_codes: f32) -> bool {
    change(previous, frame).is_repeat(noise_codes)
}

/// Which frame of a group (five of telecined film) to leave out: the one that differs least from the one before it, `changes`
/// being those of each frame of the group. Of equals the one at `expected`, which the group before had, or the first.
pub fn frame_to_drop(changes: &[Change], expected: Option<usize>) -> Option<usize> {
    let least = changes.iter().map(|c| c.largest_codes).fold(f32::INFINITY, f32::min);
    // Where a drawing is held all along, nothing tells: keep the rhythm.
    let as_good = |c: &Change| c.largest_codes <= least * 1.15 + 0.1;
    let expected = expected.filter(|&i| changes.get(i).is_some_and(as_good));
    expected.or_else(|| changes.iter().position(|c| c.largest_codes == least))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(mouth: usize, noise: u32) -> PlanarImage {
        let (width, height) = (160, 120);
        let mut state = noise.wrapping_mul(747_796_405).wrapping_add(1);
        let mut image = PlanarImage::zeros(3, height, width);
        for v in &mut image.data {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *v = 0.5 + if noise > 0 { 0.06 * ((state >> 8) as f32 / 16_777_216.0 - 0.5) } else { 0.0 };
        }
        for c in 0..3 {
            for x in 60..72 {
                for thick in 0..2 {
                    image.plane_mut(c)[(70 + mouth + thick) * width + x] -= 0.4;
                }
            }
        }
        image
    }

    #[test]
    fn a_held_drawing_repeats_and_a_mouth_does_not() {
        assert!(is_repeat(&frame(0, 0), &frame(0, 0), 0.0));
        assert!(!is_repeat(&frame(0, 0), &frame(1, 0), 0.0));
        // Uniform noise of 0.06 has a deviation of 4.4 codes.
        assert!(is_repeat(&frame(0, 1), &frame(0, 2), 4.4));
        assert!(!is_repeat(&frame(0, 1), &frame(2, 2), 4.4));
        assert!(!is_repeat(&frame(0, 1), &frame(0, 2), 0.0));
        let other = PlanarImage::zeros(3, 10, 10);
        assert!(!is_repeat(&frame(0, 0), &other, 50.0));
    }

    #[test]
    fn the_repeated_one_of_five_is_dropped() {
        let frames: Vec<_> = [0, 1, 2, 2, 3, 4].map(|mouth| frame(mouth, 0)).into();
        let changes: Vec<_> = frames.windows(2).map(|w| change(&w[0], &w[1])).collect();
        assert_eq!(frame_to_drop(&changes, None), Some(2));
        let held = vec![Change { largest_codes: 0.0, typical_codes: 0.0 }; 5];
        assert_eq!(frame_to_drop(&held, Some(3)), Some(3));
        assert_eq!(frame_to_drop(&[], None), None);
    }
}
