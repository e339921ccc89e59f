//! Grain as of film: soft clumps that depend on how light the picture is.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::border::Border;
use super::convolution::{gaussian_kernel, separable};
use super::random::Random;
use super::samples::{luma, n_colours};

/// The parameters of [`FilmGrain`].
pub const PARAMS: &[Param] = &[
    Param::float(
        "strength",
        "Standard deviation of the grain in the middle tones, in steps of 8 bits.",
        "",
        (0.0, 64.0),
        4.0,
    ),
    Param::float("size", "Width of the clumps: 1 is a grain for each pixel.", "px", (1.0, 8.0), 1.6),
    Param::float(
        "shadows",
        "Grain in black, in percent of that in the middle tones.",
        "%",
        (0.0, 200.0),
        60.0,
    ),
    Param::float(
        "highlights",
        "Grain in white, in percent of that in the middle tones.",
        "%",
        (0.0, 200.0),
        25.0,
    ),
    Param::float(
        "colour",
        "How far the grains of red, green and blue differ: 0 for gray grain.",
        "%",
        (0.0, 100.0),
        20.0,
    ),
    Param::int("seed", "Another number gives other grain.", "", (0, 4_294_967_295), 0),
];

/// Grain as of film.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilmGrain {
    /// Standard deviation in the middle tones, in samples.
    pub strength: f32,
    /// Width of the clumps.
    pub size_px: f32,
    /// Grain in black, as a part of that in the middle.
    pub shadows: f32,
    /// Grain in white, as a part of that in the middle.
    pub highlights: f32,
    /// `0..=1`: share of grain that channels do not have in common.
    pub colour: f32,
    /// Another gives other grain.
    pub seed: u64,
}

impl FilmGrain {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            strength: values.f32("strength") / 255.0,
            size_px: values.f32("size"),
            shadows: values.f32("shadows") / 100.0,
            highlights: values.f32("highlights") / 100.0,
            colour: values.f32("colour") / 100.0,
            seed: values.usize("seed") as u64,
        }
    }

    /// The picture of frame 0 with grain.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        self.apply_to_frame(image, 0)
    }

    /// The picture with grain; each frame of a film has grain of its own.
    pub fn apply_to_frame(&self, image: &PlanarImage, frame: u64) -> PlanarImage {
        let mut out = image.clone();
        if self.strength == 0.0 || image.width == 0 || image.height == 0 {
            return out;
        }
        let response: Vec<f32> = luma(image).into_iter().map(|l| self.strength * self.response(l)).collect();
        let n_channels = n_colours(image);
        let common = (self.colour < 1.0 || n_channels == 1).then(|| self.grain(image, frame, 0));
        let own_share = if n_channels == 1 { 0.0 } else { self.colour.clamp(0.0, 1.0) };
        // Variances add: the shares are of variance.
        let (own_weight, common_weight) = (own_share.sqrt(), (1.0 - own_share).sqrt());
        for channel in 0..n_channels {
            let mut grain = match &common {
                Some(common) => common.iter().map(|g| g * common_weight).collect(),
                None => vec![0.0; response.len()],
            };
            if own_weight > 0.0 {
                let own = self.grain(image, frame, channel as u64 + 1);
                grain.iter_mut().zip(&own).for_each(|(g, own)| *g += own_weight * own);
            }
            let samples = out.plane_mut(channel).iter_mut().zip(&grain).zip(&response);
            samples.for_each(|((s, grain), response)| *s += grain * response);
        }
        out
    }

    /// Correlated noise with a standard deviation of 1.
    fn grain(&self, image: &PlanarImage, frame: u64, stream: u64) -> Vec<f32> {
        let mut noise = vec![0.0; image.width * image.height];
        Random::new(self.seed, frame.wrapping_mul(4).wrapping_add(stream)).fill_normal(&mut noise);
        if self.size_px <= 1.0 {
            return noise;
        }
        // A clump is about as wide as two standard deviations of the blur.
        let mut kernel = gaussian_kernel((self.size_px - 1.0) / 2.0 + 0.15);
        let power: f32 = kernel.iter().map(|k| k * k).sum();
        kernel.iter_mut().for_each(|k| *k /= power.sqrt());
        // Wrapped, so that the deviation is the same at the edges.
        separable(&noise, image.width, &kernel, &kernel, Border::Wrap)
    }

    /// How much grain there is at a luma: a parabola through black, middle and white.
    fn response(&self, luma: f32) -> f32 {
        let l = luma.clamp(0.0, 1.0);
        let (black, white) = (self.shadows, self.highlights);
        let bend = 2.0 * (black + white) - 4.0;
        (black + (white - black - bend) * l + bend * l * l).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn film() -> FilmGrain {
        FilmGrain::from_values(&ParamValues::defaults(PARAMS))
    }

    #[test]
    fn strength_follows_luma() {
        for (level, want) in [(0.0, 0.6), (0.5, 1.0), (1.0, 0.25)] {
            let image = PlanarImage { width: 150, height: 120, channels: 3, data: vec![level; 54_000] };
            let out = film().apply(&image);
            let deviation = (out.data.iter().map(|s| (s - level).powi(2)).sum::<f32>() / 54_000.0).sqrt();
            assert!((deviation / (want * film().strength) - 1.0).abs() < 0.04, "{level} {deviation}");
        }
    }

    #[test]
    fn clumps_and_colours() {
        let image = PlanarImage { width: 150, height: 120, channels: 3, data: vec![0.5; 54_000] };
        let correlation = |a: &[f32], b: &[f32]| {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - 0.5) * (b - 0.5)).sum::<f32>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        let fine = FilmGrain { size_px: 1.0, ..film() }.apply(&image);
        let coarse = FilmGrain { size_px: 3.0, ..film() }.apply(&image);
        let neighbours = |i: &PlanarImage| correlation(&i.plane(0)[..17_999], &i.plane(0)[1..]);
        assert!(neighbours(&fine).abs() < 0.03 && neighbours(&coarse) > 0.6, "{}", neighbours(&coarse));
        let between = |colour: f32| {
            let out = FilmGrain { colour, ..film() }.apply(&image);
            correlation(out.plane(0), out.plane(2))
        };
        assert!((between(0.0) - 1.0).abs() < 1e-5);
        assert!((between(0.2) - 0.8).abs() < 0.03 && between(1.0).abs() < 0.03);
        assert_ne!(film().apply(&image), film().apply_to_frame(&image, 1));
        assert_eq!(FilmGrain { strength: 0.0, ..film() }.apply(&image), image);
        made::keeps_shape_and_alpha(|i| film().apply(i));
    }
}
