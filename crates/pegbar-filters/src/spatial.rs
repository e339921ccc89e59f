//! Restoration of single frames.
//!
//! Each filter is good with its defaults for cartoons of 480 to 1080 rows; the defaults are those that win in the table of the
//! example `restoration`.

pub mod anti_alias;
mod bilateral;
pub mod border_fix;
pub mod chroma_bleed;
pub mod chroma_shift;
pub mod deband;
pub mod deblock;
pub mod dehalo;
pub mod denoise;
pub mod dering;
pub mod descratch;
pub mod despeckle;
pub mod edge_clean;
mod edge_profile;
pub mod fine_dehalo;
pub mod line_darken;
pub mod line_thin;
pub(crate) mod overlapping_blocks;
mod plane;

pub use anti_alias::AntiAlias;
pub use border_fix::BorderFix;
pub use chroma_bleed::ChromaBleed;
pub use chroma_shift::ChromaShift;
pub use deband::Deband;
pub use deblock::Deblock;
pub use dehalo::Dehalo;
pub use denoise::Denoise;
pub use dering::Dering;
pub use descratch::Descratch;
pub use despeckle::Despeckle;
pub use edge_clean::EdgeClean;
pub use fine_dehalo::FineDehalo;
pub use line_darken::LineDarken;
pub use line_thin::LineThin;

use pegbar_params::Param;

/// Id (the file's name) and parameters of each filter.
pub const TABLES: &[(&str, &[Param])] = &[
    ("anti_alias", anti_alias::PARAMS),
    ("border_fix", border_fix::PARAMS),
    ("chroma_bleed", chroma_bleed::PARAMS),
    ("chroma_shift", chroma_shift::PARAMS),
    ("deband", deband::PARAMS),
    ("deblock", deblock::PARAMS),
    ("dehalo", dehalo::PARAMS),
    ("denoise", denoise::PARAMS),
    ("dering", dering::PARAMS),
    ("descratch", descratch::PARAMS),
    ("despeckle", despeckle::PARAMS),
    ("edge_clean", edge_clean::PARAMS),
    ("fine_dehalo", fine_dehalo::PARAMS),
    ("line_darken", line_darken::PARAMS),
    ("line_thin", line_thin::PARAMS),
];

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_frame::PlanarImage;
    use pegbar_params::{ParamKind, ParamValue, ParamValues, check_table};

    fn apply(id: &str, values: &ParamValues, image: &PlanarImage) -> PlanarImage {
        match id {
            "anti_alias" => AntiAlias::from_values(values).apply(image),
            "border_fix" => BorderFix::from_values(values).apply(image),
            "chroma_bleed" => ChromaBleed::from_values(values).apply(image),
            "chroma_shift" => ChromaShift::from_values(values).apply(image),
            "deband" => Deband::from_values(values).apply(image),
            "deblock" => Deblock::from_values(values).apply(image),
            "dehalo" => Dehalo::from_values(values).apply(image),
            "denoise" => Denoise::from_values(values).apply(image),
            "dering" => Dering::from_values(values).apply(image),
            "descratch" => Descratch::from_values(values).apply(image),
            "despeckle" => Despeckle::from_values(values).apply(image),
            "edge_clean" => EdgeClean::from_values(values).apply(image),
            "fine_dehalo" => FineDehalo::from_values(values).apply(image),
            "line_darken" => LineDarken::from_values(values).apply(image),
            "line_thin" => LineThin::from_values(values).apply(image),
            _ => panic!("{id} is not called here"),
        }
    }

    /// Noise, lines and patches.
    fn picture(channels: usize, height: usize, width: usize) -> PlanarImage {
        let mut image = PlanarImage::zeros(channels, height, width);
        for (i, sample) in image.data.iter_mut().enumerate() {
            let (c, y, x) = (i / (width * height), i / width % height, i % width);
            let patch = 0.3 + 0.2 * ((x / 16 + y / 16 + c) % 3) as f32;
            let noise = ((i * 7919) % 1009) as f32 / 1009.0 - 0.5;
            *sample = if c < 3 && (x + y / 3) % 23 < 2 { 0.1 } else { patch } + 0.05 * noise;
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
    fn alpha_stays_and_results_repeat_themselves() {
        let image = picture(4, 64, 80);
        for &(id, params) in TABLES {
            let values = ParamValues::defaults(params);
            let out = apply(id, &values, &image);
            assert_eq!((out.channels, out.height, out.width), (4, 64, 80), "{id}");
            assert!(out.plane(3) == image.plane(3), "{id}");
            assert!(out == apply(id, &values, &image), "{id}");
            assert!(out.data.iter().all(|v| v.is_finite()), "{id}");
        }
    }

    #[test]
    fn any_size_and_any_number_will_do() {
        for &(id, params) in TABLES {
            for (channels, height, width) in
                [(1, 1, 1), (3, 2, 3), (3, 1, 40), (4, 40, 1), (3, 17, 9), (1, 30, 30)]
            {
                let mut image = picture(channels, height, width);
                for extremes in [None, Some(false), Some(true)] {
                    let mut values = ParamValues::defaults(params);
                    for p in params.iter().filter(|_| extremes.is_some()) {
                        let top = extremes == Some(true);
                        let value = match p.kind {
                            ParamKind::Int { min, max, .. } => ParamValue::Int(if top { max } else { min }),
                            ParamKind::Float { min, max, .. } => {
                                ParamValue::Float(if top { max } else { min })
                            }
                            ParamKind::Choice { choices, .. } if top => {
                                ParamValue::Text(choices[1].id.into())
                            }
                            _ => continue,
                        };
                        values.set(p.id, value).expect("within its range");
                    }
                    let out = apply(id, &values, &image);
                    assert_eq!(out.data.len(), image.data.len(), "{id}");
                }
                image.data[0] = f32::NAN;
                image.data[(height * width) / 2] = f32::INFINITY;
                apply(id, &ParamValues::defaults(params), &image);
            }
        }
    }
}
