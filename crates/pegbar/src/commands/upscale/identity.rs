//! What a job is made of: who repeats the command may go on with it only where all of this is as it was.

use super::decide::DEFAULT_ENCODER;
use crate::cli::UpscaleArgs;
use crate::commands::film::{Film, pattern};
use anyhow::{Context, Result};
use pegbar_job::{Fingerprint, Identity};
use pegbar_media::Tools;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Of a video. Options that change no bit of the output are left out: threads, tiles, memory.
pub(super) fn of(args: &UpscaleArgs, input: &Path, film: &Film, tools: &Tools) -> Result<Identity> {
    let fingerprint = |path: &Path| {
        Fingerprint::of_file(path).with_context(|| format!("{}: cannot be read", path.display()))
    };
    let model: Vec<Fingerprint> =
        model_files(&args.model).iter().map(|path| fingerprint(path)).collect::<Result<_>>()?;
    let video = &args.video;
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
    set("--precision", args.engine.precision.map(|precision| format!("{precision:?}").to_lowercase()));
    set("--model-scale", args.engine.model_scale.map(|scale| scale.to_string()));
    set("--quality", Some(args.images.quality.to_string()).filter(|_| pattern(&args.output).is_some()));
    set("the output's extension", args.output.extension().map(|e| e.to_string_lossy().into_owned()));
    // Segments of two encoders need not fit together.
    set("ffmpeg", Some(tools.version.clone()));
    set("pegbar", Some(env!("CARGO_PKG_VERSION").to_owned()));
    let input = match &film.input.sequence {
        Some(sequence) => Fingerprint::of_files(&sequence.files().collect::<Vec<_>>())
            .with_context(|| format!("{}: cannot be read", input.display()))?,
        None => fingerprint(input)?,
    };
    Ok(Identity { input, model: Fingerprint::of_all(&model), settings })
}

/// The files of a model: ncnn's are two, and ONNX may keep its weights beside.
fn model_files(model: &Path) -> Vec<PathBuf> {
    let mut files = vec![model.to_owned()];
    for (one, other) in [("param", "bin"), ("bin", "param")] {
        let beside = model.with_extension(other);
        if model.extension().is_some_and(|e| e == one) && beside.is_file() {
            files.push(beside);
        }
    }
    files
}
