//! Defects of old films and tapes, made on purpose: for datasets, for tests of filters, for demonstrations.
//!
//! Each is a function from clean frames to spoilt ones that depends on its settings and a seed alone.
#![forbid(unsafe_code)]

pub mod spatial;
pub mod temporal;
