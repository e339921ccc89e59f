//! Mirrors a picture.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::choices::choices;

/// The parameters of [`Flip`].
pub const PARAMS: &[Param] =
    &[Param::choice("axis", "What changes places.", FlipAxis::CHOICES, "horizontal")];

choices! {
    /// What changes places.
    FlipAxis {
        Horizontal = "horizontal", "Left and right.";
        Vertical = "vertical", "Top and bottom.";
        Both = "both", "Both: half a turn.";
        None = "none", "Nothing.";
    }
}

/// Mirrors a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flip {
    /// What changes places.
    pub axis: FlipAxis,
}

impl Flip {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { axis: FlipAxis::of(values, "axis") }
    }

    /// Flips.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        if image.width == 0 {
            return out;
        }
        if matches!(self.axis, FlipAxis::Vertical | FlipAxis::Both) {
            for channel in 0..image.channels {
                let rows = image.plane(channel).chunks_exact(image.width).rev();
                let plane = out.plane_mut(channel).chunks_exact_mut(image.width);
                plane.zip(rows).for_each(|(to, from)| to.copy_from_slice(from));
            }
        }
        if matches!(self.axis, FlipAxis::Horizontal | FlipAxis::Both) {
            out.data.chunks_exact_mut(image.width).for_each(<[f32]>::reverse);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn twice_is_nothing() {
        for &axis in FlipAxis::ALL {
            for (w, h) in made::SIZES {
                let image = made::picture(4, w, h);
                assert_eq!(Flip { axis }.apply(&Flip { axis }.apply(&image)), image);
            }
        }
        let image = PlanarImage { width: 2, height: 2, channels: 1, data: vec![1.0, 2.0, 3.0, 4.0] };
        assert_eq!(Flip { axis: FlipAxis::Horizontal }.apply(&image).data, [2.0, 1.0, 4.0, 3.0]);
        assert_eq!(Flip { axis: FlipAxis::Vertical }.apply(&image).data, [3.0, 4.0, 1.0, 2.0]);
        assert_eq!(Flip { axis: FlipAxis::Both }.apply(&image).data, [4.0, 3.0, 2.0, 1.0]);
    }
}
