//! A long job that survives interruption, crash and full disk.
//!
//! A job works its way through a film in [segments](Cutter), each encoded to a file of its own. Beside the output lies its
//! [`JobFolder`] with the finished segments and a [`Journal`] that says what they are: what they were made of, with what
//! settings, and where the next one begins. Who starts the same job again goes on from there.
//!
//! Whatever happens at whatever moment, a segment that the journal names is complete and on the disk: the file is synced and
//! renamed before its line is written, and the line is synced before anything else is done.
#![forbid(unsafe_code)]

mod cutter;
mod error;
mod fingerprint;
mod folder;
mod journal;
mod registry;

pub use cutter::Cutter;
pub use error::JobError;
pub use fingerprint::{Fingerprint, frame_hash, frames_hash};
pub use folder::{FOLDER_SUFFIX, JobFolder, Started, folder_of};
pub use journal::{Header, Identity, Journal, SegmentLine};
pub use registry::{JobState, JobStatus, Registry, status};
