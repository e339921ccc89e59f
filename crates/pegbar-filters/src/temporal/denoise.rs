//! Temporal denoising: noise of cameras, tapes and encoders.

use super::motion::{MotionField, SearchPicture};
use super::noise_spectrum::{NoiseSpectrum, combine, measure};
use super::{Reach, TemporalFilter, Window, patch_stack};
use crate::luma_chroma::LumaChroma;
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the filter takes.
pub const PARAMS: &[Param] = &[
    Param::int(
        "radius",
        "Neighbours on each side that are searched for the same picture.",
        "frames",
        (1, 3),
        2,
    ),
    Param::float("luma", "Strength on luma; 1 removes what the noise explains.", "", (0.0, 3.0), 1.0),
    Param::float("chroma", "Strength on chroma.", "", (0.0, 3.0), 1.0),
    Param::float(
        "noise",
        "Standard deviation of the noise in codes of 255; 0 measures it, with its spectrum, from the film.",
        "codes",
        (0.0, 80.0),
        0.0,
    ),
];

/// Frames before and after whose noise counts.
const MEASURED: usize = 6;

/// Deviation, in codes of 255, that motion and encoders leave in a clean film: it is not counted as noise.
const CLEAN_CODES: f32 = 0.6;

/// Takes out noise, with its strength measured.
///
/// The noise counts as the same in all tones: see [`Degrain`](super::degrain::Degrain) for film.
#[derive(Debug, Clone)]
pub struct Denoise {
    /// Neighbours on each side, 1 to 3.
    pub radius: usize,
    /// Strength on luma.
    pub luma: f32,
    /// Strength on chroma.
    pub chroma: f32,
    /// Standard deviation of the noise in codes of 255; 0 measures it.
    pub noise_codes: f32,
}

impl Denoise {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            radius: values.usize("radius"),
            luma: values.f32("luma"),
            chroma: values.f32("chroma"),
            noise_codes: values.f32("noise"),
        }
    }
}

impl TemporalFilter for Denoise {
    fn reach(&self) -> Reach {
        Reach { before: self.radius, after: self.radius }
    }

    fn measure_reach(&self) -> Reach {
        Reach { before: MEASURED, after: MEASURED }
    }

    fn measure(&self, previous: Option<&PlanarImage>, frame: &PlanarImage) -> Vec<f32> {
        if self.noise_codes > 0.0 { Vec::new() } else { measure(previous, frame) }
    }

    fn apply(&self, window: &Window<'_>) -> PlanarImage {
        let planes = if window.frame().channels >= 3 { 3 } else { 1 };
        let noise = if self.noise_codes > 0.0 {
            // White noise of equal strength in R, G and B has these shares in luma and chroma.
            [0.668, 0.532, 0.656][..planes]
                .iter()
                .map(|share| {
                    NoiseSpectrum::white(self.noise_codes / 255.0 * if planes == 1 { 1.0 } else { *share })
                })
                .collect()
        } else {
            let Some(mut noise) = combine(window.measures, planes) else { return window.frame().clone() };
            noise.iter_mut().for_each(|n| n.gains = [1.0; _]);
            noise
        };
        clean_window(window, noise, &[self.luma, self.chroma, self.chroma])
    }
}

/// Cleans the frame of a window: shared by the filters that differ in what they take for noise.
pub(super) fn clean_window(
    window: &Window<'_>,
    mut noise: Vec<NoiseSpectrum>,
    strengths: &[f32],
) -> PlanarImage {
    let image = window.frame();
    for spectrum in &mut noise {
        let floor = (CLEAN_CODES / 255.0).powi(2);
        spectrum.deviations.iter_mut().for_each(|d| *d = (*d * *d - floor).max(0.0).sqrt());
    }
    if strengths.iter().zip(&noise).all(|(s, n)| *s <= 0.0 || n.strength() <= 0.0) {
        return image.clone();
    }
    let frames: Vec<_> = window.frames.iter().map(|f| LumaChroma::of(f)).collect();
    let picture = |of: &LumaChroma| SearchPicture::of_luma(&of.planes[0], of.width, of.height);
    let here = picture(&frames[window.centre]);
    let compensated: Vec<_> = frames
        .iter()
        .enumerate()
        .map(|(i, frame)| {
            if i == window.centre {
                return frame.clone();
            }
            let field = MotionField::search(&here, &picture(frame));
            LumaChroma { planes: frame.planes.iter().map(|p| field.compensate(p)).collect(), ..*frame }
        })
        .collect();
    let stack: Vec<_> = compensated.iter().collect();
    let cleaned = patch_stack::clean(&stack, window.centre, &noise, &strengths[..noise.len()]);
    let mut after = frames[window.centre].planes.clone();
    for ((after, cleaned), strength) in after.iter_mut().zip(cleaned).zip(strengths) {
        if *strength > 0.0 {
            *after = cleaned;
        }
    }
    frames[window.centre].changed(image, &after)
}
