//! The checker: what must hold between any source and its output, with the exceptions that a row names.

use crate::row::{Except, Output};
use crate::told::{Time, Told, ratio, tag, text};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A source and its output.
pub(crate) struct Pair<'a> {
    pub(crate) source: (&'a Path, &'a Told),
    pub(crate) output: (&'a Path, &'a Told),
    pub(crate) expected: &'a Output,
}

/// All that is wrong; empty when nothing is.
pub(crate) fn complaints(pair: &Pair<'_>) -> Vec<String> {
    let checks = [size, times, streams, copies, aspect, colour, depth, rotation, chapters, time_code, hdr];
    let mut wrong = Vec::new();
    for check in checks {
        check(pair, &mut wrong);
    }
    wrong
}

impl Pair<'_> {
    fn excepted(&self, except: Except) -> bool {
        self.expected.except.contains(&except)
    }

    fn films(&self) -> (&Value, &Value) {
        (self.source.1.film(), self.output.1.film())
    }

    /// What a copied stream's codec becomes, and whether its packets stay; `None` when it is left out.
    fn codec_after<'c>(&self, codec: &'c str) -> Option<(&'c str, bool)> {
        for except in self.expected.except {
            match *except {
                Except::Rewritten(from, to) if from == codec => return Some((to, false)),
                Except::Called(from, to) if from == codec => return Some((to, true)),
                Except::Rewrapped(of) if of == codec => return Some((codec, false)),
                Except::Dropped(of) if of == codec => return None,
                _ => {}
            }
        }
        Some((codec, true))
    }
}

fn size(pair: &Pair<'_>, wrong: &mut Vec<String>) {
    let (a, b) = pair.films();
    for side in ["width", "height"] {
        if b[side].as_u64() != a[side].as_u64().map(|px| 2 * px) {
            wrong.push(format!("{side}: {} became {}, not twice as much", a[side], b[side]));
        }
    }
}

/// Number of frames, and every frame's PTS.
fn times(pair: &Pair<'_>, wrong: &mut Vec<String>) {
    let rate = pair.expected.except.iter().find_map(|e| match *e {
        Except::Rate(num, den) => Some((num, den)),
        _ => None,
    });
    let source = pair.source.1.frame_times();
    let made = pair.output.1.frame_times();
    // A time that has to be guessed may be guessed a tick apart.
    let is_guessed = matches!(source.last(), Some(None));
    let expected: Vec<Option<Time>> = match rate {
        // Where nothing says when the first is due, it may come a frame late.
        Some((num, den)) => {
            let frame = Time { ticks: 1, num: i128::from(den), den: i128::from(num) };
            let late = made.first().is_some_and(|first| first.is_some_and(|t| t.is_near(frame)));
            (0..source.len() as i128).map(|n| Some(Time { ticks: n + i128::from(late), ..frame })).collect()
        }
        None => with_last(source),
    };
    if expected.is_empty() {
        wrong.push("frames: the source has none".into());
    }
    if expected.len() != made.len() {
        wrong.push(format!("frames: {} became {}", expected.len(), made.len()));
        return;
    }
    let n_told = expected.len() - usize::from(is_guessed);
    compare_times("PTS of frame", &expected[..n_told], &made[..n_told], Time::is_near, wrong);
    compare_times(
        "PTS of the last frame",
        &expected[n_told..],
        &made[n_told..],
        Time::is_within_a_tick,
        wrong,
    );
}

/// MPEG program streams do not stamp every frame, and ffprobe tells no time of the very last one there: it follows from
/// the two before.
fn with_last(mut times: Vec<Option<Time>>) -> Vec<Option<Time>> {
    if let [.., Some(a), Some(b), last @ None] = times.as_mut_slice() {
        *last = Some(Time { ticks: 2 * b.ticks - a.ticks, ..*b });
    }
    times
}

fn compare_times(
    what: &str,
    expected: &[Option<Time>],
    made: &[Option<Time>],
    same: impl Fn(Time, Time) -> bool,
    wrong: &mut Vec<String>,
) {
    let show = |t: &Option<Time>| t.map_or("unknown".to_owned(), |t| format!("{:.6} s", t.secs()));
    let mut different = expected.iter().zip(made).enumerate().filter(|(_, pair)| match pair {
        (Some(a), Some(b)) => !same(*a, *b),
        (None, None) => false,
        _ => true,
    });
    if let Some((n, (a, b))) = different.next() {
        let more = different.count();
        wrong.push(format!("{what} {n}: {} became {} (and {more} more)", show(a), show(b)));
    }
}

/// Kinds in the order in which streams are compared: muxers put covers and attachments last.
const KINDS: [&str; 6] = ["video", "audio", "subtitle", "data", "cover", "attachment"];

fn kind(stream: &Value) -> &str {
    if stream["disposition"]["attached_pic"] == 1 { "cover" } else { text(stream, "codec_type") }
}

fn of_kind<'a>(told: &'a Told, wanted: &str) -> Vec<&'a Value> {
    // MP4 keeps chapters as a text track.
    let is_chapters = |s: &Value| !told.chapters.is_empty() && text(s, "codec_name") == "bin_data";
    told.streams.iter().filter(|s| kind(s) == wanted && !is_chapters(s)).collect()
}

/// Streams of the source that are to be in the output, by kind.
fn kept<'a>(pair: &Pair<'a>, wanted: &str) -> Vec<&'a Value> {
    let mut streams = of_kind(pair.source.1, wanted);
    let film = &pair.source.1.film()["index"];
    streams.retain(|s| s["index"] == *film || pair.codec_after(text(s, "codec_name")).is_some());
    streams
}

/// Kinds, codecs, languages, titles, file names and dispositions.
fn streams(pair: &Pair<'_>, wrong: &mut Vec<String>) {
    let (film_in, film_out) = pair.films();
    for wanted in KINDS {
        let (source, output) = (kept(pair, wanted), of_kind(pair.output.1, wanted));
        let any_default = source.iter().any(|s| s["disposition"]["default"] == 1);
        let list = |streams: &[&Value], film: &Value, after: bool| -> Vec<String> {
            let told = streams.iter().enumerate().map(|(n, s)| {
                let codec = text(s, "codec_name");
                let codec = match pair.codec_after(codec) {
                    _ if s["index"] == film["index"] => "restored",
                    Some((to, _)) if !after => to,
                    _ => codec,
                };
                // In MP4 the first of a kind is the default where no other is.
                let implied = pair.expected.container == "mp4" && n == 0 && !any_default;
                describe(s, codec, implied, pair.expected.container)
            });
            told.collect()
        };
        let (source, output) = (list(&source, film_in, false), list(&output, film_out, true));
        if source != output {
            wrong.push(format!("{wanted} streams: {source:?} became {output:?}"));
        }
        if pair.expected.container == "mp4" {
            // It holds titles of tracks where older ffprobes do not look.
            let file = std::fs::read(pair.output.0).expect("read");
            for title in kept(pair, wanted).iter().filter_map(|s| tag(s, "title")) {
                if !file.windows(title.len()).any(|bytes| bytes == title.as_bytes()) {
                    wrong.push(format!("{wanted} streams: the title {title:?} is lost"));
                }
            }
        }
    }
}

fn describe(stream: &Value, codec: &str, default_implied: bool, container: &str) -> String {
    let mut line = format!("{} {codec}", kind(stream));
    let keys: &[&str] = match (container, kind(stream)) {
        ("mp4", _) => &["language"],
        // Covers of other containers have no names.
        (_, "cover") => &["language", "title"],
        _ => &["language", "title", "filename", "mimetype"],
    };
    for key in keys {
        if let Some(value) = tag(stream, key) {
            line.push_str(&format!(" {key}={value}"));
        }
    }
    for (name, set) in stream["disposition"].as_object().into_iter().flatten() {
        if *set == 1 && !(name == "default" && default_implied) {
            line.push_str(&format!(" ({name})"));
        }
    }
    line
}

/// Packets of copied streams: every byte and every time. Of rewritten ones: every sample, or the text.
fn copies(pair: &Pair<'_>, wrong: &mut Vec<String>) {
    let (film_in, film_out) = pair.films();
    for wanted in KINDS {
        let output = of_kind(pair.output.1, wanted);
        for (a, b) in kept(pair, wanted).into_iter().zip(output) {
            if a["index"] == film_in["index"] || b["index"] == film_out["index"] {
                continue;
            }
            let codec = text(a, "codec_name");
            let name = format!("{wanted} stream {} ({codec})", a["index"]);
            if wanted == "attachment" {
                if a["extradata_hash"] != b["extradata_hash"] || a["extradata_hash"].is_null() {
                    wrong.push(format!("bytes of {name}: not the same"));
                }
            } else if pair.codec_after(codec).is_some_and(|(_, same)| same) {
                let hashes = (pair.source.1.packet_hashes(a), pair.output.1.packet_hashes(b));
                if hashes.0 != hashes.1 {
                    wrong.push(format!(
                        "packets of {name}: {} became {} others",
                        hashes.0.len(),
                        hashes.1.len()
                    ));
                } else if wanted != "cover" {
                    let times = (pair.source.1.packet_times(a), pair.output.1.packet_times(b));
                    let what = format!("PTS of {name}, packet");
                    let early = pair.expected.except.iter().find_map(|e| match *e {
                        Except::Early(of, ms) if of == codec => Some(ms),
                        _ => None,
                    });
                    let slack = early.unwrap_or(0);
                    let same = |a: Time, b: Time| a.is_within_a_tick(b) || b.is_earlier_by(a, slack);
                    compare_times(&what, &times.0, &times.1, same, wrong);
                }
            } else if content(pair.source.0, a) != content(pair.output.0, b) {
                wrong.push(format!(
                    "content of {name}: {} became {}",
                    content(pair.source.0, a),
                    content(pair.output.0, b)
                ));
            }
        }
    }
}

/// What a stream says whatever its codec: a hash of its samples, or its text without styles.
fn content(file: &Path, stream: &Value) -> String {
    let form: &[&str] =
        if stream["codec_type"] == "audio" { &["-f", "hash", "-hash", "md5"] } else { &["-f", "srt"] };
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-copyts", "-i"])
        .arg(file)
        .args(["-map", &format!("0:{}", stream["index"])])
        .args(form)
        .arg("-")
        .output()
        .expect("ffmpeg starts");
    let mut plain = String::new();
    let mut in_style = false;
    for c in String::from_utf8_lossy(&output.stdout).chars() {
        match c {
            '<' | '{' => in_style = true,
            '>' | '}' if in_style => in_style = false,
            _ if !in_style => plain.push(c),
            _ => {}
        }
    }
    plain
}

fn aspect(pair: &Pair<'_>, wrong: &mut Vec<String>) {
    let of = |film: &Value| {
        let sar = ratio(text(film, "sample_aspect_ratio")).unwrap_or((1, 1));
        let px = |side: &str| i128::from(film[side].as_i64().unwrap_or(0));
        (sar, (sar.0 * px("width"), sar.1 * px("height")))
    };
    let (a, b) = pair.films();
    let ((sar_a, dar_a), (sar_b, dar_b)) = (of(a), of(b));
    if sar_a.0 * sar_b.1 != sar_a.1 * sar_b.0 {
        wrong.push(format!("SAR: {sar_a:?} became {sar_b:?}"));
    }
    if dar_a.0 * dar_b.1 != dar_a.1 * dar_b.0 {
        wrong.push(format!("DAR: {dar_a:?} became {dar_b:?}"));
    }
}

fn colour(pair: &Pair<'_>, wrong: &mut Vec<String>) {
    let (a, b) = pair.films();
    let said = |film: &Value, key: &str| match text(film, key) {
        "unknown" | "unspecified" => String::new(),
        value => value.to_owned(),
    };
    for key in ["color_space", "color_range", "color_primaries", "color_transfer", "chroma_location"] {
        let excepted = pair.expected.except.iter().find_map(|e| match *e {
            Except::Tag(name, value) if name == key => Some(value.to_owned()),
            _ => None,
        });
        let (before, after) = (excepted.unwrap_or_else(|| said(a, key)), said(b, key));
        // Containers and codecs write what is meant where the source says nothing, or the other way round.
        let meant = |value: String| match (key, value.as_str()) {
            ("color_range", "") => "tv".to_owned(),
            ("chroma_location", "") => "left".to_owned(),
            _ => value,
        };
        if meant(before.clone()) != meant(after.clone()) {
            wrong.push(format!("{key}: {before:?} became {after:?}"));
        }
    }
}

/// Bits of a sample: all, as far as the encoder has them.
fn depth(pair: &Pair<'_>, wrong: &mut Vec<String>) {
    let (a, b) = pair.films();
    let bits = |film: &Value| {
        let name = text(film, "pix_fmt").trim_end_matches("le").trim_end_matches("be");
        [16, 14, 12, 10, 9]
            .into_iter()
            .find(|d| name.ends_with(&format!("p{d}")) || name.ends_with(&format!("y{d}")))
            .unwrap_or(8)
    };
    if bits(b) < bits(a).min(10) {
        wrong.push(format!("depth: {} became {}", a["pix_fmt"], b["pix_fmt"]));
    }
}

fn rotation(pair: &Pair<'_>, wrong: &mut Vec<String>) {
    let degrees = |film: &Value| {
        let list = film["side_data_list"].as_array();
        let turned = list.into_iter().flatten().find_map(|side| side["rotation"].as_f64()).unwrap_or(0.0);
        turned.rem_euclid(360.0)
    };
    let (a, b) = pair.films();
    let expected = if pair.excepted(Except::Unturned) { 0.0 } else { degrees(a) };
    if degrees(b) != expected {
        wrong.push(format!("rotation: {} degrees became {}", degrees(a), degrees(b)));
    }
}

fn chapters(pair: &Pair<'_>, wrong: &mut Vec<String>) {
    let list = |told: &Told| -> Vec<String> {
        let told = told.chapters.iter().map(|c| {
            let secs = |key: &str| text(c, key).parse::<f64>().unwrap_or(f64::NAN);
            format!("{:.3}-{:.3} {:?}", secs("start_time"), secs("end_time"), tag(c, "title"))
        });
        told.collect()
    };
    let (a, b) = (list(pair.source.1), list(pair.output.1));
    if a != b {
        wrong.push(format!("chapters: {a:?} became {b:?}"));
    }
}

/// The time code of the first frame, a tag of the file or of a stream.
fn time_code(pair: &Pair<'_>, wrong: &mut Vec<String>) {
    let of = |told: &Told| {
        let places = std::iter::once(&told.format).chain(&told.streams);
        places.filter_map(|place| tag(place, "timecode")).next()
    };
    let (a, b) = (of(pair.source.1), of(pair.output.1));
    if a != b {
        wrong.push(format!("time code: {a:?} became {b:?}"));
    }
}

/// Mastering display and content light level, wherever they stand: in the container or in the codec.
fn hdr(pair: &Pair<'_>, wrong: &mut Vec<String>) {
    let (a, b) = (hdr_of(pair.source.1), hdr_of(pair.output.1));
    let (a, b) = if pair.excepted(Except::HiddenMastering) { (a, hidden_hdr(pair.output.0)) } else { (a, b) };
    if a.len() != b.len() || a.iter().zip(&b).any(|(a, b)| a.0 != b.0 || (a.1 - b.1).abs() > a.2) {
        wrong.push(format!("HDR metadata: {a:?} became {b:?}"));
    }
}

/// Name, value and what rounding may change of it: primaries are counted in 1/50000, or 1/65536 in AV1.
type Level = (&'static str, f64, f64);

const LEVELS: [(&str, f64); 12] = [
    ("red_x", 2e-5),
    ("red_y", 2e-5),
    ("green_x", 2e-5),
    ("green_y", 2e-5),
    ("blue_x", 2e-5),
    ("blue_y", 2e-5),
    ("white_point_x", 2e-5),
    ("white_point_y", 2e-5),
    ("min_luminance", 4e-5),
    ("max_luminance", 4e-3),
    ("max_content", 0.0),
    ("max_average", 0.0),
];

fn hdr_of(told: &Told) -> Vec<Level> {
    let side = |value: &Value| value["side_data_list"].as_array().cloned().unwrap_or_default();
    let all: Vec<Value> = side(told.film()).into_iter().chain(side(told.first_frame())).collect();
    let value = |name: &str| {
        all.iter().find_map(|side| match &side[name] {
            Value::String(s) => ratio(s).map(|(n, d)| n as f64 / d as f64),
            other => other.as_f64(),
        })
    };
    LEVELS.iter().filter_map(|&(name, slack)| Some((name, value(name)?, slack))).collect()
}

/// The same from the SEI messages of H.264, which older ffmpegs write but do not tell.
fn hidden_hdr(file: &Path) -> Vec<Level> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "verbose", "-i"])
        .arg(file)
        .args(["-map", "0:v:0", "-c", "copy", "-bsf:v", "trace_headers", "-frames:v", "1", "-f", "null", "-"])
        .output()
        .expect("ffmpeg starts");
    let trace = String::from_utf8_lossy(&output.stderr).into_owned();
    let field = |name: &str, unit: f64| {
        let line = trace.lines().find(|l| l.contains(&format!(" {name} ")))?;
        Some(line.rsplit(' ').next()?.parse::<f64>().ok()? / unit)
    };
    // Green comes first, then blue, then red.
    let fields = [
        ("display_primaries_x[2]", 5e4),
        ("display_primaries_y[2]", 5e4),
        ("display_primaries_x[0]", 5e4),
        ("display_primaries_y[0]", 5e4),
        ("display_primaries_x[1]", 5e4),
        ("display_primaries_y[1]", 5e4),
        ("white_point_x", 5e4),
        ("white_point_y", 5e4),
        ("min_display_mastering_luminance", 1e4),
        ("max_display_mastering_luminance", 1e4),
        ("max_content_light_level", 1.0),
        ("max_pic_average_light_level", 1.0),
    ];
    let levels = LEVELS.iter().zip(fields);
    levels.filter_map(|(&(name, slack), (traced, unit))| Some((name, field(traced, unit)?, slack))).collect()
}
