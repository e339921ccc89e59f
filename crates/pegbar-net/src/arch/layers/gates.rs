//! Values weighted by values.

use super::Layers;
use crate::{ModelError, NodeId, UnaryOp};

impl Layers<'_> {
    /// Weights between 0 and 1, `[out, in]`: two 1x1 convolutions, to few channels (as the file has them) and back, and
    /// a sigmoid.
    pub(in crate::arch) fn squeeze(
        &mut self,
        [first, second]: [&str; 2],
        x: NodeId,
        [out, input]: [usize; 2],
        activation: UnaryOp,
    ) -> Result<NodeId, ModelError> {
        let [squeezed, _, _, _] = self.conv_shape(first)?;
        let mut x = self.conv(first, x, [squeezed, input], 1)?;
        x = self.unary(first, activation, x);
        x = self.conv(second, x, [out, squeezed], 1)?;
        Ok(self.unary(second, UnaryOp::Sigmoid, x))
    }

    /// Squeeze and excitation: each channel weighted by what [`Layers::squeeze`] makes of the means of all channels.
    pub(in crate::arch) fn excite(
        &mut self,
        name: &str,
        convs: [&str; 2],
        x: NodeId,
        channels: usize,
        activation: UnaryOp,
    ) -> Result<NodeId, ModelError> {
        let mean = self.global_mean(format!("{name}/mean"), x);
        let weight = self.squeeze(convs, mean, [channels, channels], activation)?;
        Ok(self.mul(name, x, weight))
    }

    /// The product of the two halves of `2 * n` channels.
    pub(in crate::arch) fn gate(&mut self, after: &str, x: NodeId, n: usize) -> NodeId {
        let [a, b] = self.chunks(&format!("{after}/gate"), x, n);
        self.mul(format!("{after}/gate"), a, b)
    }

    /// The product of the second half of `2 * n` channels and what GELU makes of the first.
    pub(in crate::arch) fn gelu_gate(&mut self, after: &str, x: NodeId, n: usize) -> NodeId {
        let [a, b] = self.chunks(&format!("{after}/gate"), x, n);
        let a = self.unary(after, UnaryOp::Gelu, a);
        self.mul(format!("{after}/gate"), a, b)
    }

    /// Restormer's feed-forward layer: `project_in` to twice as many channels as the file says, a depthwise 3x3
    /// convolution `dwconv`, [`Layers::gelu_gate`], `project_out`.
    pub(in crate::arch) fn gated_feed_forward(
        &mut self,
        prefix: &str,
        x: NodeId,
        channels: usize,
    ) -> Result<NodeId, ModelError> {
        let [_, hidden, _, _] = self.conv_shape(&format!("{prefix}.project_out"))?;
        let x = self.conv(&format!("{prefix}.project_in"), x, [2 * hidden, channels], 1)?;
        let x = self.depthwise(&format!("{prefix}.dwconv"), x, 2 * hidden, 3)?;
        let x = self.gelu_gate(&format!("{prefix}.dwconv"), x, hidden);
        self.conv(&format!("{prefix}.project_out"), x, [channels, hidden], 1)
    }
}
