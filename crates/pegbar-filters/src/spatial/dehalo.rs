//! Takes away halos: the rims that sharpening leaves along edges.
//!
//! A halo is what an unsharp mask, an analogue peaking or a negative lobe adds: the picture less its blur, times an
//! amount. All of these are linear, so they can be undone. Blur and amount are measured by the mean profile across
//! the picture's edges: those are right with which the profile does not overshoot any more. What is then undone is
//! not the sharpness: the picture keeps its samples as far as they lie within the range of the halo-free one around
//! them, and only what stands out of that is cut. Thin lines are spared, and so is a picture without overshoot.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::edge_profile::{EDGE, N, PER_PX, arrival, edge_profile, overshoot};
use super::plane::{gaussian_blur, smoothstep, window_max, window_min};
use crate::luma_chroma::change_luma;

/// Parameters of [`Dehalo`].
pub const PARAMS: &[Param] = &[
    Param::float(
        "radius",
        "Deviation of the blur that sharpening used, about half the width of a halo; 0 measures radius and amount.",
        "px",
        (0.0, 6.0),
        0.0,
    ),
    Param::float(
        "amount",
        "How strongly the picture was sharpened, where radius is given.",
        "",
        (0.0, 4.0),
        0.5,
    ),
    Param::float("strength", "How much of the halos is removed.", "", (0.0, 1.0), 1.0),
    Param::float(
        "least",
        "Halos lower than this part of their edge's contrast are left alone, where they are measured.",
        "",
        (0.0, 0.5),
        0.035,
    ),
];

/// Overshoot of edges, cut on luma.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dehalo {
    /// What the picture was sharpened with; `None` measures it.
    pub sharpening: Option<Sharpening>,
    /// Share of the halos that is removed.
    pub strength: f32,
    /// Lowest halo that is measured, over the contrast of its edge.
    pub least: f32,
}

/// An unsharp mask: `picture + amount * (picture - blurred)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sharpening {
    /// Deviation of the blur, px.
    pub radius_px: f32,
    /// Gain of the difference.
    pub amount: f32,
}

impl Dehalo {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        let radius_px = values.f32("radius");
        Self {
            sharpening: (radius_px > 0.0).then(|| Sharpening { radius_px, amount: values.f32("amount") }),
            strength: values.f32("strength"),
            least: values.f32("least"),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.strength <= 0.0 {
            return image.clone();
        }
        change_luma(image, |luma, width| self.soften(luma, width))
    }

    /// The luma without halos.
    pub(super) fn soften(&self, luma: &[f32], width: usize) -> Vec<f32> {
        let given = self.sharpening.map(|sharpening| (sharpening, 1.0));
        let Some((sharpening, share)) = given.or_else(|| measure(luma, width, self.least)) else {
            return luma.to_vec();
        };
        let strength = self.strength * share;
        let soft = undo(luma, sharpening.amount, |plane| gaussian_blur(plane, width, sharpening.radius_px));
        let (low, high) = (window_min(&soft, width, 1), window_max(&soft, width, 1));
        // Thin lines are what a closing or an opening would remove; their overshoot is what makes them sharp.
        let (lowest, highest) = (window_min(&soft, width, LINE_PX), window_max(&soft, width, LINE_PX));
        let (closed, opened) = (window_min(&highest, width, LINE_PX), window_max(&lowest, width, LINE_PX));
        let mut out = luma.to_vec();
        for (i, v) in out.iter_mut().enumerate() {
            let contrast = 1.0 / (highest[i] - lowest[i]).max(1e-3);
            let thin = |height: f32| 1.0 - smoothstep(0.1, 0.3, height * contrast);
            let above = (luma[i] - high[i]).max(0.0) * thin(soft[i] - opened[i]);
            let below = (low[i] - luma[i]).max(0.0) * thin(closed[i] - soft[i]);
            *v += strength * (below - above);
        }
        out
    }
}

/// Half the width of the widest line that counts as thin, px.
const LINE_PX: usize = 3;

/// What a picture was sharpened with, by its edges; `None` where they overshoot by less than `least` of their
/// contrast, or where there are too few edges with a calm side.
pub fn measure_sharpening(image: &PlanarImage, least: f32) -> Option<Sharpening> {
    let luma = (!image.data.is_empty()).then(|| crate::luma_chroma::luma(image))?;
    measure(&luma, image.width, least).map(|(sharpening, _)| sharpening)
}

/// What a picture was sharpened with, and how surely: from 0 where edges overshoot by `least` to 1 where they do by
/// half as much again, so that a scene near the limit does not flicker.
fn measure(luma: &[f32], width: usize, least: f32) -> Option<(Sharpening, f32)> {
    const RADII_PX: [f32; 10] = [0.6, 0.8, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.2, 4.0];
    let profile = edge_profile(luma, width)?;
    let height = overshoot(&profile);
    if height <= least {
        return None;
    }
    let mut best: Option<(f32, Sharpening)> = None;
    for radius_px in RADII_PX {
        for tenths in 1..=40 {
            let amount = 0.05 * tenths as f32;
            let softened = undo(&profile, amount, |plane| {
                // A profile is a plane of one row; its samples lie closer.
                gaussian_blur(plane, N, radius_px * PER_PX as f32)
            });
            // From where it arrives on, a profile without halo stays.
            let softened: [f32; N] = softened.try_into().ok()?;
            let from = arrival(&profile).min(EDGE + 4 * PER_PX);
            let rest: f32 = softened[from + 1..N - 4].iter().map(|v| v * v).sum();
            if best.is_none_or(|(least, _)| rest < least) {
                best = Some((rest, Sharpening { radius_px, amount }));
            }
        }
    }
    best.map(|(_, sharpening)| (sharpening, smoothstep(least, 1.5 * least, height)))
}

/// Solves `sharp = soft + amount * (soft - blur(soft))` for `soft`, by repetition: each round leaves `amount / (1 +
/// amount)` of the error.
fn undo(sharp: &[f32], amount: f32, blur: impl Fn(&[f32]) -> Vec<f32>) -> Vec<f32> {
    let mut soft = sharp.to_vec();
    let (mut error, share, scale) = (amount, amount / (1.0 + amount), 1.0 / (1.0 + amount));
    while error > 0.02 {
        let blurred = blur(&soft);
        for ((v, sharp), blurred) in soft.iter_mut().zip(sharp).zip(&blurred) {
            *v = scale * (sharp + amount * blurred);
        }
        error *= share;
    }
    soft
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_degrade::spatial::Halo;

    /// Discs with dark outlines.
    pub(crate) fn picture() -> PlanarImage {
        let (w, h) = (200, 160);
        let at = |i: usize| {
            let (x, y) = ((i % w) as f32, (i / w) as f32);
            let d = ((x - 70.0).powi(2) + (y - 80.0).powi(2)).sqrt() - 45.0;
            let ring = (1.6 - d.abs()).clamp(0.0, 1.0);
            let flat = if d < 0.0 { 0.8 } else { 0.5 };
            let step = if x > 150.0 { 0.25 } else { 0.0 };
            (flat - step) * (1.0 - ring) + 0.08 * ring
        };
        PlanarImage::from_data(1, h, w, (0..w * h).map(at).collect()).unwrap()
    }

    fn error(a: &PlanarImage, b: &PlanarImage) -> f32 {
        a.data.iter().zip(&b.data).map(|(a, b)| (a - b).powi(2)).sum()
    }

    #[test]
    fn sharpening_is_measured_and_undone() {
        let (clean, dehalo) = (picture(), Dehalo::from_values(&ParamValues::defaults(PARAMS)));
        for (radius_px, amount) in [(1.4, 0.8), (2.2, 0.6)] {
            let spoilt = Halo { blur_px: 0.0, radius_px, amount }.apply(&clean);
            let found = measure_sharpening(&spoilt, 0.05).expect("there are halos");
            assert!((found.radius_px / radius_px).ln().abs() < 0.35, "{found:?}");
            let out = dehalo.apply(&spoilt);
            assert!(error(&out, &clean) < 0.7 * error(&spoilt, &clean), "{found:?}");
        }
        assert!(dehalo.apply(&clean) == clean);
    }

    #[test]
    fn nothing_asked_is_nothing_done() {
        let spoilt = Halo { blur_px: 0.5, radius_px: 1.5, amount: 1.0 }.apply(&picture());
        let still = Dehalo { strength: 0.0, ..Dehalo::from_values(&ParamValues::defaults(PARAMS)) };
        assert!(still.apply(&spoilt) == spoilt);
    }
}
