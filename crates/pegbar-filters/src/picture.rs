//! Operations of any picture program: colour, blending, blurs, geometry.
//!
//! Geometry works on whole pixels or resamples ([`resize`], [`rotate`]); compositing respects alpha; operations on
//! colour and blurs leave alpha as it is. Parameters can express those of chaiNNer's nodes.

mod border;
mod choices;
mod colour_model;
mod convolution;
mod error;
pub(crate) mod fast_exp;
mod gather;
mod palette;
mod random;
mod resample;
mod samples;

pub mod add_noise;
pub mod align_size;
pub mod alpha;
pub mod arithmetic;
pub mod bilateral_blur;
pub mod blend;
pub mod blur;
pub mod channels;
pub mod colour_fix;
pub mod colour_space;
pub mod colour_transfer;
pub mod crop;
pub mod curves;
pub mod distance;
pub mod dither;
pub mod edge_detect;
pub mod film_grain;
pub mod flip;
pub mod grayscale;
pub mod hue_saturation;
pub mod levels;
pub mod lut;
pub mod masks;
pub mod median_blur;
pub mod mix;
pub mod morphology;
pub mod nl_means;
pub mod pad;
pub mod pattern;
pub mod resize;
pub mod resize_to_side;
pub mod rotate;
pub mod sharpen;
pub mod shift;
pub mod stack;
pub mod text;
pub mod threshold;
pub mod tile_fill;
pub mod tone;
pub mod white_balance;

pub use error::{MAX_PIXELS, MAX_SIDE, PictureError};
pub use gather::Fill;
pub use resample::ResizeFilter;

use pegbar_params::Param;

/// Every operation: its id and its table of parameters.
pub const TABLES: &[(&str, &[Param])] = &[
    // Geometry.
    ("resize", resize::PARAMS),
    ("resize_to_side", resize_to_side::PARAMS),
    ("crop", crop::PARAMS),
    ("pad", pad::PARAMS),
    ("rotate", rotate::PARAMS),
    ("flip", flip::PARAMS),
    ("stack", stack::PARAMS),
    ("shift", shift::PARAMS),
    ("tile_fill", tile_fill::PARAMS),
    ("align_size", align_size::PARAMS),
    // Compositing.
    ("blend", blend::PARAMS),
    ("mix", mix::PARAMS),
    ("mask_blend", mix::MASK_PARAMS),
    ("arithmetic", arithmetic::PARAMS),
    ("split_channels", channels::NO_PARAMS),
    ("combine_channels", channels::NO_PARAMS),
    ("extract_channel", channels::EXTRACT_PARAMS),
    ("split_alpha", channels::NO_PARAMS),
    ("merge_alpha", channels::NO_PARAMS),
    ("premultiply", alpha::PREMULTIPLY_PARAMS),
    ("opacity", alpha::OPACITY_PARAMS),
    ("fill_alpha", alpha::FILL_PARAMS),
    // Colour.
    ("colour_space", colour_space::PARAMS),
    ("levels", levels::PARAMS),
    ("curves", curves::PARAMS),
    ("gamma", tone::GAMMA_PARAMS),
    ("brightness_contrast", tone::BRIGHTNESS_PARAMS),
    ("invert", tone::INVERT_PARAMS),
    ("clamp", tone::CLAMP_PARAMS),
    ("normalize", tone::NORMALIZE_PARAMS),
    ("hue_saturation", hue_saturation::PARAMS),
    ("vibrance", hue_saturation::VIBRANCE_PARAMS),
    ("white_balance", white_balance::PARAMS),
    ("grayscale", grayscale::PARAMS),
    ("colourise", grayscale::COLOURISE_PARAMS),
    ("gradient_map", grayscale::GRADIENT_MAP_PARAMS),
    ("threshold", threshold::PARAMS),
    ("adaptive_threshold", threshold::ADAPTIVE_PARAMS),
    ("quantize", dither::QUANTIZE_PARAMS),
    ("dither", dither::PARAMS),
    ("lut", lut::PARAMS),
    ("average_colour_fix", colour_fix::AVERAGE_PARAMS),
    ("wavelet_colour_fix", colour_fix::WAVELET_PARAMS),
    ("colour_transfer", colour_transfer::PARAMS),
    ("match_histogram", colour_transfer::HISTOGRAM_PARAMS),
    // Blurs, sharpening, edges, masks.
    ("box_blur", blur::BOX_PARAMS),
    ("gaussian_blur", blur::GAUSSIAN_PARAMS),
    ("motion_blur", blur::MOTION_PARAMS),
    ("lens_blur", blur::LENS_PARAMS),
    ("median_blur", median_blur::PARAMS),
    ("bilateral_blur", bilateral_blur::PARAMS),
    ("surface_blur", bilateral_blur::SURFACE_PARAMS),
    ("nl_means", nl_means::PARAMS),
    ("sharpen", sharpen::PARAMS),
    ("high_pass", sharpen::HIGH_PASS_PARAMS),
    ("high_boost", sharpen::HIGH_BOOST_PARAMS),
    ("edge_detect", edge_detect::PARAMS),
    ("canny", edge_detect::CANNY_PARAMS),
    ("edge_mask", masks::EDGE_PARAMS),
    ("luma_mask", masks::LUMA_PARAMS),
    ("flat_mask", masks::FLAT_PARAMS),
    ("colour_key", masks::COLOUR_KEY_PARAMS),
    ("morphology", morphology::PARAMS),
    ("distance_transform", distance::PARAMS),
    // Noise.
    ("add_noise", add_noise::PARAMS),
    ("film_grain", film_grain::PARAMS),
    // Drawing.
    ("caption", text::CAPTION_PARAMS),
    ("text_overlay", text::OVERLAY_PARAMS),
    ("solid_colour", pattern::SOLID_PARAMS),
    ("checkerboard", pattern::CHECKERBOARD_PARAMS),
    ("gradient", pattern::GRADIENT_PARAMS),
    ("test_pattern", pattern::TEST_PATTERN_PARAMS),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sound() {
        for (i, (id, params)) in TABLES.iter().enumerate() {
            assert_eq!(pegbar_params::check_table(params), Ok(()), "{id}");
            assert!(TABLES[..i].iter().all(|(other, _)| other != id), "{id} is listed twice");
        }
    }
}
