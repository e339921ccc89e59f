//! Blurs with a fixed kernel: box, Gaussian, motion, lens.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::border::Border;
use super::convolution::{box_mean, correlate, gaussian};
use super::samples::map_planes;

/// The parameters of [`BoxBlur`].
pub const BOX_PARAMS: &[Param] = &[
    Param::float(
        "radius-x",
        "How far the mean reaches left and right; a fraction counts the outermost pixels in part.",
        "px",
        (0.0, 1000.0),
        1.0,
    ),
    Param::float("radius-y", "How far the mean reaches up and down.", "px", (0.0, 1000.0), 1.0),
];

/// The parameters of [`GaussianBlur`].
pub const GAUSSIAN_PARAMS: &[Param] = &[
    Param::float("sigma-x", "Standard deviation across.", "px", (0.0, 1000.0), 1.0),
    Param::float("sigma-y", "Standard deviation down.", "px", (0.0, 1000.0), 1.0),
];

/// The parameters of [`MotionBlur`].
pub const MOTION_PARAMS: &[Param] = &[
    Param::float("length", "How far the picture moves.", "px", (0.0, 200.0), 9.0),
    Param::float(
        "angle",
        "Direction of the movement, clockwise from the right.",
        "degrees",
        (-180.0, 180.0),
        0.0,
    ),
];

/// The parameters of [`LensBlur`].
pub const LENS_PARAMS: &[Param] = &[
    Param::float("radius", "Radius of the disc a point becomes.", "px", (0.0, 60.0), 3.0),
    Param::int("blades", "Blades of the aperture: 0 for a disc, 3 and more for a polygon.", "", (0, 12), 0),
    Param::float(
        "highlights",
        "How much bright points outweigh dark ones, as light on film does.",
        "",
        (0.0, 8.0),
        0.0,
    ),
];

/// The mean over a rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxBlur {
    /// Pixels left and right.
    pub radius_x_px: f32,
    /// Pixels up and down.
    pub radius_y_px: f32,
}

impl BoxBlur {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { radius_x_px: values.f32("radius-x"), radius_y_px: values.f32("radius-y") }
    }

    /// Blurs.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        map_planes(image, |plane| {
            box_mean(plane, image.width, self.radius_x_px, self.radius_y_px, Border::Mirror)
        })
    }
}

/// Gaussian blur.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianBlur {
    /// Standard deviation across, in pixels.
    pub sigma_x_px: f32,
    /// Standard deviation down, in pixels.
    pub sigma_y_px: f32,
}

impl GaussianBlur {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { sigma_x_px: values.f32("sigma-x"), sigma_y_px: values.f32("sigma-y") }
    }

    /// Blurs.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        map_planes(image, |plane| gaussian(plane, image.width, self.sigma_x_px, self.sigma_y_px))
    }
}

/// The mean along a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MotionBlur {
    /// Length of the line in pixels.
    pub length_px: f32,
    /// Degrees clockwise from the right.
    pub angle: f32,
}

impl MotionBlur {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { length_px: values.f32("length"), angle: values.f32("angle") }
    }

    /// Blurs.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.length_px <= 1.0 {
            return image.clone();
        }
        let (kernel, width) = self.kernel();
        map_planes(image, |plane| correlate(plane, image.width, &kernel, width, Border::Replicate))
    }

    /// A line one pixel wide through the middle: many points along it, each shared by the four pixels around.
    fn kernel(&self) -> (Vec<f32>, usize) {
        let (sin, cos) = self.angle.to_radians().sin_cos();
        // The ends of a line of one pixel are half a pixel from its middle and belong to that pixel.
        let half = (self.length_px - 1.0) / 2.0;
        let radius_of = |part: f32| (half * part.abs() - 1e-4).ceil().max(0.0) as usize;
        let (rx, ry) = (radius_of(cos), radius_of(sin));
        let width = 2 * rx + 1;
        let mut kernel = vec![0.0f32; width * (2 * ry + 1)];
        let n = (half * 16.0).ceil() as i32 + 1;
        for i in -n..=n {
            let at = half * i as f32 / n as f32;
            let (x, y) = (rx as f32 + at * cos, ry as f32 + at * sin);
            let (x, y) = (x.clamp(0.0, 2.0 * rx as f32), y.clamp(0.0, 2.0 * ry as f32));
            let (x0, y0) = (x as usize, y as usize);
            for (dx, wx) in [(0, 1.0 - x.fract()), (1, x.fract())] {
                for (dy, wy) in [(0, 1.0 - y.fract()), (1, y.fract())] {
                    if let Some(k) = kernel.get_mut((y0 + dy) * width + x0 + dx).filter(|_| wx * wy > 0.0) {
                        *k += wx * wy;
                    }
                }
            }
        }
        normalized(kernel, width)
    }
}

/// Every point becomes a disc or polygon, as out of focus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LensBlur {
    /// Radius in pixels.
    pub radius_px: f32,
    /// Corners of the polygon; under 3 a disc.
    pub blades: usize,
    /// How much bright points outweigh dark ones: samples are averaged as `e^(highlights s)`.
    pub highlights: f32,
}

impl LensBlur {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            radius_px: values.f32("radius"),
            blades: values.usize("blades"),
            highlights: values.f32("highlights"),
        }
    }

    /// Blurs.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if self.radius_px <= 0.0 {
            return image.clone();
        }
        let (kernel, width) = self.kernel();
        map_planes(image, |plane| {
            if self.highlights <= 0.0 {
                return correlate(plane, image.width, &kernel, width, Border::Mirror);
            }
            let k = self.highlights;
            let light: Vec<f32> = plane.iter().map(|s| (k * s).exp()).collect();
            let blurred = correlate(&light, image.width, &kernel, width, Border::Mirror);
            blurred.into_iter().map(|s| s.max(f32::MIN_POSITIVE).ln() / k).collect()
        })
    }

    /// Coverage of each pixel by the shape, from 8 x 8 points in it.
    fn kernel(&self) -> (Vec<f32>, usize) {
        const POINTS: usize = 8;
        let radius = (self.radius_px + 0.5).ceil().max(1.0) as usize;
        let width = 2 * radius + 1;
        // The disc of radius 0 is one pixel.
        let reach = self.radius_px + 0.5;
        let inside = |x: f32, y: f32| {
            let distance = x.hypot(y);
            if self.blades < 3 {
                return distance <= reach;
            }
            let sector = std::f32::consts::TAU / self.blades as f32;
            let angle = (x.atan2(-y).rem_euclid(sector) - sector / 2.0).cos();
            distance * angle <= reach * (sector / 2.0).cos()
        };
        let point = |i: usize, k: usize| i as f32 - radius as f32 + (k as f32 + 0.5) / POINTS as f32 - 0.5;
        let mut kernel = vec![0.0; width * width];
        for (i, weight) in kernel.iter_mut().enumerate() {
            let points = (0..POINTS * POINTS)
                .filter(|k| inside(point(i % width, k % POINTS), point(i / width, k / POINTS)));
            *weight = points.count() as f32;
        }
        normalized(kernel, width)
    }
}

fn normalized(mut kernel: Vec<f32>, width: usize) -> (Vec<f32>, usize) {
    let sum: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|k| *k /= sum);
    (kernel, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn point() -> PlanarImage {
        let mut image = PlanarImage::zeros(1, 21, 21);
        image.data[10 * 21 + 10] = 1.0;
        image
    }

    #[test]
    fn nothing_at_zero_and_shapes_kept() {
        type Blur<'a> = &'a dyn Fn(f32, &PlanarImage) -> PlanarImage;
        let blurs: [(Blur<'_>, f32); 4] = [
            (&|r, i| BoxBlur { radius_x_px: r, radius_y_px: r / 2.0 }.apply(i), 0.0),
            (&|r, i| GaussianBlur { sigma_x_px: r, sigma_y_px: r / 3.0 }.apply(i), 0.0),
            (&|r, i| MotionBlur { length_px: r, angle: 30.0 }.apply(i), 1.0),
            (&|r, i| LensBlur { radius_px: r, blades: 6, highlights: r }.apply(i), 0.0),
        ];
        for (blur, nothing) in blurs {
            let image = made::picture(4, 17, 13);
            assert_eq!(blur(nothing, &image), image);
            for r in [0.3, 2.5, 60.0] {
                made::keeps_shape_and_alpha(|image| blur(r, image));
                let flat = PlanarImage { width: 9, height: 7, channels: 1, data: vec![0.4; 63] };
                made::close(&blur(r, &flat).data, &flat.data, 1e-5);
            }
        }
    }

    #[test]
    fn motion_is_a_line() {
        let across = MotionBlur { length_px: 5.0, angle: 0.0 }.apply(&point());
        let row = &across.data[10 * 21..11 * 21];
        assert!(row[8..13].iter().all(|s| *s > 0.1) && (row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        let down = MotionBlur { length_px: 5.0, angle: 90.0 }.apply(&point());
        made::close(&super::super::resample::transpose(&down.data, 21), &across.data, 1e-4);
        let oblique = MotionBlur { length_px: 9.0, angle: 45.0 }.apply(&point());
        assert!(
            oblique.data[12 * 21 + 12] > 0.02 && oblique.data[12 * 21 + 8] == 0.0,
            "clockwise: right and down"
        );
    }

    #[test]
    fn lens_is_a_disc() {
        let disc = LensBlur { radius_px: 4.0, blades: 0, highlights: 0.0 }.apply(&point());
        let area = std::f32::consts::PI * 4.5 * 4.5;
        assert!((disc.data[10 * 21 + 10] - 1.0 / area).abs() < 1e-3);
        assert_eq!(disc.data[10 * 21 + 15], 0.0);
        assert!(disc.data[10 * 21 + 14] > 0.01);
        let bright = LensBlur { radius_px: 4.0, blades: 0, highlights: 5.0 }.apply(&point());
        assert!(bright.data[10 * 21 + 10] > 10.0 * disc.data[10 * 21 + 10]);
    }
}
