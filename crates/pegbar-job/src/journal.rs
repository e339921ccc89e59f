//! What has been done of a job: a file of JSON lines. The first is the [`Header`], each other one a finished [`SegmentLine`].

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Fingerprint, JobError};

/// Version of the journal's form.
const FORM: u32 = 1;

/// What a job is made of: a job goes on only where all of it is as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The film.
    pub input: Fingerprint,
    /// The model's file or files.
    pub model: Fingerprint,
    /// Every option that shows in the output, by its name on the command line, and the versions of programs that do.
    pub settings: BTreeMap<String, String>,
}

impl Identity {
    /// What `other` has and this has not, one phrase each.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut all = Vec::new();
        if self.input != other.input {
            all.push("the input has changed".to_owned());
        }
        if self.model != other.model {
            all.push("the model or a file of the chain is another".to_owned());
        }
        let keys: std::collections::BTreeSet<&String> =
            self.settings.keys().chain(other.settings.keys()).collect();
        for key in keys {
            let (was, is) = (self.settings.get(key), other.settings.get(key));
            if was != is {
                let shown = |value: Option<&String>| value.map_or_else(|| "not set".to_owned(), Clone::clone);
                all.push(format!("{key} was {}, is {}", shown(was), shown(is)));
            }
        }
        all
    }
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the journal's form.
    pub pegbar_job: u32,
    /// Version of the program.
    pub version: String,
    /// The film, as a person would look for it.
    pub input: PathBuf,
    /// The output.
    pub output: PathBuf,
    /// Frames to expect, where that is known.
    pub n_frames: Option<u64>,
    /// What it is made of.
    pub identity: Identity,
}

impl Header {
    /// Of a new job.
    pub fn new(input: &Path, output: &Path, n_frames: Option<u64>, identity: Identity) -> Self {
        Self {
            pegbar_job: FORM,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            input: input.to_owned(),
            output: output.to_owned(),
            n_frames,
            identity,
        }
    }
}

/// A finished segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentLine {
    /// Its place, from 0.
    pub segment: usize,
    /// Its file in the job's folder.
    pub file: String,
    /// Size of it.
    pub bytes: u64,
    /// Hash of it.
    pub hash: Fingerprint,
    /// Frames.
    pub n_frames: u64,
    /// Frames that repeat the one before, and took its result.
    pub n_reused: u64,
    /// Time stamp of the first one, in ticks.
    pub first_pts: i64,
    /// Seconds per tick, numerator and denominator.
    pub time_base: [i64; 2],
    /// Time stamp of the frame after it; `None` at the end of the film.
    pub next_pts: Option<i64>,
    /// Hash of its last source frame, or of as many as the next may look back at ([`frames_hash`](crate::frames_hash)): by it one who
    /// goes on knows that he is at the right place.
    pub last_source_frame: String,
    /// Source frames that it is made of, where there need not be as many as [`SegmentLine::n_frames`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_source_frames: Option<u64>,
    /// Seconds that it took.
    pub seconds: f64,
    /// What the decoder complained about; complete in the last segment.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// The first line.
    pub header: Header,
    /// The others, in order.
    pub segments: Vec<SegmentLine>,
}

impl Journal {
    /// Begins one.
    pub(crate) fn create(path: &Path, header: Header) -> Result<Self, JobError> {
        let failed = || JobError::io("the journal of the job cannot be written");
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path).map_err(failed())?;
        let mut journal = Self { file, path: path.to_owned(), header, segments: Vec::new() };
        let line = serde_json::to_string(&journal.header).map_err(|e| failed()(e.into()))?;
        journal.append(&line)?;
        Ok(journal)
    }

    /// Reads one; `None` where there is none that makes sense. A last line that broke off, and whatever comes after one that
    /// makes no sense, does not count.
    pub(crate) fn read(path: &Path) -> Option<(Header, Vec<SegmentLine>)> {
        let mut lines = BufReader::new(File::open(path).ok()?).split(b'\n').map_while(Result::ok);
        let header: Header = serde_json::from_slice(&lines.next()?).ok()?;
        let parsed = lines.map(|line| serde_json::from_slice::<SegmentLine>(&line));
        let segments = parsed.map_while(Result::ok).enumerate();
        let in_order = segments.take_while(|(i, line)| line.segment == *i).map(|(_, line)| line);
        Some((header, in_order.collect()))
    }

    /// Goes on with one, keeping the first `n` segments.
    pub(crate) fn go_on(path: &Path, header: Header, segments: Vec<SegmentLine>) -> Result<Self, JobError> {
        // Written anew under another name: what broke off is gone, and an interruption now harms nothing.
        let failed = || JobError::io("the journal of the job cannot be written");
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut fresh = tempfile::NamedTempFile::new_in(folder).map_err(failed())?;
        let mut text = serde_json::to_string(&header).map_err(|e| failed()(e.into()))? + "\n";
        for segment in &segments {
            text += &(serde_json::to_string(segment).map_err(|e| failed()(e.into()))? + "\n");
        }
        fresh.write_all(text.as_bytes()).and_then(|()| fresh.as_file().sync_all()).map_err(failed())?;
        let file = fresh.persist(path).map_err(|e| failed()(e.error))?;
        sync_folder(folder);
        Ok(Self { file, path: path.to_owned(), header, segments })
    }

    /// Adds a finished segment, whose file is on the disk under its name.
    ///
    /// # Errors
    /// When it cannot be written; the segment then does not count.
    pub fn add(&mut self, segment: SegmentLine) -> Result<(), JobError> {
        let line = serde_json::to_string(&segment)
            .map_err(|e| JobError::io("the journal of the job cannot be written")(e.into()))?;
        self.append(&line)?;
        self.segments.push(segment);
        Ok(())
    }

    /// Source frames of all finished segments.
    pub fn n_source_frames(&self) -> u64 {
        self.segments.iter().map(|segment| segment.n_source_frames.unwrap_or(segment.n_frames)).sum()
    }

    /// Frames of all finished segments.
    pub fn n_frames(&self) -> u64 {
        self.segments.iter().map(|segment| segment.n_frames).sum()
    }

    /// Whether all of the film is done, and only joining is left.
    pub fn is_complete(&self) -> bool {
        self.segments.last().is_some_and(|segment| segment.next_pts.is_none())
    }

    fn append(&mut self, line: &str) -> Result<(), JobError> {
        let bytes = format!("{line}\n");
        self.file
            .write_all(bytes.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(JobError::io(format!("{} cannot be written", self.path.display())))
    }
}

/// Makes sure that names in a folder have reached the disk, where the system can.
pub(crate) fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(crf: &str) -> Identity {
        let hash: Fingerprint = serde_json::from_str("\"1:ab\"").expect("a hash");
        let settings = BTreeMap::from([("--crf".to_owned(), crf.to_owned())]);
        Identity { input: hash.clone(), model: hash, settings }
    }

    fn line(segment: usize) -> SegmentLine {
        SegmentLine {
            segment,
            file: format!("{segment}.mp4"),
            bytes: 1,
            hash: serde_json::from_str("\"1:ab\"").expect("a hash"),
            n_frames: 10,
            n_reused: 2,
            first_pts: segment as i64 * 10,
            time_base: [1, 25],
            next_pts: Some(segment as i64 * 10 + 10),
            n_source_frames: None,
            last_source_frame: "cd".into(),
            seconds: 1.5,
            warnings: vec![],
        }
    }

    #[test]
    fn a_line_that_broke_off_does_not_count() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("journal");
        let header = Header::new(Path::new("in"), Path::new("out"), Some(30), identity("18"));
        let mut journal = Journal::create(&path, header.clone()).expect("created");
        for i in 0..3 {
            journal.add(line(i)).expect("added");
        }
        assert_eq!(journal.n_frames(), 30);
        let whole = std::fs::read(&path).expect("read");
        let ends: Vec<usize> = (0..whole.len()).filter(|&i| whole[i] == b'\n').collect();
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).expect("written");
            // A line is complete with its closing brace.
            let complete = ends.iter().filter(|&&end| end <= length).count();
            match Journal::read(&path) {
                None => assert_eq!(complete, 0, "{length}"),
                Some((read, segments)) => {
                    assert_eq!(read, header);
                    assert_eq!(segments.len() + 1, complete, "{length}");
                }
            }
        }
    }

    #[test]
    fn lines_out_of_order_do_not_count() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("journal");
        let header = Header::new(Path::new("in"), Path::new("out"), None, identity("18"));
        let mut journal = Journal::create(&path, header.clone()).expect("created");
        for i in [0, 1, 3] {
            journal.add(line(i)).expect("added");
        }
        let (_, segments) = Journal::read(&path).expect("read");
        assert_eq!(segments, [line(0), line(1)]);
        let journal = Journal::go_on(&path, header, segments.clone()).expect("written anew");
        assert!(!journal.is_complete());
        assert_eq!(Journal::read(&path).expect("read").1, segments);
    }

    #[test]
    fn what_differs_is_named() {
        assert_eq!(identity("18").differences(&identity("18")), [] as [&str; 0]);
        assert_eq!(identity("18").differences(&identity("20")), ["--crf was 18, is 20"]);
        let mut other = identity("18");
        other.settings.insert("--start".into(), "3".into());
        other.input = serde_json::from_str("\"2:ff\"").expect("a hash");
        assert_eq!(
            identity("18").differences(&other),
            ["the input has changed", "--start was not set, is 3"]
        );
    }
}
