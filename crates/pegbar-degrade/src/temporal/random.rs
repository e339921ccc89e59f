//! Numbers that look random and depend on a seed alone.

/// The generator "SplitMix64" of Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// A generator for each seed, frame and purpose.
    pub(super) fn new(seed: u64, index: u64, purpose: u64) -> Self {
        let mut mixed = Self(seed);
        for part in [index, purpose] {
            mixed.0 = mixed.next().wrapping_add(part.wrapping_mul(0xd134_2543_de82_ef95));
        }
        mixed
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `0.0..1.0`.
    pub(super) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }

    pub(super) fn between(&mut self, least: f32, most: f32) -> f32 {
        least + (most - least) * self.unit()
    }

    /// Normally distributed, of mean 0 and deviation 1: the polar form of Box and Muller's method, one of the two.
    pub(super) fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }

    /// A number of events of which `mean` are expected: Poisson, by Knuth's product of uniform numbers.
    pub(super) fn count(&mut self, mean: f32) -> usize {
        let limit = (-mean.min(60.0)).exp();
        let (mut product, mut n) = (self.unit(), 0);
        while product > limit && n < 1000 {
            product *= self.unit();
            n += 1;
        }
        n
    }
}

/// A smooth random curve of mean 0 and deviation about 1 that has a knot every `period` frames: cubic through normal knots.
pub(super) fn wander(seed: u64, purpose: u64, period: f32, at: f32) -> f32 {
    let t = at / period;
    let knot = |i: f32| Random::new(seed, (i as i64) as u64, purpose).normal();
    let (i, f) = (t.floor(), t - t.floor());
    let [a, b, c, d] = [knot(i - 1.0), knot(i), knot(i + 1.0), knot(i + 2.0)];
    // Keys' cubic with a = -0.5.
    b + 0.5 * f * (c - a + f * (2.0 * a - 5.0 * b + 4.0 * c - d + f * (3.0 * (b - c) + d - a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let mut random = Random::new(1, 2, 3);
        let n = 100_000;
        let values: Vec<f32> = (0..n).map(|_| random.normal()).collect();
        let mean = values.iter().sum::<f32>() / n as f32;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n as f32;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let counts = (0..10_000).map(|_| random.count(3.0)).sum::<usize>() as f32 / 1e4;
        assert!((counts - 3.0).abs() < 0.1, "{counts}");
    }
}
