//! Dot crawl and rainbows: the picture goes through an NTSC composite signal and a simple decoder.
//!
//! The signal is sampled at four times the colour subcarrier. The carrier begins each line of a field, and each frame, half a
//! cycle later, as 227.5 cycles to a line and 525 lines to a frame give it; so what the decoder leaves of colour in the luma
//! crawls, and what it takes of fine luma for colour flickers. SMPTE 170M.

use super::{TemporalDefect, colour_channels};
use pegbar_frame::PlanarImage;
use pegbar_params::{Choice, Param, ParamValues};

/// What the defect takes.
pub const PARAMS: &[Param] = &[
    Param::float(
        "cycles",
        "Cycles of the subcarrier across the picture; 190.9 are in the 53.3 us that 720 samples of a line take.",
        "",
        (20.0, 2000.0),
        190.9,
    ),
    Param::choice(
        "decoder",
        "How luma and colour are separated.",
        &[
            Choice { id: "notch", doc: "By a narrow filter within the line, as cheap receivers do." },
            Choice { id: "comb", doc: "By the line before in the same field, as better ones do." },
        ],
        "notch",
    ),
];

/// How luma and colour are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoder {
    /// By a narrow filter within the line.
    Notch,
    /// By the difference to the line before in the same field.
    Comb,
}

/// A trip through a composite signal.
#[derive(Debug, Clone)]
pub struct Composite {
    /// Cycles of the subcarrier across the picture.
    pub cycles: f32,
    /// How luma and colour are separated.
    pub decoder: Decoder,
}

impl Composite {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        let decoder = if values.text("decoder") == "comb" { Decoder::Comb } else { Decoder::Notch };
        Self { cycles: values.f32("cycles"), decoder }
    }
}

impl TemporalDefect for Composite {
    fn frame(&self, clip: &[PlanarImage], index: usize) -> PlanarImage {
        let mut out = clip[index].clone();
        if colour_channels(&out) < 3 {
            // Gray has no colour to be mistaken for luma, but its fine detail is lost in the notch all the same.
            out = PlanarImage { channels: 3, data: out.plane(0).repeat(3), ..out };
        }
        let (width, height) = (out.width, out.height);
        let samples = ((4.0 * self.cycles).round() as usize).max(8);
        let signals: Vec<Vec<f32>> = (0..height)
            .map(|y| {
                let line: Vec<[f32; 3]> =
                    (0..width).map(|x| yiq([0, 1, 2].map(|c| out.plane(c)[y * width + x]))).collect();
                encode(&stretched(&line, samples), phase(y, index))
            })
            .collect();
        for y in 0..height {
            let before = y.checked_sub(2).map(|before| &signals[before]);
            let decoded =
                decode(&signals[y], before.filter(|_| self.decoder == Decoder::Comb), phase(y, index));
            for (x, sample) in stretched(&decoded, width).into_iter().enumerate() {
                for (c, v) in rgb(sample).into_iter().enumerate() {
                    out.plane_mut(c)[y * width + x] = v;
                }
            }
        }
        if colour_channels(&clip[index]) < 3 {
            let n = width * height;
            let mut gray = clip[index].clone();
            for i in 0..n {
                gray.data[i] = 0.299 * out.data[i] + 0.587 * out.data[n + i] + 0.114 * out.data[2 * n + i];
            }
            return gray;
        }
        out
    }
}

/// Whether a line of a frame begins with the opposite phase: lines of the second field are scanned 263 lines later.
fn phase(y: usize, index: usize) -> bool {
    (y / 2 + 263 * (y % 2) + 525 * index) % 2 == 1
}

fn yiq([r, g, b]: [f32; 3]) -> [f32; 3] {
    [
        0.299 * r + 0.587 * g + 0.114 * b,
        0.5959 * r - 0.2746 * g - 0.3213 * b,
        0.2115 * r - 0.5227 * g + 0.3112 * b,
    ]
}

fn rgb([y, i, q]: [f32; 3]) -> [f32; 3] {
    [y + 0.956 * i + 0.619 * q, y - 0.272 * i - 0.647 * q, y - 1.106 * i + 1.703 * q]
}

/// A line at another number of samples, by cubic interpolation.
fn stretched(line: &[[f32; 3]], samples: usize) -> Vec<[f32; 3]> {
    let last = line.len() as isize - 1;
    let ratio = line.len() as f32 / samples as f32;
    (0..samples)
        .map(|i| {
            let at = (i as f32 + 0.5) * ratio - 0.5;
            let (whole, f) = (at.floor() as isize, at - at.floor());
            let sample = |k: isize, c: usize| line[(whole + k).clamp(0, last) as usize][c];
            std::array::from_fn(|ch| {
                let [a, b, c, d] = [-1, 0, 1, 2].map(|k| sample(k, ch));
                b + 0.5 * f * (c - a + f * (2.0 * a - 5.0 * b + 4.0 * c - d + f * (3.0 * (b - c) + d - a)))
            })
        })
        .collect()
}

/// Cosine and sine of the carrier at four samples to the cycle.
fn carrier(i: usize, opposite: bool) -> (f32, f32) {
    let sign = if opposite { -1.0 } else { 1.0 };
    match i % 4 {
        0 => (sign, 0.0),
        1 => (0.0, sign),
        2 => (-sign, 0.0),
        _ => (0.0, -sign),
    }
}

/// Luma plus colour on the carrier; colour is limited to 1.3 MHz first, as it is on air.
fn encode(line: &[[f32; 3]], opposite: bool) -> Vec<f32> {
    let colour = |c: usize| low_pass(&line.iter().map(|s| s[c]).collect::<Vec<_>>(), 1.3 / 3.58 / 4.0);
    let (i, q) = (colour(1), colour(2));
    let sample = |x: usize| {
        let (cos, sin) = carrier(x, opposite);
        line[x][0] + i[x] * cos + q[x] * sin
    };
    (0..line.len()).map(sample).collect()
}

fn decode(signal: &[f32], before: Option<&Vec<f32>>, opposite: bool) -> Vec<[f32; 3]> {
    let band: Vec<f32> = match before {
        // Neighbouring lines of a field carry the colour with opposite signs, and about the same luma.
        Some(before) => band_pass(&signal.iter().zip(before).map(|(a, b)| 0.5 * (a - b)).collect::<Vec<_>>()),
        None => band_pass(signal),
    };
    let demodulated = |quadrature: bool| {
        let product: Vec<f32> = (0..band.len())
            .map(|x| {
                let (cos, sin) = carrier(x, opposite);
                2.0 * band[x] * if quadrature { sin } else { cos }
            })
            .collect();
        low_pass(&product, 1.0 / 3.58 / 4.0)
    };
    let (i, q) = (demodulated(false), demodulated(true));
    (0..signal.len()).map(|x| [signal[x] - band[x], i[x], q[x]]).collect()
}

/// Luma and colour around the carrier, about 1 MHz to each side: one at the carrier, zero at rest.
fn band_pass(signal: &[f32]) -> Vec<f32> {
    let carrier = |n: isize| [1.0, 0.0, -1.0, 0.0][n.rem_euclid(4) as usize];
    let mut taps = windowed(|n| sinc(n, 1.0 / 3.58 / 4.0) * carrier(n));
    let gain: f32 = taps.iter().zip(-HALF_TAPS..).map(|(t, n)| t * carrier(n)).sum();
    taps.iter_mut().for_each(|t| *t /= gain);
    // What is left at rest goes out of the taps between the carrier's peaks, which do not see the carrier.
    let rest: f32 = taps.iter().sum();
    let between = |n: isize| n.rem_euclid(2) == 1;
    let share: f32 = (-HALF_TAPS..=HALF_TAPS).filter(|&n| between(n)).map(hann).sum();
    for (t, n) in taps.iter_mut().zip(-HALF_TAPS..) {
        if between(n) {
            *t -= rest * hann(n) / share;
        }
    }
    filtered(signal, &taps)
}

/// Frequencies below `cutoff` cycles per sample.
fn low_pass(signal: &[f32], cutoff: f32) -> Vec<f32> {
    let mut taps = windowed(|n| sinc(n, cutoff));
    let sum: f32 = taps.iter().sum();
    taps.iter_mut().for_each(|t| *t /= sum);
    filtered(signal, &taps)
}

const HALF_TAPS: isize = 8;

fn sinc(n: isize, cutoff: f32) -> f32 {
    if n == 0 {
        return 2.0 * cutoff;
    }
    let x = std::f32::consts::PI * n as f32;
    (2.0 * cutoff * x).sin() / x
}

/// Taps under a Hann window.
fn windowed(tap: impl Fn(isize) -> f32) -> Vec<f32> {
    (-HALF_TAPS..=HALF_TAPS).map(|n| tap(n) * hann(n)).collect()
}

fn hann(n: isize) -> f32 {
    0.5 + 0.5 * (std::f32::consts::PI * n as f32 / (HALF_TAPS + 1) as f32).cos()
}

/// Convolution; the ends of the line are repeated in whole cycles of the carrier.
fn filtered(signal: &[f32], taps: &[f32]) -> Vec<f32> {
    let last = signal.len() as isize - 1;
    let at = |i: isize| {
        let beyond = if i < 0 {
            i.rem_euclid(4)
        } else if i > last {
            last - 3 + (i - last - 1).rem_euclid(4)
        } else {
            i
        };
        signal[beyond.clamp(0, last) as usize]
    };
    let half = HALF_TAPS;
    let padded: Vec<f32> = (-half..=last + half).map(at).collect();
    padded.windows(taps.len()).map(|w| w.iter().zip(taps).map(|(v, t)| v * t).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_colour_survives_and_its_edges_crawl() {
        let (width, height) = (160, 24);
        let mut clean = PlanarImage::zeros(3, height, width);
        for y in 0..height {
            for x in 0..width {
                let colour = if x < width / 2 { [0.8, 0.2, 0.1] } else { [0.1, 0.3, 0.9] };
                for (c, v) in colour.into_iter().enumerate() {
                    clean.plane_mut(c)[y * width + x] = v;
                }
            }
        }
        let clip = vec![clean; 3];
        let defect = Composite { cycles: 42.4, decoder: Decoder::Notch };
        let spoilt = defect.clip(&clip);
        let difference = |a: &PlanarImage, b: &PlanarImage, x: usize| {
            (0..3)
                .map(|c| (a.plane(c)[10 * width + x] - b.plane(c)[10 * width + x]).abs())
                .fold(0.0, f32::max)
        };
        assert!(difference(&spoilt[0], &clip[0], 30) < 0.02, "{}", difference(&spoilt[0], &clip[0], 30));
        let at_edge =
            |a: &PlanarImage, b: &PlanarImage| (76..86).map(|x| difference(a, b, x)).fold(0.0, f32::max);
        assert!(at_edge(&spoilt[0], &spoilt[1]) > 0.03, "{}", at_edge(&spoilt[0], &spoilt[1]));
        assert!(at_edge(&spoilt[0], &spoilt[2]) < 1e-6);
    }
}
