//! Numbers that look random and depend on seed and index alone, so that rows can be made in any order.

/// Stream of one seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Random(u64);

impl Random {
    /// `stream` parts the uses of one seed from each other.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        Self(mix(seed ^ mix(stream)))
    }

    fn bits(self, index: usize) -> u64 {
        mix(self.0.wrapping_add((index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Evenly in `0.0..1.0`.
    pub(super) fn uniform(self, index: usize) -> f32 {
        (self.bits(index) >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Evenly in `low..high`.
    pub(super) fn between(self, index: usize, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform(index)
    }

    /// Normally distributed, mean 0, deviation 1 (Box and Muller).
    pub(super) fn normal(self, index: usize) -> f32 {
        let bits = self.bits(index);
        let radius = ((bits >> 40) as f32 + 0.5) / (1u64 << 24) as f32;
        let angle = (bits & 0xff_ffff) as f32 / (1u64 << 24) as f32 * std::f32::consts::TAU;
        (-2.0 * radius.ln()).sqrt() * angle.cos()
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let random = Random::new(3, 1);
        let n = 20_000;
        let mean = |f: &dyn Fn(usize) -> f32| (0..n).map(f).sum::<f32>() / n as f32;
        assert!((mean(&|i| random.uniform(i)) - 0.5).abs() < 0.01);
        assert!(mean(&|i| random.normal(i)).abs() < 0.03);
        assert!((mean(&|i| random.normal(i).powi(2)) - 1.0).abs() < 0.05);
    }
}
