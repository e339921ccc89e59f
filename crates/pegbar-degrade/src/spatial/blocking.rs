//! Block artefacts: 8 x 8 blocks, transformed and quantised, as JPEG and MPEG-2 do it.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::luma_chroma::LumaChroma;

/// Parameters of [`Blocking`].
pub const PARAMS: &[Param] = &[
    Param::int("quality", "Quality as JPEG counts it.", "", (1, 100), 25),
    Param::int("offset-x", "First column of a block: the picture may have been cropped.", "px", (0, 7), 0),
    Param::int("offset-y", "First row of a block.", "px", (0, 7), 0),
];

/// Quantisation of luma and chroma in blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blocking {
    /// 1 to 100, as libjpeg scales its tables.
    pub quality: i32,
    /// Column of the first block's left edge.
    pub offset_x: usize,
    /// Row of the first block's upper edge.
    pub offset_y: usize,
}

impl Blocking {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            quality: values.int("quality") as i32,
            offset_x: values.usize("offset-x"),
            offset_y: values.usize("offset-y"),
        }
    }

    /// Spoils a picture.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut planes = LumaChroma::of(image);
        self.quantise(&mut planes.luma, image.width, &LUMA_STEPS);
        self.quantise(&mut planes.cb, image.width, &CHROMA_STEPS);
        self.quantise(&mut planes.cr, image.width, &CHROMA_STEPS);
        planes.picture(image)
    }

    fn quantise(&self, plane: &mut [f32], width: usize, steps: &[f32; 64]) {
        if plane.is_empty() {
            return;
        }
        let height = plane.len() / width;
        let scale = match self.quality {
            ..50 => 5000.0 / self.quality.max(1) as f32,
            quality => 200.0 - 2.0 * quality.min(100) as f32,
        };
        let steps = steps.map(|step| ((step * scale + 50.0) / 100.0).floor().clamp(1.0, 255.0) / 255.0);
        let basis = dct_basis();
        let starts = |offset: usize, n: usize| (offset as isize % 8 - 8..n as isize).step_by(8);
        for top in starts(self.offset_y, height) {
            for left in starts(self.offset_x, width) {
                // Samples beyond the edges are those at the edges.
                let at = |x: usize, y: usize| {
                    let x = (left + x as isize).clamp(0, width as isize - 1) as usize;
                    let y = (top + y as isize).clamp(0, height as isize - 1) as usize;
                    y * width + x
                };
                let mut block = [[0.0f32; 8]; 8];
                for (y, row) in block.iter_mut().enumerate() {
                    for (x, v) in row.iter_mut().enumerate() {
                        *v = plane[at(x, y)];
                    }
                }
                block = times(&times(&basis, &block), &transposed(&basis));
                for (v, step) in block.iter_mut().flatten().zip(&steps) {
                    *v = (*v / step).round() * step;
                }
                block = times(&times(&transposed(&basis), &block), &basis);
                for (y, row) in block.iter().enumerate() {
                    for (x, v) in row.iter().enumerate() {
                        let inside = (0..width as isize).contains(&(left + x as isize))
                            && (0..height as isize).contains(&(top + y as isize));
                        if inside {
                            plane[at(x, y)] = *v;
                        }
                    }
                }
            }
        }
    }
}

type Block = [[f32; 8]; 8];

/// The orthonormal DCT-II: a row for each frequency.
fn dct_basis() -> Block {
    let mut basis = [[0.0; 8]; 8];
    for (k, row) in basis.iter_mut().enumerate() {
        let norm = if k == 0 { (1.0f32 / 8.0).sqrt() } else { 0.5 };
        for (n, v) in row.iter_mut().enumerate() {
            *v = norm * (std::f32::consts::PI * (2 * n + 1) as f32 * k as f32 / 16.0).cos();
        }
    }
    basis
}

fn times(a: &Block, b: &Block) -> Block {
    let mut out = [[0.0; 8]; 8];
    for (out_row, a_row) in out.iter_mut().zip(a) {
        for (factor, b_row) in a_row.iter().zip(b) {
            for (o, v) in out_row.iter_mut().zip(b_row) {
                *o += factor * v;
            }
        }
    }
    out
}

fn transposed(a: &Block) -> Block {
    let mut out = [[0.0; 8]; 8];
    for (y, row) in a.iter().enumerate() {
        for (x, v) in row.iter().enumerate() {
            out[x][y] = *v;
        }
    }
    out
}

/// Quantiser steps of ITU-T T.81, table K.1, in codes of 8 bits.
#[rustfmt::skip]
const LUMA_STEPS: [f32; 64] = [
    16., 11., 10., 16., 24., 40., 51., 61., 12., 12., 14., 19., 26., 58., 60., 55.,
    14., 13., 16., 24., 40., 57., 69., 56., 14., 17., 22., 29., 51., 87., 80., 62.,
    18., 22., 37., 56., 68., 109., 103., 77., 24., 35., 55., 64., 81., 104., 113., 92.,
    49., 64., 78., 87., 103., 121., 120., 101., 72., 92., 95., 98., 112., 100., 103., 99.,
];

/// Quantiser steps of ITU-T T.81, table K.2, in codes of 8 bits.
#[rustfmt::skip]
const CHROMA_STEPS: [f32; 64] = [
    17., 18., 24., 47., 99., 99., 99., 99., 18., 21., 26., 66., 99., 99., 99., 99.,
    24., 26., 56., 99., 99., 99., 99., 99., 47., 66., 99., 99., 99., 99., 99., 99.,
    99., 99., 99., 99., 99., 99., 99., 99., 99., 99., 99., 99., 99., 99., 99., 99.,
    99., 99., 99., 99., 99., 99., 99., 99., 99., 99., 99., 99., 99., 99., 99., 99.,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_begin_at_the_offset() {
        let mut image = PlanarImage::zeros(1, 40, 40);
        image.data.iter_mut().enumerate().for_each(|(i, v)| *v = 0.3 + 0.01 * (i % 40) as f32);
        let out = Blocking { quality: 3, offset_x: 3, offset_y: 0 }.apply(&image);
        let step = |x: usize| (out.data[20 * 40 + x] - out.data[20 * 40 + x - 1]).abs();
        assert!(step(11) > 3.0 * step(12).max(step(14)), "{} {}", step(11), step(12));
    }
}
