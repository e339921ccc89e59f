//! Black and white pictures: by a level, or by the level of the surroundings.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::border::Border;
use super::choices::choices;
use super::convolution::{box_mean, gaussian};
use super::samples::{gray, luma, map_colour, map_planes};

/// The parameters of [`Threshold`].
pub const PARAMS: &[Param] = &[
    Param::choice("level-from", "Where the level comes from.", LevelSource::CHOICES, "fixed"),
    Param::float("level", "The level, with `level-from` fixed.", "%", (0.0, 100.0), 50.0),
    Param::float("white", "What samples above the level become.", "%", (0.0, 100.0), 100.0),
    Param::choice("kind", "What becomes of samples above and below.", ThresholdKind::CHOICES, "binary"),
    Param::float(
        "softness",
        "Width of the ramp between black and white, with `kind` binary and binary-inverse.",
        "%",
        (0.0, 100.0),
        0.0,
    ),
    Param::bool("luma", "Makes a gray picture from luma; otherwise each channel has its own.", false),
];

/// The parameters of [`AdaptiveThreshold`].
pub const ADAPTIVE_PARAMS: &[Param] = &[
    Param::choice("method", "The mean a sample is compared with.", AdaptiveMethod::CHOICES, "gaussian"),
    Param::int("radius", "How far the surroundings reach.", "px", (1, 1000), 5),
    Param::float("offset", "How much darker than the mean is still white.", "%", (-100.0, 100.0), 2.0),
    Param::float("white", "What light samples become.", "%", (0.0, 100.0), 100.0),
    Param::bool("invert", "Exchanges black and white.", false),
];

choices! {
    /// Where the level comes from.
    LevelSource {
        Fixed = "fixed", "It is given.";
        Otsu = "otsu", "From the picture: the level that parts light and dark best (Otsu).";
        Mean = "mean", "From the picture: the mean.";
    }
}

choices! {
    /// What becomes of samples above and below a level.
    ThresholdKind {
        Binary = "binary", "Above white, below black.";
        BinaryInverse = "binary-inverse", "Above black, below white.";
        Truncate = "truncate", "Above the level itself, below as they are.";
        ToZero = "to-zero", "Above as they are, below black.";
        ToZeroInverse = "to-zero-inverse", "Above black, below as they are.";
    }
}

choices! {
    /// The mean of surroundings.
    AdaptiveMethod {
        Mean = "mean", "All of a square alike.";
        Gaussian = "gaussian", "The nearer the more.";
    }
}

/// Compares samples with a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Where the level comes from.
    pub source: LevelSource,
    /// The level, with [`LevelSource::Fixed`].
    pub level: f32,
    /// What white is.
    pub white: f32,
    /// What becomes of samples.
    pub kind: ThresholdKind,
    /// Width of the ramp between black and white.
    pub softness: f32,
    /// Whether luma is compared and a gray picture made.
    pub luma: bool,
}

impl Threshold {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            source: LevelSource::of(values, "level-from"),
            level: values.f32("level") / 100.0,
            white: values.f32("white") / 100.0,
            kind: ThresholdKind::of(values, "kind"),
            softness: values.f32("softness") / 100.0,
            luma: values.bool("luma"),
        }
    }

    /// The level, `0.0..=1.0`: the one given, or that of the picture's luma.
    pub fn level_for(&self, image: &PlanarImage) -> f32 {
        match self.source {
            LevelSource::Fixed => self.level,
            LevelSource::Otsu => otsu(&luma(image)),
            LevelSource::Mean => {
                let samples = luma(image);
                let sum: f64 = samples.iter().map(|s| f64::from(*s)).sum();
                (sum / samples.len().max(1) as f64) as f32
            }
        }
    }

    /// Compares: above the level is what is greater.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let compared = if self.luma { gray(image.width, image.height, luma(image)) } else { image.clone() };
        let level = self.level_for(image);
        let white = self.white;
        let share = |s: f32| {
            if self.softness > 0.0 {
                ((s - level) / self.softness + 0.5).clamp(0.0, 1.0)
            } else {
                f32::from(u8::from(s > level))
            }
        };
        match self.kind {
            ThresholdKind::Binary => map_colour(&compared, |s| share(s) * white),
            ThresholdKind::BinaryInverse => map_colour(&compared, |s| (1.0 - share(s)) * white),
            ThresholdKind::Truncate => map_colour(&compared, |s| if s > level { level } else { s }),
            ThresholdKind::ToZero => map_colour(&compared, |s| if s > level { s } else { 0.0 }),
            ThresholdKind::ToZeroInverse => map_colour(&compared, |s| if s > level { 0.0 } else { s }),
        }
    }
}

/// Compares samples with the mean of their surroundings, each channel alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveThreshold {
    /// The mean.
    pub method: AdaptiveMethod,
    /// How far surroundings reach.
    pub radius_px: usize,
    /// How much darker than the mean is white.
    pub offset: f32,
    /// What white is.
    pub white: f32,
    /// Whether black and white change places.
    pub invert: bool,
}

impl AdaptiveThreshold {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            method: AdaptiveMethod::of(values, "method"),
            radius_px: values.usize("radius"),
            offset: values.f32("offset") / 100.0,
            white: values.f32("white") / 100.0,
            invert: values.bool("invert"),
        }
    }

    /// Compares.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let radius = self.radius_px as f32;
        // The standard deviation OpenCV takes for a Gaussian of this radius.
        let sigma = 0.3 * (radius - 1.0) + 0.8;
        map_planes(image, |plane| {
            let mut means = match self.method {
                AdaptiveMethod::Mean => box_mean(plane, image.width, radius, radius, Border::Replicate),
                AdaptiveMethod::Gaussian => gaussian(plane, image.width, sigma, sigma),
            };
            for (mean, s) in means.iter_mut().zip(plane) {
                let light = *s > *mean - self.offset;
                *mean = if light != self.invert { self.white } else { 0.0 };
            }
            means
        })
    }
}

/// The level that makes the variance between light and dark largest, from 256 bins over 0..1 (Otsu: "A threshold
/// selection method from gray-level histograms", 1979).
pub(crate) fn otsu(samples: &[f32]) -> f32 {
    let mut bins = [0u64; 256];
    samples.iter().for_each(|s| bins[(s.clamp(0.0, 1.0) * 255.0).round() as usize] += 1);
    let total = samples.len() as f64;
    let sum: f64 = bins.iter().enumerate().map(|(i, n)| i as f64 * *n as f64).sum();
    let (mut below, mut sum_below) = (0.0, 0.0);
    let mut best = (0.0, 0.0, 0.0);
    for (i, n) in bins.iter().enumerate() {
        below += *n as f64;
        sum_below += i as f64 * *n as f64;
        if below == 0.0 || below == total {
            continue;
        }
        let distance = sum_below / below - (sum - sum_below) / (total - below);
        let between = below * (total - below) * distance * distance;
        // Equal ones lie between two heaps: the level goes to their middle.
        if between > best.0 * (1.0 + 1e-12) {
            best = (between, i as f64, i as f64);
        } else if between >= best.0 * (1.0 - 1e-12) {
            best.2 = i as f64;
        }
    }
    ((best.1 + best.2) / 2.0 / 255.0 + 0.5 / 255.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn kinds() {
        let image = PlanarImage { width: 3, height: 1, channels: 1, data: vec![0.2, 0.5, 0.8] };
        let mut threshold = Threshold::from_values(&ParamValues::defaults(PARAMS));
        threshold.white = 0.9;
        let mut of = |kind| {
            threshold.kind = kind;
            threshold.apply(&image).data
        };
        assert_eq!(of(ThresholdKind::Binary), [0.0, 0.0, 0.9]);
        assert_eq!(of(ThresholdKind::BinaryInverse), [0.9, 0.9, 0.0]);
        assert_eq!(of(ThresholdKind::Truncate), [0.2, 0.5, 0.5]);
        assert_eq!(of(ThresholdKind::ToZero), [0.0, 0.0, 0.8]);
        assert_eq!(of(ThresholdKind::ToZeroInverse), [0.2, 0.5, 0.0]);
        let soft = Threshold { kind: ThresholdKind::Binary, softness: 0.6, white: 1.0, ..threshold };
        made::close(&soft.apply(&image).data, &[0.0, 0.5, 1.0], 1e-5);
        made::keeps_shape_and_alpha(|image| soft.apply(image));
    }

    #[test]
    fn otsu_parts_two_heaps() {
        let samples: Vec<f32> =
            (0..100).map(|i| if i % 3 == 0 { 0.7 } else { 0.2 } + (i % 5) as f32 * 0.01).collect();
        let level = otsu(&samples);
        assert!((0.25..0.7).contains(&level), "{level}");
        assert!((0.4..0.55).contains(&level), "in the middle of the gap: {level}");
        otsu(&[]);
        otsu(&[f32::NAN]);
    }

    #[test]
    fn surroundings_decide() {
        // A ramp with thin dark lines: no fixed level finds them all.
        let mut image = PlanarImage::zeros(1, 20, 60);
        for (i, s) in image.data.iter_mut().enumerate() {
            let x = i % 60;
            *s = x as f32 / 60.0 - if x % 10 == 5 { 0.2 } else { 0.0 };
        }
        let mut adaptive = AdaptiveThreshold::from_values(&ParamValues::defaults(ADAPTIVE_PARAMS));
        adaptive.offset = 0.08;
        for &method in AdaptiveMethod::ALL {
            adaptive.method = method;
            let out = adaptive.apply(&image);
            for x in 4..56 {
                assert_eq!(out.data[10 * 60 + x] == 0.0, x % 10 == 5, "{method:?} {x}");
            }
            made::keeps_shape_and_alpha(|image| adaptive.apply(image));
        }
    }
}
