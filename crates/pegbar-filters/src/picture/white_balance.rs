//! Takes a colour cast off a picture.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::choices::choices;
use super::colour_model::{linear_to_srgb, srgb_to_linear};
use super::samples::map_pixels;
use super::tone::quantile;

/// The parameters of [`WhiteBalance`].
pub const PARAMS: &[Param] = &[
    Param::choice("method", "How the cast is found.", WhiteMethod::CHOICES, "grey-world"),
    Param::float(
        "percentile",
        "Share of samples darker than what counts as white, with `method` white-patch.",
        "%",
        (50.0, 100.0),
        99.0,
    ),
    Param::float(
        "temperature",
        "Colour of the light, with `method` temperature: lower than 6500 takes off orange, higher takes off blue.",
        "K",
        (1700.0, 25000.0),
        6500.0,
    ),
    Param::float(
        "tint",
        "Towards green, or towards magenta, with `method` temperature.",
        "%",
        (-100.0, 100.0),
        0.0,
    ),
    Param::float("strength", "How much of the cast is taken off.", "%", (0.0, 100.0), 100.0),
];

choices! {
    /// How a colour cast is found.
    WhiteMethod {
        GreyWorld = "grey-world", "The mean of the picture shall be gray.";
        WhitePatch = "white-patch", "The lightest parts shall be white.";
        Temperature = "temperature", "The temperature and tint of the light are given.";
    }
}

/// Multiplies amounts of light so that a cast goes; the luma of white stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WhiteBalance {
    /// How the cast is found.
    pub method: WhiteMethod,
    /// Share of samples darker than white, `0..=1`.
    pub percentile: f32,
    /// Kelvin.
    pub temperature: f32,
    /// `-1..=1`: green to magenta.
    pub tint: f32,
    /// `0..=1`.
    pub strength: f32,
}

impl WhiteBalance {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            method: WhiteMethod::of(values, "method"),
            percentile: values.f32("percentile") / 100.0,
            temperature: values.f32("temperature"),
            tint: values.f32("tint") / 100.0,
            strength: values.f32("strength") / 100.0,
        }
    }

    /// Balances; gray pictures come back as they are.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let n = image.width * image.height;
        if image.channels < 3 || n == 0 || self.strength == 0.0 {
            return image.clone();
        }
        let white = match self.method {
            WhiteMethod::GreyWorld => [0, 1, 2].map(|c| {
                let sum: f64 = image.plane(c).iter().map(|s| f64::from(srgb_to_linear(*s))).sum();
                (sum / n as f64) as f32
            }),
            WhiteMethod::WhitePatch => {
                [0, 1, 2].map(|c| srgb_to_linear(quantile(image.plane(c), self.percentile)))
            }
            WhiteMethod::Temperature => {
                let (light, neutral) = (light_of(self.temperature), light_of(6500.0));
                let mut white = [0, 1, 2].map(|c| light[c] / neutral[c]);
                // A full tint is half a stop of green.
                white[1] *= (0.5 * self.tint).exp2();
                white
            }
        };
        let luminance = 0.2126 * white[0] + 0.7152 * white[1] + 0.0722 * white[2];
        // Where a channel is missing altogether no factor brings it back.
        if !white.iter().all(|w| *w > 1e-4) {
            return image.clone();
        }
        let gains = white.map(|w| (luminance / w).powf(self.strength));
        if gains.iter().all(|g| (g - 1.0).abs() < 1e-6) {
            return image.clone();
        }
        map_pixels(image, |rgb| [0, 1, 2].map(|c| linear_to_srgb(srgb_to_linear(rgb[c]) * gains[c])))
    }
}

/// Linear sRGB of a black body in kelvin, luminance 1: Kim, Kang, Lee, Kim: "Design of advanced color temperature
/// control system for HDTV applications" (2002).
fn light_of(kelvin: f32) -> [f32; 3] {
    let t = f64::from(kelvin).clamp(1667.0, 25000.0);
    let x = if t <= 4000.0 {
        -0.266_123_9e9 / t.powi(3) - 0.234_358_9e6 / t.powi(2) + 0.877_695_6e3 / t + 0.179_910
    } else {
        -3.025_846_9e9 / t.powi(3) + 2.107_037_9e6 / t.powi(2) + 0.222_634_7e3 / t + 0.240_390
    };
    let [a, b, c, d] = if t <= 2222.0 {
        [-1.106_381_4, -1.348_110_2, 2.185_558_32, -0.202_196_83]
    } else if t <= 4000.0 {
        [-0.954_947_6, -1.374_185_93, 2.091_370_15, -0.167_488_67]
    } else {
        [3.081_758, -5.873_386_7, 3.751_129_97, -0.370_014_83]
    };
    let y = ((a * x + b) * x + c) * x + d;
    let (big_x, big_z) = (x / y, (1.0 - x - y) / y);
    let rgb = [
        3.240_97 * big_x - 1.537_383 - 0.498_611 * big_z,
        -0.969_244 * big_x + 1.875_968 + 0.041_555 * big_z,
        0.055_630 * big_x - 0.203_977 + 1.056_972 * big_z,
    ];
    rgb.map(|v| (v as f32).max(1e-3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn balance(method: WhiteMethod) -> WhiteBalance {
        WhiteBalance { method, ..WhiteBalance::from_values(&ParamValues::defaults(PARAMS)) }
    }

    #[test]
    fn a_cast_goes() {
        let gray = made::picture(1, 40, 33);
        let mut cast = PlanarImage::zeros(3, 33, 40);
        for (c, gain) in [1.3, 1.0, 0.6].into_iter().enumerate() {
            let samples = gray.data.iter().map(|s| linear_to_srgb(srgb_to_linear(*s) * gain));
            cast.plane_mut(c).copy_from_slice(&samples.collect::<Vec<_>>());
        }
        for method in [WhiteMethod::GreyWorld, WhiteMethod::WhitePatch] {
            let out = balance(method).apply(&cast);
            made::close(out.plane(0), out.plane(1), 1e-4);
            made::close(out.plane(2), out.plane(1), 1e-4);
            let half = WhiteBalance { strength: 0.5, ..balance(method) }.apply(&cast);
            assert!(half.plane(0)[50] > half.plane(1)[50] && half.plane(0)[50] < cast.plane(0)[50]);
        }
    }

    #[test]
    fn temperatures() {
        let image = made::picture(4, 9, 7);
        assert_eq!(balance(WhiteMethod::Temperature).apply(&image), image);
        let warm = WhiteBalance { temperature: 3000.0, ..balance(WhiteMethod::Temperature) }.apply(&image);
        assert!(warm.plane(0)[0] < image.plane(0)[0] && warm.plane(2)[0] > image.plane(2)[0]);
        let light = light_of(6500.0);
        assert!(light.iter().all(|l| (l - 1.0).abs() < 0.05), "{light:?}");
        let steady: Vec<f32> =
            [2000.0, 2222.0, 4000.0].iter().map(|t| light_of(t - 0.5)[0] - light_of(t + 0.5)[0]).collect();
        assert!(steady.iter().all(|d| d.abs() < 0.01), "{steady:?}");
        for &method in WhiteMethod::ALL {
            made::keeps_shape_and_alpha(|image| balance(method).apply(image));
        }
    }
}
