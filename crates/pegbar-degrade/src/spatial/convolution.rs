//! Convolution of a plane with a separable kernel; beyond its edges the plane goes on with its outermost samples.

/// Weights of a Gaussian with the given deviation in px, to three deviations, sum 1. One weight where the deviation is 0.
pub(super) fn gaussian(sigma_px: f32) -> Vec<f32> {
    if sigma_px < 0.05 {
        return vec![1.0];
    }
    let reach = (3.0 * sigma_px).ceil() as i32;
    let weights = (-reach..=reach).map(|i| (-0.5 * (i as f32 / sigma_px).powi(2)).exp());
    normalised(weights.collect())
}

/// The weights divided by their sum.
pub(super) fn normalised(weights: Vec<f32>) -> Vec<f32> {
    let sum: f32 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

/// Rows and columns with one kernel of odd length.
pub(super) fn convolve(plane: &[f32], width: usize, kernel: &[f32]) -> Vec<f32> {
    convolve_columns(&convolve_rows(plane, width, kernel), width, kernel)
}

/// Each row with a kernel of odd length.
pub(super) fn convolve_rows(plane: &[f32], width: usize, kernel: &[f32]) -> Vec<f32> {
    let reach = kernel.len() / 2;
    let mut padded = vec![0.0; width + 2 * reach];
    let mut out = vec![0.0; plane.len()];
    for (row, target) in plane.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        padded[..reach].fill(row[0]);
        padded[reach..reach + width].copy_from_slice(row);
        padded[reach + width..].fill(row[width - 1]);
        for (k, weight) in kernel.iter().enumerate() {
            for (t, s) in target.iter_mut().zip(&padded[k..]) {
                *t += weight * s;
            }
        }
    }
    out
}

/// Each column with a kernel of odd length.
pub(super) fn convolve_columns(plane: &[f32], width: usize, kernel: &[f32]) -> Vec<f32> {
    let (reach, height) = (kernel.len() / 2, plane.len() / width);
    let mut out = vec![0.0; plane.len()];
    for (y, target) in out.chunks_exact_mut(width).enumerate() {
        for (k, weight) in kernel.iter().enumerate() {
            let from = (y + k).saturating_sub(reach).min(height - 1);
            for (t, s) in target.iter_mut().zip(&plane[from * width..]) {
                *t += weight * s;
            }
        }
    }
    out
}

/// Least (or, with `f32::max`, greatest) of each square of `2 * reach + 1` px.
pub(super) fn extreme(plane: &[f32], width: usize, reach: usize, pick: fn(f32, f32) -> f32) -> Vec<f32> {
    let height = plane.len() / width;
    let mut rows = plane.to_vec();
    for (row, target) in plane.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
        for (x, t) in target.iter_mut().enumerate() {
            *t = row[x.saturating_sub(reach)..(x + reach + 1).min(width)].iter().copied().fold(*t, pick);
        }
    }
    let mut out = rows.clone();
    for (y, target) in out.chunks_exact_mut(width).enumerate() {
        for from in y.saturating_sub(reach)..(y + reach + 1).min(height) {
            for (t, s) in target.iter_mut().zip(&rows[from * width..]) {
                *t = pick(*t, *s);
            }
        }
    }
    out
}
