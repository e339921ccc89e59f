//! ONNX: a graph with weights as a protobuf message.
//!
//! The protobuf is read by a small reader of our own (`wire`) instead of generated code. Generated code builds every
//! message of the schema, and a field of two bytes may become a struct of two hundred; here only what an importer
//! needs is built, each piece is paid for, and weights stay in the file's bytes. Bodies of `If` and `Loop` are not
//! read at all ([`OnnxAttribute::Other`]).

mod external;
mod model;
mod tensor;
mod wire;
mod write;

pub use write::{to_bytes, write};

use crate::source::Source;
use crate::{FormatError, Tensor};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The name of the format in error messages.
const FORMAT: &str = "ONNX";

/// A model as the file states it.
#[derive(Debug, Clone)]
pub struct OnnxModel {
    /// Version of the default operator set.
    pub opset: i64,
    /// Version of the file format.
    pub ir_version: i64,
    /// The program that wrote the file, with its version.
    pub producer: String,
    /// `metadata_props`: what the author noted.
    pub metadata: BTreeMap<String, String>,
    /// The graph.
    pub graph: OnnxGraph,
    /// Operators of the model's own.
    pub functions: Vec<OnnxFunction>,
}

/// An operator made of others.
#[derive(Debug, Clone)]
pub struct OnnxFunction {
    /// What nodes that call it have for `domain`.
    pub domain: String,
    /// What nodes that call it have for `op_type`.
    pub name: String,
    /// Names of the values it takes.
    pub inputs: Vec<String>,
    /// Names of the values it makes.
    pub outputs: Vec<String>,
    /// Names of attributes that its callers may have.
    pub attributes: Vec<String>,
    /// Attributes that its callers may have, and what they are where those have none.
    pub defaults: BTreeMap<String, OnnxAttribute>,
    /// What it does.
    pub nodes: Vec<OnnxNode>,
}

/// A graph.
#[derive(Debug, Clone)]
pub struct OnnxGraph {
    /// The nodes, each after those it takes its inputs from.
    pub nodes: Vec<OnnxNode>,
    /// Weights by name.
    pub initializers: IndexMap<String, Tensor>,
    /// Inputs; old files list the initializers here too.
    pub inputs: Vec<OnnxValueInfo>,
    /// Outputs.
    pub outputs: Vec<OnnxValueInfo>,
}

/// A node.
#[derive(Debug, Clone)]
pub struct OnnxNode {
    /// May be empty.
    pub name: String,
    /// "Conv", "Resize", ...
    pub op_type: String,
    /// Empty for the default operator set.
    pub domain: String,
    /// Names of values; "" = an optional input that is absent.
    pub inputs: Vec<String>,
    /// Names of values; "" = an optional output that nobody wants.
    pub outputs: Vec<String>,
    /// Attributes by name.
    pub attributes: BTreeMap<String, OnnxAttribute>,
}

/// The value of an attribute.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum OnnxAttribute {
    Int(i64),
    Float(f32),
    String(String),
    Tensor(Tensor),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Strings(Vec<String>),
    /// In a function: the attribute of this name that its caller has, if it has one.
    OfCaller(String),
    /// A graph, a sparse tensor, a type, or a list of such things.
    Other,
}

/// What is known of a value.
#[derive(Debug, Clone)]
pub struct OnnxValueInfo {
    /// The value's name.
    pub name: String,
    /// ONNX element type: 1 float32, 10 float16, ...; 0 = not said.
    pub elem_type: i32,
    /// Dimensions; `None` = symbolic. Empty also where no shape is given.
    pub dims: Vec<Option<i64>>,
}

/// Reads a model, and the external data files beside it.
///
/// Errors: damage, an external file outside the model's folder or too short, a weight type that Pegbar does not read.
pub fn read(path: &Path) -> Result<OnnxModel, FormatError> {
    let bytes = Source::open(path)?.read_all()?;
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("."),
    };
    model::parse(Arc::new(bytes), Some(folder))
}

/// Reads the content of a model. Without a folder, external data is an error.
pub fn read_bytes(bytes: &[u8], external_dir: Option<&Path>) -> Result<OnnxModel, FormatError> {
    model::parse(Arc::new(bytes.to_vec()), external_dir)
}

/// Reads a tensor that is a file of its own (`TensorProto`), as test data of ONNX operators are, with its name.
///
/// Errors: damage, a type that Pegbar does not read.
pub fn read_tensor(bytes: &[u8]) -> Result<(String, Tensor), FormatError> {
    model::parse_tensor(Arc::new(bytes.to_vec()))
}

/// Whether a file that begins so may be an ONNX model: `ir_version` first, as every writer has it, then a known field.
pub(crate) fn looks_like(head: &[u8]) -> bool {
    matches!(head, [0x08, version @ 1..=20, tag, ..] if *version > 0 && model::is_known_tag(*tag))
}

fn damaged(reason: impl Into<String>) -> FormatError {
    FormatError::damaged(FORMAT, reason)
}
