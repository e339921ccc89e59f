//! Classic picture processing: what a chain does to pictures besides running networks.
//!
//! Three rooms. [`picture`] holds the operations of any picture program: colour, blending, blurs, geometry. [`spatial`]
//! removes defects of old material that a single frame shows, [`temporal`] those that only its neighbours give away.
//!
//! Pictures are [`PlanarImage`](pegbar_frame::PlanarImage)s of 1 (gray), 3 (RGB) or 4 (RGB and alpha, not multiplied in)
//! channels, gamma-encoded, nominally `0.0..=1.0`; values beyond that range are carried, not clipped, unless an operation says
//! so. Alpha passes through operations on colour. A filter is a file with the table `PARAMS`, a type that holds its settings,
//! `from_values` to read them from a table, and `apply`.
#![forbid(unsafe_code)]

mod blocks;
mod dct;
mod edge_rows;
mod luma_chroma;
pub mod picture;
pub mod spatial;
pub mod temporal;
mod vectors;
