//! Cutting an axis into tiles that overlap just enough.

/// One stretch of an axis, in input pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// First pixel fed to the network.
    pub(crate) read_start: usize,
    /// One past the last pixel fed to the network.
    pub(crate) read_end: usize,
    /// First pixel whose result is kept.
    pub(crate) keep_start: usize,
    /// One past the last pixel whose result is kept.
    pub(crate) keep_end: usize,
}

/// Cuts `len` pixels into spans that read at most `tile` pixels each. Reads reach `before` and `after` pixels beyond what is
/// kept, start and end on multiples of `align` (or at the end of the axis), and stop at the real borders.
///
/// `tile` must be above `before + after + 2 * align`, rounded up; callers check with [`smallest_tile`].
pub(crate) fn spans(len: usize, tile: usize, before: usize, after: usize, align: usize) -> Vec<Span> {
    if len <= tile {
        return vec![Span { read_start: 0, read_end: len, keep_start: 0, keep_end: len }];
    }
    debug_assert!(tile >= smallest_tile(before, after, align));
    let halo_before = before.next_multiple_of(align);
    let halo_after = after.next_multiple_of(align);
    // Equal shares instead of full tiles and a sliver: the same count, less halo in each.
    let most_kept = (tile - halo_before - halo_after) / align * align;
    let count = len.div_ceil(most_kept);
    let kept = len.div_ceil(count).next_multiple_of(align).min(most_kept);
    let mut out = Vec::with_capacity(count);
    let mut start = 0;
    while start < len {
        let end = (start + kept).min(len);
        out.push(Span {
            read_start: start.saturating_sub(halo_before),
            read_end: (end + halo_after).min(len),
            keep_start: start,
            keep_end: end,
        });
        start = end;
    }
    out
}

/// The smallest tile that keeps anything.
pub(crate) fn smallest_tile(before: usize, after: usize, align: usize) -> usize {
    before.next_multiple_of(align) + after.next_multiple_of(align) + align
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_axis_is_one_span() {
        assert_eq!(spans(7, 64, 18, 18, 1).len(), 1);
    }

    #[test]
    fn spans_cover_overlap_and_align() {
        for (len, tile, before, after, align) in
            [(720, 128, 18, 18, 1), (1000, 100, 7, 9, 4), (333, 40, 3, 3, 2)]
        {
            let spans = spans(len, tile, before, after, align);
            assert!(spans.len() > 1);
            let mut expected = 0;
            for s in &spans {
                assert_eq!(s.keep_start, expected);
                expected = s.keep_end;
                assert!(s.read_end - s.read_start <= tile, "{s:?} reads more than {tile}");
                assert!(s.read_start == 0 || s.read_start + before <= s.keep_start);
                assert!(s.read_end == len || s.keep_end + after <= s.read_end);
                assert_eq!(s.read_start % align, 0);
            }
            assert_eq!(expected, len);
        }
    }
}
