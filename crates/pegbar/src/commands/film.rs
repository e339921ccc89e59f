//! A film as ffmpeg opens it: a video file, numbered images, or an animation that is unpacked first.

use crate::exit::UsageError;
use crate::interrupt;
use anyhow::{Context, Result};
use pegbar_frame::Rational;
use pegbar_media::{
    InputOptions, Playback, Probe, Sequence, SequencePattern, Tools, is_animated_image, is_animated_webp,
    probe, probe_sequence, still, unpack_webp,
};
use std::path::{Path, PathBuf};

/// Frames per second of numbered images where nobody says: film's.
pub(crate) const SEQUENCE_RATE: Rational = Rational::new(24, 1);

/// A film that can be opened.
pub(crate) struct Film {
    /// What to open.
    pub(crate) path: PathBuf,
    /// How.
    pub(crate) input: InputOptions,
    /// What it holds.
    pub(crate) probe: Probe,
    /// Of an animation.
    pub(crate) playback: Option<Playback>,
    /// Removed with this.
    _unpacked: Option<Unpacked>,
}

impl Film {
    /// Finds out what is at a path, which may name numbered images; these come at `frame_rate` a second.
    pub(crate) fn open(tools: &Tools, path: &Path, frame_rate: Rational) -> Result<Self> {
        if let Some(pattern) = pattern(path) {
            let sequence = Sequence::find(pattern, frame_rate)?;
            let probe = probe_sequence(tools, &sequence)?;
            let input = InputOptions { sequence: Some(sequence), hwaccel: None };
            return Ok(Self { path: path.to_owned(), input, probe, playback: None, _unpacked: None });
        }
        let unpacked = if is_animated_webp(path) { Some(Unpacked::of(tools, path)?) } else { None };
        let opened = unpacked.as_ref().map_or(path, |unpacked| &unpacked.0).to_owned();
        let probe = probe(tools, &opened)?;
        let playback = Playback::of_file(path);
        Ok(Self { path: opened, input: InputOptions::PLAIN, probe, playback, _unpacked: unpacked })
    }
}

/// Refuses hardware to decode with that this ffmpeg does not know.
///
/// # Errors
/// [`UsageError`].
pub(crate) fn check_hwaccel(tools: &Tools, name: &str) -> Result<()> {
    let known = tools.hwaccels()?;
    if name == "auto" || known.iter().any(|other| other == name) {
        return Ok(());
    }
    let known: String = known.iter().map(|name| format!(", {name}")).collect();
    Err(UsageError(format!("--hwaccel {name}: this ffmpeg decodes with auto{known}")).into())
}

/// Whether a path names one still picture, and no animation, no numbered images, no video.
pub(crate) fn is_one_picture(path: &Path) -> bool {
    still::is_image_path(path) && pattern(path).is_none() && !is_animated_image(path)
}

/// The pattern that a path is, unless there is a file of just this name.
pub(crate) fn pattern(path: &Path) -> Option<SequencePattern> {
    SequencePattern::parse(path).filter(|_| !path.exists())
}

/// A temporary file, which an interrupt removes.
struct Unpacked(PathBuf);

impl Unpacked {
    fn of(tools: &Tools, path: &Path) -> Result<Self> {
        let file = tempfile::Builder::new().prefix("pegbar-").suffix(".mkv").tempfile();
        let file = file.context("the folder for temporary files cannot be written to")?.into_temp_path();
        interrupt::register(&file);
        // From here on it is ours to remove.
        let unpacked = Self(file.keep().context("the folder for temporary files cannot be written to")?);
        unpack_webp(tools, path, &unpacked.0)?;
        Ok(unpacked)
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        interrupt::unregister(&self.0, || drop(std::fs::remove_file(&self.0)));
    }
}

/// `24`, `23.976` or `24000/1001` to frames per second. A decimal near a thousandth less than a whole number is the rate of
/// NTSC that it stands for.
pub(crate) fn parse_frame_rate(text: &str) -> Result<Rational, String> {
    const MOST: f64 = 1000.0;
    let wrong = || format!("{text:?} is no frame rate; write 24, 23.976 or 24000/1001");
    let rate = match (text.parse::<Rational>(), text.parse::<f64>()) {
        (Ok(rate), _) => rate,
        (_, Ok(value)) if value > 0.0 && value <= MOST => {
            let whole = (value * 1.001).round();
            if (whole / 1.001 - value).abs() < 0.0011 && (value - value.round()).abs() > 0.0011 {
                Rational::new(whole as i64 * 1000, 1001)
            } else {
                Rational::new((value * 1000.0).round() as i64, 1000)
            }
        }
        _ => return Err(wrong()),
    };
    if rate.is_positive() && rate.as_f64() <= MOST && rate.den <= 1_000_000 { Ok(rate) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rates() {
        for (text, num, den) in [
            ("24", 24, 1),
            ("23.976", 24000, 1001),
            ("23.98", 23980, 1000),
            ("29.97", 30000, 1001),
            ("59.94", 60000, 1001),
            ("12.5", 12500, 1000),
            ("25.0", 25000, 1000),
            ("30000/1001", 30000, 1001),
        ] {
            assert_eq!(parse_frame_rate(text), Ok(Rational::new(num, den)), "{text}");
        }
        for text in ["", "0", "-1", "x", "24/0", "1e9", "24:x", "NaN"] {
            assert!(parse_frame_rate(text).is_err(), "{text}");
        }
    }
}
