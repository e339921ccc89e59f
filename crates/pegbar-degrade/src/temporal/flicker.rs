//! Flicker: exposure that differs from frame to frame, all over and in places.

use super::random::Random;
use super::{SEED, TemporalDefect, colour_channels};
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the defect takes.
pub const PARAMS: &[Param] = &[
    Param::float("gain", "Standard deviation of the gain.", "%", (0.0, 50.0), 5.0),
    Param::float(
        "offset",
        "Standard deviation of the black level in codes of 255.",
        "codes",
        (0.0, 50.0),
        2.0,
    ),
    Param::float("colour", "Part of gain and offset that each channel has of its own.", "", (0.0, 1.0), 0.2),
    Param::float(
        "local",
        "Standard deviation of the gain of places, a third of the picture wide.",
        "%",
        (0.0, 50.0),
        2.0,
    ),
    SEED,
];

/// Cells of local flicker in each direction.
const CELLS: usize = 3;

/// Brightness and contrast that change from frame to frame.
#[derive(Debug, Clone)]
pub struct Flicker {
    /// Standard deviation of the gain in percent.
    pub gain_percent: f32,
    /// Standard deviation of the black level in codes of 255.
    pub offset_codes: f32,
    /// Part of gain and offset that each channel has of its own, `0.0..=1.0`.
    pub colour: f32,
    /// Standard deviation of the gain of places in percent.
    pub local_percent: f32,
    /// Chooses the pattern.
    pub seed: u64,
}

impl Flicker {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            gain_percent: values.f32("gain"),
            offset_codes: values.f32("offset"),
            colour: values.f32("colour"),
            local_percent: values.f32("local"),
            seed: values.int("seed") as u64,
        }
    }
}

impl TemporalDefect for Flicker {
    fn frame(&self, clip: &[PlanarImage], index: usize) -> PlanarImage {
        let mut out = clip[index].clone();
        let (width, height) = (out.width, out.height);
        let mut random = Random::new(self.seed, index as u64, 0);
        let (common_gain, common_offset) = (random.normal(), random.normal());
        let cells: [[f32; CELLS + 1]; CELLS + 1] =
            std::array::from_fn(|_| std::array::from_fn(|_| self.local_percent / 100.0 * random.normal()));
        let (own, common) = (self.colour.sqrt(), (1.0 - self.colour).sqrt());
        for channel in 0..colour_channels(&out) {
            let gain = 1.0 + self.gain_percent / 100.0 * (common * common_gain + own * random.normal());
            let offset = self.offset_codes / 255.0 * (common * common_offset + own * random.normal());
            for (y, row) in out.plane_mut(channel).chunks_exact_mut(width).enumerate() {
                for (x, v) in row.iter_mut().enumerate() {
                    let local =
                        smooth(&cells, (x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32);
                    *v = *v * gain * (1.0 + local) + offset;
                }
            }
        }
        out
    }
}

/// The value between knots, with level ground at each of them.
fn smooth(cells: &[[f32; CELLS + 1]; CELLS + 1], u: f32, v: f32) -> f32 {
    let split = |t: f32| {
        let t = t * CELLS as f32;
        let i = (t as usize).min(CELLS - 1);
        let f = t - i as f32;
        (i, f * f * (3.0 - 2.0 * f))
    };
    let ((i, f), (j, g)) = (split(u), split(v));
    let row = |j: usize| cells[j][i] * (1.0 - f) + cells[j][i + 1] * f;
    row(j) * (1.0 - g) + row(j + 1) * g
}
