//! Resizing of planar pictures.

use crate::{FrameError, PlanarImage};

/// How a picture is resampled. All filters but `Nearest` widen when the picture shrinks, so nothing aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filter {
    /// The nearest sample.
    Nearest,
    /// Triangle.
    Bilinear,
    /// Cubic convolution with a = -0.5 (Catmull-Rom), as Pillow's and MATLAB's bicubic.
    Bicubic,
    /// Windowed sinc, three lobes.
    Lanczos3,
    /// The mean over the area an output pixel covers, partly covered pixels by their share.
    Area,
}

/// Resizes every channel to `width` x `height`.
///
/// # Errors
/// When a side is zero on either side.
pub fn resize(
    image: &PlanarImage,
    width: usize,
    height: usize,
    _filter: Filter,
) -> Result<PlanarImage, FrameError> {
    image.validate()?;
    if width == 0 || height == 0 {
        return Err(FrameError::Empty { width, height });
    }
    todo!()
}
