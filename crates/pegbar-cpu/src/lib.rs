//! The CPU engine: a [`pegbar_net::Net`] compiled to kernels that use what this processor has.
//!
//! [`CpuNet::compile`] simplifies the net, fuses what follows each convolution into it, and packs the weights. For
//! each size of picture a plan is made once: which rows every step makes when, and where they lie meanwhile
//! (the order is depth first, so working memory does not grow with the height of the picture). A run
//! carries the plan out, with as many threads as were asked for.
//!
//! Values are rows of pixels with contiguous channels (NHWC). 3x3 convolutions use Winograd's algorithm, large
//! kernels Fourier transforms, all others a direct kernel. With [`CpuPrecision::Exact`] all is `f32`; with [`CpuPrecision::Fast`] the products of 3x3 convolutions
//! are those of 16-bit integers, scaled tile by tile, and values between steps are half floats where a guard of their range
//! can watch over them; every kernel is one generic body, compiled for AVX-512, AVX2, NEON and plain
//! Rust, and chosen when the net is compiled. Whatever has no kernel of its own runs on plain loops, so any net runs.

mod error;
mod execute;
mod explain;
mod fusion;
mod guard;
mod halves;
mod kernels;
mod level;
mod memory;
mod net;
mod placement;
mod plan;
mod program;
mod rows_net;
mod simd;
mod step;
mod team;
mod tensors;

pub use error::CpuError;
pub use level::CpuLevel;
pub use net::{CpuNet, CpuOptions, CpuPrecision};
