//! Hue, saturation, lightness and vibrance.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::colour_model::ColourSpace;
use super::samples::{LUMA_BT601, map_colour, map_pixels};

/// The parameters of [`HueSaturation`].
pub const PARAMS: &[Param] = &[
    Param::float("hue", "How far hues turn.", "degrees", (-180.0, 180.0), 0.0),
    Param::float("saturation", "Saturation more (to twice) or less (to gray).", "%", (-100.0, 100.0), 0.0),
    Param::float("lightness", "Towards white, or towards black.", "%", (-100.0, 100.0), 0.0),
];

/// The parameters of [`Vibrance`].
pub const VIBRANCE_PARAMS: &[Param] = &[Param::float(
    "vibrance",
    "Saturation more or less, of pale colours most and of vivid ones least.",
    "%",
    (-100.0, 100.0),
    25.0,
)];

/// Turns hues and scales saturation in HSL, then goes towards white or black.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HueSaturation {
    /// Degrees.
    pub hue: f32,
    /// `-1..=1`: saturation is multiplied by one more.
    pub saturation: f32,
    /// `-1..=1`: how far towards white, or black.
    pub lightness: f32,
}

impl HueSaturation {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            hue: values.f32("hue"),
            saturation: values.f32("saturation") / 100.0,
            lightness: values.f32("lightness") / 100.0,
        }
    }

    /// Applies; hue and saturation do nothing to gray.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        if image.channels >= 3 && (self.hue, self.saturation) != (0.0, 0.0) {
            let factor = 1.0 + self.saturation;
            out = map_pixels(&out, |rgb| {
                let [h, s, l] = ColourSpace::Hsl.from_rgb(rgb);
                let scaled = s * factor;
                let s = if factor > 1.0 { scaled.min(s.max(1.0)) } else { scaled };
                ColourSpace::Hsl.to_rgb([h + self.hue, s, l])
            });
        }
        let k = self.lightness;
        if k > 0.0 {
            out = map_colour(&out, |s| s * (1.0 - k) + k);
        } else if k < 0.0 {
            out = map_colour(&out, |s| s * (1.0 + k));
        }
        out
    }
}

/// Scales saturation where there is little of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vibrance {
    /// `-1..=1`.
    pub amount: f32,
}

impl Vibrance {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { amount: values.f32("vibrance") / 100.0 }
    }

    /// Multiplies the distance from luma by `1 + amount (1 - range)`, the range being that of the three channels.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if image.channels < 3 || self.amount == 0.0 {
            return image.clone();
        }
        map_pixels(image, |[r, g, b]| {
            let luma = LUMA_BT601[0] * r + LUMA_BT601[1] * g + LUMA_BT601[2] * b;
            let range = (r.max(g).max(b) - r.min(g).min(b)).min(1.0);
            let factor = 1.0 + self.amount * (1.0 - range);
            [r, g, b].map(|s| luma + (s - luma) * factor)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn of(setting: HueSaturation, rgb: [f32; 3]) -> Vec<f32> {
        setting.apply(&PlanarImage { width: 1, height: 1, channels: 3, data: rgb.to_vec() }).data
    }

    #[test]
    fn turns_and_scales() {
        let none = HueSaturation::from_values(&ParamValues::defaults(PARAMS));
        let image = made::picture(4, 9, 7);
        assert_eq!(none.apply(&image), image);
        made::close(&of(HueSaturation { hue: 120.0, ..none }, [1.0, 0.5, 0.0]), &[0.0, 1.0, 0.5], 1e-5);
        made::close(&of(HueSaturation { saturation: -1.0, ..none }, [1.0, 0.5, 0.0]), &[0.5; 3], 1e-5);
        made::close(&of(HueSaturation { saturation: 1.0, ..none }, [0.6, 0.5, 0.4]), &[0.7, 0.5, 0.3], 1e-5);
        made::close(&of(HueSaturation { lightness: 0.5, ..none }, [0.6, 0.5, 0.0]), &[0.8, 0.75, 0.5], 1e-6);
        made::close(&of(HueSaturation { lightness: -0.5, ..none }, [0.6, 0.5, 0.0]), &[0.3, 0.25, 0.0], 1e-6);
        let turn = HueSaturation { hue: 30.0, saturation: 0.2, lightness: 0.1 };
        made::keeps_shape_and_alpha(|image| turn.apply(image));
        made::keeps_shape_and_alpha(|image| Vibrance { amount: 0.5 }.apply(image));
    }

    #[test]
    fn vibrance_moves_pale_colours_most() {
        let gain = |rgb: [f32; 3]| {
            let image = PlanarImage { width: 1, height: 1, channels: 3, data: rgb.to_vec() };
            let out = Vibrance { amount: 1.0 }.apply(&image).data;
            (out[0] - out[2]) / (rgb[0] - rgb[2])
        };
        assert!((gain([0.6, 0.5, 0.5]) - 1.9).abs() < 1e-4);
        assert!((gain([0.9, 0.5, 0.1]) - 1.2).abs() < 1e-4);
    }
}
