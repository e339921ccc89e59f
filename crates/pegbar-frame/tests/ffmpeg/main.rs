//! Formats and colour conversion against the real ffmpeg (`ffmpeg` on PATH or `PEGBAR_FFMPEG`, built with
//! zscale). Without it the tests say that they are skipped.
#![allow(clippy::unwrap_used, reason = "functions that tests call are tests too")]

mod equivalents;
mod process;
mod zscale;
