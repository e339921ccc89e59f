//! Blocks of 8 x 8 samples, transformed by an orthonormal DCT, changed, and transformed back, at many places that overlap; the
//! mean of all results leaves no edges of blocks.

/// 8 x 8 samples or coefficients, rows of frequency along y.
pub(super) type Block = [[f32; 8]; 8];

/// Blocks that begin every `step` px along x and y (1, 2, 4 or 8), and in the last places that still cover the edges.
///
/// `change` gets the coefficients of a block (of each of `planes`, all of one size), changes those of the first plane, and gives
/// the weight of the block. The result is the weighted mean of all blocks at each sample.
pub(super) fn over_blocks<const N: usize>(
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

/// Cosines of the odd and even halves of an orthonormal DCT-II of 8: `cos(k pi / 16) / 2`.
const C: [f32; 8] = [
    0.353_553_39, // sqrt(1 / 8)
    0.490_392_64,
    0.461_939_77,
    0.415_734_8,
    0.353_553_39,
    0.277_785_12,
    0.191_341_72,
    0.097_545_16,
];

/// Samples to coefficients.
pub(super) fn forward(block: &mut Block) {
    forward_columns(block);
    transpose(block);
    forward_columns(block);
    transpose(block);
}

/// Coefficients to samples.
pub(super) fn backward(block: &mut Block) {
    backward_columns(block);
    transpose(block);
    backward_columns(block);
    transpose(block);
}

fn lanes(f: impl Fn(usize) -> f32) -> [f32; 8] {
    std::array::from_fn(f)
}

/// A DCT of each column: rows in, rows out, eight columns at once.
fn forward_columns(b: &mut Block) {
    let sum = |i: usize| lanes(|x| b[i][x] + b[7 - i][x]);
    let difference = |i: usize| lanes(|x| b[i][x] - b[7 - i][x]);
    let (s0, s1, s2, s3) = (sum(0), sum(1), sum(2), sum(3));
    let (d0, d1, d2, d3) = (difference(0), difference(1), difference(2), difference(3));
    let (e0, e1) = (lanes(|x| s0[x] + s3[x]), lanes(|x| s1[x] + s2[x]));
    let (o0, o1) = (lanes(|x| s0[x] - s3[x]), lanes(|x| s1[x] - s2[x]));
    b[0] = lanes(|x| C[0] * (e0[x] + e1[x]));
    b[4] = lanes(|x| C[4] * (e0[x] - e1[x]));
    b[2] = lanes(|x| C[2] * o0[x] + C[6] * o1[x]);
    b[6] = lanes(|x| C[6] * o0[x] - C[2] * o1[x]);
    b[1] = lanes(|x| C[1] * d0[x] + C[3] * d1[x] + C[5] * d2[x] + C[7] * d3[x]);
    b[3] = lanes(|x| C[3] * d0[x] - C[7] * d1[x] - C[1] * d2[x] - C[5] * d3[x]);
    b[5] = lanes(|x| C[5] * d0[x] - C[1] * d1[x] + C[7] * d2[x] + C[3] * d3[x]);
    b[7] = lanes(|x| C[7] * d0[x] - C[5] * d1[x] + C[3] * d2[x] - C[1] * d3[x]);
}

/// The inverse of [`forward_columns`]: its transpose.
fn backward_columns(b: &mut Block) {
    let (p, m) = (lanes(|x| C[0] * (b[0][x] + b[4][x])), lanes(|x| C[0] * (b[0][x] - b[4][x])));
    let q = lanes(|x| C[2] * b[2][x] + C[6] * b[6][x]);
    let r = lanes(|x| C[6] * b[2][x] - C[2] * b[6][x]);
    let e = [lanes(|x| p[x] + q[x]), lanes(|x| m[x] + r[x]), lanes(|x| m[x] - r[x]), lanes(|x| p[x] - q[x])];
    let odd =
        |a: f32, k: f32, c: f32, d: f32| lanes(|x| a * b[1][x] + k * b[3][x] + c * b[5][x] + d * b[7][x]);
    let o = [
        odd(C[1], C[3], C[5], C[7]),
        odd(C[3], -C[7], -C[1], -C[5]),
        odd(C[5], -C[1], C[7], C[3]),
        odd(C[7], -C[5], C[3], -C[1]),
    ];
    for i in 0..4 {
        b[i] = lanes(|x| e[i][x] + o[i][x]);
        b[7 - i] = lanes(|x| e[i][x] - o[i][x]);
    }
}

fn transpose(b: &mut Block) {
    let a = *b;
    for (y, row) in b.iter_mut().enumerate() {
        for (x, v) in row.iter_mut().enumerate() {
            *v = a[x][y];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_is_the_definition_and_backward_its_inverse() {
        let mut block: Block = std::array::from_fn(|y| lanes(|x| ((y * 8 + x) * 37 % 64) as f32 / 64.0));
        let original = block;
        forward(&mut block);
        for (v, coefficients) in block.iter().enumerate() {
            for (u, coefficient) in coefficients.iter().enumerate() {
                let norm = |k: usize| if k == 0 { (1.0f64 / 8.0).sqrt() } else { 0.5 };
                let basis = |k: usize, n: usize| {
                    norm(k) * (std::f64::consts::PI * (2 * n + 1) as f64 * k as f64 / 16.0).cos()
                };
                let mut sum = 0.0;
                for (y, row) in original.iter().enumerate() {
                    for (x, s) in row.iter().enumerate() {
                        sum += f64::from(*s) * basis(v, y) * basis(u, x);
                    }
                }
                assert!((sum - f64::from(*coefficient)).abs() < 1e-5, "{v} {u}");
            }
        }
        backward(&mut block);
        assert!(block.iter().flatten().zip(original.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn unchanged_blocks_give_the_plane() {
        for (width, height) in [(1, 1), (3, 2), (20, 13)] {
            let plane: Vec<f32> = (0..width * height).map(|i| (i * 29 % 53) as f32 / 53.0).collect();
            let out = over_blocks([&plane], width, 4, |_| 1.0);
            assert!(out.iter().zip(&plane).all(|(a, b)| (a - b).abs() < 1e-5), "{width}x{height}");
        }
    }
}
