//! NUT has no negative time stamps, files have: on the pipes, all are moved up by a fixed time.

use pegbar_frame::Rational;

/// Seconds added, at least. Time stamps of broadcasts wrap around after 26.5 hours, and ffmpeg makes those before the
/// wrap negative.
const LEAST_SECS: i64 = 100_000;

/// The shortest time from [`LEAST_SECS`] on that is a whole number both of seconds and of ticks: options of ffmpeg's
/// count microseconds, and nothing may be rounded.
pub(crate) fn offset_secs(time_base: Rational) -> i64 {
    let step = time_base.num.clamp(1, 1 << 31) as u64;
    ((LEAST_SECS as u64).div_ceil(step) * step) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_whole_in_both_units() {
        for (num, secs) in [(1, 100_000), (1001, 100_100), (7, 100_002), (200_000, 200_000)] {
            assert_eq!(offset_secs(Rational::new(num, 30_000)), secs);
        }
    }
}
