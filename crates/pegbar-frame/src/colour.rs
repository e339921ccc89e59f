//! How the numbers of a picture mean colours: matrix, range, primaries, transfer, chroma location (ITU-T H.273).

use serde::{Serialize, Serializer};

use crate::{PixelFamily, PixelFormat};

/// Coefficients that relate YCbCr to RGB (H.273 MatrixCoefficients). `None` in [`Colour`] means untagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Matrix {
    /// No matrix: the planes are RGB (ffmpeg `gbr`, code 0).
    Rgb,
    /// ITU-R BT.709 (code 1).
    Bt709,
    /// FCC Title 47 (code 4).
    Fcc,
    /// ITU-R BT.601 625 lines, BT.470 B/G (ffmpeg `bt470bg`, code 5).
    Bt470bg,
    /// ITU-R BT.601 525 lines (ffmpeg `smpte170m`, code 6); the same numbers as [`Matrix::Bt470bg`].
    Smpte170m,
    /// SMPTE 240M (code 7).
    Smpte240m,
    /// ITU-R BT.2020 non-constant luminance (code 9).
    Bt2020Ncl,
}

/// Whether samples use the whole code range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Range {
    /// 16-235 luma, 16-240 chroma at 8 bits (ffmpeg `tv`).
    Limited,
    /// 0-255 at 8 bits (ffmpeg `pc`).
    Full,
}

/// Where a subsampled chroma sample sits relative to luma (H.273 ChromaLocType, ffmpeg's names).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChromaLocation {
    /// Horizontally on the left luma column, vertically between the rows: MPEG-2, and what H.264 and
    /// HEVC mean when they say nothing.
    Left,
    /// Between columns and rows: MPEG-1, JPEG.
    Center,
    /// On the top left luma sample: BT.2020 and DV.
    TopLeft,
    /// Between columns, on the top row.
    Top,
    /// On the left column, on the bottom row.
    BottomLeft,
    /// Between columns, on the bottom row.
    Bottom,
}

/// Colour primaries, carried but not converted: ffmpeg's name (`bt709`, `bt2020`, `smpte170m`...).
pub type Primaries = String;
/// Transfer characteristics, carried but not converted: ffmpeg's name (`bt709`, `smpte2084`...).
pub type Transfer = String;

/// The colour tags of a stream; `None` where the file says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Colour {
    /// YCbCr matrix.
    pub matrix: Option<Matrix>,
    /// Code range.
    pub range: Option<Range>,
    /// Primaries, ffmpeg's name.
    pub primaries: Option<Primaries>,
    /// Transfer, ffmpeg's name.
    pub transfer: Option<Transfer>,
    /// Chroma sample location.
    pub chroma_location: Option<ChromaLocation>,
}

/// The tags serialise as ffmpeg's names.
macro_rules! serialise_by_name {
    ($($tag:ty),*) => {
        $(impl Serialize for $tag {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.ffmpeg_name())
            }
        })*
    };
}
serialise_by_name!(Matrix, Range, ChromaLocation);

impl Matrix {
    /// Weights of red and blue in luma (`Kr`, `Kb` of H.273); green has the rest. `None` for [`Matrix::Rgb`].
    pub const fn luma_weights(self) -> Option<(f64, f64)> {
        match self {
            Self::Rgb => None,
            Self::Bt709 => Some((0.2126, 0.0722)),
            Self::Fcc => Some((0.30, 0.11)),
            Self::Bt470bg | Self::Smpte170m => Some((0.299, 0.114)),
            Self::Smpte240m => Some((0.212, 0.087)),
            Self::Bt2020Ncl => Some((0.2627, 0.0593)),
        }
    }

    /// The usual rule for pictures that do not say: up to 576 rows and under 1280 columns is standard
    /// definition, BT.601 (the 625-line name for 576 and 288 rows, else the 525-line one: same numbers);
    /// anything larger BT.709.
    pub const fn guess(width: usize, height: usize) -> Self {
        match (width, height) {
            (..1280, 576 | 288) => Self::Bt470bg,
            (..1280, ..=576) => Self::Smpte170m,
            _ => Self::Bt709,
        }
    }

    /// ffmpeg's name, as `-colorspace` takes it and ffprobe's `color_space` prints it.
    pub const fn ffmpeg_name(self) -> &'static str {
        match self {
            Self::Rgb => "gbr",
            Self::Bt709 => "bt709",
            Self::Fcc => "fcc",
            Self::Bt470bg => "bt470bg",
            Self::Smpte170m => "smpte170m",
            Self::Smpte240m => "smpte240m",
            Self::Bt2020Ncl => "bt2020nc",
        }
    }

    /// Reads ffmpeg's name; `None` for `unknown` and for matrices not handled (YCgCo, constant luminance, ICtCp).
    pub fn from_ffmpeg(name: &str) -> Option<Self> {
        Some(match name {
            "gbr" | "rgb" => Self::Rgb,
            "bt709" => Self::Bt709,
            "fcc" => Self::Fcc,
            "bt470bg" => Self::Bt470bg,
            "smpte170m" => Self::Smpte170m,
            "smpte240m" => Self::Smpte240m,
            "bt2020nc" | "bt2020ncl" | "bt2020_ncl" => Self::Bt2020Ncl,
            _ => return None,
        })
    }
}

impl Range {
    /// What untagged samples mean: limited for YUV; full for RGB and for gray, which ffmpeg's own scaler
    /// also takes as full.
    pub const fn default_for(family: PixelFamily) -> Self {
        match family {
            PixelFamily::Yuv => Self::Limited,
            PixelFamily::Rgb | PixelFamily::Gray => Self::Full,
        }
    }

    /// ffmpeg's name, as `-color_range` takes it and ffprobe prints it.
    pub const fn ffmpeg_name(self) -> &'static str {
        match self {
            Self::Limited => "tv",
            Self::Full => "pc",
        }
    }

    /// Reads ffmpeg's name, the aliases included; `None` for `unknown`.
    pub fn from_ffmpeg(name: &str) -> Option<Self> {
        match name {
            "tv" | "limited" | "mpeg" => Some(Self::Limited),
            "pc" | "full" | "jpeg" => Some(Self::Full),
            _ => None,
        }
    }
}

impl ChromaLocation {
    /// Every location.
    pub const ALL: [Self; 6] =
        [Self::Left, Self::Center, Self::TopLeft, Self::Top, Self::BottomLeft, Self::Bottom];

    /// ffmpeg's name, as `-chroma_sample_location` takes it and ffprobe's `chroma_location` prints it.
    pub const fn ffmpeg_name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Center => "center",
            Self::TopLeft => "topleft",
            Self::Top => "top",
            Self::BottomLeft => "bottomleft",
            Self::Bottom => "bottom",
        }
    }

    /// Reads ffmpeg's name; `None` for `unspecified`.
    pub fn from_ffmpeg(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|location| location.ffmpeg_name() == name)
    }
}

impl Colour {
    /// The matrix: the tag, or [`Matrix::guess`] where there is none or where it says RGB, which YUV samples
    /// cannot be (a known fault of some writers).
    pub fn matrix_or_guess(&self, width: usize, height: usize) -> Matrix {
        self.matrix.filter(|&m| m != Matrix::Rgb).unwrap_or(Matrix::guess(width, height))
    }

    /// The range: the tag, or [`Range::default_for`] the family.
    pub fn range_or_default(&self, family: PixelFamily) -> Range {
        self.range.unwrap_or(Range::default_for(family))
    }

    /// The chroma location: the tag, or left, the default of MPEG-2, H.264 and HEVC.
    pub fn chroma_location_or_default(&self) -> ChromaLocation {
        self.chroma_location.unwrap_or(ChromaLocation::Left)
    }

    /// The colour with nothing left to guess about a picture of this format and size: matrix, range and,
    /// where chroma is subsampled, chroma location are set. Resolve with the size of the *source* before
    /// its size changes: an upscaled SD picture keeps its BT.601 matrix.
    pub fn resolved(&self, format: PixelFormat, width: usize, height: usize) -> Colour {
        let mut colour = self.clone();
        colour.range = Some(self.range_or_default(format.family));
        match format.family {
            PixelFamily::Yuv => {
                colour.matrix = Some(self.matrix_or_guess(width, height));
                if format.log2_chroma_w + format.log2_chroma_h > 0 {
                    colour.chroma_location = Some(self.chroma_location_or_default());
                }
            }
            PixelFamily::Rgb => colour.matrix = Some(Matrix::Rgb),
            PixelFamily::Gray => {}
        }
        colour
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_round() {
        for m in ["gbr", "bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"] {
            assert_eq!(Matrix::from_ffmpeg(m).unwrap().ffmpeg_name(), m);
        }
        for r in ["tv", "pc"] {
            assert_eq!(Range::from_ffmpeg(r).unwrap().ffmpeg_name(), r);
        }
        for c in ["left", "center", "topleft", "top", "bottomleft", "bottom"] {
            assert_eq!(ChromaLocation::from_ffmpeg(c).unwrap().ffmpeg_name(), c);
        }
        assert_eq!(Matrix::from_ffmpeg("unknown"), None);
        assert_eq!(Matrix::from_ffmpeg("ictcp"), None);
        assert_eq!(ChromaLocation::from_ffmpeg("unspecified"), None);
    }

    #[test]
    fn colours_serialise_by_ffmpeg_name() {
        let colour = Colour {
            matrix: Some(Matrix::Bt2020Ncl),
            range: Some(Range::Limited),
            primaries: Some("bt2020".to_owned()),
            transfer: None,
            chroma_location: Some(ChromaLocation::TopLeft),
        };
        assert_eq!(
            serde_json::to_string(&colour).unwrap(),
            r#"{"matrix":"bt2020nc","range":"tv","primaries":"bt2020","transfer":null,"chroma_location":"topleft"}"#
        );
    }

    #[test]
    fn untagged_pictures() {
        assert_eq!(Matrix::guess(720, 480), Matrix::Smpte170m);
        assert_eq!(Matrix::guess(1279, 576), Matrix::Bt470bg);
        assert_eq!(Matrix::guess(1280, 576), Matrix::Bt709);
        assert_eq!(Matrix::guess(720, 577), Matrix::Bt709);
        let sd = Colour::default().resolved(PixelFormat::YUV420P, 640, 480);
        assert_eq!(sd.matrix, Some(Matrix::Smpte170m));
        assert_eq!(sd.range, Some(Range::Limited));
        assert_eq!(sd.chroma_location, Some(ChromaLocation::Left));
        let gray = Colour::default().resolved(PixelFormat::GRAY8, 640, 480);
        assert_eq!((gray.matrix, gray.range), (None, Some(Range::Full)));
        let mistagged = Colour { matrix: Some(Matrix::Rgb), ..Colour::default() };
        assert_eq!(mistagged.matrix_or_guess(1920, 1080), Matrix::Bt709);
    }
}
