//! A drawn cartoon: flat cels with dark outlines over a painted background, with text, thin lines and fine patterns.
//!
//! It is made from distances to shapes, so edges are one pixel wide whatever the size, and nothing depends on a codec or a
//! font. The background pans slowly, the character moves on twos.

use pegbar_frame::PlanarImage;

type Colour = [f32; 3];

const INK: Colour = [0.07, 0.06, 0.09];

/// The frames `0..n` of the cartoon, RGB.
pub fn frames(n: usize, width: usize, height: usize) -> Vec<PlanarImage> {
    (0..n).map(|i| frame(i, width, height)).collect()
}

/// One frame of the cartoon, RGB.
pub fn frame(index: usize, width: usize, height: usize) -> PlanarImage {
    let mut cel = Cel { image: PlanarImage::zeros(3, height, width), scale: height as f32 / 360.0, pan: 0.0 };
    cel.sky();
    cel.pan = -0.6 * index as f32;
    background(&mut cel);
    cel.pan = 0.0;
    character(&mut cel, (index / 2) as f32);
    cel.text("PEGBAR 1937", 24.0, 318.0, 22.0, 2.6, [0.96, 0.93, 0.82], Some(INK));
    cel.text("THE END OF THE REEL", 24.0, 344.0, 9.0, 1.1, [0.93, 0.9, 0.8], None);
    cel.image
}

fn background(cel: &mut Cel) {
    cel.ellipse([520.0, 66.0], [34.0, 34.0], [0.98, 0.88, 0.45], None);
    for (x, y, r) in [(120.0, 60.0, 22.0), (146.0, 52.0, 26.0), (172.0, 62.0, 20.0)] {
        cel.ellipse([x, y], [r, r * 0.8], [0.93, 0.94, 0.96], None);
    }
    cel.hill(230.0, 26.0, 0.011, [0.46, 0.62, 0.44], 1.2);
    cel.hill(268.0, 18.0, 0.019, [0.36, 0.55, 0.33], 1.6);
    // A house with a tiled roof and a window.
    cel.polygon(
        &[[60.0, 160.0], [180.0, 160.0], [180.0, 262.0], [60.0, 262.0]],
        [0.83, 0.71, 0.55],
        Some(1.8),
    );
    cel.polygon(&[[48.0, 162.0], [120.0, 104.0], [192.0, 162.0]], [0.67, 0.25, 0.2], Some(2.0));
    for row in 0..5 {
        let y = 116.0 + 9.0 * row as f32;
        let half = (y - 104.0) * 1.2 - 2.0;
        cel.line([120.0 - half, y], [120.0 + half, y], 0.7, INK);
    }
    cel.polygon(
        &[[84.0, 184.0], [112.0, 184.0], [112.0, 216.0], [84.0, 216.0]],
        [0.55, 0.74, 0.86],
        Some(1.4),
    );
    cel.line([98.0, 184.0], [98.0, 216.0], 1.0, INK);
    cel.line([84.0, 200.0], [112.0, 200.0], 1.0, INK);
    cel.polygon(
        &[[134.0, 200.0], [160.0, 200.0], [160.0, 262.0], [134.0, 262.0]],
        [0.42, 0.26, 0.16],
        Some(1.6),
    );
    // A fence: upright lines that were drawn.
    for post in 0..14 {
        let x = 210.0 + 13.0 * post as f32;
        cel.line([x, 244.0], [x + 1.0, 284.0], 1.3, [0.9, 0.87, 0.78]);
    }
    cel.line([204.0, 254.0], [386.0, 255.5], 1.3, [0.9, 0.87, 0.78]);
    cel.line([204.0, 272.0], [386.0, 273.5], 1.3, [0.9, 0.87, 0.78]);
    // A tree with hatching, and grass.
    cel.line([590.0, 300.0], [586.0, 200.0], 9.0, INK);
    cel.line([590.0, 300.0], [586.0, 200.0], 7.0, [0.38, 0.25, 0.16]);
    for (x, y, r) in [(560.0, 180.0, 30.0), (604.0, 168.0, 34.0), (584.0, 146.0, 30.0)] {
        cel.ellipse([x, y], [r, r], [0.2, 0.43, 0.22], Some(1.4));
    }
    for i in 0..12 {
        let x = 556.0 + 5.0 * i as f32;
        cel.line([x, 176.0], [x + 7.0, 162.0], 0.8, [0.11, 0.27, 0.13]);
    }
    for i in 0..60 {
        let x = -20.0 + 12.0 * i as f32;
        let y = 300.0 + 7.0 * (i as f32 * 1.7).sin();
        cel.line([x, y], [x + 3.0, y - 8.0], 0.8, [0.16, 0.33, 0.14]);
        cel.line([x + 2.0, y], [x + 6.5, y - 6.0], 0.8, [0.16, 0.33, 0.14]);
    }
}

fn character(cel: &mut Cel, step: f32) {
    let (sway, bob) = ((step * 0.35).sin(), (step * 0.7).sin());
    let (x, y) = (420.0 + 14.0 * sway, 150.0 + 3.0 * bob);
    let (fur, face, red) = ([0.55, 0.4, 0.3], [0.95, 0.84, 0.7], [0.82, 0.16, 0.14]);
    // Limbs behind the body.
    for (from, to) in [
        ([x - 30.0, y + 68.0], [x - 66.0, y + 92.0 - 10.0 * sway]),
        ([x + 30.0, y + 68.0], [x + 70.0, y + 52.0 + 16.0 * bob]),
        ([x - 16.0, y + 120.0], [x - 24.0, 312.0]),
        ([x + 16.0, y + 120.0], [x + 26.0, 312.0]),
    ] {
        cel.line(from, to, 15.0, INK);
        cel.line(from, to, 11.5, fur);
        cel.ellipse(to, [12.0, 10.0], [0.97, 0.97, 0.95], Some(1.8));
    }
    cel.ellipse([x, y + 92.0], [38.0, 44.0], fur, Some(2.0));
    cel.ellipse([x, y + 106.0], [36.0, 30.0], red, Some(2.0));
    for side in [-1.0f32, 1.0] {
        cel.ellipse([x + side * 12.0, y + 96.0], [4.0, 4.0], [0.97, 0.9, 0.4], Some(1.2));
        cel.ellipse([x + side * 40.0, y - 34.0], [22.0, 22.0], fur, Some(2.0));
        cel.ellipse([x + side * 40.0, y - 32.0], [12.0, 12.0], [0.86, 0.6, 0.55], Some(1.2));
    }
    cel.ellipse([x, y], [46.0, 42.0], fur, Some(2.2));
    cel.ellipse([x, y + 12.0], [32.0, 26.0], face, Some(1.6));
    for side in [-1.0f32, 1.0] {
        cel.ellipse([x + side * 13.0, y - 8.0], [9.0, 14.0], [0.98, 0.98, 0.98], Some(1.5));
        cel.ellipse([x + side * 11.0, y - 4.0], [4.0, 6.0], INK, None);
        cel.ellipse([x + side * 10.0, y - 7.0], [1.4, 1.8], [0.99, 0.99, 0.99], None);
        for whisker in 0..3 {
            let tilt = (whisker as f32 - 1.0) * 8.0;
            cel.line([x + side * 16.0, y + 15.0], [x + side * 62.0, y + 13.0 + tilt], 0.7, INK);
        }
    }
    cel.ellipse([x, y + 9.0], [8.0, 5.0], INK, None);
    cel.line([x - 14.0, y + 24.0], [x, y + 29.0 + bob], 1.6, INK);
    cel.line([x, y + 29.0 + bob], [x + 14.0, y + 24.0], 1.6, INK);
}

/// A picture to draw on, in units of a frame of 360 rows.
struct Cel {
    image: PlanarImage,
    scale: f32,
    /// How far what is drawn is shifted to the right.
    pan: f32,
}

impl Cel {
    /// A gentle gradient from top to bottom with a little warmth to the right.
    fn sky(&mut self) {
        let (w, h) = (self.image.width, self.image.height);
        let (top, bottom) = ([0.42, 0.6, 0.83], [0.78, 0.82, 0.8]);
        for c in 0..3 {
            let plane = self.image.plane_mut(c);
            for y in 0..h {
                let v = y as f32 / h as f32;
                let warm = [0.05, 0.02, -0.03][c] * (1.0 - v);
                for x in 0..w {
                    plane[y * w + x] = top[c] + (bottom[c] - top[c]) * v + warm * x as f32 / w as f32;
                }
            }
        }
    }

    /// Paints where `distance` (px of this picture, negative inside) is below zero, within the rectangle `x`, `y` in units.
    fn paint(&mut self, x: [f32; 2], y: [f32; 2], colour: Colour, distance: impl Fn(f32, f32) -> f32) {
        let (w, h, scale) = (self.image.width, self.image.height, self.scale);
        let span = |range: [f32; 2], pan: f32, n: usize| {
            let from = ((range[0] + pan) * scale - 3.0).clamp(0.0, n as f32) as usize;
            from..((range[1] + pan) * scale + 4.0).clamp(0.0, n as f32) as usize
        };
        for row in span(y, 0.0, h) {
            for column in span(x, self.pan, w) {
                let at = ((column as f32 + 0.5) / scale - self.pan, (row as f32 + 0.5) / scale);
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

    fn ellipse(&mut self, centre: [f32; 2], radii: [f32; 2], colour: Colour, outline: Option<f32>) {
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

    fn line(&mut self, from: [f32; 2], to: [f32; 2], width: f32, colour: Colour) {
        let x = [from[0].min(to[0]) - width, from[0].max(to[0]) + width];
        let y = [from[1].min(to[1]) - width, from[1].max(to[1]) + width];
        self.paint(x, y, colour, |px, py| segment_distance([px, py], from, to) - width / 2.0);
    }

    /// A convex or concave polygon.
    fn polygon(&mut self, corners: &[[f32; 2]], colour: Colour, outline: Option<f32>) {
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
    fn hill(&mut self, base: f32, swing: f32, frequency: f32, colour: Colour, outline: f32) {
        let units = self.image.width as f32 / self.scale;
        let distance = |x: f32, y: f32| {
            let slope = swing * frequency * (x * frequency).cos();
            (base + swing * (x * frequency).sin() - y) / (1.0 + slope * slope).sqrt()
        };
        let (x, y) = ([-self.pan, units - self.pan], [base - swing - 4.0, 360.0]);
        self.paint(x, y, INK, |px, py| distance(px, py) - outline);
        self.paint(x, y, colour, distance);
    }

    /// Text in strokes, `size` high, its top left corner at `x`, `y`.
    #[expect(clippy::too_many_arguments, reason = "a line of text has that many properties")]
    fn text(&mut self, text: &str, x: f32, y: f32, size: f32, pen: f32, colour: Colour, rim: Option<Colour>) {
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
