//! Pictures that move: GIF, animated PNG and animated WebP.

mod gif;
mod png;
mod webp;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub(crate) use webp::set_last_frame_ms;
pub use webp::unpack_webp;

/// How an animation is played, beside its frames and the times at which they begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Playback {
    /// How often it is shown; `None` is for ever.
    pub n_plays: Option<u32>,
    /// How long its last frame stays, in milliseconds. No other time stamp tells.
    pub last_frame_ms: Option<u32>,
}

impl Playback {
    /// For ever, the last frame as long as the others.
    pub const FOREVER: Self = Self { n_plays: None, last_frame_ms: None };

    /// How the file is played; `None` where it is no animation.
    pub fn of_file(path: &Path) -> Option<Self> {
        let kind = Kind::of_file(path)?;
        let bytes = std::fs::read(path).ok()?;
        match kind {
            Kind::Gif => gif::playback(&bytes),
            Kind::Png => png::playback(&bytes),
            Kind::Webp => webp::playback(&bytes),
        }
    }
}

/// Whether an image file holds an animation though its name may be that of a still picture: PNG or WebP.
pub fn is_animated_image(path: &Path) -> bool {
    matches!(Kind::of_file(path), Some(Kind::Png | Kind::Webp))
}

/// Whether a file is an animated WebP, which ffmpeg does not read: [`unpack_webp`].
pub fn is_animated_webp(path: &Path) -> bool {
    Kind::of_file(path) == Some(Kind::Webp)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gif,
    /// With more than one frame, as the next.
    Png,
    Webp,
}

impl Kind {
    fn of_file(path: &Path) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let mut head = Vec::new();
        Read::by_ref(&mut file).take(HEAD_BYTES).read_to_end(&mut head).ok()?;
        if head.starts_with(b"GIF8") {
            Some(Self::Gif)
        } else if head.starts_with(png::SIGNATURE) {
            png::is_animated(&mut file).then_some(Self::Png)
        } else if webp::is_animated(&head) {
            Some(Self::Webp)
        } else {
            None
        }
    }
}

/// Enough to tell formats apart.
const HEAD_BYTES: u64 = 64;

/// A delay as viewers take it: none, or one that no screen could show, is a tenth of a second.
fn shown_ms(ms: u32) -> u32 {
    if ms <= 10 { 100 } else { ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_no_animations() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for content in
            [&b""[..], b"GIF8", b"RIFF", b"\x89PNG\r\n\x1a\n\0\0\0", b"RIFF\0\0\0\0WEBPVP8X", b"hello"]
        {
            std::fs::write(&path, content).unwrap();
            assert_eq!(Playback::of_file(&path), None, "{content:?}");
            assert!(!is_animated_image(&path));
        }
    }
}
