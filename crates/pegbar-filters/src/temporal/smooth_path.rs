//! Where a measure of a film would be without its jitter: the level that its neighbourhood in time agrees on.

/// Rounds of reweighting.
const ROUNDS: usize = 6;

/// A slope has to be larger than the square root of this times its own deviation to count.
const JITTER_SLOPE: f32 = 4.0;

/// The value at time 0 of the straight line through values around it, `values[i]` being of time `i - centre`, in frames.
///
/// Weights are Gaussian of deviation `sigma` frames, and less for values far off the line by Tukey's biweight: a move or
/// fade that begins or ends in the neighbourhood is left alone, and jitter up to about `jitter` is not taken for one. A straight
/// line keeps steady moves and fades even where the neighbourhood is cut off on one side.
pub(super) fn level(values: &[f32], centre: usize, sigma: f32, jitter: f32) -> f32 {
    let near = |i: usize| (-0.5 * ((i as f32 - centre as f32) / sigma).powi(2)).exp();
    let mut weights: Vec<f32> = (0..values.len()).map(near).collect();
    let mut line = fit(values, &weights, centre);
    // A flat start: a slope that a distant jump suggests would hide the jump.
    let mut start: Vec<f32> =
        values.iter().zip(0..).filter(|(_, i)| near(*i) > 0.6).map(|(v, _)| *v).collect();
    start.sort_unstable_by(f32::total_cmp);
    if start.len() >= 5 {
        let slope = slope_of_neighbours(values, centre, sigma);
        line = (start[start.len() / 2], slope);
    }
    for _ in 0..ROUNDS {
        let mut off: Vec<f32> = values
            .iter()
            .enumerate()
            .filter(|(i, _)| near(*i) > 0.3)
            .map(|(i, v)| (v - line.0 - line.1 * (i as f32 - centre as f32)).abs())
            .collect();
        off.sort_unstable_by(f32::total_cmp);
        let typical = off.get(off.len() / 2).copied().unwrap_or(0.0);
        let limit = (6.0 * typical).max(jitter);
        for (i, weight) in weights.iter_mut().enumerate() {
            let u = (values[i] - line.0 - line.1 * (i as f32 - centre as f32)) / limit;
            let tukey = (1.0 - u * u).max(0.0);
            *weight = near(i) * tukey * tukey;
        }
        line = fit(values, &weights, centre);
    }
    let line = steadied(line, values, &weights, centre);
    if line.0.is_finite() { line.0 } else { values[centre] }
}

/// The line with its slope made smaller as far as jitter alone explains it, through the same mean.
fn steadied((level, slope): (f32, f32), values: &[f32], weights: &[f32], centre: usize) -> (f32, f32) {
    let time = |i: usize| i as f32 - centre as f32;
    let sum: f32 = weights.iter().sum();
    if sum <= 0.0 || slope == 0.0 {
        return (level, slope);
    }
    let mean = weights.iter().enumerate().map(|(i, w)| w * time(i)).sum::<f32>() / sum;
    let (mut spread, mut residue, mut squares) = (0.0, 0.0, 0.0);
    for (i, (v, w)) in values.iter().zip(weights).enumerate() {
        spread += w * (time(i) - mean).powi(2);
        residue += w * (v - level - slope * time(i)).powi(2);
        squares += w * w;
    }
    // The variance of the slope that independent jitter gives.
    let freedom = (sum - 2.0 * squares / sum).max(0.1 * sum);
    let variance = residue / freedom / spread.max(1e-9);
    let share = (1.0 - JITTER_SLOPE * variance / (slope * slope)).max(0.0);
    (level + slope * mean * (1.0 - share), slope * share)
}

/// The median step from frame to frame in the near neighbourhood.
fn slope_of_neighbours(values: &[f32], centre: usize, sigma: f32) -> f32 {
    let reach = (1.2 * sigma).ceil() as usize;
    let (from, to) = (centre.saturating_sub(reach), (centre + reach).min(values.len() - 1));
    let half = ((to - from) / 2).max(1);
    let mut slopes: Vec<f32> =
        (from..=to - half).map(|i| (values[i + half] - values[i]) / half as f32).collect();
    slopes.sort_unstable_by(f32::total_cmp);
    slopes[slopes.len() / 2]
}

/// Level at the centre and slope of the weighted straight line.
fn fit(values: &[f32], weights: &[f32], centre: usize) -> (f32, f32) {
    let (mut s, mut st, mut stt, mut sv, mut stv) = (0.0f64, 0.0, 0.0, 0.0, 0.0);
    for (i, (&v, &w)) in values.iter().zip(weights).enumerate() {
        let (t, v, w) = (i as f64 - centre as f64, f64::from(v), f64::from(w));
        (s, st, stt) = (s + w, st + w * t, stt + w * t * t);
        (sv, stv) = (sv + w * v, stv + w * t * v);
    }
    let determinant = s * stt - st * st;
    if s < 1e-9 {
        return (values[centre], 0.0);
    }
    if determinant < 1e-6 * s * s {
        return ((sv / s) as f32, 0.0);
    }
    (((stt * sv - st * stv) / determinant) as f32, ((s * stv - st * sv) / determinant) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_goes_and_moves_stay() {
        let jitter = |i: usize| 0.8 * if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        let steady: Vec<f32> = (0..25).map(|i| 2.0 * i as f32 + jitter(i)).collect();
        assert!((level(&steady, 12, 5.0, 1.0) - 24.0).abs() < 0.2, "{}", level(&steady, 12, 5.0, 1.0));
        // At the beginning of a scene, too.
        assert!((level(&steady[12..], 0, 5.0, 1.0) - 24.0).abs() < 0.6);
        // A pan of 5 px a frame begins at frame 14: the still frames before stay where they are.
        let pan: Vec<f32> = (0..25).map(|i| (5.0 * (i as f32 - 14.0)).max(0.0) + jitter(i)).collect();
        assert!(level(&pan, 12, 5.0, 1.0).abs() < 0.6, "{}", level(&pan, 12, 5.0, 1.0));
        assert_eq!(level(&[3.0], 0, 5.0, 1.0), 3.0);
        assert_eq!(level(&[3.0, 3.0], 1, 5.0, 1.0), 3.0);
    }
}
