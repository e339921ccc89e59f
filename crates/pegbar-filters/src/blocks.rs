//! Blocks of 8 x 8 samples that overlap, worked on side by side: each lane of a vector belongs to a block of its own.

use crate::dct::{backward_of, forward_of};
use crate::vectors::Vector;
use pulp::Simd;

/// Side of a block.
pub(crate) const SIDE: usize = 8;

/// Lanes of the widest vectors.
pub(crate) const MOST_LANES: usize = 16;

/// Samples or coefficients of blocks, by row and column.
pub(crate) type Blocks<S> = [[Vector<S>; SIDE]; SIDE];

/// Samples to coefficients: rows of vertical frequency.
#[inline(always)]
pub(crate) fn forward<S: Simd>(blocks: &mut Blocks<S>) {
    for row in blocks.iter_mut() {
        *row = forward_of(*row);
    }
    for c in 0..SIDE {
        let column = forward_of(column(blocks, c));
        for r in 0..SIDE {
            blocks[r][c] = column[r];
        }
    }
}

/// Coefficients to samples.
#[inline(always)]
pub(crate) fn backward<S: Simd>(blocks: &mut Blocks<S>) {
    for row in blocks.iter_mut() {
        *row = backward_of(*row);
    }
    for c in 0..SIDE {
        let column = backward_of(column(blocks, c));
        for r in 0..SIDE {
            blocks[r][c] = column[r];
        }
    }
}

#[inline(always)]
fn column<S: Simd>(blocks: &Blocks<S>, c: usize) -> [Vector<S>; SIDE] {
    let mut column = blocks[0];
    for r in 0..SIDE {
        column[r] = blocks[r][c];
    }
    column
}

/// Where the blocks of a row of blocks stand, and planes sorted so that a column of all of them lies in one piece.
///
/// Blocks begin every `step` px. A row of a sorted plane holds its samples `x`, `x + step`, `x + 2 step` and so on, for each `x` below
/// `step`. A width that is not a multiple of the step is continued by its last sample.
pub(crate) struct SideBySide {
    width: usize,
    step: usize,
    /// Blocks in a row.
    pub(crate) n_blocks: usize,
    /// Samples of a row with the same place in a step, with room for all lanes.
    stride: usize,
}

impl SideBySide {
    /// `width` is 8 at least, `step` 1, 2, 4 or 8, and vectors have `lanes`.
    pub(crate) fn new(width: usize, step: usize, lanes: usize) -> Self {
        let n_steps = width.div_ceil(step);
        let n_blocks = n_steps + 1 - SIDE / step;
        Self { width, step, n_blocks, stride: n_blocks.next_multiple_of(lanes) + SIDE / step - 1 }
    }

    /// Length of a sorted row.
    pub(crate) fn length(&self) -> usize {
        self.step * self.stride
    }

    #[inline(always)]
    pub(crate) fn sort(&self, plane: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; plane.len() / self.width * self.length()];
        for (row, out) in plane.chunks_exact(self.width).zip(out.chunks_exact_mut(self.length())) {
            // The same for each step, so that it is known where the compiler makes vectors.
            match self.step {
                1 => self.sort_row::<1>(row, out),
                2 => self.sort_row::<2>(row, out),
                4 => self.sort_row::<4>(row, out),
                _ => self.sort_row::<SIDE>(row, out),
            }
        }
        out
    }

    #[inline(always)]
    fn sort_row<const STEP: usize>(&self, row: &[f32], out: &mut [f32]) {
        let (steps, rest) = row.as_chunks::<STEP>();
        for (phase, out) in out.chunks_exact_mut(self.stride).enumerate() {
            for (v, samples) in out.iter_mut().zip(steps) {
                *v = samples[phase];
            }
            if let Some(last) = rest.len().checked_sub(1) {
                out[steps.len()] = rest[phase.min(last)];
            }
        }
    }

    /// Reads the blocks whose first row is `y`, from the `first` on.
    #[inline(always)]
    pub(crate) fn read<S: Simd>(&self, s: S, sorted: &[f32], y: usize, first: usize, blocks: &mut Blocks<S>) {
        let rows = &sorted[y * self.length()..][..SIDE * self.length()];
        for (r, row) in blocks.iter_mut().enumerate() {
            for (c, v) in row.iter_mut().enumerate() {
                *v = Vector::load(s, &rows[self.place(r, c, first)..]);
            }
        }
    }

    /// Adds blocks to a sorted plane: to each sample in the order of the blocks, for vectors of any width.
    #[inline(always)]
    pub(crate) fn add<S: Simd>(&self, s: S, blocks: &Blocks<S>, y: usize, first: usize, sums: &mut [f32]) {
        let rows = &mut sums[y * self.length()..][..SIDE * self.length()];
        for (r, row) in blocks.iter().enumerate() {
            for (c, &v) in row.iter().enumerate().rev() {
                let at = self.place(r, c, first);
                (Vector::load(s, &rows[at..]) + v).store(&mut rows[at..]);
            }
        }
    }

    /// 1 in the lanes from block `first` on that have a block, 0 in those behind the last one: the weight of what they hold.
    #[inline(always)]
    pub(crate) fn is_block<S: Simd>(&self, s: S, first: usize) -> Vector<S> {
        let mut weights = [0.0; MOST_LANES];
        weights[..(self.n_blocks - first).min(MOST_LANES)].fill(1.0);
        Vector::load(s, &weights)
    }

    /// Where a sample of a block stands.
    #[inline(always)]
    fn place(&self, r: usize, c: usize, block: usize) -> usize {
        (r * self.step + c % self.step) * self.stride + block + c / self.step
    }

    /// Sums by their weights, both sorted, as a plane: `otherwise` where there is no weight.
    #[inline(always)]
    pub(crate) fn mean(&self, mut sums: Vec<f32>, weights: &[f32], otherwise: &[f32]) -> Vec<f32> {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum /= weight;
        }
        let mut out = otherwise.to_vec();
        let sorted = sums.chunks_exact(self.length()).zip(weights.chunks_exact(self.length()));
        for (row, (sums, weights)) in out.chunks_exact_mut(self.width).zip(sorted) {
            match self.step {
                1 => self.put_row::<1>(sums, weights, row),
                2 => self.put_row::<2>(sums, weights, row),
                4 => self.put_row::<4>(sums, weights, row),
                _ => self.put_row::<SIDE>(sums, weights, row),
            }
        }
        out
    }

    #[inline(always)]
    fn put_row<const STEP: usize>(&self, means: &[f32], weights: &[f32], row: &mut [f32]) {
        let (steps, rest) = row.as_chunks_mut::<STEP>();
        let n_steps = steps.len();
        let sorted = means.chunks_exact(self.stride).zip(weights.chunks_exact(self.stride));
        for (phase, (means, weights)) in sorted.enumerate() {
            for (samples, (mean, weight)) in steps.iter_mut().zip(means.iter().zip(weights)) {
                samples[phase] = if *weight > 0.0 { *mean } else { samples[phase] };
            }
            if let (Some(v), true) = (rest.get_mut(phase), weights.get(n_steps).is_some_and(|w| *w > 0.0)) {
                *v = means[n_steps];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, WithSimd};

    /// Blocks at all places of a plane, transformed and back.
    struct Unchanged<'a> {
        plane: &'a [f32],
        width: usize,
        step: usize,
    }

    impl WithSimd for Unchanged<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, s: S) -> Vec<f32> {
            let Self { plane, width, step } = self;
            let blocks = SideBySide::new(width, step, Vector::<S>::LANES);
            let sorted = blocks.sort(plane);
            let (mut sums, mut weights) = (vec![0.0; sorted.len()], vec![0.0; sorted.len()]);
            for y in 0..=plane.len() / width - SIDE {
                for first in (0..blocks.n_blocks).step_by(Vector::<S>::LANES) {
                    let mut here = [[Vector::splat(s, 0.0); SIDE]; SIDE];
                    blocks.read(s, &sorted, y, first, &mut here);
                    forward(&mut here);
                    backward(&mut here);
                    let weight = blocks.is_block(s, first);
                    for v in here.as_flattened_mut() {
                        *v = *v * weight;
                    }
                    blocks.add(s, &here, y, first, &mut sums);
                    blocks.add(s, &[[weight; SIDE]; SIDE], y, first, &mut weights);
                }
            }
            blocks.mean(sums, &weights, plane)
        }
    }

    #[test]
    fn blocks_that_stay_give_the_plane() {
        for (width, height) in [(8, 8), (9, 12), (31, 9), (130, 10)] {
            let plane: Vec<f32> = (0..width * height).map(|i| (i * 29 % 53) as f32 / 53.0).collect();
            for step in [1, 2, 4, 8] {
                let unchanged = || Unchanged { plane: &plane, width, step };
                let out = Arch::new().dispatch(unchanged());
                assert!(
                    out.iter().zip(&plane).all(|(a, b)| (a - b).abs() < 1e-5),
                    "{width}x{height}, {step}"
                );
                assert_eq!(unchanged().with_simd(pulp::Scalar::new()), out, "{width}x{height}, {step}");
            }
        }
    }
}
