//! Conv3XC, SPAN's convolution: 1x1, 3x3, 1x1 in a row and a 1x1 beside them while it is trained; all of it is one
//! 3x3 convolution.

use super::layers::Layers;
use crate::{ModelError, NodeId};

/// Suffixes of a Conv3XC's keys, with weight and bias each.
pub(super) const PARTS: [&str; 5] = ["sk", "conv.0", "conv.1", "conv.2", "eval_conv"];

/// Appends the merged convolution `[out, input]`. A stored `eval_conv` may be older than the weights it was merged from;
/// it counts only where they are absent.
pub(super) fn conv3xc(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    [out, input]: [usize; 2],
) -> Result<NodeId, ModelError> {
    let has = |part: &str| layers.has(&format!("{prefix}.{part}.weight"));
    if !PARTS[..4].iter().any(|part| has(part)) && has("eval_conv") {
        return layers.conv(&format!("{prefix}.eval_conv"), x, [out, input], 3);
    }
    let merged = conv3xc_merged(layers, prefix, [out, input])?;
    Ok(merged.push(layers, prefix, x, [out, input]))
}

/// A 3x3 convolution made of several.
pub(super) struct Merged {
    /// `[out, in, 3, 3]`.
    pub(super) weight: Vec<f64>,
    pub(super) bias: Vec<f64>,
}

impl Merged {
    /// Adds `share` times another.
    pub(super) fn add(&mut self, share: f64, other: &Self) {
        let add = |to: &mut [f64], from: &[f64]| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += share * from);
        };
        add(&mut self.weight, &other.weight);
        add(&mut self.bias, &other.bias);
    }

    /// Appends it, `[out, input]`.
    pub(super) fn push(
        self,
        layers: &mut Layers<'_>,
        prefix: &str,
        x: NodeId,
        [out, input]: [usize; 2],
    ) -> NodeId {
        let rounded = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect();
        let weight = layers.made_weight(
            format!("{prefix}.weight (merged)"),
            &[out, input, 3, 3],
            rounded(self.weight),
        );
        let bias = layers.made_weight(format!("{prefix}.bias (merged)"), &[out], rounded(self.bias));
        layers.push_conv(prefix, x, weight, Some(bias), 3)
    }
}

/// The convolution `[out, input]` that the training form comes to.
///
/// That form pads the picture with zeros *before* the first 1x1, so that the border holds that layer's bias and the merged
/// 3x3 with zero padding equals it at the border too.
pub(super) fn conv3xc_merged(
    layers: &Layers<'_>,
    prefix: &str,
    [out, input]: [usize; 2],
) -> Result<Merged, ModelError> {
    let [hidden_in, _, _, _] = layers.conv_shape(&format!("{prefix}.conv.0"))?;
    let [hidden_out, _, _, _] = layers.conv_shape(&format!("{prefix}.conv.1"))?;
    let matrix = |part: &str, shape: &[usize]| -> Result<Vec<f64>, ModelError> {
        Ok(layers.values(&format!("{prefix}.{part}.weight"), shape)?.into_iter().map(f64::from).collect())
    };
    let first = matrix("conv.0", &[hidden_in, input, 1, 1])?;
    let middle = matrix("conv.1", &[hidden_out, hidden_in, 3, 3])?;
    let last = matrix("conv.2", &[out, hidden_out, 1, 1])?;
    let beside = matrix("sk", &[out, input, 1, 1])?;
    let bias_of = |part: &str, len: usize| -> Result<Vec<f64>, ModelError> {
        let key = format!("{prefix}.{part}.bias");
        if !layers.has(&key) {
            return Ok(vec![0.0; len]);
        }
        Ok(layers.values(&key, &[len])?.into_iter().map(f64::from).collect())
    };
    let (first_bias, middle_bias) = (bias_of("conv.0", hidden_in)?, bias_of("conv.1", hidden_out)?);
    let (last_bias, beside_bias) = (bias_of("conv.2", out)?, bias_of("sk", out)?);

    // From the outside in: last * middle is [out, hidden_in, 9], times first is [out, input, 9].
    const TAPS: usize = 9;
    let mut weight = vec![0.0f64; out * input * TAPS];
    let mut bias = vec![0.0f64; out];
    let mut outer = vec![0.0f64; hidden_in * TAPS];
    for o in 0..out {
        outer.fill(0.0);
        bias[o] = last_bias[o] + beside_bias[o];
        for h in 0..hidden_out {
            let factor = last[o * hidden_out + h];
            bias[o] += factor * middle_bias[h];
            for (to, &w) in outer.iter_mut().zip(&middle[h * hidden_in * TAPS..][..hidden_in * TAPS]) {
                *to += factor * w;
            }
        }
        for (h, taps) in outer.chunks_exact(TAPS).enumerate() {
            bias[o] += first_bias[h] * taps.iter().sum::<f64>();
            for i in 0..input {
                let factor = first[h * input + i];
                for (to, &w) in weight[(o * input + i) * TAPS..][..TAPS].iter_mut().zip(taps) {
                    *to += factor * w;
                }
            }
        }
        for i in 0..input {
            weight[(o * input + i) * TAPS + TAPS / 2] += beside[o * input + i];
        }
    }
    Ok(Merged { weight, bias })
}
