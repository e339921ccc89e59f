//! Activations and arithmetic.

use super::constant::Constant;
use super::view::View;
use super::{Importer, Value, node};
use crate::import::arithmetic::{Operand, binary};
use crate::import::composite::{mish, softplus, tanh_gelu};
use crate::import::error::{OpError, problem};
use crate::{BinaryOp, NodeId, Op, UnaryOp};
use pegbar_formats::onnx::OnnxNode;

fn binary_op(operator: &str) -> Option<BinaryOp> {
    Some(match operator {
        "Add" | "Sum" | "Mean" => BinaryOp::Add,
        "Sub" => BinaryOp::Sub,
        "Mul" => BinaryOp::Mul,
        "Div" => BinaryOp::Div,
        "Pow" => BinaryOp::Pow,
        "Max" => BinaryOp::Max,
        "Min" => BinaryOp::Min,
        _ => return None,
    })
}

impl<'a> Importer<'a> {
    /// Operators of two values, and those of any number that are chains of such.
    pub(super) fn arithmetic(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let op = binary_op(&node.op_type).ok_or(OpError::Operator)?;
        let mut result = self.input(node, 0)?;
        for index in 1..node.inputs.len() {
            let term = self.input(node, index)?;
            result = self.combine(node, op, result, term)?;
        }
        match result {
            Value::View(view) if node.op_type == "Mean" && node.inputs.len() > 1 => {
                let share = 1.0 / node.inputs.len() as f32;
                let scaled = self.builder.scale_shift(node::name(node), view.node, share, 0.0)?;
                Ok(Value::View(view.of(scaled)))
            }
            result => Ok(result),
        }
    }

    fn combine(&mut self, node: &OnnxNode, op: BinaryOp, a: Value, b: Value) -> Result<Value, OpError> {
        let name = node::name(node);
        match (a, b) {
            (Value::View(a), Value::View(b)) => self.combine_views(name, op, &a, &b).map(Value::View),
            (Value::View(x), Value::Constant(c)) => {
                self.combine_constant(name, op, &x, &c, false).map(Value::View)
            }
            (Value::Constant(c), Value::View(x)) => {
                self.combine_constant(name, op, &x, &c, true).map(Value::View)
            }
            (Value::Constant(_), Value::Constant(_)) => {
                Err(problem!("joins constants and pictures in this order"))
            }
            (Value::Erf { x, scale, shift }, Value::Constant(c))
            | (Value::Constant(c), Value::Erf { x, scale, shift }) => match (op, c.scalar()) {
                (BinaryOp::Add, Some(c)) => Ok(Value::Erf { x, scale, shift: shift + c }),
                (BinaryOp::Mul, Some(c)) => Ok(Value::Erf { x, scale: scale * c, shift: shift * c }),
                _ => Err(OpError::Operator),
            },
            (Value::Erf { x, scale, shift }, Value::View(y))
            | (Value::View(y), Value::Erf { x, scale, shift }) => {
                self.gelu_product(name, op, &x, &y, scale, shift).map(Value::View)
            }
            (Value::Erf { .. }, Value::Erf { .. }) => Err(OpError::Operator),
        }
    }

    /// `y * (scale * erf(x / sqrt(2)) + shift)`, which is a multiple of GELU when `y` is one of `x` and the gate one of
    /// `1 + erf`.
    fn gelu_product(
        &mut self,
        name: &str,
        op: BinaryOp,
        x: &View,
        y: &View,
        scale: f32,
        shift: f32,
    ) -> Result<View, OpError> {
        let factor = match self.builder.node(y.node).op {
            _ if y.node == x.node => Some(1.0),
            Op::Unary(UnaryOp::ScaleShift { scale, shift: 0.0 })
                if self.builder.node(y.node).inputs == [x.node] =>
            {
                Some(scale)
            }
            _ => None,
        };
        match (op, factor) {
            (BinaryOp::Mul, Some(factor)) if scale == shift => {
                let gelu = self.builder.unary(name, UnaryOp::Gelu, x.node)?;
                let scaled = self.builder.scale_shift(name, gelu, 2.0 * scale * factor, 0.0)?;
                Ok(y.of(scaled))
            }
            _ => Err(problem!("uses erf() in another way than GELU does")),
        }
    }

    /// `erf(x / sqrt(2))`, kept until GELU is complete.
    pub(super) fn erf(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let view = self.view(node, 0)?;
        let argument = self.builder.node(view.node);
        match argument.op {
            Op::Unary(UnaryOp::ScaleShift { scale, shift: 0.0 })
                if (scale - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-4 =>
            {
                let x = view.of(argument.inputs[0]);
                Ok(Value::Erf { x, scale: 1.0, shift: 0.0 })
            }
            _ => Err(OpError::Operator),
        }
    }

    fn combine_views(&mut self, name: &str, op: BinaryOp, a: &View, b: &View) -> Result<View, OpError> {
        if let (Some(left), Some(right)) = (a.layout(), b.layout()) {
            let rank = left.len().max(right.len());
            // Shorter shapes are filled with 1 on the left; a dimension of 1 goes along with anything.
            let at = |view: &View, layout: &[Option<usize>], dim: usize| {
                let own = (dim + layout.len()).checked_sub(rank)?;
                if view.is_single(own) { None } else { layout[own] }
            };
            let merged: Option<Vec<Option<usize>>> = (0..rank)
                .map(|dim| match (at(a, &left, dim), at(b, &right, dim)) {
                    (Some(i), Some(j)) if i != j => None,
                    (i, j) => Some(i.or(j)),
                })
                .collect();
            if let Some(mut layout) = merged {
                let distinct = (0..4).all(|axis| layout.iter().filter(|l| **l == Some(axis)).count() <= 1);
                if distinct {
                    let node =
                        binary(&mut self.builder, name, op, Operand::Value(a.node), Operand::Value(b.node))?;
                    if rank == 4 {
                        // Dimensions of 1 in both, which have no axis of their own, are those in their place.
                        for axis in 0..4 {
                            if layout[axis].is_none() && !layout.contains(&Some(axis)) {
                                layout[axis] = Some(axis);
                            }
                        }
                    }
                    return Ok(View::arranged(&self.builder, node, &layout));
                }
            }
        }
        let [a, b] = [a.to_picture(&mut self.builder, name)?, b.to_picture(&mut self.builder, name)?];
        let node = binary(&mut self.builder, name, op, Operand::Value(a), Operand::Value(b))?;
        Ok(View::picture(&self.builder, node))
    }

    fn combine_constant(
        &mut self,
        name: &str,
        op: BinaryOp,
        x: &View,
        constant: &Constant,
        reversed: bool,
    ) -> Result<View, OpError> {
        let scalar = constant.len() == 1;
        let (view, shape) = if scalar {
            (x.clone(), [1; 4])
        } else {
            let view = match x.layout() {
                Some(_) => x.clone(),
                None => {
                    let picture = x.to_picture(&mut self.builder, name)?;
                    View::picture(&self.builder, picture)
                }
            };
            let shape = constant_shape(&view, constant)?;
            (view, shape)
        };
        let data = constant.to_floats()?.as_ref().clone();
        let constant = Operand::Constant { name: constant.name.clone(), shape, data };
        let x = Operand::Value(view.node);
        let (left, right) = if reversed { (constant, x) } else { (x, constant) };
        let before = self.builder.shape(view.node);
        let node = binary(&mut self.builder, name, op, left, right)?;
        if self.builder.shape(node) == before {
            return Ok(view.of(node));
        }
        // The constant was the larger one.
        match view.layout() {
            Some(layout) if view.rank() == 4 => Ok(View::arranged(&self.builder, node, &layout)),
            _ => Err(problem!("makes a reshaped value larger")),
        }
    }

    pub(super) fn prelu(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let x = self.picture_input(node, 0)?;
        let slopes = self.constant(node, 1)?;
        let channels = self.builder.channels(x)?;
        let per_channel = match slopes.shape[..] {
            [c, 1, 1] | [1, c, 1, 1] => c == channels,
            _ => false,
        };
        if !per_channel && slopes.len() != 1 {
            return Err(problem!(
                "has slopes of shape {:?} where one for each channel is needed",
                slopes.shape
            ));
        }
        let data = slopes.to_floats()?.as_ref().clone();
        let slope = self.builder.weight(&slopes.name, vec![data.len()], data)?;
        let result = self.builder.push(node::name(node), Op::PRelu { slope }, &[x])?;
        Ok(self.as_picture(result))
    }

    /// Operators that map every element on its own.
    pub(super) fn function(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let name = node::name(node);
        let op = match node.op_type.as_str() {
            "Relu" => UnaryOp::Relu,
            "LeakyRelu" => UnaryOp::LeakyRelu(node::float(node, "alpha", 0.01)?),
            "Sigmoid" => UnaryOp::Sigmoid,
            "Tanh" => UnaryOp::Tanh,
            "Elu" => UnaryOp::Elu(node::float(node, "alpha", 1.0)?),
            "HardSigmoid" => UnaryOp::HardSigmoid {
                alpha: node::float(node, "alpha", 0.2)?,
                beta: node::float(node, "beta", 0.5)?,
            },
            "HardSwish" => UnaryOp::HardSwish { alpha: 1.0 / 6.0, beta: 0.5 },
            "Clip" => self.clip(node)?,
            "Abs" => UnaryOp::Abs,
            "Neg" => UnaryOp::Neg,
            "Exp" => UnaryOp::Exp,
            "Log" => UnaryOp::Log,
            "Sqrt" => UnaryOp::Sqrt,
            "Reciprocal" => UnaryOp::Reciprocal,
            "Gelu" if node::string(node, "approximate", "none")? == "none" => UnaryOp::Gelu,
            "Gelu" | "Softplus" | "Mish" | "Selu" | "Swish" => {
                let view = self.view(node, 0)?;
                let result = self.composite(node, view.node)?;
                return Ok(Value::View(view.of(result)));
            }
            _ => return Err(OpError::Operator),
        };
        let view = self.view(node, 0)?;
        let result = self.builder.unary(name, op, view.node)?;
        Ok(Value::View(view.of(result)))
    }

    fn composite(&mut self, node: &OnnxNode, x: NodeId) -> Result<NodeId, OpError> {
        let name = node::name(node);
        let builder = &mut self.builder;
        match node.op_type.as_str() {
            "Gelu" => tanh_gelu(builder, name, x),
            "Softplus" => softplus(builder, name, x),
            "Mish" => mish(builder, name, x),
            "Selu" => {
                let bent = builder.unary(name, UnaryOp::Elu(node::float(node, "alpha", 1.673_263_2)?), x)?;
                builder.scale_shift(name, bent, node::float(node, "gamma", 1.050_701)?, 0.0)
            }
            _ => {
                let scaled = builder.scale_shift(name, x, node::float(node, "alpha", 1.0)?, 0.0)?;
                let gate = builder.unary(name, UnaryOp::Sigmoid, scaled)?;
                binary(builder, name, BinaryOp::Mul, Operand::Value(x), Operand::Value(gate))
            }
        }
    }

    fn clip(&mut self, node: &'a OnnxNode) -> Result<UnaryOp, OpError> {
        let mut limit = |index: usize, attribute: &str, default: f32| -> Result<f32, OpError> {
            if self.opset < 11 {
                return node::float(node, attribute, default);
            }
            match self.optional_constant(node, index)? {
                None => Ok(default),
                Some(constant) => {
                    constant.scalar().ok_or_else(|| problem!("its limits are no single numbers"))
                }
            }
        };
        let (min, max) = (limit(1, "min", f32::MIN)?, limit(2, "max", f32::MAX)?);
        match (min, max) {
            (0.0, f32::MAX | f32::INFINITY) => Ok(UnaryOp::Relu),
            (min, max) if min <= max => Ok(UnaryOp::Clip { min, max }),
            _ => Err(problem!("its limits {min} and {max} are no range")),
        }
    }
}

/// The shape of rank 4 in which a constant meets the picture behind a view.
pub(super) fn constant_shape(view: &View, constant: &Constant) -> Result<[usize; 4], OpError> {
    let mut shape = [1; 4];
    let mut last_axis = 0;
    let layout = view.layout().unwrap_or_default();
    let cannot = || problem!("a constant of shape {:?} does not fit its other input", constant.shape);
    for (dim, &length) in constant.shape.iter().enumerate() {
        if length == 1 {
            continue;
        }
        let place = (dim + view.rank()).checked_sub(constant.shape.len()).ok_or_else(cannot)?;
        let axis = match layout.get(place) {
            Some(Some(axis)) => *axis,
            _ => return Err(cannot()),
        };
        // The constant's own order is kept only if its axes come in the order of the picture.
        if axis < last_axis || axis == 0 {
            return Err(cannot());
        }
        last_axis = axis;
        shape[axis] = length;
    }
    Ok(shape)
}
