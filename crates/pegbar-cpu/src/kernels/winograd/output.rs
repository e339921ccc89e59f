//! From planes to results.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::scheme::{MAX_PATCH, Row, Scheme, TakeRow};
use super::{ConvCall, WinogradConv};
use crate::kernels::epilogue::{Residual, bend};
use crate::kernels::tiles::Tiles;
use crate::memory::{Element, Row as RowOf};
use crate::simd::{Half, Kernel, Simd, Single, Stored};
use std::marker::PhantomData;

/// Transforms back, adds bias, activation and residuals, and stores what lies inside the image.
pub(super) struct Transform<'a, W, O> {
    pub(super) conv: &'a WinogradConv,
    pub(super) call: &'a ConvCall<'a>,
    pub(super) tiles: &'a Tiles,
    pub(super) planes: &'a [f32],
    /// What each tile is multiplied by; empty where it is nothing.
    pub(super) scales: &'a [f32],
    pub(super) kinds: PhantomData<(W, O)>,
}

impl<W: Scheme, O: Stored> Kernel for Transform<'_, W, O> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { conv, call, tiles, planes, scales, .. } = self;
        let output = &call.output;
        assert!(planes.len() >= W::PATCH * W::PATCH * conv.to_plane);
        assert!(tiles.len() * conv.to_stride <= conv.to_plane);
        assert!(conv.cout.next_multiple_of(S::LANES) <= conv.to_stride);
        assert!(scales.is_empty() || scales.len() >= tiles.len());
        for residual in call.residuals {
            assert!(residual.rows.channels() == conv.cout && residual.rows.width() == output.width());
        }
        let mut slot = 0;
        for (row, in_row) in tiles.rows() {
            let rows = TileRows::<W, O>::new(call, call.rows.start + row * W::TILE);
            for column in in_row {
                let left = column * W::TILE;
                let tile = Tile { conv, rows: &rows, left, n_columns: W::TILE.min(output.width() - left) };
                let scale = scales.get(slot).copied();
                for channel in (0..conv.cout).step_by(S::LANES) {
                    let n = S::LANES.min(conv.cout - channel);
                    // SAFETY: the planes hold the channels of tile `slot`, padded to vectors, as asserted above.
                    unsafe {
                        let from = planes.as_ptr().add(slot * conv.to_stride + channel);
                        // Nearly all tiles are whole; a kind of its own spares them the questions.
                        match (tile.n_columns == W::TILE && n == S::LANES, scale) {
                            (true, Some(scale)) => {
                                tile.finish::<S, true, true>(s, channel, n, from, s.splat(scale));
                            }
                            (true, None) => tile.finish::<S, true, false>(s, channel, n, from, s.splat(1.0)),
                            (false, scale) => {
                                let scale = s.splat(scale.unwrap_or(1.0));
                                tile.finish::<S, false, true>(s, channel, n, from, scale);
                            }
                        }
                    }
                }
                slot += 1;
            }
        }
    }
}

/// Largest tile of all schemes, in rows.
const MAX_TILE: usize = MAX_PATCH - 2;

/// Where the results of a row of tiles go, and what is added to them.
struct TileRows<W, O: Stored> {
    /// The rows of the output, as many as are in the image.
    to: [*mut O::T; MAX_TILE],
    pixel_stride: usize,
    n_rows: usize,
    /// The rows of each residual, and its factor.
    residuals: Vec<([Option<RowOf>; MAX_TILE], f32)>,
    scheme: PhantomData<W>,
}

impl<W: Scheme, O: Stored> TileRows<W, O> {
    #[inline(always)]
    fn new(call: &ConvCall<'_>, top: usize) -> Self {
        let n_rows = W::TILE.min(call.rows.end - top);
        let mut to = [std::ptr::null_mut(); MAX_TILE];
        let mut pixel_stride = 0;
        for (r, to) in to.iter_mut().enumerate().take(n_rows) {
            let row = call.output.row(top + r);
            *to = row.stored_at::<O>(0);
            pixel_stride = row.pixel_stride;
        }
        let of_residual = |residual: &Residual| {
            let row = |r: usize| (r < n_rows).then(|| residual.rows.row(top + r));
            (std::array::from_fn(row), residual.scale)
        };
        let residuals = call.residuals.iter().map(of_residual).collect();
        Self { to, pixel_stride, n_rows, residuals, scheme: PhantomData }
    }
}

/// One tile.
struct Tile<'a, W, O: Stored> {
    conv: &'a WinogradConv,
    rows: &'a TileRows<W, O>,
    left: usize,
    /// Columns inside the image.
    n_columns: usize,
}

impl<W: Scheme, O: Stored> Tile<'_, W, O> {
    /// One vector of channels: `n` of them from `channel` on. `WHOLE`: all of its columns are in the image, and `n` is the
    /// vector's length. `SCALED`: it is multiplied by `scale`.
    ///
    /// # Safety
    /// A whole vector must be readable at `from` and at that place of every other plane; `n` must be no more than the
    /// vector's length and the channels left.
    #[inline(always)]
    unsafe fn finish<S: Simd, const WHOLE: bool, const SCALED: bool>(
        &self,
        s: S,
        channel: usize,
        n: usize,
        from: *const f32,
        scale: S::V,
    ) {
        let (bias, slope) = (self.conv.epilogue.bias(s, channel), self.conv.epilogue.slope(s, channel));
        let mut finish = Finish::<S, W, O, WHOLE, SCALED> { s, tile: self, channel, n, bias, slope, scale };
        // SAFETY: the caller vouches for the planes.
        unsafe { W::output_tile(s, from, self.conv.to_plane, &mut finish) };
    }
}

/// Finishes rows of a tile.
struct Finish<'a, S: Simd, W, O: Stored, const WHOLE: bool, const SCALED: bool> {
    s: S,
    tile: &'a Tile<'a, W, O>,
    channel: usize,
    /// Channels to store.
    n: usize,
    bias: S::V,
    slope: S::V,
    scale: S::V,
}

impl<S: Simd, W: Scheme, O: Stored, const WHOLE: bool, const SCALED: bool> TakeRow<S>
    for Finish<'_, S, W, O, WHOLE, SCALED>
{
    #[inline(always)]
    fn take(&mut self, r: usize, mut y: Row<S>) {
        let Self { s, tile, channel, n, bias, slope, scale } = *self;
        let rows = tile.rows;
        if r >= rows.n_rows {
            return;
        }
        for y in &mut y[..W::TILE] {
            let sum = if SCALED { s.mul_add(*y, scale, bias) } else { s.add(*y, bias) };
            *y = bend(s, sum, slope);
        }
        for (residual, factor) in &rows.residuals {
            let Some(row) = residual[r] else { continue };
            let factor = s.splat(*factor);
            for (x, y) in y.iter_mut().enumerate().take(W::TILE) {
                if WHOLE || x < tile.n_columns {
                    // SAFETY: the pixel is in the row (asserted where its address is taken) and has `cout` channels, of
                    // which n from `channel` on are read; no thread writes an input of a running step.
                    let add = unsafe {
                        match row.element {
                            Element::F32 => {
                                load::<S, Single, WHOLE>(s, row.at(tile.left + x).add(channel), n)
                            }
                            Element::F16 => {
                                let from = row.stored_at::<Half>(tile.left + x).add(channel);
                                load::<S, Half, WHOLE>(s, from, n)
                            }
                        }
                    };
                    *y = s.mul_add(factor, add, *y);
                }
            }
        }
        // SAFETY: the row has a pixel at `left`, and at the n_columns that follow, of `cout` channels, of which n from
        // `channel` on are written; each tile of a step belongs to one call.
        unsafe {
            let to = rows.to[r].add(tile.left * rows.pixel_stride + channel);
            for (x, &y) in y.iter().enumerate().take(W::TILE) {
                if WHOLE {
                    O::store(s, to.add(x * rows.pixel_stride), y);
                } else if x < tile.n_columns {
                    O::store_first(s, to.add(x * rows.pixel_stride), y, n);
                }
            }
        }
    }
}

/// # Safety
/// `n` values must be readable, a whole vector if `WHOLE`.
#[inline(always)]
unsafe fn load<S: Simd, E: Stored, const WHOLE: bool>(s: S, from: *const E::T, n: usize) -> S::V {
    // SAFETY: the caller vouches for it.
    unsafe { if WHOLE { E::load(s, from) } else { E::load_first(s, from, n) } }
}
