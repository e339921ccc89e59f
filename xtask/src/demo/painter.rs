//! A small painter for flat colours and black outlines: shapes as signed distances, edges smoothed over one pixel.

/// Red, green and blue, 0 to 255.
pub(super) type Rgb = [u8; 3];

/// Width of every outline.
const OUTLINE_PX: f32 = 5.0;
const INK: Rgb = [12, 10, 14];

/// An RGB picture, 8 bits a value, row by row.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pub(super) pixels: Vec<u8>,
}

impl Canvas {
    /// A canvas filled with one colour.
    pub(super) fn new(width: usize, height: usize, colour: Rgb) -> Canvas {
        Canvas { width, height, pixels: colour.repeat(width * height) }
    }

    /// An ellipse, filled and outlined.
    pub(super) fn ellipse(&mut self, centre: (f32, f32), radii: (f32, f32), fill: Rgb) {
        let (x_radius, y_radius) = radii;
        let smaller = x_radius.min(y_radius);
        self.shape(
            (centre.0 - x_radius, centre.1 - y_radius, centre.0 + x_radius, centre.1 + y_radius),
            fill,
            // Exact for a circle; for a flat ellipse close enough to keep its outline even.
            |x, y| {
                let (u, v) = ((x - centre.0) / x_radius, (y - centre.1) / y_radius);
                let length = (u * u + v * v).sqrt();
                let slope = ((u / x_radius).powi(2) + (v / y_radius).powi(2)).sqrt();
                if slope > 0.0 { length * (length - 1.0) / slope } else { -smaller }
            },
        );
    }

    /// A stroke with round ends: a limb, or with a small radius a line of ink.
    pub(super) fn limb(&mut self, from: (f32, f32), to: (f32, f32), radius: f32, fill: Rgb) {
        let bounds = (
            from.0.min(to.0) - radius,
            from.1.min(to.1) - radius,
            from.0.max(to.0) + radius,
            from.1.max(to.1) + radius,
        );
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length_squared = (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
        self.shape(bounds, fill, |x, y| {
            let along = (((x - from.0) * dx + (y - from.1) * dy) / length_squared).clamp(0.0, 1.0);
            (x - from.0 - along * dx).hypot(y - from.1 - along * dy) - radius
        });
    }

    /// Everything below a curve `y = height(x)`, as a hill.
    pub(super) fn below(&mut self, fill: Rgb, height: impl Fn(f32) -> f32) {
        let bounds = (0.0, 0.0, self.width as f32, self.height as f32);
        self.shape(bounds, fill, |x, y| {
            let slope = height(x + 0.5) - height(x - 0.5);
            (height(x) - y) / (1.0 + slope * slope).sqrt()
        });
    }

    /// Paints where `distance` (pixels, negative inside) says, inside `bounds` (left, top, right, bottom).
    fn shape(&mut self, bounds: (f32, f32, f32, f32), fill: Rgb, distance: impl Fn(f32, f32) -> f32) {
        let margin = OUTLINE_PX;
        let first = |from: f32| (from - margin).max(0.0) as usize;
        let last = |to: f32, size: usize| ((to + margin).max(0.0) as usize).min(size);
        for y in first(bounds.1)..last(bounds.3, self.height) {
            for x in first(bounds.0)..last(bounds.2, self.width) {
                let distance = distance(x as f32 + 0.5, y as f32 + 0.5);
                let outline = (0.5 + OUTLINE_PX / 2.0 - distance.abs()).clamp(0.0, 1.0);
                let inside = (0.5 - distance).clamp(0.0, 1.0);
                if outline > 0.0 || inside > 0.0 {
                    let start = 3 * (y * self.width + x);
                    for (channel, value) in self.pixels[start..start + 3].iter_mut().enumerate() {
                        let filled = mix(*value as f32, fill[channel] as f32, inside);
                        *value = mix(filled, INK[channel] as f32, outline).round() as u8;
                    }
                }
            }
        }
    }
}

fn mix(from: f32, to: f32, amount: f32) -> f32 {
    from + (to - from) * amount
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_has_its_colour_inside_ink_on_its_edge_and_nothing_outside() {
        let (paper, red) = ([250, 250, 250], [200, 30, 30]);
        let mut canvas = Canvas::new(64, 64, paper);
        canvas.ellipse((32.0, 32.0), (20.0, 20.0), red);
        let at = |x: usize, y: usize| &canvas.pixels[3 * (y * 64 + x)..][..3];
        assert_eq!(at(32, 32), red);
        assert_eq!(at(52, 32), INK);
        assert_eq!(at(60, 32), paper);
    }
}
