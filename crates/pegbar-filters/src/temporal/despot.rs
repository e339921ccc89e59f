//! Dirt and dust: spots and hairs that lie on the film for one frame.

use super::composite_pattern::widened;
use super::motion::{MotionField, SearchPicture};
use super::{Reach, TemporalFilter, Window};
use crate::luma_chroma::LumaChroma;
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the filter takes.
pub const PARAMS: &[Param] = &[
    Param::float(
        "threshold",
        "A spot is darker or brighter than both neighbours by this at least.",
        "codes",
        (2.0, 120.0),
        14.0,
    ),
    Param::int("size", "Longest side of a spot.", "px", (1, 400), 100),
    Param::bool("dark", "Takes out dark spots.", true),
    Param::bool("bright", "Takes out bright spots.", true),
];

/// Where spots cover more of the frame than this, motion was not found or the film was cut: nothing is done.
const MOST_COVERED: f32 = 0.04;

/// The edge of a spot is found down to this part of the threshold.
const SOFT_EDGE: f32 = 0.35;

/// Around a spot the neighbours may differ from the frame by this part of the spot's contrast, or the motion is not known there.
const MOST_UNLIKE_AROUND: f32 = 0.25;

/// Part of the neighbours' own contrast nearby that a spot has to exceed: thin lines change that much when they move by
/// fractions of a pixel.
const OF_DETAIL: f32 = 0.7;

/// How far drawn detail is looked for in the neighbours, in pixels.
const SEARCH: isize = 14;

/// A spot that is found again in a neighbour, with differences below this part of its own contrast, is no spot.
const FOUND_AGAIN: f32 = 0.4;

/// Removes what only one frame shows, and fills the place from its motion-compensated neighbours.
///
/// A spot has to differ in one direction from both neighbours, which have to agree with each other there, and must not
/// be found elsewhere in a neighbour: that would be drawn detail that moves.
#[derive(Debug, Clone)]
pub struct Despot {
    /// Least difference in codes of 255.
    pub threshold_codes: f32,
    /// Longest side of a spot in pixels.
    pub size_px: usize,
    /// Whether dark spots go.
    pub dark: bool,
    /// Whether bright spots go.
    pub bright: bool,
}

impl Despot {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            threshold_codes: values.f32("threshold"),
            size_px: values.usize("size"),
            dark: values.bool("dark"),
            bright: values.bool("bright"),
        }
    }
}

impl TemporalFilter for Despot {
    fn reach(&self) -> Reach {
        // Two on each side: at the ends of a scene both neighbours stand on one side.
        Reach { before: 2, after: 2 }
    }

    fn apply(&self, window: &Window<'_>) -> PlanarImage {
        let image = window.frame();
        let (c, n) = (window.centre, window.frames.len());
        let pair = match (c.checked_sub(1), c + 1 < n) {
            (Some(before), true) => (before, c + 1),
            (None, true) if c + 2 < n => (c + 1, c + 2),
            (Some(before), false) if c >= 2 => (before, c - 2),
            _ => return image.clone(),
        };
        let here = LumaChroma::of(image);
        let picture = |of: &LumaChroma| SearchPicture::of_luma(&of.planes[0], of.width, of.height);
        let own = picture(&here);
        let neighbours = [pair.0, pair.1].map(|i| {
            let frame = LumaChroma::of(window.frames[i]);
            let field = MotionField::search(&own, &picture(&frame));
            let planes = frame.planes.iter().map(|p| field.compensate(p)).collect();
            (frame.planes.into_iter().next().unwrap_or_default(), LumaChroma { planes, ..here })
        });
        let [(first, a), (second, b)] = &neighbours;
        let mut cover = vec![0.0f32; here.planes[0].len()];
        let scene = Scene {
            width: here.width,
            height: here.height,
            luma: &here.planes[0],
            a: &a.planes[0],
            b: &b.planes[0],
        };
        for (wanted, sign) in [(self.dark, 1.0), (self.bright, -1.0)] {
            if wanted {
                for spot in self.spots(&scene, sign) {
                    if scene.known_around(&spot)
                        && !scene.found_again(&spot, first)
                        && !scene.found_again(&spot, second)
                    {
                        spot.pixels.iter().for_each(|&i| cover[i] = 1.0);
                    }
                }
            }
        }
        if cover.iter().all(|c| *c == 0.0) {
            return image.clone();
        }
        let cover = feathered(&cover, here.width, here.height);
        let after: Vec<Vec<f32>> = here
            .planes
            .iter()
            .zip(a.planes.iter().zip(&b.planes))
            .map(|(here, (a, b))| {
                let filled = here.iter().zip(a.iter().zip(b)).zip(&cover);
                filled.map(|((v, (a, b)), cover)| v + cover * (0.5 * (a + b) - v)).collect()
            })
            .collect();
        here.changed(image, &after)
    }
}

/// Luma of the frame at work, and of both neighbours as it sees them.
struct Scene<'a> {
    width: usize,
    height: usize,
    luma: &'a [f32],
    a: &'a [f32],
    b: &'a [f32],
}

/// Pixels that hang together and differ from both neighbours.
struct Spot {
    pixels: Vec<usize>,
    /// Mean difference to the neighbours.
    contrast: f32,
    /// First and last column, first and last row.
    bounds: [usize; 4],
}

impl Despot {
    /// Candidates darker (`sign` 1) or brighter (-1) than the neighbours.
    fn spots(&self, scene: &Scene<'_>, sign: f32) -> Vec<Spot> {
        let &Scene { width, height, luma, a, b } = scene;
        let threshold = self.threshold_codes / 255.0;
        // What the neighbours have at least of it nearby: an edge off by a pixel is no spot.
        let least: Vec<f32> = a.iter().zip(b).map(|(a, b)| -(sign * a).min(sign * b)).collect();
        let nearby: Vec<f32> = widened(&least, width, height, 1);
        let darkest = widened(&a.iter().map(|v| -v).collect::<Vec<_>>(), width, height, 2);
        let detail: Vec<f32> =
            widened(a, width, height, 2).iter().zip(darkest).map(|(most, least)| most + least).collect();
        let excess = |i: usize| -nearby[i] - sign * luma[i] - OF_DETAIL * detail[i];
        let edge = |i: usize| -least[i] - sign * luma[i];
        let seeds: Vec<usize> = (0..luma.len())
            .filter(|&i| excess(i) > threshold && (a[i] - b[i]).abs() < 0.5 * excess(i).max(threshold))
            .collect();
        if seeds.len() as f32 > MOST_COVERED * luma.len() as f32 {
            return Vec::new();
        }
        let mut seen = vec![false; luma.len()];
        let mut spots = Vec::new();
        for seed in seeds {
            if seen[seed] {
                continue;
            }
            seen[seed] = true;
            let mut spot = Spot { pixels: vec![seed], contrast: 0.0, bounds: [usize::MAX, 0, usize::MAX, 0] };
            let (mut next, mut unlike) = (0, 0.0);
            while let Some(&i) = spot.pixels.get(next) {
                next += 1;
                let (x, y) = (i % width, i / width);
                let [x0, x1, y0, y1] = spot.bounds;
                spot.bounds = [x0.min(x), x1.max(x), y0.min(y), y1.max(y)];
                spot.contrast += edge(i);
                unlike += (a[i] - b[i]).abs();
                for v in y.saturating_sub(1)..(y + 2).min(height) {
                    for u in x.saturating_sub(1)..(x + 2).min(width) {
                        let j = v * width + u;
                        if !seen[j] && edge(j) > SOFT_EDGE * threshold {
                            seen[j] = true;
                            spot.pixels.push(j);
                        }
                    }
                }
            }
            let n = spot.pixels.len() as f32;
            spot.contrast /= n;
            let [x0, x1, y0, y1] = spot.bounds;
            let small = x1 - x0 < self.size_px && y1 - y0 < self.size_px;
            if small && unlike / n < 0.4 * spot.contrast.max(threshold) {
                spots.push(spot);
            }
        }
        let covered: usize = spots.iter().map(|s| s.pixels.len()).sum();
        if covered as f32 > MOST_COVERED * luma.len() as f32 { Vec::new() } else { spots }
    }
}

impl Scene<'_> {
    /// Whether both neighbours show what surrounds the spot.
    fn known_around(&self, spot: &Spot) -> bool {
        const INNER: usize = 2;
        const OUTER: usize = 4;
        let [x0, x1, y0, y1] = spot.bounds;
        let (x0, x1) = (x0.saturating_sub(OUTER), (x1 + OUTER).min(self.width - 1));
        let (y0, y1) = (y0.saturating_sub(OUTER), (y1 + OUTER).min(self.height - 1));
        let (w, h) = (x1 - x0 + 1, y1 - y0 + 1);
        let mut mask = vec![0.0f32; w * h];
        for &i in &spot.pixels {
            mask[(i / self.width - y0) * w + i % self.width - x0] = 1.0;
        }
        let (near, far) = (widened(&mask, w, h, INNER), widened(&mask, w, h, OUTER));
        let (mut off_a, mut off_b, mut n) = (0.0, 0.0, 0.0f32);
        for (i, _) in
            near.iter().zip(&far).enumerate().filter(|(_, (near, far))| **near == 0.0 && **far > 0.0)
        {
            let at = (y0 + i / w) * self.width + x0 + i % w;
            off_a += (self.luma[at] - self.a[at]).abs();
            off_b += (self.luma[at] - self.b[at]).abs();
            n += 1.0;
        }
        f32::max(off_a, off_b) <= n * (MOST_UNLIKE_AROUND * spot.contrast)
    }

    /// Whether the spot with its surroundings is to be seen in a neighbour's luma, not compensated, somewhere near.
    fn found_again(&self, spot: &Spot, neighbour: &[f32]) -> bool {
        const RIM: usize = 2;
        let [x0, x1, y0, y1] = spot.bounds;
        let (x0, x1) = (x0.saturating_sub(RIM), (x1 + RIM).min(self.width - 1));
        let (y0, y1) = (y0.saturating_sub(RIM), (y1 + RIM).min(self.height - 1));
        // The spot and its rim, thinned out where there are many pixels.
        let mut mask = vec![false; (x1 - x0 + 1) * (y1 - y0 + 1)];
        for &i in &spot.pixels {
            let (x, y) = (i % self.width, i / self.width);
            for v in y.saturating_sub(RIM).max(y0)..=(y + RIM).min(y1) {
                for u in x.saturating_sub(RIM).max(x0)..=(x + RIM).min(x1) {
                    mask[(v - y0) * (x1 - x0 + 1) + u - x0] = true;
                }
            }
        }
        let masked: Vec<usize> = (0..mask.len()).filter(|&i| mask[i]).collect();
        let every = masked.len().div_ceil(160).max(1);
        let samples: Vec<(isize, isize, f32)> = masked
            .iter()
            .step_by(every)
            .map(|i| {
                let (x, y) = (x0 + i % (x1 - x0 + 1), y0 + i / (x1 - x0 + 1));
                (x as isize, y as isize, self.luma[y * self.width + x])
            })
            .collect();
        let limit = FOUND_AGAIN * spot.contrast * (spot.pixels.len() as f32 / masked.len() as f32).min(1.0);
        let limit = limit * samples.len() as f32;
        let (w, h) = (self.width as isize, self.height as isize);
        for dy in -SEARCH..=SEARCH {
            for dx in -SEARCH..=SEARCH {
                let mut sum = 0.0;
                for &(x, y, v) in &samples {
                    let at = (y + dy).clamp(0, h - 1) * w + (x + dx).clamp(0, w - 1);
                    sum += (neighbour[at as usize] - v).abs();
                    if sum > limit {
                        break;
                    }
                }
                if sum <= limit {
                    return true;
                }
            }
        }
        false
    }
}

/// The cover grown by two pixels, its edge fading over two more.
fn feathered(cover: &[f32], width: usize, height: usize) -> Vec<f32> {
    let grown = widened(cover, width, height, 2);
    let mut out = vec![0.0; grown.len()];
    for y in 0..height {
        for x in 0..width {
            let (mut sum, mut n) = (0.0, 0.0);
            for v in y.saturating_sub(1)..(y + 2).min(height) {
                for u in x.saturating_sub(1)..(x + 2).min(width) {
                    sum += grown[v * width + u];
                    n += 1.0;
                }
            }
            out[y * width + x] = f32::max(cover[y * width + x], sum / n);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporal::filter_scene;

    const FILTER: Despot = Despot { threshold_codes: 14.0, size_px: 60, dark: true, bright: true };

    fn background(width: usize, height: usize) -> PlanarImage {
        let mut image = PlanarImage::zeros(3, height, width);
        for c in 0..3 {
            for y in 0..height {
                for x in 0..width {
                    let v = 0.5 + 0.03 * (x as f32 * 0.2).sin() + 0.03 * (y as f32 * 0.15).cos();
                    image.plane_mut(c)[y * width + x] = v - 0.1 * c as f32;
                }
            }
        }
        image
    }

    fn square(image: &mut PlanarImage, x: usize, y: usize, side: usize, value: f32) {
        let width = image.width;
        for c in 0..3 {
            for v in y..y + side {
                image.plane_mut(c)[v * width + x..v * width + x + side].fill(value);
            }
        }
    }

    #[test]
    fn a_spot_of_one_frame_goes() {
        let clean = vec![background(96, 80); 5];
        for at in 0..5 {
            let mut dirty = clean.clone();
            square(&mut dirty[at], 40, 30, 5, 0.05);
            square(&mut dirty[at], 70, 60, 3, 0.98);
            let out = filter_scene(&FILTER, &dirty);
            for (a, b) in out.iter().zip(&clean) {
                assert!(a.data.iter().zip(&b.data).all(|(a, b)| (a - b).abs() < 0.02), "spot in frame {at}");
            }
        }
    }

    #[test]
    fn a_drawn_dot_that_moves_stays() {
        let frames: Vec<_> = (0..5)
            .map(|t| {
                let mut image = background(96, 80);
                square(&mut image, 20 + 9 * t, 30 + 4 * t, 4, 0.02);
                image
            })
            .collect();
        for (out, drawn) in filter_scene(&FILTER, &frames).iter().zip(&frames) {
            assert!(out.data.iter().zip(&drawn.data).all(|(a, b)| (a - b).abs() < 0.02));
        }
    }
}
