//! Rainbows: fine luma that a composite decoder took for colour, flickering from frame to frame.

use super::composite_pattern::{NOTCH_CYCLES, alternating, averaged, carrier_band, stillness, widened};
use super::composite_signal::{CompositeSignal, MOST_FREQUENCY};
use super::{Reach, TemporalFilter, Window};
use crate::luma_chroma::LumaChroma;
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the filter takes.
pub const PARAMS: &[Param] = &[
    Param::float("strength", "How much of the correction is taken.", "", (0.0, 1.0), 1.0),
    Param::float(
        "moving",
        "Part of that which is taken where the picture moves, by what the lines of the frame alone show.",
        "",
        (0.0, 1.0),
        1.0,
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

/// Averages chroma over two consecutive NTSC frames where the picture stands still; where it moves, makes the
/// composite signal again and takes colour out of it anew, by what changes sign from line to line. To come after
/// [`super::dot_crawl`], which needs the rainbows.
#[derive(Debug, Clone)]
pub struct Derainbow {
    /// Share of the correction, `0.0..=1.0`.
    pub strength: f32,
    /// Part of that in moving areas, `0.0..=1.0`.
    pub moving: f32,
    /// Difference of luma that counts as standing still, in codes of 255.
    pub tolerance_codes: f32,
    /// Cycles of the subcarrier across the picture.
    pub cycles: f32,
}

impl Derainbow {
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

/// How much of luma around the subcarrier may have become colour.
const LEAK: f32 = 1.0;

/// How much of what looks like a rainbow is taken out of a picture that does not show that it was a composite signal.
const UNSURE: f32 = 0.3;

impl TemporalFilter for Derainbow {
    fn reach(&self) -> Reach {
        Reach { before: 1, after: 1 }
    }

    fn apply(&self, window: &Window<'_>) -> PlanarImage {
        let image = window.frame();
        if image.channels < 3 {
            return image.clone();
        }
        let frames: Vec<_> = window.frames.iter().map(|f| LumaChroma::of(f)).collect();
        let here = &frames[window.centre];
        let (width, height) = (here.width, here.height);
        let frequency = self.cycles / width as f32;
        let still: Vec<(usize, Vec<f32>)> = (0..frames.len())
            .filter(|&i| i != window.centre)
            .map(|i| (i, stillness(here, &frames[i], self.tolerance_codes / 255.0, frequency)))
            .collect();
        let fine = (self.moving > 0.0 && frequency < MOST_FREQUENCY).then(|| {
            let band = carrier_band(&here.planes[0], width, height, frequency, NOTCH_CYCLES);
            widened(&band.into_iter().map(f32::abs).collect::<Vec<_>>(), width, height, 4)
        });
        let signal = CompositeSignal::of(here, frequency);
        let (changes, unsure) = (signal.chroma_change(&here.planes[0]), 1.0 - signal.share());
        let mut after = here.planes.clone();
        for (plane, after) in after.iter_mut().enumerate().skip(1) {
            let before = &here.planes[plane];
            let neighbours: Vec<_> =
                still.iter().map(|(i, s)| (&frames[*i].planes[plane][..], &s[..])).collect();
            let mut chroma = averaged(before, &neighbours);
            if let Some(fine) = &fine {
                let rainbow = alternating(before, width, height);
                for (i, v) in chroma.iter_mut().enumerate() {
                    let reached = still.iter().map(|(_, s)| s[i]).sum::<f32>().min(1.0);
                    let guess = UNSURE * unsure * rainbow[i].clamp(-LEAK * fine[i], LEAK * fine[i]);
                    *v += self.moving * (1.0 - reached) * (changes[plane - 1][i] - guess);
                }
            }
            for (v, before) in chroma.iter_mut().zip(before) {
                *v = before + self.strength * (*v - before);
            }
            *after = chroma;
        }
        here.changed(image, &after)
    }
}
