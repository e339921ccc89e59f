//! Noise of the textbook kinds.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};
use rayon::prelude::*;

use super::choices::choices;
use super::random::Random;
use super::samples::n_colours;

/// The parameters of [`AddNoise`].
pub const PARAMS: &[Param] = &[
    Param::choice("kind", "The distribution.", NoiseKind::CHOICES, "gaussian"),
    Param::choice("colour", "Whether channels get noise of their own.", NoiseColour::CHOICES, "gray"),
    Param::float(
        "amount",
        "How much: a standard deviation, a range, or the share of pixels hit, in percent.",
        "%",
        (0.0, 100.0),
        3.0,
    ),
    Param::int("seed", "Another number gives other noise.", "", (0, 4_294_967_295), 0),
    Param::bool("clip", "Clips the result to 0..1.", true),
];

choices! {
    /// A distribution of noise.
    NoiseKind {
        Gaussian = "gaussian", "Normal, `amount` its standard deviation.";
        Uniform = "uniform", "Even, up to `amount` either way.";
        SaltAndPepper = "salt-and-pepper", "`amount` of the pixels become black or white.";
        Poisson = "poisson", "Of counted light: the darker, the fewer counts; `amount` is its deviation at white.";
        Speckle = "speckle", "Normal, multiplied by the sample, `amount` its standard deviation at white.";
    }
}

choices! {
    /// Whether channels share their noise.
    NoiseColour {
        Gray = "gray", "One noise for all.";
        Rgb = "rgb", "Each its own.";
    }
}

/// Adds noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AddNoise {
    /// The distribution.
    pub kind: NoiseKind,
    /// Whether channels share it.
    pub colour: NoiseColour,
    /// How much, `0..=1`.
    pub amount: f32,
    /// Another gives other noise.
    pub seed: u64,
    /// Whether the result is clipped to `0..=1`.
    pub clip: bool,
}

impl AddNoise {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            kind: NoiseKind::of(values, "kind"),
            colour: NoiseColour::of(values, "colour"),
            amount: values.f32("amount") / 100.0,
            seed: values.usize("seed") as u64,
            clip: values.bool("clip"),
        }
    }

    /// The noisy picture of frame 0.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        self.apply_to_frame(image, 0)
    }

    /// The noisy picture; each frame of a film has noise of its own.
    pub fn apply_to_frame(&self, image: &PlanarImage, frame: u64) -> PlanarImage {
        let mut out = image.clone();
        if self.amount == 0.0 || image.width == 0 {
            return out;
        }
        let amount = self.amount;
        for channel in 0..n_colours(image) {
            let stream = if self.colour == NoiseColour::Rgb { channel as u64 } else { 0 };
            let random = Random::new(self.seed, frame.wrapping_mul(4).wrapping_add(stream));
            out.plane_mut(channel).par_chunks_mut(image.width).enumerate().for_each(|(y, row)| {
                // Pairs start anew in each row, so rows do not depend on each other.
                let start = (y as u64) << 32;
                let two = |i: usize| start + i as u64;
                match self.kind {
                    NoiseKind::Gaussian => {
                        each_pair(row, |i| random.normal_pair(two(i)), |s, n| s + amount * n)
                    }
                    NoiseKind::Speckle => {
                        each_pair(row, |i| random.normal_pair(two(i)), |s, n| s + amount * s * n)
                    }
                    NoiseKind::Uniform => {
                        each_pair(row, |i| random.uniform_pair(two(i)), |s, u| s + amount * (2.0 * u - 1.0));
                    }
                    NoiseKind::SaltAndPepper => each_pair(
                        row,
                        |i| random.uniform_pair(two(i)),
                        |s, u| {
                            if u < amount / 2.0 {
                                0.0
                            } else if u >= 1.0 - amount / 2.0 {
                                1.0
                            } else {
                                s
                            }
                        },
                    ),
                    NoiseKind::Poisson => {
                        // With n counts at white the deviation there is 1 / sqrt(n).
                        let counts = 1.0 / (amount * amount);
                        for (x, s) in row.iter_mut().enumerate() {
                            *s = random.poisson(two(x), *s * counts) / counts;
                        }
                    }
                }
                if self.clip {
                    row.iter_mut().for_each(|s| *s = s.clamp(0.0, 1.0));
                }
            });
        }
        out
    }
}

fn each_pair(row: &mut [f32], random: impl Fn(usize) -> (f32, f32), f: impl Fn(f32, f32) -> f32) {
    for (i, pair) in row.chunks_mut(2).enumerate() {
        let (a, b) = random(i);
        pair[0] = f(pair[0], a);
        if let Some(second) = pair.get_mut(1) {
            *second = f(*second, b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn noise(kind: NoiseKind, amount: f32) -> AddNoise {
        AddNoise { kind, colour: NoiseColour::Rgb, amount, seed: 5, clip: false }
    }

    #[test]
    fn deviations_are_as_asked() {
        let image = PlanarImage { width: 200, height: 200, channels: 3, data: vec![0.5; 120_000] };
        for (kind, amount, want) in [
            (NoiseKind::Gaussian, 0.1, 0.1),
            (NoiseKind::Speckle, 0.1, 0.05),
            (NoiseKind::Uniform, 0.1, 0.1 / 3f32.sqrt()),
            (NoiseKind::SaltAndPepper, 0.1, 0.5 * 0.1f32.sqrt()),
            (NoiseKind::Poisson, 0.1, 0.1 * 0.5f32.sqrt()),
        ] {
            let out = noise(kind, amount).apply(&image);
            let mean = out.data.iter().sum::<f32>() / 120_000.0;
            let deviation = (out.data.iter().map(|s| (s - 0.5).powi(2)).sum::<f32>() / 120_000.0).sqrt();
            assert!(
                (mean - 0.5).abs() < 0.003 && (deviation / want - 1.0).abs() < 0.03,
                "{kind:?} {mean} {deviation}"
            );
            assert_eq!(noise(kind, amount).apply(&image), out, "the same again");
            assert_ne!(noise(kind, amount).apply_to_frame(&image, 1), out);
            assert_ne!(out.plane(0), out.plane(1));
            let gray = AddNoise { colour: NoiseColour::Gray, ..noise(kind, amount) }.apply(&image);
            assert_eq!(gray.plane(0), gray.plane(1));
            made::keeps_shape_and_alpha(|i| noise(kind, amount).apply(i));
            assert_eq!(noise(kind, 0.0).apply(&image), image);
        }
    }
}
