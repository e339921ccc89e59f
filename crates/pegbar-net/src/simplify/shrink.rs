//! A picture enlarged by a pixel shuffle and then shrunk by interpolation is computed at the smaller size at once.
//!
//! Shrinking bilinearly by a factor that takes whole blocks of a shuffle to whole pixels mixes only values of one
//! block, and those are channels of the convolution before it: the convolution can make the mixed channels itself. This
//! turns a 4x model with a half-size step behind it (as the 2x and 3x variants of realesr-animevideov3 are published for
//! ncnn) into a true 2x model, exactly.

use super::Rewriter;
use crate::interpret::resize_taps;
use crate::{BinaryOp, Dim, Node, NodeId, Op, ResizeMode, ResizeTarget, UnaryOp};

const HALF_PIXEL: ResizeMode = ResizeMode::Bilinear { align_corners: false };

/// Shrinks by `num / den` what enlarges by a multiple of `den`.
#[derive(Clone, Copy)]
struct Shrink {
    num: usize,
    den: usize,
}

impl Shrink {
    /// Pixels a block of `factor` pixels becomes, where it becomes whole ones.
    fn block(self, factor: usize) -> Option<usize> {
        let shrunk = factor * self.num;
        shrunk.is_multiple_of(self.den).then(|| shrunk / self.den).filter(|&n| n > 0)
    }
}

pub(super) fn shrink_before_shuffle(r: &mut Rewriter, node: &Node) -> Option<NodeId> {
    let Op::Resize { mode, target: ResizeTarget::Scale { height: [num, den], width } } = node.op else {
        return None;
    };
    // Enlarging, taps reach into neighbouring blocks.
    if mode != HALF_PIXEL || width != [num, den] || num >= den {
        return None;
    }
    let shrink = Shrink { num, den };
    let input = *node.inputs.first()?;
    if can_shrink(r, input, shrink) { apply(r, input, shrink) } else { None }
}

/// Whether the value is made of enlarged parts that can all be made smaller instead.
fn can_shrink(r: &Rewriter, id: NodeId, shrink: Shrink) -> bool {
    let node = r.net.node(id);
    if !r.sole(id) {
        return false;
    }
    match node.op {
        Op::PixelShuffle { factor } => {
            let before = node.inputs[0];
            matches!(r.op(before), Op::Conv2d { groups: 1, .. })
                && r.sole(before)
                && shrink.block(factor).is_some()
        }
        Op::Resize {
            mode: ResizeMode::Nearest,
            target: ResizeTarget::Scale { height: [factor, 1], width },
        } => width == [factor, 1] && shrink.block(factor).is_some(),
        Op::Unary(UnaryOp::ScaleShift { .. }) | Op::ChannelAffine { .. } => {
            can_shrink(r, node.inputs[0], shrink)
        }
        Op::Binary(BinaryOp::Add | BinaryOp::Sub) => {
            let same_size = node.inputs.iter().all(|&input| r.shape(input)[2..] == r.shape(id)[2..]);
            same_size && node.inputs.iter().all(|&input| can_shrink(r, input, shrink))
        }
        _ => false,
    }
}

/// Makes the smaller value. [`can_shrink`] has said yes.
fn apply(r: &mut Rewriter, id: NodeId, shrink: Shrink) -> Option<NodeId> {
    let node = r.net.node(id).clone();
    let shape = shrunk_shape(r.shape(id), shrink)?;
    match node.op {
        Op::PixelShuffle { factor } => {
            let conv = mix_channels(r, node.inputs[0], factor, shrink)?;
            match shrink.block(factor)? {
                1 => Some(conv),
                block => Some(r.push(&node.name, Op::PixelShuffle { factor: block }, &[conv], shape)),
            }
        }
        Op::Resize { mode, target: ResizeTarget::Scale { height: [factor, _], .. } } => {
            let block = shrink.block(factor)?;
            let target = ResizeTarget::Scale { height: [block, 1], width: [block, 1] };
            Some(r.push(&node.name, Op::Resize { mode, target }, &node.inputs, shape))
        }
        _ => {
            let inputs =
                node.inputs.iter().map(|&input| apply(r, input, shrink)).collect::<Option<Vec<_>>>()?;
            Some(r.push(&node.name, node.op, &inputs, shape))
        }
    }
}

fn shrunk_shape(shape: [Dim; 4], shrink: Shrink) -> Option<[Dim; 4]> {
    use crate::dim::Extent;
    let side = |dim: Dim| dim.times(shrink.num).and_then(|d| d.div_floor(shrink.den));
    Some([shape[0], shape[1], side(shape[2])?, side(shape[3])?])
}

/// The convolution before a shuffle by `factor`, making the channels of a shuffle by the smaller block.
fn mix_channels(r: &mut Rewriter, id: NodeId, factor: usize, shrink: Shrink) -> Option<NodeId> {
    let node = r.net.node(id).clone();
    let block = shrink.block(factor)?;
    let Op::Conv2d { weight, bias, .. } = node.op else { return None };
    // Rows of a block to rows of the smaller block; the same along the other axis. Shrinking, no tap leaves the block.
    let taps = resize_taps(HALF_PIXEL, factor, block, [shrink.den, shrink.num]);
    let old = r.net.weight(weight).clone();
    let per_channel = old.data.len() / old.shape[0];
    let colours = old.shape[0] / (factor * factor);
    let mix = |values: &[f32], run: usize| -> Vec<f32> {
        let mut mixed = Vec::with_capacity(colours * block * block * run);
        for colour in 0..colours {
            for rows in &taps {
                for columns in &taps {
                    let mut sum = vec![0.0f64; run];
                    for &(y, wy) in rows {
                        for &(x, wx) in columns {
                            let channel = (colour * factor + y) * factor + x;
                            for (to, &v) in sum.iter_mut().zip(&values[channel * run..][..run]) {
                                *to += wy * wx * f64::from(v);
                            }
                        }
                    }
                    mixed.extend(sum.into_iter().map(|v| v as f32));
                }
            }
        }
        mixed
    };
    let data = mix(&old.data, per_channel);
    let new_bias = bias.map(|id| (r.net.weight(id).name.clone(), mix(r.data(id), 1)));
    let mut dims = old.shape.clone();
    dims[0] = colours * block * block;
    let mut shape = r.shape(id);
    shape[1] = Dim::Fixed(dims[0]);
    let mut op = node.op.clone();
    let Op::Conv2d { weight, bias, .. } = &mut op else { return None };
    *weight = r.weight(old.name.clone(), dims, data);
    *bias = new_bias.map(|(name, data)| r.weight(name, vec![data.len()], data));
    Some(r.push(&node.name, op, &node.inputs, shape))
}
