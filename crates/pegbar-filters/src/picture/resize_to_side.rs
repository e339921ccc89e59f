//! Resizes a picture so that one side has a length.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::choices::choices;
use super::error::PictureError;
use super::resize::{ANTIALIAS, FILTER, LINEAR_LIGHT, Resampling, SEPARATE_ALPHA};

/// The parameters of [`ResizeToSide`].
pub const PARAMS: &[Param] = &[
    Param::int(
        "target",
        "Length that side gets; the other follows from the shape of the picture.",
        "px",
        (1, 65535),
        1080,
    ),
    Param::choice("side", "Which side.", Side::CHOICES, "shorter"),
    Param::choice("condition", "Which pictures are resized at all.", Condition::CHOICES, "always"),
    FILTER,
    ANTIALIAS,
    LINEAR_LIGHT,
    SEPARATE_ALPHA,
];

choices! {
    /// A side of a picture.
    Side {
        Width = "width", "The width.";
        Height = "height", "The height.";
        Shorter = "shorter", "The shorter of the two.";
        Longer = "longer", "The longer of the two.";
    }
}

choices! {
    /// Which pictures are resized.
    Condition {
        Always = "always", "Every picture.";
        OnlyIfLarger = "only-if-larger", "Pictures whose side is longer than the target: only ever shrinks.";
        OnlyIfSmaller = "only-if-smaller", "Pictures whose side is shorter than the target: only ever enlarges.";
    }
}

/// Resizes a picture so that one side has a length.
#[derive(Debug, Clone, PartialEq)]
pub struct ResizeToSide {
    /// Length of the side in pixels.
    pub target: usize,
    /// Which side.
    pub side: Side,
    /// Which pictures.
    pub condition: Condition,
    /// How samples are made.
    pub resampling: Resampling,
}

impl ResizeToSide {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            target: values.usize("target"),
            side: Side::of(values, "side"),
            condition: Condition::of(values, "condition"),
            resampling: Resampling::from_values(values),
        }
    }

    /// The size a picture gets.
    pub fn size(&self, width: usize, height: usize) -> (usize, usize) {
        let side = match self.side {
            Side::Width => width,
            Side::Height => height,
            Side::Shorter => width.min(height),
            Side::Longer => width.max(height),
        };
        let stays = match self.condition {
            Condition::Always => false,
            Condition::OnlyIfLarger => side <= self.target,
            Condition::OnlyIfSmaller => side >= self.target,
        };
        if stays {
            return (width, height);
        }
        let scaled =
            |n: usize| ((n as f64 * self.target as f64 / side.max(1) as f64).round() as usize).max(1);
        (scaled(width), scaled(height))
    }

    /// Resizes.
    ///
    /// # Errors
    /// When the picture has no pixels or the result would be too large.
    pub fn apply(&self, image: &PlanarImage) -> Result<PlanarImage, PictureError> {
        let (width, height) = self.size(image.width, image.height);
        self.resampling.apply(image, width, height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_and_conditions() {
        let mut resize = ResizeToSide::from_values(&ParamValues::defaults(PARAMS));
        assert_eq!(resize.size(720, 540), (1440, 1080));
        resize.side = Side::Longer;
        assert_eq!(resize.size(720, 540), (1080, 810));
        resize.condition = Condition::OnlyIfLarger;
        assert_eq!(resize.size(720, 540), (720, 540));
        assert_eq!(resize.size(2160, 4), (1080, 2));
        resize.condition = Condition::OnlyIfSmaller;
        assert_eq!(resize.size(2160, 4), (2160, 4));
        (resize.side, resize.target) = (Side::Width, 1);
        resize.condition = Condition::Always;
        assert_eq!(resize.size(2160, 4), (1, 1));
    }
}
