//! Files that appear under their final name only when they are complete.

use crate::interrupt;
use anyhow::{Context, Result, bail};
use pegbar_job::folder_of;
use pegbar_media::SequencePattern;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What to do when the output exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Refuse.
    Refuse,
    /// Replace it.
    Overwrite,
}

/// A file under a temporary name in the folder of its final name. Removed when dropped unfinished.
#[derive(Debug)]
pub(crate) struct PartialFile {
    temporary: Option<tempfile::TempPath>,
    path: PathBuf,
    existing: Existing,
}

impl PartialFile {
    /// Makes an empty temporary file beside `path`, whose folder is created when it is missing.
    pub(crate) fn create(path: &Path, existing: Existing) -> Result<Self> {
        let folder = check(path, existing)?;
        Self::create_in(folder, path, existing)
    }

    /// As [`PartialFile::create`], with the temporary file in another folder of the same disk, which is tidied up after a crash.
    pub(crate) fn create_in(folder: &Path, path: &Path, existing: Existing) -> Result<Self> {
        check(path, existing)?;
        let extension = path.extension().map_or(String::new(), |e| format!(".{}", e.to_string_lossy()));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".pegbar-").suffix(&extension);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any program makes files; the user's umask applies. tempfile's own default is private.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder
            .tempfile_in(folder)
            .with_context(|| format!("{}: the folder cannot be written to", folder.display()))?;
        let temporary = file.into_temp_path();
        interrupt::register(&temporary);
        Ok(Self { temporary: Some(temporary), path: path.to_owned(), existing })
    }

    /// The temporary path to write to.
    pub(crate) fn temporary(&self) -> &Path {
        self.temporary.as_deref().expect("present until finish consumes self")
    }

    /// Gives the complete file its final name, after its data has reached the disk.
    pub(crate) fn finish(mut self) -> Result<()> {
        let temporary = self.temporary.take().expect("present until finish consumes self");
        let sync = File::open(&temporary).and_then(|f| f.sync_all());
        sync.with_context(|| format!("{}: cannot be written to the disk", self.path.display()))?;
        let old = temporary.to_path_buf();
        let renamed = interrupt::unregister(&old, || match self.existing {
            Existing::Overwrite => temporary.persist(&self.path),
            Existing::Refuse => temporary.persist_noclobber(&self.path),
        });
        renamed.with_context(|| format!("{}: cannot be given its name", self.path.display()))
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let path = temporary.to_path_buf();
            interrupt::unregister(&path, || drop(temporary));
        }
    }
}

/// Refuses a path that no output can have, and makes its folder, which is returned.
pub(crate) fn check(path: &Path, existing: Existing) -> Result<&Path> {
    if path.is_dir() {
        bail!("{}: the output is a folder; name a file", path.display());
    }
    if existing == Existing::Refuse && path.exists() {
        bail!("{}: exists already; --overwrite replaces it", path.display());
    }
    make_folder(path)
}

/// As [`check`], for numbered images. Those of an unfinished job are no reason to refuse.
pub(crate) fn check_images(pattern: &SequencePattern, existing: Existing) -> Result<&Path> {
    if existing == Existing::Refuse
        && !folder_of(pattern.path()).exists()
        && let Some(&number) = pattern.numbers().first()
    {
        bail!("{}: exists already; --overwrite replaces it", pattern.file(number).display());
    }
    make_folder(pattern.path())
}

fn make_folder(path: &Path) -> Result<&Path> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{}: the folder cannot be created", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appears_only_when_finished() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("sub/film.mkv");
        let partial = PartialFile::create(&path, Existing::Refuse).expect("created");
        std::fs::write(partial.temporary(), b"abc").expect("written");
        assert!(!path.exists());
        partial.finish().expect("finished");
        assert_eq!(std::fs::read(&path).expect("read"), b"abc");
        assert!(PartialFile::create(&path, Existing::Refuse).is_err());

        let partial = PartialFile::create(&path, Existing::Overwrite).expect("created");
        drop(partial);
        assert_eq!(
            std::fs::read_dir(dir.path().join("sub")).expect("folder").count(),
            1,
            "nothing left behind"
        );
    }
}
