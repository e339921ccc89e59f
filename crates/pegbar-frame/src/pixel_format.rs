//! How samples are laid out in planes.

use serde::Serialize;

/// What the planes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum PixelFamily {
    /// One luma plane.
    Gray,
    /// Y, Cb, Cr planes.
    Yuv,
    /// G, B, R planes, in that order (ffmpeg's `gbrp`).
    Rgb,
}

/// A planar pixel format. Samples of 8 bits take one byte, deeper ones two (little endian, low bits used).
///
/// An alpha plane, where there is one, comes last and has the size of the first plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct PixelFormat {
    /// What the planes hold.
    pub family: PixelFamily,
    /// Bits of a sample: 8, 9, 10, 12, 14 or 16.
    pub depth_bits: u8,
    /// log2 of the horizontal chroma subsampling: 0, 1 or 2. Zero unless the family is YUV.
    pub log2_chroma_w: u8,
    /// log2 of the vertical chroma subsampling: 0 or 1. Zero unless the family is YUV.
    pub log2_chroma_h: u8,
    /// Whether an alpha plane follows.
    pub alpha: bool,
}
