//! Lines that grew, as worn copies and bad scans have them.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::convolution::{convolve, extreme, gaussian};
use super::luma_chroma::LumaChroma;

/// Parameters of [`ThickLines`].
pub const PARAMS: &[Param] = &[
    Param::float("amount", "How much of a ring of one pixel turns dark.", "", (0.0, 1.0), 0.6),
    Param::float("blur", "Deviation of the blur that follows.", "px", (0.0, 4.0), 0.5),
];

/// What is dark spreads, then everything is blurred.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThickLines {
    /// Share of the way to the darkest neighbour.
    pub amount: f32,
    /// Deviation of the blur, px.
    pub blur_px: f32,
}

impl ThickLines {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self { amount: values.f32("amount"), blur_px: values.f32("blur") }
    }

    /// Spoils a picture.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut planes = LumaChroma::of(image);
        let darkest = extreme(&planes.luma, image.width, 1, f32::min);
        planes.luma.iter_mut().zip(&darkest).for_each(|(v, dark)| *v += self.amount * (dark - *v));
        planes.luma = convolve(&planes.luma, image.width, &gaussian(self.blur_px));
        planes.picture(image)
    }
}
