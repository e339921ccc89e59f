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
use crate::memory::Element;
pub(crate) use math::{
    exp, exp_of_negative, gelu, gelu_of_half, max_of_lanes, mish, sigmoid, sigmoid_of_half, sum_of_lanes,
    tanh, transpose,
};
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
    /// `1 / x` of a normal number whose reciprocal is one, within 2 units in the last place.
    #[inline(always)]
    fn reciprocal(self, x: Self::V) -> Self::V {
        self.div(self.splat(1.0), x)
    }
    /// As [`Simd::reciprocal`], within 2^-13 of it.
    #[inline(always)]
    fn rough_reciprocal(self, x: Self::V) -> Self::V {
        self.reciprocal(x)
    }
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
    /// Reads [`Simd::LANES`] half floats.
    ///
    /// # Safety
    /// They must be readable; no alignment is needed.
    unsafe fn load_half(self, from: *const u16) -> Self::V;
    /// Reads `n` half floats into the first lanes; the others are zero.
    ///
    /// # Safety
    /// `n <= LANES`, and `n` half floats must be readable.
    unsafe fn load_half_first(self, from: *const u16, n: usize) -> Self::V;
    /// Writes [`Simd::LANES`] values rounded to half floats (to the nearest, ties to even; infinite beyond 65519).
    ///
    /// # Safety
    /// They must be writable; no alignment is needed.
    unsafe fn store_half(self, to: *mut u16, v: Self::V);
    /// Writes the first `n` lanes, rounded to half floats.
    ///
    /// # Safety
    /// `n <= LANES`, and `n` half floats must be writable.
    unsafe fn store_half_first(self, to: *mut u16, v: Self::V, n: usize);
    /// Asks the cache for the line at `at`, which may be any address.
    fn prefetch<T>(self, at: *const T);
    /// Asks the second-level cache for the line at `at`, which may be any address.
    fn prefetch_far<T>(self, at: *const T);
    /// As [`Simd::prefetch`], for what is not wanted again soon and should not take the place of other things.
    fn prefetch_once<T>(self, at: *const T);
}

/// Instruction sets with products of 16-bit integers. `I` is a vector of [`Simd::LANES`] 32-bit integers, or of twice as
/// many 16-bit ones: pairs, the first in the low half of a lane.
pub(crate) trait Int16: Simd {
    /// The vector.
    type I: Copy;

    fn splat_pair(self, pair: i32) -> Self::I;
    /// Adds to each lane of `sum` the products of the two pairs of that lane. No intermediate result saturates; the sums
    /// wrap around.
    fn dot(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// 32-bit integers as floats.
    fn to_float(self, v: Self::I) -> Self::V;
    /// Rounds `a * scale` and `b * scale` to whole numbers, which must fit 16 bits: pairs of a lane of each.
    fn quantize_pairs(self, a: Self::V, b: Self::V, scale: Self::V) -> Self::I;
    /// Rounds `v * scale` to whole numbers, which must fit 16 bits, and writes them: LANES of them.
    ///
    /// # Safety
    /// LANES 16-bit integers must be writable; no alignment is needed.
    unsafe fn store_quantized(self, to: *mut i16, v: Self::V, scale: Self::V);
    /// Reads LANES 32-bit integers.
    ///
    /// # Safety
    /// They must be readable; no alignment is needed.
    unsafe fn load_int(self, from: *const i32) -> Self::I;
    /// Writes LANES 32-bit integers.
    ///
    /// # Safety
    /// They must be writable; no alignment is needed.
    unsafe fn store_int(self, to: *mut i32, v: Self::I);
    /// The bits of a float without its sign: their order is that of the magnitudes, infinity above all numbers and NaN above
    /// infinity.
    fn magnitude(self, v: Self::V) -> Self::I;
    /// The larger magnitude of two floats, NaN (of either sign) where both are, and perhaps where one is.
    #[inline(always)]
    fn larger_magnitude(self, a: Self::V, b: Self::V) -> Self::V {
        self.with_bits(self.max_int(self.magnitude(a), self.magnitude(b)))
    }
    /// The float of these bits.
    fn with_bits(self, v: Self::I) -> Self::V;
    /// The larger of signed 32-bit integers.
    fn max_int(self, a: Self::I, b: Self::I) -> Self::I;
    /// The largest lane.
    fn largest(self, v: Self::I) -> i32;
}

/// Adding this to a float of magnitude below 2^22 rounds it to a whole number (ties to even), which then stands in the low
/// bits of the sum: the spacing of floats is 1 from 2^23 on, and half of that more leaves room for negative ones.
#[cfg(target_arch = "x86_64")]
const MAGIC: f32 = 12_582_912.0;

/// How values lie in memory, for kernels that take either kind.
pub(crate) trait Stored: Copy + Send + Sync + 'static {
    /// What one value is stored as.
    type T: Copy + Default + Send + Sync;
    const ELEMENT: Element;

    /// The same memory, as stored values.
    fn view(floats: &[f32]) -> &[Self::T];

    /// As [`Simd::load`].
    ///
    /// # Safety
    /// As there.
    unsafe fn load<S: Simd>(s: S, from: *const Self::T) -> S::V;
    /// As [`Simd::load_first`].
    ///
    /// # Safety
    /// As there.
    unsafe fn load_first<S: Simd>(s: S, from: *const Self::T, n: usize) -> S::V;
    /// As [`Simd::store`].
    ///
    /// # Safety
    /// As there.
    unsafe fn store<S: Simd>(s: S, to: *mut Self::T, v: S::V);
    /// As [`Simd::store_first`].
    ///
    /// # Safety
    /// As there.
    unsafe fn store_first<S: Simd>(s: S, to: *mut Self::T, v: S::V, n: usize);
}

/// Single precision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Single;

/// Half precision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Half;

macro_rules! stored {
    ($name:ident, $t:ty, $element:expr, $load:ident, $load_first:ident, $store:ident, $store_first:ident) => {
        impl Stored for $name {
            type T = $t;
            const ELEMENT: Element = $element;

            fn view(floats: &[f32]) -> &[$t] {
                let len = size_of_val(floats) / size_of::<$t>();
                // SAFETY: the slice has this many of them, its alignment is at least theirs, and all bits are valid.
                unsafe { std::slice::from_raw_parts(floats.as_ptr().cast(), len) }
            }

            #[inline(always)]
            unsafe fn load<S: Simd>(s: S, from: *const $t) -> S::V {
                // SAFETY: the caller vouches for it.
                unsafe { s.$load(from) }
            }

            #[inline(always)]
            unsafe fn load_first<S: Simd>(s: S, from: *const $t, n: usize) -> S::V {
                // SAFETY: the caller vouches for it.
                unsafe { s.$load_first(from, n) }
            }

            #[inline(always)]
            unsafe fn store<S: Simd>(s: S, to: *mut $t, v: S::V) {
                // SAFETY: the caller vouches for it.
                unsafe { s.$store(to, v) }
            }

            #[inline(always)]
            unsafe fn store_first<S: Simd>(s: S, to: *mut $t, v: S::V, n: usize) {
                // SAFETY: the caller vouches for it.
                unsafe { s.$store_first(to, v, n) }
            }
        }
    };
}

stored!(Single, f32, Element::F32, load, load_first, store, store_first);
stored!(Half, u16, Element::F16, load_half, load_half_first, store_half, store_half_first);

/// Work that is compiled once for each instruction set.
pub(crate) trait Kernel {
    /// What it gives back.
    type Output;
    /// The work; implementations must be `#[inline(always)]`, as must everything generic they call.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// As [`Kernel`], with integers.
pub(crate) trait IntKernel {
    /// What it gives back.
    type Output;
    /// The work; implementations must be `#[inline(always)]`, as must everything generic they call.
    fn run<S: Int16>(self, simd: S) -> Self::Output;
}

/// An instruction set this processor has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Isa {
    Scalar(Scalar),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2<{ avx2::PLAIN }>),
    /// With dot products of integers.
    #[cfg(target_arch = "x86_64")]
    AvxVnni(avx2::Avx2<{ avx2::VNNI }>),
    /// The part of the last one with vectors of eight, for [`Isa::short`]; integers only.
    #[cfg(target_arch = "x86_64")]
    Short(avx2::Avx2<{ avx2::SHORT }>),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512<false>),
    /// With dot products of integers.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(avx512::Avx512<true>),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
}

impl Isa {
    /// The best token of a level, if the processor has it.
    pub(crate) fn new(level: CpuLevel) -> Option<Self> {
        Self::all(level).pop()
    }

    /// The tokens of a level that the processor has, the best last.
    pub(crate) fn all(level: CpuLevel) -> Vec<Self> {
        let of_level = match level {
            CpuLevel::Scalar => [Some(Self::Scalar(Scalar)), None],
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx2 => [avx2::Avx2::new().map(Self::Avx2), avx2::Avx2::new().map(Self::AvxVnni)],
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx512 => [
                avx512::Avx512::<false>::new().map(Self::Avx512),
                avx512::Avx512::<true>::new().map(Self::Avx512Vnni),
            ],
            #[cfg(target_arch = "aarch64")]
            CpuLevel::Neon => [neon::Neon::new().map(Self::Neon), None],
            #[allow(unreachable_patterns, reason = "every level is listed on no architecture")]
            _ => [None, None],
        };
        of_level.into_iter().flatten().collect()
    }

    /// Every token that this processor has, with the short one.
    #[cfg(test)]
    pub(crate) fn every_for_integers() -> Vec<Self> {
        let all = CpuLevel::available().into_iter().flat_map(Self::all);
        #[cfg(target_arch = "x86_64")]
        let all = all.chain(avx2::Avx2::new().map(Self::Short));
        all.collect()
    }

    /// What explanations call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scalar(_) => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni(_) => "avx2 with vnni",
            #[cfg(target_arch = "x86_64")]
            Self::Short(_) => "avx512 with vnni, 256 bits",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(_) => "avx512 with vnni",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => "neon",
        }
    }

    /// Whether products of 16-bit integers are faster than those of floats.
    pub(crate) fn gains_from_integers(self) -> bool {
        match self {
            // Tested as every other set, and the twin of them all.
            Self::Scalar(_) => true,
            #[cfg(target_arch = "x86_64")]
            _ => true,
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => false,
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
        Isa::AvxVnni(simd) => simd.plain().call(kernel),
        #[cfg(target_arch = "x86_64")]
        Isa::Short(simd) => simd.plain().call(kernel),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512(simd) => simd.call(kernel),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni(simd) => simd.without_vnni().call(kernel),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon(simd) => simd.call(kernel),
    }
}

/// Runs a kernel that needs integers with an instruction set, with plain Rust where that has none.
#[inline]
pub(crate) fn dispatch_int<K: IntKernel>(isa: Isa, kernel: K) -> K::Output {
    match isa {
        Isa::Scalar(simd) => kernel.run(simd),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2(simd) => simd.call_int(kernel),
        #[cfg(target_arch = "x86_64")]
        Isa::AvxVnni(simd) => simd.call_int(kernel),
        #[cfg(target_arch = "x86_64")]
        Isa::Short(simd) => simd.call_int(kernel),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512(simd) => simd.call_int(kernel),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni(simd) => simd.call_int(kernel),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon(_) => kernel.run(Scalar),
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
        impl IntKernel for Ask {
            type Output = Geometry;
            #[inline(always)]
            fn run<S: Int16>(self, _: S) -> Geometry {
                Geometry { lanes: S::LANES, registers: S::REGISTERS }
            }
        }
        match self {
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => Geometry { lanes: neon::Neon::LANES, registers: neon::Neon::REGISTERS },
            _ => dispatch_int(self, Ask),
        }
    }

    /// The same with integer vectors of half the length, if these are as fast by the lane: if the processor takes as long for
    /// a vector as for two of half its length.
    pub(crate) fn short(self) -> Option<Self> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(_) if has_halved_units() => avx2::Avx2::new().map(Self::Short),
            _ => None,
        }
    }
}

/// Whether the processor takes 512 bits in two halves: AMD's Zen 4.
#[cfg(target_arch = "x86_64")]
fn has_halved_units() -> bool {
    use std::arch::x86_64::__cpuid;
    let vendor = __cpuid(0);
    let is_amd = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat() == b"AuthenticAMD";
    let version = __cpuid(1).eax;
    is_amd && (version >> 8 & 0xf) + (version >> 20 & 0xff) == 0x19
}

#[cfg(test)]
mod tests;
