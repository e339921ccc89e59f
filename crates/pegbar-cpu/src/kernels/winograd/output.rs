//! From planes to results.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::scheme::{MAX_PATCH, Scheme};
use super::{ConvCall, WinogradConv, tile_rows};
use crate::kernels::epilogue::bend;
use crate::memory::Element;
use crate::simd::{Half, Kernel, Simd, Single, Stored};
use std::marker::PhantomData;
use std::ops::Range;

/// Transforms back, adds bias, activation and residuals, and stores what lies inside the image.
pub(super) struct Transform<'a, W, O> {
    pub(super) conv: &'a WinogradConv,
    pub(super) call: &'a ConvCall<'a>,
    pub(super) tiles: Range<usize>,
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
        for (row, in_row) in tile_rows(tiles, conv.tiles_across(output.width())) {
            for column in in_row {
                let (top, left) = (call.rows.start + row * W::TILE, column * W::TILE);
                let n_rows = W::TILE.min(call.rows.end - top);
                let n_columns = W::TILE.min(output.width() - left);
                let tile = Tile { top, left, n_rows, n_columns };
                let scale = scales.get(slot).copied();
                for channel in (0..conv.cout).step_by(S::LANES) {
                    let n = S::LANES.min(conv.cout - channel);
                    // SAFETY: the planes hold the channels of tile `slot`, padded to vectors, as asserted above.
                    unsafe {
                        let from = planes.as_ptr().add(slot * conv.to_stride + channel);
                        if n == S::LANES {
                            finish::<S, W, O, true>(s, conv, call, tile, channel, n, from, scale);
                        } else {
                            finish::<S, W, O, false>(s, conv, call, tile, channel, n, from, scale);
                        }
                    }
                }
                slot += 1;
            }
        }
    }
}

/// Where the results of a tile go.
#[derive(Clone, Copy)]
struct Tile {
    top: usize,
    left: usize,
    /// Rows and columns inside the image, at most those of the scheme's tile.
    n_rows: usize,
    n_columns: usize,
}

/// One vector of channels of one tile: `n` of them from `channel` on.
///
/// # Safety
/// A whole vector must be readable at `from` and at that place of every other plane; `n` must be the vector's length if
/// `WHOLE`, and no more than that and the channels left otherwise.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "an inlined part of a loop body")]
unsafe fn finish<S: Simd, W: Scheme, O: Stored, const WHOLE: bool>(
    s: S,
    conv: &WinogradConv,
    call: &ConvCall<'_>,
    tile: Tile,
    channel: usize,
    n: usize,
    from: *const f32,
    scale: Option<f32>,
) {
    let mut columns = [[s.splat(0.0); MAX_PATCH]; MAX_PATCH - 2];
    for j in 0..W::PATCH {
        // SAFETY: the caller vouches for these addresses.
        let at = |i: usize| unsafe { s.load(from.add((i * W::PATCH + j) * conv.to_plane)) };
        W::output(s, at, |r, v| columns[r][j] = v);
    }
    let bias = conv.epilogue.bias(s, channel);
    let slope = conv.epilogue.slope(s, channel);
    let scale = scale.map(|scale| s.splat(scale));
    for r in 0..W::TILE {
        let mut y = [s.splat(0.0); MAX_PATCH - 2];
        W::output(s, |j| columns[r][j], |x, v| y[x] = v);
        for y in &mut y[..W::TILE] {
            let sum = match scale {
                Some(scale) => s.mul_add(*y, scale, bias),
                None => s.add(*y, bias),
            };
            *y = bend(s, sum, slope);
        }
        if r >= tile.n_rows {
            continue;
        }
        for residual in call.residuals {
            let row = residual.rows.row(tile.top + r);
            let factor = s.splat(residual.scale);
            for (x, y) in y.iter_mut().enumerate().take(W::TILE) {
                if x < tile.n_columns {
                    // SAFETY: the pixel is in the row (asserted where its address is taken) and has `cout` channels, of
                    // which n from `channel` on are read; no thread writes an input of a running step.
                    let add = unsafe {
                        match row.element {
                            Element::F32 => load::<S, Single, WHOLE>(
                                s,
                                row.stored_at::<Single>(tile.left + x).add(channel),
                                n,
                            ),
                            Element::F16 => load::<S, Half, WHOLE>(
                                s,
                                row.stored_at::<Half>(tile.left + x).add(channel),
                                n,
                            ),
                        }
                    };
                    *y = s.mul_add(factor, add, *y);
                }
            }
        }
        let row = call.output.row(tile.top + r);
        for (x, &y) in y.iter().enumerate().take(W::TILE) {
            if x < tile.n_columns {
                // SAFETY: the pixel is in the row (asserted where its address is taken) and has `cout` channels, of
                // which n from `channel` on are written; each tile of a step belongs to one call.
                unsafe {
                    let to = row.stored_at::<O>(tile.left + x).add(channel);
                    if WHOLE { O::store(s, to, y) } else { O::store_first(s, to, y, n) }
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
