//! Normalisation over channels, and over groups of channels of the whole picture.

use super::Value;
use crate::NormKind;

/// What is taken off values, and what they are multiplied with.
fn moments(values: impl Iterator<Item = f32> + Clone, kind: NormKind, eps: f32) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = match kind {
        NormKind::Standard | NormKind::Deviation => values.clone().map(f64::from).sum::<f64>() / n,
        NormKind::RootMeanSquare => 0.0,
    };
    let square = values.map(|v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    let taken_off = if kind == NormKind::Deviation { 0.0 } else { mean };
    (taken_off, 1.0 / (square + f64::from(eps)).sqrt())
}

fn finish(v: f32, (mean, factor): (f64, f64), c: usize, weight: &[f32], bias: Option<&[f32]>) -> f32 {
    let bias = bias.map_or(0.0, |bias| f64::from(bias[c]));
    ((f64::from(v) - mean) * factor * f64::from(weight[c]) + bias) as f32
}

pub(super) fn layer(x: &Value, kind: NormKind, weight: &[f32], bias: Option<&[f32]>, eps: f32) -> Value {
    let [n, channels, h, w] = x.shape;
    let plane = h * w;
    let mut out = Value::filled(x.shape, 0.0);
    for picture in 0..n {
        for pixel in 0..plane {
            let at = |c: usize| (picture * channels + c) * plane + pixel;
            let moments = moments((0..channels).map(|c| x.data[at(c)]), kind, eps);
            for c in 0..channels {
                out.data[at(c)] = finish(x.data[at(c)], moments, c, weight, bias);
            }
        }
    }
    out
}

pub(super) fn group(x: &Value, groups: usize, weight: &[f32], bias: Option<&[f32]>, eps: f32) -> Value {
    let [_, channels, h, w] = x.shape;
    let (per_group, plane) = (channels / groups, h * w);
    let mut data = Vec::with_capacity(x.data.len());
    for (index, group) in x.data.chunks_exact(per_group * plane).enumerate() {
        let moments = moments(group.iter().copied(), NormKind::Standard, eps);
        let first = index % groups * per_group;
        data.extend(
            group.iter().enumerate().map(|(i, &v)| finish(v, moments, first + i / plane, weight, bias)),
        );
    }
    Value { shape: x.shape, data }
}
