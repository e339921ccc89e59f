//! Products of small matrices whose rows are pixels: blocks of accumulators stay in registers while all products are
//! summed.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use crate::memory::LINE;
use crate::simd::Simd;

/// Floats from one row of a packed matrix of `n` columns to the next.
pub(crate) fn packed_stride(n: usize) -> usize {
    n.next_multiple_of(LINE)
}

/// Runs `block::<rows, vectors>` over a matrix of results: as large blocks as the registers hold, smaller ones at the
/// ends.
macro_rules! tiles {
    ($S:ident, $rows:expr, $columns:expr, $block:ident($($argument:expr),*)) => {{
        let mut column = 0;
        while column < $columns {
            let wide = $columns - column > $S::LANES;
            let mut row = 0;
            while row < $rows {
                let left = $rows - row;
                row += match (wide, $S::REGISTERS >= 32) {
                    (true, true) if left >= 12 => { $block::<$S, 12, 2>($($argument,)* row, column); 12 }
                    (true, _) if left >= 5 => { $block::<$S, 5, 2>($($argument,)* row, column); 5 }
                    (true, _) => { $block::<$S, 1, 2>($($argument,)* row, column); 1 }
                    (false, true) if left >= 16 => { $block::<$S, 16, 1>($($argument,)* row, column); 16 }
                    (false, _) if left >= 8 => { $block::<$S, 8, 1>($($argument,)* row, column); 8 }
                    (false, _) => { $block::<$S, 1, 1>($($argument,)* row, column); 1 }
                };
            }
            column += if wide { 2 * $S::LANES } else { $S::LANES };
        }
    }};
}

/// `sums[a][b] += a-th channel of left * b-th channel of right`, summed over pixels, for `n` channels from `first`
/// on of each; rows of `sums` are [`packed_stride`] apart.
///
/// # Safety
/// Both lists point at pixels that have these channels and that no thread writes.
#[inline(always)]
pub(crate) unsafe fn add_products_over_pixels<S: Simd>(
    s: S,
    left: &[*const f32],
    right: &[*const f32],
    first: usize,
    n: usize,
    sums: &mut [f32],
) {
    assert!(left.len() == right.len() && sums.len() >= n * packed_stride(n));
    tiles!(S, n, n, products(s, left, right, first, n, sums));
}

#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a block of a loop nest")]
fn products<S: Simd, const A: usize, const V: usize>(
    s: S,
    left: &[*const f32],
    right: &[*const f32],
    first: usize,
    n: usize,
    sums: &mut [f32],
    row: usize,
    column: usize,
) {
    assert!(row + A <= n && column + (V - 1) * S::LANES < n && sums.len() >= n * packed_stride(n));
    let last_lanes = S::LANES.min(n - column - (V - 1) * S::LANES);
    let mut block = [[s.splat(0.0); V]; A];
    for (&left, &right) in left.iter().zip(right) {
        // SAFETY: rows and columns are below n, as asserted, and the caller of `add_products_over_pixels` vouches for
        // n channels from `first` on.
        unsafe {
            let (left, right) = (left.add(first + row), right.add(first + column));
            let mut y = [s.splat(0.0); V];
            for (v, y) in y.iter_mut().enumerate() {
                *y = if v + 1 == V && last_lanes < S::LANES {
                    s.load_first(right.add(v * S::LANES), last_lanes)
                } else {
                    s.load(right.add(v * S::LANES))
                };
            }
            for (a, block) in block.iter_mut().enumerate() {
                let x = s.splat(left.add(a).read());
                for v in 0..V {
                    block[v] = s.mul_add(x, y[v], block[v]);
                }
            }
        }
    }
    // A copy, so that the sums above are only ever named by constants and stay in registers.
    let done = block;
    let stride = packed_stride(n);
    for (a, block) in done.iter().enumerate() {
        for (v, &sum) in block.iter().enumerate() {
            // SAFETY: a row has room for whole vectors, as its stride is a multiple of every vector's length and the
            // column is below n; all rows lie in `sums`, as asserted.
            unsafe {
                let to = sums.as_mut_ptr().add((row + a) * stride + column + v * S::LANES);
                s.store(to, s.add(s.load(to.cast_const()), sum));
            }
        }
    }
}

/// `to[p][first + a] = sum over b of matrix[b][a] * from[p][first + b]`, for `n` channels; rows of the matrix are
/// [`packed_stride`] apart.
///
/// # Safety
/// The lists point at pixels that have these channels; no thread writes those of `from`, or touches those of `to`.
#[inline(always)]
pub(crate) unsafe fn multiply_pixels<S: Simd>(
    s: S,
    from: &[*const f32],
    to: &[*mut f32],
    first: usize,
    n: usize,
    matrix: &[f32],
) {
    assert!(from.len() == to.len() && matrix.len() >= n * packed_stride(n));
    tiles!(S, from.len(), n, mixes(s, from, to, first, n, matrix));
}

#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "a block of a loop nest")]
fn mixes<S: Simd, const P: usize, const V: usize>(
    s: S,
    from: &[*const f32],
    to: &[*mut f32],
    first: usize,
    n: usize,
    matrix: &[f32],
    row: usize,
    column: usize,
) {
    assert!(row + P <= from.len() && row + P <= to.len() && column + (V - 1) * S::LANES < n);
    let stride = packed_stride(n);
    assert!(matrix.len() >= n * stride);
    let last_lanes = S::LANES.min(n - column - (V - 1) * S::LANES);
    let mut block = [[s.splat(0.0); V]; P];
    for b in 0..n {
        // SAFETY: rows of the matrix have room for whole vectors; the caller of `multiply_pixels` vouches for n
        // channels from `first` on.
        unsafe {
            let matrix = matrix.as_ptr().add(b * stride + column);
            let mut y = [s.splat(0.0); V];
            for (v, y) in y.iter_mut().enumerate() {
                *y = s.load(matrix.add(v * S::LANES));
            }
            for (p, block) in block.iter_mut().enumerate() {
                let x = s.splat(from[row + p].add(first + b).read());
                for v in 0..V {
                    block[v] = s.mul_add(x, y[v], block[v]);
                }
            }
        }
    }
    // As in `products`.
    let done = block;
    for (p, block) in done.iter().enumerate() {
        for (v, &sum) in block.iter().enumerate() {
            let lanes = if v + 1 == V { last_lanes } else { S::LANES };
            // SAFETY: the channels are below n, for which the caller of `multiply_pixels` vouches.
            unsafe { s.store_first(to[row + p].add(first + column + v * S::LANES), sum, lanes) };
        }
    }
}
