//! The messages `ModelProto`, `GraphProto`, `NodeProto`, `AttributeProto` and `ValueInfoProto`.

use super::external::ExternalFiles;
use super::wire::{Fields, n_varints, varint};
use super::{OnnxAttribute, OnnxFunction, OnnxGraph, OnnxModel, OnnxNode, OnnxValueInfo, damaged, tensor};
use crate::budget::Budget;
use crate::tensor::Storage;
use crate::{FormatError, Tensor};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::path::Path;

const WHAT: &str = "its graph";

/// What every part of the reader needs.
pub(super) struct Context<'a> {
    pub(super) file: Storage,
    pub(super) budget: Budget,
    pub(super) external: ExternalFiles<'a>,
}

impl Context<'_> {
    fn string(&mut self, text: &str) -> Result<String, FormatError> {
        self.budget.take_string(text, WHAT)?;
        self.budget.take_items::<String>(2, WHAT)?;
        Ok(text.to_owned())
    }
}

/// Whether `ModelProto` has a field with this first byte: number and wire type.
pub(super) const fn is_known_tag(tag: u8) -> bool {
    matches!(tag, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42 | 0x72)
}

pub(super) fn parse(file: Storage, external_dir: Option<&Path>) -> Result<OnnxModel, FormatError> {
    let mut context = Context {
        budget: Budget::for_graph(file.len() as u64),
        file: file.clone(),
        external: ExternalFiles::new(external_dir),
    };
    let (mut ir_version, mut opset, mut graph) = (0, None, None);
    let (mut producer, mut producer_version) = ("", "");
    let mut metadata = BTreeMap::new();
    let mut functions = Vec::new();
    for field in Fields::new(&file) {
        match field? {
            (1, value) => ir_version = value.int()?,
            (2, value) => producer = value.text()?,
            (3, value) => producer_version = value.text()?,
            (7, value) => graph = Some(value.bytes()?),
            (8, value) => {
                let (domain, version) = operator_set(value.bytes()?)?;
                if domain.is_empty() || domain == "ai.onnx" {
                    opset = Some(version);
                }
            }
            (14, value) => {
                let (key, value) = string_pair(value.bytes()?)?;
                context.budget.take_items::<[String; 2]>(12, WHAT)?;
                metadata.insert(context.string(key)?, context.string(value)?);
            }
            (25, value) => {
                context.budget.take_items::<&[u8]>(2, WHAT)?;
                functions.push(value.bytes()?);
            }
            _ => {}
        }
    }
    let graph = graph.ok_or_else(|| damaged("it holds no graph"))?;
    let producer = context.string(&format!("{producer} {producer_version}"))?.trim().to_owned();
    // Weights first, as in a graph.
    let graph = parse_graph(graph, &mut context)?;
    let mut read = Vec::new();
    for message in functions {
        context.budget.take_items::<OnnxFunction>(2, WHAT)?;
        let (function, version) = parse_function(message, &mut context)?;
        // A graph of nothing but calls may name no operator set of its own.
        if opset.is_none() {
            opset = version;
        }
        read.push(function);
    }
    // Files from before operator sets had versions are the first.
    let opset = opset.unwrap_or(1);
    Ok(OnnxModel { opset, ir_version, producer, metadata, graph, functions: read })
}

/// `FunctionProto`, with the version of the default operator set that it names.
fn parse_function(
    message: &[u8],
    context: &mut Context<'_>,
) -> Result<(OnnxFunction, Option<i64>), FormatError> {
    let mut function = OnnxFunction {
        domain: String::new(),
        name: String::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        attributes: Vec::new(),
        defaults: BTreeMap::new(),
        nodes: Vec::new(),
    };
    let mut opset = None;
    for field in Fields::new(message) {
        match field? {
            (1, value) => function.name = context.string(value.text()?)?,
            (4, value) => function.inputs.push(context.string(value.text()?)?),
            (5, value) => function.outputs.push(context.string(value.text()?)?),
            (6, value) => function.attributes.push(context.string(value.text()?)?),
            (7, value) => {
                context.budget.take_items::<OnnxNode>(2, WHAT)?;
                function.nodes.push(parse_node(value.bytes()?, context)?);
            }
            (9, value) => {
                let (domain, version) = operator_set(value.bytes()?)?;
                if domain.is_empty() || domain == "ai.onnx" {
                    opset = Some(version);
                }
            }
            (10, value) => function.domain = context.string(value.text()?)?,
            (11, value) => {
                let n = if function.defaults.is_empty() { 12 } else { 2 };
                context.budget.take_items::<(String, OnnxAttribute)>(n, WHAT)?;
                let (name, attribute) = parse_attribute(value.bytes()?, context)?;
                function.defaults.insert(context.string(name)?, attribute);
            }
            _ => {}
        }
    }
    Ok((function, opset))
}

/// A tensor by itself.
pub(super) fn parse_tensor(file: Storage) -> Result<(String, Tensor), FormatError> {
    let mut context = Context {
        budget: Budget::for_file(file.len() as u64),
        file: file.clone(),
        external: ExternalFiles::new(None),
    };
    let (name, tensor) = tensor::parse(&file, &mut context)?;
    Ok((name.to_owned(), tensor))
}

fn operator_set(message: &[u8]) -> Result<(&str, i64), FormatError> {
    let (mut domain, mut version) = ("", 0);
    for field in Fields::new(message) {
        match field? {
            (1, value) => domain = value.text()?,
            (2, value) => version = value.int()?,
            _ => {}
        }
    }
    Ok((domain, version))
}

/// `StringStringEntryProto`.
pub(super) fn string_pair(message: &[u8]) -> Result<(&str, &str), FormatError> {
    let mut pair = ("", "");
    for field in Fields::new(message) {
        match field? {
            (1, value) => pair.0 = value.text()?,
            (2, value) => pair.1 = value.text()?,
            _ => {}
        }
    }
    Ok(pair)
}

fn parse_graph(message: &[u8], context: &mut Context<'_>) -> Result<OnnxGraph, FormatError> {
    let mut graph = OnnxGraph {
        nodes: Vec::new(),
        initializers: IndexMap::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
    };
    // Weights first: files beside the model say how much of a graph is to be expected.
    for field in Fields::new(message) {
        if let (5, value) = field? {
            context.budget.take_items::<(Tensor, String, [usize; 3])>(2, WHAT)?;
            let (name, tensor) = tensor::parse(value.bytes()?, context)?;
            let name = context.string(name)?;
            graph.initializers.insert(name, tensor);
        }
    }
    for field in Fields::new(message) {
        match field? {
            (1, value) => {
                context.budget.take_items::<OnnxNode>(2, WHAT)?;
                graph.nodes.push(parse_node(value.bytes()?, context)?);
            }
            (11, value) => graph.inputs.push(parse_value_info(value.bytes()?, context)?),
            (12, value) => graph.outputs.push(parse_value_info(value.bytes()?, context)?),
            (15, _) => {
                return Err(FormatError::unsupported(
                    "a sparse weight in the ONNX graph",
                    "export the model with dense weights",
                ));
            }
            _ => {}
        }
    }
    Ok(graph)
}

fn parse_node(message: &[u8], context: &mut Context<'_>) -> Result<OnnxNode, FormatError> {
    let mut node = OnnxNode {
        name: String::new(),
        op_type: String::new(),
        domain: String::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        attributes: BTreeMap::new(),
    };
    for field in Fields::new(message) {
        match field? {
            (1, value) => node.inputs.push(context.string(value.text()?)?),
            (2, value) => node.outputs.push(context.string(value.text()?)?),
            (3, value) => node.name = context.string(value.text()?)?,
            (4, value) => node.op_type = context.string(value.text()?)?,
            (5, value) => {
                // A tree of a few entries takes a whole node of eleven.
                let n = if node.attributes.is_empty() { 12 } else { 2 };
                context.budget.take_items::<(String, OnnxAttribute)>(n, WHAT)?;
                let (name, attribute) = parse_attribute(value.bytes()?, context)?;
                node.attributes.insert(context.string(name)?, attribute);
            }
            (7, value) => node.domain = context.string(value.text()?)?,
            _ => {}
        }
    }
    Ok(node)
}

fn parse_attribute<'a>(
    message: &'a [u8],
    context: &mut Context<'_>,
) -> Result<(&'a str, OnnxAttribute), FormatError> {
    let (mut name, mut kind) = ("", 0);
    let (mut float, mut int, mut string, mut tensor) = (None, None, None, None);
    let mut reference = "";
    let (mut floats, mut ints, mut strings) = (Vec::new(), Vec::new(), Vec::new());
    for field in Fields::new(message) {
        match field? {
            (1, value) => name = value.text()?,
            (2, value) => float = Some(value.float()?),
            (3, value) => int = Some(value.int()?),
            (4, value) => string = Some(value.bytes()?),
            (5, value) => tensor = Some(value.bytes()?),
            (7, super::wire::Value::Bytes(packed)) => {
                let values = packed.as_chunks::<4>().0;
                context.budget.take_items::<f32>(2 * values.len(), WHAT)?;
                floats.extend(values.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
            (7, value) => {
                context.budget.take_items::<f32>(2, WHAT)?;
                floats.push(value.float()?);
            }
            (8, super::wire::Value::Bytes(mut packed)) => {
                context.budget.take_items::<i64>(2 * n_varints(packed), WHAT)?;
                while !packed.is_empty() {
                    ints.push(varint(&mut packed)? as i64);
                }
            }
            (8, value) => {
                context.budget.take_items::<i64>(2, WHAT)?;
                ints.push(value.int()?);
            }
            (9, value) => {
                let text = String::from_utf8_lossy(value.bytes()?);
                strings.push(context.string(&text)?);
            }
            (20, value) => kind = value.int()?,
            (21, value) => reference = value.text()?,
            _ => {}
        }
    }
    if !reference.is_empty() {
        return Ok((name, OnnxAttribute::OfCaller(context.string(reference)?)));
    }
    let text = |bytes: &[u8], context: &mut Context<'_>| context.string(&String::from_utf8_lossy(bytes));
    // Fields at their default may be left out, so the type decides; writers before IR version 2 gave none.
    let attribute = match kind {
        1 => OnnxAttribute::Float(float.unwrap_or(0.0)),
        2 => OnnxAttribute::Int(int.unwrap_or(0)),
        3 => OnnxAttribute::String(text(string.unwrap_or_default(), context)?),
        4 => OnnxAttribute::Tensor(tensor::parse(tensor.unwrap_or_default(), context)?.1),
        6 => OnnxAttribute::Floats(floats),
        7 => OnnxAttribute::Ints(ints),
        8 => OnnxAttribute::Strings(strings),
        0 => match (float, int, string, tensor) {
            (Some(float), ..) => OnnxAttribute::Float(float),
            (_, Some(int), ..) => OnnxAttribute::Int(int),
            (_, _, Some(string), _) => OnnxAttribute::String(text(string, context)?),
            (_, _, _, Some(tensor)) => OnnxAttribute::Tensor(tensor::parse(tensor, context)?.1),
            _ if !floats.is_empty() => OnnxAttribute::Floats(floats),
            _ if !ints.is_empty() => OnnxAttribute::Ints(ints),
            _ if !strings.is_empty() => OnnxAttribute::Strings(strings),
            _ => OnnxAttribute::Other,
        },
        _ => OnnxAttribute::Other,
    };
    Ok((name, attribute))
}

fn parse_value_info(message: &[u8], context: &mut Context<'_>) -> Result<OnnxValueInfo, FormatError> {
    context.budget.take_items::<OnnxValueInfo>(2, WHAT)?;
    let mut info = OnnxValueInfo { name: String::new(), elem_type: 0, dims: Vec::new() };
    for field in Fields::new(message) {
        match field? {
            (1, value) => info.name = context.string(value.text()?)?,
            (2, value) => {
                for field in Fields::new(value.bytes()?) {
                    // Other than tensors: sequences, maps, which no image model takes.
                    if let (1, value) = field? {
                        parse_tensor_type(value.bytes()?, &mut info, context)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(info)
}

fn parse_tensor_type(
    message: &[u8],
    info: &mut OnnxValueInfo,
    context: &mut Context<'_>,
) -> Result<(), FormatError> {
    for field in Fields::new(message) {
        match field? {
            (1, value) => info.elem_type = i32::try_from(value.int()?).unwrap_or(0),
            (2, value) => {
                for dim in Fields::new(value.bytes()?) {
                    if let (1, dim) = dim? {
                        context.budget.take_items::<Option<i64>>(2, WHAT)?;
                        let mut size = None;
                        for field in Fields::new(dim.bytes()?) {
                            if let (1, value) = field? {
                                // Some writers put -1 for "any".
                                size = Some(value.int()?).filter(|&n| n >= 0);
                            }
                        }
                        info.dims.push(size);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}
