//! Cleans edges: dirt and jags along lines, as compression leaves them, are smoothed along the line and never across it.
//!
//! Only pictures that show the blocks of compression are cleaned, unless all are asked for. The direction at each place comes from the structure tensor; a sample becomes the mean of those ahead of and behind it on the
//! line, as far as they are alike.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::deblock::find_grid;
use super::plane::{gaussian_blur, gradient, sample, smoothstep};
use crate::luma_chroma::change_luma;

/// Parameters of [`EdgeClean`].
pub const PARAMS: &[Param] = &[
    Param::int("length", "How far ahead and behind along the line is looked.", "px", (1, 12), 3),
    Param::float("strength", "How much of the smoothing is taken.", "", (0.0, 1.0), 0.9),
    Param::float(
        "tolerance",
        "Samples that differ by more than this are not averaged.",
        "",
        (0.01, 1.0),
        0.08,
    ),
    Param::float("edge", "Steepness per pixel from which something is an edge.", "", (0.005, 1.0), 0.01),
    Param::bool("only-blocky", "Cleans only pictures that show the blocks of compression.", true),
];

/// Smoothing along edges, on luma.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EdgeClean {
    /// Reach along the line, px.
    pub length_px: usize,
    /// Share of the smoothing.
    pub strength: f32,
    /// Greatest difference that is averaged.
    pub tolerance: f32,
    /// Least steepness of an edge, per px.
    pub edge: f32,
    /// Whether pictures without blocks stay.
    pub only_blocky: bool,
}

impl EdgeClean {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            length_px: values.usize("length"),
            strength: values.f32("strength"),
            tolerance: values.f32("tolerance"),
            edge: values.f32("edge"),
            only_blocky: values.bool("only-blocky"),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.strength <= 0.0 {
            return image.clone();
        }
        change_luma(image, |luma, width| {
            let strength = if self.only_blocky { dirt(luma, width) } else { 1.0 } * self.strength;
            if strength > 0.0 { self.clean(luma, width, strength) } else { luma.to_vec() }
        })
    }

    fn clean(&self, luma: &[f32], width: usize, strength: f32) -> Vec<f32> {
        const SMALL_PX: f32 = 0.7;
        const AROUND_PX: f32 = 1.6;
        let (gx, gy) = gradient(&gaussian_blur(luma, width, SMALL_PX), width);
        let product = |a: &[f32], b: &[f32]| -> Vec<f32> {
            let products: Vec<f32> = a.iter().zip(b).map(|(a, b)| a * b).collect();
            gaussian_blur(&products, width, AROUND_PX)
        };
        let (xx, yy, xy) = (product(&gx, &gx), product(&gy, &gy), product(&gx, &gy));
        let mut out = luma.to_vec();
        let inverse = 1.0 / (self.tolerance * self.tolerance);
        for (i, v) in out.iter_mut().enumerate() {
            let energy = xx[i] + yy[i];
            if energy.sqrt() < 0.5 * self.edge {
                continue;
            }
            // The length of the doubled-angle vector over the energy: 1 on a straight edge, 0 where directions are mixed.
            let (c, s) = (xx[i] - yy[i], 2.0 * xy[i]);
            let length = (c * c + s * s).sqrt();
            let coherence = length / energy;
            let weight = strength
                * smoothstep(0.5 * self.edge, self.edge, energy.sqrt())
                * smoothstep(0.0, 0.3, coherence);
            if weight <= 0.0 {
                continue;
            }
            // Half the angle of the gradient, turned by a right angle.
            let half_cos = (0.5 * (1.0 + c / length)).max(0.0).sqrt();
            let half_sin = (0.5 * (1.0 - c / length)).max(0.0).sqrt();
            let (tx, ty) = (if s < 0.0 { half_sin } else { -half_sin }, half_cos);
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            let (mut sum, mut weights) = (luma[i], 1.0);
            for step in 1..=self.length_px {
                let t = step as f32;
                // Falls to nothing one step beyond the last.
                let near = 1.0 - t / (self.length_px + 1) as f32;
                for t in [t, -t] {
                    let there = sample(luma, width, x + t * tx, y + t * ty);
                    let d = there - luma[i];
                    let alike = (1.0 - d * d * inverse).max(0.0);
                    let w = near * alike * alike;
                    sum += w * there;
                    weights += w;
                }
            }
            *v += weight * (sum / weights - *v);
        }
        out
    }
}

/// How surely the picture was compressed until it showed: 0 to 1, by the edges of its blocks.
fn dirt(luma: &[f32], width: usize) -> f32 {
    smoothstep(0.0016, 0.003, find_grid(luma, width).excess)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dirty_slanted_edge_gets_cleaner() {
        let (w, h) = (64, 64);
        let clean: Vec<f32> = (0..w * h)
            .map(|i| {
                let d = (i % w) as f32 - 20.0 - 0.4 * (i / w) as f32;
                0.2 + 0.6 * (d + 0.5).clamp(0.0, 1.0)
            })
            .collect();
        let mut image = PlanarImage::from_data(1, h, w, clean.clone()).unwrap();
        for (i, v) in image.data.iter_mut().enumerate() {
            *v += 0.24 * (((i * 7919) % 1009) as f32 / 1009.0 - 0.5);
        }
        // Dirt as strong as this needs a tolerance to match.
        let defaults = EdgeClean::from_values(&ParamValues::defaults(PARAMS));
        let edge_clean = EdgeClean { only_blocky: false, tolerance: 0.2, ..defaults };
        let out = edge_clean.apply(&image);
        let error = |p: &[f32]| {
            let near = (8 * w..56 * w).filter(|i| ((i % w) as f32 - 20.0 - 0.4 * (i / w) as f32).abs() < 2.0);
            near.map(|i| (p[i] - clean[i]).powi(2)).sum::<f32>()
        };
        assert!(error(&out.data) < 0.6 * error(&image.data), "{} {}", error(&out.data), error(&image.data));
    }
}
