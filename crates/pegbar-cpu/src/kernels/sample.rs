//! Sampling at places that are computed.
#![allow(unsafe_code, reason = "reads and writes rows of working memory")]

use crate::memory::Rows;
use pegbar_net::PadMode;

/// How a picture is sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampling {
    /// Runs of channels with places of their own.
    pub(crate) groups: usize,
    /// Corners coincide instead of edges.
    pub(crate) align_corners: bool,
    /// The edge or a constant.
    pub(crate) beyond: PadMode,
}

impl Sampling {
    /// The two pixels around a place along an axis (none: one beyond the picture), and the weight of the second.
    fn around(&self, at: usize, offset: f32, size: usize, out_size: usize) -> ([Option<usize>; 2], f32) {
        // In double precision: a place in a wide picture and a small part of a pixel are one number here.
        let at = at as f64 + f64::from(offset);
        let last = (size - 1) as f64;
        let place = if self.align_corners {
            at * (last / (out_size - 1).max(1) as f64)
        } else {
            (at + 0.5) * (size as f64 / out_size as f64) - 0.5
        };
        let is_edge = self.beyond == PadMode::Replicate;
        // One beyond the picture is as far as it can matter. NaN becomes zero as a place, and stays what it is as a
        // weight.
        let margin = if is_edge { 0.0 } else { 1.0 };
        let place = place.clamp(-margin, last + margin);
        let low = place.floor() as isize;
        let pixel = |at: isize| match is_edge {
            true => Some(at.clamp(0, size as isize - 1) as usize),
            false => usize::try_from(at).ok().filter(|&at| at < size),
        };
        ([pixel(low), pixel(low + 1)], (place - low as f64) as f32)
    }

    /// One row of a picture sampled where `places` say.
    pub(crate) fn row(&self, picture: &Rows, places: &Rows, output: &Rows, y: usize) {
        let (at, to) = (places.row(y), output.row(y));
        let groups = self.groups;
        assert!(picture.channels() == to.channels && at.channels == 2 * groups && at.width == to.width);
        let run = to.channels / groups;
        let constant = if let PadMode::Constant(value) = self.beyond { value } else { 0.0 };
        let beyond = vec![constant; run];
        for x in 0..to.width {
            // SAFETY: no thread writes the inputs of a running step, and each row of a step belongs to one call.
            let (offsets, pixel) = unsafe { (at.pixels(x, 1), to.pixels_mut(x, 1)) };
            for (group, out) in pixel.chunks_exact_mut(run).enumerate() {
                let (columns, fx) = self.around(x, offsets[group], picture.width(), to.width);
                let (rows, fy) = self.around(y, offsets[groups + group], picture.height(), output.height());
                let corner = |row: usize, column: usize| match rows[row].zip(columns[column]) {
                    Some((row, column)) => {
                        // SAFETY: no thread writes the inputs of a running step.
                        let pixel: &[f32] = unsafe { picture.row(row).pixels(column, 1) };
                        &pixel[group * run..][..run]
                    }
                    None => beyond.as_slice(),
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
}
