//! Padding to a network's size rule.

use pegbar_frame::PlanarImage;
use pegbar_net::SizeRule;

/// The size that a `width` x `height` picture is padded to.
pub(crate) fn padded_size(rule: &SizeRule, width: usize, height: usize) -> (usize, usize) {
    let multiple = rule.multiple_of.max(1);
    let grow = |n: usize| n.max(rule.minimum).max(1).next_multiple_of(multiple);
    let (w, h) = (grow(width), grow(height));
    if rule.square { (w.max(h), w.max(h)) } else { (w, h) }
}

/// Index of the source sample that fills position `i` of an axis of `n` samples: reflected without the edge as far as
/// there is something to reflect, the farthest reflected sample repeated beyond.
fn source_index(i: usize, n: usize) -> usize {
    if i < n { i } else { (2 * n).saturating_sub(2).saturating_sub(i) }
}

/// Pads on the right and bottom to `width` x `height`.
pub(crate) fn pad(image: &PlanarImage, width: usize, height: usize) -> PlanarImage {
    let mut out = PlanarImage::zeros(image.channels, height, width);
    for c in 0..image.channels {
        let src = image.plane(c);
        let dst = out.plane_mut(c);
        for (y, row) in dst.chunks_exact_mut(width).enumerate() {
            let y = source_index(y, image.height);
            let src_row = &src[y * image.width..(y + 1) * image.width];
            row[..image.width].copy_from_slice(src_row);
            for (x, value) in row.iter_mut().enumerate().skip(image.width) {
                *value = src_row[source_index(x, image.width)];
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
        let out = pad(&image, 7, 2);
        assert_eq!(out.plane(0)[..7], [1.0, 2.0, 3.0, 2.0, 1.0, 1.0, 1.0]);
        assert_eq!(out.plane(0)[7..], [1.0, 2.0, 3.0, 2.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn sizes_follow_the_rule() {
        let rule = SizeRule { minimum: 16, multiple_of: 4, square: false };
        assert_eq!(padded_size(&rule, 45, 35), (48, 36));
        assert_eq!(padded_size(&rule, 1, 3), (16, 16));
        assert_eq!(padded_size(&SizeRule { square: true, ..rule }, 45, 35), (48, 48));
        assert_eq!(padded_size(&SizeRule::default(), 3, 7), (3, 7));
    }
}
