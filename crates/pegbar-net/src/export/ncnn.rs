//! ncnn: layer for layer, where it has them.

use crate::{
    BinaryOp, Model, ModelError, NodeId, Op, PadMode, PoolKind, ResizeMode, ResizeTarget, UnaryOp, WeightId,
};
use half::f16;
use pegbar_formats::ncnn::{NcnnBlob, NcnnLayer, NcnnModel, NcnnParam};
use pegbar_formats::{DType, Tensor};
use std::collections::HashMap;

const FORMAT: &str = "ncnn";

/// As ncnn counts the end of an axis that is kept to its end.
const TO_THE_END: i64 = 2_147_483_647;

/// Makes an ncnn graph of a network, from the blob `in0` to `out0`. The least side that the network takes
/// ([`crate::SizeRule::minimum`]) is lost: the format has no place for it.
///
/// # Errors
/// [`ModelError::Export`] for an operation that ncnn has no layer for, and for a network that needs sides of a multiple,
/// which ncnn's programs do not know.
pub fn export_ncnn(model: &Model, half: bool) -> Result<NcnnModel, ModelError> {
    let rule = model.net.size_rule;
    if rule.multiple_of > 1 || rule.square {
        return Err(problem(format!(
            "it takes only pictures whose sides are multiples of {}, which an ncnn file cannot say",
            rule.multiple_of
        )));
    }
    // Without what inference does not need.
    let net = model.net.simplified();
    let mut readers: HashMap<NodeId, usize> = HashMap::new();
    for id in net.nodes.iter().flat_map(|node| &node.inputs) {
        *readers.entry(*id).or_default() += 1;
    }
    let mut exporter = Exporter { net: &net, half, layers: Vec::new(), blobs: HashMap::new() };
    let output = net.output.ok_or_else(|| problem("it has no output"))?;
    for (index, node) in net.nodes.iter().enumerate() {
        let id = NodeId(index as u32);
        let blob = if id == output { "out0".to_owned() } else { format!("b{index}") };
        let (kind, params, weights) = exporter.layer(id)?;
        let inputs = node.inputs.iter().map(|id| exporter.take(*id)).collect();
        let name = format!("{}_{index}", kind.to_lowercase());
        let blob = if index == 0 { "in0".to_owned() } else { blob };
        let outputs = vec![blob.clone()];
        exporter.layers.push(NcnnLayer { kind: kind.to_owned(), name, inputs, outputs, params, weights });
        exporter.split(id, blob, readers.get(&id).copied().unwrap_or(0));
    }
    Ok(NcnnModel { layers: exporter.layers })
}

fn problem(problem: impl Into<String>) -> ModelError {
    ModelError::Export { format: FORMAT, problem: problem.into() }
}

type Params = std::collections::BTreeMap<i32, NcnnParam>;

fn ints<const N: usize>(pairs: [(i32, usize); N]) -> Params {
    pairs.map(|(id, n)| (id, NcnnParam::Int(n as i64))).into()
}

/// The walk over the nodes.
struct Exporter<'a> {
    net: &'a crate::Net,
    half: bool,
    layers: Vec<NcnnLayer>,
    /// Names under which a value can still be read, each once.
    blobs: HashMap<NodeId, Vec<String>>,
}

type Layer = (&'static str, Params, Vec<NcnnBlob>);

impl Exporter<'_> {
    /// A name to read a value by.
    fn take(&mut self, id: NodeId) -> String {
        self.blobs.get_mut(&id).and_then(Vec::pop).unwrap_or_default()
    }

    /// ncnn lets each blob be read once: a value that is read more often is given more names.
    fn split(&mut self, id: NodeId, blob: String, n_readers: usize) {
        if n_readers < 2 {
            self.blobs.insert(id, vec![blob]);
            return;
        }
        let names: Vec<String> = (0..n_readers).map(|i| format!("{blob}_{i}")).collect();
        self.layers.push(NcnnLayer {
            kind: "Split".to_owned(),
            name: format!("split_{}", id.0),
            inputs: vec![blob],
            outputs: names.clone(),
            params: Params::new(),
            weights: Vec::new(),
        });
        self.blobs.insert(id, names);
    }

    fn values(&self, id: WeightId) -> &[f32] {
        &self.net.weight(id).data
    }

    /// A run of single precision.
    fn raw(&self, id: WeightId) -> NcnnBlob {
        blob(self.values(id), false)
    }

    fn kernel(&self, values: &[f32]) -> NcnnBlob {
        blob(values, self.half)
    }

    fn layer(&self, id: NodeId) -> Result<Layer, ModelError> {
        let node = self.net.node(id);
        let plain = |kind: &'static str| Ok((kind, Params::new(), Vec::new()));
        let with = |kind: &'static str, params: Params| Ok((kind, params, Vec::new()));
        match &node.op {
            Op::Input { .. } => plain("Input"),
            Op::Conv2d { weight, bias, stride, padding, dilation, groups } => {
                let tensor = self.net.weight(*weight);
                let [out, _, high, wide] = tensor.shape[..] else {
                    return Err(problem("a kernel is not of rank 4"));
                };
                let mut params = ints([
                    (0, out),
                    (1, wide),
                    (11, high),
                    (2, dilation[1]),
                    (12, dilation[0]),
                    (3, stride[1]),
                    (13, stride[0]),
                    (4, padding.left),
                    (15, padding.right),
                    (14, padding.top),
                    (16, padding.bottom),
                    (5, usize::from(bias.is_some())),
                    (6, tensor.data.len()),
                ]);
                if *groups > 1 {
                    params.insert(7, NcnnParam::Int(*groups as i64));
                }
                let kind = if *groups > 1 { "ConvolutionDepthWise" } else { "Convolution" };
                let weights =
                    std::iter::once(self.kernel(&tensor.data)).chain(bias.map(|bias| self.raw(bias)));
                Ok((kind, params, weights.collect()))
            }
            Op::ConvTranspose2d { weight, bias, stride, padding, output_padding, dilation, groups: 1 } => {
                let tensor = self.net.weight(*weight);
                let [input, out, high, wide] = tensor.shape[..] else {
                    return Err(problem("a kernel is not of rank 4"));
                };
                let params = ints([
                    (0, out),
                    (1, wide),
                    (11, high),
                    (2, dilation[1]),
                    (12, dilation[0]),
                    (3, stride[1]),
                    (13, stride[0]),
                    (4, padding.left),
                    (15, padding.right),
                    (14, padding.top),
                    (16, padding.bottom),
                    (18, output_padding[1]),
                    (19, output_padding[0]),
                    (5, usize::from(bias.is_some())),
                    (6, tensor.data.len()),
                ]);
                // Output channels come first here.
                let taps = high * wide;
                let turned: Vec<f32> = (0..out)
                    .flat_map(|o| {
                        (0..input).flat_map(move |i| (0..taps).map(move |t| (i * out + o) * taps + t))
                    })
                    .map(|at| tensor.data[at])
                    .collect();
                let weights = std::iter::once(self.kernel(&turned)).chain(bias.map(|bias| self.raw(bias)));
                Ok(("Deconvolution", params, weights.collect()))
            }
            Op::PRelu { slope } => {
                Ok(("PReLU", ints([(0, self.values(*slope).len())]), vec![self.raw(*slope)]))
            }
            Op::ChannelAffine { scale, shift } => {
                let params = ints([(0, self.values(*scale).len()), (1, 1)]);
                Ok(("Scale", params, vec![self.raw(*scale), self.raw(*shift)]))
            }
            Op::Unary(op) => unary(*op),
            Op::Binary(op) => {
                let number = binary(*op)
                    .ok_or_else(|| problem(format!("its function {} has no layer there", op.name())))?;
                with("BinaryOp", ints([(0, number)]))
            }
            Op::Concat { axis: axis @ 1..=3 } => with("Concat", ints([(0, axis - 1)])),
            Op::Slice { axis: axis @ 1..=3, start, end } => {
                let list = |n: i64| NcnnParam::IntArray(vec![n]);
                let end = if *end == i64::MAX { TO_THE_END } else { *end };
                with("Crop", [(9, list(*start)), (10, list(end)), (11, list(*axis as i64 - 1))].into())
            }
            Op::Pad { padding, mode } => {
                let mut params =
                    ints([(0, padding.top), (1, padding.bottom), (2, padding.left), (3, padding.right)]);
                let (kind, value) = match mode {
                    PadMode::Constant(value) => (0, *value),
                    PadMode::Replicate => (1, 0.0),
                    PadMode::Reflect => (2, 0.0),
                };
                params.insert(4, NcnnParam::Int(kind));
                params.insert(5, NcnnParam::Float(value));
                with("Padding", params)
            }
            Op::Resize { mode, target: ResizeTarget::Scale { height, width } } => {
                let factor = |[num, den]: [usize; 2]| NcnnParam::Float(num as f32 / den as f32);
                let (kind, align_corners) = match mode {
                    ResizeMode::Nearest => (1, false),
                    ResizeMode::Bilinear { align_corners } => (2, *align_corners),
                    ResizeMode::Bicubic { align_corners, a } if *a == -0.75 => (3, *align_corners),
                    ResizeMode::Bicubic { .. } => {
                        return Err(problem("its cubic interpolation is not ncnn's"));
                    }
                };
                let mut params = ints([(0, kind), (6, usize::from(align_corners))]);
                params.extend([(1, factor(*height)), (2, factor(*width))]);
                with("Interp", params)
            }
            Op::PixelShuffle { factor } => with("PixelShuffle", ints([(0, *factor)])),
            Op::PixelUnshuffle { factor } => with("Reorg", ints([(0, *factor)])),
            Op::Pool { kind, kernel, stride, padding } => {
                let (kind, count_pad) = pool(*kind);
                with(
                    "Pooling",
                    ints([
                        (0, kind),
                        (1, kernel[1]),
                        (11, kernel[0]),
                        (2, stride[1]),
                        (12, stride[0]),
                        (3, padding.left),
                        (14, padding.right),
                        (13, padding.top),
                        (15, padding.bottom),
                        (5, 1),
                        (6, count_pad),
                    ]),
                )
            }
            Op::GlobalPool { kind } => with("Pooling", ints([(0, pool(*kind).0), (4, 1)])),
            Op::Softmax { axis: axis @ 1..=3 } => with("Softmax", ints([(0, axis - 1), (1, 1)])),
            other => Err(problem(format!(
                "its operation {} (at {:?}) has no layer there; .onnx can hold it",
                other.name(),
                node.name
            ))),
        }
    }
}

fn pool(kind: PoolKind) -> (usize, usize) {
    match kind {
        PoolKind::Max => (0, 0),
        PoolKind::Average { count_pad } => (1, usize::from(count_pad)),
    }
}

fn binary(op: BinaryOp) -> Option<usize> {
    Some(match op {
        BinaryOp::Add => 0,
        BinaryOp::Sub => 1,
        BinaryOp::Mul => 2,
        BinaryOp::Div => 3,
        BinaryOp::Max => 4,
        BinaryOp::Min => 5,
        BinaryOp::Pow => 6,
        _ => return None,
    })
}

fn unary(op: UnaryOp) -> Result<Layer, ModelError> {
    let float = NcnnParam::Float;
    let with = |kind: &'static str, params: &[(i32, NcnnParam)]| {
        Ok((kind, params.iter().cloned().collect(), Vec::new()))
    };
    let function = |number: i64| with("UnaryOp", &[(0, NcnnParam::Int(number))]);
    let by_number = |op: i64, value: f32| {
        with("BinaryOp", &[(0, NcnnParam::Int(op)), (1, NcnnParam::Int(1)), (2, NcnnParam::Float(value))])
    };
    match op {
        UnaryOp::Relu => with("ReLU", &[]),
        UnaryOp::LeakyRelu(slope) => with("ReLU", &[(0, float(slope))]),
        UnaryOp::Sigmoid => with("Sigmoid", &[]),
        UnaryOp::Silu => with("Swish", &[]),
        UnaryOp::Tanh => with("TanH", &[]),
        UnaryOp::Gelu => with("GELU", &[]),
        UnaryOp::Clip { min, max } => with("Clip", &[(0, float(min)), (1, float(max))]),
        UnaryOp::HardSigmoid { alpha, beta } => with("HardSigmoid", &[(0, float(alpha)), (1, float(beta))]),
        UnaryOp::HardSwish { alpha, beta } => with("HardSwish", &[(0, float(alpha)), (1, float(beta))]),
        UnaryOp::Elu(alpha) => with("ELU", &[(0, float(alpha))]),
        UnaryOp::Abs => function(0),
        UnaryOp::Neg => function(1),
        UnaryOp::Square => function(4),
        UnaryOp::Sqrt => function(5),
        UnaryOp::Exp => function(7),
        UnaryOp::Log => function(8),
        UnaryOp::Reciprocal => function(15),
        UnaryOp::ScaleShift { scale, shift: 0.0 } => by_number(2, scale),
        UnaryOp::ScaleShift { scale: 1.0, shift } => by_number(0, shift),
        UnaryOp::ScaleShift { .. } => Err(problem("it scales and shifts in one step")),
        other => Err(problem(format!("its function {} has no layer there", other.name()))),
    }
}

fn blob(values: &[f32], half: bool) -> NcnnBlob {
    let (dtype, bytes) = if half {
        (DType::F16, values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect())
    } else {
        (DType::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
    };
    // As many bytes as values take.
    NcnnBlob { tensor: Tensor::from_bytes(dtype, vec![values.len()], bytes).expect("sizes agree") }
}
