//! Dilating and eroding: shapes grow and shrink.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::border::Border;
use super::choices::choices;
use super::resample::transpose;
use super::samples::map_planes;

/// The parameters of [`Morphology`].
pub const PARAMS: &[Param] = &[
    Param::choice("operation", "What happens.", MorphologyOperation::CHOICES, "dilate"),
    Param::choice("shape", "The shape of the surroundings.", Shape::CHOICES, "rectangle"),
    Param::int("radius", "How far the surroundings reach.", "px", (0, 1000), 1),
    Param::int("iterations", "How often light grows or shrinks.", "", (0, 1000), 1),
];

choices! {
    /// What happens to shapes.
    MorphologyOperation {
        Dilate = "dilate", "Light grows: the lightest of the surroundings.";
        Erode = "erode", "Light shrinks: the darkest of the surroundings.";
        Open = "open", "Erodes, then dilates: takes off small light spots.";
        Close = "close", "Dilates, then erodes: takes off small dark spots.";
        Gradient = "gradient", "The lightest less the darkest: outlines.";
        TopHat = "top-hat", "The picture less its opening: small light spots alone.";
        BlackHat = "black-hat", "The closing less the picture: small dark spots alone.";
    }
}

choices! {
    /// The shape of surroundings.
    Shape {
        Rectangle = "rectangle", "A square.";
        Ellipse = "ellipse", "A disc.";
        Cross = "cross", "A row and a column.";
    }
}

/// Lightest and darkest of surroundings; what lies beyond the picture does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Morphology {
    /// What happens.
    pub operation: MorphologyOperation,
    /// The shape of surroundings.
    pub shape: Shape,
    /// How far they reach.
    pub radius_px: usize,
    /// How often.
    pub iterations: usize,
}

impl Morphology {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            operation: MorphologyOperation::of(values, "operation"),
            shape: Shape::of(values, "shape"),
            radius_px: values.usize("radius"),
            iterations: values.usize("iterations"),
        }
    }

    /// Applies.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if image.width == 0 {
            return image.clone();
        }
        let width = image.width;
        let dilate = |plane: &[f32]| self.repeated(plane, width, f32::max);
        let erode = |plane: &[f32]| self.repeated(plane, width, f32::min);
        let less = |mut a: Vec<f32>, b: &[f32]| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a -= b);
            a
        };
        map_planes(image, |plane| match self.operation {
            MorphologyOperation::Dilate => dilate(plane),
            MorphologyOperation::Erode => erode(plane),
            MorphologyOperation::Open => dilate(&erode(plane)),
            MorphologyOperation::Close => erode(&dilate(plane)),
            MorphologyOperation::Gradient => less(dilate(plane), &erode(plane)),
            MorphologyOperation::TopHat => less(plane.to_vec(), &dilate(&erode(plane))),
            MorphologyOperation::BlackHat => less(erode(&dilate(plane)), plane),
        })
    }

    fn repeated(&self, plane: &[f32], width: usize, pick: fn(f32, f32) -> f32) -> Vec<f32> {
        let mut out = plane.to_vec();
        if self.radius_px == 0 {
            return out;
        }
        if self.shape == Shape::Rectangle {
            return extreme(plane, width, self.shape, self.radius_px * self.iterations, pick);
        }
        for _ in 0..self.iterations {
            let next = extreme(&out, width, self.shape, self.radius_px, pick);
            if next == out {
                break;
            }
            out = next;
        }
        out
    }
}

/// The greatest or least sample of the surroundings of each; `pick` is `f32::max` or `f32::min`.
pub(crate) fn extreme(
    plane: &[f32],
    width: usize,
    shape: Shape,
    radius: usize,
    pick: fn(f32, f32) -> f32,
) -> Vec<f32> {
    // Apart, so that `max` and `min` are known where loops are built.
    if pick(0.0, 1.0) == 1.0 {
        extreme_of(plane, width, shape, radius, f32::max)
    } else {
        extreme_of(plane, width, shape, radius, f32::min)
    }
}

fn extreme_of(
    plane: &[f32],
    width: usize,
    shape: Shape,
    radius: usize,
    pick: impl Fn(f32, f32) -> f32 + Copy,
) -> Vec<f32> {
    if width == 0 || radius == 0 {
        return plane.to_vec();
    }
    let height = plane.len() / width;
    let down = |plane: &[f32]| {
        let reach = radius.min(height);
        transpose(&along_rows(&transpose(plane, width), height, reach, pick), height)
    };
    let mut out = match shape {
        Shape::Rectangle => return down(&along_rows(plane, width, radius.min(width), pick)),
        Shape::Cross => {
            let mut out = along_rows(plane, width, radius.min(width), pick);
            out.iter_mut().zip(&down(plane)).for_each(|(a, b)| *a = pick(*a, *b));
            return out;
        }
        Shape::Ellipse => plane.to_vec(),
    };
    // Rows of the disc of the same length are made once: (length to each side, distances of the rows).
    let mut rows: Vec<(usize, Vec<usize>)> = Vec::new();
    for dy in 0..=radius {
        let across = ((radius * radius - dy * dy) as f64).sqrt().round() as usize;
        match rows.last_mut() {
            Some((last, distances)) if *last == across => distances.push(dy),
            _ => rows.push((across, vec![dy])),
        }
    }
    for (across, distances) in rows {
        let runs = along_rows(plane, width, across.min(width), pick);
        for dy in distances.into_iter().filter(|dy| *dy < height) {
            let moved = dy * width;
            let n = plane.len() - moved;
            out[moved..].iter_mut().zip(&runs[..n]).for_each(|(a, b)| *a = pick(*a, *b));
            out[..n].iter_mut().zip(&runs[moved..]).for_each(|(a, b)| *a = pick(*a, *b));
        }
    }
    out
}

/// Three operations a sample whatever the radius: van Herk: "A fast algorithm for local minimum and maximum filters on
/// rectangular and octagonal kernels" (1992).
fn along_rows(plane: &[f32], width: usize, radius: usize, pick: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    if radius == 0 {
        return plane.to_vec();
    }
    let block = 2 * radius + 1;
    let mut out = vec![0.0; plane.len()];
    let mut row = Vec::new();
    let (mut from_left, mut from_right) = (Vec::new(), Vec::new());
    for (source, out) in plane.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        Border::Replicate.extend(source, radius, radius, &mut row);
        from_left.clone_from(&row);
        from_right.clone_from(&row);
        for i in 1..row.len() {
            if i % block != 0 {
                from_left[i] = pick(from_left[i], from_left[i - 1]);
            }
        }
        for i in (0..row.len() - 1).rev() {
            if (i + 1) % block != 0 {
                from_right[i] = pick(from_right[i], from_right[i + 1]);
            }
        }
        for (x, out) in out.iter_mut().enumerate() {
            *out = pick(from_right[x], from_left[x + block - 1]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn equals_the_search() {
        for (w, h) in made::SIZES {
            let image = made::picture(1, w, h);
            for &shape in Shape::ALL {
                for r in [1isize, 2, 3, 7] {
                    let inside = |dx: isize, dy: isize| match shape {
                        Shape::Rectangle => true,
                        Shape::Cross => dx == 0 || dy == 0,
                        Shape::Ellipse => dx.abs() <= ((r * r - dy * dy) as f64).sqrt().round() as isize,
                    };
                    let got = extreme(&image.data, w, shape, r as usize, f32::max);
                    for (i, got) in got.iter().enumerate() {
                        let (x, y) = ((i % w) as isize, (i / w) as isize);
                        let mut want = f32::NEG_INFINITY;
                        for (dy, dx) in (-r..=r).flat_map(|dy| (-r..=r).map(move |dx| (dy, dx))) {
                            let (sx, sy) = (x + dx, y + dy);
                            if inside(dx, dy) && sx >= 0 && sy >= 0 && sx < w as isize && sy < h as isize {
                                want = want.max(image.data[sy as usize * w + sx as usize]);
                            }
                        }
                        assert_eq!(*got, want, "{shape:?} {r} at {x},{y} of {w}x{h}");
                    }
                }
            }
        }
    }

    #[test]
    fn spots() {
        let mut image = PlanarImage { width: 15, height: 15, channels: 1, data: vec![0.5; 225] };
        image.data[7 * 15 + 3] = 1.0;
        image.data[7 * 15 + 11] = 0.0;
        let of = |operation| {
            Morphology { operation, shape: Shape::Cross, radius_px: 1, iterations: 2 }.apply(&image).data
        };
        let count = |data: &[f32], value: f32| data.iter().filter(|s| **s == value).count();
        assert_eq!(count(&of(MorphologyOperation::Dilate), 1.0), 13, "a cross twice is a diamond");
        assert_eq!(count(&of(MorphologyOperation::Erode), 0.0), 13);
        assert_eq!(count(&of(MorphologyOperation::Open), 1.0), 0);
        assert_eq!(count(&of(MorphologyOperation::Close), 0.0), 0);
        assert_eq!(count(&of(MorphologyOperation::TopHat), 0.5), 1);
        assert_eq!(count(&of(MorphologyOperation::BlackHat), 0.5), 1);
        assert_eq!(count(&of(MorphologyOperation::Gradient), 0.5), 26);
        for &operation in MorphologyOperation::ALL {
            for &shape in Shape::ALL {
                let nothing = Morphology { operation, shape, radius_px: 0, iterations: 1 };
                made::keeps_shape_and_alpha(|i| nothing.apply(i));
                made::keeps_shape_and_alpha(|i| {
                    Morphology { radius_px: 500, iterations: 2, ..nothing }.apply(i)
                });
            }
        }
    }
}
