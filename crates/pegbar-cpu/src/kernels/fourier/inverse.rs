//! From frequencies to results.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::FourierConv;
use super::series::{Complex, Series, load, store, transform};
use crate::kernels::epilogue::bend;
use crate::kernels::tiles::Tiles;
use crate::kernels::winograd::ConvCall;
use crate::memory::Element;
use crate::simd::{Half, Kernel, Simd, Stored};
use std::marker::PhantomData;
use std::ops::Range;

/// Transforms back, adds bias, activation and residuals, and stores what lies inside the image.
pub(super) struct Inverse<'a, O, const N: usize> {
    pub(super) conv: &'a FourierConv,
    pub(super) call: &'a ConvCall<'a>,
    pub(super) pairs: &'a Tiles,
    pub(super) planes: &'a [f32],
    /// Room for a pair whose columns are transformed.
    pub(super) tile: &'a mut [f32],
    pub(super) between: &'a mut [f32],
    /// Room for a row of both tiles.
    pub(super) line: &'a mut [f32],
    pub(super) element: PhantomData<O>,
}

impl<O: Stored, const N: usize> Kernel for Inverse<'_, O, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { conv, call, pairs, planes, tile, between, line, .. } = self;
        let (cout, width, [rows, columns]) = (conv.shape.cout, call.output.width(), conv.tile);
        let tile_row = super::tile_row(N, S::LANES);
        assert!(conv.side == N && call.output.channels() == cout && rows <= N && columns <= N);
        assert!(tile.len() >= N * tile_row && between.len() >= super::series::between_floats(N, S::LANES));
        assert!(line.len() >= 2 * N * S::LANES);
        assert!(planes.len() >= N * conv.plane_row && N * conv.plane <= conv.plane_row);
        assert!(pairs.len() * 2 * conv.half <= conv.plane);
        assert!(cout.next_multiple_of(S::LANES) <= conv.half);
        let mut slot = 0;
        for (row, in_row) in pairs.rows() {
            let top = call.rows.start + row * rows;
            let n_rows = rows.min(call.rows.end - top);
            for column in in_row {
                let left = column * 2 * columns;
                for channel in (0..cout).step_by(S::LANES) {
                    for x in 0..N {
                        // SAFETY: the room and the planes hold N numbers in each column, as asserted.
                        unsafe {
                            let from = planes.as_ptr().add(x * conv.plane + slot * 2 * conv.half + channel);
                            let to = tile.as_mut_ptr().add(x * 2 * S::LANES);
                            let (plane_row, half) = (conv.plane_row, conv.half);
                            let mut column = Column { from, plane_row, half, to, tile_row, end: n_rows };
                            transform::<S, _, N>(s, &conv.turns, between.as_mut_ptr(), &mut column);
                        }
                    }
                    for r in 0..n_rows {
                        // SAFETY: the room has N rows of N pairs of vectors, and the line two of N vectors.
                        unsafe {
                            let from = tile.as_ptr().add(r * tile_row);
                            let to = line.as_mut_ptr();
                            let mut pixels = Pixels { from, to, end: columns };
                            transform::<S, _, N>(s, &conv.turns, between.as_mut_ptr(), &mut pixels);
                        }
                        for (i, left) in [left, left + columns].into_iter().enumerate() {
                            let columns = left.min(width)..(left + columns).min(width);
                            finish::<S, O>(s, conv, call, top + r, columns, channel, &line[i * S::LANES..]);
                        }
                    }
                }
                slot += 1;
            }
        }
    }
}

/// Adds what follows to some columns of a row, a vector of channels from `channel` on, and stores them. `line` holds a vector
/// for each column, two vectors apart.
#[inline(always)]
fn finish<S: Simd, O: Stored>(
    s: S,
    conv: &FourierConv,
    call: &ConvCall<'_>,
    y: usize,
    columns: Range<usize>,
    channel: usize,
    line: &[f32],
) {
    let n = S::LANES.min(conv.shape.cout - channel);
    let (bias, slope) = (conv.epilogue.bias(s, channel), conv.epilogue.slope(s, channel));
    let output = call.output.row(y);
    if columns.is_empty() {
        return;
    }
    assert!(line.len() >= (2 * columns.len() - 1) * S::LANES);
    for (i, x) in columns.enumerate() {
        // SAFETY: the line has a vector there, as asserted.
        let sum = unsafe { s.load(line.as_ptr().add(2 * i * S::LANES)) };
        let mut sum = bend(s, s.add(sum, bias), slope);
        for residual in call.residuals {
            assert_eq!(residual.rows.channels(), conv.shape.cout);
            let row = residual.rows.row(y);
            // SAFETY: the pixel is in the row (`at` asserts it), and n channels from `channel` on are within `cout`; no thread
            // writes an input of a running step.
            let add = unsafe {
                match row.element {
                    Element::F32 => s.load_first(row.at(x).add(channel), n),
                    Element::F16 => s.load_half_first(row.stored_at::<Half>(x).add(channel), n),
                }
            };
            sum = s.mul_add(s.splat(residual.scale), add, sum);
        }
        // SAFETY: the pixel is in the row (`stored_at` asserts it), and n channels from `channel` on are within `cout`; each
        // tile of a step belongs to one call.
        unsafe {
            let to = output.stored_at::<O>(x).add(channel);
            if n == S::LANES { O::store(s, to, sum) } else { O::store_first(s, to, sum, n) }
        }
    }
}

/// A column of frequencies. What is read and written is imaginary first, which makes the transform the inverse one.
///
/// It may be transformed if N numbers can be read at `from`, and as many as rows are wanted be written at `to`, `tile_row`
/// floats apart.
struct Column {
    from: *const f32,
    plane_row: usize,
    half: usize,
    to: *mut f32,
    tile_row: usize,
    /// Rows that are wanted.
    end: usize,
}

impl<S: Simd> Series<S> for Column {
    #[inline(always)]
    unsafe fn get(&mut self, s: S, n: usize) -> Complex<S::V> {
        // SAFETY: as the caller vouches.
        unsafe {
            let from = self.from.add(n * self.plane_row);
            [s.load(from.add(self.half)), s.load(from)]
        }
    }

    #[inline(always)]
    unsafe fn put(&mut self, s: S, k: usize, value: Complex<S::V>) {
        if k < self.end {
            // SAFETY: as the caller vouches.
            unsafe { store(s, self.to.add(k * self.tile_row), value) }
        }
    }
}

/// A row whose columns have been transformed, imaginary first; results of the first tile and the second by turns.
///
/// It may be transformed if N numbers can be read at `from`, and as many as columns are wanted be written at `to`.
struct Pixels {
    from: *const f32,
    to: *mut f32,
    /// Columns that are wanted.
    end: usize,
}

impl<S: Simd> Series<S> for Pixels {
    #[inline(always)]
    unsafe fn get(&mut self, s: S, n: usize) -> Complex<S::V> {
        // SAFETY: as the caller vouches.
        unsafe { load(s, self.from.add(n * 2 * S::LANES)) }
    }

    #[inline(always)]
    unsafe fn put(&mut self, s: S, k: usize, value: Complex<S::V>) {
        if k < self.end {
            // SAFETY: as the caller vouches.
            unsafe { store(s, self.to.add(k * 2 * S::LANES), [value[1], value[0]]) }
        }
    }
}
