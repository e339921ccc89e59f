//! Arithmetic with a number for each channel, or with another picture.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::choices::choices;
use super::error::{PictureError, check_same_size};
use super::samples::{n_colours, with_channels};

/// The parameters of [`Arithmetic`].
pub const PARAMS: &[Param] = &[
    Param::choice("operation", "What is done to each sample.", ArithmeticOperation::CHOICES, "add"),
    Param::float("red", "The number for red, and for a gray picture.", "", (-1000.0, 1000.0), 0.0),
    Param::float("green", "The number for green.", "", (-1000.0, 1000.0), 0.0),
    Param::float("blue", "The number for blue.", "", (-1000.0, 1000.0), 0.0),
    Param::bool("clip", "Clips the result to 0..1.", false),
];

choices! {
    /// What is done to a sample `s` with a number `n`.
    ArithmeticOperation {
        Add = "add", "`s + n`.";
        Subtract = "subtract", "`s - n`.";
        Multiply = "multiply", "`s * n`.";
        Divide = "divide", "`s / n`; 0 counts as 1/10000.";
        Power = "power", "`s ^ n`, the sign of `s` kept.";
        Least = "least", "The smaller of both.";
        Greatest = "greatest", "The greater of both.";
        Distance = "distance", "The distance of both.";
    }
}

/// Arithmetic on colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arithmetic {
    /// What is done.
    pub operation: ArithmeticOperation,
    /// Numbers for red (and gray), green and blue.
    pub numbers: [f32; 3],
    /// Whether the result is clipped to `0..=1`.
    pub clip: bool,
}

impl Arithmetic {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            operation: ArithmeticOperation::of(values, "operation"),
            numbers: ["red", "green", "blue"].map(|id| values.f32(id)),
            clip: values.bool("clip"),
        }
    }

    /// With the numbers.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        for channel in 0..n_colours(image) {
            let number = self.numbers[channel];
            out.plane_mut(channel).iter_mut().for_each(|s| *s = self.of(*s, number));
        }
        out
    }

    /// With the samples of another picture in place of the numbers.
    ///
    /// # Errors
    /// When sizes differ.
    pub fn apply_with(&self, image: &PlanarImage, other: &PlanarImage) -> Result<PlanarImage, PictureError> {
        check_same_size("arithmetic", image, other)?;
        let colours = n_colours(image).max(n_colours(other));
        let other = with_channels(&with_channels(other, n_colours(other)), colours);
        let mut out = if n_colours(image) < colours { with_channels(image, colours) } else { image.clone() };
        out.data.iter_mut().zip(&other.data).for_each(|(s, n)| *s = self.of(*s, *n));
        Ok(out)
    }

    fn of(&self, s: f32, n: f32) -> f32 {
        let made = match self.operation {
            ArithmeticOperation::Add => s + n,
            ArithmeticOperation::Subtract => s - n,
            ArithmeticOperation::Multiply => s * n,
            ArithmeticOperation::Divide => s / if n == 0.0 { 1e-4 } else { n },
            ArithmeticOperation::Power => s.abs().powf(n).copysign(s),
            ArithmeticOperation::Least => s.min(n),
            ArithmeticOperation::Greatest => s.max(n),
            ArithmeticOperation::Distance => (s - n).abs(),
        };
        if self.clip { made.clamp(0.0, 1.0) } else { made }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn by_hand() {
        let pixel = PlanarImage { width: 1, height: 1, channels: 3, data: vec![0.5, 0.25, -0.5] };
        let of =
            |operation, n: f32| Arithmetic { operation, numbers: [n; 3], clip: false }.apply(&pixel).data;
        made::close(&of(ArithmeticOperation::Add, 0.1), &[0.6, 0.35, -0.4], 1e-6);
        made::close(&of(ArithmeticOperation::Subtract, 0.1), &[0.4, 0.15, -0.6], 1e-6);
        made::close(&of(ArithmeticOperation::Multiply, 2.0), &[1.0, 0.5, -1.0], 1e-6);
        made::close(&of(ArithmeticOperation::Divide, 2.0), &[0.25, 0.125, -0.25], 1e-6);
        made::close(&of(ArithmeticOperation::Power, 2.0), &[0.25, 0.0625, -0.25], 1e-6);
        made::close(&of(ArithmeticOperation::Least, 0.3), &[0.3, 0.25, -0.5], 1e-6);
        made::close(&of(ArithmeticOperation::Greatest, 0.3), &[0.5, 0.3, 0.3], 1e-6);
        made::close(&of(ArithmeticOperation::Distance, 0.3), &[0.2, 0.05, 0.8], 1e-6);
        let add = Arithmetic { operation: ArithmeticOperation::Add, numbers: [0.7; 3], clip: true };
        made::keeps_shape_and_alpha(|image| add.apply(image));
        assert_eq!(add.apply(&pixel).data[0], 1.0);
        let both = add.apply_with(&made::picture(4, 9, 7), &made::picture(1, 9, 7)).unwrap();
        assert_eq!(both.plane(3), made::picture(4, 9, 7).plane(3));
        assert!(add.apply_with(&pixel, &made::picture(3, 9, 7)).is_err());
    }
}
