//! Gray pictures, and colours for gray ones.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, Rgba};

use super::choices::choices;
use super::colour_model::{ColourSpace, linear_to_srgb, srgb_to_linear};
use super::error::PictureError;
use super::samples::{gray, luma, weighted, with_channels};

/// The parameters of [`Grayscale`].
pub const PARAMS: &[Param] = &[
    Param::choice("method", "What gray a colour becomes.", GrayMethod::CHOICES, "bt601"),
    Param::float("red", "Weight of red, with `method` weights.", "", (-2.0, 3.0), 0.299),
    Param::float("green", "Weight of green, with `method` weights.", "", (-2.0, 3.0), 0.587),
    Param::float("blue", "Weight of blue, with `method` weights.", "", (-2.0, 3.0), 0.114),
    Param::bool("keep-channels", "Leaves three channels, all the same, and alpha.", false),
];

/// The parameters of [`Colourise`].
pub const COLOURISE_PARAMS: &[Param] = &[
    Param::colour("colour", "The colour whose hue and saturation the picture takes.", "#a08060"),
    Param::float("strength", "How much of the picture's own colour goes.", "%", (0.0, 100.0), 100.0),
];

/// The parameters of [`GradientMap`].
pub const GRADIENT_MAP_PARAMS: &[Param] = &[
    Param::text(
        "colours",
        "Colours from black to white, evenly spaced or as `place:#rrggbb` with places from 0 to 1, by spaces.",
        "#000000 #ffffff",
    ),
    Param::float("strength", "How much of the picture's own colour goes.", "%", (0.0, 100.0), 100.0),
];

choices! {
    /// What gray a colour becomes.
    GrayMethod {
        Bt601 = "bt601", "Luma of SD video and JPEG.";
        Bt709 = "bt709", "Luma of HD video.";
        Luminance = "luminance", "The gray of the same amount of light.";
        Average = "average", "The mean of red, green and blue.";
        Lightness = "lightness", "The mean of the largest and the smallest.";
        Largest = "largest", "The largest of the three.";
        Weights = "weights", "The sum by weights of one's own.";
    }
}

/// Makes a gray picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grayscale {
    /// What gray a colour becomes.
    pub method: GrayMethod,
    /// Weights of red, green and blue, with [`GrayMethod::Weights`].
    pub weights: [f32; 3],
    /// Whether three channels (and alpha) are left.
    pub keep_channels: bool,
}

impl Grayscale {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            method: GrayMethod::of(values, "method"),
            weights: ["red", "green", "blue"].map(|id| values.f32(id)),
            keep_channels: values.bool("keep-channels"),
        }
    }

    /// The gray picture: of one channel, without alpha, unless channels are kept.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if image.channels < 3 {
            return image.clone();
        }
        let rgb = || image.plane(0).iter().zip(image.plane(1)).zip(image.plane(2));
        let data = match self.method {
            GrayMethod::Bt601 => luma(image),
            GrayMethod::Bt709 => weighted(image, [0.2126, 0.7152, 0.0722]),
            GrayMethod::Average => weighted(image, [1.0 / 3.0; 3]),
            GrayMethod::Weights => weighted(image, self.weights),
            GrayMethod::Largest => rgb().map(|((r, g), b)| r.max(*g).max(*b)).collect(),
            GrayMethod::Lightness => {
                rgb().map(|((r, g), b)| (r.max(*g).max(*b) + r.min(*g).min(*b)) / 2.0).collect()
            }
            GrayMethod::Luminance => {
                let light = |((r, g), b): ((&f32, &f32), &f32)| {
                    let [r, g, b] = [*r, *g, *b].map(srgb_to_linear);
                    linear_to_srgb(0.2126 * r + 0.7152 * g + 0.0722 * b)
                };
                rgb().map(light).collect()
            }
        };
        let out = gray(image.width, image.height, data);
        if !self.keep_channels {
            return out;
        }
        let mut kept = with_channels(&out, image.channels);
        if image.channels == 4 {
            kept.plane_mut(3).copy_from_slice(image.plane(3));
        }
        kept
    }
}

/// Gives a picture a single hue, as sepia or a tinted film.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colourise {
    /// The colour whose hue and saturation are taken.
    pub colour: Rgba,
    /// `0..=1`.
    pub strength: f32,
}

impl Colourise {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { colour: values.colour("colour"), strength: values.f32("strength") / 100.0 }
    }

    /// Lightness (of HSL) becomes luma, hue and saturation those of the colour.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let Rgba([r, g, b, _]) = self.colour;
        let [hue, saturation, _] = ColourSpace::Hsl.from_rgb([r, g, b]);
        // Lightness is linear in the middle of each half, so one colour for all serves.
        let pure = ColourSpace::Hsl.to_rgb([hue, 1.0, 0.5]);
        recolour(image, self.strength, |l| {
            let chroma = (1.0 - (2.0 * l - 1.0).abs()) * saturation;
            pure.map(|c| l + (c - 0.5) * chroma)
        })
    }
}

/// Replaces each gray by a colour of a gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct GradientMap {
    /// Places from 0 to 1, rising, and their colours; at least one.
    pub stops: Vec<(f32, [f32; 3])>,
    /// `0..=1`.
    pub strength: f32,
}

impl GradientMap {
    /// Reads the settings.
    ///
    /// # Errors
    /// When the colours cannot be read.
    pub fn from_values(values: &ParamValues) -> Result<Self, PictureError> {
        let text = values.text("colours");
        let stops = parse_stops(text).ok_or_else(|| PictureError::Text {
            operation: "gradient-map",
            param: "colours",
            text: text.into(),
            expected: "colours #rrggbb or place:#rrggbb, separated by spaces, places rising from 0 to 1",
        })?;
        Ok(Self { stops, strength: values.f32("strength") / 100.0 })
    }

    /// Maps luma; between two colours code values are mixed.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        recolour(image, self.strength, |l| colour_at(&self.stops, l))
    }
}

/// The colour of a gradient at a place.
pub(crate) fn colour_at(stops: &[(f32, [f32; 3])], place: f32) -> [f32; 3] {
    let i = stops.partition_point(|(p, _)| *p <= place);
    match (i.checked_sub(1).map(|i| stops[i]), stops.get(i)) {
        (Some((p, a)), Some((q, b))) => {
            let t = (place - p) / (q - p);
            [0, 1, 2].map(|c| a[c] + t * (b[c] - a[c]))
        }
        (Some((_, a)), None) => a,
        (None, Some((_, b))) => *b,
        (None, None) => [place; 3],
    }
}

/// Reads stops; colours without a place are spread evenly over 0 to 1.
pub(crate) fn parse_stops(text: &str) -> Option<Vec<(f32, [f32; 3])>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let last = words.len().checked_sub(1)?.max(1) as f32;
    let stop = |(i, word): (usize, &&str)| {
        let (place, colour) = match word.split_once(':') {
            Some((place, colour)) => (place.parse().ok()?, colour),
            None => (i as f32 / last, *word),
        };
        let Rgba([r, g, b, _]) = Rgba::parse(colour)?;
        Some((place, [r, g, b]))
    };
    let stops: Vec<(f32, [f32; 3])> = words.iter().enumerate().map(stop).collect::<Option<_>>()?;
    let rising = stops.windows(2).all(|s| s[1].0 > s[0].0);
    (rising && stops.iter().all(|s| (0.0..=1.0).contains(&s.0))).then_some(stops)
}

fn recolour(image: &PlanarImage, strength: f32, colour: impl Fn(f32) -> [f32; 3]) -> PlanarImage {
    if strength == 0.0 {
        return image.clone();
    }
    let mut out = with_channels(image, image.channels.max(3));
    let n = image.width * image.height;
    for (i, l) in luma(image).into_iter().enumerate() {
        for (c, want) in colour(l).into_iter().enumerate() {
            let s = &mut out.data[c * n + i];
            *s += strength * (want - *s);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn pixel(data: [f32; 3]) -> PlanarImage {
        PlanarImage { width: 1, height: 1, channels: 3, data: data.to_vec() }
    }

    #[test]
    fn weights() {
        let mut grayscale = Grayscale::from_values(&ParamValues::defaults(PARAMS));
        let mut of = |method| {
            grayscale.method = method;
            grayscale.apply(&pixel([0.2, 0.4, 0.9])).data[0]
        };
        for (method, want) in [
            (GrayMethod::Bt601, 0.3972),
            (GrayMethod::Weights, 0.3972),
            (GrayMethod::Bt709, 0.39358),
            (GrayMethod::Average, 0.5),
            (GrayMethod::Lightness, 0.55),
            (GrayMethod::Largest, 0.9),
        ] {
            assert!((of(method) - want).abs() < 1e-5, "{method:?}");
        }
        assert!((of(GrayMethod::Luminance) - 0.43525).abs() < 1e-4);
        let keeps = Grayscale { keep_channels: true, ..grayscale };
        made::keeps_shape_and_alpha(|image| keeps.apply(image));
        assert_eq!(grayscale.apply(&made::picture(4, 3, 2)).channels, 1);
    }

    #[test]
    fn gradients() {
        let mut values = ParamValues::defaults(GRADIENT_MAP_PARAMS);
        values
            .set("colours", pegbar_params::ParamValue::Text("#000000 0.25:#ff0000 #ffffff".into()))
            .unwrap();
        let map = GradientMap::from_values(&values).unwrap();
        made::close(&map.apply(&pixel([0.125; 3])).data, &[0.5, 0.0, 0.0], 1e-5);
        made::close(&map.apply(&pixel([2.0; 3])).data, &[1.0; 3], 1e-6);
        let tint = Colourise { colour: Rgba([0.75, 0.5, 0.25, 1.0]), strength: 1.0 };
        made::close(&tint.apply(&pixel([0.5; 3])).data, &[0.75, 0.5, 0.25], 1e-5);
        made::close(&tint.apply(&pixel([1.0; 3])).data, &[1.0; 3], 1e-5);
        assert_eq!(tint.apply(&made::picture(1, 3, 2)).channels, 3);
        for wrong in ["", "red", "2:#ffffff", "0.5:#000000 0.2:#ffffff"] {
            values.set("colours", pegbar_params::ParamValue::Text(wrong.into())).unwrap();
            assert!(GradientMap::from_values(&values).is_err(), "{wrong}");
        }
    }
}
