//! The folder of an unfinished job, beside its output.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::journal::sync_folder;
use crate::{Fingerprint, Header, JobError, Journal, SegmentLine};

/// What a job's folder is called: the name of the output and this.
pub const FOLDER_SUFFIX: &str = ".pegbar-job";
const JOURNAL: &str = "journal.jsonl";
const LOCK: &str = "lock";
/// What an unfinished segment's name begins with.
const UNFINISHED: &str = "unfinished-";

/// The folder of a job for this output.
pub fn folder_of(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(FOLDER_SUFFIX);
    output.with_file_name(name)
}

/// How a job starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// From the beginning.
    Fresh,
    /// From where an earlier run stopped.
    Resumed,
}

/// A job's folder, locked against other processes. Dropping it removes it if no segment is finished.
#[derive(Debug)]
pub struct JobFolder {
    path: PathBuf,
    /// What has been done.
    pub journal: Journal,
    /// Held open: the lock goes with the process, however it ends. `None` once the folder goes.
    lock: Option<File>,
    is_done: bool,
}

impl JobFolder {
    /// Begins a job, or goes on with one: with `fresh` always the former. Segments whose files are no longer what the journal
    /// says are dropped, and all after them.
    ///
    /// # Errors
    /// [`JobError::Locked`]; [`JobError::Different`] when there is a job with finished segments that was begun otherwise;
    /// [`JobError::Newer`]; [`JobError::NotAJob`]; [`JobError::Io`].
    pub fn open(header: Header, fresh: bool) -> Result<(Self, Started), JobError> {
        let path = folder_of(&header.output);
        if path.exists() && !is_job(&path) {
            return Err(JobError::NotAJob { path });
        }
        std::fs::create_dir_all(&path)
            .map_err(JobError::io(format!("the folder {} cannot be made", path.display())))?;
        let lock = lock(&path)?;
        let earlier = if fresh { None } else { Journal::read(&path.join(JOURNAL)) };
        let (journal, started) = match earlier {
            Some((old, _)) if old.pegbar_job > header.pegbar_job => {
                return Err(JobError::Newer { folder: path });
            }
            Some((old, segments)) if !segments.is_empty() => {
                let differences = old.identity.differences(&header.identity);
                if !differences.is_empty() {
                    return Err(JobError::Different { differences, n_segments: segments.len() });
                }
                let intact = segments.into_iter().take_while(|line| is_intact(&path, line)).collect();
                (Journal::go_on(&path.join(JOURNAL), header, intact)?, Started::Resumed)
            }
            _ => (Journal::create(&path.join(JOURNAL), header)?, Started::Fresh),
        };
        let folder = Self { path, journal, lock: Some(lock), is_done: false };
        folder.remove_strangers();
        let started = if folder.journal.segments.is_empty() { Started::Fresh } else { started };
        Ok((folder, started))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where to write the next segment while it is unfinished.
    pub fn unfinished(&self, extension: &str) -> PathBuf {
        self.path.join(format!("{UNFINISHED}{:06}.{extension}", self.journal.segments.len()))
    }

    /// Gives a complete segment its name and notes it. `line` comes without file, size and hash. The file has been synced.
    ///
    /// # Errors
    /// [`JobError::Io`]; the segment then does not count.
    pub fn finish_segment(&mut self, unfinished: &Path, mut line: SegmentLine) -> Result<(), JobError> {
        let extension = unfinished.extension().unwrap_or_default().to_string_lossy();
        line.segment = self.journal.segments.len();
        line.file = format!("{:06}.{extension}", line.segment);
        let failed = || JobError::io("a finished segment cannot be kept");
        line.bytes = unfinished.metadata().map_err(failed())?.len();
        line.hash = Fingerprint::of_file(unfinished).map_err(failed())?;
        std::fs::rename(unfinished, self.path.join(&line.file)).map_err(failed())?;
        sync_folder(&self.path);
        self.journal.add(line)
    }

    /// The file of a segment.
    pub fn file_of(&self, line: &SegmentLine) -> PathBuf {
        self.path.join(&line.file)
    }

    /// The job is done: its output has its name, and the folder goes.
    pub fn done(mut self) {
        self.is_done = true;
    }

    /// Removes what no line of the journal names.
    fn remove_strangers(&self) {
        let Ok(entries) = std::fs::read_dir(&self.path) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_known =
                name == JOURNAL || name == LOCK || self.journal.segments.iter().any(|line| line.file == name);
            if !is_known && let Err(error) = std::fs::remove_file(entry.path()) {
                tracing::debug!("{} stays: {error}", entry.path().display());
            }
        }
    }
}

impl Drop for JobFolder {
    fn drop(&mut self) {
        if !self.is_done && !self.journal.segments.is_empty() {
            return;
        }
        // Some systems remove no file that is open.
        self.lock = None;
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::debug!("{} stays: {error}", self.path.display());
        }
    }
}

/// Whether a folder may be a job's: it has a journal, or nothing yet but a lock.
fn is_job(path: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(path) else { return false };
    path.join(JOURNAL).is_file() || entries.flatten().all(|entry| entry.file_name() == LOCK)
}

fn lock(folder: &Path) -> Result<File, JobError> {
    let path = folder.join(LOCK);
    let failed = || JobError::io(format!("{} cannot be locked", path.display()));
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JobError::Locked { lock: path }),
        Err(TryLockError::Error(error)) => Err(failed()(error)),
    }
}

/// Whether another process works on the job.
pub(crate) fn is_locked(folder: &Path) -> bool {
    File::open(folder.join(LOCK)).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// What the journal in a folder says.
pub(crate) fn read(folder: &Path) -> Option<(Header, Vec<SegmentLine>)> {
    Journal::read(&folder.join(JOURNAL))
}

fn is_intact(folder: &Path, line: &SegmentLine) -> bool {
    let path = folder.join(&line.file);
    let is = path.metadata().is_ok_and(|m| m.len() == line.bytes)
        && Fingerprint::of_file(&path).is_ok_and(|hash| hash == line.hash);
    if !is {
        tracing::warn!("segment {} of the unfinished job is damaged and is made again", line.segment);
    }
    is
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;
    use std::collections::BTreeMap;

    fn header(output: &Path, crf: &str) -> Header {
        let hash: Fingerprint = serde_json::from_str("\"1:ab\"").expect("a hash");
        let settings = BTreeMap::from([("--crf".to_owned(), crf.to_owned())]);
        let identity = Identity { input: hash.clone(), model: hash, settings };
        Header::new(Path::new("in.mkv"), output, None, identity)
    }

    fn add_segment(folder: &mut JobFolder, content: &[u8]) {
        let unfinished = folder.unfinished("mp4");
        std::fs::write(&unfinished, content).expect("written");
        let line = SegmentLine {
            segment: 0,
            file: String::new(),
            bytes: 0,
            hash: Fingerprint::of_all(&[]),
            n_frames: 5,
            n_reused: 0,
            first_pts: 0,
            time_base: [1, 25],
            next_pts: Some(5),
            n_source_frames: None,
            last_source_frame: String::new(),
            seconds: 1.0,
            warnings: vec![],
        };
        folder.finish_segment(&unfinished, line).expect("finished");
    }

    #[test]
    fn goes_on_only_as_it_was_begun() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let output = dir.path().join("film.mkv");
        let (mut folder, started) = JobFolder::open(header(&output, "18"), false).expect("begun");
        assert_eq!(started, Started::Fresh);
        add_segment(&mut folder, b"one");
        add_segment(&mut folder, b"two");
        std::fs::write(folder.unfinished("mp4"), b"half").expect("written");
        assert!(matches!(JobFolder::open(header(&output, "18"), false), Err(JobError::Locked { .. })));
        drop(folder);

        let error = JobFolder::open(header(&output, "20"), false).expect_err("different");
        let text = error.to_string();
        assert!(text.contains("--crf was 18, is 20") && text.contains("--fresh"), "{text}");

        let (folder, started) = JobFolder::open(header(&output, "18"), false).expect("resumed");
        assert_eq!((started, folder.journal.segments.len()), (Started::Resumed, 2));
        assert!(!folder.unfinished("mp4").exists(), "the unfinished segment is gone");
        let path = folder.path().to_owned();
        drop(folder);

        std::fs::write(path.join("000001.mp4"), b"tww").expect("damaged");
        let (folder, _) = JobFolder::open(header(&output, "18"), false).expect("resumed");
        assert_eq!(folder.journal.segments.len(), 1, "a damaged segment does not count");
        drop(folder);

        let (folder, started) = JobFolder::open(header(&output, "20"), true).expect("fresh");
        assert_eq!((started, folder.journal.segments.len()), (Started::Fresh, 0));
        drop(folder);
        assert!(!path.exists(), "a job without a segment leaves nothing");
    }

    #[test]
    fn a_done_job_leaves_nothing_and_a_strange_folder_is_left_alone() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let output = dir.path().join("film.mkv");
        let (mut folder, _) = JobFolder::open(header(&output, "18"), false).expect("begun");
        add_segment(&mut folder, b"one");
        folder.done();
        assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 0);

        let strange = folder_of(&output);
        std::fs::create_dir(&strange).expect("folder");
        std::fs::write(strange.join("mine.txt"), b"x").expect("written");
        assert!(matches!(JobFolder::open(header(&output, "18"), true), Err(JobError::NotAJob { .. })));
        assert!(strange.join("mine.txt").exists());
    }
}
