//! A ratio of two integers: time bases, frame rates, sample aspect ratios.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// `num / den`. Kept as written: `30000/1001` and `60000/2002` are different values that compare unequal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rational {
    /// Numerator.
    pub num: i64,
    /// Denominator; never zero in a time base, zero in an unknown aspect ratio (`0:0`).
    pub den: i64,
}

impl Rational {
    /// `num / den`, unreduced.
    pub const fn new(num: i64, den: i64) -> Self {
        Self { num, den }
    }

    /// The value as a floating-point number; NaN or infinite when `den` is zero.
    pub fn as_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }

    /// Whether both parts are above zero.
    pub const fn is_positive(self) -> bool {
        self.num > 0 && self.den > 0
    }
}

impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

/// Serialises as it displays, `"30000/1001"`: a pair of numbers would be taken for two values, a float loses.
impl Serialize for Rational {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Rational {
    type Err = std::num::ParseIntError;

    /// Reads `30000/1001`, ffprobe's `16:15`, or a whole number.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.split_once(['/', ':']) {
            Some((num, den)) => Ok(Self::new(num.trim().parse()?, den.trim().parse()?)),
            None => Ok(Self::new(s.trim().parse()?, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_ffprobe_prints() {
        assert_eq!("30000/1001".parse(), Ok(Rational::new(30000, 1001)));
        assert_eq!("16:15".parse(), Ok(Rational::new(16, 15)));
        assert_eq!("25".parse(), Ok(Rational::new(25, 1)));
        assert!(!"0:0".parse::<Rational>().unwrap().is_positive());
        for bad in ["", "/", "1/", "N/A", "1.5"] {
            assert!(bad.parse::<Rational>().is_err(), "{bad}");
        }
    }

    #[test]
    fn displays_and_serialises_as_written() {
        let rate = Rational::new(60000, 2002);
        assert_eq!(rate.to_string(), "60000/2002");
        assert_eq!(serde_json::to_string(&rate).unwrap(), r#""60000/2002""#);
    }
}
