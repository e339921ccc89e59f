//! Frames as numbered image files. A segment of them is a list in the job's folder: names and sizes.

use crate::interrupt;
use anyhow::{Context, Result, bail};
use pegbar_frame::{Frame, PlanarImage, frame_to_rgb_into};
use pegbar_job::JobFolder;
use pegbar_media::SequencePattern;
use pegbar_media::still::{self, StillImage, WriteOptions};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// How frames become files.
pub(crate) struct NumberedImages {
    pub(crate) pattern: SequencePattern,
    pub(crate) options: WriteOptions,
    /// Number of the first frame of the film.
    pub(crate) first: u64,
}

impl NumberedImages {
    /// Writes the frames from the `n`th of the film.
    pub(crate) fn writer(&self, n: u64) -> ImageWriter {
        ImageWriter {
            pattern: self.pattern.clone(),
            options: self.options,
            next: self.first + n,
            image: PlanarImage::default(),
            alpha: None,
            files: Vec::new(),
            sizes: Vec::new(),
            is_kept: false,
            warnings: Vec::new(),
        }
    }

    /// Makes sure that the images of finished segments are still there.
    pub(crate) fn check(&self, folder: &JobFolder) -> Result<()> {
        for line in &folder.journal.segments {
            let path = folder.file_of(line);
            let list = std::fs::read_to_string(&path)
                .with_context(|| format!("{}: cannot be read", path.display()))?;
            for entry in list.lines() {
                let (size, name) = entry.split_once(' ').unwrap_or(("", entry));
                let image = self.pattern.folder().join(name);
                if image.metadata().map(|m| m.len().to_string()).ok().as_deref() != Some(size) {
                    bail!(
                        "{}: this finished image of an earlier run is gone or changed; --fresh starts over",
                        image.display()
                    );
                }
            }
        }
        Ok(())
    }
}

/// Writes the images of one segment; dropped before they are kept, it removes them.
pub(crate) struct ImageWriter {
    pattern: SequencePattern,
    options: WriteOptions,
    next: u64,
    image: PlanarImage,
    alpha: Option<PlanarImage>,
    /// Written so far.
    pub(crate) files: Vec<PathBuf>,
    sizes: Vec<u64>,
    is_kept: bool,
    pub(crate) warnings: Vec<String>,
}

impl ImageWriter {
    pub(crate) fn write_frame(&mut self, frame: &Frame) -> Result<()> {
        let path = self.pattern.file(self.next);
        interrupt::register(&path);
        self.files.push(path.clone());
        frame_to_rgb_into(frame, &mut self.image, &mut self.alpha)?;
        let picture = StillImage {
            image: std::mem::take(&mut self.image),
            alpha: self.alpha.take(),
            depth_bits: if frame.format.depth_bits > 8 { 16 } else { 8 },
            icc_profile: None,
        };
        let notes =
            still::write(&path, &picture, &self.options).with_context(|| path.display().to_string())?;
        let known: BTreeSet<&String> = self.warnings.iter().collect();
        let new: Vec<String> = notes.iter().filter(|note| !known.contains(note)).cloned().collect();
        self.warnings.extend(new);
        self.image = picture.image;
        self.sizes.push(path.metadata().with_context(|| path.display().to_string())?.len());
        self.next += 1;
        Ok(())
    }

    /// Writes the list of all of them.
    pub(crate) fn write_list(&self, path: &Path) -> Result<()> {
        let mut text = String::new();
        for (file, size) in self.files.iter().zip(&self.sizes) {
            text += &format!("{size} {}\n", file.file_name().unwrap_or_default().to_string_lossy());
        }
        let written = File::create(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.with_context(|| format!("{}: cannot be written", path.display()))
    }

    /// They belong to a finished segment.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for ImageWriter {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        for file in &self.files {
            interrupt::unregister(file, || drop(std::fs::remove_file(file)));
        }
    }
}
