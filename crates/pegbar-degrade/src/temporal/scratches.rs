//! Scratches along the film that wander from frame to frame.

use super::random::{Random, wander};
use super::{SEED, TemporalDefect, colour_channels};
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the defect takes.
pub const PARAMS: &[Param] = &[
    Param::float("scratches", "Scratches that are seen at a time on average.", "", (0.0, 20.0), 2.0),
    Param::float("width", "Width of a scratch.", "px", (0.5, 10.0), 1.4),
    Param::float("wander", "How far a scratch wanders to each side.", "px", (0.0, 50.0), 3.0),
    Param::float(
        "contrast",
        "How much brighter or darker than the picture it is.",
        "codes",
        (0.0, 255.0),
        60.0,
    ),
    SEED,
];

/// How many frames a scratch lasts.
const LIFE: usize = 24;

/// Long scratches, bright or dark, that last about a second.
#[derive(Debug, Clone)]
pub struct Scratches {
    /// Scratches seen at a time on average.
    pub scratches: f32,
    /// Width in pixels.
    pub width_px: f32,
    /// How far one wanders to each side, in pixels.
    pub wander_px: f32,
    /// How much brighter or darker than the picture, in codes of 255.
    pub contrast_codes: f32,
    /// Chooses the pattern.
    pub seed: u64,
}

impl Scratches {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            scratches: values.f32("scratches"),
            width_px: values.f32("width"),
            wander_px: values.f32("wander"),
            contrast_codes: values.f32("contrast"),
            seed: values.int("seed") as u64,
        }
    }
}

impl TemporalDefect for Scratches {
    fn frame(&self, clip: &[PlanarImage], index: usize) -> PlanarImage {
        let mut out = clip[index].clone();
        let (width, height) = (out.width, out.height);
        let epoch = (index / LIFE) as u64;
        let mut random = Random::new(self.seed, epoch, 0);
        let channels = colour_channels(&out);
        for scratch in 0..random.count(self.scratches) as u64 {
            let base = random.between(0.0, width as f32);
            let sign = if random.unit() < 0.5 { -1.0 } else { 1.0 };
            let contrast = sign * self.contrast_codes / 255.0 * random.between(0.5, 1.0);
            for y in 0..height {
                // The film runs down: a line lies a fraction of a frame later than the one above.
                let time = index as f32 + y as f32 / height as f32;
                let x = base + self.wander_px * wander(self.seed, 1 + scratch + 64 * epoch, 6.0, time);
                // It is pressed in more here and less there.
                let depth =
                    (0.8 + 0.4 * wander(self.seed, 32 + scratch + 64 * epoch, 0.3, time)).clamp(0.0, 1.2);
                let half = self.width_px / 2.0;
                let columns =
                    ((x - half - 1.0).max(0.0) as usize)..((x + half + 2.0).max(0.0) as usize).min(width);
                for column in columns {
                    let covered = (half + 0.5 - (column as f32 + 0.5 - x).abs()).clamp(0.0, 1.0);
                    for channel in 0..channels {
                        out.plane_mut(channel)[y * width + column] += contrast * depth * covered;
                    }
                }
            }
        }
        out
    }
}
