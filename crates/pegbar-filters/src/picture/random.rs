//! Random numbers by place: the same for a seed, whatever the order or the number of threads.

/// Numbers that depend on a seed and a place alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Random(u64);

impl Random {
    /// A stream for a seed; streams of other numbers are unlike it.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self(mix(seed ^ mix(stream.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// 64 bits for a place.
    pub(crate) fn bits(self, place: u64) -> u64 {
        mix(self.0.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Two numbers in `0..1` for a place.
    pub(crate) fn uniform_pair(self, place: u64) -> (f32, f32) {
        let bits = self.bits(place);
        let unit = |b: u64| (b as u32 >> 8) as f32 * (1.0 / 16_777_216.0);
        (unit(bits), unit(bits >> 32))
    }

    /// A number in `0..1` for a place.
    pub(crate) fn uniform(self, place: u64) -> f32 {
        self.uniform_pair(place).0
    }

    /// Two independent numbers of the standard normal distribution for a place (Box, Muller, 1958).
    pub(crate) fn normal_pair(self, place: u64) -> (f32, f32) {
        let (u, v) = self.uniform_pair(place);
        let length = (-2.0 * (1.0 - u).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * v).sin_cos();
        (length * cos, length * sin)
    }

    /// Fills with numbers of the standard normal distribution, one for each place from 0 on.
    pub(crate) fn fill_normal(self, out: &mut [f32]) {
        for (i, pair) in out.chunks_mut(2).enumerate() {
            let (a, b) = self.normal_pair(i as u64);
            pair[0] = a;
            if let Some(second) = pair.get_mut(1) {
                *second = b;
            }
        }
    }

    /// A number of the Poisson distribution for a place: by its sums where the mean is small, by the normal
    /// distribution where it is 30 or more.
    pub(crate) fn poisson(self, place: u64, mean: f32) -> f32 {
        if mean <= 0.0 || mean.is_nan() {
            return 0.0;
        }
        if mean >= 30.0 {
            return (mean + mean.sqrt() * self.normal_pair(place).0).round().max(0.0);
        }
        let (mut left, mut term, mut n) = (self.uniform(place), (-mean).exp(), 0.0);
        while left >= term && n < 200.0 {
            left -= term;
            n += 1.0;
            term *= mean / n;
        }
        n
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: impl Iterator<Item = f32>) -> (f64, f64) {
        let values: Vec<f64> = values.map(f64::from).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64)
    }

    #[test]
    fn distributions() {
        let random = Random::new(7, 1);
        let mut normal = vec![0.0; 99_999];
        random.fill_normal(&mut normal);
        let (mean, variance) = moments(normal.iter().copied());
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        let (mean, variance) = moments((0..100_000).map(|i| random.uniform(i)));
        assert!((mean - 0.5).abs() < 0.005 && (variance - 1.0 / 12.0).abs() < 0.002);
        for wanted in [0.5, 4.0, 29.0, 50.0] {
            let (mean, variance) = moments((0..100_000).map(|i| random.poisson(i, wanted)));
            let wanted = f64::from(wanted);
            assert!(
                (mean / wanted - 1.0).abs() < 0.02 && (variance / wanted - 1.0).abs() < 0.03,
                "{wanted} {mean} {variance}"
            );
        }
        assert_eq!(random.poisson(3, f32::NAN), 0.0);
        let other = Random::new(7, 2);
        let (product, _) = moments((0..100_000).map(|i| random.normal_pair(i).0 * other.normal_pair(i).0));
        assert!(product.abs() < 0.02);
    }
}
