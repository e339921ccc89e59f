//! The crate against the real ffmpeg. Run it against another version with `PEGBAR_FFMPEG`.
// A helper's panic fails the test that called it.
#![allow(clippy::unwrap_used)]

mod bad_inputs;
mod decoding;
mod fields;
mod filters;
mod pass_through;
mod pipes;
mod streams;
mod support;
mod tools;
