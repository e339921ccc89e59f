//! Cuts: where a scene ends and nothing of the frame before is to be seen any more.

use crate::luma_chroma::luma;
use pegbar_frame::PlanarImage;
use pulp::{Arch, Simd, WithSimd};

/// Pixels across of the small copy that is compared.
const SMALL_WIDTH: usize = 80;

/// Side of a block of the small copy.
const BLOCK: usize = 8;

/// How far a block may have moved, in pixels of the small copy.
const RANGE: isize = 5;

/// Correlation of blocks that show the same.
const FOUND: f32 = 0.92;

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

/// Luma of a frame, small, continued by its edge for [`MARGIN`] pixels on each side.
struct Small {
    width: usize,
    height: usize,
    stride: usize,
    samples: Vec<f32>,
}

/// How far out of the picture blocks reach: one that begins in its last column and has moved.
const MARGIN: usize = RANGE as usize + BLOCK - 1;

impl Small {
    fn of(image: &PlanarImage) -> Self {
        let step = image.width.div_ceil(SMALL_WIDTH).max(1);
        let (width, height) = (image.width.div_ceil(step), image.height.div_ceil(step));
        let stride = width + 2 * MARGIN;
        let mut samples = Vec::with_capacity(stride * (height + 2 * MARGIN));
        for band in luma(image).chunks(step * image.width) {
            let mut sums = band[..image.width].to_vec();
            for row in band.chunks_exact(image.width).skip(1) {
                sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
            }
            let rows = (band.len() / image.width) as f32;
            let mean = |part: &[f32]| part.iter().sum::<f32>() / (rows * part.len() as f32);
            let first = samples.len();
            samples.resize(first + MARGIN, mean(&sums[..step.min(image.width)]));
            samples.extend(sums.chunks(step).map(mean));
            let last = samples[samples.len() - 1];
            samples.resize(first + stride, last);
            // The first row stands for those above it, the last one for those below.
            if first == 0 {
                (0..MARGIN).for_each(|_| samples.extend_from_within(..stride));
            }
        }
        (0..MARGIN).for_each(|_| samples.extend_from_within(samples.len() - stride..));
        Self { width, height, stride, samples }
    }

    /// The block at a place of the picture, moved by up to [`RANGE`].
    #[inline(always)]
    fn block(&self, (x, y): (usize, usize), (dx, dy): (isize, isize)) -> [f32; BLOCK * BLOCK] {
        let first = (y + MARGIN).strict_add_signed(dy) * self.stride + (x + MARGIN).strict_add_signed(dx);
        let mut block = [0.0; BLOCK * BLOCK];
        let rows = self.samples[first..].chunks(self.stride);
        for (to, from) in block.as_chunks_mut::<BLOCK>().0.iter_mut().zip(rows) {
            to.copy_from_slice(&from[..BLOCK]);
        }
        block
    }

    /// The share of blocks with structure, weighted by it, that `other` does not have near, and how many have some.
    fn structure_missing_in(&self, other: &Self) -> (f32, f32) {
        Arch::new().dispatch(Missing { in_one: self, in_other: other, places: &places() })
    }
}

/// What [`Small::structure_missing_in`] asks, compiled for each width of vectors.
struct Missing<'a> {
    in_one: &'a Small,
    in_other: &'a Small,
    places: &'a [(isize, isize)],
}

impl WithSimd for Missing<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f32, f32) {
        let Self { in_one, in_other, places } = self;
        let (mut missing, mut all, mut n) = (0.0, 0.0, 0.0);
        for y in (0..in_one.height).step_by(BLOCK) {
            for x in (0..in_one.width).step_by(BLOCK) {
                let block = centred(in_one.block((x, y), (0, 0)));
                let energy = dot(&block, &block);
                if energy.is_nan() || energy <= FLAT * FLAT * (BLOCK * BLOCK) as f32 {
                    continue;
                }
                let mut best = 0.0f32;
                for &moved in places {
                    let place = centred(in_other.block((x, y), moved));
                    let theirs = dot(&place, &place);
                    if theirs > 0.05 * energy {
                        best = best.max(dot(&block, &place) / (energy * theirs).sqrt());
                        if best >= FOUND {
                            break;
                        }
                    }
                }
                // Chance finds a correlation of about 0.6 among so many places.
                let weight = energy.sqrt().min(0.2 * BLOCK as f32);
                missing += weight * ((FOUND - best) / 0.25).clamp(0.0, 1.0);
                all += weight;
                n += 1.0;
            }
        }
        (if all > 0.0 { missing / all } else { 0.0 }, n)
    }
}

/// Where a block may have moved to, the nearest first.
fn places() -> Vec<(isize, isize)> {
    let mut places: Vec<_> =
        (-RANGE..=RANGE).flat_map(|dy| (-RANGE..=RANGE).map(move |dx| (dx, dy))).collect();
    places.sort_by_key(|(dx, dy)| dx * dx + dy * dy);
    places
}

#[inline(always)]
fn centred(block: [f32; BLOCK * BLOCK]) -> [f32; BLOCK * BLOCK] {
    let mut lanes = [0.0f32; BLOCK];
    for row in block.as_chunks::<BLOCK>().0 {
        for i in 0..BLOCK {
            lanes[i] += row[i];
        }
    }
    let mean = lanes.iter().sum::<f32>() / block.len() as f32;
    block.map(|v| v - mean)
}

#[inline(always)]
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
