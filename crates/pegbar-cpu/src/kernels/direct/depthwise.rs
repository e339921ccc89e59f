//! One kernel per channel: vectors of channels, a few pixels at a time so that weights are read once for all of them.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::Segment;
use crate::kernels::epilogue::bend;
use crate::simd::{Kernel, Simd};

/// Pixels computed together.
const PIXELS: usize = 4;

pub(super) struct Depthwise<'a>(pub(super) Segment<'a>);

impl Kernel for Depthwise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let segment = self.0;
        let channels = segment.conv.shape.cout;
        for channel in (0..channels).step_by(S::LANES) {
            let n = S::LANES.min(channels - channel);
            let mut x = 0;
            while x + PIXELS <= segment.columns.len() {
                pixels::<S, PIXELS>(s, &segment, channel, n, x);
                x += PIXELS;
            }
            while x < segment.columns.len() {
                pixels::<S, 1>(s, &segment, channel, n, x);
                x += 1;
            }
        }
    }
}

#[inline(always)]
fn pixels<S: Simd, const N: usize>(s: S, segment: &Segment<'_>, channel: usize, n: usize, x: usize) {
    let conv = segment.conv;
    let shape = &conv.shape;
    let (kw, step, spacing) = (shape.kernel[1], shape.stride[1], shape.dilation[1]);
    let weight_stride = shape.cout.next_multiple_of(S::LANES);
    assert!(x + N <= segment.columns.len() && channel + n <= shape.cout && channel.is_multiple_of(S::LANES));
    assert!(conv.weights.len() >= shape.kernel[0] * kw * weight_stride);

    let mut sums = [conv.epilogue.bias(s, channel); N];
    for line in segment.lines {
        for tap in 0..kw {
            // SAFETY: the weights hold kh * kw rows of `weight_stride`, as asserted. The line covers the input columns
            // of the whole segment, and n channels from `channel` on are within the channels of a pixel.
            unsafe {
                let w = s.load(
                    conv.weights.as_slice().as_ptr().add((line.tap * kw + tap) * weight_stride + channel),
                );
                let from = line.start.add((x * step + tap * spacing) * line.pixel_stride + channel);
                for (p, sum) in sums.iter_mut().enumerate() {
                    let from = from.add(p * step * line.pixel_stride);
                    let value = if n == S::LANES { s.load(from) } else { s.load_first(from, n) };
                    *sum = s.mul_add(value, w, *sum);
                }
            }
        }
    }
    let call = segment.call;
    let slope = conv.epilogue.slope(s, channel);
    for sum in &mut sums {
        *sum = bend(s, *sum, slope);
    }
    let output = call.output.row(segment.y);
    for (p, mut sum) in sums.into_iter().enumerate() {
        let at = segment.columns.start + x + p;
        for residual in call.residuals {
            assert_eq!(residual.rows.channels(), shape.cout);
            // SAFETY: the pixel is in the row (`at` asserts it), and n channels from `channel` on are within `cout`;
            // no thread writes an input of a running step.
            let add = unsafe { s.load_first(residual.rows.row(segment.y).at(at).add(channel), n) };
            sum = s.mul_add(s.splat(residual.scale), add, sum);
        }
        // SAFETY: as above; each segment of a step belongs to one call.
        unsafe { s.store_first(output.at(at).add(channel), sum, n) };
    }
}
