//! The local statistics behind SSIM: means, variances and covariance under a Gaussian window.

use std::sync::LazyLock;

use rayon::prelude::*;

/// Width of the window in pixels.
pub(super) const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// `(K1 L)^2` and `(K2 L)^2` for a peak L of 1.
const C1: f32 = 0.01 * 0.01;
const C2: f32 = 0.03 * 0.03;

/// The window is this row times itself as a column; the sum is 1.
static KERNEL: LazyLock<[f32; WINDOW]> = LazyLock::new(|| {
    let centre = (WINDOW / 2) as f64;
    let raw: [f64; WINDOW] =
        std::array::from_fn(|i| (-(i as f64 - centre).powi(2) / (2.0 * SIGMA * SIGMA)).exp());
    let sum: f64 = raw.iter().sum();
    raw.map(|weight| (weight / sum) as f32)
});

/// Means over one channel at one scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Structure {
    /// Luminance, contrast and structure.
    pub(super) ssim: f64,
    /// Contrast and structure alone.
    pub(super) contrast_structure: f64,
}

impl Structure {
    /// Of two planes of one size, at least [`WINDOW`] in width and height.
    pub(super) fn of(a: &[f32], b: &[f32], width: usize) -> Self {
        let n_rows = a.len() / width + 1 - WINDOW;
        let n_columns = width + 1 - WINDOW;
        // Sums by row, added up in order: the same bits on any number of threads.
        let rows: Vec<(f64, f64)> = (0..n_rows)
            .into_par_iter()
            .map_init(
                || Moments::new(width),
                |moments, y| {
                    let window = y * width..(y + WINDOW) * width;
                    moments.fill(&a[window.clone()], &b[window], width);
                    moments.similarity()
                },
            )
            .collect();
        let n = (n_rows * n_columns) as f64;
        Self {
            ssim: rows.iter().map(|(ssim, _)| ssim).sum::<f64>() / n,
            contrast_structure: rows.iter().map(|(_, cs)| cs).sum::<f64>() / n,
        }
    }
}

/// Windowed moments along one row. Only the sum of the two variances enters SSIM, so four maps are enough.
struct Moments {
    /// Means of a, b, `a^2 + b^2` and `a b` under the window's column.
    columns: [Vec<f32>; 4],
    /// The same under the whole window.
    windows: [Vec<f32>; 4],
}

impl Moments {
    fn new(width: usize) -> Self {
        let n_columns = width + 1 - WINDOW;
        Self {
            columns: std::array::from_fn(|_| vec![0.0; width]),
            windows: std::array::from_fn(|_| vec![0.0; n_columns]),
        }
    }

    /// From `WINDOW` rows of both planes.
    fn fill(&mut self, a: &[f32], b: &[f32], width: usize) {
        let [mean_a, mean_b, squares, products] = &mut self.columns;
        for moments in [&mut *mean_a, mean_b, squares, products] {
            moments.fill(0.0);
        }
        for ((a, b), &weight) in a.chunks_exact(width).zip(b.chunks_exact(width)).zip(&*KERNEL) {
            let (mean_a, mean_b) = (&mut mean_a[..width], &mut mean_b[..width]);
            let (squares, products) = (&mut squares[..width], &mut products[..width]);
            for x in 0..width {
                mean_a[x] += weight * a[x];
                mean_b[x] += weight * b[x];
                squares[x] += weight * (a[x] * a[x] + b[x] * b[x]);
                products[x] += weight * (a[x] * b[x]);
            }
        }
        for (window, column) in self.windows.iter_mut().zip(&self.columns) {
            window.fill(0.0);
            for (shift, &weight) in KERNEL.iter().enumerate() {
                for (sum, moment) in window.iter_mut().zip(&column[shift..]) {
                    *sum += weight * moment;
                }
            }
        }
    }

    /// Sums over the row of SSIM and of its contrast-structure part.
    fn similarity(&self) -> (f64, f64) {
        let [mean_a, mean_b, squares, products] = &self.windows;
        let mut sums = (0.0, 0.0);
        for (((&a, &b), &square), &product) in mean_a.iter().zip(mean_b).zip(squares).zip(products) {
            let (means_squared, means_product) = (a * a + b * b, a * b);
            let luminance = (2.0 * means_product + C1) / (means_squared + C1);
            let contrast_structure = (2.0 * (product - means_product) + C2) / (square - means_squared + C2);
            sums.0 += f64::from(luminance * contrast_structure);
            sums.1 += f64::from(contrast_structure);
        }
        sums
    }
}

/// The plane at half size, each sample the mean of 2 x 2; an odd last row or column is left out.
pub(super) fn half_size(plane: &[f32], width: usize) -> Vec<f32> {
    let mut half = Vec::with_capacity(plane.len() / 4);
    for rows in plane.chunks_exact(2 * width) {
        let (top, bottom) = rows.split_at(width);
        let (top, bottom) = (top.as_chunks::<2>().0, bottom.as_chunks::<2>().0);
        half.extend(top.iter().zip(bottom).map(|(t, b)| 0.25 * (t[0] + t[1] + b[0] + b[1])));
    }
    half
}
