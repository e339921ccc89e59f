//! Orthonormal cosine transforms: of blocks of 8 x 8 samples, and of short runs of frames.

/// 8 x 8 samples or coefficients, rows of frequency along y.
pub(crate) type Block = [[f32; 8]; 8];

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
pub(crate) fn forward(block: &mut Block) {
    forward_columns(block);
    transpose(block);
    forward_columns(block);
    transpose(block);
}

/// As [`forward`], but horizontal frequency is the first index, which saves a step.
pub(crate) fn forward_transposed(block: &Block) -> Block {
    let mut coefficients = *block;
    forward_columns(&mut coefficients);
    transpose(&mut coefficients);
    forward_columns(&mut coefficients);
    coefficients
}

/// Samples of coefficients as [`forward_transposed`] gives them.
pub(crate) fn backward_transposed(coefficients: &Block) -> Block {
    let mut block = *coefficients;
    backward_columns(&mut block);
    transpose(&mut block);
    backward_columns(&mut block);
    block
}

/// Coefficients to samples.
pub(crate) fn backward(block: &mut Block) {
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

/// The orthonormal matrix of the transform of `n` values: row `m` holds frequency `m`.
pub(crate) fn matrix(n: usize) -> Vec<Vec<f32>> {
    let row = |m: usize| {
        let scale = (if m == 0 { 1.0 } else { 2.0 } / n as f64).sqrt();
        let angle = |i: usize| std::f64::consts::PI * m as f64 * (i as f64 + 0.5) / n as f64;
        (0..n).map(|i| (scale * angle(i).cos()) as f32).collect()
    };
    (0..n).map(row).collect()
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
        let across = forward_transposed(&original);
        assert!((0..8).all(|v| (0..8).all(|u| across[u][v] == block[v][u])));
        let back = backward_transposed(&across);
        assert!(back.iter().flatten().zip(original.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-5));
        backward(&mut block);
        assert!(block.iter().flatten().zip(original.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn matrices_are_orthonormal() {
        for n in 1..8 {
            let m = matrix(n);
            for (i, a) in m.iter().enumerate() {
                for (j, b) in m.iter().enumerate() {
                    let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    assert!((dot - if i == j { 1.0 } else { 0.0 }).abs() < 1e-5);
                }
            }
        }
    }
}
