//! Takes away halos, but only around strong edges, and not where drawing is fine and dense.
//!
//! The idea of FineDehalo: a mask of what lies beside strong edges. The edges themselves are left out, and so are places where
//! edges stand so close that every pixel is beside one: hair, foliage, small print.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::dehalo::Dehalo;
use super::plane::{box_mean, gradient, smoothstep, window_max};
use crate::luma_chroma::change_luma;

/// Parameters of [`FineDehalo`].
pub const PARAMS: &[Param] = &[
    Param::float(
        "radius",
        "Deviation of the blur that sharpening used, about half the width of a halo; 0 measures radius and amount.",
        "px",
        (0.0, 6.0),
        0.0,
    ),
    Param::float(
        "amount",
        "How strongly the picture was sharpened, where radius is given.",
        "",
        (0.0, 4.0),
        0.5,
    ),
    Param::float("strength", "How much of the halos is removed.", "", (0.0, 1.0), 1.0),
    Param::float(
        "least",
        "Halos lower than this part of their edge's contrast are left alone, where they are measured.",
        "",
        (0.0, 0.5),
        0.035,
    ),
    Param::int("reach", "How far from its edge a halo is removed.", "px", (1, 16), 5),
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
    /// How far from its edge a halo is removed, px.
    pub reach_px: usize,
    /// Steepness of strong edges, per px.
    pub edge: f32,
    /// Share of edges around from which detail is dense.
    pub detail: f32,
}

impl FineDehalo {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            dehalo: Dehalo::from_values(values),
            reach_px: values.usize("reach"),
            edge: values.f32("edge"),
            detail: values.f32("detail"),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.dehalo.strength <= 0.0 {
            return image.clone();
        }
        change_luma(image, |luma, width| {
            let mask = self.mask(luma, width);
            let mut out = self.dehalo.soften(luma, width);
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
        let reach = self.reach_px;
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
    use pegbar_degrade::spatial::Halo;

    #[test]
    fn dense_detail_is_spared_and_a_lone_edge_is_not() {
        let (w, h) = (200, 80);
        let mut clean = PlanarImage::zeros(1, h, w);
        for (i, v) in clean.data.iter_mut().enumerate() {
            *v = match i % w {
                ..40 => 0.1,
                40..120 => 0.7,
                x => [0.3, 0.6, 0.7, 0.45][x % 4],
            };
        }
        let spoilt = Halo { blur_px: 0.0, radius_px: 1.4, amount: 0.8 }.apply(&clean);
        let out = FineDehalo::from_values(&ParamValues::defaults(PARAMS)).apply(&spoilt);
        let row = 40 * w;
        let error =
            |p: &PlanarImage| (34..46).map(|x| (p.data[row + x] - clean.data[row + x]).abs()).sum::<f32>();
        assert!(error(&out) < 0.4 * error(&spoilt), "{} {}", error(&out), error(&spoilt));
        assert!((150..180).all(|x| out.data[row + x] == spoilt.data[row + x]));
    }
}
