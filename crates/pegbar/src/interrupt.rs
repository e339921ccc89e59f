//! Ctrl-C: stop the children, remove unfinished files, exit with 130.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Unfinished files under temporary names. A lock on it is held while a file gets its final name, so an interrupt
/// either removes the temporary file or comes after the rename.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Installs the handler for SIGINT, SIGTERM and SIGHUP (Ctrl-C and Ctrl-Break on Windows).
pub(crate) fn install() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        // Held until the end: no rename and no new file from here on.
        let unfinished = UNFINISHED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        pegbar_media::kill_all_children();
        for path in unfinished.iter() {
            let _ = std::fs::remove_file(path); // it may not exist yet
        }
        crate::progress::clear();
        eprintln!("pegbar: interrupted; unfinished output removed");
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
    UNFINISHED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(path.to_owned());
}

/// Forgets an unfinished file after `finish` has renamed or removed it.
pub(crate) fn unregister<T>(path: &Path, finish: impl FnOnce() -> T) -> T {
    let mut unfinished = UNFINISHED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let result = finish();
    unfinished.retain(|p| p != path);
    result
}
