//! Gives faded lines their black back.
//!
//! The idea of FastLineDarken: thin dark lines are what a closing fills; how deep they lie below it is their depth, and that is
//! increased, until the boldest lines of the picture have the level of ink. Where they have it already, nothing is done.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::plane::{closing, smoothstep, window_min};
use crate::luma_chroma::change_luma;

/// Parameters of [`LineDarken`].
pub const PARAMS: &[Param] = &[
    Param::float("strength", "How much of its depth a line gains, at most.", "", (0.0, 4.0), 0.6),
    Param::float("ink", "Luma that lines are brought down to; darker ones stay.", "", (0.0, 0.5), 0.06),
    Param::int("reach", "Half the width of the widest line.", "px", (1, 16), 2),
    Param::float("threshold", "Lines of less depth than this are no lines.", "", (0.0, 1.0), 0.12),
    Param::float(
        "lightest",
        "Lines whose middle is lighter than this were not drawn in ink, and stay.",
        "",
        (0.0, 1.0),
        0.55,
    ),
];

/// More depth for thin dark lines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LineDarken {
    /// Greatest gain of depth.
    pub strength: f32,
    /// Luma of ink.
    pub ink: f32,
    /// Half the width of the widest line, px.
    pub reach_px: usize,
    /// Least depth of a line.
    pub threshold: f32,
    /// Luma of the lightest line's middle.
    pub lightest: f32,
}

impl LineDarken {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            strength: values.f32("strength"),
            ink: values.f32("ink"),
            reach_px: values.usize("reach"),
            threshold: values.f32("threshold"),
            lightest: values.f32("lightest"),
        }
    }

    /// Filters a picture of 1, 3 or 4 channels.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.strength <= 0.0 {
            return image.clone();
        }
        change_luma(image, |luma, width| {
            let around = closing(luma, width, self.reach_px);
            let core = window_min(luma, width, self.reach_px);
            let strength = self.strength.min(self.missing_depth(&around, &core));
            let mut out = luma.to_vec();
            for (i, v) in out.iter_mut().enumerate() {
                let depth = around[i] - core[i];
                let weight = smoothstep(0.5 * self.threshold, self.threshold, depth)
                    * (1.0 - smoothstep(0.8 * self.lightest, self.lightest, core[i]));
                *v -= strength * weight * (around[i] - luma[i]);
            }
            out
        })
    }

    /// By how much the depth of the picture's boldest lines has to grow until they are ink: those with half of the greatest depth
    /// or more, the darker third of them. 0 where there are no lines, and less where the darker ones do not agree: ink that has faded lacks
    /// the same share of its depth everywhere, what is dark and thin in a photograph does not.
    fn missing_depth(&self, around: &[f32], core: &[f32]) -> f32 {
        let lines = || around.iter().zip(core).map(|(a, c)| (a - c, *c));
        let deepest = lines().map(|(depth, _)| depth).fold(0.0, f32::max);
        let bold = |depth: f32| depth >= (0.5 * deepest).max(self.threshold);
        let mut gains: Vec<f32> =
            lines().filter(|l| bold(l.0)).map(|(depth, core)| ((core - self.ink) / depth).max(0.0)).collect();
        if gains.len() < 8 {
            return 0.0;
        }
        /// Gains this far apart are alike in any case.
        const ALIKE: f32 = 0.05;
        let (tenth, third) = (gains.len() / 10, gains.len() / 3);
        let gain = *gains.select_nth_unstable_by(third, f32::total_cmp).1;
        let least = *gains[..=third].select_nth_unstable_by(tenth, f32::total_cmp).1;
        gain * (1.0 - smoothstep(0.3, 0.7, (gain - least) / (gain + ALIKE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faded_line_turns_to_ink_and_ink_stays() {
        let line = |level: f32| {
            let mut image = PlanarImage::zeros(1, 16, 40);
            image
                .data
                .iter_mut()
                .enumerate()
                .for_each(|(i, v)| *v = if i % 40 / 2 == 10 { level } else { 0.7 });
            image
        };
        let darken = LineDarken::from_values(&ParamValues::defaults(PARAMS));
        let out = darken.apply(&line(0.3));
        assert!((out.data[8 * 40 + 20] - 0.06).abs() < 0.01, "{}", out.data[8 * 40 + 20]);
        assert!((out.data[8 * 40 + 5] - 0.7).abs() < 1e-6);
        assert!(darken.apply(&line(0.05)) == line(0.05));
    }

    #[test]
    fn dark_lines_that_do_not_agree_were_not_drawn_in_ink() {
        // Lines whose middles lie at different levels on one ground lack different shares of their depth.
        let lines = |level: &dyn Fn(usize) -> f32| {
            let mut image = PlanarImage::zeros(1, 16, 200);
            let value = |x: usize| if x % 20 / 2 == 5 { level(x / 20) } else { 0.7 };
            image.data.iter_mut().enumerate().for_each(|(i, v)| *v = value(i % 200));
            image
        };
        let darken = LineDarken::from_values(&ParamValues::defaults(PARAMS));
        let change = |image: &PlanarImage| {
            image.data.iter().zip(&darken.apply(image).data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        assert!(change(&lines(&|_| 0.25)) > 0.15);
        assert!(change(&lines(&|i| 0.06 + 0.05 * i as f32)) < 0.05);
    }
}
