//! Definitions of our functions in ONNX's operators.

use super::attention;
use super::graph::Graph;
use crate::export::spec::{DOMAIN, Fill, Spec};
use pegbar_formats::onnx::{OnnxAttribute, OnnxFunction};

/// The function of a meaning.
pub(super) fn define(spec: &Spec, name: String, n_inputs: usize, half: bool) -> OnnxFunction {
    let inputs: Vec<String> = (0..n_inputs).map(|i| format!("x{i}")).collect();
    let x: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let mut graph = Graph::of_function(half);
    let result = match spec {
        Spec::PadToMultiple { multiple, square, fill } => {
            pad_to_multiple(&mut graph, x[0], *multiple, *square, *fill)
        }
        Spec::CropTo { scale } => crop_to(&mut graph, x[0], x[1], *scale),
        Spec::GroupNorm { groups, eps, .. } => group_norm(&mut graph, &x, *groups, *eps),
        Spec::Attention { .. } => attention::pixels(&mut graph, &x, spec),
        Spec::ChannelAttention { heads, region, dot } => {
            attention::channels(&mut graph, &x, *heads, *region, *dot)
        }
    };
    graph.alias(&result, "y");
    OnnxFunction {
        domain: DOMAIN.to_owned(),
        name,
        inputs,
        outputs: vec!["y".to_owned()],
        attributes: vec!["spec".to_owned()],
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

fn pad_to_multiple(graph: &mut Graph, x: &str, multiple: usize, square: bool, fill: Fill) -> String {
    let shape = graph.op("Shape", &[x]);
    let (height, width) = (dimension(graph, &shape, 2), dimension(graph, &shape, 3));
    let (mut bottom, mut right) = (lacking(graph, &height, multiple), lacking(graph, &width, multiple));
    if square {
        let (high, wide) = (graph.op("Add", &[&height, &bottom]), graph.op("Add", &[&width, &right]));
        let side = graph.op("Max", &[&high, &wide]);
        (bottom, right) = (graph.op("Sub", &[&side, &height]), graph.op("Sub", &[&side, &width]));
    }
    let none = graph.ints(&[0]);
    let mode = match fill {
        Fill::Symmetric => {
            let wide = with_mirror(graph, x, &right, 3);
            return with_mirror(graph, &wide, &bottom, 2);
        }
        Fill::Mirror => "reflect",
        Fill::Edge => "edge",
        Fill::Zeros => "constant",
    };
    padded(graph, x, [&none, &none, &bottom, &right], mode, None)
}

/// A picture continued along an axis by so many of its last rows or columns, in the opposite order.
fn with_mirror(graph: &mut Graph, x: &str, n: &str, axis: i64) -> String {
    let last = graph.ints(&[-1]);
    let end = graph.op("Sub", &[&last, n]);
    let axes = graph.ints(&[axis]);
    let mirrored = graph.op("Slice", &[x, &last, &end, &axes, &last]);
    graph.op_with("Concat", &[x, &mirrored], [("axis", OnnxAttribute::Int(axis))])
}

fn crop_to(graph: &mut Graph, y: &str, x: &str, scale: usize) -> String {
    let shape = graph.op("Shape", &[x]);
    let size = picture_size(graph, &shape);
    let scale = graph.ints(&[scale as i64]);
    let ends = graph.op("Mul", &[&size, &scale]);
    let (starts, axes) = (graph.ints(&[0, 0]), graph.ints(&[2, 3]));
    graph.op("Slice", &[y, &starts, &ends, &axes])
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
