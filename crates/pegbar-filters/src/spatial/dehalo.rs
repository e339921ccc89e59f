//! Takes away halos: the bright and dark rims that sharpening leaves along edges.
//!
//! The idea of DeHalo_alpha, told by morphology: a rim is lighter than the flat it lies on, narrow, and low beside the edge it
//! belongs to. What an opening removes is narrow and light; where its height is a small part of the contrast around, it is a rim
//! and is levelled, where it is a large part, it is a line or a letter and stays. Dark rims the same, by a closing.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::luma_chroma::change_luma;
use super::plane::{smoothstep, window_max, window_min};

/// Parameters of [`Dehalo`].
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
    Param::float("contrast", "Edges of less contrast than this have no halos.", "", (0.0, 1.0), 0.08),
];

/// Levelling of narrow rims beside edges, on luma.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dehalo {
    /// Reach of a halo, px.
    pub radius_px: usize,
    /// Share of bright halos that is removed.
    pub bright: f32,
    /// Share of dark halos that is removed.
    pub dark: f32,
    /// Greatest height of a halo over the contrast around it.
    pub limit: f32,
    /// Least contrast of an edge with halos.
    pub contrast: f32,
}

impl Dehalo {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            radius_px: values.usize("radius"),
            bright: values.f32("bright"),
            dark: values.f32("dark"),
            limit: values.f32("limit"),
            contrast: values.f32("contrast"),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        change_luma(image, |luma, width| self.level(luma, width))
    }

    /// The luma without halos.
    pub(super) fn level(&self, luma: &[f32], width: usize) -> Vec<f32> {
        let reach = self.radius_px;
        let (lowest, highest) = (window_min(luma, width, reach), window_max(luma, width, reach));
        let mut out = luma.to_vec();
        if self.bright > 0.0 {
            let base = window_max(&lowest, width, reach);
            for (i, v) in out.iter_mut().enumerate() {
                let (height, contrast) = (luma[i] - base[i], highest[i] - lowest[i]);
                *v -= self.bright * height * self.weight(height, luma[i] - lowest[i], contrast);
            }
        }
        if self.dark > 0.0 {
            let base = window_min(&highest, width, reach);
            for (i, v) in out.iter_mut().enumerate() {
                let (depth, contrast) = (base[i] - luma[i], highest[i] - lowest[i]);
                *v += self.dark * depth * self.weight(depth, highest[i] - luma[i], contrast);
            }
        }
        out
    }

    /// How surely a sample is part of a rim: its height over its base, its distance from the other end of the range around it, and
    /// that range.
    fn weight(&self, height: f32, from_far_end: f32, contrast: f32) -> f32 {
        let ratio = 1.0 / contrast.max(1e-4);
        // The last factor spares the slope of the edge.
        smoothstep(self.contrast * 0.5, self.contrast, contrast)
            * (1.0 - smoothstep(self.limit, 1.6 * self.limit, height * ratio))
            * smoothstep(0.6, 0.8, from_far_end * ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dehalo() -> Dehalo {
        Dehalo::from_values(&ParamValues::defaults(PARAMS))
    }

    #[test]
    fn a_rim_goes_and_a_letter_stays() {
        let (w, h) = (48, 24);
        let mut image = PlanarImage::zeros(1, h, w);
        for (i, v) in image.data.iter_mut().enumerate() {
            *v = match i % w {
                ..16 => 0.1,
                16..18 => 0.8,  // The rim of the edge at 16.
                36..38 => 0.95, // A stroke of its own.
                _ => 0.7,
            };
        }
        let out = dehalo().apply(&image);
        let row = &out.data[12 * w..13 * w];
        assert!((row[16] - 0.7).abs() < 0.01 && (row[17] - 0.7).abs() < 0.01, "{row:?}");
        assert!((row[36] - 0.95).abs() < 0.01 && (row[8] - 0.1).abs() < 1e-6, "{row:?}");
    }

    #[test]
    fn nothing_asked_is_nothing_done() {
        let data = (0..600).map(|i| (i * 31 % 97) as f32 / 97.0).collect();
        let image = PlanarImage::from_data(3, 10, 20, data).unwrap();
        assert!(Dehalo { bright: 0.0, dark: 0.0, ..dehalo() }.apply(&image) == image);
    }
}
