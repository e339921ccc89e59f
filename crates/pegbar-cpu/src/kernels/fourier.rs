//! Convolution with a large kernel and stride 1 by way of frequencies: what costs a product for each tap costs one for each
//! frequency there, and a 64x64 transform serves for 48x48 results of a 17x17 kernel.
//!
//! An image is cut into tiles of results (overlap-save: each is made from a square of inputs whose transform wraps around, and
//! only results that no wrapped input reaches are kept). Two tiles side by side are the real and the imaginary part of one
//! square of complex numbers. As kernels are real, the parts stay apart, and nothing has to be sorted out before or after the
//! products. A chunk of pairs goes through three stages while it stays in the second-level cache: [`forward`], one
//! matrix product for each frequency ([`products`]), and [`inverse`], with bias, activation and residual sums applied before the
//! only store. All is `f32`; kernels are transformed in double precision, when the network is compiled.

mod forward;
mod inverse;
mod products;
mod series;

use super::direct::ConvShape;
use super::epilogue::Epilogue;
use super::tiles::Tiles;
use super::winograd::ConvCall;
use crate::CpuError;
use crate::memory::{AlignedBuffer, Element, LINE};
use crate::simd::{Half, Isa, Single, Stored, dispatch};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

/// Sides of transforms that there are.
const SIDES: [usize; 2] = [32, 64];
/// Bytes that the planes of a chunk should not exceed, so that they share the second-level cache with the room for a tile and
/// with weights on their way through.
const CHUNK_BYTES: usize = 544 << 10;
/// More pairs than this in a chunk gain nothing.
const MAX_PAIRS: usize = 8;
/// Bytes of weights that a transform of more than the smallest side may take.
const MAX_LARGE_BYTES: usize = 16 << 20;
/// Part of the direct way's cost that transforms must stay below, and part of a small transform's cost for a large one.
const GAIN: f64 = 0.9;
const LARGE_GAIN: f64 = 0.75;

/// A compiled convolution.
#[derive(Debug)]
pub(crate) struct FourierConv {
    isa: Isa,
    shape: ConvShape,
    /// Numbers in a row or column of a transform.
    side: usize,
    /// Rows and columns of results in a tile.
    tile: [usize; 2],
    /// Floats from the real to the imaginary parts of a pair of tiles within a plane; twice as many to the next pair.
    half: usize,
    /// Floats from one frequency to the next, and to the next row of frequencies. An extra line keeps columns out of each
    /// other's cache sets.
    plane: usize,
    plane_row: usize,
    /// Most pairs that [`FourierConv::run`] takes at once.
    max_pairs: usize,
    turns: Vec<f32>,
    /// `[frequency of the half plane][vector of outputs][cin]` of a real and an imaginary vector, without `cin` where depthwise.
    weights: Arc<AlignedBuffer>,
    epilogue: Epilogue,
}

/// Floats from one row of the room for a tile to the next. The extra line as for planes.
fn tile_row(side: usize, lanes: usize) -> usize {
    2 * side * lanes + LINE
}

impl FourierConv {
    /// The side of the transforms that a convolution is best made with, if that is faster than the direct way.
    pub(crate) fn side_for(isa: Isa, shape: &ConvShape) -> Option<usize> {
        let takes = shape.stride == [1, 1] && shape.dilation == [1, 1];
        if !takes || (shape.groups != 1 && !shape.is_depthwise()) {
            return None;
        }
        let costs = SIDES.into_iter().filter_map(|side| Some((side, cost(isa, shape, side)?)));
        let (side, cost) = costs.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (cost < GAIN * direct_cost(isa, shape)).then_some(side)
    }

    /// Bytes that its weights take.
    pub(crate) fn weight_bytes_of(isa: Isa, shape: &ConvShape, side: usize) -> usize {
        let cout = shape.cout.next_multiple_of(isa.geometry().lanes);
        let pairs = if shape.is_depthwise() { cout } else { cout.saturating_mul(shape.cin) };
        pairs.saturating_mul(2 * products::half_plane_len(side) * size_of::<f32>())
    }

    /// `weight` is `[cout][cin / groups][kh][kw]`, and the kernel must be smaller than `side`.
    pub(crate) fn new(
        isa: Isa,
        side: usize,
        weight: &[f32],
        shape: ConvShape,
        epilogue: Epilogue,
    ) -> Result<Self, CpuError> {
        let [rows, columns] = tile(&shape, side).unwrap_or([1, 1]);
        let lanes = isa.geometry().lanes;
        let half = shape.cin.max(shape.cout).next_multiple_of(lanes);
        let max_pairs = max_pairs(half, side);
        let plane = max_pairs * 2 * half;
        Ok(Self {
            isa,
            shape,
            side,
            tile: [rows, columns],
            half,
            plane,
            plane_row: side * plane + LINE,
            max_pairs,
            turns: series::turns(side),
            weights: Arc::new(transformed(isa, side, weight, &shape)?),
            epilogue,
        })
    }

    pub(crate) fn shape(&self) -> ConvShape {
        self.shape
    }

    /// The same convolution with something else done to its results. Weights are not copied.
    pub(crate) fn again(&self, epilogue: Epilogue) -> Self {
        Self { weights: Arc::clone(&self.weights), turns: self.turns.clone(), epilogue, ..*self }
    }

    /// What the explanation says about it.
    pub(crate) fn describe(&self) -> String {
        let ConvShape { cin, cout, kernel: [kh, kw], .. } = self.shape;
        let kind = if self.shape.is_depthwise() { "depthwise " } else { "" };
        let (side, [rows, columns]) = (self.side, self.tile);
        format!(
            "f32 {kind}{kh}x{kw} by Fourier transforms of {side}x{side}, {cin} -> {cout} channels, tiles of {rows}x{columns}"
        )
    }

    pub(crate) fn epilogue(&self) -> &Epilogue {
        &self.epilogue
    }

    /// Bytes of transformed weights.
    pub(crate) fn weight_bytes(&self) -> usize {
        self.weights.len() * size_of::<f32>()
    }

    /// Rows of results in a tile.
    pub(crate) fn tile_rows(&self) -> usize {
        self.tile[0]
    }

    /// Columns of results in a pair of tiles.
    pub(crate) fn pair_columns(&self) -> usize {
        2 * self.tile[1]
    }

    /// Columns of an input of that width that pairs of these columns are made of.
    pub(crate) fn source_columns(&self, columns: Range<usize>, width: usize) -> Range<usize> {
        let end = columns.end.next_multiple_of(self.pair_columns()) + self.shape.kernel[1] - 1;
        let clip = |x: usize| x.saturating_sub(self.shape.padding[1]).min(width);
        clip(columns.start)..clip(end)
    }

    /// How many pairs wide strips should be that `threads` threads share rows of `width` results in: a chunk wide, if there is
    /// enough for everyone.
    pub(crate) fn strip_pairs(&self, n_rows: usize, width: usize, threads: usize) -> usize {
        let across = width.div_ceil(self.pair_columns());
        if threads == 1 {
            return across.max(1);
        }
        let chunk = self.max_pairs.div_ceil(n_rows.div_ceil(self.tile[0]).max(1));
        chunk.min(across.div_ceil(2 * threads)).max(1)
    }

    /// The pairs of a strip, in chunks that [`FourierConv::run`] takes.
    pub(crate) fn chunks(&self, n_rows: usize, strip: Range<usize>) -> impl Iterator<Item = Tiles> + use<> {
        let tile_rows = n_rows.div_ceil(self.tile[0]);
        // Chunks of about one size rather than whole ones and a rest.
        let all = tile_rows * strip.len();
        let size = all.div_ceil(all.div_ceil(self.max_pairs).max(1)).max(1);
        Tiles::chunks(tile_rows, strip, size)
    }

    /// Parts of the scratch memory, in floats: planes, a tile, what lies between the steps of a series, a line or the numbers
    /// that a block of products holds.
    fn scratch_parts(&self) -> [usize; 4] {
        let lanes = self.isa.geometry().lanes;
        [
            self.side * self.plane_row,
            self.side * tile_row(self.side, lanes),
            series::between_floats(self.side, lanes),
            products::held_floats(2 * self.half).max(2 * self.side * lanes),
        ]
        .map(|floats| floats.next_multiple_of(LINE))
    }

    /// Floats of scratch memory a call needs.
    pub(crate) fn scratch_floats(&self) -> usize {
        self.scratch_parts().iter().sum()
    }

    /// Makes some pairs of tiles of `call.rows`. Returns the largest magnitude it has read of half floats.
    pub(crate) fn run(&self, call: &ConvCall<'_>, pairs: &Tiles, scratch: &mut [f32]) -> f32 {
        assert!(pairs.len() <= self.max_pairs);
        match self.side {
            32 => self.run_with_side::<32>(call, pairs, scratch),
            _ => self.run_with_side::<64>(call, pairs, scratch),
        }
    }

    fn run_with_side<const N: usize>(&self, call: &ConvCall<'_>, pairs: &Tiles, scratch: &mut [f32]) -> f32 {
        let largest = match call.input.element() {
            Element::F32 => {
                self.forward::<Single, N>(call, pairs, scratch);
                0.0
            }
            Element::F16 => self.forward::<Half, N>(call, pairs, scratch),
        };
        let [planes, _, _, held] = self.split(scratch);
        dispatch(self.isa, products::Products { conv: self, n_pairs: pairs.len(), planes, held });
        match call.output.element() {
            Element::F32 => self.inverse::<Single, N>(call, pairs, scratch),
            Element::F16 => self.inverse::<Half, N>(call, pairs, scratch),
        }
        if self.epilogue.has_finish() {
            let (width, [rows, _]) = (call.output.width(), self.tile);
            for (row, in_row) in pairs.rows() {
                let top = call.rows.start + row * rows;
                for y in top..(top + rows).min(call.rows.end) {
                    let columns = in_row.start * self.pair_columns()..in_row.end * self.pair_columns();
                    self.epilogue.finish(self.isa, call, y, columns.start..columns.end.min(width));
                }
            }
        }
        largest
    }

    fn forward<E: Stored, const N: usize>(
        &self,
        call: &ConvCall<'_>,
        pairs: &Tiles,
        scratch: &mut [f32],
    ) -> f32 {
        let [planes, tile, between, _] = self.split(scratch);
        let element = PhantomData::<E>;
        dispatch(
            self.isa,
            forward::Forward::<E, N> { conv: self, call, pairs, planes, tile, between, element },
        )
    }

    fn inverse<O: Stored, const N: usize>(&self, call: &ConvCall<'_>, pairs: &Tiles, scratch: &mut [f32]) {
        let [planes, tile, between, line] = self.split(scratch);
        let element = PhantomData::<O>;
        dispatch(
            self.isa,
            inverse::Inverse::<O, N> { conv: self, call, pairs, planes, tile, between, line, element },
        );
    }

    /// Cuts scratch memory into its parts.
    fn split<'a>(&self, mut scratch: &'a mut [f32]) -> [&'a mut [f32]; 4] {
        self.scratch_parts().map(|floats| {
            let (part, rest) = std::mem::take(&mut scratch).split_at_mut(floats);
            scratch = rest;
            part
        })
    }
}

/// Rows and columns of results that a transform gives; none where the kernel is too large for it.
fn tile(shape: &ConvShape, side: usize) -> Option<[usize; 2]> {
    let [rows, columns] = shape.kernel.map(|kernel| (side + 1).checked_sub(kernel).filter(|&n| n > 0));
    // Convolutions of 3x3 around it take rows by fours.
    let rows = rows.map(|rows| if rows > 12 { rows / 4 * 4 } else { rows });
    Some([rows?, columns?])
}

fn max_pairs(half: usize, side: usize) -> usize {
    (CHUNK_BYTES / pair_bytes(half, side).max(1)).clamp(1, MAX_PAIRS)
}

/// Bytes of the planes of a pair.
fn pair_bytes(half: usize, side: usize) -> usize {
    side.saturating_mul(side).saturating_mul(2 * half).saturating_mul(size_of::<f32>())
}

/// What a result costs with that side, in vector operations of the direct way; none where the kernel is too large for it. The
/// numbers were measured with vectors of sixteen, for 3 to 64 channels and kernels of 5x5 to 31x31.
fn cost(isa: Isa, shape: &ConvShape, side: usize) -> Option<f64> {
    let [rows, columns] = tile(shape, side)?;
    let lanes = isa.geometry().lanes;
    let weight_bytes = FourierConv::weight_bytes_of(isa, shape, side);
    let is_large = side > SIDES[0];
    if is_large && weight_bytes > MAX_LARGE_BYTES {
        return None;
    }
    let [inputs, outputs] = [shape.cin, shape.cout].map(|channels| channels.div_ceil(lanes) as f64);
    let numbers = side as f64;
    let half = shape.cin.max(shape.cout).next_multiple_of(lanes);
    let pairs = max_pairs(half, side) as f64;
    // With reading and writing, which takes longer where a pair alone fills the cache.
    let series = if is_large { 2600.0 } else { 1200.0 };
    let series = if half >= 64 { 1.5 * series } else { series };
    let transforms = series * (inputs * 2.0 * numbers + outputs * (numbers + rows as f64));
    let of_frequency = if shape.is_depthwise() { 10.0 } else { 4.5 * shape.cin as f64 };
    let products = numbers * numbers * of_frequency * outputs;
    // Weights come from afar, once for a chunk.
    let weights = weight_bytes as f64 / 40.0 / pairs;
    let cost = (transforms + products + weights) / (2 * rows * columns) as f64;
    Some(if is_large { cost / LARGE_GAIN } else { cost })
}

/// As [`cost`], of a direct convolution.
fn direct_cost(isa: Isa, shape: &ConvShape) -> f64 {
    let taps = (shape.kernel[0] * shape.kernel[1]) as f64;
    let outputs = shape.cout.div_ceil(isa.geometry().lanes) as f64;
    let inputs = if shape.is_depthwise() { 1.4 } else { shape.cin as f64 };
    taps * inputs * outputs
}

/// The conjugate frequencies of all kernels, divided by the numbers of a square, as [`FourierConv`] keeps them. A direct sum for
/// each frequency, along rows and then along columns, in double precision.
fn transformed(isa: Isa, side: usize, weight: &[f32], shape: &ConvShape) -> Result<AlignedBuffer, CpuError> {
    let lanes = isa.geometry().lanes;
    let ConvShape { cin, cout, kernel: [kh, kw], .. } = *shape;
    let cin = if shape.is_depthwise() { 1 } else { cin };
    assert_eq!(weight.len(), cout * cin * kh * kw);
    let mut weights =
        AlignedBuffer::zeroed(FourierConv::weight_bytes_of(isa, shape, side) / size_of::<f32>())?;
    let to = weights.as_mut_slice();
    let of_frequency = cout.div_ceil(lanes) * cin * 2 * lanes;
    let turns: Vec<[f64; 2]> = (0..side)
        .map(|n| std::f64::consts::TAU * n as f64 / side as f64)
        .map(|angle| [angle.cos(), angle.sin()])
        .collect();
    let turn = |n: usize, k: usize| turns[n * k % side];
    let half = side / 2 + 1;
    let scale = 1.0 / (side * side) as f64;
    // Some outputs at a time, so that one loop over them is one over neighbours.
    const AT_ONCE: usize = 8;
    let mut rows = vec![[[0.0f64; AT_ONCE]; 2]; kh * half];
    for first in (0..cout).step_by(AT_ONCE) {
        let n = AT_ONCE.min(cout - first);
        for i in 0..cin {
            let tap = |y: usize, x: usize| -> [f64; AT_ONCE] {
                let of = |o: usize| f64::from(weight[(((first + o) * cin + i) * kh + y) * kw + x]);
                std::array::from_fn(|o| if o < n { of(o) * scale } else { 0.0 })
            };
            rows.fill([[0.0; AT_ONCE]; 2]);
            for y in 0..kh {
                for x in 0..kw {
                    let tap = tap(y, x);
                    for (k, [re, im]) in rows[y * half..(y + 1) * half].iter_mut().enumerate() {
                        let [cos, sin] = turn(x, k);
                        for o in 0..AT_ONCE {
                            re[o] += tap[o] * cos;
                            im[o] += tap[o] * sin;
                        }
                    }
                }
            }
            for (f, ([ky, kx], _)) in products::half_plane(side).enumerate() {
                let (mut re, mut im) = ([0.0; AT_ONCE], [0.0; AT_ONCE]);
                for y in 0..kh {
                    let [cos, sin] = turn(y, ky);
                    let [row_re, row_im] = &rows[y * half + kx];
                    for o in 0..AT_ONCE {
                        re[o] += row_re[o] * cos - row_im[o] * sin;
                        im[o] += row_re[o] * sin + row_im[o] * cos;
                    }
                }
                for o in 0..n {
                    let (vector, lane) = ((first + o) / lanes, (first + o) % lanes);
                    let at = f * of_frequency + (vector * cin + i) * 2 * lanes + lane;
                    to[at] = re[o] as f32;
                    to[at + lanes] = im[o] as f32;
                }
            }
        }
    }
    Ok(weights)
}

#[cfg(test)]
mod tests;
