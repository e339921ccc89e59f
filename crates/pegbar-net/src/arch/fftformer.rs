//! FFTformer (<https://arxiv.org/abs/2211.12250>): a U-Net that filters and compares blocks of 8x8 pixels by their
//! frequencies.
//!
//! The discrete Hartley transform stands for Fourier's: it makes real numbers of real ones, is its own inverse but for a
//! factor, and as a matrix over the 64 pixels of a block it is a 1x1 convolution of what a pixel unshuffle makes.

use super::keys::{Detection, KeyStyle, count};
use super::layers::Layers;
use super::{Architecture, Built};
use crate::{ModelError, ModelOptions, NodeId, Op, Padding, ResizeMode, SizeRule, WeightId};
use pegbar_formats::StateDict;
use serde_json::json;
use std::collections::HashMap;

pub(super) const ARCHITECTURE: Architecture =
    Architecture { id: ID, name: "FFTformer", half_safe: false, detect, build };

const ID: &str = "FFTformer";

/// Side of the blocks.
const BLOCK: usize = 8;
const PIXELS: usize = BLOCK * BLOCK;

/// Columns of the spectrum of real numbers that the file holds; the others mirror them.
const HALF_SPECTRUM: usize = BLOCK / 2 + 1;

/// More channels than all matrices of any model are made for. Each takes 64 x 64 numbers.
const MAX_TRANSFORMED: usize = 1 << 15;

const BILINEAR: ResizeMode = ResizeMode::Bilinear { align_corners: false };

macro_rules! keys {
    ($($prefix:literal),*) => {
        &[
            "patch_embed.proj.weight", "patch_embed.proj.bias", "down*_*.body.1.weight", "up*_*.body.1.weight",
            "reduce_chan_level*.weight", "reduce_chan_level*.bias", "fuse*.conv.weight", "fuse*.conv.bias",
            "fuse*.conv2.weight", "fuse*.conv2.bias", "output.weight", "output.bias",
            $(
                concat!($prefix, ".norm1.body.weight"), concat!($prefix, ".norm1.body.bias"),
                concat!($prefix, ".norm2.body.weight"), concat!($prefix, ".norm2.body.bias"),
                concat!($prefix, ".attn.norm.body.weight"), concat!($prefix, ".attn.norm.body.bias"),
                concat!($prefix, ".attn.to_hidden.weight"), concat!($prefix, ".attn.to_hidden.bias"),
                concat!($prefix, ".attn.to_hidden_dw.weight"), concat!($prefix, ".attn.to_hidden_dw.bias"),
                concat!($prefix, ".attn.project_out.weight"), concat!($prefix, ".attn.project_out.bias"),
                concat!($prefix, ".ffn.fft"),
                concat!($prefix, ".ffn.project_in.weight"), concat!($prefix, ".ffn.project_in.bias"),
                concat!($prefix, ".ffn.dwconv.weight"), concat!($prefix, ".ffn.dwconv.bias"),
                concat!($prefix, ".ffn.project_out.weight"), concat!($prefix, ".ffn.project_out.bias"),
            )*
        ]
    };
}

const STYLES: &[KeyStyle] = &[KeyStyle {
    needed: &[
        "patch_embed.proj.weight",
        "encoder_level1.0.ffn.fft",
        "down1_2.body.1.weight",
        "encoder_level2.0.ffn.fft",
        "encoder_level3.0.ffn.fft",
        "decoder_level3.0.attn.to_hidden.weight",
        "up3_2.body.1.weight",
        "refinement.0.ffn.fft",
        "fuse2.att_channel.ffn.fft",
        "fuse1.conv.weight",
        "output.weight",
    ],
    known: keys!("encoder_level*.*", "decoder_level*.*", "refinement.*", "fuse*.att_channel"),
}];

fn detect(state_dict: &StateDict) -> Detection {
    Detection::by_keys(state_dict, STYLES)
}

fn build(state_dict: &StateDict, _: &ModelOptions) -> Result<Built, ModelError> {
    let mut layers = Layers::new(ID, state_dict);
    let [width, in_channels, _, _] = layers.conv_shape("patch_embed.proj")?;
    let [out_channels, _, _, _] = layers.conv_shape("output")?;
    let [_, hidden, _, _] = layers.conv_shape("encoder_level1.0.ffn.project_out")?;
    let n_blocks: [usize; 3] =
        std::array::from_fn(|index| count(state_dict, &format!("encoder_level{}.", index + 1)));
    let n_refinement = count(state_dict, "refinement.");

    let mut maps = Maps::default();
    let input = layers.input(in_channels);
    let mut x = layers.conv("patch_embed.proj", input, [width, in_channels], 3)?;
    let mut skips = Vec::new();
    for level in 1..=3 {
        let channels = width << (level - 1);
        x = stage(
            &mut layers,
            &mut maps,
            &format!("encoder_level{level}"),
            n_blocks[level - 1],
            x,
            channels,
        )?;
        skips.push(x);
        if level < 3 {
            let body = format!("down{level}_{}.body", level + 1);
            x = layers.resize(format!("{body}.0"), x, BILINEAR, [1, 2]);
            x = layers.conv(&format!("{body}.1"), x, [2 * channels, channels], 3)?;
        }
    }
    for level in (1..=3).rev() {
        let channels = width << (level - 1);
        if level < 3 {
            let body = format!("up{}_{level}.body", level + 1);
            x = layers.resize(format!("{body}.0"), x, BILINEAR, [2, 1]);
            x = layers.conv(&format!("{body}.1"), x, [channels, 2 * channels], 3)?;
            x = fuse(&mut layers, &mut maps, &format!("fuse{level}"), [x, skips[level - 1]], channels)?;
        }
        x = stage(
            &mut layers,
            &mut maps,
            &format!("decoder_level{level}"),
            n_blocks[level - 1],
            x,
            channels,
        )?;
    }
    x = stage(&mut layers, &mut maps, "refinement", n_refinement, x, width)?;
    x = layers.conv("output", x, [out_channels, width], 3)?;
    let output = layers.add("skip", x, input);
    let size_rule = SizeRule { multiple_of: 32, ..SizeRule::default() };

    Ok(layers.finish(
        output,
        size_rule,
        vec![format!("{width}dim")],
        [
            ("inp_channels", json!(in_channels)),
            ("out_channels", json!(out_channels)),
            ("dim", json!(width)),
            ("num_blocks", json!(n_blocks)),
            ("num_refinement_blocks", json!(n_refinement)),
            ("ffn_expansion_factor", json!(hidden as f64 / width as f64)),
            ("bias", json!(state_dict.contains("encoder_level1.0.ffn.project_in.bias"))),
        ],
    ))
}

/// A matrix over the pixels of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Map {
    /// Cosines plus sines.
    Hartley,
    /// Cosines minus sines: the transform's result at the opposite frequency.
    Opposite,
    Cosines,
    Sines,
    /// Back to pixels.
    Inverse,
}

/// The matrices in the network, by kind and number of channels, each of which has its copy.
#[derive(Default)]
struct Maps {
    made: HashMap<(Map, usize), WeightId>,
    /// Channels of all of them.
    channels: usize,
}

impl Maps {
    /// Applies a matrix to `channels` blocks of 64 values.
    fn push(
        &mut self,
        layers: &mut Layers<'_>,
        map: Map,
        x: NodeId,
        channels: usize,
    ) -> Result<NodeId, ModelError> {
        let name = format!("{map:?}");
        let weight = match self.made.get(&(map, channels)) {
            Some(&weight) => weight,
            None => {
                self.channels += channels;
                if self.channels > MAX_TRANSFORMED {
                    return Err(layers.problem(format!(
                        "it transforms {channels} channels of many widths, more than {MAX_TRANSFORMED} in all"
                    )));
                }
                let data = matrix(map).repeat(channels);
                let weight = layers.made_weight(&name, &[channels * PIXELS, PIXELS, 1, 1], data);
                self.made.insert((map, channels), weight);
                weight
            }
        };
        let op = Op::Conv2d {
            weight,
            bias: None,
            stride: [1, 1],
            padding: Padding::all(0),
            dilation: [1, 1],
            groups: channels,
        };
        Ok(layers.push(name, op, &[x]))
    }
}

fn matrix(map: Map) -> Vec<f32> {
    let value = |frequency: usize, pixel: usize| {
        let turns = frequency / BLOCK * (pixel / BLOCK) + frequency % BLOCK * (pixel % BLOCK);
        let angle = std::f64::consts::TAU * (turns % BLOCK) as f64 / BLOCK as f64;
        match map {
            Map::Hartley => angle.cos() + angle.sin(),
            Map::Opposite => angle.cos() - angle.sin(),
            Map::Cosines => angle.cos(),
            Map::Sines => angle.sin(),
            Map::Inverse => (angle.cos() + angle.sin()) / PIXELS as f64,
        }
    };
    (0..PIXELS * PIXELS).map(|i| value(i / PIXELS, i % PIXELS) as f32).collect()
}

fn stage(
    layers: &mut Layers<'_>,
    maps: &mut Maps,
    name: &str,
    n: usize,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    (0..n).try_fold(x, |x, index| block(layers, maps, &format!("{name}.{index}"), x, channels))
}

/// Filters; compares first where the block has the layers for it.
fn block(
    layers: &mut Layers<'_>,
    maps: &mut Maps,
    name: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let mut x = x;
    if layers.has(&format!("{name}.attn.to_hidden.weight")) {
        let y = norm(layers, &format!("{name}.norm1"), x, channels)?;
        let y = compare(layers, maps, &format!("{name}.attn"), y, channels)?;
        x = layers.add(format!("{name}.attn/skip"), x, y);
    }
    let y = norm(layers, &format!("{name}.norm2"), x, channels)?;
    let y = filter(layers, maps, &format!("{name}.ffn"), y, channels)?;
    Ok(layers.add(name, x, y))
}

fn norm(layers: &mut Layers<'_>, name: &str, x: NodeId, channels: usize) -> Result<NodeId, ModelError> {
    layers.layer_norm(&format!("{name}.body"), x, channels)
}

/// Queries convolved with keys within each block, normalised, times values.
fn compare(
    layers: &mut Layers<'_>,
    maps: &mut Maps,
    name: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let wide = 2 * channels;
    let hidden = layers.conv(&format!("{name}.to_hidden"), x, [3 * wide, channels], 1)?;
    let hidden = layers.depthwise(&format!("{name}.to_hidden_dw"), hidden, 3 * wide, 3)?;
    let [q, k, v] = layers.chunks(name, hidden, wide);
    let q = layers.unshuffle(format!("{name}/q blocks"), q, BLOCK);
    let k = layers.unshuffle(format!("{name}/k blocks"), k, BLOCK);
    // A convolution's spectrum: the query's times the key's even part, the query's opposite times the odd part.
    let at = maps.push(layers, Map::Hartley, q, wide)?;
    let even = maps.push(layers, Map::Cosines, k, wide)?;
    let opposite = maps.push(layers, Map::Opposite, q, wide)?;
    let odd = maps.push(layers, Map::Sines, k, wide)?;
    let first = layers.mul(format!("{name}/even"), at, even);
    let second = layers.mul(format!("{name}/odd"), opposite, odd);
    let product = layers.add(format!("{name}/product"), first, second);
    let y = maps.push(layers, Map::Inverse, product, wide)?;
    let y = layers.shuffle(format!("{name}/pixels"), y, BLOCK);
    let y = norm(layers, &format!("{name}.norm"), y, wide)?;
    let y = layers.mul(format!("{name}/values"), v, y);
    layers.conv(&format!("{name}.project_out"), y, [channels, wide], 1)
}

/// A feed-forward part with a filter of each block's frequencies.
fn filter(
    layers: &mut Layers<'_>,
    maps: &mut Maps,
    name: &str,
    x: NodeId,
    channels: usize,
) -> Result<NodeId, ModelError> {
    let [_, hidden, _, _] = layers.conv_shape(&format!("{name}.project_out"))?;
    let wide = 2 * hidden;
    let y = layers.conv(&format!("{name}.project_in"), x, [wide, channels], 1)?;
    let y = layers.unshuffle(format!("{name}/blocks"), y, BLOCK);
    let y = maps.push(layers, Map::Hartley, y, wide)?;
    let key = format!("{name}.fft");
    let half = layers.values(&key, &[wide, 1, 1, BLOCK, HALF_SPECTRUM])?;
    let factors: Vec<f32> = half.chunks_exact(BLOCK * HALF_SPECTRUM).flat_map(whole_spectrum).collect();
    let y = layers.affine(&key, y, factors, vec![0.0; wide * PIXELS]);
    let y = maps.push(layers, Map::Inverse, y, wide)?;
    let y = layers.shuffle(format!("{name}/pixels"), y, BLOCK);
    let y = layers.depthwise(&format!("{name}.dwconv"), y, wide, 3)?;
    let y = layers.gelu_gate(&format!("{name}.dwconv"), y, hidden);
    layers.conv(&format!("{name}.project_out"), y, [channels, hidden], 1)
}

/// What real factors for half of a spectrum do to all of it. A frequency and its opposite are scaled alike; of the
/// columns that hold both, what is not alike becomes imaginary and is dropped.
fn whole_spectrum(half: &[f32]) -> Vec<f32> {
    let at = |row: usize, column: usize| half[row % BLOCK * HALF_SPECTRUM + column];
    (0..PIXELS)
        .map(|place| {
            let (row, column) = (place / BLOCK, place % BLOCK);
            let opposite = BLOCK - row;
            match column {
                0 | 4 => (at(row, column) + at(opposite, column)) / 2.0,
                1..=3 => at(row, column),
                _ => at(opposite, BLOCK - column),
            }
        })
        .collect()
}

/// One value of two, of `channels` each.
fn fuse(
    layers: &mut Layers<'_>,
    maps: &mut Maps,
    name: &str,
    inputs: [NodeId; 2],
    channels: usize,
) -> Result<NodeId, ModelError> {
    let wide = 2 * channels;
    let x = layers.concat(format!("{name}/join"), &inputs);
    let x = layers.conv(&format!("{name}.conv"), x, [wide; 2], 1)?;
    let x = block(layers, maps, &format!("{name}.att_channel"), x, wide)?;
    let x = layers.conv(&format!("{name}.conv2"), x, [wide; 2], 1)?;
    let [first, second] = layers.chunks(name, x, channels);
    Ok(layers.add(name, first, second))
}
