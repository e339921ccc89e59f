//! What can go wrong with a job's folder.

use std::io;
use std::path::PathBuf;

/// An error of a job.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// Another process works on the same output.
    #[error("another pegbar is working on this output (it holds {})", .lock.display())]
    Locked {
        /// The lock file.
        lock: PathBuf,
    },
    /// The job was begun with something else.
    #[error(
        "an unfinished job for this output was begun differently: {}; repeat it as it was to go on, or give --fresh to start over \
         ({} finished segment(s) would be lost)",
        .differences.join("; "),
        .n_segments
    )]
    Different {
        /// What differs, one phrase each.
        differences: Vec<String>,
        /// Segments that are finished.
        n_segments: usize,
    },
    /// The journal was written by a program that knows more.
    #[error("the unfinished job in {} was begun by a newer version of pegbar; use that, or give --fresh to start over", .folder.display())]
    Newer {
        /// The job's folder.
        folder: PathBuf,
    },
    /// There is a folder of that name that no job has made.
    #[error("{} is in the way: it is no folder of an unfinished job", .path.display())]
    NotAJob {
        /// The folder, or file.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl JobError {
    /// Wraps an error of the system's.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
