//! Puts pictures side by side.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, Rgba};

use super::choices::choices;
use super::error::{PictureError, check_size};
use super::gather::{Fill, window};
use super::resize::Resampling;
use super::samples::with_channels;

/// The parameters of [`Stack`].
pub const PARAMS: &[Param] = &[
    Param::choice(
        "orientation",
        "The direction pictures follow each other in.",
        Orientation::CHOICES,
        "horizontal",
    ),
    Param::choice(
        "sizes",
        "What happens to pictures of another height (or width, stacked vertically) than the first.",
        Sizes::CHOICES,
        "resize",
    ),
    Param::int("gap", "Space between pictures.", "px", (0, 4096), 0),
    Param::colour("colour", "Colour of gaps and of what is padded.", "#000000"),
];

choices! {
    /// The direction pictures follow each other in.
    Orientation {
        Horizontal = "horizontal", "From left to right.";
        Vertical = "vertical", "From top to bottom.";
    }
}

choices! {
    /// What happens to pictures of different sizes.
    Sizes {
        Resize = "resize", "They are resized to the side of the first, keeping their shape.";
        Pad = "pad", "All are padded to the longest side, centred.";
    }
}

/// Puts pictures side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// The direction.
    pub orientation: Orientation,
    /// What happens to pictures of different sizes.
    pub sizes: Sizes,
    /// Pixels between pictures.
    pub gap: usize,
    /// Colour of gaps and padding.
    pub colour: Rgba,
}

impl Stack {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            orientation: Orientation::of(values, "orientation"),
            sizes: Sizes::of(values, "sizes"),
            gap: values.usize("gap"),
            colour: values.colour("colour"),
        }
    }

    /// Stacks any number of pictures; the result has the channels of the one that has most.
    ///
    /// # Errors
    /// When there is no picture, one has no pixels, or the result would be too large.
    pub fn apply(&self, images: &[&PlanarImage]) -> Result<PlanarImage, PictureError> {
        const OPERATION: &str = "stack";
        let first = images.first().ok_or(PictureError::NoPicture { operation: OPERATION })?;
        let horizontal = self.orientation == Orientation::Horizontal;
        for image in images {
            check_size(OPERATION, image.width, image.height)?;
        }
        let needs_alpha = self.colour.0[3] < 1.0 && (self.gap > 0 || self.sizes == Sizes::Pad);
        let most = images.iter().map(|i| i.channels).max().unwrap_or(1);
        let channels = if needs_alpha { 4 } else { most };
        let side = |image: &PlanarImage| if horizontal { image.height } else { image.width };
        let target = match self.sizes {
            Sizes::Resize => side(first),
            Sizes::Pad => images.iter().map(|i| side(i)).max().unwrap_or(0),
        };
        let mut pieces = Vec::with_capacity(images.len());
        for image in images {
            let image = with_channels(image, channels);
            let (w, h) = (image.width, image.height);
            let piece = if side(&image) == target {
                image
            } else if self.sizes == Sizes::Resize {
                let along =
                    |n: usize, of: usize| ((n as f64 * target as f64 / of as f64).round() as usize).max(1);
                let size = if horizontal { (along(w, h), target) } else { (target, along(h, w)) };
                Resampling::default().apply(&image, size.0, size.1)?
            } else {
                let before = -(((target - side(&image)) / 2) as isize);
                let (start, size) =
                    if horizontal { ((0, before), (w, target)) } else { ((before, 0), (target, h)) };
                check_size(OPERATION, size.0, size.1)?;
                window(&image, start, size, Fill::Colour, self.colour)
            };
            pieces.push(piece);
        }
        let length: usize = pieces.iter().map(|p| if horizontal { p.width } else { p.height }).sum();
        let length = length + self.gap * (pieces.len() - 1);
        let (width, height) = if horizontal { (length, target) } else { (target, length) };
        check_size(OPERATION, width, height)?;
        let mut out = PlanarImage::zeros(channels, height, width);
        let fill = super::samples::colour_samples(self.colour, channels);
        for (channel, fill) in fill.into_iter().enumerate() {
            let plane = out.plane_mut(channel);
            plane.fill(fill);
            let mut at = 0;
            for piece in &pieces {
                let start = if horizontal { at } else { at * width };
                let rows = piece.plane(channel).chunks_exact(piece.width);
                for (y, row) in rows.enumerate() {
                    let start = start + y * width;
                    plane[start..start + piece.width].copy_from_slice(row);
                }
                at += self.gap + if horizontal { piece.width } else { piece.height };
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn pictures_follow_each_other() {
        let (a, b) = (made::picture(3, 5, 4), made::picture(1, 3, 4));
        let mut stack = Stack::from_values(&ParamValues::defaults(PARAMS));
        stack.gap = 2;
        let out = stack.apply(&[&a, &b, &a]).unwrap();
        assert_eq!((out.width, out.height, out.channels), (17, 4, 3));
        assert_eq!(out.plane(2)[..5], a.plane(2)[..5]);
        assert_eq!(out.plane(2)[5..7], [0.0, 0.0]);
        assert_eq!(out.plane(2)[17 + 7..17 + 10], b.plane(0)[3..6]);
        stack.orientation = Orientation::Vertical;
        let out = stack.apply(&[&a, &b]).unwrap();
        assert_eq!((out.width, out.height), (5, 4 + 2 + 7));
        stack.sizes = Sizes::Pad;
        let out = stack.apply(&[&b, &a]).unwrap();
        assert_eq!((out.width, out.height), (5, 10));
        assert_eq!(out.plane(0)[..5], [0.0, b.data[0], b.data[1], b.data[2], 0.0]);
        assert!(stack.apply(&[]).is_err());
    }
}
