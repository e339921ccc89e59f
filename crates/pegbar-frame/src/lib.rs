//! Pictures and what makes them comparable: planes, pixel formats, colour description, time stamps,
//! conversion between YUV and RGB, resizing and metrics.
//!
//! Two representations of a picture exist. [`Frame`] is what a video codec sees: native planes at native
//! depth with a time stamp and a [`Colour`]. [`PlanarImage`] is what a network sees: planar `f32`, `0.0..=1.0`.
#![forbid(unsafe_code)]

mod colour;
mod convert;
mod error;
mod frame;
pub mod metrics;
mod pixel_format;
mod planar_image;
mod rational;
mod resize;

pub use colour::{ChromaLocation, Colour, Matrix, Primaries, Range, Transfer};
pub use convert::{Dither, frame_to_rgb, frame_to_rgb_into, rgb_to_frame, rgb_to_frame_reusing};
pub use error::FrameError;
pub use frame::{Frame, Plane};
pub use pixel_format::{PixelFamily, PixelFormat};
pub use planar_image::PlanarImage;
pub use rational::Rational;
pub use resize::{Filter, resize};
