//! Attention between the pixels of a picture, and between its channels.

use crate::WeightId;

/// Which pixels see one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Region {
    /// All of them.
    Picture,
    /// Those of one rectangle of `[rows, columns]`.
    Blocks([usize; 2]),
    /// `[rows, columns]` pixels spread evenly over the whole picture, `H / rows` and `W / columns` apart.
    Grid([usize; 2]),
    /// Those `[rows, columns]` apart, as many as there are. Only between channels.
    Apart([usize; 2]),
}

/// How alike a query and a key are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scores {
    /// Their product, times a number.
    Dot(f32),
    /// The product of both divided by their lengths (by 1e-12 where shorter), times a number for each head: `[heads]`.
    Cosine(WeightId),
}

/// What [`crate::Op::Attention`] computes.
///
/// Inputs are queries `[N, C, H, W]`, keys `[N, C, H', W']` and values `[N, C', H', W']`; the result is
/// `[N, C', H, W]`. Channels are `heads` runs of equal length, the heads. For each head and each query pixel the
/// result is the mean of the values of the pixels in its region, weighted by
/// `softmax(scores + bias)`. Keys are as large as queries but for [`Attention::key_factor`] and
/// [`Attention::query_factor`], and of any size where the region is the whole picture.
///
/// Sides of the picture must be multiples of the region's (see [`Attention::pad_to`]).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// Runs of channels that attend separately.
    pub heads: usize,
    /// Which keys a query sees.
    pub region: Region,
    /// With [`Region::Blocks`]: the first block boundaries lie `[rows, columns]` below and to the right of the corner,
    /// so that the blocks at the picture's border are cut. That is what a cyclic shift with the usual mask between
    /// what was not adjacent amounts to; places in `bias` are those in the shifted block.
    pub shift: [usize; 2],
    /// With [`Region::Blocks`] and no shift: keys are taken from so many more `[rows, columns]` on each side of the
    /// block; beyond the picture they and their values are zero, and take part.
    pub key_margin: [usize; 2],
    /// With [`Region::Blocks`]: keys and values are so many times smaller than queries in both directions. The block
    /// must be a multiple of it. Where the shift is none, that of the keys is rounded up, so a key that lies across
    /// the boundary belongs to the block before it.
    pub key_factor: usize,
    /// With [`Region::Blocks`] and neither margin, padding nor smaller keys: queries are so many times smaller than
    /// keys and values in both directions. Block and shift are counted in queries.
    pub query_factor: usize,
    /// With [`Region::Blocks`]: queries, keys and values are continued with zeros on the right and at the bottom to
    /// multiples of `[rows, columns]` of this, which are multiples of the block; zeros take part as keys. Without it
    /// the picture itself must be of such a size.
    pub pad_to: Option<[usize; 2]>,
    /// How scores are made.
    pub scores: Scores,
    /// Added to the scores, by place in the block: `[heads, queries, keys]`. Not for [`Region::Picture`].
    pub bias: Option<WeightId>,
}

/// What [`crate::Op::ChannelAttention`] computes.
///
/// Inputs are queries, keys and values `[N, C, H, W]`; the result has their shape. Within each head (a run of `C / heads`
/// channels) and each region, channel `a` of the result is the mean of the channels `b` of the values,
/// weighted by the softmax over `b` of the scores between channel `a` of the queries and channel `b` of the keys, each
/// taken as a vector of the pixels of the region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelAttention {
    /// Runs of channels that attend separately.
    pub heads: usize,
    /// Pixels that make up a channel's vector.
    pub region: Region,
    /// How scores are made.
    pub scores: Scores,
}

/// What [`crate::Op::SortedAttention`] computes.
///
/// Inputs are queries and keys `[N, C, H, W]`, values `[N, C', H, W]` and categories `[N, K, H, W]`; the result has the
/// shape of the values. A pixel's category is the largest channel of the fourth input, the first of several.
/// The pixels of a picture are put in the order of their categories, and row by row within one, and cut into groups;
/// each sees those of its group, as in [`Attention`]. The last group is filled up with the last pixels once more, from
/// the last on backwards; those take part as keys.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SortedAttention {
    /// Runs of channels that attend separately.
    pub heads: usize,
    /// Pixels of a group; all pixels are one where they are fewer.
    pub group: usize,
    /// What products of queries and keys are multiplied with.
    pub scale: f32,
}

impl SortedAttention {
    /// The groups, as places in the sorted order. A group's own pixels come first, then what it is filled up with.
    pub fn groups(
        &self,
        n_pixels: usize,
    ) -> impl Iterator<Item = (std::ops::Range<usize>, std::ops::Range<usize>)> {
        let size = self.group.min(n_pixels).max(1);
        (0..n_pixels).step_by(size).map(move |start| {
            let own = start..(start + size).min(n_pixels);
            let lacking = size - own.len();
            (own, n_pixels - lacking..n_pixels)
        })
    }
}

impl Attention {
    /// Attention within whole, unshifted blocks of `[rows, columns]`.
    pub const fn blocks(heads: usize, block: [usize; 2], scores: Scores) -> Self {
        Self {
            heads,
            region: Region::Blocks(block),
            shift: [0, 0],
            key_margin: [0, 0],
            key_factor: 1,
            query_factor: 1,
            pad_to: None,
            scores,
            bias: None,
        }
    }

    /// The same with another region.
    pub const fn with_region(self, region: Region) -> Self {
        Self { region, ..self }
    }

    /// The same with a shift.
    pub const fn with_shift(self, shift: [usize; 2]) -> Self {
        Self { shift, ..self }
    }

    /// The same with a bias.
    pub const fn with_bias(self, bias: WeightId) -> Self {
        Self { bias: Some(bias), ..self }
    }

    /// What the sides of the queries must be multiples of, `[rows, columns]`, zeros of [`Attention::pad_to`] included.
    pub const fn block(&self) -> [usize; 2] {
        match self.region {
            Region::Picture => [1, 1],
            Region::Blocks(block) | Region::Grid(block) | Region::Apart(block) => block,
        }
    }

    /// Queries and keys of a whole block.
    pub fn tokens(&self) -> [usize; 2] {
        let [rows, columns] = self.block();
        let keys = |i: usize| self.block()[i] * self.query_factor / self.key_factor + 2 * self.key_margin[i];
        [rows * columns, keys(0) * keys(1)]
    }

    /// Block and shift along an axis, counted in keys.
    pub fn of_keys(&self, axis: usize) -> [usize; 2] {
        let in_keys = |n: usize| (n * self.query_factor).div_ceil(self.key_factor);
        [in_keys(self.block()[axis]), in_keys(self.shift[axis])]
    }

    /// The keys without margin that the queries of block `index` along an axis see, whose `size` is that of the queries
    /// with the zeros behind them.
    pub fn key_span(&self, axis: usize, size: usize, index: usize) -> Span {
        let [block, shift] = self.of_keys(axis);
        span_at(size * self.query_factor / self.key_factor, block, shift, index)
    }

    /// A side of the queries with the zeros behind it.
    pub fn padded(&self, axis: usize, size: usize) -> usize {
        self.pad_to.map_or(size, |to| size.next_multiple_of(to[axis]))
    }
}

/// The part of a block along one axis that lies in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First row or column.
    pub start: usize,
    /// How many.
    pub len: usize,
    /// Place of the first one within the whole block.
    pub place: usize,
}

/// How blocks cut an axis of `size`, a multiple of `block`.
pub fn spans(size: usize, block: usize, shift: usize) -> impl Iterator<Item = Span> {
    debug_assert!(size.is_multiple_of(block) && shift < block);
    let n = size / block + usize::from(shift > 0);
    (0..n).map(move |i| span_at(size, block, shift, i))
}

/// The block `index` of [`spans`].
pub fn span_at(size: usize, block: usize, shift: usize, index: usize) -> Span {
    let before = if shift > 0 { block - shift } else { 0 };
    let (start, end) = ((index * block).saturating_sub(before), ((index + 1) * block - before).min(size));
    Span { start, len: end - start, place: if index == 0 { before } else { 0 } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_group_is_filled_up() {
        let groups =
            |group, n| -> Vec<_> { SortedAttention { heads: 1, group, scale: 1.0 }.groups(n).collect() };
        assert_eq!(groups(4, 8), [(0..4, 8..8), (4..8, 8..8)]);
        assert_eq!(groups(4, 6), [(0..4, 6..6), (4..6, 4..6)]);
        assert_eq!(groups(4, 5), [(0..4, 5..5), (4..5, 2..5)]);
        assert_eq!(groups(4, 3), [(0..3, 3..3)]);
    }

    #[test]
    fn shifted_blocks_are_cut_at_the_border() {
        let span = |start, len, place| Span { start, len, place };
        assert_eq!(spans(16, 8, 0).collect::<Vec<_>>(), [span(0, 8, 0), span(8, 8, 0)]);
        assert_eq!(spans(16, 8, 3).collect::<Vec<_>>(), [span(0, 3, 5), span(3, 8, 0), span(11, 5, 0)]);
        assert_eq!(spans(8, 8, 7).collect::<Vec<_>>(), [span(0, 7, 1), span(7, 1, 0)]);
    }
}
