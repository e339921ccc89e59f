//! Along which axes an operation can be done piece by piece.

use pegbar_net::tensor::Kernel;

/// What a piece of a result needs of an input: all of it, or the like piece along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Whole,
    Axis(usize),
}

/// What each input must be cut along for the result to be made in pieces along `axis`; `None` where that cannot be. Where a
/// reshape cuts an axis, pieces are those of the coarser one.
pub(crate) fn needs(
    kernel: &Kernel,
    inputs: &[&[usize]],
    output: &[usize],
    axis: usize,
) -> Option<Vec<Need>> {
    if output[axis] <= 1 {
        return None;
    }
    let aligned = |shape: &[usize]| match (axis + shape.len()).checked_sub(output.len()) {
        Some(at) if shape[at] != 1 => Need::Axis(at),
        _ => Need::Whole,
    };
    Some(match kernel {
        Kernel::Reshape => {
            // The axis before which as many elements lie.
            let before: usize = output[..axis].iter().product();
            let same = |&at: &usize| inputs[0][at] > 1 && inputs[0][..at].iter().product::<usize>() == before;
            vec![Need::Axis((0..inputs[0].len()).find(same)?)]
        }
        Kernel::Transpose { permutation } => vec![Need::Axis(permutation[axis])],
        Kernel::Unary(_) => vec![Need::Axis(axis)],
        Kernel::Binary(_) | Kernel::Expand => inputs.iter().map(|shape| aligned(shape)).collect(),
        Kernel::MatMul => {
            let (a, b, rank) = (inputs[0], inputs[1], output.len());
            let mut needs = if axis + 2 == rank {
                vec![Need::Axis(a.len() - 2), Need::Whole]
            } else if axis + 1 == rank {
                vec![Need::Whole, Need::Axis(b.len() - 1)]
            } else {
                vec![aligned(a), aligned(b)]
            };
            if inputs.len() > 2 {
                needs.push(if axis + 1 == rank { Need::Axis(0) } else { Need::Whole });
            }
            needs
        }
        Kernel::Softmax { axis: along, log: false } if *along + 1 == output.len() && *along != axis => {
            vec![Need::Axis(axis)]
        }
        Kernel::Normalize { axis: first, .. } if axis < *first => {
            let mut needs = vec![Need::Whole; inputs.len()];
            needs[0] = Need::Axis(axis);
            needs
        }
        Kernel::Reduce { axes, .. } if !axes.contains(&axis) && contiguous(axes) => vec![Need::Axis(axis)],
        Kernel::Gather { axis: along } if axis < *along => vec![Need::Axis(axis)],
        // Behind the indices' own dimensions.
        Kernel::Gather { axis: along } if axis + inputs[0].len() > *along + output.len() => {
            vec![Need::Axis(axis + inputs[0].len() - output.len())]
        }
        Kernel::Pad { before, .. } if before[axis] == 0 && inputs[0][axis] == output[axis] => {
            vec![Need::Axis(axis)]
        }
        Kernel::Concat { axis: along } if *along != axis => vec![Need::Axis(axis); inputs.len()],
        Kernel::Slice { starts, steps }
            if starts[axis] == 0
                && steps.iter().all(|&step| step >= 1)
                && steps[axis] == 1
                && inputs[0][axis] == output[axis] =>
        {
            vec![Need::Axis(axis)]
        }
        _ => return None,
    })
}

/// Whether axes follow each other.
pub(crate) fn contiguous(axes: &[usize]) -> bool {
    !axes.is_empty() && axes.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_left_alone() {
        // Windows of pixels, split into heads, and put in order.
        let reshape = needs(&Kernel::Reshape, &[&[32, 64, 180]], &[32, 64, 3, 6, 10], 0);
        assert_eq!(reshape, Some(vec![Need::Axis(0)]));
        let permutation = vec![2, 0, 3, 1, 4];
        let moved = needs(&Kernel::Transpose { permutation }, &[&[32, 64, 3, 6, 10]], &[3, 32, 6, 64, 10], 1);
        assert_eq!(moved, Some(vec![Need::Axis(0)]));
        // A mask for each window, the same for all heads.
        let add = Kernel::Binary(pegbar_net::tensor::Binary::Add);
        let masked = needs(&add, &[&[1, 32, 6, 64, 64], &[1, 32, 1, 64, 64]], &[1, 32, 6, 64, 64], 1);
        assert_eq!(masked, Some(vec![Need::Axis(1), Need::Axis(1)]));
        let biased = needs(&add, &[&[32, 6, 64, 64], &[1, 6, 64, 64]], &[32, 6, 64, 64], 0);
        assert_eq!(biased, Some(vec![Need::Axis(0), Need::Whole]));
        // Rows of the picture, not its windows.
        let cut = needs(&Kernel::Reshape, &[&[1, 64, 60]], &[1, 8, 8, 60], 1);
        assert_eq!(cut, Some(vec![Need::Axis(1)]));
        assert_eq!(needs(&Kernel::Reshape, &[&[1, 64, 60]], &[1, 8, 8, 60], 2), None);
        assert_eq!(needs(&Kernel::Softmax { axis: 1, log: false }, &[&[4, 9]], &[4, 9], 1), None);
    }
}
