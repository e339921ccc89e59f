//! One picture of a stream, as planes of samples.

use crate::{Colour, PixelFormat};

/// One plane of samples, rows packed without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    /// Samples in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height * bytes per sample` bytes; two-byte samples are little endian.
    pub data: Vec<u8>,
}

/// One picture with its time stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Layout of the planes.
    pub format: PixelFormat,
    /// Width of the picture in luma samples.
    pub width: usize,
    /// Height of the picture in luma samples.
    pub height: usize,
    /// Planes in the order of [`crate::PixelFamily`], alpha last.
    pub planes: Vec<Plane>,
    /// Presentation time stamp in units of the stream's time base.
    pub pts: i64,
    /// What the numbers mean.
    pub colour: Colour,
}
