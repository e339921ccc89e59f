//! Combing that field matching has left: places where the two fields of a frame show different times.

use super::{Reach, TemporalFilter, Window};
use crate::luma_chroma::luma;
use pegbar_frame::PlanarImage;
use pegbar_params::{Choice, Param, ParamValues};

/// What the filter takes.
pub const PARAMS: &[Param] = &[
    Param::float(
        "threshold",
        "A line differs from both beside it by this at least to be combed.",
        "codes",
        (2.0, 60.0),
        8.0,
    ),
    Param::int("count", "Combed pixels that a square of 16 must have to be mended.", "px", (1, 256), 14),
    Param::choice(
        "keep",
        "The field that is kept.",
        &[Choice { id: "top", doc: "Lines 0, 2, 4." }, Choice { id: "bottom", doc: "Lines 1, 3, 5." }],
        "top",
    ),
];

/// Side of a square.
const SQUARE: usize = 16;

/// Makes the other field's lines anew, along edges, where a frame is combed and nowhere else.
#[derive(Debug, Clone)]
pub struct Decomb {
    /// Least difference of a combed line to those beside it, in codes of 255.
    pub threshold_codes: f32,
    /// Combed pixels that a square of 16 x 16 must have.
    pub count: usize,
    /// Whether lines 0, 2, 4 are kept, else 1, 3, 5.
    pub keep_top: bool,
}

impl Decomb {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            threshold_codes: values.f32("threshold"),
            count: values.usize("count"),
            keep_top: values.text("keep") == "top",
        }
    }

    /// Which pixels of a frame are combed, row by row, around squares that have enough of them.
    pub fn combed(&self, image: &PlanarImage) -> Vec<bool> {
        let (width, height) = (image.width, image.height);
        let luma = luma(image);
        let threshold = self.threshold_codes / 255.0;
        let mut combed = vec![false; width * height];
        for y in 2..height.saturating_sub(2) {
            let row = |y: usize| &luma[y * width..(y + 1) * width];
            let (a, b, c, d, e) = (row(y - 2), row(y - 1), row(y), row(y + 1), row(y + 2));
            for (x, combed) in combed[y * width..(y + 1) * width].iter_mut().enumerate() {
                let (above, below) = (c[x] - b[x], c[x] - d[x]);
                let between = above.abs().min(below.abs());
                // Its own field goes on smoothly, the other one too, and both lie apart: no drawn line does that.
                let field = (a[x] - c[x]).abs().max((e[x] - c[x]).abs());
                let other = (b[x] - d[x]).abs();
                let comb = (a[x] + 4.0 * c[x] + e[x] - 3.0 * (b[x] + d[x])).abs();
                *combed = above * below > 0.0
                    && between > threshold
                    && comb > 6.0 * threshold
                    && field < 0.5 * between
                    && other < 0.5 * between;
            }
        }
        for row in combed.chunks_exact_mut(width) {
            drop_short_runs(row);
        }
        let (across, down) = (width.div_ceil(SQUARE / 2), height.div_ceil(SQUARE / 2));
        let mut counts = vec![0usize; across * down];
        for (y, row) in combed.chunks_exact(width).enumerate() {
            for (x, part) in row.chunks(SQUARE / 2).enumerate() {
                counts[y / (SQUARE / 2) * across + x] += part.iter().filter(|c| **c).count();
            }
        }
        // Squares overlap by half; a quarter belongs to a combed square when one of those around it is.
        let at = |x: usize, y: usize| if x < across && y < down { counts[y * across + x] } else { 0 };
        let square =
            |x: usize, y: usize| at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1) >= self.count;
        let belongs: Vec<bool> = (0..across * down)
            .map(|i| {
                let (x, y) = (i % across, i / across);
                (x.saturating_sub(1)..=x).any(|x| (y.saturating_sub(1)..=y).any(|y| square(x, y)))
            })
            .collect();
        grown(&combed, width, height, &belongs, across)
    }
}

/// Teeth of a comb are as wide as the picture moves between fields; a slanted line has teeth of a pixel or two.
fn drop_short_runs(row: &mut [bool]) {
    const LEAST_RUN: usize = 3;
    for run in row.chunk_by_mut(|a, b| a == b) {
        if run.len() < LEAST_RUN {
            run.fill(false);
        }
    }
}

/// Combed pixels of combed squares, with those around them.
fn grown(combed: &[bool], width: usize, height: usize, belongs: &[bool], across: usize) -> Vec<bool> {
    const ACROSS: usize = 3;
    const DOWN: usize = 2;
    let mut out = vec![false; combed.len()];
    for y in 0..height {
        for x in 0..width {
            if combed[y * width + x] && belongs[y / (SQUARE / 2) * across + x / (SQUARE / 2)] {
                for v in y.saturating_sub(DOWN)..(y + DOWN + 1).min(height) {
                    out[v * width + x.saturating_sub(ACROSS)..v * width + (x + ACROSS + 1).min(width)]
                        .fill(true);
                }
            }
        }
    }
    out
}

impl TemporalFilter for Decomb {
    fn reach(&self) -> Reach {
        Reach::default()
    }

    fn apply(&self, window: &Window<'_>) -> PlanarImage {
        let image = window.frame();
        let combed = self.combed(image);
        let mut out = image.clone();
        if image.height < 3 || !combed.contains(&true) {
            return out;
        }
        let (width, height) = (image.width, image.height);
        let luma = luma(image);
        let colour = if image.channels >= 3 { 3 } else { 1 };
        for y in (usize::from(self.keep_top)..height).step_by(2) {
            let above = if y > 0 { y - 1 } else { y + 1 };
            let below = if y + 1 < height { y + 1 } else { y - 1 };
            for x in (0..width).filter(|x| combed[y * width + x]) {
                let slope = direction(&luma[above * width..][..width], &luma[below * width..][..width], x);
                let (u, v) = ((x as isize + slope) as usize, (x as isize - slope) as usize);
                for channel in 0..colour {
                    let plane = image.plane(channel);
                    out.plane_mut(channel)[y * width + x] =
                        0.5 * (plane[above * width + u] + plane[below * width + v]);
                }
            }
        }
        out
    }
}

/// Columns to the right on the line above (and to the left below) along which a pixel's edge runs.
fn direction(above: &[f32], below: &[f32], x: usize) -> isize {
    const REACH: isize = 3;
    let last = above.len() as isize - 1;
    let x = x as isize;
    let difference = |slope: isize| -> f32 {
        (-1..=1)
            .map(|i| {
                let at = |c: isize| c.clamp(0, last) as usize;
                (above[at(x + slope + i)] - below[at(x - slope + i)]).abs()
            })
            .sum()
    };
    let mut best = (difference(0), 0);
    for slope in [-1, 1, -2, 2, -3, 3] {
        debug_assert!(slope <= REACH);
        if x + slope < 0 || x + slope > last || x - slope < 0 || x - slope > last {
            continue;
        }
        let d = difference(slope) + 0.01 * slope.abs() as f32;
        if d < best.0 {
            best = (d, slope);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporal::filter_scene;

    fn disc(x0: f32) -> PlanarImage {
        let (width, height) = (96, 80);
        let mut image = PlanarImage::zeros(1, height, width);
        for y in 0..height {
            for x in 0..width {
                let d = (x as f32 - x0).hypot(y as f32 - 40.0) - 20.0;
                image.data[y * width + x] = 0.8 - 0.6 * (0.5 - d).clamp(0.0, 1.0);
            }
        }
        image
    }

    #[test]
    fn combs_go_and_clean_frames_stay() {
        let filter = Decomb { threshold_codes: 8.0, count: 14, keep_top: true };
        let (truth, later) = (disc(44.0), disc(52.0));
        let mut combed = truth.clone();
        for y in (1..80).step_by(2) {
            combed.data[y * 96..(y + 1) * 96].copy_from_slice(&later.data[y * 96..(y + 1) * 96]);
        }
        let error =
            |a: &PlanarImage| a.data.iter().zip(&truth.data).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let out = filter_scene(&filter, &[combed.clone(), truth.clone()]);
        assert!(error(&out[0]) < 0.12 * error(&combed), "{} of {}", error(&out[0]), error(&combed));
        assert_eq!(out[1], truth);
    }
}
