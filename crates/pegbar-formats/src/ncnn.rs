//! ncnn: a text graph (`.param`) beside a file of bare numbers (`.bin`).
//!
//! The `.bin` has no table: which numbers belong to which layer follows from the parameters of each layer, in the
//! order of the graph. So every kind with weights must be known (`layout`), and the file must come out even.

mod bin;
mod layout;
mod param;
mod write;

pub use write::{bin_bytes, param_text, write};

use crate::budget::Budget;
use crate::source::Source;
use crate::{FormatError, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The name of the format in error messages.
const FORMAT: &str = "ncnn";

/// A graph as the file states it.
#[derive(Debug, Clone)]
pub struct NcnnModel {
    /// The layers, each after those it takes its inputs from.
    pub layers: Vec<NcnnLayer>,
}

/// One layer.
#[derive(Debug, Clone)]
pub struct NcnnLayer {
    /// "Convolution", "PReLU", ...
    pub kind: String,
    /// The name in the file.
    pub name: String,
    /// Names of the blobs it reads.
    pub inputs: Vec<String>,
    /// Names of the blobs it makes.
    pub outputs: Vec<String>,
    /// Parameters by the number that ncnn gives them for this kind.
    pub params: BTreeMap<i32, NcnnParam>,
    /// Weights in the kind's own order: for a convolution the kernel, then the bias if there is one.
    pub weights: Vec<NcnnBlob>,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum NcnnParam {
    /// A whole number.
    Int(i64),
    /// A number with a point or an exponent.
    Float(f32),
    /// Several whole numbers.
    IntArray(Vec<i64>),
    /// Several numbers, at least one with a point or an exponent.
    FloatArray(Vec<f32>),
}

/// A run of weights, rank 1; what shape they have is the kind's business.
#[derive(Debug, Clone)]
pub struct NcnnBlob {
    /// `f32` or `f16`.
    pub tensor: Tensor,
}

impl NcnnLayer {
    /// An integer parameter, or what ncnn takes where it is not given. A float is truncated, as ncnn would not, but
    /// converters mix them up.
    pub fn int(&self, id: i32, default: i64) -> i64 {
        match self.params.get(&id) {
            Some(NcnnParam::Int(n)) => *n,
            Some(NcnnParam::Float(n)) => *n as i64,
            _ => default,
        }
    }

    /// A floating-point parameter, or what ncnn takes where it is not given.
    pub fn float(&self, id: i32, default: f32) -> f32 {
        match self.params.get(&id) {
            Some(NcnnParam::Float(n)) => *n,
            Some(NcnnParam::Int(n)) => *n as f32,
            _ => default,
        }
    }
}

/// Reads the pair; either file may be named.
///
/// Errors: a missing or unreadable other half ([`FormatError::Companion`]), a binary `.param.bin`, int8 or
/// table-quantised weights, a kind whose weights are not known, numbers left over or missing.
pub fn read(path: &Path) -> Result<NcnnModel, FormatError> {
    if Source::open(path).and_then(|s| s.head(4)).is_ok_and(|head| is_binary_param(&head)) {
        return Err(binary_param());
    }
    let named_bin = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("bin"));
    let (param_path, bin_path) = if named_bin {
        (path.with_extension("param"), path.to_owned())
    } else {
        (path.to_owned(), path.with_extension("bin"))
    };
    let blame = |at: &Path| {
        let at = at.to_owned();
        let second = at != path;
        move |error: FormatError| if second { error.of_companion(at) } else { error }
    };
    let param = Source::open(&param_path).and_then(|s| s.read_all()).map_err(blame(&param_path))?;
    let bin = match Source::open(&bin_path).and_then(|s| s.read_all()) {
        Ok(bin) => bin,
        // A graph without weights has an empty file beside it.
        Err(FormatError::Empty) => Vec::new(),
        Err(error) => return Err(blame(&bin_path)(error)),
    };
    let mut budget = Budget::for_file(param.len() as u64);
    let layers = parse_param(&param, &mut budget).map_err(blame(&param_path))?;
    bin::attach(layers, Arc::new(bin), &mut budget).map_err(blame(&bin_path))
}

/// Reads the contents of the pair.
pub fn read_bytes(param: &str, bin: &[u8]) -> Result<NcnnModel, FormatError> {
    let mut budget = Budget::for_file(param.len() as u64);
    let layers = parse_param(param.as_bytes(), &mut budget)?;
    bin::attach(layers, Arc::new(bin.to_vec()), &mut budget)
}

fn parse_param(bytes: &[u8], budget: &mut Budget) -> Result<Vec<NcnnLayer>, FormatError> {
    if is_binary_param(bytes) {
        return Err(binary_param());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("its .param is not text"))?;
    param::parse(text, budget)
}

fn is_binary_param(head: &[u8]) -> bool {
    head.starts_with(&param::MAGIC.to_le_bytes())
}

fn binary_param() -> FormatError {
    FormatError::unsupported("a binary ncnn graph (.param.bin)", "use the text .param that it was made from")
}

/// Whether a file that begins so is an ncnn graph, text or binary.
pub(crate) fn looks_like_param(head: &[u8]) -> bool {
    let magic = param::MAGIC.to_string();
    head.trim_ascii_start()
        .strip_prefix(magic.as_bytes())
        .is_some_and(|rest| rest.first().is_none_or(|b| b.is_ascii_whitespace()))
        || is_binary_param(head)
}

fn damaged(reason: impl Into<String>) -> FormatError {
    FormatError::damaged(FORMAT, reason)
}
