//! Attention in rectangles, half of the heads in lying and half in standing ones, with a position bias that a small
//! network makes of the offset between two pixels. DAT, RGT and CRAFT have it.

use super::layers::{EPS, Layers};
use super::window_transformer::{MAX_WINDOW, head_scale, offset_row, position_bias};
use crate::{Attention, ModelError, NodeId, Op, Scores, WeightId};

/// Rectangles of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rectangles {
    /// Channels of all heads together.
    pub(super) channels: usize,
    /// Heads of each half.
    pub(super) heads: usize,
    /// Rows and columns in the first half of the heads, columns and rows in the second.
    pub(super) split: [usize; 2],
}

impl Rectangles {
    /// Checks the sizes.
    pub(super) fn check(&self, layers: &Layers<'_>) -> Result<(), ModelError> {
        if !self.split.iter().all(|side| (1..=MAX_WINDOW).contains(side)) {
            return Err(layers.problem(format!("rectangles of {:?} pixels make no sense", self.split)));
        }
        if self.channels % 2 == 1 {
            return Err(layers.problem(format!("{} channels cannot be halved", self.channels)));
        }
        head_scale(layers, self.channels / 2, self.heads).map(|_| ())
    }

    /// Sides, the shorter one first, of rectangles of so many pixels with so many offsets between two of them.
    pub(super) fn sides(
        layers: &Layers<'_>,
        pixels: usize,
        offsets: usize,
    ) -> Result<[usize; 2], ModelError> {
        let fits = |a: usize, b: usize| a * b == pixels && (2 * a - 1) * (2 * b - 1) == offsets;
        (1..=pixels.isqrt())
            .find(|&a| pixels.is_multiple_of(a) && fits(a, pixels / a))
            .map(|a| [a, pixels / a])
            .ok_or_else(|| {
                layers.problem(format!("there are no rectangles of {pixels} pixels with {offsets} offsets"))
            })
    }

    /// Rows and columns of a half.
    pub(super) fn block(&self, half: usize) -> [usize; 2] {
        let [a, b] = self.split;
        if half == 0 { [a, b] } else { [b, a] }
    }

    /// Attention of one half within its rectangles, of queries, keys and values one after another.
    pub(super) fn attention(
        &self,
        layers: &mut Layers<'_>,
        prefix: &str,
        qkv: NodeId,
        half: usize,
    ) -> Result<(Attention, [NodeId; 3]), ModelError> {
        let channels = self.channels / 2;
        let scale = head_scale(layers, channels, self.heads)?;
        let name = format!("{prefix}.attns.{half}");
        let inputs = [0, 1, 2].map(|i| {
            layers.channels(
                format!("{name}/part"),
                qkv,
                i * self.channels + half * channels..i * self.channels + half * channels + channels,
            )
        });
        let bias = self.bias(layers, &format!("{name}.pos"), half)?;
        Ok((Attention::blocks(self.heads, self.block(half), Scores::Dot(scale)).with_bias(bias), inputs))
    }

    /// Attention of both halves, `qkv` continued with zeros to whole squares of the longer side; `shifted` by half a
    /// rectangle.
    pub(super) fn padded_attention(
        &self,
        layers: &mut Layers<'_>,
        prefix: &str,
        qkv: NodeId,
        shifted: bool,
    ) -> Result<NodeId, ModelError> {
        let longer = self.split[0].max(self.split[1]);
        let mut halves = [qkv; 2];
        for (half, made) in halves.iter_mut().enumerate() {
            let (attention, inputs) = self.attention(layers, prefix, qkv, half)?;
            let shift = if shifted { self.block(half).map(|side| side / 2) } else { [0, 0] };
            let attention = Attention { pad_to: Some([longer; 2]), shift, ..attention };
            *made = layers.push(format!("{prefix}.attns.{half}"), Op::Attention(attention), &inputs);
        }
        Ok(layers.concat(format!("{prefix}/join"), &halves))
    }

    /// The position bias of a half: its network run over all offsets.
    fn bias(&self, layers: &mut Layers<'_>, prefix: &str, half: usize) -> Result<WeightId, ModelError> {
        let block = self.block(half);
        let table = self.table(layers, prefix, block)?;
        let n = block[0] * block[1];
        position_bias(layers, prefix, &table, self.heads, [n, n], |query, key| offset_row(block, query, key))
    }

    fn table(
        &self,
        layers: &Layers<'_>,
        prefix: &str,
        [rows, columns]: [usize; 2],
    ) -> Result<Vec<f32>, ModelError> {
        let [width, _] = layers.shape(&format!("{prefix}.pos_proj.weight"))?;
        let matrix = |name: &str, out: usize, input: usize| -> Result<Affine, ModelError> {
            let weight = layers.values(&format!("{name}.weight"), &[out, input])?;
            Ok(Affine { weight, bias: layers.values(&format!("{name}.bias"), &[out])? })
        };
        let first = matrix(&format!("{prefix}.pos_proj"), width, 2)?;
        let mut steps = Vec::new();
        for (step, out) in [(1, width), (2, width), (3, self.heads)] {
            let name = format!("{prefix}.pos{step}.0");
            let gain = layers.values(&format!("{name}.weight"), &[width])?;
            let shift = layers.values(&format!("{name}.bias"), &[width])?;
            steps.push((
                Affine { weight: gain, bias: shift },
                matrix(&format!("{prefix}.pos{step}.2"), out, width)?,
            ));
        }
        let mut table = Vec::with_capacity((2 * rows - 1) * (2 * columns - 1) * self.heads);
        for down in 1 - rows as i64..rows as i64 {
            for across in 1 - columns as i64..columns as i64 {
                let mut x = first.apply(&[down as f64, across as f64]);
                for (norm, matrix) in &steps {
                    x = matrix.apply(&norm.normalised_and_positive(&x));
                }
                table.extend(x.into_iter().map(|v| v as f32));
            }
        }
        Ok(table)
    }
}

/// A matrix, or the factors of a norm, and what is added.
struct Affine {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Affine {
    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let row = |(weights, &bias): (&[f32], &f32)| {
            f64::from(bias) + weights.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum::<f64>()
        };
        self.weight.chunks_exact(x.len()).zip(&self.bias).map(row).collect()
    }

    /// Layer norm and ReLU.
    fn normalised_and_positive(&self, x: &[f64]) -> Vec<f64> {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let root = (variance + f64::from(EPS)).sqrt();
        let place =
            |(v, (&w, &b)): (&f64, (&f32, &f32))| ((v - mean) / root * f64::from(w) + f64::from(b)).max(0.0);
        x.iter().zip(self.weight.iter().zip(&self.bias)).map(place).collect()
    }
}
