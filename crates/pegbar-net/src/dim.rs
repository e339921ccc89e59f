//! Symbolic sizes.

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
