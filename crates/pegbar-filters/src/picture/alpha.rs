//! Operations on alpha: multiplying it in, thinning it, filling what it hides.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, Rgba};

use super::choices::choices;
use super::resize::{divide_alpha, multiply_alpha};
use super::samples::with_channels;

/// The parameters of [`Premultiply`].
pub const PREMULTIPLY_PARAMS: &[Param] =
    &[Param::choice("direction", "Which way.", Premultiply::CHOICES, "premultiply")];

/// The parameters of [`Opacity`].
pub const OPACITY_PARAMS: &[Param] =
    &[Param::float("opacity", "Alpha is multiplied by this.", "%", (0.0, 100.0), 100.0)];

/// The parameters of [`FillAlpha`].
pub const FILL_PARAMS: &[Param] = &[
    Param::choice("method", "What transparent pixels become.", FillMethod::CHOICES, "extend"),
    Param::float(
        "threshold",
        "Pixels with less alpha than this count as empty, with `method` extend and nearest.",
        "%",
        (0.0, 100.0),
        10.0,
    ),
    Param::int(
        "iterations",
        "How far colours spread, with `method` extend; the rest stays.",
        "px",
        (1, 1000),
        32,
    ),
    Param::colour("colour", "The colour behind the picture, with `method` colour.", "#000000"),
    Param::bool("drop-alpha", "Takes alpha off the result; otherwise alpha stays as it was.", true),
];

choices! {
    /// Multiplies alpha into colour or takes it out.
    Premultiply {
        Multiply = "premultiply", "Colour becomes colour times alpha.";
        Divide = "unpremultiply", "Colour that was multiplied by alpha becomes what it was.";
    }
}

choices! {
    /// What transparent pixels become.
    FillMethod {
        Colour = "colour", "The picture laid over a colour.";
        Extend = "extend", "The colours of visible pixels spread outwards, pixel by pixel.";
        Nearest = "nearest", "Each empty pixel takes the colour of the nearest visible one.";
        Smooth = "smooth", "Visible colours flow together, coarser the farther they are.";
    }
}

impl Premultiply {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self::of(values, "direction")
    }

    /// Multiplies or divides; a picture without alpha comes back as it is.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        if image.channels == 4 {
            match self {
                Self::Multiply => multiply_alpha(&mut out),
                Self::Divide => divide_alpha(&mut out),
            }
        }
        out
    }
}

/// Makes a picture more transparent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opacity {
    /// What alpha is multiplied by, `0..=1`.
    pub opacity: f32,
}

impl Opacity {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { opacity: values.f32("opacity") / 100.0 }
    }

    /// The picture with alpha times the opacity; at 1 as it is.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.opacity == 1.0 {
            return image.clone();
        }
        let mut out = with_channels(image, 4);
        out.plane_mut(3).iter_mut().for_each(|a| *a *= self.opacity);
        out
    }
}

/// Gives transparent pixels a colour.
#[derive(Debug, Clone, PartialEq)]
pub struct FillAlpha {
    /// What they become.
    pub method: FillMethod,
    /// Alpha under which a pixel is empty, `0..=1`.
    pub threshold: f32,
    /// How many pixels colours spread, with [`FillMethod::Extend`].
    pub iterations: usize,
    /// Colour behind the picture, with [`FillMethod::Colour`].
    pub colour: Rgba,
    /// Whether the result has no alpha.
    pub drop_alpha: bool,
}

impl FillAlpha {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            method: FillMethod::of(values, "method"),
            threshold: values.f32("threshold") / 100.0,
            iterations: values.usize("iterations"),
            colour: values.colour("colour"),
            drop_alpha: values.bool("drop-alpha"),
        }
    }

    /// Fills; a picture without alpha comes back as it is.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if image.channels != 4 || image.width == 0 || image.height == 0 {
            return image.clone();
        }
        let mut out = image.clone();
        match self.method {
            FillMethod::Colour => {
                let alpha = image.plane(3).to_vec();
                for (channel, behind) in self.colour.0.into_iter().enumerate().take(3) {
                    let samples = out.plane_mut(channel).iter_mut().zip(&alpha);
                    samples.for_each(|(s, a)| *s = behind + a * (*s - behind));
                }
            }
            FillMethod::Extend => self.extend(&mut out),
            FillMethod::Nearest => self.nearest(&mut out),
            FillMethod::Smooth => smooth(&mut out),
        }
        if self.drop_alpha { with_channels(&out, 3) } else { out }
    }

    /// Each round gives empty pixels that touch filled ones the mean of those.
    fn extend(&self, out: &mut PlanarImage) {
        let (w, h, n) = (out.width, out.height, out.width * out.height);
        let mut filled: Vec<bool> = out.plane(3).iter().map(|a| *a >= self.threshold).collect();
        let around = |i: usize| {
            let (x, y) = (i % w, i / w);
            let (xs, ys) = (x.saturating_sub(1)..(x + 2).min(w), y.saturating_sub(1)..(y + 2).min(h));
            ys.flat_map(move |y| xs.clone().map(move |x| y * w + x)).filter(move |j| *j != i)
        };
        let mut front: Vec<usize> = (0..n).filter(|i| !filled[*i] && around(*i).any(|j| filled[j])).collect();
        for _ in 0..self.iterations {
            let mut colours = Vec::with_capacity(front.len());
            for &i in &front {
                let (mut sum, mut count) = ([0.0f32; 3], 0.0f32);
                for j in around(i).filter(|j| filled[*j]) {
                    (0..3).for_each(|c| sum[c] += out.data[c * n + j]);
                    count += 1.0;
                }
                colours.push(sum.map(|s| s / count));
            }
            for (&i, colour) in front.iter().zip(&colours) {
                (0..3).for_each(|c| out.data[c * n + i] = colour[c]);
                filled[i] = true;
            }
            let mut next: Vec<usize> =
                front.iter().flat_map(|i| around(*i)).filter(|j| !filled[*j]).collect();
            next.sort_unstable();
            next.dedup();
            front = next;
            if front.is_empty() {
                return;
            }
        }
    }

    fn nearest(&self, out: &mut PlanarImage) {
        let n = out.width * out.height;
        let seeds: Vec<bool> = out.plane(3).iter().map(|a| *a >= self.threshold).collect();
        let (_, nearest) = super::distance::nearest_seed(&seeds, out.width);
        for c in 0..3 {
            let plane = out.plane(c).to_vec();
            let target = &mut out.data[c * n..(c + 1) * n];
            for (sample, from) in target.iter_mut().zip(&nearest) {
                if let Some(&value) = plane.get(*from) {
                    *sample = value;
                }
            }
        }
    }
}

/// Push and pull: means of visible colour at halves of the size, blended back under what is finer (Gortler, Grzeszczuk,
/// Szeliski, Cohen: "The Lumigraph", 1996).
fn smooth(out: &mut PlanarImage) {
    let mut levels = vec![(out.width, out.height, out.data.clone())];
    {
        let (w, h, data) = &mut levels[0];
        let n = *w * *h;
        let (colour, alpha) = data.split_at_mut(3 * n);
        alpha.iter_mut().for_each(|a| *a = if a.is_finite() { a.clamp(0.0, 1.0) } else { 0.0 });
        for plane in colour.chunks_exact_mut(n) {
            plane.iter_mut().zip(&*alpha).for_each(|(s, a)| *s *= a);
        }
    }
    while let Some((w, h, data)) = levels.last().filter(|(w, h, _)| *w > 1 || *h > 1) {
        let (w2, h2) = (w.div_ceil(2), h.div_ceil(2));
        let mut half = vec![0.0f32; 4 * w2 * h2];
        for c in 0..4 {
            for y in 0..*h {
                for x in 0..*w {
                    half[(c * h2 + y / 2) * w2 + x / 2] += data[(c * h + y) * w + x];
                }
            }
        }
        // Weights stay at most 1, so that full coverage hides what is coarser.
        for i in 0..w2 * h2 {
            let weight = half[3 * w2 * h2 + i];
            if weight > 1.0 {
                (0..4).for_each(|c| half[c * w2 * h2 + i] /= weight);
            }
        }
        levels.push((w2, h2, half));
    }
    let Some((_, _, mut coarse)) = levels.pop() else { return };
    let n = coarse.len() / 4;
    let weight = coarse[3 * n].max(1e-6);
    coarse.iter_mut().for_each(|s| *s /= weight);
    let mut coarse_size = (1, 1);
    while let Some((w, h, mut data)) = levels.pop() {
        let n = w * h;
        for c in 0..3 {
            let parent = PlanarImage {
                width: coarse_size.0,
                height: coarse_size.1,
                channels: 1,
                data: coarse[c * coarse_size.0 * coarse_size.1..(c + 1) * coarse_size.0 * coarse_size.1]
                    .to_vec(),
            };
            let up = super::resample::resample(&parent, w, h, super::resample::ResizeFilter::Linear, true);
            for i in 0..n {
                data[c * n + i] += (1.0 - data[3 * n + i].min(1.0)) * up.data[i];
            }
        }
        coarse = data;
        coarse_size = (w, h);
    }
    let n = out.width * out.height;
    out.data[..3 * n].copy_from_slice(&coarse[..3 * n]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn multiplied_and_divided() {
        let mut image = made::picture(4, 9, 7);
        image.plane_mut(3).iter_mut().for_each(|a| *a = a.max(0.1));
        let back = Premultiply::Divide.apply(&Premultiply::Multiply.apply(&image));
        made::close(&back.data, &image.data, 1e-6);
        let thin = Opacity { opacity: 0.5 }.apply(&made::picture(3, 2, 2));
        assert_eq!((thin.channels, thin.plane(3)), (4, &[0.5; 4][..]));
    }

    #[test]
    fn holes_take_colour() {
        let mut image = PlanarImage { width: 9, height: 9, channels: 4, data: vec![0.0; 4 * 81] };
        image.plane_mut(0)[40] = 0.8;
        image.plane_mut(3)[40] = 1.0;
        for &method in FillMethod::ALL {
            let fill = FillAlpha {
                method,
                threshold: 0.1,
                iterations: 20,
                colour: Rgba([0.8, 0.0, 0.0, 1.0]),
                drop_alpha: true,
            };
            let out = fill.apply(&image);
            assert_eq!(out.channels, 3);
            assert!(out.plane(0).iter().all(|s| (s - 0.8).abs() < 1e-5), "{method:?} {:?}", out.plane(0));
            let empty = PlanarImage::zeros(4, 5, 5);
            assert_eq!(fill.apply(&empty).data.len(), 75);
            let keeps = FillAlpha { drop_alpha: false, ..fill };
            made::keeps_shape_and_alpha(|image| keeps.apply(image));
        }
        let near = FillAlpha {
            iterations: 1,
            drop_alpha: false,
            ..FillAlpha::from_values(&ParamValues::defaults(FILL_PARAMS))
        };
        let out = near.apply(&image);
        assert_eq!(out.plane(0).iter().filter(|s| **s > 0.0).count(), 9);
    }
}
