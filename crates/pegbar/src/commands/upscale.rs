//! `pegbar upscale`: a model over images, videos and folders.

mod pipeline;

use super::bench;
use super::restore::{self, FilmWork, Outcome, Request, Source, Work, fingerprint, model_files};
use super::session;
use crate::cli::{EngineArgs, UpscaleArgs};
use crate::exit::Exit;
use anyhow::{Result, bail};
use pegbar_engine::{Crew, EngineError, Session, available_memory_bytes};
use pegbar_frame::{PixelFamily, PlanarImage};
use pegbar_job::Fingerprint;
use pegbar_media::still::StillImage;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::slice::from_ref;

/// What is reported of the model.
#[derive(Debug, Serialize)]
struct Head {
    model: String,
    architecture: &'static str,
    scale: usize,
}

/// Runs the command.
pub(crate) fn run(args: UpscaleArgs) -> Result<Exit> {
    let UpscaleArgs { inputs, output, work, .. } = &args;
    let prepared = restore::prepare(Request::new(inputs, output, from_ref(output), work, &work.video))?;
    let model = session::load(&args.model, work.engine.model_scale)?;
    let session = session::open(&model, &work.engine)?;
    let head = Head {
        model: args.model.display().to_string(),
        architecture: model.architecture,
        scale: model.scale,
    };
    let work = ModelWork { path: &args.model, engine: &work.engine, session: &session };
    restore::run(&[restore::Part { prepared, work: &work }], head)
}

/// A model, run on pictures.
struct ModelWork<'a> {
    path: &'a Path,
    engine: &'a EngineArgs,
    session: &'a Session,
}

impl Work for ModelWork<'_> {
    fn outcome(&self, source: &Source) -> Result<Outcome> {
        let channels = if source.format.family == PixelFamily::Gray { 1 } else { 3 };
        // What channels a picture file has is known when it has been read.
        if source.time_base.is_some() {
            self.session.check_channels(channels)?;
        }
        refuse_too_large(self.session, source.width, source.height)?;
        let (width, height) = self.session.output_size(source.width, source.height);
        Ok(Outcome {
            width,
            height,
            time_base: source.time_base,
            keeps_frames: true,
            n_before: 0,
            channels: None,
        })
    }

    fn picture(&self, _: &Path, mut picture: StillImage) -> Result<StillImage> {
        picture.image = self.session.upscale(&picture.image)?;
        if let Some(alpha) = &picture.alpha {
            picture.alpha = Some(upscale_alpha(self.session, Crew::Together, alpha)?);
        }
        Ok(picture)
    }

    fn film(&self, film: FilmWork<'_, '_>) -> Result<Vec<String>> {
        pipeline::run(self.session, film)
    }

    fn identity(&self, settings: &mut BTreeMap<String, String>) -> Result<Fingerprint> {
        let EngineArgs { precision, model_scale, .. } = self.engine;
        if let Some(precision) = precision {
            settings.insert("--precision".into(), format!("{precision:?}").to_lowercase());
        }
        if let Some(scale) = model_scale {
            settings.insert("--model-scale".into(), scale.to_string());
        }
        let files =
            model_files(self.path).iter().map(|path| fingerprint(path)).collect::<Result<Vec<_>>>()?;
        Ok(Fingerprint::of_all(&files))
    }

    fn frames_per_second(&self, width: usize, height: usize) -> Result<f64> {
        Ok(bench::frames_per_second(self.session, width, height)?)
    }
}

/// Refuses a picture whose samples, before and after, do not fit the memory: the system would kill the program midway.
fn refuse_too_large(session: &Session, width: usize, height: usize) -> Result<()> {
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
fn upscale_alpha(session: &Session, crew: Crew, alpha: &PlanarImage) -> Result<PlanarImage, EngineError> {
    let first = alpha.data.first().copied().unwrap_or(1.0);
    if alpha.data.iter().all(|&v| v == first) {
        let (width, height) = session.output_size(alpha.width, alpha.height);
        return Ok(PlanarImage { width, height, channels: 1, data: vec![first; width * height] });
    }
    let mut result = PlanarImage::default();
    session.upscale_into(crew, alpha, &mut result)?;
    Ok(result)
}
