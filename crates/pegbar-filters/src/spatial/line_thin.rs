//! Makes thick, soft lines thin again.
//!
//! The idea of aWarpSharp: the picture is warped towards its edges. Samples near a line are taken from further out,
//! by as much as a blurred map of steepness falls off. The sides of what was warped are made steeper, within the
//! range of the samples around them. Lines that are sharp already are left alone, and so is a picture whose lines are
//! so as a rule.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::plane::{closing, gaussian_blur, gradient, sample, smoothstep, window_max, window_min};
use crate::luma_chroma::change_luma;

/// Parameters of [`LineThin`].
pub const PARAMS: &[Param] = &[
    Param::float("amount", "By how much a line becomes thinner on each side.", "px", (0.0, 4.0), 1.1),
    Param::float("sharpen", "How much steeper the sides of thinned lines are made.", "", (0.0, 4.0), 2.0),
    Param::int("reach", "Half the width of the widest line.", "px", (1, 16), 4),
    Param::float("threshold", "Lines of less depth than this are no lines.", "", (0.0, 1.0), 0.1),
    Param::float(
        "sharp",
        "Steepness over contrast, per pixel, from which a line is sharp and stays as it is; 1 warps all lines.",
        "",
        (0.1, 1.0),
        0.46,
    ),
];

/// A warp towards dark lines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LineThin {
    /// Shift of a line's sides, px.
    pub amount_px: f32,
    /// Gain of what a blur takes from the sides of thinned lines.
    pub sharpen: f32,
    /// Half the width of the widest line, px.
    pub reach_px: usize,
    /// Least depth of a line.
    pub threshold: f32,
    /// Relative steepness of sharp lines, per px.
    pub sharp: f32,
}

impl LineThin {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            amount_px: values.f32("amount"),
            sharpen: values.f32("sharpen"),
            reach_px: values.usize("reach"),
            threshold: values.f32("threshold"),
            sharp: values.f32("sharp"),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.amount_px <= 0.0 {
            return image.clone();
        }
        change_luma(image, |luma, width| self.warp(luma, width))
    }

    fn warp(&self, luma: &[f32], width: usize) -> Vec<f32> {
        const SMOOTH_PX: f32 = 0.8;
        const BLUR_PX: f32 = 1.2;
        // Depth below what the line is drawn on: a ridge along the line, falling to both sides.
        let around = closing(luma, width, self.reach_px);
        let depth: Vec<f32> = around.iter().zip(luma).map(|(a, v)| a - v).collect();
        let deepest = window_max(&depth, width, 1);
        let (gx, gy) = gradient(&gaussian_blur(&depth, width, SMOOTH_PX), width);
        let (sx, sy) = gradient(luma, width);
        let steep: Vec<f32> = sx.iter().zip(&sy).map(|(x, y)| (x * x + y * y).sqrt()).collect();
        let steepest = window_max(&steep, width, 2);
        let (low, high) = (window_min(luma, width, 2), window_max(luma, width, 2));
        let places = deepest.iter().zip(steepest.iter().zip(low.iter().zip(&high)));
        let mut sharpness: Vec<f32> = places
            .filter(|(deepest, _)| **deepest > self.threshold)
            .map(|(_, (steep, (low, high)))| steep / (high - low).max(1e-4))
            .collect();
        if sharpness.is_empty() {
            return luma.to_vec();
        }
        let middle = sharpness.len() / 2;
        let (_, &mut typical, _) = sharpness.select_nth_unstable_by(middle, f32::total_cmp);
        let share = 1.0 - smoothstep(0.87 * self.sharp, 0.95 * self.sharp, typical);
        if share <= 0.0 {
            return luma.to_vec();
        }
        let mut out = luma.to_vec();
        let mut weights = vec![0.0; luma.len()];
        for (i, v) in out.iter_mut().enumerate() {
            let (slope, contrast) = ((gx[i] * gx[i] + gy[i] * gy[i]).sqrt(), high[i] - low[i]);
            if deepest[i] < 0.5 * self.threshold {
                continue;
            }
            let soft = 1.0 - smoothstep(0.85 * self.sharp, self.sharp, steepest[i] / contrast.max(1e-4));
            let weight = share * soft * smoothstep(0.5 * self.threshold, self.threshold, deepest[i]);
            weights[i] = weight;
            if slope < 1e-4 {
                continue;
            }
            // The direction of the fall; full length where it is as steep as the line's own side.
            let reach = self.amount_px * weight * (5.0 * slope / contrast.max(1e-4)).min(1.0);
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            *v = sample(luma, width, x - reach * gx[i] / slope, y - reach * gy[i] / slope);
        }
        if self.sharpen > 0.0 {
            let (low, high) = (window_min(&out, width, 1), window_max(&out, width, 1));
            let blurred = gaussian_blur(&out, width, BLUR_PX);
            for (i, v) in out.iter_mut().enumerate().filter(|(i, _)| weights[*i] > 0.0) {
                let steep = (*v + self.sharpen * (*v - blurred[i])).max(low[i]).min(high[i]);
                *v += weights[i] * (steep - *v);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_degrade::spatial::ThickLines;

    #[test]
    fn a_thick_line_gets_thinner_and_a_sharp_one_stays() {
        let (w, h) = (60, 24);
        let mut clean = PlanarImage::zeros(1, h, w);
        clean.data.iter_mut().enumerate().for_each(|(i, v)| *v = if i % w / 2 == 15 { 0.1 } else { 0.8 });
        let spoilt = ThickLines { amount: 0.6, blur_px: 0.9 }.apply(&clean);
        let thin = LineThin::from_values(&ParamValues::defaults(PARAMS));
        let error =
            |p: &PlanarImage| p.data.iter().zip(&clean.data).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        // One line is no rule: it is told that all are to be thinned.
        let out = LineThin { sharp: 1.0, ..thin }.apply(&spoilt);
        assert!(error(&out) < 0.85 * error(&spoilt), "{} {}", error(&out), error(&spoilt));
        assert!(error(&thin.apply(&clean)) < 0.02 * error(&spoilt));
    }
}
