//! Sampling at places that are computed.

use super::Value;
use crate::PadMode;

/// The two pixels around a place along an axis (none: one beyond the picture), and the weight of the second.
fn around(
    at: f64,
    [size, out_size]: [usize; 2],
    align_corners: bool,
    beyond: PadMode,
) -> ([Option<usize>; 2], f64) {
    let place = if align_corners {
        at * (size - 1) as f64 / (out_size - 1).max(1) as f64
    } else {
        (at + 0.5) * size as f64 / out_size as f64 - 0.5
    };
    let last = (size - 1) as f64;
    // One beyond the picture is as far as it can matter. NaN becomes zero as a place, and stays what it is as a weight.
    let margin = if beyond == PadMode::Replicate { 0.0 } else { 1.0 };
    let place = place.clamp(-margin, last + margin);
    let low = place.floor() as i64;
    let pixel = |at: i64| match beyond {
        PadMode::Replicate => Some(at.clamp(0, size as i64 - 1) as usize),
        _ => usize::try_from(at).ok().filter(|&at| at < size),
    };
    ([pixel(low), pixel(low + 1)], place - low as f64)
}

pub(super) fn grid_sample(
    x: &Value,
    places: &Value,
    groups: usize,
    align_corners: bool,
    beyond: PadMode,
    out: [usize; 4],
) -> Value {
    let [_, channels, h, w] = x.shape;
    let constant = if let PadMode::Constant(value) = beyond { value } else { 0.0 };
    Value::generate(out, |n, c, oy, ox| {
        let group = c / (channels / groups);
        let at = |o: usize, channel: usize| o as f64 + f64::from(places.at(n, channel, oy, ox));
        let (columns, fx) = around(at(ox, group), [w, out[3]], align_corners, beyond);
        let (rows, fy) = around(at(oy, groups + group), [h, out[2]], align_corners, beyond);
        let pixel = |y: Option<usize>, xx: Option<usize>| {
            f64::from(y.zip(xx).map_or(constant, |(y, xx)| x.at(n, c, y, xx)))
        };
        let along = |y| pixel(y, columns[0]) * (1.0 - fx) + pixel(y, columns[1]) * fx;
        (along(rows[0]) * (1.0 - fy) + along(rows[1]) * fy) as f32
    })
}
