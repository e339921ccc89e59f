//! Pooling.

use super::Value;
use crate::{Padding, PoolKind};

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
    Value::generate(out, |n, c, oy, ox| {
        let plane = x.plane(n, c);
        let rows = span(oy, padding.top, kernel[0], stride[0], height);
        let columns = span(ox, padding.left, kernel[1], stride[1], width);
        let values = rows.clone().flat_map(|y| plane[y * width..][..width][columns.clone()].iter().copied());
        match kind {
            PoolKind::Max => {
                values.fold(f32::NEG_INFINITY, |max, v| if v.is_nan() || v > max { v } else { max })
            }
            PoolKind::Average { count_pad } => {
                let count = if count_pad { kernel[0] * kernel[1] } else { rows.len() * columns.len() };
                (values.map(f64::from).sum::<f64>() / count as f64) as f32
            }
        }
    })
}
