//! What can be wrong with a picture handed to this crate.

use thiserror::Error;

/// A picture that does not fit its description, or a request that makes no sense for it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A side of the picture is zero.
    #[error("the picture is {width}x{height}: both sides must be at least 1 pixel")]
    Empty {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// The picture would not fit the address space.
    #[error("a picture of {width}x{height} is too large to hold in memory")]
    TooLarge {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// The format is no planar format that ffmpeg knows.
    #[error(
        "`{format}` is not a planar pixel format that ffmpeg knows; convert to yuv420p, yuv444p or gbrp first"
    )]
    UnsupportedFormat {
        /// The name the format would have.
        format: String,
    },
    /// Raw bytes of another length than the format and size ask for.
    #[error("a {width}x{height} {format} picture takes {expected} bytes, but {got} came")]
    WrongByteCount {
        /// ffmpeg's name of the format.
        format: String,
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Bytes the format takes at this size.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// A frame with too few or too many planes.
    #[error("a {format} frame has {expected} planes, but {got} came")]
    PlaneCount {
        /// ffmpeg's name of the format.
        format: String,
        /// Planes of the format.
        expected: usize,
        /// Planes given.
        got: usize,
    },
    /// A plane of the wrong size.
    #[error(
        "plane {plane} of a {format} frame must be {expected_width}x{expected_height} in {expected_bytes} bytes, \
         but is {width}x{height} in {bytes} bytes"
    )]
    PlaneSize {
        /// ffmpeg's name of the format.
        format: String,
        /// Index of the plane.
        plane: usize,
        /// Width the plane must have.
        expected_width: usize,
        /// Height the plane must have.
        expected_height: usize,
        /// Bytes the plane must have.
        expected_bytes: usize,
        /// Width it has.
        width: usize,
        /// Height it has.
        height: usize,
        /// Bytes it has.
        bytes: usize,
    },
    /// Planar samples that do not fill the size they claim.
    #[error("{channels} channels of {width}x{height} take {expected} samples, but {got} came")]
    SampleCount {
        /// Channels claimed.
        channels: usize,
        /// Width claimed.
        width: usize,
        /// Height claimed.
        height: usize,
        /// `channels * width * height`.
        expected: usize,
        /// Samples given.
        got: usize,
    },
    /// A number of channels that cannot be shown.
    #[error("a picture must have 1 channel (gray) or 3 (red, green, blue), but has {got}")]
    Channels {
        /// Channels given.
        got: usize,
    },
    /// An alpha plane that is not one channel of the picture's size.
    #[error(
        "the alpha plane must be 1 channel of {width}x{height}, but is {alpha_channels} of {alpha_width}x{alpha_height}"
    )]
    Alpha {
        /// Width of the picture.
        width: usize,
        /// Height of the picture.
        height: usize,
        /// Channels of the alpha plane.
        alpha_channels: usize,
        /// Width of the alpha plane.
        alpha_width: usize,
        /// Height of the alpha plane.
        alpha_height: usize,
    },
    /// The resizer refused; only sizes beyond its counters lead here.
    #[error("the picture could not be resized from {from_width}x{from_height} to {width}x{height}: {reason}")]
    Resize {
        /// Width before.
        from_width: usize,
        /// Height before.
        from_height: usize,
        /// Width asked for.
        width: usize,
        /// Height asked for.
        height: usize,
        /// The resizer's own words.
        reason: String,
    },
}
