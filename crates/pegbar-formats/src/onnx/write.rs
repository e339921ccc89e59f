//! Writing `ModelProto` and what is in it.

use super::{OnnxAttribute, OnnxFunction, OnnxModel, OnnxNode, OnnxValueInfo};
use crate::atomic_file::write_atomically;
use crate::{DType, FormatError, Tensor};
use std::io::Write;
use std::path::Path;

/// Protobuf refuses messages from this size on.
const MOST_BYTES: usize = (1 << 31) - 1;

/// Writes a model with its weights inside. Complete or not at all.
///
/// # Errors
/// A model of 2 GiB or more, which the format cannot hold; an attribute that was not read; a full disk.
pub fn write(path: &Path, model: &OnnxModel) -> Result<(), FormatError> {
    let bytes = to_bytes(model)?;
    write_atomically(path, |file| Ok(file.write_all(&bytes)?))
}

/// The content of a model's file.
///
/// # Errors
/// As [`write()`], but for the disk.
pub fn to_bytes(model: &OnnxModel) -> Result<Vec<u8>, FormatError> {
    let mut out = Message::default();
    out.int(1, model.ir_version);
    out.text(2, &model.producer);
    out.message(7, graph(model)?);
    out.message(8, operator_set("", model.opset));
    for domain in domains(model) {
        out.message(8, operator_set(domain, 1));
    }
    for (key, value) in &model.metadata {
        let mut pair = Message::default();
        pair.text(1, key);
        pair.text(2, value);
        out.message(14, pair);
    }
    for function in &model.functions {
        out.message(25, function_proto(function, model.opset)?);
    }
    if out.0.len() > MOST_BYTES {
        return Err(FormatError::unsupported(
            format!("a model of {} MiB in one ONNX file", out.0.len() >> 20),
            "write half precision, or another format",
        ));
    }
    Ok(out.0)
}

/// Domains of the model's own functions, each once.
fn domains(model: &OnnxModel) -> Vec<&str> {
    let mut domains: Vec<&str> = model.functions.iter().map(|function| function.domain.as_str()).collect();
    domains.sort_unstable();
    domains.dedup();
    domains
}

fn operator_set(domain: &str, version: i64) -> Message {
    let mut set = Message::default();
    set.text(1, domain);
    set.int(2, version);
    set
}

fn graph(model: &OnnxModel) -> Result<Message, FormatError> {
    let mut out = Message::default();
    for node in &model.graph.nodes {
        out.message(1, node_proto(node)?);
    }
    out.text(2, "pegbar");
    for (name, tensor) in &model.graph.initializers {
        out.message(5, tensor_proto(name, tensor));
    }
    for input in &model.graph.inputs {
        out.message(11, value_info(input));
    }
    for output in &model.graph.outputs {
        out.message(12, value_info(output));
    }
    Ok(out)
}

fn node_proto(node: &OnnxNode) -> Result<Message, FormatError> {
    let mut out = Message::default();
    for input in &node.inputs {
        out.text(1, input);
    }
    for output in &node.outputs {
        out.text(2, output);
    }
    out.text(3, &node.name);
    out.text(4, &node.op_type);
    for (name, attribute) in &node.attributes {
        out.message(5, attribute_proto(name, attribute)?);
    }
    if !node.domain.is_empty() {
        out.text(7, &node.domain);
    }
    Ok(out)
}

fn function_proto(function: &OnnxFunction, opset: i64) -> Result<Message, FormatError> {
    let mut out = Message::default();
    out.text(1, &function.name);
    for input in &function.inputs {
        out.text(4, input);
    }
    for output in &function.outputs {
        out.text(5, output);
    }
    for attribute in &function.attributes {
        out.text(6, attribute);
    }
    for node in &function.nodes {
        out.message(7, node_proto(node)?);
    }
    for (name, default) in &function.defaults {
        out.message(11, attribute_proto(name, default)?);
    }
    out.message(9, operator_set("", opset));
    out.text(10, &function.domain);
    Ok(out)
}

fn attribute_proto(name: &str, attribute: &OnnxAttribute) -> Result<Message, FormatError> {
    let mut out = Message::default();
    out.text(1, name);
    let kind = match attribute {
        OnnxAttribute::Float(value) => {
            out.float(2, *value);
            1
        }
        OnnxAttribute::Int(value) => {
            out.int(3, *value);
            2
        }
        OnnxAttribute::String(value) => {
            out.text(4, value);
            3
        }
        OnnxAttribute::Tensor(tensor) => {
            out.message(5, tensor_proto("", tensor));
            4
        }
        OnnxAttribute::Floats(values) => {
            values.iter().for_each(|&value| out.float(7, value));
            6
        }
        OnnxAttribute::Ints(values) => {
            values.iter().for_each(|&value| out.int(8, value));
            7
        }
        OnnxAttribute::Strings(values) => {
            values.iter().for_each(|value| out.text(9, value));
            8
        }
        // What it is the caller knows; no reader asks for the type.
        OnnxAttribute::OfCaller(caller) => {
            out.text(21, caller);
            0
        }
        OnnxAttribute::Other => {
            return Err(FormatError::unsupported(
                format!("the attribute {name}, which was not read,"),
                "keep the original file",
            ));
        }
    };
    out.int(20, kind);
    Ok(out)
}

fn tensor_proto(name: &str, tensor: &Tensor) -> Message {
    let mut out = Message::default();
    for &n in tensor.shape() {
        out.int(1, n as i64);
    }
    out.int(2, element_type(tensor.dtype()));
    if !name.is_empty() {
        out.text(8, name);
    }
    out.bytes(9, &tensor.row_major_bytes());
    out
}

fn element_type(dtype: DType) -> i64 {
    match dtype {
        DType::F32 => 1,
        DType::U8 => 2,
        DType::I8 => 3,
        DType::U16 => 4,
        DType::I16 => 5,
        DType::I32 => 6,
        DType::I64 => 7,
        DType::Bool => 9,
        DType::F16 => 10,
        DType::F64 => 11,
        DType::U32 => 12,
        DType::U64 => 13,
        DType::Bf16 => 16,
    }
}

fn value_info(info: &OnnxValueInfo) -> Message {
    let mut shape = Message::default();
    for (i, dim) in info.dims.iter().enumerate() {
        let mut out = Message::default();
        match dim {
            Some(n) => out.int(1, *n),
            // Dimensions of one name would have to be equal.
            None => out.text(2, &format!("{}_{i}", info.name)),
        }
        shape.message(1, out);
    }
    let mut tensor = Message::default();
    tensor.int(1, i64::from(info.elem_type));
    tensor.message(2, shape);
    let mut kind = Message::default();
    kind.message(1, tensor);
    let mut out = Message::default();
    out.text(1, &info.name);
    out.message(2, kind);
    out
}

/// A message of protobuf's as it grows.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn key(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn int(&mut self, field: u64, value: i64) {
        self.key(field, 0);
        self.varint(value as u64);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u64, message: Self) {
        self.bytes(field, &message.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{OnnxGraph, read_bytes};
    use std::collections::BTreeMap;

    #[test]
    fn what_is_written_is_read_again() {
        let attributes = BTreeMap::from([
            ("f".to_owned(), OnnxAttribute::Float(-0.25)),
            ("i".to_owned(), OnnxAttribute::Int(-3)),
            ("s".to_owned(), OnnxAttribute::String("reflect".to_owned())),
            ("ints".to_owned(), OnnxAttribute::Ints(vec![1, -1, 300])),
            ("floats".to_owned(), OnnxAttribute::Floats(vec![0.0, 1e9])),
        ]);
        let node = OnnxNode {
            name: "n".to_owned(),
            op_type: "Pad".to_owned(),
            domain: String::new(),
            inputs: vec!["input".to_owned(), String::new(), "w".to_owned()],
            outputs: vec!["output".to_owned()],
            attributes,
        };
        let info = |name: &str, dims: &[Option<i64>]| OnnxValueInfo {
            name: name.to_owned(),
            elem_type: 1,
            dims: dims.to_vec(),
        };
        let graph = OnnxGraph {
            nodes: vec![node],
            initializers: [("w".to_owned(), Tensor::from_f32(vec![2, 1], vec![1.0, -2.5]).expect("sizes"))]
                .into(),
            inputs: vec![info("input", &[None, Some(3), None, None])],
            outputs: vec![info("output", &[None, Some(3), None, None])],
        };
        let model = OnnxModel {
            opset: 17,
            ir_version: 8,
            producer: "pegbar".to_owned(),
            metadata: BTreeMap::from([("scale".to_owned(), "2".to_owned())]),
            graph,
            functions: Vec::new(),
        };
        let read = read_bytes(&to_bytes(&model).expect("written"), None).expect("read");
        assert_eq!(
            (read.opset, read.ir_version, &read.producer, &read.metadata),
            (17, 8, &model.producer, &model.metadata)
        );
        assert_eq!(format!("{:?}", read.graph.nodes), format!("{:?}", model.graph.nodes));
        assert_eq!(format!("{:?}", read.graph.inputs), format!("{:?}", model.graph.inputs));
        assert_eq!(read.graph.initializers["w"].to_f32(), [1.0, -2.5]);
        assert_eq!(read.graph.initializers["w"].shape(), [2, 1]);
    }
}
