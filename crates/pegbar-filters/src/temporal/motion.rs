//! Where the blocks of a frame are found in another frame.
//!
//! A hierarchical block search on 8-bit luma: a full search on a small copy of the picture, then refinement of what
//! the next coarser level and the neighbours found, down to half a pixel by search and below that by a parabola. A
//! vector that is neither the neighbours' nor zero has to be better by more than noise explains, so flat and noisy
//! areas follow their surroundings. At last each block takes the vector, of its own and its neighbours', that suits
//! it best without its surroundings, which sharpens the field at the edges of what moves.

use crate::vectors::Vector as Samples;
use pulp::{Arch, Simd, WithSimd};
use std::sync::LazyLock;

mod picture;
mod search;

pub use picture::SearchPicture;

/// Side of a block in pixels; vectors stand on a grid of this step.
pub const BLOCK: usize = 8;

/// Taps of the kernel that reads between samples.
const TAPS: usize = 6;
/// Of them, those before the sample.
const BEFORE: usize = 2;
/// Steps to a pixel of the kernel.
const PHASES: usize = 32;
/// Rows that the kernels need for a block.
const PATCH: usize = BLOCK + TAPS - 1;
/// Samples that a row of a patch takes: the widest vector.
const PATCH_STRIDE: usize = 16;

/// Where a block is found, and how well.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Vector {
    /// Columns to the right, in pixels of any fraction.
    pub dx: f32,
    /// Rows down.
    pub dy: f32,
    /// Mean absolute difference of luma over the block, `0.0..=1.0`; what it means depends on the noise of the film.
    pub error: f32,
}

/// A vector for each block of a frame: the block is found at its own place plus the vector in the other frame.
#[derive(Debug, Clone, PartialEq)]
pub struct MotionField {
    /// Width of the frame in pixels.
    pub width: usize,
    /// Height of the frame in pixels.
    pub height: usize,
    /// Blocks in a row, the last perhaps partly outside.
    pub columns: usize,
    /// Rows of blocks.
    pub rows: usize,
    /// The vectors, row by row.
    pub vectors: Vec<Vector>,
}

impl MotionField {
    /// Finds the blocks of `from` in `to`, which has the same size.
    ///
    /// # Panics
    /// When the sizes differ.
    pub fn search(from: &SearchPicture, to: &SearchPicture) -> Self {
        assert_eq!((from.width(), from.height()), (to.width(), to.height()), "frames of one film");
        search::search(from, to)
    }

    /// A field without motion.
    pub fn still(width: usize, height: usize) -> Self {
        let (columns, rows) = (width.div_ceil(BLOCK), height.div_ceil(BLOCK));
        Self { width, height, columns, rows, vectors: vec![Vector::default(); columns * rows] }
    }

    /// The plane of the other frame as this frame's blocks see it: each block taken from where its vector points, by a
    /// Lanczos kernel of three lobes; beyond its borders the plane repeats its edge.
    ///
    /// # Panics
    /// When the plane has not the size of the frame.
    pub fn compensate(&self, plane: &[f32]) -> Vec<f32> {
        assert_eq!(plane.len(), self.width * self.height, "a plane of the frame");
        Arch::new().dispatch(Compensation { field: self, plane })
    }
}

/// What [`MotionField::compensate`] asks, compiled for each width of vectors.
struct Compensation<'a> {
    field: &'a MotionField,
    plane: &'a [f32],
}

impl WithSimd for Compensation<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) -> Vec<f32> {
        let Self { field, plane } = self;
        let &MotionField { width, height, columns, .. } = field;
        let mut out = vec![0.0; plane.len()];
        for (i, vector) in field.vectors.iter().enumerate() {
            let (x, y) = (i % columns * BLOCK, i / columns * BLOCK);
            let ((shift_x, phase_x), (shift_y, phase_y)) = (split(vector.dx), split(vector.dy));
            let (from_x, from_y) = (x as isize + shift_x, y as isize + shift_y);
            let mut patch =
                read_patch(plane, (width, height), (from_x - BEFORE as isize, from_y - BEFORE as isize));
            // As all rows stand in one piece, a shift by a column or a row is one of all samples at once.
            if phase_x != 0 {
                mix(s, &mut patch, (PATCH * PATCH_STRIDE, 1), &KERNELS[phase_x]);
            } else {
                patch.copy_within(BEFORE.., 0);
            }
            if phase_y != 0 {
                mix(s, &mut patch, (BLOCK * PATCH_STRIDE, PATCH_STRIDE), &KERNELS[phase_y]);
            } else {
                patch.copy_within(BEFORE * PATCH_STRIDE.., 0);
            }
            let used = BLOCK.min(width - x);
            for (r, row) in patch.chunks_exact(PATCH_STRIDE).enumerate().take(BLOCK.min(height - y)) {
                let at = (y + r) * width + x;
                out[at..at + used].copy_from_slice(&row[..used]);
            }
        }
        out
    }
}

/// The vector that most of the given ones are, found as their densest place without those that have matched worst of
/// all: held drawings match best, and must not outvote what moves under them. Zero of none.
pub fn densest(vectors: &[Vector]) -> (f32, f32) {
    if vectors.is_empty() {
        return (0.0, 0.0);
    }
    let mut errors: Vec<f32> = vectors.iter().map(|v| v.error).collect();
    let middle = errors.len() * 9 / 10;
    let (_, &mut limit, _) = errors.select_nth_unstable_by(middle, f32::total_cmp);
    let good: Vec<_> = vectors.iter().filter(|v| v.error <= limit).collect();
    // A histogram of quarters of a pixel, smoothed by its neighbours, then the mean of the votes around its peak.
    const STEPS: f32 = 4.0;
    let mut votes: std::collections::BTreeMap<(i32, i32), u32> = std::collections::BTreeMap::new();
    for v in &good {
        *votes.entry(((v.dx * STEPS).round() as i32, (v.dy * STEPS).round() as i32)).or_default() += 1;
    }
    let near = |&(x, y): &(i32, i32)| -> u32 {
        let around = (-1..=1).flat_map(|j| (-1..=1).map(move |i| (i, j)));
        let weigh = |at: (i32, i32)| if at == (0, 0) { 2 } else { 1 };
        around.map(|(i, j)| votes.get(&(x + i, y + j)).copied().unwrap_or(0) * weigh((i, j))).sum()
    };
    let Some(&peak) = votes.keys().max_by_key(|at| near(at)) else { return (0.0, 0.0) };
    let (mut dx, mut dy, mut n) = (0.0, 0.0, 0.0f32);
    for v in good {
        let off = (v.dx - peak.0 as f32 / STEPS).abs().max((v.dy - peak.1 as f32 / STEPS).abs());
        if off <= 1.5 / STEPS {
            (dx, dy, n) = (dx + v.dx, dy + v.dy, n + 1.0);
        }
    }
    (dx / n.max(1.0), dy / n.max(1.0))
}

/// Whole pixels and the phase of the rest.
fn split(shift: f32) -> (isize, usize) {
    let steps = (shift * PHASES as f32).round() as isize;
    (steps.div_euclid(PHASES as isize), steps.rem_euclid(PHASES as isize) as usize)
}

/// Weights of the six samples around a position, for each phase, of sum 1.
static KERNELS: LazyLock<[[f32; TAPS]; PHASES]> = LazyLock::new(|| {
    let mut table = [[0.0; TAPS]; PHASES];
    for (phase, taps) in table.iter_mut().enumerate() {
        let fraction = phase as f64 / PHASES as f64;
        let weights: [f64; TAPS] = std::array::from_fn(|t| lanczos3(t as f64 - BEFORE as f64 - fraction));
        let sum: f64 = weights.iter().sum();
        *taps = weights.map(|w| (w / sum) as f32);
    }
    table
});

fn lanczos3(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        return 1.0;
    }
    let px = std::f64::consts::PI * x;
    3.0 * px.sin() * (px / 3.0).sin() / (px * px)
}

/// A block and what the kernels read around it, in rows of [`PATCH_STRIDE`].
///
/// A row more than there is has what is read behind the last one.
type Patch = [f32; PATCH_STRIDE * (PATCH + 1)];

/// The patch whose corner lies at a place; beyond the borders the plane repeats its edge.
#[inline(always)]
fn read_patch(plane: &[f32], (width, height): (usize, usize), (x, y): (isize, isize)) -> Patch {
    let mut patch = [0.0; PATCH_STRIDE * (PATCH + 1)];
    let inside = x >= 0 && x + PATCH_STRIDE as isize <= width as isize;
    for (r, row) in patch.as_chunks_mut::<PATCH_STRIDE>().0.iter_mut().take(PATCH).enumerate() {
        let source = &plane[(y + r as isize).clamp(0, height as isize - 1) as usize * width..][..width];
        if inside {
            row.copy_from_slice(&source[x as usize..][..PATCH_STRIDE]);
        } else {
            for (c, v) in row.iter_mut().enumerate() {
                *v = source[(x + c as isize).clamp(0, width as isize - 1) as usize];
            }
        }
    }
    patch
}

/// Makes each of the first `n` samples the sum of itself and those that follow at a distance of `step`, by weights.
#[inline(always)]
fn mix<S: Simd>(s: S, patch: &mut Patch, (n, step): (usize, usize), weights: &[f32; TAPS]) {
    let mut taps = [Samples::splat(s, 0.0); TAPS];
    for (tap, &weight) in taps.iter_mut().zip(weights) {
        *tap = Samples::splat(s, weight);
    }
    for at in (0..n).step_by(Samples::<S>::LANES) {
        let mut sum = taps[0] * Samples::load(s, &patch[at..]);
        for (t, &tap) in taps.iter().enumerate().skip(1) {
            sum = sum + tap * Samples::load(s, &patch[at + t * step..]);
        }
        sum.store(&mut patch[at..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_frame::PlanarImage;

    /// A smooth texture that differs everywhere, moved by a fraction of a pixel.
    fn texture(width: usize, height: usize, dx: f32, dy: f32) -> PlanarImage {
        let mut image = PlanarImage::zeros(1, height, width);
        for y in 0..height {
            for x in 0..width {
                let (u, v) = (x as f32 - dx, y as f32 - dy);
                image.data[y * width + x] = 0.5
                    + 0.15 * (u * 0.43 + (v * 0.11).sin() * 2.0).sin()
                    + 0.15 * (v * 0.37 + (u * 0.07).cos() * 3.0).sin()
                    + 0.1 * ((u + v) * 0.029).sin();
            }
        }
        image
    }

    #[test]
    fn a_moved_texture_is_found_to_a_fraction_of_a_pixel() {
        let (width, height) = (200, 136);
        let from = SearchPicture::new(&texture(width, height, 0.0, 0.0));
        for (dx, dy) in [(0.0, 0.0), (3.0, -2.0), (0.5, 0.25), (-7.3, 4.6), (17.25, 9.0)] {
            let moved = texture(width, height, dx, dy);
            let field = MotionField::search(&from, &SearchPicture::new(&moved));
            let inner = |i: &usize| {
                let (c, r) = (i % field.columns, i / field.columns);
                (3..field.columns - 3).contains(&c) && (2..field.rows - 2).contains(&r)
            };
            let off: Vec<f32> = (0..field.vectors.len())
                .filter(inner)
                .map(|i| (field.vectors[i].dx - dx).hypot(field.vectors[i].dy - dy))
                .collect();
            let wrong = off.iter().filter(|&&d| d > 0.35).count();
            assert!(wrong * 20 <= off.len(), "{wrong} of {} vectors are off for {dx}, {dy}", off.len());
            let (gx, gy) = densest(&field.vectors);
            assert!((gx - dx).hypot(gy - dy) < 0.15, "{gx}, {gy} for {dx}, {dy}");
        }
    }

    #[test]
    fn compensation_brings_the_other_frame_back() {
        let (width, height) = (120, 96);
        let (still, moved) = (texture(width, height, 0.0, 0.0), texture(width, height, 2.5, -1.25));
        let field = MotionField::search(&SearchPicture::new(&still), &SearchPicture::new(&moved));
        let back = field.compensate(moved.plane(0));
        let inner = |plane: &[f32]| -> Vec<f32> {
            (16..height - 16).flat_map(|y| plane[y * width + 16..(y + 1) * width - 16].to_vec()).collect()
        };
        let (a, b) = (inner(still.plane(0)), inner(&back));
        let mse = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / a.len() as f32;
        assert!(mse.sqrt() < 0.01, "{}", mse.sqrt());
    }

    #[test]
    fn any_size_is_searched() {
        for (width, height) in [(1, 1), (3, 2), (8, 8), (17, 5), (9, 70), (130, 129)] {
            let image = texture(width, height, 0.0, 0.0);
            let picture = SearchPicture::new(&image);
            let field = MotionField::search(&picture, &picture);
            assert!(field.vectors.iter().all(|v| *v == Vector::default()), "{width}x{height}");
            assert_eq!(field.compensate(image.plane(0)), image.data);
        }
        let spoilt = PlanarImage { width: 9, height: 9, channels: 1, data: vec![f32::NAN; 81] };
        let picture = SearchPicture::new(&spoilt);
        MotionField::search(&picture, &SearchPicture::new(&texture(9, 9, 1.0, 0.0)));
    }
}
