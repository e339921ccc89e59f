//! The weighted mean of two pictures, everywhere or where a mask says.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::error::{PictureError, check_same_size};
use super::samples::{luma, with_channels};

/// The parameters of [`Mix`].
pub const PARAMS: &[Param] = &[Param::float(
    "weight",
    "Share of the second picture; beyond 100 goes on past it.",
    "%",
    (-500.0, 500.0),
    50.0,
)];

/// The parameters of [`MaskBlend`].
pub const MASK_PARAMS: &[Param] = &[
    Param::float(
        "strength",
        "How much of the second picture shows where the mask is white.",
        "%",
        (0.0, 100.0),
        100.0,
    ),
    Param::bool("invert", "Shows the second picture where the mask is black.", false),
];

/// The weighted mean of two pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// Share of the second picture; 1 is all.
    pub weight: f32,
}

impl Mix {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { weight: values.f32("weight") / 100.0 }
    }

    /// Mixes; the result has the channels of the picture that has more.
    ///
    /// # Errors
    /// When the sizes differ.
    pub fn apply(&self, a: &PlanarImage, b: &PlanarImage) -> Result<PlanarImage, PictureError> {
        check_same_size("mix", a, b)?;
        let channels = a.channels.max(b.channels);
        let (mut out, b) = (with_channels(a, channels), with_channels(b, channels));
        out.data.iter_mut().zip(&b.data).for_each(|(a, b)| *a += self.weight * (b - *a));
        Ok(out)
    }
}

/// The mean of two pictures weighted by a third.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaskBlend {
    /// Share of the second picture where the mask is white, `0..=1`.
    pub strength: f32,
    /// Whether black shows the second picture.
    pub invert: bool,
}

impl MaskBlend {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { strength: values.f32("strength") / 100.0, invert: values.bool("invert") }
    }

    /// Blends `a` and `b` by the luma of `mask`.
    ///
    /// # Errors
    /// When the sizes differ.
    pub fn apply(
        &self,
        a: &PlanarImage,
        b: &PlanarImage,
        mask: &PlanarImage,
    ) -> Result<PlanarImage, PictureError> {
        check_same_size("mask-blend", a, b)?;
        check_same_size("mask-blend", a, mask)?;
        let channels = a.channels.max(b.channels);
        let (mut out, b) = (with_channels(a, channels), with_channels(b, channels));
        let share = |m: f32| {
            let m = m.clamp(0.0, 1.0);
            self.strength * if self.invert { 1.0 - m } else { m }
        };
        let weights: Vec<f32> = luma(mask).into_iter().map(share).collect();
        for channel in 0..channels {
            let samples = out.plane_mut(channel).iter_mut().zip(b.plane(channel));
            samples.zip(&weights).for_each(|((a, b), w)| *a += w * (b - *a));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn shares() {
        let (a, b) = (made::picture(3, 9, 7), made::picture(1, 9, 7));
        let b3 = with_channels(&b, 3);
        assert_eq!(Mix { weight: 0.0 }.apply(&a, &b).unwrap(), a);
        made::close(&Mix { weight: 1.0 }.apply(&a, &b).unwrap().data, &b3.data, 1e-6);
        let half = Mix::from_values(&ParamValues::defaults(PARAMS)).apply(&a, &b).unwrap();
        assert!((half.data[70] - (a.data[70] + b3.data[70]) / 2.0).abs() < 1e-6);
        assert!(Mix { weight: 0.5 }.apply(&a, &made::picture(3, 9, 6)).is_err());
        let mut mask = PlanarImage::zeros(1, 7, 9);
        mask.data[3] = 1.0;
        let mut blend = MaskBlend::from_values(&ParamValues::defaults(MASK_PARAMS));
        let out = blend.apply(&a, &b, &mask).unwrap();
        assert!((out.data[3] - b3.data[3]).abs() < 1e-6 && out.data[4] == a.data[4]);
        blend.invert = true;
        let out = blend.apply(&a, &b, &mask).unwrap();
        assert!((out.data[4] - b3.data[4]).abs() < 1e-6 && out.data[3] == a.data[3]);
    }
}
