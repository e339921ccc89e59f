//! What becomes of each stream of the source in the output's container: copied, rewritten without loss, or left out,
//! and in the last two cases a sentence about it before the work starts.

use crate::container::Container;
use crate::probe::{Probe, StreamInfo, StreamKind, VideoInfo};

/// What to do with one stream of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// It is the stream that is restored.
    Restored,
    /// Packets are copied.
    Copy,
    /// Packets are rewritten by this encoder, because the container cannot hold them as they are.
    Rewrite(&'static str),
    /// A cover picture, attached as a file.
    AttachCover,
    /// Left out.
    Drop,
}

/// One stream's fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamPlan {
    /// Index in the source.
    pub(crate) index: usize,
    /// What to do.
    pub(crate) action: Action,
    /// What the user should know before.
    pub(crate) note: Option<String>,
}

/// What the container cannot keep of the source, or only in another form: sentences to show before the work starts.
pub fn check_container(probe: &Probe, video: &VideoInfo, container: Container) -> Vec<String> {
    plan_streams(probe, video.index, container).into_iter().filter_map(|p| p.note).collect()
}

/// A plan for every stream of the source, in its order.
pub(crate) fn plan_streams(probe: &Probe, video_index: usize, container: Container) -> Vec<StreamPlan> {
    probe
        .streams
        .iter()
        .map(|stream| {
            let (action, why) = if stream.index == video_index {
                (Action::Restored, None)
            } else {
                match stream.kind {
                    StreamKind::Video => other_video(stream, container),
                    StreamKind::Audio => audio(stream, container),
                    StreamKind::Subtitle => subtitle(stream, container),
                    StreamKind::Attachment => attachment(stream, container),
                    StreamKind::Data => data(stream, probe),
                }
            };
            let note = why.map(|why| {
                let name = ["title", "filename", "language"].iter().find_map(|key| stream.tags.get(*key));
                let name = name.map(|n| format!(", {n}")).unwrap_or_default();
                format!("stream {} ({} {}{name}) {why}", stream.index, stream.kind, stream.codec)
            });
            StreamPlan { index: stream.index, action, note }
        })
        .collect()
}

type Fate = (Action, Option<String>);

const KEPT: Fate = (Action::Copy, None);

fn dropped(container: Container) -> Fate {
    let hint = if container == Container::Mkv { "" } else { "; .mkv can" };
    (Action::Drop, Some(format!("is left out: {container} cannot hold it{hint}")))
}

fn rewritten(encoder: &'static str, as_what: &str) -> Fate {
    (Action::Rewrite(encoder), Some(format!("is rewritten as {as_what}")))
}

fn other_video(stream: &StreamInfo, container: Container) -> Fate {
    let cover = stream.video.as_ref().is_some_and(|v| v.attached_pic);
    let codec = stream.codec.as_str();
    match container {
        Container::Mkv if cover => match cover_mime(codec) {
            Some(_) => (Action::AttachCover, None),
            None => dropped(container),
        },
        Container::Mkv => KEPT,
        Container::Mp4 | Container::Mov if cover && matches!(codec, "mjpeg" | "png" | "bmp") => KEPT,
        Container::Mp4 | Container::Mov if cover => dropped(container),
        Container::Mp4 if MP4_VIDEO.contains(&codec) => KEPT,
        Container::Mov if MP4_VIDEO.contains(&codec) || MOV_VIDEO.contains(&codec) => KEPT,
        Container::Webm if !cover && matches!(codec, "vp8" | "vp9" | "av1") => KEPT,
        Container::Nut if !cover => KEPT,
        _ => dropped(container),
    }
}

/// The media type of a cover, for the attachment that holds it.
pub(crate) fn cover_mime(codec: &str) -> Option<&'static str> {
    Some(match codec {
        "mjpeg" => "image/jpeg",
        "png" | "apng" => "image/png",
        "gif" => "image/gif",
        "bmp" => "image/bmp",
        "webp" => "image/webp",
        "tiff" => "image/tiff",
        _ => return None,
    })
}

const MP4_VIDEO: &[&str] = &[
    "h264",
    "hevc",
    "vvc",
    "av1",
    "vp9",
    "mpeg4",
    "mpeg2video",
    "mpeg1video",
    "mjpeg",
    "png",
    "jpeg2000",
    "vc1",
];
const MOV_VIDEO: &[&str] =
    &["prores", "dnxhd", "ffv1", "dvvideo", "h263", "svq1", "svq3", "qtrle", "rpza", "cinepak"];

const MP4_AUDIO: &[&str] =
    &["aac", "alac", "mp3", "mp2", "mp1", "ac3", "eac3", "dts", "truehd", "flac", "opus", "vorbis", "mp4als"];
const MOV_AUDIO: &[&str] = &[
    "aac",
    "alac",
    "mp3",
    "mp2",
    "ac3",
    "eac3",
    "dts",
    "amr_nb",
    "amr_wb",
    "adpcm_ima_qt",
    "adpcm_ms",
    "qdm2",
    "qdmc",
    "mace3",
    "mace6",
    "gsm",
];

fn audio(stream: &StreamInfo, container: Container) -> Fate {
    let codec = stream.codec.as_str();
    let pcm = codec.starts_with("pcm_");
    let deep = stream.bits_per_sample.unwrap_or(16) > 16;
    // Samples of more bits, or floating point, are not what FLAC and ALAC of every ffmpeg hold.
    let integer = stream.bits_per_sample.unwrap_or(16) <= 24 && !codec.contains("_f");
    match container {
        // The layouts that DVD and Blu-ray wrap around the samples are theirs alone.
        Container::Mkv | Container::Mov if matches!(codec, "pcm_dvd" | "pcm_bluray") => {
            rewritten(if deep { "pcm_s24le" } else { "pcm_s16le" }, "plain PCM: the same samples")
        }
        Container::Mkv if codec == "unknown" => dropped(container),
        Container::Mkv | Container::Nut => KEPT,
        Container::Mp4 if MP4_AUDIO.contains(&codec) => KEPT,
        Container::Mp4 if pcm && integer => rewritten("alac", "ALAC: the same samples"),
        Container::Mov if MOV_AUDIO.contains(&codec) || pcm => KEPT,
        Container::Mov if codec == "flac" && integer => rewritten("alac", "ALAC: the same samples"),
        Container::Webm if matches!(codec, "opus" | "vorbis") => KEPT,
        _ => dropped(container),
    }
}

/// Subtitles that are text, whatever the wrapping.
const TEXT_SUBTITLES: &[&str] = &[
    "subrip",
    "srt",
    "text",
    "mov_text",
    "webvtt",
    "ass",
    "ssa",
    "microdvd",
    "subviewer",
    "sami",
    "realtext",
    "stl",
];

fn subtitle(stream: &StreamInfo, container: Container) -> Fate {
    let codec = stream.codec.as_str();
    let text = TEXT_SUBTITLES.contains(&codec);
    let styled = matches!(codec, "ass" | "ssa");
    match container {
        Container::Mkv => match codec {
            "subrip" | "srt" | "ass" | "ssa" | "webvtt" | "text" | "dvd_subtitle" | "hdmv_pgs_subtitle"
            | "dvb_subtitle" | "hdmv_text_subtitle" | "arib_caption" | "ttml" => KEPT,
            _ if text => (Action::Rewrite("srt"), None),
            _ => dropped(container),
        },
        Container::Mp4 | Container::Mov => match codec {
            "mov_text" => KEPT,
            "dvd_subtitle" if container == Container::Mp4 => KEPT,
            _ if styled => {
                rewritten("mov_text", "plain text (mov_text), its styles are lost; .mkv keeps them")
            }
            _ if text => (Action::Rewrite("mov_text"), None),
            _ => dropped(container),
        },
        Container::Webm => match codec {
            "webvtt" => KEPT,
            _ if styled => rewritten("webvtt", "plain text (WebVTT), its styles are lost; .mkv keeps them"),
            _ if text => (Action::Rewrite("webvtt"), None),
            _ => dropped(container),
        },
        _ => dropped(container),
    }
}

fn attachment(stream: &StreamInfo, container: Container) -> Fate {
    // Matroska cannot hold an attachment without a name and a type.
    let complete = stream.tags.keys().any(|k| k.eq_ignore_ascii_case("filename"))
        && stream.tags.keys().any(|k| k.eq_ignore_ascii_case("mimetype"));
    match container {
        Container::Mkv if complete => KEPT,
        Container::Mkv => {
            (Action::Drop, Some("is left out: it has no file name or no media type".to_owned()))
        }
        _ => dropped(container),
    }
}

fn data(stream: &StreamInfo, probe: &Probe) -> Fate {
    match stream.codec_tag.as_str() {
        // The time code is also a tag of the file, which is kept, and from which muxers write the track anew.
        "tmcd" => (Action::Drop, None),
        // Chapter titles as a text track: the chapters themselves are kept.
        "text" if !probe.chapters.is_empty() => (Action::Drop, None),
        _ => (Action::Drop, Some("is left out: it is data that ffmpeg cannot copy reliably".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::parse_probe;

    fn source() -> Probe {
        parse_probe(
            br#"{"format": {"format_name": "matroska,webm"}, "chapters": [{"start_time": "0"}], "streams": [
            {"index": 0, "codec_type": "audio", "codec_name": "pcm_s24le", "bits_per_sample": 24},
            {"index": 1, "codec_type": "video", "codec_name": "h264", "width": 2, "height": 2, "pix_fmt": "yuv420p"},
            {"index": 2, "codec_type": "subtitle", "codec_name": "subrip"},
            {"index": 3, "codec_type": "subtitle", "codec_name": "ass", "tags": {"title": "Signs"}},
            {"index": 4, "codec_type": "subtitle", "codec_name": "hdmv_pgs_subtitle"},
            {"index": 5, "codec_type": "attachment", "codec_name": "ttf",
             "tags": {"filename": "a.ttf", "mimetype": "font/ttf"}},
            {"index": 6, "codec_type": "video", "codec_name": "mjpeg", "disposition": {"attached_pic": 1}},
            {"index": 7, "codec_type": "data", "codec_tag_string": "tmcd"},
            {"index": 8, "codec_type": "data", "codec_tag_string": "gpmd"}]}"#,
        )
        .unwrap()
    }

    fn actions(container: Container) -> Vec<Action> {
        plan_streams(&source(), 1, container).into_iter().map(|p| p.action).collect()
    }

    #[test]
    fn matroska_keeps_everything_but_data() {
        use Action::*;
        assert_eq!(
            actions(Container::Mkv),
            [Copy, Restored, Copy, Copy, Copy, Copy, AttachCover, Drop, Drop]
        );
        let source = source();
        let notes = check_container(&source, source.video(0).unwrap(), Container::Mkv);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with("stream 8 (data"), "{notes:?}");
    }

    #[test]
    fn mp4_says_what_it_cannot_keep() {
        use Action::*;
        assert_eq!(
            actions(Container::Mp4),
            [
                Rewrite("alac"),
                Restored,
                Rewrite("mov_text"),
                Rewrite("mov_text"),
                Drop,
                Drop,
                Copy,
                Drop,
                Drop
            ]
        );
        let source = source();
        let notes = check_container(&source, source.video(0).unwrap(), Container::Mp4);
        assert_eq!(notes.len(), 5, "{notes:?}");
        assert!(notes[0].contains("the same samples"));
        assert!(notes[1].contains("Signs") && notes[1].contains("styles"));
        assert!(notes[2].contains("hdmv_pgs_subtitle") && notes[2].contains(".mkv can"));
    }

    #[test]
    fn webm_keeps_little() {
        use Action::*;
        assert_eq!(
            actions(Container::Webm),
            [Drop, Restored, Rewrite("webvtt"), Rewrite("webvtt"), Drop, Drop, Drop, Drop, Drop]
        );
    }
}
