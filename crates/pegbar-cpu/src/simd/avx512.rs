//! AVX-512 (the foundation subset): vectors of sixteen.

use super::{Kernel, Simd};
use crate::CpuLevel;
use std::arch::x86_64::*;

/// Proof that the processor has AVX-512F (and AVX2 with FMA).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512(());

const LANES: usize = 16;

impl Avx512 {
    pub(crate) fn new() -> Option<Self> {
        CpuLevel::Avx512.is_available().then_some(Self(()))
    }

    #[inline]
    pub(super) fn call<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn inner<K: Kernel>(simd: Avx512, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: the token exists only if the processor has AVX-512F, AVX2 and FMA.
        unsafe { inner(self, kernel) }
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

impl Simd for Avx512 {
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
    fn prefetch(self, at: *const f32) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}
