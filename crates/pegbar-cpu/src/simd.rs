//! Vectors of `f32`, one type per instruction set.
//!
//! A kernel is a struct with a generic `run`; [`dispatch`] calls it inside a function that has the instruction set
//! enabled, so everything `#[inline(always)]` below it is compiled with that set. The value of an instruction set (a
//! token such as `Avx2`) can only be made by [`Isa::new`], which asks the processor first: who holds the
//! token may execute the instructions.
#![allow(unsafe_code, reason = "vector instructions and unaligned loads")]

mod math;
mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

use crate::CpuLevel;
pub(crate) use math::{exp, sigmoid};
pub(crate) use scalar::Scalar;

/// One instruction set. `V` is a vector of [`Simd::LANES`] values.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// The vector.
    type V: Copy;
    /// Values in a vector.
    const LANES: usize;
    /// Architectural vector registers: how large a block of accumulators can be.
    const REGISTERS: usize;

    fn splat(self, x: f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger one; `b` where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller one; `b` where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`.
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `x < 0 ? negative : other`; a negative zero may take either.
    fn select_negative(self, x: Self::V, negative: Self::V, other: Self::V) -> Self::V;
    /// `x * 2^k` for whole `k` in `-126..=127`.
    fn scale_by_power_of_two(self, x: Self::V, k: Self::V) -> Self::V;

    /// Reads [`Simd::LANES`] values.
    ///
    /// # Safety
    /// They must be readable; no alignment is needed.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// Reads `n` values into the first lanes; the others are zero.
    ///
    /// # Safety
    /// `n <= LANES`, and `n` values must be readable.
    unsafe fn load_first(self, from: *const f32, n: usize) -> Self::V;
    /// Writes [`Simd::LANES`] values.
    ///
    /// # Safety
    /// They must be writable; no alignment is needed.
    unsafe fn store(self, to: *mut f32, v: Self::V);
    /// Writes the first `n` lanes.
    ///
    /// # Safety
    /// `n <= LANES`, and `n` values must be writable.
    unsafe fn store_first(self, to: *mut f32, v: Self::V, n: usize);
    /// Asks the cache for the line at `at`, which may be any address.
    fn prefetch(self, at: *const f32);
}

/// Work that is compiled once for each instruction set.
pub(crate) trait Kernel {
    /// What it gives back.
    type Output;
    /// The work; implementations must be `#[inline(always)]`, as must everything generic they call.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// An instruction set this processor has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Isa {
    Scalar(Scalar),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
}

impl Isa {
    /// The token of a level, if the processor has it.
    pub(crate) fn new(level: CpuLevel) -> Option<Self> {
        match level {
            CpuLevel::Scalar => Some(Self::Scalar(Scalar)),
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx2 => avx2::Avx2::new().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx512 => avx512::Avx512::new().map(Self::Avx512),
            #[cfg(target_arch = "aarch64")]
            CpuLevel::Neon => neon::Neon::new().map(Self::Neon),
            #[allow(unreachable_patterns, reason = "every level is listed on no architecture")]
            _ => None,
        }
    }
}

/// Runs a kernel with an instruction set.
#[inline]
pub(crate) fn dispatch<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    match isa {
        Isa::Scalar(simd) => kernel.run(simd),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2(simd) => simd.call(kernel),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512(simd) => simd.call(kernel),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon(simd) => simd.call(kernel),
    }
}

/// Lanes and registers of a level, for packing weights ahead of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) lanes: usize,
    pub(crate) registers: usize,
}

impl Isa {
    pub(crate) fn geometry(self) -> Geometry {
        struct Ask;
        impl Kernel for Ask {
            type Output = Geometry;
            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> Geometry {
                Geometry { lanes: S::LANES, registers: S::REGISTERS }
            }
        }
        dispatch(self, Ask)
    }
}

#[cfg(test)]
mod tests;
