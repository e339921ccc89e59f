//! From planes to results.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::points::transform_output;
use super::{ConvCall, PATCH, PLANES, TILE, WinogradConv};
use crate::kernels::epilogue::bend;
use crate::simd::{Kernel, Simd};
use std::ops::Range;

/// Transforms back, adds bias, activation and residuals, and stores what lies inside the image.
pub(super) struct Transform<'a> {
    pub(super) conv: &'a WinogradConv,
    pub(super) call: &'a ConvCall<'a>,
    pub(super) tiles: Range<usize>,
    pub(super) planes: &'a [f32],
}

impl Kernel for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { conv, call, tiles, planes } = self;
        let output = &call.output;
        let tiles_x = output.width().div_ceil(TILE);
        let cout_padded = conv.cout.next_multiple_of(S::LANES);
        let plane_stride = conv.plane_stride;
        assert!(planes.len() >= PLANES * plane_stride && tiles.len() * conv.tile_stride <= plane_stride);
        assert!(cout_padded <= conv.tile_stride);
        for residual in call.residuals {
            assert!(residual.rows.channels() == conv.cout && residual.rows.width() == output.width());
        }
        for (slot, tile) in tiles.enumerate() {
            let top = call.rows.start + tile / tiles_x * TILE;
            let left = tile % tiles_x * TILE;
            let n_rows = TILE.min(call.rows.end - top);
            let n_columns = TILE.min(output.width() - left);
            let tile = Tile { top, left, n_rows, n_columns };
            let whole = conv.cout / S::LANES * S::LANES;
            for channel in (0..whole).step_by(S::LANES) {
                // SAFETY: the planes hold `cout_padded` channels of tile `slot`, as asserted above.
                unsafe {
                    let from = planes.as_ptr().add(slot * conv.tile_stride + channel);
                    finish::<S, true>(s, conv, call, tile, channel, S::LANES, from, plane_stride);
                }
            }
            if whole < conv.cout {
                // SAFETY: as above.
                unsafe {
                    let from = planes.as_ptr().add(slot * conv.tile_stride + whole);
                    finish::<S, false>(s, conv, call, tile, whole, conv.cout - whole, from, plane_stride);
                }
            }
        }
    }
}

/// Where the results of a tile go.
#[derive(Clone, Copy)]
struct Tile {
    top: usize,
    left: usize,
    /// Rows and columns inside the image, at most TILE.
    n_rows: usize,
    n_columns: usize,
}

/// One vector of channels of one tile: `n` of them from `channel` on.
///
/// # Safety
/// A whole vector must be readable at `from` and at each of the 35 addresses `plane_stride` on; `n` must be the
/// vector's length if `WHOLE`, and no more than that and the channels left otherwise.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "an inlined part of a loop body")]
unsafe fn finish<S: Simd, const WHOLE: bool>(
    s: S,
    conv: &WinogradConv,
    call: &ConvCall<'_>,
    tile: Tile,
    channel: usize,
    n: usize,
    from: *const f32,
    plane_stride: usize,
) {
    // SAFETY: the caller vouches for these addresses.
    let columns = unsafe {
        [
            column(s, from, 0, plane_stride),
            column(s, from, 1, plane_stride),
            column(s, from, 2, plane_stride),
            column(s, from, 3, plane_stride),
            column(s, from, 4, plane_stride),
            column(s, from, 5, plane_stride),
        ]
    };
    let bias = conv.epilogue.bias(s, channel);
    let slope = conv.epilogue.slope(s, channel);
    #[allow(clippy::needless_range_loop, reason = "the columns are walked across")]
    for r in 0..TILE {
        let m = [columns[0][r], columns[1][r], columns[2][r], columns[3][r], columns[4][r], columns[5][r]];
        let mut y = transform_output(s, m);
        for y in &mut y {
            *y = bend(s, s.add(*y, bias), slope);
        }
        if r >= tile.n_rows {
            continue;
        }
        for residual in call.residuals {
            let row = residual.rows.row(tile.top + r);
            let scale = s.splat(residual.scale);
            for (x, y) in y.iter_mut().enumerate() {
                if x < tile.n_columns {
                    // SAFETY: the pixel is in the row (`at` asserts it) and has `cout` channels, of which n from
                    // `channel` on are read; no thread writes an input of a running step.
                    let add = unsafe {
                        let from = row.at(tile.left + x).add(channel);
                        if WHOLE { s.load(from) } else { s.load_first(from, n) }
                    };
                    *y = s.mul_add(scale, add, *y);
                }
            }
        }
        let row = call.output.row(tile.top + r);
        for (x, y) in y.into_iter().enumerate() {
            if x < tile.n_columns {
                // SAFETY: the pixel is in the row (`at` asserts it) and has `cout` channels, of which n from
                // `channel` on are written; each tile of a step belongs to one call.
                unsafe {
                    let to = row.at(tile.left + x).add(channel);
                    if WHOLE { s.store(to, y) } else { s.store_first(to, y, n) }
                }
            }
        }
    }
}

/// Column `j` of a tile's planes, transformed.
///
/// # Safety
/// As for [`finish`].
#[inline(always)]
unsafe fn column<S: Simd>(s: S, from: *const f32, j: usize, plane_stride: usize) -> [S::V; TILE] {
    // SAFETY: the caller vouches for these addresses.
    unsafe {
        let from = from.add(j * plane_stride);
        let step = PATCH * plane_stride;
        transform_output(
            s,
            [
                s.load(from),
                s.load(from.add(step)),
                s.load(from.add(2 * step)),
                s.load(from.add(3 * step)),
                s.load(from.add(4 * step)),
                s.load(from.add(5 * step)),
            ],
        )
    }
}
