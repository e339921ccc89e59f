//! Animated WebP: what it says about its playback, and its frames, which ffmpeg does not decode.

use std::io::Cursor;
use std::path::Path;

use image::DynamicImage;
use image::codecs::webp::WebPDecoder;
use pegbar_frame::{Colour, Frame, Matrix, PixelFormat, Plane, Range, Rational};

use super::{Playback, shown_ms};
use crate::still::MOST_PIXELS;
use crate::{Container, EncodeSettings, Encoder, MediaError, StreamParams, Tools};

/// Bytes of a frame's head before its picture: place, size, duration, flags.
const FRAME_HEAD: usize = 16;
/// Where the duration of a frame stands in its head, in three bytes.
const DURATION_AT: usize = 12;

/// Time stamps count milliseconds.
const TIME_BASE: Rational = Rational::new(1, 1000);

/// Whether the head of a file is that of an animated WebP.
pub(super) fn is_animated(head: &[u8]) -> bool {
    const ANIMATION: u8 = 2;
    chunks(head)
        .next()
        .is_some_and(|(name, at)| &name == b"VP8X" && head.get(at).is_some_and(|f| f & ANIMATION != 0))
}

/// Reads it; `None` where the file is none.
pub(super) fn playback(bytes: &[u8]) -> Option<Playback> {
    let mut playback = None;
    for (name, at) in chunks(bytes) {
        match (&name, &mut playback) {
            (b"ANIM", None) => {
                let n_plays = u32::from(u16::from_le_bytes(bytes.get(at + 4..at + 6)?.try_into().ok()?));
                playback = Some(Playback { n_plays: (n_plays > 0).then_some(n_plays), last_frame_ms: None });
            }
            (b"ANMF", Some(playback)) => {
                let &[a, b, c] = bytes.get(at + DURATION_AT..at + DURATION_AT + 3)? else { return None };
                playback.last_frame_ms = Some(shown_ms(u32::from_le_bytes([a, b, c, 0])));
            }
            _ => {}
        }
    }
    playback
}

/// Says in a finished file how long its last frame stays; encoders guess.
pub(crate) fn set_last_frame_ms(bytes: &mut [u8], ms: u32) {
    let last = chunks(bytes).filter(|(name, _)| name == b"ANMF").last();
    if let Some((_, at)) = last
        && let Some(duration) = bytes.get_mut(at + DURATION_AT..at + DURATION_AT + 3)
    {
        duration.copy_from_slice(&ms.min(0xff_ffff).to_le_bytes()[..3]);
    }
}

/// Names of the chunks, and where their data begin.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], usize)> {
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    let mut at = if is_webp { 12 } else { bytes.len() };
    std::iter::from_fn(move || {
        let (&[a, b, c, d, sizes @ ..], _) = bytes.get(at..)?.split_first_chunk::<8>()?;
        let start = at + 8;
        let n = u32::from_le_bytes(sizes) as usize;
        // Chunks of odd size have a byte more.
        at = start.saturating_add(n).saturating_add(n & 1);
        Some(([a, b, c, d], start))
    })
}

/// Writes the frames of an animated WebP to a Matroska file without loss, with their time stamps, for ffmpeg to read.
///
/// # Errors
/// [`MediaError::Unreadable`]; [`MediaError::Still`] for a damaged file; those of [`Encoder`].
pub fn unpack_webp(tools: &Tools, path: &Path, output: &Path) -> Result<(), MediaError> {
    let unreadable =
        |e: std::io::Error| MediaError::Unreadable { reason: format!("the file cannot be read: {e}") };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let (mut canvas, has_alpha) = Canvas::of_file(&bytes)?;
    let format = if has_alpha { PixelFormat::GBRAP } else { PixelFormat::GBRP };
    let colour = Colour { matrix: Some(Matrix::Rgb), range: Some(Range::Full), ..Colour::default() };
    let params = StreamParams {
        width: canvas.width,
        height: canvas.height,
        format,
        time_base: TIME_BASE,
        frame_rate: None,
        sar: Rational::new(1, 1),
        colour: colour.clone(),
        hdr: None,
    };
    let settings = EncodeSettings::from_options("ffv1", None, None, None)?;
    let mut encoder = Encoder::create(tools, output, Container::Mkv, &settings, &params, None)?;
    let mut pts = 0;
    for (_, at) in chunks(&bytes).filter(|(name, _)| name == b"ANMF") {
        let ms = canvas.show(&bytes, at)?;
        // Green, blue, red: the order of planes.
        let planes = [1, 2, 0, 3][..format.n_planes()].iter().map(|&c| Plane {
            width: params.width,
            height: params.height,
            data: canvas.pixels.iter().map(|pixel| pixel[c]).collect(),
        });
        encoder.write_frame(&Frame {
            format,
            width: params.width,
            height: params.height,
            planes: planes.collect(),
            pts,
            colour: colour.clone(),
        })?;
        pts += i64::from(shown_ms(ms));
        canvas.dispose();
    }
    encoder.finish().map(drop)
}

fn damaged(what: impl std::fmt::Display) -> MediaError {
    MediaError::Still(format!("this WebP animation is damaged: {what}"))
}

/// What is seen: frames are laid one over the other (WebP container specification, "Assembling the canvas from frames").
struct Canvas {
    width: usize,
    height: usize,
    /// Red, green, blue, opacity.
    pixels: Vec<[u8; 4]>,
    /// What the frame on show leaves behind as nothing.
    disposed: Option<Place>,
}

/// A rectangle on the canvas.
#[derive(Clone, Copy)]
struct Place {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Canvas {
    /// An empty one, and whether it may stay so in parts.
    fn of_file(bytes: &[u8]) -> Result<(Self, bool), MediaError> {
        const ALPHA: u8 = 0x10;
        let head = chunks(bytes).next().and_then(|(_, at)| bytes.get(at..at + 10));
        let &[flags, _, _, _, w0, w1, w2, h0, h1, h2] = head.ok_or_else(|| damaged("it has no head"))? else {
            return Err(damaged("it has no head"));
        };
        let (width, height) = (number([w0, w1, w2]) + 1, number([h0, h1, h2]) + 1);
        let n_pixels = width * height;
        if n_pixels as u64 > MOST_PIXELS {
            return Err(MediaError::Still(format!("this animation is too large: {width}x{height}")));
        }
        let pixels = vec![[0; 4]; n_pixels];
        Ok((Self { width, height, pixels, disposed: None }, flags & ALPHA != 0))
    }

    /// Lays the frame whose head begins at `at` over what is seen; returns for how many milliseconds it stays.
    fn show(&mut self, bytes: &[u8], at: usize) -> Result<u32, MediaError> {
        const DISPOSE: u8 = 1;
        const REPLACE: u8 = 2;
        let head = bytes.get(at..at + FRAME_HEAD).ok_or_else(|| damaged("a frame is cut off"))?;
        let of = |i: usize| number([head[i], head[i + 1], head[i + 2]]);
        let place = Place { left: 2 * of(0), top: 2 * of(3), width: of(6) + 1, height: of(9) + 1 };
        if place.left + place.width > self.width || place.top + place.height > self.height {
            return Err(damaged("a frame leaves the picture"));
        }
        let size = number([bytes[at - 4], bytes[at - 3], bytes[at - 2]]) | usize::from(bytes[at - 1]) << 24;
        let data = bytes
            .get(at + FRAME_HEAD..at.saturating_add(size))
            .ok_or_else(|| damaged("a frame is cut off"))?;
        let file = standalone(data, place);
        let decoder = WebPDecoder::new(Cursor::new(file)).map_err(damaged)?;
        let picture = DynamicImage::from_decoder(decoder).map_err(damaged)?.into_rgba8();
        if (picture.width() as usize, picture.height() as usize) != (place.width, place.height) {
            return Err(damaged("a frame has another size than it says"));
        }
        for (y, row) in picture.as_raw().chunks_exact(4 * place.width).enumerate() {
            let start = (place.top + y) * self.width + place.left;
            for (under, over) in self.pixels[start..].iter_mut().zip(row.chunks_exact(4)) {
                let over = [over[0], over[1], over[2], over[3]];
                *under = if head[15] & REPLACE != 0 { over } else { blended(*under, over) };
            }
        }
        self.disposed = (head[15] & DISPOSE != 0).then_some(place);
        Ok(of(DURATION_AT) as u32)
    }

    /// Makes way for the next frame.
    fn dispose(&mut self) {
        let Some(Place { left, top, width, height }) = self.disposed.take() else { return };
        for row in self.pixels.chunks_exact_mut(self.width).skip(top).take(height) {
            row[left..left + width].fill([0; 4]);
        }
    }
}

/// A pixel over another, colours not multiplied by opacity.
fn blended(under: [u8; 4], over: [u8; 4]) -> [u8; 4] {
    match over[3] {
        255 => over,
        0 => under,
        alpha => {
            // In 255ths of 255ths.
            let (over_share, under_share) =
                (255 * u32::from(alpha), u32::from(under[3]) * (255 - u32::from(alpha)));
            let whole = over_share + under_share;
            let mix = |i: usize| {
                let sum = u32::from(over[i]) * over_share + u32::from(under[i]) * under_share;
                ((sum + whole / 2) / whole) as u8
            };
            [mix(0), mix(1), mix(2), ((whole + 127) / 255) as u8]
        }
    }
}

/// The chunks of one frame as a WebP file of its own.
fn standalone(data: &[u8], place: Place) -> Vec<u8> {
    let mut chunks = Vec::new();
    if data.starts_with(b"ALPH") {
        // Opacity apart from the colours needs the head that says so.
        chunks.extend(b"VP8X\x0a\0\0\0\x10\0\0\0");
        chunks.extend_from_slice(&((place.width - 1) as u32).to_le_bytes()[..3]);
        chunks.extend_from_slice(&((place.height - 1) as u32).to_le_bytes()[..3]);
    }
    chunks.extend_from_slice(data);
    [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunks].concat()
}

fn number([a, b, c]: [u8; 3]) -> usize {
    usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let padding = vec![0; data.len() & 1];
        [&name[..], &(data.len() as u32).to_le_bytes(), data, &padding].concat()
    }

    fn file(plays: u16, durations: &[u32]) -> Vec<u8> {
        let frame = |ms: &u32| {
            let mut head = vec![0; 19];
            head[DURATION_AT..DURATION_AT + 3].copy_from_slice(&ms.to_le_bytes()[..3]);
            chunk(b"ANMF", &head)
        };
        let mut chunks = vec![
            chunk(b"VP8X", &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            chunk(b"ANIM", &[&[0; 4][..], &plays.to_le_bytes()].concat()),
        ];
        chunks.extend(durations.iter().map(frame));
        [&b"RIFF\0\0\0\0WEBP"[..], &chunks.concat()].concat()
    }

    #[test]
    fn pixels_are_laid_over_each_other() {
        let under = [10, 20, 30, 255];
        assert_eq!(blended(under, [1, 2, 3, 255]), [1, 2, 3, 255]);
        assert_eq!(blended(under, [1, 2, 3, 0]), under);
        assert_eq!(blended(under, [210, 20, 30, 51]), [50, 20, 30, 255]);
        assert_eq!(blended([9, 9, 9, 0], [100, 0, 0, 51]), [100, 0, 0, 51]);
    }

    #[test]
    fn frames_that_make_no_sense_are_refused() {
        let mut canvas = Canvas::of_file(&file(0, &[40])).unwrap().0;
        assert_eq!((canvas.width, canvas.height), (1, 1));
        let bytes = file(0, &[40]);
        let (_, at) = chunks(&bytes).last().unwrap();
        assert!(canvas.show(&bytes, at).is_err());
        let mut outside = bytes.clone();
        outside[at] = 1;
        assert!(canvas.show(&outside, at).unwrap_err().to_string().contains("leaves the picture"));
        assert!(canvas.show(&bytes[..at + 5], at).is_err());
    }

    #[test]
    fn plays_and_the_last_delay() {
        let mut bytes = file(0, &[40, 70_000]);
        assert!(is_animated(&bytes));
        assert_eq!(playback(&bytes), Some(Playback { n_plays: None, last_frame_ms: Some(70_000) }));
        set_last_frame_ms(&mut bytes, 500);
        assert_eq!(playback(&bytes), Some(Playback { n_plays: None, last_frame_ms: Some(500) }));
        assert_eq!(playback(&file(4, &[40])).and_then(|p| p.n_plays), Some(4));
        for n in 0..bytes.len() {
            playback(&bytes[..n]);
        }
    }
}
