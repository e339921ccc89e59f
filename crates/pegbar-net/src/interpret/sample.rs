//! Sampling at places that are computed.

use super::Value;

/// The two pixels around a place along an axis, and the weight of the second; places beyond the edge count as the edge.
fn around(at: usize, offset: f32, size: usize, out_size: usize) -> (usize, usize, f64) {
    let place = (at as f64 + f64::from(offset) + 0.5) * size as f64 / out_size as f64 - 0.5;
    let place = place.clamp(0.0, (size - 1) as f64);
    // NaN becomes zero as a place, and stays what it is as a weight.
    let low = (place.floor() as usize).min(size - 1);
    (low, (low + 1).min(size - 1), place - low as f64)
}

pub(super) fn grid_sample(x: &Value, places: &Value, groups: usize, out: [usize; 4]) -> Value {
    let [_, channels, h, w] = x.shape;
    Value::generate(out, |n, c, oy, ox| {
        let group = c / (channels / groups);
        let (left, right, fx) = around(ox, places.at(n, group, oy, ox), w, out[3]);
        let (top, bottom, fy) = around(oy, places.at(n, groups + group, oy, ox), h, out[2]);
        let along = |y: usize| {
            f64::from(x.at(n, c, y, left)) * (1.0 - fx) + f64::from(x.at(n, c, y, right)) * fx
        };
        (along(top) * (1.0 - fy) + along(bottom) * fy) as f32
    })
}
