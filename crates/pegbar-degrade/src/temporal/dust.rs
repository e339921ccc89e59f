//! Dust, dirt and hairs that lie on the film for one frame.

use super::random::Random;
use super::{SEED, TemporalDefect, colour_channels};
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

/// What the defect takes.
pub const PARAMS: &[Param] = &[
    Param::float("spots", "Spots in a frame on average.", "", (0.0, 50.0), 8.0),
    Param::float("hairs", "Hairs in a frame on average.", "", (0.0, 10.0), 0.5),
    Param::float(
        "size",
        "Radius of a large spot, in thousandths of the picture's height.",
        "",
        (1.0, 50.0),
        10.0,
    ),
    Param::float(
        "bright",
        "Share of spots that are bright: dirt on the negative, not on the print.",
        "",
        (0.0, 1.0),
        0.3,
    ),
    Param::float("opacity", "How much of the picture a spot hides.", "", (0.0, 1.0), 0.85),
    SEED,
];

/// Spots and hairs, each seen in one frame.
#[derive(Debug, Clone)]
pub struct Dust {
    /// Spots in a frame on average.
    pub spots: f32,
    /// Hairs in a frame on average.
    pub hairs: f32,
    /// Radius of a large spot in thousandths of the height.
    pub size: f32,
    /// Share of spots that are bright.
    pub bright: f32,
    /// How much of the picture a spot hides, `0.0..=1.0`.
    pub opacity: f32,
    /// Chooses the pattern.
    pub seed: u64,
}

impl Dust {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            spots: values.f32("spots"),
            hairs: values.f32("hairs"),
            size: values.f32("size"),
            bright: values.f32("bright"),
            opacity: values.f32("opacity"),
            seed: values.int("seed") as u64,
        }
    }

    /// How much of the picture is hidden where, row by row, `0.0..=1.0`, and by which tone: what a filter should find.
    pub fn cover(&self, width: usize, height: usize, index: usize) -> Vec<(f32, f32)> {
        let mut cover = vec![(0.0, 0.0); width * height];
        let mut random = Random::new(self.seed, index as u64, 0);
        let largest = (self.size / 1000.0 * height as f32).max(1.0);
        for _ in 0..random.count(self.spots) {
            let tone = self.tone(&mut random);
            let centre = (random.between(0.0, width as f32), random.between(0.0, height as f32));
            // Small ones are more common.
            let radius = largest * random.between(0.25, 1.0).powi(2).max(0.12);
            let lobes: [(f32, f32); 3] =
                std::array::from_fn(|_| (random.between(0.0, 0.25), random.between(0.0, 6.3)));
            let stretch = random.between(0.6, 1.6);
            let soft = random.between(0.4, 1.2);
            draw(&mut cover, width, centre, 2.5 * radius + 2.0, tone, |dx, dy| {
                let (dx, dy) = (dx * stretch, dy / stretch);
                let angle = dy.atan2(dx);
                let edge = lobes.iter().enumerate().map(|(k, (a, p))| a * ((k + 2) as f32 * angle + p).cos());
                self.opacity
                    * ((radius * (1.0 + edge.sum::<f32>()) - dx.hypot(dy)) / soft + 0.5).clamp(0.0, 1.0)
            });
        }
        for _ in 0..random.count(self.hairs) {
            let tone = self.tone(&mut random);
            let (mut x, mut y) = (random.between(0.0, width as f32), random.between(0.0, height as f32));
            let (mut angle, mut bend) = (random.between(0.0, 6.3), 0.0);
            let half_width = random.between(0.5, 1.1);
            for _ in 0..(largest * random.between(4.0, 12.0)) as usize {
                draw(&mut cover, width, (x, y), half_width + 2.0, tone, |dx, dy| {
                    self.opacity * (half_width + 0.5 - dx.hypot(dy)).clamp(0.0, 1.0)
                });
                bend = 0.9 * bend + 0.04 * random.normal();
                angle += bend;
                (x, y) = (x + angle.cos(), y + angle.sin());
            }
        }
        cover
    }

    fn tone(&self, random: &mut Random) -> f32 {
        if random.unit() < self.bright { random.between(0.85, 1.0) } else { random.between(0.0, 0.15) }
    }
}

impl TemporalDefect for Dust {
    fn frame(&self, clip: &[PlanarImage], index: usize) -> PlanarImage {
        let mut out = clip[index].clone();
        let cover = self.cover(out.width, out.height, index);
        for channel in 0..colour_channels(&out) {
            for (v, (opacity, tone)) in out.plane_mut(channel).iter_mut().zip(&cover) {
                *v += opacity * (tone - *v);
            }
        }
        out
    }
}

/// Lays a shape over what is there; the densest wins.
fn draw(
    cover: &mut [(f32, f32)],
    width: usize,
    (x, y): (f32, f32),
    reach: f32,
    tone: f32,
    opacity: impl Fn(f32, f32) -> f32,
) {
    let height = cover.len() / width;
    let span = |centre: f32, n: usize| {
        ((centre - reach).max(0.0) as usize).min(n)..((centre + reach + 1.0).max(0.0) as usize).min(n)
    };
    for row in span(y, height) {
        for column in span(x, width) {
            let o = opacity(column as f32 + 0.5 - x, row as f32 + 0.5 - y);
            let pixel = &mut cover[row * width + column];
            if o > pixel.0 {
                *pixel = (o, tone);
            }
        }
    }
}
