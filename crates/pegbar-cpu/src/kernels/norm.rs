//! Normalisation: of each pixel over its channels, and of groups of channels over the whole picture.
#![allow(unsafe_code, reason = "reads and writes rows of working memory, vector loads and stores")]

use crate::memory::{Element, LINE, Row, Rows};
use crate::simd::{Half, Isa, Kernel, Simd, Single, Stored, dispatch, sum_of_lanes};
use pegbar_net::NormKind;
use std::marker::PhantomData;

/// Factors and summands for each channel, padded to whole vectors.
#[derive(Debug)]
pub(crate) struct ChannelTables {
    channels: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl ChannelTables {
    pub(crate) fn new(weight: &[f32], bias: &[f32]) -> Self {
        assert_eq!(weight.len(), bias.len());
        let padded = |values: &[f32]| {
            let mut values = values.to_vec();
            values.resize(values.len().next_multiple_of(LINE), 0.0);
            values
        };
        Self { channels: weight.len(), weight: padded(weight), bias: padded(bias) }
    }

    #[inline(always)]
    fn vectors<S: Simd>(&self, s: S, channel: usize) -> (S::V, S::V) {
        assert!(channel + S::LANES <= self.weight.len() && channel + S::LANES <= self.bias.len());
        // SAFETY: a whole vector from `channel` on lies in both tables, as asserted.
        unsafe { (s.load(self.weight.as_ptr().add(channel)), s.load(self.bias.as_ptr().add(channel))) }
    }
}

/// Normalisation of each pixel over its channels.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    pub(crate) kind: NormKind,
    pub(crate) tables: ChannelTables,
    pub(crate) eps: f32,
}

impl LayerNorm {
    pub(crate) fn describe(&self) -> String {
        let kind = match self.kind {
            NormKind::Standard => "layer norm",
            NormKind::RootMeanSquare => "RMS norm",
            NormKind::Deviation => "deviation norm",
        };
        format!("{kind}, {} channels", self.tables.channels)
    }

    /// One row.
    pub(crate) fn row(&self, isa: Isa, input: &Rows, output: &Rows, y: usize) {
        let (from, to) = (input.row(y), output.row(y));
        assert!(from.channels == self.tables.channels && to.channels == from.channels);
        assert!(from.width == to.width);
        match (from.element, to.element) {
            (Element::F32, Element::F32) => self.row_of::<Single, Single>(isa, from, to),
            (Element::F32, Element::F16) => self.row_of::<Single, Half>(isa, from, to),
            (Element::F16, Element::F32) => self.row_of::<Half, Single>(isa, from, to),
            (Element::F16, Element::F16) => self.row_of::<Half, Half>(isa, from, to),
        }
    }

    fn row_of<I: Stored, O: Stored>(&self, isa: Isa, from: Row, to: Row) {
        dispatch(isa, LayerNormRow { norm: self, from, to, elements: PhantomData::<(I, O)> });
    }
}

/// Pixels whose sums are made side by side, so that one need not wait for the other.
const PIXELS: usize = 4;

struct LayerNormRow<'a, I, O> {
    norm: &'a LayerNorm,
    from: Row,
    to: Row,
    elements: PhantomData<(I, O)>,
}

impl<I: Stored, O: Stored> Kernel for LayerNormRow<'_, I, O> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut x = 0;
        while x + PIXELS <= self.to.width {
            self.pixels::<S, PIXELS>(s, x);
            x += PIXELS;
        }
        while x < self.to.width {
            self.pixels::<S, 1>(s, x);
            x += 1;
        }
    }
}

impl<I: Stored, O: Stored> LayerNormRow<'_, I, O> {
    #[inline(always)]
    fn pixels<S: Simd, const N: usize>(&self, s: S, x: usize) {
        let channels = self.norm.tables.channels;
        let whole = channels / S::LANES * S::LANES;
        let tail = channels - whole;
        let from: [*const I::T; N] = std::array::from_fn(|p| self.from.stored_at::<I>(x + p).cast_const());
        let to: [*mut O::T; N] = std::array::from_fn(|p| self.to.stored_at::<O>(x + p));
        // SAFETY (of all loads and stores below): `from` and `to` point at pixels of `channels` values, and whole
        // vectors end at `whole`, the rest at `channels`. No thread writes the input of a running step, and each row
        // of a step belongs to one call.
        let mut mean = [0.0f32; N];
        if self.norm.kind != NormKind::RootMeanSquare {
            let mut sums = [s.splat(0.0); N];
            for c in (0..whole).step_by(S::LANES) {
                for p in 0..N {
                    // SAFETY: as above.
                    sums[p] = s.add(sums[p], unsafe { I::load(s, from[p].add(c)) });
                }
            }
            for p in 0..N {
                if tail > 0 {
                    // SAFETY: as above.
                    sums[p] = s.add(sums[p], unsafe { I::load_first(s, from[p].add(whole), tail) });
                }
                mean[p] = sum_of_lanes(s, sums[p]) / channels as f32;
            }
        }
        let mut squares = [s.splat(0.0); N];
        for c in (0..whole).step_by(S::LANES) {
            for p in 0..N {
                // SAFETY: as above.
                let v = s.sub(unsafe { I::load(s, from[p].add(c)) }, s.splat(mean[p]));
                squares[p] = s.mul_add(v, v, squares[p]);
            }
        }
        let mut factor = [0.0f32; N];
        for p in 0..N {
            if tail > 0 {
                let means = [mean[p]; LINE];
                // SAFETY: as above; a vector is no longer than a line. The lanes beyond the tail are zero in both.
                let v = unsafe {
                    s.sub(I::load_first(s, from[p].add(whole), tail), s.load_first(means.as_ptr(), tail))
                };
                squares[p] = s.mul_add(v, v, squares[p]);
            }
            let sum = sum_of_lanes(s, squares[p]);
            factor[p] = 1.0 / (sum / channels as f32 + self.norm.eps).sqrt();
        }
        if self.norm.kind == NormKind::Deviation {
            mean = [0.0; N];
        }
        for c in (0..channels).step_by(S::LANES) {
            let n = S::LANES.min(channels - c);
            let (weight, bias) = self.norm.tables.vectors(s, c);
            for p in 0..N {
                // SAFETY: as above.
                unsafe {
                    let (from, to) = (from[p].add(c), to[p].add(c));
                    let v = if n == S::LANES { I::load(s, from) } else { I::load_first(s, from, n) };
                    let v = s.mul(s.sub(v, s.splat(mean[p])), s.splat(factor[p]));
                    let v = s.mul_add(v, weight, bias);
                    if n == S::LANES { O::store(s, to, v) } else { O::store_first(s, to, v, n) }
                }
            }
        }
    }
}

/// Mean and sum of squared distances from it, for each channel of some pixels.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    pixels: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// Of one row.
    pub(crate) fn of_row(isa: Isa, input: &Rows, y: usize) -> Self {
        let row = input.row(y);
        let (mean, squares) = dispatch(isa, RowMoments { row });
        let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
        Self { pixels: row.width as f64, mean: wide(mean), squares: wide(squares) }
    }

    /// Mean over the whole picture, given the moments of all its rows, for each channel.
    pub(crate) fn mean_of(rows: &[&Self]) -> Vec<f64> {
        let pixels: f64 = rows.iter().map(|row| row.pixels).sum();
        let channels = rows.first().map_or(0, |row| row.mean.len());
        (0..channels).map(|c| rows.iter().map(|row| row.mean[c] * row.pixels).sum::<f64>() / pixels).collect()
    }
}

struct RowMoments {
    row: Row,
}

impl Kernel for RowMoments {
    type Output = (Vec<f32>, Vec<f32>);

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let Row { width, channels, .. } = self.row;
        let (mut mean, mut squares) = (vec![0.0f32; channels], vec![0.0f32; channels]);
        for c in (0..channels).step_by(S::LANES) {
            let n = S::LANES.min(channels - c);
            let (from, stride) = (self.row.at(0).cast_const(), self.row.pixel_stride);
            // No closure: called from several places it would not be compiled for the instruction set.
            macro_rules! load {
                ($x:expr) => {
                    // SAFETY: columns are below the width, and n channels from c on belong to the pixel; no thread
                    // writes the input of a running step.
                    unsafe { s.load_first(from.add($x * stride + c), n) }
                };
            }
            // Four sums, so that one need not wait for the other.
            macro_rules! fold {
                ($sum:ident, $v:ident, $value:expr) => {{
                    let mut sums = [s.splat(0.0); 4];
                    let whole = width / 4 * 4;
                    for x in (0..whole).step_by(4) {
                        for (i, to) in sums.iter_mut().enumerate() {
                            let ($sum, $v) = (*to, load!(x + i));
                            *to = $value;
                        }
                    }
                    for x in whole..width {
                        let ($sum, $v) = (sums[0], load!(x));
                        sums[0] = $value;
                    }
                    s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]))
                }};
            }
            let sum = fold!(sum, v, s.add(sum, v));
            let of_vector = s.mul(sum, s.splat(1.0 / width as f32));
            let square = fold!(sum, v, {
                let v = s.sub(v, of_vector);
                s.mul_add(v, v, sum)
            });
            // SAFETY: n values from c on lie in both tables.
            unsafe {
                s.store_first(mean.as_mut_ptr().add(c), of_vector, n);
                s.store_first(squares.as_mut_ptr().add(c), square, n);
            }
        }
        (mean, squares)
    }
}

/// Normalisation of groups of channels over the whole picture.
#[derive(Debug)]
pub(crate) struct GroupNorm {
    pub(crate) groups: usize,
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) eps: f32,
}

impl GroupNorm {
    pub(crate) fn describe(&self) -> String {
        format!("group norm, {} channels, {} groups", self.weight.len(), self.groups)
    }

    /// Factor and summand of each channel, given the moments of all rows.
    pub(crate) fn affine(&self, rows: &[&Moments]) -> (Vec<f32>, Vec<f32>) {
        let channels = self.weight.len();
        let per_group = channels / self.groups;
        let pixels: f64 = rows.iter().map(|row| row.pixels).sum();
        let means = Moments::mean_of(rows);
        let (mut scale, mut shift) = (vec![0.0; channels], vec![0.0; channels]);
        for group in 0..self.groups {
            let members = group * per_group..(group + 1) * per_group;
            let mean = means[members.clone()].iter().sum::<f64>() / per_group as f64;
            // Within each row, and of the rows' means from the group's.
            let square = |c: usize| -> f64 {
                rows.iter().map(|row| row.squares[c] + row.pixels * (row.mean[c] - mean).powi(2)).sum()
            };
            let variance = members.clone().map(square).sum::<f64>() / (per_group as f64 * pixels);
            let factor = 1.0 / (variance + f64::from(self.eps)).sqrt();
            for c in members {
                let weight = factor * f64::from(self.weight[c]);
                scale[c] = weight as f32;
                shift[c] = (f64::from(self.bias[c]) - mean * weight) as f32;
            }
        }
        (scale, shift)
    }
}
