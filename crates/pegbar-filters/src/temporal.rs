//! Restoration that looks at a frame's neighbours.

mod composite_pattern;
mod composite_signal;
pub mod decomb;
pub mod deflicker;
pub mod deghost;
pub mod degrain;
pub mod denoise;
pub mod derainbow;
pub mod despot;
pub mod dot_crawl;
pub mod duplicate;
pub mod motion;
mod noise_spectrum;
mod patch_stack;
pub mod scene_change;
mod smooth_path;
pub mod stabilise;

use pegbar_frame::PlanarImage;
use pegbar_params::Param;

/// The table of each filter of this room, by its file's name.
pub const TABLES: &[(&str, &[Param])] = &[
    ("decomb", decomb::PARAMS),
    ("deflicker", deflicker::PARAMS),
    ("deghost", deghost::PARAMS),
    ("degrain", degrain::PARAMS),
    ("denoise", denoise::PARAMS),
    ("derainbow", derainbow::PARAMS),
    ("despot", despot::PARAMS),
    ("dot_crawl", dot_crawl::PARAMS),
    ("stabilise", stabilise::PARAMS),
];

/// A filter that makes a frame from itself and its neighbours.
///
/// The result depends on nothing but the window, so it is the same wherever in the film work begins.
pub trait TemporalFilter: Send + Sync {
    /// How many frames before and after the one at work [`TemporalFilter::apply`] looks at.
    fn reach(&self) -> Reach;

    /// How many frames before and after it looks at the measures of: at least [`TemporalFilter::reach`].
    fn measure_reach(&self) -> Reach {
        self.reach()
    }

    /// What neighbours need to know of a frame (its brightness, its motion since `previous`): made once for each
    /// frame, and kept while a window may ask for it. `previous` is `None` at the beginning of a scene.
    fn measure(&self, previous: Option<&PlanarImage>, frame: &PlanarImage) -> Vec<f32> {
        let _ = (previous, frame);
        Vec::new()
    }

    /// Makes the frame in the middle of the window, of the same size and channels.
    fn apply(&self, window: &Window<'_>) -> PlanarImage;
}

/// Numbers of frames before and after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Frames before.
    pub before: usize,
    /// Frames after.
    pub after: usize,
}

/// A frame and its neighbours of the same scene, all of the same size and channels.
///
/// Near a cut or an end of the film there are fewer neighbours than a filter reaches for; one alone is a window, too.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// The frames in order, none missing between them.
    pub frames: &'a [&'a PlanarImage],
    /// Index of the frame at work in `frames`.
    pub centre: usize,
    /// The measures in order of the frames they are of: of at least as many frames as `frames`.
    pub measures: &'a [&'a [f32]],
    /// Index of the frame at work in `measures`.
    pub measure_centre: usize,
}

impl Window<'_> {
    /// The frame at work.
    pub fn frame(&self) -> &PlanarImage {
        self.frames[self.centre]
    }
}

/// Runs a filter over the frames of one scene, as a chain does it, all in memory.
pub fn filter_scene(filter: &dyn TemporalFilter, frames: &[PlanarImage]) -> Vec<PlanarImage> {
    let measures: Vec<_> = (0..frames.len())
        .map(|i| filter.measure(i.checked_sub(1).map(|before| &frames[before]), &frames[i]))
        .collect();
    let (reach, measure_reach) = (filter.reach(), filter.measure_reach());
    let span =
        |i: usize, reach: Reach| i.saturating_sub(reach.before)..(i + reach.after + 1).min(frames.len());
    (0..frames.len())
        .map(|i| {
            let (seen, measured) = (span(i, reach), span(i, measure_reach));
            let window = Window {
                frames: &frames[seen.clone()].iter().collect::<Vec<_>>(),
                centre: i - seen.start,
                measures: &measures[measured.clone()].iter().map(Vec::as_slice).collect::<Vec<_>>(),
                measure_centre: i - measured.start,
            };
            filter.apply(&window)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_params::{ParamValues, check_table};

    fn all() -> Vec<(&'static str, Box<dyn TemporalFilter>)> {
        let values = |params: &'static [Param]| ParamValues::defaults(params);
        vec![
            ("decomb", Box::new(decomb::Decomb::from_values(&values(decomb::PARAMS)))),
            ("deflicker", Box::new(deflicker::Deflicker::from_values(&values(deflicker::PARAMS)))),
            ("deghost", Box::new(deghost::Deghost::from_values(&values(deghost::PARAMS)))),
            ("degrain", Box::new(degrain::Degrain::from_values(&values(degrain::PARAMS)))),
            ("denoise", Box::new(denoise::Denoise::from_values(&values(denoise::PARAMS)))),
            ("derainbow", Box::new(derainbow::Derainbow::from_values(&values(derainbow::PARAMS)))),
            ("despot", Box::new(despot::Despot::from_values(&values(despot::PARAMS)))),
            ("dot_crawl", Box::new(dot_crawl::DotCrawl::from_values(&values(dot_crawl::PARAMS)))),
            ("stabilise", Box::new(stabilise::Stabilise::from_values(&values(stabilise::PARAMS)))),
        ]
    }

    /// Frames of noise over stripes, each different, with alpha where there are four channels.
    fn frames(channels: usize, height: usize, width: usize) -> Vec<PlanarImage> {
        let mut state = 1u32;
        let mut frame = |t: usize| {
            let sample = |i: usize| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let stripe = 0.5 + 0.3 * ((i % width.max(1) + t) as f32 * 0.4).sin();
                stripe + 0.1 * (state >> 8) as f32 / 16_777_216.0
            };
            PlanarImage {
                width,
                height,
                channels,
                data: (0..channels * height * width).map(sample).collect(),
            }
        };
        (0..5).map(&mut frame).collect()
    }

    #[test]
    fn tables_are_sound_and_complete() {
        let names: Vec<_> = all().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, TABLES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for (name, table) in TABLES {
            assert_eq!(check_table(table), Ok(()), "{name}");
        }
    }

    #[test]
    fn every_filter_takes_any_size_and_leaves_alpha() {
        for (height, width) in [(1, 1), (2, 3), (5, 1), (7, 17), (9, 8), (40, 70)] {
            for channels in [1, 3, 4] {
                let frames = frames(channels, height, width);
                for (name, filter) in all() {
                    for (out, frame) in filter_scene(&*filter, &frames).iter().zip(&frames) {
                        assert_eq!(
                            (out.width, out.height, out.channels),
                            (width, height, channels),
                            "{name}"
                        );
                        assert!(out.data.iter().all(|v| v.is_finite()), "{name} {width}x{height}");
                        if channels == 4 && name != "stabilise" {
                            assert_eq!(out.plane(3), frame.plane(3), "{name}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn no_filter_panics_at_what_is_no_number() {
        let mut frames = frames(3, 33, 150);
        for (i, frame) in frames.iter_mut().enumerate() {
            frame.data[40 * (i + 1)] = f32::NAN;
            frame.data[9] = f32::INFINITY;
        }
        for (_, filter) in all() {
            filter_scene(&*filter, &frames);
        }
    }

    #[test]
    fn still_frames_stay_as_they_are() {
        // Smooth from line to line: what noise has of combs would be mended.
        let mut frame = frames(4, 48, 160).remove(0);
        let knot = |x: usize, y: usize| ((x * 7919 + y * 104_729) * 2_654_435_761 % 1009) as f32 / 1008.0;
        for (i, v) in frame.data.iter_mut().enumerate() {
            let (x, y) = (i % 160, i / 160);
            let (f, g) = ((x % 8) as f32 / 8.0, (y % 8) as f32 / 8.0);
            let row = |y: usize| knot(x / 8, y) * (1.0 - f) + knot(x / 8 + 1, y) * f;
            *v = 0.2 + 0.6 * (row(y / 8) * (1.0 - g) + row(y / 8 + 1) * g);
        }
        let still = vec![frame; 4];
        // An echo is looked for within the frame, and this pattern has some: that filter has a test of its own.
        for (name, filter) in all().into_iter().filter(|(name, _)| *name != "deghost") {
            // Within the frame it is neither combed nor an echo, and between frames nothing changes.
            for out in filter_scene(&*filter, &still) {
                let off = out.data.iter().zip(&still[0].data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(off < 1e-5, "{name}: {off}");
            }
        }
    }
}
