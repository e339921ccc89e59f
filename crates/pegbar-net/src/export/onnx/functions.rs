//! Definitions of our functions in ONNX's operators.

use super::attention;
use super::graph::{Graph, attributes};
use crate::ResizeMode;
use crate::export::spec::{Beyond, DOMAIN, Fill, Spec};
use pegbar_formats::onnx::{OnnxAttribute, OnnxFunction};
use std::collections::BTreeMap;

/// The function of a meaning.
pub(super) fn define(spec: &Spec, name: String, n_inputs: usize, half: bool) -> OnnxFunction {
    let inputs: Vec<String> = (0..n_inputs).map(|i| format!("x{i}")).collect();
    let x: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let mut graph = Graph::of_function(half);
    let result = match spec {
        Spec::PadToMultiple { minimum, multiple, square, fill } => {
            let large = pad_to_minimum(&mut graph, x[0], *minimum);
            pad_to_multiple(&mut graph, &large, *multiple, *square, *fill)
        }
        Spec::CropTo { scale } => crop_to(&mut graph, x[0], x[1], *scale),
        Spec::GroupNorm { groups, eps, .. } => group_norm(&mut graph, &x, *groups, *eps),
        Spec::Attention { .. } => attention::pixels(&mut graph, &x, spec),
        Spec::ChannelAttention { .. } => attention::channels(&mut graph, &x, spec),
        Spec::PadMore { padding, multiple, beyond } => {
            pad_more(&mut graph, x[0], *padding, *multiple, *beyond)
        }
        Spec::Part { axis, index, count } => part(&mut graph, x[0], *axis, *index, *count),
        Spec::PixelUnshuffle { factor } => pixel_unshuffle(&mut graph, x[0], *factor),
        Spec::Crop { factor } => crop_to(&mut graph, x[0], x[1], *factor),
        Spec::ResizeLike { mode } => resize_like(&mut graph, x[0], x[1], (*mode).into()),
        Spec::GridSample { groups, align_corners, beyond } => {
            grid_sample(&mut graph, x[0], x[1], *groups, *align_corners, *beyond)
        }
    };
    graph.alias(&result, "y");
    OnnxFunction {
        domain: DOMAIN.to_owned(),
        name,
        inputs,
        outputs: vec!["y".to_owned()],
        attributes: vec!["spec".to_owned()],
        defaults: BTreeMap::new(),
        nodes: graph.nodes,
    }
}

/// Dimension `axis` of a shape, as a list of one.
pub(super) fn dimension(graph: &mut Graph, shape: &str, axis: i64) -> String {
    let index = graph.ints(&[axis]);
    graph.op("Gather", &[shape, &index])
}

/// Lists one after the other.
pub(super) fn join(graph: &mut Graph, parts: &[&str]) -> String {
    graph.op_with("Concat", parts, [("axis", OnnxAttribute::Int(0))])
}

/// What is lacking to a multiple; lists of one.
pub(super) fn lacking(graph: &mut Graph, size: &str, multiple: usize) -> String {
    let multiple = graph.ints(&[multiple as i64]);
    let rest = graph.op("Mod", &[size, &multiple]);
    let lacking = graph.op("Sub", &[&multiple, &rest]);
    graph.op("Mod", &[&lacking, &multiple])
}

/// Height and width of a picture of this shape, as a list of two.
pub(super) fn picture_size(graph: &mut Graph, shape: &str) -> String {
    let (two, four) = (graph.ints(&[2]), graph.ints(&[4]));
    graph.op("Slice", &[shape, &two, &four])
}

/// A picture with `[top, left, bottom, right]` more, each a list of one; filled with `value` where the mode is constant.
pub(super) fn padded(
    graph: &mut Graph,
    x: &str,
    sides: [&str; 4],
    mode: &str,
    value: Option<&str>,
) -> String {
    let none = graph.ints(&[0, 0]);
    let [top, left, bottom, right] = sides;
    let sizes = join(graph, &[&none, top, left, &none, bottom, right]);
    let operands: Vec<&str> = [x, &sizes].into_iter().chain(value).collect();
    graph.op_with("Pad", &operands, [("mode", OnnxAttribute::String(mode.to_owned()))])
}

fn pad_to_minimum(graph: &mut Graph, x: &str, minimum: usize) -> String {
    if minimum <= 1 {
        return x.to_owned();
    }
    let shape = graph.op("Shape", &[x]);
    let minimum = graph.ints(&[minimum as i64]);
    let mut x = x.to_owned();
    for axis in [2, 3] {
        let size = dimension(graph, &shape, axis);
        let least = graph.op("Max", &[&size, &minimum]);
        x = with_mirror(graph, &x, axis, [&size, &least], Edge::Once);
    }
    x
}

fn pad_to_multiple(graph: &mut Graph, x: &str, multiple: usize, square: bool, fill: Fill) -> String {
    if multiple <= 1 && !square {
        return x.to_owned();
    }
    let shape = graph.op("Shape", &[x]);
    let sizes = [dimension(graph, &shape, 2), dimension(graph, &shape, 3)];
    let mut sides = sizes.clone().map(|size| {
        let missing = lacking(graph, &size, multiple);
        graph.op("Add", &[&size, &missing])
    });
    if square {
        let side = graph.op("Max", &[&sides[0], &sides[1]]);
        sides = [side.clone(), side];
    }
    let mode = match fill {
        Fill::Mirror | Fill::Symmetric => {
            let edge = if fill == Fill::Mirror { Edge::Once } else { Edge::Twice };
            let high = with_mirror(graph, x, 2, [&sizes[0], &sides[0]], edge);
            return with_mirror(graph, &high, 3, [&sizes[1], &sides[1]], edge);
        }
        Fill::Edge => "edge",
        Fill::Zeros => "constant",
    };
    let none = graph.ints(&[0]);
    let [bottom, right] = [0, 1].map(|i| graph.op("Sub", &[&sides[i], &sizes[i]]));
    padded(graph, x, [&none, &none, &bottom, &right], mode, None)
}

/// How often the last row or column of a picture stands in it and its mirror image together.
#[derive(Clone, Copy)]
enum Edge {
    Once,
    Twice,
}

/// A picture continued along an axis, from one size to another (lists of one), by its mirror image and beyond that by the
/// farthest row or column of it. `Pad` does not reach that far.
fn with_mirror(graph: &mut Graph, x: &str, axis: i64, [from, to]: [&str; 2], edge: Edge) -> String {
    let (none, skipped) = (graph.ints(&[0]), graph.ints(&[if matches!(edge, Edge::Once) { 2 } else { 1 }]));
    let places = numbers_below(graph, to);
    let twice = graph.op("Add", &[from, from]);
    let last = graph.op("Sub", &[&twice, &skipped]);
    let back = graph.op("Sub", &[&last, &places]);
    let back = graph.op("Max", &[&back, &none]);
    // Within the picture the way back is the longer one.
    let sources = graph.op("Min", &[&places, &back]);
    graph.op_with("Gather", &[x, &sources], [("axis", OnnxAttribute::Int(axis))])
}

fn crop_to(graph: &mut Graph, y: &str, x: &str, scale: usize) -> String {
    let shape = graph.op("Shape", &[x]);
    let size = picture_size(graph, &shape);
    let scale = graph.ints(&[scale as i64]);
    let ends = graph.op("Mul", &[&size, &scale]);
    let (starts, axes) = (graph.ints(&[0, 0]), graph.ints(&[2, 3]));
    graph.op("Slice", &[y, &starts, &ends, &axes])
}

fn pad_more(
    graph: &mut Graph,
    x: &str,
    [top, left, bottom, right]: [usize; 4],
    multiple: [usize; 2],
    beyond: Beyond,
) -> String {
    let shape = graph.op("Shape", &[x]);
    let after = |graph: &mut Graph, axis: usize, fixed: usize| {
        let size = dimension(graph, &shape, 2 + axis as i64);
        let missing = lacking(graph, &size, multiple[axis]);
        let fixed = graph.ints(&[fixed as i64]);
        graph.op("Add", &[&missing, &fixed])
    };
    let (bottom, right) = (after(graph, 0, bottom), after(graph, 1, right));
    let (top, left) = (graph.ints(&[top as i64]), graph.ints(&[left as i64]));
    let (mode, value) = match beyond {
        Beyond::Constant(value) => ("constant", Some(graph.scalar(value))),
        Beyond::Reflect => ("reflect", None),
        Beyond::Replicate => ("edge", None),
    };
    padded(graph, x, [&top, &left, &bottom, &right], mode, value.as_deref())
}

fn part(graph: &mut Graph, x: &str, axis: usize, index: usize, count: usize) -> String {
    let shape = graph.op("Shape", &[x]);
    let size = dimension(graph, &shape, axis as i64);
    let count = graph.ints(&[count as i64]);
    let length = graph.op("Div", &[&size, &count]);
    let [start, end] = [index, index + 1].map(|n| {
        let n = graph.ints(&[n as i64]);
        graph.op("Mul", &[&length, &n])
    });
    let axes = graph.ints(&[axis as i64]);
    graph.op("Slice", &[x, &start, &end, &axes])
}

fn pixel_unshuffle(graph: &mut Graph, x: &str, factor: usize) -> String {
    let shape = graph.op("Shape", &[x]);
    let [n, channels, height, width] = [0, 1, 2, 3].map(|axis| dimension(graph, &shape, axis));
    let (factor, square) = (graph.ints(&[factor as i64]), graph.ints(&[(factor * factor) as i64]));
    let (rows, columns) = (graph.op("Div", &[&height, &factor]), graph.op("Div", &[&width, &factor]));
    let target = join(graph, &[&n, &channels, &rows, &factor, &columns, &factor]);
    let split = graph.op("Reshape", &[x, &target]);
    let order = OnnxAttribute::Ints(vec![0, 1, 3, 5, 2, 4]);
    let turned = graph.op_with("Transpose", &[&split], [("perm", order)]);
    let deep = graph.op("Mul", &[&channels, &square]);
    let target = join(graph, &[&n, &deep, &rows, &columns]);
    graph.op("Reshape", &[&turned, &target])
}

/// The attributes of an interpolation.
pub(super) fn kernel(mode: ResizeMode) -> BTreeMap<String, OnnxAttribute> {
    let text = |text: &str| OnnxAttribute::String(text.to_owned());
    let place = |align_corners| text(if align_corners { "align_corners" } else { "half_pixel" });
    match mode {
        ResizeMode::Nearest => attributes([
            ("mode", text("nearest")),
            ("coordinate_transformation_mode", text("asymmetric")),
            ("nearest_mode", text("floor")),
        ]),
        ResizeMode::Bilinear { align_corners } => {
            attributes([("mode", text("linear")), ("coordinate_transformation_mode", place(align_corners))])
        }
        ResizeMode::Bicubic { align_corners, a } => attributes([
            ("mode", text("cubic")),
            ("coordinate_transformation_mode", place(align_corners)),
            ("cubic_coeff_a", OnnxAttribute::Float(a)),
        ]),
    }
}

fn resize_like(graph: &mut Graph, x: &str, y: &str, mode: ResizeMode) -> String {
    let (own, other) = (graph.op("Shape", &[x]), graph.op("Shape", &[y]));
    let (zero, two) = (graph.ints(&[0]), graph.ints(&[2]));
    let kept = graph.op("Slice", &[&own, &zero, &two]);
    let size = picture_size(graph, &other);
    let sizes = join(graph, &[&kept, &size]);
    graph.push("", "Resize", &[x, "", "", &sizes], kernel(mode))
}

fn grid_sample(
    graph: &mut Graph,
    x: &str,
    places: &str,
    groups: usize,
    align_corners: bool,
    beyond: Beyond,
) -> String {
    let (shape, place_shape) = (graph.op("Shape", &[x]), graph.op("Shape", &[places]));
    let n = dimension(graph, &shape, 0);
    let channels = dimension(graph, &shape, 1);
    let count = graph.ints(&[groups as i64]);
    let per_group = graph.op("Div", &[&channels, &count]);
    let n_groups = graph.op("Mul", &[&n, &count]);
    let (in_size, out_size) = (picture_size(graph, &shape), picture_size(graph, &place_shape));
    let target = join(graph, &[&n_groups, &per_group, &in_size]);
    let runs = graph.op("Reshape", &[x, &target]);
    // Columns, then rows, for each run: [N, 2, groups, H', W'].
    let two = graph.ints(&[2]);
    let target = join(graph, &[&n, &two, &count, &out_size]);
    let both = graph.op("Reshape", &[places, &target]);
    // To -1..1 along each axis, whatever the size of the picture that is sampled.
    let [wide, high] = [1, 0].map(|axis: i64| {
        let first = graph.ints(&[1 - axis]);
        let offset = graph.op_with("Gather", &[&both, &first], [("axis", OnnxAttribute::Int(1))]);
        let size = dimension(graph, &place_shape, 2 + axis);
        let own = steps(graph, &size, if axis == 1 { &[0, 1, 2, 3] } else { &[0, 1, 2, 4] });
        let place = graph.op("Add", &[&offset, &own]);
        let (shift, less) = if align_corners { (0.0, 1.0) } else { (0.5, 0.0) };
        let (shift, less, twice, one) =
            (graph.scalar(shift), graph.scalar(less), graph.scalar(2.0), graph.scalar(1.0));
        let size = cast(graph, &size);
        let size = graph.op("Sub", &[&size, &less]);
        let size = graph.op("Max", &[&size, &one]);
        let place = graph.op("Add", &[&place, &shift]);
        let place = graph.op("Mul", &[&place, &twice]);
        let place = graph.op("Div", &[&place, &size]);
        graph.op("Sub", &[&place, &one])
    });
    let grid = graph.op_with("Concat", &[&wide, &high], [("axis", OnnxAttribute::Int(1))]);
    let order = OnnxAttribute::Ints(vec![0, 2, 3, 4, 1]);
    let grid = graph.op_with("Transpose", &[&grid], [("perm", order)]);
    let target = join(graph, &[&n_groups, &out_size, &two]);
    let grid = graph.op("Reshape", &[&grid, &target]);
    let padding = if beyond == Beyond::Replicate { "border" } else { "zeros" };
    let sampled = graph.op_with(
        "GridSample",
        &[&runs, &grid],
        [
            ("align_corners", OnnxAttribute::Int(i64::from(align_corners))),
            ("mode", OnnxAttribute::String("bilinear".to_owned())),
            ("padding_mode", OnnxAttribute::String(padding.to_owned())),
        ],
    );
    let target = join(graph, &[&n, &channels, &out_size]);
    graph.op("Reshape", &[&sampled, &target])
}

/// A number in the precision of the graph.
fn cast(graph: &mut Graph, x: &str) -> String {
    let to = if graph.is_half() { 10 } else { 1 };
    graph.op_with("Cast", &[x], [("to", OnnxAttribute::Int(to))])
}

/// The whole numbers 0, 1, 2... below a size, which is a list of one.
fn numbers_below(graph: &mut Graph, size: &str) -> String {
    let first = graph.ints(&[0]);
    let [zero, one] = [0, 1].map(|n| {
        let list = graph.ints(&[n]);
        graph.op("Squeeze", &[&list, &first])
    });
    let end = graph.op("Squeeze", &[size, &first]);
    graph.op("Range", &[&zero, &end, &one])
}

/// 0, 1, 2... up to a size, with more axes of 1.
fn steps(graph: &mut Graph, size: &str, axes: &[i64]) -> String {
    let whole = numbers_below(graph, size);
    let numbers = cast(graph, &whole);
    let axes = graph.ints(axes);
    graph.op("Unsqueeze", &[&numbers, &axes])
}

fn group_norm(graph: &mut Graph, x: &[&str], groups: usize, eps: f32) -> String {
    let shape = graph.op("Shape", &[x[0]]);
    let grouped = graph.ints(&[0, groups as i64, -1]);
    let grouped = graph.op("Reshape", &[x[0], &grouped]);
    let one = graph.weights("one", &[groups], &vec![1.0; groups]);
    let zero = graph.weights("zero", &[groups], &vec![0.0; groups]);
    let eps = OnnxAttribute::Float(eps);
    let normal = graph.op_with("InstanceNormalization", &[&grouped, &one, &zero], [("epsilon", eps)]);
    let normal = graph.op("Reshape", &[&normal, &shape]);
    let axes = graph.ints(&[1, 2]);
    let weight = graph.op("Unsqueeze", &[x[1], &axes]);
    let scaled = graph.op("Mul", &[&normal, &weight]);
    match x.get(2) {
        Some(bias) => {
            let bias = graph.op("Unsqueeze", &[bias, &axes]);
            graph.op("Add", &[&scaled, &bias])
        }
        None => scaled,
    }
}
