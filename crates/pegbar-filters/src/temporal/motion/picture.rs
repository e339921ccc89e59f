//! A frame as the search sees it.

use super::BLOCK;
use crate::luma_chroma::luma;
use pegbar_frame::PlanarImage;

/// Pixels that a plane is continued by beyond each border: how far out of the picture a window may reach.
pub(super) const BORDER: usize = 40;

/// No more levels once the shorter side is as short as this: a window would see no more than a handful of places.
const LEAST_SIDE: usize = 64;

/// Luma in 8 bits, softened by a small binomial (so that noise decides less, and half pixels can be had by the mean of two),
/// and its halved copies.
#[derive(Debug, Clone)]
pub struct SearchPicture {
    /// Fine to coarse.
    pub(super) levels: Vec<Plane>,
    /// The finest level read half a pixel to the right, half a pixel down, and both.
    pub(super) halves: [Plane; 3],
}

/// Samples of a level with borders of [`BORDER`] pixels that repeat the edge.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) stride: usize,
    pub(super) samples: Vec<u8>,
}

impl SearchPicture {
    /// Prepares the luma of a picture.
    pub fn new(image: &PlanarImage) -> Self {
        Self::of_luma(&luma(image), image.width, image.height)
    }

    /// Prepares a plane of luma.
    pub(in crate::temporal) fn of_luma(luma: &[f32], width: usize, height: usize) -> Self {
        let codes: Vec<u8> = luma.iter().map(|v| (v * 255.0 + 0.5) as u8).collect();
        let mut picture = soften(&codes, width, height);
        let mut levels = vec![Plane::new(&picture, width, height)];
        let (mut w, mut h) = (width, height);
        while w.min(h) > LEAST_SIDE {
            (picture, w, h) = halve(&picture, w, h);
            levels.push(Plane::new(&picture, w, h));
        }
        let whole = &levels[0];
        let halves = [whole.between(1), whole.between(whole.stride), whole.between_both()];
        Self { levels, halves }
    }

    /// Width of the frame in pixels.
    pub fn width(&self) -> usize {
        self.levels[0].width
    }

    /// Height of the frame in pixels.
    pub fn height(&self) -> usize {
        self.levels[0].height
    }
}

impl Plane {
    fn new(picture: &[u8], width: usize, height: usize) -> Self {
        let inner = |side: usize| side.div_ceil(BLOCK) * BLOCK;
        let (stride, rows) = (inner(width) + 2 * BORDER, inner(height) + 2 * BORDER);
        let mut samples = vec![0; stride * rows];
        for (r, out) in samples.chunks_exact_mut(stride).enumerate() {
            let y = r.saturating_sub(BORDER).min(height - 1);
            let row = &picture[y * width..(y + 1) * width];
            out[..BORDER].fill(row[0]);
            out[BORDER..BORDER + width].copy_from_slice(row);
            out[BORDER + width..].fill(row[width - 1]);
        }
        Self { width, height, stride, samples }
    }

    /// Index of the sample at a place relative to the picture's corner.
    pub(super) fn index(&self, x: i32, y: i32) -> usize {
        let border = BORDER as i32;
        debug_assert!(x >= -border && y >= -border);
        (y + border) as usize * self.stride + (x + border) as usize
    }

    /// Means of each sample and the one `step` further on.
    fn between(&self, step: usize) -> Self {
        let mut samples = self.samples.clone();
        for (a, b) in samples.iter_mut().zip(&self.samples[step..]) {
            *a = ((u16::from(*a) + u16::from(*b) + 1) >> 1) as u8;
        }
        Self { samples, ..*self }
    }

    /// Means of the four samples around a corner.
    fn between_both(&self) -> Self {
        let mut samples = self.samples.clone();
        let (right, down) = (&self.samples[1..], &self.samples[self.stride..]);
        let corner = &self.samples[self.stride + 1..];
        for (((a, b), c), d) in samples.iter_mut().zip(right).zip(down).zip(corner) {
            *a = ((u16::from(*a) + u16::from(*b) + u16::from(*c) + u16::from(*d) + 2) >> 2) as u8;
        }
        Self { samples, ..*self }
    }
}

/// Weights 1 2 1 in both directions.
fn soften(codes: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut out = vec![0; codes.len()];
    let mut column_sums = vec![0u16; width + 2];
    for (y, out) in out.chunks_exact_mut(width).enumerate() {
        let row = |y: usize| &codes[y * width..(y + 1) * width];
        let (above, here, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(height - 1)));
        for (sum, ((a, b), c)) in column_sums[1..].iter_mut().zip(above.iter().zip(here).zip(below)) {
            *sum = u16::from(*a) + 2 * u16::from(*b) + u16::from(*c);
        }
        column_sums[0] = column_sums[1];
        column_sums[width + 1] = column_sums[width];
        for (v, sums) in out.iter_mut().zip(column_sums.windows(3)) {
            *v = ((sums[0] + 2 * sums[1] + sums[2] + 8) >> 4) as u8;
        }
    }
    out
}

/// Means of 2 x 2 samples, sides rounded up.
fn halve(picture: &[u8], width: usize, height: usize) -> (Vec<u8>, usize, usize) {
    let (w, h) = (width.div_ceil(2), height.div_ceil(2));
    let mut out = vec![0; w * h];
    for (y, out) in out.chunks_exact_mut(w).enumerate() {
        let above = &picture[2 * y * width..(2 * y + 1) * width];
        let below_y = (2 * y + 1).min(height - 1);
        let below = &picture[below_y * width..(below_y + 1) * width];
        for (v, (a, b)) in out.iter_mut().zip(above.chunks(2).zip(below.chunks(2))) {
            let sum = |pair: &[u8]| u16::from(pair[0]) + u16::from(pair[pair.len() - 1]);
            *v = ((sum(a) + sum(b) + 2) >> 2) as u8;
        }
    }
    (out, w, h)
}
