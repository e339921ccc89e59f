//! Edges by derivatives, and Canny's lines.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::border::Border;
use super::choices::choices;
use super::convolution::{correlate, gaussian};
use super::morphology::{Shape, extreme};
use super::samples::{gray, luma, map_planes};

/// The parameters of [`EdgeDetect`].
pub const PARAMS: &[Param] = &[
    Param::choice("method", "The derivative.", EdgeMethod::CHOICES, "sobel"),
    Param::float("amount", "Edges are multiplied by this.", "", (0.0, 10.0), 1.0),
    Param::choice("component", "Which part of the gradient shows.", GradientPart::CHOICES, "magnitude"),
    Param::float(
        "radius-1",
        "The narrower blur, with `method` difference-of-gaussians.",
        "px",
        (0.0, 100.0),
        1.0,
    ),
    Param::float(
        "radius-2",
        "The wider blur, with `method` difference-of-gaussians.",
        "px",
        (0.0, 100.0),
        2.0,
    ),
];

/// The parameters of [`Canny`].
pub const CANNY_PARAMS: &[Param] = &[
    Param::float(
        "low",
        "Gradient that goes on with a line, as the sum of both Sobel derivatives in steps of 8 bits.",
        "",
        (0.0, 2040.0),
        100.0,
    ),
    Param::float("high", "Gradient that begins a line.", "", (0.0, 2040.0), 200.0),
    Param::float("blur", "Standard deviation of a blur before, against noise.", "px", (0.0, 20.0), 1.0),
];

choices! {
    /// A derivative.
    EdgeMethod {
        Sobel = "sobel", "Sobel.";
        Scharr = "scharr", "Scharr: truer directions.";
        Prewitt = "prewitt", "Prewitt.";
        Gradient = "gradient", "Differences to the pixel before.";
        Differential = "differential", "Differences within squares of four pixels.";
        Roberts = "roberts", "Differences across the diagonals; magnitude only.";
        PrewittCompass = "prewitt-compass", "The strongest of eight directions.";
        Laplacian = "laplacian", "Second derivative, where positive: the dark side of edges.";
        LaplacianDenoise = "laplacian-denoise", "Laplacian weighted by local range: less noise.";
        DifferenceOfGaussians = "difference-of-gaussians", "A narrow blur less a wide one, where positive.";
    }
}

choices! {
    /// A part of a gradient.
    GradientPart {
        Magnitude = "magnitude", "Its length.";
        X = "x", "Its horizontal part about a half gray.";
        Y = "y", "Its vertical part about a half gray.";
    }
}

/// Edges of each channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EdgeDetect {
    /// The derivative.
    pub method: EdgeMethod,
    /// Factor.
    pub amount: f32,
    /// Which part of the gradient.
    pub part: GradientPart,
    /// Standard deviations of the two blurs of [`EdgeMethod::DifferenceOfGaussians`].
    pub radii_px: (f32, f32),
}

type Kernel = [f32; 9];

impl EdgeDetect {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            method: EdgeMethod::of(values, "method"),
            amount: values.f32("amount"),
            part: GradientPart::of(values, "component"),
            radii_px: (values.f32("radius-1"), values.f32("radius-2")),
        }
    }

    /// Edges, clipped to 0..1. The vertical part is positive where the picture is lighter above.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let width = image.width;
        let with = |plane: &[f32], kernel: &Kernel| correlate(plane, width, kernel, 3, Border::Mirror);
        let clip = |plane: &mut Vec<f32>, f: &dyn Fn(f32) -> f32| {
            plane.iter_mut().for_each(|s| *s = f(*s).clamp(0.0, 1.0));
        };
        map_planes(image, |plane| {
            let mut out;
            match self.method {
                EdgeMethod::Laplacian => {
                    out = with(plane, &LAPLACE);
                    clip(&mut out, &|s| s * self.amount);
                }
                EdgeMethod::LaplacianDenoise => {
                    out = with(plane, &LAPLACE);
                    let high = extreme(plane, width, Shape::Cross, 1, f32::max);
                    let low = extreme(plane, width, Shape::Cross, 1, f32::min);
                    for ((out, s), (high, low)) in out.iter_mut().zip(plane).zip(high.iter().zip(&low)) {
                        let range = (high - s).max(s - low);
                        *out = (range * (*out * 10.0).clamp(-0.75, 0.75) * self.amount).clamp(0.0, 1.0);
                    }
                }
                EdgeMethod::DifferenceOfGaussians => {
                    let (narrow, wide) = self.radii_px;
                    out = gaussian(plane, width, narrow, narrow);
                    let wide = gaussian(plane, width, wide, wide);
                    out.iter_mut().zip(&wide).for_each(|(n, w)| *n -= w);
                    clip(&mut out, &|s| s * self.amount);
                }
                EdgeMethod::PrewittCompass => {
                    out = vec![0.0; plane.len()];
                    for base in COMPASS {
                        let mut kernel = base.map(|k| k * 0.25);
                        for _ in 0..4 {
                            let edges = with(plane, &kernel);
                            out.iter_mut().zip(&edges).for_each(|(o, e)| *o = o.max(e.abs()));
                            kernel = quarter_turn(&kernel);
                        }
                    }
                    clip(&mut out, &|s| s * self.amount / 2.0);
                }
                _ => {
                    let (kernel_x, kernel_y) = self.gradient();
                    let scale = self.amount / 2.0;
                    let part =
                        if self.method == EdgeMethod::Roberts { GradientPart::Magnitude } else { self.part };
                    match part {
                        GradientPart::X => {
                            out = with(plane, &kernel_x);
                            clip(&mut out, &|s| s * scale + 0.5);
                        }
                        GradientPart::Y => {
                            out = with(plane, &kernel_y);
                            clip(&mut out, &|s| s * scale + 0.5);
                        }
                        GradientPart::Magnitude => {
                            out = with(plane, &kernel_x);
                            let y = with(plane, &kernel_y);
                            let both = out.iter_mut().zip(&y);
                            both.for_each(|(x, y)| *x = ((*x * *x + y * y).sqrt() * scale).clamp(0.0, 1.0));
                        }
                    }
                }
            }
            out
        })
    }

    /// The kernels of the derivative across and up.
    fn gradient(&self) -> (Kernel, Kernel) {
        let smooth = |side: f32, middle: f32| [-side, 0.0, side, -middle, 0.0, middle, -side, 0.0, side];
        let x = match self.method {
            EdgeMethod::Scharr => smooth(47.0 / 256.0, 162.0 / 256.0),
            EdgeMethod::Prewitt => smooth(1.0 / 3.0, 1.0 / 3.0),
            EdgeMethod::Gradient => [0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
            EdgeMethod::Differential => {
                let x = [0.0, 0.0, 0.0, 0.0, -0.5, 0.5, 0.0, -0.5, 0.5];
                return (x, [0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0, -0.5, -0.5]);
            }
            EdgeMethod::Roberts => {
                let x = [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0];
                return (x, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0]);
            }
            _ => smooth(0.25, 0.5),
        };
        (x, quarter_turn(&x))
    }
}

const LAPLACE: Kernel = [0.25, 0.25, 0.25, 0.25, -2.0, 0.25, 0.25, 0.25, 0.25];

/// Towards the right and towards the upper right, times four.
const COMPASS: [Kernel; 2] =
    [[-1.0, 1.0, 1.0, -1.0, -2.0, 1.0, -1.0, 1.0, 1.0], [1.0, 1.0, 1.0, -1.0, -2.0, 1.0, -1.0, -1.0, 1.0]];

/// Counterclockwise.
fn quarter_turn(k: &Kernel) -> Kernel {
    [k[2], k[5], k[8], k[1], k[4], k[7], k[0], k[3], k[6]]
}

/// Lines one pixel wide: Canny: "A computational approach to edge detection" (1986), with OpenCV's measure of
/// gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Canny {
    /// Gradient that goes on with a line, in steps of 8 bits.
    pub low: f32,
    /// Gradient that begins a line.
    pub high: f32,
    /// Standard deviation of the blur before.
    pub blur_px: f32,
}

impl Canny {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { low: values.f32("low"), high: values.f32("high"), blur_px: values.f32("blur") }
    }

    /// White lines on black, of one channel.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let (w, h) = (image.width, image.height);
        if w == 0 || h == 0 {
            return gray(w, h, Vec::new());
        }
        let blurred = gaussian(&luma(image), w, self.blur_px, self.blur_px);
        let kernel = [-255.0, 0.0, 255.0, -510.0, 0.0, 510.0, -255.0, 0.0, 255.0];
        let gx = correlate(&blurred, w, &kernel, 3, Border::Replicate);
        // Down is positive here.
        let gy = correlate(&blurred, w, &quarter_turn(&kernel).map(|k| -k), 3, Border::Replicate);
        let magnitude: Vec<f32> = gx.iter().zip(&gy).map(|(x, y)| x.abs() + y.abs()).collect();
        let at = |x: isize, y: isize| {
            let inside = x >= 0 && y >= 0 && (x as usize) < w && (y as usize) < h;
            if inside { magnitude[y as usize * w + x as usize] } else { 0.0 }
        };
        let (low, high) = (self.low.min(self.high), self.low.max(self.high));
        let mut lines = vec![false; w * h];
        let mut candidates = vec![false; w * h];
        let mut stack = Vec::new();
        for i in 0..w * h {
            let m = magnitude[i];
            if m <= low || m.is_nan() {
                continue;
            }
            let (x, y) = ((i % w) as isize, (i / w) as isize);
            // Tangents of 22.5 and 67.5 degrees.
            let (ax, ay) = (gx[i].abs(), gy[i].abs());
            let (before, after) = if ay < 0.414_213_56 * ax {
                (at(x - 1, y), at(x + 1, y))
            } else if ay > 2.414_213_6 * ax {
                (at(x, y - 1), at(x, y + 1))
            } else if (gx[i] < 0.0) == (gy[i] < 0.0) {
                (at(x - 1, y - 1), at(x + 1, y + 1))
            } else {
                (at(x + 1, y - 1), at(x - 1, y + 1))
            };
            if m > before && m >= after {
                candidates[i] = true;
                if m > high {
                    lines[i] = true;
                    stack.push(i);
                }
            }
        }
        while let Some(i) = stack.pop() {
            let (x, y) = (i % w, i / w);
            for ny in y.saturating_sub(1)..(y + 2).min(h) {
                for nx in x.saturating_sub(1)..(x + 2).min(w) {
                    let j = ny * w + nx;
                    if candidates[j] && !lines[j] {
                        lines[j] = true;
                        stack.push(j);
                    }
                }
            }
        }
        gray(w, h, lines.into_iter().map(|l| f32::from(u8::from(l))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn detect(method: EdgeMethod) -> EdgeDetect {
        EdgeDetect { method, ..EdgeDetect::from_values(&ParamValues::defaults(PARAMS)) }
    }

    #[test]
    fn a_step_shows_once() {
        let data: Vec<f32> = (0..81).map(|i| if i % 9 < 4 { 0.2 } else { 0.6 }).collect();
        let image = PlanarImage { width: 9, height: 9, channels: 1, data };
        let row = |e: EdgeDetect| e.apply(&image).data[4 * 9..5 * 9].to_vec();
        made::close(&row(detect(EdgeMethod::Sobel)), &[0.0, 0.0, 0.0, 0.2, 0.2, 0.0, 0.0, 0.0, 0.0], 1e-6);
        made::close(&row(detect(EdgeMethod::Prewitt)), &[0.0, 0.0, 0.0, 0.2, 0.2, 0.0, 0.0, 0.0, 0.0], 1e-6);
        made::close(&row(detect(EdgeMethod::Gradient)), &[0.0, 0.0, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0], 1e-6);
        made::close(
            &row(detect(EdgeMethod::Laplacian)),
            &[0.0, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0],
            1e-6,
        );
        let x = EdgeDetect { part: GradientPart::X, ..detect(EdgeMethod::Sobel) };
        made::close(&row(x), &[0.5, 0.5, 0.5, 0.7, 0.7, 0.5, 0.5, 0.5, 0.5], 1e-6);
        let y = EdgeDetect { part: GradientPart::Y, ..detect(EdgeMethod::Sobel) };
        made::close(&row(y), &[0.5; 9], 1e-6);
        for &method in EdgeMethod::ALL {
            let out = row(detect(method));
            assert!(out[3].max(out[4]) > 0.01 && out[0] < 1e-6 && out[8] < 0.02, "{method:?} {out:?}");
            made::keeps_shape_and_alpha(|image| detect(method).apply(image));
        }
    }

    #[test]
    fn canny_draws_thin_closed_lines() {
        let inside = |i: usize| (8..24).contains(&(i % 32)) && (8..24).contains(&(i / 32));
        let data = (0..1024).map(|i| if inside(i) { 0.9 } else { 0.1 }).collect();
        let image = PlanarImage { width: 32, height: 32, channels: 1, data };
        let out = Canny { low: 50.0, high: 150.0, blur_px: 1.0 }.apply(&image);
        let row = &out.data[16 * 32..17 * 32];
        assert_eq!(row.iter().sum::<f32>(), 2.0);
        let count = out.data.iter().sum::<f32>();
        assert!((52.0..=68.0).contains(&count), "{count}");
        // Weak edges alone draw nothing.
        assert_eq!(
            Canny { low: 50.0, high: 2000.0, blur_px: 1.0 }.apply(&image).data.iter().sum::<f32>(),
            0.0
        );
        for (w, h) in made::SIZES {
            Canny::from_values(&ParamValues::defaults(CANNY_PARAMS)).apply(&made::picture(4, w, h));
        }
    }
}
