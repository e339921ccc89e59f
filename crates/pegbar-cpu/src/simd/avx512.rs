//! AVX-512 (with the byte, doubleword and shorter vector subsets, as every processor but the first accelerators has them):
//! vectors of sixteen.

use super::{Int16, IntKernel, Kernel, MAGIC, Simd};
use crate::CpuLevel;
use std::arch::x86_64::*;

/// Adds the products of pairs of 16-bit integers.
///
/// The compiler takes the intrinsic of this name apart, into two instructions of shorter latency: the wrong trade where there
/// are sums enough in flight.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn dpwssd(mut sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: a register-only instruction of the features above.
    unsafe {
        std::arch::asm!(
            "vpdpwssd {sum}, {a}, {b}",
            sum = inout(zmm_reg) sum,
            a = in(zmm_reg) a,
            b = in(zmm_reg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// Proof that the processor has AVX-512 F, BW, DQ and VL, AVX2, FMA and F16C; and VNNI, where that is so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512<const VNNI: bool>(());

const LANES: usize = 16;

impl<const VNNI: bool> Avx512<VNNI> {
    pub(crate) fn new() -> Option<Self> {
        let has_dot = !VNNI || is_x86_feature_detected!("avx512vnni");
        (CpuLevel::Avx512.is_available() && has_dot).then_some(Self(()))
    }

    #[inline]
    pub(super) fn call_int<K: IntKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
        fn with_vnni<K: IntKernel>(simd: Avx512<true>, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
        fn without<K: IntKernel>(simd: Avx512<false>, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        if VNNI {
            // SAFETY: the token exists only if the processor has all of these.
            unsafe { with_vnni(Avx512(()), kernel) }
        } else {
            // SAFETY: as above.
            unsafe { without(Avx512(()), kernel) }
        }
    }

    #[inline(always)]
    fn mask(n: usize) -> __mmask16 {
        debug_assert!(n <= LANES);
        ((1u32 << n) - 1) as __mmask16
    }
}

macro_rules! instructions {
    ($($name:ident($($arg:ident),*) $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: __m512),*) -> __m512 {
            // SAFETY: register-only instructions; the token vouches that the processor has them.
            unsafe { $value }
        }
    )*};
}

impl Avx512<true> {
    /// The same, for kernels without integers.
    #[inline]
    pub(super) fn without_vnni(self) -> Avx512<false> {
        Avx512(())
    }
}

impl Avx512<false> {
    #[inline]
    pub(super) fn call<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
        fn inner<K: Kernel>(simd: Avx512<false>, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: the token exists only if the processor has all of these.
        unsafe { inner(self, kernel) }
    }
}

impl<const VNNI: bool> Simd for Avx512<VNNI> {
    type V = __m512;
    const LANES: usize = LANES;
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: a register-only instruction; the token vouches that the processor has it.
        unsafe { _mm512_set1_ps(x) }
    }

    instructions! {
        add(a, b) _mm512_add_ps(a, b);
        sub(a, b) _mm512_sub_ps(a, b);
        mul(a, b) _mm512_mul_ps(a, b);
        div(a, b) _mm512_div_ps(a, b);
        max(a, b) _mm512_max_ps(a, b);
        min(a, b) _mm512_min_ps(a, b);
        mul_add(a, b, c) _mm512_fmadd_ps(a, b, c);
        neg_mul_add(a, b, c) _mm512_fnmadd_ps(a, b, c);
        select_negative(x, negative, other) _mm512_mask_mov_ps(
            other,
            _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, _mm512_setzero_ps()),
            negative
        );
        scale_by_power_of_two(x, k) _mm512_scalef_ps(x, k);
    }

    #[inline(always)]
    fn reciprocal(self, x: __m512) -> __m512 {
        // SAFETY: register-only instructions; the token vouches that the processor has them.
        unsafe {
            // Fourteen bits, doubled by Newton's iteration: cheaper than a division.
            let guess = _mm512_rcp14_ps(x);
            _mm512_fmadd_ps(guess, _mm512_fnmadd_ps(x, guess, _mm512_set1_ps(1.0)), guess)
        }
    }

    #[inline(always)]
    fn rough_reciprocal(self, x: __m512) -> __m512 {
        // SAFETY: a register-only instruction; the token vouches that the processor has it.
        unsafe { _mm512_rcp14_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: the caller vouches for LANES readable values, the token for the instruction.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> __m512 {
        // SAFETY: masked lanes are not touched; the caller vouches for `n` readable values, the token for the
        // instruction.
        unsafe { _mm512_maskz_loadu_ps(Self::mask(n), from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m512) {
        // SAFETY: the caller vouches for LANES writable values, the token for the instruction.
        unsafe { _mm512_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, v: __m512, n: usize) {
        // SAFETY: masked lanes are not touched; the caller vouches for `n` writable values, the token for the
        // instruction.
        unsafe { _mm512_mask_storeu_ps(to, Self::mask(n), v) }
    }

    #[inline(always)]
    unsafe fn load_half(self, from: *const u16) -> __m512 {
        // SAFETY: the caller vouches for LANES readable half floats, the token for the instructions.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_half_first(self, from: *const u16, n: usize) -> __m512 {
        // SAFETY: masked lanes are not touched; the caller vouches for `n` readable half floats, the token for the
        // instructions.
        unsafe { _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(Self::mask(n), from.cast())) }
    }

    #[inline(always)]
    unsafe fn store_half(self, to: *mut u16, v: __m512) {
        // SAFETY: the caller vouches for LANES writable half floats, the token for the instructions.
        unsafe { _mm256_storeu_si256(to.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v)) }
    }

    #[inline(always)]
    unsafe fn store_half_first(self, to: *mut u16, v: __m512, n: usize) {
        // SAFETY: masked lanes are not touched; the caller vouches for `n` writable half floats, the token for the
        // instructions.
        unsafe {
            let halves = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v);
            _mm256_mask_storeu_epi16(to.cast(), Self::mask(n), halves);
        }
    }

    #[inline(always)]
    fn prefetch<T>(self, at: *const T) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    fn prefetch_far<T>(self, at: *const T) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    fn prefetch_once<T>(self, at: *const T) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_NTA>(at.cast()) }
    }
}

impl<const VNNI: bool> Int16 for Avx512<VNNI> {
    type I = __m512i;

    #[inline(always)]
    fn splat_pair(self, pair: i32) -> __m512i {
        // SAFETY: a register-only instruction; the token vouches that the processor has it.
        unsafe { _mm512_set1_epi32(pair) }
    }

    #[inline(always)]
    fn dot(self, sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: register-only instructions; the token vouches that the processor has them.
        unsafe { if VNNI { dpwssd(sum, a, b) } else { _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)) } }
    }

    #[inline(always)]
    fn to_float(self, v: __m512i) -> __m512 {
        // SAFETY: a register-only instruction; the token vouches that the processor has it.
        unsafe { _mm512_cvtepi32_ps(v) }
    }

    #[inline(always)]
    fn quantize_pairs(self, a: __m512, b: __m512, scale: __m512) -> __m512i {
        // SAFETY: register-only instructions; the token vouches that the processor has them.
        unsafe {
            let magic = _mm512_set1_ps(MAGIC);
            let a = _mm512_castps_si512(_mm512_fmadd_ps(a, scale, magic));
            let b = _mm512_castps_si512(_mm512_fmadd_ps(b, scale, magic));
            _mm512_mask_blend_epi16(0xaaaa_aaaa, a, _mm512_slli_epi32::<16>(b))
        }
    }

    #[inline(always)]
    unsafe fn store_quantized(self, to: *mut i16, v: __m512, scale: __m512) {
        // SAFETY: the caller vouches for LANES writable integers, the token for the instructions.
        unsafe {
            let v = _mm512_castps_si512(_mm512_fmadd_ps(v, scale, _mm512_set1_ps(MAGIC)));
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(v));
        }
    }

    #[inline(always)]
    unsafe fn load_int(self, from: *const i32) -> __m512i {
        // SAFETY: the caller vouches for LANES readable integers, the token for the instruction.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store_int(self, to: *mut i32, v: __m512i) {
        // SAFETY: the caller vouches for LANES writable integers, the token for the instruction.
        unsafe { _mm512_storeu_si512(to.cast(), v) }
    }

    #[inline(always)]
    fn magnitude(self, v: __m512) -> __m512i {
        // SAFETY: register-only instructions; the token vouches that the processor has them.
        unsafe { _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(i32::MAX)) }
    }

    #[inline(always)]
    fn larger_magnitude(self, a: __m512, b: __m512) -> __m512 {
        // The larger of the magnitudes, without a sign.
        // SAFETY: a register-only instruction; the token vouches that the processor has it.
        unsafe { _mm512_range_ps::<0b1011>(a, b) }
    }

    #[inline(always)]
    fn with_bits(self, v: __m512i) -> __m512 {
        // SAFETY: no instruction at all; the token vouches for the registers.
        unsafe { _mm512_castsi512_ps(v) }
    }

    #[inline(always)]
    fn max_int(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: a register-only instruction; the token vouches that the processor has it.
        unsafe { _mm512_max_epi32(a, b) }
    }

    #[inline(always)]
    fn largest(self, v: __m512i) -> i32 {
        // SAFETY: register-only instructions; the token vouches that the processor has them.
        unsafe { _mm512_reduce_max_epi32(v) }
    }
}
