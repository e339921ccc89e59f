//! 1x1 convolutions by products of 16-bit integers.
//!
//! The values of a segment of a row share one scale, which comes from the largest of them; see [`super::super::pairs`] for
//! what keeps the sums within 32 bits.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::block::{Panel, panel_vectors, store};
use super::{ConvShape, Segment};
use crate::CpuError;
use crate::kernels::pairs::{MAX_NOISE, max_value, pair_of, pair_stride, put_half, weight_scale};
use crate::memory::{AlignedBuffer, LINE, Row};
use crate::simd::{Geometry, Int16, IntKernel, Stored, max_of_lanes};
use std::marker::PhantomData;

/// How far the values of a segment typically stay below the largest.
const TYPICAL_SLACK: f64 = 100.0;
/// With fewer channels than this there is too little to gain from integers.
const MIN_CHANNELS: usize = 12;
/// Values of which the largest is smaller are zeros.
const SMALLEST: f32 = 1e-30;

/// Weights as integers.
#[derive(Debug)]
pub(super) struct IntWeights {
    /// `[panel][pair of input channels][vectors of the panel]`, pairs of 16-bit integers in place of floats.
    packed: AlignedBuffer,
    /// What a sum is multiplied by, for values whose largest magnitude is 1: by output channel.
    scales: AlignedBuffer,
    n_pairs: usize,
    /// The integer that the largest magnitude becomes.
    max_value: f32,
}

impl IntWeights {
    /// `weight` is `[cout][cin]`. `None` where the shape is another, or integers would lose too much: not finite, or a few
    /// weights so large that rounding swallows the others.
    pub(super) fn new(
        geometry: Geometry,
        weight: &[f32],
        shape: &ConvShape,
    ) -> Result<Option<Self>, CpuError> {
        let ConvShape { cin, cout, groups, kernel, stride, padding, .. } = *shape;
        let is_pointwise = groups == 1 && kernel == [1, 1] && stride == [1, 1] && padding == [0, 0];
        if !is_pointwise || cin < MIN_CHANNELS || cout < MIN_CHANNELS {
            return Ok(None);
        }
        let max_value = max_value(TYPICAL_SLACK, cin);
        let n_pairs = cin.div_ceil(2);
        let cout_padded = cout.next_multiple_of(geometry.lanes);
        let panel_channels = panel_vectors(geometry, cout) * geometry.lanes;
        let mut packed = AlignedBuffer::zeroed(n_pairs * cout_padded)?;
        let mut scales = AlignedBuffer::zeroed(cout_padded + LINE)?;
        for (o, of_output) in weight.chunks_exact(cin).enumerate() {
            let magnitudes = || of_output.iter().map(|&w| f64::from(w.abs()));
            let (sum, largest) = (magnitudes().sum::<f64>(), magnitudes().fold(0.0, f64::max));
            if !sum.is_finite() {
                return Ok(None);
            }
            if sum == 0.0 {
                continue;
            }
            let scale = weight_scale(max_value, cin, sum, largest);
            if cin as f64 / 12.0 / (scale * scale) > MAX_NOISE * magnitudes().map(|w| w * w).sum::<f64>() {
                return Ok(None);
            }
            scales.as_mut_slice()[o] = (1.0 / (max_value * scale)) as f32;
            let first = o / panel_channels * panel_channels;
            let width = panel_channels.min(cout_padded - first);
            for (i, &w) in of_output.iter().enumerate() {
                let (pair, half) = pair_of(geometry.lanes, cin, i);
                let at = first * n_pairs + pair * width + o - first;
                put_half(&mut packed.as_mut_slice()[at], half, f64::from(w) * scale);
            }
        }
        Ok(Some(Self { packed, scales, n_pairs, max_value: max_value as f32 }))
    }

    pub(super) fn bytes(&self) -> usize {
        (self.packed.len() + self.scales.len()) * size_of::<f32>()
    }
}

/// Floats of scratch memory that `n` pixels take as pairs; `None` when that overflows.
pub(super) fn scratch_floats(geometry: Geometry, cin: usize, n: usize) -> Option<usize> {
    pair_stride(geometry, cin).checked_mul(n)
}

/// Makes pairs of the values of some pixels, in `to`. Returns the largest magnitude; infinite where one is not a number.
pub(super) struct Quantize<'a, I> {
    pub(super) geometry: Geometry,
    pub(super) weights: &'a IntWeights,
    pub(super) row: Row,
    /// First pixel and their number.
    pub(super) first: usize,
    pub(super) n: usize,
    pub(super) to: &'a mut [f32],
    pub(super) element: PhantomData<I>,
}

impl<I: Stored> IntKernel for Quantize<'_, I> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Int16>(self, s: S) -> f32 {
        let Self { geometry, weights, row, first, n, to, .. } = self;
        let cin = row.channels;
        let stride = pair_stride(geometry, cin);
        assert!(geometry.lanes == S::LANES && to.len() >= n * stride && first + n <= row.width);
        let rest = cin % S::LANES;
        let mut most = s.magnitude(s.splat(0.0));
        for x in first..first + n {
            // SAFETY: the pixel is in the row, and has `cin` channels; no thread writes the input of a running step.
            unsafe {
                let from = row.stored_at::<I>(x).cast_const();
                for c in (0..cin - rest).step_by(S::LANES) {
                    most = s.max_int(most, s.magnitude(I::load(s, from.add(c))));
                }
                if rest > 0 {
                    most = s.max_int(most, s.magnitude(I::load_first(s, from.add(cin - rest), rest)));
                }
            }
        }
        let largest = f32::from_bits((s.largest(most) as u32).min(f32::INFINITY.to_bits()));
        let is_in_range = largest.is_finite() && largest >= SMALLEST;
        let scale = s.splat(if is_in_range { weights.max_value / largest } else { 0.0 });
        let paired = cin / (2 * S::LANES) * 2 * S::LANES;
        for (x, to) in (first..first + n).zip(to.chunks_exact_mut(stride)) {
            // SAFETY: the pixel is in the row, and has `cin` channels; no thread writes the input of a running step. The
            // stride has room for whole vectors of pairs, and of 16-bit integers behind them.
            unsafe {
                let from = row.stored_at::<I>(x).cast_const();
                let to = to.as_mut_ptr().cast::<i32>();
                for c in (0..paired).step_by(2 * S::LANES) {
                    let (a, b) = (I::load(s, from.add(c)), I::load(s, from.add(c + S::LANES)));
                    s.store_int(to.add(c / 2), s.quantize_pairs(a, b, scale));
                }
                for c in (paired..cin).step_by(S::LANES) {
                    let v = I::load_first(s, from.add(c), S::LANES.min(cin - c));
                    s.store_quantized(to.add(paired / 2).cast::<i16>().add(c - paired), v, scale);
                }
            }
        }
        largest
    }
}

/// Multiplies pairs by the weights. Returns the largest magnitude that is stored as a half float.
pub(super) struct Multiply<'a, O> {
    pub(super) segment: Segment<'a>,
    pub(super) weights: &'a IntWeights,
    /// The pairs of the pixels of the segment.
    pub(super) pairs: &'a [f32],
    /// The largest magnitude of what they were made of.
    pub(super) largest: f32,
    pub(super) element: PhantomData<O>,
}

impl<O: Stored> IntKernel for Multiply<'_, O> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Int16>(self, s: S) -> f32 {
        let (conv, weights) = (self.segment.conv, self.weights);
        let geometry = Geometry { lanes: S::LANES, registers: S::REGISTERS };
        assert_eq!(conv.geometry, geometry);
        let ConvShape { cin, cout, .. } = conv.shape;
        let all_vectors = cout.div_ceil(S::LANES);
        assert!(weights.n_pairs <= pair_stride(geometry, cin));
        assert!(self.pairs.len() >= self.segment.columns.len() * pair_stride(geometry, cin));
        assert!(weights.packed.len() >= weights.n_pairs * all_vectors * S::LANES);
        assert!(weights.scales.len() >= all_vectors * S::LANES);
        let panel = panel_vectors(geometry, cout);
        let mut most = s.splat(0.0);
        for vector in (0..all_vectors).step_by(panel) {
            let vectors = panel.min(all_vectors - vector);
            let first_output = vector * S::LANES;
            let panel = Panel {
                weights: weights.packed.as_slice()[first_output * weights.n_pairs..].as_ptr(),
                first_input: 0,
                first_output,
                n_outputs: (cout - first_output).min(vectors * S::LANES),
            };
            if S::REGISTERS >= 32 {
                match vectors {
                    1 => self.row::<S, 14, 1>(s, &panel, &mut most),
                    2 => self.row::<S, 12, 2>(s, &panel, &mut most),
                    3 => self.row::<S, 8, 3>(s, &panel, &mut most),
                    _ => self.row::<S, 6, 4>(s, &panel, &mut most),
                }
            } else {
                match vectors {
                    1 => self.row::<S, 12, 1>(s, &panel, &mut most),
                    _ => self.row::<S, 6, 2>(s, &panel, &mut most),
                }
            }
        }
        max_of_lanes(s, most)
    }
}

impl<O: Stored> Multiply<'_, O> {
    /// All pixels of the segment: whole blocks, then single ones.
    #[inline(always)]
    fn row<S: Int16, const PIXELS: usize, const VECTORS: usize>(&self, s: S, panel: &Panel, most: &mut S::V) {
        let n = self.segment.columns.len();
        let mut x = 0;
        while x + PIXELS <= n {
            self.block::<S, PIXELS, VECTORS>(s, panel, x, most);
            x += PIXELS;
        }
        while x + 4 <= n {
            self.block::<S, 4, VECTORS>(s, panel, x, most);
            x += 4;
        }
        while x < n {
            self.block::<S, 1, VECTORS>(s, panel, x, most);
            x += 1;
        }
    }

    #[inline(always)]
    fn block<S: Int16, const PIXELS: usize, const VECTORS: usize>(
        &self,
        s: S,
        panel: &Panel,
        x: usize,
        most: &mut S::V,
    ) {
        let weights = self.weights;
        let stride = pair_stride(self.segment.conv.geometry, self.segment.conv.shape.cin);
        assert!(x + PIXELS <= self.segment.columns.len());
        assert!(panel.n_outputs > (VECTORS - 1) * S::LANES && panel.n_outputs <= VECTORS * S::LANES);
        let mut sums = [[s.splat_pair(0); PIXELS]; VECTORS];
        // SAFETY: the pixels have their pairs, and the panel its weights, as `run` has asserted.
        unsafe {
            let from = self.pairs.as_ptr().add(x * stride).cast::<i32>();
            let of_panel = panel.weights.cast::<i32>();
            for k in 0..weights.n_pairs {
                let mut w = [s.splat_pair(0); VECTORS];
                for (j, w) in w.iter_mut().enumerate() {
                    *w = s.load_int(of_panel.add((k * VECTORS + j) * S::LANES));
                }
                #[allow(clippy::needless_range_loop, reason = "the sums are walked across")]
                for p in 0..PIXELS {
                    let pair = s.splat_pair(from.add(p * stride + k).read());
                    for j in 0..VECTORS {
                        sums[j][p] = s.dot(sums[j][p], pair, w[j]);
                    }
                }
            }
        }
        // In a copy, as in `super::block`.
        let sums = sums;
        let mut done = [[s.splat(0.0); PIXELS]; VECTORS];
        for (j, (done, sums)) in done.iter_mut().zip(&sums).enumerate() {
            let channel = panel.first_output + j * S::LANES;
            // SAFETY: scales have room for whole vectors, as `run` has asserted.
            let scale = unsafe { s.load(weights.scales.as_slice().as_ptr().add(channel)) };
            let scale = s.mul(scale, s.splat(self.largest));
            let bias = self.segment.conv.epilogue.bias(s, channel);
            for (done, &sum) in done.iter_mut().zip(sums) {
                *done = s.mul_add(s.to_float(sum), scale, bias);
            }
        }
        store::<S, O, PIXELS, VECTORS>(s, &self.segment, panel, x, done, most);
    }
}
