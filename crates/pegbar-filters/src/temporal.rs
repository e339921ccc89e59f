//! Restoration that looks at a frame's neighbours.

mod dct;
pub mod degrain;
pub mod denoise;
mod luma_chroma;
pub mod motion;
mod noise_spectrum;
mod patch_stack;

use pegbar_frame::PlanarImage;

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

    /// What neighbours need to know of a frame (its brightness, its motion since `previous`): made once for each frame, and
    /// kept while a window may ask for it. `previous` is `None` at the beginning of a scene.
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
