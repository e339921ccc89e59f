//! Changes the size of a picture.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::choices::choices;
use super::colour_model::{linear_to_srgb, srgb_to_linear};
use super::error::{PictureError, check_size};
use super::resample::{ResizeFilter, resample};
use super::samples::map_colour;

/// The parameters of [`Resize`].
pub const PARAMS: &[Param] = &[
    Param::choice(
        "mode",
        "Whether the new size is given in percent or in pixels.",
        ResizeMode::CHOICES,
        "percent",
    ),
    Param::float(
        "percent",
        "New width and height in percent of the old, with `mode` percent.",
        "%",
        (0.01, 10000.0),
        100.0,
    ),
    Param::int(
        "width",
        "New width, with `mode` exact; 0 keeps the shape of the picture.",
        "px",
        (0, 65535),
        1280,
    ),
    Param::int(
        "height",
        "New height, with `mode` exact; 0 keeps the shape of the picture.",
        "px",
        (0, 65535),
        0,
    ),
    FILTER,
    ANTIALIAS,
    LINEAR_LIGHT,
    SEPARATE_ALPHA,
];

pub(crate) const FILTER: Param = Param::choice("filter", "The kernel.", ResizeFilter::CHOICES, "auto");
pub(crate) const ANTIALIAS: Param = Param::bool(
    "antialias",
    "Widens the kernel when the picture shrinks, so that every pixel of it counts; without, thin lines break up.",
    true,
);
pub(crate) const LINEAR_LIGHT: Param = Param::bool(
    "linear-light",
    "Resizes amounts of light, not code values (gamma-correct): right for photographs, makes dark lines thinner.",
    false,
);
pub(crate) const SEPARATE_ALPHA: Param = Param::bool(
    "separate-alpha",
    "Resizes colour without regard to alpha; otherwise colours of transparent pixels do not bleed into visible ones.",
    false,
);

choices! {
    /// How a new size is given.
    ResizeMode {
        Percent = "percent", "In percent of the old size.";
        Exact = "exact", "In pixels.";
    }
}

/// Changes the size of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Resize {
    /// How the size is given.
    pub mode: ResizeMode,
    /// New size in percent of the old.
    pub percent: f64,
    /// New width in pixels; 0 follows from the height.
    pub width: usize,
    /// New height in pixels; 0 follows from the width.
    pub height: usize,
    /// How samples are made.
    pub resampling: Resampling,
}

/// How the samples of a resized picture are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resampling {
    /// The kernel.
    pub filter: ResizeFilter,
    /// Whether the kernel widens when the picture shrinks.
    pub antialias: bool,
    /// Whether light is averaged rather than code values.
    pub linear_light: bool,
    /// Whether colour is resized without regard to alpha.
    pub separate_alpha: bool,
}

impl Default for Resampling {
    fn default() -> Self {
        Self { filter: ResizeFilter::Auto, antialias: true, linear_light: false, separate_alpha: false }
    }
}

impl Resampling {
    /// Reads the settings that operations which resize share.
    pub(crate) fn from_values(values: &ParamValues) -> Self {
        Self {
            filter: ResizeFilter::of(values, FILTER.id),
            antialias: values.bool(ANTIALIAS.id),
            linear_light: values.bool(LINEAR_LIGHT.id),
            separate_alpha: values.bool(SEPARATE_ALPHA.id),
        }
    }

    /// Resizes to `width` x `height`; the same size gives the same samples.
    ///
    /// # Errors
    /// When a picture has no pixels or is too large.
    pub fn apply(
        &self,
        image: &PlanarImage,
        width: usize,
        height: usize,
    ) -> Result<PlanarImage, PictureError> {
        check_size("resize", image.width, image.height)?;
        check_size("resize", width, height)?;
        if (width, height) == (image.width, image.height) {
            return Ok(image.clone());
        }
        let filter = self.filter.resolve((image.width, image.height), (width, height));
        // Samples that are only moved need no light and no weights.
        let moved = filter == ResizeFilter::Nearest;
        let linear = self.linear_light && !moved;
        let weigh = image.channels == 4 && !self.separate_alpha && !moved;
        let mut source = if linear { map_colour(image, srgb_to_linear) } else { image.clone() };
        if weigh {
            multiply_alpha(&mut source);
        }
        let mut out = resample(&source, width, height, filter, self.antialias);
        if weigh {
            divide_alpha(&mut out);
        }
        Ok(if linear { map_colour(&out, linear_to_srgb) } else { out })
    }
}

impl Resize {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            mode: ResizeMode::of(values, "mode"),
            percent: values.float("percent"),
            width: values.usize("width"),
            height: values.usize("height"),
            resampling: Resampling::from_values(values),
        }
    }

    /// The size a picture gets.
    pub fn size(&self, width: usize, height: usize) -> (usize, usize) {
        let scaled = |n: usize, factor: f64| ((n as f64 * factor).round() as usize).max(1);
        match (self.mode, self.width, self.height) {
            (ResizeMode::Percent, ..) => {
                (scaled(width, self.percent / 100.0), scaled(height, self.percent / 100.0))
            }
            (ResizeMode::Exact, 0, 0) => (width, height),
            (ResizeMode::Exact, 0, h) => (scaled(width, h as f64 / height.max(1) as f64), h),
            (ResizeMode::Exact, w, 0) => (w, scaled(height, w as f64 / width.max(1) as f64)),
            (ResizeMode::Exact, w, h) => (w, h),
        }
    }

    /// Resizes.
    ///
    /// # Errors
    /// When the picture has no pixels or the result would be too large.
    pub fn apply(&self, image: &PlanarImage) -> Result<PlanarImage, PictureError> {
        let (width, height) = self.size(image.width, image.height);
        self.resampling.apply(image, width, height)
    }
}

/// Multiplies colour by alpha.
pub(crate) fn multiply_alpha(image: &mut PlanarImage) {
    let n = image.width * image.height;
    let (colour, alpha) = image.data.split_at_mut(3 * n);
    for plane in colour.chunks_exact_mut(n.max(1)) {
        plane.iter_mut().zip(&*alpha).for_each(|(s, a)| *s *= a);
    }
}

/// Divides colour by alpha; where that is under 1/10000 by 1/10000.
pub(crate) fn divide_alpha(image: &mut PlanarImage) {
    let n = image.width * image.height;
    let (colour, alpha) = image.data.split_at_mut(3 * n);
    for plane in colour.chunks_exact_mut(n.max(1)) {
        plane.iter_mut().zip(&*alpha).for_each(|(s, a)| *s /= a.max(1e-4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;
    use pegbar_params::ParamValue;

    #[test]
    fn sizes() {
        let mut values = ParamValues::defaults(PARAMS);
        assert_eq!(Resize::from_values(&values).size(720, 480), (720, 480));
        values.set("percent", ParamValue::Float(50.0)).unwrap();
        assert_eq!(Resize::from_values(&values).size(5, 1), (3, 1));
        values.set("mode", ParamValue::Text("exact".into())).unwrap();
        assert_eq!(Resize::from_values(&values).size(640, 480), (1280, 960));
        let mut exact = Resize::from_values(&values);
        (exact.width, exact.height) = (0, 240);
        assert_eq!(exact.size(640, 480), (320, 240));
        let huge = Resize { mode: ResizeMode::Percent, percent: 10000.0, ..exact };
        let error = huge.apply(&made::picture(3, 700, 2)).unwrap_err();
        assert!(error.to_string().contains("70000x200 is too large"), "{error}");
    }

    #[test]
    fn transparent_colour_does_not_bleed() {
        let data = vec![1.0, 0.0, 0.5, 0.0, 0.5, 0.0, 1.0, 0.0];
        let image = PlanarImage { width: 2, height: 1, channels: 4, data };
        let mut resampling = Resampling { filter: ResizeFilter::Box, ..Resampling::default() };
        let out = resampling.apply(&image, 1, 1).unwrap();
        made::close(&out.data, &[1.0, 0.5, 0.5, 0.5], 1e-6);
        resampling.separate_alpha = true;
        made::close(&resampling.apply(&image, 1, 1).unwrap().data, &[0.5, 0.25, 0.25, 0.5], 1e-6);
    }

    #[test]
    fn light_is_averaged() {
        let image = PlanarImage { width: 2, height: 1, channels: 1, data: vec![0.0, 1.0] };
        let resampling =
            Resampling { filter: ResizeFilter::Box, linear_light: true, ..Resampling::default() };
        made::close(&resampling.apply(&image, 1, 1).unwrap().data, &[0.735_357], 1e-4);
    }
}
