//! How large and how expensive a network is.

use crate::{Dim, Net, Op, Region};

impl Net {
    /// Values in the weights the nodes refer to, but for the position biases of attention, which a file holds as small
    /// tables.
    pub fn parameters(&self) -> usize {
        let mut used = vec![false; self.weights.len()];
        let counted = self.nodes.iter().flat_map(|node| {
            let bias = if let Op::Attention(attention) = node.op { attention.bias } else { None };
            node.op.weights().filter(move |&id| Some(id) != bias)
        });
        for id in counted {
            if let Some(used) = used.get_mut(id.0 as usize) {
                *used = true;
            }
        }
        let used = self.weights.iter().zip(used).filter(|(_, used)| *used);
        used.map(|(weight, _)| weight.data.len()).sum::<usize>()
            + self.tensors().map_or(0, |graph| graph.parameters())
    }

    /// Floating-point operations for each pixel of the input picture: two for each multiply-add of a convolution or
    /// matrix, one for each value of anything else. What does not grow with the picture does not count. Zero for a
    /// broken graph.
    pub fn flops_per_pixel(&self) -> f64 {
        let Ok(shapes) = self.infer_shapes() else {
            return 0.0;
        };
        let cost = |(index, shape): (usize, &[Dim; 4])| {
            let node = &self.nodes[index];
            let taps = |id| self.weight(id).shape[1..].iter().product::<usize>() as f64;
            match node.op {
                Op::Input { .. } | Op::Constant(_) | Op::Concat { .. } => 0.0,
                Op::Slice { .. } | Op::Part { .. } | Op::Crop { .. } => 0.0,
                Op::PixelShuffle { .. } | Op::PixelUnshuffle { .. } => 0.0,
                Op::Tensors(ref graph) => graph.flops_per_pixel(),
                Op::Conv2d { weight, .. } => 2.0 * taps(weight) * values_per_pixel(shape),
                // Each value of its input meets the whole kernel of its channel.
                Op::ConvTranspose2d { weight, .. } => {
                    2.0 * taps(weight) * values_per_pixel(&shapes[node.inputs[0].0 as usize])
                }
                // Each query meets every key of its window, and the values of as many; zeros beyond the picture count.
                Op::Attention(a) => {
                    let pixels = |dims: &[Dim; 4]| dims[2].fixed().zip(dims[3].fixed()).map(|(h, w)| h * w);
                    let keys = match a.region {
                        Region::Picture => pixels(&shapes[node.inputs[1].0 as usize]).unwrap_or(0),
                        _ => a.tokens()[1],
                    };
                    let queries = values_per_pixel(&shapes[node.inputs[0].0 as usize]);
                    2.0 * keys as f64 * (queries + values_per_pixel(shape))
                }
                Op::SortedAttention(a) => {
                    let queries = values_per_pixel(&shapes[node.inputs[0].0 as usize]);
                    2.0 * a.group as f64 * (queries + values_per_pixel(shape))
                }
                // The product of queries and keys, and that of the weights with the values.
                Op::ChannelAttention(a) | Op::ChannelMix(a) => {
                    let per_head = shape[1].fixed().unwrap_or(0) / a.heads;
                    4.0 * per_head as f64 * values_per_pixel(shape)
                }
                _ => values_per_pixel(shape),
            }
        };
        shapes.iter().enumerate().map(cost).sum()
    }
}

/// Values of a shape for each pixel of the picture; zero where it does not grow with both its sides.
fn values_per_pixel(shape: &[Dim; 4]) -> f64 {
    let mut values = 1.0;
    let mut scaled = 0;
    for dim in shape {
        match *dim {
            Dim::Fixed(n) => values *= n as f64,
            Dim::Scaled { num, den, .. } => {
                scaled += 1;
                values *= num as f64 / den as f64;
            }
        }
    }
    if scaled == 2 { values } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use crate::{Net, Op, Padding, WeightTensor};

    #[test]
    fn a_strided_convolution_costs_a_quarter() {
        let mut net = Net::default();
        let x = net.push("input", Op::Input { channels: 3 }, &[]);
        let weight =
            net.push_weight(WeightTensor { name: "w".into(), shape: vec![8, 3, 3, 3], data: vec![0.0; 216] });
        let conv = |stride| Op::Conv2d {
            weight,
            bias: None,
            stride: [stride, stride],
            padding: Padding::all(1),
            dilation: [1, 1],
            groups: 1,
        };
        net.output = Some(net.push("c", conv(1), &[x]));
        assert_eq!(net.flops_per_pixel(), 2.0 * 216.0);
        net.output = Some(net.push("d", conv(2), &[x]));
        assert_eq!(net.flops_per_pixel(), 2.0 * 216.0 * 1.25);
        // Both nodes share one weight.
        assert_eq!(net.parameters(), 216);
    }
}
