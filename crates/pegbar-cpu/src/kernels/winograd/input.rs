//! From input patches to planes.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::points::transform_input;
use super::{ConvCall, PATCH, PLANES, TILE, WinogradConv};
use crate::simd::{Kernel, Simd};
use std::ops::Range;

/// Transforms the patches of some tiles: `planes[plane][tile][channel]`.
pub(super) struct Transform<'a> {
    pub(super) conv: &'a WinogradConv,
    pub(super) call: &'a ConvCall<'a>,
    pub(super) tiles: Range<usize>,
    pub(super) planes: &'a mut [f32],
    /// Room for one patch, used at the borders of the image.
    pub(super) patch: &'a mut [f32],
}

impl Kernel for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { conv, call, tiles, planes, patch } = self;
        let input = &call.input;
        let [pad_top, pad_left] = conv.padding;
        let tiles_x = call.output.width().div_ceil(TILE);
        // Rows from here on are outside the image, or not made yet and not needed by any row of this call.
        let rows_end = (call.rows.end + 2).saturating_sub(pad_top).min(input.height());
        assert!(
            planes.len() >= PLANES * conv.plane_stride && tiles.len() * conv.tile_stride <= conv.plane_stride
        );
        assert!(conv.cin_padded <= conv.tile_stride && conv.cin_padded.is_multiple_of(S::LANES));
        assert!(patch.len() >= PLANES * conv.cin_padded);
        let whole = conv.cin / S::LANES * S::LANES;
        for (slot, tile) in tiles.enumerate() {
            let top = (call.rows.start + tile / tiles_x * TILE) as isize - pad_top as isize;
            let left = (tile % tiles_x * TILE) as isize - pad_left as isize;
            let inside = top >= 0
                && top as usize + PATCH <= rows_end
                && left >= 0
                && left as usize + PATCH <= input.width();
            let mut lines = [std::ptr::null::<f32>(); PATCH];
            let pixel_stride;
            if inside {
                for (r, line) in lines.iter_mut().enumerate() {
                    let row = input.row(top as usize + r);
                    *line = row.at(left as usize);
                }
                pixel_stride = input.row(top as usize).pixel_stride;
            } else {
                gather(conv, call, top, left, rows_end, patch);
                for (r, line) in lines.iter_mut().enumerate() {
                    *line = patch[r * PATCH * conv.cin_padded..].as_ptr();
                }
                pixel_stride = conv.cin_padded;
            }
            for channel in (0..whole).step_by(S::LANES) {
                // SAFETY: each line has PATCH pixels of at least `cin` channels, `pixel_stride` apart: in the image
                // because the patch is inside it, in `patch` because that holds PLANES pixels. No thread writes the
                // input of a running step. The planes have room for `cin_padded` channels of every tile, as asserted.
                unsafe {
                    let to = planes.as_mut_ptr().add(slot * conv.tile_stride + channel);
                    transform_channels::<S, true>(
                        s,
                        &lines,
                        pixel_stride,
                        channel,
                        S::LANES,
                        to,
                        conv.plane_stride,
                    );
                }
            }
            if whole < conv.cin {
                // SAFETY: as above; only the channels below `cin` are read, and whole vectors are written because
                // `cin_padded` is a multiple of the vector.
                unsafe {
                    let to = planes.as_mut_ptr().add(slot * conv.tile_stride + whole);
                    let n = conv.cin - whole;
                    transform_channels::<S, false>(s, &lines, pixel_stride, whole, n, to, conv.plane_stride);
                }
            }
        }
    }
}

/// Copies a patch that leaves the image, with zeros for what is outside.
#[inline(never)]
fn gather(
    conv: &WinogradConv,
    call: &ConvCall<'_>,
    top: isize,
    left: isize,
    rows_end: usize,
    patch: &mut [f32],
) {
    patch.fill(0.0);
    for r in 0..PATCH {
        let y = top + r as isize;
        if y < 0 || y as usize >= rows_end {
            continue;
        }
        let row = call.input.row(y as usize);
        for c in 0..PATCH {
            let x = left + c as isize;
            if x >= 0 && (x as usize) < row.width {
                // SAFETY: no thread writes the input of a running step.
                let pixel = unsafe { row.pixels(x as usize, 1) };
                patch[(r * PATCH + c) * conv.cin_padded..][..pixel.len()].copy_from_slice(pixel);
            }
        }
    }
}

/// One vector of channels of one patch.
///
/// # Safety
/// `lines[0..6][x * pixel_stride + channel..][..n]` must be readable for `x` in `0..6`, a whole vector at `to` and
/// at each of the 35 addresses `plane_stride` on must be writable, and `n` must be the vector's length if `WHOLE`.
#[inline(always)]
unsafe fn transform_channels<S: Simd, const WHOLE: bool>(
    s: S,
    lines: &[*const f32; PATCH],
    pixel_stride: usize,
    channel: usize,
    n: usize,
    to: *mut f32,
    plane_stride: usize,
) {
    // SAFETY: the caller vouches for these addresses.
    let columns = unsafe {
        [
            column::<S, WHOLE>(s, lines, channel, n),
            column::<S, WHOLE>(s, lines, pixel_stride + channel, n),
            column::<S, WHOLE>(s, lines, 2 * pixel_stride + channel, n),
            column::<S, WHOLE>(s, lines, 3 * pixel_stride + channel, n),
            column::<S, WHOLE>(s, lines, 4 * pixel_stride + channel, n),
            column::<S, WHOLE>(s, lines, 5 * pixel_stride + channel, n),
        ]
    };
    // The next tile begins four pixels on; what it has not in common with this one arrives meanwhile.
    for line in lines {
        for x in PATCH..PATCH + TILE {
            s.prefetch(line.wrapping_add(x * pixel_stride + channel));
        }
    }
    #[allow(clippy::needless_range_loop, reason = "the columns are walked across")]
    for i in 0..PATCH {
        let row = [columns[0][i], columns[1][i], columns[2][i], columns[3][i], columns[4][i], columns[5][i]];
        for (j, v) in transform_input(s, row).into_iter().enumerate() {
            // SAFETY: the caller vouches for these addresses.
            unsafe { s.store(to.add((i * PATCH + j) * plane_stride), v) };
        }
    }
}

/// Column of a patch, `offset` floats from the start of its lines, transformed.
///
/// # Safety
/// As for [`transform_channels`].
#[inline(always)]
unsafe fn column<S: Simd, const WHOLE: bool>(
    s: S,
    lines: &[*const f32; PATCH],
    offset: usize,
    n: usize,
) -> [S::V; PATCH] {
    // SAFETY: the caller vouches for these addresses.
    unsafe {
        transform_input(
            s,
            [
                load::<S, WHOLE>(s, lines[0].add(offset), n),
                load::<S, WHOLE>(s, lines[1].add(offset), n),
                load::<S, WHOLE>(s, lines[2].add(offset), n),
                load::<S, WHOLE>(s, lines[3].add(offset), n),
                load::<S, WHOLE>(s, lines[4].add(offset), n),
                load::<S, WHOLE>(s, lines[5].add(offset), n),
            ],
        )
    }
}

/// A whole vector, or its first `n` values.
///
/// # Safety
/// They must be readable.
#[inline(always)]
unsafe fn load<S: Simd, const WHOLE: bool>(s: S, from: *const f32, n: usize) -> S::V {
    // SAFETY: the caller vouches for the address.
    unsafe { if WHOLE { s.load(from) } else { s.load_first(from, n) } }
}
