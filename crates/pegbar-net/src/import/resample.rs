//! Resizing: coordinate conventions of other formats in terms of [`Op::Resize`].

use super::builder::GraphBuilder;
use super::error::{OpError, problem};
use crate::dim::gcd;
use crate::{Dim, NodeId, Op, PadMode, Padding, ResizeMode, ResizeTarget};

/// `numerator / denominator` of a factor, in lowest terms.
pub(super) type Factor = [usize; 2];

/// Largest numerator or denominator of a factor.
const LARGEST_TERM: u64 = 256;

/// The simplest fraction within `f32` rounding of a positive number.
pub(super) fn factor(value: f64) -> Option<Factor> {
    if !(value.is_finite() && value > 0.0 && value <= LARGEST_TERM as f64) {
        return None;
    }
    let (mut p, mut q, mut p_before, mut q_before) = (1u64, 0u64, 0u64, 1u64);
    let mut rest = value;
    for _ in 0..24 {
        let whole = rest.floor();
        if whole > LARGEST_TERM as f64 {
            return None;
        }
        let whole_part = whole as u64;
        (p, p_before) = (whole_part * p + p_before, p);
        (q, q_before) = (whole_part * q + q_before, q);
        if p > LARGEST_TERM || q > LARGEST_TERM {
            return None;
        }
        if ((p as f64 / q as f64) - value).abs() <= value * 3e-7 {
            return (p > 0).then_some([p as usize, q as usize]);
        }
        rest = 1.0 / (rest - whole);
    }
    None
}

/// The factor that makes `to` of `from`, when one does at every size of the picture.
pub(super) fn factor_between(from: Dim, to: Dim) -> Option<Factor> {
    let terms = |top: usize, bottom: usize| {
        let divisor = gcd(top, bottom).max(1);
        (bottom > 0 && top > 0).then_some([top / divisor, bottom / divisor])
    };
    match (from, to) {
        (Dim::Fixed(from), Dim::Fixed(to)) => terms(to, from),
        (
            Dim::Scaled { axis: a, num: n, den: d, offset: o },
            Dim::Scaled { axis: b, num: m, den: e, offset: p },
        ) => {
            if a != b {
                return None;
            }
            let [top, bottom] = terms(m.checked_mul(d)?, e.checked_mul(n)?)?;
            let scaled = o.checked_mul(i64::try_from(top).ok()?)?;
            (p.checked_mul(i64::try_from(bottom).ok()?)? == scaled).then_some([top, bottom])
        }
        _ => None,
    }
}

/// How other formats place output pixel `x` on the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coordinates {
    /// `(x + 0.5) / scale - 0.5`.
    HalfPixel,
    /// `x / scale`.
    Asymmetric,
    /// `(x + 0.5) / scale`, which one version of ONNX has for nearest neighbours.
    HalfPixelUnshifted,
    /// `x * (input - 1) / (output - 1)`.
    AlignCorners,
}

/// How the nearest input pixel is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    Floor,
    Ceil,
    HalfDown,
    HalfUp,
}

/// Whether a nearest-neighbour resize with these conventions picks the pixels that `floor(x / scale)` picks.
///
/// Exact integer arithmetic over one period: `x / scale = x * den / num`.
pub(super) fn is_plain_nearest(coordinates: Coordinates, rounding: Rounding, [num, den]: Factor) -> bool {
    let (num, den) = (num as i64, den as i64);
    if coordinates == Coordinates::AlignCorners {
        return num == den;
    }
    (0..num).all(|x| {
        // The coordinate times 2 * num.
        let (top, bottom) = match coordinates {
            Coordinates::HalfPixel => ((2 * x + 1) * den - num, 2 * num),
            Coordinates::HalfPixelUnshifted => ((2 * x + 1) * den, 2 * num),
            _ => (2 * x * den, 2 * num),
        };
        let index = match rounding {
            Rounding::Floor => top.div_euclid(bottom),
            Rounding::Ceil => -((-top).div_euclid(bottom)),
            Rounding::HalfDown => -((bottom - 2 * top).div_euclid(2 * bottom)),
            Rounding::HalfUp => (2 * top + bottom).div_euclid(2 * bottom),
        };
        // Clamping at the edges changes nothing where the indices agree without it.
        index == (x * den).div_euclid(num)
    })
}

/// Resizes by factors of height and width; nothing for factors of 1.
pub(super) fn resize(
    builder: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    mode: ResizeMode,
    [height, width]: [Factor; 2],
) -> Result<NodeId, OpError> {
    if height == [1, 1] && width == [1, 1] {
        return Ok(input);
    }
    for (dim, [num, den]) in builder.shape(input)[2..].iter().zip([height, width]) {
        if let Dim::Scaled { num: n, den: d, .. } = *dim
            && !builder.sizes_fit()
        {
            // The size must divide, or floor() would make the size of the result depend on the picture.
            let needed = d.saturating_mul(den / gcd(den, n.saturating_mul(num).max(1)).max(1));
            builder.require_multiple(needed)?;
        }
    }
    builder.push(name, Op::Resize { mode, target: ResizeTarget::Scale { height, width } }, &[input])
}

/// Linear interpolation that places output pixel `x` at `x / scale`, for whole-number factors: every phase is a 2x2
/// convolution, and the phases are shuffled into place.
pub(super) fn resize_asymmetric_linear(
    builder: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    scale: usize,
) -> Result<NodeId, OpError> {
    if scale <= 1 {
        return Ok(input);
    }
    let channels = builder.channels(input)?;
    let phases = scale.saturating_mul(scale);
    let out = channels.saturating_mul(phases);
    builder.claim(out.saturating_mul(4))?;
    let edge = Padding { bottom: 1, right: 1, ..Padding::default() };
    let padded = builder.pad(name, input, edge, PadMode::Replicate)?;
    let mut data = Vec::with_capacity(out * 4);
    for phase in (0..channels).flat_map(|_| 0..phases) {
        let [y, x] = [phase / scale, phase % scale].map(|p| p as f32 / scale as f32);
        data.extend([(1.0 - y) * (1.0 - x), (1.0 - y) * x, y * (1.0 - x), y * x]);
    }
    let weight = builder.weight(&format!("{name}.phases"), vec![out, 1, 2, 2], data)?;
    let op = Op::Conv2d {
        weight,
        bias: None,
        stride: [1, 1],
        padding: Padding::default(),
        dilation: [1, 1],
        groups: channels,
    };
    let convolved = builder.push(name, op, &[padded])?;
    builder.push(name, Op::PixelShuffle { factor: scale }, &[convolved])
}

/// A factor as a whole number.
pub(super) fn whole([num, den]: Factor) -> Result<usize, OpError> {
    if den == 1 { Ok(num) } else { Err(problem!("a factor of {num}/{den} is not a whole number")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_simple_fractions() {
        assert_eq!(factor(2.0), Some([2, 1]));
        assert_eq!(factor(0.75), Some([3, 4]));
        assert_eq!(factor(f64::from(1.0f32 / 3.0)), Some([1, 3]));
        assert_eq!(factor(f64::from(4.0f32 / 3.0)), Some([4, 3]));
        assert_eq!(factor(0.0), None);
        assert_eq!(factor(f64::NAN), None);
        assert_eq!(factor(1e30), None);
        assert_eq!(factor(std::f64::consts::PI), None);
    }

    #[test]
    fn nearest_conventions_agree_only_where_they_do() {
        use {Coordinates::*, Rounding::*};
        assert!(is_plain_nearest(Asymmetric, Floor, [3, 1]));
        assert!(is_plain_nearest(HalfPixel, HalfDown, [4, 1]));
        assert!(is_plain_nearest(HalfPixel, HalfDown, [2, 1]));
        assert!(is_plain_nearest(HalfPixel, HalfDown, [1, 2]));
        assert!(!is_plain_nearest(HalfPixel, HalfUp, [1, 2]));
        assert!(is_plain_nearest(Asymmetric, HalfDown, [2, 1]));
        assert!(!is_plain_nearest(Asymmetric, HalfDown, [3, 1]));
        assert!(!is_plain_nearest(Asymmetric, Ceil, [2, 1]));
        assert!(!is_plain_nearest(HalfPixel, Floor, [2, 1]));
    }
}
