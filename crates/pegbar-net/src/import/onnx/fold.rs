//! Nodes whose inputs are constants, and Shape: computed here, not in the net.

mod arithmetic;
mod movement;

use super::constant::{Constant, n_elements};
use super::size::{Ratio, Size};
use super::{Importer, Value, node};
use crate::import::error::{OpError, problem};
use pegbar_formats::onnx::{OnnxAttribute, OnnxNode};

impl<'a> Importer<'a> {
    /// The values of a node that depends on constants and shapes alone; `None` for any other.
    pub(super) fn fold(&mut self, node: &'a OnnxNode) -> Result<Option<Vec<Constant>>, OpError> {
        match node.op_type.as_str() {
            "Constant" => return Ok(Some(vec![constant_node(node)?])),
            "Shape" | "Size" => return self.shape_of(node).map(|shape| Some(vec![shape])),
            _ => {}
        }
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for index in 0..node.inputs.len() {
            match self.optional(node, index)? {
                None => inputs.push(None),
                Some(Value::Constant(constant)) => inputs.push(Some(constant)),
                Some(_) => return Ok(None),
            }
        }
        if inputs.iter().all(Option::is_none) {
            return Ok(None);
        }
        let results = self.fold_constants(node, &inputs)?;
        for result in &results {
            self.builder.claim(result.cost())?;
        }
        Ok(Some(results))
    }

    fn fold_constants(
        &mut self,
        node: &OnnxNode,
        inputs: &[Option<Constant>],
    ) -> Result<Vec<Constant>, OpError> {
        let first =
            inputs.first().and_then(Option::as_ref).ok_or_else(|| problem!("lacks its first input"))?;
        let name = node::name(node);
        let result = match node.op_type.as_str() {
            "Identity" | "Dropout" => first.clone(),
            "Cast" => arithmetic::cast(first, node::int(node, "to", 1)?)?,
            "Split" => return movement::split(node, inputs),
            "Reshape" | "Unsqueeze" | "Squeeze" | "Flatten" | "Transpose" | "Concat" | "Slice" | "Gather"
            | "Expand" | "Tile" => self.fold_movement(node, inputs)?,
            "ConstantOfShape" => self.constant_of_shape(node, first)?,
            "Range" => movement::range(name, inputs)?,
            "ReduceProd" | "ReduceSum" | "ReduceMax" | "ReduceMin" => arithmetic::reduce(node, inputs)?,
            "Where" => arithmetic::choose(name, inputs)?,
            _ => arithmetic::elementwise(self, node, inputs)?,
        };
        Ok(vec![Constant { name: name.to_owned(), ..result }])
    }

    fn fold_movement(&mut self, node: &OnnxNode, inputs: &[Option<Constant>]) -> Result<Constant, OpError> {
        match node.op_type.as_str() {
            "Slice" => movement::slice(node, inputs, self.opset),
            "Expand" | "Tile" => {
                let shape = movement::enlarged_shape(node, inputs)?;
                self.builder.claim(n_elements(&shape)?)?;
                movement::enlarge(node, inputs, shape)
            }
            "Gather" => {
                let shape = movement::gathered_shape(node, inputs)?;
                self.builder.claim(n_elements(&shape)?)?;
                movement::gather(node, inputs, shape)
            }
            _ => movement::rearrange(node, inputs),
        }
    }

    /// The shape of a value, or its number of elements.
    fn shape_of(&mut self, node: &'a OnnxNode) -> Result<Constant, OpError> {
        let name = node::name(node);
        let shape = match self.input(node, 0)? {
            Value::View(view) | Value::Erf { x: view, .. } => view.shape(),
            Value::Constant(constant) => constant.shape.iter().map(|n| Size::whole(*n as i64)).collect(),
        };
        if node.op_type == "Size" {
            let product = shape.iter().fold(Size::ONE, |n, size| n.times(*size));
            return Ok(Constant::sizes(name, vec![], vec![product], true));
        }
        let rank = shape.len() as i64;
        let clamp = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
        let start = clamp(node::int(node, "start", 0)?);
        let end = clamp(node::int(node, "end", rank)?).max(start);
        Ok(Constant::sizes(name, vec![end - start], shape[start..end].to_vec(), true))
    }

    fn constant_of_shape(&mut self, node: &OnnxNode, shape: &Constant) -> Result<Constant, OpError> {
        let shape: Vec<usize> =
            shape.to_ints()?.into_iter().map(|n| node::size(n, "a dimension")).collect::<Result<_, _>>()?;
        let n = n_elements(&shape)?;
        self.builder.claim(n)?;
        let name = node::name(node);
        let value = match node.attributes.get("value") {
            Some(OnnxAttribute::Tensor(tensor)) if tensor.n_elements() == 1 => {
                Constant::from_tensor(name, tensor)?
            }
            None => Constant::floats(name, vec![1], vec![0.0]),
            Some(_) => return Err(problem!("its value is no single number")),
        };
        value.pick(shape, std::iter::repeat_n(0, n))
    }

    /// Rounds down and notes what the picture's size must be a multiple of for it.
    fn floor(&mut self, size: Size) -> Result<Size, OpError> {
        let (floor, multiple) = size.floor();
        self.builder.require_multiple(multiple)?;
        Ok(floor)
    }
}

/// The value of a Constant node.
fn constant_node(node: &OnnxNode) -> Result<Constant, OpError> {
    let name = node::name(node);
    let Some((attribute, value)) = node.attributes.iter().next() else {
        return Err(problem!("holds no value"));
    };
    match value {
        OnnxAttribute::Tensor(tensor) if attribute == "value" => Constant::from_tensor(name, tensor),
        OnnxAttribute::Int(n) => Ok(Constant::sizes(name, vec![], vec![Size::whole(*n)], true)),
        OnnxAttribute::Ints(list) => {
            Ok(Constant::sizes(name, vec![list.len()], list.iter().map(|n| Size::whole(*n)).collect(), true))
        }
        OnnxAttribute::Float(x) => Ok(Constant::floats(name, vec![], vec![*x])),
        OnnxAttribute::Floats(list) => Ok(Constant::floats(name, vec![list.len()], list.clone())),
        _ => Err(problem!("holds a {attribute}, which Pegbar does not read")),
    }
}

/// A truth value as a number.
fn truth(value: bool) -> Size {
    Size::Affine(None, if value { Ratio::ONE } else { Ratio::ZERO })
}
