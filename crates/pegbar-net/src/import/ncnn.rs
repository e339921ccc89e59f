//! ncnn graphs.
//!
//! ncnn blobs have no batch: a picture is `[C, H, W]`, a vector `[C]`. Both are `[N, C, H, W]` here, a vector with one
//! row and one column; [`Blob`] remembers which it is, since some layers tell them apart.

mod convolution;
mod elementwise;
mod input_channels;
mod layer;
mod layout;
mod pooling;

use super::builder::GraphBuilder;
use super::error::{OpError, problem};
use crate::{Model, ModelError, NetError, NodeId};
use pegbar_formats::ncnn::{NcnnLayer, NcnnModel};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

const FORMAT: &str = "ncnn";

/// The value behind a blob name.
#[derive(Debug, Clone)]
enum Blob {
    /// `[C, H, W]`.
    Picture(NodeId),
    /// `[C]`.
    Vector(NodeId),
    /// A picture flattened to `[C * H * W]`; only a fully connected layer can read it.
    Flat(NodeId),
    /// A constant; `shape` is the ncnn one, outermost first, of rank 1 to 3.
    Constant { name: String, shape: Vec<usize>, data: Rc<Vec<f32>> },
}

/// The walk over the layers.
struct Importer<'a> {
    builder: GraphBuilder,
    blobs: HashMap<&'a str, Blob>,
}

/// Turns an ncnn graph into a net.
///
/// The picture is the sole `Input` layer that the output depends on; the output is the sole blob that no layer reads,
/// or, of several, the one named like an output. ncnn does not say how many channels the picture has unless the file was
/// optimised for a size: they follow from the first layer with weights, or are 3.
///
/// # Errors
/// [`ModelError::UnsupportedOp`] names a layer kind Pegbar has no operation for; [`ModelError::Import`] a layer whose
/// parameters or weights it cannot run, with what is wrong; [`ModelError::NotAnUpscaler`] as [`Model::from_net`].
pub fn import_ncnn(model: &NcnnModel) -> Result<Model, ModelError> {
    let output = output_blob(model)?;
    let needed = needed_layers(model, output);
    let layers: Vec<&NcnnLayer> =
        model.layers.iter().zip(needed).filter(|(_, needed)| *needed).map(|(layer, _)| layer).collect();
    let (input_layer, input_blob) = input_layer(&layers)?;

    let n_weights = model.layers.iter().flat_map(|l| &l.weights).map(|w| w.tensor.n_elements()).sum();
    let channels = input_channels::input_channels(&layers, input_layer, input_blob);
    let at = |layer: &NcnnLayer| {
        let (kind, name) = (layer.kind.clone(), layer.name.clone());
        move |error: OpError| error.at(FORMAT, &kind, &name)
    };
    let builder = GraphBuilder::new(channels, n_weights, layers.len()).map_err(at(input_layer))?;
    let mut importer = Importer { builder, blobs: HashMap::new() };
    importer.blobs.insert(input_blob, Blob::Picture(importer.builder.input()));
    for layer in layers {
        if layer.kind == "Input" {
            continue;
        }
        let values = importer.layer(layer).map_err(at(layer))?;
        if values.len() < layer.outputs.len() {
            let error = problem!("makes {} blobs where it should make {}", values.len(), layer.outputs.len());
            return Err(at(layer)(error));
        }
        for (name, value) in layer.outputs.iter().zip(values) {
            importer.blobs.insert(name, value);
        }
    }
    let Some(Blob::Picture(node)) = importer.blobs.get(output) else {
        return Err(graph_error(format!("its output {output:?} is not a picture")));
    };
    let node = *node;
    Model::from_net(FORMAT, "ncnn graph", importer.builder.finish(node))
}

fn graph_error(problem: String) -> ModelError {
    ModelError::Net(NetError::Graph { problem })
}

/// The blob that is the result.
fn output_blob(model: &NcnnModel) -> Result<&str, ModelError> {
    let read: HashSet<&str> = model.layers.iter().flat_map(|l| &l.inputs).map(String::as_str).collect();
    let unread: Vec<&str> = model
        .layers
        .iter()
        .flat_map(|l| &l.outputs)
        .map(String::as_str)
        .filter(|name| !read.contains(name))
        .collect();
    if let [only] = unread[..] {
        return Ok(only);
    }
    let named: Vec<&str> =
        unread.iter().copied().filter(|n| matches!(*n, "output" | "out0" | "out" | "Output")).collect();
    match named[..] {
        [only] => Ok(only),
        _ if unread.is_empty() => Err(graph_error("it has no output: every blob is read by a layer".into())),
        _ => Err(graph_error(format!(
            "it has {} outputs ({}), and none of them is named \"output\"",
            unread.len(),
            shorten(&unread)
        ))),
    }
}

fn shorten(names: &[&str]) -> String {
    let shown = names[..names.len().min(6)].join(", ");
    if names.len() > 6 { format!("{shown}, ...") } else { shown }
}

/// For each layer, whether the output depends on it.
fn needed_layers(model: &NcnnModel, output: &str) -> Vec<bool> {
    let mut wanted = HashSet::from([output]);
    let mut needed = vec![false; model.layers.len()];
    for (layer, needed) in model.layers.iter().zip(&mut needed).rev() {
        if layer.outputs.iter().any(|name| wanted.contains(name.as_str())) {
            *needed = true;
            wanted.extend(layer.inputs.iter().map(String::as_str));
        }
    }
    needed
}

/// The layer that brings the picture, and the name of its blob.
fn input_layer<'a>(layers: &[&'a NcnnLayer]) -> Result<(&'a NcnnLayer, &'a str), ModelError> {
    let inputs: Vec<&NcnnLayer> = layers.iter().copied().filter(|l| l.kind == "Input").collect();
    match inputs[..] {
        [layer] => match layer.outputs.first() {
            Some(blob) => Ok((layer, blob)),
            None => Err(graph_error(format!("its input layer {:?} makes no blob", layer.name))),
        },
        [] => Err(graph_error("its output does not depend on any input layer".into())),
        _ => {
            let names: Vec<&str> = inputs.iter().map(|l| l.name.as_str()).collect();
            Err(graph_error(format!(
                "it has {} inputs ({}); Pegbar runs networks that take one picture",
                inputs.len(),
                shorten(&names)
            )))
        }
    }
}

impl<'a> Importer<'a> {
    /// The values a layer makes, in the order of its outputs.
    fn layer(&mut self, layer: &'a NcnnLayer) -> Result<Vec<Blob>, OpError> {
        match layer.kind.as_str() {
            "Split" | "Noop" => {
                let input = self.input(layer, 0)?;
                Ok(vec![input; layer.outputs.len().max(1)])
            }
            "Slice" => self.slice(layer),
            _ => self.single(layer).map(|value| vec![value]),
        }
    }

    /// The value of a layer with one output.
    fn single(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        match layer.kind.as_str() {
            "MemoryData" => self.memory_data(layer),
            "Convolution" | "ConvolutionDepthWise" => self.convolution(layer),
            "Deconvolution" | "DeconvolutionDepthWise" => self.deconvolution(layer),
            "InnerProduct" => self.inner_product(layer),
            "Pooling" => self.pooling(layer),
            "Reduction" => self.reduction(layer),
            "Concat" => self.concat(layer),
            "Crop" => self.crop(layer),
            "Padding" => self.padding(layer),
            "Interp" => self.interp(layer),
            "PixelShuffle" => self.pixel_shuffle(layer),
            "Reorg" => self.reorg(layer),
            "ShuffleChannel" => self.shuffle_channel(layer),
            "Permute" => self.permute(layer),
            "Flatten" | "Reshape" | "Squeeze" | "ExpandDims" => self.reshape(layer),
            "BinaryOp" => self.binary_op(layer),
            "Eltwise" => self.eltwise(layer),
            "Scale" => self.scale(layer),
            "Bias" => self.bias(layer),
            "BatchNorm" => self.batch_norm(layer),
            "PReLU" => self.prelu(layer),
            "Softmax" => self.softmax(layer),
            _ => self.function(layer),
        }
    }

    /// The blob behind an input of a layer.
    fn input(&self, layer: &NcnnLayer, index: usize) -> Result<Blob, OpError> {
        let name = layer.inputs.get(index).ok_or_else(|| problem!("lacks its input {}", index + 1))?;
        match self.blobs.get(name.as_str()) {
            Some(blob) => Ok(blob.clone()),
            None => Err(problem!("reads blob {name:?}, which no layer before it makes")),
        }
    }

    /// The value of an input that must not be constant.
    fn value(&self, layer: &NcnnLayer, index: usize) -> Result<NodeId, OpError> {
        match self.input(layer, index)? {
            Blob::Picture(id) | Blob::Vector(id) => Ok(id),
            Blob::Flat(_) => Err(problem!("reads a flattened picture; only InnerProduct can")),
            Blob::Constant { name, .. } => {
                Err(problem!("reads the constant {name:?} where a picture is needed"))
            }
        }
    }

    /// The value of an input that must be a picture.
    fn picture(&self, layer: &NcnnLayer, index: usize) -> Result<NodeId, OpError> {
        match self.input(layer, index)? {
            Blob::Vector(_) => Err(problem!("reads a vector where a picture is needed")),
            _ => self.value(layer, index),
        }
    }
}

impl Blob {
    /// The same kind of blob around another value.
    fn with(&self, id: NodeId) -> Self {
        match self {
            Self::Vector(_) => Self::Vector(id),
            _ => Self::Picture(id),
        }
    }
}
