//! Attention in ONNX's operators, for pictures of any size.
//!
//! Pictures become `[N, windows, heads, pixels, channels of a head]`, and come back.

use super::functions::{dimension, join, lacking, padded, picture_size};
use super::graph::Graph;
use crate::export::spec::{Pixels, Spec};
use pegbar_formats::onnx::OnnxAttribute::{Int, Ints};

/// So much less alike than any other are keys beyond the picture of a shifted window; half precision holds it.
const FAR: f32 = 1e4;
/// The least length that a vector is divided by.
const LEAST_LENGTH: f32 = 1e-12;
/// The same in half precision, whose least normal number this is: nothing smaller is sure not to become zero, and the
/// pixels around a picture have the length zero.
const LEAST_LENGTH_OF_HALF: f32 = 6.103_515_6e-5;

/// How a picture is cut into windows.
#[derive(Clone, Copy)]
struct Windows {
    heads: usize,
    region: Pixels,
    /// Of keys: so many more on each side.
    margin: [usize; 2],
}

/// `[top, left, bottom, right]` to add, each a list of one.
type Sides = [String; 4];

/// What [`crate::Attention`] computes.
pub(super) fn pixels(graph: &mut Graph, x: &[&str], spec: &Spec) -> String {
    let &Spec::Attention { heads, region, shift, key_margin, key_factor, query_factor, pad_to, dot, bias } =
        spec
    else {
        return x[0].to_owned();
    };
    let block = block_of(region);
    let queries = Windows { heads, region, margin: [0, 0] };
    let key_region = match region {
        Pixels::Blocks(block) => Pixels::Blocks(block.map(|n| n * query_factor / key_factor)),
        other => other,
    };
    let keys = Windows { heads, region: key_region, margin: key_margin };
    let is_shifted = shift != [0, 0];
    let shape = graph.op("Shape", &[x[0]]);
    // A shifted window that the border cuts is made whole.
    let cut = |block: [usize; 2], shift: [usize; 2]| {
        [0, 1].map(|i| if shift[i] > 0 { block[i] - shift[i] } else { 0 })
    };
    let before = cut(block, shift);
    let key_shift = shift.map(|n| (n * query_factor).div_ceil(key_factor));
    let key_before = cut(block_of(key_region), key_shift);
    let is_padded = pad_to.is_some() || is_shifted;
    // Zeros that take part come first, then those that do not.
    let added = |graph: &mut Graph, factor, before, shift| -> [Option<Sides>; 2] {
        let padding = pad_to.map(|to| pad_sides(graph, &shape, to, factor));
        [padding, is_shifted.then(|| shift_sides(graph, before, shift))]
    };
    let query_sides = added(graph, 1, before, shift);
    let key_sides = added(graph, key_factor, key_before, key_shift);
    let zeros_around = |graph: &mut Graph, x: &str, [padding, border]: &[Option<Sides>; 2]| {
        let x = around(graph, x, padding.as_ref(), None);
        around(graph, &x, border.as_ref(), None)
    };
    let q_picture = zeros_around(graph, x[0], &query_sides);
    let k_picture = zeros_around(graph, x[1], &key_sides);
    let v_picture = zeros_around(graph, x[2], &key_sides);
    let q = to_windows(graph, &q_picture, queries);
    let k = to_windows(graph, &k_picture, keys);
    let v = to_windows(graph, &v_picture, keys);

    let mut scores = scores(graph, &q, &k, dot, x.get(3).copied());
    if bias {
        let table = x[if dot.is_none() { 4 } else { 3 }];
        scores = graph.op("Add", &[&scores, table]);
    }
    if is_shifted {
        let mask = mask(graph, x[1], keys, &key_sides);
        scores = graph.op("Add", &[&scores, &mask]);
    }
    let mean = weighted(graph, &scores, &v);
    let whole = graph.op("Shape", &[&q_picture]);
    let out = from_windows(graph, &mean, &whole, queries);
    if !is_padded {
        return out;
    }
    let starts = graph.ints(&before.map(|n| n as i64));
    let size = picture_size(graph, &shape);
    let ends = graph.op("Add", &[&size, &starts]);
    let axes = graph.ints(&[2, 3]);
    graph.op("Slice", &[&out, &starts, &ends, &axes])
}

/// What [`crate::ChannelAttention`] computes.
pub(super) fn channels(graph: &mut Graph, x: &[&str], spec: &Spec) -> String {
    let &Spec::ChannelAttention { heads, region, dot, softmax } = spec else { return x[0].to_owned() };
    let windows = Windows { heads, region, margin: [0, 0] };
    let shape = graph.op("Shape", &[x[0]]);
    let [q, k, v] = [0, 1, 2].map(|i| {
        let pixels = to_windows(graph, x[i], windows);
        swapped(graph, &pixels)
    });
    let scores = scores(graph, &q, &k, dot, x.get(3).copied());
    let sum = if softmax { weighted(graph, &scores, &v) } else { graph.op("MatMul", &[&scores, &v]) };
    let sum = swapped(graph, &sum);
    from_windows(graph, &sum, &shape, windows)
}

fn block_of(region: Pixels) -> [usize; 2] {
    match region {
        Pixels::Picture => [1, 1],
        Pixels::Blocks(block) | Pixels::Grid(block) | Pixels::Apart(block) => block,
    }
}

/// What is added around a picture to make windows that the border cuts whole.
fn shift_sides(graph: &mut Graph, before: [usize; 2], shift: [usize; 2]) -> Sides {
    let mut fixed = |n: usize| graph.ints(&[n as i64]);
    [fixed(before[0]), fixed(before[1]), fixed(shift[0]), fixed(shift[1])]
}

/// What is added to it on the right and at the bottom to make its sides multiples.
fn pad_sides(graph: &mut Graph, shape: &str, to: [usize; 2], den: usize) -> Sides {
    let none = graph.ints(&[0]);
    let [bottom, right] = [0, 1].map(|axis| {
        let size = dimension(graph, shape, 2 + axis as i64);
        let missing = lacking(graph, &size, to[axis]);
        let den = graph.ints(&[den as i64]);
        graph.op("Div", &[&missing, &den])
    });
    [none.clone(), none, bottom, right]
}

fn around(graph: &mut Graph, x: &str, sides: Option<&Sides>, value: Option<&str>) -> String {
    match sides {
        Some([top, left, bottom, right]) => padded(graph, x, [top, left, bottom, right], "constant", value),
        None => x.to_owned(),
    }
}

fn transposed(graph: &mut Graph, x: &str, order: &[i64]) -> String {
    graph.op_with("Transpose", &[x], [("perm", Ints(order.to_vec()))])
}

/// The last two dimensions of five change places.
fn swapped(graph: &mut Graph, x: &str) -> String {
    transposed(graph, x, &[0, 1, 2, 4, 3])
}

/// How alike each query is to each key.
fn scores(graph: &mut Graph, q: &str, k: &str, dot: Option<f32>, factors: Option<&str>) -> String {
    let unit = |graph: &mut Graph, x: &str| {
        let length = graph.op_with("ReduceL2", &[x], [("axes", Ints(vec![-1])), ("keepdims", Int(1))]);
        let least = graph.scalar(if graph.is_half() { LEAST_LENGTH_OF_HALF } else { LEAST_LENGTH });
        let length = graph.op("Max", &[&length, &least]);
        graph.op("Div", &[x, &length])
    };
    match (dot, factors) {
        (None, Some(factors)) => {
            let (q, k) = (unit(graph, q), unit(graph, k));
            let k = swapped(graph, &k);
            let product = graph.op("MatMul", &[&q, &k]);
            let axes = graph.ints(&[1, 2]);
            let factors = graph.op("Unsqueeze", &[factors, &axes]);
            graph.op("Mul", &[&product, &factors])
        }
        (dot, _) => {
            let k = swapped(graph, k);
            let product = graph.op("MatMul", &[q, &k]);
            let factor = graph.scalar(dot.unwrap_or(1.0));
            graph.op("Mul", &[&product, &factor])
        }
    }
}

fn weighted(graph: &mut Graph, scores: &str, v: &str) -> String {
    let shares = graph.op_with("Softmax", &[scores], [("axis", Int(-1))]);
    graph.op("MatMul", &[&shares, v])
}

/// What is added to the scores of keys: nothing within the picture `x` and its padding, far below zero around them.
/// `[1, windows, 1, 1, keys]`.
fn mask(graph: &mut Graph, x: &str, keys: Windows, [padding, border]: &[Option<Sides>; 2]) -> String {
    let (start, end, axis, batch) = (graph.ints(&[0]), graph.ints(&[1]), graph.ints(&[1]), graph.ints(&[0]));
    let channel = graph.op("Slice", &[x, &start, &end, &axis]);
    let channel = graph.op("Slice", &[&channel, &start, &end, &batch]);
    let zero = graph.scalar(0.0);
    let zeros = graph.op("Mul", &[&channel, &zero]);
    let far = graph.scalar(-FAR);
    let zeros = around(graph, &zeros, padding.as_ref(), None);
    let whole = around(graph, &zeros, border.as_ref(), Some(&far));
    let windows = to_windows(graph, &whole, Windows { heads: 1, ..keys });
    swapped(graph, &windows)
}

/// `[N, C, H, W]` to `[N, windows, heads, pixels, C / heads]`.
fn to_windows(graph: &mut Graph, x: &str, windows: Windows) -> String {
    let Windows { heads, region, margin } = windows;
    let shape = graph.op("Shape", &[x]);
    let (n, channels) = (dimension(graph, &shape, 0), dimension(graph, &shape, 1));
    let heads = graph.ints(&[heads as i64]);
    let per_head = graph.op("Div", &[&channels, &heads]);
    if region == Pixels::Picture {
        let (one, rest) = (graph.ints(&[1]), graph.ints(&[-1]));
        let target = join(graph, &[&n, &one, &heads, &per_head, &rest]);
        let split = graph.op("Reshape", &[x, &target]);
        return swapped(graph, &split);
    }
    let block = block_of(region);
    let counts = [0, 1].map(|i| {
        let (size, side) = (dimension(graph, &shape, 2 + i as i64), graph.ints(&[block[i] as i64]));
        graph.op("Div", &[&size, &side])
    });
    let lengths = [0, 1].map(|i| block[i] + 2 * margin[i]);
    let sides = lengths.map(|n| graph.ints(&[n as i64]));
    let is_spread = matches!(region, Pixels::Grid(_) | Pixels::Apart(_));
    // Of pixels a number of steps apart there are as many as steps fit, and as many windows as a step is long.
    let (tokens, n_windows) =
        if matches!(region, Pixels::Apart(_)) { (&counts, &sides) } else { (&sides, &counts) };
    let mut x = x.to_owned();
    if margin != [0, 0] {
        // Windows overlap: rows and columns are picked, each for every window that holds it.
        let beyond = margin.map(|n| graph.ints(&[n as i64]));
        x = padded(graph, &x, [&beyond[0], &beyond[1], &beyond[0], &beyond[1]], "constant", None);
        let rows = places(graph, &counts[0], block[0], lengths[0]);
        x = graph.op_with("Gather", &[&x, &rows], [("axis", Int(2))]);
        let columns = places(graph, &counts[1], block[1], lengths[1]);
        x = graph.op_with("Gather", &[&x, &columns], [("axis", Int(4))]);
    }
    let places = if is_spread {
        [&tokens[0], &n_windows[0], &tokens[1], &n_windows[1]]
    } else {
        [&n_windows[0], &tokens[0], &n_windows[1], &tokens[1]]
    };
    let target = join(graph, &[&n, &heads, &per_head, places[0], places[1], places[2], places[3]]);
    let split = graph.op("Reshape", &[&x, &target]);
    // To batch, rows and columns of windows, heads, rows, columns, channels.
    let order: [i64; 7] = if is_spread { [0, 4, 6, 1, 3, 5, 2] } else { [0, 3, 5, 1, 4, 6, 2] };
    let turned = transposed(graph, &split, &order);
    let (tokens, n_windows) = (tokens.clone(), n_windows.clone());
    let n_windows = graph.op("Mul", &[&n_windows[0], &n_windows[1]]);
    let n_pixels = graph.op("Mul", &[&tokens[0], &tokens[1]]);
    let target = join(graph, &[&n, &n_windows, &heads, &n_pixels, &per_head]);
    graph.op("Reshape", &[&turned, &target])
}

/// The places of the pixels of each window along an axis: `[windows, pixels]`.
fn places(graph: &mut Graph, count: &str, step: usize, length: usize) -> String {
    let first = graph.ints(&[0]);
    let [zero, one] = [0, 1].map(|n| {
        let list = graph.ints(&[n]);
        graph.op("Squeeze", &[&list, &first])
    });
    let count = graph.op("Squeeze", &[count, &first]);
    let windows = graph.op("Range", &[&zero, &count, &one]);
    let step = graph.ints(&[step as i64]);
    let starts = graph.op("Mul", &[&windows, &step]);
    let second = graph.ints(&[1]);
    let starts = graph.op("Unsqueeze", &[&starts, &second]);
    let within: Vec<i64> = (0..length as i64).collect();
    let within = graph.ints(&within);
    graph.op("Add", &[&starts, &within])
}

/// Back to a picture, of this shape but for its channels.
fn from_windows(graph: &mut Graph, x: &str, shape: &str, windows: Windows) -> String {
    let n = dimension(graph, shape, 0);
    let (height, width) = (dimension(graph, shape, 2), dimension(graph, shape, 3));
    let all = graph.op("Shape", &[x]);
    let (heads, per_head) = (dimension(graph, &all, 2), dimension(graph, &all, 4));
    let channels = graph.op("Mul", &[&heads, &per_head]);
    let target = join(graph, &[&n, &channels, &height, &width]);
    if windows.region == Pixels::Picture {
        let turned = swapped(graph, x);
        return graph.op("Reshape", &[&turned, &target]);
    }
    let sides = block_of(windows.region).map(|n| graph.ints(&[n as i64]));
    let counts = [graph.op("Div", &[&height, &sides[0]]), graph.op("Div", &[&width, &sides[1]])];
    let is_spread = matches!(windows.region, Pixels::Grid(_) | Pixels::Apart(_));
    let (tokens, n_windows) =
        if matches!(windows.region, Pixels::Apart(_)) { (counts, sides) } else { (sides, counts) };
    let split = join(graph, &[&n, &n_windows[0], &n_windows[1], &heads, &tokens[0], &tokens[1], &per_head]);
    let split = graph.op("Reshape", &[x, &split]);
    // To batch, heads, channels, and rows and columns as they lie in the picture.
    let order: [i64; 7] = if is_spread { [0, 3, 6, 4, 1, 5, 2] } else { [0, 3, 6, 1, 4, 2, 5] };
    let turned = transposed(graph, &split, &order);
    graph.op("Reshape", &[&turned, &target])
}
