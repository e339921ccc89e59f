//! Interpolation, with PyTorch's conventions.
#![allow(unsafe_code, reason = "reads and writes rows of working memory")]

use crate::memory::{Row, Rows};
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
pub(crate) type Taps = [(usize, f32); 4];

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
            ResizeTarget::Size { .. } | ResizeTarget::Like => [size, out_size],
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

    /// The taps of every output place.
    pub(crate) fn table(&self) -> Vec<Taps> {
        (0..self.out_size).map(|at| self.taps(at)).collect()
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

/// One row of a resized picture. `columns` is the table of the other axis.
pub(crate) fn resize_row(
    isa: Isa,
    rows: Interpolation,
    columns: &[Taps],
    input: &Rows,
    output: &Rows,
    y: usize,
) {
    assert!(input.channels() == output.channels() && columns.len() == output.width());
    let taps = rows.taps(y);
    if rows.mode == ResizeMode::Nearest {
        let (from, to) = (input.row(taps[0].0), output.row(y));
        for (x, column) in columns.iter().enumerate() {
            // SAFETY: no thread writes the input of a running step, and each row of a step belongs to one call.
            unsafe { to.pixels_mut(x, 1).copy_from_slice(from.pixels(column[0].0, 1)) };
        }
        return;
    }
    let n_taps = if matches!(rows.mode, ResizeMode::Bilinear { .. }) { 2 } else { 4 };
    dispatch(isa, ResizeRow { taps: &taps[..n_taps], columns, input, to: output.row(y) });
}

/// First the rows are mixed to one, then its pixels.
struct ResizeRow<'a> {
    taps: &'a [(usize, f32)],
    columns: &'a [Taps],
    input: &'a Rows,
    to: Row,
}

impl Kernel for ResizeRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.to.channels;
        // One vector more than there are values, so that a whole one may be read anywhere.
        let mut line = vec![0.0f32; self.input.width() * channels + S::LANES];
        for (i, &(y, weight)) in self.taps.iter().enumerate() {
            let row = self.input.row(y);
            let n = if row.is_packed() { row.width } else { 1 };
            for x in (0..row.width).step_by(n) {
                // SAFETY: no thread writes the input of a running step.
                let from = unsafe { row.pixels(x, n) };
                let to = &mut line[x * channels..][..from.len()];
                if i == 0 {
                    to.iter_mut().zip(from).for_each(|(to, &v)| *to = v * weight);
                } else {
                    add_scaled(from, weight, to);
                }
            }
        }
        match self.taps.len() {
            2 => self.columns::<S, 2>(s, &line),
            _ => self.columns::<S, 4>(s, &line),
        }
    }
}

impl ResizeRow<'_> {
    #[inline(always)]
    fn columns<S: Simd, const N: usize>(&self, s: S, line: &[f32]) {
        let channels = self.to.channels;
        for (x, taps) in self.columns.iter().enumerate() {
            let mut from = [line.as_ptr(); N];
            let mut weights = [s.splat(0.0); N];
            for i in 0..N {
                let (column, weight) = taps[i];
                assert!((column + 1) * channels + S::LANES <= line.len());
                // SAFETY: the pixel lies in the line, as asserted.
                from[i] = unsafe { from[i].add(column * channels) };
                weights[i] = s.splat(weight);
            }
            let to = self.to.at(x);
            for c in (0..channels).step_by(S::LANES) {
                let n = S::LANES.min(channels - c);
                // SAFETY: a vector behind the line's last pixel is part of the line, as asserted; n channels from c on
                // belong to the pixel of the result, and each row of a step belongs to one call.
                unsafe {
                    let mut sum = s.mul(s.load(from[0].add(c)), weights[0]);
                    for i in 1..N {
                        sum = s.mul_add(s.load(from[i].add(c)), weights[i], sum);
                    }
                    if n == S::LANES { s.store(to.add(c), sum) } else { s.store_first(to.add(c), sum, n) }
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
