//! Salt and pepper: single samples at the end of the range.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::random::Random;

/// Parameters of [`Salt`].
pub const PARAMS: &[Param] = &[Param::float(
    "share",
    "How much of the picture is hit, half white, half black.",
    "%",
    (0.0, 50.0),
    1.0,
)];

/// Pixels that became white or black.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Salt {
    /// Share of the pixels, `0.0..=1.0`.
    pub share: f32,
}

impl Salt {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self { share: values.f32("share") / 100.0 }
    }

    /// Spoils a picture; which pixels are hit comes from the seed.
    pub fn apply(&self, image: &PlanarImage, seed: u64) -> PlanarImage {
        let mut out = image.clone();
        let random = Random::new(seed, 0);
        for c in 0..image.channels.min(3) {
            for (i, v) in out.plane_mut(c).iter_mut().enumerate() {
                let u = random.uniform(i);
                if u < self.share {
                    *v = if u < self.share / 2.0 { 0.0 } else { 1.0 };
                }
            }
        }
        out
    }
}
