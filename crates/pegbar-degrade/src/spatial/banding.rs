//! Banding: gentle gradients in too few levels.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// Parameters of [`Banding`].
pub const PARAMS: &[Param] =
    &[Param::int("levels", "How many levels are left of each of red, green and blue.", "", (2, 255), 48)];

/// Rounding to a few levels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Banding {
    /// Levels from 0 to 1, both counted.
    pub levels: usize,
}

impl Banding {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self { levels: values.usize("levels") }
    }

    /// Spoils a picture.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        let steps = (self.levels.max(2) - 1) as f32;
        for c in 0..image.channels.min(3) {
            out.plane_mut(c).iter_mut().for_each(|v| *v = (*v * steps).round() / steps);
        }
        out
    }
}
