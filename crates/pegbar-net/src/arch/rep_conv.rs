//! RTMoSR's convolutions, which are trained as sums of several: each is one convolution in the end.

use super::conv3xc::{Merged, conv3xc_merged};
use super::layers::Layers;
use crate::{ModelError, NodeId};

const TAPS: usize = 9;

/// Appends a `RepConv` `[out, input]`: a 1x1 and a 3x3 convolution in a row, a 3x3 and a Conv3XC, each times its share in
/// `alpha`. The stored merged convolution counts only where these are absent, as it may be older.
pub(super) fn rep_conv(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    [out, input]: [usize; 2],
) -> Result<NodeId, ModelError> {
    if !layers.has(&format!("{prefix}.alpha")) {
        return layers.conv(&format!("{prefix}.conv_3x3_rep"), x, [out, input], 3);
    }
    let shares = layers.values(&format!("{prefix}.alpha"), &[3])?;
    let row = in_a_row(layers, &format!("{prefix}.conv1"), [out, input])?;
    let plain = Merged {
        weight: doubles(layers, &format!("{prefix}.conv2.weight"), &[out, input, 3, 3])?,
        bias: doubles(layers, &format!("{prefix}.conv2.bias"), &[out])?,
    };
    let beside = conv3xc_merged(layers, &format!("{prefix}.conv3"), [out, input])?;
    let mut sum = Merged { weight: vec![0.0; out * input * TAPS], bias: vec![0.0; out] };
    for (share, part) in shares.into_iter().zip([row, plain, beside]) {
        sum.add(f64::from(share), &part);
    }
    Ok(sum.push(layers, prefix, x, [out, input]))
}

/// A 1x1 convolution, its result continued by its bias, and a 3x3: at the border, too, one convolution with zeros around
/// the picture.
fn in_a_row(layers: &Layers<'_>, prefix: &str, [out, input]: [usize; 2]) -> Result<Merged, ModelError> {
    let [middle, _, _, _] = layers.shape(&format!("{prefix}.k0"))?;
    let first = doubles(layers, &format!("{prefix}.k0"), &[middle, input, 1, 1])?;
    let first_bias = doubles(layers, &format!("{prefix}.b0"), &[middle])?;
    let second = doubles(layers, &format!("{prefix}.k1"), &[out, middle, 3, 3])?;
    let mut merged = Merged {
        weight: vec![0.0; out * input * TAPS],
        bias: doubles(layers, &format!("{prefix}.b1"), &[out])?,
    };
    for o in 0..out {
        for m in 0..middle {
            let taps = &second[(o * middle + m) * TAPS..][..TAPS];
            merged.bias[o] += first_bias[m] * taps.iter().sum::<f64>();
            for i in 0..input {
                let factor = first[m * input + i];
                for (to, &w) in merged.weight[(o * input + i) * TAPS..][..TAPS].iter_mut().zip(taps) {
                    *to += factor * w;
                }
            }
        }
    }
    Ok(merged)
}

/// Appends an `OmniShift` of so many channels: the picture itself and its depthwise 1x1, 3x3 and 5x5 convolutions, each
/// channel times its share, as one 5x5. The stored merged convolution counts only where these are absent.
pub(super) fn omni_shift(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    const SIDE: usize = 5;
    if !layers.has(&format!("{prefix}.alpha1")) {
        return layers.depthwise(&format!("{prefix}.conv5x5_reparam"), x, channels, SIDE);
    }
    let share = |n: usize| doubles(layers, &format!("{prefix}.alpha{n}"), &[1, channels, 1, 1]);
    let own = share(1)?;
    let mut weight = vec![0.0; channels * SIDE * SIDE];
    let mut bias = vec![0.0; channels];
    for (n, side) in [(2, 1), (3, 3), (4, 5)] {
        let share = share(n)?;
        let name = format!("{prefix}.conv{side}x{side}");
        let kernels = doubles(layers, &format!("{name}.weight"), &[channels, 1, side, side])?;
        let biases = doubles(layers, &format!("{name}.bias"), &[channels])?;
        let border = (SIDE - side) / 2;
        for c in 0..channels {
            bias[c] += share[c] * biases[c];
            for (tap, &w) in kernels[c * side * side..][..side * side].iter().enumerate() {
                let (row, column) = (border + tap / side, border + tap % side);
                weight[(c * SIDE + row) * SIDE + column] += share[c] * w;
            }
        }
    }
    for (c, share) in own.into_iter().enumerate() {
        weight[(c * SIDE + SIDE / 2) * SIDE + SIDE / 2] += share;
    }
    let single = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect();
    Ok(layers.made_depthwise(prefix, x, SIDE, single(weight), single(bias)))
}

/// The values of a tensor that must have this shape.
fn doubles(layers: &Layers<'_>, key: &str, shape: &[usize]) -> Result<Vec<f64>, ModelError> {
    Ok(layers.values(key, shape)?.into_iter().map(f64::from).collect())
}
