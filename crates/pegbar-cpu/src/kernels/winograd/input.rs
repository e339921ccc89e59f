//! From input patches to planes.
//!
//! The transform goes down the columns first. Neighbouring tiles overlap by two columns, so a run of tiles shares them; the
//! transformed columns of a run wait in the first-level cache for the transform along the rows.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::integers::IntWeights;
use super::scheme::{F4, MAX_PATCH, Scheme};
use super::{ConvCall, WinogradConv};
use crate::kernels::tiles::Tiles;
use crate::memory::Rows;
use crate::simd::{Int16, IntKernel, Kernel, Simd, Stored};
use std::marker::PhantomData;

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
    pixel_stride: usize,
    cin: usize,
    /// A pixel outside the image.
    zeros: &'a [E::T],
}

/// A row of input, or the border.
struct Line<T> {
    start: *const T,
    /// What the offset of a pixel is masked with: all ones, or zeros for the border, which is the same pixel everywhere.
    mask: usize,
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
        let pixel_stride = call.input.row(0).pixel_stride;
        Self { input: &call.input, rows_end, width, repeat, pixel_stride, cin: conv.cin, zeros }
    }

    /// The lines of the patches whose first row is `top`.
    #[inline(always)]
    fn lines<W: Scheme>(&self, top: isize) -> [Line<E::T>; MAX_PATCH] {
        let mut lines = [Line { start: self.zeros.as_ptr(), mask: 0 }; MAX_PATCH];
        for (r, line) in lines.iter_mut().enumerate().take(W::PATCH) {
            let y = top + r as isize;
            if y >= 0 && (y as usize) < self.rows_end {
                let row = self.input.row(y as usize / self.repeat);
                *line = Line { start: row.stored_at::<E>(0), mask: usize::MAX };
            }
        }
        lines
    }

    /// Transforms one column of the vector of channels at `channel`.
    ///
    /// # Safety
    /// `channel` must be less than the channels of the input.
    #[inline(always)]
    unsafe fn column<W: Scheme, S: Simd>(
        &self,
        s: S,
        lines: &[Line<E::T>; MAX_PATCH],
        x: isize,
        channel: usize,
        put: impl FnMut(usize, S::V),
    ) {
        if x < 0 || x as usize >= self.width {
            W::input(s, |_| s.splat(0.0), put);
            return;
        }
        let x = if self.repeat == 1 { x as usize } else { x as usize / self.repeat };
        let here = S::LANES.min(self.cin - channel);
        let offset = x * self.pixel_stride;
        if (channel * size_of::<E::T>()).is_multiple_of(64) {
            // The next run begins so many pixels on; it arrives while this one is worked on.
            let ahead = offset + W::TILE * W::RUN / self.repeat * self.pixel_stride + channel;
            for line in &lines[..W::PATCH] {
                s.prefetch(line.start.wrapping_add(ahead));
            }
        }
        // SAFETY: a line is a row of the input, which has pixel x and `cin` channels of it, of which `here` from `channel`
        // on are read; or it is a pixel of `cin` zeros and the mask is zero. No thread writes the input of a running step.
        unsafe {
            let at = |r: usize| lines[r].start.add((offset & lines[r].mask) + channel);
            if here == S::LANES {
                W::input(s, |r| E::load(s, at(r)), put);
            } else {
                W::input(s, |r| E::load_first(s, at(r), here), put);
            }
        }
    }

    /// Transforms `n` columns from `left` on: `[column][patch row]` vectors.
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
        for c in 0..n {
            // SAFETY: the caller vouches for the room and the channel.
            unsafe {
                let to = to.add(c * W::PATCH * S::LANES);
                let put = |i: usize, v: S::V| s.store(to.add(i * S::LANES), v);
                self.column::<W, S>(s, lines, left + c as isize, channel, put);
            }
        }
    }
}

/// Transforms the patches of some tiles to floats: `planes[plane][tile][channel]`.
pub(super) struct ToFloats<'a, W, E: Stored> {
    pub(super) conv: &'a WinogradConv,
    pub(super) call: &'a ConvCall<'a>,
    pub(super) tiles: &'a Tiles,
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
        for (row, in_row) in tiles.rows() {
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
    pub(super) tiles: &'a Tiles,
    pub(super) planes: &'a mut [f32],
    /// Room for the columns of a run, for all channels, and their magnitudes.
    pub(super) columns: &'a mut [f32],
    pub(super) zeros: &'a [E::T],
    /// What the results of each tile are to be multiplied by: the largest magnitude in its patch, transformed along one
    /// axis, in relation to the gain of that. It is between a fifth and all of the largest magnitude before.
    pub(super) largest: &'a mut [f32],
}

/// Columns of a run.
const RUN_COLUMNS: usize = F4::TILE * F4::RUN + 2;

/// Floats that [`ToIntegers::columns`] needs.
pub(super) fn int_column_floats(lanes: usize, cin: usize) -> usize {
    RUN_COLUMNS * lanes * (cin.div_ceil(lanes) * F4::PATCH + 1)
}

/// A tile whose values are all smaller counts as zero: its reciprocal would leave the range of floats.
const SMALLEST: f32 = 1e-30;

impl<E: Stored> IntKernel for ToIntegers<'_, E> {
    /// The largest magnitude of all; infinite or NaN where a value is.
    type Output = f32;

    #[inline(always)]
    fn run<S: Int16>(self, s: S) -> f32 {
        let Self { conv, weights, call, tiles, planes, columns, zeros, largest } = self;
        let source = Source::<E>::new(conv, call, zeros);
        let tile_stride = conv.from_stride;
        assert!(planes.len() >= F4::PATCH * F4::PATCH * conv.from_plane && largest.len() >= tiles.len());
        assert!(tiles.len() * tile_stride <= conv.from_plane);
        assert!(columns.len() >= int_column_floats(S::LANES, conv.cin));
        // Channels in pairs of whole vectors, then single vectors.
        let paired = conv.cin / (2 * S::LANES) * 2 * S::LANES;
        assert!(paired / 2 + (conv.cin - paired).next_multiple_of(S::LANES) / 2 <= tile_stride);
        let (magnitudes, columns) = columns.split_at_mut(RUN_COLUMNS * S::LANES);
        let (magnitudes, columns) = (magnitudes.as_mut_ptr(), columns.as_mut_ptr());
        let (mut slot, mut most) = (0, 0);
        for (row, in_row) in tiles.rows() {
            let top = (call.rows.start + row * F4::TILE) as isize - conv.padding[0] as isize;
            let lines = source.lines::<F4>(top);
            for first in in_row.clone().step_by(F4::RUN) {
                let n = F4::RUN.min(in_row.end - first);
                let left = (first * F4::TILE) as isize - conv.padding[1] as isize;
                let of_vector = |channel: usize| columns.wrapping_add(channel * F4::PATCH * RUN_COLUMNS);
                // SAFETY: there is room for the columns of a run, of all channels padded to vectors, and for the magnitudes
                // of as many columns, as asserted.
                unsafe {
                    for channel in (0..conv.cin).step_by(S::LANES) {
                        for c in 0..n * F4::TILE + 2 {
                            let mut column = [s.splat(0.0); F4::PATCH];
                            let x = left + c as isize;
                            source.column::<F4, S>(s, &lines, x, channel, |i, v| column[i] = v);
                            let to = of_vector(channel).add(c * F4::PATCH * S::LANES);
                            for (i, &v) in column.iter().enumerate() {
                                s.store(to.add(i * S::LANES), v);
                            }
                            let mut magnitude = weights.column_magnitude(s, column);
                            let kept = magnitudes.add(c * S::LANES).cast::<i32>();
                            if channel > 0 {
                                magnitude = s.max_int(magnitude, s.load_int(kept));
                            }
                            s.store_int(kept, magnitude);
                        }
                    }
                }
                for t in 0..n {
                    let patch = t * F4::TILE;
                    // SAFETY: the magnitudes of these columns have just been written.
                    let magnitude = unsafe {
                        let of = |c: usize| s.load_int(magnitudes.add((patch + c) * S::LANES).cast());
                        let pairs =
                            [s.max_int(of(0), of(1)), s.max_int(of(2), of(3)), s.max_int(of(4), of(5))];
                        s.largest(s.max_int(s.max_int(pairs[0], pairs[1]), pairs[2]))
                    };
                    most = most.max(magnitude);
                    let magnitude = f32::from_bits(magnitude as u32);
                    largest[slot + t] = magnitude;
                    let inverse = if magnitude > SMALLEST { 1.0 / magnitude } else { 0.0 };
                    // SAFETY: the columns have been written; each tile has room for the pairs of all channels, at
                    // `slot + t` of the tiles counted, in each of the planes.
                    unsafe {
                        let to = planes.as_mut_ptr().add((slot + t) * tile_stride);
                        let tile = TileRows {
                            weights,
                            inverse,
                            from: columns.add(patch * F4::PATCH * S::LANES),
                            vector_floats: F4::PATCH * RUN_COLUMNS,
                            to,
                            plane_stride: conv.from_plane,
                        };
                        tile.quantize(s, paired, conv.cin);
                    }
                }
                slot += n;
            }
        }
        f32::from_bits(most as u32)
    }
}

/// A tile whose columns are transformed, on the way to its planes.
struct TileRows<'a> {
    weights: &'a IntWeights,
    /// Of the largest magnitude.
    inverse: f32,
    /// Its first column, of the first channel.
    from: *const f32,
    /// Floats to the same column of the next channel.
    vector_floats: usize,
    to: *mut f32,
    plane_stride: usize,
}

impl TileRows<'_> {
    /// Transforms the rows and rounds them, the first `paired` channels in pairs of vectors.
    ///
    /// # Safety
    /// All channels padded to vectors must be readable, and there must be room for their pairs in each plane.
    #[inline(always)]
    unsafe fn quantize<S: Int16>(&self, s: S, paired: usize, cin: usize) {
        // SAFETY: the caller vouches for what is read and written.
        unsafe {
            for i in 0..F4::PATCH {
                let scales = self.weights.row_scales(s, i, self.inverse);
                let from = self.from.add(i * S::LANES);
                for channel in (0..paired).step_by(2 * S::LANES) {
                    let first = patch_row(s, from.add(channel * self.vector_floats));
                    let second = patch_row(s, from.add((channel + S::LANES) * self.vector_floats));
                    for j in 0..F4::PATCH {
                        let to = self.to.add((i * F4::PATCH + j) * self.plane_stride + channel / 2);
                        s.store_int(to.cast(), s.quantize_pairs(first[j], second[j], scales[j]));
                    }
                }
                for channel in (paired..cin).step_by(S::LANES) {
                    let row = patch_row(s, from.add(channel * self.vector_floats));
                    for j in 0..F4::PATCH {
                        let to = self.to.add((i * F4::PATCH + j) * self.plane_stride).cast::<i16>();
                        s.store_quantized(to.add(channel), row[j], scales[j]);
                    }
                }
            }
        }
    }
}

/// A row of transformed columns, transformed.
///
/// # Safety
/// A vector must be readable at `from` and at the same place of the five columns after that.
#[inline(always)]
unsafe fn patch_row<S: Simd>(s: S, from: *const f32) -> [S::V; F4::PATCH] {
    let mut row = [s.splat(0.0); F4::PATCH];
    // SAFETY: the caller vouches for these addresses.
    let at = |j: usize| unsafe { s.load(from.add(j * F4::PATCH * S::LANES)) };
    F4::input(s, at, |j, v| row[j] = v);
    row
}
