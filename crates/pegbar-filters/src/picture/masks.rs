//! Masks made from pictures: edges, a range of luma, flat areas, a colour.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, Rgba};

use super::border::Border;
use super::choices::choices;
use super::colour_model::ColourSpace;
use super::convolution::{box_mean, correlate, gaussian};
use super::morphology::{Shape, extreme};
use super::samples::{gray, luma, with_channels};

const EXPAND: Param = Param::int("expand", "How far the mask grows.", "px", (0, 100), 1);
const SOFTEN: Param =
    Param::float("soften", "Standard deviation of a blur of the mask.", "px", (0.0, 100.0), 1.0);
const INVERT: Param = Param::bool("invert", "Exchanges black and white.", false);

/// The parameters of [`EdgeMask`].
pub const EDGE_PARAMS: &[Param] = &[
    Param::float(
        "low",
        "Gradient of luma where the mask begins, in percent of white a pixel.",
        "%",
        (0.0, 100.0),
        4.0,
    ),
    Param::float("high", "Gradient where the mask is white.", "%", (0.0, 100.0), 12.0),
    EXPAND,
    SOFTEN,
    INVERT,
];

/// The parameters of [`LumaMask`].
pub const LUMA_PARAMS: &[Param] = &[
    Param::float("low", "Darkest luma of the mask.", "%", (-100.0, 200.0), 0.0),
    Param::float("high", "Lightest luma of the mask.", "%", (-100.0, 200.0), 30.0),
    Param::float("softness", "How far beyond its ends the mask falls to black.", "%", (0.0, 100.0), 10.0),
    Param::float("soften", "Standard deviation of a blur of the mask.", "px", (0.0, 100.0), 0.0),
    INVERT,
];

/// The parameters of [`FlatMask`].
pub const FLAT_PARAMS: &[Param] = &[
    Param::int("radius", "How far the surroundings reach that must be flat.", "px", (1, 100), 4),
    Param::float(
        "threshold",
        "Standard deviation of luma up to which they are flat, in steps of 8 bits.",
        "",
        (0.0, 64.0),
        2.0,
    ),
    SOFTEN,
    INVERT,
];

/// The parameters of [`ColourKey`].
pub const COLOUR_KEY_PARAMS: &[Param] = &[
    Param::colour("colour", "The colour sought.", "#00ff00"),
    Param::float(
        "tolerance",
        "How far colours may be from it, in percent of the way from black to white in Oklab.",
        "%",
        (0.0, 100.0),
        10.0,
    ),
    Param::float("softness", "How far beyond the mask falls to black.", "%", (0.0, 100.0), 5.0),
    Param::bool("ignore-lightness", "Compares colour only, so that shadows on a screen count.", false),
    Param::choice("output", "What comes out.", KeyOutput::CHOICES, "mask"),
    INVERT,
];

choices! {
    /// What a colour key makes.
    KeyOutput {
        Mask = "mask", "The mask: white where the colour is.";
        Alpha = "alpha", "The picture, transparent where the colour is.";
    }
}

/// White along edges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EdgeMask {
    /// Gradient where the mask begins, a pixel.
    pub low: f32,
    /// Gradient where it is white.
    pub high: f32,
    /// How far it grows.
    pub expand_px: usize,
    /// Standard deviation of its blur.
    pub soften_px: f32,
    /// Whether black and white change places.
    pub invert: bool,
}

impl EdgeMask {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            low: values.f32("low") / 100.0,
            high: values.f32("high") / 100.0,
            expand_px: values.usize("expand"),
            soften_px: values.f32("soften"),
            invert: values.bool("invert"),
        }
    }

    /// The mask, from Sobel's gradient of luma.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let (plane, width) = (luma(image), image.width);
        // An eighth makes the kernel the slope a pixel.
        let x = [-0.125, 0.0, 0.125, -0.25, 0.0, 0.25, -0.125, 0.0, 0.125];
        let y = [-0.125, -0.25, -0.125, 0.0, 0.0, 0.0, 0.125, 0.25, 0.125];
        let mut mask = correlate(&plane, width, &x, 3, Border::Replicate);
        let down = correlate(&plane, width, &y, 3, Border::Replicate);
        let ramp = ramp(self.low, self.high);
        mask.iter_mut().zip(&down).for_each(|(x, y)| *x = ramp((*x * *x + y * y).sqrt()));
        if self.expand_px > 0 {
            mask = extreme(&mask, width, Shape::Ellipse, self.expand_px, f32::max);
        }
        finish(image, mask, self.soften_px, self.invert)
    }
}

/// White where luma lies in a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LumaMask {
    /// Darkest.
    pub low: f32,
    /// Lightest.
    pub high: f32,
    /// How far beyond the mask falls to black.
    pub softness: f32,
    /// Standard deviation of its blur.
    pub soften_px: f32,
    /// Whether black and white change places.
    pub invert: bool,
}

impl LumaMask {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            low: values.f32("low") / 100.0,
            high: values.f32("high") / 100.0,
            softness: values.f32("softness") / 100.0,
            soften_px: values.f32("soften"),
            invert: values.bool("invert"),
        }
    }

    /// The mask.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let (rise, fall) =
            (ramp(self.low - self.softness, self.low), ramp(self.high, self.high + self.softness));
        let mask = luma(image).into_iter().map(|l| {
            // Without softness the ends belong to the range.
            if (self.low..=self.high).contains(&l) { 1.0 } else { rise(l) * (1.0 - fall(l)) }
        });
        finish(image, mask.collect(), self.soften_px, self.invert)
    }
}

/// White where surroundings are flat: where banding shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlatMask {
    /// How far surroundings reach.
    pub radius_px: usize,
    /// Standard deviation of luma up to which they are flat; at twice this the mask is black.
    pub threshold: f32,
    /// Standard deviation of the mask's blur.
    pub soften_px: f32,
    /// Whether black and white change places.
    pub invert: bool,
}

impl FlatMask {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            radius_px: values.usize("radius"),
            threshold: values.f32("threshold") / 255.0,
            soften_px: values.f32("soften"),
            invert: values.bool("invert"),
        }
    }

    /// The mask.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let (plane, width, radius) = (luma(image), image.width, self.radius_px as f32);
        let mean = box_mean(&plane, width, radius, radius, Border::Mirror);
        // About the mean of the whole, so that squares keep their digits.
        let sum: f64 = plane.iter().map(|s| f64::from(*s)).sum();
        let middle = (sum / plane.len().max(1) as f64) as f32;
        let squares: Vec<f32> = plane.iter().map(|s| (s - middle) * (s - middle)).collect();
        let mut mask = box_mean(&squares, width, radius, radius, Border::Mirror);
        let ramp = ramp(self.threshold, 2.0 * self.threshold);
        for (square, mean) in mask.iter_mut().zip(&mean) {
            let deviation = (*square - (mean - middle) * (mean - middle)).max(0.0).sqrt();
            *square = if deviation <= self.threshold { 1.0 } else { 1.0 - ramp(deviation) };
        }
        finish(image, mask, self.soften_px, self.invert)
    }
}

/// Finds a colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColourKey {
    /// The colour.
    pub colour: Rgba,
    /// Distance in Oklab that counts in full.
    pub tolerance: f32,
    /// How far beyond the mask falls to black.
    pub softness: f32,
    /// Whether lightness does not count.
    pub ignore_lightness: bool,
    /// What comes out.
    pub output: KeyOutput,
    /// Whether black and white change places.
    pub invert: bool,
}

impl ColourKey {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            colour: values.colour("colour"),
            tolerance: values.f32("tolerance") / 100.0,
            softness: values.f32("softness") / 100.0,
            ignore_lightness: values.bool("ignore-lightness"),
            output: KeyOutput::of(values, "output"),
            invert: values.bool("invert"),
        }
    }

    /// The mask, or the picture with alpha multiplied by what is not in it.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let Rgba([r, g, b, _]) = self.colour;
        let key = ColourSpace::OkLab.from_rgb([r, g, b]);
        let ramp = ramp(self.tolerance, self.tolerance + self.softness);
        let colour = with_channels(image, 3);
        let pixels = colour.plane(0).iter().zip(colour.plane(1)).zip(colour.plane(2));
        let mask = pixels.map(|((r, g), b)| {
            let [l, a, b] = ColourSpace::OkLab.from_rgb([*r, *g, *b]);
            let lightness = if self.ignore_lightness { 0.0 } else { l - key[0] };
            let distance = (lightness.powi(2) + (a - key[1]).powi(2) + (b - key[2]).powi(2)).sqrt();
            if distance <= self.tolerance { 1.0 } else { 1.0 - ramp(distance) }
        });
        let mask = finish(image, mask.collect(), 0.0, self.invert);
        if self.output == KeyOutput::Mask {
            return mask;
        }
        let mut out = with_channels(image, 4);
        out.plane_mut(3).iter_mut().zip(&mask.data).for_each(|(a, m)| *a *= 1.0 - m);
        out
    }
}

/// From 0 at `low` to 1 at `high`; a step where they are the same. NaN becomes 0.
fn ramp(low: f32, high: f32) -> impl Fn(f32) -> f32 {
    let scale = 1.0 / (high - low).max(1e-9);
    move |v: f32| if v > low { ((v - low) * scale).min(1.0) } else { 0.0 }
}

fn finish(image: &PlanarImage, mut mask: Vec<f32>, soften: f32, invert: bool) -> PlanarImage {
    if soften > 0.0 {
        mask = gaussian(&mask, image.width, soften, soften);
    }
    if invert {
        mask.iter_mut().for_each(|m| *m = 1.0 - *m);
    }
    gray(image.width, image.height, mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn step() -> PlanarImage {
        let data = (0..20 * 20).map(|i| if i % 20 < 10 { 0.2 } else { 0.6 }).collect();
        PlanarImage { width: 20, height: 20, channels: 1, data }
    }

    fn row(mask: PlanarImage) -> Vec<f32> {
        assert!(mask.data.iter().all(|m| (-1e-6..=1.0 + 1e-6).contains(m)));
        mask.data[200..220].to_vec()
    }

    #[test]
    fn edges_and_flats() {
        let edge = EdgeMask {
            expand_px: 1,
            soften_px: 0.0,
            ..EdgeMask::from_values(&ParamValues::defaults(EDGE_PARAMS))
        };
        let mask = row(edge.apply(&step()));
        assert_eq!(mask[8..12], [1.0; 4]);
        assert_eq!((mask[7], mask[12], mask[0]), (0.0, 0.0, 0.0));
        let inverse = row(EdgeMask { invert: true, ..edge }.apply(&step()));
        assert_eq!((inverse[9], inverse[0]), (0.0, 1.0));
        let flat = FlatMask { radius_px: 2, threshold: 0.01, soften_px: 0.0, invert: false };
        let mask = row(flat.apply(&step()));
        assert_eq!(mask[..8], [1.0; 8]);
        assert_eq!(mask[8..12], [0.0; 4]);
        assert_eq!(mask[12..], [1.0; 8]);
    }

    #[test]
    fn luma_and_colour() {
        let luma = LumaMask { low: 0.1, high: 0.5, softness: 0.2, soften_px: 0.0, invert: false };
        let mask = row(luma.apply(&step()));
        assert!(mask[0] == 1.0 && (mask[15] - 0.5).abs() < 1e-5);
        let hard = LumaMask { low: 0.2, high: 0.2, softness: 0.0, ..luma };
        assert_eq!(row(hard.apply(&step()))[9..11], [1.0, 0.0]);
        let key = ColourKey::from_values(&ParamValues::defaults(COLOUR_KEY_PARAMS));
        let green = PlanarImage {
            width: 3,
            height: 1,
            channels: 3,
            data: vec![0.0, 0.0, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0],
        };
        assert_eq!(key.apply(&green).data, [1.0, 0.0, 0.0]);
        let shadow = ColourKey { ignore_lightness: true, tolerance: 0.2, ..key };
        assert_eq!(shadow.apply(&green).data, [1.0, 1.0, 0.0]);
        let cut = ColourKey { output: KeyOutput::Alpha, ..key }.apply(&green);
        assert_eq!(cut.plane(3), [0.0, 1.0, 1.0]);
        for (w, h) in made::SIZES {
            for channels in [1, 3, 4] {
                let image = made::picture(channels, w, h);
                for mask in [
                    EdgeMask::from_values(&ParamValues::defaults(EDGE_PARAMS)).apply(&image),
                    LumaMask::from_values(&ParamValues::defaults(LUMA_PARAMS)).apply(&image),
                    FlatMask::from_values(&ParamValues::defaults(FLAT_PARAMS)).apply(&image),
                    key.apply(&image),
                ] {
                    assert_eq!((mask.channels, mask.width, mask.height), (1, w, h));
                    assert!(mask.data.iter().all(|m| m.is_finite()));
                }
            }
        }
    }
}
