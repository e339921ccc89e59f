//! Dirty borders: outermost rows and columns too dark or too light, as capture and bad scalers leave them.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::random::Random;

/// Parameters of [`DirtyBorder`].
pub const PARAMS: &[Param] = &[
    Param::int("left", "Dirty columns at the left.", "px", (0, 32), 2),
    Param::int("right", "Dirty columns at the right.", "px", (0, 32), 2),
    Param::int("top", "Dirty rows at the top.", "px", (0, 32), 1),
    Param::int("bottom", "Dirty rows at the bottom.", "px", (0, 32), 2),
    Param::float(
        "strength",
        "How much brightness a line may lose; it may gain a third of that.",
        "",
        (0.0, 1.0),
        0.4,
    ),
];

/// Outer lines with a wrong gain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DirtyBorder {
    /// Lines at the left, right, top and bottom.
    pub lines: [usize; 4],
    /// Greatest loss of a line.
    pub strength: f32,
}

impl DirtyBorder {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            lines: ["left", "right", "top", "bottom"].map(|id| values.usize(id)),
            strength: values.f32("strength"),
        }
    }

    /// Spoils a picture; each line and channel gets a gain of its own from the seed.
    pub fn apply(&self, image: &PlanarImage, seed: u64) -> PlanarImage {
        let mut out = image.clone();
        let (w, h) = (image.width, image.height);
        for (side, &n) in self.lines.iter().enumerate() {
            let across = if side < 2 { w } else { h };
            for line in 0..n.min(across) {
                let at = if side % 2 == 0 { line } else { across - 1 - line };
                let random = Random::new(seed, (side * 64 + line) as u64);
                // The outermost is the worst.
                let worst = self.strength * (1.0 - line as f32 / n as f32);
                let common = random.between(0, 0.4 * worst, worst);
                for c in 0..image.channels.min(3) {
                    let loss = if random.uniform(1) < 0.75 { common } else { -common / 3.0 };
                    let gain = 1.0 - loss + 0.05 * worst * random.normal(2 + c);
                    let plane = out.plane_mut(c);
                    match side {
                        0 | 1 => plane.iter_mut().skip(at).step_by(w).for_each(|v| *v *= gain),
                        _ => plane[at * w..(at + 1) * w].iter_mut().for_each(|v| *v *= gain),
                    }
                }
            }
        }
        out
    }
}
