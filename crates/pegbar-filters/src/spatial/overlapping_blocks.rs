//! Blocks of 8 x 8 samples, transformed by an orthonormal DCT, changed, and transformed back, at many places that overlap; the
//! mean of all results leaves no edges of blocks.

use crate::dct::{Block, backward, forward};

/// Sets coefficients to zero that are below a threshold, which depends on their place, and leaves the first. Returns the weight of the
/// block: the fewer are left, the better it fits the picture.
pub(crate) fn without_small(block: &mut Block, threshold: impl Fn(usize) -> f32) -> f32 {
    let mut n_kept = 1;
    for (i, v) in block.iter_mut().flatten().enumerate().skip(1) {
        if v.abs() < threshold(i) {
            *v = 0.0;
        } else {
            n_kept += 1;
        }
    }
    1.0 / n_kept as f32
}

/// Blocks that begin every `step` px along x and y (1, 2, 4 or 8), and in the last places that still cover the edges.
///
/// `change` gets the coefficients of a block (of each of `planes`, all of one size), changes those of the first plane, and gives
/// the weight of the block. The result is the weighted mean of all blocks at each sample.
pub(crate) fn over_blocks<const N: usize>(
    planes: [&[f32]; N],
    width: usize,
    step: usize,
    mut change: impl FnMut(&mut [Block; N]) -> f32,
) -> Vec<f32> {
    let height = planes[0].len() / width;
    // A border of 8 px that mirrors the picture, so that each sample lies in as many blocks as any other.
    let (padded_width, padded_height) = (width.next_multiple_of(8) + 16, height.next_multiple_of(8) + 16);
    let padded = planes.map(|plane| {
        let mut out = Vec::with_capacity(padded_width * padded_height);
        for y in 0..padded_height {
            let row = &plane[mirrored(y as isize - 8, height) * width..][..width];
            out.extend((0..8).map(|x| row[mirrored(x as isize - 8, width)]));
            out.extend_from_slice(row);
            out.extend((width + 8..padded_width).map(|x| row[mirrored(x as isize - 8, width)]));
        }
        out
    });
    let mut sums = vec![0.0f32; padded_width * padded_height];
    let mut weights = vec![0.0f32; padded_width * padded_height];
    for top in (0..=padded_height - 8).step_by(step) {
        for left in (0..=padded_width - 8).step_by(step) {
            let at = top * padded_width + left;
            let mut blocks: [Block; N] = std::array::from_fn(|n| {
                let mut block: Block = [[0.0; 8]; 8];
                for (y, row) in block.iter_mut().enumerate() {
                    row.copy_from_slice(&padded[n][at + y * padded_width..][..8]);
                }
                forward(&mut block);
                block
            });
            let weight = change(&mut blocks);
            let mut block = blocks[0];
            backward(&mut block);
            for (y, row) in block.iter().enumerate() {
                let start = at + y * padded_width;
                for (sum, v) in sums[start..start + 8].iter_mut().zip(row) {
                    *sum += weight * v;
                }
                for w in &mut weights[start..start + 8] {
                    *w += weight;
                }
            }
        }
    }
    let mut out = vec![0.0; planes[0].len()];
    for (y, target) in out.chunks_exact_mut(width).enumerate() {
        let start = (y + 8) * padded_width + 8;
        for ((t, sum), weight) in target.iter_mut().zip(&sums[start..]).zip(&weights[start..]) {
            *t = sum / weight;
        }
    }
    out
}

/// The index in `0..n` that a mirror at both ends shows.
fn mirrored(i: isize, n: usize) -> usize {
    let period = 2 * n as isize;
    let i = i.rem_euclid(period) as usize;
    if i < n { i } else { 2 * n - 1 - i }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unchanged_blocks_give_the_plane() {
        for (width, height) in [(1, 1), (3, 2), (20, 13)] {
            let plane: Vec<f32> = (0..width * height).map(|i| (i * 29 % 53) as f32 / 53.0).collect();
            let out = over_blocks([&plane], width, 4, |_| 1.0);
            assert!(out.iter().zip(&plane).all(|(a, b)| (a - b).abs() < 1e-5), "{width}x{height}");
        }
    }
}
