//! Real-CUGAN (<https://github.com/bilibili/ailab/tree/main/Real-CUGAN>): two U-Nets of unpadded convolutions in a
//! row, the second of which corrects the first.

use super::keys::{Detection, KeyStyle};
use super::layers::{Conv, Layers};
use super::{Architecture, Built};
use crate::{BinaryOp, ModelError, ModelOptions, NodeId, Op, PadMode, Padding, SizeRule, UnaryOp};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "RealCUGAN", half_safe: true, detect, build };

const ID: &str = "RealCUGAN";

macro_rules! layer_keys {
    ($($layer:literal),* $(,)?) => {
        &[
            "pro",
            "conv_final.weight", "conv_final.bias",
            $(
                concat!("unet*.", $layer, ".weight"), concat!("unet*.", $layer, ".bias"),
            )*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "unet1.conv1.conv.0.weight",
        "unet1.conv1_down.weight",
        "unet1.conv2.seblock.conv1.weight",
        "unet1.conv2_up.weight",
        "unet1.conv_bottom.weight",
        "unet2.conv1.conv.0.weight",
        "unet2.conv3.seblock.conv1.weight",
        "unet2.conv4_up.weight",
        "unet2.conv5.weight",
        "unet2.conv_bottom.weight",
    ],
    known: layer_keys!(
        "conv*",
        "conv*_down",
        "conv*_up",
        "conv*.conv.*",
        "conv*.seblock.conv*",
        "conv_bottom",
    ),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

const LEAKY: UnaryOp = UnaryOp::LeakyRelu(0.1);

/// A variant.
#[derive(Clone, Copy, PartialEq)]
enum Variant {
    X2,
    X3,
    X4,
    /// 2x on the picture unshuffled, as the 4x one works.
    Fast,
}

/// What the 4x and the fast variant add to their result by pixel shuffle.
const SHUFFLE: usize = 2;

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [_, taken, _, _] = layers.conv_shape("unet1.conv1.conv.0")?;
    // A transposed convolution: [in, out, height, width].
    let [_, _, enlarging, _] = layers.conv_shape("unet1.conv_bottom")?;
    let final_channels =
        if layers.has("conv_final.weight") { Some(layers.conv_shape("conv_final")?[0]) } else { None };
    let (variant, out_channels) = match final_channels {
        Some(n) if !n.is_multiple_of(SHUFFLE * SHUFFLE) => {
            return Err(
                layers.problem(format!("its last convolution makes {n} channels, no multiple of four"))
            );
        }
        Some(n) if n == taken => (Variant::Fast, n / (SHUFFLE * SHUFFLE)),
        Some(n) => (Variant::X4, n / (SHUFFLE * SHUFFLE)),
        None if enlarging == 5 => (Variant::X3, layers.conv_shape("unet2.conv_bottom")?[0]),
        None => (Variant::X2, layers.conv_shape("unet2.conv_bottom")?[0]),
    };
    let in_channels = if variant == Variant::Fast { taken / (SHUFFLE * SHUFFLE) } else { taken };
    if final_channels.is_some() && in_channels != out_channels && in_channels != 1 {
        return Err(layers.problem(format!(
            "it takes {in_channels} channels and makes {out_channels}, but adds its input to its output"
        )));
    }
    let scale = match variant {
        Variant::X2 | Variant::Fast => 2,
        Variant::X3 => 3,
        Variant::X4 => 4,
    };
    let pro = layers.has("pro");

    let picture = layers.input(in_channels);
    // These expect less than the whole range.
    let base = if pro { layers.scale_shift("pro", picture, 0.7, 0.15) } else { picture };
    let (border, multiple) = match variant {
        Variant::X2 => (18, 2),
        Variant::X3 => (14, 4),
        Variant::X4 => (19, 2),
        Variant::Fast => (38, 2),
    };
    let op =
        Op::PadToMultiple { padding: Padding::all(border), multiple: [multiple; 2], mode: PadMode::Reflect };
    let mut x = layers.push("border", op, &[base]);
    if variant == Variant::Fast {
        x = layers.unshuffle("inv", x, SHUFFLE);
    }
    let first = first_net(&mut layers, x, taken, variant)?;
    let between = layers.conv_shape("unet2.conv1.conv.0")?[1];
    let second = second_net(&mut layers, first, between)?;
    let first = layers.cut("unet1", first, 20);
    x = layers.add("unets", second, first);
    if let Some(channels) = final_channels {
        x = layers.conv_of("conv_final", x, [channels, between], Conv::same(3).valid())?;
        x = layers.cut("conv_final", x, 1);
        x = layers.shuffle("ps", x, SHUFFLE);
    }
    x = layers.push("crop", Op::Crop { factor: scale }, &[x, picture]);
    if final_channels.is_some() {
        let enlarged = layers.nearest("enlarged", base, scale);
        x = layers.binary("sum", BinaryOp::Add, x, enlarged);
    }
    if pro {
        x = layers.scale_shift("pro", x, 1.0 / 0.7, -0.15 / 0.7);
    }

    let size_rule = match variant {
        Variant::Fast => SizeRule { minimum: 40, multiple_of: 4, ..SizeRule::default() },
        _ => SizeRule { minimum: 32, ..SizeRule::default() },
    };
    let mut tags = Vec::new();
    if pro {
        tags.push("pro".to_string());
    }
    if variant == Variant::Fast {
        tags.push("fast".to_string());
    }
    let mut hyperparameters = vec![
        ("scale", json!(scale)),
        ("in_channels", json!(in_channels)),
        ("out_channels", json!(out_channels)),
    ];
    if variant != Variant::Fast {
        hyperparameters.push(("pro", json!(pro)));
    }
    if matches!(variant, Variant::X2 | Variant::Fast) {
        hyperparameters.push(("fast", json!(variant == Variant::Fast)));
    }
    Ok(layers.finish(x, size_rule, tags, hyperparameters))
}

/// Two unpadded 3x3 convolutions, and a weighting of the channels where the file has one. Returns the channels, too.
fn pair(layers: &mut Layers<'_>, name: &str, x: NodeId, input: usize) -> Result<(NodeId, usize), ModelError> {
    let [first, second, seblock] = ["conv.0", "conv.2", "seblock"].map(|part| format!("{name}.{part}"));
    let [middle, _, _, _] = layers.conv_shape(&first)?;
    let [out, _, _, _] = layers.conv_shape(&second)?;
    let mut x = valid(layers, &first, x, [middle, input])?;
    x = valid(layers, &second, x, [out, middle])?;
    if layers.has(&format!("{seblock}.conv1.weight")) {
        let convs = [1, 2].map(|layer| format!("{seblock}.conv{layer}"));
        x = layers.excite(&seblock, [&convs[0], &convs[1]], x, out, UnaryOp::Relu)?;
    }
    Ok((x, out))
}

/// An unpadded 3x3 convolution and its activation.
fn valid(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: [usize; 2]) -> Result<NodeId, ModelError> {
    let x = layers.conv_of(name, x, channels, Conv::same(3).valid())?;
    Ok(layers.unary(name, LEAKY, x))
}

fn halve(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
    let x = layers.conv_of(name, x, [channels, channels], Conv::same(2).stride(2, 0))?;
    Ok(layers.unary(name, LEAKY, x))
}

fn double(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    input: usize,
) -> Result<(NodeId, usize), ModelError> {
    let [_, out, _, _] = layers.conv_shape(name)?;
    let x = layers.conv_transposed(name, x, [out, input], [2, 2, 0])?;
    Ok((layers.unary(name, LEAKY, x), out))
}

fn first_net(
    layers: &mut Layers<'_>,
    x: NodeId,
    input: usize,
    variant: Variant,
) -> Result<NodeId, ModelError> {
    let (fine, n_fine) = pair(layers, "unet1.conv1", x, input)?;
    let coarse = halve(layers, "unet1.conv1_down", fine, n_fine)?;
    let fine = layers.cut("unet1.conv1/cut", fine, 4);
    let (coarse, n) = pair(layers, "unet1.conv2", coarse, n_fine)?;
    let (coarse, n) = double(layers, "unet1.conv2_up", coarse, n)?;
    let sum = layers.add("unet1.sum", fine, coarse);
    let [out, _, _, _] = layers.conv_shape("unet1.conv3")?;
    let x = valid(layers, "unet1.conv3", sum, [out, n])?;
    let name = "unet1.conv_bottom";
    let [_, made, _, _] = layers.conv_shape(name)?;
    let shape = if variant == Variant::X3 { [5, 3, 2] } else { [4, 2, 3] };
    layers.conv_transposed(name, x, [made, out], shape)
}

fn second_net(layers: &mut Layers<'_>, x: NodeId, input: usize) -> Result<NodeId, ModelError> {
    let (fine, n_fine) = pair(layers, "unet2.conv1", x, input)?;
    let middle = halve(layers, "unet2.conv1_down", fine, n_fine)?;
    let fine = layers.cut("unet2.conv1/cut", fine, 16);
    let (middle, n_middle) = pair(layers, "unet2.conv2", middle, n_fine)?;
    let coarse = halve(layers, "unet2.conv2_down", middle, n_middle)?;
    let middle = layers.cut("unet2.conv2/cut", middle, 4);
    let (coarse, n) = pair(layers, "unet2.conv3", coarse, n_middle)?;
    let (coarse, n) = double(layers, "unet2.conv3_up", coarse, n)?;
    let sum = layers.add("unet2.sum3", middle, coarse);
    let (middle, n) = pair(layers, "unet2.conv4", sum, n)?;
    let (middle, n) = double(layers, "unet2.conv4_up", middle, n)?;
    let sum = layers.add("unet2.sum4", fine, middle);
    let [out, _, _, _] = layers.conv_shape("unet2.conv5")?;
    let x = valid(layers, "unet2.conv5", sum, [out, n])?;
    let [made, _, _, _] = layers.conv_shape("unet2.conv_bottom")?;
    layers.conv_of("unet2.conv_bottom", x, [made, out], Conv::same(3).valid())
}
