//! What a job is made of: who repeats the command may go on with it only where all of this is as it was.

use super::decide::DEFAULT_ENCODER;
use super::{Request, Work};
use crate::commands::film::{Film, pattern};
use anyhow::{Context, Result};
use pegbar_job::{Fingerprint, Identity};
use pegbar_media::Tools;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Of a video. Options that change no bit of the output are left out: threads, tiles, memory.
pub(crate) fn of(
    request: &Request<'_>,
    work: &dyn Work,
    (input, output): (&Path, &Path),
    film: &Film,
    tools: &Tools,
) -> Result<Identity> {
    let video = request.video;
    let picture = &video.picture;
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            settings.insert(name.to_owned(), value);
        }
    };
    let secs = |secs: Option<f64>| secs.map(|secs| secs.to_string());
    set("--start", secs(video.start));
    set("--duration", secs(video.duration));
    set("--encode", Some(video.encode.clone().unwrap_or_else(|| DEFAULT_ENCODER.to_owned())));
    set("--crf", video.crf.clone());
    set("--preset", video.preset.clone());
    set("--pix-fmt", video.pix_fmt.clone());
    set("--video-stream", Some(video.video_stream.to_string()));
    set("--frame-rate", video.frame_rate.map(|rate| rate.to_string()));
    set("--hwaccel", video.hwaccel.clone());
    set("--dedupe", Some(video.dedupe.to_string()));
    set("--segment", Some(video.segment.to_string()));
    set("--deinterlace", Some(picture.deinterlace.clone()));
    set("--deinterlace-rate", Some(picture.deinterlace_rate.clone()));
    set("--ivtc", Some(picture.ivtc.clone()));
    set("--field-order", Some(picture.field_order.clone()));
    set("--crop", Some(picture.crop.clone()));
    set("--pad", picture.pad.clone());
    set("--quality", Some(request.images.quality.to_string()).filter(|_| pattern(output).is_some()));
    set("the output's extension", output.extension().map(|e| e.to_string_lossy().into_owned()));
    // Segments of two encoders need not fit together.
    set("ffmpeg", Some(tools.version.clone()));
    set("pegbar", Some(env!("CARGO_PKG_VERSION").to_owned()));
    let input = match &film.input.sequence {
        Some(sequence) => Fingerprint::of_files(&sequence.files().collect::<Vec<_>>())
            .with_context(|| format!("{}: cannot be read", input.display()))?,
        None => fingerprint(input)?,
    };
    let model = work.identity(&mut settings)?;
    Ok(Identity { input, model, settings })
}

/// The hash of a file.
pub(crate) fn fingerprint(path: &Path) -> Result<Fingerprint> {
    Fingerprint::of_file(path).with_context(|| format!("{}: cannot be read", path.display()))
}

/// The files of a model: ncnn's are two, and ONNX may keep its weights beside.
pub(crate) fn model_files(model: &Path) -> Vec<PathBuf> {
    let mut files = vec![model.to_owned()];
    for (one, other) in [("param", "bin"), ("bin", "param")] {
        let beside = model.with_extension(other);
        if model.extension().is_some_and(|e| e == one) && beside.is_file() {
            files.push(beside);
        }
    }
    files
}
