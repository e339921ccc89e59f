//! Combing: the two fields of a frame show different times.

use super::TemporalDefect;
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the defect takes.
pub const PARAMS: &[Param] = &[
    Param::int("combed", "Frames of each group that are combed, its last ones.", "", (0, 10), 2),
    Param::int("group", "Frames in a group: 2 of 5 is what telecine leaves.", "", (1, 10), 5),
];

/// Frames whose odd lines are those of the next frame.
#[derive(Debug, Clone)]
pub struct Combing {
    /// Frames of each group that are combed.
    pub combed: usize,
    /// Frames in a group.
    pub group: usize,
}

impl Combing {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { combed: values.usize("combed"), group: values.usize("group").max(1) }
    }
}

impl TemporalDefect for Combing {
    fn frame(&self, clip: &[PlanarImage], index: usize) -> PlanarImage {
        let mut out = clip[index].clone();
        if index % self.group + self.combed < self.group {
            return out;
        }
        let other = &clip[(index + 1).min(clip.len() - 1)];
        let lines = out.data.chunks_exact_mut(out.width).zip(other.data.chunks_exact(out.width)).enumerate();
        for (i, (line, later)) in lines {
            if i % out.height % 2 == 1 {
                line.copy_from_slice(later);
            }
        }
        out
    }
}
