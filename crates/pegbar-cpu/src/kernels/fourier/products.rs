//! Frequencies of pixels times frequencies of kernels, in place.
//!
//! Kernels are real, so their frequencies `k` and `-k` are conjugates: half of them are stored, and each is read once for both.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::FourierConv;
use crate::simd::{Kernel, Simd};

/// A row and a column of frequencies.
pub(super) type Place = [usize; 2];

/// Half of all frequencies, each with its mirror image if that is another one.
pub(super) fn half_plane(side: usize) -> impl Iterator<Item = (Place, Option<Place>)> {
    let half = side / 2;
    let all = (0..side).flat_map(move |y| (0..=half).map(move |x| [y, x]));
    all.filter_map(move |place| {
        let mirrored = place.map(|k| (side - k) % side);
        // The columns 0 and N / 2 are mirrored into themselves.
        let is_left = mirrored[1] != place[1] || place[0] <= half;
        is_left.then(|| (place, Some(mirrored).filter(|&mirrored| mirrored != place)))
    })
}

/// How many [`half_plane`] gives.
pub(super) fn half_plane_len(side: usize) -> usize {
    side * side / 2 + 2
}

/// Most pairs that are multiplied together.
const BLOCK: usize = 4;

/// Floats that products need beside the planes.
pub(super) fn held_floats(pixel_floats: usize) -> usize {
    2 * BLOCK * pixel_floats
}

/// Multiplies the planes of `n_pairs` pairs of tiles.
pub(super) struct Products<'a> {
    pub(super) conv: &'a FourierConv,
    pub(super) n_pairs: usize,
    pub(super) planes: &'a mut [f32],
    /// Room for the numbers that a block reads, since it writes where they are.
    pub(super) held: &'a mut [f32],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { conv, n_pairs, planes, held } = self;
        let shape = &conv.shape;
        let depthwise = shape.is_depthwise();
        let vectors = shape.cout.div_ceil(S::LANES);
        let pair = 2 * conv.half;
        let of_frequency = if depthwise { vectors } else { vectors * shape.cin } * 2 * S::LANES;
        assert!(planes.len() >= conv.side * conv.plane_row && conv.side * conv.plane <= conv.plane_row);
        assert!(n_pairs * pair <= conv.plane && held.len() >= held_floats(pair));
        assert!(conv.half >= vectors * S::LANES && conv.half >= shape.cin);
        assert!(conv.weights.len() >= half_plane_len(conv.side) * of_frequency);
        let base = planes.as_mut_ptr();
        let weights = conv.weights.as_slice().as_ptr();
        for (i, (place, mirrored)) in half_plane(conv.side).enumerate() {
            let at = |[y, x]: Place| y * conv.plane_row + x * conv.plane;
            // SAFETY: both places are frequencies of the planes, which hold `n_pairs` pairs of twice `half` floats each; the
            // weights hold `of_frequency` floats for each frequency of the half plane. All of it is asserted above.
            unsafe {
                let weights = weights.add(i * of_frequency);
                let task = Task {
                    weights,
                    planes: [base.add(at(place)), base.add(at(mirrored.unwrap_or(place)))],
                    half: conv.half,
                    cin: shape.cin,
                    vectors,
                    held: held.as_mut_ptr(),
                };
                match (depthwise, mirrored.is_some()) {
                    (false, true) => task.mix::<S, true>(s, n_pairs),
                    (false, false) => task.mix::<S, false>(s, n_pairs),
                    (true, true) => task.scale::<S, true>(s, n_pairs),
                    (true, false) => task.scale::<S, false>(s, n_pairs),
                }
            }
        }
    }
}

/// One frequency and its mirror image.
struct Task {
    /// `[vector of outputs][cin]` of real and imaginary vectors, or `[vector]` where depthwise.
    weights: *const f32,
    planes: [*mut f32; 2],
    /// Floats from real to imaginary parts of a pair; twice as many to the next pair.
    half: usize,
    cin: usize,
    /// Of outputs.
    vectors: usize,
    held: *mut f32,
}

impl Task {
    /// A matrix product for all pairs.
    ///
    /// # Safety
    /// The pointers must be good for `n_pairs` pairs.
    #[inline(always)]
    unsafe fn mix<S: Simd, const MIRRORED: bool>(&self, s: S, n_pairs: usize) {
        let mut first = 0;
        // SAFETY: the blocks end at `n_pairs`.
        unsafe {
            if S::REGISTERS >= 32 {
                while first + BLOCK <= n_pairs {
                    self.block::<S, BLOCK, MIRRORED>(s, first);
                    first += BLOCK;
                }
            }
            while first + 2 <= n_pairs {
                self.block::<S, 2, MIRRORED>(s, first);
                first += 2;
            }
            if first < n_pairs {
                self.block::<S, 1, MIRRORED>(s, first);
            }
        }
    }

    /// P pairs from `first` on.
    ///
    /// # Safety
    /// They must be there.
    #[inline(always)]
    unsafe fn block<S: Simd, const P: usize, const MIRRORED: bool>(&self, s: S, first: usize) {
        let (half, pair) = (self.half, 2 * self.half);
        // SAFETY: the caller vouches for the pairs; `held` has room for 2 * BLOCK of them.
        unsafe {
            let to = self.planes.map(|plane| plane.add(first * pair));
            let mut from = to.map(<*mut f32>::cast_const);
            if self.vectors > 1 {
                // The first results would take the place of numbers that the next ones are made of.
                for (i, &plane) in from.iter().enumerate().take(1 + usize::from(MIRRORED)) {
                    plane.copy_to_nonoverlapping(self.held.add(i * P * pair), P * pair);
                }
                from = [self.held, self.held.add(P * pair)].map(<*mut f32>::cast_const);
            }
            for vector in 0..self.vectors {
                let weights = self.weights.add(vector * self.cin * 2 * S::LANES);
                let mut real = [[s.splat(0.0); P]; 2];
                let mut imaginary = [[s.splat(0.0); P]; 2];
                for i in 0..self.cin {
                    let w = weights.add(i * 2 * S::LANES);
                    let (wr, wi) = (s.load(w), s.load(w.add(S::LANES)));
                    for p in 0..P {
                        let at = from[0].add(p * pair + i);
                        let (re, im) = (s.splat(at.read()), s.splat(at.add(half).read()));
                        real[0][p] = s.mul_add(re, wr, real[0][p]);
                        imaginary[0][p] = s.mul_add(re, wi, imaginary[0][p]);
                        real[0][p] = s.neg_mul_add(im, wi, real[0][p]);
                        imaginary[0][p] = s.mul_add(im, wr, imaginary[0][p]);
                        if MIRRORED {
                            let at = from[1].add(p * pair + i);
                            let (re, im) = (s.splat(at.read()), s.splat(at.add(half).read()));
                            real[1][p] = s.mul_add(re, wr, real[1][p]);
                            imaginary[1][p] = s.neg_mul_add(re, wi, imaginary[1][p]);
                            real[1][p] = s.mul_add(im, wi, real[1][p]);
                            imaginary[1][p] = s.mul_add(im, wr, imaginary[1][p]);
                        }
                    }
                }
                for p in 0..P {
                    let at = p * pair + vector * S::LANES;
                    s.store(to[0].add(at), real[0][p]);
                    s.store(to[0].add(at + half), imaginary[0][p]);
                    if MIRRORED {
                        s.store(to[1].add(at), real[1][p]);
                        s.store(to[1].add(at + half), imaginary[1][p]);
                    }
                }
            }
        }
    }

    /// A product for each channel of all pairs.
    ///
    /// # Safety
    /// As for [`Task::mix`].
    #[inline(always)]
    unsafe fn scale<S: Simd, const MIRRORED: bool>(&self, s: S, n_pairs: usize) {
        for vector in 0..self.vectors {
            // SAFETY: the caller vouches for the pairs.
            unsafe {
                let w = self.weights.add(vector * 2 * S::LANES);
                let (wr, wi) = (s.load(w), s.load(w.add(S::LANES)));
                for p in 0..n_pairs {
                    let at = p * 2 * self.half + vector * S::LANES;
                    let number = |plane: *mut f32| [s.load(plane), s.load(plane.add(self.half))];
                    let here = self.planes[0].add(at);
                    let [re, im] = number(here);
                    s.store(here, s.neg_mul_add(im, wi, s.mul(re, wr)));
                    s.store(here.add(self.half), s.mul_add(im, wr, s.mul(re, wi)));
                    if MIRRORED {
                        let there = self.planes[1].add(at);
                        let [re, im] = number(there);
                        s.store(there, s.mul_add(im, wi, s.mul(re, wr)));
                        s.store(there.add(self.half), s.neg_mul_add(re, wi, s.mul(im, wr)));
                    }
                }
            }
        }
    }
}
