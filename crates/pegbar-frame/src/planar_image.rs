//! A picture as networks see it.

use crate::FrameError;

/// Planar `f32` samples, nominally `0.0..=1.0`; channel `c`, row `y`, column `x` stands at
/// `data[(c * height + y) * width + x]` (CHW). The default is a picture without pixels, which takes no memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlanarImage {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Planes: 1 gray, 3 RGB in that order.
    pub channels: usize,
    /// `channels * height * width` samples.
    pub data: Vec<f32>,
}

impl PlanarImage {
    /// A picture of zeros.
    pub fn zeros(channels: usize, height: usize, width: usize) -> Self {
        Self { width, height, channels, data: vec![0.0; channels * height * width] }
    }

    /// Takes another shape, keeping the memory; what the samples are afterwards is not said.
    pub fn reshape(&mut self, channels: usize, height: usize, width: usize) {
        (self.channels, self.height, self.width) = (channels, height, width);
        self.data.resize(channels * height * width, 0.0);
    }

    /// Samples of one plane.
    pub fn plane(&self, channel: usize) -> &[f32] {
        let n = self.width * self.height;
        &self.data[channel * n..(channel + 1) * n]
    }

    /// Samples of one plane, to write.
    pub fn plane_mut(&mut self, channel: usize) -> &mut [f32] {
        let n = self.width * self.height;
        &mut self.data[channel * n..(channel + 1) * n]
    }

    /// A picture from its samples.
    ///
    /// # Errors
    /// When a side is zero, the channels are not 1 or 3, or the samples do not fill the size.
    pub fn from_data(
        channels: usize,
        height: usize,
        width: usize,
        data: Vec<f32>,
    ) -> Result<Self, FrameError> {
        let image = Self { width, height, channels, data };
        image.validate()?;
        Ok(image)
    }

    /// Checks the claim of the public fields: sides above zero, 1 or 3 channels, as many samples as those take.
    ///
    /// # Errors
    /// Says which claim fails.
    pub fn validate(&self) -> Result<(), FrameError> {
        let &Self { width, height, channels, .. } = self;
        if width == 0 || height == 0 {
            return Err(FrameError::Empty { width, height });
        }
        if channels != 1 && channels != 3 {
            return Err(FrameError::Channels { got: channels });
        }
        let expected = width
            .checked_mul(height)
            .and_then(|n| n.checked_mul(channels))
            .ok_or(FrameError::TooLarge { width, height })?;
        if self.data.len() != expected {
            return Err(FrameError::SampleCount { channels, width, height, expected, got: self.data.len() });
        }
        Ok(())
    }

    /// The luma of a 3-channel picture by the matrix's weights ([`Matrix::Rgb`](crate::Matrix::Rgb) counts as
    /// BT.709), one channel; a gray picture as it is.
    pub fn luma(&self, matrix: crate::Matrix) -> PlanarImage {
        if self.channels != 3 {
            return self.clone();
        }
        let (kr, kb) = matrix.luma_weights().unwrap_or(LUMA_WEIGHTS_BT709);
        let (wr, wg, wb) = (kr as f32, (1.0 - kr - kb) as f32, kb as f32);
        let data = self.plane(0).iter().zip(self.plane(1)).zip(self.plane(2));
        PlanarImage {
            width: self.width,
            height: self.height,
            channels: 1,
            data: data.map(|((r, g), b)| wr * r + wg * g + wb * b).collect(),
        }
    }
}

const LUMA_WEIGHTS_BT709: (f64, f64) = (0.2126, 0.0722);
