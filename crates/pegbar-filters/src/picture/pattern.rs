//! Pictures made from nothing: a colour, squares, gradients, test patterns.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, Rgba};

use super::choices::choices;
use super::error::{PictureError, check_size};
use super::grayscale::{colour_at, parse_stops};

const WIDTH: Param = Param::int("width", "Width.", "px", (1, 65535), 720);
const HEIGHT: Param = Param::int("height", "Height.", "px", (1, 65535), 480);

/// The parameters of [`SolidColour`].
pub const SOLID_PARAMS: &[Param] =
    &[WIDTH, HEIGHT, Param::colour("colour", "The colour; with alpha where it is not opaque.", "#808080")];

/// The parameters of [`Checkerboard`].
pub const CHECKERBOARD_PARAMS: &[Param] = &[
    WIDTH,
    HEIGHT,
    Param::int("cell", "Side of a square.", "px", (1, 4096), 32),
    Param::colour("colour-1", "Colour of the square at the top left.", "#ffffff"),
    Param::colour("colour-2", "Colour of the others.", "#000000"),
];

/// The parameters of [`Gradient`].
pub const GRADIENT_PARAMS: &[Param] = &[
    WIDTH,
    HEIGHT,
    Param::choice("kind", "The way colours run.", GradientKind::CHOICES, "linear"),
    Param::float(
        "angle",
        "Direction they run in, clockwise from the right; where a conic one begins.",
        "degrees",
        (-360.0, 360.0),
        0.0,
    ),
    Param::text(
        "colours",
        "Colours, evenly spaced or as `place:#rrggbb` with places between 0 and 1, separated by spaces.",
        "#000000 #ffffff",
    ),
];

/// The parameters of [`TestPattern`].
pub const TEST_PATTERN_PARAMS: &[Param] =
    &[WIDTH, HEIGHT, Param::choice("kind", "The pattern.", TestPatternKind::CHOICES, "bars")];

choices! {
    /// The way the colours of a gradient run.
    GradientKind {
        Linear = "linear", "Along a line.";
        Radial = "radial", "From the middle to the corners.";
        Conic = "conic", "Around the middle.";
    }
}

choices! {
    /// A test pattern.
    TestPatternKind {
        Bars = "bars", "Colour bars of 75 %, white to blue, over a ramp from black to white.";
        ZonePlate = "zone-plate", "Rings ever finer up to the limit at the corners: shows aliasing.";
        Ramps = "ramps", "Ramps of gray, red, green and blue: shows banding.";
        Lines = "lines", "Lines of 1, 2, 4 and 8 pixels, upright and level: shows sharpness.";
    }
}

/// A picture of one colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SolidColour {
    /// Width and height.
    pub size: (usize, usize),
    /// The colour.
    pub colour: Rgba,
}

impl SolidColour {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { size: size(values), colour: values.colour("colour") }
    }

    /// The picture; it has alpha where the colour is not opaque.
    ///
    /// # Errors
    /// When it would be too large.
    pub fn make(&self) -> Result<PlanarImage, PictureError> {
        let colour = self.colour.0;
        make("solid-colour", self.size, channels_of(&[self.colour]), |_, _| colour)
    }
}

/// Squares in two colours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Checkerboard {
    /// Width and height.
    pub size: (usize, usize),
    /// Side of a square.
    pub cell_px: usize,
    /// Their colours.
    pub colours: [Rgba; 2],
}

impl Checkerboard {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            size: size(values),
            cell_px: values.usize("cell"),
            colours: ["colour-1", "colour-2"].map(|id| values.colour(id)),
        }
    }

    /// The picture; it has alpha where a colour is not opaque.
    ///
    /// # Errors
    /// When it would be too large.
    pub fn make(&self) -> Result<PlanarImage, PictureError> {
        let cell = self.cell_px.max(1);
        let colour = |x: usize, y: usize| self.colours[(x / cell + y / cell) % 2].0;
        make("checkerboard", self.size, channels_of(&self.colours), colour)
    }
}

/// Colours that run into each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradient {
    /// Width and height.
    pub size: (usize, usize),
    /// The way they run.
    pub kind: GradientKind,
    /// Degrees clockwise from the right.
    pub angle: f32,
    /// Places from 0 to 1, rising, and their colours.
    pub stops: Vec<(f32, [f32; 3])>,
}

impl Gradient {
    /// Reads the settings.
    ///
    /// # Errors
    /// When the colours cannot be read.
    pub fn from_values(values: &ParamValues) -> Result<Self, PictureError> {
        let text = values.text("colours");
        let stops = parse_stops(text).ok_or_else(|| PictureError::Text {
            operation: "gradient",
            param: "colours",
            text: text.into(),
            expected: "colours #rrggbb or place:#rrggbb, separated by spaces, places rising from 0 to 1",
        })?;
        Ok(Self {
            size: size(values),
            kind: GradientKind::of(values, "kind"),
            angle: values.f32("angle"),
            stops,
        })
    }

    /// The picture, of three channels.
    ///
    /// # Errors
    /// When it would be too large.
    pub fn make(&self) -> Result<PlanarImage, PictureError> {
        let (width, height) = (self.size.0 as f32, self.size.1 as f32);
        let (sin, cos) = self.angle.to_radians().sin_cos();
        // From the first pixel's middle to the last's along the direction.
        let reach = ((width - 1.0) * cos.abs() + (height - 1.0) * sin.abs()).max(1e-6);
        let corner = (width - 1.0).hypot(height - 1.0).max(1e-6) / 2.0;
        make("gradient", self.size, 3, |x, y| {
            let (dx, dy) = (x as f32 - (width - 1.0) / 2.0, y as f32 - (height - 1.0) / 2.0);
            let place = match self.kind {
                GradientKind::Linear => (dx * cos + dy * sin) / reach + 0.5,
                GradientKind::Radial => dx.hypot(dy) / corner,
                GradientKind::Conic => ((dy.atan2(dx).to_degrees() - self.angle) / 360.0).rem_euclid(1.0),
            };
            let [r, g, b] = colour_at(&self.stops, place);
            [r, g, b, 1.0]
        })
    }
}

/// A pattern to look at what a chain does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestPattern {
    /// Width and height.
    pub size: (usize, usize),
    /// Which.
    pub kind: TestPatternKind,
}

impl TestPattern {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { size: size(values), kind: TestPatternKind::of(values, "kind") }
    }

    /// The picture, of three channels.
    ///
    /// # Errors
    /// When it would be too large.
    pub fn make(&self) -> Result<PlanarImage, PictureError> {
        let (width, height) = self.size;
        let along = |i: usize, n: usize| i as f32 / (n.max(2) - 1) as f32;
        make("test-pattern", self.size, 3, |x, y| match self.kind {
            TestPatternKind::Bars if 4 * y < 3 * height => {
                // White, yellow, cyan, green, magenta, red, blue: bits of what is missing.
                let missing = x * 7 / width;
                let on = |bit: usize| if missing & bit == 0 { 0.75 } else { 0.0 };
                [on(2), on(4), on(1), 1.0]
            }
            TestPatternKind::Bars => gray(along(x, width)),
            TestPatternKind::ZonePlate => {
                let (dx, dy) = (x as f32 - width as f32 / 2.0, y as f32 - height as f32 / 2.0);
                // The frequency rises in a line to half a cycle a pixel at the corner.
                let corner = (width as f32).hypot(height as f32) / 2.0;
                let phase = std::f32::consts::PI * (dx * dx + dy * dy) / (2.0 * corner);
                gray(0.5 + 0.5 * phase.cos())
            }
            TestPatternKind::Ramps => {
                let v = along(x, width);
                match 4 * y / height {
                    0 => gray(v),
                    1 => [v, 0.0, 0.0, 1.0],
                    2 => [0.0, v, 0.0, 1.0],
                    _ => [0.0, 0.0, v, 1.0],
                }
            }
            TestPatternKind::Lines => {
                let thick = 1 << (4 * x / width);
                let along = if 2 * y < height { x } else { y };
                gray((along / thick % 2) as f32)
            }
        })
    }
}

fn size(values: &ParamValues) -> (usize, usize) {
    (values.usize(WIDTH.id), values.usize(HEIGHT.id))
}

fn gray(v: f32) -> [f32; 4] {
    [v, v, v, 1.0]
}

fn channels_of(colours: &[Rgba]) -> usize {
    if colours.iter().any(|c| c.0[3] < 1.0) { 4 } else { 3 }
}

fn make(
    operation: &'static str,
    (width, height): (usize, usize),
    channels: usize,
    colour: impl Fn(usize, usize) -> [f32; 4],
) -> Result<PlanarImage, PictureError> {
    check_size(operation, width, height)?;
    let mut out = PlanarImage::zeros(channels, height, width);
    let n = width * height;
    for i in 0..n {
        let colour = colour(i % width, i / width);
        (0..channels).for_each(|c| out.data[c * n + i] = colour[c]);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn patterns() {
        let board =
            Checkerboard { size: (5, 3), cell_px: 2, colours: [Rgba([1.0; 4]), Rgba([0.0, 0.0, 0.0, 1.0])] };
        let out = board.make().unwrap();
        assert_eq!(out.plane(2), [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
        let solid = SolidColour { size: (2, 1), colour: Rgba([0.1, 0.2, 0.3, 0.5]) };
        assert_eq!(solid.make().unwrap().data, [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.5, 0.5]);
        let bars = TestPattern { size: (70, 40), kind: TestPatternKind::Bars }.make().unwrap();
        let colour = |x: usize| [0, 1, 2].map(|c| bars.plane(c)[x]);
        assert_eq!(colour(5), [0.75; 3]);
        assert_eq!(colour(15), [0.75, 0.75, 0.0]);
        assert_eq!(colour(55), [0.75, 0.0, 0.0]);
        assert_eq!(colour(65), [0.0, 0.0, 0.75]);
        for &kind in TestPatternKind::ALL {
            for size in made::SIZES {
                let out = TestPattern { size, kind }.make().unwrap();
                assert!(out.data.iter().all(|s| (0.0..=1.0).contains(s)), "{kind:?}");
            }
        }
        let huge = TestPattern { size: (65_535, 65_535), kind: TestPatternKind::Bars };
        assert!(matches!(huge.make(), Err(PictureError::TooLarge { .. })));
    }

    #[test]
    fn gradients() {
        let mut gradient = Gradient::from_values(&ParamValues::defaults(GRADIENT_PARAMS)).unwrap();
        gradient.size = (5, 3);
        made::close(&gradient.make().unwrap().plane(0)[..5], &[0.0, 0.25, 0.5, 0.75, 1.0], 1e-6);
        gradient.angle = 90.0;
        made::close(&gradient.make().unwrap().plane(0)[5..10], &[0.5; 5], 1e-6);
        gradient.kind = GradientKind::Radial;
        let radial = gradient.make().unwrap();
        assert!(radial.data[0] > 0.999 && radial.data[7] == 0.0);
        gradient.kind = GradientKind::Conic;
        gradient.angle = 0.0;
        let conic = gradient.make().unwrap();
        assert!(
            (conic.data[5] - 0.5).abs() < 1e-5
                && conic.data[9] == 0.0
                && (conic.data[12] - 0.25).abs() < 1e-5
        );
    }
}
