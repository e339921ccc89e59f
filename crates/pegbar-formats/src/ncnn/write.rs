//! Writing the pair of files.

use super::layout::{Encoding, runs};
use super::{NcnnLayer, NcnnModel, NcnnParam, param};
use crate::atomic_file::write_atomically;
use crate::{DType, FormatError};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

const TAG_F32: u32 = 0;
const TAG_F16: u32 = 0x0130_6b47;
/// Runs of numbers begin at multiples of this.
const ALIGN: usize = 4;
/// The number of an array parameter is this and its own, below zero.
const ARRAY: i32 = 23300;

/// Writes `path`, a `.param`, and the `.bin` beside it. Each is complete or not there at all.
///
/// # Errors
/// A full disk; weights that do not fit the parameters of their layer.
pub fn write(path: &Path, model: &NcnnModel) -> Result<(), FormatError> {
    let bin = bin_bytes(model)?;
    write_atomically(&path.with_extension("bin"), |file| Ok(file.write_all(&bin)?))?;
    write_atomically(path, |file| Ok(file.write_all(param_text(model).as_bytes())?))
}

/// The text of the graph.
pub fn param_text(model: &NcnnModel) -> String {
    let blobs: BTreeSet<&String> = model.layers.iter().flat_map(|layer| &layer.outputs).collect();
    let mut text = format!("{}\n{} {}\n", param::MAGIC, model.layers.len(), blobs.len());
    for layer in &model.layers {
        let NcnnLayer { kind, name, inputs, outputs, params, .. } = layer;
        let _ = write!(text, "{kind:<24} {name:<24} {} {}", inputs.len(), outputs.len());
        for blob in inputs.iter().chain(outputs) {
            let _ = write!(text, " {blob}");
        }
        for (id, value) in params {
            let _ = match value {
                NcnnParam::Int(n) => write!(text, " {id}={n}"),
                // With an exponent: a number without a point would be taken for a whole one.
                NcnnParam::Float(n) => write!(text, " {id}={n:e}"),
                NcnnParam::IntArray(values) => {
                    let list: String = values.iter().map(|n| format!(",{n}")).collect();
                    write!(text, " {}={}{list}", -ARRAY - id, values.len())
                }
                NcnnParam::FloatArray(values) => {
                    let list: String = values.iter().map(|n| format!(",{n:e}")).collect();
                    write!(text, " {}={}{list}", -ARRAY - id, values.len())
                }
            };
        }
        text.push('\n');
    }
    text
}

/// The numbers.
///
/// # Errors
/// As [`write()`], but for the disk.
pub fn bin_bytes(model: &NcnnModel) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::new();
    for layer in &model.layers {
        let runs = runs(layer)?.unwrap_or_default();
        let fits = runs.len() == layer.weights.len()
            && runs.iter().zip(&layer.weights).all(|(run, blob)| run.1 == blob.tensor.n_elements());
        if !fits {
            return Err(super::damaged(format!(
                "the weights of layer `{}` do not fit its parameters",
                layer.name
            )));
        }
        for ((encoding, _), blob) in runs.iter().zip(&layer.weights) {
            let is_half = blob.tensor.dtype() == DType::F16;
            match encoding {
                Encoding::Tagged if is_half => {
                    out.extend(TAG_F16.to_le_bytes());
                    out.extend_from_slice(&blob.tensor.row_major_bytes());
                    out.resize(out.len().next_multiple_of(ALIGN), 0);
                }
                Encoding::Tagged => {
                    out.extend(TAG_F32.to_le_bytes());
                    out.extend(blob.tensor.to_f32().iter().flat_map(|v| v.to_le_bytes()));
                }
                Encoding::Raw => out.extend(blob.tensor.to_f32().iter().flat_map(|v| v.to_le_bytes())),
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;
    use crate::ncnn::{NcnnBlob, read_bytes};

    #[test]
    fn what_is_written_is_read_again() {
        let blob = |values: &[f32]| NcnnBlob {
            tensor: Tensor::from_f32(vec![values.len()], values.to_vec()).expect("sizes"),
        };
        let layer =
            |kind: &str, inputs: &[&str], output: &str, params: &[(i32, NcnnParam)], weights| NcnnLayer {
                kind: kind.to_owned(),
                name: format!("{output}_layer"),
                inputs: inputs.iter().map(|&name| name.to_owned()).collect(),
                outputs: vec![output.to_owned()],
                params: params.iter().cloned().collect(),
                weights,
            };
        let int = NcnnParam::Int;
        let conv = [(0, int(1)), (1, int(1)), (5, int(1)), (6, int(3))];
        let model = NcnnModel {
            layers: vec![
                layer("Input", &[], "in0", &[], vec![]),
                layer("Convolution", &["in0"], "a", &conv, vec![blob(&[1.0, -2.0, 0.5]), blob(&[4.0])]),
                layer("ReLU", &["a"], "b", &[(0, NcnnParam::Float(0.25))], vec![]),
                layer("Crop", &["b"], "c", &[(9, NcnnParam::IntArray(vec![0, -1]))], vec![]),
            ],
        };
        let read = read_bytes(&param_text(&model), &bin_bytes(&model).expect("written")).expect("read");
        for (read, written) in read.layers.iter().zip(&model.layers) {
            assert_eq!(
                (&read.kind, &read.name, &read.inputs),
                (&written.kind, &written.name, &written.inputs)
            );
            assert_eq!((&read.outputs, &read.params), (&written.outputs, &written.params));
            let values =
                |layer: &NcnnLayer| layer.weights.iter().map(|w| w.tensor.to_f32()).collect::<Vec<_>>();
            assert_eq!(values(read), values(written));
        }
        assert_eq!(read.layers.len(), 4);
    }
}
