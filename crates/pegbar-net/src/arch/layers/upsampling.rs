//! Enlarging by convolutions and pixel shuffles in a row, and what their shapes tell.

use super::{Layers, square_root};
use crate::{ModelError, NodeId};

/// More steps than any model has.
const MAX_STEPS: usize = 5;
/// Larger scales than any model has.
const MAX_SCALE: usize = 64;

impl Layers<'_> {
    /// Scale and features of a run of `{prefix}.0`, `.2`, ...: each a convolution to features times a square, and a
    /// shuffle. Without any the scale is 1.
    pub(in crate::arch) fn shuffles(&self, prefix: &str) -> Result<(usize, Option<usize>), ModelError> {
        let (mut scale, mut features) = (1, None);
        for step in 0..MAX_STEPS {
            let name = format!("{prefix}.{}", 2 * step);
            if !self.has(&format!("{name}.weight")) {
                break;
            }
            let [_, input, _, _] = self.conv_shape(&name)?;
            scale *= self.direct_scale(&name, input)?;
            features = Some(input);
        }
        if scale > MAX_SCALE {
            return Err(self.problem(format!("it enlarges {scale} times")));
        }
        Ok((scale, features))
    }

    /// The layers that [`Layers::shuffles`] found.
    pub(in crate::arch) fn push_shuffles(
        &mut self,
        prefix: &str,
        mut x: NodeId,
        features: usize,
    ) -> Result<NodeId, ModelError> {
        for step in 0..MAX_STEPS {
            let name = format!("{prefix}.{}", 2 * step);
            if !self.has(&format!("{name}.weight")) {
                break;
            }
            let factor = self.direct_scale(&name, features)?;
            x = self.conv(&name, x, [features * factor * factor, features], 3)?;
            x = self.shuffle(format!("{prefix}.{}", 2 * step + 1), x, factor);
        }
        Ok(x)
    }

    /// The scale of a single convolution and shuffle to so many channels.
    pub(in crate::arch) fn direct_scale(&self, conv: &str, channels: usize) -> Result<usize, ModelError> {
        let [out, _, _, _] = self.conv_shape(conv)?;
        let scale = if out.is_multiple_of(channels) { square_root(out / channels) } else { None };
        scale.ok_or_else(|| {
            self.problem(format!("{conv} has {out} channels, which is not {channels} times a square"))
        })
    }
}
