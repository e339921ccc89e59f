//! Convolution of planes: separable, small two-dimensional, means over boxes, Gaussian.

use super::border::Border;

/// Standard deviation above which a Gaussian is four passes of a box, within 4 % of its peak: the
/// cost no longer grows with it.
const SIGMA_OF_BOXES: f32 = 16.0;

/// Correlates rows with `kernel_x`, then columns with `kernel_y`; both of odd length, centred.
pub(crate) fn separable(
    plane: &[f32],
    width: usize,
    kernel_x: &[f32],
    kernel_y: &[f32],
    border: Border,
) -> Vec<f32> {
    columns(&rows(plane, width, kernel_x, border), width, kernel_y, border)
}

/// Correlates rows with a kernel of odd length.
pub(crate) fn rows(plane: &[f32], width: usize, kernel: &[f32], border: Border) -> Vec<f32> {
    let mut out = vec![0.0; plane.len()];
    if width == 0 {
        return out;
    }
    let radius = kernel.len() / 2;
    let mut extended = Vec::with_capacity(width + 2 * radius);
    for (row, out) in plane.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        border.extend(row, radius, radius, &mut extended);
        weighted_sum(out, kernel, |i| &extended[i..i + width]);
    }
    out
}

/// Correlates columns with a kernel of odd length.
pub(crate) fn columns(plane: &[f32], width: usize, kernel: &[f32], border: Border) -> Vec<f32> {
    let mut out = vec![0.0; plane.len()];
    if width == 0 {
        return out;
    }
    let (radius, height) = ((kernel.len() / 2) as isize, plane.len() / width);
    for (y, out) in out.chunks_exact_mut(width).enumerate() {
        weighted_sum(out, kernel, |i| {
            let y = border.index(y as isize + i as isize - radius, height);
            &plane[y * width..(y + 1) * width]
        });
    }
    out
}

/// `out = sum of weights[i] * row(i)`, in blocks that stay in registers.
pub(crate) fn weighted_sum<'a>(out: &mut [f32], weights: &[f32], row: impl Fn(usize) -> &'a [f32]) {
    const BLOCK: usize = 16;
    let rows: Vec<&[f32]> = (0..weights.len()).map(row).collect();
    let n = out.len();
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    for (b, out) in blocks.iter_mut().enumerate() {
        let mut sums = [0.0f32; BLOCK];
        for (weight, row) in weights.iter().zip(&rows) {
            let row = &row[b * BLOCK..(b + 1) * BLOCK];
            for (sum, sample) in sums.iter_mut().zip(row) {
                *sum += weight * sample;
            }
        }
        *out = sums;
    }
    let start = n - rest.len();
    for (x, out) in rest.iter_mut().enumerate() {
        *out = weights.iter().zip(&rows).map(|(w, row)| w * row[start + x]).sum();
    }
}

/// Correlates with a kernel of `kernel_width` columns and as many rows as it has; both odd.
pub(crate) fn correlate(
    plane: &[f32],
    width: usize,
    kernel: &[f32],
    kernel_width: usize,
    border: Border,
) -> Vec<f32> {
    let mut out = vec![0.0; plane.len()];
    if width == 0 {
        return out;
    }
    let (rx, ry) = (kernel_width / 2, kernel.len() / kernel_width / 2);
    let (stride, height) = (width + 2 * rx, plane.len() / width);
    let mut extended = Vec::with_capacity(stride * height);
    let mut line = Vec::new();
    for row in plane.chunks_exact(width) {
        border.extend(row, rx, rx, &mut line);
        extended.extend_from_slice(&line);
    }
    let taps: Vec<(usize, f32)> = kernel.iter().copied().enumerate().filter(|(_, w)| *w != 0.0).collect();
    let weights: Vec<f32> = taps.iter().map(|(_, w)| *w).collect();
    for (y, out) in out.chunks_exact_mut(width).enumerate() {
        weighted_sum(out, &weights, |i| {
            let (ky, kx) = (taps[i].0 / kernel_width, taps[i].0 % kernel_width);
            let start = border.index((y + ky) as isize - ry as isize, height) * stride + kx;
            &extended[start..start + width]
        });
    }
    out
}

/// Weights of a Gaussian, sum 1, out to four standard deviations (a weight of 1/3000); one weight of 1 for zero.
pub(crate) fn gaussian_kernel(sigma: f32) -> Vec<f32> {
    let radius = (4.0 * sigma).ceil().max(0.0) as usize;
    if radius == 0 {
        return vec![1.0];
    }
    let weight = |i: usize| {
        let d = (i as f64 - radius as f64) / f64::from(sigma);
        (-0.5 * d * d).exp()
    };
    let weights: Vec<f64> = (0..=2 * radius).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| (w / sum) as f32).collect()
}

/// Gaussian blur with standard deviations in pixels; zero leaves the direction as it is.
pub(crate) fn gaussian(plane: &[f32], width: usize, sigma_x: f32, sigma_y: f32) -> Vec<f32> {
    let border = Border::Mirror;
    let mut out = plane.to_vec();
    if sigma_x > SIGMA_OF_BOXES {
        let radius = box_radius(sigma_x);
        (0..4).for_each(|_| out = box_rows(&out, width, radius, border));
    } else if sigma_x > 0.0 {
        out = rows(&out, width, &gaussian_kernel(sigma_x), border);
    }
    if sigma_y > SIGMA_OF_BOXES {
        let radius = box_radius(sigma_y);
        (0..4).for_each(|_| out = box_columns(&out, width, radius, border));
    } else if sigma_y > 0.0 {
        out = columns(&out, width, &gaussian_kernel(sigma_y), border);
    }
    out
}

/// Mean over a box reaching `radius_x` and `radius_y` pixels around each; the fraction of a radius is the weight of the
/// outermost samples.
pub(crate) fn box_mean(
    plane: &[f32],
    width: usize,
    radius_x: f32,
    radius_y: f32,
    border: Border,
) -> Vec<f32> {
    let out = if radius_x > 0.0 { box_rows(plane, width, radius_x, border) } else { plane.to_vec() };
    if radius_y > 0.0 { box_columns(&out, width, radius_y, border) } else { out }
}

/// Radius of the box with fractional ends that has a quarter of the variance (Gwosdek, Grewenig, Bruhn, Weickert:
/// "Theoretical foundations of Gaussian convolution by extended box filtering", 2011).
fn box_radius(sigma: f32) -> f32 {
    let variance = f64::from(sigma).powi(2) / 4.0;
    let whole = (((1.0 + 12.0 * variance).sqrt() - 1.0) / 2.0).floor();
    let moment = whole * (whole + 1.0) * (2.0 * whole + 1.0) / 3.0;
    let fraction = (variance * (2.0 * whole + 1.0) - moment) / (2.0 * ((whole + 1.0).powi(2) - variance));
    (whole + fraction) as f32
}

fn box_rows(plane: &[f32], width: usize, radius: f32, border: Border) -> Vec<f32> {
    let mut out = vec![0.0; plane.len()];
    if width == 0 {
        return out;
    }
    let (whole, fraction) = (radius as usize, f64::from(radius.fract()));
    let scale = 1.0 / (2.0 * f64::from(radius) + 1.0);
    let mut extended = Vec::new();
    for (row, out) in plane.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        border.extend(row, whole + 1, whole + 1, &mut extended);
        let mut sum: f64 = extended[1..2 * whole + 2].iter().map(|s| f64::from(*s)).sum();
        for (x, out) in out.iter_mut().enumerate() {
            let (first, last) = (f64::from(extended[x]), f64::from(extended[x + 2 * whole + 2]));
            *out = ((sum + fraction * (first + last)) * scale) as f32;
            sum += last - f64::from(extended[x + 1]);
        }
    }
    out
}

fn box_columns(plane: &[f32], width: usize, radius: f32, border: Border) -> Vec<f32> {
    let mut out = vec![0.0; plane.len()];
    if width == 0 {
        return out;
    }
    let height = plane.len() / width;
    let (whole, fraction) = (radius as isize, f64::from(radius.fract()));
    let scale = 1.0 / (2.0 * f64::from(radius) + 1.0);
    let row = |y: isize| {
        let y = border.index(y, height);
        &plane[y * width..(y + 1) * width]
    };
    let mut sums = vec![0.0f64; width];
    for y in -whole..=whole {
        sums.iter_mut().zip(row(y)).for_each(|(sum, s)| *sum += f64::from(*s));
    }
    for (y, out) in out.chunks_exact_mut(width).enumerate() {
        let y = y as isize;
        let (first, last, leaving) = (row(y - whole - 1), row(y + whole + 1), row(y - whole));
        let ends = first.iter().zip(last).zip(leaving);
        for ((out, sum), ((first, last), leaving)) in out.iter_mut().zip(&mut sums).zip(ends) {
            let (first, last) = (f64::from(*first), f64::from(*last));
            *out = ((*sum + fraction * (first + last)) * scale) as f32;
            *sum += last - f64::from(*leaving);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    /// Plain sum over a window, for comparison.
    fn direct(plane: &[f32], width: usize, kernel: &[f32], kw: usize, border: Border) -> Vec<f32> {
        let (height, kh) = (plane.len() / width, kernel.len() / kw);
        let mut out = Vec::new();
        for y in 0..height as isize {
            for x in 0..width as isize {
                let mut sum = 0.0f64;
                for (i, weight) in kernel.iter().enumerate() {
                    let sx = border.index(x + (i % kw) as isize - (kw / 2) as isize, width);
                    let sy = border.index(y + (i / kw) as isize - (kh / 2) as isize, height);
                    sum += f64::from(*weight) * f64::from(plane[sy * width + sx]);
                }
                out.push(sum as f32);
            }
        }
        out
    }

    #[test]
    fn equals_the_plain_sum() {
        for (w, h) in made::SIZES {
            let plane = made::picture(1, w, h).data;
            for border in [Border::Replicate, Border::Mirror, Border::Wrap] {
                let (kx, ky) = (gaussian_kernel(1.3), gaussian_kernel(0.6));
                let both: Vec<f32> = ky.iter().flat_map(|a| kx.iter().map(move |b| a * b)).collect();
                let want = direct(&plane, w, &both, kx.len(), border);
                made::close(&separable(&plane, w, &kx, &ky, border), &want, 1e-5);
                made::close(&correlate(&plane, w, &both, kx.len(), border), &want, 1e-5);
                let boxed = [0.5, 1.0, 1.0, 1.0, 0.5].map(|v| v / 4.0);
                let both: Vec<f32> = boxed.iter().flat_map(|a| boxed.map(|b| a * b)).collect();
                let want = direct(&plane, w, &both, 5, border);
                made::close(&box_mean(&plane, w, 1.5, 1.5, border), &want, 1e-5);
            }
        }
    }

    #[test]
    fn boxes_stand_for_a_wide_gaussian() {
        let mut plane = vec![0.0; 301];
        plane[150] = 1.0;
        let sigma = 20.0;
        let got = gaussian(&plane, 301, sigma, 0.0);
        let kernel = gaussian_kernel(sigma);
        let want: Vec<f32> =
            (0..301).map(|i| kernel.get((i + 80_usize).wrapping_sub(150)).copied().unwrap_or(0.0)).collect();
        made::close(&got, &want, 0.04 * want[150]);
        let variance: f32 = got.iter().enumerate().map(|(i, v)| v * (i as f32 - 150.0).powi(2)).sum();
        assert!((variance.sqrt() - sigma).abs() < 0.01, "{}", variance.sqrt());
    }
}
