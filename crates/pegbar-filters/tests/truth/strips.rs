//! Pictures to look at: truth, spoilt, ours, ffmpeg's, side by side, magnified.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{Rgb, RgbImage};
use pegbar_frame::PlanarImage;

use super::Outcome;
use super::clips::Clip;

const SIDE_PX: usize = 104;
const MAGNIFIED: usize = 2;
const GAP_PX: usize = 4;

/// The name of a defect's strip on a clip.
pub fn file_name(defect: &str, clip: &str) -> String {
    format!("{}-{clip}.png", defect.replace(' ', "-").to_lowercase())
}

/// Writes a strip into `folder`: of the middle frame the square where the defect did most, in the order truth,
/// spoilt, ours, ffmpeg's.
///
/// # Errors
/// When the file cannot be written.
pub fn write(folder: &Path, clip: &Clip, outcome: &Outcome) -> image::ImageResult<()> {
    std::fs::create_dir_all(folder)?;
    let i = clip.frames.len() / 2;
    let (x, y) = busiest_square(&outcome.spoilt[i], &clip.frames[i]);
    let mut pictures = vec![&clip.frames[i], &outcome.spoilt[i], &outcome.ours.frames[i]];
    pictures.extend(outcome.ffmpeg.as_ref().map(|party| &party.frames[i]));
    let side = SIDE_PX * MAGNIFIED;
    let mut sheet = RgbImage::new((pictures.len() * (side + GAP_PX) - GAP_PX) as u32, side as u32);
    for (n, picture) in pictures.into_iter().enumerate() {
        for v in 0..side {
            for u in 0..side {
                let at = |c: usize| {
                    let (px, py) = (x + u / MAGNIFIED, y + v / MAGNIFIED);
                    if px >= picture.width || py >= picture.height {
                        return 0;
                    }
                    let sample = picture.data[(c * picture.height + py) * picture.width + px];
                    (sample.clamp(0.0, 1.0) * 255.0).round() as u8
                };
                sheet.put_pixel((n * (side + GAP_PX) + u) as u32, v as u32, Rgb([at(0), at(1), at(2)]));
            }
        }
    }
    let file = BufWriter::new(File::create(folder.join(file_name(outcome.defect, outcome.clip)))?);
    sheet.write_with_encoder(PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::Up))
}

/// Top left corner of the square in which two pictures differ most.
fn busiest_square(a: &PlanarImage, b: &PlanarImage) -> (usize, usize) {
    let (step, w, h) = (SIDE_PX / 4, a.width, a.height);
    let mut best = (-1.0, (0, 0));
    for y in (0..=h.saturating_sub(SIDE_PX)).step_by(step) {
        for x in (0..=w.saturating_sub(SIDE_PX)).step_by(step) {
            let mut sum = 0.0;
            for row in y..(y + SIDE_PX).min(h) {
                for column in x..(x + SIDE_PX).min(w) {
                    sum += (a.data[row * w + column] - b.data[row * w + column]).abs();
                }
            }
            if sum > best.0 {
                best = (sum, (x, y));
            }
        }
    }
    best.1
}
