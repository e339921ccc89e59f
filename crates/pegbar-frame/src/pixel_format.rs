//! How samples are laid out in planes.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::Range;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PixelFormat {
    /// What the planes hold.
    pub family: PixelFamily,
    /// Bits of a sample: 8, 9, 10, 12, 14 or 16.
    pub depth_bits: u8,
    /// log2 of the horizontal chroma subsampling: 0, 1 or 2. Zero unless the family is YUV.
    pub log2_chroma_w: u8,
    /// log2 of the vertical chroma subsampling: 0, 1 or 2 (2 in `yuv410p` alone). Zero unless the family is YUV.
    pub log2_chroma_h: u8,
    /// Whether an alpha plane follows.
    pub alpha: bool,
}

/// One line of [`LAYOUTS`]: ffmpeg's name at 8 bits and the depths ffmpeg has of it.
struct Layout {
    name: &'static str,
    family: PixelFamily,
    log2_chroma: (u8, u8),
    alpha: bool,
    depths: &'static [u8],
}

const fn layout(
    name: &'static str,
    family: PixelFamily,
    log2_chroma: (u8, u8),
    alpha: bool,
    depths: &'static [u8],
) -> Layout {
    Layout { name, family, log2_chroma, alpha, depths }
}

const ALL_DEPTHS: &[u8] = &[8, 9, 10, 12, 14, 16];

/// Every planar integer format of ffmpeg up to 16 bits, from `libavutil/pixfmt.h`.
const LAYOUTS: &[Layout] = &[
    layout("gray", PixelFamily::Gray, (0, 0), false, ALL_DEPTHS),
    layout("yuv420p", PixelFamily::Yuv, (1, 1), false, ALL_DEPTHS),
    layout("yuv422p", PixelFamily::Yuv, (1, 0), false, ALL_DEPTHS),
    layout("yuv444p", PixelFamily::Yuv, (0, 0), false, ALL_DEPTHS),
    layout("yuv440p", PixelFamily::Yuv, (0, 1), false, &[8, 10, 12]),
    layout("yuv411p", PixelFamily::Yuv, (2, 0), false, &[8]),
    layout("yuv410p", PixelFamily::Yuv, (2, 2), false, &[8]),
    layout("yuva420p", PixelFamily::Yuv, (1, 1), true, &[8, 9, 10, 16]),
    layout("yuva422p", PixelFamily::Yuv, (1, 0), true, &[8, 9, 10, 12, 16]),
    layout("yuva444p", PixelFamily::Yuv, (0, 0), true, &[8, 9, 10, 12, 16]),
    layout("gbrp", PixelFamily::Rgb, (0, 0), false, ALL_DEPTHS),
    layout("gbrap", PixelFamily::Rgb, (0, 0), true, &[8, 10, 12, 14, 16]),
];

/// What holds the samples of ffmpeg's other formats. Big-endian names are looked up by their little-endian twin.
const EQUIVALENTS: &[(&[&str], PixelFormat)] = &[
    (&["monow", "monob"], PixelFormat::GRAY8),
    (&["nv12", "nv21"], PixelFormat::YUV420P),
    (&["nv16", "yuyv422", "uyvy422", "yvyu422"], PixelFormat::YUV422P),
    (&["nv24", "nv42", "vyu444", "vuyx"], PixelFormat::YUV444P),
    (&["uyyvyy411"], PixelFormat::YUV411P),
    (&["ayuv", "uyva", "vuya"], PixelFormat::YUVA444P),
    (&["p010le"], PixelFormat::YUV420P10),
    (&["nv20le", "p210le", "y210le"], PixelFormat::YUV422P10),
    (&["p410le", "xv30le", "v30xle"], PixelFormat::YUV444P10),
    (&["p012le"], PixelFormat::YUV420P12),
    (&["p212le", "y212le"], PixelFormat::YUV422P12),
    (&["p412le", "xv36le"], PixelFormat::YUV444P12),
    (&["p016le"], PixelFormat::YUV420P16),
    (&["p216le", "y216le"], PixelFormat::YUV422P16),
    (&["p416le", "xv48le"], PixelFormat::YUV444P16),
    (&["ayuv64le"], PixelFormat::YUVA444P.with_depth(16)),
    (
        &[
            "rgb24",
            "bgr24",
            "0rgb",
            "rgb0",
            "0bgr",
            "bgr0",
            "rgb8",
            "bgr8",
            "rgb4",
            "bgr4",
            "rgb4_byte",
            "bgr4_byte",
            "rgb444le",
            "bgr444le",
            "rgb555le",
            "bgr555le",
            "rgb565le",
            "bgr565le",
        ],
        PixelFormat::GBRP,
    ),
    (&["rgba", "bgra", "argb", "abgr", "pal8", "ya8", "gray8a"], PixelFormat::GBRAP),
    (&["x2rgb10le", "x2bgr10le"], PixelFormat::GBRP10),
    (&["rgb48le", "bgr48le"], PixelFormat::GBRP16),
    (&["rgba64le", "bgra64le", "ya16le"], PixelFormat::GBRAP16),
];

impl PixelFormat {
    /// `gray`.
    pub const GRAY8: Self = Self::gray(8);
    /// `gray10le`.
    pub const GRAY10: Self = Self::gray(10);
    /// `gray16le`.
    pub const GRAY16: Self = Self::gray(16);
    /// `yuv420p`.
    pub const YUV420P: Self = Self::yuv(8, 1, 1);
    /// `yuv422p`.
    pub const YUV422P: Self = Self::yuv(8, 1, 0);
    /// `yuv444p`.
    pub const YUV444P: Self = Self::yuv(8, 0, 0);
    /// `yuv440p`.
    pub const YUV440P: Self = Self::yuv(8, 0, 1);
    /// `yuv411p`.
    pub const YUV411P: Self = Self::yuv(8, 2, 0);
    /// `yuv410p`.
    pub const YUV410P: Self = Self::yuv(8, 2, 2);
    /// `yuv420p10le`.
    pub const YUV420P10: Self = Self::yuv(10, 1, 1);
    /// `yuv422p10le`.
    pub const YUV422P10: Self = Self::yuv(10, 1, 0);
    /// `yuv444p10le`.
    pub const YUV444P10: Self = Self::yuv(10, 0, 0);
    /// `yuv420p12le`.
    pub const YUV420P12: Self = Self::yuv(12, 1, 1);
    /// `yuv422p12le`.
    pub const YUV422P12: Self = Self::yuv(12, 1, 0);
    /// `yuv444p12le`.
    pub const YUV444P12: Self = Self::yuv(12, 0, 0);
    /// `yuv420p16le`.
    pub const YUV420P16: Self = Self::yuv(16, 1, 1);
    /// `yuv422p16le`.
    pub const YUV422P16: Self = Self::yuv(16, 1, 0);
    /// `yuv444p16le`.
    pub const YUV444P16: Self = Self::yuv(16, 0, 0);
    /// `yuva420p`.
    pub const YUVA420P: Self = Self::yuv(8, 1, 1).with_alpha(true);
    /// `yuva422p`.
    pub const YUVA422P: Self = Self::yuv(8, 1, 0).with_alpha(true);
    /// `yuva444p`.
    pub const YUVA444P: Self = Self::yuv(8, 0, 0).with_alpha(true);
    /// `gbrp`.
    pub const GBRP: Self = Self::rgb(8);
    /// `gbrp10le`.
    pub const GBRP10: Self = Self::rgb(10);
    /// `gbrp12le`.
    pub const GBRP12: Self = Self::rgb(12);
    /// `gbrp16le`.
    pub const GBRP16: Self = Self::rgb(16);
    /// `gbrap`.
    pub const GBRAP: Self = Self::rgb(8).with_alpha(true);
    /// `gbrap16le`.
    pub const GBRAP16: Self = Self::rgb(16).with_alpha(true);

    /// A gray format of the given depth.
    pub const fn gray(depth_bits: u8) -> Self {
        Self { family: PixelFamily::Gray, depth_bits, log2_chroma_w: 0, log2_chroma_h: 0, alpha: false }
    }

    /// A YUV format without alpha of the given depth and log2 chroma subsampling.
    pub const fn yuv(depth_bits: u8, log2_chroma_w: u8, log2_chroma_h: u8) -> Self {
        Self { family: PixelFamily::Yuv, depth_bits, log2_chroma_w, log2_chroma_h, alpha: false }
    }

    /// A planar RGB format without alpha of the given depth.
    pub const fn rgb(depth_bits: u8) -> Self {
        Self { family: PixelFamily::Rgb, depth_bits, log2_chroma_w: 0, log2_chroma_h: 0, alpha: false }
    }

    /// The same format with or without an alpha plane; check [`Self::is_supported`] for the rarer depths.
    pub const fn with_alpha(self, alpha: bool) -> Self {
        Self { alpha, ..self }
    }

    /// The same layout at another depth; check [`Self::is_supported`] for the rarer layouts.
    pub const fn with_depth(self, depth_bits: u8) -> Self {
        Self { depth_bits, ..self }
    }

    /// Every format this crate handles, in a fixed order.
    pub fn all() -> impl Iterator<Item = PixelFormat> {
        LAYOUTS.iter().flat_map(|l| l.depths.iter().map(|&depth| l.format(depth)))
    }

    /// Whether ffmpeg has this format, which is the condition for every function of this crate to take it.
    pub fn is_supported(&self) -> bool {
        LAYOUTS.iter().any(|l| l.depths.contains(&self.depth_bits) && l.format(self.depth_bits) == *self)
    }

    /// The planar format of ffmpeg's name. The full-range `yuvj` names give the plain format: ask
    /// [`Self::ffmpeg_implied_range`] for what they say about range. Like ffmpeg, takes `yuv420p10` for
    /// `yuv420p10le`. `None` for packed, big-endian, floating-point and unknown formats.
    pub fn from_ffmpeg(name: &str) -> Option<Self> {
        if matches!(name, "gray8" | "y8") {
            return Some(Self::GRAY8);
        }
        let plain;
        let name = match name.strip_prefix("yuvj") {
            Some(rest) if matches!(rest, "411p" | "420p" | "422p" | "440p" | "444p") => {
                plain = format!("yuv{rest}");
                plain.as_str()
            }
            _ => name,
        };
        LAYOUTS.iter().find_map(|layout| {
            let rest = name.strip_prefix(layout.name)?;
            if rest.is_empty() {
                return Some(layout.format(8));
            }
            let digits = rest.strip_suffix("le").unwrap_or(rest);
            let depth = layout.depths.iter().find(|&&d| d > 8 && d.to_string() == digits)?;
            Some(layout.format(*depth))
        })
    }

    /// What a format name itself says about range: `Full` for ffmpeg's deprecated `yuvj` formats, else `None`.
    pub fn ffmpeg_implied_range(name: &str) -> Option<Range> {
        (name.starts_with("yuvj") && Self::from_ffmpeg(name).is_some()).then_some(Range::Full)
    }

    /// The planar format that holds every sample of any ffmpeg format exactly: what to ask ffmpeg to convert
    /// packed, semi-planar, palette, big-endian and low-depth formats to. A planar format is its own
    /// equivalent. Gray with alpha goes to RGB with alpha, as no planar gray has alpha. `None` where nothing
    /// here holds the samples exactly (floating point, Bayer, XYZ, frames in a GPU's memory). For some names
    /// the conversion must go through [`Self::exact_filter`] to be exact. A `yuvj` format needs none: ask ffmpeg
    /// for the same `yuvj` name, whose bytes are those of the plain format, for between the two it rescales the range.
    pub fn planar_equivalent(ffmpeg_name: &str) -> Option<Self> {
        if let Some(format) = Self::from_ffmpeg(ffmpeg_name) {
            return Some(format);
        }
        if let Some(little) = ffmpeg_name.strip_suffix("be") {
            return Self::planar_equivalent(&format!("{little}le"));
        }
        EQUIVALENTS.iter().find(|(names, _)| names.contains(&ffmpeg_name)).map(|&(_, format)| format)
    }

    /// The `-vf` filters that bring frames of an ffmpeg format to its [`Self::planar_equivalent`] exactly, for
    /// the formats where ffmpeg's direct conversion is not exact: it takes palettes through YUV (off by 2), adds 1
    /// to alphas from 128 to 254, and makes the white of 15- and 16-bit RGB 248. `None` where `-pix_fmt` is enough.
    pub fn exact_filter(ffmpeg_name: &str) -> Option<&'static str> {
        match ffmpeg_name {
            // `extractplanes` numbers its outputs in its own order: r, g, b, a.
            "rgba" | "bgra" | "argb" | "abgr" | "pal8" => {
                Some("format=rgba,extractplanes=r+g+b+a[r][g][b][a];[g][b][r][a]mergeplanes=0x00102030:gbrap")
            }
            "rgb8" | "bgr8" | "rgb4_byte" | "bgr4_byte" | "rgb555le" | "bgr555le" | "rgb565le"
            | "bgr565le" => Some("format=rgb24,format=gbrp"),
            _ => None,
        }
    }

    /// ffmpeg's name: `gray`, `yuv420p`, `yuv420p10le`, `gbrap16le`.
    pub fn ffmpeg_name(&self) -> String {
        let base = match (self.family, self.alpha) {
            (PixelFamily::Gray, false) => "gray".to_owned(),
            (PixelFamily::Gray, true) => "graya".to_owned(),
            (PixelFamily::Rgb, false) => "gbrp".to_owned(),
            (PixelFamily::Rgb, true) => "gbrap".to_owned(),
            (PixelFamily::Yuv, alpha) => {
                let a = if alpha { "a" } else { "" };
                let sub = match (self.log2_chroma_w, self.log2_chroma_h) {
                    (0, 0) => "444",
                    (0, 1) => "440",
                    (1, 0) => "422",
                    (1, 1) => "420",
                    (2, 0) => "411",
                    (2, 2) => "410",
                    _ => "4xx",
                };
                format!("yuv{a}{sub}p")
            }
        };
        if self.depth_bits == 8 { base } else { format!("{base}{}le", self.depth_bits) }
    }

    /// Planes, alpha included: 1 to 4.
    pub fn n_planes(&self) -> usize {
        let colour = if self.family == PixelFamily::Gray { 1 } else { 3 };
        colour + usize::from(self.alpha)
    }

    /// Width and height of a plane of a `width` x `height` picture, in samples; chroma rounds up.
    pub fn plane_size(&self, plane: usize, width: usize, height: usize) -> (usize, usize) {
        if self.is_chroma(plane) {
            (width.div_ceil(1 << self.log2_chroma_w), height.div_ceil(1 << self.log2_chroma_h))
        } else {
            (width, height)
        }
    }

    /// Whether a plane holds Cb or Cr.
    pub fn is_chroma(&self, plane: usize) -> bool {
        self.family == PixelFamily::Yuv && (plane == 1 || plane == 2)
    }

    /// Bytes of a sample: 1 or 2.
    pub const fn bytes_per_sample(&self) -> usize {
        if self.depth_bits > 8 { 2 } else { 1 }
    }

    /// The largest code of a sample: `2^depth - 1`.
    pub const fn max_code(&self) -> u32 {
        (1 << self.depth_bits) - 1
    }

    /// Bytes of a whole picture, planes one after another without padding; `usize::MAX` where it would overflow.
    pub fn frame_bytes(&self, width: usize, height: usize) -> usize {
        self.checked_frame_bytes(width, height).unwrap_or(usize::MAX)
    }

    pub(crate) fn checked_frame_bytes(&self, width: usize, height: usize) -> Option<usize> {
        (0..self.n_planes()).try_fold(0usize, |sum, plane| {
            let (w, h) = self.plane_size(plane, width, height);
            w.checked_mul(h)?.checked_mul(self.bytes_per_sample())?.checked_add(sum)
        })
    }
}

impl Layout {
    const fn format(&self, depth_bits: u8) -> PixelFormat {
        PixelFormat {
            family: self.family,
            depth_bits,
            log2_chroma_w: self.log2_chroma.0,
            log2_chroma_h: self.log2_chroma.1,
            alpha: self.alpha,
        }
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.ffmpeg_name())
    }
}

/// Serialises as ffmpeg's name.
impl Serialize for PixelFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_round() {
        for format in PixelFormat::all() {
            assert!(format.is_supported());
            assert_eq!(PixelFormat::from_ffmpeg(&format.ffmpeg_name()), Some(format), "{format}");
        }
        assert_eq!(PixelFormat::all().count(), 6 * 4 + 3 + 1 + 1 + 4 + 5 + 5 + 6 + 5 - 6 + 6);
        assert_eq!(PixelFormat::from_ffmpeg("yuv420p10"), Some(PixelFormat::YUV420P10));
        assert_eq!(PixelFormat::from_ffmpeg("gray"), Some(PixelFormat::GRAY8));
        assert_eq!(PixelFormat::from_ffmpeg("yuv410p").unwrap().plane_size(1, 719, 405), (180, 102));
    }

    #[test]
    fn names_that_are_no_planar_format() {
        for name in [
            "",
            "yuv",
            "yuv420p10be",
            "yuv420p8",
            "yuv420p8le",
            "yuv420ple",
            "nv12",
            "rgb24",
            "gbrpf32le",
            "yuv411p10le",
            "yuvj420p10le",
            "gray32le",
            "gray+10le",
        ] {
            assert_eq!(PixelFormat::from_ffmpeg(name), None, "{name}");
        }
        assert!(!PixelFormat::gray(8).with_alpha(true).is_supported());
        assert!(!PixelFormat::yuv(8, 0, 2).is_supported());
    }

    #[test]
    fn yuvj_names_mean_full_range() {
        assert_eq!(PixelFormat::from_ffmpeg("yuvj422p"), Some(PixelFormat::YUV422P));
        assert_eq!(PixelFormat::ffmpeg_implied_range("yuvj422p"), Some(Range::Full));
        assert_eq!(PixelFormat::ffmpeg_implied_range("yuv422p"), None);
        assert_eq!(PixelFormat::ffmpeg_implied_range("yuvjunk"), None);
    }

    #[test]
    fn other_formats_have_an_equivalent() {
        for (name, planar) in [
            ("nv12", "yuv420p"),
            ("p010le", "yuv420p10le"),
            ("p010be", "yuv420p10le"),
            ("yuv422p12be", "yuv422p12le"),
            ("uyvy422", "yuv422p"),
            ("rgba64be", "gbrap16le"),
            ("ya8", "gbrap"),
            ("pal8", "gbrap"),
            ("monow", "gray"),
            ("yuvj444p", "yuv444p"),
        ] {
            assert_eq!(PixelFormat::planar_equivalent(name), PixelFormat::from_ffmpeg(planar), "{name}");
        }
        for name in ["gbrpf32le", "bayer_rggb8", "xyz12le", "vaapi", "nope", "be", ""] {
            assert_eq!(PixelFormat::planar_equivalent(name), None, "{name}");
        }
        assert!(EQUIVALENTS.iter().all(|(_, format)| format.is_supported()));
    }

    #[test]
    fn sizes() {
        assert_eq!(PixelFormat::YUV420P.frame_bytes(3, 7), 21 + 2 * 8);
        assert_eq!(PixelFormat::YUV420P10.frame_bytes(1, 1), 6);
        assert_eq!(PixelFormat::GBRAP16.frame_bytes(5, 2), 80);
        assert_eq!(PixelFormat::GBRP.frame_bytes(usize::MAX, 2), usize::MAX);
    }
}
