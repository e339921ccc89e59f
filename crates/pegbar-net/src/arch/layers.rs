//! What architectures are put together from: tensors of a state dict, read by key, become the layers of a network.
//!
//! This file reads and ends; the layers themselves are in `layers/`, all of them methods of [`Layers`]. Names of nodes
//! are those of the modules, where there is one.

mod arithmetic;
mod convolution;
mod gates;
mod normalization;
mod upsampling;

use super::Built;
use super::keys::count;
use crate::{ModelError, Net, NodeId, Op, SizeRule, WeightId, WeightTensor};
use pegbar_formats::{StateDict, Tensor};
use serde_json::Value as Json;
use std::collections::HashMap;

pub(super) use convolution::Conv;
pub(super) use normalization::{EPS, RGB_MEAN};

/// More channels than any convolution of any published network has: what a file claims beyond it is damage.
const MAX_CHANNELS: usize = 1 << 16;
/// The same of other tensors, some of which have a row for each pair of pixels.
const MAX_DIMENSION: usize = 1 << 20;
/// More modules in a row than any model has.
const MAX_LENGTH: usize = 256;

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

    /// The finished network with what is known about it; nothing can be added to it after that.
    pub(super) fn finish(
        &mut self,
        output: NodeId,
        size_rule: SizeRule,
        tags: Vec<String>,
        hyperparameters: impl IntoIterator<Item = (&'static str, Json)>,
    ) -> Built {
        let mut net = std::mem::take(&mut self.net);
        net.output = Some(output);
        net.size_rule = size_rule;
        let hyperparameters =
            hyperparameters.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        Built { net, tags, notes: Vec::new(), hyperparameters }
    }

    /// An error about the sizes as a whole.
    pub(super) fn problem(&self, problem: impl Into<String>) -> ModelError {
        ModelError::Architecture { architecture: self.architecture, problem: problem.into() }
    }

    /// Whether the file has a tensor.
    pub(super) fn has(&self, key: &str) -> bool {
        self.state_dict.contains(key)
    }

    /// How many modules are numbered behind `prefix`, which ends in a dot: at least one.
    pub(super) fn sequence(&self, prefix: &str) -> Result<usize, ModelError> {
        match count(self.state_dict, prefix) {
            n @ 1..=MAX_LENGTH => Ok(n),
            n => {
                Err(self.problem(format!("it has {n} modules {prefix}*, where 1 to {MAX_LENGTH} make sense")))
            }
        }
    }

    fn tensor(&self, key: &str) -> Result<&'a Tensor, ModelError> {
        self.state_dict
            .get(key)
            .ok_or_else(|| ModelError::MissingKey { architecture: self.architecture, key: key.to_string() })
    }

    /// Shape of a tensor of this rank, no dimension of it zero.
    pub(super) fn shape<const RANK: usize>(&self, key: &str) -> Result<[usize; RANK], ModelError> {
        self.bounded_shape(key, MAX_DIMENSION)
    }

    /// Shape of a convolution's weight, `[out, in, kh, kw]`, none of them zero.
    pub(super) fn conv_shape(&self, prefix: &str) -> Result<[usize; 4], ModelError> {
        self.bounded_shape(&format!("{prefix}.weight"), MAX_CHANNELS)
    }

    fn bounded_shape<const RANK: usize>(&self, key: &str, max: usize) -> Result<[usize; RANK], ModelError> {
        let found = self.tensor(key)?.shape();
        match <[usize; RANK]>::try_from(found) {
            Ok(shape) if shape.iter().all(|n| (1..=max).contains(n)) => Ok(shape),
            _ => Err(ModelError::TensorShape {
                architecture: self.architecture,
                key: key.to_string(),
                expected: format!("{RANK} dimensions, each 1 to {max},"),
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
        let id = self.made_weight(key, shape, data);
        self.taken.insert(key.to_string(), id);
        Ok(id)
    }

    /// Takes a tensor into the network with another shape of as many values.
    pub(super) fn reshaped(
        &mut self,
        key: &str,
        shape: &[usize],
        to: &[usize],
    ) -> Result<WeightId, ModelError> {
        let data = self.values(key, shape)?;
        Ok(self.made_weight(key, to, data))
    }

    /// `{prefix}.bias`, where the file has it.
    pub(super) fn bias(&mut self, prefix: &str, channels: usize) -> Result<Option<WeightId>, ModelError> {
        let key = format!("{prefix}.bias");
        if self.has(&key) { self.weight(&key, &[channels]).map(Some) } else { Ok(None) }
    }

    /// A weight that is not in the file as it is.
    pub(super) fn made_weight(
        &mut self,
        name: impl Into<String>,
        shape: &[usize],
        data: Vec<f32>,
    ) -> WeightId {
        self.net.push_weight(WeightTensor { name: name.into(), shape: shape.to_vec(), data })
    }

    /// A value that is not in the file as it is: the same for all pictures.
    pub(super) fn constant(&mut self, name: impl Into<String>, shape: [usize; 4], data: Vec<f32>) -> NodeId {
        let name = name.into();
        let weight = self.made_weight(name.clone(), &shape, data);
        self.push(name, Op::Constant(weight), &[])
    }

    /// Any operation.
    pub(super) fn push(&mut self, name: impl Into<String>, op: Op, inputs: &[NodeId]) -> NodeId {
        self.net.push(name, op, inputs)
    }

    /// The picture: what every network begins with.
    pub(super) fn input(&mut self, channels: usize) -> NodeId {
        self.push("input", Op::Input { channels }, &[])
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
