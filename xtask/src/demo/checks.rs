//! What the demo promises about its result, checked with ffprobe, and how good it is, measured by `pegbar metrics`.

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::ffmpeg::{Ffmpeg, VideoFacts};
use crate::process;

/// How close a video is to the original, averaged over its frames.
pub(super) struct Score {
    psnr_db: f64,
    ssim: f64,
}

impl Score {
    /// Whether the other one is closer to the original by PSNR.
    pub(super) fn is_lower_than(&self, other: &Score) -> bool {
        self.psnr_db < other.psnr_db
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PSNR {:.2} dB   SSIM {:.4}", self.psnr_db, self.ssim)
    }
}

/// Checks that `restored` is H.264 at twice the size with every frame and the very audio of `small`; returns the number of frames.
pub(super) fn check(ffmpeg: &Ffmpeg, small: &Path, restored: &Path) -> Result<u64> {
    let source = ffmpeg.facts(small)?;
    let result = ffmpeg.facts(restored)?;
    let faults = faults(&source, &result);
    if !faults.is_empty() {
        bail!("{} is not what the demo promises: {}", restored.display(), faults.join("; "));
    }
    println!(
        "      {} frames, {}x{}, H.264, {}",
        result.n_frames,
        result.width,
        result.height,
        if result.audio_hash.is_some() { "audio identical" } else { "no audio" }
    );
    Ok(result.n_frames)
}

fn faults(source: &VideoFacts, result: &VideoFacts) -> Vec<String> {
    let mut faults = Vec::new();
    if result.codec != "h264" {
        faults.push(format!("its codec is {}, not h264", result.codec));
    }
    if (result.width, result.height) != (2 * source.width, 2 * source.height) {
        let (width, height) = (result.width, result.height);
        faults.push(format!("it is {width}x{height}, not twice {}x{}", source.width, source.height));
    }
    if result.n_frames != source.n_frames {
        faults.push(format!("it has {} frames, the source {}", result.n_frames, source.n_frames));
    }
    if result.audio_hash != source.audio_hash {
        faults.push("its audio packets differ from the source's".to_owned());
    }
    faults
}

/// PSNR and SSIM of a video against the original.
pub(super) fn score(pegbar: &Path, reference: &Path, video: &Path) -> Result<Score> {
    let json = process::stdout(Command::new(pegbar).arg("metrics").arg(reference).arg(video).arg("--json"))?;
    let report: Value = serde_json::from_str(&json).context("pegbar metrics printed no JSON")?;
    let summary = if report["summary"].is_object() { &report["summary"] } else { &report };
    let number =
        |key: &str| summary[key].as_f64().with_context(|| format!("pegbar metrics reports no {key}"));
    Ok(Score { psnr_db: number("psnr")?, ssim: number("ssim")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> VideoFacts {
        VideoFacts {
            codec: "h264".into(),
            width: 640,
            height: 360,
            n_frames: 132,
            audio_hash: Some("a".into()),
        }
    }

    #[test]
    fn every_broken_promise_is_named() {
        let good = VideoFacts { width: 1280, height: 720, ..facts() };
        assert!(faults(&facts(), &good).is_empty());
        let bad = VideoFacts { codec: "hevc".into(), n_frames: 131, audio_hash: None, ..facts() };
        assert_eq!(faults(&facts(), &bad).len(), 4);
    }
}
