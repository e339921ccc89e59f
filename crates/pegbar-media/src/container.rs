//! The files that video can be written to.

use std::fmt;
use std::path::Path;

use crate::MediaError;
use crate::still::is_image_path;

/// A container format for output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// Matroska: holds everything.
    Mkv,
    /// MPEG-4: plays everywhere.
    Mp4,
    /// QuickTime: for editing programs.
    Mov,
    /// WebM: for browsers; AV1 or VP9 with Opus or Vorbis only.
    Webm,
    /// NUT: ffmpeg's own.
    Nut,
    /// GIF, an animation of at most 256 colours.
    Gif,
    /// Animated PNG.
    Apng,
    /// Animated WebP.
    Webp,
}

impl Container {
    /// Every container.
    pub const ALL: [Self; 8] =
        [Self::Mkv, Self::Mp4, Self::Mov, Self::Webm, Self::Nut, Self::Gif, Self::Apng, Self::Webp];

    /// The container that a file name asks for.
    ///
    /// # Errors
    /// [`MediaError::Settings`] says which extensions there are, and why AVI is not among them.
    pub fn from_path(path: &Path) -> Result<Self, MediaError> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        Ok(match extension.as_str() {
            "mkv" | "mk3d" => Self::Mkv,
            "mp4" | "m4v" => Self::Mp4,
            "mov" | "qt" => Self::Mov,
            "webm" => Self::Webm,
            "nut" => Self::Nut,
            "gif" => Self::Gif,
            "apng" => Self::Apng,
            "webp" => Self::Webp,
            _ => return Err(unknown(&extension)),
        })
    }

    /// The extension of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mkv => "mkv",
            Self::Mp4 => "mp4",
            Self::Mov => "mov",
            Self::Webm => "webm",
            Self::Nut => "nut",
            Self::Gif => "gif",
            Self::Apng => "apng",
            Self::Webp => "webp",
        }
    }

    /// ffmpeg's muxer.
    pub(crate) fn muxer(self) -> &'static str {
        match self {
            Self::Mkv => "matroska",
            other => other.extension(),
        }
    }

    /// Whether it is a picture that moves: without sound, repeated by whoever shows it.
    pub fn is_animation(self) -> bool {
        matches!(self, Self::Gif | Self::Apng | Self::Webp)
    }

    /// Whether it is of the QuickTime family.
    pub(crate) fn is_quicktime(self) -> bool {
        matches!(self, Self::Mp4 | Self::Mov)
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ".{}", self.extension())
    }
}

fn unknown(extension: &str) -> MediaError {
    let known = "use .mkv, .mp4, .m4v, .mov, .webm or .nut, or .gif, .apng or .webp for an animation";
    MediaError::Settings(match extension {
        "" => format!(
            "the name of the output has no extension, so it does not say which container to write; {known}"
        ),
        "avi" => format!(".avi cannot hold time stamps, so sound and picture would drift apart; {known}"),
        "mpg" | "mpeg" | "vob" | "ts" | "m2ts" | "flv" | "wmv" | "ogv" | "3gp" | "rm" => {
            format!(".{extension} can be read but is not written; {known}")
        }
        _ if is_image_path(Path::new(&format!("x.{extension}"))) => format!(
            ".{extension} holds one picture: for one file per frame use a name with a number in it, frames/%06d.{extension}; \
             else {known}"
        ),
        _ => format!(".{extension} is no container for video that can be written; {known}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions() {
        for container in Container::ALL {
            let path = format!("a/b.{}", container.extension().to_uppercase());
            assert_eq!(Container::from_path(Path::new(&path)).unwrap(), container);
        }
        for (name, says) in [
            ("x.avi", "time stamps"),
            ("x", "no extension"),
            ("x.txt", ".txt"),
            ("x.ts", "read"),
            ("x.png", "%06d.png"),
        ] {
            let error = Container::from_path(Path::new(name)).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(".mkv"), "{error}");
        }
    }
}
