//! The presets of `--encode`, declared once: what they are for, their parameters, which encoder of ffmpeg does them.

use pegbar_frame::{PixelFamily, PixelFormat};
use pegbar_params::{Choice, Param, ParamKind, ParamValue};

use crate::container::Container;

/// An encoder of ffmpeg.
#[derive(Debug, Clone, Copy)]
pub struct EncoderSpec {
    /// ffmpeg's name.
    pub name: &'static str,
    /// The smallest width and height it takes.
    pub least_size_px: usize,
    /// Whether it takes odd sizes where chroma is halved.
    pub odd_sizes: bool,
}

/// A preset of `--encode`.
#[derive(Debug, Clone, Copy)]
pub struct CodecSpec {
    /// What to type.
    pub id: &'static str,
    /// What it is for, one sentence.
    pub doc: &'static str,
    /// Encoders that do it, the best first.
    pub encoders: &'static [EncoderSpec],
    /// Containers that hold it, the usual one first.
    pub containers: &'static [Container],
    /// `crf` and `preset`, where it has them.
    pub params: &'static [Param],
}

const fn crf(max: f64, default: f64) -> Param {
    Param {
        id: "crf",
        doc: "Constant rate factor: lower is better and larger.",
        unit: "",
        kind: ParamKind::Float { min: 0.0, max, default },
    }
}

const X26X_PRESETS: &[Choice] = &[
    Choice { id: "ultrafast", doc: "Fastest, largest file." },
    Choice { id: "superfast", doc: "Very fast." },
    Choice { id: "veryfast", doc: "Fast, a good deal larger." },
    Choice { id: "faster", doc: "Fast." },
    Choice { id: "fast", doc: "Somewhat fast." },
    Choice { id: "medium", doc: "The encoder's own default." },
    Choice { id: "slow", doc: "Smaller for the same quality." },
    Choice { id: "slower", doc: "A little smaller still." },
    Choice { id: "veryslow", doc: "Seldom worth the time." },
    Choice { id: "placebo", doc: "Not worth the time." },
];

const MATROSKA_FIRST: &[Container] = &[Container::Mkv, Container::Mp4, Container::Mov];

/// The presets, the default first.
pub const CODECS: &[CodecSpec] = &[
    CodecSpec {
        id: "h264",
        doc: "H.264 by x264: plays everywhere.",
        encoders: &[EncoderSpec { name: "libx264", least_size_px: 1, odd_sizes: false }],
        containers: MATROSKA_FIRST,
        params: &[
            crf(51.0, 16.0),
            Param {
                id: "preset",
                doc: "Speed against size.",
                unit: "",
                kind: ParamKind::Choice { choices: X26X_PRESETS, default: "slow" },
            },
        ],
    },
    CodecSpec {
        id: "h265",
        doc: "H.265 by x265: half the size of H.264, slower.",
        encoders: &[EncoderSpec { name: "libx265", least_size_px: 16, odd_sizes: false }],
        containers: MATROSKA_FIRST,
        params: &[
            crf(51.0, 18.0),
            Param {
                id: "preset",
                doc: "Speed against size.",
                unit: "",
                kind: ParamKind::Choice { choices: X26X_PRESETS, default: "medium" },
            },
        ],
    },
    CodecSpec {
        id: "av1",
        doc: "AV1 by SVT-AV1, else by libaom: smallest files, needs a recent player.",
        encoders: &[
            // Older versions of SVT-AV1 refuse small and odd pictures.
            EncoderSpec { name: "libsvtav1", least_size_px: 64, odd_sizes: false },
            EncoderSpec { name: "libaom-av1", least_size_px: 1, odd_sizes: true },
        ],
        containers: &[Container::Mkv, Container::Mp4, Container::Webm],
        params: &[
            crf(63.0, 22.0),
            Param {
                id: "preset",
                doc: "Speed: 0 is slowest and smallest.",
                unit: "",
                kind: ParamKind::Int { min: 0, max: 13, default: 6 },
            },
        ],
    },
    CodecSpec {
        id: "ffv1",
        doc: "FFV1, lossless: for archives and for further work; about half the size of raw video.",
        encoders: &[EncoderSpec { name: "ffv1", least_size_px: 1, odd_sizes: true }],
        containers: &[Container::Mkv, Container::Mov, Container::Nut],
        params: &[],
    },
    CodecSpec {
        id: "prores",
        doc: "ProRes 422 HQ, 10 bit: for editing programs.",
        encoders: &[EncoderSpec { name: "prores_ks", least_size_px: 1, odd_sizes: true }],
        containers: &[Container::Mov, Container::Mkv],
        params: &[],
    },
];

/// Every encoder that a preset may use, for a report of what an ffmpeg has.
pub const ENCODERS: &[&str] = &["libx264", "libx265", "libsvtav1", "libaom-av1", "ffv1", "prores_ks"];

/// The presets as a page of Markdown.
pub fn encode_reference() -> String {
    let mut out = String::new();
    for spec in CODECS {
        let encoders: Vec<_> = spec.encoders.iter().map(|e| format!("`{}`", e.name)).collect();
        let containers: Vec<_> = spec.containers.iter().map(|c| c.to_string()).collect();
        out.push_str(&format!(
            "### `{}`\n\n{} Encoder: {}. Containers: {}.\n\n",
            spec.id,
            spec.doc,
            encoders.join(" or "),
            containers.join(", ")
        ));
        if !spec.params.is_empty() {
            out.push_str(&pegbar_params::markdown_table(spec.params));
            out.push('\n');
        }
    }
    out
}

impl CodecSpec {
    /// The preset of that name.
    pub fn find(id: &str) -> Option<&'static Self> {
        CODECS.iter().find(|c| c.id == id)
    }

    /// The declaration of a parameter.
    pub fn param(&self, id: &str) -> Option<&'static Param> {
        self.params.iter().find(|p| p.id == id)
    }

    /// What frames to give the encoder for a source of this format: YUV 4:2:0 at the source's depth where the codec
    /// has it, the source's own format where it is lossless.
    pub(crate) fn format_for(&self, source: PixelFormat) -> PixelFormat {
        match self.id {
            "ffv1" => ffv1_format(source),
            "prores" => PixelFormat::YUV422P10,
            "h265" => PixelFormat::yuv(nearest_depth(&[8, 10, 12], source.depth_bits), 1, 1),
            _ => PixelFormat::yuv(nearest_depth(&[8, 10], source.depth_bits), 1, 1),
        }
    }
}

/// The smallest depth that holds the source's, else the largest.
fn nearest_depth(depths: &[u8], source: u8) -> u8 {
    depths.iter().copied().find(|&d| d >= source).unwrap_or(depths[depths.len() - 1])
}

/// FFV1 takes nearly every format as it is; the few others go to the next deeper one.
fn ffv1_format(source: PixelFormat) -> PixelFormat {
    let depths: &[u8] = match (source.family, source.alpha) {
        (PixelFamily::Gray, _) => &[8, 9, 10, 12, 16],
        (PixelFamily::Yuv, false) => &[8, 9, 10, 12, 14, 16],
        (PixelFamily::Yuv, true) => &[8, 9, 10, 16],
        (PixelFamily::Rgb, false) => &[8, 9, 10, 12, 14, 16],
        (PixelFamily::Rgb, true) => &[8, 10, 12, 16],
    };
    source.with_depth(nearest_depth(depths, source.depth_bits))
}

/// What ffmpeg is to store frames of a format as; the same samples where the name differs.
pub(crate) fn stored_format(encoder: &str, format: PixelFormat) -> String {
    match (encoder, format) {
        // FFV1 knows 8-bit RGB only as packed pixels.
        ("ffv1", PixelFormat::GBRP) => "bgr0".to_owned(),
        ("ffv1", PixelFormat::GBRAP) => "bgra".to_owned(),
        _ => format.ffmpeg_name(),
    }
}

/// The options that make an encoder do as the parameters say. `old_svt`: before ffmpeg 5.1 the wrapper of SVT-AV1 had
/// no `crf`.
pub(crate) fn encoder_options(
    encoder: &str,
    crf: Option<&ParamValue>,
    preset: Option<&ParamValue>,
    format: PixelFormat,
    (width, height): (usize, usize),
    old_svt: bool,
) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    let mut add = |name: &str, value: &dyn std::fmt::Display| {
        options.extend([name.to_owned(), value.to_string()]);
    };
    if let Some(crf) = crf {
        match encoder {
            "libsvtav1" if old_svt => add("-qp", &whole(crf)),
            "libsvtav1" | "libaom-av1" => add("-crf", &whole(crf)),
            _ => add("-crf", crf),
        }
    }
    match (encoder, preset) {
        // libaom counts from 0, slowest, to 8.
        ("libaom-av1", Some(ParamValue::Int(speed))) => {
            add("-b:v", &0);
            add("-row-mt", &1);
            add("-cpu-used", speed.min(&8));
        }
        (_, Some(preset)) => add("-preset", preset),
        (_, None) => {}
    }
    match encoder {
        // x265 and SVT-AV1 print as they like; this leaves errors. (SVT-AV1: see the environment of the process.)
        "libx265" => add("-x265-params", &"log-level=error"),
        // Version 3 cuts the picture into slices, which it cannot when there is too little of it.
        "ffv1" if width.min(height) < 16 => add("-level", &1),
        "ffv1" => {
            add("-level", &3);
            add("-g", &1);
            add("-slicecrc", &1);
        }
        "prores_ks" => {
            let subsampled = format.log2_chroma_w > 0;
            add("-profile:v", if subsampled { &"hq" } else { &"4444" });
            add("-vendor", &"apl0");
        }
        _ => {}
    }
    options
}

/// A rate factor for encoders that take only whole numbers.
fn whole(crf: &ParamValue) -> String {
    match crf {
        ParamValue::Float(value) => value.round().to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for spec in CODECS {
            pegbar_params::check_table(spec.params).unwrap();
            assert!(spec.doc.ends_with('.'), "{}", spec.id);
            assert!(spec.encoders.iter().all(|e| ENCODERS.contains(&e.name)));
            for source in PixelFormat::all() {
                let format = spec.format_for(source);
                assert!(format.is_supported(), "{} from {source}: {format}", spec.id);
                assert!(crate::nut_tag::nut_tag(format).is_some() || source.log2_chroma_h == 1, "{format}");
            }
        }
        assert!(encode_reference().contains("`libx264`"));
    }

    #[test]
    fn depth_follows_the_source() {
        let h264 = CodecSpec::find("h264").unwrap();
        assert_eq!(h264.format_for(PixelFormat::YUV444P), PixelFormat::YUV420P);
        assert_eq!(h264.format_for(PixelFormat::YUV422P10), PixelFormat::YUV420P10);
        assert_eq!(h264.format_for(PixelFormat::GBRP16), PixelFormat::YUV420P10);
        assert_eq!(
            CodecSpec::find("h265").unwrap().format_for(PixelFormat::YUV420P12),
            PixelFormat::YUV420P12
        );
        assert_eq!(CodecSpec::find("ffv1").unwrap().format_for(PixelFormat::YUV411P), PixelFormat::YUV411P);
    }
}
