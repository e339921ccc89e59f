//! AVX2 with FMA: vectors of eight.

use super::{Kernel, Simd};
use crate::CpuLevel;
use std::arch::x86_64::*;

/// Proof that the processor has AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

const LANES: usize = 8;

/// Eight ones and eight zeros (as bit masks): a window of it is the mask of the first `n` lanes.
static MASKS: [i32; 2 * LANES] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Avx2 {
    pub(crate) fn new() -> Option<Self> {
        CpuLevel::Avx2.is_available().then_some(Self(()))
    }

    #[inline]
    pub(super) fn call<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn inner<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: the token exists only if the processor has AVX2 and FMA.
        unsafe { inner(self, kernel) }
    }

    #[inline(always)]
    fn mask(self, n: usize) -> __m256i {
        assert!(n <= LANES);
        // SAFETY: n <= LANES, so LANES values from LANES - n on lie within the 2 * LANES of the table; the token
        // vouches for the instruction.
        unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(LANES - n).cast()) }
    }
}

macro_rules! instructions {
    ($($name:ident($($arg:ident),*) $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: __m256),*) -> __m256 {
            // SAFETY: register-only instructions; the token vouches that the processor has them.
            unsafe { $value }
        }
    )*};
}

impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = LANES;
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: a register-only instruction; the token vouches that the processor has it.
        unsafe { _mm256_set1_ps(x) }
    }

    instructions! {
        add(a, b) _mm256_add_ps(a, b);
        sub(a, b) _mm256_sub_ps(a, b);
        mul(a, b) _mm256_mul_ps(a, b);
        div(a, b) _mm256_div_ps(a, b);
        max(a, b) _mm256_max_ps(a, b);
        min(a, b) _mm256_min_ps(a, b);
        mul_add(a, b, c) _mm256_fmadd_ps(a, b, c);
        neg_mul_add(a, b, c) _mm256_fnmadd_ps(a, b, c);
        select_negative(x, negative, other) _mm256_blendv_ps(other, negative, x);
        scale_by_power_of_two(x, k) _mm256_mul_ps(
            x,
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_cvtps_epi32(k), _mm256_set1_epi32(127))))
        );
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: the caller vouches for LANES readable values, the token for the instruction.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> __m256 {
        // SAFETY: masked lanes are not touched; the caller vouches for `n` readable values, the token for the
        // instruction.
        unsafe { _mm256_maskload_ps(from, self.mask(n)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m256) {
        // SAFETY: the caller vouches for LANES writable values, the token for the instruction.
        unsafe { _mm256_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, v: __m256, n: usize) {
        // SAFETY: masked lanes are not touched; the caller vouches for `n` writable values, the token for the
        // instruction.
        unsafe { _mm256_maskstore_ps(to, self.mask(n), v) }
    }

    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}
