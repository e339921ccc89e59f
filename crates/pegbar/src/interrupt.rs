//! Ctrl-C: stop the children, remove unfinished files, exit with 130.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Unfinished files under temporary names. A lock on it is held while a file gets its final name, so an interrupt
/// either removes the temporary file or comes after the rename.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
/// Folders of jobs, and whether there is something to keep in them.
static JOBS: Mutex<Vec<(PathBuf, bool)>> = Mutex::new(Vec::new());

/// Installs the handler for SIGINT, SIGTERM and SIGHUP (Ctrl-C and Ctrl-Break on Windows).
pub(crate) fn install() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        // Held until the end: no rename and no new file from here on.
        let unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
        pegbar_media::kill_all_children();
        for path in unfinished.iter() {
            let _ = std::fs::remove_file(path); // it may not exist yet
        }
        let jobs = JOBS.lock().unwrap_or_else(PoisonError::into_inner);
        for (folder, _) in jobs.iter().filter(|(_, is_kept)| !is_kept) {
            let _ = std::fs::remove_dir_all(folder); // it may not exist yet
        }
        crate::progress::clear();
        if jobs.iter().any(|(_, is_kept)| *is_kept) {
            errln!("pegbar: interrupted; what is finished is kept: the same command goes on from there");
        } else {
            errln!("pegbar: interrupted; unfinished output removed");
        }
        std::process::exit(130);
    })
}

/// Blocks for good when an interrupt is being handled: the error on its way to the user is a consequence of it.
pub(crate) fn wait_if_interrupted() {
    while INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Notes an unfinished file.
pub(crate) fn register(path: &Path) {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
}

/// Forgets an unfinished file after `finish` has renamed or removed it.
pub(crate) fn unregister<T>(path: &Path, finish: impl FnOnce() -> T) -> T {
    unregister_all(&HashSet::from([path]), finish)
}

/// Forgets unfinished files after `finish` has dealt with all of them.
pub(crate) fn unregister_all<T>(paths: &HashSet<&Path>, finish: impl FnOnce() -> T) -> T {
    let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    let result = finish();
    unfinished.retain(|path| !paths.contains(path.as_path()));
    result
}

/// Notes the folder of a job in which nothing is finished yet: an interrupt removes it.
pub(crate) fn register_job(folder: &Path) {
    JOBS.lock().unwrap_or_else(PoisonError::into_inner).push((folder.to_owned(), false));
}

/// Something is finished in a job's folder: an interrupt leaves it.
pub(crate) fn keep(folder: &Path) {
    for (job, is_kept) in JOBS.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
        *is_kept |= job == folder;
    }
}

/// Forgets the folder of a job.
pub(crate) fn unregister_job(folder: &Path) {
    JOBS.lock().unwrap_or_else(PoisonError::into_inner).retain(|(job, _)| job != folder);
}
