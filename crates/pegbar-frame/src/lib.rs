//! Pictures and what makes them comparable: planes, pixel formats, colour description, time stamps,
//! conversion between YUV and RGB, resizing and metrics.
//!
//! Two representations of a picture exist. [`Frame`] is what a video codec sees: native planes at native
//! depth with a time stamp and a [`Colour`]. [`PlanarImage`] is what a network sees: planar `f32`, `0.0..=1.0`.
#![forbid(unsafe_code)]

mod colour;
mod frame;
mod pixel_format;
mod planar_image;
mod rational;

pub use colour::{ChromaLocation, Colour, Matrix, Primaries, Range, Transfer};
pub use frame::{Frame, Plane};
pub use pixel_format::{PixelFamily, PixelFormat};
pub use planar_image::PlanarImage;
pub use rational::Rational;
