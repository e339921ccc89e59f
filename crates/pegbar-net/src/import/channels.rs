//! Rearranging channels: reorder, select, repeat, average.

use super::builder::GraphBuilder;
use super::error::{OpError, problem};
use crate::{NodeId, Op, Padding};

/// A 1x1 convolution without bias.
fn pointwise(weight: crate::WeightId) -> Op {
    Op::Conv2d {
        weight,
        bias: None,
        stride: [1, 1],
        padding: Padding::default(),
        dilation: [1, 1],
        groups: 1,
    }
}

/// A value whose channel `i` is channel `order[i]` of `input`.
///
/// Slices where few suffice; rows of the kernel where a convolution makes the value; a 1x1 convolution otherwise. All
/// three copy values exactly.
pub(super) fn select_channels(
    builder: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    order: &[usize],
) -> Result<NodeId, OpError> {
    let channels = builder.channels(input)?;
    if order.is_empty() || order.iter().any(|&c| c >= channels) {
        return Err(problem!("selects channels that are none of {channels}"));
    }
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &c in order {
        match runs.last_mut() {
            Some((_, end)) if *end == c => *end += 1,
            _ => runs.push((c, c + 1)),
        }
    }
    if runs == [(0, channels)] {
        return Ok(input);
    }
    if runs.len() <= 4 {
        let mut parts = Vec::with_capacity(runs.len());
        for (start, end) in runs {
            parts.push(builder.slice(name, input, 1, start as i64, end as i64)?);
        }
        return if let [only] = parts[..] {
            Ok(only)
        } else {
            builder.push(name, Op::Concat { axis: 1 }, &parts)
        };
    }
    if let Some(id) = select_kernel_rows(builder, name, input, order)? {
        return Ok(id);
    }
    let size = order.len().checked_mul(channels).ok_or_else(|| problem!("selects too many channels"))?;
    builder.claim(size)?;
    let mut data = vec![0.0; size];
    for (row, &c) in data.chunks_exact_mut(channels).zip(order) {
        row[c] = 1.0;
    }
    let weight = builder.weight(&format!("{name}.order"), vec![order.len(), channels, 1, 1], data)?;
    builder.push(name, pointwise(weight), &[input])
}

/// The convolution that makes `input`, with its output channels selected instead; `None` when no convolution makes it.
/// The original stays for other readers and is dropped from the net when there are none.
fn select_kernel_rows(
    builder: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    order: &[usize],
) -> Result<Option<NodeId>, OpError> {
    let node = builder.node(input).clone();
    let Op::Conv2d { weight, bias, stride, padding, dilation, groups: 1 } = node.op else { return Ok(None) };
    let kernel = builder.weight_of(weight);
    let row: usize = kernel.shape[1..].iter().product();
    let shape = [&[order.len()], &kernel.shape[1..]].concat();
    builder.claim(order.len().saturating_mul(row + 1))?;
    let kernel = builder.weight_of(weight);
    let data = order.iter().flat_map(|&c| &kernel.data[c * row..(c + 1) * row]).copied().collect();
    let kernel_name = format!("{}.reordered", kernel.name);
    let weight = builder.weight(&kernel_name, shape, data)?;
    let bias = match bias {
        Some(bias) => {
            let bias = builder.weight_of(bias);
            let data = order.iter().map(|&c| bias.data[c]).collect();
            let bias_name = format!("{}.reordered", bias.name);
            Some(builder.weight(&bias_name, vec![order.len()], data)?)
        }
        None => None,
    };
    builder
        .push(name, Op::Conv2d { weight, bias, stride, padding, dilation, groups: 1 }, &node.inputs)
        .map(Some)
}

/// `[N, C*f*f, H, W] -> [N, C, H*f, W*f]`; the channel of a phase is `(dy*f + dx)*C + c` when `phase_first`, else as in
/// [`Op::PixelShuffle`].
pub(super) fn depth_to_space(
    builder: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    factor: usize,
    phase_first: bool,
) -> Result<NodeId, OpError> {
    let channels = builder.channels(input)?;
    let phases = factor.saturating_mul(factor);
    if phases == 0 || !channels.is_multiple_of(phases) {
        return Err(problem!("{channels} channels are no multiple of {factor} x {factor}"));
    }
    if factor == 1 {
        return Ok(input);
    }
    let mut shuffled = input;
    if phase_first {
        let out = channels / phases;
        let order: Vec<usize> = (0..channels).map(|i| (i % phases) * out + i / phases).collect();
        shuffled = select_channels(builder, name, input, &order)?;
    }
    builder.push(name, Op::PixelShuffle { factor }, &[shuffled])
}

/// The inverse of [`depth_to_space`].
pub(super) fn space_to_depth(
    builder: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    factor: usize,
    phase_first: bool,
) -> Result<NodeId, OpError> {
    if factor == 1 {
        return Ok(input);
    }
    let unshuffled = builder.push(name, Op::PixelUnshuffle { factor }, &[input])?;
    if !phase_first {
        return Ok(unshuffled);
    }
    let (channels, phases) = (builder.channels(input)?, factor * factor);
    let order: Vec<usize> = (0..channels * phases).map(|i| (i % channels) * phases + i / channels).collect();
    select_channels(builder, name, unshuffled, &order)
}

/// Sum over channels times `factor`: `[N, C, H, W] -> [N, 1, H, W]`.
pub(super) fn sum_channels(
    builder: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    factor: f32,
) -> Result<NodeId, OpError> {
    let channels = builder.channels(input)?;
    builder.claim(channels)?;
    let weight = builder.weight(&format!("{name}.sum"), vec![1, channels, 1, 1], vec![factor; channels])?;
    builder.push(name, pointwise(weight), &[input])
}

/// A matrix `[out, in]` applied to the channels of every pixel, or of a vector.
pub(super) fn matrix(
    builder: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    (weight_name, shape, data): (&str, [usize; 2], Vec<f32>),
    bias: Option<(&str, Vec<f32>)>,
) -> Result<NodeId, OpError> {
    let bias = match bias {
        Some((bias_name, data)) => Some(builder.weight(bias_name, vec![shape[0]], data)?),
        None => None,
    };
    if builder.is_vector(input) {
        let weight = builder.weight(weight_name, shape.to_vec(), data)?;
        return builder.push(name, Op::Linear { weight, bias }, &[input]);
    }
    let weight = builder.weight(weight_name, vec![shape[0], shape[1], 1, 1], data)?;
    let Op::Conv2d { stride, padding, dilation, groups, .. } = pointwise(weight) else {
        return Err(OpError::Operator);
    };
    builder.push(name, Op::Conv2d { weight, bias, stride, padding, dilation, groups }, &[input])
}
