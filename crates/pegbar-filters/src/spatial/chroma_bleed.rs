//! Brings colour that ran over its edges back within them.
//!
//! Each sample takes the chroma of those neighbours that have its luma, and most from where chroma is calm: what is
//! smeared is not calm. So an edge of luma becomes the edge of chroma again. Bleeding of tape lies along rows, and so
//! does the window.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::chroma_shift::{moved, offset};
use super::plane::{gradient, row_contrast, row_max, smoothstep, transposed, window_max, window_min};
use crate::luma_chroma::{chroma, luma, with_chroma};

/// Parameters of [`ChromaBleed`].
pub const PARAMS: &[Param] = &[
    Param::int("reach", "How far along the row colour may have run.", "px", (1, 32), 8),
    Param::int("reach-down", "How far along the column it may have run.", "px", (0, 8), 2),
    Param::float("strength", "How much of the correction is taken.", "", (0.0, 1.0), 1.0),
    Param::float(
        "tolerance",
        "Samples whose luma differs by more than this belong to other things.",
        "",
        (0.01, 1.0),
        0.12,
    ),
    Param::float(
        "sharp",
        "Steepness over contrast, per pixel, from which a picture's edges of colour are sharp and stay; 1 treats all.",
        "",
        (0.05, 1.0),
        0.17,
    ),
];

/// A mean of chroma over what has the same luma.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChromaBleed {
    /// Reach along the row, px.
    pub reach_px: usize,
    /// Reach along the column, px.
    pub reach_down_px: usize,
    /// Share of the correction.
    pub strength: f32,
    /// Greatest difference of luma.
    pub tolerance: f32,
    /// Relative steepness of sharp edges of colour, per px.
    pub sharp: f32,
}

/// A smaller shift than this is none.
const LEAST_SHIFT_PX: f32 = 0.6;

/// Least contrast of an edge of colour, and how far from its middle that is looked for.
const CONTRAST: f32 = 0.06;
const EDGE_REACH_PX: usize = 5;

/// Chroma that changes by less than this per px is calm.
const CALM: f32 = 0.004;

impl ChromaBleed {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            reach_px: values.usize("reach"),
            reach_down_px: values.usize("reach-down"),
            strength: values.f32("strength"),
            tolerance: values.f32("tolerance"),
            sharp: values.f32("sharp"),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels; a gray one has no chroma.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if image.data.is_empty() || self.strength <= 0.0 {
            return image.clone();
        }
        let y = luma(image);
        let Some(planes) = chroma(image, &y) else { return image.clone() };
        // A smear to one side is a shift as well, and the shift tells of it where edges of colour are soft by nature.
        let shift_px = offset(&y, &planes, image.width).map_or(0.0, |(x, _)| x);
        let shifted = smoothstep(LEAST_SHIFT_PX, 1.5 * LEAST_SHIFT_PX, shift_px.abs());
        let share = self.confined(
            shifted,
            sharpness(&planes, image.width),
            softness_along_rows(&planes, image.width),
        );
        if shifted.max(share) <= 0.0 {
            return image.clone();
        }
        let back = -self.strength * shifted * shift_px;
        let straight = planes.each_ref().map(|plane| moved(plane, image.width, back, 0.0));
        let new = self.confine(&y, &straight, image.width, share * self.strength);
        with_chroma(image, &planes, &new)
    }

    /// How far colour is confined to edges of luma, by whether it is shifted, how sharp its edges are, and how much softer along
    /// rows than along columns.
    ///
    /// Bleeding lies along rows. Edges of colour that are soft in every direction are so by nature, and need not lie on
    /// those of luma; very soft ones along rows were blurred.
    fn confined(&self, shifted: f32, sharpness: Option<f32>, along_rows: f32) -> f32 {
        let Some(sharpness) = sharpness else { return 0.0 };
        let blurred = along_rows * (1.0 - smoothstep(0.9 * self.sharp, 1.1 * self.sharp, sharpness));
        let drawn = smoothstep(1.2 * self.sharp, 1.8 * self.sharp, sharpness);
        (shifted * drawn).max(blurred)
    }

    fn confine(&self, luma: &[f32], chroma: &[Vec<f32>; 2], width: usize, strength: f32) -> [Vec<f32>; 2] {
        let height = luma.len() / width;
        let mut unrest = vec![0.0f32; luma.len()];
        for plane in chroma {
            let (gx, gy) = gradient(plane, width);
            for (u, (x, y)) in unrest.iter_mut().zip(gx.iter().zip(&gy)) {
                *u += (x * x + y * y).sqrt();
            }
        }
        let calm: Vec<f32> = unrest.iter().map(|u| 1.0 / (1.0 + (u / CALM).powi(2))).collect();
        let near = window_max(&unrest, width, 2);
        // Where luma has no edge to confine colour to, colour is left to be soft.
        let (lx, ly) = gradient(luma, width);
        let steep: Vec<f32> = lx.iter().zip(&ly).map(|(x, y)| (x * x + y * y).sqrt()).collect();
        let edge = window_max(&steep, width, 3);
        let mut out = chroma.clone();
        let inverse = 1.0 / (self.tolerance * self.tolerance);
        let (rx, ry) = (self.reach_px, self.reach_down_px);
        for y in 0..height {
            let rows = y.saturating_sub(ry)..(y + ry + 1).min(height);
            for x in 0..width {
                let at = y * width + x;
                let mask = strength
                    * smoothstep(0.5 * CALM, 2.0 * CALM, near[at])
                    * smoothstep(0.06, 0.15, edge[at]);
                if mask <= 0.0 {
                    continue;
                }
                let (from, to) = (x.saturating_sub(rx), (x + rx + 1).min(width));
                let (mut sums, mut weights) = ([0.0f32; 2], 0.0f32);
                for row in rows.clone() {
                    let span = row * width + from..row * width + to;
                    let samples = luma[span.clone()].iter().zip(&calm[span.clone()]);
                    let colours = chroma[0][span.clone()].iter().zip(&chroma[1][span]);
                    for ((l, calm), (cb, cr)) in samples.zip(colours) {
                        let d = l - luma[at];
                        let alike = (1.0 - d * d * inverse).max(0.0);
                        let w = alike * alike * calm;
                        weights += w;
                        sums[0] += w * cb;
                        sums[1] += w * cr;
                    }
                }
                for (plane, sum) in out.iter_mut().zip(sums) {
                    // With nothing calm around, the sample stays.
                    plane[at] += mask * (sum - weights * plane[at]) / (weights + 0.02);
                }
            }
        }
        out
    }
}

/// Steepness of chroma edges over their contrast, per px: the middle one of all places with a contrast. About 0.5
/// where they are sharp; `None` where there are none.
fn sharpness(chroma: &[Vec<f32>; 2], width: usize) -> Option<f32> {
    let mut ratios = Vec::new();
    for plane in chroma {
        let (gx, gy) = gradient(plane, width);
        let steep: Vec<f32> = gx.iter().zip(&gy).map(|(x, y)| (x * x + y * y).sqrt()).collect();
        let steepest = window_max(&steep, width, EDGE_REACH_PX);
        let (low, high) = (window_min(plane, width, EDGE_REACH_PX), window_max(plane, width, EDGE_REACH_PX));
        let places = steepest.iter().zip(low.iter().zip(&high)).step_by(3);
        let contrasts = places.map(|(steep, (low, high))| (steep, high - low));
        ratios.extend(contrasts.filter(|(_, c)| *c > CONTRAST).map(|(steep, contrast)| steep / contrast));
    }
    middle_of(ratios)
}

/// Whether edges of colour are softer along rows than along columns, as bleeding makes them: 0 to 1. Where one of the two has
/// no edges, nothing speaks against it.
fn softness_along_rows(chroma: &[Vec<f32>; 2], width: usize) -> f32 {
    /// Steepness across edges along rows over that along columns: of soft colours, and of bled ones.
    const ALIKE: f32 = 0.93;
    const BLED: f32 = 0.82;
    let height = chroma[0].len() / width;
    let turned = chroma.each_ref().map(|plane| transposed(plane, width));
    let contrasts = |planes: &[Vec<f32>; 2], width: usize| {
        planes.each_ref().map(|plane| row_contrast(plane, width, EDGE_REACH_PX))
    };
    let back = |planes: [Vec<f32>; 2], width: usize| planes.map(|plane| transposed(&plane, width));
    let (across, down) = (contrasts(chroma, width), contrasts(&turned, height));
    let along_rows = steepness_of_lone_edges(chroma, width, &across, &back(down.clone(), height));
    let along_columns = steepness_of_lone_edges(&turned, height, &down, &back(across, width));
    match (along_rows, along_columns) {
        (Some(rows), Some(columns)) => 1.0 - smoothstep(BLED, ALIKE, rows / columns),
        _ => 1.0,
    }
}

/// Steepness over contrast along rows, the middle one of all places whose contrast along the column is much less.
fn steepness_of_lone_edges(
    planes: &[Vec<f32>; 2],
    width: usize,
    contrasts: &[Vec<f32>; 2],
    others: &[Vec<f32>; 2],
) -> Option<f32> {
    let mut ratios = Vec::new();
    for ((plane, contrasts), others) in planes.iter().zip(contrasts).zip(others) {
        let steep: Vec<f32> = gradient(plane, width).0.iter().map(|v| v.abs()).collect();
        let steepest = row_max(&steep, width, EDGE_REACH_PX);
        let places = steepest.iter().zip(contrasts.iter().zip(others)).step_by(3);
        let lone =
            places.filter(|(_, (contrast, other))| **contrast > CONTRAST && **other < 0.4 * **contrast);
        ratios.extend(lone.map(|(steep, (contrast, _))| steep / contrast));
    }
    middle_of(ratios)
}

/// The middle one, `None` of fewer than 30.
fn middle_of(mut values: Vec<f32>) -> Option<f32> {
    if values.len() < 30 {
        return None;
    }
    let middle = values.len() / 2;
    Some(*values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_degrade::spatial::ChromaBleed as Defect;

    #[test]
    fn colour_returns_to_its_side_of_the_edge() {
        let (w, h) = (80, 40);
        let mut clean = PlanarImage::zeros(3, h, w);
        for i in 0..w * h {
            let colour = if i % w < 40 { [0.8, 0.2, 0.2] } else { [0.55, 0.6, 0.65] };
            for (c, v) in colour.iter().enumerate() {
                clean.data[c * w * h + i] = *v;
            }
        }
        let spoilt = Defect { smear_px: 2.5, blur_px: 1.0, blur_down_px: 0.0 }.apply(&clean);
        let out = ChromaBleed::from_values(&ParamValues::defaults(PARAMS)).apply(&spoilt);
        let error =
            |p: &PlanarImage| p.data.iter().zip(&clean.data).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        assert!(error(&out) < 0.4 * error(&spoilt), "{} {}", error(&out), error(&spoilt));
    }

    #[test]
    fn colour_that_is_soft_by_nature_is_not_confined() {
        let bleed = ChromaBleed::from_values(&ParamValues::defaults(PARAMS));
        assert!(bleed.confined(1.0, Some(0.19), 1.0) < 0.05);
        assert_eq!(bleed.confined(1.0, Some(0.34), 0.0), 1.0);
        assert_eq!(bleed.confined(0.0, Some(0.34), 1.0), 0.0);
        assert_eq!(bleed.confined(0.0, Some(0.1), 1.0), 1.0);
        assert_eq!(bleed.confined(0.0, Some(0.1), 0.0), 0.0);
    }

    /// Ink on washes of colour that are as soft as told.
    fn wash(blur_px: f32, blur_down_px: f32) -> PlanarImage {
        let (w, h) = (240, 160);
        let mut inked = PlanarImage::zeros(3, h, w);
        for i in 0..w * h {
            let (x, y) = ((i % w) as f32, (i / w) as f32);
            let r = ((x % 80.0 - 40.0).powi(2) + (y % 80.0 - 40.0).powi(2)).sqrt();
            let ink = 1.0 - 0.8 * (2.0 - (r - 24.0).abs()).clamp(0.0, 1.0);
            let colour = if r < 24.0 { [0.8, 0.35, 0.3] } else { [0.4, 0.55, 0.75] };
            for (c, v) in colour.iter().enumerate() {
                inked.data[c * w * h + i] = v * ink;
            }
        }
        Defect { smear_px: 0.0, blur_px, blur_down_px }.apply(&inked)
    }

    #[test]
    fn washes_of_colour_stay_and_are_told_from_what_ran_along_rows() {
        let bleed = ChromaBleed::from_values(&ParamValues::defaults(PARAMS));
        let error = |a: &PlanarImage, b: &PlanarImage| {
            a.data.iter().zip(&b.data).map(|(a, b)| (a - b).powi(2)).sum::<f32>()
        };
        for blur_px in [3.0, 5.0] {
            let soft = wash(blur_px, blur_px);
            assert!(error(&bleed.apply(&soft), &soft) < 1e-3, "{}", error(&bleed.apply(&soft), &soft));
        }
        let along_rows = |picture: &PlanarImage| {
            let planes = chroma(picture, &luma(picture)).unwrap();
            softness_along_rows(&planes, picture.width)
        };
        let soft = wash(5.0, 5.0);
        let ran = wash(5.0, 0.5);
        assert!(
            along_rows(&soft) < 0.2 && along_rows(&ran) > 0.8,
            "{} {}",
            along_rows(&soft),
            along_rows(&ran)
        );
    }
}
