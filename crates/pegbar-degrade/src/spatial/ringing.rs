//! Ringing: echoes of edges, left by a filter that cuts off sharply.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::convolution::{convolve, normalised};
use super::luma_chroma::LumaChroma;

/// Parameters of [`Ringing`].
pub const PARAMS: &[Param] = &[
    Param::float("cutoff", "Where the filter cuts, as a part of the finest detail.", "", (0.1, 1.0), 0.55),
    Param::int(
        "taps",
        "How many samples to each side the filter reaches: so far the echoes go.",
        "px",
        (1, 32),
        8,
    ),
];

/// A truncated sinc on luma, along rows and columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ringing {
    /// Cut-off over the Nyquist frequency.
    pub cutoff: f32,
    /// Samples to each side.
    pub taps: usize,
}

impl Ringing {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self { cutoff: values.f32("cutoff"), taps: values.usize("taps") }
    }

    /// Spoils a picture.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut planes = LumaChroma::of(image);
        let reach = self.taps as i32;
        let sinc = |i: i32| {
            let x = std::f32::consts::PI * self.cutoff * i as f32;
            if i == 0 { 1.0 } else { x.sin() / x }
        };
        let kernel = normalised((-reach..=reach).map(sinc).collect());
        planes.luma = convolve(&planes.luma, image.width, &kernel);
        planes.picture(image)
    }
}
