//! Attention between pixels and between channels.

use super::Value;
use crate::{Attention, ChannelAttention, Region, Scores, SortedAttention, spans};

/// Below this a vector is not made longer.
const SHORTEST: f64 = 1e-12;

/// A pixel of a window: where it is (none: a zero beyond the picture), and its place in the whole window.
#[derive(Clone, Copy)]
struct Token {
    at: Option<usize>,
    place: usize,
}

/// Queries and keys that meet.
struct Group {
    queries: Vec<Token>,
    keys: Vec<Token>,
}

/// `exp(x - max) / sum` in place.
fn softmax(values: &mut [f64]) {
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for v in &mut *values {
        *v = (*v - max).exp();
    }
    let sum: f64 = values.iter().sum();
    for v in values {
        *v /= sum;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The factor of the product of two vectors.
fn factor(scores: Scores, factors: Option<&[f32]>, head: usize, a: &[f64], b: &[f64]) -> f64 {
    let length = |v: &[f64]| dot(v, v).sqrt().max(SHORTEST);
    match (scores, factors) {
        (Scores::Dot(factor), _) => f64::from(factor),
        (Scores::Cosine(_), Some(factors)) => f64::from(factors[head]) / length(a) / length(b),
        (Scores::Cosine(_), None) => 1.0,
    }
}

/// The windows of a picture whose queries and keys have these sizes.
fn groups(a: &Attention, [h, w]: [usize; 2], [key_h, key_w]: [usize; 2]) -> Vec<Group> {
    let all = |h: usize, w: usize| (0..h * w).map(|i| Token { at: Some(i), place: i }).collect();
    match a.region {
        Region::Picture => vec![Group { queries: all(h, w), keys: all(key_h, key_w) }],
        Region::Grid(_) | Region::Apart(_) => {
            let ([rows, columns], [dy, dx]) = match a.region {
                Region::Apart([dy, dx]) => ([h / dy, w / dx], [dy, dx]),
                _ => (a.block(), [h / a.block()[0], w / a.block()[1]]),
            };
            let mut groups = vec![];
            for y in 0..dy {
                for x in 0..dx {
                    let token = |i: usize| Token {
                        at: Some((i / columns * dy + y) * w + i % columns * dx + x),
                        place: i,
                    };
                    let tokens: Vec<Token> = (0..rows * columns).map(token).collect();
                    groups.push(Group { queries: tokens.clone(), keys: tokens });
                }
            }
            groups
        }
        Region::Blocks([rows, columns]) => {
            let mut groups = vec![];
            let [margin_y, margin_x] = a.key_margin;
            let key_columns = a.of_keys(1)[0] + 2 * margin_x;
            let [height, width] = [a.padded(0, h), a.padded(1, w)];
            for (band, down) in spans(height, rows, a.shift[0]).enumerate() {
                let key_down = a.key_span(0, height, band);
                for (index, across) in spans(width, columns, a.shift[1]).enumerate() {
                    let key_across = a.key_span(1, width, index);
                    let mut group = Group { queries: vec![], keys: vec![] };
                    for i in 0..down.len {
                        for j in 0..across.len {
                            let (y, x) = (down.start + i, across.start + j);
                            group.queries.push(Token {
                                at: (y < h && x < w).then(|| y * w + x),
                                place: (down.place + i) * columns + across.place + j,
                            });
                        }
                    }
                    for i in 0..key_down.len + 2 * margin_y {
                        for j in 0..key_across.len + 2 * margin_x {
                            let y = (key_down.start + i).wrapping_sub(margin_y);
                            let x = (key_across.start + j).wrapping_sub(margin_x);
                            group.keys.push(Token {
                                at: (y < key_h && x < key_w).then(|| y * key_w + x),
                                place: (key_down.place + i) * key_columns + key_across.place + j,
                            });
                        }
                    }
                    groups.push(group);
                }
            }
            groups
        }
    }
}

/// Some channels of a pixel.
fn vector(x: &Value, n: usize, first: usize, len: usize, at: Option<usize>) -> Vec<f64> {
    let plane = x.shape[2] * x.shape[3];
    let read = |at: usize| move |c: usize| f64::from(x.data[(n * x.shape[1] + first + c) * plane + at]);
    at.map_or_else(|| vec![0.0; len], |at| (0..len).map(read(at)).collect())
}

pub(super) fn pixels(
    a: &Attention,
    [q, k, v]: [&Value; 3],
    factors: Option<&[f32]>,
    bias: Option<&[f32]>,
    out: [usize; 4],
) -> Value {
    let mut result = Value::filled(out, 0.0);
    let (d, dv) = (q.shape[1] / a.heads, v.shape[1] / a.heads);
    let plane = out[2] * out[3];
    let [n_queries, n_keys] = a.tokens();
    let groups = groups(a, [q.shape[2], q.shape[3]], [k.shape[2], k.shape[3]]);
    for n in 0..out[0] {
        for head in 0..a.heads {
            for group in &groups {
                let read = |x: &Value, len: usize| -> Vec<Vec<f64>> {
                    group.keys.iter().map(|key| vector(x, n, head * len, len, key.at)).collect()
                };
                let (keys, values) = (read(k, d), read(v, dv));
                for query in &group.queries {
                    let Some(at) = query.at else { continue };
                    let of_query = vector(q, n, head * d, d, Some(at));
                    let score = |(key, token): (&Vec<f64>, &Token)| {
                        let bias = bias.map_or(0.0, |bias| {
                            f64::from(bias[(head * n_queries + query.place) * n_keys + token.place])
                        });
                        dot(&of_query, key) * factor(a.scores, factors, head, &of_query, key) + bias
                    };
                    let mut weights: Vec<f64> = keys.iter().zip(&group.keys).map(score).collect();
                    softmax(&mut weights);
                    for c in 0..dv {
                        let sum: f64 = weights.iter().zip(&values).map(|(w, v)| w * v[c]).sum();
                        result.data[(n * out[1] + head * dv + c) * plane + at] = sum as f32;
                    }
                }
            }
        }
    }
    result
}

/// Pixels in the order of their categories, those of one row by row.
fn sorted_pixels(categories: &Value, n: usize) -> Vec<usize> {
    let [_, count, h, w] = categories.shape;
    let category = |&at: &usize| {
        let of = |c: usize| categories.data[(n * count + c) * h * w + at];
        (1..count).fold(0, |best, c| if of(c) > of(best) { c } else { best })
    };
    let mut pixels: Vec<usize> = (0..h * w).collect();
    pixels.sort_by_cached_key(category);
    pixels
}

pub(super) fn sorted(a: &SortedAttention, [q, k, v, categories]: [&Value; 4]) -> Value {
    let mut result = Value::filled(v.shape, 0.0);
    let (d, dv) = (q.shape[1] / a.heads, v.shape[1] / a.heads);
    let plane = v.shape[2] * v.shape[3];
    for n in 0..v.shape[0] {
        let order = sorted_pixels(categories, n);
        for (own, more) in a.groups(plane) {
            let keys: Vec<usize> =
                order[own.clone()].iter().chain(order[more].iter().rev()).copied().collect();
            for head in 0..a.heads {
                let read = |x: &Value, len: usize, at: usize| vector(x, n, head * len, len, Some(at));
                let of_keys: Vec<Vec<f64>> = keys.iter().map(|&at| read(k, d, at)).collect();
                let values: Vec<Vec<f64>> = keys.iter().map(|&at| read(v, dv, at)).collect();
                for &at in &order[own.clone()] {
                    let query = read(q, d, at);
                    let mut weights: Vec<f64> =
                        of_keys.iter().map(|key| dot(&query, key) * f64::from(a.scale)).collect();
                    softmax(&mut weights);
                    for c in 0..dv {
                        let sum: f64 = weights.iter().zip(&values).map(|(w, v)| w * v[c]).sum();
                        result.data[(n * v.shape[1] + head * dv + c) * plane + at] = sum as f32;
                    }
                }
            }
        }
    }
    result
}

pub(super) fn channels(
    a: &ChannelAttention,
    with_softmax: bool,
    [q, k, v]: [&Value; 3],
    factors: Option<&[f32]>,
) -> Value {
    let [n, channels, h, w] = v.shape;
    let mut result = Value::filled(v.shape, 0.0);
    let (d, plane) = (channels / a.heads, h * w);
    let as_pixels = Attention::blocks(a.heads, [1, 1], a.scores).with_region(a.region);
    for group in groups(&as_pixels, [h, w], [h, w]) {
        let places: Vec<usize> = group.queries.iter().filter_map(|token| token.at).collect();
        for picture in 0..n {
            for head in 0..a.heads {
                let first = (picture * channels + head * d) * plane;
                let read = |x: &Value, c: usize| -> Vec<f64> {
                    places.iter().map(|&at| f64::from(x.data[first + c * plane + at])).collect()
                };
                let keys: Vec<Vec<f64>> = (0..d).map(|c| read(k, c)).collect();
                let values: Vec<Vec<f64>> = (0..d).map(|c| read(v, c)).collect();
                for c in 0..d {
                    let query = read(q, c);
                    let score =
                        |key: &Vec<f64>| dot(&query, key) * factor(a.scores, factors, head, &query, key);
                    let mut weights: Vec<f64> = keys.iter().map(score).collect();
                    if with_softmax {
                        softmax(&mut weights);
                    }
                    for (i, &at) in places.iter().enumerate() {
                        let sum: f64 = weights.iter().zip(&values).map(|(w, v)| w * v[i]).sum();
                        result.data[first + c * plane + at] = sum as f32;
                    }
                }
            }
        }
    }
    result
}
