//! WebP with loss, which ffmpeg encodes: its library is in C.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::write::{check_size, interleave_bytes};
use super::{Format, StillImage};
use crate::child::{self, LastWords};
use crate::{MediaError, Tools, temporary};
use pegbar_frame::Dither;

/// Writes an image as WebP with a quality of 1 to 100, as [`write`](super::write()) does without loss. Returns sentences on what is not kept.
///
/// # Errors
/// [`MediaError::Still`] when the image does not fit the format or this ffmpeg has no encoder for it; [`MediaError::Io`] when it cannot be
/// written.
pub fn write_lossy_webp(
    tools: &Tools,
    path: &Path,
    picture: &StillImage,
    quality: u8,
) -> Result<Vec<String>, MediaError> {
    let (width, height) = check_size(picture, Format::Webp)?;
    if !tools.has_encoder("libwebp")? {
        return Err(MediaError::Still(
            "this ffmpeg cannot encode WebP (it lacks libwebp); write it without loss, or as JPEG".to_owned(),
        ));
    }
    let mut notes = Vec::new();
    if picture.depth_bits > 8 {
        notes.push("16 bits are reduced to 8: WebP has no more".to_owned());
    }
    if picture.icc_profile.is_some() {
        notes.push("the ICC profile is not kept: WebP with loss is written without one".to_owned());
    }
    let image = &picture.image;
    let colour = |c: usize| image.plane(if image.channels == 1 { 0 } else { c }).into();
    let opaque = vec![1.0; image.width * image.height];
    let alpha = picture.alpha.as_ref().map_or(opaque.as_slice(), |alpha| alpha.data.as_slice());
    let channels = [colour(2), colour(1), colour(0), alpha.into()];
    let dither = if picture.depth_bits > 8 { Dither::Ordered } else { Dither::None };
    let failed = |source| MediaError::Io { doing: "the image cannot be written".to_owned(), source };
    let mut raw = temporary::beside(path).map_err(failed)?;
    raw.write_all(&interleave_bytes(&channels, image.width, dither)).map_err(failed)?;
    let mut command = Command::new(&tools.ffmpeg);
    command.args(["-v", "error", "-nostdin", "-f", "rawvideo", "-pixel_format", "bgra"]);
    command.args(["-video_size", &format!("{width}x{height}"), "-i"]).arg(raw.path());
    command.args(["-frames:v", "1", "-c:v", "libwebp", "-quality", &quality.clamp(1, 100).to_string()]);
    // Its encoder makes luma and chroma of the colours itself.
    command.args(["-pix_fmt", "bgra", "-lossless", "0", "-compression_level", "4", "-f", "image2pipe", "-"]);
    let ran = child::output(&mut command).map_err(|source| match source.kind() {
        std::io::ErrorKind::Interrupted => MediaError::Interrupted,
        _ => MediaError::Io { doing: "ffmpeg could not be started".to_owned(), source },
    })?;
    if !ran.status.success() || !ran.stdout.starts_with(b"RIFF") {
        let reason = LastWords::of(&ran.stderr).reason(|| "it made nothing".to_owned());
        return Err(MediaError::Still(format!("the image cannot be written as WebP by ffmpeg: {reason}")));
    }
    let mut file = temporary::beside(path).map_err(failed)?;
    file.write_all(&ran.stdout).map_err(failed)?;
    temporary::persist(file, path).map_err(failed)?;
    Ok(notes)
}
