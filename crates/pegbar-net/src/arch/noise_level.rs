//! A channel that says how much noise the picture has, for networks that were trained with one.

use super::layers::Layers;
use crate::{NodeId, Op, UnaryOp};

/// What the programs these networks come from assume, as a share of the range of values.
const NOISE_LEVEL: f32 = 15.0 / 255.0;

/// The picture, with a channel of the noise level behind its own.
pub(super) fn with_noise_level(layers: &mut Layers<'_>, picture: NodeId) -> NodeId {
    let first = layers.channels("noise level/size", picture, 0..1);
    // The first channel limited to one number: a constant of the picture's size, whatever the channel holds.
    let level = UnaryOp::Clip { min: NOISE_LEVEL, max: NOISE_LEVEL };
    let level = layers.push("noise level", Op::Unary(level), &[first]);
    layers.concat("noise level/join", &[picture, level])
}
