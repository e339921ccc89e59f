//! Operations on one plane of samples, given as a slice of rows and their width. Beyond its edges a plane goes on with its
//! outermost samples.

/// A Gaussian blur of the given deviation in px, to three deviations.
pub(super) fn gaussian_blur(plane: &[f32], width: usize, sigma_px: f32) -> Vec<f32> {
    if sigma_px < 0.05 {
        return plane.to_vec();
    }
    let reach = (3.0 * sigma_px).ceil() as i32;
    let weights: Vec<f32> = (-reach..=reach).map(|i| (-0.5 * (i as f32 / sigma_px).powi(2)).exp()).collect();
    let sum: f32 = weights.iter().sum();
    let kernel: Vec<f32> = weights.into_iter().map(|w| w / sum).collect();
    convolve(plane, width, &kernel)
}

/// Rows and columns with one kernel of odd length.
pub(super) fn convolve(plane: &[f32], width: usize, kernel: &[f32]) -> Vec<f32> {
    let (reach, height) = (kernel.len() / 2, plane.len() / width);
    let mut rows = vec![0.0; plane.len()];
    let mut padded = vec![0.0; width + 2 * reach];
    for (row, target) in plane.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
        pad(row, reach, &mut padded);
        for (k, weight) in kernel.iter().enumerate() {
            for (t, s) in target.iter_mut().zip(&padded[k..]) {
                *t += weight * s;
            }
        }
    }
    let mut out = vec![0.0; plane.len()];
    for (y, target) in out.chunks_exact_mut(width).enumerate() {
        for (k, weight) in kernel.iter().enumerate() {
            let from = (y + k).saturating_sub(reach).min(height - 1);
            for (t, s) in target.iter_mut().zip(&rows[from * width..]) {
                *t += weight * s;
            }
        }
    }
    out
}

/// Rows that [`box_mean`] works on at once.
const TOGETHER: usize = 8;

/// Mean of each square of `2 * reach + 1` px; its time does not depend on the reach.
pub(super) fn box_mean(plane: &[f32], width: usize, reach: usize) -> Vec<f32> {
    let height = plane.len() / width;
    let scale = 1.0 / (2 * reach + 1) as f32;
    let mut rows = vec![0.0; plane.len()];
    let length = width + 2 * reach;
    let mut padded = vec![0.0; TOGETHER * length];
    for (together, target) in plane.chunks(TOGETHER * width).zip(rows.chunks_mut(TOGETHER * width)) {
        for (row, padded) in together.chunks_exact(width).zip(padded.chunks_exact_mut(length)) {
            pad(row, reach, padded);
        }
        // Each sum waits for the one before it: those of several rows do not wait for each other.
        let mut sums = [0.0f64; TOGETHER];
        for (sum, padded) in sums.iter_mut().zip(padded.chunks_exact(length)) {
            *sum = padded[..2 * reach].iter().map(|&v| f64::from(v)).sum();
        }
        let n = target.len() / width;
        for x in 0..width {
            for (k, sum) in sums.iter_mut().enumerate().take(n) {
                *sum += f64::from(padded[k * length + x + 2 * reach]);
                target[k * width + x] = *sum as f32 * scale;
                *sum -= f64::from(padded[k * length + x]);
            }
        }
    }
    let row = |y: isize| {
        let y = y.clamp(0, height as isize - 1) as usize;
        &rows[y * width..(y + 1) * width]
    };
    let reach = reach as isize;
    let mut sums = vec![0.0f64; width];
    for y in -reach..reach {
        sums.iter_mut().zip(row(y)).for_each(|(s, v)| *s += f64::from(*v));
    }
    let mut out = vec![0.0; plane.len()];
    for (y, target) in out.chunks_exact_mut(width).enumerate() {
        let (enters, leaves) = (row(y as isize + reach), row(y as isize - reach));
        for (((t, s), enters), leaves) in target.iter_mut().zip(&mut sums).zip(enters).zip(leaves) {
            *s += f64::from(*enters);
            *t = *s as f32 * scale;
            *s -= f64::from(*leaves);
        }
    }
    out
}

/// The highest sample less the lowest of `2 * reach + 1` along the row around each.
pub(super) fn row_contrast(plane: &[f32], width: usize, reach: usize) -> Vec<f32> {
    let mut high = fold_rows(plane, width, reach, f32::max);
    high.iter_mut().zip(fold_rows(plane, width, reach, f32::min)).for_each(|(high, low)| *high -= low);
    high
}

/// The highest of `2 * reach + 1` samples along the row around each.
pub(super) fn row_max(plane: &[f32], width: usize, reach: usize) -> Vec<f32> {
    fold_rows(plane, width, reach, f32::max)
}

/// Least sample of each window of `2 * reach + 1` px along x and y.
pub(super) fn window_min(plane: &[f32], width: usize, reach: usize) -> Vec<f32> {
    let rows = fold_rows(plane, width, reach, f32::min);
    fold_columns(&rows, width, reach, f32::min)
}

/// Greatest sample of each window of `2 * reach + 1` px along x and y.
pub(super) fn window_max(plane: &[f32], width: usize, reach: usize) -> Vec<f32> {
    let rows = fold_rows(plane, width, reach, f32::max);
    fold_columns(&rows, width, reach, f32::max)
}

/// What is left of dark things after those narrower than `2 * reach + 1` px are gone.
pub(super) fn closing(plane: &[f32], width: usize, reach: usize) -> Vec<f32> {
    window_min(&window_max(plane, width, reach), width, reach)
}

/// Folds each row's windows of `2 * reach + 1`: windows of 1, 2, 4.. samples, the last two overlapping.
fn fold_rows(plane: &[f32], width: usize, reach: usize, op: impl Fn(f32, f32) -> f32 + Copy) -> Vec<f32> {
    let reach = reach.min(width);
    let n = 2 * reach + 1;
    let mut out = vec![0.0; plane.len()];
    let mut current = vec![0.0; width + 2 * reach];
    let mut next = current.clone();
    for (row, target) in plane.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        pad(row, reach, &mut current);
        let mut len = 1;
        while 2 * len <= n {
            for ((t, a), b) in next.iter_mut().zip(&current).zip(&current[len..]) {
                *t = op(*a, *b);
            }
            std::mem::swap(&mut current, &mut next);
            len *= 2;
        }
        for ((t, a), b) in target.iter_mut().zip(&current).zip(&current[n - len..]) {
            *t = op(*a, *b);
        }
    }
    out
}

fn fold_columns(plane: &[f32], width: usize, reach: usize, op: impl Fn(f32, f32) -> f32 + Copy) -> Vec<f32> {
    let height = plane.len() / width;
    let reach = reach.min(height);
    let n = 2 * reach + 1;
    // Row `i` of `current` holds the window of `len` rows that begins at row `i - reach` of the plane.
    let mut current = Vec::with_capacity((height + 2 * reach) * width);
    for y in 0..height + 2 * reach {
        let y = y.saturating_sub(reach).min(height - 1);
        current.extend_from_slice(&plane[y * width..(y + 1) * width]);
    }
    let mut len = 1;
    while 2 * len <= n {
        // Rows are read ahead of where they are written.
        let split = current.len() - len * width;
        for start in (0..split).step_by(width) {
            let (head, tail) = current.split_at_mut(start + len * width);
            for (t, b) in head[start..start + width].iter_mut().zip(&tail[..width]) {
                *t = op(*t, *b);
            }
        }
        len *= 2;
    }
    let ahead = (n - len) * width;
    let mut out = vec![0.0; plane.len()];
    for ((t, a), b) in out.iter_mut().zip(&current).zip(&current[ahead..]) {
        *t = op(*a, *b);
    }
    out
}

/// Change per px along x and y: central differences, smoothed across by 3, 10, 3 (Scharr).
pub(super) fn gradient(plane: &[f32], width: usize) -> (Vec<f32>, Vec<f32>) {
    let height = plane.len() / width;
    let (mut along_x, mut along_y) = (vec![0.0; plane.len()], vec![0.0; plane.len()]);
    let (mut smooth, mut slope) = (vec![0.0; width + 2], vec![0.0; width + 2]);
    let targets = along_x.chunks_exact_mut(width).zip(along_y.chunks_exact_mut(width));
    for (y, (gx, gy)) in targets.enumerate() {
        let row = |y: usize| &plane[y * width..(y + 1) * width];
        let (above, here, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(height - 1)));
        for x in 0..width {
            smooth[x + 1] = (3.0 * (above[x] + below[x]) + 10.0 * here[x]) * (1.0 / 16.0);
            slope[x + 1] = (below[x] - above[x]) * 0.5;
        }
        for line in [&mut smooth, &mut slope] {
            line[0] = line[1];
            line[width + 1] = line[width];
        }
        for x in 0..width {
            gx[x] = (smooth[x + 2] - smooth[x]) * 0.5;
            gy[x] = (3.0 * (slope[x] + slope[x + 2]) + 10.0 * slope[x + 1]) * (1.0 / 16.0);
        }
    }
    (along_x, along_y)
}

/// The sample at a position in px, centres at whole numbers, between samples by straight lines.
pub(super) fn sample(plane: &[f32], width: usize, x: f32, y: f32) -> f32 {
    let height = plane.len() / width;
    let split = |at: f32, n: usize| {
        // `max` before `min` turns NaN into 0.
        let at = at.max(0.0).min((n - 1) as f32);
        let low = at as usize;
        (low, (low + 1).min(n - 1), at - low as f32)
    };
    let ((left, right, u), (upper, lower, v)) = (split(x, width), split(y, height));
    let row = |y: usize| plane[y * width + left] * (1.0 - u) + plane[y * width + right] * u;
    row(upper) * (1.0 - v) + row(lower) * v
}

/// Columns become rows; `width` is that of `plane`.
pub(super) fn transposed(plane: &[f32], width: usize) -> Vec<f32> {
    const TILE: usize = 16;
    let height = plane.len() / width;
    let mut out = vec![0.0; plane.len()];
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            for y in top..(top + TILE).min(height) {
                for x in left..(left + TILE).min(width) {
                    out[x * height + y] = plane[y * width + x];
                }
            }
        }
    }
    out
}

/// Copies a row into the middle of a longer one, and its ends outwards.
pub(super) fn pad(row: &[f32], reach: usize, padded: &mut [f32]) {
    let n = row.len();
    padded[..reach].fill(row[0]);
    padded[reach..reach + n].copy_from_slice(row);
    padded[reach + n..].fill(row[n - 1]);
}

/// 0 below `low`, 1 above `high`, smooth between; NaN counts as below.
#[expect(clippy::manual_clamp, reason = "`clamp` would pass NaN on")]
#[inline(always)]
pub(super) fn smoothstep(low: f32, high: f32, v: f32) -> f32 {
    let t = ((v - low) / (high - low)).max(0.0).min(1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + 13) % 1009) as f32 / 1009.0).collect()
    }

    fn by_hand(plane: &[f32], width: usize, reach: usize, fold: impl Fn(&mut [f32]) -> f32) -> Vec<f32> {
        let height = (plane.len() / width) as isize;
        let r = reach as isize;
        (0..plane.len() as isize)
            .map(|i| {
                let (x, y) = (i % width as isize, i / width as isize);
                let mut window = Vec::new();
                for v in y - r..=y + r {
                    for u in x - r..=x + r {
                        let (u, v) = (u.clamp(0, width as isize - 1), v.clamp(0, height - 1));
                        window.push(plane[v as usize * width + u as usize]);
                    }
                }
                fold(&mut window)
            })
            .collect()
    }

    #[test]
    fn windows_are_as_by_hand() {
        for (width, height) in [(1, 1), (3, 2), (17, 9), (40, 1)] {
            let plane = noise(width * height);
            for reach in [0, 1, 2, 3, 5, 12] {
                let min = by_hand(&plane, width, reach, |w| w.iter().copied().fold(f32::MAX, f32::min));
                assert_eq!(window_min(&plane, width, reach), min, "{width}x{height}, {reach}");
                let mean = by_hand(&plane, width, reach, |w| w.iter().sum::<f32>() / w.len() as f32);
                let got = box_mean(&plane, width, reach);
                assert!(
                    got.iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-5),
                    "{width}x{height}, {reach}"
                );
            }
            assert_eq!(transposed(&transposed(&plane, width), height), plane);
        }
    }

    #[test]
    fn slopes_and_samples_of_a_ramp() {
        let plane: Vec<f32> = (0..200).map(|i| 0.3 * (i % 20) as f32 + 0.1 * (i / 20) as f32).collect();
        let (gx, gy) = gradient(&plane, 20);
        assert!((gx[5 * 20 + 7] - 0.3).abs() < 1e-5 && (gy[5 * 20 + 7] - 0.1).abs() < 1e-5);
        assert!((sample(&plane, 20, 3.5, 2.25) - (1.05 + 0.225)).abs() < 1e-5);
        assert!((gaussian_blur(&plane, 20, 1.0)[5 * 20 + 9] - plane[5 * 20 + 9]).abs() < 1e-5);
    }
}
