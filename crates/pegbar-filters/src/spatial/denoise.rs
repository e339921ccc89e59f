//! Takes away noise: Wiener filtering of overlapping 8 x 8 transforms, with a first guess by thresholds.
//!
//! The two steps of BM3D (Dabov and others, 2007) without its matching of blocks: the first drops coefficients that noise explains,
//! the second shrinks each by how much of it the first step's result says is picture. How strong the noise is is given or measured, for
//! luma and both chroma planes each.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::overlapping_blocks::{without_noise, without_small};
use crate::luma_chroma::{chroma, luma, with_chroma, with_luma};

/// Parameters of [`Denoise`].
pub const PARAMS: &[Param] = &[
    Param::float("sigma", "Deviation of the noise in codes of 8 bits; 0 measures it.", "", (0.0, 75.0), 0.0),
    Param::float("strength", "Factor on the deviation for luma.", "", (0.0, 4.0), 1.0),
    Param::float("chroma", "Factor on the deviation for chroma.", "", (0.0, 4.0), 1.0),
    Param::int("step", "Distance of the blocks: 2 is better, 4 four times as fast.", "px", (1, 8), 2),
];

/// Two-step shrinkage of transforms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Denoise {
    /// Deviation of the noise, in codes of 8 bits; `None` measures it.
    pub sigma_codes: Option<f32>,
    /// Factor for luma.
    pub strength: f32,
    /// Factor for chroma.
    pub chroma: f32,
    /// Distance of the blocks, px.
    pub step_px: usize,
}

impl Denoise {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        let sigma = values.f32("sigma");
        Self {
            sigma_codes: (sigma > 0.0).then_some(sigma),
            strength: values.f32("strength"),
            chroma: values.f32("chroma"),
            step_px: values.usize("step"),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if image.data.is_empty() {
            return image.clone();
        }
        let (old, width) = (luma(image), image.width);
        let clean = |plane: &[f32], factor: f32| {
            let sigma = self.sigma_codes.map_or_else(|| noise_sigma(plane, width), |codes| codes / 255.0);
            shrink(plane, width, factor * sigma, self.step_px)
        };
        let out = match clean(&old, self.strength) {
            Some(new) => with_luma(image, &old, &new),
            None => image.clone(),
        };
        let Some(planes) = chroma(image, &old) else { return out };
        let new = planes.each_ref().map(|plane| clean(plane, self.chroma).unwrap_or_else(|| plane.clone()));
        with_chroma(&out, &planes, &new)
    }
}

/// The plane without noise of the given deviation; `None` where that is less than a quarter of a code of 8 bits.
fn shrink(plane: &[f32], width: usize, sigma: f32, step: usize) -> Option<Vec<f32>> {
    /// What noise passes three times in a thousand.
    const THRESHOLD: f32 = 2.7;
    if sigma < 0.25 / 255.0 {
        return None;
    }
    let step = if step.is_power_of_two() { step.min(8) } else { 2 };
    let threshold = THRESHOLD * sigma;
    let guess = without_small(plane, width, step, &[threshold; 64]);
    Some(without_noise(plane, &guess, width, step, &[sigma * sigma; 64]))
}

/// Deviation of the noise in a plane: from the median of the mixed second differences over the quieter half of the places.
pub fn noise_sigma(plane: &[f32], width: usize) -> f32 {
    let height = plane.len() / width.max(1);
    if width < 8 || height < 8 {
        return 0.0;
    }
    // Blocks of 8 x 8: flat ones tell of noise, those with drawing of drawing.
    let mut sums = Vec::with_capacity((width / 8) * (height / 8));
    for top in (0..height - 7).step_by(8) {
        for left in (0..width - 7).step_by(8) {
            let mut sum = 0.0f32;
            for y in top..top + 7 {
                let (row, below) = (&plane[y * width + left..][..8], &plane[(y + 1) * width + left..][..8]);
                for x in 0..7 {
                    sum += (row[x] - row[x + 1] - below[x] + below[x + 1]).powi(2);
                }
            }
            // The variance of the difference is four times that of the noise; there are 49 of them.
            sums.push((sum / (4.0 * 49.0)).sqrt());
        }
    }
    sums.sort_by(f32::total_cmp);
    // Low, since many blocks hold drawing; a sum of 49 squares varies little, so low is nearly the middle.
    let sigma = sums[sums.len() / 4];
    if sigma.is_finite() { sigma * 1.06 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_degrade::spatial::{Noise, NoiseKind};

    fn picture(w: usize, h: usize) -> PlanarImage {
        let mut image = PlanarImage::zeros(1, h, w);
        for (i, v) in image.data.iter_mut().enumerate() {
            let (x, y) = (i % w, i / w);
            *v = if (x + y / 3) % 40 < 2 { 0.1 } else { 0.3 + 0.2 * ((x / 32 + y / 32) % 3) as f32 };
        }
        image
    }

    #[test]
    fn noise_is_measured_and_mostly_gone() {
        let clean = picture(160, 128);
        let noisy = Noise { kind: NoiseKind::Gaussian, sigma_codes: 10.0 }.apply(&clean, 5);
        let sigma = noise_sigma(noisy.plane(0), 160) * 255.0;
        assert!((9.0..11.0).contains(&sigma), "{sigma}");
        let out = Denoise::from_values(&ParamValues::defaults(PARAMS)).apply(&noisy);
        let error =
            |p: &PlanarImage| p.data.iter().zip(&clean.data).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        assert!(error(&out) < 0.25 * error(&noisy), "{} {}", error(&out), error(&noisy));
    }
}
