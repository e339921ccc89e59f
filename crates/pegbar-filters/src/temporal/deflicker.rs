//! Flicker: brightness and contrast that jump from frame to frame, all over or in places.

use super::smooth_path::level;
use super::{Reach, TemporalFilter, Window};
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the filter takes.
pub const PARAMS: &[Param] = &[
    Param::int("radius", "Frames before and after whose brightness counts.", "frames", (2, 30), 12),
    Param::float(
        "strength",
        "1 brings gain and offset of each channel to the level of the neighbourhood.",
        "",
        (0.0, 1.0),
        1.0,
    ),
    Param::float("local", "1 does the same for places of the picture.", "", (0.0, 1.0), 1.0),
];

/// Knots of local gain in each direction.
const KNOTS: usize = 4;

/// Numbers that a measure has: gain and offset of three channels, gain at each knot.
const N_MEASURES: usize = 6 + KNOTS * KNOTS;

/// Samples of the small picture across at most.
const SMALL_WIDTH: usize = 96;

/// Residuals beyond this are taken for motion, `0.0..=1.0`.
const LEAST_SCALE: f32 = 0.01;

/// Brings each frame to the brightness that its neighbourhood has.
///
/// For each pair of frames gain and offset are measured by the pixels that did not change otherwise, so what comes into the
/// picture or leaves it does not count. Steady fades stay.
#[derive(Debug, Clone)]
pub struct Deflicker {
    /// Frames before and after whose brightness counts.
    pub radius: usize,
    /// Strength on gain and offset of the channels, `0.0..=1.0`.
    pub strength: f32,
    /// Strength on the gain of places, `0.0..=1.0`.
    pub local: f32,
}

impl Deflicker {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { radius: values.usize("radius"), strength: values.f32("strength"), local: values.f32("local") }
    }
}

impl TemporalFilter for Deflicker {
    fn reach(&self) -> Reach {
        Reach::default()
    }

    fn measure_reach(&self) -> Reach {
        Reach { before: self.radius, after: self.radius }
    }

    fn measure(&self, previous: Option<&PlanarImage>, frame: &PlanarImage) -> Vec<f32> {
        let Some(previous) = previous else { return Vec::new() };
        let channels = if frame.channels >= 3 { 3 } else { 1 };
        let (before, now) = (Small::of(previous, channels), Small::of(frame, channels));
        let mut measures = Vec::with_capacity(N_MEASURES);
        let mut kept = vec![1.0f32; now.samples[0].len()];
        for channel in 0..3 {
            let c = channel.min(channels - 1);
            let (gain, offset) = fit(&before.samples[c], &now.samples[c], &mut kept);
            measures.extend([gain, offset]);
        }
        measures.extend(local_gains(&before, &now, &measures, &kept));
        measures
    }

    fn apply(&self, window: &Window<'_>) -> PlanarImage {
        let mut out = window.frame().clone();
        let (measures, centre) = (window.measures, window.measure_centre);
        if measures.len() < 2 {
            return out;
        }
        let sigma = (self.radius as f32 / 1.5).max(1.0);
        let knots: Vec<f32> = (0..KNOTS * KNOTS)
            .map(|k| {
                let steps = |i: usize| measures[i].get(6 + k).copied().unwrap_or(0.0);
                let path = path(measures.len(), centre, 0.0, |i, v| v + steps(i), |i, v| v - steps(i));
                self.local * level(&path, centre, sigma, 0.05)
            })
            .collect();
        let colour = if out.channels >= 3 { 3 } else { 1 };
        let (width, height) = (out.width, out.height);
        let gains = gain_rows(&knots, width, height);
        for channel in 0..colour {
            let step = |i: usize| match measures[i] {
                m if m.len() == N_MEASURES => (m[2 * channel], m[2 * channel + 1]),
                _ => (1.0, 0.0),
            };
            // The film's black and white, as each frame of the neighbourhood shows what stands at 0 and 1 in this one.
            let shown = |at: f32| {
                let path = path(
                    measures.len(),
                    centre,
                    at,
                    |i, v| step(i).0 * v + step(i).1,
                    |i, v| (v - step(i).1) / step(i).0,
                );
                level(&path, centre, sigma, 0.1)
            };
            let (black, white) = (shown(0.0), shown(1.0));
            let gain = 1.0 + self.strength * (white - black - 1.0).clamp(-0.6, 0.6);
            let offset = self.strength * black.clamp(-0.3, 0.3);
            for (y, row) in out.plane_mut(channel).chunks_exact_mut(width).enumerate() {
                gains.of_row(y, |local| {
                    for (v, l) in row.iter_mut().zip(local) {
                        *v = gain * *v * l + offset;
                    }
                });
            }
        }
        out
    }
}

/// A value followed from the centre through all frames: `next(i, v)` gives it in frame `i` from what it was before,
/// `back(i, v)` before frame `i` from what it is there.
fn path(
    n: usize,
    centre: usize,
    start: f32,
    next: impl Fn(usize, f32) -> f32,
    back: impl Fn(usize, f32) -> f32,
) -> Vec<f32> {
    let mut path = vec![start; n];
    for i in centre + 1..n {
        path[i] = next(i, path[i - 1]);
    }
    for i in (0..centre).rev() {
        path[i] = back(i + 1, path[i + 1]);
    }
    path
}

/// A small copy of a frame, one plane for each channel.
struct Small {
    width: usize,
    samples: Vec<Vec<f32>>,
}

impl Small {
    fn of(image: &PlanarImage, channels: usize) -> Self {
        let step = image.width.div_ceil(SMALL_WIDTH).max(1);
        let (width, height) = (image.width.div_ceil(step), image.height.div_ceil(step));
        let samples = (0..channels)
            .map(|c| {
                let mut sums = vec![0.0f32; width * height];
                let mut counts = vec![0.0f32; width * height];
                for (y, row) in image.plane(c).chunks_exact(image.width).enumerate() {
                    let at = y / step * width;
                    for (x, part) in row.chunks(step).enumerate() {
                        sums[at + x] += part.iter().sum::<f32>();
                        counts[at + x] += part.len() as f32;
                    }
                }
                sums.iter().zip(&counts).map(|(s, n)| s / n).collect()
            })
            .collect();
        Self { width, samples }
    }
}

/// Gain and offset that bring `before` to `now`, by samples that differ by nothing else: reweighted least squares, both ways, so
/// that noise does not make the gain too small. `kept` gets the weights.
fn fit(before: &[f32], now: &[f32], kept: &mut [f32]) -> (f32, f32) {
    let usable = |a: f32, b: f32| a > 0.01 && a < 0.99 && b > 0.01 && b < 0.99;
    // The median ratio to begin with.
    let mut ratios: Vec<f32> =
        before.iter().zip(now).filter(|(a, b)| usable(**a, **b) && **a > 0.1).map(|(a, b)| b / a).collect();
    if ratios.len() < 8 {
        kept.fill(0.0);
        return (1.0, 0.0);
    }
    let middle = ratios.len() / 2;
    let (_, &mut ratio, _) = ratios.select_nth_unstable_by(middle, f32::total_cmp);
    let (mut gain, mut offset) = (ratio, 0.0);
    let mut off = Vec::with_capacity(now.len());
    for _ in 0..8 {
        off.clear();
        off.extend(
            before
                .iter()
                .zip(now)
                .filter(|(a, b)| usable(**a, **b))
                .map(|(a, b)| (b - gain * a - offset).abs()),
        );
        let middle = off.len() / 2;
        let (_, &mut typical, _) = off.select_nth_unstable_by(middle, f32::total_cmp);
        let limit = (4.0 * typical).max(LEAST_SCALE);
        let (mut s, mut sa, mut sb, mut saa, mut sbb, mut sab) = (0.0f64, 0.0, 0.0, 0.0, 0.0, 0.0);
        for ((&a, &b), w) in before.iter().zip(now).zip(kept.iter_mut()) {
            let u = (b - gain * a - offset) / limit;
            *w = if usable(a, b) { (1.0 - u * u).max(0.0).powi(2) } else { 0.0 };
            let (a, b, w) = (f64::from(a), f64::from(b), f64::from(*w));
            (s, sa, sb) = (s + w, sa + w * a, sb + w * b);
            (saa, sbb, sab) = (saa + w * a * a, sbb + w * b * b, sab + w * a * b);
        }
        if s < 8.0 {
            return (1.0, 0.0);
        }
        let (va, vb) = (saa / s - (sa / s).powi(2), sbb / s - (sb / s).powi(2));
        // Too little contrast to tell gain from offset: it is gain.
        let new = if va < 4e-4 || vb < 4e-4 { (sb / sa.max(1e-6), 0.0) } else { ((vb / va).sqrt(), 0.0) };
        gain = (new.0 as f32).clamp(0.5, 2.0);
        offset = if va < 4e-4 || vb < 4e-4 { 0.0 } else { (sb / s - f64::from(gain) * sa / s) as f32 };
        let _ = sab;
    }
    (gain, offset.clamp(-0.3, 0.3))
}

/// What gain and offset of the channels leave at each knot, as a part of the brightness there.
fn local_gains(before: &Small, now: &Small, fits: &[f32], kept: &[f32]) -> Vec<f32> {
    let (width, height) = (now.width, now.samples[0].len() / now.width);
    let mut top = [0.0f32; KNOTS * KNOTS];
    let mut bottom = [0.0f32; KNOTS * KNOTS];
    for c in 0..now.samples.len() {
        let (gain, offset) = (fits[2 * c], fits[2 * c + 1]);
        for y in 0..height {
            let (j, g) = knot(y, height);
            for x in 0..width {
                let (i, f) = knot(x, width);
                let at = y * width + x;
                let expected = gain * before.samples[c][at] + offset;
                let rest = now.samples[c][at] - expected;
                let weight = kept[at] * expected;
                for (k, w) in [
                    (0, (1.0 - f) * (1.0 - g)),
                    (1, f * (1.0 - g)),
                    (KNOTS, (1.0 - f) * g),
                    (KNOTS + 1, f * g),
                ] {
                    top[j * KNOTS + i + k] += w * weight * rest;
                    bottom[j * KNOTS + i + k] += w * weight * expected;
                }
            }
        }
    }
    // Where little is seen, little is believed.
    let doubt = 0.02 * (width * height * now.samples.len()) as f32 / (KNOTS * KNOTS) as f32;
    top.iter().zip(&bottom).map(|(t, b)| (t / (b + doubt)).clamp(-0.3, 0.3)).collect()
}

/// The knot before a sample, and how far it lies towards the next, smoothly.
fn knot(at: usize, n: usize) -> (usize, f32) {
    let t = (at as f32 + 0.5) / n as f32 * (KNOTS - 1) as f32;
    let i = (t as usize).min(KNOTS - 2);
    (i, t - i as f32)
}

/// Gain of every pixel, made row by row.
struct Gains<'a> {
    knots: &'a [f32],
    height: usize,
    across: Vec<(usize, f32)>,
}

fn gain_rows(knots: &[f32], width: usize, height: usize) -> Gains<'_> {
    Gains { knots, height, across: (0..width).map(|x| knot(x, width)).collect() }
}

impl Gains<'_> {
    fn of_row(&self, y: usize, mut use_row: impl FnMut(&[f32])) {
        let (j, g) = knot(y, self.height);
        let row: [f32; KNOTS] = std::array::from_fn(|i| {
            self.knots[j * KNOTS + i] * (1.0 - g) + self.knots[(j + 1) * KNOTS + i] * g
        });
        let gains: Vec<f32> =
            self.across.iter().map(|&(i, f)| 1.0 + row[i] * (1.0 - f) + row[i + 1] * f).collect();
        use_row(&gains);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporal::filter_scene;

    fn scene(gain: impl Fn(usize) -> f32) -> Vec<PlanarImage> {
        let frame = |t: usize| {
            let data = (0..64 * 48).map(|i| (0.2 + 0.5 * ((i * 7) % 64) as f32 / 64.0) * gain(t)).collect();
            PlanarImage { width: 64, height: 48, channels: 1, data }
        };
        (0..24).map(frame).collect()
    }

    fn mean(image: &PlanarImage) -> f32 {
        image.data.iter().sum::<f32>() / image.data.len() as f32
    }

    #[test]
    fn flicker_goes_and_fades_stay() {
        let filter = Deflicker { radius: 12, strength: 1.0, local: 1.0 };
        let clean = scene(|_| 1.0);
        let flicker = |t: usize| 1.0 + 0.08 * ((t * 5 % 7) as f32 - 3.0) / 3.0;
        for (out, truth) in filter_scene(&filter, &scene(flicker)).iter().zip(&clean).skip(4).take(16) {
            assert!((mean(out) / mean(truth) - 1.0).abs() < 0.025, "{}", mean(out) / mean(truth));
        }
        let fade = scene(|t| 1.2 - 0.03 * t as f32);
        for (out, truth) in filter_scene(&filter, &fade).iter().zip(&fade) {
            assert!((mean(out) / mean(truth) - 1.0).abs() < 0.02, "{}", mean(out) / mean(truth));
        }
        let off = Deflicker { radius: 12, strength: 0.0, local: 0.0 };
        assert_eq!(filter_scene(&off, &fade), fade);
    }
}
