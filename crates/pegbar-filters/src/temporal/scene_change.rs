//! Cuts: where a scene ends and nothing of the frame before is to be seen any more.

use crate::luma_chroma::luma;
use pegbar_frame::PlanarImage;

/// Pixels across of the small copy that is compared.
const SMALL_WIDTH: usize = 80;

/// Side of a block of the small copy.
const BLOCK: usize = 8;

/// How far a block may have moved, in pixels of the small copy.
const RANGE: isize = 5;

/// Deviation of luma below which a block has no structure.
const FLAT: f32 = 0.012;

/// How unlike two consecutive frames are, `0.0..=1.0`: the share of structure in one of them that the other does not have.
///
/// Blocks are compared by correlation wherever they may have moved to, so neither flicker, flashes and fades nor moves of the
/// camera count; where there is hardly any structure, colour decides. About 0.1 within a scene of much motion, 0.6 and more at a
/// cut.
pub fn unlikeness(previous: &PlanarImage, frame: &PlanarImage) -> f32 {
    if (previous.width, previous.height) != (frame.width, frame.height) {
        return 1.0;
    }
    let (a, b) = (Small::of(previous), Small::of(frame));
    let (new, n_new) = b.structure_missing_in(&a);
    let (gone, n_gone) = a.structure_missing_in(&b);
    let blocks = (a.width.div_ceil(BLOCK) * a.height.div_ceil(BLOCK)) as f32;
    // Few blocks of structure say little: the colour of the whole picture speaks for the rest.
    let structure = new.max(gone);
    let trust = (n_new.max(n_gone) / (0.15 * blocks)).min(1.0);
    let one_is_flat = n_new.min(n_gone) < 0.05 * blocks;
    if one_is_flat {
        // A flash to white or a fade from black: the picture behind it may be the same.
        return (trust * 0.4).max(colour_distance(previous, frame) * (1.0 - trust));
    }
    trust * structure + (1.0 - trust) * (2.0 * colour_distance(previous, frame)).min(1.0)
}

/// Whether a cut lies between two consecutive frames.
pub fn is_cut(previous: &PlanarImage, frame: &PlanarImage) -> bool {
    unlikeness(previous, frame) > 0.5
}

/// Where scenes begin: index 0 and each frame after a cut.
pub fn scene_starts(frames: &[PlanarImage]) -> Vec<usize> {
    (0..frames.len()).filter(|&i| i == 0 || is_cut(&frames[i - 1], &frames[i])).collect()
}

/// Distance of the mean colours, `0.0..=1.0`.
fn colour_distance(a: &PlanarImage, b: &PlanarImage) -> f32 {
    let colour = if a.channels.min(b.channels) >= 3 { 3 } else { 1 };
    let mean = |image: &PlanarImage, c: usize| {
        let plane = image.plane(c);
        plane.iter().step_by(7).sum::<f32>() / plane.len().div_ceil(7) as f32
    };
    (0..colour).map(|c| (mean(a, c) - mean(b, c)).abs()).fold(0.0, f32::max)
}

/// Luma of a frame, small.
struct Small {
    width: usize,
    height: usize,
    samples: Vec<f32>,
}

impl Small {
    fn of(image: &PlanarImage) -> Self {
        let step = image.width.div_ceil(SMALL_WIDTH).max(1);
        let (width, height) = (image.width.div_ceil(step), image.height.div_ceil(step));
        let mut sums = vec![0.0f32; width * height];
        let mut counts = vec![0.0f32; width * height];
        for (y, row) in luma(image).chunks_exact(image.width).enumerate() {
            for (x, part) in row.chunks(step).enumerate() {
                sums[y / step * width + x] += part.iter().sum::<f32>();
                counts[y / step * width + x] += part.len() as f32;
            }
        }
        let samples = sums.iter().zip(&counts).map(|(s, n)| s / n).collect();
        Self { width, height, samples }
    }

    fn block(&self, x: isize, y: isize) -> [f32; BLOCK * BLOCK] {
        std::array::from_fn(|i| {
            let at = |v: isize, n: usize| v.clamp(0, n as isize - 1) as usize;
            let (u, v) =
                (at(x + (i % BLOCK) as isize, self.width), at(y + (i / BLOCK) as isize, self.height));
            self.samples[v * self.width + u]
        })
    }

    /// The share of blocks with structure, weighted by it, that `other` does not have near, and how many have some.
    fn structure_missing_in(&self, other: &Self) -> (f32, f32) {
        let (mut missing, mut all, mut n) = (0.0, 0.0, 0.0);
        for y in (0..self.height as isize).step_by(BLOCK) {
            for x in (0..self.width as isize).step_by(BLOCK) {
                let block = centred(self.block(x, y));
                let energy = dot(&block, &block);
                if energy.is_nan() || energy <= FLAT * FLAT * (BLOCK * BLOCK) as f32 {
                    continue;
                }
                let mut best = 0.0f32;
                'places: for dy in -RANGE..=RANGE {
                    for dx in -RANGE..=RANGE {
                        let place = centred(other.block(x + dx, y + dy));
                        let theirs = dot(&place, &place);
                        if theirs > 0.05 * energy {
                            best = best.max(dot(&block, &place) / (energy * theirs).sqrt());
                            if best > 0.95 {
                                break 'places;
                            }
                        }
                    }
                }
                // Chance finds a correlation of about 0.6 among so many places.
                let weight = energy.sqrt().min(0.2 * BLOCK as f32);
                missing += weight * ((0.92 - best) / 0.25).clamp(0.0, 1.0);
                all += weight;
                n += 1.0;
            }
        }
        (if all > 0.0 { missing / all } else { 0.0 }, n)
    }
}

fn centred(block: [f32; BLOCK * BLOCK]) -> [f32; BLOCK * BLOCK] {
    let mean = block.iter().sum::<f32>() / block.len() as f32;
    block.map(|v| v - mean)
}

fn dot(a: &[f32; BLOCK * BLOCK], b: &[f32; BLOCK * BLOCK]) -> f32 {
    let mut lanes = [0.0f32; BLOCK];
    for (a, b) in a.as_chunks::<BLOCK>().0.iter().zip(b.as_chunks::<BLOCK>().0) {
        for i in 0..BLOCK {
            lanes[i] += a[i] * b[i];
        }
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(seed: f32, shift: f32) -> PlanarImage {
        let (width, height) = (320, 240);
        let mut image = PlanarImage::zeros(3, height, width);
        for c in 0..3 {
            for y in 0..height {
                for x in 0..width {
                    let (u, v) = ((x as f32 + shift) * 0.05, y as f32 * 0.06);
                    let value = 0.4
                        + 0.15 * (u * (1.0 + seed) + (v * seed).sin() * 2.0).sin()
                        + 0.15 * (v * 1.3 + seed * 5.0 + (u * 0.7).cos()).sin();
                    image.plane_mut(c)[y * width + x] = value;
                }
            }
        }
        image
    }

    #[test]
    fn cuts_are_found_and_nothing_else() {
        let (a, b) = (scene(0.3, 0.0), scene(1.7, 0.0));
        assert!(is_cut(&a, &b) && is_cut(&b, &a), "{} {}", unlikeness(&a, &b), unlikeness(&b, &a));
        assert!(unlikeness(&a, &a) < 0.05);
        let bright =
            PlanarImage { data: a.data.iter().map(|v| (0.4 + 1.5 * v).min(1.0)).collect(), ..a.clone() };
        let white = PlanarImage { data: vec![1.0; a.data.len()], ..a.clone() };
        for (name, other) in [("pan", scene(0.3, 14.0)), ("flash", bright), ("white", white)] {
            assert!(!is_cut(&a, &other) && !is_cut(&other, &a), "{name}: {}", unlikeness(&a, &other));
        }
        assert_eq!(scene_starts(&[a.clone(), a, b.clone(), b]), [0, 2]);
        let one = PlanarImage { width: 1, height: 1, channels: 1, data: vec![f32::NAN] };
        assert!(!is_cut(&one, &one));
    }
}
