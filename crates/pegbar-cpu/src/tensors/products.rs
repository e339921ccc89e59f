//! Matrix products.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::nets::Found;
use crate::CpuError;
use crate::memory::AlignedBuffer;
use crate::program::Settings;
use crate::rows_net::RowsNet;
use crate::simd::{Isa, Kernel, Simd, dispatch};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A matrix `[k, n]` in panels of two vectors of columns, for the vectors of one instruction set.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) k: usize,
    pub(crate) n: usize,
    data: AlignedBuffer,
}

/// Columns in a panel.
pub(crate) fn panel_columns(isa: Isa) -> usize {
    2 * isa.geometry().lanes
}

/// Floats that a packed matrix takes.
pub(crate) fn packed_len(isa: Isa, k: usize, n: usize) -> usize {
    n.next_multiple_of(panel_columns(isa)) * k
}

impl Packed {
    pub(crate) fn new(isa: Isa, matrix: &[f32], k: usize, n: usize) -> Result<Self, CpuError> {
        let mut data = AlignedBuffer::zeroed(packed_len(isa, k, n))?;
        pack(isa, matrix, k, n, data.as_mut_slice());
        Ok(Self { k, n, data })
    }

    pub(crate) fn panels(&self) -> &[f32] {
        self.data.as_slice()
    }
}

/// Puts a row-major matrix `[k, n]` into panels.
pub(crate) fn pack(isa: Isa, matrix: &[f32], k: usize, n: usize, to: &mut [f32]) {
    let columns = panel_columns(isa);
    assert!(matrix.len() >= k * n && to.len() >= packed_len(isa, k, n));
    for (panel, to) in to.chunks_exact_mut((columns * k).max(1)).take(n.div_ceil(columns)).enumerate() {
        let first = panel * columns;
        let filled = columns.min(n - first);
        for (row, to) in matrix.chunks_exact(n).zip(to.chunks_exact_mut(columns)) {
            to[..filled].copy_from_slice(&row[first..first + filled]);
            to[filled..].fill(0.0);
        }
    }
}

/// The values of a weight.
type Weight = Arc<Vec<f32>>;
/// A net, and its weights, which the key names by where they are.
type KeptNet = (Vec<Weight>, Arc<RowsNet>);

/// Packed weights by where their values are, and those values, so that they stay there; nets by their nodes and weights.
#[derive(Debug, Default)]
pub(crate) struct Packs {
    known: Mutex<HashMap<usize, (Weight, Arc<Packed>)>>,
    nets: Mutex<HashMap<String, KeptNet>>,
}

impl Packs {
    /// The packed form of a weight `[k, n]`.
    pub(crate) fn get(
        &self,
        isa: Isa,
        weight: &Arc<Vec<f32>>,
        k: usize,
        n: usize,
    ) -> Result<Arc<Packed>, CpuError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Arc::as_ptr(weight) as usize;
        if let Some((_, packed)) = known.get(&key).filter(|(_, packed)| packed.k == k && packed.n == n) {
            return Ok(Arc::clone(packed));
        }
        let packed = Arc::new(Packed::new(isa, weight, k, n)?);
        known.insert(key, (Arc::clone(weight), Arc::clone(&packed)));
        Ok(packed)
    }
}

impl Packs {
    /// The compiled form of a net.
    pub(crate) fn net(&self, found: &Found, settings: &Settings) -> Result<Arc<RowsNet>, CpuError> {
        let mut known = self.nets.lock().unwrap_or_else(PoisonError::into_inner);
        let places: Vec<usize> = found.weights.iter().map(|weight| Arc::as_ptr(weight) as usize).collect();
        let key = format!("{:?} {places:?}", found.net.nodes);
        if let Some((_, net)) = known.get(&key) {
            return Ok(Arc::clone(net));
        }
        let net = Arc::new(RowsNet::new(&found.net, settings.clone())?);
        known.insert(key, (found.weights.clone(), Arc::clone(&net)));
        Ok(net)
    }
}

/// `to = a * b + bias`: `a` is `[m, k]`, `b` is `[k, n]` in panels, `to` is `[m, n]`, both row-major.
pub(crate) struct Product<'a> {
    pub(crate) a: &'a [f32],
    pub(crate) b: &'a [f32],
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) to: &'a mut [f32],
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
}

pub(crate) fn multiply(isa: Isa, product: Product<'_>) {
    let Product { a, b, bias, to, m, k, n } = &product;
    assert!(a.len() >= m * k && to.len() >= m * n && b.len() >= packed_len(isa, *k, *n));
    assert!(bias.is_none_or(|bias| bias.len() >= *n));
    dispatch(isa, product);
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { a, b, bias, to, m, k, n } = self;
        let panel = 2 * S::LANES;
        // Long sums in parts: rows of a wide matrix are far apart, and their neighbourhood has to stay in the cache.
        for (part, first) in
            (0..k.div_ceil(DEPTH).max(1)).flat_map(|p| (0..n).step_by(panel).map(move |f| (p, f)))
        {
            let b = &b[first * k..][..panel * k];
            let columns = panel.min(n - first);
            let wide = columns > S::LANES;
            let from = part * DEPTH;
            let mut row = 0;
            while row < m {
                let left = m - row;
                let place = Place { row, first, columns, k, n, from, end: (from + DEPTH).min(k) };
                row += match (wide, S::REGISTERS >= 32) {
                    (true, true) if left >= 12 => block::<S, 12, 2>(s, a, b, bias, to, place),
                    (true, true) if left >= 8 => block::<S, 8, 2>(s, a, b, bias, to, place),
                    (true, _) if left >= 6 => block::<S, 6, 2>(s, a, b, bias, to, place),
                    (true, _) if left >= 4 => block::<S, 4, 2>(s, a, b, bias, to, place),
                    (true, _) => block::<S, 1, 2>(s, a, b, bias, to, place),
                    (false, true) if left >= 16 => block::<S, 16, 1>(s, a, b, bias, to, place),
                    (false, _) if left >= 8 => block::<S, 8, 1>(s, a, b, bias, to, place),
                    (false, _) if left >= 4 => block::<S, 4, 1>(s, a, b, bias, to, place),
                    (false, _) => block::<S, 1, 1>(s, a, b, bias, to, place),
                };
            }
        }
    }
}

/// Where a block of the result is: rows from `row` on, `columns` columns from `first` on.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    first: usize,
    columns: usize,
    k: usize,
    n: usize,
    /// The products that are summed now.
    from: usize,
    end: usize,
}

/// Products that are summed at once.
const DEPTH: usize = 512;

/// `R` rows of a panel of `V` vectors; returns R.
#[inline(always)]
fn block<S: Simd, const R: usize, const V: usize>(
    s: S,
    a: &[f32],
    b: &[f32],
    bias: Option<&[f32]>,
    to: &mut [f32],
    Place { row, first, columns, k, n, from, end }: Place,
) -> usize {
    let lanes = |v: usize| S::LANES.min(columns - v * S::LANES);
    assert!((row + R) * k <= a.len() && (row + R) * n <= to.len() && b.len() >= 2 * S::LANES * k);
    assert!(columns > (V - 1) * S::LANES && columns <= V * S::LANES && first + columns <= n);
    let mut start = [s.splat(0.0); V];
    if let Some(bias) = bias.filter(|_| from == 0) {
        assert!(bias.len() >= n);
        for (v, start) in start.iter_mut().enumerate() {
            // SAFETY: the columns of the panel lie in the bias, as asserted.
            *start = unsafe { s.load_first(bias.as_ptr().add(first + v * S::LANES), lanes(v)) };
        }
    }
    let mut sums = [start; R];
    if from > 0 {
        for (r, sums) in sums.iter_mut().enumerate() {
            for (v, sum) in sums.iter_mut().enumerate() {
                // SAFETY: the block lies in the result, as asserted.
                *sum =
                    unsafe { s.load_first(to.as_ptr().add((row + r) * n + first + v * S::LANES), lanes(v)) };
            }
        }
    }
    assert!(end <= k);
    for i in from..end {
        // SAFETY: rows of `a` and of the panel lie in their slices, as asserted.
        unsafe {
            let from = b.as_ptr().add(i * 2 * S::LANES);
            let mut y = [s.splat(0.0); V];
            for (v, y) in y.iter_mut().enumerate() {
                *y = s.load(from.add(v * S::LANES));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = s.splat(a.as_ptr().add((row + r) * k + i).read());
                for v in 0..V {
                    sums[v] = s.mul_add(x, y[v], sums[v]);
                }
            }
        }
    }
    // A copy, so that the sums above are only ever named by constants and stay in registers.
    let done = sums;
    for (r, sums) in done.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            // SAFETY: the block lies in the result, as asserted.
            unsafe {
                s.store_first(to.as_mut_ptr().add((row + r) * n + first + v * S::LANES), sum, lanes(v))
            };
        }
    }
    R
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CpuLevel;

    #[test]
    fn products_equal_sums_at_every_level() {
        let values = |n: usize, seed: usize| -> Vec<f32> {
            (0..n).map(|i| ((i * 7919 + seed * 31) % 101) as f32 / 50.0 - 1.0).collect()
        };
        for isa in CpuLevel::available().into_iter().flat_map(Isa::all) {
            for (m, k, n) in
                [(1, 1, 1), (13, 10, 64), (64, 64, 10), (27, 60, 180), (5, 3, 33), (12, 0, 7), (13, 1100, 35)]
            {
                let (a, b, bias) = (values(m * k, 1), values(k * n, 2), values(n, 3));
                let packed = Packed::new(isa, &b, k, n).expect("memory");
                let mut to = vec![0.0; m * n];
                multiply(isa, Product { a: &a, b: packed.panels(), bias: Some(&bias), to: &mut to, m, k, n });
                for (i, &found) in to.iter().enumerate() {
                    let (row, column) = (i / n, i % n);
                    let sum: f32 =
                        (0..k).map(|j| a[row * k + j] * b[j * n + column]).sum::<f32>() + bias[column];
                    assert!(
                        (found - sum).abs() < 1e-4 * (k as f32).max(1.0).sqrt(),
                        "{isa:?} {m} {k} {n}: {found} for {sum}"
                    );
                }
            }
        }
    }
}
