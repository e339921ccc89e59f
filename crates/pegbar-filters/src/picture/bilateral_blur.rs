//! Blurs that stop at edges.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};
use rayon::prelude::*;

use super::border::Border;
use super::fast_exp::exp_negative;
use super::samples::n_colours;

/// The parameters of [`BilateralBlur`].
pub const PARAMS: &[Param] = &[
    Param::int("radius", "How far the blur reaches.", "px", (0, 100), 4),
    Param::float(
        "colour-sigma",
        "How different colours may be and still mix, in steps of 8 bits.",
        "",
        (0.0, 1000.0),
        25.0,
    ),
    Param::float(
        "space-sigma",
        "How fast the weight of pixels falls with their distance.",
        "px",
        (0.0, 1000.0),
        25.0,
    ),
];

/// The parameters of [`SurfaceBlur`].
pub const SURFACE_PARAMS: &[Param] = &[
    Param::int("radius", "How far the blur reaches.", "px", (0, 100), 5),
    Param::float(
        "threshold",
        "Differences from 2.5 times this on do not mix, in steps of 8 bits.",
        "",
        (0.1, 255.0),
        15.0,
    ),
];

/// Means weighted by distance and by likeness of colour: Tomasi, Manduchi: "Bilateral filtering for gray and color
/// images" (1998). Colours are as far apart as the sum of the differences of their channels, and the window is a
/// disc, as OpenCV has both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BilateralBlur {
    /// Radius of the disc.
    pub radius_px: usize,
    /// Standard deviation of colour, in samples (`1/255` for a step of 8 bits).
    pub colour_sigma: f32,
    /// Standard deviation of distance.
    pub space_sigma_px: f32,
}

impl BilateralBlur {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            radius_px: values.usize("radius"),
            colour_sigma: values.f32("colour-sigma") / 255.0,
            space_sigma_px: values.f32("space-sigma"),
        }
    }

    /// Blurs.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.radius_px == 0 || self.colour_sigma <= 0.0 || self.space_sigma_px <= 0.0 {
            return image.clone();
        }
        let reach = self.radius_px as isize;
        let colour = -0.5 / (self.colour_sigma * self.colour_sigma);
        let space = -0.5 / (self.space_sigma_px * self.space_sigma_px);
        let mut taps = Vec::new();
        for dy in -reach..=reach {
            for dx in (-reach..=reach).filter(|dx| dx * dx + dy * dy <= reach * reach) {
                taps.push(Tap { dx, dy, weight: ((dx * dx + dy * dy) as f32 * space).exp() });
            }
        }
        match n_colours(image) {
            3 => blur::<3>(image, 0, self.radius_px, &taps, |d| exp_negative(d * d * colour)),
            _ => blur::<1>(image, 0, self.radius_px, &taps, |d| exp_negative(d * d * colour)),
        }
    }
}

/// Means over a square of what differs little, each channel alone: the weight falls in a line with the difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurfaceBlur {
    /// How far the square reaches.
    pub radius_px: usize,
    /// Differences of 2.5 times this have no weight.
    pub threshold: f32,
}

impl SurfaceBlur {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { radius_px: values.usize("radius"), threshold: values.f32("threshold") / 255.0 }
    }

    /// Blurs.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.radius_px == 0 {
            return image.clone();
        }
        let reach = self.radius_px as isize;
        let taps: Vec<Tap> = (-reach..=reach)
            .flat_map(|dy| (-reach..=reach).map(move |dx| Tap { dx, dy, weight: 1.0 }))
            .collect();
        let slope = 1.0 / (2.5 * self.threshold);
        let mut out = image.clone();
        for channel in 0..n_colours(image) {
            out = blur::<1>(&out, channel, self.radius_px, &taps, |d| (1.0 - d * slope).max(0.0));
        }
        out
    }
}

struct Tap {
    dx: isize,
    dy: isize,
    weight: f32,
}

/// Blurs `N` planes from `first` on with weights that depend on the sum of their differences.
fn blur<const N: usize>(
    image: &PlanarImage,
    first: usize,
    radius: usize,
    taps: &[Tap],
    weigh: impl Fn(f32) -> f32 + Sync,
) -> PlanarImage {
    let (width, height) = (image.width, image.height);
    let mut out = image.clone();
    if width == 0 || height == 0 {
        return out;
    }
    let stride = width + 2 * radius;
    let extended: [Vec<f32>; N] = std::array::from_fn(|c| {
        let (mut all, mut line) = (Vec::with_capacity(stride * height), Vec::new());
        for row in image.plane(first + c).chunks_exact(width) {
            Border::Mirror.extend(row, radius, radius, &mut line);
            all.extend_from_slice(&line);
        }
        all
    });
    let rows: Vec<[Vec<f32>; N]> = (0..height)
        .into_par_iter()
        .map(|y| {
            let mut sums: [Vec<f32>; N] = std::array::from_fn(|_| vec![0.0; width]);
            let mut weights = vec![0.0f32; width];
            let mut distance = vec![0.0f32; width];
            let row = |c: usize, y: usize, dx: isize| {
                let start = y * stride + radius.wrapping_add_signed(dx);
                &extended[c][start..start + width]
            };
            let centre: [&[f32]; N] = std::array::from_fn(|c| row(c, y, 0));
            for tap in taps {
                let near_y = Border::Mirror.index(y as isize + tap.dy, height);
                let near: [&[f32]; N] = std::array::from_fn(|c| row(c, near_y, tap.dx));
                // One simple loop after another: each vectorises.
                distance.fill(0.0);
                for (near, centre) in near.iter().zip(&centre) {
                    let samples = distance.iter_mut().zip(*near).zip(*centre);
                    samples.for_each(|((d, a), b)| *d += (a - b).abs());
                }
                distance.iter_mut().for_each(|d| *d = tap.weight * weigh(*d));
                weights.iter_mut().zip(&distance).for_each(|(total, w)| *total += w);
                for (sum, near) in sums.iter_mut().zip(&near) {
                    sum.iter_mut().zip(*near).zip(&distance).for_each(|((s, a), w)| *s += w * a);
                }
            }
            for sum in &mut sums {
                sum.iter_mut().zip(&weights).for_each(|(s, w)| *s /= w);
            }
            sums
        })
        .collect();
    for (y, row) in rows.iter().enumerate() {
        for (c, samples) in row.iter().enumerate() {
            out.plane_mut(first + c)[y * width..(y + 1) * width].copy_from_slice(samples);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn equals_the_formula() {
        let image = made::picture(3, 17, 13);
        let blur = BilateralBlur { radius_px: 3, colour_sigma: 0.1, space_sigma_px: 2.0 };
        let out = blur.apply(&image);
        let n = 17 * 13;
        for i in 0..n {
            let (x, y) = ((i % 17) as isize, (i / 17) as isize);
            let (mut sum, mut total) = ([0.0f64; 3], 0.0f64);
            for dy in -3..=3isize {
                for dx in -3..=3isize {
                    if dx * dx + dy * dy > 9 {
                        continue;
                    }
                    let j = Border::Mirror.index(y + dy, 13) * 17 + Border::Mirror.index(x + dx, 17);
                    let d: f32 = (0..3).map(|c| (image.data[c * n + j] - image.data[c * n + i]).abs()).sum();
                    let w = f64::from(-(dx * dx + dy * dy) as f32 / 8.0 - d * d / 0.02).exp();
                    total += w;
                    (0..3).for_each(|c| sum[c] += w * f64::from(image.data[c * n + j]));
                }
            }
            let got = [0, 1, 2].map(|c| out.data[c * n + i]);
            made::close(&got, &sum.map(|s| (s / total) as f32), 1e-5);
        }
    }

    #[test]
    fn edges_stay() {
        let data: Vec<f32> =
            (0..400).map(|i| f32::from(u8::from(i % 20 >= 10)) + (i % 3) as f32 * 0.01).collect();
        let image = PlanarImage { width: 20, height: 20, channels: 1, data };
        let edge = |i: &PlanarImage| i.data[210] - i.data[209];
        for out in [
            BilateralBlur { radius_px: 4, colour_sigma: 0.1, space_sigma_px: 5.0 }.apply(&image),
            SurfaceBlur { radius_px: 4, threshold: 0.05 }.apply(&image),
        ] {
            assert!((edge(&out) - 1.0).abs() < 0.01);
            assert!((out.data[204] - 0.01).abs() < 0.003);
        }
        made::keeps_shape_and_alpha(|i| BilateralBlur::from_values(&ParamValues::defaults(PARAMS)).apply(i));
        made::keeps_shape_and_alpha(|i| {
            SurfaceBlur::from_values(&ParamValues::defaults(SURFACE_PARAMS)).apply(i)
        });
        let none = BilateralBlur { radius_px: 4, colour_sigma: 0.0, space_sigma_px: 1.0 };
        assert_eq!(none.apply(&image), image);
    }
}
