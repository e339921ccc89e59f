//! Turns a picture.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, Rgba};
use rayon::prelude::*;

use super::choices::choices;
use super::error::{PictureError, check_size};
use super::flip::{Flip, FlipAxis};
use super::resample::transpose;
use super::resize::{divide_alpha, multiply_alpha};
use super::samples::{colour_samples, with_channels};

/// The parameters of [`Rotate`].
pub const PARAMS: &[Param] = &[
    Param::float(
        "angle",
        "How far, clockwise; quarter turns move pixels without changing them.",
        "degrees",
        (-360.0, 360.0),
        90.0,
    ),
    Param::choice("size", "The size of the result.", RotateSize::CHOICES, "expand"),
    Param::choice("filter", "How samples between pixels are made.", RotateFilter::CHOICES, "cubic"),
    Param::colour(
        "colour",
        "What the corners show; a colour that is not opaque makes a picture with alpha.",
        "#000000",
    ),
];

choices! {
    /// The size of a turned picture.
    RotateSize {
        Expand = "expand", "As large as the turned picture needs.";
        Keep = "keep", "As before; corners are cut off.";
        Inside = "inside", "The largest upright rectangle that shows no corners.";
    }
}

choices! {
    /// How samples between pixels are made.
    RotateFilter {
        Nearest = "nearest", "The nearest pixel.";
        Linear = "linear", "Between four pixels.";
        Cubic = "cubic", "Catmull-Rom among sixteen pixels.";
    }
}

/// Turns a picture clockwise about its middle.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotate {
    /// Degrees, clockwise.
    pub angle: f64,
    /// The size of the result.
    pub size: RotateSize,
    /// How samples between pixels are made.
    pub filter: RotateFilter,
    /// What the corners show.
    pub colour: Rgba,
}

impl Rotate {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            angle: values.float("angle"),
            size: RotateSize::of(values, "size"),
            filter: RotateFilter::of(values, "filter"),
            colour: values.colour("colour"),
        }
    }

    /// How many quarters of a turn it is for a picture whose pixels are only moved; nothing where samples are made between
    /// pixels, and corners show.
    pub fn quarters(&self, width: usize, height: usize) -> Option<usize> {
        let quarters = self.angle.rem_euclid(360.0) / 90.0;
        let keeps_shape = width == height || quarters % 2.0 == 0.0;
        let only_moved = quarters.fract() == 0.0 && (keeps_shape || self.size != RotateSize::Keep);
        only_moved.then_some(quarters as usize)
    }

    /// The size a picture gets.
    ///
    /// # Errors
    /// When the picture has no pixels or the result would be too large.
    pub fn result_size(&self, width: usize, height: usize) -> Result<(usize, usize), PictureError> {
        check_size("rotate", width, height)?;
        let size = match self.quarters(width, height) {
            Some(n) if n % 2 == 0 => (width, height),
            Some(_) => (height, width),
            None => self.sampled_size(width, height),
        };
        check_size("rotate", size.0, size.1).map(|()| size)
    }

    /// Turns.
    ///
    /// # Errors
    /// When the picture has no pixels or the result would be too large.
    pub fn apply(&self, image: &PlanarImage) -> Result<PlanarImage, PictureError> {
        let (width, height) = self.result_size(image.width, image.height)?;
        if let Some(n) = self.quarters(image.width, image.height) {
            return Ok(quarter_turns(image, n));
        }
        let (sin, cos) = self.angle.rem_euclid(360.0).to_radians().sin_cos();

        let mut source = if self.colour.0[3] < 1.0 { with_channels(image, 4) } else { image.clone() };
        let mut fill = colour_samples(self.colour, source.channels);
        if source.channels == 4 {
            multiply_alpha(&mut source);
            let alpha = fill[3];
            fill[..3].iter_mut().for_each(|s| *s *= alpha);
        }
        let mut out = PlanarImage::zeros(source.channels, height, width);
        let middle = |w: usize, h: usize| (w as f64 / 2.0, h as f64 / 2.0);
        let (from, to) = (middle(image.width, image.height), middle(width, height));
        for (channel, &fill) in fill.iter().enumerate() {
            let plane = source.plane(channel);
            let sampler = Sampler { plane, width: image.width, height: image.height, fill };
            out.plane_mut(channel).par_chunks_mut(width).enumerate().for_each(|(y, row)| {
                let dy = y as f64 + 0.5 - to.1;
                for (x, sample) in row.iter_mut().enumerate() {
                    let dx = x as f64 + 0.5 - to.0;
                    // Clockwise on a picture whose rows go down; turned back to find the source.
                    let at = (from.0 + dx * cos + dy * sin - 0.5, from.1 - dx * sin + dy * cos - 0.5);
                    *sample = match self.filter {
                        RotateFilter::Nearest => sampler.at(at.0.round() as isize, at.1.round() as isize),
                        RotateFilter::Linear => sampler.linear(at.0, at.1),
                        RotateFilter::Cubic => sampler.cubic(at.0, at.1),
                    };
                }
            });
        }
        if out.channels == 4 {
            divide_alpha(&mut out);
            out.plane_mut(3).iter_mut().for_each(|a| *a = a.clamp(0.0, 1.0));
        }
        Ok(out)
    }

    fn sampled_size(&self, width: usize, height: usize) -> (usize, usize) {
        let (w, h) = (width as f64, height as f64);
        let (sin, cos) = self.angle.rem_euclid(360.0).to_radians().sin_cos();
        let (sin, cos) = (sin.abs(), cos.abs());
        match self.size {
            RotateSize::Keep => (width, height),
            // What is over a pixel by less than a hundredth is rounding.
            RotateSize::Expand => {
                let needed = |n: f64| (n - 0.01).ceil().max(1.0) as usize;
                (needed(w * cos + h * sin), needed(w * sin + h * cos))
            }
            RotateSize::Inside => {
                let (short, long) = (w.min(h), w.max(h));
                let (in_w, in_h) = if short <= 2.0 * sin * cos * long || (sin - cos).abs() < 1e-9 {
                    // Two corners lie on the long sides, the others on the line between their middles.
                    let half = short / 2.0;
                    if w > h { (half / sin, half / cos) } else { (half / cos, half / sin) }
                } else {
                    let double = cos * cos - sin * sin;
                    ((w * cos - h * sin) / double, (h * cos - w * sin) / double)
                };
                ((in_w.floor() as usize).max(1), (in_h.floor() as usize).max(1))
            }
        }
    }
}

/// Whole quarters of a turn, clockwise.
fn quarter_turns(image: &PlanarImage, n: usize) -> PlanarImage {
    let turned = |axis| {
        let mut out = PlanarImage::zeros(image.channels, image.width, image.height);
        for channel in 0..image.channels {
            out.plane_mut(channel).copy_from_slice(&transpose(image.plane(channel), image.width));
        }
        Flip { axis }.apply(&out)
    };
    match n % 4 {
        0 => image.clone(),
        1 => turned(FlipAxis::Horizontal),
        2 => Flip { axis: FlipAxis::Both }.apply(image),
        _ => turned(FlipAxis::Vertical),
    }
}

/// A plane that can be asked between its pixels; beyond it lies a colour.
struct Sampler<'a> {
    plane: &'a [f32],
    width: usize,
    height: usize,
    fill: f32,
}

impl Sampler<'_> {
    fn at(&self, x: isize, y: isize) -> f32 {
        let inside = x >= 0 && y >= 0 && (x as usize) < self.width && (y as usize) < self.height;
        if inside { self.plane[y as usize * self.width + x as usize] } else { self.fill }
    }

    fn linear(&self, x: f64, y: f64) -> f32 {
        let (x0, y0) = (x.floor(), y.floor());
        let (fx, fy) = ((x - x0) as f32, (y - y0) as f32);
        let (x0, y0) = (x0 as isize, y0 as isize);
        let row = |y| self.at(x0, y) * (1.0 - fx) + self.at(x0 + 1, y) * fx;
        row(y0) * (1.0 - fy) + row(y0 + 1) * fy
    }

    fn cubic(&self, x: f64, y: f64) -> f32 {
        let (x0, y0) = (x.floor(), y.floor());
        let (wx, wy) = (catrom((x - x0) as f32), catrom((y - y0) as f32));
        let (x0, y0) = (x0 as isize - 1, y0 as isize - 1);
        let whole = x0 >= 0 && y0 >= 0 && x0 as usize + 4 <= self.width && y0 as usize + 4 <= self.height;
        let mut sum = 0.0;
        for (i, wy) in wy.iter().enumerate() {
            let row: f32 = if whole {
                let start = (y0 as usize + i) * self.width + x0 as usize;
                self.plane[start..start + 4].iter().zip(&wx).map(|(s, w)| s * w).sum()
            } else {
                wx.iter().enumerate().map(|(j, w)| w * self.at(x0 + j as isize, y0 + i as isize)).sum()
            };
            sum += wy * row;
        }
        sum
    }
}

/// The four weights of Catmull-Rom at a fraction of a pixel.
fn catrom(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [-0.5 * t + t2 - 0.5 * t3, 1.0 - 2.5 * t2 + 1.5 * t3, 0.5 * t + 2.0 * t2 - 1.5 * t3, -0.5 * t2 + 0.5 * t3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn rotate(angle: f64, size: RotateSize) -> Rotate {
        Rotate { angle, size, filter: RotateFilter::Cubic, colour: Rgba([0.0, 0.0, 0.0, 1.0]) }
    }

    #[test]
    fn quarters_are_exact() {
        let image =
            PlanarImage { width: 3, height: 2, channels: 1, data: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] };
        let turned = rotate(90.0, RotateSize::Expand).apply(&image).unwrap();
        assert_eq!((turned.width, turned.height), (2, 3));
        assert_eq!(turned.data, [4.0, 1.0, 5.0, 2.0, 6.0, 3.0]);
        let back = rotate(-90.0, RotateSize::Expand).apply(&turned).unwrap();
        assert_eq!(back, image);
        let half = rotate(180.0, RotateSize::Keep).apply(&image).unwrap();
        assert_eq!(half.data, [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
        for (w, h) in made::SIZES {
            let image = made::picture(4, w, h);
            let full = (0..4).fold(image.clone(), |i, _| rotate(90.0, RotateSize::Expand).apply(&i).unwrap());
            assert_eq!(full, image);
        }
    }

    #[test]
    fn sampled_quarter_agrees_with_the_exact_one() {
        let image = made::picture(3, 20, 20);
        let exact = rotate(90.0, RotateSize::Keep).apply(&image).unwrap();
        let near = rotate(90.000_001, RotateSize::Keep).apply(&image).unwrap();
        made::close(&near.data, &exact.data, 1e-4);
    }

    #[test]
    fn turned_there_and_back() {
        let image = made::picture(1, 61, 61);
        let there = rotate(30.0, RotateSize::Expand).apply(&image).unwrap();
        assert_eq!(there.width, (61.0 * (30f64.to_radians().cos() + 0.5)).ceil() as usize);
        let back = rotate(-30.0, RotateSize::Keep).apply(&there).unwrap();
        let middle = |i: &PlanarImage| i.plane(0)[(i.height / 2) * i.width + i.width / 2 - 8];
        assert!((middle(&back) - middle(&image)).abs() < 0.02);
    }

    #[test]
    fn inside_shows_no_corners() {
        for (w, h) in [(60, 40), (40, 60), (50, 50), (90, 10)] {
            let image = PlanarImage { width: w, height: h, channels: 1, data: vec![1.0; w * h] };
            for angle in [3.0, 17.0, 45.0, 80.0, 100.0, 200.0] {
                let out = Rotate { filter: RotateFilter::Nearest, ..rotate(angle, RotateSize::Inside) }
                    .apply(&image)
                    .unwrap();
                assert!(out.data.iter().all(|s| *s == 1.0), "{w}x{h} {angle}");
            }
        }
        let clear = Rotate { colour: Rgba([0.0; 4]), ..rotate(45.0, RotateSize::Expand) };
        let out = clear.apply(&made::picture(3, 9, 9)).unwrap();
        assert_eq!((out.channels, out.plane(3)[0]), (4, 0.0));
    }
}
