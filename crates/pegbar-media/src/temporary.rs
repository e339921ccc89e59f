//! Files that appear under their name only when they are complete.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// An empty file in the same folder, so that renaming it to `path` is one step. Gone when dropped.
pub(crate) fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pegbar-").suffix(".tmp");
    // Temporary files are private by default; this one becomes an ordinary file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Syncs the file and gives it its name, replacing what had it.
pub(crate) fn persist(file: NamedTempFile, path: &Path) -> io::Result<File> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)
}
