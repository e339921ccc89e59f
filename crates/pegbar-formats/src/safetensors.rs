//! `.safetensors`: a JSON table of names, types, shapes and offsets, then the raw numbers.
//!
//! The `safetensors` crate checks the table (no holes, no overlaps, lengths that match the shapes). Its whole-buffer
//! entry point is not used: it adds up lengths from the file unchecked, and it would need the file in one piece.

use crate::atomic_file::write_atomically;
use crate::budget::Budget;
use crate::source::Source;
use crate::weights::strip_prefixes;
use crate::{Container, ContainerFormat, DType, FormatError, StateDict, Tensor, WeightsFile};
use ::safetensors::Dtype;
use ::safetensors::tensor::Metadata;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Bytes of the length field that begins the file.
const LENGTH_BYTES: u64 = 8;
/// The limit of the format's own implementation.
const MAX_TABLE_BYTES: u64 = 100_000_000;
/// The table is padded to this, so that the numbers begin aligned.
const ALIGN: usize = 8;

/// Reads a `.safetensors` file.
pub fn read(path: &Path) -> Result<WeightsFile, FormatError> {
    read_source(&Source::open(path)?)
}

/// Reads the content of a `.safetensors` file.
pub fn read_bytes(bytes: &[u8]) -> Result<WeightsFile, FormatError> {
    read_source(&Source::Bytes(bytes))
}

pub(crate) fn read_source(source: &Source<'_>) -> Result<WeightsFile, FormatError> {
    let mut budget = Budget::for_file(source.len());
    let length = source.read(0, LENGTH_BYTES, "the length of the table of tensors")?;
    let table_len = length.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte));
    if table_len > MAX_TABLE_BYTES {
        return Err(damaged(format!("its table of tensors claims {table_len} bytes")));
    }
    let table = source.read(LENGTH_BYTES, table_len, "the table of tensors")?;
    pay_for_table(&table, &mut budget)?;
    let table: Metadata =
        serde_json::from_slice(&table).map_err(|error| damaged(format!("its table of tensors: {error}")))?;

    let data_start = LENGTH_BYTES + table_len;
    let data_len = table.data_len() as u64;
    let available = source.len() - data_start;
    if data_len < available {
        return Err(damaged(format!("{} bytes belong to no tensor", available - data_len)));
    }
    let storage = Arc::new(source.read(data_start, data_len, "the tensors")?);

    let mut infos: Vec<_> =
        table.offset_keys().into_iter().filter_map(|k| Some((table.info(&k)?, k))).collect();
    // Empty tensors share an offset; without the name their order would change from run to run.
    infos.sort_by(|(a, a_name), (b, b_name)| (a.data_offsets, a_name).cmp(&(b.data_offsets, b_name)));
    let (infos, mut names): (Vec<_>, Vec<_>) = infos.into_iter().unzip();
    let mut tensors = Vec::with_capacity(infos.len());
    for (info, name) in infos.iter().zip(&names) {
        let dtype = from_safetensors(info.dtype, name)?;
        let range = info.data_offsets.0..info.data_offsets.1;
        let tensor = Tensor::contiguous(dtype, info.shape.clone(), storage.clone(), range)
            .map_err(|source| FormatError::Tensor { name: name.clone(), source })?;
        tensors.push(tensor);
    }
    let prefix = strip_prefixes(&mut names);
    Ok(WeightsFile {
        state_dict: names.into_iter().zip(tensors).collect(),
        container: Container { format: ContainerFormat::Safetensors, wrapper: None, prefix },
        metadata: table.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect(),
        warnings: Vec::new(),
    })
}

/// The JSON reader keeps an intermediate value per element before it knows the types.
fn pay_for_table(table: &[u8], budget: &mut Budget) -> Result<(), FormatError> {
    const BYTES_PER_VALUE: u64 = 80;
    let n_values = table.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{' | b':')).count() as u64;
    budget.take(n_values * BYTES_PER_VALUE, "the table of tensors")
}

/// Writes a state dict, all tensors contiguous, wide types first so that each is aligned, otherwise in their order.
/// Complete or not at all: see the errors of the system for why it may not be.
pub fn write(
    path: &Path,
    state_dict: &StateDict,
    metadata: &BTreeMap<String, String>,
) -> Result<(), FormatError> {
    let mut order: Vec<(&str, &Tensor)> = state_dict.iter().collect();
    order.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.dtype().size_bytes()));

    let mut table = serde_json::Map::new();
    if !metadata.is_empty() {
        table.insert("__metadata__".into(), serde_json::json!(metadata));
    }
    let mut end = 0;
    for (name, tensor) in &order {
        if *name == "__metadata__" {
            return Err(FormatError::unsupported(
                "a tensor called `__metadata__`",
                "rename it, the format keeps this name for itself",
            ));
        }
        let start = end;
        end += tensor.n_elements() * tensor.dtype().size_bytes();
        table.insert(
            (*name).to_owned(),
            serde_json::json!({
                "dtype": to_safetensors(tensor.dtype()),
                "shape": tensor.shape(),
                "data_offsets": [start, end],
            }),
        );
    }
    let mut table = serde_json::Value::Object(table).to_string().into_bytes();
    table.resize(table.len().next_multiple_of(ALIGN), b' ');

    write_atomically(path, |file| {
        file.write_all(&(table.len() as u64).to_le_bytes())?;
        file.write_all(&table)?;
        for (_, tensor) in &order {
            file.write_all(&tensor.row_major_bytes())?;
        }
        Ok(())
    })
}

fn from_safetensors(dtype: Dtype, name: &str) -> Result<DType, FormatError> {
    Ok(match dtype {
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::Bf16,
        Dtype::F32 => DType::F32,
        Dtype::F64 => DType::F64,
        Dtype::U8 => DType::U8,
        Dtype::U16 => DType::U16,
        Dtype::U32 => DType::U32,
        Dtype::U64 => DType::U64,
        Dtype::I8 => DType::I8,
        Dtype::I16 => DType::I16,
        Dtype::I32 => DType::I32,
        Dtype::I64 => DType::I64,
        Dtype::BOOL => DType::Bool,
        other => {
            return Err(FormatError::unsupported(
                format!("the type {other:?} of tensor `{name}`"),
                "ask for the weights as float32, float16 or bfloat16",
            ));
        }
    })
}

const fn to_safetensors(dtype: DType) -> &'static str {
    match dtype {
        DType::F16 => "F16",
        DType::Bf16 => "BF16",
        DType::F32 => "F32",
        DType::F64 => "F64",
        DType::U8 => "U8",
        DType::U16 => "U16",
        DType::U32 => "U32",
        DType::U64 => "U64",
        DType::I8 => "I8",
        DType::I16 => "I16",
        DType::I32 => "I32",
        DType::I64 => "I64",
        DType::Bool => "BOOL",
    }
}

fn damaged(reason: impl Into<String>) -> FormatError {
    FormatError::damaged("safetensors", reason)
}
