//! Finding ffmpeg and ffprobe, and what they can do.

use std::collections::HashMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use crate::MediaError;
use crate::child;
use crate::install::install_line;

/// The environment variable that names ffmpeg, or the folder that ffmpeg and ffprobe are in.
const VARIABLE: &str = "PEGBAR_FFMPEG";

/// Oldest version whose options and behaviour we know.
const OLDEST: Version = Version { major: 5, minor: 0 };

/// A version of ffmpeg. Builds from git without a number count as newer than any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
}

/// The two programs, found and checked.
#[derive(Debug, Clone)]
pub struct Tools {
    /// ffmpeg.
    pub ffmpeg: PathBuf,
    /// ffprobe.
    pub ffprobe: PathBuf,
    /// What ffmpeg calls its version: `5.1.9-0+deb12u1`, `n8.0`, `N-118193-g5f38c82536`.
    pub version: String,
    /// The version as a number to compare.
    pub version_number: Version,
    encoders: Arc<OnceLock<Vec<String>>>,
    /// What encoders store, for those that were asked about.
    formats: Arc<Mutex<HashMap<String, Vec<String>>>>,
}

impl Tools {
    /// Finds ffmpeg and ffprobe by `PEGBAR_FFMPEG` (a program, or the folder with both), else on PATH, and checks that
    /// both are version 5.0 or newer.
    ///
    /// # Errors
    /// Which program is missing, broken or too old, and the line that installs it.
    pub fn find() -> Result<Self, MediaError> {
        Self::find_in(env::var_os(VARIABLE), env::var_os("PATH"))
    }

    /// [`Self::find`] with the values of `PEGBAR_FFMPEG` and `PATH` given.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_in(variable: Option<OsString>, path: Option<OsString>) -> Result<Self, MediaError> {
        let (ffmpeg, ffprobe) = match variable.filter(|v| !v.is_empty()).map(PathBuf::from) {
            Some(place) => locate_at(&place, path.as_deref())?,
            None => {
                let on_path = |program| {
                    find_on_path(program, path.as_deref())
                        .ok_or_else(|| missing(program, "on PATH".to_owned()))
                };
                (on_path("ffmpeg")?, on_path("ffprobe")?)
            }
        };
        let (version, of_ffprobe) = thread::scope(|scope| {
            let of_ffprobe = scope.spawn(|| check_version("ffprobe", &ffprobe));
            (check_version("ffmpeg", &ffmpeg), of_ffprobe.join())
        });
        let version = version?;
        of_ffprobe.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        // A version that cannot be compared was accepted as a build from git.
        let version_number = parse_version(&version).unwrap_or(Version { major: u32::MAX, minor: 0 });
        Ok(Self {
            ffmpeg,
            ffprobe,
            version,
            version_number,
            encoders: Arc::default(),
            formats: Arc::default(),
        })
    }

    /// Whether ffmpeg has the encoder. Asks ffmpeg once.
    ///
    /// # Errors
    /// [`MediaError::ToolBroken`] when ffmpeg does not answer.
    pub fn has_encoder(&self, name: &str) -> Result<bool, MediaError> {
        Ok(self.encoders()?.iter().any(|e| e == name))
    }

    /// The encoders of this ffmpeg, sorted as it lists them.
    ///
    /// # Errors
    /// [`MediaError::ToolBroken`] when ffmpeg does not answer.
    pub fn encoders(&self) -> Result<&[String], MediaError> {
        if let Some(known) = self.encoders.get() {
            return Ok(known);
        }
        let listed = parse_encoders(&answer(&self.ffmpeg, &["-hide_banner", "-v", "error", "-encoders"])?);
        Ok(self.encoders.get_or_init(|| listed))
    }

    /// The kinds of hardware that this ffmpeg was built to decode with; whether one is there shows only when it is used.
    ///
    /// # Errors
    /// [`MediaError::ToolBroken`] when ffmpeg does not answer.
    pub fn hwaccels(&self) -> Result<Vec<String>, MediaError> {
        let text = answer(&self.ffmpeg, &["-hide_banner", "-v", "error", "-hwaccels"])?;
        Ok(text.lines().skip(1).map(|line| line.trim().to_owned()).filter(|name| !name.is_empty()).collect())
    }

    /// The pixel formats that an encoder says it stores; empty where it says nothing. Asks ffmpeg once.
    pub(crate) fn encoder_formats(&self, encoder: &str) -> Result<Vec<String>, MediaError> {
        let mut formats = self.formats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = formats.get(encoder) {
            return Ok(known.clone());
        }
        let text =
            answer(&self.ffmpeg, &["-hide_banner", "-v", "error", "-h", &format!("encoder={encoder}")])?;
        let line = text.lines().find_map(|l| l.trim().strip_prefix("Supported pixel formats:"));
        let listed: Vec<_> =
            line.map(|l| l.split_whitespace().map(str::to_owned).collect()).unwrap_or_default();
        formats.insert(encoder.to_owned(), listed.clone());
        Ok(listed)
    }

    /// Whether the version is at least this.
    pub(crate) fn at_least(&self, major: u32, minor: u32) -> bool {
        self.version_number >= Version { major, minor }
    }

    /// The option that hands time stamps through untouched; `-vsync` before 5.1.
    pub(crate) fn passthrough_option(&self) -> [&'static str; 2] {
        if self.at_least(5, 1) { ["-fps_mode", "passthrough"] } else { ["-vsync", "passthrough"] }
    }
}

/// The programs that `PEGBAR_FFMPEG` means. ffprobe is looked for beside ffmpeg first, then on PATH.
fn locate_at(place: &Path, path: Option<&OsStr>) -> Result<(PathBuf, PathBuf), MediaError> {
    let searched = || format!("at {} ({VARIABLE})", place.display());
    let (ffmpeg, folder) = if place.is_dir() {
        let ffmpeg = executable_in(place, "ffmpeg").ok_or_else(|| missing("ffmpeg", searched()))?;
        (ffmpeg, Some(place))
    } else if is_executable(place) {
        (place.to_owned(), place.parent())
    } else {
        return Err(missing("ffmpeg", searched()));
    };
    let ffprobe = folder
        .and_then(|folder| executable_in(folder, "ffprobe"))
        .or_else(|| find_on_path("ffprobe", path))
        .ok_or_else(|| missing("ffprobe", format!("beside {} nor on PATH", ffmpeg.display())))?;
    Ok((ffmpeg, ffprobe))
}

fn missing(program: &'static str, searched: String) -> MediaError {
    MediaError::ToolMissing { program, searched, install: install_line() }
}

/// The program of that name in a folder of `PATH`.
pub(crate) fn find_on_path(program: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    env::split_paths(path?)
        .filter(|folder| !folder.as_os_str().is_empty())
        .find_map(|f| executable_in(&f, program))
}

fn executable_in(folder: &Path, program: &str) -> Option<PathBuf> {
    let file = folder.join(format!("{program}{}", env::consts::EXE_SUFFIX));
    is_executable(&file).then_some(file)
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

/// The version string of a program, if it is new enough.
fn check_version(program: &'static str, path: &Path) -> Result<String, MediaError> {
    let text = answer(path, &["-version"])?;
    let version = version_word(program, &text).ok_or_else(|| MediaError::ToolBroken {
        path: path.to_owned(),
        reason: format!("it does not say that it is {program}"),
    })?;
    match parse_version(version) {
        Some(number) if number < OLDEST => {
            Err(MediaError::ToolTooOld { program, version: version.to_owned(), install: install_line() })
        }
        _ => Ok(version.to_owned()),
    }
}

/// `5.1.9-0+deb12u1` out of `ffmpeg version 5.1.9-0+deb12u1 Copyright ...`.
fn version_word<'a>(program: &str, text: &'a str) -> Option<&'a str> {
    text.lines().next()?.strip_prefix(program)?.strip_prefix(" version ")?.split_whitespace().next()
}

/// Reads `5.1.9-...` and `n8.0-...`; `None` for `N-12345-g...`, `git-2024-...` and dates such as `2025-01-05-git-...`.
fn parse_version(word: &str) -> Option<Version> {
    let digits = word.strip_prefix('n').unwrap_or(word);
    let number = |s: &str| -> Option<u32> {
        let end = s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        s[..end].parse().ok()
    };
    let major = number(digits)?;
    let rest = &digits[digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())..];
    let minor = rest.strip_prefix('.').and_then(number).unwrap_or(0);
    // A year is no version: nightly builds are named by date.
    (major < 1000).then_some(Version { major, minor })
}

/// Standard output of a short command.
fn answer(program: &Path, args: &[&str]) -> Result<String, MediaError> {
    let broken = |reason: String| MediaError::ToolBroken { path: program.to_owned(), reason };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    let output = child::output(&mut command).map_err(|e| broken(e.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(broken(format!("{} ({})", output.status, said.lines().next().unwrap_or("no message"))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Names out of `ffmpeg -encoders`: after the dashes, six flags and a name on each line.
fn parse_encoders(text: &str) -> Vec<String> {
    text.lines()
        .skip_while(|line| line.trim() != "------")
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u32, minor: u32) -> Option<Version> {
        Some(Version { major, minor })
    }

    #[test]
    fn versions_of_all_kinds() {
        assert_eq!(parse_version("5.1.9-0+deb12u1"), version(5, 1));
        assert_eq!(parse_version("4.2"), version(4, 2));
        assert_eq!(parse_version("n8.0-23-gd1f31a829d"), version(8, 0));
        assert_eq!(parse_version("7"), version(7, 0));
        assert_eq!(parse_version("8.0-essentials_build-www.gyan.dev"), version(8, 0));
        assert_eq!(parse_version("N-118193-g5f38c82536"), None);
        assert_eq!(parse_version("git-2024-01-01"), None);
        assert_eq!(parse_version("2025-01-05-git-19c95ecbff-full_build"), None);
        assert_eq!(version_word("ffmpeg", "ffmpeg version 5.1 Copyright (c)"), Some("5.1"));
        assert_eq!(version_word("ffmpeg", "not ffmpeg"), None);
        assert_eq!(version_word("ffmpeg", ""), None);
    }

    #[test]
    fn encoders_follow_the_dashes() {
        let text = "Encoders:\n V..... = Video\n ------\n V....D libx264   H.264\n A....D aac  AAC\n";
        assert_eq!(parse_encoders(text), ["libx264", "aac"]);
        assert!(parse_encoders("").is_empty());
    }
}
