//! Gate weave: a picture that does not stand still because the film did not.
//!
//! Weave moves the whole frame, whatever is drawn on it; a pan, a held cel and a character move each by themselves.
//! So each zone of the picture has its own path, of which the fast part is looked at, and only what the zones have in
//! common is taken for weave.

mod zones;

use super::smooth_path::level;
use super::{Reach, TemporalFilter, Window};
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};
use zones::{ZoneStep, zone_steps};

/// What the filter takes.
pub const PARAMS: &[Param] = &[
    Param::int(
        "radius",
        "Frames before and after whose position counts; moves that last longer are kept.",
        "frames",
        (2, 30),
        12,
    ),
    Param::float("strength", "1 takes out all that is faster than the radius.", "", (0.0, 1.0), 1.0),
    Param::float("limit", "Furthest that a frame is moved.", "px", (0.0, 100.0), 12.0),
];

/// Moves smaller than this are not worth resampling the frame.
const LEAST_PX: f32 = 0.1;

/// A step that is trusted less is taken to be that of the other zones.
const LEAST_TRUST: f32 = 0.05;

/// Moves each frame to where its neighbourhood stands on average; steady pans stay, and so does what only a part of
/// the picture does.
///
/// Borders that come into the picture are mirrored.
#[derive(Debug, Clone)]
pub struct Stabilise {
    /// Frames before and after whose position counts.
    pub radius: usize,
    /// Part of the weave that is taken out, `0.0..=1.0`.
    pub strength: f32,
    /// Furthest that a frame is moved, in pixels.
    pub limit_px: f32,
}

impl Stabilise {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            radius: values.usize("radius"),
            strength: values.f32("strength"),
            limit_px: values.f32("limit"),
        }
    }

    /// How far the frame at work is to be moved to the right and down, in pixels.
    pub fn correction(&self, window: &Window<'_>) -> (f32, f32) {
        let steps: Vec<Vec<ZoneStep>> = window.measures.iter().map(|m| ZoneStep::all(m)).collect();
        let along = |axis: usize| {
            let off = self.off_path(&steps, window.measure_centre, axis);
            (self.strength * off).clamp(-self.limit_px, self.limit_px)
        };
        (along(0), along(1))
    }

    /// How far the frame at `centre` lies before the smooth paths of its zones, as far as these agree.
    fn off_path(&self, steps: &[Vec<ZoneStep>], centre: usize, axis: usize) -> f32 {
        let sigma = (self.radius as f32 / 4.0).max(1.0);
        let n_zones = steps.iter().map(Vec::len).max().unwrap_or(0);
        let common: Vec<f32> = steps
            .iter()
            .map(|zones| middle(&mut zones.iter().map(|z| (z.step[axis], z.trust[axis])).collect::<Vec<_>>()))
            .collect();
        let mut votes: Vec<(f32, f32)> = (0..n_zones)
            .map(|k| {
                let zone = |i: usize| steps[i].get(k).copied().unwrap_or_default();
                let step = |i: usize| {
                    let zone = zone(i);
                    if zone.trust[axis] < LEAST_TRUST { common[i] } else { zone.step[axis] }
                };
                let mut path = vec![0.0; steps.len()];
                for i in centre + 1..path.len() {
                    path[i] = path[i - 1] + step(i);
                }
                for i in (0..centre).rev() {
                    path[i] = path[i + 1] - step(i + 1);
                }
                let near = |i: usize| (-0.5 * ((i as f32 - centre as f32) / sigma).powi(2)).exp();
                let trust = (0..steps.len()).map(|i| near(i) * zone(i).trust[axis]).sum();
                (level(&path, centre, sigma, 3.0), trust)
            })
            .collect();
        agreed(&mut votes)
    }
}

/// The weighted median of values and weights; 0 of none.
fn middle(votes: &mut [(f32, f32)]) -> f32 {
    votes.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let half = 0.5 * votes.iter().map(|(_, weight)| weight).sum::<f32>();
    let mut sum = 0.0;
    for &(value, weight) in &*votes {
        sum += weight;
        if sum >= half && weight > 0.0 {
            return value;
        }
    }
    0.0
}

/// The weighted median, less of it the more of the votes are for standing still or for the other direction.
///
/// The frame does not leave a zone behind: where one stands still, what moves is the drawing. Votes for going further
/// are neither for nor against.
fn agreed(votes: &mut [(f32, f32)]) -> f32 {
    const LEAST_SHARE: f32 = 0.55;
    const ENOUGH: f32 = 0.8;
    let value = middle(votes);
    let (mut with, mut against) = (0.0, 0.0);
    for &(vote, weight) in &*votes {
        match vote / value {
            ..0.5 => against += weight,
            0.5..=1.5 => with += weight,
            _ => {}
        }
    }
    let share: f32 = with / (with + against);
    let belief = ((share - LEAST_SHARE) / (ENOUGH - LEAST_SHARE)).clamp(0.0, 1.0);
    if belief.is_finite() { belief * value } else { 0.0 }
}

impl TemporalFilter for Stabilise {
    fn reach(&self) -> Reach {
        Reach::default()
    }

    fn measure_reach(&self) -> Reach {
        Reach { before: self.radius, after: self.radius }
    }

    fn measure(&self, previous: Option<&PlanarImage>, frame: &PlanarImage) -> Vec<f32> {
        let Some(previous) = previous else { return Vec::new() };
        ZoneStep::measure(&zone_steps(previous, frame))
    }

    fn apply(&self, window: &Window<'_>) -> PlanarImage {
        let image = window.frame();
        let (dx, dy) = self.correction(window);
        if dx.abs().max(dy.abs()) < LEAST_PX {
            return image.clone();
        }
        shifted(image, dx, dy)
    }
}

/// A picture moved to the right and down by any fraction of pixels, by a sinc under a window of four lobes; borders
/// are mirrored.
pub fn shifted(image: &PlanarImage, dx: f32, dy: f32) -> PlanarImage {
    let mut out = image.clone();
    let (width, height) = (image.width, image.height);
    let (across, down) = (Kernel::new(dx), Kernel::new(dy));
    let mut rows = vec![0.0f32; width * height];
    for channel in 0..image.channels {
        let mut padded = vec![0.0f32; width + 2 * LOBES];
        for (row, out) in image.plane(channel).chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
            for (i, v) in padded.iter_mut().enumerate() {
                *v = row[mirrored(i as isize + across.first, width)];
            }
            out.fill(0.0);
            for (t, weight) in across.taps.iter().enumerate() {
                for (v, p) in out.iter_mut().zip(&padded[t..]) {
                    *v += weight * p;
                }
            }
        }
        for (y, out) in out.plane_mut(channel).chunks_exact_mut(width).enumerate() {
            out.fill(0.0);
            for (t, weight) in down.taps.iter().enumerate() {
                let from = mirrored(y as isize + t as isize + down.first, height) * width;
                for (v, p) in out.iter_mut().zip(&rows[from..from + width]) {
                    *v += weight * p;
                }
            }
        }
    }
    out
}

const LOBES: usize = 4;

/// Weights of the samples around a place, the first of them `first` from the pixel.
struct Kernel {
    first: isize,
    taps: [f32; 2 * LOBES],
}

impl Kernel {
    fn new(shift: f32) -> Self {
        let (whole, fraction) = ((-shift).floor(), f64::from(-shift - (-shift).floor()));
        let weights: [f64; 2 * LOBES] = std::array::from_fn(|t| {
            let x = std::f64::consts::PI * (t as f64 + 1.0 - LOBES as f64 - fraction);
            let lobes = LOBES as f64;
            if x.abs() < 1e-6 { 1.0 } else { x.sin() / x * ((x / lobes).sin() / (x / lobes)) }
        });
        let sum: f64 = weights.iter().sum();
        Self { first: whole as isize + 1 - LOBES as isize, taps: weights.map(|w| (w / sum) as f32) }
    }
}

fn mirrored(i: isize, n: usize) -> usize {
    let i = i.rem_euclid(2 * n as isize) as usize;
    if i < n { i } else { 2 * n - 1 - i }
}

#[cfg(test)]
mod tests {
    use super::zones::tests::picture;
    use super::*;
    use crate::temporal::filter_scene;

    /// How far the middle zone has moved.
    fn moved(before: &PlanarImage, now: &PlanarImage) -> (f32, f32) {
        let zones = zone_steps(before, now);
        let middle = zones[zones.len() / 2];
        (middle.step[0], middle.step[1])
    }

    #[test]
    fn weave_goes_and_a_pan_stays() {
        let filter = Stabilise { radius: 12, strength: 1.0, limit_px: 12.0 };
        let weave = |t: usize| [0.8, -0.7, 0.2, -1.0, 0.9, -0.2][t % 6];
        let frames: Vec<_> = (0..26).map(|t| picture(1.5 * t as f32 + weave(t), weave(t + 2))).collect();
        let out = filter_scene(&filter, &frames);
        for (t, out) in out.iter().enumerate().take(18).skip(8) {
            let (x, y) = moved(&picture(1.5 * t as f32, 0.0), out);
            assert!(x.abs() < 0.3 && y.abs() < 0.3, "frame {t}: {x}, {y}");
        }
    }

    /// A still picture with a band that pans, and a patch that jumps to and fro every second frame.
    fn layers(t: usize, weave: (f32, f32)) -> PlanarImage {
        let mut frame = picture(weave.0, weave.1);
        let (pan, jump) = (2.0 * t as f32, if t % 4 < 2 { 0.0 } else { 2.5 });
        for (dx, x, y) in [(pan, 0..160, 66..120), (jump, 100..150, 10..60)] {
            let other = picture(dx + weave.0 + 31.0, weave.1 + 17.0);
            for row in y {
                let span = row * 160 + x.start..row * 160 + x.end;
                frame.data[span.clone()].copy_from_slice(&other.data[span]);
            }
        }
        frame
    }

    #[test]
    fn layers_that_move_by_themselves_are_no_weave() {
        let filter = Stabilise::from_values(&ParamValues::defaults(PARAMS));
        let frames: Vec<_> = (0..16).map(|t| layers(t, (0.0, 0.0))).collect();
        for (t, (out, frame)) in filter_scene(&filter, &frames).iter().zip(&frames).enumerate() {
            assert!(out == frame, "frame {t}");
        }
    }

    #[test]
    fn weave_of_layers_goes() {
        let filter = Stabilise::from_values(&ParamValues::defaults(PARAMS));
        let weave = |t: usize| [0.8, -0.7, 0.2, -1.0, 0.9, -0.2][t % 6];
        let shaken: Vec<_> = (0..20).map(|t| layers(t, (weave(t), weave(t + 2)))).collect();
        let truth: Vec<_> = (0..20).map(|t| layers(t, (0.0, 0.0))).collect();
        let out = filter_scene(&filter, &shaken);
        let error = |frames: &[PlanarImage]| -> f32 {
            let inner = frames.iter().zip(&truth).take(16).skip(4);
            let pairs = inner.flat_map(|(f, t)| f.data.iter().zip(&t.data));
            pairs.map(|(a, b)| (a - b).powi(2)).sum()
        };
        assert!(error(&out) < 0.6 * error(&shaken), "{} {}", error(&out), error(&shaken));
    }

    #[test]
    fn votes_agree_or_nothing_is_done() {
        assert_eq!(agreed(&mut [(1.0, 1.0), (1.1, 1.0), (0.9, 1.0), (-4.0, 0.1)]), 1.0);
        assert!(agreed(&mut [(1.0, 1.0), (1.1, 1.0), (1.2, 0.5), (0.0, 1.0), (0.0, 1.0)]) < 0.05);
        assert_eq!(agreed(&mut []), 0.0);
        assert_eq!(agreed(&mut [(f32::NAN, 1.0)]), 0.0);
    }

    #[test]
    fn odd_sizes() {
        for (width, height) in [(1, 1), (3, 2), (17, 16), (40, 9)] {
            let image = PlanarImage { width, height, channels: 4, data: vec![0.5; 4 * width * height] };
            let out = shifted(&image, 3.3, -20.7);
            assert!(out.data.iter().all(|v| (v - 0.5).abs() < 1e-5));
            let spoilt = PlanarImage { data: vec![f32::NAN; 4 * width * height], ..image.clone() };
            assert!(zone_steps(&image, &spoilt).iter().all(|zone| zone.trust == [0.0; 2]));
        }
    }
}
