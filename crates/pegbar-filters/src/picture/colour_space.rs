//! Converts a picture to the values of another colour space, and back.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

pub use super::colour_model::ColourSpace;
use super::samples::{map_pixels, with_channels};

/// The parameters of [`ConvertColourSpace`].
pub const PARAMS: &[Param] = &[
    Param::choice("from", "What the three channels of the picture mean.", ColourSpace::CHOICES, "rgb"),
    Param::choice("to", "What they shall mean.", ColourSpace::CHOICES, "linear-rgb"),
];

/// Converts a picture to the values of another colour space. They are stored as
/// [`ColourSpace::to_samples`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvertColourSpace {
    /// What the channels mean.
    pub from: ColourSpace,
    /// What they shall mean.
    pub to: ColourSpace,
}

impl ConvertColourSpace {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { from: ColourSpace::of(values, "from"), to: ColourSpace::of(values, "to") }
    }

    /// Converts; a gray picture becomes one of three channels first.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.from == self.to {
            return image.clone();
        }
        let image = if image.channels < 3 { &with_channels(image, 3) } else { image };
        map_pixels(image, |v| {
            let rgb = self.from.to_rgb(self.from.of_samples(v));
            self.to.to_samples(self.to.from_rgb(rgb))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn pictures_there_and_back() {
        let image = made::picture(4, 17, 13);
        for &to in ColourSpace::ALL {
            let there = ConvertColourSpace { from: ColourSpace::Rgb, to }.apply(&image);
            let back = ConvertColourSpace { from: to, to: ColourSpace::Rgb }.apply(&there);
            made::close(&back.data, &image.data, 1e-4);
            assert_eq!(back.plane(3), image.plane(3));
        }
        let gray = ConvertColourSpace::from_values(&ParamValues::defaults(PARAMS));
        assert_eq!(gray.apply(&made::picture(1, 3, 2)).channels, 3);
    }
}
