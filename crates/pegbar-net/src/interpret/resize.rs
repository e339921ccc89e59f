//! Interpolation, with PyTorch's conventions.

use super::Value;
use crate::{ResizeMode, ResizeTarget};

/// Source places and weights that make one output row or column.
pub(crate) type Taps = Vec<(usize, f64)>;

/// The taps of every output place along one axis. `ratio` is source pixels per output pixel as `[num, den]`; indices
/// beyond the edge repeat it.
pub(crate) fn taps(mode: ResizeMode, size: usize, out_size: usize, ratio: [usize; 2]) -> Vec<Taps> {
    let last = size as i64 - 1;
    let clamp = |at: i64| at.clamp(0, last) as usize;
    // Source place as a fraction of whole numbers: what lies between two pixels is then the same at every place of the
    // picture, and a tile equals the whole to the last bit.
    let source = |at: usize, align_corners: bool| -> (i64, f64) {
        let (numerator, denominator) = if !align_corners {
            ((2 * at as i64 + 1) * ratio[0] as i64 - ratio[1] as i64, 2 * ratio[1] as i64)
        } else {
            (at as i64 * last, (out_size as i64 - 1).max(1))
        };
        let part = numerator.rem_euclid(denominator) as f64 / denominator as f64;
        (numerator.div_euclid(denominator), part)
    };
    (0..out_size)
        .map(|at| match mode {
            // Whole numbers here too, so that 3 * (1/3) is 1 whatever the precision.
            ResizeMode::Nearest => vec![((at * ratio[0] / ratio[1]).min(size - 1), 1.0)],
            ResizeMode::Bilinear { align_corners } => {
                // Beyond the first pixel the two taps are one.
                let (low, part) = source(at, align_corners);
                vec![(clamp(low), 1.0 - part), (clamp(low + 1), part)]
            }
            ResizeMode::Bicubic { align_corners, a } => {
                let (low, part) = source(at, align_corners);
                let weights = cubic(part, f64::from(a));
                (0..4).map(|i| (clamp(low - 1 + i as i64), weights[i])).collect()
            }
        })
        .collect()
}

/// Keys' cubic convolution kernel at distances `t + 1, t, 1 - t, 2 - t`.
fn cubic(t: f64, a: f64) -> [f64; 4] {
    let near = |x: f64| ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

pub(super) fn resize(x: &Value, mode: ResizeMode, target: ResizeTarget, out: [usize; 4]) -> Value {
    // A given factor counts as given, even where the size it makes is rounded down.
    let ratios = match target {
        ResizeTarget::Scale { height, width } => [[height[1], height[0]], [width[1], width[0]]],
        ResizeTarget::Size { .. } | ResizeTarget::Like => [[x.shape[2], out[2]], [x.shape[3], out[3]]],
    };
    let rows = taps(mode, x.shape[2], out[2], ratios[0]);
    let columns = taps(mode, x.shape[3], out[3], ratios[1]);
    Value::generate(out, |n, c, oy, ox| {
        let plane = x.plane(n, c);
        let mut sum = 0.0;
        for &(y, wy) in &rows[oy] {
            let row = &plane[y * x.shape[3]..];
            let along: f64 = columns[ox].iter().map(|&(xx, wx)| wx * f64::from(row[xx])).sum();
            sum += wy * along;
        }
        sum as f32
    })
}
