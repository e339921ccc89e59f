//! Takes away halos, but only around strong edges, and not where drawing is fine and dense.
//!
//! The idea of FineDehalo: a mask of what lies beside strong edges. The edges themselves are left out, and so are places where
//! edges stand so close that every pixel is beside one: hair, foliage, small print.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::dehalo::Dehalo;
use super::luma_chroma::change_luma;
use super::plane::{box_mean, gradient, smoothstep, window_max};

/// Parameters of [`FineDehalo`].
pub const PARAMS: &[Param] = &[
    Param::int("radius", "How far a halo reaches from its edge.", "px", (1, 16), 3),
    Param::float("bright", "How much of a bright halo is removed.", "", (0.0, 1.0), 1.0),
    Param::float("dark", "How much of a dark halo is removed.", "", (0.0, 1.0), 1.0),
    Param::float(
        "limit",
        "How high a halo may be, as a part of the contrast around it; what is higher is taken for drawing and stays.",
        "",
        (0.02, 1.0),
        0.3,
    ),
    Param::float("edge", "Steepness per pixel from which an edge counts as strong.", "", (0.01, 1.0), 0.08),
    Param::float(
        "detail",
        "Share of edges in the surroundings from which drawing counts as dense and is spared.",
        "",
        (0.05, 1.0),
        0.55,
    ),
];

/// [`Dehalo`] behind a mask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FineDehalo {
    /// What is done where the mask is open.
    pub dehalo: Dehalo,
    /// Steepness of strong edges, per px.
    pub edge: f32,
    /// Share of edges around from which detail is dense.
    pub detail: f32,
}

impl FineDehalo {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        let dehalo = Dehalo {
            radius_px: values.usize("radius"),
            bright: values.f32("bright"),
            dark: values.f32("dark"),
            limit: values.f32("limit"),
            contrast: values.f32("edge"),
        };
        Self { dehalo, edge: values.f32("edge"), detail: values.f32("detail") }
    }

    /// Filters a picture of 1, 3 or 4 channels.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        change_luma(image, |luma, width| {
            let mask = self.mask(luma, width);
            let mut out = self.dehalo.level(luma, width);
            for ((v, old), open) in out.iter_mut().zip(luma).zip(&mask) {
                *v = old + open * (*v - old);
            }
            out
        })
    }

    /// 1 where halos are removed, 0 where not.
    fn mask(&self, luma: &[f32], width: usize) -> Vec<f32> {
        let (gx, gy) = gradient(luma, width);
        let edges: Vec<f32> = gx
            .iter()
            .zip(&gy)
            .map(|(x, y)| smoothstep(0.5 * self.edge, self.edge, (x * x + y * y).sqrt()))
            .collect();
        let reach = self.dehalo.radius_px;
        let beside = window_max(&edges, width, reach);
        let dense = box_mean(&edges, width, 2 * reach + 1);
        beside
            .iter()
            .zip(&dense)
            .map(|(beside, dense)| beside * (1.0 - smoothstep(0.7 * self.detail, self.detail, *dense)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_detail_is_spared_and_a_lone_edge_is_not() {
        let (w, h) = (120, 40);
        let mut image = PlanarImage::zeros(1, h, w);
        for (i, v) in image.data.iter_mut().enumerate() {
            let x = i % w;
            *v = match x {
                ..20 => 0.1,
                20..22 => 0.78,
                22..60 => 0.7,
                _ => [0.3, 0.6, 0.7, 0.45][x % 4],
            };
        }
        let out = FineDehalo::from_values(&ParamValues::defaults(PARAMS)).apply(&image);
        let row = 20 * w;
        assert!((out.data[row + 20] - 0.7).abs() < 0.02, "{}", out.data[row + 20]);
        assert!((80..110).all(|x| out.data[row + x] == image.data[row + x]));
    }
}
