//! How the numbers of a picture mean colours: matrix, range, primaries, transfer, chroma location (ITU-T H.273).

use serde::Serialize;

/// Coefficients that relate YCbCr to RGB (H.273 MatrixCoefficients). `None` in [`Colour`] means untagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Range {
    /// 16-235 luma, 16-240 chroma at 8 bits (ffmpeg `tv`).
    Limited,
    /// 0-255 at 8 bits (ffmpeg `pc`).
    Full,
}

/// Where a subsampled chroma sample sits relative to luma (H.273 ChromaLocType, ffmpeg's names).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum ChromaLocation {
    /// Horizontally on the left luma column, vertically between the rows: MPEG-2, H.264 default.
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
