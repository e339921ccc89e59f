//! Operators of our own domain: what we write where ONNX has none. Their definitions are not read; what they mean stands in
//! an attribute.

use super::{Importer, Value, node};
use crate::export::Spec;
use crate::import::error::{OpError, problem};
use crate::{Attention, ChannelAttention, NodeId, Op, Padding, ResizeTarget, Scores, WeightId};
use pegbar_formats::onnx::{OnnxAttribute, OnnxModel, OnnxNode};

/// No network needs pictures larger than this.
const LARGEST_MINIMUM: usize = 1 << 12;

/// The size below which the network that was written does not run.
pub(super) fn minimum_size(model: &OnnxModel) -> Option<usize> {
    let minimum = model.metadata.get("minimum_size")?.parse().ok()?;
    (is_ours(model) && minimum <= LARGEST_MINIMUM).then_some(minimum)
}

/// Whether Pegbar wrote the file, by what it says.
pub(super) fn is_ours(model: &OnnxModel) -> bool {
    model.producer.split_whitespace().next() == Some("pegbar")
}

impl<'a> Importer<'a> {
    pub(super) fn own(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let Some(OnnxAttribute::String(spec)) = node.attributes.get("spec") else {
            return Err(OpError::Operator);
        };
        let spec: Spec =
            serde_json::from_str(spec).map_err(|error| problem!("means nothing known: {error}"))?;
        let name = node::name(node);
        let value = match spec {
            Spec::PadToMultiple { minimum, multiple, square, fill } => {
                let picture = self.picture_input(node, 0)?;
                if picture != self.builder.input() {
                    return Err(problem!("continues another value than the picture"));
                }
                if minimum > LARGEST_MINIMUM {
                    return Err(problem!("needs pictures of {minimum} pixels"));
                }
                self.builder.require_minimum(minimum);
                self.builder.require_multiple(multiple)?;
                self.builder.fill(fill.into(), square);
                picture
            }
            // What was added is cut off again: that is the engine's business.
            Spec::CropTo { .. } => self.picture_input(node, 0)?,
            Spec::Attention {
                heads,
                region,
                shift,
                key_margin,
                key_factor,
                query_factor,
                pad_to,
                dot,
                bias,
            } => {
                let inputs = self.three(node)?;
                let scores = self.scores(node, heads, dot)?;
                let bias = match bias {
                    true => Some(self.weight_input(node, if dot.is_none() { 4 } else { 3 })?),
                    false => None,
                };
                let region = region.into();
                let attention = Attention {
                    heads,
                    region,
                    shift,
                    key_margin,
                    key_factor,
                    query_factor,
                    pad_to,
                    scores,
                    bias,
                };
                self.builder.push(name, Op::Attention(attention), &inputs)?
            }
            Spec::ChannelAttention { heads, region, dot, softmax } => {
                let inputs = self.three(node)?;
                let scores = self.scores(node, heads, dot)?;
                let attention = ChannelAttention { heads, region: region.into(), scores };
                let op = if softmax { Op::ChannelAttention(attention) } else { Op::ChannelMix(attention) };
                self.builder.push(name, op, &inputs)?
            }
            Spec::PadMore { padding: [top, left, bottom, right], multiple, beyond } => {
                let picture = self.picture_input(node, 0)?;
                let padding = Padding { top, left, bottom, right };
                self.builder.push(
                    name,
                    Op::PadToMultiple { padding, multiple, mode: beyond.into() },
                    &[picture],
                )?
            }
            Spec::Part { axis, index, count } => {
                let picture = self.picture_input(node, 0)?;
                self.builder.push(name, Op::Part { axis, index, count }, &[picture])?
            }
            Spec::PixelUnshuffle { factor } => {
                let picture = self.picture_input(node, 0)?;
                self.builder.push(name, Op::PixelUnshuffle { factor }, &[picture])?
            }
            Spec::Crop { factor } => {
                let inputs = [self.picture_input(node, 0)?, self.picture_input(node, 1)?];
                self.builder.push(name, Op::Crop { factor }, &inputs)?
            }
            Spec::ResizeLike { mode } => {
                let inputs = [self.picture_input(node, 0)?, self.picture_input(node, 1)?];
                let op = Op::Resize { mode: mode.into(), target: ResizeTarget::Like };
                self.builder.push(name, op, &inputs)?
            }
            Spec::GridSample { groups, align_corners, beyond } => {
                let inputs = [self.picture_input(node, 0)?, self.picture_input(node, 1)?];
                let op = Op::GridSample { groups, align_corners, beyond: beyond.into() };
                self.builder.push(name, op, &inputs)?
            }
            Spec::GroupNorm { groups, eps, bias } => {
                let picture = self.picture_input(node, 0)?;
                let weight = self.weight_input(node, 1)?;
                let bias = if bias { Some(self.weight_input(node, 2)?) } else { None };
                self.builder.push(name, Op::GroupNorm { groups, weight, bias, eps }, &[picture])?
            }
        };
        Ok(self.as_picture(value))
    }

    /// Queries, keys, values.
    fn three(&mut self, node: &'a OnnxNode) -> Result<[NodeId; 3], OpError> {
        Ok([self.picture_input(node, 0)?, self.picture_input(node, 1)?, self.picture_input(node, 2)?])
    }

    fn scores(&mut self, node: &'a OnnxNode, heads: usize, dot: Option<f32>) -> Result<Scores, OpError> {
        if let Some(factor) = dot {
            return Ok(Scores::Dot(factor));
        }
        let factors = self.weight_input(node, 3)?;
        let found = self.builder.weight_of(factors).data.len();
        if found != heads {
            return Err(problem!("has {found} factors for {heads} heads"));
        }
        Ok(Scores::Cosine(factors))
    }

    fn weight_input(&mut self, node: &'a OnnxNode, index: usize) -> Result<WeightId, OpError> {
        let constant = self.constant(node, index)?;
        let data = constant.to_floats()?.as_ref().clone();
        self.builder.weight(&constant.name, constant.shape.clone(), data)
    }
}
