//! Products of 16-bit integers.
//!
//! Each tile's transformed values are scaled so that none can leave 16 bits, whatever the input: after the transform along
//! the first axis the largest magnitude is known, and so is the gain of the transform along the second. The weights of each plane and output channel are scaled so
//! that the sum of their magnitudes, times the largest value, stays below 2^31. Overflow is thus excluded by a bound, and
//! nothing has to be calibrated on pictures.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::ahead::Ahead;
use super::gemm::Blocking;
use super::scheme::{F4_POINTS, input_gains, transform_kernel};
use super::{F4_PLANES, LARGE_WEIGHT_BYTES, WinogradConv};
use crate::CpuError;
use crate::kernels::pairs::{MAX_NOISE, max_value, pair_of, put_half, weight_scale};
use crate::memory::AlignedBuffer;
use crate::simd::{Geometry, Int16, IntKernel, Simd};

/// How far the values in a tile stay below the bound for them. It decides how the 31 bits of a product are shared between
/// values and weights. The values of trained networks need theirs more (a Compact one lost four decibels by 8, one by 20), and
/// with 100 they have all of their 16 bits up to 200 input channels.
const TYPICAL_SLACK: f64 = 100.0;
/// Transformed weights as integers.
#[derive(Debug)]
pub(super) struct IntWeights {
    /// `[plane][panel][pair of input channels][vectors of the panel]`, pairs of 16-bit integers in place of floats.
    packed: AlignedBuffer,
    /// What a result is multiplied by: `[plane][output channel]`.
    scales: AlignedBuffer,
    n_pairs: usize,
    /// What a transformed value is multiplied by before it is rounded, for a patch whose largest magnitude is 1: the
    /// product of two of these, by row and column of the plane.
    input_scales: [f32; 6],
    /// Of the rows of a patch transformed along one axis: what their largest magnitudes are multiplied by, to compare them.
    inverse_gains: [f32; 6],
}

impl IntWeights {
    /// `weight` is `[cout][cin][3][3]`. `None` where integers would lose too much: not finite, or a few weights so large
    /// that rounding swallows the others.
    pub(super) fn new(
        geometry: Geometry,
        blocking: &Blocking,
        weight: &[f32],
        cin: usize,
        cout: usize,
    ) -> Result<Option<Self>, CpuError> {
        let gains = input_gains(&F4_POINTS);
        let max_value = max_value(TYPICAL_SLACK, cin);
        let n_pairs = cin.div_ceil(2);
        let cout_padded = cout.next_multiple_of(geometry.lanes);
        let mut packed = AlignedBuffer::zeroed(F4_PLANES * n_pairs * cout_padded)?;
        let mut scales = AlignedBuffer::zeroed(F4_PLANES * cout_padded)?;
        for (o, of_output) in weight.chunks_exact(cin * 9).enumerate() {
            let transformed: Vec<Vec<f64>> =
                of_output.chunks_exact(9).map(|kernel| transform_kernel(&F4_POINTS, kernel)).collect();
            let (mut energy, mut noise) = (0.0, 0.0);
            for plane in 0..F4_PLANES {
                let of_plane = || transformed.iter().map(|u| u[plane]);
                let sum: f64 = of_plane().map(f64::abs).sum();
                let largest = of_plane().map(f64::abs).fold(0.0, f64::max);
                if !sum.is_finite() {
                    return Ok(None);
                }
                if sum == 0.0 {
                    continue;
                }
                let scale = weight_scale(max_value, cin, sum, largest);
                let gain = gains[plane / 6] * gains[plane % 6];
                scales.as_mut_slice()[plane * cout_padded + o] = (gain / (max_value * scale)) as f32;
                energy += of_plane().map(|u| u * u).sum::<f64>();
                noise += cin as f64 / 12.0 / (scale * scale);
                for (i, u) in of_plane().enumerate() {
                    let (pair, half) = pair_of(geometry.lanes, cin, i);
                    let at = plane * n_pairs * cout_padded + blocking.packed_index(n_pairs, pair, o);
                    put_half(&mut packed.as_mut_slice()[at], half, u * scale);
                }
            }
            if noise > MAX_NOISE * energy {
                return Ok(None);
            }
        }
        let input_scales = std::array::from_fn(|i| (max_value.sqrt() / gains[i]) as f32);
        let inverse_gains = std::array::from_fn(|i| (1.0 / gains[i]) as f32);
        Ok(Some(Self { packed, scales, n_pairs, input_scales, inverse_gains }))
    }

    pub(super) fn bytes(&self) -> usize {
        (self.packed.len() + self.scales.len()) * size_of::<f32>()
    }

    /// The magnitude of a column of a patch, transformed: of each row in relation to the gain of the transform.
    #[inline(always)]
    pub(super) fn column_magnitude<S: Int16>(&self, s: S, column: [S::V; 6]) -> S::I {
        let [first, second, _, fourth, ..] = self.inverse_gains;
        let times = |v: S::V, factor: f32| s.magnitude(s.mul(v, s.splat(factor)));
        // No two of these are made of the same values, so that one may be NaN and the other not.
        let outer = s.with_bits(s.max_int(s.magnitude(column[0]), s.magnitude(column[5])));
        // These two are, as are the next two: a value that is no number makes all four of them NaN or infinite.
        let p = s.larger_magnitude(column[1], column[2]);
        let q = s.larger_magnitude(column[3], column[4]);
        s.max_int(times(outer, first), s.max_int(times(p, second), times(q, fourth)))
    }

    /// What the values of row `i` of the planes are multiplied by, for a patch of this inverse of the largest magnitude.
    #[inline(always)]
    pub(super) fn row_scales<S: Simd>(&self, s: S, i: usize, inverse: f32) -> [S::V; 6] {
        // The gains of the points +-P are the same, as are those of +-Q, and of zero and infinity.
        let [first, second, _, fourth, ..] = self.input_scales;
        let of_row = self.input_scales[i] * inverse;
        let [a, b, c] = [s.splat(of_row * first), s.splat(of_row * second), s.splat(of_row * fourth)];
        [a, b, b, c, c, a]
    }
}

/// Multiplies the pairs of each plane by its weights: `to[plane][tile][output channel]`, in floats.
pub(super) struct IntGemm<'a> {
    pub(super) conv: &'a WinogradConv,
    pub(super) weights: &'a IntWeights,
    pub(super) n_tiles: usize,
    pub(super) from: &'a [f32],
    pub(super) to: &'a mut [f32],
    pub(super) ahead: Ahead,
}

impl IntKernel for IntGemm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Int16>(self, s: S) {
        let Blocking { tiles, vectors, .. } = self.conv.blocking;
        if S::REGISTERS >= 32 {
            match (tiles, vectors) {
                (12, 1) => self.planes::<S, 12, 1, 4>(s),
                (12, 2) => self.planes::<S, 12, 2, 4>(s),
                (8, 3) => self.planes::<S, 8, 3, 4>(s),
                (6, 4) => self.planes::<S, 6, 4, 3>(s),
                _ => unreachable!("Blocking::new makes no other"),
            }
        } else {
            match (tiles, vectors) {
                (12, 1) => self.planes::<S, 12, 1, 4>(s),
                (4, 3) => self.planes::<S, 4, 3, 2>(s),
                (6, 2) => self.planes::<S, 6, 2, 3>(s),
                _ => unreachable!("Blocking::new makes no other"),
            }
        }
    }
}

impl IntGemm<'_> {
    #[inline(always)]
    fn planes<S: Int16, const TILES: usize, const VECTORS: usize, const REST: usize>(self, s: S) {
        debug_assert_eq!(REST, self.conv.blocking.rest());
        let Self { conv, weights, n_tiles, from, to, mut ahead } = self;
        let all_vectors = conv.blocking.all_vectors;
        let cout_padded = all_vectors * S::LANES;
        let plane_pairs = weights.n_pairs * cout_padded;
        let padded = n_tiles.next_multiple_of(TILES);
        assert!(padded * conv.from_stride <= conv.from_plane && from.len() >= F4_PLANES * conv.from_plane);
        assert!(padded * conv.to_stride <= conv.to_plane && to.len() >= F4_PLANES * conv.to_plane);
        assert!(weights.n_pairs <= conv.from_stride && cout_padded <= conv.to_stride);
        assert!(weights.packed.len() >= F4_PLANES * plane_pairs);
        assert!(weights.scales.len() >= F4_PLANES * cout_padded);
        for plane in 0..F4_PLANES {
            // SAFETY: the blocks lie in their planes, and weights and scales have as many planes, all as asserted; the
            // vectors before a panel take `vector * LANES * n_pairs` places.
            unsafe {
                let scales = weights.scales.as_slice().as_ptr().add(plane * cout_padded);
                let of_plane = weights.packed.as_slice().as_ptr().add(plane * plane_pairs).cast::<i32>();
                let mut vector = 0;
                while vector < all_vectors {
                    let panel = of_plane.add(vector * S::LANES * weights.n_pairs);
                    // What is needed next: the panel after this one.
                    let mut next = panel.wrapping_add(VECTORS * S::LANES * weights.n_pairs);
                    for first in (0..padded).step_by(TILES) {
                        let block = Block {
                            from: from
                                .as_ptr()
                                .add(plane * conv.from_plane + first * conv.from_stride)
                                .cast(),
                            from_stride: conv.from_stride,
                            n_pairs: weights.n_pairs,
                            weights: panel,
                            next,
                            is_large: weights.bytes() > LARGE_WEIGHT_BYTES,
                            scales: scales.add(vector * S::LANES),
                            to: to
                                .as_mut_ptr()
                                .add(plane * conv.to_plane + first * conv.to_stride + vector * S::LANES),
                            to_stride: conv.to_stride,
                        };
                        next = next.wrapping_add(16 * weights.n_pairs);
                        if n_tiles - first <= REST && all_vectors - vector >= VECTORS {
                            multiply::<S, REST, VECTORS>(s, &block, &mut ahead);
                            continue;
                        }
                        match all_vectors - vector {
                            1 => multiply::<S, TILES, 1>(s, &block, &mut ahead),
                            2 if VECTORS > 2 => multiply::<S, TILES, 2>(s, &block, &mut ahead),
                            3 if VECTORS > 3 => multiply::<S, TILES, 3>(s, &block, &mut ahead),
                            _ => multiply::<S, TILES, VECTORS>(s, &block, &mut ahead),
                        }
                    }
                    vector += VECTORS;
                }
            }
        }
    }
}

/// A product that fits the registers.
struct Block {
    from: *const i32,
    from_stride: usize,
    n_pairs: usize,
    weights: *const i32,
    /// To have in the cache soon.
    next: *const i32,
    /// Whether that should not stay in the second-level cache.
    is_large: bool,
    scales: *const f32,
    to: *mut f32,
    to_stride: usize,
}

/// `to[tile][vector] = scale[vector] * sum over pairs of from[tile][pair] * weights[pair][vector]`.
///
/// # Safety
/// `from[tile * from_stride..][..n_pairs]` must be readable for TILES tiles, `weights[..n_pairs * VECTORS * LANES]` and
/// `scales[..VECTORS * LANES]` too, and `to[tile * to_stride..][..VECTORS * LANES]` writable.
#[inline(always)]
unsafe fn multiply<S: Int16, const TILES: usize, const VECTORS: usize>(
    s: S,
    block: &Block,
    ahead: &mut Ahead,
) {
    let mut sums = [[s.splat_pair(0); VECTORS]; TILES];
    for k in 0..block.n_pairs {
        ahead.one_of_step(s, k);
        let next = block.next.wrapping_add(16 * k);
        if block.is_large {
            s.prefetch_once(next);
        } else {
            s.prefetch(next);
        }
        // SAFETY: the caller vouches for these addresses.
        unsafe {
            let mut w = [s.splat_pair(0); VECTORS];
            for (j, w) in w.iter_mut().enumerate() {
                *w = s.load_int(block.weights.add((k * VECTORS + j) * S::LANES));
            }
            for (t, sums) in sums.iter_mut().enumerate() {
                let pair = s.splat_pair(block.from.add(t * block.from_stride + k).read());
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = s.dot(*sum, pair, w);
                }
            }
        }
    }
    ahead.after(s, block.n_pairs);
    for j in 0..VECTORS {
        // SAFETY: the caller vouches for these addresses.
        unsafe {
            let scale = s.load(block.scales.add(j * S::LANES));
            for (t, sums) in sums.iter().enumerate() {
                let to = block.to.add(t * block.to_stride + j * S::LANES);
                s.store(to, s.mul(s.to_float(sums[j]), scale));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Products, WinogradShape};
    use super::*;
    use crate::kernels::epilogue::{Activation, Epilogue};
    use crate::simd::{Isa, dispatch_int};

    fn compile(isa: Isa, weight: &[f32], cin: usize, cout: usize) -> WinogradConv {
        let shape = WinogradShape { weight, cin, cout, padding: [1, 1], repeat: 1 };
        let epilogue = Epilogue::new(&vec![0.0; cout], Activation::Linear);
        WinogradConv::new(isa, Products::Int4, &shape, epilogue).expect("small")
    }

    /// Weight of a plane, an input and an output channel, as the kernel reads it.
    fn weight_of(conv: &WinogradConv, weights: &IntWeights, plane: usize, i: usize, o: usize) -> i64 {
        let cout_padded = conv.blocking.all_vectors * conv.geometry.lanes;
        let (pair, half) = pair_of(conv.geometry.lanes, conv.cin, i);
        let at = plane * weights.n_pairs * cout_padded + conv.blocking.packed_index(weights.n_pairs, pair, o);
        i64::from((weights.packed.as_slice()[at].to_bits() >> (16 * half)) as u16 as i16)
    }

    /// Multiplies planes of `value(plane, tile, channel)` and compares every product with exact sums.
    fn check(
        isa: Isa,
        cin: usize,
        cout: usize,
        weight: &[f32],
        value: impl Fn(&WinogradConv, &IntWeights, usize, usize, usize) -> i16,
    ) {
        let conv = compile(isa, weight, cin, cout);
        let super::super::Weights::Integers(weights) = &conv.weights else {
            panic!("integers were asked for")
        };
        let n_tiles = conv.max_chunk_tiles.min(13);
        let mut from = vec![0f32; F4_PLANES * conv.from_plane];
        let mut to = vec![f32::NAN; F4_PLANES * conv.to_plane];
        for plane in 0..F4_PLANES {
            for tile in 0..n_tiles {
                for i in 0..cin {
                    let (pair, half) = pair_of(conv.geometry.lanes, cin, i);
                    let slot = &mut from[plane * conv.from_plane + tile * conv.from_stride + pair];
                    let bits = u32::from(value(&conv, weights, plane, tile, i) as u16) << (16 * half);
                    *slot = f32::from_bits(slot.to_bits() | bits);
                }
            }
        }
        dispatch_int(
            conv.isa,
            IntGemm { conv: &conv, weights, n_tiles, from: &from, to: &mut to, ahead: Ahead::nothing() },
        );
        let cout_padded = conv.blocking.all_vectors * conv.geometry.lanes;
        for plane in 0..F4_PLANES {
            for tile in 0..n_tiles {
                for o in 0..cout {
                    let exact: i64 = (0..cin)
                        .map(|i| {
                            i64::from(value(&conv, weights, plane, tile, i))
                                * weight_of(&conv, weights, plane, i, o)
                        })
                        .sum();
                    let exact = i32::try_from(exact).expect("overflow is excluded");
                    let scale = weights.scales.as_slice()[plane * cout_padded + o];
                    let found = to[plane * conv.to_plane + tile * conv.to_stride + o];
                    assert_eq!(found, exact as f32 * scale, "{} {cin} -> {cout}", isa.name());
                }
            }
        }
    }

    fn noise(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 12.9898).sin() * 0.3).collect()
    }

    #[test]
    fn products_are_those_of_exact_arithmetic() {
        for isa in Isa::every_for_integers() {
            for (cin, cout) in [(16, 16), (17, 3), (24, 24), (64, 64), (33, 70), (192, 48)] {
                let weight = noise(cin * cout * 9);
                check(isa, cin, cout, &weight, |_, _, plane, tile, i| {
                    ((plane * 7919 + tile * 104_729 + i * 1299) % 65_401) as i32 as i16
                });
            }
        }
    }

    #[test]
    fn the_largest_values_do_not_overflow() {
        for isa in Isa::every_for_integers() {
            for cin in [16, 64, 200] {
                let largest = max_value(TYPICAL_SLACK, cin);
                let largest = largest.ceil() as i16;
                // All of one sign, so that nothing cancels, and the values of the same signs.
                let weight: Vec<f32> = noise(cin * 16 * 9).iter().map(|w| w.abs()).collect();
                check(isa, cin, 16, &weight, |conv, weights, plane, _, i| {
                    if weight_of(conv, weights, plane, i, 0) < 0 { -largest } else { largest }
                });
            }
        }
    }
}
