//! Takes away banding: gentle gradients that became stairs are made smooth again; detail is kept.
//!
//! At several sizes of window it is asked whether what lies in it is a ramp: a small range, and steps that add up to no more than
//! that range, which texture never does. Where it is, the window's mean is taken, of the largest window that is one. The idea of f3kdb, with
//! means instead of a few random samples. What became smooth is dithered, or it would be rounded to bands again.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};
use pulp::{Arch, Simd, WithSimd};

use super::plane::{box_mean, pad, smoothstep, window_max, window_min};

/// Parameters of [`Deband`].
pub const PARAMS: &[Param] = &[
    Param::float(
        "threshold",
        "Height of the largest step that is smoothed, in codes of 8 bits.",
        "",
        (0.0, 32.0),
        5.0,
    ),
    Param::int(
        "range",
        "Reach of the largest window: bands twice as wide are smoothed well.",
        "px",
        (2, 128),
        32,
    ),
    Param::float(
        "dither",
        "Height of the noise that is added where bands were, in codes of 8 bits from lowest to highest.",
        "",
        (0.0, 4.0),
        1.0,
    ),
];

/// Means over windows that hold ramps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deband {
    /// Largest step, in codes of 8 bits.
    pub threshold_codes: f32,
    /// Reach of the largest window, px.
    pub range_px: usize,
    /// Height of the dither, in codes of 8 bits.
    pub dither_codes: f32,
}

impl Deband {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            threshold_codes: values.f32("threshold"),
            range_px: values.usize("range"),
            dither_codes: values.f32("dither"),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels, each colour on its own.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        if image.data.is_empty() || self.threshold_codes <= 0.0 {
            return out;
        }
        for c in 0..image.channels.min(3) {
            let smoothed = self.smooth(image.plane(c), image.width, c as u32);
            out.plane_mut(c).copy_from_slice(&smoothed);
        }
        out
    }

    fn smooth(&self, plane: &[f32], width: usize, channel: u32) -> Vec<f32> {
        let step = self.threshold_codes / 255.0;
        let height = plane.len() / width;
        let variation = variation(plane, width);
        let mut out = plane.to_vec();
        let mut smoothed = vec![0.0f32; plane.len()];
        let n_sizes = (self.range_px.max(2) as f32 / 2.0).log2().floor() as u32 + 1;
        let sizes = (0..n_sizes).rev().map(|halvings| (self.range_px >> halvings).max(1));
        let mut known: Option<(usize, Vec<f32>, Vec<f32>)> = None;
        for reach in sizes {
            let reach = reach.min(width.max(height));
            let (low, high) = match &known {
                None => (window_min(plane, width, reach), window_max(plane, width, reach)),
                Some((from, low, high)) => {
                    (wider(low, width, *from, reach, f32::min), wider(high, width, *from, reach, f32::max))
                }
            };
            // Two means make a window that falls off to its sides.
            let mean = box_mean(&box_mean(plane, width, reach / 2), width, reach - reach / 2);
            let path = box_mean(&variation, width, reach);
            let windows = Windows { low: &low, high: &high, mean: &mean, path: &path, reach, step };
            Arch::new().dispatch(TakeRamps { plane, windows, out: &mut out, smoothed: &mut smoothed });
            known = Some((reach, low, high));
        }
        let amplitude = self.dither_codes / 255.0;
        for (i, v) in out.iter_mut().enumerate() {
            *v += amplitude * smoothed[i] * noise(i as u32, channel);
        }
        out
    }
}

/// What is known of the window around each sample.
struct Windows<'a> {
    low: &'a [f32],
    high: &'a [f32],
    mean: &'a [f32],
    /// Mean of the steps to the next samples.
    path: &'a [f32],
    reach: usize,
    /// Largest step that is smoothed.
    step: f32,
}

/// Takes means of windows that are ramps; compiled for each width of vectors.
struct TakeRamps<'a> {
    plane: &'a [f32],
    windows: Windows<'a>,
    out: &'a mut [f32],
    /// How much of each sample was smoothed.
    smoothed: &'a mut [f32],
}

impl WithSimd for TakeRamps<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { plane, windows: Windows { low, high, mean, path, reach, step }, out, smoothed } = self;
        let n = plane.len();
        let (low, high, mean, path) = (&low[..n], &high[..n], &mean[..n], &path[..n]);
        let (out, smoothed) = (&mut out[..n], &mut smoothed[..n]);
        for i in 0..n {
            let range = high[i] - low[i];
            let crossed = path[i] * (2 * reach) as f32;
            let ramp = (1.0 - smoothstep(2.0 * step, 3.0 * step, range))
                * (1.0 - smoothstep(1.6, 2.4, crossed / (range + 0.2 / 255.0)));
            let near = (mean[i] - plane[i]).abs();
            let ramp = ramp * (1.0 - smoothstep(step, 1.5 * step, near));
            out[i] += ramp * (mean[i] - out[i]);
            smoothed[i] = smoothed[i].max(if range > 0.0 { ramp } else { 0.0 });
        }
    }
}

/// Least or greatest samples, as `pick` says, of windows of reach `to`, from those of reach `from`, which is about half of it.
fn wider(
    plane: &[f32],
    width: usize,
    from: usize,
    to: usize,
    pick: impl Fn(f32, f32) -> f32 + Copy,
) -> Vec<f32> {
    // Windows on both sides and the one in the middle make the wide one.
    let shift = to - from;
    debug_assert!(shift <= 2 * from + 1);
    let height = plane.len() / width;
    let mut rows = Vec::with_capacity(plane.len());
    let mut padded = vec![0.0; width + 2 * shift];
    for row in plane.chunks_exact(width) {
        pad(row, shift, &mut padded);
        let beside = padded.iter().zip(&padded[2 * shift..]);
        rows.extend(beside.zip(row).map(|((a, b), v)| pick(pick(*a, *b), *v)));
    }
    let mut out = Vec::with_capacity(plane.len());
    for (y, row) in rows.chunks_exact(width).enumerate() {
        let other = |y: usize| &rows[y * width..(y + 1) * width];
        let beside = other(y.saturating_sub(shift)).iter().zip(other((y + shift).min(height - 1)));
        out.extend(beside.zip(row).map(|((a, b), v)| pick(pick(*a, *b), *v)));
    }
    out
}

/// Length of the step to the right and of the one down, added.
fn variation(plane: &[f32], width: usize) -> Vec<f32> {
    let height = plane.len() / width;
    let mut out = vec![0.0; plane.len()];
    for (y, target) in out.chunks_exact_mut(width).enumerate() {
        let (row, below) = (&plane[y * width..], &plane[(y + 1).min(height - 1) * width..]);
        for x in 0..width {
            target[x] = (below[x] - row[x]).abs() + (row[(x + 1).min(width - 1)] - row[x]).abs();
        }
    }
    out
}

/// Evenly in `-0.5..0.5`, by index and channel (the finaliser of MurmurHash3).
fn noise(index: u32, channel: u32) -> f32 {
    let mut h = index.wrapping_mul(0x9e37_79b1) ^ channel.wrapping_mul(0x85eb_ca77);
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^= h >> 16;
    (h >> 8) as f32 / (1 << 24) as f32 - 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_windows_are_made_of_narrow_ones() {
        let (width, height) = (37, 23);
        let plane: Vec<f32> = (0..width * height).map(|i| noise(i as u32, 3)).collect();
        for (from, to) in [(1, 1), (1, 2), (1, 3), (2, 4), (3, 7), (8, 17), (20, 37)] {
            let low = wider(&window_min(&plane, width, from), width, from, to, f32::min);
            let high = wider(&window_max(&plane, width, from), width, from, to, f32::max);
            assert_eq!(low, window_min(&plane, width, to), "{from} to {to}");
            assert_eq!(high, window_max(&plane, width, to), "{from} to {to}");
        }
    }

    fn error(a: &PlanarImage, b: &PlanarImage) -> f32 {
        a.data.iter().zip(&b.data).map(|(a, b)| (a - b).powi(2)).sum()
    }

    #[test]
    fn stairs_become_a_ramp_and_texture_stays() {
        let (w, h) = (200, 60);
        let ramp = (0..w * h).map(|i| 0.2 + 0.0006 * (i % w) as f32 + 0.0004 * (i / w) as f32).collect();
        let clean = PlanarImage::from_data(1, h, w, ramp).unwrap();
        let mut stairs = clean.clone();
        stairs.data.iter_mut().for_each(|v| *v = (*v * 63.0).round() / 63.0);
        let deband = Deband { dither_codes: 0.0, ..Deband::from_values(&ParamValues::defaults(PARAMS)) };
        let out = deband.apply(&stairs);
        assert!(error(&out, &clean) < 0.25 * error(&stairs, &clean));

        let texture = (0..w * h).map(|i| 0.4 + 0.004 * noise(i as u32, 9).signum()).collect();
        let texture = PlanarImage::from_data(1, h, w, texture).unwrap();
        assert!(error(&deband.apply(&texture), &texture) < 1e-6 * texture.data.len() as f32);
    }
}
