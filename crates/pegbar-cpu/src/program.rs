//! A network compiled for any size of picture: steps, the values between them, and where the values share memory.

use crate::fusion::Fused;
use crate::guard::OutOfRange;
use crate::kernels::attention::AttentionKernel;
use crate::kernels::channel_attention::ChannelAttentionKernel;
use crate::kernels::direct::{ConvShape, DirectConv};
use crate::kernels::epilogue::{Activation, Epilogue};
use crate::kernels::fourier::FourierConv;
use crate::kernels::norm::{ChannelTables, GroupNorm, LayerNorm};
use crate::kernels::pool::{Pooling, Windows};
use crate::kernels::sample::Sampling;
use crate::kernels::sorted_attention::SortedAttentionKernel;
use crate::kernels::transposed::{TransposedConv, TransposedShape};
use crate::kernels::winograd::{Products, WinogradConv, WinogradShape};
use crate::memory::{AlignedBuffer, Element, LINE, row_stride};
use crate::simd::Isa;
use crate::step::{Kind, SliceStart, Step, ValueId, Window};
use crate::{CpuError, CpuPrecision, fusion, placement};
use pegbar_net::{Net, NodeId, Op, ResizeTarget, WeightId};
use std::collections::BTreeMap;

/// Channels from which a pixel is padded to whole cache lines.
const PADDED_FROM: usize = LINE;
/// Weights of large tiles take 64 values for each of nine. Beyond this many bytes they come from memory again and again,
/// and the smaller ones (36 for each of nine) win.
const MAX_LARGE_TILE_BYTES: usize = 512 << 20;
/// Transformed kernels take about two values for each number of their tile. Beyond this many bytes of them in all, large
/// kernels are convolved directly.
const MAX_FOURIER_BYTES: usize = 512 << 20;

/// Something rows are made of and read from: a window of the channels of a buffer.
#[derive(Debug, Clone)]
pub(crate) struct ValueDef {
    /// The node whose height and width it has.
    pub(crate) node: usize,
    pub(crate) channels: usize,
    pub(crate) buffer: usize,
    pub(crate) first_channel: usize,
    /// The values that steps make and that this one is read from: itself, or the parts of a concatenation.
    pub(crate) made_of: Vec<ValueId>,
}

/// Memory that one value or several windows of channels lie in.
#[derive(Debug, Clone)]
pub(crate) struct BufferDef {
    /// The node whose height and width it has.
    pub(crate) node: usize,
    /// What its values are stored as.
    pub(crate) element: Element,
    /// From one pixel to the next, in elements.
    pub(crate) pixel_stride: usize,
    /// Index of the constant it holds; all others lie in working memory.
    pub(crate) constant: Option<usize>,
}

/// A constant of the network, rows of pixels, one picture after the other.
#[derive(Debug)]
pub(crate) struct ConstantDef {
    pub(crate) data: AlignedBuffer,
    /// `[N, C, H, W]`.
    pub(crate) shape: [usize; 4],
}

/// The compiled network.
#[derive(Debug)]
pub(crate) struct Program {
    /// For shape inference: the simplified net.
    pub(crate) net: Net,
    pub(crate) values: Vec<ValueDef>,
    pub(crate) buffers: Vec<BufferDef>,
    pub(crate) constants: Vec<ConstantDef>,
    pub(crate) steps: Vec<Step>,
    /// Bytes of packed convolution weights.
    pub(crate) weight_bytes: usize,
    /// What it was compiled with.
    pub(crate) settings: Settings,
}

/// How a program is compiled.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) isa: Isa,
    pub(crate) precision: CpuPrecision,
    /// Steps that are computed in single precision whatever the precision is, because they have left the range.
    pub(crate) out_of_range: BTreeMap<usize, OutOfRange>,
}

impl Program {
    /// Compiles a net.
    ///
    /// # Errors
    /// [`CpuError::Net`] for a broken graph, [`CpuError::OutOfMemory`].
    pub(crate) fn new(net: &Net, settings: Settings) -> Result<Self, CpuError> {
        let net = net.simplified();
        let shapes = net.infer_shapes()?;
        let graph = fusion::Graph::new(&net);
        let chains = fusion::fuse(&net, &graph, &shapes);
        let channels: Vec<usize> = shapes.iter().map(|shape| shape[1].fixed().unwrap_or(0)).collect();
        let placement = placement::place(&net, &graph, &chains, &channels);
        let products = products(&net, &settings);
        let mut builder = Builder {
            isa: settings.isa,
            products,
            net: &net,
            channels: &channels,
            program: Self {
                net: Net::default(),
                values: placement.values,
                buffers: placement.buffers,
                constants: vec![],
                steps: vec![],
                weight_bytes: 0,
                settings,
            },
            packed: BTreeMap::new(),
            fourier_bytes: 0,
            sorts: net.nodes.iter().any(|node| matches!(node.op, Op::SortedAttention(_))),
            value_of: &placement.value_of,
        };
        for index in 0..net.nodes.len() {
            if !graph.is_needed(index) {
                continue;
            }
            match (&chains.ending_at[index], chains.is_inner[index]) {
                (Some(chain), _) => builder.conv(index, chain)?,
                (None, true) => {}
                (None, false) if index == graph.output() && chains.tail.is_some() => {}
                (None, false) if let Some(product) = chains.curved[index] => builder.curved(index, product),
                (None, false) => builder.node(index)?,
            }
            for copy in placement.copies.iter().filter(|copy| copy.after == index) {
                builder.step(
                    format!("{} (part)", net.nodes[index].name),
                    Kind::Copy,
                    vec![copy.from],
                    copy.to,
                );
            }
        }
        let output = graph.output();
        let value = builder.value(output);
        let (shuffle, inputs) = match &chains.tail {
            Some(tail) => (tail.factor, tail.inputs.iter().map(|&node| builder.value(node)).collect()),
            None => (1, vec![value]),
        };
        builder.step("output".into(), Kind::Store { shuffle }, inputs, value);
        let mut program = builder.program;
        program.net = net;
        program.store_halves();
        Ok(program)
    }
}

/// The products of 3x3 convolutions.
fn products(net: &Net, settings: &Settings) -> Products {
    let is_fast = settings.precision == CpuPrecision::Fast;
    if is_fast && settings.isa.gains_from_integers() {
        return Products::Int4;
    }
    let weights: usize = net
        .nodes
        .iter()
        .filter_map(|node| match &node.op {
            Op::Conv2d { weight, .. } => Some(&net.weight(*weight).shape),
            _ => None,
        })
        .filter(|shape| shape[2..] == [3, 3])
        .map(|shape| shape[0] * shape[1])
        .sum();
    let bytes = weights * Products::Float6.planes() * size_of::<f32>();
    if bytes <= MAX_LARGE_TILE_BYTES { Products::Float6 } else { Products::Float4 }
}

struct Builder<'a> {
    isa: Isa,
    /// What 3x3 convolutions are computed with, where nothing speaks against it.
    products: Products,
    net: &'a Net,
    channels: &'a [usize],
    program: Program,
    /// Steps of convolutions other than Winograd's by weight and factor.
    packed: BTreeMap<(WeightId, u32), usize>,
    /// Bytes of transformed large kernels.
    fourier_bytes: usize,
    /// Whether pixels are sorted by values: a rounding error may put one into another group, so 1x1 convolutions stay `f32`.
    sorts: bool,
    value_of: &'a [Option<ValueId>],
}

impl Builder<'_> {
    fn value(&self, node: usize) -> ValueId {
        // `placement::place` gives every needed node that is no inner part of a chain a value.
        self.value_of[node].unwrap_or(0)
    }

    fn weight(&self, id: WeightId) -> &[f32] {
        &self.net.weight(id).data
    }

    fn bias(&self, bias: Option<WeightId>, channels: usize) -> Vec<f32> {
        bias.map_or_else(|| vec![0.0; channels], |id| self.weight(id).to_vec())
    }

    /// A weight of one value for each channel, or of one for all.
    fn per_channel(&self, id: WeightId, channels: usize) -> Vec<f32> {
        match self.weight(id) {
            [one] => vec![*one; channels],
            all => all.to_vec(),
        }
    }

    fn step(&mut self, name: String, kind: Kind, inputs: Vec<ValueId>, output: ValueId) {
        self.program.steps.push(Step { name, kind, residuals: vec![], inputs, output, note: None });
    }

    /// A convolution with everything fused into it; `index` is the last node of the chain.
    fn conv(&mut self, index: usize, chain: &fusion::Chain) -> Result<(), CpuError> {
        let node = &self.net.nodes[chain.conv];
        let Op::Conv2d { weight, bias, stride, padding, dilation, groups } = &node.op else {
            return Ok(());
        };
        let (input, repeat) = chain.enlarged.unwrap_or((node.inputs[0].0 as usize, 1));
        let (cin, cout) = (self.channels[input], self.channels[chain.conv]);
        let shape = &self.net.weight(*weight).shape;
        let kernel = [shape[2], shape[3]];
        let weights: Vec<f32> = self.weight(*weight).iter().map(|w| w * chain.scale).collect();
        let bias: Vec<f32> =
            self.bias(*bias, cout).iter().map(|b| b.mul_add(chain.scale, chain.shift)).collect();
        let activation = match chain.activation {
            None => Activation::Linear,
            Some(Fused::PRelu(slope)) => Activation::Slope(self.per_channel(slope, cout)),
            Some(Fused::Unary(op)) => Activation::from_unary(op, cout),
        };
        let mut epilogue = Epilogue::new(&bias, activation);
        if let Some(gate) = chain.gate {
            epilogue = epilogue.gated(gate.scale, gate.shift);
        }
        let origin = [padding.top, padding.left];
        let out_of_range = self.program.settings.out_of_range.get(&self.program.steps.len());
        let mut note = out_of_range.map(|out| out.reason());
        let kind = if fusion::suits_winograd(self.net, &node.op) {
            let products = if out_of_range.is_some() { Products::Float4 } else { self.products };
            let shape = WinogradShape { weight: &weights, cin, cout, padding: origin, repeat };
            let conv = WinogradConv::new(self.isa, products, &shape, epilogue)?;
            if conv.products() != products {
                note = Some("its weights differ too much in size for integers");
            }
            self.program.weight_bytes += conv.weight_bytes();
            Kind::Winograd(conv)
        } else {
            let shape = ConvShape {
                cin,
                cout,
                groups: *groups,
                kernel,
                stride: *stride,
                dilation: *dilation,
                padding: origin,
            };
            let window =
                Window { kernel: kernel[0], dilation: dilation[0], stride: stride[0], padding: padding.top };
            // Integers read the pixels of a row as they are: zeros beside it are for the others.
            let is_padded = [padding.top, padding.bottom, padding.left, padding.right] != [0; 4];
            let integers =
                self.products == Products::Int4 && out_of_range.is_none() && !self.sorts && !is_padded;
            self.packed((*weight, chain.scale.to_bits()), &weights, shape, window, integers, epilogue)?
        };
        let residuals = chain.residuals.iter().map(|&(node, scale)| (self.value(node), scale));
        let gate = chain.gate.map(|gate| (self.value(gate.residual), 1.0));
        let residuals = residuals.chain(gate).collect();
        self.program.steps.push(Step {
            name: self.net.nodes[index].name.clone(),
            kind,
            residuals,
            inputs: vec![self.value(input)],
            output: self.value(index),
            note,
        });
        Ok(())
    }

    /// A convolution by transforms or by definition, by products of integers where these are asked for and suit it. `key` names its
    /// weights: layers that share them share what is made of them.
    fn packed(
        &mut self,
        key: (WeightId, u32),
        weights: &[f32],
        shape: ConvShape,
        window: Window,
        integers: bool,
        epilogue: Epilogue,
    ) -> Result<Kind, CpuError> {
        let made = self.packed.get(&key).map(|&step| &self.program.steps[step].kind);
        match made {
            Some(Kind::Direct { conv, .. })
                if conv.shape() == shape && (integers || !conv.has_integers()) =>
            {
                return Ok(Kind::Direct { conv: conv.again(epilogue), window });
            }
            Some(Kind::Fourier { conv, .. }) if conv.shape() == shape => {
                return Ok(Kind::Fourier { conv: conv.again(epilogue), window });
            }
            _ => {}
        }
        self.packed.insert(key, self.program.steps.len());
        let side = FourierConv::side_for(self.isa, &shape).filter(|&side| {
            let bytes = FourierConv::weight_bytes_of(self.isa, &shape, side);
            self.fourier_bytes.saturating_add(bytes) <= MAX_FOURIER_BYTES
        });
        if let Some(side) = side {
            let conv = FourierConv::new(self.isa, side, weights, shape, epilogue)?;
            self.fourier_bytes += conv.weight_bytes();
            self.program.weight_bytes += conv.weight_bytes();
            return Ok(Kind::Fourier { conv, window });
        }
        let make = if integers { DirectConv::with_integers } else { DirectConv::new };
        let conv = make(self.isa, weights, shape, epilogue)?;
        self.program.weight_bytes += conv.weight_bytes();
        Ok(Kind::Direct { conv, window })
    }

    fn curved(&mut self, index: usize, product: fusion::CurvedProduct) {
        let inputs = vec![self.value(product.of), self.value(product.by)];
        let output = self.value(index);
        self.step(self.net.nodes[index].name.clone(), Kind::CurvedProduct(product.curve), inputs, output);
    }

    /// A node on its own.
    fn node(&mut self, index: usize) -> Result<(), CpuError> {
        let node = &self.net.nodes[index];
        let mut inputs: Vec<ValueId> =
            node.inputs.iter().map(|&NodeId(id)| self.value(id as usize)).collect();
        let channels = self.channels[index];
        let table = |id: WeightId| self.per_channel(id, channels);
        let kind = match &node.op {
            Op::Input { .. } => Kind::Load,
            Op::Constant(weight) => return self.constant(index, *weight),
            // A chain of nothing but itself; `fusion::fuse` makes one of every convolution.
            Op::Conv2d { .. } => return Ok(()),
            Op::ConvTranspose2d { weight, bias, stride, padding, dilation, groups, .. } => {
                let shape = &self.net.weight(*weight).shape;
                let shape = TransposedShape {
                    cin: shape[0],
                    cout: channels,
                    groups: *groups,
                    kernel: [shape[2], shape[3]],
                    stride: *stride,
                    dilation: *dilation,
                    padding: [padding.top, padding.left],
                };
                let bias = self.bias(*bias, channels);
                let conv = TransposedConv::new(self.isa, shape, self.weight(*weight), bias)?;
                self.program.weight_bytes += conv.weight_bytes();
                Kind::Transposed(conv)
            }
            Op::PRelu { slope } => Kind::PRelu(table(*slope)),
            Op::ChannelAffine { scale, shift } => Kind::Affine { scale: table(*scale), shift: table(*shift) },
            Op::Unary(op) => Kind::Unary(*op),
            Op::Binary(op) => Kind::Binary(*op),
            // Windows of channels: the values are where they should be already.
            Op::Concat { axis: 1 } | Op::Slice { axis: 1, .. } => return Ok(()),
            Op::Concat { axis: 2 } => Kind::ConcatRows,
            Op::Concat { .. } => Kind::ConcatColumns,
            Op::Slice { axis: 2, start, .. } => Kind::SliceRows { start: SliceStart::At(*start) },
            Op::Slice { start, .. } => Kind::SliceColumns { start: SliceStart::At(*start) },
            Op::Part { axis, index, count } => {
                let start = SliceStart::Part { index: *index, count: *count };
                if *axis == 2 { Kind::SliceRows { start } } else { Kind::SliceColumns { start } }
            }
            Op::Pad { padding, mode } => Kind::Pad { mode: *mode, padding: *padding },
            // What else they say is in the size of the result.
            Op::PadToMultiple { padding, mode, .. } => Kind::Pad { mode: *mode, padding: *padding },
            Op::Crop { .. } => {
                inputs.truncate(1);
                Kind::SliceColumns { start: SliceStart::At(0) }
            }
            Op::GridSample { groups, align_corners, beyond } => {
                Kind::GridSample(Sampling { groups: *groups, align_corners: *align_corners, beyond: *beyond })
            }
            Op::Resize { mode, target: ResizeTarget::Like } => {
                inputs.truncate(1);
                Kind::Resize { mode: *mode, target: ResizeTarget::Like }
            }
            Op::Resize { mode, target } => Kind::Resize { mode: *mode, target: *target },
            Op::PixelShuffle { factor } => Kind::Shuffle(*factor),
            Op::PixelUnshuffle { factor } => Kind::Unshuffle(*factor),
            Op::Pool { kind, kernel, stride, padding } => Kind::Pool(Pooling {
                kind: *kind,
                windows: Windows::Moving {
                    kernel: *kernel,
                    stride: *stride,
                    padding: [padding.top, padding.left],
                },
            }),
            Op::AdaptivePool { kind, .. } => Kind::Pool(Pooling { kind: *kind, windows: Windows::Even }),
            Op::GlobalPool { kind } => Kind::GlobalPool(*kind),
            Op::Linear { weight, bias } => {
                Kind::Linear { weight: self.weight(*weight).to_vec(), bias: self.bias(*bias, channels) }
            }
            Op::Softmax { axis } => Kind::Softmax { axis: *axis },
            Op::LayerNorm { kind, weight, bias, eps } => Kind::LayerNorm(LayerNorm {
                kind: *kind,
                tables: ChannelTables::new(self.weight(*weight), &self.bias(*bias, channels)),
                eps: *eps,
            }),
            Op::Attention(op) => {
                let of_input = |i: usize| self.channels[node.inputs[i].0 as usize];
                let (cosine, bias) =
                    (op.scores.weight().map(|id| self.weight(id)), op.bias.map(|id| self.weight(id)));
                let kernel = AttentionKernel::new(*op, [of_input(0), of_input(2)], cosine, bias)?;
                self.program.weight_bytes += kernel.weight_bytes();
                Kind::Attention(kernel)
            }
            Op::ChannelAttention(op) | Op::ChannelMix(op) => {
                let cosine = op.scores.weight().map(|id| self.weight(id));
                let with_softmax = matches!(node.op, Op::ChannelAttention(_));
                Kind::ChannelAttention(ChannelAttentionKernel::new(*op, with_softmax, channels, cosine))
            }
            Op::SortedAttention(op) => {
                let of_input = |i: usize| self.channels[node.inputs[i].0 as usize];
                Kind::SortedAttention(SortedAttentionKernel::new(*op, [of_input(0), of_input(2)])?)
            }
            Op::GroupNorm { groups, weight, bias, eps } => Kind::GroupNorm(GroupNorm {
                groups: *groups,
                weight: self.weight(*weight).to_vec(),
                bias: self.bias(*bias, channels),
                eps: *eps,
            }),
            other => return Err(CpuError::UnknownOp { op: other.name(), node: node.name.clone() }),
        };
        let output = self.value(index);
        self.step(node.name.clone(), kind, inputs, output);
        Ok(())
    }

    /// Lays a constant out as rows of pixels.
    fn constant(&mut self, index: usize, weight: WeightId) -> Result<(), CpuError> {
        let from = self.net.weight(weight);
        let mut shape = [1; 4];
        for (to, &size) in shape[4 - from.shape.len()..].iter_mut().zip(&from.shape) {
            *to = size;
        }
        let [n, c, h, w] = shape;
        let value = self.value(index);
        let buffer = &mut self.program.buffers[self.program.values[value].buffer];
        buffer.constant = Some(self.program.constants.len());
        let stride = buffer.pixel_stride;
        let floats = row_stride(Element::F32, stride, w).and_then(|row| row.checked_mul(n * h));
        let mut data = AlignedBuffer::zeroed(floats.unwrap_or(usize::MAX))?;
        let row_floats = data.len() / (n * h);
        for (i, &v) in from.data.iter().enumerate() {
            let (x, y, plane) = (i % w, i / w % h, i / (h * w));
            data.as_mut_slice()[(plane / c * h + y) * row_floats + x * stride + plane % c] = v;
        }
        self.program.constants.push(ConstantDef { data, shape });
        Ok(())
    }
}

/// Floats from one pixel to the next: packed for few channels, whole cache lines for many.
pub(crate) fn pixel_stride(channels: usize) -> usize {
    if channels < PADDED_FROM { channels } else { channels.next_multiple_of(LINE) }
}
