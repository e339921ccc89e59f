//! Moves chroma back onto its luma, by parts of a pixel; how far is given or estimated.
//!
//! The estimate compares where luma changes with where chroma changes: at the right shift, edges of both lie on each other.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::plane::{gradient, transposed};
use crate::luma_chroma::{chroma, luma, with_chroma};

/// Parameters of [`ChromaShift`].
pub const PARAMS: &[Param] = &[
    Param::bool(
        "estimate",
        "Estimates the shift of each picture by its edges, instead of taking x and y.",
        true,
    ),
    Param::float("x", "How far chroma is moved to the right.", "px", (-32.0, 32.0), 0.0),
    Param::float("y", "How far chroma is moved down.", "px", (-32.0, 32.0), 0.0),
];

/// A shift of both chroma planes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChromaShift {
    /// Whether the shift is estimated.
    pub estimate: bool,
    /// To the right, px.
    pub x_px: f32,
    /// Down, px.
    pub y_px: f32,
}

/// Shifts that are searched, px.
const SEARCH_X: usize = 8;
const SEARCH_Y: usize = 5;

/// An estimate of less than this is taken for none: chroma of half the resolution cannot tell.
const LEAST_PX: f32 = 0.3;

impl ChromaShift {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self { estimate: values.bool("estimate"), x_px: values.f32("x"), y_px: values.f32("y") }
    }

    /// Filters a picture of 1, 3 or 4 channels; a gray one has no chroma.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if image.data.is_empty() {
            return image.clone();
        }
        let y = luma(image);
        let Some(planes) = chroma(image, &y) else { return image.clone() };
        let (x_px, y_px) = if self.estimate {
            let Some((x, y)) = offset(&y, &planes, image.width) else { return image.clone() };
            (-x, -y)
        } else {
            (self.x_px, self.y_px)
        };
        if x_px == 0.0 && y_px == 0.0 {
            return image.clone();
        }
        let moved = planes.each_ref().map(|plane| moved(plane, image.width, x_px, y_px));
        with_chroma(image, &planes, &moved)
    }
}

/// How far the chroma of a picture lies to the right of its luma and below it, px: up to 8 to each side and 5 up or down. `None` where
/// edges do not tell (a gray picture, colours without edges), or where the estimate is none to speak of.
///
/// A film has one shift as a rule: take the middle of the estimates of some frames rather than one for each frame.
pub fn estimate_offset(image: &PlanarImage) -> Option<(f32, f32)> {
    if image.data.is_empty() {
        return None;
    }
    let y = luma(image);
    offset(&y, &chroma(image, &y)?, image.width)
}

/// [`estimate_offset`] of planes.
pub(super) fn offset(luma: &[f32], chroma: &[Vec<f32>; 2], width: usize) -> Option<(f32, f32)> {
    let height = luma.len() / width;
    if width <= 4 * SEARCH_X || height <= 4 * SEARCH_Y {
        return None;
    }
    // The steepest edges shall not outvote all others.
    let steepness = |plane: &[f32], most: f32| -> Vec<f32> {
        let (gx, gy) = gradient(plane, width);
        gx.iter().zip(&gy).map(|(x, y)| (x * x + y * y).sqrt().min(most)).collect()
    };
    let luma_edges = steepness(luma, 0.15);
    let mut chroma_edges = steepness(&chroma[0], 0.08);
    chroma_edges.iter_mut().zip(steepness(&chroma[1], 0.08)).for_each(|(a, b)| *a += b);
    let chroma_mean = mean(&chroma_edges);
    if chroma_mean < 2e-4 {
        return None;
    }
    let luma_mean = mean(&luma_edges);
    luma_edges_fit(&luma_edges, &chroma_edges, width, luma_mean, chroma_mean)
}

/// The shift at which the correlation is greatest, between whole pixels by a parabola.
fn luma_edges_fit(
    luma: &[f32],
    chroma: &[f32],
    width: usize,
    luma_mean: f32,
    chroma_mean: f32,
) -> Option<(f32, f32)> {
    let height = luma.len() / width;
    let inner = SEARCH_X..width - SEARCH_X;
    let correlation = |dx: isize, dy: isize| {
        let mut sum = 0.0f64;
        for y in SEARCH_Y..height - SEARCH_Y {
            let l = &luma[y * width..][inner.clone()];
            let from = (y as isize + dy) as usize * width + (SEARCH_X as isize + dx) as usize;
            let c = &chroma[from..from + l.len()];
            let mut lanes = [0.0f32; 8];
            for (l, c) in l.chunks_exact(8).zip(c.chunks_exact(8)) {
                for i in 0..8 {
                    lanes[i] += (l[i] - luma_mean) * (c[i] - chroma_mean);
                }
            }
            sum += f64::from(lanes.iter().sum::<f32>());
        }
        sum
    };
    let (sx, sy) = (SEARCH_X as isize, SEARCH_Y as isize);
    let mut best = (f64::MIN, 0, 0);
    for dy in -sy..=sy {
        for dx in -sx..=sx {
            let value = correlation(dx, dy);
            if value > best.0 {
                best = (value, dx, dy);
            }
        }
    }
    let (peak, dx, dy) = best;
    if peak.is_nan() || peak <= 0.0 {
        return None;
    }
    let between = |before: f64, after: f64| {
        let bend = before - 2.0 * peak + after;
        if bend < 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) as f32 } else { 0.0 }
    };
    let x = if dx.abs() < sx { between(correlation(dx - 1, dy), correlation(dx + 1, dy)) } else { 0.0 };
    let y = if dy.abs() < sy { between(correlation(dx, dy - 1), correlation(dx, dy + 1)) } else { 0.0 };
    let (x, y) = (dx as f32 + x, dy as f32 + y);
    let known = |v: f32| if v.abs() < LEAST_PX { 0.0 } else { v };
    let (x, y) = (known(x), known(y));
    (x != 0.0 || y != 0.0).then_some((x, y))
}

fn mean(values: &[f32]) -> f32 {
    (values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64) as f32
}

/// The plane moved to the right and down.
pub(super) fn moved(plane: &[f32], width: usize, x_px: f32, y_px: f32) -> Vec<f32> {
    let rows = moved_along_rows(plane, width, x_px);
    let height = plane.len() / width;
    transposed(&moved_along_rows(&transposed(&rows, width), height, y_px), height)
}

/// Each row moved to the right, between samples by cubic convolution (Keys 1981, a = -0.5).
fn moved_along_rows(plane: &[f32], width: usize, x_px: f32) -> Vec<f32> {
    if x_px == 0.0 {
        return plane.to_vec();
    }
    let whole = (-x_px).floor();
    let t = -x_px - whole;
    let weights = [
        -0.5 * t + t * t - 0.5 * t * t * t,
        1.0 - 2.5 * t * t + 1.5 * t * t * t,
        0.5 * t + 2.0 * t * t - 1.5 * t * t * t,
        -0.5 * t * t + 0.5 * t * t * t,
    ];
    let last = width as isize - 1;
    let mut padded = vec![0.0; width + 3];
    let mut out = vec![0.0; plane.len()];
    for (row, target) in plane.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        for (i, v) in padded.iter_mut().enumerate() {
            *v = row[(i as isize - 1 + whole as isize).clamp(0, last) as usize];
        }
        for (t, s) in target.iter_mut().zip(padded.windows(4)) {
            *t = weights[0] * s[0] + weights[1] * s[1] + weights[2] * s[2] + weights[3] * s[3];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_degrade::spatial::ChromaShift as Defect;

    fn picture() -> PlanarImage {
        let (w, h) = (128, 96);
        let mut image = PlanarImage::zeros(3, h, w);
        for y in 0..h {
            for x in 0..w {
                let inside = ((x as f32 - 60.0).powi(2) + (y as f32 - 48.0).powi(2)).sqrt() < 30.0;
                let colour = if inside { [0.8, 0.2, 0.2] } else { [0.3, 0.5, 0.8] };
                for (c, v) in colour.iter().enumerate() {
                    image.data[(c * h + y) * w + x] = *v;
                }
            }
        }
        image
    }

    #[test]
    fn the_shift_is_estimated_within_a_third_of_a_pixel() {
        for (x_px, y_px) in [(3.0, -2.0), (-4.5, 1.5), (0.7, 0.0)] {
            let spoilt = Defect { x_px, y_px }.apply(&picture());
            let (x, y) = estimate_offset(&spoilt).expect("there are edges");
            assert!((x - x_px).abs() < 0.34 && (y - y_px).abs() < 0.34, "{x} {y} for {x_px} {y_px}");
        }
        assert_eq!(estimate_offset(&picture()), None);
    }

    #[test]
    fn a_given_shift_undoes_the_defect() {
        let clean = picture();
        let spoilt = Defect { x_px: 2.0, y_px: 1.0 }.apply(&clean);
        let out = ChromaShift { estimate: false, x_px: -2.0, y_px: -1.0 }.apply(&spoilt);
        let (w, h) = (clean.width, clean.height);
        for y in 4..h - 4 {
            for x in 4..w - 4 {
                assert!((out.data[y * w + x] - clean.data[y * w + x]).abs() < 1e-4);
            }
        }
        let still = ChromaShift { estimate: false, x_px: 0.0, y_px: 0.0 };
        assert!(still.apply(&clean) == clean);
    }
}
