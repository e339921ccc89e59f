//! AVX2 with FMA and F16C: vectors of eight.

use super::{Int16, IntKernel, Kernel, MAGIC, Simd};
use crate::CpuLevel;
use std::arch::x86_64::*;

/// Adds the products of pairs of 16-bit integers.
///
/// The compiler takes the intrinsic of this name apart, into two instructions of shorter latency: the wrong trade where there
/// are sums enough in flight.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn vex_dpwssd(mut sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: a register-only instruction of the features above.
    unsafe {
        std::arch::asm!(
            "{{vex}} vpdpwssd {sum}, {a}, {b}",
            sum = inout(ymm_reg) sum,
            a = in(ymm_reg) a,
            b = in(ymm_reg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// As above, in the encoding of AVX-512.
#[inline]
#[target_feature(enable = "avx512vl,avx512vnni")]
fn evex_dpwssd(mut sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: a register-only instruction of the features above.
    unsafe {
        std::arch::asm!(
            "{{evex}} vpdpwssd {sum}, {a}, {b}",
            sum = inout(ymm_reg) sum,
            a = in(ymm_reg) a,
            b = in(ymm_reg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// What an [`Avx2`] has: nothing more.
pub(super) const PLAIN: u8 = 0;
/// AVX-VNNI.
pub(super) const VNNI: u8 = 1;
/// AVX-512 with VNNI, of which vectors of eight are used: twice the registers.
pub(super) const SHORT: u8 = 2;

/// Proof that the processor has AVX2, FMA and F16C; and what `MORE` says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2<const MORE: u8>(());

const LANES: usize = 8;

/// Eight ones and eight zeros (as bit masks): a window of it is the mask of the first `n` lanes.
static MASKS: [i32; 2 * LANES] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl<const MORE: u8> Avx2<MORE> {
    pub(crate) fn new() -> Option<Self> {
        let has_more = match MORE {
            VNNI => is_x86_feature_detected!("avxvnni"),
            SHORT => CpuLevel::Avx512.is_available() && is_x86_feature_detected!("avx512vnni"),
            _ => true,
        };
        (CpuLevel::Avx2.is_available() && has_more).then_some(Self(()))
    }

    #[inline]
    pub(super) fn call_int<K: IntKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma,f16c,avxvnni")]
        fn with_vnni<K: IntKernel>(simd: Avx2<VNNI>, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
        fn short<K: IntKernel>(simd: Avx2<SHORT>, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        #[target_feature(enable = "avx2,fma,f16c")]
        fn plain<K: IntKernel>(simd: Avx2<PLAIN>, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        match MORE {
            // SAFETY: the token exists only if the processor has all of these.
            VNNI => unsafe { with_vnni(Avx2(()), kernel) },
            // SAFETY: as above.
            SHORT => unsafe { short(Avx2(()), kernel) },
            // SAFETY: as above.
            _ => unsafe { plain(Avx2(()), kernel) },
        }
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

impl<const MORE: u8> Avx2<MORE> {
    /// The same, for kernels without integers.
    #[inline]
    pub(super) fn plain(self) -> Avx2<PLAIN> {
        Avx2(())
    }
}

impl Avx2<PLAIN> {
    #[inline]
    pub(super) fn call<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma,f16c")]
        fn inner<K: Kernel>(simd: Avx2<PLAIN>, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: the token exists only if the processor has all of these.
        unsafe { inner(self, kernel) }
    }
}

/// Half floats of which only the first `n` may be read, the others zero.
///
/// # Safety
/// `n <= N`, and `n` half floats must be readable.
#[inline(always)]
unsafe fn first_halves<const N: usize>(from: *const u16, n: usize) -> [u16; N] {
    let mut halves = [0; N];
    assert!(n <= N);
    // SAFETY: the caller vouches for `n` readable half floats; the array holds N of them.
    unsafe { std::ptr::copy_nonoverlapping(from, halves.as_mut_ptr(), n) };
    halves
}

impl<const MORE: u8> Simd for Avx2<MORE> {
    type V = __m256;
    const LANES: usize = LANES;
    const REGISTERS: usize = if MORE == SHORT { 32 } else { 16 };

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
    unsafe fn load_half(self, from: *const u16) -> __m256 {
        // SAFETY: the caller vouches for LANES readable half floats, the token for the instructions.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_half_first(self, from: *const u16, n: usize) -> __m256 {
        // SAFETY: the caller vouches for `n` readable half floats, the token for the instructions.
        unsafe { self.load_half(first_halves::<LANES>(from, n).as_ptr()) }
    }

    #[inline(always)]
    unsafe fn store_half(self, to: *mut u16, v: __m256) {
        // SAFETY: the caller vouches for LANES writable half floats, the token for the instructions.
        unsafe { _mm_storeu_si128(to.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v)) }
    }

    #[inline(always)]
    unsafe fn store_half_first(self, to: *mut u16, v: __m256, n: usize) {
        let mut halves = [0u16; LANES];
        assert!(n <= LANES);
        // SAFETY: the array holds LANES half floats, of which n <= LANES go to where the caller vouches for.
        unsafe {
            self.store_half(halves.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(halves.as_ptr(), to, n);
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

impl<const MORE: u8> Int16 for Avx2<MORE> {
    type I = __m256i;

    #[inline(always)]
    fn splat_pair(self, pair: i32) -> __m256i {
        // SAFETY: a register-only instruction; the token vouches that the processor has it.
        unsafe { _mm256_set1_epi32(pair) }
    }

    #[inline(always)]
    fn dot(self, sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: register-only instructions; the token vouches that the processor has them.
        unsafe {
            match MORE {
                VNNI => vex_dpwssd(sum, a, b),
                SHORT => evex_dpwssd(sum, a, b),
                _ => _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)),
            }
        }
    }

    #[inline(always)]
    fn to_float(self, v: __m256i) -> __m256 {
        // SAFETY: a register-only instruction; the token vouches that the processor has it.
        unsafe { _mm256_cvtepi32_ps(v) }
    }

    #[inline(always)]
    fn quantize_pairs(self, a: __m256, b: __m256, scale: __m256) -> __m256i {
        // SAFETY: register-only instructions; the token vouches that the processor has them.
        unsafe {
            let magic = _mm256_set1_ps(MAGIC);
            let a = _mm256_castps_si256(_mm256_fmadd_ps(a, scale, magic));
            let b = _mm256_castps_si256(_mm256_fmadd_ps(b, scale, magic));
            _mm256_blend_epi16::<0xaa>(a, _mm256_slli_epi32::<16>(b))
        }
    }

    #[inline(always)]
    unsafe fn store_quantized(self, to: *mut i16, v: __m256, scale: __m256) {
        // SAFETY: the caller vouches for LANES writable integers, the token for the instructions.
        unsafe {
            let v = _mm256_castps_si256(_mm256_fmadd_ps(v, scale, _mm256_set1_ps(MAGIC)));
            // Sign-extend the low halves, so that packing keeps them; it packs each half of the vector apart.
            let v = _mm256_srai_epi32::<16>(_mm256_slli_epi32::<16>(v));
            let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packs_epi32(v, v));
            _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(packed));
        }
    }

    #[inline(always)]
    unsafe fn load_int(self, from: *const i32) -> __m256i {
        // SAFETY: the caller vouches for LANES readable integers, the token for the instruction.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store_int(self, to: *mut i32, v: __m256i) {
        // SAFETY: the caller vouches for LANES writable integers, the token for the instruction.
        unsafe { _mm256_storeu_si256(to.cast(), v) }
    }

    #[inline(always)]
    fn magnitude(self, v: __m256) -> __m256i {
        // SAFETY: register-only instructions; the token vouches that the processor has them.
        unsafe { _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(i32::MAX)) }
    }

    #[inline(always)]
    fn with_bits(self, v: __m256i) -> __m256 {
        // SAFETY: no instruction at all; the token vouches for the registers.
        unsafe { _mm256_castsi256_ps(v) }
    }

    #[inline(always)]
    fn max_int(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: a register-only instruction; the token vouches that the processor has it.
        unsafe { _mm256_max_epi32(a, b) }
    }

    #[inline(always)]
    fn largest(self, v: __m256i) -> i32 {
        // SAFETY: register-only instructions; the token vouches that the processor has them.
        unsafe {
            let v = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
            let v = _mm_max_epi32(v, _mm_shuffle_epi32::<0b0100_1110>(v));
            _mm_cvtsi128_si32(_mm_max_epi32(v, _mm_shuffle_epi32::<0b1011_0001>(v)))
        }
    }
}
