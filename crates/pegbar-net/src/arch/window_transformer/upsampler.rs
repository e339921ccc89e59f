//! From features to the picture.

use super::LEAKY_02;
use crate::arch::layers::Layers;
use crate::{ModelError, NodeId, UnaryOp};

/// Negative slope of an activation whose slope is not stated.
const LEAKY: UnaryOp = UnaryOp::LeakyRelu(0.01);

/// How the features become the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::arch) enum Upsampler {
    /// Convolutions and shuffles, then one more convolution.
    PixelShuffle,
    /// One convolution and one shuffle.
    Direct,
    /// Nearest neighbour and convolution, once for each doubling.
    NearestConv,
    /// None: what is made is added to the picture.
    None,
}

impl Upsampler {
    pub(in crate::arch) fn name(self) -> &'static str {
        match self {
            Self::PixelShuffle => "pixelshuffle",
            Self::Direct => "pixelshuffledirect",
            Self::NearestConv => "nearest+conv",
            Self::None => "",
        }
    }
}

/// The end of a network: from `channels` features to a picture of `out` channels. `picture` is what went in; a
/// network without an upsampler adds to it.
pub(in crate::arch) struct Tail {
    pub(in crate::arch) upsampler: Upsampler,
    pub(in crate::arch) scale: usize,
    pub(in crate::arch) channels: usize,
    pub(in crate::arch) out: usize,
    /// Where the convolutions and shuffles are.
    pub(in crate::arch) sequence: &'static str,
}

impl Tail {
    pub(in crate::arch) fn apply(
        &self,
        layers: &mut Layers<'_>,
        x: NodeId,
        picture: NodeId,
    ) -> Result<NodeId, ModelError> {
        match self.upsampler {
            Upsampler::PixelShuffle => {
                let [features, _, _, _] = layers.conv_shape("conv_before_upsample.0")?;
                let x = self.before(layers, x, features)?;
                let x = layers.push_shuffles(self.sequence, x, features)?;
                layers.conv("conv_last", x, [self.out, features], 3)
            }
            Upsampler::Direct => {
                let [name, after] = [0, 1].map(|i| format!("{}.{i}", self.sequence));
                let x = layers.conv(&name, x, [self.out * self.scale.pow(2), self.channels], 3)?;
                Ok(layers.shuffle(after, x, self.scale))
            }
            Upsampler::NearestConv => {
                let [features, _, _, _] = layers.conv_shape("conv_before_upsample.0")?;
                let mut x = self.before(layers, x, features)?;
                for n in 1..=self.scale.ilog2() {
                    let name = format!("conv_up{n}");
                    x = layers.nearest(format!("{name}/enlarge"), x, 2);
                    x = layers.conv(&name, x, [features, features], 3)?;
                    x = layers.unary(&name, LEAKY_02, x);
                }
                x = layers.conv("conv_hr", x, [features, features], 3)?;
                x = layers.unary("conv_hr", LEAKY_02, x);
                layers.conv("conv_last", x, [self.out, features], 3)
            }
            Upsampler::None => {
                let x = layers.conv("conv_last", x, [self.out, self.channels], 3)?;
                Ok(layers.add("output/add", picture, x))
            }
        }
    }

    fn before(&self, layers: &mut Layers<'_>, x: NodeId, features: usize) -> Result<NodeId, ModelError> {
        let x = layers.conv("conv_before_upsample.0", x, [features, self.channels], 3)?;
        Ok(layers.unary("conv_before_upsample", LEAKY, x))
    }
}
