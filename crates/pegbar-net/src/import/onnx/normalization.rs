//! Normalisation layers, and Softmax.

use super::view::View;
use super::{Importer, Value, node};
use crate::import::composite::normalize_channels;
use crate::import::error::{OpError, problem};
use crate::{NodeId, Op};
use pegbar_formats::onnx::OnnxNode;

impl<'a> Importer<'a> {
    pub(super) fn batch_normalization(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        if node::int(node, "training_mode", 0)? != 0 {
            return Err(problem!("was exported in training mode; export the model in evaluation mode"));
        }
        let x = self.picture_input(node, 0)?;
        let epsilon = node::float(node, "epsilon", 1e-5)?;
        let mut vectors = Vec::with_capacity(4);
        for index in 1..=4 {
            vectors.push(self.constant(node, index)?.to_floats()?);
        }
        let [slope, bias, mean, variance] = &vectors[..] else { return Err(OpError::Operator) };
        let channels = slope.len();
        if vectors.iter().any(|vector| vector.len() != channels) {
            return Err(problem!("its weights are of different length"));
        }
        let scale: Vec<f32> =
            slope.iter().zip(variance.iter()).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
        let shift = bias.iter().zip(mean.iter()).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        let result = self.channel_affine(node::name(node), x, scale, shift)?;
        Ok(self.as_picture(result))
    }

    /// Layer normalisation over the channels, which are last here.
    pub(super) fn layer_normalization(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let view = self.view(node, 0)?;
        let name = node::name(node);
        let axis = Self::axis(node::int(node, "axis", -1)?, view.rank())?;
        if axis + 1 != view.rank() || Self::picture_axis(&view, axis)? != 1 {
            return Err(problem!("normalises over more or other axes than the channels"));
        }
        if node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
            return Err(problem!("hands out mean and deviation"));
        }
        let scale = self.constant(node, 1)?.to_floats()?.as_ref().clone();
        let shift = match self.optional_constant(node, 2)? {
            Some(bias) => bias.to_floats()?.as_ref().clone(),
            None => vec![0.0; scale.len()],
        };
        let epsilon = node::float(node, "epsilon", 1e-5)?;
        let normalized = normalize_channels(&mut self.builder, name, view.node, epsilon)?;
        let result = self.channel_affine(name, normalized, scale, shift)?;
        Ok(Value::View(view.of(result)))
    }

    fn channel_affine(
        &mut self,
        name: &str,
        x: NodeId,
        scale: Vec<f32>,
        shift: Vec<f32>,
    ) -> Result<NodeId, OpError> {
        let channels = scale.len();
        let scale = self.builder.weight(&format!("{name}.scale"), vec![channels], scale)?;
        let shift = self.builder.weight(&format!("{name}.shift"), vec![channels], shift)?;
        self.builder.push(name, Op::ChannelAffine { scale, shift }, &[x])
    }

    pub(super) fn softmax(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let view: View = self.view(node, 0)?;
        let default = if self.opset < 13 { 1 } else { -1 };
        let dim = Self::axis(node::int(node, "axis", default)?, view.rank())?;
        // Before opset 13 everything from the axis on is one.
        if self.opset < 13 && (dim + 1..view.rank()).any(|inner| !view.is_single(inner)) {
            return Err(problem!("works over several axes at once"));
        }
        let axis = Self::picture_axis(&view, dim)?;
        let result = self.builder.push(node::name(node), Op::Softmax { axis }, &[view.node])?;
        Ok(Value::View(view.of(result)))
    }
}
