//! The tar layout of 2017 (PyTorch before 0.1.10): `storages` and `tensors` are pickles and raw numbers in turn, and
//! the object in `pickle` refers to the tensors by number.

use super::globals::Global;
use super::legacy::{next, raw_storage};
use super::pickle::{self, Object, Pickle, Value};
use super::state_dict::{index, part, view};
use super::{damaged, state_dict};
use crate::budget::Budget;
use crate::source::Source;
use crate::tensor::Storage;
use crate::{ContainerFormat, DType, FormatError, Tensor, TensorError, WeightsFile};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

const BLOCK: usize = 512;

pub(super) fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

pub(super) fn read(source: &Source<'_>) -> Result<WeightsFile, FormatError> {
    let file = Arc::new(source.read_all()?);
    let mut budget = Budget::for_file(source.len());
    let members = members(&file, &mut budget)?;
    let member = |name: &str| {
        members.get(name).cloned().ok_or_else(|| FormatError::NotAModel {
            what: "a tar archive that PyTorch did not write".into(),
            hint: "; unpack it and name one of the models within",
        })
    };
    let (storages, tensors, object) = (member("storages")?, member("tensors")?, member("pickle")?);
    let storages = read_storages(&file, storages, &mut budget)?;
    let tensors = read_tensors(&file, tensors, &storages, &mut budget)?;
    let object = pickle::load(&file[object], &mut budget)?;

    let lookup = |value| match object.object(value) {
        Some(&Object::Persistent(id)) => key(&object, id).and_then(|key| tensors.get(&key)),
        _ => None,
    };
    state_dict::assemble(
        &object,
        source.len(),
        &mut budget,
        ContainerFormat::PthTar,
        |value| lookup(value).is_some(),
        |value, _| lookup(value).cloned().ok_or_else(|| damaged("a tensor is missing")),
    )
}

/// Where the files of the archive lie. Names beyond 100 characters do not occur here.
fn members(file: &[u8], budget: &mut Budget) -> Result<HashMap<String, Range<usize>>, FormatError> {
    let mut members = HashMap::new();
    let mut at = 0;
    while let Some(header) = file[at..].first_chunk::<BLOCK>() {
        if header.iter().all(|&b| b == 0) {
            break;
        }
        let name = header[..100].split(|&b| b == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).trim_start_matches("./").to_owned();
        let size = std::str::from_utf8(&header[124..136])
            .ok()
            .and_then(|digits| u64::from_str_radix(digits.trim_matches(['\0', ' ']), 8).ok())
            .ok_or_else(|| damaged("its tar archive has a wrong size"))?;
        let start = at + BLOCK;
        if size > (file.len() - start) as u64 {
            return Err(FormatError::Truncated {
                what: "its tar archive".into(),
                needed: size,
                available: (file.len() - start) as u64,
            });
        }
        let end = start + size as usize;
        budget.take_items::<(String, Range<usize>, [u64; 16])>(2, "its tar archive")?;
        members.insert(name, start..end);
        at = end.next_multiple_of(BLOCK).min(file.len());
    }
    Ok(members)
}

type Storages = HashMap<String, (DType, Storage, Range<usize>)>;

/// A count; for each a pickled `(key, location, type)` and the raw storage; then a list of views
/// `(key, key of the whole, offset, length)`.
fn read_storages(file: &Storage, member: Range<usize>, budget: &mut Budget) -> Result<Storages, FormatError> {
    let mut storages = HashMap::new();
    let bytes = &file[..member.end];
    let mut at = member.start;
    for _ in 0..count(&next(bytes, &mut at, budget)?)? {
        let description = next(bytes, &mut at, budget)?;
        let Some(&[id, _location, Value::Global(Global::Storage(dtype))]) =
            description.tuple(description.root)
        else {
            return Err(damaged("a storage without a type"));
        };
        let id = key(&description, id).ok_or_else(|| damaged("a storage without a key"))?;
        let range = raw_storage(bytes, &mut at, dtype)?;
        budget.take_items::<(String, Tensor)>(2, "its storages")?;
        storages.insert(id, (dtype, file.clone(), range));
    }
    let views = next(bytes, &mut at, budget)?;
    for &item in views.tuple(views.root).unwrap_or_default() {
        let Some(&[id, whole, offset, n]) = views.tuple(item) else {
            return Err(damaged("a view of a storage in another form"));
        };
        let found = (|| {
            let (dtype, storage, range) = storages.get(&key(&views, whole)?)?;
            let range = part(range, index(offset)?, index(n)?, *dtype)?;
            Some((key(&views, id)?, (*dtype, storage.clone(), range)))
        })();
        let (id, part) = found.ok_or_else(|| damaged("a view beyond its storage"))?;
        budget.take_items::<(String, Tensor)>(2, "its storages")?;
        storages.insert(id, part);
    }
    Ok(storages)
}

/// A count; for each a pickled `(key, key of the storage, type)`, the number of dimensions (four bytes and four
/// unused), sizes, strides and the offset.
fn read_tensors(
    file: &[u8],
    member: Range<usize>,
    storages: &Storages,
    budget: &mut Budget,
) -> Result<HashMap<String, Tensor>, FormatError> {
    let mut tensors = HashMap::new();
    let bytes = &file[..member.end];
    let mut at = member.start;
    for _ in 0..count(&next(bytes, &mut at, budget)?)? {
        let description = next(bytes, &mut at, budget)?;
        let Some(&[id, storage, ..]) = description.tuple(description.root) else {
            return Err(damaged("a tensor without a storage"));
        };
        let id = key(&description, id).ok_or_else(|| damaged("a tensor without a key"))?;
        let (dtype, storage, range) = key(&description, storage)
            .and_then(|storage| storages.get(&storage))
            .ok_or_else(|| damaged("a tensor without a storage"))?;
        let n_dims = numbers(bytes, &mut at, 1)?[0] as u32 as usize;
        if n_dims > 64 {
            return Err(FormatError::Tensor { name: id, source: TensorError::TooManyDims { n: n_dims } });
        }
        let shape = numbers(bytes, &mut at, n_dims)?;
        let strides = numbers(bytes, &mut at, n_dims)?;
        let offset = numbers(bytes, &mut at, 1)?[0];
        budget.take_items::<(String, Tensor)>(2, "its tensors")?;
        budget.take_items::<usize>(2 * n_dims, "its tensors")?;
        let tensor = view(*dtype, shape, strides, storage.clone(), range.clone(), offset)
            .map_err(|error| error.of_tensor(&id))?;
        tensors.insert(id, tensor);
    }
    Ok(tensors)
}

/// `n` little-endian 64-bit numbers. A negative one becomes so large that no storage holds it.
fn numbers(bytes: &[u8], at: &mut usize, n: usize) -> Result<Vec<usize>, FormatError> {
    let rest = &bytes[*at..];
    let Some(raw) = rest.get(..8 * n) else {
        return Err(FormatError::Truncated {
            what: "a tensor's sizes".into(),
            needed: 8 * n as u64,
            available: rest.len() as u64,
        });
    };
    *at += 8 * n;
    Ok(raw
        .as_chunks()
        .0
        .iter()
        .map(|b| usize::try_from(u64::from_le_bytes(*b)).unwrap_or(usize::MAX))
        .collect())
}

fn count(pickle: &Pickle<'_>) -> Result<usize, FormatError> {
    index(pickle.root).ok_or_else(|| damaged("a count that is no number"))
}

fn key(pickle: &Pickle<'_>, value: Value) -> Option<String> {
    match value {
        Value::Int(key) => Some(key.to_string()),
        value => pickle.text(value).map(|key| key.into_owned()),
    }
}
