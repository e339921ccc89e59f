//! Lines that lost their black.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::convolution::extreme;
use super::luma_chroma::LumaChroma;

/// Parameters of [`FadedLines`].
pub const PARAMS: &[Param] = &[
    Param::float("amount", "How much of its depth a line loses.", "", (0.0, 1.0), 0.35),
    Param::int("reach", "Half the width of the widest line.", "px", (1, 16), 2),
];

/// Dark lines, nearer to what lies around them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FadedLines {
    /// Share of the depth that is lost.
    pub amount: f32,
    /// Half the width of the widest line, px.
    pub reach_px: usize,
}

impl FadedLines {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self { amount: values.f32("amount"), reach_px: values.usize("reach") }
    }

    /// Spoils a picture.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut planes = LumaChroma::of(image);
        let wide = extreme(&planes.luma, image.width, self.reach_px, f32::max);
        let around = extreme(&wide, image.width, self.reach_px, f32::min);
        planes.luma.iter_mut().zip(&around).for_each(|(v, around)| *v += self.amount * (around - *v));
        planes.picture(image)
    }
}
