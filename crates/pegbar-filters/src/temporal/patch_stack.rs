//! Noise taken out of stacks of motion-compensated patches.
//!
//! Each patch of 8 x 8 pixels is stacked with the patches that motion search has found in the neighbouring frames; a cosine
//! transform along all three axes gathers what they have in common in few coefficients, and those that noise explains are set
//! to zero. What differs from frame to frame (a wrong vector, something uncovered) has large coefficients at
//! temporal frequencies, which stay: nothing of a neighbour shows up as a ghost. Noise broader than a patch, as grain that clumps has it,
//! is taken out of a picture of a quarter of the size in the same manner. After Maggioni, Boracchi, Foi, Egiazarian:
//! "Video denoising, deblocking and enhancement through separable 4-D nonlocal spatiotemporal transforms" (2012), without
//! its search for similar patches within the frame and its second pass.

use super::noise_spectrum::{NoiseSpectrum, tone};
use crate::dct::{Block, backward_transposed, forward_transposed, matrix};
use crate::luma_chroma::LumaChroma;
use crate::spatial::overlapping_blocks::{over_blocks, without_small};

/// Side of a patch.
const PATCH: usize = 8;

/// Distance of patches: each pixel lies in four of them.
const STEP: usize = 4;

/// A patch of a neighbour joins the stack when it differs from the patch at work by no more than this times what noise explains.
const MOST_DIFFERENCE: f32 = 2.0;

/// Frames of the largest stack: three before and three after.
const MOST_FRAMES: usize = 7;

/// A coefficient smaller than its noise's deviation times this is taken for noise.
const THRESHOLD: f32 = 3.1;

/// Side of the squares whose means are cleaned as a picture of their own.
const BROAD: usize = 4;

/// Cleans the planes of the frame at `centre`, all other frames being compensated for motion.
///
/// `noise` has a spectrum for each plane, `strengths` the factor on its threshold; a plane of strength 0 is left as it is.
pub(super) fn clean(
    frames: &[&LumaChroma],
    centre: usize,
    noise: &[NoiseSpectrum],
    strengths: &[f32],
) -> Vec<Vec<f32>> {
    let &LumaChroma { width, height, ref planes } = frames[centre];
    if width < PATCH || height < PATCH {
        return planes.clone();
    }
    let frames = &frames[..frames.len().min(MOST_FRAMES)];
    let transforms: Vec<_> = (0..=frames.len()).map(matrix).collect();
    let luma_noise = noise[0].strength();
    let mut sums: Vec<Vec<f32>> = planes.iter().map(|p| vec![0.0; p.len()]).collect();
    let mut weights = sums.clone();
    let window = window();
    let (mut n_members, mut n_patches) = (0, 0);
    for y in positions(height) {
        for x in positions(width) {
            let at = y * width + x;
            let here = read(&planes[0], at, width);
            let mean = here.iter().flatten().sum::<f32>() / 64.0;
            let tone = tone(mean);
            // Members of the stack, in order of time.
            let explained = 2.0 * (luma_noise * noise[0].gains[tone]).powi(2) * 64.0;
            let mut members = [0; MOST_FRAMES];
            let (mut n, mut own) = (0, 0);
            for (i, frame) in frames.iter().enumerate() {
                if i == centre {
                    own = n;
                } else {
                    let other = read(&frame.planes[0], at, width);
                    if squared_difference(&here, &other) > MOST_DIFFERENCE * explained {
                        continue;
                    }
                }
                members[n] = i;
                n += 1;
            }
            (n_members, n_patches) = (n_members + n, n_patches + 1);
            for (plane, (noise, &strength)) in noise.iter().zip(strengths).enumerate() {
                if strength <= 0.0 {
                    continue;
                }
                let mut stack = [[[0.0; PATCH]; PATCH]; MOST_FRAMES];
                for (patch, &i) in stack.iter_mut().zip(&members[..n]) {
                    *patch = forward_transposed(&read(&frames[i].planes[plane], at, width));
                }
                let factor = THRESHOLD * strength * noise.gains[tone];
                let thresholds: Block = std::array::from_fn(|r| {
                    std::array::from_fn(|c| (factor * noise.deviations[r * PATCH + c]).powi(2))
                });
                let (coefficients, kept) = shrink(&stack[..n], own, &transforms[n], &thresholds);
                let patch = backward_transposed(&coefficients);
                let confidence = 1.0 / kept.max(1.0);
                for r in 0..PATCH {
                    let row = at + r * width;
                    let sum = &mut sums[plane][row..row + PATCH];
                    let weight = &mut weights[plane][row..row + PATCH];
                    for c in 0..PATCH {
                        let w = confidence * window[r][c];
                        sum[c] += w * patch[r][c];
                        weight[c] += w;
                    }
                }
            }
        }
    }
    for ((sum, weight), plane) in sums.iter_mut().zip(&weights).zip(planes) {
        for ((s, w), v) in sum.iter_mut().zip(weight).zip(plane) {
            *s = if *w > 0.0 { *s / w } else { *v };
        }
    }
    // What is broader than a patch was averaged over the stack and no more.
    let members = n_members as f32 / n_patches as f32;
    for (plane, (noise, strength)) in sums.iter_mut().zip(noise.iter().zip(strengths)) {
        smooth_broad(plane, width, strength * noise.deviations[0] / members.sqrt());
    }
    sums
}

/// Takes noise out of the means of squares of pixels: what is too broad for a patch. `deviation` is that of the first coefficient
/// of a patch.
fn smooth_broad(plane: &mut [f32], width: usize, deviation: f32) {
    let (columns, rows) = (width / BROAD, plane.len() / width / BROAD);
    if columns < PATCH || rows < PATCH || deviation <= 0.0 {
        return;
    }
    let mut means = vec![0.0; columns * rows];
    for (y, means) in means.chunks_exact_mut(columns).enumerate() {
        for row in plane[y * BROAD * width..(y + 1) * BROAD * width].chunks_exact(width) {
            for (mean, part) in means.iter_mut().zip(row.chunks_exact(BROAD)) {
                *mean += part.iter().sum::<f32>() / (BROAD * BROAD) as f32;
            }
        }
    }
    // A mean of so many pixels has this share of the deviation of the coefficient, which is the sum of as many over its root.
    let threshold = THRESHOLD * deviation / BROAD as f32;
    let smooth = over_blocks([&means], columns, 2, |[block]| without_small(block, |_| threshold));
    let change: Vec<f32> = smooth.iter().zip(&means).map(|(new, old)| new - old).collect();
    // Between the middles of the squares by straight lines.
    let place = |i: usize, n: usize| {
        let at = ((i as f32 + 0.5) / BROAD as f32 - 0.5).clamp(0.0, (n - 1) as f32);
        let low = (at as usize).min(n - 2);
        (low, at - low as f32)
    };
    let across: Vec<_> = (0..width).map(|x| place(x, columns)).collect();
    for (y, row) in plane.chunks_exact_mut(width).enumerate() {
        let (upper, v) = place(y, rows);
        let (a, b) = (&change[upper * columns..][..columns], &change[(upper + 1) * columns..][..columns]);
        for (s, &(left, u)) in row.iter_mut().zip(&across) {
            let at = |row: &[f32]| row[left] + u * (row[left + 1] - row[left]);
            *s += at(a) + v * (at(b) - at(a));
        }
    }
}

/// Starts of patches along a side, the last at its end.
fn positions(side: usize) -> impl Iterator<Item = usize> {
    let last = side - PATCH;
    (0..last).step_by(STEP).chain(std::iter::once(last))
}

fn read(plane: &[f32], at: usize, stride: usize) -> Block {
    let mut block = [[0.0; PATCH]; PATCH];
    for (r, row) in block.iter_mut().enumerate() {
        row.copy_from_slice(&plane[at + r * stride..at + r * stride + PATCH]);
    }
    block
}

fn squared_difference(a: &Block, b: &Block) -> f32 {
    let mut lanes = [0.0; PATCH];
    for (a, b) in a.iter().zip(b) {
        for i in 0..PATCH {
            lanes[i] += (a[i] - b[i]) * (a[i] - b[i]);
        }
    }
    lanes.iter().sum()
}

/// The coefficients of patch `own` after those of the stack that noise explains are gone, and how many are left.
fn shrink(stack: &[Block], own: usize, transform: &[Vec<f32>], thresholds: &Block) -> (Block, f32) {
    let mut out = [[0.0; PATCH]; PATCH];
    let mut kept = [0.0; PATCH];
    for (m, row) in transform.iter().enumerate() {
        let mut band = [[0.0; PATCH]; PATCH];
        for (patch, &weight) in stack.iter().zip(row) {
            for r in 0..PATCH {
                for c in 0..PATCH {
                    band[r][c] += weight * patch[r][c];
                }
            }
        }
        let mean = band[0][0];
        let back = row[own];
        for r in 0..PATCH {
            for c in 0..PATCH {
                let keep = if band[r][c] * band[r][c] > thresholds[r][c] { 1.0 } else { 0.0 };
                kept[c] += keep;
                out[r][c] += back * keep * band[r][c];
            }
        }
        // The mean of the stack is never noise.
        if m == 0 && mean * mean <= thresholds[0][0] {
            out[0][0] += back * mean;
        }
    }
    (out, kept.iter().sum())
}

/// Weights of a patch's pixels: its middle is known best.
fn window() -> Block {
    let side = |i: usize| 0.35 + 0.65 * (std::f32::consts::PI * (i as f32 + 0.5) / PATCH as f32).sin();
    std::array::from_fn(|r| std::array::from_fn(|c| side(r) * side(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broad_noise_goes_and_a_step_stays() {
        let (width, height) = (160, 128);
        let step = |i: usize| if i % width < 80 { 0.3 } else { 0.7 };
        let mut plane: Vec<f32> = (0..width * height).map(step).collect();
        // The same deviation for all of a square of 8 px, which is a first coefficient of eight times as much.
        const DEVIATION: f32 = 0.01;
        for (i, v) in plane.iter_mut().enumerate() {
            let square = i % width / 8 + i / width / 8 * 29;
            *v += if square * 7919 % 13 % 2 == 0 { DEVIATION } else { -DEVIATION };
        }
        let error = |plane: &[f32]| plane.iter().enumerate().map(|(i, v)| (v - step(i)).powi(2)).sum::<f32>();
        let before = error(&plane);
        let same = plane.clone();
        smooth_broad(&mut plane, width, 8.0 * DEVIATION);
        assert!(error(&plane) < 0.4 * before, "{} of {before}", error(&plane));
        let mut still = same.clone();
        smooth_broad(&mut still, width, 0.0);
        assert_eq!(still, same);
        smooth_broad(&mut [0.5; 6], 3, 1.0);
    }
}
