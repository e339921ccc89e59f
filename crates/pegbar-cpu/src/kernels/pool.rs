//! Pooling over windows and over whole pictures, and the matrix product that often follows.
#![allow(unsafe_code, reason = "reads and writes rows of working memory, vector loads and stores")]

use crate::memory::{Row, Rows};
use crate::simd::{Isa, Kernel, Simd, dispatch, sum_of_lanes};
use pegbar_net::PoolKind;
use std::ops::Range;

/// Windows over a picture, and what is made of the values in them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pooling {
    pub(crate) kind: PoolKind,
    pub(crate) windows: Windows,
}

/// Where windows are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Windows {
    /// One that moves; all `[vertical, horizontal]`, padding above and left.
    Moving { kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2] },
    /// As many as the result has pixels, spread evenly.
    Even,
}

impl Pooling {
    /// The places of a window that lie in the picture.
    fn span(&self, axis: usize, at: usize, size: usize, out_size: usize) -> Range<usize> {
        match self.windows {
            Windows::Moving { kernel, stride, padding } => {
                let start = (at * stride[axis]) as isize - padding[axis] as isize;
                let end = (start + kernel[axis] as isize).clamp(0, size as isize) as usize;
                (start.max(0) as usize).min(end)..end
            }
            Windows::Even => at * size / out_size..((at + 1) * size).div_ceil(out_size),
        }
    }

    /// Rows that some rows of the result are made of.
    pub(crate) fn sources(&self, rows: Range<usize>, height: usize, out_height: usize) -> Range<usize> {
        let [first, last] = [rows.start, rows.end - 1].map(|at| self.span(0, at, height, out_height));
        first.start.min(last.end)..last.end
    }
}

/// One row of a pooled picture.
pub(crate) fn pool_row(isa: Isa, pooling: &Pooling, input: &Rows, output: &Rows, y: usize) {
    assert_eq!(input.channels(), output.channels());
    dispatch(isa, PoolRow { pooling, input, output, y });
}

struct PoolRow<'a> {
    pooling: &'a Pooling,
    input: &'a Rows,
    output: &'a Rows,
    y: usize,
}

impl Kernel for PoolRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { pooling, input, output, y } = self;
        let to = output.row(y);
        let rows: Vec<Row> =
            pooling.span(0, y, input.height(), output.height()).map(|y| input.row(y)).collect();
        for x in 0..to.width {
            let columns = pooling.span(1, x, input.width(), to.width);
            let count = match (pooling.kind, pooling.windows) {
                (PoolKind::Average { count_pad: true }, Windows::Moving { kernel, .. }) => {
                    kernel[0] * kernel[1]
                }
                _ => rows.len() * columns.len(),
            };
            let factor = s.splat(1.0 / count as f32);
            for c in (0..to.channels).step_by(S::LANES) {
                let n = S::LANES.min(to.channels - c);
                let mut value = s.splat(match pooling.kind {
                    PoolKind::Max => f32::NEG_INFINITY,
                    PoolKind::Average { .. } => 0.0,
                });
                for row in &rows {
                    for x in columns.clone() {
                        // SAFETY: n channels from c on belong to each pixel; no thread writes the input of a running
                        // step.
                        let v = unsafe { s.load_first(row.at(x).cast_const().add(c), n) };
                        value = match pooling.kind {
                            PoolKind::Max => s.max(value, v),
                            PoolKind::Average { .. } => s.add(value, v),
                        };
                    }
                }
                if let PoolKind::Average { .. } = pooling.kind {
                    value = s.mul(value, factor);
                }
                // SAFETY: as above, and each row of the result belongs to one call.
                unsafe { s.store_first(to.at(x).add(c), value, n) };
            }
        }
    }
}

/// Sum or largest value of each channel of one row.
pub(crate) fn fold_row(isa: Isa, kind: PoolKind, input: &Rows, y: usize) -> Vec<f32> {
    dispatch(isa, FoldRow { kind, row: input.row(y) })
}

struct FoldRow {
    kind: PoolKind,
    row: Row,
}

impl Kernel for FoldRow {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        let Row { width, channels, .. } = self.row;
        let mut folded = vec![0.0; channels];
        for c in (0..channels).step_by(S::LANES) {
            let n = S::LANES.min(channels - c);
            let (from, stride) = (self.row.at(0).cast_const(), self.row.pixel_stride);
            // No closure: called from several places it would not be compiled for the instruction set.
            macro_rules! load {
                ($x:expr) => {
                    // SAFETY: columns are below the width, and n channels from c on belong to the pixel; no thread
                    // writes the input of a running step.
                    unsafe { s.load_first(from.add($x * stride + c), n) }
                };
            }
            // Four at once, so that one need not wait for the other.
            macro_rules! fold {
                ($start:expr, $join:ident) => {{
                    let mut all = [s.splat($start); 4];
                    let whole = width / 4 * 4;
                    for x in (0..whole).step_by(4) {
                        for (i, to) in all.iter_mut().enumerate() {
                            *to = s.$join(*to, load!(x + i));
                        }
                    }
                    for x in whole..width {
                        all[0] = s.$join(all[0], load!(x));
                    }
                    s.$join(s.$join(all[0], all[1]), s.$join(all[2], all[3]))
                }};
            }
            let value = match self.kind {
                PoolKind::Max => fold!(f32::NEG_INFINITY, max),
                PoolKind::Average { .. } => fold!(0.0, add),
            };
            // SAFETY: n values from c on lie in the table.
            unsafe { s.store_first(folded.as_mut_ptr().add(c), value, n) };
        }
        folded
    }
}

/// The one pixel that the rows of a picture `width` wide give.
pub(crate) fn join_rows(kind: PoolKind, rows: &[&Vec<f32>], width: usize, output: &Rows) {
    // SAFETY: the one row of this step belongs to this call.
    let to = unsafe { output.row(0).pixels_mut(0, 1) };
    for (c, to) in to.iter_mut().enumerate() {
        *to = match kind {
            PoolKind::Max => rows.iter().map(|row| row[c]).fold(f32::NEG_INFINITY, f32::max),
            PoolKind::Average { .. } => {
                let sum: f64 = rows.iter().map(|row| f64::from(row[c])).sum();
                (sum / (rows.len() * width) as f64) as f32
            }
        };
    }
}

/// A matrix times the whole picture, flattened channel by channel. `weight` is `[out][channel][row][column]`.
pub(crate) fn linear(isa: Isa, weight: &[f32], bias: &[f32], input: &Rows, output: &Rows) {
    let (height, width, channels) = (input.height(), input.width(), input.channels());
    let mut flat = vec![0.0; channels * height * width];
    for y in 0..height {
        let row = input.row(y);
        for x in 0..width {
            // SAFETY: no thread writes the input of a running step.
            for (c, &v) in unsafe { row.pixels(x, 1) }.iter().enumerate() {
                flat[(c * height + y) * width + x] = v;
            }
        }
    }
    // SAFETY: the one row of this step belongs to this call.
    let to = unsafe { output.row(0).pixels_mut(0, 1) };
    dispatch(isa, Linear { weight, bias, flat: &flat, to });
}

struct Linear<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
    flat: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for Linear<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.weight.chunks_exact(self.flat.len());
        for ((to, weights), &bias) in self.to.iter_mut().zip(rows).zip(self.bias) {
            let mut sum = s.splat(0.0);
            for (w, v) in weights.chunks(S::LANES).zip(self.flat.chunks(S::LANES)) {
                // SAFETY: both chunks have that many values, at most a vector.
                unsafe {
                    let (w, v) = (s.load_first(w.as_ptr(), w.len()), s.load_first(v.as_ptr(), v.len()));
                    sum = s.mul_add(w, v, sum);
                }
            }
            *to = sum_of_lanes(s, sum) + bias;
        }
    }
}
