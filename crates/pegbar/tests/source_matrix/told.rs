//! What ffprobe tells of a file, all of it in one answer.

use crate::workbench::ffprobe;
use serde_json::Value;
use std::path::Path;

/// A file as ffprobe tells it.
pub(crate) struct Told {
    pub(crate) format: Value,
    pub(crate) streams: Vec<Value>,
    pub(crate) chapters: Vec<Value>,
    pub(crate) packets: Vec<Value>,
    pub(crate) frames: Vec<Value>,
}

/// A time in ticks and the length of a tick, so that comparing two is exact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    pub(crate) ticks: i128,
    pub(crate) num: i128,
    pub(crate) den: i128,
}

impl Time {
    /// Whether two times are the same to the tick of the coarser clock: the nearest tick there is.
    pub(crate) fn is_near(self, other: Self) -> bool {
        let (difference, longer) = self.compared(other);
        2 * difference <= longer
    }

    /// The same for sound that is copied: its times are counted by samples, and muxers round down.
    pub(crate) fn is_within_a_tick(self, other: Self) -> bool {
        let (difference, longer) = self.compared(other);
        difference <= longer
    }

    /// Whether it is before another, by so many milliseconds and a tick at most.
    pub(crate) fn is_earlier_by(self, other: Self, ms: i128) -> bool {
        let (difference, longer) = self.compared(other);
        ms > 0 && self.secs() < other.secs() && 1000 * (difference - longer) <= ms * self.den * other.den
    }

    /// How far two times are apart, and the longer tick, in units of 1 / (den * den).
    fn compared(self, other: Self) -> (i128, i128) {
        let difference = (self.ticks * self.num * other.den - other.ticks * other.num * self.den).abs();
        (difference, (self.num * other.den).max(other.num * self.den))
    }

    pub(crate) fn secs(self) -> f64 {
        self.ticks as f64 * self.num as f64 / self.den as f64
    }
}

impl Told {
    pub(crate) fn of(file: &Path) -> Self {
        let json = ffprobe(
            "-show_format -show_streams -show_chapters -show_packets -show_frames -show_data_hash md5",
            file,
        );
        let list = |name: &str| json[name].as_array().cloned().unwrap_or_default();
        let (mut packets, mut frames) = (list("packets"), list("frames"));
        for entry in list("packets_and_frames") {
            match entry["type"].as_str() {
                Some("packet") => packets.push(entry),
                Some("frame") => frames.push(entry),
                _ => {}
            }
        }
        Self {
            format: json["format"].clone(),
            streams: list("streams"),
            chapters: list("chapters"),
            packets,
            frames,
        }
    }

    /// The first video stream that is no cover.
    pub(crate) fn film(&self) -> &Value {
        self.streams
            .iter()
            .find(|s| s["codec_type"] == "video" && s["disposition"]["attached_pic"] != 1)
            .unwrap_or(&Value::Null)
    }

    /// PTS of the film's frames; `None` where there is none.
    pub(crate) fn frame_times(&self) -> Vec<Option<Time>> {
        let film = self.film();
        let (num, den) = time_base(film);
        let frames = self.frames.iter().filter(|f| f["stream_index"] == film["index"]);
        frames
            .map(|f| Some(Time { ticks: i128::from(f["best_effort_timestamp"].as_i64()?), num, den }))
            .collect()
    }

    /// The film's first frame.
    pub(crate) fn first_frame(&self) -> &Value {
        let index = &self.film()["index"];
        self.frames.iter().find(|f| f["stream_index"] == *index).unwrap_or(&Value::Null)
    }

    /// md5 of the packets of a stream.
    pub(crate) fn packet_hashes<'a>(&'a self, stream: &'a Value) -> Vec<&'a str> {
        self.packets_of(stream).map(|p| p["data_hash"].as_str().unwrap_or("none")).collect()
    }

    /// PTS of the packets of a stream.
    pub(crate) fn packet_times(&self, stream: &Value) -> Vec<Option<Time>> {
        let (num, den) = time_base(stream);
        self.packets_of(stream)
            .map(|p| Some(Time { ticks: i128::from(p["pts"].as_i64()?), num, den }))
            .collect()
    }

    fn packets_of<'a>(&'a self, stream: &'a Value) -> impl Iterator<Item = &'a Value> {
        self.packets.iter().filter(move |p| p["stream_index"] == stream["index"])
    }
}

/// A value of a stream, or `""`.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("")
}

/// A ratio such as `16:15` or `1/25`.
pub(crate) fn ratio(text: &str) -> Option<(i128, i128)> {
    let (num, den) = text.split_once([':', '/'])?;
    Some((num.parse().ok()?, den.parse().ok()?)).filter(|(n, d)| *n > 0 && *d > 0)
}

fn time_base(stream: &Value) -> (i128, i128) {
    ratio(text(stream, "time_base")).expect("a time base")
}

/// A tag of a stream or chapter, whatever the case of its key; `None` for the language that says nothing.
pub(crate) fn tag(value: &Value, key: &str) -> Option<String> {
    let tags = value["tags"].as_object()?;
    let found = tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))?.1.as_str()?;
    (found != "und").then(|| found.to_owned())
}
