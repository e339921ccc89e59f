//! Gate weave: the film does not lie still in the gate.

use super::random::wander;
use super::{SEED, TemporalDefect};
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the defect takes.
pub const PARAMS: &[Param] = &[
    Param::float("across", "Standard deviation of the shift across.", "px", (0.0, 20.0), 1.2),
    Param::float("down", "Standard deviation of the shift up and down.", "px", (0.0, 20.0), 0.8),
    SEED,
];

/// Smooth random translations by fractions of a pixel; borders are mirrored.
#[derive(Debug, Clone)]
pub struct Weave {
    /// Standard deviation of the shift across in pixels.
    pub across_px: f32,
    /// Standard deviation of the shift up and down in pixels.
    pub down_px: f32,
    /// Chooses the path.
    pub seed: u64,
}

impl Weave {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { across_px: values.f32("across"), down_px: values.f32("down"), seed: values.int("seed") as u64 }
    }

    /// By how many pixels the frame is moved to the right and down.
    pub fn shift(&self, index: usize) -> (f32, f32) {
        // A slow swing of the loop and a fast one of each pull-down.
        let path = |purpose: u64| {
            0.8 * wander(self.seed, purpose, 4.7, index as f32)
                + 0.6 * wander(self.seed, purpose + 1, 1.9, index as f32)
        };
        (self.across_px * path(0), self.down_px * path(2))
    }
}

impl TemporalDefect for Weave {
    fn frame(&self, clip: &[PlanarImage], index: usize) -> PlanarImage {
        let image = &clip[index];
        let (dx, dy) = self.shift(index);
        let colour = super::colour_channels(image);
        let mut out = image.clone();
        for channel in 0..colour {
            let across = shifted_rows(image.plane(channel), image.width, dx);
            let turned = transposed(&across, image.width);
            let down = transposed(&shifted_rows(&turned, image.height, dy), image.height);
            out.plane_mut(channel).copy_from_slice(&down);
        }
        out
    }
}

/// Each row moved to the right by the sinc under a window of four lobes.
fn shifted_rows(plane: &[f32], width: usize, shift: f32) -> Vec<f32> {
    const LOBES: isize = 4;
    let (whole, fraction) = ((-shift).floor(), -shift - (-shift).floor());
    let weight = |k: isize| {
        let x = std::f32::consts::PI * (k as f32 - fraction);
        if x.abs() < 1e-4 { 1.0 } else { (x.sin() / x) * ((x / LOBES as f32).sin() / (x / LOBES as f32)) }
    };
    let mut taps: Vec<f32> = (1 - LOBES..=LOBES).map(weight).collect();
    let sum: f32 = taps.iter().sum();
    taps.iter_mut().for_each(|t| *t /= sum);
    let mirrored = |i: isize| {
        let period = 2 * width as isize;
        let i = i.rem_euclid(period);
        if i < width as isize { i as usize } else { (period - 1 - i) as usize }
    };
    let mut out = Vec::with_capacity(plane.len());
    for row in plane.chunks_exact(width) {
        for x in 0..width as isize {
            let first = x + whole as isize + 1 - LOBES;
            out.push(taps.iter().enumerate().map(|(k, t)| t * row[mirrored(first + k as isize)]).sum());
        }
    }
    out
}

fn transposed(plane: &[f32], width: usize) -> Vec<f32> {
    let height = plane.len() / width;
    (0..plane.len()).map(|i| plane[i % height * width + i / height]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_is_moved_by_a_fraction() {
        let wave = |shift: f32| -> Vec<f32> { (0..64).map(|x| ((x as f32 - shift) * 0.6).sin()).collect() };
        let moved = shifted_rows(&wave(0.0), 64, 1.3);
        for (a, b) in moved[8..56].iter().zip(&wave(1.3)[8..56]) {
            assert!((a - b).abs() < 0.01, "{a} {b}");
        }
        let image =
            PlanarImage { width: 5, height: 3, channels: 1, data: (0..15).map(|v| v as f32).collect() };
        let still = Weave { across_px: 0.0, down_px: 0.0, seed: 1 };
        for (a, b) in still.frame(std::slice::from_ref(&image), 0).data.iter().zip(&image.data) {
            assert!((a - b).abs() < 1e-5);
        }
    }
}
