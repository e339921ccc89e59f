//! Sharpening and its cousins: unsharp mask, high pass, high boost.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::border::Border;
use super::choices::choices;
use super::convolution::{correlate, gaussian};
use super::morphology::{Shape, extreme};
use super::samples::map_planes;

/// The parameters of [`Sharpen`].
pub const PARAMS: &[Param] = &[
    Param::float(
        "radius",
        "Standard deviation of the blur that is taken off: about the width of blurred edges.",
        "px",
        (0.0, 1000.0),
        1.5,
    ),
    Param::float("amount", "How much of what the blur took is added.", "", (0.0, 100.0), 1.0),
    Param::float(
        "threshold",
        "What differs less than this is left, and what differs more loses as much, in percent of white.",
        "%",
        (0.0, 100.0),
        0.0,
    ),
];

/// The parameters of [`HighPass`].
pub const HIGH_PASS_PARAMS: &[Param] = &[
    Param::float("radius", "Standard deviation of the blur that is taken off.", "px", (0.0, 1000.0), 3.0),
    Param::float("contrast", "What is left is multiplied by this.", "", (0.0, 100.0), 1.0),
];

/// The parameters of [`HighBoost`].
pub const HIGH_BOOST_PARAMS: &[Param] = &[
    Param::choice("kernel", "What a pixel is compared with.", BoostKernel::CHOICES, "normal"),
    Param::float("amount", "How much of the difference is added.", "", (0.0, 100.0), 2.0),
    Param::bool(
        "contrast-adaptive",
        "Sharpens less where the picture is sharp or near black or white.",
        false,
    ),
    Param::float(
        "bias",
        "With `contrast-adaptive`: higher sharpens more, and less evenly.",
        "",
        (1.0, 3.0),
        2.0,
    ),
];

choices! {
    /// What a pixel is compared with.
    BoostKernel {
        Normal = "normal", "The mean of itself and its four neighbours.";
        Strong = "strong", "The mean of itself and its eight neighbours.";
    }
}

/// Unsharp mask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sharpen {
    /// Standard deviation of the blur.
    pub radius_px: f32,
    /// How much is added.
    pub amount: f32,
    /// Differences are drawn towards zero by this.
    pub threshold: f32,
}

impl Sharpen {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            radius_px: values.f32("radius"),
            amount: values.f32("amount"),
            threshold: values.f32("threshold") / 100.0,
        }
    }

    /// Sharpens: `s + amount d`, `d` the difference to the blurred picture, drawn towards zero by the threshold.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.radius_px == 0.0 || self.amount == 0.0 {
            return image.clone();
        }
        map_planes(image, |plane| {
            let mut out = gaussian(plane, image.width, self.radius_px, self.radius_px);
            for (out, s) in out.iter_mut().zip(plane) {
                let d = s - *out;
                *out = s + self.amount * (d.abs() - self.threshold).max(0.0).copysign(d);
            }
            out
        })
    }
}

/// What a blur takes away, about a half gray.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HighPass {
    /// Standard deviation of the blur.
    pub radius_px: f32,
    /// Factor.
    pub contrast: f32,
}

impl HighPass {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { radius_px: values.f32("radius"), contrast: values.f32("contrast") }
    }

    /// Filters; a radius of zero leaves a half gray.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        map_planes(image, |plane| {
            let mut out = gaussian(plane, image.width, self.radius_px, self.radius_px);
            out.iter_mut().zip(plane).for_each(|(o, s)| *o = self.contrast * (s - *o) + 0.5);
            out
        })
    }
}

/// Sharpens by the nearest pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HighBoost {
    /// What a pixel is compared with.
    pub kernel: BoostKernel,
    /// How much of the difference is added.
    pub amount: f32,
    /// Whether less is added where the picture is sharp already, by the square root of the room that the range of the
    /// neighbours leaves, multiplied by [`HighBoost::bias`].
    pub contrast_adaptive: bool,
    /// `1..=3`.
    pub bias: f32,
}

impl HighBoost {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            kernel: BoostKernel::of(values, "kernel"),
            amount: values.f32("amount"),
            contrast_adaptive: values.bool("contrast-adaptive"),
            bias: values.f32("bias"),
        }
    }

    /// Sharpens.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.amount == 0.0 || image.width == 0 {
            return image.clone();
        }
        let (n, corner, shape) = match self.kernel {
            BoostKernel::Normal => (5.0, 0.0, Shape::Cross),
            BoostKernel::Strong => (9.0, 1.0, Shape::Rectangle),
        };
        let side = -self.amount / n;
        let corner = side * corner;
        let middle = 1.0 + self.amount + side;
        let kernel = [corner, side, corner, side, middle, side, corner, side, corner];
        map_planes(image, |plane| {
            let mut out = correlate(plane, image.width, &kernel, 3, Border::Mirror);
            if self.contrast_adaptive {
                let high = extreme(plane, image.width, shape, 1, f32::max);
                let low = extreme(plane, image.width, shape, 1, f32::min);
                for ((out, s), (high, low)) in out.iter_mut().zip(plane).zip(high.iter().zip(&low)) {
                    // AMD's contrast adaptive sharpening: room to black or white by the lightest neighbour.
                    let room = (low.min(1.0 - high) / high.max(1e-4)).clamp(0.0, 1.0).sqrt();
                    *out = s + (*out - s) * (room * self.bias).min(1.0);
                }
            }
            out
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn steps_get_steeper() {
        let data: Vec<f32> = (0..20 * 9).map(|i| if i % 20 < 10 { 0.3 } else { 0.7 }).collect();
        let image = PlanarImage { width: 20, height: 9, channels: 1, data };
        let row = |i: PlanarImage| i.data[4 * 20..5 * 20].to_vec();
        let sharp = Sharpen { radius_px: 1.0, amount: 1.0, threshold: 0.0 };
        let out = row(sharp.apply(&image));
        let blurred = gaussian(&image.data, 20, 1.0, 1.0);
        let want: Vec<f32> = (0..20).map(|x| 2.0 * image.data[80 + x] - blurred[80 + x]).collect();
        made::close(&out, &want, 1e-6);
        assert!(out[9] < 0.25 && out[10] > 0.75);
        let soft = row(Sharpen { threshold: 0.05, ..sharp }.apply(&image));
        assert!((soft[10] - (out[10] - 0.05)).abs() < 1e-5 && soft[8] == 0.3);
        let high = row(HighPass { radius_px: 1.0, contrast: 2.0 }.apply(&image));
        assert!((high[10] - (0.5 + 2.0 * (0.7 - blurred[90]))).abs() < 1e-5);
        let boost =
            HighBoost { kernel: BoostKernel::Normal, amount: 2.0, contrast_adaptive: false, bias: 2.0 };
        assert!((row(boost.apply(&image))[10] - (0.7 + 2.0 * 0.08)).abs() < 1e-5);
        let strong = HighBoost { kernel: BoostKernel::Strong, ..boost };
        assert!((row(strong.apply(&image))[10] - (0.7 + 2.0 * 0.4 / 3.0)).abs() < 1e-5);
        let adaptive = HighBoost { contrast_adaptive: true, bias: 1.0, ..boost };
        let room = (0.3f32 / 0.7).sqrt();
        assert!((row(adaptive.apply(&image))[10] - (0.7 + 0.16 * room)).abs() < 1e-5);
    }

    #[test]
    fn nothing_at_zero() {
        let image = made::picture(4, 9, 7);
        let none = Sharpen { radius_px: 2.0, amount: 0.0, threshold: 0.0 };
        assert_eq!(none.apply(&image), image);
        for adaptive in [true, false] {
            let boost = HighBoost {
                kernel: BoostKernel::Strong,
                amount: 2.0,
                contrast_adaptive: adaptive,
                bias: 2.0,
            };
            assert_eq!(HighBoost { amount: 0.0, ..boost }.apply(&image), image);
            made::keeps_shape_and_alpha(|image| boost.apply(image));
        }
        made::keeps_shape_and_alpha(|image| {
            Sharpen { radius_px: 3.0, amount: 2.0, threshold: 0.01 }.apply(image)
        });
        made::keeps_shape_and_alpha(|image| HighPass { radius_px: 3.0, contrast: 2.0 }.apply(image));
    }
}
