//! ONNX: operator for operator, and functions where ONNX has none.

mod attention;
mod functions;
mod graph;

use crate::export::spec::{DOMAIN, Spec};
use crate::{
    BinaryOp, Dim, Model, ModelError, Net, NodeId, NormKind, Op, PadMode, Padding, PoolKind, ResizeMode,
    ResizeTarget, UnaryOp, WeightId,
};
use graph::{Graph, attributes};
use pegbar_formats::onnx::{OnnxAttribute, OnnxFunction, OnnxGraph, OnnxModel, OnnxNode, OnnxValueInfo};
use std::collections::{BTreeMap, HashMap};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OnnxOptions {
    /// Weights, input, output and everything between in half precision.
    pub half: bool,
}

/// The operator set that is written: the oldest with layer normalisation.
const OPSET: i64 = 17;
/// The version of the format that came with it; functions are in it.
const IR_VERSION: i64 = 8;
const FORMAT: &str = "ONNX";
/// Nobody has pictures smaller than this: networks that take all others stay plain operators, which more programs run than functions.
const LEAST_MINIMUM: usize = 8;
/// So many channels are put in our order by a table.
const MOST_SORTED_CHANNELS: usize = 4;

/// Makes an ONNX graph of a network: `input` `[N, C, H, W]` in `0.0..=1.0`, of any size, to `output`.
///
/// A network that takes only some sizes is given a padding before it and a cropping behind it, as the engine pads; but for a least side of
/// 8 px or less.
///
/// # Errors
/// [`ModelError::Export`] for an operation that ONNX cannot express.
pub fn export_onnx(model: &Model, options: OnnxOptions) -> Result<OnnxModel, ModelError> {
    let net = &model.net;
    let shapes = net.infer_shapes()?;
    let mut exporter = Exporter {
        net,
        shapes: &shapes,
        graph: Graph::of_model(options.half),
        functions: Vec::new(),
        values: HashMap::new(),
        weights: HashMap::new(),
    };
    let output = exporter.nodes(model)?;
    let Exporter { mut graph, functions, .. } = exporter;
    graph.alias(&output, "output");
    let info = |name: &str, channels: usize| OnnxValueInfo {
        name: name.to_owned(),
        elem_type: if options.half { 10 } else { 1 },
        dims: vec![None, Some(channels as i64), None, None],
    };
    let metadata = BTreeMap::from([
        ("architecture".to_owned(), model.architecture.to_owned()),
        ("scale".to_owned(), model.scale.to_string()),
        ("minimum_size".to_owned(), net.size_rule.minimum.to_string()),
    ]);
    Ok(OnnxModel {
        opset: OPSET,
        ir_version: IR_VERSION,
        producer: format!("pegbar {}", env!("CARGO_PKG_VERSION")),
        metadata,
        graph: OnnxGraph {
            nodes: graph.nodes,
            initializers: graph.initializers,
            inputs: vec![info("input", model.input_channels)],
            outputs: vec![info("output", model.output_channels)],
        },
        functions: functions.into_iter().map(|(_, function)| function).collect(),
    })
}

/// The walk over the nodes.
struct Exporter<'a> {
    net: &'a Net,
    shapes: &'a [[Dim; 4]],
    graph: Graph,
    functions: Vec<(Spec, OnnxFunction)>,
    values: HashMap<NodeId, String>,
    /// Weights that are in the graph, by their shape there.
    weights: HashMap<(WeightId, Vec<usize>), String>,
}

fn problem(problem: impl Into<String>) -> ModelError {
    ModelError::Export { format: FORMAT, problem: problem.into() }
}

impl Exporter<'_> {
    /// All of them; the name of the result.
    fn nodes(&mut self, model: &Model) -> Result<String, ModelError> {
        let rule = self.net.size_rule;
        let is_padded = rule.multiple_of > 1 || rule.square || rule.minimum > LEAST_MINIMUM;
        let mut picture = "input".to_owned();
        if is_padded {
            let spec = Spec::PadToMultiple {
                minimum: rule.minimum,
                multiple: rule.multiple_of,
                square: rule.square,
                fill: rule.fill.into(),
            };
            picture = self.call("pad", spec, &["input"])?;
        }
        for (index, node) in self.net.nodes.iter().enumerate() {
            let id = NodeId(index as u32);
            let inputs: Vec<String> = node.inputs.iter().map(|id| self.values[id].clone()).collect();
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            self.graph.begin(&node.name);
            let value = match &node.op {
                Op::Input { .. } => picture.clone(),
                op => self.op(id, op, &inputs)?,
            };
            self.values.insert(id, value);
        }
        let output =
            self.net.output.and_then(|id| self.values.get(&id)).ok_or_else(|| problem("it has no output"))?;
        let output = output.clone();
        if !is_padded {
            return Ok(output);
        }
        self.call("crop", Spec::CropTo { scale: model.scale }, &[&output, "input"])
    }

    /// A weight as an initializer.
    fn weight(&mut self, id: WeightId, shape: &[usize]) -> String {
        if let Some(name) = self.weights.get(&(id, shape.to_vec())) {
            return name.clone();
        }
        let weight = self.net.weight(id);
        let name = self.graph.weights(&weight.name, shape, &weight.data);
        self.weights.insert((id, shape.to_vec()), name.clone());
        name
    }

    /// In its own shape.
    fn kernel(&mut self, id: WeightId) -> String {
        let shape = self.net.weight(id).shape.clone();
        self.weight(id, &shape)
    }

    /// `[C]` for each channel of a picture; a single value stays one.
    fn per_channel(&mut self, id: WeightId) -> String {
        let n = self.net.weight(id).data.len();
        self.weight(id, &[n, 1, 1])
    }

    /// A call of a function, which is made if there is none of its kind yet.
    fn call(&mut self, name: &str, spec: Spec, inputs: &[&str]) -> Result<String, ModelError> {
        let function = match self.functions.iter().find(|(known, _)| *known == spec) {
            Some((_, function)) => function.name.clone(),
            None => {
                let number = self.functions.len();
                let name = format!("{}_{number}", spec.name());
                let function = functions::define(&spec, name.clone(), inputs.len(), self.graph.is_half());
                self.functions.push((spec.clone(), function));
                name
            }
        };
        let spec = serde_json::to_string(&spec).map_err(|error| problem(error.to_string()))?;
        self.graph.begin(name);
        Ok(self.graph.push(DOMAIN, &function, inputs, attributes([("spec", OnnxAttribute::String(spec))])))
    }

    fn op(&mut self, id: NodeId, op: &Op, inputs: &[&str]) -> Result<String, ModelError> {
        use OnnxAttribute::{Float, Int, Ints};
        let channels = |id: NodeId| self.shapes[id.0 as usize][1].fixed();
        let input_channels = self.net.node(id).inputs.first().and_then(|&id| channels(id));
        Ok(match op {
            Op::Constant(weight) => self.kernel(*weight),
            Op::Conv2d { weight, bias, stride, padding, dilation, groups } => {
                let kernel = self.net.weight(*weight).shape[2..].to_vec();
                let attributes = attributes([
                    ("kernel_shape", Ints(whole(&kernel))),
                    ("strides", Ints(whole(stride))),
                    ("pads", Ints(pads(padding))),
                    ("dilations", Ints(whole(dilation))),
                    ("group", Int(*groups as i64)),
                ]);
                let (weight, bias) = (self.kernel(*weight), bias.map(|bias| self.kernel(bias)));
                let operands: Vec<&str> = [inputs[0], &weight].into_iter().chain(bias.as_deref()).collect();
                self.graph.push("", "Conv", &operands, attributes)
            }
            Op::ConvTranspose2d { weight, bias, stride, padding, output_padding, dilation, groups } => {
                let kernel = self.net.weight(*weight).shape[2..].to_vec();
                let attributes = attributes([
                    ("kernel_shape", Ints(whole(&kernel))),
                    ("strides", Ints(whole(stride))),
                    ("pads", Ints(pads(padding))),
                    ("output_padding", Ints(whole(output_padding))),
                    ("dilations", Ints(whole(dilation))),
                    ("group", Int(*groups as i64)),
                ]);
                let (weight, bias) = (self.kernel(*weight), bias.map(|bias| self.kernel(bias)));
                let operands: Vec<&str> = [inputs[0], &weight].into_iter().chain(bias.as_deref()).collect();
                self.graph.push("", "ConvTranspose", &operands, attributes)
            }
            Op::PRelu { slope } => {
                let slope = self.per_channel(*slope);
                self.graph.op("PRelu", &[inputs[0], &slope])
            }
            Op::ChannelAffine { scale, shift } => {
                let (scale, shift) = (self.per_channel(*scale), self.per_channel(*shift));
                let scaled = self.graph.op("Mul", &[inputs[0], &scale]);
                self.graph.op("Add", &[&scaled, &shift])
            }
            Op::Unary(op) => self.unary(*op, inputs[0])?,
            Op::Binary(op) => match op {
                BinaryOp::Add
                | BinaryOp::Sub
                | BinaryOp::Mul
                | BinaryOp::Div
                | BinaryOp::Max
                | BinaryOp::Min
                | BinaryOp::Pow => self.graph.op(op.name(), inputs),
                other => return Err(problem(format!("the function {} has no counterpart", other.name()))),
            },
            Op::Concat { axis } => {
                self.graph.push("", "Concat", inputs, attributes([("axis", Int(*axis as i64))]))
            }
            Op::Slice { axis, start, end } => {
                let (start, end) = (self.graph.ints(&[*start]), self.graph.ints(&[*end]));
                let axis = self.graph.ints(&[*axis as i64]);
                self.graph.op("Slice", &[inputs[0], &start, &end, &axis])
            }
            Op::Pad { padding, mode } => self.pad(inputs[0], padding, *mode),
            Op::Resize { mode, target: ResizeTarget::Like } => {
                self.call_of(id, Spec::ResizeLike { mode: (*mode).into() }, inputs)?
            }
            Op::Resize { mode, target } => self.resize(inputs[0], *mode, *target),
            Op::PadToMultiple { padding: Padding { top, left, bottom, right }, multiple, mode } => {
                let padding = [*top, *left, *bottom, *right];
                let spec = Spec::PadMore { padding, multiple: *multiple, beyond: (*mode).into() };
                self.call_of(id, spec, inputs)?
            }
            Op::Crop { factor } => self.call_of(id, Spec::Crop { factor: *factor }, inputs)?,
            Op::GridSample { groups, align_corners, beyond } => {
                if !matches!(beyond, PadMode::Replicate | PadMode::Constant(0.0)) {
                    return Err(problem("it samples beyond a picture in a way ONNX does not know"));
                }
                let (groups, align_corners, beyond) = (*groups, *align_corners, (*beyond).into());
                self.call_of(id, Spec::GridSample { groups, align_corners, beyond }, inputs)?
            }
            Op::AdaptivePool { kind, divisor } => {
                if !self.divides(self.net.node(id).inputs[0], *divisor) {
                    return Err(problem("it pools over windows of different sizes"));
                }
                let op =
                    Op::Pool { kind: *kind, kernel: *divisor, stride: *divisor, padding: Padding::default() };
                self.op(id, &op, inputs)?
            }
            Op::PixelShuffle { factor } => {
                let mode = OnnxAttribute::String("CRD".to_owned());
                let attributes = attributes([("blocksize", Int(*factor as i64)), ("mode", mode)]);
                self.graph.push("", "DepthToSpace", inputs, attributes)
            }
            Op::PixelUnshuffle { factor } => {
                match input_channels {
                    // Operators alone, which every program knows.
                    Some(n) if n <= MOST_SORTED_CHANNELS => self.pixel_unshuffle(inputs[0], n, *factor),
                    _ => self.call_of(id, Spec::PixelUnshuffle { factor: *factor }, inputs)?,
                }
            }
            Op::Pool { kind, kernel, stride, padding } => {
                let mut attributes = attributes([
                    ("kernel_shape", Ints(whole(kernel))),
                    ("strides", Ints(whole(stride))),
                    ("pads", Ints(pads(padding))),
                ]);
                let operator = match kind {
                    PoolKind::Max => "MaxPool",
                    PoolKind::Average { count_pad } => {
                        attributes.insert("count_include_pad".to_owned(), Int(i64::from(*count_pad)));
                        "AveragePool"
                    }
                };
                self.graph.push("", operator, inputs, attributes)
            }
            Op::GlobalPool { kind: PoolKind::Max } => self.graph.op("GlobalMaxPool", inputs),
            Op::GlobalPool { kind: PoolKind::Average { .. } } => self.graph.op("GlobalAveragePool", inputs),
            Op::Linear { weight, bias } => {
                let flat = self.graph.push("", "Flatten", inputs, attributes([("axis", Int(1))]));
                let (weight, bias) = (self.kernel(*weight), bias.map(|bias| self.kernel(bias)));
                let operands: Vec<&str> =
                    [flat.as_str(), &weight].into_iter().chain(bias.as_deref()).collect();
                let product = self.graph.push("", "Gemm", &operands, attributes([("transB", Int(1))]));
                let axes = self.graph.ints(&[2, 3]);
                self.graph.op("Unsqueeze", &[&product, &axes])
            }
            Op::Softmax { axis } => {
                self.graph.push("", "Softmax", inputs, attributes([("axis", Int(*axis as i64))]))
            }
            Op::LayerNorm { kind: NormKind::Standard, weight, bias, eps } => {
                let (weight, bias) = (self.kernel(*weight), bias.map(|bias| self.kernel(bias)));
                let turn = |to: &[i64]| attributes([("perm", Ints(to.to_vec()))]);
                let last = self.graph.push("", "Transpose", inputs, turn(&[0, 2, 3, 1]));
                let operands: Vec<&str> =
                    [last.as_str(), &weight].into_iter().chain(bias.as_deref()).collect();
                let how = attributes([("axis", Int(-1)), ("epsilon", Float(*eps))]);
                let normal = self.graph.push("", "LayerNormalization", &operands, how);
                self.graph.push("", "Transpose", &[&normal], turn(&[0, 3, 1, 2]))
            }
            Op::LayerNorm { kind: NormKind::RootMeanSquare, weight, bias, eps } => {
                let square = self.graph.op("Mul", &[inputs[0], inputs[0]]);
                let how = attributes([("axes", Ints(vec![1])), ("keepdims", Int(1))]);
                let mean = self.graph.push("", "ReduceMean", &[&square], how);
                let eps = self.graph.scalar(*eps);
                let above = self.graph.op("Add", &[&mean, &eps]);
                let root = self.graph.op("Sqrt", &[&above]);
                let normal = self.graph.op("Div", &[inputs[0], &root]);
                let weight = self.per_channel(*weight);
                let scaled = self.graph.op("Mul", &[&normal, &weight]);
                match bias {
                    Some(bias) => {
                        let bias = self.per_channel(*bias);
                        self.graph.op("Add", &[&scaled, &bias])
                    }
                    None => scaled,
                }
            }
            Op::GroupNorm { groups, weight, bias, eps } => {
                let spec = Spec::GroupNorm { groups: *groups, eps: *eps, bias: bias.is_some() };
                let (weight, bias) = (self.kernel(*weight), bias.map(|bias| self.kernel(bias)));
                let operands: Vec<&str> = [inputs[0], &weight].into_iter().chain(bias.as_deref()).collect();
                self.call(&self.net.node(id).name.clone(), spec, &operands)?
            }
            Op::Attention(a) => {
                let factors = a.scores.weight().map(|weight| self.kernel(weight));
                let bias = a.bias.map(|bias| self.kernel(bias));
                let operands: Vec<&str> =
                    inputs.iter().copied().chain(factors.as_deref()).chain(bias.as_deref()).collect();
                self.call(&self.net.node(id).name.clone(), Spec::of_attention(a), &operands)?
            }
            Op::ChannelAttention(a) | Op::ChannelMix(a) => {
                let factors = a.scores.weight().map(|weight| self.kernel(weight));
                let operands: Vec<&str> = inputs.iter().copied().chain(factors.as_deref()).collect();
                self.call(
                    &self.net.node(id).name.clone(),
                    Spec::of_channel_attention(a, matches!(op, Op::ChannelAttention(_))),
                    &operands,
                )?
            }
            Op::Part { axis, index, count } => {
                self.call_of(id, Spec::Part { axis: *axis, index: *index, count: *count }, inputs)?
            }
            other => return Err(problem(format!("the operation {} has no counterpart", other.name()))),
        })
    }

    fn unary(&mut self, op: UnaryOp, x: &str) -> Result<String, ModelError> {
        use OnnxAttribute::Float;
        let graph = &mut self.graph;
        Ok(match op {
            UnaryOp::Relu => graph.op("Relu", &[x]),
            UnaryOp::LeakyRelu(slope) => {
                graph.push("", "LeakyRelu", &[x], attributes([("alpha", Float(slope))]))
            }
            UnaryOp::Sigmoid => graph.op("Sigmoid", &[x]),
            UnaryOp::Silu => {
                let gate = graph.op("Sigmoid", &[x]);
                graph.op("Mul", &[x, &gate])
            }
            UnaryOp::Tanh => graph.op("Tanh", &[x]),
            UnaryOp::Gelu => {
                let root = graph.scalar(std::f32::consts::FRAC_1_SQRT_2);
                let scaled = graph.op("Mul", &[x, &root]);
                let erf = graph.op("Erf", &[&scaled]);
                let one = graph.scalar(1.0);
                let gate = graph.op("Add", &[&erf, &one]);
                let product = graph.op("Mul", &[x, &gate]);
                let half = graph.scalar(0.5);
                graph.op("Mul", &[&product, &half])
            }
            UnaryOp::Clip { min, max } => {
                let (min, max) = (graph.scalar(min), graph.scalar(max));
                graph.op("Clip", &[x, &min, &max])
            }
            UnaryOp::HardSigmoid { alpha, beta } => graph.push(
                "",
                "HardSigmoid",
                &[x],
                attributes([("alpha", Float(alpha)), ("beta", Float(beta))]),
            ),
            UnaryOp::HardSwish { alpha, beta } => {
                let how = attributes([("alpha", Float(alpha)), ("beta", Float(beta))]);
                let gate = graph.push("", "HardSigmoid", &[x], how);
                graph.op("Mul", &[x, &gate])
            }
            UnaryOp::Elu(alpha) => graph.push("", "Elu", &[x], attributes([("alpha", Float(alpha))])),
            UnaryOp::Square => graph.op("Mul", &[x, x]),
            UnaryOp::ScaleShift { scale, shift } => {
                let mut value = x.to_owned();
                if scale != 1.0 {
                    let scale = graph.scalar(scale);
                    value = graph.op("Mul", &[&value, &scale]);
                }
                if shift != 0.0 || scale == 1.0 {
                    let shift = graph.scalar(shift);
                    value = graph.op("Add", &[&value, &shift]);
                }
                value
            }
            UnaryOp::Abs
            | UnaryOp::Neg
            | UnaryOp::Exp
            | UnaryOp::Log
            | UnaryOp::Sqrt
            | UnaryOp::Reciprocal => graph.op(op.name(), &[x]),
            UnaryOp::Sin | UnaryOp::Cos => graph.op(op.name(), &[x]),
            UnaryOp::Mish => {
                let soft = graph.op("Softplus", &[x]);
                let gate = graph.op("Tanh", &[&soft]);
                graph.op("Mul", &[x, &gate])
            }
        })
    }

    fn pad(&mut self, x: &str, padding: &Padding, mode: PadMode) -> String {
        let Padding { top, left, bottom, right } = *padding;
        let sizes = self.graph.ints(&[0, 0, top as i64, left as i64, 0, 0, bottom as i64, right as i64]);
        let named = |name: &str| attributes([("mode", OnnxAttribute::String(name.to_owned()))]);
        match mode {
            PadMode::Constant(value) => {
                let value = self.graph.scalar(value);
                self.graph.push("", "Pad", &[x, &sizes, &value], named("constant"))
            }
            PadMode::Reflect => self.graph.push("", "Pad", &[x, &sizes], named("reflect")),
            PadMode::Replicate => self.graph.push("", "Pad", &[x, &sizes], named("edge")),
        }
    }

    fn resize(&mut self, x: &str, mode: ResizeMode, target: ResizeTarget) -> String {
        let attributes = functions::kernel(mode);
        match target {
            // A function of its own.
            ResizeTarget::Like => x.to_owned(),
            ResizeTarget::Scale { height, width } => {
                let factor = |[num, den]: [usize; 2]| num as f32 / den as f32;
                let scales = self.graph.single(&[1.0, 1.0, factor(height), factor(width)]);
                self.graph.push("", "Resize", &[x, "", &scales], attributes)
            }
            ResizeTarget::Size { height, width } => {
                let shape = self.graph.op("Shape", &[x]);
                let (start, end) = (self.graph.ints(&[0]), self.graph.ints(&[2]));
                let kept = self.graph.op("Slice", &[&shape, &start, &end]);
                let size = self.graph.ints(&[height as i64, width as i64]);
                let along = graph::attributes([("axis", OnnxAttribute::Int(0))]);
                let sizes = self.graph.push("", "Concat", &[&kept, &size], along);
                self.graph.push("", "Resize", &[x, "", "", &sizes], attributes)
            }
        }
    }

    fn call_of(&mut self, id: NodeId, spec: Spec, inputs: &[&str]) -> Result<String, ModelError> {
        self.call(&self.net.node(id).name.clone(), spec, inputs)
    }

    /// Whether the sides of a value are multiples of these, whatever picture the network accepts.
    fn divides(&self, id: NodeId, divisor: [usize; 2]) -> bool {
        let multiple = self.net.size_rule.multiple_of;
        (0..2).all(|axis| match self.shapes[id.0 as usize][2 + axis] {
            Dim::Fixed(n) => n.is_multiple_of(divisor[axis]),
            Dim::Scaled { num, den, offset, .. } => {
                (multiple * num).is_multiple_of(den * divisor[axis]) && offset % divisor[axis] as i64 == 0
            }
        })
    }

    /// ONNX's order of channels is places first: they are put in ours.
    fn pixel_unshuffle(&mut self, x: &str, channels: usize, factor: usize) -> String {
        let how = attributes([("blocksize", OnnxAttribute::Int(factor as i64))]);
        let theirs = self.graph.push("", "SpaceToDepth", &[x], how);
        let places = factor * factor;
        let order: Vec<i64> =
            (0..channels).flat_map(|c| (0..places).map(move |place| (place * channels + c) as i64)).collect();
        let order = self.graph.ints(&order);
        self.graph.push("", "Gather", &[&theirs, &order], attributes([("axis", OnnxAttribute::Int(1))]))
    }
}

fn whole(numbers: &[usize]) -> Vec<i64> {
    numbers.iter().map(|&n| n as i64).collect()
}

fn pads(padding: &Padding) -> Vec<i64> {
    whole(&[padding.top, padding.left, padding.bottom, padding.right])
}

/// A node.
fn node(
    name: &str,
    domain: &str,
    op_type: &str,
    inputs: &[&str],
    output: &str,
    attributes: BTreeMap<String, OnnxAttribute>,
) -> OnnxNode {
    OnnxNode {
        name: name.to_owned(),
        op_type: op_type.to_owned(),
        domain: domain.to_owned(),
        inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
        outputs: vec![output.to_owned()],
        attributes,
    }
}
