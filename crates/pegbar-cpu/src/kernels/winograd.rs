//! 3x3 convolution with stride 1 by Winograd's algorithm F(4x4, 3x3): a 4x4 block of results costs 36 products for each
//! pair of channels where the definition needs 144.
//!
//! An image is cut into tiles of 4x4 results. A chunk of tiles goes through three stages while it stays in the
//! second-level cache: the 6x6 input patch of each tile is transformed to 36 planes, each plane is multiplied by its
//! matrix of transformed weights, and the planes are transformed back, with bias, activation and residual sums applied
//! before the only store. The transforms interpolate at 0, +-5/8, +-13/8 and infinity, which loses less precision than
//! the textbook 0, +-1, +-2 (Lavin and Gray, 2016).

mod gemm;
mod input;
mod output;
mod points;

use super::epilogue::{Epilogue, Residual};
use crate::CpuError;
use crate::memory::{AlignedBuffer, LINE, Rows};
use crate::simd::{Geometry, Isa, dispatch};
use gemm::{Blocking, Gemm};
use std::ops::Range;

/// Rows and columns of results in a tile.
pub(crate) const TILE: usize = 4;
/// Rows and columns of its input patch.
const PATCH: usize = TILE + 2;
/// Transformed values of a patch, for each channel.
const PLANES: usize = PATCH * PATCH;
/// Bytes that the planes of a chunk should not exceed, so that they share the second-level cache with the weights.
const CHUNK_BYTES: usize = 232 << 10;
/// More tiles than this in a chunk gain nothing: each weight is read from the cache often enough.
const MAX_CHUNK_TILES: usize = 48;

/// What every convolution kernel is told: which rows to make, from what.
#[derive(Debug, Clone)]
pub(crate) struct ConvCall<'a> {
    pub(crate) input: Rows,
    pub(crate) output: Rows,
    pub(crate) residuals: &'a [Residual],
    /// Rows of the output.
    pub(crate) rows: Range<usize>,
}

/// A compiled convolution.
#[derive(Debug)]
pub(crate) struct WinogradConv {
    cin: usize,
    cout: usize,
    /// Rows above and columns left of the input that count as zero.
    padding: [usize; 2],
    /// Floats from one tile to the next within a plane: input channels, later output channels, padded to vectors.
    tile_stride: usize,
    /// Input channels padded to vectors.
    cin_padded: usize,
    /// Largest number of tiles [`WinogradConv::run`] takes at once.
    max_chunk_tiles: usize,
    /// Floats from one plane to the next. The extra line keeps the planes out of each other's cache sets.
    plane_stride: usize,
    geometry: Geometry,
    blocking: Blocking,
    /// `[plane][panel][cin][vectors of the panel]`.
    weights: AlignedBuffer,
    epilogue: Epilogue,
}

impl WinogradConv {
    /// `weight` is `[cout][cin][3][3]`; `padding` is `[top, left]`.
    pub(crate) fn new(
        isa: Isa,
        weight: &[f32],
        cin: usize,
        cout: usize,
        padding: [usize; 2],
        epilogue: Epilogue,
    ) -> Result<Self, CpuError> {
        assert_eq!(weight.len(), cout * cin * 9);
        let geometry = isa.geometry();
        let blocking = Blocking::new(geometry, cout);
        let cin_padded = cin.next_multiple_of(geometry.lanes);
        let cout_padded = cout.next_multiple_of(geometry.lanes);
        let mut weights = AlignedBuffer::zeroed(PLANES * cin * cout_padded)?;
        let packed = weights.as_mut_slice();
        for (o, of_output) in weight.chunks_exact(cin * 9).enumerate() {
            for (i, kernel) in of_output.chunks_exact(9).enumerate() {
                let at = blocking.packed_index(cin, i, o);
                for (plane, u) in points::transform_kernel(kernel).into_iter().enumerate() {
                    packed[plane * cin * cout_padded + at] = u;
                }
            }
        }
        let tile_stride = cin_padded.max(cout_padded);
        let block = blocking.tiles;
        let fitting = CHUNK_BYTES / (PLANES * size_of::<f32>() * tile_stride);
        let max_chunk_tiles = (fitting / block * block).clamp(block, MAX_CHUNK_TILES.next_multiple_of(block));
        let plane_stride = max_chunk_tiles * tile_stride + LINE;
        Ok(Self {
            cin,
            cout,
            padding,
            tile_stride,
            cin_padded,
            max_chunk_tiles,
            plane_stride,
            geometry,
            blocking,
            weights,
            epilogue,
        })
    }

    /// What the explanation says about it.
    pub(crate) fn describe(&self) -> String {
        let Blocking { tiles, vectors, .. } = self.blocking;
        format!(
            "winograd F(4x4,3x3), {} -> {} channels, {} tiles x {} channels a block",
            self.cin,
            self.cout,
            tiles,
            vectors * self.geometry.lanes
        )
    }

    pub(crate) fn epilogue(&self) -> &Epilogue {
        &self.epilogue
    }

    pub(crate) fn padding_top(&self) -> usize {
        self.padding[0]
    }

    /// Bytes of packed weights.
    pub(crate) fn weight_bytes(&self) -> usize {
        self.weights.len() * size_of::<f32>()
    }

    /// Floats of scratch memory a call needs.
    pub(crate) fn scratch_floats(&self) -> usize {
        PLANES * self.plane_stride + PLANES * self.cin_padded + self.blocking.tiles * self.cin_padded
    }

    /// Number of tiles in `rows` rows of `width` results.
    pub(crate) fn tiles(rows: usize, width: usize) -> usize {
        rows.div_ceil(TILE) * width.div_ceil(TILE)
    }

    /// Tiles per chunk that let `threads` threads finish `tiles` tiles soonest.
    pub(crate) fn chunk_tiles(&self, tiles: usize, threads: usize) -> usize {
        let block = self.blocking.tiles;
        let max = self.max_chunk_tiles;
        // A chunk costs what its blocks cost, and about half a block to read the weights.
        let cost = |size: usize| {
            let rounds = tiles.div_ceil(size).div_ceil(threads);
            rounds * (2 * size.min(tiles).div_ceil(block) + 1)
        };
        (1..=max / block).map(|n| n * block).rev().min_by_key(|&size| cost(size)).unwrap_or(block)
    }

    /// Makes some tiles of `call.rows`, numbered row by row.
    pub(crate) fn run(&self, isa: Isa, call: &ConvCall<'_>, tiles: Range<usize>, scratch: &mut [f32]) {
        assert!(tiles.len() <= self.max_chunk_tiles);
        assert!(call.input.channels() == self.cin && call.output.channels() == self.cout);
        let (planes, rest) = scratch.split_at_mut(PLANES * self.plane_stride);
        let (patch, rest) = rest.split_at_mut(PLANES * self.cin_padded);
        let block = &mut rest[..self.blocking.tiles * self.cin_padded];
        dispatch(isa, input::Transform { conv: self, call, tiles: tiles.clone(), planes, patch });
        dispatch(isa, Gemm { conv: self, n_tiles: tiles.len(), planes, block });
        dispatch(isa, output::Transform { conv: self, call, tiles: tiles.clone(), planes });
        if !self.epilogue.has_curve() {
            return;
        }
        let width = call.output.width();
        let tiles_x = width.div_ceil(TILE);
        for tile in tiles {
            let (top, left) = (call.rows.start + tile / tiles_x * TILE, tile % tiles_x * TILE);
            for y in top..(top + TILE).min(call.rows.end) {
                self.epilogue.finish(isa, &call.output, y, left..(left + TILE).min(width));
            }
        }
    }
}

#[cfg(test)]
mod tests;
