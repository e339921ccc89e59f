//! One image through the work.

use super::plan::Job;
use super::{Made, Run, Source};
use crate::output::PartialFile;
use anyhow::{Context, Result};
use pegbar_frame::PixelFormat;
use pegbar_media::still::{self, WriteOptions};

/// Runs the job.
pub(crate) fn run(run: &Run<'_>, job: &Job) -> Result<Made> {
    let format = still::Format::from_path(&job.output).with_context(|| job.output.display().to_string())?;
    let partial = PartialFile::create(&job.output, run.existing)?;
    // Before it is read: what a few bytes claim to hold may be large.
    let (width, height) = still::dimensions(&job.input)?;
    run.work.outcome(&Source { format: PixelFormat::GBRP, width, height, time_base: None })?;
    let picture = run.work.picture(&job.input, still::read(&job.input)?)?;
    let options = WriteOptions::new(format, run.request.images.quality);
    let warnings = still::write(partial.temporary(), &picture, &options)
        .with_context(|| job.output.display().to_string())?;
    partial.finish()?;
    Ok(Made {
        width: picture.image.width,
        height: picture.image.height,
        frames: 1,
        warnings,
        ..Made::default()
    })
}
