//! Any model file.

use crate::ncnn::NcnnModel;
use crate::onnx::OnnxModel;
use crate::sniff::{Kind, sniff};
use crate::source::Source;
use crate::{FormatError, WeightsFile, ncnn, onnx, pth, safetensors};
use std::path::Path;

/// What a model file holds.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)]
pub enum ModelFile {
    /// Named weights; the architecture must be told from the names.
    Weights(WeightsFile),
    /// A graph with weights, from ncnn.
    Ncnn(NcnnModel),
    /// A graph with weights, from ONNX.
    Onnx(OnnxModel),
}

/// Reads a model file of any kind. The content decides, not the name, except that an ncnn `.bin` is known by the
/// `.param` beside it. What is no model is an error that says what it is instead.
pub fn read_model(path: &Path) -> Result<ModelFile, FormatError> {
    let source = Source::open(path)?;
    Ok(match sniff(&source, path)? {
        Kind::Pth => ModelFile::Weights(pth::read_source(&source)?),
        Kind::Safetensors => ModelFile::Weights(safetensors::read_source(&source)?),
        Kind::Ncnn => ModelFile::Ncnn(ncnn::read(path)?),
        Kind::Onnx => ModelFile::Onnx(onnx::read(path)?),
    })
}
