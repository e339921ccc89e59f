//! A model in a session: device, precision, threads, tiles that fit the memory.
//!
//! [`Session`] is the one place that pads pictures to a network's size rule, cuts them into tiles and puts the results
//! together. A tiled result equals the untiled one: tiles overlap by the receptive field of the network, and only the
//! real borders of the picture are padded. Where no overlap is exact and there is no other way (a network that takes one
//! size only, or one of tensors that is too large for the memory), tiles fade into each other.
#![forbid(unsafe_code)]

mod blend;
mod channels;
mod cut;
mod error;
mod memory;
mod options;
mod pad;
mod session;
mod tile;

pub use error::EngineError;
pub use memory::available_memory_bytes;
pub use options::{Device, Precision, SessionOptions, TileChoice};
pub use session::{Crew, Session};
