//! Gamma, brightness and contrast, negative, clamping, stretching to the full range.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::choices::choices;
use super::samples::{map_colour, n_colours};

/// The parameters of [`Gamma`].
pub const GAMMA_PARAMS: &[Param] = &[
    Param::float("gamma", "The exponent: over 1 darkens, under 1 lightens.", "", (0.01, 100.0), 1.0),
    Param::bool("invert", "Takes the inverse of the exponent.", false),
];

/// The parameters of [`BrightnessContrast`].
pub const BRIGHTNESS_PARAMS: &[Param] = &[
    Param::float("brightness", "Added to every sample, in percent of white.", "%", (-100.0, 100.0), 0.0),
    Param::float(
        "contrast",
        "Spreads samples about the middle, or draws them together.",
        "%",
        (-100.0, 100.0),
        0.0,
    ),
];

/// The parameters of [`Invert`].
pub const INVERT_PARAMS: &[Param] = &[Param::bool("alpha", "Inverts alpha, too.", false)];

/// The parameters of [`Clamp`].
pub const CLAMP_PARAMS: &[Param] = &[
    Param::float("low", "Nothing becomes darker.", "", (-10.0, 10.0), 0.0),
    Param::float("high", "Nothing becomes lighter.", "", (-10.0, 10.0), 1.0),
];

/// The parameters of [`Normalize`].
pub const NORMALIZE_PARAMS: &[Param] = &[
    Param::choice("channels", "Whether colours keep their hue.", NormalizeChannels::CHOICES, "together"),
    Param::float("low", "Share of the darkest samples that may clip to black.", "%", (0.0, 49.0), 0.1),
    Param::float("high", "Share of the lightest samples that may clip to white.", "%", (0.0, 49.0), 0.1),
    Param::float("strength", "How far samples go towards the stretched picture.", "%", (0.0, 100.0), 100.0),
];

choices! {
    /// How channels are stretched.
    NormalizeChannels {
        Together = "together", "All by the same amount: hues stay.";
        Each = "each", "Each to the full range: takes a colour cast off.";
    }
}

/// Raises samples to a power.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gamma {
    /// The exponent.
    pub exponent: f32,
}

impl Gamma {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        let gamma = values.f32("gamma");
        Self { exponent: if values.bool("invert") { 1.0 / gamma } else { gamma } }
    }

    /// Raises; negative samples keep their sign.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.exponent == 1.0 {
            return image.clone();
        }
        map_colour(image, |s| s.abs().powf(self.exponent).copysign(s))
    }
}

/// Changes brightness and contrast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrightnessContrast {
    /// Added to every sample.
    pub brightness: f32,
    /// `-1..=1`: 0 leaves contrast, -1 makes a gray area, 1 nearly only black and white.
    pub contrast: f32,
}

impl BrightnessContrast {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { brightness: values.f32("brightness") / 100.0, contrast: values.f32("contrast") / 100.0 }
    }

    /// `f s + b + (1 - f) / 2` with the factor `f = m (c + 1) / (m - c)`, `m = 259 / 255`, clipped to 0..1.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if (self.brightness, self.contrast) == (0.0, 0.0) {
            return image.clone();
        }
        let most = 259.0 / 255.0;
        let factor = most * (self.contrast + 1.0) / (most - self.contrast);
        let offset = self.brightness + 0.5 * (1.0 - factor);
        map_colour(image, |s| (factor * s + offset).clamp(0.0, 1.0))
    }
}

/// Makes a negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invert {
    /// Whether alpha is inverted, too.
    pub alpha: bool,
}

impl Invert {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { alpha: values.bool("alpha") }
    }

    /// One minus each sample.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = map_colour(image, |s| 1.0 - s);
        if self.alpha && out.channels == 4 {
            out.plane_mut(3).iter_mut().for_each(|a| *a = 1.0 - *a);
        }
        out
    }
}

/// Keeps samples within a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clamp {
    /// Least sample.
    pub low: f32,
    /// Greatest sample; under `low` it counts as that.
    pub high: f32,
}

impl Clamp {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { low: values.f32("low"), high: values.f32("high") }
    }

    /// Clamps colour; NaN becomes `low`.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        map_colour(image, |s| s.max(self.low).min(self.high.max(self.low)))
    }
}

/// Stretches samples to the full range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalize {
    /// Whether hues stay.
    pub channels: NormalizeChannels,
    /// Share of samples that may clip to black, `0..0.5`.
    pub low: f32,
    /// Share of samples that may clip to white, `0..0.5`.
    pub high: f32,
    /// How far samples go, `0..=1`.
    pub strength: f32,
}

impl Normalize {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            channels: NormalizeChannels::of(values, "channels"),
            low: values.f32("low") / 100.0,
            high: values.f32("high") / 100.0,
            strength: values.f32("strength") / 100.0,
        }
    }

    /// Stretches and clips to 0..1; a flat picture comes back as it is.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        let n = image.width * image.height;
        if n == 0 || self.strength == 0.0 {
            return out;
        }
        let colours = n_colours(image);
        let group = if self.channels == NormalizeChannels::Each { n } else { colours * n };
        for samples in out.data[..colours * n].chunks_exact_mut(group) {
            let (black, white) = (quantile(samples, self.low), quantile(samples, 1.0 - self.high));
            if white - black < 1e-6 {
                continue;
            }
            let scale = 1.0 / (white - black);
            for s in samples {
                let stretched = ((*s - black) * scale).clamp(0.0, 1.0);
                *s += self.strength * (stretched - *s);
            }
        }
        out
    }
}

/// The sample that a share of all is not greater than; NaN counts as the greatest.
pub(crate) fn quantile(samples: &[f32], share: f32) -> f32 {
    let mut sorted = samples.to_vec();
    let i = ((samples.len() - 1) as f64 * f64::from(share)).round() as usize;
    *sorted.select_nth_unstable_by(i.min(samples.len() - 1), f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn pixel(data: [f32; 3]) -> PlanarImage {
        PlanarImage { width: 1, height: 1, channels: 3, data: data.to_vec() }
    }

    #[test]
    fn formulas() {
        made::close(&Gamma { exponent: 2.0 }.apply(&pixel([0.5, 1.0, -0.5])).data, &[0.25, 1.0, -0.25], 1e-6);
        let bc = BrightnessContrast { brightness: 0.1, contrast: 0.0 };
        made::close(&bc.apply(&pixel([0.2, 0.5, 0.95])).data, &[0.3, 0.6, 1.0], 1e-6);
        let bc = BrightnessContrast { brightness: 0.0, contrast: 0.5 };
        // m (c + 1) / (m - c) = 1.5235 / 0.5157 = 2.954
        made::close(&bc.apply(&pixel([0.4, 0.5, 0.6])).data, &[0.204_56, 0.5, 0.795_44], 1e-4);
        let flat = BrightnessContrast { brightness: 0.0, contrast: -1.0 };
        made::close(&flat.apply(&pixel([0.0, 0.5, 1.0])).data, &[0.5; 3], 1e-6);
        made::close(&Invert { alpha: false }.apply(&pixel([0.0, 0.3, 1.0])).data, &[1.0, 0.7, 0.0], 1e-6);
        let clamp = Clamp { low: 0.1, high: 0.9 };
        assert_eq!(clamp.apply(&pixel([-1.0, f32::NAN, 3.0])).data, [0.1, 0.1, 0.9]);
    }

    #[test]
    fn stretched_to_the_ends() {
        let image = PlanarImage {
            width: 3,
            height: 1,
            channels: 3,
            data: vec![0.2, 0.3, 0.4, 0.4, 0.5, 0.6, 0.3, 0.3, 0.3],
        };
        let mut normalize =
            Normalize { channels: NormalizeChannels::Together, low: 0.0, high: 0.0, strength: 1.0 };
        made::close(&normalize.apply(&image).data, &[0.0, 0.25, 0.5, 0.5, 0.75, 1.0, 0.25, 0.25, 0.25], 1e-6);
        normalize.channels = NormalizeChannels::Each;
        made::close(&normalize.apply(&image).data, &[0.0, 0.5, 1.0, 0.0, 0.5, 1.0, 0.3, 0.3, 0.3], 1e-6);
        made::keeps_shape_and_alpha(|image| normalize.apply(image));
        for (table, neutral) in [(GAMMA_PARAMS, true), (BRIGHTNESS_PARAMS, true)] {
            let values = ParamValues::defaults(table);
            let image = made::picture(4, 9, 7);
            let out = if table == GAMMA_PARAMS {
                Gamma::from_values(&values).apply(&image)
            } else {
                BrightnessContrast::from_values(&values).apply(&image)
            };
            assert_eq!(out == image, neutral);
        }
    }
}
