//! Which sizes of picture a graph takes, found by writing its program for some.

use super::lower::{Lowering, Purpose};
use super::{ElementKind, TensorGraph};
use crate::{Model, ModelError, Net, NetError, Op, SizeRule};
use pegbar_formats::onnx::OnnxModel;
use std::sync::Arc;

/// Steps that sizes of pictures may have to be whole multiples of: strides, windows and their products.
const MULTIPLES: [usize; 25] =
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 256];
/// Sides that graphs are exported for which say that they take any.
const EXPORTED_SIDES: [usize; 12] = [64, 128, 256, 32, 48, 96, 192, 224, 240, 320, 384, 512];
/// Where the search begins: several windows of most networks.
const TRIED_SIDE: usize = 64;

/// What a graph makes of a picture: channels and scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Made {
    channels: usize,
    scale: usize,
}

/// Takes over an ONNX graph as it is and finds out what pictures it takes.
///
/// # Errors
/// [`ModelError::UnsupportedOp`], [`ModelError::Import`] for a node that cannot be run; [`ModelError::NotAnUpscaler`] when
/// the result is not the picture times a whole number.
pub(crate) fn describe(model: &OnnxModel, architecture: [&'static str; 2]) -> Result<Model, ModelError> {
    let mut graph = TensorGraph::new(model)?;
    let mut notes = vec![];
    let (size_rule, tried, made) = match graph.fixed_size {
        Some(size) => {
            (SizeRule { exactly: Some([size[1], size[0]]), ..SizeRule::default() }, size, run(&graph, size)?)
        }
        None => match any_size(&graph) {
            Ok(found) => found,
            Err(reason @ ModelError::UnsupportedOp { .. }) => return Err(reason),
            Err(reason) => {
                // It says that it takes any size, but numbers in it belong to one.
                let works = |&side: &usize| run(&graph, [side, side]).ok().map(|made| ([side, side], made));
                let mut working = EXPORTED_SIDES.iter().filter_map(works);
                // Several that work are no size that it was made for: something else is wrong with other sizes.
                let (Some((size, made)), None) = (working.next(), working.next()) else { return Err(reason) };
                let side = size[0];
                notes.push(format!(
                    "the file says that pictures may be of any size, but only {side} x {side} works: larger ones are cut \
                     into such tiles"
                ));
                graph.fixed_size = Some(size);
                (SizeRule { exactly: Some([side, side]), ..SizeRule::default() }, size, made)
            }
        },
    };
    graph.fold(tried)?;
    (graph.output_channels, graph.scale) = (made.channels, made.scale);
    let program = graph.program(tried[0], tried[1])?;
    let work = |step: &super::Step| {
        let shapes: Vec<&[usize]> = step.inputs.iter().map(|&id| &*program.value(id).shape).collect();
        match step.kernel {
            super::Kernel::MatMul | super::Kernel::Conv(_) | super::Kernel::ConvTranspose(_) => {
                2.0 * step.kernel.work(&shapes, &program.value(step.output).shape)
            }
            _ => program.value(step.output).shape.iter().product::<usize>() as f64,
        }
    };
    graph.flops_per_pixel = program.steps.iter().map(work).sum::<f64>() / (tried[0] * tried[1]) as f64;
    if let Some([h, w]) = graph.fixed_size.filter(|_| notes.is_empty()) {
        notes.push(format!("made for pictures of {w} x {h}: larger ones are cut into such tiles"));
    }
    let input_channels = graph.input_channels;
    let mut net = Net { size_rule, ..Net::default() };
    let picture = net.push("input", Op::Input { channels: input_channels }, &[]);
    net.output = Some(net.push("graph", Op::Tensors(Arc::new(graph)), &[picture]));
    net.validate()?;
    let mut described = Model {
        architecture: architecture[0],
        architecture_name: architecture[1],
        net,
        scale: made.scale,
        input_channels,
        output_channels: made.channels,
        tags: vec![],
        notes,
        hyperparameters: serde_json::Map::new(),
        half_safe: false,
    };
    described.hyperparameters.insert("computed_as".into(), "tensors".into());
    Ok(described)
}

/// Writes the program for a size and looks at the result.
fn run(graph: &TensorGraph, size: [usize; 2]) -> Result<Made, ModelError> {
    let (program, lowering) = Lowering::program(graph, size, Purpose::Import)?;
    let output = program.value(program.output);
    let refuse = || {
        let found = format!("{:?} (for {} x {})", output.shape, size[0], size[1]);
        Err(ModelError::NotAnUpscaler { found })
    };
    if output.kind != ElementKind::Float {
        return refuse();
    }
    if !lowering.is_of_pixels(program.output) {
        let problem = "its output does not depend on the picture".into();
        return Err(NetError::Graph { problem }.into());
    }
    match output.shape[..] {
        [1, channels, h, w]
            if channels > 0
                && h > 0
                && h % size[0] == 0
                && w % size[1] == 0
                && h / size[0] == w / size[1] =>
        {
            Ok(Made { channels, scale: h / size[0] })
        }
        _ => refuse(),
    }
}

/// Finds the least multiple that sides must be of, and how small they may be.
fn any_size(graph: &TensorGraph) -> Result<(SizeRule, [usize; 2], Made), ModelError> {
    let mut reason = None;
    for multiple in MULTIPLES {
        let first = TRIED_SIDE.div_ceil(multiple).max(2);
        let side = |k: usize| (first + k) * multiple;
        // Sides that differ, and that leave different rests by whatever the multiple is not a multiple of.
        let mut made = None;
        let all =
            [[0, 0], [1, 0], [0, 2], [3, 1], [2, 5]].iter().all(|pair| match run(graph, pair.map(side)) {
                Ok(result) => *made.get_or_insert(result) == result,
                Err(error) => {
                    // What is wrong with every size is wrong with the graph.
                    reason.get_or_insert(error);
                    false
                }
            });
        if let Some(ModelError::UnsupportedOp { .. }) = reason {
            return Err(reason.unwrap_or_else(no_size));
        }
        if all && let Some(made) = made {
            let accepts =
                |k: usize| run(graph, [k * multiple, k * multiple]).is_ok_and(|found| found == made);
            let minimum = least(first, accepts) * multiple;
            let rule = SizeRule { minimum, multiple_of: multiple, ..SizeRule::default() };
            return Ok((rule, [side(0), side(0)], made));
        }
    }
    Err(reason.unwrap_or_else(no_size))
}

fn no_size() -> ModelError {
    ModelError::Net(NetError::Graph { problem: "there is no size of picture that it takes".into() })
}

/// The least of `1..=known` from which on everything is accepted, by halves; `known` is.
fn least(known: usize, accepts: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, known);
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if accepts(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_accepted_size_is_found() {
        for edge in 1..20 {
            assert_eq!(least(20, |k| k >= edge), edge);
        }
    }
}
