//! Frames that are shown again: drawings on twos, or a fourth frame made a fifth.

use super::TemporalDefect;
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the defect takes.
pub const PARAMS: &[Param] = &[
    Param::int(
        "group",
        "Each group of as many frames has one that repeats the frame before.",
        "",
        (1, 20),
        5,
    ),
    Param::int("position", "Which frame of a group it is, from 0.", "", (0, 19), 4),
];

/// Repeated frames at a fixed place of each group.
#[derive(Debug, Clone)]
pub struct Repeats {
    /// Frames in a group.
    pub group: usize,
    /// Which frame of a group repeats the one before, from 0.
    pub position: usize,
}

impl Repeats {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { group: values.usize("group").max(1), position: values.usize("position") }
    }
}

impl TemporalDefect for Repeats {
    fn frame(&self, clip: &[PlanarImage], index: usize) -> PlanarImage {
        let again = index % self.group == self.position % self.group;
        clip[if again { index.saturating_sub(1) } else { index }].clone()
    }
}
