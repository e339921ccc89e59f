//! Chroma bleed: colour of little bandwidth that runs over edges, to the right as on tape.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::convolution::{convolve_columns, convolve_rows, gaussian};
use super::luma_chroma::LumaChroma;

/// Parameters of [`ChromaBleed`].
pub const PARAMS: &[Param] = &[
    Param::float(
        "smear",
        "How far colour runs to the right: where a third of it is left.",
        "px",
        (0.0, 32.0),
        2.5,
    ),
    Param::float("blur", "Deviation of the low-pass along rows.", "px", (0.0, 32.0), 1.5),
    Param::float("blur-down", "Deviation of the low-pass along columns.", "px", (0.0, 8.0), 0.5),
];

/// A low-pass of chroma and a smear to the right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChromaBleed {
    /// Length over which the smear falls to 1/e, px.
    pub smear_px: f32,
    /// Deviation along rows, px.
    pub blur_px: f32,
    /// Deviation along columns, px.
    pub blur_down_px: f32,
}

impl ChromaBleed {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            smear_px: values.f32("smear"),
            blur_px: values.f32("blur"),
            blur_down_px: values.f32("blur-down"),
        }
    }

    /// Spoils a picture; a gray one has no chroma.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if image.channels < 3 {
            return image.clone();
        }
        let mut planes = LumaChroma::of(image);
        let kept = if self.smear_px > 0.0 { (-1.0 / self.smear_px).exp() } else { 0.0 };
        for plane in [&mut planes.cb, &mut planes.cr] {
            let soft = convolve_rows(plane, image.width, &gaussian(self.blur_px));
            *plane = convolve_columns(&soft, image.width, &gaussian(self.blur_down_px));
            for row in plane.chunks_exact_mut(image.width) {
                let mut last = row[0];
                for v in row {
                    last = *v + (last - *v) * kept;
                    *v = last;
                }
            }
        }
        planes.picture(image)
    }
}
