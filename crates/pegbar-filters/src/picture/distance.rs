//! How far pixels are from a shape.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::choices::choices;
use super::samples::{gray, luma};

/// The parameters of [`DistanceTransform`].
pub const PARAMS: &[Param] = &[
    Param::float("threshold", "Pixels at least this light are the shape.", "", (0.0, 1.0), 0.5),
    Param::choice("side", "Where distance is measured.", DistanceSide::CHOICES, "both"),
    Param::float("spread", "Distance that becomes full white or black.", "px", (0.5, 10000.0), 32.0),
];

choices! {
    /// Where distance is measured.
    DistanceSide {
        Both = "both", "Outside below a half gray, inside above: a signed distance field.";
        Inside = "inside", "Inside the shape, from black at its edge to white.";
        Outside = "outside", "Outside the shape, from black at its edge to white.";
    }
}

/// The Euclidean distance of each pixel from the edge of a shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DistanceTransform {
    /// Luma of the darkest pixel of the shape.
    pub threshold: f32,
    /// Where distance is measured.
    pub side: DistanceSide,
    /// Distance in pixels of full white or black.
    pub spread_px: f32,
}

impl DistanceTransform {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            threshold: values.f32("threshold"),
            side: DistanceSide::of(values, "side"),
            spread_px: values.f32("spread"),
        }
    }

    /// The distances as a gray picture, `0..=1`.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let shape: Vec<bool> = luma(image).iter().map(|s| *s >= self.threshold).collect();
        let distance = |seeds: &[bool]| nearest_seed(seeds, image.width).0;
        let outside = distance(&shape);
        let inside = distance(&shape.iter().map(|s| !s).collect::<Vec<_>>());
        let data = inside.iter().zip(&outside).map(|(inside, outside)| match self.side {
            DistanceSide::Inside => (inside / self.spread_px).min(1.0),
            DistanceSide::Outside => (outside / self.spread_px).min(1.0),
            // The edge runs between pixels, so each side begins at a half.
            DistanceSide::Both => {
                let signed = if *inside > 0.0 { inside - 0.5 } else { 0.5 - outside };
                (0.5 + signed / (2.0 * self.spread_px)).clamp(0.0, 1.0)
            }
        });
        gray(image.width, image.height, data.collect())
    }
}

/// For each pixel the distance in pixels to the nearest seed and the index of that seed; infinite and `usize::MAX`
/// where there is none at all. Exact and linear in time: Felzenszwalb, Huttenlocher: "Distance transforms of sampled
/// functions" (2012).
pub(crate) fn nearest_seed(seeds: &[bool], width: usize) -> (Vec<f32>, Vec<usize>) {
    let n = seeds.len();
    let (mut squared, mut nearest) = (vec![f64::INFINITY; n], vec![usize::MAX; n]);
    if width == 0 {
        return (Vec::new(), nearest);
    }
    let height = n / width;
    // Down the columns: the seed above or below.
    for x in 0..width {
        let mut seen: Option<usize> = None;
        for y in (0..height).chain((0..height).rev()) {
            let i = y * width + x;
            if seeds[i] {
                seen = Some(y);
            }
            if let Some(from) = seen {
                let d = (y.abs_diff(from) as f64).powi(2);
                if d < squared[i] {
                    (squared[i], nearest[i]) = (d, from * width + x);
                }
            }
        }
    }
    // Along the rows: the lower envelope of the parabolas over the columns.
    let (mut apex, mut start) = (vec![0usize; width], vec![0.0f64; width + 1]);
    for y in 0..height {
        let row = y * width..(y + 1) * width;
        let (heights, sources) = (squared[row.clone()].to_vec(), nearest[row.clone()].to_vec());
        let mut count = 0;
        for x in (0..width).filter(|x| heights[*x].is_finite()) {
            let lift = |x: usize| heights[x] + (x * x) as f64;
            let mut from = f64::NEG_INFINITY;
            while count > 0 {
                let last = apex[count - 1];
                from = (lift(x) - lift(last)) / (2.0 * (x - last) as f64);
                if from > start[count - 1] {
                    break;
                }
                count -= 1;
                from = f64::NEG_INFINITY;
            }
            (apex[count], start[count]) = (x, from);
            count += 1;
        }
        if count == 0 {
            continue;
        }
        let mut k = 0;
        for x in 0..width {
            while k + 1 < count && start[k + 1] < x as f64 {
                k += 1;
            }
            let across = x.abs_diff(apex[k]) as f64;
            squared[y * width + x] = heights[apex[k]] + across * across;
            nearest[y * width + x] = sources[apex[k]];
        }
    }
    (squared.into_iter().map(|d| d.sqrt() as f32).collect(), nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn equals_the_search_of_every_seed() {
        for (w, h) in made::SIZES {
            let seeds: Vec<bool> = (0..w * h).map(|i| i * 2654435761 % 11 == 3).collect();
            let (distance, nearest) = nearest_seed(&seeds, w);
            for i in 0..w * h {
                let to = |j: usize| ((i % w).abs_diff(j % w) as f32).hypot((i / w).abs_diff(j / w) as f32);
                let want = (0..w * h).filter(|j| seeds[*j]).map(to).fold(f32::INFINITY, f32::min);
                if want.is_finite() {
                    assert!((distance[i] - want).abs() < 1e-5);
                    assert!(seeds[nearest[i]] && (to(nearest[i]) - want).abs() < 1e-5);
                } else {
                    assert_eq!((distance[i], nearest[i]), (f32::INFINITY, usize::MAX));
                }
            }
        }
    }

    #[test]
    fn a_field_with_signs() {
        let image =
            PlanarImage { width: 6, height: 1, channels: 1, data: vec![0.0, 0.0, 0.0, 1.0, 1.0, 1.0] };
        let field = DistanceTransform { threshold: 0.5, side: DistanceSide::Both, spread_px: 2.5 };
        made::close(&field.apply(&image).data, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0], 1e-6);
        let empty = PlanarImage::zeros(3, 2, 2);
        assert_eq!(field.apply(&empty).data, [0.0; 4]);
    }
}
