//! HVI-CIDNet (<https://arxiv.org/abs/2502.20272>): brightens pictures in a colour space of its own, whose plane of hue
//! and saturation shrinks where the picture is dark.

use super::keys::{Detection, KeyStyle};
use super::layers::{Conv, Layers};
use super::restormer::between_channels;
use super::{Architecture, Built};
use crate::{
    BinaryOp, ModelError, ModelOptions, NodeId, NormKind, Op, PadMode, ResizeMode, SizeRule, UnaryOp,
};
use pegbar_formats::StateDict;
use serde_json::json;
use std::f32::consts::{FRAC_PI_2, FRAC_PI_3};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "HVI-CIDNet", half_safe: false, detect, build };

const ID: &str = "HVICIDNet";

const NORM_EPS: f32 = 1e-6;

/// Keeps divisors and powers from zero.
const EPS: f32 = 1e-8;

/// Corners coincide, as in the reference.
const BILINEAR: ResizeMode = ResizeMode::Bilinear { align_corners: true };

macro_rules! keys {
    ([$($block:literal),*], [$($mix:literal),*]) => {
        &[
            "trans.density_k", "HVE_block0.1.weight", "HVD_block0.1.weight", "IE_block0.1.weight",
            "ID_block0.1.weight",
            $(
                concat!($block, ".prelu.weight"), concat!($block, ".down.0.weight"),
                concat!($block, ".up_scale.0.weight"), concat!($block, ".up.weight"),
                concat!($block, ".norm.weight"), concat!($block, ".norm.bias"),
            )*
            $(
                concat!($mix, ".norm.weight"), concat!($mix, ".norm.bias"),
                concat!($mix, ".gdfn.project_in.weight"), concat!($mix, ".gdfn.dwconv.weight"),
                concat!($mix, ".gdfn.dwconv1.weight"), concat!($mix, ".gdfn.dwconv2.weight"),
                concat!($mix, ".gdfn.project_out.weight"), concat!($mix, ".ffn.temperature"),
                concat!($mix, ".ffn.q.weight"), concat!($mix, ".ffn.q_dwconv.weight"),
                concat!($mix, ".ffn.kv.weight"), concat!($mix, ".ffn.kv_dwconv.weight"),
                concat!($mix, ".ffn.project_out.weight"),
            )*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "HVE_block0.1.weight",
        "HVE_block1.down.0.weight",
        "HVD_block3.up_scale.0.weight",
        "IE_block0.1.weight",
        "ID_block1.up.weight",
        "HV_LCA1.gdfn.project_in.weight",
        "HV_LCA6.gdfn.project_in.weight",
        "I_LCA6.ffn.project_out.weight",
        "trans.density_k",
    ],
    known: keys!(["HVE_block*", "HVD_block*", "IE_block*", "ID_block*"], ["HV_LCA*", "I_LCA*"]),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let mut channels = [0; 4];
    [channels[1], channels[0], _, _] = layers.conv_shape("HVE_block1.down.0")?;
    [channels[2], _, _, _] = layers.conv_shape("HVE_block2.down.0")?;
    [channels[3], _, _, _] = layers.conv_shape("HVE_block3.down.0")?;
    let heads = |layers: &Layers<'_>, level: usize| {
        layers.shape(&format!("HV_LCA{level}.ffn.temperature")).map(|[heads, _, _]| heads)
    };
    // The first number is not used.
    let heads = [1, heads(&layers, 1)?, heads(&layers, 2)?, heads(&layers, 3)?];
    let density = layers.values("trans.density_k", &[1])?[0];

    let input = layers.input(3);
    let hvi = to_hvi(&mut layers, input, density);
    let made = u_nets(&mut layers, hvi, channels)?;
    let hvi = layers.add("hvi", made, hvi);
    let output = to_rgb(&mut layers, hvi, density);
    let size_rule = SizeRule { multiple_of: 8, ..SizeRule::default() };

    Ok(layers.finish(
        output,
        size_rule,
        Vec::new(),
        [
            ("channels", json!(channels)),
            ("heads", json!(heads)),
            ("norm", json!(state_dict.contains("HVE_block1.norm.weight"))),
        ],
    ))
}

/// One U-Net for hue and saturation, one for the intensity, which look at each other on every level.
fn u_nets(layers: &mut Layers<'_>, hvi: NodeId, [c0, c1, c2, c3]: [usize; 4]) -> Result<NodeId, ModelError> {
    let intensity = layers.channels("intensity", hvi, 2..3);
    let i_skip = edge_conv(layers, "IE_block0.1", intensity, [c0, 1])?;
    let hv_skip = edge_conv(layers, "HVE_block0.1", hvi, [c0, 3])?;
    let i = shrink(layers, "IE_block1", i_skip, [c1, c0])?;
    let hv = shrink(layers, "HVE_block1", hv_skip, [c1, c0])?;

    let i_skip1 = i_mix(layers, "I_LCA1", i, hv, c1)?;
    let hv_skip1 = hv_mix(layers, "HV_LCA1", hv, i, c1)?;
    let i = shrink(layers, "IE_block2", i_skip1, [c2, c1])?;
    let hv = shrink(layers, "HVE_block2", hv_skip1, [c2, c1])?;

    // What is mixed here goes only to the way up: the way down goes on without it, as in the reference.
    let i_skip2 = i_mix(layers, "I_LCA2", i, hv, c2)?;
    let hv_skip2 = hv_mix(layers, "HV_LCA2", hv, i, c2)?;
    let i = shrink(layers, "IE_block3", i, [c3, c2])?;
    let hv = shrink(layers, "HVE_block3", hv, [c3, c2])?;

    let i_low = i_mix(layers, "I_LCA3", i, hv, c3)?;
    let hv_low = hv_mix(layers, "HV_LCA3", hv, i, c3)?;
    let i = i_mix(layers, "I_LCA4", i_low, hv_low, c3)?;
    let hv = hv_mix(layers, "HV_LCA4", hv_low, i_low, c3)?;

    // The fifth mix of the intensity is not used.
    let hv = enlarge(layers, "HVD_block3", [hv, hv_skip2], [c2, c3])?;
    let i = enlarge(layers, "ID_block3", [i, i_skip2], [c2, c3])?;
    let hv = hv_mix(layers, "HV_LCA5", hv, i, c2)?;

    let hv = enlarge(layers, "HVD_block2", [hv, hv_skip1], [c1, c2])?;
    let i_up = enlarge(layers, "ID_block2", [i, i_skip1], [c1, c2])?;
    let i = i_mix(layers, "I_LCA6", i_up, hv, c1)?;
    let hv = hv_mix(layers, "HV_LCA6", hv, i_up, c1)?;

    let i = enlarge(layers, "ID_block1", [i, i_skip], [c0, c1])?;
    let i = edge_conv(layers, "ID_block0.1", i, [1, c0])?;
    let hv = enlarge(layers, "HVD_block1", [hv, hv_skip], [c0, c1])?;
    let hv = edge_conv(layers, "HVD_block0.1", hv, [2, c0])?;
    Ok(layers.concat("hvi/join", &[hv, i]))
}

/// A 3x3 convolution of the picture with its edge repeated.
fn edge_conv(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    size: [usize; 2],
) -> Result<NodeId, ModelError> {
    layers.conv_of(prefix, x, size, Conv::same(3).beyond(PadMode::Replicate))
}

fn activate(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
    let x = layers.prelu(&format!("{name}.prelu"), x, 1)?;
    let norm = format!("{name}.norm");
    if !layers.has(&format!("{norm}.weight")) {
        return Ok(x);
    }
    layers.layer_norm_of(&norm, x, channels, NormKind::Standard, NORM_EPS)
}

fn shrink(layers: &mut Layers<'_>, name: &str, x: NodeId, size: [usize; 2]) -> Result<NodeId, ModelError> {
    let x = layers.conv(&format!("{name}.down.0"), x, size, 3)?;
    let x = layers.resize(format!("{name}.down.1"), x, BILINEAR, [1, 2]);
    activate(layers, name, x, size[0])
}

fn enlarge(
    layers: &mut Layers<'_>,
    name: &str,
    [x, skip]: [NodeId; 2],
    size: [usize; 2],
) -> Result<NodeId, ModelError> {
    let x = layers.conv(&format!("{name}.up_scale.0"), x, size, 3)?;
    let x = layers.resize(format!("{name}.up_scale.1"), x, BILINEAR, [2, 1]);
    let x = layers.concat(format!("{name}/join"), &[x, skip]);
    let x = layers.conv(&format!("{name}.up"), x, [size[0], 2 * size[0]], 1)?;
    activate(layers, name, x, size[0])
}

/// Attention between channels: queries of `x`, keys and values of `y`.
fn cross_attention(
    layers: &mut Layers<'_>,
    name: &str,
    [x, y]: [NodeId; 2],
    channels: usize,
) -> Result<NodeId, ModelError> {
    let norm = |layers: &mut Layers<'_>, x| {
        layers.layer_norm_of(&format!("{name}.norm"), x, channels, NormKind::Standard, NORM_EPS)
    };
    let (from, to) = (norm(layers, x)?, norm(layers, y)?);
    let ffn = format!("{name}.ffn");
    let q = layers.conv(&format!("{ffn}.q"), from, [channels; 2], 1)?;
    let q = layers.depthwise(&format!("{ffn}.q_dwconv"), q, channels, 3)?;
    let kv = layers.conv(&format!("{ffn}.kv"), to, [2 * channels, channels], 1)?;
    let kv = layers.depthwise(&format!("{ffn}.kv_dwconv"), kv, 2 * channels, 3)?;
    let [k, v] = layers.chunks(&ffn, kv, channels);
    let y = between_channels(layers, &ffn, &format!("{ffn}.temperature"), [q, k, v])?;
    let y = layers.conv(&format!("{ffn}.project_out"), y, [channels; 2], 1)?;
    Ok(layers.add(format!("{ffn}/skip"), x, y))
}

/// The product of two parts of a gated feed-forward layer.
fn gated(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
    let x = layers.layer_norm_of(&format!("{name}.norm"), x, channels, NormKind::Standard, NORM_EPS)?;
    let gdfn = format!("{name}.gdfn");
    let [_, hidden, _, _] = layers.conv_shape(&format!("{gdfn}.project_out"))?;
    let x = layers.conv(&format!("{gdfn}.project_in"), x, [2 * hidden, channels], 1)?;
    let x = layers.depthwise(&format!("{gdfn}.dwconv"), x, 2 * hidden, 3)?;
    let halves: [NodeId; 2] = layers.chunks(&gdfn, x, hidden);
    let mut bent = halves;
    for (index, half) in bent.iter_mut().enumerate() {
        let key = format!("{gdfn}.dwconv{}", index + 1);
        let y = layers.depthwise(&key, *half, hidden, 3)?;
        let y = layers.unary(&key, UnaryOp::Tanh, y);
        *half = layers.add(format!("{key}/skip"), y, *half);
    }
    let x = layers.mul(format!("{gdfn}/gate"), bent[0], bent[1]);
    layers.conv(&format!("{gdfn}.project_out"), x, [channels, hidden], 1)
}

fn hv_mix(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    y: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let x = cross_attention(layers, name, [x, y], channels)?;
    gated(layers, name, x, channels)
}

fn i_mix(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    y: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let x = cross_attention(layers, name, [x, y], channels)?;
    let y = gated(layers, name, x, channels)?;
    Ok(layers.add(name, x, y))
}

/// Arithmetic on single values.
struct Arithmetic<'l, 'a> {
    layers: &'l mut Layers<'a>,
    stage: &'static str,
}

impl Arithmetic<'_, '_> {
    fn unary(&mut self, op: UnaryOp, x: NodeId) -> NodeId {
        self.layers.unary(self.stage, op, x)
    }

    fn binary(&mut self, op: BinaryOp, a: NodeId, b: NodeId) -> NodeId {
        self.layers.push(format!("{}/{}", self.stage, op.name()), Op::Binary(op), &[a, b])
    }

    fn scale_shift(&mut self, x: NodeId, scale: f32, shift: f32) -> NodeId {
        self.unary(UnaryOp::ScaleShift { scale, shift }, x)
    }

    fn clip(&mut self, x: NodeId, min: f32, max: f32) -> NodeId {
        self.unary(UnaryOp::Clip { min, max }, x)
    }

    fn channel(&mut self, x: NodeId, index: usize) -> NodeId {
        self.layers.channels(format!("{}/channel {index}", self.stage), x, index..index + 1)
    }

    /// Radius of the plane of colours at an intensity: `(sin(pi / 2 * v) + eps) ^ k`.
    fn radius(&mut self, v: NodeId, density: f32) -> NodeId {
        let angle = self.scale_shift(v, FRAC_PI_2, 0.0);
        let sine = self.unary(UnaryOp::Sin, angle);
        let base = self.scale_shift(sine, 1.0, EPS);
        let exponent = self.layers.made_weight("trans.density_k", &[1, 1, 1, 1], vec![density]);
        let exponent = self.layers.push("trans.density_k", Op::Constant(exponent), &[]);
        self.binary(BinaryOp::Pow, base, exponent)
    }
}

/// The picture as a point of the plane of hue and saturation, and its largest colour as the intensity.
///
/// The hue's distance from red, in sixths of a turn, is `1 + (g + b - r - min) / (max - min)` whichever colour is
/// the largest; it is on green's side where green exceeds blue.
fn to_hvi(layers: &mut Layers<'_>, picture: NodeId, density: f32) -> NodeId {
    let mut a = Arithmetic { layers, stage: "to hvi" };
    let [r, g, b] = [0, 1, 2].map(|index| a.channel(picture, index));
    let of_three = |a: &mut Arithmetic<'_, '_>, op| {
        let first = a.binary(op, r, g);
        a.binary(op, first, b)
    };
    let (max, min) = (of_three(&mut a, BinaryOp::Max), of_three(&mut a, BinaryOp::Min));
    let span = a.binary(BinaryOp::Sub, max, min);
    let divisor = a.scale_shift(max, 1.0, EPS);
    let saturation = a.binary(BinaryOp::Div, span, divisor);

    let others = a.binary(BinaryOp::Add, g, b);
    let without_red = a.binary(BinaryOp::Sub, others, r);
    let excess = a.binary(BinaryOp::Sub, without_red, min);
    let divisor = a.scale_shift(span, 1.0, EPS);
    let distance = a.binary(BinaryOp::Div, excess, divisor);
    let angle = a.scale_shift(distance, FRAC_PI_3, FRAC_PI_3);
    let (cosine, sine) = (a.unary(UnaryOp::Cos, angle), a.unary(UnaryOp::Sin, angle));
    let side = a.binary(BinaryOp::Sub, g, b);
    // The sign: any difference of two colours is far above the inverse of this.
    let side = a.scale_shift(side, 1e30, 0.0);
    let side = a.clip(side, -1.0, 1.0);
    let sine = a.binary(BinaryOp::Mul, sine, side);

    let radius = a.radius(max, density);
    let reach = a.binary(BinaryOp::Mul, radius, saturation);
    let (h, v) = (a.binary(BinaryOp::Mul, reach, cosine), a.binary(BinaryOp::Mul, reach, sine));
    a.layers.concat("to hvi/join", &[h, v, max])
}

/// Back to colours. Each is `v * (1 - s * d)`, where `d` rises from 0 to 1 between one and two sixths of a turn from
/// the colour's own hue.
fn to_rgb(layers: &mut Layers<'_>, hvi: NodeId, density: f32) -> NodeId {
    let mut a = Arithmetic { layers, stage: "to rgb" };
    let intensity = a.channel(hvi, 2);
    let value = a.clip(intensity, 0.0, 1.0);
    let radius = a.radius(value, density);
    let radius = a.scale_shift(radius, 1.0, EPS);
    let [h, v] = [0, 1].map(|index| {
        let x = a.channel(hvi, index);
        let x = a.clip(x, -1.0, 1.0);
        let x = a.binary(BinaryOp::Div, x, radius);
        a.clip(x, -1.0, 1.0)
    });
    let [hh, vv] = [h, v].map(|x| a.unary(UnaryOp::Square, x));
    let square = a.binary(BinaryOp::Add, hh, vv);
    let saturation = a.unary(UnaryOp::Sqrt, square);
    let saturation = a.clip(saturation, 0.0, 1.0);
    let chroma = a.binary(BinaryOp::Mul, value, saturation);
    let angle = a.binary(BinaryOp::Atan2, v, h);
    // In sixths of a turn, -3..3; red is at 0, green at 2, blue at -2.
    let hue = a.scale_shift(angle, FRAC_PI_3.recip(), 0.0);
    let colours = [0.0, -2.0, 2.0].map(|offset| {
        let x = a.scale_shift(hue, 1.0, offset);
        let near = a.unary(UnaryOp::Abs, x);
        let around = a.scale_shift(near, -1.0, 6.0);
        let distance = a.binary(BinaryOp::Min, near, around);
        let rise = a.scale_shift(distance, 1.0, -1.0);
        let rise = a.clip(rise, 0.0, 1.0);
        let less = a.binary(BinaryOp::Mul, chroma, rise);
        a.binary(BinaryOp::Sub, value, less)
    });
    a.layers.concat("rgb", &colours)
}
