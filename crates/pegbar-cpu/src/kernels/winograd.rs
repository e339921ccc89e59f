//! 3x3 convolution with stride 1 by Winograd's algorithm: F(4x4, 3x3) computes a 4x4 block of results with 36 products for
//! each pair of channels, F(6x6, 3x3) a 6x6 block with 64, where the definition needs 144 and 324.
//!
//! An image is cut into tiles of results. A chunk of tiles goes through three stages while it stays in the second-level
//! cache: the input patch of each tile is transformed to planes, each plane is multiplied by its matrix of transformed
//! weights, and the planes are transformed back, with bias, activation and residual sums applied before the only store.
//! The products are those of floats, or of 16-bit integers (with the smaller tile only: the larger one loses more).

mod ahead;
mod gemm;
mod input;
mod integers;
mod output;
mod scheme;

use super::epilogue::{Epilogue, Residual};
use super::pairs::pair_stride;
use super::tiles::Tiles;
use crate::CpuError;
use crate::memory::{AlignedBuffer, Element, LINE, Rows};
use crate::simd::{Geometry, Half, Isa, Single, Stored, dispatch, dispatch_int};
use ahead::Ahead;
use gemm::{Blocking, Gemm};
use integers::{IntGemm, IntWeights};
use scheme::{F4, F6, Scheme};
use std::marker::PhantomData;
use std::ops::Range;

/// Planes of F(4x4, 3x3).
const F4_PLANES: usize = F4::PATCH * F4::PATCH;
/// Bytes that the planes of a chunk should not exceed, so that they share the second-level cache with the weights.
const CHUNK_BYTES: usize = 400 << 10;
/// Weights of more bytes do not share the second-level cache with the planes of a chunk, and should not drive them out.
const LARGE_WEIGHT_BYTES: usize = 512 << 10;
/// More tiles than this in a chunk gain nothing: each weight is read from the cache often enough.
const MAX_CHUNK_TILES: usize = 48;

/// The products of a Winograd convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Products {
    /// Floats, tiles of 4x4.
    Float4,
    /// Floats, tiles of 6x6.
    Float6,
    /// 16-bit integers, tiles of 4x4.
    Int4,
}

impl Products {
    /// Rows and columns of results in a tile.
    pub(crate) fn tile(self) -> usize {
        match self {
            Self::Float4 | Self::Int4 => F4::TILE,
            Self::Float6 => F6::TILE,
        }
    }

    pub(crate) fn planes(self) -> usize {
        (self.tile() + 2) * (self.tile() + 2)
    }
}

/// What every convolution kernel is told: which rows to make, from what.
#[derive(Debug, Clone)]
pub(crate) struct ConvCall<'a> {
    pub(crate) input: Rows,
    pub(crate) output: Rows,
    pub(crate) residuals: &'a [Residual],
    /// What the epilogue's gate adds, if it has one.
    pub(crate) gate: Option<Rows>,
    /// Rows of the output.
    pub(crate) rows: Range<usize>,
}

/// A 3x3 convolution to compile.
#[derive(Debug)]
pub(crate) struct WinogradShape<'a> {
    /// `[cout][cin][3][3]`.
    pub(crate) weight: &'a [f32],
    pub(crate) cin: usize,
    pub(crate) cout: usize,
    /// Rows above and columns left of the input that count as zero.
    pub(crate) padding: [usize; 2],
    /// How often each row and column of the input is repeated before it is convolved: enlarged to the nearest.
    pub(crate) repeat: usize,
}

/// A compiled convolution.
#[derive(Debug)]
pub(crate) struct WinogradConv {
    isa: Isa,
    cin: usize,
    cout: usize,
    padding: [usize; 2],
    repeat: usize,
    products: Products,
    /// Floats (or pairs of integers) from one tile to the next within a transformed plane.
    from_stride: usize,
    /// From one plane to the next. The extra line keeps the planes out of each other's cache sets.
    from_plane: usize,
    /// As `from_stride` and `from_plane`, of the products. The same memory where products are floats.
    to_stride: usize,
    to_plane: usize,
    /// Largest number of tiles [`WinogradConv::run`] takes at once.
    max_chunk_tiles: usize,
    geometry: Geometry,
    blocking: Blocking,
    weights: Weights,
    epilogue: Epilogue,
}

#[derive(Debug)]
enum Weights {
    /// `[plane][panel][cin][vectors of the panel]`.
    Floats(AlignedBuffer),
    Integers(IntWeights),
}

impl WinogradConv {
    /// Compiles a convolution. Where the weights do not suit integers, floats take their place.
    pub(crate) fn new(
        isa: Isa,
        products: Products,
        shape: &WinogradShape<'_>,
        epilogue: Epilogue,
    ) -> Result<Self, CpuError> {
        let &WinogradShape { weight, cin, cout, padding, repeat } = shape;
        assert_eq!(weight.len(), cout * cin * 9);
        let mut chosen = isa;
        let mut integers = None;
        if products == Products::Int4 {
            chosen = shorter(isa, cin, cout).unwrap_or(isa);
            let geometry = chosen.geometry();
            integers = IntWeights::new(geometry, &Blocking::new(geometry, cout), weight, cin, cout)?;
        }
        let isa = if integers.is_some() { chosen } else { isa };
        let geometry = isa.geometry();
        let blocking = Blocking::new(geometry, cout);
        let cout_padded = cout.next_multiple_of(geometry.lanes);
        let (products, weights, from_stride, to_stride) = match integers {
            Some(integers) => {
                let from_stride = pair_stride(geometry, cin);
                (Products::Int4, Weights::Integers(integers), from_stride, cout_padded)
            }
            None => {
                let products = if products == Products::Int4 { Products::Float4 } else { products };
                let stride = cin.next_multiple_of(geometry.lanes).max(cout_padded);
                let weights = float_weights(products, &blocking, shape, cout_padded)?;
                (products, Weights::Floats(weights), stride, stride)
            }
        };
        let tile_floats = match weights {
            Weights::Integers(_) => from_stride + to_stride,
            Weights::Floats(_) => from_stride,
        };
        let block = blocking.tiles;
        let fitting = CHUNK_BYTES / (products.planes() * size_of::<f32>() * tile_floats);
        let max_chunk_tiles = (fitting / block * block).clamp(block, MAX_CHUNK_TILES.next_multiple_of(block));
        Ok(Self {
            isa,
            cin,
            cout,
            padding,
            repeat,
            products,
            from_stride,
            from_plane: max_chunk_tiles * from_stride + LINE,
            to_stride,
            to_plane: max_chunk_tiles * to_stride + LINE,
            max_chunk_tiles,
            geometry,
            blocking,
            weights,
            epilogue,
        })
    }

    /// What the explanation says about it.
    pub(crate) fn describe(&self) -> String {
        let Blocking { tiles, vectors, .. } = self.blocking;
        let kind = match self.products {
            Products::Float4 => "f32 winograd F(4x4,3x3)",
            Products::Float6 => "f32 winograd F(6x6,3x3)",
            Products::Int4 => "int16 winograd F(4x4,3x3)",
        };
        let enlarged = if self.repeat > 1 { format!("nearest x{} + ", self.repeat) } else { String::new() };
        let channels = vectors * self.geometry.lanes;
        let (cin, cout, lanes) = (self.cin, self.cout, self.geometry.lanes);
        format!(
            "{enlarged}{kind}, {cin} -> {cout} channels, {tiles} tiles x {channels} channels a block, vectors of {lanes}"
        )
    }

    pub(crate) fn epilogue(&self) -> &Epilogue {
        &self.epilogue
    }

    pub(crate) fn padding_top(&self) -> usize {
        self.padding[0]
    }

    /// Columns of an input of that width that tiles of these columns are made of.
    pub(crate) fn source_columns(&self, columns: Range<usize>, width: usize) -> Range<usize> {
        let end = columns.end.next_multiple_of(self.products.tile()) + 2;
        let clip = |x: usize| (x.saturating_sub(self.padding[1])).min(width * self.repeat);
        clip(columns.start) / self.repeat..clip(end).div_ceil(self.repeat)
    }

    pub(crate) fn repeat(&self) -> usize {
        self.repeat
    }

    pub(crate) fn products(&self) -> Products {
        self.products
    }

    /// Bytes of packed weights.
    pub(crate) fn weight_bytes(&self) -> usize {
        match &self.weights {
            Weights::Floats(weights) => weights.len() * size_of::<f32>(),
            Weights::Integers(weights) => weights.bytes(),
        }
    }

    fn n_planes(&self) -> usize {
        self.products.planes()
    }

    /// Parts of the scratch memory, in floats: planes, products (none where they take the place of the planes), columns, a
    /// pixel of zeros, and magnitudes of tiles or a block set aside.
    fn scratch_parts(&self) -> [usize; 5] {
        let lanes = self.geometry.lanes;
        let cin_padded = self.cin.next_multiple_of(lanes);
        let planes = self.n_planes() * self.from_plane;
        let columns = match self.products {
            Products::Float4 => input::column_floats::<F4>() * lanes,
            Products::Float6 => input::column_floats::<F6>() * lanes,
            Products::Int4 => input::int_column_floats(lanes, self.cin),
        };
        match self.weights {
            Weights::Floats(_) => [planes, 0, columns, cin_padded, self.blocking.tiles * cin_padded],
            Weights::Integers(_) => {
                let products = self.n_planes() * self.to_plane;
                [planes, products, columns, cin_padded, self.max_chunk_tiles.next_multiple_of(LINE)]
            }
        }
        .map(|floats| floats.next_multiple_of(LINE))
    }

    /// Floats of scratch memory a call needs.
    pub(crate) fn scratch_floats(&self) -> usize {
        self.scratch_parts().iter().sum()
    }

    /// Tiles side by side in a row of `width` results.
    pub(crate) fn tiles_across(&self, width: usize) -> usize {
        width.div_ceil(self.products.tile())
    }

    /// How many tiles wide strips should be that `threads` threads share rows of `width` results in.
    pub(crate) fn strip_tiles(&self, n_rows: usize, width: usize, threads: usize) -> usize {
        let across = self.tiles_across(width);
        if threads == 1 {
            return across;
        }
        // With fewer strips threads wait for each other; more have more blocks that are not full.
        let strips = 4 * threads..=10 * threads;
        let widths = strips.map(|n| across.div_ceil(n).max(1));
        let cost = |width: &usize| {
            let of = |width: usize| self.chunk_tiles(n_rows, width).1;
            across / width * of(*width) + of(across % width)
        };
        widths.min_by_key(cost).unwrap_or(across)
    }

    /// Tiles per chunk that a strip is best made in, and what it costs then.
    fn chunk_tiles(&self, n_rows: usize, strip: usize) -> (usize, usize) {
        let tiles = n_rows.div_ceil(self.products.tile()) * strip;
        let block = self.blocking.tiles;
        // Only integers have a smaller block for what is left.
        let rest = if self.products == Products::Int4 { self.blocking.rest() } else { block };
        let padded = |tiles: usize| {
            let left = tiles % block;
            tiles - left + if left > rest { block } else { left.min(1) * rest }
        };
        // A chunk costs what its blocks cost, and about half a block to read the weights.
        let cost = |size: usize| {
            let of = |tiles: usize| 2 * padded(tiles) + tiles.min(1) * block;
            (size, tiles / size * of(size) + of(tiles % size))
        };
        let sizes = (1..=self.max_chunk_tiles / block).map(|n| n * block);
        sizes.rev().map(cost).min_by_key(|&(_, cost)| cost).unwrap_or((block, 0))
    }

    /// The tiles of a strip, in chunks that [`WinogradConv::run`] takes.
    pub(crate) fn chunks(&self, n_rows: usize, strip: Range<usize>) -> impl Iterator<Item = Tiles> + use<> {
        let (size, _) = self.chunk_tiles(n_rows, strip.len());
        Tiles::chunks(n_rows.div_ceil(self.products.tile()), strip, size)
    }

    /// Makes some tiles of `call.rows`. Returns the largest magnitude in the input, where integers
    /// needed it.
    pub(crate) fn run(&self, call: &ConvCall<'_>, tiles: &Tiles, scratch: &mut [f32]) -> f32 {
        assert!(tiles.len() <= self.max_chunk_tiles);
        assert!(call.input.channels() == self.cin && call.output.channels() == self.cout);
        let largest = match (self.products, call.input.element()) {
            (Products::Float4, Element::F32) => self.floats::<F4, Single>(call, tiles, scratch),
            (Products::Float4, Element::F16) => self.floats::<F4, Half>(call, tiles, scratch),
            (Products::Float6, Element::F32) => self.floats::<F6, Single>(call, tiles, scratch),
            (Products::Float6, Element::F16) => unreachable!("the planner pairs halves with small tiles"),
            (Products::Int4, Element::F32) => self.integers::<Single>(call, tiles, scratch),
            (Products::Int4, Element::F16) => self.integers::<Half>(call, tiles, scratch),
        };
        if self.epilogue.has_finish() {
            let (width, tile) = (call.output.width(), self.products.tile());
            for (row, in_row) in tiles.rows() {
                let top = call.rows.start + row * tile;
                for y in top..(top + tile).min(call.rows.end) {
                    let columns = in_row.start * tile..(in_row.end * tile).min(width);
                    self.epilogue.finish(self.isa, call, y, columns);
                }
            }
        }
        largest
    }

    fn floats<W: Scheme, E: Stored>(&self, call: &ConvCall<'_>, tiles: &Tiles, scratch: &mut [f32]) -> f32 {
        let [planes, _, columns, zeros, block] = split(scratch, self.scratch_parts());
        let Weights::Floats(weights) = &self.weights else {
            unreachable!("float products have float weights")
        };
        let n_tiles = tiles.len();
        zeros.fill(0.0);
        dispatch(
            self.isa,
            input::ToFloats::<W, E> {
                conv: self,
                call,
                tiles,
                planes,
                columns,
                zeros: E::view(zeros),
                scheme: PhantomData,
            },
        );
        let ahead = self.ahead(call, tiles);
        dispatch(self.isa, Gemm { conv: self, n_tiles, planes, block, weights: weights.as_slice(), ahead });
        self.output::<W>(call, tiles, planes, &[]);
        0.0
    }

    /// What to fetch while these tiles are multiplied.
    fn ahead(&self, call: &ConvCall<'_>, tiles: &Tiles) -> Ahead {
        let panels = self.blocking.all_vectors.div_ceil(self.blocking.vectors);
        let n_blocks = self.n_planes() * panels * tiles.len().div_ceil(self.blocking.tiles);
        Ahead::new(self, call, tiles, n_blocks)
    }

    fn integers<E: Stored>(&self, call: &ConvCall<'_>, tiles: &Tiles, scratch: &mut [f32]) -> f32 {
        let [planes, products, columns, zeros, largest] = split(scratch, self.scratch_parts());
        let Weights::Integers(weights) = &self.weights else {
            unreachable!("integer products have such weights")
        };
        let n_tiles = tiles.len();
        zeros.fill(0.0);
        let most = dispatch_int(
            self.isa,
            input::ToIntegers::<E> {
                conv: self,
                weights,
                call,
                tiles,
                planes,
                columns,
                zeros: E::view(zeros),
                largest,
            },
        );
        let ahead = self.ahead(call, tiles);
        dispatch_int(self.isa, IntGemm { conv: self, weights, n_tiles, from: planes, to: products, ahead });
        self.output::<F4>(call, tiles, products, &largest[..n_tiles]);
        most
    }

    fn output<W: Scheme>(&self, call: &ConvCall<'_>, tiles: &Tiles, planes: &[f32], scales: &[f32]) {
        match call.output.element() {
            Element::F32 => {
                let kinds = PhantomData::<(W, Single)>;
                dispatch(self.isa, output::Transform { conv: self, call, tiles, planes, scales, kinds });
            }
            Element::F16 => {
                let kinds = PhantomData::<(W, Half)>;
                dispatch(self.isa, output::Transform { conv: self, call, tiles, planes, scales, kinds });
            }
        }
    }
}

/// The instruction set with shorter vectors, where these channels leave so much of the last long ones empty that it is
/// faster.
fn shorter(isa: Isa, cin: usize, cout: usize) -> Option<Isa> {
    let short = isa.short()?;
    let cost = |isa: Isa| {
        let [cin, cout] = [cin, cout].map(|channels| channels.next_multiple_of(isa.geometry().lanes));
        // The products, and the transforms of the input and of the output.
        cin * cout + 17 * (cin + cout)
    };
    // Short vectors lose some five percent by their number.
    (cost(short) * 100 < cost(isa) * 93).then_some(short)
}

/// Transforms and packs weights for products of floats.
fn float_weights(
    products: Products,
    blocking: &Blocking,
    shape: &WinogradShape<'_>,
    cout_padded: usize,
) -> Result<AlignedBuffer, CpuError> {
    let points = if products == Products::Float6 { &scheme::F6_POINTS[..] } else { &scheme::F4_POINTS[..] };
    let plane_floats = shape.cin * cout_padded;
    let mut weights = AlignedBuffer::zeroed(products.planes() * plane_floats)?;
    let packed = weights.as_mut_slice();
    for (o, of_output) in shape.weight.chunks_exact(shape.cin * 9).enumerate() {
        for (i, kernel) in of_output.chunks_exact(9).enumerate() {
            let at = blocking.packed_index(shape.cin, i, o);
            for (plane, u) in scheme::transform_kernel(points, kernel).into_iter().enumerate() {
                packed[plane * plane_floats + at] = u as f32;
            }
        }
    }
    Ok(weights)
}

/// Cuts scratch memory into parts.
fn split(mut scratch: &mut [f32], floats: [usize; 5]) -> [&mut [f32]; 5] {
    floats.map(|floats| {
        let (part, rest) = std::mem::take(&mut scratch).split_at_mut(floats);
        scratch = rest;
        part
    })
}

#[cfg(test)]
mod tests;
