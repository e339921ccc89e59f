//! The kinds of image files, by name and by content.

use std::path::Path;

use pegbar_frame::{PixelFamily, PixelFormat};

use crate::MediaError;

/// An image file format that is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// PNG, 8 or 16 bit, lossless.
    Png,
    /// JPEG, 8 bit, lossy.
    Jpeg,
    /// WebP, 8 bit, written without loss.
    Webp,
    /// TIFF, 8 or 16 bit, lossless.
    Tiff,
    /// BMP, 8 bit, lossless.
    Bmp,
}

const EXTENSIONS: &[(&str, Format)] = &[
    ("png", Format::Png),
    ("jpg", Format::Jpeg),
    ("jpeg", Format::Jpeg),
    ("jpe", Format::Jpeg),
    ("jfif", Format::Jpeg),
    ("webp", Format::Webp),
    ("tif", Format::Tiff),
    ("tiff", Format::Tiff),
    ("bmp", Format::Bmp),
    ("dib", Format::Bmp),
];

/// Extensions of images that we know but do not read; reading one gives a sentence.
const UNREADABLE: &[&str] =
    &["avif", "heic", "heif", "jxl", "jp2", "psd", "tga", "exr", "ppm", "pgm", "svg", "ico"];

const READ: &str = "PNG, JPEG, WebP, TIFF and BMP are read";

impl Format {
    /// The format that a file name asks for.
    ///
    /// # Errors
    /// [`MediaError::Settings`] says which extensions there are.
    pub fn from_path(path: &Path) -> Result<Self, MediaError> {
        let extension = extension(path);
        EXTENSIONS.iter().find(|(e, _)| *e == extension).map(|(_, format)| *format).ok_or_else(|| {
            let what = if extension.is_empty() {
                "a name without an extension does not say which image format to write".to_owned()
            } else {
                format!(".{extension} is no image format that can be written")
            };
            MediaError::Settings(format!("{what}; use .png, .jpg, .webp, .tif or .bmp"))
        })
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Webp => "WebP",
            Self::Tiff => "TIFF",
            Self::Bmp => "BMP",
        }
    }

    /// The planes that hold a frame of this format as the file does: gray or RGB, of 8 or 16 bits.
    pub fn frame_format(self, source: PixelFormat) -> PixelFormat {
        let depth = if source.depth_bits > 8 && matches!(self, Self::Png | Self::Tiff) { 16 } else { 8 };
        let alpha = source.alpha && matches!(self, Self::Png | Self::Tiff | Self::Webp);
        match source.family {
            PixelFamily::Gray if !alpha => PixelFormat::gray(depth),
            _ => PixelFormat::rgb(depth).with_alpha(alpha),
        }
    }

    /// The format of a file by its first bytes.
    ///
    /// # Errors
    /// [`MediaError::Still`] says what the file is instead.
    pub(super) fn of_content(head: &[u8]) -> Result<Self, MediaError> {
        let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        let is = |magic: &[u8]| at(0, magic);
        let other = |what: &str, advice: &str| Err(MediaError::Still(format!("{what}; {advice}")));
        let convert = format!("{READ}: convert it first");
        if is(b"\x89PNG\r\n\x1a\n") {
            Ok(Self::Png)
        } else if is(b"\xff\xd8") {
            Ok(Self::Jpeg)
        } else if is(b"RIFF") && at(8, b"WEBP") {
            Ok(Self::Webp)
        } else if is(b"II*\0") || is(b"MM\0*") || is(b"II+\0") || is(b"MM\0+") {
            Ok(Self::Tiff)
        } else if is(b"BM") {
            Ok(Self::Bmp)
        } else if head.is_empty() {
            Err(MediaError::Still("the file is empty (0 bytes)".to_owned()))
        } else if is(b"GIF8") {
            other("this is a GIF", "name it .gif, and it is read as a video")
        } else if at(4, b"ftypavif") || at(4, b"ftypavis") {
            other("this is an AVIF image, which is not supported", &convert)
        } else if at(4, b"ftyphei") || at(4, b"ftypmif1") || at(4, b"ftyphev") {
            other("this is a HEIC image, which is not supported", &convert)
        } else if is(b"\xff\x0a") || at(4, b"JXL ") {
            other("this is a JPEG XL image, which is not supported", &convert)
        } else {
            other("this is no image of a known kind", READ)
        }
    }
}

/// Whether a file name says that it is a still image, one we cannot read included.
pub fn is_image_path(path: &Path) -> bool {
    let extension = extension(path);
    EXTENSIONS.iter().any(|(e, _)| *e == extension) || UNREADABLE.contains(&extension.as_str())
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(Format::from_path(Path::new("a.b/c.JPEG")).unwrap(), Format::Jpeg);
        assert!(is_image_path(Path::new("x.PnG")));
        assert!(is_image_path(Path::new("x.avif")));
        assert!(!is_image_path(Path::new("x.mkv")));
        assert!(!is_image_path(Path::new("png")));
        for name in ["x.gif", "x", "x.mkv"] {
            assert!(Format::from_path(Path::new(name)).unwrap_err().to_string().contains(".png"), "{name}");
        }
    }

    #[test]
    fn content() {
        for (head, says) in [
            (&b""[..], "empty"),
            (b"GIF89a", "GIF"),
            (b"\0\0\0\x20ftypavif", "AVIF"),
            (b"\0\0\0\x20ftypheic", "HEIC"),
            (b"hello", "no image"),
        ] {
            let error = Format::of_content(head).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
