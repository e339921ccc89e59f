//! Pooling over windows and over whole pictures, and the matrix product that often follows.
#![allow(unsafe_code, reason = "reads and writes rows of working memory")]

use crate::memory::Rows;
use pegbar_net::PoolKind;
use std::ops::Range;

/// A window that moves over a picture, and what is made of the values in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pooling {
    pub(crate) kind: PoolKind,
    /// `[vertical, horizontal]`, as are the next two.
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    /// Above and left.
    pub(crate) padding: [usize; 2],
}

impl Pooling {
    /// The places of a window that lie in the picture.
    fn span(&self, axis: usize, at: usize, size: usize) -> Range<usize> {
        let start = (at * self.stride[axis]) as isize - self.padding[axis] as isize;
        let end = (start + self.kernel[axis] as isize).clamp(0, size as isize) as usize;
        (start.max(0) as usize).min(end)..end
    }
}

/// One row of a pooled picture.
pub(crate) fn pool_row(pooling: &Pooling, input: &Rows, output: &Rows, y: usize) {
    let to = output.row(y);
    assert_eq!(input.channels(), to.channels);
    let rows = pooling.span(0, y, input.height());
    let mut sums = vec![0.0f64; to.channels];
    for x in 0..to.width {
        let columns = pooling.span(1, x, input.width());
        // SAFETY: each row of a step belongs to one call.
        let to = unsafe { to.pixels_mut(x, 1) };
        match pooling.kind {
            PoolKind::Max => to.fill(f32::NEG_INFINITY),
            PoolKind::Average { .. } => sums.fill(0.0),
        }
        for row in rows.clone().map(|y| input.row(y)) {
            for column in columns.clone() {
                // SAFETY: no thread writes the input of a running step.
                let from = unsafe { row.pixels(column, 1) };
                match pooling.kind {
                    PoolKind::Max => {
                        for (to, &v) in to.iter_mut().zip(from) {
                            *to = if v.is_nan() || v > *to { v } else { *to };
                        }
                    }
                    PoolKind::Average { .. } => {
                        for (sum, &v) in sums.iter_mut().zip(from) {
                            *sum += f64::from(v);
                        }
                    }
                }
            }
        }
        if let PoolKind::Average { count_pad } = pooling.kind {
            let count =
                if count_pad { pooling.kernel[0] * pooling.kernel[1] } else { rows.len() * columns.len() };
            for (to, &sum) in to.iter_mut().zip(&sums) {
                *to = (sum / count as f64) as f32;
            }
        }
    }
}

/// A matrix times the whole picture, flattened channel by channel. `weight` is `[out][channel][row][column]`.
pub(crate) fn linear(weight: &[f32], bias: &[f32], input: &Rows, output: &Rows) {
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
    for ((to, weights), &bias) in to.iter_mut().zip(weight.chunks_exact(flat.len())).zip(bias) {
        let sum: f64 = weights.iter().zip(&flat).map(|(&w, &v)| f64::from(w) * f64::from(v)).sum();
        *to = (sum + f64::from(bias)) as f32;
    }
}
