//! The crate against the real ffmpeg. Run it against another version with `PEGBAR_FFMPEG`.

mod bad_inputs;
mod decoding;
mod pass_through;
mod pipes;
mod streams;
mod support;
mod tools;
