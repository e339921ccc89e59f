//! DySample (<https://arxiv.org/abs/2308.15085>): enlarges by sampling at learnt places.

use super::layers::Layers;
use crate::{ModelError, NodeId, Op, PadMode, UnaryOp};

/// Suffixes of its keys.
macro_rules! dysample_keys {
    ($prefix:literal) => {
        [
            concat!($prefix, ".offset.weight"),
            concat!($prefix, ".offset.bias"),
            concat!($prefix, ".scope.weight"),
            concat!($prefix, ".init_pos"),
            concat!($prefix, ".end_conv.weight"),
            concat!($prefix, ".end_conv.bias"),
        ]
    };
}
pub(super) use dysample_keys;

/// Appends it. The places are those of bilinear enlargement, moved by `offset(x) * sigmoid(scope(x)) / 2` pixels of the
/// small picture; a convolution may follow.
pub(super) fn dysample(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    channels: usize,
    scale: usize,
) -> Result<NodeId, ModelError> {
    let [n_offsets, _, _, _] = layers.conv_shape(&format!("{prefix}.offset"))?;
    let per_group = 2 * scale * scale;
    if !n_offsets.is_multiple_of(per_group) {
        return Err(
            layers.problem(format!("{prefix}.offset makes {n_offsets} channels, no multiple of {per_group}"))
        );
    }
    let groups = n_offsets / per_group;
    let offset = layers.conv(&format!("{prefix}.offset"), x, [n_offsets, channels], 1)?;
    let scope = layers.conv(&format!("{prefix}.scope"), x, [n_offsets, channels], 1)?;
    let scope = layers.unary(&format!("{prefix}.scope"), UnaryOp::Sigmoid, scope);
    let offset = layers.mul(format!("{prefix}.offset/scoped"), offset, scope);

    // The file holds the centres of the small pixels, `(k + 1/2) / scale - 1/2`, rounded as the file's numbers are. The
    // operation counts from the exact ones, in pixels of the large picture.
    let stored = layers.values(&format!("{prefix}.init_pos"), &[1, n_offsets, 1, 1])?;
    let wide = scale as f64;
    let shift = stored.iter().enumerate().map(|(index, &stored)| {
        let vertical = index / (n_offsets / 2) == 1;
        let k = if vertical { index / scale % scale } else { index % scale };
        let exact = (k as f64 + 0.5) / wide - 0.5;
        ((f64::from(stored) - exact) * wide) as f32
    });
    let shift = shift.collect();
    let offset =
        layers.affine(&format!("{prefix}.init_pos"), offset, vec![0.5 * scale as f32; n_offsets], shift);
    let places = layers.shuffle(format!("{prefix}.places"), offset, scale);
    let op = Op::GridSample { groups, align_corners: false, beyond: PadMode::Replicate };
    let sampled = layers.push(prefix, op, &[x, places]);

    let end = format!("{prefix}.end_conv");
    if !layers.has(&format!("{end}.weight")) {
        return Ok(sampled);
    }
    let [out, _, kernel, _] = layers.conv_shape(&end)?;
    layers.conv(&end, sampled, [out, channels], kernel)
}
