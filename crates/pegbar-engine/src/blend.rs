//! Tiles that fade into each other, for networks that no overlap makes exact.

/// One tile along an axis, in input pixels. Neighbours keep a stretch in common, over which they fade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FadingSpan {
    /// First pixel fed to the network.
    pub(crate) read_start: usize,
    /// First pixel whose result is used.
    pub(crate) keep_start: usize,
    /// One past the last pixel whose result is used.
    pub(crate) keep_end: usize,
    /// How many pixels from `keep_start` on fade in from the tile before.
    pub(crate) fade: usize,
}

/// Cuts `len` pixels, at least `tile` of them, into tiles of exactly `tile` that overlap by `overlap` or more and begin at
/// multiples of `align`. A quarter of each overlap is dropped on both sides, since results are worst at borders; over the
/// half between, the tiles fade.
pub(crate) fn spans(len: usize, tile: usize, overlap: usize, align: usize) -> Vec<FadingSpan> {
    let overlap = overlap.min(tile / 2);
    let step = tile - overlap;
    let count = len.saturating_sub(tile).div_ceil(step) + 1;
    let start =
        |i: usize| if i + 1 == count { len - tile } else { i * (len - tile) / (count - 1) / align * align };
    let mut spans: Vec<FadingSpan> = Vec::with_capacity(count);
    for i in 0..count {
        let read_start = start(i);
        let mut span =
            FadingSpan { read_start, keep_start: read_start, keep_end: read_start + tile, fade: 0 };
        if let Some(before) = spans.last_mut() {
            let shared = before.read_start + tile - read_start;
            span.keep_start += shared / 4;
            before.keep_end -= shared / 4;
            span.fade = before.keep_end.saturating_sub(span.keep_start);
        }
        spans.push(span);
    }
    spans
}

/// Rows of planes that tiles are laid over, the later ones fading in.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) data: Vec<f32>,
}

/// A part of a stack of planes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    /// Planes, one after the other, of `width` columns and `height` rows.
    pub(crate) data: &'a [f32],
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// First column and row of the part.
    pub(crate) at: [usize; 2],
    /// Columns and rows of the part.
    pub(crate) size: [usize; 2],
}

impl Canvas {
    /// Lays a part of all planes over columns and rows from `[x, y]` on; it fades in over its first `fade` columns and rows.
    pub(crate) fn lay(&mut self, part: Part<'_>, [x, y]: [usize; 2], fade: [usize; 2]) {
        let (plane, part_plane) = (self.width * self.height, part.width * part.height);
        let weight = |i: usize, fade: usize| if i < fade { (i as f32 + 0.5) / fade as f32 } else { 1.0 };
        let columns: Vec<f32> = (0..part.size[0]).map(|i| weight(i, fade[0])).collect();
        for (to, from) in self.data.chunks_exact_mut(plane).zip(part.data.chunks_exact(part_plane)) {
            for row in 0..part.size[1] {
                let from = &from[(part.at[1] + row) * part.width + part.at[0]..][..part.size[0]];
                let to = &mut to[(y + row) * self.width + x..][..part.size[0]];
                let weight = weight(row, fade[1]);
                for ((to, &v), column) in to.iter_mut().zip(from).zip(&columns) {
                    let weight = weight * column;
                    *to = if weight == 1.0 { v } else { *to + (v - *to) * weight };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_everything_and_fade() {
        for (len, tile, overlap, align) in
            [(64, 64, 16, 1), (65, 64, 16, 1), (300, 64, 16, 1), (1000, 128, 32, 8), (113, 64, 16, 1)]
        {
            let spans = spans(len, tile, overlap, align);
            assert_eq!((spans[0].keep_start, spans[0].read_start, spans[0].fade), (0, 0, 0));
            let last = spans[spans.len() - 1];
            assert_eq!((last.keep_end, last.read_start), (len, len - tile));
            for pair in spans.windows(2) {
                let (a, b) = (pair[0], pair[1]);
                assert!(a.read_start + tile >= b.read_start + overlap, "{a:?} {b:?}");
                assert_eq!(a.keep_end, b.keep_start + b.fade);
                assert!(b.fade > 0 && b.keep_start > b.read_start && a.keep_end < a.read_start + tile);
                assert!(b.read_start.is_multiple_of(align) || b == last);
            }
        }
    }

    #[test]
    fn what_is_the_same_in_all_tiles_stays_the_same() {
        let tile = vec![0.25f32; 2 * 8 * 8];
        let part = |at, size| Part { data: &tile, width: 8, height: 8, at, size };
        let mut canvas = Canvas { width: 14, height: 8, data: vec![f32::NAN; 2 * 14 * 8] };
        canvas.lay(part([0, 0], [7, 8]), [0, 0], [0, 0]);
        canvas.lay(part([1, 0], [7, 8]), [5, 0], [2, 0]);
        let filled = |x: usize, v: f32| if x < 12 { v == 0.25 } else { v.is_nan() };
        assert!(canvas.data.iter().enumerate().all(|(i, &v)| filled(i % 14, v)));
    }
}
