//! Norms, and what else has a number for each channel.

use super::Layers;
use crate::{ModelError, NodeId, NormKind, Op, UnaryOp};

/// PyTorch's `eps` of layer and batch norms.
pub(in crate::arch) const EPS: f32 = 1e-5;

/// Mean of the pictures of DIV2K, which most networks that take off a mean were trained with; it is not in the files.
pub(in crate::arch) const RGB_MEAN: [f64; 3] = [0.4488, 0.4371, 0.4040];

impl Layers<'_> {
    /// Normalises each pixel over its channels: PyTorch's `LayerNorm`, with its usual `eps`.
    pub(in crate::arch) fn layer_norm(
        &mut self,
        prefix: &str,
        x: NodeId,
        channels: usize,
    ) -> Result<NodeId, ModelError> {
        self.layer_norm_of(prefix, x, channels, NormKind::Standard, EPS)
    }

    /// Any norm of each pixel over its channels; the bias is added where the file has one.
    pub(in crate::arch) fn layer_norm_of(
        &mut self,
        prefix: &str,
        x: NodeId,
        channels: usize,
        kind: NormKind,
        eps: f32,
    ) -> Result<NodeId, ModelError> {
        let weight = self.weight(&format!("{prefix}.weight"), &[channels])?;
        let bias = self.bias(prefix, channels)?;
        Ok(self.push(prefix, Op::LayerNorm { kind, weight, bias, eps }, &[x]))
    }

    /// Batch normalisation by the file's running statistics, with PyTorch's usual `eps`.
    pub(in crate::arch) fn batch_norm(
        &mut self,
        prefix: &str,
        x: NodeId,
        channels: usize,
    ) -> Result<NodeId, ModelError> {
        self.batch_norm_of(prefix, x, channels, f64::from(EPS))
    }

    /// Batch normalisation by the file's running statistics.
    pub(in crate::arch) fn batch_norm_of(
        &mut self,
        prefix: &str,
        x: NodeId,
        channels: usize,
        eps: f64,
    ) -> Result<NodeId, ModelError> {
        let values = |part: &str| self.values(&format!("{prefix}.{part}"), &[channels]);
        let (weight, bias) = (values("weight")?, values("bias")?);
        let (mean, variance) = (values("running_mean")?, values("running_var")?);
        let factor = |c: usize| f64::from(weight[c]) / (f64::from(variance[c]) + eps).sqrt();
        let scale = (0..channels).map(|c| factor(c) as f32).collect();
        let shift = (0..channels).map(|c| (f64::from(bias[c]) - f64::from(mean[c]) * factor(c)) as f32);
        let shift = shift.collect();
        Ok(self.affine(prefix, x, scale, shift))
    }

    /// `x * scale[c] + shift[c]`.
    pub(in crate::arch) fn affine(
        &mut self,
        name: &str,
        x: NodeId,
        scale: Vec<f32>,
        shift: Vec<f32>,
    ) -> NodeId {
        let scale = self.made_weight(format!("{name} (scale)"), &[scale.len()], scale);
        let shift = self.made_weight(format!("{name} (shift)"), &[shift.len()], shift);
        self.push(name, Op::ChannelAffine { scale, shift }, &[x])
    }

    /// `x * key[c]`, of a tensor of any shape that has a number for each channel.
    pub(in crate::arch) fn scaled(
        &mut self,
        key: &str,
        x: NodeId,
        shape: &[usize],
    ) -> Result<NodeId, ModelError> {
        let scale = self.values(key, shape)?;
        let shift = vec![0.0; scale.len()];
        Ok(self.affine(key, x, scale, shift))
    }

    /// A PReLU with so many slopes: one for each channel, or one for all.
    pub(in crate::arch) fn prelu(
        &mut self,
        prefix: &str,
        x: NodeId,
        n_slopes: usize,
    ) -> Result<NodeId, ModelError> {
        let slope = self.weight(&format!("{prefix}.weight"), &[n_slopes])?;
        Ok(self.push(prefix, Op::PRelu { slope }, &[x]))
    }

    /// `(x - mean) * range`; only colour has a mean.
    pub(in crate::arch) fn minus_mean(&mut self, x: NodeId, channels: usize, range: f64) -> NodeId {
        if channels != RGB_MEAN.len() {
            let scale = UnaryOp::ScaleShift { scale: range as f32, shift: 0.0 };
            return if range == 1.0 { x } else { self.unary("input", scale, x) };
        }
        let shift = RGB_MEAN.map(|mean| (-mean * range) as f32).to_vec();
        self.affine("minus mean", x, vec![range as f32; RGB_MEAN.len()], shift)
    }

    /// `x / range + mean`.
    pub(in crate::arch) fn plus_mean(&mut self, x: NodeId, channels: usize, range: f64) -> NodeId {
        let scale = (1.0 / range) as f32;
        if channels != RGB_MEAN.len() {
            let scale = UnaryOp::ScaleShift { scale, shift: 0.0 };
            return if range == 1.0 { x } else { self.unary("output", scale, x) };
        }
        let shift = RGB_MEAN.map(|mean| mean as f32).to_vec();
        self.affine("plus mean", x, vec![scale; RGB_MEAN.len()], shift)
    }
}
