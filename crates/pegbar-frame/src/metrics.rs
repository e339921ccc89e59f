//! How far two pictures are apart.

use crate::{FrameError, PlanarImage};
use thiserror::Error;

/// Why two pictures could not be compared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MetricError {
    /// The pictures have different sizes or channels.
    #[error(
        "the pictures differ in size: {a_channels} channels of {a_width}x{a_height} against {b_channels} of {b_width}x{b_height}"
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
    #[error("{metric} needs pictures of at least {minimum}x{minimum}, these are {width}x{height}")]
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

/// The three metrics of one pair of pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metrics {
    /// Peak signal-to-noise ratio in dB; infinite for identical pictures.
    pub psnr: f64,
    /// Structural similarity, 1 for identical pictures; `None` where the picture is under 11 pixels on a side.
    pub ssim: Option<f64>,
    /// Multi-scale structural similarity; `None` where the picture is under 176 pixels on a side.
    pub ms_ssim: Option<f64>,
}

/// All three metrics of `b` against `a`.
///
/// # Errors
/// When the pictures differ in size or channels.
pub fn compare(a: &PlanarImage, b: &PlanarImage) -> Result<Metrics, MetricError> {
    Ok(Metrics { psnr: psnr(a, b)?, ssim: ssim(a, b).ok(), ms_ssim: ms_ssim(a, b).ok() })
}

/// PSNR in dB over all channels.
///
/// # Errors
/// When the pictures differ in size or channels.
pub fn psnr(_a: &PlanarImage, _b: &PlanarImage) -> Result<f64, MetricError> {
    todo!()
}

/// SSIM, mean of the channels.
///
/// # Errors
/// When the pictures differ in size or channels, or are under 11 pixels on a side.
pub fn ssim(_a: &PlanarImage, _b: &PlanarImage) -> Result<f64, MetricError> {
    todo!()
}

/// MS-SSIM, mean of the channels.
///
/// # Errors
/// When the pictures differ in size or channels, or are under 176 pixels on a side.
pub fn ms_ssim(_a: &PlanarImage, _b: &PlanarImage) -> Result<f64, MetricError> {
    todo!()
}
