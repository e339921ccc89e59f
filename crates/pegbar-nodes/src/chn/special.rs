//! What the table of rules cannot say: settings that depend on each other.

mod pictures;
mod values;

pub(super) use pictures::*;
pub(super) use values::*;

use super::convert::{number, text, truth};
use super::sequence::LIMIT;
use super::translate::View;
use pegbar_params::ParamValue;
use serde_json::Value as Json;

/// Completes a node.
pub(super) type Special = fn(&mut View<'_, '_>);

/// The parameters that these functions set, and values they give choices, for the test of the table.
#[cfg(test)]
pub(super) const SETS: &[(&str, &str, &[&str])] = &[
    ("image.save", "format", &["png", "jpg", "webp", "tiff", "bmp"]),
    ("image.save", "depth", &["8", "16"]),
    ("image.save", "existing", &["skip", "overwrite"]),
    ("folder.load", "glob", &[]),
    ("folder.load", "recursive", &["true"]),
    ("folder.load", "limit", &["1"]),
    ("folder.load", "on-error", &["stop", "go-on"]),
    ("video.save", "path", &[]),
    ("video.save", "encode", &["h264", "h265", "ffv1", "-c:v libvpx-vp9 -crf 30 -b:v 0"]),
    ("video.save", "crf", &["20"]),
    ("video.save", "preset", &["slow"]),
    ("image.upscale", "tile", &["256"]),
    ("image.upscale", "target", &["factor"]),
    ("image.upscale", "factor", &["2"]),
    ("image.pad", "fill", &["colour", "transparent", "edge", "mirror", "wrap"]),
    ("image.pad", "colour", &["#ffffff"]),
    ("image.rotate", "angle", &["-90"]),
    ("image.rotate", "colour", &["#00000000"]),
    ("image.shift", "x", &["1"]),
    ("image.shift", "y", &["1"]),
    ("image.shift", "fill", &["transparent", "wrap", "colour"]),
    ("image.colour_key", "tolerance", &["1"]),
    ("image.colour_key", "softness", &["1"]),
    ("image.threshold", "level", &["50"]),
    ("image.colour_space", "from", &["rgb", "yuv", "hsv", "hsl", "lab", "lch"]),
    ("image.colour_space", "to", &["rgb", "yuv", "hsv", "hsl", "lab", "lch"]),
    ("image.normalize", "channels", &["together", "each"]),
    ("image.normalize", "low", &["1"]),
    ("image.normalize", "high", &["1"]),
    ("image.levels", "in-black", &["0.1"]),
    ("image.levels", "in-white", &["0.9"]),
    ("image.arithmetic", "red", &["1"]),
    ("image.arithmetic", "green", &["1"]),
    ("image.arithmetic", "blue", &["1"]),
    (
        "image.dither",
        "method",
        &[
            "none",
            "riemersma",
            "bayer-2",
            "bayer-4",
            "bayer-8",
            "bayer-16",
            "floyd-steinberg",
            "stucki",
            "atkinson",
            "burkes",
            "sierra",
            "two-row-sierra",
            "sierra-lite",
            "jarvis-judice-ninke",
        ],
    ),
    ("image.gradient", "colours", &["#000000 #ffffff"]),
    ("image.gradient", "angle", &["90"]),
    ("image.gradient", "kind", &["radial", "conic"]),
    ("value.switch", "index", &["1"]),
    ("value.math", "a", &["1"]),
    ("value.math", "b", &["1"]),
    ("value.round", "to", &["power"]),
    ("value.round", "step", &["2"]),
    ("value.colour_from", "red", &["1"]),
    ("value.colour_from", "alpha", &["50"]),
    ("text.slice", "start", &["-1"]),
    ("text.slice", "length", &["3"]),
    ("text.slice", "keep", &["end"]),
    ("text.regex_find", "output", &["{1}"]),
    ("sequence.range", "start", &["1"]),
    ("sequence.range", "stop", &["1"]),
    ("sequence.range", "step", &["1"]),
];

/// A stored number.
fn stored_number(view: &View<'_, '_>, input: u32) -> Option<f64> {
    view.stored(input).and_then(number)
}

/// Whether a stored switch is on.
fn is_on(view: &View<'_, '_>, input: u32) -> bool {
    view.stored(input).and_then(truth).unwrap_or(false)
}

/// A stored text.
fn stored_text(view: &View<'_, '_>, input: u32) -> Option<String> {
    view.stored(input).and_then(text)
}

/// Formats, depths, and what happens to files that are there.
pub(super) fn save_image(view: &mut View<'_, '_>) {
    let stored = stored_text(view, 4).unwrap_or_else(|| "png".into());
    let format = match stored.as_str() {
        "png" | "webp" | "tiff" | "bmp" => stored.as_str(),
        "jpg" | "jpeg" => "jpg",
        other => {
            view.setting(format!("Pegbar does not write {other}; it is PNG now"));
            "png"
        }
    };
    let is_lossy_webp = format == "webp" && !is_on(view, 14);
    if is_lossy_webp {
        view.set("lossless", ParamValue::Bool(false));
    }
    let depth = match format {
        "png" => stored_text(view, 15),
        "tiff" => stored_text(view, 16),
        _ => None,
    };
    let depth = match depth.as_deref() {
        Some("u16") => "16",
        Some("f32") => {
            view.setting("TIFF has 16 bits instead of 32-bit floating point");
            "16"
        }
        _ => "8",
    };
    view.set("format", ParamValue::Text(format.into()));
    view.set("depth", ParamValue::Text(depth.into()));
    let existing = if is_on(view, 1000) { "skip" } else { "overwrite" };
    view.set("existing", ParamValue::Text(existing.into()));
    if format == "jpg" {
        // The sampling factors of luma and both chromas, a digit each, as OpenCV has them.
        let subsampling = match stored_number(view, 11).map(|n| n as u32) {
            Some(0x11_1111) => "4:4:4",
            Some(0x12_1111) => "4:4:0",
            Some(0x22_1111) => "4:2:0",
            _ => "4:2:2",
        };
        view.set("subsampling", ParamValue::Text(subsampling.into()));
        if is_on(view, 12) {
            view.set("progressive", ParamValue::Bool(true));
        }
    } else if !is_lossy_webp {
        view.unset("quality");
    }
    if stored_text(view, 2).as_deref() == Some(".") {
        view.unset("subdirectory");
    }
}

/// Patterns and limits hold only where they are switched on.
pub(super) fn load_images(view: &mut View<'_, '_>) {
    if let Some(glob) = stored_text(view, 3).filter(|_| is_on(view, 1)) {
        if glob.starts_with("**/*") {
            view.set("recursive", ParamValue::Bool(true));
        }
        if glob != "**/*" {
            view.set("glob", ParamValue::Text(glob));
        }
    }
    limit(view, 4, 5);
    let on_error = if is_on(view, 6) { "stop" } else { "go-on" };
    view.set("on-error", ParamValue::Text(on_error.into()));
}

/// A limit holds only where it is switched on.
pub(super) fn load_video(view: &mut View<'_, '_>) {
    limit(view, 1, 2);
}

/// The limit of a source: its own by a switch and a number, or what sequences behind it leave of it.
fn limit(view: &mut View<'_, '_>, switch: u32, number: u32) {
    if view.stored(LIMIT).is_none() && is_on(view, switch) && view.is_connected(number) {
        view.take(number, "limit", super::convert::Convert::Whole);
        return;
    }
    let own = stored_number(view, number).filter(|_| is_on(view, switch));
    if let Some(limit) = stored_number(view, LIMIT).or(own) {
        view.set("limit", ParamValue::Int(limit.max(1.0) as i64));
    }
}

/// Folder, name and container make a path; encoder and its settings those of Pegbar.
pub(super) fn save_video(view: &mut View<'_, '_>) {
    let simple = view.stored(16).and_then(number).is_some_and(|mode| mode == 0.0);
    let (container, encoder, crf, preset) = if simple {
        let format = stored_text(view, 17).unwrap_or_else(|| "mp4_h264".into());
        let (container, encoder) = match format.as_str() {
            "mp4_h265" => ("mp4", "libx265"),
            "webm" => ("webm", "libvpx-vp9"),
            "gif" => ("gif", "gif"),
            _ => ("mp4", "libx264"),
        };
        let quality = stored_number(view, 18).unwrap_or(70.0).clamp(0.0, 100.0);
        let crf = (51.0 * (1.0 - quality / 100.0)).round();
        if encoder != "gif" {
            view.setting(format!("quality {quality} is a constant rate factor of {crf} now"));
        }
        (container.to_owned(), encoder.to_owned(), Some(crf), None)
    } else {
        let container = stored_text(view, 4).unwrap_or_else(|| "mp4".into());
        let encoder = match container.as_str() {
            "gif" => "gif".into(),
            _ => stored_text(view, 3).unwrap_or_else(|| "libx264".into()),
        };
        let preset = stored_text(view, 8).filter(|preset| preset != "none");
        (container, encoder, stored_number(view, 9), preset)
    };
    set_path(view, &container);
    let extra = stored_text(view, 13).filter(|extra| !extra.trim().is_empty() && is_on(view, 12));
    let crf_text = crf.map(|crf| format!("{}", crf.round() as i64));
    if let Some(extra) = extra.filter(|_| encoder != "gif") {
        // ffmpeg's own options stand for all of it.
        let mut options = format!("-c:v {encoder}");
        for (name, value) in [("-preset", preset.filter(|_| encoder.starts_with("libx"))), ("-crf", crf_text)]
        {
            if let Some(value) = value.filter(|_| encoder != "ffv1") {
                options += &format!(" {name} {value}");
            }
        }
        view.set("encode", ParamValue::Text(format!("{options} {}", extra.trim())));
    } else {
        let encode = match encoder.as_str() {
            "libx264" => "h264".to_owned(),
            "libx265" => "h265".to_owned(),
            "ffv1" => "ffv1".to_owned(),
            "libvpx-vp9" => format!("-c:v libvpx-vp9 -crf {} -b:v 0", crf_text.as_deref().unwrap_or("30")),
            "gif" => String::new(),
            other => {
                view.setting(format!("Pegbar does not know the encoder {other}; it is H.264 now"));
                "h264".to_owned()
            }
        };
        let has_crf = matches!(encode.as_str(), "h264" | "h265");
        view.set("encode", ParamValue::Text(encode));
        if has_crf {
            if let Some(crf) = crf_text {
                view.set("crf", ParamValue::Text(crf));
            }
            if let Some(preset) = preset {
                view.set("preset", ParamValue::Text(preset));
            }
        }
    }
    if !view.is_connected(15) && container != "gif" {
        view.setting("the sound of the source goes along; here it was not connected");
    }
    match (view.source_schema(14), stored_number(view, 14)) {
        (Some("image:load_video"), _) | (None, None) => {}
        (None, Some(rate)) => {
            view.setting(format!("frames keep the rate of their source, whatever it is, instead of {rate}"));
        }
        (Some(_), _) => view.setting("frames keep the rate of their source"),
    }
}

/// The path that a video is saved to, where it is known.
fn set_path(view: &mut View<'_, '_>, container: &str) {
    let known = view.constant(1).and_then(|directory| Some((text(&directory)?, text(&view.constant(2)?)?)));
    let Some((directory, name)) = known else {
        view.setting(
            "where it is saved comes along an edge, which cannot be; set its path, or give -o OUTPUT",
        );
        return;
    };
    let separator = match directory.chars().last() {
        None | Some('/' | '\\') => "",
        // As the rest of the path is written.
        Some(_) if directory.contains('\\') && !directory.contains('/') => "\\",
        Some(_) => "/",
    };
    view.set("path", ParamValue::Text(format!("{directory}{separator}{name}.{container}")));
}

/// Tiles of PyTorch's node, and a scale of one's own.
pub(super) fn upscale_pytorch(view: &mut View<'_, '_>) {
    tile(view, 6);
    if is_on(view, 4) {
        view.set("target", ParamValue::Text("factor".into()));
        if let Some(scale) = stored_number(view, 5) {
            view.set("factor", ParamValue::Float(scale));
        }
    }
}

/// Tiles of the other nodes.
pub(super) fn upscale(view: &mut View<'_, '_>) {
    tile(view, 3);
}

/// Sizes above 0 are pixels, -3 is one that is given; the others are left to the run.
fn tile(view: &mut View<'_, '_>, custom: u32) {
    let tile = match stored_number(view, 2) {
        Some(-3.0) => stored_number(view, custom),
        tile => tile,
    };
    if let Some(tile) = tile.filter(|&tile| tile > 0.0) {
        view.set("tile", ParamValue::Int(tile.round() as i64));
    }
}

/// Fills that are colours by another name; places that Pegbar does not have.
pub(super) fn pad(view: &mut View<'_, '_>) {
    let fill = stored_number(view, 1).unwrap_or(4.0) as i64;
    let (fill, colour) = match fill {
        0 => ("colour", Some("#000000")),
        1 => ("edge", None),
        3 => ("wrap", None),
        4 => ("mirror", None),
        5 => ("transparent", None),
        6 => ("colour", Some("#ffffff")),
        _ => ("colour", None),
    };
    view.set("fill", ParamValue::Text(fill.into()));
    if let Some(colour) = colour {
        view.set("colour", ParamValue::Text(colour.into()));
    } else if fill == "colour" {
        view.take(2, "colour", super::convert::Convert::Colour);
    }
    if stored_number(view, 3) == Some(2.0) {
        view.unset("left");
        view.unset("top");
        view.setting("the picture stands in the middle of the new size, not at an offset");
    }
}

/// A value as it would be stored.
pub(super) fn json(text: impl Into<String>) -> Json {
    Json::String(text.into())
}
