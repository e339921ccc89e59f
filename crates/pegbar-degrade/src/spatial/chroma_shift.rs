//! Chroma that lies beside its luma.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::luma_chroma::LumaChroma;

/// Parameters of [`ChromaShift`].
pub const PARAMS: &[Param] = &[
    Param::float("x", "How far chroma moves to the right.", "px", (-32.0, 32.0), 2.5),
    Param::float("y", "How far chroma moves down.", "px", (-32.0, 32.0), 1.0),
];

/// Chroma moved by parts of a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChromaShift {
    /// To the right, px.
    pub x_px: f32,
    /// Down, px.
    pub y_px: f32,
}

impl ChromaShift {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self { x_px: values.f32("x"), y_px: values.f32("y") }
    }

    /// Spoils a picture; a gray one has no chroma.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if image.channels < 3 {
            return image.clone();
        }
        let mut planes = LumaChroma::of(image);
        for plane in [&mut planes.cb, &mut planes.cr] {
            *plane = moved(plane, image.width, self.x_px, self.y_px);
        }
        planes.picture(image)
    }
}

/// The plane moved, between samples by a straight line.
fn moved(plane: &[f32], width: usize, x_px: f32, y_px: f32) -> Vec<f32> {
    let height = plane.len() / width;
    let split = |at: f32, n: usize| {
        let at = at.clamp(0.0, (n - 1) as f32);
        let low = at.floor() as usize;
        (low, (low + 1).min(n - 1), at - low as f32)
    };
    let mut out = Vec::with_capacity(plane.len());
    for y in 0..height {
        let (upper, lower, v) = split(y as f32 - y_px, height);
        for x in 0..width {
            let (left, right, u) = split(x as f32 - x_px, width);
            let row = |y: usize| plane[y * width + left] * (1.0 - u) + plane[y * width + right] * u;
            out.push(row(upper) * (1.0 - v) + row(lower) * v);
        }
    }
    out
}
