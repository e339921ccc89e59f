//! Still image files: PNG, JPEG, WebP, TIFF and BMP, as samples that networks take.

mod dimensions;
mod format;
mod jpeg_end;
mod lossy_webp;
mod read;
mod write;

use pegbar_frame::PlanarImage;

pub use dimensions::dimensions;
pub use format::{Format, is_image_path};
pub use lossy_webp::write_lossy_webp;
pub(crate) use read::MOST_PIXELS;
pub use read::{read, read_bytes};
pub use write::{Subsampling, WriteOptions, write};

/// A still image, turned upright.
#[derive(Debug, Clone, PartialEq)]
pub struct StillImage {
    /// Colour, `0.0..=1.0`: one channel where the file is gray, else three.
    pub image: PlanarImage,
    /// Opacity, one channel, `0.0..=1.0`; not multiplied into the colour.
    pub alpha: Option<PlanarImage>,
    /// Bits of a sample in the file, 8 or 16: what to write again.
    pub depth_bits: u8,
    /// The ICC profile that says what the colours mean, where there is one for this kind of image.
    pub icc_profile: Option<Vec<u8>>,
}
