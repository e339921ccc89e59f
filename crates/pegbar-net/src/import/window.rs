//! Padding rules of convolutions and pools that depend on the size of what they read.

use super::builder::GraphBuilder;
use super::error::{OpError, problem};
use crate::dim::gcd;
use crate::{Dim, NodeId, Padding};

/// How a format states padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Border {
    /// So many elements.
    Explicit(Padding),
    /// Output is `ceil(input / stride)`; an odd element goes to the bottom and right.
    SameUpper,
    /// The same, but an odd element goes to the top and left.
    SameLower,
}

/// Remainder of `dim + extra` divided by `by`, the same for every picture of an admitted size; makes it so by
/// restricting the sizes.
pub(super) fn remainder(
    builder: &mut GraphBuilder,
    dim: Dim,
    extra: i64,
    by: usize,
) -> Result<usize, OpError> {
    let constant = match dim {
        Dim::Fixed(n) => i64::try_from(n).map_err(|_| problem!("a dimension of {n} is too large"))?,
        Dim::Scaled { num, den, offset, .. } => {
            if !builder.sizes_fit() {
                let steps = by / gcd(by, num).max(1);
                builder.require_multiple(den.saturating_mul(steps))?;
            }
            offset
        }
    };
    let by = i64::try_from(by).map_err(|_| problem!("a stride of {by} is too large"))?.max(1);
    Ok(constant.saturating_add(extra).rem_euclid(by) as usize)
}

/// Explicit padding for a window of `extent` elements (dilation included) that moves by `stride`.
pub(super) fn explicit_padding(
    builder: &mut GraphBuilder,
    input: NodeId,
    border: Border,
    extent: [usize; 2],
    stride: [usize; 2],
) -> Result<Padding, OpError> {
    let upper = match border {
        Border::Explicit(padding) => return Ok(padding),
        Border::SameUpper => true,
        Border::SameLower => false,
    };
    let shape = builder.shape(input);
    let mut split = [[0; 2]; 2];
    for axis in 0..2 {
        // ceil(n / s) * s - s + k - n, where ceil(n / s) * s - n is (-n) mod s.
        let tail = match remainder(builder, shape[2 + axis], 0, stride[axis])? {
            0 => 0,
            rest => stride[axis] - rest,
        };
        let total = (extent[axis] + tail).saturating_sub(stride[axis]);
        let small = total / 2;
        split[axis] = if upper { [small, total - small] } else { [total - small, small] };
    }
    Ok(Padding { top: split[0][0], bottom: split[0][1], left: split[1][0], right: split[1][1] })
}

/// Elements to add at bottom and right so that the last window, which would hang over the edge, fits.
pub(super) fn ceil_tail(
    builder: &mut GraphBuilder,
    input: NodeId,
    padding: Padding,
    extent: [usize; 2],
    stride: [usize; 2],
) -> Result<[usize; 2], OpError> {
    let shape = builder.shape(input);
    let sides = [padding.top.saturating_add(padding.bottom), padding.left.saturating_add(padding.right)];
    let mut tail = [0; 2];
    for axis in 0..2 {
        let extra =
            i64::try_from(sides[axis]).unwrap_or(i64::MAX) - i64::try_from(extent[axis]).unwrap_or(i64::MAX);
        tail[axis] = match remainder(builder, shape[2 + axis], extra, stride[axis])? {
            0 => 0,
            rest => stride[axis] - rest,
        };
    }
    Ok(tail)
}
