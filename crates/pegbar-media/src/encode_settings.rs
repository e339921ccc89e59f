//! How to encode: the user's choice, checked, and what follows from it.

use pegbar_frame::{PixelFamily, PixelFormat};
use pegbar_params::ParamValue;

use crate::codec::{CodecSpec, EncoderSpec, encoder_options, stored_format};
use crate::container::Container;
use crate::install::install_line;
use crate::{MediaError, Tools, shell_words};

/// What to encode with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codec {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// AV1.
    Av1,
    /// FFV1, lossless.
    Ffv1,
    /// ProRes 422 HQ.
    Prores,
    /// Options of ffmpeg's as the user wrote them, `-c:v NAME` among them.
    Raw(String),
}

/// The user's choice of encoder and its parameters. Make it with [`EncodeSettings::from_options`].
#[derive(Debug, Clone, PartialEq)]
pub struct EncodeSettings {
    /// What to encode with.
    pub codec: Codec,
    /// Constant rate factor; the preset's default otherwise.
    pub crf: Option<ParamValue>,
    /// Speed preset; the preset's default otherwise.
    pub preset: Option<ParamValue>,
    /// ffmpeg's name of the pixel format to store; chosen by the source otherwise.
    pub pix_fmt: Option<String>,
    /// Threads of the encoder; as many as it likes otherwise.
    pub threads: Option<usize>,
}

/// The encoder to use and its options.
pub(crate) struct Chosen {
    pub(crate) encoder: String,
    /// Options between `-c:v` and the file.
    pub(crate) options: Vec<String>,
    /// ffmpeg's name of the format to store; none where the user's filters hand frames to hardware.
    pub(crate) stored: Option<String>,
}

impl Codec {
    /// The preset; none for raw options.
    pub fn spec(&self) -> Option<&'static CodecSpec> {
        CodecSpec::find(match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Av1 => "av1",
            Self::Ffv1 => "ffv1",
            Self::Prores => "prores",
            Self::Raw(_) => return None,
        })
    }

    fn parse(text: &str) -> Result<Self, MediaError> {
        Ok(match text.trim().to_ascii_lowercase().as_str() {
            "h264" | "x264" | "avc" => Self::H264,
            "h265" | "x265" | "hevc" => Self::H265,
            "av1" => Self::Av1,
            "ffv1" => Self::Ffv1,
            "prores" => Self::Prores,
            _ if text.trim_start().starts_with('-') => {
                let words = shell_words::split(text).map_err(|reason| {
                    MediaError::Settings(format!("the encoder options {text:?}: {reason}"))
                })?;
                raw_encoder(&words)?;
                Self::Raw(text.to_owned())
            }
            _ => {
                let ids: Vec<_> = crate::codec::CODECS.iter().map(|c| c.id).collect();
                return Err(MediaError::Settings(format!(
                    "unknown encoder {text:?}; use one of {}, or options of ffmpeg's such as \"-c:v libvpx-vp9 -crf 24 \
                     -b:v 0\"",
                    ids.join(", ")
                )));
            }
        })
    }
}

impl EncodeSettings {
    /// Reads the options of the command line.
    ///
    /// # Errors
    /// [`MediaError::Settings`] for an unknown encoder, a parameter it does not have or a value out of range.
    pub fn from_options(
        encode: &str,
        crf: Option<&str>,
        preset: Option<&str>,
        pix_fmt: Option<&str>,
    ) -> Result<Self, MediaError> {
        let codec = Codec::parse(encode)?;
        let value = |id: &str, text: Option<&str>| -> Result<Option<ParamValue>, MediaError> {
            let Some(text) = text else { return Ok(None) };
            let Some(spec) = codec.spec() else {
                return Err(MediaError::Settings(format!(
                    "--{id} has no effect with options of ffmpeg's: put it among them"
                )));
            };
            let Some(param) = spec.param(id) else {
                return Err(MediaError::Settings(format!("{} has no --{id}: leave it out", spec.id)));
            };
            param.parse(text).map(Some).map_err(|e| MediaError::Settings(format!("{}: {e}", spec.id)))
        };
        let settings = Self {
            crf: value("crf", crf)?,
            preset: value("preset", preset)?,
            pix_fmt: pix_fmt.map(str::to_owned),
            threads: None,
            codec,
        };
        settings.asked_format()?;
        Ok(settings)
    }

    /// The format of the frames that [`crate::Encoder::write_frame`] takes for a source of this format and output of
    /// this size.
    ///
    /// Where the user asks for none it is 4:2:0 at the source's depth for the usual codecs, and the source's own for
    /// lossless ones and raw options. H.264 and H.265 cannot halve the chroma of a picture of odd width or height:
    /// such pictures become 4:4:4 rather than lose a row.
    ///
    /// # Errors
    /// [`MediaError::Settings`] when the format asked for is unknown or cannot hold a picture of this size.
    pub fn output_format(
        &self,
        source: PixelFormat,
        width: usize,
        height: usize,
    ) -> Result<PixelFormat, MediaError> {
        let halves =
            |f: PixelFormat| f.family == PixelFamily::Yuv && (f.log2_chroma_w > 0 || f.log2_chroma_h > 0);
        let takes_odd = self.codec.spec().is_none_or(|spec| spec.encoders.iter().any(|e| e.odd_sizes));
        let odd = !takes_odd && (width % 2 == 1 || height % 2 == 1);
        if let Some(format) = self.asked_format()? {
            if odd && halves(format) {
                return Err(MediaError::Settings(format!(
                    "{format} cannot hold a picture of {width}x{height}: both must be even; choose yuv444p, or leave the \
                     pixel format out"
                )));
            }
            return Ok(format);
        }
        let Some(spec) = self.codec.spec() else { return Ok(source) };
        let format = spec.format_for(source);
        if odd && halves(format) {
            return Ok(PixelFormat { log2_chroma_w: 0, log2_chroma_h: 0, ..format });
        }
        Ok(format)
    }

    /// The pixel format asked for, as planes.
    fn asked_format(&self) -> Result<Option<PixelFormat>, MediaError> {
        let Some(name) = self.asked_name() else { return Ok(None) };
        match PixelFormat::planar_equivalent(&name) {
            Some(format) => Ok(Some(format)),
            None => Err(MediaError::Settings(format!(
                "unknown pixel format {name:?}; use ffmpeg's names, such as yuv420p, yuv422p10le or yuv444p"
            ))),
        }
    }

    fn asked_name(&self) -> Option<String> {
        self.pix_fmt
            .clone()
            .or_else(|| value_of(&self.raw_words(), &["-pix_fmt", "-pix_fmt:v", "-pix_fmt:v:0"]))
    }

    fn raw_words(&self) -> Vec<String> {
        match &self.codec {
            // Checked when the settings were made; hand-made settings with an open quote have no words.
            Codec::Raw(line) => shell_words::split(line).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// Whether the container holds what is encoded.
    pub(crate) fn check_container(&self, container: Container) -> Result<(), MediaError> {
        match self.codec.spec() {
            // What is encoded is only the way there.
            _ if container.is_animation() => Ok(()),
            Some(spec) if !spec.containers.contains(&container) => {
                let others: Vec<_> = spec.containers.iter().map(|c| c.to_string()).collect();
                Err(MediaError::Settings(format!(
                    "{container} cannot hold {}; write {}, or choose another encoder",
                    spec.id,
                    others.join(" or ")
                )))
            }
            _ => Ok(()),
        }
    }

    /// The encoder and its options for frames of this format and size.
    pub(crate) fn choose(
        &self,
        tools: &Tools,
        format: PixelFormat,
        (width, height): (usize, usize),
    ) -> Result<Chosen, MediaError> {
        let Some(spec) = self.codec.spec() else { return self.choose_raw(tools, format) };
        let odd = width % 2 == 1 || height % 2 == 1;
        let fits = |e: &&EncoderSpec| {
            width.min(height) >= e.least_size_px && (!odd || e.odd_sizes || !subsampled(format))
        };
        let fitting: Vec<_> = spec.encoders.iter().filter(fits).collect();
        if fitting.is_empty() {
            let least = spec.encoders.iter().map(|e| e.least_size_px).min().unwrap_or(1);
            return Err(MediaError::Settings(format!(
                "{} cannot encode a picture of {width}x{height} in {format}: it needs at least {least}x{least} and even \
                 sizes; choose another encoder",
                spec.id
            )));
        }
        for candidate in &fitting {
            if tools.has_encoder(candidate.name)? {
                let default = |id| spec.param(id).map(|p| p.default_value());
                let crf = self.crf.clone().or_else(|| default("crf"));
                let preset = self.preset.clone().or_else(|| default("preset"));
                let old_svt = !tools.at_least(5, 1);
                let options = encoder_options(
                    candidate.name,
                    crf.as_ref(),
                    preset.as_ref(),
                    format,
                    (width, height),
                    old_svt,
                );
                let stored = match &self.pix_fmt {
                    Some(name) if PixelFormat::from_ffmpeg(name).is_none() => name.clone(),
                    _ => stored_format(candidate.name, format),
                };
                return Ok(Chosen { encoder: candidate.name.to_owned(), options, stored: Some(stored) });
            }
        }
        let names: Vec<_> = fitting.iter().map(|e| e.name).collect();
        Err(missing(&names.join(" or "), spec.id))
    }

    fn choose_raw(&self, tools: &Tools, format: PixelFormat) -> Result<Chosen, MediaError> {
        let words = self.raw_words();
        let encoder = raw_encoder(&words)?;
        if !tools.has_encoder(&encoder)? {
            return Err(missing(&encoder, "the option -c:v"));
        }
        let stored = match self.asked_name() {
            Some(name) if PixelFormat::from_ffmpeg(&name).is_none() => name,
            _ => stored_format(&encoder, format),
        };
        let uploads = words.iter().any(|word| word.contains("hwupload"));
        Ok(Chosen { encoder, options: words, stored: (!uploads).then_some(stored) })
    }
}

fn subsampled(format: PixelFormat) -> bool {
    format.log2_chroma_w > 0 || format.log2_chroma_h > 0
}

fn missing(encoder: &str, codec: &str) -> MediaError {
    MediaError::EncoderMissing {
        encoder: encoder.to_owned(),
        codec: codec.to_owned(),
        advice: format!(
            "install a complete build ({}), or choose another encoder; `ffmpeg -encoders` lists those it has",
            install_line()
        ),
    }
}

/// The encoder that raw options name.
fn raw_encoder(words: &[String]) -> Result<String, MediaError> {
    let names = ["-c:v", "-codec:v", "-vcodec", "-c:v:0", "-codec:v:0", "-c", "-codec"];
    match value_of(words, &names) {
        Some(name) if name != "copy" && !name.starts_with('-') => Ok(name),
        Some(name) if name == "copy" => Err(MediaError::Settings(
            "-c:v copy cannot be used: restored frames have to be encoded".to_owned(),
        )),
        _ => Err(MediaError::Settings(
            "the options must name the encoder, for example \"-c:v libvpx-vp9 -crf 24 -b:v 0\"".to_owned(),
        )),
    }
}

/// What follows the last of these options.
fn value_of(words: &[String], names: &[&str]) -> Option<String> {
    words.windows(2).rev().find(|pair| names.contains(&pair[0].as_str())).map(|pair| pair[1].clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(
        encode: &str,
        crf: Option<&str>,
        preset: Option<&str>,
        pix_fmt: Option<&str>,
    ) -> EncodeSettings {
        EncodeSettings::from_options(encode, crf, preset, pix_fmt).unwrap()
    }

    #[test]
    fn odd_sizes_keep_every_row() {
        let h264 = settings("h264", None, None, None);
        assert_eq!(h264.output_format(PixelFormat::YUV420P, 720, 404).unwrap(), PixelFormat::YUV420P);
        assert_eq!(h264.output_format(PixelFormat::YUV420P10, 719, 405).unwrap(), PixelFormat::YUV444P10);
        let ffv1 = settings("ffv1", None, None, None);
        assert_eq!(ffv1.output_format(PixelFormat::YUV420P, 719, 405).unwrap(), PixelFormat::YUV420P);
        let asked = settings("h264", None, None, Some("yuv420p"));
        let error = asked.output_format(PixelFormat::YUV420P, 719, 405).unwrap_err().to_string();
        assert!(error.contains("719x405") && error.contains("yuv444p"), "{error}");
    }

    #[test]
    fn what_the_user_gets_wrong_is_said() {
        for (encode, crf, preset, pix_fmt, says) in [
            ("h266", None, None, None, "h264, h265"),
            ("h264", Some("52"), None, None, "from 0 to 51"),
            ("h264", Some("x"), None, None, "a number"),
            ("h264", None, Some("warp"), None, "ultrafast"),
            ("ffv1", Some("3"), None, None, "ffv1 has no --crf"),
            ("h264", None, None, Some("yuv999p"), "yuv999p"),
            ("-crf 3", None, None, None, "name the encoder"),
            ("-c:v copy", None, None, None, "copy"),
            ("-c:v 'x", None, None, None, "not closed"),
            ("-c:v x", Some("3"), None, None, "--crf"),
            ("-c:v x -pix_fmt what", None, None, None, "what"),
        ] {
            let error = EncodeSettings::from_options(encode, crf, preset, pix_fmt).unwrap_err().to_string();
            assert!(error.contains(says), "{encode}: {error}");
        }
    }

    #[test]
    fn raw_options_say_their_format() {
        let raw = settings("-c:v libvpx-vp9 -pix_fmt yuv444p", None, None, None);
        assert_eq!(raw.output_format(PixelFormat::YUV420P, 16, 16).unwrap(), PixelFormat::YUV444P);
        let raw = settings("-c:v hevc_nvenc -pix_fmt p010le", None, None, None);
        assert_eq!(raw.output_format(PixelFormat::YUV420P, 16, 16).unwrap(), PixelFormat::YUV420P10);
        let raw = settings("-c:v huffyuv", None, None, None);
        assert_eq!(raw.output_format(PixelFormat::YUV422P, 16, 16).unwrap(), PixelFormat::YUV422P);
    }

    #[test]
    fn containers_that_cannot_hold_a_codec() {
        let error =
            settings("ffv1", None, None, None).check_container(Container::Mp4).unwrap_err().to_string();
        assert!(error.contains(".mp4 cannot hold ffv1") && error.contains(".mkv"), "{error}");
        settings("h264", None, None, None).check_container(Container::Mp4).unwrap();
        assert!(settings("h264", None, None, None).check_container(Container::Webm).is_err());
    }
}
