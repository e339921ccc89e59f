//! Black point, white point and gamma.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// The parameters of [`Levels`].
pub const PARAMS: &[Param] = &[
    Param::bool("red", "Changes red; a gray picture is always changed.", true),
    Param::bool("green", "Changes green.", true),
    Param::bool("blue", "Changes blue.", true),
    Param::bool("alpha", "Changes alpha.", false),
    Param::float("in-black", "What becomes black.", "", (0.0, 1.0), 0.0),
    Param::float("in-white", "What becomes white.", "", (0.0, 1.0), 1.0),
    Param::float("gamma", "Over 1 lightens the middle, under 1 darkens it.", "", (0.001, 10.0), 1.0),
    Param::float("out-black", "What black becomes.", "", (0.0, 1.0), 0.0),
    Param::float("out-white", "What white becomes.", "", (0.0, 1.0), 1.0),
];

/// Maps `in_black..in_white` to `out_black..out_white` by a power; clips to that range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    /// Whether red, green, blue and alpha change.
    pub channels: [bool; 4],
    /// What becomes black.
    pub in_black: f32,
    /// What becomes white.
    pub in_white: f32,
    /// The inverse of the exponent.
    pub gamma: f32,
    /// What black becomes.
    pub out_black: f32,
    /// What white becomes.
    pub out_white: f32,
}

impl Levels {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            channels: ["red", "green", "blue", "alpha"].map(|id| values.bool(id)),
            in_black: values.f32("in-black"),
            in_white: values.f32("in-white"),
            gamma: values.f32("gamma"),
            out_black: values.f32("out-black"),
            out_white: values.f32("out-white"),
        }
    }

    /// Changes the levels.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        let range = self.in_white - self.in_black;
        // Without a range there is a step.
        let range = if range.abs() < 1e-6 { 1e-6f32.copysign(range) } else { range };
        let (scale, exponent) = (1.0 / range, 1.0 / self.gamma.max(0.001));
        let out_range = self.out_white - self.out_black;
        for channel in 0..image.channels {
            if image.channels > 1 && !self.channels[channel] {
                continue;
            }
            let position = |s: f32| ((s - self.in_black) * scale).clamp(0.0, 1.0);
            let plane = out.plane_mut(channel).iter_mut();
            if exponent == 1.0 {
                plane.for_each(|s| *s = position(*s) * out_range + self.out_black);
            } else {
                plane.for_each(|s| *s = position(*s).powf(exponent) * out_range + self.out_black);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn points_land_where_they_should() {
        let defaults = Levels::from_values(&ParamValues::defaults(PARAMS));
        let image = made::picture(4, 9, 7);
        assert_eq!(defaults.apply(&image), image);
        let levels = Levels {
            in_black: 0.2,
            in_white: 0.6,
            gamma: 2.0,
            out_black: 0.1,
            out_white: 0.9,
            channels: [true, false, true, false],
        };
        let pixel = PlanarImage { width: 1, height: 1, channels: 4, data: vec![0.3, 0.3, 0.0, 0.3] };
        made::close(&levels.apply(&pixel).data, &[0.5, 0.3, 0.1, 0.3], 1e-6);
        made::keeps_shape_and_alpha(|image| levels.apply(image));
        let step = Levels { in_black: 0.5, in_white: 0.5, ..defaults };
        assert_eq!(step.apply(&pixel).data[0], 0.0);
    }
}
