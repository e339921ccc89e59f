//! How the results of a convolution that makes them in tiles are taken a few tiles at a time.

use std::ops::Range;

/// Some tiles of a call.
#[derive(Debug, Clone)]
pub(crate) struct Tiles {
    /// Columns of tiles, as many in every row.
    strip: Range<usize>,
    /// Of the tiles of the strip, row by row.
    numbers: Range<usize>,
    /// How many the strip has.
    all: usize,
}

impl Tiles {
    /// All tiles of a strip with so many rows of them, `size` at a time.
    pub(crate) fn chunks(
        tile_rows: usize,
        strip: Range<usize>,
        size: usize,
    ) -> impl Iterator<Item = Self> + use<> {
        let all = tile_rows * strip.len();
        (0..all).step_by(size).map(move |first| Self {
            strip: strip.clone(),
            numbers: first..(first + size).min(all),
            all,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The rows of tiles that they lie in, and the columns of tiles that they are in each.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        let (across, left, numbers) = (self.strip.len(), self.strip.start, self.numbers.clone());
        (numbers.start / across..numbers.end.div_ceil(across)).map(move |row| {
            let first = row * across;
            let in_row = numbers.start.max(first) - first..numbers.end.min(first + across) - first;
            (row, left + in_row.start..left + in_row.end)
        })
    }

    /// As many tiles of the strip after these, where there are so many.
    pub(crate) fn next(&self) -> Self {
        let numbers = self.numbers.end..(self.numbers.end + self.len()).min(self.all);
        Self { numbers, ..self.clone() }
    }
}
