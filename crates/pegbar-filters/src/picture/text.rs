//! Writing on pictures: captions beside them and text over them.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, Rgba};

use super::blend::Position;
use super::choices::choices;
use super::error::{PictureError, check_size};
use super::gather::{Fill, window};
use super::morphology::{Shape, extreme};
use super::samples::{colour_samples, with_channels};

/// The parameters of [`Caption`].
pub const CAPTION_PARAMS: &[Param] = &[
    Param::text("text", "What is written; lines that are too long are broken.", ""),
    Param::float("size", "Height of a line.", "px", (4.0, 1000.0), 32.0),
    Param::choice("position", "Where the caption stands.", CaptionPosition::CHOICES, "bottom"),
    Param::choice("align", "Where lines stand in the width of the picture.", Align::CHOICES, "centre"),
    Param::colour("colour", "Colour of the letters.", "#ffffff"),
    Param::colour("background", "Colour behind them.", "#000000"),
];

/// The parameters of [`TextOverlay`].
pub const OVERLAY_PARAMS: &[Param] = &[
    Param::text("text", "What is written; lines that are too long are broken.", ""),
    Param::float("size", "Height of a line.", "px", (4.0, 1000.0), 32.0),
    Param::choice("position", "Where it stands.", Position::CHOICES, "bottom"),
    Param::float(
        "x-percent",
        "Place between the left edge (0) and the right (100), with `position` percent.",
        "%",
        (-100.0, 200.0),
        50.0,
    ),
    Param::float(
        "y-percent",
        "Place between the top edge (0) and the bottom (100), with `position` percent.",
        "%",
        (-100.0, 200.0),
        50.0,
    ),
    Param::int("x", "Distance from the left edge, with `position` pixels.", "px", (-65535, 65535), 0),
    Param::int("y", "Distance from the top edge, with `position` pixels.", "px", (-65535, 65535), 0),
    Param::int("margin", "Distance from the edges.", "px", (0, 1000), 16),
    Param::choice("align", "Where lines stand among each other.", Align::CHOICES, "centre"),
    Param::colour("colour", "Colour of the letters, alpha their opacity.", "#ffffff"),
    Param::int("outline", "Width of a line around the letters.", "px", (0, 50), 2),
    Param::colour("outline-colour", "Its colour.", "#000000"),
    Param::colour("background", "Colour of a box behind the text; transparent for none.", "#00000000"),
];

/// Longest text that is drawn, in characters.
const MAX_CHARACTERS: usize = 10_000;

choices! {
    /// Where a caption stands.
    CaptionPosition {
        Top = "top", "Above the picture.";
        Bottom = "bottom", "Below the picture.";
    }
}

choices! {
    /// Where lines stand.
    Align {
        Left = "left", "At the left.";
        Centre = "centre", "In the middle.";
        Right = "right", "At the right.";
    }
}

impl Align {
    fn share(self) -> f32 {
        match self {
            Self::Left => 0.0,
            Self::Centre => 0.5,
            Self::Right => 1.0,
        }
    }
}

/// Writes above or below a picture, which grows by the height of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Caption {
    /// What is written.
    pub text: String,
    /// Height of a line in pixels.
    pub size_px: f32,
    /// Where.
    pub position: CaptionPosition,
    /// Where lines stand.
    pub align: Align,
    /// Colour of the letters.
    pub colour: Rgba,
    /// Colour behind them.
    pub background: Rgba,
}

impl Caption {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            text: values.text("text").into(),
            size_px: values.f32("size"),
            position: CaptionPosition::of(values, "position"),
            align: Align::of(values, "align"),
            colour: values.colour("colour"),
            background: values.colour("background"),
        }
    }

    /// The size a picture gets.
    ///
    /// # Errors
    /// When the picture has no pixels or the result would be too large.
    pub fn result_size(&self, width: usize, height: usize) -> Result<(usize, usize), PictureError> {
        check_size("caption", width, height)?;
        let size = (width, height + self.bar_px(&self.lettering(width)));
        check_size("caption", size.0, size.1).map(|()| size)
    }

    /// The channels that a picture of so many gets.
    pub fn result_channels(&self, channels: usize) -> usize {
        let coloured = |c: Rgba| c.0[0] != c.0[1] || c.0[1] != c.0[2];
        match channels {
            _ if self.background.0[3] < 1.0 => 4,
            1 if coloured(self.colour) || coloured(self.background) => 3,
            n => n,
        }
    }

    fn margin_px(&self) -> f32 {
        (self.size_px / 4.0).round()
    }

    fn lettering(&self, width: usize) -> Lettering {
        Lettering::new(&self.text, self.size_px, self.align, width as f32 - 2.0 * self.margin_px())
    }

    /// Height of the bar that a text stands in.
    fn bar_px(&self, text: &Lettering) -> usize {
        text.height + 2 * self.margin_px() as usize
    }

    /// The picture with its caption; gray pictures get colour where the caption has any.
    ///
    /// # Errors
    /// When the picture has no pixels or the result would be too large.
    pub fn apply(&self, image: &PlanarImage) -> Result<PlanarImage, PictureError> {
        check_size("caption", image.width, image.height)?;
        let margin = self.margin_px();
        let text = self.lettering(image.width);
        let bar = self.bar_px(&text);
        let height = image.height + bar;
        check_size("caption", image.width, height)?;
        let image = &with_channels(image, self.result_channels(image.channels));
        let (top, bar_start) = match self.position {
            CaptionPosition::Top => (-(bar as isize), 0),
            CaptionPosition::Bottom => (0, image.height),
        };
        let mut out = window(image, (0, top), (image.width, height), Fill::Colour, self.background);
        // In the middle of the bar, with lines where they should stand.
        let left = ((image.width as f32 - text.width as f32) * self.align.share()).round();
        let left = left.clamp(margin.min(left.abs()), f32::MAX);
        paint(
            &mut out,
            &text.coverage,
            text.width,
            (left as isize, bar_start as isize + margin as isize),
            self.colour,
        );
        Ok(out)
    }
}

/// Writes on a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct TextOverlay {
    /// What is written.
    pub text: String,
    /// Height of a line in pixels.
    pub size_px: f32,
    /// Where it stands.
    pub position: Position,
    /// Its place with [`Position::Percent`].
    pub percent: (f64, f64),
    /// Its place with [`Position::Pixels`].
    pub pixels: (i64, i64),
    /// Distance from the edges.
    pub margin_px: usize,
    /// Where lines stand among each other.
    pub align: Align,
    /// Colour of the letters.
    pub colour: Rgba,
    /// Width of the line around them.
    pub outline_px: usize,
    /// Its colour.
    pub outline_colour: Rgba,
    /// Colour of a box behind them.
    pub background: Rgba,
}

impl TextOverlay {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            text: values.text("text").into(),
            size_px: values.f32("size"),
            position: Position::of(values, "position"),
            percent: (values.float("x-percent"), values.float("y-percent")),
            pixels: (values.int("x"), values.int("y")),
            margin_px: values.usize("margin"),
            align: Align::of(values, "align"),
            colour: values.colour("colour"),
            outline_px: values.usize("outline"),
            outline_colour: values.colour("outline-colour"),
            background: values.colour("background"),
        }
    }

    /// The picture with the text on it; what does not fit is cut off. A gray picture stays gray.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        if self.text.trim().is_empty() || image.width == 0 || image.height == 0 {
            return out;
        }
        let room = image.width as f32 - 2.0 * (self.margin_px + self.outline_px) as f32;
        let text = Lettering::new(&self.text, self.size_px, self.align, room);
        // Room around the letters for the outline.
        let edge = self.outline_px;
        let (width, height) = (text.width + 2 * edge, text.height + 2 * edge);
        let mut letters = vec![0.0; width * height];
        for (y, row) in text.coverage.chunks_exact(text.width).enumerate() {
            let start = (y + edge) * width + edge;
            letters[start..start + text.width].copy_from_slice(row);
        }
        let at = self.place(image, width, height);
        if self.background.0[3] > 0.0 {
            paint(&mut out, &vec![1.0; width * height], width, at, self.background);
        }
        if edge > 0 {
            let outline = extreme(&letters, width, Shape::Ellipse, edge, f32::max);
            paint(&mut out, &outline, width, at, self.outline_colour);
        }
        paint(&mut out, &letters, width, at, self.colour);
        out
    }

    fn place(&self, image: &PlanarImage, width: usize, height: usize) -> (isize, isize) {
        let (x, y) = match self.position {
            Position::TopLeft => (0.0, 0.0),
            Position::Top => (50.0, 0.0),
            Position::TopRight => (100.0, 0.0),
            Position::Left => (0.0, 50.0),
            Position::Centre => (50.0, 50.0),
            Position::Right => (100.0, 50.0),
            Position::BottomLeft => (0.0, 100.0),
            Position::Bottom => (50.0, 100.0),
            Position::BottomRight => (100.0, 100.0),
            Position::Percent => self.percent,
            Position::Pixels => return (self.pixels.0 as isize, self.pixels.1 as isize),
        };
        let along = |percent: f64, side: usize, own: usize| {
            let room = side as f64 - own as f64 - 2.0 * self.margin_px as f64;
            (self.margin_px as f64 + percent / 100.0 * room).round() as isize
        };
        (along(x, image.width, width), along(y, image.height, height))
    }
}

/// Text as the share of each pixel that letters cover.
struct Lettering {
    width: usize,
    height: usize,
    coverage: Vec<f32>,
}

impl Lettering {
    /// Draws in Hack, a fixed-width font (MIT and Bitstream Vera licences), breaking lines longer than `room`.
    fn new(text: &str, size_px: f32, align: Align, room: f32) -> Self {
        let Ok(font) = FontRef::try_from_slice(epaint_default_fonts::HACK_REGULAR) else {
            // The font is part of the program and is read in tests.
            return Self { width: 1, height: 1, coverage: vec![0.0] };
        };
        let font = font.as_scaled(PxScale::from(size_px.clamp(1.0, 1000.0)));
        let text: String = text.chars().take(MAX_CHARACTERS).collect();
        let advance = |c: char| font.h_advance(font.glyph_id(c));
        let mut lines: Vec<String> = Vec::new();
        for paragraph in text.replace("\\n", "\n").lines() {
            break_line(paragraph, room.max(advance('m')), &advance, &mut lines);
        }
        let length = |line: &str| line.chars().map(advance).sum::<f32>();
        let widest = lines.iter().map(|l| length(l)).fold(1.0, f32::max);
        let line_height = font.height() + font.line_gap();
        let width = (widest.ceil() as usize).clamp(1, super::error::MAX_SIDE);
        let most_lines = (super::error::MAX_SIDE as f32 / line_height.max(1.0)) as usize;
        let height = ((lines.len().clamp(1, most_lines) as f32 * line_height).ceil() as usize).max(1);
        let mut coverage = vec![0.0f32; width * height];
        for (i, line) in lines.iter().take(most_lines).enumerate() {
            let baseline = i as f32 * line_height + font.ascent();
            let mut x = (widest - length(line)) * align.share();
            for c in line.chars() {
                let glyph: Glyph = font.scaled_glyph(c);
                let id = glyph.id;
                let mut glyph = glyph;
                glyph.position = point(x, baseline);
                if let Some(outline) = font.font.outline_glyph(glyph) {
                    let bounds = outline.px_bounds();
                    outline.draw(|gx, gy, covered| {
                        let (px, py) = (bounds.min.x + gx as f32, bounds.min.y + gy as f32);
                        if px >= 0.0 && py >= 0.0 && (px as usize) < width && (py as usize) < height {
                            let sample = &mut coverage[py as usize * width + px as usize];
                            *sample = (*sample + covered).min(1.0);
                        }
                    });
                }
                x += font.h_advance(id);
            }
        }
        Self { width, height, coverage }
    }
}

/// Breaks at spaces, and within words that are longer than a line.
fn break_line(text: &str, room: f32, advance: &impl Fn(char) -> f32, lines: &mut Vec<String>) {
    let (mut line, mut length) = (String::new(), 0.0);
    for word in text.split_inclusive(' ') {
        let own: f32 = word.trim_end().chars().map(advance).sum();
        if !line.is_empty() && length + own > room {
            lines.push(line.trim_end().to_string());
            (line, length) = (String::new(), 0.0);
        }
        for c in word.chars() {
            if length + advance(c) > room && !c.is_whitespace() && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                length = 0.0;
            }
            line.push(c);
            length += advance(c);
        }
    }
    lines.push(line.trim_end().to_string());
}

/// Lays a colour over a picture where a mask covers it.
fn paint(out: &mut PlanarImage, mask: &[f32], mask_width: usize, (left, top): (isize, isize), colour: Rgba) {
    let (width, height) = (out.width as isize, out.height as isize);
    let samples = colour_samples(colour, out.channels);
    let n = out.width * out.height;
    for (y, row) in mask.chunks_exact(mask_width.max(1)).enumerate() {
        let y = top + y as isize;
        if y < 0 || y >= height {
            continue;
        }
        for (x, covered) in row.iter().enumerate().filter(|(_, m)| **m > 0.0) {
            let x = left + x as isize;
            if x < 0 || x >= width {
                continue;
            }
            let i = (y * width + x) as usize;
            let over = covered * colour.0[3];
            let under = if out.channels == 4 { out.data[3 * n + i] * (1.0 - over) } else { 1.0 - over };
            let whole = (over + under).max(1e-6);
            for (c, sample) in samples.iter().enumerate().take(3) {
                let s = &mut out.data[c * n + i];
                *s = (*s * under + sample * over) / whole;
            }
            if out.channels == 4 {
                out.data[3 * n + i] = over + under;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn letters(text: &str) -> Lettering {
        Lettering::new(text, 40.0, Align::Left, 10_000.0)
    }

    #[test]
    fn letters_have_their_shapes() {
        let ink = |t: &str| letters(t).coverage.iter().sum::<f32>();
        assert!(ink("I") > 50.0 && ink("#") > ink("I") && ink(" ") == 0.0);
        for c in ('!'..='~').chain("äöüßÆéñçøłĞž¿".chars()) {
            assert!(ink(&c.to_string()) > 3.0, "{c} is not drawn");
            if c != '?' && c.is_alphanumeric() {
                assert!(
                    (ink(&c.to_string()) - ink("\u{10ffff}")).abs() > 0.1,
                    "{c} is drawn as a missing letter"
                );
            }
        }
        // An L: a column of ink at the left, a foot below.
        let l = letters("L");
        let column = |x: usize| (0..l.height).map(|y| l.coverage[y * l.width + x]).sum::<f32>();
        let (left, right) = (0..l.width / 2, l.width / 2..l.width);
        let tallest = |r: std::ops::Range<usize>| r.map(column).fold(0.0, f32::max);
        assert!(tallest(left) > 4.0 * tallest(right));
    }

    #[test]
    fn lines_break() {
        let mut lines = Vec::new();
        break_line("one two three", 7.0, &|_| 1.0, &mut lines);
        assert_eq!(lines, ["one two", "three"]);
        lines.clear();
        break_line("abcdefgh i", 3.0, &|_| 1.0, &mut lines);
        assert_eq!(lines, ["abc", "def", "gh", "i"]);
        assert_eq!(letters("a\nb").height, letters("a\\nb").height);
        assert!(letters("a\nb").height > letters("a").height);
    }

    #[test]
    fn captions_stand_beside_the_picture() {
        let image = made::picture(3, 120, 30);
        let mut caption = Caption::from_values(&ParamValues::defaults(CAPTION_PARAMS));
        caption.text = "Reel 3, 1936".into();
        let out = caption.apply(&image).unwrap();
        assert_eq!(out.width, 120);
        assert!(out.height > 30 + 32);
        assert_eq!(out.plane(1)[..120 * 30], image.plane(1)[..]);
        let ink = out.plane(1)[120 * 30..].iter().sum::<f32>();
        assert!(ink > 300.0, "{ink}");
        caption.position = CaptionPosition::Top;
        let out = caption.apply(&image).unwrap();
        assert_eq!(out.plane(1)[120 * (out.height - 30)..], image.plane(1)[..]);
        for (w, h) in made::SIZES {
            for channels in [1, 3, 4] {
                caption.text = "Ünïcode 漢字 text".into();
                let out = caption.apply(&made::picture(channels, w, h)).unwrap();
                assert_eq!((out.channels, out.width), (channels, w));
            }
        }
    }

    #[test]
    fn overlays() {
        let image = PlanarImage { width: 200, height: 80, channels: 3, data: vec![0.5; 48_000] };
        let mut overlay = TextOverlay::from_values(&ParamValues::defaults(OVERLAY_PARAMS));
        assert_eq!(overlay.apply(&image), image);
        overlay.text = "Hello".into();
        for &position in Position::ALL {
            overlay.position = position;
            let out = overlay.apply(&image);
            assert!(out.data.iter().any(|s| *s > 0.99) && out.data.contains(&0.0), "{position:?}");
        }
        overlay.position = Position::BottomRight;
        let out = overlay.apply(&image);
        assert!(out.plane(0)[..200 * 15] == image.plane(0)[..200 * 15]);
        assert!((0..80).all(|y| out.plane(0)[y * 200] == 0.5), "nothing at the left");
        overlay.size_px = 500.0;
        for (w, h) in made::SIZES {
            let image = made::picture(4, w, h);
            assert_eq!(overlay.apply(&image).data.len(), image.data.len());
        }
    }
}
