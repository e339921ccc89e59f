//! Frames to segments: each is encoded to a file of its own and noted in the job's journal.

use crate::interrupt;
use anyhow::{Context, Result};
use pegbar_frame::Frame;
use pegbar_job::{Fingerprint, JobFolder, SegmentLine};
use pegbar_media::{Container, EncodeSettings, Encoder, Segment, StreamParams, Tools};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where one segment ends and the next begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Boundary {
    /// Time stamp of the first frame of the next.
    pub(super) next_pts: i64,
    /// Hash of the source frame before it.
    pub(super) last_source_frame: String,
}

/// What all segments of a film share.
#[derive(Clone, Copy)]
pub(super) struct Film<'a> {
    pub(super) tools: &'a Tools,
    pub(super) container: Container,
    pub(super) settings: &'a EncodeSettings,
    pub(super) params: &'a StreamParams,
}

/// Encodes frames to segments.
pub(super) struct SegmentWriter<'a> {
    film: Film<'a>,
    folder: &'a mut JobFolder,
    extension: &'static str,
    current: Option<Current>,
    /// What encoders complained about.
    pub(super) warnings: Vec<String>,
}

/// An unfinished segment.
struct Current {
    encoder: Encoder,
    file: Unfinished,
    first_pts: Option<i64>,
    n_frames: u64,
    n_reused: u64,
    started: Instant,
}

/// The file of an unfinished segment, which an interrupt removes.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is not there when it has got its name.
        interrupt::unregister(&self.0, || drop(std::fs::remove_file(&self.0)));
    }
}

impl<'a> SegmentWriter<'a> {
    /// Starts the next segment of a job, to find now what no frame could make right.
    pub(super) fn new(film: Film<'a>, folder: &'a mut JobFolder) -> Result<Self> {
        let extension = film.settings.segment_container(film.tools, film.params)?.extension();
        let mut writer = Self { film, folder, extension, current: None, warnings: Vec::new() };
        writer.start()?;
        Ok(writer)
    }

    fn start(&mut self) -> Result<&mut Current> {
        let path = self.folder.unfinished(self.extension);
        interrupt::register(&path);
        let file = Unfinished(path);
        let Film { tools, container, settings, params } = self.film;
        let encoder = Encoder::create_segment(tools, &file.0, container, settings, params)?;
        let started = Instant::now();
        Ok(self.current.insert(Current { encoder, file, first_pts: None, n_frames: 0, n_reused: 0, started }))
    }

    /// Encodes a frame; `again` when it repeats the result before.
    pub(super) fn write_frame(&mut self, frame: &Frame, again: bool) -> Result<()> {
        let current = match &mut self.current {
            Some(current) => current,
            None => self.start()?,
        };
        current.encoder.write_frame(frame)?;
        current.first_pts.get_or_insert(frame.pts);
        current.n_frames += 1;
        current.n_reused += u64::from(again);
        Ok(())
    }

    /// Finishes the segment before a boundary. From here on it is kept, whatever happens.
    pub(super) fn end_segment(&mut self, boundary: Boundary) -> Result<()> {
        self.end(Some(boundary), &[])
    }

    /// Finishes the last segment; does nothing where there was no frame.
    pub(super) fn finish(&mut self, decode_warnings: &[String]) -> Result<()> {
        self.end(None, decode_warnings)
    }

    fn end(&mut self, boundary: Option<Boundary>, decode_warnings: &[String]) -> Result<()> {
        let Some(Current { encoder, file, first_pts: Some(first_pts), n_frames, n_reused, started }) =
            self.current.take()
        else {
            return Ok(());
        };
        let encoded = encoder.finish()?;
        self.warnings.extend(encoded.warnings.iter().cloned());
        let time_base = self.film.params.time_base;
        let (next_pts, last_source_frame) = match boundary {
            Some(Boundary { next_pts, last_source_frame }) => (Some(next_pts), last_source_frame),
            None => (None, String::new()),
        };
        let line = SegmentLine {
            // These four are the folder's to fill in.
            segment: 0,
            file: String::new(),
            bytes: 0,
            hash: Fingerprint::of_all(&[]),
            n_frames,
            n_reused,
            first_pts,
            time_base: [time_base.num, time_base.den],
            next_pts,
            last_source_frame,
            seconds: started.elapsed().as_secs_f64(),
            warnings: [encoded.warnings.as_slice(), decode_warnings].concat(),
        };
        // An interrupt comes before all of this or after it.
        interrupt::unregister(&file.0, || {
            self.folder.finish_segment(&file.0, line)?;
            interrupt::keep(self.folder.path());
            Ok::<_, pegbar_job::JobError>(())
        })
        .context("a finished segment is lost")
    }
}

/// The finished segments of a job.
pub(super) fn finished(folder: &JobFolder) -> Vec<Segment> {
    let of_line = |line: &SegmentLine| Segment {
        path: folder.file_of(line),
        first_pts: line.first_pts,
        n_frames: line.n_frames,
    };
    folder.journal.segments.iter().map(of_line).collect()
}

/// Name of a path for people.
pub(super) fn shown(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
