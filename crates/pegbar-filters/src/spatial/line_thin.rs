//! Makes thick, soft lines thin again.
//!
//! What is bright spreads by a part of a pixel over what is dark, and the sides of what is left are made steeper, hardly beyond the
//! range of the samples around them: the inverse of a dark line that spread and was blurred. Edges that are sharp already are left
//! alone, and so is a picture whose lines are so as a rule.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::plane::{closing, gaussian_blur, gradient, smoothstep, window_max, window_min};
use crate::luma_chroma::change_luma;

/// Parameters of [`LineThin`].
pub const PARAMS: &[Param] = &[
    Param::float("amount", "By how much a line becomes thinner on each side.", "px", (0.0, 4.0), 0.6),
    Param::float("sharpen", "How much steeper the sides of what was thinned are made.", "", (0.0, 4.0), 2.0),
    Param::int("reach", "Half the width of the widest line.", "px", (1, 16), 4),
    Param::float(
        "threshold",
        "Lines of less depth than this do not tell whether lines are soft.",
        "",
        (0.0, 1.0),
        0.1,
    ),
    Param::float(
        "sharp",
        "Steepness over contrast, per pixel, from which a line is sharp and stays as it is; 1 thins all lines.",
        "",
        (0.1, 1.0),
        0.46,
    ),
];

/// Bright spreads over dark, then all is sharpened.
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
        change_luma(image, |luma, width| self.thin(luma, width))
    }

    fn thin(&self, luma: &[f32], width: usize) -> Vec<f32> {
        const BLUR_PX: f32 = 0.9;
        /// How far sharpening may go beyond the range of the samples around, over that range.
        const BEYOND: f32 = 0.1;
        // Depth below what the line is drawn on.
        let around = closing(luma, width, self.reach_px);
        let depth: Vec<f32> = around.iter().zip(luma).map(|(a, v)| a - v).collect();
        let deepest = window_max(&depth, width, 1);
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
        let mut left = self.amount_px;
        while left > 0.0 {
            let brightest = window_max(&out, width, 1);
            out.iter_mut().zip(&brightest).for_each(|(v, bright)| *v += left.min(1.0) * (bright - *v));
            left -= 1.0;
        }
        let (lowest, highest) = (window_min(&out, width, 2), window_max(&out, width, 2));
        let blurred = gaussian_blur(&out, width, BLUR_PX);
        for (i, v) in out.iter_mut().enumerate() {
            let beyond = BEYOND * (highest[i] - lowest[i]);
            let steep = *v + self.sharpen * (*v - blurred[i]);
            let thin = steep.max(lowest[i] - beyond).min(highest[i] + beyond);
            let contrast = (high[i] - low[i]).max(1e-4);
            let soft = 1.0 - smoothstep(self.sharp, 1.25 * self.sharp, steepest[i] / contrast);
            *v = luma[i] + share * soft * (thin - luma[i]);
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
