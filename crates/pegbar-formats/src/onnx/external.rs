//! Weights in files beside the model.

use super::damaged;
use crate::FormatError;
use crate::budget::Budget;
use crate::source::Source;
use crate::tensor::Storage;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// How often the bytes of one external file may be read: weights may share them, but not without end.
const MAX_SHARING: u64 = 4;

/// Where the bytes of a weight are.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    location: String,
    offset: u64,
    /// To the end of the file if not given.
    length: Option<u64>,
}

impl Place {
    /// Takes one entry of `external_data`.
    pub(super) fn set(&mut self, (key, value): (&str, &str)) -> Result<(), FormatError> {
        let number =
            || value.parse().map_err(|_| damaged(format!("the {key} of an external weight is no number")));
        match key {
            "location" => value.clone_into(&mut self.location),
            "offset" => self.offset = number()?,
            "length" => self.length = Some(number()?),
            _ => {}
        }
        Ok(())
    }
}

/// The files opened so far.
#[derive(Debug)]
pub(super) struct ExternalFiles<'a> {
    folder: Option<&'a Path>,
    sources: HashMap<String, (Source<'static>, Budget)>,
    loaded: HashMap<Place, Storage>,
}

impl<'a> ExternalFiles<'a> {
    pub(super) fn new(folder: Option<&'a Path>) -> Self {
        Self { folder, sources: HashMap::new(), loaded: HashMap::new() }
    }

    /// The bytes at `place`.
    pub(super) fn read(&mut self, place: &Place, budget: &mut Budget) -> Result<Storage, FormatError> {
        if let Some(storage) = self.loaded.get(place) {
            return Ok(storage.clone());
        }
        budget.take_items::<(Place, Storage)>(4, "its external weights")?;
        budget.take(2 * place.location.len() as u64, "its external weights")?;
        let path = self.resolve(&place.location)?;
        let blame = |error: FormatError| error.of_companion(&path);
        if !self.sources.contains_key(&place.location) {
            let source = Source::open(&path).map_err(blame)?;
            // The first only, so that names of many files do not grant without end.
            if self.sources.is_empty() {
                budget.grant(source.len());
            }
            let readable = Budget::of_bytes(source.len().saturating_mul(MAX_SHARING), source.len());
            self.sources.insert(place.location.clone(), (source, readable));
        }
        let (source, readable) =
            self.sources.get_mut(&place.location).ok_or_else(|| damaged("an external file went missing"))?;
        let length = place.length.unwrap_or_else(|| source.len().saturating_sub(place.offset));
        readable.take(length, "its external weights").map_err(blame)?;
        let bytes = source.read(place.offset, length, "a weight").map_err(blame)?;
        let storage = Arc::new(bytes);
        self.loaded.insert(place.clone(), storage.clone());
        Ok(storage)
    }

    /// A model may name files in its own folder, and nowhere else.
    fn resolve(&self, location: &str) -> Result<PathBuf, FormatError> {
        let relative = Path::new(location);
        // A backslash or a colon is a path on another system.
        let plain =
            relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
                && !location.contains(['\\', ':', '\0'])
                && !location.is_empty();
        if !plain {
            return Err(damaged(format!(
                "it wants weights from `{}`, which is outside its own folder",
                location.chars().take(120).filter(|c| !c.is_control()).collect::<String>()
            )));
        }
        let folder = self.folder.ok_or_else(|| {
            FormatError::unsupported(
                "external data in an ONNX model that is not a file",
                "give the model as a file",
            )
        })?;
        Ok(folder.join(relative))
    }
}
