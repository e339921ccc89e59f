//! Takes away single specks: samples that stick out from all of their eight neighbours, or from all but one that is as they are, become
//! the middle one of these.
//!
//! A line keeps its samples, since each has two neighbours on it.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::plane::pad;

/// Parameters of [`Despeckle`].
pub const PARAMS: &[Param] =
    &[Param::float("threshold", "By how much a speck sticks out.", "", (0.0, 1.0), 0.15)];

/// A speck beside another differs from it by less: glints and the like, two pixels large, have a brighter and a darker one.
const TWIN: f32 = 0.02;

/// A median where a sample is a speck.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Despeckle {
    /// By how much a speck is above or below its second most alike neighbour.
    pub threshold: f32,
}

impl Despeckle {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self { threshold: values.f32("threshold") }
    }

    /// Filters a picture of 1, 3 or 4 channels, each colour on its own.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        if image.data.is_empty() {
            return out;
        }
        for c in 0..image.channels.min(3) {
            self.clean(image.plane(c), out.plane_mut(c), image.width);
        }
        out
    }

    fn clean(&self, plane: &[f32], out: &mut [f32], width: usize) {
        let height = plane.len() / width;
        let mut rows: [Vec<f32>; 3] = std::array::from_fn(|_| vec![0.0; width + 2]);
        let (mut low, mut high) = (vec![0.0; width], vec![0.0; width]);
        for (y, target) in out.chunks_exact_mut(width).enumerate() {
            for (i, row) in rows.iter_mut().enumerate() {
                let from = (y + i).saturating_sub(1).min(height - 1);
                pad(&plane[from * width..(from + 1) * width], 1, row);
            }
            second_extremes(&rows, &mut low, &mut high);
            for x in 0..width {
                let v = rows[1][x + 1];
                // What varies much by itself has no specks unless they stick out by more than that.
                let excess = self.threshold.max(2.0 * (high[x] - low[x]));
                if v > high[x] + excess || v < low[x] - excess {
                    let mut around = neighbours(&rows, x);
                    around.sort_by(f32::total_cmp);
                    let nearest = if v > high[x] { around[7] } else { around[0] };
                    let sticks_out = (v - nearest).abs() > excess && (v > nearest) == (v > high[x]);
                    if sticks_out || (v - nearest).abs() < TWIN {
                        target[x] = 0.5 * (around[3] + around[4]);
                    }
                }
            }
        }
    }
}

fn neighbours(rows: &[Vec<f32>; 3], x: usize) -> [f32; 8] {
    let [a, b, c] = rows;
    [a[x], a[x + 1], a[x + 2], b[x], b[x + 2], c[x], c[x + 1], c[x + 2]]
}

/// The second least and second greatest of the neighbours of each sample of the middle row.
fn second_extremes(rows: &[Vec<f32>; 3], low: &mut [f32], high: &mut [f32]) {
    for (x, (low, high)) in low.iter_mut().zip(high).enumerate() {
        let (mut least, mut second_least) = (f32::MAX, f32::MAX);
        let (mut most, mut second_most) = (f32::MIN, f32::MIN);
        for v in neighbours(rows, x) {
            second_least = second_least.min(least.max(v));
            least = least.min(v);
            second_most = second_most.max(most.min(v));
            most = most.max(v);
        }
        (*low, *high) = (second_least, second_most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speck_goes_and_a_line_stays() {
        let mut image = PlanarImage::zeros(1, 9, 9);
        image.data.iter_mut().for_each(|v| *v = 0.5);
        image.data[2 * 9 + 2] = 1.0;
        (0..9).for_each(|i| image.data[i * 9 + 6] = 0.0);
        let out = Despeckle { threshold: 0.1 }.apply(&image);
        assert_eq!(out.data[2 * 9 + 2], 0.5);
        assert!((0..9).all(|i| out.data[i * 9 + 6] == 0.0));
        assert!(Despeckle { threshold: 1.0 }.apply(&image) == image);
    }

    #[test]
    fn twin_specks_go_and_a_glint_of_two_pixels_stays() {
        let pair = |first: f32, second: f32| {
            let mut image = PlanarImage::zeros(1, 9, 9);
            image.data.iter_mut().for_each(|v| *v = 0.4);
            (image.data[4 * 9 + 3], image.data[4 * 9 + 4]) = (first, second);
            image
        };
        let despeckle = Despeckle { threshold: 0.15 };
        assert!(despeckle.apply(&pair(1.0, 1.0)).data.iter().all(|&v| v == 0.4));
        assert!(despeckle.apply(&pair(0.8, 0.7)) == pair(0.8, 0.7));
    }
}
