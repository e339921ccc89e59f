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

const OPERATION: &str = "stack";

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

    /// The size of the result for pictures of these sizes (width and height).
    ///
    /// # Errors
    /// When there is no picture, one has no pixels, or the result would be too large.
    pub fn result_size(&self, sizes: &[(usize, usize)]) -> Result<(usize, usize), PictureError> {
        let pieces = self.piece_sizes(sizes)?;
        let gaps = self.gap * (pieces.len() - 1);
        let size = match self.orientation {
            Orientation::Horizontal => (pieces.iter().map(|p| p.0).sum::<usize>() + gaps, pieces[0].1),
            Orientation::Vertical => (pieces[0].0, pieces.iter().map(|p| p.1).sum::<usize>() + gaps),
        };
        check_size(OPERATION, size.0, size.1).map(|()| size)
    }

    /// The channels of the result, where the picture that has most has so many.
    pub fn result_channels(&self, most: usize) -> usize {
        let shows_colour = self.gap > 0 || self.sizes == Sizes::Pad;
        if shows_colour && self.colour.0[3] < 1.0 { 4 } else { most }
    }

    /// Stacks any number of pictures; the result has the channels of the one that has most.
    ///
    /// # Errors
    /// When there is no picture, one has no pixels, or the result would be too large.
    pub fn apply(&self, images: &[&PlanarImage]) -> Result<PlanarImage, PictureError> {
        let horizontal = self.orientation == Orientation::Horizontal;
        let sizes: Vec<(usize, usize)> = images.iter().map(|i| (i.width, i.height)).collect();
        let (width, height) = self.result_size(&sizes)?;
        let channels = self.result_channels(images.iter().map(|i| i.channels).max().unwrap_or(1));
        let mut pieces = Vec::with_capacity(images.len());
        for (image, size) in images.iter().zip(self.piece_sizes(&sizes)?) {
            let image = with_channels(image, channels);
            let piece = if (image.width, image.height) == size {
                image
            } else if self.sizes == Sizes::Resize {
                Resampling::default().apply(&image, size.0, size.1)?
            } else {
                let before = |n: usize, to: usize| -(((to - n) / 2) as isize);
                let start = (before(image.width, size.0), before(image.height, size.1));
                check_size(OPERATION, size.0, size.1)?;
                window(&image, start, size, Fill::Colour, self.colour)
            };
            pieces.push(piece);
        }
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

    /// The sizes that pictures of these sizes are brought to; at least one.
    fn piece_sizes(&self, sizes: &[(usize, usize)]) -> Result<Vec<(usize, usize)>, PictureError> {
        let horizontal = self.orientation == Orientation::Horizontal;
        let side = |(width, height): (usize, usize)| if horizontal { height } else { width };
        let first = sizes.first().ok_or(PictureError::NoPicture { operation: OPERATION })?;
        for &(width, height) in sizes {
            check_size(OPERATION, width, height)?;
        }
        let target = match self.sizes {
            Sizes::Resize => side(*first),
            Sizes::Pad => sizes.iter().map(|size| side(*size)).max().unwrap_or(0),
        };
        let along = |n: usize, of: usize| match self.sizes {
            Sizes::Resize => ((n as f64 * target as f64 / of as f64).round() as usize).max(1),
            Sizes::Pad => n,
        };
        let piece = |&(w, h): &(usize, usize)| match (side((w, h)) == target, horizontal) {
            (true, _) => (w, h),
            (_, true) => (along(w, h), target),
            (_, false) => (target, along(h, w)),
        };
        Ok(sizes.iter().map(piece).collect())
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
