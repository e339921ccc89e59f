//! Checks a network from a stranger before anything is run.

use crate::{Dim, Net, NetError};

/// Most values a node may make for each pixel of the picture; an ESRGAN 16x with 64 features has 16,384.
const MAX_VALUES_PER_PIXEL: usize = 1 << 20;
/// Most values of a node whose size does not follow the picture.
const MAX_FIXED_VALUES: usize = 1 << 26;

impl Net {
    /// Checks that nodes and weights fit each other, that weights are finite, and that no value is absurdly large.
    ///
    /// # Errors
    /// [`NetError`] with the node or weight at fault.
    pub fn validate(&self) -> Result<(), NetError> {
        let shapes = self.infer_shapes()?;
        self.required_multiple()?;
        for (node, shape) in self.nodes.iter().zip(&shapes) {
            let (per_pixel, limit) = weight_of(shape);
            if per_pixel.is_none_or(|values| values > limit) {
                return Err(NetError::TooLarge {
                    node: node.name.clone(),
                    op: node.op.name(),
                    found: format!("[{}, {}, {}, {}]", shape[0], shape[1], shape[2], shape[3]),
                    limit: if shape.iter().all(|d| d.fixed().is_some()) {
                        format!("{MAX_FIXED_VALUES} values")
                    } else {
                        format!("{MAX_VALUES_PER_PIXEL} values for each pixel of the picture")
                    },
                });
            }
        }
        for weight in &self.weights {
            let count = weight.data.iter().filter(|v| !v.is_finite()).count();
            if count > 0 {
                return Err(NetError::NotFinite {
                    weight: weight.name.clone(),
                    count,
                    total: weight.data.len(),
                });
            }
        }
        Ok(())
    }
}

/// Values of a shape (for each pixel of the picture, where it follows that), and how many are accepted.
fn weight_of(shape: &[Dim; 4]) -> (Option<usize>, usize) {
    let mut values = Some(1usize);
    let mut divided = 1usize;
    let mut follows = false;
    for &dim in shape {
        let (num, den) = match dim {
            Dim::Fixed(n) => (n, 1),
            Dim::Scaled { num, den, .. } => {
                follows = true;
                (num, den)
            }
        };
        values = values.and_then(|v| v.checked_mul(num));
        divided = divided.saturating_mul(den);
    }
    let limit = if follows { MAX_VALUES_PER_PIXEL } else { MAX_FIXED_VALUES };
    (values.map(|v| v / divided), limit)
}
