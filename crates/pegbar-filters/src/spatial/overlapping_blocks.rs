//! Blocks of 8 x 8 samples, transformed by an orthonormal DCT, changed, and transformed back, at many places that overlap; the
//! mean of all results leaves no edges of blocks.
//!
//! Blocks begin every `step` px along x and y (1, 2, 4 or 8), and in the last places that still cover the edges.

use crate::blocks::{Blocks, SIDE, SideBySide, backward, forward};
use crate::vectors::Vector;
use pulp::{Arch, Simd, WithSimd};

/// A number for each coefficient of a block, by row of vertical frequency.
pub(crate) type Coefficients = [f32; SIDE * SIDE];

/// The plane without coefficients that are below a threshold; the first, the mean of a block, stays. The fewer are left in a block,
/// the better it fits the picture, and the more it counts.
pub(crate) fn without_small(plane: &[f32], width: usize, step: usize, thresholds: &Coefficients) -> Vec<f32> {
    over_blocks([plane], width, step, &KeepLarge(thresholds))
}

/// The plane with each coefficient shrunk by how much of it is picture, which a `guess` of the picture says, and how much noise of the given
/// power: Wiener's filter. What is shrunk more counts more.
pub(crate) fn without_noise(
    plane: &[f32],
    guess: &[f32],
    width: usize,
    step: usize,
    noise: &Coefficients,
) -> Vec<f32> {
    over_blocks([plane, guess], width, step, &Wiener(noise))
}

/// What is done to blocks.
trait Change<const N: usize> {
    /// Changes coefficients of the first plane; `blocks` has those of each. Gives the weights of the results.
    fn change<S: Simd>(&self, s: S, blocks: &mut [Blocks<S>; N]) -> Vector<S>;
}

struct KeepLarge<'a>(&'a Coefficients);

impl Change<1> for KeepLarge<'_> {
    #[inline(always)]
    fn change<S: Simd>(&self, s: S, [block]: &mut [Blocks<S>; 1]) -> Vector<S> {
        let (zero, one) = (Vector::splat(s, 0.0), Vector::splat(s, 1.0));
        let mut n_kept = one;
        for (v, threshold) in block.as_flattened_mut().iter_mut().zip(self.0).skip(1) {
            let (square, limit) = (*v * *v, Vector::splat(s, threshold * threshold));
            n_kept = n_kept + limit.where_larger(square, zero, one);
            *v = limit.where_larger(square, zero, *v);
        }
        one / n_kept
    }
}

struct Wiener<'a>(&'a Coefficients);

impl Change<2> for Wiener<'_> {
    #[inline(always)]
    fn change<S: Simd>(&self, s: S, [block, guess]: &mut [Blocks<S>; 2]) -> Vector<S> {
        let mut energy = Vector::splat(s, 0.0);
        let pictures = guess.as_flattened().iter().zip(self.0);
        for (v, (&picture, noise)) in block.as_flattened_mut().iter_mut().zip(pictures) {
            let power = picture * picture;
            // Not 0 divided by 0 where there is neither picture nor noise.
            let gain = power / (power + Vector::splat(s, noise + 1e-20));
            *v = *v * gain;
            energy = energy + gain * gain;
        }
        let one = Vector::splat(s, 1.0);
        one.where_larger(energy, one, one / energy)
    }
}

fn over_blocks<const N: usize>(
    planes: [&[f32]; N],
    width: usize,
    step: usize,
    change: &impl Change<N>,
) -> Vec<f32> {
    let height = planes[0].len() / width;
    // A border of 8 px that mirrors the picture, so that each sample lies in as many blocks as any other.
    let (padded_width, padded_height) = (width.next_multiple_of(8) + 16, height.next_multiple_of(8) + 16);
    let padded = planes.map(|plane| {
        let mut out = Vec::with_capacity(padded_width * padded_height);
        for y in 0..padded_height {
            let row = &plane[mirrored(y as isize - 8, height) * width..][..width];
            out.extend((0..8).map(|x| row[mirrored(x as isize - 8, width)]));
            out.extend_from_slice(row);
            out.extend((width + 8..padded_width).map(|x| row[mirrored(x as isize - 8, width)]));
        }
        out
    });
    let changed = Arch::new().dispatch(Changed { planes: &padded, width: padded_width, step, change });
    let mut out = Vec::with_capacity(planes[0].len());
    for row in changed[8 * padded_width..].chunks_exact(padded_width).take(height) {
        out.extend_from_slice(&row[8..8 + width]);
    }
    out
}

/// Blocks at all places of planes that are padded.
struct Changed<'a, const N: usize, C> {
    planes: &'a [Vec<f32>; N],
    width: usize,
    step: usize,
    change: &'a C,
}

impl<const N: usize, C: Change<N>> WithSimd for Changed<'_, N, C> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) -> Vec<f32> {
        let Self { planes, width, step, change } = self;
        let side_by_side = SideBySide::new(width, step, Vector::<S>::LANES);
        let mut sorted = [const { Vec::new() }; N];
        for (sorted, plane) in sorted.iter_mut().zip(planes) {
            *sorted = side_by_side.sort(plane);
        }
        let (mut sums, mut weights) = (vec![0.0; sorted[0].len()], vec![0.0; sorted[0].len()]);
        let height = planes[0].len() / width;
        let mut blocks = [[[Vector::splat(s, 0.0); SIDE]; SIDE]; N];
        for y in (0..=height - SIDE).step_by(step) {
            for first in (0..side_by_side.n_blocks).step_by(Vector::<S>::LANES) {
                for (blocks, sorted) in blocks.iter_mut().zip(&sorted) {
                    side_by_side.read(s, sorted, y, first, blocks);
                    forward(blocks);
                }
                let weight = change.change(s, &mut blocks) * side_by_side.is_block(s, first);
                let result = &mut blocks[0];
                backward(result);
                for v in result.as_flattened_mut() {
                    *v = *v * weight;
                }
                side_by_side.add(s, result, y, first, &mut sums);
                side_by_side.add(s, &[[weight; SIDE]; SIDE], y, first, &mut weights);
            }
        }
        side_by_side.mean(sums, &weights, &planes[0])
    }
}

/// The index in `0..n` that a mirror at both ends shows.
fn mirrored(i: isize, n: usize) -> usize {
    let period = 2 * n as isize;
    let i = i.rem_euclid(period) as usize;
    if i < n { i } else { 2 * n - 1 - i }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_without_small_coefficients_or_noise_stays() {
        for (width, height) in [(1, 1), (3, 2), (20, 13)] {
            let plane: Vec<f32> = (0..width * height).map(|i| (i * 29 % 53) as f32 / 53.0).collect();
            for step in [1, 2, 4, 8] {
                let kept = without_small(&plane, width, step, &[0.0; 64]);
                let clean = without_noise(&plane, &plane, width, step, &[0.0; 64]);
                for out in [kept, clean] {
                    assert!(
                        out.iter().zip(&plane).all(|(a, b)| (a - b).abs() < 1e-5),
                        "{width}x{height}, {step}"
                    );
                }
            }
        }
    }

    #[test]
    fn large_thresholds_leave_means_of_blocks() {
        let plane: Vec<f32> = (0..64 * 64).map(|i| if (i + i / 64) % 2 == 0 { 0.4 } else { 0.6 }).collect();
        let out = without_small(&plane, 64, 4, &[10.0; 64]);
        assert!(out.iter().all(|v| (v - 0.5).abs() < 1e-4));
        let flat = vec![0.5; plane.len()];
        let out = without_noise(&plane, &flat, 64, 4, &[0.01; 64]);
        assert!(out.iter().all(|v| (v - 0.5).abs() < 0.01), "{:?}", &out[..8]);
    }
}
