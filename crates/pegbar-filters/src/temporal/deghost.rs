//! Ghosts: the echo of an analog signal, the same picture again, fainter and to the right.
//!
//! Found by what stands at the same distance to the right of each strong edge: for most edges the same part of it is a ghost.

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

/// A fainter echo is taken for chance.
const LEAST_OPACITY: f32 = 0.04;

/// What stands to the left of edges, too, repeats itself by nature or rings: as a part of what stands to the right.
const MOST_BEFORE: f32 = 0.75;

/// Fewer edges than this, of all frames that count, tell nothing.
const FEWEST_EDGES: f32 = 100.0;

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
        let mut sums = vec![0.0f32; MEASURES];
        for measure in window.measures.iter().filter(|m| m.len() == MEASURES) {
            sums.iter_mut().zip(*measure).for_each(|(s, m)| *s += m);
        }
        let (histograms, n_edges) = sums.split_at(MEASURES - 1);
        if n_edges[0] < FEWEST_EDGES {
            return None;
        }
        let shares: Vec<f32> = histograms.chunks_exact(BINS).map(median).collect();
        let (after, before) = shares.split_at(MOST_OFFSET + 1);
        // Drawn lines are followed by their other side, so an echo of opposite phase is only taken where it is told of.
        let (least, sign) = (LEAST_OPACITY, if self.opacity < 0.0 { -1.0 } else { 1.0 });
        let echo = |lag: usize| -> f32 {
            let (after, before) = (sign * after[lag], sign * before[lag]);
            if after < least || before > MOST_BEFORE * after { 0.0 } else { after }
        };
        // Fitted to what was measured at all offsets within a pixel or two of it.
        let refined: Vec<f32> = histograms
            .chunks_exact(BINS)
            .zip(&shares)
            .map(|(bins, share)| middle_near(bins, *share))
            .collect();
        if self.offset_px > 0.0 {
            let whole = (self.offset_px.floor() as usize).clamp(LEAST_OFFSET, MOST_OFFSET - 2);
            let (opacity, _) = fitted(&refined, whole, self.offset_px.fract());
            return (opacity.abs() >= least).then_some((self.offset_px, opacity));
        }
        let peak = (LEAST_OFFSET..MOST_OFFSET - 2)
            .max_by(|a, b| echo(*a).total_cmp(&echo(*b)))
            .filter(|peak| echo(*peak) > 0.0)?;
        let places = (0..2 * STEPS_PER_PX)
            .map(|step| (peak - 1 + step / STEPS_PER_PX, (step % STEPS_PER_PX) as f32 / STEPS_PER_PX as f32));
        let fits =
            places.map(|(whole, fraction)| (whole as f32 + fraction, fitted(&refined, whole, fraction)));
        let (offset, (opacity, _)) = fits.min_by(|(_, a), (_, b)| a.1.total_cmp(&b.1))?;
        Some((offset, if self.opacity != 0.0 { self.opacity } else { opacity.clamp(-0.45, 0.45) }))
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
        if self.offset_px > 0.0 && self.opacity != 0.0 { Vec::new() } else { likenesses(frame) }
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

/// Fractions of a pixel that offsets are told by.
const STEPS_PER_PX: usize = 20;

/// A histogram of shares from -0.5 to 1, every hundredth.
const BINS: usize = 151;
const BIN: f32 = 0.01;
const LOWEST: f32 = -0.5;

/// Histograms for each offset to the right from 0 on, for each to the left, and the number of edges.
const MEASURES: usize = 2 * (MOST_OFFSET + 1) * BINS + 1;

/// How much of each edge comes again at each offset to the right of it, and to the left.
///
/// A ghost adds the same part of every edge at the same distance. What else stands there adds now more, now less and often
/// nothing, so the middle of the shares of all edges is the ghost's: a picture that is like itself moves the mean, hardly the
/// middle.
fn likenesses(frame: &PlanarImage) -> Vec<f32> {
    /// Samples on both sides of an edge that belong to it.
    const SIDE: usize = 3;
    /// Least step of an edge, also as a factor on the step that noise makes as a rule.
    const EDGE: f32 = 0.04;
    const OVER_NOISE: f32 = 4.5;
    /// About so many edges are looked at.
    const MOST_EDGES: usize = 20_000;
    let (width, margin) = (frame.width, MOST_OFFSET + SIDE);
    let mut out = vec![0.0f32; MEASURES];
    if width < 2 * margin + 2 {
        return out;
    }
    let luma = luma(frame);
    let n = width - 1;
    let mut steps = Vec::with_capacity(n * frame.height);
    for row in luma.chunks_exact(width) {
        steps.extend(row.windows(2).map(|w| w[1] - w[0]));
    }
    let mut sizes: Vec<f32> = steps.iter().step_by(7).map(|v| v.abs()).collect();
    let middle = sizes.len() / 2;
    let usual = *sizes.select_nth_unstable_by(middle, f32::total_cmp).1;
    let least = EDGE.max(OVER_NOISE * usual);
    let mut edges = Vec::new();
    for (y, row) in steps.chunks_exact(n).enumerate() {
        let inner = row[margin - 1..n - margin + 1].windows(3).enumerate();
        let found = inner.filter(|(_, s)| {
            let here = s[1].abs();
            here > least && here >= s[0].abs() && here > s[2].abs()
        });
        edges.extend(found.map(|(x, _)| y * n + margin + x));
    }
    for &at in edges.iter().step_by(edges.len() / MOST_EDGES + 1) {
        let edge: [f32; 2 * SIDE + 1] = std::array::from_fn(|k| steps[at - SIDE + k]);
        let energy: f32 = edge.iter().map(|v| v * v).sum();
        let around = &steps[at - margin..at + margin + 1];
        let scale = 1.0 / energy;
        if !around.iter().all(|v| v.is_finite()) || !scale.is_finite() {
            continue;
        }
        let mut add = |histogram: usize, start: usize| {
            let there = &around[start..start + 2 * SIDE + 1];
            let share = edge.iter().zip(there).map(|(a, b)| a * b).sum::<f32>() * scale;
            // Divided between the two bins it lies between.
            let place = ((share - LOWEST) / BIN).clamp(0.0, (BINS - 1) as f32 - 0.001);
            let bin = histogram * BINS + place as usize;
            let part = energy * place.fract();
            out[bin] += energy - part;
            out[bin + 1] += part;
        };
        for lag in 0..=MOST_OFFSET {
            add(lag, MOST_OFFSET + lag);
            add(MOST_OFFSET + 1 + lag, MOST_OFFSET - lag);
        }
        out[MEASURES - 1] += 1.0;
    }
    out
}

/// The share that half of a histogram lies below.
fn median(bins: &[f32]) -> f32 {
    let half = 0.5 * bins.iter().sum::<f32>();
    let mut below = 0.0;
    for (i, n) in bins.iter().enumerate() {
        if below + n >= half && *n > 0.0 {
            return LOWEST + BIN * (i as f32 - 0.5 + (half - below) / n);
        }
        below += n;
    }
    0.0
}

/// The mean of the shares near one, moved there until it stays.
fn middle_near(bins: &[f32], share: f32) -> f32 {
    const REACH: isize = 5;
    let mut middle = share;
    for _ in 0..6 {
        let centre = ((middle - LOWEST) / BIN).round() as isize;
        let (mut sum, mut weights) = (0.0, 0.0);
        for i in (centre - REACH).max(0)..(centre + REACH + 1).min(BINS as isize) {
            sum += bins[i as usize] * (LOWEST + BIN * i as f32);
            weights += bins[i as usize];
        }
        if weights <= 0.0 {
            break;
        }
        middle = sum / weights;
    }
    middle
}

/// The opacity of an echo between `whole` and the next offset that explains best what was measured around it, and the squared
/// error that is left. An edge is like itself at offsets of a pixel or two, and so is its echo.
fn fitted(shares: &[f32], whole: usize, fraction: f32) -> (f32, f32) {
    let own = |lag: usize| if lag < 4 { shares[lag] } else { 0.0 };
    let (mut product, mut power, mut square) = (0.0, 0.0, 0.0);
    for (lag, share) in shares.iter().enumerate().take(whole + 3).skip(whole - 1) {
        let model = (1.0 - fraction) * own(lag.abs_diff(whole)) + fraction * own(lag.abs_diff(whole + 1));
        product += model * share;
        power += model * model;
        square += share * share;
    }
    let opacity = product / power.max(1e-6);
    (opacity, square - opacity * product)
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
            for x in 0..320usize {
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

    /// The measured ghost of one frame.
    fn found(frame: &PlanarImage) -> Option<(f32, f32)> {
        let filter = Deghost { offset_px: 0.0, opacity: 0.0, strength: 1.0 };
        let measure = filter.measure(None, frame);
        filter.ghost(&Window { frames: &[frame], centre: 0, measures: &[&measure], measure_centre: 0 })
    }

    #[test]
    fn offset_and_opacity_are_measured_between_pixels() {
        for (offset, opacity) in [(8.0f32, 0.25), (12.4, 0.15), (30.5, 0.12), (55.0, 0.06)] {
            let mut ghosted = picture();
            let whole = offset as usize;
            for (row, from) in ghosted.data.chunks_exact_mut(320).zip(picture().data.chunks_exact(320)) {
                for x in 0..320usize {
                    let at = |back: usize| from[x.saturating_sub(back)];
                    let echo = at(whole) + offset.fract() * (at(whole + 1) - at(whole));
                    row[x] = (from[x] + opacity * echo) / (1.0 + opacity);
                }
            }
            let (at, strength) = found(&ghosted).expect("a ghost");
            assert!((at - offset).abs() < 0.2, "{at} for {offset}");
            assert!((strength - opacity).abs() < 0.2 * opacity, "{strength} for {opacity}");
        }
    }

    #[test]
    fn what_repeats_itself_or_rings_is_no_ghost() {
        assert_eq!(found(&picture()), None);
        let mut fence = picture();
        for (i, v) in fence.data.iter_mut().enumerate() {
            // Pickets of uneven height, ten pixels apart.
            let (x, y) = (i % 320, i / 320);
            if x % 10 < 3 {
                *v += 0.2 + 0.02 * ((x / 10 * 7 + y / 20) % 5) as f32;
            }
        }
        assert_eq!(found(&fence), None);
        let clean = picture();
        let mut rings = clean.clone();
        for (row, from) in rings.data.chunks_exact_mut(320).zip(clean.data.chunks_exact(320)) {
            for x in 0..320usize {
                let sides = from[x.saturating_sub(9)] + from[(x + 9).min(319)];
                row[x] = (from[x] + 0.1 * sides) / 1.2;
            }
        }
        assert_eq!(found(&rings), None);
    }
}
