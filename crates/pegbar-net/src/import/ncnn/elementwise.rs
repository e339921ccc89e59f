//! Activations, arithmetic and per-channel factors.

use super::layer::Parameters;
use super::{Blob, Importer};
use crate::import::arithmetic::{Operand, binary, with_scalar};
use crate::import::composite::{mish, softplus, tanh_gelu};
use crate::import::error::{OpError, problem};
use crate::{BinaryOp, NodeId, Op, UnaryOp};
use pegbar_formats::ncnn::NcnnLayer;

/// Operation of a BinaryOp layer, and whether its operands are swapped.
fn binary_kind(kind: i64) -> Result<(BinaryOp, bool), OpError> {
    Ok(match kind {
        0 => (BinaryOp::Add, false),
        1 => (BinaryOp::Sub, false),
        2 => (BinaryOp::Mul, false),
        3 => (BinaryOp::Div, false),
        4 => (BinaryOp::Max, false),
        5 => (BinaryOp::Min, false),
        6 => (BinaryOp::Pow, false),
        7 => (BinaryOp::Sub, true),
        8 => (BinaryOp::Div, true),
        9 => (BinaryOp::Pow, true),
        10 | 11 => return Err(problem!("atan2 is not supported")),
        other => return Err(problem!("its operation {other} is unknown")),
    })
}

impl<'a> Importer<'a> {
    pub(super) fn binary_op(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let (op, swapped) = binary_kind(layer.integer(0, 0)?)?;
        if layer.integer(1, 0)? != 0 {
            let input = self.input(layer, 0)?;
            let (x, c) = (self.value(layer, 0)?, layer.number(2, 0.0)?);
            let result = with_scalar(&mut self.builder, &layer.name, op, x, c, swapped)?;
            return Ok(input.with(result));
        }
        let (a, b) = (self.input(layer, 0)?, self.input(layer, 1)?);
        self.broadcast(layer, op, if swapped { [b, a] } else { [a, b] })
    }

    pub(super) fn eltwise(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let kind = layer.integer(0, 0)?;
        let op = match kind {
            0 => BinaryOp::Mul,
            1 => BinaryOp::Add,
            2 => BinaryOp::Max,
            other => return Err(problem!("its operation {other} is unknown")),
        };
        let coefficients = layer.numbers(1)?;
        if !coefficients.is_empty() && (kind != 1 || coefficients.len() != layer.inputs.len()) {
            return Err(problem!(
                "has {} coefficients for {} inputs",
                coefficients.len(),
                layer.inputs.len()
            ));
        }
        let mut sum: Option<Blob> = None;
        for index in 0..layer.inputs.len() {
            let mut term = self.input(layer, index)?;
            if let Some(&factor) = coefficients.get(index) {
                let x = self.value(layer, index)?;
                term = term.with(self.builder.scale_shift(&layer.name, x, factor, 0.0)?);
            }
            sum = Some(match sum {
                None => term,
                Some(sum) => self.broadcast(layer, op, [sum, term])?,
            });
        }
        sum.ok_or_else(|| problem!("has no inputs"))
    }

    /// `op` of two blobs with ncnn's rule: a vector meets a picture by channel when the lengths agree.
    fn broadcast(&mut self, layer: &NcnnLayer, op: BinaryOp, sides: [Blob; 2]) -> Result<Blob, OpError> {
        let channels = sides.iter().find_map(|side| match side {
            Blob::Picture(id) | Blob::Vector(id) => Some(self.builder.channels(*id)),
            _ => None,
        });
        let channels = channels.transpose()?.unwrap_or(0);
        let both_vectors = sides.iter().all(|side| match side {
            Blob::Vector(_) => true,
            Blob::Constant { shape, .. } => shape.len() == 1,
            _ => false,
        });
        let mut operands = Vec::with_capacity(2);
        for side in sides {
            operands.push(match side {
                Blob::Picture(id) | Blob::Vector(id) => Operand::Value(id),
                Blob::Flat(_) => return Err(problem!("reads a flattened picture; only InnerProduct can")),
                Blob::Constant { name, shape, data } => {
                    let shape = match shape[..] {
                        [w] if w == channels || both_vectors => [1, w, 1, 1],
                        [w] => [1, 1, 1, w],
                        [h, w] => [1, h, w, 1],
                        [c, h, w] => [1, c, h, w],
                        _ => return Err(problem!("reads a constant of rank {}", shape.len())),
                    };
                    Operand::Constant { name, shape, data: data.as_ref().clone() }
                }
            });
        }
        let (Some(right), Some(left)) = (operands.pop(), operands.pop()) else {
            return Err(problem!("needs two inputs"));
        };
        let result = binary(&mut self.builder, &layer.name, op, left, right)?;
        Ok(if both_vectors { Blob::Vector(result) } else { Blob::Picture(result) })
    }

    pub(super) fn scale(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        const FROM_BLOB: i64 = -233;
        let input = self.input(layer, 0)?;
        if layer.integer(0, 0)? == FROM_BLOB {
            let factors = self.input(layer, 1)?;
            if layer.integer(1, 0)? != 0 {
                return Err(problem!("has a bias beside a factor that is a blob"));
            }
            return self.broadcast(layer, BinaryOp::Mul, [input, factors]);
        }
        let x = self.value(layer, 0)?;
        let size = layer.size(0, 0)?;
        let scale = layer.weight(0, "factor", size)?;
        let shift =
            if layer.integer(1, 0)? != 0 { layer.weight(1, "bias", size)? } else { vec![0.0; scale.len()] };
        self.channel_affine(layer, x, scale, shift).map(|id| input.with(id))
    }

    pub(super) fn bias(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let input = self.input(layer, 0)?;
        let x = self.value(layer, 0)?;
        let shift = layer.weight(0, "bias", layer.size(0, 0)?)?;
        self.channel_affine(layer, x, vec![1.0; shift.len()], shift).map(|id| input.with(id))
    }

    pub(super) fn batch_norm(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let input = self.input(layer, 0)?;
        let x = self.value(layer, 0)?;
        let size = layer.size(0, 0)?;
        let epsilon = layer.number(1, 0.0)?;
        let [slope, mean, variance, bias] = [
            layer.weight(0, "slope", size)?,
            layer.weight(1, "mean", size)?,
            layer.weight(2, "variance", size)?,
            layer.weight(3, "bias", size)?,
        ];
        let scale: Vec<f32> = slope.iter().zip(&variance).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
        let shift = bias.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        self.channel_affine(layer, x, scale, shift).map(|id| input.with(id))
    }

    fn channel_affine(
        &mut self,
        layer: &NcnnLayer,
        x: NodeId,
        scale: Vec<f32>,
        shift: Vec<f32>,
    ) -> Result<NodeId, OpError> {
        let channels = scale.len();
        let scale = self.builder.weight(&format!("{}.scale", layer.name), vec![channels], scale)?;
        let shift = self.builder.weight(&format!("{}.shift", layer.name), vec![channels], shift)?;
        self.builder.push(&layer.name, Op::ChannelAffine { scale, shift }, &[x])
    }

    pub(super) fn prelu(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let input = self.input(layer, 0)?;
        let x = self.value(layer, 0)?;
        let size = layer.size(0, 0)?;
        let slopes = layer.weight(0, "slopes", size)?;
        let slope = self.builder.weight(&format!("{}.slope", layer.name), vec![size], slopes)?;
        let result = self.builder.push(&layer.name, Op::PRelu { slope }, &[x])?;
        Ok(input.with(result))
    }

    pub(super) fn softmax(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let input = self.input(layer, 0)?;
        let x = self.value(layer, 0)?;
        let axis = super::layout::axis(&input, layer.integer(0, 0)?)?;
        let result = self.builder.push(&layer.name, Op::Softmax { axis }, &[x])?;
        Ok(input.with(result))
    }

    /// Layers that map every element on its own.
    pub(super) fn function(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let name = layer.name.as_str();
        let kind = layer.kind.as_str();
        let op = match kind {
            "ReLU" => match layer.number(0, 0.0)? {
                0.0 => UnaryOp::Relu,
                slope => UnaryOp::LeakyRelu(slope),
            },
            "Sigmoid" => UnaryOp::Sigmoid,
            "TanH" => UnaryOp::Tanh,
            "Swish" => UnaryOp::Silu,
            "HardSigmoid" => {
                UnaryOp::HardSigmoid { alpha: layer.number(0, 0.2)?, beta: layer.number(1, 0.5)? }
            }
            "HardSwish" => UnaryOp::HardSwish { alpha: layer.number(0, 0.2)?, beta: layer.number(1, 0.5)? },
            "GELU" if layer.integer(0, 0)? == 0 => UnaryOp::Gelu,
            "ELU" => UnaryOp::Elu(layer.number(0, 0.1)?),
            "Clip" => UnaryOp::Clip { min: layer.number(0, f32::MIN)?, max: layer.number(1, f32::MAX)? },
            "AbsVal" => UnaryOp::Abs,
            "UnaryOp" => match layer.integer(0, 0)? {
                0 => UnaryOp::Abs,
                1 => UnaryOp::Neg,
                4 => UnaryOp::Square,
                5 => UnaryOp::Sqrt,
                6 => {
                    let (input, x) = (self.input(layer, 0)?, self.value(layer, 0)?);
                    let root = self.builder.unary(name, UnaryOp::Sqrt, x)?;
                    return Ok(input.with(self.builder.unary(name, UnaryOp::Reciprocal, root)?));
                }
                7 => UnaryOp::Exp,
                8 => UnaryOp::Log,
                15 => UnaryOp::Reciprocal,
                16 => UnaryOp::Tanh,
                other => return Err(problem!("its function {other} is not supported")),
            },
            "GELU" | "Mish" | "Softplus" | "BNLL" | "SELU" | "Power" | "Exp" | "Log" | "Dropout" | "Cast" => {
                let (input, x) = (self.input(layer, 0)?, self.value(layer, 0)?);
                return self.composite(layer, x).map(|id| input.with(id));
            }
            _ => return Err(OpError::Operator),
        };
        let (input, x) = (self.input(layer, 0)?, self.value(layer, 0)?);
        Ok(input.with(self.builder.unary(name, op, x)?))
    }

    fn composite(&mut self, layer: &NcnnLayer, x: NodeId) -> Result<NodeId, OpError> {
        let name = layer.name.as_str();
        let builder = &mut self.builder;
        match layer.kind.as_str() {
            "GELU" => tanh_gelu(builder, name, x),
            "Mish" => mish(builder, name, x),
            "Softplus" | "BNLL" => softplus(builder, name, x),
            "SELU" => {
                let bent = builder.unary(name, UnaryOp::Elu(layer.number(0, 1.673_263_2)?), x)?;
                builder.scale_shift(name, bent, layer.number(1, 1.050_701)?, 0.0)
            }
            "Power" => {
                let base = builder.scale_shift(name, x, layer.number(1, 1.0)?, layer.number(2, 0.0)?)?;
                with_scalar(builder, name, BinaryOp::Pow, base, layer.number(0, 1.0)?, false)
            }
            "Exp" => {
                let factor = log_base(layer)?;
                let exponent = builder.scale_shift(
                    name,
                    x,
                    layer.number(1, 1.0)? * factor,
                    layer.number(2, 0.0)? * factor,
                )?;
                builder.unary(name, UnaryOp::Exp, exponent)
            }
            "Log" => {
                let argument = builder.scale_shift(name, x, layer.number(1, 1.0)?, layer.number(2, 0.0)?)?;
                let log = builder.unary(name, UnaryOp::Log, argument)?;
                builder.scale_shift(name, log, 1.0 / log_base(layer)?, 0.0)
            }
            "Dropout" => builder.scale_shift(name, x, layer.number(0, 1.0)?, 0.0),
            "Cast" => match (layer.integer(0, 0)?, layer.integer(1, 0)?) {
                // 3 is int8; the others are float types, and everything is computed in f32 here.
                (3, _) | (_, 3) => Err(problem!("casts to or from int8")),
                _ => Ok(x),
            },
            _ => Err(OpError::Operator),
        }
    }
}

/// Natural logarithm of the base of an Exp or Log layer; base -1 stands for e.
fn log_base(layer: &NcnnLayer) -> Result<f32, OpError> {
    match layer.number(0, -1.0)? {
        -1.0 => Ok(1.0),
        base if base > 0.0 && base != 1.0 => Ok(base.ln()),
        base => Err(problem!("its base {base} is not supported")),
    }
}
