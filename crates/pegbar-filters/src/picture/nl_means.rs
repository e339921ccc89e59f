//! Non-local means: averages what looks alike, wherever it stands.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::border::Border;
use super::colour_model::ColourSpace;
use super::fast_exp::exp_negative;
use super::samples::{map_pixels, rgb_mut};

/// The parameters of [`NlMeans`].
pub const PARAMS: &[Param] = &[
    Param::float("luma", "Strength on lightness, about the noise in steps of 8 bits.", "", (0.0, 50.0), 3.0),
    Param::float("colour", "Strength on colour.", "", (0.0, 50.0), 3.0),
    Param::int("patch-radius", "Radius of the squares compared.", "px", (1, 24), 3),
    Param::int(
        "search-radius",
        "How far from a pixel its like are sought; time grows with the square.",
        "px",
        (1, 24),
        10,
    ),
];

/// Non-local means of Buades, Coll, Morel: "A non-local algorithm for image denoising" (2005), with the weights of
/// OpenCV's `fastNlMeansDenoising`: `e^(-d / h^2)` of the mean squared difference `d` of the squares, in steps of 8
/// bits, nothing under a thousandth; lightness and colour (L*a*b*) apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NlMeans {
    /// `h` of lightness.
    pub luma: f32,
    /// `h` of colour.
    pub colour: f32,
    /// Radius of the squares.
    pub patch_radius_px: usize,
    /// Radius of the search.
    pub search_radius_px: usize,
}

/// Rows worked on at a time: small enough for the cache.
const BAND: usize = 16;

impl NlMeans {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            luma: values.f32("luma"),
            colour: values.f32("colour"),
            patch_radius_px: values.usize("patch-radius"),
            search_radius_px: values.usize("search-radius"),
        }
    }

    /// Filters.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if (self.luma <= 0.0 && self.colour <= 0.0) || image.width == 0 || image.height == 0 {
            return image.clone();
        }
        if image.channels < 3 {
            let mut out = image.clone();
            self.filter::<1>([&mut out.data], image.width, self.luma, 255.0);
            return out;
        }
        // L* of 100 is 255 steps, as OpenCV's eight bits have it; a* and b* are steps as they are.
        let mut lab = map_pixels(image, |rgb| {
            let [l, a, b] = ColourSpace::Lab.from_rgb(rgb);
            [l * 2.55, a, b]
        });
        let [l, a, b] = rgb_mut(&mut lab);
        self.filter::<1>([l], image.width, self.luma, 1.0);
        self.filter::<2>([a, b], image.width, self.colour, 1.0);
        map_pixels(&lab, |[l, a, b]| ColourSpace::Lab.to_rgb([l / 2.55, a, b]))
    }

    /// Filters `N` planes that are compared together; `scale` makes their samples steps of 8 bits.
    fn filter<const N: usize>(&self, planes: [&mut [f32]; N], width: usize, h: f32, scale: f32) {
        if h <= 0.0 {
            return;
        }
        let (patch, search) = (self.patch_radius_px, self.search_radius_px);
        let margin = patch + search;
        let height = planes[0].len() / width;
        let stride = width + 2 * margin;
        let source: [Vec<f32>; N] = std::array::from_fn(|c| {
            let (mut all, mut line) = (Vec::with_capacity(stride * (height + 2 * margin)), Vec::new());
            for y in 0..height + 2 * margin {
                let y = Border::Mirror.index(y as isize - margin as isize, height);
                Border::Mirror.extend(&planes[c][y * width..(y + 1) * width], margin, margin, &mut line);
                all.extend_from_slice(&line);
            }
            all
        });
        let side = (2 * patch + 1) as f32;
        let factor = -scale * scale / (side * side * h * h * N as f32);
        let widest = Arch::new();
        let bands: Vec<[Vec<f32>; N]> = (0..height.div_ceil(BAND))
            .into_par_iter()
            .map(|band| {
                let rows = band * BAND..((band + 1) * BAND).min(height);
                let band = Band { source: &source, stride, width, patch, search };
                widest.dispatch(Mean { band, rows, factor })
            })
            .collect();
        for (c, plane) in planes.into_iter().enumerate() {
            let rows = plane.chunks_mut(BAND * width).zip(&bands);
            rows.for_each(|(rows, band)| rows.copy_from_slice(&band[c]));
        }
    }
}

/// Part of the planes with margins of patch and search on every side.
struct Band<'a, const N: usize> {
    source: &'a [Vec<f32>; N],
    stride: usize,
    width: usize,
    patch: usize,
    search: usize,
}

/// The weighted means of some rows of a band, compiled for each width of vectors. There is no arithmetic of its own for them, so the
/// result is the same.
struct Mean<'a, const N: usize> {
    band: Band<'a, N>,
    rows: std::ops::Range<usize>,
    factor: f32,
}

impl<const N: usize> WithSimd for Mean<'_, N> {
    type Output = [Vec<f32>; N];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        self.band.mean(self.rows, self.factor)
    }
}

impl<const N: usize> Band<'_, N> {
    /// The weighted means of some rows.
    #[inline(always)]
    fn mean(&self, rows: std::ops::Range<usize>, factor: f32) -> [Vec<f32>; N] {
        let n = rows.len() * self.width;
        let mut sums: [Vec<f32>; N] = std::array::from_fn(|_| vec![0.0; n]);
        let mut total = vec![0.0f32; n];
        let wide = self.width + 2 * self.patch;
        // Squared differences of a patch's rows, the last `2 patch + 1`, and their sums.
        let (mut squares, mut column) = (vec![0.0f32; wide * (2 * self.patch + 1)], vec![0.0f32; wide]);
        let mut weights = vec![0.0f32; self.width];
        let search = self.search as isize;
        for dy in -search..=search {
            for dx in -search..=search {
                column.fill(0.0);
                squares.fill(0.0);
                for step in 0..rows.len() + 2 * self.patch {
                    let y = rows.start + self.search + step;
                    let at = step % (2 * self.patch + 1) * wide;
                    self.slide(y, dy, dx, &mut squares[at..at + wide], &mut column);
                    let Some(row) = step.checked_sub(2 * self.patch) else { continue };
                    self.weigh(&column, factor, &mut weights);
                    let span = row * self.width..(row + 1) * self.width;
                    let y = (rows.start + row + self.search + self.patch).wrapping_add_signed(dy);
                    let start = y * self.stride + (self.search + self.patch).wrapping_add_signed(dx);
                    for (c, sum) in sums.iter_mut().enumerate() {
                        let source = &self.source[c][start..start + self.width];
                        let samples = sum[span.clone()].iter_mut().zip(source).zip(&weights);
                        samples.for_each(|((sum, s), w)| *sum += w * s);
                    }
                    total[span].iter_mut().zip(&weights).for_each(|(t, w)| *t += w);
                }
            }
        }
        for sum in &mut sums {
            sum.iter_mut().zip(&total).for_each(|(s, t)| *s /= t);
        }
        sums
    }

    /// Takes the row that leaves the patch out of the column sums and the one that comes into it in.
    #[inline(always)]
    fn slide(&self, y: usize, dy: isize, dx: isize, squares: &mut [f32], column: &mut [f32]) {
        let wide = squares.len();
        let own_start = y * self.stride + self.search;
        let near_start = y.wrapping_add_signed(dy) * self.stride + self.search.wrapping_add_signed(dx);
        let rows = self
            .source
            .each_ref()
            .map(|s| (&s[own_start..own_start + wide], &s[near_start..near_start + wide]));
        for (x, (square, sum)) in squares.iter_mut().zip(&mut column[..wide]).enumerate() {
            let mut new = 0.0;
            for (own, near) in &rows {
                let d = own[x] - near[x];
                new += d * d;
            }
            *sum += new - *square;
            *square = new;
        }
    }

    #[inline(always)]
    fn weigh(&self, column: &[f32], factor: f32, weights: &mut [f32]) {
        let width = self.width;
        weights.copy_from_slice(&column[..width]);
        for i in 1..=2 * self.patch {
            weights.iter_mut().zip(&column[i..i + width]).for_each(|(w, c)| *w += c);
        }
        for w in weights {
            let weight = exp_negative(w.max(0.0) * factor);
            *w = if weight < 1e-3 { 0.0 } else { weight };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn all_widths_of_vectors_make_the_same_bits() {
        let image = made::picture(1, 40, 57);
        let (patch, search, width) = (2, 4, image.width);
        let margin = patch + search;
        let mut source = Vec::new();
        let mut line = Vec::new();
        for y in 0..image.height + 2 * margin {
            let y = Border::Mirror.index(y as isize - margin as isize, image.height);
            Border::Mirror.extend(&image.data[y * width..(y + 1) * width], margin, margin, &mut line);
            source.extend_from_slice(&line);
        }
        let source = [source];
        let mean = || {
            let band = Band { source: &source, stride: width + 2 * margin, width, patch, search };
            Mean { band, rows: 3..19, factor: -40.0 }
        };
        let scalar = mean().with_simd(pulp::Scalar::new());
        assert_eq!(Arch::new().dispatch(mean()), scalar);
    }

    #[test]
    fn equals_the_formula() {
        let image = made::picture(1, 21, 19);
        let filter = NlMeans { luma: 10.0, colour: 0.0, patch_radius_px: 1, search_radius_px: 3 };
        let out = filter.apply(&image);
        let at = |x: isize, y: isize| {
            f64::from(image.data[Border::Mirror.index(y, 19) * 21 + Border::Mirror.index(x, 21)]) * 255.0
        };
        for y in 0..19isize {
            for x in 0..21isize {
                let (mut sum, mut total) = (0.0, 0.0);
                for (dy, dx) in (-3..=3).flat_map(|dy| (-3..=3).map(move |dx| (dy, dx))) {
                    let squares = (-1..=1).flat_map(|py| (-1..=1).map(move |px| (px, py)));
                    let d: f64 = squares
                        .map(|(px, py)| (at(x + px, y + py) - at(x + dx + px, y + dy + py)).powi(2))
                        .sum();
                    let weight = (-d / 9.0 / 100.0).exp();
                    if weight >= 1e-3 {
                        sum += weight * at(x + dx, y + dy);
                        total += weight;
                    }
                }
                let got = out.data[(y * 21 + x) as usize];
                assert!((f64::from(got) - sum / total / 255.0).abs() < 2e-4, "{x} {y}");
            }
        }
    }

    #[test]
    fn noise_goes_and_the_edge_stays() {
        let clean: Vec<f32> = (0..32 * 32).map(|i| if i % 32 < 16 { 0.25 } else { 0.75 }).collect();
        let noise = |i: usize| ((i.wrapping_mul(2_654_435_761) >> 8) % 1000) as f32 / 1000.0 - 0.5;
        let noisy: Vec<f32> = clean.iter().enumerate().map(|(i, s)| s + 0.06 * noise(i)).collect();
        let image = PlanarImage { width: 32, height: 32, channels: 1, data: noisy };
        let out = NlMeans { luma: 6.0, colour: 3.0, patch_radius_px: 2, search_radius_px: 7 }.apply(&image);
        let error = |data: &[f32]| data.iter().zip(&clean).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        assert!(error(&out.data) < error(&image.data) / 6.0, "{} {}", error(&out.data), error(&image.data));
    }

    #[test]
    fn shapes() {
        let filter = NlMeans { search_radius_px: 4, ..NlMeans::from_values(&ParamValues::defaults(PARAMS)) };
        made::keeps_shape_and_alpha(|image| filter.apply(image));
        let none = NlMeans { luma: 0.0, colour: 0.0, ..filter };
        let image = made::picture(4, 9, 7);
        assert_eq!(none.apply(&image), image);
    }
}
