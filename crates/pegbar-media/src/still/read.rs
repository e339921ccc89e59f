//! Reading still images.

use std::fs;
use std::io::{self, BufRead, Cursor, ErrorKind, Seek};
use std::path::Path;

use image::codecs::{
    bmp::BmpDecoder, jpeg::JpegDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder,
};
use image::error::{ImageError, LimitErrorKind};
use image::{DynamicImage, ImageDecoder, Limits};
use pegbar_frame::PlanarImage;

use super::{Format, StillImage, jpeg_end};
use crate::MediaError;

/// The largest picture read, in pixels: 16384x16384. Its samples take 3 GiB.
pub(crate) const MOST_PIXELS: u64 = 1 << 28;

/// Memory that a decoder may take: 16-bit RGBA of that size, and as much again to work in.
const MOST_BYTES: u64 = 2 * 8 * MOST_PIXELS;

/// Reads an image file of any kind in [`Format`], by its content whatever its name.
///
/// Palettes, bilevel, CMYK and interlaced images become plain gray or RGB; EXIF orientation is applied; of several
/// images in one file the first is read.
///
/// # Errors
/// [`MediaError::Unreadable`] and [`MediaError::Still`] say what is wrong with the file. A picture of which a part is
/// missing is an error in every format.
pub fn read(path: &Path) -> Result<StillImage, MediaError> {
    read_bytes(&fs::read(path).map_err(unreadable)?)
}

/// Why a file cannot be read at all.
pub(super) fn unreadable(error: io::Error) -> MediaError {
    MediaError::Unreadable {
        reason: match error.kind() {
            ErrorKind::NotFound => "the file does not exist".to_owned(),
            ErrorKind::IsADirectory => "this is a directory, not an image file".to_owned(),
            _ => format!("the file cannot be read: {error}"),
        },
    }
}

/// [`read`] for the content of a file.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(bytes: &[u8]) -> Result<StillImage, MediaError> {
    let format = Format::of_content(bytes)?;
    let bad = |error: ImageError| bad_image(format, &error);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_BYTES);
    let mut decoder = decoder(format, Cursor::new(bytes), &limits).map_err(bad)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(MediaError::Still(format!(
            "this {} image is {width}x{height}: it has no pixels",
            format.name()
        )));
    }
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(MediaError::Still(format!(
            "this image is too large: {width}x{height} is more than {} megapixels; cut it into parts",
            MOST_PIXELS >> 20
        )));
    }
    // A damaged profile or orientation is no reason to refuse the picture.
    let icc_profile = decoder.icc_profile().ok().flatten();
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    // Only now: the TIFF decoder's limits leave no room for the profile of a small picture.
    decoder.set_limits(limits).map_err(bad)?;
    if format == Format::Jpeg && !jpeg_end::is_reached(bytes) {
        return Err(MediaError::Still(cut_off(format)));
    }
    let mut picture = DynamicImage::from_decoder(decoder).map_err(bad)?;
    picture.apply_orientation(orientation);
    let (image, alpha, depth_bits) = planes(&picture);
    let icc_profile = icc_profile.filter(|profile| profile_fits(profile, image.channels));
    Ok(StillImage { image, alpha, depth_bits, icc_profile })
}

/// The decoder of a format, its head read, without limits but for PNG's.
pub(super) fn decoder<'a>(
    format: Format,
    bytes: impl BufRead + Seek + 'a,
    limits: &Limits,
) -> Result<Box<dyn ImageDecoder + 'a>, ImageError> {
    Ok(match format {
        Format::Png => Box::new(PngDecoder::with_limits(bytes, limits.clone())?),
        Format::Jpeg => Box::new(JpegDecoder::new(bytes)?),
        Format::Webp => Box::new(WebPDecoder::new(bytes)?),
        Format::Tiff => Box::new(TiffDecoder::new(bytes)?),
        Format::Bmp => Box::new(BmpDecoder::new(bytes)?),
    })
}

/// What a decoder's error means to the user.
pub(super) fn bad_image(format: Format, error: &ImageError) -> MediaError {
    let name = format.name();
    MediaError::Still(match error {
        ImageError::Limits(limit) => match limit.kind() {
            LimitErrorKind::DimensionError | LimitErrorKind::InsufficientMemory => {
                format!("this {name} image is too large to decode; cut it into parts")
            }
            _ => format!("this {name} image is not supported: {error}"),
        },
        ImageError::Unsupported(_) => format!("this kind of {name} image is not supported: {error}"),
        ImageError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => cut_off(format),
        _ => format!("this {name} image is damaged: {error}"),
    })
}

fn cut_off(format: Format) -> String {
    format!("this {} image is cut off: the file ends too early", format.name())
}

/// Whether a profile is for images of so many channels: a CMYK image that became RGB must not keep its profile. The
/// colour space stands at byte 16 of the header (ICC.1, 7.2.6).
fn profile_fits(profile: &[u8], channels: usize) -> bool {
    let wanted: &[u8] = if channels == 1 { b"GRAY" } else { b"RGB " };
    profile.get(16..20) == Some(wanted)
}

/// Samples as planes, with the depth of the file.
fn planes(picture: &DynamicImage) -> (PlanarImage, Option<PlanarImage>, u8) {
    let size = (picture.width() as usize, picture.height() as usize);
    match picture {
        DynamicImage::ImageLuma8(i) => split(i.as_raw(), size, 1, false, byte, 8),
        DynamicImage::ImageLumaA8(i) => split(i.as_raw(), size, 1, true, byte, 8),
        DynamicImage::ImageRgb8(i) => split(i.as_raw(), size, 3, false, byte, 8),
        DynamicImage::ImageRgba8(i) => split(i.as_raw(), size, 3, true, byte, 8),
        DynamicImage::ImageLuma16(i) => split(i.as_raw(), size, 1, false, word, 16),
        DynamicImage::ImageLumaA16(i) => split(i.as_raw(), size, 1, true, word, 16),
        DynamicImage::ImageRgb16(i) => split(i.as_raw(), size, 3, false, word, 16),
        DynamicImage::ImageRgba16(i) => split(i.as_raw(), size, 3, true, word, 16),
        DynamicImage::ImageRgb32F(i) => split(i.as_raw(), size, 3, false, float, 16),
        // What else there may be one day goes through floating point.
        other => split(other.to_rgba32f().as_raw(), size, 3, true, float, 16),
    }
}

fn byte(sample: u8) -> f32 {
    f32::from(sample) / 255.0
}

fn word(sample: u16) -> f32 {
    f32::from(sample) / 65535.0
}

fn float(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(0.0, 1.0) } else { 0.0 }
}

/// Takes interleaved samples apart.
fn split<T: Copy>(
    samples: &[T],
    (width, height): (usize, usize),
    channels: usize,
    has_alpha: bool,
    value: fn(T) -> f32,
    depth_bits: u8,
) -> (PlanarImage, Option<PlanarImage>, u8) {
    let stride = channels + usize::from(has_alpha);
    let plane = |c: usize| samples[c..].iter().step_by(stride).map(|&s| value(s));
    let data = (0..channels).flat_map(plane).collect();
    let alpha =
        has_alpha.then(|| PlanarImage { width, height, channels: 1, data: plane(channels).collect() });
    (PlanarImage { width, height, channels, data }, alpha, depth_bits)
}
