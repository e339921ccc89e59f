//! Softmax along an axis.
#![allow(unsafe_code, reason = "reads and writes rows of working memory")]

use crate::memory::Rows;

/// One row of a softmax along channels (`axis` 1) or columns (3).
pub(crate) fn softmax_row(axis: usize, input: &Rows, output: &Rows, y: usize) {
    let (from, to) = (input.row(y), output.row(y));
    assert!(from.channels == to.channels && from.width == to.width);
    // SAFETY: no thread writes the input of a running step, and each row of a step belongs to one call.
    let read = |x: usize, c: usize| unsafe { from.pixels(x, 1)[c] };
    // SAFETY: as above.
    let write = |x: usize, c: usize, v: f32| unsafe { to.pixels_mut(x, 1)[c] = v };
    if axis == 1 {
        for x in 0..to.width {
            normalise(to.channels, |c| read(x, c), |c, v| write(x, c, v));
        }
    } else {
        for c in 0..to.channels {
            normalise(to.width, |x| read(x, c), |x, v| write(x, c, v));
        }
    }
}

/// Column `x` of a softmax along rows.
pub(crate) fn softmax_column(input: &Rows, output: &Rows, x: usize) {
    assert!(input.channels() == output.channels() && input.height() == output.height());
    for c in 0..output.channels() {
        // SAFETY: no thread writes the input of a running step.
        let read = |y: usize| unsafe { input.row(y).pixels(x, 1)[c] };
        // SAFETY: each column of this step belongs to one call.
        let write = |y: usize, v: f32| unsafe { output.row(y).pixels_mut(x, 1)[c] = v };
        normalise(output.height(), read, write);
    }
}

/// `exp(x - max) / sum`: the largest is taken off first so that nothing overflows.
fn normalise(n: usize, read: impl Fn(usize) -> f32, write: impl Fn(usize, f32)) {
    let max = (0..n).map(&read).fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = (0..n).map(|i| f64::from(read(i) - max).exp()).sum();
    for i in 0..n {
        write(i, (f64::from(read(i) - max).exp() / sum) as f32);
    }
}
