//! Restoration on truth: clean frames are spoilt, restored, and compared with what they were.
//!
//! A [`Row`] names a defect, our filter with its default parameters, and what ffmpeg has for the job. [`Row::run`]
//! measures, on the same frames: doing nothing, our filter, ffmpeg's best; and what both take from frames with
//! nothing wrong but a mild encode. Frames pass between the parties in 8 bits, as they would in a film.

// Each test and example that includes this module uses a part of it.
#![allow(dead_code, unreachable_pub, missing_docs)]

pub mod cartoon;
pub mod cel;
pub mod clips;
pub mod harbour;
pub mod report;
pub mod spatial_rows;
pub mod strips;
pub mod temporal_rows;

use std::time::Instant;

use pegbar_frame::{PlanarImage, metrics};

use clips::Clip;

/// A defect and who may mend it.
pub struct Row {
    /// Name of the defect.
    pub defect: &'static str,
    /// Name of our filter.
    pub filter: &'static str,
    /// Names of the clips it is made for; empty means all.
    pub clips: &'static [&'static str],
    /// Makes the defect.
    pub spoil: fn(&[PlanarImage]) -> Vec<PlanarImage>,
    /// Our filter with its default parameters.
    pub restore: fn(&[PlanarImage]) -> Vec<PlanarImage>,
    /// Filter graphs of ffmpeg for the same job; the best by PSNR is taken. A graph this ffmpeg does not have is
    /// passed over.
    pub ffmpeg: &'static [&'static str],
}

/// How near frames are to the truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// dB, of the mean squared error over all frames.
    pub psnr: f64,
    /// Mean over the frames.
    pub ssim: f64,
}

/// What one party makes of spoilt frames and of clean ones.
#[derive(Debug, Clone)]
pub struct Party {
    /// Who.
    pub name: String,
    /// Spoilt frames, restored.
    pub restored: Score,
    /// Mildly encoded frames, filtered.
    pub clean: Score,
    /// Milliseconds a frame: for ffmpeg with starting it and both pipes.
    pub millis: f64,
    /// The restored frames.
    pub frames: Vec<PlanarImage>,
}

/// A row, measured on a clip.
pub struct Outcome {
    pub defect: &'static str,
    pub clip: &'static str,
    /// The spoilt frames, and their score.
    pub spoilt: Vec<PlanarImage>,
    pub before: Score,
    /// Score of the mildly encoded frames.
    pub clean_before: Score,
    pub ours: Party,
    /// The best of ffmpeg's; `None` where it has none or is missing.
    pub ffmpeg: Option<Party>,
}

impl Row {
    /// Whether the filter is made for such a clip.
    pub fn is_for(&self, clip: &str) -> bool {
        self.clips.is_empty() || self.clips.contains(&clip)
    }

    /// Measures on a clip; `mild` are its frames after [`clips::mildly_encoded`].
    pub fn run(&self, clip: &Clip, mild: &[PlanarImage]) -> Outcome {
        self.run_with(clip, mild, |_| true)
    }

    /// [`Row::run`] with those graphs of ffmpeg alone that `takes_part` names.
    pub fn run_with(&self, clip: &Clip, mild: &[PlanarImage], takes_part: impl Fn(&str) -> bool) -> Outcome {
        let spoilt = clips::stored(&(self.spoil)(&clip.frames));
        let start = Instant::now();
        let restored = (self.restore)(&spoilt);
        let millis = start.elapsed().as_secs_f64() * 1e3 / spoilt.len() as f64;
        let ours = Party {
            name: self.filter.into(),
            restored: score(&clip.frames, &restored),
            clean: score(&clip.frames, &(self.restore)(mild)),
            millis,
            frames: restored,
        };
        let runs = self.ffmpeg.iter().filter(|graph| takes_part(graph));
        let best = runs
            .filter_map(|graph| ffmpeg_run(graph, clip, &spoilt))
            .max_by(|a, b| a.restored.psnr.total_cmp(&b.restored.psnr));
        let ffmpeg = best.and_then(|best| {
            let clean = score(&clip.frames, &clips::through_ffmpeg(mild, &best.name).ok()?);
            Some(Party { clean, ..best })
        });
        Outcome {
            defect: self.defect,
            clip: clip.name,
            before: score(&clip.frames, &spoilt),
            clean_before: score(&clip.frames, mild),
            spoilt,
            ours,
            ffmpeg,
        }
    }
}

/// What a graph of ffmpeg makes of spoilt frames; its score of clean ones is left to be filled in.
fn ffmpeg_run(graph: &str, clip: &Clip, spoilt: &[PlanarImage]) -> Option<Party> {
    let start = Instant::now();
    let frames = match clips::through_ffmpeg(spoilt, graph) {
        Ok(frames) => frames,
        Err(message) => {
            eprintln!("skipped: ffmpeg's {graph}: {}", message.trim());
            return None;
        }
    };
    let millis = start.elapsed().as_secs_f64() * 1e3 / spoilt.len() as f64;
    let restored = score(&clip.frames, &frames);
    Some(Party { name: graph.into(), restored, clean: restored, millis, frames })
}

impl Outcome {
    /// dB won over doing nothing.
    pub fn gain(&self) -> f64 {
        self.ours.restored.psnr - self.before.psnr
    }

    /// dB lost on mildly encoded frames; negative where they were improved.
    pub fn cost_on_clean(&self) -> f64 {
        self.clean_before.psnr - self.ours.clean.psnr
    }

    /// dB ahead of ffmpeg's best; `None` where there is none.
    pub fn lead(&self) -> Option<f64> {
        self.ffmpeg.as_ref().map(|ffmpeg| self.ours.restored.psnr - ffmpeg.restored.psnr)
    }

    /// What does not hold of: better than doing nothing and than ffmpeg's best in PSNR and SSIM, under 1 dB lost on
    /// clean frames.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                faults.push(format!("{} on {}: {what}", self.defect, self.clip));
            }
        };
        let (ours, before) = (self.ours.restored, self.before);
        must(ours.psnr > before.psnr, format!("{:.2} dB is no better than {:.2}", ours.psnr, before.psnr));
        must(ours.ssim > before.ssim, format!("SSIM {:.4} is no better than {:.4}", ours.ssim, before.ssim));
        must(self.cost_on_clean() < 1.0, format!("{:.2} dB lost on clean frames", self.cost_on_clean()));
        if let Some(ffmpeg) = &self.ffmpeg {
            let theirs = ffmpeg.restored;
            must(
                ours.psnr > theirs.psnr,
                format!("{:.2} dB, {} has {:.2}", ours.psnr, ffmpeg.name, theirs.psnr),
            );
            must(
                ours.ssim > theirs.ssim,
                format!("SSIM {:.4}, {} has {:.4}", ours.ssim, ffmpeg.name, theirs.ssim),
            );
        }
        faults
    }
}

/// Compares frames with the truth.
pub fn score(truth: &[PlanarImage], frames: &[PlanarImage]) -> Score {
    let pairs = || truth.iter().zip(frames);
    let mse = |(a, b)| 10f64.powf(-metrics::psnr(a, b).expect("frames of one size") / 10.0);
    let ssim = |(a, b)| metrics::ssim(a, b).expect("frames of one size");
    let n = truth.len() as f64;
    Score {
        psnr: -10.0 * (pairs().map(mse).sum::<f64>() / n).log10(),
        ssim: pairs().map(ssim).sum::<f64>() / n,
    }
}
