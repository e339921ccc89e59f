//! A mean over those neighbours that are alike, where a mask asks for it.

use super::plane::pad;

/// Samples that are looked at together; where the mask is shut for all of them, nothing is computed.
const LANES: usize = 8;

/// Moves each sample of `plane` towards the mean of the square of `2 * reach + 1` px around it, by as much as `mask` says. A
/// neighbour's weight falls with the difference in `guide`, and is 0 from `tolerance` on (Tukey's biweight).
pub(super) fn bilateral(
    plane: &[f32],
    guide: &[f32],
    width: usize,
    reach: usize,
    tolerance: &[f32],
    mask: &[f32],
) -> Vec<f32> {
    let height = plane.len() / width;
    let mut out = plane.to_vec();
    // The rows around the one at work, so far to the right that whole groups of lanes can be read.
    let padded_width = width.next_multiple_of(LANES) + 2 * reach;
    let padded = |rows: &[f32]| -> Vec<f32> {
        let mut all = vec![0.0; padded_width * height];
        for (row, target) in rows.chunks_exact(width).zip(all.chunks_exact_mut(padded_width)) {
            pad(row, reach, target);
        }
        all
    };
    let (values, guides) = (padded(plane), padded(guide));
    for y in 0..height {
        for left in (0..width).step_by(LANES) {
            let n = LANES.min(width - left);
            let at = y * width + left;
            if !mask[at..at + n].iter().any(|m| *m > 0.0) {
                continue;
            }
            let mut centre = [0.0; LANES];
            let mut scale = [0.0; LANES];
            for i in 0..n {
                centre[i] = guide[at + i];
                scale[i] = 1.0 / tolerance[at + i].max(1e-6).powi(2);
            }
            let (mut sum, mut weights) = ([0.0f32; LANES], [0.0f32; LANES]);
            for v in 0..2 * reach + 1 {
                let row = (y + v).saturating_sub(reach).min(height - 1) * padded_width + left;
                for u in 0..2 * reach + 1 {
                    let (value, guide) = (&values[row + u..][..LANES], &guides[row + u..][..LANES]);
                    for i in 0..LANES {
                        let d = guide[i] - centre[i];
                        let w = (1.0 - d * d * scale[i]).max(0.0);
                        sum[i] += w * w * value[i];
                        weights[i] += w * w;
                    }
                }
            }
            for i in 0..n {
                // The centre itself has weight 1, unless it is NaN.
                out[at + i] += mask[at + i] * (sum[i] / weights[i].max(1e-6) - plane[at + i]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_is_averaged_and_unlike_is_not() {
        let plane: Vec<f32> =
            (0..100).map(|i| if i % 10 < 5 { 0.2 } else { 0.8 } + 0.01 * (i % 2) as f32).collect();
        let out = bilateral(&plane, &plane, 10, 2, &[0.2; 100], &[1.0; 100]);
        assert!(
            (out[52] - 0.205).abs() < 0.003 && (out[57] - 0.805).abs() < 0.003,
            "{} {}",
            out[52],
            out[57]
        );
        let shut = bilateral(&plane, &plane, 10, 2, &[0.2; 100], &[0.0; 100]);
        assert_eq!(shut, plane);
    }
}
