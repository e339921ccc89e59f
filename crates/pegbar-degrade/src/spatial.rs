//! Defects that a single frame shows: halos, shifted chroma, banding.
//!
//! Each is a type with the table `PARAMS`, `from_values`, and `apply` from a clean picture of 1, 3 or 4 channels to a spoilt one
//! of the same size; alpha is left alone. What is random depends on the seed alone: the same seed gives the same bits, so a
//! defect that stands still in a film takes one seed, and one that changes takes another for each frame.

pub mod aliasing;
pub mod banding;
pub mod blocking;
pub mod chroma_bleed;
pub mod chroma_shift;
mod convolution;
pub mod dirty_border;
pub mod faded_lines;
pub mod halo;
mod luma_chroma;
pub mod noise;
mod random;
pub mod ringing;
pub mod salt;
pub mod scratches;
pub mod thick_lines;

pub use aliasing::{Aliasing, AliasingKind};
pub use banding::Banding;
pub use blocking::Blocking;
pub use chroma_bleed::ChromaBleed;
pub use chroma_shift::ChromaShift;
pub use dirty_border::DirtyBorder;
pub use faded_lines::FadedLines;
pub use halo::Halo;
pub use noise::{Noise, NoiseKind};
pub use ringing::Ringing;
pub use salt::Salt;
pub use scratches::Scratches;
pub use thick_lines::ThickLines;

use pegbar_params::Param;

/// Id (the file's name) and parameters of each defect.
pub const TABLES: &[(&str, &[Param])] = &[
    ("aliasing", aliasing::PARAMS),
    ("banding", banding::PARAMS),
    ("blocking", blocking::PARAMS),
    ("chroma_bleed", chroma_bleed::PARAMS),
    ("chroma_shift", chroma_shift::PARAMS),
    ("dirty_border", dirty_border::PARAMS),
    ("faded_lines", faded_lines::PARAMS),
    ("halo", halo::PARAMS),
    ("noise", noise::PARAMS),
    ("ringing", ringing::PARAMS),
    ("salt", salt::PARAMS),
    ("scratches", scratches::PARAMS),
    ("thick_lines", thick_lines::PARAMS),
];

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_frame::PlanarImage;
    use pegbar_params::{ParamValues, check_table};

    /// Every defect at its defaults.
    fn defaults(id: &str, params: &'static [Param], image: &PlanarImage, seed: u64) -> PlanarImage {
        let values = ParamValues::defaults(params);
        match id {
            "aliasing" => Aliasing::from_values(&values).apply(image),
            "banding" => Banding::from_values(&values).apply(image),
            "blocking" => Blocking::from_values(&values).apply(image),
            "chroma_bleed" => ChromaBleed::from_values(&values).apply(image),
            "chroma_shift" => ChromaShift::from_values(&values).apply(image),
            "dirty_border" => DirtyBorder::from_values(&values).apply(image, seed),
            "faded_lines" => FadedLines::from_values(&values).apply(image),
            "halo" => Halo::from_values(&values).apply(image),
            "noise" => Noise::from_values(&values).apply(image, seed),
            "ringing" => Ringing::from_values(&values).apply(image),
            "salt" => Salt::from_values(&values).apply(image, seed),
            "scratches" => Scratches::from_values(&values).apply(image, seed),
            "thick_lines" => ThickLines::from_values(&values).apply(image),
            _ => panic!("{id} is not called here"),
        }
    }

    /// Dark lines over patches of colour.
    fn picture(channels: usize, height: usize, width: usize) -> PlanarImage {
        let mut image = PlanarImage::zeros(channels, height, width);
        for (i, sample) in image.data.iter_mut().enumerate() {
            let (c, y, x) = (i / (width * height), i / width % height, i % width);
            let patch = [0.8, 0.35, 0.6, 0.5][c] + 0.15 * ((x / 16 + y / 16 + c) % 3) as f32 - 0.1;
            *sample = if c < 3 && (x + y / 3) % 23 < 2 { 0.1 } else { patch };
        }
        image
    }

    #[test]
    fn tables_hold() {
        for (id, params) in TABLES {
            assert_eq!(check_table(params), Ok(()), "{id}");
        }
    }

    #[test]
    fn defects_spoil_leave_alpha_alone_and_repeat_themselves() {
        let image = picture(4, 64, 80);
        for &(id, params) in TABLES {
            let spoilt = defaults(id, params, &image, 7);
            assert_eq!((spoilt.channels, spoilt.height, spoilt.width), (4, 64, 80), "{id}");
            assert!(spoilt.plane(3) == image.plane(3), "{id}");
            assert!(spoilt != image, "{id}");
            assert!(spoilt == defaults(id, params, &image, 7), "{id}");
            assert!(spoilt.data.iter().all(|v| v.is_finite()), "{id}");
        }
        for (id, params) in TABLES.iter().filter(|(id, _)| ["noise", "salt", "scratches"].contains(id)) {
            assert!(defaults(id, params, &image, 7) != defaults(id, params, &image, 8), "{id}");
        }
    }

    #[test]
    fn any_size_and_any_number_will_do() {
        for &(id, params) in TABLES {
            for (channels, height, width) in [(1, 1, 1), (3, 2, 3), (3, 1, 40), (4, 40, 1), (3, 17, 9)] {
                let mut image = picture(channels, height, width);
                defaults(id, params, &image, 1);
                image.data[0] = f32::NAN;
                defaults(id, params, &image, 1);
            }
        }
    }
}
