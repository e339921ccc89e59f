//! Jagged lines: what is left when rows are dropped and doubled.

use pegbar_frame::PlanarImage;
use pegbar_params::{Choice, Param, ParamValues};

/// Parameters of [`Aliasing`].
pub const PARAMS: &[Param] = &[Param::choice(
    "kind",
    "What dropped the samples.",
    &[
        Choice {
            id: "field",
            doc: "Every second row is a copy of the one above, as a cheap deinterlacer makes it.",
        },
        Choice { id: "nearest", doc: "The picture was halved and doubled without a filter." },
    ],
    "field",
)];

/// Which samples are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AliasingKind {
    /// Every second row.
    Field,
    /// Every second row and every second column.
    Nearest,
}

/// Samples dropped, and their neighbours in their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aliasing {
    /// What was dropped.
    pub kind: AliasingKind,
}

impl Aliasing {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        let kind = if values.text("kind") == "nearest" { AliasingKind::Nearest } else { AliasingKind::Field };
        Self { kind }
    }

    /// Spoils a picture.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        for c in 0..image.channels.min(3) {
            let plane = out.plane_mut(c);
            if self.kind == AliasingKind::Nearest {
                for pair in plane.chunks_exact_mut(image.width).flat_map(|row| row.chunks_exact_mut(2)) {
                    pair[1] = pair[0];
                }
            }
            for rows in plane.chunks_exact_mut(2 * image.width) {
                let (kept, lost) = rows.split_at_mut(image.width);
                lost.copy_from_slice(kept);
            }
        }
        out
    }
}
