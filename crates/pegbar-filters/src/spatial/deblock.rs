//! Takes away block artefacts of JPEG, MPEG-2 and their kin.
//!
//! The grid of 8 x 8 blocks is given or found: steps between columns and rows that lie on it are larger than others. How much
//! larger tells how coarsely the blocks were quantised; where they are not, nothing is done. The blocks are then transformed
//! again at many shifted places, small coefficients dropped, and the results averaged, after Nosratinia: "Denoising of JPEG images by
//! re-application of JPEG" (2001). A second round shrinks each coefficient by how much of it the first one says is picture.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::overlapping_blocks::{without_noise, without_small};
use crate::luma_chroma::{chroma, luma, with_chroma, with_luma};

/// Parameters of [`Deblock`].
pub const PARAMS: &[Param] = &[
    Param::float(
        "strength",
        "How strongly blocks are smoothed, over what their edges ask for.",
        "",
        (0.0, 4.0),
        1.0,
    ),
    Param::int("offset-x", "First column of a block; -1 finds it.", "px", (-1, 7), -1),
    Param::int("offset-y", "First row of a block; -1 finds it.", "px", (-1, 7), -1),
    Param::int("step", "Distance of the shifted blocks: 2 is better, 4 four times as fast.", "px", (1, 8), 2),
];

/// Shifted transforms against the edges of blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deblock {
    /// Factor on the threshold.
    pub strength: f32,
    /// First column of a block; `None` finds it.
    pub offset_x: Option<usize>,
    /// First row of a block; `None` finds it.
    pub offset_y: Option<usize>,
    /// Distance of the shifted blocks, px.
    pub step_px: usize,
}

/// Where blocks begin and how much they show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// First column of a block.
    pub offset_x: usize,
    /// First row of a block.
    pub offset_y: usize,
    /// By how much steps on the grid are larger than others: the mean of both directions, of samples in `0.0..=1.0`.
    pub excess: f32,
}

impl Deblock {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            strength: values.f32("strength"),
            offset_x: usize::try_from(values.int("offset-x")).ok(),
            offset_y: usize::try_from(values.int("offset-y")).ok(),
            step_px: values.usize("step"),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.strength <= 0.0 || image.data.is_empty() {
            return image.clone();
        }
        let (old, width) = (luma(image), image.width);
        let grid = self.grid(&old, width);
        let threshold = self.strength * threshold(grid.excess);
        if threshold < 1.0 / 255.0 {
            return image.clone();
        }
        let step = if self.step_px.is_power_of_two() { self.step_px.min(8) } else { 2 };
        // Chroma is smooth enough for fewer blocks.
        let coarse = (2 * step).min(8);
        let thresholds = std::array::from_fn(|i| threshold * coarseness(i));
        // The mean of a block stays.
        let error = |i: usize| if i == 0 { 0.0 } else { ERROR * thresholds[i] };
        let noise = std::array::from_fn(|i| error(i) * error(i));
        let smooth = |plane: &[f32], step: usize| {
            let guess = without_small(plane, width, step, &thresholds);
            without_noise(plane, &guess, width, step, &noise)
        };
        let new = smooth(&old, step);
        let out = with_luma(image, &old, &new);
        match chroma(image, &old) {
            Some(planes) => {
                let smoothed = [smooth(&planes[0], coarse), smooth(&planes[1], coarse)];
                with_chroma(&out, &planes, &smoothed)
            }
            None => out,
        }
    }

    /// The grid of a luma plane: what is given is taken, the rest found.
    pub fn grid(&self, luma: &[f32], width: usize) -> Grid {
        grid(luma, width, self.offset_x, self.offset_y)
    }
}

/// The grid of a luma plane.
pub(super) fn find_grid(luma: &[f32], width: usize) -> Grid {
    grid(luma, width, None, None)
}

fn grid(luma: &[f32], width: usize, offset_x: Option<usize>, offset_y: Option<usize>) -> Grid {
    let (columns, rows) = steps(luma, width);
    let (offset_x, x) = strongest(&columns, offset_x);
    let (offset_y, y) = strongest(&rows, offset_y);
    Grid { offset_x, offset_y, excess: 0.5 * (x + y) }
}

/// What a quantiser adds to a coefficient, over the threshold.
const ERROR: f32 = 0.5;

/// How much coarser a coefficient (by rows of eight) is quantised than the mean of the block: the steps of quantisers grow with
/// frequency (T.81, table K.1).
fn coarseness(coefficient: usize) -> f32 {
    1.0 + 0.15 * (coefficient % 8 + coefficient / 8) as f32
}

/// The threshold for coefficients of an orthonormal 8 x 8 transform. The excess grows with the drawing as well as with the quantiser,
/// so it says that there are blocks rather than how coarse they are; the most is what suits JPEG of quality 25.
fn threshold(excess: f32) -> f32 {
    (12.0 * (excess - 0.0004).max(0.0)).min(0.053)
}

/// Mean step to each of the eight columns and rows of a grid from the one before, counted where the picture is smooth on both
/// sides, less the mean of the steps beside it.
fn steps(luma: &[f32], width: usize) -> ([f32; 8], [f32; 8]) {
    let height = luma.len() / width;
    /// A step of more than this is an edge of the picture.
    const EDGE: f32 = 0.12;
    let (mut columns, mut rows) = ([(0.0f64, 0u32); 8], [(0.0f64, 0u32); 8]);
    // The step in the middle of four samples, less the mean of the steps on both sides.
    let excess = |a: f32, b: f32, c: f32, d: f32| {
        let (before, here, after) = ((b - a).abs(), (c - b).abs(), (d - c).abs());
        (before.max(here).max(after) < EDGE).then(|| f64::from(here - 0.5 * (before + after)))
    };
    for row in luma.chunks_exact(width) {
        for (x, s) in row.windows(4).enumerate() {
            if let Some(v) = excess(s[0], s[1], s[2], s[3]) {
                let (sum, n) = &mut columns[(x + 2) % 8];
                (*sum, *n) = (*sum + v, *n + 1);
            }
        }
    }
    for y in 2..height.saturating_sub(1) {
        let row = |y: usize| &luma[y * width..(y + 1) * width];
        let (a, b, c, d) = (row(y - 2), row(y - 1), row(y), row(y + 1));
        let (sum, n) = &mut rows[y % 8];
        for x in 0..width {
            if let Some(v) = excess(a[x], b[x], c[x], d[x]) {
                (*sum, *n) = (*sum + v, *n + 1);
            }
        }
    }
    let mean = |(sum, n): (f64, u32)| (sum / f64::from(n.max(1))) as f32;
    (columns.map(mean), rows.map(mean))
}

/// The offset whose steps stand out, or the given one, and by how much over the middle one of the eight.
fn strongest(steps: &[f32; 8], given: Option<usize>) -> (usize, f32) {
    let offset =
        given.unwrap_or_else(|| (0..8).max_by(|&a, &b| steps[a].total_cmp(&steps[b])).unwrap_or(0)) % 8;
    let mut sorted = *steps;
    sorted.sort_by(f32::total_cmp);
    (offset, (steps[offset] - 0.5 * (sorted[3] + sorted[4])).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_degrade::spatial::Blocking;

    fn ramp(w: usize, h: usize) -> PlanarImage {
        let at = |i: usize| {
            let (x, y) = ((i % w) as f32, (i / w) as f32);
            0.5 + 0.25 * (x * 0.05).sin() + 0.15 * (y * 0.07 + x * 0.02).cos()
        };
        PlanarImage::from_data(1, h, w, (0..w * h).map(at).collect()).unwrap()
    }

    #[test]
    fn the_grid_is_found_and_blocks_go() {
        let clean = ramp(160, 120);
        let blocking = Blocking { quality: 12, offset_x: 3, offset_y: 6 };
        let spoilt = blocking.apply(&clean);
        let deblock = Deblock::from_values(&ParamValues::defaults(PARAMS));
        let grid = deblock.grid(spoilt.plane(0), 160);
        assert_eq!((grid.offset_x, grid.offset_y), (3, 6));
        let error =
            |p: &PlanarImage| p.data.iter().zip(&clean.data).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let (ours, theirs) = (error(&deblock.apply(&spoilt)), error(&spoilt));
        assert!(ours < 0.95 * theirs, "{ours} {theirs}");
        assert!(deblock.apply(&clean) == clean, "nothing to be done");
    }
}
