//! From input patches to planes.
//!
//! The transform goes down the columns first. Neighbouring tiles overlap by two columns, so a run of tiles shares them; the
//! transformed columns of a run wait in the first-level cache for the transform along the rows.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::integers::IntWeights;
use super::scheme::{F4, MAX_PATCH, Scheme};
use super::{ConvCall, WinogradConv, tile_rows};
use crate::memory::{Element, Rows};
use crate::simd::{Int16, IntKernel, Kernel, Simd, Stored};
use half::f16;
use std::marker::PhantomData;
use std::ops::Range;

/// Floats that the transformed columns of a run take, for each lane of a vector.
pub(super) fn column_floats<W: Scheme>() -> usize {
    (W::TILE * W::RUN + W::PATCH - W::TILE) * W::PATCH
}

/// What patches are cut from: the input, its borders, and how often each pixel is repeated.
struct Source<'a, E: Stored> {
    input: &'a Rows,
    /// Sizes after repetition.
    rows_end: usize,
    width: usize,
    repeat: usize,
    cin: usize,
    /// A pixel outside the image.
    zeros: &'a [E::T],
}

/// A row of input, or the border.
struct Line<T> {
    start: *const T,
    pixel_stride: usize,
}

impl<T> Clone for Line<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Line<T> {}

impl<'a, E: Stored> Source<'a, E> {
    fn new(conv: &WinogradConv, call: &'a ConvCall<'a>, zeros: &'a [E::T]) -> Self {
        let repeat = conv.repeat;
        assert!(call.input.channels() == conv.cin && zeros.len() >= conv.cin && repeat > 0);
        assert_eq!(call.input.element(), E::ELEMENT);
        // Rows from here on are outside the image, or not made yet and not needed by any row of this call.
        let rows_end = (call.rows.end + 2).saturating_sub(conv.padding[0]).min(call.input.height() * repeat);
        let width = call.input.width() * repeat;
        Self { input: &call.input, rows_end, width, repeat, cin: conv.cin, zeros }
    }

    /// The lines of the patches whose first row is `top`.
    #[inline(always)]
    fn lines<W: Scheme>(&self, top: isize) -> [Line<E::T>; MAX_PATCH] {
        let mut lines = [Line { start: self.zeros.as_ptr(), pixel_stride: 0 }; MAX_PATCH];
        for (r, line) in lines.iter_mut().enumerate().take(W::PATCH) {
            let y = top + r as isize;
            if y >= 0 && (y as usize) < self.rows_end {
                let row = self.input.row(y as usize / self.repeat);
                *line = Line { start: row.stored_at::<E>(0), pixel_stride: row.pixel_stride };
            }
        }
        lines
    }

    /// Transforms `n` columns from `left` on, of the vector of channels at `channel`: `[column][patch row]` vectors.
    ///
    /// # Safety
    /// `to` must have room for `n * W::PATCH` vectors, and `channel` be less than the channels of the input.
    #[inline(always)]
    unsafe fn columns<W: Scheme, S: Simd>(
        &self,
        s: S,
        lines: &[Line<E::T>; MAX_PATCH],
        left: isize,
        n: usize,
        channel: usize,
        to: *mut f32,
    ) {
        let here = S::LANES.min(self.cin - channel);
        for c in 0..n {
            // SAFETY: the caller vouches for this room.
            let to = unsafe { to.add(c * W::PATCH * S::LANES) };
            let x = left + c as isize;
            if x < 0 || x as usize >= self.width {
                for i in 0..W::PATCH {
                    // SAFETY: as above.
                    unsafe { s.store(to.add(i * S::LANES), s.splat(0.0)) };
                }
                continue;
            }
            let x = if self.repeat == 1 { x as usize } else { x as usize / self.repeat };
            // SAFETY: a line is a row of the input, which has pixel x and `cin` channels of it, of which `here` from
            // `channel` on are read; or it is a pixel of `cin` zeros and its stride is zero. No thread writes the input
            // of a running step. The caller vouches for the room.
            unsafe {
                let at = |r: usize| lines[r].start.add(x * lines[r].pixel_stride + channel);
                let put = |i: usize, v: S::V| s.store(to.add(i * S::LANES), v);
                if here == S::LANES {
                    W::input(s, |r| E::load(s, at(r)), put);
                } else {
                    W::input(s, |r| E::load_first(s, at(r), here), put);
                }
            }
        }
    }
}

/// Transforms the patches of some tiles to floats: `planes[plane][tile][channel]`.
pub(super) struct ToFloats<'a, W, E: Stored> {
    pub(super) conv: &'a WinogradConv,
    pub(super) call: &'a ConvCall<'a>,
    pub(super) tiles: Range<usize>,
    pub(super) planes: &'a mut [f32],
    /// Room for the columns of a run.
    pub(super) columns: &'a mut [f32],
    pub(super) zeros: &'a [E::T],
    pub(super) scheme: PhantomData<W>,
}

impl<W: Scheme, E: Stored> Kernel for ToFloats<'_, W, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { conv, call, tiles, planes, columns, zeros, .. } = self;
        let source = Source::<E>::new(conv, call, zeros);
        let (tile_stride, plane_stride) = (conv.from_stride, conv.from_plane);
        assert!(planes.len() >= W::PATCH * W::PATCH * plane_stride);
        assert!(
            tiles.len() * tile_stride <= plane_stride && columns.len() >= column_floats::<W>() * S::LANES
        );
        assert!(conv.cin.next_multiple_of(S::LANES) <= tile_stride);
        let mut slot = 0;
        for (row, in_row) in tile_rows(tiles, conv.tiles_across(call.output.width())) {
            let top = (call.rows.start + row * W::TILE) as isize - conv.padding[0] as isize;
            let lines = source.lines::<W>(top);
            for first in in_row.clone().step_by(W::RUN) {
                let n = W::RUN.min(in_row.end - first);
                let left = (first * W::TILE) as isize - conv.padding[1] as isize;
                for channel in (0..conv.cin).step_by(S::LANES) {
                    // SAFETY: the columns have room for a run as asserted; each tile has room for the channels padded to
                    // vectors, at `slot..slot + n` of the tiles counted, in each of the planes.
                    unsafe {
                        let n_columns = n * W::TILE + W::PATCH - W::TILE;
                        let waiting = columns.as_mut_ptr();
                        source.columns::<W, S>(s, &lines, left, n_columns, channel, waiting);
                        for t in 0..n {
                            let to = planes.as_mut_ptr().add((slot + t) * tile_stride + channel);
                            let from = waiting.add(t * W::TILE * W::PATCH * S::LANES);
                            for i in 0..W::PATCH {
                                let at = |j: usize| s.load(from.add((j * W::PATCH + i) * S::LANES));
                                W::input(s, at, |j, v| {
                                    s.store(to.add((i * W::PATCH + j) * plane_stride), v);
                                });
                            }
                        }
                    }
                }
                slot += n;
            }
        }
    }
}

/// Transforms the patches of some tiles to integers, with a scale for each tile: `planes[plane][tile][pair]`.
pub(super) struct ToIntegers<'a, E: Stored> {
    pub(super) conv: &'a WinogradConv,
    pub(super) weights: &'a IntWeights,
    pub(super) call: &'a ConvCall<'a>,
    pub(super) tiles: Range<usize>,
    pub(super) planes: &'a mut [f32],
    /// Room for the columns of a run, twice.
    pub(super) columns: &'a mut [f32],
    pub(super) zeros: &'a [E::T],
    /// The largest magnitude in each tile's patch.
    pub(super) largest: &'a mut [f32],
}

/// A tile whose values are all smaller counts as zero: its reciprocal would leave the range of floats.
const SMALLEST: f32 = 1e-30;

impl<E: Stored> IntKernel for ToIntegers<'_, E> {
    /// The largest magnitude of all.
    type Output = f32;

    #[inline(always)]
    fn run<S: Int16>(self, s: S) -> f32 {
        let Self { conv, weights, call, tiles, planes, columns, zeros, largest } = self;
        let source = Source::<E>::new(conv, call, zeros);
        let (tile_stride, plane_stride) = (conv.from_stride, conv.from_plane);
        let column_floats = column_floats::<F4>() * S::LANES;
        assert!(planes.len() >= F4::PATCH * F4::PATCH * plane_stride && largest.len() >= tiles.len());
        assert!(tiles.len() * tile_stride <= plane_stride && columns.len() >= 2 * column_floats);
        // Channels in pairs of whole vectors, then single vectors.
        let paired = conv.cin / (2 * S::LANES) * 2 * S::LANES;
        assert!(paired / 2 + (conv.cin - paired).next_multiple_of(S::LANES) / 2 <= tile_stride);
        let mut slot = 0;
        let mut most = 0f32;
        for (row, in_row) in tile_rows(tiles, conv.tiles_across(call.output.width())) {
            let top = (call.rows.start + row * F4::TILE) as isize - conv.padding[0] as isize;
            let lines = source.lines::<F4>(top);
            let left_of = |tile: usize| (tile * F4::TILE) as isize - conv.padding[1] as isize;
            let largest = &mut largest[slot..slot + in_row.len()];
            // SAFETY: the lines are those of the patches of these tiles.
            unsafe { source.magnitudes(s, &lines, left_of(in_row.start), largest) };
            for first in in_row.clone().step_by(F4::RUN) {
                let n = F4::RUN.min(in_row.end - first);
                let n_columns = n * F4::TILE + 2;
                let waiting = [columns.as_mut_ptr(), columns[column_floats..].as_mut_ptr()];
                for channel in (0..paired).step_by(2 * S::LANES) {
                    // SAFETY: the columns have room for two runs as asserted; each tile has room for the pairs, at
                    // `slot..slot + n` of the tiles counted, in each of the planes.
                    unsafe {
                        source.columns::<F4, S>(s, &lines, left_of(first), n_columns, channel, waiting[0]);
                        let second = channel + S::LANES;
                        source.columns::<F4, S>(s, &lines, left_of(first), n_columns, second, waiting[1]);
                        for t in 0..n {
                            let inverse = inverse(largest[first - in_row.start + t]);
                            let to = planes.as_mut_ptr().add((slot + t) * tile_stride + channel / 2);
                            let at = t * F4::TILE * F4::PATCH * S::LANES;
                            for i in 0..F4::PATCH {
                                let mut both = [[s.splat(0.0); 6]; 2];
                                for (rows, from) in both.iter_mut().zip(waiting) {
                                    let from = from.add(at + i * S::LANES);
                                    F4::input(
                                        s,
                                        |j| s.load(from.add(j * F4::PATCH * S::LANES)),
                                        |j, v| rows[j] = v,
                                    );
                                }
                                for j in 0..F4::PATCH {
                                    let plane = i * F4::PATCH + j;
                                    let scale = s.splat(weights.input_scale(i, j) * inverse);
                                    let pairs = s.quantize_pairs(both[0][j], both[1][j], scale);
                                    s.store_int(to.add(plane * plane_stride).cast(), pairs);
                                }
                            }
                        }
                    }
                }
                for channel in (paired..conv.cin).step_by(S::LANES) {
                    // SAFETY: as above; a single vector takes the room of half as many pairs.
                    unsafe {
                        source.columns::<F4, S>(s, &lines, left_of(first), n_columns, channel, waiting[0]);
                        for t in 0..n {
                            let inverse = inverse(largest[first - in_row.start + t]);
                            let to =
                                planes.as_mut_ptr().add((slot + t) * tile_stride).cast::<i16>().add(channel);
                            let from = waiting[0].add(t * F4::TILE * F4::PATCH * S::LANES);
                            for i in 0..F4::PATCH {
                                let at = |j: usize| s.load(from.add((j * F4::PATCH + i) * S::LANES));
                                F4::input(s, at, |j, v| {
                                    let scale = s.splat(weights.input_scale(i, j) * inverse);
                                    let to = to.add((i * F4::PATCH + j) * plane_stride * 2);
                                    s.store_quantized(to, v, scale);
                                });
                            }
                        }
                    }
                }
                slot += n;
            }
            most = largest.iter().fold(most, |a, &b| if b > a || b.is_nan() { b } else { a });
        }
        most
    }
}

#[inline(always)]
fn inverse(largest: f32) -> f32 {
    if largest > SMALLEST { 1.0 / largest } else { 0.0 }
}

impl<E: Stored> Source<'_, E> {
    /// The largest magnitude in the patch of each of `largest.len()` tiles side by side, the first at column `left`.
    /// Infinity or NaN where there is one (halves only).
    ///
    /// # Safety
    /// The lines must be lines of the source.
    #[inline(always)]
    unsafe fn magnitudes<S: Int16>(
        &self,
        s: S,
        lines: &[Line<E::T>; MAX_PATCH],
        left: isize,
        largest: &mut [f32],
    ) {
        // A tile is two pairs of columns, and reaches into the first pair of the next.
        let none = s.splat_pair(0);
        let (mut first, mut second) = (none, none);
        for pair in 0..2 * largest.len() + 1 {
            let mut most = none;
            for x in [left + 2 * pair as isize, left + 2 * pair as isize + 1] {
                if x < 0 || x as usize >= self.width {
                    continue;
                }
                let x = x as usize / self.repeat;
                for line in &lines[..F4::PATCH] {
                    // SAFETY: as in `columns`.
                    most = unsafe { self.pixel_magnitude(s, most, line.start.add(x * line.pixel_stride)) };
                }
            }
            if pair % 2 == 0 {
                if pair > 0 {
                    let bits = s.max_u16(s.max_u16(first, second), most);
                    largest[pair / 2 - 1] = Self::magnitude(s.largest_u16(bits));
                }
                first = most;
            } else {
                second = most;
            }
        }
    }

    /// Of one pixel, lane by lane, on top of `most`. Floats count by their upper half, rounded up.
    ///
    /// # Safety
    /// The pixel's channels must be readable.
    #[inline(always)]
    unsafe fn pixel_magnitude<S: Int16>(&self, s: S, mut most: S::I, pixel: *const E::T) -> S::I {
        match E::ELEMENT {
            Element::F16 => {
                for channel in (0..self.cin).step_by(2 * S::LANES) {
                    let n = (self.cin - channel).min(2 * S::LANES);
                    // SAFETY: the caller vouches for `cin` channels.
                    most = unsafe { s.max_half_magnitude(most, pixel.cast::<u16>().add(channel), n) };
                }
                most
            }
            Element::F32 => {
                let mut bits = 0u32;
                for channel in 0..self.cin {
                    // SAFETY: the caller vouches for `cin` channels.
                    let value = unsafe { pixel.cast::<f32>().add(channel).read() };
                    bits = bits.max(value.to_bits() & 0x7fff_ffff);
                }
                s.max_u16(most, s.splat_pair((bits.div_ceil(1 << 16)) as i32))
            }
        }
    }

    /// The number whose bits [`Source::pixel_magnitude`] found.
    fn magnitude(bits: u16) -> f32 {
        match E::ELEMENT {
            Element::F16 => f16::from_bits(bits).to_f32(),
            Element::F32 => f32::from_bits(u32::from(bits) << 16),
        }
    }
}
