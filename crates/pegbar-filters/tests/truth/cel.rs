//! Drawing of shapes that anti-alias themselves: each is painted by the distance to it, so its edges are one pixel
//! wide at any size.

use pegbar_frame::PlanarImage;

pub type Colour = [f32; 3];

pub const INK: Colour = [0.07, 0.06, 0.09];

/// A picture to draw on, in units of a frame of 360 rows.
pub struct Cel {
    pub image: PlanarImage,
    scale: f32,
    /// How far what is drawn is shifted to the right and down.
    pub pan: [f32; 2],
}

impl Cel {
    pub fn new(width: usize, height: usize) -> Self {
        Self { image: PlanarImage::zeros(3, height, width), scale: height as f32 / 360.0, pan: [0.0; 2] }
    }

    /// How many units wide the picture is.
    pub fn units_across(&self) -> f32 {
        self.image.width as f32 / self.scale
    }

    /// A gentle gradient from top to bottom, with a little of a third colour to the right of the top.
    pub fn sky(&mut self, top: Colour, bottom: Colour, right: Colour) {
        let (w, h) = (self.image.width, self.image.height);
        for c in 0..3 {
            let plane = self.image.plane_mut(c);
            for y in 0..h {
                let v = y as f32 / h as f32;
                let warm = right[c] * (1.0 - v);
                for x in 0..w {
                    plane[y * w + x] = top[c] + (bottom[c] - top[c]) * v + warm * x as f32 / w as f32;
                }
            }
        }
    }

    /// Paints where `distance` (px of this picture, negative inside) is below zero, within the rectangle `x`, `y` in
    /// units.
    fn paint(&mut self, x: [f32; 2], y: [f32; 2], colour: Colour, distance: impl Fn(f32, f32) -> f32) {
        let (w, h, scale) = (self.image.width, self.image.height, self.scale);
        let span = |range: [f32; 2], pan: f32, n: usize| {
            let from = ((range[0] + pan) * scale - 3.0).clamp(0.0, n as f32) as usize;
            from..((range[1] + pan) * scale + 4.0).clamp(0.0, n as f32) as usize
        };
        for row in span(y, self.pan[1], h) {
            for column in span(x, self.pan[0], w) {
                let at =
                    ((column as f32 + 0.5) / scale - self.pan[0], (row as f32 + 0.5) / scale - self.pan[1]);
                let cover = (0.5 - distance(at.0, at.1) * scale).clamp(0.0, 1.0);
                if cover > 0.0 {
                    for (c, paint) in colour.iter().enumerate() {
                        let sample = &mut self.image.data[(c * h + row) * w + column];
                        *sample += (paint - *sample) * cover;
                    }
                }
            }
        }
    }

    pub fn ellipse(&mut self, centre: [f32; 2], radii: [f32; 2], colour: Colour, outline: Option<f32>) {
        let distance = move |grow: f32| {
            move |x: f32, y: f32| {
                let (rx, ry) = (radii[0] + grow, radii[1] + grow);
                let (dx, dy) = (x - centre[0], y - centre[1]);
                let k = ((dx / rx).powi(2) + (dy / ry).powi(2)).sqrt();
                // First order: the level over the length of its gradient.
                let slope = ((dx / (rx * rx)).powi(2) + (dy / (ry * ry)).powi(2)).sqrt();
                if slope > 0.0 { (k - 1.0) * k / slope } else { -rx.min(ry) }
            }
        };
        let reach = outline.unwrap_or(0.0);
        let x = [centre[0] - radii[0] - reach, centre[0] + radii[0] + reach];
        let y = [centre[1] - radii[1] - reach, centre[1] + radii[1] + reach];
        if let Some(width) = outline {
            self.paint(x, y, INK, distance(width));
        }
        self.paint(x, y, colour, distance(0.0));
    }

    pub fn line(&mut self, from: [f32; 2], to: [f32; 2], width: f32, colour: Colour) {
        let x = [from[0].min(to[0]) - width, from[0].max(to[0]) + width];
        let y = [from[1].min(to[1]) - width, from[1].max(to[1]) + width];
        self.paint(x, y, colour, |px, py| segment_distance([px, py], from, to) - width / 2.0);
    }

    /// A convex or concave polygon.
    pub fn polygon(&mut self, corners: &[[f32; 2]], colour: Colour, outline: Option<f32>) {
        let bounds = |axis: usize| {
            let values = || corners.iter().map(|corner| corner[axis]);
            let reach = outline.unwrap_or(0.0);
            [values().fold(f32::MAX, f32::min) - reach, values().fold(f32::MIN, f32::max) + reach]
        };
        let edges = || corners.iter().zip(corners.iter().cycle().skip(1)).take(corners.len());
        let distance = |x: f32, y: f32| {
            let (mut nearest, mut inside) = (f32::MAX, false);
            for (a, b) in edges() {
                nearest = nearest.min(segment_distance([x, y], *a, *b));
                if (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0] {
                    inside = !inside;
                }
            }
            if inside { -nearest } else { nearest }
        };
        let (x, y) = (bounds(0), bounds(1));
        if let Some(width) = outline {
            self.paint(x, y, INK, |px, py| distance(px, py) - width);
        }
        self.paint(x, y, colour, distance);
    }

    /// Everything below a wavy line, with an outline.
    pub fn hill(&mut self, base: f32, swing: f32, frequency: f32, colour: Colour, outline: f32) {
        let units = self.units_across();
        let distance = |x: f32, y: f32| {
            let slope = swing * frequency * (x * frequency).cos();
            (base + swing * (x * frequency).sin() - y) / (1.0 + slope * slope).sqrt()
        };
        let (x, y) = ([-self.pan[0], units - self.pan[0]], [base - swing - 4.0, 360.0 - self.pan[1]]);
        self.paint(x, y, INK, |px, py| distance(px, py) - outline);
        self.paint(x, y, colour, distance);
    }

    /// Text in strokes, `size` high, its top left corner at `x`, `y`.
    #[expect(clippy::too_many_arguments, reason = "a line of text has that many properties")]
    pub fn text(
        &mut self,
        text: &str,
        x: f32,
        y: f32,
        size: f32,
        pen: f32,
        colour: Colour,
        rim: Option<Colour>,
    ) {
        let strokes: Vec<_> = text
            .chars()
            .enumerate()
            .flat_map(|(i, letter)| {
                glyph(letter).iter().map(move |&(x0, y0, x1, y1)| {
                    let at = |gx: u8, gy: u8| {
                        [
                            x + size * 0.8 * i as f32 + size * 0.5 * f32::from(gx) / 2.0,
                            y + size * f32::from(gy) / 4.0,
                        ]
                    };
                    (at(x0, y0), at(x1, y1))
                })
            })
            .collect();
        if let Some(rim) = rim {
            for &(from, to) in &strokes {
                self.line(from, to, pen + 3.0, rim);
            }
        }
        for &(from, to) in &strokes {
            self.line(from, to, pen, colour);
        }
    }
}

fn segment_distance(p: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length = dx * dx + dy * dy;
    let t =
        if length > 0.0 { (((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    ((p[0] - a[0] - t * dx).powi(2) + (p[1] - a[1] - t * dy).powi(2)).sqrt()
}

/// Strokes of a letter on a grid of 2 x 4: `(x0, y0, x1, y1)`.
fn glyph(letter: char) -> &'static [(u8, u8, u8, u8)] {
    match letter {
        'A' => &[(0, 4, 1, 0), (1, 0, 2, 4), (0, 3, 2, 3)],
        'B' => &[(0, 0, 0, 4), (0, 0, 2, 1), (2, 1, 0, 2), (0, 2, 2, 3), (2, 3, 0, 4)],
        'D' => &[(0, 0, 0, 4), (0, 0, 2, 1), (2, 1, 2, 3), (2, 3, 0, 4)],
        'E' => &[(0, 0, 0, 4), (0, 0, 2, 0), (0, 2, 2, 2), (0, 4, 2, 4)],
        'F' => &[(0, 0, 0, 4), (0, 0, 2, 0), (0, 2, 2, 2)],
        'G' => &[(2, 0, 0, 1), (0, 1, 0, 3), (0, 3, 1, 4), (1, 4, 2, 3), (2, 3, 1, 2)],
        'H' => &[(0, 0, 0, 4), (2, 0, 2, 4), (0, 2, 2, 2)],
        'L' => &[(0, 0, 0, 4), (0, 4, 2, 4)],
        'N' => &[(0, 4, 0, 0), (0, 0, 2, 4), (2, 4, 2, 0)],
        'O' => &[(1, 0, 0, 1), (0, 1, 0, 3), (0, 3, 1, 4), (1, 4, 2, 3), (2, 3, 2, 1), (2, 1, 1, 0)],
        'P' => &[(0, 0, 0, 4), (0, 0, 2, 1), (2, 1, 0, 2)],
        'R' => &[(0, 0, 0, 4), (0, 0, 2, 1), (2, 1, 0, 2), (0, 2, 2, 4)],
        'T' => &[(0, 0, 2, 0), (1, 0, 1, 4)],
        '1' => &[(0, 1, 1, 0), (1, 0, 1, 4)],
        '3' => &[(0, 0, 2, 1), (2, 1, 1, 2), (1, 2, 2, 3), (2, 3, 0, 4)],
        '7' => &[(0, 0, 2, 0), (2, 0, 1, 4)],
        '9' => &[(2, 1, 1, 0), (1, 0, 0, 1), (0, 1, 2, 2), (2, 1, 2, 3), (2, 3, 1, 4)],
        _ => &[],
    }
}
