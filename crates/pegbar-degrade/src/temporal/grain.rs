//! Film grain: correlated noise, strongest in the middle tones.

use super::random::Random;
use super::{SEED, TemporalDefect, colour_channels};
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the defect takes.
pub const PARAMS: &[Param] = &[
    Param::float(
        "strength",
        "Standard deviation in the middle tones in codes of 255.",
        "codes",
        (0.0, 100.0),
        10.0,
    ),
    Param::float("size", "Standard deviation of a grain's shape.", "px", (0.0, 4.0), 0.8),
    Param::float("colour", "0 gives all channels the same grain, 1 each its own.", "", (0.0, 1.0), 0.5),
    SEED,
];

/// Grain of the film stock: Gaussian noise blurred to the size of a grain, its strength following the tone.
#[derive(Debug, Clone)]
pub struct FilmGrain {
    /// Standard deviation in the middle tones in codes of 255.
    pub strength_codes: f32,
    /// Standard deviation of a grain's shape in pixels.
    pub size_px: f32,
    /// Share of grain that each channel has of its own, `0.0..=1.0`.
    pub colour: f32,
    /// Chooses the pattern.
    pub seed: u64,
}

impl FilmGrain {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            strength_codes: values.f32("strength"),
            size_px: values.f32("size"),
            colour: values.f32("colour"),
            seed: values.int("seed") as u64,
        }
    }
}

impl TemporalDefect for FilmGrain {
    fn frame(&self, clip: &[PlanarImage], index: usize) -> PlanarImage {
        let mut out = clip[index].clone();
        let (width, height) = (out.width, out.height);
        let layer = |purpose: u64| {
            let mut random = Random::new(self.seed, index as u64, purpose);
            let noise: Vec<f32> = (0..width * height).map(|_| random.normal()).collect();
            blurred(&noise, width, self.size_px)
        };
        let common = if self.colour < 1.0 { layer(0) } else { vec![0.0; width * height] };
        let (own_share, common_share) = (self.colour.sqrt(), (1.0 - self.colour).sqrt());
        for channel in 0..colour_channels(&out) {
            let own = layer(1 + channel as u64);
            for ((v, own), common) in out.plane_mut(channel).iter_mut().zip(&own).zip(&common) {
                // Density of silver varies most where half of it is developed; black and white keep a third.
                let tone = v.clamp(0.0, 1.0);
                let visible = 0.33 + 0.67 * 4.0 * tone * (1.0 - tone);
                *v += self.strength_codes / 255.0 * visible * (own_share * own + common_share * common);
            }
        }
        out
    }
}

/// Noise of deviation 1, blurred by a Gaussian, whose deviation is 1 again; it repeats from edge to edge.
fn blurred(noise: &[f32], width: usize, sigma: f32) -> Vec<f32> {
    if sigma < 0.05 {
        return noise.to_vec();
    }
    let radius = (3.0 * sigma).ceil() as isize;
    let mut taps: Vec<f32> =
        (-radius..=radius).map(|i| (-(i * i) as f32 / (2.0 * sigma * sigma)).exp()).collect();
    // White noise through taps keeps its deviation when their squares sum to 1.
    let energy = taps.iter().map(|t| t * t).sum::<f32>().sqrt();
    taps.iter_mut().for_each(|t| *t /= energy);
    let height = noise.len() / width;
    let mut across = vec![0.0; noise.len()];
    for (row, out) in noise.chunks_exact(width).zip(across.chunks_exact_mut(width)) {
        for (x, v) in out.iter_mut().enumerate() {
            let at = |i: usize| (x as isize + i as isize - radius).rem_euclid(width as isize) as usize;
            *v = taps.iter().enumerate().map(|(i, t)| t * row[at(i)]).sum();
        }
    }
    let mut down = vec![0.0; noise.len()];
    for (y, out) in down.chunks_exact_mut(width).enumerate() {
        for (i, t) in taps.iter().enumerate() {
            let from = (y as isize + i as isize - radius).rem_euclid(height as isize) as usize * width;
            for (v, a) in out.iter_mut().zip(&across[from..from + width]) {
                *v += t * a;
            }
        }
    }
    down
}
