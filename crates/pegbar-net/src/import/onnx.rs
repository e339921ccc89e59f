//! ONNX graphs.
//!
//! Three kinds of value flow through a graph: pictures, seen in any shape ([`view::View`]); constants
//! ([`constant::Constant`]), which are folded here; and sizes computed from the picture's shape, which are constants
//! whose values are functions of its height and width ([`size::Size`]). So a resize to `shape(x) * 2` is known to be a
//! factor of 2 without running anything.
//!
//! A graph exported for pictures of one size has numbers where others compute sizes. They are read as the numbers they
//! are at that size, and the net is made for pictures of any size; where that cannot be, it is refused.

mod constant;
mod convolution;
mod elementwise;
mod fold;
mod functions;
pub(crate) mod fused;
mod layout;
mod matrix;
pub(crate) mod node;
mod normalization;
mod own;
mod pooling;
mod reshape;
mod resize;
mod size;
mod view;

use super::builder::GraphBuilder;
use super::error::{OpError, problem};
use crate::export::DOMAIN;
use crate::tensor;
use crate::{Model, ModelError, NetError, NodeId};
use constant::Constant;
use pegbar_formats::onnx::{OnnxGraph, OnnxModel, OnnxNode, OnnxValueInfo};
use size::{FixedPicture, Size};
use std::collections::{HashMap, HashSet};
use view::View;

const FORMAT: &str = "ONNX";

/// Versions of the operator set whose operators are known here.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=24;

/// A value of the graph.
#[derive(Debug, Clone)]
enum Value {
    /// A picture.
    View(View),
    /// Known without the picture's values.
    Constant(Constant),
    /// `scale * erf(x / sqrt(2)) + shift`, which only exists as a part of GELU.
    Erf { x: View, scale: f32, shift: f32 },
}

/// The walk over the nodes.
struct Importer<'a> {
    graph: &'a OnnxGraph,
    opset: i64,
    builder: GraphBuilder,
    values: HashMap<&'a str, Value>,
    picture: FixedPicture,
}

/// Turns an ONNX graph into a net: of operations on pictures where it can be seen as such, which run fastest, of operations
/// on tensors otherwise.
///
/// The graph takes one picture, `[N, C, H, W]` of floating-point numbers with a batch of 1 or any, and its output is the
/// sole one or the one named `output`. Half precision is computed in single precision.
///
/// # Errors
/// [`ModelError::UnsupportedOp`] names an operator Pegbar has no operation for; [`ModelError::Import`] a node whose
/// attributes or inputs it cannot run, with what is wrong; [`ModelError::NotAnUpscaler`] as [`Model::from_net`].
pub fn import_onnx(model: &OnnxModel) -> Result<Model, ModelError> {
    if !OPSETS.contains(&model.opset) {
        return Err(graph_error(format!(
            "it uses version {} of the ONNX operators; Pegbar knows {} to {}",
            model.opset,
            OPSETS.start(),
            OPSETS.end()
        )));
    }
    let model = &*functions::written_out(model)?;
    let model = &*fused::written_out(model)?;
    let mut imported = match import_pictures(model) {
        Ok(imported) => imported,
        Err(first) => match tensor::describe(model, [FORMAT, "ONNX graph"]) {
            Ok(mut imported) => {
                imported.hyperparameters.insert("not_as_pictures".into(), first.to_string().into());
                imported
            }
            // What Pegbar wrote is made of its own operations, and has gone wrong there.
            Err(_) if own::is_ours(model) => return Err(first),
            Err(error) => return Err(error),
        },
    };
    imported.hyperparameters.insert("opset".into(), model.opset.into());
    imported.hyperparameters.insert("producer".into(), model.producer.clone().into());
    Ok(imported)
}

/// Turns an ONNX graph into a net of operations on pictures.
fn import_pictures(model: &OnnxModel) -> Result<Model, ModelError> {
    let graph = &model.graph;
    let output = output_name(graph)?;
    let nodes = needed_nodes(graph, output);
    let input = input_of(graph, &nodes, output)?;
    let (channels, picture) = input_shape(graph, &nodes, input)?;

    let n_weights = graph.initializers.values().map(|tensor| tensor.n_elements()).sum();
    let mut builder = GraphBuilder::new(channels, n_weights, nodes.len())
        .map_err(|e| e.at(FORMAT, "input", &input.name))?;
    if own::is_ours(model) {
        builder.let_sizes_fit();
    }
    let view = View::picture(&builder, builder.input());
    let values = HashMap::from([(input.name.as_str(), Value::View(view))]);
    let mut importer = Importer { graph, opset: model.opset, builder, values, picture };
    for node in nodes {
        importer.import(node).map_err(|error| {
            let operator = match node.domain.as_str() {
                "" | "ai.onnx" => format!("{} (opset {})", node.op_type, model.opset),
                domain => format!("{domain}.{}", node.op_type),
            };
            error.at(FORMAT, &operator, node::name(node))
        })?;
    }
    if let Some(minimum) = own::minimum_size(model) {
        importer.builder.require_minimum(minimum);
    }
    let node = match importer.values.get(output) {
        Some(Value::View(view)) => {
            let view = view.clone();
            view.to_picture(&mut importer.builder, output).map_err(|e| e.at(FORMAT, "output", output))?
        }
        _ => return Err(graph_error(format!("its output {output:?} is not made of the picture"))),
    };
    let mut imported = Model::from_net(FORMAT, "ONNX graph", importer.builder.finish(node))?;
    if let Some([height, width]) = picture {
        // It runs at any size all the same.
        imported.hyperparameters.insert("exported_for".into(), format!("{width}x{height}").into());
    }
    Ok(imported)
}

fn graph_error(problem: String) -> ModelError {
    ModelError::Net(NetError::Graph { problem })
}

/// Name of the result.
pub(crate) fn output_name(graph: &OnnxGraph) -> Result<&str, ModelError> {
    match &graph.outputs[..] {
        [] => Err(graph_error("it has no output".into())),
        [only] => Ok(&only.name),
        several => match several.iter().find(|output| output.name == "output") {
            Some(output) => Ok(&output.name),
            None => {
                let names: Vec<&str> = several.iter().take(6).map(|output| output.name.as_str()).collect();
                Err(graph_error(format!(
                    "it has {} outputs ({}), and none of them is named \"output\"",
                    several.len(),
                    names.join(", ")
                )))
            }
        },
    }
}

/// The nodes that the output depends on, in order.
pub(crate) fn needed_nodes<'a>(graph: &'a OnnxGraph, output: &'a str) -> Vec<&'a OnnxNode> {
    let mut wanted = HashSet::from([output]);
    let mut nodes: Vec<&OnnxNode> = Vec::new();
    for node in graph.nodes.iter().rev() {
        if node.outputs.iter().any(|name| !name.is_empty() && wanted.contains(name.as_str())) {
            wanted.extend(node.inputs.iter().map(String::as_str));
            nodes.push(node);
        }
    }
    nodes.reverse();
    nodes
}

/// The picture: the graph input that is no weight and that the output depends on.
pub(crate) fn input_of<'a>(
    graph: &'a OnnxGraph,
    nodes: &[&OnnxNode],
    output: &str,
) -> Result<&'a OnnxValueInfo, ModelError> {
    let read: HashSet<&str> =
        nodes.iter().flat_map(|n| &n.inputs).map(String::as_str).chain([output]).collect();
    let inputs: Vec<&OnnxValueInfo> = graph
        .inputs
        .iter()
        .filter(|input| {
            read.contains(input.name.as_str()) && !graph.initializers.contains_key(input.name.as_str())
        })
        .collect();
    match inputs[..] {
        [only] => Ok(only),
        [] => Err(graph_error("its output does not depend on any input".into())),
        _ => {
            let names: Vec<&str> = inputs.iter().take(6).map(|input| input.name.as_str()).collect();
            Err(graph_error(format!(
                "it has {} inputs ({}); Pegbar runs networks that take one picture",
                inputs.len(),
                names.join(", ")
            )))
        }
    }
}

/// Channels of the picture, and its size if the graph was exported for one.
pub(crate) fn input_shape(
    graph: &OnnxGraph,
    nodes: &[&OnnxNode],
    input: &OnnxValueInfo,
) -> Result<(usize, FixedPicture), ModelError> {
    let refuse = |what: String| Err(graph_error(format!("its input {:?} {what}", input.name)));
    // Element types of ONNX: 1 float, 10 float16, 11 double, 16 bfloat16.
    if !matches!(input.elem_type, 1 | 10 | 11 | 16) {
        return refuse(format!("is not of floating-point numbers (ONNX type {})", input.elem_type));
    }
    // Exporters write unknown dimensions as 0 or -1 too.
    let dims: Vec<Option<i64>> = input.dims.iter().map(|dim| dim.filter(|n| *n > 0)).collect();
    let [batch, channels, height, width] = dims[..] else {
        return refuse(format!("has rank {}; a batch of pictures, [N, C, H, W], is needed", dims.len()));
    };
    if batch.is_some_and(|n| n != 1) {
        return refuse(format!("takes batches of {}; export the model for a batch of 1", batch.unwrap_or(0)));
    }
    if matches!(width, Some(1..=4)) && !matches!(channels, Some(1..=4)) {
        return refuse("has the channels last; [N, C, H, W] is needed".into());
    }
    let channels = match channels.map(usize::try_from) {
        Some(Ok(channels)) => channels,
        Some(Err(_)) => return refuse("has too many channels".into()),
        None => first_convolution_channels(graph, nodes, &input.name),
    };
    const LARGEST: i64 = 1 << 16;
    let picture = match (height, width) {
        (Some(h @ ..=LARGEST), Some(w @ ..=LARGEST)) => Some([h, w]),
        _ => None,
    };
    Ok((channels, picture))
}

/// Channels that the first convolution of the picture reads, 3 when there is none.
fn first_convolution_channels(graph: &OnnxGraph, nodes: &[&OnnxNode], input: &str) -> usize {
    let mut same_channels = HashSet::from([input]);
    for node in nodes {
        if !node.inputs.first().is_some_and(|name| same_channels.contains(name.as_str())) {
            continue;
        }
        match node.op_type.as_str() {
            "Conv" => {
                let weight = node.inputs.get(1).and_then(|name| graph.initializers.get(name));
                let groups = node::int(node, "group", 1).ok().and_then(|n| usize::try_from(n).ok());
                if let (Some(tensor), Some(groups)) = (weight, groups)
                    && let Some(channels) = tensor.shape().get(1).and_then(|n| n.checked_mul(groups))
                {
                    return channels;
                }
            }
            "Concat" | "DepthToSpace" | "SpaceToDepth" | "Reshape" | "Transpose" | "Shape" | "Slice" => {}
            _ => same_channels.extend(node.outputs.iter().map(String::as_str)),
        }
    }
    3
}

impl<'a> Importer<'a> {
    fn import(&mut self, node: &'a OnnxNode) -> Result<(), OpError> {
        // Old exports list outputs that only training has (masks, running means); whoever reads one will find it missing.
        let values = self.node(node)?;
        for (name, value) in node.outputs.iter().zip(values) {
            self.values.insert(name, value);
        }
        Ok(())
    }

    /// The values a node makes.
    fn node(&mut self, node: &'a OnnxNode) -> Result<Vec<Value>, OpError> {
        match node.domain.as_str() {
            "" | "ai.onnx" => {}
            DOMAIN => return self.own(node).map(|value| vec![value]),
            _ => return Err(OpError::Operator),
        }
        if let Some(folded) = self.fold(node)? {
            return Ok(folded.into_iter().map(Value::Constant).collect());
        }
        if node.op_type == "Split" {
            return self.split(node);
        }
        let value = match node.op_type.as_str() {
            "Identity" | "Dropout" | "Cast" | "CastLike" => self.alias(node)?,
            "Conv" => self.conv(node)?,
            "ConvTranspose" => self.conv_transpose(node)?,
            "MatMul" => self.mat_mul(node)?,
            "Gemm" => self.gemm(node)?,
            "BatchNormalization" => self.batch_normalization(node)?,
            "LayerNormalization" => self.layer_normalization(node)?,
            "Softmax" => self.softmax(node)?,
            "MaxPool" | "AveragePool" => self.pool(node)?,
            "GlobalMaxPool" | "GlobalAveragePool" => self.global_pool(node)?,
            "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceL2" | "ReduceSumSquare" => self.reduce(node)?,
            "Resize" | "Upsample" => self.resize(node)?,
            "Concat" => self.concat(node)?,
            "Slice" => self.slice(node)?,
            "Gather" => self.gather(node)?,
            "Pad" => self.pad(node)?,
            "Expand" => self.expand(node)?,
            "Tile" => self.tile(node)?,
            "DepthToSpace" | "SpaceToDepth" => self.depth_and_space(node)?,
            "Reshape" | "Transpose" | "Flatten" | "Squeeze" | "Unsqueeze" => self.rearrange(node)?,
            "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Max" | "Min" | "Sum" | "Mean" => {
                self.arithmetic(node)?
            }
            "PRelu" => self.prelu(node)?,
            "Erf" => self.erf(node)?,
            _ => self.function(node)?,
        };
        Ok(vec![value])
    }

    /// Dropout outside training, casts between floating-point types.
    fn alias(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        // Element types of ONNX: 1 float, 10 float16, 11 double, 16 bfloat16.
        if node.op_type == "Cast" && !matches!(node::int(node, "to", 1)?, 1 | 10 | 11 | 16) {
            return Err(problem!("rounds the picture to integers, which Pegbar does not do"));
        }
        self.input(node, 0)
    }

    /// The value behind an input, `None` when it is left out.
    fn optional(&mut self, node: &'a OnnxNode, index: usize) -> Result<Option<Value>, OpError> {
        let Some(name) = node.inputs.get(index).filter(|name| !name.is_empty()) else { return Ok(None) };
        if let Some(value) = self.values.get(name.as_str()) {
            return Ok(Some(value.clone()));
        }
        let Some(tensor) = self.graph.initializers.get(name) else {
            return Err(problem!("reads {name:?}, which no node before it makes"));
        };
        // Decoded anew for each reader: weights have one, and kept they would lie in memory twice.
        Ok(Some(Value::Constant(Constant::from_tensor(name, tensor)?)))
    }

    fn input(&mut self, node: &'a OnnxNode, index: usize) -> Result<Value, OpError> {
        self.optional(node, index)?.ok_or_else(|| problem!("lacks its input {}", index + 1))
    }

    /// An input that must be made of the picture.
    fn view(&mut self, node: &'a OnnxNode, index: usize) -> Result<View, OpError> {
        match self.input(node, index)? {
            Value::View(view) => Ok(view),
            Value::Constant(constant) => {
                Err(problem!("reads the constant {:?} where a picture is needed", constant.name))
            }
            Value::Erf { .. } => {
                Err(problem!("reads erf() of a picture, which Pegbar knows only as a part of GELU"))
            }
        }
    }

    /// An input that must be a picture `[N, C, H, W]`.
    fn picture_input(&mut self, node: &'a OnnxNode, index: usize) -> Result<NodeId, OpError> {
        let view = self.view(node, index)?;
        view.to_picture(&mut self.builder, node::name(node))
    }

    /// An input that must be constant, if it is there.
    fn optional_constant(&mut self, node: &'a OnnxNode, index: usize) -> Result<Option<Constant>, OpError> {
        match self.optional(node, index)? {
            None => Ok(None),
            Some(Value::Constant(constant)) => Ok(Some(constant)),
            Some(_) => Err(problem!("its input {} is not constant", index + 1)),
        }
    }

    fn constant(&mut self, node: &'a OnnxNode, index: usize) -> Result<Constant, OpError> {
        self.optional_constant(node, index)?.ok_or_else(|| problem!("lacks its input {}", index + 1))
    }

    /// A picture as a value.
    fn as_picture(&self, node: NodeId) -> Value {
        Value::View(View::picture(&self.builder, node))
    }

    /// The place of an axis counted from the end when negative.
    fn axis(axis: i64, rank: usize) -> Result<usize, OpError> {
        let counted = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        match usize::try_from(counted) {
            Ok(counted) if counted < rank => Ok(counted),
            _ => Err(problem!("axis {axis} is none of a value of rank {rank}")),
        }
    }

    /// The axis of the picture that a dimension of a view is.
    fn picture_axis(view: &View, dim: usize) -> Result<usize, OpError> {
        match view.layout().and_then(|layout| layout.get(dim).copied().flatten()) {
            Some(axis) => Ok(axis),
            None => Err(problem!("works along dimension {dim} of a value that was reshaped")),
        }
    }

    /// A size at the one size of the picture, or the size itself where it follows nothing.
    fn whole(&self, size: Size) -> Option<i64> {
        size.as_whole().or_else(|| size.at(self.picture))
    }
}
