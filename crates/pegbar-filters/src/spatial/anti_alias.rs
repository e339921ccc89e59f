//! Smooths jagged lines: rows that are copies, or that jag, are made anew between their neighbours, along edges.
//!
//! Between the rows above and below, the direction is sought in which they are most alike (the idea of EEDI), and the
//! new sample is the mean along it. With doubled rows or columns, what a dropped field or a picture doubled without a
//! filter leaves, the copies are replaced. Otherwise each half of the rows is made from the other, and where both
//! agree that the line is smoother, the mean is taken (the idea of daa); then the same for columns.

use pegbar_frame::PlanarImage;
use pegbar_params::{Choice, Param, ParamValues};

use super::plane::{pad, transposed};
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
    Param::int("reach", "How flat an edge may run: columns per row.", "px", (1, 12), 2),
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

    /// Filters a picture of 1, 3 or 4 channels. Directions are those of luma.
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
            for (c, plane) in self.along_rows(&planes, &turned, h, columns).iter().enumerate() {
                out.plane_mut(c).copy_from_slice(&transposed(plane, h));
            }
        }
        if rows != Repair::Nothing {
            let y = luma(&out);
            let planes: Vec<_> = (0..n_colours).map(|c| out.plane(c).to_vec()).collect();
            for (c, plane) in self.along_rows(&planes, &y, w, rows).iter().enumerate() {
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

    fn along_rows(&self, planes: &[Vec<f32>], guide: &[f32], width: usize, repair: Repair) -> Vec<Vec<f32>> {
        match repair {
            Repair::Nothing => planes.to_vec(),
            Repair::Replace(parity) => self.interpolate(planes, guide, width, parity),
            Repair::Mean => {
                let halves = [0, 1].map(|parity| self.interpolate(planes, guide, width, parity));
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
    fn interpolate(&self, planes: &[Vec<f32>], guide: &[f32], width: usize, parity: usize) -> Vec<Vec<f32>> {
        let height = guide.len() / width;
        let mut out = planes.to_vec();
        // Beyond the ends of a row lie as many samples as the flattest edge reaches for, three times as far.
        let margin = 3 * self.reach_px + 4;
        let row = |plane: &[f32], y: usize| Row::new(&plane[y * width..(y + 1) * width], margin);
        let mut search = Search::new(width);
        for y in (parity..height).step_by(2) {
            if y == 0 || y + 1 >= height {
                // The copy of the only neighbour is all there is.
                continue;
            }
            search.directions(&row(guide, y - 1), &row(guide, y + 1), margin, self.reach_px);
            let (before, after) =
                (if y >= 3 { y - 3 } else { y - 1 }, if y + 3 < height { y + 3 } else { y + 1 });
            for (plane, target) in planes.iter().zip(&mut out) {
                let rows = [before, y - 1, y + 1, after].map(|y| row(plane, y));
                for (x, v) in target[y * width..(y + 1) * width].iter_mut().enumerate() {
                    let halves = search.best[x];
                    let at = (x + margin) as isize;
                    // Cubic convolution with a = -0.5 in the middle of four samples along the edge.
                    let near = rows[1].at(at, halves) + rows[2].at(at, -halves);
                    let far = rows[0].at(at, 3 * halves) + rows[3].at(at, -3 * halves);
                    let cubic = 0.5625 * near - 0.0625 * far;
                    let around = x + margin - 1..x + margin + 2;
                    let around = rows[1].whole[around.clone()].iter().chain(&rows[2].whole[around]);
                    let (low, high) = around.fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
                    *v = cubic.max(low).min(high);
                }
            }
        }
        out
    }
}

/// A row of samples with its ends continued, and the samples half a column to the right of each.
struct Row {
    whole: Vec<f32>,
    half: Vec<f32>,
}

impl Row {
    fn new(row: &[f32], margin: usize) -> Self {
        let mut whole = vec![0.0; row.len() + 2 * margin];
        pad(row, margin, &mut whole);
        let mut half = whole.clone();
        for (v, w) in half[1..].iter_mut().zip(whole.windows(4)) {
            *v = 0.5625 * (w[1] + w[2]) - 0.0625 * (w[0] + w[3]);
        }
        Self { whole, half }
    }

    /// The sample so many half columns to the right of a whole one.
    fn at(&self, index: isize, halves: isize) -> f32 {
        let samples = if halves & 1 == 0 { &self.whole } else { &self.half };
        samples[(index + (halves >> 1)) as usize]
    }

    /// All samples from one on that lies so many half columns to the right of a whole one.
    fn from(&self, index: usize, halves: isize) -> &[f32] {
        let samples = if halves & 1 == 0 { &self.whole } else { &self.half };
        &samples[(index as isize + (halves >> 1)) as usize..]
    }
}

/// The direction of the edge at each sample between two rows.
struct Search {
    /// Half columns from the sample to the one above that lies on its edge.
    best: Vec<isize>,
    costs: Vec<f32>,
    differences: Vec<f32>,
}

impl Search {
    fn new(width: usize) -> Self {
        Self { best: vec![0; width], costs: vec![0.0; width], differences: vec![0.0; width + 4] }
    }

    /// `above` and `below` have `margin` samples more at both ends.
    fn directions(&mut self, above: &Row, below: &Row, margin: usize, reach: usize) {
        /// What a slanted direction must be better by, for each half column.
        const SLANT: f32 = 0.5;
        self.best.fill(0);
        self.costs.fill(f32::MAX);
        let reach = 2 * reach as isize;
        for halves in -reach..=reach {
            // The differences along this direction, from two columns before the first sample on.
            let pairs = above.from(margin - 2, halves).iter().zip(below.from(margin - 2, -halves));
            for (v, (a, b)) in self.differences.iter_mut().zip(pairs) {
                *v = (a - b).abs();
            }
            let slant = SLANT * halves.abs() as f32;
            let state = self.best.iter_mut().zip(&mut self.costs);
            for ((best, cost), e) in state.zip(self.differences.windows(5)) {
                let sum = 2.0 * (e[0] + e[1] + e[2] + e[3] + e[4]) + slant;
                if sum < *cost {
                    (*best, *cost) = (halves, sum);
                }
            }
        }
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
