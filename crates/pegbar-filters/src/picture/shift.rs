//! Moves a picture within its frame.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, Rgba};

use super::gather::{Fill, window};

/// The parameters of [`Shift`].
pub const PARAMS: &[Param] = &[
    Param::int("x", "How far to the right.", "px", (-65535, 65535), 0),
    Param::int("y", "How far down.", "px", (-65535, 65535), 0),
    Param::choice("fill", "What comes in at the edges.", Fill::CHOICES, "wrap"),
    Param::colour("colour", "Its colour, with `fill` colour.", "#000000"),
];

/// Moves a picture within its frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Shift {
    /// Pixels to the right and down.
    pub offset: (i64, i64),
    /// What comes in.
    pub fill: Fill,
    /// Its colour.
    pub colour: Rgba,
}

impl Shift {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            offset: (values.int("x"), values.int("y")),
            fill: Fill::of(values, "fill"),
            colour: values.colour("colour"),
        }
    }

    /// Shifts; [`Fill::Transparent`] and colours that are not opaque make a picture with alpha.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.offset == (0, 0) {
            return image.clone();
        }
        let start = (-self.offset.0 as isize, -self.offset.1 as isize);
        window(image, start, (image.width, image.height), self.fill, self.colour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn there_and_back() {
        let image = made::picture(4, 17, 13);
        let shift = |x, y| Shift { offset: (x, y), fill: Fill::Wrap, colour: Rgba([0.0; 4]) };
        assert_eq!(shift(-5, 40).apply(&shift(5, -40).apply(&image)), image);
        let out = shift(1, 0).apply(&image);
        assert_eq!(out.plane(0)[1..17], image.plane(0)[..16]);
        assert_eq!(out.plane(0)[0], image.plane(0)[16]);
        let gone = Shift { fill: Fill::Colour, colour: Rgba([1.0; 4]), ..shift(100, 0) }.apply(&image);
        assert!(gone.data.iter().all(|s| *s == 1.0));
    }
}
