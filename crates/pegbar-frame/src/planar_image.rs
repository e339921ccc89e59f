//! A picture as networks see it.

/// Planar `f32` samples, nominally `0.0..=1.0`; channel `c`, row `y`, column `x` stands at
/// `data[(c * height + y) * width + x]` (CHW).
#[derive(Debug, Clone, PartialEq)]
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
}
