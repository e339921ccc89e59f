//! Operations of any picture program: colour, blending, blurs, geometry.
//!
//! Geometry works on whole pixels or resamples ([`resize`], [`rotate`]); compositing respects alpha; operations on colour and
//! blurs leave alpha as it is. Parameters can express those of chaiNNer's nodes.

mod border;
mod choices;
mod colour_model;
mod convolution;
mod error;
mod fast_exp;
mod gather;
mod palette;
mod resample;
mod samples;

pub mod align_size;
pub mod alpha;
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
pub mod flip;
pub mod grayscale;
pub mod hue_saturation;
pub mod levels;
pub mod lut;
pub mod median_blur;
pub mod mix;
pub mod nl_means;
pub mod pad;
pub mod resize;
pub mod resize_to_side;
pub mod rotate;
pub mod shift;
pub mod stack;
pub mod threshold;
pub mod tile_fill;
pub mod tone;
pub mod white_balance;

pub use error::{MAX_PIXELS, MAX_SIDE, PictureError};
pub use gather::Fill;
pub use resample::ResizeFilter;
