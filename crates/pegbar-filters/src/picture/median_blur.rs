//! The median of a square: takes specks out and keeps edges.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};
use rayon::prelude::*;

use super::border::Border;
use super::samples::map_planes;

/// The parameters of [`MedianBlur`].
pub const PARAMS: &[Param] =
    &[Param::int("radius", "How far the square reaches; 1 for 3 x 3 pixels.", "px", (0, 100), 1)];

/// The median of a square around each sample. Exact for a radius of 1 and for pictures of up to 10 bits; otherwise
/// within 1/8192 of the range of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MedianBlur {
    /// How far the square reaches.
    pub radius_px: usize,
}

impl MedianBlur {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { radius_px: values.usize("radius") }
    }

    /// Filters.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        if image.width == 0 {
            return image.clone();
        }
        map_planes(image, |plane| match self.radius_px {
            0 => plane.to_vec(),
            1 => median_3x3(plane, image.width),
            radius => median_by_histogram(plane, image.width, radius),
        })
    }
}

/// Sorts columns of three, then takes the median of the largest minimum, the median median and the least maximum.
fn median_3x3(plane: &[f32], width: usize) -> Vec<f32> {
    let height = plane.len() / width;
    let mut out = vec![0.0; plane.len()];
    out.par_chunks_mut(width).enumerate().for_each(|(y, out)| {
        let mut sorted = [const { Vec::new() }; 3];
        let row = |y: isize| {
            let y = Border::Replicate.index(y, height);
            &plane[y * width..(y + 1) * width]
        };
        let y = y as isize;
        let mut columns = [vec![0.0; width], vec![0.0; width], vec![0.0; width]];
        let [low, mid, high] = &mut columns;
        let rows = row(y - 1).iter().zip(row(y)).zip(row(y + 1));
        for (x, ((a, b), c)) in rows.enumerate() {
            let (least, most) = (a.min(*b), a.max(*b));
            (low[x], mid[x], high[x]) = (least.min(*c), least.max(most.min(*c)), most.max(*c));
        }
        for (extended, column) in sorted.iter_mut().zip(&columns) {
            Border::Replicate.extend(column, 1, 1, extended);
        }
        let [low, mid, high] = &sorted;
        for (x, out) in out.iter_mut().enumerate() {
            let lowest = low[x].max(low[x + 1]).max(low[x + 2]);
            let middle = middle_of(mid[x], mid[x + 1], mid[x + 2]);
            let highest = high[x].min(high[x + 1]).min(high[x + 2]);
            *out = middle_of(lowest, middle, highest);
        }
    });
    out
}

fn middle_of(a: f32, b: f32, c: f32) -> f32 {
    a.min(b).max(a.max(b).min(c))
}

/// Bins of the histogram, and of each of the groups they are counted in.
const BINS: usize = 4096;
const GROUP: usize = 64;

/// A histogram slides along each row (Huang, Yang, Tang: "A fast two-dimensional median filtering algorithm", 1979).
fn median_by_histogram(plane: &[f32], width: usize, radius: usize) -> Vec<f32> {
    let height = plane.len() / width;
    let finite = || plane.iter().copied().filter(|s| s.is_finite());
    let (min, max) = (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
    if max <= min || !min.is_finite() {
        return plane.to_vec();
    }
    let scale = (BINS - 1) as f32 / (max - min);
    let bins: Vec<u16> = plane.iter().map(|s| ((s - min) * scale).round() as u16).collect();
    // The mean of the samples of each bin stands for it; a single value is that value.
    let mut sums = vec![(0.0f64, 0u32); BINS];
    for (s, bin) in plane.iter().zip(&bins).filter(|(s, _)| s.is_finite()) {
        let sum = &mut sums[usize::from(*bin).min(BINS - 1)];
        *sum = (sum.0 + f64::from(*s), sum.1 + 1);
    }
    let value: Vec<f32> = sums.iter().map(|(sum, n)| (sum / f64::from((*n).max(1))) as f32).collect();
    let reach = radius as isize;
    let mut columns = Vec::new();
    // Columns first, so that the rows of a window lie next to each other.
    let by_column = transpose_bins(&bins, width);
    Border::Replicate.extend_indices(width, radius, &mut columns);
    let mut out = vec![0.0; plane.len()];
    out.par_chunks_mut(width).enumerate().for_each(|(y, out)| {
        let rows: Vec<usize> =
            (-reach..=reach).map(|d| Border::Replicate.index(y as isize + d, height)).collect();
        let (mut fine, mut coarse) = (vec![0u32; BINS], vec![0u32; BINS / GROUP]);
        let count = |column: usize, by: u32, fine: &mut [u32], coarse: &mut [u32]| {
            let column = &by_column[column * height..(column + 1) * height];
            for row in &rows {
                let bin = usize::from(column[*row]).min(BINS - 1);
                fine[bin] = fine[bin].wrapping_add(by);
                coarse[bin / GROUP] = coarse[bin / GROUP].wrapping_add(by);
            }
        };
        columns[..2 * radius].iter().for_each(|c| count(*c, 1, &mut fine, &mut coarse));
        let half = ((2 * radius + 1) * (2 * radius + 1) / 2) as u32;
        for (x, out) in out.iter_mut().enumerate() {
            count(columns[x + 2 * radius], 1, &mut fine, &mut coarse);
            let (mut below, mut group) = (0, 0);
            while below + coarse[group] <= half {
                below += coarse[group];
                group += 1;
            }
            let mut bin = group * GROUP;
            while below + fine[bin] <= half {
                below += fine[bin];
                bin += 1;
            }
            *out = value[bin];
            count(columns[x], 1u32.wrapping_neg(), &mut fine, &mut coarse);
        }
    });
    out
}

fn transpose_bins(bins: &[u16], width: usize) -> Vec<u16> {
    let height = bins.len() / width;
    let mut out = vec![0; bins.len()];
    for (y, row) in bins.chunks_exact(width).enumerate() {
        row.iter().enumerate().for_each(|(x, bin)| out[x * height + y] = *bin);
    }
    out
}

impl Border {
    fn extend_indices(self, n: usize, by: usize, out: &mut Vec<usize>) {
        out.clear();
        out.extend((0..n + 2 * by).map(|i| self.index(i as isize - by as isize, n)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn direct(image: &PlanarImage, radius: isize) -> Vec<f32> {
        let (w, h) = (image.width, image.height);
        let at = |x: isize, y: isize| {
            image.data[Border::Replicate.index(y, h) * w + Border::Replicate.index(x, w)]
        };
        let median = |i: usize| {
            let (x, y) = ((i % w) as isize, (i / w) as isize);
            let mut window: Vec<f32> = (-radius..=radius)
                .flat_map(|dy| (-radius..=radius).map(move |dx| at(x + dx, y + dy)))
                .collect();
            window.sort_by(f32::total_cmp);
            window[window.len() / 2]
        };
        (0..w * h).map(median).collect()
    }

    #[test]
    fn equals_sorting() {
        for (w, h) in made::SIZES {
            let mut image = made::picture(1, w, h);
            made::close(&MedianBlur { radius_px: 1 }.apply(&image).data, &direct(&image, 1), 0.0);
            made::close(&MedianBlur { radius_px: 4 }.apply(&image).data, &direct(&image, 4), 1.3e-4);
            image.data.iter_mut().for_each(|s| *s = (*s * 255.0).round() / 255.0);
            for radius in [2, 5, 30] {
                let got = MedianBlur { radius_px: radius }.apply(&image).data;
                made::close(&got, &direct(&image, radius as isize), 0.0);
            }
        }
        for radius_px in [0, 1, 2, 20] {
            made::keeps_shape_and_alpha(|image| MedianBlur { radius_px }.apply(image));
        }
    }
}
