//! From the descriptions in a pickle to tensors.

use super::globals::Global;
use super::pickle::{Object, Pickle, Value};
use super::{damaged, unwrap};
use crate::budget::Budget;
use crate::tensor::Storage;
use crate::weights::strip_prefixes;
use crate::{Container, ContainerFormat, DType, FormatError, StateDict, Tensor, TensorError, WeightsFile};
use std::collections::BTreeMap;
use std::ops::Range;

/// A parameter may wrap a tensor, and in theory again and again.
const MAX_PARAMETER_NESTING: usize = 4;
/// Elements to which a tensor may always be expanded by strides of zero.
const FREE_EXPANSION: usize = 1 << 16;

/// A storage as the pickle names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StorageId {
    pub(super) dtype: DType,
    pub(super) key: String,
    pub(super) n_elements: usize,
    /// Start and length in elements, where the storage is a part of the one that `key` names.
    pub(super) view: Option<(usize, usize)>,
}

impl StorageId {
    /// Reads `('storage', type, key, location, n_elements[, view])`; `None` if it is something else.
    pub(super) fn parse(pickle: &Pickle<'_>, id: Value) -> Option<Self> {
        let (&[tag, Value::Global(Global::Storage(dtype)), key, _location, n_elements], rest) =
            pickle.tuple(id)?.split_first_chunk::<5>()?
        else {
            return None;
        };
        if pickle.text(tag)? != "storage" {
            return None;
        }
        let key = match key {
            Value::Int(key) => key.to_string(),
            key => pickle.text(key)?.into_owned(),
        };
        let view = match rest.first().and_then(|&view| pickle.tuple(view)) {
            Some(&[_key, offset, n]) => Some((index(offset)?, index(n)?)),
            _ => None,
        };
        Some(Self { dtype, key, n_elements: index(n_elements)?, view })
    }
}

/// Where the raw numbers are.
pub(super) trait Storages {
    /// The bytes of the storage that `id.key` names: at least `id.n_elements`. The view is the caller's business.
    fn fetch(&mut self, id: &StorageId, budget: &mut Budget) -> Result<(Storage, Range<usize>), FormatError>;
}

/// Turns the state dict within a pickle into tensors.
pub(super) fn build(
    pickle: &Pickle<'_>,
    storages: &mut impl Storages,
    file_bytes: u64,
    budget: &mut Budget,
    format: ContainerFormat,
) -> Result<WeightsFile, FormatError> {
    assemble(
        pickle,
        file_bytes,
        budget,
        format,
        |value| rebuild_args(pickle, value).is_some(),
        |value, budget| {
            let args = rebuild_args(pickle, value).ok_or_else(|| damaged("a tensor that is none"))?;
            rebuild(pickle, args, storages, budget)
        },
    )
}

/// As [`build`], for files that describe their tensors in another way.
pub(super) fn assemble(
    pickle: &Pickle<'_>,
    file_bytes: u64,
    budget: &mut Budget,
    format: ContainerFormat,
    is_tensor: impl Fn(Value) -> bool,
    mut tensor: impl FnMut(Value, &mut Budget) -> Result<Tensor, FormatError>,
) -> Result<WeightsFile, FormatError> {
    let chosen = unwrap::choose(pickle, is_tensor, budget)?;
    // Many tensors may view the same few bytes. What they come to when copied apart must stay in proportion too.
    let mut unfolded = Budget::for_file(file_bytes);
    let mut tensors = Vec::with_capacity(chosen.items.len());
    let mut names = Vec::with_capacity(chosen.items.len());
    for (name, value) in chosen.items {
        let tensor = tensor(value, budget).map_err(|error| error.of_tensor(&name))?;
        unfolded.take((tensor.n_elements() * tensor.dtype().size_bytes()) as u64, "its tensors")?;
        tensors.push(tensor);
        names.push(name);
    }
    let prefix = strip_prefixes(&mut names);
    let state_dict: StateDict = names.into_iter().zip(tensors).collect();
    Ok(WeightsFile {
        state_dict,
        container: Container { format, wrapper: chosen.wrapper, prefix },
        metadata: BTreeMap::new(),
        warnings: Vec::new(),
    })
}

/// The arguments of the call that rebuilds this tensor, if the value is one.
fn rebuild_args<'p>(pickle: &'p Pickle<'_>, mut value: Value) -> Option<&'p [Value]> {
    for _ in 0..MAX_PARAMETER_NESTING {
        match pickle.object(value)? {
            Object::Call { function: Global::RebuildTensor, args } => return pickle.tuple(*args),
            Object::Call { function: Global::RebuildParameter, args } => {
                value = *pickle.tuple(*args)?.first()?
            }
            _ => return None,
        }
    }
    None
}

fn rebuild(
    pickle: &Pickle<'_>,
    args: &[Value],
    storages: &mut impl Storages,
    budget: &mut Budget,
) -> Result<Tensor, FormatError> {
    let malformed = |what: &str| no_tensor(TensorError::Malformed(format!("its description has {what}")));
    let &[storage, offset, size, stride, ..] = args else {
        return Err(malformed("too few parts"));
    };
    let id = match pickle.object(storage) {
        Some(&Object::Persistent(id)) => StorageId::parse(pickle, id),
        _ => None,
    };
    let id = id.ok_or_else(|| malformed("no storage that Pegbar reads"))?;
    let offset = index(offset).ok_or_else(|| malformed("a wrong offset"))?;
    let shape = indices(pickle, size, budget)?.ok_or_else(|| malformed("a wrong size"))?;
    let strides = indices(pickle, stride, budget)?.ok_or_else(|| malformed("wrong strides"))?;
    let (storage, range) = storages.fetch(&id, budget)?;
    let range = match id.view {
        None => range,
        Some((start, n)) => {
            part(&range, start, n, id.dtype).ok_or_else(|| malformed("a view beyond its storage"))?
        }
    };
    view(id.dtype, shape, strides, storage, range, offset)
}

/// A tensor from a stranger's strides, which may repeat elements, but not without end.
pub(super) fn view(
    dtype: DType,
    shape: Vec<usize>,
    strides: Vec<usize>,
    storage: Storage,
    range: Range<usize>,
    offset: usize,
) -> Result<Tensor, FormatError> {
    let stored = range.len() / dtype.size_bytes();
    let tensor = Tensor::view(dtype, shape, strides, storage, range, offset).map_err(no_tensor)?;
    if tensor.n_elements() > stored.saturating_mul(2).max(FREE_EXPANSION) {
        return Err(no_tensor(TensorError::Malformed(format!(
            "shape {:?} repeats {stored} stored elements out of all proportion",
            tensor.shape()
        ))));
    }
    Ok(tensor)
}

/// The bytes of `n` elements from element `start` of a storage.
pub(super) fn part(range: &Range<usize>, start: usize, n: usize, dtype: DType) -> Option<Range<usize>> {
    let size = dtype.size_bytes();
    let start = range.start.checked_add(start.checked_mul(size)?)?;
    let end = start.checked_add(n.checked_mul(size)?)?;
    (end <= range.end).then_some(start..end)
}

/// The name is put in where it is known.
fn no_tensor(source: TensorError) -> FormatError {
    FormatError::Tensor { name: String::new(), source }
}

/// A number that counts something.
pub(super) fn index(value: Value) -> Option<usize> {
    match value {
        Value::Int(n) => usize::try_from(n).ok(),
        _ => None,
    }
}

/// A tuple of such numbers.
fn indices(
    pickle: &Pickle<'_>,
    value: Value,
    budget: &mut Budget,
) -> Result<Option<Vec<usize>>, FormatError> {
    let Some(items) = pickle.tuple(value) else { return Ok(None) };
    budget.take_items::<usize>(items.len() + 2, "its tensors")?;
    Ok(items.iter().map(|&item| index(item)).collect())
}
