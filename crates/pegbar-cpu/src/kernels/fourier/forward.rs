//! From pixels to frequencies.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::FourierConv;
use super::series::{Complex, Series, load, store, transform};
use crate::kernels::tiles::Tiles;
use crate::kernels::winograd::ConvCall;
use crate::simd::{Kernel, Simd, Stored};
use std::marker::PhantomData;

/// Transforms pairs of tiles, one the real part and one the imaginary part of numbers. Gives the largest magnitude that it has
/// read; infinite where one is not a number.
pub(super) struct Forward<'a, E, const N: usize> {
    pub(super) conv: &'a FourierConv,
    pub(super) call: &'a ConvCall<'a>,
    pub(super) pairs: &'a Tiles,
    pub(super) planes: &'a mut [f32],
    /// Room for a pair whose rows are transformed.
    pub(super) tile: &'a mut [f32],
    pub(super) between: &'a mut [f32],
    pub(super) element: PhantomData<E>,
}

impl<E: Stored, const N: usize> Kernel for Forward<'_, E, N> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let Self { conv, call, pairs, planes, tile, between, .. } = self;
        let (shape, input) = (&conv.shape, &call.input);
        assert!(input.channels() == shape.cin && input.element() == E::ELEMENT && conv.side == N);
        let tile_row = super::tile_row(N, S::LANES);
        assert!(tile.len() >= N * tile_row && between.len() >= super::series::between_floats(N, S::LANES));
        assert!(planes.len() >= N * conv.plane_row && N * conv.plane <= conv.plane_row);
        assert!(pairs.len() * 2 * conv.half <= conv.plane);
        assert!(shape.cin.next_multiple_of(S::LANES) <= conv.half);
        // Rows from here on are outside the picture, or not made yet and not needed by any row of this call.
        let rows_end = (call.rows.end + shape.kernel[0] - 1).saturating_sub(shape.padding[0]);
        let rows_end = rows_end.min(input.height());
        let pixel_stride = input.row(0).pixel_stride;
        let mut range = Range { most: s.splat(0.0), least: s.splat(0.0), not_numbers: s.splat(0.0) };
        let mut slot = 0;
        for (row, in_row) in pairs.rows() {
            let top = (call.rows.start + row * conv.tile[0]) as isize - shape.padding[0] as isize;
            for column in in_row {
                let left = (column * 2 * conv.tile[1]) as isize - shape.padding[1] as isize;
                let right = left + conv.tile[1] as isize;
                for channel in (0..shape.cin).step_by(S::LANES) {
                    let n = S::LANES.min(shape.cin - channel);
                    for r in 0..N {
                        let y = top + r as isize;
                        // SAFETY: the room has N rows of N pairs of vectors, as asserted.
                        let to = unsafe { tile.as_mut_ptr().add(r * tile_row) };
                        if y < 0 || y as usize >= rows_end {
                            for x in 0..2 * N {
                                // SAFETY: as above.
                                unsafe { s.store(to.add(x * S::LANES), s.splat(0.0)) };
                            }
                            continue;
                        }
                        // SAFETY: a row is as long as the input is wide, and has n channels from `channel` on, as `Pixels`
                        // demands; a whole vector of them, and all its columns, where they are not asked for.
                        unsafe {
                            let start = input.row(y as usize).stored_at::<E>(0).add(channel);
                            let edges = Edges { left, right, width: input.width(), n };
                            let is_whole = left >= 0 && right as usize + N <= input.width() && n == S::LANES;
                            if is_whole {
                                let mut pixels =
                                    Pixels::<S, E, true> { start, pixel_stride, edges, to, range };
                                transform::<S, _, N>(s, &conv.turns, between.as_mut_ptr(), &mut pixels);
                                range = pixels.range;
                            } else {
                                let mut pixels =
                                    Pixels::<S, E, false> { start, pixel_stride, edges, to, range };
                                transform::<S, _, N>(s, &conv.turns, between.as_mut_ptr(), &mut pixels);
                                range = pixels.range;
                            }
                            range.check(s, to);
                        }
                    }
                    for x in 0..N {
                        // SAFETY: the room and the planes hold N numbers in each column, as asserted.
                        unsafe {
                            let from = tile.as_ptr().add(x * 2 * S::LANES);
                            let to = planes.as_mut_ptr().add(x * conv.plane + slot * 2 * conv.half + channel);
                            let (row, half) = (conv.plane_row, conv.half);
                            let mut column = Column { from, tile_row, to, plane_row: row, half };
                            transform::<S, _, N>(s, &conv.turns, between.as_mut_ptr(), &mut column);
                        }
                    }
                }
                slot += 1;
            }
        }
        range.largest(s)
    }
}

/// What has been read.
#[derive(Clone, Copy)]
struct Range<V> {
    most: V,
    least: V,
    /// Not numbers where something was read that is none, or infinite.
    not_numbers: V,
}

impl<V: Copy> Range<V> {
    #[inline(always)]
    fn see<S: Simd<V = V>>(&mut self, s: S, v: V) {
        self.most = s.max(v, self.most);
        self.least = s.min(v, self.least);
    }

    /// Looks at the first frequency of a row: what is no number is one in none of the frequencies.
    ///
    /// # Safety
    /// Two vectors must be readable.
    #[inline(always)]
    unsafe fn check<S: Simd<V = V>>(&mut self, s: S, at: *const f32) {
        // SAFETY: the caller vouches for it.
        let [re, im] = unsafe { load(s, at) };
        self.not_numbers = s.mul_add(re, s.splat(0.0), s.mul_add(im, s.splat(0.0), self.not_numbers));
    }

    #[inline(always)]
    fn largest<S: Simd<V = V>>(self, s: S) -> f32 {
        let magnitudes = s.max(self.most, s.sub(s.splat(0.0), self.least));
        let mut lanes = [0.0; 64];
        let (a, b) = lanes.split_at_mut(32);
        const { assert!(S::LANES <= 32) }
        // SAFETY: both halves have room for a vector, as asserted.
        unsafe {
            s.store(a.as_mut_ptr(), magnitudes);
            s.store(b.as_mut_ptr(), self.not_numbers);
        }
        let is_number = b[..S::LANES].iter().all(|v| !v.is_nan());
        if is_number { a[..S::LANES].iter().copied().fold(0.0, f32::max) } else { f32::INFINITY }
    }
}

/// Where two tiles begin in a row of `width` pixels, and how many channels are read.
#[derive(Clone, Copy)]
struct Edges {
    left: isize,
    right: isize,
    width: usize,
    n: usize,
}

/// A row of two tiles, zeros outside the picture. `WHOLE`: nothing of it is outside, and the channels are a vector.
///
/// It may be transformed if `start` is the first pixel of a row of `width` pixels, of `n` channels each, and there is room
/// for N pairs of vectors at `to`.
struct Pixels<S: Simd, E: Stored, const WHOLE: bool> {
    start: *const E::T,
    pixel_stride: usize,
    edges: Edges,
    to: *mut f32,
    range: Range<S::V>,
}

impl<S: Simd, E: Stored, const WHOLE: bool> Pixels<S, E, WHOLE> {
    /// # Safety
    /// As for the whole; if `WHOLE`, `x` must be in the row.
    #[inline(always)]
    unsafe fn pixel(&self, s: S, x: isize) -> S::V {
        // SAFETY: the caller vouches for whole ones; the others are asked for. No thread writes the input of a running step.
        unsafe {
            if WHOLE {
                E::load(s, self.start.offset(x * self.pixel_stride as isize))
            } else if x < 0 || x as usize >= self.edges.width {
                s.splat(0.0)
            } else {
                E::load_first(s, self.start.add(x as usize * self.pixel_stride), self.edges.n)
            }
        }
    }
}

impl<S: Simd, E: Stored, const WHOLE: bool> Series<S> for Pixels<S, E, WHOLE> {
    #[inline(always)]
    unsafe fn get(&mut self, s: S, n: usize) -> Complex<S::V> {
        let x = n as isize;
        // SAFETY: as the caller vouches.
        let value = unsafe { [self.pixel(s, self.edges.left + x), self.pixel(s, self.edges.right + x)] };
        if E::ELEMENT == crate::memory::Element::F16 {
            self.range.see(s, value[0]);
            self.range.see(s, value[1]);
        }
        value
    }

    #[inline(always)]
    unsafe fn put(&mut self, s: S, k: usize, value: Complex<S::V>) {
        // SAFETY: there is room for k, as the caller vouches.
        unsafe { store(s, self.to.add(k * 2 * S::LANES), value) }
    }
}

/// A column of transformed rows.
///
/// It may be transformed if N numbers can be read at `from`, `tile_row` floats apart, and written at `to`.
struct Column {
    from: *const f32,
    tile_row: usize,
    to: *mut f32,
    plane_row: usize,
    half: usize,
}

impl<S: Simd> Series<S> for Column {
    #[inline(always)]
    unsafe fn get(&mut self, s: S, n: usize) -> Complex<S::V> {
        // SAFETY: as the caller vouches.
        unsafe { load(s, self.from.add(n * self.tile_row)) }
    }

    #[inline(always)]
    unsafe fn put(&mut self, s: S, k: usize, value: Complex<S::V>) {
        // SAFETY: as the caller vouches.
        unsafe {
            let to = self.to.add(k * self.plane_row);
            s.store(to, value[0]);
            s.store(to.add(self.half), value[1]);
        }
    }
}
