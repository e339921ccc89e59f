//! How far two pictures are apart: MSE, PSNR, SSIM and MS-SSIM.
//!
//! All take samples with a peak of 1.0, compare channel by channel, and neither clamp nor quantise: to compare
//! what a file would hold, pass what was decoded from it. The metrics of luma are those of one-channel
//! pictures: see [`PlanarImage::luma`].

mod structure;

use serde::Serialize;
use thiserror::Error;

use crate::{FrameError, PlanarImage};

use structure::{Structure, half_size};

/// Why two pictures could not be compared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MetricError {
    /// The pictures have different sizes or channels.
    #[error(
        "the pictures differ in size: {a_channels} channels of {a_width}x{a_height} against \
         {b_channels} of {b_width}x{b_height}"
    )]
    Shape {
        /// Channels of the first.
        a_channels: usize,
        /// Width of the first.
        a_width: usize,
        /// Height of the first.
        a_height: usize,
        /// Channels of the second.
        b_channels: usize,
        /// Width of the second.
        b_width: usize,
        /// Height of the second.
        b_height: usize,
    },
    /// The pictures are too small for the metric.
    #[error("{metric} needs pictures of at least {minimum}x{minimum} pixels, these are {width}x{height}")]
    TooSmall {
        /// `SSIM` or `MS-SSIM`.
        metric: &'static str,
        /// Pixels both sides must have.
        minimum: usize,
        /// Width given.
        width: usize,
        /// Height given.
        height: usize,
    },
    /// A picture that does not fit its own description.
    #[error(transparent)]
    Picture(#[from] FrameError),
}

/// The three metrics of one pair of pictures. In JSON an infinite PSNR is `null`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Metrics {
    /// Peak signal-to-noise ratio in dB; infinite for identical pictures.
    pub psnr: f64,
    /// Structural similarity, 1 for identical pictures; `None` where a side is under [`MIN_SSIM_SIDE`].
    pub ssim: Option<f64>,
    /// Multi-scale structural similarity; `None` where a side is under [`MIN_MS_SSIM_SIDE`].
    pub ms_ssim: Option<f64>,
}

/// Shortest side in pixels that SSIM can judge: the width of its window.
pub const MIN_SSIM_SIDE: usize = structure::WINDOW;

/// Shortest side in pixels that MS-SSIM can judge: the window at a sixteenth of the size.
pub const MIN_MS_SSIM_SIDE: usize = structure::WINDOW << (SCALE_WEIGHTS.len() - 1);

/// Exponents of the five scales, fine to coarse, from Wang, Simoncelli, Bovik: "Multi-scale structural similarity for
/// image quality assessment" (2003).
const SCALE_WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// All three metrics; cheaper than one by one.
///
/// # Errors
/// When the pictures differ in size or channels, or do not fit their own description.
pub fn compare(a: &PlanarImage, b: &PlanarImage) -> Result<Metrics, MetricError> {
    let psnr = psnr(a, b)?;
    let side = a.width.min(a.height);
    let n_scales = match side {
        MIN_MS_SSIM_SIDE.. => SCALE_WEIGHTS.len(),
        MIN_SSIM_SIDE.. => 1,
        _ => return Ok(Metrics { psnr, ssim: None, ms_ssim: None }),
    };
    let channels = channel_scales(a, b, n_scales);
    Ok(Metrics {
        psnr,
        ssim: Some(mean(channels.iter().map(|scales| scales[0].ssim))),
        ms_ssim: (n_scales > 1).then(|| mean(channels.iter().map(|scales| combine(scales)))),
    })
}

/// Peak signal-to-noise ratio in dB: `-10 log10` of the mean squared difference over all samples of all channels.
/// Infinite for identical pictures, NaN where a sample is NaN.
///
/// # Errors
/// When the pictures differ in size or channels, or do not fit their own description.
pub fn psnr(a: &PlanarImage, b: &PlanarImage) -> Result<f64, MetricError> {
    Ok(-10.0 * mse(a, b)?.log10())
}

/// Mean squared difference over all samples of all channels; 0 for identical pictures, NaN where a sample is NaN.
///
/// # Errors
/// When the pictures differ in size or channels, or do not fit their own description.
pub fn mse(a: &PlanarImage, b: &PlanarImage) -> Result<f64, MetricError> {
    check(a, b)?;
    let rows = a.data.chunks_exact(a.width).zip(b.data.chunks_exact(a.width));
    let sum: f64 = rows.map(|(a, b)| squared_difference(a, b)).sum();
    Ok(sum / a.data.len() as f64)
}

/// Structural similarity of Wang, Bovik, Sheikh, Simoncelli: "Image quality assessment: from error visibility to
/// structural similarity" (2004): Gaussian window of 11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, population
/// variance, mean over the positions where the window lies inside the picture; then the mean of the channels.
///
/// # Errors
/// When the pictures differ in size or channels, or a side is under [`MIN_SSIM_SIDE`].
pub fn ssim(a: &PlanarImage, b: &PlanarImage) -> Result<f64, MetricError> {
    check(a, b)?;
    check_side(a, "SSIM", MIN_SSIM_SIDE)?;
    Ok(mean(channel_scales(a, b, 1).iter().map(|scales| scales[0].ssim)))
}

/// Multi-scale structural similarity of Wang, Simoncelli, Bovik (2003): the window of [`ssim`] at five scales, each
/// half the last by the mean of 2 x 2 pixels (an odd last row or column is left out); contrast and structure
/// at the first four, full SSIM at the coarsest; a negative mean counts as 0. The mean of the channels.
///
/// # Errors
/// When the pictures differ in size or channels, or a side is under [`MIN_MS_SSIM_SIDE`].
pub fn ms_ssim(a: &PlanarImage, b: &PlanarImage) -> Result<f64, MetricError> {
    check(a, b)?;
    check_side(a, "MS-SSIM", MIN_MS_SSIM_SIDE)?;
    Ok(mean(channel_scales(a, b, SCALE_WEIGHTS.len()).iter().map(|scales| combine(scales))))
}

fn check(a: &PlanarImage, b: &PlanarImage) -> Result<(), MetricError> {
    a.validate()?;
    b.validate()?;
    if (a.channels, a.width, a.height) != (b.channels, b.width, b.height) {
        return Err(MetricError::Shape {
            a_channels: a.channels,
            a_width: a.width,
            a_height: a.height,
            b_channels: b.channels,
            b_width: b.width,
            b_height: b.height,
        });
    }
    Ok(())
}

fn check_side(image: &PlanarImage, metric: &'static str, minimum: usize) -> Result<(), MetricError> {
    let &PlanarImage { width, height, .. } = image;
    if width.min(height) < minimum {
        return Err(MetricError::TooSmall { metric, minimum, width, height });
    }
    Ok(())
}

/// Structure at `n_scales` scales, fine to coarse, of each channel.
fn channel_scales(a: &PlanarImage, b: &PlanarImage, n_scales: usize) -> Vec<Vec<Structure>> {
    (0..a.channels)
        .map(|channel| {
            let (a_plane, b_plane) = (a.plane(channel), b.plane(channel));
            let mut scales = vec![Structure::of(a_plane, b_plane, a.width)];
            let (mut a_small, mut b_small, mut width) = (Vec::new(), Vec::new(), a.width);
            for scale in 1..n_scales {
                let (a_last, b_last) =
                    if scale == 1 { (a_plane, b_plane) } else { (&a_small[..], &b_small[..]) };
                (a_small, b_small) = (half_size(a_last, width), half_size(b_last, width));
                width /= 2;
                scales.push(Structure::of(&a_small, &b_small, width));
            }
            scales
        })
        .collect()
}

/// MS-SSIM of one channel from its scales.
fn combine(scales: &[Structure]) -> f64 {
    let coarsest = scales.len() - 1;
    let factor = |(i, scale): (usize, &Structure)| {
        let similarity = if i == coarsest { scale.ssim } else { scale.contrast_structure };
        // `clamp` would turn NaN into itself, `max` would hide it.
        similarity.clamp(0.0, f64::INFINITY).powf(SCALE_WEIGHTS[i])
    };
    scales.iter().enumerate().map(factor).product()
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// Sum of squared differences in eight lanes of `f64`, so that it vectorises and a film of any size keeps its digits.
fn squared_difference(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let ((a8, a_rest), (b8, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let squared = |a: f32, b: f32| {
        let difference = f64::from(a) - f64::from(b);
        difference * difference
    };
    for (a, b) in a8.iter().zip(b8) {
        for i in 0..8 {
            lanes[i] += squared(a[i], b[i]);
        }
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(&a, &b)| squared(a, b)).sum::<f64>()
}
