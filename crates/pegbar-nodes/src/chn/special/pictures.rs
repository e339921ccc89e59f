//! Settings of pictures that depend on each other.

use super::{is_on, stored_number, stored_text};
use crate::chn::convert::Convert;
use crate::chn::translate::View;
use pegbar_params::ParamValue;

fn choice(view: &mut View<'_, '_>, param: &str, value: &str) {
    view.set(param, ParamValue::Text(value.into()));
}

fn number(view: &mut View<'_, '_>, param: &str, value: f64) {
    view.set(param, ParamValue::Float(value));
}

/// chaiNNer turns the other way round.
pub(in crate::chn) fn rotate(view: &mut View<'_, '_>) {
    if view.is_connected(1) {
        view.take(1, "angle", Convert::Number);
        view.setting("it turns clockwise: subtract the angle from 360 before");
    } else if let Some(angle) = stored_number(view, 1) {
        number(view, "angle", if angle == 0.0 { 0.0 } else { -angle });
    }
    if stored_number(view, 4) == Some(1.0) {
        choice(view, "colour", "#00000000");
    }
}

/// Shifts by pixels.
pub(in crate::chn) fn shift(view: &mut View<'_, '_>) {
    if stored_number(view, 4) == Some(0.0) {
        view.setting("it shifts by pixels, not by a part of the picture: set x and y");
    } else {
        view.take(1, "x", Convert::Whole);
        view.take(2, "y", Convert::Whole);
    }
    match stored_number(view, 3).map(|fill| fill as i64) {
        Some(1) => choice(view, "fill", "transparent"),
        Some(2) => choice(view, "fill", "wrap"),
        _ => choice(view, "fill", "colour"),
    }
}

/// Channels of several pictures one behind the other, from blue on. How many each has is not known, so it is taken for
/// what it was made for: a picture and its alpha, or one picture for each channel.
pub(in crate::chn) fn merge_channels(view: &mut View<'_, '_>) {
    match view.given(0).as_slice() {
        [0, 1] => {
            view.becomes("image.merge_alpha");
            view.rename("blue", "image");
            view.rename("green", "alpha");
            view.setting("it puts channels of two pictures together; they are taken for colour and alpha");
        }
        [0, 1, 2] | [0, 1, 2, 3] => {
            view.setting("each of its pictures is taken for one channel: blue, green, red, alpha")
        }
        [] => {}
        _ => view.give_up("it puts channels of pictures together, of which some are not connected"),
    }
}

/// Two ways of keying with thresholds of their own.
pub(in crate::chn) fn chroma_key(view: &mut View<'_, '_>) {
    if stored_number(view, 2) == Some(2.0) {
        let (back, front) = (stored_number(view, 4).unwrap_or(2.0), stored_number(view, 5).unwrap_or(10.0));
        number(view, "tolerance", back);
        number(view, "softness", (front - back).max(0.0));
        view.setting("the edge is a ramp between its two thresholds: nothing is matted");
    } else {
        view.take(3, "tolerance", Convert::Number);
        number(view, "softness", 0.0);
    }
    view.setting("distances of colours are measured in Oklab: look whether the tolerance suits");
}

/// What bright points are worth.
pub(in crate::chn) fn lens_blur(view: &mut View<'_, '_>) {
    if stored_number(view, 3).is_some_and(|gamma| gamma != 1.0) || view.is_connected(3) {
        view.setting("bright points outweigh dark ones by its highlights, which are 0 now");
    }
}

/// A level, or the one that is found for the picture.
pub(in crate::chn) fn threshold(view: &mut View<'_, '_>) {
    view.take(1, "level", Convert::Number);
    if is_on(view, 4) {
        view.setting("edges are not smoothed: enlarge before and shrink after, or give it some softness");
    }
}

/// chaiNNer's colour spaces by number: alone, and those that are told by the number of channels.
const SPACES: &[(i64, &str)] = &[
    (0, "gray"),
    (1, "rgb"),
    (2, "rgb"),
    (3, "yuv"),
    (4, "hsv"),
    (5, "hsl"),
    (6, "cmyk"),
    (7, "yuv"),
    (8, "hsv"),
    (9, "hsl"),
    (10, "lab"),
    (11, "lab"),
    (12, "lch"),
    (13, "lch"),
    (1000, "rgb"),
    (1001, "yuv"),
    (1002, "hsv"),
    (1003, "hsl"),
    (1004, "lab"),
    (1005, "lch"),
];

/// Gray is a colour space there, and another node here.
pub(in crate::chn) fn change_colorspace(view: &mut View<'_, '_>) {
    let space = |view: &View<'_, '_>, input: u32, default: i64| {
        let id = stored_number(view, input).map_or(default, |id| id as i64);
        SPACES.iter().find(|(known, _)| *known == id).map_or("", |(_, name)| *name)
    };
    let (from, to) = (space(view, 1, 1000), space(view, 2, 1));
    if [from, to].iter().any(|space| matches!(*space, "cmyk" | "")) {
        view.give_up("Pegbar has no CMYK, which is for printing");
        return;
    }
    if (from, to) == ("rgb", "rgb") && !is_on(view, 3) {
        // Nothing but alpha goes.
        view.becomes("image.split_alpha");
        return;
    }
    if is_on(view, 3) {
        view.setting("it makes no alpha channel; one that is there stays");
    }
    match (from, to) {
        ("rgb", "gray") => view.becomes("image.grayscale"),
        (_, "gray") => {
            choice(view, "from", from);
            choice(view, "to", "rgb");
            view.setting("it is not gray: put a Grayscale node behind it");
        }
        _ => {
            choice(view, "from", if from == "gray" { "rgb" } else { from });
            choice(view, "to", to);
        }
    }
}

/// Ranges that are found are another node than those that are given.
pub(in crate::chn) fn stretch_contrast(view: &mut View<'_, '_>) {
    match stored_number(view, 1).map(|mode| mode as i64) {
        Some(2) => {
            view.becomes("image.levels");
            let (low, high) =
                (stored_number(view, 4).unwrap_or(0.0), stored_number(view, 5).unwrap_or(255.0));
            number(view, "in-black", low / 255.0);
            number(view, "in-white", high / 255.0);
        }
        mode => {
            let percentile = if mode == Some(1) { stored_number(view, 3).unwrap_or(1.0) } else { 0.0 };
            number(view, "low", percentile);
            number(view, "high", percentile);
            let keeps_colours = view.stored(2).is_none() || is_on(view, 2);
            choice(view, "channels", if keeps_colours { "together" } else { "each" });
        }
    }
}

/// One number for all colours.
pub(in crate::chn) fn each_colour(view: &mut View<'_, '_>) {
    for param in ["red", "green", "blue"] {
        view.take(1, param, Convert::Number);
    }
}

/// Per cent of white.
pub(in crate::chn) fn add(view: &mut View<'_, '_>) {
    if view.is_connected(1) {
        each_colour(view);
        view.setting("what is added counts from 0 to 1: divide the number by 100 before");
        return;
    }
    let amount = stored_number(view, 1).unwrap_or(0.0) / 100.0;
    for param in ["red", "green", "blue"] {
        number(view, param, amount);
    }
}

fn diffusion(view: &mut View<'_, '_>, input: u32) {
    let method = match stored_text(view, input).as_deref() {
        Some("JJN") => "jarvis-judice-ninke",
        Some("ST") => "stucki",
        Some("A") => "atkinson",
        Some("B") => "burkes",
        Some("S") => "sierra",
        Some("S2") => "two-row-sierra",
        Some("SL") => "sierra-lite",
        _ => "floyd-steinberg",
    };
    choice(view, "method", method);
}

/// One list of methods instead of three.
pub(in crate::chn) fn dither(view: &mut View<'_, '_>) {
    match stored_text(view, 2).as_deref() {
        Some("None") => choice(view, "method", "none"),
        Some("Riemersma") => choice(view, "method", "riemersma"),
        Some("Ordered") => {
            let pattern = match stored_text(view, 3).as_deref() {
                Some("B2") => "bayer-2",
                Some("B4") => "bayer-4",
                Some("B8") => "bayer-8",
                _ => "bayer-16",
            };
            choice(view, "method", pattern);
        }
        _ => diffusion(view, 4),
    }
}

/// The same with the colours of a picture.
pub(in crate::chn) fn palette_dither(view: &mut View<'_, '_>) {
    match stored_text(view, 2).as_deref() {
        Some("None") => choice(view, "method", "none"),
        Some("Riemersma") => choice(view, "method", "riemersma"),
        _ => diffusion(view, 3),
    }
}

/// Colours in a text; a direction as an angle.
pub(in crate::chn) fn create_gradient(view: &mut View<'_, '_>) {
    let colour = |view: &View<'_, '_>, input: u32, default: &str| match view.stored(input) {
        // Gradients are of three channels.
        Some(stored) => match Convert::Colour.apply(stored) {
            Ok(Some(ParamValue::Text(text))) => text.get(..7).unwrap_or(default).to_owned(),
            _ => default.to_owned(),
        },
        None => default.to_owned(),
    };
    let (first, second) = (colour(view, 9, "#000000"), colour(view, 10, "#ffffff"));
    let colours = if is_on(view, 2) { format!("{second} {first}") } else { format!("{first} {second}") };
    choice(view, "colours", &colours);
    match stored_text(view, 3).as_deref() {
        Some("Vertical") => number(view, "angle", 90.0),
        Some("Diagonal") => {
            number(view, "angle", stored_number(view, 4).unwrap_or(45.0));
            view.setting("the gradient runs over the whole picture, not over a width");
        }
        Some("Radial") => {
            choice(view, "kind", "radial");
            if stored_number(view, 6).unwrap_or(0.0) != 0.0
                || stored_number(view, 7).unwrap_or(100.0) != 100.0
            {
                view.setting("the gradient runs from the middle to the corners, not between radii");
            }
        }
        Some("Conic") => {
            choice(view, "kind", "conic");
            number(view, "angle", stored_number(view, 8).unwrap_or(0.0));
        }
        _ => {}
    }
}
