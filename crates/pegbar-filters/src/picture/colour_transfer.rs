//! Gives a picture the distribution of colours of another.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::choices::choices;
use super::colour_model::ColourSpace;
use super::error::{PictureError, check_size};
use super::samples::{map_pixels, rgb_mut, with_channels};

/// The parameters of [`ColourTransfer`].
pub const PARAMS: &[Param] = &[
    Param::choice("method", "What is made alike.", TransferMethod::CHOICES, "mean-std"),
    Param::choice("space", "The colour space of `method` mean-std.", TransferSpace::CHOICES, "lab"),
    Param::choice("overflow", "What happens to values out of range.", Overflow::CHOICES, "clip"),
    Param::bool(
        "reciprocal",
        "Spreads colours as the reference does, with `method` mean-std; otherwise by the inverse, as the paper has it.",
        true,
    ),
    Param::float("strength", "How far colours go.", "%", (0.0, 100.0), 100.0),
];

/// The parameters of [`MatchHistogram`].
pub const HISTOGRAM_PARAMS: &[Param] = &[
    Param::choice("channels", "What is matched.", HistogramChannels::CHOICES, "rgb"),
    Param::float("strength", "How far samples go.", "%", (0.0, 100.0), 100.0),
];

choices! {
    /// What is made alike.
    TransferMethod {
        MeanStd = "mean-std", "Mean and spread of each channel (Reinhard and others, 2001).";
        LinearHistogram = "linear-histogram", "Mean and covariance, the linear map nearest to none (Hertzmann, 2001).";
        Principal = "principal", "Mean and covariance, principal axes onto principal axes (Kotera, 2005).";
    }
}

choices! {
    /// The space whose channels are made alike.
    TransferSpace {
        Lab = "lab", "CIE L*a*b*.";
        OkLab = "oklab", "Oklab.";
        Rgb = "rgb", "Red, green, blue.";
        YCbCr = "ycbcr", "Luma and colour differences of BT.601.";
    }
}

choices! {
    /// What happens to values out of range.
    Overflow {
        Clip = "clip", "They are clipped.";
        Scale = "scale", "The channel is squeezed until it fits.";
        Keep = "keep", "They stay.";
    }
}

choices! {
    /// What histograms are matched of.
    HistogramChannels {
        Rgb = "rgb", "Red, green and blue, each alone.";
        Luma = "luma", "Luma; colour differences stay.";
    }
}

impl TransferSpace {
    fn space(self) -> ColourSpace {
        match self {
            Self::Lab => ColourSpace::Lab,
            Self::OkLab => ColourSpace::OkLab,
            Self::Rgb => ColourSpace::Rgb,
            Self::YCbCr => ColourSpace::YCbCr601,
        }
    }

    fn ranges(self) -> [(f32, f32); 3] {
        match self {
            Self::Lab => [(0.0, 100.0), (-127.0, 127.0), (-127.0, 127.0)],
            Self::OkLab => [(0.0, 1.0), (-0.4, 0.4), (-0.4, 0.4)],
            Self::Rgb => [(0.0, 1.0); 3],
            Self::YCbCr => [(0.0, 1.0), (-0.5, 0.5), (-0.5, 0.5)],
        }
    }
}

/// Gives a picture the distribution of colours of another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColourTransfer {
    /// What is made alike.
    pub method: TransferMethod,
    /// In which space, with [`TransferMethod::MeanStd`].
    pub space: TransferSpace,
    /// What happens to values out of range.
    pub overflow: Overflow,
    /// Whether spread becomes that of the reference rather than its inverse.
    pub reciprocal: bool,
    /// `0..=1`.
    pub strength: f32,
}

impl ColourTransfer {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            method: TransferMethod::of(values, "method"),
            space: TransferSpace::of(values, "space"),
            overflow: Overflow::of(values, "overflow"),
            reciprocal: values.bool("reciprocal"),
            strength: values.f32("strength") / 100.0,
        }
    }

    /// Transfers the colours of `reference`, of any size, to `image`. Pixels without alpha do not count; the result has
    /// colour.
    ///
    /// # Errors
    /// When a picture has no pixels.
    pub fn apply(&self, image: &PlanarImage, reference: &PlanarImage) -> Result<PlanarImage, PictureError> {
        const OPERATION: &str = "colour-transfer";
        check_size(OPERATION, image.width, image.height)?;
        check_size(OPERATION, reference.width, reference.height)?;
        let image = with_channels(image, image.channels.max(3));
        let reference = with_channels(reference, reference.channels.max(3));
        let (space, ranges) = match self.method {
            TransferMethod::MeanStd => (self.space.space(), self.space.ranges()),
            _ => (ColourSpace::Rgb, TransferSpace::Rgb.ranges()),
        };
        let mut out = map_pixels(&image, |rgb| space.from_rgb(rgb));
        let (from, to) =
            (Statistics::of(&out), Statistics::of(&map_pixels(&reference, |rgb| space.from_rgb(rgb))));
        let matrix = match self.method {
            TransferMethod::MeanStd => {
                let spread = |s: &Statistics, c: usize| s.covariance[c][c].max(0.0).sqrt();
                let mut m = [[0.0; 3]; 3];
                for (c, row) in m.iter_mut().enumerate() {
                    let (a, b) = (spread(&from, c), spread(&to, c));
                    let (over, under) = if self.reciprocal { (b, a) } else { (a, b) };
                    row[c] = if under > 1e-9 { over / under } else { 1.0 };
                }
                m
            }
            TransferMethod::LinearHistogram => {
                product(&from_axes(&to, |v| v.sqrt()), &from_axes(&from, |v| 1.0 / v.max(LEAST).sqrt()))
            }
            TransferMethod::Principal => from.principal_map(&to),
        };
        out = map_pixels(&out, |v| {
            [0, 1, 2].map(|c| {
                let row = matrix[c];
                let moved: f64 = (0..3).map(|k| row[k] * (f64::from(v[k]) - from.mean[k])).sum();
                (moved + to.mean[c]) as f32
            })
        });
        for (plane, range) in rgb_mut(&mut out).into_iter().zip(ranges) {
            fit(plane, range, self.overflow);
        }
        let mut out = map_pixels(&out, |v| space.to_rgb(v));
        if self.overflow != Overflow::Keep {
            let n = 3 * out.width * out.height;
            out.data[..n].iter_mut().for_each(|s| *s = s.clamp(0.0, 1.0));
        }
        if self.strength < 1.0 {
            let samples = out.data.iter_mut().zip(&image.data);
            samples.for_each(|(new, old)| *new = old + self.strength * (*new - old));
        }
        Ok(out)
    }
}

fn fit(plane: &mut [f32], (low, high): (f32, f32), overflow: Overflow) {
    match overflow {
        Overflow::Keep => {}
        Overflow::Clip => plane.iter_mut().for_each(|s| *s = s.clamp(low, high)),
        Overflow::Scale => {
            let min = plane.iter().copied().fold(f32::INFINITY, f32::min);
            let max = plane.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let (to_min, to_max) = (min.max(low), max.min(high));
            if max > min && (min < low || max > high) {
                let scale = (to_max - to_min) / (max - min);
                plane.iter_mut().for_each(|s| *s = to_min + (*s - min) * scale);
            }
        }
    }
}

/// Variance under which an axis has none: a hundredth of a step of 8 bits, squared.
const LEAST: f64 = 1.5e-9;

type Matrix = [[f64; 3]; 3];

struct Statistics {
    mean: [f64; 3],
    covariance: Matrix,
}

impl Statistics {
    /// Of the visible pixels of a picture of three or more channels; of all where none is.
    fn of(image: &PlanarImage) -> Self {
        let n = image.width * image.height;
        let visible = |i: usize| image.channels < 4 || image.plane(3)[i] > 0.0;
        let any = (0..n).any(visible);
        let finite = |i: usize| (0..3).all(|c| image.data[c * n + i].is_finite());
        let chosen = || (0..n).filter(|i| (visible(*i) || !any) && finite(*i));
        let count = (chosen().count() as f64).max(1.0);
        let sample = |c: usize, i: usize| f64::from(image.data[c * n + i]);
        let mut mean = [0.0; 3];
        for i in chosen() {
            (0..3).for_each(|c| mean[c] += sample(c, i));
        }
        mean.iter_mut().for_each(|m| *m /= count);
        let mut covariance = [[0.0; 3]; 3];
        for i in chosen() {
            let d = [0, 1, 2].map(|c| sample(c, i) - mean[c]);
            for r in 0..3 {
                (0..3).for_each(|c| covariance[r][c] += d[r] * d[c]);
            }
        }
        covariance.iter_mut().flatten().for_each(|v| *v /= count);
        Self { mean, covariance }
    }

    /// Maps this one's principal axes, in order of their variance, onto the other's.
    fn principal_map(&self, to: &Self) -> Matrix {
        let ((from_values, from_axes), (to_values, to_axes)) =
            (eigen(&self.covariance), eigen(&to.covariance));
        let mut m = [[0.0; 3]; 3];
        for k in 0..3 {
            let scale = (to_values[k].max(0.0) / from_values[k].max(LEAST)).sqrt();
            let along: f64 = (0..3).map(|c| from_axes[k][c] * to_axes[k][c]).sum();
            let scale = if from_values[k] < LEAST { 0.0 } else { scale.copysign(along) };
            for r in 0..3 {
                (0..3).for_each(|c| m[r][c] += scale * to_axes[k][r] * from_axes[k][c]);
            }
        }
        m
    }
}

/// The matrix with the axes of a covariance and a function of its variances.
fn from_axes(statistics: &Statistics, f: impl Fn(f64) -> f64) -> Matrix {
    let (values, axes) = eigen(&statistics.covariance);
    let mut m = [[0.0; 3]; 3];
    for k in 0..3 {
        let value = f(values[k].max(0.0));
        for r in 0..3 {
            (0..3).for_each(|c| m[r][c] += value * axes[k][r] * axes[k][c]);
        }
    }
    m
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let mut out = [[0.0; 3]; 3];
    for r in 0..3 {
        (0..3).for_each(|c| out[r][c] = (0..3).map(|k| a[r][k] * b[k][c]).sum());
    }
    out
}

/// Eigenvalues, the largest first, and unit eigenvectors of a symmetric matrix, by Jacobi's rotations.
fn eigen(m: &Matrix) -> ([f64; 3], Matrix) {
    let mut a = *m;
    // Rows are eigenvectors.
    let mut v = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for _ in 0..30 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if a[p][q].abs() < 1e-300 {
                continue;
            }
            let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
            let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
            let cos = 1.0 / (t * t + 1.0).sqrt();
            let sin = t * cos;
            for row in &mut a {
                (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
            }
            for k in 0..3 {
                (a[p][k], a[q][k]) = (cos * a[p][k] - sin * a[q][k], sin * a[p][k] + cos * a[q][k]);
                (v[p][k], v[q][k]) = (cos * v[p][k] - sin * v[q][k], sin * v[p][k] + cos * v[q][k]);
            }
        }
    }
    let mut order = [0, 1, 2];
    order.sort_by(|i, j| a[*j][*j].total_cmp(&a[*i][*i]));
    (order.map(|i| a[i][i]), order.map(|i| v[i]))
}

/// Gives a picture the histograms of another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatchHistogram {
    /// What is matched.
    pub channels: HistogramChannels,
    /// `0..=1`.
    pub strength: f32,
}

impl MatchHistogram {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { channels: HistogramChannels::of(values, "channels"), strength: values.f32("strength") / 100.0 }
    }

    /// Matches `image` to `reference`, of any size.
    ///
    /// # Errors
    /// When a picture has no pixels.
    pub fn apply(&self, image: &PlanarImage, reference: &PlanarImage) -> Result<PlanarImage, PictureError> {
        const OPERATION: &str = "match-histogram";
        check_size(OPERATION, image.width, image.height)?;
        check_size(OPERATION, reference.width, reference.height)?;
        let mut out = image.clone();
        let n = image.width * image.height;
        if self.channels == HistogramChannels::Luma || image.channels < 3 || reference.channels < 3 {
            let own = super::samples::luma(image);
            let map = QuantileMap::new(&own, &super::samples::luma(reference));
            for (i, luma) in own.iter().enumerate() {
                let change = self.strength * (map.at(*luma) - luma);
                (0..image.channels.min(3)).for_each(|c| out.data[c * n + i] += change);
            }
            return Ok(out);
        }
        for channel in 0..3 {
            let map = QuantileMap::new(image.plane(channel), reference.plane(channel));
            let plane = out.plane_mut(channel).iter_mut();
            plane.for_each(|s| *s += self.strength * (map.at(*s) - *s));
        }
        Ok(out)
    }
}

/// From a sample to that of the same rank elsewhere, by lines between quantiles.
struct QuantileMap {
    from: Vec<f32>,
    to: Vec<f32>,
}

impl QuantileMap {
    const N: usize = 1024;

    fn new(from: &[f32], to: &[f32]) -> Self {
        let quantiles = |samples: &[f32]| {
            let mut sorted: Vec<f32> = samples.iter().copied().filter(|s| s.is_finite()).collect();
            if sorted.is_empty() {
                sorted.push(0.0);
            }
            sorted.sort_unstable_by(f32::total_cmp);
            let last = sorted.len() - 1;
            let at = |i: usize| {
                let place = i as f64 / Self::N as f64 * last as f64;
                let (a, b) = (sorted[place as usize], sorted[(place as usize + 1).min(last)]);
                a + (place.fract() as f32) * (b - a)
            };
            (0..=Self::N).map(at).collect::<Vec<f32>>()
        };
        Self { from: quantiles(from), to: quantiles(to) }
    }

    fn at(&self, s: f32) -> f32 {
        let (first, end) = (self.from.partition_point(|q| *q < s), self.from.partition_point(|q| *q <= s));
        if end > first {
            // Many quantiles are the same sample: the middle of what they map to.
            return (self.to[first] + self.to[end - 1]) / 2.0;
        }
        if first == 0 {
            return self.to[0];
        }
        if first > Self::N {
            return self.to[Self::N];
        }
        let (low, high) = (self.from[first - 1], self.from[first]);
        let t = (s - low) / (high - low);
        self.to[first - 1] + t * (self.to[first] - self.to[first - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn transfer(method: TransferMethod, space: TransferSpace) -> ColourTransfer {
        ColourTransfer { method, space, overflow: Overflow::Keep, reciprocal: true, strength: 1.0 }
    }

    fn pair() -> (PlanarImage, PlanarImage) {
        let image = made::picture(3, 40, 33);
        let reference = map_pixels(&made::picture(3, 31, 22), |[r, g, b]| {
            [0.2 + 0.4 * r + 0.2 * b, 0.5 * g + 0.1 * r, 0.1 + 0.7 * b]
        });
        (image, reference)
    }

    #[test]
    fn statistics_become_those_of_the_reference() {
        let (image, reference) = pair();
        for &method in TransferMethod::ALL {
            for &space in TransferSpace::ALL {
                let out = transfer(method, space).apply(&image, &reference).unwrap();
                let colours = |i: &PlanarImage| {
                    let space =
                        if method == TransferMethod::MeanStd { space.space() } else { ColourSpace::Rgb };
                    Statistics::of(&map_pixels(i, |rgb| space.from_rgb(rgb)))
                };
                let (got, want) = (colours(&out), colours(&reference));
                for c in 0..3 {
                    let scale = want.covariance[0][0].sqrt().max(0.05);
                    assert!((got.mean[c] - want.mean[c]).abs() < 1e-3 * scale, "{method:?} {space:?}");
                    let spread = |s: &Statistics| s.covariance[c][c].sqrt();
                    assert!((spread(&got) - spread(&want)).abs() < 1e-3 * scale, "{method:?} {space:?}");
                    if method != TransferMethod::MeanStd {
                        assert!((got.covariance[0][c] - want.covariance[0][c]).abs() < 1e-4);
                    }
                }
                let same = transfer(method, space).apply(&image, &image).unwrap();
                made::close(&same.data, &image.data, 1e-4);
                made::keeps_shape_and_alpha(|i| {
                    let out = transfer(method, space).apply(i, &reference).unwrap();
                    if i.channels == 1 { i.clone() } else { out }
                });
            }
        }
    }

    #[test]
    fn overflow_is_clipped_or_squeezed() {
        let mut plane = vec![-1.0, 0.0, 0.5, 3.0];
        fit(&mut plane, (0.0, 1.0), Overflow::Scale);
        assert_eq!(plane, [0.0, 0.25, 0.375, 1.0]);
        let mut plane = vec![-1.0, 0.5, 3.0];
        fit(&mut plane, (0.0, 1.0), Overflow::Clip);
        assert_eq!(plane, [0.0, 0.5, 1.0]);
    }

    #[test]
    fn histograms() {
        let (image, reference) = pair();
        let matching = MatchHistogram { channels: HistogramChannels::Rgb, strength: 1.0 };
        made::close(&matching.apply(&image, &image).unwrap().data, &image.data, 1e-4);
        let out = matching.apply(&image, &reference).unwrap();
        for c in 0..3 {
            for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
                let q = |i: &PlanarImage| super::super::tone::quantile(i.plane(c), share);
                assert!((q(&out) - q(&reference)).abs() < 0.01, "{c} {share}");
            }
        }
        for &channels in HistogramChannels::ALL {
            let matching = MatchHistogram { channels, strength: 0.5 };
            made::keeps_shape_and_alpha(|i| matching.apply(i, &reference).unwrap());
        }
    }
}
