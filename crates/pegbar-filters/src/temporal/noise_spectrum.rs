//! How strong the noise of a film is, at each frequency and tone, seen from what motion leaves unexplained.
//!
//! A frame minus the motion-compensated frame before it is noise where the motion was found. In each tone the half of the
//! blocks that differ least are taken for such places; their coefficients give the spectrum, their energy the tone's gain.

use super::motion::{BLOCK, MotionField, SearchPicture};
use crate::dct::{Block, forward_transposed};
use crate::luma_chroma::LumaChroma;
use pegbar_frame::PlanarImage;

/// Tones that are told apart, dark to bright.
pub(super) const TONES: usize = 8;

/// Numbers that the measure of a plane takes: the deviation of each coefficient, then the gain of each tone.
const PER_PLANE: usize = 64 + TONES;

/// Fewer blocks than this say nothing of a tone.
const LEAST_BLOCKS: usize = 12;

/// The half of blocks with the least energy have less than all: by about this, where 64 coefficients are of one size.
const SELECTION: f32 = 1.13;

/// Standard deviations of noise in one plane.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NoiseSpectrum {
    /// Of each coefficient of [`forward`].
    pub(super) deviations: [f32; 64],
    /// Factor for each tone of luma.
    pub(super) gains: [f32; TONES],
}

impl NoiseSpectrum {
    /// White noise.
    pub(super) fn white(deviation: f32) -> Self {
        Self { deviations: [deviation; 64], gains: [1.0; TONES] }
    }

    /// The root of the mean square of all coefficients.
    pub(super) fn strength(&self) -> f32 {
        (self.deviations.iter().map(|d| d * d).sum::<f32>() / 64.0).sqrt()
    }
}

/// Measures the noise of a frame; nothing where the frame repeats the one before or there is none.
pub(super) fn measure(previous: Option<&PlanarImage>, frame: &PlanarImage) -> Vec<f32> {
    let Some(previous) = previous else { return Vec::new() };
    if frame.data == previous.data {
        return Vec::new();
    }
    let (now, before) = (LumaChroma::of(frame), LumaChroma::of(previous));
    let picture = |of: &LumaChroma| SearchPicture::of_luma(&of.planes[0], of.width, of.height);
    let field = MotionField::search(&picture(&now), &picture(&before));
    let differences: Vec<Vec<f32>> = now
        .planes
        .iter()
        .zip(&before.planes)
        .map(|(now, before)| {
            let mut difference = field.compensate(before);
            for (d, n) in difference.iter_mut().zip(now) {
                *d = (n - *d) * std::f32::consts::FRAC_1_SQRT_2;
            }
            difference
        })
        .collect();
    from_differences(&now, &differences)
}

fn from_differences(now: &LumaChroma, differences: &[Vec<f32>]) -> Vec<f32> {
    let (columns, rows) = (now.width / BLOCK, now.height / BLOCK);
    let width = now.width;
    let block = |plane: &[f32], i: usize| -> Block {
        let at = (i / columns * width + i % columns) * BLOCK;
        std::array::from_fn(|r| std::array::from_fn(|c| plane[at + r * width + c]))
    };
    let energy = |b: &Block| b.iter().flatten().map(|v| v * v).sum::<f32>() / 64.0;
    let mut measures = Vec::with_capacity(differences.len() * PER_PLANE);
    // Blocks of each tone: those with clipped black or white hold no noise.
    let mut tones: [Vec<usize>; TONES] = Default::default();
    for i in 0..columns * rows {
        let mean = block(&now.planes[0], i).iter().flatten().sum::<f32>() / 64.0;
        if mean > 0.02 && mean < 0.98 {
            tones[tone(mean)].push(i);
        }
    }
    for plane in differences {
        let mut gains = [0.0f32; TONES];
        let mut squares = [0.0f64; 64];
        let mut n_blocks = 0usize;
        for (blocks, gain) in tones.iter().zip(&mut gains) {
            if blocks.len() < LEAST_BLOCKS {
                continue;
            }
            let mut energies: Vec<(f32, usize)> =
                blocks.iter().map(|&i| (energy(&block(plane, i)), i)).collect();
            energies.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            let chosen = &energies[..energies.len() / 2];
            let mean = chosen.iter().map(|(e, _)| e).sum::<f32>() / chosen.len() as f32;
            if !mean.is_finite() || mean <= 0.0 {
                continue;
            }
            *gain = (mean * SELECTION).sqrt();
            for &(_, i) in chosen {
                for (sum, c) in squares.iter_mut().zip(forward_transposed(&block(plane, i)).iter().flatten())
                {
                    *sum += f64::from(c * c / mean);
                }
            }
            n_blocks += chosen.len();
        }
        if n_blocks == 0 {
            return Vec::new();
        }
        // The gain of all tones goes into the deviations, so that the gains are about 1.
        let (mut sum, mut weight) = (0.0, 0.0);
        for (gain, blocks) in gains.iter().zip(&tones) {
            if *gain > 0.0 {
                sum += gain * gain * blocks.len() as f32;
                weight += blocks.len() as f32;
            }
        }
        let overall = (sum / weight).sqrt();
        measures.extend(squares.iter().map(|s| (s / n_blocks as f64).sqrt() as f32 * overall));
        measures.extend(gains.iter().map(|g| g / overall));
    }
    measures
}

/// Which tone a luma belongs to.
pub(super) fn tone(luma: f32) -> usize {
    ((luma * TONES as f32) as usize).min(TONES - 1)
}

/// The noise of a window, a spectrum for each of `planes`; `None` where no frame of it was measured.
///
/// Each number is the one that two thirds of the frames stay below: where a drawing is held, every second frame or more
/// differs from the one before by less than its noise.
pub(super) fn combine(measures: &[&[f32]], planes: usize) -> Option<Vec<NoiseSpectrum>> {
    let usable: Vec<&[f32]> = measures.iter().copied().filter(|m| m.len() == planes * PER_PLANE).collect();
    if usable.is_empty() {
        return None;
    }
    let mut values = Vec::with_capacity(usable.len());
    let mut typical = |i: usize, known: bool| -> f32 {
        values.clear();
        values.extend(usable.iter().map(|m| m[i]).filter(|v| v.is_finite() && !(known && *v <= 0.0)));
        values.sort_unstable_by(f32::total_cmp);
        let rank = (values.len() * 2 / 3).min(values.len().saturating_sub(1));
        values.get(rank).copied().unwrap_or(0.0)
    };
    let spectrum = |plane: usize| {
        let at = plane * PER_PLANE;
        let deviations = std::array::from_fn(|k| typical(at + k, false));
        let mut gains: [f32; TONES] = std::array::from_fn(|t| typical(at + 64 + t, true));
        fill_gaps(&mut gains);
        NoiseSpectrum { deviations, gains }
    };
    Some((0..planes).map(spectrum).collect())
}

/// Tones that were not seen take the gain of the nearest that was.
fn fill_gaps(gains: &mut [f32; TONES]) {
    let seen = *gains;
    for (t, gain) in gains.iter_mut().enumerate() {
        let nearest = (0..TONES).filter(|&i| seen[i] > 0.0).min_by_key(|&i| i.abs_diff(t));
        *gain = nearest.map_or(1.0, |i| seen[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform noise of deviation 1 that depends on its seed alone.
    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state as f32 / u32::MAX as f32 - 0.5) * 12f32.sqrt()
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn white_noise_is_measured() {
        let (width, height, sigma) = (160, 120, 0.03);
        let frame = |seed: u32| {
            let data = noise(width * height, seed)
                .into_iter()
                .enumerate()
                .map(|(i, v)| 0.2 + 0.5 * (i % width) as f32 / width as f32 + sigma * v);
            PlanarImage { width, height, channels: 1, data: data.collect() }
        };
        let frames: Vec<_> = (1..5).map(frame).collect();
        let measures: Vec<_> = frames.windows(2).map(|w| measure(Some(&w[0]), &w[1])).collect();
        let refs: Vec<_> = measures.iter().map(Vec::as_slice).collect();
        let spectrum = combine(&refs, 1).expect("measured").remove(0);
        assert!((spectrum.strength() / sigma - 1.0).abs() < 0.15, "{}", spectrum.strength() / sigma);
        assert!(spectrum.gains.iter().all(|g| (0.7..1.4).contains(g)), "{:?}", spectrum.gains);
        assert!(measure(Some(&frames[0]), &frames[0]).is_empty());
        assert!(measure(None, &frames[0]).is_empty());
        assert!(combine(&[&[]], 1).is_none());
    }
}
