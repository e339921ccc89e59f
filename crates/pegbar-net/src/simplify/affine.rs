//! `x * scale + shift`, by channel or as one number: merged with each other and into convolutions.
//!
//! Behind a convolution that is always exact. Before one, the shift is seen by the picture but not by the zeros around
//! it, so it may only be folded where there is no padding; the scale always may.

use super::Rewriter;
use super::constants::channel_affine;
use crate::{Dim, Node, NodeId, Op, Padding, UnaryOp, WeightId};

/// An affine step.
enum Affine {
    One(f64, f64),
    Channels(Vec<f64>, Vec<f64>),
}

impl Affine {
    fn of(r: &Rewriter, op: &Op) -> Option<Self> {
        let wide = |id: WeightId| r.data(id).iter().map(|&v| f64::from(v)).collect();
        match *op {
            Op::Unary(UnaryOp::ScaleShift { scale, shift }) => {
                Some(Self::One(f64::from(scale), f64::from(shift)))
            }
            Op::ChannelAffine { scale, shift } => Some(Self::Channels(wide(scale), wide(shift))),
            _ => None,
        }
    }

    fn scale(&self, channel: usize) -> f64 {
        match self {
            Self::One(scale, _) => *scale,
            Self::Channels(scales, _) => scales[channel],
        }
    }

    fn shift(&self, channel: usize) -> f64 {
        match self {
            Self::One(_, shift) => *shift,
            Self::Channels(_, shifts) => shifts[channel],
        }
    }

    fn shifts_nothing(&self) -> bool {
        match self {
            Self::One(_, shift) => *shift == 0.0,
            Self::Channels(_, shifts) => shifts.iter().all(|&s| s == 0.0),
        }
    }

    fn channels(&self) -> Option<usize> {
        match self {
            Self::One(..) => None,
            Self::Channels(scales, _) => Some(scales.len()),
        }
    }
}

/// Two affine steps in a row are one.
pub(super) fn merge(r: &mut Rewriter, node: &Node, shape: [Dim; 4]) -> Option<NodeId> {
    let second = Affine::of(r, &node.op)?;
    let before = node.inputs[0];
    let first = Affine::of(r, r.op(before))?;
    if !r.sole(before) {
        return None;
    }
    let x = r.net.node(before).inputs[0];
    let step = |channel: usize| {
        let scale = second.scale(channel) * first.scale(channel);
        let shift = second.scale(channel) * first.shift(channel) + second.shift(channel);
        (scale as f32, shift as f32)
    };
    let op = match first.channels().or(second.channels()) {
        None => {
            let (scale, shift) = step(0);
            Op::Unary(UnaryOp::ScaleShift { scale, shift })
        }
        Some(channels) => {
            let (scales, shifts) = (0..channels).map(step).unzip();
            channel_affine(r, &node.name, scales, shifts)
        }
    };
    Some(r.push(&node.name, op, &[x], shape))
}

/// Weight and bias with the results of a convolution, transposed convolution or matrix scaled and shifted.
pub(super) fn into_previous_convolution(r: &mut Rewriter, node: &Node, shape: [Dim; 4]) -> Option<NodeId> {
    let affine = Affine::of(r, &node.op)?;
    let before = r.net.node(node.inputs[0]).clone();
    let (weight, bias, transposed_groups) = match before.op {
        Op::Conv2d { weight, bias, .. } | Op::Linear { weight, bias } => (weight, bias, None),
        Op::ConvTranspose2d { weight, bias, groups, .. } => (weight, bias, Some(groups)),
        _ => return None,
    };
    if !r.sole(node.inputs[0]) || r.shared(weight) {
        return None;
    }
    let out_channels = shape[1].fixed()?;
    let old = r.net.weight(weight).clone();
    // Which output channel a place in the weight belongs to.
    let taps: usize = old.shape.iter().skip(2).product();
    let channel_of = |place: usize| match transposed_groups {
        None => place / (old.data.len() / out_channels),
        Some(groups) => {
            let (per_group_in, per_group_out) = (old.shape[0] / groups, old.shape[1]);
            place / (per_group_out * taps) / per_group_in * per_group_out + place / taps % per_group_out
        }
    };
    let data = old
        .data
        .iter()
        .enumerate()
        .map(|(i, &w)| (f64::from(w) * affine.scale(channel_of(i))) as f32)
        .collect();
    let old_bias = bias.map(|id| r.data(id).to_vec());
    let new_bias = (0..out_channels)
        .map(|c| {
            let bias = old_bias.as_ref().map_or(0.0, |bias| f64::from(bias[c]));
            (bias * affine.scale(c) + affine.shift(c)) as f32
        })
        .collect();
    replace_weights(r, &before, weight, data, new_bias, &before.inputs, shape)
}

/// Weight and bias with the input of a convolution scaled and shifted.
pub(super) fn into_next_convolution(r: &mut Rewriter, node: &Node, shape: [Dim; 4]) -> Option<NodeId> {
    let before = *node.inputs.first()?;
    let (weight, bias, groups, pads) = match node.op {
        Op::Conv2d { weight, bias, groups, padding, .. } => {
            (weight, bias, groups, padding != Padding::default())
        }
        _ => return None,
    };
    let affine = Affine::of(r, r.op(before))?;
    if !r.sole(before) || r.shared(weight) || (pads && !affine.shifts_nothing()) {
        return None;
    }
    let old = r.net.weight(weight).clone();
    let [out_channels, per_group_in] = [old.shape[0], old.shape[1]];
    let taps: usize = old.shape.iter().skip(2).product();
    let mut sums = vec![0.0f64; out_channels];
    let mut data = Vec::with_capacity(old.data.len());
    for (place, &w) in old.data.iter().enumerate() {
        let out = place / (per_group_in * taps);
        let input = out / (out_channels / groups) * per_group_in + place / taps % per_group_in;
        sums[out] += f64::from(w) * affine.shift(input);
        data.push((f64::from(w) * affine.scale(input)) as f32);
    }
    let old_bias = bias.map(|id| r.data(id).to_vec());
    let new_bias = sums
        .iter()
        .enumerate()
        .map(|(c, sum)| (sum + old_bias.as_ref().map_or(0.0, |bias| f64::from(bias[c]))) as f32)
        .collect();
    let inputs = r.net.node(before).inputs.clone();
    replace_weights(r, node, weight, data, new_bias, &inputs, shape)
}

/// Appends the layer with other weights, unless those would no longer be finite.
fn replace_weights(
    r: &mut Rewriter,
    layer: &Node,
    old: WeightId,
    data: Vec<f32>,
    new_bias: Vec<f32>,
    inputs: &[NodeId],
    shape: [Dim; 4],
) -> Option<NodeId> {
    if !data.iter().chain(&new_bias).all(|v| v.is_finite()) {
        return None;
    }
    let (name, dims) = (r.net.weight(old).name.clone(), r.net.weight(old).shape.clone());
    let mut op = layer.op.clone();
    let has_bias = new_bias.iter().any(|&b| b != 0.0);
    let new_weight = r.weight(name, dims, data);
    let new_bias = has_bias.then(|| r.weight(format!("{}/bias", layer.name), vec![new_bias.len()], new_bias));
    match &mut op {
        Op::Conv2d { weight, bias, .. }
        | Op::ConvTranspose2d { weight, bias, .. }
        | Op::Linear { weight, bias } => {
            (*weight, *bias) = (new_weight, new_bias);
        }
        _ => return None,
    }
    Some(r.push(&layer.name, op, inputs, shape))
}
