//! Uformer (<https://arxiv.org/abs/2106.03106>): a U-Net of windowed attention and convolutions, of which the way up may
//! have a learned offset for each place in a window.

use super::keys::{Detection, KeyStyle, counts};
use super::layers::{Conv, Layers, square_root};
use super::{Architecture, Built};
use crate::{
    Attention, ModelError, ModelOptions, NodeId, Op, Padding, Region, Scores, SizeRule, UnaryOp, WeightId,
};
use pegbar_formats::StateDict;
use serde_json::json;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "Uformer", half_safe: false, detect, build };

const ID: &str = "Uformer";

/// How often the sides are halved.
const LEVELS: usize = 4;

/// Size of picture the reference takes for granted when it decides where windows are shifted.
const ASSUMED_SIZE: usize = 256;

/// Larger than any window.
const MAX_WINDOW: usize = 16;

/// More numbers than any model's heads have for the pairs of places in a window.
const MAX_PAIRS: usize = 1 << 22;

/// More numbers than the matrices for the windows of any layer have.
const MAX_WINDOW_CONV: usize = 1 << 22;

macro_rules! keys {
    ($($prefix:literal),*) => {
        &[
            "input_proj.proj.0.weight", "input_proj.proj.0.bias", "output_proj.proj.0.weight",
            "output_proj.proj.0.bias", "dowsample_*.conv.0.weight", "dowsample_*.conv.0.bias",
            "upsample_*.deconv.0.weight", "upsample_*.deconv.0.bias",
            $(
                concat!($prefix, ".modulator.weight"), concat!($prefix, ".cross_modulator.weight"),
                concat!($prefix, ".cross_attn.qkv.to_q.weight"), concat!($prefix, ".cross_attn.qkv.to_q.bias"),
                concat!($prefix, ".cross_attn.qkv.to_kv.weight"), concat!($prefix, ".cross_attn.qkv.to_kv.bias"),
                concat!($prefix, ".cross_attn.proj.weight"), concat!($prefix, ".cross_attn.proj.bias"),
                concat!($prefix, ".norm_cross.weight"), concat!($prefix, ".norm_cross.bias"),
                concat!($prefix, ".norm1.weight"), concat!($prefix, ".norm1.bias"),
                concat!($prefix, ".norm2.weight"), concat!($prefix, ".norm2.bias"),
                concat!($prefix, ".attn.relative_position_bias_table"),
                concat!($prefix, ".attn.relative_position_index"),
                concat!($prefix, ".attn.qkv.to_q.weight"), concat!($prefix, ".attn.qkv.to_q.bias"),
                concat!($prefix, ".attn.qkv.to_kv.weight"), concat!($prefix, ".attn.qkv.to_kv.bias"),
                concat!($prefix, ".attn.qkv.to_q.depthwise.weight"), concat!($prefix, ".attn.qkv.to_q.depthwise.bias"),
                concat!($prefix, ".attn.qkv.to_q.pointwise.weight"), concat!($prefix, ".attn.qkv.to_q.pointwise.bias"),
                concat!($prefix, ".attn.qkv.to_k.depthwise.weight"), concat!($prefix, ".attn.qkv.to_k.depthwise.bias"),
                concat!($prefix, ".attn.qkv.to_k.pointwise.weight"), concat!($prefix, ".attn.qkv.to_k.pointwise.bias"),
                concat!($prefix, ".attn.qkv.to_v.depthwise.weight"), concat!($prefix, ".attn.qkv.to_v.depthwise.bias"),
                concat!($prefix, ".attn.qkv.to_v.pointwise.weight"), concat!($prefix, ".attn.qkv.to_v.pointwise.bias"),
                concat!($prefix, ".attn.proj.weight"), concat!($prefix, ".attn.proj.bias"),
                concat!($prefix, ".mlp.linear1.0.weight"), concat!($prefix, ".mlp.linear1.0.bias"),
                concat!($prefix, ".mlp.dwconv.0.weight"), concat!($prefix, ".mlp.dwconv.0.bias"),
                concat!($prefix, ".mlp.linear2.0.weight"), concat!($prefix, ".mlp.linear2.0.bias"),
                concat!($prefix, ".mlp.fc1.weight"), concat!($prefix, ".mlp.fc1.bias"),
                concat!($prefix, ".mlp.fc2.weight"), concat!($prefix, ".mlp.fc2.bias"),
            )*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "input_proj.proj.0.weight",
        "output_proj.proj.0.weight",
        "encoderlayer_0.blocks.0.norm1.weight",
        "encoderlayer_3.blocks.0.norm1.weight",
        "conv.blocks.0.norm1.weight",
        "decoderlayer_0.blocks.0.norm1.weight",
        "decoderlayer_3.blocks.0.norm1.weight",
    ],
    known: keys!("encoderlayer_*.blocks.*", "conv.blocks.*", "decoderlayer_*.blocks.*"),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

/// The stages in the order of the reference's lists, each of `blocks`.
const STAGES: [&str; 9] = [
    "encoderlayer_0",
    "encoderlayer_1",
    "encoderlayer_2",
    "encoderlayer_3",
    "conv",
    "decoderlayer_0",
    "decoderlayer_1",
    "decoderlayer_2",
    "decoderlayer_3",
];

/// Times the picture's side is halved in a stage.
const HALVINGS: [usize; 9] = [0, 1, 2, 3, 4, 3, 2, 1, 0];

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [width, in_channels, _, _] = layers.conv_shape("input_proj.proj.0")?;
    let [out_channels, _, _, _] = layers.conv_shape("output_proj.proj.0")?;
    let prefixes = STAGES.map(|stage| format!("{stage}.blocks."));
    let depths = counts(state_dict, &prefixes.each_ref().map(String::as_str));
    let heads: Vec<usize> = STAGES
        .iter()
        .map(|stage| table(&layers, &format!("{stage}.blocks.0")).map(|[_, heads]| heads))
        .collect::<Result<_, _>>()?;
    let [window, _] = table(&layers, "encoderlayer_0.blocks.0")?;
    let convolved = state_dict.contains("encoderlayer_0.blocks.0.attn.qkv.to_q.depthwise.weight");
    let first = "encoderlayer_0.blocks.0.mlp";
    let (mlp, hidden) = if state_dict.contains(&format!("{first}.fc1.weight")) {
        ("mlp", layers.shape::<2>(&format!("{first}.fc1.weight"))?[0])
    } else {
        let [_, per_group, _, _] = layers.conv_shape(&format!("{first}.dwconv.0"))?;
        let kind = if per_group == 1 { "leff" } else { "fastleff" };
        (kind, layers.shape::<2>(&format!("{first}.linear1.0.weight"))?[0])
    };

    let input = layers.input(in_channels);
    let mut x = layers.conv("input_proj.proj.0", input, [width, in_channels], 3)?;
    x = layers.unary("input_proj.proj.0", UnaryOp::LeakyRelu(0.01), x);
    let mut skips = Vec::new();
    for (level, &depth) in depths[..LEVELS].iter().enumerate() {
        let channels = width << level;
        x = stage(&mut layers, level, depth, window, x, channels)?;
        skips.push(x);
        let conv = Conv::same(4).stride(2, 1);
        x = layers.conv_of(&format!("dowsample_{level}.conv.0"), x, [2 * channels, channels], conv)?;
    }
    x = stage(&mut layers, LEVELS, depths[LEVELS], window, x, width << LEVELS)?;
    for index in 0..LEVELS {
        let level = LEVELS - 1 - index;
        let channels = width << level;
        // All but the first come from a stage that was twice as wide as the one of the same level on the way down.
        let from = if index == 0 { 2 * channels } else { 4 * channels };
        x = layers.conv_transposed(&format!("upsample_{index}.deconv.0"), x, [channels, from], [2, 2, 0])?;
        x = layers.concat(format!("decoderlayer_{index}/join"), &[x, skips[level]]);
        let place = LEVELS + 1 + index;
        x = stage(&mut layers, place, depths[place], window, x, 2 * channels)?;
    }
    x = layers.conv("output_proj.proj.0", x, [out_channels, 2 * width], 3)?;
    if in_channels == 3 {
        x = layers.add("skip", x, input);
    }

    let size_rule = SizeRule { multiple_of: 128, square: true, ..SizeRule::default() };

    Ok(layers.finish(
        x,
        size_rule,
        Vec::new(),
        [
            ("img_size", json!(ASSUMED_SIZE)),
            ("in_chans", json!(out_channels)),
            ("dd_in", json!(in_channels)),
            ("embed_dim", json!(width)),
            ("depths", json!(depths)),
            ("num_heads", json!(heads)),
            ("win_size", json!(window)),
            ("mlp_ratio", json!(hidden as f64 / width as f64)),
            (
                "qkv_bias",
                json!(convolved || state_dict.contains("encoderlayer_0.blocks.0.attn.qkv.to_q.bias")),
            ),
            ("qk_scale", json!(null)),
            ("drop_rate", json!(0.0)),
            ("attn_drop_rate", json!(0.0)),
            ("drop_path_rate", json!(0.1)),
            ("norm_layer", json!("<LayerNorm>")),
            ("patch_norm", json!(true)),
            ("use_checkpoint", json!(false)),
            ("token_projection", json!(if convolved { "conv" } else { "linear" })),
            ("token_mlp", json!(mlp)),
            ("dowsample", json!("<Downsample>")),
            ("upsample", json!("<Upsample>")),
            ("shift_flag", json!(true)),
            ("modulator", json!(state_dict.contains("decoderlayer_0.blocks.0.modulator.weight"))),
            ("cross_modulator", json!(state_dict.contains("decoderlayer_0.blocks.0.cross_modulator.weight"))),
        ],
    ))
}

/// Side of the window and number of heads of a block.
fn table(layers: &Layers<'_>, block: &str) -> Result<[usize; 2], ModelError> {
    let key = format!("{block}.attn.relative_position_bias_table");
    let [places, heads] = layers.shape(&key)?;
    match square_root(places) {
        Some(side) if side % 2 == 1 && side < 2 * MAX_WINDOW => Ok([side.div_ceil(2), heads]),
        _ => {
            Err(layers.problem(format!("{key} has {places} rows, which no window of up to {MAX_WINDOW} has")))
        }
    }
}

fn stage(
    layers: &mut Layers<'_>,
    index: usize,
    depth: usize,
    window: usize,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let mut x = x;
    for place in 0..depth {
        // Windows that hold the whole of the picture the reference assumes are not shifted.
        let shifted = place % 2 == 1 && ASSUMED_SIZE >> HALVINGS[index] > window;
        let shift = if shifted { window / 2 } else { 0 };
        x = block(layers, &format!("{}.blocks.{place}", STAGES[index]), x, channels, shift)?;
    }
    Ok(x)
}

fn block(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
    shift: usize,
) -> Result<NodeId, ModelError> {
    let mut x = x;
    if layers.has(&format!("{name}.cross_modulator.weight")) {
        let y = cross_attention(layers, name, x, channels)?;
        x = layers.add(format!("{name}.cross_attn/skip"), x, y);
    }
    let [window, heads] = table(layers, name)?;
    if shift >= window || !channels.is_multiple_of(heads) {
        return Err(layers.problem(format!("{name} has windows of {window}, and {heads} heads")));
    }
    let y = layers.layer_norm(&format!("{name}.norm1"), x, channels)?;
    let y = modulate(layers, &format!("{name}.modulator.weight"), y, channels, window, shift)?;
    let attn = format!("{name}.attn");
    let qkv = if layers.has(&format!("{attn}.qkv.to_q.depthwise.weight")) {
        convolved(layers, &format!("{attn}.qkv"), y, channels, window, shift)?
    } else {
        let q = layers.linear(&format!("{attn}.qkv.to_q"), y, [channels; 2])?;
        let kv = layers.linear(&format!("{attn}.qkv.to_kv"), y, [2 * channels, channels])?;
        let [k, v] = layers.chunks(&attn, kv, channels);
        [q, k, v]
    };
    let bias = position_bias(layers, &format!("{attn}.relative_position_bias_table"), window, heads)?;
    let attention =
        Attention::blocks(heads, [window; 2], scores(channels, heads)).with_bias(bias).with_shift([shift; 2]);
    let y = layers.push(&attn, Op::Attention(attention), &qkv);
    let y = layers.linear(&format!("{attn}.proj"), y, [channels; 2])?;
    let x = layers.add(format!("{attn}/skip"), x, y);

    let y = layers.layer_norm(&format!("{name}.norm2"), x, channels)?;
    let y = mlp(layers, &format!("{name}.mlp"), y, channels)?;
    Ok(layers.add(name, x, y))
}

fn scores(channels: usize, heads: usize) -> Scores {
    Scores::Dot(((channels / heads) as f32).sqrt().recip())
}

/// Queries, keys and values made by convolutions that see nothing beyond their window.
fn convolved(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
    window: usize,
    shift: usize,
) -> Result<[NodeId; 3], ModelError> {
    // Windows at the border hold pixels of both sides, so the picture itself is shifted here.
    let x = roll(layers, &format!("{name}/roll"), x, shift as i64);
    let x = layers.unshuffle(format!("{name}/windows"), x, window);
    let mut made = [x; 3];
    for (value, part) in made.iter_mut().zip(["to_q", "to_k", "to_v"]) {
        let prefix = format!("{name}.{part}");
        let y = window_conv(layers, &format!("{prefix}.depthwise"), x, channels, window)?;
        let y = layers.unary(&format!("{prefix}.depthwise"), UnaryOp::Relu, y);
        let y = layers.shuffle(format!("{prefix}/pixels"), y, window);
        let y = layers.conv(&format!("{prefix}.pointwise"), y, [channels; 2], 1)?;
        *value = roll(layers, &format!("{prefix}/roll"), y, -(shift as i64));
    }
    Ok(made)
}

/// Moves rows up and columns to the left by `by`, around the border; back where that is negative.
fn roll(layers: &mut Layers<'_>, name: &str, x: NodeId, by: i64) -> NodeId {
    if by == 0 {
        return x;
    }
    [2, 3].into_iter().fold(x, |x, axis| {
        let first = layers.push(name, Op::Slice { axis, start: by, end: i64::MAX }, &[x]);
        let last = layers.push(name, Op::Slice { axis, start: 0, end: by }, &[x]);
        layers.push(name, Op::Concat { axis }, &[first, last])
    })
}

/// A depthwise 3x3 convolution of each window by itself, zeros around it, as a matrix over the window's pixels.
fn window_conv(
    layers: &mut Layers<'_>,
    prefix: &str,
    x: NodeId,
    channels: usize,
    window: usize,
) -> Result<NodeId, ModelError> {
    const TAPS: usize = 9;
    let pixels = window * window;
    if channels * pixels * pixels > MAX_WINDOW_CONV {
        return Err(layers.problem(format!("{prefix} has {channels} channels of windows of {window}")));
    }
    let kernels = layers.values(&format!("{prefix}.weight"), &[channels, 1, 3, 3])?;
    let biases = layers.values(&format!("{prefix}.bias"), &[channels])?;
    let mut matrix = Vec::with_capacity(channels * pixels * pixels);
    for kernel in kernels.chunks_exact(TAPS) {
        for out in 0..pixels {
            for from in 0..pixels {
                let row = (from / window + 1).checked_sub(out / window).filter(|&tap| tap < 3);
                let column = (from % window + 1).checked_sub(out % window).filter(|&tap| tap < 3);
                matrix.push(row.zip(column).map_or(0.0, |(row, column)| kernel[3 * row + column]));
            }
        }
    }
    let biases = biases.iter().flat_map(|&bias| std::iter::repeat_n(bias, pixels)).collect();
    let op = Op::Conv2d {
        weight: layers.made_weight(format!("{prefix}.weight"), &[channels * pixels, pixels, 1, 1], matrix),
        bias: Some(layers.made_weight(format!("{prefix}.bias"), &[channels * pixels], biases)),
        stride: [1, 1],
        padding: Padding::all(0),
        dilation: [1, 1],
        groups: channels,
    };
    Ok(layers.push(prefix, op, &[x]))
}

/// Two layers, with a convolution between them but for the plain kind.
fn mlp(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
    let plain = layers.has(&format!("{name}.fc1.weight"));
    let [first, last] = if plain { ["fc1", "fc2"] } else { ["linear1.0", "linear2.0"] };
    let [hidden, _] = layers.shape(&format!("{name}.{first}.weight"))?;
    let mut x = layers.linear(&format!("{name}.{first}"), x, [hidden, channels])?;
    x = layers.unary(&format!("{name}.{first}"), UnaryOp::Gelu, x);
    if !plain {
        let key = format!("{name}.dwconv.0");
        let [_, per_group, kernel, _] = layers.conv_shape(&key)?;
        x = layers.conv_of(
            &key,
            x,
            [hidden; 2],
            Conv::same(kernel).groups(hidden / per_group.min(hidden)),
        )?;
        x = layers.unary(&key, UnaryOp::Gelu, x);
    }
    layers.linear(&format!("{name}.{last}"), x, [channels, hidden])
}

/// Adds a vector for each place in a window, where the block has them.
fn modulate(
    layers: &mut Layers<'_>,
    key: &str,
    x: NodeId,
    channels: usize,
    window: usize,
    shift: usize,
) -> Result<NodeId, ModelError> {
    if !layers.has(key) {
        return Ok(x);
    }
    let vectors = layers.values(key, &[window * window, channels])?;
    // As channels of the window: places are those of the shifted one.
    let place = |at: usize| (at + window - shift) % window;
    let summands = (0..channels * window * window)
        .map(|i| {
            let (channel, row, column) = (i / (window * window), i / window % window, i % window);
            vectors[(place(row) * window + place(column)) * channels + channel]
        })
        .collect();
    let x = layers.unshuffle(format!("{key}/windows"), x, window);
    let x = layers.affine(key, x, vec![1.0; channels * window * window], summands);
    Ok(layers.shuffle(format!("{key}/pixels"), x, window))
}

/// Attention of every pixel to vectors that are the same for all pictures.
fn cross_attention(
    layers: &mut Layers<'_>,
    name: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let key = format!("{name}.cross_modulator.weight");
    let [tokens, _] = layers.shape(&key)?;
    let vectors = layers.values(&key, &[tokens, channels])?;
    let attn = format!("{name}.cross_attn");
    let [_, heads] = table(layers, name)?;
    if !channels.is_multiple_of(heads) {
        return Err(layers.problem(format!("{name} has {channels} channels for {heads} heads")));
    }
    let matrix = layers.values(&format!("{attn}.qkv.to_kv.weight"), &[2 * channels, channels])?;
    let bias_key = format!("{attn}.qkv.to_kv.bias");
    let biases = if layers.has(&bias_key) {
        layers.values(&bias_key, &[2 * channels])?
    } else {
        vec![0.0; 2 * channels]
    };
    let rows = matrix.chunks_exact(channels).zip(&biases);
    let values: Vec<f32> = rows
        .flat_map(|(row, &bias)| {
            vectors.chunks_exact(channels).map(move |vector| {
                let product: f64 = row.iter().zip(vector).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                (product + f64::from(bias)) as f32
            })
        })
        .collect();
    let mut constant = |part: &str, values: &[f32]| {
        let weight = layers.made_weight(format!("{attn}/{part}"), &[1, channels, 1, tokens], values.to_vec());
        layers.push(format!("{attn}/{part}"), Op::Constant(weight), &[])
    };
    let (k, v) = values.split_at(channels * tokens);
    let (k, v) = (constant("keys", k), constant("values", v));
    let q = layers.linear(&format!("{attn}.qkv.to_q"), x, [channels; 2])?;
    let attention = Attention::blocks(heads, [1, 1], scores(channels, heads)).with_region(Region::Picture);
    let y = layers.push(&attn, Op::Attention(attention), &[q, k, v]);
    layers.linear(&format!("{attn}.proj"), y, [channels; 2])
}

/// A number for each head and difference of places, `[places, heads]`, as one for each pair of places.
fn position_bias(
    layers: &mut Layers<'_>,
    key: &str,
    window: usize,
    heads: usize,
) -> Result<WeightId, ModelError> {
    let (side, places) = (2 * window - 1, window * window);
    let table = layers.values(key, &[side * side, heads])?;
    if heads * places * places > MAX_PAIRS {
        return Err(layers.problem(format!("{key} stands for {heads} heads of windows of {window}")));
    }
    let mut data = Vec::with_capacity(heads * places * places);
    for head in 0..heads {
        for q in 0..places {
            for k in 0..places {
                let row = q / window + window - 1 - k / window;
                let column = q % window + window - 1 - k % window;
                data.push(table[(row * side + column) * heads + head]);
            }
        }
    }
    Ok(layers.made_weight(key, &[heads, places, places], data))
}
