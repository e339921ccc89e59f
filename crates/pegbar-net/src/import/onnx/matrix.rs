//! Matrix products with a constant: fully connected layers, and 1x1 convolutions in disguise.

use super::constant::Constant;
use super::view::View;
use super::{Importer, Value, node};
use crate::Op;
use crate::import::channels::matrix;
use crate::import::error::{OpError, problem};
use pegbar_formats::onnx::OnnxNode;

impl<'a> Importer<'a> {
    pub(super) fn mat_mul(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let (left, right) = (self.input(node, 0)?, self.input(node, 1)?);
        match (left, right) {
            (Value::View(x), Value::Constant(weight)) => {
                let name = node::name(node);
                let (shape, data) = transposed(&weight, true)?;
                self.apply_matrix(name, &x, (&weight.name, shape, data), None).map(Value::View)
            }
            (Value::View(_), Value::View(_)) => Err(problem!(
                "multiplies two values that depend on the picture (attention), which Pegbar does not do"
            )),
            _ => Err(problem!("multiplies a constant with a picture from the left")),
        }
    }

    pub(super) fn gemm(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let x = self.view(node, 0)?;
        let weight = self.constant(node, 1)?;
        if node::int(node, "transA", 0)? != 0 {
            return Err(problem!("transposes its first input"));
        }
        let (shape, mut data) = transposed(&weight, node::int(node, "transB", 0)? == 0)?;
        let alpha = node::float(node, "alpha", 1.0)?;
        if alpha != 1.0 {
            data.iter_mut().for_each(|value| *value *= alpha);
        }
        let beta = node::float(node, "beta", 1.0)?;
        let bias = match self.optional_constant(node, 2)? {
            None => None,
            Some(bias) => {
                let values = bias.to_floats()?;
                let values = match values[..] {
                    [only] => vec![only * beta; shape[0]],
                    _ => values.iter().map(|value| value * beta).collect(),
                };
                Some((bias.name, values))
            }
        };
        let bias = bias.as_ref().map(|(name, values)| (name.as_str(), values.clone()));
        self.apply_matrix(node::name(node), &x, (&weight.name, shape, data), bias).map(Value::View)
    }

    /// A matrix `[out, in]` applied to the last dimension of a view.
    fn apply_matrix(
        &mut self,
        name: &str,
        x: &View,
        weight: (&str, [usize; 2], Vec<f32>),
        bias: Option<(&str, Vec<f32>)>,
    ) -> Result<View, OpError> {
        const CHANNELS: usize = 1;
        if let Some(layout) = x.layout() {
            let last = layout.len().wrapping_sub(1);
            let single = layout.last().is_some_and(Option::is_none) && self.builder.channels(x.node)? == 1;
            if layout.last() == Some(&Some(CHANNELS)) || single {
                let node = matrix(&mut self.builder, name, x.node, weight, bias)?;
                let mut layout = layout;
                layout[last] = Some(CHANNELS);
                return Ok(View::arranged(&self.builder, node, &layout));
            }
        }
        if x.is_flat() {
            let (weight_name, shape, data) = weight;
            let weight = self.builder.weight(weight_name, shape.to_vec(), data)?;
            let bias = match bias {
                Some((bias_name, data)) => Some(self.builder.weight(bias_name, vec![shape[0]], data)?),
                None => None,
            };
            let node = self.builder.push(name, Op::Linear { weight, bias }, &[x.node])?;
            return Ok(View::arranged(&self.builder, node, &[Some(0), Some(CHANNELS)]));
        }
        Err(problem!("multiplies along an axis other than the channels"))
    }
}

/// A constant matrix as `[out, in]`: transposed, or as it is.
fn transposed(constant: &Constant, transpose: bool) -> Result<([usize; 2], Vec<f32>), OpError> {
    let Ok([rows, columns]) = <[usize; 2]>::try_from(constant.shape.clone()) else {
        return Err(problem!("its weight has shape {:?} where a matrix is needed", constant.shape));
    };
    let data = constant.to_floats()?;
    if !transpose {
        return Ok(([rows, columns], data.as_ref().clone()));
    }
    let turned = (0..columns).flat_map(|c| (0..rows).map(move |r| r * columns + c));
    Ok(([columns, rows], turned.map(|index| data[index]).collect()))
}
