//! Cuts off what surrounds a part of a picture.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, Rgba};

use super::choices::choices;
use super::error::PictureError;
use super::gather::{Fill, window};

/// The parameters of [`Crop`].
pub const PARAMS: &[Param] = &[
    Param::choice("mode", "How the part is given.", CropMode::CHOICES, "edges"),
    Param::int("amount", "What is cut off at every side, with `mode` border.", "px", (0, 65535), 0),
    Param::int("left", "What is cut off at the left, with `mode` edges or offsets.", "px", (0, 65535), 0),
    Param::int("top", "What is cut off at the top, with `mode` edges or offsets.", "px", (0, 65535), 0),
    Param::int("right", "What is cut off at the right, with `mode` edges.", "px", (0, 65535), 0),
    Param::int("bottom", "What is cut off at the bottom, with `mode` edges.", "px", (0, 65535), 0),
    Param::int(
        "width",
        "Width of what is left, with `mode` offsets; less where the picture ends.",
        "px",
        (1, 65535),
        640,
    ),
    Param::int(
        "height",
        "Height of what is left, with `mode` offsets; less where the picture ends.",
        "px",
        (1, 65535),
        480,
    ),
];

choices! {
    /// How the part that is kept is given.
    CropMode {
        Border = "border", "The same number of pixels is cut off at every side.";
        Edges = "edges", "A number of pixels is cut off at each side.";
        Offsets = "offsets", "The corner and the size of what is left are given.";
    }
}

/// Cuts off what surrounds a part of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Crop {
    /// How the part is given.
    pub mode: CropMode,
    /// Pixels off every side, with [`CropMode::Border`].
    pub amount: usize,
    /// Pixels off the left, top, right and bottom.
    pub edges: [usize; 4],
    /// Width and height left, with [`CropMode::Offsets`].
    pub size: (usize, usize),
}

impl Crop {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            mode: CropMode::of(values, "mode"),
            amount: values.usize("amount"),
            edges: ["left", "top", "right", "bottom"].map(|id| values.usize(id)),
            size: (values.usize("width"), values.usize("height")),
        }
    }

    /// The size that is left of a picture.
    ///
    /// # Errors
    /// When nothing would be left.
    pub fn result_size(&self, width: usize, height: usize) -> Result<(usize, usize), PictureError> {
        let [left, top, right, bottom] = self.cut_off(width, height);
        let left_over = |n: usize, a: usize, b: usize| n.checked_sub(a)?.checked_sub(b).filter(|n| *n > 0);
        left_over(width, left, right).zip(left_over(height, top, bottom)).ok_or(PictureError::Nothing {
            operation: "crop",
            width,
            height,
        })
    }

    /// Crops.
    ///
    /// # Errors
    /// When nothing would be left.
    pub fn apply(&self, image: &PlanarImage) -> Result<PlanarImage, PictureError> {
        let size = self.result_size(image.width, image.height)?;
        let [left, top, ..] = self.cut_off(image.width, image.height);
        Ok(window(image, (left as isize, top as isize), size, Fill::Edge, Rgba([0.0; 4])))
    }

    /// Pixels off the left, top, right and bottom of a picture.
    fn cut_off(&self, width: usize, height: usize) -> [usize; 4] {
        let [left, top, ..] = self.edges;
        match self.mode {
            CropMode::Border => [self.amount; 4],
            CropMode::Edges => self.edges,
            CropMode::Offsets => [
                left,
                top,
                width.saturating_sub(left.saturating_add(self.size.0)),
                height.saturating_sub(top.saturating_add(self.size.1)),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn each_mode_keeps_its_part() {
        let image = made::picture(4, 9, 7);
        let mut crop = Crop::from_values(&ParamValues::defaults(PARAMS));
        assert_eq!(crop.apply(&image).unwrap(), image);
        crop.edges = [2, 1, 3, 4];
        let out = crop.apply(&image).unwrap();
        assert_eq!((out.width, out.height, out.channels), (4, 2, 4));
        assert_eq!(out.plane(3)[0..4], image.plane(3)[9 + 2..9 + 6]);
        crop.mode = CropMode::Offsets;
        crop.size = (4, 2);
        assert_eq!(crop.apply(&image).unwrap(), out);
        crop.size = (100, 100);
        assert_eq!(crop.apply(&image).unwrap().width, 7);
        crop.mode = CropMode::Border;
        crop.amount = 3;
        assert_eq!(crop.apply(&image).unwrap().plane(0), &image.plane(0)[3 * 9 + 3..3 * 9 + 6]);
        crop.amount = 4;
        assert!(crop.apply(&image).unwrap_err().to_string().contains("nothing is left"));
    }
}
