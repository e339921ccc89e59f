//! Degraining: the grain of film, which clumps and depends on the tone.

use super::denoise::clean_window;
use super::noise_spectrum::{combine, measure};
use super::{Reach, TemporalFilter, Window};
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the filter takes.
pub const PARAMS: &[Param] = &[
    Param::int(
        "radius",
        "Neighbours on each side that are searched for the same picture.",
        "frames",
        (1, 3),
        3,
    ),
    Param::float("luma", "Strength on luma; 1 removes what the grain explains.", "", (0.0, 3.0), 1.0),
    Param::float("chroma", "Strength on chroma.", "", (0.0, 3.0), 1.0),
    Param::float("keep", "Part of the grain that is left in the picture.", "", (0.0, 1.0), 0.0),
];

/// Frames before and after whose grain counts.
const MEASURED: usize = 6;

/// Takes out film grain.
///
/// The engine is that of [`Denoise`](super::denoise::Denoise); here the strength is measured for each tone by itself, and some grain
/// may be kept.
#[derive(Debug, Clone)]
pub struct Degrain {
    /// Neighbours on each side, 1 to 3.
    pub radius: usize,
    /// Strength on luma.
    pub luma: f32,
    /// Strength on chroma.
    pub chroma: f32,
    /// Part of the grain that is left, `0.0..=1.0`.
    pub keep: f32,
}

impl Degrain {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            radius: values.usize("radius"),
            luma: values.f32("luma"),
            chroma: values.f32("chroma"),
            keep: values.f32("keep"),
        }
    }
}

impl TemporalFilter for Degrain {
    fn reach(&self) -> Reach {
        Reach { before: self.radius, after: self.radius }
    }

    fn measure_reach(&self) -> Reach {
        Reach { before: MEASURED, after: MEASURED }
    }

    fn measure(&self, previous: Option<&PlanarImage>, frame: &PlanarImage) -> Vec<f32> {
        measure(previous, frame)
    }

    fn apply(&self, window: &Window<'_>) -> PlanarImage {
        let planes = if window.frame().channels >= 3 { 3 } else { 1 };
        let Some(noise) = combine(window.measures, planes) else { return window.frame().clone() };
        let mut out = clean_window(window, noise, &[self.luma, self.chroma, self.chroma]);
        if self.keep > 0.0 {
            for (v, before) in out.data.iter_mut().zip(&window.frame().data) {
                *v += self.keep * (before - *v);
            }
        }
        out
    }
}
