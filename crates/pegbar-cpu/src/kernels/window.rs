//! Which pixels a window is made of.

use pegbar_net::{Span, span_at};
use std::ops::Range;

/// Windows along the rows: boundaries at `shift` and every `block` rows from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bands {
    pub(crate) block: usize,
    pub(crate) shift: usize,
}

impl Bands {
    /// The band a row lies in.
    fn of(self, y: usize) -> usize {
        if self.shift > 0 { (y + self.block - self.shift) / self.block } else { y / self.block }
    }

    /// The bands that some rows (not none) lie in, in a picture of at most `height` rows.
    pub(crate) fn covering(self, rows: &Range<usize>, height: usize) -> Range<usize> {
        debug_assert!(rows.start < rows.end && rows.end <= height);
        self.of(rows.start)..self.of(rows.end - 1) + 1
    }

    /// Rows of all bands that some rows (not none) lie in.
    pub(crate) fn whole(self, rows: Range<usize>, height: usize) -> Range<usize> {
        let bands = self.covering(&rows, height);
        let size = height.next_multiple_of(self.block);
        let first = span_at(size, self.block, self.shift, bands.start);
        let last = span_at(size, self.block, self.shift, bands.end - 1);
        first.start..(last.start + last.len).min(height)
    }
}

/// A pixel of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// Row and column; none beyond the picture.
    pub(crate) at: Option<[usize; 2]>,
    /// Place in the whole window.
    pub(crate) place: usize,
}

/// Rows or columns of a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places {
    /// May lie before the picture.
    pub(crate) start: isize,
    pub(crate) step: usize,
    pub(crate) len: usize,
    /// Place of the first one in the whole window.
    pub(crate) place: usize,
}

impl Places {
    pub(crate) fn run(start: usize, len: usize) -> Self {
        Self { start: start as isize, step: 1, len, place: 0 }
    }

    pub(crate) fn of(span: Span) -> Self {
        Self { start: span.start as isize, step: 1, len: span.len, place: span.place }
    }

    fn at(&self, i: usize, size: usize) -> Option<usize> {
        usize::try_from(self.start + (i * self.step) as isize).ok().filter(|&at| at < size)
    }

    /// The pixels where rows and columns meet, row by row; a whole window is `stride` columns wide.
    pub(crate) fn tokens(&self, columns: &Self, [height, width]: [usize; 2], stride: usize) -> Vec<Token> {
        let mut tokens = Vec::with_capacity(self.len * columns.len);
        for i in 0..self.len {
            let y = self.at(i, height);
            for j in 0..columns.len {
                let at = y.zip(columns.at(j, width)).map(|(y, x)| [y, x]);
                let place = (self.place + i) * stride + columns.place + j;
                tokens.push(Token { at, place });
            }
        }
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_hold_the_rows_they_are_asked_for() {
        for shift in 0..4 {
            let bands = Bands { block: 4, shift };
            for height in [4, 8, 11, 13] {
                for start in 0..height {
                    for end in start + 1..=height {
                        let whole = bands.whole(start..end, height);
                        assert!(whole.start <= start && whole.end >= end && whole.end <= height);
                        assert!(whole.start == 0 || whole.start % 4 == shift);
                        assert!(whole.end == height || whole.end % 4 == shift);
                        assert!(whole.len() <= end - start + 6);
                    }
                }
            }
        }
    }
}
