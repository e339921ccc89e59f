//! White noise of an amplifier or sensor.

use super::random::Random;
use super::{SEED, TemporalDefect, colour_channels};
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the defect takes.
pub const PARAMS: &[Param] = &[
    Param::float("sigma", "Standard deviation in codes of 255.", "codes", (0.0, 100.0), 8.0),
    Param::float("colour", "0 gives all channels the same noise, 1 each its own.", "", (0.0, 1.0), 1.0),
    SEED,
];

/// White Gaussian noise, new in each frame.
#[derive(Debug, Clone)]
pub struct GaussianNoise {
    /// Standard deviation in codes of 255.
    pub sigma_codes: f32,
    /// Share of noise that each channel has of its own, `0.0..=1.0`.
    pub colour: f32,
    /// Chooses the pattern.
    pub seed: u64,
}

impl GaussianNoise {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            sigma_codes: values.f32("sigma"),
            colour: values.f32("colour"),
            seed: values.int("seed") as u64,
        }
    }
}

impl TemporalDefect for GaussianNoise {
    fn frame(&self, clip: &[PlanarImage], index: usize) -> PlanarImage {
        let mut out = clip[index].clone();
        let sigma = self.sigma_codes / 255.0;
        let (own, common) = (sigma * self.colour.sqrt(), sigma * (1.0 - self.colour).sqrt());
        for channel in 0..colour_channels(&out) {
            let mut shared = Random::new(self.seed, index as u64, 0);
            let mut random = Random::new(self.seed, index as u64, 1 + channel as u64);
            for v in out.plane_mut(channel) {
                *v += own * random.normal();
                if common > 0.0 {
                    *v += common * shared.normal();
                }
            }
        }
        out
    }
}
