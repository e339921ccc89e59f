//! Orthonormal cosine transforms: of blocks of 8 x 8, and of short runs of frames.

/// A block of 8 x 8 samples or coefficients.
pub(super) type Block = [[f32; 8]; 8];

/// `cos(k pi / 16) / 2`: the entries of the orthonormal matrix of size 8.
const C1: f32 = 0.490_392_64;
const C2: f32 = 0.461_939_77;
const C3: f32 = 0.415_734_8;
const C4: f32 = 0.353_553_4;
const C5: f32 = 0.277_785_12;
const C6: f32 = 0.191_341_72;
const C7: f32 = 0.097_545_16;

/// Rows of the matrix for even and for odd frequencies, on sums and differences of mirrored samples.
const EVEN: [[f32; 4]; 4] = [[C4, C4, C4, C4], [C2, C6, -C6, -C2], [C4, -C4, -C4, C4], [C6, -C2, C2, -C6]];
const ODD: [[f32; 4]; 4] = [[C1, C3, C5, C7], [C3, -C7, -C1, -C5], [C5, -C1, C7, C3], [C7, -C5, C3, -C1]];

/// The coefficients of a block; horizontal frequency is the first index (transposed, which saves a step).
pub(super) fn forward(block: &Block) -> Block {
    columns(&transposed(&columns(block)))
}

/// The block of coefficients as [`forward`] gives them.
pub(super) fn inverse(coefficients: &Block) -> Block {
    columns_back(&transposed(&columns_back(coefficients)))
}

/// Transforms along the first index, eight columns side by side.
fn columns(x: &Block) -> Block {
    let mut out = [[0.0; 8]; 8];
    let mut sums = [[0.0; 8]; 4];
    let mut differences = [[0.0; 8]; 4];
    for r in 0..4 {
        for i in 0..8 {
            sums[r][i] = x[r][i] + x[7 - r][i];
            differences[r][i] = x[r][i] - x[7 - r][i];
        }
    }
    for k in 0..4 {
        for i in 0..8 {
            let weigh = |m: &[f32; 4], v: &[[f32; 8]; 4]| {
                m[0] * v[0][i] + m[1] * v[1][i] + m[2] * v[2][i] + m[3] * v[3][i]
            };
            out[2 * k][i] = weigh(&EVEN[k], &sums);
            out[2 * k + 1][i] = weigh(&ODD[k], &differences);
        }
    }
    out
}

fn columns_back(c: &Block) -> Block {
    let mut out = [[0.0; 8]; 8];
    for r in 0..4 {
        for i in 0..8 {
            let even =
                EVEN[0][r] * c[0][i] + EVEN[1][r] * c[2][i] + EVEN[2][r] * c[4][i] + EVEN[3][r] * c[6][i];
            let odd = ODD[0][r] * c[1][i] + ODD[1][r] * c[3][i] + ODD[2][r] * c[5][i] + ODD[3][r] * c[7][i];
            out[r][i] = even + odd;
            out[7 - r][i] = even - odd;
        }
    }
    out
}

fn transposed(x: &Block) -> Block {
    std::array::from_fn(|r| std::array::from_fn(|c| x[c][r]))
}

/// The orthonormal matrix of the transform of `n` values: row `m` holds frequency `m`.
pub(super) fn matrix(n: usize) -> Vec<Vec<f32>> {
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
    fn there_and_back() {
        let block: Block =
            std::array::from_fn(|r| std::array::from_fn(|c| ((r * 13 + c * 7) % 11) as f32 / 10.0));
        let coefficients = forward(&block);
        let energy = |b: &Block| b.iter().flatten().map(|v| v * v).sum::<f32>();
        assert!((energy(&block) - energy(&coefficients)).abs() < 1e-4);
        let mean = block.iter().flatten().sum::<f32>() / 8.0;
        assert!((coefficients[0][0] - mean).abs() < 1e-5);
        for (a, b) in inverse(&coefficients).iter().flatten().zip(block.iter().flatten()) {
            assert!((a - b).abs() < 1e-5);
        }
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
