//! Combing: frames whose two fields show different times.
//!
//! One field is kept. For the other one the fields of the neighbours are tried, place by place, as those who undo telecine do it
//! for whole frames: what belongs to the kept field goes on along its edges. Where nothing does, the rows are made along edges.

use super::{Reach, TemporalFilter, Window};
use crate::edge_rows::{EdgeRows, Row};
use crate::luma_chroma::luma;
use pegbar_frame::PlanarImage;
use pegbar_params::{Choice, Param, ParamValues};

/// What the filter takes.
pub const PARAMS: &[Param] = &[
    Param::float(
        "threshold",
        "A line differs from both beside it by this at least to be combed.",
        "codes",
        (2.0, 60.0),
        8.0,
    ),
    Param::int("count", "Combed pixels that a square of 16 must have to be mended.", "px", (1, 256), 14),
    Param::choice(
        "keep",
        "The field that is kept.",
        &[Choice { id: "top", doc: "Lines 0, 2, 4." }, Choice { id: "bottom", doc: "Lines 1, 3, 5." }],
        "top",
    ),
];

/// Side of a square.
const SQUARE: usize = 16;

/// Finds the other field of a combed frame in its neighbours, or makes it anew along edges. Other frames stay.
#[derive(Debug, Clone)]
pub struct Decomb {
    /// Least difference of a combed line to those beside it, in codes of 255.
    pub threshold_codes: f32,
    /// Combed pixels that a square of 16 x 16 must have.
    pub count: usize,
    /// Whether lines 0, 2, 4 are kept, else 1, 3, 5.
    pub keep_top: bool,
}

impl Decomb {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            threshold_codes: values.f32("threshold"),
            count: values.usize("count"),
            keep_top: values.text("keep") == "top",
        }
    }

    /// Which pixels of a frame are combed, row by row, around squares that have enough of them.
    pub fn combed(&self, image: &PlanarImage) -> Vec<bool> {
        let (width, height) = (image.width, image.height);
        let luma = luma(image);
        let threshold = self.threshold_codes / 255.0;
        let mut combed = vec![false; width * height];
        for y in 2..height.saturating_sub(2) {
            let row = |y: usize| &luma[y * width..(y + 1) * width];
            let (a, b, c, d, e) = (row(y - 2), row(y - 1), row(y), row(y + 1), row(y + 2));
            for (x, combed) in combed[y * width..(y + 1) * width].iter_mut().enumerate() {
                let (above, below) = (c[x] - b[x], c[x] - d[x]);
                let between = above.abs().min(below.abs());
                // Its own field goes on smoothly, the other one too, and both lie apart: no drawn line does that.
                let field = (a[x] - c[x]).abs().max((e[x] - c[x]).abs());
                let other = (b[x] - d[x]).abs();
                let comb = (a[x] + 4.0 * c[x] + e[x] - 3.0 * (b[x] + d[x])).abs();
                *combed = above * below > 0.0
                    && between > threshold
                    && comb > 6.0 * threshold
                    && field < 0.5 * between
                    && other < 0.5 * between;
            }
        }
        drop_short_runs(&mut combed, width);
        let (across, down) = (width.div_ceil(SQUARE / 2), height.div_ceil(SQUARE / 2));
        let mut counts = vec![0usize; across * down];
        for (y, row) in combed.chunks_exact(width).enumerate() {
            for (x, part) in row.chunks(SQUARE / 2).enumerate() {
                counts[y / (SQUARE / 2) * across + x] += part.iter().filter(|c| **c).count();
            }
        }
        // Squares overlap by half; a quarter belongs to a combed square when one of those around it is.
        let at = |x: usize, y: usize| if x < across && y < down { counts[y * across + x] } else { 0 };
        let square =
            |x: usize, y: usize| at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1) >= self.count;
        let belongs: Vec<bool> = (0..across * down)
            .map(|i| {
                let (x, y) = (i % across, i / across);
                (x.saturating_sub(1)..=x).any(|x| (y.saturating_sub(1)..=y).any(|y| square(x, y)))
            })
            .collect();
        grown(&combed, width, height, &belongs, across)
    }
}

/// Teeth of a comb are as wide as the picture moves between fields, or lie above each other along a narrow thing that moved; a
/// slanted line has single teeth of a pixel or two.
fn drop_short_runs(combed: &mut [bool], width: usize) {
    const LEAST_RUN: usize = 3;
    const LEAST_STACK: u8 = 6;
    // How many combed pixels end here, and begin here, along the column.
    let stack = |combed: &[bool], before: Option<&[u8]>| -> Vec<u8> {
        let count = |x: usize| before.map_or(0, |before| before[x]);
        let rows = combed.iter().enumerate();
        rows.map(|(x, c)| if *c { count(x).saturating_add(1) } else { 0 }).collect()
    };
    let mut above: Vec<Vec<u8>> = Vec::new();
    for row in combed.chunks_exact(width) {
        above.push(stack(row, above.last().map(Vec::as_slice)));
    }
    let mut below: Option<Vec<u8>> = None;
    for (row, above) in combed.chunks_exact_mut(width).zip(&above).rev() {
        let under = stack(row, below.as_deref());
        let stacked: Vec<bool> =
            above.iter().zip(&under).map(|(a, u)| a.saturating_add(*u) > LEAST_STACK).collect();
        let mut x = 0;
        for run in row.chunk_by_mut(|a, b| a == b) {
            let n = run.len();
            if n < LEAST_RUN {
                run.iter_mut().zip(&stacked[x..]).for_each(|(c, stacked)| *c &= stacked);
            }
            x += n;
        }
        below = Some(under);
    }
}

/// Combed pixels of combed squares, with those around them.
fn grown(combed: &[bool], width: usize, height: usize, belongs: &[bool], across: usize) -> Vec<bool> {
    const ACROSS: usize = 3;
    const DOWN: usize = 2;
    let mut out = vec![false; combed.len()];
    for y in 0..height {
        for x in 0..width {
            if combed[y * width + x] && belongs[y / (SQUARE / 2) * across + x / (SQUARE / 2)] {
                for v in y.saturating_sub(DOWN)..(y + DOWN + 1).min(height) {
                    out[v * width + x.saturating_sub(ACROSS)..v * width + (x + ACROSS + 1).min(width)]
                        .fill(true);
                }
            }
        }
    }
    out
}

impl TemporalFilter for Decomb {
    fn reach(&self) -> Reach {
        Reach { before: 1, after: 1 }
    }

    fn apply(&self, window: &Window<'_>) -> PlanarImage {
        let image = window.frame();
        if image.height < 3 || !self.combed(image).contains(&true) {
            return image.clone();
        }
        let at = window.centre;
        let other = |i: Option<usize>| i.and_then(|i| window.frames.get(i)).copied();
        let neighbours = [other(at.checked_sub(1)), other(at.checked_add(1))];
        let between = self.between(image);
        let mut out = self.matched(image, neighbours, &between);
        // What no field of the neighbours belongs to is made along edges.
        let strict = Self { threshold_codes: 0.5 * self.threshold_codes, count: self.count / 2, ..*self };
        let combed = strict.combed(&out);
        for channel in 0..colours(image) {
            let (plane, width) = (out.plane_mut(channel), image.width);
            for y in self.lost_rows(image.height) {
                for x in (0..width).filter(|x| combed[y * width + x]) {
                    plane[y * width + x] = between.plane(channel)[y * width + x];
                }
            }
        }
        out
    }
}

impl Decomb {
    /// The rows of the field that is not kept.
    fn lost_rows(&self, height: usize) -> impl Iterator<Item = usize> {
        (usize::from(self.keep_top)..height).step_by(2)
    }

    /// The frame with the lost rows made from the kept ones.
    fn between(&self, image: &PlanarImage) -> PlanarImage {
        let edges = EdgeRows { reach_px: EDGE_REACH_PX };
        let (width, height) = (image.width, image.height);
        let first = usize::from(!self.keep_top);
        let kept = |plane: &[f32]| -> Vec<Row> {
            let rows = plane.chunks_exact(width).skip(first).step_by(2);
            rows.map(|row| Row::new(row, edges.margin())).collect()
        };
        let planes: Vec<_> = (0..colours(image)).map(|c| kept(image.plane(c))).collect();
        let mut out = image.clone();
        for y in self.lost_rows(height) {
            // Kept rows around, by their number among these; beyond the frame its outermost one goes on.
            let below = (y + 1 - first) / 2;
            let around = [below.saturating_sub(2), below.saturating_sub(1), below, below + 1]
                .map(|i| i.min(planes[0].len() - 1));
            let near: Vec<[&Row; 4]> = planes.iter().map(|rows| around.map(|i| &rows[i])).collect();
            let shares = edges.weigh(&near, width);
            for (c, near) in near.into_iter().enumerate() {
                edges.fill(near, &shares, &mut out.plane_mut(c)[y * width..(y + 1) * width]);
            }
        }
        out
    }

    /// The frame with each part of the lost rows from where it fits best: from the frame itself, the ones before and after, or the
    /// mean of two of them, between which the kept field lies in time. What fits is told by what edges of the kept field say.
    fn matched(
        &self,
        image: &PlanarImage,
        [before, after]: [Option<&PlanarImage>; 2],
        between: &PlanarImage,
    ) -> PlanarImage {
        let width = image.width;
        let lost = |image: &PlanarImage| -> Vec<f32> {
            let luma = luma(image);
            self.lost_rows(image.height).flat_map(|y| luma[y * width..(y + 1) * width].to_vec()).collect()
        };
        let guess = lost(between);
        let own = lost(image);
        let mean = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect::<Vec<_>>();
        // Rows of luma, and the one or two frames they are from.
        let mut candidates = vec![(own.clone(), [image; 2])];
        for neighbour in [before, after].into_iter().flatten() {
            let rows = lost(neighbour);
            let both = mean(&rows, &own);
            candidates.push((rows, [neighbour; 2]));
            candidates.push((both, [neighbour, image]));
        }
        let misfit = |rows: &[f32]| -> Vec<f32> {
            let squares: Vec<f32> = rows.iter().zip(&guess).map(|(a, b)| (a - b) * (a - b)).collect();
            windowed_mean(&squares, width)
        };
        let misfits: Vec<_> = candidates.iter().map(|(rows, _)| misfit(rows)).collect();
        let single = |i: usize| std::ptr::eq(candidates[i].1[0], candidates[i].1[1]);
        // The one that fits most of the frame is right where others fit a little better.
        let total = |i: usize| misfits[i].iter().map(|v| f64::from(*v)).sum::<f64>();
        let usual = (0..candidates.len())
            .filter(|&i| single(i))
            .min_by(|&a, &b| total(a).total_cmp(&total(b)))
            .unwrap_or(0);
        let mut out = image.clone();
        for (row, y) in self.lost_rows(image.height).enumerate() {
            for x in 0..width {
                let at = row * width + x;
                let mut best = (usual, CONVINCING * misfits[usual][at]);
                for i in (0..candidates.len()).filter(|i| *i != usual) {
                    let cost = misfits[i][at] + NO_MISFIT;
                    if cost < best.1 {
                        best = (i, cost);
                    }
                }
                let [a, b] = candidates[best.0].1;
                for c in 0..colours(image) {
                    let i = y * width + x;
                    out.plane_mut(c)[i] = 0.5 * (a.plane(c)[i] + b.plane(c)[i]);
                }
            }
        }
        out
    }
}

/// Columns to a row of the flattest edge that rows are made along.
const EDGE_REACH_PX: usize = 3;

/// A field that is not the usual one has to fit better by this factor.
const CONVINCING: f32 = 0.5;

/// A squared difference that is none: that of one code.
const NO_MISFIT: f32 = 1.0 / (255.0 * 255.0);

fn colours(image: &PlanarImage) -> usize {
    if image.channels >= 3 { 3 } else { 1 }
}

/// The mean of nine columns and three rows around each sample, fewer at the edges.
fn windowed_mean(plane: &[f32], width: usize) -> Vec<f32> {
    const ACROSS: usize = 4;
    let height = plane.len() / width;
    let mut rows = vec![0.0; plane.len()];
    for (row, target) in plane.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
        for (x, t) in target.iter_mut().enumerate() {
            let part = &row[x.saturating_sub(ACROSS)..(x + ACROSS + 1).min(width)];
            *t = part.iter().sum::<f32>() / part.len() as f32;
        }
    }
    let mut out = vec![0.0; plane.len()];
    for (y, target) in out.chunks_exact_mut(width).enumerate() {
        let span = y.saturating_sub(1)..(y + 2).min(height);
        let scale = 1.0 / span.len() as f32;
        for row in span {
            for (t, v) in target.iter_mut().zip(&rows[row * width..(row + 1) * width]) {
                *t += scale * v;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporal::filter_scene;

    fn disc(x0: f32) -> PlanarImage {
        let (width, height) = (96, 80);
        let mut image = PlanarImage::zeros(1, height, width);
        for y in 0..height {
            for x in 0..width {
                let d = (x as f32 - x0).hypot(y as f32 - 40.0) - 20.0;
                image.data[y * width + x] = 0.8 - 0.6 * (0.5 - d).clamp(0.0, 1.0);
            }
        }
        image
    }

    #[test]
    fn combs_go_and_clean_frames_stay() {
        let filter = Decomb { threshold_codes: 8.0, count: 14, keep_top: true };
        let (truth, later) = (disc(44.0), disc(52.0));
        let mut combed = truth.clone();
        for y in (1..80).step_by(2) {
            combed.data[y * 96..(y + 1) * 96].copy_from_slice(&later.data[y * 96..(y + 1) * 96]);
        }
        let error =
            |a: &PlanarImage| a.data.iter().zip(&truth.data).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let out = filter_scene(&filter, &[combed.clone(), truth.clone()]);
        assert!(error(&out[0]) < 0.12 * error(&combed), "{} of {}", error(&out[0]), error(&combed));
        assert_eq!(out[1], truth);
    }
}
