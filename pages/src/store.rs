//! The files of the pages: written where they are stale, compared where they are checked.
//!
//! A picture is stale when its pixels are further from those that nodes make now than processors and versions of ffmpeg may
//! differ; within that, the file that is there stays, so that nothing changes without a reason.

use anyhow::{Context, Result};
use pegbar_frame::PlanarImage;
use pegbar_media::still::{self, Format, StillImage, WriteOptions};
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of pictures within that of the pages.
const PICTURES: &str = "pictures";
/// Pictures whose lossless file is larger than this are written with loss.
const MOST_LOSSLESS_BYTES: u64 = 45_000;
const QUALITY: u8 = 88;
/// Mean difference of samples that counts as none, in codes of 8 bits.
const MOST_MEAN: f64 = 1.0;
/// Samples further apart than this, in codes of 8 bits, are off.
const FAR: f64 = 24.0;
/// Share of samples that may be off.
const MOST_OFF: f64 = 0.01;

/// A file that is not what it should be, or was not.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    Missing(PathBuf),
    Stale(PathBuf, String),
    Superfluous(PathBuf),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{}: was not there", path.display()),
            Self::Stale(path, how) => write!(f, "{}: {how}", path.display()),
            Self::Superfluous(path) => write!(f, "{}: belongs to no node", path.display()),
        }
    }
}

/// The folder of pages.
pub(crate) struct Store {
    folder: PathBuf,
    check: bool,
}

impl Store {
    /// Over a folder, which is made where it is not there. To `check` writes nothing.
    pub(crate) fn new(folder: &Path, check: bool) -> Self {
        Self { folder: folder.to_owned(), check }
    }

    /// Puts a text file.
    pub(crate) fn text(&self, name: &str, text: &str) -> Result<Option<Change>> {
        let path = self.folder.join(name);
        let change = match fs::read_to_string(&path) {
            Ok(found) if found.replace("\r\n", "\n") == text => return Ok(None),
            Ok(_) => Change::Stale(path.clone(), "has another text".into()),
            Err(_) => Change::Missing(path.clone()),
        };
        if !self.check {
            self.make_folders()?;
            fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(Some(change))
    }

    /// Puts the picture of a node; its path from the folder of the pages, and what has changed.
    pub(crate) fn picture(&self, id: &str, image: &PlanarImage) -> Result<(String, Option<Change>)> {
        let [lossless, lossy] = picture_names(id);
        let mut change = Change::Missing(self.folder.join(PICTURES).join(&lossless));
        for (name, format) in [(&lossless, Format::Webp), (&lossy, Format::Jpeg)] {
            let path = self.folder.join(PICTURES).join(name);
            if !path.is_file() {
                continue;
            }
            let found = still::read(&path)?.image;
            match difference(&found, &through_file(image, format)?) {
                None => return Ok((format!("{PICTURES}/{name}"), None)),
                Some(how) => change = Change::Stale(path, how),
            }
        }
        let folder = self.folder.join(PICTURES);
        let mut name = &lossless;
        if self.check {
            return Ok((format!("{PICTURES}/{name}"), Some(change)));
        }
        self.make_folders()?;
        write(&folder.join(&lossless), image, Format::Webp)?;
        if fs::metadata(folder.join(&lossless))?.len() > MOST_LOSSLESS_BYTES {
            fs::remove_file(folder.join(&lossless))?;
            write(&folder.join(&lossy), image, Format::Jpeg)?;
            name = &lossy;
        } else if folder.join(&lossy).is_file() {
            fs::remove_file(folder.join(&lossy))?;
        }
        Ok((format!("{PICTURES}/{name}"), Some(change)))
    }

    /// Finds files that belong to no page of these nodes, nor to any picture of theirs.
    pub(crate) fn superfluous(&self, expected: &HashSet<String>) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for within in ["", PICTURES] {
            let folder = self.folder.join(within);
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let name = if within.is_empty() { name } else { format!("{within}/{name}") };
                if path.is_dir() || expected.contains(&name) {
                    continue;
                }
                if !self.check {
                    fs::remove_file(&path)?;
                }
                changes.push(Change::Superfluous(path));
            }
        }
        changes.sort_by_key(ToString::to_string);
        Ok(changes)
    }

    fn make_folders(&self) -> Result<()> {
        let folder = self.folder.join(PICTURES);
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))
    }
}

/// The names that the picture of a node may have: without loss, and with.
fn picture_names(id: &str) -> [String; 2] {
    [format!("{id}.webp"), format!("{id}.jpg")]
}

fn write(path: &Path, image: &PlanarImage, format: Format) -> Result<()> {
    let still = StillImage { image: image.clone(), alpha: None, depth_bits: 8, icc_profile: None };
    still::write(path, &still, &WriteOptions::new(format, QUALITY))?;
    Ok(())
}

/// The picture as a file of a format gives it back.
fn through_file(image: &PlanarImage, format: Format) -> Result<PlanarImage> {
    let folder = tempfile::tempdir().context("a temporary folder cannot be made")?;
    let path = folder.path().join("picture");
    write(&path, image, format)?;
    Ok(still::read(&path)?.image)
}

/// How a picture differs from another, `None` where it hardly does.
fn difference(found: &PlanarImage, made: &PlanarImage) -> Option<String> {
    let size = |image: &PlanarImage| (image.channels, image.height, image.width);
    if size(found) != size(made) {
        let shown = |image: &PlanarImage| format!("{}x{}", image.width, image.height);
        return Some(format!("is {}, and what nodes make is {}", shown(found), shown(made)));
    }
    let differences = found.data.iter().zip(&made.data).map(|(a, b)| f64::from((a - b).abs()) * 255.0);
    let (mut sum, mut n_off) = (0.0, 0usize);
    for difference in differences {
        sum += difference;
        n_off += usize::from(difference > FAR);
    }
    let n = found.data.len().max(1) as f64;
    let (mean, off) = (sum / n, n_off as f64 / n);
    let close = mean <= MOST_MEAN && off <= MOST_OFF;
    (!close).then(|| format!("differs by {mean:.2} codes, and {:.1} % of it by much", off * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(offset: f32) -> PlanarImage {
        let data = (0..3 * 40 * 60).map(|i| (i % 60) as f32 / 80.0 + offset).collect();
        PlanarImage { width: 60, height: 40, channels: 3, data }
    }

    #[test]
    fn pictures_stay_within_tolerance_and_are_found_stale_beyond() {
        let folder = tempfile::tempdir().expect("a folder");
        let writes = Store::new(folder.path(), false);
        let checks = Store::new(folder.path(), true);
        let state = |store: &Store, image: &PlanarImage| store.picture("a.b", image).expect("it works").1;
        assert!(matches!(state(&checks, &picture(0.0)), Some(Change::Missing(_))));
        assert!(!folder.path().join("pictures").exists());
        assert!(matches!(state(&writes, &picture(0.0)), Some(Change::Missing(_))));
        assert_eq!(state(&checks, &picture(0.0)), None);
        assert_eq!(state(&writes, &picture(0.9 / 255.0)), None);
        assert!(matches!(state(&checks, &picture(3.0 / 255.0)), Some(Change::Stale(..))));
        let mut speck = picture(0.0);
        speck.data[..100].fill(1.0);
        assert!(matches!(state(&checks, &speck), Some(Change::Stale(..))));
        assert!(matches!(state(&checks, &PlanarImage::zeros(3, 9, 9)), Some(Change::Stale(..))));
        assert!(state(&writes, &speck).is_some());
        assert_eq!(state(&checks, &speck), None);
    }

    #[test]
    fn files_of_no_node_are_found_and_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path(), false);
        store.text("README.md", "a\n").expect("it works");
        store.picture("old.node", &picture(0.0)).expect("it works");
        let expected = HashSet::from(["README.md".to_owned()]);
        let found = Store::new(folder.path(), true).superfluous(&expected).expect("it works");
        assert_eq!(found, [Change::Superfluous(folder.path().join("pictures/old.node.webp"))]);
        store.superfluous(&expected).expect("it works");
        assert_eq!(store.superfluous(&expected).expect("it works"), []);
        assert_eq!(store.text("README.md", "a\n").expect("it works"), None);
        assert!(store.text("README.md", "b\n").expect("it works").is_some());
    }
}
