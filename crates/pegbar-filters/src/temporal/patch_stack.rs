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
use crate::blocks::{Blocks, MOST_LANES, SIDE as PATCH, SideBySide, backward, forward};
use crate::dct::{Block, matrix};
use crate::luma_chroma::LumaChroma;
use crate::spatial::overlapping_blocks::without_small;
use crate::vectors::Vector;
use pulp::{Arch, Simd, WithSimd};

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

/// A number of each patch; only the first ones are used where vectors are narrower.
type Lanes = [f32; MOST_LANES];

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
    let (mut sums, members) = Arch::new().dispatch(Stacks { frames, centre, noise, strengths });
    // What is broader than a patch was averaged over the stack and no more.
    for (plane, (noise, strength)) in sums.iter_mut().zip(noise.iter().zip(strengths)) {
        smooth_broad(plane, width, strength * noise.deviations[0] / members.sqrt());
    }
    sums
}

/// The stacks of all patches of a frame, for [`clean`].
struct Stacks<'a> {
    frames: &'a [&'a LumaChroma],
    centre: usize,
    noise: &'a [NoiseSpectrum],
    strengths: &'a [f32],
}

impl WithSimd for Stacks<'_> {
    /// The planes, cleaned, and the mean number of patches in a stack.
    type Output = (Vec<Vec<f32>>, f32);

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) -> Self::Output {
        let Self { frames, centre, noise, strengths } = self;
        let &LumaChroma { width, height, ref planes } = frames[centre];
        let frames = &frames[..frames.len().min(MOST_FRAMES)];
        let (lanes, side_by_side) = (Vector::<S>::LANES, SideBySide::new(width, STEP, Vector::<S>::LANES));
        // Luma decides which patches are stacked, whatever is cleaned.
        let is_seen = |plane: usize| plane == 0 || strengths[plane] > 0.0;
        let mut sorted: Vec<Vec<Vec<f32>>> = Vec::with_capacity(frames.len());
        for frame in frames {
            let mut planes = Vec::with_capacity(frame.planes.len());
            for (i, plane) in frame.planes.iter().enumerate() {
                planes.push(if is_seen(i) { side_by_side.sort(plane) } else { Vec::new() });
            }
            sorted.push(planes);
        }
        let mut sums: Vec<Vec<f32>> = sorted[centre].iter().map(|p| vec![0.0; p.len()]).collect();
        let mut weights = sums.clone();
        let luma: Vec<&[f32]> = sorted.iter().map(|planes| planes[0].as_slice()).collect();
        let transforms: Vec<_> = (0..=frames.len()).map(matrix).collect();
        let (luma_noise, window) = (noise[0].strength(), window());
        let (mut n_members, mut n_patches) = (0, 0);
        let mut stack = [[[Vector::splat(s, 0.0); PATCH]; PATCH]; MOST_FRAMES];
        for y in positions(height) {
            for first in (0..side_by_side.n_blocks).step_by(lanes) {
                let stacked = Members::of(s, &side_by_side, &luma, centre, (y, first), |tone| {
                    2.0 * (luma_noise * noise[0].gains[tone]).powi(2) * (PATCH * PATCH) as f32
                });
                let used = lanes.min(side_by_side.n_blocks - first);
                n_members += stacked.counts[..used].iter().sum::<usize>();
                n_patches += used;
                let shares = stacked.shares(&transforms);
                for (plane, (noise, &strength)) in noise.iter().zip(strengths).enumerate() {
                    if strength <= 0.0 {
                        continue;
                    }
                    for (patches, frame) in stack.iter_mut().zip(&sorted) {
                        side_by_side.read(s, &frame[plane], y, first, patches);
                        forward(patches);
                    }
                    let factors = stacked.tones.map(|tone| THRESHOLD * strength * noise.gains[tone]);
                    let stack = &stack[..frames.len()];
                    let (mut patches, n_kept) =
                        shrink(s, stack, centre, &shares, &noise.deviations, &factors);
                    backward(&mut patches);
                    let one = Vector::splat(s, 1.0);
                    let confidence =
                        n_kept.where_larger(one, one / n_kept, one) * side_by_side.is_block(s, first);
                    let mut patch_weights = patches;
                    for (patch, (weight, &window)) in patches
                        .as_flattened_mut()
                        .iter_mut()
                        .zip(patch_weights.as_flattened_mut().iter_mut().zip(window.as_flattened()))
                    {
                        *weight = window * confidence;
                        *patch = *patch * *weight;
                    }
                    side_by_side.add(s, &patches, y, first, &mut sums[plane]);
                    side_by_side.add(s, &patch_weights, y, first, &mut weights[plane]);
                }
            }
        }
        let mut cleaned = Vec::with_capacity(planes.len());
        for (plane, (sums, weights)) in planes.iter().zip(sums.into_iter().zip(&weights)) {
            cleaned.push(if sums.is_empty() {
                plane.clone()
            } else {
                side_by_side.mean(sums, weights, plane)
            });
        }
        (cleaned, n_members as f32 / n_patches as f32)
    }
}

/// Which frames are in the stack of each patch.
struct Members {
    /// By frame, and patch: its place in the stack.
    ranks: [[Option<usize>; MOST_LANES]; MOST_FRAMES],
    /// Frames in the stack of each patch.
    counts: [usize; MOST_LANES],
    /// Of the patches of the frame at work.
    tones: [usize; MOST_LANES],
}

impl Members {
    /// `explained` is the squared difference of two patches of a tone that noise alone makes.
    #[inline(always)]
    fn of<S: Simd>(
        s: S,
        side_by_side: &SideBySide,
        luma: &[&[f32]],
        centre: usize,
        (y, first): (usize, usize),
        explained: impl Fn(usize) -> f32,
    ) -> Self {
        let mut here = [[Vector::splat(s, 0.0); PATCH]; PATCH];
        let mut other = here;
        side_by_side.read(s, luma[centre], y, first, &mut here);
        let mut sum = Vector::splat(s, 0.0);
        for &v in here.as_flattened() {
            sum = sum + v;
        }
        let mut means = [0.0; MOST_LANES];
        sum.store(&mut means);
        let tones = means.map(|mean| tone(mean / (PATCH * PATCH) as f32));
        let mut members = Self { ranks: Default::default(), counts: [0; MOST_LANES], tones };
        for (i, luma) in luma.iter().enumerate() {
            let mut differences = [0.0; MOST_LANES];
            if i != centre {
                side_by_side.read(s, luma, y, first, &mut other);
                let mut sum = Vector::splat(s, 0.0);
                for (&a, &b) in here.as_flattened().iter().zip(other.as_flattened()) {
                    sum = sum + (a - b) * (a - b);
                }
                sum.store(&mut differences);
            }
            for lane in 0..Vector::<S>::LANES {
                if i == centre || differences[lane] <= MOST_DIFFERENCE * explained(tones[lane]) {
                    members.ranks[i][lane] = Some(members.counts[lane]);
                    members.counts[lane] += 1;
                }
            }
        }
        members
    }

    /// What a patch counts for in a temporal frequency of its stack: by frequency, then frame.
    #[inline(always)]
    fn shares(&self, transforms: &[Vec<Vec<f32>>]) -> Vec<[Lanes; MOST_FRAMES]> {
        let most = self.counts.iter().copied().max().unwrap_or(0);
        let mut shares = vec![[[0.0; MOST_LANES]; MOST_FRAMES]; most];
        for (frame, ranks) in self.ranks.iter().enumerate() {
            for (lane, (rank, &count)) in ranks.iter().zip(&self.counts).enumerate() {
                if let Some(rank) = *rank {
                    for (shares, row) in shares.iter_mut().zip(&transforms[count]) {
                        shares[frame][lane] = row[rank];
                    }
                }
            }
        }
        shares
    }
}

/// The coefficients of the patches at `centre` after those of the stacks that noise explains are gone, and how many are left.
#[inline(always)]
fn shrink<S: Simd>(
    s: S,
    stack: &[Blocks<S>],
    centre: usize,
    shares: &[[Lanes; MOST_FRAMES]],
    deviations: &[f32; PATCH * PATCH],
    factors: &Lanes,
) -> (Blocks<S>, Vector<S>) {
    let (zero, one) = (Vector::splat(s, 0.0), Vector::splat(s, 1.0));
    let factors = Vector::load(s, factors);
    let mut out = [[zero; PATCH]; PATCH];
    let mut n_kept = zero;
    for (m, shares) in shares.iter().enumerate() {
        let back = Vector::load(s, &shares[centre]);
        let mut weights = [zero; MOST_FRAMES];
        for (weight, share) in weights.iter_mut().zip(shares) {
            *weight = Vector::load(s, share);
        }
        for (v, out) in out.iter_mut().enumerate() {
            for (u, out) in out.iter_mut().enumerate() {
                let mut band = zero;
                for (patches, &weight) in stack.iter().zip(&weights) {
                    band = band + weight * patches[v][u];
                }
                // Deviations stand by horizontal frequency first.
                let threshold = deviations[u * PATCH + v] * factors;
                let (square, limit) = (band * band, threshold * threshold);
                n_kept = n_kept + square.where_larger(limit, one, zero);
                // The mean of the stack is never noise.
                let band = if (m, u, v) == (0, 0, 0) { band } else { square.where_larger(limit, band, zero) };
                *out = *out + back * band;
            }
        }
    }
    (out, n_kept)
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
    let smooth = without_small(&means, columns, 2, &[threshold; 64]);
    let change: Vec<f32> = smooth.iter().zip(&means).map(|(new, old)| new - old).collect();
    // Between the middles of the squares by straight lines.
    let place = |i: usize, n: usize| {
        let at = ((i as f32 + 0.5) / BROAD as f32 - 0.5).clamp(0.0, (n - 1) as f32);
        let low = (at as usize).min(n - 2);
        (low, at - low as f32)
    };
    let across: Vec<_> = (0..width).map(|x| place(x, columns)).collect();
    let mut between = vec![0.0; columns];
    for (y, row) in plane.chunks_exact_mut(width).enumerate() {
        let (upper, v) = place(y, rows);
        let (a, b) = (&change[upper * columns..][..columns], &change[(upper + 1) * columns..][..columns]);
        for (between, (a, b)) in between.iter_mut().zip(a.iter().zip(b)) {
            *between = a + v * (b - a);
        }
        for (s, &(left, u)) in row.iter_mut().zip(&across) {
            *s += between[left] + u * (between[left + 1] - between[left]);
        }
    }
}

/// Starts of patches along a side, the last at its end.
fn positions(side: usize) -> impl Iterator<Item = usize> {
    let last = side - PATCH;
    (0..last).step_by(STEP).chain(std::iter::once(last))
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
    fn all_widths_of_vectors_make_the_same_bits() {
        let (width, height) = (45, 31);
        let frame = |n: usize| {
            let plane = |p: usize| {
                let sample = |i: usize| ((i * 7919 + n * 104_729 + p * 31) % 211) as f32 / 211.0 * 0.1 + 0.4;
                (0..width * height).map(sample).collect()
            };
            LumaChroma { width, height, planes: (0..3).map(plane).collect() }
        };
        let frames: Vec<_> = (0..5).map(frame).collect();
        let frames: Vec<_> = frames.iter().collect();
        let noise = vec![NoiseSpectrum::white(0.03); 3];
        let stacks = || Stacks { frames: &frames, centre: 2, noise: &noise, strengths: &[1.0, 0.5, 0.0] };
        let (planes, members) = Arch::new().dispatch(stacks());
        assert_eq!(stacks().with_simd(pulp::Scalar::new()), (planes.clone(), members));
        assert!(planes[0] != frames[2].planes[0] && planes[2] == frames[2].planes[2] && members > 1.0);
    }

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
