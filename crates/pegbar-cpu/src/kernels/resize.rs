//! Interpolation, with PyTorch's conventions.
#![allow(unsafe_code, reason = "reads and writes rows of working memory")]

use crate::memory::Rows;
use crate::simd::{Isa, Kernel, Simd, dispatch};
use pegbar_net::{ResizeMode, ResizeTarget};
use std::ops::Range;

/// Interpolation along one axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interpolation {
    mode: ResizeMode,
    /// Source and output size.
    size: usize,
    out_size: usize,
    /// Source places per output place, as a fraction.
    ratio: [usize; 2],
}

/// Source places and their weights; unused ones weigh nothing.
type Taps = [(usize, f32); 4];

impl Interpolation {
    /// Along rows (`axis` 0) or columns (1). A given factor counts as given, even where the size it makes is rounded.
    pub(crate) fn new(
        mode: ResizeMode,
        target: ResizeTarget,
        axis: usize,
        size: usize,
        out_size: usize,
    ) -> Self {
        let ratio = match target {
            ResizeTarget::Scale { height, width } => {
                let [num, den] = [height, width][axis];
                [den, num]
            }
            ResizeTarget::Size { .. } => [size, out_size],
        };
        Self { mode, size, out_size, ratio }
    }

    /// Source places that an output place is made of; those beyond the edge repeat it.
    fn taps(&self, at: usize) -> Taps {
        let last = self.size as i64 - 1;
        let clamp = |at: i64| at.clamp(0, last) as usize;
        let source = |align_corners: bool| {
            if !align_corners {
                (at as f64 + 0.5) * (self.ratio[0] as f64 / self.ratio[1] as f64) - 0.5
            } else if self.out_size > 1 {
                at as f64 * last as f64 / (self.out_size - 1) as f64
            } else {
                0.0
            }
        };
        match self.mode {
            ResizeMode::Nearest => {
                let place = (at * self.ratio[0] / self.ratio[1]).min(self.size - 1);
                [(place, 1.0), (place, 0.0), (place, 0.0), (place, 0.0)]
            }
            ResizeMode::Bilinear { align_corners } => {
                // Linear (not cubic) coordinates are held at zero.
                let place = source(align_corners).max(0.0);
                let (low, part) = (place.floor() as i64, place.fract());
                let low_place = clamp(low);
                [
                    (low_place, (1.0 - part) as f32),
                    (clamp(low + 1), part as f32),
                    (low_place, 0.0),
                    (low_place, 0.0),
                ]
            }
            ResizeMode::Bicubic { align_corners, a } => {
                let place = source(align_corners);
                let low = place.floor();
                let weights = cubic(place - low, f64::from(a));
                std::array::from_fn(|i| (clamp(low as i64 - 1 + i as i64), weights[i] as f32))
            }
        }
    }

    /// Source places that some output places are made of.
    pub(crate) fn sources(&self, places: Range<usize>) -> Range<usize> {
        // Taps never go backwards, so the ends tell.
        let (first, last) = (self.taps(places.start), self.taps(places.end - 1));
        let low = first.iter().map(|tap| tap.0).min().unwrap_or(0);
        let high = last.iter().map(|tap| tap.0).max().unwrap_or(0);
        low..high + 1
    }
}

/// Keys' cubic convolution kernel at distances `t + 1, t, 1 - t, 2 - t`.
fn cubic(t: f64, a: f64) -> [f64; 4] {
    let near = |x: f64| ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

/// One row of a resized picture.
pub(crate) fn resize_row(isa: Isa, axes: [Interpolation; 2], input: &Rows, output: &Rows, y: usize) {
    assert_eq!(input.channels(), output.channels());
    dispatch(isa, ResizeRow { axes, input, output, y });
}

struct ResizeRow<'a> {
    axes: [Interpolation; 2],
    input: &'a Rows,
    output: &'a Rows,
    y: usize,
}

impl Kernel for ResizeRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { axes, input, output, y } = self;
        let to = output.row(y);
        let rows = axes[0].taps(y);
        for x in 0..to.width {
            let columns = axes[1].taps(x);
            // SAFETY: each row of a step belongs to one call.
            let to = unsafe { to.pixels_mut(x, 1) };
            if axes[1].mode == ResizeMode::Nearest {
                // SAFETY: no thread writes the input of a running step.
                to.copy_from_slice(unsafe { input.row(rows[0].0).pixels(columns[0].0, 1) });
                continue;
            }
            to.fill(0.0);
            for (row, row_weight) in rows {
                for (column, weight) in columns {
                    if row_weight * weight != 0.0 {
                        // SAFETY: no thread writes the input of a running step.
                        let from = unsafe { input.row(row).pixels(column, 1) };
                        add_scaled(from, row_weight * weight, to);
                    }
                }
            }
        }
    }
}

/// `to += from * scale`.
#[inline(always)]
pub(super) fn add_scaled(from: &[f32], scale: f32, to: &mut [f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to += from * scale;
    }
}
