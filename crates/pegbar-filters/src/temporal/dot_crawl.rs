//! Dot crawl: remains of the colour subcarrier that crawl along coloured edges, and the fine luma that went with it.

use super::composite_pattern::{averaged, stillness};
use super::composite_signal::CompositeSignal;
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

/// Makes the composite signal of NTSC again and separates luma from it anew: by two consecutive frames where the
/// picture stands still, by neighbouring lines where it does not. So the fine luma comes back that the decoder took
/// for colour. What never was a composite signal keeps its luma, but for the mean of two frames where it stands
/// still.
#[derive(Debug, Clone)]
pub struct DotCrawl {
    /// Share of the correction, `0.0..=1.0`.
    pub strength: f32,
    /// Part of that in moving areas, `0.0..=1.0`.
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

impl TemporalFilter for DotCrawl {
    fn reach(&self) -> Reach {
        Reach { before: 1, after: 1 }
    }

    fn apply(&self, window: &Window<'_>) -> PlanarImage {
        let image = window.frame();
        let frames: Vec<_> = window.frames.iter().map(|f| LumaChroma::of(f)).collect();
        let here = &frames[window.centre];
        let width = here.width;
        let frequency = self.cycles / width as f32;
        let still: Vec<(usize, Vec<f32>)> = (0..frames.len())
            .filter(|&i| i != window.centre)
            .map(|i| (i, stillness(here, &frames[i], self.tolerance_codes / 255.0, frequency)))
            .collect();
        let signals: Vec<_> = frames.iter().map(|f| CompositeSignal::of(f, frequency)).collect();
        let signal = &signals[window.centre];
        let neighbours: Vec<_> = still.iter().map(|(i, s)| (&signals[*i].samples[..], &s[..])).collect();
        let mut luma = averaged(&signal.samples, &neighbours);
        let colour = signal.colour(&here.planes[0]);
        for (i, v) in luma.iter_mut().enumerate() {
            let before = here.planes[0][i];
            let reached = still.iter().map(|(_, s)| s[i]).sum::<f32>().min(1.0);
            let moving = before + self.moving * (signal.samples[i] - colour[i] - before);
            *v += (1.0 - reached) * (moving - signal.samples[i]);
            *v = before + self.strength * (*v - before);
        }
        let mut after = here.planes.clone();
        after[0] = luma;
        here.changed(image, &after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporal::filter_scene;
    use pegbar_degrade::temporal::TemporalDefect;
    use pegbar_degrade::temporal::composite::{Composite, Decoder};

    /// Discs of colour on a slope of colour, moved.
    fn frame(dx: f32, dy: f32) -> PlanarImage {
        const COLOURS: [[f32; 3]; 4] = [[0.8, 0.2, 0.2], [0.2, 0.3, 0.8], [0.9, 0.8, 0.2], [0.15, 0.5, 0.2]];
        let (width, height) = (320, 160);
        let mut image = PlanarImage::zeros(3, height, width);
        for c in 0..3 {
            for y in 0..height {
                for x in 0..width {
                    let (u, v) = (x as f32 - dx, y as f32 - dy);
                    let mut value = 0.5 + 0.1 * (u * 0.01 + c as f32).sin();
                    for (i, colour) in COLOURS.iter().enumerate() {
                        let d = (u - 40.0 - 70.0 * i as f32).hypot(v - 80.0) - 30.0;
                        value += (colour[c] - value) * (0.5 - d).clamp(0.0, 1.0);
                    }
                    image.plane_mut(c)[y * width + x] = value;
                }
            }
        }
        image
    }

    fn luma_error(frames: &[PlanarImage], truth: &[PlanarImage]) -> f32 {
        let luma = |f: &PlanarImage| LumaChroma::of(f).planes[0].clone();
        let pairs = frames.iter().zip(truth).map(|(f, t)| (luma(f), luma(t)));
        pairs.map(|(f, t)| f.iter().zip(&t).map(|(a, b)| (a - b).powi(2)).sum::<f32>()).sum()
    }

    #[test]
    fn crawl_fades_whether_or_not_the_picture_moves() {
        let cycles = 95.0;
        let values = ParamValues::defaults(PARAMS);
        let filter = DotCrawl { cycles, ..DotCrawl::from_values(&values) };
        for speed in [0.0, 2.7] {
            let clean: Vec<_> = (0..3).map(|t| frame(speed * t as f32, 0.4 * speed * t as f32)).collect();
            let spoilt = Composite { cycles, decoder: Decoder::Notch }.clip(&clean);
            let (ours, before) =
                (luma_error(&filter_scene(&filter, &spoilt), &clean), luma_error(&spoilt, &clean));
            assert!(ours < 0.8 * before, "speed {speed}: {ours} {before}");
            let cost = luma_error(&filter_scene(&filter, &clean), &clean);
            assert!(cost < 0.01 * before, "speed {speed}: {cost} of {before}");
        }
    }
}
