//! Softmax along an axis: `exp(x - max) / sum`, the largest taken off first so that nothing overflows.
#![allow(unsafe_code, reason = "reads and writes rows of working memory, vector loads and stores")]

use crate::memory::{Row, Rows};
use crate::simd::{Isa, Kernel, Simd, dispatch, exp_of_negative, max_of_lanes, sum_of_lanes};

/// One row of a softmax along channels (`axis` 1) or columns (3).
pub(crate) fn softmax_row(isa: Isa, axis: usize, input: &Rows, output: &Rows, y: usize) {
    let (from, to) = (input.row(y), output.row(y));
    assert!(from.channels == to.channels && from.width == to.width);
    if axis == 1 {
        dispatch(isa, AlongChannels { from, to });
    } else {
        let at = |x: usize| (from.at(x).cast_const(), to.at(x));
        dispatch(isa, AlongPixels { n: to.width, channels: to.channels, at });
    }
}

/// Column `x` of a softmax along rows.
pub(crate) fn softmax_column(isa: Isa, input: &Rows, output: &Rows, x: usize) {
    assert!(input.channels() == output.channels() && input.height() == output.height());
    let at = |y: usize| (input.row(y).at(x).cast_const(), output.row(y).at(x));
    dispatch(isa, AlongPixels { n: output.height(), channels: output.channels(), at });
}

struct AlongChannels {
    from: Row,
    to: Row,
}

impl Kernel for AlongChannels {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.to.channels;
        for x in 0..self.to.width {
            // SAFETY: no thread writes the input of a running step, and each row of a step belongs to one call.
            let (from, to) = unsafe { (self.from.pixels(x, 1), self.to.pixels_mut(x, 1)) };
            let mut largest = s.splat(f32::NEG_INFINITY);
            for chunk in from.chunks_exact(S::LANES) {
                // SAFETY: the chunk is a whole vector.
                largest = s.max(largest, unsafe { s.load(chunk.as_ptr()) });
            }
            let rest = from.chunks_exact(S::LANES).remainder();
            let max = rest.iter().copied().fold(max_of_lanes(s, largest), f32::max);
            let mut sums = s.splat(0.0);
            let mut tail_sum = 0.0;
            for c in (0..channels).step_by(S::LANES) {
                let n = S::LANES.min(channels - c);
                // SAFETY: n values from c on lie in both slices, of `channels` values each.
                unsafe {
                    let v = s.load_first(from.as_ptr().add(c), n);
                    let e = exp_of_negative(s, s.sub(v, s.splat(max)));
                    s.store_first(to.as_mut_ptr().add(c), e, n);
                    if n == S::LANES {
                        sums = s.add(sums, e);
                    } else {
                        tail_sum = to[c..].iter().sum();
                    }
                }
            }
            let factor = 1.0 / (sum_of_lanes(s, sums) + tail_sum);
            for v in to {
                *v *= factor;
            }
        }
    }
}

/// The same channel of `n` pixels; `at` gives a pixel of the input and of the output.
struct AlongPixels<F> {
    n: usize,
    channels: usize,
    at: F,
}

impl<F: Fn(usize) -> (*const f32, *mut f32)> Kernel for AlongPixels<F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for c in (0..self.channels).step_by(S::LANES) {
            let lanes = S::LANES.min(self.channels - c);
            // SAFETY (of all loads and stores): `lanes` channels from c on belong to each pixel; no thread writes the
            // input of a running step, and each pixel of the output belongs to one call.
            let mut max = s.splat(f32::NEG_INFINITY);
            for i in 0..self.n {
                // SAFETY: as above.
                max = s.max(max, unsafe { s.load_first((self.at)(i).0.add(c), lanes) });
            }
            let mut sum = s.splat(0.0);
            for i in 0..self.n {
                let (from, to) = (self.at)(i);
                // SAFETY: as above.
                unsafe {
                    let e = exp_of_negative(s, s.sub(s.load_first(from.add(c), lanes), max));
                    s.store_first(to.add(c), e, lanes);
                    sum = s.add(sum, e);
                }
            }
            let factor = s.div(s.splat(1.0), sum);
            for i in 0..self.n {
                // SAFETY: as above.
                unsafe {
                    let to = (self.at)(i).1.add(c);
                    s.store_first(to, s.mul(s.load_first(to.cast_const(), lanes), factor), lanes);
                }
            }
        }
    }
}
