//! Sampling at places that are computed.
#![allow(unsafe_code, reason = "reads and writes rows of working memory")]

use crate::memory::Rows;

/// The two pixels around a place along an axis, and the weight of the second; places beyond the edge count as the edge.
fn around(at: usize, offset: f32, size: usize, out_size: usize) -> ([usize; 2], f32) {
    // In double precision: a place in a wide picture and a small part of a pixel are one number here.
    let place = (at as f64 + f64::from(offset) + 0.5) * (size as f64 / out_size as f64) - 0.5;
    let place = place.clamp(0.0, (size - 1) as f64);
    // NaN becomes zero as a place, and stays what it is as a weight.
    let low = (place as usize).min(size - 1);
    ([low, (low + 1).min(size - 1)], (place - low as f64) as f32)
}

/// One row of a picture sampled where `places` say.
pub(crate) fn sample_row(groups: usize, picture: &Rows, places: &Rows, output: &Rows, y: usize) {
    let (at, to) = (places.row(y), output.row(y));
    assert!(picture.channels() == to.channels && at.channels == 2 * groups && at.width == to.width);
    let run = to.channels / groups;
    for x in 0..to.width {
        // SAFETY: no thread writes the inputs of a running step, and each row of a step belongs to one call.
        let (offsets, pixel) = unsafe { (at.pixels(x, 1), to.pixels_mut(x, 1)) };
        for (group, out) in pixel.chunks_exact_mut(run).enumerate() {
            let (columns, fx) = around(x, offsets[group], picture.width(), to.width);
            let (rows, fy) = around(y, offsets[groups + group], picture.height(), output.height());
            let corner = |row: usize, column: usize| {
                // SAFETY: no thread writes the inputs of a running step.
                let pixel: &[f32] = unsafe { picture.row(rows[row]).pixels(columns[column], 1) };
                &pixel[group * run..][..run]
            };
            let corners = [corner(0, 0), corner(0, 1), corner(1, 0), corner(1, 1)];
            for (c, out) in out.iter_mut().enumerate() {
                let top = corners[0][c] * (1.0 - fx) + corners[1][c] * fx;
                let bottom = corners[2][c] * (1.0 - fx) + corners[3][c] * fx;
                *out = top * (1.0 - fy) + bottom * fy;
            }
        }
    }
}
