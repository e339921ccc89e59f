//! A ghost: the picture comes a second time over a longer way.

use super::{TemporalDefect, colour_channels};
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the defect takes.
pub const PARAMS: &[Param] = &[
    Param::float("offset", "How far to the right the ghost stands.", "px", (0.0, 200.0), 9.0),
    Param::float("opacity", "Strength of the ghost against the picture.", "", (-0.5, 0.5), 0.15),
];

/// An echo of the signal, its level set again so that white stays white.
#[derive(Debug, Clone)]
pub struct Ghost {
    /// How far to the right the ghost stands, in pixels.
    pub offset_px: f32,
    /// Strength of the ghost against the picture; a negative one is an echo of opposite phase.
    pub opacity: f32,
}

impl Ghost {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { offset_px: values.f32("offset"), opacity: values.f32("opacity") }
    }
}

impl TemporalDefect for Ghost {
    fn frame(&self, clip: &[PlanarImage], index: usize) -> PlanarImage {
        let mut out = clip[index].clone();
        let width = out.width;
        let (whole, fraction) = (self.offset_px.floor() as usize, self.offset_px.fract());
        for channel in 0..colour_channels(&out) {
            for row in out.plane_mut(channel).chunks_exact_mut(width) {
                let clean = row.to_vec();
                for (x, v) in row.iter_mut().enumerate() {
                    let at = |back: usize| clean[x.saturating_sub(back)];
                    let echo = at(whole) * (1.0 - fraction) + at(whole + 1) * fraction;
                    *v = (*v + self.opacity * echo) / (1.0 + self.opacity);
                }
            }
        }
        out
    }
}
