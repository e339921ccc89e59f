//! Separable resampling with the kernels of the literature.

use std::f64::consts::PI;

use pegbar_frame::PlanarImage;

use super::choices::choices;
use super::convolution::weighted_sum;

choices! {
    /// The kernel a picture is resampled with.
    ResizeFilter {
        Auto = "auto", "Box where both sides shrink or stay, Lanczos where one grows.";
        Nearest = "nearest", "The pixel that lies there: hard steps, no new colours.";
        Box = "box", "The mean of the pixels covered: the plain choice for shrinking.";
        Linear = "linear", "Triangle: soft, never overshoots.";
        Hermite = "hermite", "Cubic step: like linear, with less blur, never overshoots.";
        Catrom = "catrom", "Catmull-Rom, the usual bicubic: sharp, overshoots a little.";
        Mitchell = "mitchell", "Mitchell-Netravali: between sharp and soft.";
        BSpline = "b-spline", "Cubic B-spline: the softest, never overshoots.";
        Hamming = "hamming", "Sinc with one lobe under a Hamming window: sharper than linear when shrinking.";
        Hann = "hann", "Sinc with one lobe under a Hann window.";
        Lanczos = "lanczos", "Sinc with three lobes under a sinc: the sharpest, may ring.";
        Lagrange = "lagrange", "Cubic Lagrange polynomials: sharp, with small kinks.";
        Gauss = "gauss", "Gaussian of half a pixel: soft, never overshoots.";
    }
}

impl ResizeFilter {
    /// The filter that `Auto` means for a change of size; any other as it is.
    pub fn resolve(self, from: (usize, usize), to: (usize, usize)) -> Self {
        match self {
            Self::Auto if to.0 > from.0 || to.1 > from.1 => Self::Lanczos,
            Self::Auto => Self::Box,
            other => other,
        }
    }

    /// Half the width of the kernel in source pixels.
    fn support(self) -> f64 {
        match self {
            Self::Nearest | Self::Auto | Self::Box => 0.5,
            Self::Linear | Self::Hermite | Self::Hamming | Self::Hann => 1.0,
            Self::Catrom | Self::Mitchell | Self::BSpline | Self::Lagrange => 2.0,
            Self::Lanczos | Self::Gauss => 3.0,
        }
    }

    /// The kernel at a distance in pixels.
    fn weight(self, x: f64) -> f64 {
        let d = x.abs();
        if d > self.support() {
            return 0.0;
        }
        match self {
            // Half open, so that a sample between two pixels counts for one of them.
            Self::Nearest | Self::Auto | Self::Box => f64::from(-0.5 < x && x <= 0.5),
            Self::Linear => 1.0 - d,
            Self::Hermite => (2.0 * d - 3.0) * d * d + 1.0,
            Self::Catrom => cubic(d, 0.0, 0.5),
            Self::Mitchell => cubic(d, 1.0 / 3.0, 1.0 / 3.0),
            Self::BSpline => cubic(d, 1.0, 0.0),
            Self::Hamming => sinc(d) * (0.54 + 0.46 * (PI * d).cos()),
            Self::Hann => sinc(d) * (0.5 + 0.5 * (PI * d).cos()),
            Self::Lanczos => sinc(d) * sinc(d / 3.0),
            Self::Lagrange if d < 1.0 => (1.0 - d * d) * (2.0 - d) / 2.0,
            Self::Lagrange => (1.0 - d) * (2.0 - d) * (3.0 - d) / 6.0,
            Self::Gauss => (-2.0 * d * d).exp(),
        }
    }
}

/// Resamples every channel alone to `width` x `height`, neither of which is zero. Without `antialias` a kernel is no
/// wider when shrinking than when enlarging. Beyond the edges samples have no weight.
pub(crate) fn resample(
    image: &PlanarImage,
    width: usize,
    height: usize,
    filter: ResizeFilter,
    antialias: bool,
) -> PlanarImage {
    let filter = filter.resolve((image.width, image.height), (width, height));
    let (across, down) = (
        Weights::new(filter, image.width, width, antialias),
        Weights::new(filter, image.height, height, antialias),
    );
    let mut out = PlanarImage::zeros(image.channels, height, width);
    for channel in 0..image.channels {
        let mut plane = image.plane(channel).to_vec();
        if height != image.height {
            plane = down.apply(&plane, image.width);
        }
        if width != image.width {
            plane = transpose(&across.apply(&transpose(&plane, image.width), height), height);
        }
        out.plane_mut(channel).copy_from_slice(&plane);
    }
    out
}

/// Columns to rows.
pub(crate) fn transpose(plane: &[f32], width: usize) -> Vec<f32> {
    const BLOCK: usize = 16;
    let height = plane.len() / width;
    let mut out = vec![0.0; plane.len()];
    for y0 in (0..height).step_by(BLOCK) {
        for x0 in (0..width).step_by(BLOCK) {
            for x in x0..(x0 + BLOCK).min(width) {
                let column = &mut out[x * height..(x + 1) * height];
                for y in y0..(y0 + BLOCK).min(height) {
                    column[y] = plane[y * width + x];
                }
            }
        }
    }
    out
}

/// For each output row the first source row and the weights from there on.
struct Weights(Vec<(usize, Vec<f32>)>);

impl Weights {
    fn new(filter: ResizeFilter, from: usize, to: usize, antialias: bool) -> Self {
        let ratio = from as f64 / to as f64;
        if filter == ResizeFilter::Nearest {
            let nearest = |i: usize| (((i as f64 + 0.5) * ratio) as usize).min(from - 1);
            return Self((0..to).map(|i| (nearest(i), vec![1.0])).collect());
        }
        let scale = if antialias { ratio.max(1.0) } else { 1.0 };
        let reach = filter.support() * scale;
        let row = |i: usize| {
            let centre = (i as f64 + 0.5) * ratio;
            let first = (centre - reach).floor().max(0.0) as usize;
            let last = ((centre + reach).ceil() as usize).min(from).max(first + 1);
            let weights: Vec<f64> =
                (first..last).map(|j| filter.weight((j as f64 + 0.5 - centre) / scale)).collect();
            let sum: f64 = weights.iter().sum();
            if sum.abs() < 1e-9 {
                return ((centre as usize).min(from - 1), vec![1.0]);
            }
            (first, weights.iter().map(|w| (w / sum) as f32).collect())
        };
        Self((0..to).map(row).collect())
    }

    fn apply(&self, plane: &[f32], width: usize) -> Vec<f32> {
        let mut out = vec![0.0; self.0.len() * width];
        for ((first, weights), out) in self.0.iter().zip(out.chunks_exact_mut(width)) {
            weighted_sum(out, weights, |i| &plane[(first + i) * width..(first + i + 1) * width]);
        }
        out
    }
}

/// The cubic kernels of Mitchell and Netravali: "Reconstruction filters in computer graphics" (1988).
fn cubic(d: f64, b: f64, c: f64) -> f64 {
    if d < 1.0 {
        ((12.0 - 9.0 * b - 6.0 * c) * d * d * d + (-18.0 + 12.0 * b + 6.0 * c) * d * d + 6.0 - 2.0 * b) / 6.0
    } else {
        ((-b - 6.0 * c) * d * d * d
            + (6.0 * b + 30.0 * c) * d * d
            + (-12.0 * b - 48.0 * c) * d
            + 8.0 * b
            + 24.0 * c)
            / 6.0
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;
    use pegbar_frame::Filter;

    #[test]
    fn agrees_with_the_resize_of_networks() {
        for (from, to) in [((40, 33), (97, 50)), ((64, 48), (20, 17)), ((17, 13), (34, 5)), ((1, 1), (4, 3))]
        {
            let image = made::picture(3, from.0, from.1);
            for (ours, theirs) in [
                (ResizeFilter::Nearest, Filter::Nearest),
                (ResizeFilter::Linear, Filter::Bilinear),
                (ResizeFilter::Catrom, Filter::Bicubic),
                (ResizeFilter::Lanczos, Filter::Lanczos3),
            ] {
                let want = pegbar_frame::resize(&image, to.0, to.1, theirs).unwrap();
                made::close(&resample(&image, to.0, to.1, ours, true).data, &want.data, 3e-5);
            }
        }
        let image = made::picture(3, 60, 36);
        let want = pegbar_frame::resize(&image, 20, 9, Filter::Area).unwrap();
        made::close(&resample(&image, 20, 9, ResizeFilter::Box, true).data, &want.data, 1e-6);
    }

    #[test]
    fn kernels_at_known_distances() {
        let at = |filter: ResizeFilter, x: f64| filter.weight(x);
        let cases = [
            (ResizeFilter::Hermite, 0.5, 0.5),
            (ResizeFilter::Catrom, 0.5, 0.5625),
            (ResizeFilter::Catrom, 1.5, -0.0625),
            (ResizeFilter::Mitchell, 0.0, 8.0 / 9.0),
            (ResizeFilter::Mitchell, 1.0, 1.0 / 18.0),
            (ResizeFilter::BSpline, 0.0, 2.0 / 3.0),
            (ResizeFilter::BSpline, 1.0, 1.0 / 6.0),
            (ResizeFilter::Hamming, 0.5, 2.0 / PI * 0.54),
            (ResizeFilter::Hann, 0.5, 1.0 / PI),
            (ResizeFilter::Lagrange, 0.5, 0.5625),
            (ResizeFilter::Lagrange, 1.5, -0.0625),
            (ResizeFilter::Gauss, 1.0, (-2.0f64).exp()),
            (ResizeFilter::Lanczos, 1.5, (-2.0 / (3.0 * PI)) * (2.0 / PI)),
        ];
        for (filter, x, want) in cases {
            assert!((at(filter, x) - want).abs() < 1e-12, "{filter:?} at {x}: {}", at(filter, x));
            assert!((at(filter, -x) - want).abs() < 1e-12);
        }
    }

    #[test]
    fn flat_stays_flat() {
        for &filter in ResizeFilter::ALL {
            for antialias in [true, false] {
                for (w, h) in made::SIZES {
                    let image = PlanarImage { width: w, height: h, channels: 4, data: vec![0.3; 4 * w * h] };
                    for (to_w, to_h) in [(1, 1), (7, 3), (50, 41)] {
                        let out = resample(&image, to_w, to_h, filter, antialias);
                        made::close(&out.data, &vec![0.3; 4 * to_w * to_h], 1e-6);
                    }
                }
            }
        }
    }
}
