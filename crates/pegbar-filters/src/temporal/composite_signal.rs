//! The composite signal that a picture was decoded from, and another separation of it.
//!
//! A simple decoder takes from luma what lies around the subcarrier, and makes colour of it. What it took is still in
//! the colour: put on the carrier again and added to luma, it gives the signal back. For that the carrier's phase has
//! to be known. It is measured: what the decoder's filter left in luma beside the carrier has the phase of what it
//! took. Where the two do not agree, the picture never was a composite signal (or its colour has since lost what luma
//! missed), and nothing is made of it.
//!
//! NTSC: the carrier begins each line of a field with the opposite phase, SMPTE 170M.

use super::composite_pattern::{carrier_band, low_band};
use crate::luma_chroma::LumaChroma;

/// A frame as a composite signal.
pub(super) struct CompositeSignal {
    /// Luma with colour on the carrier; luma alone as far as the picture never was one.
    pub(super) samples: Vec<f32>,
    width: usize,
    height: usize,
    /// Cycles of the carrier to a pixel.
    frequency: f32,
    /// Cosine and sine of the carrier's phase in the first line of each field.
    phases: [(f32, f32); 2],
    /// How surely each field was a composite signal.
    shares: [f32; 2],
}

/// Agreement of luma's and colour's phases from which a picture may have been a composite signal, and surely was.
///
/// Pictures that never were come to about 0.005, decoded ones to 0.5.
const COHERENCE: (f32, f32) = (0.1, 0.25);

impl CompositeSignal {
    /// Puts the colour of a picture on a carrier of `frequency` cycles to a pixel.
    pub(super) fn of(picture: &LumaChroma, frequency: f32) -> Self {
        let (width, height) = (picture.width, picture.height);
        let mut signal = Self {
            samples: picture.planes[0].clone(),
            width,
            height,
            frequency,
            phases: [(1.0, 0.0); 2],
            shares: [0.0; 2],
        };
        let [luma, cb, cr] = picture.planes.as_slice() else { return signal };
        let carrier = signal.carrier();
        let reach = ((1.2 / frequency).round() as usize).max(1);
        if width <= 4 * reach || frequency >= MOST_FREQUENCY {
            return signal;
        }
        let band = carrier_band(luma, width, height, frequency, WIDE_CYCLES);
        for field in 0..2 {
            let (mut cos, mut sin, mut energy, mut colour) = (0.0f64, 0.0f64, 0.0f64, 0.0f64);
            for y in (field..height).step_by(2) {
                let (mut row_cos, mut row_sin, mut row_energy, mut row_colour) = (0.0f32, 0.0, 0.0, 0.0);
                for (x, (c, s)) in carrier.iter().enumerate().take(width - reach).skip(reach) {
                    let at = y * width + x;
                    // Level colour has no band beside the carrier.
                    let step = |plane: &[f32]| plane[at] - 0.5 * (plane[at - reach] + plane[at + reach]);
                    let (v, u, b) = (V * step(cr), U * step(cb), band[at].clamp(-MOST, MOST));
                    row_cos += b * (v * c + u * s);
                    row_sin += b * (v * s - u * c);
                    row_energy += b * b;
                    row_colour += 0.5 * (v * v + u * u);
                }
                let sign = f64::from(sign(y));
                (cos, sin) = (cos + sign * f64::from(row_cos), sin + sign * f64::from(row_sin));
                (energy, colour) = (energy + f64::from(row_energy), colour + f64::from(row_colour));
            }
            let length = cos.hypot(sin);
            let coherence = (length / (energy * colour).sqrt().max(1e-12)) as f32;
            let share = smooth_step(COHERENCE, coherence);
            if share <= 0.0 {
                continue;
            }
            let phase = ((cos / length) as f32, (sin / length) as f32);
            (signal.phases[field], signal.shares[field]) = (phase, share);
            for y in (field..height).step_by(2) {
                let gain = share * sign(y);
                for (x, (c, s)) in carrier.iter().enumerate() {
                    let at = y * width + x;
                    let (v, u) = (V * cr[at], U * cb[at]);
                    signal.samples[at] += gain * (phase.0 * (v * c + u * s) + phase.1 * (v * s - u * c));
                }
            }
        }
        signal
    }

    /// How surely the picture was a composite signal, `0.0..=1.0`.
    pub(super) fn share(&self) -> f32 {
        0.5 * (self.shares[0] + self.shares[1])
    }

    /// What has to be added to Cb and Cr for the colour in the signal to be [`CompositeSignal::colour`] instead of
    /// what was decoded.
    pub(super) fn chroma_change(&self, luma: &[f32]) -> [Vec<f32>; 2] {
        let (width, height) = (self.width, self.height);
        let mut changes = [vec![0.0f32; luma.len()], vec![0.0f32; luma.len()]];
        if self.share() <= 0.0 {
            return changes;
        }
        let (colour, carrier) = (self.colour(luma), self.carrier());
        for y in 0..height {
            let (cos, sin) = self.phases[y % 2];
            for (x, (c, s)) in carrier.iter().enumerate() {
                let at = y * width + x;
                let decoded = self.shares[y % 2] * (self.samples[at] - luma[at]);
                let change = 2.0 * sign(y) * (colour[at] - decoded);
                changes[0][at] = change * (s * cos - c * sin) / U;
                changes[1][at] = change * (c * cos + s * sin) / V;
            }
        }
        changes.map(|plane| low_band(&plane, width, height, self.frequency))
    }

    fn carrier(&self) -> Vec<(f32, f32)> {
        let turn = std::f64::consts::TAU * f64::from(self.frequency);
        (0..self.width)
            .map(|x| (turn * x as f64).sin_cos())
            .map(|(sin, cos)| (cos as f32, sin as f32))
            .collect()
    }

    /// The part of the signal that is colour: it has opposite signs in the lines around, and luma has not.
    ///
    /// Where these lines do not agree, which is where colour changes from line to line, it is what the decoder took
    /// for it, `decoded`, as far as that lies within half of their range.
    pub(super) fn colour(&self, luma: &[f32]) -> Vec<f32> {
        let (width, height) = (self.width, self.height);
        let [even, odd] = self.phases;
        // The line next to it whose phase is opposite, of the other field.
        let opposite = even.0 * odd.0 + even.1 * odd.1 < 0.0;
        let mut out = vec![0.0; self.samples.len()];
        if self.share() <= 0.0 {
            return out;
        }
        let band = carrier_band(&self.samples, width, height, self.frequency, WIDE_CYCLES);
        let row = |y: isize| {
            let y = y.clamp(0, height as isize - 1) as usize;
            &band[y * width..(y + 1) * width]
        };
        for (y, out) in out.chunks_exact_mut(width).enumerate() {
            let from = y * width;
            let (signal, luma) = (&self.samples[from..from + width], &luma[from..from + width]);
            let share = self.shares[y % 2];
            let (y, down) = (y as isize, y.is_multiple_of(2) == opposite);
            let (here, near) = (row(y), row(if down { y + 1 } else { y - 1 }));
            let (above, below) = (row(y - 2), row(y + 2));
            for (x, v) in out.iter_mut().enumerate() {
                let [low, middle, high] = sorted([near[x], above[x], below[x]]);
                let (low, high) = (0.5 * (low + middle), 0.5 * (middle + high));
                let decoded = signal[x] - luma[x];
                *v = share * decoded.max(0.5 * (here[x] - high)).min(0.5 * (here[x] - low));
            }
        }
        out
    }
}

/// A carrier finer than this has no room in the picture for its colour.
pub(super) const MOST_FREQUENCY: f32 = 0.45;

/// Cycles to each side for a band as wide as that of colour.
const WIDE_CYCLES: f32 = 0.9;

/// Luma around the carrier by more than this counts as this.
const MOST: f32 = 0.1;

/// SMPTE 170M: U = 0.493 (B - Y), V = 0.877 (R - Y), where Cb = 0.564 (B - Y), Cr = 0.713 (R - Y).
const U: f32 = 0.493 / 0.564;
const V: f32 = 0.877 / 0.713;

/// Of opposite sign in consecutive lines of a field.
fn sign(y: usize) -> f32 {
    if (y / 2).is_multiple_of(2) { 1.0 } else { -1.0 }
}

fn sorted([a, b, c]: [f32; 3]) -> [f32; 3] {
    let (low, high) = (a.min(b), a.max(b));
    [low.min(c), high.min(c).max(low), high.max(c)]
}

/// 0 below the first limit, 1 above the second; NaN counts as below.
#[expect(clippy::manual_clamp, reason = "`clamp` would pass NaN on")]
fn smooth_step((low, high): (f32, f32), v: f32) -> f32 {
    let t = ((v - low) / (high - low)).max(0.0).min(1.0);
    t * t * (3.0 - 2.0 * t)
}
