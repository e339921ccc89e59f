//! From planes to planes: each plane's tiles times its matrix of weights.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::WinogradConv;
use super::ahead::Ahead;
use crate::memory::LINE;
use crate::simd::{Geometry, Kernel, Simd};

/// How the product is cut into blocks that fit the registers: `tiles` rows by `vectors` vectors of output channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocking {
    pub(super) tiles: usize,
    pub(super) vectors: usize,
    lanes: usize,
    /// Vectors of all output channels.
    pub(super) all_vectors: usize,
}

impl Blocking {
    pub(super) fn new(geometry: Geometry, cout: usize) -> Self {
        let all_vectors = cout.div_ceil(geometry.lanes);
        let (tiles, vectors) = if geometry.registers >= 32 {
            match all_vectors {
                1 | 2 => (12, all_vectors),
                3 => (8, 3),
                _ => (6, 4),
            }
        } else {
            match all_vectors {
                1 => (12, 1),
                3 => (4, 3),
                _ => (6, 2),
            }
        };
        Self { tiles, vectors, lanes: geometry.lanes, all_vectors }
    }

    /// Tiles of a smaller block, for what is left at the end.
    pub(super) fn rest(&self) -> usize {
        match self.tiles {
            12 | 8 => 4,
            tiles => tiles / 2,
        }
    }

    /// Where the weight of an input and an output channel lies within a plane: panels of `vectors` vectors, each
    /// input channel after the other.
    pub(super) fn packed_index(&self, cin: usize, input: usize, output: usize) -> usize {
        let panel_channels = self.vectors * self.lanes;
        let panel = output / panel_channels;
        let vectors = self.vectors.min(self.all_vectors - panel * self.vectors);
        panel * panel_channels * cin + input * vectors * self.lanes + output % panel_channels
    }
}

/// Multiplies in place: the input channels of a tile are overwritten by its output channels.
pub(super) struct Gemm<'a> {
    pub(super) conv: &'a WinogradConv,
    pub(super) n_tiles: usize,
    pub(super) planes: &'a mut [f32],
    /// Room for the input channels of one block.
    pub(super) block: &'a mut [f32],
    pub(super) weights: &'a [f32],
    pub(super) ahead: Ahead,
}

impl Kernel for Gemm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Blocking { tiles, vectors, all_vectors, lanes } = self.conv.blocking;
        assert_eq!(lanes, S::LANES);
        if S::REGISTERS >= 32 {
            match (tiles, vectors, all_vectors) {
                (12, 1, 1) => self.one_panel::<S, 12, 1>(s),
                (12, 2, 2) => self.one_panel::<S, 12, 2>(s),
                (8, 3, 3) => self.one_panel::<S, 8, 3>(s),
                (6, 4, 4) => self.one_panel::<S, 6, 4>(s),
                (6, 4, _) => self.panels::<S, 6, 4>(s),
                _ => unreachable!("Blocking::new makes no other"),
            }
        } else {
            match (tiles, vectors, all_vectors) {
                (12, 1, 1) => self.one_panel::<S, 12, 1>(s),
                (4, 3, 3) => self.one_panel::<S, 4, 3>(s),
                (6, 2, 2) => self.one_panel::<S, 6, 2>(s),
                (6, 2, _) => self.panels::<S, 6, 2>(s),
                _ => unreachable!("Blocking::new makes no other"),
            }
        }
    }
}

impl Gemm<'_> {
    /// Checks that every block lies within its plane, and returns the tiles rounded up to whole blocks (what the last
    /// block computes beyond the tiles asked for is never read).
    #[inline(always)]
    fn padded_tiles<S: Simd>(&self) -> usize {
        let conv = self.conv;
        let padded = self.n_tiles.next_multiple_of(conv.blocking.tiles);
        let cout_padded = conv.blocking.all_vectors * S::LANES;
        assert!(self.planes.len() >= conv.n_planes() * conv.from_plane);
        assert!(padded * conv.from_stride <= conv.from_plane);
        assert!(conv.cin.max(cout_padded) <= conv.from_stride);
        assert!(self.weights.len() >= conv.n_planes() * conv.cin * cout_padded);
        padded
    }

    /// All output channels fit one block: each block reads its tiles to the end before it writes them.
    #[inline(always)]
    fn one_panel<S: Simd, const TILES: usize, const VECTORS: usize>(mut self, s: S) {
        let conv = self.conv;
        let padded = self.padded_tiles::<S>();
        for plane in 0..conv.n_planes() {
            // SAFETY: the weights have a matrix for each plane, as `padded_tiles` checks.
            let weights = unsafe { self.weights.as_ptr().add(plane * conv.cin * VECTORS * S::LANES) };
            let mut next = weights.wrapping_add(conv.cin * VECTORS * S::LANES);
            for first in (0..padded).step_by(TILES) {
                // SAFETY: the block lies in its plane, as `padded_tiles` checks; the micro-kernel stores only after its
                // last read.
                unsafe {
                    let at = self.planes.as_mut_ptr().add(plane * conv.from_plane + first * conv.from_stride);
                    let stride = conv.from_stride;
                    multiply::<S, TILES, VECTORS>(
                        s,
                        at,
                        stride,
                        conv.cin,
                        weights,
                        next,
                        at,
                        stride,
                        &mut self.ahead,
                    );
                }
                next = next.wrapping_add(conv.cin * LINE);
            }
        }
    }

    /// More output channels than a block holds: the block's input is set aside first.
    #[inline(always)]
    fn panels<S: Simd, const TILES: usize, const VECTORS: usize>(mut self, s: S) {
        let conv = self.conv;
        let padded = self.padded_tiles::<S>();
        let all_vectors = conv.blocking.all_vectors;
        let (cin, aside_stride) = (conv.cin, conv.cin.next_multiple_of(S::LANES));
        assert!(self.block.len() >= TILES * aside_stride);
        for plane in 0..conv.n_planes() {
            for first in (0..padded).step_by(TILES) {
                let start = plane * conv.from_plane + first * conv.from_stride;
                for t in 0..TILES {
                    self.block[t * aside_stride..][..cin]
                        .copy_from_slice(&self.planes[start + t * conv.from_stride..][..cin]);
                }
                let mut vector = 0;
                while vector < all_vectors {
                    // SAFETY: the weights have a matrix for each plane, and the vectors before this panel take
                    // `vector * LANES * cin` floats of each; the block and its TILES x all_vectors results lie in the
                    // plane, all checked by `padded_tiles`; the input set aside holds TILES x aside_stride floats.
                    unsafe {
                        let weights =
                            self.weights.as_ptr().add((plane * all_vectors + vector) * S::LANES * cin);
                        let next = weights.wrapping_add(VECTORS * S::LANES * cin);
                        let to = self.planes.as_mut_ptr().add(start + vector * S::LANES);
                        let from = self.block.as_ptr();
                        let stride = conv.from_stride;
                        match all_vectors - vector {
                            1 => multiply::<S, TILES, 1>(
                                s,
                                from,
                                aside_stride,
                                cin,
                                weights,
                                next,
                                to,
                                stride,
                                &mut self.ahead,
                            ),
                            2 if VECTORS > 2 => {
                                multiply::<S, TILES, 2>(
                                    s,
                                    from,
                                    aside_stride,
                                    cin,
                                    weights,
                                    next,
                                    to,
                                    stride,
                                    &mut self.ahead,
                                );
                            }
                            3 if VECTORS > 3 => {
                                multiply::<S, TILES, 3>(
                                    s,
                                    from,
                                    aside_stride,
                                    cin,
                                    weights,
                                    next,
                                    to,
                                    stride,
                                    &mut self.ahead,
                                );
                            }
                            _ => multiply::<S, TILES, VECTORS>(
                                s,
                                from,
                                aside_stride,
                                cin,
                                weights,
                                next,
                                to,
                                stride,
                                &mut self.ahead,
                            ),
                        }
                    }
                    vector += VECTORS;
                }
            }
        }
    }
}

/// `to[tile][vector] = sum over k of from[tile][k] * weights[k][vector]` with everything in registers.
///
/// # Safety
/// `from[tile * from_stride..][..cin]` must be readable for TILES tiles, `weights[..cin * VECTORS * LANES]` too,
/// and `to[tile * to_stride..][..VECTORS * LANES]` writable. `to` may overlap `from`. `next` is what is wanted in the
/// cache next, and may be any address.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "an inlined part of a loop body")]
unsafe fn multiply<S: Simd, const TILES: usize, const VECTORS: usize>(
    s: S,
    from: *const f32,
    from_stride: usize,
    cin: usize,
    weights: *const f32,
    next: *const f32,
    to: *mut f32,
    to_stride: usize,
    ahead: &mut Ahead,
) {
    let mut sums = [[s.splat(0.0); VECTORS]; TILES];
    for k in 0..cin {
        ahead.one_of_step(s, k);
        s.prefetch_once(next.wrapping_add(k * LINE));
        // SAFETY: the caller vouches for these addresses.
        unsafe {
            let mut w = [s.splat(0.0); VECTORS];
            for (j, w) in w.iter_mut().enumerate() {
                *w = s.load(weights.add((k * VECTORS + j) * S::LANES));
            }
            for (t, sums) in sums.iter_mut().enumerate() {
                let x = s.splat(from.add(t * from_stride + k).read());
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = s.mul_add(x, w, *sum);
                }
            }
        }
    }
    ahead.after(s, cin);
    for (t, sums) in sums.into_iter().enumerate() {
        for (j, sum) in sums.into_iter().enumerate() {
            // SAFETY: the caller vouches for these addresses.
            unsafe { s.store(to.add(t * to_stride + j * S::LANES), sum) };
        }
    }
}
