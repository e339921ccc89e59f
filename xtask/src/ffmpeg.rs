//! The ffmpeg and ffprobe that the commands use: found, installed when missing, and asked.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{process, system_packages};

/// The oldest ffmpeg whose options we use.
const OLDEST_MAJOR: u32 = 5;

/// Both tools, and the version they report.
pub(crate) struct Ffmpeg {
    pub(crate) ffmpeg: PathBuf,
    pub(crate) ffprobe: PathBuf,
    pub(crate) version: String,
}

/// What a check needs to know about a video file.
#[derive(Debug, PartialEq)]
pub(crate) struct VideoFacts {
    pub(crate) codec: String,
    pub(crate) width: u64,
    pub(crate) height: u64,
    pub(crate) n_frames: u64,
    /// Hash of every audio packet, none if the file has no audio.
    pub(crate) audio_hash: Option<String>,
}

impl Ffmpeg {
    /// Finds both tools; installs them when they are missing and this user may; refuses one that is too old.
    pub(crate) fn ensure() -> Result<Ffmpeg> {
        let (ffmpeg, ffprobe) = match locate()? {
            Some(found) => found,
            None => {
                system_packages::install("ffmpeg")?;
                locate()?.context("ffmpeg was installed, but neither PATH nor PEGBAR_FFMPEG leads to it")?
            }
        };
        let banner = process::stdout(Command::new(&ffmpeg).arg("-version"))?;
        let version = version_in(&banner).context("ffmpeg -version printed no version")?;
        if major(&version).is_some_and(|major| major < OLDEST_MAJOR) {
            bail!(
                "{} is version {version}; Pegbar needs {OLDEST_MAJOR}.0 or newer. Install a newer one, or set PEGBAR_FFMPEG to it",
                ffmpeg.display()
            );
        }
        Ok(Ffmpeg { ffmpeg, ffprobe, version })
    }

    /// An ffmpeg command that overwrites its output and only speaks of errors.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.ffmpeg);
        command.args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"]);
        command
    }

    /// Decodes the file far enough to state its facts.
    pub(crate) fn facts(&self, path: &Path) -> Result<VideoFacts> {
        let json = process::stdout(
            Command::new(&self.ffprobe)
                .args(["-v", "error", "-count_frames", "-show_streams", "-of", "json"])
                .arg(path),
        )?;
        let probe: Value = serde_json::from_str(&json).context("ffprobe printed no JSON")?;
        let streams = probe["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
        let of_type = |kind: &str| streams.iter().find(|stream| stream["codec_type"] == kind);
        let video = of_type("video").with_context(|| format!("{} has no video stream", path.display()))?;
        let n_frames = video["nb_read_frames"].as_str().and_then(|text| text.parse().ok());
        let audio_hash = match of_type("audio") {
            Some(_) => Some(self.audio_hash(path)?),
            None => None,
        };
        Ok(VideoFacts {
            codec: video["codec_name"].as_str().unwrap_or("unknown").to_owned(),
            width: video["width"].as_u64().unwrap_or_default(),
            height: video["height"].as_u64().unwrap_or_default(),
            n_frames: n_frames.with_context(|| format!("ffprobe counted no frames in {}", path.display()))?,
            audio_hash,
        })
    }

    fn audio_hash(&self, path: &Path) -> Result<String> {
        let hash = process::stdout(
            self.command()
                .arg("-i")
                .arg(path)
                .args(["-map", "0:a", "-c", "copy", "-f", "hash", "-hash", "sha256", "-"]),
        )?;
        Ok(hash.trim().to_owned())
    }
}

/// ffmpeg and ffprobe: where `PEGBAR_FFMPEG` (a file or a folder) says, else on `PATH`.
fn locate() -> Result<Option<(PathBuf, PathBuf)>> {
    let executable = |name: &str| format!("{name}{}", env::consts::EXE_SUFFIX);
    if let Some(chosen) = env::var_os("PEGBAR_FFMPEG").filter(|value| !value.is_empty()).map(PathBuf::from) {
        let (ffmpeg, ffprobe) = if chosen.is_dir() {
            (chosen.join(executable("ffmpeg")), chosen.join(executable("ffprobe")))
        } else {
            (chosen.clone(), chosen.with_file_name(executable("ffprobe")))
        };
        if !ffmpeg.is_file() || !ffprobe.is_file() {
            bail!("PEGBAR_FFMPEG is {}, but ffmpeg and ffprobe are not both there", chosen.display());
        }
        return Ok(Some((ffmpeg, ffprobe)));
    }
    Ok(process::on_path("ffmpeg").zip(process::on_path("ffprobe")))
}

/// The third word of `ffmpeg version 5.1.9-0+deb12u1 Copyright ...`.
fn version_in(banner: &str) -> Option<String> {
    banner.lines().next()?.split_whitespace().nth(2).map(str::to_owned)
}

/// The major version, or none for a build from the development branch (`N-118432-g1a2b3c`).
fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('n').split(['.', '-']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_releases_and_development_builds() {
        let version =
            version_in("ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026\nbuilt with gcc").unwrap();
        assert_eq!(version, "5.1.9-0+deb12u1");
        assert_eq!(major(&version), Some(5));
        assert_eq!(major("n7.1"), Some(7));
        assert_eq!(major("4.4.2-0ubuntu0.22.04.1"), Some(4));
        assert_eq!(major("N-118432-g1a2b3c4d5e"), None);
    }
}
