//! What is fetched during the product: it leaves the memory idle, where the transforms wait for it.

use super::{ConvCall, WinogradConv};
use crate::kernels::tiles::Tiles;
use crate::memory::Rows;
use crate::simd::Simd;
use std::ops::Range;

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// Lines one after the other.
struct Span {
    /// An address, not to be read through.
    start: *const u8,
    lines: usize,
}

/// The lines that the next chunk of tiles reads and that this one writes, handed out a few at a time.
pub(super) struct Ahead {
    spans: Vec<Span>,
    /// Lines of the last span that are asked for already.
    done: usize,
    per_step: usize,
}

impl Ahead {
    /// `tiles` are at work, `n_steps` is how many steps there will be.
    pub(super) fn new(conv: &WinogradConv, call: &ConvCall<'_>, tiles: &Tiles, n_steps: usize) -> Self {
        let tile = conv.products.tile();
        let mut spans = vec![];
        for (row, in_row) in tiles.next().rows() {
            let top = (call.rows.start + row * tile).saturating_sub(conv.padding[0]) / conv.repeat;
            let end = ((call.rows.start + (row + 1) * tile + 2) / conv.repeat).min(call.input.height());
            let columns = in_row.start * tile / conv.repeat..(in_row.end * tile + 2) / conv.repeat;
            for y in top..end {
                spans.extend(span(&call.input, y, columns.clone()));
            }
        }
        for (row, in_row) in tiles.rows() {
            let top = call.rows.start + row * tile;
            for y in top..(top + tile).min(call.rows.end) {
                spans.extend(span(&call.output, y, in_row.start * tile..in_row.end * tile));
            }
        }
        // Handed out from the end.
        spans.reverse();
        let lines: usize = spans.iter().map(|span| span.lines).sum();
        Self { spans, done: 0, per_step: lines.div_ceil(n_steps.max(1)) }
    }

    #[cfg(test)]
    pub(super) fn nothing() -> Self {
        Self { spans: vec![], done: 0, per_step: 0 }
    }

    /// Asks for the next line of those of a step, if there are more than the `n` that it has asked for: one after each round of
    /// products, for many at once would hold the processor up.
    #[inline(always)]
    pub(super) fn one_of_step<S: Simd>(&mut self, s: S, n: usize) {
        if n < self.per_step {
            self.one(s);
        }
    }

    /// Asks for those lines of a step that come after the first `n`.
    #[inline(always)]
    pub(super) fn after<S: Simd>(&mut self, s: S, n: usize) {
        for _ in n..self.per_step {
            self.one(s);
        }
    }

    #[inline(always)]
    fn one<S: Simd>(&mut self, s: S) {
        let Some(span) = self.spans.last() else { return };
        s.prefetch_far(span.start.wrapping_add(self.done * LINE_BYTES));
        self.done += 1;
        if self.done == span.lines {
            self.spans.pop();
            self.done = 0;
        }
    }
}

/// The lines of some columns of a row.
fn span(rows: &Rows, y: usize, columns: Range<usize>) -> Option<Span> {
    let row = rows.row(y);
    let columns = columns.start..columns.end.min(row.width);
    let bytes = columns.len() * row.pixel_stride * row.element.bytes();
    let start = row.address(columns.start);
    (bytes > 0).then(|| Span { start, lines: bytes.div_ceil(LINE_BYTES) })
}
