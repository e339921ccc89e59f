//! Vertical scratches of a film: thin, nearly upright lines from edge to edge, lighter or darker than what they cross.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::random::Random;

/// Parameters of [`Scratches`].
pub const PARAMS: &[Param] = &[
    Param::int("count", "How many scratches there are.", "", (0, 64), 5),
    Param::float("width", "Width of the widest.", "px", (0.5, 16.0), 2.0),
    Param::float("strength", "How much the strongest adds or takes.", "", (0.0, 1.0), 0.22),
    Param::float(
        "lean",
        "How far a scratch may lean over the height of the picture.",
        "px",
        (0.0, 64.0),
        3.0,
    ),
];

/// Thin lines over the whole height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scratches {
    /// How many.
    pub count: usize,
    /// Greatest width, px.
    pub width_px: f32,
    /// Greatest change of brightness.
    pub strength: f32,
    /// Greatest lean over the height, px.
    pub lean_px: f32,
}

impl Scratches {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            count: values.usize("count"),
            width_px: values.f32("width"),
            strength: values.f32("strength"),
            lean_px: values.f32("lean"),
        }
    }

    /// Spoils a picture; place, width, strength and lean of each scratch come from the seed.
    pub fn apply(&self, image: &PlanarImage, seed: u64) -> PlanarImage {
        let mut out = image.clone();
        let (w, h) = (image.width, image.height);
        for n in 0..self.count {
            let random = Random::new(seed, n as u64);
            let x = random.between(0, 0.02, 0.98) * w as f32;
            let lean = random.between(1, -self.lean_px, self.lean_px);
            let half = random.between(2, 0.5, 1.0) * self.width_px / 2.0;
            let sign = if random.uniform(3) < 0.65 { 1.0 } else { -1.0 };
            let strength = sign * random.between(4, 0.5, 1.0) * self.strength;
            let phase = random.between(5, 0.0, std::f32::consts::TAU);
            for y in 0..h {
                let t = y as f32 / h as f32;
                let centre = x + lean * (t - 0.5);
                // The needle presses now more, now less.
                let pressed = strength * (0.85 + 0.15 * (9.0 * t + phase).sin());
                let from = (centre - half - 1.0).max(0.0) as usize;
                for column in from..((centre + half + 2.0).max(0.0) as usize).min(w) {
                    let cover = (half + 0.5 - (column as f32 + 0.5 - centre).abs()).clamp(0.0, 1.0);
                    for c in 0..image.channels.min(3) {
                        let sample = &mut out.data[(c * h + y) * w + column];
                        *sample = (*sample + pressed * cover).clamp(0.0, 1.0);
                    }
                }
            }
        }
        out
    }
}
