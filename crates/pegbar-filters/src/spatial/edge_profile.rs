//! How brightness runs across the edges of a picture, on average: what halos and ringing are measured by.

use super::plane::{gradient, sample};

/// Samples from 14 px before the edge to 14 px beyond it, every half px.
pub(super) const N: usize = 4 * REACH_PX + 1;
/// Samples in a px.
pub(super) const PER_PX: usize = 2;
/// Index of the edge itself.
pub(super) const EDGE: usize = 2 * REACH_PX;
const REACH_PX: usize = 14;
/// Beyond this, on the calm side, nothing of the edge is left to see.
const CALM_FROM_PX: usize = 9;

/// The mean profile of edges with a calm side, which stands on the right: 0 there, about -1 on the edge's other side. Light and
/// dark sides count alike. Values above 0 on the right are overshoot. `None` where the picture has too few such edges.
///
/// All steps are linear, so what a linear filter did to the picture it did to this profile.
pub(super) fn edge_profile(luma: &[f32], width: usize) -> Option<[f32; N]> {
    /// Least steepness and contrast of an edge, least number of edges, and about how many are looked at.
    const STEEP: f32 = 0.05;
    const CONTRAST: f32 = 0.15;
    const FEWEST: u32 = 40;
    const MOST: usize = 6000;
    let height = luma.len() / width;
    if width.min(height) < 2 * REACH_PX {
        return None;
    }
    let (gx, gy) = gradient(luma, width);
    let steep = |i: usize| (gx[i] * gx[i] + gy[i] * gy[i]).sqrt();
    let mut edges = Vec::new();
    for y in 1..height - 1 {
        for x in 1..width - 1 {
            let i = y * width + x;
            let here = steep(i);
            if here < STEEP || here.is_nan() {
                continue;
            }
            // Steeper than both neighbours along the gradient, roughly.
            let (dx, dy) = ((gx[i] / here).round() as isize, (gy[i] / here).round() as isize);
            let ahead = (i as isize + dy * width as isize + dx) as usize;
            let behind = (i as isize - dy * width as isize - dx) as usize;
            if here >= steep(ahead) && here > steep(behind) {
                edges.push(i);
            }
        }
    }
    let (mut sums, mut n) = ([0.0f64; N], 0u32);
    for &i in edges.iter().step_by(edges.len() / MOST + 1) {
        let (x, y, here) = ((i % width) as f32, (i / width) as f32, steep(i));
        let (dx, dy) = (gx[i] / here / PER_PX as f32, gy[i] / here / PER_PX as f32);
        let mut profile = [0.0f32; N];
        for (k, v) in profile.iter_mut().enumerate() {
            let t = k as f32 - EDGE as f32;
            *v = sample(luma, width, x + t * dx, y + t * dy);
        }
        for _side in 0..2 {
            let calm = &profile[EDGE + CALM_FROM_PX * PER_PX..];
            let (low, high) = calm.iter().fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
            let level = calm.iter().sum::<f32>() / calm.len() as f32;
            let contrast = level - profile[EDGE - 3];
            // The slope of a rim is not steep enough for the contrast across it.
            let own = contrast.abs() < here / 0.18;
            // Nothing else may be drawn between the edge and the calm; a rim may be there.
            let between = &profile[EDGE + 3 * PER_PX..EDGE + CALM_FROM_PX * PER_PX];
            let lone = between.iter().all(|v| (-0.12..0.4).contains(&((v - level) / contrast)));
            if high - low < 0.03 && contrast.abs() > CONTRAST && own && lone {
                n += 1;
                for (sum, v) in sums.iter_mut().zip(&profile) {
                    *sum += f64::from(((v - level) / contrast).clamp(-3.0, 1.0));
                }
            }
            profile.reverse();
        }
    }
    (n >= FEWEST).then(|| sums.map(|sum| (sum / f64::from(n)) as f32))
}

/// Index from which the profile has arrived: where it first comes within a fiftieth of the calm side, or above it.
pub(super) fn arrival(profile: &[f32; N]) -> usize {
    (EDGE..N).find(|&k| profile[k] > -0.02).unwrap_or(N - 1)
}

/// The greatest overshoot beyond the edge, over the contrast.
pub(super) fn overshoot(profile: &[f32; N]) -> f32 {
    profile[EDGE..EDGE + CALM_FROM_PX * PER_PX].iter().copied().fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_no_overshoot_and_a_sharpened_one_has() {
        let (w, h) = (96, 64);
        let step = |rim: f32| -> Vec<f32> {
            (0..w * h)
                .map(|i| match i % w {
                    ..40 => 0.2,
                    40..42 => 0.7 + rim,
                    _ => 0.7,
                })
                .collect()
        };
        let clean = edge_profile(&step(0.0), w).unwrap();
        assert!(overshoot(&clean) < 1e-4, "{}", overshoot(&clean));
        let over = overshoot(&edge_profile(&step(0.1), w).unwrap());
        assert!((0.05..0.25).contains(&over), "{over}");
        assert_eq!(edge_profile(&vec![0.5; w * h], w), None);
    }
}
