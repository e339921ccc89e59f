//! The three clips that a result is judged by: the halved one to restore, its bicubic enlargement, and the reference.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::ffmpeg::Ffmpeg;
use crate::process;

/// Width of the original and of the result; the height follows from it.
const FULL_SIZE: (u32, u32) = (1280, 720);

/// Says what the colours of high definition are where the original does not: at half the size, an untagged clip would be taken for
/// standard definition, with other colours. Only the tags are set, no value changes.
const TAG_COLOURS: &str = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv";

/// Where the colour samples of 4:2:0 video lie: left of the middle of four pixels. ffmpeg's scaler takes them to be in the middle unless
/// told, and would shift the colours by a quarter of a pixel.
const CHROMA_POSITION: &str = "in_h_chr_pos=0:in_v_chr_pos=128:out_h_chr_pos=0:out_v_chr_pos=128";

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
            // Lossless, since a cut without re-encoding would have to end at the boundary of a packet; in MP4, which keeps the
            // clock and the early start of the sound: with Matroska's milliseconds, ffmpeg would repeat a frame.
            let reference = folder.join("original.mp4");
            process::run(
                ffmpeg
                    .command()
                    .arg("-i")
                    .arg(original)
                    .args(["-map", "0", "-t", &seconds.to_string(), "-c:v", "libx264", "-qp", "0"])
                    .args(["-preset", "ultrafast", "-c:a", "copy"])
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
            .args([
                "-map",
                "0",
                "-vf",
                &format!("{TAG_COLOURS},scale={}:{}:flags=area:{CHROMA_POSITION}", width / 2, height / 2),
            ])
            .args(["-c:v", "libx264", "-crf", "12", "-preset", "fast", "-pix_fmt", "yuv420p", "-c:a", "copy"])
            .arg(&small),
    )?;
    let bicubic = folder.join("bicubic.mp4");
    process::run(
        ffmpeg
            .command()
            .arg("-i")
            .arg(&small)
            .args(["-map", "0", "-vf"])
            .arg(format!("scale={width}:{height}:flags=bicubic+accurate_rnd:{CHROMA_POSITION}"))
            .args(["-c:v", "libx264", "-crf", "16", "-preset", "slow", "-pix_fmt", "yuv420p", "-c:a", "copy"])
            .arg(&bicubic),
    )?;
    Ok(Clips { small, bicubic, reference })
}
