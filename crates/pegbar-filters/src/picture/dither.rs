//! Fewer colours, and patterns that hide it.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::choices::choices;
pub use super::palette::{MAX_COLOURS, Palette};
use super::samples::{n_colours, with_channels};

/// The parameters of [`Dither`].
pub const PARAMS: &[Param] = &[
    Param::choice(
        "colours",
        "Which colours are left; a picture given as palette goes before all.",
        DitherColours::CHOICES,
        "levels",
    ),
    Param::int("levels", "How many levels each channel has, with `colours` levels.", "", (2, 65536), 8),
    Param::int("count", "How many colours the palette has, with `colours` palette.", "", (1, 4096), 32),
    Param::choice("method", "How colours between are made.", DitherMethod::CHOICES, "floyd-steinberg"),
    Param::int("history", "How many errors are remembered, with `method` riemersma.", "px", (2, 256), 16),
    Param::float("strength", "How strong the pattern is.", "%", (0.0, 100.0), 100.0),
];

/// The parameters of [`Quantize`].
pub const QUANTIZE_PARAMS: &[Param] = &[
    Param::choice(
        "colours",
        "Which colours are left; a picture given as palette goes before all.",
        DitherColours::CHOICES,
        "palette",
    ),
    Param::int("levels", "How many levels each channel has, with `colours` levels.", "", (2, 65536), 8),
    Param::int("count", "How many colours the palette has, with `colours` palette.", "", (1, 4096), 16),
];

choices! {
    /// Which colours are left.
    DitherColours {
        Levels = "levels", "Evenly spaced levels of each channel.";
        Palette = "palette", "A palette made from the picture.";
    }
}

choices! {
    /// How colours between those that are left are made.
    DitherMethod {
        None = "none", "Not at all: each sample takes the nearest.";
        Bayer2 = "bayer-2", "Ordered pattern of 2 x 2 pixels.";
        Bayer4 = "bayer-4", "Ordered pattern of 4 x 4 pixels.";
        Bayer8 = "bayer-8", "Ordered pattern of 8 x 8 pixels.";
        Bayer16 = "bayer-16", "Ordered pattern of 16 x 16 pixels.";
        FloydSteinberg = "floyd-steinberg", "Error diffusion of Floyd and Steinberg (1976).";
        Jarvis = "jarvis-judice-ninke", "Error diffusion of Jarvis, Judice and Ninke (1976): smoother.";
        Stucki = "stucki", "Error diffusion of Stucki (1981).";
        Atkinson = "atkinson", "Error diffusion of Atkinson: passes on six eighths, so contrast rises.";
        Burkes = "burkes", "Error diffusion of Burkes (1988).";
        Sierra = "sierra", "Error diffusion of Sierra (1989).";
        TwoRowSierra = "two-row-sierra", "Sierra's with two rows.";
        SierraLite = "sierra-lite", "Sierra's with three pixels.";
        Riemersma = "riemersma", "Along a Hilbert curve, with a memory of past errors.";
    }
}

/// Columns right, rows down, share of the error.
type Share = (isize, usize, f32);

impl DitherMethod {
    fn bayer(self) -> Option<usize> {
        match self {
            Self::Bayer2 => Some(2),
            Self::Bayer4 => Some(4),
            Self::Bayer8 => Some(8),
            Self::Bayer16 => Some(16),
            _ => None,
        }
    }

    /// The divisor of shares, and rows of shares around the pixel: the first holds those to its right, the others
    /// begin as far left as half their length.
    fn shares(self) -> Option<Vec<Share>> {
        let (divisor, right, rows): (f32, &[f32], &[&[f32]]) = match self {
            Self::FloydSteinberg => (16.0, &[7.0], &[&[3.0, 5.0, 1.0]]),
            Self::Jarvis => (48.0, &[7.0, 5.0], &[&[3.0, 5.0, 7.0, 5.0, 3.0], &[1.0, 3.0, 5.0, 3.0, 1.0]]),
            Self::Stucki => (42.0, &[8.0, 4.0], &[&[2.0, 4.0, 8.0, 4.0, 2.0], &[1.0, 2.0, 4.0, 2.0, 1.0]]),
            Self::Atkinson => (8.0, &[1.0, 1.0], &[&[1.0, 1.0, 1.0], &[1.0]]),
            Self::Burkes => (32.0, &[8.0, 4.0], &[&[2.0, 4.0, 8.0, 4.0, 2.0]]),
            Self::Sierra => (32.0, &[5.0, 3.0], &[&[2.0, 4.0, 5.0, 4.0, 2.0], &[2.0, 3.0, 2.0]]),
            Self::TwoRowSierra => (16.0, &[4.0, 3.0], &[&[1.0, 2.0, 3.0, 2.0, 1.0]]),
            Self::SierraLite => (4.0, &[2.0], &[&[1.0, 1.0, 0.0]]),
            _ => return None,
        };
        let mut shares: Vec<Share> =
            right.iter().enumerate().map(|(i, s)| (i as isize + 1, 0, s / divisor)).collect();
        for (y, row) in rows.iter().enumerate() {
            let start = -(row.len() as isize / 2);
            shares.extend(row.iter().enumerate().map(|(i, s)| (start + i as isize, y + 1, s / divisor)));
        }
        shares.retain(|s| s.2 != 0.0);
        Some(shares)
    }
}

/// Leaves few colours, each sample the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantize {
    /// Which colours.
    pub colours: DitherColours,
    /// Levels of each channel.
    pub levels: usize,
    /// Colours of a palette made.
    pub count: usize,
}

impl Quantize {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            colours: DitherColours::of(values, "colours"),
            levels: values.usize("levels"),
            count: values.usize("count"),
        }
    }

    /// Quantises, to the colours of `palette` where one is given.
    pub fn apply(&self, image: &PlanarImage, palette: Option<&PlanarImage>) -> PlanarImage {
        let dither = Dither { quantize: *self, method: DitherMethod::None, history: 2, strength: 1.0 };
        dither.apply(image, palette)
    }
}

/// Leaves few colours and makes those between by patterns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dither {
    /// Which colours are left.
    pub quantize: Quantize,
    /// How those between are made.
    pub method: DitherMethod,
    /// How many errors [`DitherMethod::Riemersma`] remembers.
    pub history: usize,
    /// How strong the pattern is, `0..=1`.
    pub strength: f32,
}

/// What samples are replaced by.
enum Target {
    Levels(f32),
    Palette(Palette),
}

impl Target {
    /// The nearest colour of one (levels) or three channels.
    fn nearest<const N: usize>(&self, colour: [f32; N]) -> [f32; N] {
        match self {
            Self::Levels(steps) => colour.map(|s| (s.clamp(0.0, 1.0) * steps).round() / steps),
            Self::Palette(palette) => {
                let mut rgb = [0.0; 3];
                (0..3).for_each(|c| rgb[c] = colour[c.min(N - 1)]);
                let found = palette.nearest(rgb);
                std::array::from_fn(|c| found[c])
            }
        }
    }

    /// How far apart neighbouring colours are.
    fn step(&self) -> f32 {
        match self {
            Self::Levels(steps) => 1.0 / steps,
            Self::Palette(palette) => 1.0 / (palette.colours().len() as f32).cbrt().max(1.0),
        }
    }
}

impl Dither {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self {
            quantize: Quantize::from_values(values),
            method: DitherMethod::of(values, "method"),
            history: values.usize("history"),
            strength: values.f32("strength") / 100.0,
        }
    }

    /// Dithers, to the colours of `palette` where one is given. With a palette the result has three channels at least.
    pub fn apply(&self, image: &PlanarImage, palette: Option<&PlanarImage>) -> PlanarImage {
        if image.width == 0 || image.height == 0 {
            return image.clone();
        }
        let target = match (palette, self.quantize.colours) {
            (Some(palette), _) => Target::Palette(Palette::of_picture(palette)),
            (None, DitherColours::Palette) => {
                Target::Palette(Palette::median_cut(image, self.quantize.count))
            }
            (None, DitherColours::Levels) => Target::Levels((self.quantize.levels.max(2) - 1) as f32),
        };
        match &target {
            Target::Palette(_) => {
                let mut out = with_channels(image, image.channels.max(3));
                self.planes::<3>(&mut out, 0, &target);
                out
            }
            Target::Levels(_) => {
                let mut out = image.clone();
                for channel in 0..n_colours(image) {
                    self.planes::<1>(&mut out, channel, &target);
                }
                out
            }
        }
    }

    /// Dithers `N` planes from `first` on together.
    fn planes<const N: usize>(&self, out: &mut PlanarImage, first: usize, target: &Target) {
        let n = out.width * out.height;
        let samples = &mut out.data[first * n..(first + N) * n];
        if let Some(size) = self.method.bayer() {
            let pattern = bayer(size);
            let amplitude = target.step() * self.strength;
            for i in 0..n {
                let place = i / out.width % size * size + i % out.width % size;
                let shift = (pattern[place] - 0.5) * amplitude;
                put(samples, n, i, target.nearest(get::<N>(samples, n, i).map(|s| s + shift)));
            }
        } else if let Some(shares) = self.method.shares() {
            self.diffuse::<N>(samples, out.width, &shares, target);
        } else if self.method == DitherMethod::Riemersma {
            self.riemersma::<N>(samples, out.width, target);
        } else {
            (0..n).for_each(|i| put(samples, n, i, target.nearest(get::<N>(samples, n, i))));
        }
    }

    fn diffuse<const N: usize>(&self, samples: &mut [f32], width: usize, shares: &[Share], target: &Target) {
        const MARGIN: usize = 2;
        let n = samples.len() / N;
        let stride = width + 2 * MARGIN;
        // Errors of this row and the two below, rotating.
        let mut errors = vec![[0.0f32; N]; 3 * stride];
        for y in 0..n / width {
            for x in 0..width {
                let i = y * width + x;
                let passed = errors[y % 3 * stride + x + MARGIN];
                let colour = get::<N>(samples, n, i);
                let wanted: [f32; N] = std::array::from_fn(|c| colour[c] + passed[c]);
                let found = target.nearest(wanted);
                // What lies far outside cannot be made up for: an error beyond white or NaN would smear.
                let error: [f32; N] = std::array::from_fn(|c| {
                    let e = (wanted[c] - found[c]) * self.strength;
                    if e.is_finite() { e.clamp(-1.0, 1.0) } else { 0.0 }
                });
                for &(dx, dy, share) in shares {
                    let at = (y + dy) % 3 * stride + (x + MARGIN).wrapping_add_signed(dx);
                    (0..N).for_each(|c| errors[at][c] += error[c] * share);
                }
                put(samples, n, i, found);
            }
            errors[y % 3 * stride..(y % 3 + 1) * stride].fill([0.0; N]);
        }
    }

    /// Riemersma: "A balanced dithering technique" (1998): the last errors count, the older the less, the oldest by
    /// one over their number.
    fn riemersma<const N: usize>(&self, samples: &mut [f32], width: usize, target: &Target) {
        let (n, history) = (samples.len() / N, self.history.max(2));
        let ratio = (1.0 / history as f32).powf(1.0 / (history - 1) as f32);
        let oldest = ratio.powi(history as i32);
        // What all remembered errors weighted come to, kept as a running sum.
        let mut sum = [0.0f32; N];
        let mut past = vec![[0.0f32; N]; history];
        let mut at = 0;
        hilbert(width, n / width, |x, y| {
            let i = y * width + x;
            let colour = get::<N>(samples, n, i);
            let wanted: [f32; N] = std::array::from_fn(|c| colour[c] + sum[c] * self.strength);
            let found = target.nearest(wanted);
            for c in 0..N {
                let error = colour[c] - found[c];
                let error = if error.is_finite() { error.clamp(-1.0, 1.0) } else { 0.0 };
                sum[c] = sum[c] * ratio + error - past[at][c] * oldest;
                past[at][c] = error;
            }
            at = (at + 1) % history;
            put(samples, n, i, found);
        });
    }
}

fn get<const N: usize>(samples: &[f32], n: usize, i: usize) -> [f32; N] {
    std::array::from_fn(|c| samples[c * n + i])
}

fn put<const N: usize>(samples: &mut [f32], n: usize, i: usize, colour: [f32; N]) {
    (0..N).for_each(|c| samples[c * n + i] = colour[c]);
}

/// Bayer's pattern with thresholds evenly between 0 and 1, `size` a power of two.
fn bayer(size: usize) -> Vec<f32> {
    let mut ranks = vec![0usize];
    let mut side = 1;
    while side < size {
        let double = 2 * side;
        let mut next = vec![0; double * double];
        for y in 0..double {
            for x in 0..double {
                let quarter = [[0, 2], [3, 1]][y / side][x / side];
                next[y * double + x] = 4 * ranks[y % side * side + x % side] + quarter;
            }
        }
        (ranks, side) = (next, double);
    }
    let n = ranks.len() as f32;
    ranks.into_iter().map(|r| (r as f32 + 0.5) / n).collect()
}

/// Visits every pixel along the Hilbert curve of the smallest square of a power of two around the picture.
fn hilbert(width: usize, height: usize, mut visit: impl FnMut(usize, usize)) {
    let side = width.max(height).next_power_of_two();
    for step in 0..side * side {
        let (mut x, mut y, mut rest, mut s) = (0, 0, step, 1);
        while s < side {
            let (rx, ry) = ((rest / 2) & 1, (rest ^ (rest / 2)) & 1);
            if ry == 0 {
                if rx == 1 {
                    (x, y) = (s - 1 - x, s - 1 - y);
                }
                (x, y) = (y, x);
            }
            x += s * rx;
            y += s * ry;
            rest /= 4;
            s *= 2;
        }
        if x < width && y < height {
            visit(x, y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn dither(method: DitherMethod, levels: usize) -> Dither {
        let quantize = Quantize { colours: DitherColours::Levels, levels, count: 16 };
        Dither { quantize, method, history: 16, strength: 1.0 }
    }

    #[test]
    fn few_levels_keep_the_mean() {
        let image = PlanarImage { width: 64, height: 64, channels: 1, data: vec![0.3; 4096] };
        for &method in DitherMethod::ALL {
            let out = dither(method, 2).apply(&image, None);
            assert!(out.data.iter().all(|s| *s == 0.0 || *s == 1.0));
            let mean: f32 = out.data.iter().sum::<f32>() / 4096.0;
            let want = if method == DitherMethod::None { 0.0..0.001 } else { 0.22..0.34 };
            assert!(want.contains(&mean), "{method:?} {mean}");
            let shares = method.shares();
            if let Some(shares) = shares {
                let sum: f32 = shares.iter().map(|s| s.2).sum();
                let whole = if method == DitherMethod::Atkinson { 0.75 } else { 1.0 };
                assert!((sum - whole).abs() < 1e-6, "{method:?} {sum}");
            }
            made::keeps_shape_and_alpha(|image| dither(method, 3).apply(image, None));
        }
    }

    #[test]
    fn bayer_by_hand() {
        assert_eq!(bayer(2), [0.125, 0.625, 0.875, 0.375]);
        let mut ranks: Vec<usize> = bayer(16).iter().map(|t| (t * 256.0) as usize).collect();
        ranks.sort_unstable();
        assert_eq!(ranks, (0..256).collect::<Vec<_>>());
    }

    #[test]
    fn floyd_steinberg_by_hand() {
        let image = PlanarImage { width: 2, height: 2, channels: 1, data: vec![0.4, 0.4, 0.4, 0.4] };
        // 0.4 -> 0, passes 0.175 right: 0.575 -> 1, error -0.425. Below: 0.4 + 0.125 - 0.0797 = 0.4453 -> 0.
        let out = dither(DitherMethod::FloydSteinberg, 2).apply(&image, None);
        assert_eq!(out.data, [0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn curve_visits_each_pixel_once() {
        for (w, h) in made::SIZES {
            let mut seen = vec![0; w * h];
            hilbert(w, h, |x, y| seen[y * w + x] += 1);
            assert!(seen.iter().all(|n| *n == 1));
        }
        let mut last = None;
        hilbert(8, 8, |x, y| {
            if let Some((lx, ly)) = last.replace((x, y)) {
                assert_eq!(x.abs_diff(lx) + y.abs_diff(ly), 1);
            }
        });
    }

    #[test]
    fn palettes() {
        let image = made::picture(4, 40, 33);
        let palette =
            PlanarImage { width: 2, height: 1, channels: 3, data: vec![0.0, 1.0, 0.0, 1.0, 0.2, 0.8] };
        for method in
            [DitherMethod::None, DitherMethod::Bayer4, DitherMethod::Atkinson, DitherMethod::Riemersma]
        {
            let out = dither(method, 2).apply(&image, Some(&palette));
            let (r, b) = (out.plane(0), out.plane(2));
            assert!(r.iter().zip(b).all(|(r, b)| (*r, *b) == (0.0, 0.2) || (*r, *b) == (1.0, 0.8)));
            assert_eq!(out.plane(3), image.plane(3));
        }
        let quantize = Quantize::from_values(&ParamValues::defaults(QUANTIZE_PARAMS));
        let out = quantize.apply(&image, None);
        assert!(Palette::of_picture(&out).colours().len() <= 16);
        let error: f32 = out.data.iter().zip(&image.data).map(|(a, b)| (a - b).powi(2)).sum::<f32>()
            / out.data.len() as f32;
        assert!(error < 0.005, "{error}");
    }
}
