//! Dot crawl: remains of the colour subcarrier that crawl along coloured edges.

use super::composite_pattern::{alternating, averaged, carrier_band, stillness, widened};
use super::{Reach, TemporalFilter, Window};
use crate::luma_chroma::LumaChroma;
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the filter takes.
pub const PARAMS: &[Param] = &[
    Param::float("strength", "1 removes the crawl of still areas.", "", (0.0, 1.0), 1.0),
    Param::float(
        "moving",
        "Strength where the picture moves, by the pattern within the frame alone.",
        "",
        (0.0, 1.0),
        0.0,
    ),
    Param::float(
        "tolerance",
        "Difference of neighbouring frames that counts as standing still.",
        "codes",
        (0.5, 30.0),
        3.0,
    ),
    Param::float(
        "cycles",
        "Cycles of the subcarrier across the picture: 190.9 for the whole width of NTSC, less for a cropped picture.",
        "",
        (20.0, 2000.0),
        190.9,
    ),
];

/// Averages luma over two consecutive NTSC frames where the picture stands still, and takes the pattern of the subcarrier out
/// of coloured edges where it does not.
#[derive(Debug, Clone)]
pub struct DotCrawl {
    /// Strength in still areas, `0.0..=1.0`.
    pub strength: f32,
    /// Strength in moving areas, `0.0..=1.0`.
    pub moving: f32,
    /// Difference of luma that counts as standing still, in codes of 255.
    pub tolerance_codes: f32,
    /// Cycles of the subcarrier across the picture.
    pub cycles: f32,
}

impl DotCrawl {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            strength: values.f32("strength"),
            moving: values.f32("moving"),
            tolerance_codes: values.f32("tolerance"),
            cycles: values.f32("cycles"),
        }
    }
}

/// How much of the step of a coloured edge may crawl in luma.
const LEAK: f32 = 0.6;

impl TemporalFilter for DotCrawl {
    fn reach(&self) -> Reach {
        Reach { before: 1, after: 1 }
    }

    fn apply(&self, window: &Window<'_>) -> PlanarImage {
        let image = window.frame();
        let frames: Vec<_> = window.frames.iter().map(|f| LumaChroma::of(f)).collect();
        let here = &frames[window.centre];
        let (width, height) = (here.width, here.height);
        let frequency = self.cycles / width as f32;
        let still: Vec<(usize, Vec<f32>)> = (0..frames.len())
            .filter(|&i| i != window.centre)
            .map(|i| (i, stillness(here, &frames[i], self.tolerance_codes / 255.0, frequency)))
            .collect();
        let neighbours: Vec<_> = still.iter().map(|(i, s)| (&frames[*i].planes[0][..], &s[..])).collect();
        let mut luma = averaged(&here.planes[0], &neighbours);
        if self.moving > 0.0 && here.planes.len() == 3 && frequency < 0.45 {
            let band = carrier_band(&here.planes[0], width, height, frequency);
            let crawl = alternating(&band, width, height);
            let most = coloured_edges(here);
            for (i, v) in luma.iter_mut().enumerate() {
                let reached = still.iter().map(|(_, s)| s[i]).sum::<f32>().min(1.0);
                *v -= self.moving * (1.0 - reached) * crawl[i].clamp(-LEAK * most[i], LEAK * most[i]);
            }
        }
        for (v, before) in luma.iter_mut().zip(&here.planes[0]) {
            *v = before + self.strength * (*v - before);
        }
        let mut after = here.planes.clone();
        after[0] = luma;
        here.changed(image, &after)
    }
}

/// How much colour changes across around each pixel.
fn coloured_edges(picture: &LumaChroma) -> Vec<f32> {
    const APART: usize = 3;
    let (width, height) = (picture.width, picture.height);
    let mut steps = vec![0.0f32; width * height];
    for plane in &picture.planes[1..] {
        for (row, out) in plane.chunks_exact(width).zip(steps.chunks_exact_mut(width)) {
            for x in APART..width.saturating_sub(APART) {
                out[x] = out[x].max((row[x + APART] - row[x - APART]).abs());
            }
        }
    }
    widened(&steps, width, height, APART)
}
