//! Makes the sides of a picture multiples of a number, as codecs and networks ask.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, Rgba};

use super::choices::choices;
use super::error::{PictureError, check_size};
use super::gather::{Fill, window};
use super::resize::Resampling;

/// The parameters of [`AlignSize`].
pub const PARAMS: &[Param] = &[
    Param::int("multiple", "Both sides become multiples of this.", "px", (1, 4096), 2),
    Param::choice("method", "How.", AlignMethod::CHOICES, "pad-edge"),
];

choices! {
    /// How sides become multiples.
    AlignMethod {
        PadEdge = "pad-edge", "Up to the next multiple, with the last column and row repeated at the right and bottom.";
        PadMirror = "pad-mirror", "Up to the next multiple, with the picture mirrored at the right and bottom.";
        PadColour = "pad-black", "Up to the next multiple, with black at the right and bottom.";
        Crop = "crop", "Down to the multiple below, the same cut off at both sides; a side shorter than one is padded.";
        Resize = "resize", "To the nearest multiple, by resizing.";
    }
}

/// Makes the sides of a picture multiples of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlignSize {
    /// The number, at least 1.
    pub multiple: usize,
    /// How.
    pub method: AlignMethod,
}

impl AlignSize {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { multiple: values.usize("multiple"), method: AlignMethod::of(values, "method") }
    }

    /// The size a picture gets.
    ///
    /// # Errors
    /// When the picture has no pixels or the result would be too large.
    pub fn result_size(&self, width: usize, height: usize) -> Result<(usize, usize), PictureError> {
        check_size("align-size", width, height)?;
        let m = self.multiple.max(1);
        let side = |n: usize| match self.method {
            AlignMethod::Crop => (n / m * m).max(m),
            AlignMethod::Resize => ((n + m / 2) / m * m).max(m),
            _ => n.next_multiple_of(m),
        };
        let size = (side(width), side(height));
        check_size("align-size", size.0, size.1).map(|()| size)
    }

    /// Aligns; a picture whose sides are multiples comes back as it is.
    ///
    /// # Errors
    /// When the picture has no pixels or the result would be too large.
    pub fn apply(&self, image: &PlanarImage) -> Result<PlanarImage, PictureError> {
        let (width, height) = self.result_size(image.width, image.height)?;
        if (width, height) == (image.width, image.height) {
            return Ok(image.clone());
        }
        let fill = match self.method {
            AlignMethod::Resize => return Resampling::default().apply(image, width, height),
            AlignMethod::PadMirror => Fill::Mirror,
            AlignMethod::PadColour => Fill::Colour,
            _ => Fill::Edge,
        };
        let start = |n: usize, to: usize| (n.saturating_sub(to) / 2) as isize;
        let start = (start(image.width, width), start(image.height, height));
        Ok(window(image, start, (width, height), fill, Rgba([0.0, 0.0, 0.0, 1.0])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn sides_become_multiples() {
        for &method in AlignMethod::ALL {
            for (w, h) in made::SIZES {
                let out = AlignSize { multiple: 8, method }.apply(&made::picture(3, w, h)).unwrap();
                assert!(out.width.is_multiple_of(8) && out.height.is_multiple_of(8), "{method:?} {w}x{h}");
                assert!(out.width.abs_diff(w) < 8 && out.height.abs_diff(h) < 8);
            }
        }
        let image = made::picture(1, 10, 8);
        let out = AlignSize { multiple: 4, method: AlignMethod::Crop }.apply(&image).unwrap();
        assert_eq!(out.plane(0)[..8], image.plane(0)[1..9]);
        let padded = AlignSize { multiple: 4, method: AlignMethod::PadEdge }.apply(&image).unwrap();
        assert_eq!(padded.plane(0)[10..12], [image.plane(0)[9]; 2]);
    }
}
