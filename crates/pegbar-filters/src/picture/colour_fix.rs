//! Gives a picture the coarse colours of another, as models that shift colours need.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::border::Border;
use super::convolution::correlate;
use super::error::{PictureError, check_same_size, check_size};
use super::resample::{ResizeFilter, resample};
use super::samples::{n_colours, with_channels};

/// The parameters of [`AverageColourFix`].
pub const AVERAGE_PARAMS: &[Param] = &[Param::float(
    "scale",
    "Size at which colours are compared, in percent of the reference: the smaller, the coarser.",
    "%",
    (0.1, 100.0),
    12.5,
)];

/// The parameters of [`WaveletColourFix`].
pub const WAVELET_PARAMS: &[Param] = &[Param::int(
    "levels",
    "What counts as coarse: details of up to two to this power pixels stay the picture's own.",
    "",
    (1, 10),
    5,
)];

/// Adds the difference of the pictures, both made small, to the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AverageColourFix {
    /// Part of the reference's size at which colours are compared, `0..=1`.
    pub scale: f64,
}

impl AverageColourFix {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { scale: values.float("scale") / 100.0 }
    }

    /// Fixes `image` by `reference`, which may have another size.
    ///
    /// # Errors
    /// When a picture has no pixels or is too large.
    pub fn apply(&self, image: &PlanarImage, reference: &PlanarImage) -> Result<PlanarImage, PictureError> {
        const OPERATION: &str = "average-colour-fix";
        check_size(OPERATION, image.width, image.height)?;
        check_size(OPERATION, reference.width, reference.height)?;
        let side = |n: usize| ((n as f64 * self.scale).round() as usize).max(1);
        let (w, h) = (side(reference.width), side(reference.height));
        let colours = n_colours(image);
        let small = |picture: &PlanarImage| {
            let colour = with_channels(&with_channels(picture, picture.channels.min(3)), colours);
            if (colour.width, colour.height) == (w, h) {
                colour
            } else {
                resample(&colour, w, h, ResizeFilter::Box, true)
            }
        };
        let mut difference = small(reference);
        difference.data.iter_mut().zip(&small(image).data).for_each(|(r, i)| *r -= i);
        if (w, h) != (image.width, image.height) {
            difference = resample(&difference, image.width, image.height, ResizeFilter::Linear, true);
        }
        let mut out = image.clone();
        out.data.iter_mut().zip(&difference.data).for_each(|(s, d)| *s += d);
        Ok(out)
    }
}

/// Takes the coarse part of a reference and the fine part of the picture, parted by blurs that double in width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaveletColourFix {
    /// How many blurs.
    pub levels: usize,
}

impl WaveletColourFix {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { levels: values.usize("levels") }
    }

    /// Fixes `image` by `reference`.
    ///
    /// # Errors
    /// When sizes differ.
    pub fn apply(&self, image: &PlanarImage, reference: &PlanarImage) -> Result<PlanarImage, PictureError> {
        check_same_size("wavelet-colour-fix", image, reference)?;
        let colours = n_colours(image);
        let reference = with_channels(&with_channels(reference, reference.channels.min(3)), colours);
        let mut out = image.clone();
        for channel in 0..colours {
            // The blur is linear, so the coarse parts' difference is the blur of the difference.
            let own = image.plane(channel);
            let mut coarse: Vec<f32> = reference.plane(channel).iter().zip(own).map(|(r, i)| r - i).collect();
            for level in 0..self.levels {
                let apart = 1usize << level.min(20);
                let mut kernel = vec![0.0; 2 * apart + 1];
                (kernel[0], kernel[apart], kernel[2 * apart]) = (0.25, 0.5, 0.25);
                coarse = sparse(&coarse, image.width, &kernel);
            }
            out.plane_mut(channel).iter_mut().zip(&coarse).for_each(|(s, d)| *s += d);
        }
        Ok(out)
    }
}

/// Correlates both ways with a kernel that is mostly zeros, which [`correlate`] leaves out.
fn sparse(plane: &[f32], width: usize, kernel: &[f32]) -> Vec<f32> {
    let rows = correlate(plane, width, kernel, kernel.len(), Border::Replicate);
    correlate(&rows, width, kernel, 1, Border::Replicate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::{made, map_colour};

    #[test]
    fn a_shift_of_colour_goes() {
        for (w, h) in made::SIZES {
            for channels in [1, 3, 4] {
                let image = made::picture(channels, w, h);
                let shifted = map_colour(&image, |s| s + 0.1);
                for scale in [0.125, 1.0] {
                    let fix = AverageColourFix { scale };
                    made::close(&fix.apply(&shifted, &image).unwrap().data, &image.data, 1e-5);
                    made::close(&fix.apply(&image, &image).unwrap().data, &image.data, 1e-5);
                }
                let fix = WaveletColourFix { levels: 5 };
                made::close(&fix.apply(&shifted, &image).unwrap().data, &image.data, 1e-5);
                assert_eq!(fix.apply(&image, &image).unwrap(), image);
            }
        }
    }

    #[test]
    fn details_stay() {
        // Stripes of one pixel and a reference without them, darker: the stripes stay, the level changes.
        let stripes = |level: f32, depth: f32| {
            let data = (0..64 * 64).map(|i| level + if i % 2 == 0 { depth } else { -depth }).collect();
            PlanarImage { width: 64, height: 64, channels: 1, data }
        };
        let (image, reference) = (stripes(0.6, 0.1), stripes(0.4, 0.0));
        let middle = 32 * 64 + 20..32 * 64 + 40;
        let want = &stripes(0.4, 0.1).data[middle.clone()];
        let wavelet = WaveletColourFix { levels: 5 }.apply(&image, &reference).unwrap();
        made::close(&wavelet.data[middle.clone()], want, 5e-3);
        let average = AverageColourFix { scale: 0.125 }.apply(&image, &reference).unwrap();
        made::close(&average.data[middle], want, 1e-4);
        assert!(WaveletColourFix { levels: 2 }.apply(&image, &PlanarImage::zeros(1, 2, 2)).is_err());
    }
}
