//! The size of an image without decoding it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::Limits;

use super::Format;
use super::read::{bad_image, decoder, unreadable};
use crate::MediaError;

/// Columns and rows of an image as [`super::read`] will give it, EXIF orientation applied; reads the head of the file
/// only.
///
/// # Errors
/// As [`super::read`].
pub fn dimensions(path: &Path) -> Result<(usize, usize), MediaError> {
    let format = Format::of_content(&head(path)?)?;
    let file = File::open(path).map_err(unreadable)?;
    let mut decoder = decoder(format, BufReader::new(file), &Limits::default())
        .map_err(|error| bad_image(format, &error))?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    use image::metadata::Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    let turned = matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH);
    Ok(if turned { (height, width) } else { (width, height) })
}

/// The first bytes, enough to tell the format.
fn head(path: &Path) -> Result<Vec<u8>, MediaError> {
    use std::io::Read;
    let mut bytes = Vec::new();
    File::open(path).and_then(|f| f.take(64).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(bytes)
}
