//! Mends dirty borders: outer rows and columns that are too dark or too light are scaled to match what lies inside, or replaced.
//!
//! The idea of FixBrightness and bbmod. From the inside outwards, each line is compared with the mended one before it; the
//! middle one of the ratios of their samples is its gain, which a few things that differ in the picture cannot shift. A line
//! that fits as well as lines well inside fit each other is left alone.

use pegbar_frame::PlanarImage;
use pegbar_params::{Choice, Param, ParamValues};

/// Parameters of [`BorderFix`].
pub const PARAMS: &[Param] = &[
    Param::int("left", "Columns at the left that may be dirty.", "px", (0, 32), 3),
    Param::int("right", "Columns at the right that may be dirty.", "px", (0, 32), 3),
    Param::int("top", "Rows at the top that may be dirty.", "px", (0, 32), 3),
    Param::int("bottom", "Rows at the bottom that may be dirty.", "px", (0, 32), 3),
    Param::choice(
        "mode",
        "What becomes of them.",
        &[
            Choice { id: "match", doc: "Lines with a wrong brightness are scaled, others stay." },
            Choice { id: "fill", doc: "All are replaced by copies of the first line inside." },
        ],
        "match",
    ),
    Param::int(
        "local",
        "Length of the pieces of a line that get a gain of their own; 0 gives the whole line one.",
        "px",
        (0, 1024),
        0,
    ),
];

/// What becomes of dirty lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BorderMode {
    /// They are scaled.
    Match,
    /// They are replaced.
    Fill,
}

/// Mending of outer lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BorderFix {
    /// Lines at the left, right, top and bottom, px.
    pub lines: [usize; 4],
    /// What becomes of them.
    pub mode: BorderMode,
    /// Length of pieces with their own gain, px; `None` for whole lines.
    pub local_px: Option<usize>,
}

/// A gain nearer to 1 than this is none.
const LEAST_DEVIATION: f32 = 0.012;

impl BorderFix {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        let local = values.usize("local");
        Self {
            lines: ["left", "right", "top", "bottom"].map(|id| values.usize(id)),
            mode: if values.text("mode") == "fill" { BorderMode::Fill } else { BorderMode::Match },
            local_px: (local > 0).then_some(local),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels, each colour on its own.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        if image.data.is_empty() {
            return out;
        }
        let (w, h) = (image.width, image.height);
        // Rows first: a whole row is more to compare than a column.
        for side in [2, 3, 0, 1] {
            let across = if side < 2 { w } else { h };
            let n = self.lines[side].min(across - 1);
            for c in 0..image.channels.min(3) {
                let mut lines = Lines { plane: out.plane_mut(c), width: w, side };
                match self.mode {
                    BorderMode::Fill => {
                        let inside = lines.read(n);
                        (0..n).for_each(|at| lines.write(at, &inside));
                    }
                    BorderMode::Match => self.match_lines(&mut lines, n, across),
                }
            }
        }
        out
    }

    fn match_lines(&self, lines: &mut Lines<'_>, n: usize, across: usize) {
        /// Lines well inside that say how much neighbours differ in this picture.
        const N_INSIDE: usize = 8;
        let inside: Vec<_> = (n..(n + N_INSIDE + 1).min(across)).map(|at| lines.read(at)).collect();
        let deviations = inside.windows(2).map(|pair| (gain(&pair[1], &pair[0]) - 1.0).abs());
        let usual = deviations.fold(0.0, f32::max);
        let tolerance = LEAST_DEVIATION.max(2.0 * usual);
        for at in (0..n).rev() {
            let (reference, mut line) = (lines.read(at + 1), lines.read(at));
            let whole = gain(&reference, &line);
            if (whole - 1.0).abs() < tolerance {
                continue;
            }
            let piece = self.local_px.unwrap_or(line.len()).max(16);
            scale_pieces(&mut line, &reference, piece, whole);
            lines.write(at, &line);
        }
    }
}

/// Scales a line; each piece has its gain in its middle, and between the middles gains change along a straight line.
fn scale_pieces(line: &mut [f32], reference: &[f32], piece: usize, whole: f32) {
    let gains: Vec<f32> = line
        .chunks(piece)
        .zip(reference.chunks(piece))
        // A gain far from that of the line is a thing in the picture.
        .map(|(line, reference)| gain(reference, line).clamp(0.7 * whole, 1.4 * whole))
        .collect();
    let last = gains.len() - 1;
    for (i, v) in line.iter_mut().enumerate() {
        let at = ((i as f32 + 0.5) / piece as f32 - 0.5).clamp(0.0, last as f32);
        let (low, t) = (at as usize, at.fract());
        *v *= gains[low] + t * (gains[(low + 1).min(last)] - gains[low]);
    }
}

/// The middle one of the ratios of two lines' samples, 1 where the line is too dark to tell.
fn gain(reference: &[f32], line: &[f32]) -> f32 {
    const DARK: f32 = 0.06;
    let pairs = reference.iter().zip(line).filter(|(r, l)| **l > DARK && **r > DARK);
    let mut ratios: Vec<f32> = pairs.map(|(r, l)| r / l).collect();
    if ratios.len() < 4 {
        return 1.0;
    }
    let middle = ratios.len() / 2;
    let (_, gain, _) = ratios.select_nth_unstable_by(middle, f32::total_cmp);
    if gain.is_finite() { gain.clamp(0.2, 5.0) } else { 1.0 }
}

/// Lines of a plane, counted from one of its sides.
struct Lines<'a> {
    plane: &'a mut [f32],
    width: usize,
    /// 0 left, 1 right, 2 top, 3 bottom.
    side: usize,
}

impl Lines<'_> {
    /// First sample, distance of samples, and number of samples of the line.
    fn place(&self, at: usize) -> (usize, usize, usize) {
        let (w, h) = (self.width, self.plane.len() / self.width);
        match self.side {
            0 => (at, w, h),
            1 => (w - 1 - at, w, h),
            2 => (at * w, 1, w),
            _ => ((h - 1 - at) * w, 1, w),
        }
    }

    fn read(&self, at: usize) -> Vec<f32> {
        let (first, step, n) = self.place(at);
        self.plane[first..].iter().step_by(step).take(n).copied().collect()
    }

    fn write(&mut self, at: usize, line: &[f32]) {
        let (first, step, n) = self.place(at);
        self.plane[first..].iter_mut().step_by(step).take(n).zip(line).for_each(|(v, new)| *v = *new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_degrade::spatial::DirtyBorder;

    fn picture() -> PlanarImage {
        let (w, h) = (96, 64);
        let mut image = PlanarImage::zeros(3, h, w);
        for (i, v) in image.data.iter_mut().enumerate() {
            let (x, y) = ((i % w) as f32, (i / w % h) as f32);
            *v = 0.5 + 0.2 * (x * 0.11).sin() + 0.2 * (y * 0.13 + (i / (w * h)) as f32).cos();
        }
        image
    }

    #[test]
    fn dirty_lines_match_and_clean_ones_stay() {
        let clean = picture();
        let spoilt = DirtyBorder { lines: [2, 2, 1, 2], strength: 0.4 }.apply(&clean, 3);
        let fix = BorderFix::from_values(&ParamValues::defaults(PARAMS));
        let error =
            |p: &PlanarImage| p.data.iter().zip(&clean.data).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        assert!(
            error(&fix.apply(&spoilt)) < 0.1 * error(&spoilt),
            "{}",
            error(&fix.apply(&spoilt)) / error(&spoilt)
        );
        assert!(fix.apply(&clean) == clean);
    }

    #[test]
    fn filled_lines_are_copies() {
        let fix = BorderFix { lines: [2, 0, 1, 0], mode: BorderMode::Fill, local_px: None };
        let (image, out) = (picture(), fix.apply(&picture()));
        assert_eq!(out.data[96 * 10], image.data[96 * 10 + 2]);
        assert_eq!(out.data[50], image.data[96 + 50]);
    }
}
