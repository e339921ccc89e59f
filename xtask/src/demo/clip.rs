//! The three clips that a result is judged by: the halved one to restore, its bicubic enlargement, and the reference.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::ffmpeg::Ffmpeg;
use crate::process;

/// Width of the original and of the result; the height follows from it.
const FULL_SIZE: (u32, u32) = (1280, 720);

/// Paths of the prepared clips.
pub(super) struct Clips {
    /// Half the size, audio untouched: what is restored.
    pub(super) small: PathBuf,
    /// `small` enlarged again by bicubic interpolation, encoded as the result is: what anybody gets without a model.
    pub(super) bicubic: PathBuf,
    /// The original, cut to the frames that `small` has.
    pub(super) reference: PathBuf,
}

/// Writes the clips into `folder`; with `seconds`, only the beginning of the original.
pub(super) fn prepare(
    ffmpeg: &Ffmpeg,
    original: &Path,
    seconds: Option<f64>,
    folder: &Path,
) -> Result<Clips> {
    let (width, height) = FULL_SIZE;
    let reference = match seconds {
        None => original.to_owned(),
        Some(seconds) => {
            // Lossless, since a cut without re-encoding would have to end at the boundary of a packet.
            let reference = folder.join("original.mkv");
            process::run(
                ffmpeg
                    .command()
                    .arg("-i")
                    .arg(original)
                    .args(["-map", "0", "-t", &seconds.to_string(), "-c:v", "ffv1", "-c:a", "copy"])
                    .arg(&reference),
            )?;
            reference
        }
    };
    let small = folder.join("before.mp4");
    process::run(
        ffmpeg
            .command()
            .arg("-i")
            .arg(&reference)
            .args(["-map", "0", "-vf", &format!("scale={}:{}:flags=area", width / 2, height / 2)])
            .args(["-c:v", "libx264", "-crf", "12", "-preset", "fast", "-pix_fmt", "yuv420p", "-c:a", "copy"])
            .arg(&small),
    )?;
    let bicubic = folder.join("bicubic.mp4");
    process::run(
        ffmpeg
            .command()
            .arg("-i")
            .arg(&small)
            .args(["-map", "0", "-vf", &format!("scale={width}:{height}:flags=bicubic+accurate_rnd")])
            .args(["-c:v", "libx264", "-crf", "16", "-preset", "slow", "-pix_fmt", "yuv420p", "-c:a", "copy"])
            .arg(&bicubic),
    )?;
    Ok(Clips { small, bicubic, reference })
}
