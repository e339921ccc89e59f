//! A x2 model made by hand, for a machine that cannot download one.
//!
//! It has the layout of a real Compact network (3x3 convolutions, PReLU, pixel shuffle, the input added at the end), but its weights
//! are worked out on paper. Where a pixel is the mean of the four pixels it was shrunk from, the polynomial of degree 4 with the same
//! means as five neighbours in a row predicts its halves: `right = mean + slope`, `left = mean - slope`, with
//! `slope = (22 (m[+1] - m[-1]) - 3 (m[+2] - m[-2])) / 128` (the prediction step of the biorthogonal wavelets of A. Cohen, I. Daubechies and
//! J.-C. Feauveau, 1992, with five taps). In two dimensions a quarter of the pixel is `mean +- slope_x +- slope_y +- slope_xy`. That is sharper
//! than bicubic interpolation and exact on flat colours and soft shades, and it learned nothing.

use std::path::Path;

use anyhow::{Context, Result};
use safetensors::tensor::{Dtype, TensorView};

/// Features between the layers; those that a layer does not need stay zero.
const N_FEATURES: usize = 32;
/// Output values for each input pixel: 3 colours of 2x2 pixels.
const N_OUTPUTS: usize = 12;
/// Weights of the slope on five neighbours in a row.
const SLOPE: [f32; 5] = [3.0 / 128.0, -22.0 / 128.0, 0.0, 22.0 / 128.0, -3.0 / 128.0];
/// Across a slope, only the middle counts.
const MIDDLE: [f32; 5] = [0.0, 0.0, 1.0, 0.0, 0.0];
/// Vertical and horizontal weights of the three slopes of a pixel.
const SLOPES: [([f32; 5], [f32; 5]); 3] = [(MIDDLE, SLOPE), (SLOPE, MIDDLE), (SLOPE, SLOPE)];
/// The middle of a 3x3 convolution.
const CENTRE: usize = 4;

/// A tensor of the model: key, shape, values.
type Named = (String, Vec<usize>, Vec<f32>);

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
        .map(|((key, shape, _), bytes)| Ok((key, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>>>()?;
    let file = safetensors::serialize(views, None).context("cannot lay out the model")?;
    std::fs::write(path, file).with_context(|| format!("cannot write {}", path.display()))
}

/// A convolution under construction.
struct Convolution {
    n_inputs: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Convolution {
    fn new(n_outputs: usize, n_inputs: usize) -> Convolution {
        Convolution { n_inputs, weights: vec![0.0; n_outputs * n_inputs * 9], bias: vec![0.0; n_outputs] }
    }

    /// The weight of `output` on `input` at a position of the 3x3 neighbourhood, counted row by row.
    fn at(&mut self, output: usize, input: usize, position: usize) -> &mut f32 {
        &mut self.weights[(output * self.n_inputs + input) * 9 + position]
    }
}

/// The network under the keys of a Compact state dict: even numbers convolve, odd ones are PReLU.
fn tensors() -> Vec<Named> {
    // 1. Gather the 3x3 neighbourhood of each colour, and one feature that is 1 everywhere: beyond the border everything is 0, so it
    //    tells the next layers where the picture ends.
    let mut gather = Convolution::new(N_FEATURES, 3);
    for position in 0..9 {
        for colour in 0..3 {
            *gather.at(gathered(position, colour), colour, position) = 1.0;
        }
    }
    let inside = 27;
    gather.bias[inside] = 1.0;

    // 2. Compute the slopes: a convolution over gathered neighbourhoods reaches the 5x5 pixels they need. And find the pixels whose
    //    neighbours are all inside.
    let mut slopes = Convolution::new(N_FEATURES, N_FEATURES);
    for (which, (vertical, horizontal)) in SLOPES.iter().enumerate() {
        for pixel in 0..25 {
            let ((shift_y, inner_y), (shift_x, inner_x)) = (split(pixel / 5), split(pixel % 5));
            for colour in 0..3 {
                let from = gathered(inner_y * 3 + inner_x, colour);
                *slopes.at(which * 3 + colour, from, shift_y * 3 + shift_x) +=
                    vertical[pixel / 5] * horizontal[pixel % 5];
            }
        }
    }
    let surrounded = 9;
    for position in 0..9 {
        *slopes.at(surrounded, inside, position) = 1.0;
    }
    slopes.bias[surrounded] = -8.0;
    let mut slopes_prelu = vec![1.0; N_FEATURES];
    slopes_prelu[surrounded] = 0.0;

    // 3. Drop the slopes that reach over the border. A slope and its negative, each cut off below 0, make the slope again; where a
    //    neighbour is not surrounded both are lowered by 1 or more, which no slope exceeds, and nothing is left.
    let mut gate = Convolution::new(N_FEATURES, N_FEATURES);
    for slope in 0..9 {
        for (side, sign) in [1.0, -1.0].into_iter().enumerate() {
            let output = slope * 2 + side;
            *gate.at(output, slope, CENTRE) = sign;
            for position in 0..9 {
                *gate.at(output, surrounded, position) = 1.0;
            }
            gate.bias[output] = -9.0;
        }
    }

    // 4. Combine them to what each quarter adds to the pixel; the network adds the pixel itself.
    let mut combine = Convolution::new(N_OUTPUTS, N_FEATURES);
    for quarter in 0..4 {
        let (y_sign, x_sign) =
            (if quarter < 2 { -1.0 } else { 1.0 }, if quarter % 2 == 0 { -1.0 } else { 1.0 });
        for (which, sign) in [x_sign, y_sign, x_sign * y_sign].into_iter().enumerate() {
            for colour in 0..3 {
                let slope = which * 3 + colour;
                *combine.at(colour * 4 + quarter, slope * 2, CENTRE) = sign;
                *combine.at(colour * 4 + quarter, slope * 2 + 1, CENTRE) = -sign;
            }
        }
    }

    let mut tensors = Vec::new();
    for (index, layer) in [gather, slopes, gate, combine].into_iter().enumerate() {
        let n_outputs = layer.bias.len();
        tensors.push((
            format!("body.{}.weight", 2 * index),
            vec![n_outputs, layer.n_inputs, 3, 3],
            layer.weights,
        ));
        tensors.push((format!("body.{}.bias", 2 * index), vec![n_outputs], layer.bias));
    }
    let slopes_of_prelu = [vec![1.0; N_FEATURES], slopes_prelu, vec![0.0; N_FEATURES]];
    for (index, prelu) in slopes_of_prelu.into_iter().enumerate() {
        tensors.push((format!("body.{}.weight", 2 * index + 1), vec![N_FEATURES], prelu));
    }
    tensors
}

/// The feature that holds a colour of a neighbour.
fn gathered(position: usize, colour: usize) -> usize {
    position * 3 + colour
}

/// Position 0..5 of a row as the position of a neighbourhood and the position in it, both 0..3: the outermost pixels are taken from the
/// neighbouring neighbourhoods, the others from the one in the middle.
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

    /// A plain zero-padded 3x3 convolution, NCHW, then PReLU where the model has one.
    fn layer(input: &[f32], size: usize, index: usize) -> Vec<f32> {
        let tensors = tensors();
        let find = |key: String| {
            tensors.iter().find(|(name, _, _)| *name == key).map(|(_, shape, values)| (shape, values))
        };
        let (shape, weights) = find(format!("body.{}.weight", 2 * index)).unwrap();
        let (_, bias) = find(format!("body.{}.bias", 2 * index)).unwrap();
        let prelu = find(format!("body.{}.weight", 2 * index + 1)).map(|(_, values)| values);
        let at = |channel: usize, y: isize, x: isize| {
            let inside = (0..size as isize).contains(&y) && (0..size as isize).contains(&x);
            if inside { input[(channel * size + y as usize) * size + x as usize] } else { 0.0 }
        };
        let mut output = vec![0.0; shape[0] * size * size];
        for (position, value) in output.iter_mut().enumerate() {
            let (channel, y, x) =
                (position / (size * size), (position / size % size) as isize, (position % size) as isize);
            *value = bias[channel];
            for input_channel in 0..shape[1] {
                for tap in 0..9 {
                    let weight = weights[(channel * shape[1] + input_channel) * 9 + tap];
                    if weight != 0.0 {
                        *value += weight
                            * at(input_channel, y + (tap / 3) as isize - 1, x + (tap % 3) as isize - 1);
                    }
                }
            }
            if let Some(prelu) = prelu
                && *value < 0.0
            {
                *value *= prelu[channel];
            }
        }
        output
    }

    /// Runs the network on a square picture.
    fn enlarge(image: &[f32], size: usize) -> Vec<f32> {
        let blocks = (0..4).fold(image.to_vec(), |features, index| layer(&features, size, index));
        let double = 2 * size;
        let mut output = vec![0.0; 3 * double * double];
        for (index, value) in output.iter_mut().enumerate() {
            let (colour, y, x) = (index / (double * double), index / double % double, index % double);
            let quarter = y % 2 * 2 + x % 2;
            let pixel = (y / 2) * size + x / 2;
            *value =
                blocks[(colour * 4 + quarter) * size * size + pixel] + image[colour * size * size + pixel];
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

    /// Mean squared error.
    fn error(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / a.len() as f32
    }

    #[test]
    fn shrinking_the_result_gives_the_input_back() {
        let small = halve(&scene(48), 48);
        assert!(error(&small, &halve(&enlarge(&small, 24), 48)) < 1e-12);
    }

    #[test]
    fn flat_colours_stay_flat_to_the_border() {
        let enlarged = enlarge(&[0.75; 3 * 8 * 8], 8);
        assert!(enlarged.iter().all(|value| (value - 0.75).abs() < 1e-6));
    }

    #[test]
    fn it_comes_closer_to_the_original_than_bicubic() {
        let original = scene(96);
        let small = halve(&original, 96);
        let ours = error(&enlarge(&small, 48), &original);
        let theirs = error(&bicubic(&small, 48), &original);
        assert!(ours < 0.8 * theirs, "ours {ours:e}, bicubic {theirs:e}");
    }
}
