//! Reading ffprobe's JSON: lenient about what is missing, strict about what is there.

use std::collections::BTreeMap;

use pegbar_frame::{ChromaLocation, Colour, Matrix, PixelFormat, Range, Rational};
use serde::Deserialize;
use serde_json::Value;

use super::{Chapter, Probe, StreamInfo, StreamKind, VideoInfo};
use crate::{HdrMetadata, MediaError};

#[derive(Deserialize)]
struct RawProbe {
    #[serde(default)]
    streams: Vec<RawStream>,
    #[serde(default)]
    chapters: Vec<RawChapter>,
    format: Option<RawFormat>,
}

#[derive(Deserialize)]
struct RawFormat {
    #[serde(default)]
    format_name: String,
    start_time: Option<String>,
    duration: Option<String>,
    size: Option<String>,
    bit_rate: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct RawChapter {
    start_time: Option<String>,
    end_time: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct RawStream {
    index: usize,
    codec_type: Option<String>,
    codec_name: Option<String>,
    codec_tag_string: Option<String>,
    profile: Option<Value>,
    width: Option<i64>,
    height: Option<i64>,
    pix_fmt: Option<String>,
    time_base: Option<String>,
    avg_frame_rate: Option<String>,
    r_frame_rate: Option<String>,
    sample_aspect_ratio: Option<String>,
    color_range: Option<String>,
    color_space: Option<String>,
    color_transfer: Option<String>,
    color_primaries: Option<String>,
    chroma_location: Option<String>,
    field_order: Option<String>,
    nb_frames: Option<String>,
    start_pts: Option<i64>,
    start_time: Option<String>,
    duration: Option<String>,
    channels: Option<u32>,
    sample_rate: Option<String>,
    bits_per_sample: Option<u32>,
    bits_per_raw_sample: Option<String>,
    #[serde(default)]
    disposition: BTreeMap<String, Value>,
    #[serde(default)]
    tags: BTreeMap<String, Value>,
    #[serde(default)]
    side_data_list: Vec<BTreeMap<String, Value>>,
}

/// Reads the answer of `ffprobe -of json -show_format -show_streams -show_chapters`.
///
/// # Errors
/// [`MediaError::ProbeOutput`] when it is no such JSON.
pub fn parse_probe(json: &[u8]) -> Result<Probe, MediaError> {
    // Tags of old files are in any encoding; ffprobe passes their bytes on.
    let text = String::from_utf8_lossy(json);
    let raw: RawProbe =
        serde_json::from_str(&text).map_err(|e| MediaError::ProbeOutput { reason: e.to_string() })?;
    let format = raw.format.ok_or_else(|| MediaError::ProbeOutput { reason: "it names no format".into() })?;
    let start_secs = number(&format.start_time);
    let file = FileTimes {
        start_secs: start_secs.unwrap_or(0.0),
        duration_secs: number(&format.duration),
        is_avi: format.format_name == "avi",
        // Their readers say so when the file breaks off.
        notices_end: ["matroska", "mov"].iter().any(|name| format.format_name.starts_with(name)),
    };
    Ok(Probe {
        duration_secs: file.duration_secs,
        start_secs,
        size_bytes: format.size.and_then(|s| s.parse().ok()),
        bit_rate: format.bit_rate.and_then(|s| s.parse().ok()),
        format: format.format_name,
        streams: raw.streams.into_iter().map(|s| stream(s, &file)).collect(),
        chapters: raw.chapters.into_iter().map(chapter).collect(),
        tags: tags(format.tags),
    })
}

/// What the container says of time.
struct FileTimes {
    start_secs: f64,
    duration_secs: Option<f64>,
    is_avi: bool,
    notices_end: bool,
}

impl FileTimes {
    /// Where a stream ends by what the file says.
    fn declared_end_secs(&self, raw: &RawStream) -> Option<f64> {
        if self.notices_end {
            return None;
        }
        let start_secs = number(&raw.start_time).unwrap_or(self.start_secs);
        if self.is_avi {
            // Its duration is what ffmpeg found; the header has the number of frames.
            let n_frames: f64 = raw.nb_frames.as_ref()?.parse().ok()?;
            return Some(start_secs + n_frames / ratio(&raw.avg_frame_rate)?.as_f64());
        }
        let file = || self.duration_secs.map(|duration| self.start_secs + duration);
        number(&raw.duration).map(|duration| start_secs + duration).or_else(file)
    }
}

/// Reads HDR metadata from the answer of `ffprobe -of json -show_frames`; `None` where it holds none.
pub(super) fn parse_frames_hdr(json: &[u8]) -> Option<HdrMetadata> {
    #[derive(Deserialize)]
    struct RawFrames {
        #[serde(default)]
        frames: Vec<RawFrame>,
    }
    #[derive(Deserialize)]
    struct RawFrame {
        #[serde(default)]
        side_data_list: Vec<BTreeMap<String, Value>>,
    }
    let raw: RawFrames = serde_json::from_str(&String::from_utf8_lossy(json)).ok()?;
    raw.frames.iter().find_map(|frame| HdrMetadata::from_side_data(&frame.side_data_list))
}

fn stream(raw: RawStream, file: &FileTimes) -> StreamInfo {
    let kind = match raw.codec_type.as_deref() {
        Some("video") => StreamKind::Video,
        Some("audio") => StreamKind::Audio,
        Some("subtitle") => StreamKind::Subtitle,
        Some("attachment") => StreamKind::Attachment,
        _ => StreamKind::Data,
    };
    let video = (kind == StreamKind::Video).then(|| video(&raw, file));
    let bits = raw.bits_per_raw_sample.as_ref().and_then(|s| s.parse().ok()).filter(|&b| b > 0);
    StreamInfo {
        index: raw.index,
        kind,
        codec: raw.codec_name.unwrap_or_else(|| "unknown".to_owned()),
        codec_tag: raw.codec_tag_string.unwrap_or_default(),
        start_secs: number(&raw.start_time),
        duration_secs: number(&raw.duration),
        channels: raw.channels,
        sample_rate: raw.sample_rate.and_then(|s| s.parse().ok()),
        bits_per_sample: bits.or(raw.bits_per_sample.filter(|&b| b > 0)),
        video,
        disposition: raw.disposition.into_iter().filter(|(_, set)| *set == 1).map(|(name, _)| name).collect(),
        tags: tags(raw.tags),
    }
}

fn video(raw: &RawStream, file: &FileTimes) -> VideoInfo {
    let pix_fmt = raw.pix_fmt.clone().unwrap_or_default();
    let text =
        |field: &Option<String>| field.clone().filter(|s| !matches!(s.as_str(), "" | "unknown" | "reserved"));
    let range = raw.color_range.as_deref().and_then(Range::from_ffmpeg);
    VideoInfo {
        index: raw.index,
        codec: raw.codec_name.clone().unwrap_or_else(|| "unknown".to_owned()),
        profile: raw.profile.as_ref().map(text_of),
        width: raw.width.and_then(|w| usize::try_from(w).ok()).unwrap_or(0),
        height: raw.height.and_then(|h| usize::try_from(h).ok()).unwrap_or(0),
        // ffmpeg decodes without a time base in microseconds.
        time_base: ratio(&raw.time_base).unwrap_or(Rational::new(1, 1_000_000)),
        avg_frame_rate: ratio(&raw.avg_frame_rate),
        r_frame_rate: ratio(&raw.r_frame_rate),
        sar: ratio(&raw.sample_aspect_ratio).unwrap_or(Rational::new(1, 1)),
        colour: Colour {
            matrix: raw.color_space.as_deref().and_then(Matrix::from_ffmpeg),
            range: range.or_else(|| PixelFormat::ffmpeg_implied_range(&pix_fmt)),
            primaries: text(&raw.color_primaries),
            transfer: text(&raw.color_transfer),
            chroma_location: raw.chroma_location.as_deref().and_then(ChromaLocation::from_ffmpeg),
        },
        hdr: HdrMetadata::from_side_data(&raw.side_data_list),
        unsupported_matrix: text(&raw.color_space).filter(|name| Matrix::from_ffmpeg(name).is_none()),
        field_order: text(&raw.field_order),
        n_frames: raw.nb_frames.as_ref().and_then(|s| s.parse().ok()).filter(|&n| n > 0),
        start_pts: raw.start_pts,
        declared_end_secs: file.declared_end_secs(raw),
        file_start_secs: file.start_secs,
        rotation_degrees: rotation(raw),
        attached_pic: raw.disposition.get("attached_pic").is_some_and(|set| *set == 1),
        pix_fmt,
    }
}

/// Degrees counter-clockwise from the display matrix, or from the tag that files had before.
fn rotation(raw: &RawStream) -> f64 {
    let matrix = raw.side_data_list.iter().find_map(|side| match side.get("rotation")? {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.parse().ok(),
        _ => None,
    });
    let tag =
        || raw.tags.get("rotate").and_then(|v| text_of(v).parse::<f64>().ok()).map(|clockwise| -clockwise);
    matrix.or_else(tag).filter(|r| r.is_finite()).unwrap_or(0.0)
}

fn chapter(raw: RawChapter) -> Chapter {
    Chapter {
        start_secs: number(&raw.start_time).unwrap_or(0.0),
        end_secs: number(&raw.end_time).unwrap_or(0.0),
        tags: tags(raw.tags),
    }
}

fn number(field: &Option<String>) -> Option<f64> {
    field.as_ref()?.parse().ok().filter(|n: &f64| n.is_finite())
}

/// A ratio of two positive numbers; `None` for `0/0` and the like.
fn ratio(field: &Option<String>) -> Option<Rational> {
    field.as_ref()?.parse().ok().filter(|r: &Rational| r.is_positive())
}

fn tags(raw: BTreeMap<String, Value>) -> BTreeMap<String, String> {
    raw.into_iter().map(|(key, value)| (key, text_of(&value))).collect()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_answer() {
        let json = br#"{"streams": [{"index": 0, "codec_name": "h264", "codec_type": "video", "profile": "High",
            "codec_tag_string": "avc1", "width": 720, "height": 576, "sample_aspect_ratio": "16:15",
            "pix_fmt": "yuvj420p", "color_space": "bt470bg", "color_transfer": "unknown", "field_order": "tt",
            "chroma_location": "left", "avg_frame_rate": "25/1", "r_frame_rate": "0/0", "time_base": "1/12800",
            "start_pts": -512, "start_time": "-0.040000", "nb_frames": "120",
            "disposition": {"default": 1, "forced": 0},
            "tags": {"language": "eng"},
            "side_data_list": [{"side_data_type": "Display Matrix", "displaymatrix": "x", "rotation": -90}]},
           {"index": 1, "codec_type": "audio", "codec_name": "flac", "sample_rate": "44100", "channels": 2,
            "bits_per_sample": 0, "bits_per_raw_sample": "24"},
           {"index": 2, "codec_type": "video", "codec_name": "mjpeg", "disposition": {"attached_pic": 1}},
           {"index": 3, "codec_type": "data"}],
          "chapters": [{"id": 1, "start_time": "0.5", "end_time": "2", "tags": {"title": "One"}}],
          "format": {"format_name": "mov,mp4", "duration": "5.0", "start_time": "N/A", "tags": {"title": "T"}}}"#;
        let probe = parse_probe(json).unwrap();
        let video = probe.video(0).unwrap();
        assert_eq!((video.width, video.height, video.sar), (720, 576, Rational::new(16, 15)));
        assert_eq!(video.colour.range, Some(Range::Full));
        assert_eq!(video.colour.matrix, Some(Matrix::Bt470bg));
        assert_eq!(video.colour.transfer, None);
        assert_eq!((video.start_pts, video.rotation_degrees, video.n_frames), (Some(-512), -90.0, Some(120)));
        assert_eq!((video.avg_frame_rate, video.r_frame_rate), (Some(Rational::new(25, 1)), None));
        assert_eq!(probe.streams[0].disposition, ["default"]);
        assert_eq!(probe.streams[1].bits_per_sample, Some(24));
        assert_eq!(probe.streams[3].kind, StreamKind::Data);
        assert_eq!(probe.chapters[0].tags["title"], "One");
        assert_eq!((probe.duration_secs, probe.start_secs), (Some(5.0), None));
        let error = probe.video(1).unwrap_err().to_string();
        assert!(error.contains("the file has 1"), "{error}");
        let json = serde_json::to_value(&probe).unwrap();
        assert_eq!(json["streams"][0]["video"]["sar"], "16:15");
        assert_eq!(json["streams"][0]["video"]["time_base"], "1/12800");
        assert_eq!(json["streams"][0]["kind"], "video");
    }

    #[test]
    fn answers_that_are_none() {
        for text in ["", "{}", "[]", "{\"streams\": 3, \"format\": {}}", "null"] {
            assert!(parse_probe(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_probe(b"{\"format\": {}}").unwrap().video(0).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, n in -5i64..5, text in ".{0,12}") {
            let _ = parse_probe(&bytes);
            let json = serde_json::json!({"format": {"duration": text}, "streams": [
                {"index": 0, "codec_type": "video", "width": n, "height": n, "time_base": text, "pix_fmt": text,
                 "side_data_list": [{"rotation": text}], "start_pts": n}]});
            if let Ok(probe) = parse_probe(json.to_string().as_bytes()) {
                let _ = probe.video(0);
            }
        }
    }
}
