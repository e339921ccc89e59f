//! The loops that do the work. Each file holds one kind of step; what it computes per element is compiled for every
//! instruction set from one generic body, so the scalar twin is the same code over plain Rust vectors.

pub(crate) mod attention;
pub(crate) mod channel_attention;
pub(crate) mod direct;
pub(crate) mod elementwise;
pub(crate) mod epilogue;
pub(crate) mod fourier;
pub(crate) mod matmul;
pub(crate) mod norm;
mod pairs;
pub(crate) mod pool;
pub(crate) mod rearrange;
pub(crate) mod resize;
pub(crate) mod sample;
pub(crate) mod softmax;
pub(crate) mod sorted_attention;
pub(crate) mod tiles;
pub(crate) mod transposed;
pub(crate) mod window;
pub(crate) mod winograd;
