//! Where downloads and environments are kept between runs, and how a file in there is trusted.

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// The folder `pegbar/<name>` in the user's cache; made if missing.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let folder = root()?.join("pegbar").join(name);
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the cache folder {}", folder.display()))?;
    Ok(folder)
}

/// The user's cache folder as the operating system has it.
fn root() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("XDG_CACHE_HOME") {
        return Ok(folder);
    }
    let found = if cfg!(windows) {
        set("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        set("HOME").map(|home| home.join("Library/Caches"))
    } else {
        set("HOME").map(|home| home.join(".cache"))
    };
    match found {
        Some(folder) => Ok(folder),
        None => bail!("no cache folder: neither HOME nor XDG_CACHE_HOME is set"),
    }
}

/// The SHA-256 of a file, in lower-case hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = file.read(&mut buffer).with_context(|| format!("cannot read {}", path.display()))?;
        if length == 0 {
            break;
        }
        hasher.update(&buffer[..length]);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether `path` is a file with this SHA-256.
pub(crate) fn holds(path: &Path, expected_sha256: &str) -> bool {
    sha256(path).is_ok_and(|found| found == expected_sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(holds(&path, abc));
        fs::write(&path, "abd").unwrap();
        assert!(!holds(&path, abc));
        assert!(!holds(&folder.path().join("missing"), abc));
    }
}
