//! What becomes of the fraction of a code.

use crate::PixelFormat;

/// What happens to the fraction of a code when samples become codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Dither {
    /// Round half up.
    #[default]
    None,
    /// Bayer's 8x8 ordered pattern: turns banding into a fine, still grain, whose mean over 8x8 codes is that of the
    /// samples within 1/128 code. It depends on a sample and its place alone, so frames are the same in whatever order
    /// and on whatever thread they are made. Samples that stand on a code come out without grain.
    Ordered,
}

impl Dither {
    /// What suits a picture that comes from a frame of one format and goes into another: a pattern where the depth
    /// drops, for codes between the target's would become bands; else rounding, which gives back every code.
    pub const fn between(source: PixelFormat, target: PixelFormat) -> Self {
        if target.depth_bits < source.depth_bits { Self::Ordered } else { Self::None }
    }

    /// What is added to a value in codes before its fraction is cut, in column `x` and row `y`: above 0, below 1.
    pub fn threshold(self, x: usize, y: usize) -> f32 {
        match self {
            Self::None => 0.5,
            // The mean is a half. The ends stay clear of 0 and 1 by 1/128, far more than the rounding of `f32` moves a
            // sample that stands on a code.
            Self::Ordered => (bayer_rank(x % 8, y % 8) as f32 + 0.5) / 64.0,
        }
    }

    /// The thresholds of row `y`, by column modulo 8.
    pub(super) fn thresholds(self, y: usize) -> [f32; 8] {
        std::array::from_fn(|x| self.threshold(x, y))
    }
}

/// Rank (0 to 63) of a cell in the 8x8 index matrix of Bayer (1973): bits of `x ^ y` and `y`, interleaved with
/// the finest position as the highest bits.
fn bayer_rank(x: usize, y: usize) -> usize {
    (0..3).fold(0, |rank, bit| rank << 2 | ((x ^ y) >> bit & 1) << 1 | (y >> bit & 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_bayer() {
        let mut ranks: Vec<usize> = (0..64).map(|i| bayer_rank(i % 8, i / 8)).collect();
        assert_eq!(ranks[..4], [0, 32, 8, 40]);
        ranks.sort_unstable();
        assert!(ranks.into_iter().eq(0..64));
    }

    #[test]
    fn only_a_drop_in_depth_dithers() {
        let all = || PixelFormat::all();
        for (source, target) in all().flat_map(|source| all().map(move |target| (source, target))) {
            let drops = source.depth_bits > target.depth_bits;
            assert_eq!(Dither::between(source, target) == Dither::Ordered, drops, "{source} {target}");
        }
    }
}
