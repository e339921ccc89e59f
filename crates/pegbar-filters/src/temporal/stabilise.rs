//! Gate weave: a picture that does not stand still because the film did not.

use super::motion::{BLOCK, MotionField, SearchPicture};
use super::smooth_path::level;
use super::{Reach, TemporalFilter, Window};
use crate::luma_chroma::luma;
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the filter takes.
pub const PARAMS: &[Param] = &[
    Param::int(
        "radius",
        "Frames before and after whose position counts; moves that last longer are kept.",
        "frames",
        (2, 30),
        12,
    ),
    Param::float("strength", "1 takes out all that is faster than the radius.", "", (0.0, 1.0), 1.0),
    Param::float("limit", "Furthest that a frame is moved.", "px", (0.0, 100.0), 12.0),
];

/// Moves smaller than this are not worth resampling the frame.
const LEAST_PX: f32 = 0.1;

/// An edge that differs by more moves otherwise.
const MOST_RESIDUE: f32 = 10.0 / 255.0;

/// Moves each frame to where its neighbourhood stands on average; steady pans stay.
///
/// Borders that come into the picture are mirrored.
#[derive(Debug, Clone)]
pub struct Stabilise {
    /// Frames before and after whose position counts.
    pub radius: usize,
    /// Part of the weave that is taken out, `0.0..=1.0`.
    pub strength: f32,
    /// Furthest that a frame is moved, in pixels.
    pub limit_px: f32,
}

impl Stabilise {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            radius: values.usize("radius"),
            strength: values.f32("strength"),
            limit_px: values.f32("limit"),
        }
    }

    /// How far the frame at work is to be moved to the right and down, in pixels.
    pub fn correction(&self, window: &Window<'_>) -> (f32, f32) {
        let (measures, centre) = (window.measures, window.measure_centre);
        let sigma = (self.radius as f32 / 4.0).max(1.0);
        let along = |axis: usize| {
            let step = |i: usize| measures[i].get(axis).copied().unwrap_or(0.0);
            let mut path = vec![0.0; measures.len()];
            for i in centre + 1..path.len() {
                path[i] = path[i - 1] + step(i);
            }
            for i in (0..centre).rev() {
                path[i] = path[i + 1] - step(i + 1);
            }
            (self.strength * level(&path, centre, sigma, 3.0)).clamp(-self.limit_px, self.limit_px)
        };
        (along(0), along(1))
    }
}

impl TemporalFilter for Stabilise {
    fn reach(&self) -> Reach {
        Reach::default()
    }

    fn measure_reach(&self) -> Reach {
        Reach { before: self.radius, after: self.radius }
    }

    fn measure(&self, previous: Option<&PlanarImage>, frame: &PlanarImage) -> Vec<f32> {
        let Some(previous) = previous else { return Vec::new() };
        let (dx, dy) = displacement(previous, frame);
        vec![dx, dy]
    }

    fn apply(&self, window: &Window<'_>) -> PlanarImage {
        let image = window.frame();
        let (dx, dy) = self.correction(window);
        if dx.abs().max(dy.abs()) < LEAST_PX {
            return image.clone();
        }
        shifted(image, dx, dy)
    }
}

/// By how much most of the picture has moved to the right and down since `previous`, in pixels, to a few hundredths.
///
/// Motion of blocks votes for a whole move; least squares on luma then find the fraction, without what moves otherwise.
pub fn displacement(previous: &PlanarImage, frame: &PlanarImage) -> (f32, f32) {
    if previous.data == frame.data {
        return (0.0, 0.0);
    }
    let (width, height) = (frame.width, frame.height);
    let (before, now) = (luma(previous), luma(frame));
    let picture = |luma: &[f32]| SearchPicture::of_luma(luma, width, height);
    let mut field = MotionField::search(&picture(&before), &picture(&now));
    keep_structure(&mut field, &before);
    let (mut dx, mut dy) = field.dominant();
    if width < 16 || height < 16 {
        return (dx, dy);
    }
    let (before, now) = (softened(&before, width), softened(&now, width));
    let mut scale = MOST_RESIDUE;
    for _ in 0..6 {
        let Some((step, typical)) = least_squares(&before, &now, width, height, (dx, dy), scale) else {
            break;
        };
        scale = (4.0 * typical).clamp(1.5 / 255.0, MOST_RESIDUE);
        let step = (step.0.clamp(-1.0, 1.0), step.1.clamp(-1.0, 1.0));
        (dx, dy) = (dx + step.0, dy + step.1);
        if step.0.hypot(step.1) < 0.002 {
            break;
        }
    }
    (dx, dy)
}

/// Leaves out the vectors of blocks without structure: a flat sky stands still in any pan.
fn keep_structure(field: &mut MotionField, luma: &[f32]) {
    const LEAST_RANGE: f32 = 12.0 / 255.0;
    let (width, columns) = (field.width, field.columns);
    let kept: Vec<_> = field
        .vectors
        .iter()
        .enumerate()
        .filter(|(i, _)| {
            let (x, y) = (i % columns * BLOCK, i / columns * BLOCK);
            let rows = luma.chunks_exact(width).skip(y).take(BLOCK);
            let samples = rows.flat_map(|row| &row[x..(x + BLOCK).min(width)]);
            let (least, most) = samples.fold((f32::MAX, f32::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
            most - least > LEAST_RANGE
        })
        .map(|(_, vector)| *vector)
        .collect();
    if !kept.is_empty() {
        field.vectors = kept;
    }
}

/// A step towards the displacement at which `now` looks like `before`, and the median of what is left on edges.
fn least_squares(
    before: &[f32],
    now: &[f32],
    width: usize,
    height: usize,
    (dx, dy): (f32, f32),
    scale: f32,
) -> Option<((f32, f32), f32)> {
    let (ix, iy) = (dx.floor(), dy.floor());
    let (fx, fy) = (dx - ix, dy - iy);
    let (ix, iy) = (ix as isize, iy as isize);
    let range = |shift: isize, n: usize| {
        let from = (2 - shift).max(2);
        let to = (n as isize - 3 - shift).min(n as isize - 3);
        (from, to)
    };
    let ((x0, x1), (y0, y1)) = (range(ix, width), range(iy, height));
    if x1 - x0 < 8 || y1 - y0 < 8 {
        return None;
    }
    let (mut xx, mut xy, mut yy, mut xe, mut ye) = (0.0f64, 0.0f64, 0.0f64, 0.0f64, 0.0f64);
    let mut left = Vec::new();
    for y in (y0..y1).step_by(2) {
        for x in x0..x1 {
            let at = y as usize * width + x as usize;
            let other = (y + iy) as usize * width + (x + ix) as usize;
            let read = |i: usize| {
                let top = now[i] * (1.0 - fx) + now[i + 1] * fx;
                let bottom = now[i + width] * (1.0 - fx) + now[i + width + 1] * fx;
                top * (1.0 - fy) + bottom * fy
            };
            let (gx, gy) =
                (0.5 * (before[at + 1] - before[at - 1]), 0.5 * (before[at + width] - before[at - width]));
            let strength = gx * gx + gy * gy;
            if strength < 2e-5 {
                continue;
            }
            // What lies here lay there before: now(x + d) = before(x).
            let e = read(other) - before[at];
            if x % 3 == 0 {
                left.push(e.abs());
            }
            let u = e / scale;
            let weight = f64::from((1.0 - u * u).max(0.0).powi(2));
            let (gx, gy, e) = (f64::from(gx), f64::from(gy), f64::from(e));
            (xx, xy, yy) = (xx + weight * gx * gx, xy + weight * gx * gy, yy + weight * gy * gy);
            (xe, ye) = (xe + weight * gx * e, ye + weight * gy * e);
        }
    }
    let determinant = xx * yy - xy * xy;
    if left.is_empty() || determinant <= 1e-9 * (xx + yy).powi(2) || !determinant.is_finite() {
        return None;
    }
    let middle = left.len() / 2;
    let (_, &mut typical, _) = left.select_nth_unstable_by(middle, f32::total_cmp);
    let step = (-(yy * xe - xy * ye) / determinant, -(xx * ye - xy * xe) / determinant);
    Some(((step.0 as f32, step.1 as f32), typical))
}

/// Weights 1 2 1 both ways, so that reading between samples changes nothing more.
fn softened(plane: &[f32], width: usize) -> Vec<f32> {
    let height = plane.len() / width;
    let mut out = Vec::with_capacity(plane.len());
    let mut column = vec![0.0f32; width + 2];
    for y in 0..height {
        let row = |y: usize| &plane[y * width..(y + 1) * width];
        let (above, here, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(height - 1)));
        for (v, ((a, b), c)) in column[1..].iter_mut().zip(above.iter().zip(here).zip(below)) {
            *v = a + 2.0 * b + c;
        }
        column[0] = column[1];
        column[width + 1] = column[width];
        out.extend(column.windows(3).map(|w| (w[0] + 2.0 * w[1] + w[2]) / 16.0));
    }
    out
}

/// A picture moved to the right and down by any fraction of pixels, by a sinc under a window of four lobes; borders are mirrored.
pub fn shifted(image: &PlanarImage, dx: f32, dy: f32) -> PlanarImage {
    let mut out = image.clone();
    let (width, height) = (image.width, image.height);
    let (across, down) = (Kernel::new(dx), Kernel::new(dy));
    let mut rows = vec![0.0f32; width * height];
    for channel in 0..image.channels {
        let mut padded = vec![0.0f32; width + 2 * LOBES];
        for (row, out) in image.plane(channel).chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
            for (i, v) in padded.iter_mut().enumerate() {
                *v = row[mirrored(i as isize + across.first, width)];
            }
            out.fill(0.0);
            for (t, weight) in across.taps.iter().enumerate() {
                for (v, p) in out.iter_mut().zip(&padded[t..]) {
                    *v += weight * p;
                }
            }
        }
        for (y, out) in out.plane_mut(channel).chunks_exact_mut(width).enumerate() {
            out.fill(0.0);
            for (t, weight) in down.taps.iter().enumerate() {
                let from = mirrored(y as isize + t as isize + down.first, height) * width;
                for (v, p) in out.iter_mut().zip(&rows[from..from + width]) {
                    *v += weight * p;
                }
            }
        }
    }
    out
}

const LOBES: usize = 4;

/// Weights of the samples around a place, the first of them `first` from the pixel.
struct Kernel {
    first: isize,
    taps: [f32; 2 * LOBES],
}

impl Kernel {
    fn new(shift: f32) -> Self {
        let (whole, fraction) = ((-shift).floor(), f64::from(-shift - (-shift).floor()));
        let weights: [f64; 2 * LOBES] = std::array::from_fn(|t| {
            let x = std::f64::consts::PI * (t as f64 + 1.0 - LOBES as f64 - fraction);
            let lobes = LOBES as f64;
            if x.abs() < 1e-6 { 1.0 } else { x.sin() / x * ((x / lobes).sin() / (x / lobes)) }
        });
        let sum: f64 = weights.iter().sum();
        Self { first: whole as isize + 1 - LOBES as isize, taps: weights.map(|w| (w / sum) as f32) }
    }
}

fn mirrored(i: isize, n: usize) -> usize {
    let i = i.rem_euclid(2 * n as isize) as usize;
    if i < n { i } else { 2 * n - 1 - i }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporal::filter_scene;

    fn picture(dx: f32, dy: f32) -> PlanarImage {
        let (width, height) = (160, 120);
        let mut image = PlanarImage::zeros(1, height, width);
        for y in 0..height {
            for x in 0..width {
                let (u, v) = (x as f32 - dx, y as f32 - dy);
                image.data[y * width + x] = 0.5
                    + 0.2 * (u * 0.3 + (v * 0.13).sin()).sin()
                    + 0.2 * (v * 0.27 + (u * 0.05).cos() * 3.0).sin();
            }
        }
        image
    }

    #[test]
    fn displacements_are_found_to_hundredths() {
        for (dx, dy) in [(0.0, 0.0), (0.3, -0.7), (2.45, 1.2), (-5.1, 0.08)] {
            let (x, y) = displacement(&picture(0.0, 0.0), &picture(dx, dy));
            assert!((x - dx).abs() < 0.03 && (y - dy).abs() < 0.03, "{x}, {y} for {dx}, {dy}");
        }
    }

    #[test]
    fn weave_goes_and_a_pan_stays() {
        let filter = Stabilise { radius: 12, strength: 1.0, limit_px: 12.0 };
        let weave = |t: usize| [0.8, -0.7, 0.2, -1.0, 0.9, -0.2][t % 6];
        let frames: Vec<_> = (0..26).map(|t| picture(1.5 * t as f32 + weave(t), weave(t + 2))).collect();
        let out = filter_scene(&filter, &frames);
        for (t, out) in out.iter().enumerate().take(18).skip(8) {
            let (x, y) = displacement(&picture(1.5 * t as f32, 0.0), out);
            assert!(x.abs() < 0.3 && y.abs() < 0.3, "frame {t}: {x}, {y}");
        }
    }

    #[test]
    fn odd_sizes() {
        for (width, height) in [(1, 1), (3, 2), (17, 16), (40, 9)] {
            let image = PlanarImage { width, height, channels: 4, data: vec![0.5; 4 * width * height] };
            let out = shifted(&image, 3.3, -20.7);
            assert!(out.data.iter().all(|v| (v - 0.5).abs() < 1e-5));
            displacement(&image, &PlanarImage { data: vec![f32::NAN; 4 * width * height], ..image.clone() });
        }
    }
}
