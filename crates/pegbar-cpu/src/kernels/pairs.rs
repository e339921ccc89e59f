//! How values and weights become 16-bit integers for products in pairs.
//!
//! 31 bits of a sum are shared between the values and the weights: values are at most [`max_value`], and the weights of an
//! output channel are scaled so that the sum of their magnitudes times that stays below 2^31. Overflow is excluded by a
//! bound, and nothing has to be calibrated on pictures.

use crate::simd::Geometry;

/// Largest magnitude of a value; rounding to floats on the way may add a little.
const MAX_VALUE: f64 = 32_700.0;
/// Largest magnitude of a weight.
const MAX_WEIGHT: f64 = 32_767.0;
/// Energy of the rounding errors of the weights of an output channel, relative to the weights: above this, integers would
/// show in the picture (-56 dB).
pub(super) const MAX_NOISE: f64 = 2.5e-6;

/// The largest magnitude that the values of a tile or a segment are scaled to, where sums are over `cin` channels. The further they
/// typically stay below the largest of them, the more `slack` gives them their share of the bits.
pub(super) fn max_value(slack: f64, cin: usize) -> f64 {
    (slack * 2f64.powi(31) / cin as f64).sqrt().min(MAX_VALUE)
}

/// What the weights of an output channel are multiplied by before they are rounded; `sum` is that of their magnitudes,
/// `largest` the largest of them.
pub(super) fn weight_scale(max_value: f64, cin: usize, sum: f64, largest: f64) -> f64 {
    // Rounding may add a half to each.
    let budget = (2f64.powi(31) - 1.0) / (max_value + 1.0) - 0.5 * cin as f64;
    (budget / sum).min(MAX_WEIGHT / largest)
}

/// Input channels are taken in pairs: within two whole vectors of channels the one is paired with the other, lane by lane;
/// what is left is paired with its neighbour.
pub(super) fn pair_of(lanes: usize, cin: usize, channel: usize) -> (usize, usize) {
    let paired = cin / (2 * lanes) * 2 * lanes;
    if channel < paired {
        (channel / (2 * lanes) * lanes + channel % lanes, channel / lanes % 2)
    } else {
        (paired / 2 + (channel - paired) / 2, (channel - paired) % 2)
    }
}

/// Rounds a weight and puts it into its half of a pair, which is zero so far.
pub(super) fn put_half(pair: &mut f32, half: usize, weight: f64) {
    let bits = u32::from(weight.round() as i16 as u16) << (16 * half);
    *pair = f32::from_bits(pair.to_bits() | bits);
}

/// Places of the pairs of a tile or a pixel, in units of a pair.
pub(super) fn pair_stride(geometry: Geometry, cin: usize) -> usize {
    let paired = cin / (2 * geometry.lanes) * 2 * geometry.lanes;
    paired / 2 + (cin - paired).next_multiple_of(geometry.lanes) / 2
}
