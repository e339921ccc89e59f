//! Attention between channels: products of channels summed over pixels, a softmax of those, and a mix of the
//! values' channels for each pixel.
#![allow(unsafe_code, reason = "reads and writes rows of working memory")]

use super::matmul::{add_products_over_pixels, multiply_pixels, packed_stride};
use super::window::{Bands, Places, Token};
use crate::memory::Rows;
use crate::simd::{Isa, Kernel, Simd, dispatch, exp_of_negative};
use pegbar_net::{ChannelAttention, Region, Scores, Span, span_at};
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
        let (left, right) = (pixels(q, tokens), pixels(k, tokens));
        dispatch(isa, Add { kernel: self, left: &left, right: &right, sums });
    }

    fn apply(&self, isa: Isa, mix: &Mix, values: &Rows, output: &Rows, tokens: &[Token]) {
        let channels = self.op.heads * self.depth;
        assert!(values.channels() == channels && output.channels() == channels);
        let from = pixels(values, tokens);
        let to: Vec<*mut f32> = pixels(output, tokens).into_iter().map(<*const f32>::cast_mut).collect();
        dispatch(isa, Apply { kernel: self, mix, from: &from, to: &to });
    }
}

fn row_tokens(rows: &Rows, y: usize) -> Vec<Token> {
    (0..rows.width()).map(|x| Token { at: Some([y, x]), place: x }).collect()
}

fn pixels(rows: &Rows, tokens: &[Token]) -> Vec<*const f32> {
    tokens.iter().filter_map(|token| token.at).map(|[y, x]| rows.row(y).at(x).cast_const()).collect()
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
