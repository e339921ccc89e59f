//! Numbers that may follow the picture: what the shape arithmetic of an exported graph works on.

use super::super::resample::factor;
use crate::{Axis, Dim};
use std::fmt;

/// A fraction in lowest terms; the denominator is positive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ratio {
    num: i64,
    den: i64,
}

impl Ratio {
    pub(super) const ZERO: Self = Self { num: 0, den: 1 };
    pub(super) const ONE: Self = Self { num: 1, den: 1 };

    fn new(num: i128, den: i128) -> Option<Self> {
        if den == 0 {
            return None;
        }
        let (mut a, mut b) = (num.unsigned_abs(), den.unsigned_abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let divisor = i128::try_from(a).ok()?.max(1) * den.signum();
        Some(Self { num: i64::try_from(num / divisor).ok()?, den: i64::try_from(den / divisor).ok()? })
    }

    pub(super) fn whole(n: i64) -> Self {
        Self { num: n, den: 1 }
    }

    /// The number, exactly when whole, else as the simplest fraction that rounds to it.
    pub(super) fn from_f32(value: f32) -> Option<Self> {
        if value.fract() == 0.0 && value.abs() < 9e15 {
            return Some(Self::whole(value as i64));
        }
        let [num, den] = factor(f64::from(value.abs()))?;
        Self::new(num as i128 * if value < 0.0 { -1 } else { 1 }, den as i128)
    }

    pub(super) fn to_f32(self) -> f32 {
        (self.num as f64 / self.den as f64) as f32
    }

    pub(super) fn as_whole(self) -> Option<i64> {
        (self.den == 1).then_some(self.num)
    }

    /// Numerator and denominator of a positive ratio of lengths.
    pub(super) fn terms(self) -> Option<[usize; 2]> {
        const LONGEST: usize = 1 << 16;
        match (usize::try_from(self.num), usize::try_from(self.den)) {
            (Ok(num @ 1..=LONGEST), Ok(den @ 1..=LONGEST)) => Some([num, den]),
            _ => None,
        }
    }

    fn floor(self) -> Self {
        Self::whole(self.num.div_euclid(self.den))
    }

    fn plus(self, other: Self) -> Option<Self> {
        let (a, b, c, d) = (self.num as i128, self.den as i128, other.num as i128, other.den as i128);
        Self::new(a.checked_mul(d)?.checked_add(c.checked_mul(b)?)?, b * d)
    }

    fn times(self, other: Self) -> Option<Self> {
        Self::new(self.num as i128 * other.num as i128, self.den as i128 * other.den as i128)
    }

    fn inverse(self) -> Option<Self> {
        Self::new(self.den.into(), self.num.into())
    }
}

/// What a size follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    Batch,
    Height,
    Width,
}

/// `symbol * slope + offset`, or something no such function expresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// Slope and symbol, absent for a plain number, and offset.
    Affine(Option<(Symbol, Ratio)>, Ratio),
    /// A product of two sizes, a quotient that is not whole, ...
    Opaque,
}

/// The picture's height and width in graphs exported for one size.
pub(super) type FixedPicture = Option<[i64; 2]>;

impl Size {
    pub(super) const ONE: Self = Self::Affine(None, Ratio::ONE);
    pub(super) const BATCH: Self = Self::Affine(Some((Symbol::Batch, Ratio::ONE)), Ratio::ZERO);

    pub(super) fn whole(n: i64) -> Self {
        Self::Affine(None, Ratio::whole(n))
    }

    fn affine(symbol: Symbol, slope: Ratio, offset: Ratio) -> Self {
        if slope == Ratio::ZERO {
            Self::Affine(None, offset)
        } else {
            Self::Affine(Some((symbol, slope)), offset)
        }
    }

    pub(super) fn from_dim(dim: Dim) -> Self {
        let affine = |axis, num, den, offset| {
            let slope = Ratio::new(num as i128, den as i128)?;
            let symbol = match axis {
                Axis::Height => Symbol::Height,
                Axis::Width => Symbol::Width,
            };
            Some(Self::affine(symbol, slope, Ratio::whole(offset)))
        };
        match dim {
            Dim::Fixed(n) => i64::try_from(n).map_or(Self::Opaque, Self::whole),
            Dim::Scaled { axis, num, den, offset } => affine(axis, num, den, offset).unwrap_or(Self::Opaque),
        }
    }

    /// The number, when it follows nothing.
    pub(super) fn number(self) -> Option<Ratio> {
        match self {
            Self::Affine(None, n) => Some(n),
            _ => None,
        }
    }

    /// The whole number, when it is one and follows nothing.
    pub(super) fn as_whole(self) -> Option<i64> {
        self.number()?.as_whole()
    }

    /// The value at the one size of a fixed graph.
    pub(super) fn at(self, picture: FixedPicture) -> Option<i64> {
        let Self::Affine(term, offset) = self else { return None };
        let scaled = match (term, picture) {
            (None, _) => Ratio::ZERO,
            (Some((Symbol::Batch, slope)), Some(_)) => slope,
            (Some((Symbol::Height, slope)), Some([h, _])) => slope.times(Ratio::whole(h))?,
            (Some((Symbol::Width, slope)), Some([_, w])) => slope.times(Ratio::whole(w))?,
            (Some(_), None) => return None,
        };
        scaled.plus(offset)?.as_whole()
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let (Self::Affine(a, offset), Self::Affine(b, other)) = (self, other) else { return Self::Opaque };
        let Some(offset) = offset.plus(other) else { return Self::Opaque };
        match (a, b) {
            (term, None) | (None, term) => Self::Affine(term, offset),
            (Some((symbol, slope)), Some((other_symbol, other_slope))) if symbol == other_symbol => {
                slope.plus(other_slope).map_or(Self::Opaque, |slope| Self::affine(symbol, slope, offset))
            }
            _ => Self::Opaque,
        }
    }

    pub(super) fn negated(self) -> Self {
        self.times(Self::whole(-1))
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(other.negated())
    }

    pub(super) fn times(self, other: Self) -> Self {
        let (Self::Affine(term, offset), Some(n)) = (match (self.number(), other.number()) {
            (_, Some(n)) => (self, Some(n)),
            (Some(n), None) => (other, Some(n)),
            (None, None) => (self, None),
        }) else {
            return Self::Opaque;
        };
        let Some(offset) = offset.times(n) else { return Self::Opaque };
        match term {
            None => Self::Affine(None, offset),
            Some((symbol, slope)) => {
                slope.times(n).map_or(Self::Opaque, |slope| Self::affine(symbol, slope, offset))
            }
        }
    }

    /// The true quotient.
    pub(super) fn over(self, other: Self) -> Self {
        if let Some(inverse) = other.number().and_then(Ratio::inverse) {
            return self.times(Self::Affine(None, inverse));
        }
        match self.ratio_to(other) {
            Some(ratio) => Self::Affine(None, ratio),
            None => Self::Opaque,
        }
    }

    /// Rounded down. For a size that follows the picture this holds for pictures whose size is a multiple of a number,
    /// which is returned too.
    pub(super) fn floor(self) -> (Self, usize) {
        match self {
            Self::Affine(None, n) => (Self::Affine(None, n.floor()), 1),
            Self::Affine(Some((symbol, slope)), offset) => (
                Self::Affine(Some((symbol, slope)), offset.floor()),
                // A batch is no picture; its slope is 1 in every graph that makes sense.
                usize::try_from(slope.den).unwrap_or(usize::MAX),
            ),
            Self::Opaque => (Self::Opaque, 1),
        }
    }

    /// `self / other` when that is one number at every size.
    pub(super) fn ratio_to(self, other: Self) -> Option<Ratio> {
        let (Self::Affine(a, offset), Self::Affine(b, other_offset)) = (self, other) else { return None };
        let ratio = match (a, b) {
            (None, None) => offset.times(other_offset.inverse()?)?,
            (Some((symbol, slope)), Some((other_symbol, other_slope))) if symbol == other_symbol => {
                slope.times(other_slope.inverse()?)?
            }
            _ => return None,
        };
        (other_offset.times(ratio)? == offset).then_some(ratio)
    }

    /// `self / other` as a size, when it is a whole number for every admitted picture.
    pub(super) fn divided_exactly(self, other: Self, picture: FixedPicture) -> Option<Self> {
        if let Some(n) = other.as_whole().filter(|n| *n > 0) {
            if self.at(picture).is_some_and(|value| value % n != 0) {
                return None;
            }
            let Self::Affine(term, offset) = self else { return None };
            if offset.num % n != 0 {
                return None;
            }
            return match term {
                None => Some(Self::Affine(None, offset.times(Ratio::new(1, n.into())?)?)),
                Some(_) => Some(self.over(other)).filter(|size| *size != Self::Opaque),
            };
        }
        if let Some(ratio) = self.ratio_to(other) {
            return ratio.as_whole().filter(|n| *n > 0).map(Self::whole);
        }
        let (a, b) = (self.at(picture)?, other.at(picture)?);
        (b > 0 && a % b == 0).then(|| Self::whole(a / b))
    }

    /// Whether both are one number at every size, or at the one size there is.
    pub(super) fn same(self, other: Self, picture: FixedPicture) -> bool {
        self == other && self != Self::Opaque || {
            let (a, b) = (self.at(picture), other.at(picture));
            a.is_some() && a == b
        }
    }

    /// The sign of a size, or of its distance from another, when every picture agrees on it.
    pub(super) fn order(self, other: Self) -> Option<std::cmp::Ordering> {
        Some(self.minus(other).number()?.num.cmp(&0))
    }

    /// `self mod n` for a positive number, and what the picture's size must be a multiple of for it.
    pub(super) fn modulo(self, other: Self) -> (Self, usize) {
        let (quotient, multiple) = self.over(other).floor();
        (self.minus(quotient.times(other)), multiple)
    }
}

impl fmt::Debug for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.den {
            1 => write!(f, "{}", self.num),
            den => write!(f, "{}/{den}", self.num),
        }
    }
}

/// Short, because lists of sizes stand in messages.
impl fmt::Debug for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Affine(term, offset) = self else { return f.write_str("?") };
        let Some((symbol, slope)) = term else { return write!(f, "{offset:?}") };
        if *slope != Ratio::ONE {
            write!(f, "{slope:?} ")?;
        }
        f.write_str(match symbol {
            Symbol::Batch => "N",
            Symbol::Height => "H",
            Symbol::Width => "W",
        })?;
        match offset.num.signum() {
            0 => Ok(()),
            1 => write!(f, "+{offset:?}"),
            _ => write!(f, "{offset:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn height() -> Size {
        Size::from_dim(Dim::HEIGHT)
    }

    #[test]
    fn shape_arithmetic_stays_affine() {
        let double = height().times(Size::whole(2)).plus(Size::whole(6));
        assert_eq!(double.over(Size::whole(2)), height().plus(Size::whole(3)));
        assert_eq!(double.minus(double), Size::whole(0));
        assert_eq!(height().times(height()), Size::Opaque);
        assert_eq!(height().plus(Size::from_dim(Dim::WIDTH)), Size::Opaque);
        assert_eq!(height().times(Size::whole(4)).ratio_to(height()).and_then(Ratio::terms), Some([4, 1]));
        assert_eq!(double.ratio_to(height()), None);
        assert_eq!(format!("{:?}", [double, Size::whole(3), Size::Opaque]), "[2 H+6, 3, ?]");
    }

    #[test]
    fn rounding_asks_for_multiples() {
        let (half, multiple) = height().plus(Size::whole(1)).over(Size::whole(2)).floor();
        assert_eq!(half, height().over(Size::whole(2)));
        assert_eq!(multiple, 2);
        // The padding to a multiple of 4, as graphs compute it, vanishes.
        let (rest, multiple) = height().modulo(Size::whole(4));
        assert_eq!((rest, multiple), (Size::whole(0), 4));
    }

    #[test]
    fn whole_quotients_only() {
        assert_eq!(Size::whole(64).divided_exactly(Size::whole(4), None), Some(Size::whole(16)));
        assert_eq!(Size::whole(63).divided_exactly(Size::whole(4), None), None);
        assert_eq!(height().divided_exactly(Size::whole(2), Some([7, 7])), None);
        assert_eq!(Size::whole(128).divided_exactly(height(), Some([64, 32])), Some(Size::whole(2)));
        assert_eq!(Ratio::from_f32(0.1 + 0.2).and_then(Ratio::terms), Some([3, 10]));
        assert_eq!(Ratio::from_f32(f32::NAN), None);
    }
}
