//! A x2 model made by hand, for a machine that cannot download one.
//!
//! It has the layout of a real Compact network (3x3 convolutions, PReLU, pixel shuffle, the input added at the end), but its weights
//! are worked out on paper. Where a pixel is the mean of the four pixels it was shrunk from, the polynomial of degree 4 with the same
//! means as five neighbours predicts both halves: `right = mean + (22 (m[+1] - m[-1]) - 3 (m[+2] - m[-2])) / 128`, `left` mirrored
//! (the prediction step of the biorthogonal wavelets of A. Cohen, I. Daubechies and J.-C. Feauveau, 1992, with five taps). That is sharper than
//! bicubic interpolation, exact on flat colours and soft shades, and learned nothing.

use std::path::Path;

use anyhow::{Context, Result};
use safetensors::tensor::{Dtype, TensorView};

/// Features between the layers: 27 hold the neighbourhood (9 positions of 3 colours), the rest stay zero.
const N_FEATURES: usize = 32;
/// Output values for each input pixel: 3 colours of 2x2 pixels.
const N_OUTPUTS: usize = 12;
/// Weights of the right half of a pixel on its five neighbours in a row, times 128.
const RIGHT_HALF: [f32; 5] = [3.0, -22.0, 128.0, 22.0, -3.0];

/// A tensor of the model: key, shape, values.
type Named = (&'static str, Vec<usize>, Vec<f32>);

/// Writes the model as .safetensors.
pub(super) fn write(path: &Path) -> Result<()> {
    let tensors = tensors();
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((key, shape, _), bytes)| Ok((*key, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>>>()?;
    let file = safetensors::serialize(views, None).context("cannot lay out the model")?;
    std::fs::write(path, file).with_context(|| format!("cannot write {}", path.display()))
}

/// The network under the keys of a Compact state dict: `body.0`, `body.2`, `body.4` convolve, `body.1`, `body.3` are PReLU.
fn tensors() -> Vec<Named> {
    // Gather: feature (position, colour) is the pixel at that position of the 3x3 neighbourhood.
    let mut gather = vec![0.0; N_FEATURES * 3 * 9];
    for position in 0..9 {
        for colour in 0..3 {
            gather[((position * 3 + colour) * 3 + colour) * 9 + position] = 1.0;
        }
    }
    // Pass on: the middle layer changes nothing.
    let mut pass_on = vec![0.0; N_FEATURES * N_FEATURES * 9];
    for feature in 0..N_FEATURES {
        pass_on[(feature * N_FEATURES + feature) * 9 + 4] = 1.0;
    }
    // Combine: a 3x3 convolution over gathered 3x3 neighbourhoods reaches 5x5 pixels, which is what the halves need. A pixel at
    // distance 2 is the outer position of a shifted neighbourhood, the others are taken at its centre.
    let mut combine = vec![0.0; N_OUTPUTS * N_FEATURES * 9];
    for phase in 0..4 {
        for (pixel, weight) in halves(phase).into_iter().enumerate() {
            let (row, column) = (pixel / 5, pixel % 5);
            let (shift_y, inner_y) = split(row);
            let (shift_x, inner_x) = split(column);
            for colour in 0..3 {
                let feature = (inner_y * 3 + inner_x) * 3 + colour;
                combine[((colour * 4 + phase) * N_FEATURES + feature) * 9 + shift_y * 3 + shift_x] += weight;
            }
        }
    }
    let convolution = |n_outputs: usize, n_inputs: usize| vec![n_outputs, n_inputs, 3, 3];
    vec![
        ("body.0.weight", convolution(N_FEATURES, 3), gather),
        ("body.0.bias", vec![N_FEATURES], vec![0.0; N_FEATURES]),
        ("body.1.weight", vec![N_FEATURES], vec![1.0; N_FEATURES]),
        ("body.2.weight", convolution(N_FEATURES, N_FEATURES), pass_on),
        ("body.2.bias", vec![N_FEATURES], vec![0.0; N_FEATURES]),
        ("body.3.weight", vec![N_FEATURES], vec![1.0; N_FEATURES]),
        ("body.4.weight", convolution(N_OUTPUTS, N_FEATURES), combine),
        ("body.4.bias", vec![N_OUTPUTS], vec![0.0; N_OUTPUTS]),
    ]
}

/// Weights of the 5x5 neighbours for one pixel of the 2x2 block, less the input itself, which the network adds at its end.
fn halves(phase: usize) -> [f32; 25] {
    let along = |is_second: bool, tap: usize| if is_second { RIGHT_HALF[tap] } else { RIGHT_HALF[4 - tap] };
    let mut weights: [f32; 25] = std::array::from_fn(|pixel| {
        along(phase >= 2, pixel / 5) * along(phase % 2 == 1, pixel % 5) / (128.0 * 128.0)
    });
    weights[12] -= 1.0;
    weights
}

/// Position 0..5 as a shift of the neighbourhood and a position in it, both 0..3.
fn split(position: usize) -> (usize, usize) {
    match position {
        0 => (0, 0),
        4 => (2, 2),
        inner => (1, inner - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plain zero-padded 3x3 convolution, NCHW.
    fn convolve(input: &[f32], n_inputs: usize, size: usize, weights: &[f32], n_outputs: usize) -> Vec<f32> {
        let at = |channel: usize, y: isize, x: isize| {
            let inside = (0..size as isize).contains(&y) && (0..size as isize).contains(&x);
            if inside { input[(channel * size + y as usize) * size + x as usize] } else { 0.0 }
        };
        let mut output = vec![0.0; n_outputs * size * size];
        for (index, value) in output.iter_mut().enumerate() {
            let (channel, y, x) =
                (index / (size * size), (index / size % size) as isize, (index % size) as isize);
            for input_channel in 0..n_inputs {
                for tap in 0..9 {
                    let weight = weights[(channel * n_inputs + input_channel) * 9 + tap];
                    *value +=
                        weight * at(input_channel, y + (tap / 3) as isize - 1, x + (tap % 3) as isize - 1);
                }
            }
        }
        output
    }

    /// Runs the network; every PReLU has slope 1 and every bias is 0, so the convolutions are all there is.
    fn enlarge(image: &[f32], size: usize) -> Vec<f32> {
        let tensors = tensors();
        let weights = |key: &str| &tensors.iter().find(|(name, _, _)| *name == key).unwrap().2;
        let features = convolve(image, 3, size, weights("body.0.weight"), N_FEATURES);
        let features = convolve(&features, N_FEATURES, size, weights("body.2.weight"), N_FEATURES);
        let blocks = convolve(&features, N_FEATURES, size, weights("body.4.weight"), N_OUTPUTS);
        let double = 2 * size;
        let mut output = vec![0.0; 3 * double * double];
        for (index, value) in output.iter_mut().enumerate() {
            let (colour, y, x) = (index / (double * double), index / double % double, index % double);
            let phase = y % 2 * 2 + x % 2;
            let pixel = (y / 2) * size + x / 2;
            *value = blocks[(colour * 4 + phase) * size * size + pixel] + image[colour * size * size + pixel];
        }
        output
    }

    /// A picture of 3 colours with a soft shade and a disc, sampled at `size` pixels from the same scene.
    fn scene(size: usize) -> Vec<f32> {
        (0..3 * size * size)
            .map(|index| {
                let (colour, y, x) = (index / (size * size), index / size % size, index % size);
                let (u, v) = ((x as f32 + 0.5) / size as f32, (y as f32 + 0.5) / size as f32);
                let disc = 1.0 / (1.0 + (120.0 * ((u - 0.5).hypot(v - 0.5) - 0.28)).exp());
                0.2 * u + 0.1 * colour as f32 + 0.5 * disc
            })
            .collect()
    }

    fn halve(image: &[f32], size: usize) -> Vec<f32> {
        let half = size / 2;
        (0..3 * half * half)
            .map(|index| {
                let (colour, y, x) = (index / (half * half), index / half % half, index % half);
                let at = |dy: usize, dx: usize| image[(colour * size + 2 * y + dy) * size + 2 * x + dx];
                (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4.0
            })
            .collect()
    }

    /// Bicubic enlargement (Keys, a = -1/2), whose taps for the two halves of a pixel mirror each other.
    fn bicubic(image: &[f32], size: usize) -> Vec<f32> {
        const FIRST_HALF: [f32; 5] = [-0.0234375, 0.2265625, 0.8671875, -0.0703125, 0.0];
        let double = 2 * size;
        (0..3 * double * double)
            .map(|index| {
                let (colour, y, x) = (index / (double * double), index / double % double, index % double);
                let weight = |is_second: bool, tap: usize| FIRST_HALF[if is_second { 4 - tap } else { tap }];
                let mut sum = 0.0;
                for tap in 0..25 {
                    let (tap_y, tap_x) = (tap / 5, tap % 5);
                    let clamp =
                        |position: usize, tap: usize| (position / 2 + tap).saturating_sub(2).min(size - 1);
                    let pixel = image[(colour * size + clamp(y, tap_y)) * size + clamp(x, tap_x)];
                    sum += weight(y % 2 == 1, tap_y) * weight(x % 2 == 1, tap_x) * pixel;
                }
                sum
            })
            .collect()
    }

    /// Mean squared error away from the border, where zero padding has no part in it.
    fn error(a: &[f32], b: &[f32], size: usize) -> f32 {
        let inner = |index: &usize| {
            let (y, x) = (index / size % size, index % size);
            (8..size - 8).contains(&y) && (8..size - 8).contains(&x)
        };
        let squares: Vec<f32> =
            (0..a.len()).filter(inner).map(|index| (a[index] - b[index]).powi(2)).collect();
        squares.iter().sum::<f32>() / squares.len() as f32
    }

    #[test]
    fn shrinking_the_result_gives_the_input_back() {
        let small = halve(&scene(48), 48);
        let again = halve(&enlarge(&small, 24), 48);
        assert!(error(&small, &again, 24) < 1e-12);
    }

    #[test]
    fn it_comes_closer_to_the_original_than_bicubic() {
        let original = scene(96);
        let small = halve(&original, 96);
        let ours = error(&enlarge(&small, 48), &original, 96);
        let theirs = error(&bicubic(&small, 48), &original, 96);
        assert!(ours < 0.8 * theirs, "ours {ours:e}, bicubic {theirs:e}");
    }
}
