//! Reading tensors of a state dict into the layers of a network.

use crate::{ModelError, Net, NodeId, Op, Padding, UnaryOp, WeightId, WeightTensor};
use pegbar_formats::{StateDict, Tensor};
use std::collections::HashMap;

/// Larger than any convolution of any published network: what a file claims beyond it is damage.
const MAX_CHANNELS: usize = 1 << 16;

/// A network under construction, its weights taken from a state dict by key.
pub(super) struct Layers<'a> {
    architecture: &'static str,
    pub(super) state_dict: &'a StateDict,
    pub(super) net: Net,
    /// What was taken already: layers that run several times share their weights.
    taken: HashMap<String, WeightId>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(architecture: &'static str, state_dict: &'a StateDict) -> Self {
        Self { architecture, state_dict, net: Net::default(), taken: HashMap::new() }
    }

    /// An error about the sizes as a whole.
    pub(super) fn problem(&self, problem: impl Into<String>) -> ModelError {
        ModelError::Architecture { architecture: self.architecture, problem: problem.into() }
    }

    pub(super) fn tensor(&self, key: &str) -> Result<&'a Tensor, ModelError> {
        self.state_dict
            .get(key)
            .ok_or_else(|| ModelError::MissingKey { architecture: self.architecture, key: key.to_string() })
    }

    /// Shape of a convolution's weight, `[out, in, kh, kw]`, none of them zero.
    pub(super) fn conv_shape(&self, prefix: &str) -> Result<[usize; 4], ModelError> {
        self.shape(&format!("{prefix}.weight"), "[out, in, height, width]")
    }

    /// Shape of a tensor of this rank, no dimension of it zero.
    pub(super) fn shape<const RANK: usize>(
        &self,
        key: &str,
        dims: &str,
    ) -> Result<[usize; RANK], ModelError> {
        let found = self.tensor(key)?.shape();
        match <[usize; RANK]>::try_from(found) {
            Ok(shape) if shape.iter().all(|&n| (1..=MAX_CHANNELS).contains(&n)) => Ok(shape),
            _ => Err(ModelError::TensorShape {
                architecture: self.architecture,
                key: key.to_string(),
                expected: format!("{dims}, all at least 1,"),
                found: found.to_vec(),
            }),
        }
    }

    /// The values of a tensor that must have this shape.
    pub(super) fn values(&self, key: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let tensor = self.tensor(key)?;
        if tensor.shape() != shape {
            return Err(ModelError::TensorShape {
                architecture: self.architecture,
                key: key.to_string(),
                expected: format!("{shape:?}"),
                found: tensor.shape().to_vec(),
            });
        }
        Ok(tensor.to_f32())
    }

    /// Takes a tensor that must have this shape into the network.
    pub(super) fn weight(&mut self, key: &str, shape: &[usize]) -> Result<WeightId, ModelError> {
        if let Some(&id) = self.taken.get(key).filter(|&&id| self.net.weight(id).shape == shape) {
            return Ok(id);
        }
        let data = self.values(key, shape)?;
        let id = self.net.push_weight(WeightTensor { name: key.to_string(), shape: shape.to_vec(), data });
        self.taken.insert(key.to_string(), id);
        Ok(id)
    }

    /// A convolution that keeps the size: `{prefix}.weight`, and `{prefix}.bias` where the file has it.
    pub(super) fn conv(
        &mut self,
        prefix: &str,
        x: NodeId,
        [out, input]: [usize; 2],
        kernel: usize,
    ) -> Result<NodeId, ModelError> {
        let weight = self.weight(&format!("{prefix}.weight"), &[out, input, kernel, kernel])?;
        let bias_key = format!("{prefix}.bias");
        let bias =
            if self.state_dict.contains(&bias_key) { Some(self.weight(&bias_key, &[out])?) } else { None };
        Ok(self.push_conv(prefix, x, weight, bias, kernel))
    }

    /// A convolution that keeps the size, of weights already in the network.
    pub(super) fn push_conv(
        &mut self,
        name: &str,
        x: NodeId,
        weight: WeightId,
        bias: Option<WeightId>,
        kernel: usize,
    ) -> NodeId {
        let op = Op::Conv2d {
            weight,
            bias,
            stride: [1, 1],
            padding: Padding::all(kernel / 2),
            dilation: [1, 1],
            groups: 1,
        };
        self.net.push(name, op, &[x])
    }

    /// A function of one value, named after the layer it follows.
    pub(super) fn unary(&mut self, after: &str, op: UnaryOp, x: NodeId) -> NodeId {
        self.net.push(format!("{after}/{}", op.name()), Op::Unary(op), &[x])
    }
}

/// `a / b` as the constructors of these networks are given it.
pub(super) fn ratio(a: usize, b: usize) -> f64 {
    a as f64 / b as f64
}

/// `r` where `r * r == n`.
pub(super) fn square_root(n: usize) -> Option<usize> {
    let r = n.isqrt();
    (r > 0 && r * r == n).then_some(r)
}

/// Output channels and scale of a final convolution of `channels`, followed by a pixel shuffle: the input's channels are
/// tried first, then 3 (colour), 4 (with alpha) and 1 (grey).
pub(super) fn shuffle_scale(channels: usize, input_channels: usize) -> Option<(usize, usize)> {
    [input_channels, 3, 4, 1]
        .into_iter()
        .filter(|&out| out > 0 && channels.is_multiple_of(out))
        .find_map(|out| Some((out, square_root(channels / out)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_follows_from_the_channels_of_the_last_convolution() {
        assert_eq!(shuffle_scale(48, 3), Some((3, 4)));
        assert_eq!(shuffle_scale(3, 3), Some((3, 1)));
        assert_eq!(shuffle_scale(4, 1), Some((1, 2)));
        assert_eq!(shuffle_scale(12, 1), Some((3, 2)));
        assert_eq!(shuffle_scale(243, 3), Some((3, 9)));
        assert_eq!(shuffle_scale(7, 3), None);
        assert_eq!(shuffle_scale(0, 3), None);
    }
}
