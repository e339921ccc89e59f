//! Why an operation on pictures was refused.

use pegbar_frame::PlanarImage;
use thiserror::Error;

/// Longest side in pixels an operation makes.
pub const MAX_SIDE: usize = 65_535;

/// Most pixels an operation makes: 2^28, a square of 16384.
pub const MAX_PIXELS: usize = 1 << 28;

/// Why an operation on pictures was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PictureError {
    /// Two pictures that must have the same size have not.
    #[error(
        "{operation}: the pictures differ in size, {width}x{height} and {other_width}x{other_height}; \
         resize one of them first"
    )]
    Size {
        /// Id of the operation.
        operation: &'static str,
        /// Width of the first.
        width: usize,
        /// Height of the first.
        height: usize,
        /// Width of the other.
        other_width: usize,
        /// Height of the other.
        other_height: usize,
    },
    /// A picture has the wrong number of channels.
    #[error("{operation}: expected a picture of {expected}, got {got} channels")]
    Channels {
        /// Id of the operation.
        operation: &'static str,
        /// What it takes, in words.
        expected: &'static str,
        /// What came.
        got: usize,
    },
    /// The result would be too large.
    #[error(
        "{operation}: a picture of {width}x{height} is too large, sides may be {MAX_SIDE} and a picture \
         {MAX_PIXELS} pixels at most"
    )]
    TooLarge {
        /// Id of the operation.
        operation: &'static str,
        /// Width asked for.
        width: usize,
        /// Height asked for.
        height: usize,
    },
    /// Nothing would be left.
    #[error("{operation}: nothing is left of a picture of {width}x{height}; take off less")]
    Nothing {
        /// Id of the operation.
        operation: &'static str,
        /// Width of the picture.
        width: usize,
        /// Height of the picture.
        height: usize,
    },
    /// An operation on several pictures got none, or a picture without pixels.
    #[error("{operation}: there is no picture to work on")]
    NoPicture {
        /// Id of the operation.
        operation: &'static str,
    },
    /// A text parameter cannot be read.
    #[error("{operation}: {param} {text:?} cannot be read, expected {expected}")]
    Text {
        /// Id of the operation.
        operation: &'static str,
        /// Id of the parameter.
        param: &'static str,
        /// What stands there.
        text: String,
        /// What it takes, in words.
        expected: &'static str,
    },
}

/// Refuses sizes beyond what any picture has.
pub(crate) fn check_size(operation: &'static str, width: usize, height: usize) -> Result<(), PictureError> {
    if width == 0 || height == 0 {
        return Err(PictureError::NoPicture { operation });
    }
    let fits = width <= MAX_SIDE && height <= MAX_SIDE && width * height <= MAX_PIXELS;
    if fits { Ok(()) } else { Err(PictureError::TooLarge { operation, width, height }) }
}

/// Refuses a picture of another size.
pub(crate) fn check_same_size(
    operation: &'static str,
    a: &PlanarImage,
    b: &PlanarImage,
) -> Result<(), PictureError> {
    if (a.width, a.height) == (b.width, b.height) {
        return Ok(());
    }
    Err(PictureError::Size {
        operation,
        width: a.width,
        height: a.height,
        other_width: b.width,
        other_height: b.height,
    })
}
