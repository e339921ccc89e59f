//! Weights between those of two models.

use crate::{DType, StateDict, Tensor};

/// Counts the steps of training in each batch normalization; no network computes with it.
const STEPS: &str = "num_batches_tracked";

impl StateDict {
    /// `share` parts of `other`, the rest of this: tensor by tensor, in the type that this has, `f32` for anything but halves.
    /// How many steps each was trained for is this one's.
    ///
    /// # Errors
    /// A sentence on what does not fit: names that only one of them has, other shapes, whole numbers that differ.
    pub fn interpolate(&self, other: &Self, share: f64) -> Result<Self, String> {
        let (a, b) = (self, other);
        let lacking = |of: &StateDict, other: &StateDict| -> Vec<String> {
            of.names().filter(|name| !other.contains(name)).map(str::to_owned).collect()
        };
        let (only_a, only_b) = (lacking(a, b), lacking(b, a));
        if !only_a.is_empty() || !only_b.is_empty() {
            let some = |names: &[String]| names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            return Err(match (only_a.len(), only_b.len()) {
                (n, 0) => format!("{n} tensors are only in the first, such as {}", some(&only_a)),
                (0, n) => format!("{n} tensors are only in the second, such as {}", some(&only_b)),
                (n, m) => format!(
                    "{n} tensors are only in the first, such as {}, and {m} only in the second, such as {}; they are of different \
                 architectures or sizes",
                    some(&only_a),
                    some(&only_b)
                ),
            });
        }
        let mut dict = StateDict::new();
        for (name, first) in a.iter() {
            let Some(second) = b.get(name) else { continue };
            if first.shape() != second.shape() {
                return Err(format!(
                    "{name} is {:?} in the first and {:?} in the second",
                    first.shape(),
                    second.shape()
                ));
            }
            let is_float = |tensor: &Tensor| {
                matches!(tensor.dtype(), DType::F16 | DType::Bf16 | DType::F32 | DType::F64)
            };
            let tensor = if is_float(first) && is_float(second) {
                let mixed = first
                    .to_f32()
                    .into_iter()
                    .zip(second.to_f32())
                    .map(|(x, y)| (f64::from(x) * (1.0 - share) + f64::from(y) * share) as f32);
                let mixed =
                    Tensor::from_f32(first.shape().to_vec(), mixed.collect()).map_err(|e| e.to_string())?;
                if first.dtype() == DType::F16 { mixed.to_half() } else { mixed }
            } else if name.ends_with(STEPS) || first.row_major_bytes() == second.row_major_bytes() {
                first.clone()
            } else {
                return Err(format!("{name} holds whole numbers that differ"));
            };
            dict.insert(name, tensor);
        }
        Ok(dict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dict(entries: &[(&str, &[f32])]) -> StateDict {
        entries
            .iter()
            .map(|(name, values)| {
                ((*name).to_owned(), Tensor::from_f32(vec![values.len()], values.to_vec()).expect("sizes"))
            })
            .collect()
    }

    #[test]
    fn merging_interpolates_and_names_what_does_not_fit() {
        let (a, b) = (dict(&[("x", &[0.0, 1.0]), ("y", &[5.0])]), dict(&[("x", &[1.0, 3.0]), ("y", &[5.0])]));
        let mixed = a.interpolate(&b, 0.25).expect("merged");
        assert_eq!(mixed.get("x").expect("x").to_f32(), [0.25, 1.5]);
        assert_eq!(mixed.get("y").expect("y").to_f32(), [5.0]);
        let other = dict(&[("x", &[1.0, 3.0]), ("z", &[5.0])]);
        let reason = a.interpolate(&other, 0.5).expect_err("other names");
        assert!(reason.contains('y') && reason.contains('z'), "{reason}");
        let larger = dict(&[("x", &[1.0, 3.0, 4.0]), ("y", &[5.0])]);
        assert!(a.interpolate(&larger, 0.5).expect_err("other shapes").contains("[3]"));
    }

    #[test]
    fn steps_of_training_may_differ_and_other_whole_numbers_not() {
        let whole = |name: &str, n: i64| -> StateDict {
            let tensor = Tensor::from_bytes(DType::I64, vec![], n.to_le_bytes().to_vec()).expect("sizes");
            [(name.to_owned(), tensor)].into_iter().collect()
        };
        let (a, b) = (whole("x.num_batches_tracked", 300), whole("x.num_batches_tracked", 5));
        let mixed = a.interpolate(&b, 0.75).expect("merged");
        let steps = mixed.get("x.num_batches_tracked").expect("kept").row_major_bytes();
        assert_eq!(&steps[..], &300i64.to_le_bytes()[..]);
        let reason = whole("index", 300).interpolate(&whole("index", 5), 0.75).expect_err("other indices");
        assert!(reason.contains("index"), "{reason}");
    }
}
