//! Chroma between its own grid and that of luma.
//!
//! Chroma sample `i` of an axis subsampled by `factor` stands at luma position `factor * i + site`, where
//! `site` comes from the [`ChromaLocation`]. Going up interpolates linearly between the two nearest chroma
//! samples; going down weighs luma-grid samples by a triangle that reaches one chroma step to both sides,
//! the weights normalised. Beyond the edges the picture is mirrored with the edge sample repeated. These are the
//! definitions of a "bilinear" resampler that widens when shrinking, as zimg's.

use crate::ChromaLocation;

/// Subsampling of one axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ChromaAxis {
    /// Luma samples for each chroma sample: 1, 2 or 4.
    factor: usize,
    /// Luma position of chroma sample 0.
    site: f64,
}

impl ChromaAxis {
    pub(super) fn horizontal(log2_factor: u8, location: ChromaLocation) -> Self {
        use ChromaLocation::{Bottom, BottomLeft, Center, Left, Top, TopLeft};
        let factor = 1 << log2_factor;
        let site = match location {
            Left | TopLeft | BottomLeft => 0.0,
            Center | Top | Bottom => between(factor),
        };
        Self { factor, site }
    }

    pub(super) fn vertical(log2_factor: u8, location: ChromaLocation) -> Self {
        use ChromaLocation::{Bottom, BottomLeft, Center, Left, Top, TopLeft};
        let factor: usize = 1 << log2_factor;
        let site = match location {
            TopLeft | Top => 0.0,
            Left | Center => between(factor),
            BottomLeft | Bottom => (factor - 1) as f64,
        };
        Self { factor, site }
    }

    /// Chroma samples under `n` luma samples.
    fn n_chroma(self, n: usize) -> usize {
        n.div_ceil(self.factor)
    }

    /// Weights of the previous, same and next chroma sample for each luma phase in a step.
    fn up_weights<const F: usize>(self) -> [[f32; 3]; F] {
        std::array::from_fn(|phase| {
            let position = (phase as f64 - self.site) / F as f64;
            std::array::from_fn(|tap| triangle(tap as f64 - 1.0 - position) as f32)
        })
    }

    /// Weights of the luma-grid samples of the previous, same and next chroma step, in order, for one chroma sample.
    fn down_weights(self) -> Vec<f32> {
        let factor = self.factor;
        let raw = |i: usize| triangle((i as f64 - factor as f64 - self.site) / factor as f64);
        let sum: f64 = (0..3 * factor).map(raw).sum();
        (0..3 * factor).map(|i| (raw(i) / sum) as f32).collect()
    }

    /// One row of chroma to the luma grid. `scratch` is a buffer to reuse.
    pub(super) fn upsample_row(self, chroma: &[f32], out: &mut [f32], scratch: &mut Vec<f32>) {
        match self.factor {
            2 => upsample_row(&self.up_weights::<2>(), chroma, out, scratch),
            4 => upsample_row(&self.up_weights::<4>(), chroma, out, scratch),
            _ => out.copy_from_slice(chroma),
        }
    }

    /// One row on the luma grid to the chroma grid. `scratch` is a buffer to reuse.
    pub(super) fn downsample_row(self, row: &[f32], out: &mut [f32], scratch: &mut Vec<f32>) {
        match self.factor {
            2 => downsample_row::<2>(&self.down_weights(), row, out, scratch),
            4 => downsample_row::<4>(&self.down_weights(), row, out, scratch),
            _ => out.copy_from_slice(row),
        }
    }

    /// For each of `n` luma rows, the chroma rows it is interpolated from, with their weights.
    pub(super) fn up_rows(self, n: usize) -> Vec<Vec<(usize, f32)>> {
        let last = self.n_chroma(n) as isize - 1;
        (0..n)
            .map(|y| {
                let position = (y as f64 - self.site) / self.factor as f64;
                let mut rows = Vec::with_capacity(2);
                for i in [position.floor(), position.floor() + 1.0] {
                    add_weight(
                        &mut rows,
                        (i as isize).clamp(0, last) as usize,
                        triangle(i - position) as f32,
                    );
                }
                rows
            })
            .collect()
    }

    /// For each of `n` luma-grid rows, the chroma rows it is a part of, with its weight in each.
    pub(super) fn down_rows(self, n: usize) -> Vec<Vec<(usize, f32)>> {
        let mut rows = vec![Vec::new(); n];
        let weights = self.down_weights();
        for chroma_y in 0..self.n_chroma(n) {
            let first = self.factor as isize * (chroma_y as isize - 1);
            for (i, &weight) in weights.iter().enumerate() {
                add_weight(&mut rows[mirror(first + i as isize, n)], chroma_y, weight);
            }
        }
        rows
    }
}

/// The middle of `factor` samples.
fn between(factor: usize) -> f64 {
    (factor - 1) as f64 / 2.0
}

fn triangle(distance: f64) -> f64 {
    (1.0 - distance.abs()).max(0.0)
}

fn add_weight(rows: &mut Vec<(usize, f32)>, row: usize, weight: f32) {
    match rows.iter_mut().find(|(r, _)| *r == row) {
        _ if weight == 0.0 => {}
        Some((_, sum)) => *sum += weight,
        None => rows.push((row, weight)),
    }
}

/// Index into `n` samples mirrored at both ends, the edge sample repeated; clamped where one mirror is not enough.
fn mirror(i: isize, n: usize) -> usize {
    let n = n as isize;
    let mirrored = if i < 0 {
        -1 - i
    } else if i >= n {
        2 * n - 1 - i
    } else {
        i
    };
    mirrored.clamp(0, n - 1) as usize
}

/// Copies `row` into `scratch` with `before` and `after` mirrored samples around it.
fn pad(row: &[f32], before: usize, after: usize, scratch: &mut Vec<f32>) {
    let n = row.len();
    scratch.clear();
    scratch.extend((0..before).map(|i| row[mirror(i as isize - before as isize, n)]));
    scratch.extend_from_slice(row);
    scratch.extend((0..after).map(|i| row[mirror((n + i) as isize, n)]));
}

fn upsample_row<const F: usize>(
    weights: &[[f32; 3]; F],
    chroma: &[f32],
    out: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    pad(chroma, 1, 1, scratch);
    let n = chroma.len();
    let (previous, same, next) = (&scratch[..n], &scratch[1..=n], &scratch[2..n + 2]);
    let (whole, rest) = out.as_chunks_mut::<F>();
    let step = |i: usize| -> [f32; F] {
        std::array::from_fn(|p| {
            weights[p][0] * previous[i] + weights[p][1] * same[i] + weights[p][2] * next[i]
        })
    };
    for (i, block) in whole.iter_mut().enumerate() {
        *block = step(i);
    }
    if !rest.is_empty() {
        rest.copy_from_slice(&step(n - 1)[..rest.len()]);
    }
}

fn downsample_row<const F: usize>(weights: &[f32], row: &[f32], out: &mut [f32], scratch: &mut Vec<f32>) {
    // Whole steps to both sides of whole steps: the last may stand out of the row by up to F - 1 samples.
    pad(row, F, out.len() * F - row.len() + F, scratch);
    let (blocks, _) = scratch.as_chunks::<F>();
    let (weights, _) = weights.as_chunks::<F>();
    let dot = |block: &[f32; F], weights: &[f32; F]| (0..F).map(|i| block[i] * weights[i]).sum::<f32>();
    for (sample, three) in out.iter_mut().zip(blocks.windows(3)) {
        *sample = dot(&three[0], &weights[0]) + dot(&three[1], &weights[1]) + dot(&three[2], &weights[2]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXES: [(u8, ChromaLocation); 6] = [
        (0, ChromaLocation::Left),
        (1, ChromaLocation::Left),
        (1, ChromaLocation::Center),
        (2, ChromaLocation::Left),
        (2, ChromaLocation::Center),
        (0, ChromaLocation::Center),
    ];

    #[test]
    fn the_published_weights() {
        let left = ChromaAxis::horizontal(1, ChromaLocation::Left);
        assert_eq!(left.up_weights::<2>(), [[0.0, 1.0, 0.0], [0.0, 0.5, 0.5]]);
        assert_eq!(left.down_weights(), [0.0, 0.25, 0.5, 0.25, 0.0, 0.0]);
        let center = ChromaAxis::horizontal(1, ChromaLocation::Center);
        assert_eq!(center.up_weights::<2>(), [[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]]);
        assert_eq!(center.down_weights(), [0.0, 0.125, 0.375, 0.375, 0.125, 0.0]);
        let bottom = ChromaAxis::vertical(1, ChromaLocation::Bottom);
        assert_eq!(
            bottom.up_rows(4),
            [vec![(0, 1.0)], vec![(0, 1.0)], vec![(0, 0.5), (1, 0.5)], vec![(1, 1.0)]]
        );
    }

    #[test]
    fn a_ramp_stays_where_it_is() {
        for (log2, location) in AXES {
            let axis = ChromaAxis::horizontal(log2, location);
            let n = 32;
            let luma_grid: Vec<f32> = (0..n).map(|x| x as f32).collect();
            let chroma: Vec<f32> =
                (0..axis.n_chroma(n)).map(|i| (axis.factor * i) as f32 + axis.site as f32).collect();
            let mut scratch = Vec::new();
            let mut down = vec![0.0; chroma.len()];
            axis.downsample_row(&luma_grid, &mut down, &mut scratch);
            let mut up = vec![0.0; n];
            axis.upsample_row(&chroma, &mut up, &mut scratch);
            // Away from the mirrored edges linear filters keep a ramp, if and only if the siting is right.
            for i in 2..chroma.len() - 2 {
                assert!((down[i] - chroma[i]).abs() < 1e-4, "down {location:?} {log2} at {i}");
            }
            for x in 8..n - 8 {
                assert!((up[x] - luma_grid[x]).abs() < 1e-4, "up {location:?} {log2} at {x}");
            }
        }
    }

    #[test]
    fn rows_and_columns_agree() {
        for location in ChromaLocation::ALL {
            for log2 in 0..=2 {
                for n in [1usize, 2, 3, 5, 8, 13] {
                    let axis = ChromaAxis::vertical(log2, location);
                    let m = axis.n_chroma(n);
                    let chroma: Vec<f32> = (0..m).map(|i| ((i * 7 + 3) % 5) as f32).collect();
                    let full: Vec<f32> = (0..n).map(|i| ((i * 11 + 1) % 7) as f32).collect();
                    let (mut up, mut down, mut scratch) = (vec![0.0; n], vec![0.0; m], Vec::new());
                    axis.upsample_row(&chroma, &mut up, &mut scratch);
                    axis.downsample_row(&full, &mut down, &mut scratch);
                    for (y, rows) in axis.up_rows(n).iter().enumerate() {
                        let value: f32 = rows.iter().map(|&(r, w)| w * chroma[r]).sum();
                        assert!((value - up[y]).abs() < 1e-5, "up {location:?} {log2} {n}: {y}");
                    }
                    let mut sums = vec![0.0; m];
                    for (y, rows) in axis.down_rows(n).iter().enumerate() {
                        for &(r, w) in rows {
                            sums[r] += w * full[y];
                        }
                    }
                    for (i, (sum, value)) in sums.iter().zip(&down).enumerate() {
                        assert!((sum - value).abs() < 1e-5, "down {location:?} {log2} {n}: {i}");
                    }
                }
            }
        }
    }
}
