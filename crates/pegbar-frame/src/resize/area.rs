//! The mean over the area that an output pixel covers.

use crate::PlanarImage;

/// The source samples one output sample covers.
struct Span {
    start: usize,
    /// Sum is 1.
    weights: Vec<f32>,
}

/// `image` is valid and the new sides are above zero.
pub(super) fn resize(image: &PlanarImage, width: usize, height: usize) -> PlanarImage {
    let columns = spans(image.width, width);
    let rows = spans(image.height, height);
    let mut out = PlanarImage::zeros(image.channels, height, width);
    let mut mean_row = vec![0.0f32; image.width];
    for channel in 0..image.channels {
        let source = image.plane(channel);
        for (out_row, row) in out.plane_mut(channel).chunks_exact_mut(width).zip(&rows) {
            mean_row.fill(0.0);
            let covered = source[row.start * image.width..].chunks_exact(image.width);
            for (samples, weight) in covered.zip(&row.weights) {
                for (mean, sample) in mean_row.iter_mut().zip(samples) {
                    *mean += weight * sample;
                }
            }
            for (sample, column) in out_row.iter_mut().zip(&columns) {
                *sample = mean_row[column.start..].iter().zip(&column.weights).map(|(s, w)| s * w).sum();
            }
        }
    }
    out
}

/// The cover of each of `to` equal parts of `from` samples. Shares are counted in whole units of `1 / to` of a
/// sample, so they are exact.
fn spans(from: usize, to: usize) -> Vec<Span> {
    (0..to)
        .map(|i| {
            let (begin, end) = (i as u128 * from as u128, (i as u128 + 1) * from as u128);
            let to = to as u128;
            let start = begin / to;
            let weights = (start..end.div_ceil(to))
                .map(|s| (end.min((s + 1) * to) - begin.max(s * to)) as f64 / from as f64)
                .map(|share| share as f32)
                .collect();
            Span { start: start as usize, weights }
        })
        .collect()
}
