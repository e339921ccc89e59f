//! Few colours that stand for many: made from a picture, searched for the nearest.

use pegbar_frame::PlanarImage;

/// Most colours a palette holds.
pub const MAX_COLOURS: usize = 4096;

/// A list of colours (red, green, blue), searched for the nearest one.
#[derive(Debug, Clone, PartialEq)]
pub struct Palette {
    /// Colours, sorted by [`key`].
    colours: Vec<[f32; 3]>,
    keys: Vec<f32>,
}

impl Palette {
    /// A palette of colours; black where there are none. Those that hold NaN are left out.
    pub fn new(mut colours: Vec<[f32; 3]>) -> Self {
        colours.retain(|c| c.iter().all(|s| s.is_finite()));
        if colours.is_empty() {
            colours.push([0.0; 3]);
        }
        colours.sort_by(|a, b| key(*a).total_cmp(&key(*b)));
        colours.dedup();
        let keys = colours.iter().map(|c| key(*c)).collect();
        Self { colours, keys }
    }

    /// Every colour of a picture; where there are more than [`MAX_COLOURS`], so many that stand for them.
    pub fn of_picture(image: &PlanarImage) -> Self {
        let mut colours = pixels(image);
        colours.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])).then(a[2].total_cmp(&b[2])));
        colours.dedup();
        if colours.len() > MAX_COLOURS { Self::median_cut(image, MAX_COLOURS) } else { Self::new(colours) }
    }

    /// `n` colours that stand for those of a picture: boxes of colour space, always the one with the greatest spread
    /// cut at its mean (Heckbert's median cut with the variance of Wan, Prusinkiewicz, Wong, 1990), then three rounds
    /// of moving each colour to the mean of the pixels nearest to it.
    pub fn median_cut(image: &PlanarImage, n: usize) -> Self {
        let n = n.clamp(1, MAX_COLOURS);
        let mut pixels = pixels(image);
        // A sixteenth of a megapixel says enough about the colours of a picture.
        let step = (pixels.len() / 65_536).max(1);
        pixels = pixels.into_iter().step_by(step).filter(|p| p.iter().all(|s| s.is_finite())).collect();
        let mut boxes = vec![ColourBox::new(&pixels, 0..pixels.len())];
        while boxes.len() < n {
            let widest = (0..boxes.len()).max_by(|a, b| boxes[*a].spread.total_cmp(&boxes[*b].spread));
            let Some(i) = widest.filter(|i| boxes[*i].spread > 1e-9) else { break };
            let ColourBox { range, axis, mean, .. } = boxes.swap_remove(i);
            let part = &mut pixels[range.clone()];
            part.sort_unstable_by(|a, b| a[axis].total_cmp(&b[axis]));
            let cut = part.partition_point(|p| p[axis] <= mean[axis]).clamp(1, part.len() - 1);
            boxes.push(ColourBox::new(&pixels, range.start..range.start + cut));
            boxes.push(ColourBox::new(&pixels, range.start + cut..range.end));
        }
        let mut palette = Self::new(boxes.into_iter().map(|b| b.mean).collect());
        for _ in 0..3 {
            let mut sums = vec![[0.0f64; 4]; palette.colours.len()];
            for pixel in &pixels {
                let sum = &mut sums[palette.nearest_index(*pixel)];
                (0..3).for_each(|c| sum[c] += f64::from(pixel[c]));
                sum[3] += 1.0;
            }
            let moved = sums.iter().zip(&palette.colours).map(|(sum, colour)| {
                if sum[3] == 0.0 { *colour } else { [0, 1, 2].map(|c| (sum[c] / sum[3]) as f32) }
            });
            palette = Self::new(moved.collect());
        }
        palette
    }

    /// The colours.
    pub fn colours(&self) -> &[[f32; 3]] {
        &self.colours
    }

    /// The nearest colour, by squared distance of code values.
    pub fn nearest(&self, colour: [f32; 3]) -> [f32; 3] {
        self.colours[self.nearest_index(colour)]
    }

    /// Outwards from the place of the key: no colour is nearer than the difference of keys says.
    fn nearest_index(&self, colour: [f32; 3]) -> usize {
        let key = key(colour);
        let start = self.keys.partition_point(|k| *k < key);
        let (mut best, mut best_distance) = (start.min(self.keys.len() - 1), f32::INFINITY);
        let (mut below, mut above) = (start, start);
        loop {
            let down = below.checked_sub(1).map(|i| (i, key - self.keys[i]));
            let up = self.keys.get(above).map(|k| (above, k - key));
            let (i, apart) = match (down, up) {
                (Some(d), Some(u)) => {
                    if d.1 <= u.1 {
                        d
                    } else {
                        u
                    }
                }
                (Some(only), None) | (None, Some(only)) => only,
                (None, None) => return best,
            };
            if apart * apart * KEY_SCALE > best_distance {
                return best;
            }
            let c = self.colours[i];
            let distance = (0..3).map(|k| (c[k] - colour[k]) * (c[k] - colour[k])).sum::<f32>();
            if distance < best_distance {
                (best, best_distance) = (i, distance);
            }
            if i < below { below = i } else { above += 1 }
        }
    }
}

/// A number that differs by at most `sqrt(3)` times the distance of two colours: their sum.
fn key(c: [f32; 3]) -> f32 {
    c[0] + c[1] + c[2]
}

/// Squared distance is at least the squared difference of keys by 3, less a little for rounding.
const KEY_SCALE: f32 = 0.333;

struct ColourBox {
    range: std::ops::Range<usize>,
    axis: usize,
    mean: [f32; 3],
    /// Variance along the axis times the number of pixels.
    spread: f64,
}

impl ColourBox {
    fn new(pixels: &[[f32; 3]], range: std::ops::Range<usize>) -> Self {
        let part = &pixels[range.clone()];
        let n = part.len().max(1) as f64;
        let mean = [0, 1, 2].map(|c| part.iter().map(|p| f64::from(p[c])).sum::<f64>() / n);
        let spread = [0, 1, 2].map(|c| part.iter().map(|p| (f64::from(p[c]) - mean[c]).powi(2)).sum::<f64>());
        let axis = (0..3).max_by(|a, b| spread[*a].total_cmp(&spread[*b])).unwrap_or(0);
        let spread = if part.len() < 2 { 0.0 } else { spread[axis] };
        Self { range, axis, mean: mean.map(|m| m as f32), spread }
    }
}

fn pixels(image: &PlanarImage) -> Vec<[f32; 3]> {
    let plane = |c: usize| image.plane(if image.channels < 3 { 0 } else { c });
    let rgb = plane(0).iter().zip(plane(1)).zip(plane(2));
    rgb.map(|((r, g), b)| [*r, *g, *b]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn nearest_equals_the_search_of_all() {
        let palette = Palette::median_cut(&made::picture(3, 40, 33), 50);
        assert!((40..=50).contains(&palette.colours().len()));
        for i in 0..1000 {
            let colour = [i % 10, i / 10 % 10, i / 100].map(|v| v as f32 / 9.0);
            let distance = |c: [f32; 3]| (0..3).map(|k| (c[k] - colour[k]).powi(2)).sum::<f32>();
            let best = palette.colours().iter().map(|c| distance(*c)).fold(f32::INFINITY, f32::min);
            assert!((distance(palette.nearest(colour)) - best).abs() < 1e-6);
        }
        assert_eq!(palette.nearest([f32::NAN; 3]).len(), 3);
    }

    #[test]
    fn colours_of_a_picture() {
        let data = vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.5];
        let image = PlanarImage { width: 4, height: 1, channels: 3, data };
        assert_eq!(Palette::of_picture(&image).colours().len(), 3);
        let two = Palette::median_cut(&image, 3);
        for colour in [[1.0, 0.0, 0.0], [0.0, 0.0, 0.5], [0.0, 1.0, 0.5]] {
            assert_eq!(two.nearest(colour), colour);
        }
        assert_eq!(Palette::median_cut(&PlanarImage::zeros(1, 2, 2), 8).colours(), [[0.0; 3]]);
    }
}
