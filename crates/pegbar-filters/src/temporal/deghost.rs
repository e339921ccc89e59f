//! Ghosts: the echo of an analog signal, the same picture again, fainter and to the right.

use super::{Reach, TemporalFilter, Window};
use crate::luma_chroma::luma;
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the filter takes.
pub const PARAMS: &[Param] = &[
    Param::float("offset", "How far to the right the ghost stands; 0 measures it.", "px", (0.0, 64.0), 0.0),
    Param::float(
        "opacity",
        "Strength of the ghost against the picture; 0 measures it.",
        "",
        (-0.5, 0.5),
        0.0,
    ),
    Param::float("strength", "1 takes the whole ghost out.", "", (0.0, 1.0), 1.0),
];

/// Offsets that are looked at, in pixels.
const MOST_OFFSET: usize = 64;

/// Nearer echoes cannot be told from outlines and from the softness of the picture.
const LEAST_OFFSET: usize = 7;

/// Bands of the picture that are measured by themselves: an echo is in all of them, a fence in some.
const BANDS: usize = 12;

/// A fainter echo is taken for chance.
const LEAST_OPACITY: f32 = 0.08;

/// Frames before and after whose echo counts.
const MEASURED: usize = 12;

/// Takes out one echo by taking the restored picture, at the echo's offset and opacity, from what stands to the right of it.
#[derive(Debug, Clone)]
pub struct Deghost {
    /// How far to the right the ghost stands, in pixels; 0 measures it.
    pub offset_px: f32,
    /// Strength of the ghost against the picture; 0 measures it.
    pub opacity: f32,
    /// Part of the ghost that is taken out, `0.0..=1.0`.
    pub strength: f32,
}

impl Deghost {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            offset_px: values.f32("offset"),
            opacity: values.f32("opacity"),
            strength: values.f32("strength"),
        }
    }

    /// Offset and opacity of the ghost in a window, `None` where there is none.
    pub fn ghost(&self, window: &Window<'_>) -> Option<(f32, f32)> {
        if self.offset_px > 0.0 && self.opacity != 0.0 {
            return Some((self.offset_px, self.opacity));
        }
        let n_lags = MOST_OFFSET + 1;
        let mut sums = vec![0.0f32; BANDS * n_lags];
        for measure in window.measures.iter().filter(|m| m.len() == BANDS * n_lags) {
            sums.iter_mut().zip(*measure).for_each(|(s, m)| *s += m);
        }
        let bands: Vec<&[f32]> = sums.chunks_exact(n_lags).filter(|b| b[0] > 0.0).collect();
        if bands.len() < BANDS / 2 {
            return None;
        }
        let mut values = Vec::with_capacity(bands.len());
        let mut typical = |lag: usize| -> f32 {
            values.clear();
            // Above what the lags around it have: that is the picture's own likeness to itself.
            values.extend(bands.iter().map(|b| {
                let around = [lag - 3, lag - 2, (lag + 2).min(MOST_OFFSET), (lag + 3).min(MOST_OFFSET)];
                (b[lag] - around.iter().map(|&l| b[l]).sum::<f32>() / 4.0) / b[0]
            }));
            values.sort_unstable_by(f32::total_cmp);
            // The weaker side of the middle: most bands have to have it.
            let (low, high) = (values[values.len() / 3], values[values.len() - 1 - values.len() / 3]);
            if low > 0.0 {
                0.5 * (low + values[values.len() / 2])
            } else if high < 0.0 {
                0.5 * (high + values[values.len() / 2])
            } else {
                0.0
            }
        };
        let echoes: Vec<f32> =
            (0..n_lags).map(|lag| if lag < LEAST_OFFSET { 0.0 } else { typical(lag) }).collect();
        let given = self.offset_px.round() as usize;
        let peak = if self.offset_px > 0.0 {
            given.clamp(LEAST_OFFSET, MOST_OFFSET)
        } else {
            (LEAST_OFFSET..n_lags).max_by(|a, b| echoes[*a].total_cmp(&echoes[*b]))?
        };
        let correlation = echoes[peak];
        // Drawn lines are followed by their other side, so an echo of opposite phase is only taken where it is told of.
        if correlation < LEAST_OPACITY && (self.offset_px == 0.0 || correlation > -LEAST_OPACITY) {
            return None;
        }
        let side = |lag: usize| echoes.get(lag).copied().unwrap_or(0.0) * correlation.signum();
        let (before, at, after) = (side(peak - 1), correlation.abs(), side(peak + 1));
        let curvature = before + after - 2.0 * at;
        let fraction =
            if curvature < -1e-4 { (0.5 * (before - after) / curvature).clamp(-0.5, 0.5) } else { 0.0 };
        let offset = if self.offset_px > 0.0 { self.offset_px } else { peak as f32 + fraction };
        // An echo of strength a makes a correlation of a / (1 + a^2).
        let r = correlation.clamp(-0.45, 0.45);
        let opacity = 2.0 * r / (1.0 + (1.0 - 4.0 * r * r).sqrt());
        Some((offset, if self.opacity != 0.0 { self.opacity } else { opacity }))
    }
}

impl TemporalFilter for Deghost {
    fn reach(&self) -> Reach {
        Reach::default()
    }

    fn measure_reach(&self) -> Reach {
        Reach { before: MEASURED, after: MEASURED }
    }

    fn measure(&self, _previous: Option<&PlanarImage>, frame: &PlanarImage) -> Vec<f32> {
        if self.offset_px > 0.0 && self.opacity != 0.0 { Vec::new() } else { correlations(frame) }
    }

    fn apply(&self, window: &Window<'_>) -> PlanarImage {
        let mut out = window.frame().clone();
        let Some((offset, opacity)) = self.ghost(window) else { return out };
        let opacity = self.strength * opacity;
        let (whole, fraction) = (offset.floor() as usize, offset.fract());
        let colour = if out.channels >= 3 { 3 } else { 1 };
        let width = out.width;
        for channel in 0..colour {
            for row in out.plane_mut(channel).chunks_exact_mut(width) {
                // From left to right: what an echo is of has been restored before.
                for x in 0..width {
                    let at = |back: usize| row[x.saturating_sub(back)];
                    let echo = if x >= whole {
                        at(whole) * (1.0 - fraction) + at(whole + 1) * fraction
                    } else {
                        // Left of the picture it is taken to go on as it begins.
                        row[0]
                    };
                    if x > 0 || whole == 0 {
                        row[x] = (1.0 + opacity) * row[x] - opacity * echo;
                    }
                }
            }
        }
        out
    }
}

/// Correlation of the horizontal gradient with itself at each offset, for each band of rows.
fn correlations(frame: &PlanarImage) -> Vec<f32> {
    let luma = luma(frame);
    let (width, height) = (frame.width, frame.height);
    let n_lags = MOST_OFFSET + 1;
    let mut sums = vec![0.0f32; BANDS * n_lags];
    if width < 2 * MOST_OFFSET || height < BANDS {
        return sums;
    }
    let mut gradient = vec![0.0f32; width];
    for (y, row) in luma.chunks_exact(width).enumerate() {
        for (g, w) in gradient.iter_mut().zip(row.windows(2)) {
            *g = w[1] - w[0];
        }
        let band = &mut sums[y * BANDS / height * n_lags..][..n_lags];
        let base = &gradient[..width - 1 - MOST_OFFSET];
        for (lag, sum) in band.iter_mut().enumerate() {
            let later = &gradient[lag..lag + base.len()];
            let mut lanes = [0.0f32; 8];
            for (a, b) in base.as_chunks::<8>().0.iter().zip(later.as_chunks::<8>().0) {
                for i in 0..8 {
                    lanes[i] += a[i] * b[i];
                }
            }
            *sum += lanes.iter().sum::<f32>();
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporal::filter_scene;

    fn picture() -> PlanarImage {
        let (width, height) = (320, 96);
        let mut image = PlanarImage::zeros(1, height, width);
        let mut state = 7u32;
        for y in 0..height {
            let mut v = 0.5;
            let mut left = 0;
            for x in 0..width {
                if left == 0 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    v = 0.2 + 0.6 * (state >> 16) as f32 / 65536.0;
                    left = 3 + (state >> 8) as usize % 23;
                }
                left -= 1;
                image.data[y * width + x] = v;
            }
        }
        image
    }

    #[test]
    fn an_echo_is_found_and_taken_out() {
        let clean = picture();
        let mut ghosted = clean.clone();
        for (row, from) in ghosted.data.chunks_exact_mut(320).zip(clean.data.chunks_exact(320)) {
            for x in 0..320 {
                row[x] = (from[x] + 0.2 * from[x.saturating_sub(11)]) / 1.2;
            }
        }
        let filter = Deghost { offset_px: 0.0, opacity: 0.0, strength: 1.0 };
        let error =
            |a: &PlanarImage| a.data.iter().zip(&clean.data).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let out = filter_scene(&filter, &[ghosted.clone()]);
        assert!(error(&out[0]) < 0.1 * error(&ghosted), "{} of {}", error(&out[0]), error(&ghosted));
        assert_eq!(filter_scene(&filter, std::slice::from_ref(&clean))[0], clean);
    }
}
