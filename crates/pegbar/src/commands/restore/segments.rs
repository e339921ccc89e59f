//! Frames to segments: each is encoded to a file of its own and noted in the job's journal.

use super::numbered_images::{ImageWriter, NumberedImages};
use crate::interrupt;
use anyhow::{Context, Result};
use pegbar_frame::{Frame, Rational};
use pegbar_job::{Fingerprint, JobFolder, SegmentLine};
use pegbar_media::{Container, EncodeSettings, Encoder, Segment, StreamParams, Tools};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where one segment ends and the next begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Boundary {
    /// Time stamp of the first frame of the next.
    pub(crate) next_pts: i64,
    /// Hash of the source frames before it that its results may depend on, of one at least ([`pegbar_job::frames_hash`]).
    pub(crate) last_source_frame: String,
    /// Source frames that the segment before it is made of.
    pub(crate) n_source_frames: u64,
}

/// What all segments of a film share.
#[derive(Clone, Copy)]
pub(crate) enum SegmentKind<'a> {
    /// Each is a video file in the job's folder.
    Encoded { tools: &'a Tools, container: Container, settings: &'a EncodeSettings, params: &'a StreamParams },
    /// Each is a row of images under their final names, and a list of them in the job's folder.
    Images { images: &'a NumberedImages, time_base: Rational },
}

/// Encodes frames to segments.
pub(crate) struct SegmentWriter<'a> {
    kind: SegmentKind<'a>,
    folder: &'a mut JobFolder,
    extension: &'static str,
    current: Option<Current>,
    /// What encoders complained about.
    pub(crate) warnings: Vec<String>,
}

/// An unfinished segment.
struct Current {
    sink: Sink,
    file: Unfinished,
    first_pts: Option<i64>,
    n_frames: u64,
    n_reused: u64,
    started: Instant,
}

/// Where its frames go.
enum Sink {
    Encoder(Box<Encoder>),
    Images(Box<ImageWriter>),
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
    pub(crate) fn new(kind: SegmentKind<'a>, folder: &'a mut JobFolder) -> Result<Self> {
        let extension = match kind {
            SegmentKind::Encoded { tools, settings, params, .. } => {
                settings.segment_container(tools, params)?.extension()
            }
            SegmentKind::Images { .. } => "list",
        };
        let mut writer = Self { kind, folder, extension, current: None, warnings: Vec::new() };
        writer.start()?;
        Ok(writer)
    }

    fn start(&mut self) -> Result<&mut Current> {
        let path = self.folder.unfinished(self.extension);
        interrupt::register(&path);
        let file = Unfinished(path);
        let sink = match self.kind {
            SegmentKind::Encoded { tools, container, settings, params } => {
                Sink::Encoder(Box::new(Encoder::create_segment(tools, &file.0, container, settings, params)?))
            }
            SegmentKind::Images { images, .. } => {
                Sink::Images(Box::new(images.writer(self.folder.journal.n_frames())))
            }
        };
        let started = Instant::now();
        Ok(self.current.insert(Current { sink, file, first_pts: None, n_frames: 0, n_reused: 0, started }))
    }

    /// Encodes a frame; `again` when it repeats the result before.
    pub(crate) fn write_frame(&mut self, frame: &Frame, again: bool) -> Result<()> {
        let current = match &mut self.current {
            Some(current) => current,
            None => self.start()?,
        };
        match &mut current.sink {
            Sink::Encoder(encoder) => encoder.write_frame(frame)?,
            Sink::Images(images) => images.write_frame(frame)?,
        }
        current.first_pts.get_or_insert(frame.pts);
        current.n_frames += 1;
        current.n_reused += u64::from(again);
        Ok(())
    }

    /// Finishes the segment before a boundary. From here on it is kept, whatever happens.
    pub(crate) fn end_segment(&mut self, boundary: Boundary) -> Result<()> {
        self.end(Some(boundary), &[])
    }

    /// Finishes the last segment; does nothing where there was no frame.
    pub(crate) fn finish(&mut self, decode_warnings: &[String]) -> Result<()> {
        self.end(None, decode_warnings)
    }

    fn end(&mut self, boundary: Option<Boundary>, decode_warnings: &[String]) -> Result<()> {
        let Some(Current { sink, file, first_pts: Some(first_pts), n_frames, n_reused, started }) =
            self.current.take()
        else {
            return Ok(());
        };
        let (said, images) = match sink {
            Sink::Encoder(encoder) => (encoder.finish()?.warnings, None),
            Sink::Images(images) => {
                images.write_list(&file.0)?;
                (images.warnings.clone(), Some(images))
            }
        };
        self.warnings.extend(said.iter().cloned());
        let time_base = match self.kind {
            SegmentKind::Encoded { params, .. } => params.time_base,
            SegmentKind::Images { time_base, .. } => time_base,
        };
        let (next_pts, last_source_frame, n_source_frames) = match boundary {
            Some(Boundary { next_pts, last_source_frame, n_source_frames }) => {
                (Some(next_pts), last_source_frame, Some(n_source_frames))
            }
            None => (None, String::new(), None),
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
            n_source_frames,
            seconds: started.elapsed().as_secs_f64(),
            warnings: [said.as_slice(), decode_warnings].concat(),
        };
        let mut unfinished: HashSet<&Path> = HashSet::from([file.0.as_path()]);
        unfinished.extend(images.iter().flat_map(|images| &images.files).map(PathBuf::as_path));
        // An interrupt comes before all of this or after it.
        interrupt::unregister_all(&unfinished, || {
            self.folder.finish_segment(&file.0, line)?;
            interrupt::keep(self.folder.path());
            Ok::<_, pegbar_job::JobError>(())
        })
        .context("a finished segment is lost")?;
        if let Some(images) = images {
            images.keep();
        }
        Ok(())
    }
}

/// The finished segments of a job.
pub(crate) fn finished(folder: &JobFolder) -> Vec<Segment> {
    let of_line = |line: &SegmentLine| Segment {
        path: folder.file_of(line),
        first_pts: line.first_pts,
        n_frames: line.n_frames,
    };
    folder.journal.segments.iter().map(of_line).collect()
}

/// Name of a path for people.
pub(crate) fn shown(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
