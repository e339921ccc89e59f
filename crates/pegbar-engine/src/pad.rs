//! Padding to a network's size rule.

use pegbar_frame::PlanarImage;
use pegbar_net::{SizeFill, SizeRule};

/// The size that a `width` x `height` picture is padded to.
pub(crate) fn padded_size(rule: &SizeRule, width: usize, height: usize) -> (usize, usize) {
    let multiple = rule.multiple_of.max(1);
    let grow = |n: usize| n.max(rule.minimum).max(1).next_multiple_of(multiple);
    let [least_w, least_h] = rule.exactly.unwrap_or([1, 1]);
    let (w, h) = (grow(width).max(least_w), grow(height).max(least_h));
    if rule.square { (w.max(h), w.max(h)) } else { (w, h) }
}

/// Index of the sample that fills position `i` of an axis of `n` samples: mirrored without the edge as far as there is
/// something to mirror, the farthest mirrored sample repeated beyond.
fn mirrored(i: usize, n: usize) -> usize {
    if i < n { i } else { (2 * n).saturating_sub(2).saturating_sub(i) }
}

/// The sample of `n` that stands at position `i` after padding; `None` for a zero.
fn source_index(i: usize, n: usize, rule: &SizeRule) -> Option<usize> {
    let least = n.max(rule.minimum);
    let i = match rule.fill {
        _ if i < least => i,
        SizeFill::Mirror => mirrored(i, least),
        SizeFill::Symmetric => (2 * least - 1).saturating_sub(i),
        SizeFill::Edge => least - 1,
        SizeFill::Zeros => return None,
    };
    Some(mirrored(i, n))
}

/// Pads on the right and bottom to `width` x `height`, the size that [`padded_size`] tells.
pub(crate) fn pad(image: &PlanarImage, width: usize, height: usize, rule: &SizeRule) -> PlanarImage {
    let mut out = PlanarImage::zeros(image.channels, height, width);
    for c in 0..image.channels {
        let src = image.plane(c);
        let dst = out.plane_mut(c);
        for (y, row) in dst.chunks_exact_mut(width).enumerate() {
            let Some(y) = source_index(y, image.height, rule) else { break };
            let src_row = &src[y * image.width..(y + 1) * image.width];
            row[..image.width].copy_from_slice(src_row);
            for (x, value) in row.iter_mut().enumerate().skip(image.width) {
                *value = source_index(x, image.width, rule).map_or(0.0, |x| src_row[x]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflects_then_repeats() {
        let image = PlanarImage { width: 3, height: 1, channels: 1, data: vec![1.0, 2.0, 3.0] };
        let out = pad(&image, 7, 2, &SizeRule::default());
        assert_eq!(out.plane(0)[..7], [1.0, 2.0, 3.0, 2.0, 1.0, 1.0, 1.0]);
        assert_eq!(out.plane(0)[7..], [1.0, 2.0, 3.0, 2.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn the_rule_says_what_a_multiple_is_filled_with() {
        let image = PlanarImage { width: 2, height: 1, channels: 1, data: vec![1.0, 2.0] };
        // To the minimum it is mirrored in any case.
        for (fill, expected) in [
            (SizeFill::Mirror, [1.0, 2.0, 1.0, 2.0]),
            (SizeFill::Symmetric, [1.0, 2.0, 1.0, 1.0]),
            (SizeFill::Edge, [1.0, 2.0, 1.0, 1.0]),
            (SizeFill::Zeros, [1.0, 2.0, 1.0, 0.0]),
        ] {
            let rule = SizeRule { minimum: 3, multiple_of: 4, fill, ..SizeRule::default() };
            assert_eq!(padded_size(&rule, 2, 1), (4, 4));
            assert_eq!(pad(&image, 4, 4, &rule).plane(0)[..4], expected, "{fill:?}");
        }
    }

    #[test]
    fn sizes_follow_the_rule() {
        let rule = SizeRule { minimum: 16, multiple_of: 4, ..SizeRule::default() };
        assert_eq!(padded_size(&rule, 45, 35), (48, 36));
        assert_eq!(padded_size(&rule, 1, 3), (16, 16));
        assert_eq!(padded_size(&SizeRule { square: true, ..rule }, 45, 35), (48, 48));
        assert_eq!(padded_size(&SizeRule::default(), 3, 7), (3, 7));
        // What is larger than the one size is cut, not padded.
        let rule = SizeRule { exactly: Some([64, 48]), ..SizeRule::default() };
        assert_eq!(padded_size(&rule, 10, 10), (64, 48));
        assert_eq!(padded_size(&rule, 100, 10), (100, 48));
    }
}
