//! Symbolic sizes.

use std::fmt;

/// A spatial axis of the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Rows of the input picture.
    Height,
    /// Columns of the input picture.
    Width,
}

/// A dimension of a value: a number, or an affine function of the height or width of the input picture,
/// `axis * num / den + offset`. The size rule of the net guarantees that the division is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dim {
    /// Known when the network is built.
    Fixed(usize),
    /// Follows the input picture.
    Scaled {
        /// Which axis.
        axis: Axis,
        /// Numerator of the factor, in lowest terms.
        num: usize,
        /// Denominator of the factor.
        den: usize,
        /// Added after scaling.
        offset: i64,
    },
}

impl Dim {
    /// The height of the picture itself.
    pub const HEIGHT: Self = Self::Scaled { axis: Axis::Height, num: 1, den: 1, offset: 0 };
    /// The width of the picture itself.
    pub const WIDTH: Self = Self::Scaled { axis: Axis::Width, num: 1, den: 1, offset: 0 };

    /// The number, where it does not follow the picture.
    pub fn fixed(self) -> Option<usize> {
        match self {
            Self::Fixed(n) => Some(n),
            Self::Scaled { .. } => None,
        }
    }

    /// What the picture's size must be a multiple of for this dimension to be exact.
    pub fn divisor(self) -> usize {
        match self {
            Self::Fixed(_) => 1,
            Self::Scaled { den, .. } => den,
        }
    }

    /// The size for a picture of `h` rows and `w` columns; `None` when the division is not exact, the result is
    /// negative, or it overflows.
    pub fn eval(self, h: usize, w: usize) -> Option<usize> {
        match self {
            Self::Fixed(n) => Some(n),
            Self::Scaled { axis, num, den, offset } => {
                let size = match axis {
                    Axis::Height => h,
                    Axis::Width => w,
                };
                let scaled = size.checked_mul(num)?;
                if den == 0 || !scaled.is_multiple_of(den) {
                    return None;
                }
                usize::try_from(i64::try_from(scaled / den).ok()?.checked_add(offset)?).ok()
            }
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Fixed(n) => write!(f, "{n}"),
            Self::Scaled { axis, num, den, offset } => {
                if num != 1 {
                    write!(f, "{num}")?;
                }
                f.write_str(match axis {
                    Axis::Height => "H",
                    Axis::Width => "W",
                })?;
                if den != 1 {
                    write!(f, "/{den}")?;
                }
                if offset != 0 {
                    write!(f, "{offset:+}")?;
                }
                Ok(())
            }
        }
    }
}

/// What shape inference calculates with: numbers, or functions of the picture's size. One set of rules serves both.
pub(crate) trait Extent: Copy + PartialEq + fmt::Display {
    fn from_usize(n: usize) -> Self;
    fn as_fixed(self) -> Option<usize>;
    /// `self + n`; `None` when that is negative for certain.
    fn plus(self, n: i64) -> Option<Self>;
    /// Sum of two; `None` when it is no single affine function.
    fn sum(self, other: Self) -> Option<Self>;
    fn times(self, n: usize) -> Option<Self>;
    /// `floor(self / n)`.
    fn div_floor(self, n: usize) -> Option<Self>;
    /// `self / n` where that is a whole number (for a function: for every picture its divisor allows).
    fn divide_exactly(self, n: usize) -> Option<Self>;
    /// The next multiple of `n` (for a function: itself, as its divisor makes sure where that matters).
    fn round_up(self, n: usize) -> Option<Self>;
}

impl Extent for usize {
    fn from_usize(n: usize) -> Self {
        n
    }
    fn as_fixed(self) -> Option<usize> {
        Some(self)
    }
    fn plus(self, n: i64) -> Option<Self> {
        usize::try_from(i64::try_from(self).ok()?.checked_add(n)?).ok()
    }
    fn sum(self, other: Self) -> Option<Self> {
        self.checked_add(other)
    }
    fn times(self, n: usize) -> Option<Self> {
        self.checked_mul(n)
    }
    fn div_floor(self, n: usize) -> Option<Self> {
        self.checked_div(n)
    }
    fn divide_exactly(self, n: usize) -> Option<Self> {
        (n > 0 && self.is_multiple_of(n)).then(|| self / n)
    }
    fn round_up(self, n: usize) -> Option<Self> {
        if n > 0 { self.checked_next_multiple_of(n) } else { None }
    }
}

pub(crate) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Dim {
    /// A scaled dimension in lowest terms.
    fn reduced(axis: Axis, num: usize, den: usize, offset: i64) -> Self {
        let g = gcd(num, den).max(1);
        Self::Scaled { axis, num: num / g, den: den / g, offset }
    }
}

impl Extent for Dim {
    fn from_usize(n: usize) -> Self {
        Self::Fixed(n)
    }
    fn as_fixed(self) -> Option<usize> {
        self.fixed()
    }
    fn plus(self, n: i64) -> Option<Self> {
        match self {
            Self::Fixed(size) => size.plus(n).map(Self::Fixed),
            Self::Scaled { axis, num, den, offset } => {
                Some(Self::Scaled { axis, num, den, offset: offset.checked_add(n)? })
            }
        }
    }
    fn sum(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Fixed(a), Self::Fixed(b)) => a.checked_add(b).map(Self::Fixed),
            (scaled @ Self::Scaled { .. }, Self::Fixed(n))
            | (Self::Fixed(n), scaled @ Self::Scaled { .. }) => scaled.plus(i64::try_from(n).ok()?),
            (
                Self::Scaled { axis, num, den, offset },
                Self::Scaled { axis: axis2, num: num2, den: den2, offset: offset2 },
            ) => {
                if axis != axis2 {
                    return None;
                }
                let num = num.checked_mul(den2)?.checked_add(num2.checked_mul(den)?)?;
                Some(Self::reduced(axis, num, den.checked_mul(den2)?, offset.checked_add(offset2)?))
            }
        }
    }
    fn times(self, n: usize) -> Option<Self> {
        match self {
            Self::Fixed(size) => size.checked_mul(n).map(Self::Fixed),
            Self::Scaled { axis, num, den, offset } => Some(Self::reduced(
                axis,
                num.checked_mul(n)?,
                den,
                offset.checked_mul(i64::try_from(n).ok()?)?,
            )),
        }
    }
    /// Exact because the net's size rule makes `axis * num / (den * n)` whole.
    fn div_floor(self, n: usize) -> Option<Self> {
        match self {
            Self::Fixed(size) => size.checked_div(n).map(Self::Fixed),
            Self::Scaled { axis, num, den, offset } => Some(Self::reduced(
                axis,
                num,
                den.checked_mul(n).filter(|&d| d > 0)?,
                offset.div_euclid(i64::try_from(n).ok()?),
            )),
        }
    }
    fn round_up(self, n: usize) -> Option<Self> {
        match self {
            Self::Fixed(size) => size.round_up(n).map(Self::Fixed),
            Self::Scaled { .. } => Some(self),
        }
    }
    fn divide_exactly(self, n: usize) -> Option<Self> {
        match self {
            Self::Fixed(size) => size.divide_exactly(n).map(Self::Fixed),
            Self::Scaled { offset, .. } => {
                let n_signed = i64::try_from(n).ok().filter(|&n| n > 0)?;
                if offset % n_signed == 0 { self.div_floor(n) } else { None }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_is_exact_for_multiples_of_the_divisor() {
        let d = Dim::HEIGHT.plus(5).and_then(|d| d.div_floor(2)).and_then(|d| d.plus(1)).expect("small");
        assert_eq!(d.to_string(), "H/2+3");
        assert_eq!(d.divisor(), 2);
        assert_eq!(d.eval(10, 0), Some((10 + 5) / 2 + 1));
        assert_eq!(d.eval(11, 0), None);
        assert_eq!(d.times(2).map(|d| d.to_string()), Some("H+6".into()));
    }

    #[test]
    fn negative_and_overflowing_sizes_are_none() {
        assert_eq!(Dim::WIDTH.plus(-9).and_then(|d| d.eval(0, 5)), None);
        assert_eq!(Dim::Fixed(3).plus(-4), None);
        assert_eq!(Dim::Fixed(usize::MAX).times(2), None);
        assert_eq!(Dim::WIDTH.times(usize::MAX).and_then(|d| d.eval(1, 3)), None);
    }

    #[test]
    fn sums_of_one_axis_stay_affine() {
        assert_eq!(Dim::HEIGHT.sum(Dim::HEIGHT).map(|d| d.to_string()), Some("2H".into()));
        assert_eq!(Dim::HEIGHT.sum(Dim::WIDTH), None);
        let half = Dim::HEIGHT.divide_exactly(2).expect("exact");
        assert_eq!(half.sum(half), Some(Dim::HEIGHT));
    }
}
