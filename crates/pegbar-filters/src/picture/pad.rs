//! Puts a border around a picture.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, Rgba};

use super::choices::choices;
use super::error::{PictureError, check_size};
use super::gather::{Fill, window};

/// The parameters of [`Pad`].
pub const PARAMS: &[Param] = &[
    Param::choice("fill", "What the border is made of.", Fill::CHOICES, "colour"),
    Param::colour("colour", "Colour of the border, with `fill` colour.", "#000000"),
    Param::choice("mode", "How the border is given.", PadMode::CHOICES, "edges"),
    Param::int("amount", "Border at every side, with `mode` border.", "px", (0, 65535), 0),
    Param::int("left", "Border at the left, with `mode` edges.", "px", (0, 65535), 0),
    Param::int("top", "Border at the top, with `mode` edges.", "px", (0, 65535), 0),
    Param::int("right", "Border at the right, with `mode` edges.", "px", (0, 65535), 0),
    Param::int("bottom", "Border at the bottom, with `mode` edges.", "px", (0, 65535), 0),
    Param::int("width", "Width of the result at least, with `mode` size.", "px", (1, 65535), 1920),
    Param::int("height", "Height of the result at least, with `mode` size.", "px", (1, 65535), 1080),
];

choices! {
    /// How a border is given.
    PadMode {
        Border = "border", "The same at every side.";
        Edges = "edges", "A number of pixels for each side.";
        Size = "size", "The size of the result; the picture stands in the middle.";
    }
}

/// Puts a border around a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Pad {
    /// What the border is made of.
    pub fill: Fill,
    /// Its colour.
    pub colour: Rgba,
    /// How it is given.
    pub mode: PadMode,
    /// Pixels at every side, with [`PadMode::Border`].
    pub amount: usize,
    /// Pixels at the left, top, right and bottom, with [`PadMode::Edges`].
    pub edges: [usize; 4],
    /// Smallest width and height, with [`PadMode::Size`].
    pub size: (usize, usize),
}

impl Pad {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            fill: Fill::of(values, "fill"),
            colour: values.colour("colour"),
            mode: PadMode::of(values, "mode"),
            amount: values.usize("amount"),
            edges: ["left", "top", "right", "bottom"].map(|id| values.usize(id)),
            size: (values.usize("width"), values.usize("height")),
        }
    }

    /// The size a picture gets.
    ///
    /// # Errors
    /// When the picture has no pixels or the result would be too large.
    pub fn result_size(&self, width: usize, height: usize) -> Result<(usize, usize), PictureError> {
        check_size("pad", width, height)?;
        let [left, top, right, bottom] = self.border(width, height);
        let size = (width + left + right, height + top + bottom);
        check_size("pad", size.0, size.1).map(|()| size)
    }

    /// Pads.
    ///
    /// # Errors
    /// When the picture has no pixels or the result would be too large.
    pub fn apply(&self, image: &PlanarImage) -> Result<PlanarImage, PictureError> {
        let size = self.result_size(image.width, image.height)?;
        let [left, top, ..] = self.border(image.width, image.height);
        Ok(window(image, (-(left as isize), -(top as isize)), size, self.fill, self.colour))
    }

    /// Pixels at the left, top, right and bottom of a picture.
    fn border(&self, width: usize, height: usize) -> [usize; 4] {
        match self.mode {
            PadMode::Border => [self.amount; 4],
            PadMode::Edges => self.edges,
            PadMode::Size => {
                let more = (self.size.0.saturating_sub(width), self.size.1.saturating_sub(height));
                [more.0 / 2, more.1 / 2, more.0.div_ceil(2), more.1.div_ceil(2)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn fills() {
        let image = PlanarImage { width: 3, height: 1, channels: 1, data: vec![1.0, 2.0, 3.0] };
        let mut pad = Pad::from_values(&ParamValues::defaults(PARAMS));
        pad.edges = [2, 0, 2, 0];
        let mut row = |fill| {
            pad.fill = fill;
            pad.apply(&image).unwrap()
        };
        assert_eq!(row(Fill::Edge).data, [1.0, 1.0, 1.0, 2.0, 3.0, 3.0, 3.0]);
        assert_eq!(row(Fill::Mirror).data, [3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]);
        assert_eq!(row(Fill::MirrorRepeat).data, [2.0, 1.0, 1.0, 2.0, 3.0, 3.0, 2.0]);
        assert_eq!(row(Fill::Wrap).data, [2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0]);
        assert_eq!(row(Fill::Colour).data, [0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0]);
        let clear = row(Fill::Transparent);
        assert_eq!((clear.channels, clear.plane(3)), (4, &[0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0][..]));
    }

    #[test]
    fn a_size_centres() {
        let image = made::picture(3, 4, 3);
        let pad =
            Pad { mode: PadMode::Size, size: (7, 3), ..Pad::from_values(&ParamValues::defaults(PARAMS)) };
        let out = pad.apply(&image).unwrap();
        assert_eq!((out.width, out.height), (7, 3));
        assert_eq!(out.plane(1)[1..5], image.plane(1)[..4]);
        let huge = Pad { mode: PadMode::Border, amount: 60_000, ..pad };
        assert!(matches!(huge.apply(&image), Err(PictureError::TooLarge { .. })));
    }
}
