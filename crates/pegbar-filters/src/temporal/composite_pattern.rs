//! What the filters against composite artefacts share: where a film stands still, and what has the pattern of a
//! subcarrier.
//!
//! The subcarrier of NTSC begins each line of a field and each frame with the opposite phase, so in a still picture
//! what leaked from colour to luma or back has opposite signs in consecutive frames, and the mean of two is free of
//! it.

use crate::luma_chroma::LumaChroma;

/// How far around a difference the picture counts as moving, in pixels.
const AROUND: usize = 2;

/// How far each pixel stands still between two frames, `0.0..=1.0`; a difference of luma of `tolerance` or less is
/// none.
///
/// What composite decoding leaves does not count: luma around `frequency` cycles to a pixel, and colour, where they
/// change sign from line to line of a field.
pub(super) fn stillness(a: &LumaChroma, b: &LumaChroma, tolerance: f32, frequency: f32) -> Vec<f32> {
    let (width, height) = (a.width, a.height);
    let mut moving = vec![0.0f32; width * height];
    for (plane, scale) in [(0, 1.0), (1, 0.5), (2, 0.5)].into_iter().take(a.planes.len()) {
        let difference: Vec<f32> = a.planes[plane].iter().zip(&b.planes[plane]).map(|(a, b)| a - b).collect();
        let pattern = match plane {
            0 => {
                alternating(&carrier_band(&difference, width, height, frequency, NOTCH_CYCLES), width, height)
            }
            _ => alternating(&difference, width, height),
        };
        let rest: Vec<f32> = difference.iter().zip(&pattern).map(|(d, p)| d - p).collect();
        let soft = weighted(&weighted(&rest, width, height, &SOFT, true), width, height, &SOFT, false);
        for (m, d) in moving.iter_mut().zip(soft) {
            *m = m.max(scale * d.abs());
        }
    }
    let widest = widened(&moving, width, height, AROUND);
    // From standing still at the tolerance to moving at twice as much.
    widest.into_iter().map(|d| (2.0 - d / tolerance).clamp(0.0, 1.0)).collect()
}

/// Weights against noise.
const SOFT: [f32; 3] = [0.25, 0.5, 0.25];

/// `here` with the mean of itself and each still neighbour in place of it.
pub(super) fn averaged(here: &[f32], neighbours: &[(&[f32], &[f32])]) -> Vec<f32> {
    let mut out = here.to_vec();
    for (i, v) in out.iter_mut().enumerate() {
        let (mut sum, mut weight) = (0.0, 0.0);
        for (plane, still) in neighbours {
            sum += still[i] * (plane[i] - here[i]);
            weight += still[i];
        }
        *v += 0.5 * sum / weight.max(1.0);
    }
    out
}

/// How many cycles to each side [`carrier_band`] looks at for a band about as wide as a decoder's notch.
pub(super) const NOTCH_CYCLES: f32 = 1.5;

/// The part of a plane around the subcarrier across, `frequency` cycles to a pixel; the band is the narrower the more
/// `cycles` to each side are looked at.
pub(super) fn carrier_band(
    plane: &[f32],
    width: usize,
    height: usize,
    frequency: f32,
    cycles: f32,
) -> Vec<f32> {
    let half = (cycles / frequency).round().clamp(2.0, 64.0) as isize;
    let window = |n: isize| 0.5 + 0.5 * (std::f32::consts::PI * n as f32 / (half + 1) as f32).cos();
    let carrier = |n: isize| (std::f32::consts::TAU * frequency * n as f32).cos();
    let mut taps: Vec<f32> = (-half..=half).map(|n| window(n) * carrier(n)).collect();
    // Nothing of level ground, all of the carrier.
    let mean: f32 = taps.iter().sum::<f32>() / (-half..=half).map(window).sum::<f32>();
    taps.iter_mut().zip(-half..).for_each(|(t, n)| *t -= mean * window(n));
    let gain: f32 = taps.iter().zip(-half..).map(|(t, n)| t * carrier(n)).sum();
    taps.iter_mut().for_each(|t| *t /= gain);
    weighted(plane, width, height, &taps, false)
}

/// The part of a plane that is as slow across as the colour that fits around a subcarrier of `frequency` cycles to a
/// pixel.
pub(super) fn low_band(plane: &[f32], width: usize, height: usize, frequency: f32) -> Vec<f32> {
    // 1.1 MHz beside 3.58 MHz.
    let cutoff = 0.3 * frequency;
    let half = (2.0 / frequency).round().clamp(2.0, 64.0) as isize;
    let window = |n: isize| 0.5 + 0.5 * (std::f32::consts::PI * n as f32 / (half + 1) as f32).cos();
    let sinc = |n: isize| {
        let x = std::f32::consts::TAU * cutoff * n as f32;
        if n == 0 { 1.0 } else { x.sin() / x }
    };
    let mut taps: Vec<f32> = (-half..=half).map(|n| window(n) * sinc(n)).collect();
    let sum: f32 = taps.iter().sum();
    taps.iter_mut().for_each(|t| *t /= sum);
    weighted(plane, width, height, &taps, false)
}

/// The part of a plane that changes sign from line to line of each field.
pub(super) fn alternating(plane: &[f32], width: usize, height: usize) -> Vec<f32> {
    weighted(plane, width, height, &[-0.25, 0.0, 0.5, 0.0, -0.25], true)
}

/// The largest of the values up to `radius` pixels away in each direction.
pub(super) fn widened(plane: &[f32], width: usize, height: usize, radius: usize) -> Vec<f32> {
    let mut down = plane.to_vec();
    for y in 0..height {
        let row = &mut down[y * width..(y + 1) * width];
        for other in y.saturating_sub(radius)..(y + radius + 1).min(height) {
            for (v, o) in row.iter_mut().zip(&plane[other * width..(other + 1) * width]) {
                *v = v.max(*o);
            }
        }
    }
    let mut out = down.clone();
    for (row, from) in out.chunks_exact_mut(width).zip(down.chunks_exact(width)) {
        for shift in 1..=radius.min(width.saturating_sub(1)) {
            let n = width - shift;
            for (v, o) in row[..n].iter_mut().zip(&from[shift..]) {
                *v = v.max(*o);
            }
            for (v, o) in row[shift..].iter_mut().zip(&from[..n]) {
                *v = v.max(*o);
            }
        }
    }
    out
}

/// Convolution with an odd number of taps, along columns or rows; edges are repeated.
fn weighted(plane: &[f32], width: usize, height: usize, taps: &[f32], down: bool) -> Vec<f32> {
    let half = taps.len() / 2;
    let mut out = vec![0.0; plane.len()];
    if down {
        for (y, out) in out.chunks_exact_mut(width).enumerate() {
            for (t, weight) in taps.iter().enumerate() {
                let from = (y + t).saturating_sub(half).min(height - 1) * width;
                for (v, p) in out.iter_mut().zip(&plane[from..from + width]) {
                    *v += weight * p;
                }
            }
        }
    } else {
        let mut padded = vec![0.0; width + 2 * half];
        for (row, out) in plane.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            padded[..half].fill(row[0]);
            padded[half..half + width].copy_from_slice(row);
            padded[half + width..].fill(row[width - 1]);
            for (t, weight) in taps.iter().enumerate() {
                for (v, p) in out.iter_mut().zip(&padded[t..]) {
                    *v += weight * p;
                }
            }
        }
    }
    out
}
