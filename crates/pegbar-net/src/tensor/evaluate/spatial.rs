//! Windows that move over pictures, and interpolation.

use super::super::{ConvWindow, PadFill, PoolFunction, Taps, row_major_strides};

/// All places of a shape, outermost slowest.
fn places(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let (shape, strides) = (shape.to_vec(), row_major_strides(shape));
    (0..shape.iter().product::<usize>())
        .map(move |i| (0..shape.len()).map(|d| i / strides[d] % shape[d]).collect())
}

fn offset(at: &[usize], strides: &[usize]) -> usize {
    at.iter().zip(strides).map(|(at, stride)| at * stride).sum()
}

pub(super) fn conv(
    (x, from): (&[f32], &[usize]),
    (taps, kernel): (&[f32], &[usize]),
    bias: Option<&[f32]>,
    window: &ConvWindow,
    shape: &[usize],
) -> Vec<f32> {
    let (spatial, strides) = (&from[2..], row_major_strides(&from[2..]));
    let plane: usize = spatial.iter().product();
    let n_taps: usize = kernel[2..].iter().product();
    let per_group = shape[1] / window.groups;
    let tap_places: Vec<Vec<usize>> = places(&kernel[2..]).collect();
    let mut made = Vec::with_capacity(shape.iter().product());
    for n in 0..shape[0] {
        for m in 0..shape[1] {
            let first = m / per_group.max(1) * kernel[1];
            for at in places(&shape[2..]) {
                let mut sum = bias.map_or(0.0, |bias| f64::from(bias[m]));
                for (t, tap) in tap_places.iter().enumerate() {
                    let place: Option<usize> = (0..spatial.len())
                        .map(|d| {
                            let i = (at[d] * window.stride[d] + tap[d] * window.dilation[d])
                                .checked_sub(window.before[d])?;
                            (i < spatial[d]).then_some(i * strides[d])
                        })
                        .sum();
                    let Some(place) = place else { continue };
                    for c in 0..kernel[1] {
                        let v = x[(n * from[1] + first + c) * plane + place];
                        sum += f64::from(v) * f64::from(taps[(m * kernel[1] + c) * n_taps + t]);
                    }
                }
                made.push(sum as f32);
            }
        }
    }
    made
}

pub(super) fn conv_transpose(
    (x, from): (&[f32], &[usize]),
    (taps, kernel): (&[f32], &[usize]),
    bias: Option<&[f32]>,
    window: &ConvWindow,
    shape: &[usize],
) -> Vec<f32> {
    let plane: usize = shape[2..].iter().product();
    let from_plane: usize = from[2..].iter().product();
    let strides = row_major_strides(&shape[2..]);
    let n_taps: usize = kernel[2..].iter().product();
    let per_group = from[1] / window.groups;
    let tap_places: Vec<Vec<usize>> = places(&kernel[2..]).collect();
    let mut sums = vec![0f64; shape.iter().product()];
    for n in 0..from[0] {
        for (i, at) in places(&from[2..]).enumerate() {
            for (t, tap) in tap_places.iter().enumerate() {
                let place: Option<usize> = (0..at.len())
                    .map(|d| {
                        let to = (at[d] * window.stride[d] + tap[d] * window.dilation[d])
                            .checked_sub(window.before[d])?;
                        (to < shape[2 + d]).then_some(to * strides[d])
                    })
                    .sum();
                let Some(place) = place else { continue };
                for c in 0..from[1] {
                    let v = f64::from(x[(n * from[1] + c) * from_plane + i]);
                    for m in 0..kernel[1] {
                        let to = c / per_group * kernel[1] + m;
                        sums[(n * shape[1] + to) * plane + place] +=
                            v * f64::from(taps[(c * kernel[1] + m) * n_taps + t]);
                    }
                }
            }
        }
    }
    let biased = |(i, sum): (usize, &f64)| {
        (sum + bias.map_or(0.0, |bias| f64::from(bias[i / plane.max(1) % shape[1]]))) as f32
    };
    sums.iter().enumerate().map(biased).collect()
}

pub(super) fn pool(
    x: &[f32],
    from: &[usize],
    function: PoolFunction,
    size: &[usize],
    window: &ConvWindow,
    shape: &[usize],
) -> Vec<f32> {
    let (spatial, strides) = (&from[2..], row_major_strides(&from[2..]));
    let plane: usize = spatial.iter().product();
    let tap_places: Vec<Vec<usize>> = places(size).collect();
    let mut made = Vec::with_capacity(shape.iter().product());
    for channel in 0..shape[0] * shape[1] {
        for at in places(&shape[2..]) {
            let (mut largest, mut sum, mut inside, mut counted) = (f32::NEG_INFINITY, 0f64, 0usize, 0usize);
            for tap in &tap_places {
                let place = |d: usize| at[d] * window.stride[d] + tap[d] * window.dilation[d];
                // What lies beyond the padding too, where the window was rounded up, is no part of the mean.
                counted += usize::from(
                    (0..spatial.len()).all(|d| place(d) < spatial[d] + window.before[d] + window.after[d]),
                );
                let at: Option<Vec<usize>> = (0..spatial.len())
                    .map(|d| place(d).checked_sub(window.before[d]).filter(|&i| i < spatial[d]))
                    .collect();
                let Some(at) = at else { continue };
                let v = x[channel * plane + offset(&at, &strides)];
                inside += 1;
                largest = crate::BinaryOp::Max.apply(largest, v);
                sum += match function {
                    PoolFunction::Lp(p) => f64::from(v.abs()).powf(f64::from(p)),
                    _ => f64::from(v),
                };
            }
            made.push(match function {
                PoolFunction::Max => largest,
                PoolFunction::Average { count_pad } => {
                    (sum / if count_pad { counted } else { inside }.max(1) as f64) as f32
                }
                PoolFunction::Lp(p) => sum.powf(1.0 / f64::from(p)) as f32,
            });
        }
    }
    made
}

pub(super) fn resample(x: &[f32], from: &[usize], axis: usize, taps: &Taps, shape: &[usize]) -> Vec<f32> {
    let inner: usize = from[axis + 1..].iter().product();
    let outer: usize = from[..axis].iter().product();
    let mut made = Vec::with_capacity(shape.iter().product());
    for row in 0..outer {
        let source = &x[row * from[axis] * inner..][..from[axis] * inner];
        for list in &taps.0 {
            for i in 0..inner {
                let sum: f64 = list
                    .iter()
                    .map(|&(at, weight)| f64::from(weight) * f64::from(source[at * inner + i]))
                    .sum();
                made.push(sum as f32);
            }
        }
    }
    made
}

pub(super) fn grid_sample(
    x: &[f32],
    from: &[usize],
    places: &[f32],
    order: usize,
    beyond: PadFill,
    align_corners: bool,
    shape: &[usize],
) -> Vec<f32> {
    let [height, width] = [from[2], from[3]];
    let plane = height * width;
    let n_places = shape[2] * shape[3];
    // From -1..=1 to pixels.
    let to_pixels = |v: f32, n: usize| {
        let (v, n) = (f64::from(v), n as f64);
        if align_corners { (v + 1.0) / 2.0 * (n - 1.0) } else { ((v + 1.0) * n - 1.0) / 2.0 }
    };
    let (low, high) = (if align_corners { 0.0 } else { -0.5 }, if align_corners { -1.0 } else { -0.5 });
    let inside = |v: f64, n: usize| {
        if !v.is_finite() {
            return -100.0;
        }
        match beyond {
            PadFill::Edge => v.clamp(0.0, n as f64 - 1.0),
            PadFill::Reflect => reflect(v, low, n as f64 + high),
            _ => v,
        }
    };
    let mut made = Vec::with_capacity(shape.iter().product());
    for n in 0..shape[0] {
        for c in 0..shape[1] {
            let picture = &x[(n * from[1] + c) * plane..][..plane];
            let at = |y: f64, x: f64| -> f64 {
                // Taps of the kernel may leave the picture although the place does not.
                let (y, x) = match beyond {
                    PadFill::Constant => (y, x),
                    PadFill::Edge => (y.clamp(0.0, height as f64 - 1.0), x.clamp(0.0, width as f64 - 1.0)),
                    _ => (reflect(y, low, height as f64 + high), reflect(x, low, width as f64 + high)),
                };
                let is_inside = y >= 0.0 && x >= 0.0 && y < height as f64 && x < width as f64;
                if is_inside { f64::from(picture[y as usize * width + x as usize]) } else { 0.0 }
            };
            for i in 0..n_places {
                let place = &places[(n * n_places + i) * 2..];
                let (px, py) = (to_pixels(place[0], width), to_pixels(place[1], height));
                let value = match order {
                    0 => at(inside(py.round_ties_even(), height), inside(px.round_ties_even(), width)),
                    1 => {
                        let (py, px) = (inside(py, height), inside(px, width));
                        let (y, x) = (py.floor(), px.floor());
                        let (fy, fx) = (py - y, px - x);
                        (1.0 - fy) * ((1.0 - fx) * at(y, x) + fx * at(y, x + 1.0))
                            + fy * ((1.0 - fx) * at(y + 1.0, x) + fx * at(y + 1.0, x + 1.0))
                    }
                    _ => {
                        let (py, px) = (
                            if py.is_finite() { py } else { -100.0 },
                            if px.is_finite() { px } else { -100.0 },
                        );
                        let (y, x) = (py.floor(), px.floor());
                        let (rows, columns) = (cubic(py - y), cubic(px - x));
                        let along = |r: usize| -> f64 {
                            (0..4).map(|q| columns[q] * at(y - 1.0 + r as f64, x - 1.0 + q as f64)).sum()
                        };
                        (0..4).map(|r| rows[r] * along(r)).sum()
                    }
                };
                made.push(value as f32);
            }
        }
    }
    made
}

/// Keys' kernel with a = -0.75, at the four places around `t` of the way between the middle two.
fn cubic(t: f64) -> [f64; 4] {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

/// Mirrors a place at `low` and `high` until it lies between them.
fn reflect(v: f64, low: f64, high: f64) -> f64 {
    let range = high - low;
    if range <= 0.0 {
        return 0.0;
    }
    let off = (v - low).rem_euclid(2.0 * range);
    let inside = if off > range { 2.0 * range - off } else { off };
    (inside + low).clamp(low.max(0.0), high.floor().max(high - 0.5))
}

pub(super) fn dft(x: &[f32], from: &[usize], axis: usize, inverse: bool, shape: &[usize]) -> Vec<f32> {
    let (n, parts) = (from[axis], from[from.len() - 1]);
    let inner: usize = from[axis + 1..from.len() - 1].iter().product();
    let outer: usize = from[..axis].iter().product();
    let sign = if inverse { 1.0 } else { -1.0 };
    let turns: Vec<(f64, f64)> = (0..n)
        .map(|k| {
            let angle = sign * 2.0 * std::f64::consts::PI * k as f64 / n as f64;
            (angle.cos(), angle.sin())
        })
        .collect();
    let mut made = vec![0.0; shape.iter().product()];
    for row in 0..outer {
        for i in 0..inner {
            let place = |k: usize| (row * n + k) * inner + i;
            for k in 0..n {
                let (mut re, mut im) = (0.0, 0.0);
                for j in 0..n {
                    let (cos, sin) = turns[k * j % n];
                    let a = f64::from(x[place(j) * parts]);
                    let b = if parts == 2 { f64::from(x[place(j) * 2 + 1]) } else { 0.0 };
                    re += a * cos - b * sin;
                    im += a * sin + b * cos;
                }
                let divisor = if inverse { n as f64 } else { 1.0 };
                made[place(k) * 2] = (re / divisor) as f32;
                made[place(k) * 2 + 1] = (im / divisor) as f32;
            }
        }
    }
    made
}
