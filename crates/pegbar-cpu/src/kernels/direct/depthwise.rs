//! One kernel per channel: vectors of channels, several pixels at a time. The weights of a few taps of a row stay in
//! registers while the pixels they meet go by, each loaded once for all results it is part of.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::Segment;
use super::block::raise;
use crate::kernels::epilogue::bend;
use crate::memory::Element;
use crate::simd::{Half, Kernel, Simd, Stored, max_of_lanes};
use std::marker::PhantomData;

/// Taps of a kernel row whose weights are held at once, at most.
const TAPS: usize = 7;

/// From lines of an element to results of another. Returns the largest magnitude that is stored as a half float.
pub(super) struct Depthwise<'a, I, O>(pub(super) Segment<'a>, pub(super) PhantomData<(I, O)>);

impl<I: Stored, O: Stored> Kernel for Depthwise<'_, I, O> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let segment = self.0;
        let mut most = s.splat(0.0);
        let len = segment.columns.len();
        let mut x = 0;
        if S::REGISTERS >= 32 {
            while x + 12 <= len {
                block::<S, I, O, 12>(s, &segment, x, &mut most);
                x += 12;
            }
        }
        while x + 4 <= len {
            block::<S, I, O, 4>(s, &segment, x, &mut most);
            x += 4;
        }
        while x < len {
            block::<S, I, O, 1>(s, &segment, x, &mut most);
            x += 1;
        }
        max_of_lanes(s, most)
    }
}

/// All channels of some pixels.
#[inline(always)]
fn block<S: Simd, I: Stored, O: Stored, const N: usize>(
    s: S,
    segment: &Segment<'_>,
    x: usize,
    most: &mut S::V,
) {
    let channels = segment.conv.shape.cout;
    for channel in (0..channels).step_by(S::LANES) {
        if channels - channel >= S::LANES {
            pixels::<S, I, O, N, true>(s, segment, channel, S::LANES, x, most);
        } else {
            pixels::<S, I, O, N, false>(s, segment, channel, channels - channel, x, most);
        }
    }
}

/// Where the taps of a group meet the pixels.
struct Group<I: Stored> {
    /// The first pixel under the first tap.
    from: *const I::T,
    /// From one input pixel to the next.
    pixel: usize,
    /// Of the first tap.
    weights: *const f32,
    /// From one tap to the next.
    weight_stride: usize,
    /// Channels.
    n: usize,
}

#[inline(always)]
fn pixels<S: Simd, I: Stored, O: Stored, const N: usize, const WHOLE: bool>(
    s: S,
    segment: &Segment<'_>,
    channel: usize,
    n: usize,
    x: usize,
    most: &mut S::V,
) {
    let conv = segment.conv;
    let shape = &conv.shape;
    let (kw, step, spacing) = (shape.kernel[1], shape.stride[1], shape.dilation[1]);
    let weight_stride = shape.cout.next_multiple_of(S::LANES);
    assert!(x + N <= segment.columns.len() && channel + n <= shape.cout && channel.is_multiple_of(S::LANES));
    assert!(conv.weights.len() >= shape.kernel[0] * kw * weight_stride && (!WHOLE || n == S::LANES));

    let mut sums = [conv.epilogue.bias(s, channel); N];
    // Groups of about one size rather than whole ones and a rest.
    let taps_at_once = kw.div_ceil(kw.div_ceil(TAPS));
    for line in segment.lines {
        let mut tap = 0;
        while tap < kw {
            let taps = taps_at_once.min(kw - tap);
            // SAFETY: the weights hold kh * kw rows of `weight_stride`, as asserted. The line covers the input columns
            // of the whole segment, and n channels from `channel` on are within the channels of a pixel.
            unsafe {
                let group = Group::<I> {
                    from: line
                        .start
                        .cast::<I::T>()
                        .add((x * step + tap * spacing) * line.pixel_stride + channel),
                    pixel: line.pixel_stride,
                    weights: conv
                        .weights
                        .as_slice()
                        .as_ptr()
                        .add((line.tap * kw + tap) * weight_stride + channel),
                    weight_stride,
                    n,
                };
                if step == 1 && spacing == 1 {
                    match taps {
                        1 => slide::<S, I, N, 1, WHOLE>(s, &mut sums, &group),
                        2 => slide::<S, I, N, 2, WHOLE>(s, &mut sums, &group),
                        3 => slide::<S, I, N, 3, WHOLE>(s, &mut sums, &group),
                        4 => slide::<S, I, N, 4, WHOLE>(s, &mut sums, &group),
                        5 => slide::<S, I, N, 5, WHOLE>(s, &mut sums, &group),
                        6 => slide::<S, I, N, 6, WHOLE>(s, &mut sums, &group),
                        _ => slide::<S, I, N, TAPS, WHOLE>(s, &mut sums, &group),
                    }
                } else {
                    for tap in 0..taps {
                        let w = s.load(group.weights.add(tap * weight_stride));
                        let from = group.from.add(tap * spacing * group.pixel);
                        for (p, sum) in sums.iter_mut().enumerate() {
                            let value = load::<S, I, WHOLE>(s, from.add(p * step * group.pixel), n);
                            *sum = s.mul_add(value, w, *sum);
                        }
                    }
                }
            }
            tap += taps;
        }
    }
    // A copy, so that the sums above are only ever named by constants and stay in registers.
    let done = sums;
    let call = segment.call;
    let slope = conv.epilogue.slope(s, channel);
    let output = call.output.row(segment.y);
    for (p, sum) in done.into_iter().enumerate() {
        let mut sum = bend(s, sum, slope);
        let at = segment.columns.start + x + p;
        for residual in call.residuals {
            assert_eq!(residual.rows.channels(), shape.cout);
            // SAFETY: the pixel is in the row (`at` asserts it), and n channels from `channel` on are within `cout`;
            // no thread writes an input of a running step.
            let add = unsafe {
                let row = residual.rows.row(segment.y);
                match row.element {
                    Element::F32 => s.load_first(row.at(at).add(channel), n),
                    Element::F16 => s.load_half_first(row.stored_at::<Half>(at).add(channel), n),
                }
            };
            sum = s.mul_add(s.splat(residual.scale), add, sum);
        }
        // SAFETY: as above; each segment of a step belongs to one call.
        unsafe { O::store_first(s, output.stored_at::<O>(at).add(channel), sum, n) };
        raise::<S, O>(s, most, sum, n);
    }
}

/// # Safety
/// `n` values must be readable, a whole vector where `WHOLE`.
#[inline(always)]
unsafe fn load<S: Simd, I: Stored, const WHOLE: bool>(s: S, from: *const I::T, n: usize) -> S::V {
    // SAFETY: as the caller states.
    unsafe { if WHOLE { I::load(s, from) } else { I::load_first(s, from, n) } }
}

/// Adds the products of neighbouring taps to those of neighbouring results: pixel `i` under tap `t` is part of result
/// `i - t`.
///
/// # Safety
/// `N + T - 1` pixels of `group.n` channels must be readable, and T rows of weights.
#[inline(always)]
unsafe fn slide<S: Simd, I: Stored, const N: usize, const T: usize, const WHOLE: bool>(
    s: S,
    sums: &mut [S::V; N],
    group: &Group<I>,
) {
    let mut weights = [s.splat(0.0); T];
    for (t, w) in weights.iter_mut().enumerate() {
        // SAFETY: as the caller states.
        *w = unsafe { s.load(group.weights.add(t * group.weight_stride)) };
    }
    // Written out, because a loop of this size would not be unrolled, and the sums then not kept in registers.
    macro_rules! pixels {
        ($($i:literal)*) => {$(
            if $i < N + T - 1 {
                // SAFETY: as the caller states.
                let value = unsafe { load::<S, I, WHOLE>(s, group.from.add($i * group.pixel), group.n) };
                for t in 0..T {
                    if t <= $i && $i - t < N {
                        sums[$i - t] = s.mul_add(value, weights[t], sums[$i - t]);
                    }
                }
            }
        )*};
    }
    pixels!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17);
    const { assert!(N + T - 1 <= 18) }
}
