//! The legacy layout: five pickles (magic number, protocol, system, object, keys of the storages), then for each key
//! the number of elements and the raw bytes.

use super::pickle::{self, Object, Pickle, Value};
use super::state_dict::{StorageId, Storages};
use super::{damaged, state_dict};
use crate::budget::Budget;
use crate::source::Source;
use crate::tensor::Storage;
use crate::{ContainerFormat, DType, FormatError, WeightsFile};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// 0x1950a86a20f9469cfc6c, little endian.
pub(super) const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL: i64 = 1001;

pub(super) fn read(source: &Source<'_>) -> Result<WeightsFile, FormatError> {
    let file = Arc::new(source.read_all()?);
    let mut budget = Budget::for_file(source.len());
    let mut at = 0;

    let magic = next(&file, &mut at, &mut budget)?;
    match magic.root {
        Value::BigInt(span) if magic.bytes(span) == MAGIC => {}
        _ => {
            return Err(FormatError::NotAModel {
                what: "a Python pickle that PyTorch did not write".into(),
                hint: "; ask for weights saved by torch.save or as .safetensors",
            });
        }
    }
    let protocol = next(&file, &mut at, &mut budget)?;
    if protocol.root != Value::Int(PROTOCOL) {
        return Err(damaged("its protocol is not 1001"));
    }
    let system = next(&file, &mut at, &mut budget)?;
    if is_big_endian(&system) {
        return Err(FormatError::unsupported(
            "a file from a big-endian machine",
            "save it again as .safetensors",
        ));
    }
    let object = next(&file, &mut at, &mut budget)?;
    let keys = next(&file, &mut at, &mut budget)?;

    let dtypes = storage_types(&object, &mut budget)?;
    let mut ranges = HashMap::new();
    for &key in keys.tuple(keys.root).ok_or_else(|| damaged("its list of storages is no list"))? {
        let key = match key {
            Value::Int(key) => key.to_string(),
            key => keys.text(key).ok_or_else(|| damaged("the key of a storage is no text"))?.into_owned(),
        };
        let Some(dtype) = dtypes.get(&key) else {
            return Err(damaged("its list of storages has one that no tensor uses"));
        };
        let range = raw_storage(&file, &mut at, *dtype)?;
        budget.take_items::<(String, Range<usize>, [u64; 4])>(2, "its storages")?;
        ranges.insert(key, range);
    }
    let mut storages = LegacyStorages { file: file.clone(), ranges };
    state_dict::build(&object, &mut storages, source.len(), &mut budget, ContainerFormat::PthLegacy)
}

/// Loads the pickle at `at` and moves behind it.
pub(super) fn next<'a>(
    file: &'a [u8],
    at: &mut usize,
    budget: &mut Budget,
) -> Result<Pickle<'a>, FormatError> {
    let pickle = pickle::load(&file[*at..], budget)?;
    *at += pickle.len;
    Ok(pickle)
}

/// The bytes of a storage at `at`, behind their count; moves behind it.
pub(super) fn raw_storage(file: &[u8], at: &mut usize, dtype: DType) -> Result<Range<usize>, FormatError> {
    let truncated = |needed: u64, at: usize| FormatError::Truncated {
        what: "a storage".into(),
        needed,
        available: (file.len() - at) as u64,
    };
    let count = file[*at..].first_chunk::<8>().ok_or_else(|| truncated(8, *at))?;
    *at += 8;
    let needed = u64::from_le_bytes(*count).saturating_mul(dtype.size_bytes() as u64);
    if needed > (file.len() - *at) as u64 {
        return Err(truncated(needed, *at));
    }
    let range = *at..*at + needed as usize;
    *at = range.end;
    Ok(range)
}

fn is_big_endian(system: &Pickle<'_>) -> bool {
    let pairs = system.dict(system.root).unwrap_or_default();
    pairs.iter().any(|&(key, value)| {
        value == Value::Bool(false) && system.text(key).is_some_and(|key| key == "little_endian")
    })
}

/// The element type of each storage: only the object says it, and without it the raw bytes have no length.
fn storage_types(object: &Pickle<'_>, budget: &mut Budget) -> Result<HashMap<String, DType>, FormatError> {
    let mut dtypes = HashMap::new();
    for value in &object.objects {
        if let Object::Persistent(id) = value
            && let Some(id) = StorageId::parse(object, *id)
        {
            budget.take_items::<(String, DType, [u64; 4])>(2, "its storages")?;
            dtypes.insert(id.key, id.dtype);
        }
    }
    Ok(dtypes)
}

struct LegacyStorages {
    file: Storage,
    ranges: HashMap<String, Range<usize>>,
}

impl Storages for LegacyStorages {
    fn fetch(&mut self, id: &StorageId, _: &mut Budget) -> Result<(Storage, Range<usize>), FormatError> {
        let range = self.ranges.get(&id.key).ok_or_else(|| damaged("a tensor's storage is missing"))?;
        let needed = id.n_elements.saturating_mul(id.dtype.size_bytes());
        if needed > range.len() {
            return Err(FormatError::Truncated {
                what: "a storage".into(),
                needed: needed as u64,
                available: range.len() as u64,
            });
        }
        Ok((self.file.clone(), range.start..range.start + needed))
    }
}
