//! The zip layout: `NAME/data.pkl` and one entry per storage.

use super::pickle::{self, printable};
use super::state_dict::{StorageId, Storages};
use super::zip_archive::ZipArchive;
use super::{damaged, state_dict};
use crate::budget::Budget;
use crate::source::Source;
use crate::tensor::Storage;
use crate::{ContainerFormat, FormatError, WeightsFile};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

pub(super) fn read(source: &Source<'_>) -> Result<WeightsFile, FormatError> {
    let mut budget = Budget::for_file(source.len());
    let mut archive = ZipArchive::open(source, &mut budget)?;
    let prefix = find_prefix(&archive)?;
    if archive.contains(&format!("{prefix}constants.pkl")) {
        return Err(FormatError::unsupported(
            "a TorchScript program (saved by torch.jit)",
            "ask for its state dict as .pth or .safetensors",
        ));
    }
    let byte_order = format!("{prefix}byteorder");
    if archive.contains(&byte_order) && archive.read(&byte_order, &mut budget)?.0 != b"little" {
        return Err(FormatError::unsupported(
            "a file from a big-endian machine",
            "save it again as .safetensors",
        ));
    }

    let (data, pickle_agrees) = archive.read(&format!("{prefix}data.pkl"), &mut budget)?;
    let pickle = pickle::load(&data, &mut budget)?;
    let mut storages = ZipStorages { archive, prefix, loaded: HashMap::new(), wrong_checksums: Vec::new() };
    let mut weights =
        state_dict::build(&pickle, &mut storages, source.len(), &mut budget, ContainerFormat::PthZip)?;
    // PyTorch can be told to write no checksums, and does not check them. Then all of them are wrong.
    let wrong = &storages.wrong_checksums;
    let without_checksums = !pickle_agrees && wrong.len() == storages.loaded.len();
    if let (Some(first), false) = (wrong.first(), without_checksums) {
        weights.warnings.push(format!(
            "{} of the file's parts do not match their checksums (the first is `{}`): the file may be damaged",
            wrong.len(),
            printable(first)
        ));
    } else if !pickle_agrees && !without_checksums {
        // Unlike a wrong number among a million, a wrong byte here changes names or shapes.
        return Err(damaged("the checksum of its data.pkl does not match"));
    }
    Ok(weights)
}

/// What comes before `data.pkl` in the names of the archive.
fn find_prefix(archive: &ZipArchive<'_>) -> Result<String, FormatError> {
    let mut found = archive
        .names()
        .filter_map(|name| name.strip_suffix("data.pkl"))
        .filter(|prefix| prefix.is_empty() || (prefix.ends_with('/') && prefix.matches('/').count() == 1));
    match (found.next(), found.next()) {
        (Some(prefix), None) => Ok(prefix.to_owned()),
        (Some(_), Some(_)) => Err(damaged("its zip archive has two data.pkl")),
        (None, _) => {
            let inside = archive.names().any(|name| {
                [".pth", ".pt", ".ckpt", ".safetensors", ".onnx", ".param"].iter().any(|e| name.ends_with(e))
            });
            let hint = if inside { "; unpack it and name one of the models within" } else { "" };
            Err(FormatError::NotAModel { what: "a zip archive that PyTorch did not write".into(), hint })
        }
    }
}

struct ZipStorages<'a> {
    archive: ZipArchive<'a>,
    prefix: String,
    loaded: HashMap<String, Storage>,
    wrong_checksums: Vec<String>,
}

impl Storages for ZipStorages<'_> {
    fn fetch(&mut self, id: &StorageId, budget: &mut Budget) -> Result<(Storage, Range<usize>), FormatError> {
        let name = format!("{}data/{}", self.prefix, id.key);
        // Checked before anything is unpacked.
        let available = self.archive.size(&name).unwrap_or(0);
        let needed = (id.n_elements as u64).saturating_mul(id.dtype.size_bytes() as u64);
        if self.archive.contains(&name) && needed > available {
            return Err(FormatError::Truncated {
                what: format!("storage `{}`", printable(&id.key)),
                needed,
                available,
            });
        }
        let storage = match self.loaded.get(&id.key) {
            Some(storage) => storage.clone(),
            None => {
                let (content, crc_agrees) = self.archive.read(&name, budget)?;
                budget.take_string(&name, "its storages")?;
                budget.take_items::<(String, Storage)>(3, "its storages")?;
                if !crc_agrees {
                    self.wrong_checksums.push(name);
                }
                let storage = Arc::new(content);
                self.loaded.insert(id.key.clone(), storage.clone());
                storage
            }
        };
        // At most the entry's length, which fits memory: it is in there.
        Ok((storage, 0..needed as usize))
    }
}
