//! A file of named weights, and where in the file they were.

use crate::sniff::{Kind, sniff};
use crate::source::Source;
use crate::{FormatError, StateDict, pth, safetensors};
use std::collections::BTreeMap;
use std::path::Path;

/// What [`read_state_dict`] found.
#[derive(Debug, Clone)]
pub struct WeightsFile {
    /// The tensors, without the prefix.
    pub state_dict: StateDict,
    /// How they were wrapped.
    pub container: Container,
    /// The `__metadata__` of a `.safetensors` file; empty for the others.
    pub metadata: BTreeMap<String, String>,
    /// Sentences for the user about things that look wrong but do not prevent the use of the file.
    pub warnings: Vec<String>,
}

/// The file format and the layers taken off to reach the tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The file format.
    pub format: ContainerFormat,
    /// The key or keys (joined by `.`) under which the state dict lay: `params_ema`.
    pub wrapper: Option<String>,
    /// What all names began with: `module.`.
    pub prefix: Option<String>,
}

/// File formats that hold named weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContainerFormat {
    /// PyTorch since 1.6: a zip archive.
    PthZip,
    /// PyTorch before 1.6: pickles, then raw storages.
    PthLegacy,
    /// PyTorch before 0.1.10: a tar archive.
    PthTar,
    /// Safetensors.
    Safetensors,
}

impl ContainerFormat {
    /// The name for users and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PthZip => "PyTorch (zip)",
            Self::PthLegacy => "PyTorch (legacy)",
            Self::PthTar => "PyTorch (tar)",
            Self::Safetensors => "safetensors",
        }
    }
}

/// Reads the state dict of a `.pth`, `.pt`, `.ckpt` or `.safetensors` file, whatever it is called: the content decides.
pub fn read_state_dict(path: &Path) -> Result<WeightsFile, FormatError> {
    let source = Source::open(path)?;
    match sniff(&source, path)? {
        Kind::Pth => pth::read_source(&source),
        Kind::Safetensors => safetensors::read_source(&source),
        Kind::Ncnn => Err(FormatError::WrongKind { found: "an ncnn graph" }),
        Kind::Onnx => Err(FormatError::WrongKind { found: "an ONNX graph" }),
    }
}

/// Prefixes that training wrappers put before every name.
const PREFIXES: [&str; 2] = ["module.", "netG."];

/// More wrappers around one another than any training has.
const MAX_WRAPPERS: usize = 8;

/// Takes off the known prefixes that all names carry, in any order; returns what was taken off.
pub(crate) fn strip_prefixes(names: &mut [String]) -> Option<String> {
    let mut stripped = String::new();
    let carried = |names: &[String], prefix: &str| names.iter().all(|name| name.starts_with(prefix));
    for _ in 0..MAX_WRAPPERS {
        let found = PREFIXES.into_iter().find(|prefix| !names.is_empty() && carried(names, prefix));
        let Some(prefix) = found else { break };
        for name in names.iter_mut() {
            name.drain(..prefix.len());
        }
        stripped.push_str(prefix);
    }
    (!stripped.is_empty()).then_some(stripped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_stripped_only_from_all_names() {
        let mut all = ["module.netG.a".to_owned(), "module.netG.b".to_owned()];
        assert_eq!(strip_prefixes(&mut all).as_deref(), Some("module.netG."));
        assert_eq!(all, ["a", "b"]);
        let mut some = ["module.a".to_owned(), "b".to_owned()];
        assert_eq!(strip_prefixes(&mut some), None);
        assert_eq!(some, ["module.a", "b"]);
    }

    #[test]
    fn wrappers_within_wrappers_are_stripped() {
        for prefix in ["module.module.", "netG.module.", "module.netG.module."] {
            let mut names = [format!("{prefix}a"), format!("{prefix}b")];
            assert_eq!(strip_prefixes(&mut names).as_deref(), Some(prefix));
            assert_eq!(names, ["a", "b"], "{prefix}");
        }
        let mut deep = ["module.".repeat(10_000)];
        assert_eq!(strip_prefixes(&mut deep), Some("module.".repeat(MAX_WRAPPERS)));
    }
}
