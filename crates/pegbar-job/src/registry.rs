//! Where the unfinished jobs of this user are: a small file for each in the folder of the user's state.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::fingerprint::hex;
use crate::folder::{is_locked, read};

/// The environment variable that names another folder.
const VARIABLE: &str = "PEGBAR_STATE";

/// The list. That it cannot be kept harms no job: it only finds them.
#[derive(Debug, Clone)]
pub struct Registry {
    folder: Option<PathBuf>,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// A process works on it.
    Running,
    /// It waits to be gone on with.
    Interrupted,
}

/// What there is to say of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobStatus {
    /// Its folder.
    pub folder: PathBuf,
    /// How it stands.
    pub state: JobState,
    /// The film.
    pub input: PathBuf,
    /// The output.
    pub output: PathBuf,
    /// Finished segments.
    pub segments: usize,
    /// Frames in them.
    pub frames_done: u64,
    /// Frames of the film, where that is known.
    pub frames_total: Option<u64>,
    /// Seconds that the finished segments took.
    pub seconds_spent: f64,
    /// Seconds that the rest will take at that pace.
    pub seconds_left: Option<f64>,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Seconds since something was finished.
    pub idle_seconds: Option<u64>,
    /// The options that it was begun with, by name.
    pub settings: std::collections::BTreeMap<String, String>,
}

/// What there is to say of the job in a folder; `None` where there is none.
pub fn status(folder: &Path) -> Option<JobStatus> {
    let (header, segments) = read(folder)?;
    let frames_done: u64 = segments.iter().map(|segment| segment.n_frames).sum();
    let seconds_spent: f64 = segments.iter().map(|segment| segment.seconds).sum();
    let left = header.n_frames.map(|total| total.saturating_sub(frames_done));
    let entries = std::fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.metadata().ok());
    let (mut bytes, mut newest) = (0, None::<SystemTime>);
    for entry in entries {
        bytes += entry.len();
        newest = newest.max(entry.modified().ok());
    }
    Some(JobStatus {
        folder: folder.to_owned(),
        state: if is_locked(folder) { JobState::Running } else { JobState::Interrupted },
        input: header.input,
        output: header.output,
        segments: segments.len(),
        frames_done,
        frames_total: header.n_frames,
        seconds_spent,
        seconds_left: left
            .filter(|_| frames_done > 0)
            .map(|left| left as f64 * seconds_spent / frames_done as f64),
        bytes,
        idle_seconds: newest.and_then(|time| Some(time.elapsed().ok()?.as_secs())),
        settings: header.identity.settings,
    })
}

impl Registry {
    /// The user's: `PEGBAR_STATE`, or where programs keep their state on this system.
    pub fn of_user() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let base = || {
            if cfg!(windows) {
                return variable("LOCALAPPDATA");
            }
            variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")))
        };
        Self { folder: variable(VARIABLE).or_else(|| Some(base()?.join("pegbar"))).map(|f| f.join("jobs")) }
    }

    /// One in a folder of its own.
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()) }
    }

    /// Notes a job.
    pub fn add(&self, job: &Path) {
        let Some((entry, job)) = self.entry(job) else { return };
        let written = entry
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&entry, job.to_string_lossy().as_bytes()));
        if let Err(error) = written {
            tracing::debug!("the job is not noted in {}: {error}", entry.display());
        }
    }

    /// Forgets a job.
    pub fn remove(&self, job: &Path) {
        if let Some((entry, _)) = self.entry(job) {
            // Nothing to do where it was not noted.
            let _ = std::fs::remove_file(entry);
        }
    }

    /// The folders of all jobs that are still there, sorted; what is gone is forgotten.
    pub fn jobs(&self) -> Vec<PathBuf> {
        let Some(entries) = self.folder.as_ref().and_then(|folder| std::fs::read_dir(folder).ok()) else {
            return Vec::new();
        };
        let mut jobs = Vec::new();
        for entry in entries.flatten() {
            let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
            let job = PathBuf::from(text.trim_end());
            if job.is_dir() {
                jobs.push(job);
            } else if job.parent().is_some_and(Path::is_dir) {
                // Where the folder around it is missing, a disk may only be unplugged.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        jobs.sort();
        jobs
    }

    /// The file that notes a job, and the job's full path.
    fn entry(&self, job: &Path) -> Option<(PathBuf, PathBuf)> {
        let job = std::path::absolute(job).ok()?;
        let name = hex(&Sha256::digest(job.to_string_lossy().as_bytes())[..12]);
        Some((self.folder.as_ref()?.join(name), job))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_come_and_go() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let registry = Registry::in_folder(&dir.path().join("state"));
        assert_eq!(registry.jobs(), [] as [PathBuf; 0]);
        let jobs = ["b", "a"].map(|name| dir.path().join(name));
        for job in &jobs {
            std::fs::create_dir(job).expect("folder");
            registry.add(job);
            registry.add(job);
        }
        assert_eq!(registry.jobs(), [jobs[1].clone(), jobs[0].clone()]);
        registry.remove(&jobs[0]);
        assert_eq!(registry.jobs(), [jobs[1].clone()]);
        std::fs::remove_dir(&jobs[1]).expect("removed");
        assert_eq!(registry.jobs(), [] as [PathBuf; 0]);
    }
}
