//! Takes away vertical scratches: thin, nearly upright lines that run over (almost) the whole height, lighter or darker than both
//! sides. Lines that were drawn are shorter or not as even, and stay.
//!
//! Each sample votes whether it sticks out from both sides; votes are counted along lines that may lean. Where a scratch is found,
//! its profile (the middle one of the differences to its sides over some rows) is subtracted, so what it crosses stays in place.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use crate::luma_chroma::luma;

/// Parameters of [`Descratch`].
pub const PARAMS: &[Param] = &[
    Param::int("width", "Width of the widest scratch.", "px", (1, 15), 3),
    Param::float(
        "lean",
        "How far a scratch may lean over the height of the picture.",
        "px",
        (0.0, 64.0),
        6.0,
    ),
    Param::float("threshold", "By how much a scratch sticks out, at least.", "", (0.0, 0.5), 0.015),
    Param::float(
        "length",
        "How much of the height a scratch covers, at least, in percent.",
        "%",
        (10.0, 100.0),
        60.0,
    ),
    Param::float("strength", "How much of a scratch is removed.", "", (0.0, 1.0), 1.0),
];

/// Removal of lines over the whole height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Descratch {
    /// Greatest width, px.
    pub width_px: usize,
    /// Greatest lean over the height, px.
    pub lean_px: f32,
    /// Least height over both sides.
    pub threshold: f32,
    /// Least share of the height, `0.0..=1.0`.
    pub length: f32,
    /// Share that is removed.
    pub strength: f32,
}

/// Bands of rows whose votes are counted together.
const N_BANDS: usize = 24;

/// Sides that differ by more than this from each other belong to an edge, and do not vote.
const SIDES_ALIKE: f32 = 0.06;

/// A scratch: its column at the top and at the bottom of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scratch {
    /// Column at the top, px.
    pub top_x: f32,
    /// Column at the bottom, px.
    pub bottom_x: f32,
}

impl Scratch {
    fn column(&self, y: f32, height: usize) -> f32 {
        self.top_x + (self.bottom_x - self.top_x) * (y + 0.5) / height as f32
    }
}

impl Descratch {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            width_px: values.usize("width"),
            lean_px: values.f32("lean"),
            threshold: values.f32("threshold"),
            length: values.f32("length") / 100.0,
            strength: values.f32("strength"),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels: scratches are found in luma and removed from each colour.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        if image.data.is_empty() || self.strength <= 0.0 {
            return out;
        }
        for scratch in self.find(image) {
            for c in 0..image.channels.min(3) {
                self.remove(out.plane_mut(c), image.width, scratch);
            }
        }
        out
    }

    /// The scratches of a picture, from left to right.
    pub fn find(&self, image: &PlanarImage) -> Vec<Scratch> {
        let (width, height) = (image.width, image.height);
        if width < 2 * self.side() + 3 || height < N_BANDS {
            return Vec::new();
        }
        let votes = self.votes(&luma(image), width);
        let most = self.lean_px.round() as isize;
        let mut found: Vec<(f32, Scratch)> = Vec::new();
        for x in 0..width as isize {
            for lean in -most..=most {
                let (top, bottom) = (x as f32 - lean as f32 / 2.0, x as f32 + lean as f32 / 2.0);
                let scratch = Scratch { top_x: top, bottom_x: bottom };
                let Some(score) = votes.along(scratch, width, height) else { continue };
                if score >= self.length {
                    found.push((score, scratch));
                }
            }
        }
        // The best of those that lie on each other.
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut kept: Vec<Scratch> = Vec::new();
        for (_, scratch) in found {
            let apart = |other: &Scratch| {
                let middle = |s: &Scratch| 0.5 * (s.top_x + s.bottom_x);
                (middle(other) - middle(&scratch)).abs() > (self.width_px + 1) as f32
            };
            if kept.iter().all(apart) {
                kept.push(scratch);
            }
        }
        kept.sort_by(|a, b| a.top_x.total_cmp(&b.top_x));
        kept
    }

    /// Distance from the middle of a scratch to its sides, px.
    fn side(&self) -> usize {
        self.width_px / 2 + 2
    }

    fn votes(&self, luma: &[f32], width: usize) -> Votes {
        let (side, height) = (self.side(), luma.len() / width);
        let mut votes = Votes { light: vec![0; N_BANDS * width], known: vec![0; N_BANDS * width] };
        for (y, row) in luma.chunks_exact(width).enumerate() {
            let band = y * N_BANDS / height * width;
            for x in side..width - side {
                let (l, m, r) = (row[x - side], row[x], row[x + side]);
                if (l - r).abs() < SIDES_ALIKE {
                    votes.known[band + x] += 1;
                    votes.light[band + x] += i32::from(m > l.max(r) + self.threshold);
                    votes.light[band + x] -= i32::from(m < l.min(r) - self.threshold);
                }
            }
        }
        votes
    }

    /// Subtracts the profile of a scratch from a plane.
    fn remove(&self, plane: &mut [f32], width: usize, scratch: Scratch) {
        /// Rows over which the profile is the same, and rows from one profile to the next.
        const WINDOW: usize = 28;
        const STEP: usize = 7;
        let height = plane.len() / width;
        let side = self.side() as isize;
        let at = |x: isize, y: usize| y * width + x.clamp(0, width as isize - 1) as usize;
        // What stands out of the straight line between both sides; `None` where they do not match.
        let original = plane.to_vec();
        let excess = |x: isize, y: usize, middle: isize| {
            let mean = |x: isize| 0.5 * (original[at(x, y)] + original[at(x + x.signum().min(0), y)]);
            let (left, right) = (mean(middle - side), mean(middle + side));
            let t = (x - middle + side) as f32 / (2 * side) as f32;
            ((left - right).abs() < SIDES_ALIKE).then(|| original[at(x, y)] - left - t * (right - left))
        };
        let columns = (2 * side + 1) as usize;
        let centres: Vec<usize> = (0..height + STEP).step_by(STEP).map(|y| y.min(height - 1)).collect();
        let mut last = vec![0.0f32; columns];
        let profiles: Vec<(isize, Vec<f32>)> = centres
            .iter()
            .map(|&centre| {
                let middle = scratch.column(centre as f32, height).round() as isize;
                let rows = centre.saturating_sub(WINDOW / 2)..(centre + WINDOW / 2 + 1).min(height);
                let mut profile = vec![0.0; columns];
                for (i, v) in profile.iter_mut().enumerate().skip(1).take(columns - 2) {
                    let x = middle - side + i as isize;
                    let mut differences: Vec<f32> =
                        rows.clone().filter_map(|y| excess(x, y, middle)).filter(|d| d.is_finite()).collect();
                    // Where an edge runs along the scratch, it is as above.
                    *v = if differences.len() < 6 {
                        last[i]
                    } else {
                        let n = differences.len() / 2;
                        *differences.select_nth_unstable_by(n, f32::total_cmp).1
                    };
                }
                last.clone_from(&profile);
                (middle, profile)
            })
            .collect();
        for y in 0..height {
            let (i, t) = (y / STEP, (y % STEP) as f32 / STEP as f32);
            let next = (i + 1).min(profiles.len() - 1);
            for (profile, share) in [(&profiles[i], 1.0 - t), (&profiles[next], t)] {
                for (column, excess) in profile.1.iter().enumerate() {
                    let x = profile.0 - side + column as isize;
                    if (0..width as isize).contains(&x) {
                        plane[y * width + x as usize] -= self.strength * share * excess;
                    }
                }
            }
        }
    }
}

/// Votes of each band of rows and column.
struct Votes {
    /// How many rows are lighter than both sides, less those that are darker.
    light: Vec<i32>,
    /// How many rows have sides that match.
    known: Vec<i32>,
}

impl Votes {
    /// Share of the votes along a line; `None` where there are too few, or where a third of the bands does not agree.
    fn along(&self, scratch: Scratch, width: usize, height: usize) -> Option<f32> {
        let (mut light, mut known) = (0, 0);
        let mut bands = [0i32; 3];
        for band in 0..N_BANDS {
            let y = (band as f32 + 0.5) * height as f32 / N_BANDS as f32;
            let x = scratch.column(y, height).round();
            if x < 0.0 || x >= width as f32 {
                return None;
            }
            let i = band * width + x as usize;
            light += self.light[i];
            known += self.known[i];
            if self.known[i] * N_BANDS as i32 * 3 > height as i32 {
                let agrees = 3 * self.light[i].abs() >= self.known[i];
                bands[if agrees { (self.light[i] > 0) as usize } else { 2 }] += 1;
            }
        }
        let n_known: i32 = bands.iter().sum();
        let enough = known * 3 > height as i32 && 3 * bands[0].max(bands[1]) >= 2 * n_known && n_known > 0;
        enough.then(|| light.abs() as f32 / known as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ramp with an edge across, a scratch, and a drawn line of a third of the height.
    fn picture(scratched: bool) -> PlanarImage {
        let (w, h) = (120, 144);
        let mut image = PlanarImage::zeros(1, h, w);
        for (i, v) in image.data.iter_mut().enumerate() {
            let (x, y) = (i % w, i / w);
            *v = 0.3 + 0.002 * x as f32 + if y > 70 + x / 4 { 0.3 } else { 0.0 };
            if (80..82).contains(&x) && (20..66).contains(&y) {
                *v = 0.05;
            }
            let middle = 40.0 + 3.0 * y as f32 / h as f32;
            if scratched && (x as f32 - middle).abs() <= 1.0 {
                *v += 0.15;
            }
        }
        image
    }

    #[test]
    fn a_scratch_goes_and_a_drawn_line_stays() {
        let descratch = Descratch::from_values(&ParamValues::defaults(PARAMS));
        let (clean, spoilt) = (picture(false), picture(true));
        let found = descratch.find(&spoilt);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((found[0].top_x - 40.0).abs() < 1.6 && (found[0].bottom_x - 43.0).abs() < 1.6, "{found:?}");
        let error =
            |p: &PlanarImage| p.data.iter().zip(&clean.data).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let out = descratch.apply(&spoilt);
        assert!(error(&out) < 0.15 * error(&spoilt), "{} {}", error(&out), error(&spoilt));
        assert!(descratch.apply(&clean) == clean);
    }
}
