//! Takes away ringing: the echoes that a sharp cut-off leaves beside edges. The edges stay.
//!
//! The idea of HQDering: smooth strongly, but only in a ring around strong edges, without the edges. Smoothing here
//! is a bilateral mean whose tolerance is a part of the contrast of the edge near by, since echoes grow with their
//! edge. How high they are is measured by the mean profile across the picture's edges; where there are none, nothing
//! is done.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::bilateral::bilateral;
use super::edge_profile::{edge_profile, overshoot};
use super::plane::{gradient, smoothstep, window_max, window_min};
use crate::luma_chroma::change_luma;

/// Parameters of [`Dering`].
pub const PARAMS: &[Param] = &[
    Param::int("radius", "How far the ringing reaches from its edge.", "px", (1, 24), 6),
    Param::float("strength", "How much of the smoothing is taken.", "", (0.0, 1.0), 1.0),
    Param::float(
        "height",
        "How high echoes are, as a part of the contrast of their edge; 0 measures it.",
        "",
        (0.0, 0.5),
        0.0,
    ),
    Param::float(
        "edge",
        "Steepness per pixel from which an edge is strong enough to ring.",
        "",
        (0.01, 1.0),
        0.06,
    ),
];

/// Smoothing beside strong edges, on luma.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dering {
    /// Reach of the ringing, px.
    pub radius_px: usize,
    /// Share of the smoothing.
    pub strength: f32,
    /// Height of echoes over the contrast of their edge; 0 measures it.
    pub height: f32,
    /// Least steepness of an edge that rings, per px.
    pub edge: f32,
}

impl Dering {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            radius_px: values.usize("radius"),
            strength: values.f32("strength"),
            height: values.f32("height"),
            edge: values.f32("edge"),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.strength <= 0.0 {
            return image.clone();
        }
        change_luma(image, |luma, width| {
            /// Samples within so many heights of each other are averaged.
            const TOLERANCE: f32 = 1.5;
            /// Echoes lower than this are none; from the other height on they are surely there.
            const LEAST: f32 = 0.045;
            const SURE: f32 = 0.055;
            let (height, strength) = if self.height > 0.0 {
                (self.height, self.strength)
            } else {
                let height = edge_profile(luma, width).map_or(0.0, |profile| overshoot(&profile));
                (height, self.strength * smoothstep(LEAST, SURE, height))
            };
            if strength <= 0.0 {
                return luma.to_vec();
            }
            let (gx, gy) = gradient(luma, width);
            let steep: Vec<f32> = gx.iter().zip(&gy).map(|(x, y)| (x * x + y * y).sqrt()).collect();
            let near = window_max(&steep, width, self.radius_px);
            let (low, high) = (window_min(luma, width, 2), window_max(luma, width, 2));
            let range: Vec<f32> = high.iter().zip(&low).map(|(high, low)| high - low).collect();
            let contrast = window_max(&range, width, self.radius_px.saturating_sub(2).max(1));
            // What is steep itself, compared with the steepest around, is edge.
            let mask: Vec<f32> = steep
                .iter()
                .zip(&near)
                .map(|(here, near)| {
                    strength
                        * smoothstep(0.5 * self.edge, self.edge, *near)
                        * (1.0 - smoothstep(0.25, 0.6, here / near.max(1e-6)))
                })
                .collect();
            let tolerance: Vec<f32> = contrast.iter().map(|c| TOLERANCE * height * c).collect();
            let reach = self.radius_px.min(5);
            let once = bilateral(luma, luma, width, reach, &tolerance, &mask);
            bilateral(&once, &once, width, reach, &tolerance, &mask)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_fade_and_the_edge_stays() {
        let (w, h) = (64, 48);
        let mut image = PlanarImage::zeros(1, h, w);
        for (i, v) in image.data.iter_mut().enumerate() {
            let d = (i % w) as f32 - 31.5;
            let echo = 0.12 * (d.abs() * 1.7).cos() * (-d.abs() / 4.0).exp();
            *v = if d < 0.0 { 0.2 - echo } else { 0.8 + echo };
        }
        let out = Dering::from_values(&ParamValues::defaults(PARAMS)).apply(&image);
        let error = |p: &[f32]| (34..44).map(|x| (p[8 * w + x] - 0.8).abs()).sum::<f32>();
        assert!(error(&out.data) < 0.75 * error(&image.data), "{} {}", error(&out.data), error(&image.data));
        let step = |p: &[f32]| p[8 * w + 32] - p[8 * w + 31];
        assert!(step(&out.data) > 0.9 * step(&image.data));
    }
}
