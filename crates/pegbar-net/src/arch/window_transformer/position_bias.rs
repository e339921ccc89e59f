//! Scores and position biases of windows.

use super::MAX_WINDOW;
use crate::arch::layers::{Layers, square_root};
use crate::{ModelError, WeightId};

/// Most values of all position biases of a network: a small file can ask for many, as a table is repeated for each
/// pair of pixels of a window.
const MAX_BIAS_VALUES: usize = 1 << 29;
/// The largest factor of scores by the angle.
const MAX_FACTOR: f64 = 100.0;

/// What scores of heads are multiplied with: one over the root of a head's channels.
pub(in crate::arch) fn head_scale(
    layers: &Layers<'_>,
    channels: usize,
    heads: usize,
) -> Result<f32, ModelError> {
    if heads == 0 || !channels.is_multiple_of(heads) {
        return Err(layers.problem(format!("{channels} channels cannot be split into {heads} heads")));
    }
    Ok(((channels / heads) as f64).powf(-0.5) as f32)
}

/// What the scores of each head are multiplied with, of their logarithms.
pub(in crate::arch) fn score_factors(
    layers: &mut Layers<'_>,
    key: &str,
    shape: &[usize],
) -> Result<WeightId, ModelError> {
    let factor = |logarithm: f32| f64::from(logarithm).min(MAX_FACTOR.ln()).exp() as f32;
    let data: Vec<f32> = layers.values(key, shape)?.into_iter().map(factor).collect();
    Ok(layers.made_weight(format!("{key} (exp)"), &[data.len()], data))
}

/// Side of a window, from the rows of its index.
pub(in crate::arch) fn window_of_index(layers: &Layers<'_>, key: &str) -> Result<usize, ModelError> {
    let [pixels, _] = layers.shape(key)?;
    match pixels.isqrt() {
        window @ 1..=MAX_WINDOW => Ok(window),
        window => Err(layers.problem(format!("windows of {window} pixels make no sense"))),
    }
}

/// The side of a window from the length of a table with a row for each offset between two of its pixels.
pub(in crate::arch) fn window_of_table(layers: &Layers<'_>, rows: usize) -> Result<usize, ModelError> {
    match square_root(rows) {
        Some(side) if side % 2 == 1 && side.div_ceil(2) <= MAX_WINDOW => Ok(side.div_ceil(2)),
        _ => Err(layers.problem(format!("a table of {rows} position biases belongs to no square window"))),
    }
}

/// The bias `[heads, queries, keys]` of which each value is the row `row(query, key)` of a table `[.., heads]`.
pub(in crate::arch) fn position_bias(
    layers: &mut Layers<'_>,
    name: &str,
    table: &[f32],
    heads: usize,
    [queries, keys]: [usize; 2],
    row: impl Fn(usize, usize) -> usize,
) -> Result<WeightId, ModelError> {
    let so_far: usize = layers.net.weights.iter().map(|w| w.data.len()).sum();
    let len = heads.saturating_mul(queries).saturating_mul(keys);
    if len.saturating_add(so_far) > MAX_BIAS_VALUES {
        return Err(layers.problem(format!("its windows of {queries} x {keys} pixels are too large")));
    }
    let mut data = Vec::with_capacity(len);
    for head in 0..heads {
        for query in 0..queries {
            for key in 0..keys {
                let Some(&value) = table.get(row(query, key) * heads + head) else {
                    return Err(layers.problem(format!("the table of position biases {name} is too short")));
                };
                data.push(value);
            }
        }
    }
    Ok(layers.made_weight(format!("{name} (expanded)"), &[heads, queries, keys], data))
}

/// The row of the offset between two pixels of one window in a table of all offsets, row by row.
pub(in crate::arch) fn offset_row([rows, columns]: [usize; 2], query: usize, key: usize) -> usize {
    let down = query / columns + rows - 1 - key / columns;
    let across = query % columns + columns - 1 - key % columns;
    down * (2 * columns - 1) + across
}

/// The bias of a square window from the table a file holds.
pub(in crate::arch) fn window_bias(
    layers: &mut Layers<'_>,
    key: &str,
    window: usize,
    heads: usize,
) -> Result<WeightId, ModelError> {
    let table = layers.values(key, &[(2 * window - 1).pow(2), heads])?;
    let row = |query, key| offset_row([window; 2], query, key);
    position_bias(layers, key, &table, heads, [window * window; 2], row)
}
