//! PLKSR (<https://arxiv.org/abs/2404.11848>) and RealPLKSR: blocks that run a large kernel over some of the channels.

use super::dysample::{dysample, dysample_keys};
use super::keys::{Detection, KeyStyle, count};
use super::layers::{Conv, Layers, ratio};
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, NormKind, Op, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "PLKSR", half_safe: true, detect, build: build_plain };

/// The variant for real pictures: group norms, or layer norms, and Mish. One with group norms leaves the range of
/// half floats.
pub(super) const REAL: Architecture =
    Architecture { half_safe: false, detect: detect_real, build: build_real, ..ARCHITECTURE };

/// The real variant with layer norms.
pub(super) const REAL_LAYER_NORM: Architecture =
    Architecture { detect: detect_real_layer_norm, build: build_real, ..ARCHITECTURE };

const ID: &str = "PLKSR";

/// Channels of the picture.
const COLOURS: usize = 3;

macro_rules! known {
    ($($key:expr),* $(,)?) => {
        &[
            "feats.*.weight", "feats.*.bias",
            "feats.*.attn.f.0.weight", "feats.*.attn.f.0.bias",
            "feats.*.refine.weight", "feats.*.refine.bias",
            "feats.*.lk.conv.weight", "feats.*.lk.conv.bias",
            $($key),*
        ]
    };
}

const PLAIN_KNOWN: &[&str] = known!(
    "feats.*.channe_mixer.*.weight",
    "feats.*.channe_mixer.*.bias",
    "feats.*.lk.convs.*.weight",
    "feats.*.lk.convs.*.bias",
    "feats.*.lk.mn_conv.weight",
    "feats.*.lk.mn_conv.bias",
    "feats.*.lk.nm_conv.weight",
    "feats.*.lk.nm_conv.bias",
    "feats.*.lk.nn_conv.weight",
    "feats.*.lk.nn_conv.bias",
);

macro_rules! plain_style {
    ($kernel:literal) => {
        KeyStyle {
            needed: &["feats.0.weight", "feats.1.refine.weight", "feats.1.channe_mixer.0.weight", $kernel],
            known: PLAIN_KNOWN,
        }
    };
}

const PLAIN: &[KeyStyle] = &[
    plain_style!("feats.1.lk.conv.weight"),
    plain_style!("feats.1.lk.convs.0.weight"),
    plain_style!("feats.1.lk.mn_conv.weight"),
];

const TO_IMAGE: [&str; 6] = dysample_keys!("to_img");

const REAL_KNOWN: &[&str] = known!(
    "feats.*.channel_mixer.*.weight",
    "feats.*.channel_mixer.*.bias",
    "feats.*.norm.weight",
    "feats.*.norm.bias",
    "feats.*.layer_norm.weight",
    "feats.*.layer_norm.bias",
    TO_IMAGE[0],
    TO_IMAGE[1],
    TO_IMAGE[2],
    TO_IMAGE[3],
    TO_IMAGE[4],
    TO_IMAGE[5],
);

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, PLAIN)
}

fn detect_real(state_dict: &StateDict) -> Detection {
    Detection::by_keys(
        state_dict,
        &[KeyStyle {
            needed: &[
                "feats.0.weight",
                "feats.1.refine.weight",
                "feats.1.channel_mixer.0.weight",
                "feats.1.lk.conv.weight",
                "feats.1.norm.weight",
            ],
            known: REAL_KNOWN,
        }],
    )
}

fn detect_real_layer_norm(state_dict: &StateDict) -> Detection {
    Detection::by_keys(
        state_dict,
        &[KeyStyle {
            needed: &[
                "feats.0.weight",
                "feats.1.refine.weight",
                "feats.1.channel_mixer.0.weight",
                "feats.1.lk.conv.weight",
                "feats.1.layer_norm.weight",
            ],
            known: REAL_KNOWN,
        }],
    )
}

/// Not in the weights.
const NORM_GROUPS: usize = 4;
const GROUP_EPS: f32 = 1e-5;
const LAYER_EPS: f32 = 1e-6;
/// What every sparse kernel is made of: these sizes, so far apart. The weights do not tell the distances.
const SPARSE_KERNELS: [usize; 4] = [5; 4];
const SPARSE_DILATIONS: [usize; 4] = [1, 2, 3, 4];
/// What the constructor takes for the kernel where the weights do not tell.
const DEFAULT_KERNEL: usize = 17;

/// The first convolution, the blocks by `block`, the last convolution, and the picture itself repeated: what both
/// variants have in common. `last` is the last one's place.
struct Frame {
    dim: usize,
    scale: usize,
    last: usize,
}

impl Frame {
    fn new(layers: &Layers<'_>, state_dict: &StateDict) -> Result<Self, ModelError> {
        let [dim, colours, _, _] = layers.conv_shape("feats.0")?;
        let last = count(state_dict, "feats.").saturating_sub(1);
        let [shuffled, _, _, _] = layers.conv_shape(&format!("feats.{last}"))?;
        let scale = (shuffled / COLOURS).isqrt();
        if colours != COLOURS || scale == 0 || shuffled != COLOURS * scale * scale {
            return Err(layers.problem(format!(
                "it takes {colours} channels and its last convolution makes {shuffled}, \
                 where {COLOURS} and {COLOURS} times a square are needed"
            )));
        }
        Ok(Self { dim, scale, last })
    }

    /// The result before it is brought to the size of the picture.
    fn body(
        &self,
        layers: &mut Layers<'_>,
        n_blocks: usize,
        mut block: impl FnMut(&mut Layers<'_>, &str, NodeId) -> Result<NodeId, ModelError>,
    ) -> Result<NodeId, ModelError> {
        let picture = layers.input(COLOURS);
        let mut x = layers.conv("feats.0", picture, [self.dim, COLOURS], 3)?;
        for index in 1..=n_blocks {
            x = block(layers, &format!("feats.{index}"), x)?;
        }
        let n = self.scale * self.scale;
        x = layers.conv(&format!("feats.{}", self.last), x, [COLOURS * n, self.dim], 3)?;
        // Each colour as often as it has pixels.
        let repeat = (0..COLOURS * n * COLOURS).map(|i| f32::from(i % COLOURS == i / COLOURS / n));
        let repeat = repeat.collect();
        let base = layers.made_linear("repeat", picture, [COLOURS * n, COLOURS], repeat);
        Ok(layers.add("sum", x, base))
    }
}

/// `x` gated by itself, where the file has the gate's weights; then the refinement.
fn attend_and_refine(
    layers: &mut Layers<'_>,
    name: &str,
    mut x: NodeId,
    dim: usize,
) -> Result<NodeId, ModelError> {
    let gate = format!("{name}.attn.f.0");
    if layers.has(&format!("{gate}.weight")) {
        let weight = layers.conv(&gate, x, [dim, dim], 3)?;
        let weight = layers.unary(&gate, UnaryOp::Sigmoid, weight);
        x = layers.mul(format!("{name}.attn"), x, weight);
    }
    layers.conv(&format!("{name}.refine"), x, [dim, dim], 1)
}

/// What `kernel` makes of the first `part` channels, and the others as they are.
fn on_some_channels(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    [part, dim]: [usize; 2],
    kernel: impl FnOnce(&mut Layers<'_>, NodeId) -> Result<NodeId, ModelError>,
) -> Result<NodeId, ModelError> {
    if part > dim {
        return Err(layers.problem(format!("{name} takes {part} channels of {dim}")));
    }
    if part == dim {
        return kernel(layers, x);
    }
    let some = layers.channels(format!("{name}/some"), x, 0..part);
    let some = kernel(layers, some)?;
    let others = layers.channels(format!("{name}/others"), x, part..dim);
    Ok(layers.concat(name, &[some, others]))
}

/// The large kernel of a plain block.
#[derive(Clone, Copy)]
enum Kernel {
    /// One square.
    Full(usize),
    /// Several with gaps.
    Sparse,
    /// A tall one, a wide one and a small one.
    Rectangles(usize),
}

fn build_plain(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let frame = Frame::new(&layers, state_dict)?;
    let (dim, n_blocks) = (frame.dim, frame.last.saturating_sub(1));
    let mixer =
        [layers.conv_shape("feats.1.channe_mixer.0")?[2], layers.conv_shape("feats.1.channe_mixer.2")?[2]];
    let ccm = match mixer {
        [3, 1] => "CCM",
        [3, 3] => "DCCM",
        [1, 3] => "ICCM",
        other => return Err(layers.problem(format!("its channel mixers have kernels of {other:?}"))),
    };
    let (kernel, part) = if layers.has("feats.1.lk.conv.weight") {
        let [part, _, size, _] = layers.conv_shape("feats.1.lk.conv")?;
        (Kernel::Full(size), part)
    } else if layers.has("feats.1.lk.convs.0.weight") {
        let n = count(state_dict, "feats.1.lk.convs.");
        if n != SPARSE_KERNELS.len() {
            return Err(layers.problem(format!(
                "its sparse kernels have {n} parts; how far their taps are apart is known of {} only",
                SPARSE_KERNELS.len()
            )));
        }
        (Kernel::Sparse, layers.conv_shape("feats.1.lk.convs.0")?[0])
    } else {
        let [part, _, size, _] = layers.conv_shape("feats.1.lk.mn_conv")?;
        (Kernel::Rectangles(size), part)
    };
    let body = frame.body(&mut layers, n_blocks, |layers, name, skip| {
        let [first, second] = [0, 2].map(|i| format!("{name}.channe_mixer.{i}"));
        let mut x = layers.conv(&first, skip, [2 * dim, dim], mixer[0])?;
        x = layers.unary(&first, UnaryOp::Gelu, x);
        x = layers.conv(&second, x, [dim, 2 * dim], mixer[1])?;
        let lk = format!("{name}.lk");
        x = on_some_channels(layers, &lk, x, [part, dim], |layers, x| {
            large_kernel(layers, &lk, x, part, kernel)
        })?;
        x = attend_and_refine(layers, name, x, dim)?;
        Ok(layers.add(name, x, skip))
    })?;
    let output = layers.shuffle("to_img", body, frame.scale);

    let size = match kernel {
        Kernel::Full(size) | Kernel::Rectangles(size) => size,
        Kernel::Sparse => DEFAULT_KERNEL,
    };
    let tags = vec![format!("{dim}dim"), format!("{n_blocks}nb"), format!("{size}ks"), ccm.to_string()];
    let lk_type = match kernel {
        Kernel::Full(_) => "PLK",
        Kernel::Sparse => "SparsePLK",
        Kernel::Rectangles(_) => "RectSparsePLK",
    };
    let hyperparameters = [
        ("dim", json!(dim)),
        ("n_blocks", json!(n_blocks)),
        ("upscaling_factor", json!(frame.scale)),
        ("ccm_type", json!(ccm)),
        ("kernel_size", json!(size)),
        ("split_ratio", json!(ratio(part, dim))),
        ("lk_type", json!(lk_type)),
        ("use_max_kernel", json!(false)),
        ("sparse_kernels", json!(SPARSE_KERNELS)),
        ("sparse_dilations", json!(SPARSE_DILATIONS)),
        ("with_idt", json!(false)),
        ("use_ea", json!(layers.has("feats.1.attn.f.0.weight"))),
    ];
    Ok(layers.finish(output, SizeRule::default(), tags, hyperparameters))
}

fn large_kernel(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    part: usize,
    kernel: Kernel,
) -> Result<NodeId, ModelError> {
    let channels = [part, part];
    let convs: Vec<(String, Conv)> = match kernel {
        Kernel::Full(size) => return layers.conv(&format!("{name}.conv"), x, channels, size),
        Kernel::Sparse => SPARSE_KERNELS
            .iter()
            .zip(SPARSE_DILATIONS)
            .enumerate()
            .map(|(i, (&size, dilation))| (format!("convs.{i}"), Conv::same(size).dilation(dilation)))
            .collect(),
        Kernel::Rectangles(size) => {
            let small = size / 3;
            let kernels =
                [("mn_conv", [size, small]), ("nm_conv", [small, size]), ("nn_conv", [small, small])];
            kernels.map(|(part, kernel)| (part.to_string(), Conv::rectangle(kernel))).to_vec()
        }
    };
    let mut sum = None;
    for (part, conv) in convs {
        let part = format!("{name}.{part}");
        let made = layers.conv_of(&part, x, channels, conv)?;
        sum = Some(match sum {
            Some(sum) => layers.add(format!("{part}/sum"), sum, made),
            None => made,
        });
    }
    Ok(sum.unwrap_or(x))
}

fn build_real(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let frame = Frame::new(&layers, state_dict)?;
    // A layer without weights stands before the last one.
    let (dim, n_blocks) = (frame.dim, frame.last.saturating_sub(2));
    let [part, _, kernel, _] = layers.conv_shape("feats.1.lk.conv")?;
    let layer_norm = layers.has("feats.1.layer_norm.weight");
    let body = frame.body(&mut layers, n_blocks, |layers, name, skip| {
        let mut x = skip;
        if layer_norm {
            x = layers.layer_norm_of(&format!("{name}.layer_norm"), x, dim, NormKind::Standard, LAYER_EPS)?;
        }
        let [first, second] = [0, 2].map(|i| format!("{name}.channel_mixer.{i}"));
        x = layers.conv(&first, x, [2 * dim, dim], 3)?;
        x = layers.unary(&first, UnaryOp::Mish, x);
        x = layers.conv(&second, x, [dim, 2 * dim], 3)?;
        let lk = format!("{name}.lk");
        x = on_some_channels(layers, &lk, x, [part, dim], |layers, x| {
            layers.conv(&format!("{lk}.conv"), x, [part, part], kernel)
        })?;
        x = attend_and_refine(layers, name, x, dim)?;
        if !layer_norm {
            x = group_norm(layers, &format!("{name}.norm"), x, dim)?;
        }
        Ok(layers.add(name, x, skip))
    })?;
    let with_dysample = layers.has("to_img.init_pos");
    let output = if with_dysample {
        dysample(&mut layers, "to_img", body, COLOURS * frame.scale * frame.scale, frame.scale)?
    } else {
        layers.shuffle("to_img", body, frame.scale)
    };

    let mut tags =
        vec![format!("{dim}dim"), format!("{n_blocks}nb"), format!("{kernel}ks"), "Real".to_string()];
    if with_dysample {
        tags.push("DySample".to_string());
    }
    if layer_norm {
        tags.push("LayerNorm".to_string());
    }
    let hyperparameters = [
        ("dim", json!(dim)),
        ("n_blocks", json!(n_blocks)),
        ("upscaling_factor", json!(frame.scale)),
        ("kernel_size", json!(kernel)),
        ("split_ratio", json!(ratio(part, dim))),
        ("use_ea", json!(layers.has("feats.1.attn.f.0.weight"))),
        ("norm_groups", json!(NORM_GROUPS)),
        ("dropout", json!(0)),
        ("dysample", json!(with_dysample)),
        ("layer_norm", json!(layer_norm)),
    ];
    Ok(layers.finish(output, SizeRule::default(), tags, hyperparameters))
}

fn group_norm(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let weight = layers.reshaped(&format!("{prefix}.weight"), &[channels], &[channels])?;
    let bias = layers.bias(prefix, channels)?;
    Ok(layers.push(prefix, Op::GroupNorm { groups: NORM_GROUPS, weight, bias, eps: GROUP_EPS }, &[x]))
}
