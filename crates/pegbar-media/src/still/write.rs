//! Writing still images.

use std::borrow::Cow;
use std::io::{BufWriter, Write};
use std::path::Path;

use image::codecs::{bmp::BmpEncoder, png::PngEncoder, tiff::TiffEncoder, webp::WebPEncoder};
use image::error::ImageError;
use image::{ExtendedColorType, ImageEncoder};
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, EncodingError, SamplingFactor};

use pegbar_frame::Dither;

use super::{Format, StillImage};
use crate::{MediaError, temporary};

/// How to write an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// File format.
    pub format: Format,
    /// Quality of JPEG, 1 to 100; the others are written without loss.
    pub quality: u8,
    /// How much colour JPEG keeps.
    pub subsampling: Subsampling,
    /// Whether JPEG holds a rough picture first, and what refines it after that: smaller, and shown while it comes.
    pub progressive: bool,
}

impl WriteOptions {
    /// Colour of all pixels, from top to bottom.
    pub fn new(format: Format, quality: u8) -> Self {
        Self { format, quality, subsampling: Subsampling::S444, progressive: false }
    }
}

/// Chroma subsampling: pixels that share a sample of colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsampling {
    /// 4:4:4, none.
    S444,
    /// 4:4:0, two in a column.
    S440,
    /// 4:2:2, two in a row.
    S422,
    /// 4:2:0, squares of four.
    S420,
}

/// Writes an image: under a temporary name in the same folder, synced, then renamed to `path`. Gray stays gray, 16 bits
/// and opacity are kept where the format has them. Returns sentences on what it has not.
///
/// # Errors
/// [`MediaError::Still`] when the image does not fit the format; [`MediaError::Io`] when it cannot be written.
pub fn write(path: &Path, picture: &StillImage, options: &WriteOptions) -> Result<Vec<String>, MediaError> {
    let format = options.format;
    let name = format.name();
    let image = &picture.image;
    let (width, height) = check_size(picture, format)?;
    let mut notes = Vec::new();
    let deep = picture.depth_bits > 8 && matches!(format, Format::Png | Format::Tiff);
    if picture.depth_bits > 8 && !deep {
        notes.push(format!("16 bits are reduced to 8: {name} has no more"));
    }
    let mut channels: Vec<Cow<'_, [f32]>> = (0..image.channels).map(|c| image.plane(c).into()).collect();
    if let Some(alpha) = &picture.alpha {
        if format == Format::Jpeg {
            notes.push("transparent parts become white: JPEG has no transparency".to_owned());
            for channel in &mut channels {
                channel.to_mut().iter_mut().zip(&alpha.data).for_each(|(v, a)| *v = *v * a + (1.0 - a));
            }
        } else {
            if matches!(format, Format::Tiff | Format::Bmp) && channels.len() == 1 {
                // They have no gray with opacity.
                channels = vec![channels[0].clone(); 3];
            }
            channels.push(alpha.data.as_slice().into());
        }
    }
    let colour = colour_type(channels.len(), deep);
    // Where depth drops, as for video.
    let dither = if picture.depth_bits > 8 { Dither::Ordered } else { Dither::None };
    let samples =
        if deep { interleave_words(&channels) } else { interleave_bytes(&channels, image.width, dither) };
    let failed = |e| MediaError::Io { doing: "the image cannot be written".to_owned(), source: e };
    let file = temporary::beside(path).map_err(failed)?;
    let mut out = BufWriter::new(file);
    let profile = picture.icc_profile.as_deref();
    let encoded = match format {
        Format::Png => encode(PngEncoder::new(&mut out), profile, &samples, width, height, colour),
        Format::Jpeg => encode_jpeg(&mut out, profile, &samples, (width, height), colour, options),
        Format::Webp => encode(WebPEncoder::new_lossless(&mut out), profile, &samples, width, height, colour),
        Format::Tiff => encode(TiffEncoder::new(&mut out), profile, &samples, width, height, colour),
        Format::Bmp => encode(BmpEncoder::new(&mut out), profile, &samples, width, height, colour),
    };
    match encoded {
        Ok(true) => {}
        Ok(false) => notes.push(format!("the ICC profile is not kept: {name} files are written without one")),
        Err(ImageError::IoError(e)) => return Err(failed(e)),
        Err(e) => return Err(MediaError::Still(format!("the image cannot be written as {name}: {e}"))),
    }
    out.flush().map_err(failed)?;
    let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
    temporary::persist(file, path).map_err(failed)?;
    Ok(notes)
}

/// As [`encode`], for gray and RGB.
fn encode_jpeg(
    out: impl Write,
    profile: Option<&[u8]>,
    samples: &[u8],
    (width, height): (u32, u32),
    colour: ExtendedColorType,
    options: &WriteOptions,
) -> Result<bool, ImageError> {
    let failed = |error| match error {
        EncodingError::IoError(e) => ImageError::IoError(e),
        other => ImageError::IoError(std::io::Error::other(other)),
    };
    let mut encoder = jpeg_encoder::Encoder::new(out, options.quality.clamp(1, 100));
    encoder.set_sampling_factor(match options.subsampling {
        Subsampling::S444 => SamplingFactor::R_4_4_4,
        Subsampling::S440 => SamplingFactor::R_4_4_0,
        Subsampling::S422 => SamplingFactor::R_4_2_2,
        Subsampling::S420 => SamplingFactor::R_4_2_0,
    });
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.set_progressive(options.progressive);
    encoder.set_optimized_huffman_tables(true);
    let kept = profile.is_none_or(|profile| encoder.add_icc_profile(profile).is_ok());
    let colour = if colour == ExtendedColorType::L8 { ColorType::Luma } else { ColorType::Rgb };
    // Sides are checked: they fit.
    encoder.encode(samples, width as u16, height as u16, colour).map_err(failed)?;
    Ok(kept)
}

/// Encodes; says whether the profile could be kept.
fn encode(
    mut encoder: impl ImageEncoder,
    profile: Option<&[u8]>,
    samples: &[u8],
    width: u32,
    height: u32,
    colour: ExtendedColorType,
) -> Result<bool, ImageError> {
    let kept = profile.is_none_or(|profile| encoder.set_icc_profile(profile.to_vec()).is_ok());
    encoder.write_image(samples, width, height, colour)?;
    Ok(kept)
}

pub(super) fn check_size(picture: &StillImage, format: Format) -> Result<(u32, u32), MediaError> {
    let image = &picture.image;
    let n = image.width * image.height;
    let alpha_fits =
        picture.alpha.as_ref().is_none_or(|a| (a.width, a.height) == (image.width, image.height));
    if image.data.len() != n * image.channels || !matches!(image.channels, 1 | 3) || !alpha_fits {
        return Err(MediaError::Still(
            "the image has planes that do not fit together, so it cannot be written".to_owned(),
        ));
    }
    let most = match format {
        Format::Webp => 16383,
        Format::Jpeg | Format::Bmp => 65535,
        Format::Png | Format::Tiff => i32::MAX as usize,
    };
    if !(1..=most).contains(&image.width) || !(1..=most).contains(&image.height) {
        return Err(MediaError::Still(format!(
            "a picture of {}x{} does not fit into {}, which holds up to {most}x{most}; write PNG or TIFF",
            image.width,
            image.height,
            format.name()
        )));
    }
    Ok((image.width as u32, image.height as u32))
}

fn colour_type(n_channels: usize, deep: bool) -> ExtendedColorType {
    match (n_channels, deep) {
        (1, false) => ExtendedColorType::L8,
        (2, false) => ExtendedColorType::La8,
        (3, false) => ExtendedColorType::Rgb8,
        (_, false) => ExtendedColorType::Rgba8,
        (1, true) => ExtendedColorType::L16,
        (2, true) => ExtendedColorType::La16,
        (3, true) => ExtendedColorType::Rgb16,
        (_, true) => ExtendedColorType::Rgba16,
    }
}

pub(super) fn interleave_bytes(channels: &[Cow<'_, [f32]>], width: usize, dither: Dither) -> Vec<u8> {
    interleave(channels, |v, i| [(v.clamp(0.0, 1.0) * 255.0 + dither.threshold(i % width, i / width)) as u8])
}

/// Words in the order of the machine, as the encoders take them.
fn interleave_words(channels: &[Cow<'_, [f32]>]) -> Vec<u8> {
    interleave(channels, |v, _| ((v.clamp(0.0, 1.0) * 65535.0).round() as u16).to_ne_bytes())
}

/// The code of a sample and its place, counted along the rows. A NaN becomes 0: casts from it do.
fn interleave<const N: usize>(channels: &[Cow<'_, [f32]>], code: impl Fn(f32, usize) -> [u8; N]) -> Vec<u8> {
    let n = channels.first().map_or(0, |c| c.len());
    let mut out = Vec::with_capacity(n * channels.len() * N);
    for i in 0..n {
        for channel in channels {
            out.extend_from_slice(&code(channel[i], i));
        }
    }
    out
}
