//! Attention between pixels: every query of a window against every key of it, one head and one vector of queries at a
//! time.
//!
//! Queries lie in the lanes: scores, their largest and their sum are then vectors of queries, nothing is
//! summed across lanes, and the mean of the values is a block of accumulators, one for each channel. Keys and values are
//! broadcast from packed copies. The scores of a vector of queries stay in the first-level cache.
#![allow(unsafe_code, reason = "reads and writes rows of working memory, vector loads and stores")]

use super::matmul::packed_stride;
use super::window::{Bands, Places, Token};
use crate::CpuError;
use crate::memory::{AlignedBuffer, Element, LINE, Rows};
use crate::simd::{Isa, Kernel, Simd, dispatch, exp_of_negative, sum_of_lanes, transpose};
use pegbar_net::{Attention, Region, Span, span_at};
use std::ops::Range;

/// Keys whose scores are made together.
const KEYS: usize = 8;
/// Queries of one call where the region is the whole picture.
const SEGMENT: usize = 64;
/// Below this a vector is not made longer.
const SHORTEST: f32 = 1e-12;

/// A compiled attention.
#[derive(Debug)]
pub(crate) struct AttentionKernel {
    op: Attention,
    /// Channels of a head, of queries and of values.
    depth: [usize; 2],
    /// Factor of the scores, by head.
    factors: Vec<f32>,
    /// `[head][key][query]`, with room behind for a whole vector.
    bias: Option<AlignedBuffer>,
}

impl AttentionKernel {
    /// `channels` are those of the queries and of the values; `cosine` the factors by head, `bias`
    /// `[head][query][key]`.
    pub(crate) fn new(
        op: Attention,
        channels: [usize; 2],
        cosine: Option<&[f32]>,
        bias: Option<&[f32]>,
    ) -> Result<Self, CpuError> {
        let depth = channels.map(|n| n / op.heads);
        let factors = match (op.scores, cosine) {
            (pegbar_net::Scores::Dot(factor), _) => vec![factor; op.heads],
            (_, cosine) => cosine.map_or_else(|| vec![1.0; op.heads], <[f32]>::to_vec),
        };
        assert_eq!(factors.len(), op.heads);
        let [queries, keys] = op.tokens();
        let bias = bias.map(|bias| -> Result<AlignedBuffer, CpuError> {
            assert_eq!(bias.len(), op.heads * queries * keys);
            let mut turned = AlignedBuffer::zeroed(bias.len() + LINE)?;
            for (i, &v) in bias.iter().enumerate() {
                let (head, query, key) = (i / keys / queries, i / keys % queries, i % keys);
                turned.as_mut_slice()[(head * keys + key) * queries + query] = v;
            }
            Ok(turned)
        });
        Ok(Self { op, depth, factors, bias: bias.transpose()? })
    }

    pub(crate) fn describe(&self) -> String {
        let Attention { heads, region, shift, .. } = self.op;
        let [d, dv] = self.depth;
        let mut text = match region {
            Region::Picture => "attention to the whole picture".to_owned(),
            Region::Blocks([h, w]) => format!("attention in windows of {h}x{w}"),
            Region::Grid([h, w]) | Region::Apart([h, w]) => format!("attention in grids of {h}x{w}"),
        };
        if shift != [0, 0] {
            text += &format!(", shifted by {}x{}", shift[0], shift[1]);
        }
        text += &format!(", {heads} heads of {d}");
        if dv != d {
            text += &format!(" and {dv}");
        }
        text
    }

    /// Bytes of the table of biases.
    pub(crate) fn weight_bytes(&self) -> usize {
        self.bias.as_ref().map_or(0, |bias| bias.len() * size_of::<f32>())
    }

    pub(crate) fn makes_all_rows(&self) -> bool {
        matches!(self.op.region, Region::Grid(_))
    }

    /// The bands of windows along the rows, where there are such.
    pub(crate) fn bands(&self) -> Option<Bands> {
        match self.op.region {
            Region::Blocks([block, _]) => Some(Bands { block, shift: self.op.shift[0] }),
            _ => None,
        }
    }

    /// Rows of an input that some rows of the result are made of; `height` is the input's, `out_height` the result's.
    pub(crate) fn sources(
        &self,
        input: usize,
        height: usize,
        out_height: usize,
        rows: Range<usize>,
    ) -> Range<usize> {
        let Some(bands) = self.bands() else {
            let row_by_row = input == 0 && self.op.region == Region::Picture;
            return if row_by_row { rows } else { 0..height };
        };
        let whole = bands.whole(rows, out_height);
        if input == 0 {
            return whole;
        }
        let (grown, f, margin) = (self.op.query_factor, self.op.key_factor, self.op.key_margin[0]);
        (whole.start * grown / f).saturating_sub(margin).min(height)
            ..((whole.end * grown).div_ceil(f) + margin).min(height)
    }

    /// Floats of scratch memory a call needs, given the keys of a whole picture; `None` when that overflows.
    pub(crate) fn scratch_floats(&self, picture_keys: usize) -> Option<usize> {
        let keys = if self.op.region == Region::Picture { picture_keys } else { self.op.tokens()[1] };
        let [d, dv] = self.depth.map(packed_stride);
        // Keys, values, scores and biases of one vector of queries; the queries and the results, each also turned.
        let per_key = d.checked_add(dv)?.checked_add(2 * LINE)?;
        keys.checked_next_multiple_of(KEYS)?.checked_mul(per_key)?.checked_add(2 * (d + dv) * LINE)
    }

    /// Calls that make some rows.
    pub(crate) fn calls(&self, rows: &Range<usize>, [height, width]: [usize; 2]) -> usize {
        match self.op.region {
            Region::Picture => rows.len() * width.div_ceil(SEGMENT),
            // Shape inference keeps `Apart` to attention between channels.
            Region::Grid([h, w]) | Region::Apart([h, w]) => (height / h) * (width / w),
            Region::Blocks(_) => self.band_range(rows, height).len() * self.across(width),
        }
    }

    fn band_range(&self, rows: &Range<usize>, height: usize) -> Range<usize> {
        self.bands().map_or(0..0, |bands| bands.covering(rows, height))
    }

    /// Windows side by side.
    fn across(&self, width: usize) -> usize {
        let columns = self.op.block()[1];
        self.op.padded(1, width) / columns + usize::from(self.op.shift[1] > 0)
    }

    /// Makes one window of some rows, or as much of it as lies in them.
    pub(crate) fn run(
        &self,
        isa: Isa,
        [q, k, v]: [&Rows; 3],
        output: &Rows,
        rows: &Range<usize>,
        call: usize,
        scratch: &mut [f32],
    ) {
        let [d, dv] = self.depth;
        let heads = self.op.heads;
        assert!(q.channels() == heads * d && k.channels() == heads * d);
        assert!(v.channels() == heads * dv && output.channels() == heads * dv);
        assert!(q.width() == output.width() && q.height() == output.height());
        assert!(k.width() == v.width() && k.height() == v.height());
        let [queries, keys] = self.places([q, k], rows, call);
        if queries.is_empty() {
            return;
        }
        let address = |rows: &Rows, token: &Token| -> *const u8 {
            token.at.map_or(std::ptr::null(), |[y, x]| rows.row(y).address_in_row(x))
        };
        let pixels = |rows: &Rows, tokens: &[Token]| Pixels {
            element: rows.element(),
            at: tokens.iter().map(|token| address(rows, token)).collect(),
        };
        let window = Window {
            kernel: self,
            queries: pixels(q, &queries),
            results: pixels(output, &queries),
            keys: pixels(k, &keys),
            values: pixels(v, &keys),
            query_places: queries.iter().map(|token| token.place).collect(),
            key_places: keys.iter().map(|token| token.place).collect(),
            scratch,
        };
        dispatch(isa, window);
    }

    /// Makes the results of some pixels, `[row, column]`, of some others, without bias. Each pixel of the result must
    /// belong to one call.
    pub(crate) fn run_listed(
        &self,
        isa: Isa,
        [q, k, v]: [&Rows; 3],
        output: &Rows,
        [queries, keys]: [&[[usize; 2]]; 2],
        scratch: &mut [f32],
    ) {
        let [d, dv] = self.depth;
        let heads = self.op.heads;
        assert!(q.channels() == heads * d && k.channels() == heads * d && self.bias.is_none());
        assert!(v.channels() == heads * dv && output.channels() == heads * dv);
        let pixels = |rows: &Rows, list: &[[usize; 2]]| Pixels {
            element: rows.element(),
            at: list.iter().map(|&[y, x]| rows.row(y).address_in_row(x)).collect(),
        };
        let window = Window {
            kernel: self,
            queries: pixels(q, queries),
            results: pixels(output, queries),
            keys: pixels(k, keys),
            values: pixels(v, keys),
            query_places: vec![],
            key_places: vec![],
            scratch,
        };
        dispatch(isa, window);
    }

    /// Queries within `rows`, and keys, of a call.
    fn places(&self, [q, k]: [&Rows; 2], rows: &Range<usize>, call: usize) -> [Vec<Token>; 2] {
        let (height, width) = (q.height(), q.width());
        let op = &self.op;
        match op.region {
            Region::Picture => {
                let segments = width.div_ceil(SEGMENT);
                let (y, first) = (rows.start + call / segments, call % segments * SEGMENT);
                let columns = Places::run(first, (first + SEGMENT).min(width) - first);
                let queries = Places::run(y, 1).tokens(&columns, [height, width], 0);
                let all = |n| Places::run(0, n);
                [queries, all(k.height()).tokens(&all(k.width()), [k.height(), k.width()], 0)]
            }
            Region::Grid([h, w]) | Region::Apart([h, w]) => {
                let (dy, dx) = (height / h, width / w);
                let down = Places { start: (call / dx) as isize, step: dy, len: h, place: 0 };
                let across = Places { start: (call % dx) as isize, step: dx, len: w, place: 0 };
                let tokens = down.tokens(&across, [height, width], w);
                [tokens.clone(), tokens]
            }
            Region::Blocks([h, w]) => {
                let n = self.across(width);
                let band = self.band_range(rows, height).start + call / n;
                let down = span_at(op.padded(0, height), h, op.shift[0], band);
                let across = span_at(op.padded(1, width), w, op.shift[1], call % n);
                let mut queries = Places::of(down).tokens(&Places::of(across), [height, width], w);
                queries.retain(|token| token.at.is_some_and(|[y, _]| rows.contains(&y)));
                let [my, mx] = op.key_margin;
                let with_margin = |span: Span, margin: usize| Places {
                    start: span.start as isize - margin as isize,
                    step: 1,
                    len: span.len + 2 * margin,
                    place: span.place,
                };
                let down = with_margin(op.key_span(0, op.padded(0, height), band), my);
                let across = with_margin(op.key_span(1, op.padded(1, width), call % n), mx);
                let columns = op.of_keys(1)[0] + 2 * mx;
                let keys = down.tokens(&across, [k.height(), k.width()], columns);
                [queries, keys]
            }
        }
    }
}

/// First channels of some pixels of a value; null stands for zeros.
struct Pixels {
    element: Element,
    at: Vec<*const u8>,
}

impl Pixels {
    /// Some of `n` channels from `first` on of pixel `i`, in the first lanes.
    ///
    /// # Safety
    /// The pixel has these channels, and no thread writes them; `n` is at most a vector.
    #[inline(always)]
    unsafe fn load<S: Simd>(&self, s: S, i: usize, first: usize, n: usize) -> S::V {
        let at = self.at[i];
        // SAFETY: as the caller states.
        unsafe {
            match self.element {
                _ if at.is_null() => s.splat(0.0),
                Element::F32 => s.load_first(at.cast::<f32>().add(first), n),
                Element::F16 => s.load_half_first(at.cast::<u16>().add(first), n),
            }
        }
    }
}

/// Pixels that meet.
struct Window<'a> {
    kernel: &'a AttentionKernel,
    queries: Pixels,
    /// As many as queries; none is null.
    results: Pixels,
    keys: Pixels,
    values: Pixels,
    query_places: Vec<usize>,
    key_places: Vec<usize>,
    scratch: &'a mut [f32],
}

/// Scratch memory by purpose. Rows of channels are [`packed_stride`] apart and filled up with zeros.
struct Parts<'a> {
    /// `[lane][channel]` of the queries, and of the results.
    pixels: &'a mut [f32],
    /// `[channel][lane]`, times the factor of the scores.
    queries: &'a mut [f32],
    /// `[key][channel]`.
    keys: &'a mut [f32],
    /// `[key][channel]`.
    values: &'a mut [f32],
    /// `[key][lane]`.
    scores: &'a mut [f32],
    /// `[key][lane]`.
    bias: &'a mut [f32],
    /// `[channel][lane]`.
    results: &'a mut [f32],
}

impl Kernel for Window<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let kernel = self.kernel;
        let [_, dv] = kernel.depth;
        let [d_stride, dv_stride] = kernel.depth.map(packed_stride);
        let n_keys = self.keys.at.len();
        let padded_keys = n_keys.next_multiple_of(KEYS);
        let mut rest = std::mem::take(&mut self.scratch);
        let mut take = |n: usize| {
            let (part, after) = std::mem::take(&mut rest).split_at_mut(n);
            rest = after;
            part
        };
        let mut parts = Parts {
            pixels: take(d_stride.max(dv_stride) * S::LANES),
            queries: take(d_stride * S::LANES),
            results: take(dv_stride * S::LANES),
            scores: take(padded_keys * S::LANES),
            bias: take(padded_keys * S::LANES),
            keys: take(padded_keys * d_stride),
            values: take(padded_keys * dv_stride),
        };
        parts.results.fill(0.0);
        for head in 0..kernel.op.heads {
            self.pack_keys(s, head, &mut parts);
            for (i, to) in parts.values.chunks_exact_mut(dv_stride).take(n_keys).enumerate() {
                // SAFETY: the channels of the head belong to the pixel; no thread writes the input of a running step.
                unsafe { copy_scaled(s, &self.values, i, head * dv, dv, 1.0, to) };
            }
            let n_queries = self.queries.at.len();
            for first in (0..n_queries).step_by(S::LANES) {
                let lanes = first..(first + S::LANES).min(n_queries);
                self.pack_queries(s, head, lanes.clone(), &mut parts);
                let max = self.scores(s, head, lanes.clone(), &mut parts);
                let sum = exponentials(s, &mut parts.scores[..n_keys * S::LANES], max);
                mean(s, &mut parts, n_keys, dv, s.div(s.splat(1.0), sum));
                transpose([dv_stride, S::LANES], parts.results, parts.pixels);
                for (&to, from) in self.results.at[lanes].iter().zip(parts.pixels.chunks_exact(dv_stride)) {
                    for c in (0..dv).step_by(S::LANES) {
                        let n = S::LANES.min(dv - c);
                        // SAFETY: the channels of the head belong to the pixel, and each pixel of the result to one
                        // call; queries that lie in no picture are left out of the window. Whole vectors lie in a
                        // packed row.
                        unsafe {
                            let v = s.load(from[c..].as_ptr());
                            let to = to.cast_mut();
                            match self.results.element {
                                Element::F32 => s.store_first(to.cast::<f32>().add(head * dv + c), v, n),
                                Element::F16 => s.store_half_first(to.cast::<u16>().add(head * dv + c), v, n),
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Copies `n` channels of pixel `i` from `first` on, times a factor, and fills the row up with zeros.
///
/// # Safety
/// The pixel has these channels, and no thread writes them.
#[inline(always)]
unsafe fn copy_scaled<S: Simd>(
    s: S,
    from: &Pixels,
    i: usize,
    first: usize,
    n: usize,
    factor: f32,
    to: &mut [f32],
) {
    assert!(to.len() == packed_stride(n));
    for (vector, to) in to.chunks_exact_mut(S::LANES).enumerate() {
        let lanes = n.saturating_sub(vector * S::LANES).min(S::LANES);
        // SAFETY: as the caller states; the chunk is a whole vector.
        unsafe {
            let v = if lanes == 0 {
                s.splat(0.0)
            } else {
                s.mul(from.load(s, i, first + vector * S::LANES, lanes), s.splat(factor))
            };
            s.store(to.as_mut_ptr(), v);
        }
    }
}

/// One over the length of `n` channels of pixel `i` from `first` on; zero where it is null.
///
/// # Safety
/// As for [`copy_scaled`].
#[inline(always)]
unsafe fn inverse_length<S: Simd>(s: S, from: &Pixels, i: usize, first: usize, n: usize) -> f32 {
    if from.at[i].is_null() {
        return 0.0;
    }
    let mut sum = s.splat(0.0);
    for c in (0..n).step_by(S::LANES) {
        // SAFETY: as the caller states.
        let v = unsafe { from.load(s, i, first + c, S::LANES.min(n - c)) };
        sum = s.mul_add(v, v, sum);
    }
    1.0 / sum_of_lanes(s, sum).sqrt().max(SHORTEST)
}

impl Window<'_> {
    fn is_cosine(&self) -> bool {
        matches!(self.kernel.op.scores, pegbar_net::Scores::Cosine(_))
    }

    #[inline(always)]
    fn pack_keys<S: Simd>(&self, s: S, head: usize, parts: &mut Parts<'_>) {
        let d = self.kernel.depth[0];
        let mut rows = parts.keys.chunks_exact_mut(packed_stride(d));
        for (i, to) in (0..self.keys.at.len()).zip(&mut rows) {
            let from = &self.keys;
            // SAFETY: the channels of the head belong to the pixel; no thread writes the input of a running step.
            unsafe {
                let factor = if self.is_cosine() { inverse_length(s, from, i, head * d, d) } else { 1.0 };
                copy_scaled(s, from, i, head * d, d, factor, to);
            }
        }
        // What fills the last block up is computed with, but its scores are not looked at.
        rows.for_each(|row| row.fill(0.0));
    }

    #[inline(always)]
    fn pack_queries<S: Simd>(&self, s: S, head: usize, lanes: Range<usize>, parts: &mut Parts<'_>) {
        let d = self.kernel.depth[0];
        let stride = packed_stride(d);
        let factor = self.kernel.factors[head];
        let mut rows = parts.pixels.chunks_exact_mut(stride).take(S::LANES);
        for (i, to) in lanes.zip(&mut rows) {
            let from = &self.queries;
            // SAFETY: the channels of the head belong to the pixel; no thread writes the input of a running step.
            unsafe {
                let length = if self.is_cosine() { inverse_length(s, from, i, head * d, d) } else { 1.0 };
                copy_scaled(s, from, i, head * d, d, factor * length, to);
            }
        }
        rows.for_each(|row| row.fill(0.0));
        transpose([S::LANES, stride], parts.pixels, parts.queries);
    }

    /// Scores of all keys; the largest of each lane is returned.
    #[inline(always)]
    fn scores<S: Simd>(&self, s: S, head: usize, lanes: Range<usize>, parts: &mut Parts<'_>) -> S::V {
        let d = self.kernel.depth[0];
        let n_keys = self.keys.at.len();
        let [whole_queries, whole_keys] = self.kernel.op.tokens();
        let stride = packed_stride(d);
        assert!(parts.queries.len() >= d * S::LANES);
        assert!(parts.keys.len() >= n_keys.next_multiple_of(KEYS) * stride);
        assert!(parts.scores.len() >= n_keys * S::LANES && parts.bias.len() >= n_keys * S::LANES);
        // Biases of a window that is not cut lie as they are needed; otherwise they are gathered.
        let mut bias: Option<(*const f32, usize)> = None;
        if let Some(table) = &self.kernel.bias {
            let table = &table.as_slice()[head * whole_keys * whole_queries..];
            let is_whole = n_keys == whole_keys && self.queries.at.len() == whole_queries;
            if is_whole {
                assert!(table.len() >= (n_keys - 1) * whole_queries + lanes.start + S::LANES);
                bias = Some((table[lanes.start..].as_ptr(), whole_queries));
            } else {
                for (&key, to) in self.key_places.iter().zip(parts.bias.chunks_exact_mut(S::LANES)) {
                    let of_key = &table[key * whole_queries..][..whole_queries];
                    for (to, &query) in to.iter_mut().zip(&self.query_places[lanes.clone()]) {
                        *to = of_key[query];
                    }
                }
                bias = Some((parts.bias.as_ptr(), S::LANES));
            }
        }
        let mut max = s.splat(f32::NEG_INFINITY);
        let mut first = 0;
        while first < n_keys {
            let n = KEYS.min(n_keys - first);
            let mut sums = [s.splat(0.0); KEYS];
            // SAFETY: whole blocks of KEYS rows of keys, and d vectors of queries, as asserted.
            unsafe {
                let (keys, queries) = (parts.keys.as_ptr().add(first * stride), parts.queries.as_ptr());
                for c in 0..d {
                    let query = s.load(queries.add(c * S::LANES));
                    for (j, sum) in sums.iter_mut().enumerate() {
                        *sum = s.mul_add(s.splat(keys.add(j * stride + c).read()), query, *sum);
                    }
                }
            }
            // Named by constants, so that the sums stay in registers.
            #[allow(clippy::needless_range_loop, reason = "over whole blocks, so that it is unrolled")]
            for j in 0..KEYS {
                if j < n {
                    // SAFETY: key `first + j` is below `n_keys`, for which tables and scores have room as asserted.
                    unsafe {
                        let mut score = sums[j];
                        if let Some((bias, stride)) = bias {
                            score = s.add(score, s.load(bias.add((first + j) * stride)));
                        }
                        s.store(parts.scores.as_mut_ptr().add((first + j) * S::LANES), score);
                        max = s.max(max, score);
                    }
                }
            }
            first += KEYS;
        }
        max
    }
}

/// Draws the exponential over scores, and sums it.
#[inline(always)]
fn exponentials<S: Simd>(s: S, scores: &mut [f32], max: S::V) -> S::V {
    let mut sums = [s.splat(0.0); 2];
    let mut pairs = scores.chunks_exact_mut(2 * S::LANES);
    for pair in &mut pairs {
        let (a, b) = pair.split_at_mut(S::LANES);
        sums[0] = s.add(sums[0], draw(s, a, max));
        sums[1] = s.add(sums[1], draw(s, b, max));
    }
    let last = pairs.into_remainder();
    if !last.is_empty() {
        sums[0] = s.add(sums[0], draw(s, last, max));
    }
    s.add(sums[0], sums[1])
}

/// One vector of [`exponentials`].
#[inline(always)]
fn draw<S: Simd>(s: S, score: &mut [f32], max: S::V) -> S::V {
    assert!(score.len() == S::LANES);
    // SAFETY: the slice is a whole vector, as asserted.
    unsafe {
        let e = exp_of_negative(s, s.sub(s.load(score.as_ptr()), max));
        s.store(score.as_mut_ptr(), e);
        e
    }
}

/// Means of the values: as many channels at once as there are registers for.
#[inline(always)]
fn mean<S: Simd>(s: S, parts: &mut Parts<'_>, n_keys: usize, dv: usize, factor: S::V) {
    assert!(parts.values.len() >= n_keys * packed_stride(dv) && parts.scores.len() >= n_keys * S::LANES);
    assert!(parts.results.len() >= dv * S::LANES);
    let most = if S::REGISTERS >= 32 { 30 } else { 12 };
    let mut c = 0;
    while c < dv {
        // Blocks of about one size rather than a whole one and a rest.
        let left = dv - c;
        let fair = left.div_ceil(left.div_ceil(most));
        macro_rules! blocks {
            ($($n:literal)*) => {
                match fair {
                    $(n if n >= $n && (S::REGISTERS >= 32 || $n <= 12) => {
                        channels::<S, $n>(s, parts, n_keys, dv, c, factor);
                        $n
                    })*
                    _ => {
                        channels::<S, 1>(s, parts, n_keys, dv, c, factor);
                        1
                    }
                }
            };
        }
        c += blocks!(30 24 20 16 15 12 10 8 6 5 4 3 2);
    }
}

#[inline(always)]
fn channels<S: Simd, const N: usize>(
    s: S,
    parts: &mut Parts<'_>,
    n_keys: usize,
    dv: usize,
    first: usize,
    factor: S::V,
) {
    let mut sums = [s.splat(0.0); N];
    let stride = packed_stride(dv);
    assert!(first + N <= dv);
    // SAFETY: `mean` has asserted the lengths; keys are below `n_keys` and channels below `dv`.
    unsafe {
        let (values, scores) = (parts.values.as_ptr().add(first), parts.scores.as_ptr());
        for key in 0..n_keys {
            let score = s.load(scores.add(key * S::LANES));
            let values = values.add(key * stride);
            for (c, sum) in sums.iter_mut().enumerate() {
                *sum = s.mul_add(s.splat(values.add(c).read()), score, *sum);
            }
        }
        // A copy, so that the sums above are only ever named by constants and stay in registers.
        let done = sums;
        for (c, &sum) in done.iter().enumerate() {
            s.store(parts.results.as_mut_ptr().add((first + c) * S::LANES), s.mul(sum, factor));
        }
    }
}
