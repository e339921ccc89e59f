//! One image through the model.

use super::{Made, Run};
use crate::commands::upscale::plan::Job;
use crate::output::PartialFile;
use anyhow::{Context, Result, bail};
use pegbar_engine::{Crew, EngineError, Session, available_memory_bytes};
use pegbar_frame::PlanarImage;
use pegbar_media::still::{self, WriteOptions};

/// Runs the job.
pub(super) fn run(run: &Run<'_>, job: &Job) -> Result<Made> {
    let format = still::Format::from_path(&job.output).with_context(|| job.output.display().to_string())?;
    let partial = PartialFile::create(&job.output, run.existing)?;
    // Before it is read: what a few bytes claim to hold may be large.
    let (width, height) = still::dimensions(&job.input)?;
    refuse_too_large(run.session, width, height)?;
    let mut picture = still::read(&job.input)?;
    picture.image = run.session.upscale(&picture.image)?;
    if let Some(alpha) = &picture.alpha {
        picture.alpha = Some(upscale_alpha(run.session, Crew::Together, alpha)?);
    }
    let options = WriteOptions { format, quality: run.args.images.quality };
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

/// Refuses a picture whose samples, before and after, do not fit the memory: the system would kill the program midway.
pub(super) fn refuse_too_large(session: &Session, width: usize, height: usize) -> Result<()> {
    let (out_w, out_h) = session.output_size(width, height);
    let needed = session.picture_memory_bytes(3, width, height);
    let free = available_memory_bytes();
    if needed > free {
        let gib = |bytes: usize| bytes as f64 / f64::from(1 << 30);
        bail!(
            "{width}x{height} to {out_w}x{out_h} pixels takes {:.1} GiB of memory, {:.1} GiB are free; crop or shrink it",
            gib(needed),
            gib(free)
        );
    }
    Ok(())
}

/// An alpha plane through the model, apart from the colours so that neither bleeds into the other. A plane of one value
/// needs no model.
pub(super) fn upscale_alpha(
    session: &Session,
    crew: Crew,
    alpha: &PlanarImage,
) -> Result<PlanarImage, EngineError> {
    let first = alpha.data.first().copied().unwrap_or(1.0);
    if alpha.data.iter().all(|&v| v == first) {
        let (width, height) = session.output_size(alpha.width, alpha.height);
        return Ok(PlanarImage { width, height, channels: 1, data: vec![first; width * height] });
    }
    let mut result = PlanarImage::default();
    session.upscale_into(crew, alpha, &mut result)?;
    Ok(result)
}
