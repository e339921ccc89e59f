//! The table of nodes.

use crate::picture::{blur, colour, compositing, drawing, geometry, mask, noise};
use crate::{
    change, collect, ffmpeg, folder, image_file, model, restoration, source_sink, structure, temporal, value,
};
use pegbar_chain::NodeTable;

/// All kinds of nodes.
pub const NODES: NodeTable = NodeTable(&[
    // Input and output.
    &source_sink::INPUT,
    &source_sink::OUTPUT,
    &source_sink::VIDEO_LOAD,
    &source_sink::VIDEO_SAVE,
    // Files.
    &image_file::LOAD,
    &image_file::SAVE,
    &image_file::TEXT_SAVE,
    &folder::LOAD,
    // Models.
    &model::LOAD,
    &model::UPSCALE,
    &model::INTERPOLATE,
    &model::MODEL_INFO,
    &folder::LOAD_MODELS,
    // ffmpeg's filters of pictures.
    &ffmpeg::FILTER,
    &ffmpeg::HQDN3D,
    &ffmpeg::NLMEANS,
    &ffmpeg::BM3D,
    &ffmpeg::VAGUEDENOISER,
    &ffmpeg::ATADENOISE,
    &ffmpeg::OWDENOISE,
    &ffmpeg::DEDOT,
    &ffmpeg::DEFLICKER,
    &ffmpeg::DEBAND,
    &ffmpeg::GRADFUN,
    &ffmpeg::DEBLOCK,
    &ffmpeg::REMOVEGRAIN,
    &ffmpeg::SMARTBLUR,
    &ffmpeg::UNSHARP,
    &ffmpeg::CAS,
    &ffmpeg::LUT3D,
    &ffmpeg::EQ,
    &ffmpeg::COLORBALANCE,
    &ffmpeg::CURVES,
    &ffmpeg::TMIX,
    &ffmpeg::DESHAKE,
    // ffmpeg's filters of fields and frame rates.
    &ffmpeg::DEINTERLACE,
    &ffmpeg::IVTC,
    &ffmpeg::DECIMATE,
    &ffmpeg::FRAME_STEP,
    &ffmpeg::FPS,
    &ffmpeg::MINTERPOLATE,
    // Measures and collections.
    &image_file::DIMENSIONS,
    &image_file::METRICS,
    &colour::FIND_THRESHOLD,
    &change::SCENE_CHANGE,
    &change::DUPLICATE,
    &collect::AVERAGE,
    &collect::TEXT_COLLECT,
    &collect::CONTACT_SHEET,
    // Numbers and decisions.
    &value::NUMBER,
    &value::TEXT,
    &value::BOOL,
    &value::DIRECTORY,
    &value::FILE,
    &value::COLOUR,
    &value::COLOUR_FROM,
    &value::COLOUR_PARTS,
    &value::MATH,
    &value::MATH_EXPRESSION,
    &value::ROUND,
    &value::RANDOM,
    &value::SEED,
    &value::RANGE,
    &value::COMPARE,
    &value::LOGIC,
    &value::CONDITIONAL,
    &value::SWITCH,
    // Texts and paths.
    &value::TEXT_JOIN,
    &value::TEXT_PATTERN,
    &value::TEXT_REPLACE,
    &value::TEXT_REGEX_FIND,
    &value::TEXT_REGEX_REPLACE,
    &value::TEXT_SLICE,
    &value::TEXT_PAD,
    &value::TEXT_CASE,
    &value::TEXT_LENGTH,
    &value::TEXT_PARSE_NUMBER,
    &value::PATH_PARTS,
    &value::PATH_PARENT,
    &value::PATH_JOIN,
    &image_file::PATH_EXISTS,
    // Size and place.
    &geometry::RESIZE,
    &geometry::RESIZE_TO_SIDE,
    &geometry::CROP,
    &geometry::PAD,
    &geometry::ROTATE,
    &geometry::FLIP,
    &geometry::STACK,
    &geometry::SHIFT,
    &geometry::TILE_FILL,
    &geometry::ALIGN_SIZE,
    // Compositing.
    &compositing::BLEND,
    &compositing::MIX,
    &compositing::MASK_BLEND,
    &compositing::ARITHMETIC,
    &compositing::SPLIT_CHANNELS,
    &compositing::COMBINE_CHANNELS,
    &compositing::EXTRACT_CHANNEL,
    &compositing::SPLIT_ALPHA,
    &compositing::MERGE_ALPHA,
    &compositing::PREMULTIPLY,
    &compositing::OPACITY,
    &compositing::FILL_ALPHA,
    // Colour and tone.
    &colour::COLOUR_SPACE,
    &colour::LEVELS,
    &colour::CURVES,
    &colour::GAMMA,
    &colour::BRIGHTNESS_CONTRAST,
    &colour::INVERT,
    &colour::CLAMP,
    &colour::NORMALIZE,
    &colour::HUE_SATURATION,
    &colour::VIBRANCE,
    &colour::WHITE_BALANCE,
    &colour::GRAYSCALE,
    &colour::COLOURISE,
    &colour::GRADIENT_MAP,
    &colour::THRESHOLD,
    &colour::ADAPTIVE_THRESHOLD,
    &colour::QUANTIZE,
    &colour::DITHER,
    &colour::LUT,
    &colour::AVERAGE_COLOUR_FIX,
    &colour::WAVELET_COLOUR_FIX,
    &colour::COLOUR_TRANSFER,
    &colour::MATCH_HISTOGRAM,
    // Blurs, sharpening, edges.
    &blur::BOX_BLUR,
    &blur::GAUSSIAN_BLUR,
    &blur::MOTION_BLUR,
    &blur::LENS_BLUR,
    &blur::MEDIAN_BLUR,
    &blur::BILATERAL_BLUR,
    &blur::SURFACE_BLUR,
    &blur::NL_MEANS,
    &blur::SHARPEN,
    &blur::HIGH_PASS,
    &blur::HIGH_BOOST,
    &blur::EDGE_DETECT,
    &blur::CANNY,
    // Masks.
    &mask::EDGE_MASK,
    &mask::LUMA_MASK,
    &mask::FLAT_MASK,
    &mask::COLOUR_KEY,
    &mask::MORPHOLOGY,
    &mask::DISTANCE_TRANSFORM,
    // Noise and grain.
    &noise::ADD_NOISE,
    &noise::FILM_GRAIN,
    // Drawing.
    &drawing::CAPTION,
    &drawing::TEXT_OVERLAY,
    &drawing::SOLID_COLOUR,
    &drawing::CHECKERBOARD,
    &drawing::GRADIENT,
    &drawing::TEST_PATTERN,
    // Restoration of single frames.
    &restoration::ANTI_ALIAS,
    &restoration::BORDER_FIX,
    &restoration::CHROMA_BLEED,
    &restoration::CHROMA_SHIFT,
    &restoration::DEBAND,
    &restoration::DEBLOCK,
    &restoration::DEHALO,
    &restoration::DENOISE,
    &restoration::DERING,
    &restoration::DESCRATCH,
    &restoration::DESPECKLE,
    &restoration::EDGE_CLEAN,
    &restoration::FINE_DEHALO,
    &restoration::LINE_DARKEN,
    &restoration::LINE_THIN,
    // Restoration over time.
    &temporal::DECOMB,
    &temporal::DEFLICKER,
    &temporal::DEGHOST,
    &temporal::DEGRAIN,
    &temporal::DENOISE,
    &temporal::DERAINBOW,
    &temporal::DESPOT,
    &temporal::DOT_CRAWL,
    &temporal::STABILISE,
    // Structure.
    &structure::PASS_THROUGH,
    &structure::NOTE,
    &structure::VIEW,
    &structure::PLACEHOLDER,
]);

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_params::{ParamValues, check_table};
    use std::collections::HashSet;

    #[test]
    fn every_declaration_is_whole() {
        let mut ids = HashSet::new();
        for kind in NODES.0 {
            let id = kind.id;
            for name in std::iter::once(&id).chain(kind.former_ids) {
                assert!(ids.insert(*name), "{name} is declared twice");
                let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
                assert!(name.chars().all(good) && name.matches('.').count() <= 1, "{name} is no id");
            }
            assert!(!kind.name.is_empty(), "{id} has no name");
            assert!(kind.doc.ends_with('.') && kind.doc.len() > 20, "{id} is not described");
            check_table(kind.params).unwrap_or_else(|error| panic!("{id}: {error}"));
            let mut ports = HashSet::new();
            for input in kind.inputs {
                assert!(input.doc.ends_with('.'), "{id}.{} is not described", input.id);
                assert!(ports.insert(input.id), "{id}.{} is declared twice", input.id);
            }
            for param in kind.params {
                assert!(ports.insert(param.id), "{id}.{} is declared twice", param.id);
            }
            let mut outputs = HashSet::new();
            for output in kind.outputs {
                assert!(output.doc.ends_with('.'), "{id}.{} is not described", output.id);
                assert!(outputs.insert(output.id), "{id}.{} is declared twice", output.id);
            }
            let mut values = ParamValues::defaults(kind.params);
            for (param, text) in kind.example {
                let declared = kind.param(param).unwrap_or_else(|| panic!("{id} has no {param}"));
                let value = declared.parse(text).unwrap_or_else(|error| panic!("{id}: {error}"));
                assert_eq!(values.set(param, value), Ok(true), "{id}.{param}");
            }
        }
    }
}
