//! Films as numbered image files: `frames/%06d.png`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pegbar_frame::Rational;

use crate::MediaError;
use crate::still::is_image_path;

/// The name of numbered image files: one `%d` or `%06d` in it stands for the number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencePattern {
    path: PathBuf,
    /// The file name around the number.
    before: String,
    after: String,
    /// Least number of digits; shorter numbers have zeros before them.
    n_digits: usize,
}

/// Numbered image files that are there, to be read as a film.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// Their name.
    pub pattern: SequencePattern,
    /// Number of the first.
    pub first: u64,
    /// How many there are; no number is missing.
    pub n_frames: u64,
    /// Frames per second.
    pub frame_rate: Rational,
}

impl SequencePattern {
    /// Reads a path as a pattern; `None` where its file name has no `%d`, or is none of an image. Folders are taken as they
    /// are.
    pub fn parse(path: &Path) -> Option<Self> {
        if !is_image_path(path) {
            return None;
        }
        let name = path.file_name()?.to_str()?;
        let (before, rest) = name.split_once('%')?;
        let (digits, after) = rest.split_once('d')?;
        let is_width =
            digits.is_empty() || (digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()));
        let n_digits = if digits.is_empty() { 1 } else { digits.parse().ok()? };
        (is_width && n_digits <= MOST_DIGITS && !after.contains('%')).then(|| Self {
            path: path.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            n_digits,
        })
    }

    /// As it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a number.
    pub fn file(&self, number: u64) -> PathBuf {
        let Self { before, after, n_digits, .. } = self;
        self.path.with_file_name(format!("{before}{number:0n_digits$}{after}"))
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// The numbers of the files that are there, sorted. None where the folder cannot be read.
    pub fn numbers(&self) -> Vec<u64> {
        let Ok(entries) = std::fs::read_dir(self.folder()) else { return Vec::new() };
        let mut numbers: Vec<u64> =
            entries.flatten().filter_map(|entry| self.number_of(entry.file_name().to_str()?)).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The number in a file name that fits.
    fn number_of(&self, name: &str) -> Option<u64> {
        let digits = name.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        // Numbers longer than asked for have no zeros before them.
        let fits =
            digits.len() == self.n_digits || (digits.len() > self.n_digits && !digits.starts_with('0'));
        if is_number && fits { digits.parse().ok() } else { None }
    }

    /// The pattern as ffmpeg's, which takes every `%` for its own.
    fn ffmpeg_url(&self) -> OsString {
        let mut url = OsString::from("file:");
        match self.folder().to_str() {
            Some(folder) => url.push(folder.replace('%', "%%")),
            None => url.push(self.folder()),
        }
        url.push(std::path::MAIN_SEPARATOR_STR);
        url.push(self.path.file_name().unwrap_or_default());
        url
    }
}

/// ffmpeg's numbers are of 32 bits.
const MOST_DIGITS: usize = 10;

impl Sequence {
    /// Looks which files of a pattern are there.
    ///
    /// # Errors
    /// [`MediaError::Unreadable`] where there are none, or one between them is missing.
    pub fn find(pattern: SequencePattern, frame_rate: Rational) -> Result<Self, MediaError> {
        let numbers = pattern.numbers();
        let Some((&first, &last)) = numbers.first().zip(numbers.last()) else {
            let reason = format!("there is no such file as {}", pattern.file(1).display());
            return Err(MediaError::Unreadable { reason });
        };
        let missing = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1).map(|pair| pair[0] + 1);
        if let Some(missing) = missing {
            let reason = format!(
                "{} is missing between {} and {}: number the images without gaps",
                pattern.file(missing).display(),
                pattern.file(first).display(),
                pattern.file(last).display()
            );
            return Err(MediaError::Unreadable { reason });
        }
        Ok(Self { pattern, first, n_frames: numbers.len() as u64, frame_rate })
    }

    /// Its files, in order.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        (self.first..self.first + self.n_frames).map(|number| self.pattern.file(number))
    }

    /// The arguments of ffmpeg and ffprobe that name the input, `-i` left out.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let rate = format!("{}/{}", self.frame_rate.num, self.frame_rate.den);
        [
            "-f",
            "image2",
            "-pattern_type",
            "sequence",
            "-framerate",
            &rate,
            "-start_number",
            &self.first.to_string(),
        ]
        .map(OsString::from)
        .into()
    }

    /// What ffmpeg is to open.
    pub(crate) fn url(&self) -> OsString {
        self.pattern.ffmpeg_url()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let pattern = SequencePattern::parse(Path::new("a/frame-%04d.png")).unwrap();
        assert_eq!(pattern.file(7), Path::new("a/frame-0007.png"));
        assert_eq!(pattern.file(12345), Path::new("a/frame-12345.png"));
        assert_eq!(pattern.number_of("frame-0007.png"), Some(7));
        for other in [
            "frame-007.png",
            "frame-00007.png",
            "frame-.png",
            "frame-0007.jpg",
            "x-0007.png",
            "frame-+007.png",
        ] {
            assert_eq!(pattern.number_of(other), None, "{other}");
        }
        assert_eq!(SequencePattern::parse(Path::new("%d.jpg")).unwrap().file(10), Path::new("10.jpg"));
        for none in ["a%d/b.png", "100%.png", "%d.mkv", "%x.png", "%6d.png", "%d-%d.png", "%099d.png"] {
            assert_eq!(SequencePattern::parse(Path::new(none)), None, "{none}");
        }
    }

    #[test]
    fn gaps_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let pattern = || SequencePattern::parse(&dir.path().join("%03d.png")).unwrap();
        let rate = Rational::new(24, 1);
        assert!(Sequence::find(pattern(), rate).unwrap_err().to_string().contains("001.png"));
        for n in [3, 4, 6] {
            std::fs::write(pattern().file(n), b"x").unwrap();
        }
        let error = Sequence::find(pattern(), rate).unwrap_err().to_string();
        assert!(error.contains("005.png is missing"), "{error}");
        std::fs::remove_file(pattern().file(6)).unwrap();
        let found = Sequence::find(pattern(), rate).unwrap();
        assert_eq!((found.first, found.n_frames), (3, 2));
    }
}
