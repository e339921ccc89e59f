//! Smooths jagged lines: rows that are copies, or that jag, are made anew between their neighbours, along edges.
//!
//! Between the rows above and below, directions are weighed by how alike these are along them (the idea of EEDI3), and the
//! new sample is the mean along the likely ones. With doubled rows or columns, what a dropped field or a picture doubled without a
//! filter leaves, the copies are replaced. Otherwise each half of the rows is made from the other, and where both
//! agree that the line is smoother, the mean is taken (the idea of daa); then the same for columns.

use pegbar_frame::PlanarImage;
use pegbar_params::{Choice, Param, ParamValues};

use super::plane::transposed;
use crate::edge_rows::{EdgeRows, Row};
use crate::luma_chroma::luma;

/// Parameters of [`AntiAlias`].
pub const PARAMS: &[Param] = &[
    Param::choice(
        "mode",
        "Which rows and columns are made anew.",
        &[
            Choice {
                id: "doubled",
                doc: "Copies of their neighbours, where the picture holds such; else nothing is done.",
            },
            Choice {
                id: "all",
                doc: "Doubled ones or, where there are none, all, as a mean with what they were.",
            },
        ],
        "doubled",
    ),
    Param::int("reach", "How flat an edge may run: columns per row.", "px", (1, 12), 3),
    Param::float("strength", "How much of the result is taken.", "", (0.0, 1.0), 1.0),
];

/// Which rows are made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AntiAliasMode {
    /// Copies.
    Doubled,
    /// Copies, or all.
    All,
}

/// Interpolation along edges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AntiAlias {
    /// Which rows are made anew.
    pub mode: AntiAliasMode,
    /// Flattest edge, columns per row.
    pub reach_px: usize,
    /// Share of the result.
    pub strength: f32,
}

/// What is to be done along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repair {
    Nothing,
    /// Lines of this parity are copies.
    Replace(usize),
    Mean,
}

impl AntiAlias {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            mode: if values.text("mode") == "all" { AntiAliasMode::All } else { AntiAliasMode::Doubled },
            reach_px: values.usize("reach"),
            strength: values.f32("strength"),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels. Directions are those of all colours together.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        if image.data.is_empty() || self.strength <= 0.0 {
            return out;
        }
        let (w, h) = (image.width, image.height);
        let y = luma(image);
        let turned = transposed(&y, w);
        let (rows, columns) = (self.repair(&y, w), self.repair(&turned, h));
        let n_colours = image.channels.min(3);
        if columns != Repair::Nothing {
            let planes: Vec<_> = (0..n_colours).map(|c| transposed(image.plane(c), w)).collect();
            for (c, plane) in self.along_rows(&planes, h, columns).iter().enumerate() {
                out.plane_mut(c).copy_from_slice(&transposed(plane, h));
            }
        }
        if rows != Repair::Nothing {
            let planes: Vec<_> = (0..n_colours).map(|c| out.plane(c).to_vec()).collect();
            for (c, plane) in self.along_rows(&planes, w, rows).iter().enumerate() {
                out.plane_mut(c).copy_from_slice(plane);
            }
        }
        if self.strength < 1.0 {
            for (v, old) in out.data.iter_mut().zip(&image.data) {
                *v = old + self.strength * (*v - old);
            }
        }
        out
    }

    /// Looks for doubled rows.
    fn repair(&self, plane: &[f32], width: usize) -> Repair {
        // Steps within pairs that begin at even rows, and at odd ones.
        let mut steps = [0.0f64; 2];
        let rows: Vec<_> = plane.chunks_exact(width).collect();
        for (y, pair) in rows.windows(2).enumerate() {
            let sum: f32 = pair[0].iter().zip(pair[1]).map(|(a, b)| (a - b).abs()).sum();
            steps[y % 2] += f64::from(sum);
        }
        if steps[0] < 0.2 * steps[1] {
            Repair::Replace(1)
        } else if steps[1] < 0.2 * steps[0] {
            Repair::Replace(0)
        } else if self.mode == AntiAliasMode::All {
            Repair::Mean
        } else {
            Repair::Nothing
        }
    }

    fn along_rows(&self, planes: &[Vec<f32>], width: usize, repair: Repair) -> Vec<Vec<f32>> {
        match repair {
            Repair::Nothing => planes.to_vec(),
            Repair::Replace(parity) => self.interpolate(planes, width, parity),
            Repair::Mean => {
                let halves = [0, 1].map(|parity| self.interpolate(planes, width, parity));
                let mean = |plane: &Vec<f32>, c: usize| -> Vec<f32> {
                    let new = halves[0][c].iter().zip(&halves[1][c]).map(|(a, b)| 0.5 * (a + b));
                    // A row's own half keeps it, so the mean moves by half of what the other half says.
                    new.zip(plane).map(|(new, old)| new + 0.5 * (new - old)).collect()
                };
                planes.iter().enumerate().map(|(c, plane)| mean(plane, c)).collect()
            }
        }
    }

    /// The planes with rows of one parity made from those above and below.
    fn interpolate(&self, planes: &[Vec<f32>], width: usize, parity: usize) -> Vec<Vec<f32>> {
        let height = planes[0].len() / width;
        let mut out = planes.to_vec();
        let edges = EdgeRows { reach_px: self.reach_px };
        let kept = |plane: &[f32]| -> Vec<Row> {
            let rows = plane.chunks_exact(width).skip(1 - parity).step_by(2);
            rows.map(|row| Row::new(row, edges.margin())).collect()
        };
        let planes: Vec<_> = planes.iter().map(|plane| kept(plane)).collect();
        for y in (parity..height).step_by(2) {
            if y == 0 || y + 1 >= height {
                // The copy of the only neighbour is all there is.
                continue;
            }
            // Kept rows above and below, by their number among these.
            let (above, below) = (y.div_ceil(2) - 1, y.div_ceil(2));
            let near: Vec<[&Row; 4]> = planes
                .iter()
                .map(|rows| {
                    [above.saturating_sub(1), above, below, (below + 1).min(rows.len() - 1)].map(|i| &rows[i])
                })
                .collect();
            let shares = edges.weigh(&near, width);
            for (near, target) in near.iter().zip(&mut out) {
                edges.fill(*near, &shares, &mut target[y * width..(y + 1) * width]);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_degrade::spatial::{Aliasing, AliasingKind};

    fn disc() -> PlanarImage {
        let (w, h) = (96, 96);
        let at = |i: usize| {
            let d = (((i % w) as f32 - 47.3).powi(2) + ((i / w) as f32 - 48.1).powi(2)).sqrt();
            0.2 + 0.6 * (32.0 - d + 0.5).clamp(0.0, 1.0)
        };
        PlanarImage::from_data(1, h, w, (0..w * h).map(at).collect()).unwrap()
    }

    #[test]
    fn doubled_rows_and_columns_become_smooth_and_others_stay() {
        let clean = disc();
        let anti_alias = AntiAlias::from_values(&ParamValues::defaults(PARAMS));
        let error =
            |p: &PlanarImage| p.data.iter().zip(&clean.data).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        for (kind, share) in [(AliasingKind::Field, 0.2), (AliasingKind::Nearest, 0.6)] {
            let spoilt = Aliasing { kind }.apply(&clean);
            let (ours, theirs) = (error(&anti_alias.apply(&spoilt)), error(&spoilt));
            assert!(ours < share * theirs, "{kind:?}: {ours} {theirs}");
        }
        assert!(anti_alias.apply(&clean) == clean);
    }
}
