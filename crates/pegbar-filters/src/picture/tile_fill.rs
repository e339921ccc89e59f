//! Fills an area with copies of a picture.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, Rgba};

use super::choices::choices;
use super::error::{PictureError, check_size};
use super::gather::{Fill, window};

/// The parameters of [`TileFill`].
pub const PARAMS: &[Param] = &[
    Param::int("width", "Width of the result.", "px", (1, 65535), 1024),
    Param::int("height", "Height of the result.", "px", (1, 65535), 1024),
    Param::choice("mode", "How copies are laid.", TileMode::CHOICES, "tile"),
];

choices! {
    /// How copies are laid.
    TileMode {
        Tile = "tile", "All the same way round.";
        Mirror = "mirror", "Every second one mirrored, so that edges meet.";
    }
}

/// Fills an area with copies of a picture, from the top left corner on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileFill {
    /// Width and height of the result.
    pub size: (usize, usize),
    /// How copies are laid.
    pub mode: TileMode,
}

impl TileFill {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { size: (values.usize("width"), values.usize("height")), mode: TileMode::of(values, "mode") }
    }

    /// Fills.
    ///
    /// # Errors
    /// When the picture has no pixels or the result would be too large.
    pub fn apply(&self, image: &PlanarImage) -> Result<PlanarImage, PictureError> {
        check_size("tile-fill", image.width, image.height)?;
        check_size("tile-fill", self.size.0, self.size.1)?;
        let fill = match self.mode {
            TileMode::Tile => Fill::Wrap,
            TileMode::Mirror => Fill::MirrorRepeat,
        };
        Ok(window(image, (0, 0), self.size, fill, Rgba([0.0; 4])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_lie_side_by_side() {
        let image = PlanarImage { width: 2, height: 1, channels: 1, data: vec![1.0, 2.0] };
        let row = |mode| TileFill { size: (5, 2), mode }.apply(&image).unwrap().data;
        assert_eq!(row(TileMode::Tile), [1.0, 2.0, 1.0, 2.0, 1.0, 1.0, 2.0, 1.0, 2.0, 1.0]);
        assert_eq!(row(TileMode::Mirror)[..5], [1.0, 2.0, 2.0, 1.0, 1.0]);
    }
}
