//! Lays one picture over another.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, Rgba};

use super::choices::choices;
use super::error::{PictureError, check_size};
use super::gather::{Fill, window};
use super::samples::with_channels;

/// The parameters of [`Blend`].
pub const PARAMS: &[Param] = &[
    Param::choice("mode", "How the colours of both pictures make the new one.", BlendMode::CHOICES, "normal"),
    Param::float("opacity", "How much of the upper picture shows.", "%", (0.0, 100.0), 100.0),
    Param::choice("position", "Where the upper picture lies on the lower.", Position::CHOICES, "top-left"),
    Param::float(
        "x-percent",
        "Place between the left edge (0) and the right (100), with `position` percent.",
        "%",
        (-1000.0, 1000.0),
        0.0,
    ),
    Param::float(
        "y-percent",
        "Place between the top edge (0) and the bottom (100), with `position` percent.",
        "%",
        (-1000.0, 1000.0),
        0.0,
    ),
    Param::int("x", "Distance from the left edge, with `position` pixels.", "px", (-65535, 65535), 0),
    Param::int("y", "Distance from the top edge, with `position` pixels.", "px", (-65535, 65535), 0),
    Param::bool("crop", "Keeps the size of the lower picture; otherwise the result holds both whole.", true),
    Param::bool("clip", "Clips the result to 0..1, as most modes expect.", true),
];

choices! {
    /// How two colours make a third.
    BlendMode {
        Normal = "normal", "The upper.";
        Multiply = "multiply", "The product: darkens, white changes nothing.";
        Darken = "darken", "The darker.";
        Lighten = "lighten", "The lighter.";
        Add = "add", "The sum.";
        ColourBurn = "colour-burn", "Darkens the lower and raises its contrast.";
        ColourDodge = "colour-dodge", "Lightens the lower and lowers its contrast.";
        Reflect = "reflect", "Shine: the lower squared, by one minus the upper.";
        Glow = "glow", "Reflect with both exchanged.";
        Overlay = "overlay", "Multiply where the lower is dark, screen where it is light.";
        Difference = "difference", "The distance.";
        Negation = "negation", "One minus the distance of the sum from one.";
        Screen = "screen", "The product of the negatives: lightens, black changes nothing.";
        Xor = "xor", "Bits that differ of both as bytes.";
        Subtract = "subtract", "The lower less the upper.";
        Divide = "divide", "The lower by the upper.";
        Exclusion = "exclusion", "Difference of lower contrast.";
        SoftLight = "soft-light", "Overlay as soft light would.";
        HardLight = "hard-light", "Multiply where the upper is dark, screen where it is light.";
        VividLight = "vivid-light", "Burn where the upper is dark, dodge where it is light.";
        LinearLight = "linear-light", "The lower and twice the upper less one.";
        PinLight = "pin-light", "Darken where the upper is dark, lighten where it is light.";
        LinearBurn = "linear-burn", "The sum less one.";
    }
}

choices! {
    /// Where the upper picture lies.
    Position {
        TopLeft = "top-left", "In the corner at the top left.";
        Top = "top", "In the middle of the top edge.";
        TopRight = "top-right", "In the corner at the top right.";
        Left = "left", "In the middle of the left edge.";
        Centre = "centre", "In the middle.";
        Right = "right", "In the middle of the right edge.";
        BottomLeft = "bottom-left", "In the corner at the bottom left.";
        Bottom = "bottom", "In the middle of the bottom edge.";
        BottomRight = "bottom-right", "In the corner at the bottom right.";
        Percent = "percent", "Where `x-percent` and `y-percent` say.";
        Pixels = "pixels", "Where `x` and `y` say.";
    }
}

impl BlendMode {
    /// The colour that upper and lower make, alpha aside.
    pub fn colour(self, upper: f32, lower: f32) -> f32 {
        let mut out = [0.0];
        self.rows(&[upper], &[lower], &mut out);
        out[0]
    }

    /// `colour` of each pair; one loop for each mode, so that it vectorises.
    fn rows(self, upper: &[f32], lower: &[f32], out: &mut [f32]) {
        fn each(upper: &[f32], lower: &[f32], out: &mut [f32], f: impl Fn(f32, f32) -> f32) {
            for ((out, a), b) in out.iter_mut().zip(upper).zip(lower) {
                *out = f(*a, *b);
            }
        }
        match self {
            Self::Normal => out.copy_from_slice(upper),
            Self::Multiply => each(upper, lower, out, |a, b| a * b),
            Self::Darken => each(upper, lower, out, f32::min),
            Self::Lighten => each(upper, lower, out, f32::max),
            Self::Add => each(upper, lower, out, |a, b| a + b),
            Self::ColourBurn => each(upper, lower, out, burn),
            Self::ColourDodge => each(upper, lower, out, dodge),
            Self::Reflect => each(upper, lower, out, reflect),
            Self::Glow => each(upper, lower, out, |a, b| reflect(b, a)),
            Self::Overlay => {
                each(
                    upper,
                    lower,
                    out,
                    |a, b| {
                        if b < 0.5 { 2.0 * a * b } else { 1.0 - 2.0 * (1.0 - a) * (1.0 - b) }
                    },
                )
            }
            Self::Difference => each(upper, lower, out, |a, b| (a - b).abs()),
            Self::Negation => each(upper, lower, out, |a, b| 1.0 - (1.0 - b - a).abs()),
            Self::Screen => each(upper, lower, out, |a, b| a + b - a * b),
            Self::Xor => each(upper, lower, out, |a, b| {
                let byte = |v: f32| (v * 255.0).round().clamp(0.0, 255.0) as u8;
                f32::from(byte(a) ^ byte(b)) / 255.0
            }),
            Self::Subtract => each(upper, lower, out, |a, b| b - a),
            Self::Divide => each(upper, lower, out, |a, b| b / a.max(LEAST)),
            Self::Exclusion => each(upper, lower, out, |a, b| a * (1.0 - b) + b * (1.0 - a)),
            Self::SoftLight => each(upper, lower, out, |a, b| {
                if a <= 0.5 {
                    2.0 * b * a + b * b * (1.0 - 2.0 * a)
                } else {
                    b.max(0.0).sqrt() * (2.0 * a - 1.0) + 2.0 * b * (1.0 - a)
                }
            }),
            Self::HardLight => each(upper, lower, out, |a, b| {
                if a <= 0.5 { 2.0 * a * b } else { 1.0 - 2.0 * (1.0 - a) * (1.0 - b) }
            }),
            Self::VividLight => {
                each(
                    upper,
                    lower,
                    out,
                    |a, b| {
                        if a <= 0.5 { burn(2.0 * a, b) } else { dodge(2.0 * a - 1.0, b) }
                    },
                )
            }
            Self::LinearLight => each(upper, lower, out, |a, b| b + 2.0 * a - 1.0),
            Self::PinLight => each(upper, lower, out, |a, b| b.min(2.0 * a).max(2.0 * a - 1.0)),
            Self::LinearBurn => each(upper, lower, out, |a, b| a + b - 1.0),
        }
    }
}

/// The least a colour is divided by.
const LEAST: f32 = 1e-4;

fn burn(a: f32, b: f32) -> f32 {
    if a == 0.0 { 0.0 } else { (1.0 - (1.0 - b) / a.max(LEAST)).max(0.0) }
}

fn dodge(a: f32, b: f32) -> f32 {
    if a == 1.0 { 1.0 } else { (b / (1.0 - a).max(LEAST)).min(1.0) }
}

fn reflect(a: f32, b: f32) -> f32 {
    if a == 1.0 { 1.0 } else { (b * b / (1.0 - a).max(LEAST)).min(1.0) }
}

/// Two corners and a size.
type Area = ((isize, isize), (isize, isize), (usize, usize));

/// Lays one picture over another.
#[derive(Debug, Clone, PartialEq)]
pub struct Blend {
    /// How colours meet.
    pub mode: BlendMode,
    /// How much of the upper picture shows, `0..=1`.
    pub opacity: f32,
    /// Where it lies.
    pub position: Position,
    /// Its place with [`Position::Percent`], in percent of the room there is.
    pub percent: (f64, f64),
    /// Its place with [`Position::Pixels`].
    pub pixels: (i64, i64),
    /// Whether the size of the lower picture stays.
    pub crop: bool,
    /// Whether the result is clipped to `0..=1`.
    pub clip: bool,
}

impl Blend {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            mode: BlendMode::of(values, "mode"),
            opacity: values.f32("opacity") / 100.0,
            position: Position::of(values, "position"),
            percent: (values.float("x-percent"), values.float("y-percent")),
            pixels: (values.int("x"), values.int("y")),
            crop: values.bool("crop"),
            clip: values.bool("clip"),
        }
    }

    /// The size of the result for pictures of these sizes (width and height).
    ///
    /// # Errors
    /// When a picture has no pixels or the result would be too large.
    pub fn result_size(
        &self,
        lower: (usize, usize),
        upper: (usize, usize),
    ) -> Result<(usize, usize), PictureError> {
        self.area(lower, upper).map(|(_, _, size)| size)
    }

    /// Blends, both pictures' alpha respected. The result has colour if either has, and alpha if the lower picture
    /// has or the result is larger than it.
    ///
    /// # Errors
    /// When a picture has no pixels or the result would be too large.
    pub fn apply(&self, lower: &PlanarImage, upper: &PlanarImage) -> Result<PlanarImage, PictureError> {
        let ((x, y), (left, top), size) =
            self.area((lower.width, lower.height), (upper.width, upper.height))?;
        let (right, bottom) = (left + size.0 as isize, top + size.1 as isize);
        let clear = Rgba([0.0; 4]);
        let mut base = lower.clone();
        if size != (lower.width, lower.height) {
            base = window(&base, (left, top), size, Fill::Transparent, clear);
        }
        let colours = lower.channels.min(3).max(upper.channels.min(3));
        base = with_channels(&base, if base.channels == 4 { 4 } else { colours });
        let covers =
            x <= left && y <= top && x + upper.width as isize >= right && y + upper.height as isize >= bottom;
        let mut over = with_channels(upper, if !covers || upper.channels == 4 { 4 } else { colours });
        if (x - left, y - top) != (0, 0) || size != (upper.width, upper.height) {
            over = window(&over, (left - x, top - y), size, Fill::Transparent, clear);
        }
        Ok(self.composite(base, &over))
    }

    /// The corner of the upper picture and that of the result, both seen from the corner of the lower picture, and the size of
    /// the result.
    fn area(&self, lower: (usize, usize), upper: (usize, usize)) -> Result<Area, PictureError> {
        const OPERATION: &str = "blend";
        check_size(OPERATION, lower.0, lower.1)?;
        check_size(OPERATION, upper.0, upper.1)?;
        let (x, y) = self.place(lower, upper);
        let (mut left, mut top) = (0, 0);
        let (mut right, mut bottom) = (lower.0 as isize, lower.1 as isize);
        if !self.crop {
            (left, top) = (left.min(x), top.min(y));
            right = right.max(x + upper.0 as isize);
            bottom = bottom.max(y + upper.1 as isize);
        }
        let size = ((right - left) as usize, (bottom - top) as usize);
        check_size(OPERATION, size.0, size.1)?;
        Ok(((x, y), (left, top), size))
    }

    /// The corner of the upper picture, seen from the corner of the lower.
    fn place(&self, lower: (usize, usize), upper: (usize, usize)) -> (isize, isize) {
        let percent = match self.position {
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
        let at = |percent: f64, lower: usize, upper: usize| {
            (percent / 100.0 * (lower as f64 - upper as f64)).round() as isize
        };
        (at(percent.0, lower.0, upper.0), at(percent.1, lower.1, upper.1))
    }

    /// Porter and Duff's "over", with the blended colour where both pictures are.
    fn composite(&self, mut base: PlanarImage, over: &PlanarImage) -> PlanarImage {
        let width = base.width;
        let colours = base.channels.min(3);
        let mut blended = vec![0.0; width];
        for y in 0..base.height {
            let span = y * width..(y + 1) * width;
            let alpha_row = |image: &PlanarImage| -> Option<Vec<f32>> {
                (image.channels == 4).then(|| image.plane(3)[span.clone()].to_vec())
            };
            let over_alpha: Vec<f32> = match alpha_row(over) {
                Some(alpha) => alpha.iter().map(|a| a * self.opacity).collect(),
                None => vec![self.opacity; width],
            };
            let base_alpha = alpha_row(&base);
            for c in 0..colours {
                let upper = &over.plane(if over.channels == 1 { 0 } else { c })[span.clone()];
                let lower = &mut base.plane_mut(c)[span.clone()];
                self.mode.rows(upper, lower, &mut blended);
                match &base_alpha {
                    None => {
                        for ((l, mixed), a) in lower.iter_mut().zip(&blended).zip(&over_alpha) {
                            *l += a * (mixed - *l);
                        }
                    }
                    Some(base_alpha) => {
                        let alphas = over_alpha.iter().zip(base_alpha);
                        for (((l, mixed), u), (oa, ba)) in
                            lower.iter_mut().zip(&blended).zip(upper).zip(alphas)
                        {
                            let both = oa * ba;
                            let sum = (oa - both) * u + (ba - both) * *l + both * mixed;
                            *l = sum / (oa + ba - both).max(LEAST);
                        }
                    }
                }
                if self.clip {
                    lower.iter_mut().for_each(|s| *s = s.clamp(0.0, 1.0));
                }
            }
            if base_alpha.is_some() {
                let alpha = &mut base.plane_mut(3)[span.clone()];
                alpha.iter_mut().zip(&over_alpha).for_each(|(b, o)| *b = 1.0 - (1.0 - *b) * (1.0 - o));
            }
        }
        base
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn blend(mode: BlendMode) -> Blend {
        Blend { mode, ..Blend::from_values(&ParamValues::defaults(PARAMS)) }
    }

    #[test]
    fn formulas_by_hand() {
        // Upper 0.25 and 0.75 over lower 0.6.
        let cases = [
            (BlendMode::Normal, 0.25, 0.75),
            (BlendMode::Multiply, 0.15, 0.45),
            (BlendMode::Darken, 0.25, 0.6),
            (BlendMode::Lighten, 0.6, 0.75),
            (BlendMode::Add, 0.85, 1.35),
            (BlendMode::ColourBurn, 0.0, 0.466_667),
            (BlendMode::ColourDodge, 0.8, 1.0),
            (BlendMode::Reflect, 0.48, 1.0),
            (BlendMode::Glow, 0.156_25, 1.0),
            (BlendMode::Overlay, 0.4, 0.8),
            (BlendMode::Difference, 0.35, 0.15),
            (BlendMode::Negation, 0.85, 0.65),
            (BlendMode::Screen, 0.7, 0.9),
            (BlendMode::Xor, f32::from(64u8 ^ 153) / 255.0, f32::from(191u8 ^ 153) / 255.0),
            (BlendMode::Subtract, 0.35, -0.15),
            (BlendMode::Divide, 2.4, 0.8),
            (BlendMode::Exclusion, 0.55, 0.45),
            (BlendMode::SoftLight, 0.48, 0.687_298),
            (BlendMode::HardLight, 0.3, 0.8),
            (BlendMode::VividLight, 0.2, 1.0),
            (BlendMode::LinearLight, 0.1, 1.1),
            (BlendMode::PinLight, 0.5, 0.6),
            (BlendMode::LinearBurn, -0.15, 0.35),
        ];
        assert_eq!(cases.len(), BlendMode::ALL.len());
        for (mode, dark, light) in cases {
            assert!((mode.colour(0.25, 0.6) - dark).abs() < 1e-5, "{mode:?} {}", mode.colour(0.25, 0.6));
            assert!((mode.colour(0.75, 0.6) - light).abs() < 1e-5, "{mode:?} {}", mode.colour(0.75, 0.6));
        }
    }

    #[test]
    fn alpha_and_opacity() {
        let lower = PlanarImage { width: 1, height: 1, channels: 4, data: vec![1.0, 0.0, 0.0, 0.5] };
        let upper = PlanarImage { width: 1, height: 1, channels: 4, data: vec![0.0, 0.0, 1.0, 0.5] };
        let out = blend(BlendMode::Normal).apply(&lower, &upper).unwrap();
        made::close(&out.data, &[1.0 / 3.0, 0.0, 2.0 / 3.0, 0.75], 1e-6);
        let out = Blend { opacity: 0.0, ..blend(BlendMode::Add) }.apply(&lower, &upper).unwrap();
        made::close(&out.data, &lower.data, 1e-6);
        let gray = made::picture(1, 9, 9);
        let out =
            Blend { opacity: 0.5, ..blend(BlendMode::Normal) }.apply(&gray, &made::picture(3, 9, 9)).unwrap();
        assert_eq!(out.channels, 3);
        made::close(&out.data[..3], &gray.data[..3], 1e-6);
    }

    #[test]
    fn positions() {
        let lower = PlanarImage::zeros(1, 4, 6);
        let upper = PlanarImage { width: 2, height: 2, channels: 1, data: vec![1.0; 4] };
        let at = |position| {
            let out = Blend { position, ..blend(BlendMode::Normal) }.apply(&lower, &upper).unwrap();
            let first = out.data.iter().position(|s| *s == 1.0).unwrap();
            assert_eq!(out.data.iter().sum::<f32>(), 4.0);
            (first % 6, first / 6)
        };
        assert_eq!(at(Position::TopLeft), (0, 0));
        assert_eq!(at(Position::Centre), (2, 1));
        assert_eq!(at(Position::BottomRight), (4, 2));
        assert_eq!(at(Position::Left), (0, 1));
        let outside = Blend { position: Position::Pixels, pixels: (-1, 3), ..blend(BlendMode::Normal) };
        assert_eq!(outside.apply(&lower, &upper).unwrap().data.iter().sum::<f32>(), 1.0);
        let grown = Blend { crop: false, ..outside }.apply(&lower, &upper).unwrap();
        assert_eq!((grown.width, grown.height, grown.channels), (7, 5, 4));
        assert_eq!(grown.plane(0).iter().sum::<f32>(), 4.0);
        assert_eq!(grown.plane(3)[0], 0.0);
    }
}
