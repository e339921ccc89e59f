//! Halos: edges that were blurred, then sharpened until they glow.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::convolution::{convolve, gaussian};
use super::luma_chroma::LumaChroma;

/// Parameters of [`Halo`].
pub const PARAMS: &[Param] = &[
    Param::float("blur", "Deviation of the low-pass before sharpening.", "px", (0.0, 8.0), 0.7),
    Param::float(
        "radius",
        "Deviation of the blur that sharpening subtracts: the halo is about twice as wide.",
        "px",
        (0.3, 16.0),
        1.4,
    ),
    Param::float("amount", "How much of the difference is added.", "", (0.0, 4.0), 0.8),
];

/// A low-pass and an unsharp mask on luma.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Halo {
    /// Deviation of the low-pass, px.
    pub blur_px: f32,
    /// Deviation of the unsharp mask, px.
    pub radius_px: f32,
    /// Gain of the mask.
    pub amount: f32,
}

impl Halo {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self { blur_px: values.f32("blur"), radius_px: values.f32("radius"), amount: values.f32("amount") }
    }

    /// Spoils a picture.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut planes = LumaChroma::of(image);
        let soft = convolve(&planes.luma, image.width, &gaussian(self.blur_px));
        let wide = convolve(&soft, image.width, &gaussian(self.radius_px));
        planes.luma = soft.iter().zip(&wide).map(|(s, w)| s + self.amount * (s - w)).collect();
        planes.picture(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_overshoots_on_both_sides() {
        let mut image = PlanarImage::zeros(1, 8, 32);
        image.data.iter_mut().enumerate().for_each(|(i, v)| *v = if i % 32 < 16 { 0.2 } else { 0.8 });
        let halo = Halo { blur_px: 0.5, radius_px: 1.5, amount: 1.0 }.apply(&image);
        assert!(halo.data[4 * 32 + 17] > 0.85 && halo.data[4 * 32 + 14] < 0.15);
        assert!((halo.data[4 * 32 + 1] - 0.2).abs() < 1e-3);
    }
}
