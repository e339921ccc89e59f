//! Pooling.

use super::Value;
use crate::{Padding, PoolKind};
use std::ops::Range;

pub(super) fn pool(
    x: &Value,
    kind: PoolKind,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: Padding,
    out: [usize; 4],
) -> Value {
    let [_, _, height, width] = x.shape;
    // First and one past the last row (or column) of a window that lie within the picture.
    let span = |at: usize, before: usize, kernel: usize, stride: usize, size: usize| {
        let start = (at * stride) as i64 - before as i64;
        start.max(0) as usize..(start + kernel as i64).clamp(0, size as i64) as usize
    };
    let whole = matches!(kind, PoolKind::Average { count_pad: true }).then_some(kernel[0] * kernel[1]);
    over_windows(x, kind, whole, out, |oy, ox| {
        let rows = span(oy, padding.top, kernel[0], stride[0], height);
        [rows, span(ox, padding.left, kernel[1], stride[1], width)]
    })
}

pub(super) fn adaptive(x: &Value, kind: PoolKind, out: [usize; 4]) -> Value {
    let [_, _, height, width] = x.shape;
    let span = |at: usize, size: usize, out: usize| at * size / out..((at + 1) * size).div_ceil(out);
    over_windows(x, kind, None, out, |oy, ox| [span(oy, height, out[2]), span(ox, width, out[3])])
}

/// `count` is what a mean divides by, where that is not the number of values.
fn over_windows(
    x: &Value,
    kind: PoolKind,
    count: Option<usize>,
    out: [usize; 4],
    window: impl Fn(usize, usize) -> [Range<usize>; 2],
) -> Value {
    let width = x.shape[3];
    Value::generate(out, |n, c, oy, ox| {
        let plane = x.plane(n, c);
        let [rows, columns] = window(oy, ox);
        let values = rows.clone().flat_map(|y| plane[y * width..][..width][columns.clone()].iter().copied());
        match kind {
            PoolKind::Max => {
                values.fold(f32::NEG_INFINITY, |max, v| if v.is_nan() || v > max { v } else { max })
            }
            PoolKind::Average { .. } => {
                let count = count.unwrap_or(rows.len() * columns.len());
                (values.map(f64::from).sum::<f64>() / count as f64) as f32
            }
        }
    })
}
