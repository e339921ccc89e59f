//! Frames to RGB samples and back.

use crate::{Colour, Frame, FrameError, PixelFormat, PlanarImage};

/// What happens to the fraction when samples become codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dither {
    /// Round half up.
    #[default]
    None,
    /// An 8x8 ordered pattern, the same in every frame: no banding, no flicker.
    Ordered,
}

/// Frame to RGB (3 channels) or gray (1 channel for a gray frame), and the alpha plane where there is one.
///
/// # Errors
/// When the frame does not fit its description.
pub fn frame_to_rgb(frame: &Frame) -> Result<(PlanarImage, Option<PlanarImage>), FrameError> {
    frame.validate()?;
    todo!()
}

/// RGB or gray samples to a frame.
///
/// # Errors
/// When the picture does not fit its description.
pub fn rgb_to_frame(
    image: &PlanarImage,
    alpha: Option<&PlanarImage>,
    format: PixelFormat,
    colour: &Colour,
    pts: i64,
) -> Result<Frame, FrameError> {
    rgb_to_frame_dithered(image, alpha, format, colour, pts, Dither::None)
}

/// [`rgb_to_frame`] with a choice of dither.
///
/// # Errors
/// As [`rgb_to_frame`].
pub fn rgb_to_frame_dithered(
    image: &PlanarImage,
    _alpha: Option<&PlanarImage>,
    _format: PixelFormat,
    _colour: &Colour,
    _pts: i64,
    _dither: Dither,
) -> Result<Frame, FrameError> {
    image.validate()?;
    todo!()
}
