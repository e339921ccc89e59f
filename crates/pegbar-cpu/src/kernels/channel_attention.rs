//! Attention between channels: products of channels summed over pixels, a softmax of those, and a mix of the
//! values' channels for each pixel.
#![allow(unsafe_code, reason = "reads and writes rows of working memory")]

use super::matmul::{add_products_over_pixels, multiply_pixels, packed_stride};
use super::window::{Bands, Places, Token};
use crate::memory::{Element, Rows};
use crate::simd::{Half, Isa, Kernel, Simd, Single, Stored, dispatch, exp_of_negative};
use pegbar_net::{ChannelAttention, Region, Scores, Span, span_at};
use std::marker::PhantomData;
use std::ops::Range;

/// Below this a vector is not made longer.
const SHORTEST: f32 = 1e-12;
/// Parts a picture is summed in, at most. It does not depend on the number of threads, so results do not either.
const PARTS: usize = 32;

/// A compiled attention between channels.
#[derive(Debug)]
pub(crate) struct ChannelAttentionKernel {
    op: ChannelAttention,
    /// Channels of a head.
    depth: usize,
    /// Factor of the scores, by head.
    factors: Vec<f32>,
    /// Whether the weights are the softmax of the scores, or the scores themselves.
    with_softmax: bool,
}

/// Products of queries and keys summed over pixels, and the squares of both.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    /// `[head][query channel][key channel]`, rows [`packed_stride`] apart.
    products: Vec<f32>,
    /// `[channel]`, of queries and of keys.
    squares: [Vec<f32>; 2],
}

/// Weights of the channels of values: `[head][value channel][result channel]`, rows [`packed_stride`] apart.
#[derive(Debug)]
pub(crate) struct Mix(Vec<f32>);

impl ChannelAttentionKernel {
    /// `cosine` are the factors by head.
    pub(crate) fn new(
        op: ChannelAttention,
        with_softmax: bool,
        channels: usize,
        cosine: Option<&[f32]>,
    ) -> Self {
        let factors = match (op.scores, cosine) {
            (Scores::Dot(factor), _) => vec![factor; op.heads],
            (_, cosine) => cosine.map_or_else(|| vec![1.0; op.heads], <[f32]>::to_vec),
        };
        assert_eq!(factors.len(), op.heads);
        Self { op, depth: channels / op.heads, factors, with_softmax }
    }

    pub(crate) fn describe(&self) -> String {
        let region = match self.op.region {
            Region::Picture => String::new(),
            Region::Blocks([h, w]) => format!(" in windows of {h}x{w}"),
            Region::Grid([h, w]) => format!(" in grids of {h}x{w}"),
            Region::Apart([h, w]) => format!(" in grids {h}x{w} apart"),
        };
        let what = if self.with_softmax { "attention" } else { "linear attention" };
        format!("{what} between channels{region}, {} heads of {}", self.op.heads, self.depth)
    }

    /// The bands of windows along the rows, where there are such.
    pub(crate) fn bands(&self) -> Option<Bands> {
        match self.op.region {
            Region::Blocks([block, _]) => Some(Bands { block, shift: 0 }),
            _ => None,
        }
    }

    /// Whether one sum is over the whole picture.
    pub(crate) fn is_global(&self) -> bool {
        self.op.region == Region::Picture
    }

    /// Calls that make some rows, where the region is not the picture.
    pub(crate) fn calls(&self, rows: &Range<usize>, [height, width]: [usize; 2]) -> usize {
        match self.op.region {
            Region::Picture => 0,
            Region::Grid([h, w]) => (height / h) * (width / w),
            Region::Apart([dy, dx]) => dy * dx,
            Region::Blocks([_, w]) => {
                self.bands().map_or(0, |bands| bands.covering(rows, height).len()) * (width / w)
            }
        }
    }

    /// Makes one window of some rows.
    pub(crate) fn run(&self, isa: Isa, qkv: [&Rows; 3], output: &Rows, rows: &Range<usize>, call: usize) {
        let (size @ [height, width], whole) = ([output.height(), output.width()], self.op.region);
        let tokens = match (whole, self.bands()) {
            (Region::Blocks([h, w]), Some(bands)) => {
                let n = width / w;
                let down = span_at(height, h, 0, bands.covering(rows, height).start + call / n);
                let across = Span { start: call % n * w, len: w, place: 0 };
                Places::of(down).tokens(&Places::of(across), size, w)
            }
            (Region::Grid(_) | Region::Apart(_), _) => {
                let ([h, w], [dy, dx]) = match whole {
                    Region::Apart([dy, dx]) => ([height / dy, width / dx], [dy, dx]),
                    Region::Grid([h, w]) => ([h, w], [height / h, width / w]),
                    _ => return,
                };
                let down = Places { start: (call / dx) as isize, step: dy, len: h, place: 0 };
                let across = Places { start: (call % dx) as isize, step: dx, len: w, place: 0 };
                down.tokens(&across, size, w)
            }
            _ => return,
        };
        let sums = self.sums_of(isa, qkv, &tokens);
        self.apply(isa, &self.mix(isa, &[&sums]), qkv[2], output, &tokens);
    }

    /// Parts that sums over a picture are made of.
    pub(crate) fn parts(height: usize) -> usize {
        height.min(PARTS)
    }

    /// Sums over one part of the picture.
    pub(crate) fn sums_of_part(&self, isa: Isa, qkv: [&Rows; 3], part: usize) -> Sums {
        let height = qkv[0].height();
        let n = Self::parts(height);
        let rows = part * height / n..(part + 1) * height / n;
        let mut sums = self.no_sums();
        for y in rows {
            self.add(isa, qkv, &row_tokens(qkv[0], y), &mut sums);
        }
        sums
    }

    /// The weights that sums over the parts of a region give.
    pub(crate) fn mix(&self, isa: Isa, parts: &[&Sums]) -> Mix {
        let stride = packed_stride(self.depth);
        let total = |pick: fn(&Sums) -> &[f32]| -> Vec<f32> {
            if let [one] = parts {
                return pick(one).to_vec();
            }
            let n = parts.first().map_or(0, |first| pick(first).len());
            (0..n).map(|i| parts.iter().map(|sums| f64::from(pick(sums)[i])).sum::<f64>() as f32).collect()
        };
        let mut scores = total(|sums| &sums.products);
        let inverse = |squares: Vec<f32>| -> Vec<f32> {
            let is_cosine = matches!(self.op.scores, Scores::Cosine(_));
            let length = |square: f32| if is_cosine { 1.0 / square.sqrt().max(SHORTEST) } else { 1.0 };
            squares.into_iter().map(length).collect()
        };
        let queries = inverse(total(|sums| &sums.squares[0]));
        let keys = inverse(total(|sums| &sums.squares[1]));
        for (a, row) in scores.chunks_exact_mut(stride).enumerate() {
            let head = a / self.depth;
            let factor = self.factors[head] * queries[a];
            for (score, key) in row.iter_mut().zip(&keys[head * self.depth..][..self.depth]) {
                *score *= factor * key;
            }
        }
        if self.with_softmax {
            dispatch(isa, Weigh { depth: self.depth, scores: &mut scores });
        }
        let mut mix = vec![0.0; scores.len()];
        let matrix = self.depth * stride;
        for (scores, mix) in scores.chunks_exact(matrix).zip(mix.chunks_exact_mut(matrix)) {
            for (a, row) in scores.chunks_exact(stride).enumerate() {
                for (b, &weight) in row[..self.depth].iter().enumerate() {
                    mix[b * stride + a] = weight;
                }
            }
        }
        Mix(mix)
    }

    /// One row of the result.
    pub(crate) fn apply_row(&self, isa: Isa, mix: &Mix, values: &Rows, output: &Rows, y: usize) {
        self.apply(isa, mix, values, output, &row_tokens(values, y));
    }

    fn no_sums(&self) -> Sums {
        let channels = self.op.heads * self.depth;
        Sums {
            products: vec![0.0; channels * packed_stride(self.depth)],
            squares: [vec![0.0; channels], vec![0.0; channels]],
        }
    }

    fn sums_of(&self, isa: Isa, qkv: [&Rows; 3], tokens: &[Token]) -> Sums {
        let mut sums = self.no_sums();
        self.add(isa, qkv, tokens, &mut sums);
        sums
    }

    fn add(&self, isa: Isa, [q, k, _]: [&Rows; 3], tokens: &[Token], sums: &mut Sums) {
        let channels = self.op.heads * self.depth;
        assert!(q.channels() == channels && k.channels() == channels);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let (left, right) = (floats(isa, q, tokens, &mut left), floats(isa, k, tokens, &mut right));
        dispatch(isa, Add { kernel: self, left: &left, right: &right, sums });
    }

    fn apply(&self, isa: Isa, mix: &Mix, values: &Rows, output: &Rows, tokens: &[Token]) {
        let channels = self.op.heads * self.depth;
        assert!(values.channels() == channels && output.channels() == channels);
        let mut copies = Vec::new();
        let from = floats(isa, values, tokens, &mut copies);
        if output.element() == Element::F32 {
            let to: Vec<*mut f32> =
                pixels::<Single>(output, tokens).into_iter().map(<*const f32>::cast_mut).collect();
            dispatch(isa, Apply { kernel: self, mix, from: &from, to: &to });
            return;
        }
        let mut results = vec![0.0; from.len() * channels];
        let to: Vec<*mut f32> = results.chunks_exact_mut(channels).map(<[f32]>::as_mut_ptr).collect();
        dispatch(isa, Apply { kernel: self, mix, from: &from, to: &to });
        let from = results.chunks_exact(channels).map(<[f32]>::as_ptr);
        let to = pixels::<Half>(output, tokens).into_iter().map(<*const u16>::cast_mut);
        let pairs: Vec<_> = from.zip(to).collect();
        dispatch(isa, Convert { pairs: &pairs, n: channels, kinds: PhantomData::<(Single, Half)> });
    }
}

fn row_tokens(rows: &Rows, y: usize) -> Vec<Token> {
    (0..rows.width()).map(|x| Token { at: Some([y, x]), place: x }).collect()
}

fn pixels<E: Stored>(rows: &Rows, tokens: &[Token]) -> Vec<*const E::T> {
    let places = tokens.iter().filter_map(|token| token.at);
    places.map(|[y, x]| rows.row(y).stored_at::<E>(x).cast_const()).collect()
}

/// Pixels as floats: where they lie, or in `copies` of half floats.
fn floats(isa: Isa, rows: &Rows, tokens: &[Token], copies: &mut Vec<f32>) -> Vec<*const f32> {
    if rows.element() == Element::F32 {
        return pixels::<Single>(rows, tokens);
    }
    let (n, halves) = (rows.channels(), pixels::<Half>(rows, tokens));
    copies.resize(n * halves.len(), 0.0);
    let pairs: Vec<_> = halves.into_iter().zip(copies.chunks_exact_mut(n).map(<[f32]>::as_mut_ptr)).collect();
    dispatch(isa, Convert { pairs: &pairs, n, kinds: PhantomData::<(Half, Single)> });
    copies.chunks_exact(n).map(<[f32]>::as_ptr).collect()
}

/// Copies `n` values of each pixel, from the one to the other.
struct Convert<'a, I: Stored, O: Stored> {
    pairs: &'a [(*const I::T, *mut O::T)],
    n: usize,
    kinds: PhantomData<(I, O)>,
}

impl<I: Stored, O: Stored> Kernel for Convert<'_, I, O> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for &(from, to) in self.pairs {
            for c in (0..self.n).step_by(S::LANES) {
                let n = S::LANES.min(self.n - c);
                // SAFETY: both pixels have these values; no thread writes the input of a running step, and each pixel of the
                // result belongs to one call.
                unsafe { O::store_first(s, to.add(c), I::load_first(s, from.add(c), n), n) };
            }
        }
    }
}

/// Softmax of every row of scores.
struct Weigh<'a> {
    depth: usize,
    scores: &'a mut [f32],
}

impl Kernel for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for row in self.scores.chunks_exact_mut(packed_stride(self.depth)) {
            let row = &mut row[..self.depth];
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for chunk in row.chunks_mut(S::LANES) {
                // SAFETY: exactly the values of the chunk, at most a vector, are read and written.
                unsafe {
                    let v = s.load_first(chunk.as_ptr(), chunk.len());
                    let e = exp_of_negative(s, s.sub(v, s.splat(max)));
                    s.store_first(chunk.as_mut_ptr(), e, chunk.len());
                }
            }
            let factor = 1.0 / row.iter().sum::<f32>();
            row.iter_mut().for_each(|v| *v *= factor);
        }
    }
}

struct Add<'a> {
    kernel: &'a ChannelAttentionKernel,
    left: &'a [*const f32],
    right: &'a [*const f32],
    sums: &'a mut Sums,
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { kernel, left, right, sums } = self;
        let d = kernel.depth;
        let matrix = d * packed_stride(d);
        for (head, products) in sums.products.chunks_exact_mut(matrix).enumerate() {
            // SAFETY: every pixel has `heads * d` channels, as `add` asserts; no thread writes the inputs of a running
            // step.
            unsafe { add_products_over_pixels(s, left, right, head * d, d, products) };
        }
        if matches!(kernel.op.scores, Scores::Cosine(_)) {
            for (pixels, squares) in [left, right].into_iter().zip(&mut sums.squares) {
                for c in (0..squares.len()).step_by(S::LANES) {
                    let n = S::LANES.min(squares.len() - c);
                    // SAFETY: n channels from c on belong to each pixel and to the sums.
                    unsafe {
                        let to = squares.as_mut_ptr().add(c);
                        let mut sum = s.load_first(to.cast_const(), n);
                        for &pixel in pixels {
                            let v = s.load_first(pixel.add(c), n);
                            sum = s.mul_add(v, v, sum);
                        }
                        s.store_first(to, sum, n);
                    }
                }
            }
        }
    }
}

struct Apply<'a> {
    kernel: &'a ChannelAttentionKernel,
    mix: &'a Mix,
    from: &'a [*const f32],
    to: &'a [*mut f32],
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = self.kernel.depth;
        for (head, matrix) in self.mix.0.chunks_exact(d * packed_stride(d)).enumerate() {
            // SAFETY: every pixel has `heads * d` channels, as `apply` asserts; no thread writes the inputs of a running
            // step, and each pixel of the result belongs to one call.
            unsafe { multiply_pixels(s, self.from, self.to, head * d, d, matrix) };
        }
    }
}
